//! Whether data are what their hash tree says, and the tree what its root hash says.

use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use crate::superblock::{SIZE, Superblock};
use crate::tree::{HASH_SIZE, Salted, levels};
use crate::{Digest, Error};

/// Longest data that are hashed, in bytes: what takes some minutes.
const MAX_DATA: u64 = 64 << 30;
/// So many bytes are read at once, or one block.
const READ_SIZE: usize = 64 << 10;

/// Data that are as their hash tree says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checked {
    /// How the tree was made.
    pub superblock: Superblock,
    /// The root hash: whoever knows it from elsewhere knows the data.
    pub root: Digest,
    /// Length of the data that have hashes, in bytes; what follows was not looked at.
    pub length: u64,
}

/// Hashes data, and compares with the hashes of each level, up to the root hash. `hashes` starts with
/// the superblock.
///
/// # Errors
/// [`Error::Block`]: a block of data or of hashes was changed. [`Error::Hashes`]: the tree is damaged,
/// or of a kind that is not read here. [`Error::Io`].
pub fn check(
    data: &mut (impl Read + Seek),
    hashes: &mut (impl Read + Seek),
) -> Result<Checked, Error> {
    let superblock = read_superblock(hashes)?;
    let length = superblock
        .data_blocks
        .checked_mul(superblock.data_block.into())
        .filter(|length| *length <= MAX_DATA);
    let Some(length) = length else {
        let text = format!(
            "is of more than {} GiB, which are not hashed here",
            MAX_DATA >> 30
        );
        return Err(Error::Hashes(text));
    };
    let there = data.seek(SeekFrom::End(0))?;
    if length == 0 || length > there {
        let text = format!("is of {length} bytes, but there are {there}");
        return Err(Error::Hashes(text));
    }
    let hash_block = superblock.hash_block as usize;
    let levels = levels(superblock.data_blocks, (hash_block / HASH_SIZE) as u64);
    // The superblock takes the first block.
    let mut ends = 1 + levels.iter().sum::<u64>();
    if hashes.seek(SeekFrom::End(0))? < ends * hash_block as u64 {
        return Err(Error::Hashes("ends too early".to_owned()));
    }
    let hasher = Salted::new(&superblock.salt);
    let mut below = Blocks {
        of: "the data",
        start: 0,
        size: superblock.data_block as usize,
        count: superblock.data_blocks,
    };
    for (number, count) in levels.into_iter().enumerate() {
        ends -= count;
        let level = Blocks {
            of: "the hash tree",
            start: ends * hash_block as u64,
            size: hash_block,
            count,
        };
        for parent in 0..count {
            let stored = level.read(hashes, parent)?;
            let children = below.children(parent, hash_block / HASH_SIZE);
            let found = match number {
                0 => below.hash(data, children.clone(), &hasher)?,
                _ => below.hash(hashes, children.clone(), &hasher)?,
            };
            let (expected, rest) = stored.split_at(found.len() * HASH_SIZE);
            let mut both = children.zip(expected.chunks(HASH_SIZE).zip(&found));
            if let Some((block, _)) = both.find(|(_, (expected, found))| *expected != *found) {
                return Err(Error::Block {
                    of: below.of,
                    block,
                });
            }
            if rest.iter().any(|byte| *byte != 0) {
                let of = level.of;
                return Err(Error::Block { of, block: parent });
            }
        }
        below = level;
    }
    let root = match below.start {
        0 => below.hash(data, 0..1, &hasher)?,
        _ => below.hash(hashes, 0..1, &hasher)?,
    };
    Ok(Checked {
        superblock,
        root: root.first().copied().unwrap_or_default(),
        length,
    })
}

fn read_superblock(hashes: &mut (impl Read + Seek)) -> Result<Superblock, Error> {
    hashes.seek(SeekFrom::Start(0))?;
    let mut bytes = Vec::new();
    hashes.take(SIZE as u64).read_to_end(&mut bytes)?;
    let superblock = Superblock::parse(&bytes)?;
    let mut rest = Vec::new();
    let left = superblock.hash_block as usize - SIZE;
    hashes.take(left as u64).read_to_end(&mut rest)?;
    match rest.len() == left && rest.iter().all(|byte| *byte == 0) {
        true => Ok(superblock),
        false => Err(Error::Hashes(
            "has something behind its superblock".to_owned(),
        )),
    }
}

/// Blocks that follow each other: the data, or a level of hashes.
struct Blocks {
    of: &'static str,
    /// Where the first one is, in bytes.
    start: u64,
    size: usize,
    count: u64,
}

impl Blocks {
    /// Returns which blocks have their hashes in the block `parent` of the level above.
    fn children(&self, parent: u64, hashes_per_block: usize) -> Range<u64> {
        let first = parent * hashes_per_block as u64;
        first..self.count.min(first + hashes_per_block as u64)
    }

