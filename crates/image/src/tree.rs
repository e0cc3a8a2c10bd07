//! The tree: directories own their entries, leaves live in a table beside them.
//!
//! A leaf is a file, a symbolic link or a special file. Two names of one leaf are hard links of
//! each other; a directory has exactly one name. Paths are relative and normal (`usr/bin/strace`),
//! so that no path of a tree can ever mean something outside of it: there is no `..`, and nothing
//! can be put below a leaf. What its names are made of is nobody's affair: any bytes, as for Linux.
//!
//! A tree may have hundreds of thousands of files, so what each takes is counted: a directory has
//! the names of its entries in one piece, and a leaf takes no memory of its own.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;

use files::PathBytes;

use crate::content::ContentId;

/// Longest name of one directory entry, in bytes; SquashFS itself stops at 256, Linux at 255.
const MAX_NAME: usize = 255;
/// Longest path, in bytes: Linux's `PATH_MAX` less its final NUL.
const MAX_PATH: usize = 4095;
/// Deepest nesting of directories. Readers and writers may recurse that deep.
const MAX_DEPTH: usize = 128;
/// Most symbolic links on the way to one path, as in Linux.
const MAX_LINKS: usize = 40;

/// What every inode has: permissions, owner, time and extended attributes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Permission bits with set-user-id, set-group-id and sticky: `mode & 0o7777`.
    pub mode: u16,
    /// Numeric owner.
    pub uid: u32,
    /// Numeric group.
    pub gid: u32,
    /// Modification time, in seconds since 1970 (SquashFS stores 32 bits, unsigned).
    pub mtime: u32,
    /// Extended attributes.
    pub xattrs: Attributes,
}

impl Stat {
    /// Returns the attributes of a directory that nobody described: 0755, root, `mtime`.
    ///
    /// In a merged `/usr` an image's directory mode wins over the host's, so this is the mode that
    /// does no harm.
    pub fn implicit_directory(mtime: u32) -> Self {
        Self {
            mode: 0o755,
            mtime,
            ..Self::default()
        }
    }
}

/// Extended attributes by full name, such as `security.capability`. Most files have none, and where
/// all have a label, most have the same ones: those are there once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes(Option<Arc<BTreeMap<String, Vec<u8>>>>);

impl Attributes {
    /// Gives an attribute its value.
    pub fn insert(&mut self, name: String, value: Vec<u8>) {
        Arc::make_mut(self.0.get_or_insert_default()).insert(name, value);
    }
}

impl Deref for Attributes {
    type Target = BTreeMap<String, Vec<u8>>;

    fn deref(&self) -> &Self::Target {
        static NONE: BTreeMap<String, Vec<u8>> = BTreeMap::new();
        self.0.as_deref().unwrap_or(&NONE)
    }
}

impl From<BTreeMap<String, Vec<u8>>> for Attributes {
    fn from(attributes: BTreeMap<String, Vec<u8>>) -> Self {
        Self((!attributes.is_empty()).then(|| Arc::new(attributes)))
    }
}

/// Special files. They are read from foreign images; the writer refuses them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// A block device with its device number, as Linux encodes it in 32 bits.
    Block(u32),
    /// A character device with its device number. 0 is an overlayfs whiteout.
    Character(u32),
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
}

/// What a leaf holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A regular file of `size` bytes.
    File {
        /// Length in bytes.
        size: u64,
        /// Which bytes.
        id: ContentId,
    },
    /// A symbolic link with its target as written.
    Symlink(PathBytes),
    /// A device, pipe or socket.
    Special(Special),
}

/// A file, link or special file, apart from its names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Owner, mode, time, attributes.
    pub stat: Stat,
    /// What it holds.
    pub content: Content,
}

/// Index of a [`Leaf`] in its [`Tree`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LeafId(u32);

/// What has one name in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry<'a> {
    /// A directory below this one.
    Directory(&'a Directory),
    /// A leaf.
    Leaf(LeafId),
}

