//! What file names mean to `systemd-sysupdate` and `importctl`.
//!
//! sysupdate finds the versions of `NAME` by the pattern `NAME-@v.%a.raw`, in which `@v` takes any
//! text that can be a version, and `%a` is the host's architecture. A file whose version has a
//! letter that the client does not take is invisible to it, without a word.

use crate::image::Image;
use crate::verdict::{Outcome, Verdict};
use crate::{Host, Systemd};

/// The pattern `NAME-@v.ARCHITECTURE.raw` of one extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern<'a> {
    /// Name of the extension.
    pub name: &'a str,
    /// Architecture in systemd's spelling.
    pub architecture: &'a str,
}

impl Pattern<'_> {
    /// Returns the version that `file` has by this pattern, whether or not it is valid.
    ///
    /// systemd up to 257 does not look at what follows `.raw`; neither does this.
    #[must_use]
    pub fn version_of<'f>(&self, file: &'f str) -> Option<&'f str> {
        let rest = file.strip_prefix(self.name)?.strip_prefix('-')?;
        let end = rest.find(&format!(".{}.raw", self.architecture))?;
        rest.get(..end).filter(|version| !version.is_empty())
    }
}

/// Returns what keeps a client from seeing a version, as the character that it does not take.
#[must_use]
pub fn version_problem(systemd: Systemd, version: &str) -> Option<char> {
    let more = systemd.rules().version_characters;
    version
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !"._+-".contains(*c) && !more.contains(*c))
}

/// What follows the version in the pattern of definitions, unless they say otherwise.
const ENDING: &str = ".%a.raw";

/// Returns a pattern with what the host says in the place of specifiers: one for each architecture
/// that it may have. The error is a specifier whose value is not known here.
fn expanded(pattern: &str, host: Host<'_>) -> Result<Vec<String>, String> {
    let all = architecture::names_of_systemd();
    let architectures = all.filter(|known| host.architecture.is_none_or(|of| of == *known));
    let of_host = |key| host.os_release.get(key).unwrap_or_default();
    architectures
        .map(|architecture| {
            let mut text = String::new();
            let mut parts = pattern.split('%');
            text += parts.next().unwrap_or_default();
            while let Some(part) = parts.next() {
                let mut letters = part.chars();
                let value = match letters.next() {
                    Some('a') => architecture,
                    Some('w') => of_host("VERSION_ID"),
                    Some('o') => of_host("ID"),
                    Some('A') => of_host("IMAGE_VERSION"),
                    Some('M') => of_host("IMAGE_ID"),
                    Some('B') => of_host("BUILD_ID"),
                    Some('W') => of_host("VARIANT_ID"),
                    // Two are one.
                    None => "%",
                    Some(other) => return Err(format!("%{other}")),
                };
                text += value;
                text += match part {
                    "" => parts.next().unwrap_or_default(),
                    _ => letters.as_str(),
                };
            }
            Ok(text)
        })
        .collect()
}

/// Returns the version that a file name has by a pattern, in which `@` and a letter stand for any
/// text up to the next part.
fn version_by<'f>(systemd: Systemd, pattern: &str, file: &'f str) -> Option<&'f str> {
    let mut parts = pattern.split('@');
    let mut rest = file.strip_prefix(parts.next()?)?;
    let mut version = None;
    for part in parts {
        let mut letters = part.chars();
        let marker = letters.next()?;
        let literal = letters.as_str();
        let end = match literal {
            "" => rest.len(),
            literal => rest.find(literal)?,
        };
        let value = rest.get(..end).filter(|value| !value.is_empty())?;
        if marker == 'v' {
            version = Some(value);
        }
        rest = rest.get(end + literal.len()..)?;
    }
    // Older ones don't look at what follows.
    version.filter(|_| rest.is_empty() || !systemd.rules().anchors_patterns)
}

