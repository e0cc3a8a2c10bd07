//! What a bill of materials says, in no form as yet.

use std::collections::{BTreeMap, BTreeSet};

use manifest::{Manifest, Package};

use crate::licence::Licence;
use crate::names::{self, Named, identifier};
use crate::time;

/// The image that a bill is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its file name.
    pub file: String,
    /// Its SHA-256, in hexadecimal digits, if it is known.
    pub sha256: Option<String>,
    /// When it was made, in seconds since 1970.
    pub time: u64,
}

/// What the manifest of an image by an older version, or by another program, does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Missing {
    /// The SHA-256 of the image.
    ImageDigest,
    /// The SHA-256 of RPM files.
    PackageDigests,
    /// Licences and vendors.
    Licences,
    /// Which package requires which.
    Dependencies,
}

impl Missing {
    /// Says what is missing.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::ImageDigest => "the SHA-256 of the image",
            Self::PackageDigests => "the SHA-256 of RPM files",
            Self::Licences => "licences and vendors",
            Self::Dependencies => "which package requires which",
        }
    }
}

/// Why there is no bill of a manifest.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// What is said of it would be said of two.
    #[error("it has the package {0} twice")]
    Twice(String),
    /// Not 64 hexadecimal digits.
    #[error("the SHA-256 of {of} is {sha256:?}, which is not one")]
    Digest {
        /// A package, or the image.
        of: String,
        /// What is said.
        sha256: String,
    },
    /// After the year 9999, in which both forms end.
    #[error("the time of the image is {0}, which is after the year 9999")]
    Time(u64),
}

/// Number of hexadecimal digits of a SHA-256.
const DIGITS: usize = 64;

/// Fails if a text is not the SHA-256 of something.
fn check_digest(of: &str, sha256: Option<&str>) -> Result<(), Error> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f');
    match sha256 {
        Some(sha256) if sha256.len() != DIGITS || !sha256.bytes().all(is_digit) => {
            Err(Error::Digest {
                of: of.to_owned(),
                sha256: sha256.chars().take(2 * DIGITS).collect(),
            })
        }
        _ => Ok(()),
    }
}

/// A bill of materials.
#[derive(Clone, Debug)]
pub struct Bill<'a> {
    pub(crate) subject: &'a Subject,
    /// Name and version of the extension.
    pub(crate) name: &'a str,
    pub(crate) version: Option<&'a str>,
    /// What is in the image.
    pub(crate) contained: Vec<Part<'a>>,
    /// What of the base it relies on.
    pub(crate) of_base: Vec<Part<'a>>,
    missing: BTreeSet<Missing>,
}

/// A package of a bill.
#[derive(Clone, Debug)]
pub(crate) struct Part<'a> {
    /// What it is called in the bill.
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) evr: Option<String>,
    pub(crate) purl: String,
    pub(crate) licence: Licence,
    /// What else is known of one that is in the image.
    pub(crate) package: Option<&'a Package>,
    /// The ids of those that it requires.
    pub(crate) requires: BTreeSet<String>,
}

