//! The bytes of a signature header or a header, read in bounded steps and checked before anyone
//! looks into them.
//!
//! ```text
//! 8e ad e8 01  00 00 00 00  il  dl  | il × (tag, type, offset, count) | dl bytes of values
//! magic        reserved     u32 u32   4 × u32 each, big endian
//! ```
//!
//! The rules are those of `hdrblobVerify` in librpm (`lib/header.cc`): counts and lengths have
//! limits, the types are known, each value lies inside the data, aligned for its type, and the
//! values follow each other without overlap in the order of the index. The last rule matters for
//! memory as well: without it a small header could name the same megabytes thousands of times.
//! [`Values`] then reads the values where they stand: nothing is copied that nobody asks for.
//!
//! The database of installed packages holds headers too, without magic and reserved bytes, and
//! with entries behind the region that RPM added at installation: when, and which files. They
//! are called dribbles, and one of them may replace an entry of the region.

use std::collections::BTreeSet;
use std::io::{BufRead, ErrorKind, Read};

use crate::error::Error;

/// Longest index that librpm accepts, in entries.
const MAX_ENTRIES: u32 = 64 << 10;
/// Longest data part of a header that librpm accepts, in bytes.
const MAX_HEADER_LENGTH: u32 = 256 << 20;
/// Longest data part of a signature header that librpm accepts, in bytes.
const MAX_SIGNATURE_LENGTH: u32 = 64 << 20;
/// Length of magic, reserved bytes and both lengths.
const INTRODUCTION: usize = 16;
/// Length of both lengths.
const LENGTHS: usize = 8;
/// Length of an index entry.
const ENTRY: usize = 16;
/// The lead of every RPM file.
const LEAD: usize = 96;
/// The first bytes of the lead.
const LEAD_MAGIC: [u8; 4] = [0xed, 0xab, 0xee, 0xdb];
/// The first bytes of a header, with the version.
const HEADER_MAGIC: [u8; 4] = [0x8e, 0xad, 0xe8, 0x01];
/// Memory is taken in steps of this size while the bytes arrive.
const STEP: u64 = 64 << 10;

/// Types of values, by their number in the index.
const TYPE_CHAR: u32 = 1;
const TYPE_INT8: u32 = 2;
const TYPE_INT16: u32 = 3;
const TYPE_INT32: u32 = 4;
const TYPE_INT64: u32 = 5;
const TYPE_STRING: u32 = 6;
const TYPE_BINARY: u32 = 7;
const TYPE_STRING_ARRAY: u32 = 8;
const TYPE_I18N_STRING: u32 = 9;

/// Tags 61 to 63 describe a region of the header: a block that was once written as a whole.
const REGION_TAGS: std::ops::RangeInclusive<u32> = 61..=63;

/// Everything before the payload, checked.
pub(crate) struct Prefix {
    /// Lead, signature header, its padding and header, as they stand in the file.
    pub(crate) bytes: Vec<u8>,
    /// Offset of the header in `bytes`.
    pub(crate) header_start: usize,
    /// The index of the signature header.
    signature_entries: Vec<Entry>,
    /// The index of the header.
    entries: Vec<Entry>,
}

/// A header from the database of installed packages, checked.
pub(crate) struct InstalledHeader {
    /// The header behind a lead and a signature header that are empty, so that it is parsed
    /// as that of a file is. Entries that were replaced at installation are gone.
    pub(crate) prefix: Prefix,
    /// The header as it was in the package, if the database still has it whole.
    pub(crate) original: Option<Vec<u8>>,
}

/// One entry of the index.
#[derive(Clone, Copy)]
struct Entry {
    tag: u32,
    kind: u32,
    offset: u32,
    count: u32,
}

