//! The bytes of an image, and how many may be read.
//!
//! Metadata of these formats are not compressed, so that a tree takes no more than its image, as
//! long as no block is used twice. Nothing in the formats keeps a hostile image from doing that a
//! million times, so the bytes that are read have a budget.

use std::io::{Read, Seek, SeekFrom};

use super::Error;

/// What may be read of every image, in bytes.
const LEAST: u64 = 64 << 20;
/// How often an image may be read whole.
const TIMES: u64 = 4;
/// Longest row of bytes that is read at once. Callers ask for blocks and for attributes.
const MAX_READ: usize = 1 << 20;

/// An input that is read at any place.
pub(super) struct Source<R> {
    input: R,
    length: u64,
    left: u64,
}

impl<R: Read + Seek> Source<R> {
    pub(super) fn new(mut input: R) -> Result<Self, Error> {
        let length = input
            .seek(SeekFrom::End(0))
            .map_err(|source| Error::Input {
                offset: 0,
                length: 0,
                source,
            })?;
        let mut source = Self {
            input,
            length,
            left: 0,
        };
        source.refill();
        Ok(source)
    }

    /// Gives the whole budget again: a new thing is read, which callers bound by themselves.
    pub(super) fn refill(&mut self) {
        self.left = self.length.saturating_mul(TIMES).saturating_add(LEAST);
    }

    /// Returns the length of the image in bytes.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Takes what is to be read off the budget.
    pub(super) fn charge(&mut self, length: u64) -> Result<(), Error> {
        self.left = self.left.checked_sub(length).ok_or(Error::TooOften)?;
        Ok(())
    }

    /// Reads `length` bytes at `offset`, for metadata.
    pub(super) fn read(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, Error> {
        self.charge(length as u64)?;
        let is_inside = (offset.checked_add(length as u64)).is_some_and(|end| end <= self.length);
        if !is_inside || length > MAX_READ {
            return Err(Error::wrong(
                format!("offset {offset}"),
                format!("there are no {length} bytes"),
            ));
        }
        let mut bytes = vec![0; length];
        self.input
            .seek(SeekFrom::Start(offset))
            .and_then(|_| self.input.read_exact(&mut bytes))
            .map_err(|source| Error::Input {
                offset,
                length,
                source,
            })?;
        Ok(bytes)
    }

    /// Reads what there is at `offset` into `buffer`, for contents.
    pub(super) fn read_into(&mut self, offset: u64, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.input.seek(SeekFrom::Start(offset))?;
        self.input.read(buffer)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn what_is_read_is_there_and_bounded() {
        let mut source = Source::new(Cursor::new(vec![7; 100])).unwrap();
        assert_eq!(source.length(), 100);
        assert_eq!(source.read(98, 2).unwrap(), [7, 7]);
        for (offset, length) in [(99, 2), (101, 0), (u64::MAX, 2)] {
            source.read(offset, length).unwrap_err();
        }
        source.left = 10;
        source.read(0, 10).unwrap();
        assert!(matches!(source.read(0, 1), Err(Error::TooOften)));
        source.refill();
        assert_eq!(source.left, (64 << 20) + 400);
    }
}
