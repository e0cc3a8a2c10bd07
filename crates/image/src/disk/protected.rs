//! A disk image around a file system: the data, their hashes, and the signature of these.
//!
//! The file system is written into a [`ProtectedDisk`] as into a file. Its hashes are made while it
//! passes; they, the signature and the table follow when it is whole.

use std::io::{self, Cursor, Read, Seek, SeekFrom, Write};

use sha2::{Digest as _, Sha256};
use verity::{BLOCK_SIZE, Digest, HashTree, Hasher, SIGNATURE_SIZE, SignatureBlock};

use super::write::{FIRST, NewTable};
use super::{Guid, Partition};

/// Set in a partition's flags: it is mounted read-only. systemd-repart sets it, too.
pub const READ_ONLY: u64 = 1 << 60;

/// What the partitions of a disk image are for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kinds {
    /// The name of that with the data; the others have it, too, with an ending.
    pub name: String,
    /// The types of that with the data, of that with the hashes, and of that with their signature.
    pub types: [Guid; 3],
}

/// What proves the hashes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// Nothing: whoever has the root hash from elsewhere can check them.
    None,
    /// There is room for a signature.
    Later,
    /// A signature of the root hash.
    Signed(SignatureBlock),
}

/// A disk image whose file system is being written. It reads and writes that alone, from offset 0.
///
/// What was written may be read again. It is written in order; the first 4096 bytes alone may be
/// written again, since a file system has its superblock there. The hashes wait in a spool for its end.
#[derive(Debug)]
pub struct ProtectedDisk<W, S = Cursor<Vec<u8>>> {
    out: W,
    hasher: Hasher<S>,
    position: u64,
}

/// A disk image that has its file system.
#[derive(Debug)]
pub struct Hashed<W, S = Cursor<Vec<u8>>> {
    out: W,
    tree: HashTree<S>,
}

impl<W: Write + Seek> ProtectedDisk<W> {
    /// Starts with an empty file, and keeps the hashes in memory. The salt goes into each hash.
    pub fn new(out: W, salt: [u8; 32]) -> Self {
        Self::with_spool(out, salt, Cursor::default())
    }
}

impl<W: Write + Seek, S: Read + Write + Seek> ProtectedDisk<W, S> {
    /// Starts with an empty file and an empty spool.
    pub fn with_spool(out: W, salt: [u8; 32], spool: S) -> Self {
        Self {
            out,
            hasher: Hasher::with_spool(salt, spool),
            position: 0,
        }
    }

    /// Returns the file as it is.
    pub fn into_inner(self) -> W {
        self.out
    }

    /// Ends the file system, which has a length that is a multiple of 4096.
    pub fn hashed(self) -> Result<Hashed<W, S>, verity::Error> {
        Ok(Hashed {
            out: self.out,
            tree: self.hasher.finish()?,
        })
    }
}

impl<W: Write + Seek, S: Read + Write + Seek> Hashed<W, S> {
    /// Returns the root hash.
    pub fn root(&self) -> Digest {
        self.tree.root()
    }

    /// Returns the length of the file system in bytes.
    pub fn data_length(&self) -> u64 {
        self.tree.data_length()
    }

    /// Writes what is missing; returns the file, and its length in bytes.
    pub fn finish(mut self, kinds: &Kinds, proof: &Proof) -> Result<(W, u64), verity::Error> {
        let signature = match proof {
            Proof::None => None,
            Proof::Later => Some(vec![0; SIGNATURE_SIZE as usize]),
            Proof::Signed(block) => Some(block.to_bytes()?),
        };
        let table = table(&self.tree, kinds, signature.is_some());
        let out = &mut self.out;
        out.seek(SeekFrom::Start(FIRST + self.tree.data_length()))?;
        self.tree.write(derived(&self.tree.root(), "hashes"), out)?;
        out.write_all(&signature.unwrap_or_default())?;
        out.write_all(&table.end())?;
        out.seek(SeekFrom::Start(0))?;
        out.write_all(&table.start())?;
        out.flush()?;
        Ok((self.out, table.disk_length()))
    }
}

