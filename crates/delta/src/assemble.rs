//! The file, made of pieces of other files and of what is fetched.
//!
//! The file grows from its start to its end and is never longer than what was checked, except while
//! something is fetched. Each piece is compared with its hash as it is copied, so that a damaged
//! file only costs a download, and so is each that is fetched, so that a source that sends other
//! bytes is noticed after one range. From then on it is asked for all that is left in one go, which
//! costs no more than the whole file would have, beside that range. The SHA-256 of the whole is
//! computed at the end of what is in the file by then. If it is another, the file is fetched from
//! its start once, unless it was already.
//!
//! A file that is not empty at the start is one that an earlier process left: the pieces at its
//! start that are right stay.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};

use sha2::{Digest as _, Sha256};

use crate::found::Found;
use crate::index::{Index, Piece, Short};

/// Most bytes that are asked for at once: what a source that lies can cost.
const MAX_ASKED: u64 = 4 << 20;
/// Pieces that are at hand, but between two that are not, are fetched with these if they have at
/// most this many bytes: another request has as many in its headers.
const MERGED: u64 = 1 << 10;
/// The file is hashed in parts of this size.
const BUFFER: usize = 256 << 10;

/// What the source is asked for. The file has all bytes before; what comes is appended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// The bytes up to an offset. If the source can only send all, the file may start over, and end
    /// up longer than that.
    Part {
        /// The offset.
        end: u64,
    },
    /// All bytes up to the end. The file may start over.
    Rest,
}

/// Why the source did not deliver.
#[derive(Debug)]
pub enum Refusal<E> {
    /// It does not deliver this part; asking for the rest may work.
    Part(E),
    /// It can't be helped.
    Final(E),
}

/// Appends to a file what it is asked for.
pub type Fetch<'a, E> = dyn FnMut(Ask, &mut File) -> Result<(), Refusal<E>> + 'a;

/// Why no file was made.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    /// The new file can't be written or read.
    #[error("writing it: {0}")]
    File(io::Error),
    /// What is missing could not be fetched.
    #[error("{0}")]
    Fetch(E),
    /// What came is another file.
    #[error("what came is another file, with the SHA-256 {}", hex(.0))]
    Other([u8; 32]),
}

/// How a file came together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Assembled {
    /// Bytes that an earlier process had left.
    pub kept: u64,
    /// Bytes that were copied from other files.
    pub copied: u64,
    /// How often the source was asked.
    pub requests: u32,
    /// Whether the source did not deliver parts, or other bytes than asked for.
    pub in_one: bool,
}

/// Writes the file that an index is of. `others` are the files that were looked into, by their
/// numbers.
///
/// # Errors
/// [`Error`]. What is in the file then may be left for another call.
pub fn assemble<R: Read + Seek, E>(
    wanted: &Index,
    found: &Found,
    others: &mut [R],
    file: &mut File,
    fetch: &mut Fetch<'_, E>,
) -> Result<Assembled, Error<E>> {
    let mut growing = Growing {
        wanted,
        file,
        number: 0,
        at: 0,
        buffer: Vec::new(),
    };
    let mut assembled = Assembled::default();
    growing.take().map_err(Error::File)?;
    assembled.kept = growing.at;
    let mut is_from_source = false;
    while let Some(piece) = growing.piece() {
        if growing.copy(piece, found, others).map_err(Error::File)? {
            assembled.copied += u64::from(piece.length);
            continue;
        }
        let end = growing.run(found);
        assembled.requests += 1;
        match fetch(Ask::Part { end }, growing.file) {
            Ok(()) => {
                is_from_source = growing.length().map_err(Error::File)? > end;
                growing.take().map_err(Error::File)?;
                if !is_from_source && growing.at >= end {
                    continue;
                }
            }
            Err(Refusal::Part(_)) => growing.take().map_err(Error::File)?,
            Err(Refusal::Final(error)) => return Err(Error::Fetch(error)),
        }
        assembled.in_one = true;
        if growing.at < wanted.length() {
            assembled.requests += 1;
            is_from_source |= growing.at == 0;
            growing.rest(fetch)?;
        }
        break;
    }
    let mut digest = sha256(growing.file).map_err(Error::File)?;
    if digest != *wanted.sha256() && !is_from_source {
        (growing.number, growing.at) = (0, 0);
        growing.cut().map_err(Error::File)?;
        assembled.requests += 1;
        growing.rest(fetch)?;
        digest = sha256(growing.file).map_err(Error::File)?;
    }
    match digest == *wanted.sha256() {
        true => Ok(assembled),
        false => Err(Error::Other(digest)),
    }
}

