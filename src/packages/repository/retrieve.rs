//! The files of the packages that were chosen, and their headers.

use std::cell::Cell;
use std::path::Path;

use anyhow::anyhow;
use resolve::{Available, Nevra};
use rpm_input::Package;

use crate::findings::Finding;
use crate::packages::repository::download::Downloads;
use crate::packages::repository::listing::{self, PackageFile};
use crate::packages::repository::{CONNECTIONS, Holding, Repository, headers};
use crate::packages::start::Start;
use crate::packages::trust::Trust;
use crate::parallel;
use crate::report::Report;
use crate::timings::Stage;
use crate::words::failure::{Failure, Result};

/// How much of packages is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Their headers, for a plan.
    Headers,
    /// All of them.
    Whole,
}

/// A package that was retrieved.
#[derive(Debug)]
pub struct Retrieved {
    /// Where its header was read.
    pub start: Start,
    /// What that says.
    pub package: Package,
    /// What is to be said of its signatures.
    pub findings: Vec<Finding>,
}

/// Returns each chosen package: fetched where it is remote, and checked against what the repository
/// says of it. Where `trust` is given, it judges the signatures.
pub fn retrieve(
    repositories: &[Repository],
    chosen: &[Available],
    extent: Extent,
    trust: Option<&Trust>,
    downloads: &Downloads<'_>,
    report: &Report,
) -> Result<Vec<Retrieved>> {
    let listed: Result<Vec<_>> = chosen
        .iter()
        .map(|one| listed(repositories, *one))
        .collect();
    let listed = listed?;
    let total = listed.iter().map(|one| one.length(extent)).sum();
    let bar = report.bar("fetch", total);
    let retrieve = |one: &Listed<'_>| {
        let before = Cell::new(0);
        let progress = |length: u64| {
            bar.inc(length.saturating_sub(before.get()));
            before.set(length.max(before.get()));
        };
        let start = one.start(extent, downloads, &progress)?;
        let package = start.package()?;
        let (repository, nevra) = (one.repository, &one.nevra);
        if !headers::is_same(nevra, &package.nevra) {
            let found = &package.nevra;
            return Err(Failure::refused(anyhow!(
                "{} lists {nevra}, but the file is {found}",
                repository.name
            )));
        }
        if let Start::File(path) = &start {
            one.keep_header(&package, path, downloads)?;
        }
        let findings = match trust {
            Some(trust) => trust.check(&package, &start, repository.keyring.as_ref())?,
            None => Vec::new(),
        };
        Ok(Retrieved {
            start,
            package,
            findings,
        })
    };
    let result = parallel::map(&listed, CONNECTIONS, |one| {
        let threads = CONNECTIONS.min(listed.len());
        let timings = report.timings();
        timings.help(Stage::Packages, threads, || retrieve(one))
    });
    bar.finish_and_clear();
    downloads.shrink_headers();
    result
}

/// A package as its repository lists it.
struct Listed<'a> {
    repository: &'a Repository,
    index: usize,
    nevra: Nevra,
    /// What metadata say of its file; none where there are no metadata.
    file: Option<PackageFile>,
}

impl Listed<'_> {
    /// Returns how many bytes of it are needed, as far as that is known.
    fn length(&self, extent: Extent) -> u64 {
        match (&self.file, extent) {
            (Some(file), Extent::Headers) => file.header_end.unwrap_or(file.size),
            (Some(file), Extent::Whole) => file.size,
            (None, _) => 0,
        }
    }

    fn start(
        &self,
        extent: Extent,
        downloads: &Downloads<'_>,
        progress: &dyn Fn(u64),
    ) -> Result<Start> {
        match (&*self.repository.holding, &self.file) {
            (Holding::Files(files), _) => {
                let path = files.get(self.index).cloned();
                path.map(Start::File).ok_or_else(|| lost(self.repository))
            }
            (Holding::Listed(_), None) => Err(lost(self.repository)),
            (Holding::Listed(metadata), Some(file)) => {
                let listed = (self.index, file);
                match extent {
                    Extent::Headers => metadata.start(listed, &self.nevra, downloads, progress),
                    Extent::Whole => {
                        let path = metadata.package(listed, downloads, progress)?;
                        Ok(Start::File(path))
                    }
                }
            }
        }
    }

    fn keep_header(&self, package: &Package, path: &Path, downloads: &Downloads<'_>) -> Result<()> {
        match (&*self.repository.holding, &self.file) {
            (Holding::Listed(metadata), Some(file)) => {
                metadata.keep_header(file, (package, path), downloads)
            }
            _ => Ok(()),
        }
    }
}

fn listed(repositories: &[Repository], one: Available) -> Result<Listed<'_>> {
    let repository = repositories
        .get(one.repository)
        .ok_or_else(|| Failure::refused(anyhow!("a package of no repository was chosen")))?;
    let nevra = repository.catalog.nevra(one.index);
    Ok(Listed {
        repository,
        index: one.index,
        nevra: nevra.ok_or_else(|| lost(repository))?,
        file: listing::package_file(&repository.catalog, one.index),
    })
}

fn lost(repository: &Repository) -> Failure {
    Failure::refused(anyhow!(
        "the cached metadata of {} are damaged",
        repository.name
    ))
    .hint("remove the directory catalogs in the cache")
}