impl<'a> Bill<'a> {
    /// Makes the bill of an image of what its manifest says.
    ///
    /// # Errors
    /// The manifest says what no bill can: see [`Error`].
    pub fn new<L>(manifest: &'a Manifest<L>, subject: &'a Subject) -> Result<Self, Error> {
        check(manifest, subject)?;
        let config = &manifest.config;
        let distribution = config.distribution.as_deref();
        let distribution = distribution.map(|id| (id, config.release.as_deref()));
        let mut missing = BTreeSet::new();
        if subject.sha256.is_none() {
            missing.insert(Missing::ImageDigest);
        }
        let mut contained = Vec::with_capacity(manifest.packages.len());
        let mut ids = Identifiers::default();
        for package in &manifest.packages {
            for (is_missing, what) in [
                (package.sha256.is_none(), Missing::PackageDigests),
                (package.license.is_none(), Missing::Licences),
                (package.depends_on.is_none(), Missing::Dependencies),
            ] {
                if is_missing {
                    missing.insert(what);
                }
            }
            contained.push(Part {
                id: ids.of(identifier(package.nevra.as_ref().unwrap_or(&package.name))),
                name: package.name.clone(),
                evr: package.version.clone(),
                purl: names::purl(
                    (
                        &package.name,
                        package.version.as_deref().unwrap_or_default(),
                    ),
                    package.architecture.as_deref(),
                    package.source_rpm.as_deref(),
                    distribution,
                ),
                licence: Licence::parse(package.license.as_deref().unwrap_or_default()),
                package: Some(package),
                requires: BTreeSet::new(),
            });
        }
        let of_base = manifest.relies_on.iter().map(|relied| {
            let named = Named::parse(&relied.nevra);
            let evr = named.as_ref().map(|named| named.evr.clone());
            let architecture = named.as_ref().and_then(|one| one.architecture.as_deref());
            let name = named.as_ref().map_or(&relied.nevra, |named| &named.name);
            Part {
                // The base may have what the image brings in its place.
                id: ids.of(format!("base-{}", identifier(&relied.nevra))),
                purl: names::purl(
                    (name, evr.as_deref().unwrap_or_default()),
                    architecture,
                    None,
                    distribution,
                ),
                name: name.clone(),
                evr: evr.clone(),
                licence: Licence::parse(""),
                package: None,
                requires: BTreeSet::new(),
            }
        });
        let of_base = of_base.collect::<Vec<_>>();
        let ids: BTreeMap<_, _> = (manifest.relies_on.iter().map(|one| &one.nevra))
            .zip(of_base.iter().map(|part| part.id.clone()))
            .chain(
                contained
                    .iter()
                    .filter_map(|part| Some((part.package?.nevra.as_ref()?, part.id.clone()))),
            )
            .collect();
        for part in &mut contained {
            let nevras = part.package.and_then(|package| package.depends_on.as_ref());
            let ids = nevras.into_iter().flatten().filter_map(|one| ids.get(one));
            part.requires = ids.cloned().collect();
        }
        Ok(Self {
            subject,
            name: &config.name,
            version: config.version.as_deref(),
            contained,
            of_base,
            missing,
        })
    }

    /// Returns what the manifest does not say.
    pub fn missing(&self) -> impl Iterator<Item = Missing> {
        self.missing.iter().copied()
    }

    /// Returns all packages: those in the image, then those of the base.
    pub(crate) fn parts(&self) -> impl Iterator<Item = &Part<'a>> {
        self.contained.iter().chain(&self.of_base)
    }

    /// Returns the licences that SPDX does not list, by what they are called in the bill.
    pub(crate) fn references(&self) -> BTreeMap<&str, &str> {
        let all = self.parts().flat_map(|part| &part.licence.references);
        all.map(|(id, text)| (id.as_str(), text.as_str())).collect()
    }
}

/// Fails if a manifest says what no bill can.
fn check<L>(manifest: &Manifest<L>, subject: &Subject) -> Result<(), Error> {
    check_digest(&subject.file, subject.sha256.as_deref())?;
    if subject.time > time::LAST {
        return Err(Error::Time(subject.time));
    }
    let mut known = BTreeSet::new();
    for package in &manifest.packages {
        let nevra = package.nevra.as_ref();
        check_digest(nevra.unwrap_or(&package.name), package.sha256.as_deref())?;
        if let Some(nevra) = nevra
            && !known.insert(nevra)
        {
            return Err(Error::Twice(nevra.clone()));
        }
    }
    Ok(())
}

/// The identifiers of a bill, each of which means one thing: packages of which only the name is known,
/// and names that differ in what an identifier lacks, get a number.
#[derive(Default)]
struct Identifiers(BTreeSet<String>);

