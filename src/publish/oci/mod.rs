//! A directory that a registry's tools copy from: an OCI image layout.
//!
//! ```text
//! layout/
//! ├── oci-layout             which format this is
//! ├── index.json             what is in it, by reference
//! └── blobs/sha256/<hex>     each file once, by its digest
//! ```
//!
//! Format: OCI Image Format Specification 1.1, "image layout". A [`Layout`] takes blobs first, then
//! one [`index.json`](Layout::finish), then drops the blobs that no index names any more: a copy
//! made meanwhile has the old references or the new ones, and all of their blobs.

mod document;
mod reference;

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read, Seek as _};
use std::path::Path;

use anyhow::anyhow;
use files::{Directory, Links};
use rustix::fs::FlockOperation;
use sha2::{Digest as _, Sha256};

pub use document::{Artifact, Descriptor, Index, Manifest, Platform, media_type};
pub use reference::{reference, repository, tag};

use crate::words::digest::sha256;
use crate::words::failure::{Failure, Result};

/// The most bytes of an index: of one that is there already, and of one that is written.
pub const MAX_INDEX: u64 = 16 << 20;
const MARK: &str = "oci-layout";
const INDEX: &str = "index.json";
const VERSION: &[u8] = b"{\"imageLayoutVersion\":\"1.0.0\"}\n";
/// A blob on its way to its name.
const NEW: &str = ".new";

/// A layout that is being written.
pub struct Layout {
    root: Directory,
    blobs: Directory,
    /// The names of the blobs that the new index needs.
    needed: BTreeSet<String>,
    /// How many of them were not there.
    pub new: usize,
}

impl Layout {
    /// Opens a layout that this program made, or makes one in a directory that is empty or missing.
    ///
    /// # Errors
    /// Other files are there, or nothing can be written.
    pub fn open(path: &Path) -> Result<Self> {
        std::fs::create_dir_all(path)
            .map_err(|error| Failure::io(format!("making {}", path.display()), error))?;
        let root = Directory::open(path, Links::Follow)?;
        // Two would write the same name, and drop each other's blobs. The kernel gives it back.
        rustix::fs::flock(&root, FlockOperation::LockExclusive).map_err(|error| {
            Failure::io(
                format!("locking {}", path.display()),
                io::Error::from(error),
            )
        })?;
        if !is_own(&root)? {
            let text = anyhow!("{} holds files that are not ours", path.display());
            return Err(Failure::refused(text).hint("name a new directory"));
        }
        let made = root.make_directory("blobs", 0o755)?;
        let blobs = made.make_directory("sha256", 0o755)?;
        Ok(Self {
            root,
            blobs,
            needed: BTreeSet::new(),
            new: 0,
        })
    }

    /// Adds a file, which must have this digest; `name` is for errors. Returns its length in bytes.
    ///
    /// # Errors
    /// It is another file, or can't be read or written.
    pub fn add_file(&mut self, file: &mut dyn Read, name: &Path, digest: &[u8; 32]) -> Result<u64> {
        let blob = hex::encode(digest);
        if let Some(length) = self.length_of(&blob, digest)? {
            self.needed.insert(blob);
            return Ok(length);
        }
        let failed = |error| Failure::io(format!("copying {}", name.display()), error);
        let mut output = self.make()?;
        io::copy(file, &mut output).map_err(failed)?;
        // What was written is what counts, if the file changes meanwhile.
        output.rewind().map_err(failed)?;
        let (length, written) = sha256(&mut output).map_err(failed)?;
        if written != *digest {
            self.blobs.remove(NEW)?;
            let text = anyhow!("{} does not have the listed SHA-256", name.display());
            return Err(Failure::refused(text).hint("sysext-build store verify says more"));
        }
        output.sync_all().map_err(failed)?;
        self.blobs.rename(NEW, &blob)?;
        self.needed.insert(blob);
        self.new += 1;
        Ok(length)
    }

