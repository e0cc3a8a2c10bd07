//! A table of partitions, as it is written.
//!
//! ```text
//! sector 0  record of the older kind, with one partition that is the whole disk
//!        1  header           2 to 33  entries
//!           partitions
//!           entries, again   last     header, again
//! ```

use super::{CHECKSUM, Guid, HEADER_SIZE, PROTECTIVE, Partition, SIGNATURE, checksum};

/// Length of a sector in bytes.
const SECTOR: u64 = 512;
/// Sectors of all entries.
const ENTRIES_SECTORS: u64 = 32;
const ENTRIES: usize = 128;
const ENTRY_SIZE: usize = 128;
/// Where partitions may start, in sectors.
const FIRST_USABLE: u64 = 2 + ENTRIES_SECTORS;
/// Partitions start and end at multiples of this, in bytes.
pub const GRAIN: u64 = 4096;
/// Where the first partition starts, in bytes.
pub const FIRST: u64 = (FIRST_USABLE * SECTOR).next_multiple_of(GRAIN);
/// Length in bytes of what follows the last partition.
const END: u64 = (ENTRIES_SECTORS + 1) * SECTOR;
/// Length of the field with a name, in UTF-16 units.
const NAME_UNITS: usize = 36;

/// A table of partitions for a disk that ends behind the last of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewTable {
    /// Which disk it is.
    pub id: Guid,
    /// The partitions, in order and without gaps, from [`FIRST`] on; at most 128.
    pub partitions: Vec<Partition>,
}

impl NewTable {
    /// Returns where the partitions end, in bytes.
    #[must_use]
    pub fn partitions_end(&self) -> u64 {
        let last = self.partitions.last();
        last.map_or(FIRST, |last| last.start + last.length)
    }

    /// Returns the length of the disk in bytes.
    #[must_use]
    pub fn disk_length(&self) -> u64 {
        self.partitions_end() + END
    }

    /// Returns what the disk starts with, up to the first partition.
    #[must_use]
    pub fn start(&self) -> Vec<u8> {
        let mut bytes = self.record();
        bytes.extend(self.header(1, self.last_sector(), 2));
        bytes.extend(self.entries());
        bytes.resize(FIRST as usize, 0);
        bytes
    }

    /// Returns what the disk ends with, behind the last partition.
    #[must_use]
    pub fn end(&self) -> Vec<u8> {
        let mut bytes = self.entries();
        let last = self.last_sector();
        bytes.extend(self.header(last, 1, last - ENTRIES_SECTORS));
        bytes
    }

    fn last_sector(&self) -> u64 {
        self.disk_length() / SECTOR - 1
    }

    fn record(&self) -> Vec<u8> {
        let mut record = vec![0; SECTOR as usize];
        let length = u32::try_from(self.last_sector()).unwrap_or(u32::MAX);
        let fields = [0, 0, 2, 0, PROTECTIVE, 0xff, 0xff, 0xff, 1, 0, 0, 0];
        let fields = fields.into_iter().chain(length.to_le_bytes());
        for (byte, field) in record.iter_mut().skip(446).zip(fields) {
            *byte = field;
        }
        let end = record.len() - 2;
        record.truncate(end);
        record.extend([0x55, 0xaa]);
        record
    }

    fn header(&self, own: u64, other: u64, entries: u64) -> Vec<u8> {
        let mut header = SIGNATURE.to_vec();
        for word in [0x0001_0000, HEADER_SIZE as u32, 0, 0] {
            header.extend(word.to_le_bytes());
        }
        let last_usable = self.last_sector() - ENTRIES_SECTORS - 1;
        for sector in [own, other, FIRST_USABLE, last_usable] {
            header.extend(sector.to_le_bytes());
        }
        header.extend(self.id.0);
        header.extend(entries.to_le_bytes());
        for word in [ENTRIES as u32, ENTRY_SIZE as u32, checksum(&self.entries())] {
            header.extend(word.to_le_bytes());
        }
        let sum = checksum(&header).to_le_bytes();
        for (byte, sum) in header.iter_mut().skip(CHECKSUM.start).zip(sum) {
            *byte = sum;
        }
        header.resize(SECTOR as usize, 0);
        header
    }

    fn entries(&self) -> Vec<u8> {
        let mut entries = Vec::new();
        for partition in self.partitions.iter().take(ENTRIES) {
            entries.extend(partition.kind.0);
            entries.extend(partition.id.0);
            let last = (partition.start + partition.length) / SECTOR - 1;
            for number in [partition.start / SECTOR, last, partition.flags] {
                entries.extend(number.to_le_bytes());
            }
            let mut name: Vec<_> = partition.label.encode_utf16().collect();
            name.resize(NAME_UNITS, 0);
            entries.extend(name.into_iter().flat_map(u16::to_le_bytes));
        }
        entries.resize(ENTRIES * ENTRY_SIZE, 0);
        entries
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::Table;
    use super::*;

    #[test]
    fn what_is_written_is_read_from_either_end() {
        let partition = |start: u64, length: u64, label: &str| Partition {
            kind: Guid([label.len() as u8; 16]),
            id: Guid([length as u8; 16]),
            start,
            length,
            flags: 1 << 60,
            label: label.to_owned(),
        };
        let table = NewTable {
            id: Guid([7; 16]),
            partitions: vec![
                partition(20_480, 8192, "one"),
                partition(28_672, 4096, "a name that is as long as a name can"),
            ],
        };
        let mut disk = table.start();
        assert_eq!(disk.len(), 20_480);
        disk.resize(disk.len() + 12_288, 0);
        disk.extend(table.end());
        assert_eq!(disk.len() as u64, table.disk_length());
        for damaged in [None, Some(512), Some(1024), Some(disk.len() - 512)] {
            let mut disk = disk.clone();
            if let Some(at) = damaged {
                disk[at] ^= 1;
            }
            let read = Table::read(&mut Cursor::new(disk)).unwrap().unwrap();
            assert_eq!(read.partitions, table.partitions, "{damaged:?}");
        }
    }
}
