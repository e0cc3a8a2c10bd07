//! SquashFS 4.0, little endian: a writer that is fed file contents as they come, and a reader.
//!
//! [`Packer`] takes contents one after the other, each under its [`ContentId`](crate::ContentId),
//! and compresses them block by block. Once all are in, [`Packer::finish`] takes the
//! [`Tree`](crate::Tree), writes the tables that describe it and puts the superblock in front.
//! Nothing is staged on disk, and memory holds a bounded number of blocks.
//!
//! The same contents in the same order, the same tree and the same compressor and block size give
//! the same bytes. The number of workers is not in them: one worker compresses on the calling
//! thread, which is the reference for what the others write.
//!
//! | module | holds |
//! |---|---|
//! | `format` | constants and the superblock |
//! | `pack` | [`Packer`]: contents to blocks and fragment blocks |
//! | `workers` | the threads that compress blocks |
//! | `blocks` | the blocks of one image, and their order |
//! | `place` | the output: where a block goes |
//! | `probes` | marks of other file systems that must not appear in an image |
//! | `compressors`, `lzo` | the four compressors, both ways, and a fifth that is only read |
//! | `zstd`, `survey` | blocks as Zstandard frames; what a block's bytes say about how to make one |
//! | `contents` | which contents are packed, and where |
//! | `filling` | where small contents are cut into fragment blocks |
//! | `unit` | what can go from one image into another as it is |
//! | `spent` | what it all took, for people |
//! | `metadata` | metadata blocks and the lookup tables made of them |
//! | `inodes`, `directory` | the inode table and the directory table |
//! | `xattr` | the xattr table |
//! | `read` | [`Image`]: the way back, from images that may be hostile |
//!
//! Source of the format: the kernel's `fs/squashfs/squashfs_fs.h`, and the description that
//! squashfs-tools-ng keeps (`doc/format.adoc`).

mod again;
mod blocks;
mod compressors;
mod contents;
mod directory;
mod error;
mod filling;
mod format;
mod inodes;
mod lzo;
mod metadata;
mod pack;
mod place;
mod probes;
mod read;
#[cfg(test)]
mod samples;
mod spent;
mod survey;
mod unit;
mod workers;
mod xattr;
mod zstd;

pub use again::{BlockKind, Codec, PACKER, StoredBlock};
pub use compressors::Compressor;
pub use error::Error;
pub use filling::Filling;
pub use pack::{Finished, Options, Packer, Summary};
pub use read::{Contents, Facts, Image, Outline, ReadError};
pub use spent::{Busy, Clock, Spent};
pub use unit::{Unit, Units};
pub use workers::Workers;
