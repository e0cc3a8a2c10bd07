//! The pool: the base's packages, the packages on offer, and what each of them offers.
//!
//! A package is known by one number all over the crate ([`Id`]): the base comes first, then what
//! is available, in the order given. Everything that does not depend on a request is decided here,
//! once: which packages can't be added to this base, and why.

use crate::architecture::Architectures;
use crate::dependency::{Capability, Dependency};
use crate::index::{Index, OWN_NAME};
use crate::solvable::Solvable;

/// A package of the pool.
pub(crate) type Id = u32;

/// A package of the pool, by its place in one of the two lists that the pool was made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Package {
    /// An index into the base.
    Base(usize),
    /// An index into what is available.
    Available(usize),
}

/// What a pool needs to know beside the packages.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Architecture of the system in RPM's spelling: `x86_64`, `aarch64`.
    pub architecture: String,
    /// Whether 32-bit packages of that system are candidates too.
    pub multilib: bool,
    /// Priority of each repository; the higher one wins, as in libsolv. zypper's and dnf's
    /// numbers, of which the lower one wins, must be negated. A missing one is 0.
    pub priorities: Vec<i32>,
}

/// Why a package on offer can't be added to the base, whatever is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exclusion {
    /// The system does not run it.
    Architecture,
    /// The base has a package of that name.
    SameName(Id),
    /// `source` conflicts by its dependency of that number with `target`; one is in the base.
    Conflicts {
        source: Id,
        dependency: usize,
        target: Id,
    },
    /// `source` obsoletes by its dependency of that number `target`; one is in the base.
    Obsoletes {
        source: Id,
        dependency: usize,
        target: Id,
    },
}

/// Packages, ready to be chosen from.
#[derive(Debug)]
pub struct Pool {
    solvables: Vec<Solvable>,
    base: Id,
    index: Index,
    pub(crate) architectures: Architectures,
    priorities: Vec<i32>,
    exclusions: Vec<Option<Exclusion>>,
    /// Packages on offer with something in `supplements`.
    pub(crate) supplementing: Vec<Id>,
}

impl Pool {
    /// Returns the pool of what the base has and what is available beside it.
    ///
    /// Packages over 2^32 - 2 in number are left out.
    pub fn new(base: Vec<Solvable>, available: Vec<Solvable>, options: Options) -> Self {
        let base_length = Id::try_from(base.len()).unwrap_or(Id::MAX);
        let mut solvables = base;
        solvables.extend(available);
        solvables.truncate(usize::try_from(Id::MAX - 1).unwrap_or(usize::MAX));
        let index = Index::new((0..).zip(&solvables).flat_map(|(id, solvable)| {
            let provided = (solvable.provides.iter())
                .map(|dependency| dependency.simple().map_or("", |offer| offer.name.as_str()));
            let offered = provided.chain(solvable.files.iter().map(String::as_str));
            let own = (solvable.nevra.name.as_str(), id, OWN_NAME);
            (0..OWN_NAME)
                .zip(offered)
                .map(move |(position, word)| (word, id, position))
                .chain([own])
        }));
        let mut pool = Self {
            exclusions: vec![None; solvables.len()],
            solvables,
            base: base_length,
            index,
            architectures: Architectures::of(&options.architecture, options.multilib),
            priorities: options.priorities,
            supplementing: Vec::new(),
        };
        pool.exclude();
        pool.supplementing = (pool.base..)
            .zip(pool.available())
            .filter(|(_, solvable)| !solvable.supplements.is_empty())
            .map(|(id, _)| id)
            .filter(|&id| pool.exclusion(id).is_none())
            .collect();
        pool
    }

    /// Returns the package, if there is one.
    pub fn get(&self, package: Package) -> Option<&Solvable> {
        match package {
            Package::Base(index) => self.base().get(index),
            Package::Available(index) => self.available().get(index),
        }
    }

    /// Returns the packages of the base.
    pub fn base(&self) -> &[Solvable] {
        let end = self.solvables.len().min(place(self.base));
        self.solvables.get(..end).unwrap_or_default()
    }

    /// Returns the packages on offer.
    pub fn available(&self) -> &[Solvable] {
        self.solvables.get(place(self.base)..).unwrap_or_default()
    }

    /// Returns the packages that satisfy `dependency`: of a rich one, those that satisfy any part
    /// that is not a condition. The base's come first.
    pub fn providers(&self, dependency: &Dependency) -> Vec<Package> {
        let found = self.satisfying(dependency);
        found.into_iter().map(|id| self.package(id)).collect()
    }

    pub(crate) fn package(&self, id: Id) -> Package {
        match id.checked_sub(self.base) {
            Some(index) => Package::Available(place(index)),
            None => Package::Base(place(id)),
        }
    }

