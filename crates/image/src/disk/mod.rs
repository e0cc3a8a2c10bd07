//! Disk images: a table of partitions, and what each is for.
//!
//! The table is a GUID partition table (UEFI specification, chapter 5) whose entries have the types
//! of the Discoverable Partitions Specification. Which of the partitions a program mounts is not
//! decided here.
//!
//! [`ProtectedDisk`] writes such an image around a file system, with hashes and a signature;
//! [`Protected`] reads them back.

mod protected;
mod proved;
mod write;

use std::fmt;
use std::io::{self, Read, Seek, SeekFrom};

use flate2::Crc;

pub use protected::{Hashed, Kinds, Proof, ProtectedDisk, READ_ONLY};
pub use proved::{Protected, Proved, ProvedBy, Unproved};
pub use write::{FIRST, GRAIN, NewTable};

/// Sizes of sectors for which a table is looked for, in bytes.
const SECTOR_SIZES: [u64; 4] = [512, 1024, 2048, 4096];
/// Length of the record of the older kind before the table, in bytes, and where it has the types of
/// its partitions: one of them has to say that there is a table of the newer kind.
const RECORD_SIZE: usize = 512;
pub(crate) const RECORD_TYPES: [usize; 4] = [450, 466, 482, 498];
const PROTECTIVE: u8 = 0xee;
/// Starts the header, which is in the second sector.
const SIGNATURE: &[u8; 8] = b"EFI PART";
/// Length of the header in bytes; a longer one is not in use.
const HEADER_SIZE: usize = 92;
/// Length of an entry in bytes; Linux and libblkid read no longer ones.
const ENTRY_SIZE: usize = 128;
/// Where the checksum is in the header.
const CHECKSUM: std::ops::Range<usize> = 16..20;
/// Where the name is in an entry, in UTF-16.
const NAME: std::ops::Range<usize> = 56..128;
/// Most bytes that the entries of a table may take; Linux reads 128 of 128 bytes.
const MAX_ENTRIES_SIZE: u64 = 1 << 20;
/// Most entries that are looked at.
const MAX_ENTRIES: usize = 1024;

/// A type or identity as in the table: the first three fields have the least significant byte first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Guid(pub [u8; 16]);

/// The order in which the bytes are written as text.
const TEXT_ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];

impl Guid {
    /// Makes one of bytes in the order of its text.
    #[must_use]
    pub fn of_text_order(bytes: [u8; 16]) -> Self {
        Self(TEXT_ORDER.map(|index| bytes[index]))
    }

    /// Reads the usual form of 36 characters.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(|character| *character != '-').collect();
        let number = u128::from_str_radix(&digits, 16).ok()?;
        let id = Self::of_text_order(number.to_be_bytes());
        (id.to_string() == text).then_some(id)
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, index) in TEXT_ORDER.into_iter().enumerate() {
            if matches!(number, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{:02x}", self.0[index])?;
        }
        Ok(())
    }
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Partition {
    /// What it is for.
    pub kind: Guid,
    /// Which one it is.
    pub id: Guid,
    /// Where it starts, in bytes.
    pub start: u64,
    /// Its length in bytes.
    pub length: u64,
    /// Attribute bits.
    pub flags: u64,
    /// Its name; characters that are not valid UTF-16 are replaced.
    pub label: String,
}

/// A table of partitions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// Size of a sector in bytes.
    pub sector_size: u64,
    /// The partitions in the order of their entries.
    pub partitions: Vec<Partition>,
}

impl Table {
    /// Reads the table of a disk image; `None` where there is none whose checksums are right. Where
    /// the one at the start is damaged, the copy at the end counts.
    pub fn read<R: Read + Seek>(input: &mut R) -> io::Result<Option<Self>> {
        let length = input.seek(SeekFrom::End(0))?;
        let record = bytes_at(input, 0, RECORD_SIZE)?.unwrap_or_default();
        let is_protective = (RECORD_TYPES.iter())
            .any(|at| record.get(*at) == Some(&PROTECTIVE) && record.ends_with(&[0x55, 0xaa]));
        if !is_protective {
            return Ok(None);
        }
        for sector_size in SECTOR_SIZES {
            for offset in [
                Some(sector_size),
                (length / sector_size)
                    .checked_sub(1)
                    .map(|n| n * sector_size),
            ] {
                if let Some(offset) = offset
                    && let Some(table) = table_at(input, offset, sector_size, length)?
                {
                    return Ok(Some(table));
                }
            }
        }
        Ok(None)
    }

    /// Says whether both copies of the table are there and say the same, in entries of the usual
    /// length. Where they do not, programs differ in what they read.
    pub fn is_certain<R: Read + Seek>(&self, input: &mut R) -> io::Result<bool> {
        Ok(self.copies(input)? == [Some(true); 2])
    }

