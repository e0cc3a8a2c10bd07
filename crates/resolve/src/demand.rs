//! What packages ask of those that may be added, each demand with its cause.
//!
//! A demand comes from outside, which is the request and the base, or from a package once it is
//! added. Both searches and the explanation of a failure take their demands from here.

use crate::clause::{Admission, Clause, Stance};
use crate::dependency::Dependency;
use crate::id::Id;
use crate::pool::Pool;
use crate::solvable::Solvable;

/// Where a clause comes from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Cause<'a> {
    /// The request of that number.
    Request(usize),
    /// A requires or a weak dependency.
    Requires(&'a Dependency),
    /// A conflicts.
    Conflicts(&'a Dependency),
    /// An obsoletes.
    Obsoletes(&'a Dependency),
    /// Two packages of one name.
    SameName,
    /// A dependency with too many alternatives.
    TooComplex(&'a Dependency),
}

/// A demand from outside of the packages to choose from.
#[derive(Debug, Clone)]
pub(crate) struct Demand<'a> {
    /// The package of the base that demands it, if it is not the request.
    pub(crate) by: Option<Id>,
    pub(crate) cause: Cause<'a>,
    pub(crate) clause: Clause,
}

/// Returns what is asked for if the package is added.
pub(crate) fn demands_of<'a>(admission: &Admission<'a>, id: Id) -> Vec<(Cause<'a>, Clause)> {
    let pool = admission.pool;
    let solvable = pool.solvable(id);
    let mut found = Vec::new();
    for (dependency, cause, stance) in asked(solvable, id) {
        match admission.demand(dependency, stance) {
            Ok(clauses) => found.extend(clauses.into_iter().map(|clause| (cause, clause))),
            Err(_) => found.push((Cause::TooComplex(dependency), Clause::default())),
        }
    }
    let without = |other| Clause {
        unless: vec![other],
        any: Vec::new(),
    };
    for dependency in &solvable.obsoletes {
        for other in pool.obsoleted_by(dependency) {
            if admission.admits(other) && !pool.same_name(id, other) {
                found.push((Cause::Obsoletes(dependency), without(other)));
            }
        }
    }
    for other in pool.named(&solvable.nevra.name) {
        if other != id && admission.admits(other) && pool.same_name(id, other) {
            found.push((Cause::SameName, without(other)));
        }
    }
    found
}

/// Returns what packages of the base demand of packages that are added: their rich dependencies.
///
/// What a package of the base lacks already is not asked for: the base is as it is.
pub(crate) fn demands_of_base<'a>(admission: &Admission<'a>) -> Vec<Demand<'a>> {
    let pool: &'a Pool = admission.pool;
    let mut demands = Vec::new();
    for (by, solvable) in (0..).zip(pool.base()) {
        let rich = |dependency: &Dependency| dependency.simple().is_none();
        for (dependency, cause, stance) in asked(solvable, by).filter(|(d, ..)| rich(d)) {
            let clauses = admission.demand(dependency, stance).unwrap_or_default();
            let conditional = clauses
                .into_iter()
                .filter(|clause| !clause.unless.is_empty());
            demands.extend(conditional.map(|clause| Demand {
                by: Some(by),
                cause,
                clause,
            }));
        }
    }
    demands
}

/// Returns what a package requires and what it conflicts with.
fn asked<'a>(
    solvable: &'a Solvable,
    id: Id,
) -> impl Iterator<Item = (&'a Dependency, Cause<'a>, Stance)> {
    let requires = (solvable.requires.iter())
        .map(move |wanted| (wanted, Cause::Requires(wanted), Stance::Requires(id)));
    let conflicts = (solvable.conflicts.iter())
        .map(move |unwanted| (unwanted, Cause::Conflicts(unwanted), Stance::Conflicts(id)));
    requires.chain(conflicts)
}
