//! A metadata file that lists packages or updates: decompressed, checked and cut at the end tags of
//! these.
//!
//! Such a file is a root element with nothing in it but `<package>` elements, or `<update>`
//! elements, up to gigabytes of them. Looking for their end tags is a hundred times faster than parsing, and lets everything
//! that is parsed borrow from one piece of text. A comment or a CDATA section that holds the text
//! `</package` would be cut, too; no program writes one, and it is an error, not a misreading.

use std::io::{self, Read};

use memchr::memmem;
use sha2::{Digest as _, Sha256};

use super::checksum::{Checksum, ChecksumHasher};
use super::repomd::MetadataFile;
use super::xml::{Xml, malformed};
use super::{MAX_ELEMENT, MAX_OPEN_RATIO, MAX_OPEN_SIZE, MAX_PACKAGES, OPEN_FLOOR};
use crate::decompress::{Checks, Decoder, Source};
use crate::digest::Hasher;
use crate::error::Error;
use crate::file::DigestAlgorithm;

/// The decompressed file is read in pieces of this size.
const PIECE: usize = 256 << 10;

/// What the first bytes of a file that is not compressed may be.
pub(crate) const STORED: &[&[u8]] = &[b"<", b"\xef\xbb\xbf<", b" ", b"\n", b"\r"];

/// A list of packages being read.
pub(super) struct Document<'r> {
    origin: String,
    root: &'static str,
    /// The name of the elements that the root has.
    element: &'static str,
    /// Nothing once the file is over and checked.
    decoder: Option<Decoder<Box<dyn Read + 'r>>>,
    checksum: Checksum,
    open: Option<(Checksum, ChecksumHasher)>,
    limit: u64,
    limit_is_stated: bool,
    /// Bytes from `start` on are still to be parsed; those before `searched` hold no end tag.
    buffer: Vec<u8>,
    start: usize,
    searched: usize,
    /// Offset of the buffer in the decompressed file.
    offset: u64,
    packages: u64,
    /// Bytes of the file as it is stored that have been read.
    stored: u64,
    finder: memmem::Finder<'static>,
}

/// Elements that follow each other in a file, in a piece of their own that any thread may read.
pub(super) struct Elements {
    bytes: Vec<u8>,
    /// Where in `bytes` each element ends; the next one begins there.
    ends: Vec<usize>,
    origin: String,
    /// Offset of `bytes` in the decompressed file.
    offset: u64,
    /// Bytes of the file as it is stored that had been read when this was cut.
    pub(super) stored: u64,
}

impl Elements {
    /// Returns how many bytes they have.
    pub(super) fn size(&self) -> usize {
        self.bytes.len()
    }

    /// Calls `each` with the XML of one element after the other.
    pub(super) fn each<'a>(
        &'a self,
        mut each: impl FnMut(Xml<'a>) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // Whether it is UTF-8 is asked once for all of them.
        let text = match std::str::from_utf8(&self.bytes) {
            Ok(text) => text,
            Err(error) => {
                let valid = self.bytes.get(..error.valid_up_to()).unwrap_or_default();
                std::str::from_utf8(valid).unwrap_or_default()
            }
        };
        let mut start = 0;
        for &end in &self.ends {
            let offset = self.offset.saturating_add(start as u64);
            each(match text.get(start..end) {
                Some(element) => Xml::of(element, &self.origin, offset),
                // This one has the first byte that is none.
                None => {
                    let bytes = self.bytes.get(start..end).unwrap_or_default();
                    Xml::new(bytes, &self.origin, offset)?
                }
            })?;
            start = end;
        }
        Ok(())
    }
}

impl<'r> Document<'r> {
    /// Opens the file that `listed` describes, whose root element and the elements in that have
    /// these names.
    pub(super) fn open(
        input: Box<dyn Read + 'r>,
        origin: &str,
        listed: &MetadataFile,
        (root, element): (&'static str, &'static str),
    ) -> Result<Self, Error> {
        let checksum = listed.checksum.clone();
        // The source makes a SHA-256 in any case.
        let hashers = match checksum.algorithm() {
            DigestAlgorithm::Sha256 => Vec::new(),
            other => vec![Hasher::new(other)],
        };
        let source = Source::new(input, Sha256::new(), hashers);
        let decoder = Decoder::open(source, STORED, None, Checks::Own).map_err(
            |error| match error.kind() {
                io::ErrorKind::Unsupported => malformed(
                    origin,
                    0,
                    format!(
                        "it is neither XML nor compressed by gzip, zstd, xz or bzip2: it {error}"
                    ),
                ),
                _ => failed(origin, "", 0, error),
            },
        )?;
        // The checksum of the file says all that is needed, unless it is one that can be forged.
        let open = (listed.open_checksum.clone().filter(|_| checksum.is_weak()))
            .map(|promised| (promised.clone(), ChecksumHasher::like(&promised)));
        let (limit, limit_is_stated) = limit(listed);
        Ok(Self {
            origin: origin.to_owned(),
            root,
            element,
            decoder: Some(decoder),
            checksum,
            open,
            limit,
            limit_is_stated,
            buffer: Vec::new(),
            start: 0,
            searched: 0,
            offset: 0,
            packages: 0,
            stored: 0,
            finder: memmem::Finder::new(format!("</{element}").as_bytes()).into_owned(),
        })
    }

