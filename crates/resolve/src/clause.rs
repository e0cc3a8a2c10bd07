//! Dependencies as clauses: what a dependency asks of the packages that may still be added.
//!
//! The base is fixed, so a capability that it offers is simply true. What remains of a dependency
//! is brought into conjunctive normal form: a list of clauses, each of which says "if all of
//! `unless` are added, so is one of `any`". No clause at all means that nothing is left to ask; a
//! clause with two empty lists can't be met.

use std::collections::{BTreeMap, BTreeSet};

use crate::dependency::{Capability, Dependency, Rich};
use crate::evaluate::{self, is_rpmlib};
use crate::id::Id;
use crate::pool::{Exclusion, Pool};
use crate::solvable::Nevra;

/// Clauses that one dependency may turn into. `(a if b)` makes as many as `b` has providers, and
/// alternatives multiply.
const MAX_CLAUSES: usize = 4096;
/// Packages named by all clauses of one dependency.
const MAX_LITERALS: usize = 1 << 20;

/// If all of `unless` are added, one of `any` must be.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Clause {
    pub(crate) unless: Vec<Id>,
    pub(crate) any: Vec<Id>,
}

/// The dependency turns into more clauses than [`MAX_CLAUSES`].
#[derive(Debug)]
pub(crate) struct TooComplex;

/// How a package stands to the dependency that is read.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Stance {
    /// It requires it, and may satisfy it itself.
    Requires(Id),
    /// It conflicts with it. What the package itself is or provides is no reason against it, except
    /// in a rich dependency: there rpm takes it as there, like every other package.
    Conflicts(Id),
    /// Someone outside asks: the request or the base.
    Outside,
}

/// The packages that may be added in one run: those of the pool that the base and the lock admit.
#[derive(Debug)]
pub(crate) struct Admission<'a> {
    pub(crate) pool: &'a Pool,
    /// What the lock says, by name.
    locked: BTreeMap<&'a str, Vec<&'a Nevra>>,
    /// Packages that the request means by more than their name, and what those need that are
    /// temporary fixes: they may be added even if they are withheld from others.
    direct: BTreeSet<Id>,
}

impl<'a> Admission<'a> {
    pub(crate) fn new(pool: &'a Pool, lock: &'a [Nevra]) -> Self {
        let mut locked: BTreeMap<&str, Vec<&Nevra>> = BTreeMap::new();
        for nevra in lock {
            locked.entry(&nevra.name).or_default().push(nevra);
        }
        Self {
            pool,
            locked,
            direct: BTreeSet::new(),
        }
    }

    /// Returns whether the lock names other packages of this one's name only.
    pub(crate) fn is_locked_out(&self, id: Id) -> bool {
        let nevra = &self.pool.solvable(id).nevra;
        (self.locked.get(nevra.name.as_str()))
            .is_some_and(|admitted| !admitted.iter().any(|other| other.is(nevra)))
    }

    /// Lets packages be added that were asked for one by one.
    pub(crate) fn admit_direct(&mut self, ids: impl IntoIterator<Item = Id>) {
        for id in ids {
            self.direct.insert(id);
            if self.pool.is_temporary_fix(id) {
                for part in &self.pool.solvable(id).requires {
                    self.direct.extend(self.pool.satisfying(part));
                }
            }
        }
    }

    /// Returns why the package may not be added.
    pub(crate) fn exclusion(&self, id: Id) -> Option<Exclusion> {
        let exclusion = self.pool.exclusion(id)?;
        let is_lifted = match exclusion {
            Exclusion::Withheld(why) => why.yields_to_request() && self.direct.contains(&id),
            _ => false,
        };
        (!is_lifted).then_some(exclusion)
    }

    /// Returns whether the package is on offer and may be added.
    pub(crate) fn admits(&self, id: Id) -> bool {
        !self.pool.is_base(id) && self.exclusion(id).is_none() && !self.is_locked_out(id)
    }

    /// Returns what `dependency` asks for.
    pub(crate) fn demand(
        &self,
        dependency: &Dependency,
        stance: Stance,
    ) -> Result<Vec<Clause>, TooComplex> {
        if let (Dependency::Simple(_), Stance::Conflicts(id)) = (dependency, stance) {
            let mut others = self.pool.satisfying(dependency);
            others.retain(|&other| other != id);
            return self.one_of(dependency, others, false);
        }
        let wanted = !matches!(stance, Stance::Conflicts(_));
        self.clauses(dependency, wanted, stance)
    }

