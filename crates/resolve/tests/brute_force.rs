//! Compares answers with those of a search through all subsets of what is on offer.
//!
//! The judge here is written from RPM's rules independently and shares no code with the solver
//! beyond the comparison of one capability with another. Pools are small and made by a fixed
//! generator of numbers, so that a failure comes again.

#![expect(
    clippy::unwrap_used,
    reason = "what the tests are made of must be sound"
)]

use resolve::{
    Capability, Catalog, Dependency, Nevra, Options, Pool, Repository, Request, Rich, Rule,
    Solvable, Wanted, resolve,
};

/// A generator of numbers (xorshift64), seeded by the number of the pool.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    fn one_in(&mut self, chance: u64) -> bool {
        self.below(chance) == 0
    }

    fn capability(&mut self) -> String {
        let name = ["a", "b", "c", "d", "e", "x", "y", "z"][self.below(8) as usize];
        let range = ["", "", "", " = 1", " >= 2", " < 2"][self.below(6) as usize];
        format!("{name}{range}")
    }

    fn dependency(&mut self, depth: u64) -> String {
        if depth == 0 || !self.one_in(3) {
            return self.capability();
        }
        let mut part = || self.dependency(depth - 1);
        let (a, b, c) = (part(), part(), part());
        match self.below(8) {
            0 => format!("({a} and {b})"),
            1 => format!("({a} or {b})"),
            2 => format!("({a} if {b})"),
            3 => format!("({a} if {b} else {c})"),
            4 => format!("({a} unless {b})"),
            5 => format!("({a} unless {b} else {c})"),
            6 => format!("({} with {})", self.capability(), self.capability()),
            _ => format!("({} without {})", self.capability(), self.capability()),
        }
    }

    fn dependencies(&mut self, most: u64, depth: u64) -> Vec<Dependency> {
        let number = self.below(most + 1);
        (0..number)
            .map(|_| Dependency::parse(&self.dependency(depth)).unwrap())
            .collect()
    }

    fn solvable(&mut self, name: &str) -> Solvable {
        let version = 1 + self.below(3);
        let provided = |offer: u64| ["x = 1", "y = 2", "z", "x = 2", "y"][offer as usize];
        Solvable {
            nevra: Nevra::parse(&format!("{name}-{version}-1.noarch")).unwrap(),
            provides: match self.one_in(2) {
                true => vec![Dependency::parse(provided(self.below(5))).unwrap()],
                false => Vec::new(),
            },
            ..Solvable::default()
        }
    }

    /// Returns a base, what is on offer, and what is wanted.
    fn pool(&mut self) -> (Vec<Solvable>, Vec<Solvable>, Vec<Dependency>) {
        let mut base = vec![self.solvable("e")];
        if self.one_in(3) {
            let rich = format!("({} if {})", self.capability(), self.capability());
            base[0].requires.push(Dependency::parse(&rich).unwrap());
        }
        if self.one_in(4) {
            base[0].conflicts = self.dependencies(1, 0);
        }
        let mut available: Vec<Solvable> = Vec::new();
        for name in ["a", "a", "b", "b", "c", "c", "d", "w"] {
            let mut one = self.solvable(name);
            one.requires = self.dependencies(2, 2);
            if self.one_in(3) {
                one.conflicts = self.dependencies(1, 2);
            }
            if self.one_in(5) {
                one.obsoletes = self.dependencies(1, 0);
            }
            if available.iter().all(|other| other.nevra != one.nevra) {
                available.push(one);
            }
        }
        let wanted: Vec<Dependency> = (0..2)
            .map(|_| Dependency::parse(&self.dependency(1)).unwrap())
            .collect();
        (base, available, wanted)
    }
}

/// Packages that are there at once.
struct Installed<'a>(Vec<&'a Solvable>);

