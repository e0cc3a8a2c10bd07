//! What is asked for, and which packages are meant by it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use crate::chosen::{Already, Replaced};
use crate::clause::{Admission, Clause, Stance};
use crate::demand::{Cause, Demand};
use crate::dependency::Dependency;
use crate::id::Id;
use crate::pattern::is_pattern;
use crate::pool::{Available, Exclusion, Package, Pool};
use crate::prefer;
use crate::problem::{Rule, of_candidates, of_requirement};
use crate::solvable::Nevra;

/// What is to be added to the base.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// What must be there in the end, in the base or added to it.
    pub install: Vec<Wanted>,
    /// Whether to add what added packages recommend, and what supplements them, if possible.
    pub recommends: bool,
    /// A lock: of a name that occurs here, no other package than these may be added.
    pub locked: Vec<Nevra>,
}

/// One thing that is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// What a person types: a package by `name` (or one that obsoletes it), `name.arch`, `name-version`,
    /// `name-version-release` or NEVRA; with `*`, `?` or `[...]` a package of each name that this
    /// means; else a path, a capability (`name>=1`) or a rich dependency.
    Text(String),
    /// A package by its name alone.
    Name(String),
    /// Whatever satisfies the dependency.
    Capability(Dependency),
    /// This very package of those on offer.
    Available(Available),
    /// One of these packages on offer, whichever is best.
    OneOf(Vec<Available>),
}

impl fmt::Display for Wanted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) | Self::Name(text) => f.write_str(text),
            Self::OneOf(packages) => write!(f, "one of {} packages", packages.len()),
            Self::Capability(dependency) => dependency.fmt(f),
            Self::Available(Available { repository, index }) => {
                write!(
                    f,
                    "package number {index} of repository number {repository}"
                )
            }
        }
    }
}

/// What a request comes to.
pub(crate) enum Meaning<'a> {
    /// The base has it.
    Already(Already),
    /// It has to be added.
    Demands(Vec<Demand<'a>>),
    /// It can't be met, whatever else is asked.
    Impossible(Vec<Rule>),
}

/// Returns what the request of that number comes to.
pub(crate) fn interpret<'a>(
    admission: &Admission<'_>,
    number: usize,
    wanted: &Wanted,
) -> Meaning<'a> {
    let pool = admission.pool;
    match wanted {
        Wanted::Name(name) => one_of(admission, number, name, pool.named(name)),
        Wanted::Available(package) => match pool.id_of(*package) {
            Some(id) => this(admission, number, id),
            None => Meaning::Impossible(vec![Rule::NothingProvides {
                dependency: wanted.to_string(),
                by: None,
            }]),
        },
        Wanted::OneOf(packages) => {
            let found = packages.iter().filter_map(|package| pool.id_of(*package));
            one_of(admission, number, &wanted.to_string(), found.collect())
        }
        Wanted::Capability(dependency) => satisfy(admission, number, dependency),
        Wanted::Text(text) if is_pattern(text) => all_of(admission, number, text.trim()),
        Wanted::Text(text) => {
            let found = by_text(admission, text.trim());
            if !found.is_empty() {
                return one_of(admission, number, text.trim(), found);
            }
            match Dependency::parse(&spaced(text)) {
                Ok(dependency) => satisfy(admission, number, &dependency),
                Err(error) => Meaning::Impossible(vec![Rule::Malformed {
                    reason: error.to_string(),
                }]),
            }
        }
    }
}

/// Returns the packages on offer that are meant by more than their name: a file, a version.
pub(crate) fn meant_directly(pool: &Pool, wanted: &Wanted) -> Vec<Id> {
    match wanted {
        Wanted::Available(package) => pool.id_of(*package).into_iter().collect(),
        Wanted::Text(text) => {
            let text = text.trim();
            let named = pool.named(text);
            match named.is_empty() {
                true => {
                    let mut found = by_version(pool, text);
                    found.retain(|&id| {
                        let Nevra { name, arch, .. } = &pool.solvable(id).nevra;
                        *text != *format!("{name}.{arch}")
                    });
                    found
                }
                // Nobody is offered a temporary fix but who was told its name.
                false => {
                    let fixes = named.into_iter().filter(|id| pool.is_temporary_fix(*id));
                    fixes.collect()
                }
            }
        }
        Wanted::Name(_) | Wanted::Capability(_) | Wanted::OneOf(_) => Vec::new(),
    }
}

