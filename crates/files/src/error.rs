//! What can be wrong with a file, before anything of it is looked at.

use std::fmt;
use std::io;
use std::path::PathBuf;

use rustix::fs::FileType;

/// What a name stands for, if not for a regular file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A named pipe.
    Fifo,
    /// A socket.
    Socket,
    /// A character device, such as a terminal or `/dev/zero`.
    CharacterDevice,
    /// A block device.
    BlockDevice,
    /// A directory.
    Directory,
    /// A symbolic link that is not followed.
    Link,
    /// A regular file, where a directory is asked for.
    File,
    /// Something that this program does not know.
    Unknown,
}

impl Kind {
    /// The kind of what has this type.
    pub(crate) fn of(kind: FileType) -> Kind {
        match kind {
            FileType::Fifo => Kind::Fifo,
            FileType::Socket => Kind::Socket,
            FileType::CharacterDevice => Kind::CharacterDevice,
            FileType::BlockDevice => Kind::BlockDevice,
            FileType::Directory => Kind::Directory,
            FileType::Symlink => Kind::Link,
            FileType::RegularFile => Kind::File,
            FileType::Unknown => Kind::Unknown,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Fifo => "a FIFO",
            Kind::Socket => "a socket",
            Kind::CharacterDevice => "a character device",
            Kind::BlockDevice => "a block device",
            Kind::Directory => "a directory",
            Kind::Link => "a symbolic link",
            Kind::File => "a file",
            Kind::Unknown => "of an unknown type",
        })
    }
}

/// Why a file is not opened, read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The system says no.
    #[error("can't {action} {path}", path = .path.display())]
    Io {
        /// A verb phrase, such as `open` or `read`.
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something else has the name.
    #[error("{path} is {found}, not {wanted}", path = .path.display())]
    WrongKind {
        /// The path.
        path: PathBuf,
        /// What it is.
        found: Kind,
        /// What it must be: `a regular file` or `a directory`.
        wanted: &'static str,
    },
    /// A directory for this user alone would be in one whose owner could put another in its place.
    #[error("{path} would be in {above}, which belongs to user {owner}", path = .path.display(), above = .above.display())]
    Exposed {
        /// The directory that is not made.
        path: PathBuf,
        /// The directory above it.
        above: PathBuf,
        /// The number of the user that it belongs to.
        owner: u32,
    },
    /// The file is larger than its reader allows.
    #[error("{path} has {size} bytes; at most {limit} are allowed", path = .path.display())]
    TooLarge {
        /// The path.
        path: PathBuf,
        /// Its size in bytes, or what was read until it was too much.
        size: u64,
        /// Most bytes that are allowed.
        limit: u64,
    },
    /// Somebody else can write to it.
    #[error("{path} {problem}", path = .path.display())]
    NotPrivate {
        /// The path.
        path: PathBuf,
        /// Who can, and how one sees it: `belongs to user 1000`.
        problem: String,
    },
}

impl Error {
    /// Whether there is nothing of that name.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }
}
