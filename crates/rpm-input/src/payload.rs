//! One pass over the payload: the content of each regular file, checked against the header.
//!
//! An entry of the archive is believed only as far as the header goes: its path must be known and
//! new, its type and size those of the header, a link's target likewise, and a content must have
//! the digest that the header promises. So the archive can't be longer than the files of the
//! header and a bounded overhead for each, whatever its compressed form unpacks to.
//!
//! **Hard links.** RPM stores the content of an inode with the last of its names, the others have
//! size 0; older tools stored it with each. The first content that comes is handed out, under
//! the lowest index of the set; a repeated one is checked and skipped.

use std::collections::BTreeMap;
use std::io::{self, Read};

use sha2::{Digest, Sha256};

use crate::archive::Archive;
use crate::cpio::{self, Format, Numbers};
use crate::decompress::{Checks, Decoder, Source};
use crate::digest::Hasher;
use crate::error::Error;
use crate::file::{File, FileKind};
use crate::package::{DigestScope, Package, PayloadDigest};

/// What a payload that is not compressed starts with: the magic of cpio, or of a delta.
const ARCHIVES: &[&[u8]] = &[b"0707", b"DLT"];
/// What nobody reads is skipped in pieces of this size.
const SKIP: usize = 64 << 10;
/// Longest name of an entry: the longest path with `.` before it and NUL after it.
const MAX_NAME: usize = 4097;
/// Zeros that may follow the last entry; `cpio` rounds archives up to a block size.
const MAX_ZEROS: u64 = 64 << 10;
/// What is said of a caller who goes on after an error.
const GONE_ON: &str = "reading went on after an error";

/// The payload of an RPM file while it is read.
pub struct Payload<'p, R: Read> {
    package: &'p Package,
    archive: Archive<R>,
    /// The indexes of the files in the order of their paths.
    by_path: Vec<u32>,
    /// Files whose entry was there.
    seen: Vec<bool>,
    /// Files whose content was handed out; of hard links, the one with the lowest index.
    delivered: Vec<bool>,
    /// The highest index of each set of hard links, by its number.
    last_links: BTreeMap<u32, usize>,
    current: Option<Entry>,
    /// Takes what is skipped.
    scratch: Box<[u8]>,
    ended: bool,
    failed: bool,
}

/// What remains after a payload that was all right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// SHA-256 of the whole RPM file.
    pub sha256: [u8; 32],
}

/// The content of one regular file.
///
/// [`Read`] gives it and checks it. An error from it holds an [`Error`] that can be had by
/// downcasting; the last bytes of a content are given only if its digest is right. What is not
/// read is skipped, but still checked, when the next content is asked for.
pub struct Contents<'a> {
    /// Index of the file in [`Package::files`].
    pub file: usize,
    /// Length in bytes.
    pub size: u64,
    package: &'a Package,
    archive: &'a mut dyn Read,
    entry: &'a mut Entry,
    failed: &'a mut bool,
}

/// A content that is being read.
struct Entry {
    /// Index of the file.
    file: usize,
    /// Bytes to come.
    remaining: u64,
    /// Offset in the archive of the next byte.
    offset: u64,
    /// The digest so far, until it has been compared.
    hasher: Option<Hasher>,
    /// Sum of the bytes so far and the sum that the entry promises, in the crc format.
    sum: Option<(u32, u32)>,
}

