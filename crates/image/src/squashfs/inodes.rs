//! The inode table, and with it the directory table, the ids and the extended attributes.
//!
//! Inode numbers are given from the root down: the root has 1, then the entries of one directory
//! have numbers in a row, in order of their names. Inodes are written the other way round, since
//! a directory's listing says where the inodes of its entries are.

use files::PathBytes;

use super::compressors::Encoder;
use super::contents::{Contents, Packed, Place};
use super::directory::{Listed, Listing, write_listing};
use super::error::Error;
use super::format::{NO_FRAGMENT, NO_XATTR, inode};
use super::metadata::{Metadata, Position};
use super::xattr::{XattrTable, Xattrs};
use crate::tree::{Content, Directory, Entry, Leaf, LeafId, Stat, Tree};

/// A listing's length is stored with this much more, for `.` and `..`.
const LISTING_EXTRA: u32 = 3;
/// Longest target of a symbolic link, in bytes: Linux's `PATH_MAX` less its final NUL.
const MAX_TARGET: usize = 4095;

/// What describes a tree, but for where it goes in the image.
pub(super) struct Tables {
    /// The inode table as stored.
    pub(super) inodes: Vec<u8>,
    /// The directory table as stored.
    pub(super) directories: Vec<u8>,
    /// Owners and groups in the order of their numbers.
    pub(super) ids: Vec<u32>,
    /// Extended attributes, if there are any.
    pub(super) xattrs: Option<XattrTable>,
    /// Number of inodes.
    pub(super) inode_count: u32,
    /// Where the root's inode is.
    pub(super) root: Position,
}

impl Tables {
    /// Describes `tree`, whose contents are in `contents`.
    pub(super) fn new(
        tree: &Tree,
        contents: &Contents,
        encoder: &mut Encoder,
    ) -> Result<Self, Error> {
        let plan = Plan::new(tree)?;
        let mut writer = InodeWriter {
            tree,
            contents,
            encoder,
            plan: &plan,
            inodes: Metadata::default(),
            directories: Metadata::default(),
            ids: Vec::new(),
            xattrs: Xattrs::default(),
            leaf_positions: vec![None; tree.leaf_count()],
            directory_positions: vec![None; plan.directories.len()],
        };
        let mut root = None;
        for number in (0..plan.directories.len()).rev() {
            root = Some(writer.write_directory(number)?);
        }
        Ok(Self {
            inodes: writer.inodes.finish(writer.encoder)?.0,
            directories: writer.directories.finish(writer.encoder)?.0,
            ids: writer.ids,
            xattrs: writer.xattrs.finish(writer.encoder)?,
            inode_count: plan.inode_count,
            root: root.unwrap_or(Position {
                block: 0,
                offset: 0,
            }),
        })
    }
}

/// A directory in the order of the walk: parents come before what is in them.
struct Planned<'t> {
    directory: &'t Directory,
    name: &'t [u8],
    /// Index of the directory above; the root's is its own.
    parent: usize,
    number: u32,
    /// Indices of the directories in this one, in order of names.
    below: Vec<usize>,
}

/// All inodes with their numbers.
struct Plan<'t> {
    directories: Vec<Planned<'t>>,
    /// Number and names of each leaf of the tree. The number of a leaf without a name is 0.
    leaves: Vec<(u32, u32)>,
    inode_count: u32,
}

impl<'t> Plan<'t> {
    fn new(tree: &'t Tree) -> Result<Self, Error> {
        let mut plan = Self {
            directories: Vec::new(),
            leaves: vec![(0, 0); tree.leaf_count()],
            inode_count: 0,
        };
        let number = plan.next_number()?;
        plan.add(tree.root(), b"", 0, number)?;
        Ok(plan)
    }

    /// Adds a directory that has its number, and all below. A tree is never deeper than a stack.
    fn add(
        &mut self,
        directory: &'t Directory,
        name: &'t [u8],
        parent: usize,
        number: u32,
    ) -> Result<usize, Error> {
        let index = self.directories.len();
        self.directories.push(Planned {
            directory,
            name,
            parent,
            number,
            below: Vec::new(),
        });
        let mut below = Vec::new();
        for (name, entry) in directory.entries() {
            match entry {
                Entry::Directory(directory) => below.push((directory, name, self.next_number()?)),
                Entry::Leaf(id) => {
                    let leaf = Tree::leaf_index(id);
                    if self.leaves[leaf].0 == 0 {
                        self.leaves[leaf].0 = self.next_number()?;
                    }
                    self.leaves[leaf].1 += 1;
                }
            }
        }
        for (directory, name, number) in below {
            let added = self.add(directory, name, index, number)?;
            self.directories[index].below.push(added);
        }
        Ok(index)
    }

    fn next_number(&mut self) -> Result<u32, Error> {
        // The root's parent has the number behind the last.
        self.inode_count = self
            .inode_count
            .checked_add(1)
            .filter(|count| *count < u32::MAX)
            .ok_or(Error::TooMany("inodes"))?;
        Ok(self.inode_count)
    }