    /// Adds a document, and returns what refers to it.
    ///
    /// # Errors
    /// It can't be written.
    pub fn add(&mut self, media_type: &'static str, bytes: &[u8]) -> Result<Descriptor> {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let path = self.blobs.path().join(hex::encode(digest));
        let length = self.add_file(&mut &*bytes, &path, &digest)?;
        Ok(Descriptor::new(media_type, &digest, length))
    }

    /// Writes the index, and removes the blobs that it does not need. Returns how many those were.
    ///
    /// # Errors
    /// It can't be written.
    pub fn finish(self, index: &Index) -> Result<usize> {
        let bytes = index.to_bytes()?;
        if bytes.len() as u64 > MAX_INDEX {
            let path = self.root.path().display();
            let text = anyhow!("the index of {path} would have more than {MAX_INDEX} bytes");
            return Err(Failure::refused(text).hint("name some extensions after the layout"));
        }
        self.blobs.sync()?;
        self.root.replace(MARK, VERSION, 0o644)?;
        self.root.replace(INDEX, &bytes, 0o644)?;
        self.root.sync()?;
        let mut removed = 0;
        for name in self.blobs.names()? {
            if !(name.to_str()).is_some_and(|name| self.needed.contains(name)) {
                self.blobs.remove(&name)?;
                removed += 1;
            }
        }
        Ok(removed)
    }

    /// Returns the length of a blob, if it is there whole.
    fn length_of(&self, blob: &str, digest: &[u8; 32]) -> Result<Option<u64>> {
        let Some(mut file) = files::if_there(self.blobs.open_file(blob))? else {
            return Ok(None);
        };
        let failed = |error| {
            let path = self.blobs.path().join(blob);
            Failure::io(format!("reading {}", path.display()), error)
        };
        let (length, found) = sha256(&mut file).map_err(failed)?;
        Ok((found == *digest).then_some(length))
    }

    fn make(&self) -> Result<File> {
        if self.blobs.stat(NEW)?.is_some() {
            self.blobs.remove(NEW)?;
        }
        Ok(self.blobs.create_file(NEW, 0o644)?)
    }
}

/// Whether a directory may be changed: it has nothing, or an index that says that it is ours, or what
/// was left before there was an index.
fn is_own(root: &Directory) -> Result<bool> {
    if root.names()?.iter().all(|name| name == "blobs") {
        return Ok(true);
    }
    let index = files::if_there(root.read(INDEX, MAX_INDEX))?;
    Ok(index.is_some_and(|index| document::is_own(&index)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::scratch::Scratch;

    #[test]
    fn an_index_is_so_long() {
        let scratch = Scratch::new();
        let one = Descriptor::new("a/b", &[0; 32], 1);
        let length = |count: usize| {
            let index = Index::of_layout(vec![one.clone(); count]);
            index.to_bytes().unwrap().len() as u64
        };
        let (none, each) = (length(0), length(2) - length(1));
        // Without the comma of the first.
        let most = ((MAX_INDEX - none + 1) / each) as usize;
        let write = |name: &str, count: usize| {
            let layout = Layout::open(&scratch.path().join(name)).unwrap();
            layout.finish(&Index::of_layout(vec![one.clone(); count]))
        };
        assert_eq!(write("a", most).unwrap(), 0);
        let failure = write("b", most + 1).unwrap_err();
        assert!(format!("{:#}", failure.source).contains("more than 16777216 bytes"));
        // What is longer was made by nobody that is known.
        let path = scratch.path().join("a").join(INDEX);
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.resize(MAX_INDEX as usize, b' ');
        std::fs::write(&path, &bytes).unwrap();
        assert!(Layout::open(&scratch.path().join("a")).is_ok());
        bytes.push(b' ');
        std::fs::write(&path, &bytes).unwrap();
        let failure = Layout::open(&scratch.path().join("a"))
            .map(drop)
            .unwrap_err();
        assert!(
            format!("{:#}", failure.source).contains("16777216"),
            "{failure:?}"
        );
    }
}
