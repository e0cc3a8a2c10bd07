//! Indexes of images' pieces: which bytes of an image a client may have already.

use std::fs::File;
use std::io::Seek as _;

use delta::{Block, Index, IndexError};

/// Makes the index of an image of this length in bytes.
///
/// # Errors
/// The file can't be read, or is too large for an index.
pub fn of(file: &mut File, length: u64) -> Result<Index, IndexError> {
    let blocks = image::blocks(&mut *file).map_err(IndexError::Input)?;
    let blocks: Vec<_> = (blocks.into_iter())
        .map(|(start, length)| Block { start, length })
        .collect();
    file.rewind().map_err(IndexError::Input)?;
    Index::of(file, length, &blocks)
}
