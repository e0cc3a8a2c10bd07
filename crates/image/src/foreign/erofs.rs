//! EROFS: what mkfs.erofs writes, and systemd-repart through it.
//!
//! An inode is 32 or 64 bytes in slots of 32 from the metadata's first block on; its extended
//! attributes follow it, then the last part of its data, where that is stored inline. A directory
//! is blocks, each of which begins with its entries and goes on with their names.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use files::PathBytes;

use super::pieces::{Piece, push};
use super::source::Source;
use super::{Error, Fields, Format, Inode, Kind, MAX_VALUE, kind};
use crate::tree::Stat;

/// Where the superblock is.
const SUPERBLOCK: u64 = 1024;
const SUPERBLOCK_SIZE: usize = 128;
const MAGIC: u32 = 0xe0f5_e1e2;
/// Sizes of blocks as base 2 logarithms.
const BLOCK_BITS: std::ops::RangeInclusive<u8> = 9..=16;
/// Incompatible features that are read, or concern nothing but compressed contents and the names of
/// attributes, which say so themselves. The others change what the other fields mean.
const FEATURES: u32 = 0x7f;
/// Size of a slot for an inode, in bytes.
const SLOT: u64 = 32;
/// Length of the two forms of an inode in bytes.
const COMPACT_SIZE: u64 = 32;
const EXTENDED_SIZE: u64 = 64;
/// Set in an inode's format: it is of the longer form.
const EXTENDED: u16 = 1;
/// How data are arranged.
const PLAIN: u16 = 0;
const INLINE: u16 = 2;
const CHUNKS: u16 = 4;
/// Set in the format of chunks: each has an index of eight bytes.
const CHUNK_INDEXES: u32 = 0x20;
/// Stands for a chunk that is a hole.
const HOLE: u32 = u32::MAX;
/// Length of an entry of a directory without its name, in bytes.
const ENTRY_SIZE: usize = 12;
/// Length of the header of inline attributes, in bytes.
const XATTR_HEADER: u64 = 12;
/// Length of what precedes an attribute's name, in bytes.
const XATTR_ENTRY: usize = 4;
/// Set in the number of a prefix: it is one of a table in the image.
const LONG_PREFIX: u8 = 0x80;
/// Chunks whose places are read at once.
const CHUNKS_AT_ONCE: u64 = 4096;

/// What the superblock says.
pub(super) struct Erofs {
    block_bits: u8,
    root: u64,
    build_time: u64,
    blocks: u32,
    /// Where inodes are counted from, in bytes.
    inodes: u64,
    /// Where shared attributes are counted from, in bytes.
    shared: u64,
}

/// An inode as its slots tell it.
struct Raw {
    /// Its format without the bit for the longer form.
    layout: u16,
    mode: u16,
    size: u64,
    /// First block, device number or form of chunks.
    union: u32,
    stat: Stat,
    /// Where its attributes are, and how many bytes they take.
    xattrs: (u64, u64),
}

impl Raw {
    /// Returns where data that are stored inline begin.
    fn inline(&self) -> u64 {
        self.xattrs.0.saturating_add(self.xattrs.1)
    }
}

impl Erofs {
    pub(super) fn open<R: Read + Seek>(source: &mut Source<R>) -> Result<Self, Error> {
        let bytes = source.read(SUPERBLOCK, SUPERBLOCK_SIZE)?;
        let fields = Fields(&bytes);
        let wrong = |problem: &str| Error::wrong("superblock of EROFS", problem);
        if fields.word(0) != MAGIC {
            return Err(wrong("is not there"));
        }
        let block_bits = fields.byte(12);
        if !BLOCK_BITS.contains(&block_bits) {
            return Err(wrong("has a size of blocks that is none"));
        }
        let features = fields.word(80);
        if features & !FEATURES != 0 {
            let problem = format!("EROFS with the features {features:#x}");
            return Err(Error::Unsupported(problem));
        }
        Ok(Self {
            block_bits,
            root: fields.half(14).into(),
            build_time: fields.long(24),
            blocks: fields.word(36),
            inodes: u64::from(fields.word(40)) << block_bits,
            shared: u64::from(fields.word(44)) << block_bits,
        })
    }

    /// Returns the length in bytes.
    pub(super) fn length(&self) -> u64 {
        u64::from(self.blocks) << self.block_bits
    }

