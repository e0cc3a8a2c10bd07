//! File systems that are read and not written: EROFS, and ext2 to ext4.
//!
//! Other tools make images of them, and systemd merges those as well. They are read as far as that
//! is needed to say what is in them: names, inodes, extended attributes, and the contents of files
//! that are stored as they are. Compressed and encrypted ones have a name and no content.
//!
//! The image may be hostile. Whatever its bytes are, reading ends with a value or an error: offsets
//! are checked against the image, lengths before memory is taken for them, and both the tree and
//! the bytes that are read for it have a budget that grows with the image.
//!
//! | module | holds |
//! |---|---|
//! | `source` | the bytes of an image, and how many may be read |
//! | `pieces` | where the bytes of a file are |
//! | `walk` | from the root's inode to a [`Tree`] |
//! | `erofs`, `ext` | the two formats |
//!
//! Sources of the formats: `fs/erofs/erofs_fs.h` and `Documentation/filesystems/ext4/` of Linux.

mod erofs;
mod ext;
mod pieces;
mod source;
mod walk;

use std::io::{self, Read, Seek};

use files::PathBytes;

use self::erofs::Erofs;
use self::ext::Ext;
pub use self::pieces::Contents;
use self::pieces::Piece;
use self::source::Source;
use crate::budget::TooLarge;
use crate::content::ContentId;
use crate::tree::{Special, Stat, Tree};

/// Longest target of a symbolic link in bytes: Linux's `PATH_MAX` less its final NUL.
const MAX_TARGET: u64 = 4095;
/// Longest value of an extended attribute in bytes: Linux's `XATTR_SIZE_MAX`.
const MAX_VALUE: usize = 65_536;

/// Why a file system could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input failed.
    #[error("can't read {length} bytes at offset {offset}: {source}")]
    Input {
        /// Where reading started.
        offset: u64,
        /// How many bytes were wanted.
        length: usize,
        /// What the input said.
        source: io::Error,
    },
    /// What is there can't be.
    #[error("{place}: {problem}")]
    Wrong {
        /// What is wrong, as in `inode 12`.
        place: String,
        /// What is wrong with it.
        problem: String,
    },
    /// What is there is not read.
    #[error("{0}, which is not read here")]
    Unsupported(String),
    /// The tree is larger than an image of this length has a right to.
    #[error("the tree takes more than {limit} bytes of memory")]
    TooLarge {
        /// The limit for this image.
        limit: u64,
    },
    /// The same bytes are read over and over again.
    #[error("the tree refers to the same blocks too often")]
    TooOften,
}

impl Error {
    fn wrong(place: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Wrong {
            place: place.into(),
            problem: problem.into(),
        }
    }
}

impl From<TooLarge> for Error {
    fn from(TooLarge { limit }: TooLarge) -> Self {
        Self::TooLarge { limit }
    }
}

impl From<Error> for io::Error {
    /// Keeps the kind of an input's error; everything else is `InvalidData`.
    fn from(error: Error) -> Self {
        let kind = match &error {
            Error::Input { source, .. } => source.kind(),
            _ => io::ErrorKind::InvalidData,
        };
        Self::new(kind, error)
    }
}

/// What an inode is.
enum Kind {
    Directory,
    File,
    Symlink,
    Special(Special),
}

/// An inode, whatever the format.
struct Inode {
    stat: Stat,
    kind: Kind,
    /// Length of its data in bytes.
    size: u64,
    /// Its data are stored as they are.
    is_plain: bool,
}

/// Returns what the type bits of a mode say.
fn kind(mode: u16, device: u32) -> Option<Kind> {
    Some(match mode >> 12 {
        0o1 => Kind::Special(Special::Fifo),
        0o2 => Kind::Special(Special::Character(device)),
        0o4 => Kind::Directory,
        0o6 => Kind::Special(Special::Block(device)),
        0o10 => Kind::File,
        0o12 => Kind::Symlink,
        0o14 => Kind::Special(Special::Socket),
        _ => return None,
    })
}

