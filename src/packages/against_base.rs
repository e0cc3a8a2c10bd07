//! What a base and an image say of each other: requirements that neither meets, conflicts, and
//! packages that the base has already. Conflicts among the image's packages need no base.
//!
//! The words are libsolv's, which users of dnf and zypper know.

use resolve::Rule;
use rpm_input::{Nevra, Package};

use crate::base::{Base, Named};
use crate::findings::{Finding, kinds};
use crate::packages::choose;

/// Looks at packages that were not chosen by the solver: what it has to say of them, and whether
/// the base has them.
pub fn against_base(packages: &[&Package], base: &Base, rules: &[Rule]) -> Vec<Finding> {
    let installed: Vec<&Nevra> = match (&base.packages, &base.named) {
        (Some(packages), _) => packages.iter().map(|known| &known.nevra).collect(),
        (None, Named::Listed(listed)) => listed.iter().map(|known| &known.nevra).collect(),
        (None, Named::Install(_) | Named::None) => Vec::new(),
    };
    let already = packages.iter().filter_map(|one| already(one, &installed));
    already.chain(broken(rules, packages)).collect()
}

/// Says which rules packages break.
pub fn broken(rules: &[Rule], packages: &[&Package]) -> Vec<Finding> {
    let said = rules.iter().map(|rule| match rule {
        Rule::Conflicts { .. } | Rule::Obsoletes { .. } | Rule::SameName { .. } => {
            Finding::new(&kinds::CONFLICT, rule.to_string())
        }
        Rule::NothingProvides {
            dependency,
            by: Some(by),
        } if choose::are_for_scriptlets(dependency, by, packages) => {
            let text = format!("{rule}, by its scriptlets alone, and none is run");
            Finding::new(&kinds::SCRIPTLET_REQUIREMENT, text)
        }
        _ => Finding::new(&kinds::UNMET_REQUIREMENT, rule.to_string()),
    });
    said.collect()
}

/// Says of a package that the base has it, or has another version of it.
fn already(package: &Package, installed: &[&Nevra]) -> Option<Finding> {
    let nevra = &package.nevra;
    let known = installed
        .iter()
        .find(|known| known.name == nevra.name && known.arch == nevra.arch)?;
    Some(if *known == nevra {
        Finding::new(&kinds::IN_BASE, format!("{nevra} is already in the base"))
    } else {
        let text = format!("the base has {known}; once merged, {nevra} hides its files");
        Finding::new(&kinds::IN_BASE, text)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::base;

    fn nevra(text: &str) -> Nevra {
        let nevra = resolve::Nevra::parse(text).unwrap();
        Nevra {
            name: nevra.name,
            epoch: nevra.evr.epoch,
            version: nevra.evr.version,
            release: nevra.evr.release,
            arch: nevra.arch,
        }
    }

    #[test]
    fn what_is_said_of_packages_and_the_base() {
        let headers = |lines: &[&str]| Base {
            packages: Some(
                lines
                    .iter()
                    .map(|line| Package::named(nevra(line)))
                    .collect(),
            ),
            ..Base::default()
        };
        let listed = |line: &str| Base {
            named: Named::Listed(base::parse_list(line).unwrap()),
            ..Base::default()
        };
        let install = Base {
            named: Named::Install(vec!["a".to_owned()]),
            ..Base::default()
        };
        let same = "in-base: a-1-1.x86_64 is already in the base";
        let other = "in-base: the base has a-2-1.x86_64; once merged, a-1-1.x86_64 hides its files";
        for (base, expected) in [
            (headers(&[]), vec![]),
            (headers(&["b-1-1.noarch", "a-1-1.x86_64"]), vec![same]),
            (headers(&["a-2-1.x86_64"]), vec![other]),
            // Another word size is beside it.
            (headers(&["a-1-1.i686"]), vec![]),
            (headers(&["b-1-1.x86_64"]), vec![]),
            (listed("a-1-1.x86_64"), vec![same]),
            (listed("a-2-1.x86_64"), vec![other]),
            (listed("b-1-1.x86_64"), vec![]),
            (install, vec![]),
            (Base::default(), vec![]),
        ] {
            let package = Package::named(nevra("a-1-1.x86_64"));
            let found = against_base(&[&package], &base, &[]);
            let found: Vec<_> = found
                .iter()
                .map(|one| format!("{}: {}", one.kind.id, one.text))
                .collect();
            assert_eq!(found, expected, "{:?}", base.named);
        }
    }

    /// No scriptlet is run, so what only they need is missed by nobody.
    #[test]
    fn what_scriptlets_require() {
        const PRE: u32 = 1 << 9;
        for (senses, expected) in [
            (&[PRE][..], "scriptlet-requirement"),
            (&[0], "unmet-requirement"),
            (&[PRE, 0], "unmet-requirement"),
            (&[], "unmet-requirement"),
        ] {
            let mut package = Package::named(nevra("a-1-1.noarch"));
            let requires = senses.iter().map(|sense| rpm_input::Dependency {
                name: "shadow".to_owned(),
                sense: rpm_input::Sense(*sense),
                evr: String::new(),
            });
            package.requires = requires.collect();
            let base = Base {
                packages: Some(Vec::new()),
                ..Base::default()
            };
            let judgement = choose::judge(&[&package], &base).unwrap();
            let rule = Rule::NothingProvides {
                dependency: "shadow".to_owned(),
                by: Some(choose::nevra(&package.nevra)),
            };
            let rules = if senses.is_empty() {
                vec![rule]
            } else {
                judgement.rules
            };
            let found = broken(&rules, &[&package]);
            let found: BTreeSet<_> = found.iter().map(|one| one.kind.id).collect();
            assert_eq!(found, BTreeSet::from([expected]), "{senses:?}");
            let needed = choose::requires_to_run(&[&package]);
            assert_eq!(needed.is_empty(), !senses.contains(&0), "{senses:?}");
        }
    }

    #[test]
    fn what_kind_of_finding_a_rule_is() {
        let nevra = |text: &str| resolve::Nevra::parse(text).unwrap();
        let (package, other) = (nevra("a-1-1.noarch"), nevra("b-1-1.noarch"));
        for (rule, expected) in [
            (
                Rule::Conflicts {
                    package: package.clone(),
                    dependency: "b".to_owned(),
                    other: Some(other.clone()),
                },
                "conflict",
            ),
            (
                Rule::Obsoletes {
                    package: package.clone(),
                    base: false,
                    dependency: "b".to_owned(),
                    other,
                },
                "conflict",
            ),
            (
                Rule::NothingProvides {
                    dependency: "x".to_owned(),
                    by: Some(package),
                },
                "unmet-requirement",
            ),
        ] {
            let found = against_base(&[], &Base::default(), std::slice::from_ref(&rule));
            let found: Vec<_> = found
                .iter()
                .map(|one| (one.kind.id, one.text.clone()))
                .collect();
            assert_eq!(found, [(expected, rule.to_string())]);
        }
    }
}