    /// Returns the XML of the next element, from its start tag to its end tag.
    pub(super) fn next_element(&mut self) -> Result<Option<Xml<'_>>, Error> {
        let Some((start, end)) = self.advance()? else {
            return Ok(None);
        };
        let offset = self.offset_of(start);
        let piece = self.buffer.get(start..end).unwrap_or_default();
        Xml::new(piece, &self.origin, offset).map(Some)
    }

    /// Returns the next elements, at least one, as many of them as were unpacked so far.
    pub(super) fn next_elements(&mut self) -> Result<Option<Elements>, Error> {
        let Some((start, end)) = self.advance()? else {
            return Ok(None);
        };
        let mut ends = vec![end - start];
        while self.packages < MAX_PACKAGES
            && let Some(end) = self.search()
        {
            self.packages += 1;
            (self.start, self.searched) = (end, end);
            ends.push(end - start);
        }
        let bytes = self.buffer.get(start..self.start).unwrap_or_default();
        Ok(Some(Elements {
            bytes: bytes.to_vec(),
            ends,
            origin: self.origin.clone(),
            offset: self.offset_of(start),
            stored: self.stored,
        }))
    }

    /// Goes past the next element; returns where it starts and ends in the buffer.
    fn advance(&mut self) -> Result<Option<(usize, usize)>, Error> {
        if self.decoder.is_none() {
            return Ok(None);
        }
        let Some(mut end) = self.find_end()? else {
            self.finish()?;
            return Ok(None);
        };
        let mut start = self.start;
        if self.packages == 0 {
            (start, end) = self.enter(start, end)?;
        }
        self.packages += 1;
        if self.packages > MAX_PACKAGES {
            let reason = format!("it lists more than {MAX_PACKAGES} {}s", self.element);
            return Err(malformed(&self.origin, self.offset_of(start), reason));
        }
        (self.start, self.searched) = (end, end);
        Ok(Some((start, end)))
    }

    fn offset_of(&self, place: usize) -> u64 {
        self.offset
            .saturating_add(u64::try_from(place).unwrap_or(u64::MAX))
    }

    /// Goes past what stands before the first package: the root's start tag.
    fn enter(&self, start: usize, end: usize) -> Result<(usize, usize), Error> {
        let piece = self.buffer.get(start..end).unwrap_or_default();
        let tag = format!("<{}", self.element);
        // The root's name may begin like that of what is in it.
        let is_whole = |start: &usize| {
            let next = piece.get(start + tag.len());
            next.is_some_and(|next| next.is_ascii_whitespace() || b"/>".contains(next))
        };
        let first = memmem::find_iter(piece, tag.as_bytes()).find(is_whole);
        let first = first.unwrap_or(piece.len());
        let before = piece.get(..first).unwrap_or_default();
        let mut xml = Xml::new(before, &self.origin, self.offset_of(start))?;
        xml.open_root(self.root)?;
        Ok((start + first, end))
    }

    /// Returns the place after the next end tag of a package; nothing if there is none.
    fn find_end(&mut self) -> Result<Option<usize>, Error> {
        loop {
            if let Some(end) = self.search() {
                return Ok(Some(end));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Returns the place after the next end tag of a package in the buffer.
    fn search(&mut self) -> Option<usize> {
        loop {
            let rest = self.buffer.get(self.searched..).unwrap_or_default();
            let Some(found) = self.finder.find(rest) else {
                let tail = self.finder.needle().len() - 1;
                let kept = self.buffer.len().saturating_sub(tail);
                self.searched = self.searched.max(kept);
                return None;
            };
            let after = self.searched + found + self.finder.needle().len();
            let tail = self.buffer.get(after..).unwrap_or_default();
            let end = tail.iter().position(|byte| !byte.is_ascii_whitespace());
            match end.and_then(|end| Some((end, tail.get(end)?))) {
                Some((end, b'>')) => return Some(after + end + 1),
                // The start of a longer name.
                Some(_) => self.searched = after,
                None => {
                    self.searched += found;
                    return None;
                }
            }
        }
    }

    /// Reads more of the file; says whether there was more.
    fn fill(&mut self) -> Result<bool, Error> {
        let Some(decoder) = &mut self.decoder else {
            return Ok(false);
        };
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.offset = self
                .offset
                .saturating_add(u64::try_from(self.start).unwrap_or(u64::MAX));
            self.searched = self.searched.saturating_sub(self.start);
            self.start = 0;
        }
        let length = self.buffer.len();
        if length > MAX_ELEMENT {
            let reason = format!("one {} takes more than {MAX_ELEMENT} bytes", self.element);
            return Err(malformed(&self.origin, self.offset, reason));
        }
        self.buffer.resize(length + PIECE, 0);
        let target = self.buffer.get_mut(length..).unwrap_or_default();
        let read = read_full(decoder, target);
        let read = read.map_err(|error| {
            let offset = self
                .offset
                .saturating_add(u64::try_from(length).unwrap_or(u64::MAX));
            failed(&self.origin, decoder.name(), offset, error)
        })?;
        self.buffer.truncate(length + read);
        if let Some((_, hasher)) = &mut self.open {
            hasher.update(self.buffer.get(length..).unwrap_or_default());
        }
        self.stored = decoder.stored();
        let total = self.offset_of(self.buffer.len());
        if total > self.limit {
            let reason = match self.limit_is_stated {
                true => format!(
                    "it is longer than the {} bytes that repomd.xml says",
                    self.limit
                ),
                false => format!("it is longer than {} bytes", self.limit),
            };
            return Err(malformed(&self.origin, self.limit, reason));
        }
        if total > OPEN_FLOOR.saturating_add(self.stored.saturating_mul(MAX_OPEN_RATIO)) {
            let stored = self.stored;
            let reason = format!(
                "{stored} bytes unpack to more than {} MiB and {MAX_OPEN_RATIO} times their length",
                OPEN_FLOOR >> 20
            );
            return Err(malformed(&self.origin, total, reason));
        }
        Ok(read > 0)
    }

    /// Checks what follows the last package, and that the file is the one that was promised.
    fn finish(&mut self) -> Result<(), Error> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let offset = self.offset_of(self.start);
        let Some(decoder) = self.decoder.take() else {
            return Ok(());
        };
        let compressor = decoder.name();
        let mut source = decoder.into_source();
        source
            .drain()
            .map_err(|error| failed(&self.origin, compressor, offset, error))?;
        let found = match source.hashers.pop() {
            Some(hasher) => hasher.finish(),
            None => hex::encode(source.whole.finalize()),
        };
        check(&self.origin, &self.checksum, &found)?;
        if let Some((promised, hasher)) = self.open.take() {
            check(&self.origin, &promised, hasher.finish().hex())?;
        }
        let mut xml = Xml::new(rest, &self.origin, offset)?;
        match self.packages {
            0 => xml.empty_root(self.root),
            _ => xml.close_root(self.root),
        }
    }
}

