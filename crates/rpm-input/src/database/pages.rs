//! The pages of a SQLite database: which there are, how long they are, and the latest content of
//! each, from the file or from the log beside it.

use std::path::Path;

use super::file::{DatabaseFile, MAX_LENGTH};
use super::wal::{Wal, number};
use crate::error::Error;

/// Length of the file's header, which page 1 starts with.
pub(super) const HEADER: usize = 100;
/// Lengths that a page can have.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 512..=65536;
/// Least part of a page that must be left to SQLite.
const MIN_USABLE: u32 = 480;
/// The number that says that text is UTF-8.
const ENCODING_UTF_8: u32 = 1;

/// The pages of a database, with the latest content of each.
pub(super) struct Pages<'a> {
    file: &'a DatabaseFile,
    wal: Option<Wal>,
    /// Length of a page in bytes.
    size: u32,
    /// Bytes of a page that are used by SQLite; an extension of it may reserve the rest.
    usable: u32,
    /// Number of pages, and so of the last page.
    count: u32,
}

impl<'a> Pages<'a> {
    pub(super) fn open(file: &'a DatabaseFile, wal_path: &Path) -> Result<Self, Error> {
        let header = file.start()?;
        let size = page_size(file, &header)?;
        let wal = match DatabaseFile::open_if_there(wal_path)? {
            Some(wal) => Wal::read(wal, size)?,
            None => None,
        };
        let in_file = u32::try_from(file.length() / u64::from(size)).unwrap_or(u32::MAX);
        let mut pages = Self {
            file,
            count: wal.as_ref().map_or(in_file, Wal::page_count),
            wal,
            size,
            usable: size,
        };
        let first = pages.read(1)?;
        if page_size(file, &first)? != size {
            return Err(pages.damaged(1, "its log has a different page size".to_owned()));
        }
        pages.check_header(&first)?;
        if u64::from(pages.count) * u64::from(size) > MAX_LENGTH {
            let reason = format!("it has {} pages of {size} bytes", pages.count);
            return Err(file.refuse(&format!("{reason}, {MAX_LENGTH} bytes are allowed")));
        }
        Ok(pages)
    }

    /// Checks the header of the file, and takes from it what is not known yet.
    fn check_header(&mut self, header: &[u8]) -> Result<(), Error> {
        let byte = |offset: usize| header.get(offset).copied().unwrap_or_default();
        let number = |offset: usize| number(header, offset);
        if byte(19) > 2 {
            let reason = format!("it needs a newer reader of SQLite's format {}", byte(19));
            return Err(self.file.refuse(&reason));
        }
        self.usable = self.size - u32::from(byte(20)).min(self.size);
        if self.usable < MIN_USABLE {
            return Err(self.damaged(1, format!("only {} bytes of a page are used", self.usable)));
        }
        if [byte(21), byte(22), byte(23)] != [64, 32, 32] {
            return Err(self.damaged(1, "the fractions of payload are wrong".to_owned()));
        }
        // 0 is written as long as the database has no table.
        if ![0, ENCODING_UTF_8].contains(&number(56)) {
            return Err(self.file.refuse("its text is UTF-16"));
        }
        // The stored count is that of this state only if both change counters say so.
        let stored = number(28);
        if stored != 0 && number(24) == number(92) {
            if stored > self.count {
                let reason = format!("{stored} pages are stored, {} are there", self.count);
                return Err(self.damaged(1, reason));
            }
            self.count = stored;
        }
        Ok(())
    }

    /// Returns the latest content of a page.
    pub(super) fn read(&self, number: u32) -> Result<Vec<u8>, Error> {
        if number == 0 || number > self.count {
            let reason = format!("there is no such page, the last is {}", self.count);
            return Err(self.damaged(number, reason));
        }
        let mut page = vec![0; self.size as usize];
        if let Some(wal) = &self.wal
            && wal.read_page(number, &mut page)?
        {
            return Ok(page);
        }
        self.file
            .read(u64::from(number - 1) * u64::from(self.size), &mut page)?;
        Ok(page)
    }

    /// Fails if the log has changed since it was read.
    pub(super) fn check_unchanged(&self) -> Result<(), Error> {
        self.wal.as_ref().map_or(Ok(()), Wal::check_unchanged)
    }

    /// Returns how many bytes of each page are used.
    pub(super) fn usable(&self) -> usize {
        self.usable as usize
    }

    /// Returns the number of pages.
    pub(super) fn count(&self) -> u32 {
        self.count
    }

    /// Returns the error that something is wrong in a page.
    pub(super) fn damaged(&self, page: u32, reason: String) -> Error {
        self.file.damaged(format!("page {page}"), reason)
    }
}

/// Returns the length of a page by the header of the file.
fn page_size(file: &DatabaseFile, header: &[u8]) -> Result<u32, Error> {
    let stored = header.get(16..).and_then(<[u8]>::first_chunk);
    let (Some(stored), true) = (stored, header.len() >= HEADER) else {
        let reason = format!("the file ends here, inside its header of {HEADER} bytes");
        return Err(file.damaged(format!("offset {}", header.len()), reason));
    };
    // 65536 does not fit in 16 bits; its highest bit is written as the lowest.
    let size = match u16::from_be_bytes(*stored) {
        1 => 1 << 16,
        size => u32::from(size),
    };
    if !PAGE_SIZES.contains(&size) || !size.is_power_of_two() {
        let reason = format!("page size {size} is not a power of two from 512 to 65536");
        return Err(file.damaged("offset 16".to_owned(), reason));
    }
    Ok(size)
}
