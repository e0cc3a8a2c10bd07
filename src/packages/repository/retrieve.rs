//! The files of the packages that were chosen, and their headers.

use std::cell::Cell;
use std::path::PathBuf;

use anyhow::anyhow;
use resolve::Available;
use rpm_input::Package;

use crate::packages::repository::download::Downloads;
use crate::packages::repository::listing::{self, PackageFile};
use crate::packages::repository::{CONNECTIONS, Holding, Repository, plain};
use crate::parallel;
use crate::report::Report;
use crate::timings::Stage;
use crate::words::failure::{Failure, Result, package_failure};

/// Returns file and header of each chosen package: fetched where it is remote, and checked against
/// what the repository says of it. With `fully`, local files are hashed, too; they need not be for
/// a plan.
pub fn retrieve(
    repositories: &[Repository],
    chosen: &[Available],
    fully: bool,
    downloads: &Downloads<'_>,
    report: &Report,
) -> Result<Vec<(PathBuf, Package)>> {
    let listed: Result<Vec<_>> = chosen
        .iter()
        .map(|one| listed(repositories, *one))
        .collect();
    let listed = listed?;
    let total = listed
        .iter()
        .map(|(_, file)| file.as_ref().map_or(0, |file| file.size))
        .sum();
    let bar = report.bar("fetch", total);
    let items: Vec<_> = chosen.iter().zip(&listed).collect();
    let retrieve = |one: Available, repository: &Repository, file: &Option<PackageFile>| {
        let before = Cell::new(0);
        let progress = |length: u64| {
            bar.inc(length.saturating_sub(before.get()));
            before.set(length.max(before.get()));
        };
        let path = match (&*repository.holding, file) {
            (Holding::Files(files), _) => files.get(one.index).cloned(),
            (Holding::Listed(metadata), Some(file)) => {
                Some(metadata.package((one.index, file), fully, downloads, &progress)?)
            }
            (Holding::Listed(_), None) => None,
        };
        let path = path.ok_or_else(|| lost(repository))?;
        let package = plain::header(&path).map_err(package_failure)?;
        check_identity(repository, one.index, &package)?;
        Ok((path, package))
    };
    let result = parallel::map(&items, CONNECTIONS, |(one, (repository, file))| {
        let threads = CONNECTIONS.min(items.len());
        let timings = report.timings();
        timings.help(Stage::Packages, threads, || {
            retrieve(**one, repository, file)
        })
    });
    bar.finish_and_clear();
    result
}

fn listed(
    repositories: &[Repository],
    one: Available,
) -> Result<(&Repository, Option<PackageFile>)> {
    let repository = repositories
        .get(one.repository)
        .ok_or_else(|| Failure::refused(anyhow!("a package of no repository was chosen")))?;
    let file = match &*repository.holding {
        Holding::Files(_) => None,
        Holding::Listed(_) => {
            let file = listing::package_file(&repository.catalog, one.index);
            Some(file.ok_or_else(|| lost(repository))?)
        }
    };
    Ok((repository, file))
}

fn lost(repository: &Repository) -> Failure {
    Failure::refused(anyhow!(
        "the cached metadata of {} are damaged",
        repository.name
    ))
    .hint("remove the directory catalogs in the cache")
}

/// Checks that a file holds the package that the repository lists there.
fn check_identity(repository: &Repository, index: usize, package: &Package) -> Result<()> {
    let Some(listed) = repository.catalog.nevra(index) else {
        return Err(lost(repository));
    };
    let found = &package.nevra;
    match is_same(&listed, found) {
        true => Ok(()),
        false => Err(Failure::refused(anyhow!(
            "{} lists {listed}, but the file is {found}",
            repository.name
        ))),
    }
}

/// Says whether a header has the identity that metadata state. No epoch is epoch 0.
fn is_same(listed: &resolve::Nevra, found: &rpm_input::Nevra) -> bool {
    listed.name == found.name
        && listed.arch == found.arch
        && listed.evr.epoch.unwrap_or(0) == found.epoch.unwrap_or(0)
        && listed.evr.version == found.version
        && listed.evr.release == found.release
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_the_identity_that_metadata_state() {
        let found = |epoch| rpm_input::Nevra {
            name: "a".to_owned(),
            epoch,
            version: "1".to_owned(),
            release: "2".to_owned(),
            arch: "x86_64".to_owned(),
        };
        for (listed, epoch, same) in [
            ("a-1-2.x86_64", None, true),
            ("a-1-2.x86_64", Some(0), true),
            ("a-0:1-2.x86_64", None, true),
            ("a-3:1-2.x86_64", Some(3), true),
            ("a-1-2.x86_64", Some(3), false),
            ("b-1-2.x86_64", None, false),
            ("a-2-2.x86_64", None, false),
            ("a-1-3.x86_64", None, false),
            ("a-1-2.i686", None, false),
        ] {
            let listed = resolve::Nevra::parse(listed).unwrap();
            assert_eq!(is_same(&listed, &found(epoch)), same, "{listed} {epoch:?}");
        }
    }
}
