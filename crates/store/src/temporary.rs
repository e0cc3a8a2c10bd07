//! A file that has no name until it is complete.
//!
//! Linux can make a file without any name (`O_TMPFILE`), which vanishes with the process that
//! holds it, however that process ends. Where the file system can't (NFS, vfat, some FUSE), or
//! where `/proc` is not mounted (a name is given through `/proc/self/fd`), the file gets a name
//! that nobody serves, and is removed when the value is dropped; then a killed process leaves it
//! behind.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{AtFlags, FlockOperation, Mode, OFlags, RenameFlags, Timespec, Timestamps};
use rustix::io::Errno;

/// Under the lock: the name that a file without a name takes before it is renamed over another.
pub(crate) const NEW: &str = ".sysext-build-new.tmp";

/// What the name of a named temporary file begins and ends with.
const PREFIX: &str = ".sysext-build-";
const SUFFIX: &str = ".tmp";

/// Makes the names of one process differ.
static COUNTER: AtomicU64 = AtomicU64::new(0);

/// A file in the store's file system that is not yet in the store.
///
/// Dropping it without passing it to [`Store::add`](crate::Store::add) leaves nothing.
#[derive(Debug)]
pub struct Temporary {
    file: File,
    /// Only where files without a name are not to be had.
    name: Option<Named>,
}

/// A name that nobody serves.
#[derive(Debug)]
struct Named {
    directory: OwnedFd,
    name: String,
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(named) = &self.name {
            // Nothing can be done about a failure here, and the name says what the file is.
            let _ = rustix::fs::unlinkat(&named.directory, &named.name, AtFlags::empty());
        }
    }
}

/// Whether `name` is one that [`Temporary::named`] gives.
pub(crate) fn is_own_name(name: &str) -> bool {
    let numbers = name
        .strip_prefix(PREFIX)
        .and_then(|rest| rest.strip_suffix(SUFFIX))
        .and_then(|numbers| numbers.split_once('-'));
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    numbers.is_some_and(|(process, number)| is_number(process) && is_number(number))
}

impl Temporary {
    /// Makes a file in `directory`, without a name if possible.
    pub(crate) fn new(directory: BorrowedFd<'_>) -> io::Result<Temporary> {
        let can_link = rustix::fs::access("/proc/self/fd", rustix::fs::Access::EXEC_OK).is_ok();
        if can_link && let Some(unnamed) = Temporary::unnamed(directory)? {
            return Ok(unnamed);
        }
        Temporary::named(directory)
    }

