//! Which of several providers is tried first.
//!
//! The order of libsolv's `policy_filter_unwanted` as far as it can be known before solving, and
//! then one that leaves no tie. The earlier criterion decides:
//!
//! 1. a package that another provider obsoletes comes after all that none does;
//! 2. the repository of higher priority;
//! 3. the architecture that the system prefers;
//! 4. the best version of each package before the second best of any;
//! 5. the package that is named as the capability is;
//! 6. a package that the requiring one recommends or suggests, or that supplements or enhances
//!    something of the base;
//! 7. the shorter name, then the name in the order of bytes;
//! 8. the repository that was given first, then the package that comes first in it.
//!
//! That a package which is added anyhow, or is in the base, satisfies the requirement needs no
//! criterion: the solver only chooses if none does.

use std::cmp::Reverse;

use crate::dependency::Dependency;
use crate::pool::{Id, Pool};

/// Lists longer than this are not searched for obsoleted members and hints: these cost a look-up
/// for each dependency of each member.
const MAX_SEARCHED: usize = 512;

/// Sorts `ids`, packages on offer that provide `capability` to `requirer`, the best first.
pub(crate) fn sort(pool: &Pool, ids: &mut [Id], capability: &str, requirer: Option<Id>) {
    if ids.len() < 2 {
        return;
    }
    let searched = ids.len() <= MAX_SEARCHED;
    let mut obsoleted: Vec<Id> = Vec::new();
    let mut hinted: Vec<Id> = Vec::new();
    if searched {
        for &id in ids.iter() {
            for dependency in &pool.solvable(id).obsoletes {
                let others = pool.obsoleted_by(dependency).into_iter();
                obsoleted.extend(others.filter(|&other| !pool.same_name(id, other)));
            }
            let solvable = pool.solvable(id);
            let wants_base = (solvable.supplements.iter().chain(&solvable.enhances))
                .any(|hint| is_of_base(pool, hint));
            if wants_base {
                hinted.push(id);
            }
        }
        if let Some(requirer) = requirer {
            let solvable = pool.solvable(requirer);
            for hint in solvable.recommends.iter().chain(&solvable.suggests) {
                hinted.extend(pool.satisfying(hint));
            }
        }
        obsoleted.sort_unstable();
        hinted.sort_unstable();
    }
    // Within a name, the best first; then each learns how many of its name are better.
    let quality = |id: Id| {
        let arch = pool.architectures.rank(&pool.solvable(id).nevra.arch);
        (Reverse(pool.priority(id)), arch.unwrap_or(usize::MAX))
    };
    ids.sort_by(|&a, &b| {
        let (left, right) = (&pool.solvable(a).nevra, &pool.solvable(b).nevra);
        (left.name.cmp(&right.name))
            .then_with(|| quality(a).cmp(&quality(b)))
            .then_with(|| right.evr.compare(&left.evr))
            .then_with(|| a.cmp(&b))
    });
    let mut place_in_name = 0usize;
    let mut previous: Option<Id> = None;
    let mut keyed: Vec<_> = (ids.iter().enumerate())
        .map(|(order, &id)| {
            let name = &pool.solvable(id).nevra.name;
            place_in_name = match previous.replace(id) {
                Some(other) if pool.solvable(other).nevra.name == *name => place_in_name + 1,
                _ => 0,
            };
            let key = (
                obsoleted.binary_search(&id).is_ok(),
                quality(id),
                place_in_name,
                name != capability,
                hinted.binary_search(&id).is_err(),
                name.len(),
                order,
            );
            (key, id)
        })
        .collect();
    keyed.sort();
    for (slot, (_, id)) in ids.iter_mut().zip(keyed) {
        *slot = id;
    }
}

/// Returns whether the base alone satisfies a part of the hint.
fn is_of_base(pool: &Pool, hint: &Dependency) -> bool {
    // By number, the base comes first.
    (pool.satisfying(hint).first()).is_some_and(|&id| pool.is_base(id))
}