    /// Says whether a copy of the table is there that says something else. One that is gone or
    /// damaged is passed over by all programs.
    pub fn is_contradicted<R: Read + Seek>(&self, input: &mut R) -> io::Result<bool> {
        Ok(self.copies(input)?.contains(&Some(false)))
    }

    /// Says of both copies whether they are this one, in entries of the usual length; `None` for one
    /// that is not there.
    fn copies<R: Read + Seek>(&self, input: &mut R) -> io::Result<[Option<bool>; 2]> {
        let length = input.seek(SeekFrom::End(0))?;
        let last = (length / self.sector_size).saturating_sub(1) * self.sector_size;
        let mut copies = [None; 2];
        for (copy, offset) in copies.iter_mut().zip([self.sector_size, last]) {
            let header = bytes_at(input, offset, HEADER_SIZE)?.unwrap_or_default();
            let table = table_at(input, offset, self.sector_size, length)?;
            let is_usual = word(&header, 84) as usize == ENTRY_SIZE;
            *copy = table.map(|table| is_usual && table == *self);
        }
        Ok(copies)
    }
}

/// Reads `N` bytes at `offset`; `None` where the input ends before.
fn bytes_at<R: Read + Seek>(
    input: &mut R,
    offset: u64,
    length: usize,
) -> io::Result<Option<Vec<u8>>> {
    input.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    input.take(length as u64).read_to_end(&mut bytes)?;
    Ok((bytes.len() == length).then_some(bytes))
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = Crc::new();
    crc.update(bytes);
    crc.sum()
}

/// Reads the table whose header is at `offset`.
fn table_at<R: Read + Seek>(
    input: &mut R,
    offset: u64,
    sector_size: u64,
    length: u64,
) -> io::Result<Option<Table>> {
    let Some(mut header) = bytes_at(input, offset, HEADER_SIZE)? else {
        return Ok(None);
    };
    let stated = word(&header, CHECKSUM.start);
    header[CHECKSUM].fill(0);
    if !header.starts_with(SIGNATURE)
        || word(&header, 12) as usize != HEADER_SIZE
        || checksum(&header) != stated
        || long(&header, 24).checked_mul(sector_size) != Some(offset)
    {
        return Ok(None);
    }
    let (count, size) = (word(&header, 80), word(&header, 84));
    let total = u64::from(count) * u64::from(size);
    let start = long(&header, 72).checked_mul(sector_size);
    if size < 128 || !size.is_power_of_two() || total > MAX_ENTRIES_SIZE || total > length {
        return Ok(None);
    }
    let (Some(start), Ok(total)) = (start, usize::try_from(total)) else {
        return Ok(None);
    };
    let Some(entries) = bytes_at(input, start, total)? else {
        return Ok(None);
    };
    if checksum(&entries) != word(&header, 88) {
        return Ok(None);
    }
    let partitions = entries.chunks_exact(size as usize).take(MAX_ENTRIES);
    Ok(Some(Table {
        sector_size,
        partitions: partitions
            .filter_map(|entry| partition(entry, sector_size))
            .collect(),
    }))
}

/// Reads an entry; `None` for one that is not used.
fn partition(entry: &[u8], sector_size: u64) -> Option<Partition> {
    let guid = |at: usize| entry.get(at..)?.first_chunk().copied().map(Guid);
    let kind = guid(0).filter(|kind| kind.0 != [0; 16])?;
    let (first, last) = (long(entry, 32), long(entry, 40));
    let sectors = last.checked_sub(first)?.checked_add(1)?;
    let name = entry.get(NAME).unwrap_or_default();
    let (units, _) = name.as_chunks();
    let units = units.iter().map(|unit| u16::from_le_bytes(*unit));
    let label: Vec<_> = units.take_while(|unit| *unit != 0).collect();
    Some(Partition {
        kind,
        id: guid(16)?,
        start: first.checked_mul(sector_size)?,
        length: sectors.checked_mul(sector_size)?,
        flags: long(entry, 48),
        label: String::from_utf16_lossy(&label),
    })
}

