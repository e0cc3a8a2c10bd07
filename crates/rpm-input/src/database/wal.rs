//! The write-ahead log of a SQLite database, `rpmdb.sqlite-wal`.
//!
//! Pages that were written and not yet moved into the database stand here, and are its latest
//! content. RPM leaves such a file when it is stopped, or when a database is copied in use.
//!
//! ```text
//! header, 32 B   magic version page-size checkpoint salt salt checksum checksum
//! frame          page-number size-after-commit salt salt checksum checksum | one page
//! ```
//!
//! All numbers are big endian, 32 bits. A log is written over from its start without being cut
//! off, and its end may not have reached the disk. So the log ends where the salts are no longer
//! those of the header or the running checksum is wrong, and of that only what stands before the
//! last commit counts. The format is described in section 4 of <https://sqlite.org/fileformat2.html>.

use std::collections::BTreeMap;

use super::file::DatabaseFile;
use crate::error::Error;

/// Magic whose lowest bit says that checksums are made of big-endian numbers.
const MAGIC: u32 = 0x377f_0682;
/// The only version there is.
const VERSION: u32 = 3_007_000;
/// Length of the header.
const HEADER: usize = 32;
/// Length of what stands before each page.
const FRAME: usize = 24;

/// The committed part of a log.
pub(super) struct Wal {
    file: DatabaseFile,
    /// Offset in the file of the latest content of each page.
    pages: BTreeMap<u32, u64>,
    /// Pages of the database after the last commit.
    page_count: u32,
}

impl Wal {
    /// Reads a log of pages of `page_size` bytes; none if nothing in it counts.
    pub(super) fn read(file: DatabaseFile, page_size: u32) -> Result<Option<Self>, Error> {
        let mut header = [0; HEADER];
        if file.length() < HEADER as u64 {
            return Ok(None);
        }
        file.read(0, &mut header)?;
        let Some(mut checksum) = Checksum::of(number(&header, 0)) else {
            return Ok(None);
        };
        let end = HEADER - 8;
        checksum.add(header.get(..end).unwrap_or_default());
        if !checksum.is_at(&header, end) {
            return Ok(None);
        }
        let version = number(&header, 4);
        if version != VERSION {
            return Err(file.refuse(&format!(
                "it has version {version}; only {VERSION} is known"
            )));
        }
        if number(&header, 8) != page_size {
            let reason = format!(
                "pages of {} bytes, those of the database have {page_size}",
                number(&header, 8)
            );
            return Err(file.damaged("offset 8".to_owned(), reason));
        }
        let salts = header.get(16..24).unwrap_or_default();
        Self::read_frames(file, salts, checksum, page_size)
    }

    fn read_frames(
        file: DatabaseFile,
        salts: &[u8],
        mut checksum: Checksum,
        page_size: u32,
    ) -> Result<Option<Self>, Error> {
        let mut pages = BTreeMap::new();
        let mut page_count = None;
        // Frames since the last commit, which count only if another one follows.
        let mut pending = Vec::new();
        let mut frame = vec![0; FRAME + page_size as usize];
        let length = frame.len() as u64;
        let mut offset = HEADER as u64;
        while offset + length <= file.length() {
            file.read(offset, &mut frame)?;
            let (start, page) = frame.split_at(FRAME);
            let number_and_size = start.get(..8).unwrap_or_default();
            checksum.add(number_and_size);
            checksum.add(page);
            let page_number = number(start, 0);
            if page_number == 0
                || start.get(8..16) != Some(salts)
                || !checksum.is_at(start, FRAME - 8)
            {
                break;
            }
            pending.push((page_number, offset + FRAME as u64));
            let committed = number(start, 4);
            if committed != 0 {
                page_count = Some(committed);
                pages.extend(pending.drain(..));
            }
            offset += length;
        }
        Ok(page_count.map(|page_count| Self {
            file,
            pages,
            page_count,
        }))
    }

    /// Returns the number of pages of the database after the last commit.
    pub(super) fn page_count(&self) -> u32 {
        self.page_count
    }

    /// Fills `page` with the latest content of a page, if the log has it.
    pub(super) fn read_page(&self, number: u32, page: &mut [u8]) -> Result<bool, Error> {
        match self.pages.get(&number) {
            Some(offset) => self.file.read(*offset, page).map(|()| true),
            None => Ok(false),
        }
    }

    /// Checks that nobody wrote to the log since it was opened.
    pub(super) fn check_unchanged(&self) -> Result<(), Error> {
        self.file.check_unchanged()
    }
}

/// The running checksum of a log.
struct Checksum {
    big_endian: bool,
    sums: [u32; 2],
}

impl Checksum {
    /// Returns the checksum at its start, if the magic is that of a log.
    fn of(magic: u32) -> Option<Self> {
        (magic & !1 == MAGIC).then_some(Self {
            big_endian: magic & 1 == 1,
            sums: [0; 2],
        })
    }

    /// Adds bytes, a multiple of 8 of them.
    fn add(&mut self, bytes: &[u8]) {
        let [mut a, mut b] = self.sums;
        let value = |bytes: [u8; 4]| match self.big_endian {
            true => u32::from_be_bytes(bytes),
            false => u32::from_le_bytes(bytes),
        };
        for pair in bytes.chunks_exact(8) {
            let &[p, q, r, s, t, u, v, w] = pair else {
                continue;
            };
            a = a.wrapping_add(value([p, q, r, s])).wrapping_add(b);
            b = b.wrapping_add(value([t, u, v, w])).wrapping_add(a);
        }
        self.sums = [a, b];
    }

    /// Returns whether this checksum is stored at an offset.
    fn is_at(&self, bytes: &[u8], offset: usize) -> bool {
        self.sums == [number(bytes, offset), number(bytes, offset + 4)]
    }
}

/// Returns the big-endian number at `offset`, 0 where there is none.
pub(super) fn number(bytes: &[u8], offset: usize) -> u32 {
    let number = bytes.get(offset..).and_then(<[u8]>::first_chunk);
    number.map_or(0, |number| u32::from_be_bytes(*number))
}
