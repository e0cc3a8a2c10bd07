//! Blocks of an image unpacked, and packed again as they were.
//!
//! Who has the contents of a block, and the compressor with its level, has the block: what is made of
//! a block does not depend on any other. A patch (crate `delta`) needs no more of a new block than
//! how its contents differ from older ones.

use super::compressors::{Compressor, Decoder, Encoder};
use super::error::Error;
use super::format::{METADATA_RAW, METADATA_SIZE};

/// The version of what packing makes. Two programs with one number make the same blocks of the same
/// contents. It counts up whenever a compressor, or how it is used, comes to make other bytes.
pub const PACKER: u32 = 1;

/// What is in a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BlockKind {
    /// Contents of files, compressed.
    Data,
    /// The same, stored as it is, since compressing would not make it shorter.
    Raw,
    /// A part of a table, with the two bytes that say how long it is.
    Metadata,
}

/// A block of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StoredBlock {
    /// Offset of its first byte.
    pub start: u64,
    /// Length in bytes.
    pub length: u32,
    /// What is in it.
    pub kind: BlockKind,
}

/// Unpacks blocks of an image, and packs them again.
pub struct Codec {
    block_size: u32,
    decoder: Decoder,
    data: Encoder,
    tables: Encoder,
}

impl Codec {
    /// Returns what packs as images with this compressor and block size are packed.
    ///
    /// # Errors
    /// Not enough memory.
    pub fn new(compressor: Compressor, block_size: u32) -> Result<Self, Error> {
        let name = compressor.name();
        let problem = || "it can't be unpacked".to_owned();
        let decoder = Decoder::new(compressor.number(), block_size);
        Ok(Self {
            block_size,
            decoder: decoder.map_err(|_| Error::Compression {
                compressor: name,
                problem: problem(),
            })?,
            data: Encoder::new(compressor, block_size)?,
            tables: Encoder::new(compressor, METADATA_SIZE as u32)?,
        })
    }

    /// Returns the most bytes that a block of a kind unpacks to.
    #[must_use]
    pub fn limit(&self, kind: BlockKind) -> usize {
        match kind {
            BlockKind::Data | BlockKind::Raw => self.block_size as usize,
            BlockKind::Metadata => METADATA_SIZE,
        }
    }

    /// Unpacks the bytes of a block. `None` for what is not one, or unpacks to more than it may.
    pub fn unpack(&mut self, kind: BlockKind, bytes: &[u8]) -> Option<Vec<u8>> {
        let limit = self.limit(kind);
        match kind {
            BlockKind::Raw => (bytes.len() <= limit).then(|| bytes.to_vec()),
            BlockKind::Data => self.decoder.decode(bytes, limit).ok(),
            BlockKind::Metadata => {
                let (header, rest) = bytes.split_first_chunk()?;
                let header = u16::from_le_bytes(*header);
                match header & METADATA_RAW {
                    0 => self.decoder.decode(rest, limit).ok(),
                    _ => (rest.len() <= limit).then(|| rest.to_vec()),
                }
            }
        }
    }

    /// Packs contents as a block, into `bytes`, whose former content is lost.
    ///
    /// # Errors
    /// The compressor fails.
    pub fn pack(
        &mut self,
        kind: BlockKind,
        contents: &[u8],
        bytes: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let is_shorter = match kind {
            BlockKind::Raw => false,
            BlockKind::Data => self.data.compress(contents, bytes)?,
            BlockKind::Metadata => self.tables.compress(contents, bytes)?,
        };
        if !is_shorter {
            bytes.clear();
            bytes.extend_from_slice(contents);
        }
        if kind == BlockKind::Metadata {
            let length = u16::try_from(bytes.len());
            let length = length.map_err(|_| Error::TooMany("bytes in a metadata block"))?;
            let raw = if is_shorter { 0 } else { METADATA_RAW };
            bytes.splice(..0, (length | raw).to_le_bytes());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;
    use crate::squashfs::samples::{noise, text, utf16, words};

    /// Other bytes are those of another packer: where this fails, [`PACKER`] has to count up, and then
    /// these digests may change.
    #[test]
    fn a_packer_always_makes_the_same_bytes() {
        const OF_PACKER: u32 = 1;
        assert_eq!(PACKER, OF_PACKER);
        for (compressor, expected) in [
            ("gzip:1", "91d64640f38c8b74"),
            ("gzip:9", "2db04f8467a10f54"),
            ("xz:6", "9881a6133a161d29"),
            ("lz4", "ce6b9cf7878f3fbb"),
            ("zstd:1", "42ffe004c88e01ed"),
            ("zstd:6", "bf30793988388ba9"),
            ("zstd:15", "55796247ecc70d8a"),
            ("zstd:22", "2430eff9e3b62c9f"),
        ] {
            let mut codec = Codec::new(compressor.parse().unwrap(), 1 << 20).unwrap();
            let (mut hash, mut bytes) = (Sha256::new(), Vec::new());
            for contents in [text(300_000), utf16(200_000), words(200_000), text(5000)] {
                codec.pack(BlockKind::Data, &contents, &mut bytes).unwrap();
                hash.update(&bytes);
            }
            for contents in [words(8192), text(100), noise(8192)] {
                let kind = BlockKind::Metadata;
                codec.pack(kind, &contents, &mut bytes).unwrap();
                hash.update(&bytes);
            }
            let digest = hash.finalize();
            let start: String = digest[..8]
                .iter()
                .map(|byte| format!("{byte:02x}"))
                .collect();
            assert_eq!(start, expected, "{compressor}");
        }
    }

    #[test]
    fn blocks_are_packed_again_as_they_were() {
        for compressor in ["gzip", "xz:1", "lz4", "zstd:6", "zstd:19"] {
            let mut codec = Codec::new(compressor.parse().unwrap(), 1 << 17).unwrap();
            for (kind, contents) in [
                (BlockKind::Data, text(100_000)),
                (BlockKind::Metadata, text(8192)),
                (BlockKind::Metadata, noise(8192)),
                (BlockKind::Metadata, text(5)),
                (BlockKind::Raw, noise(1 << 17)),
            ] {
                let (mut bytes, mut again) = (Vec::new(), Vec::new());
                codec.pack(kind, &contents, &mut bytes).unwrap();
                assert_eq!(
                    codec.unpack(kind, &bytes).unwrap(),
                    contents,
                    "{compressor} {kind:?}"
                );
                codec.pack(kind, &contents, &mut again).unwrap();
                assert_eq!(bytes, again);
                let cut = bytes.get(..bytes.len() / 2).unwrap();
                let of_cut = codec.unpack(kind, cut);
                assert!(of_cut.is_none_or(|found| found != contents));
            }
        }
    }

    #[test]
    fn no_block_unpacks_to_more_than_it_may() {
        let mut codec = Codec::new("zstd:6".parse().unwrap(), 4096).unwrap();
        let mut bytes = Vec::new();
        let mut large = Codec::new("zstd:6".parse().unwrap(), 1 << 17).unwrap();
        large
            .pack(BlockKind::Data, &text(5000), &mut bytes)
            .unwrap();
        assert_eq!(codec.unpack(BlockKind::Data, &bytes), None);
        assert_eq!(codec.unpack(BlockKind::Raw, &[0; 4097]), None);
        assert_eq!(codec.unpack(BlockKind::Metadata, &[0]), None);
    }
}
