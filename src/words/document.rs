//! Texts that are read whole: lists, manifests, plans, locks.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::path::Path;

use anyhow::anyhow;
use manifest::{GZIP, UnpackError};

use crate::words::failure::{Failure, Result};
use crate::words::quantity::bytes;

/// Puts a file in a path's place once all of it is written: whatever happens, there is the old one
/// or the new one.
pub fn replace(path: &Path, contents: &[u8]) -> Result<()> {
    let doing = || format!("writing {}", path.display());
    let failed = |error: std::io::Error| Failure::io(doing(), error);
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = path.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = File::create_new(&temporary).and_then(|mut file| {
        file.write_all(contents)?;
        file.sync_all()?;
        std::fs::rename(&temporary, path)
    });
    if written.is_err() {
        // It may not have been made; the first error is the one to tell.
        let _ = std::fs::remove_file(&temporary);
    }
    written.map_err(failed)
}

/// Reads a file of at most `limit` bytes. One that gzip has compressed is decompressed, and the
/// limit is that of what comes out.
pub fn read(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let doing = || format!("reading {}", path.display());
    let failed = |error: std::io::Error| Failure::io(doing(), error);
    let mut file = File::open(path).map_err(failed)?;
    let mut start = Vec::new();
    (&mut file)
        .take(GZIP.len() as u64)
        .read_to_end(&mut start)
        .map_err(failed)?;
    let whole = start.as_slice().chain(file);
    let too_long = || {
        Failure::refused(anyhow!(
            "{} is larger than {}",
            path.display(),
            bytes(limit)
        ))
    };
    if start == GZIP {
        return manifest::unpack(whole, limit).map_err(|error| match error {
            UnpackError::Io(error) => failed(error),
            UnpackError::Damaged(error) => {
                Failure::refused(anyhow!("{}: damaged gzip data: {error}", path.display()))
            }
            UnpackError::TooLong { .. } => too_long(),
        });
    }
    let mut contents = Vec::new();
    whole
        .take(limit + 1)
        .read_to_end(&mut contents)
        .map_err(failed)?;
    if contents.len() as u64 > limit {
        return Err(too_long());
    }
    Ok(contents)
}
