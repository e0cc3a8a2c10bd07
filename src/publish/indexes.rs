//! Indexes of images' pieces: which bytes of an image a client may have already.

use std::fs::File;
use std::io::Seek as _;

use delta::{Block, Index, IndexError, Piece};

/// Makes the index of an image of this length in bytes.
///
/// # Errors
/// The file can't be read, or is too large for an index.
pub fn of(file: &mut File, length: u64) -> Result<Index, IndexError> {
    let blocks = blocks(file)?;
    Index::of(file, length, &blocks)
}

/// Returns the pieces that such an index lists.
///
/// # Errors
/// As for [`of`].
pub fn pieces(file: &mut File, length: u64) -> Result<Vec<Piece>, IndexError> {
    let blocks = blocks(file)?;
    delta::pieces(file, length, &blocks)
}

/// Returns where an image is cut, and goes to its start.
fn blocks(file: &mut File) -> Result<Vec<Block>, IndexError> {
    let blocks = image::blocks(&mut *file).map_err(IndexError::Input)?;
    file.rewind().map_err(IndexError::Input)?;
    let blocks = blocks.into_iter();
    Ok(blocks
        .map(|(start, length)| Block { start, length })
        .collect())
}