fn word(bytes: &[u8], at: usize) -> u32 {
    let field = bytes.get(at..).and_then(<[u8]>::first_chunk);
    field.map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn long(bytes: &[u8], at: usize) -> u64 {
    let field = bytes.get(at..).and_then(<[u8]>::first_chunk);
    field.map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    const KIND: [u8; 16] = [
        0xe3, 0xbc, 0x68, 0x4f, 0xcd, 0xe8, 0xb1, 0x4d, 0x96, 0xe7, 0xfb, 0xca, 0xf9, 0x84, 0xb7, 9,
    ];

    /// Writes a header for the entries in sector 2, and their checksum.
    fn header(disk: &mut [u8], sector: usize, count: u32, size: u32) {
        let entries = disk.get(1024..1024 + (count * size) as usize);
        let sum = checksum(entries.unwrap_or_default());
        let mut header = SIGNATURE.to_vec();
        header.resize(HEADER_SIZE, 0);
        for (at, word) in [
            (12, 92),
            (24, sector as u32),
            (72, 2),
            (80, count),
            (84, size),
            (88, sum),
        ] {
            header[at..at + 4].copy_from_slice(&u32::to_le_bytes(word));
        }
        let sum = checksum(&header);
        header[CHECKSUM].copy_from_slice(&sum.to_le_bytes());
        disk[sector * 512..sector * 512 + HEADER_SIZE].copy_from_slice(&header);
    }

    /// A disk of 16 sectors with a table of four entries, the second of which is used.
    fn disk() -> Vec<u8> {
        let mut disk = vec![0; 16 * 512];
        disk[450] = PROTECTIVE;
        disk[510..512].copy_from_slice(&[0x55, 0xaa]);
        let entry = &mut disk[1024 + 128..1024 + 256];
        entry[..16].copy_from_slice(&KIND);
        (entry[32], entry[40], entry[55]) = (6, 7, 0x80);
        entry[56..60].copy_from_slice(b"a\0b\0");
        header(&mut disk, 1, 4, 128);
        header(&mut disk, 15, 4, 128);
        disk
    }

    fn read(disk: &[u8]) -> Option<Table> {
        Table::read(&mut Cursor::new(disk)).unwrap()
    }

    #[test]
    fn a_table_is_read_from_either_end() {
        let whole = disk();
        let table = read(&whole).unwrap();
        let [partition] = &table.partitions[..] else {
            panic!("{table:?}");
        };
        assert_eq!(
            partition.kind.to_string(),
            "4f68bce3-e8cd-4db1-96e7-fbcaf984b709"
        );
        assert_eq!((partition.start, partition.length), (6 * 512, 1024));
        assert_eq!((partition.flags, partition.label.as_str()), (1 << 63, "ab"));
        for (about, at, is_read) in [
            ("the first header", 512, true),
            ("the first header's checksum", 528, true),
            ("the last header", 15 * 512, true),
            ("the entries", 1024, false),
            ("the record before the table", 450, false),
            ("the end of that record", 511, false),
        ] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            let expected = is_read.then(|| table.clone());
            assert_eq!(read(&damaged), expected, "{about}");
        }
    }

    #[test]
    fn identities_are_read_as_they_are_written() {
        let text = "4f68bce3-e8cd-4db1-96e7-fbcaf984b709";
        assert_eq!(Guid::parse(text), Some(Guid(KIND)));
        for text in ["", "4f68bce3", &text.to_uppercase(), &text.replace('-', "")] {
            assert_eq!(Guid::parse(text), None, "{text}");
        }
    }

    #[test]
    fn copies_that_programs_read_in_other_ways_are_not_certain() {
        let is_certain = |disk: &[u8]| {
            let table = read(disk).unwrap();
            table.is_certain(&mut Cursor::new(disk)).unwrap()
        };
        let is_contradicted = |disk: &[u8]| {
            let table = read(disk).unwrap();
            table.is_contradicted(&mut Cursor::new(disk)).unwrap()
        };
        let both = |count, size| {
            let mut disk = disk();
            header(&mut disk, 1, count, size);
            header(&mut disk, 15, count, size);
            disk
        };
        assert!(is_certain(&both(4, 128)));
        assert!(!is_certain(&both(2, 256)));
        assert!(is_contradicted(&both(2, 256)));
        let mut other = both(4, 128);
        header(&mut other, 15, 3, 128);
        assert!(
            is_certain(&other),
            "an unused entry does not make it another table"
        );
        assert!(!is_contradicted(&other));
        header(&mut other, 15, 1, 128);
        assert!(!is_certain(&other));
        assert!(is_contradicted(&other));
        for sector in [1, 15] {
            let mut damaged = both(4, 128);
            damaged[sector * 512 + 12] = 96;
            assert!(!is_certain(&damaged), "{sector}");
            assert!(!is_contradicted(&damaged), "{sector}");
        }
    }

    #[test]
    fn what_can_not_be_a_table_is_none() {
        for (count, size, is_read) in [
            (4, 128, true),
            (2, 256, true),
            (56, 128, true),
            (57, 128, false),
            (4, 64, false),
            (4, 192, false),
            (u32::MAX, 128, false),
            (128, u32::MAX, false),
        ] {
            let mut disk = disk();
            disk[15 * 512..].fill(0);
            if u64::from(count) * u64::from(size) <= 8192 {
                header(&mut disk, 1, count, size);
            } else {
                disk[512 + 80..512 + 84].copy_from_slice(&count.to_le_bytes());
                disk[512 + 84..512 + 88].copy_from_slice(&size.to_le_bytes());
                disk[512..604][CHECKSUM].fill(0);
                let sum = checksum(&disk[512..604]);
                disk[512..604][CHECKSUM].copy_from_slice(&sum.to_le_bytes());
            }
            assert_eq!(read(&disk).is_some(), is_read, "{count} of {size}");
        }
        assert_eq!(read(b""), None);
    }
}
