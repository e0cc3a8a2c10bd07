//! What a test may need, and where it is looked for.

use std::fmt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{is_declared, variable};

/// Something that a test needs and that a machine may lack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// A program in `PATH`.
    Program(&'static str),
    /// The user root.
    Root,
    /// The systemd of this machine, by its major version.
    Systemd(&'static str),
    /// A directory of `../shared/corpus`: packages, databases and metadata by other hands.
    Corpus(&'static str),
    /// A tree that `tests/clients` makes in `~/.cache/sysext-clients`.
    Cached(&'static str),
    /// The repository of real software that `tests/clients` makes; `SYSEXT_BUILD_RPMS` names another.
    Repository,
    /// A directory that a person names in a variable, for a test beyond the usual ones.
    Named(&'static str),
    /// All of these.
    All(&'static [Need]),
}

/// A program in `PATH`.
pub const fn program(name: &'static str) -> Need {
    Need::Program(name)
}

/// The user root, which mounts need.
pub const fn root() -> Need {
    Need::Root
}

/// The systemd of this machine, by its major version.
pub const fn systemd(version: &'static str) -> Need {
    Need::Systemd(version)
}

/// A directory of `../shared/corpus`.
pub const fn corpus(path: &'static str) -> Need {
    Need::Corpus(path)
}

/// A tree that `tests/clients` makes.
pub const fn cached(path: &'static str) -> Need {
    Need::Cached(path)
}

/// The repository of real software that `tests/clients` makes.
pub const fn repository() -> Need {
    Need::Repository
}

/// A directory that a person names in a variable of the environment; CI does without it.
pub const fn named(variable: &'static str) -> Need {
    Need::Named(variable)
}

/// A name for several needs.
pub const fn all(needs: &'static [Need]) -> Need {
    Need::All(needs)
}

impl Need {
    /// Returns the path of what a test has declared that it needs.
    ///
    /// # Panics
    ///
    /// If the test that runs on this thread has not declared it, or if it has no path.
    pub fn path(&self) -> PathBuf {
        assert!(
            is_declared(self),
            "the test does not declare that it needs {self}"
        );
        self.place().unwrap_or_else(|| panic!("{self} has no path"))
    }

    /// Returns what is missing.
    pub(crate) fn missing(&self) -> Vec<Need> {
        let is_there = match self {
            Need::All(needs) => return needs.iter().flat_map(Need::missing).collect(),
            Need::Root => std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0),
            Need::Systemd(version) => has_systemd(version),
            Need::Program(_) => self.place().is_some(),
            Need::Corpus(_) | Need::Named(_) => self.place().is_some_and(|path| path.is_dir()),
            // The mark is made last.
            Need::Cached(_) => self.place().is_some_and(|path| path.join(".ok").exists()),
            Need::Repository => {
                let list = self.place().map(|path| path.join("repodata/repomd.xml"));
                list.is_some_and(|list| list.exists())
            }
        };
        if is_there { Vec::new() } else { vec![*self] }
    }

    /// Says whether this is, or contains, a need.
    pub(crate) fn contains(&self, need: &Need) -> bool {
        let parts: &[Need] = match self {
            Need::All(needs) => needs,
            _ => &[],
        };
        self == need || parts.iter().any(|part| part.contains(need))
    }

    /// Says whether CI has to have this.
    pub(crate) fn is_for_ci(&self) -> bool {
        match self {
            Need::Named(_) => false,
            Need::Corpus(_) => variable("CI_WITHOUT").is_none_or(|value| value != "corpora"),
            _ => true,
        }
    }

    fn place(&self) -> Option<PathBuf> {
        let cache = || Some(PathBuf::from(variable("HOME")?).join(".cache/sysext-clients"));
        match self {
            Need::Program(name) => find(name),
            Need::Named(name) => variable(name).map(PathBuf::from),
            Need::Corpus(path) => {
                let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2)?;
                Some(workspace.parent()?.join("shared/corpus").join(path))
            }
            Need::Cached(path) => Some(cache()?.join(path)),
            Need::Repository => variable("SYSEXT_BUILD_RPMS")
                .map(PathBuf::from)
                .or_else(|| Some(cache()?.join("rpms"))),
            Need::Root | Need::Systemd(_) | Need::All(_) => None,
        }
    }
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Need::Program(name) => write!(f, "the program {name}"),
            Need::Root => f.write_str("root"),
            Need::Systemd(version) => write!(f, "systemd {version} on this machine"),
            Need::Corpus(path) => write!(f, "../shared/corpus/{path}"),
            Need::Cached(path) => write!(f, "~/.cache/sysext-clients/{path}"),
            Need::Named(name) => write!(f, "a directory in ${name}"),
            Need::Repository => f.write_str("~/.cache/sysext-clients/rpms"),
            Need::All(needs) => {
                let names: Vec<_> = needs.iter().map(ToString::to_string).collect();
                f.write_str(&names.join(", "))
            }
        }
    }
}

/// Returns the file that a program's name stands for.
fn find(program: &str) -> Option<PathBuf> {
    let is_program = |path: &PathBuf| {
        path.metadata()
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    std::env::split_paths(&variable("PATH")?)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(program))
        .find(is_program)
}

fn has_systemd(version: &str) -> bool {
    let output = Command::new("systemctl").arg("--version").output();
    output.is_ok_and(|output| {
        let text = String::from_utf8_lossy(&output.stdout);
        text.starts_with(&format!("systemd {version} "))
    })
}

/// The programs of a list.
#[macro_export]
macro_rules! programs {
    ($($name:literal),+ $(,)?) => { $crate::all(&[$($crate::program($name)),+]) };
}
