//! The new image while it has no name, and the link to it.
//!
//! What has come so far is in `.IMAGE.part`, beside where the image will be, and stays there if a
//! transfer breaks. Who writes to it holds a lock on it, so that of two pulls at once the second waits,
//! and then finds the image.

use std::fs::{File, Permissions};
use std::io::Seek as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};

use anyhow::anyhow;
use files::{Directory, Links, if_there};
use rustix::fs::{FileType, FlockOperation};

use super::shown;
use crate::words::digest::sha256;
use crate::words::failure::{Failure, Result, own_failure, writing_failure};

/// The new image without its name.
pub struct Partial<'a> {
    directory: &'a Directory,
    /// The name that it will have.
    image: String,
    /// The name that it has.
    name: String,
    /// What has come so far.
    pub file: File,
}

impl<'a> Partial<'a> {
    /// Opens the file, which nobody else writes to from here on.
    pub fn lock(directory: &'a Directory, image: &str) -> Result<Self> {
        let name = format!(".{image}.part");
        let failed =
            |error| Failure::io(format!("locking {}", shown(directory.path(), &name)), error);
        loop {
            let file = directory
                .open_or_create_private_file(&name)
                .map_err(|error| own_failure("what an earlier attempt left", error))?;
            let lock = || rustix::fs::flock(&file, FlockOperation::LockExclusive);
            rustix::io::retry_on_intr(lock).map_err(failed)?;
            // The one before may have given it its name, or dropped it.
            let inode = file.metadata().map_err(|error| {
                Failure::io(
                    format!("looking at {}", shown(directory.path(), &name)),
                    error,
                )
            })?;
            if (directory.stat(&name)?).is_some_and(|stat| stat.st_ino == inode.ino()) {
                return Ok(Self {
                    directory,
                    image: image.to_owned(),
                    name,
                    file,
                });
            }
        }
    }

    /// Says whether the image is there with these bytes already; `None` if nothing has its name.
    pub fn is_there(&self, listed: &[u8; 32]) -> Result<Option<bool>> {
        let Some(mut file) = if_there(self.directory.open_file(&self.image))? else {
            return Ok(None);
        };
        let path = shown(self.directory.path(), &self.image);
        let (_, digest) =
            sha256(&mut file).map_err(|error| Failure::io(format!("reading {path}"), error))?;
        Ok(Some(digest == *listed))
    }

    /// Returns how many bytes it has.
    pub fn length(&self) -> Result<u64> {
        let metadata = self.file.metadata();
        Ok(metadata.map_err(|error| self.failure(error))?.len())
    }

    /// Begins again with nothing.
    pub fn clear(&mut self) -> Result<()> {
        (self.file.set_len(0))
            .and_then(|()| self.file.rewind())
            .map_err(|error| self.failure(error))
    }

    /// Gives it its name, when it is on the disk; returns its length.
    pub fn finish(mut self) -> Result<u64> {
        let length = self.length()?;
        (self.file.set_permissions(Permissions::from_mode(0o644)))
            .and_then(|()| self.file.rewind())
            .and_then(|()| self.file.sync_all())
            .map_err(|error| self.failure(error))?;
        (self.directory.rename(&self.name, &self.image))
            .and_then(|()| self.directory.sync())
            .map_err(writing_failure)?;
        Ok(length)
    }

    /// Drops what has come.
    pub fn drop_file(self) -> Result<()> {
        self.directory.remove(&self.name).map_err(writing_failure)
    }

    fn failure(&self, error: std::io::Error) -> Failure {
        let path = shown(self.directory.path(), &self.name);
        Failure::io(format!("writing {path}"), error)
    }
}

/// Removes what attempts have left of files that are not wanted any more, unless somebody is at work on
/// them.
pub fn drop_partial(directory: &Directory, is_unwanted: &dyn Fn(&str) -> bool) -> Result<()> {
    for name in directory.names()? {
        let Some(of) = name.to_str().and_then(|name| {
            let of = name.strip_prefix('.')?.strip_suffix(".part")?;
            is_unwanted(of).then_some(of)
        }) else {
            continue;
        };
        let Ok(file) = directory.open_file(&name) else {
            continue;
        };
        let lock = || rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        if rustix::io::retry_on_intr(lock).is_ok() {
            let partial = Partial {
                directory,
                image: of.to_owned(),
                name: format!(".{of}.part"),
                file,
            };
            partial.drop_file()?;
        }
    }
    Ok(())
}

/// Fails where no link of this name can be made, since something else has it; returns the directory.
pub fn check_link(directory: &Path, name: &str) -> Result<Directory> {
    let within = Directory::open(directory, Links::Follow)?;
    let is_link = |mode| FileType::from_raw_mode(mode) == FileType::Symlink;
    if (within.stat(name)?).is_some_and(|stat| !is_link(stat.st_mode)) {
        let path = shown(directory, name);
        return Err(Failure::refused(anyhow!("{path} is not a link"))
            .hint("move it away, if the image is to be used in its place"));
    }
    Ok(within)
}

/// Makes a link to a file, in place of a link that has the name.
pub fn link(directory: &Path, name: &str, files: &Path, file: &str) -> Result<()> {
    let target = relative(directory, files)?.join(file);
    let within = check_link(directory, name)?;
    // Its name ends in something that systemd-sysext does not take for an image.
    let temporary = format!(".{name}.link");
    (within.remove(&temporary))
        .and_then(|()| within.make_link(&temporary, &target))
        .and_then(|()| within.rename(&temporary, name))
        .and_then(|()| within.sync())
        .map_err(writing_failure)
}

/// Returns the way from one directory to another.
fn relative(from: &Path, to: &Path) -> Result<PathBuf> {
    let whole = |path: &Path| {
        path.canonicalize()
            .map_err(|error| Failure::io(format!("looking at {}", path.display()), error))
    };
    let (from, to) = (whole(from)?, whole(to)?);
    let common = (from.components().zip(to.components()))
        .take_while(|(a, b)| a == b)
        .count();
    let up = (from.components().skip(common)).map(|_| Component::ParentDir);
    Ok(up.chain(to.components().skip(common)).collect())
}
