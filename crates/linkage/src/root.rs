//! A base with files: the root directory of an installed system, which need not run.
//!
//! Only what is asked for is read, and once; links are followed by [`View`](crate::View), inside of
//! the root. One root serves many images, on several threads.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirEntry};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use files::Links;

use crate::cache::{Cache, Line, configuration};
use crate::error::Error;
use crate::needs::DEBUG_FILES;
use crate::object::Object;

/// Longest cache in bytes. One of 10 000 libraries has about a million.
const MAX_CACHE: u64 = 4 << 20;
/// Longest configuration file in bytes.
const MAX_CONFIGURATION: u64 = 256 << 10;
/// Configuration files are included this deep.
const MAX_INCLUDES: usize = 8;
/// Most directories that they name.
const MAX_DIRECTORIES: usize = 1024;
/// Directories that are looked through for a library that no search path leads to.
const LIBRARY_TREES: [&str; 4] = ["usr/lib64", "usr/lib", "usr/libexec", "opt"];
/// Directories that are looked through for programs.
const PROGRAM_TREES: [&str; 4] = ["bin", "sbin", "usr", "opt"];
/// So many entries of them are looked at.
const MAX_ENTRIES: usize = 2_000_000;

/// What there is at a path, links not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Missing,
    Directory,
    Link(String),
    File,
}

/// What a file is to the loader.
#[derive(Clone, Debug)]
pub(crate) enum Loadable {
    Object(Arc<Object>),
    /// Why the loader would refuse it.
    Not(String),
}

/// The root directory of a base.
#[derive(Debug)]
pub struct Root {
    directory: PathBuf,
    kinds: Mutex<BTreeMap<String, Kind>>,
    objects: Mutex<BTreeMap<String, Loadable>>,
    cache: Option<Cache>,
    /// What `ld.so.conf` says.
    configured: Vec<String>,
    /// Paths by file names, of libraries anywhere.
    names: OnceLock<BTreeMap<String, Vec<String>>>,
}

impl Root {
    /// Opens a root directory, and reads its `ld.so.cache`. Where it has none, what is in the
    /// directories of its `ld.so.conf` stands for it.
    pub fn open(directory: &Path) -> Result<Self, Error> {
        Ok(Self {
            directory: directory.to_owned(),
            kinds: Mutex::default(),
            objects: Mutex::default(),
            cache: cache(directory)?,
            configured: configured(directory)?,
            names: OnceLock::new(),
        })
    }

    /// Says what there is at a path without a slash in front. Its directories must be directories.
    pub(crate) fn kind(&self, path: &str) -> Kind {
        if let Some(kind) = locked(&self.kinds).get(path) {
            return kind.clone();
        }
        let full = self.directory.join(path);
        let kind = match fs::symlink_metadata(&full) {
            Ok(meta) if meta.is_dir() => Kind::Directory,
            Ok(meta) if meta.is_file() => Kind::File,
            Ok(meta) if meta.is_symlink() => fs::read_link(&full)
                .ok()
                .and_then(|target| target.into_os_string().into_string().ok())
                .map_or(Kind::Missing, Kind::Link),
            _ => Kind::Missing,
        };
        locked(&self.kinds).insert(path.to_owned(), kind.clone());
        kind
    }

    /// Reads the file at a path that [`kind`](Self::kind) calls a file.
    pub(crate) fn object(&self, path: &str) -> Loadable {
        if let Some(loadable) = locked(&self.objects).get(path) {
            return loadable.clone();
        }
        let read = files::open(self.directory.join(path), Links::Refuse)
            .map_err(Error::from)
            .and_then(|mut file| Object::read(&mut file));
        let loadable = match read {
            Ok(Some(object)) => Loadable::Object(Arc::new(object)),
            Ok(None) => Loadable::Not("it is not an ELF library".to_owned()),
            Err(error) => Loadable::Not(error.to_string()),
        };
        locked(&self.objects).insert(path.to_owned(), loadable.clone());
        loadable
    }

    /// Returns the paths that the cache has for a library, those for better processors first.
    pub(crate) fn cached(&self, name: &str) -> Vec<String> {
        match &self.cache {
            Some(cache) => cache.paths(name).to_vec(),
            None => self
                .configured
                .iter()
                .map(|directory| format!("{directory}/{name}"))
                // What an image brings there is in no cache.
                .filter(|path| self.directory.join(&path[1..]).exists())
                .collect(),
        }
    }

