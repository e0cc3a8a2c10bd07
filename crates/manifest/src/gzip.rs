//! gzip, within bounds.

use std::io::{self, BufWriter, Read, Write};

use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};

use super::Error;
use super::census::Census;

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

/// The codec is given pieces of this size.
const PIECE: usize = 64 << 10;

/// Packs bytes as well as gzip can. No time and no name is in the stream.
///
/// # Errors
/// None that memory does not have.
pub fn pack(bytes: &[u8]) -> io::Result<Vec<u8>> {
    let mut gzip = encoder();
    gzip.write_all(bytes)?;
    gzip.finish()
}

fn encoder() -> GzEncoder<Vec<u8>> {
    let gzip = GzBuilder::new().mtime(0);
    gzip.write(Vec::new(), Compression::best())
}

/// Packs lines as they are written, so that the text itself is never in memory.
pub(crate) struct Packing {
    gzip: BufWriter<GzEncoder<Vec<u8>>>,
    census: Census,
    length: u64,
    limit: u64,
}

impl Packing {
    /// Takes up to `limit` bytes; what is more is only counted.
    pub(crate) fn new(limit: u64) -> Self {
        Self {
            gzip: BufWriter::with_capacity(PIECE, encoder()),
            census: Census::default(),
            length: 0,
            limit,
        }
    }

    /// Ends the last line, and returns the stream if what is in it will be read again.
    pub(crate) fn finish(mut self) -> Result<Vec<u8>, Error> {
        self.write_all(b"\n").map_err(UnpackError::Io)?;
        self.census.check()?;
        if self.length > self.limit {
            return Err(Error::TooLong(self.length));
        }
        let gzip = self.gzip.into_inner().map_err(io::Error::from);
        let packed = gzip.and_then(GzEncoder::finish).map_err(UnpackError::Io)?;
        Ok(packed)
    }
}

impl Write for Packing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.length = self.length.saturating_add(bytes.len() as u64);
        if self.length <= self.limit {
            self.census.count(bytes);
            self.gzip.write_all(bytes)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_packed_up_to_a_limit() {
        for (limit, expected) in [(7, true), (6, false)] {
            let mut packing = Packing::new(limit);
            for piece in [&b"on"[..], b"e\n", b"tw"] {
                packing.write_all(piece).unwrap();
            }
            match packing.finish() {
                Ok(packed) => assert!(expected && packed == pack(b"one\ntw\n").unwrap()),
                Err(error) => assert!(!expected && matches!(error, Error::TooLong(7)), "{error}"),
            }
        }
        // As in one piece.
        let text: String = (0..200_000).map(|number| format!("{number} ")).collect();
        let mut packing = Packing::new(u64::MAX);
        for piece in text.as_bytes().chunks(7) {
            packing.write_all(piece).unwrap();
        }
        let packed = packing.finish().unwrap();
        assert_eq!(packed, pack(format!("{text}\n").as_bytes()).unwrap());
    }
}
