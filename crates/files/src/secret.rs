//! Secrets: keys and passphrases.
//!
//! Of these alone a FIFO is read, too: `--sign-key <(pass show key)` gives a program's output to
//! this one without a file that would have to be wiped. A FIFO that nobody opens for writing is
//! given up after a while; once somebody has, it is read for as long as that takes, since a program
//! may have to ask its user.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FileType, Mode, OFlags, Stat};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::{Links, io_error, open, require_file};

/// How long a FIFO without a writer is waited for.
const PATIENCE: Timespec = Timespec {
    tv_sec: 10,
    tv_nsec: 0,
};

/// A secret that is read from a regular file or a FIFO.
///
/// Reading from a FIFO waits for its writer. The mode is that of the file.
#[derive(Debug)]
pub struct SecretFile {
    file: File,
    path: PathBuf,
    mode: u32,
    size: u64,
    is_fifo: bool,
    /// Somebody writes, or was waited for.
    has_writer: bool,
}

impl SecretFile {
    /// Opens a file or a FIFO, links followed.
    ///
    /// # Errors
    /// [`Error::WrongKind`]: it is something else. [`Error::Io`].
    pub fn open(path: impl AsRef<Path>) -> Result<SecretFile, Error> {
        let path = path.as_ref();
        let failed = |error| io_error("open", path, error);
        let is_fifo = |stat: &Stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo;
        let file = match is_fifo(&rustix::fs::stat(path).map_err(failed)?) {
            false => open(path, Links::Follow)?,
            true => {
                let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
                File::from(rustix::fs::open(path, flags, Mode::empty()).map_err(failed)?)
            }
        };
        let found = rustix::fs::fstat(&file).map_err(failed)?;
        let is_fifo = is_fifo(&found);
        if !is_fifo {
            require_file(&found, path)?;
        }
        Ok(SecretFile {
            file,
            path: path.to_owned(),
            mode: found.st_mode & 0o7777,
            size: u64::try_from(found.st_size).unwrap_or_default(),
            is_fifo,
            has_writer: false,
        })
    }

    /// Its permission bits.
    #[must_use]
    pub fn mode(&self) -> u32 {
        self.mode
    }

    /// Reads all of it, if that is at most `limit` bytes. They are wiped when they go, and no copy
    /// of them is left where a buffer grew.
    ///
    /// # Errors
    /// [`Error::TooLarge`], [`Error::Io`].
    pub fn read_whole(mut self, limit: u64) -> Result<Zeroizing<Vec<u8>>, Error> {
        let expected = match self.is_fifo {
            true => limit,
            false => self.size,
        };
        let too_large = |path: PathBuf, size| Error::TooLarge { path, size, limit };
        if expected > limit {
            return Err(too_large(self.path, expected));
        }
        let room = usize::try_from(expected + 1).unwrap_or(usize::MAX);
        let mut bytes = Zeroizing::new(vec![0; room]);
        let mut length = 0;
        while let Some(free) = bytes.get_mut(length..).filter(|free| !free.is_empty()) {
            match self.read(free) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(io_error("read", &self.path, error)),
            }
        }
        if length as u64 > limit {
            return Err(too_large(self.path, length as u64));
        }
        bytes.truncate(length);
        Ok(bytes)
    }
}

impl Read for SecretFile {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        loop {
            match self.file.read(buffer) {
                // Without a writer, an end and the time before a beginning look the same.
                Ok(0) if self.is_fifo && !self.has_writer => {
                    self.has_writer = true;
                    if !wait(&self.file, Some(&PATIENCE))? {
                        let text = "nothing was written to the FIFO";
                        return Err(std::io::Error::new(ErrorKind::TimedOut, text));
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.has_writer = true;
                    wait(&self.file, None)?;
                }
                read => {
                    self.has_writer = true;
                    return read;
                }
            }
        }
    }
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
