//! Why a request can't be met, as data, and in libsolv's words, which users of zypper and dnf know.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::clause::Admission;
use crate::demand::Cause;
use crate::dependency::{Dependency, Rich};
use crate::explain::{Explanation, Obstacle};
use crate::id::Id;
use crate::pool::{Exclusion, Pool, Withheld};
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
    /// A dependency that leads to one of the other rules, although what provides it could be
    /// installed by itself.
    Requires {
        /// Who requires it.
        by: Nevra,
        /// The dependency.
        dependency: String,
        /// What provides it: of each name the newest.
        providers: Vec<Nevra>,
    },
    /// A dependency of which no provider can be installed, whatever else is.
    NotInstallable {
        /// Who requires it; none: the request.
        by: Option<Nevra>,
        /// The dependency.
        dependency: String,
    },
    /// A rich dependency of a package that can't be met, whatever else is.
    NotMet {
        /// Who requires it.
        by: Nevra,
        /// The dependency.
        dependency: String,
    },
    /// What would do as well as the packages of the other rules, and can't be installed either:
    /// older versions of them, or those for 32 bits.
    Others {
        /// How many there are.
        count: usize,
    },
}

/// Providers that a rule names.
const MAX_PROVIDERS: usize = 3;

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
            } => write!(f, "too many alternatives in requested {dependency}"),
            Self::Requires {
                by,
                dependency,
                providers,
            } => write_requires(f, by, dependency, providers),
            Self::NotMet { by, dependency } => {
                write!(f, "package {by} requires {dependency}, which can't be met")
            }
            Self::Others { count } => {
                let s = if *count == 1 { "" } else { "s" };
                write!(f, "{count} other candidate{s} can't be installed either")
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

fn write_requires(
    f: &mut fmt::Formatter<'_>,
    by: &Nevra,
    dependency: &str,
    providers: &[Nevra],
) -> fmt::Result {
    write!(f, "package {by} requires {dependency}")?;
    for (number, provider) in providers.iter().take(MAX_PROVIDERS).enumerate() {
        let before = if number == 0 { ", provided by" } else { " or" };
        write!(f, "{before} {provider}")?;
    }
    match providers.len().saturating_sub(MAX_PROVIDERS) {
        0 => Ok(()),
        more => write!(f, " or {more} more"),
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
        explanation: &Explanation<'_>,
        requested: &[String],
    ) -> Self {
        let mut account = Account {
            admission,
            explanation,
            requested,
            rules: Vec::new(),
            told: BTreeSet::new(),
            others: BTreeSet::new(),
        };
        for obstacle in &explanation.obstacles {
            account.tell(obstacle);
        }
        account.finish()
    }
}

/// Rules in the making.
struct Account<'a> {
    admission: &'a Admission<'a>,
    explanation: &'a Explanation<'a>,
    requested: &'a [String],
    rules: Vec<Rule>,
    /// Packages of which it has been said why they can't be added.
    told: BTreeSet<Id>,
    /// Packages of which it has not been said.
    others: BTreeSet<Id>,
}

