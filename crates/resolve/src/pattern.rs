//! What a person types for packages: a name, with `*`, `?` and `[...]` for what is left open, and
//! perhaps with a version or an architecture.
//!
//! ```text
//! gdb   gdb*   gdb.x86_64   gdb-13.1   gdb-13.1-2   gdb-0:13.1-2.x86_64   *.i686
//! ```
//!
//! It could be read in several ways. As dnf does, it is read in that one of them, in a fixed order,
//! in which anything is meant by it: `gcc-*` is `gcc-c++`, and only where no package has such a name
//! is it each version of `gcc`.

use std::borrow::Cow;

use crate::solvable::Nevra;

/// What a text may mean in one of its readings; what is not there may be anything.
#[derive(Debug, Clone, Copy)]
struct Reading<'a> {
    name: &'a str,
    epoch: Option<&'a str>,
    version: Option<&'a str>,
    release: Option<&'a str>,
    arch: Option<&'a str>,
}

/// Says whether a text leaves something open.
#[must_use]
pub fn is_pattern(text: &str) -> bool {
    !text.starts_with('(') && text.contains(['*', '?', '['])
}

/// Returns those of some packages that are meant by `text`, by their place among them.
pub fn meant<'a>(text: &str, packages: impl Iterator<Item = Cow<'a, Nevra>> + Clone) -> Vec<usize> {
    let found = readings(text).map(|reading| {
        let of_all = packages.clone().enumerate();
        let found = of_all.filter(|(_, nevra)| reading.is_met_by(nevra));
        found.map(|(place, _)| place).collect::<Vec<_>>()
    });
    found
        .into_iter()
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

/// Returns the ways to read a text, in dnf's order.
fn readings(text: &str) -> impl Iterator<Item = Reading<'_>> {
    let dotted = text
        .rsplit_once('.')
        .filter(|(_, arch)| !arch.contains('-'));
    let of_arch = |read: fn(&str) -> Option<Reading<'_>>| {
        let (rest, arch) = dotted?;
        Some(Reading {
            arch: Some(arch),
            ..read(rest)?
        })
    };
    let readings = [
        of_arch(with_release),
        of_arch(with_name),
        with_name(text),
        with_release(text),
        with_version(text),
        of_arch(with_version),
    ];
    readings.into_iter().flatten()
}

/// Reads a name.
fn with_name(text: &str) -> Option<Reading<'_>> {
    (!text.is_empty()).then_some(Reading {
        name: text,
        epoch: None,
        version: None,
        release: None,
        arch: None,
    })
}

/// Reads `name-[epoch:]version-release`.
fn with_release(text: &str) -> Option<Reading<'_>> {
    let (rest, release) = text.rsplit_once('-')?;
    Some(Reading {
        release: Some(release),
        ..with_version(rest)?
    })
}

/// Reads `name-[epoch:]version`.
fn with_version(text: &str) -> Option<Reading<'_>> {
    let (name, version) = text.rsplit_once('-')?;
    let (epoch, version) = match version.split_once(':') {
        Some((epoch, version)) => (Some(epoch), version),
        None => (None, version),
    };
    Some(Reading {
        epoch,
        version: Some(version),
        ..with_name(name)?
    })
}

impl Reading<'_> {
    fn is_met_by(&self, nevra: &Nevra) -> bool {
        let evr = &nevra.evr;
        let epoch = || evr.epoch.unwrap_or(0).to_string();
        matches(self.name, &nevra.name)
            && self.arch.is_none_or(|arch| matches(arch, &nevra.arch))
            && self
                .version
                .is_none_or(|version| matches(version, &evr.version))
            && self
                .release
                .is_none_or(|release| matches(release, &evr.release))
            && self.epoch.is_none_or(|wanted| matches(wanted, &epoch()))
    }
}

/// Says whether a text fits a pattern, as `fnmatch` does: `*` is any number of characters, `?` one,
/// `[a-c]` one of these, `[!a-c]` one that is none of these.
#[must_use]
pub fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    // Only the last star has to be tried again: what is before it has fit already.
    let (mut at, mut place) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(&letter) = text.get(place) {
        let rest = pattern.get(at..).unwrap_or_default();
        if let Some('*') = rest.first() {
            star = Some((at, place));
            at += 1;
        } else if let Some(length) = one(rest, letter) {
            at += length;
            place += 1;
        } else if let Some((before, tried)) = star {
            star = Some((before, tried + 1));
            at = before + 1;
            place = tried + 1;
        } else {
            return false;
        }
    }
    let rest = pattern.get(at..).unwrap_or_default();
    rest.iter().all(|letter| *letter == '*')
}

