//! What else would do: hints for a request that can't be met.
//!
//! A problem says what stands in the way. Here the same repositories and base are asked for what
//! is near: a name that is spelled alike, another version, another architecture, the base that
//! would do.

use std::collections::BTreeSet;

use resolve::{Dependency, Nevra, Package, Pool, Problem, Rule, Withheld};

use super::{Unknown, shortened};
use crate::words::suggest::nearest;

/// Hints of each kind that are given; a problem may have hundreds of rules.
const MOST: usize = 3;
/// What is chosen from repositories is whole, so that nothing can be allowed there.
const WITHOUT: &str = "to build without it, give the package's file, and --allow unmet-requirement \
                       without --repo";
/// How a capability of a 64-bit library ends.
const WIDE: &str = "(64bit)";

/// Returns hints for a problem, where so much of the base is not known.
pub(super) fn of(problem: &Problem, pool: &Pool, unknown: &Unknown) -> Vec<String> {
    let not_found = &unknown.packages;
    let mut hints = Vec::new();
    let (mut missing, mut required) = (false, false);
    // Of these the base may well have what another build of them would bring.
    let is_unknown = |nevra: &Nevra| not_found.contains(&nevra.to_string());
    let mut is_other_build = false;
    for rule in &problem.rules {
        match rule {
            Rule::NothingProvides { dependency, by } => {
                missing = true;
                required |= by.is_some();
                hints.extend(for_missing(dependency, by.as_ref(), pool));
            }
            Rule::SameName {
                package,
                other,
                base: true,
            } => match is_unknown(other) {
                true => is_other_build = true,
                false => {
                    hints.push(format!("a base with {package} instead of {other} would do"));
                }
            },
            Rule::Conflicts {
                package,
                other: Some(other),
                ..
            } => hints.extend(without_base(package, other, pool)),
            Rule::Obsoletes { package, other, .. } => {
                hints.extend(without_base(package, other, pool));
            }
            Rule::Withheld {
                package,
                why: Withheld::Retracted | Withheld::Temporary,
            } => hints.push(format!("{package} is taken if you ask for it by this name")),
            Rule::Withheld {
                package,
                why: Withheld::Module,
            } => hints.push(format!(
                "enable the stream of a module that has {package} with --module NAME:STREAM"
            )),
            Rule::Architecture { package } => hints.push(format!(
                "{package} is for a different architecture than the base; set the base's with \
                 --arch"
            )),
            _ => {}
        }
    }
    let mut seen = BTreeSet::new();
    hints.retain(|hint| seen.insert(hint.clone()));
    hints.truncate(MOST);
    if (missing || is_other_build) && unknown.is_assumable {
        hints.push(
            "--assume-next-build takes what the next build of the same name provides".to_owned(),
        );
    } else if missing && !not_found.is_empty() {
        hints.push(format!(
            "a package of the base that no repository has may provide it: {}",
            shortened(not_found)
        ));
    }
    if missing {
        hints.push("another --repo may have what is missing, or another base".to_owned());
    }
    if required {
        hints.push(WITHOUT.to_owned());
    }
    hints
}

/// Returns what is near to a dependency that nothing provides.
fn for_missing(text: &str, by: Option<&Nevra>, pool: &Pool) -> Option<String> {
    let wanted = Dependency::parse(text).ok()?;
    let name = &wanted.simple()?.name;
    let versions = pool.providers(&Dependency::named(name));
    if let Some(offers) = offers(pool, &versions, name) {
        return Some(format!("there is {offers}"));
    }
    if let Some(narrow) = name.strip_suffix(WIDE) {
        let narrow = narrow.strip_suffix("()").unwrap_or(narrow);
        if let Some(offers) = offers(pool, &pool.providers(&Dependency::named(narrow)), narrow) {
            return Some(format!("for another architecture there is {offers}"));
        }
    }
    if by.is_some() {
        return None;
    }
    let of_catalog = |catalog: &resolve::Catalog| -> Vec<String> {
        let nevras = (0..catalog.len()).filter_map(|index| catalog.nevra(index));
        nevras.map(|nevra| nevra.name).collect()
    };
    let names: BTreeSet<String> = pool.catalogs().flat_map(of_catalog).collect();
    let near = nearest(name, names.iter().map(String::as_str))?;
    Some(format!("did you mean {near}?"))
}