impl<'p, R: Read> Payload<'p, R> {
    /// Goes to the payload of the RPM file that `package` was read from.
    ///
    /// `input` is the whole file from its first byte on. It is read in large pieces; a buffer
    /// around it would only cost.
    ///
    /// # Errors
    ///
    /// What stands before the payload is not what the package was read from, reading fails, or
    /// the payload is in no known format.
    pub fn open(input: R, package: &'p Package) -> Result<Self, Error> {
        let hashers = |compressed: bool| {
            let promised = package.payload.digests.iter();
            promised
                .filter(move |digest| (digest.scope != DigestScope::Uncompressed) == compressed)
                .map(|digest| (digest.scope, Hasher::new(digest.algorithm)))
        };
        let mut compressed: Vec<_> = hashers(true).collect();
        let mut input = input;
        let whole = read_prefix(&mut input, package, &mut compressed)?;
        let compressed = compressed.into_iter().map(|(_, hasher)| hasher).collect();
        let uncompressed = hashers(false).map(|(_, hasher)| hasher).collect();
        let source = Source::new(input, whole, compressed);
        let stated = package.payload.compressor.as_deref();
        let decoder = Decoder::open(source, ARCHIVES, stated, Checks::Callers);
        let decoder = decoder.map_err(|source| match source.kind() {
            io::ErrorKind::Unsupported => Error::Unsupported {
                origin: package.origin.clone(),
                feature: format!("a payload that {source}"),
            },
            io::ErrorKind::OutOfMemory => Error::TooLarge {
                origin: package.origin.clone(),
                reason: source.to_string(),
            },
            _ => Error::Io {
                origin: package.origin.clone(),
                source,
            },
        })?;
        let mut by_path: Vec<u32> = (0..).zip(&package.files).map(|(index, _)| index).collect();
        by_path.sort_by(|one, two| {
            (package.files).compare(*one as usize, &package.files, *two as usize)
        });
        let mut last_links = BTreeMap::new();
        for (index, file) in package.files.iter().enumerate() {
            if let Some(number) = file.hard_link {
                last_links.insert(number, index);
            }
        }
        Ok(Self {
            package,
            archive: Archive::new(&package.origin, decoder, uncompressed),
            by_path,
            seen: vec![false; package.files.len()],
            delivered: vec![false; package.files.len()],
            last_links,
            current: None,
            scratch: vec![0; SKIP].into_boxed_slice(),
            ended: false,
            failed: false,
        })
    }