    /// Returns the path of a name in a directory, or of the directory itself for the empty name.
    fn path(&self, mut index: usize, name: &[u8]) -> PathBytes {
        let mut parts = vec![name];
        while index != 0 {
            parts.push(self.directories[index].name);
            index = self.directories[index].parent;
        }
        parts.retain(|part| !part.is_empty());
        parts.reverse();
        parts.join(&b'/').into()
    }
}

struct InodeWriter<'w> {
    tree: &'w Tree,
    contents: &'w Contents,
    encoder: &'w mut Encoder,
    plan: &'w Plan<'w>,
    inodes: Metadata,
    directories: Metadata,
    ids: Vec<u32>,
    xattrs: Xattrs,
    leaf_positions: Vec<Option<Position>>,
    directory_positions: Vec<Option<Position>>,
}

impl InodeWriter<'_> {
    /// Writes the inodes of a directory's leaves, its listing, and its own inode.
    fn write_directory(&mut self, index: usize) -> Result<Position, Error> {
        let plan = self.plan;
        let planned = &plan.directories[index];
        let mut listed = Vec::with_capacity(planned.directory.entries().len());
        let mut below = planned.below.iter();
        for (name, entry) in planned.directory.entries() {
            listed.push(match entry {
                Entry::Leaf(id) => self.list_leaf(index, name, id)?,
                Entry::Directory(_) => {
                    // Those below were written before, in this order.
                    let (number, position) = below
                        .next()
                        .and_then(|below| {
                            let position = self.directory_positions[*below]?;
                            Some((plan.directories[*below].number, position))
                        })
                        .ok_or(Error::Abandoned)?;
                    Listed {
                        name,
                        number,
                        inode: position,
                        kind: inode::DIRECTORY,
                    }
                }
            });
        }
        let listing = write_listing(&mut self.directories, self.encoder, &listed)?;
        let position = self.write_directory_inode(index, &listing)?;
        self.directory_positions[index] = Some(position);
        Ok(position)
    }

    fn write_directory_inode(
        &mut self,
        index: usize,
        listing: &Listing,
    ) -> Result<Position, Error> {
        let plan = self.plan;
        let planned = &plan.directories[index];
        let parent = if index == 0 {
            plan.inode_count + 1
        } else {
            plan.directories[planned.parent].number
        };
        let links = u32::try_from(planned.below.len() + 2)
            .map_err(|_| Error::TooMany("directories in a directory"))?;
        let size = listing
            .size
            .checked_add(LISTING_EXTRA)
            .ok_or(Error::TooMany("bytes in a directory listing"))?;
        let stat = &planned.directory.stat;
        let xattr = self.xattr(stat, index, b"")?;
        let mut bytes;
        match u16::try_from(size) {
            Ok(size) if xattr == NO_XATTR && listing.index_count == 0 => {
                bytes = self.begin(inode::DIRECTORY, stat, planned.number)?;
                bytes.extend(listing.start.block.to_le_bytes());
                bytes.extend(links.to_le_bytes());
                bytes.extend(size.to_le_bytes());
                bytes.extend(listing.start.offset.to_le_bytes());
                bytes.extend(parent.to_le_bytes());
            }
            _ => {
                let kind = inode::DIRECTORY + inode::EXTENDED;
                bytes = self.begin(kind, stat, planned.number)?;
                bytes.extend(links.to_le_bytes());
                bytes.extend(size.to_le_bytes());
                bytes.extend(listing.start.block.to_le_bytes());
                bytes.extend(parent.to_le_bytes());
                bytes.extend(listing.index_count.to_le_bytes());
                bytes.extend(listing.start.offset.to_le_bytes());
                bytes.extend(xattr.to_le_bytes());
                bytes.extend_from_slice(&listing.index);
            }
        }
        self.append(&bytes)
    }

    /// Returns the entry of a leaf, whose inode is written unless another name was there first.
    fn list_leaf<'n>(
        &mut self,
        directory: usize,
        name: &'n [u8],
        id: LeafId,
    ) -> Result<Listed<'n>, Error> {
        let index = Tree::leaf_index(id);
        let leaf = self.tree.leaf(id);
        let (number, links) = self.plan.leaves[index];
        let position = match self.leaf_positions[index] {
            Some(position) => position,
            None => self.write_leaf(directory, name, leaf, number, links)?,
        };
        self.leaf_positions[index] = Some(position);
        Ok(Listed {
            name,
            number,
            inode: position,
            kind: match leaf.content {
                Content::Symlink(_) => inode::SYMLINK,
                _ => inode::FILE,
            },
        })
    }

    fn write_leaf(
        &mut self,
        directory: usize,
        name: &[u8],
        leaf: &Leaf,
        number: u32,
        links: u32,
    ) -> Result<Position, Error> {
        let plan = self.plan;
        let path = || plan.path(directory, name);
        let refuse = |problem| Error::Inode {
            path: path(),
            problem,
        };
        let xattr = self.xattr(&leaf.stat, directory, name)?;
        let bytes = match &leaf.content {
            Content::Special(_) => {
                return Err(refuse("is a device, pipe or socket, which is not written"));
            }
            Content::Symlink(target) => {
                let target = target.bytes();
                if target.is_empty() || target.len() > MAX_TARGET || target.contains(&0) {
                    return Err(refuse(
                        "is a link whose target is empty, longer than 4095 bytes or has a NUL",
                    ));
                }
                self.symlink(&leaf.stat, target, number, links, xattr)?
            }
            Content::File { size, id } => {
                let contents = self.contents;
                let packed = contents
                    .packed
                    .get(id)
                    .ok_or_else(|| Error::ContentMissing {
                        path: path(),
                        id: id.clone(),
                    })?;
                if packed.size != *size {
                    return Err(Error::ContentSize {
                        path: path(),
                        id: id.clone(),
                        size: *size,
                        stored: packed.size,
                    });
                }
                self.file(&leaf.stat, packed, number, links, xattr)?
            }
        };
        self.append(&bytes)
    }

    fn symlink(
        &mut self,
        stat: &Stat,
        target: &[u8],
        number: u32,
        links: u32,
        xattr: u32,
    ) -> Result<Vec<u8>, Error> {
        let extended = xattr != NO_XATTR;
        let kind = inode::SYMLINK + if extended { inode::EXTENDED } else { 0 };
        let mut bytes = self.begin(kind, stat, number)?;
        bytes.extend(links.to_le_bytes());
        bytes.extend((target.len() as u32).to_le_bytes());
        bytes.extend_from_slice(target);
        if extended {
            bytes.extend(xattr.to_le_bytes());
        }
        Ok(bytes)
    }

    fn file(
        &mut self,
        stat: &Stat,
        packed: &Packed,
        number: u32,
        links: u32,
        xattr: u32,
    ) -> Result<Vec<u8>, Error> {
        let contents = self.contents;
        let blocks = contents.blocks(packed);
        let start = blocks.first().map_or(0, |block| block.start);
        // A hole is a whole block.
        let holes = blocks.iter().filter(|block| block.word == 0).count() as u64;
        let sparse = holes * u64::from(contents.block_size);
        let plain = links == 1 && xattr == NO_XATTR && holes == 0;
        let mut bytes;
        let (fragment, offset) = match packed.place() {
            Place::Blocks(_) => (NO_FRAGMENT, 0),
            Place::Fragment(number, offset) => (number, offset),
        };
        match (u32::try_from(start), u32::try_from(packed.size)) {
            (Ok(start), Ok(size)) if plain => {
                bytes = self.begin(inode::FILE, stat, number)?;
                for word in [start, fragment, offset, size] {
                    bytes.extend(word.to_le_bytes());
                }
            }
            _ => {
                bytes = self.begin(inode::FILE + inode::EXTENDED, stat, number)?;
                for long in [start, packed.size, sparse] {
                    bytes.extend(long.to_le_bytes());
                }
                for word in [links, fragment, offset, xattr] {
                    bytes.extend(word.to_le_bytes());
                }
            }
        }
        for block in blocks {
            bytes.extend(block.word.to_le_bytes());
        }
        Ok(bytes)
    }

    /// Returns what every inode starts with.
    fn begin(&mut self, kind: u16, stat: &Stat, number: u32) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        let owner = self.id(stat.uid)?;
        let group = self.id(stat.gid)?;
        for half in [kind, stat.mode & 0o7777, owner, group] {
            bytes.extend(half.to_le_bytes());
        }
        bytes.extend(stat.mtime.to_le_bytes());
        bytes.extend(number.to_le_bytes());
        Ok(bytes)
    }

    /// Returns the number of an owner or group.
    fn id(&mut self, id: u32) -> Result<u16, Error> {
        let index = match self.ids.iter().position(|known| *known == id) {
            Some(index) => index,
            None => {
                self.ids.push(id);
                self.ids.len() - 1
            }
        };
        // The superblock counts the ids in 16 bits, so the last number is never given.
        u16::try_from(index)
            .ok()
            .filter(|index| *index < u16::MAX)
            .ok_or(Error::TooMany("owners and groups"))
    }

    fn xattr(&mut self, stat: &Stat, directory: usize, name: &[u8]) -> Result<u32, Error> {
        let plan = self.plan;
        self.xattrs
            .number(self.encoder, &stat.xattrs, || plan.path(directory, name))
    }

    fn append(&mut self, bytes: &[u8]) -> Result<Position, Error> {
        let position = self.inodes.position()?;
        self.inodes.write(self.encoder, bytes)?;
        Ok(position)
    }
}
