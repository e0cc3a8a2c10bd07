//! The answer to a request: the packages to add, each with its reason.
//!
//! The search in libsolv's order adds what is recommended, too. If it does not come to an end, hard
//! dependencies are solved first and at once; then, if it was asked for, weak ones are added in rounds: everything that the packages so far recommend, and everything that supplements
//! them, as if it had been requested too, with the packages so far held fast. If that has no
//! solution, the halves of the list are tried one after the other, down to single wishes; one that
//! can't be met is dropped in silence, as RPM has it.

use std::collections::BTreeSet;

use crate::chosen::{Already, Chosen, Replaced, Wish};
use crate::clause::{Admission, Clause, Stance};
use crate::demand::{Cause, Demand, demands_of_base};
use crate::dependency::Dependency;
use crate::explain::explain;
use crate::id::Id;
use crate::pool::Pool;
use crate::problem::Problem;
use crate::reasons;
use crate::request::{Meaning, Request, interpret, meant_directly, replaced};
use crate::solve::solve;

/// The packages to add to the base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolution {
    /// What to add: what was requested, followed by what that needs, breadth first.
    pub chosen: Vec<Chosen>,
    /// What was requested and is in the base.
    pub already: Vec<Already>,
    /// What was requested by name, and is obsoleted by something else that is there in its place.
    pub replaced: Vec<Replaced>,
}

/// Returns what to add to the base so that the request is met.
///
/// # Errors
///
/// If there is no way to meet all of the request without a change to the base.
pub fn resolve(pool: &Pool, request: &Request) -> Result<Resolution, Problem> {
    let mut admission = Admission::new(pool, &request.locked);
    let direct = request.install.iter();
    admission.admit_direct(direct.flat_map(|wanted| meant_directly(pool, wanted)));
    let admission = &admission;
    let mut already = Vec::new();
    let mut demands = Vec::new();
    let mut impossible = Vec::new();
    for (number, wanted) in request.install.iter().enumerate() {
        match interpret(admission, number, wanted) {
            Meaning::Already(found) => already.push(found),
            Meaning::Demands(more) => demands.extend(more),
            Meaning::Impossible(rules) => impossible.extend(rules),
        }
    }
    if !impossible.is_empty() {
        return Err(Problem::new(impossible));
    }
    if demands.is_empty() {
        return Ok(Resolution {
            chosen: Vec::new(),
            already,
            replaced: replaced(admission, request, &[]),
        });
    }
    demands.extend(demands_of_base(admission));
    let mut solution = solve(admission, &demands, request.recommends).map_err(|_| {
        let requested: Vec<String> = request.install.iter().map(ToString::to_string).collect();
        Problem::explain(admission, &explain(admission, &demands), &requested)
    })?;
    let is_wished = request.recommends && solution.granted.is_none();
    let mut granted = solution.granted.take().unwrap_or_default();
    if solution.is_loose {
        solution.chosen = reasons::needed(admission, &solution.chosen, &demands, &granted);
    }
    let mut chosen = solution.chosen;
    if is_wished {
        add_weak(admission, &demands, &mut chosen, &mut granted);
    }
    Ok(Resolution {
        replaced: replaced(admission, request, &chosen),
        chosen: reasons::give(admission, &chosen, &demands, &granted),
        already,
    })
}

/// Adds what is recommended, round by round until nothing more is wished for.
fn add_weak<'a>(
    admission: &'a Admission<'a>,
    demands: &[Demand<'a>],
    chosen: &mut Vec<Id>,
    granted: &mut Vec<Wish<'a>>,
) {
    let mut asked: BTreeSet<(Id, &Dependency)> = BTreeSet::new();
    loop {
        let mut wishes = wishes(admission, chosen);
        wishes.retain(|wish| asked.insert((wish.package, wish.dependency)));
        if wishes.is_empty() {
            return;
        }
        // The last list of the stack is the next to be tried.
        let mut untried = vec![wishes];
        while let Some(mut wishes) = untried.pop() {
            let mut attempt = demands.to_vec();
            attempt.extend(chosen.iter().map(|&id| only(id)));
            attempt.extend(wishes.iter().flat_map(|wish| wish.demands.clone()));
            if let Ok(found) = solve(admission, &attempt, false) {
                granted.append(&mut wishes);
                *chosen = match found.is_loose {
                    true => reasons::needed(admission, &found.chosen, demands, granted),
                    false => found.chosen,
                };
            } else if wishes.len() > 1 {
                let second = wishes.split_off(wishes.len() / 2);
                untried.extend([second, wishes]);
            }
        }
    }
}

