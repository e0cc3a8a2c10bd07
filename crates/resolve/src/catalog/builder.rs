//! Makes a catalog, package by package, as a parser meets them.

use crate::catalog::{
    A_FILE, COMPARISONS, Catalog, HEADER, Kind, MAGIC, MAX_WORD, OWN_NAME, check, hash, kind, place,
};
use crate::dependency::Dependency;
use crate::error::Error;
use crate::evr::Comparison;
use crate::solvable::Solvable;

/// Takes packages one after the other: [`begin`](Self::begin), then what the package has, in any
/// order, then the next one. At the end [`finish`](Self::finish) returns the catalog.
///
/// Nothing is checked on the way but what the format can't hold, and that is said at the end.
/// Memory is a few numbers for each dependency and one copy of each different word. Equal
/// dependencies of a package are kept once.
#[derive(Debug, Default)]
pub struct CatalogBuilder {
    text: Vec<u8>,
    words: Vec<u32>,
    slots: Vec<Slot>,
    packages: Vec<[u32; 8]>,
    dependencies: Vec<[u32; 3]>,
    files: Vec<u32>,
    attachments: Vec<u8>,
    /// The dependencies of the package that was begun, by their order.
    sorted: Vec<([u32; 3], usize)>,
    /// Something did not fit into the format.
    overflow: Option<&'static str>,
}

/// A place of the hash table: the number of a word + 1, or 0, with the hash of the word, so that
/// another word is seldom looked at.
#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    number: u32,
    hash: u32,
}

impl CatalogBuilder {
    /// Returns a builder without packages.
    pub fn new() -> Self {
        Self::default()
    }

    /// Begins a package; what is pushed from here on is of it. No epoch is epoch 0.
    pub fn begin(&mut self, name: &str, epoch: u32, version: &str, release: &str, arch: &str) {
        self.drop_repeats();
        let [name, version, release, arch] =
            [name, version, release, arch].map(|word| self.intern(word));
        (self.packages).push([name, epoch, version, release, arch, 0, 0, 0]);
        self.end_package();
    }

    /// Adds a dependency to the package: a name, and the versions of it that are meant, their EVR
    /// in RPM's text form. A name that begins with `(` is a rich dependency.
    ///
    /// A rich dependency that can't be read is one that nothing satisfies.
    pub fn dependency(&mut self, kind: Kind, name: &str, range: Option<(Comparison, &str)>) {
        let name = self.intern(name);
        let (comparison, evr) = match range {
            Some((comparison, evr)) => {
                let mut numbered = (1..).zip(COMPARISONS);
                let found = numbered.find(|(_, other)| *other == comparison);
                (found.map_or(0, |(number, _)| number), self.intern(evr))
            }
            None => (0, 0),
        };
        let what = [kind as u8, comparison, 0, 0];
        (self.dependencies).push([name, evr, u32::from_le_bytes(what)]);
        self.end_package();
    }

    /// Adds a file to the package, by its absolute path.
    pub fn file(&mut self, path: &str) {
        let path = self.intern(path);
        self.files.push(path);
        self.end_package();
    }

    /// Appends to what is kept for the package and given back by [`Catalog::attachment`]: where
    /// its file lies, its digest, or whatever the caller needs. It means nothing to the solver.
    pub fn attach(&mut self, bytes: &[u8]) {
        self.attachments.extend_from_slice(bytes);
        self.end_package();
    }

    /// Adds a package that is a value already.
    pub fn solvable(&mut self, solvable: &Solvable) {
        let nevra = &solvable.nevra;
        let epoch = nevra.evr.epoch.unwrap_or(0);
        self.begin(
            &nevra.name,
            epoch,
            &nevra.evr.version,
            &nevra.evr.release,
            &nevra.arch,
        );
        for (kind, list) in [
            (Kind::Provides, &solvable.provides),
            (Kind::Requires, &solvable.requires),
            (Kind::Conflicts, &solvable.conflicts),
            (Kind::Obsoletes, &solvable.obsoletes),
            (Kind::Recommends, &solvable.recommends),
            (Kind::Suggests, &solvable.suggests),
            (Kind::Supplements, &solvable.supplements),
            (Kind::Enhances, &solvable.enhances),
        ] {
            for dependency in list {
                match dependency {
                    Dependency::Simple(capability) => {
                        let range = capability.range.as_ref();
                        let range = range.map(|(sense, evr)| (*sense, evr.to_string()));
                        let range = range.as_ref().map(|(sense, evr)| (*sense, evr.as_str()));
                        self.dependency(kind, &capability.name, range);
                    }
                    Dependency::Rich(rich) => self.dependency(kind, &rich.to_string(), None),
                }
            }
        }
        for path in &solvable.files {
            self.file(path);
        }
    }

