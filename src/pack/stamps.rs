//! What contents record of the files that they were made from: the time at which their program
//! takes them for current.
//!
//! ```text
//! Python's bytecode     time and size of the source, in its first 8 to 16 bytes (PEP 552)
//! fontconfig's caches   time of the directory, behind the path of it
//! ```

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use image::ContentId;
use serde::{Deserialize, Serialize};

/// Since which of its numbers CPython writes a size, and flags (3.7); no text starts with one of
/// Python 2. PyPy counts from 0 and writes what the CPython of its time does.
const WITH_SIZE: u16 = 3210;
const WITH_FLAGS: u16 = 3392;
const PYTHON_2: u16 = 50000;
const PYPY_END: u16 = 1000;
const PYTHON_3: RangeInclusive<u16> = 3000..=8000;

/// How a cache of fontconfig starts: once it is mapped, and once it is not.
const FONT_CACHES: [u32; 2] = [0xfc02_fc04, 0xfc02_fc05];

/// What a content records of what it was made from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stamp {
    /// Bytecode: the time of its source, and the size since there is one.
    Source { time: u32, size: Option<u32> },
    /// Bytecode that is taken without a look at its source.
    Unchecked,
    /// A cache of the fonts in a directory.
    Fonts(Box<Fonts>),
}

/// What a cache of fonts records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fonts {
    /// The directory, without its leading slash.
    pub directory: Vec<u8>,
    /// The directory's time.
    pub time: u32,
    /// The part of it below a second, which no SquashFS has.
    pub nanoseconds: u64,
}

/// The stamps of an image's contents.
#[derive(Debug, Default)]
pub struct Stamps(BTreeMap<ContentId, Stamp>);

impl Stamps {
    /// Notes what the first bytes of a content record, if they do.
    pub fn note(&mut self, id: &ContentId, head: &[u8]) {
        if let Some(stamp) = bytecode(head).or_else(|| fonts(head)) {
            self.0.insert(id.clone(), stamp);
        }
    }

    /// Notes what a content records that did not pass.
    pub fn insert(&mut self, id: &ContentId, stamp: Option<Stamp>) {
        self.0.extend(stamp.map(|stamp| (id.clone(), stamp)));
    }

    /// Returns what a content records.
    pub fn get(&self, id: &ContentId) -> Option<&Stamp> {
        self.0.get(id)
    }