/// A directory and all below it.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// Owner, mode, time, attributes.
    pub stat: Stat,
    /// The names of the entries, one after the other, in the order in which they came.
    names: Vec<u8>,
    /// The entries in byte order of their names. They come in that order nearly always, so that
    /// they are added at the end.
    entries: Vec<Named>,
    /// The directories in this one, in the order in which they came.
    below: Vec<Directory>,
}

/// A name, where it is, and what it is of.
#[derive(Clone, Copy, Debug)]
struct Named {
    start: u32,
    length: u8,
    is_directory: bool,
    /// Number of the leaf, or of the directory among those in this one.
    number: u32,
}

/// What is found or put under a name.
enum Slot<'a> {
    Directory(&'a mut Directory),
    Leaf,
    /// The leaf that was to be put there.
    New,
}

impl Directory {
    /// Gives it and those below these attributes, in the order of a walk.
    fn set_attributes(&mut self, attributes: &mut dyn Iterator<Item = Option<Attributes>>) {
        if let Some(attributes) = attributes.next().flatten() {
            self.stat.xattrs = attributes;
        }
        let directories = self.entries.iter().filter(|entry| entry.is_directory);
        for entry in directories {
            if let Some(below) = self.below.get_mut(entry.number as usize) {
                below.set_attributes(attributes);
            }
        }
    }

    /// Returns an empty directory.
    fn new(stat: Stat) -> Self {
        Self {
            stat,
            ..Self::default()
        }
    }

    /// Returns the entries in byte order of their names.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&[u8], Entry<'_>)> {
        (self.entries.iter()).map(|named| (self.name(named), self.found(named)))
    }

    fn name(&self, named: &Named) -> &[u8] {
        let start = named.start as usize;
        let name = self.names.get(start..start + usize::from(named.length));
        name.unwrap_or_default()
    }

    fn found(&self, named: &Named) -> Entry<'_> {
        match named.is_directory {
            true => Entry::Directory(&self.below[named.number as usize]),
            false => Entry::Leaf(LeafId(named.number)),
        }
    }

    /// Returns where a name is, or where it would go.
    fn position(&self, name: &[u8]) -> Result<usize, usize> {
        let last = self.entries.last().map(|named| self.name(named));
        if last.is_none_or(|last| last < name) {
            return Err(self.entries.len());
        }
        (self.entries).binary_search_by(|named| self.name(named).cmp(name))
    }

    fn get(&self, name: &[u8]) -> Option<Entry<'_>> {
        let position = self.position(name).ok()?;
        self.entries.get(position).map(|named| self.found(named))
    }

    /// Returns what has a name. Where nothing has it, it becomes that of a leaf, or without one
    /// that of a new directory with these attributes.
    fn put(&mut self, name: &[u8], leaf: Option<LeafId>, stat: &Stat) -> Result<Slot<'_>, TooMany> {
        let position = self.position(name);
        let named = match position {
            Ok(position) => self.entries[position],
            Err(position) => {
                let below = u32::try_from(self.below.len()).map_err(|_| TooMany)?;
                let named = Named {
                    start: u32::try_from(self.names.len()).map_err(|_| TooMany)?,
                    length: u8::try_from(name.len()).map_err(|_| TooMany)?,
                    is_directory: leaf.is_none(),
                    number: leaf.map_or(below, |leaf| leaf.0),
                };
                if leaf.is_none() {
                    self.below.push(Self::new(stat.clone()));
                }
                self.names.extend_from_slice(name);
                self.entries.insert(position, named);
                named
            }
        };
        Ok(match named.is_directory {
            true => Slot::Directory(&mut self.below[named.number as usize]),
            false if position.is_err() => Slot::New,
            false => Slot::Leaf,
        })
    }
}

impl PartialEq for Directory {
    fn eq(&self, other: &Self) -> bool {
        self.stat == other.stat && self.entries().eq(other.entries())
    }
}

impl Eq for Directory {}

/// A directory has more names than can be counted in 32 bits, or one that is too long.
struct TooMany;