    /// Appends the packages of another builder. The catalog is the same as if they had been added
    /// here one by one, so that packages can be taken in on several threads.
    pub fn append(&mut self, other: &mut Self) {
        self.drop_repeats();
        other.drop_repeats();
        self.overflow = self.overflow.or(other.overflow);
        // Words are numbered as they occur first, here and there.
        let mut hashes = vec![0; other.words.len()];
        for slot in &other.slots {
            let number = slot.number.checked_sub(1).map(place);
            if let Some(hash) = number.and_then(|number| hashes.get_mut(number)) {
                *hash = slot.hash;
            }
        }
        let words = (0u32..).zip(&hashes);
        let words: Vec<u32> = words
            .map(|(number, hash)| self.intern_hashed(other.word(number), *hash))
            .collect();
        let word = |number: u32| words.get(place(number)).copied().unwrap_or_default();
        let before = [
            self.dependencies.len(),
            self.files.len(),
            self.attachments.len(),
        ]
        .map(|length| u32::try_from(length).unwrap_or(u32::MAX));
        let packages = other.packages.iter().map(
            |&[
                name,
                epoch,
                version,
                release,
                arch,
                dependencies,
                files,
                attachments,
            ]| {
                let [name, version, release, arch] = [name, version, release, arch].map(word);
                let ends = [dependencies, files, attachments];
                let [a, b, c] = [0, 1, 2].map(|part| ends[part].saturating_add(before[part]));
                [name, epoch, version, release, arch, a, b, c]
            },
        );
        self.packages.extend(packages);
        let dependencies = other.dependencies.iter().map(|&[name, evr, what]| {
            let [_, comparison, ..] = what.to_le_bytes();
            // A dependency that compares nothing has no EVR to look up.
            let evr = if comparison == 0 { 0 } else { word(evr) };
            [word(name), evr, what]
        });
        self.dependencies.extend(dependencies);
        self.files
            .extend(other.files.iter().map(|path| word(*path)));
        self.attachments.extend_from_slice(&other.attachments);
    }

    /// Returns about how many bytes the catalog of what is there so far would have, at most.
    pub fn size(&self) -> usize {
        self.text.len()
            + self.attachments.len()
            + 4 * (2 * self.words.len() + self.slots.len() + 8 * self.packages.len())
            + 4 * (2 * self.packages.len() + 6 * self.dependencies.len() + 3 * self.files.len())
    }

