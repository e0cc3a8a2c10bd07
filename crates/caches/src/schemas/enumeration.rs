//! The names of an enumeration, of flags or of choices, with their numbers and aliases.

use std::collections::{BTreeMap, BTreeSet};

/// The longest name, in bytes.
const MAX_NAME: usize = 65;
/// Most bytes that the names of one may take.
pub(super) const MAX_BYTES: usize = 1 << 20;

/// Names with numbers, as they are stored: in 32 bits each number, then its name, which begins with
/// `ff`, or `fe` if it is an alias, and ends with `ff`. The number of an alias is the place of its
/// target.
#[derive(Clone, Debug, Default)]
pub(super) struct Enumeration {
    bytes: Vec<u8>,
    /// Where each name is, in numbers of 32 bits, and whether it is an alias.
    places: BTreeMap<String, (usize, bool)>,
    numbers: BTreeSet<u32>,
}

impl Enumeration {
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Returns how it is stored.
    pub(super) fn words(&self) -> Vec<u32> {
        let words = self.bytes.as_chunks::<4>().0.iter();
        words.map(|word| u32::from_le_bytes(*word)).collect()
    }

    /// Says whether a name is one of them; aliases are not.
    pub(super) fn has(&self, name: &str) -> bool {
        self.places.get(name).is_some_and(|(_, is_alias)| !is_alias)
    }

    /// Adds a name with a number of its own.
    pub(super) fn add_value(&mut self, name: &str, number: u32) -> Result<(), String> {
        if !self.places.contains_key(name) && self.numbers.contains(&number) {
            return Err(format!("the value {number} is there twice"));
        }
        self.add(name, number, false)
    }

    /// Adds a name, without a number.
    pub(super) fn add_choice(&mut self, name: &str) -> Result<(), String> {
        self.add(name, 0, false)
    }

    /// Adds another name for one of them.
    pub(super) fn add_alias(&mut self, name: &str, target: &str) -> Result<(), String> {
        let target = match self.places.get(target) {
            Some((place, false)) => u32::try_from(*place).map_err(|error| error.to_string())?,
            _ => {
                return Err(format!(
                    "the alias {name} is of {target}, which is not there"
                ));
            }
        };
        self.add(name, target, true)
    }

    fn add(&mut self, name: &str, number: u32, is_alias: bool) -> Result<(), String> {
        if name.len() > MAX_NAME {
            return Err(format!("the name {name} is longer than {MAX_NAME} bytes"));
        }
        let place = (self.bytes.len() / 4, is_alias);
        if self.places.insert(name.to_owned(), place).is_some() {
            return Err(format!("the name {name} is there twice"));
        }
        if !is_alias {
            self.numbers.insert(number);
        }
        self.bytes.extend(number.to_le_bytes());
        let mut stored = vec![if is_alias { 0xfe } else { 0xff }];
        stored.extend(name.as_bytes());
        stored.resize(((name.len() + 6) / 4).max(2) * 4 - 1, 0);
        stored.push(0xff);
        self.bytes.extend(stored);
        match self.bytes.len() > MAX_BYTES {
            true => Err(format!("its names take more than {MAX_BYTES} bytes")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stored_and_bounded() {
        let mut names = Enumeration::default();
        names.add_value("foo", 1).unwrap();
        names.add_value("longer", 2).unwrap();
        names.add_alias("baz", "longer").unwrap();
        let expected = b"\x01\0\0\0\xfffoo\0\0\0\xff\x02\0\0\0\xfflonger\0\0\0\0\xff\x03\0\0\0\xfebaz\0\0\0\xff";
        assert_eq!(names.bytes, expected);
        assert!(names.has("foo") && !names.has("baz"));
        let wrong = [
            names.add_value("foo", 3),
            names.add_value("bar", 2),
            names.add_alias("x", "baz"),
            names.add_choice(&"x".repeat(MAX_NAME + 1)),
        ];
        let said: Vec<_> = wrong.into_iter().map(Result::unwrap_err).collect();
        assert_eq!(said[0], "the name foo is there twice");
        assert_eq!(said[1], "the value 2 is there twice");
        assert_eq!(said[2], "the alias x is of baz, which is not there");
        assert!(said[3].ends_with("is longer than 65 bytes"));
        names.add_choice(&"x".repeat(MAX_NAME)).unwrap();

        let mut many = Enumeration::default();
        let added =
            (0..MAX_BYTES).find_map(|number| many.add_choice(&format!("{number:065}")).err());
        assert_eq!(added.unwrap(), "its names take more than 1048576 bytes");
        assert!(many.bytes.len() <= MAX_BYTES + 100);
    }
}
