//! Bounded reads from anywhere in a file.

use std::io::{Read, Seek, SeekFrom};

use crate::error::Error;

/// As much is read at once, in bytes; what is near is then at hand.
const WINDOW: usize = 32 * 1024;
/// Longest name, in bytes: Linux's `PATH_MAX`, a generous bound for a list of directories.
const MAX_NAME: usize = 4096;

/// A file, and the part of it that was read last.
pub(super) struct Source<'a, R> {
    input: &'a mut R,
    length: u64,
    window: Vec<u8>,
    /// Offset of the window.
    start: u64,
}

impl<'a, R: Read + Seek> Source<'a, R> {
    pub(super) fn new(input: &'a mut R) -> Result<Self, Error> {
        let length = input.seek(SeekFrom::End(0))?;
        Ok(Self {
            input,
            length,
            window: Vec::new(),
            start: 0,
        })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Returns the first bytes, fewer if there are no more.
    pub(super) fn start(&mut self, length: usize) -> Result<&[u8], Error> {
        self.look(0)?;
        Ok(&self.window[..self.window.len().min(length)])
    }

    /// Moves the window there, unless what is there is in it to the window's end.
    fn look(&mut self, offset: u64) -> Result<(), Error> {
        let left = self.length.saturating_sub(offset);
        let length = usize::try_from(left).map_or(WINDOW, |left| left.min(WINDOW));
        self.input.seek(SeekFrom::Start(offset))?;
        self.window.clear();
        self.window.resize(length, 0);
        self.start = offset;
        self.input.read_exact(&mut self.window)?;
        Ok(())
    }

    /// Returns what the window has from an offset on.
    fn in_window(&self, offset: u64) -> &[u8] {
        offset
            .checked_sub(self.start)
            .and_then(|within| usize::try_from(within).ok())
            .and_then(|within| self.window.get(within..))
            .unwrap_or_default()
    }

    /// Returns a part of the file; memory is taken when it is known to be there.
    pub(super) fn bytes(&mut self, what: &str, offset: u64, length: u64) -> Result<Vec<u8>, Error> {
        let end = offset.checked_add(length).filter(|end| *end <= self.length);
        let (Some(_), Ok(wanted)) = (end, usize::try_from(length)) else {
            let text = format!("{what}: {length} bytes at {offset}, beyond the end of the file");
            return Err(Error::malformed(text));
        };
        if let Some(bytes) = self.in_window(offset).get(..wanted) {
            return Ok(bytes.to_vec());
        }
        let mut bytes = vec![0; wanted];
        self.input.seek(SeekFrom::Start(offset))?;
        self.input.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Returns the name that starts at an offset and ends with a zero byte, within `limit` bytes.
    pub(super) fn string(&mut self, offset: u64, limit: u64) -> Result<String, Error> {
        let limit = usize::try_from(limit).map_or(MAX_NAME, |limit| limit.min(MAX_NAME));
        let zero = |bytes: &[u8]| bytes.iter().take(limit).position(|byte| *byte == 0);
        let mut end = zero(self.in_window(offset));
        if end.is_none() {
            self.look(offset)?;
            end = zero(self.in_window(offset));
        }
        let Some(end) = end else {
            let text = format!("the name at {offset} has no end");
            return Err(Error::malformed(text));
        };
        let name = &self.in_window(offset)[..end];
        std::str::from_utf8(name)
            .map(str::to_owned)
            .map_err(|_| Error::malformed(format!("the name at {offset} is not UTF-8")))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    #[test]
    fn names_have_a_largest_length() {
        for (length, limit, expected) in [
            (4095, u64::MAX, Ok(4095)),
            (
                4096,
                u64::MAX,
                Err("not a sound ELF file: the name at 1 has no end"),
            ),
            (9, 10, Ok(9)),
            (
                10,
                10,
                Err("not a sound ELF file: the name at 1 has no end"),
            ),
        ] {
            let bytes = [&b"."[..], &vec![b'x'; length], &[0; 9000]].concat();
            let mut input = Cursor::new(bytes);
            let mut source = Source::new(&mut input).unwrap();
            let found = source.string(1, limit);
            let found = found
                .map(|name| name.len())
                .map_err(|error| error.to_string());
            assert_eq!(found, expected.map_err(str::to_owned), "{length} {limit}");
        }
    }
}
