//! A directory, opened: all names are looked up from its descriptor.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Write as _;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{
    AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, Timespec, Timestamps, UTIME_OMIT,
};
use rustix::io::Errno;

use crate::error::{Error, Kind};
use crate::{Links, check_private, io_error, open_at, read_open};

/// Makes the temporary names of one process differ.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// Names of temporary files that are tried; others may have some.
const MOST_NAMES: u32 = 1000;

/// An open directory. It stays the same one when somebody renames it, or puts a link in its place.
///
/// Each name that its methods take is one name, without `/`, and is never followed if it is a link.
#[derive(Debug)]
pub struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens a directory.
    ///
    /// # Errors
    /// [`Error::WrongKind`], [`Error::Io`].
    pub fn open(path: impl AsRef<Path>, links: Links) -> Result<Directory, Error> {
        let path = path.as_ref();
        Ok(Directory {
            fd: open_directory(CWD, path, path, links)?,
            path: path.to_owned(),
        })
    }

    /// The directory's path when it was opened, for messages.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Fails unless it belongs to this process's user and nobody else can write to it.
    ///
    /// # Errors
    /// [`Error::NotPrivate`], [`Error::Io`].
    pub fn check_private(&self) -> Result<(), Error> {
        check_private(&self.fd, &self.path)
    }

    /// Opens a directory in this one.
    ///
    /// # Errors
    /// [`Error::WrongKind`], [`Error::Io`].
    pub fn directory(&self, name: impl AsRef<OsStr>) -> Result<Directory, Error> {
        let (name, path) = self.place(name.as_ref())?;
        Ok(Directory {
            fd: open_directory(&self.fd, Path::new(name), &path, Links::Refuse)?,
            path,
        })
    }

    /// Opens the directory at a relative path below this one; the empty path is this one.
    ///
    /// # Errors
    /// [`Error::WrongKind`], [`Error::Io`].
    pub fn descend(&self, below: impl AsRef<Path>) -> Result<Directory, Error> {
        let here = Path::new(".");
        let mut found = Directory {
            fd: open_directory(&self.fd, here, &self.path, Links::Refuse)?,
            path: self.path.clone(),
        };
        for part in below.as_ref() {
            found = found.directory(part)?;
        }
        Ok(found)
    }

    /// Makes a directory in this one unless there is one, with `mode` and what the umask leaves of
    /// it, and opens it.
    ///
    /// # Errors
    /// [`Error::WrongKind`]: something else has the name. [`Error::Io`].
    pub fn make_directory(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<Directory, Error> {
        let (name, path) = self.place(name.as_ref())?;
        match rustix::fs::mkdirat(&self.fd, name, Mode::from_raw_mode(mode)) {
            Ok(()) | Err(Errno::EXIST) => self.directory(name),
            Err(error) => Err(io_error("make directory", &path, error)),
        }
    }

    /// Opens a regular file for reading; never waits.
    ///
    /// # Errors
    /// [`Error::WrongKind`], [`Error::Io`].
    pub fn open_file(&self, name: impl AsRef<OsStr>) -> Result<File, Error> {
        let (name, path) = self.place(name.as_ref())?;
        open_at(
            &self.fd,
            Path::new(name),
            &path,
            Links::Refuse,
            OFlags::RDONLY,
        )
    }

    /// Opens a regular file for reading that nobody else has a hand in ([`check_private`]).
    ///
    /// # Errors
    /// [`Error::WrongKind`], [`Error::NotPrivate`], [`Error::Io`].
    pub fn open_private_file(&self, name: impl AsRef<OsStr>) -> Result<File, Error> {
        let name = name.as_ref();
        let file = self.open_file(name)?;
        check_private(&file, &self.path.join(name))?;
        Ok(file)
    }

    /// Opens a regular file for reading and writing that nobody else has a hand in
    /// ([`check_private`]); makes an empty one, which only its user may read, if there is none.
    ///
    /// What an earlier process left in the file stays.
    ///
    /// # Errors
    /// [`Error::WrongKind`], [`Error::NotPrivate`], [`Error::Io`].
    pub fn open_or_create_private_file(&self, name: impl AsRef<OsStr>) -> Result<File, Error> {
        let (name, path) = self.place(name.as_ref())?;
        loop {
            match self.create_file(name, 0o600) {
                Err(Error::Io { source, .. })
                    if source.kind() == std::io::ErrorKind::AlreadyExists => {}
                made => return made,
            }
            match open_at(
                &self.fd,
                Path::new(name),
                &path,
                Links::Refuse,
                OFlags::RDWR,
            ) {
                // Somebody removed it in between.
                Err(error) if error.is_missing() => {}
                found => {
                    let file = found?;
                    check_private(&file, &path)?;
                    return Ok(file);
                }
            }
        }
    }

    /// Reads a regular file of at most `limit` bytes whole.
    ///
    /// # Errors
    /// Those of [`Directory::open_file`], and [`Error::TooLarge`].
    pub fn read(&self, name: impl AsRef<OsStr>, limit: u64) -> Result<Vec<u8>, Error> {
        let name = name.as_ref();
        read_open(&self.open_file(name)?, &self.path.join(name), limit)
    }

    /// Makes a file, open for reading and writing, that must not be there; `mode` is what the umask
    /// leaves of it.
    ///
    /// # Errors
    /// [`Error::Io`], also where the name is taken, be it by a link that leads nowhere.
    pub fn create_file(&self, name: impl AsRef<OsStr>, mode: u32) -> Result<File, Error> {
        let (name, path) = self.place(name.as_ref())?;
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match rustix::fs::openat(&self.fd, name, flags, Mode::from_raw_mode(mode)) {
            Ok(file) => Ok(File::from(file)),
            Err(error) => Err(io_error("make", &path, error)),
        }
    }

    /// Gives `name` these bytes, in place of the file or the link that has the name; `mode` is what
    /// the umask leaves of it. They are on the disk when this returns, and whatever happens, there
    /// are the old bytes or the new ones.
    ///
    /// # Errors
    /// [`Error::Io`], also where a directory has the name.
    pub fn replace(&self, name: impl AsRef<OsStr>, bytes: &[u8], mode: u32) -> Result<(), Error> {
        let (name, path) = self.place(name.as_ref())?;
        let failed = |error| io_error("write", &path, error);
        let (temporary, mut file) = self.temporary(mode, &COUNTER).map_err(failed)?;
        let written = file
            .write_all(bytes)
            .and_then(|()| file.sync_all())
            .and_then(|()| Ok(rustix::fs::renameat(&self.fd, &temporary, &self.fd, name)?));
        if let Err(error) = written {
            // The first error is the one to tell.
            let _ = rustix::fs::unlinkat(&self.fd, &temporary, AtFlags::empty());
            return Err(failed(error));
        }
        Ok(())
    }

    /// Makes a file under a name that nobody else has, by the next number that is free.
    fn temporary(&self, mode: u32, counter: &AtomicU64) -> std::io::Result<(String, File)> {
        let flags =
            OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        for _ in 0..MOST_NAMES {
            let number = counter.fetch_add(1, Ordering::Relaxed);
            let name = format!(".sysext-build-{}-{number}.tmp", std::process::id());
            match rustix::fs::openat(&self.fd, &name, flags, Mode::from_raw_mode(mode)) {
                Ok(file) => return Ok((name, File::from(file))),
                // Left by a killed process that had the same id, or put there.
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Errno::EXIST.into())
    }

    /// Makes a symbolic link that must not be there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn make_link(
        &self,
        name: impl AsRef<OsStr>,
        target: impl AsRef<OsStr>,
    ) -> Result<(), Error> {
        let (name, path) = self.place(name.as_ref())?;
        rustix::fs::symlinkat(target.as_ref(), &self.fd, name)
            .map_err(|error| io_error("make the link", &path, error))
    }

    /// Gives `name`, which must not be there, to the file `first` of the directory `other`, too.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn make_hard_link(
        &self,
        name: impl AsRef<OsStr>,
        other: &Directory,
        first: impl AsRef<OsStr>,
    ) -> Result<(), Error> {
        let (name, path) = self.place(name.as_ref())?;
        let (first, _) = other.place(first.as_ref())?;
        rustix::fs::linkat(&other.fd, first, &self.fd, name, AtFlags::empty())
            .map_err(|error| io_error("make the hard link", &path, error))
    }

    /// Says that the directory was changed at this time, in seconds since 1970.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn set_time(&self, seconds: u32) -> Result<(), Error> {
        let times = Timestamps {
            last_access: Timespec {
                tv_sec: 0,
                tv_nsec: UTIME_OMIT,
            },
            last_modification: Timespec {
                tv_sec: seconds.into(),
                tv_nsec: 0,
            },
        };
        rustix::fs::futimens(&self.fd, &times)
            .map_err(|error| io_error("set the time of", &self.path, error))
    }

    /// Gives the directory itself this mode, whatever the umask is.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn set_mode(&self, mode: u32) -> Result<(), Error> {
        rustix::fs::fchmod(&self.fd, Mode::from_raw_mode(mode))
            .map_err(|error| io_error("set the mode of", &self.path, error))
    }

    /// What the file system says of a name, be it a link; `None` if there is nothing.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn stat(&self, name: impl AsRef<OsStr>) -> Result<Option<Stat>, Error> {
        let (name, path) = self.place(name.as_ref())?;
        match rustix::fs::statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(io_error("look at", &path, error)),
        }
    }

    /// Renames a file in this directory over what has the name `to`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn rename(&self, from: impl AsRef<OsStr>, to: impl AsRef<OsStr>) -> Result<(), Error> {
        self.rename_to(from, self, to)
    }

    /// Renames a file to a name in another directory, over what has it.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn rename_to(
        &self,
        from: impl AsRef<OsStr>,
        other: &Directory,
        to: impl AsRef<OsStr>,
    ) -> Result<(), Error> {
        let (from, _) = self.place(from.as_ref())?;
        let (to, path) = other.place(to.as_ref())?;
        rustix::fs::renameat(&self.fd, from, &other.fd, to)
            .map_err(|error| io_error("give a file the name", &path, error))
    }

    /// Removes a name, if it is there; not that of a directory.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove(&self, name: impl AsRef<OsStr>) -> Result<(), Error> {
        let (name, path) = self.place(name.as_ref())?;
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(io_error("remove", &path, error)),
        }
    }

    /// Removes an empty directory, if it is there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn remove_directory(&self, name: impl AsRef<OsStr>) -> Result<(), Error> {
        let (name, path) = self.place(name.as_ref())?;
        match rustix::fs::unlinkat(&self.fd, name, AtFlags::REMOVEDIR) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(io_error("remove", &path, error)),
        }
    }

    /// All names in byte order, but `.` and `..`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn names(&self) -> Result<Vec<OsString>, Error> {
        let failed = |error: Errno| io_error("read directory", &self.path, error);
        let mut names = Vec::new();
        for entry in Dir::read_from(&self.fd).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = OsStr::from_bytes(entry.file_name().to_bytes());
            if name != "." && name != ".." {
                names.push(name.to_owned());
            }
        }
        names.sort();
        Ok(names)
    }

    /// Puts all names on the disk.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn sync(&self) -> Result<(), Error> {
        rustix::fs::fsync(&self.fd).map_err(|error| io_error("sync directory", &self.path, error))
    }

    /// Splits off what is looked up here; a path would lead through links.
    fn place<'a>(&self, name: &'a OsStr) -> Result<(&'a OsStr, PathBuf), Error> {
        let path = self.path.join(name);
        let is_one_name =
            !matches!(name.as_bytes(), b"" | b"." | b"..") && !name.as_bytes().contains(&b'/');
        match is_one_name {
            true => Ok((name, path)),
            false => Err(io_error("use the name of", &path, Errno::INVAL)),
        }
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Gives a path that the user named these bytes, in place of the file or the link that is there:
/// links above it are followed, the last component is not ([`Directory::replace`]).
///
/// # Errors
/// [`Error::Io`], also where a directory has the name.
pub fn replace(path: impl AsRef<Path>, bytes: &[u8], mode: u32) -> Result<(), Error> {
    let path = path.as_ref();
    let Some(name) = path.file_name() else {
        return Err(io_error("write", path, Errno::ISDIR));
    };
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    Directory::open(parent, Links::Follow)?.replace(name, bytes, mode)
}

/// Opens a directory below another; `path` is what the error calls it.
fn open_directory(
    parent: impl AsFd,
    name: &Path,
    path: &Path,
    links: Links,
) -> Result<OwnedFd, Error> {
    let (looking, following) = match links {
        Links::Follow => (AtFlags::empty(), OFlags::empty()),
        Links::Refuse => (AtFlags::SYMLINK_NOFOLLOW, OFlags::NOFOLLOW),
    };
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | following;
    match rustix::fs::openat(&parent, name, flags, Mode::empty()) {
        Ok(fd) => Ok(fd),
        Err(error @ (Errno::NOTDIR | Errno::LOOP)) => {
            let found = rustix::fs::statat(&parent, name, looking)
                .map(|stat| FileType::from_raw_mode(stat.st_mode));
            match found {
                Ok(kind) if kind != FileType::Directory => Err(Error::WrongKind {
                    path: path.to_owned(),
                    found: Kind::of(kind),
                    wanted: "a directory",
                }),
                _ => Err(io_error("open directory", path, error)),
            }
        }
        Err(error) => Err(io_error("open directory", path, error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_temporary_names_are_tried() {
        let path = std::env::temp_dir().join(format!("files-names-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let directory = Directory::open(&path, Links::Refuse).unwrap();
        let name = |number: u32| format!(".sysext-build-{}-{number}.tmp", std::process::id());
        for number in 0..999 {
            directory.create_file(name(number), 0o600).unwrap();
        }
        // The first makes the thousandth name, so that the second finds all of them taken.
        let attempts = [0; 2].map(|_| {
            let made = directory.temporary(0o600, &AtomicU64::new(0));
            made.map(|(name, _)| name).map_err(|error| error.kind())
        });
        let taken = std::io::ErrorKind::AlreadyExists;
        std::fs::remove_dir_all(&path).unwrap();
        assert_eq!(attempts, [Ok(name(999)), Err(taken)]);
    }
}
