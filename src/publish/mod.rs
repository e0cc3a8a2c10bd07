//! What becomes of an image: its entry in the store, the signature of the list, the page.

pub mod page;
pub mod signing;

use std::path::{Path, PathBuf};

use serde::Serialize;
use store::Layout;

use crate::words::failure::{Failure, Result};

/// What is in the store now.
#[derive(Debug, Serialize)]
pub struct Stored {
    /// Digest of the image, in hexadecimal digits.
    pub sha256: String,
    /// Length of the image.
    pub bytes: u64,
    /// `new`, `unchanged` or `replaced`.
    pub added: &'static str,
    /// Fingerprint of the key that signs the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
}

/// Returns the directory of the image: that of the store, or the extension's own in it.
pub fn directory_of(output: &Path, layout: Layout, name: &str) -> PathBuf {
    match layout.is_per_name() {
        true => output.join(name),
        false => output.to_owned(),
    }
}

/// A directory that is gone again unless it is kept, where it was not there before.
pub struct NewDirectory<'a>(Option<&'a Path>);

impl<'a> NewDirectory<'a> {
    /// Makes it.
    pub fn make(path: &'a Path) -> Result<Self> {
        if path.is_dir() {
            return Ok(Self(None));
        }
        std::fs::create_dir_all(path).map_err(|error| {
            Failure::io(format!("making the directory {}", path.display()), error)
        })?;
        Ok(Self(Some(path)))
    }

    /// Keeps it.
    pub fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for NewDirectory<'_> {
    fn drop(&mut self) {
        if let Some(path) = self.0 {
            // It is empty, or someone else has put something there, which must stay.
            let _ = std::fs::remove_dir(path);
        }
    }
}