/// Returns the packages that a person means by `text`: with a name alone, as in dnf5, also what
/// has taken the place of the best package of that name. That one of older versions has a
/// successor says nothing of it.
fn by_text(admission: &Admission<'_>, text: &str) -> Vec<Id> {
    let pool = admission.pool;
    let mut found = pool.named(text);
    if !found.is_empty() {
        found.extend(pool.obsoleting(&best(admission, &found)));
        found.sort_unstable();
        found.dedup();
        return found;
    }
    match text.starts_with(['/', '(']) {
        true => found,
        false => by_version(pool, text),
    }
}

/// Returns the best of packages of one name that may be added, or if none may, of all.
fn best(admission: &Admission<'_>, named: &[Id]) -> Vec<Id> {
    let admitted: Vec<Id> = (named.iter().copied())
        .filter(|&id| admission.admits(id))
        .collect();
    prefer::best(
        admission.pool,
        if admitted.is_empty() {
            named
        } else {
            &admitted
        },
    )
}

/// Returns what of an answer stands for a package that was asked for by name.
pub(crate) fn replaced(
    admission: &Admission<'_>,
    request: &Request,
    chosen: &[Id],
) -> Vec<Replaced> {
    let pool = admission.pool;
    let mut replaced = Vec::new();
    for (number, wanted) in request.install.iter().enumerate() {
        let Wanted::Text(text) = wanted else {
            continue;
        };
        let named = pool.named(text.trim());
        let is_there = |id: &Id| pool.is_base(*id) || chosen.binary_search(id).is_ok();
        if named.is_empty() || named.iter().any(is_there) {
            continue;
        }
        let best = best(admission, &named);
        let successors = pool.obsoleting(&best).into_iter().filter(is_there);
        replaced.extend(successors.map(|id| Replaced {
            request: number,
            by: pool.package(id),
        }));
    }
    replaced
}

/// Returns the packages that `text` means by name and architecture or version.
fn by_version(pool: &Pool, text: &str) -> Vec<Id> {
    let separators = text.match_indices(['-', '.']).map(|(offset, _)| offset);
    let names = separators.filter_map(|offset| text.get(..offset));
    let mut found: Vec<Id> = names
        .flat_map(|name| pool.named(name))
        .filter(|&id| is_meant(&pool.solvable(id).nevra, text))
        .collect();
    found.sort_unstable();
    found
}

/// Returns the meaning of a pattern: a package of each name that it means, as in dnf.
fn all_of<'a>(admission: &Admission<'_>, number: usize, text: &str) -> Meaning<'a> {
    let pool = admission.pool;
    let found = pool.meant(text);
    // What the system does not run, and what is withheld, is not there: others may be meant.
    let is_there = |id: &Id| {
        let exclusion = admission.exclusion(*id);
        !matches!(
            exclusion,
            Some(Exclusion::Architecture | Exclusion::Withheld(_))
        )
    };
    let mut by_name: BTreeMap<&str, Vec<Id>> = BTreeMap::new();
    for id in found.iter().copied().filter(is_there) {
        let name = pool.solvable(id).nevra.name.as_str();
        by_name.entry(name).or_default().push(id);
    }
    if by_name.is_empty() && !found.is_empty() {
        return Meaning::Impossible(of_candidates(admission, &found));
    }
    let mut demands = Vec::new();
    let mut already = None;
    for (name, found) in &by_name {
        match one_of(admission, number, name, found.clone()) {
            Meaning::Demands(more) => demands.extend(more),
            Meaning::Already(one) => already = Some(one),
            impossible @ Meaning::Impossible(_) => return impossible,
        }
    }
    match (demands.is_empty(), already) {
        (false, _) => Meaning::Demands(demands),
        (true, Some(already)) => Meaning::Already(already),
        (true, None) => Meaning::Impossible(vec![Rule::NothingProvides {
            dependency: text.to_owned(),
            by: None,
        }]),
    }
}

/// Returns a capability with spaces around its comparison, which a person may leave out: `a>=1`.
fn spaced(text: &str) -> Cow<'_, str> {
    let is_sign = |letter: char| matches!(letter, '<' | '=' | '>');
    // Between parentheses it is part of a name: `font(:lang=de)`.
    let is_outside = |start: &usize| !text.get(..*start).unwrap_or_default().contains('(');
    let start = text.find(is_sign).filter(is_outside);
    let Some((name, rest)) = start.map(|start| text.split_at(start)) else {
        return text.into();
    };
    let (sign, version) = rest.split_at(rest.find(|letter| !is_sign(letter)).unwrap_or(rest.len()));
    format!("{} {sign} {}", name.trim_end(), version.trim_start()).into()
}

