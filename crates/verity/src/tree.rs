//! The hash tree.
//!
//! ```text
//! superblock │ 1 block of hashes │ their blocks │ ... │ blocks with the hashes of the data
//! ```
//!
//! A hash is SHA-256 over salt and block. What is left of a block of hashes is zeros. The hash of the
//! first block of hashes is the root hash; where there is one block of data, that has it, and there
//! are no hashes.

use std::io::{self, Write};

use sha2::{Digest as _, Sha256};

use crate::superblock::Superblock;
use crate::{Digest, Error};

/// Length of the blocks that are made here, of data and of hashes, in bytes. systemd makes no others
/// by itself.
pub const BLOCK_SIZE: usize = 4096;
/// Length of a hash in bytes.
pub(crate) const HASH_SIZE: usize = 32;

/// Hashes blocks.
#[derive(Clone, Debug)]
pub(crate) struct Salted(Sha256);

impl Salted {
    pub(crate) fn new(salt: &[u8]) -> Self {
        Self(Sha256::new_with_prefix(salt))
    }

    pub(crate) fn hash(&self, block: &[u8]) -> Digest {
        self.0.clone().chain_update(block).finalize().into()
    }
}

/// Returns how many blocks of hashes each level has, that of the data's hashes first.
pub(crate) fn levels(data_blocks: u64, hashes_per_block: u64) -> Vec<u64> {
    let mut levels = Vec::new();
    let mut below = data_blocks;
    while below > 1 {
        below = below.div_ceil(hashes_per_block);
        levels.push(below);
    }
    levels
}

/// Makes a hash tree while the data pass.
///
/// It keeps one hash for each block, and the first block as it is: file systems write their
/// superblock last.
#[derive(Clone, Debug)]
pub struct Hasher {
    salt: [u8; 32],
    salted: Salted,
    length: u64,
    first: Vec<u8>,
    /// The beginning of a block.
    begun: Vec<u8>,
    /// Hashes of the whole blocks after the first.
    hashes: Vec<Digest>,
}

impl Hasher {
    /// Starts with no data.
    #[must_use]
    pub fn new(salt: [u8; 32]) -> Self {
        Self {
            salt,
            salted: Salted::new(&salt),
            length: 0,
            first: Vec::new(),
            begun: Vec::new(),
            hashes: Vec::new(),
        }
    }

    /// Takes the next bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let room = BLOCK_SIZE - self.first.len();
        let (first, rest) = bytes.split_at(room.min(bytes.len()));
        self.first.extend_from_slice(first);
        bytes = rest;
        if !self.begun.is_empty() {
            let room = BLOCK_SIZE - self.begun.len();
            let (end, rest) = bytes.split_at(room.min(bytes.len()));
            self.begun.extend_from_slice(end);
            bytes = rest;
            if self.begun.len() < BLOCK_SIZE {
                return;
            }
            self.hashes.push(self.salted.hash(&self.begun));
            self.begun.clear();
        }
        let (blocks, rest) = bytes.as_chunks::<BLOCK_SIZE>();
        let hashes = blocks.iter().map(|block| self.salted.hash(block));
        self.hashes.extend(hashes);
        self.begun.extend_from_slice(rest);
    }

    /// Returns the number of bytes that it took.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Returns what it took of the first block, which may still be changed.
    pub fn first_block(&mut self) -> &mut [u8] {
        &mut self.first
    }

    /// Ends the data.
    ///
    /// # Errors
    /// [`Error::Length`]: there are none, or their last block is short.
    pub fn finish(mut self) -> Result<HashTree, Error> {
        if self.first.len() < BLOCK_SIZE || !self.begun.is_empty() {
            return Err(Error::Length(self.length));
        }
        self.hashes.insert(0, self.salted.hash(&self.first));
        let mut levels = vec![self.hashes];
        while let Some([_, _, ..]) = levels.last().map(Vec::as_slice) {
            let below = levels.last().map(Vec::as_slice).unwrap_or_default();
            let above = below.chunks(BLOCK_SIZE / HASH_SIZE);
            let above = above.map(|hashes| self.salted.hash(&block_of(hashes)));
            levels.push(above.collect());
        }
        let root = levels.pop().and_then(|top| top.first().copied());
        Ok(HashTree {
            salt: self.salt,
            length: self.length,
            levels,
            root: root.unwrap_or_default(),
        })
    }
}

