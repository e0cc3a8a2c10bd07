//! A package of an image, as the stages after the choice take it.

use std::path::PathBuf;

use manifest::{Explained, Reason};
use rpm_input::Package;

use crate::packages::repository::Located;

/// A package that was chosen.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// Its RPM file, which is not here yet where the header alone was fetched.
    pub file: PathBuf,
    /// What its header says.
    pub package: Package,
    /// Why it is there.
    pub reason: Reason,
    /// From where it comes.
    pub origin: Origin,
    /// SHA-256 of the file, as metadata list it.
    pub sha256: Option<[u8; 32]>,
    /// The file is here, and is the one that metadata list, if there are any.
    pub is_here: bool,
}

/// From where a package comes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The repository that offers it; none if the user named its file.
    pub repository: Option<String>,
    /// What that repository's metadata say of the file; none where there are no metadata.
    pub listed: Option<Located>,
}

impl Chosen {
    /// Returns what is recorded of the package for `why`.
    pub fn explained(&self) -> Explained {
        Explained {
            nevra: self.package.nevra.to_string(),
            reason: self.reason.clone(),
            provides: self
                .package
                .provides
                .iter()
                .map(ToString::to_string)
                .collect(),
        }
    }
}
