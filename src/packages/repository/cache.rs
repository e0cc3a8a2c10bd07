//! The cache: what was fetched and what was made of it, for the next run.
//!
//! ```text
//! $XDG_CACHE_HOME/sysext-build/            or --cache-dir
//! ├── repositories/ID       a repository's repomd.xml as last accepted, after the validators
//! │                         (ETag, Last-Modified) that it came with; ID is a hash of its URLs
//! ├── metadata/TYPE-HEX     primary and filelists as fetched, by the checksum in repomd.xml
//! ├── catalogs/TYPE-HEX-N   a primary file made ready for the solver; N is the form's version
//! ├── packages/TYPE-HEX.rpm packages, by the checksum in primary
//! └── partial/NAME          what is being written: a transfer that was cut off goes on here
//! ```
//!
//! A file gets its name when it is complete and has been checked: it is written in `partial/` under
//! a lock of its own, synced and renamed. So nothing that is named can be half of something, two
//! processes that want the same file make it once, and a process that dies leaves what the next
//! one continues. Names are made of checksums; what has one never changes. Everything in here may
//! be deleted at any time.

use std::fs::{self, File};
use std::io::{self, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::words::failure::{Failure, Result};

/// The part of the cache that a file belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheDirectory {
    /// Lists of repositories.
    Repositories,
    /// Metadata as fetched.
    Metadata,
    /// Metadata made ready.
    Catalogs,
    /// RPM files.
    Packages,
}

impl CacheDirectory {
    fn directory(self) -> &'static str {
        match self {
            Self::Repositories => "repositories",
            Self::Metadata => "metadata",
            Self::Catalogs => "catalogs",
            Self::Packages => "packages",
        }
    }
}

/// A directory of files that were fetched or made before.
#[derive(Clone, Debug)]
pub struct Cache {
    root: PathBuf,
}

/// A file that is being written and has no name yet; locked.
pub struct Draft {
    /// To be written to; what an earlier process left may be in it.
    pub file: File,
    path: PathBuf,
    target: PathBuf,
}

impl Cache {
    /// Returns the cache in a directory, which is made when something is kept.
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Returns the path of a file, if it is there.
    pub fn find(&self, part: CacheDirectory, name: &str) -> Option<PathBuf> {
        Some(self.path(part, name)).filter(|path| path.is_file())
    }

    /// Removes a file that turned out to be damaged.
    pub fn forget(&self, part: CacheDirectory, name: &str) -> Result<()> {
        let path = self.path(part, name);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failure(&path, error)),
            _ => Ok(()),
        }
    }

    /// Returns the draft of a file; waits while another process is writing it, which may have
    /// made it when this returns.
    pub fn draft(&self, part: CacheDirectory, name: &str) -> Result<Draft> {
        let target = self.path(part, name);
        let partial = self.root.join("partial");
        for directory in [&partial, &self.root.join(part.directory())] {
            fs::create_dir_all(directory).map_err(|error| failure(directory, error))?;
        }
        let path = partial.join(name);
        loop {
            let file = File::options()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .map_err(|error| failure(&path, error))?;
            file.lock().map_err(|error| failure(&path, error))?;
            // Who had the lock may have given the file its name, or removed it.
            let ours = file.metadata().map_err(|error| failure(&path, error))?;
            let is_there = fs::metadata(&path)
                .is_ok_and(|there| (there.dev(), there.ino()) == (ours.dev(), ours.ino()));
            if is_there {
                return Ok(Draft { file, path, target });
            }
        }
    }

    /// Keeps what can be made again, all at once.
    pub fn keep(&self, part: CacheDirectory, name: &str, parts: &[&[u8]]) -> Result<()> {
        let mut draft = self.draft(part, name)?;
        draft.clear()?;
        for part in parts {
            let written = draft.file.write_all(part);
            written.map_err(|error| failure(&draft.path, error))?;
        }
        draft.persist().map(drop)
    }

    fn path(&self, part: CacheDirectory, name: &str) -> PathBuf {
        self.root.join(part.directory()).join(name)
    }
}

impl Draft {
    /// Returns the path of the file that this is to be, if that is there by now.
    pub fn made_meanwhile(&self) -> Option<PathBuf> {
        Some(self.target.clone()).filter(|target| target.is_file())
    }

    /// Removes what is in the draft.
    pub fn clear(&mut self) -> Result<()> {
        (self.file.set_len(0))
            .and_then(|()| self.file.seek(SeekFrom::Start(0)).map(drop))
            .map_err(|error| failure(&self.path, error))
    }

    /// Gives the file its name and returns its path.
    pub fn persist(self) -> Result<PathBuf> {
        let renamed = (self.file.sync_all())
            .and_then(|()| fs::rename(&self.path, &self.target))
            .and_then(|()| match self.target.parent() {
                Some(directory) => File::open(directory)?.sync_all(),
                None => Ok(()),
            });
        renamed.map_err(|error| failure(&self.target, error))?;
        Ok(self.target)
    }

    /// Removes the draft, without a trace.
    pub fn discard(self) -> Result<()> {
        fs::remove_file(&self.path).map_err(|error| failure(&self.path, error))
    }
}

fn failure(path: &Path, error: io::Error) -> Failure {
    Failure::io(format!("writing {} in the cache", path.display()), error)
        .hint("to put the cache elsewhere: --cache-dir DIR")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::scratch::Scratch;

    #[test]
    fn a_file_has_its_name_when_it_is_whole() {
        let scratch = Scratch::new();
        let cache = Cache::new(scratch.path());
        for (part, directory) in [
            (CacheDirectory::Repositories, "repositories"),
            (CacheDirectory::Metadata, "metadata"),
            (CacheDirectory::Catalogs, "catalogs"),
            (CacheDirectory::Packages, "packages"),
        ] {
            let path = scratch.path().join(directory).join("name");
            let partial = scratch.path().join("partial/name");
            assert_eq!(cache.find(part, "name"), None);
            let mut draft = cache.draft(part, "name").unwrap();
            draft.file.write_all(b"half").unwrap();
            assert_eq!(cache.find(part, "name"), None, "{directory}");
            assert_eq!(draft.made_meanwhile(), None);
            assert!(partial.is_file());
            // The next one finds what was written, and begins again if it wants to.
            drop(draft);
            let mut draft = cache.draft(part, "name").unwrap();
            assert_eq!(draft.file.metadata().unwrap().len(), 4);
            draft.clear().unwrap();
            draft.file.write_all(b"all").unwrap();
            assert_eq!(draft.persist().unwrap(), path);
            assert_eq!(fs::read(&path).unwrap(), b"all");
            assert_eq!(cache.find(part, "name"), Some(path.clone()));
            assert!(!partial.exists());
            let draft = cache.draft(part, "name").unwrap();
            assert_eq!(draft.made_meanwhile(), Some(path.clone()));
            draft.discard().unwrap();
            assert!(!partial.exists());
            scratch.write("partial/name", b"a longer draft of before");
            cache.keep(part, "name", &[b"of ", b"parts"]).unwrap();
            assert_eq!(fs::read(&path).unwrap(), b"of parts");
            cache.forget(part, "name").unwrap();
            assert_eq!(cache.find(part, "name"), None);
            // To forget what is not there is no failure.
            cache.forget(part, "name").unwrap();
        }
        scratch.write("metadata/name/below", b"");
        assert!(cache.forget(CacheDirectory::Metadata, "name").is_err());
    }
}
