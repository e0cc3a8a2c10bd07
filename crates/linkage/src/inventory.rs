//! What all files of an image ask for and offer: small, sorted, and enough to judge the image
//! without its contents.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::object::Object;
use crate::script::Script;

/// What an image's files need to run, and what they offer. Paths are relative to the image's root,
/// such as `usr/bin/strace`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linkage {
    /// Executable ELF files that name a loader.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub programs: BTreeMap<String, Object>,
    /// All other ELF files that can be loaded: shared libraries, static programs.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub libraries: BTreeMap<String, Object>,
    /// Executable files that start with `#!`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub scripts: BTreeMap<String, Script>,
    /// Other names, by their targets as written: symbolic links that may lead to one of the files
    /// above or out of the image, and further hard links to one of the files above.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub links: BTreeMap<String, String>,
    /// ELF files that can't be read, and what is wrong with them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unread: BTreeMap<String, String>,
}

/// What there is at a path of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// An ELF file.
    Object(&'a Object),
    /// A file of another kind, or an ELF file that can't be read.
    Other,
    /// A link with its target.
    Link(&'a str),
}

impl Linkage {
    /// Adds an ELF file.
    pub fn insert(&mut self, path: String, object: Object, executable: bool) {
        if executable && object.interpreter.is_some() {
            self.programs.insert(path, object);
        } else {
            self.libraries.insert(path, object);
        }
    }

    /// Says what there is at a path.
    pub fn entry(&self, path: &str) -> Option<Entry<'_>> {
        if let Some(target) = self.links.get(path) {
            return Some(Entry::Link(target));
        }
        if let Some(object) = self.object(path) {
            return Some(Entry::Object(object));
        }
        (self.scripts.contains_key(path) || self.unread.contains_key(path)).then_some(Entry::Other)
    }

    /// Returns the ELF file at a path.
    pub fn object(&self, path: &str) -> Option<&Object> {
        self.programs.get(path).or(self.libraries.get(path))
    }

    /// Returns every ELF file with its path.
    pub fn objects(&self) -> impl Iterator<Item = (&str, &Object)> {
        self.programs
            .iter()
            .chain(&self.libraries)
            .map(|(path, object)| (path.as_str(), object))
    }

    /// Returns every path.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.objects()
            .map(|(path, _)| path)
            .chain(self.scripts.keys().map(String::as_str))
            .chain(self.links.keys().map(String::as_str))
            .chain(self.unread.keys().map(String::as_str))
    }
}
