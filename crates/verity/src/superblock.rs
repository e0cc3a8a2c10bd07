//! What stands before a hash tree.
//!
//! ```text
//!   0  "verity\0\0"       32  algorithm, 32 bytes         72  number of data blocks, 8 bytes
//!   8  version: 1         64  length of a data block      80  length of the salt, 2 bytes
//!  12  kind of tree: 1    68  length of a hash block      88  salt, 256 bytes
//!  16  UUID, 16 bytes
//! ```
//!
//! The rest of the block is zeros. All numbers have the least significant byte first.

use crate::error::Error;

/// What a partition of hashes starts with.
pub const MARK: &[u8; 8] = b"verity\0\0";
const VERSION: u32 = 1;
/// The salt is hashed before the block.
const KIND: u32 = 1;
const ALGORITHM: &[u8] = b"sha256";
const ALGORITHM_FIELD: usize = 32;
/// Length of the salt's field in bytes.
const SALT_FIELD: usize = 256;
/// Length in bytes of what is not zeros.
pub(crate) const SIZE: usize = 512;
/// Lengths of blocks that Linux takes somewhere, in bytes.
const BLOCK_SIZES: std::ops::RangeInclusive<u32> = 512..=65_536;

/// What says how a hash tree was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Superblock {
    /// Which one it is, in the order of its text. It protects nothing, and is protected by nothing.
    pub uuid: [u8; 16],
    /// Length of a block of data in bytes.
    pub data_block: u32,
    /// Length of a block of hashes in bytes.
    pub hash_block: u32,
    /// Number of blocks of data.
    pub data_blocks: u64,
    /// What is hashed before each block.
    pub salt: Vec<u8>,
}

impl Superblock {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = MARK.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        bytes.extend(KIND.to_le_bytes());
        bytes.extend(self.uuid);
        bytes.extend(ALGORITHM);
        bytes.resize(bytes.len() + ALGORITHM_FIELD - ALGORITHM.len(), 0);
        bytes.extend(self.data_block.to_le_bytes());
        bytes.extend(self.hash_block.to_le_bytes());
        bytes.extend(self.data_blocks.to_le_bytes());
        bytes.extend((self.salt.len() as u16).to_le_bytes());
        bytes.extend([0; 6]);
        bytes.extend(&self.salt);
        bytes.resize(self.hash_block as usize, 0);
        bytes
    }

    /// Reads one from the start of a partition, of which at least the first 512 bytes are given.
    ///
    /// # Errors
    /// [`Error::Hashes`]: it is of a kind that is not read here, or damaged.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let failed = |reason: String| Err(Error::Hashes(reason));
        let Some((bytes, _)) = bytes.split_at_checked(SIZE) else {
            return failed("ends in its superblock".to_owned());
        };
        if !bytes.starts_with(MARK) {
            return failed("does not start with dm-verity's mark".to_owned());
        }
        let (version, kind) = (word(bytes, 8), word(bytes, 12));
        if (version, kind) != (VERSION, KIND) {
            let text =
                format!("is of version {version} and kind {kind}; those of 1 and 1 are read");
            return failed(text);
        }
        let algorithm = bytes.get(32..64).unwrap_or_default();
        let name = algorithm
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default();
        if name != ALGORITHM {
            let name = String::from_utf8_lossy(name);
            return failed(format!("is of {name:?}; that of sha256 is read"));
        }
        let (data_block, hash_block) = (word(bytes, 64), word(bytes, 68));
        for size in [data_block, hash_block] {
            if !BLOCK_SIZES.contains(&size) || !size.is_power_of_two() {
                return failed(format!("is of blocks of {size} bytes, which nothing reads"));
            }
        }
        let number = bytes.get(72..).and_then(<[u8]>::first_chunk);
        let length = bytes.get(80..).and_then(<[u8]>::first_chunk);
        let length = length.map_or(usize::MAX, |bytes| u16::from_le_bytes(*bytes).into());
        let salt = bytes.get(88..88 + SALT_FIELD).unwrap_or_default();
        let Some((salt, rest)) = salt.split_at_checked(length) else {
            return failed(format!(
                "has a salt of {length} bytes, more than {SALT_FIELD}"
            ));
        };
        let zeros = [
            algorithm.get(ALGORITHM.len()..),
            bytes.get(82..88),
            Some(rest),
            bytes.get(88 + SALT_FIELD..),
        ];
        if zeros.into_iter().flatten().flatten().any(|byte| *byte != 0) {
            return failed("has something where its superblock has zeros".to_owned());
        }
        Ok(Self {
            uuid: bytes
                .get(16..)
                .and_then(<[u8]>::first_chunk)
                .copied()
                .unwrap_or_default(),
            data_block,
            hash_block,
            data_blocks: number.map_or(0, |bytes| u64::from_le_bytes(*bytes)),
            salt: salt.to_vec(),
        })
    }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let field = bytes.get(at..).and_then(<[u8]>::first_chunk);
    field.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}
