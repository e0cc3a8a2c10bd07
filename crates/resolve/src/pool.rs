//! The pool: the base's packages, the packages on offer, and what each of them offers.
//!
//! A package is known by one number all over the crate ([`Id`]): the base comes first, then the
//! repositories in the order given. Everything that does not depend on a request is decided here,
//! once: which packages can't be added to this base, and why. A package on offer is read from its
//! catalog when it is looked at for the first time; most never are.

use std::borrow::Cow;
use std::cell::{OnceCell, RefCell};
use std::collections::{BTreeMap, BTreeSet};

use crate::architecture::Architectures;
use crate::catalog::{Catalog, Kind};
use crate::dependency::{Capability, Dependency};
use crate::evaluate;
use crate::id::{Id, place};
use crate::index::OWN_NAME;
use crate::installed::Installed;
use crate::pattern;
use crate::solvable::Solvable;

/// A package of the pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Package {
    /// An index into the base.
    Base(usize),
    /// A package on offer.
    Available(Available),
}

/// A package on offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Available {
    /// Index of the repository that has it.
    pub repository: usize,
    /// Index of the package in that one's catalog.
    pub index: usize,
}

/// Packages on offer from one place.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Its packages.
    pub catalog: Catalog,
    /// The higher one wins, as in libsolv. zypper's and dnf's numbers, of which the lower one
    /// wins, must be negated.
    pub priority: i32,
    /// Files that are not in the catalog: index of the package and absolute path. See
    /// [`Pool::unlisted_paths`].
    pub files: Vec<(usize, String)>,
    /// Packages that are on offer and not for everyone to take, by their index.
    pub withheld: BTreeMap<usize, Withheld>,
}

impl Repository {
    /// Returns a repository of these packages, none of which is withheld.
    pub fn new(catalog: Catalog, priority: i32) -> Self {
        Self {
            catalog,
            priority,
            files: Vec::new(),
            withheld: BTreeMap::new(),
        }
    }
}

/// Why a package on offer is not a candidate, although it would fit the base.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Withheld {
    /// It belongs to a patch that was taken back.
    Retracted,
    /// It is a fix for those who were given it ("program temporary fix"), or a part of one.
    Temporary,
    /// It belongs to a stream of a module that is not enabled, or a module's package stands for it.
    Module,
    /// The user left it out.
    Excluded,
    /// The settings of its repository leave it out.
    NotAdmitted,
}

impl Withheld {
    /// Says of a package what it is, in the words of libsolv and dnf.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Retracted => "was retracted and can only be installed by a direct request",
            Self::Temporary => "is a temporary fix and can only be installed by a direct request",
            Self::Module => "is filtered out by modular filtering",
            Self::Excluded => "is filtered out by exclude filtering (--exclude)",
            Self::NotAdmitted => {
                "is filtered out by exclude filtering (excludepkgs or includepkgs of its repository)"
            }
        }
    }

    /// Returns whether it is a candidate if this very package is asked for.
    pub(crate) fn yields_to_request(self) -> bool {
        matches!(self, Self::Retracted | Self::Temporary)
    }
}

/// What a pool needs to know beside the packages.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Architecture of the system in RPM's spelling: `x86_64`, `aarch64`. If it is empty, packages
    /// of every architecture are candidates.
    pub architecture: String,
    /// Whether 32-bit packages of that system are candidates too.
    pub multilib: bool,
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
    /// It is not for everyone.
    Withheld(Withheld),
}

/// Packages, ready to be chosen from.
#[derive(Debug)]
pub struct Pool {
    base: Installed,
    stocks: Vec<Stock>,
    pub(crate) architectures: Architectures,
    exclusions: BTreeMap<Id, Exclusion>,
    /// Packages on offer with something in `supplements`.
    pub(crate) supplementing: Vec<Id>,
    unlisted: RefCell<BTreeSet<String>>,
}

