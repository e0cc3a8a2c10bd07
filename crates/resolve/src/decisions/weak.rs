//! What is recommended, and what supplements what is there: added once nothing else is open, in the
//! order of libsolv's `resolve_weak`.
//!
//! One round takes the best of all that is wished for by now: the packages of the best repositories,
//! of the preferred architecture, the newest of each name. First come those that supplement
//! something, then, package by package and wish by wish, what the packages so far recommend. Where
//! several would grant a wish, that is a choice like any other, and is made again if another one of
//! them has to be added anyhow. What can't be added is left out in silence. Then whatever has become open is decided, and the next
//! round begins, until nothing is wished for any more.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use super::{Decisions, Stuck};
use crate::chosen::Wish;
use crate::clause::{Clause, Stance};
use crate::demand::{Cause, Demand};
use crate::dependency::Dependency;
use crate::id::Id;

/// Wishes that turn out to be impossible before the search is given up.
const MAX_REFUSALS: usize = 100_000;

/// What was wished for and added.
pub(super) struct Granted<'a> {
    wisher: Id,
    dependency: &'a Dependency,
    supplements: bool,
    added: Id,
    round: usize,
}

/// A recommendation, by what it asks of packages; known by their place in the rules.
struct Recommendation<'a> {
    dependency: &'a Dependency,
    clauses: Vec<(Vec<usize>, Vec<usize>)>,
}

/// What each package recommends, as far as that was looked at.
#[derive(Default)]
pub(super) struct Wishes<'a> {
    recommended: BTreeMap<usize, Rc<Vec<Recommendation<'a>>>>,
    granted: Vec<Granted<'a>>,
    refusals: usize,
    round: usize,
}