/// Why a path could not be put into a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The path is not relative and normal, or is too long.
    #[error("path {:?} {problem}", path.brief())]
    Path {
        /// The path as given.
        path: PathBytes,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A part of the path is a file or a link, so nothing can be below it.
    #[error("{path:?} is below {ancestor:?}, which is not a directory")]
    BelowLeaf {
        /// The path that was to be added.
        path: PathBytes,
        /// The leaf above it.
        ancestor: PathBytes,
    },
    /// The path is taken.
    #[error("{0:?} already exists")]
    Taken(PathBytes),
    /// There are more files, or names in one directory, than a tree has.
    #[error("the tree is too large to add {0:?}")]
    TooMany(PathBytes),
}

/// One step of [`Tree::walk`].
#[derive(Clone, Copy, Debug)]
pub enum Visit<'a> {
    /// A directory, before what is in it.
    Directory(&'a Directory),
    /// A name of a leaf.
    Leaf(LeafId, &'a Leaf),
}

impl Visit<'_> {
    /// Returns the inode's attributes.
    pub fn stat(&self) -> &Stat {
        match self {
            Self::Directory(directory) => &directory.stat,
            Self::Leaf(_, leaf) => &leaf.stat,
        }
    }
}

/// The value of an attribute, where there is one.
pub type Value<E> = Result<Option<Vec<u8>>, E>;

/// A whole file system tree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    root: Directory,
    leaves: Vec<Leaf>,
}

impl Tree {
    /// Returns an empty tree whose root directory has `stat`.
    pub fn new(stat: Stat) -> Self {
        Self {
            root: Directory::new(stat),
            leaves: Vec::new(),
        }
    }

    /// Returns the root directory.
    pub fn root(&self) -> &Directory {
        &self.root
    }

    /// Returns a leaf by its id.
    pub fn leaf(&self, id: LeafId) -> &Leaf {
        &self.leaves[Self::leaf_index(id)]
    }

    /// Returns how many leaves there are.
    pub fn leaf_count(&self) -> usize {
        self.leaves.len()
    }

    /// Returns the position of a leaf in the table, below [`leaf_count`](Self::leaf_count).
    pub fn leaf_index(id: LeafId) -> usize {
        id.0 as usize
    }

