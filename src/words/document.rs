//! Texts that are read whole: lists, manifests, plans, locks.

use std::io::{Read as _, Seek as _};
use std::path::Path;

use anyhow::anyhow;
use files::Links;
use manifest::{GZIP, UnpackError};

use crate::words::failure::{Failure, Result};
use crate::words::quantity::bytes;

/// Reads a file of at most `limit` bytes. One that gzip has compressed is decompressed, and the
/// limit is that of what comes out.
pub fn read(path: &Path, links: Links, limit: u64) -> Result<Vec<u8>> {
    let failed = |error| Failure::io(format!("reading {}", path.display()), error);
    let mut file = files::open(path, links)?;
    let mut start = Vec::new();
    (&mut file)
        .take(GZIP.len() as u64)
        .read_to_end(&mut start)
        .and_then(|_| file.rewind())
        .map_err(failed)?;
    if start != GZIP {
        return Ok(files::read_open(&file, path, limit)?);
    }
    manifest::unpack(file, limit).map_err(|error| match error {
        UnpackError::Io(error) => failed(error),
        UnpackError::Damaged(error) => {
            Failure::refused(anyhow!("{}: damaged gzip data: {error}", path.display()))
        }
        UnpackError::TooLong { .. } => Failure::refused(anyhow!(
            "{} is larger than {}",
            path.display(),
            bytes(limit)
        )),
    })
}
