//! One name, and the places where the loader looks for it, in their order.

use super::{BuiltIn, Candidate, Found, Loaded, Loader, Processor};
use crate::abi::Abi;
use crate::view::Base;

impl<'a> Loader<'a> {
    /// Searches for a name on behalf of the object at `index`.
    pub(super) fn search(
        &self,
        loaded: &[Loaded<'a>],
        index: usize,
        name: &str,
        built_in: &BuiltIn<'a>,
    ) -> Found<'a> {
        let by = &loaded[index].candidate;
        let rpaths = rpaths(loaded, index, built_in);
        if !rpaths.is_empty() {
            return self.look(by, name, &rpaths, built_in);
        }
        let is_own = by.object.runpath.is_some() || name.contains('/');
        let asks = is_own.then(|| by.place.clone());
        let key = (asks, by.object.no_default_directories, name.to_owned());
        if let Some(found) = built_in.searches.borrow().get(&key) {
            return found.clone();
        }
        let found = self.look(by, name, &rpaths, built_in);
        built_in.searches.borrow_mut().insert(key, found.clone());
        found
    }

    fn look(
        &self,
        by: &Candidate<'a>,
        name: &str,
        rpaths: &[String],
        built_in: &BuiltIn<'_>,
    ) -> Found<'a> {
        let abi = by.object.abi;
        if name.contains('/') {
            // Relative to the working directory it may be anything.
            return expanded(name, by.origin(), abi, built_in)
                .first()
                .map_or(Found::Missing, |path| self.candidate(path, abi));
        }
        let in_directories = |directories: &[String]| {
            directories
                .iter()
                .flat_map(|directory| self.in_directory(directory, name, abi))
                .map(|path| self.candidate(&path, abi))
                .find(|found| !matches!(found, Found::Missing))
        };
        let default: &[String] = if by.object.no_default_directories {
            &[]
        } else {
            &built_in.directories
        };
        in_directories(rpaths)
            .or_else(|| in_directories(&runpaths(by, built_in)))
            .or_else(|| self.in_cache(by, name, built_in))
            .or_else(|| in_directories(default))
            .or_else(|| match self.view.base() {
                Base::Packages(packages) if packages.has_library(name, abi) => {
                    Some(Found::Provided)
                }
                _ => None,
            })
            .unwrap_or(Found::Missing)
    }

    /// Returns the paths of a name in one directory of a search path.
    fn in_directory(&self, directory: &str, name: &str, abi: Abi) -> Vec<String> {
        let hwcaps = match self.processor {
            Processor::Oldest => &[],
            Processor::Newest => abi.hwcaps(),
        };
        hwcaps
            .iter()
            .map(|level| format!("{directory}/glibc-hwcaps/{level}/{name}"))
            .chain([format!("{directory}/{name}")])
            .collect()
    }

    /// Looks into the base's `ld.so.cache`. One path is taken from it; if that can't be loaded, the
    /// search goes on behind.
    fn in_cache(
        &self,
        by: &Candidate<'a>,
        name: &str,
        built_in: &BuiltIn<'_>,
    ) -> Option<Found<'a>> {
        let Base::Files(root) = self.view.base() else {
            return None;
        };
        let abi = by.object.abi;
        let wanted = |path: &String| {
            let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
            let level = directory
                .split_once("/glibc-hwcaps/")
                .map(|(_, level)| level);
            let fits = match (level, self.processor) {
                (None, _) => true,
                (Some(_), Processor::Oldest) => false,
                (Some(level), Processor::Newest) => abi.hwcaps().contains(&level),
            };
            let of_loader = built_in.directories.iter().any(|one| directory == one);
            fits && !(by.object.no_default_directories && of_loader)
        };
        root.cached(name)
            .iter()
            .filter(|path| wanted(path))
            .map(|path| self.candidate(path, abi))
            .find(|found| !matches!(found, Found::Missing))
    }

    /// Lists where a name was looked for, for the message.
    pub(super) fn looked(
        &self,
        loaded: &[Loaded<'a>],
        index: usize,
        built_in: &BuiltIn<'_>,
    ) -> Vec<String> {
        let by = &loaded[index].candidate;
        let mut looked = rpaths(loaded, index, built_in);
        looked.extend(runpaths(by, built_in));
        if matches!(self.view.base(), Base::Files(_)) {
            looked.push("ld.so.cache".to_owned());
        }
        if !by.object.no_default_directories {
            looked.extend(built_in.directories.iter().cloned());
        }
        looked
    }
}

/// Returns the directories of `DT_RPATH`: the object's own, and those of the objects that it was
/// loaded for. An object that has a `DT_RUNPATH` is not searched for by any of them.
fn rpaths(loaded: &[Loaded<'_>], index: usize, built_in: &BuiltIn<'_>) -> Vec<String> {
    if loaded[index].candidate.object.runpath.is_some() {
        return Vec::new();
    }
    let mut directories = Vec::new();
    let mut next = Some(index);
    while let Some(at) = next {
        let one = &loaded[at];
        let object = &one.candidate.object;
        // Of the program itself, a DT_RPATH beside a DT_RUNPATH is void.
        let void = one.by.is_none() && object.runpath.is_some();
        if let Some(rpath) = object.rpath.as_ref().filter(|_| !void) {
            let origin = one.candidate.origin();
            directories.extend(expanded(rpath, origin, object.abi, built_in));
        }
        next = one.by;
    }
    directories
}

/// Returns the directories of an object's `DT_RUNPATH`.
fn runpaths(by: &Candidate<'_>, built_in: &BuiltIn<'_>) -> Vec<String> {
    by.object
        .runpath
        .as_ref()
        .map(|runpath| expanded(runpath, by.origin(), by.object.abi, built_in))
        .unwrap_or_default()
}

/// Returns the absolute directories of a list, with `$ORIGIN`, `$LIB` and `$PLATFORM` replaced.
fn expanded(list: &str, origin: &str, abi: Abi, built_in: &BuiltIn<'_>) -> Vec<String> {
    list.split(':')
        .map(|path| {
            let platform = abi.platform().unwrap_or_default();
            let mut path = path.to_owned();
            for (name, value) in [
                ("ORIGIN", origin),
                ("LIB", built_in.lib()),
                ("PLATFORM", platform),
            ] {
                path = path.replace(&format!("${{{name}}}"), value);
                path = path.replace(&format!("${name}"), value);
            }
            path
        })
        .filter(|path| path.starts_with('/'))
        .map(|path| match path.trim_end_matches('/') {
            "" => "/".to_owned(),
            trimmed => trimmed.to_owned(),
        })
        .collect()
}
