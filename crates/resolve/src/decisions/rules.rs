//! The rules of a search: clauses over all packages that may come into question.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::clause::{Admission, Clause};
use crate::demand::{Demand, demands_of};
use crate::dependency::{Dependency, Rich};
use crate::id::Id;

/// Packages named by all rules. What was seen has up to a million; metadata that are made to be
/// hard, as 10 000 packages of which each requires what the others provide, have many more.
const MAX_LITERALS: usize = 1 << 24;

/// That a package is added, or that it is not.
///
/// The order is the one of libsolv: what is not added comes first, of that the last package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Literal(i32);

impl Literal {
    pub(super) fn new(package: usize, added: bool) -> Self {
        let number = i32::try_from(package + 1).unwrap_or(i32::MAX);
        Self(if added { number } else { -number })
    }

    pub(super) fn package(self) -> usize {
        usize::try_from(self.0.unsigned_abs()).unwrap_or(usize::MAX) - 1
    }

    pub(super) fn is_added(self) -> bool {
        self.0 > 0
    }

    pub(super) fn added(self) -> Option<usize> {
        self.is_added().then(|| self.package())
    }

    pub(super) fn opposite(self) -> Self {
        Self(-self.0)
    }

    /// Returns a place for it in lists that have one for each literal.
    fn place(self) -> usize {
        2 * self.package() + usize::from(self.is_added())
    }
}

/// All rules, in libsolv's order: those of the packages, then the requests.
pub(super) struct Rules {
    /// The packages, by number.
    pub(super) packages: Vec<Id>,
    literals: Vec<Literal>,
    /// Where each rule starts in `literals`, and one entry more.
    starts: Vec<usize>,
    requests: Range<usize>,
    /// For each literal, where the numbers of rules that have it start in `numbers`, and one more.
    occurrences: Vec<usize>,
    numbers: Vec<u32>,
}