    /// Returns what is at `path`; the empty path is the root.
    pub fn get(&self, path: impl AsRef<[u8]>) -> Option<Visit<'_>> {
        let path = path.as_ref();
        let mut directory = &self.root;
        if path.is_empty() {
            return Some(Visit::Directory(directory));
        }
        let mut parts = path.split(|byte| *byte == b'/').peekable();
        while let Some(name) = parts.next() {
            match directory.get(name)? {
                Entry::Directory(below) => directory = below,
                Entry::Leaf(id) if parts.peek().is_none() => {
                    return Some(Visit::Leaf(id, self.leaf(id)));
                }
                Entry::Leaf(_) => return None,
            }
        }
        Some(Visit::Directory(directory))
    }

    /// Returns what `path` leads to when symbolic links are followed, with the path that it has
    /// then. `None` where the way ends, and where links go in circles. See [`follow`].
    pub fn resolve(&self, path: impl AsRef<[u8]>) -> Option<(PathBytes, Visit<'_>)> {
        let path = follow(path, &mut |path| match self.get(path) {
            None => Step::Nothing,
            Some(Visit::Directory(_)) => Step::Directory,
            Some(Visit::Leaf(_, leaf)) => match &leaf.content {
                Content::Symlink(target) => Step::Link(target.clone()),
                _ => Step::Leaf,
            },
        })?;
        let visit = self.get(&path)?;
        Some((path, visit))
    }

    /// Returns this tree as `/usr` of another one, which has nothing else.
    #[must_use]
    pub fn as_usr(self) -> Self {
        let names = b"usr".to_vec();
        let stat = self.root.stat.clone();
        Self {
            root: Directory {
                stat,
                entries: vec![Named {
                    start: 0,
                    length: 3,
                    is_directory: true,
                    number: 0,
                }],
                names,
                below: vec![self.root],
            },
            leaves: self.leaves,
        }
    }

    /// Adds a directory, or gives the one that is there these attributes. Missing parents get
    /// `implicit`.
    pub fn insert_directory(
        &mut self,
        path: impl AsRef<[u8]>,
        stat: Stat,
        implicit: &Stat,
    ) -> Result<(), TreeError> {
        let path = path.as_ref();
        let (parent, name) = self.parent(path, implicit)?;
        match parent.put(name, None, &stat) {
            Ok(Slot::Directory(directory)) => {
                directory.stat = stat;
                Ok(())
            }
            Ok(Slot::Leaf | Slot::New) => Err(TreeError::Taken(path.into())),
            Err(TooMany) => Err(TreeError::TooMany(path.into())),
        }
    }

    /// Adds a leaf under its first name. Missing parents get `implicit`.
    pub fn insert_leaf(
        &mut self,
        path: impl AsRef<[u8]>,
        leaf: Leaf,
        implicit: &Stat,
    ) -> Result<LeafId, TreeError> {
        let path = path.as_ref();
        let number = u32::try_from(self.leaves.len());
        let id = LeafId(number.map_err(|_| TreeError::TooMany(path.into()))?);
        self.link(path, id, implicit)?;
        self.leaves.push(leaf);
        Ok(id)
    }

    /// Adds a further name of a leaf: a hard link. Missing parents get `implicit`.
    pub fn link(
        &mut self,
        path: impl AsRef<[u8]>,
        id: LeafId,
        implicit: &Stat,
    ) -> Result<(), TreeError> {
        let path = path.as_ref();
        let (parent, name) = self.parent(path, implicit)?;
        match parent.put(name, Some(id), implicit) {
            Ok(Slot::New) => Ok(()),
            Ok(Slot::Leaf | Slot::Directory(_)) => Err(TreeError::Taken(path.into())),
            Err(TooMany) => Err(TreeError::TooMany(path.into())),
        }
    }

    /// Returns a leaf, to change it under all of its names.
    pub fn leaf_mut(&mut self, id: LeafId) -> &mut Leaf {
        &mut self.leaves[Self::leaf_index(id)]
    }

    /// Gives every directory and every leaf an attribute, where `value_of` has a value for it. A leaf is
    /// asked for by the first of its names.
    ///
    /// # Errors
    /// The first one of `value_of`; the tree is as before then.
    pub fn set_attribute<E>(
        &mut self,
        name: &str,
        value_of: &mut dyn FnMut(&PathBytes, Visit<'_>) -> Value<E>,
    ) -> Result<(), E> {
        let mut shared: BTreeMap<Vec<u8>, Attributes> = BTreeMap::new();
        let mut directories = Vec::new();
        let mut leaves: Vec<Option<Option<Attributes>>> = vec![None; self.leaves.len()];
        let mut failed = None;
        self.walk(&mut |path, visit| {
            let place = match visit {
                Visit::Leaf(id, _) => leaves.get_mut(Self::leaf_index(id)),
                Visit::Directory(_) => None,
            };
            if failed.is_some() || place.as_ref().is_some_and(|place| place.is_some()) {
                return;
            }
            let value = value_of(path, visit).unwrap_or_else(|error| {
                failed = Some(error);
                None
            });
            let attributes = value.map(|value| {
                if visit.stat().xattrs.is_empty() {
                    let alike = shared.entry(value).or_insert_with_key(|value| {
                        BTreeMap::from([(name.to_owned(), value.clone())]).into()
                    });
                    return alike.clone();
                }
                let mut attributes = visit.stat().xattrs.clone();
                attributes.insert(name.to_owned(), value);
                attributes
            });
            match place {
                Some(place) => *place = Some(attributes),
                None => directories.push(attributes),
            }
        });
        if let Some(error) = failed {
            return Err(error);
        }
        for (leaf, attributes) in self.leaves.iter_mut().zip(leaves) {
            leaf.stat.xattrs = attributes
                .flatten()
                .unwrap_or_else(|| leaf.stat.xattrs.clone());
        }
        self.root.set_attributes(&mut directories.into_iter());
        Ok(())
    }

    /// Calls `visit` for every name, directories before what is in them, in byte order of names.
    /// The root comes first, with the empty path.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&PathBytes, Visit<'a>)) {
        self.walk_below(&self.root, &mut PathBytes::default(), visit);
    }

    fn walk_below<'a>(
        &'a self,
        directory: &'a Directory,
        path: &mut PathBytes,
        visit: &mut dyn FnMut(&PathBytes, Visit<'a>),
    ) {
        visit(path, Visit::Directory(directory));
        let length = path.len();
        for (name, entry) in directory.entries() {
            path.push(name);
            match entry {
                Entry::Directory(below) => self.walk_below(below, path, visit),
                Entry::Leaf(id) => visit(path, Visit::Leaf(id, self.leaf(id))),
            }
            path.truncate(length);
        }
    }

    /// Replaces the content ids of all files. `rename` gets a content's size in bytes and its id,
    /// and is asked once for each id, in the order of the leaf table; its first error ends the
    /// work and leaves the ids behind it as they are.
    pub fn map_contents<E>(
        &mut self,
        rename: &mut dyn FnMut(u64, &ContentId) -> Result<ContentId, E>,
    ) -> Result<(), E> {
        let mut renamed: BTreeMap<ContentId, ContentId> = BTreeMap::new();
        for leaf in &mut self.leaves {
            let Content::File { size, id } = &mut leaf.content else {
                continue;
            };
            let new = match renamed.get(id) {
                Some(new) => new.clone(),
                None => {
                    let new = rename(*size, id)?;
                    renamed.insert(id.clone(), new.clone());
                    new
                }
            };
            *id = new;
        }
        Ok(())
    }

    /// Finds the directory that `path` goes into, making what is missing above it.
    fn parent<'p>(
        &mut self,
        path: &'p [u8],
        implicit: &Stat,
    ) -> Result<(&mut Directory, &'p [u8]), TreeError> {
        check_path(path).map_err(|problem| TreeError::Path {
            path: path.into(),
            problem,
        })?;
        let mut parts = path.split(|byte| *byte == b'/');
        let name = parts.next_back().unwrap_or_default();
        let mut directory = &mut self.root;
        let mut end = 0;
        for part in parts {
            end += part.len() + usize::from(end > 0);
            match directory.put(part, None, implicit) {
                Ok(Slot::Directory(below)) => directory = below,
                Ok(Slot::Leaf | Slot::New) => {
                    return Err(TreeError::BelowLeaf {
                        path: path.into(),
                        ancestor: path.get(..end).unwrap_or(path).into(),
                    });
                }
                Err(TooMany) => return Err(TreeError::TooMany(path.into())),
            }
        }
        Ok((directory, name))
    }
}