/// Returns what `systemd-sysupdate` makes of an image's file name.
pub(crate) fn sysupdate(systemd: Systemd, image: &Image, host: Host<'_>) -> Verdict {
    let file = image.file.as_str();
    if systemd.rules().refuses_percent && file.contains('%') {
        let words = "a name with '%' makes it refuse the whole SHA256SUMS";
        return Verdict::new(Outcome::Refused, "name", words).between(Some(file), None);
    }
    let patterns = match &image.patterns[..] {
        [] => vec![format!(
            "{}-@v{}",
            image.link,
            image.ending.unwrap_or(ENDING)
        )],
        given => given.to_vec(),
    };
    let mut found = None;
    for pattern in &patterns {
        match expanded(pattern, host) {
            Ok(all) => {
                let mut versions = (all.iter()).filter_map(|one| version_by(systemd, one, file));
                found = found.or(versions.next());
            }
            Err(specifier) => {
                let words = format!("pattern {pattern} has {specifier}, which is not known here");
                return Verdict::new(Outcome::Unread, "name", words);
            }
        }
    }
    let asked = patterns.join(" ");
    let asked = match host.architecture {
        Some(known) => asked.replace("%a", known),
        None => asked,
    };
    let Some(version) = found else {
        let words = "the file name does not match the pattern";
        return Verdict::new(Outcome::Ignored, "name", words).between(Some(file), Some(&asked));
    };
    match version_problem(systemd, version) {
        Some(character) => Verdict::new(
            Outcome::Ignored,
            "version",
            format!("an image with {character:?} in its version is not seen"),
        ),
        None => Verdict::new(Outcome::Accepted, "version", "the version is seen"),
    }
    .between(Some(version), Some(&asked))
}

/// Returns a file name without what says how the image is stored. All of it is taken off, again and
/// again.
pub(crate) fn raw_name(systemd: Systemd, file: &str) -> &str {
    let mut name = file;
    let ends = systemd.rules().stored;
    while let Some(shorter) = ends.iter().find_map(|end| name.strip_suffix(end)) {
        name = shorter;
    }
    name
}

