//! Which of several providers is the best: the order of libsolv's `policy_filter_unwanted`.
//!
//! First all are left out that a better one stands for:
//!
//! 1. those of repositories of lower priority;
//! 2. those of an architecture that the system prefers less than another one's;
//! 3. all but the newest of each name;
//! 4. those that another one obsoletes;
//! 5. if some are recommended by what is there, or supplement it, all others.
//!
//! Then the rest is ordered, by the name first. The later criterion is the stronger one:
//!
//! 1. those come last that have a newer version, even one that can't be added;
//! 2. those come first that provide the newer version of something that several provide;
//! 3. those of which the base has one of the name, in another word size;
//! 4. those that what is there suggests, or that enhance it.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use super::Decisions;
use crate::dependency::{Capability, Dependency};
use crate::evr::{Comparison, Evr};
use crate::id::Id;
use crate::solvable::{Nevra, Solvable};

/// What the base and the packages so far recommend and suggest.
#[derive(Default)]
pub(super) struct Weak {
    /// How much of the trail has been looked at; none if not even the base has.
    seen: Option<usize>,
    recommended: BTreeSet<Id>,
    suggested: BTreeSet<Id>,
}

impl Weak {
    /// Forgets all if decisions were taken back that it looked at: all but so many.
    pub(super) fn forget_from(&mut self, kept: usize) {
        if self.seen.is_some_and(|seen| seen > kept) {
            *self = Self::default();
        }
    }
}

