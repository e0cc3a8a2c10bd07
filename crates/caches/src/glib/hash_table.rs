//! The order in which a table of hashes of GLib goes, which files that are written from one have.
//!
//! Open addressing: the place of a key is its hash modulo a prime; where it is taken, the next ones
//! are 1, 3, 6, 10, ... places further. A key that is removed leaves a mark, which a later one takes.
//! A table that gets too full or too empty is arranged again in its own memory, each key that has to
//! make room being placed next. So has it been since GLib 2.60.

/// The power of two of the smallest table.
const MIN_SHIFT: u32 = 3;
/// The largest prime below each power of two.
const PRIMES: [u32; 32] = [
    1,
    2,
    3,
    7,
    13,
    31,
    61,
    127,
    251,
    509,
    1021,
    2039,
    4093,
    8191,
    16381,
    32749,
    65521,
    131_071,
    262_139,
    524_287,
    1_048_573,
    2_097_143,
    4_194_301,
    8_388_593,
    16_777_213,
    33_554_393,
    67_108_859,
    134_217_689,
    268_435_399,
    536_870_909,
    1_073_741_789,
    2_147_483_647,
];

/// Texts in the order of GLib's table of them.
#[derive(Clone, Debug)]
pub(crate) struct HashTable {
    slots: Vec<Slot>,
    shift: u32,
    /// How many keys there are.
    keys: usize,
    /// How many places are taken by keys and marks.
    occupied: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Slot {
    #[default]
    Unused,
    Removed,
    Key(u32, String),
}

impl Default for HashTable {
    fn default() -> Self {
        Self {
            slots: vec![Slot::Unused; 1 << MIN_SHIFT],
            shift: MIN_SHIFT,
            keys: 0,
            occupied: 0,
        }
    }
}

impl FromIterator<String> for HashTable {
    fn from_iter<I: IntoIterator<Item = String>>(keys: I) -> Self {
        let mut table = Self::default();
        for key in keys {
            table.insert(&key);
        }
        table
    }
}

impl HashTable {
    /// Adds a key, if it is not there.
    pub(crate) fn insert(&mut self, key: &str) {
        let hash = hash_of(key);
        let place = self.find(key, hash);
        let is_new = match self.slots.get(place) {
            Some(Slot::Key(..)) | None => return,
            Some(slot) => *slot == Slot::Unused,
        };
        if let Some(slot) = self.slots.get_mut(place) {
            *slot = Slot::Key(hash, key.to_owned());
        }
        self.keys += 1;
        if is_new {
            self.occupied += 1;
            self.fit();
        }
    }

    /// Removes a key, if it is there.
    pub(crate) fn remove(&mut self, key: &str) {
        let place = self.find(key, hash_of(key));
        if let Some(slot @ Slot::Key(..)) = self.slots.get_mut(place) {
            *slot = Slot::Removed;
            self.keys -= 1;
            self.fit();
        }
    }

    /// Returns the keys in their order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &str> {
        self.slots.iter().filter_map(|slot| match slot {
            Slot::Key(_, key) => Some(key.as_str()),
            Slot::Unused | Slot::Removed => None,
        })
    }

    /// Returns the place of a key: where it is, or where it would be put.
    fn find(&self, key: &str, hash: u32) -> usize {
        let mut removed = None;
        let (mut place, mut step) = (self.first_place(hash), 0);
        loop {
            match self.slots.get(place) {
                Some(Slot::Key(_, known)) if known == key => return place,
                Some(Slot::Key(..)) => {}
                Some(Slot::Removed) => drop(removed.get_or_insert(place)),
                // A table is never full.
                Some(Slot::Unused) | None => return removed.unwrap_or(place),
            }
            step += 1;
            place = (place + step) & (self.slots.len() - 1);
        }
    }

    fn first_place(&self, hash: u32) -> usize {
        let prime = PRIMES.get(self.shift as usize).copied().unwrap_or(1);
        (hash.wrapping_mul(11) % prime) as usize
    }

    /// Arranges the keys again where the table is too large or too small for them.
    fn fit(&mut self) {
        let size = self.slots.len();
        let is_large = size > self.keys * 4 && size > 1 << MIN_SHIFT;
        let is_full = size <= self.occupied + self.occupied / 16;
        if is_large || is_full {
            self.arrange();
        }
    }

    fn arrange(&mut self) {
        // As the product with 1.333 is rounded.
        let wanted = self.keys * 1333 / 1000;
        self.shift = (usize::BITS - wanted.leading_zeros()).max(MIN_SHIFT);
        let size = 1 << self.shift;
        let old = self.slots.len();
        self.slots.resize(old.max(size), Slot::Unused);
        let mut placed = vec![false; self.slots.len()];
        for slot in &mut self.slots {
            if *slot == Slot::Removed {
                *slot = Slot::Unused;
            }
        }
        for from in 0..old {
            if placed[from] {
                continue;
            }
            let mut slot = std::mem::take(&mut self.slots[from]);
            while let Slot::Key(hash, _) = slot {
                let (mut place, mut step) = (self.first_place(hash), 0);
                while placed[place] {
                    step += 1;
                    place = (place + step) & (size - 1);
                }
                placed[place] = true;
                std::mem::swap(&mut self.slots[place], &mut slot);
            }
        }
        self.slots.truncate(size);
        self.occupied = self.keys;
    }
}

/// Returns the hash of a text; none is one of the two that stand for no key.
fn hash_of(key: &str) -> u32 {
    match djb(key) {
        0 | 1 => 2,
        hash => hash,
    }
}

/// Returns Bernstein's hash of a text, whose bytes have a sign.
pub(crate) fn djb(key: &str) -> u32 {
    let signed = key.bytes().map(|byte| i32::from(byte.cast_signed()));
    signed.fold(5381, |hash: u32, byte| {
        hash.wrapping_mul(33).wrapping_add(byte.cast_unsigned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_and_go() {
        let name = |number: usize| format!("key-{number}");
        let mut table: HashTable = (0..100).map(name).collect();
        table.insert("key-7");
        assert_eq!(table.keys().count(), 100);
        for number in 3..100 {
            table.remove(&name(number));
        }
        table.remove("nothing");
        let mut left: Vec<_> = table.keys().collect();
        left.sort_unstable();
        assert_eq!(left, ["key-0", "key-1", "key-2"]);
        assert_eq!(table.slots.len(), 8, "it is as small as it was");
    }
}
