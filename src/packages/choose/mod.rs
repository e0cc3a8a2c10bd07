//! Chooses the packages of an image: what was asked for, and what that requires and the base lacks.
//!
//! The base's packages are fixed: what they provide satisfies a requirement first, and none of
//! them is ever replaced. All that is said of packages and bases comes from one place, the
//! [`resolve`] crate: [`choose`] asks it which packages to add, [`judge`] what stands against
//! packages that the user has chosen.

mod alternatives;
pub mod solvable;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::anyhow;
use architecture::Architecture;
use linkage::Capabilities;
use resolve::{
    Available, Dependency, Installed, Options, Pool, Problem, Repository, Request, Resolution,
    Rule, Solvable, Wanted, resolve,
};
use rpm_input::Package;

use manifest::{Reason, ReliedOn};
use solvable::{asked_for, solvable_with};
pub use solvable::{dependency, nevra, repository, solvable};

use crate::base::{Base, Named};
use crate::findings::{Finding, kinds};
use crate::packages::look_up::{self, LookedUp};
use crate::packages::repository::rpm_files;
use crate::words::failure::{Failure, Result};
use crate::words::quantity::counted;
use crate::words::text::Text;

/// Packages of a base that are named in a finding; the others are counted.
const SHOWN: usize = 5;

/// Packages of a repository by their index, each with a path that it has.
pub type Owners = Vec<(usize, String)>;

/// What is asked, and what there is to choose from.
pub struct Question<'a> {
    /// What the image extends.
    pub base: &'a Base,
    /// What is on offer.
    pub repositories: Vec<Repository>,
    /// Says which packages have which of these paths, for each repository in turn, where that is
    /// not among what it is known to offer.
    pub owners: &'a dyn Fn(&BTreeSet<String>) -> Result<Vec<Owners>>,
    /// Packages of these repositories that are wanted: those whose files the user named.
    pub wanted: Vec<Available>,
    /// Their headers, which are all of the first repository.
    pub headers: Vec<&'a Package>,
    /// Packages that are wanted by name.
    pub names: &'a [String],
    /// Whether to add what packages recommend.
    pub recommends: bool,
    /// Whether the next build of the same name stands for a package of a listed base that no
    /// repository has.
    pub assume_next_build: bool,
    /// The architecture of the base.
    pub architecture: Architecture,
}

/// What was chosen.
#[derive(Debug)]
pub struct Choice {
    /// What was asked for, then what that requires, each with its reason.
    pub chosen: Vec<(Available, Reason)>,
    /// What the base provides, if that was looked up and every package of it was found.
    pub provided: Option<Capabilities>,
    /// What was chosen from.
    pool: Pool,
    /// Packages of the base of which it was assumed what they provide.
    pub assumed: Vec<String>,
    /// What is recommended and was not chosen.
    pub not_added: Vec<String>,
    /// What was asked for and is in the base; what is not known of the base.
    pub findings: Vec<Finding>,
}