impl Decisions<'_> {
    pub(super) fn id(&self, package: usize) -> Id {
        self.rules
            .packages
            .get(package)
            .copied()
            .unwrap_or_default()
    }

    fn solvable(&self, package: usize) -> &Solvable {
        self.admission.pool.solvable(self.id(package))
    }

    /// Leaves out of `providers` what a better one stands for.
    pub(super) fn prune(&mut self, providers: &mut Vec<usize>) {
        self.keep_best(providers);
        if providers.len() > 1 {
            self.look_at_weak();
            let is_recommended = |package: &usize| self.is_recommended(*package);
            if providers.iter().any(is_recommended) {
                providers.retain(is_recommended);
            }
        }
    }

    /// Leaves out of `providers` those that repository, architecture, version or an obsoletes makes
    /// worse than another one.
    pub(super) fn keep_best(&self, providers: &mut Vec<usize>) {
        if providers.len() < 2 {
            return;
        }
        let pool = self.admission.pool;
        let priority = |package: &usize| pool.priority(self.id(*package));
        let best = providers.iter().map(priority).max();
        providers.retain(|package| Some(priority(package)) == best);
        let rank = |package: &usize| pool.architectures.rank(&self.solvable(*package).nevra.arch);
        let is_any = |package: &usize| self.solvable(*package).nevra.arch == "noarch";
        let best = providers
            .iter()
            .filter(|package| !is_any(package))
            .map(rank)
            .min();
        providers.retain(|package| is_any(package) || Some(rank(package)) == best);

        // The best of each name; of equal ones the first.
        let nevra = |package: usize| &self.solvable(package).nevra;
        providers.sort_by(|&a, &b| {
            let (left, right) = (nevra(a), nevra(b));
            (left.name.cmp(&right.name))
                .then_with(|| right.evr.compare(&left.evr))
                .then_with(|| rank(&a).cmp(&rank(&b)))
                .then(a.cmp(&b))
        });
        providers.dedup_by(|b, a| nevra(*a).name == nevra(*b).name);

        // Those of one name follow one another by now.
        let all = providers.clone();
        let named = |wanted: &Capability| {
            let name = |package: &usize| nevra(*package).name.as_str();
            let place = all.binary_search_by(|package| name(package).cmp(&wanted.name));
            let found = place.ok().and_then(|place| all.get(place).copied());
            found.filter(|&package| {
                let Nevra { name, evr, .. } = nevra(package);
                wanted.matches_package(name, evr)
            })
        };
        let obsoleted = |package: usize| -> Vec<usize> {
            let obsoletes = self.solvable(package).obsoletes.iter();
            let found = obsoletes.filter_map(Dependency::simple).filter_map(named);
            found.filter(|&other| other != package).collect()
        };
        let mut worse: Vec<usize> = Vec::new();
        for &one in &all {
            let found = obsoleted(one).into_iter();
            worse.extend(found.filter(|&other| !obsoleted(other).contains(&one)));
        }
        providers.retain(|package| !worse.contains(package));
    }

    /// Brings pruned `providers` into order, the best first.
    pub(super) fn order(&mut self, providers: &mut [usize]) {
        if providers.len() < 2 {
            return;
        }
        self.look_at_weak();
        let pool = self.admission.pool;
        let has_newer = |package: &usize| {
            let nevra = &self.solvable(*package).nevra;
            let priority = pool.priority(self.id(*package));
            let others = pool.named(&nevra.name).into_iter();
            others.filter(|&other| !pool.is_base(other)).any(|other| {
                let found = &pool.solvable(other).nevra;
                found.arch == nevra.arch
                    && match pool.priority(other).cmp(&priority) {
                        Ordering::Greater => true,
                        Ordering::Less => false,
                        Ordering::Equal => found.evr.compare(&nevra.evr).is_gt(),
                    }
            })
        };
        providers.sort_by_cached_key(has_newer);
        self.order_by_common(providers);
        providers.sort_by_cached_key(|package| {
            let named = pool.named(&self.solvable(*package).nevra.name);
            !named.first().is_some_and(|&first| pool.is_base(first))
        });
        providers.sort_by_cached_key(|package| {
            !self.weak.suggested.contains(&self.id(*package))
                && !self.is_for(&self.solvable(*package).enhances)
        });
    }

    /// Brings those to the end that provide an older version of what another one provides.
    fn order_by_common(&self, providers: &mut [usize]) {
        let mut common: BTreeMap<&str, Vec<(&Evr, bool, usize)>> = BTreeMap::new();
        for (place, &package) in providers.iter().enumerate() {
            for dependency in &self.solvable(package).provides {
                let Some((name, Some((comparison, evr)))) =
                    dependency.simple().map(|offer| (&offer.name, &offer.range))
                else {
                    continue;
                };
                let counts = match comparison {
                    Comparison::Equal => !is_hash(evr),
                    Comparison::Less | Comparison::LessEqual => true,
                    Comparison::Greater | Comparison::GreaterEqual => false,
                };
                if counts {
                    let less = *comparison == Comparison::Less;
                    common.entry(name).or_default().push((evr, less, place));
                }
            }
        }
        let mut badness = vec![0usize; providers.len()];
        for mut offers in common.into_values().filter(|offers| offers.len() > 1) {
            offers.sort_by(|a, b| b.0.compare(a.0).then(a.1.cmp(&b.1)));
            let mut bad = 0;
            for pair in offers.windows(2) {
                if let [(newer, newer_less, first), (older, older_less, second)] = pair {
                    let order = match newer.release.is_empty() || older.release.is_empty() {
                        true => newer.compare_version(older),
                        false => newer.compare(older),
                    };
                    let is_older = order.then(older_less.cmp(newer_less)).is_gt();
                    bad += usize::from(first != second && is_older);
                    if let Some(badness) = badness.get_mut(*second) {
                        *badness += bad;
                    }
                }
            }
        }
        let mut keyed: Vec<(usize, usize)> =
            badness.into_iter().zip(providers.iter().copied()).collect();
        keyed.sort_by_key(|(badness, _)| *badness);
        for (slot, (_, package)) in providers.iter_mut().zip(keyed) {
            *slot = package;
        }
    }

    /// Returns whether the package is recommended by what is there, or supplements it;
    /// [`look_at_weak`](Self::look_at_weak) comes first.
    pub(super) fn is_recommended(&self, package: usize) -> bool {
        self.weak.recommended.contains(&self.id(package))
            || self.is_for(&self.solvable(package).supplements)
    }

    /// Returns whether one of these dependencies, supplements or enhances, holds by now.
    fn is_for(&self, hints: &[Dependency]) -> bool {
        let added = |id: Id| {
            let package = self.rules.packages.binary_search(&id);
            package.is_ok_and(|package| self.is_added(package))
        };
        hints.iter().any(|hint| self.admission.holds(hint, &added))
    }

    /// Takes down what the base and the packages so far recommend and suggest.
    pub(super) fn look_at_weak(&mut self) {
        let pool = self.admission.pool;
        let take = |weak: &mut Weak, solvable: &Solvable| {
            for hint in &solvable.recommends {
                weak.recommended.extend(pool.satisfying(hint));
            }
            for hint in &solvable.suggests {
                weak.suggested.extend(pool.satisfying(hint));
            }
        };
        let mut weak = std::mem::take(&mut self.weak);
        if weak.seen.is_none() {
            for solvable in pool.base() {
                take(&mut weak, solvable);
            }
        }
        let news = self.trail.iter().skip(weak.seen.unwrap_or(0));
        for package in news.filter_map(|literal| literal.added()) {
            take(&mut weak, self.solvable(package));
        }
        weak.seen = Some(self.trail.len());
        self.weak = weak;
    }
}

/// Returns whether the version looks like a hash, which has no order.
fn is_hash(evr: &Evr) -> bool {
    let text = evr.to_string();
    text.len() >= 4
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}
