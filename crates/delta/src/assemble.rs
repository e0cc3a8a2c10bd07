//! The file, made of pieces of other files and of what is fetched.
//!
//! The file grows from its start to its end and is never longer than what was checked, except while
//! something is fetched. Each piece is compared with its hash as it is copied, so that a damaged
//! file only costs a download, and so is each that is fetched, so that a source that sends other
//! bytes is noticed after one range. It is asked for the whole file then, and so is one that does not
//! send ranges, which costs no more than that, beside the range. A source that has sent one range
//! is asked for several at once, which wait in memory for their turn. The SHA-256 of the whole is
//! that of these pieces, or of what is in the file where it came in one go. If it is another, the
//! file is fetched from its start once, unless it was already.
//!
//! A file that is not empty at the start is one that an earlier process left: the pieces at its
//! start that are right stay.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use sha2::{Digest as _, Sha256};

use crate::found::Found;
use crate::index::{Index, Piece, Short};

/// Most bytes that are asked for at once: what a source that lies can cost.
const MAX_ASKED: u64 = 4 << 20;
/// Pieces that are at hand, but between two that are not, are fetched with these if they have at
/// most this many bytes: another request has as many in its headers.
const MERGED: u64 = 1 << 10;
/// Most ranges that are asked for at once. Some servers take more than a few for an attack.
const MOST_RANGES: usize = 8;
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
    /// All bytes up to the end; the whole file, if there are none. The file may start over.
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

/// Returns the bytes of several ranges of the file that were got by one request, or `None` if that
/// can't be done.
pub type FetchSeveral<'a> = dyn FnMut(&[Range<u64>]) -> Option<Vec<Vec<u8>>> + 'a;

/// Why no file was made.
#[derive(Debug, thiserror::Error)]
pub enum Error<E> {
    /// The new file can't be written or read.
    #[error("writing it: {0}")]
    File(io::Error),
    /// What is missing could not be fetched.
    #[error("{0}")]
    Fetch(E),
    /// The source does not have a file of this length.
    #[error("{0}")]
    Refused(E),
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
    several: &mut FetchSeveral<'_>,
) -> Result<Assembled, Error<E>> {
    let mut growing = Growing {
        wanted,
        file,
        number: 0,
        at: 0,
        buffer: Vec::new(),
        whole: Sha256::new(),
    };
    let mut assembled = Assembled::default();
    growing.take().map_err(Error::File)?;
    assembled.kept = growing.at;
    let mut asking = Asking {
        several,
        sends_several: None,
        ahead: VecDeque::new(),
    };
    let mut is_from_source = false;
    while let Some(piece) = growing.piece() {
        if let Some(bytes) = asking.ahead(growing.at, piece.length) {
            if growing.append(piece, bytes).map_err(Error::File)? {
                continue;
            }
        } else if growing.copy(piece, found, others).map_err(Error::File)? {
            assembled.copied += u64::from(piece.length);
            continue;
        } else {
            assembled.requests += 1;
            let runs = growing.runs(found, asking.most(), asking.limit());
            if runs.len() > 1 {
                asking.ask(&runs);
                continue;
            }
            let end = runs.first().map_or(growing.at, |run| run.end);
            match fetch(Ask::Part { end }, growing.file) {
                Ok(()) => {
                    is_from_source = growing.length().map_err(Error::File)? > end;
                    growing.take().map_err(Error::File)?;
                    if !is_from_source && growing.at >= end {
                        asking.sends_several.get_or_insert(true);
                        continue;
                    }
                }
                Err(Refusal::Part(_)) => growing.take().map_err(Error::File)?,
                Err(Refusal::Final(error)) => return Err(Error::Fetch(error)),
            }
        }
        assembled.in_one = true;
        break;
    }
    let mut digest: [u8; 32] = growing.whole.clone().finalize().into();
    if assembled.in_one || digest != *wanted.sha256() {
        if !is_from_source {
            growing.start_over().map_err(Error::File)?;
            (assembled.kept, assembled.copied) = (0, 0);
        }
        if growing.at < wanted.length() {
            assembled.requests += 1;
            growing.rest(fetch)?;
        }
        // The file may have started over meanwhile.
        digest = sha256(growing.file).map_err(Error::File)?;
    }
    match digest == *wanted.sha256() {
        true => Ok(assembled),
        false => Err(Error::Other(digest)),
    }
}

