//! Reading an image, no matter who made it.
//!
//! The image may be hostile. Whatever its bytes are, reading ends with a value or an error: each
//! offset is checked against the table it belongs to, each length against what is there before
//! memory is taken for it, and the whole tree against a budget that grows with the image. What two
//! readers could understand in two ways, such as unsorted directories or an inode number in two
//! places, is an error and not a guess.
//!
//! Contents are another matter: holes cost nothing, so a few kilobytes can hold files of any
//! number of terabytes. [`Contents`] delivers them without taking memory, and a reader of them
//! all should look at the sizes in the tree first.
//!
//! | module | holds |
//! |---|---|
//! | `layout` | where the tables are, from the superblock |
//! | `storage` | blocks by offset, unpacked; the cursor over metadata |
//! | `inode`, `xattr` | inodes and extended attributes |
//! | `walk` | directories, and with them the tree |
//! | `contents` | the bytes of a file |

mod contents;
mod error;
mod inode;
mod layout;
mod storage;
mod walk;
mod xattr;

use std::io::{Read, Seek, SeekFrom};

pub use contents::Contents;
pub use error::ReadError;

use self::inode::{Inode, Kind};
use self::layout::Layout;
use self::storage::{Storage, read_at};
use self::xattr::Xattrs;
use super::again::{BlockKind, StoredBlock};
use super::compressors::{Compressor, Decoder, NoDecoder};
use super::format::{BLOCK_RAW, FLAG_COMPRESSOR_OPTIONS, SUPERBLOCK_SIZE, Superblock};
use crate::content::ContentId;
use crate::tree::Tree;

/// What the superblock says of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Name of the compressor: `gzip`, `xz`, `lz4`, `lzo` or `zstd`.
    pub compressor: &'static str,
    /// Size of an unpacked data block, in bytes.
    pub block_size: u32,
    /// Length of the image without its padding, in bytes.
    pub bytes_used: u64,
    /// When the image was made, in seconds since 1970.
    pub mkfs_time: u32,
    /// Number of inodes; hard links are one.
    pub inode_count: u32,
    /// Number of fragment blocks.
    pub fragment_count: u32,
}

/// What the first bytes of an image say, whether or not it can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Name of the compressor, among those that have a number in the format; `unknown` for others.
    pub compressor: &'static str,
    /// Length of the image without its padding, in bytes.
    pub bytes_used: u64,
}

impl Outline {
    /// Reads the superblock at the start of `bytes`; `None` where there is none of SquashFS 4.0.
    pub fn of(bytes: &[u8]) -> Option<Self> {
        /// Compressors by their number in the superblock.
        const COMPRESSORS: [&str; 7] = ["unknown", "gzip", "lzma", "lzo", "xz", "lz4", "zstd"];
        let superblock = Superblock::parse(bytes.first_chunk()?).ok()?;
        let name = COMPRESSORS.get(usize::from(superblock.compressor));
        Some(Self {
            compressor: name.unwrap_or(&COMPRESSORS[0]),
            bytes_used: superblock.bytes_used,
        })
    }
}

/// An image that is read. It needs [`Seek`] and does its own buffering.
pub struct Image<R> {
    facts: Facts,
    /// Options of the compressor follow the superblock.
    has_options: bool,
    storage: Storage<R>,
    /// The id table: owners and groups by the index that inodes have.
    ids: Vec<u32>,
    xattrs: Option<Xattrs>,
}

