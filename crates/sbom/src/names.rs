//! Names that both forms give to packages and documents.

use std::fmt::Write as _;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest as _, Sha256};

/// What stays as it is in a package URL.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// What tells a package from all others.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) name: String,
    /// `[epoch:]version-release`.
    pub(crate) evr: String,
    pub(crate) architecture: Option<String>,
}

impl Named {
    /// Takes apart `name-[epoch:]version-release.architecture`.
    pub(crate) fn parse(nevra: &str) -> Option<Self> {
        let (rest, architecture) = match nevra.rsplit_once('.') {
            // A release may have dots, and an architecture has no hyphen.
            Some((rest, architecture)) if !architecture.contains('-') => {
                (rest, Some(architecture.to_owned()))
            }
            _ => (nevra, None),
        };
        let (rest, release) = rest.rsplit_once('-')?;
        let (name, version) = rest.rsplit_once('-')?;
        Some(Self {
            name: name.to_owned(),
            evr: format!("{version}-{release}"),
            architecture,
        })
    }
}

/// Returns the package URL of an RPM: `pkg:rpm/fedora/bash@5.2-1?arch=x86_64&distro=fedora-44`.
///
/// `distribution` is the `ID` of the system that the package is for, with its `VERSION_ID`.
#[must_use]
pub fn purl(
    (name, evr): (&str, &str),
    architecture: Option<&str>,
    source: Option<&str>,
    distribution: Option<(&str, Option<&str>)>,
) -> String {
    let encoded = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
    let (epoch, version) = match evr.split_once(':') {
        Some((epoch, version)) => (Some(epoch), version),
        None => (None, evr),
    };
    let mut purl = "pkg:rpm/".to_owned();
    if let Some((id, _)) = distribution {
        // All of openSUSE share their packages' names.
        let namespace = match id.starts_with("opensuse-") {
            true => "opensuse",
            false => id,
        };
        let _ = write!(purl, "{}/", encoded(&namespace.to_lowercase()));
    }
    let _ = write!(purl, "{}@{}", encoded(name), encoded(version));
    let distribution = distribution.map(|(id, version)| match version {
        Some(version) => format!("{id}-{version}"),
        None => id.to_owned(),
    });
    let qualifiers = [
        ("arch", architecture),
        ("distro", distribution.as_deref()),
        ("epoch", epoch.filter(|epoch| *epoch != "0")),
        ("upstream", source),
    ];
    let given = qualifiers
        .into_iter()
        .filter_map(|(key, value)| Some((key, value?)));
    for (number, (key, value)) in given.enumerate() {
        let mark = if number == 0 { '?' } else { '&' };
        let _ = write!(purl, "{mark}{key}={}", encoded(value));
    }
    purl
}

/// Returns an identifier of letters, digits, dots and hyphens for a text. Texts that differ in what is
/// not one of these have different identifiers, but for spaces and hyphens.
pub(crate) fn identifier(text: &str) -> String {
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '.' || letter == '-';
    let plain: String = (text.chars())
        .map(|letter| if is_plain(letter) { letter } else { '-' })
        .collect();
    match text.chars().all(|letter| is_plain(letter) || letter == ' ') {
        true => plain,
        false => format!("{plain}-{}", hex::encode(&Sha256::digest(text)[..4])),
    }
}

/// Returns a UUID that is made of a content (version 8 of RFC 9562).
pub(crate) fn uuid(content: &[u8]) -> String {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&Sha256::digest(content)[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    format!(
        "{}-{}-{}-{}-{}",
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_nevra() {
        for (nevra, expected) in [
            (
                "glibc-2.41-1.1.x86_64",
                Some(("glibc", "2.41-1.1", Some("x86_64"))),
            ),
            (
                "a-b-1:2~3-4.noarch",
                Some(("a-b", "1:2~3-4", Some("noarch"))),
            ),
            (
                "gcc-c++-14-1.fc44.x86_64",
                Some(("gcc-c++", "14-1.fc44", Some("x86_64"))),
            ),
            ("a-1-2", Some(("a", "1-2", None))),
            ("a-1", None),
            ("", None),
        ] {
            let expected =
                expected.map(
                    |(name, evr, architecture): (&str, &str, Option<&str>)| Named {
                        name: name.to_owned(),
                        evr: evr.to_owned(),
                        architecture: architecture.map(str::to_owned),
                    },
                );
            assert_eq!(Named::parse(nevra), expected, "{nevra}");
        }
    }

    #[test]
    fn package_urls() {
        for (name, evr, architecture, source, distribution, expected) in [
            (
                "strace",
                "6.11-1.1",
                Some("x86_64"),
                Some("strace-6.11-1.1.src.rpm"),
                Some(("opensuse-tumbleweed", Some("20260304"))),
                "pkg:rpm/opensuse/strace@6.11-1.1?arch=x86_64&distro=opensuse-tumbleweed-20260304\
                 &upstream=strace-6.11-1.1.src.rpm",
            ),
            (
                "gcc-c++",
                "1:14~rc^git-1",
                None,
                None,
                Some(("fedora", None)),
                "pkg:rpm/fedora/gcc-c%2B%2B@14~rc%5Egit-1?distro=fedora&epoch=1",
            ),
            ("a", "0:1-1", None, None, None, "pkg:rpm/a@1-1"),
        ] {
            let found = purl((name, evr), architecture, source, distribution);
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn identifiers_differ_where_texts_do() {
        for (text, expected) in [
            ("strace-6.11-1.x86-64", "strace-6.11-1.x86-64"),
            ("Public Domain", "Public-Domain"),
            // `printf gcc-c++ | sha256sum`
            ("gcc-c++", "gcc-c---cc45a3d7"),
            ("gcc-c--", "gcc-c--"),
        ] {
            assert_eq!(identifier(text), expected);
        }
        assert_eq!(uuid(b""), "e3b0c442-98fc-8c14-9afb-f4c8996fb924");
    }
}
