//! Where the blocks of compressed contents are in an image of any kind.

use std::io::{self, Read, Seek};

use crate::disk::Table;
use crate::kind::Kind;
use crate::section::Section;
use crate::squashfs::Image;

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