/// What is found on the way along a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: the way ends.
    Nothing,
    /// A directory.
    Directory,
    /// A symbolic link with its target.
    Link(PathBytes),
    /// Anything else: the way ends there.
    Leaf,
}

/// Follows a path through symbolic links, and returns the path of what it leads to.
///
/// Links are resolved as if the tree were the root: an absolute target starts there, and nothing
/// leads out of it. `look` is asked for what is at a path whose directories are no links.
pub fn follow(
    path: impl AsRef<[u8]>,
    look: &mut dyn FnMut(&PathBytes) -> Step,
) -> Option<PathBytes> {
    let parts_of = |path: &[u8]| -> Vec<Vec<u8>> {
        let parts = path.rsplit(|byte| *byte == b'/');
        parts.map(<[u8]>::to_vec).collect()
    };
    // Where each part of the place begins, to go back to.
    let mut place = PathBytes::default();
    let mut ends = Vec::new();
    let mut ahead = parts_of(path.as_ref());
    let mut links = 0;
    while let Some(part) = ahead.pop() {
        match &part[..] {
            b"" | b"." => continue,
            b".." => {
                place.truncate(ends.pop().unwrap_or_default());
                continue;
            }
            part => {
                ends.push(place.len());
                place.push(part);
            }
        }
        match look(&place) {
            Step::Nothing => return None,
            Step::Directory => {}
            Step::Link(target) => {
                links += 1;
                if links > MAX_LINKS {
                    return None;
                }
                place.truncate(ends.pop().unwrap_or_default());
                if target.bytes().starts_with(b"/") {
                    place.truncate(0);
                    ends.clear();
                }
                ahead.extend(parts_of(target.bytes()));
            }
            Step::Leaf if ahead.is_empty() => {}
            Step::Leaf => return None,
        }
    }
    Some(place)
}