    /// Says whether `ld.so.conf` names a directory.
    pub fn configures(&self, directory: &str) -> bool {
        self.configured.iter().any(|one| one == directory)
    }

    /// Returns the paths of all libraries with this file name, wherever they are.
    pub(crate) fn anywhere(&self, name: &str) -> &[String] {
        self.names
            .get_or_init(|| self.library_names(MAX_ENTRIES))
            .get(name)
            .map_or(&[], Vec::as_slice)
    }

    /// Returns the paths of all programs that a loader starts, sorted, without a slash in front.
    /// Links to them are left out, and files for debuggers.
    pub fn programs(&self) -> Vec<String> {
        let mut programs = Vec::new();
        // On most systems, /bin is a link to one of the others.
        let trees: Vec<_> = (PROGRAM_TREES.into_iter())
            .filter(|path| self.kind(path) == Kind::Directory)
            .collect();
        self.walk(&trees, MAX_ENTRIES, &mut |path, entry| {
            let executable = (entry.metadata())
                .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0);
            if executable
                && !path.starts_with(DEBUG_FILES)
                && let Loadable::Object(object) = self.object(path)
                && object.interpreter.is_some()
            {
                programs.push(path.to_owned());
            }
        });
        programs.sort();
        programs
    }

    /// Looks at `most` entries of the trees.
    fn library_names(&self, most: usize) -> BTreeMap<String, Vec<String>> {
        let mut names = BTreeMap::<String, Vec<String>>::new();
        self.walk(&LIBRARY_TREES, most, &mut |path, entry| {
            if let Ok(name) = entry.file_name().into_string()
                && name.contains(".so")
            {
                names.entry(name).or_default().push(format!("/{path}"));
            }
        });
        names.values_mut().for_each(|paths| paths.sort());
        names
    }

    /// Calls `visit` for what is in these directories and is no directory itself.
    fn walk(&self, directories: &[&str], most: usize, visit: &mut dyn FnMut(&str, &DirEntry)) {
        let mut left = most;
        let mut waiting: Vec<_> = directories.iter().map(PathBuf::from).collect();
        while let Some(directory) = waiting.pop() {
            let Ok(entries) = fs::read_dir(self.directory.join(&directory)) else {
                continue;
            };
            for entry in entries.flatten().take(left) {
                left -= 1;
                let Ok(kind) = entry.file_type() else {
                    continue;
                };
                let path = directory.join(entry.file_name());
                if kind.is_dir() {
                    waiting.push(path);
                } else if let Some(path) = path.to_str() {
                    visit(path, &entry);
                }
            }
        }
    }
}

/// Takes a lock. What is behind it is whole after each statement, so a panic elsewhere harms none.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where a system keeps its `/etc`: an image of an OSTree system has it below `/usr` until it is
/// installed.
const ETC: [&str; 2] = ["etc", "usr/etc"];

fn cache(root: &Path) -> Result<Option<Cache>, Error> {
    for etc in ETC {
        if let Some(bytes) = read(&root.join(etc).join("ld.so.cache"), MAX_CACHE)? {
            return Cache::parse(&bytes).map(Some);
        }
    }
    Ok(None)
}

fn configured(root: &Path) -> Result<Vec<String>, Error> {
    let mut directories = Vec::new();
    for etc in ETC {
        let mut seen = BTreeSet::new();
        include(
            root,
            etc,
            Path::new("ld.so.conf"),
            0,
            &mut seen,
            &mut directories,
        )?;
    }
    Ok(directories)
}

/// Reads a file that may be missing.
fn read(path: &Path, limit: u64) -> Result<Option<Vec<u8>>, Error> {
    // A system may have a link there.
    Ok(files::if_there(files::read(path, limit, Links::Follow))?)
}

