//! Packages as the solver sees them.

use std::fmt;

use crate::dependency::Dependency;
use crate::evr::Evr;

/// Name, epoch, version, release and architecture: what identifies a package.
///
/// The derived order is one of text, for sorted lists.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nevra {
    /// Name of the package.
    pub name: String,
    /// Its version; no epoch and epoch 0 identify the same package.
    pub evr: Evr,
    /// Architecture in RPM's spelling: `x86_64`, `noarch`.
    pub arch: String,
}

impl Nevra {
    /// Reads `name-[epoch:]version-release.arch`; none if a part is missing or empty.
    pub fn parse(text: &str) -> Option<Self> {
        let (rest, arch) = text.rsplit_once('.')?;
        let (rest, release) = rest.rsplit_once('-')?;
        let (name, version) = rest.rsplit_once('-')?;
        let mut evr = Evr::parse(version);
        if evr.epoch.is_none() && evr.version.len() != version.len() {
            return None;
        }
        evr.release = release.to_owned();
        let complete = ![name, &evr.version, release, arch].contains(&"");
        complete.then(|| Self {
            name: name.to_owned(),
            evr,
            arch: arch.to_owned(),
        })
    }

    /// Returns whether `self` and `other` identify the same package.
    pub(crate) fn is(&self, other: &Self) -> bool {
        self.name == other.name
            && self.arch == other.arch
            && self.evr.epoch.unwrap_or(0) == other.evr.epoch.unwrap_or(0)
            && self.evr.version == other.evr.version
            && self.evr.release == other.evr.release
    }
}

impl fmt::Display for Nevra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.{}", self.name, self.evr, self.arch)
    }
}

/// A package with its dependencies, installed or on offer.
#[derive(Clone, Debug, Default)]
pub struct Solvable {
    /// Its identity.
    pub nevra: Nevra,
    /// What it offers. That it offers its own name and version need not be said.
    pub provides: Vec<Dependency>,
    /// What must be there with it.
    pub requires: Vec<Dependency>,
    /// What must not be there with it.
    pub conflicts: Vec<Dependency>,
    /// Packages that it replaces, by name and version and never by what they provide.
    pub obsoletes: Vec<Dependency>,
    /// What should be there with it.
    pub recommends: Vec<Dependency>,
    /// What may be there with it; a preference among providers.
    pub suggests: Vec<Dependency>,
    /// What it should be added to.
    pub supplements: Vec<Dependency>,
    /// What it may be added to; a preference among providers.
    pub enhances: Vec<Dependency>,
    /// Absolute paths of its files, as far as dependencies may name them.
    pub files: Vec<String>,
}

impl Default for Nevra {
    fn default() -> Self {
        Self {
            name: String::new(),
            evr: Evr::default(),
            arch: "noarch".to_owned(),
        }
    }
}
