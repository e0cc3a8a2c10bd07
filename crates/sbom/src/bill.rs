//! What a bill of materials says, in no form as yet.

use std::collections::{BTreeMap, BTreeSet};

use manifest::{Manifest, Package};

use crate::licence::Licence;
use crate::names::{self, Named, identifier};

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
    #[must_use]
    pub fn new<L>(manifest: &'a Manifest<L>, subject: &'a Subject) -> Self {
        let config = &manifest.config;
        let distribution = config.distribution.as_deref();
        let distribution = distribution.map(|id| (id, config.release.as_deref()));
        let mut missing = BTreeSet::new();
        if subject.sha256.is_none() {
            missing.insert(Missing::ImageDigest);
        }
        let mut contained = Vec::with_capacity(manifest.packages.len());
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
                id: identifier(package.nevra.as_ref().unwrap_or(&package.name)),
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
                id: format!("base-{}", identifier(&relied.nevra)),
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
        Self {
            subject,
            name: &config.name,
            version: config.version.as_deref(),
            contained,
            of_base,
            missing,
        }
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

impl Part<'_> {
    /// Returns who distributes it, without what has a meaning of its own for SPDX.
    pub(crate) fn vendor(&self) -> Option<String> {
        let vendor = self.package?.vendor.as_deref()?;
        let plain = vendor.replace('(', "[").replace(')', "]");
        let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
        (!plain.is_empty()).then_some(plain)
    }
}