    /// Returns the catalog.
    ///
    /// # Errors
    ///
    /// If a word is longer than 64 KiB, if there are more than 2^32 - 2 of anything or more than
    /// 4 GiB of words or attachments, or if the first package was not begun when something was
    /// added to it.
    pub fn finish(mut self) -> Result<Catalog, Error> {
        self.drop_repeats();
        if self.slots.is_empty() {
            self.slots = vec![Slot::default()];
        }
        let (offer_ends, offers) = self.offers();
        let mut objections = Vec::new();
        let mut supplementing = Vec::new();
        self.each_dependency(|package, number, [name, _, what]| match kind(what) {
            Some(Kind::Conflicts | Kind::Obsoletes) => objections.push([name, package, number]),
            Some(Kind::Supplements) if supplementing.last() != Some(&package) => {
                supplementing.push(package);
            }
            _ => {}
        });
        objections.sort_unstable();
        let counts = [
            self.text.len(),
            self.words.len(),
            self.slots.len(),
            self.packages.len(),
            self.dependencies.len(),
            self.files.len(),
            offer_ends.len(),
            offers.len(),
            objections.len(),
            supplementing.len(),
            self.attachments.len(),
        ];
        if counts.iter().any(|&count| count >= place(A_FILE)) {
            self.overflow = Some("more than 2^32 entries");
        }
        if let Some(reason) = self.overflow {
            return Err(Error::CatalogTooLarge { reason });
        }
        let numbers = counts.map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        let length = HEADER
            + self.text.len()
            + self.attachments.len()
            + 4 * (self.words.len() + self.slots.len() + 8 * self.packages.len())
            + 4 * (3 * self.dependencies.len() + self.files.len() + offer_ends.len())
            + 4 * (2 * offers.len() + 3 * objections.len() + supplementing.len());
        let mut bytes = Vec::with_capacity(length);
        bytes.extend(MAGIC);
        bytes.extend(check());
        let write = |bytes: &mut Vec<u8>, numbers: &[u32]| {
            bytes.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        };
        write(&mut bytes, &numbers);
        // Each part is dropped when it is written, so that memory holds little more than one copy.
        bytes.append(&mut std::mem::take(&mut self.text));
        write(&mut bytes, &std::mem::take(&mut self.words));
        let slots = std::mem::take(&mut self.slots);
        bytes.extend(slots.iter().flat_map(|slot| slot.number.to_le_bytes()));
        drop(slots);
        write(
            &mut bytes,
            std::mem::take(&mut self.packages).as_flattened(),
        );
        write(
            &mut bytes,
            std::mem::take(&mut self.dependencies).as_flattened(),
        );
        write(&mut bytes, &std::mem::take(&mut self.files));
        write(&mut bytes, &offer_ends);
        write(&mut bytes, offers.as_flattened());
        write(&mut bytes, objections.as_flattened());
        write(&mut bytes, &supplementing);
        bytes.append(&mut self.attachments);
        Catalog::decode(bytes)
    }

    /// Returns for each word the end of its offers, and the offers, by counting: there is nothing
    /// to compare, since packages come in their order.
    fn offers(&self) -> (Vec<u32>, Vec<[u32; 2]>) {
        let mut ends: Vec<u32> = vec![0; self.words.len() + 1];
        self.each_offer(|word, _| {
            if let Some(count) = ends.get_mut(place(word) + 1) {
                *count += 1;
            }
        });
        let mut sum = 0u32;
        for end in &mut ends {
            sum = sum.saturating_add(*end);
            *end = sum;
        }
        // Each of them is the start of a word's offers now, and becomes its end.
        let mut offers = vec![[0; 2]; place(sum)];
        self.each_offer(|word, offer| {
            if let Some(next) = ends.get_mut(place(word)) {
                if let Some(slot) = offers.get_mut(place(*next)) {
                    *slot = offer;
                }
                *next = next.saturating_add(1);
            }
        });
        ends.pop();
        (ends, offers)
    }

    /// Calls `take` with (word, (package, what)) of everything that packages offer, by package.
    fn each_offer(&self, mut take: impl FnMut(u32, [u32; 2])) {
        let (mut dependency, mut file) = (0, 0);
        for (package, &[name, .., dependencies_end, files_end, _]) in (0u32..).zip(&self.packages) {
            for number in dependency..dependencies_end {
                if let Some(&[word, _, what]) = self.dependencies.get(place(number))
                    && kind(what) == Some(Kind::Provides)
                {
                    take(word, [package, number]);
                }
            }
            take(name, [package, OWN_NAME]);
            for number in file..files_end {
                if let Some(&path) = self.files.get(place(number)) {
                    take(path, [package, A_FILE]);
                }
            }
            (dependency, file) = (dependencies_end, files_end);
        }
    }

    fn each_dependency(&self, mut take: impl FnMut(u32, u32, [u32; 3])) {
        let mut start = 0;
        for (package, fields) in (0u32..).zip(&self.packages) {
            for number in start..fields[5] {
                if let Some(dependency) = self.dependencies.get(place(number)) {
                    take(package, number, *dependency);
                }
            }
            start = fields[5];
        }
    }

