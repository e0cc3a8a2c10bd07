//! What a base has at a path: from its root directory, else from its packages' file lists.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use files::{Links, PathBytes, directory_of};
use image::{Step, follow, is_below};
use rpm_input::{File, FileKind, Package};

use crate::base::{Access, Base, Owners};
use crate::words::digest::sha256;
use crate::words::failure::{Failure, Result};

/// Directories that are links to below `/usr` on every system that a system extension fits;
/// packages may list files by either path.
const MERGED: [&str; 4] = ["bin", "sbin", "lib", "lib64"];

/// What of an image systemd merges, over the base's directories of these names.
pub const HIERARCHIES: [&str; 2] = ["usr", "opt"];

/// The files of a base.
pub struct BaseFiles<'a> {
    root: Option<&'a Path>,
    /// Whether what is at a path of the root is a directory and no link on the way to it is one.
    directories: Mutex<BTreeMap<Vec<u8>, bool>>,
    /// What packages own, by path without the leading slash: the package, and the index of the
    /// file in it.
    owned: BTreeMap<Vec<u8>, (&'a Package, usize)>,
    /// Directories that are there because something is in them.
    above: BTreeSet<Vec<u8>>,
    /// Who has which number.
    owners: &'a Owners,
    /// Whether the owners of the files of the root are the base's: whoever unpacks it without
    /// rights gets all of it.
    is_root_owned: bool,
    /// Hierarchies that lie behind a link: the name, and the path of what systemd merges over.
    moved: Vec<(&'static str, PathBytes)>,
}

/// What is at a path; links are not followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseEntry {
    /// Nothing.
    Missing,
    /// A directory, with its mode and owner where they are known.
    Directory(Option<Access>),
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
            for (index, file) in package.files.iter().enumerate() {
                if file.flags.is_ghost() {
                    continue;
                }
                let path = below_usr(file.path.relative());
                let mut parent = &path[..];
                while let Some(directory) = directory_of(parent) {
                    if !above.insert(directory.to_vec()) {
                        break;
                    }
                    parent = directory;
                }
                owned.insert(path, (package, index));
            }
        }
        let mut files = Self {
            root,
            directories: Mutex::default(),
            owned,
            above,
            owners: &base.owners,
            is_root_owned: root.is_some_and(|root| {
                fs::symlink_metadata(root.join("usr")).is_ok_and(|meta| meta.uid() == 0)
            }),
            moved: Vec::new(),
        };
        files.moved = (HIERARCHIES.into_iter())
            .filter_map(|hierarchy| Some((hierarchy, files.moved(hierarchy)?)))
            .collect();
        Some(files)
    }

    /// Returns where a hierarchy is, if a link of the base leads there.
    fn moved(&self, hierarchy: &str) -> Option<PathBytes> {
        let mut look = |path: &PathBytes| match self.entry(path) {
            BaseEntry::Link(target) => Step::Link(target),
            // What is made only when a system starts is not there yet.
            BaseEntry::Missing | BaseEntry::Directory(_) => Step::Directory,
            BaseEntry::File(_) | BaseEntry::Special => Step::Leaf,
        };
        let found = follow(hierarchy, &mut look)?;
        (found != hierarchy).then_some(found)
    }

    /// Returns the names of the directories in a directory.
    pub fn directories_in(&self, path: &str) -> BTreeSet<String> {
        let listed = self.above.iter().filter_map(|one| {
            let name = one.strip_prefix(path.as_bytes())?.strip_prefix(b"/")?;
            let name = str::from_utf8(name).ok()?;
            (!name.contains('/')).then(|| name.to_owned())
        });
        let Some(root) = self.root else {
            return listed.collect();
        };
        let entries = fs::read_dir(root.join(path))
            .into_iter()
            .flatten()
            .flatten();
        entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect()
    }

    /// Returns the names of what is in a directory of the root, none where that is not at hand.
    pub fn names_in(&self, path: &str) -> BTreeSet<String> {
        let Some(root) = self.root else {
            return BTreeSet::new();
        };
        let BaseEntry::Directory(_) = self.entry(path) else {
            return BTreeSet::new();
        };
        let entries = fs::read_dir(root.join(path)).into_iter().flatten();
        let names = entries.flatten().map(|entry| entry.file_name());
        names.filter_map(|name| name.into_string().ok()).collect()
    }

    /// Returns the names of what is in a directory, of the root or else as packages list it.
    pub fn known_in(&self, path: &str) -> BTreeSet<String> {
        if self.root.is_some() {
            return self.names_in(path);
        }
        let above = format!("{path}/").into_bytes();
        let below = self.owned.range(above.clone()..);
        let rest = below.map_while(|(path, _)| path.strip_prefix(&above[..]));
        let names = rest.filter_map(|rest| rest.split(|byte| *byte == b'/').next());
        names
            .filter_map(|name| String::from_utf8(name.to_vec()).ok())
            .collect()
    }

    /// Says whether packages list a file of such a name in a directory, or below it.
    pub fn lists(&self, directory: &str, is_wanted: &dyn Fn(&str) -> bool) -> bool {
        let above = format!("{directory}/").into_bytes();
        let below = self.owned.range(above.clone()..);
        let mut names = below.map_while(|(path, _)| path.strip_prefix(&above[..]));
        names.any(|name| str::from_utf8(name).is_ok_and(is_wanted))
    }

    /// Reads a text of the root, through links that stay in it; `None` where there is none.
    pub fn text(&self, path: &str, limit: u64) -> Result<Option<String>> {
        let bytes = self.bytes(path, limit)?;
        Ok(bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()))
    }

    /// Reads a file of the root, through links that stay in it; `None` where there is none.
    pub fn bytes(&self, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        let Some((root, path)) = self.root.zip(self.resolved(path)) else {
            return Ok(None);
        };
        if !matches!(self.entry(&path), BaseEntry::File(_)) {
            return Ok(None);
        }
        let file = below(root, path.bytes());
        Ok(Some(files::read(&file, limit, Links::Refuse)?))
    }

    /// Follows the links of a path.
    fn resolved(&self, path: &str) -> Option<PathBytes> {
        let mut look = |path: &PathBytes| match self.entry(path) {
            BaseEntry::Directory(_) => Step::Directory,
            BaseEntry::Link(target) => Step::Link(target),
            BaseEntry::File(_) => Step::Leaf,
            BaseEntry::Missing | BaseEntry::Special => Step::Nothing,
        };
        follow(path, &mut look)
    }

    /// Calls `see` with the name of each file of the root in a directory, and as many levels below it,
    /// through links.
    pub fn files_below(&self, directory: &str, levels: usize, see: &mut dyn FnMut(&str)) {
        self.files_at(directory, "", levels, see);
    }

    fn files_at(&self, directory: &str, below: &str, levels: usize, see: &mut dyn FnMut(&str)) {
        let Some(place) = self.resolved(directory) else {
            return;
        };
        for name in self.names_in(&place.text()) {
            let path = format!("{directory}/{name}");
            let found = self.resolved(&path).map(|place| self.entry(place));
            match found {
                Some(BaseEntry::File(_)) => see(&format!("{below}{name}")),
                Some(BaseEntry::Directory(_)) if levels > 0 => {
                    self.files_at(&path, &format!("{below}{name}/"), levels - 1, see);
                }
                _ => {}
            }
        }
    }

    /// Says whether all of its files are at hand, and not just those that packages list.
    pub fn has_root(&self) -> bool {
        self.root.is_some()
    }

    /// Returns where systemd merges a hierarchy, where the base has a link in its place: not over
    /// the link, but over what it leads to.
    pub fn behind_link(&self, hierarchy: impl AsRef<[u8]>) -> Option<&PathBytes> {
        let mut moved = self.moved.iter();
        let (_, to) = moved.find(|(name, _)| name.as_bytes() == hierarchy.as_ref())?;
        Some(to)
    }

    /// Returns the path in an image of what is at a path of the merged system.
    pub fn in_image<'p>(&self, path: &'p PathBytes) -> Cow<'p, [u8]> {
        let path = path.bytes();
        for (hierarchy, to) in &self.moved {
            if is_below(path, to) {
                return Cow::Owned([hierarchy.as_bytes(), &path[to.len()..]].concat());
            }
        }
        Cow::Borrowed(path)
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
            _ => self.on_disk(&below(root, path)),
        }
    }

    /// Returns the path on the base of what an image is merged over where it has this path.
    fn merged<'p>(&self, path: &'p [u8]) -> Cow<'p, [u8]> {
        let mut moved = self.moved.iter();
        match moved.find(|(hierarchy, _)| is_below(path, hierarchy)) {
            Some((hierarchy, to)) => Cow::Owned([to.bytes(), &path[hierarchy.len()..]].concat()),
            None => Cow::Borrowed(path),
        }
    }

    /// Returns what an image is merged over where it has this path. Of a hierarchy behind a link,
    /// that is what the link leads to.
    pub fn below(&self, path: &[u8]) -> BaseEntry {
        match self.entry(self.merged(path)) {
            BaseEntry::Missing if self.behind_link(path).is_some() => BaseEntry::Directory(None),
            entry => entry,
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
        let found = above && matches!(self.on_disk(&below(root, path)), BaseEntry::Directory(_));
        locked().insert(path.to_vec(), found);
        found
    }

    /// Returns the mode and owner of a directory, where they are known. An owner who has not the same
    /// number on every system is left out.
    pub fn directory_access(&self, path: &PathBytes) -> Option<Access> {
        let BaseEntry::Directory(access) = self.below(path.bytes()) else {
            return None;
        };
        let access = access?;
        if self.owners.are_fixed(access.uid, access.gid) {
            return Some(access);
        }
        Some(Access {
            uid: 0,
            gid: 0,
            ..access
        })
    }

    fn listed(&self, path: &[u8]) -> BaseEntry {
        let Some(file) = self.owned_file(path) else {
            return if self.above.contains(path) {
                BaseEntry::Directory(None)
            } else {
                BaseEntry::Missing
            };
        };
        match &file.kind {
            FileKind::Regular => BaseEntry::File(file.size),
            FileKind::Directory => BaseEntry::Directory(Some(Access {
                mode: file.mode,
                uid: self.owners.user(&file.owner).unwrap_or(Access::SOMEBODY),
                gid: self.owners.group(&file.group).unwrap_or(Access::SOMEBODY),
            })),
            FileKind::Symlink(target) => BaseEntry::Link(target.clone()),
            _ => BaseEntry::Special,
        }
    }

    fn on_disk(&self, path: &Path) -> BaseEntry {
        let Ok(metadata) = fs::symlink_metadata(path) else {
            return BaseEntry::Missing;
        };
        let kind = metadata.file_type();
        if kind.is_dir() {
            let owner = |number| if self.is_root_owned { number } else { 0 };
            let mode = u16::try_from(metadata.mode() & 0o7777);
            BaseEntry::Directory(mode.ok().map(|mode| Access {
                mode,
                uid: owner(metadata.uid()),
                gid: owner(metadata.gid()),
            }))
        } else if kind.is_symlink() {
            let target = fs::read_link(path).unwrap_or_default();
            BaseEntry::Link(target.into_os_string().into_encoded_bytes().into())
        } else if kind.is_file() {
            BaseEntry::File(metadata.len())
        } else {
            BaseEntry::Special
        }
    }

    fn owned_file(&self, path: &[u8]) -> Option<File> {
        let (package, index) = self.owned.get(path)?;
        package.files.get(*index)
    }

    /// Returns the package that owns what an image is merged over at a path, as far as it is known.
    pub fn owner(&self, path: &PathBytes) -> Option<&'a Package> {
        let owned = self.owned.get(&*self.merged(path.bytes()));
        owned.map(|(package, _)| *package)
    }

    /// Says whether the file that an image is merged over at a path has this content, named as in
    /// `sha256:9f86…`; `None` where that can't be known.
    pub fn has_content(&self, path: &PathBytes, id: &str) -> Result<Option<bool>> {
        let Some((algorithm, wanted)) = id.split_once(':') else {
            return Ok(None);
        };
        let path = &*self.merged(path.bytes());
        if let Some(root) = self.root
            && algorithm == "sha256"
        {
            let file = below(root, path);
            let (_, own) = sha256(&mut files::open(&file, Links::Refuse)?)
                .map_err(|error| Failure::io(format!("reading {}", file.display()), error))?;
            return Ok(Some(hex::encode(own) == wanted));
        }
        let own = self.owned_file(path).and_then(|file| file.digest);
        // A digest that can be forged has more behind it than its digits.
        let wanted = wanted.split('@').next().unwrap_or_default();
        Ok(own
            .filter(|own| own.tag() == algorithm)
            .map(|own| own.hex() == wanted))
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
