//! The uncompressed archive as a stream with an offset, and its errors.

use std::io::{self, Read};

use crate::cpio::ALIGNMENT;
use crate::decompress::{Decoder, Source};
use crate::digest::Hasher;
use crate::error::Error;

/// The decompressor is asked for pieces of this size.
const BUFFER: usize = 128 << 10;

/// The archive in a payload.
pub(crate) struct Archive<R: Read> {
    origin: String,
    decoder: Decoder<R>,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Bytes that were handed out.
    offset: u64,
    /// Digests of the archive, in the order in which they are promised.
    hashers: Vec<Hasher>,
}

impl<R: Read> Archive<R> {
    pub(crate) fn new(origin: &str, decoder: Decoder<R>, hashers: Vec<Hasher>) -> Self {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Self {
            origin: origin.to_owned(),
            decoder,
            buffer,
            start: 0,
            end: 0,
            offset: 0,
            hashers,
        }
    }

    /// Returns how many bytes were handed out.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Fills the target as far as the archive goes, and returns how far that is.
    pub(crate) fn read_up_to(&mut self, target: &mut [u8]) -> Result<usize, Error> {
        let mut length = 0;
        while let Some(rest) = target.get_mut(length..).filter(|rest| !rest.is_empty()) {
            match self.read_some(rest)? {
                0 => break,
                more => length += more,
            }
        }
        Ok(length)
    }

    /// Fills the whole target.
    pub(crate) fn read_all(&mut self, target: &mut [u8], inside: &str) -> Result<(), Error> {
        match self.read_up_to(target) {
            Ok(length) if length == target.len() => Ok(()),
            Ok(_) | Err(Error::PayloadEnd { .. }) => Err(self.end_error(inside)),
            Err(error) => Err(error),
        }
    }

    /// Skips to the next multiple of four.
    pub(crate) fn align(&mut self) -> Result<(), Error> {
        let mut padding = [0; 3];
        let length = self.offset.next_multiple_of(ALIGNMENT) - self.offset;
        let length = usize::try_from(length).unwrap_or_default();
        match padding.get_mut(..length) {
            Some(padding) => self.read_all(padding, "padding"),
            None => Ok(()),
        }
    }

    /// Returns the error that the archive ended too early.
    pub(crate) fn end_error(&self, inside: &str) -> Error {
        Error::PayloadEnd {
            origin: self.origin.clone(),
            offset: self.offset,
            inside: inside.to_owned(),
        }
    }

    /// Returns the error that something is wrong at the current offset.
    pub(crate) fn wrong(&self, reason: impl Into<String>) -> Error {
        Error::Archive {
            origin: self.origin.clone(),
            offset: self.offset,
            reason: reason.into(),
        }
    }

    /// Gives back the source and the digests of what was decompressed.
    pub(crate) fn into_parts(self) -> (Source<R>, Vec<Hasher>) {
        (self.decoder.into_source(), self.hashers)
    }

    /// Copies what is buffered, or what the decompressor gives next; 0 is the end.
    fn read_some(&mut self, target: &mut [u8]) -> Result<usize, Error> {
        if self.start == self.end && !target.is_empty() {
            self.fetch()?;
        }
        let buffered = self.buffer.get(self.start..self.end).unwrap_or_default();
        let length = buffered.len().min(target.len());
        if let (Some(target), Some(bytes)) = (target.get_mut(..length), buffered.get(..length)) {
            target.copy_from_slice(bytes);
        }
        self.start += length;
        self.offset = self.offset.saturating_add(length as u64);
        Ok(length)
    }

    fn fetch(&mut self) -> Result<(), Error> {
        let length = loop {
            match self.decoder.read(&mut self.buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other,
            }
        };
        let length = length.map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => self.end_error("an entry"),
            // Decompressors make errors of their own; what has a number is of the system.
            _ if source.raw_os_error().is_some() => Error::Io {
                origin: self.origin.clone(),
                source,
            },
            io::ErrorKind::OutOfMemory => Error::TooLarge {
                origin: self.origin.clone(),
                reason: source.to_string(),
            },
            _ => Error::Decompress {
                origin: self.origin.clone(),
                compressor: self.decoder.name(),
                offset: self.offset,
                source,
            },
        })?;
        let bytes = self.buffer.get(..length).unwrap_or_default();
        for hasher in &mut self.hashers {
            hasher.update(bytes);
        }
        (self.start, self.end) = (0, bytes.len());
        Ok(())
    }
}

impl<R: Read> Read for Archive<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        self.read_some(target).map_err(io::Error::other)
    }
}
