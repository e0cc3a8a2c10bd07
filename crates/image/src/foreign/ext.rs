//! ext2, ext3 and ext4, as mke2fs writes them.
//!
//! Block groups have a descriptor each, which says where the group's inodes are. The data of an
//! inode are found by a tree of extents, or in file systems that have none by blocks of block
//! numbers. Attributes follow the inode in its slot, or are in a block of their own.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use files::PathBytes;

use super::pieces::{Piece, push};
use super::source::Source;
use super::{Error, Fields, Format, Inode, Kind, MAX_VALUE, kind};
use crate::tree::Stat;

/// Where the superblock is.
const SUPERBLOCK: u64 = 1024;
const SUPERBLOCK_SIZE: usize = 1024;
const MAGIC: u16 = 0xef53;
const ROOT: u64 = 2;
/// Incompatible features that are read: types in directories, a journal to be replayed (which Linux
/// does not do either where it mounts read-only without it), extents, 64 bits, flexible groups,
/// attributes in inodes (which are not read), checksums, large directories, data in inodes.
const FEATURES: u32 = 0x2 | 0x4 | 0x40 | 0x80 | 0x100 | 0x200 | 0x400 | 0x2000 | 0x4000 | 0x8000;
/// Feature: descriptors have a length of their own, and block numbers 48 bits.
const LONG: u32 = 0x80;
/// Largest logarithm of the size of a block, above that of 1024 bytes.
const LARGEST_LOG: u32 = 6;
/// Lengths of a descriptor and of an inode, in bytes.
const DESCRIPTOR_SIZE: u16 = 32;
const INODE_SIZE: u16 = 128;
const LARGEST_INODE: u16 = 4096;
/// Flags of an inode: encrypted, extents, data in the inode itself, a value of an attribute.
const ENCRYPTED: u32 = 0x800;
const EXTENTS: u32 = 0x8_0000;
const IN_INODE: u32 = 0x1000_0000;
/// Where the tree of extents, or the block numbers, or the target of a short link are in an inode.
const BLOCK: std::ops::Range<usize> = 40..100;
const EXTENT_MAGIC: u16 = 0xf30a;
/// Length of an extent, an index and the header above them, in bytes.
const EXTENT_SIZE: usize = 12;
/// Deepest tree of extents that Linux makes.
const MAX_DEPTH: u16 = 5;
/// A longer extent is not initialized, and reads as zeros.
const INITIALIZED: u16 = 32_768;
/// Block numbers in the inode that are those of data.
const DIRECT: usize = 12;
const XATTR_MAGIC: u32 = 0xea02_0000;
/// Lengths of the headers of attributes in an inode and in a block, in bytes.
const INODE_HEADER: usize = 4;
const BLOCK_HEADER: usize = 32;
/// Length of what precedes an attribute's name, in bytes.
const XATTR_ENTRY: usize = 16;
/// The attribute that holds the rest of data in the inode.
const SYSTEM_DATA: &str = "system.data";
/// Length of what precedes a name in a directory, in bytes.
const ENTRY_SIZE: usize = 8;

/// Features that ext2 and ext3 have, too: incompatible ones, and those that keep from writing.
const OLD_FEATURES: (u32, u32) = (0x2 | 0x4 | 0x10, 0x1 | 0x2 | 0x4);
/// Compatible feature: a journal, which makes the difference between ext2 and ext3.
const JOURNAL: u32 = 0x4;

/// What the superblock says.
pub(super) struct Ext {
    name: &'static str,
    block_size: u64,
    blocks: u64,
    inodes: u32,
    inodes_per_group: u32,
    inode_size: u16,
    /// Where descriptors are, and how long each is.
    descriptors: u64,
    descriptor_size: u16,
}

/// An inode as its slot tells it.
struct Raw {
    bytes: Vec<u8>,
    size: u64,
    flags: u32,
    is_directory: bool,
}

impl Raw {
    fn block(&self) -> &[u8] {
        self.bytes.get(BLOCK).unwrap_or_default()
    }

    /// Says whether it is a link whose target is in the inode.
    fn is_short_link(&self) -> bool {
        let mode = Fields(&self.bytes).half(0);
        mode >> 12 == 0o12
            && self.size < BLOCK.len() as u64
            && self.flags & (EXTENTS | IN_INODE) == 0
    }
}