/// Returns whether `text` is one of the ways to write `nevra` that are more than its name.
fn is_meant(nevra: &Nevra, text: &str) -> bool {
    let Nevra { name, evr, arch } = nevra;
    let Some(rest) = text.strip_prefix(name.as_str()) else {
        return false;
    };
    let rest = match rest.strip_suffix(arch.as_str()) {
        Some(".") => return true,
        Some(rest) => rest.strip_suffix('.').unwrap_or(rest),
        None => rest,
    };
    let Some(rest) = rest.strip_prefix('-') else {
        return false;
    };
    let rest = match rest.split_once(':') {
        Some((epoch, rest)) if epoch.parse() == Ok(evr.epoch.unwrap_or(0)) => rest,
        Some(_) => return false,
        None => rest,
    };
    rest == evr.version
        || (rest.strip_prefix(evr.version.as_str()))
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|rest| rest == evr.release)
}

/// Returns the meaning of "one of these packages".
fn one_of<'a>(admission: &Admission<'_>, number: usize, text: &str, found: Vec<Id>) -> Meaning<'a> {
    let pool = admission.pool;
    if let Some(&id) = found.iter().find(|&&id| pool.is_base(id)) {
        return already(pool, number, Some(id));
    }
    let any: Vec<Id> = found
        .iter()
        .copied()
        .filter(|&id| admission.admits(id))
        .collect();
    if any.is_empty() {
        return Meaning::Impossible(match found.is_empty() {
            true => vec![Rule::NothingProvides {
                dependency: text.to_owned(),
                by: None,
            }],
            false => of_candidates(admission, &found),
        });
    }
    Meaning::Demands(vec![demand(
        number,
        Clause {
            unless: Vec::new(),
            any,
        },
    )])
}

/// Returns the meaning of "this package".
fn this<'a>(admission: &Admission<'_>, number: usize, id: Id) -> Meaning<'a> {
    let pool = admission.pool;
    let nevra = &pool.solvable(id).nevra;
    let in_base = |&other: &Id| pool.is_base(other) && pool.solvable(other).nevra.is(nevra);
    match pool.named(&nevra.name).into_iter().find(in_base) {
        Some(same) => already(pool, number, Some(same)),
        None => one_of(admission, number, &nevra.to_string(), vec![id]),
    }
}

/// Returns the meaning of "what satisfies this dependency".
fn satisfy<'a>(admission: &Admission<'_>, number: usize, dependency: &Dependency) -> Meaning<'a> {
    let Ok(clauses) = admission.demand(dependency, Stance::Outside) else {
        return Meaning::Impossible(vec![Rule::TooComplex {
            package: None,
            dependency: dependency.to_string(),
        }]);
    };
    if clauses.is_empty() {
        let providers = admission.pool.satisfying(dependency).into_iter();
        let by = providers.take(1).find(|&id| admission.pool.is_base(id));
        return already(admission.pool, number, by);
    }
    if clauses.contains(&Clause::default()) {
        return Meaning::Impossible(of_requirement(admission, dependency));
    }
    Meaning::Demands(
        clauses
            .into_iter()
            .map(|clause| demand(number, clause))
            .collect(),
    )
}

fn demand<'a>(number: usize, clause: Clause) -> Demand<'a> {
    Demand {
        by: None,
        cause: Cause::Request(number),
        clause,
    }
}

fn already<'a>(pool: &Pool, request: usize, by: Option<Id>) -> Meaning<'a> {
    let base = by.and_then(|id| match pool.package(id) {
        Package::Base(index) => Some(index),
        Package::Available(_) => None,
    });
    Meaning::Already(Already { request, base })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comparisons_need_no_spaces() {
        for (text, expected) in [
            ("a>=1", "a >= 1"),
            ("a= 1:2-3", "a = 1:2-3"),
            ("a < 1", "a < 1"),
            ("libx.so(A=B)(64bit)", "libx.so(A=B)(64bit)"),
            ("(a if b>=1)", "(a if b>=1)"),
            ("a", "a"),
        ] {
            assert_eq!(spaced(text), expected, "{text}");
        }
    }
}