/// Chooses packages.
pub fn choose(question: Question<'_>) -> Result<Choice> {
    let Question {
        base,
        mut repositories,
        owners,
        wanted,
        headers,
        names,
        recommends,
        assume_next_build,
        architecture,
    } = question;
    let options = Options {
        architecture: architecture.rpm().to_owned(),
        multilib: true,
    };
    let wanted = wanted.into_iter().map(Wanted::Available);
    let request = Request {
        install: wanted
            .chain(names.iter().cloned().map(Wanted::Text))
            .collect(),
        recommends,
        ..Request::default()
    };
    // Metadata list few paths. Those that were asked for beside them are looked up, which may lead
    // to further ones.
    let mut looked_up = BTreeSet::new();
    let mut needless = Needless::default();
    let (pool, unknown, assumed, resolution) = loop {
        let of_base = of_base(base, &repositories, &options, assume_next_build)?;
        let unknown = Unknown::of(&of_base);
        let LookedUp {
            installed, assumed, ..
        } = of_base;
        let pool = Pool::new(installed, repositories.clone(), options.clone());
        let resolution = resolve(&pool, &request);
        let mut paths: BTreeSet<_> = pool.unlisted_paths().into_iter().collect();
        paths.retain(|path| looked_up.insert(path.clone()));
        let mut found_any = false;
        if !paths.is_empty() {
            for (repository, found) in repositories.iter_mut().zip(owners(&paths)?) {
                found_any |= !found.is_empty();
                repository.files.extend(found);
            }
        }
        if let Err(problem) = &resolution
            && !found_any
            && needless.add(problem, &headers)
            && let Some(first) = repositories.first_mut()
        {
            *first = needless.without(&headers)?;
            found_any = true;
        }
        if !found_any {
            break (pool, unknown, assumed, resolution);
        }
    };
    let resolution = resolution.map_err(|problem| {
        let lines = cause_in_base(&problem, &unknown.packages).into_iter();
        let lines = lines.chain(problem.rules.iter().map(ToString::to_string));
        let failure = Failure::refused(lines.collect::<Text>());
        let hints = alternatives::of(&problem, &pool, &unknown);
        hints.into_iter().fold(failure, Failure::hint)
    })?;
    let chosen: Vec<_> = (resolution.chosen.iter())
        .map(|chosen| chosen.package)
        .collect();
    let all = pool.base().len();
    let mut findings: Vec<_> = (unknown.finding(all).into_iter())
        .chain(assumption(&assumed, all))
        .chain(needless.findings())
        .collect();
    findings.extend(in_base(&pool, &request, &resolution));
    findings.extend(replaced(&pool, &request, &resolution));
    if chosen.is_empty() {
        let says_why = |finding: &&Finding| {
            finding.kind == &kinds::IN_BASE || finding.kind == &kinds::REPLACED
        };
        let lines = findings.iter().filter(says_why);
        let lines: Vec<_> = lines.map(|finding| finding.text.as_str()).collect();
        let lines = lines.join(", ");
        return Err(Failure::refused(anyhow!(
            "there is nothing to add: {lines}"
        )));
    }
    Ok(Choice {
        not_added: match recommends {
            true => Vec::new(),
            false => not_added(&pool, &chosen),
        },
        chosen: (resolution.chosen.iter())
            .map(|chosen| (chosen.package, reason(&pool, &chosen.reason)))
            .collect(),
        findings,
        provided: (base.packages.is_none() && unknown.packages.is_empty())
            .then(|| provided(pool.base())),
        assumed,
        pool,
    })
}

/// Says what was asked for and is in the base.
fn in_base(pool: &Pool, request: &Request, resolution: &Resolution) -> Vec<Finding> {
    let said = resolution.already.iter().map(|already| {
        let asked = (request.install.get(already.request)).map(ToString::to_string);
        let has = already.base.and_then(|index| pool.base().get(index));
        let has = has.map(|package| package.nevra.to_string());
        let text = format!(
            "{} is already in the base",
            has.or(asked).unwrap_or_default()
        );
        Finding::new(&kinds::IN_BASE, text)
    });
    said.collect()
}

/// What packages require by their scriptlets alone, and what can't be had: no scriptlet is run, so that
/// nothing is missing. By package, the dependencies.
#[derive(Default)]
struct Needless(BTreeMap<String, BTreeSet<String>>);

impl Needless {
    /// Adds what stands against these packages of a problem and is needless; says whether that is
    /// anything new.
    fn add(&mut self, problem: &Problem, headers: &[&Package]) -> bool {
        let mut is_new = false;
        for rule in &problem.rules {
            let (Rule::NothingProvides {
                dependency,
                by: Some(by),
            }
            | Rule::NotInstallable {
                dependency,
                by: Some(by),
            }) = rule
            else {
                continue;
            };
            if are_for_scriptlets(dependency, by, headers) {
                let of_package = self.0.entry(by.to_string()).or_default();
                is_new |= of_package.insert(dependency.clone());
            }
        }
        is_new
    }

    /// Returns the packages without what is needless.
    fn without(&self, headers: &[&Package]) -> Result<Repository> {
        let packages: Vec<_> = (headers.iter())
            .map(|package| {
                let needless = self.0.get(&nevra(&package.nevra).to_string());
                let mut package = (*package).clone();
                let is_needed = |one: &rpm_input::Dependency| {
                    needless.is_none_or(|needless| !needless.contains(&dependency(one).to_string()))
                };
                package.requires.retain(is_needed);
                package
            })
            .collect();
        repository(packages.iter(), None)
    }

