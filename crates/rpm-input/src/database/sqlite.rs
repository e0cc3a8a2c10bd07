//! RPM's database in the file format of SQLite, `rpmdb.sqlite`.
//!
//! The file is an array of pages of equal length, numbered from 1. Page 1 starts with a header
//! of 100 bytes and is the root of a b-tree, `sqlite_schema`, whose rows name the other tables
//! and their roots. The headers of the packages are the second column of
//! `Packages(hnum INTEGER PRIMARY KEY, blob BLOB)`; SQLite keeps an integer primary key as the
//! number of the row. Only tables are walked: no index is read, no SQL is parsed.
//!
//! What a program that was stopped left beside the file matters: a write-ahead log holds newer
//! pages ([`Wal`]), and a rollback journal says that pages of the database are half written.
//! The format is described in <https://sqlite.org/fileformat2.html>.

use std::path::{Path, PathBuf};

use super::Take;
use super::btree::{Row, Tables};
use super::file::{DatabaseFile, MAX_LENGTH};
use super::wal::Wal;
use crate::error::Error;

/// First bytes of the file.
pub(super) const MAGIC: [u8; 16] = *b"SQLite format 3\0";
/// First bytes of a rollback journal that has not been undone yet.
const JOURNAL_MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
/// Length of the file's header, which page 1 starts with.
pub(super) const HEADER: usize = 100;
/// Lengths that a page can have.
const PAGE_SIZES: std::ops::RangeInclusive<u32> = 512..=65536;
/// Least part of a page that must be left to SQLite.
const MIN_USABLE: u32 = 480;
/// The number that says that text is UTF-8.
const ENCODING_UTF_8: u32 = 1;
/// The table of the headers.
const TABLE: &[u8] = b"Packages";

/// Hands out the number and the header of every installed package.
pub(super) fn read(file: &DatabaseFile, path: &Path, take: &mut Take<'_>) -> Result<(), Error> {
    // Links are followed, because SQLite puts its files beside the real one.
    let path = path.canonicalize().map_err(|source| Error::Io {
        origin: file.origin().to_owned(),
        source,
    })?;
    refuse_journal(file, &beside(&path, "-journal"))?;
    let pages = Pages::open(file, &beside(&path, "-wal"))?;
    let mut tables = Tables::new(&pages);
    let mut root = None;
    tables.walk(1, &mut |row| {
        if let (Some(b"table"), Some(TABLE)) = (row.text(0), row.text(1)) {
            let number = row.integer(3).and_then(|number| u32::try_from(number).ok());
            root = Some(number.ok_or_else(|| {
                row.wrong(&pages, "the root of table Packages is no page number")
            })?);
        }
        Ok(())
    })?;
    let Some(root) = root else {
        return Err(file.refuse("it has no table Packages"));
    };
    tables.walk(root, &mut |row: &Row| {
        let number = u64::try_from(row.number)
            .map_err(|_| row.wrong(&pages, "the number of the row is negative"))?;
        let blob = row
            .blob(1)
            .ok_or_else(|| row.wrong(&pages, "the second column is no blob"))?;
        take(number, blob)
    })?;
    pages.wal.as_ref().map_or(Ok(()), Wal::check_unchanged)
}

/// Returns the path of a file that SQLite puts beside the database.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

/// Refuses a database whose last transaction was interrupted and would have to be undone.
fn refuse_journal(file: &DatabaseFile, path: &Path) -> Result<(), Error> {
    let Some(journal) = DatabaseFile::open_if_there(path)? else {
        return Ok(());
    };
    if journal.start()?.starts_with(&JOURNAL_MAGIC) {
        let reason = "its last transaction was interrupted; run `rpm -qa` as root on that system \
                      once, which undoes it";
        return Err(file.refuse(reason));
    }
    Ok(())
}

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
    fn open(file: &'a DatabaseFile, wal_path: &Path) -> Result<Self, Error> {
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
            return Err(pages.damaged(1, "its log says another page size".to_owned()));
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

/// Returns the big-endian number at `offset`, 0 where there is none.
pub(super) fn number(bytes: &[u8], offset: usize) -> u32 {
    let number = bytes.get(offset..).and_then(<[u8]>::first_chunk);
    number.map_or(0, |number| u32::from_be_bytes(*number))
}
