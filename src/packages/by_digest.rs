//! Packages that are looked for by their NEVRA and the SHA-256 of their file, for an image that is built
//! again: in files, then in repositories.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use resolve::Available;

use crate::base::Base;
use crate::packages::lock;
use crate::packages::offer::Offer;
use crate::packages::repository::{self, Extent, Opened};
use crate::packages::settings::Settings;
use crate::packages::trust::Trust;
use crate::report::Report;
use crate::words::failure::{Failure, Result};

/// A package that is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its identity.
    pub nevra: String,
    /// SHA-256 of its file, in hexadecimal digits.
    pub sha256: String,
    /// The name that its file had.
    pub file: String,
}

/// What was found of the packages that are looked for, each by its place among them.
#[derive(Debug, Default)]
pub struct Found {
    /// The file of each that is there.
    pub files: BTreeMap<usize, PathBuf>,
    /// What there is instead of the others: in words, where a file has other bytes.
    pub others: BTreeMap<usize, String>,
}

impl Found {
    /// Takes a file that may be one of those that are looked for.
    fn take(&mut self, number: usize, wanted: &Wanted, path: &Path) -> Result<()> {
        if self.files.contains_key(&number) {
            return Ok(());
        }
        let located = repository::located(path)?;
        if located.checksum == format!("sha256:{}", wanted.sha256) {
            self.files.insert(number, path.to_owned());
            self.others.remove(&number);
        } else {
            let text = format!("{} has {}", path.display(), located.checksum);
            self.others.entry(number).or_insert(text);
        }
        Ok(())
    }

    /// Says what is wrong with each package that was not found.
    pub fn problems(&self, wanted: &[Wanted]) -> Vec<String> {
        let missing = wanted.iter().enumerate();
        let missing = missing.filter(|(number, _)| !self.files.contains_key(number));
        missing
            .map(|(number, one)| match self.others.get(&number) {
                Some(other) => format!(
                    "{}: its bytes differ: the image has one with sha256:{}, {other}",
                    one.nevra, one.sha256
                ),
                None => format!("{} is not there (sha256:{})", one.nevra, one.sha256),
            })
            .collect()
    }
}

/// Looks for packages among RPM files: by what their headers say and by their names, then by digest.
pub fn in_files(wanted: &[Wanted], files: &[PathBuf]) -> Result<Found> {
    let mut found = Found::default();
    for path in files {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // A file that can't be read may be one that was changed.
        let nevra = repository::read_header(path).map(|package| package.nevra.to_string());
        for (number, one) in wanted.iter().enumerate() {
            if one.file == name || nevra.as_ref().is_ok_and(|nevra| *nevra == one.nevra) {
                found.take(number, one, path)?;
            }
        }
    }
    Ok(found)
}

/// Looks in repositories for the packages that were not found yet, and fetches them.
pub fn in_repositories(
    wanted: &[Wanted],
    found: &mut Found,
    (settings, base): (&Settings, &Base),
    report: &Report,
) -> Result<()> {
    let is_complete = found.files.len() == wanted.len();
    if settings.repositories.is_empty() || is_complete {
        return Ok(());
    }
    let trust = Trust::open(&settings.trust)?;
    let opened = Opened::default();
    let offer = Offer::open(settings, base, Vec::new(), trust, &opened, report)?;
    let (repositories, downloads) = (offer.repositories(), offer.downloads());
    for (number, one) in wanted.iter().enumerate() {
        for (place, repository) in repositories.iter().enumerate() {
            for index in lock::named(repository, &one.nevra) {
                if found.files.contains_key(&number) {
                    continue;
                }
                let listed = repository.sha256(index).map(hex::encode);
                if let Some(listed) = listed.filter(|listed| *listed != one.sha256) {
                    let text = format!("{} lists one with sha256:{listed}", repository.name);
                    found.others.entry(number).or_insert(text);
                    continue;
                }
                let available = Available {
                    repository: place,
                    index,
                };
                let fetched = repository::retrieve(
                    repositories,
                    &[available],
                    Extent::Whole,
                    None,
                    downloads,
                    report,
                );
                let fetched = fetched.map_err(|failure| failure.at(&one.nevra))?;
                let Some(file) = fetched.first().map(|one| one.start.path()) else {
                    let lost = anyhow!("{}: the repository does not have it", one.nevra);
                    return Err(Failure::refused(lost));
                };
                found.take(number, one, file)?;
            }
        }
    }
    Ok(())
}
