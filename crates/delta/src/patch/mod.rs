//! A patch: what an image needs beside an older one, less than the blocks that it does not share.
//!
//! [`Index`](crate::Index) finds the blocks that two images share. Of the others a patch has what is
//! in them, as a difference to what is in the older image's blocks, and the client packs it again:
//! packing is a pure function of contents, compressor and block size. One changed function of a
//! library is a few bytes of contents, and a whole other block.
//!
//! ```text
//! offset  bytes
//!   0       8     "PATCH-01"
//!   8      32     SHA-256 of the old image
//!  40      32     SHA-256 of the new image
//!  72       8     length of the old image        (numbers: least significant byte first)
//!  80       8     length of the new image
//!  88       4     version of the packer, see image::squashfs::PACKER
//!  92       4     block size of the new image
//!  96      16     its compressor and level in ASCII, such as zstd:6, filled up with NUL
//! 112     ...     segments, which make parts of the new image, one after the other:
//!                   4  length of the plan
//!                   4  length of the contents
//!                   the plan, a Zstandard frame
//!                   the contents, a Zstandard frame with a prefix
//! ```
//!
//! A plan, unpacked, begins with the blocks of the old image whose contents, one after the other, are
//! the prefix: 4 bytes, their number; of each 8 bytes offset, 4 bytes length, 1 byte [`kind`](KINDS).
//! Then steps follow, to the end of the plan:
//!
//! | byte | then | what is appended to the new image |
//! |---|---|---|
//! | 0 | 8 offset, 8 length | these bytes of the old image |
//! | 1 | 4 length | as many of the contents, packed as a block of files' contents |
//! | 2 | 4 length | as many, as they are |
//! | 3 | 4 length | as many, packed as a block of a table, with its header |
//!
//! Whether the new image is right is decided by its SHA-256. Whoever applies a patch has bounded
//! memory, whatever it says: [`MAX_PATCH`], [`MAX_CONTENTS`], [`MAX_PLAN`].

mod apply;
mod make;
#[cfg(test)]
mod tests;

use std::io;

use image::squashfs::{BlockKind, Compressor, PACKER};

pub use make::{Made, Patchless, make};

/// Begins a patch, with the version of the format.
const MAGIC: &[u8; 8] = b"PATCH-01";
/// Length of what precedes the segments, in bytes.
const HEADER: usize = 112;
/// Length of a compressor's name, in bytes.
const NAME: usize = 16;
/// Longest patch that is made or read, in bytes.
pub const MAX_PATCH: u64 = 64 << 20;
/// Most bytes of contents in a segment, and most bytes of a prefix.
pub const MAX_CONTENTS: usize = 32 << 20;
/// Longest plan, unpacked, in bytes.
pub const MAX_PLAN: usize = 8 << 20;
/// Base 2 logarithm of the largest window of a frame: one that holds prefix and contents.
const MAX_WINDOW: u32 = 26;
/// Kinds of blocks by the number that plans have.
pub const KINDS: [BlockKind; 3] = [BlockKind::Data, BlockKind::Raw, BlockKind::Metadata];
/// A step that takes bytes of the old image.
const COPY: u8 = 0;

/// What is wrong with a patch, or with what it is applied to. The text completes the sentence "the
/// patch …".
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// It begins with something else.
    #[error("does not begin with PATCH-01, so it is not a patch or one of a newer version")]
    Magic,
    /// Its bytes are not what the format has.
    #[error("is damaged: {0}")]
    Damaged(&'static str),
    /// It is for a program that packs otherwise.
    #[error("is for version {0} of the packer, and this program has {PACKER}")]
    Packer(u32),
    /// The older image is another than it is for.
    #[error("does not fit the older image: {0}")]
    Other(&'static str),
    /// Something can't be read or written.
    #[error("can't be applied: {0}")]
    Io(#[from] io::Error),
}

/// A patch that was read.
#[derive(Debug)]
pub struct Patch<'a> {
    old: [u8; 32],
    new: [u8; 32],
    old_length: u64,
    new_length: u64,
    compressor: Compressor,
    block_size: u32,
    segments: &'a [u8],
}

impl<'a> Patch<'a> {
    /// Reads a patch, as far as it can be read without the older image.
    ///
    /// # Errors
    /// All but [`PatchError::Other`] and [`PatchError::Io`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, PatchError> {
        let mut fields = Fields(bytes);
        if fields.take() != Some(*MAGIC) {
            return Err(PatchError::Magic);
        }
        let mut read = || {
            Some((
                fields.take()?,
                fields.take()?,
                u64::from_le_bytes(fields.take()?),
                u64::from_le_bytes(fields.take()?),
                u32::from_le_bytes(fields.take()?),
                u32::from_le_bytes(fields.take()?),
                fields.take::<NAME>()?,
            ))
        };
        let damaged = PatchError::Damaged;
        let (old, new, old_length, new_length, packer, block_size, name) =
            read().ok_or(damaged("its header is cut off"))?;
        if packer != PACKER {
            return Err(PatchError::Packer(packer));
        }
        let name = name.trim_ascii_end();
        let name = name.split(|byte| *byte == 0).next().unwrap_or_default();
        let compressor = str::from_utf8(name).ok().and_then(|name| name.parse().ok());
        let is_size = block_size.is_power_of_two() && (4096..=1 << 20).contains(&block_size);
        Ok(Self {
            old,
            new,
            old_length,
            new_length,
            compressor: compressor.ok_or(damaged("it names no compressor"))?,
            block_size: match is_size {
                true => block_size,
                false => return Err(damaged("no block has such a size")),
            },
            segments: fields.0,
        })
    }

    /// Returns the SHA-256 of the image that it is applied to.
    #[must_use]
    pub fn old(&self) -> &[u8; 32] {
        &self.old
    }

    /// Returns the SHA-256 of the image that it makes.
    #[must_use]
    pub fn new_image(&self) -> &[u8; 32] {
        &self.new
    }

    /// Returns the length of the image that it makes, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.new_length
    }
}

/// Bytes that are read from their start.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*first)
    }

    fn bytes(&mut self, length: usize) -> Option<&'a [u8]> {
        let (first, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(first)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Option<u64> {
        self.take().map(u64::from_le_bytes)
    }
}
