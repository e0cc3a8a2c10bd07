//! Where the bytes of a file are.

use std::io::{self, Read, Seek, SeekFrom};

use super::Error;
use super::source::Source;

/// Most pieces that a file may be in.
const MAX_PIECES: usize = 1 << 20;

/// A part of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// Where it is in the image; `None` where it is a hole, which reads as zeros.
    pub(super) at: Option<u64>,
    /// Its length in bytes.
    pub(super) length: u64,
}

/// Adds a piece to those before, as a part of the last one where it follows that.
pub(super) fn push(pieces: &mut Vec<Piece>, piece: Piece) -> Result<(), Error> {
    if piece.length == 0 {
        return Ok(());
    }
    if let Some(last) = pieces.last_mut() {
        let follows = match (last.at, piece.at) {
            (None, None) => true,
            (Some(one), Some(other)) => one.checked_add(last.length) == Some(other),
            _ => false,
        };
        if follows {
            last.length = last.length.saturating_add(piece.length);
            return Ok(());
        }
    }
    if pieces.len() >= MAX_PIECES {
        let problem = format!("a file is in more than {MAX_PIECES} pieces");
        return Err(Error::Unsupported(problem));
    }
    pieces.push(piece);
    Ok(())
}

/// The bytes of a file.
pub struct Contents<'a, R> {
    source: &'a mut Source<R>,
    /// Each with where it ends in the file.
    pieces: Vec<(u64, Piece)>,
    position: u64,
    size: u64,
}

impl<'a, R> Contents<'a, R> {
    /// Makes one of a file of `size` bytes. What its pieces do not reach is a hole.
    pub(super) fn new(source: &'a mut Source<R>, pieces: Vec<Piece>, size: u64) -> Self {
        let mut end: u64 = 0;
        let pieces = pieces.into_iter().map(|piece| {
            end = end.saturating_add(piece.length);
            (end, piece)
        });
        Self {
            pieces: pieces.collect(),
            source,
            position: 0,
            size,
        }
    }
}

impl<R: Read + Seek> Read for Contents<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let index = self
            .pieces
            .partition_point(|(end, _)| *end <= self.position);
        let (end, at) = match self.pieces.get(index) {
            None => (self.size, None),
            Some((end, piece)) => {
                let start = end - piece.length;
                let at = piece.at.map(|at| at.saturating_add(self.position - start));
                ((*end).min(self.size), at)
            }
        };
        let most = end.saturating_sub(self.position);
        let most = usize::try_from(most).map_or(buffer.len(), |most| most.min(buffer.len()));
        let part = &mut buffer[..most];
        if part.is_empty() {
            return Ok(0);
        }
        let read = match at {
            None => {
                part.fill(0);
                part.len()
            }
            Some(at) => match self.source.read_into(at, part)? {
                0 => {
                    let problem = format!("the image ends at offset {at}, in a file");
                    return Err(io::Error::new(io::ErrorKind::InvalidData, problem));
                }
                read => read,
            },
        };
        self.position += read as u64;
        Ok(read)
    }
}

impl<R: Read + Seek> Seek for Contents<'_, R> {
    fn seek(&mut self, position: SeekFrom) -> io::Result<u64> {
        let position = match position {
            SeekFrom::Start(offset) => Some(offset),
            SeekFrom::End(offset) => self.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn piece(at: Option<u64>, length: u64) -> Piece {
        Piece { at, length }
    }

    #[test]
    fn neighbours_are_one_piece() {
        let mut pieces = Vec::new();
        for (at, length) in [
            (Some(0), 2),
            (Some(2), 1),
            (Some(4), 1),
            (None, 3),
            (None, 2),
            (Some(9), 0),
            (Some(5), 1),
        ] {
            push(&mut pieces, piece(at, length)).unwrap();
        }
        let expected = [
            piece(Some(0), 3),
            piece(Some(4), 1),
            piece(None, 5),
            piece(Some(5), 1),
        ];
        assert_eq!(pieces, expected);
        let mut many = vec![piece(Some(0), 1); MAX_PIECES];
        push(&mut many, piece(Some(1), 1)).unwrap();
        push(&mut many, piece(Some(7), 1)).unwrap_err();
    }

    #[test]
    fn holes_are_zeros_and_the_size_is_the_end() {
        let bytes = b"0123456789".to_vec();
        for (pieces, size, expected) in [
            (vec![], 3, Some(&b"\0\0\0"[..])),
            (vec![piece(Some(2), 3)], 2, Some(b"23")),
            (
                vec![piece(Some(8), 2), piece(None, 1), piece(Some(0), 1)],
                5,
                Some(b"89\x000\0"),
            ),
            (vec![piece(Some(8), 3)], 3, None),
        ] {
            let mut source = Source::new(Cursor::new(bytes.clone())).unwrap();
            let mut found = Vec::new();
            let read = Contents::new(&mut source, pieces, size).read_to_end(&mut found);
            assert_eq!(read.ok().map(|_| &found[..]), expected);
        }
        let pieces = vec![piece(Some(8), 2), piece(None, 1), piece(Some(0), 2)];
        let mut source = Source::new(Cursor::new(bytes)).unwrap();
        let mut contents = Contents::new(&mut source, pieces, 5);
        for (to, expected) in [
            (SeekFrom::Start(1), &b"9\x0001"[..]),
            (SeekFrom::End(-1), b"1"),
            (SeekFrom::Current(-4), b"9\x0001"),
            (SeekFrom::Start(7), b""),
        ] {
            contents.seek(to).unwrap();
            let mut found = Vec::new();
            contents.read_to_end(&mut found).unwrap();
            assert_eq!(found, expected, "{to:?}");
        }
    }
}
