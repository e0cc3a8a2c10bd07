//! What all files of an image need, and whether it is there: every program started, every library
//! loaded that no program loads, the interpreter of every script looked for.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::{Base, Dlopen, Linkage, Loader, Priority, Problem, Processor, View};

/// Where files are that debuggers read and no loader.
pub(crate) const DEBUG_FILES: &str = "usr/lib/debug/";
/// Directories in which `env` and users look for programs.
pub const PROGRAM_DIRECTORIES: [&str; 6] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
];

/// What an image needs of whatever base it is merged over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needs {
    /// Libraries by name, with the versions that they must define.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub libraries: BTreeMap<String, BTreeSet<String>>,
    /// Loaders of programs, and interpreters of scripts.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub programs: BTreeSet<String>,
    /// Libraries by name that the image has itself, in these paths: there the loader looks only if
    /// the base's `ld.so.cache` has the directory.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cached: BTreeMap<String, BTreeSet<String>>,
}

impl Needs {
    /// Collects what no file of the image has.
    pub fn of(linkage: &Linkage) -> Self {
        let view = View::new(linkage, Base::Nothing);
        let judge = Judge::new(linkage, Base::Nothing, &view);
        let mut needs = Self::default();
        for (subject, problem) in judge.problems(Processor::Oldest) {
            match problem {
                Problem::Interpreter { path } => {
                    needs.programs.insert(path);
                }
                Problem::Missing {
                    name,
                    versions,
                    elsewhere,
                    ..
                } if elsewhere.is_empty() => {
                    needs.libraries.entry(name).or_default().extend(versions);
                }
                // The loader's own versions.
                Problem::Version { name, version, .. } => {
                    needs.libraries.entry(name).or_default().insert(version);
                }
                Problem::Missing {
                    name, elsewhere, ..
                } if !subject.alone => needs.cached.entry(name).or_default().extend(elsewhere),
                // A plugin finds what the program that loads it has loaded.
                Problem::Missing { .. } => {}
                Problem::Unloadable { .. } => {}
            }
        }
        needs
            .programs
            .extend(judge.missing_interpreters().map(|(_, program)| program));
        needs
    }
}

/// Judges the files of an image over a base.
#[derive(Debug)]
pub struct Judge<'a> {
    linkage: &'a Linkage,
    below: Base<'a>,
    view: &'a View<'a>,
}

/// A file that was loaded, and as what.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// Its path without the leading slash.
    pub path: &'a str,
    /// It is a library that no program of the image loads.
    pub alone: bool,
}

impl<'a> Judge<'a> {
    /// Prepares to judge; `view` is of `linkage` over `below`.
    pub fn new(linkage: &'a Linkage, below: Base<'a>, view: &'a View<'a>) -> Self {
        Self {
            linkage,
            below,
            view,
        }
    }

    /// Loads every program, and every library that none of them loads.
    pub fn problems(&self, processor: Processor) -> Vec<(Subject<'a>, Problem)> {
        let loader = Loader::new(self.view, processor);
        let mut problems = Vec::new();
        let judged = |path: &str| !path.starts_with(DEBUG_FILES);
        for path in self.linkage.programs.keys().filter(|path| judged(path)) {
            let subject = Subject { path, alone: false };
            let found = loader.start(path).unwrap_or_default();
            problems.extend(found.into_iter().map(|problem| (subject, problem)));
        }
        let abis: BTreeSet<_> = (self.linkage.programs.values())
            .map(|one| one.abi)
            .collect();
        for (path, object) in &self.linkage.libraries {
            // What is for another machine is data here, such as firmware.
            let loadable = abis.contains(&object.abi)
                || object
                    .abi
                    .loader()
                    .is_some_and(|loader| self.view.has_loader(loader, object.abi))
                || matches!(self.below, Base::Nothing);
            if object.program || !loadable || !judged(path) || loader.is_reached(path) {
                continue;
            }
            let subject = Subject { path, alone: true };
            let found = loader.load_library(path).unwrap_or_default();
            problems.extend(found.into_iter().map(|problem| (subject, problem)));
        }
        problems
    }

    /// Returns what files say that they load when they first use it, and would not find, with the
    /// path of the file. What is only suggested is left out.
    pub fn missing_features(&self, processor: Processor) -> Vec<(&'a str, &'a Dlopen)> {
        let loader = Loader::new(self.view, processor);
        let mut missing = Vec::new();
        for (path, object) in self.linkage.objects() {
            for feature in &object.dlopen {
                let found = feature.soname.iter().any(|name| loader.finds(path, name));
                if feature.priority != Priority::Suggested && !found {
                    missing.push((path, feature));
                }
            }
        }
        missing
    }

    /// Returns the scripts whose interpreter is missing, with it.
    pub fn missing_interpreters(&self) -> impl Iterator<Item = (&'a str, String)> {
        self.linkage.scripts.iter().filter_map(|(path, script)| {
            if !self.view.has_file(&script.interpreter) {
                return Some((path.as_str(), script.interpreter.clone()));
            }
            let program = script.env.as_ref()?;
            let found = if program.contains('/') {
                self.view.has_file(program)
            } else {
                PROGRAM_DIRECTORIES
                    .iter()
                    .any(|directory| self.view.has_file(&format!("{directory}/{program}")))
            };
            (!found).then(|| (path.as_str(), program.clone()))
        })
    }
}