/// Returns how much of a pattern a character takes, if it fits what the pattern begins with.
fn one(pattern: &[char], letter: char) -> Option<usize> {
    match pattern {
        ['?', ..] => Some(1),
        ['[', rest @ ..] => {
            let (negated, rest, before) = match rest {
                ['!' | '^', rest @ ..] => (true, rest, 2),
                rest => (false, rest, 1),
            };
            // A bracket that comes first is one of the characters.
            let closing = rest.iter().skip(1).position(|letter| *letter == ']');
            let Some(end) = closing.map(|end| end + 1) else {
                return (letter == '[').then_some(1);
            };
            let class = rest.get(..end).unwrap_or_default();
            (is_in(class, letter) != negated).then_some(before + end + 1)
        }
        [other, ..] => (*other == letter).then_some(1),
        [] => None,
    }
}

fn is_in(class: &[char], letter: char) -> bool {
    match class {
        [from, '-', to, rest @ ..] => (*from..=*to).contains(&letter) || is_in(rest, letter),
        [one, rest @ ..] => *one == letter || is_in(rest, letter),
        [] => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_fit_texts() {
        for (pattern, fits, others) in [
            ("gdb", &["gdb"][..], &["gdb2", "gd", "GDB", ""][..]),
            ("gdb*", &["gdb", "gdbserver"], &["agdb"]),
            ("*", &["", "a"], &[]),
            ("*a*b", &["ab", "xaxb", "aabab"], &["aba", "b"]),
            (
                "lib?-[0-9a]",
                &["libz-1", "liby-a"],
                &["libz-b", "lib-1", "libzz-1"],
            ),
            ("[!a-c]x", &["dx"], &["ax", "bx", "x"]),
            ("[]x]", &["]", "x"], &["[", ""]),
            ("a[", &["a["], &["a", "a[b"]),
            ("c++*", &["c++", "c++x"], &["c"]),
        ] {
            for text in fits {
                assert!(matches(pattern, text), "{pattern} {text}");
            }
            for text in others {
                assert!(!matches(pattern, text), "{pattern} {text}");
            }
        }
    }

    /// The worst that a pattern can ask for takes as many steps as a product of two lengths.
    #[test]
    fn stars_do_not_multiply() {
        let text = "a".repeat(2000);
        assert!(!matches(&("*a".repeat(1000) + "b"), &text));
    }

    #[test]
    fn what_is_meant_is_read_in_dnfs_order() {
        let packages = [
            "gcc-13-2.x86_64",
            "gcc-13-2.i686",
            "gcc-c++-13-2.x86_64",
            "python3.11-3.11.9-1.x86_64",
            "kernel-1:6.4-1.noarch",
            "a.b-1-1.noarch",
        ];
        let packages = packages.map(|text| Nevra::parse(text).unwrap());
        for (text, expected) in [
            ("gcc", &["gcc-13-2.x86_64", "gcc-13-2.i686"][..]),
            ("gcc-*", &["gcc-c++-13-2.x86_64"]),
            ("gcc-1?", &["gcc-13-2.x86_64", "gcc-13-2.i686"]),
            ("gcc-13-2", &["gcc-13-2.x86_64", "gcc-13-2.i686"]),
            ("gcc-13-2.i686", &["gcc-13-2.i686"]),
            ("gcc-13.i686", &["gcc-13-2.i686"]),
            ("*.i686", &["gcc-13-2.i686"]),
            ("g*.x86_64", &["gcc-13-2.x86_64", "gcc-c++-13-2.x86_64"]),
            ("python3.11", &["python3.11-3.11.9-1.x86_64"]),
            ("a.b", &["a.b-1-1.noarch"]),
            ("kernel-1:6.4", &["kernel-1:6.4-1.noarch"]),
            ("kernel-2:6.4", &[]),
            ("gcc-0:13-*", &["gcc-13-2.x86_64", "gcc-13-2.i686"]),
            ("nosuch*", &[]),
            ("-1", &[]),
            ("", &[]),
        ] {
            let found = meant(text, packages.iter().map(Cow::Borrowed));
            let found: Vec<_> = found
                .iter()
                .map(|place| packages[*place].to_string())
                .collect();
            assert_eq!(found, expected, "{text}");
        }
        assert!(
            is_pattern("a*") && is_pattern("[a]") && !is_pattern("(a if b*)") && !is_pattern("a")
        );
    }
}
