//! The tree: directories own their entries, leaves live in a table beside them.
//!
//! A leaf is a file, a symbolic link or a special file. Two names of one leaf are hard links of
//! each other; a directory has exactly one name. Paths are relative, UTF-8 and normal
//! (`usr/bin/strace`), so that no path of a tree can ever mean something outside of it: there is
//! no `..`, and nothing can be put below a leaf.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

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
    /// Extended attributes by full name, such as `security.capability`.
    pub xattrs: BTreeMap<String, Vec<u8>>,
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

/// Names a file's content: two leaves with equal ids hold the same bytes.
///
/// The text is `algorithm:hex`, as in `sha256:9f86…`. The code that fills the tree guarantees that
/// equal ids mean equal contents, since each id is packed once.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentId(Arc<str>);

impl ContentId {
    /// Makes an id of its text.
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    /// Returns the id's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
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
    Symlink(String),
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
pub struct LeafId(usize);

/// One name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A directory below this one.
    Directory(Box<Directory>),
    /// A name of a leaf.
    Leaf(LeafId),
}

/// A directory and all below it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// Owner, mode, time, attributes.
    pub stat: Stat,
    entries: BTreeMap<Box<str>, Entry>,
}

impl Directory {
    /// Returns the entries in byte order of their names.
    pub fn entries(&self) -> impl ExactSizeIterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(name, entry)| (&**name, entry))
    }
}