impl<'a> Decisions<'a> {
    /// Returns the wishes that were granted and still hold.
    pub(super) fn granted(&mut self) -> Vec<Wish<'a>> {
        let mut granted = std::mem::take(&mut self.wishes.granted);
        granted.sort_by_key(|one| (one.round, one.supplements));
        let holding = granted
            .into_iter()
            .filter(|one| self.is_id_added(one.added) && self.is_id_added(one.wisher));
        holding
            .map(|one| Wish {
                package: one.wisher,
                dependency: one.dependency,
                supplements: one.supplements,
                demands: vec![Demand {
                    by: None,
                    cause: Cause::SameName,
                    clause: Clause {
                        unless: Vec::new(),
                        any: vec![one.added],
                    },
                }],
            })
            .collect()
    }

    /// Adds what is wished for by now; returns whether there was something.
    pub(super) fn wishes(&mut self) -> Result<bool, Stuck> {
        self.wishes.round += 1;
        let recommended = self.all_recommended();
        let supplementing = self.all_supplementing();
        let mut best: Vec<usize> = recommended.into_iter().collect();
        best.extend(supplementing.iter().map(|(package, _)| *package));
        best.sort_unstable();
        best.dedup();
        if best.is_empty() {
            return Ok(false);
        }
        self.keep_best(&mut best);
        best.sort_unstable();
        let added_before = self.trail.len();
        for (package, dependency) in supplementing {
            if self.value(package) == 0
                && best.binary_search(&package).is_ok()
                && !self.grant(package, package, dependency, true)?
            {
                return Ok(true);
            }
        }
        for wisher in self.added_first(added_before) {
            for wish in self.recommendations(wisher).iter() {
                let mut open = self.open_wish(wish);
                open.retain(|package| best.binary_search(package).is_ok());
                self.prune(&mut open);
                self.order(&mut open);
                let Some(&first) = open.first() else {
                    continue;
                };
                self.open_branch(open, Some((wisher, wish.dependency)));
                if !self.grant(first, wisher, wish.dependency, false)?
                    || self.trail.len() < added_before
                {
                    return Ok(true);
                }
            }
        }
        Ok(true)
    }

    /// Adds a package that is wished for; returns false if earlier decisions were taken back.
    pub(super) fn grant(
        &mut self,
        package: usize,
        wisher: usize,
        dependency: &'a Dependency,
        supplements: bool,
    ) -> Result<bool, Stuck> {
        self.wishes.granted.push(Granted {
            wisher: self.id(wisher),
            dependency,
            supplements,
            added: self.id(package),
            round: self.wishes.round,
        });
        let level = self.level();
        let retreats = self.retreats;
        self.add(package)?;
        if self.retreats > retreats {
            // One that can't be added says nothing of the search.
            self.retreats = retreats;
            self.wishes.refusals += 1;
            if self.wishes.refusals > MAX_REFUSALS {
                return Err(Stuck);
            }
        }
        Ok(self.level() > level)
    }

    /// Returns the packages that were added by the first so many decisions.
    fn added_first(&self, number: usize) -> Vec<usize> {
        let first = self.trail.iter().take(number);
        first.filter_map(|literal| literal.added()).collect()
    }

    /// Returns all packages that are recommended by what is added, where the recommendation is not
    /// met.
    fn all_recommended(&mut self) -> BTreeSet<usize> {
        let mut found = BTreeSet::new();
        for wisher in self.added_first(self.trail.len()) {
            for wish in self.recommendations(wisher).iter() {
                found.extend(self.open_wish(wish));
            }
        }
        found
    }

    /// Returns all packages that are not decided about and supplement what is there, each with the
    /// dependency that says so.
    fn all_supplementing(&self) -> Vec<(usize, &'a Dependency)> {
        let pool = self.admission.pool;
        let added = |id: Id| self.is_id_added(id);
        let rank = |id: Id| {
            let arch = &pool.solvable(id).nevra.arch;
            pool.architectures.rank(arch).unwrap_or(usize::MAX)
        };
        let mut found = Vec::new();
        for &id in &pool.supplementing {
            let Ok(package) = self.rules.packages.binary_search(&id) else {
                continue;
            };
            if self.value(package) != 0 {
                continue;
            }
            let solvable = pool.solvable(id);
            // What supplements the base alone was left out on purpose when the base was made.
            let is_new = |dependency: &&Dependency| {
                self.admission.holds(dependency, &added)
                    && pool.satisfying(dependency).into_iter().any(added)
            };
            let Some(meant) = solvable.supplements.iter().find(is_new) else {
                continue;
            };
            // One word size of it is enough, and the system's own if there is one.
            let stands_for =
                |&other: &Id| added(other) || pool.is_base(other) || rank(other) < rank(id);
            if !pool.named(&solvable.nevra.name).iter().any(stands_for) {
                found.push((package, meant));
            }
        }
        found
    }

    /// Returns what a package recommends.
    fn recommendations(&mut self, wisher: usize) -> Rc<Vec<Recommendation<'a>>> {
        if let Some(known) = self.wishes.recommended.get(&wisher) {
            return Rc::clone(known);
        }
        let id = self.id(wisher);
        let place = |id: &Id| self.rules.packages.binary_search(id).ok();
        // What can never be added is not there, and is never wished for.
        let clause = |clause: Clause| {
            let unless: Option<Vec<usize>> = clause.unless.iter().map(place).collect();
            Some((unless?, clause.any.iter().filter_map(place).collect()))
        };
        let recommends = self.admission.pool.solvable(id).recommends.iter();
        let found = recommends.filter_map(|dependency| {
            let clauses = self
                .admission
                .demand(dependency, Stance::Requires(id))
                .ok()?;
            let clauses: Vec<_> = clauses.into_iter().filter_map(clause).collect();
            (!clauses.is_empty()).then_some(Recommendation {
                dependency,
                clauses,
            })
        });
        let found = Rc::new(found.collect());
        self.wishes.recommended.insert(wisher, Rc::clone(&found));
        found
    }

    /// Returns what could be added for a recommendation; nothing if it is met or can't be.
    fn open_wish(&self, wish: &Recommendation<'_>) -> Vec<usize> {
        let mut open = Vec::new();
        for (unless, any) in &wish.clauses {
            let is_met = !unless.iter().all(|&package| self.is_added(package))
                || any.iter().any(|&package| self.is_added(package));
            if is_met {
                continue;
            }
            let before = open.len();
            open.extend(
                any.iter()
                    .copied()
                    .filter(|&package| self.value(package) == 0),
            );
            if open.len() == before {
                return Vec::new();
            }
        }
        open
    }

    fn is_id_added(&self, id: Id) -> bool {
        let package = self.rules.packages.binary_search(&id);
        package.is_ok_and(|package| self.is_added(package))
    }

    fn value(&self, package: usize) -> i32 {
        self.values.get(package).copied().unwrap_or(0)
    }
}
