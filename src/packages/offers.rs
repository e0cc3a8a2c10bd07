//! What packages provide to each other: capabilities and files.

use std::collections::{BTreeMap, BTreeSet};

use rpm_input::{Dependency, Package};

use crate::packages::choose::other_path;

/// All that packages provide, by name.
pub struct Offers<'a> {
    capabilities: BTreeMap<&'a str, Vec<&'a Dependency>>,
    files: BTreeSet<&'a str>,
}

impl<'a> Offers<'a> {
    /// Collects what these packages provide, and their files.
    pub fn new(packages: impl Iterator<Item = &'a Package> + Clone) -> Self {
        let mut capabilities: BTreeMap<&str, Vec<&Dependency>> = BTreeMap::new();
        for provide in packages.clone().flat_map(|package| &package.provides) {
            capabilities.entry(&provide.name).or_default().push(provide);
        }
        let files = packages
            .flat_map(|package| &package.files)
            .map(|file| file.path.as_str());
        Self {
            capabilities,
            files: files.collect(),
        }
    }

    /// Says whether a package provides what is needed, by a capability or by a file of this path.
    pub fn provide(&self, need: &Dependency) -> bool {
        let provided = self
            .capabilities
            .get(need.name.as_str())
            .is_some_and(|offers| offers.iter().any(|offer| need.satisfied_by(offer)));
        provided || need.is_file() && self.files.contains(need.name.as_str())
    }

    /// Says the same of an installed system, where `/bin` is a link to `/usr/bin`.
    pub fn meet(&self, need: &Dependency) -> bool {
        let elsewhere = || other_path(&need.name).is_some_and(|path| self.files.contains(&*path));
        self.provide(need) || need.is_file() && elsewhere()
    }
}
