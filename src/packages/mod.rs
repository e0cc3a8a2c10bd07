//! Which packages an image is made of: those that were named, and what these require; from where
//! they come, by whom they are signed, and why each is there.
//!
//! ```text
//!                         no repositories ─▶ as named      the base judges them
//! files, names ─▶ select  a lock          ─▶ as locked     taken again, or refused     ─▶ Selection
//!                         repositories    ─▶ as chosen     the solver adds what is required
//! ```

mod against_base;
pub mod by_digest;
pub mod choose;
mod chosen;
pub mod lock;
mod look_up;
mod modules;
mod offer;
#[allow(
    clippy::disallowed_methods,
    reason = "the cache still opens its own files"
)]
pub mod repository;
mod rest;
mod settings;
mod start;
mod streams;
pub mod trust;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use linkage::Capabilities;
use rpm_input::Package;

pub use chosen::{Chosen, Origin};
use manifest::{Reason, ReliedOn};
pub use rest::Rest;
pub use settings::{Settings, main_first};

use crate::base::{Base, Named};
use crate::findings::{Finding, kinds};
use crate::packages::choose::{Provided, Question, choose, judge};
use crate::packages::lock::{Lock, Locking};
use crate::packages::offer::Offer;
use crate::packages::repository::Opened;
use crate::packages::trust::Trust;
use crate::report::Report;
use crate::timings::Stage;
use crate::words::failure::{Result, package_failure};

/// The packages of an image, and how they were chosen.
#[derive(Default)]
pub struct Selection {
    /// The packages, in the order of the image.
    pub chosen: Vec<Chosen>,
    /// What of the base they need.
    pub relies_on: Vec<ReliedOn>,
    /// What the base provides, if that was looked up and is known of all its packages.
    pub provided: Option<Capabilities>,
    /// Packages of the base of which it was assumed what they provide.
    pub assumed: Vec<String>,
    /// Whether all that they require was looked up in the base.
    pub looked_up: bool,
    /// What is to be written so that the same can be chosen again.
    pub lock: Option<Lock>,
    /// What is to be said of them.
    pub findings: Vec<Finding>,
    /// What of the packages was not needed so far.
    rest: Option<Rest>,
}

impl Selection {
    /// Returns what the packages' headers say.
    pub fn packages(&self) -> Vec<&Package> {
        packages(&self.chosen)
    }

    /// Fetches what was not needed for a plan, of the packages that are `needed` by their numbers, and
    /// checks that they are those that were planned.
    pub fn complete(
        &mut self,
        needed: &dyn Fn(usize) -> bool,
        settings: &Settings,
        report: &Report,
    ) -> Result<()> {
        match &self.rest {
            Some(rest) => rest.fetch(&mut self.chosen, needed, settings, report),
            None => Ok(()),
        }
    }

    /// Returns the packages, and what fetches those that turn out to be needed after all.
    pub fn split(&mut self) -> (&mut [Chosen], Option<&Rest>) {
        (&mut self.chosen, self.rest.as_ref())
    }

    /// Says whether repositories list other files for packages than those with these SHA-256, as far as
    /// headers alone were read of them.
    pub fn lists_others(&self, files: &BTreeSet<String>) -> bool {
        let listed = self.rest.iter().flat_map(Rest::listed);
        listed
            .into_iter()
            .any(|file| file.is_none_or(|sha256| !files.contains(&sha256)))
    }

    /// Writes the lock that was asked for, so that the same can be chosen again.
    pub fn keep_lock(&self, settings: &Settings, report: &Report) -> Result<()> {
        if let (Locking::Write(path), Some(lock), false) =
            (&settings.locking, &self.lock, settings.dry_run)
        {
            lock.write(path)?;
            report.stage("lock", &path.display().to_string());
        }
        Ok(())
    }
}

/// Returns the packages of the image: those that were named, and with repositories what they
/// require. What was asked for and is in the base comes back as findings. Repositories that were
/// `opened` before are not read again.
pub fn select(
    settings: &Settings,
    base: &Base,
    opened: &Opened,
    report: &Report,
) -> Result<Selection> {
    let mut named: Vec<_> = (settings.files.iter())
        .map(|path| {
            let package = repository::read_header(path).map_err(package_failure)?;
            Ok((path.clone(), package))
        })
        .collect::<Result<_>>()?;
    if !settings.in_order {
        main_first(
            &mut named,
            |(_, package): &(PathBuf, Package)| settings.main.as_ref() == Some(&package.nevra.name),
            |(_, package)| (package.nevra.clone(), package.fingerprint()),
        );
    }
    for name in &settings.not_files {
        let text = format!("{name} is looked for in the repositories; for the file type ./{name}");
        report.stage("note", &text);
    }
    let trust = Trust::open(&settings.trust)?;
    let mut findings = trust::unreadable_keys(&trust.given);
    let selection = if settings.repositories.is_empty() {
        as_named(named, &trust, base)?
    } else {
        let offer = Offer::open(settings, base, named, trust, opened, report)?;
        match &settings.locking {
            Locking::Follow(lock) => as_locked(lock, settings, base, offer)?,
            Locking::None | Locking::Write(_) => as_chosen(settings, base, &offer, report)?,
        }
    };
    findings.extend(selection.findings);
    Ok(Selection {
        findings,
        ..selection
    })
}

