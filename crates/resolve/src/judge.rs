//! What is wrong with a set of packages that someone else has chosen.
//!
//! Where [`resolve`](crate::resolve()) asks which packages to add, this asks whether these can be
//! added, all of them and no other, and finds everything that stands against it. The meaning of a
//! dependency is the same.

use std::collections::BTreeSet;

use crate::clause::{Admission, is_own_configuration};
use crate::dependency::Dependency;
use crate::evaluate;
use crate::id::Id;
use crate::pool::{Available, Pool};
use crate::problem::Rule;

/// Returns every rule that is broken if exactly these packages are added to the base: what they
/// require and nobody has, conflicts and obsoletes among them and with the base, and two of one
/// name.
///
/// A package that shares its name with one of the base breaks no rule here; the one who chose it
/// may want the base's to be hidden.
pub fn judge(pool: &Pool, packages: &[Available]) -> Vec<Rule> {
    let judge = Judge::new(pool, packages, true);
    let mut rules = Vec::new();
    for &id in &judge.added {
        judge.requires(id, &mut rules);
        judge.objects(id, &mut rules);
        judge.same_name(id, &mut rules);
    }
    for (id, _) in (0..).zip(pool.base()) {
        judge.base_requires(id, &mut rules);
        judge.objects(id, &mut rules);
    }
    rules.sort();
    rules.dedup();
    rules
}

/// Returns the rules that these packages break among themselves, whatever else there is: conflicts,
/// obsoletes, and two of one name. The pool's base is taken as not known.
pub fn judge_among(pool: &Pool, packages: &[Available]) -> Vec<Rule> {
    let judge = Judge::new(pool, packages, false);
    let mut rules = Vec::new();
    for &id in &judge.added {
        judge.objects(id, &mut rules);
        judge.same_name(id, &mut rules);
    }
    rules.sort();
    rules.dedup();
    rules
}

struct Judge<'a> {
    admission: Admission<'a>,
    added: BTreeSet<Id>,
    /// The base is known, so that what is not there is known, too.
    base_known: bool,
}

impl<'a> Judge<'a> {
    fn new(pool: &'a Pool, packages: &[Available], base_known: bool) -> Self {
        Self {
            admission: Admission::new(pool, &[]),
            added: packages.iter().filter_map(|one| pool.id_of(*one)).collect(),
            base_known,
        }
    }

    /// Finds what is added beside a package under the same name: another version, or another
    /// architecture where one of the two is for all.
    fn same_name(&self, id: Id, rules: &mut Vec<Rule>) {
        let nevra = |id| &self.admission.pool.solvable(id).nevra;
        let package = nevra(id);
        let after = self.added.range(id..).map(|other| nevra(*other));
        let twins = after.filter(|other| {
            let one_is_for_all = package.arch == "noarch" || other.arch == "noarch";
            package.name == other.name
                && !package.is(other)
                && (package.arch == other.arch || one_is_for_all)
        });
        rules.extend(twins.map(|other| Rule::SameName {
            package: package.clone(),
            other: other.clone(),
            base: false,
        }));
    }

    /// Finds what an added package lacks.
    fn requires(&self, id: Id, rules: &mut Vec<Rule>) {
        let solvable = self.admission.pool.solvable(id);
        let name = &solvable.nevra.name;
        for dependency in &solvable.requires {
            let own = (dependency.simple()).is_some_and(|it| is_own_configuration(it, name));
            if !own && !self.holds(dependency, &|id| self.added.contains(&id)) {
                rules.push(self.lacks(id, dependency));
            }
        }
    }

    /// Finds what a package of the base lacks because of what is added: `(langpack if office)`.
    fn base_requires(&self, id: Id, rules: &mut Vec<Rule>) {
        let solvable = self.admission.pool.solvable(id);
        let rich = (solvable.requires.iter()).filter(|dependency| dependency.simple().is_none());
        for dependency in rich {
            if self.holds(dependency, &|_| false)
                && !self.holds(dependency, &|id| self.added.contains(&id))
            {
                rules.push(self.lacks(id, dependency));
            }
        }
    }