/// A repository in the pool.
#[derive(Debug)]
struct Stock {
    /// The number of its first package.
    start: Id,
    catalog: Catalog,
    priority: i32,
    /// The packages that have been looked at.
    solvables: Vec<OnceCell<Box<Solvable>>>,
    files: BTreeMap<String, Vec<Id>>,
    withheld: BTreeMap<Id, Withheld>,
}

/// What packages provide that are withheld, by the words of SUSE's metadata and libsolv.
const MARKS: [(&str, Withheld); 3] = [
    ("retracted-patch-package()", Withheld::Retracted),
    (TEMPORARY_FIX, Withheld::Temporary),
    ("ptf-package()", Withheld::Temporary),
];
/// What a temporary fix as a whole provides. It requires the packages that it is made of.
pub(crate) const TEMPORARY_FIX: &str = "ptf()";

impl Stock {
    /// Returns the number of a package of the pool in the catalog.
    fn number(&self, id: Id) -> u32 {
        id.saturating_sub(self.start)
    }

    fn end(&self) -> Id {
        let length = Id::try_from(self.solvables.len()).unwrap_or(Id::MAX);
        self.start.saturating_add(length)
    }

    /// Returns the packages that satisfy `wanted`, by number.
    fn providers<'a>(&'a self, wanted: &'a Capability) -> impl Iterator<Item = Id> {
        let known = self
            .catalog
            .providers(wanted)
            .map(|number| self.start.saturating_add(number));
        let further = self.files.get(&wanted.name).into_iter().flatten().copied();
        known.filter(|id| *id < self.end()).chain(further)
    }
}

impl Pool {
    /// Returns the pool of what the base has and what repositories offer beside it.
    ///
    /// Packages over 2^31 - 2 in number are left out.
    pub fn new(base: Vec<Solvable>, repositories: Vec<Repository>, options: Options) -> Self {
        // The solver has two numbers for each package.
        let most = place(Id::MAX / 2 - 1);
        let mut base = base;
        base.truncate(most);
        let mut end = base.len();
        let mut stocks = Vec::new();
        for Repository {
            catalog,
            priority,
            files,
            withheld,
        } in repositories
        {
            let length = catalog.len().min(most - end);
            let start = Id::try_from(end).unwrap_or(Id::MAX);
            let mut by_path: BTreeMap<String, Vec<Id>> = BTreeMap::new();
            for (index, path) in files.into_iter().filter(|(index, _)| *index < length) {
                let id = Id::try_from(end + index).unwrap_or(Id::MAX);
                by_path.entry(path).or_default().push(id);
            }
            let marked = MARKS.iter().flat_map(|(mark, withheld)| {
                let found = catalog.offering(mark).into_iter();
                found.map(|index| (index, *withheld))
            });
            let withheld = marked
                .chain(withheld)
                .filter_map(|(index, withheld)| Some((Id::try_from(end + index).ok()?, withheld)));
            stocks.push(Stock {
                start,
                withheld: withheld.collect(),
                catalog,
                priority,
                solvables: std::iter::repeat_with(OnceCell::new).take(length).collect(),
                files: by_path,
            });
            end += length;
        }
        let mut pool = Self {
            base: Installed::new(base),
            stocks,
            architectures: Architectures::of(&options.architecture, options.multilib),
            exclusions: BTreeMap::new(),
            supplementing: Vec::new(),
            unlisted: RefCell::default(),
        };
        pool.exclude();
        let supplementing = pool.stocks.iter().flat_map(|stock| {
            let numbers = stock.catalog.supplementing();
            numbers
                .map(|number| stock.start.saturating_add(number))
                .filter(|id| *id < stock.end())
        });
        let may_be = |id: &Id| matches!(pool.exclusion(*id), None | Some(Exclusion::Withheld(_)));
        pool.supplementing = supplementing.filter(may_be).collect();
        pool
    }

    /// Returns the package, if there is one.
    pub fn get(&self, package: Package) -> Option<&Solvable> {
        match package {
            Package::Base(index) => self.base().get(index),
            Package::Available(package) => self.id_of(package).map(|id| self.solvable(id)),
        }
    }

    /// Returns the packages of the base.
    pub fn base(&self) -> &[Solvable] {
        &self.base.solvables
    }

