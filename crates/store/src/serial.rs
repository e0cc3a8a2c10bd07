//! The number of a list, which only ever grows.
//!
//! A signature says who made a list, and not that it is the last one: an older list with its own
//! good signature can be put back, or the list of another store by the same key. So a signed list
//! has a line of its own,
//!
//! ```text
//! <SHA-256 of the signed list before it, or of nothing>  SERIAL-<number>-<store>
//! ```
//!
//! which every client takes for a file that no pattern fits, as it takes `BEST-BEFORE-…`. The
//! number grows by one with each signature. The store is 16 hex digits, made from its first list,
//! key and time of signature, and stays. Who signs remembers the last line that it signed, outside of the
//! store, and extends no list that comes before it. The hash makes the lists a chain: from one of
//! them its owner can tell whether another comes right after it.

use std::fmt;

use sha2::{Digest as _, Sha256};

use crate::sums::Sums;

/// What the name of the line begins with.
pub(crate) const PREFIX: &str = "SERIAL-";

/// Most digits of a number: nobody signs that often, and no sum of two overflows.
const MAX_DIGITS: usize = 15;

/// Number of hex digits by which a store is known.
const STORE_DIGITS: usize = 16;

/// Which list of which store it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serial {
    /// How many lists of the store were signed, this one included.
    pub number: u64,
    /// The store: 16 hex digits in lower case.
    pub store: String,
}

/// A list that was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issued {
    /// Which list it is.
    pub serial: Serial,
    /// SHA-256 of its bytes.
    pub sha256: [u8; 32],
}

/// Why a list is not one that may follow the last list that was signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Setback {
    /// An earlier list.
    #[error("is list {found}, and list {last} of this store was signed here before")]
    Older {
        /// The number of the list that is there.
        found: u64,
        /// The number of the last list that was signed.
        last: u64,
    },
    /// A list of the same number with other lines.
    #[error("is not the list {number} that was signed here before")]
    Forked {
        /// The number of both.
        number: u64,
    },
    /// A list of another store.
    #[error("is list {found}, and list {last} was signed here before")]
    OtherStore {
        /// Which list it is.
        found: Serial,
        /// Which list was signed last.
        last: Serial,
    },
    /// A list without a number.
    #[error("has no {PREFIX}… line, and list {last} was signed here before")]
    NoNumber {
        /// The number of the last list that was signed.
        last: u64,
    },
}

impl Serial {
    /// Reads the name of a line, if it is one.
    #[must_use]
    pub fn parse(name: &str) -> Option<Serial> {
        let (number, store) = name.strip_prefix(PREFIX)?.split_once('-')?;
        let is_number = (1..=MAX_DIGITS).contains(&number.len())
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && !number.starts_with('0');
        let is_hex = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_store = store.len() == STORE_DIGITS && store.bytes().all(is_hex);
        (is_number && is_store).then_some(Serial {
            number: number.parse().ok()?,
            store: store.to_owned(),
        })
    }

    /// Fails if a list of these bytes may not follow `last`; `found` is its own number.
    pub(crate) fn check(
        found: Option<&Serial>,
        list: &[u8],
        last: &Issued,
        is_vouched_for: bool,
    ) -> Result<(), Setback> {
        let number = last.serial.number;
        match found {
            None => Err(Setback::NoNumber { last: number }),
            Some(found) if found.store != last.serial.store => Err(Setback::OtherStore {
                found: found.clone(),
                last: last.serial.clone(),
            }),
            Some(found) if found.number < number => Err(Setback::Older {
                found: found.number,
                last: number,
            }),
            Some(found)
                if found.number == number && !is_vouched_for && digest(list) != last.sha256 =>
            {
                Err(Setback::Forked { number })
            }
            Some(_) => Ok(()),
        }
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of store {}", self.number, self.store)
    }
}

/// SHA-256 of the bytes of a list.
pub(crate) fn digest(list: &[u8]) -> [u8; 32] {
    Sha256::digest(list).into()
}

/// The number that a list has: the largest, if somebody put several there.
pub(crate) fn of(sums: &Sums) -> Option<Serial> {
    (sums.entries().iter())
        .filter_map(|entry| Serial::parse(&entry.name))
        .max_by_key(|serial| serial.number)
}

