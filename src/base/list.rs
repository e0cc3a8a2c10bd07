//! Lists of installed packages, as programs print them: a package a line.
//!
//! Two forms are known, and may be mixed. `rpm -qa` prints `name-version-release.arch`; with
//! `--qf '%{NEVRA}\n'`, and so does `dnf repoquery --installed`, `name-epoch:version-release.arch`.
//! KIWI writes a file `.packages` beside each image, which OBS publishes:
//!
//! ```text
//! bash|(none)|5.2.37|1.1|x86_64|obs://build.opensuse.org/…|GPL-3.0-or-later
//! name|epoch |version|release|arch|where it was built     |licence
//! ```
//!
//! A recipe names the file, and may be somebody else's. So no error repeats what is in a line: it
//! may be a secret.

use rpm_input::Nevra;

/// A list with more packages is none. The largest installations have about 10 000.
const MAX_PACKAGES: usize = 1 << 17;
/// A line that is longer names no package: some licences have several hundred bytes.
const MAX_LINE: usize = 8 * 1024;
/// What stands in a list where a package has no such tag.
const NO_VALUE: [&str; 2] = ["(none)", "None"];

/// A package that a list names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listed {
    /// Its identity; no epoch is epoch 0.
    pub nevra: Nevra,
    /// Whether the list says the epoch: `rpm -qa` does not.
    pub has_epoch: bool,
}

/// Reads a list. The error says what is wrong with which line.
pub fn parse(text: &str) -> Result<Vec<Listed>, String> {
    let mut packages = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let at = |problem: &str| format!("line {}: {problem}", number + 1);
        if line.len() > MAX_LINE {
            return Err(at(&format!("it is longer than {MAX_LINE} bytes")));
        }
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        packages.extend(package(line).map_err(|problem| at(&problem))?);
        if packages.len() > MAX_PACKAGES {
            return Err(at(&format!(
                "it is one more than the {MAX_PACKAGES} packages that are read"
            )));
        }
    }
    if packages.is_empty() {
        return Err("it names no package".to_owned());
    }
    packages.sort();
    packages.dedup();
    Ok(packages)
}

/// Reads a line; a public key, which RPM lists among the packages, is none.
fn package(line: &str) -> Result<Option<Listed>, String> {
    if line.starts_with("gpg-pubkey-") || line.starts_with("gpg-pubkey|") {
        return Ok(None);
    }
    let listed = if line.contains('|') {
        fields(line)?
    } else {
        (nevra(line.strip_suffix(".rpm").unwrap_or(line)))
            .ok_or("it is not name-version-release.arch, as `rpm -qa` prints it")?
    };
    Ok(Some(listed))
}

/// Reads a line of KIWI's.
fn fields(line: &str) -> Result<Listed, String> {
    let fields: Vec<_> = line.split('|').collect();
    let [name, epoch, version, release, arch, ..] = fields[..] else {
        return Err("it has fewer fields than name|epoch|version|release|arch".to_owned());
    };
    if release == "None" {
        return Err("a package has no release: this is a list of Debian packages".to_owned());
    }
    let epoch = match epoch {
        _ if epoch.is_empty() || NO_VALUE.contains(&epoch) => None,
        digits => Some(digits.parse().map_err(|_| "the epoch is not a number")?),
    };
    let parts = [name, version, release, arch];
    let names = ["name", "version", "release", "arch"];
    if let Some((_, name)) = (parts.iter().zip(names)).find(|(part, _)| !is_part(part)) {
        return Err(format!("this can't be the {name} of a package"));
    }
    let [name, version, release, arch] = parts.map(str::to_owned);
    Ok(Listed {
        nevra: Nevra {
            name,
            epoch: epoch.filter(|epoch| *epoch != 0),
            version,
            release,
            arch,
        },
        has_epoch: true,
    })
}

