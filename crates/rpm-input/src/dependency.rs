//! A dependency as an RPM header states it, and RPM's rule for when a provides satisfies it.
//!
//! The rule is `rpmdsCompare` and `rpmverOverlap` of librpm (`lib/rpmds.cc`, `rpmio/rpmver.c`):
//! equal names and overlapping ranges of EVRs. Rich dependencies (`(a or b)`) are carried as
//! their text; who solves them parses them.

use std::cmp::Ordering;
use std::fmt;

use rpm_version::Evr;

/// The flags beside a dependency, `rpmsenseFlags` of librpm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sense(pub u32);

impl Sense {
    /// Older versions match.
    pub const LESS: Self = Self(1 << 1);
    /// Newer versions match.
    pub const GREATER: Self = Self(1 << 2);
    /// The version itself matches.
    pub const EQUAL: Self = Self(1 << 3);
    /// A dependency on the interpreter of a scriptlet.
    pub const INTERPRETER: Self = Self(1 << 8);
    /// Needed while `%pre` runs.
    pub const SCRIPT_PRE: Self = Self(1 << 9);
    /// Needed while `%post` runs.
    pub const SCRIPT_POST: Self = Self(1 << 10);
    /// Needed while `%preun` runs.
    pub const SCRIPT_PREUN: Self = Self(1 << 11);
    /// Needed while `%postun` runs.
    pub const SCRIPT_POSTUN: Self = Self(1 << 12);
    /// Found by the build, not written by the packager; a requires.
    pub const FIND_REQUIRES: Self = Self(1 << 14);
    /// Found by the build, not written by the packager; a provides.
    pub const FIND_PROVIDES: Self = Self(1 << 15);
    /// Old form of a weak dependency.
    pub const MISSING_OK: Self = Self(1 << 19);
    /// A feature of the package format, which only the program that reads it can have.
    pub const RPMLIB: Self = Self(1 << 24);
    /// `config(name)`, made for packages with configuration files.
    pub const CONFIG: Self = Self(1 << 28);
    /// Has no effect on the order of installation.
    pub const META: Self = Self(1 << 29);

    /// Returns whether all bits of `other` are set.
    pub fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// Returns whether a version belongs to the dependency.
    pub fn is_versioned(self) -> bool {
        self.0 & (Self::LESS.0 | Self::GREATER.0 | Self::EQUAL.0) != 0
    }

    /// Returns the comparison as RPM writes it, `>=` for example, or an empty string.
    pub fn comparison(self) -> &'static str {
        let has = |bit| self.contains(bit);
        match (has(Self::LESS), has(Self::GREATER), has(Self::EQUAL)) {
            (false, false, false) => "",
            (true, false, false) => "<",
            (true, false, true) => "<=",
            (false, true, false) => ">",
            (false, true, true) => ">=",
            (false, false, true) => "=",
            (true, true, false) => "<>",
            (true, true, true) => "<=>",
        }
    }
}

/// One provides, requires, conflicts, obsoletes or weak dependency.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Dependency {
    /// A package name, a file path, `libz.so.1()(64bit)`, or the text of a rich dependency.
    pub name: String,
    /// The comparison with `evr`, and where the dependency comes from.
    pub sense: Sense,
    /// `[epoch:]version[-release]`, empty if no version is named.
    pub evr: String,
}

impl Dependency {
    /// Reads a dependency as [`Display`](fmt::Display) writes it: `name`, or `name >= 1:2-3`. A
    /// rich dependency is a name. `None` where the comparison is none.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let named = |name: &str| Self {
            name: name.to_owned(),
            ..Self::default()
        };
        if text.starts_with('(') {
            return Some(named(text));
        }
        let mut words = text.split_whitespace();
        let one = named(words.next()?);
        let Some(comparison) = words.next() else {
            return Some(one);
        };
        let bits = match comparison {
            "<" => Sense::LESS.0,
            "<=" => Sense::LESS.0 | Sense::EQUAL.0,
            ">" => Sense::GREATER.0,
            ">=" => Sense::GREATER.0 | Sense::EQUAL.0,
            "=" => Sense::EQUAL.0,
            _ => return None,
        };
        let evr = words.next()?.to_owned();
        let sense = Sense(bits);
        words.next().is_none().then_some(Self { sense, evr, ..one })
    }

    /// Returns whether this is a feature of the package format, `rpmlib(PayloadIsZstd)`.
    pub fn is_rpmlib(&self) -> bool {
        self.sense.contains(Sense::RPMLIB) || self.name.starts_with("rpmlib(")
    }

    /// Returns whether this is the `config(name)` that RPM makes for configuration files.
    pub fn is_config(&self) -> bool {
        self.sense.contains(Sense::CONFIG) || self.name.starts_with("config(")
    }

    /// Returns whether this is a rich (boolean) dependency, as `(a if b)`.
    pub fn is_rich(&self) -> bool {
        self.name.starts_with('(')
    }

    /// Returns whether this names a file by its absolute path.
    pub fn is_file(&self) -> bool {
        self.name.starts_with('/')
    }

    /// Returns whether `provide` satisfies this dependency: equal names, overlapping ranges.
    ///
    /// If one side names no version, every version will do. A missing epoch is epoch 0, and a
    /// missing release matches every release.
    pub fn satisfied_by(&self, provide: &Dependency) -> bool {
        if self.name != provide.name {
            return false;
        }
        if !self.sense.is_versioned() || !provide.sense.is_versioned() {
            return true;
        }
        if self.evr.is_empty() || provide.evr.is_empty() {
            return true;
        }
        overlap(self.sense, &self.evr, provide.sense, &provide.evr)
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        if self.sense.is_versioned() && !self.evr.is_empty() {
            write!(f, " {} {}", self.sense.comparison(), self.evr)?;
        }
        Ok(())
    }
}