impl Ext {
    pub(super) fn open<R: Read + Seek>(source: &mut Source<R>) -> Result<Self, Error> {
        let bytes = source.read(SUPERBLOCK, SUPERBLOCK_SIZE)?;
        let fields = Fields(&bytes);
        let wrong = |problem: &str| Error::wrong("superblock of ext4", problem);
        if fields.half(56) != MAGIC {
            return Err(wrong("is not there"));
        }
        let features = fields.word(96);
        if features & !FEATURES != 0 {
            let problem = format!("ext4 with the features {features:#x}");
            return Err(Error::Unsupported(problem));
        }
        let log = fields.word(24);
        let has_sizes = fields.word(76) > 0;
        let inode_size = if has_sizes {
            fields.half(88)
        } else {
            INODE_SIZE
        };
        let descriptor_size = match features & LONG {
            0 => DESCRIPTOR_SIZE,
            _ => fields.half(254),
        };
        let sizes = INODE_SIZE..=LARGEST_INODE;
        if log > LARGEST_LOG
            || fields.word(40) == 0
            || !sizes.contains(&inode_size)
            || !inode_size.is_power_of_two()
            || !(DESCRIPTOR_SIZE..=1024).contains(&descriptor_size)
        {
            return Err(wrong("has sizes that are none"));
        }
        let (incompatible, read_only) = OLD_FEATURES;
        let is_new = features & !incompatible != 0 || fields.word(100) & !read_only != 0;
        let block_size = 1024 << log;
        let high = match features & LONG {
            0 => 0,
            _ => fields.word(336),
        };
        Ok(Self {
            name: match fields.word(92) & JOURNAL {
                _ if is_new => "ext4",
                0 => "ext2",
                _ => "ext3",
            },
            block_size,
            blocks: u64::from(high) << 32 | u64::from(fields.word(4)),
            inodes: fields.word(0),
            inodes_per_group: fields.word(40),
            inode_size,
            descriptors: (u64::from(fields.word(20)) + 1).saturating_mul(block_size),
            descriptor_size,
        })
    }

    /// Returns `ext2`, `ext3` or `ext4`.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Returns the length in bytes.
    pub(super) fn length(&self) -> u64 {
        self.blocks.saturating_mul(self.block_size)
    }

    fn at(&self, block: u64) -> Result<u64, Error> {
        block
            .checked_mul(self.block_size)
            .ok_or_else(|| Error::wrong(format!("block {block}"), "is not in the image"))
    }

    /// Returns where an inode is.
    fn place<R: Read + Seek>(&self, source: &mut Source<R>, number: u64) -> Result<u64, Error> {
        let wrong = |problem: &str| Error::wrong(format!("inode {number}"), problem);
        if number == 0 || number > u64::from(self.inodes) {
            return Err(wrong("is not one of the file system"));
        }
        let (group, index) = (
            (number - 1) / u64::from(self.inodes_per_group),
            (number - 1) % u64::from(self.inodes_per_group),
        );
        let size = self.descriptor_size;
        let descriptor = source.read(
            self.descriptors.saturating_add(group * u64::from(size)),
            usize::from(size),
        )?;
        let fields = Fields(&descriptor);
        let high = if size >= 64 { fields.word(40) } else { 0 };
        let table = self.at(u64::from(high) << 32 | u64::from(fields.word(8)))?;
        Ok(table.saturating_add(index * u64::from(self.inode_size)))
    }

    fn raw<R: Read + Seek>(&self, source: &mut Source<R>, number: u64) -> Result<Raw, Error> {
        let at = self.place(source, number)?;
        let bytes = source.read(at, usize::from(self.inode_size))?;
        let fields = Fields(&bytes);
        Ok(Raw {
            size: u64::from(fields.word(108)) << 32 | u64::from(fields.word(4)),
            flags: fields.word(32),
            is_directory: fields.half(0) >> 12 == 0o4,
            bytes,
        })
    }