    /// Returns the next content in the order of the payload, or nothing after the last one.
    ///
    /// # Errors
    ///
    /// The archive ends too early or is not what the header describes, or what was left of the
    /// content before has another digest. After an error the payload gives only errors.
    pub fn next_content(&mut self) -> Result<Option<Contents<'_>>, Error> {
        if self.failed {
            return Err(self.archive.wrong(GONE_ON));
        }
        // Until it has gone well.
        self.failed = true;
        let found = self.advance()?;
        self.failed = false;
        Ok(match (found, &mut self.current) {
            (Some(file), Some(entry)) => Some(Contents {
                file,
                size: entry.remaining,
                package: self.package,
                archive: &mut self.archive,
                entry,
                failed: &mut self.failed,
            }),
            _ => None,
        })
    }

    /// Reads and checks all that is left, then compares the payload's digests.
    ///
    /// # Errors
    ///
    /// Those of [`next_content`](Self::next_content); a file of the header has no entry; or the
    /// payload has another digest than promised.
    pub fn finish(mut self) -> Result<Verified, Error> {
        while self.next_content()?.is_some() {}
        let package = self.package;
        let (mut source, uncompressed) = self.archive.into_parts();
        let drained = source.drain();
        drained.map_err(|source| Error::Io {
            origin: package.origin.clone(),
            source,
        })?;
        let hashers = std::mem::take(&mut source.hashers);
        let (alternative, plain): (Vec<_>, Vec<_>) = package
            .payload
            .digests
            .iter()
            .partition(|digest| digest.scope == DigestScope::Uncompressed);
        for (digest, hasher) in plain.into_iter().zip(hashers) {
            compare_payload_digest(package, digest, hasher)?;
        }
        for (digest, hasher) in alternative.into_iter().zip(uncompressed) {
            compare_payload_digest(package, digest, hasher)?;
        }
        Ok(Verified {
            sha256: source.whole.finalize().into(),
        })
    }

    /// Goes to the next content that is to be handed out, and returns the index of its file.
    fn advance(&mut self) -> Result<Option<usize>, Error> {
        loop {
            self.skip_current()?;
            if self.ended {
                return Ok(None);
            }
            let Some((index, size, sum)) = self.next_entry()? else {
                self.check_end()?;
                self.ended = true;
                return Ok(None);
            };
            if let Some(file) = self.start_content(index, size, sum)? {
                return Ok(Some(file));
            }
        }
    }

    /// Skips what is left of the current content and its padding.
    fn skip_current(&mut self) -> Result<(), Error> {
        let Some(mut entry) = self.current.take() else {
            return Ok(());
        };
        while entry.remaining > 0 {
            entry.read(&mut self.archive, self.package, &mut self.scratch)?;
        }
        entry.compare_digest(self.package)?;
        self.archive.align()
    }

    /// Reads the start of an entry and returns its file, size and sum; nothing at the trailer.
    fn next_entry(&mut self) -> Result<Option<(usize, u64, Option<u32>)>, Error> {
        let mut magic = [0; cpio::MAGIC];
        let length = self.archive.read_up_to(&mut magic)?;
        if length == 0 && self.archive.offset() == 0 {
            // Some packages without files have no payload at all.
            return Ok(None);
        }
        if length < magic.len() {
            return Err(self.archive.end_error("the start of an entry"));
        }
        let Some(format) = Format::of(&magic) else {
            if magic.starts_with(b"DLT") {
                return Err(Error::DeltaPackage {
                    origin: self.package.origin.clone(),
                    format: format!("cpio-{}", magic.get(..4).unwrap_or_default().escape_ascii()),
                });
            }
            let reason = format!("{} is not the magic of a cpio entry", magic.escape_ascii());
            return Err(self.archive.wrong(reason));
        };
        match format {
            Format::Stripped => self.stripped_entry().map(Some),
            Format::Newc => self.named_entry(false),
            Format::Crc => self.named_entry(true),
        }
    }

    /// Reads what follows the magic of a stripped entry.
    fn stripped_entry(&mut self) -> Result<(usize, u64, Option<u32>), Error> {
        let mut digits = [0; cpio::INDEX];
        self.archive
            .read_all(&mut digits, "the start of an entry")?;
        let index = cpio::parse_index(&digits).and_then(|index| usize::try_from(index).ok());
        let package = self.package;
        let known = index.and_then(|index| Some((index, package.files.get(index)?)));
        let Some((index, file)) = known else {
            let reason = format!("{} is not the index of a file", digits.escape_ascii());
            return Err(self.archive.wrong(reason));
        };
        self.archive.align()?;
        self.mark_seen(index, &file)?;
        // The stripped entry says nothing more: RPM stores the content with the last link.
        let size = match (&file.kind, file.hard_link) {
            (FileKind::Regular, Some(number)) if self.last_links.get(&number) != Some(&index) => 0,
            (FileKind::Regular, _) => file.size,
            (FileKind::Symlink(target), _) => target.bytes().len() as u64,
            _ => 0,
        };
        Ok((index, size, None))
    }

    /// Reads what follows the magic of a `newc` or `crc` entry; nothing if it is the trailer.
    fn named_entry(&mut self, summed: bool) -> Result<Option<(usize, u64, Option<u32>)>, Error> {
        let mut digits = [0; cpio::NUMBERS];
        self.archive
            .read_all(&mut digits, "the start of an entry")?;
        let numbers = Numbers::parse(&digits);
        let numbers =
            numbers.ok_or_else(|| self.archive.wrong("an entry's numbers are not hex"))?;
        let name_size = usize::try_from(numbers.name_size).unwrap_or(usize::MAX);
        if name_size > MAX_NAME {
            return Err(self
                .archive
                .wrong(format!("an entry's name has {name_size} bytes")));
        }
        let mut name = vec![0; name_size];
        self.archive.read_all(&mut name, "the name of an entry")?;
        self.archive.align()?;
        let Some(path) = cpio::relative_name(&name) else {
            return Err(self
                .archive
                .wrong("an entry's name does not end in one NUL"));
        };
        if path == cpio::TRAILER {
            return Ok(None);
        }
        let Some(index) = self.index_of(path) else {
            let reason = format!("the header does not know {}", path.escape_ascii());
            return Err(self.archive.wrong(reason));
        };
        let package = self.package;
        let Some(file) = package.files.get(index) else {
            return Err(self.archive.wrong("no such file"));
        };
        self.mark_seen(index, &file)?;
        let type_bits = numbers.mode & 0o170_000;
        if type_bits != file.kind.type_bits() {
            let mode = numbers.mode;
            let reason = format!(
                "{} has mode {mode:#o}, another type than in the header",
                file.path
            );
            return Err(self.archive.wrong(reason));
        }
        let sum = (summed && numbers.size > 0).then_some(numbers.sum);
        Ok(Some((index, u64::from(numbers.size), sum)))
    }

    /// Returns the index of the file with a path, which has no slash at its start.
    fn index_of(&self, path: &[u8]) -> Option<usize> {
        let files = &self.package.files;
        let found =
            (self.by_path).binary_search_by(|index| files.compare_relative(*index as usize, path));
        let index = self.by_path.get(found.ok()?)?;
        usize::try_from(*index).ok()
    }

    fn mark_seen(&mut self, index: usize, file: &File) -> Result<(), Error> {
        match self.seen.get_mut(index) {
            Some(seen) if !*seen => {
                *seen = true;
                Ok(())
            }
            _ => Err(self.archive.wrong(format!("{} occurs twice", file.path))),
        }
    }

    /// Compares an entry's size with the header and makes its content the current one. Returns
    /// the file to hand it out under, if it is to be handed out.
    fn start_content(
        &mut self,
        index: usize,
        size: u64,
        sum: Option<u32>,
    ) -> Result<Option<usize>, Error> {
        let package = self.package;
        let Some(file) = package.files.get(index) else {
            return Err(self.archive.wrong("no such file"));
        };
        let expected = match &file.kind {
            FileKind::Regular => file.size,
            FileKind::Symlink(target) => target.bytes().len() as u64,
            _ => 0,
        };
        let without_content = file.hard_link.is_some() && size == 0;
        if size != expected && !without_content {
            let reason = format!("{} has {size} bytes, the header says {expected}", file.path);
            return Err(self.archive.wrong(reason));
        }
        if let FileKind::Symlink(target) = &file.kind {
            let mut found = vec![0; target.bytes().len()];
            self.archive.read_all(&mut found, &file.path.text())?;
            self.archive.align()?;
            if found != target.bytes() {
                let (found, target) = (found.escape_ascii(), target.text());
                let reason = format!("{} points to {found}, in the header to {target}", file.path);
                return Err(self.archive.wrong(reason));
            }
            return Ok(None);
        }
        if file.kind != FileKind::Regular || (without_content && expected > 0) {
            return Ok(None);
        }
        let mut entry = Entry {
            file: index,
            remaining: size,
            offset: self.archive.offset(),
            hasher: file
                .digest
                .as_ref()
                .map(|digest| Hasher::new(digest.algorithm())),
            sum: sum.map(|promised| (0, promised)),
        };
        if size == 0 {
            entry.compare_digest(package)?;
        }
        self.current = Some(entry);
        if file.flags.is_ghost() {
            // RPM skips these too.
            return Ok(None);
        }
        let first = file
            .hard_link
            .and_then(|number| usize::try_from(number).ok())
            .unwrap_or(index);
        match self.delivered.get_mut(first) {
            Some(delivered) if !*delivered => {
                *delivered = true;
                Ok(Some(first))
            }
            _ => Ok(None),
        }
    }

    /// Checks that nothing is missing from the archive and nothing follows it.
    fn check_end(&mut self) -> Result<(), Error> {
        for (file, seen) in self.package.files.iter().zip(&self.seen) {
            if !seen && !file.flags.is_ghost() {
                return Err(self
                    .archive
                    .wrong(format!("the archive ends without {}", file.path)));
            }
        }
        for (file, index) in self.package.files.iter().zip(0..) {
            let first = file
                .hard_link
                .is_some_and(|number| usize::try_from(number) == Ok(index));
            if first && !self.delivered.get(index).copied().unwrap_or_default() {
                let reason = format!("no entry has the content of {}", file.path);
                return Err(self.archive.wrong(reason));
            }
        }
        let end = self.archive.offset();
        let mut scratch = [0; 4096];
        loop {
            let length = self.archive.read_up_to(&mut scratch)?;
            let bytes = scratch.get(..length).unwrap_or_default();
            if bytes.iter().any(|byte| *byte != 0) {
                return Err(self.archive.wrong("something follows the last entry"));
            }
            if self.archive.offset() - end > MAX_ZEROS {
                return Err(self
                    .archive
                    .wrong(format!("more than {MAX_ZEROS} zeros at the end")));
            }
            if length < scratch.len() {
                return Ok(());
            }
        }
    }
}