fn table<S: Read + Write + Seek>(
    tree: &HashTree<S>,
    kinds: &Kinds,
    has_signature: bool,
) -> NewTable {
    let root = tree.root();
    let (first, last) = root.split_at(root.len() / 2);
    let part = |bytes: &[u8]| bytes.first_chunk().copied().unwrap_or_default();
    let signature = derived(&root, "signature");
    let wanted = [
        (tree.data_length(), "", part(first)),
        (tree.length(), "-verity", part(last)),
        (SIGNATURE_SIZE, "-verity-sig", signature),
    ];
    let count = if has_signature { 3 } else { 2 };
    let mut start = FIRST;
    let wanted = wanted.into_iter().zip(kinds.types).take(count);
    let partitions = wanted.map(|((length, ending, id), kind)| {
        let partition = Partition {
            kind,
            id: Guid::of_text_order(id),
            start,
            length,
            flags: READ_ONLY,
            label: format!("{}{ending}", kinds.name),
        };
        start += length;
        partition
    });
    NewTable {
        id: Guid::of_text_order(derived(&root, "disk")),
        partitions: partitions.collect(),
    }
}

/// Returns a UUID for something of which the root hash does not give it, in the order of its text. It
/// is of version 8: made in a way of our own.
fn derived(root: &Digest, what: &str) -> [u8; 16] {
    let digest = Sha256::new_with_prefix(root).chain_update(what);
    let digest: Digest = digest.finalize().into();
    let mut id: [u8; 16] = digest.first_chunk().copied().unwrap_or_default();
    id[6] = id[6] & 0x0f | 0x80;
    id[8] = id[8] & 0x3f | 0x80;
    id
}

impl<W: Write + Seek, S: Read + Write + Seek> Write for ProtectedDisk<W, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let length = self.hasher.length();
        self.out.seek(SeekFrom::Start(FIRST + self.position))?;
        let written = if self.position == length {
            let written = self.out.write(bytes)?;
            self.hasher.update(bytes.get(..written).unwrap_or_default());
            written
        } else {
            let position = usize::try_from(self.position).unwrap_or(usize::MAX);
            let room = self.hasher.first_block().get_mut(position..);
            let Some(room) = room.filter(|room| !room.is_empty()) else {
                let text =
                    format!("{BLOCK_SIZE} bytes can be written twice, not offset {position}");
                return Err(io::Error::new(io::ErrorKind::Unsupported, text));
            };
            let count = room.len().min(bytes.len());
            let written = self.out.write(bytes.get(..count).unwrap_or_default())?;
            for (byte, new) in room.iter_mut().zip(bytes.iter().take(written)) {
                *byte = *new;
            }
            written
        };
        self.position += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

impl<W: Read + Seek, S: Read + Write + Seek> Read for ProtectedDisk<W, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.hasher.length().saturating_sub(self.position);
        self.out.seek(SeekFrom::Start(FIRST + self.position))?;
        let read = (&mut self.out).take(left).read(buffer)?;
        self.position += read as u64;
        Ok(read)
    }
}

impl<W, S: Read + Write + Seek> Seek for ProtectedDisk<W, S> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let position = match position {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.hasher.length().checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::proved::{Protected, ProvedBy, Unproved};
    use super::super::{Guid, Table};
    use super::*;

    fn kinds() -> Kinds {
        Kinds {
            name: "root-x86-64".to_owned(),
            types: [Guid([1; 16]), Guid([2; 16]), Guid([3; 16])],
        }
    }

    /// A disk with data of so many blocks, whose start was written last.
    fn disk(blocks: usize, proof: &Proof) -> (Vec<u8>, Digest) {
        let data: Vec<_> = (0..blocks * 4096).map(|n| (n / 7) as u8).collect();
        let mut writer = ProtectedDisk::new(Cursor::new(Vec::new()), [5; 32]);
        writer.write_all(&[0; 96]).unwrap();
        writer.write_all(&data[96..]).unwrap();
        writer.seek(SeekFrom::Start(0)).unwrap();
        writer.write_all(&data[..96]).unwrap();
        writer.seek(SeekFrom::Start(90)).unwrap();
        let mut read = Vec::new();
        writer.read_to_end(&mut read).unwrap();
        assert_eq!(read, data[90..]);
        let hashed = writer.hashed().unwrap();
        let root = hashed.root();
        let (out, length) = hashed.finish(&kinds(), proof).unwrap();
        let bytes = out.into_inner();
        assert_eq!(bytes.len() as u64, length);
        assert_eq!(bytes[FIRST as usize..][..data.len()], data);
        (bytes, root)
    }

    fn block(root: Digest) -> SignatureBlock {
        SignatureBlock {
            root,
            fingerprint: [1; 32],
            signature: vec![2; 300],
        }
    }