/// Returns the demand that holds a package fast that was chosen before.
fn only<'a>(id: Id) -> Demand<'a> {
    Demand {
        by: None,
        cause: Cause::SameName,
        clause: Clause {
            unless: Vec::new(),
            any: vec![id],
        },
    }
}

/// Returns the weak dependencies that are not met and might be.
fn wishes<'a>(admission: &Admission<'a>, chosen: &[Id]) -> Vec<Wish<'a>> {
    let pool: &'a Pool = admission.pool;
    let added = |id: Id| chosen.binary_search(&id).is_ok();
    let mut wishes = Vec::new();
    for &package in chosen {
        for dependency in &pool.solvable(package).recommends {
            if admission.holds(dependency, &added) {
                continue;
            }
            let clauses = admission.demand(dependency, Stance::Requires(package));
            let clauses = clauses.unwrap_or_else(|_| vec![Clause::default()]);
            if clauses.contains(&Clause::default()) {
                continue;
            }
            let demand = |clause| Demand {
                by: None,
                cause: Cause::Requires(dependency),
                clause,
            };
            let demands = clauses.into_iter().map(demand).collect();
            wishes.push(Wish {
                package,
                dependency,
                supplements: false,
                demands,
            });
        }
    }
    for &package in &pool.supplementing {
        // One word size of it is enough, and the system's own if there is one, as in libsolv.
        let nevra = &pool.solvable(package).nevra;
        let rank = |arch: &str| pool.architectures.rank(arch).unwrap_or(usize::MAX);
        let stands_for = |&id: &Id| {
            added(id) || pool.is_base(id) || rank(&pool.solvable(id).nevra.arch) < rank(&nevra.arch)
        };
        if !admission.admits(package) || pool.named(&nevra.name).iter().any(stands_for) {
            continue;
        }
        // What supplements the base alone was left out on purpose when the base was made.
        let meant = (pool.solvable(package).supplements.iter()).find(|dependency| {
            admission.holds(dependency, &added)
                && pool.satisfying(dependency).into_iter().any(added)
        });
        if let Some(dependency) = meant {
            let demands = vec![only(package)];
            wishes.push(Wish {
                package,
                dependency,
                supplements: true,
                demands,
            });
        }
    }
    wishes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::chosen::Reason;
    use crate::pool::{Available, Options, Package, Repository};
    use crate::request::Wanted;
    use crate::solvable::{Nevra, Solvable};

    #[test]
    fn each_package_has_its_reason_in_the_order_of_need() {
        let package = |name: &str, requires: &[&str], recommends: &[&str], supplements: &[&str]| {
            let list = |texts: &[&str]| {
                let parsed = texts.iter().map(|text| Dependency::parse(text).unwrap());
                parsed.collect()
            };
            Solvable {
                nevra: Nevra::parse(&format!("{name}-1-1.noarch")).unwrap(),
                requires: list(requires),
                recommends: list(recommends),
                supplements: list(supplements),
                ..Solvable::default()
            }
        };
        let available = vec![
            package("extra", &[], &[], &["tool"]),
            package("doc", &["viewer"], &[], &[]),
            package("viewer", &[], &[], &[]),
            package("lib", &[], &[], &[]),
            package("plugin", &[], &[], &[]),
            package("tool", &["lib"], &["doc"], &[]),
        ];
        let base = vec![package("desktop", &["(plugin if tool)"], &[], &[])];
        let repository = Repository::new(Catalog::of(&available).unwrap(), 0);
        let pool = Pool::new(base, vec![repository], Options::default());
        let request = Request {
            install: vec![Wanted::Name("tool".to_owned())],
            recommends: true,
            locked: Vec::new(),
        };
        let requires = |by, dependency: &str| Reason::Requires {
            by,
            dependency: dependency.to_owned(),
        };
        let number = |index| Available {
            repository: 0,
            index,
        };
        let tool = Package::Available(number(5));
        let expected = [
            (5, Reason::Requested(0)),
            (4, requires(Package::Base(0), "(plugin if tool)")),
            (3, requires(tool, "lib")),
            (
                1,
                Reason::Recommends {
                    by: tool,
                    dependency: "doc".to_owned(),
                },
            ),
            (2, requires(Package::Available(number(1)), "viewer")),
            (
                0,
                Reason::Supplements {
                    dependency: "tool".to_owned(),
                },
            ),
        ];
        let expected = expected.map(|(index, reason)| Chosen {
            package: number(index),
            reason,
        });
        assert_eq!(resolve(&pool, &request).unwrap().chosen, expected);
    }
}
