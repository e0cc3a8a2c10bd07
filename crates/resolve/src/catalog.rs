//! Packages on offer in a compact form that is made once and kept: the metadata of a repository.
//!
//! A [`Catalog`] is one block of bytes. It is read where it lies, so that a catalog from a cache
//! costs no parsing and no sorting, and a package costs something only when a resolution looks at
//! it. Every word is held once and is known by its number; what packages offer and what they
//! object to is found by that number. All numbers are unsigned, 32 bits and little-endian:
//!
//! ```text
//! magic       8 bytes, the last one the version of this format
//! check       8 bytes, the hash of a known word: a hash that has changed makes another format
//! counts      the number of entries in each section below, in their order
//! text        all words, one after the other, bytes
//! words       end of each word in the text
//! slots       hash table of words: number of a word + 1, or 0; a power of two of them
//! packages    name, epoch, version, release, architecture (words but for the epoch),
//!             end of its dependencies, of its files, of its attachment
//! dependencies  word, word of the EVR, kind and comparison; package by package
//! files       word of the path; package by package
//! offer ends  for each word, the end of the offers of it
//! offers      package, and the number of the provides, OWN_NAME or A_FILE; word by word
//! objections  word, package, number of the conflicts or obsoletes; sorted
//! supplementing  packages with something in Supplements
//! attachments bytes; package by package
//! ```
//!
//! [`Catalog::decode`] checks what memory safety and bounded work depend on: that the sections
//! fill the block, and that ends don't decrease. A number inside of a section that is wrong gives
//! a wrong word or none. It is a format for a cache of one's own and no defence against forgery;
//! a caller that keeps it should keep a digest of what it was made from with it.

mod builder;

use std::hash::{DefaultHasher, Hash, Hasher};
use std::ops::Range;
use std::sync::Arc;

pub use builder::CatalogBuilder;

use crate::dependency::{Capability, Dependency, Rich};
use crate::error::Error;
use crate::evr::{Comparison, Evr};
use crate::solvable::{Nevra, Solvable};

const MAGIC: [u8; 8] = *b"catalog\x01";
/// Length of what precedes the sections.
const HEADER: usize = 16 + 4 * SECTIONS;
const SECTIONS: usize = 11;
/// Bytes in one word. The longest that were seen in real repositories have some 2 000.
const MAX_WORD: usize = 64 * 1024;
/// In place of a number of a dependency: the package is named so.
const OWN_NAME: u32 = u32::MAX;
/// In place of a number of a dependency: the package has a file of that path.
const A_FILE: u32 = u32::MAX - 1;

/// A list of a package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// [`Solvable::provides`]
    Provides,
    /// [`Solvable::requires`]
    Requires,
    /// [`Solvable::conflicts`]
    Conflicts,
    /// [`Solvable::obsoletes`]
    Obsoletes,
    /// [`Solvable::recommends`]
    Recommends,
    /// [`Solvable::suggests`]
    Suggests,
    /// [`Solvable::supplements`]
    Supplements,
    /// [`Solvable::enhances`]
    Enhances,
}

const KINDS: [Kind; 8] = [
    Kind::Provides,
    Kind::Requires,
    Kind::Conflicts,
    Kind::Obsoletes,
    Kind::Recommends,
    Kind::Suggests,
    Kind::Supplements,
    Kind::Enhances,
];

const COMPARISONS: [Comparison; 5] = [
    Comparison::Less,
    Comparison::LessEqual,
    Comparison::Equal,
    Comparison::GreaterEqual,
    Comparison::Greater,
];

/// Packages on offer; see the [module](self) for the form and [`CatalogBuilder`] for making one.
///
/// A clone shares the bytes.
#[derive(Clone)]
pub struct Catalog {
    bytes: Arc<Vec<u8>>,
    sections: [Section; SECTIONS],
}

/// The sections, in their order.
#[derive(Clone, Copy)]
enum Name {
    Text,
    Words,
    Slots,
    Packages,
    Dependencies,
    Files,
    OfferEnds,
    Offers,
    Objections,
    Supplementing,
    Attachments,
}

/// Bytes of an entry in each section.
const WIDTHS: [usize; SECTIONS] = [1, 4, 4, 32, 12, 4, 4, 8, 12, 4, 1];

/// Where a section lies.
#[derive(Clone, Copy, Default)]
struct Section {
    start: usize,
    entries: usize,
}

/// A dependency as it is stored.
#[derive(Clone, Copy)]
pub(crate) struct Stored<'a> {
    pub(crate) name: &'a str,
    kind: Option<Kind>,
    range: Option<(Comparison, &'a str)>,
}