/// Collects the directories of a configuration file, whose path is relative to `etc` or begins with
/// `/etc`.
fn include(
    root: &Path,
    etc: &str,
    path: &Path,
    depth: usize,
    seen: &mut BTreeSet<PathBuf>,
    directories: &mut Vec<String>,
) -> Result<(), Error> {
    let path = path.strip_prefix("/etc").unwrap_or(path);
    if depth > MAX_INCLUDES || path.is_absolute() || !seen.insert(path.to_owned()) {
        return Ok(());
    }
    let Some(bytes) = read(&root.join(etc).join(path), MAX_CONFIGURATION)? else {
        return Ok(());
    };
    for line in configuration(&String::from_utf8_lossy(&bytes)) {
        match line {
            Line::Directory(directory) => {
                let directory = directory.trim_end_matches('/').to_owned();
                if !directory.is_empty() && !directories.contains(&directory) {
                    if directories.len() == MAX_DIRECTORIES {
                        return Err(Error::Directories(MAX_DIRECTORIES));
                    }
                    directories.push(directory);
                }
            }
            Line::Include(pattern) => {
                for path in matching(root, etc, &pattern) {
                    include(root, etc, &path, depth + 1, seen, directories)?;
                }
            }
        }
    }
    Ok(())
}

/// Returns the files that a pattern means, in order; a `*` may be in its last part.
fn matching(root: &Path, etc: &str, pattern: &str) -> Vec<PathBuf> {
    let pattern = Path::new(pattern);
    let pattern = pattern.strip_prefix("/etc").unwrap_or(pattern);
    let name = pattern.file_name().and_then(|name| name.to_str());
    let Some((start, end)) = name.and_then(|name| name.split_once('*')) else {
        return vec![pattern.to_owned()];
    };
    let parent = pattern.parent().unwrap_or(Path::new(""));
    let Ok(entries) = fs::read_dir(root.join(etc).join(parent)) else {
        return Vec::new();
    };
    let mut paths: Vec<_> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| {
            name.len() >= start.len() + end.len() && name.starts_with(start) && name.ends_with(end)
        })
        .map(|name| parent.join(name))
        .collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root directory that goes with the value.
    struct Scratch(PathBuf);

    impl Scratch {
        fn new(name: &str) -> Self {
            let name = format!("linkage-{name}-{}", std::process::id());
            let path = std::env::temp_dir().join(name);
            fs::create_dir_all(path.join("etc")).unwrap();
            Self(path)
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            files::replace(path, text.as_bytes(), 0o644).unwrap();
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_of_the_loader_have_limits() {
        let scratch = Scratch::new("files");
        let lines = |count: usize| {
            (0..count)
                .map(|line| format!("/d{line}\n"))
                .collect::<String>()
        };
        let comment = |length: usize| "#".repeat(length);
        let none = "not a cache of ldconfig: it does not start with the name of one";
        for (file, text, expected) in [
            ("ld.so.cache", comment(4_194_304), none),
            (
                "ld.so.cache",
                comment(4_194_305),
                "ld.so.cache has 4194305 bytes; at most 4194304 are allowed",
            ),
            ("ld.so.conf", comment(262_144), ""),
            (
                "ld.so.conf",
                comment(262_145),
                "ld.so.conf has 262145 bytes; at most 262144 are allowed",
            ),
            ("ld.so.conf", lines(1024), ""),
            (
                "ld.so.conf",
                lines(1025),
                "ld.so.conf names more than 1024 directories",
            ),
        ] {
            scratch.write(&format!("etc/{file}"), &text);
            let said = Root::open(&scratch.0).err().map(|error| error.to_string());
            let said = said.unwrap_or_default();
            let said = said.replace(&format!("{}/etc/", scratch.0.display()), "");
            assert_eq!(said, expected);
            fs::remove_file(scratch.0.join("etc").join(file)).unwrap();
        }
    }

    #[test]
    fn files_are_included_so_deep() {
        let scratch = Scratch::new("includes");
        scratch.write("etc/ld.so.conf", "include 1");
        for depth in 1..=9 {
            let text = format!("/d{depth}\ninclude {}", depth + 1);
            scratch.write(&format!("etc/{depth}"), &text);
        }
        let root = Root::open(&scratch.0).unwrap();
        let found = [7, 8, 9].map(|depth| root.configures(&format!("/d{depth}")));
        assert_eq!(found, [true, true, false]);
    }

    #[test]
    fn so_many_entries_are_looked_at() {
        let scratch = Scratch::new("entries");
        for path in ["usr/lib/liba.so", "usr/lib/libb.so", "opt/c/libc.so"] {
            scratch.write(path, "");
        }
        let root = Root::open(&scratch.0).unwrap();
        // Four entries: a directory and three libraries.
        for (most, expected) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 3), (5, 3)] {
            assert_eq!(root.library_names(most).len(), expected, "{most}");
        }
    }
}