    /// Reads the attributes of an inode.
    fn xattrs<R: Read + Seek>(
        &self,
        source: &mut Source<R>,
        raw: &Raw,
    ) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let mut found = BTreeMap::new();
        let fields = Fields(&raw.bytes);
        let extra = match self.inode_size > INODE_SIZE {
            true => usize::from(fields.half(128)),
            false => 0,
        };
        let start = usize::from(INODE_SIZE) + extra;
        if let Some(area) = raw.bytes.get(start..)
            && area.len() > INODE_HEADER
            && Fields(area).word(0) == XATTR_MAGIC
        {
            let entries = &area[INODE_HEADER..];
            add_xattrs(entries, entries, &mut found)?;
        }
        let block = u64::from(fields.half(118)) << 32 | u64::from(fields.word(104));
        if block != 0 {
            let bytes = source.read(self.at(block)?, self.block_size as usize)?;
            if Fields(&bytes).word(0) != XATTR_MAGIC {
                let place = format!("block {block} of extended attributes");
                return Err(Error::wrong(place, "is none"));
            }
            let entries = bytes.get(BLOCK_HEADER..).unwrap_or_default();
            add_xattrs(entries, &bytes, &mut found)?;
        }
        Ok(found)
    }

    /// Adds the pieces of the extents below a node.
    fn extents<R: Read + Seek>(
        &self,
        source: &mut Source<R>,
        node: &[u8],
        depth: u16,
        file: &mut Growing,
    ) -> Result<(), Error> {
        let header = Fields(node);
        let count = usize::from(header.half(2));
        if header.half(0) != EXTENT_MAGIC
            || header.half(6) != depth
            || count > node.len() / EXTENT_SIZE - 1
        {
            return Err(Error::wrong("a tree of extents", "has a node that is none"));
        }
        for entry in node.chunks_exact(EXTENT_SIZE).skip(1).take(count) {
            let fields = Fields(entry);
            if depth > 0 {
                let block = u64::from(fields.half(8)) << 32 | u64::from(fields.word(4));
                let below = source.read(self.at(block)?, self.block_size as usize)?;
                self.extents(source, &below, depth - 1, file)?;
                continue;
            }
            let length = fields.half(4);
            let block = u64::from(fields.half(6)) << 32 | u64::from(fields.word(8));
            let (at, blocks) = match length.checked_sub(INITIALIZED) {
                Some(more) if more > 0 => (None, more),
                _ => (Some(self.at(block)?), length),
            };
            let start = u64::from(fields.word(0)) * self.block_size;
            file.add(start, at, u64::from(blocks) * self.block_size)?;
        }
        Ok(())
    }

    /// Adds the pieces of a row of block numbers, each of which covers `span` bytes of the file:
    /// those of data where that is one block, else those of further rows.
    fn numbers<R: Read + Seek>(
        &self,
        source: &mut Source<R>,
        row: &[u8],
        span: u64,
        file: &mut Growing,
    ) -> Result<(), Error> {
        for number in row.chunks_exact(4) {
            if file.is_full() {
                break;
            }
            let block = u64::from(Fields(number).word(0));
            let start = file.end;
            if block == 0 {
                file.add(start, None, span)?;
            } else if span == self.block_size {
                file.add(start, Some(self.at(block)?), span)?;
            } else {
                let below = source.read(self.at(block)?, self.block_size as usize)?;
                self.numbers(source, &below, span / (self.block_size / 4), file)?;
            }
        }
        Ok(())
    }
}

/// The pieces of a file, as far as they are known.
struct Growing {
    pieces: Vec<Piece>,
    end: u64,
    size: u64,
}

impl Growing {
    fn is_full(&self) -> bool {
        self.end >= self.size
    }

    /// Adds a piece that starts at this position of the file, which is not before the end of the
    /// last one. What is between them is a hole.
    fn add(&mut self, start: u64, at: Option<u64>, length: u64) -> Result<(), Error> {
        let hole = start.checked_sub(self.end);
        let (Some(hole), Some(end)) = (hole, start.checked_add(length)) else {
            return Err(Error::wrong("a tree of extents", "is not in order"));
        };
        let hole = Piece {
            at: None,
            length: hole,
        };
        push(&mut self.pieces, hole)?;
        push(&mut self.pieces, Piece { at, length })?;
        self.end = end;
        Ok(())
    }
}

/// Adds the attributes of a row of entries, whose values are counted from the start of `values`.
fn add_xattrs(
    entries: &[u8],
    values: &[u8],
    found: &mut BTreeMap<String, Vec<u8>>,
) -> Result<(), Error> {
    let wrong = |problem: &str| Error::wrong("an extended attribute", problem);
    let mut rest = entries;
    while rest.len() >= XATTR_ENTRY && Fields(rest).word(0) != 0 {
        let fields = Fields(rest);
        let prefix = match fields.byte(1) {
            0 => "",
            1 => "user.",
            2 => "system.posix_acl_access",
            3 => "system.posix_acl_default",
            4 => "trusted.",
            6 => "security.",
            7 => "system.",
            8 => "system.richacl",
            number => return Err(wrong(&format!("has {number} for a prefix"))),
        };
        let end = XATTR_ENTRY + usize::from(fields.byte(0));
        let name = (rest.get(XATTR_ENTRY..end))
            .and_then(|name| std::str::from_utf8(name).ok())
            .filter(|name| !name.contains('\0'))
            .ok_or_else(|| wrong("has a name that is not text"))?;
        let name = format!("{prefix}{name}");
        // Values of their own inodes are long, and nobody asks for them here.
        if fields.word(4) == 0 {
            let start = usize::from(fields.half(2));
            let length = fields.word(8) as usize;
            let value = (start.checked_add(length))
                .filter(|_| length <= MAX_VALUE)
                .and_then(|end| values.get(start..end))
                .ok_or_else(|| wrong("has a value that is not there"))?;
            found.insert(name, value.to_vec());
        } else {
            found.insert(name, Vec::new());
        }
        rest = rest.get(end.next_multiple_of(4)..).unwrap_or_default();
    }
    Ok(())
}