    fn block_size(&self) -> u64 {
        1 << self.block_bits
    }

    fn raw<R: Read + Seek>(&self, source: &mut Source<R>, number: u64) -> Result<Raw, Error> {
        let at = number
            .checked_mul(SLOT)
            .and_then(|offset| offset.checked_add(self.inodes))
            .ok_or_else(|| Error::wrong(format!("inode {number}"), "is not in the image"))?;
        let first = source.read(at, 2)?;
        let format = Fields(&first).half(0);
        let is_extended = format & EXTENDED != 0;
        let size = if is_extended {
            EXTENDED_SIZE
        } else {
            COMPACT_SIZE
        };
        let bytes = source.read(at, size as usize)?;
        let fields = Fields(&bytes);
        let count = u64::from(fields.half(2));
        let xattr_size = count.checked_sub(1).map_or(0, |n| XATTR_HEADER + 4 * n);
        let mode = fields.half(4);
        let (uid, gid, mtime, size_of_data) = if is_extended {
            (
                fields.word(24),
                fields.word(28),
                fields.long(32),
                fields.long(8),
            )
        } else {
            let owners = (fields.half(24).into(), fields.half(26).into());
            (owners.0, owners.1, self.build_time, fields.word(8).into())
        };
        Ok(Raw {
            layout: format >> 1 & 7,
            mode,
            size: size_of_data,
            union: fields.word(16),
            stat: Stat {
                mode: mode & 0o7777,
                uid,
                gid,
                mtime: u32::try_from(mtime).unwrap_or(u32::MAX),
                ..Stat::default()
            },
            xattrs: (at + size, xattr_size),
        })
    }

    /// Reads the attributes of an inode.
    fn xattrs<R: Read + Seek>(
        &self,
        source: &mut Source<R>,
        (at, length): (u64, u64),
    ) -> Result<BTreeMap<String, Vec<u8>>, Error> {
        let mut found = BTreeMap::new();
        if length == 0 {
            return Ok(found);
        }
        // At most 65 535 words of four bytes.
        let bytes = source.read(at, length as usize)?;
        let shared = usize::from(bytes[4]);
        let header = XATTR_HEADER as usize;
        for number in 0..shared {
            let place = Fields(&bytes).word(header + 4 * number);
            let at = self.shared.saturating_add(u64::from(place) * 4);
            let head = source.read(at, XATTR_ENTRY)?;
            let length = entry_length(Fields(&head));
            let entry = source.read(at, length)?;
            add_xattr(&entry, &mut found)?;
        }
        let mut rest = bytes.get(header + 4 * shared..).unwrap_or_default();
        while rest.len() >= XATTR_ENTRY {
            let length = entry_length(Fields(rest));
            // The end is padded with zeros.
            if length == XATTR_ENTRY {
                break;
            }
            let Some(entry) = rest.get(..length) else {
                return Err(Error::wrong(
                    format!("extended attributes at offset {at}"),
                    "are cut off",
                ));
            };
            add_xattr(entry, &mut found)?;
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        }
        Ok(found)
    }

    /// Returns where the chunks of a file are.
    fn chunks<R: Read + Seek>(
        &self,
        source: &mut Source<R>,
        number: u64,
        raw: &Raw,
    ) -> Result<Vec<Piece>, Error> {
        let bits = u32::from(self.block_bits) + (raw.union & 0x1f);
        let has_indexes = raw.union & CHUNK_INDEXES != 0;
        let entry = if has_indexes { 8 } else { 4 };
        let start = raw.inline().next_multiple_of(entry);
        let mut pieces = Vec::new();
        let chunk = 1_u64 << bits;
        let mut left = raw.size;
        let mut index = 0;
        while left > 0 {
            let count = left.div_ceil(chunk).min(CHUNKS_AT_ONCE);
            let bytes = source.read(start + index * entry, (count * entry) as usize)?;
            for one in bytes.chunks_exact(entry as usize) {
                let fields = Fields(one);
                let (device, block) = match has_indexes {
                    true => (fields.half(2), fields.word(4)),
                    false => (0, fields.word(0)),
                };
                if device != 0 {
                    let problem = format!("inode {number} has data on another device");
                    return Err(Error::Unsupported(problem));
                }
                let at = (block != HOLE).then(|| u64::from(block) << self.block_bits);
                let length = left.min(chunk);
                push(&mut pieces, Piece { at, length })?;
                left -= length;
            }
            index += count;
        }
        Ok(pieces)
    }
}

