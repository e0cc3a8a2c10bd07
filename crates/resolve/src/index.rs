//! Finds packages by what they offer: name, provides, files.
//!
//! The index is one sorted list of (hash of the word, package, position), looked up by bisection.
//! A list of integers sorts ten times faster than the words themselves would, and a hit is checked
//! against the word. The hash decides where an entry lies and never what is found or in which
//! order: that is the order of packages.

use std::hash::{DefaultHasher, Hash, Hasher};

/// Position of an entry that stands for the package's own name.
pub(crate) const OWN_NAME: u32 = u32::MAX;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Entry {
    hash: u64,
    package: u32,
    position: u32,
}

/// A list of words with the packages that offer them.
#[derive(Debug, Default)]
pub(crate) struct Index {
    entries: Vec<Entry>,
}

/// Returns the hash of `word`, the same in every process: [`DefaultHasher::new`] has fixed keys.
fn hash(word: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    hasher.finish()
}

impl Index {
    /// Returns an index of (word, package, position).
    pub(crate) fn new<'a>(words: impl Iterator<Item = (&'a str, u32, u32)>) -> Self {
        let entry = |(word, package, position)| Entry {
            hash: hash(word),
            package,
            position,
        };
        let mut entries: Vec<Entry> = words.map(entry).collect();
        entries.sort_unstable();
        Self { entries }
    }

    /// Returns (package, position) of all entries whose word may be `word`, by package.
    ///
    /// Other words of the same hash are among them; the caller compares.
    pub(crate) fn find(&self, word: &str) -> impl Iterator<Item = (u32, u32)> + '_ {
        let wanted = hash(word);
        let start = self.entries.partition_point(|entry| entry.hash < wanted);
        (self.entries.iter().skip(start))
            .take_while(move |entry| entry.hash == wanted)
            .map(|entry| (entry.package, entry.position))
    }
}
