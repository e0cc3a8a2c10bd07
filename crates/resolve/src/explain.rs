//! Finds out why there is no solution.
//!
//! The search of `solve` says that there is none. Here the reasons are looked for, from the plain
//! to the intricate:
//!
//! 1. Packages that can't be added to this base at all, whatever else is: something that they
//!    require is missing, or whatever provides it can't be added either. This explains nearly all
//!    failures, and is exact.
//! 2. What the demands lead to without a choice, until a clause can't hold any more; that one and
//!    the steps that led to it are the obstacles. Where providers are left, each is tried in turn,
//!    and if none can be, the obstacles of all of them count. All clauses are tried with one such
//!    choice before any is with two.
//! 3. If that is not enough, the solver is asked which of the demands alone have no solution, and
//!    then the same of what the packages demand that would meet them.

use std::collections::{BTreeMap, BTreeSet};

use crate::clause::{Admission, Clause};
use crate::demand::{Cause, Demand, demands_of};
use crate::id::Id;
use crate::solve::solve;

/// Providers that are tried in all.
const MAX_TRIES: usize = 2000;
/// Providers that are tried within the trial of another.
const MAX_DEPTH: usize = 3;
/// Times that the solver is asked.
const MAX_QUESTIONS: usize = 200;
/// Packages that an explanation goes down to, one below the other.
const MAX_CHAIN: usize = 16;
/// Packages named by all clauses that are looked at.
const MAX_LITERALS: usize = 1 << 22;

/// A part of the reason why there is no solution.
#[derive(Debug, Clone)]
pub(crate) struct Obstacle<'a> {
    /// The package that demands, if it is not the request.
    pub(crate) by: Option<Id>,
    pub(crate) cause: Cause<'a>,
    /// The package that can't be there, if the demand is that one is not.
    pub(crate) against: Option<Id>,
    /// The packages that would meet the demand.
    pub(crate) any: Vec<Id>,
    /// Whether none of them can be added, whatever else is.
    pub(crate) alone: bool,
}

/// What is known of a failure.
#[derive(Debug, Default)]
pub(crate) struct Explanation<'a> {
    /// Demands that can't be met together.
    pub(crate) obstacles: Vec<Obstacle<'a>>,
    /// Packages that can't be added at all, each with the demand of it that can't be met.
    pub(crate) dead: BTreeMap<Id, Obstacle<'a>>,
}

/// Returns the obstacles to a solution, provided that there is none.
pub(crate) fn explain<'a>(admission: &'a Admission<'a>, demands: &[Demand<'a>]) -> Explanation<'a> {
    let dead = dead(admission, demands);
    let of_root = demands.iter().map(|demand| Step {
        owner: None,
        by: demand.by,
        cause: demand.cause,
        clause: demand.clause.clone(),
    });
    let steps: Vec<Step<'a>> = of_root.collect();
    let mut search = Search {
        admission,
        dead: &dead,
        questions: MAX_QUESTIONS,
    };
    let obstacles = search.obstacles(steps);
    Explanation { obstacles, dead }
}

/// Returns the packages that can't be added to the base at all, of those that the demands lead to.
fn dead<'a>(admission: &'a Admission<'a>, demands: &[Demand<'a>]) -> BTreeMap<Id, Obstacle<'a>> {
    let mut asked: BTreeMap<Id, Vec<(Cause<'a>, Clause)>> = BTreeMap::new();
    let mut met: Vec<Id> = (demands.iter())
        .flat_map(|demand| demand.clause.any.iter().copied())
        .collect();
    let mut literals = 0;
    while let Some(id) = met.pop() {
        if literals > MAX_LITERALS {
            break;
        }
        if asked.contains_key(&id) {
            continue;
        }
        let mut of_package = demands_of(admission, id);
        // What depends on other packages may be avoided.
        of_package.retain(|(_, clause)| clause.unless.is_empty());
        for (_, clause) in &of_package {
            literals += clause.any.len();
            met.extend(&clause.any);
        }
        asked.insert(id, of_package);
    }
    let mut dead: BTreeMap<Id, Obstacle<'a>> = BTreeMap::new();
    loop {
        // By waves, so that each package has the shortest reason.
        let mut wave = Vec::new();
        for (&id, clauses) in asked.iter().filter(|(id, _)| !dead.contains_key(id)) {
            let unmet = |(_, clause): &&(Cause<'a>, Clause)| {
                clause
                    .any
                    .iter()
                    .all(|provider| dead.contains_key(provider))
            };
            if let Some((cause, clause)) = clauses.iter().find(unmet) {
                let obstacle = Obstacle {
                    by: Some(id),
                    cause: *cause,
                    against: None,
                    any: clause.any.clone(),
                    alone: true,
                };
                wave.push((id, obstacle));
            }
        }
        if wave.is_empty() {
            return dead;
        }
        dead.extend(wave);
    }
}

