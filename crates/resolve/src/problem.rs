//! Why a request can't be met, as data, and in libsolv's words, which users of zypper and dnf know.

use std::fmt;

use crate::clause::Admission;
use crate::demand::Cause;
use crate::dependency::Dependency;
use crate::explain::Obstacle;
use crate::id::Id;
use crate::pool::{Exclusion, Withheld};
use crate::solvable::Nevra;

/// Why a request can't be met: rules that can't hold together.
///
/// Printed one a line, causes first, then what follows from them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Problem {
    /// The rules, sorted, each once.
    pub rules: Vec<Rule>,
}

/// A rule that stands in the way. The order of variants is the order in print.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A request that is not a dependency.
    Malformed {
        /// What is wrong with it.
        reason: String,
    },
    /// A dependency that no package satisfies, in the base or on offer.
    NothingProvides {
        /// The dependency.
        dependency: String,
        /// Who requires it; none: the request.
        by: Option<Nevra>,
    },
    /// The package is for another system.
    Architecture {
        /// The package.
        package: Nevra,
    },
    /// The lock has another package of that name.
    Locked {
        /// The package.
        package: Nevra,
    },
    /// The package is on offer, but not a candidate.
    Withheld {
        /// The package.
        package: Nevra,
        /// Why not.
        why: Withheld,
    },
    /// Two packages that share a name.
    SameName {
        /// The one to add.
        package: Nevra,
        /// The other one.
        other: Nevra,
        /// Whether the other one is in the base.
        base: bool,
    },
    /// A conflict between packages.
    Conflicts {
        /// The package that declares it.
        package: Nevra,
        /// What it conflicts with.
        dependency: String,
        /// The package that provides that; none if it is more than one package's doing.
        other: Option<Nevra>,
    },
    /// A package that replaces another.
    Obsoletes {
        /// The package that declares it.
        package: Nevra,
        /// Whether that one is in the base.
        base: bool,
        /// What it obsoletes.
        dependency: String,
        /// The package that is that.
        other: Nevra,
    },
    /// A dependency with too many alternatives to be solved.
    TooComplex {
        /// The package that has it.
        package: Option<Nevra>,
        /// The dependency.
        dependency: String,
    },
    /// A dependency of which every provider is ruled out by the other rules.
    NotInstallable {
        /// Who requires it; none: the request.
        by: Option<Nevra>,
        /// The dependency.
        dependency: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, rule) in self.rules.iter().enumerate() {
            if number > 0 {
                f.write_str("\n")?;
            }
            rule.fmt(f)?;
        }
        Ok(())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { reason } => f.write_str(reason),
            Self::NothingProvides {
                dependency,
                by: Some(package),
            } => {
                write!(f, "nothing provides {dependency} needed by {package}")
            }
            Self::NothingProvides {
                dependency,
                by: None,
            } => {
                write!(f, "nothing provides requested {dependency}")
            }
            Self::Architecture { package } => {
                write!(
                    f,
                    "package {package} does not have a compatible architecture"
                )
            }
            Self::Locked { package } => write!(f, "package {package} is not in the lock"),
            Self::Withheld { package, why } => write!(f, "package {package} {}", why.words()),
            Self::SameName {
                package,
                other,
                base,
            } => {
                write!(f, "cannot install both {package} and {other}")?;
                f.write_str(if *base { " from the base" } else { "" })
            }
            Self::Conflicts {
                package,
                dependency,
                other,
            } => {
                write!(f, "package {package} conflicts with {dependency}")?;
                match other {
                    Some(other) => write!(f, " provided by {other}"),
                    None => Ok(()),
                }
            }
            Self::Obsoletes {
                package,
                base,
                dependency,
                other,
            } => {
                let kind = if *base {
                    "installed package"
                } else {
                    "package"
                };
                write!(
                    f,
                    "{kind} {package} obsoletes {dependency} provided by {other}"
                )
            }
            Self::TooComplex {
                package: Some(package),
                dependency,
            } => {
                write!(
                    f,
                    "package {package} has too many alternatives in {dependency}"
                )
            }
            Self::TooComplex {
                package: None,
                dependency,
            } => {
                write!(f, "too many alternatives in requested {dependency}")
            }
            Self::NotInstallable {
                by: Some(package),
                dependency,
            } => {
                write!(f, "package {package} requires {dependency}")?;
                f.write_str(", but none of the providers can be installed")
            }
            Self::NotInstallable {
                by: None,
                dependency,
            } => {
                write!(
                    f,
                    "none of the providers of requested {dependency} can be installed"
                )
            }
        }
    }
}