    /// Says whether no content records anything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Reads the head of bytecode; none for one that is checked by a hash.
fn bytecode(head: &[u8]) -> Option<Stamp> {
    let word = |at: usize| -> Option<u32> {
        let bytes = head.get(at..at.checked_add(4)?)?;
        Some(u32::from_le_bytes(bytes.try_into().ok()?))
    };
    let [low, high, b'\r', b'\n', ..] = *head else {
        return None;
    };
    let number = u16::from_le_bytes([low, high]);
    let second = word(4)?;
    let is_pypy = number < PYPY_END;
    if !is_pypy && !PYTHON_3.contains(&number) && number < PYTHON_2 {
        return None;
    }
    let (time, size) = match second {
        time if number >= PYTHON_2 => (time, None),
        0 if is_pypy || number >= WITH_FLAGS => (word(8)?, Some(word(12)?)),
        1 if is_pypy || number >= WITH_FLAGS => return Some(Stamp::Unchecked),
        3 if is_pypy => return None,
        _ if number >= WITH_FLAGS => return None,
        time if is_pypy || number >= WITH_SIZE => (time, Some(word(8)?)),
        time => (time, None),
    };
    Some(Stamp::Source { time, size })
}

/// Reads the head of a cache of fontconfig, of a machine with 32 or 64 bits and either order of
/// bytes.
fn fonts(head: &[u8]) -> Option<Stamp> {
    let first: [u8; 4] = head.get(..4)?.try_into().ok()?;
    let is_little = FONT_CACHES.contains(&u32::from_le_bytes(first));
    if !is_little && !FONT_CACHES.contains(&u32::from_be_bytes(first)) {
        return None;
    }
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = head.get(at..at.checked_add(length)?)?;
        let push = |all: u64, byte: &u8| all << 8 | u64::from(*byte);
        Some(match is_little {
            true => bytes.iter().rev().fold(0, push),
            false => bytes.iter().fold(0, push),
        })
    };
    // Where the path, the time and its fraction are: the path comes right behind the fields.
    let (path, time, fraction) = match (number(16, 8)?, number(12, 4)?) {
        (64, _) => (64, 48, 56),
        (_, 40) => (40, 28, 32),
        _ => return None,
    };
    let path = head.get(path..)?;
    let end = path.iter().position(|byte| *byte == 0)?;
    Some(Stamp::Fonts(Box::new(Fonts {
        directory: path.get(..end)?.strip_prefix(b"/")?.to_owned(),
        time: u32::try_from(number(time, 4)?).ok()?,
        nanoseconds: number(fraction, 8)?,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bytecode_records() {
        let head = |number: u16, words: &[u32]| {
            let mut head = number.to_le_bytes().to_vec();
            head.extend(b"\r\n");
            head.extend(words.iter().flat_map(|word| word.to_le_bytes()));
            head
        };
        let code = 0xe3;
        for (number, words, expected) in [
            // CPython 3.11 and 3.7, by time and by hash; 3.6 and 3.2; 2.7.
            (3495, &[0, 7, 9, code][..], Some((7, Some(9)))),
            (3392, &[0, 7, 9], Some((7, Some(9)))),
            (3495, &[3, 7, 9], None),
            (3379, &[7, 9, code], Some((7, Some(9)))),
            (3180, &[7, code], Some((7, None))),
            (62211, &[7, code], Some((7, None))),
            // PyPy 3.10 and 3.6.
            (384, &[0, 7, 9], Some((7, Some(9)))),
            (384, &[3, 7, 9], None),
            // Texts whose first line has two letters.
            (0x4141, &[7, 9, 9], None),
            (160, &[7, 9], Some((7, Some(9)))),
            (3495, &[0, 7], None),
            (3495, &[], None),
        ] {
            let found = bytecode(&head(number, words));
            let expected = expected.map(|(time, size)| Stamp::Source { time, size });
            assert_eq!(found, expected, "{number} {words:?}");
        }
        for number in [3495, 384] {
            let found = bytecode(&head(number, &[1, 7, 9]));
            assert_eq!(found, Some(Stamp::Unchecked));
        }
        assert_eq!(bytecode(b"#!/bin/sh\n: a text"), None);
    }

    #[test]
    fn what_caches_of_fonts_record() {
        let words = |words: &[u32]| -> Vec<u8> {
            (words.iter().flat_map(|word| word.to_le_bytes())).collect()
        };
        let little = |fields: &[u32]| [words(fields), b"/usr/f\0".to_vec()].concat();
        let big = |fields: &[u32]| {
            let bytes = fields.iter().flat_map(|word| word.to_be_bytes());
            let bytes: Vec<u8> = bytes.collect();
            [bytes, b"/usr/f\0".to_vec()].concat()
        };
        let wide = [0xfc02_fc04, 9, 90, 0, 64, 0, 80, 0, 1, 0, 88, 0, 7, 0, 5, 0];
        let narrow = [0xfc02_fc04, 9, 90, 40, 80, 1, 88, 7, 5, 0];
        let wide_big = [0xfc02_fc04, 9, 0, 90, 0, 64, 0, 80, 1, 0, 0, 88, 7, 0, 0, 5];
        let narrow_big = [0xfc02_fc04, 9, 90, 40, 80, 1, 88, 7, 0, 5];
        let expected = Stamp::Fonts(Box::new(Fonts {
            directory: b"usr/f".to_vec(),
            time: 7,
            nanoseconds: 5,
        }));
        for head in [
            little(&wide),
            little(&narrow),
            big(&wide_big),
            big(&narrow_big),
        ] {
            assert_eq!(fonts(&head), Some(expected.clone()));
            assert_eq!(fonts(&head[..head.len() - 1]), None);
        }
        assert_eq!(fonts(&words(&[0xfc02_fc04, 9, 90, 0, 63, 0, 80, 0])), None);
    }
}
