//! Why an image could not be written.

use std::io;

use files::PathBytes;

use crate::content::ContentId;

/// Why an image could not be written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The caller's reader failed. The error is the reader's own, as it came.
    #[error(transparent)]
    Content(io::Error),
    /// The output could not be written or sought.
    #[error("cannot write the image: {0}")]
    Output(#[source] io::Error),
    /// A content ended before its declared size.
    #[error("content {id} ends after {read} bytes, not {size}")]
    ContentShort {
        /// The content.
        id: ContentId,
        /// Declared size in bytes.
        size: u64,
        /// Bytes that were there.
        read: u64,
    },
    /// A content was added a second time.
    #[error("content {0} is already in the image")]
    ContentKnown(ContentId),
    /// What was put is not the blocks of its contents.
    #[error("blocks that were packed before are not those of their contents")]
    Unit,
    /// A file of the tree names a content that was never added.
    #[error("{path:?}: content {id} was never added")]
    ContentMissing {
        /// Path of the file.
        path: PathBytes,
        /// The content it names.
        id: ContentId,
    },
    /// A file of the tree and its content have different sizes.
    #[error("{path:?} has {size} bytes, but its content {id} has {stored}")]
    ContentSize {
        /// Path of the file.
        path: PathBytes,
        /// The content it names.
        id: ContentId,
        /// The file's size in bytes.
        size: u64,
        /// The content's size in bytes.
        stored: u64,
    },
    /// The tree holds something that a system extension may not, or that SquashFS cannot store.
    #[error("{path:?} {problem}")]
    Inode {
        /// Path of the inode.
        path: PathBytes,
        /// What is wrong with it, completing a sentence that starts with the path.
        problem: &'static str,
    },
    /// An extended attribute cannot be stored.
    #[error("{path:?}: extended attribute {name:?} {problem}")]
    Xattr {
        /// Path of the inode.
        path: PathBytes,
        /// Full name of the attribute.
        name: String,
        /// What is wrong with it, completing the sentence.
        problem: &'static str,
    },
    /// The image would have more of something than the format can count.
    #[error("the image has too many {0}")]
    TooMany(&'static str),
    /// The block size is not a power of two from 4096 to 1048576.
    #[error("block size {0} is not a power of two from 4096 to 1048576")]
    BlockSize(u32),
    /// There is no worker.
    #[error("the number of workers is 0")]
    NoWorkers,
    /// The text does not name a compressor, or its level is out of range.
    #[error(
        "{0:?} is not a compressor: expected gzip[:1-9], xz[:0-9], lz4 or zstd[:1-22], the number being the level"
    )]
    Compressor(String),
    /// A compressor failed.
    #[error("{compressor}: {problem}")]
    Compression {
        /// The compressor's name.
        compressor: &'static str,
        /// What it said.
        problem: String,
    },
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    /// The packer was used after an error; the image is incomplete.
    #[error("the packer was used after an error")]
    Abandoned,
}
