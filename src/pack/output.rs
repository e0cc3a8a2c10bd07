//! What an image is packed into: a file, or a disk image around the file system.

use std::io::{self, Read, Seek, SeekFrom, Write};

use image::Section;
use image::disk::{FIRST, Kinds, Proof, ProtectedDisk};
use store::Temporary;
use verity::{Digest, Error};

use crate::words::failure::{Failure, Result};

/// What is around a file system in a disk image.
pub struct Around<'a> {
    /// What goes into each hash.
    pub salt: [u8; 32],
    /// What the partitions are for.
    pub kinds: Kinds,
    /// Makes what proves a root hash.
    pub prove: &'a dyn Fn(Digest) -> Result<Proof>,
}

/// Where an image is packed to.
pub enum Output {
    /// A bare file system.
    Bare(Temporary),
    /// A disk image, whose file system it is.
    Disk(Box<ProtectedDisk<Temporary, Temporary>>),
}

/// A file that has its image.
pub struct Whole {
    /// The file.
    pub file: Temporary,
    /// Where the file system is in it: start and length in bytes.
    system: (u64, u64),
    /// The root hash of a disk image.
    pub root: Option<Digest>,
}

impl Output {
    /// Begins an image in an empty file. The hashes of a disk wait in another one for its end.
    pub fn new(file: Temporary, around: Option<(&Around<'_>, Temporary)>) -> Self {
        match around {
            None => Self::Bare(file),
            Some((around, hashes)) => {
                let disk = ProtectedDisk::with_spool(file, around.salt, hashes);
                Self::Disk(Box::new(disk))
            }
        }
    }

    /// Ends an image that has its file system.
    pub fn finish(self, around: Option<&Around<'_>>) -> Result<Whole> {
        let failed = |error: Error| match error {
            Error::Io(error) => Failure::io("writing the image", error),
            error => Failure::refused(error),
        };
        match (self, around) {
            (Self::Disk(disk), Some(around)) => {
                let hashed = disk.hashed().map_err(failed)?;
                let (root, length) = (hashed.root(), hashed.data_length());
                let proof = (around.prove)(root)?;
                let (file, _) = hashed.finish(&around.kinds, &proof).map_err(failed)?;
                Ok(Whole {
                    file,
                    system: (FIRST, length),
                    root: Some(root),
                })
            }
            (Self::Disk(disk), None) => Ok(Whole::bare(disk.into_inner())),
            (Self::Bare(file), _) => Ok(Whole::bare(file)),
        }
    }
}

impl Whole {
    fn bare(file: Temporary) -> Self {
        Self {
            file,
            system: (0, u64::MAX),
            root: None,
        }
    }

    /// Returns the file system of an image that is read in this way.
    pub fn system<R: Read + Seek>(&self, image: R) -> io::Result<Section<R>> {
        let (start, length) = self.system;
        Section::new(image, start, length)
    }
}

impl Read for Output {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Bare(file) => file.read(buffer),
            Self::Disk(disk) => disk.read(buffer),
        }
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Bare(file) => file.write(bytes),
            Self::Disk(disk) => disk.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Bare(file) => file.flush(),
            Self::Disk(disk) => disk.flush(),
        }
    }
}

impl Seek for Output {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        match self {
            Self::Bare(file) => file.seek(position),
            Self::Disk(disk) => disk.seek(position),
        }
    }
}