impl Stored<'_> {
    fn capability(self) -> Capability {
        Capability {
            name: self.name.to_owned(),
            range: self.range.map(|(sense, evr)| (sense, Evr::parse(evr))),
        }
    }

    /// Returns the dependency. An expression that can't be read stays a name, which nothing has:
    /// that package can't be chosen, and the others can.
    ///
    /// `packageand(a:b)` is how SUSE wrote `(a and b)` before rpm knew it.
    fn dependency(self) -> Dependency {
        let hints = [Some(Kind::Supplements), Some(Kind::Enhances)];
        let both = self.name.strip_prefix("packageand(");
        let both = both.and_then(|rest| rest.strip_suffix(')'));
        if let Some(both) = both.filter(|_| hints.contains(&self.kind)) {
            let names = both.split(':').map(Dependency::named).collect();
            return Dependency::Rich(Box::new(Rich::And(names)));
        }
        match self.is_rich() {
            true => Dependency::parse(self.name).unwrap_or_else(|_| Dependency::named(self.name)),
            false => Dependency::Simple(self.capability()),
        }
    }

    fn is_rich(self) -> bool {
        self.name.starts_with('(')
    }
}

impl Catalog {
    /// Returns a catalog of these packages.
    ///
    /// # Errors
    ///
    /// As [`CatalogBuilder::finish`].
    pub fn of<'a>(solvables: impl IntoIterator<Item = &'a Solvable>) -> Result<Self, Error> {
        let mut builder = CatalogBuilder::new();
        for solvable in solvables {
            builder.solvable(solvable);
        }
        builder.finish()
    }

    /// Returns the catalog as bytes, to be kept for [`Catalog::decode`].
    pub fn encode(&self) -> &[u8] {
        &self.bytes
    }

    /// Reads what [`Catalog::encode`] gave; a `Vec` is taken as it is, a slice is copied.
    ///
    /// # Errors
    ///
    /// If the bytes are of another version of the format, or not complete, or don't fit together.
    pub fn decode(bytes: impl Into<Vec<u8>>) -> Result<Self, Error> {
        let bytes = Arc::new(bytes.into());
        let damaged = |reason| Error::DamagedCatalog { reason };
        if bytes.get(..8) != Some(&MAGIC[..]) || bytes.get(8..16) != Some(&check()[..]) {
            return Err(damaged("it is not a catalog, or one of another version"));
        }
        let mut sections = [Section::default(); SECTIONS];
        let mut end = HEADER;
        for (number, (section, width)) in sections.iter_mut().zip(WIDTHS).enumerate() {
            let count = number_at(&bytes, 16 + 4 * number).unwrap_or_default();
            let entries = usize::try_from(count).unwrap_or(usize::MAX);
            *section = Section {
                start: end,
                entries,
            };
            end = (entries.checked_mul(width))
                .and_then(|length| length.checked_add(end))
                .filter(|end| *end <= bytes.len())
                .ok_or_else(|| damaged("its end is missing"))?;
        }
        if end != bytes.len() {
            return Err(damaged("there is something after its end"));
        }
        let catalog = Self { bytes, sections };
        let ends = |of: Name, field, within: Name| {
            let limit = catalog.count(within);
            let mut before = 0;
            (0..catalog.count(of)).all(|entry| {
                let end = catalog.field(of, entry, field);
                let rises = before <= end && end <= limit;
                before = end;
                rises
            })
        };
        let is_sound = catalog.count(Name::Slots).is_power_of_two()
            && catalog.count(Name::Slots) > catalog.count(Name::Words)
            && catalog.count(Name::OfferEnds) == catalog.count(Name::Words)
            && ends(Name::Words, 0, Name::Text)
            && ends(Name::Packages, 5, Name::Dependencies)
            && ends(Name::Packages, 6, Name::Files)
            && ends(Name::Packages, 7, Name::Attachments)
            && ends(Name::OfferEnds, 0, Name::Offers);
        match is_sound {
            true => Ok(catalog),
            false => Err(damaged("its parts don't fit together")),
        }
    }

    /// Returns the number of packages.
    pub fn len(&self) -> usize {
        place(self.count(Name::Packages))
    }

    /// Returns whether there is no package.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns the identity of the package of that index.
    pub fn nevra(&self, index: usize) -> Option<Nevra> {
        let package = self.package(index)?;
        Some(Nevra {
            name: self.name(package).to_owned(),
            evr: self.evr(package),
            arch: self.arch(package).to_owned(),
        })
    }

    /// Returns the package of that index with all its dependencies and files.
    pub fn solvable(&self, index: usize) -> Option<Solvable> {
        let package = self.package(index)?;
        let mut solvable = Solvable {
            nevra: self.nevra(index)?,
            ..Solvable::default()
        };
        for number in self.range(Name::Packages, package, 5) {
            let stored = self.stored(number);
            let list = match stored.kind {
                Some(Kind::Provides) => &mut solvable.provides,
                Some(Kind::Requires) => &mut solvable.requires,
                Some(Kind::Conflicts) => &mut solvable.conflicts,
                Some(Kind::Obsoletes) => &mut solvable.obsoletes,
                Some(Kind::Recommends) => &mut solvable.recommends,
                Some(Kind::Suggests) => &mut solvable.suggests,
                Some(Kind::Supplements) => &mut solvable.supplements,
                Some(Kind::Enhances) => &mut solvable.enhances,
                None => continue,
            };
            list.push(stored.dependency());
        }
        let files = self.range(Name::Packages, package, 6);
        let path = |entry| self.word(self.field(Name::Files, entry, 0)).to_owned();
        solvable.files = files.map(path).collect();
        Some(solvable)
    }

    /// Returns what was attached to the package of that index by [`CatalogBuilder::attach`].
    pub fn attachment(&self, index: usize) -> Option<&[u8]> {
        let package = self.package(index)?;
        let range = self.range(Name::Packages, package, 7);
        let start = self.section(Name::Attachments).start;
        (self.bytes).get(start + place(range.start)..start + place(range.end))
    }

    /// Returns the indexes of the packages of that name.
    pub fn named(&self, name: &str) -> Vec<usize> {
        let named = self.offers(name).filter(|(_, what)| *what == OWN_NAME);
        named.map(|(package, _)| place(package)).collect()
    }

    /// Returns the indexes of the packages that provide `word`.
    pub fn offering(&self, word: &str) -> Vec<usize> {
        let offers = self.offers(word).filter(|(_, what)| *what < A_FILE);
        offers.map(|(package, _)| place(package)).collect()
    }

    /// Returns the packages that satisfy `wanted`, by number; one may be there more than once.
    pub(crate) fn providers<'a>(&'a self, wanted: &'a Capability) -> impl Iterator<Item = u32> {
        self.offers(&wanted.name)
            .filter(|&(package, what)| match what {
                A_FILE => true,
                _ if wanted.range.is_none() => true,
                OWN_NAME => wanted.matches_package(&wanted.name, &self.evr(package)),
                number => wanted.satisfied_by(&self.stored(number).capability()),
            })
            .map(|(package, _)| package)
    }

    /// Returns (package, number of the dependency) of all that conflict with `word` or obsolete
    /// it, in any version.
    pub(crate) fn objections(&self, word: &str) -> impl Iterator<Item = (u32, u32)> {
        let word = self.find(word);
        let count = word.map_or(0, |_| self.count(Name::Objections));
        let start = word.map_or(0, |word| self.first_objection(word));
        (start..count)
            .map(|entry| [0, 1, 2].map(|field| self.field(Name::Objections, entry, field)))
            .take_while(move |[of, ..]| Some(*of) == word)
            .map(|[_, package, number]| (package, number))
    }

    /// Returns the paths that some package conflicts with.
    pub(crate) fn paths_objected_to(&self) -> Vec<&str> {
        let objections = 0..self.count(Name::Objections);
        let words = objections.map(|entry| self.word(self.field(Name::Objections, entry, 0)));
        let mut paths: Vec<&str> = words.filter(|word| word.starts_with('/')).collect();
        paths.dedup();
        paths
    }

    /// Returns a dependency of a package with its kind and its place in the list of that kind;
    /// none if the number is not one of the package's.
    pub(crate) fn dependency(
        &self,
        package: u32,
        number: u32,
    ) -> Option<(Kind, usize, Dependency)> {
        let numbers = self.range(Name::Packages, package, 5);
        let stored = numbers.contains(&number).then(|| self.stored(number))?;
        let before =
            (numbers.start..number).filter(|&other| self.stored(other).kind == stored.kind);
        Some((stored.kind?, before.count(), stored.dependency()))
    }

    /// Returns the packages with something in Supplements.
    pub(crate) fn supplementing(&self) -> impl Iterator<Item = u32> {
        (0..self.count(Name::Supplementing)).map(|entry| self.field(Name::Supplementing, entry, 0))
    }

    pub(crate) fn name(&self, package: u32) -> &str {
        self.word(self.field(Name::Packages, package, 0))
    }

    pub(crate) fn evr(&self, package: u32) -> Evr {
        let field = |field| self.field(Name::Packages, package, field);
        Evr {
            epoch: Some(field(1)).filter(|epoch| *epoch != 0),
            version: self.word(field(2)).to_owned(),
            release: self.word(field(3)).to_owned(),
        }
    }

    pub(crate) fn arch(&self, package: u32) -> &str {
        self.word(self.field(Name::Packages, package, 4))
    }

    fn package(&self, index: usize) -> Option<u32> {
        u32::try_from(index)
            .ok()
            .filter(|package| *package < self.count(Name::Packages))
    }

    fn stored(&self, number: u32) -> Stored<'_> {
        let [name, evr, what] =
            [0, 1, 2].map(|field| self.field(Name::Dependencies, number, field));
        let [_, comparison, ..] = what.to_le_bytes().map(usize::from);
        Stored {
            name: self.word(name),
            kind: kind(what),
            range: (comparison.checked_sub(1))
                .and_then(|comparison| COMPARISONS.get(comparison))
                .map(|comparison| (*comparison, self.word(evr))),
        }
    }

    /// Returns (package, number of the provides or what it is) of all that offer `word`.
    fn offers(&self, word: &str) -> impl Iterator<Item = (u32, u32)> {
        let range = (self.find(word)).map_or(0..0, |word| self.range(Name::OfferEnds, word, 0));
        let packages = self.count(Name::Packages);
        range
            .map(|entry| [0, 1].map(|field| self.field(Name::Offers, entry, field)))
            .filter(move |[package, _]| *package < packages)
            .map(|[package, what]| (package, what))
    }

    fn first_objection(&self, word: u32) -> u32 {
        let (mut low, mut high) = (0, self.count(Name::Objections));
        while low < high {
            let middle = low + (high - low) / 2;
            match self.field(Name::Objections, middle, 0) < word {
                true => low = middle + 1,
                false => high = middle,
            }
        }
        low
    }

    /// Returns the number of a word, if it occurs.
    fn find(&self, word: &str) -> Option<u32> {
        let slots = self.count(Name::Slots);
        let mask = slots.checked_sub(1)?;
        let mut slot = hash(word) & mask;
        for _ in 0..slots {
            let number = self.field(Name::Slots, slot, 0).checked_sub(1)?;
            if self.word(number) == word {
                return Some(number);
            }
            slot = (slot + 1) & mask;
        }
        None
    }

    /// Returns the word of that number; an empty one if there is none.
    fn word(&self, number: u32) -> &str {
        let range = self.range(Name::Words, number, 0);
        let start = self.section(Name::Text).start;
        (self.bytes)
            .get(start + place(range.start)..start + place(range.end))
            .filter(|bytes| bytes.len() <= MAX_WORD)
            .and_then(|bytes| str::from_utf8(bytes).ok())
            .unwrap_or_default()
    }

    /// Returns the entries, in another section, that belong to this one: from the end of those of
    /// the one before to its own.
    fn range(&self, of: Name, entry: u32, field: usize) -> Range<u32> {
        let before = entry.checked_sub(1);
        let start = before.map_or(0, |before| self.field(of, before, field));
        start..self.field(of, entry, field)
    }

    fn count(&self, name: Name) -> u32 {
        u32::try_from(self.section(name).entries).unwrap_or(u32::MAX)
    }

    /// Returns a number of an entry; 0 if there is no such entry.
    fn field(&self, name: Name, entry: u32, field: usize) -> u32 {
        let section = self.section(name);
        let width = WIDTHS.get(name as usize).copied().unwrap_or_default();
        let entry = place(entry);
        if entry >= section.entries {
            return 0;
        }
        number_at(&self.bytes, section.start + entry * width + field * 4).unwrap_or_default()
    }

    fn section(&self, name: Name) -> Section {
        self.sections
            .get(name as usize)
            .copied()
            .unwrap_or_default()
    }
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Catalog of {} packages", self.len())
    }
}

/// Returns the kind in the last number of a stored dependency.
fn kind(what: u32) -> Option<Kind> {
    let [kind, ..] = what.to_le_bytes();
    KINDS.get(usize::from(kind)).copied()
}

/// Returns the hash of a word, the same in every process: [`DefaultHasher::new`] has fixed keys.
fn hash(word: &str) -> u32 {
    let mut hasher = DefaultHasher::new();
    word.hash(&mut hasher);
    let [a, b, c, d, ..] = hasher.finish().to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Returns what tells catalogs of another hash apart.
fn check() -> [u8; 8] {
    let mut hasher = DefaultHasher::new();
    "catalog".hash(&mut hasher);
    hasher.finish().to_le_bytes()
}

fn number_at(bytes: &[u8], offset: usize) -> Option<u32> {
    let bytes = bytes.get(offset..offset.checked_add(4)?)?;
    Some(u32::from_le_bytes(bytes.try_into().ok()?))
}

/// Returns a number as an index.
fn place(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
