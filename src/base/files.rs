//! What a base has at a path: from its root directory, else from its packages' file lists.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use files::{Links, PathBytes, directory_of};
use rpm_input::{FileKind, Package};

use crate::base::Base;
use crate::words::digest::sha256;
use crate::words::failure::{Failure, Result};

/// Directories that are links to below `/usr` on every system that a system extension fits;
/// packages may list files by either path.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// The files of a base.
pub struct BaseFiles<'a> {
    root: Option<&'a Path>,
    /// Whether what is at a path of the root is a directory and no link on the way to it is one.
    directories: Mutex<BTreeMap<Vec<u8>, bool>>,
    /// What packages own, by path without the leading slash.
    owned: BTreeMap<Vec<u8>, (&'a Package, &'a rpm_input::File)>,
    /// Directories that are there because something is in them.
    above: BTreeSet<Vec<u8>>,
}

/// What is at a path; links are not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseEntry {
    /// Nothing.
    Missing,
    /// A directory, with its mode where it is known.
    Directory(Option<u16>),
    /// A symbolic link and its target.
    Link(PathBytes),
    /// A regular file of this many bytes.
    File(u64),
    /// A device, pipe or socket.
    Special,
}

impl<'a> BaseFiles<'a> {
    /// Returns the files of a base; `None` where they are not known.
    pub fn of(base: &'a Base) -> Option<Self> {
        let root = base.files_root();
        let packages = base.packages.as_deref().unwrap_or_default();
        if root.is_none() && packages.iter().all(|package| package.files.is_empty()) {
            return None;
        }
        let mut owned = BTreeMap::new();
        let mut above = BTreeSet::new();
        for package in packages {
            for file in package.files.iter().filter(|file| !file.flags.is_ghost()) {
                let path = below_usr(file.path.relative());
                let mut parent = &path[..];
                while let Some(directory) = directory_of(parent) {
                    if !above.insert(directory.to_vec()) {
                        break;
                    }
                    parent = directory;
                }
                owned.insert(path, (package, file));
            }
        }
        Some(Self {
            root,
            directories: Mutex::default(),
            owned,
            above,
        })
    }

    /// Returns what is at a path without a leading slash. Nothing is below a link, so that no path
    /// ever leads out of the root.
    pub fn entry(&self, path: impl AsRef<[u8]>) -> BaseEntry {
        let path = path.as_ref();
        let Some(root) = self.root else {
            return self.listed(path);
        };
        match directory_of(path) {
            Some(above) if !self.is_directory(root, above) => BaseEntry::Missing,
            _ => on_disk(&below(root, path)),
        }
    }

    /// Says whether a path is a directory, and all above it are.
    fn is_directory(&self, root: &Path, path: &[u8]) -> bool {
        let locked = || {
            self.directories
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(known) = locked().get(path) {
            return *known;
        }
        let above = directory_of(path).is_none_or(|above| self.is_directory(root, above));
        let found = above && matches!(on_disk(&below(root, path)), BaseEntry::Directory(_));
        locked().insert(path.to_vec(), found);
        found
    }

    /// Returns the mode of a directory, where it is known.
    pub fn directory_mode(&self, path: impl AsRef<[u8]>) -> Option<u16> {
        match self.entry(path) {
            BaseEntry::Directory(mode) => mode,
            _ => None,
        }
    }

    fn listed(&self, path: &[u8]) -> BaseEntry {
        let Some((_, file)) = self.owned.get(path) else {
            return if self.above.contains(path) {
                BaseEntry::Directory(None)
            } else {
                BaseEntry::Missing
            };
        };
        match &file.kind {
            FileKind::Regular => BaseEntry::File(file.size),
            FileKind::Directory => BaseEntry::Directory(Some(file.mode)),
            FileKind::Symlink(target) => BaseEntry::Link(target.clone()),
            _ => BaseEntry::Special,
        }
    }

    /// Returns the package that owns a path, as far as it is known.
    pub fn owner(&self, path: &PathBytes) -> Option<&'a Package> {
        self.owned.get(path.bytes()).map(|(package, _)| *package)
    }

    /// Says whether a file of the base has this content, named as in `sha256:9f86…`; `None` where
    /// that can't be known.
    pub fn has_content(&self, path: &PathBytes, id: &str) -> Result<Option<bool>> {
        let Some((algorithm, wanted)) = id.split_once(':') else {
            return Ok(None);
        };
        if let Some(root) = self.root
            && algorithm == "sha256"
        {
            let file = root.join(path.as_path());
            let (_, own) = sha256(&mut files::open(&file, Links::Refuse)?)
                .map_err(|error| Failure::io(format!("reading {}", file.display()), error))?;
            return Ok(Some(hex::encode(own) == wanted));
        }
        let own = self
            .owned
            .get(path.bytes())
            .and_then(|(_, file)| file.digest.as_ref());
        // A digest that can be forged has more behind it than its digits.
        let wanted = wanted.split('@').next().unwrap_or_default();
        Ok(own
            .filter(|own| own.tag() == algorithm)
            .map(|own| own.hex() == wanted))
    }
}

fn on_disk(path: &Path) -> BaseEntry {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return BaseEntry::Missing;
    };
    let kind = metadata.file_type();
    if kind.is_dir() {
        BaseEntry::Directory(u16::try_from(metadata.mode() & 0o7777).ok())
    } else if kind.is_symlink() {
        let target = fs::read_link(path).unwrap_or_default();
        BaseEntry::Link(target.into_os_string().into_encoded_bytes().into())
    } else if kind.is_file() {
        BaseEntry::File(metadata.len())
    } else {
        BaseEntry::Special
    }
}

/// Returns the path of a file below a root.
fn below(root: &Path, path: &[u8]) -> PathBuf {
    root.join(OsStr::from_bytes(path))
}

/// Returns the path that a file has where `/bin` and the like are links to below `/usr`.
fn below_usr(path: Vec<u8>) -> Vec<u8> {
    let slash = path.iter().position(|byte| *byte == b'/');
    let first = slash.and_then(|slash| path.get(..slash));
    match first {
        Some(first) if MERGED.iter().any(|merged| merged.as_bytes() == first) => {
            [b"usr/", &path[..]].concat()
        }
        _ => path,
    }
}
