//! Readers that share a file.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt as _;

/// A reader of an open file that has a position of its own, so that several can read the file at once,
/// each on a thread.
#[derive(Debug)]
pub struct View {
    file: File,
    position: u64,
}

impl View {
    /// Returns a reader at the beginning of a file that is open for reading.
    ///
    /// # Errors
    ///
    /// The process can have no more descriptors.
    pub fn of(file: impl AsFd) -> io::Result<Self> {
        let file = File::from(file.as_fd().try_clone_to_owned()?);
        Ok(Self { file, position: 0 })
    }
}

impl Read for View {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read_at(buffer, self.position)?;
        self.position += length as u64;
        Ok(length)
    }
}

impl Seek for View {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let (from, offset) = match position {
            SeekFrom::Start(position) => (position, 0),
            SeekFrom::Current(offset) => (self.position, offset),
            SeekFrom::End(offset) => (self.file.metadata()?.len(), offset),
        };
        self.position = (from.checked_add_signed(offset)).ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
