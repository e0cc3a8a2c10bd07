//! From the root's inode and the directory table to a [`Tree`].
//!
//! Each inode is read once, under its first name. A second name of a leaf is a hard link; a second
//! name of a directory is an error, so there are no loops and no directory is listed twice.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use files::{PathBytes, directory_of};

use super::error::ReadError;
use super::inode::{File, Inode, Kind, Tail, basic_type};
use super::storage::{Cursor, Storage};
use super::xattr::Xattrs;
use crate::budget::Budget;
use crate::content::ContentId;
use crate::squashfs::format::{BLOCK_RAW, DIRECTORY_RUN};
use crate::tree::{Content, Leaf, LeafId, Stat, Tree, check_path};

/// Length of a directory header in bytes.
const HEADER_SIZE: u32 = 12;
/// Length of a directory entry in bytes, without its name.
const ENTRY_SIZE: u32 = 8;

/// What was read under an inode number.
enum Seen {
    Directory,
    Leaf {
        reference: u64,
        kind: u16,
        id: LeafId,
    },
}

/// Where a file's bytes are. Equal places hold equal bytes.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    size: u64,
    start: u64,
    tail: Option<Tail>,
    block_words: Vec<u32>,
}

/// A directory whose listing is still to be read.
struct Pending {
    path: PathBytes,
    listing: u64,
    length: u32,
}

/// One entry of a listing.
struct Named {
    name: PathBytes,
    /// Reference to the inode.
    reference: u64,
    /// Inode number.
    number: u32,
    /// Number of the basic inode type.
    kind: u16,
}

struct Walk<'a, R> {
    storage: &'a mut Storage<R>,
    ids: &'a [u32],
    xattrs: Option<&'a Xattrs>,
    budget: Budget,
    tree: Tree,
    seen: BTreeMap<u32, Seen>,
    places: BTreeMap<Place, ContentId>,
    pending: Vec<Pending>,
    /// What directories get that nobody describes. There are none: parents come first.
    implicit: Stat,
}

/// Reads the whole tree.
pub(super) fn read_tree<R: Read + Seek>(
    storage: &mut Storage<R>,
    ids: &[u32],
    xattrs: Option<&Xattrs>,
) -> Result<Tree, ReadError> {
    Ok(walk(storage, ids, xattrs)?.tree)
}

/// Returns offset of each data block that a file of the tree has, and the word that says how it is
/// stored, sorted.
pub(super) fn read_blocks<R: Read + Seek>(
    storage: &mut Storage<R>,
    ids: &[u32],
    xattrs: Option<&Xattrs>,
) -> Result<Vec<(u64, u32)>, ReadError> {
    let places = walk(storage, ids, xattrs)?.places;
    let mut blocks = Vec::new();
    for place in places.into_keys() {
        let mut next = place.start;
        // `File::block_words` has checked them.
        for word in place.block_words {
            let length = word & !BLOCK_RAW;
            if length > 0 {
                blocks.push((next, word));
            }
            next = next.saturating_add(length.into());
        }
    }
    blocks.sort_unstable();
    blocks.dedup();
    Ok(blocks)
}

/// Reads all directories and inodes.
fn walk<'a, R: Read + Seek>(
    storage: &'a mut Storage<R>,
    ids: &'a [u32],
    xattrs: Option<&'a Xattrs>,
) -> Result<Walk<'a, R>, ReadError> {
    let budget = Budget::new(storage.layout.bytes_used);
    let mut walk = Walk {
        storage,
        ids,
        xattrs,
        budget,
        tree: Tree::default(),
        seen: BTreeMap::new(),
        places: BTreeMap::new(),
        pending: Vec::new(),
        implicit: Stat::default(),
    };
    walk.root()
        .map_err(|error| error.at(&PathBytes::default()))?;
    while let Some(directory) = walk.pending.pop() {
        walk.list(&directory)?;
    }
    Ok(walk)
}