/// Why a path could not be put into a tree.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TreeError {
    /// The path is not relative and normal, or is too long.
    #[error("path {path:?} {problem}")]
    Path {
        /// The path as given.
        path: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A part of the path is a file or a link, so nothing can be below it.
    #[error("{path:?} is below {ancestor:?}, which is not a directory")]
    BelowLeaf {
        /// The path that was to be added.
        path: String,
        /// The leaf above it.
        ancestor: String,
    },
    /// The path is taken.
    #[error("{0:?} already exists")]
    Taken(String),
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
            root: Directory {
                stat,
                entries: BTreeMap::new(),
            },
            leaves: Vec::new(),
        }
    }

    /// Returns the root directory.
    pub fn root(&self) -> &Directory {
        &self.root
    }

    /// Returns a leaf by its id.
    pub fn leaf(&self, id: LeafId) -> &Leaf {
        &self.leaves[id.0]
    }

    /// Returns how many leaves there are. Removed names leave theirs behind.
    pub fn leaf_count(&self) -> usize {
        self.leaves.len()
    }

    /// Returns the position of a leaf in the table, below [`leaf_count`](Self::leaf_count).
    pub fn leaf_index(id: LeafId) -> usize {
        id.0
    }

    /// Returns what is at `path`; the empty path is the root.
    pub fn get(&self, path: &str) -> Option<Visit<'_>> {
        let mut directory = &self.root;
        if path.is_empty() {
            return Some(Visit::Directory(directory));
        }
        let mut parts = path.split('/').peekable();
        while let Some(name) = parts.next() {
            match directory.entries.get(name)? {
                Entry::Directory(below) => directory = below,
                Entry::Leaf(id) if parts.peek().is_none() => {
                    return Some(Visit::Leaf(*id, self.leaf(*id)));
                }
                Entry::Leaf(_) => return None,
            }
        }
        Some(Visit::Directory(directory))
    }

    /// Returns what `path` leads to when symbolic links are followed, with the path that it has
    /// then. `None` where the way ends, and where links go in circles. See [`follow`].
    pub fn resolve(&self, path: &str) -> Option<(String, Visit<'_>)> {
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

    /// Adds a directory, or gives the one that is there these attributes. Missing parents get
    /// `implicit`.
    pub fn insert_directory(
        &mut self,
        path: &str,
        stat: Stat,
        implicit: &Stat,
    ) -> Result<(), TreeError> {
        let (parent, name) = self.parent(path, implicit)?;
        match parent.entries.entry(name.into()).or_insert_with(|| {
            Entry::Directory(Box::new(Directory {
                stat: stat.clone(),
                entries: BTreeMap::new(),
            }))
        }) {
            Entry::Directory(directory) => {
                directory.stat = stat;
                Ok(())
            }
            Entry::Leaf(_) => Err(TreeError::Taken(path.to_owned())),
        }
    }

    /// Adds a leaf under its first name. Missing parents get `implicit`.
    pub fn insert_leaf(
        &mut self,
        path: &str,
        leaf: Leaf,
        implicit: &Stat,
    ) -> Result<LeafId, TreeError> {
        let id = LeafId(self.leaves.len());
        self.link(path, id, implicit)?;
        self.leaves.push(leaf);
        Ok(id)
    }

    /// Adds a further name of a leaf: a hard link. Missing parents get `implicit`.
    pub fn link(&mut self, path: &str, id: LeafId, implicit: &Stat) -> Result<(), TreeError> {
        let (parent, name) = self.parent(path, implicit)?;
        if parent.entries.contains_key(name) {
            return Err(TreeError::Taken(path.to_owned()));
        }
        parent.entries.insert(name.into(), Entry::Leaf(id));
        Ok(())
    }

    /// Calls `visit` for every name, directories before what is in them, in byte order of names.
    /// The root comes first, with the empty path.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&str, Visit<'a>)) {
        self.walk_below(&self.root, &mut String::new(), visit);
    }

    fn walk_below<'a>(
        &'a self,
        directory: &'a Directory,
        path: &mut String,
        visit: &mut dyn FnMut(&str, Visit<'a>),
    ) {
        visit(path, Visit::Directory(directory));
        let length = path.len();
        for (name, entry) in &directory.entries {
            if length > 0 {
                path.push('/');
            }
            path.push_str(name);
            match entry {
                Entry::Directory(below) => self.walk_below(below, path, visit),
                Entry::Leaf(id) => visit(path, Visit::Leaf(*id, self.leaf(*id))),
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
        path: &'p str,
        implicit: &Stat,
    ) -> Result<(&mut Directory, &'p str), TreeError> {
        check_path(path).map_err(|problem| TreeError::Path {
            path: path.to_owned(),
            problem,
        })?;
        let (above, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut directory = &mut self.root;
        let mut end = 0;
        for part in above.split('/').filter(|part| !part.is_empty()) {
            end += part.len() + usize::from(end > 0);
            if !directory.entries.contains_key(part) {
                let below = Directory {
                    stat: implicit.clone(),
                    entries: BTreeMap::new(),
                };
                let below = Entry::Directory(Box::new(below));
                directory.entries.insert(part.into(), below);
            }
            match directory.entries.get_mut(part) {
                Some(Entry::Directory(below)) => directory = below,
                _ => {
                    return Err(TreeError::BelowLeaf {
                        path: path.to_owned(),
                        ancestor: above[..end].to_owned(),
                    });
                }
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
    Link(String),
    /// Anything else: the way ends there.
    Leaf,
}

/// Follows a path through symbolic links, and returns the path of what it leads to.
///
/// Links are resolved as if the tree were the root: an absolute target starts there, and nothing
/// leads out of it. `look` is asked for what is at a path whose directories are no links.
pub fn follow(path: &str, look: &mut dyn FnMut(&str) -> Step) -> Option<String> {
    let mut place: Vec<String> = Vec::new();
    let mut ahead: Vec<String> = path.rsplit('/').map(str::to_owned).collect();
    let mut links = 0;
    while let Some(part) = ahead.pop() {
        match part.as_str() {
            "" | "." => continue,
            ".." => {
                place.pop();
                continue;
            }
            _ => place.push(part),
        }
        match look(&place.join("/")) {
            Step::Nothing => return None,
            Step::Directory => {}
            Step::Link(target) => {
                links += 1;
                if links > MAX_LINKS {
                    return None;
                }
                place.pop();
                if target.starts_with('/') {
                    place.clear();
                }
                ahead.extend(target.rsplit('/').map(str::to_owned));
            }
            Step::Leaf if ahead.is_empty() => {}
            Step::Leaf => return None,
        }
    }
    Some(place.join("/"))
}

/// Says whether `path` can be a path of a tree: relative, normal, not too long or too deep.
/// The error completes the sentence "path … ".
pub fn check_path(path: &str) -> Result<(), &'static str> {
    if path.is_empty() {
        return Err("is empty");
    }
    if path.len() > MAX_PATH {
        return Err("is longer than 4095 bytes");
    }
    let mut depth = 0;
    for part in path.split('/') {
        depth += 1;
        match part {
            "" => return Err("has an empty part, or starts or ends with a slash"),
            "." | ".." => return Err("has a part that is . or .."),
            _ if part.len() > MAX_NAME => return Err("has a part longer than 255 bytes"),
            _ if part.contains('\0') => return Err("has a NUL"),
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
            assert_eq!(path_found.as_deref(), found, "{path}");
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
}