impl<R: Read + Seek> Format<R> for Ext {
    fn root(&self) -> u64 {
        ROOT
    }

    fn inode(&mut self, source: &mut Source<R>, number: u64) -> Result<Inode, Error> {
        let raw = self.raw(source, number)?;
        let fields = Fields(&raw.bytes);
        let mode = fields.half(0);
        // A device's number is in one of the first two words, the older form in the first.
        let old = u32::from(Fields(raw.block()).half(0));
        let device = if old != 0 {
            old
        } else {
            Fields(raw.block()).word(4)
        };
        let kind = kind(mode, device)
            .ok_or_else(|| Error::wrong(format!("inode {number}"), "is of no kind of file"))?;
        let mut xattrs = self.xattrs(source, &raw)?;
        xattrs.remove(SYSTEM_DATA);
        let owner = |low: usize, high: usize| {
            u32::from(fields.half(high)) << 16 | u32::from(fields.half(low))
        };
        Ok(Inode {
            stat: Stat {
                mode: mode & 0o7777,
                uid: owner(2, 120),
                gid: owner(24, 122),
                mtime: fields.word(16),
                xattrs: xattrs.into(),
            },
            size: match kind {
                Kind::Special(_) => 0,
                _ => raw.size,
            },
            kind,
            is_plain: raw.flags & (ENCRYPTED | IN_INODE) == 0,
        })
    }

    fn pieces(&mut self, source: &mut Source<R>, number: u64) -> Result<Vec<Piece>, Error> {
        let raw = self.raw(source, number)?;
        let unsupported = |what: &str| Error::Unsupported(format!("inode {number} {what}"));
        if raw.flags & ENCRYPTED != 0 {
            return Err(unsupported("is encrypted"));
        }
        if raw.is_directory && raw.size % self.block_size != 0 {
            let place = format!("directory {number}");
            return Err(Error::wrong(place, "does not have whole blocks"));
        }
        if raw.flags & IN_INODE != 0 {
            return Err(unsupported("has its data in the inode"));
        }
        let mut file = Growing {
            pieces: Vec::new(),
            end: 0,
            size: raw.size,
        };
        if raw.is_short_link() {
            let at = self.place(source, number)? + BLOCK.start as u64;
            file.add(0, Some(at), raw.size)?;
        } else if raw.flags & EXTENTS != 0 {
            let depth = Fields(raw.block()).half(6);
            if depth > MAX_DEPTH {
                return Err(Error::wrong("a tree of extents", "is too deep"));
            }
            self.extents(source, raw.block(), depth, &mut file)?;
        } else {
            let (direct, others) = raw.block().split_at(DIRECT * 4);
            self.numbers(source, direct, self.block_size, &mut file)?;
            let mut span = self.block_size;
            for row in others.chunks_exact(4) {
                span = span.saturating_mul(self.block_size / 4);
                self.numbers(source, row, span, &mut file)?;
            }
        }
        Ok(file.pieces)
    }

    fn names(&self, number: u64, data: &[u8]) -> Result<Vec<(PathBytes, u64)>, Error> {
        let wrong = |problem: &str| Error::wrong(format!("directory {number}"), problem);
        let mut names = Vec::new();
        for block in data.chunks(self.block_size as usize) {
            let mut rest = block;
            while rest.len() >= ENTRY_SIZE {
                let fields = Fields(rest);
                let end = ENTRY_SIZE + usize::from(fields.byte(6));
                // 64 KiB do not fit into the field.
                let length = match usize::from(fields.half(4)) {
                    0 | 0xffff => rest.len(),
                    length => length,
                };
                if length < ENTRY_SIZE || length > rest.len() || end > length {
                    return Err(wrong("has an entry that is not in its block"));
                }
                let inode = fields.word(0);
                if inode != 0 {
                    let name = &rest[ENTRY_SIZE..end];
                    names.push((PathBytes::from(name), inode.into()));
                }
                rest = &rest[length..];
            }
        }
        Ok(names)
    }
}