impl Identifiers {
    fn of(&mut self, wanted: String) -> String {
        let numbered = (2..).map(|number: u64| format!("{wanted}-{number}"));
        let mut all = std::iter::once(wanted.clone()).chain(numbered);
        let free = all
            .find(|id| !self.0.contains(id))
            .unwrap_or(wanted.clone());
        self.0.insert(free.clone());
        free
    }
}

impl Part<'_> {
    /// Returns who distributes it, without what has a meaning of its own for SPDX.
    pub(crate) fn vendor(&self) -> Option<String> {
        let vendor = self.package?.vendor.as_deref()?;
        let plain = vendor.replace('(', "[").replace(')', "]");
        let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
        (!plain.is_empty()).then_some(plain)
    }
}

#[cfg(test)]
mod tests {
    use manifest::Summary;

    use super::*;

    fn bill_of(json: &str, subject: &Subject) -> Result<Vec<String>, Error> {
        let manifest = Summary::parse(json.as_bytes()).unwrap();
        let bill = Bill::new(&manifest, subject)?;
        Ok(bill.parts().map(|part| part.id.clone()).collect())
    }

    fn subject() -> Subject {
        Subject {
            file: "a-1.raw".to_owned(),
            sha256: None,
            time: 0,
        }
    }

    #[test]
    fn each_package_has_an_identifier_of_its_own() {
        let json = r#"{"config":{"name":"a"},
            "packages":[{"name":"b"},{"name":"b"},{"name":"b-2"},{"name":"base-c-1-1.x"},
                        {"name":"x y"},{"name":"x-y"}],
            "relies_on":[{"nevra":"c-1-1.x","provides":[]},{"nevra":"c-1-1.x","provides":[]}]}"#;
        assert_eq!(
            bill_of(json, &subject()).unwrap(),
            [
                "b",
                "b-2",
                "b-2-2",
                "base-c-1-1.x",
                "x-y",
                "x-y-2",
                "base-c-1-1.x-2",
                "base-c-1-1.x-3"
            ]
        );
    }

    #[test]
    fn hostile_manifests_are_refused() {
        let good = "a".repeat(64);
        for (packages, expected) in [
            (
                r#"{"name":"b","nevra":"b-1-1.x"},{"name":"c","nevra":"b-1-1.x"}"#.to_owned(),
                "it has the package b-1-1.x twice",
            ),
            (
                r#"{"name":"b","nevra":"b-1-1.x","sha256":"none"}"#.to_owned(),
                "the SHA-256 of b-1-1.x is \"none\", which is not one",
            ),
            (
                format!(r#"{{"name":"b","sha256":"{}"}}"#, good.to_uppercase()),
                "the SHA-256 of b is \"AAAA",
            ),
        ] {
            let json = format!(r#"{{"config":{{"name":"a"}},"packages":[{packages}]}}"#);
            let said = bill_of(&json, &subject()).unwrap_err().to_string();
            assert!(said.starts_with(expected), "{said}");
        }
        let json =
            format!(r#"{{"config":{{"name":"a"}},"packages":[{{"name":"b","sha256":"{good}"}}]}}"#);
        for (sha256, time, expected) in [
            (Some("b".repeat(64)), time::LAST, None),
            (
                Some("b".repeat(63)),
                0,
                Some("the SHA-256 of a-1.raw is \"bbb"),
            ),
            (
                None,
                time::LAST + 1,
                Some("the time of the image is 253402300800, which is after"),
            ),
            (
                None,
                u64::MAX,
                Some("the time of the image is 18446744073709551615"),
            ),
        ] {
            let subject = Subject {
                sha256,
                time,
                ..subject()
            };
            let said = bill_of(&json, &subject)
                .err()
                .map(|error| error.to_string());
            match (&said, expected) {
                (Some(said), Some(expected)) => assert!(said.starts_with(expected), "{said}"),
                _ => assert_eq!(said.as_deref(), expected),
            }
        }
    }
}