    /// Returns the number of a package on offer.
    pub(crate) fn id_of_available(&self, index: usize) -> Option<Id> {
        let id = Id::try_from(index).ok()?.checked_add(self.base)?;
        (place(id) < self.solvables.len()).then_some(id)
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "an Id is made from an index into this list only"
    )]
    pub(crate) fn solvable(&self, id: Id) -> &Solvable {
        &self.solvables[place(id)]
    }

    pub(crate) fn is_base(&self, id: Id) -> bool {
        id < self.base
    }

    pub(crate) fn exclusion(&self, id: Id) -> Option<Exclusion> {
        self.exclusions.get(place(id)).copied().flatten()
    }

    pub(crate) fn priority(&self, id: Id) -> i32 {
        let repository = self.solvable(id).repository;
        self.priorities.get(repository).copied().unwrap_or(0)
    }

    /// Returns one more than the last number in use.
    pub(crate) fn end(&self) -> Id {
        Id::try_from(self.solvables.len()).unwrap_or(Id::MAX)
    }

    /// Returns all packages that satisfy `wanted`, by number and each once.
    pub(crate) fn satisfying_capability(&self, wanted: &Capability) -> Vec<Id> {
        let mut found = Vec::new();
        for (id, position) in self.index.find(&wanted.name) {
            if found.last() != Some(&id) && self.offers(id, position, wanted) {
                found.push(id);
            }
        }
        found
    }

    fn offers(&self, id: Id, position: u32, wanted: &Capability) -> bool {
        let solvable = self.solvable(id);
        if position == OWN_NAME {
            return wanted.matches_package(&solvable.nevra.name, &solvable.nevra.evr);
        }
        let position = place(position);
        match solvable.provides.get(position) {
            Some(Dependency::Simple(offer)) => wanted.satisfied_by(offer),
            Some(Dependency::Rich(_)) => false,
            None => (solvable.files.get(position - solvable.provides.len()))
                .is_some_and(|path| *path == wanted.name),
        }
    }

    /// Returns all packages of that name, by number.
    pub(crate) fn named(&self, name: &str) -> Vec<Id> {
        (self.index.find(name))
            .filter(|&(id, position)| position == OWN_NAME && self.solvable(id).nevra.name == name)
            .map(|(id, _)| id)
            .collect()
    }

    /// Returns the packages that `dependency`, an obsoletes, names.
    pub(crate) fn obsoleted_by(&self, dependency: &Dependency) -> Vec<Id> {
        let Some(wanted) = dependency.simple() else {
            return Vec::new();
        };
        let mut found = self.named(&wanted.name);
        found.retain(|&id| wanted.matches_package(&wanted.name, &self.solvable(id).nevra.evr));
        found
    }

    /// Returns whether the two can't be there at once because they share a name.
    pub(crate) fn same_name(&self, a: Id, b: Id) -> bool {
        let (a, b) = (&self.solvable(a).nevra, &self.solvable(b).nevra);
        let colour = |arch: &str| self.architectures.colour(arch);
        a.name == b.name && (a.arch == b.arch || colour(&a.arch) & colour(&b.arch) != 0)
    }

    /// Finds the packages on offer that can't be added to the base.
    fn exclude(&mut self) {
        let mut exclusions = std::mem::take(&mut self.exclusions);
        let mut set = |id: Id, reason| {
            if let Some(exclusion) = exclusions.get_mut(place(id)).filter(|slot| slot.is_none()) {
                *exclusion = Some(reason);
            }
        };
        for id in self.base..self.end() {
            let solvable = self.solvable(id);
            if self.architectures.rank(&solvable.nevra.arch).is_none() {
                set(id, Exclusion::Architecture);
            }
        }
        for base in 0..self.base {
            for id in self.named(&self.solvable(base).nevra.name) {
                if !self.is_base(id) && self.same_name(base, id) {
                    set(id, Exclusion::SameName(base));
                }
            }
        }
        for source in 0..self.end() {
            let solvable = self.solvable(source);
            let from_base = self.is_base(source);
            let crosses = |id: &Id| self.is_base(*id) != from_base;
            for (dependency, wanted) in solvable.conflicts.iter().enumerate() {
                let Some(wanted) = wanted.simple() else {
                    continue;
                };
                for target in self
                    .satisfying_capability(wanted)
                    .into_iter()
                    .filter(crosses)
                {
                    let reason = Exclusion::Conflicts {
                        source,
                        dependency,
                        target,
                    };
                    set(if from_base { target } else { source }, reason);
                }
            }
            for (dependency, wanted) in solvable.obsoletes.iter().enumerate() {
                for target in self.obsoleted_by(wanted).into_iter().filter(crosses) {
                    let reason = Exclusion::Obsoletes {
                        source,
                        dependency,
                        target,
                    };
                    set(if from_base { target } else { source }, reason);
                }
            }
        }
        self.exclusions = exclusions;
    }

    /// Returns the packages of which one alone satisfies `dependency` or a part of it that is not
    /// a condition, by number and each once.
    pub(crate) fn satisfying(&self, dependency: &Dependency) -> Vec<Id> {
        crate::clause::positive(self, dependency)
    }
}

/// Returns an [`Id`] as an index.
pub(crate) fn place(id: Id) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}
