//! Metadata blocks, and the lookup tables made of them.
//!
//! A metadata block is a `u16` (length, and [`METADATA_RAW`] if it is stored as it is), then that
//! many bytes, which unpack to 8192 bytes; only the last of a table holds less. What is in a table
//! is named by its block's offset from the table's start and its own offset in the unpacked block.

use super::compressors::Encoder;
use super::error::Error;
use super::format::{METADATA_RAW, METADATA_SIZE};

/// A place in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Position {
    /// Offset of the metadata block from the start of the table, in bytes as stored.
    pub(super) block: u32,
    /// Offset in the unpacked block.
    pub(super) offset: u16,
}

impl Position {
    /// Returns the position as one number, as the superblock and the xattr table have it.
    pub(super) fn reference(self) -> u64 {
        (u64::from(self.block) << 16) | u64::from(self.offset)
    }
}

/// A table being written.
#[derive(Default)]
pub(super) struct Metadata {
    stored: Vec<u8>,
    /// Offset of each block in `stored`.
    starts: Vec<u32>,
    /// Less than [`METADATA_SIZE`] bytes that are in no block yet.
    pending: Vec<u8>,
    scratch: Vec<u8>,
}

impl Metadata {
    /// Returns where the next byte will be.
    pub(super) fn position(&self) -> Result<Position, Error> {
        Ok(Position {
            block: offset_of(&self.stored)?,
            offset: u16::try_from(self.pending.len())
                .map_err(|_| Error::TooMany("bytes in a metadata block"))?,
        })
    }

    /// Appends bytes.
    pub(super) fn write(&mut self, encoder: &mut Encoder, bytes: &[u8]) -> Result<(), Error> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(METADATA_SIZE - self.pending.len()));
            self.pending.extend_from_slice(now);
            rest = later;
            if self.pending.len() == METADATA_SIZE {
                self.close_block(encoder)?;
            }
        }
        Ok(())
    }

    /// Returns the stored blocks, and the offset of each.
    pub(super) fn finish(mut self, encoder: &mut Encoder) -> Result<(Vec<u8>, Vec<u32>), Error> {
        if !self.pending.is_empty() {
            self.close_block(encoder)?;
        }
        Ok((self.stored, self.starts))
    }

    fn close_block(&mut self, encoder: &mut Encoder) -> Result<(), Error> {
        let shrunk = encoder.compress(&self.pending, &mut self.scratch)?;
        let bytes = if shrunk { &self.scratch } else { &self.pending };
        self.starts.push(offset_of(&self.stored)?);
        self.stored.extend(header(bytes, !shrunk)?);
        self.stored.extend_from_slice(bytes);
        self.pending.clear();
        Ok(())
    }
}

/// Returns the two bytes in front of a metadata block.
fn header(bytes: &[u8], raw: bool) -> Result<[u8; 2], Error> {
    let length =
        u16::try_from(bytes.len()).map_err(|_| Error::TooMany("bytes in a metadata block"))?;
    Ok((length | if raw { METADATA_RAW } else { 0 }).to_le_bytes())
}

fn offset_of(stored: &[u8]) -> Result<u32, Error> {
    u32::try_from(stored.len()).map_err(|_| Error::TooMany("bytes of metadata"))
}

/// Returns a short metadata block that is stored as it is, as the compressor's options are.
pub(super) fn raw_block(bytes: &[u8]) -> Result<Vec<u8>, Error> {
    let mut block = header(bytes, true)?.to_vec();
    block.extend_from_slice(bytes);
    Ok(block)
}

/// A table of records of one size, found through a list of its blocks' offsets in the image.
///
/// ```text
/// metadata blocks | (what `write_to` is given) | u64 offset of each block
/// ```
pub(super) struct Lookup {
    stored: Vec<u8>,
    starts: Vec<u32>,
}

impl Lookup {
    /// Packs the records.
    pub(super) fn new(encoder: &mut Encoder, records: &[u8]) -> Result<Self, Error> {
        let mut metadata = Metadata::default();
        metadata.write(encoder, records)?;
        let (stored, starts) = metadata.finish(encoder)?;
        Ok(Self { stored, starts })
    }

    /// Appends the table to `bytes`, the first of which is at `base` in the image, with `heading`
    /// before the list of offsets. Returns the image's offset of what is behind the blocks, by
    /// which the superblock names the table.
    pub(super) fn write_to(&self, bytes: &mut Vec<u8>, base: u64, heading: &[u8]) -> u64 {
        let first = base + bytes.len() as u64;
        bytes.extend_from_slice(&self.stored);
        let table = base + bytes.len() as u64;
        bytes.extend_from_slice(heading);
        for start in &self.starts {
            bytes.extend((first + u64::from(*start)).to_le_bytes());
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squashfs::compressors::Compressor;

    #[test]
    fn a_block_is_closed_when_it_is_full() {
        let mut encoder = Encoder::new(Compressor::Lz4, 8192).unwrap();
        let mut metadata = Metadata::default();
        let at = |metadata: &Metadata| {
            let position = metadata.position().unwrap();
            (position.block, position.offset)
        };
        metadata.write(&mut encoder, &[0; 8191]).unwrap();
        assert_eq!(at(&metadata), (0, 8191));
        metadata.write(&mut encoder, &[0]).unwrap();
        let (block, offset) = at(&metadata);
        assert!(block > 2 && block < 100, "{block}");
        assert_eq!(offset, 0);
        metadata.write(&mut encoder, b"ab").unwrap();
        assert_eq!(
            metadata.position().unwrap().reference(),
            (u64::from(block) << 16) | 2
        );
        let (stored, starts) = metadata.finish(&mut encoder).unwrap();
        assert_eq!(starts, [0, block]);
        assert_eq!(stored[block as usize..], [2, 0x80, b'a', b'b']);
    }

    #[test]
    fn lookup_tables_hold_offsets_in_the_image() {
        let mut encoder = Encoder::new(Compressor::Lz4, 8192).unwrap();
        let lookup = Lookup::new(&mut encoder, b"xy").unwrap();
        let mut bytes = vec![0xee];
        assert_eq!(lookup.write_to(&mut bytes, 1000, b"HH"), 1005);
        let mut expected = b"\xee\x02\x80xyHH".to_vec();
        expected.extend(1001_u64.to_le_bytes());
        assert_eq!(bytes, expected);
    }
}