    /// Returns the catalogs, by the index of their repository.
    pub fn catalogs(&self) -> impl Iterator<Item = &Catalog> {
        self.stocks.iter().map(|stock| &stock.catalog)
    }

    /// Returns the packages that satisfy `dependency`: of a rich one, those that satisfy any part
    /// that is not a condition. The base's come first.
    pub fn providers(&self, dependency: &Dependency) -> Vec<Package> {
        let found = self.satisfying(dependency);
        found.into_iter().map(|id| self.package(id)).collect()
    }

    /// Returns the absolute paths that were asked for so far, that the base does not have, and
    /// that repositories don't list in their primary metadata: it has only what is below `/etc`
    /// or in a `bin` directory. Who has these is in the file lists, which are large.
    ///
    /// So a caller that has file lists at hand calls [`resolve`](crate::resolve()), asks for these
    /// paths, looks them up in the file lists, and, if there are some that it has not looked up
    /// before, makes the pool again with what it found as [`Repository::files`]. That may lead to
    /// other packages and further paths.
    pub fn unlisted_paths(&self) -> Vec<String> {
        self.unlisted.borrow().iter().cloned().collect()
    }

    pub(crate) fn package(&self, id: Id) -> Package {
        match self.stock(id) {
            Some((repository, stock)) => Package::Available(Available {
                repository,
                index: place(stock.number(id)),
            }),
            None => Package::Base(place(id)),
        }
    }

    /// Returns the number of a package on offer.
    pub(crate) fn id_of(&self, package: Available) -> Option<Id> {
        let stock = self.stocks.get(package.repository)?;
        let id = stock.start.checked_add(Id::try_from(package.index).ok()?)?;
        (id < stock.end()).then_some(id)
    }

    /// Returns the repository that has the package, none if the base does.
    fn stock(&self, id: Id) -> Option<(usize, &Stock)> {
        let index = self
            .stocks
            .partition_point(|stock| stock.start <= id)
            .checked_sub(1)?;
        Some((index, self.stocks.get(index)?))
    }