impl<R: Read + Seek> Walk<'_, R> {
    fn root(&mut self) -> Result<(), ReadError> {
        let reference = self.storage.layout.root_inode;
        let inode = Inode::read(self.storage, self.ids, reference)?;
        let stat = self.stat(&inode)?;
        let Kind::Directory { listing, length } = inode.kind else {
            return Err(ReadError::Superblock(
                "the root inode is not a directory".to_owned(),
            ));
        };
        self.tree = Tree::new(stat);
        self.seen.insert(inode.number, Seen::Directory);
        self.pending.push(Pending {
            path: PathBytes::default(),
            listing,
            length,
        });
        Ok(())
    }

    /// Reads a directory's listing and the inodes that it names.
    fn list(&mut self, directory: &Pending) -> Result<(), ReadError> {
        let mut cursor = Cursor::new(self.storage.layout.directories, directory.listing);
        let mut left = directory.length;
        let mut last = PathBytes::default();
        let in_directory = |error: ReadError| error.at(&directory.path);
        while left > 0 {
            let header = self.header(&mut cursor, &mut left).map_err(in_directory)?;
            for _ in 0..header.entries {
                let named = header
                    .entry(self.storage, &mut cursor, &mut left)
                    .map_err(in_directory)?;
                // The kernel stops a look-up at the first greater name, so what is out of order
                // is there for some callers and not for others.
                if named.name <= last {
                    return Err(ReadError::Directory {
                        directory: directory.path.clone(),
                        problem: format!("{:?} comes after {last:?}", named.name),
                    });
                }
                self.add(&directory.path, &named)?;
                last = named.name;
            }
        }
        Ok(())
    }

    fn header(&mut self, cursor: &mut Cursor, left: &mut u32) -> Result<Header, ReadError> {
        take(left, HEADER_SIZE, cursor)?;
        let before_last = cursor.u32(self.storage)?;
        let block = cursor.u32(self.storage)?;
        let number = cursor.u32(self.storage)?;
        match before_last.checked_add(1) {
            Some(entries) if entries <= DIRECTORY_RUN as u32 => Ok(Header {
                entries,
                block,
                number,
            }),
            _ => Err(cursor.wrong(format!(
                "a directory header for more than {DIRECTORY_RUN} entries"
            ))),
        }
    }

    /// Puts one name into the tree.
    fn add(&mut self, directory: &PathBytes, named: &Named) -> Result<(), ReadError> {
        let wrong = |problem: String| ReadError::Directory {
            directory: directory.clone(),
            problem: format!("{:?} {problem}", named.name),
        };
        if named.name.bytes().contains(&b'/') {
            return Err(wrong("has a slash".to_owned()));
        }
        let mut path = directory.clone();
        path.push(named.name.bytes());
        check_path(&path).map_err(|problem| wrong(problem.to_owned()))?;
        self.budget.charge(named.name.len())?;

        match self.seen.get(&named.number) {
            None => self.add_inode(&path, named),
            Some(Seen::Leaf {
                reference,
                kind,
                id,
            }) if *reference == named.reference => {
                check_type(named, *kind).map_err(wrong)?;
                self.tree
                    .link(&path, *id, &self.implicit)
                    .map_err(|error| wrong(error.to_string()))
            }
            Some(Seen::Leaf { .. }) => Err(wrong(format!(
                "has inode number {}, which another inode has too",
                named.number
            ))),
            Some(Seen::Directory) => Err(wrong(format!(
                "has inode number {}, which is a directory that has a name already",
                named.number
            ))),
        }
    }

    /// Reads an inode that has not been seen and puts it into the tree.
    fn add_inode(&mut self, path: &PathBytes, named: &Named) -> Result<(), ReadError> {
        let at_path = |error: ReadError| error.at(path);
        let inode = Inode::read(self.storage, self.ids, named.reference).map_err(at_path)?;
        let wrong = |problem: String| ReadError::Directory {
            directory: directory_of(path.bytes()).unwrap_or_default().into(),
            problem: format!("{:?} {problem}", named.name),
        };
        if inode.number != named.number {
            return Err(wrong(format!(
                "has inode number {} here and {} in its inode",
                named.number, inode.number
            )));
        }
        check_type(named, inode.basic_type()).map_err(wrong)?;
        let stat = self.stat(&inode).map_err(at_path)?;
        let content = match inode.kind {
            Kind::Directory { listing, length } => {
                self.budget.charge(path.len())?;
                self.tree
                    .insert_directory(path, stat, &self.implicit)
                    .map_err(|error| wrong(error.to_string()))?;
                self.seen.insert(inode.number, Seen::Directory);
                self.pending.push(Pending {
                    path: path.clone(),
                    listing,
                    length,
                });
                return Ok(());
            }
            Kind::File(file) => Content::File {
                size: file.size,
                id: self.place(&file, named.reference).map_err(at_path)?,
            },
            Kind::Symlink(target) => {
                self.budget.charge(target.len())?;
                Content::Symlink(target)
            }
            Kind::Special(special) => Content::Special(special),
        };
        let id = self
            .tree
            .insert_leaf(path, Leaf { stat, content }, &self.implicit)
            .map_err(|error| wrong(error.to_string()))?;
        let seen = Seen::Leaf {
            reference: named.reference,
            kind: named.kind,
            id,
        };
        self.seen.insert(inode.number, seen);
        Ok(())
    }

    /// Returns the id of what is where `file` is: that of the first inode with this place.
    fn place(&mut self, file: &File, reference: u64) -> Result<ContentId, ReadError> {
        self.budget.charge(0)?;
        let budget = &mut self.budget;
        let block_words = file.block_words(self.storage, &mut || Ok(budget.take(4)?))?;
        // Where nothing is stored, the start means nothing.
        let is_stored = block_words.iter().any(|word| *word != 0);
        let place = Place {
            size: file.size,
            start: if is_stored { file.start } else { 0 },
            tail: file.tail,
            block_words,
        };
        Ok(self
            .places
            .entry(place)
            .or_insert_with(|| ContentId::at(reference))
            .clone())
    }

    /// Returns an inode's attributes with its extended ones.
    fn stat(&mut self, inode: &Inode) -> Result<Stat, ReadError> {
        let mut stat = inode.stat.clone();
        if let Some(number) = inode.xattrs {
            stat.xattrs = match self.xattrs {
                Some(xattrs) => xattrs.read(self.storage, number, &mut self.budget)?.into(),
                None => {
                    return Err(ReadError::Superblock(format!(
                        "there is no xattr table, but an inode with xattr set {number}"
                    )));
                }
            };
        }
        Ok(stat)
    }
}

