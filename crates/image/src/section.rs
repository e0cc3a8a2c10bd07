//! A part of a file, read as if it were a file.

use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsFd, BorrowedFd};

/// The bytes from `start` on of an input, up to a length, as an input that begins at offset 0.
#[derive(Debug)]
pub struct Section<R> {
    input: R,
    start: u64,
    length: u64,
    position: u64,
}

impl<R: Read + Seek> Section<R> {
    /// Makes one of `length` bytes, or of fewer where the input ends before.
    pub fn new(mut input: R, start: u64, length: u64) -> io::Result<Self> {
        let end = input.seek(SeekFrom::End(0))?;
        Ok(Self {
            input,
            start,
            length: length.min(end.saturating_sub(start)),
            position: 0,
        })
    }

    /// Makes one of the whole input.
    pub fn whole(input: R) -> io::Result<Self> {
        Self::new(input, 0, u64::MAX)
    }

    /// Returns the length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }
}

impl<R: Read + Seek> Read for Section<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.length.saturating_sub(self.position);
        let most = usize::try_from(left).map_or(buffer.len(), |left| left.min(buffer.len()));
        if most == 0 {
            return Ok(0);
        }
        self.input
            .seek(SeekFrom::Start(self.start + self.position))?;
        let read = self.input.read(&mut buffer[..most])?;
        self.position += read as u64;
        Ok(read)
    }
}

impl<R: Read + Seek> Seek for Section<R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let position = match position {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

impl<R: AsFd> AsFd for Section<R> {
    /// Returns the whole input.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn ends_where_it_ends() {
        for (start, length, expected) in [
            (0, 10, "0123456789"),
            (2, 3, "234"),
            (8, 5, "89"),
            (10, 1, ""),
            (11, u64::MAX, ""),
        ] {
            let mut section = Section::new(Cursor::new(b"0123456789"), start, length).unwrap();
            let mut text = String::new();
            section.read_to_string(&mut text).unwrap();
            assert_eq!(text, expected, "{start} {length}");
            assert_eq!(section.length(), expected.len() as u64);
        }
        let mut section = Section::new(Cursor::new(b"0123456789"), 2, 5).unwrap();
        for (to, at, expected) in [
            (SeekFrom::End(-2), 3, "56"),
            (SeekFrom::Start(9), 9, ""),
            (SeekFrom::Current(-6), 3, "56"),
        ] {
            assert_eq!(section.seek(to).unwrap(), at);
            let mut text = String::new();
            section.read_to_string(&mut text).unwrap();
            assert_eq!(text, expected);
        }
        section.seek(SeekFrom::Current(-6)).unwrap_err();
    }
}
