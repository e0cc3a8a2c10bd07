//! What is left of packages that a plan was made of: everything but their headers. Whatever of it
//! enters an image is checked against the metadata first.

use std::path::PathBuf;

use anyhow::anyhow;
use resolve::Available;
use rpm_input::Package;

use crate::packages::chosen::Chosen;
use crate::packages::repository::{self, Downloads, Extent, Repository};
use crate::packages::settings::Settings;
use crate::report::Report;
use crate::timings::Stage;
use crate::words::failure::{Failure, Result};

/// Packages of repositories of which the headers alone were read.
pub struct Rest {
    /// The repositories.
    pub repositories: Vec<Repository>,
    /// The packages, by their place among those that were chosen, and where they are.
    pub packages: Vec<(usize, Available)>,
}

impl Rest {
    /// Returns the SHA-256 of each file that metadata list; nothing where they have another checksum.
    pub fn listed(&self) -> Vec<Option<String>> {
        let listed = self.packages.iter().filter_map(|(_, one)| {
            let repository = self.repositories.get(one.repository)?;
            repository.checksum(one.index).map(|_| self.sha256(*one))
        });
        listed.map(|sha256| sha256.map(hex::encode)).collect()
    }

    fn sha256(&self, one: Available) -> Option<[u8; 32]> {
        self.repositories.get(one.repository)?.sha256(one.index)
    }

    /// Fetches the packages whole that are `needed` by their numbers and not here yet, and checks that
    /// they are those that the plan was made of.
    pub fn fetch(
        &self,
        chosen: &mut [Chosen],
        needed: &dyn Fn(usize) -> bool,
        settings: &Settings,
        report: &Report,
    ) -> Result<()> {
        let is_wanted = |number: usize| needed(number) && !chosen[number].is_here;
        let (numbers, available): (Vec<_>, Vec<_>) = (self.packages.iter())
            .filter(|(number, _)| is_wanted(*number))
            .copied()
            .unzip();
        let whole = self.whole(&available, settings, report)?;
        for (number, (file, package)) in numbers.into_iter().zip(whole) {
            let one = &mut chosen[number];
            is_planned(&one.package, &package)?;
            (one.file, one.package, one.is_here) = (file, package, true);
        }
        Ok(())
    }

    /// Fetches one package that was planned, by its number, and returns where its file is.
    pub fn fetch_one(
        &self,
        (number, planned): (usize, &Package),
        settings: &Settings,
        report: &Report,
    ) -> Result<PathBuf> {
        let one = self.packages.iter().find(|(other, _)| *other == number);
        let available = one.map(|(_, available)| *available);
        let whole = self.whole(available.as_slice(), settings, report)?;
        let Some((file, package)) = whole.into_iter().next() else {
            let lost = anyhow!("{}: no repository is known to have it", planned.nevra);
            return Err(Failure::refused(lost));
        };
        is_planned(planned, &package)?;
        Ok(file)
    }

    fn whole(
        &self,
        available: &[Available],
        settings: &Settings,
        report: &Report,
    ) -> Result<Vec<(PathBuf, Package)>> {
        let downloads = Downloads::new(&settings.downloads)?;
        let repositories = &self.repositories;
        let retrieved = report.timed(Stage::Packages, || {
            // Signatures are of headers, which the plan has looked at.
            let extent = Extent::Whole;
            repository::retrieve(repositories, available, extent, None, &downloads, report)
        })?;
        let whole = retrieved.into_iter();
        Ok(whole
            .map(|one| (one.start.path().to_owned(), one.package))
            .collect())
    }
}

/// Fails for a package with another header than the plan was made of.
fn is_planned(planned: &Package, found: &Package) -> Result<()> {
    if planned.fingerprint() == found.fingerprint() {
        return Ok(());
    }
    let text = "the plan was made from another header than its file has";
    Err(Failure::refused(anyhow!("{}: {text}", planned.nevra)).hint(
        "run it again: the next plan is made from what has now been fetched. If the same happens \
             with an empty cache, do not trust the server",
    ))
}
