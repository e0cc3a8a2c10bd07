//! What a base has at a path: from its root directory, else from its packages' file lists.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use files::Links;
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
    directories: Mutex<BTreeMap<String, bool>>,
    /// What packages own, by path without the leading slash.
    owned: BTreeMap<String, (&'a Package, &'a rpm_input::File)>,
    /// Directories that are there because something is in them.
    above: BTreeSet<String>,
}

/// What is at a path; links are not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseEntry {
    /// Nothing.
    Missing,
    /// A directory, with its mode where it is known.
    Directory(Option<u16>),
    /// A symbolic link and its target.
    Link(String),
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
                let path = below_usr(file.path.text().trim_start_matches('/'));
                let mut parent = path.as_str();
                while let Some((directory, _)) = parent.rsplit_once('/') {
                    if !above.insert(directory.to_owned()) {
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
    pub fn entry(&self, path: &str) -> BaseEntry {
        let Some(root) = self.root else {
            return self.listed(path);
        };
        match path.rsplit_once('/') {
            Some((above, _)) if !self.is_directory(root, above) => BaseEntry::Missing,
            _ => on_disk(&root.join(path)),
        }
    }

    /// Says whether a path is a directory, and all above it are.
    fn is_directory(&self, root: &Path, path: &str) -> bool {
        let locked = || {
            self.directories
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        if let Some(known) = locked().get(path) {
            return *known;
        }
        let above = match path.rsplit_once('/') {
            Some((above, _)) => self.is_directory(root, above),
            None => true,
        };
        let found = above && matches!(on_disk(&root.join(path)), BaseEntry::Directory(_));
        locked().insert(path.to_owned(), found);
        found
    }

    /// Returns the mode of a directory, where it is known.
    pub fn directory_mode(&self, path: &str) -> Option<u16> {
        match self.entry(path) {
            BaseEntry::Directory(mode) => mode,
            _ => None,
        }
    }

    fn listed(&self, path: &str) -> BaseEntry {
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
            FileKind::Symlink(target) => BaseEntry::Link(target.text()),
            _ => BaseEntry::Special,
        }
    }

    /// Returns the package that owns a path, as far as it is known.
    pub fn owner(&self, path: &str) -> Option<&'a Package> {
        self.owned.get(path).map(|(package, _)| *package)
    }

    /// Says whether a file of the base has this content, named as in `sha256:9f86…`; `None` where
    /// that can't be known.
    pub fn has_content(&self, path: &str, id: &str) -> Result<Option<bool>> {
        let Some((algorithm, wanted)) = id.split_once(':') else {
            return Ok(None);
        };
        if let Some(root) = self.root
            && algorithm == "sha256"
        {
            let file = root.join(path);
            let (_, own) = sha256(&mut files::open(&file, Links::Refuse)?)
                .map_err(|error| Failure::io(format!("reading {}", file.display()), error))?;
            return Ok(Some(hex::encode(own) == wanted));
        }
        let own = self
            .owned
            .get(path)
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
        BaseEntry::Link(target.to_string_lossy().into_owned())
    } else if kind.is_file() {
        BaseEntry::File(metadata.len())
    } else {
        BaseEntry::Special
    }
}

/// Returns the path that a file has where `/bin` and the like are links to below `/usr`.
fn below_usr(path: &str) -> String {
    let first = path.split('/').next().unwrap_or_default();
    if MERGED.contains(&first) && first.len() < path.len() {
        format!("usr/{path}")
    } else {
        path.to_owned()
    }
}
