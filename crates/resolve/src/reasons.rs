//! Why each package is added.
//!
//! The solution is walked once more from the requests on: a requirement that a package on the list
//! satisfies asks for no more, one with a single provider in the solution puts that on the list,
//! and only when nothing else is left one with several puts its first there.
//!
//! What does not get on the list that way is not needed: every requirement of what is on it is
//! satisfied on it, and fewer packages make no new conflict. resolvo leaves such packages: it may
//! add a provider before it learns that another requirement brings another one. So does the search
//! in libsolv's order if the first provider was recommended, which is to be kept; its reason is the
//! first requirement that it satisfies.

use std::collections::{BTreeSet, VecDeque};

use crate::chosen::{Chosen, Reason, Wish};
use crate::clause::{Admission, Clause, Stance};
use crate::demand::{Cause, Demand};
use crate::dependency::Dependency;
use crate::id::Id;
use crate::pool::{Package, Pool};

/// Returns `chosen`, which is sorted, each with the first reason that is found.
///
/// Requests come before demands of the base in `demands`; `granted` are the weak dependencies
/// that `chosen` meets.
pub(crate) fn give(
    admission: &Admission<'_>,
    chosen: &[Id],
    demands: &[Demand<'_>],
    granted: &[Wish<'_>],
) -> Vec<Chosen> {
    let mut walk = walk(admission, chosen, demands, granted);
    while let Some((id, reason)) = walk.passed_over() {
        walk.add(id, reason);
        walk.follow();
    }
    walk.list
}

/// Returns the needed ones of `chosen`, by number.
pub(crate) fn needed(
    admission: &Admission<'_>,
    chosen: &[Id],
    demands: &[Demand<'_>],
    granted: &[Wish<'_>],
) -> Vec<Id> {
    let mut ids = walk(admission, chosen, demands, granted).ids;
    ids.sort_unstable();
    ids
}

fn walk<'a>(
    admission: &'a Admission<'a>,
    chosen: &'a [Id],
    demands: &[Demand<'_>],
    granted: &[Wish<'_>],
) -> Walk<'a> {
    let pool = admission.pool;
    let mut walk = Walk {
        admission,
        chosen,
        seen: BTreeSet::new(),
        asked: 0,
        ids: Vec::new(),
        list: Vec::new(),
        open: VecDeque::new(),
        satisfied: Vec::new(),
    };
    for Demand { by, cause, clause } in demands {
        let reason = match (by, cause) {
            (None, Cause::Request(number)) => Reason::Requested(*number),
            (Some(by), Cause::Requires(dependency) | Cause::Conflicts(dependency)) => {
                requires(pool, *by, dependency)
            }
            _ => continue,
        };
        walk.ask(clause.clone(), reason);
    }
    walk.follow();
    for wish in granted {
        let dependency = wish.dependency.to_string();
        let reason = match wish.supplements {
            true => Reason::Supplements { dependency },
            false => Reason::Recommends {
                by: pool.package(wish.package),
                dependency,
            },
        };
        for demand in &wish.demands {
            walk.ask(demand.clause.clone(), reason.clone());
        }
        walk.follow();
    }
    walk
}

struct Walk<'a> {
    admission: &'a Admission<'a>,
    chosen: &'a [Id],
    seen: BTreeSet<Id>,
    /// How many of `ids` have been asked what they require.
    asked: usize,
    ids: Vec<Id>,
    list: Vec<Chosen>,
    /// Clauses that several chosen packages satisfy, none of them on the list when it was asked.
    open: VecDeque<(Clause, Reason)>,
    /// Clauses that asked for nothing because a package on the list satisfies them, and that
    /// others satisfy too.
    satisfied: Vec<(Clause, Reason)>,
}

impl Walk<'_> {
    /// Puts on the list what the packages on it require, and so on.
    fn follow(&mut self) {
        loop {
            while let Some(&by) = self.ids.get(self.asked) {
                self.asked += 1;
                self.ask_for(by);
            }
            let Some((clause, reason)) = self.open.pop_front() else {
                return;
            };
            let best = clause.any.iter().find(|id| self.is_chosen(**id)).copied();
            if let Some(best) = best.filter(|_| !self.is_satisfied(&clause)) {
                self.add(best, reason.clone());
            }
            self.satisfied.push((clause, reason));
        }
    }

    /// Asks for what the package requires.
    fn ask_for(&mut self, by: Id) {
        let pool = self.admission.pool;
        let solvable = pool.solvable(by);
        let required = (solvable.requires.iter()).map(|wanted| (wanted, Stance::Requires(by)));
        // A rich conflict may come to a requirement: `(a unless b)`.
        let conflicts = (solvable.conflicts.iter())
            .filter(|dependency| dependency.simple().is_none())
            .map(|dependency| (dependency, Stance::Conflicts(by)));
        for (dependency, stance) in required.chain(conflicts) {
            for clause in self
                .admission
                .demand(dependency, stance)
                .unwrap_or_default()
            {
                self.ask(clause, requires(pool, by, dependency));
            }
        }
    }

    fn ask(&mut self, clause: Clause, reason: Reason) {
        if !clause.unless.iter().all(|id| self.is_chosen(*id)) {
            return;
        }
        if self.is_satisfied(&clause) {
            if self.first_missing(&clause).is_some() {
                self.satisfied.push((clause, reason));
            }
            return;
        }
        let mut satisfying = clause.any.iter().copied().filter(|id| self.is_chosen(*id));
        match (satisfying.next(), satisfying.next()) {
            (Some(only), None) => self.add(only, reason),
            (Some(_), Some(_)) => self.open.push_back((clause, reason)),
            (None, _) => {}
        }
    }

    /// Returns a chosen package that is not on the list, with a reason for it.
    fn passed_over(&self) -> Option<(Id, Reason)> {
        let mut satisfied = self.satisfied.iter();
        satisfied.find_map(|(clause, reason)| Some((self.first_missing(clause)?, reason.clone())))
    }

    /// Returns the first chosen package that satisfies the clause and is not on the list.
    fn first_missing(&self, clause: &Clause) -> Option<Id> {
        let mut any = clause.any.iter().copied();
        any.find(|id| self.is_chosen(*id) && !self.seen.contains(id))
    }

    fn is_chosen(&self, id: Id) -> bool {
        self.chosen.binary_search(&id).is_ok()
    }

    fn is_satisfied(&self, clause: &Clause) -> bool {
        clause.any.iter().any(|id| self.seen.contains(id))
    }

    fn add(&mut self, id: Id, reason: Reason) {
        if let Package::Available(package) = self.admission.pool.package(id)
            && self.seen.insert(id)
        {
            self.ids.push(id);
            self.list.push(Chosen { package, reason });
        }
    }
}

fn requires(pool: &Pool, by: Id, dependency: &Dependency) -> Reason {
    Reason::Requires {
        by: pool.package(by),
        dependency: dependency.to_string(),
    }
}
