//! What is asked of packages, and how they may be chosen.

use std::collections::BTreeMap;
use std::path::PathBuf;

use architecture::Architecture;

use crate::base::Base;
use crate::packages::lock::Locking;
use crate::packages::repository::{self, Extent, RepositorySource};
use crate::packages::trust;
use crate::words::failure::{Failure, Result};

/// What is asked for, what there is to choose from, and what is trusted.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The RPM files that were named. The main package is the first, unless `main` names another.
    pub files: Vec<PathBuf>,
    /// Packages that are asked for by name, to be found in `repositories`, in the order that
    /// [`main_first`] gives them.
    pub names: Vec<String>,
    /// The name that the user gives the image; a package of that name is the main one.
    pub main: Option<String>,
    /// Those of the names that are files here, too, and are not meant as such.
    pub not_files: Vec<String>,
    /// What to choose from.
    pub repositories: Vec<RepositorySource>,
    /// Variables of `.repo` files with the values that the user gave them.
    pub variables: BTreeMap<String, String>,
    /// How repositories are read.
    pub downloads: repository::Settings,
    /// The lock that is written, or followed.
    pub locking: Locking,
    /// Streams of modules that are enabled, as `NAME:STREAM`.
    pub modules: Vec<String>,
    /// Whether to add what packages recommend.
    pub recommends: bool,
    /// Whether the next build of the same name stands for a package of a listed base that no
    /// repository has.
    pub assume_next_build: bool,
    /// The architecture of the base, if the user named it.
    pub architecture: Option<Architecture>,
    /// Whose signatures are asked for.
    pub trust: trust::Settings,
    /// Nothing is to be written.
    pub dry_run: bool,
    /// Headers do at first: nothing may have to be packed.
    pub plan_first: bool,
    /// `files` are in the order that decides the image.
    pub in_order: bool,
}

/// Puts what was asked for into the order that decides the image: the main one, then the others by
/// `key`, so that the order in which a shell lists files does not matter. The main one is the one
/// that is said to be, else the first.
pub fn main_first<T, K: Ord>(asked: &mut [T], is_main: impl Fn(&T) -> bool, key: impl Fn(&T) -> K) {
    let main = asked.iter().position(is_main).unwrap_or(0);
    if let Some(before) = asked.get_mut(..=main) {
        before.rotate_right(1);
    }
    if let Some(others) = asked.get_mut(1..) {
        others.sort_by_cached_key(key);
    }
}

impl Settings {
    /// Returns how much of the packages is needed at first.
    pub fn extent(&self) -> Extent {
        match self.plan_first {
            true => Extent::Headers,
            false => Extent::Whole,
        }
    }

    /// Returns the architecture that packages are chosen for: the one that was named, else the
    /// base's, else that of this machine.
    pub fn architecture_for(&self, base: &Base) -> Result<Architecture> {
        (self.architecture)
            .or(base.architecture)
            .or_else(Architecture::of_this_machine)
            .ok_or_else(|| Failure::usage("give the base's architecture with --arch ARCH"))
    }
}
