//! The search in the order of libsolv, which users of zypper and dnf know the results of.
//!
//! Which provider is best often depends on what has been decided before: on what the packages so
//! far recommend, or whether one of the providers came in by another way. So equal results take
//! the same decisions in the same order. This is that order, after `solver_run_sat` of libsolv:
//!
//! 1. everything that leaves no choice, at every step;
//! 2. the requests, in their order;
//! 3. the requirements of what is added, the package with the highest number first; those that
//!    leave a choice are put off until only such are left, and from then on they are taken as
//!    they come;
//! 4. if it was asked for, what is [recommended](weak), round by round;
//! 5. if a provider was chosen before another one of the same requirement had to be added anyhow,
//!    the decision is taken back, and made for the other one.
//!
//! [`policy`] says which provider is the best one. A decision that turns out to be impossible is
//! taken back, and its opposite holds from there on. libsolv would learn more from it; here that
//! is left to resolvo, which is asked if a few of these steps don't suffice, so that the answer is
//! complete in any case.

mod policy;
mod rules;
mod weak;

use std::collections::BTreeSet;

use crate::chosen::Wish;
use crate::clause::Admission;
use crate::demand::Demand;
use crate::dependency::Dependency;
use crate::id::Id;
use rules::{Literal, Rules};

/// Decisions that are taken back before the search is left to resolvo.
const MAX_RETREATS: usize = 200;
/// Decisions that are made again because another provider was added anyhow.
const MAX_MINIMIZATIONS: usize = 1000;

/// The search did not come to an end by itself.
#[derive(Debug)]
pub(crate) struct Stuck;

/// What the search comes to.
pub(crate) struct Followed<'a> {
    /// The packages to add, by number.
    pub(crate) chosen: Vec<Id>,
    /// The weak dependencies for which some of them were added.
    pub(crate) granted: Vec<Wish<'a>>,
}

/// Returns the packages to add, if the search finds them.
pub(crate) fn follow<'a>(
    admission: &'a Admission<'a>,
    demands: &[Demand<'_>],
    recommends: bool,
) -> Result<Followed<'a>, Stuck> {
    let rules = Rules::of(admission, demands, recommends).ok_or(Stuck)?;
    let mut decisions = Decisions {
        admission,
        values: vec![0; rules.packages.len()],
        counts: vec![0; rules.len()],
        rules,
        trail: Vec::new(),
        counted: 0,
        starts: vec![0],
        branches: Vec::new(),
        retreats: 0,
        weak: policy::Weak::default(),
        recommends,
        wishes: weak::Wishes::default(),
    };
    decisions.run()?;
    let granted = decisions.granted();
    let added = decisions.trail.iter().filter_map(|literal| literal.added());
    let mut chosen: Vec<Id> = added
        .filter_map(|number| decisions.rules.packages.get(number).copied())
        .collect();
    chosen.sort_unstable();
    Ok(Followed { chosen, granted })
}

/// A choice among several providers.
struct Branch<'a> {
    /// The package that wishes for one of them, and how, if none is required.
    wish: Option<(usize, &'a Dependency)>,
    /// The level that it was made on top of.
    level: usize,
    providers: Vec<usize>,
    /// Which of them were tried; the last one holds.
    tried: BTreeSet<usize>,
}

/// Packages are known by their place in [`Rules::packages`] here.
struct Decisions<'a> {
    admission: &'a Admission<'a>,
    rules: Rules,
    /// The level on which it was decided to add a package, its negative if it is not to be added,
    /// 0 if nothing was decided.
    values: Vec<i32>,
    /// For each rule, how many of its literals don't hold.
    counts: Vec<u32>,
    /// What was decided, in order.
    trail: Vec<Literal>,
    /// How much of the trail is in `counts`.
    counted: usize,
    /// Where each level of the trail starts. The first one holds what leaves no choice.
    starts: Vec<usize>,
    branches: Vec<Branch<'a>>,
    retreats: usize,
    weak: policy::Weak,
    /// Whether to add what is recommended.
    recommends: bool,
    wishes: weak::Wishes<'a>,
}

