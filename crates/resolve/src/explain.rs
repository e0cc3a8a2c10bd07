//! Finds out why there is no solution.
//!
//! The search of `solve` says that there is none. Here the way to that is gone once more, slowly
//! and with every step on record: what leaves one choice is chosen, until a clause can't hold any
//! more; that one and the steps that led to it are the obstacles. Where several providers are left
//! each is tried in turn, and the obstacles of all of them count. The number of tries is bounded;
//! a knot that takes more is reported by the requests that are part of it.

use std::collections::{BTreeMap, BTreeSet};

use crate::clause::{Admission, Clause};
use crate::demand::{Cause, Demand, demands_of};
use crate::id::Id;

/// Providers that are tried in all.
const MAX_TRIES: usize = 500;
/// Providers that are tried within the trial of another.
const MAX_DEPTH: usize = 16;

/// A part of the reason why there is no solution.
#[derive(Debug, Clone)]
pub(crate) struct Obstacle<'a> {
    /// The package that demands, if it is not the request.
    pub(crate) by: Option<Id>,
    pub(crate) cause: Cause<'a>,
    /// The package that can't be there, if the demand is that one is not.
    pub(crate) against: Option<Id>,
}

/// Returns the obstacles to a solution, provided that there is none.
pub(crate) fn explain<'a>(admission: &Admission<'a>, demands: &[Demand<'a>]) -> Vec<Obstacle<'a>> {
    let of_root = |demand: &Demand<'a>| Step {
        owner: None,
        by: demand.by,
        cause: demand.cause,
        clause: demand.clause.clone(),
    };
    let mut refutation = Refutation {
        admission,
        steps: demands.iter().map(of_root).collect(),
        asked: BTreeSet::new(),
        obstacles: BTreeSet::new(),
        tries: MAX_TRIES,
    };
    if !refutation.refute(&mut BTreeMap::new(), 0) {
        let requests = demands
            .iter()
            .enumerate()
            .filter(|(_, demand)| demand.by.is_none());
        refutation
            .obstacles
            .extend(requests.map(|(number, _)| number));
    }
    let obstacles = refutation.obstacles.iter().filter_map(|&number| {
        let step = refutation.steps.get(number)?;
        let against = match (step.clause.unless.as_slice(), step.clause.any.as_slice()) {
            ([other], []) => Some(*other),
            _ => None,
        };
        Some(Obstacle {
            by: step.by,
            cause: step.cause,
            against,
        })
    });
    obstacles.collect()
}

/// A clause that holds if its owner is added, or always.
struct Step<'a> {
    owner: Option<Id>,
    by: Option<Id>,
    cause: Cause<'a>,
    clause: Clause,
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
    admission: &'b Admission<'a>,
    steps: Vec<Step<'a>>,
    asked: BTreeSet<Id>,
    obstacles: BTreeSet<usize>,
    tries: usize,
}

impl Refutation<'_, '_> {
    /// Returns whether what is decided can't be, and takes down why.
    fn refute(&mut self, decided: &mut Decided, depth: usize) -> bool {
        loop {
            let mut open = None;
            let mut changed = false;
            let mut number = 0;
            while let Some(step) = self.steps.get(number) {
                match state(step, decided) {
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
                    State::Open(left) => {
                        open.get_or_insert((number, left));
                    }
                }
                number += 1;
            }
            if changed {
                continue;
            }
            let Some((number, left)) = open else {
                return false;
            };
            for id in left {
                if depth == MAX_DEPTH || self.tries == 0 {
                    return false;
                }
                self.tries -= 1;
                let mut trial = decided.clone();
                trial.insert(id, (true, None));
                self.ask(id);
                if !self.refute(&mut trial, depth + 1) {
                    return false;
                }
            }
            self.trace(number, decided);
            return true;
        }
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
}

fn state(step: &Step<'_>, decided: &Decided) -> State {
    let is = |id: &Id| decided.get(id).map(|(added, _)| *added);
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