/// Returns a verdict on a name that `importctl` does not take.
pub(crate) fn importctl(systemd: Systemd, image: &Image) -> Option<Verdict> {
    let stem = raw_name(systemd, &image.file);
    let valid = !stem.is_empty()
        && stem.len() <= 255
        && !stem.starts_with('.')
        && !stem.contains('/')
        && !stem.chars().any(char::is_control);
    (!valid).then(|| {
        let words = "Local image name is not valid";
        Verdict::new(Outcome::Ignored, "name", words).between(Some(stem), None)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_by_pattern() {
        let pattern = Pattern {
            name: "gcc",
            architecture: "x86-64",
        };
        for (file, version) in [
            ("gcc-14-1.1.x86-64.raw", Some("14-1.1")),
            // The trap: another package's image, as a version that is above all others.
            ("gcc-32bit-14-1.1.x86-64.raw", Some("32bit-14-1.1")),
            ("gcc-14-1.1.x86-64.raw.json", Some("14-1.1")),
            ("gcc-14-1.1.arm64.raw", None),
            ("gcc-.x86-64.raw", None),
            ("gcc.raw", None),
            ("gc-14-1.1.x86-64.raw", None),
        ] {
            assert_eq!(pattern.version_of(file), version, "{file}");
        }
    }

    #[test]
    fn letters_of_versions() {
        for (version, old, new) in [
            ("6.11-1.1", None, None),
            ("1+2_3", None, None),
            ("1~rc1", Some('~'), None),
            ("1^git", Some('^'), None),
            ("1,2", None, Some(',')),
            ("1:2", Some(':'), Some(':')),
        ] {
            assert_eq!(version_problem(Systemd::V257, version), old, "{version}");
            assert_eq!(version_problem(Systemd::V262, version), new, "{version}");
        }
    }

    /// An image of this file name, linked as this name, as a client and a host of x86-64 (or of an
    /// architecture that is not known) see it: `OUTCOME FIELD: IMAGE`.
    fn seen(client: crate::Client, file: &str, link: &str, architecture: Option<&str>) -> String {
        let image = Image {
            file: file.to_owned(),
            link: link.to_owned(),
            ..Image::default()
        };
        let os_release = crate::Release::default();
        let host = Host {
            os_release: &os_release,
            architecture,
            is_initrd: false,
        };
        let verdict = crate::judge(client, &image, host);
        let (outcome, own) = (verdict.outcome.word(), verdict.image.unwrap_or_default());
        format!("{outcome} {}: {own}", verdict.field)
    }

    #[test]
    fn what_sysupdate_makes_of_file_names() {
        for (file, architecture, old, new) in [
            ("a-1.x86-64.raw", Some("x86-64"), "accepted version: 1", ""),
            ("a-1.x86-64.raw", None, "accepted version: 1", ""),
            ("a-1.arm64.raw", None, "accepted version: 1", ""),
            (
                "a-1.arm64.raw",
                Some("x86-64"),
                "ignored name: a-1.arm64.raw",
                "",
            ),
            ("a-1.pdp11.raw", None, "ignored name: a-1.pdp11.raw", ""),
            ("b-1.x86-64.raw", None, "ignored name: b-1.x86-64.raw", ""),
            (
                "a-1~b.x86-64.raw",
                None,
                "ignored version: 1~b",
                "accepted version: 1~b",
            ),
            (
                "a-1,b.x86-64.raw",
                None,
                "accepted version: 1,b",
                "ignored version: 1,b",
            ),
            (
                "a-1%.x86-64.raw",
                None,
                "ignored version: 1%",
                "refused name: a-1%.x86-64.raw",
            ),
        ] {
            let seen = |version| seen(crate::Client::Sysupdate(version), file, "a", architecture);
            assert_eq!(seen(Systemd::V257), old, "{file} {architecture:?}");
            let new = if new.is_empty() { old } else { new };
            assert_eq!(seen(Systemd::V262), new, "{file} {architecture:?}");
        }
    }

    #[test]
    fn versions_by_definitions() {
        let host = "ID=fedora\nVERSION_ID=42\n";
        for (pattern, file, old, new) in [
            ("a-@v.%a.raw", "a-1.x86-64.raw", Some("1"), Some("1")),
            ("a-@v-%a.raw", "a-1-2-x86-64.raw", Some("1-2"), Some("1-2")),
            ("a-@v-%w-%a.raw", "a-1-42-x86-64.raw", Some("1"), Some("1")),
            ("a-@v-%w-%a.raw", "a-1-43-x86-64.raw", None, None),
            ("a-@v-%w-%a.raw", "a-1-42-arm64.raw", None, None),
            ("a_@v.raw", "a_1.raw", Some("1"), Some("1")),
            ("a_@v.raw", "a_1.raw.json", Some("1"), None),
            ("a_@v_@u.raw.xz", "a_1_abc.raw.xz", Some("1"), Some("1")),
            ("%o-@v%%.raw", "fedora-1%.raw", Some("1"), Some("1")),
            ("@v", "1.2", Some("1.2"), Some("1.2")),
            ("a-@v.raw", "a-.raw", None, None),
            ("a.raw", "a.raw", None, None),
        ] {
            let os_release = crate::Release::parse(host.as_bytes()).unwrap();
            let host = Host {
                os_release: &os_release,
                architecture: Some("x86-64"),
                is_initrd: false,
            };
            let all = expanded(pattern, host).unwrap();
            assert_eq!(all.len(), 1);
            assert_eq!(
                version_by(Systemd::V257, &all[0], file),
                old,
                "{pattern} {file}"
            );
            assert_eq!(
                version_by(Systemd::V262, &all[0], file),
                new,
                "{pattern} {file}"
            );
            assert_eq!(expanded("a-@v-%H.raw", host), Err("%H".to_owned()));
        }
    }

    /// Names that it takes go on to `systemd-sysext`, which has no extension-release here.
    #[test]
    fn what_importctl_makes_of_file_names() {
        let longest = "a".repeat(255);
        let name = |stem: &str| format!("ignored name: {stem}");
        for (stem, expected) in [
            ("a", "refused extension-release: ".to_owned()),
            ("a.img.xz", "refused extension-release: ".to_owned()),
            (".img", name("")),
            ("a-1.x86-64", "refused extension-release: ".to_owned()),
            (longest.as_str(), "refused extension-release: ".to_owned()),
            (&format!("{longest}a"), name(&format!("{longest}a"))),
            ("", name("")),
            (".a", name(".a")),
            ("a/b", name("a/b")),
            ("a\nb", name("a\nb")),
        ] {
            let client = crate::Client::Importctl(Systemd::V257);
            assert_eq!(seen(client, &format!("{stem}.raw"), "x", None), expected);
        }
    }
}