    /// Makes a file without a name; `None` if the file system can't.
    #[expect(
        clippy::disallowed_methods,
        reason = "nothing else makes files without a name"
    )]
    fn unnamed(directory: BorrowedFd<'_>) -> io::Result<Option<Temporary>> {
        let flags = OFlags::TMPFILE | OFlags::RDWR | OFlags::CLOEXEC;
        match rustix::fs::openat(directory, ".", flags, Mode::RUSR | Mode::WUSR) {
            Ok(fd) => Ok(Some(Temporary {
                file: File::from(fd),
                name: None,
            })),
            // EISDIR: a kernel or a file system that sees only the O_DIRECTORY in O_TMPFILE.
            Err(Errno::OPNOTSUPP | Errno::ISDIR | Errno::INVAL | Errno::NOSYS) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Makes a file with a name of its own.
    #[expect(
        clippy::disallowed_methods,
        reason = "no error for each name that is taken"
    )]
    pub(crate) fn named(directory: BorrowedFd<'_>) -> io::Result<Temporary> {
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::RDWR | OFlags::CLOEXEC;
        let process = std::process::id();
        loop {
            let number = COUNTER.fetch_add(1, Ordering::Relaxed);
            let name = format!("{PREFIX}{process}-{number}{SUFFIX}");
            match rustix::fs::openat(directory, &name, flags, Mode::RUSR | Mode::WUSR) {
                Ok(fd) => {
                    // Says that somebody is still writing it; `verify` asks.
                    let _ = rustix::fs::flock(&fd, FlockOperation::NonBlockingLockExclusive);
                    let directory = directory.try_clone_to_owned()?;
                    return Ok(Temporary {
                        file: File::from(fd),
                        name: Some(Named { directory, name }),
                    });
                }
                // Left by a killed process that had the same id.
                Err(Errno::EXIST) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// The file, open for reading and writing.
    #[must_use]
    pub fn file(&self) -> &File {
        &self.file
    }

    /// The file, open for reading and writing.
    pub fn file_mut(&mut self) -> &mut File {
        &mut self.file
    }

    /// Puts the bytes on the disk, and the mode to 0644 whatever the umask is.
    pub(crate) fn finish(&self) -> io::Result<()> {
        let mode = Mode::RUSR | Mode::WUSR | Mode::RGRP | Mode::ROTH;
        rustix::fs::fchmod(&self.file, mode)?;
        self.file.sync_all()
    }

    /// Makes the file's time of change later, by a second at least, than that of the file `target`.
    ///
    /// Programs such as rsync take two files of one size and one second for the same; a mirror that
    /// copied the list and then, in the same second, had it replaced would keep a list and a
    /// signature that do not fit, for good. The size of a signature never changes.
    pub(crate) fn follow(&self, directory: BorrowedFd<'_>, target: &str) -> io::Result<()> {
        let before = match rustix::fs::statat(directory, target, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat.st_mtime,
            Err(Errno::NOENT) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        if rustix::fs::fstat(&self.file)?.st_mtime > before {
            return Ok(());
        }
        let later = Timespec {
            tv_sec: before.saturating_add(1),
            tv_nsec: 0,
        };
        rustix::fs::futimens(
            &self.file,
            &Timestamps {
                last_access: later,
                last_modification: later,
            },
        )?;
        Ok(())
    }

    /// Gives the file the name `target` in `directory`; fails with `EEXIST` if it is taken.
    ///
    /// Atomic where the file system can; else the store's lock has to keep others away.
    pub(crate) fn link(&mut self, directory: BorrowedFd<'_>, target: &str) -> io::Result<()> {
        let Some(named) = &self.name else {
            let path = format!("/proc/self/fd/{}", self.file.as_fd().as_raw_fd());
            let follow = AtFlags::SYMLINK_FOLLOW;
            rustix::fs::linkat(rustix::fs::CWD, &path, directory, target, follow)?;
            return Ok(());
        };
        let (from, name) = (&named.directory, &named.name);
        match rustix::fs::renameat_with(from, name, directory, target, RenameFlags::NOREPLACE) {
            Ok(()) => {}
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => {
                if rustix::fs::statat(directory, target, AtFlags::SYMLINK_NOFOLLOW).is_ok() {
                    return Err(Errno::EXIST.into());
                }
                rustix::fs::renameat(from, name, directory, target)?;
            }
            Err(error) => return Err(error.into()),
        }
        self.name = None;
        Ok(())
    }

    /// Gives the file the name `target` in `directory` in place of the file that has it, if any.
    ///
    /// The store's lock must be held: [`NEW`] is used.
    pub(crate) fn rename_over(
        &mut self,
        directory: BorrowedFd<'_>,
        target: &str,
    ) -> io::Result<()> {
        self.follow(directory, target)?;
        if let Some(named) = &self.name {
            rustix::fs::renameat(&named.directory, &named.name, directory, target)?;
            self.name = None;
            return Ok(());
        }
        self.link(directory, NEW)?;
        rustix::fs::renameat(directory, NEW, directory, target).map_err(|error| {
            // The process that takes the lock next removes it if this fails too.
            let _ = rustix::fs::unlinkat(directory, NEW, AtFlags::empty());
            error.into()
        })
    }
}

/// What a packer asks of its output; a change that breaks it does not compile.
const _: fn() = || {
    fn can_be_packed_to<T: Read + Write + Seek + Send + 'static>() {}
    can_be_packed_to::<Temporary>();
};

impl Read for Temporary {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.file.read(buffer)
    }
}

impl Write for Temporary {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.file.write(buffer)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl AsFd for Temporary {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Seek for Temporary {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        self.file.seek(position)
    }
}