fn block_of(hashes: &[Digest]) -> Vec<u8> {
    let mut block = hashes.as_flattened().to_vec();
    block.resize(BLOCK_SIZE, 0);
    block
}

/// A hash tree of data that have passed.
#[derive(Clone, Debug)]
pub struct HashTree {
    salt: [u8; 32],
    length: u64,
    /// The hashes of each level, those of the data first; that of a single block is the root.
    levels: Vec<Vec<Digest>>,
    root: Digest,
}

impl HashTree {
    /// Returns the root hash.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.root
    }

    /// Returns the length of the data in bytes.
    #[must_use]
    pub fn data_length(&self) -> u64 {
        self.length
    }

    /// Returns the length in bytes of what [`write`](Self::write) writes.
    #[must_use]
    pub fn length(&self) -> u64 {
        let blocks = levels(
            self.length / BLOCK_SIZE as u64,
            (BLOCK_SIZE / HASH_SIZE) as u64,
        );
        (1 + blocks.iter().sum::<u64>()) * BLOCK_SIZE as u64
    }

    /// Writes the superblock and the hashes.
    ///
    /// # Errors
    /// Those of `out`.
    pub fn write(&self, uuid: [u8; 16], out: &mut impl Write) -> io::Result<()> {
        let superblock = Superblock {
            uuid,
            data_block: BLOCK_SIZE as u32,
            hash_block: BLOCK_SIZE as u32,
            data_blocks: self.length / BLOCK_SIZE as u64,
            salt: self.salt.to_vec(),
        };
        out.write_all(&superblock.to_bytes())?;
        for level in self.levels.iter().rev() {
            for hashes in level.chunks(BLOCK_SIZE / HASH_SIZE) {
                out.write_all(&block_of(hashes))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(data: &[u8], step: usize) -> HashTree {
        let mut hasher = Hasher::new([7; 32]);
        data.chunks(step).for_each(|bytes| hasher.update(bytes));
        hasher.finish().unwrap()
    }

    #[test]
    fn levels_have_so_many_blocks() {
        for (data, expected) in [
            (1, &[][..]),
            (2, &[1]),
            (128, &[1]),
            (129, &[2, 1]),
            (128 * 128, &[128, 1]),
            (128 * 128 + 1, &[129, 2, 1]),
        ] {
            assert_eq!(levels(data, 128), expected, "{data}");
        }
    }

    #[test]
    fn bytes_come_in_any_pieces() {
        let data: Vec<_> = (0..131 * BLOCK_SIZE).map(|n| (n / 5) as u8).collect();
        let whole = tree(&data, data.len());
        for step in [1, 4095, 4096, 4097, 10_000] {
            let other = tree(&data, step);
            assert_eq!(other.levels, whole.levels, "{step}");
            assert_eq!(other.root(), whole.root(), "{step}");
        }
        let mut written = Vec::new();
        whole.write([1; 16], &mut written).unwrap();
        assert_eq!(written.len() as u64, whole.length());
        assert_eq!(whole.length(), 4 * 4096);
    }

    #[test]
    fn the_first_block_may_change_until_the_end() {
        let mut data = vec![5; 3 * BLOCK_SIZE];
        let mut hasher = Hasher::new([7; 32]);
        hasher.update(&data);
        hasher.first_block()[3] = 1;
        data[3] = 1;
        assert_eq!(hasher.finish().unwrap().root(), tree(&data, 4096).root());
    }

    #[test]
    fn data_are_of_whole_blocks() {
        for length in [0, 1, 4095, 4097, 8191] {
            let mut hasher = Hasher::new([7; 32]);
            hasher.update(&vec![0; length]);
            let failed = hasher.finish().unwrap_err();
            assert!(matches!(failed, Error::Length(of) if of == length as u64));
        }
    }
}