impl Rules {
    /// Returns the rules of all packages that the demands can lead to, and if so asked the weak
    /// dependencies of these; none if they are too many.
    pub(super) fn of(
        admission: &Admission<'_>,
        demands: &[Demand<'_>],
        recommends: bool,
    ) -> Option<Self> {
        let clauses = clauses(admission, demands, recommends)?;
        let packages: Vec<Id> = clauses.keys().copied().collect();
        let literal = |id: &Id, added| {
            let found = packages.binary_search(id);
            found.ok().map(|package| Literal::new(package, added))
        };
        // A rule that asks for something if a package is added that never is asks for nothing.
        let rule = |owner: Option<&Id>, clause: &Clause| -> Option<Vec<Literal>> {
            let unless = owner.into_iter().chain(&clause.unless);
            let absent: Option<Vec<_>> = unless.map(|id| literal(id, false)).collect();
            let mut rule = absent?;
            rule.extend(clause.any.iter().filter_map(|id| literal(id, true)));
            rule.sort_unstable();
            rule.dedup();
            Some(rule)
        };
        let mut of_packages: Vec<Vec<Literal>> = clauses
            .iter()
            .flat_map(|(id, clauses)| clauses.iter().filter_map(|clause| rule(Some(id), clause)))
            .collect();
        of_packages.sort_unstable();
        of_packages.dedup();
        let (of_base, requests): (Vec<_>, Vec<_>) =
            demands.iter().partition(|demand| demand.by.is_some());
        let demanded = |demand: &Demand<'_>| rule(None, &demand.clause);
        of_packages.extend(of_base.into_iter().filter_map(demanded));
        let first_request = of_packages.len();
        of_packages.extend(requests.into_iter().filter_map(demanded));

        let mut starts = Vec::with_capacity(of_packages.len() + 1);
        let mut end = 0;
        for rule in &of_packages {
            starts.push(end);
            end += rule.len();
        }
        starts.push(end);
        let mut occurrences = vec![0usize; 2 * packages.len() + 2];
        for literal in of_packages.iter().flatten() {
            if let Some(count) = occurrences.get_mut(literal.place() + 1) {
                *count += 1;
            }
        }
        let mut sum = 0;
        for count in &mut occurrences {
            sum += *count;
            *count = sum;
        }
        let mut next = occurrences.clone();
        let mut numbers = vec![0; end];
        for (number, rule) in (0u32..).zip(&of_packages) {
            for literal in rule {
                if let Some(next) = next.get_mut(literal.place()) {
                    if let Some(slot) = numbers.get_mut(*next) {
                        *slot = number;
                    }
                    *next += 1;
                }
            }
        }
        Some(Self {
            requests: first_request..of_packages.len(),
            literals: of_packages.concat(),
            packages,
            starts,
            occurrences,
            numbers,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.starts.len().saturating_sub(1)
    }

    pub(super) fn get(&self, rule: usize) -> &[Literal] {
        let (start, end) = (self.starts.get(rule), self.starts.get(rule + 1));
        let range = start.zip(end).map(|(start, end)| *start..*end);
        range
            .and_then(|range| self.literals.get(range))
            .unwrap_or_default()
    }

    /// Returns which rules are the requests.
    pub(super) fn requests(&self) -> Range<usize> {
        self.requests.clone()
    }

    /// Returns the places, for [`Rules::number_at`], of the rules that have the opposite of the
    /// literal.
    pub(super) fn with_opposite_of(&self, literal: Literal) -> Range<usize> {
        let place = literal.opposite().place();
        let (start, end) = (self.occurrences.get(place), self.occurrences.get(place + 1));
        start.copied().unwrap_or(0)..end.copied().unwrap_or(0)
    }

    pub(super) fn number_at(&self, place: usize) -> usize {
        let number = self.numbers.get(place).copied().unwrap_or(u32::MAX);
        usize::try_from(number).unwrap_or(usize::MAX)
    }
}

/// Returns the clauses of all packages that come into question, by package.
fn clauses(
    admission: &Admission<'_>,
    demands: &[Demand<'_>],
    recommends: bool,
) -> Option<BTreeMap<Id, Vec<Clause>>> {
    let pool = admission.pool;
    let mut clauses: BTreeMap<Id, Vec<Clause>> = BTreeMap::new();
    let mut met: Vec<Id> = demands
        .iter()
        .flat_map(|demand| demand.clause.any.iter().copied())
        .collect();
    let mut literals = 0;
    loop {
        while let Some(id) = met.pop() {
            if literals > MAX_LITERALS {
                return None;
            }
            if clauses.contains_key(&id) {
                continue;
            }
            let demands = demands_of(admission, id).into_iter();
            let of_package: Vec<Clause> = demands.map(|(_, clause)| clause).collect();
            for Clause { unless, any } in &of_package {
                literals += 1 + unless.len() + any.len();
                met.extend(any);
            }
            clauses.insert(id, of_package);
            if recommends {
                let wishes = pool.solvable(id).recommends.iter();
                let wished = wishes.flat_map(|wish| pool.satisfying(wish));
                met.extend(wished.filter(|&id| admission.admits(id)));
            }
        }
        if !recommends {
            return Some(clauses);
        }
        let is_there = |id: Id| pool.is_base(id) || clauses.contains_key(&id);
        let supplementing = pool.supplementing.iter().copied();
        let new = supplementing.filter(|id| !clauses.contains_key(id) && admission.admits(*id));
        met.extend(new.filter(|&id| {
            let mut hints = pool.solvable(id).supplements.iter();
            hints.any(|hint| might_hold(admission, hint, &is_there))
        }));
        if met.is_empty() {
            return Some(clauses);
        }
    }
}

/// Returns whether a dependency could hold if some of these packages were there.
fn might_hold(
    admission: &Admission<'_>,
    dependency: &Dependency,
    is_there: &dyn Fn(Id) -> bool,
) -> bool {
    if let Dependency::Rich(rich) = dependency
        && let Rich::And(parts) = rich.as_ref()
    {
        return (parts.iter()).all(|part| might_hold(admission, part, is_there));
    }
    let satisfying = admission.pool.satisfying(dependency);
    satisfying.into_iter().any(is_there)
}
