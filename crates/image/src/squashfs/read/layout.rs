//! Where an image's tables are, checked against each other and against the image's length.

use super::error::ReadError;
use crate::squashfs::format::{BLOCK_SIZES, METADATA_SIZE, NO_TABLE, SUPERBLOCK_SIZE, Superblock};

/// Length of the superblock in bytes, as an offset: nothing can be stored before it.
pub(super) const FIRST_BYTE: u64 = SUPERBLOCK_SIZE as u64;
/// Length of one entry of the fragment table, in bytes.
const FRAGMENT_ENTRY: u64 = 16;
/// Length of one entry of the id table, in bytes.
const ID_ENTRY: u64 = 4;
/// Length of one entry of the xattr id table, in bytes.
const XATTR_ENTRY: u64 = 16;
/// Length of what precedes the index of the xattr id table, in bytes.
pub(super) const XATTR_HEADER: u64 = 16;

/// A run of metadata blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Table {
    /// What the format calls it, for messages.
    pub(super) name: &'static str,
    /// Offset of the first block.
    pub(super) start: u64,
    /// Offset behind the last block. A block that reaches over it is an error.
    pub(super) end: u64,
}

/// A table of entries of one length, found by number: an array of offsets of metadata blocks, each
/// full of entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lookup {
    /// Where its metadata blocks may be.
    pub(super) blocks: Table,
    /// Offset of the array of block offsets.
    index: u64,
    /// How many entries there are.
    pub(super) count: u32,
    entry_size: u64,
}

impl Lookup {
    /// Describes a table whose index, at `index`, has to end before `end`.
    fn new(
        blocks: Table,
        index: u64,
        count: u32,
        entry_size: u64,
        end: u64,
    ) -> Result<Self, ReadError> {
        let block_count = (u64::from(count) * entry_size).div_ceil(METADATA_SIZE as u64);
        if index
            .checked_add(8 * block_count)
            .is_none_or(|index_end| index_end > end)
        {
            return Err(ReadError::Superblock(format!(
                "{} at offset {index} has no room for {count} entries before offset {end}",
                blocks.name
            )));
        }
        Ok(Self {
            blocks,
            index,
            count,
            entry_size,
        })
    }

    /// Returns the offset where the metadata block with entry `number` is told, and the entry's
    /// position in that block; `None` if there is no such entry.
    pub(super) fn locate(&self, number: u32) -> Option<(u64, u16)> {
        if number >= self.count {
            return None;
        }
        let byte = u64::from(number) * self.entry_size;
        let block = byte / METADATA_SIZE as u64;
        let offset = u16::try_from(byte % METADATA_SIZE as u64).ok()?;
        Some((self.index + 8 * block, offset))
    }
}

/// The tables of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Layout {
    pub(super) block_size: u32,
    /// Length of the image without padding, in bytes.
    pub(super) bytes_used: u64,
    pub(super) inode_count: u32,
    pub(super) root_inode: u64,
    pub(super) inodes: Table,
    pub(super) directories: Table,
    pub(super) fragments: Lookup,
    pub(super) ids: Lookup,
    /// Offset of the xattr table's header, if there is one.
    pub(super) xattrs: Option<u64>,
}

impl Layout {
    /// Checks the superblock of an input of `length` bytes.
    pub(super) fn new(superblock: &Superblock, length: u64) -> Result<Self, ReadError> {
        let wrong = |problem| Err(ReadError::Superblock(problem));
        let block_size = superblock.block_size;
        if !BLOCK_SIZES.contains(&block_size) || !block_size.is_power_of_two() {
            return wrong(format!(
                "block size {block_size} is not a power of two from {} to {}",
                BLOCK_SIZES.start(),
                BLOCK_SIZES.end()
            ));
        }
        let bytes_used = superblock.bytes_used;
        if bytes_used > length {
            return wrong(format!(
                "the image should have {bytes_used} bytes, but has {length}"
            ));
        }
        if superblock.id_count == 0 {
            return wrong("there is no id, so no inode can have an owner".to_owned());
        }

        // Each table has to start behind the one before and ends where the next one starts.
        let tables = [
            ("inode table", superblock.inode_table, true),
            ("directory table", superblock.directory_table, true),
            (
                "fragment table",
                superblock.fragment_table,
                superblock.fragment_count > 0,
            ),
            (
                "export table",
                superblock.export_table,
                superblock.export_table != NO_TABLE,
            ),
            ("id table", superblock.id_table, true),
            (
                "xattr table",
                superblock.xattr_table,
                superblock.xattr_table != NO_TABLE,
            ),
        ];
        let mut before = ("superblock", FIRST_BYTE - 1);
        for (name, start, _) in tables.into_iter().filter(|(_, _, present)| *present) {
            if start <= before.1 || start >= bytes_used {
                return wrong(format!(
                    "{name} at offset {start} is not between {} at {} and the end at {bytes_used}",
                    before.0, before.1
                ));
            }
            before = (name, start);
        }
        let end_of = |start| {
            tables
                .iter()
                .filter(|(_, _, present)| *present)
                .map(|(_, next, _)| *next)
                .find(|next| *next > start)
                .unwrap_or(bytes_used)
        };
        let table = |name, start| Table {
            name,
            start,
            end: end_of(start),
        };
        let lookup = |name, index, count, entry_size| {
            // The blocks of such a table precede its index.
            let blocks = Table {
                name,
                start: FIRST_BYTE,
                end: index,
            };
            Lookup::new(blocks, index, count, entry_size, end_of(index))
        };
        Ok(Self {
            block_size,
            bytes_used,
            inode_count: superblock.inode_count,
            root_inode: superblock.root_inode,
            inodes: table("inode table", superblock.inode_table),
            directories: table("directory table", superblock.directory_table),
            fragments: match superblock.fragment_count {
                // The offset means nothing then; some writers put `NO_TABLE` there.
                0 => lookup("fragment table", FIRST_BYTE, 0, FRAGMENT_ENTRY)?,
                count => lookup(
                    "fragment table",
                    superblock.fragment_table,
                    count,
                    FRAGMENT_ENTRY,
                )?,
            },
            ids: lookup(
                "id table",
                superblock.id_table,
                superblock.id_count.into(),
                ID_ENTRY,
            )?,
            xattrs: (superblock.xattr_table != NO_TABLE).then_some(superblock.xattr_table),
        })
    }

    /// Describes the xattr id table, whose header at `header` has been read.
    pub(super) fn xattr_ids(
        &self,
        header: u64,
        start: u64,
        count: u32,
    ) -> Result<Lookup, ReadError> {
        if start < FIRST_BYTE || start > header {
            return Err(ReadError::Superblock(format!(
                "xattr table at offset {header} says that it starts at {start}"
            )));
        }
        let blocks = Table {
            name: "xattr table",
            start,
            end: header,
        };
        let index = header.saturating_add(XATTR_HEADER);
        Lookup::new(blocks, index, count, XATTR_ENTRY, self.bytes_used)
    }
}