    fn findings(&self) -> impl Iterator<Item = Finding> {
        let all = self.0.iter();
        let all = all.flat_map(|(by, needs)| needs.iter().map(move |need| (by, need)));
        all.map(|(by, need)| {
            let text = format!(
                "{need} can't be had, which {by} needs by its scriptlets alone, and none is run"
            );
            Finding::new(&kinds::SCRIPTLET_REQUIREMENT, text)
        })
    }
}

/// Says whether nothing but its scriptlets has a package require this.
pub fn are_for_scriptlets(wanted: &str, by: &resolve::Nevra, packages: &[&Package]) -> bool {
    let package = packages.iter().find(|one| nevra(&one.nevra) == *by);
    let requires = package.into_iter().flat_map(|package| &package.requires);
    let mut meant = requires
        .filter(|one| dependency(one).to_string() == wanted)
        .peekable();
    meant.peek().is_some() && meant.all(rpm_input::Dependency::is_for_scriptlets)
}

impl Choice {
    /// Returns what of the base the chosen packages need, by their headers: repositories leave out
    /// of their lists what another requirement implies.
    pub fn relies_on(&self, packages: &[&Package]) -> Vec<ReliedOn> {
        let chosen: Vec<_> = self.chosen.iter().map(|(package, _)| *package).collect();
        let solvables: Vec<_> = packages.iter().copied().map(solvable::solvable).collect();
        let needs = solvables.iter().flat_map(|solvable| &solvable.requires);
        relies_on(&self.pool, &chosen, needs.collect())
    }
}

/// Returns what the packages require and do not provide among themselves, whatever base they are
/// on. RPM's own (`rpmlib(…)`) and `config(…)` are about installing, not running.
pub fn requires(packages: &[&Package]) -> Vec<String> {
    requires_of(packages, |_| true)
}

/// Returns those of them that the base must have where an image of the packages is merged: without what
/// only scriptlets need.
pub fn requires_to_run(packages: &[&Package]) -> Vec<String> {
    requires_of(packages, |need| !need.is_for_scriptlets())
}

fn requires_of(
    packages: &[&Package],
    is_wanted: impl Fn(&rpm_input::Dependency) -> bool,
) -> Vec<String> {
    let together = installed(packages.iter().copied());
    let needed = |need: &&rpm_input::Dependency| {
        is_wanted(need) && !need.is_config() && !together.suffices_for(&solvable::dependency(need))
    };
    let needs: BTreeSet<String> = (packages.iter())
        .flat_map(|package| &package.requires)
        .filter(needed)
        .map(ToString::to_string)
        .collect();
    needs.into_iter().collect()
}

/// Returns what packages offer together.
pub fn installed<'a>(packages: impl Iterator<Item = &'a Package>) -> Installed {
    Installed::new(packages.map(solvable::solvable).collect())
}

/// Returns those of an image's `requires` that a base does not meet. `image` has what the image's
/// packages provide, on which conditions may depend.
pub fn unmet<'a>(requires: &'a [String], base: &Installed, image: &Installed) -> Vec<&'a String> {
    let is_unmet = |text: &&String| {
        let need = Dependency::parse(text).unwrap_or_else(|_| Dependency::named(text));
        !base.meets(&need, image)
    };
    requires.iter().filter(is_unmet).collect()
}

/// What is to be said of packages that someone has chosen.
#[derive(Debug, Default)]
pub struct Judgement {
    /// What stands against them.
    pub rules: Vec<Rule>,
    /// What of the base they need.
    pub relies_on: Vec<ReliedOn>,
}

/// Judges packages against a base and against each other; where it is not known what the base has,
/// against each other alone.
pub fn judge(packages: &[&Package], base: &Base) -> Result<Judgement> {
    let Some(installed) = &base.packages else {
        return Ok(Judgement {
            rules: judge_among(packages)?,
            relies_on: Vec::new(),
        });
    };
    let asked = asked_for(installed.iter().chain(packages.iter().copied()));
    let with_asked = |package| solvable_with(package, Some(&asked));
    let installed = installed.iter().map(with_asked).collect();
    let (pool, chosen) = beside(installed, packages, &asked)?;
    Ok(Judgement {
        rules: resolve::judge(&pool, &chosen),
        relies_on: relies_on(
            &pool,
            &chosen,
            of_chosen(&pool, &chosen, |solvable| &solvable.requires),
        ),
    })
}