/// Says whether an extended attribute, by its full name, is one that overlayfs follows in its
/// layers: by them it hides what is below, or looks elsewhere for it.
#[must_use]
pub fn is_of_overlayfs(name: &str) -> bool {
    ["trusted.overlay.", "user.overlay."]
        .iter()
        .any(|prefix| name.starts_with(prefix))
}

/// Says whether `path` is `directory` or below it.
#[must_use]
pub fn is_below(path: impl AsRef<[u8]>, directory: impl AsRef<[u8]>) -> bool {
    (path.as_ref().strip_prefix(directory.as_ref()))
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(b"/"))
}

/// Says whether `path` can be a path of a tree: relative, normal, not too long or too deep.
/// The error completes the sentence "path … ".
pub fn check_path(path: impl AsRef<[u8]>) -> Result<(), &'static str> {
    let path = path.as_ref();
    if path.is_empty() {
        return Err("is empty");
    }
    if path.len() > MAX_PATH {
        return Err("is longer than 4095 bytes");
    }
    let mut depth = 0;
    for part in path.split(|byte| *byte == b'/') {
        depth += 1;
        match part {
            b"" => return Err("has an empty part, or starts or ends with a slash"),
            b"." | b".." => return Err("has a part that is . or .."),
            _ if part.len() > MAX_NAME => return Err("has a part longer than 255 bytes"),
            _ if part.contains(&0) => return Err("has a NUL"),
            _ => {}
        }
    }
    if depth > MAX_DEPTH {
        Err("is more than 128 directories deep")
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Leaf {
        Leaf {
            stat: Stat {
                mode: 0o644,
                ..Stat::default()
            },
            content: Content::File {
                size: 1,
                id: ContentId::new(text),
            },
        }
    }

    #[test]
    fn an_attribute_of_every_inode() {
        let implicit = Stat::implicit_directory(0);
        let mut tree = Tree::new(implicit.clone());
        let mut capable = file("b");
        (capable.stat.xattrs).insert("security.capability".to_owned(), vec![1]);
        let id = tree.insert_leaf("z/b", capable, &implicit).unwrap();
        tree.insert_leaf("a/c", file("c"), &implicit).unwrap();
        tree.link("a/d", id, &implicit).unwrap();
        let before = tree.clone();
        let failed = tree.set_attribute("x", &mut |path, _| match path.bytes() {
            b"z" => Err("no"),
            _ => Ok(Some(vec![])),
        });
        assert_eq!((failed, &tree), (Err("no"), &before));
        let mut value = |path: &PathBytes, _: Visit<'_>| {
            let is_none = path.bytes() == b"a";
            Ok::<_, ()>((!is_none).then(|| path.bytes().to_vec()))
        };
        tree.set_attribute("x", &mut value).unwrap();
        let mut found = Vec::new();
        tree.walk(&mut |path, visit| {
            let attributes = visit.stat().xattrs.iter();
            let attributes: Vec<_> = attributes
                .map(|(name, value)| format!("{name}={value:?}"))
                .collect();
            found.push(format!("{} {}", path.text(), attributes.join(" ")));
        });
        // A leaf of several names has that of the first, and keeps what it had.
        let linked = "security.capability=[1] x=[97, 47, 100]";
        let expected = [
            " x=[]".to_owned(),
            "a ".to_owned(),
            "a/c x=[97, 47, 99]".to_owned(),
            format!("a/d {linked}"),
            "z x=[122]".to_owned(),
            format!("z/b {linked}"),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn paths_that_are_refused() {
        let deep = "a/".repeat(200) + "a";
        let long = "a".repeat(256);
        for (path, problem) in [
            ("", "is empty"),
            ("/usr", "has an empty part, or starts or ends with a slash"),
            ("usr/", "has an empty part, or starts or ends with a slash"),
            (
                "usr//bin",
                "has an empty part, or starts or ends with a slash",
            ),
            ("usr/../etc", "has a part that is . or .."),
            ("./usr", "has a part that is . or .."),
            ("usr/a\0b", "has a NUL"),
            (&deep, "is more than 128 directories deep"),
            (&long, "has a part longer than 255 bytes"),
        ] {
            assert_eq!(check_path(path), Err(problem), "{path:?}");
        }
        assert_eq!(check_path("usr/lib/...hidden"), Ok(()));
    }

    #[test]
    fn a_path_that_is_too_deep_is_not_said_whole() {
        let mut tree = Tree::default();
        let implicit = Stat::implicit_directory(0);
        let deep = "usr/".to_owned() + &"abcdefg/".repeat(128) + "x";
        let error = tree.insert_leaf(deep, file("a"), &implicit).unwrap_err();
        let start = "abcdefg/".repeat(7);
        assert_eq!(
            error.to_string(),
            format!("path \"usr/{start}...fg/{start}x\" is more than 128 directories deep")
        );
    }

    #[test]
    fn nothing_goes_below_a_leaf() {
        let implicit = Stat::implicit_directory(0);
        let mut tree = Tree::new(implicit.clone());
        let link = Leaf {
            stat: Stat::default(),
            content: Content::Symlink("/etc".into()),
        };
        tree.insert_leaf("usr/x", link, &implicit).unwrap();
        assert_eq!(
            tree.insert_leaf("usr/x/deep/passwd", file("a"), &implicit),
            Err(TreeError::BelowLeaf {
                path: "usr/x/deep/passwd".into(),
                ancestor: "usr/x".into()
            })
        );
        assert!(tree.get("usr/x/passwd").is_none());
    }

    #[test]
    fn links_are_followed_inside_the_tree() {
        let implicit = Stat::implicit_directory(0);
        let mut tree = Tree::new(implicit.clone());
        tree.insert_leaf("usr/lib/a", file("a"), &implicit).unwrap();
        for (path, target) in [
            ("lib", "usr/lib"),
            ("usr/b", "../lib/a"),
            ("usr/c", "/usr/b"),
            ("usr/out", "../../../../usr/lib/a"),
            ("usr/loop", "loop"),
            ("usr/gone", "lib/x"),
            ("usr/below", "lib/a/x"),
            ("usr/self", "."),
        ] {
            let link = Leaf {
                stat: Stat::default(),
                content: Content::Symlink(target.into()),
            };
            tree.insert_leaf(path, link, &implicit).unwrap();
        }
        for (path, found) in [
            ("usr/lib/a", Some("usr/lib/a")),
            ("/lib/a", Some("usr/lib/a")),
            ("usr/b", Some("usr/lib/a")),
            ("usr/c", Some("usr/lib/a")),
            ("usr/out", Some("usr/lib/a")),
            ("usr/self/lib/", Some("usr/lib")),
            ("usr/lib/a/b", None),
            ("usr/loop", None),
            ("usr/gone", None),
            ("usr/below", None),
            ("", Some("")),
        ] {
            let path_found = tree.resolve(path).map(|(path, _)| path);
            assert_eq!(path_found, found.map(PathBytes::from), "{path}");
        }
    }

    #[test]
    fn directories_may_be_described_after_they_are_needed() {
        let implicit = Stat::implicit_directory(7);
        let mut tree = Tree::new(implicit.clone());
        let id = tree.insert_leaf("usr/bin/a", file("a"), &implicit).unwrap();
        tree.link("usr/bin/b", id, &implicit).unwrap();
        tree.insert_directory(
            "usr/bin",
            Stat {
                mode: 0o700,
                ..Stat::default()
            },
            &implicit,
        )
        .unwrap();
        assert_eq!(tree.get("usr").unwrap().stat().mode, 0o755);
        assert_eq!(tree.get("usr/bin").unwrap().stat().mode, 0o700);
        assert_eq!(
            tree.link("usr/bin/b", id, &implicit),
            Err(TreeError::Taken("usr/bin/b".into()))
        );
        assert_eq!(
            tree.insert_directory("usr/bin/a", Stat::default(), &implicit),
            Err(TreeError::Taken("usr/bin/a".into()))
        );
    }

    /// There are as many as files.
    #[test]
    fn what_a_file_takes_is_small() {
        assert_eq!(size_of::<Named>(), 12);
        assert_eq!(size_of::<Leaf>(), 56);
    }
}
