//! The encoding for resolvo, which does the search.
//!
//! resolvo allows one candidate of each *name* and knows *version sets* of a name. RPM's rules
//! don't fit that: packages of one name may be there side by side if their word sizes differ, a
//! capability has providers of many names, and a condition may be about one package of a name and
//! not the next. So every package is a name of its own here, with two version sets: one holds the
//! package, the other holds what stands for its absence. A requirement is a union of sets, the
//! best provider first, which is the order in which resolvo tries them; a conflict constrains the
//! other package to be absent; and packages of one name conflict with each other like any others.
//! Packages of the base don't appear at all, see [`clause`](crate::clause).
//!
//! **Conditions.** A clause with conditions, "b, if c is added", would make the solver decide about
//! c when nothing asks for it. So these clauses are left out at first. If a solution breaks some,
//! those are added, as "b, or the absence of c", and it is solved again. resolvo has conditional
//! requirements of its own; they are not used because some answers of version 0.12.2 broke them
//! when they were compared with an exhaustive search (`tests/brute_force.rs`).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Display;

use resolvo::{
    Candidates, Condition, ConditionId, ConditionalRequirement, Dependencies, DependencyProvider,
    HintDependenciesAvailable, Interner, KnownDependencies, NameId, Requirement, SolvableId,
    Solver, SolverCache, StringId, VersionSetId, VersionSetUnionId,
};

use crate::chosen::Wish;
use crate::clause::{Admission, Clause};
use crate::decisions::{self, Followed};
use crate::demand::{Demand, demands_of};
use crate::id::Id;
use crate::prefer;

/// There is no choice that meets all demands; [`explain`](crate::explain) says why.
#[derive(Debug)]
pub(crate) struct Unsolvable;

/// The packages to add.
pub(crate) struct Solution<'a> {
    /// By number.
    pub(crate) chosen: Vec<Id>,
    /// Whether there may be some among them that nothing needs.
    pub(crate) is_loose: bool,
    /// The weak dependencies for which some of them were added; none if they were not looked at.
    pub(crate) granted: Option<Vec<Wish<'a>>>,
}

/// Returns the packages to add, and if so asked those that are recommended, if the search in
/// libsolv's order finds them.
pub(crate) fn solve<'a>(
    admission: &'a Admission<'a>,
    demands: &[Demand<'a>],
    recommends: bool,
) -> Result<Solution<'a>, Unsolvable> {
    if let Ok(Followed { chosen, granted }) = decisions::follow(admission, demands, recommends) {
        return Ok(Solution {
            chosen,
            is_loose: false,
            granted: recommends.then_some(granted),
        });
    }
    let mut active: BTreeSet<Place> = BTreeSet::new();
    loop {
        let chosen = solve_with(admission, demands, &active)?;
        let before = active.len();
        let broken = |clause: &Clause| {
            clause
                .unless
                .iter()
                .all(|id| chosen.binary_search(id).is_ok())
                && !clause.any.iter().any(|id| chosen.binary_search(id).is_ok())
        };
        let of_root = demands.iter().map(|demand| &demand.clause).enumerate();
        active.extend(
            of_root
                .filter(|(_, clause)| broken(clause))
                .map(|(place, _)| (None, place)),
        );
        for &id in &chosen {
            let clauses = demands_of(admission, id).into_iter().enumerate();
            let broken = clauses.filter(|(_, (_, clause))| broken(clause));
            active.extend(broken.map(|(place, _)| (Some(id), place)));
        }
        if active.len() == before {
            return Ok(Solution {
                chosen,
                is_loose: true,
                granted: None,
            });
        }
    }
}

/// A clause: the package that it is of (none: from outside) and its place among those.
type Place = (Option<Id>, usize);

/// Solves with those clauses that have conditions that are among `active`.
fn solve_with<'a>(
    admission: &'a Admission<'a>,
    demands: &[Demand<'a>],
    active: &'a BTreeSet<Place>,
) -> Result<Vec<Id>, Unsolvable> {
    let encoding = Encoding {
        admission,
        active,
        records: RefCell::default(),
    };
    let of_root = demands.iter().map(|demand| &demand.clause);
    let root = encoding.encode(None, of_root);
    let problem = resolvo::Problem::new()
        .requirements(root.requirements)
        .constraints(root.constrains);
    // Nothing cancels a search of ours, so that an error means that there is no solution. Its
    // conflict graph is of no use: it knows numbers, and `explain` knows dependencies.
    let found = Solver::new(encoding)
        .solve(problem)
        .map_err(|_| Unsolvable)?;
    let present = found
        .into_iter()
        .filter(|solvable| solvable.into_raw().is_multiple_of(2));
    let mut chosen: Vec<Id> = present.map(|solvable| solvable.into_raw() / 2).collect();
    chosen.sort_unstable();
    Ok(chosen)
}

/// The lists that were handed to resolvo as unions.
#[derive(Debug, Default)]
struct Records {
    unions: Vec<Vec<VersionSetId>>,
    /// The same list is the same requirement to resolvo, no matter who asks.
    union_of: BTreeMap<Vec<VersionSetId>, VersionSetUnionId>,
}