/// Gives a list the next number, in place of the one it has. `former` are the bytes of the list
/// before it, `last` is what was signed last as far as is known, and `signer` is the key that signs
/// and the time at which it does.
pub(crate) fn stamp(
    sums: &mut Sums,
    former: &[u8],
    last: Option<&Serial>,
    (key, time): (&str, u64),
) -> Serial {
    let listed = of(sums);
    sums.retain(|name| !name.starts_with(PREFIX));
    let number = (listed.iter().chain(last))
        .map(|serial| serial.number)
        .max();
    let store = (last.or(listed.as_ref())).map(|serial| serial.store.clone());
    let serial = Serial {
        number: number.unwrap_or(0) + 1,
        store: store.unwrap_or_else(|| {
            let mut hasher = Sha256::new();
            hasher.update(format!("{key} {time}\n"));
            hasher.update(sums.print());
            let mut name = hex::encode(hasher.finalize());
            name.truncate(STORE_DIGITS);
            name
        }),
    };
    let name = format!("{PREFIX}{}-{}", serial.number, serial.store);
    // The first one follows nothing that was signed.
    let former = if listed.is_some() { former } else { b"" };
    sums.insert(&name, digest(former));
    serial
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORE: &str = "0123456789abcdef";

    fn serial(number: u64, store: &str) -> Serial {
        Serial {
            number,
            store: store.to_owned(),
        }
    }

    #[test]
    fn names() {
        for (name, expected) in [
            ("SERIAL-1-0123456789abcdef", Some(1)),
            (
                "SERIAL-999999999999999-0123456789abcdef",
                Some(999_999_999_999_999),
            ),
            ("SERIAL-1000000000000000-0123456789abcdef", None),
            ("SERIAL-0-0123456789abcdef", None),
            ("SERIAL-01-0123456789abcdef", None),
            ("SERIAL-+1-0123456789abcdef", None),
            ("SERIAL--0123456789abcdef", None),
            ("SERIAL-1", None),
            ("SERIAL-1-0123456789abcde", None),
            ("SERIAL-1-0123456789abcdef0", None),
            ("SERIAL-1-0123456789ABCDEF", None),
            ("serial-1-0123456789abcdef", None),
        ] {
            let expected = expected.map(|number| serial(number, STORE));
            assert_eq!(Serial::parse(name), expected, "{name}");
        }
    }

    #[test]
    fn what_may_follow() {
        let other = "fedcba9876543210";
        let last = Issued {
            serial: serial(7, STORE),
            sha256: digest(b"seven"),
        };
        let older = Setback::Older { found: 6, last: 7 };
        let of_another = |number| Setback::OtherStore {
            found: serial(number, other),
            last: last.serial.clone(),
        };
        for (found, list, is_vouched_for, expected) in [
            (Some((7, STORE)), "seven", false, Ok(())),
            (Some((8, STORE)), "eight", false, Ok(())),
            (Some((6, STORE)), "six", false, Err(older.clone())),
            (Some((6, STORE)), "six", true, Err(older)),
            (
                Some((7, STORE)),
                "seven too",
                false,
                Err(Setback::Forked { number: 7 }),
            ),
            // Who signed knows that the lines are others now.
            (Some((7, STORE)), "seven too", true, Ok(())),
            (Some((7, other)), "seven", false, Err(of_another(7))),
            (Some((8, other)), "eight", true, Err(of_another(8))),
            (None, "seven", false, Err(Setback::NoNumber { last: 7 })),
            (None, "", true, Err(Setback::NoNumber { last: 7 })),
        ] {
            let found = found.map(|(number, store)| serial(number, store));
            let checked = Serial::check(found.as_ref(), list.as_bytes(), &last, is_vouched_for);
            assert_eq!(checked, expected, "{found:?} {list} {is_vouched_for}");
        }
    }

    #[test]
    fn numbers_grow_and_the_store_stays() {
        let mut first = Sums::default();
        first.insert("a-1.raw", [1; 32]);
        let lines = first.print();
        let one = stamp(&mut first, &lines, None, ("owner", 9));
        assert_eq!(one.number, 1);
        // `{ echo owner 9; cat lines; } | sha256sum`
        let mut hasher = Sha256::new();
        hasher.update([b"owner 9\n", lines.as_slice()].concat());
        assert!(hex::encode(hasher.finalize()).starts_with(&one.store));
        let name = format!("SERIAL-1-{}", one.store);
        assert_eq!(first.get(&name), Some(&digest(b"")));

        let mut next = first.clone();
        next.insert("b-1.raw", [2; 32]);
        let two = stamp(&mut next, &first.print(), None, ("another", 10));
        assert_eq!(two, serial(2, &one.store));
        assert_eq!(of(&next), Some(two));
        assert_eq!(next.get(&name), None);
        let name = format!("SERIAL-2-{}", one.store);
        assert_eq!(next.get(&name), Some(&digest(&first.print())));

        // What is remembered wins, whatever the list says.
        for (listed, last, expected) in [
            ("SERIAL-3-0123456789abcdef", 9, 10),
            ("SERIAL-30-fedcba9876543210", 9, 31),
            ("a.raw", 9, 10),
        ] {
            let mut sums = Sums::default();
            sums.insert(listed, [0; 32]);
            let last = serial(last, STORE);
            let stamped = stamp(&mut sums, b"", Some(&last), ("owner", 9));
            assert_eq!(stamped, serial(expected, STORE), "{listed}");
        }
        // The first list of another key, at another time, or with other lines, is of another store.
        let mut stores = vec![one.store];
        for (key, time, file) in [
            ("another", 9, "a-1.raw"),
            ("owner", 10, "a-1.raw"),
            ("owner", 9, "b-1.raw"),
        ] {
            let mut sums = Sums::default();
            sums.insert(file, [1; 32]);
            stores.push(stamp(&mut sums, b"", None, (key, time)).store);
        }
        stores.sort();
        stores.dedup();
        assert_eq!(stores.len(), 4);
    }
}
