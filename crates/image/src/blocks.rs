//! Where the blocks of compressed contents are in an image of any kind.

use std::io::{self, Read, Seek};

use crate::disk::Table;
use crate::kind::Kind;
use crate::section::Section;
use crate::squashfs::{Compressor, Image, StoredBlock};

/// Returns offset and length in bytes of each block of compressed contents in an image, sorted; none
/// for a kind of image whose blocks are not known here.
///
/// # Errors
/// An image that is damaged or hostile, with the kind [`io::ErrorKind::InvalidData`].
pub fn blocks<R: Read + Seek>(mut input: R) -> io::Result<Vec<(u64, u32)>> {
    match Kind::of(&mut input)? {
        Kind::Squashfs(_) => Ok(Image::open(input)?.blocks()?),
        Kind::Disk(table) => on_disk(input, &table),
        _ => Ok(Vec::new()),
    }
}

/// Returns those of all SquashFS file systems on a disk. What the partitions are for does not matter.
fn on_disk<R: Read + Seek>(mut input: R, table: &Table) -> io::Result<Vec<(u64, u32)>> {
    let mut blocks = Vec::new();
    for partition in &table.partitions {
        let mut section = Section::new(&mut input, partition.start, partition.length)?;
        if !matches!(Kind::of(&mut section)?, Kind::Squashfs(_)) {
            continue;
        }
        let found = Image::open(section)?.blocks()?.into_iter();
        blocks.extend(found.map(|(start, length)| (partition.start + start, length)));
    }
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
pub fn packed<R: Read + Seek>(mut input: R) -> io::Result<Packed> {
    let mut packed = Packed {
        blocks: Vec::new(),
        way: None,
    };
    match Kind::of(&mut input)? {
        Kind::Squashfs(_) => packed.add(input, 0)?,
        Kind::Disk(table) => {
            for partition in &table.partitions {
                let mut section = Section::new(&mut input, partition.start, partition.length)?;
                if matches!(Kind::of(&mut section)?, Kind::Squashfs(_)) {
                    packed.add(section, partition.start)?;
                }
            }
        }
        _ => {}
    }
    packed.blocks.sort_unstable();
    Ok(packed)
}

impl Packed {
    /// Adds those of a file system that begins at an offset.
    fn add<R: Read + Seek>(&mut self, input: R, offset: u64) -> io::Result<()> {
        let mut image = Image::open(input)?;
        let size = image.facts().block_size;
        if self.way.is_none() {
            self.way = image.compressor().map(|compressor| (compressor, size));
        }
        let blocks = image.stored()?.into_iter();
        self.blocks.extend(blocks.map(|block| StoredBlock {
            start: offset + block.start,
            ..block
        }));
        Ok(())
    }
}