/// Returns what packages say against each other, whatever the base has.
pub fn judge_among(packages: &[&Package]) -> Result<Vec<Rule>> {
    let asked = asked_for(packages.iter().copied());
    let (pool, chosen) = beside(Vec::new(), packages, &asked)?;
    Ok(resolve::judge_among(&pool, &chosen))
}

/// Returns the names that were asked for and that neither these packages nor those of the base are or
/// provide. Of a base that is installed from names it is not known what it has, so that nothing is
/// missing there.
pub fn missing<'a>(
    names: &'a [String],
    packages: &[&Package],
    base: &Base,
) -> Result<Vec<&'a String>> {
    if base.packages.is_none() && matches!(base.named, Named::Install(_)) {
        return Ok(Vec::new());
    }
    let installed = base.packages.as_deref().unwrap_or_default();
    let mut asked = asked_for(installed.iter().chain(packages.iter().copied()));
    asked.extend(names.iter().map(String::as_str));
    let installed = installed.iter();
    let installed = installed.map(|package| solvable_with(package, Some(&asked)));
    let (pool, _) = beside(installed.collect(), packages, &asked)?;
    let is_listed = |name: &String| match &base.named {
        Named::Listed(listed) => listed.iter().any(|one| one.nevra.name == *name),
        Named::None | Named::Install(_) => false,
    };
    let is_missing = |name: &&String| {
        let request = Request {
            install: vec![Wanted::Text((*name).clone())],
            ..Request::default()
        };
        let is_nobody = |rule: &Rule| matches!(rule, Rule::NothingProvides { by: None, .. });
        match resolve(&pool, &request) {
            Ok(_) => false,
            Err(problem) => problem.rules.iter().any(is_nobody) && !is_listed(name),
        }
    };
    Ok(names.iter().filter(is_missing).collect())
}

/// Returns a pool of what is installed and of packages that are all to be added.
fn beside(
    installed: Vec<Solvable>,
    packages: &[&Package],
    asked: &BTreeSet<&str>,
) -> Result<(Pool, Vec<Available>)> {
    let repository = repository(packages.iter().copied(), Some(asked))?;
    let pool = Pool::new(installed, vec![repository], Options::default());
    let added = (0..packages.len()).map(|index| Available {
        repository: 0,
        index,
    });
    Ok((pool, added.collect()))
}

/// Returns the packages of the base, which may have to be looked up.
fn of_base(
    base: &Base,
    repositories: &[Repository],
    options: &Options,
    assume: bool,
) -> Result<LookedUp> {
    match (&base.packages, &base.named) {
        (Some(packages), _) => {
            let installed: Vec<_> = packages.iter().map(solvable::solvable).collect();
            Ok(LookedUp {
                installed,
                ..LookedUp::default()
            })
        }
        (None, Named::Listed(list)) => Ok(look_up::listed(list, repositories, assume)),
        (None, Named::Install(names)) => look_up::installation(names, repositories, options),
        (None, Named::None) => Err(Failure::usage("--repo needs a base with known packages")
            .hint("give one with --base, or make one with --base-install NAME")),
    }
}

/// What is not known of a base.
#[derive(Debug, Default)]
struct Unknown {
    /// Its packages that were looked up in vain.
    packages: Vec<String>,
    /// Whether other builds of some of them are there.
    is_assumable: bool,
}

impl Unknown {
    fn of(looked_up: &LookedUp) -> Self {
        let pairs = looked_up.installed.iter().zip(&looked_up.found);
        let missing = pairs.filter(|(_, found)| found.is_none());
        Self {
            packages: missing
                .map(|(solvable, _)| solvable.nevra.to_string())
                .collect(),
            is_assumable: looked_up.is_assumable,
        }
    }

    /// Says that what the base provides is not wholly known; it has so many packages.
    fn finding(&self, all: usize) -> Option<Finding> {
        (!self.packages.is_empty()).then(|| {
            let text = format!(
                "no repository has {} of the base's {}, so what they provide is not known, and \
                 whether programs find their libraries is not checked: {}",
                self.packages.len(),
                counted(all, "package"),
                shortened(&self.packages)
            );
            Finding::new(&kinds::UNKNOWN_IN_BASE, text)
        })
    }
}

