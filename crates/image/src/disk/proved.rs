//! Whether the bytes of a disk image are what its hashes say, and what its signature says of these.

use std::io::{self, Read, Seek, SeekFrom, Write};

use verity::{Digest, MAX_SIGNATURE_SIZE, SIGNATURE_SIZE, SignatureBlock};

use super::{Guid, Partition};
use crate::Section;

/// The partitions that belong together.
#[derive(Clone, Copy, Debug)]
pub struct Protected<'t> {
    /// That with the file system.
    pub data: &'t Partition,
    /// That with its hashes.
    pub hashes: &'t Partition,
    /// That with their signature.
    pub signature: Option<&'t Partition>,
}

/// What hashes prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proved {
    /// The root hash of the data as they are.
    pub root: Digest,
    /// What the image has to prove the root hash.
    pub by: ProvedBy,
}

/// What a disk image has to prove its root hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProvedBy {
    /// Nothing.
    Nothing,
    /// Room for a signature.
    NothingYet,
    /// A signature of this root hash. Whose it is has not been checked.
    Signature(SignatureBlock),
}

/// Why a disk image is not what it says.
#[derive(Debug, thiserror::Error)]
pub enum Unproved {
    /// Data, hashes or signature are not what they should be.
    #[error(transparent)]
    Verity(#[from] verity::Error),
    /// systemd finds the partitions by the root hash.
    #[error("the UUID of partition {label:?} is {found}, by the root hash it should be {expected}")]
    Id {
        /// The partition's name.
        label: String,
        /// Its UUID.
        found: Guid,
        /// What it should be.
        expected: Guid,
    },
    /// The signature is for other data.
    #[error("the signature is of the root hash {signed}, but that of the data is {found}")]
    Root {
        /// What was signed, in hex.
        signed: String,
        /// What the data have, in hex.
        found: String,
    },
    /// There is no empty room for a signature.
    #[error("{0}")]
    NoRoom(&'static str),
}

impl From<io::Error> for Unproved {
    fn from(error: io::Error) -> Self {
        Self::Verity(error.into())
    }
}

impl Protected<'_> {
    /// Reads all of the data and of the hashes, and compares them, in memory that does not depend on
    /// their length.
    pub fn prove<R: Read + Seek>(&self, disk: &mut R) -> Result<Proved, Unproved> {
        let root = self.root(disk)?;
        let by = match self.signature {
            None => ProvedBy::Nothing,
            Some(partition) => match SignatureBlock::parse(&signature_bytes(disk, partition)?)? {
                None => ProvedBy::NothingYet,
                Some(block) if block.root == root => ProvedBy::Signature(block),
                Some(block) => {
                    return Err(Unproved::Root {
                        signed: verity::signed_text(&block.root),
                        found: verity::signed_text(&root),
                    });
                }
            },
        };
        Ok(Proved { root, by })
    }

    /// Writes a signature into the room that there is for it, of what was [proved](Self::prove).
    pub fn sign<F: Write + Seek>(
        &self,
        disk: &mut F,
        proved: &Proved,
        block: &SignatureBlock,
    ) -> Result<(), Unproved> {
        let room = self.room(proved)?;
        if block.root != proved.root {
            return Err(Unproved::Root {
                signed: verity::signed_text(&block.root),
                found: verity::signed_text(&proved.root),
            });
        }
        let bytes = block.to_bytes()?;
        disk.seek(SeekFrom::Start(room.start))?;
        disk.write_all(&bytes)?;
        Ok(disk.flush()?)
    }

    /// Fails without room for a signature of what was [proved](Self::prove).
    pub fn has_room(&self, proved: &Proved) -> Result<(), Unproved> {
        self.room(proved).map(drop)
    }

    fn room(&self, proved: &Proved) -> Result<&Partition, Unproved> {
        match (&proved.by, self.signature) {
            (ProvedBy::NothingYet, Some(room)) if room.length >= SIGNATURE_SIZE => Ok(room),
            (ProvedBy::Signature(_), _) => Err(Unproved::NoRoom("it is signed")),
            _ => Err(Unproved::NoRoom("it has no room for a signature")),
        }
    }

    fn root<R: Read + Seek>(&self, disk: &mut R) -> Result<Digest, Unproved> {
        let root = {
            let disk = Shared::new(disk);
            let part =
                |partition: &Partition| Section::new(&disk, partition.start, partition.length);
            verity::check(&mut part(self.data)?, &mut part(self.hashes)?)?.root
        };
        let (first, last) = root.split_at(root.len() / 2);
        for (partition, id) in [(self.data, first), (self.hashes, last)] {
            let expected = Guid::of_text_order(id.first_chunk().copied().unwrap_or_default());
            if partition.id != expected {
                return Err(Unproved::Id {
                    label: partition.label.clone(),
                    found: partition.id,
                    expected,
                });
            }
        }
        Ok(root)
    }
}

fn signature_bytes<R: Read + Seek>(disk: &mut R, partition: &Partition) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let section = Section::new(disk, partition.start, partition.length)?;
    let most = MAX_SIGNATURE_SIZE as u64 + 1;
    section.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Two readers of one input, which seek before they read.
struct Shared<'r, R>(std::cell::RefCell<&'r mut R>);

impl<'r, R> Shared<'r, R> {
    fn new(input: &'r mut R) -> Self {
        Self(std::cell::RefCell::new(input))
    }
}

impl<R: Read> Read for &Shared<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.borrow_mut().read(buffer)
    }
}

impl<R: Seek> Seek for &Shared<'_, R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.0.borrow_mut().seek(position)
    }
}