    /// Finds what a package conflicts with or obsoletes, on the other side of what is added.
    fn objects(&self, id: Id, rules: &mut Vec<Rule>) {
        let pool = self.admission.pool;
        let solvable = pool.solvable(id);
        let from_base = pool.is_base(id);
        let concerns = |other: &Id| {
            *other != id && (self.added.contains(other) || !from_base && pool.is_base(*other))
        };
        for dependency in &solvable.conflicts {
            let conflicts = |other: Option<Id>| Rule::Conflicts {
                package: solvable.nevra.clone(),
                dependency: dependency.to_string(),
                other: other.map(|other| pool.solvable(other).nevra.clone()),
            };
            match dependency {
                Dependency::Simple(wanted) => {
                    let found = pool.satisfying_capability(wanted).into_iter();
                    rules.extend(found.filter(concerns).map(|other| conflicts(Some(other))));
                }
                Dependency::Rich(_) => {
                    let added = |other| self.added.contains(&other);
                    let before = from_base && self.holds(dependency, &|_| false);
                    if !before && self.holds_surely(dependency, &added) {
                        rules.push(conflicts(None));
                    }
                }
            }
        }
        for dependency in &solvable.obsoletes {
            for other in pool.obsoleted_by(dependency).into_iter().filter(concerns) {
                rules.push(Rule::Obsoletes {
                    package: solvable.nevra.clone(),
                    base: from_base,
                    dependency: dependency.to_string(),
                    other: pool.solvable(other).nevra.clone(),
                });
            }
        }
    }

    fn holds(&self, dependency: &Dependency, added: &dyn Fn(Id) -> bool) -> bool {
        self.admission.holds(dependency, added)
    }

    /// Says whether a dependency holds: where the base is not known, whatever that has.
    fn holds_surely(&self, dependency: &Dependency, added: &dyn Fn(Id) -> bool) -> bool {
        if self.base_known {
            return self.holds(dependency, added);
        }
        let pool = self.admission.pool;
        evaluate::holds_anywhere(dependency, &|leaf| {
            pool.satisfying(leaf).into_iter().any(added)
        })
    }

