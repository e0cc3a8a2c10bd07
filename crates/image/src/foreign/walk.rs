//! From the root's inode to a [`Tree`].
//!
//! Each inode is read once, under its first name. A second name of a leaf is a hard link; a second
//! name of a directory is an error, so there are no loops and no directory is listed twice.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use files::PathBytes;

use super::pieces::Contents;
use super::source::Source;
use super::{Error, Format, Inode, Kind, MAX_TARGET};
use crate::budget::Budget;
use crate::content::ContentId;
use crate::tree::{Content, Leaf, LeafId, Stat, Tree, check_path};

/// Longest directory that is read, in bytes: some two million names.
const MAX_DIRECTORY: u64 = 64 << 20;

struct Walk<'a, F, R> {
    format: &'a mut F,
    source: &'a mut Source<R>,
    budget: Budget,
    tree: Tree,
    /// Inodes that have a name; directories have no leaf.
    seen: BTreeMap<u64, Option<LeafId>>,
    /// Directories whose names are still to be read.
    pending: Vec<(PathBytes, u64, u64)>,
    /// What directories get that nobody describes. There are none: parents come first.
    implicit: Stat,
}

/// Reads the whole tree.
pub(super) fn read_tree<R: Read + Seek, F: Format<R>>(
    format: &mut F,
    source: &mut Source<R>,
) -> Result<Tree, Error> {
    source.refill();
    let number = format.root();
    let root = format.inode(source, number)?;
    if !matches!(root.kind, Kind::Directory) {
        return Err(Error::wrong("the root", "is not a directory"));
    }
    let mut walk = Walk {
        budget: Budget::new(source.length()),
        format,
        source,
        tree: Tree::new(root.stat),
        seen: BTreeMap::from([(number, None)]),
        pending: vec![(PathBytes::default(), number, root.size)],
        implicit: Stat::default(),
    };
    while let Some((path, number, size)) = walk.pending.pop() {
        walk.list(&path, number, size)?;
    }
    Ok(walk.tree)
}

impl<R: Read + Seek, F: Format<R>> Walk<'_, F, R> {
    /// Reads the data of an inode, of at most `limit` bytes.
    fn data(&mut self, number: u64, size: u64, limit: u64) -> Result<Vec<u8>, Error> {
        if size > limit || size > self.source.length() {
            let problem = format!("has {size} bytes");
            return Err(Error::wrong(format!("inode {number}"), problem));
        }
        let pieces = self.format.pieces(self.source, number)?;
        self.source.charge(size)?;
        let mut data = Vec::new();
        Contents::new(self.source, pieces, size)
            .read_to_end(&mut data)
            .map_err(|source| Error::Input {
                offset: 0,
                length: data.len(),
                source,
            })?;
        Ok(data)
    }

    /// Reads the names of a directory and the inodes behind them.
    fn list(&mut self, path: &PathBytes, number: u64, size: u64) -> Result<(), Error> {
        let data = self.data(number, size, MAX_DIRECTORY)?;
        for (name, number) in self.format.names(number, &data)? {
            if matches!(name.bytes(), b"." | b"..") {
                continue;
            }
            let wrong = |problem: String| Error::wrong(format!("/{path}: {name:?}"), problem);
            if name.bytes().contains(&b'/') {
                return Err(wrong("has a slash".to_owned()));
            }
            let mut below = path.clone();
            below.push(name.bytes());
            check_path(&below).map_err(|problem| wrong(problem.to_owned()))?;
            self.budget.charge(name.len())?;
            match self.seen.get(&number) {
                None => self.add(below, number)?,
                Some(Some(id)) => (self.tree.link(&below, *id, &self.implicit))
                    .map_err(|error| wrong(error.to_string()))?,
                Some(None) => {
                    return Err(wrong("is a directory that has a name already".to_owned()));
                }
            }
        }
        Ok(())
    }

    /// Puts an inode that has not been seen into the tree.
    fn add(&mut self, path: PathBytes, number: u64) -> Result<(), Error> {
        let wrong = |path: &PathBytes, problem: String| Error::wrong(format!("/{path}"), problem);
        let Inode {
            stat, kind, size, ..
        } = self.format.inode(self.source, number)?;
        for (name, value) in stat.xattrs.iter() {
            self.budget.charge(name.len() + value.len())?;
        }
        self.budget.charge(path.len())?;
        let content = match kind {
            Kind::Directory => {
                (self.tree.insert_directory(&path, stat, &self.implicit))
                    .map_err(|error| wrong(&path, error.to_string()))?;
                self.seen.insert(number, None);
                self.pending.push((path, number, size));
                return Ok(());
            }
            Kind::File => Content::File {
                size,
                id: ContentId::at(number),
            },
            Kind::Symlink => {
                let data = self.data(number, size, MAX_TARGET)?;
                self.budget.charge(data.len())?;
                if data.is_empty() || data.contains(&0) {
                    return Err(wrong(&path, "its target is none".to_owned()));
                }
                Content::Symlink(data.into())
            }
            Kind::Special(special) => Content::Special(special),
        };
        let leaf = Leaf { stat, content };
        let id = (self.tree.insert_leaf(&path, leaf, &self.implicit))
            .map_err(|error| wrong(&path, error.to_string()))?;
        self.seen.insert(number, Some(id));
        Ok(())
    }
}
