//! Reading whole files, within bounds.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

use crate::error::Error;
use crate::io_error;

/// What a file that grows, or whose size the kernel does not tell (`/proc`), gets more of at a time.
const PIECE: u64 = 64 << 10;

/// Reads what is left of an open regular file of at most `limit` bytes; `path` is for the error.
///
/// A file that is too large is refused before anything is read. One that grows meanwhile is read on,
/// up to the limit.
///
/// # Errors
/// [`Error::TooLarge`], [`Error::Io`].
pub fn read_open(file: &File, path: &Path, limit: u64) -> Result<Vec<u8>, Error> {
    let failed = |error| io_error("read", path, error);
    let size = file.metadata().map_err(failed)?.len();
    let too_large = |size| Error::TooLarge {
        path: path.to_owned(),
        size,
        limit,
    };
    if size > limit {
        return Err(too_large(size));
    }
    let mut bytes = Vec::new();
    // One byte more than there should be: it tells whether this is the end.
    let mut room = size.saturating_add(1);
    loop {
        let free = room - bytes.len() as u64;
        // To the byte, where a vector would double itself.
        bytes
            .try_reserve_exact(usize::try_from(free).unwrap_or(usize::MAX))
            .map_err(|_| failed(ErrorKind::OutOfMemory.into()))?;
        file.take(free).read_to_end(&mut bytes).map_err(failed)?;
        let length = bytes.len() as u64;
        if length < room {
            return Ok(bytes);
        }
        if length > limit {
            return Err(too_large(length));
        }
        room = (length + PIECE.max(length / 2)).min(limit.saturating_add(1));
    }
}