/// What a format has to tell.
trait Format<R> {
    /// Returns the number of the root's inode.
    fn root(&self) -> u64;
    /// Reads an inode.
    fn inode(&mut self, source: &mut Source<R>, number: u64) -> Result<Inode, Error>;
    /// Returns where the data of an inode are.
    fn pieces(&mut self, source: &mut Source<R>, number: u64) -> Result<Vec<Piece>, Error>;
    /// Returns the names of a directory with their inodes, given its data.
    fn names(&self, number: u64, data: &[u8]) -> Result<Vec<(PathBytes, u64)>, Error>;
}

enum Reader {
    Erofs(Erofs),
    Ext(Ext),
}

/// A file system that is read.
pub struct FileSystem<R> {
    source: Source<R>,
    reader: Reader,
}

impl<R: Read + Seek> FileSystem<R> {
    /// Reads the superblock of an EROFS that starts at offset 0.
    pub fn erofs(input: R) -> Result<Self, Error> {
        let mut source = Source::new(input)?;
        let reader = Reader::Erofs(Erofs::open(&mut source)?);
        Ok(Self { source, reader })
    }

    /// Reads the superblock of an ext2, ext3 or ext4 file system that starts at offset 0.
    pub fn ext(input: R) -> Result<Self, Error> {
        let mut source = Source::new(input)?;
        let reader = Reader::Ext(Ext::open(&mut source)?);
        Ok(Self { source, reader })
    }

    /// Returns the name of the format: `erofs`, `ext2`, `ext3` or `ext4`, by its features.
    pub fn name(&self) -> &'static str {
        match &self.reader {
            Reader::Erofs(_) => "erofs",
            Reader::Ext(ext) => ext.name(),
        }
    }

    /// Returns how long the file system says that it is, in bytes.
    pub fn length(&self) -> u64 {
        match &self.reader {
            Reader::Erofs(erofs) => erofs.length(),
            Reader::Ext(ext) => ext.length(),
        }
    }

    /// Reads all directories, inodes and extended attributes. The ids of contents mean something to
    /// [`content`](Self::content) of this file system only.
    pub fn tree(&mut self) -> Result<Tree, Error> {
        match &mut self.reader {
            Reader::Erofs(erofs) => walk::read_tree(erofs, &mut self.source),
            Reader::Ext(ext) => walk::read_tree(ext, &mut self.source),
        }
    }

    /// Returns a stream of the bytes behind an id of this file system's [`tree`](Self::tree).
    pub fn content(&mut self, id: &ContentId) -> Result<Contents<'_, R>, Error> {
        let number = id
            .place()
            .ok_or_else(|| Error::wrong(id.to_string(), "is not the id of a content"))?;
        self.source.refill();
        let source = &mut self.source;
        let (inode, pieces) = match &mut self.reader {
            Reader::Erofs(erofs) => (erofs.inode(source, number)?, erofs.pieces(source, number)?),
            Reader::Ext(ext) => (ext.inode(source, number)?, ext.pieces(source, number)?),
        };
        Ok(Contents::new(source, pieces, inode.size))
    }

    /// Says whether a content is stored as it is, so that [`content`](Self::content) has its bytes.
    pub fn is_plain(&mut self, id: &ContentId) -> bool {
        self.source.refill();
        let source = &mut self.source;
        let inode = id.place().and_then(|number| match &mut self.reader {
            Reader::Erofs(erofs) => erofs.inode(source, number).ok(),
            Reader::Ext(ext) => ext.inode(source, number).ok(),
        });
        inode.is_some_and(|inode| inode.is_plain)
    }
}

/// Splits a row of bytes into fields; what is beyond its end is 0.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(&self, at: usize) -> [u8; N] {
        let found = self.0.get(at..).and_then(<[u8]>::first_chunk);
        found.copied().unwrap_or([0; N])
    }

    fn byte(&self, at: usize) -> u8 {
        self.0.get(at).copied().unwrap_or(0)
    }

    fn half(&self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    fn word(&self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    fn long(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }
}