/// Says of which packages of the base it was assumed what they provide. All are named, since the
/// user is to judge them.
fn assumption(assumed: &[String], all: usize) -> Option<Finding> {
    (!assumed.is_empty()).then(|| {
        let text = format!(
            "what {} of the base's {} provide is assumed from other builds of them: {}",
            assumed.len(),
            counted(all, "package"),
            assumed.join(", ")
        );
        Finding::new(&kinds::ASSUMED_IN_BASE, text)
    })
}

/// What the packages of a base provide, by what repositories tell of them.
#[derive(Clone, Debug)]
pub struct Provided {
    /// The packages.
    pub packages: Vec<Solvable>,
    /// All that they provide.
    pub capabilities: Capabilities,
    /// Those of which that is assumed, each with the build that stands for it.
    pub assumed: Vec<String>,
}

/// Looks up what the packages of a list provide, where packages are taken as a lock names them. A
/// base that would have to be installed again for that may have become another one: it stays
/// unknown.
pub fn provided_by_list(
    base: &Base,
    repositories: &[Repository],
    assume: bool,
) -> (Option<Provided>, Option<Finding>) {
    let Named::Listed(list) = &base.named else {
        return (None, None);
    };
    let looked_up = look_up::listed(list, repositories, assume);
    let all = looked_up.installed.len();
    if let Some(finding) = Unknown::of(&looked_up).finding(all) {
        return (None, Some(finding));
    }
    let finding = assumption(&looked_up.assumed, all);
    let found = Provided {
        capabilities: provided(&looked_up.installed),
        packages: looked_up.installed,
        assumed: looked_up.assumed,
    };
    (Some(found), finding)
}

/// Returns what packages provide, by what repositories tell of them.
fn provided(packages: &[Solvable]) -> Capabilities {
    let provides = packages.iter().flat_map(|package| &package.provides);
    let files = packages.iter().flat_map(|package| &package.files);
    Capabilities::new(
        provides
            .filter_map(Dependency::simple)
            .map(|capability| capability.name.clone()),
        files.cloned(),
    )
    .with_files_in_part(resolve::is_listed)
}

/// Says that what stands in the way may be in the base, where packages of it are known by name alone
/// and the problem may be theirs: something is missing, or another build of one would be added.
fn cause_in_base(problem: &Problem, not_found: &[String]) -> Option<String> {
    let may_be_theirs = problem.rules.iter().any(|rule| match rule {
        Rule::NothingProvides { by, .. } => by.is_some(),
        Rule::SameName {
            other, base: true, ..
        } => not_found.contains(&other.to_string()),
        _ => false,
    });
    (may_be_theirs && !not_found.is_empty()).then(|| {
        format!(
            "no repository has these builds of the base's packages, so it is not known what they \
             provide: {}",
            shortened(not_found)
        )
    })
}

/// Says which package was taken in the place of one that was asked for.
fn replaced(pool: &Pool, request: &Request, resolution: &Resolution) -> Vec<Finding> {
    let said = resolution.replaced.iter().filter_map(|replaced| {
        let asked = request.install.get(replaced.request)?;
        let by = &pool.get(replaced.by)?.nevra;
        let text = format!("{by} obsoletes {asked}, which was asked for, and takes its place");
        Some(Finding::new(&kinds::REPLACED, text))
    });
    said.collect()
}

/// Returns the first of some names, and how many others there are.
fn shortened(names: &[String]) -> String {
    let mut shown: Vec<_> = names.iter().take(SHOWN).cloned().collect();
    if names.len() > SHOWN {
        shown.push(format!("{} more", names.len() - SHOWN));
    }
    shown.join(", ")
}

/// Returns a reason as it is recorded: with names in place of numbers.
fn reason(pool: &Pool, reason: &resolve::Reason) -> Reason {
    let name = |package: resolve::Package| {
        let solvable = pool.get(package);
        solvable
            .map(|solvable| solvable.nevra.to_string())
            .unwrap_or_default()
    };
    match reason {
        resolve::Reason::Requested(_) => Reason::Requested,
        resolve::Reason::Requires { by, dependency } => Reason::Requires {
            capability: dependency.clone(),
            by: name(*by),
        },
        resolve::Reason::Recommends { by, dependency } => Reason::Recommends {
            capability: dependency.clone(),
            by: name(*by),
        },
        resolve::Reason::Supplements { dependency } => Reason::Supplements {
            capability: dependency.clone(),
        },
    }
}