impl Read for Contents<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if *self.failed {
            return Err(io::Error::other(Error::Archive {
                origin: self.package.origin.clone(),
                offset: self.entry.offset,
                reason: GONE_ON.to_owned(),
            }));
        }
        let result = self.entry.read(self.archive, self.package, target);
        *self.failed = result.is_err();
        result.map_err(io::Error::other)
    }
}

impl Entry {
    /// Reads some of the content. With the last byte comes the check of digest and sum.
    fn read(
        &mut self,
        archive: &mut dyn Read,
        package: &Package,
        target: &mut [u8],
    ) -> Result<usize, Error> {
        let limit = usize::try_from(self.remaining)
            .unwrap_or(usize::MAX)
            .min(target.len());
        let Some(target) = target.get_mut(..limit).filter(|target| !target.is_empty()) else {
            return Ok(0);
        };
        // A compressed payload that breaks off is an error of the archive, which knows no paths.
        let length = match archive
            .read(target)
            .map_err(|error| recover(error, package))
        {
            Ok(0) | Err(Error::PayloadEnd { .. }) => {
                return Err(Error::PayloadEnd {
                    origin: package.origin.clone(),
                    offset: self.offset,
                    inside: path_of(package, self.file).to_owned(),
                });
            }
            length => length?,
        };
        let bytes = target.get(..length).unwrap_or_default();
        if let Some(hasher) = &mut self.hasher {
            hasher.update(bytes);
        }
        if let Some((sum, _)) = &mut self.sum {
            *sum = bytes
                .iter()
                .fold(*sum, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        }
        self.remaining -= length as u64;
        self.offset += length as u64;
        if self.remaining == 0 {
            self.compare_digest(package)?;
        }
        Ok(length)
    }

    /// Compares the digest and the sum of a content that has ended; once.
    fn compare_digest(&mut self, package: &Package) -> Result<(), Error> {
        let path = || path_of(package, self.file);
        if let Some((found, promised)) = self.sum.take()
            && found != promised
        {
            return Err(Error::Archive {
                origin: package.origin.clone(),
                offset: self.offset,
                reason: format!(
                    "{} has the sum {found:#x}, its entry says {promised:#x}",
                    path()
                ),
            });
        }
        let Some(found) = self.hasher.take().map(Hasher::finish) else {
            return Ok(());
        };
        let expected = package.files.get(self.file).and_then(|file| file.digest);
        match expected {
            Some(expected) if expected.hex() != found => Err(Error::FileDigest {
                origin: package.origin.clone(),
                path: path(),
                algorithm: expected.algorithm().name(),
                found,
                expected: expected.hex(),
            }),
            _ => Ok(()),
        }
    }
}

fn path_of(package: &Package, file: usize) -> String {
    let file = package.files.get(file);
    file.map_or("?".to_owned(), |file| file.path.text())
}

/// Returns the error that the archive wrapped to pass it through [`Read`].
fn recover(error: io::Error, package: &Package) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(source) => Error::Io {
            origin: package.origin.clone(),
            source,
        },
    }
}

