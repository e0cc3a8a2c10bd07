//! The closure: whether all that an image's programs, libraries and scripts need is in the image or
//! its base, where the loader looks.
//!
//! A base with files is judged by its files, one that is known by its packages by what they
//! provide, be it by their headers or, if there are only their names, by the repositories that have
//! all of them. Of one that is known less, or by its os-release alone, nothing is judged.
//!
//! Programs are started, scripts have their interpreter looked for. Of libraries, those that no
//! program of the image loads are loaded on their own, for they are there for programs of the base
//! or are plugins. What such a library misses may be loaded already by the program that loads it;
//! if it is anywhere at all, that is only noted.

use std::collections::{BTreeMap, BTreeSet};

use linkage::{
    Base as Below, Capabilities, Judge, Linkage, PROGRAM_DIRECTORIES, Problem, Processor, Root,
    Subject, View,
};
use serde::Serialize;

use crate::base::Base;
use crate::findings::{self, Finding, FindingKind, kinds};
use crate::words::failure::{Failure, Result};

/// So many names are listed in one finding.
const SHOWN: usize = 4;

/// The libraries and programs of a base, as far as they are known.
#[derive(Debug)]
pub enum BaseLibraries {
    /// Its files.
    Files(Root),
    /// What its packages provide.
    Packages(Capabilities),
    /// Nothing is known.
    Unknown,
}

impl BaseLibraries {
    /// Says whether anything is known of them, so that what programs load can be judged.
    pub fn are_known(&self) -> bool {
        !matches!(self, Self::Unknown)
    }

    /// Opens what there is to know of a base's libraries. `looked_up` is what repositories say that
    /// a base provides of which there are only the packages' names.
    pub fn of(base: &Base, looked_up: Option<Capabilities>) -> Result<Self> {
        if let Some(root) = base.files_root() {
            return Root::open(root).map(Self::Files).map_err(|error| {
                Failure::io(format!("reading ld.so.cache of {}", root.display()), error)
            });
        }
        let Some(packages) = &base.packages else {
            return Ok(looked_up.map_or(Self::Unknown, Self::Packages));
        };
        let provides = packages.iter().flat_map(|package| &package.provides);
        let files = packages.iter().flat_map(|package| &package.files);
        Ok(Self::Packages(Capabilities::new(
            provides.map(|provide| provide.name.clone()),
            files.map(|file| file.path.text()),
        )))
    }
}

impl BaseLibraries {
    /// Returns what images lie over; `None` where nothing is known.
    pub fn below(&self) -> Option<Below<'_>> {
        match self {
            Self::Files(root) => Some(Below::Files(root)),
            Self::Packages(packages) => Some(Below::Packages(packages)),
            Self::Unknown => None,
        }
    }
}

/// A file of an image that would not run, or not wholly, and why.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Break {
    /// The finding that it is.
    #[serde(rename = "id", serialize_with = "findings::name_of")]
    pub kind: &'static FindingKind,
    /// What is missing, in the words of the loader where it has some.
    pub missing: String,
    /// The program, library or script, by its path on the merged system.
    pub path: String,
    /// The object that asks for what is missing: the file itself, or a library of it.
    pub by: String,
    /// Where it was looked for, or where it is instead.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub where_looked: String,
}

impl Break {
    /// Says whether the same file lacks the same library or interpreter, be it for another reason.
    pub fn is_about_the_same(&self, other: &Self) -> bool {
        let name = |one: &'_ Self| {
            let file = one.missing.split([':', ' ']).next().unwrap_or_default();
            file.rsplit('/').next().unwrap_or_default().to_owned()
        };
        self.path == other.path && name(self) == name(other)
    }
}

/// Judges an image over a base: every program, library and script that would not run, in order.
pub fn judge(linkage: &Linkage, base: &BaseLibraries) -> Vec<Break> {
    base.below()
        .map(|below| judge_view(linkage, &View::new(linkage, below), below))
        .unwrap_or_default()
}

/// Judges an image by a view of it over a base.
pub fn judge_view(linkage: &Linkage, view: &View<'_>, below: Below<'_>) -> Vec<Break> {
    let judge = Breaks {
        judge: Judge::new(linkage, below, view),
        below,
    };
    let mut breaks = judge.on(Processor::Oldest);
    if view.has_hwcaps() {
        let known: BTreeSet<_> = breaks.iter().cloned().collect();
        let newest = judge.on(Processor::Newest);
        breaks.extend(
            newest
                .into_iter()
                .filter(|one| !known.contains(one))
                .map(|one| Break {
                    missing: format!("with the libraries for newer processors, {}", one.missing),
                    ..one
                }),
        );
    }
    breaks.extend(judge.scripts());
    breaks.sort();
    breaks.dedup();
    breaks
}

/// What is judged over which base.
struct Breaks<'a> {
    judge: Judge<'a>,
    below: Below<'a>,
}