/// Returns whether two ranges of EVRs have an EVR in common, by the rules of `rpmverOverlap`.
fn overlap(sense_a: Sense, evr_a: &str, sense_b: Sense, evr_b: &str) -> bool {
    let (epoch_a, version_a, release_a) = split_evr(evr_a);
    let (epoch_b, version_b, release_b) = split_evr(evr_b);
    let mut order = compare(epoch_a, epoch_b).then_with(|| compare(version_a, version_b));
    if order.is_eq() {
        if !release_a.is_empty() && !release_b.is_empty() {
            order = compare(release_a, release_b);
        } else if (!release_a.is_empty() && sense_b.contains(Sense::EQUAL))
            || (!release_b.is_empty() && sense_a.contains(Sense::EQUAL))
        {
            // `foo = 1` means every release of version 1.
            return true;
        }
    }
    let both = |bit| sense_a.contains(bit) && sense_b.contains(bit);
    match order {
        Ordering::Less => sense_a.contains(Sense::GREATER) || sense_b.contains(Sense::LESS),
        Ordering::Greater => sense_a.contains(Sense::LESS) || sense_b.contains(Sense::GREATER),
        Ordering::Equal => both(Sense::EQUAL) || both(Sense::LESS) || both(Sense::GREATER),
    }
}

/// Compares two versions by `rpmvercmp`.
fn compare(a: &str, b: &str) -> Ordering {
    Evr::new("", a, "").cmp(&Evr::new("", b, ""))
}

/// Splits an EVR as librpm's `parseEVR` does: the epoch is digits before the first colon, the
/// release what follows the last hyphen. Missing parts are `0` and empty.
fn split_evr(evr: &str) -> (&str, &str, &str) {
    let digits = evr.len() - evr.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let (epoch, rest) = match evr.split_at(digits) {
        (epoch, rest) if rest.starts_with(':') => (epoch, rest.strip_prefix(':').unwrap_or(rest)),
        _ => ("", evr),
    };
    let epoch = if epoch.is_empty() { "0" } else { epoch };
    match rest.rsplit_once('-') {
        Some((version, release)) => (epoch, version, release),
        None => (epoch, rest, ""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dependency(text: &str) -> Dependency {
        Dependency::parse(text).unwrap()
    }

    #[test]
    fn text_is_read_as_it_is_written() {
        for text in [
            "a",
            "a >= 1:2-3",
            "a = 1",
            "a < 1",
            "(a or b >= 2)",
            "x()(64bit)",
        ] {
            assert_eq!(dependency(text).to_string(), text);
        }
        for text in ["", "a >=", "a == 1", "a >= 1 2", "a 1"] {
            assert_eq!(Dependency::parse(text), None, "{text}");
        }
    }

    #[test]
    fn provides_satisfy_by_the_rules_of_librpm() {
        for (require, provide, expected) in [
            ("a", "a", true),
            ("a", "b", false),
            ("a >= 1", "a", true),
            ("a", "a = 1", true),
            ("a = 1", "a = 1-5", true),
            ("a = 1-5", "a = 1", true),
            ("a = 1-4", "a = 1-5", false),
            ("a >= 1-4", "a = 1-5", true),
            ("a > 1", "a = 1-5", false),
            ("a < 1", "a = 1-5", false),
            ("a > 1", "a = 1.0-1", true),
            ("a < 1:1", "a = 2", true),
            ("a = 0:1-1", "a = 1-1", true),
            ("a >= 1:1", "a = 2", false),
            ("a >= 2", "a = 1:1", true),
            ("a >= 1.10", "a = 1.9", false),
            ("a >= 1.0", "a = 1.0~rc1", false),
            ("a < 1.0", "a = 1.0~rc1-1", true),
            ("a > 1.0", "a = 1.0^git1", true),
            ("a < 2", "a > 1", true),
            ("a < 1", "a > 2", false),
            ("a < 1", "a < 1", true),
            ("a <= 1", "a >= 1", true),
            ("a < 1", "a >= 1", false),
            ("libz.so.1()(64bit)", "libz.so.1()(64bit)", true),
            ("a = 1-2-3", "a = 1-2-3", true),
            ("a = :1", "a = 0:1", true),
        ] {
            let found = dependency(require).satisfied_by(&dependency(provide));
            assert_eq!(found, expected, "{require} by {provide}");
        }
    }

    #[test]
    fn is_printed_as_rpm_prints_it() {
        for text in ["a", "a >= 1:2-3", "(a or b)", "/usr/bin/sh", "a < 2"] {
            let parsed = match text.starts_with('(') {
                true => Dependency {
                    name: text.to_owned(),
                    ..Dependency::default()
                },
                false => dependency(text),
            };
            assert_eq!(parsed.to_string(), text);
        }
    }

    #[test]
    fn kinds_are_told_by_flag_or_by_name() {
        let named = |name: &str| Dependency {
            name: name.to_owned(),
            ..Dependency::default()
        };
        assert!(named("rpmlib(CompressedFileNames)").is_rpmlib());
        assert!(named("config(bash)").is_config());
        assert!(named("(a if b)").is_rich());
        assert!(named("/bin/sh").is_file());
        assert!(!named("bash").is_rpmlib() && !named("bash").is_config());
        assert!(!named("bash").is_rich() && !named("bash").is_file());
    }
}