/// Returns the packages of the base that satisfy what the chosen ones need and don't provide
/// among themselves.
fn relies_on(pool: &Pool, chosen: &[Available], needs: BTreeSet<&Dependency>) -> Vec<ReliedOn> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for need in needs {
        let providers = pool.providers(need);
        let is_chosen = |package: &resolve::Package| match package {
            resolve::Package::Available(package) => chosen.contains(package),
            resolve::Package::Base(_) => false,
        };
        if providers.iter().any(is_chosen) {
            continue;
        }
        if let Some(package @ resolve::Package::Base(_)) = providers.first()
            && let Some(solvable) = pool.get(*package)
        {
            let nevra = solvable.nevra.to_string();
            found.entry(nevra).or_default().insert(need.to_string());
        }
    }
    let relied_on = found.into_iter().map(|(nevra, provides)| ReliedOn {
        nevra,
        provides: provides.into_iter().collect(),
    });
    relied_on.collect()
}

/// Returns for each package the NEVRAs of those that have what it requires: of these packages, else of
/// those of the base.
pub fn depend_on(packages: &[&Package], base: &[ReliedOn]) -> Result<Vec<BTreeSet<String>>> {
    let asked = asked_for(packages.iter().copied());
    let (pool, chosen) = beside(Vec::new(), packages, &asked)?;
    let mut of_base: BTreeMap<&str, &str> = BTreeMap::new();
    for relied in base {
        let provides = relied.provides.iter();
        of_base.extend(provides.map(|need| (need.as_str(), relied.nevra.as_str())));
    }
    let solvable = |package| pool.get(package);
    let of = |package: &Available| {
        let own = resolve::Package::Available(*package);
        let mut found = BTreeSet::new();
        for need in solvable(own).iter().flat_map(|one| &one.requires) {
            let providers = pool.providers(need);
            if providers.is_empty() {
                found.extend(
                    of_base
                        .get(need.to_string().as_str())
                        .map(|one| (*one).to_owned()),
                );
            }
            // What a package has itself it does not want of others.
            if !providers.contains(&own) {
                let nevras = providers.iter().filter_map(|one| solvable(*one));
                found.extend(nevras.map(|one| one.nevra.to_string()));
            }
        }
        found
    };
    Ok(chosen.iter().map(of).collect())
}

/// Returns what the chosen packages recommend that neither they nor the base have.
fn not_added(pool: &Pool, chosen: &[Available]) -> Vec<String> {
    let is_there = |package: &resolve::Package| match package {
        resolve::Package::Available(package) => chosen.contains(package),
        resolve::Package::Base(_) => true,
    };
    of_chosen(pool, chosen, |solvable| &solvable.recommends)
        .into_iter()
        .filter(|wish| {
            let providers = pool.providers(wish);
            !providers.is_empty() && !providers.iter().any(is_there)
        })
        .map(ToString::to_string)
        .collect()
}

/// Returns the dependencies of one kind of all chosen packages, sorted.
fn of_chosen<'a>(
    pool: &'a Pool,
    chosen: &[Available],
    list: impl Fn(&'a Solvable) -> &'a Vec<Dependency>,
) -> BTreeSet<&'a Dependency> {
    (chosen.iter())
        .filter_map(|package| pool.get(resolve::Package::Available(*package)))
        .flat_map(list)
        .collect()
}

/// Says whether an input asks for a package of a repository, and not for a file. `input` is as it was
/// typed, `path` where it would be. As in dnf, a word without a slash is a name, whatever is in the
/// directory; a path from the root is what a package has; `./tool` and `rpms/` are files. Only a
/// directory with RPM files is what its name says.
pub fn is_request(input: &str, path: &Path) -> bool {
    if input.starts_with('(') {
        return true;
    }
    match (input.contains('/'), input.starts_with('/')) {
        _ if input.ends_with(".rpm") => false,
        (true, true) => !input.ends_with('/') && !path.is_dir(),
        (true, false) => input.contains('(') && !path.exists(),
        (false, _) => !path.is_dir() || rpm_files(path).is_err(),
    }
}

/// Says whether an input is written as a package's name is.
pub fn may_be_name(input: &Path) -> bool {
    !input.as_os_str().as_encoded_bytes().contains(&b'/')
        && input.extension().is_none_or(|extension| extension != "rpm")
}

#[cfg(test)]
mod tests;