    #[expect(
        clippy::indexing_slicing,
        reason = "an Id is made from an index into these lists only"
    )]
    pub(crate) fn solvable(&self, id: Id) -> &Solvable {
        let Some((_, stock)) = self.stock(id) else {
            return &self.base.solvables[place(id)];
        };
        let index = place(stock.number(id));
        stock.solvables[index]
            .get_or_init(|| Box::new(stock.catalog.solvable(index).unwrap_or_default()))
    }

    pub(crate) fn is_base(&self, id: Id) -> bool {
        place(id) < self.base().len()
    }

    pub(crate) fn exclusion(&self, id: Id) -> Option<Exclusion> {
        let (_, stock) = self.stock(id)?;
        if self
            .architectures
            .rank(stock.catalog.arch(stock.number(id)))
            .is_none()
        {
            return Some(Exclusion::Architecture);
        }
        let withheld = || stock.withheld.get(&id).copied().map(Exclusion::Withheld);
        self.exclusions.get(&id).copied().or_else(withheld)
    }

    /// Returns whether the package is a temporary fix as a whole.
    pub(crate) fn is_temporary_fix(&self, id: Id) -> bool {
        let mut provides = self.solvable(id).provides.iter();
        let offers =
            provides.any(|offer| offer.simple().is_some_and(|it| it.name == TEMPORARY_FIX));
        offers && self.exclusion(id) == Some(Exclusion::Withheld(Withheld::Temporary))
    }

    pub(crate) fn priority(&self, id: Id) -> i32 {
        self.stock(id).map_or(0, |(_, stock)| stock.priority)
    }

    /// Returns all packages that satisfy `wanted`, by number and each once.
    pub(crate) fn satisfying_capability(&self, wanted: &Capability) -> Vec<Id> {
        let mut found = self.base.offering(wanted);
        let is_path = wanted.name.starts_with('/');
        if is_path && found.is_empty() && !is_listed(&wanted.name) {
            self.unlisted.borrow_mut().insert(wanted.name.clone());
        }
        for stock in &self.stocks {
            let before = found.len();
            found.extend(stock.providers(wanted));
            if is_path && let Some(added) = found.get_mut(before..) {
                added.sort_unstable();
            }
        }
        found.dedup();
        found
    }

    /// Returns all packages of that name, by number.
    pub(crate) fn named(&self, name: &str) -> Vec<Id> {
        let is_named = |id: Id| {
            self.base()
                .get(place(id))
                .is_some_and(|solvable| solvable.nevra.name == name)
        };
        let base = (self.base.index.find(name))
            .filter(|&(id, position)| position == OWN_NAME && is_named(id))
            .map(|(id, _)| id);
        base.chain(self.offered_named(name)).collect()
    }

    /// Returns the packages that are meant by a pattern, by number: of all that there are, since a
    /// pattern can't be looked up.
    pub(crate) fn meant(&self, text: &str) -> Vec<Id> {
        let base = self
            .base()
            .iter()
            .map(|solvable| Cow::Borrowed(&solvable.nevra));
        let offered = self.stocks.iter().flat_map(|stock| {
            let all = 0..stock.solvables.len();
            all.map(|index| Cow::Owned(stock.catalog.nevra(index).unwrap_or_default()))
        });
        let found = pattern::meant(text, base.chain(offered)).into_iter();
        found.filter_map(|place| Id::try_from(place).ok()).collect()
    }

    /// Returns the packages of that name on offer, by number.
    fn offered_named(&self, name: &str) -> Vec<Id> {
        let of_stock = |stock: &Stock| -> Vec<Id> {
            let numbers = stock.catalog.named(name).into_iter();
            let ids = numbers.filter_map(|number| Id::try_from(number).ok());
            ids.map(|number| stock.start.saturating_add(number))
                .filter(|id| *id < stock.end())
                .collect()
        };
        self.stocks.iter().flat_map(of_stock).collect()
    }

    /// Returns the packages that `dependency`, an obsoletes, names.
    pub(crate) fn obsoleted_by(&self, dependency: &Dependency) -> Vec<Id> {
        let Some(wanted) = dependency.simple() else {
            return Vec::new();
        };
        let mut found = self.named(&wanted.name);
        found.retain(|&id| {
            wanted.range.is_none()
                || wanted.matches_package(&wanted.name, &self.solvable(id).nevra.evr)
        });
        found
    }

    /// Returns the packages that obsolete one of these, which share a name.
    pub(crate) fn obsoleting(&self, ids: &[Id]) -> Vec<Id> {
        let Some(name) = ids.first().map(|&id| &self.solvable(id).nevra.name) else {
            return Vec::new();
        };
        let base = (0..).zip(self.base()).filter(|(_, solvable)| {
            let mut wanted = solvable.obsoletes.iter().filter_map(Dependency::simple);
            wanted.any(|wanted| wanted.name == *name)
        });
        let offered = self.stocks.iter().flat_map(|stock| {
            let objections = stock.catalog.objections(name);
            let ids = objections.map(|(package, _)| stock.start.saturating_add(package));
            ids.filter(|id| *id < stock.end())
        });
        let mut found: Vec<Id> = base.map(|(id, _)| id).chain(offered).collect();
        found.retain(|&one| {
            let solvable = self.solvable(one);
            let of_other_name = solvable.nevra.name != *name;
            let meant = |wanted: &Dependency| {
                let obsoleted = self.obsoleted_by(wanted);
                obsoleted.iter().any(|id| ids.contains(id))
            };
            of_other_name && solvable.obsoletes.iter().any(meant)
        });
        found
    }

    /// Returns whether the two can't be there at once because they share a name.
    pub(crate) fn same_name(&self, a: Id, b: Id) -> bool {
        let (a, b) = (&self.solvable(a).nevra, &self.solvable(b).nevra);
        let colour = |arch: &str| self.architectures.colour(arch);
        a.name == b.name && (a.arch == b.arch || colour(&a.arch) & colour(&b.arch) != 0)
    }

    /// Finds the packages on offer that can't be added to the base. The reason that is kept is the
    /// first one: that of a name, then that of the base, then its own.
    fn exclude(&mut self) {
        let mut found = BTreeMap::new();
        for (base, solvable) in (0..).zip(self.base()) {
            for id in self.offered_named(&solvable.nevra.name) {
                if self.same_name(base, id) {
                    found.entry(id).or_insert(Exclusion::SameName(base));
                }
            }
        }
        for (source, solvable) in (0..).zip(self.base()) {
            for (dependency, conflict) in solvable.conflicts.iter().enumerate() {
                let targets = conflict
                    .simple()
                    .map(|wanted| self.satisfying_capability(wanted));
                for target in targets
                    .into_iter()
                    .flatten()
                    .filter(|&id| !self.is_base(id))
                {
                    found.entry(target).or_insert(Exclusion::Conflicts {
                        source,
                        dependency,
                        target,
                    });
                }
            }
            for (dependency, obsolete) in solvable.obsoletes.iter().enumerate() {
                for target in self.obsoleted_by(obsolete) {
                    if !self.is_base(target) {
                        found.entry(target).or_insert(Exclusion::Obsoletes {
                            source,
                            dependency,
                            target,
                        });
                    }
                }
            }
        }
        // The other direction starts from what the base offers: that is less than what packages
        // on offer object to.
        let provided = (self.base().iter().flat_map(|solvable| &solvable.provides))
            .filter_map(|dependency| dependency.simple().map(|offer| offer.name.as_str()));
        let mut words: Vec<&str> = provided
            .chain(
                self.base()
                    .iter()
                    .map(|solvable| solvable.nevra.name.as_str()),
            )
            .collect();
        words.sort_unstable();
        words.dedup();
        for stock in &self.stocks {
            let paths = stock.catalog.paths_objected_to();
            let of = |word: &&str| {
                let objections = stock.catalog.objections(word);
                objections.collect::<Vec<_>>()
            };
            let mut objections: Vec<(u32, u32)> = words
                .iter()
                .flat_map(of)
                .chain(paths.iter().flat_map(of))
                .collect();
            objections.sort_unstable();
            objections.dedup();
            for (package, number) in objections {
                let source = stock.start.saturating_add(package);
                if source < stock.end()
                    && !found.contains_key(&source)
                    && let Some(reason) = self.objection(stock, source, number)
                {
                    found.insert(source, reason);
                }
            }
        }
        self.exclusions = found;
    }

    /// Returns what the package's conflicts or obsoletes of that number in the catalog means for
    /// the base, if anything.
    fn objection(&self, stock: &Stock, source: Id, number: u32) -> Option<Exclusion> {
        let (kind, dependency, wanted) = stock.catalog.dependency(stock.number(source), number)?;
        let wanted = wanted.simple()?;
        let mut targets = self.base.offering(wanted).into_iter();
        match kind {
            Kind::Conflicts => targets.next().map(|target| Exclusion::Conflicts {
                source,
                dependency,
                target,
            }),
            Kind::Obsoletes => {
                let is_meant = |&id: &Id| {
                    let nevra = self.base().get(place(id)).map(|solvable| &solvable.nevra);
                    nevra.is_some_and(|nevra| wanted.matches_package(&nevra.name, &nevra.evr))
                };
                targets.find(is_meant).map(|target| Exclusion::Obsoletes {
                    source,
                    dependency,
                    target,
                })
            }
            _ => None,
        }
    }

    /// Returns the packages of which one alone satisfies `dependency` or a part of it that is not
    /// a condition, by number and each once.
    pub(crate) fn satisfying(&self, dependency: &Dependency) -> Vec<Id> {
        evaluate::satisfying(dependency, &|wanted| self.satisfying_capability(wanted))
    }
}

/// Returns whether primary metadata lists a file of that path, by createrepo's rule.
pub fn is_listed(path: &str) -> bool {
    path.starts_with("/etc/") || path.contains("bin/") || path == "/usr/lib/sendmail"
}
