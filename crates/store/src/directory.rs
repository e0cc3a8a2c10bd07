//! The store's directory, opened: every step works on the open directory, so that it stays the
//! same one when somebody renames it meanwhile.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use files::Links;
use rustix::fs::{Access, AtFlags, FileType, FlockOperation, Stat};
use rustix::io::Errno;
use sha2::{Digest, Sha256};

use crate::error::Error;
use crate::sums::{MAX_SUMS_SIZE, Sums};
use crate::temporary::Temporary;

/// Name of the list.
pub const SUMS: &str = "SHA256SUMS";
/// Name of its detached signature; a store that has one is signed.
pub const SIGNATURE: &str = "SHA256SUMS.gpg";

/// Largest signature that clients read, in bytes (systemd's `pull-common.c`).
pub(crate) const MAX_SIGNATURE_SIZE: u64 = 1 << 20;

/// How often the lock is tried: for five minutes.
const LOCK_TRIES: u32 = 150_000;
/// How long to wait before it is tried again.
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// Bytes that are read at a time for hashing.
pub(crate) const HASH_BUFFER: usize = 128 << 10;

/// An open directory; it may hold the lock, which goes when the value is dropped.
#[derive(Debug)]
pub(crate) struct Directory(files::Directory);

/// What is found under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// The name is free.
    Nothing,
    /// A regular file with the bytes asked for.
    Same,
    /// Other bytes, or something that is not a regular file.
    Other,
}

impl Directory {
    pub(crate) fn open(path: &Path) -> Result<Directory, Error> {
        Ok(Directory(files::Directory::open(path, Links::Follow)?))
    }

    /// Opens the directory `name` in this one, made if it is missing, readable for everyone
    /// whatever the umask is.
    pub(crate) fn below(&self, name: &str) -> Result<Directory, Error> {
        let is_new = self.0.stat(name)?.is_none();
        let below = self.0.make_directory(name, 0o755)?;
        if is_new {
            below.set_mode(0o755)?;
        }
        Ok(Directory(below))
    }

    /// Opens the directory `name` in this one; a link in its place is an error.
    pub(crate) fn enter(&self, name: &str) -> Result<Directory, Error> {
        Ok(Directory(self.0.directory(name)?))
    }

    /// Fails unless this process may make files here.
    pub(crate) fn check_writable(&self) -> Result<(), Error> {
        let access = Access::WRITE_OK | Access::EXEC_OK;
        // By effective ids, as the kernel will judge the writes themselves.
        rustix::fs::accessat(&self.0, ".", access, AtFlags::EACCESS)
            .map_err(|error| self.error("write to directory", "", error.into()))
    }

    /// Waits for the exclusive lock. Who may read the directory can lock it, and forget it so: then
    /// this says that it has waited, and for what.
    pub(crate) fn lock(&self) -> Result<(), Error> {
        self.lock_within(LOCK_TRIES)
    }

    fn lock_within(&self, tries: u32) -> Result<(), Error> {
        for _ in 0..tries {
            let lock = || rustix::fs::flock(&self.0, FlockOperation::NonBlockingLockExclusive);
            match rustix::io::retry_on_intr(lock) {
                Ok(()) => return Ok(()),
                Err(Errno::WOULDBLOCK) => std::thread::sleep(LOCK_PAUSE),
                // EBADF: NFS makes an exclusive flock from a write lock, which needs a file that is
                // open for writing, and a directory never is.
                Err(
                    error @ (Errno::OPNOTSUPP
                    | Errno::NOLCK
                    | Errno::NOSYS
                    | Errno::INVAL
                    | Errno::BADF),
                ) => {
                    return Err(Error::LockUnsupported {
                        path: self.path().to_owned(),
                        source: error.into(),
                    });
                }
                Err(error) => return Err(self.error("lock", "", error.into())),
            }
        }
        Err(Error::Locked {
            path: self.path().to_owned(),
            seconds: (LOCK_PAUSE * tries).as_secs(),
        })
    }

    pub(crate) fn temporary(&self) -> Result<Temporary, Error> {
        Temporary::new(self.fd()).map_err(|e| self.error("make a temporary file in", "", e))
    }

