//! Which packages an image is made of: those that were named, and what these require; from where
//! they come, by whom they are signed, and why each is there.

mod against_base;
pub mod choose;
pub mod lock;
mod look_up;
pub mod offers;
pub mod reason;
pub mod repository;
pub mod trust;

use std::path::PathBuf;

use architecture::Architecture;
use linkage::Capabilities;
use resolve::Available;
use rpm_input::Package;

use crate::base::Base;
use crate::findings::Finding;
use crate::inputs::Inputs;
use crate::packages::choose::{Choice, Question, choose, judge};
use crate::packages::lock::{Lock, Locking};
use crate::packages::reason::{Explained, Reason, ReliedOn};
use crate::packages::repository::{Downloads, Repository, Variables};
use crate::packages::trust::Trust;
use crate::report::Report;
use crate::words::failure::{Failure, Result, package_failure};

/// The packages of an image, and how they were chosen.
pub struct Selection {
    /// What their headers say, in the order of the image.
    pub packages: Vec<Package>,
    /// The file of each package.
    pub files: Vec<PathBuf>,
    /// Why each package is there.
    pub explained: Vec<Explained>,
    /// What of the base they need.
    pub relies_on: Vec<ReliedOn>,
    /// What the base provides, if that was looked up and is known of all its packages.
    pub provided: Option<Capabilities>,
    /// What is to be written so that the same can be chosen again.
    pub lock: Option<Lock>,
    /// What is to be said of them.
    pub findings: Vec<Finding>,
}

/// Returns the packages of the image: those that were named, and with `--repo` what they require.
/// What was asked for and is in the base comes back as findings.
pub fn select(inputs: &Inputs, base: &Base, report: &Report) -> Result<Selection> {
    let named =
        (inputs.packages.iter()).map(|path| repository::read_header(path).map_err(package_failure));
    let named: Vec<Package> = named.collect::<Result<_>>()?;
    let trust = Trust::open(&inputs.trust)?;
    let mut findings = trust::unreadable_keys(&trust.given);
    if inputs.repositories.is_empty() {
        for (package, file) in named.iter().zip(&inputs.packages) {
            findings.extend(trust.check_named(package, file)?);
        }
        let reasons = vec![Reason::Requested; named.len()];
        let found = inputs.packages.iter().cloned().zip(named);
        let mut selection = Selection::new(found, reasons);
        let judgement = judge(&selection.packages, base)?;
        selection.relies_on = judgement.relies_on;
        let against = against_base::against_base(&selection.packages, base, &judgement.rules);
        findings.extend(against);
        selection.findings = findings;
        return Ok(selection);
    }
    let architecture = (inputs.naming.architecture)
        .or_else(Architecture::of_this_machine)
        .ok_or_else(|| Failure::usage("name the base's architecture with --arch ARCH"))?;
    let variables = Variables {
        release: base.os_release.get("VERSION_ID").map(str::to_owned),
        architecture: architecture.rpm().to_owned(),
    };
    let downloads = Downloads::new(&inputs.downloads);
    let mut offered =
        repository::open(&inputs.repositories, &variables, &trust, &downloads, report)?;
    findings.extend(offered.iter().flat_map(|one| one.findings.clone()));
    // The packages that were named are a repository of their own, the first and the best.
    let mut repositories = vec![choose::repository(named.iter())?];
    repositories.extend(offered.iter().map(Repository::for_solver));
    let wanted = (0..named.len()).map(|index| Available {
        repository: 0,
        index,
    });
    let request = lock::Request {
        names: inputs.names.clone(),
        files: named
            .iter()
            .map(|package| package.nevra.to_string())
            .collect(),
        recommends: inputs.recommends,
        architecture: architecture.name().to_owned(),
    };
    let located = || {
        let files = inputs.packages.iter();
        files
            .map(|path| repository::located(path))
            .collect::<Result<Vec<_>>>()
    };
    let mut choice = match &inputs.locking {
        Locking::Follow(path) => {
            let (provided, unknown) = choose::provided_by_list(base, &repositories);
            Choice {
                provided,
                findings: unknown.into_iter().collect(),
                ..lock::follow(path, &request, base, &located()?, &mut offered, &downloads)?
            }
        }
        Locking::None | Locking::Write(_) => choose(Question {
            base,
            wanted: wanted.collect(),
            repositories,
            owners: &|paths| {
                let listed = offered.iter().map(|one| one.owners(paths, &downloads));
                std::iter::once(Ok(Vec::new())).chain(listed).collect()
            },
            names: &inputs.names,
            recommends: inputs.recommends,
            architecture,
        })?,
    };
    let fully = !inputs.dry_run;
    let is_listed = |package: &Available| package.repository > 0;
    let listed: Vec<_> = (choice.chosen.iter())
        .filter(|(package, _)| is_listed(package))
        .map(|(package, _)| Available {
            repository: package.repository.saturating_sub(1),
            ..*package
        })
        .collect();
    let retrieved = repository::retrieve(&offered, &listed, fully, &downloads, report)?;
    let mut retrieved = retrieved.into_iter();
    let mut found = Vec::new();
    let mut reasons = Vec::new();
    for (package, reason) in choice.chosen.clone() {
        let chosen_from = package.repository.checked_sub(1);
        let of_name = || {
            let file = inputs.packages.get(package.index)?;
            Some((file.clone(), named.get(package.index)?.clone()))
        };
        let one = match is_listed(&package) {
            true => retrieved.next(),
            false => of_name(),
        };
        let Some((file, package)) = one else {
            continue;
        };
        let repository = chosen_from.and_then(|index| offered.get(index));
        findings.extend(match repository.map(|one| &one.keyring) {
            None => trust.check_named(&package, &file)?,
            Some(None) => None,
            Some(Some(keyring)) => trust::check(&package, &file, keyring, trust.now)?,
        });
        if let Some(words) = reason.words() {
            report.stage("resolve", &format!("{}  ({words})", package.nevra));
        }
        found.push((file, package));
        reasons.push(reason);
    }
    if !choice.not_added.is_empty() {
        let wishes = choice.not_added.join(", ");
        report.stage(
            "resolve",
            &format!("recommended, and not added without --recommends: {wishes}"),
        );
    }
    let selection = Selection::new(found, reasons);
    choice.complete(&selection.packages);
    let lock = match &inputs.locking {
        Locking::Write(_) => {
            let files: Vec<_> = named.iter().zip(located()?).collect();
            let packages = lock::packages(&choice, &files, &offered)?;
            Some(Lock::new(
                request,
                base,
                packages,
                choice.relies_on.clone(),
            )?)
        }
        Locking::None | Locking::Follow(_) => None,
    };
    Ok(Selection {
        lock,
        relies_on: choice.relies_on,
        provided: choice.provided,
        findings: [findings, choice.findings].concat(),
        ..selection
    })
}

impl Selection {
    /// Takes packages, each with its file, and the reasons for them.
    fn new(
        found: impl IntoIterator<Item = (PathBuf, Package)>,
        reasons: impl IntoIterator<Item = Reason>,
    ) -> Self {
        let (files, packages): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let explained = (packages.iter().zip(reasons))
            .map(|(package, reason)| Explained {
                nevra: package.nevra.to_string(),
                reason,
                provides: package.provides.iter().map(ToString::to_string).collect(),
            })
            .collect();
        Self {
            packages,
            files,
            explained,
            relies_on: Vec::new(),
            provided: None,
            lock: None,
            findings: Vec::new(),
        }
    }
}
