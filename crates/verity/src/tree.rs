//! The hash tree.
//!
//! ```text
//! superblock │ 1 block of hashes │ their blocks │ ... │ blocks with the hashes of the data
//! ```
//!
//! A hash is SHA-256 over salt and block. What is left of a block of hashes is zeros. The hash of the
//! first block of hashes is the root hash; where there is one block of data, that has it, and there
//! are no hashes.

use std::io::{self, Cursor, Read, Seek, Write};

use sha2::{Digest as _, Sha256};

use crate::superblock::Superblock;
use crate::{Digest, Error};

/// Length of the blocks that are made here, of data and of hashes, in bytes. systemd makes no others
/// by itself.
pub const BLOCK_SIZE: usize = 4096;
/// Length of a hash in bytes.
pub(crate) const HASH_SIZE: usize = 32;
/// Hashes in a block of them.
const HASHES_PER_BLOCK: usize = BLOCK_SIZE / HASH_SIZE;

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
/// It keeps the first block as it is, since file systems write their superblock last, and of the hashes of
/// the data those of the first block of hashes and of the last one. All between go into a spool, which is
/// memory or a file; of these it keeps a hash for each block of hashes.
#[derive(Clone, Debug)]
pub struct Hasher<S = Cursor<Vec<u8>>> {
    salt: [u8; 32],
    salted: Salted,
    length: u64,
    first: Vec<u8>,
    /// The beginning of a block.
    begun: Vec<u8>,
    /// The first block of hashes, once it is whole; its first hash is that of the first block, which is not
    /// known yet.
    first_hashes: Option<Vec<Digest>>,
    /// The block of hashes that is being filled.
    hashes: Vec<Digest>,
    /// The hashes of the blocks of hashes that are in the spool.
    above: Vec<Digest>,
    spool: S,
    /// Why something could not be put into the spool.
    failed: Option<io::ErrorKind>,
}

impl Hasher {
    /// Starts with no data, and keeps the hashes in memory.
    #[must_use]
    pub fn new(salt: [u8; 32]) -> Self {
        Self::with_spool(salt, Cursor::default())
    }
}

impl<S: Read + Write + Seek> Hasher<S> {
    /// Starts with no data and an empty spool.
    #[must_use]
    pub fn with_spool(salt: [u8; 32], spool: S) -> Self {
        Self {
            salt,
            salted: Salted::new(&salt),
            length: 0,
            first: Vec::new(),
            begun: Vec::new(),
            first_hashes: None,
            hashes: vec![Digest::default()],
            above: Vec::new(),
            spool,
            failed: None,
        }
    }

    /// Takes the hash of the next block after the first.
    fn push(&mut self, hash: Digest) {
        self.hashes.push(hash);
        if self.hashes.len() == HASHES_PER_BLOCK {
            self.put();
        }
    }

    /// Puts away a block of hashes.
    fn put(&mut self) {
        if self.first_hashes.is_none() {
            self.first_hashes = Some(std::mem::take(&mut self.hashes));
            return;
        }
        let block = block_of(&self.hashes);
        self.above.push(self.salted.hash(&block));
        if let Err(error) = self.spool.write_all(&block) {
            self.failed.get_or_insert(error.kind());
        }
        self.hashes.clear();
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
            self.push(self.salted.hash(&self.begun));
            self.begun.clear();
        }
        let (blocks, rest) = bytes.as_chunks::<BLOCK_SIZE>();
        for block in blocks {
            self.push(self.salted.hash(block));
        }
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
    /// [`Error::Length`]: there are none, or their last block is short. [`Error::Io`]: a hash could not be put
    /// into the spool.
    pub fn finish(mut self) -> Result<HashTree<S>, Error> {
        if self.first.len() < BLOCK_SIZE || !self.begun.is_empty() {
            return Err(Error::Length(self.length));
        }
        let of_first = self.salted.hash(&self.first);
        if self.first_hashes.is_none() || !self.hashes.is_empty() {
            self.put();
        }
        if let Some(kind) = self.failed {
            return Err(Error::Io(kind.into()));
        }
        let mut first_hashes = self.first_hashes.unwrap_or_default();
        if let Some(hash) = first_hashes.first_mut() {
            *hash = of_first;
        }
        let mut levels = Vec::new();
        let root = match first_hashes.len() {
            // One block of data has the root hash.
            0 | 1 => of_first,
            _ => {
                let mut level = vec![self.salted.hash(&block_of(&first_hashes))];
                level.append(&mut self.above);
                while level.len() > 1 {
                    let above = level.chunks(HASHES_PER_BLOCK);
                    let above = above.map(|hashes| self.salted.hash(&block_of(hashes)));
                    let above = above.collect();
                    levels.push(std::mem::replace(&mut level, above));
                }
                level.first().copied().unwrap_or_default()
            }
        };
        Ok(HashTree {
            salt: self.salt,
            length: self.length,
            first_hashes,
            spool: self.spool,
            levels,
            root,
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
pub struct HashTree<S = Cursor<Vec<u8>>> {
    salt: [u8; 32],
    length: u64,
    /// The hashes of the data in their first block.
    first_hashes: Vec<Digest>,
    /// The blocks of hashes of the data after that.
    spool: S,
    /// The hashes of each level above, the lowest first; that of a single block is the root.
    levels: Vec<Vec<Digest>>,
    root: Digest,
}

impl<S: Read + Write + Seek> HashTree<S> {
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
        let blocks = levels(self.length / BLOCK_SIZE as u64, HASHES_PER_BLOCK as u64);
        (1 + blocks.iter().sum::<u64>()) * BLOCK_SIZE as u64
    }

    /// Writes the superblock and the hashes.
    ///
    /// # Errors
    /// Those of `out` and of the spool.
    pub fn write(&mut self, uuid: [u8; 16], out: &mut impl Write) -> io::Result<()> {
        let superblock = Superblock {
            uuid,
            data_block: BLOCK_SIZE as u32,
            hash_block: BLOCK_SIZE as u32,
            data_blocks: self.length / BLOCK_SIZE as u64,
            salt: self.salt.to_vec(),
        };
        out.write_all(&superblock.to_bytes())?;
        for level in self.levels.iter().rev() {
            for hashes in level.chunks(HASHES_PER_BLOCK) {
                out.write_all(&block_of(hashes))?;
            }
        }
        if self.first_hashes.len() > 1 {
            out.write_all(&block_of(&self.first_hashes))?;
            self.spool.rewind()?;
            io::copy(&mut self.spool, out)?;
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
        let bytes = |mut tree: HashTree| {
            let mut written = Vec::new();
            tree.write([1; 16], &mut written).unwrap();
            written
        };
        let whole = tree(&data, data.len());
        let written = bytes(whole.clone());
        for step in [1, 4095, 4096, 4097, 10_000] {
            let other = tree(&data, step);
            assert_eq!(other.root(), whole.root(), "{step}");
            assert_eq!(bytes(other), written, "{step}");
        }
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
    fn a_spool_that_is_full() {
        /// Takes nothing.
        #[derive(Debug)]
        struct Full;
        impl Read for Full {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Ok(0)
            }
        }
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::ErrorKind::StorageFull.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        impl Seek for Full {
            fn seek(&mut self, _: io::SeekFrom) -> io::Result<u64> {
                Ok(0)
            }
        }
        for (blocks, is_full) in [(128, false), (129, true)] {
            let mut hasher = Hasher::with_spool([7; 32], Full);
            hasher.update(&vec![0; blocks * BLOCK_SIZE]);
            let error = hasher.finish().err().map(|error| error.to_string());
            assert_eq!(error.is_some(), is_full, "{error:?}");
        }
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