impl Records {
    fn union(&mut self, list: Vec<VersionSetId>) -> VersionSetUnionId {
        if let Some(known) = self.union_of.get(&list) {
            return *known;
        }
        // Lists of 2^32 entries don't fit in memory.
        let id = VersionSetUnionId(u32::try_from(self.unions.len()).unwrap_or(u32::MAX));
        self.unions.push(list.clone());
        self.union_of.insert(list, id);
        id
    }
}

struct Encoding<'a> {
    admission: &'a Admission<'a>,
    active: &'a BTreeSet<Place>,
    records: RefCell<Records>,
}

/// The set that holds the package. Solvables have the numbers of the sets that hold them.
fn present(id: Id) -> VersionSetId {
    VersionSetId(id.saturating_mul(2))
}

/// The set that holds what stands for the package's absence.
fn absent(id: Id) -> VersionSetId {
    VersionSetId(id.saturating_mul(2).saturating_add(1))
}

impl Encoding<'_> {
    fn encode<'c>(
        &self,
        owner: Option<Id>,
        clauses: impl Iterator<Item = &'c Clause>,
    ) -> KnownDependencies {
        let mut known = KnownDependencies::default();
        let mut records = self.records.borrow_mut();
        // What leaves no choice is decided first, and may satisfy what does.
        let mut clauses: Vec<_> = clauses.enumerate().collect();
        clauses.sort_by_key(|(_, clause)| clause.any.len());
        for (place, Clause { unless, any }) in clauses {
            if let ([other], []) = (unless.as_slice(), any.as_slice()) {
                known.constrains.push(absent(*other));
            } else if unless.is_empty() || self.active.contains(&(owner, place)) {
                let absences = unless.iter().map(|id| absent(*id));
                let mut any = any.clone();
                prefer::sort(self.admission.pool, &mut any);
                let list = any.into_iter().map(present).chain(absences).collect();
                let union = Requirement::Union(records.union(list));
                known.requirements.push(ConditionalRequirement::from(union));
            }
        }
        known
    }
}

impl Interner for Encoding<'_> {
    type NameId = NameId;
    type SolvableId = SolvableId;

    fn display_solvable(&self, solvable: SolvableId) -> impl Display + '_ {
        &self.admission.pool.solvable(solvable.into_raw() / 2).nevra
    }

    fn display_name(&self, name: NameId) -> impl Display + '_ {
        &self.admission.pool.solvable(name.into_raw()).nevra
    }

    fn display_version_set(&self, version_set: VersionSetId) -> impl Display + '_ {
        if version_set.0.is_multiple_of(2) {
            "present"
        } else {
            "absent"
        }
    }

    fn display_string(&self, _: StringId) -> impl Display + '_ {
        ""
    }

    fn version_set_name(&self, version_set: VersionSetId) -> NameId {
        NameId::from_raw(version_set.0 / 2)
    }

    fn solvable_name(&self, solvable: SolvableId) -> NameId {
        NameId::from_raw(solvable.into_raw() / 2)
    }

    fn version_sets_in_union(
        &self,
        union: VersionSetUnionId,
    ) -> impl Iterator<Item = VersionSetId> {
        let records = self.records.borrow();
        let index = usize::try_from(union.0).unwrap_or(usize::MAX);
        let list = records.unions.get(index).cloned().unwrap_or_default();
        list.into_iter()
    }

    fn resolve_condition(&self, _: ConditionId) -> Condition {
        // No requirement of ours has a condition, so that none is asked for.
        Condition::Requirement(VersionSetId::default())
    }
}

impl DependencyProvider for Encoding<'_> {
    async fn filter_candidates(
        &self,
        candidates: &[SolvableId],
        version_set: VersionSetId,
        inverse: bool,
    ) -> Vec<SolvableId> {
        let is_in = |solvable: &SolvableId| solvable.into_raw() == version_set.0;
        (candidates.iter().copied())
            .filter(|solvable| is_in(solvable) != inverse)
            .collect()
    }

    async fn get_candidates(&self, name: NameId) -> Option<Candidates<SolvableId>> {
        let id = name.into_raw();
        Some(Candidates {
            candidates: [present(id), absent(id)]
                .map(|set| SolvableId::from_raw(set.0))
                .to_vec(),
            hint_dependencies_available: HintDependenciesAvailable::None,
            ..Candidates::default()
        })
    }

    async fn sort_candidates(&self, _: &SolverCache<Self>, _: &mut [SolvableId]) {
        // Every set holds one candidate; the order of a union is the preference.
    }

    async fn get_dependencies(&self, solvable: SolvableId) -> Dependencies {
        let id = solvable.into_raw() / 2;
        if !solvable.into_raw().is_multiple_of(2) {
            return Dependencies::Known(KnownDependencies::default());
        }
        let demands = demands_of(self.admission, id);
        let clauses = demands.iter().map(|(_, clause)| clause);
        Dependencies::Known(self.encode(Some(id), clauses))
    }
}
