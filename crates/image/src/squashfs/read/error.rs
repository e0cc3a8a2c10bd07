//! Why an image could not be read.

use std::io;

use files::PathBytes;

use crate::budget::TooLarge;

/// Why an image could not be read. Offsets are bytes from the start of the image.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The input failed.
    #[error("can't read {length} bytes at offset {offset}: {source}")]
    Input {
        /// Where reading started.
        offset: u64,
        /// How many bytes were wanted.
        length: usize,
        /// What the input said.
        source: io::Error,
    },
    /// The superblock, at offset 0, is not one of SquashFS 4.0, or contradicts itself or the
    /// length of the input.
    #[error("superblock: {0}")]
    Superblock(String),
    /// The image uses a compressor that is not built in.
    #[error(
        "superblock: compressor {number} ({name}) is not supported, only gzip, xz, lz4, lzo and zstd"
    )]
    Compressor {
        /// Its number in the superblock.
        number: u16,
        /// The name SquashFS gives it.
        name: &'static str,
    },
    /// A block, metadata, data or fragment, is not where it should be or does not unpack.
    #[error("block at offset {offset}: {problem}")]
    Block {
        /// Where the block starts.
        offset: u64,
        /// What is wrong with it.
        problem: String,
    },
    /// A table holds what it can't.
    #[error("{table}, byte {byte} of the metadata block at offset {block}: {problem}")]
    Table {
        /// Name of the table, such as `inode table`.
        table: &'static str,
        /// Where the metadata block starts.
        block: u64,
        /// Position in the unpacked block.
        byte: usize,
        /// What is wrong there.
        problem: String,
    },
    /// What a directory says of a name is wrong.
    #[error("directory {directory:?}: {problem}")]
    Directory {
        /// Path of the directory; the root's is empty.
        directory: PathBytes,
        /// What is wrong with one of its entries. Bytes that are not UTF-8 are escaped.
        problem: String,
    },
    /// The inode at a path can't be read.
    #[error("{path:?}: {problem}")]
    Path {
        /// Path of the inode; the root's is empty.
        path: PathBytes,
        /// What is wrong.
        problem: Box<ReadError>,
    },
    /// The tree is larger than an image of this length has a right to.
    #[error("the tree takes more than {limit} bytes of memory")]
    TooLarge {
        /// The limit for this image.
        limit: u64,
    },
    /// The content id is not one that the image's tree holds.
    #[error("the image has no content {0}")]
    NoContent(String),
}

impl ReadError {
    /// Adds the path of the inode that was being read.
    pub(super) fn at(self, path: &PathBytes) -> Self {
        Self::Path {
            path: path.clone(),
            problem: Box::new(self),
        }
    }
}

impl From<TooLarge> for ReadError {
    fn from(TooLarge { limit }: TooLarge) -> Self {
        Self::TooLarge { limit }
    }
}

impl From<ReadError> for io::Error {
    /// Keeps the kind of an input's error; everything else is `InvalidData`.
    fn from(error: ReadError) -> Self {
        let kind = match &error {
            ReadError::Input { source, .. } => source.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}
