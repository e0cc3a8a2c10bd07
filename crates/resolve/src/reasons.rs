//! Why each package is added; and what is added for no reason is left out.
//!
//! The solver decides one requirement after the other, and may add a provider for one of them
//! before it learns that a later one brings another provider of the same. So the solution is
//! walked once more from the requests on: a requirement that a package on the list satisfies asks
//! for no more, one with a single provider in the solution puts that on the list, and only when
//! nothing else is left one with several puts its best there. What never gets on the list is not
//! needed: every requirement of what is on it is satisfied on it, and fewer packages make no new
//! conflict.

use std::collections::{BTreeSet, VecDeque};

use crate::clause::{Admission, Clause, Stance};
use crate::dependency::Dependency;
use crate::pool::{Id, Package, Pool};
use crate::resolution::{Chosen, Reason, Wish};
use crate::solve::{Cause, Demand};

/// Returns the needed ones of `chosen`, which is sorted, each with the first reason that is found.
///
/// Requests come before demands of the base in `demands`; `granted` are the weak dependencies
/// that `chosen` meets.
pub(crate) fn give(
    admission: &Admission<'_>,
    chosen: &[Id],
    demands: &[Demand<'_>],
    granted: &[Wish<'_>],
) -> Vec<Chosen> {
    let pool = admission.pool;
    let mut walk = Walk {
        admission,
        chosen,
        seen: BTreeSet::new(),
        asked: 0,
        ids: Vec::new(),
        list: Vec::new(),
        open: VecDeque::new(),
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
    walk.list
}

/// Returns the needed ones of `chosen`, by number.
pub(crate) fn needed(
    admission: &Admission<'_>,
    chosen: &[Id],
    demands: &[Demand<'_>],
    granted: &[Wish<'_>],
) -> Vec<Id> {
    let kept = give(admission, chosen, demands, granted).into_iter();
    let ids = kept.filter_map(|kept| admission.pool.id_of(kept.package));
    let mut ids: Vec<Id> = ids.collect();
    ids.sort_unstable();
    ids
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
                self.add(best, reason);
            }
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
        if !clause.unless.iter().all(|id| self.is_chosen(*id)) || self.is_satisfied(&clause) {
            return;
        }
        let mut satisfying = clause.any.iter().copied().filter(|id| self.is_chosen(*id));
        match (satisfying.next(), satisfying.next()) {
            (Some(only), None) => self.add(only, reason),
            (Some(_), Some(_)) => self.open.push_back((clause, reason)),
            (None, _) => {}
        }
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