/// Reads `name-[epoch:]version-release.arch`.
pub(super) fn nevra(text: &str) -> Option<Listed> {
    let (rest, arch) = text.rsplit_once('.')?;
    let (rest, release) = rest.rsplit_once('-')?;
    let (name, version) = rest.rsplit_once('-')?;
    let (epoch, version) = match version.split_once(':') {
        Some((epoch, version)) => (Some(epoch.parse::<u32>().ok()?), version),
        None => (None, version),
    };
    let parts = [name, version, release, arch];
    let [name, version, release, arch] = parts.map(str::to_owned);
    parts.iter().all(|part| is_part(part)).then(|| Listed {
        nevra: Nevra {
            name,
            epoch: epoch.filter(|epoch| *epoch != 0),
            version,
            release,
            arch,
        },
        has_epoch: epoch.is_some(),
    })
}

/// Says whether this may be a part of a NEVRA: RPM takes no blank and no control character.
fn is_part(text: &str) -> bool {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"/:|()".contains(c);
    !text.is_empty() && text.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<String> {
        let listed = parse(text).unwrap().into_iter();
        listed
            .map(|listed| {
                format!(
                    "{}{}",
                    listed.nevra,
                    if listed.has_epoch { "" } else { " ?" }
                )
            })
            .collect()
    }

    #[test]
    fn each_form_gives_the_same_packages() {
        for (text, expected) in [
            ("bash-5.2-1.x86_64\n", "bash-5.2-1.x86_64 ?"),
            ("# one\r\n\r\nbash-5.2-1.x86_64\r\n", "bash-5.2-1.x86_64 ?"),
            ("bash-5.2-1.x86_64.rpm", "bash-5.2-1.x86_64 ?"),
            ("bash-0:5.2-1.x86_64", "bash-5.2-1.x86_64"),
            ("vim-data-2:9.1-1.noarch", "vim-data-2:9.1-1.noarch"),
            ("bash|(none)|5.2|1|x86_64|obs://x|GPL", "bash-5.2-1.x86_64"),
            ("bash|0|5.2|1|x86_64", "bash-5.2-1.x86_64"),
            ("bash|3|5.2|1|x86_64|(none)|a|b", "bash-3:5.2-1.x86_64"),
            (
                "a.b-c-1~rc1^git-2.fc40.noarch",
                "a.b-c-1~rc1^git-2.fc40.noarch ?",
            ),
        ] {
            assert_eq!(names(text), [expected], "{text}");
        }
        let keys = "gpg-pubkey-3fa1d6ce-67c856ee\nb-1-1.noarch\na-1-1.noarch\nb-1-1.noarch\n\
                    gpg-pubkey|(none)|3fa1d6ce|67c856ee|(none)|(none)|pubkey\n";
        assert_eq!(names(keys), ["a-1-1.noarch ?", "b-1-1.noarch ?"]);
    }

    #[test]
    fn a_list_is_so_long_and_so_wide() {
        let lines = |count| "a-1-1.noarch\n".repeat(count);
        let line = |length: usize| format!("{}-1-1.noarch", "x".repeat(length - 11));
        for (text, expected) in [
            (lines(131_072), Ok(1)),
            (
                lines(131_073),
                Err("line 131073: it is one more than the 131072 packages that are read"),
            ),
            (line(8192), Ok(1)),
            (line(8193), Err("line 1: it is longer than 8192 bytes")),
        ] {
            let found = parse(&text).map(|listed| listed.len());
            assert_eq!(found, expected.map_err(str::to_owned));
        }
    }

    #[test]
    fn what_names_no_package_is_refused_with_its_line() {
        for (text, problem) in [
            ("", "it names no package"),
            ("\n# x\n", "it names no package"),
            (
                "a-1-1.noarch\nbash",
                "line 2: it is not name-version-release.arch",
            ),
            ("bash-5.2-1", "line 1: it is not"),
            ("bash.x86_64  5.2-1  @baseos", "line 1: "),
            ("a-x:1-1.noarch", "line 1: "),
            ("-1-1.noarch", "line 1: "),
            ("bash|(none)|5.2|1", "line 1: it has fewer fields"),
            ("bash|x|5.2|1|x86_64", "line 1: the epoch is not a number"),
            ("bash|0||1|x86_64", "line 1: this can't be the version"),
            ("bash|0|5.2|1|(none)|", "line 1: this can't be the arch"),
            (
                "bash|None|5.2-1|None|amd64|None|None",
                "list of Debian packages",
            ),
        ] {
            let found = parse(text).unwrap_err();
            assert!(found.contains(problem), "{found}");
        }
    }
}