/// Compares the type that a directory tells with that of the inode.
fn check_type(named: &Named, kind: u16) -> Result<(), String> {
    if named.kind == kind {
        Ok(())
    } else {
        Err(format!(
            "is of type {} here and of type {kind} in its inode",
            named.kind
        ))
    }
}

/// What the next entries of a listing have in common.
struct Header {
    entries: u32,
    /// Metadata block of the inodes, from the start of the inode table.
    block: u32,
    /// Inode number that theirs are told from.
    number: u32,
}

impl Header {
    fn entry<R: Read + Seek>(
        &self,
        storage: &mut Storage<R>,
        cursor: &mut Cursor,
        left: &mut u32,
    ) -> Result<Named, ReadError> {
        take(left, ENTRY_SIZE, cursor)?;
        let offset = cursor.u16(storage)?;
        let delta = i16::from_le_bytes(cursor.u16(storage)?.to_le_bytes());
        let kind = basic_type(cursor.u16(storage)?);
        let length = u32::from(cursor.u16(storage)?) + 1;
        if length > 256 {
            return Err(cursor.wrong(format!("a name has {length} bytes, more than 256")));
        }
        take(left, length, cursor)?;
        let name = PathBytes::from(cursor.bytes(storage, length as usize)?);
        let Some(number) = self.number.checked_add_signed(delta.into()) else {
            return Err(cursor.wrong(format!("{name:?} has no inode number")));
        };
        Ok(Named {
            name,
            reference: u64::from(self.block) << 16 | u64::from(offset),
            number,
            kind,
        })
    }
}

/// Takes `length` bytes off what is left of a listing.
fn take(left: &mut u32, length: u32, cursor: &Cursor) -> Result<(), ReadError> {
    match left.checked_sub(length) {
        Some(rest) => {
            *left = rest;
            Ok(())
        }
        None => Err(cursor.wrong(format!(
            "{length} bytes of a listing that has only {left} more"
        ))),
    }
}