impl<R: Read + Seek> Image<R> {
    /// Reads superblock and id table of an image that starts at offset 0 of `input` and may be
    /// followed by anything.
    pub fn open(mut input: R) -> Result<Self, ReadError> {
        let length = input
            .seek(SeekFrom::End(0))
            .map_err(|source| ReadError::Input {
                offset: 0,
                length: 0,
                source,
            })?;
        if length < layout::FIRST_BYTE {
            return Err(ReadError::Superblock(format!(
                "has {SUPERBLOCK_SIZE} bytes, but the input only {length}"
            )));
        }
        let bytes = read_at(&mut input, 0, SUPERBLOCK_SIZE)?;
        let superblock = bytes
            .first_chunk()
            .ok_or("is cut off")
            .and_then(Superblock::parse)
            .map_err(|problem| ReadError::Superblock(problem.to_owned()))?;
        let layout = Layout::new(&superblock, length)?;
        let decoder =
            Decoder::new(superblock.compressor, superblock.block_size).map_err(|problem| {
                match problem {
                    NoDecoder::Unsupported(name) => ReadError::Compressor {
                        number: superblock.compressor,
                        name,
                    },
                    NoDecoder::NoMemory(name) => {
                        ReadError::Superblock(format!("no memory for {name}"))
                    }
                }
            })?;
        let mut storage = Storage::new(input, layout, decoder);
        let xattrs = Xattrs::open(&mut storage)?;
        let mut ids = Vec::new();
        for number in 0..layout.ids.count {
            ids.push(storage.entry(&layout.ids, number)?.u32(&mut storage)?);
        }
        Ok(Self {
            facts: Facts {
                compressor: storage.compressor(),
                block_size: superblock.block_size,
                bytes_used: superblock.bytes_used,
                mkfs_time: superblock.mkfs_time,
                inode_count: superblock.inode_count,
                fragment_count: superblock.fragment_count,
            },
            has_options: superblock.flags & FLAG_COMPRESSOR_OPTIONS != 0,
            storage,
            ids,
            xattrs,
        })
    }

    /// Returns what the superblock says.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Reads all directories, inodes and extended attributes.
    ///
    /// Contents are not read. Each file's [`ContentId`] says where its bytes are stored: equal ids
    /// are stored once. Such an id means something to [`content`](Self::content) of this image
    /// only; [`Tree::map_contents`] can put digests in their place.
    pub fn tree(&mut self) -> Result<Tree, ReadError> {
        walk::read_tree(&mut self.storage, &self.ids, self.xattrs.as_ref())
    }

    /// Returns where the blocks of compressed contents are, sorted: offset and length in bytes of each
    /// data block of a file in the [`tree`](Self::tree), and of each fragment block. In a hostile
    /// image they may overlap.
    pub fn blocks(&mut self) -> Result<Vec<(u64, u32)>, ReadError> {
        let blocks = self.data_blocks()?.into_iter();
        Ok(blocks.map(|block| (block.start, block.length)).collect())
    }

    /// Returns the same, and the blocks of the tables of inodes and directories, sorted. What does not
    /// look like a block of a table ends it, and so does the 1 048 576th block.
    pub fn stored(&mut self) -> Result<Vec<StoredBlock>, ReadError> {
        let mut blocks = self.data_blocks()?;
        self.storage.add_tables(&mut blocks);
        blocks.sort_unstable();
        Ok(blocks)
    }

    fn data_blocks(&mut self) -> Result<Vec<StoredBlock>, ReadError> {
        let mut blocks = walk::read_blocks(&mut self.storage, &self.ids, self.xattrs.as_ref())?;
        for number in 0..self.facts.fragment_count {
            blocks.push(self.storage.fragment_place(number)?);
        }
        let stored = |(start, word): (u64, u32)| StoredBlock {
            start,
            length: word & !BLOCK_RAW,
            kind: match word & BLOCK_RAW {
                0 => BlockKind::Data,
                _ => BlockKind::Raw,
            },
        };
        let mut blocks: Vec<_> = blocks.into_iter().map(stored).collect();
        blocks.sort_unstable();
        blocks.dedup();
        Ok(blocks)
    }

    /// Returns the compressor with its level, as far as the image says it. What a writer does not say
    /// is its default.
    pub fn compressor(&mut self) -> Option<Compressor> {
        let options = match self.has_options {
            true => self.storage.options(),
            false => None,
        };
        let level = options.and_then(|bytes| Some(u32::from_le_bytes(*bytes.first_chunk()?)));
        let text = match (self.facts.compressor, level) {
            (name @ ("gzip" | "zstd"), Some(level)) => format!("{name}:{level}"),
            (name, _) => name.to_owned(),
        };
        text.parse().ok()
    }

    /// Returns a stream of the bytes behind an id of this image's [`tree`](Self::tree).
    pub fn content(&mut self, id: &ContentId) -> Result<Contents<'_, R>, ReadError> {
        let no_content = || ReadError::NoContent(id.to_string());
        let reference = id.place().ok_or_else(no_content)?;
        match Inode::read(&mut self.storage, &self.ids, reference)?.kind {
            Kind::File(file) => Ok(Contents::new(&mut self.storage, file)),
            _ => Err(no_content()),
        }
    }
}