impl Problem {
    pub(crate) fn new(mut rules: Vec<Rule>) -> Self {
        rules.sort();
        rules.dedup();
        Self { rules }
    }

    /// Returns the problem that the solver's obstacles make, with the reasons why providers could
    /// not be considered. `requested` are the requests' texts.
    pub(crate) fn explain(
        admission: &Admission<'_>,
        obstacles: &[Obstacle<'_>],
        requested: &[String],
    ) -> Self {
        let mut rules = Vec::new();
        for obstacle in obstacles {
            explain(admission, obstacle, requested, &mut rules);
        }
        // That a request fails is known; it is only worth a line if nothing says why.
        let of_request = |rule: &Rule| matches!(rule, Rule::NotInstallable { by: None, .. });
        if !rules.iter().all(of_request) {
            rules.retain(|rule| !of_request(rule));
        }
        Self::new(rules)
    }
}

fn explain(
    admission: &Admission<'_>,
    obstacle: &Obstacle<'_>,
    requested: &[String],
    rules: &mut Vec<Rule>,
) {
    let nevra = |id: Id| admission.pool.solvable(id).nevra.clone();
    let by = obstacle.by.map(nevra);
    let against = obstacle.against.map(nevra);
    match (obstacle.cause, by, against) {
        (Cause::Request(number), by, _) => {
            let dependency = requested.get(number).cloned().unwrap_or_default();
            rules.push(Rule::NotInstallable { by, dependency });
        }
        // With a package that it is against, it is a conditional one whose condition that one is.
        (Cause::Requires(dependency), by, _) => {
            rules.extend(of_requirement(admission, dependency, by));
        }
        (Cause::Conflicts(dependency), Some(package), other) => {
            let dependency = dependency.to_string();
            rules.push(Rule::Conflicts {
                package,
                dependency,
                other,
            });
        }
        (Cause::Obsoletes(dependency), Some(package), Some(other)) => {
            let dependency = dependency.to_string();
            rules.push(Rule::Obsoletes {
                package,
                base: false,
                dependency,
                other,
            });
        }
        (Cause::SameName, Some(package), Some(other)) => {
            // Either of the two may have been looked at first.
            let (package, other) = (package.clone().max(other.clone()), package.min(other));
            rules.push(Rule::SameName {
                package,
                other,
                base: false,
            });
        }
        (Cause::TooComplex(dependency), package, _) => {
            let dependency = dependency.to_string();
            rules.push(Rule::TooComplex {
                package,
                dependency,
            });
        }
        _ => {}
    }
}

/// Returns the rules that say why `dependency` is not met.
pub(crate) fn of_requirement(
    admission: &Admission<'_>,
    dependency: &Dependency,
    by: Option<Nevra>,
) -> Vec<Rule> {
    let providers = admission.pool.satisfying(dependency);
    let text = dependency.to_string();
    if providers.is_empty() {
        return vec![Rule::NothingProvides {
            dependency: text,
            by,
        }];
    }
    let mut rules = of_exclusions(admission, &providers);
    rules.push(Rule::NotInstallable {
        by,
        dependency: text,
    });
    rules
}

/// Returns the rules that say why packages can't be added to the base.
pub(crate) fn of_exclusions(admission: &Admission<'_>, packages: &[Id]) -> Vec<Rule> {
    let pool = admission.pool;
    let nevra = |id: Id| pool.solvable(id).nevra.clone();
    let rule = |&id: &Id| {
        let package = nevra(id);
        let Some(exclusion) = admission.exclusion(id) else {
            return admission
                .is_locked_out(id)
                .then_some(Rule::Locked { package });
        };
        Some(match exclusion {
            Exclusion::Architecture => Rule::Architecture { package },
            Exclusion::Withheld(why) => Rule::Withheld { package, why },
            Exclusion::SameName(other) => Rule::SameName {
                package,
                other: nevra(other),
                base: true,
            },
            Exclusion::Conflicts {
                source,
                dependency,
                target,
            } => Rule::Conflicts {
                package: nevra(source),
                dependency: (pool.solvable(source).conflicts.get(dependency))
                    .map_or_else(String::new, Dependency::to_string),
                other: Some(nevra(target)),
            },
            Exclusion::Obsoletes {
                source,
                dependency,
                target,
            } => Rule::Obsoletes {
                package: nevra(source),
                base: pool.is_base(source),
                dependency: (pool.solvable(source).obsoletes.get(dependency))
                    .map_or_else(String::new, Dependency::to_string),
                other: nevra(target),
            },
        })
    };
    packages.iter().filter_map(rule).collect()
}
