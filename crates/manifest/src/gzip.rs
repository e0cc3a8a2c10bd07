//! gzip, within bounds.

use std::io::{self, Read, Write as _};

use flate2::read::MultiGzDecoder;
use flate2::{Compression, GzBuilder};

/// How a gzip stream starts.
pub const GZIP: [u8; 2] = [0x1f, 0x8b];

/// Why a gzip stream can't be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum UnpackError {
    /// It can't be read.
    #[error(transparent)]
    Io(io::Error),
    /// It is not gzip, or is cut off or damaged.
    #[error("can't be unpacked: {0}")]
    Damaged(io::Error),
    /// It is too long.
    #[error("unpacks to more than {limit} bytes")]
    TooLong {
        /// The length that was allowed, in bytes.
        limit: u64,
    },
}

/// Unpacks a gzip stream to at most `limit` bytes. Not more than `limit` packed bytes are read,
/// either, since a stream may go on without unpacking to anything.
///
/// # Errors
/// Those of reading, and what is wrong with the stream.
pub fn unpack(gzip: impl Read, limit: u64) -> Result<Vec<u8>, UnpackError> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(gzip.take(limit))
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .map_err(|error| match error.kind() {
            io::ErrorKind::InvalidInput
            | io::ErrorKind::InvalidData
            | io::ErrorKind::UnexpectedEof => UnpackError::Damaged(error),
            _ => UnpackError::Io(error),
        })?;
    match u64::try_from(bytes.len()) {
        Ok(length) if length <= limit => Ok(bytes),
        _ => Err(UnpackError::TooLong { limit }),
    }
}

/// Packs bytes as well as gzip can. No time and no name is in the stream.
///
/// # Errors
/// None that memory does not have.
pub fn pack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = GzBuilder::new()
        .mtime(0)
        .write(Vec::new(), Compression::best());
    gzip.write_all(bytes)?;
    gzip.finish()
}
