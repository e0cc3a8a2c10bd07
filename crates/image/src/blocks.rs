//! Where the blocks of compressed contents are in an image of any kind.

use std::io::{self, Read, Seek, SeekFrom};

use crate::kind::Kind;
use crate::section::Section;
use crate::squashfs::{Compressor, Image, StoredBlock};

/// Returns offset and length in bytes of each block of compressed contents in an image, sorted; none
/// for a kind of image whose blocks are not known here.
///
/// # Errors
/// An image that is damaged or hostile, with the kind [`io::ErrorKind::InvalidData`].
pub fn blocks<R: Read + Seek>(input: R) -> io::Result<Vec<(u64, u32)>> {
    let mut blocks = Vec::new();
    file_systems(input, |mut image, offset| {
        let found = image.blocks()?.into_iter();
        blocks.extend(found.map(|(start, length)| (offset + start, length)));
        Ok(())
    })?;
    blocks.sort_unstable();
    Ok(blocks)
}

/// The blocks of an image, and how they are packed.
pub struct Packed {
    /// The blocks of contents and tables, sorted. In a hostile image they may overlap.
    pub blocks: Vec<StoredBlock>,
    /// The compressor with its level, and the block size in bytes, of the first file system; `None` where
    /// there is none that is read here.
    pub way: Option<(Compressor, u32)>,
}

/// Returns the blocks of an image of any kind; none for one whose blocks are not known here.
///
/// # Errors
/// An image that is damaged or hostile, with the kind [`io::ErrorKind::InvalidData`].
pub fn packed<R: Read + Seek>(input: R) -> io::Result<Packed> {
    let mut packed = Packed {
        blocks: Vec::new(),
        way: None,
    };
    file_systems(input, |mut image, offset| {
        let size = image.facts().block_size;
        if packed.way.is_none() {
            packed.way = image.compressor().map(|compressor| (compressor, size));
        }
        let blocks = image.stored()?.into_iter();
        packed.blocks.extend(blocks.map(|block| StoredBlock {
            start: offset + block.start,
            ..block
        }));
        Ok(())
    })?;
    packed.blocks.sort_unstable();
    Ok(packed)
}

/// Gives each SquashFS file system of an image, and where it begins: the image itself, or all on a
/// disk. What the partitions are for does not matter.
fn file_systems<R: Read + Seek>(
    mut input: R,
    mut each: impl FnMut(Image<Section<&mut R>>, u64) -> io::Result<()>,
) -> io::Result<()> {
    let places = match Kind::of(&mut input)? {
        Kind::Squashfs(_) => vec![(0, input.seek(SeekFrom::End(0))?)],
        Kind::Disk(table) => {
            let partitions = table.partitions.iter();
            partitions.map(|one| (one.start, one.length)).collect()
        }
        _ => Vec::new(),
    };
    for (start, length) in places {
        let mut section = Section::new(&mut input, start, length)?;
        if matches!(Kind::of(&mut section)?, Kind::Squashfs(_)) {
            each(Image::open(section)?, start)?;
        }
    }
    Ok(())
}