impl<'a> Decisions<'a> {
    fn run(&mut self) -> Result<(), Stuck> {
        for rule in 0..self.rules.len() {
            if let [only] = self.rules.get(rule) {
                match self.holds(*only) {
                    Some(true) => {}
                    Some(false) => return Err(Stuck),
                    None => self.assign(*only),
                }
            }
        }
        if !self.propagate() {
            return Err(Stuck);
        }
        let mut minimizations = 0;
        loop {
            if !self.requests()? || !self.dependencies()? {
                continue;
            }
            if self.recommends && self.wishes()? {
                continue;
            }
            minimizations += 1;
            if minimizations > MAX_MINIMIZATIONS || !self.minimize()? {
                return Ok(());
            }
        }
    }

    fn level(&self) -> usize {
        self.starts.len()
    }

    /// Returns whether the literal holds, if that is decided.
    fn holds(&self, literal: Literal) -> Option<bool> {
        match self.values.get(literal.package()).copied().unwrap_or(0) {
            0 => None,
            value => Some((value > 0) == literal.is_added()),
        }
    }

    fn is_added(&self, package: usize) -> bool {
        self.values.get(package).is_some_and(|value| *value > 0)
    }

    fn assign(&mut self, literal: Literal) {
        let level = i32::try_from(self.level()).unwrap_or(i32::MAX);
        if let Some(value) = self.values.get_mut(literal.package()) {
            *value = if literal.is_added() { level } else { -level };
        }
        self.trail.push(literal);
    }

    /// Decides what leaves no choice; returns whether all rules can hold.
    fn propagate(&mut self) -> bool {
        while let Some(&literal) = self.trail.get(self.counted) {
            self.counted += 1;
            let mut can_hold = true;
            for number in self.rules.with_opposite_of(literal) {
                let rule = self.rules.number_at(number);
                let Some(count) = self.counts.get_mut(rule) else {
                    continue;
                };
                *count += 1;
                let literals = self.rules.get(rule);
                let length = u32::try_from(literals.len()).unwrap_or(u32::MAX);
                if *count == length {
                    can_hold = false;
                } else if *count + 1 == length {
                    let open = literals
                        .iter()
                        .copied()
                        .find(|literal| self.holds(*literal) != Some(false));
                    if let Some(open) = open.filter(|open| self.holds(*open).is_none()) {
                        self.assign(open);
                    }
                }
            }
            if !can_hold {
                return false;
            }
        }
        true
    }

    /// Takes back the decisions of all levels but so many.
    fn revert(&mut self, level: usize) {
        let Some(&start) = self.starts.get(level) else {
            return;
        };
        self.starts.truncate(level);
        while self.trail.len() > start {
            let counted = self.counted == self.trail.len();
            let Some(literal) = self.trail.pop() else {
                break;
            };
            if counted {
                self.counted -= 1;
                for number in self.rules.with_opposite_of(literal) {
                    let rule = self.rules.number_at(number);
                    if let Some(count) = self.counts.get_mut(rule) {
                        *count -= 1;
                    }
                }
            }
            if let Some(value) = self.values.get_mut(literal.package()) {
                *value = 0;
            }
        }
        self.branches.retain(|branch| branch.level < level);
        self.weak.forget_from(start);
    }

    /// Adds a package on a level of its own. If that can't be, the last decisions are taken back
    /// and their opposites hold, until it can.
    fn add(&mut self, package: usize) -> Result<(), Stuck> {
        self.starts.push(self.trail.len());
        self.assign(Literal::new(package, true));
        while !self.propagate() {
            self.retreats += 1;
            let level = self.level() - 1;
            let decision = self
                .starts
                .get(level)
                .and_then(|start| self.trail.get(*start));
            let Some(&decision) = decision.filter(|_| level > 0 && self.retreats < MAX_RETREATS)
            else {
                return Err(Stuck);
            };
            self.revert(level);
            self.assign(decision.opposite());
        }
        Ok(())
    }

    /// Adds the best of `providers`, which are not decided about.
    fn choose(&mut self, mut providers: Vec<usize>) -> Result<(), Stuck> {
        self.prune(&mut providers);
        self.order(&mut providers);
        let Some(&best) = providers.first() else {
            return Err(Stuck);
        };
        self.open_branch(providers, None);
        self.add(best)
    }