    fn proved(disk: &[u8]) -> Result<(Digest, ProvedBy), String> {
        let mut disk = Cursor::new(disk);
        let table = Table::read(&mut disk).unwrap().ok_or("no table")?;
        let [data, hashes, rest @ ..] = &table.partitions[..] else {
            return Err("too few partitions".to_owned());
        };
        let protected = Protected {
            data,
            hashes,
            signature: rest.first(),
        };
        let proved = protected
            .prove(&mut disk)
            .map_err(|error| error.to_string())?;
        Ok((proved.root, proved.by))
    }

    #[test]
    fn what_is_written_is_proved() {
        for blocks in [1, 2, 129] {
            let (bytes, root) = disk(blocks, &Proof::None);
            assert_eq!(proved(&bytes), Ok((root, ProvedBy::Nothing)));
            let (later, same) = disk(blocks, &Proof::Later);
            assert_eq!(proved(&later), Ok((root, ProvedBy::NothingYet)));
            let (signed, _) = disk(blocks, &Proof::Signed(block(root)));
            assert_eq!(
                proved(&signed),
                Ok((root, ProvedBy::Signature(block(root))))
            );
            assert_eq!(root, same);
            let hashes =
                4096 + if blocks > 1 { 4096 } else { 0 } + if blocks > 128 { 8192 } else { 0 };
            assert_eq!(
                signed.len(),
                20_480 + blocks * 4096 + hashes + 16_384 + 33 * 512
            );
            // What is signed later is what would have been signed at once.
            let mut file = Cursor::new(later);
            let table = Table::read(&mut file).unwrap().unwrap();
            let protected = Protected {
                data: &table.partitions[0],
                hashes: &table.partitions[1],
                signature: table.partitions.get(2),
            };
            let other = block([9; 32]);
            let found = protected.prove(&mut file).unwrap();
            assert!(matches!(
                protected.sign(&mut file, &found, &other),
                Err(Unproved::Root { .. })
            ));
            protected.sign(&mut file, &found, &block(root)).unwrap();
            let found = protected.prove(&mut file).unwrap();
            let again = protected.sign(&mut file, &found, &block(root));
            let again = again.unwrap_err();
            assert_eq!(again.to_string(), "it is signed");
            assert_eq!(file.into_inner(), signed);
        }
    }

    #[test]
    fn identities_come_from_the_root_hash() {
        let (bytes, root) = disk(3, &Proof::Later);
        let table = Table::read(&mut Cursor::new(&bytes)).unwrap().unwrap();
        let ids: Vec<_> = (table.partitions.iter())
            .map(|partition| partition.id.to_string().replace('-', ""))
            .collect();
        let root = verity::signed_text(&root);
        assert_eq!([ids[0].as_str(), &ids[1]].concat(), root);
        assert_eq!(ids[2].as_bytes()[12], b'8');
        let labels: Vec<_> = (table.partitions.iter())
            .map(|partition| (partition.label.as_str(), partition.flags))
            .collect();
        assert_eq!(
            labels,
            [
                ("root-x86-64", 1 << 60),
                ("root-x86-64-verity", 1 << 60),
                ("root-x86-64-verity-sig", 1 << 60)
            ]
        );
    }

    #[test]
    fn each_changed_byte_behind_the_table_is_found() {
        let (root, signed) = {
            let (_, root) = disk(2, &Proof::None);
            (root, disk(2, &Proof::Signed(block(root))).0)
        };
        let good = Ok((root, ProvedBy::Signature(block(root))));
        let hashes = FIRST as usize + 8192;
        let end = hashes + 8192 + 16_384;
        for at in FIRST as usize..end {
            let mut changed = signed.clone();
            changed[at] ^= 1 << (at % 8);
            let is_uuid = (hashes + 16..hashes + 32).contains(&at);
            assert_eq!(proved(&changed) == good, is_uuid, "{at}");
        }
    }

    #[test]
    fn only_the_first_block_is_written_twice() {
        let mut writer = ProtectedDisk::new(Cursor::new(Vec::new()), [5; 32]);
        writer.write_all(&[1; 5000]).unwrap();
        for offset in [4096, 4999, 5001] {
            writer.seek(SeekFrom::Start(offset)).unwrap();
            writer.write_all(&[1]).unwrap_err();
        }
        writer.seek(SeekFrom::Start(4095)).unwrap();
        assert_eq!(writer.write(&[2, 2]).unwrap(), 1);
        assert!(writer.hashed().is_err());
    }
}
