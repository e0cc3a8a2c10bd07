//! A base that is known by its packages alone: what they provide, in RPM's words, and their files.

use std::collections::BTreeSet;

use crate::abi::Abi;

/// What a base's packages provide.
#[derive(Clone, Debug, Default)]
pub struct Capabilities {
    names: BTreeSet<String>,
    files: BTreeSet<String>,
    /// Says of a path whether it would be among `files`, if those are not all that there are.
    lists: Option<fn(&str) -> bool>,
}

impl Capabilities {
    /// Collects names of capabilities, such as `libc.so.6(GLIBC_2.38)(64bit)`, and paths of files.
    pub fn new(
        names: impl IntoIterator<Item = String>,
        files: impl IntoIterator<Item = String>,
    ) -> Self {
        Self {
            names: names.into_iter().collect(),
            files: files.into_iter().collect(),
            lists: None,
        }
    }

    /// Takes the files for a part of all: a repository lists those alone that packages often ask
    /// for. `lists` says of a path whether it would be among them. One that would not counts as
    /// there, since nothing speaks against it.
    #[must_use]
    pub fn with_files_in_part(self, lists: fn(&str) -> bool) -> Self {
        Self {
            lists: Some(lists),
            ..self
        }
    }

    /// Says whether a library is provided.
    pub(crate) fn has_library(&self, name: &str, abi: Abi) -> bool {
        match abi.rpm_marker() {
            "" => self.names.contains(name),
            marker => self.names.contains(&format!("{name}(){marker}")),
        }
    }

    /// Says whether a version of a library's symbols is provided.
    pub(crate) fn has_version(&self, name: &str, version: &str, abi: Abi) -> bool {
        let marker = abi.rpm_marker();
        self.names.contains(&format!("{name}({version}){marker}"))
    }

    /// Says whether there is a file, as far as files are known.
    pub(crate) fn has_file(&self, path: &str) -> bool {
        self.names_file(path) || self.lists.is_some_and(|lists| !lists(path))
    }

    /// Says whether a package names a file, on a system where `/bin` is a link to `/usr/bin`; it
    /// may list or provide it under either path.
    fn names_file(&self, path: &str) -> bool {
        let other = match path.strip_prefix("/usr") {
            Some(path) => path.to_owned(),
            None => format!("/usr{path}"),
        };
        // Where /usr/sbin is merged, too, it is one directory more.
        let merged = path.replacen("/sbin/", "/bin/", 1);
        [path, &other, &merged]
            .iter()
            .any(|path| self.files.contains(*path) || self.names.contains(*path))
    }

    /// Says whether a program's loader is there. Lists of files are often of programs alone, and the
    /// loader comes with the C library.
    pub(crate) fn has_loader(&self, path: &str, abi: Abi) -> bool {
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_there = match abi.loader() == Some(path) {
            true => self.has_library("libc.so.6", abi) || self.names_file(path),
            false => self.has_file(path),
        };
        is_there || self.has_library(name, abi)
    }

    /// Returns the directories of the loader, as the C library's own place tells them.
    pub(crate) fn library_directories(&self, abi: Abi) -> Vec<String> {
        let known = abi.library_directories();
        let of_libc = |directory: &&String| self.names_file(&format!("{directory}/libc.so.6"));
        let Some(first) = known.iter().find(of_libc) else {
            return known;
        };
        let own = first.strip_prefix("/usr").unwrap_or(first);
        // Debian's loaders have /lib and /usr/lib built in behind their own; others only their own.
        let multiarch = own.starts_with("/lib/");
        known
            .iter()
            .filter(|directory| {
                let bare = directory.strip_prefix("/usr").unwrap_or(directory);
                bare == own || multiarch && bare == "/lib"
            })
            .cloned()
            .collect()
    }
}