    /// Drops those of the last package's dependencies that it has already, each kind in its order.
    fn drop_repeats(&mut self) {
        let Some((last, before)) = self.packages.split_last_mut() else {
            return;
        };
        let start = before.last().map_or(0, |package| place(package[5]));
        let Some(own) = self.dependencies.get(start..) else {
            return;
        };
        self.sorted.clear();
        self.sorted.extend(own.iter().copied().zip(start..));
        self.sorted.sort_unstable();
        self.sorted.dedup_by_key(|(dependency, _)| *dependency);
        if self.sorted.len() == own.len() {
            return;
        }
        self.sorted.sort_unstable_by_key(|(_, position)| *position);
        self.dependencies.truncate(start);
        (self.dependencies).extend(self.sorted.iter().map(|(dependency, _)| dependency));
        last[5] = u32::try_from(self.dependencies.len()).unwrap_or(u32::MAX);
    }

    /// Notes in the last package where what it has ends.
    fn end_package(&mut self) {
        let [dependencies, files, attachments] = [
            self.dependencies.len(),
            self.files.len(),
            self.attachments.len(),
        ]
        .map(|length| u32::try_from(length).unwrap_or(u32::MAX));
        match self.packages.last_mut() {
            Some([.., a, b, c]) => (*a, *b, *c) = (dependencies, files, attachments),
            None => self.overflow = Some("something belongs to no package"),
        }
    }

    /// Returns the number of a word, which is held once.
    fn intern(&mut self, word: &str) -> u32 {
        if word.len() > MAX_WORD {
            self.overflow = Some("a word of more than 64 KiB");
            return 0;
        }
        self.intern_hashed(word.as_bytes(), hash(word))
    }

    fn intern_hashed(&mut self, word: &[u8], hash: u32) -> u32 {
        let mut slot = match self.look_up(word, hash) {
            Ok(number) => return number,
            Err(slot) => slot,
        };
        // For a new word alone, so that the slots depend on nothing but the words and their order.
        if (self.words.len() + 1) * 2 > self.slots.len() {
            self.grow();
            slot = free_slot(&self.slots, hash);
        }
        let (number, end) = (self.words.len(), self.text.len() + word.len());
        let (Ok(number), Ok(end)) = (u32::try_from(number), u32::try_from(end)) else {
            self.overflow = Some("more than 4 GiB of words");
            return 0;
        };
        self.text.extend_from_slice(word);
        self.words.push(end);
        if let Some(free) = self.slots.get_mut(slot) {
            let number = number.saturating_add(1);
            *free = Slot { number, hash };
        }
        number
    }

    /// Returns the number of a word, or else the slot where it would be.
    fn look_up(&self, word: &[u8], hash: u32) -> Result<u32, usize> {
        let mask = self.slots.len().saturating_sub(1);
        let mut slot = place(hash) & mask;
        while let Some(taken) = self.slots.get(slot) {
            match taken.number.checked_sub(1) {
                Some(number) if taken.hash == hash && self.word(number) == word => {
                    return Ok(number);
                }
                Some(_) => slot = (slot + 1) & mask,
                None => break,
            }
        }
        Err(slot)
    }

    fn word(&self, number: u32) -> &[u8] {
        let number = place(number);
        let before = number
            .checked_sub(1)
            .and_then(|before| self.words.get(before));
        let end = self.words.get(number).map_or(0, |end| place(*end));
        let start = before.map_or(0, |end| place(*end));
        self.text.get(start..end).unwrap_or_default()
    }

    /// Doubles the number of slots.
    fn grow(&mut self) {
        let length = (self.slots.len() * 2).max(64);
        let mut slots = vec![Slot::default(); length];
        for taken in self.slots.iter().filter(|slot| slot.number != 0) {
            let slot = free_slot(&slots, taken.hash);
            if let Some(free) = slots.get_mut(slot) {
                *free = *taken;
            }
        }
        self.slots = slots;
    }
}

/// Returns the slot for a new word of that hash; there is always a free one.
fn free_slot(slots: &[Slot], hash: u32) -> usize {
    let mask = slots.len().saturating_sub(1);
    let mut slot = place(hash) & mask;
    while slots.get(slot).is_some_and(|taken| taken.number != 0) {
        slot = (slot + 1) & mask;
    }
    slot
}