impl Account<'_> {
    fn finish(mut self) -> Problem {
        // That a request fails is known; it is only worth a line if nothing says why.
        let of_request = |rule: &Rule| matches!(rule, Rule::NotInstallable { by: None, .. });
        if !self.rules.iter().all(of_request) {
            self.rules.retain(|rule| !of_request(rule));
        }
        let count = self.others.difference(&self.told).count();
        if count > 0 {
            self.rules.push(Rule::Others { count });
        }
        Problem::new(self.rules)
    }

    fn nevra(&self, id: Id) -> Nevra {
        self.admission.pool.solvable(id).nevra.clone()
    }

    /// Tells why a demand can't be met.
    fn tell(&mut self, obstacle: &Obstacle<'_>) {
        let by = obstacle.by.map(|id| self.nevra(id));
        let against = obstacle.against.map(|id| self.nevra(id));
        match (obstacle.cause, by, against) {
            (Cause::Request(number), by, _) => {
                let dependency = self.requested.get(number).cloned().unwrap_or_default();
                if self.is_dead(&obstacle.any) {
                    self.tell_of(&obstacle.any);
                }
                self.rules.push(Rule::NotInstallable { by, dependency });
            }
            // With a package that it is against, it is a conditional one whose condition that one is.
            (Cause::Requires(dependency), by, _) => self.requirement(dependency, by, obstacle),
            (Cause::Conflicts(dependency), Some(package), other) => {
                // A condition is no one's doing.
                let meant = self.admission.pool.satisfying(dependency);
                let is_meant = obstacle.against.is_some_and(|id| meant.contains(&id));
                let other = other.filter(|_| is_meant);
                self.rules.push(Rule::Conflicts {
                    package,
                    dependency: dependency.to_string(),
                    other,
                });
            }
            (Cause::Obsoletes(dependency), Some(package), Some(other)) => {
                self.rules.push(Rule::Obsoletes {
                    package,
                    base: false,
                    dependency: dependency.to_string(),
                    other,
                });
            }
            (Cause::SameName, Some(package), Some(other)) => {
                // Either of the two may have been looked at first.
                let (package, other) = (package.clone().max(other.clone()), package.min(other));
                self.rules.push(Rule::SameName {
                    package,
                    other,
                    base: false,
                });
            }
            (Cause::TooComplex(dependency), package, _) => {
                self.rules.push(Rule::TooComplex {
                    package,
                    dependency: dependency.to_string(),
                });
            }
            _ => {}
        }
    }

    fn is_dead(&self, any: &[Id]) -> bool {
        (any.iter()).all(|id| self.explanation.dead.contains_key(id))
    }

    /// Tells why a requirement is not met.
    fn requirement(&mut self, dependency: &Dependency, by: Option<Nevra>, obstacle: &Obstacle<'_>) {
        let providers = self.admission.pool.satisfying(dependency);
        let text = dependency.to_string();
        if providers.is_empty() {
            self.rules.push(Rule::NothingProvides {
                dependency: text,
                by,
            });
        } else if obstacle.alone || self.is_dead(&obstacle.any) {
            self.tell_of(&providers);
            self.rules.push(match by {
                // Of these it is not one provider that would do.
                Some(by) if !is_met_by_one(dependency) => Rule::NotMet {
                    by,
                    dependency: text,
                },
                by => Rule::NotInstallable {
                    by,
                    dependency: text,
                },
            });
        } else if let Some(by) = by {
            // What a condition names does not provide it.
            let dead = &self.explanation.dead;
            let is_meant = |id: &Id| providers.contains(id) && !dead.contains_key(id);
            let providers: Vec<Id> = obstacle.any.iter().copied().filter(is_meant).collect();
            let (shown, _) = shown(self.admission.pool, &providers);
            self.rules.push(Rule::Requires {
                by,
                dependency: text,
                providers: shown.into_iter().map(|id| self.nevra(id)).collect(),
            });
        }
    }

    /// Tells why none of these packages can be added, as far as that is known of each by itself.
    fn tell_of(&mut self, packages: &[Id]) {
        let (shown, others) = shown(self.admission.pool, packages);
        let dead = &self.explanation.dead;
        self.others.extend(
            others
                .into_iter()
                .filter(|id| dead.contains_key(id) || !self.admission.admits(*id)),
        );
        self.rules.extend(of_exclusions(self.admission, &shown));
        for id in shown {
            if let Some(obstacle) = self.explanation.dead.get(&id)
                && self.told.insert(id)
            {
                self.tell(obstacle);
            }
        }
    }
}

/// Returns whether one package alone meets the dependency.
fn is_met_by_one(dependency: &Dependency) -> bool {
    match dependency {
        Dependency::Simple(_) => true,
        Dependency::Rich(rich) => match rich.as_ref() {
            Rich::Or(parts) => parts.iter().all(is_met_by_one),
            Rich::With(_) | Rich::Without(..) => true,
            Rich::And(_) | Rich::If(..) | Rich::Unless(..) => false,
        },
    }
}

/// Returns of packages that would all do those that are worth a word, and the others: of each name
/// the newest, and those of the system's own word size if there are any.
fn shown(pool: &Pool, packages: &[Id]) -> (Vec<Id>, Vec<Id>) {
    let nevra = |id: Id| &pool.solvable(id).nevra;
    let is_own = |id: &Id| pool.architectures.is_own(&nevra(*id).arch);
    let has_own = packages.iter().any(is_own);
    let mut newest: BTreeMap<&str, Id> = BTreeMap::new();
    for &id in packages.iter().filter(|id| !has_own || is_own(id)) {
        let found = newest.entry(&nevra(id).name).or_insert(id);
        if nevra(id).evr.compare(&nevra(*found).evr).is_gt() {
            *found = id;
        }
    }
    let shown: BTreeSet<Id> = newest.into_values().collect();
    let others = packages.iter().copied().filter(|id| !shown.contains(id));
    (shown.iter().copied().collect(), others.collect())
}

/// Returns the rules that say why `dependency`, a request, is not met.
pub(crate) fn of_requirement(admission: &Admission<'_>, dependency: &Dependency) -> Vec<Rule> {
    let providers = admission.pool.satisfying(dependency);
    let text = dependency.to_string();
    if providers.is_empty() {
        return vec![Rule::NothingProvides {
            dependency: text,
            by: None,
        }];
    }
    let mut rules = of_candidates(admission, &providers);
    rules.push(Rule::NotInstallable {
        by: None,
        dependency: text,
    });
    rules
}

/// Returns the rules that say why none of the packages can be added to the base.
pub(crate) fn of_candidates(admission: &Admission<'_>, packages: &[Id]) -> Vec<Rule> {
    let (shown, others) = shown(admission.pool, packages);
    let mut rules = of_exclusions(admission, &shown);
    if !others.is_empty() {
        rules.push(Rule::Others {
            count: others.len(),
        });
    }
    rules
}

/// Returns the rules that say why packages can't be added to the base.
fn of_exclusions(admission: &Admission<'_>, packages: &[Id]) -> Vec<Rule> {
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