    /// Takes down that the first of several providers is about to be added.
    fn open_branch(&mut self, providers: Vec<usize>, wish: Option<(usize, &'a Dependency)>) {
        if let [first, _, ..] = providers[..] {
            self.branches.push(Branch {
                wish,
                level: self.level(),
                providers,
                tried: BTreeSet::from([first]),
            });
        }
    }

    /// Returns the packages of which one must be added for the rule to hold; none if it holds.
    fn open(&self, rule: usize) -> Option<Vec<usize>> {
        let literals = self.rules.get(rule);
        let first = literals.first()?;
        if !first.is_added() && self.holds(*first) != Some(false) {
            return None;
        }
        let mut open = Vec::new();
        for literal in literals {
            match self.holds(*literal) {
                Some(true) => return None,
                Some(false) => {}
                None if literal.is_added() => open.push(literal.package()),
                None => return None,
            }
        }
        Some(open).filter(|open| !open.is_empty())
    }

    /// Decides the requests; returns false if decisions were taken back.
    fn requests(&mut self) -> Result<bool, Stuck> {
        let start = self.level();
        for rule in self.rules.requests() {
            if let Some(open) = self.open(rule) {
                self.choose(open)?;
                if self.level() <= start {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Decides all other rules; returns false if decisions were taken back.
    fn dependencies(&mut self) -> Result<bool, Stuck> {
        let start = self.level();
        let end = self.rules.len();
        // None: nothing is put off any more.
        let mut put_off = Some(None);
        let (mut rule, mut unchanged) = (0, 0);
        loop {
            if unchanged >= end {
                let Some(Some(first)) = put_off else {
                    // Nothing is left to decide.
                    return Ok(true);
                };
                (rule, unchanged, put_off) = (first, 0, None);
            }
            if rule == end {
                rule = 0;
            }
            unchanged += 1;
            if let Some(mut open) = self.open(rule) {
                if open.len() > 1
                    && let Some(first) = &mut put_off
                {
                    self.prune(&mut open);
                    if open.len() > 1 {
                        first.get_or_insert(rule);
                        rule += 1;
                        continue;
                    }
                }
                self.choose(open)?;
                if self.level() < start {
                    return Ok(false);
                }
                unchanged = 0;
            }
            rule += 1;
        }
    }

    /// Makes a choice again of which another provider was added anyhow, or is recommended by now
    /// and the chosen one is not; returns whether there is one.
    fn minimize(&mut self) -> Result<bool, Stuck> {
        if !self.branches.is_empty() {
            self.look_at_weak();
        }
        let found = self.branches.iter().enumerate();
        let mut found =
            found.filter_map(|(number, branch)| Some((number, self.better_of(branch)?)));
        let Some((number, package)) = found.next() else {
            return Ok(false);
        };
        self.branches.truncate(number + 1);
        let Some(mut branch) = self.branches.pop() else {
            return Ok(false);
        };
        branch.tried.insert(package);
        self.revert(branch.level);
        let wish = branch.wish;
        self.branches.push(branch);
        match wish {
            Some((wisher, dependency)) => {
                self.grant(package, wisher, dependency, false).map(|_| true)
            }
            None => self.add(package).map(|()| true),
        }
    }

    /// Returns the provider that should have been chosen.
    fn better_of(&self, branch: &Branch<'_>) -> Option<usize> {
        let level = i32::try_from(branch.level).unwrap_or(i32::MAX);
        let added_on = |package: usize| self.values.get(package).copied().unwrap_or(0);
        let untried = branch.providers.iter().copied();
        let untried = untried.filter(|package| !branch.tried.contains(package));
        if let Some(added) = untried.clone().find(|&package| added_on(package) > level) {
            return Some(added);
        }
        let recommended = untried
            .clone()
            .find(|&package| self.is_recommended(package))?;
        let mut tried = branch.tried.iter().copied();
        tried
            .any(|package| added_on(package) == level + 1 && !self.is_recommended(package))
            .then_some(recommended)
    }
}
