//! The directory table: the listing of each directory.
//!
//! A listing is a sequence of runs. A run is a header (entries less one, block of their inodes,
//! an inode number) and up to 256 entries in byte order of their names, whose inodes are in that
//! block and whose inode numbers are near that number.
//!
//! To look up one name, a reader goes through the runs from the start. A listing that spans
//! several metadata blocks therefore gets an index: the first name of a run in each block.

use super::compressors::Encoder;
use super::error::Error;
use super::format::{DIRECTORY_RUN, METADATA_SIZE};
use super::metadata::{Metadata, Position};

/// One name in a directory.
#[derive(Clone, Copy)]
pub(super) struct Listed<'n> {
    /// The name.
    pub(super) name: &'n [u8],
    /// Number of its inode.
    pub(super) number: u32,
    /// Where the inode is in the inode table.
    pub(super) inode: Position,
    /// Type of its basic inode.
    pub(super) kind: u16,
}

/// A listing that was written.
pub(super) struct Listing {
    /// Where it starts in the directory table.
    pub(super) start: Position,
    /// Length in bytes.
    pub(super) size: u32,
    /// Number of index entries.
    pub(super) index_count: u16,
    /// The index as it stands behind the directory's inode.
    pub(super) index: Vec<u8>,
}

/// Writes the listing of a directory, whose `entries` are in byte order of their names.
pub(super) fn write_listing(
    table: &mut Metadata,
    encoder: &mut Encoder,
    entries: &[Listed<'_>],
) -> Result<Listing, Error> {
    let too_many = |_| Error::TooMany("bytes in a directory listing");
    let mut listing = Listing {
        start: table.position()?,
        size: 0,
        index_count: 0,
        index: Vec::new(),
    };
    let mut indexed_block = listing.start.block;
    let mut rest = entries;
    while let Some(first) = rest.first() {
        let position = table.position()?;
        let (run, count) = take_run(rest, first, usize::from(position.offset))?;
        if position.block != indexed_block {
            indexed_block = position.block;
            listing.index_count = listing
                .index_count
                .checked_add(1)
                .ok_or(Error::TooMany("index entries of a directory"))?;
            listing.index.extend(listing.size.to_le_bytes());
            listing.index.extend(position.block.to_le_bytes());
            listing
                .index
                .extend((first.name.len() as u32 - 1).to_le_bytes());
            listing.index.extend_from_slice(first.name);
        }
        table.write(encoder, &run)?;
        let length = u32::try_from(run.len()).map_err(too_many)?;
        listing.size = listing
            .size
            .checked_add(length)
            .ok_or(Error::TooMany("bytes in a directory listing"))?;
        rest = &rest[count..];
    }
    Ok(listing)
}

/// Returns the bytes of the longest run at the start of `entries`, and how many it holds. `offset`
/// is where the run will start in its metadata block; no entry but the first starts in another
/// block, so that the index finds every block.
fn take_run(
    entries: &[Listed<'_>],
    first: &Listed<'_>,
    offset: usize,
) -> Result<(Vec<u8>, usize), Error> {
    let mut run = vec![0; 4]; // the count, once it is known
    run.extend(first.inode.block.to_le_bytes());
    run.extend(first.number.to_le_bytes());
    let mut count: usize = 0;
    for entry in entries.iter().take(DIRECTORY_RUN) {
        let difference = i64::from(entry.number) - i64::from(first.number);
        let Ok(difference) = i16::try_from(difference) else {
            break;
        };
        if entry.inode.block != first.inode.block
            || (count > 0 && offset + run.len() >= METADATA_SIZE)
        {
            break;
        }
        let length = u16::try_from(entry.name.len())
            .ok()
            .and_then(|length| length.checked_sub(1))
            .ok_or(Error::TooMany("bytes in a name"))?;
        run.extend(entry.inode.offset.to_le_bytes());
        run.extend(difference.to_le_bytes());
        run.extend(entry.kind.to_le_bytes());
        run.extend(length.to_le_bytes());
        run.extend_from_slice(entry.name);
        count += 1;
    }
    run[..4].copy_from_slice(&(count as u32 - 1).to_le_bytes());
    Ok((run, count))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squashfs::compressors::Compressor;

    fn listed(name: &str, number: u32, block: u32) -> Listed<'_> {
        Listed {
            name: name.as_bytes(),
            number,
            inode: Position { block, offset: 7 },
            kind: 2,
        }
    }

    fn counts(entries: &[Listed<'_>], offset: usize) -> Vec<usize> {
        let mut counts = Vec::new();
        let mut rest = entries;
        let mut offset = offset;
        while let Some(first) = rest.first() {
            let (run, count) = take_run(rest, first, offset % METADATA_SIZE).unwrap();
            counts.push(count);
            offset += run.len();
            rest = &rest[count..];
        }
        counts
    }

    #[test]
    fn the_bytes_of_a_run() {
        let entries = [listed("a", 9, 3), listed("bc", 8, 3)];
        let (run, count) = take_run(&entries, &entries[0], 0).unwrap();
        assert_eq!(count, 2);
        assert_eq!(
            run,
            b"\x01\0\0\0\x03\0\0\0\x09\0\0\0\
              \x07\0\0\0\x02\0\0\0a\
              \x07\0\xff\xff\x02\0\x01\0bc"
        );
    }

    #[test]
    fn where_runs_end() {
        let same: Vec<_> = (0..600).map(|number| listed("n", number, 0)).collect();
        assert_eq!(counts(&same, 0), [256, 256, 88]);
        assert_eq!(
            counts(
                &[listed("a", 1, 0), listed("b", 2, 0), listed("c", 3, 5)],
                0
            ),
            [2, 1],
            "other block"
        );
        assert_eq!(
            counts(
                &[
                    listed("a", 1, 0),
                    listed("b", 32_768, 0),
                    listed("c", 32_769, 0)
                ],
                0
            ),
            [2, 1],
            "number too far"
        );
        // 12 bytes of header and 9 for each entry: the first ends at 8191, the second at 8200.
        assert_eq!(
            counts(&same[..4], METADATA_SIZE - 22),
            [2, 2],
            "next metadata block"
        );
    }

    #[test]
    fn a_long_listing_has_an_index() {
        let names: Vec<String> = (0..2000).map(|n| format!("{n:050}")).collect();
        let entries: Vec<_> = (0..)
            .zip(&names)
            .map(|(number, name)| listed(name, number, 0))
            .collect();
        let mut encoder = Encoder::new(Compressor::Lz4, 8192).unwrap();
        let mut table = Metadata::default();
        let listing = write_listing(&mut table, &mut encoder, &entries).unwrap();
        let blocks = listing.size as usize / METADATA_SIZE;
        assert_eq!(usize::from(listing.index_count), blocks);
        assert_eq!(listing.index.len(), blocks * (12 + 50));
        let short = write_listing(&mut table, &mut encoder, &entries[..10]).unwrap();
        assert_eq!((short.index_count, short.index.len()), (0, 0));
    }
}