/// Returns how long a file may be when it is open, and whether the list says so.
pub(super) fn limit(listed: &MetadataFile) -> (u64, bool) {
    let stated = listed.open_size.filter(|size| *size <= MAX_OPEN_SIZE);
    (stated.unwrap_or(MAX_OPEN_SIZE), stated.is_some())
}

/// Returns all of a file that `listed` describes, decompressed and checked: up to so many bytes.
pub(super) fn whole(
    input: Box<dyn Read + '_>,
    origin: &str,
    listed: &MetadataFile,
    most: u64,
) -> Result<Vec<u8>, Error> {
    let hasher = Hasher::new(listed.checksum.algorithm());
    let source = Source::new(input, Sha256::new(), vec![hasher]);
    let stored = [b"-", b"#", b"d", b"\n", b"."].map(|start| &start[..]);
    let mut decoder = Decoder::open(source, &stored, None, Checks::Own)
        .map_err(|error| failed(origin, "", 0, error))?;
    let mut bytes = Vec::new();
    let read = (&mut decoder).take(most + 1).read_to_end(&mut bytes);
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    read.map_err(|error| failed(origin, decoder.name(), length, error))?;
    if length > most {
        let reason = format!("it is longer than {} MiB", most >> 20);
        return Err(malformed(origin, most, reason));
    }
    let compressor = decoder.name();
    let mut source = decoder.into_source();
    source
        .drain()
        .map_err(|error| failed(origin, compressor, length, error))?;
    let found = source.hashers.pop().map(Hasher::finish).unwrap_or_default();
    check(origin, &listed.checksum, &found)?;
    Ok(bytes)
}

fn check(origin: &str, promised: &Checksum, found: &str) -> Result<(), Error> {
    if promised.hex() == found {
        return Ok(());
    }
    Err(Error::MetadataChecksum {
        origin: origin.to_owned(),
        algorithm: promised.algorithm().name(),
        found: found.to_owned(),
        expected: promised.hex().to_owned(),
    })
}

/// Fills `target` as far as the input goes.
fn read_full(input: &mut dyn Read, mut target: &mut [u8]) -> io::Result<usize> {
    let length = target.len();
    while !target.is_empty() {
        match input.read(target) {
            Ok(0) => break,
            Ok(read) => target = target.get_mut(read..).unwrap_or_default(),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length - target.len())
}

/// Sorts an error of reading by whether the file or the system is at fault.
fn failed(origin: &str, compressor: &str, offset: u64, error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::OutOfMemory && error.raw_os_error().is_none() {
        return malformed(origin, offset, error.to_string());
    }
    if error.raw_os_error().is_some() || compressor.is_empty() {
        return Error::Io {
            origin: origin.to_owned(),
            source: error,
        };
    }
    malformed(
        origin,
        offset,
        format!("{compressor} data are damaged: {error}"),
    )
}