/// Reads what stands before the payload, compares it with what the package was read from, and
/// returns its SHA-256 so far. Digests of header and payload take the header on the way.
fn read_prefix(
    input: &mut impl Read,
    package: &Package,
    hashers: &mut [(DigestScope, Hasher)],
) -> Result<Sha256, Error> {
    let changed = || Error::Changed {
        origin: package.origin.clone(),
    };
    let prefix = &package.prefix;
    let mut whole = Sha256::new();
    let mut buffer = vec![0; SKIP];
    for (length, is_header) in [
        (prefix.header_start, false),
        (prefix.length.saturating_sub(prefix.header_start), true),
    ] {
        let mut remaining = length;
        while remaining > 0 {
            let limit = usize::try_from(remaining).unwrap_or(SKIP).min(SKIP);
            let target = buffer.get_mut(..limit).unwrap_or_default();
            let read = match input.read(target) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(source) => {
                    return Err(Error::Io {
                        origin: package.origin.clone(),
                        source,
                    });
                }
                Ok(0) => return Err(changed()),
                Ok(read) => read,
            };
            let bytes = target.get(..read).unwrap_or_default();
            whole.update(bytes);
            for (scope, hasher) in hashers.iter_mut() {
                if is_header && *scope == DigestScope::HeaderAndPayload {
                    hasher.update(bytes);
                }
            }
            remaining -= read as u64;
        }
    }
    if <[u8; 32]>::from(whole.clone().finalize()) != prefix.sha256 {
        return Err(changed());
    }
    Ok(whole)
}

/// Compares a digest of the payload with the one that was promised.
fn compare_payload_digest(
    package: &Package,
    digest: &PayloadDigest,
    hasher: Hasher,
) -> Result<(), Error> {
    let found = hasher.finish();
    if found == digest.hex {
        return Ok(());
    }
    Err(Error::PayloadDigest {
        origin: package.origin.clone(),
        scope: match digest.scope {
            DigestScope::Compressed => "the payload",
            DigestScope::Uncompressed => "the uncompressed payload",
            DigestScope::HeaderAndPayload => "header and payload together",
        },
        algorithm: digest.algorithm.name(),
        found,
        expected: digest.hex.clone(),
    })
}