impl Breaks<'_> {
    fn on(&self, processor: Processor) -> Vec<Break> {
        let problems = self.judge.problems(processor).into_iter();
        let mut breaks: Vec<_> = problems
            .map(|(subject, problem)| broken(self.below, subject, problem))
            .collect();
        let missing = self.judge.missing_features(processor).into_iter();
        breaks.extend(missing.map(|(path, feature)| Break {
            kind: &kinds::DLOPEN_MISSING,
            missing: format!(
                "{}, which is loaded on first use",
                feature.soname.join(" or ")
            ),
            path: format!("/{path}"),
            by: format!("/{path}"),
            where_looked: String::new(),
        }));
        breaks
    }

    fn scripts(&self) -> impl Iterator<Item = Break> {
        self.judge.missing_interpreters().map(|(path, program)| {
            let path = format!("/{path}");
            // A user types the names of those in a program directory; elsewhere are examples, too.
            let typed = path
                .rsplit_once('/')
                .is_some_and(|(directory, _)| PROGRAM_DIRECTORIES.contains(&directory));
            Break {
                kind: if typed {
                    &kinds::INTERPRETER_MISSING
                } else {
                    &kinds::SCRIPT_INTERPRETER_MISSING
                },
                missing: format!("{program}: no such file"),
                by: path.clone(),
                path,
                where_looked: String::new(),
            }
        })
    }
}

/// Says in words what a problem is.
pub fn broken(below: Below<'_>, subject: Subject<'_>, problem: Problem) -> Break {
    let path = format!("/{}", subject.path);
    match problem {
        Problem::Interpreter { path: loader } => Break {
            kind: &kinds::INTERPRETER_MISSING,
            missing: format!("{loader}: no such file"),
            by: path.clone(),
            path,
            where_looked: String::new(),
        },
        Problem::Missing {
            by,
            name,
            looked,
            elsewhere,
            ..
        } => {
            let looked = format!("looked in {looked}");
            let (kind, missing, where_looked) = if elsewhere.is_empty() {
                let missing = format!("{name}: cannot open shared object file");
                (&kinds::SONAME_MISSING, missing, looked)
            } else {
                let missing = format!("{name} is not where the loader looks");
                let kind = if subject.alone {
                    &kinds::NEEDS_ITS_HOST
                } else {
                    &kinds::LIBRARY_NOT_ON_SEARCH_PATH
                };
                let hint = hint(below, &elsewhere);
                (
                    kind,
                    missing,
                    format!("{looked}; it is {}{hint}", elsewhere.join(", ")),
                )
            };
            Break {
                kind,
                missing,
                path,
                by,
                where_looked,
            }
        }
        Problem::Version {
            by,
            library,
            version,
            ..
        } => Break {
            kind: &kinds::SYMBOL_VERSION_MISSING,
            missing: format!("{library}: version `{version}' not found"),
            path,
            by,
            where_looked: String::new(),
        },
        Problem::Unloadable {
            by,
            library,
            problem,
            ..
        } => Break {
            kind: &kinds::LIBRARY_UNLOADABLE,
            missing: format!("{library} can't be loaded: {problem}"),
            path,
            by,
            where_looked: String::new(),
        },
    }
}

/// Says why a library is not found although its directory is one of libraries.
fn hint(below: Below<'_>, elsewhere: &[String]) -> &'static str {
    let configured = |path: &String| {
        let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
        matches!(below, Below::Files(root) if root.configures(directory))
    };
    if elsewhere.iter().any(configured) {
        ", a directory of ld.so.conf, whose libraries are found through ld.so.cache, which a \
         merge does not rebuild"
    } else {
        ""
    }
}

/// Makes one finding of all breaks that have the same cause.
pub fn findings(breaks: &[Break]) -> Vec<Finding> {
    let mut causes: BTreeMap<(&'static FindingKind, &str), Vec<&Break>> = BTreeMap::new();
    for one in breaks {
        causes
            .entry((one.kind, &one.missing))
            .or_default()
            .push(one);
    }
    causes
        .into_iter()
        .map(|((kind, missing), breaks)| {
            let by: BTreeSet<&str> = breaks.iter().map(|one| one.by.as_str()).collect();
            let others: BTreeSet<&str> = breaks
                .iter()
                .map(|one| one.path.as_str())
                .filter(|path| !by.contains(path))
                .collect();
            let mut text = format!("{missing} (required by {}", listed(&by));
            if !others.is_empty() {
                text += &format!(", and in turn by {}", listed(&others));
            }
            text += ")";
            if let Some(first) = breaks.first().filter(|one| !one.where_looked.is_empty()) {
                text += &format!("; {}", first.where_looked);
            }
            Finding::new(kind, text)
        })
        .collect()
}

fn listed(names: &BTreeSet<&str>) -> String {
    let shown: Vec<_> = names.iter().take(SHOWN).copied().collect();
    let mut text = shown.join(", ");
    if names.len() > SHOWN {
        text += &format!(" and {} more", names.len() - SHOWN);
    }
    text
}
