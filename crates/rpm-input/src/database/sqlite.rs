//! RPM's database in the file format of SQLite, `rpmdb.sqlite`.
//!
//! The file is an array of pages of equal length, numbered from 1. Page 1 starts with a header
//! of 100 bytes and is the root of a b-tree, `sqlite_schema`, whose rows name the other tables
//! and their roots. The headers of the packages are the second column of
//! `Packages(hnum INTEGER PRIMARY KEY, blob BLOB)`; SQLite keeps an integer primary key as the
//! number of the row. Only tables are walked: no index is read, no SQL is parsed.
//!
//! What a program that was stopped left beside the file matters: a write-ahead log holds newer
//! pages ([`Pages`] reads it), and a rollback journal says that pages of the database are half written.
//! The format is described in <https://sqlite.org/fileformat2.html>.

use std::path::{Path, PathBuf};

use super::Take;
use super::btree::{Row, Tables};
use super::file::DatabaseFile;
use super::pages::Pages;
use crate::error::Error;

/// First bytes of the file.
pub(super) const MAGIC: [u8; 16] = *b"SQLite format 3\0";
/// First bytes of a rollback journal that has not been undone yet.
const JOURNAL_MAGIC: [u8; 8] = [0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7];
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
                row.wrong(&pages, "the root of table Packages is not a page number")
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
            .ok_or_else(|| row.wrong(&pages, "the second column is not a blob"))?;
        take(number, blob)
    })?;
    pages.check_unchanged()
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