    /// Returns the clauses of `dependency`, or of its opposite if it is not `wanted`.
    fn clauses(
        &self,
        dependency: &Dependency,
        wanted: bool,
        stance: Stance,
    ) -> Result<Vec<Clause>, TooComplex> {
        let rich = match dependency {
            Dependency::Simple(_) => return self.leaf(dependency, wanted, stance),
            Dependency::Rich(rich) => rich.as_ref(),
        };
        let part = |part: &Dependency, wanted| self.clauses(part, wanted, stance);
        let parts = |operands: &[Dependency]| -> Result<Vec<_>, TooComplex> {
            operands
                .iter()
                .map(|operand| part(operand, wanted))
                .collect()
        };
        match (rich, wanted) {
            (Rich::With(_) | Rich::Without(..), _) => self.leaf(dependency, wanted, stance),
            (Rich::And(operands), true) | (Rich::Or(operands), false) => all(parts(operands)?),
            (Rich::And(operands), false) | (Rich::Or(operands), true) => any(parts(operands)?),
            (Rich::If(a, b, None), true) => any(vec![part(a, true)?, part(b, false)?]),
            (Rich::If(a, b, None), false) => all(vec![part(a, false)?, part(b, true)?]),
            (Rich::Unless(a, b, None), true) => all(vec![part(a, true)?, part(b, false)?]),
            (Rich::Unless(a, b, None), false) => any(vec![part(a, false)?, part(b, true)?]),
            // Both are a choice by `b`, and the opposite of a choice chooses among opposites.
            (Rich::If(a, b, Some(c)), _) | (Rich::Unless(c, b, Some(a)), _) => all(vec![
                any(vec![part(a, wanted)?, part(b, false)?])?,
                any(vec![part(c, wanted)?, part(b, true)?])?,
            ]),
        }
    }

    /// Returns the clauses of a dependency that one package can satisfy.
    fn leaf(
        &self,
        dependency: &Dependency,
        wanted: bool,
        stance: Stance,
    ) -> Result<Vec<Clause>, TooComplex> {
        let providers = self.pool.satisfying(dependency);
        let own = match stance {
            Stance::Requires(id) => {
                providers.contains(&id)
                    || dependency.simple().is_some_and(|capability| {
                        is_own_configuration(capability, &self.pool.solvable(id).nevra.name)
                    })
            }
            Stance::Conflicts(id) => providers.contains(&id),
            Stance::Outside => false,
        };
        match own {
            true => Ok(holding(wanted)),
            false => self.one_of(dependency, providers, wanted),
        }
    }

    /// Returns the clauses of a dependency that these packages satisfy.
    fn one_of(
        &self,
        dependency: &Dependency,
        mut providers: Vec<Id>,
        wanted: bool,
    ) -> Result<Vec<Clause>, TooComplex> {
        let given = dependency.simple().is_some_and(is_rpmlib)
            || providers
                .iter()
                .any(|&provider| self.pool.is_base(provider));
        if given {
            return Ok(holding(wanted));
        }
        providers.retain(|&provider| self.admits(provider));
        if !wanted {
            let without = |id| Clause {
                unless: vec![id],
                any: Vec::new(),
            };
            return match providers.len() {
                ..=MAX_CLAUSES => Ok(providers.into_iter().map(without).collect()),
                _ => Err(TooComplex),
            };
        }
        Ok(vec![Clause {
            unless: Vec::new(),
            any: providers,
        }])
    }

    /// Returns whether `dependency` holds if exactly the packages that `added` names are added.
    pub(crate) fn holds(&self, dependency: &Dependency, added: &dyn Fn(Id) -> bool) -> bool {
        evaluate::holds(dependency, &|leaf| self.is_there(leaf, added))
    }

    fn is_there(&self, dependency: &Dependency, added: &dyn Fn(Id) -> bool) -> bool {
        let providers = self.pool.satisfying(dependency);
        providers
            .into_iter()
            .any(|id| self.pool.is_base(id) || added(id))
    }
}

/// Returns whether this is the `config(name)` that rpm makes for a package's own configuration.
/// Lists of packages, unlike databases, don't say that a package provides it.
pub(crate) fn is_own_configuration(capability: &Capability, name: &str) -> bool {
    let inner = capability.name.strip_prefix("config(");
    inner.and_then(|rest| rest.strip_suffix(')')) == Some(name)
}

/// Returns the clauses of what holds anyhow.
fn holding(wanted: bool) -> Vec<Clause> {
    match wanted {
        true => Vec::new(),
        false => vec![Clause::default()],
    }
}

/// Returns the clauses of "all of these".
fn all(parts: Vec<Vec<Clause>>) -> Result<Vec<Clause>, TooComplex> {
    bounded(parts.concat())
}

/// Returns the clauses of "at least one of these": each clause of the one with each of the other.
fn any(parts: Vec<Vec<Clause>>) -> Result<Vec<Clause>, TooComplex> {
    let mut result = vec![Clause::default()];
    for part in parts {
        if result.len().saturating_mul(part.len()) > MAX_CLAUSES {
            return Err(TooComplex);
        }
        let mut product = Vec::new();
        let mut literals = 0usize;
        for left in &result {
            for right in &part {
                let mut clause = left.clone();
                extend(&mut clause.unless, &right.unless);
                extend(&mut clause.any, &right.any);
                literals += clause.unless.len() + clause.any.len();
                if literals > MAX_LITERALS {
                    return Err(TooComplex);
                }
                // "If it is added, it is added" asks for nothing.
                if !clause.unless.iter().any(|id| clause.any.contains(id)) {
                    product.push(clause);
                }
            }
        }
        result = product;
    }
    bounded(result)
}

fn bounded(clauses: Vec<Clause>) -> Result<Vec<Clause>, TooComplex> {
    match clauses.len() {
        ..=MAX_CLAUSES => Ok(clauses),
        _ => Err(TooComplex),
    }
}

/// Appends what is not yet in `list`, and keeps the order.
fn extend(list: &mut Vec<Id>, more: &[Id]) {
    for id in more {
        if !list.contains(id) {
            list.push(*id);
        }
    }
}