    /// Whether nobody writes to the named temporary file any more. Its writer holds a lock on it,
    /// which tells more than the process id in its name: that may be of another container.
    pub(crate) fn is_abandoned(&self, name: &str) -> Result<bool, Error> {
        let Some(file) = self.open_file(name)? else {
            return Ok(false);
        };
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(true),
            Err(Errno::WOULDBLOCK) => Ok(false),
            Err(error) => Err(self.error("lock", name, error.into())),
        }
    }

    /// Makes a finished temporary file that holds `bytes`.
    pub(crate) fn temporary_of(&self, bytes: &[u8]) -> Result<Temporary, Error> {
        let mut temporary = self.temporary()?;
        io::Write::write_all(&mut temporary, bytes)
            .and_then(|()| temporary.finish())
            .map_err(|e| self.error("write a temporary file in", "", e))?;
        Ok(temporary)
    }

    /// Reads the list's bytes; no file is an empty list.
    pub(crate) fn read_list(&self) -> Result<Vec<u8>, Error> {
        let bytes = self.read_bounded(SUMS, MAX_SUMS_SIZE)?;
        Ok(bytes.unwrap_or_default())
    }

    /// Reads the bytes of the signature; `None` if the store is not signed.
    pub(crate) fn read_signature(&self) -> Result<Option<Vec<u8>>, Error> {
        self.read_bounded(SIGNATURE, MAX_SIGNATURE_SIZE)
    }

    /// Reads a file that has at most `limit` bytes; `None` if the name is free.
    pub(crate) fn read_bounded(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        Ok(files::if_there(self.0.read(name, limit))?)
    }

    /// Parses and checks the bytes of the list.
    pub(crate) fn parse_list(&self, bytes: &[u8]) -> Result<Sums, Error> {
        let sums = Sums::parse(bytes).map_err(|(line, problem)| Error::Sums {
            path: self.path().join(SUMS),
            line,
            problem,
        })?;
        self.check_prefixes(&sums)?;
        Ok(sums)
    }

    /// Fails if a listed name begins with the name of a listed image.
    pub(crate) fn check_prefixes(&self, sums: &Sums) -> Result<(), Error> {
        match sums.image_prefix() {
            Some((image, longer)) => Err(Error::ImagePrefix {
                path: self.path().join(SUMS),
                image: image.to_owned(),
                longer: longer.to_owned(),
            }),
            None => Ok(()),
        }
    }

    /// Opens a regular file for reading; `None` if the name is free.
    pub(crate) fn open_file(&self, name: &str) -> Result<Option<File>, Error> {
        Ok(files::if_there(self.0.open_file(name))?)
    }

    /// All names in byte order, but `.` and `..`. What is not UTF-8 is shown with replacement
    /// characters; clients can't ask for it.
    pub(crate) fn names(&self) -> Result<Vec<String>, Error> {
        let names = self.0.names()?;
        let mut names: Vec<_> = (names.iter())
            .map(|name| name.to_string_lossy().into_owned())
            .collect();
        names.sort();
        Ok(names)
    }

    /// What the file system says of the regular file `name`; `None` if there is no such file.
    pub(crate) fn stat(&self, name: &str) -> Result<Option<Stat>, Error> {
        let is_file = |stat: &Stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        Ok(self.0.stat(name)?.filter(is_file))
    }

    /// The size of the regular file `name` in bytes; `None` if there is no such file.
    pub(crate) fn size(&self, name: &str) -> Result<Option<u64>, Error> {
        let stat = self.stat(name)?;
        Ok(stat.map(|stat| u64::try_from(stat.st_size).unwrap_or_default()))
    }

    /// The inode of the regular file `name`; `None` if there is no such file.
    pub(crate) fn inode(&self, name: &str) -> Result<Option<u64>, Error> {
        Ok(self.stat(name)?.map(|stat| stat.st_ino))
    }

    /// Compares what is under `name` with a file of `size` bytes and hash `sha256`.
    pub(crate) fn find(&self, name: &str, size: u64, sha256: &[u8; 32]) -> Result<Found, Error> {
        let Some(stat) = self.0.stat(name)? else {
            return Ok(Found::Nothing);
        };
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        if !is_file || u64::try_from(stat.st_size) != Ok(size) {
            return Ok(Found::Other);
        }
        let Some(mut file) = self.open_file(name)? else {
            return Ok(Found::Nothing);
        };
        let hash = hash(&mut file, &mut |_| {}).map_err(|e| self.error("read", name, e))?;
        Ok(if hash == *sha256 {
            Found::Same
        } else {
            Found::Other
        })
    }

    /// Puts all names on the disk.
    pub(crate) fn sync(&self) -> Result<(), Error> {
        Ok(self.0.sync()?)
    }

    /// Puts the bytes of the file `name` on the disk.
    pub(crate) fn sync_file(&self, name: &str) -> Result<(), Error> {
        match self.open_file(name)? {
            Some(file) => file.sync_all().map_err(|e| self.error("sync", name, e)),
            None => Err(self.error("sync", name, Errno::NOENT.into())),
        }
    }

    /// Gives the file `name` the second name `other`.
    pub(crate) fn link(&self, name: &str, other: &str) -> Result<(), Error> {
        rustix::fs::linkat(&self.0, name, &self.0, other, AtFlags::empty())
            .map_err(|error| self.error("keep a second name of", name, error.into()))
    }

    /// Renames `from` to `to`, in place of what has that name.
    pub(crate) fn rename(&self, from: &str, to: &str) -> Result<(), Error> {
        rustix::fs::renameat(&self.0, from, &self.0, to)
            .map_err(|error| self.error("give back its name to", to, error.into()))
    }

    /// Renames `from` to `to`, in place of what has that name, if `from` is there.
    pub(crate) fn rename_if_there(&self, from: &str, to: &str) -> Result<(), Error> {
        match rustix::fs::renameat(&self.0, from, &self.0, to) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.error("replace", to, error.into())),
        }
    }

    /// Makes the empty file `name`, which must not be there.
    pub(crate) fn create(&self, name: &str) -> Result<(), Error> {
        Ok(self.0.create_file(name, 0o600).map(drop)?)
    }

    /// Whether anything has the name `name`.
    pub(crate) fn exists(&self, name: &str) -> Result<bool, Error> {
        Ok(self.0.stat(name)?.is_some())
    }

    /// Removes `name`, if it is there.
    pub(crate) fn remove(&self, name: &str) -> Result<(), Error> {
        Ok(self.0.remove(name)?)
    }

    /// Removes the empty directory `name`, if it is there.
    pub(crate) fn remove_directory(&self, name: &str) -> Result<(), Error> {
        Ok(self.0.remove_directory(name)?)
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// An error about `name` in this directory, or about the directory if `name` is empty.
    pub(crate) fn error(&self, action: &'static str, name: &str, source: io::Error) -> Error {
        let path = if name.is_empty() {
            self.path().to_owned()
        } else {
            self.path().join(name)
        };
        Error::Io {
            action,
            path,
            source,
        }
    }
}

/// SHA-256 of all that is left to read; `progress` is told the number of bytes of each piece.
pub(crate) fn hash(file: &mut File, progress: &mut dyn FnMut(u64)) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; HASH_BUFFER];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(count) => {
                hasher.update(buffer.get(..count).unwrap_or_default());
                progress(u64::try_from(count).unwrap_or_default());
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::workshop::Scratch;

    #[test]
    fn a_lock_is_waited_for_and_not_for_ever() {
        let scratch = Scratch::new();
        let directory = || Directory::open(&scratch.0).unwrap();
        let (one, other) = (directory(), directory());
        one.lock().unwrap();
        let refused = other.lock_within(3).unwrap_err();
        assert!(matches!(refused, Error::Locked { .. }), "{refused}");
        let waiting = std::thread::spawn(move || other.lock());
        std::thread::sleep(LOCK_PAUSE);
        drop(one);
        waiting.join().unwrap().unwrap();
    }
}