impl Prefix {
    /// Reads and checks what stands before the payload, and leaves `input` at the payload.
    pub(crate) fn read(input: &mut impl BufRead, origin: &str) -> Result<Self, Error> {
        let mut bytes = Vec::new();
        read_lead(input, origin, &mut bytes)?;
        let part = "signature header";
        let signature_start = bytes.len();
        let signature_entries = read_header(input, origin, part, MAX_SIGNATURE_LENGTH, &mut bytes)?;
        let padding = (bytes.len() - signature_start).next_multiple_of(8);
        append(
            input,
            origin,
            part,
            &mut bytes,
            (padding + signature_start) as u64,
        )?;
        let header_start = bytes.len();
        let entries = read_header(input, origin, "header", MAX_HEADER_LENGTH, &mut bytes)?;
        Ok(Self {
            bytes,
            header_start,
            signature_entries,
            entries,
        })
    }

    /// Returns the header as its digests see it: from the magic to the end of the data.
    pub(crate) fn header(&self) -> &[u8] {
        self.bytes.get(self.header_start..).unwrap_or_default()
    }

    /// Returns the values of the header.
    pub(crate) fn values(&self) -> Values<'_> {
        Values::new(&self.entries, self.header())
    }

    /// Returns the values of the signature header.
    pub(crate) fn signature_values(&self) -> Values<'_> {
        let bytes = self.bytes.get(LEAD..self.header_start);
        Values::new(&self.signature_entries, bytes.unwrap_or_default())
    }

    /// Says whether the lead is that of a source package.
    pub(crate) fn is_source_by_lead(&self) -> bool {
        self.bytes.get(6..8) == Some(&[0, 1])
    }
}

/// The values of a header that has been checked, by their tags.
#[derive(Clone, Copy)]
pub(crate) struct Values<'a> {
    entries: &'a [Entry],
    data: &'a [u8],
}