/// Returns the length of an attribute with its name and value.
fn entry_length(fields: Fields<'_>) -> usize {
    XATTR_ENTRY + usize::from(fields.byte(0)) + usize::from(fields.half(2))
}

/// Adds an attribute to those that were read.
fn add_xattr(entry: &[u8], found: &mut BTreeMap<String, Vec<u8>>) -> Result<(), Error> {
    let fields = Fields(entry);
    let prefix = match fields.byte(1) {
        1 => "user.",
        2 => "system.posix_acl_access",
        3 => "system.posix_acl_default",
        4 => "trusted.",
        6 => "security.",
        number if number & LONG_PREFIX != 0 => {
            return Err(Error::Unsupported(
                "an extended attribute has a prefix of the image's own".to_owned(),
            ));
        }
        number => {
            return Err(Error::wrong(
                "an extended attribute",
                format!("has {number} for a prefix"),
            ));
        }
    };
    let end = XATTR_ENTRY + usize::from(fields.byte(0));
    let name = entry.get(XATTR_ENTRY..end).unwrap_or_default();
    let value = entry.get(end..).unwrap_or_default();
    match std::str::from_utf8(name) {
        Ok(name) if !name.contains('\0') && value.len() <= MAX_VALUE => {
            found.insert(format!("{prefix}{name}"), value.to_vec());
            Ok(())
        }
        _ => Err(Error::wrong(
            "an extended attribute",
            format!("has a name that is not text: {}", name.escape_ascii()),
        )),
    }
}

impl<R: Read + Seek> Format<R> for Erofs {
    fn root(&self) -> u64 {
        self.root
    }

    fn inode(&mut self, source: &mut Source<R>, number: u64) -> Result<Inode, Error> {
        let raw = self.raw(source, number)?;
        let kind = kind(raw.mode, raw.union)
            .ok_or_else(|| Error::wrong(format!("inode {number}"), "is of no kind of file"))?;
        let mut stat = raw.stat.clone();
        stat.xattrs = self.xattrs(source, raw.xattrs)?.into();
        Ok(Inode {
            size: match kind {
                Kind::Special(_) => 0,
                _ => raw.size,
            },
            is_plain: matches!(raw.layout, PLAIN | INLINE | CHUNKS),
            stat,
            kind,
        })
    }

    fn pieces(&mut self, source: &mut Source<R>, number: u64) -> Result<Vec<Piece>, Error> {
        let raw = self.raw(source, number)?;
        let start = u64::from(raw.union) << self.block_bits;
        let piece = |at, length| Piece {
            at: Some(at),
            length,
        };
        let mut pieces = Vec::new();
        match raw.layout {
            PLAIN => push(&mut pieces, piece(start, raw.size))?,
            INLINE => {
                let blocks = raw.size.div_ceil(self.block_size()).saturating_sub(1);
                let whole = blocks << self.block_bits;
                push(&mut pieces, piece(start, whole))?;
                push(&mut pieces, piece(raw.inline(), raw.size - whole))?;
            }
            CHUNKS => pieces = self.chunks(source, number, &raw)?,
            _ => {
                let problem = format!("inode {number} is compressed");
                return Err(Error::Unsupported(problem));
            }
        }
        Ok(pieces)
    }

    fn names(&self, number: u64, data: &[u8]) -> Result<Vec<(PathBytes, u64)>, Error> {
        let wrong = |problem: &str| Error::wrong(format!("directory {number}"), problem);
        let mut names = Vec::new();
        for block in data.chunks(1 << self.block_bits) {
            let fields = Fields(block);
            let count = usize::from(fields.half(8)) / ENTRY_SIZE;
            let starts = |index: usize| match index < count {
                true => usize::from(fields.half(index * ENTRY_SIZE + 8)),
                false => block.len(),
            };
            if count == 0 || starts(0) != count * ENTRY_SIZE || starts(0) > block.len() {
                return Err(wrong("has a block without entries"));
            }
            for index in 0..count {
                let name = block
                    .get(starts(index)..starts(index + 1))
                    .ok_or_else(|| wrong("has a name that is not in it"))?;
                // The last one ends with the block, or with a zero.
                let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
                names.push((PathBytes::from(name), fields.long(index * ENTRY_SIZE)));
            }
        }
        Ok(names)
    }
}