    fn read(&self, source: &mut (impl Read + Seek), block: u64) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.size];
        source.seek(SeekFrom::Start(self.start + block * self.size as u64))?;
        source.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn hash(
        &self,
        source: &mut (impl Read + Seek),
        blocks: Range<u64>,
        hasher: &Salted,
    ) -> io::Result<Vec<Digest>> {
        source.seek(SeekFrom::Start(
            self.start + blocks.start * self.size as u64,
        ))?;
        let mut left = usize::try_from(blocks.end - blocks.start).unwrap_or(usize::MAX);
        let mut buffer = vec![0; READ_SIZE.max(self.size)];
        let at_once = buffer.len() / self.size;
        let mut hashes = Vec::with_capacity(left.min(at_once));
        while left > 0 {
            let step = left.min(at_once);
            let bytes = buffer.get_mut(..step * self.size).unwrap_or_default();
            source.read_exact(bytes)?;
            hashes.extend(bytes.chunks(self.size).map(|block| hasher.hash(block)));
            left -= step;
        }
        Ok(hashes)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;
    use crate::Hasher;

    /// Returns data of so many blocks, and their hashes.
    fn made(blocks: usize) -> (Vec<u8>, Vec<u8>, Digest) {
        let data: Vec<_> = (0..blocks * 4096).map(|n| (n / 7) as u8).collect();
        let mut hasher = Hasher::new([9; 32]);
        hasher.update(&data);
        let mut tree = hasher.finish().unwrap();
        let mut hashes = Vec::new();
        tree.write([1; 16], &mut hashes).unwrap();
        (data, hashes, tree.root())
    }

    fn checked(data: &[u8], hashes: &[u8]) -> Result<Digest, String> {
        let found = check(&mut Cursor::new(data), &mut Cursor::new(hashes));
        found
            .map(|found| found.root)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_made_is_good() {
        for blocks in [1, 2, 128, 129, 130, 300] {
            let (mut data, mut hashes, root) = made(blocks);
            assert_eq!(checked(&data, &hashes), Ok(root), "{blocks}");
            data.extend([1; 5000]);
            hashes.extend([1; 5000]);
            assert_eq!(checked(&data, &hashes), Ok(root), "{blocks} and more");
        }
    }

    #[test]
    fn each_changed_byte_is_found() {
        let (data, hashes, root) = made(2);
        for at in 0..hashes.len() {
            for mask in [1, 0x80, 0xff] {
                let mut changed = hashes.clone();
                changed[at] ^= mask;
                let found = checked(&data, &changed);
                // The UUID is under no hash.
                assert_eq!(found == Ok(root), (16..32).contains(&at), "{at} {mask}");
            }
        }
        for at in 0..data.len() {
            let mut changed = data.clone();
            changed[at] ^= 1;
            let block = at / 4096;
            let expected = format!("block {block} of the data is not what its hash says");
            assert_eq!(checked(&changed, &hashes), Err(expected));
        }
        let (data, hashes, root) = made(260);
        for step in 0..400 {
            let at = step * 7919 * 13 % data.len();
            let mut changed = data.clone();
            changed[at] ^= 1 << (step % 8);
            checked(&changed, &hashes).unwrap_err();
            let at = step * 7919 % (hashes.len() - 4096) + 4096;
            let mut changed = hashes.clone();
            changed[at] ^= 1 << (step % 8);
            assert_ne!(checked(&data, &changed), Ok(root), "{at}");
        }
    }

    #[test]
    fn what_is_no_hash_tree_is_refused() {
        let (data, hashes, _) = made(2);
        for (at, bytes, expected) in [
            (0, &b"x"[..], "does not start with dm-verity's mark"),
            (
                8,
                &[2],
                "is of version 2 and kind 1; those of 1 and 1 are read",
            ),
            (
                12,
                &[0],
                "is of version 1 and kind 0; those of 1 and 1 are read",
            ),
            (35, b"512\0", "is of \"sha512\"; that of sha256 is read"),
            (40, b"x", "has something where its superblock has zeros"),
            (64, &[1], "is of blocks of 4097 bytes, which nothing reads"),
            (65, &[1], "is of blocks of 256 bytes, which nothing reads"),
            (
                66,
                &[2],
                "is of blocks of 135168 bytes, which nothing reads",
            ),
            (69, &[1], "is of blocks of 256 bytes, which nothing reads"),
            (72, &[0], "is of 0 bytes, but there are 8192"),
            (72, &[3], "is of 12288 bytes, but there are 8192"),
            (
                79,
                &[1],
                "is of more than 64 GiB, which are not hashed here",
            ),
            (81, &[2], "has a salt of 544 bytes, more than 256"),
            (83, &[1], "has something where its superblock has zeros"),
            (120, &[1], "has something where its superblock has zeros"),
            (500, &[1], "has something where its superblock has zeros"),
            (512, &[1], "has something behind its superblock"),
        ] {
            let mut changed = hashes.clone();
            changed[at..at + bytes.len()].copy_from_slice(bytes);
            let expected = format!("the hash tree {expected}");
            assert_eq!(checked(&data, &changed), Err(expected), "{at}");
        }
        for (length, expected) in [
            (0, "ends in its superblock"),
            (511, "ends in its superblock"),
            (512, "has something behind its superblock"),
            (4096, "ends too early"),
            (8191, "ends too early"),
        ] {
            let expected = format!("the hash tree {expected}");
            assert_eq!(checked(&data, &hashes[..length]), Err(expected), "{length}");
        }
    }

    #[test]
    fn so_much_is_hashed() {
        let (_, mut hashes, _) = made(2);
        for (blocks, expected) in [
            (
                MAX_DATA / 4096,
                "the hash tree is of 68719476736 bytes, but there are 0",
            ),
            (
                MAX_DATA / 4096 + 1,
                "the hash tree is of more than 64 GiB, which are not hashed here",
            ),
        ] {
            hashes[72..80].copy_from_slice(&blocks.to_le_bytes());
            assert_eq!(checked(b"", &hashes), Err(expected.to_owned()));
        }
    }
}
