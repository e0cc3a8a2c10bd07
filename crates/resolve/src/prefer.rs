//! Which of several providers resolvo tries first.
//!
//! It is asked where the search in libsolv's order did not come to an end, and takes its decisions
//! in an order of its own. So this is libsolv's preference as far as it can be known before. The
//! earlier criterion decides:
//!
//! 1. the repository of higher priority;
//! 2. the architecture that the system prefers;
//! 3. the best version of each package before the second best of any;
//! 4. the name, in the order of bytes;
//! 5. the repository that was given first, then the package that comes first in it.

use std::cmp::Reverse;

use crate::id::Id;
use crate::pool::Pool;

/// Returns the best of packages of one name: of the repository of highest priority, of the
/// architecture that the system prefers, the newest. There may be several that are alike.
pub(crate) fn best(pool: &Pool, ids: &[Id]) -> Vec<Id> {
    let mut best = ids.to_vec();
    let highest = best.iter().map(|&id| pool.priority(id)).max();
    best.retain(|&id| Some(pool.priority(id)) == highest);
    let rank = |id: &Id| {
        let arch = &pool.solvable(*id).nevra.arch;
        pool.architectures.rank(arch).unwrap_or(usize::MAX)
    };
    let preferred = best.iter().map(rank).min();
    best.retain(|id| Some(rank(id)) == preferred);
    let evr = |id: &Id| &pool.solvable(*id).nevra.evr;
    let newest = best.iter().copied().max_by(|a, b| evr(a).compare(evr(b)));
    best.retain(|id| newest.is_some_and(|newest| evr(id).compare(evr(&newest)).is_eq()));
    best
}

/// Sorts `ids`, packages on offer, the best first.
pub(crate) fn sort(pool: &Pool, ids: &mut [Id]) {
    if ids.len() < 2 {
        return;
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
            let key = (quality(id), place_in_name, order);
            (key, id)
        })
        .collect();
    keyed.sort();
    for (slot, (_, id)) in ids.iter_mut().zip(keyed) {
        *slot = id;
    }
}
