//! Directories that nobody but this user can write to, for what decides what is trusted.
//!
//! One that somebody else made, or can write to, is refused and not repaired: what is in it may be
//! anyone's.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use crate::{Directory, Error, Links, if_there};

/// The mode of a directory for one user's eyes only: even what is kept tells something.
const PRIVATE: u32 = 0o700;

impl Directory {
    /// Opens a directory that nobody but this process's user can write to; nothing if there is none.
    /// The user may have put a link in its place, since it is the directory behind it that counts.
    ///
    /// # Errors
    /// [`Error::WrongKind`], [`Error::NotPrivate`], [`Error::Io`].
    pub fn open_private(path: impl AsRef<Path>) -> Result<Option<Directory>, Error> {
        if_there(Directory::open(path, Links::Follow).and_then(checked))
    }

    /// Opens a directory as [`Directory::open_private`] does; makes it, and those above it, for this
    /// user's eyes only if there is none.
    ///
    /// # Errors
    /// Those of [`Directory::open_private`], and [`Error::Exposed`].
    pub fn make_private(path: impl AsRef<Path>) -> Result<Directory, Error> {
        let path = path.as_ref();
        if let Some(directory) = Directory::open_private(path)? {
            return Ok(directory);
        }
        // Whoever owns the directory above could put another in the new one's place.
        let above = path.ancestors().skip(1).find_map(|above| {
            let above = match above.as_os_str().is_empty() {
                true => Path::new("."),
                false => above,
            };
            Some((above, above.metadata().ok()?.uid()))
        });
        let own = rustix::process::geteuid().as_raw();
        if let Some((above, owner)) = above.filter(|(_, owner)| ![0, own].contains(owner)) {
            return Err(Error::Exposed {
                path: path.to_owned(),
                above: above.to_owned(),
                owner,
            });
        }
        let made = DirBuilder::new().recursive(true).mode(PRIVATE).create(path);
        made.map_err(|source| Error::Io {
            action: "make directory",
            path: path.to_owned(),
            source,
        })?;
        checked(Directory::open(path, Links::Follow)?)
    }

    /// Opens a directory in this one as [`Directory::open_private`] does.
    ///
    /// # Errors
    /// Those of [`Directory::open_private`].
    pub fn private_directory(&self, name: &str) -> Result<Option<Directory>, Error> {
        if_there(self.directory(name).and_then(checked))
    }

    /// Opens a directory in this one as [`Directory::make_private`] does.
    ///
    /// # Errors
    /// Those of [`Directory::open_private`].
    pub fn make_private_directory(&self, name: &str) -> Result<Directory, Error> {
        checked(self.make_directory(name, PRIVATE)?)
    }
}

fn checked(directory: Directory) -> Result<Directory, Error> {
    directory.check_private()?;
    Ok(directory)
}