/// A clause that holds if its owner is added, or always.
#[derive(Clone)]
struct Step<'a> {
    owner: Option<Id>,
    by: Option<Id>,
    cause: Cause<'a>,
    clause: Clause,
}

impl<'a> Step<'a> {
    fn obstacle(&self) -> Obstacle<'a> {
        let against = match (self.clause.unless.as_slice(), self.clause.any.as_slice()) {
            ([other], []) => Some(*other),
            _ => None,
        };
        Obstacle {
            by: self.by,
            cause: self.cause,
            against,
            any: self.clause.any.clone(),
            alone: false,
        }
    }
}

struct Search<'a, 'b> {
    admission: &'a Admission<'a>,
    dead: &'b BTreeMap<Id, Obstacle<'a>>,
    questions: usize,
}

impl<'a> Search<'a, '_> {
    /// Returns the obstacles that steps without an owner come to.
    fn obstacles(&mut self, steps: Vec<Step<'a>>) -> Vec<Obstacle<'a>> {
        let mut found: Vec<Obstacle<'a>> = Vec::new();
        let mut steps = steps;
        for _ in 0..MAX_CHAIN {
            if let Some(obstacles) = self.refuted(&steps) {
                found.extend(obstacles);
                return found;
            }
            let all = steps.len();
            self.reduce(&mut steps);
            if steps.len() < all
                && steps.len() > 1
                && let Some(obstacles) = self.refuted(&steps)
            {
                found.extend(obstacles);
                return found;
            }
            let alone = steps.len() == 1;
            found.extend(steps.iter().map(|step| Obstacle {
                alone,
                ..step.obstacle()
            }));
            // What one demand alone can't be met for is what the best that would meet it demands.
            let [only] = steps.as_slice() else {
                return found;
            };
            let live = only
                .clause
                .any
                .iter()
                .find(|id| !self.dead.contains_key(id));
            let Some(&package) = live else {
                return found;
            };
            let demands = demands_of(self.admission, package).into_iter();
            steps = demands
                .map(|(cause, clause)| Step {
                    owner: None,
                    by: Some(package),
                    cause,
                    clause,
                })
                .collect();
            if !self.is_unsolvable(&steps) {
                // It is the package itself that is in the way of what it demands.
                found.extend(
                    steps
                        .iter()
                        .filter(|step| is_worth_a_line(step))
                        .map(Step::obstacle),
                );
                return found;
            }
        }
        found
    }

    /// Returns the obstacles, if a search with few choices finds them.
    fn refuted(&self, steps: &[Step<'a>]) -> Option<Vec<Obstacle<'a>>> {
        let mut refutation = Refutation {
            admission: self.admission,
            dead: self.dead,
            steps: steps.to_vec(),
            asked: BTreeSet::new(),
            obstacles: BTreeSet::new(),
            tries: MAX_TRIES,
        };
        let mut depths = 0..=MAX_DEPTH;
        depths
            .any(|depth| refutation.refute(&mut BTreeMap::new(), depth))
            .then(|| {
                let numbers = refutation.obstacles.iter();
                let found = numbers.filter_map(|&number| refutation.steps.get(number));
                found.map(Step::obstacle).collect()
            })
    }

    /// Leaves out steps without which there is no solution either.
    fn reduce(&mut self, steps: &mut Vec<Step<'a>>) {
        // Often one alone will do.
        for step in steps.iter() {
            if self.is_unsolvable(std::slice::from_ref(step)) {
                *steps = vec![step.clone()];
                return;
            }
        }
        let mut number = 0;
        while number < steps.len() {
            let mut fewer = steps.clone();
            fewer.remove(number);
            match self.is_unsolvable(&fewer) {
                true => *steps = fewer,
                false => number += 1,
            }
        }
    }

    /// Asks the solver whether there is nothing that meets these; says no if it was asked too often.
    fn is_unsolvable(&mut self, steps: &[Step<'a>]) -> bool {
        if self.questions == 0 {
            return false;
        }
        self.questions -= 1;
        let demand = |step: &Step<'a>| Demand {
            by: step.by,
            cause: step.cause,
            clause: step.clause.clone(),
        };
        let demands: Vec<_> = steps.iter().map(demand).collect();
        solve(self.admission, &demands, false).is_err()
    }
}

fn is_worth_a_line(step: &Step<'_>) -> bool {
    !matches!(step.cause, Cause::SameName)
}

/// Whether a package is added, and the number of the step that decided it; none for a try.
type Decided = BTreeMap<Id, (bool, Option<usize>)>;

/// What a clause comes to.
enum State {
    Holds,
    Fails,
    /// One package is left that can make it hold: by being added, or by not being added.
    Decides(Id, bool),
    /// These are left, and each of them could make it hold by being added.
    Open(Vec<Id>),
}

struct Refutation<'a, 'b> {
    admission: &'a Admission<'a>,
    dead: &'b BTreeMap<Id, Obstacle<'a>>,
    steps: Vec<Step<'a>>,
    asked: BTreeSet<Id>,
    obstacles: BTreeSet<usize>,
    tries: usize,
}

impl Refutation<'_, '_> {
    /// Returns whether what is decided can't be, and takes down why. So many choices are made one
    /// within the other.
    fn refute(&mut self, decided: &mut Decided, depth: usize) -> bool {
        let mut open;
        loop {
            let mut changed = false;
            let mut number = 0;
            open = Vec::new();
            while let Some(step) = self.steps.get(number) {
                match self.state(step, decided) {
                    State::Holds => {}
                    State::Fails => {
                        self.trace(number, decided);
                        return true;
                    }
                    State::Decides(id, added) => {
                        decided.insert(id, (added, Some(number)));
                        changed = true;
                        if added {
                            self.ask(id);
                        }
                    }
                    State::Open(left) => open.push((number, left)),
                }
                number += 1;
            }
            if !changed {
                break;
            }
        }
        if depth == 0 {
            return false;
        }
        open.into_iter().any(|(number, left)| {
            // Obstacles to some of the providers say nothing if another one will do.
            let before = self.obstacles.clone();
            let none_will_do = left.into_iter().all(|id| {
                if self.tries == 0 {
                    return false;
                }
                self.tries -= 1;
                let mut trial = decided.clone();
                trial.insert(id, (true, None));
                self.ask(id);
                self.refute(&mut trial, depth - 1)
            });
            match none_will_do {
                true => self.trace(number, decided),
                false => self.obstacles = before,
            }
            none_will_do
        })
    }

    /// Brings in what the package demands.
    fn ask(&mut self, id: Id) {
        if self.asked.insert(id) {
            let demands = demands_of(self.admission, id).into_iter();
            self.steps.extend(demands.map(|(cause, clause)| Step {
                owner: Some(id),
                by: Some(id),
                cause,
                clause,
            }));
        }
    }

    /// Takes down a step and those that led to it.
    fn trace(&mut self, number: usize, decided: &Decided) {
        let mut untraced = vec![number];
        let mut traced = BTreeSet::new();
        while let Some(number) = untraced.pop() {
            if !traced.insert(number) {
                continue;
            }
            let Some(step) = self.steps.get(number) else {
                continue;
            };
            let named = step
                .owner
                .iter()
                .chain(&step.clause.unless)
                .chain(&step.clause.any);
            untraced.extend(named.filter_map(|id| decided.get(id)?.1));
        }
        self.obstacles.extend(traced);
    }

    fn state(&self, step: &Step<'_>, decided: &Decided) -> State {
        let is = |id: &Id| match decided.get(id) {
            Some((added, _)) => Some(*added),
            None => self.dead.contains_key(id).then_some(false),
        };
        let Clause { unless, any } = &step.clause;
        let conditions = step.owner.iter().chain(unless);
        if conditions.clone().any(|id| is(id) == Some(false))
            || any.iter().any(|id| is(id) == Some(true))
        {
            return State::Holds;
        }
        let mut unfulfilled = conditions.filter(|id| is(id).is_none());
        let left: Vec<Id> = any.iter().copied().filter(|id| is(id).is_none()).collect();
        match (unfulfilled.next(), unfulfilled.next(), left.as_slice()) {
            (None, _, []) => State::Fails,
            (None, _, [only]) => State::Decides(*only, true),
            (None, ..) => State::Open(left),
            (Some(only), None, []) => State::Decides(*only, false),
            // Nothing asks for it yet.
            _ => State::Holds,
        }
    }
}