/// The values of one tag, as they stand in the header.
pub(crate) enum Value<'a> {
    /// Characters, small numbers or anything else that is bytes.
    Octets(&'a [u8]),
    /// Numbers of 16 bits.
    Shorts(&'a [u8]),
    /// Numbers of 32 bits.
    Words(&'a [u8]),
    /// Numbers of 64 bits.
    Longs(&'a [u8]),
    /// A single string, an array of strings, or one string in several languages.
    Strings(Strings<'a>),
}

/// Strings that stand one after the other, each with a NUL at its end.
#[derive(Clone)]
pub(crate) struct Strings<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Values<'a> {
    /// Takes an index and the header that it is of, from its magic on.
    fn new(entries: &'a [Entry], header: &'a [u8]) -> Self {
        let data = header.get(INTRODUCTION + ENTRY * entries.len()..);
        Self {
            entries,
            data: data.unwrap_or_default(),
        }
    }

    /// Returns the values of a tag. Of a tag that stands in the index twice they are the first, as
    /// for librpm.
    pub(crate) fn get(self, tag: u32) -> Option<Value<'a>> {
        let entry = self.entries.iter().find(|entry| entry.tag == tag)?;
        let count = usize::try_from(entry.count).ok()?;
        let values = self.data.get(usize::try_from(entry.offset).ok()?..)?;
        let bytes = |width: usize| values.get(..count.checked_mul(width)?);
        let strings = Strings {
            rest: values,
            left: count,
        };
        Some(match entry.kind {
            TYPE_INT16 => Value::Shorts(bytes(2)?),
            TYPE_INT32 => Value::Words(bytes(4)?),
            TYPE_INT64 => Value::Longs(bytes(8)?),
            TYPE_STRING | TYPE_STRING_ARRAY | TYPE_I18N_STRING => Value::Strings(strings),
            _ => Value::Octets(bytes(1)?),
        })
    }
}

impl<'a> Iterator for Strings<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.left = self.left.checked_sub(1)?;
        let end = memchr::memchr(0, self.rest).unwrap_or(self.rest.len());
        let (string, rest) = self.rest.split_at(end);
        self.rest = rest.get(1..).unwrap_or_default();
        Some(string)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for Strings<'_> {}

impl InstalledHeader {
    /// Checks a header as the database holds it: lengths, index and data.
    pub(crate) fn parse(blob: &[u8], origin: &str) -> Result<Self, Error> {
        Self::check_and_complete(blob).map_err(|reason| Error::Header {
            origin: origin.to_owned(),
            part: "header",
            reason,
        })
    }

    fn check_and_complete(blob: &[u8]) -> Result<Self, String> {
        let (Some(count), Some(length)) = (number(blob, 0), number(blob, 4)) else {
            return Err(format!("{} bytes hold no lengths", blob.len()));
        };
        check_lengths(count, length, MAX_HEADER_LENGTH)?;
        let expected = LENGTHS as u64 + u64::from(count) * ENTRY as u64 + u64::from(length);
        if blob.len() as u64 != expected {
            return Err(format!(
                "it is {} bytes long, its lengths say {expected}",
                blob.len()
            ));
        }
        let rest = blob.get(LENGTHS..).unwrap_or_default();
        let (index, data) = rest.split_at(rest.len().min(ENTRY * count as usize));
        let mut entries = parse_index(index);
        check_values(&entries, data)?;
        let region = Region::find(&entries, data)?;
        let dribbles = entries.get(region.entries..).unwrap_or_default();
        let original = match region.length {
            Some(length) => Some(header_bytes(
                index.get(..ENTRY * region.entries).unwrap_or_default(),
                data.get(..length).unwrap_or_default(),
            )?),
            None => None,
        };
        let replaced: BTreeSet<u32> = dribbles.iter().map(|entry| entry.tag).collect();
        let mut position = 0;
        entries.retain(|entry| {
            position += 1;
            position > region.entries || !replaced.contains(&entry.tag)
        });
        let index: Vec<u8> = entries.iter().copied().flat_map(Entry::to_bytes).collect();

        let mut bytes = LEAD_MAGIC.to_vec();
        // Lead version 3.0; a zero type stands for a binary package.
        bytes.push(3);
        bytes.resize(LEAD, 0);
        bytes.extend(header_bytes(&[], &[])?);
        let header_start = bytes.len();
        bytes.extend(header_bytes(&index, data)?);
        Ok(Self {
            prefix: Prefix {
                bytes,
                header_start,
                signature_entries: Vec::new(),
                entries,
            },
            original,
        })
    }
}

/// The part of an installed header that came with the package.
struct Region {
    /// Number of index entries, with that of the region itself.
    entries: usize,
    /// Length of the data in bytes, if the header has a region.
    length: Option<usize>,
}

impl Region {
    /// Reads how far the region goes and checks that no value crosses its end. A header without
    /// a region, of a package older than RPM 4, is taken as a whole.
    fn find(entries: &[Entry], data: &[u8]) -> Result<Self, String> {
        let Some(region) = entries.first().filter(|entry| entry.is_region()) else {
            return Ok(Self {
                entries: entries.len(),
                length: None,
            });
        };
        // `check_values` has seen that the 16 bytes are there.
        let start = region.offset as usize;
        let end = start + ENTRY;
        let trailer = data.get(start..).and_then(Entry::parse);
        let trailer = trailer.ok_or("the region has no end")?;
        // The offset is negative: from the end of the index back to the region's first entry.
        let back = trailer.offset.wrapping_neg() as usize;
        let count = back / ENTRY;
        if !trailer.is_region()
            || trailer.kind != TYPE_BINARY
            || trailer.count != ENTRY as u32
            || !back.is_multiple_of(ENTRY)
            || count == 0
            || count > entries.len()
        {
            return Err(format!("the end of the region at offset {start} is wrong"));
        }
        let (inside, outside) = entries.split_at(count);
        let crossing = inside
            .iter()
            .skip(1)
            .find(|entry| entry.offset as usize >= start)
            .or_else(|| outside.iter().find(|entry| (entry.offset as usize) < end));
        match crossing {
            Some(entry) => Err(format!(
                "value of tag {} is on the wrong side of the region's end",
                entry.tag
            )),
            None => Ok(Self {
                entries: count,
                length: Some(end),
            }),
        }
    }
}

/// Returns a header of an index and data, with magic and lengths.
fn header_bytes(index: &[u8], data: &[u8]) -> Result<Vec<u8>, String> {
    let number = |length: usize| {
        u32::try_from(length).map_err(|_| format!("a part of {length} bytes is too long"))
    };
    let entries = number(index.len() / ENTRY)?.to_be_bytes();
    let length = number(data.len())?.to_be_bytes();
    Ok([&HEADER_MAGIC[..], &[0; 4], &entries, &length, index, data].concat())
}

/// Checks the lengths of index and data against their limits.
fn check_lengths(entries: u32, length: u32, max_length: u32) -> Result<(), String> {
    if entries == 0 || entries > MAX_ENTRIES {
        return Err(format!(
            "index of {entries} entries, 1 to {MAX_ENTRIES} are allowed"
        ));
    }
    if length > max_length {
        return Err(format!("data of {length} bytes, {max_length} are allowed"));
    }
    Ok(())
}

/// Returns the entries of an index.
fn parse_index(index: &[u8]) -> Vec<Entry> {
    index.chunks_exact(ENTRY).filter_map(Entry::parse).collect()
}

/// Reads the lead, of which only the magic means something today.
fn read_lead(input: &mut impl BufRead, origin: &str, bytes: &mut Vec<u8>) -> Result<(), Error> {
    let not_rpm = |reason: &str| Error::NotRpm {
        origin: origin.to_owned(),
        reason: reason.to_owned(),
    };
    match append(input, origin, "lead", bytes, LEAD as u64) {
        Err(Error::Truncated { .. }) if bytes.is_empty() => return Err(not_rpm("it is empty")),
        Err(Error::Truncated { .. }) if !bytes.starts_with(&LEAD_MAGIC) => {}
        other => other?,
    }
    if !bytes.starts_with(&LEAD_MAGIC) {
        let other = "something else, since it does not begin with ed ab ee db";
        let kind = files::what_is(bytes).unwrap_or(other);
        return Err(not_rpm(&format!("it is {kind}")));
    }
    match bytes.get(4) {
        Some(3 | 4) => Ok(()),
        Some(other) => Err(not_rpm(&format!(
            "its lead has version {other}; only 3 and 4 are known"
        ))),
        None => Err(not_rpm("it has no lead")),
    }
}

/// Appends a header to `bytes` and returns its index.
fn read_header(
    input: &mut impl BufRead,
    origin: &str,
    part: &'static str,
    max_length: u32,
    bytes: &mut Vec<u8>,
) -> Result<Vec<Entry>, Error> {
    let refuse = |reason: String| Error::Header {
        origin: origin.to_owned(),
        part,
        reason,
    };
    let start = bytes.len();
    append(input, origin, part, bytes, (start + INTRODUCTION) as u64)?;
    let introduction = bytes.get(start..).unwrap_or_default();
    if !introduction.starts_with(&HEADER_MAGIC) {
        return Err(refuse(format!("no header magic at offset {start}")));
    }
    let (Some(entries), Some(length)) = (number(introduction, 8), number(introduction, 12)) else {
        return Err(refuse("no lengths".to_owned()));
    };
    check_lengths(entries, length, max_length).map_err(&refuse)?;
    let end = (start + INTRODUCTION) as u64 + u64::from(entries) * ENTRY as u64;
    append(input, origin, part, bytes, end)?;
    let data_start = bytes.len();
    append(input, origin, part, bytes, end + u64::from(length))?;
    let index = bytes
        .get(start + INTRODUCTION..data_start)
        .unwrap_or_default();
    let data = bytes.get(data_start..).unwrap_or_default();
    let entries = parse_index(index);
    check_values(&entries, data).map_err(refuse)?;
    Ok(entries)
}

impl Entry {
    fn parse(bytes: &[u8]) -> Option<Self> {
        Some(Self {
            tag: number(bytes, 0)?,
            kind: number(bytes, 4)?,
            offset: number(bytes, 8)?,
            count: number(bytes, 12)?,
        })
    }

    fn to_bytes(self) -> Vec<u8> {
        [self.tag, self.kind, self.offset, self.count]
            .into_iter()
            .flat_map(u32::to_be_bytes)
            .collect()
    }

    fn is_region(&self) -> bool {
        REGION_TAGS.contains(&self.tag)
    }
}

/// Checks an index against its data.
fn check_values(entries: &[Entry], data: &[u8]) -> Result<(), String> {
    let mut end = 0;
    for (position, entry) in entries.iter().enumerate() {
        let value_end = check_value(entry, data)?;
        if entry.is_region() {
            // It stands first, but its value, a copy of an index entry, ends the region.
            if position != 0 || entry.kind != TYPE_BINARY || entry.count != ENTRY as u32 {
                return Err(format!(
                    "region tag {} at index entry {position}",
                    entry.tag
                ));
            }
            continue;
        }
        if entry.offset < end {
            return Err(format!(
                "value of tag {} overlaps the one before",
                entry.tag
            ));
        }
        end = value_end;
    }
    Ok(())
}

/// Checks one value and returns the offset where it ends.
fn check_value(entry: &Entry, data: &[u8]) -> Result<u32, String> {
    let Entry {
        tag,
        kind,
        offset,
        count,
    } = *entry;
    let outside = || format!("value of tag {tag} is outside of the data");
    let values = usize::try_from(offset)
        .ok()
        .and_then(|offset| data.get(offset..));
    let values = values.ok_or_else(outside)?;
    if count == 0 {
        return Err(format!("tag {tag} has no value"));
    }
    let width: u32 = match kind {
        TYPE_CHAR | TYPE_INT8 | TYPE_BINARY => 1,
        TYPE_INT16 => 2,
        TYPE_INT32 => 4,
        TYPE_INT64 => 8,
        TYPE_STRING if count != 1 => return Err(format!("tag {tag} is {count} single strings")),
        TYPE_STRING | TYPE_STRING_ARRAY | TYPE_I18N_STRING => {
            let length = strings_length(values, count)
                .ok_or_else(|| format!("strings of tag {tag} do not end inside the data"))?;
            return offset.checked_add(length).ok_or_else(outside);
        }
        other => return Err(format!("tag {tag} has unknown type {other}")),
    };
    if offset % width != 0 {
        return Err(format!("value of tag {tag} is not aligned"));
    }
    let end = count
        .checked_mul(width)
        .and_then(|length| offset.checked_add(length));
    match end {
        Some(end) if end as usize <= data.len() => Ok(end),
        _ => Err(outside()),
    }
}

/// Returns the length of `count` strings with their NULs, if they are all there.
fn strings_length(values: &[u8], count: u32) -> Option<u32> {
    let mut rest = values;
    for _ in 0..count {
        let nul = memchr::memchr(0, rest)?;
        rest = rest.get(nul + 1..)?;
    }
    u32::try_from(values.len() - rest.len()).ok()
}

/// Returns the big-endian number at `offset`.
fn number(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..)?.first_chunk()?;
    Some(u32::from_be_bytes(*bytes))
}

/// Reads until `bytes` is `end` long. Memory grows with the bytes that arrive, not with `end`.
fn append(
    input: &mut impl BufRead,
    origin: &str,
    part: &'static str,
    bytes: &mut Vec<u8>,
    end: u64,
) -> Result<(), Error> {
    loop {
        let missing = end.saturating_sub(bytes.len() as u64);
        if missing == 0 {
            return Ok(());
        }
        match input.by_ref().take(missing.min(STEP)).read_to_end(bytes) {
            Ok(0) => {
                return Err(Error::Truncated {
                    origin: origin.to_owned(),
                    part,
                    offset: bytes.len() as u64,
                });
            }
            Ok(_) => {}
            Err(source) if source.kind() == ErrorKind::Interrupted => {}
            Err(source) => {
                return Err(Error::Io {
                    origin: origin.to_owned(),
                    source,
                });
            }
        }
    }
}