/// Asks for several ranges at once.
struct Asking<'a, 'b> {
    several: &'a mut FetchSeveral<'b>,
    /// Whether the source sends several; not known until it has sent one.
    sends_several: Option<bool>,
    /// What came, and is not in the file as yet: offset and bytes of each range, in order.
    ahead: VecDeque<(u64, Vec<u8>)>,
}

impl Asking<'_, '_> {
    /// Returns a piece, if it came with others.
    fn ahead(&mut self, at: u64, length: u32) -> Option<&[u8]> {
        let is_past = |(start, bytes): &(u64, Vec<u8>)| start + bytes.len() as u64 <= at;
        while self.ahead.front().is_some_and(is_past) {
            self.ahead.pop_front();
        }
        let (start, bytes) = self.ahead.front()?;
        let from = usize::try_from(at.checked_sub(*start)?).ok()?;
        bytes.get(from..)?.get(..length as usize)
    }

    /// Returns how many ranges may be asked for now.
    fn most(&self) -> usize {
        match self.sends_several == Some(true) && self.ahead.is_empty() {
            true => MOST_RANGES,
            false => 1,
        }
    }

    /// Returns the offset up to which bytes may be asked for: what came is not fetched again.
    fn limit(&self) -> u64 {
        self.ahead.front().map_or(u64::MAX, |(start, _)| *start)
    }

    /// Asks for several ranges; what comes is [`ahead`](Self::ahead) then.
    fn ask(&mut self, ranges: &[Range<u64>]) {
        let fits = |parts: &Vec<Vec<u8>>| {
            let lengths = parts.iter().map(|part| part.len() as u64);
            lengths.eq(ranges.iter().map(|range| range.end - range.start))
        };
        match (self.several)(ranges).filter(fits) {
            Some(parts) => {
                let starts = ranges.iter().map(|range| range.start);
                self.ahead = starts.zip(parts).collect();
            }
            None => self.sends_several = Some(false),
        }
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
    /// The hash of these.
    whole: Sha256,
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
            self.forget();
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
            self.whole.update(&self.buffer);
            self.grow(piece);
        }
        self.cut()
    }

    /// Begins again with an empty file.
    fn start_over(&mut self) -> io::Result<()> {
        self.forget();
        self.cut()
    }

    fn forget(&mut self) {
        (self.number, self.at) = (0, 0);
        self.whole = Sha256::new();
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
        let mut bytes = std::mem::take(&mut self.buffer);
        bytes.resize(piece.length as usize, 0);
        let read =
            (other.seek(SeekFrom::Start(place.offset))).and_then(|_| other.read_exact(&mut bytes));
        let is_copied = read.is_ok() && self.append(piece, &bytes)?;
        self.buffer = bytes;
        Ok(is_copied)
    }

    /// Appends the next piece, unless the bytes are others.
    fn append(&mut self, piece: Piece, bytes: &[u8]) -> io::Result<bool> {
        if Short::of(bytes) != piece.hash {
            return Ok(false);
        }
        self.file.write_all(bytes)?;
        self.whole.update(bytes);
        self.grow(piece);
        Ok(true)
    }

    /// Returns at most so many runs of missing pieces, from here to an offset. The first one begins here,
    /// whether or not its first piece was found.
    fn runs(&self, found: &Found, most: usize, limit: u64) -> Vec<Range<u64>> {
        let mut runs: Vec<Range<u64>> = Vec::new();
        let (mut next, mut asked) = (self.at, 0);
        let pieces = self.wanted.pieces().iter().enumerate().skip(self.number);
        for (number, piece) in pieces {
            let start = next;
            next += u64::from(piece.length);
            if start >= limit {
                break;
            }
            if number > self.number && found.place(number).is_some() {
                continue;
            }
            let is_full = |more: u64| asked > 0 && asked + more > MAX_ASKED;
            let count = runs.len();
            match runs.last_mut() {
                Some(run) if start - run.end <= MERGED => {
                    let more = next - run.end;
                    if is_full(more) {
                        break;
                    }
                    run.end = next;
                    asked += more;
                }
                _ => {
                    let more = next - start;
                    if count == most || is_full(more) {
                        break;
                    }
                    runs.push(start..next);
                    asked += more;
                }
            }
        }
        runs
    }

    /// Asks for all that is left.
    fn rest<E>(&mut self, fetch: &mut Fetch<'_, E>) -> Result<(), Error<E>> {
        fetch(Ask::Rest, self.file).map_err(|refusal| match refusal {
            Refusal::Part(error) => Error::Refused(error),
            Refusal::Final(error) => Error::Fetch(error),
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
