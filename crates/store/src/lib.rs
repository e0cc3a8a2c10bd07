//! The store: the directory that clients are served from.
//!
//! ```text
//! store/
//! ├── SHA256SUMS                          what clients may fetch: hash and name, sorted by name
//! ├── strace-6.11-1.1.x86-64.raw          an image, listed
//! ├── strace-6.11-1.1.x86-64.manifest.gz  its manifest (gzip'd JSON), listed
//! ├── .sysext-build-new.tmp               for a moment, under the lock: a file on its way to its name
//! ├── .sysext-build-old-image.tmp         for a moment, under the lock: what `replace` replaces
//! ├── .sysext-build-old-manifest.tmp
//! └── .sysext-build-<pid>-<n>.tmp         only where the file system has no files without a name
//! ```
//!
//! **Files.** A name is given to complete bytes only: they are written to a [`Temporary`], synced,
//! and then linked. `SHA256SUMS` is replaced by rename, after everything that it lists is on the
//! disk. Names that are taken keep their bytes, unless the caller asks to replace them. All names
//! lie in one directory, and a client of `gcc` looks for `gcc-@v.%a.raw` there; so an extension
//! whose images fit the pattern of another is refused. Lines and files that others
//! put there are kept; a `SHA256SUMS` that some systemd would refuse is an error and is never
//! rewritten.
//!
//! **Locks.** [`Store::add`] holds an exclusive `flock` on the directory itself from before it
//! reads `SHA256SUMS` until after it has replaced it, and waits for as long as another holds it.
//! There is no lock file, and the kernel drops the lock of a killed process. Readers
//! ([`Store::entries`], web servers, clients) take no lock: the rename shows them the old list or
//! the new one.
//!
//! **What a kill leaves.** A list that holds, and every listed file complete. Perhaps an image or
//! a manifest that is complete and not listed; adding the same bytes again lists it. If it was
//! killed while it replaced files: the old or the new bytes under their name, not listed, and
//! `.sysext-build-*.tmp` under the fixed names above, which the next [`Store::add`] removes. Only
//! a file named after a process id stays until someone deletes it. An error, unlike a kill,
//! leaves the directory as it was; and if it can't, no file is listed that did not come back.

mod add;
mod collision;
mod definition;
mod directory;
mod error;
mod name;
mod sums;
mod tarball;
mod temporary;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

pub use definition::{
    DEFAULT_INSTANCES, Definition, DefinitionProblem, Delivery, IMAGE_DIRECTORY, LINK_DIRECTORY,
    MAX_INSTANCES, StoreUrl,
};
pub use error::Error;
pub use name::{NameProblem, check_name};
pub use sums::{Entry, SumsProblem};
pub use tarball::{KEYRING_FILE, write_tarball};
pub use temporary::Temporary;

use directory::Directory;

/// A directory of images with one `SHA256SUMS`.
///
/// The value holds a path and no open file, so it may be shared by threads and kept for long.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

/// An image and its manifest, ready to be named and listed.
#[derive(Debug)]
pub struct Publication {
    /// Name of the extension, such as `strace`: the text before `-@v` in a client's pattern.
    pub name: String,
    /// File name (`<name>-….raw`), the bytes, and their SHA-256.
    ///
    /// The hash is what gets listed; the store doesn't read the bytes again to check it.
    pub image: (String, Temporary, [u8; 32]),
    /// File name, the bytes (gzip'd JSON), and their SHA-256.
    ///
    /// The name must be the image's with `.manifest.gz` in the place of `.raw`: clients derive
    /// the one from the other.
    pub manifest: (String, Temporary, [u8; 32]),
    /// Whether files of these names that hold other bytes are replaced.
    pub replace: bool,
}

/// What [`Store::add`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// At least one of the two was not there or not listed before, and nothing was replaced.
    New,
    /// Both were there with the same bytes and listed; nothing was written.
    Unchanged,
    /// At least one file had other bytes before.
    Replaced,
}

impl Store {
    /// Opens the store in `dir`, which must be a directory that this process may write to.
    ///
    /// Makes no file. A directory without `SHA256SUMS` is an empty store.
    ///
    /// # Errors
    /// [`Error::Io`] when `dir` is missing, no directory, or not writable.
    pub fn open(dir: &Path) -> Result<Store, Error> {
        Directory::open(dir)?.check_writable()?;
        Ok(Store {
            dir: dir.to_owned(),
        })
    }

    /// Makes the directory `dir` (and its parents) unless it is there, then opens it.
    ///
    /// # Errors
    /// Those of [`Store::open`], and [`Error::Io`] when a directory can't be made.
    pub fn create(dir: &Path) -> Result<Store, Error> {
        std::fs::create_dir_all(dir).map_err(|source| Error::Io {
            action: "make directory",
            path: dir.to_owned(),
            source,
        })?;
        Store::open(dir)
    }

    /// The directory, as it was given to [`Store::open`].
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes an empty file in the store's file system to write an image or a manifest to.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn temporary(&self) -> Result<Temporary, Error> {
        Directory::open(&self.dir)?.temporary()
    }

    /// Names and lists an image and its manifest, both or neither.
    ///
    /// When this returns, the result is on the disk. Every file that has one of the two names
    /// already is read and hashed, listed or not: what is on the disk decides.
    ///
    /// # Errors
    /// - [`Error::Name`], [`Error::FileNames`]: a name that clients can't take.
    /// - [`Error::Exists`]: a name is taken by other bytes, and `replace` is not set.
    /// - [`Error::NameCollision`]: the pattern of one extension fits an image of another.
    /// - [`Error::Sums`], [`Error::SumsTooLarge`], [`Error::ImagePrefix`], [`Error::NotAFile`],
    ///   [`Error::Manifest`]: what is in the directory can't be built upon.
    /// - [`Error::LockUnsupported`]: the file system has no `flock`.
    /// - [`Error::Io`], [`Error::Undo`].
    ///
    /// After any of them but [`Error::Undo`] the directory is as it was. One exception: when only
    /// the last step fails, the sync of the directory after the new list is in place, the image
    /// is in the store, and may or may not survive a power failure.
    pub fn add(&self, publication: Publication) -> Result<Added, Error> {
        add::add(&self.dir, publication)
    }

    /// Reads `SHA256SUMS`, in name order; no file is an empty list.
    ///
    /// `BEST-BEFORE-YYYY-MM-DD` lines (with the hash of the empty input) are entries like others.
    ///
    /// # Errors
    /// [`Error::Sums`], [`Error::SumsTooLarge`], [`Error::ImagePrefix`], [`Error::NotAFile`],
    /// [`Error::Io`].
    pub fn entries(&self) -> Result<Vec<Entry>, Error> {
        let directory = Directory::open(&self.dir)?;
        let list = directory.read_list()?;
        Ok(directory.parse_list(&list)?.into_entries())
    }
}