impl Installed<'_> {
    /// Returns whether `dependency` holds; `but` does not count.
    fn has(&self, dependency: &Dependency, but: Option<&Solvable>) -> bool {
        let has = |part: &Dependency| self.has(part, but);
        let Dependency::Rich(rich) = dependency else {
            return self.has_one(dependency, but);
        };
        match rich.as_ref() {
            Rich::And(parts) => parts.iter().all(has),
            Rich::Or(parts) => parts.iter().any(has),
            Rich::If(a, b, c) => match has(b) {
                true => has(a),
                false => c.as_ref().is_none_or(has),
            },
            Rich::Unless(a, b, c) => match has(b) {
                true => c.as_ref().is_some_and(has),
                false => has(a),
            },
            Rich::With(_) | Rich::Without(..) => self.has_one(dependency, but),
        }
    }

    fn has_one(&self, dependency: &Dependency, but: Option<&Solvable>) -> bool {
        let other = |one: &Solvable| but.is_none_or(|but| one.nevra != but.nevra);
        self.0
            .iter()
            .any(|one| other(one) && satisfies(one, dependency))
    }

    /// Returns whether all of it may be there, so many of the first being the base.
    fn is_consistent(&self, base: usize) -> bool {
        let bare = Installed(self.0[..base].to_vec());
        self.0.iter().enumerate().all(|(place, &one)| {
            let obsoletes = |wanted: &Dependency| {
                self.0.iter().enumerate().any(|(other_place, other)| {
                    let both_base = place < base && other_place < base;
                    other.nevra.name != one.nevra.name && !both_base && is_named(other, wanted)
                })
            };
            let alone =
                |other: &&Solvable| other.nevra == one.nevra || other.nevra.name != one.nevra.name;
            // What is wrong with the base itself does not matter.
            let excused = |wrong: bool| place < base && wrong;
            self.0.iter().all(alone)
                && !one.obsoletes.iter().any(obsoletes)
                && one
                    .requires
                    .iter()
                    .all(|wanted| self.has(wanted, None) || excused(!bare.has(wanted, None)))
                && one.conflicts.iter().all(|wanted| {
                    // A package never conflicts with itself, unless it says so at length.
                    let but = Some(one).filter(|_| matches!(wanted, Dependency::Simple(_)));
                    !self.has(wanted, but) || excused(bare.has(wanted, but))
                })
        })
    }
}

fn satisfies(one: &Solvable, dependency: &Dependency) -> bool {
    match dependency {
        Dependency::Simple(wanted) => {
            is_named(one, dependency)
                || one.provides.iter().any(|offer| match offer {
                    Dependency::Simple(offer) => wanted.satisfied_by(offer),
                    Dependency::Rich(_) => false,
                })
        }
        Dependency::Rich(rich) => match rich.as_ref() {
            Rich::With(parts) => parts.iter().all(|part| satisfies(one, part)),
            Rich::Without(a, b) => satisfies(one, a) && !satisfies(one, b),
            _ => unreachable!("only these are asked of one package"),
        },
    }
}

fn is_named(one: &Solvable, wanted: &Dependency) -> bool {
    let own = Capability {
        name: one.nevra.name.clone(),
        range: Some((resolve::Comparison::Equal, one.nevra.evr.clone())),
    };
    matches!(wanted, Dependency::Simple(wanted) if wanted.satisfied_by(&own))
}

/// Writes a pool as a person reads it.
fn text(base: &[Solvable], available: &[Solvable], wanted: &[Dependency]) -> String {
    let list = |kind: &str, list: &[Dependency]| -> String {
        list.iter()
            .map(|dependency| format!("  {kind} {dependency}"))
            .collect()
    };
    let packages = base.iter().chain(available).map(|one| {
        let lists = [
            list("provides", &one.provides),
            list("requires", &one.requires),
            list("conflicts", &one.conflicts),
            list("obsoletes", &one.obsoletes),
        ];
        format!("{}{}\n", one.nevra, lists.concat())
    });
    packages.collect::<String>() + &list("request", wanted)
}

/// Returns what is wrong with a line of an explanation, if anything. `can_be` says whether a package
/// can be added to the base at all.
fn untruth(
    rule: &Rule,
    base: &[Solvable],
    available: &[Solvable],
    can_be: &dyn Fn(&Solvable) -> bool,
) -> Option<String> {
    let all = || base.iter().chain(available);
    let parsed = |text: &str| Dependency::parse(text).unwrap();
    let says = |nevra: &Nevra, list: fn(&Solvable) -> &Vec<Dependency>, text: &str| {
        let mut named = all().filter(|one| one.nevra == *nevra);
        named.any(|one| list(one).contains(&parsed(text)))
    };
    let providers = |text: &str| -> Vec<&Solvable> {
        let parts = leaves(&parsed(text));
        let provides = |one: &&Solvable| parts.iter().any(|part| satisfies(one, part));
        all().filter(provides).collect()
    };
    let wrong = match rule {
        Rule::NothingProvides { dependency, by } => {
            let is_said = |by: &Nevra| says(by, |one| &one.requires, dependency);
            !providers(dependency).is_empty() || !by.as_ref().is_none_or(is_said)
        }
        Rule::NotInstallable { by, dependency } => {
            let is_said = |by: &Nevra| says(by, |one| &one.requires, dependency);
            // What the request as a whole fails for says nothing of its parts.
            by.as_ref()
                .is_some_and(|by| !is_said(by) || (providers(dependency).into_iter()).any(can_be))
        }
        Rule::Requires {
            by,
            dependency,
            providers: named,
        } => {
            let found = providers(dependency);
            let provides = |nevra: &Nevra| found.iter().any(|one| one.nevra == *nevra);
            !says(by, |one| &one.requires, dependency) || !named.iter().all(provides)
        }
        Rule::Conflicts {
            package,
            dependency,
            other,
        } => {
            let found = providers(dependency);
            let provides = |nevra: &Nevra| found.iter().any(|one| one.nevra == *nevra);
            !says(package, |one| &one.conflicts, dependency) || !other.as_ref().is_none_or(provides)
        }
        Rule::Obsoletes {
            package,
            dependency,
            other,
            ..
        } => {
            let is_meant =
                |one: &Solvable| one.nevra == *other && is_named(one, &parsed(dependency));
            !says(package, |one| &one.obsoletes, dependency) || !all().any(is_meant)
        }
        Rule::SameName { package, other, .. } => package.name != other.name || package == other,
        _ => false,
    };
    wrong.then(|| "not so".to_owned())
}