/// Says which packages have something of that name, in which version.
fn offers(pool: &Pool, providers: &[Package], name: &str) -> Option<String> {
    let offer = |package: &Package| {
        let solvable = pool.get(*package)?;
        let provided = solvable.provides.iter().find(|provided| {
            provided
                .simple()
                .is_some_and(|capability| capability.name == name)
        });
        let nevra = &solvable.nevra;
        let place = match package {
            Package::Base(_) => " of the base",
            Package::Available(_) => "",
        };
        Some(match provided {
            Some(provided) if solvable.nevra.name != name => {
                format!("{provided} of {nevra}{place}")
            }
            _ => format!("{nevra}{place}"),
        })
    };
    let found: Vec<_> = providers.iter().filter_map(offer).collect();
    (!found.is_empty()).then(|| shortened(&found))
}

/// Names the one of two packages without which a base would do.
fn without_base(one: &Nevra, other: &Nevra, pool: &Pool) -> Option<String> {
    let is_in_base = |nevra: &&Nevra| pool.base().iter().any(|package| package.nevra == **nevra);
    let of_base = [one, other].into_iter().find(is_in_base)?;
    Some(format!("a base without {of_base} would do"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use resolve::{Catalog, Options, Repository, Request, Solvable, Wanted, resolve};

    fn package(nevra: &str, provides: &[&str], requires: &[&str], conflicts: &[&str]) -> Solvable {
        let list = |texts: &[&str]| {
            let parsed = texts.iter().map(|text| Dependency::parse(text).unwrap());
            parsed.collect()
        };
        Solvable {
            nevra: Nevra::parse(nevra).unwrap(),
            provides: list(provides),
            requires: list(requires),
            conflicts: list(conflicts),
            ..Solvable::default()
        }
    }

    #[test]
    fn what_is_near() {
        let base = vec![
            package("zlib-1-1.x86_64", &["libz.so.1()(64bit)"], &[], &[]),
            package("glibc-2-1.x86_64", &["libc.so.6()(64bit)"], &[], &[]),
        ];
        let available = [
            package("debugger-1-1.x86_64", &[], &["zlib >= 2"], &[]),
            package("tracer-1-1.x86_64", &[], &["libfoo.so.1()(64bit)"], &[]),
            package("foo-1-1.i686", &["libfoo.so.1"], &[], &[]),
            package("viewer-1-1.x86_64", &[], &["font >= 3"], &[]),
            package("fonts-1-1.noarch", &["font = 2"], &[], &[]),
            package("musl-1-1.x86_64", &[], &[], &["libc.so.6()(64bit)"]),
            package("shell-1-1.x86_64", &[], &["nosuch"], &[]),
            package("arm-1-1.aarch64", &[], &[], &[]),
        ];
        let newer = [package("zlib-2-1.x86_64", &[], &[], &[])];
        let last = "another --repo may have what is missing, or another base";
        for (wanted, newer, expected) in [
            ("debuger", &[][..], &["did you mean debugger?", last][..]),
            (
                "debugger",
                &[],
                &["there is zlib-1-1.x86_64 of the base", last, WITHOUT],
            ),
            (
                "debugger",
                &newer,
                &["a base with zlib-2-1.x86_64 instead of zlib-1-1.x86_64 would do"],
            ),
            (
                "tracer",
                &[],
                &[
                    "for another architecture there is libfoo.so.1 of foo-1-1.i686",
                    last,
                    WITHOUT,
                ],
            ),
            (
                "viewer",
                &[],
                &["there is font = 2 of fonts-1-1.noarch", last, WITHOUT],
            ),
            ("musl", &[], &["a base without glibc-2-1.x86_64 would do"]),
            ("shell", &[], &[last, WITHOUT]),
            (
                "arm",
                &[],
                &[
                    "arm-1-1.aarch64 is for a different architecture than the base; set the \
                     base's with --arch",
                ],
            ),
        ] {
            let repository =
                Repository::new(Catalog::of(available.iter().chain(newer)).unwrap(), 0);
            let options = Options {
                architecture: "x86_64".to_owned(),
                multilib: true,
            };
            let pool = Pool::new(base.clone(), vec![repository], options);
            let request = Request {
                install: vec![Wanted::Text(wanted.to_owned())],
                ..Request::default()
            };
            let problem = resolve(&pool, &request).unwrap_err();
            assert_eq!(
                of(&problem, &pool, &Unknown::default()),
                expected,
                "{wanted}: {problem}"
            );
        }
    }

    #[test]
    fn what_a_base_by_name_may_have() {
        let pool = Pool::new(Vec::new(), Vec::new(), Options::default());
        let problem = resolve(
            &pool,
            &Request {
                install: vec![Wanted::Text("x".to_owned())],
                ..Request::default()
            },
        );
        let unknown = ["a-1-1.noarch", "b-1-1.noarch"].map(str::to_owned);
        let problem = problem.unwrap_err();
        for (is_assumable, expected) in [
            (
                false,
                "a package of the base that no repository has may provide it: a-1-1.noarch, \
                 b-1-1.noarch",
            ),
            (
                true,
                "--assume-next-build takes what the next build of the same name provides",
            ),
        ] {
            let unknown = Unknown {
                packages: unknown.to_vec(),
                is_assumable,
            };
            let hints = of(&problem, &pool, &unknown);
            assert_eq!(hints.first().map(String::as_str), Some(expected));
        }
    }

    #[test]
    fn which_base_would_do() {
        let nevra = |text: &str| Nevra::parse(text).unwrap();
        let pool = Pool::new(
            vec![package("old-1-1.noarch", &[], &[], &[])],
            Vec::new(),
            Options::default(),
        );
        let [new, old, other] = ["new-1-1.noarch", "old-1-1.noarch", "other-1-1.noarch"].map(nevra);
        let conflict = |package: &Nevra, other: Option<&Nevra>| Rule::Conflicts {
            package: package.clone(),
            dependency: "x".to_owned(),
            other: other.cloned(),
        };
        let obsoletes = |package: &Nevra, other: &Nevra, base| Rule::Obsoletes {
            package: package.clone(),
            base,
            dependency: "x".to_owned(),
            other: other.clone(),
        };
        let same_name = |base| Rule::SameName {
            package: new.clone(),
            other: old.clone(),
            base,
        };
        let missing = |dependency: &str, by: Option<&Nevra>| Rule::NothingProvides {
            dependency: dependency.to_owned(),
            by: by.cloned(),
        };
        let without = "a base without old-1-1.noarch would do";
        let last = "another --repo may have what is missing, or another base";
        for (rules, expected) in [
            // Whichever of the two says it.
            (vec![conflict(&new, Some(&old))], vec![without]),
            (vec![conflict(&old, Some(&new))], vec![without]),
            (vec![conflict(&new, Some(&other))], vec![]),
            (vec![conflict(&new, None)], vec![]),
            (vec![obsoletes(&new, &old, false)], vec![without]),
            (vec![obsoletes(&old, &new, true)], vec![without]),
            (vec![obsoletes(&new, &other, false)], vec![]),
            (
                vec![same_name(true)],
                vec!["a base with new-1-1.noarch instead of old-1-1.noarch would do"],
            ),
            // Two packages to add that share a name: no base would change that.
            (vec![same_name(false)], vec![]),
            // Said once, and no more than three of a kind.
            (
                vec![conflict(&new, Some(&old)), obsoletes(&new, &old, false)],
                vec![without],
            ),
            (
                vec![missing("x", Some(&new)), missing("y", Some(&new))],
                vec![last, WITHOUT],
            ),
            (vec![missing("oldd", None)], vec![last]),
        ] {
            let row = format!("{rules:?}");
            let problem = Problem { rules };
            assert_eq!(of(&problem, &pool, &Unknown::default()), expected, "{row}");
        }
        let packages = ["a", "b", "c", "d", "e"].map(|name| nevra(&format!("{name}-1-1.arm")));
        let rules = packages.map(|package| Rule::Architecture { package });
        let problem = Problem {
            rules: rules.into(),
        };
        // What is not known of the base matters only where something is missing.
        let unknown = Unknown {
            packages: vec!["a-1-1.noarch".to_owned()],
            is_assumable: true,
        };
        assert_eq!(of(&problem, &pool, &unknown).len(), MOST);
    }
}
