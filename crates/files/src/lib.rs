//! One way to open files that others may have put there, and one to write where others may.
//!
//! **Reading.** [`open`] and [`Directory::open_file`] open regular files and nothing else. Opening
//! a FIFO would wait for its writer, and opening a device may do something; so what has the name is
//! looked at first, opened without waiting, and looked at again through the descriptor. The error
//! says what it is. [`read`] and [`Directory::read`] take no more memory than the file has bytes,
//! and no more than their caller allows.
//!
//! **Links.** A path that the user typed or that the system prescribes (`/etc/os-release`) may be a
//! link: [`Links::Follow`]. A name in a directory that others can write to may not: it would make
//! this process read, or write, what its user never named. [`Links::Refuse`] looks at the last
//! component only; where the directories above can be swapped too, one opens them once, as a
//! [`Directory`], and goes on from its descriptor. Its methods never follow a link, and a
//! [`Descent`] takes whole paths below it.
//!
//! **Writing.** [`Directory::replace`] writes a file under a name of its own and renames it over
//! whatever has the name: readers see the old bytes or the new ones, and a link is replaced and not
//! followed. [`Directory::create_file`] makes a file that was not there.
//!
//! **Private files.** What nobody else may have a hand in, such as a cache, is checked by
//! [`check_private`]: own user, not writable for others, a file without a second name. The
//! directory is checked, too ([`Directory::check_private`]), since who can write to it can rename
//! what is in it.
//!
//! **Names** are bytes, which need not be text: [`PathBytes`].

#![allow(
    clippy::disallowed_methods,
    reason = "the other crates come here for it"
)]

mod descent;
mod directory;
mod error;
mod kind;
mod path_bytes;
mod private;
mod read;
mod secret;
#[cfg(test)]
mod tests;
mod view;

use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::{AtFlags, CWD, FileType, Mode, OFlags, Stat};

pub use descent::Descent;
pub use directory::{Directory, replace};
pub use error::{Error, Kind};
pub use kind::what_is;
pub use path_bytes::{PathBytes, brief, directory_of, shown};
pub use read::read_open;
pub use secret::SecretFile;
pub use view::View;

/// What is done with a symbolic link in the place of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// It is followed: the user named it, or the system has one there.
    Follow,
    /// It is an error: others can put one there.
    Refuse,
}

/// Opens a regular file for reading; never waits.
///
/// # Errors
/// [`Error::WrongKind`]: it is something else. [`Error::Io`].
pub fn open(path: impl AsRef<Path>, links: Links) -> Result<File, Error> {
    let path = path.as_ref();
    open_at(CWD, path, path, links, OFlags::RDONLY)
}

/// Reads a regular file of at most `limit` bytes whole.
///
/// # Errors
/// Those of [`open`], and [`Error::TooLarge`].
pub fn read(path: impl AsRef<Path>, limit: u64, links: Links) -> Result<Vec<u8>, Error> {
    let path = path.as_ref();
    read_open(&open(path, links)?, path, limit)
}

/// Makes a file in memory, which is nowhere in the file system and goes when it is closed.
///
/// # Errors
/// [`Error::Io`].
pub fn in_memory(name: &str) -> Result<File, Error> {
    let flags = rustix::fs::MemfdFlags::CLOEXEC;
    let made = rustix::fs::memfd_create(name, flags);
    made.map(File::from)
        .map_err(|errno| io_error("make", Path::new(name), std::io::Error::from(errno)))
}

/// Takes a missing file for none: `if_there(read(…))?` is `None` where there is nothing of that
/// name. A path through a file that is not a directory stays an error.
///
/// # Errors
/// All but that one.
pub fn if_there<T>(found: Result<T, Error>) -> Result<Option<T>, Error> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Fails unless an open file belongs to this process's user, is writable for nobody else, and,
/// unless it is a directory, has one name only.
///
/// A second name means that somebody linked another of the user's files into the place; what is
/// written here would be written there. `path` is for the error.
///
/// # Errors
/// [`Error::NotPrivate`] says what is wrong. [`Error::Io`].
pub fn check_private(file: impl AsFd, path: &Path) -> Result<(), Error> {
    let stat = rustix::fs::fstat(file).map_err(|error| io_error("look at", path, error))?;
    match foreign_hand(&stat, rustix::process::geteuid().as_raw()) {
        None => Ok(()),
        Some(problem) => Err(Error::NotPrivate {
            path: path.to_owned(),
            problem,
        }),
    }
}

/// Says how others can write to a file of the user `own`, if they can.
fn foreign_hand(stat: &Stat, own: u32) -> Option<String> {
    if stat.st_uid != own {
        return Some(format!(
            "belongs to user {}, not to user {own}",
            stat.st_uid
        ));
    }
    let mode = Mode::from_raw_mode(stat.st_mode);
    if mode.intersects(Mode::WGRP | Mode::WOTH) {
        let mode = mode.bits() & 0o7777;
        return Some(format!("has mode {mode:04o}, so others can write to it"));
    }
    let is_directory = FileType::from_raw_mode(stat.st_mode) == FileType::Directory;
    if stat.st_nlink > 1 && !is_directory {
        let others = stat.st_nlink - 1;
        return Some(format!("has {others} other names (hard links)"));
    }
    None
}

/// Opens a regular file below `directory`; `path` is what the error calls it.
fn open_at(
    directory: impl AsFd,
    name: &Path,
    path: &Path,
    links: Links,
    access: OFlags,
) -> Result<File, Error> {
    look_at(&directory, name, path, links)?;
    open_unseen(directory, name, path, links, access)
}

/// Fails unless a regular file has the name.
fn look_at(directory: impl AsFd, name: &Path, path: &Path, links: Links) -> Result<(), Error> {
    let looking = match links {
        Links::Follow => AtFlags::empty(),
        Links::Refuse => AtFlags::SYMLINK_NOFOLLOW,
    };
    let found = rustix::fs::statat(directory, name, looking);
    require_file(&found.map_err(|error| io_error("open", path, error))?, path)
}

/// Opens what may be something else than when it was looked at: nothing here waits, becomes this
/// process's terminal or is followed.
fn open_unseen(
    directory: impl AsFd,
    name: &Path,
    path: &Path,
    links: Links,
    access: OFlags,
) -> Result<File, Error> {
    let following = match links {
        Links::Follow => OFlags::empty(),
        Links::Refuse => OFlags::NOFOLLOW,
    };
    let flags = access | following | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let failed = |error| io_error("open", path, error);
    let file = match rustix::fs::openat(&directory, name, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(error) => {
            // If it is something else, that is what to say.
            look_at(directory, name, path, links)?;
            return Err(failed(error));
        }
    };
    require_file(&rustix::fs::fstat(&file).map_err(failed)?, path)?;
    Ok(file)
}

/// Fails unless this is a regular file.
fn require_file(stat: &Stat, path: &Path) -> Result<(), Error> {
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => Ok(()),
        other => Err(Error::WrongKind {
            path: path.to_owned(),
            found: Kind::of(other),
            wanted: "a regular file",
        }),
    }
}

/// An error of the system about a path.
fn io_error(action: &'static str, path: &Path, error: impl Into<std::io::Error>) -> Error {
    Error::Io {
        action,
        path: path.to_owned(),
        source: error.into(),
    }
}