/// Returns the parts of a dependency that one package satisfies and that are no conditions.
fn leaves(dependency: &Dependency) -> Vec<Dependency> {
    let Dependency::Rich(rich) = dependency else {
        return vec![dependency.clone()];
    };
    match rich.as_ref() {
        Rich::And(parts) | Rich::Or(parts) => parts.iter().flat_map(leaves).collect(),
        Rich::If(a, _, c) | Rich::Unless(a, _, c) => {
            let mut parts = leaves(a);
            parts.extend(c.iter().flat_map(leaves));
            parts
        }
        Rich::With(_) | Rich::Without(..) => vec![dependency.clone()],
    }
}

#[test]
fn answers_are_those_of_an_exhaustive_search() {
    let (mut solved, mut unsolvable) = (0, 0);
    for number in 1..=4000u64 {
        let mut numbers = Numbers(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let (base, available, wanted) = numbers.pool();
        let request = Request {
            install: wanted.iter().cloned().map(Wanted::Capability).collect(),
            ..Request::default()
        };
        let options = Options {
            architecture: "x86_64".to_owned(),
            ..Options::default()
        };
        let with = |chosen: &dyn Fn(usize) -> bool| {
            let mut there: Vec<&Solvable> = base.iter().collect();
            there.extend(
                (0..available.len())
                    .filter(|i| chosen(*i))
                    .map(|i| &available[i]),
            );
            Installed(there)
        };
        let fits = |chosen: &dyn Fn(usize) -> bool| with(chosen).is_consistent(base.len());
        let judge = |chosen: &dyn Fn(usize) -> bool| {
            let there = with(chosen);
            there.is_consistent(base.len()) && wanted.iter().all(|wanted| there.has(wanted, None))
        };
        // Two repositories of one priority are as good as one.
        let (left, right) = available.split_at(available.len() / 2);
        let repository = |packages| Repository::new(Catalog::of(packages).unwrap(), 0);
        let repositories = vec![repository(left), repository(right)];
        let pool = Pool::new(base.clone(), repositories, options);
        let answer = resolve(&pool, &request);
        let again = resolve(&pool, &request);
        assert_eq!(answer, again, "pool {number}");
        match answer {
            Ok(resolution) => {
                let place =
                    |one: &resolve::Chosen| one.package.repository * left.len() + one.package.index;
                let chosen: Vec<usize> = resolution.chosen.iter().map(place).collect();
                assert!(
                    judge(&|index| chosen.contains(&index)),
                    "pool {number}: {chosen:?} is no solution of\n{}",
                    text(&base, &available, &wanted)
                );
                solved += 1;
            }
            Err(problem) => {
                let subset = (0..1usize << available.len())
                    .find(|subset| judge(&|index| subset >> index & 1 == 1));
                assert_eq!(
                    subset,
                    None,
                    "pool {number} has a solution, but {problem}\n{}",
                    text(&base, &available, &wanted)
                );
                let can_be = |one: &Solvable| {
                    let place = available.iter().position(|other| other.nevra == one.nevra);
                    let is_chosen =
                        |subset: usize| place.is_some_and(|place| subset >> place & 1 == 1);
                    (0..1usize << available.len())
                        .any(|subset| is_chosen(subset) && fits(&|index| subset >> index & 1 == 1))
                };
                for rule in &problem.rules {
                    let Some(wrong) = untruth(rule, &base, &available, &can_be) else {
                        continue;
                    };
                    panic!(
                        "pool {number}: {rule}: {wrong}\n{}",
                        text(&base, &available, &wanted)
                    );
                }
                let says_why = problem.rules.iter().any(|rule| {
                    !matches!(
                        rule,
                        Rule::NotInstallable { by: None, .. } | Rule::Others { .. }
                    )
                });
                // What rich requests say of each other is a reason of its own.
                let is_simple = wanted
                    .iter()
                    .all(|one| matches!(one, Dependency::Simple(_)));
                assert!(
                    says_why || !is_simple,
                    "pool {number}: {problem}\n{}",
                    text(&base, &available, &wanted)
                );
                unsolvable += 1;
            }
        }
    }
    // Neither kind of answer may be the rare one, or the other is hardly tested.
    assert!(
        solved > 500 && unsolvable > 500,
        "{solved} and {unsolvable}"
    );
}
