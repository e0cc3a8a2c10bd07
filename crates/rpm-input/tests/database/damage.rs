//! Databases with a few wrong bytes: an error is fine, a panic is not.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use rpm_input::{Error, database};

use crate::build::{CHAR, PACKAGE, header, ndb_of};
use crate::{Scratch, edit_with_sqlite3};

/// A small generator of numbers (xorshift64*), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % limit
    }
}

/// Changes a few bytes of a file, half of them near the start of a unit, and sometimes cuts it.
fn mutate(bytes: &mut Vec<u8>, unit: usize, random: &mut Random) {
    for _ in 0..=random.below(4) {
        let anywhere = random.below(bytes.len());
        let offset = match random.below(2) {
            0 => anywhere,
            _ => (anywhere / unit * unit + random.below(24)).min(bytes.len() - 1),
        };
        bytes[offset] = match random.below(4) {
            0 => 0,
            1 => 0xff,
            2 => bytes[offset] ^ 1 << random.below(8),
            _ => u8::try_from(random.below(256)).unwrap(),
        };
    }
    if random.below(20) == 0 {
        bytes.truncate(random.below(bytes.len()));
    }
}

/// Reads mutations of a file and returns how many of them are refused.
fn refused(
    path: &Path,
    seeds: std::ops::Range<u64>,
    mut make: impl FnMut(&mut Random) -> Vec<u8>,
) -> usize {
    let mut refused = 0;
    let start = Instant::now();
    for seed in seeds {
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        fs::write(path, make(&mut random)).unwrap();
        if let Err(error) = database::read(path) {
            refused += 1;
            assert!(!matches!(error, Error::Io { .. }), "seed {seed}: {error}");
            let message = error.to_string();
            let start = path.to_str().unwrap();
            assert!(message.starts_with(start), "seed {seed}: {message}");
        }
    }
    assert!(start.elapsed() < Duration::from_secs(60));
    refused
}

#[test]
fn damaged_ndb_is_an_error_and_no_panic() {
    let scratch = Scratch::new("mutate-ndb");
    let path = scratch.0.join("Packages.db");
    let states = [(1029, CHAR, 4, &[0; 4][..])];
    let header = header(PACKAGE, &states);
    let in_file = refused(&path, 1500..3000, |random| {
        let mut file = ndb_of(&[header.clone(), header.clone()]);
        mutate(&mut file, 16, random);
        file
    });
    // The checksum is made after the change, so that the header itself is looked at.
    let in_header = refused(&path, 3000..5000, |random| {
        let mut header = header.clone();
        mutate(&mut header, 16, random);
        ndb_of(&[header])
    });
    assert!(in_file > 500, "{in_file}");
    assert!(in_header > 500, "{in_header}");
}

#[test(crate::EDITORS)]
fn damaged_sqlite_is_an_error_and_no_panic() {
    let scratch = Scratch::new("mutate-sqlite");
    let made = scratch.0.join("made/rpmdb.sqlite");
    let commands = [
        "PRAGMA journal_mode=delete",
        "DELETE FROM Packages WHERE hnum > 2",
        "PRAGMA page_size=512",
        "VACUUM",
    ];
    edit_with_sqlite3(&made, &commands);
    let whole = fs::read(&made).unwrap();
    let path = scratch.0.join("rpmdb.sqlite");
    let found = refused(&path, 0..1500, |random| {
        let mut file = whole.clone();
        mutate(&mut file, 512, random);
        file
    });
    assert!(found > 100, "{found}");

    // Every page in turn is its own successor.
    let mut circles = 0;
    for number in 2..=whole.len() / 512 {
        let mut file = whole.clone();
        let start = (number - 1) * 512;
        let own = u32::try_from(number).unwrap().to_be_bytes();
        let offset = if file[start] == 5 { start + 8 } else { start };
        file[offset..offset + 4].copy_from_slice(&own);
        fs::write(&path, file).unwrap();
        if let Err(error) = database::read(&path) {
            let expected = format!("page {number}: the page is used twice");
            circles += usize::from(error.to_string().ends_with(&expected));
        }
    }
    assert!(circles > 5, "{circles}");
}