    fn lacks(&self, id: Id, dependency: &Dependency) -> Rule {
        Rule::NothingProvides {
            dependency: dependency.to_string(),
            by: Some(self.admission.pool.solvable(id).nevra.clone()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;
    use crate::pool::{Options, Repository};
    use crate::solvable::{Nevra, Solvable};

    fn package(nevra: &str, lists: &[(&str, &str)]) -> Solvable {
        let mut solvable = Solvable {
            nevra: Nevra::parse(nevra).unwrap(),
            ..Solvable::default()
        };
        for (kind, text) in lists {
            let dependency = Dependency::parse(text).unwrap();
            match *kind {
                "R" => solvable.requires.push(dependency),
                "P" => solvable.provides.push(dependency),
                "C" => solvable.conflicts.push(dependency),
                "O" => solvable.obsoletes.push(dependency),
                other => panic!("{other}"),
            }
        }
        solvable
    }

    #[test]
    fn every_broken_rule_is_found() {
        let base = [
            package(
                "glibc-2-1.noarch",
                &[("P", "libc"), ("C", "musl"), ("C", "(a and b)")],
            ),
            package(
                "office-1-1.noarch",
                &[("R", "(pack if tool)"), ("O", "older < 2")],
            ),
        ];
        for (added, expected) in [
            (
                package(
                    "a-1-1.noarch",
                    &[
                        ("R", "libc"),
                        ("R", "rpmlib(X) <= 1"),
                        ("R", "config(a) = 1-1"),
                    ],
                ),
                &[][..],
            ),
            (
                package(
                    "a-1-1.noarch",
                    &[
                        ("R", "x"),
                        ("R", "libc >= 2"),
                        ("R", "(x or y)"),
                        ("R", "x"),
                    ],
                ),
                &[
                    "nothing provides (x or y) needed by a-1-1.noarch",
                    "nothing provides x needed by a-1-1.noarch",
                ],
            ),
            (
                package("a-1-1.noarch", &[("R", "(x if y)"), ("P", "a"), ("C", "a")]),
                &[],
            ),
            (
                package("tool-1-1.noarch", &[]),
                &["nothing provides (pack if tool) needed by office-1-1.noarch"],
            ),
            (
                package("musl-1-1.noarch", &[("C", "libc")]),
                &[
                    "package glibc-2-1.noarch conflicts with musl provided by musl-1-1.noarch",
                    "package musl-1-1.noarch conflicts with libc provided by glibc-2-1.noarch",
                ],
            ),
            (
                package("older-1-1.noarch", &[("O", "office")]),
                &[
                    "installed package office-1-1.noarch obsoletes older < 2 provided by older-1-1.noarch",
                    "package older-1-1.noarch obsoletes office provided by office-1-1.noarch",
                ],
            ),
            (package("older-2-1.noarch", &[]), &[]),
            (
                package("a-1-1.noarch", &[("P", "b")]),
                &["package glibc-2-1.noarch conflicts with (a and b)"],
            ),
            (package("glibc-3-1.noarch", &[]), &[]),
        ] {
            let repository = Repository::new(Catalog::of([&added]).unwrap(), 0);
            let pool = Pool::new(base.to_vec(), vec![repository], Options::default());
            let package = Available {
                repository: 0,
                index: 0,
            };
            let rules = judge(&pool, &[package]);
            let mut said: Vec<_> = rules.iter().map(ToString::to_string).collect();
            said.sort();
            assert_eq!(said, expected, "{}", added.nevra);
        }
    }
    #[test]
    fn packages_are_judged_among_themselves() {
        let rows: &[(&[Solvable], &[&str])] = &[
            (
                &[
                    package("a-1-1.noarch", &[("C", "b"), ("R", "nowhere")]),
                    package("b-1-1.noarch", &[("P", "b")]),
                ],
                &["package a-1-1.noarch conflicts with b provided by b-1-1.noarch"],
            ),
            (
                &[
                    package("a-2-1.noarch", &[("O", "b < 2")]),
                    package("b-1-1.noarch", &[]),
                ],
                &["package a-2-1.noarch obsoletes b < 2 provided by b-1-1.noarch"],
            ),
            (
                &[
                    package("a-2-1.noarch", &[("O", "b < 2"), ("C", "b < 2")]),
                    package("b-2-1.noarch", &[("P", "b = 2")]),
                ],
                &[],
            ),
            // A base that is not known may have what a condition asks for.
            (
                &[
                    package("a-1-1.noarch", &[("C", "(b unless c)"), ("C", "(c if b)")]),
                    package("b-1-1.noarch", &[("P", "b")]),
                ],
                &[],
            ),
            (
                &[
                    package("a-1-1.noarch", &[("C", "(b and c)")]),
                    package("b-1-1.noarch", &[("P", "b"), ("P", "c")]),
                ],
                &["package a-1-1.noarch conflicts with (b and c)"],
            ),
            (
                &[package("a-1-1.x86_64", &[]), package("a-2-1.x86_64", &[])],
                &["cannot install both a-1-1.x86_64 and a-2-1.x86_64"],
            ),
            (
                &[package("a-1-2.x86_64", &[]), package("a-1-1.noarch", &[])],
                &["cannot install both a-1-2.x86_64 and a-1-1.noarch"],
            ),
            (
                &[package("a-1-1.x86_64", &[]), package("a-1-1.i686", &[])],
                &[],
            ),
            (
                &[package("a-1-1.noarch", &[]), package("a-1-1.noarch", &[])],
                &[],
            ),
        ];
        for (added, expected) in rows {
            let repository = Repository::new(Catalog::of(*added).unwrap(), 0);
            let pool = Pool::new(Vec::new(), vec![repository], Options::default());
            let packages: Vec<_> = (0..added.len())
                .map(|index| Available {
                    repository: 0,
                    index,
                })
                .collect();
            let said = |rules: Vec<Rule>| -> Vec<String> {
                rules.iter().map(ToString::to_string).collect()
            };
            assert_eq!(said(judge_among(&pool, &packages)), *expected);
        }
    }
}