/// The file, as far as its pieces were checked.
struct Growing<'a> {
    wanted: &'a Index,
    file: &'a mut File,
    /// How many pieces it has.
    number: usize,
    /// How many bytes these are.
    at: u64,
    buffer: Vec<u8>,
}

impl Growing<'_> {
    fn piece(&self) -> Option<Piece> {
        self.wanted.pieces().get(self.number).copied()
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Drops what was not checked.
    fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(self.at)?;
        self.file.seek(SeekFrom::Start(self.at))?;
        Ok(())
    }

    /// Takes the pieces that the file has as its own, up to the first that is wrong or not whole. A
    /// file that has become shorter has started over.
    fn take(&mut self) -> io::Result<()> {
        let length = self.length()?;
        if length < self.at {
            (self.number, self.at) = (0, 0);
        }
        self.file.seek(SeekFrom::Start(self.at))?;
        while let Some(piece) = self.piece()
            && self.at + u64::from(piece.length) <= length
        {
            self.buffer.resize(piece.length as usize, 0);
            self.file.read_exact(&mut self.buffer)?;
            if Short::of(&self.buffer) != piece.hash {
                break;
            }
            self.grow(piece);
        }
        self.cut()
    }

    fn grow(&mut self, piece: Piece) {
        self.number += 1;
        self.at += u64::from(piece.length);
    }

    /// Appends the next piece from another file; `false` if no file has it any more.
    fn copy<R: Read + Seek>(
        &mut self,
        piece: Piece,
        found: &Found,
        others: &mut [R],
    ) -> io::Result<bool> {
        let Some(place) = found.place(self.number) else {
            return Ok(false);
        };
        let Some(other) = others.get_mut(place.file as usize) else {
            return Ok(false);
        };
        self.buffer.resize(piece.length as usize, 0);
        let read = (other.seek(SeekFrom::Start(place.offset)))
            .and_then(|_| other.read_exact(&mut self.buffer));
        if read.is_err() || Short::of(&self.buffer) != piece.hash {
            return Ok(false);
        }
        self.file.write_all(&self.buffer)?;
        self.grow(piece);
        Ok(true)
    }

    /// Returns where the run of missing pieces ends that begins here, whether or not the first one
    /// was found.
    fn run(&self, found: &Found) -> u64 {
        let mut end = self.at;
        let mut next = self.at;
        let pieces = self.wanted.pieces().iter().enumerate().skip(self.number);
        for (number, piece) in pieces {
            next += u64::from(piece.length);
            let is_missing = number == self.number || found.place(number).is_none();
            let is_too_far = match is_missing {
                true => next - self.at > MAX_ASKED && end > self.at,
                false => next - end > MERGED,
            };
            if is_too_far {
                break;
            }
            if is_missing {
                end = next;
            }
        }
        end
    }

    /// Asks for all that is left.
    fn rest<E>(&mut self, fetch: &mut Fetch<'_, E>) -> Result<(), Error<E>> {
        fetch(Ask::Rest, self.file).map_err(|refusal| match refusal {
            Refusal::Part(error) | Refusal::Final(error) => Error::Fetch(error),
        })
    }
}

/// Returns the SHA-256 of a file.
fn sha256(file: &mut File) -> io::Result<[u8; 32]> {
    file.seek(SeekFrom::Start(0))?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; BUFFER];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finalize().into()),
            Ok(read) => hasher.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn hex(bytes: &[u8; 32]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
