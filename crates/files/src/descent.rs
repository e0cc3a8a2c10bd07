//! Many paths below one directory.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::directory::Directory;
use crate::error::Error;

/// Opens directories below one, again and again; no link is followed anywhere beneath it.
///
/// The last one stays open, since paths mostly come directory by directory.
#[derive(Debug)]
pub struct Descent {
    root: Directory,
    last: Option<(PathBuf, Directory)>,
}

impl Descent {
    /// Begins at a directory.
    #[must_use]
    pub fn new(root: Directory) -> Descent {
        Descent { root, last: None }
    }

    /// Returns the directory that a relative path is in, and its name there.
    ///
    /// # Errors
    /// [`Error::WrongKind`], [`Error::Io`].
    pub fn to<'a>(&mut self, path: &'a Path) -> Result<(&Directory, &'a OsStr), Error> {
        let parent = path.parent().unwrap_or(Path::new(""));
        let directory = match self.last.take() {
            Some((last, directory)) if last == parent => directory,
            _ => self.root.descend(parent)?,
        };
        let (_, directory) = self.last.insert((parent.to_owned(), directory));
        Ok((directory, path.file_name().unwrap_or_default()))
    }
}
