//! Secrets: keys and passphrases.
//!
//! Of these alone a FIFO is read, too: `--sign-key <(pass show key)` gives a program's output to
//! this one without a file that would have to be wiped. A FIFO that nobody opens for writing is
//! given up after a while; once somebody has, it is read for as long as that takes, since a program
//! may have to ask its user.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{CWD, FileType, Mode, OFlags};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::{Links, io_error, open, require_file};

/// How long a FIFO without a writer is waited for.
const PATIENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// Reads a regular file or a FIFO of at most `limit` bytes, links followed; says its mode, too.
///
/// The bytes are wiped when they go, and no copy of them was left where a buffer grew.
///
/// # Errors
/// [`Error::WrongKind`]: it is something else. [`Error::NoWriter`], [`Error::TooLarge`],
/// [`Error::Io`].
pub fn read_secret(path: impl AsRef<Path>, limit: u64) -> Result<(Zeroizing<Vec<u8>>, u32), Error> {
    let path = path.as_ref();
    let failed = |error: std::io::Error| io_error("read", path, error);
    let (mut file, is_fifo) = open_secret(path)?;
    let found = rustix::fs::fstat(&file).map_err(|error| failed(error.into()))?;
    let size = match is_fifo {
        true => limit,
        false => u64::try_from(found.st_size).unwrap_or(u64::MAX),
    };
    let too_large = |size| Error::TooLarge {
        path: path.to_owned(),
        size,
        limit,
    };
    if size > limit {
        return Err(too_large(size));
    }
    // All of it at once: a vector that grows leaves its bytes behind.
    let room = usize::try_from(size + 1).unwrap_or(usize::MAX);
    let mut bytes = Zeroizing::new(vec![0; room]);
    let mut length = 0;
    let mut was_patient = false;
    while let Some(free) = bytes.get_mut(length..).filter(|free| !free.is_empty()) {
        match file.read(free) {
            // Without a writer, the end and a beginning look the same.
            Ok(0) if is_fifo && length == 0 && !was_patient => {
                was_patient = true;
                if !wait(&file, Some(&PATIENCE)).map_err(failed)? {
                    let path = path.to_owned();
                    return Err(Error::NoWriter { path });
                }
            }
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                wait(&file, None).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
    }
    if length as u64 > limit {
        return Err(too_large(length as u64));
    }
    bytes.truncate(length);
    Ok((bytes, found.st_mode & 0o7777))
}

/// Opens a secret, and says whether it comes through a FIFO.
fn open_secret(path: &Path) -> Result<(File, bool), Error> {
    let failed = |error| io_error("open", path, error);
    let is_fifo = |mode| FileType::from_raw_mode(mode) == FileType::Fifo;
    if !is_fifo(rustix::fs::stat(path).map_err(failed)?.st_mode) {
        return Ok((open(path, Links::Follow)?, false));
    }
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file = rustix::fs::openat(CWD, path, flags, Mode::empty()).map_err(failed)?;
    let found = rustix::fs::fstat(&file).map_err(failed)?;
    if !is_fifo(found.st_mode) {
        require_file(&found, path)?;
        return Ok((file.into(), false));
    }
    Ok((file.into(), true))
}

/// Waits until there is something to read, or an end; says whether there is.
fn wait(file: &File, patience: Option<&Timespec>) -> std::io::Result<bool> {
    let mut watched = [PollFd::new(file, PollFlags::IN)];
    loop {
        match poll(&mut watched, patience) {
            Ok(ready) => return Ok(ready > 0),
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
