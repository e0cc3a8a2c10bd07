//! Chooses the packages of an image: what was asked for, and what that requires and the base lacks.
//!
//! Offers come from directories of RPM files. The base's packages are fixed: what they provide
//! satisfies a requirement first, and none of them is ever replaced.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use resolve::{
    Available, Capability, Catalog, Comparison, Dependency, Evr, Nevra, Options, Pool, Repository,
    Request, Resolution, Solvable, Wanted, resolve,
};
use rpm_input::Package;

use crate::base::{Base, Named};
use crate::check::Finding;
use crate::failure::{Failure, Result};
use crate::reason::{Reason, ReliedOn};

/// A package with the file that it is read from.
pub struct Offer {
    /// The RPM file.
    pub file: PathBuf,
    /// What its header says.
    pub package: Package,
}

/// What was chosen.
pub struct Choice {
    /// What was asked for, then what that requires.
    pub offers: Vec<Offer>,
    /// Why each was chosen, parallel to `offers`.
    pub reasons: Vec<Reason>,
    /// What of the base they need.
    pub relies_on: Vec<ReliedOn>,
    /// What was asked for and is in the base.
    pub findings: Vec<Finding>,
}

/// Chooses from `named`, all of which are wanted, and `offered` what `names` and these require.
pub fn choose(
    named: Vec<Offer>,
    names: &[String],
    offered: Vec<Offer>,
    base: &Base,
    recommends: bool,
    architecture: &str,
) -> Result<Choice> {
    let installed = base.packages.as_ref().ok_or_else(|| {
        let text = match base.named {
            Named::None => "--repo needs a base whose packages are known",
            _ => "--repo needs a base of which more is known than names",
        };
        Failure::usage(text).hint("name its root directory with --base ROOT")
    })?;
    let base_solvables: Result<Vec<_>> = installed.iter().map(solvable).collect();
    let offered_here = |index| Available {
        repository: 0,
        index,
    };
    let wanted = (0..named.len()).map(|index| Wanted::Available(offered_here(index)));
    let install = wanted
        .chain(names.iter().cloned().map(Wanted::Text))
        .collect();
    let mut offers: Vec<Option<Offer>> = named.into_iter().chain(offered).map(Some).collect();
    let available: Result<Vec<_>> = offers
        .iter()
        .flatten()
        .map(|offer| solvable(&offer.package))
        .collect();
    let repository = Repository {
        catalog: Catalog::of(&available?).map_err(|error| Failure::refused(anyhow!(error)))?,
        priority: 0,
        files: Vec::new(),
    };
    let options = Options {
        architecture: architecture.to_owned(),
        multilib: true,
    };
    let pool = Pool::new(base_solvables?, vec![repository], options);
    let request = Request {
        install,
        recommends,
        ..Request::default()
    };
    let resolution = resolve(&pool, &request).map_err(|problem| {
        Failure::refused(anyhow!("{problem}"))
            .hint("another --repo may have what is missing, or another base")
    })?;
    let mut choice = Choice {
        offers: Vec::new(),
        reasons: Vec::new(),
        relies_on: relies_on(&pool, &resolution),
        findings: Vec::new(),
    };
    for chosen in &resolution.chosen {
        let Some(offer) = offers.get_mut(chosen.package.index).and_then(Option::take) else {
            continue;
        };
        choice.reasons.push(reason(&pool, &chosen.reason));
        choice.offers.push(offer);
    }
    for already in &resolution.already {
        let asked = request
            .install
            .get(already.request)
            .map(ToString::to_string);
        let has = already.base.and_then(|index| installed.get(index));
        let what = has
            .map(|package| package.nevra.to_string())
            .or(asked)
            .unwrap_or_default();
        let text = format!("{what} is already in the base");
        choice.findings.push(Finding::new("in-base", text));
    }
    if choice.offers.is_empty() {
        let lines: Vec<_> = choice
            .findings
            .iter()
            .map(|finding| finding.text.as_str())
            .collect();
        return Err(Failure::refused(anyhow!(
            "nothing is left to add: {}",
            lines.join(", ")
        )));
    }
    Ok(choice)
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

/// Returns the packages of the base that satisfy what the chosen ones require and don't provide
/// among themselves.
fn relies_on(pool: &Pool, resolution: &Resolution) -> Vec<ReliedOn> {
    let chosen: BTreeSet<resolve::Package> = (resolution.chosen.iter())
        .map(|chosen| resolve::Package::Available(chosen.package))
        .collect();
    let needs: BTreeSet<&Dependency> = (chosen.iter())
        .filter_map(|package| pool.get(*package))
        .flat_map(|solvable| &solvable.requires)
        .collect();
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for need in needs {
        let providers = pool.providers(need);
        let first = providers.first().copied();
        if providers.iter().any(|provider| chosen.contains(provider)) {
            continue;
        }
        if let Some(package @ resolve::Package::Base(_)) = first
            && let Some(solvable) = pool.get(package)
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

/// Reads a package as the solver sees it.
fn solvable(package: &Package) -> Result<Solvable> {
    let all = |dependencies: &[rpm_input::Dependency]| -> Result<Vec<Dependency>> {
        dependencies
            .iter()
            .map(|one| dependency(one, &package.nevra.to_string()))
            .collect()
    };
    Ok(Solvable {
        nevra: Nevra {
            name: package.nevra.name.clone(),
            evr: Evr::parse(&package.nevra.evr()),
            arch: package.nevra.arch.clone(),
        },
        provides: all(&package.provides)?,
        requires: all(&package.requires)?,
        conflicts: all(&package.conflicts)?,
        obsoletes: all(&package.obsoletes)?,
        recommends: all(&package.recommends)?,
        suggests: all(&package.suggests)?,
        supplements: all(&package.supplements)?,
        enhances: all(&package.enhances)?,
        files: package.files.iter().map(|file| file.path.clone()).collect(),
    })
}

fn dependency(one: &rpm_input::Dependency, nevra: &str) -> Result<Dependency> {
    if one.is_rich() {
        return Dependency::parse(&one.name)
            .map_err(|error| Failure::refused(anyhow!("{nevra}: dependency {one}: {error}")));
    }
    let comparison = Comparison::parse(one.sense.comparison());
    Ok(Dependency::Simple(Capability {
        name: one.name.clone(),
        range: comparison.map(|comparison| (comparison, Evr::parse(&one.evr))),
    }))
}

/// Says whether an input of the command line names a package and not a file.
pub fn is_name(input: &Path) -> bool {
    !input.exists()
        && !input.as_os_str().as_encoded_bytes().contains(&b'/')
        && input.extension().is_none_or(|extension| extension != "rpm")
}