/// Looks up what the packages of a base provide of which nothing but the names is known. What is not
/// known of it comes back as findings.
pub fn provided(
    base: &Base,
    settings: &Settings,
    report: &Report,
) -> Result<(Option<Provided>, Vec<Finding>)> {
    if settings.repositories.is_empty() || !matches!(base.named, Named::Listed(_)) {
        return Ok((None, Vec::new()));
    }
    let trust = Trust::open(&settings.trust)?;
    let opened = Opened::default();
    let offer = Offer::open(settings, base, Vec::new(), trust, &opened, report)?;
    let assume = settings.assume_next_build;
    let (provided, unknown) = choose::provided_by_list(base, &offer.for_solver()?, assume);
    Ok((provided, unknown.into_iter().collect()))
}

/// Takes the packages that were named, and no other; says what stands against them.
fn as_named(named: Vec<(PathBuf, Package)>, trust: &Trust, base: &Base) -> Result<Selection> {
    let mut findings = Vec::new();
    for (file, package) in &named {
        findings.extend(trust.check_named(package, file)?);
    }
    let chosen = named.into_iter().map(|(file, package)| Chosen {
        file,
        package,
        reason: Reason::Requested,
        origin: Origin::default(),
        sha256: None,
        is_here: true,
    });
    let chosen: Vec<_> = chosen.collect();
    let packages = packages(&chosen);
    let judgement = judge(&packages, base)?;
    findings.extend(against_base::against_base(
        &packages,
        base,
        &judgement.rules,
    ));
    Ok(Selection {
        relies_on: judgement.relies_on,
        looked_up: base.packages.is_some(),
        findings,
        chosen,
        ..Selection::default()
    })
}

/// Takes the packages that a lock names, if it still fits.
fn as_locked(
    lock: &Path,
    settings: &Settings,
    base: &Base,
    mut offer: Offer<'_>,
) -> Result<Selection> {
    let assume = settings.assume_next_build;
    let (provided, unknown) = choose::provided_by_list(base, &offer.for_solver()?, assume);
    let locked = offer.follow(lock, settings, base)?;
    let excluded = (locked.packages.iter()).filter_map(|(package, _)| offer.excluded(*package));
    let excluded: Vec<_> = excluded.map(|name| format!("{name} is excluded")).collect();
    if !excluded.is_empty() {
        return Err(Lock::outdated(lock, excluded));
    }
    let (provided, assumed) = provided
        .map(|provided| (provided.capabilities, provided.assumed))
        .unzip();
    let taken = offer.take(&locked.packages, settings.extent(), settings.dry_run)?;
    let (chosen, mut findings) = (taken.chosen, taken.findings);
    findings.extend(unknown);
    // The lock says what each package must be, so that it does not matter who wrote the list.
    findings.retain(|finding| finding.kind != &kinds::FOREIGN_CACHE);
    // A lock is a file that anyone may have edited: what its packages need is judged as if they had
    // been named, and what was asked for must be among them.
    let missing = choose::missing(&settings.names, &packages(&chosen), base)?;
    if !missing.is_empty() {
        let say = |name| format!("{name} was asked for, and no package in it is or provides that");
        return Err(Lock::outdated(lock, missing.into_iter().map(say).collect()));
    }
    let judgement = judge(&packages(&chosen), base)?;
    findings.extend(against_base::broken(&judgement.rules, &packages(&chosen)));
    Ok(Selection {
        chosen,
        relies_on: locked.relies_on,
        provided,
        assumed: assumed.unwrap_or_default(),
        looked_up: true,
        findings,
        rest: taken.rest,
        ..Selection::default()
    })
}

/// Takes the packages that were asked for and what the solver adds to them from repositories.
fn as_chosen(
    settings: &Settings,
    base: &Base,
    offer: &Offer<'_>,
    report: &Report,
) -> Result<Selection> {
    let question = Question {
        base,
        wanted: offer.named(),
        headers: offer.headers(),
        repositories: offer.for_solver()?,
        owners: &|paths| offer.owners(paths),
        names: &settings.names,
        recommends: settings.recommends,
        assume_next_build: settings.assume_next_build,
        architecture: settings.architecture_for(base)?,
    };
    let choice = report.timed(Stage::Resolve, || choose(question))?;
    let taken = offer.take(&choice.chosen, settings.extent(), settings.dry_run)?;
    let (chosen, mut findings) = (taken.chosen, taken.findings);
    if !choice.not_added.is_empty() {
        let wishes = choice.not_added.join(", ");
        report.stage(
            "resolve",
            &format!("recommended, but not added without --recommends: {wishes}"),
        );
    }
    let relies_on = choice.relies_on(&packages(&chosen));
    let lock = match settings.locking {
        Locking::Write(_) => {
            let locked = lock::packages(&chosen)?;
            let request = offer.request(settings, base)?;
            Some(Lock::new(
                request,
                base,
                offer.seen(),
                locked,
                relies_on.clone(),
            )?)
        }
        Locking::None | Locking::Follow(_) => None,
    };
    findings.extend(choice.findings);
    Ok(Selection {
        chosen,
        relies_on,
        provided: choice.provided,
        assumed: choice.assumed,
        looked_up: true,
        lock,
        findings,
        rest: taken.rest,
    })
}

fn packages(chosen: &[Chosen]) -> Vec<&Package> {
    chosen.iter().map(|one| &one.package).collect()
}

#[cfg(test)]
mod tests;
