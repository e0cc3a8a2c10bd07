//! Packages of RPM headers as the solver sees them.

use std::collections::BTreeSet;

use anyhow::anyhow;
use resolve::{Capability, Catalog, Comparison, Dependency, Evr, Nevra, Repository, Solvable};
use rpm_input::Package;

use crate::words::failure::{Failure, Result};

/// Directories of programs that are links, as `/bin` to `/usr/bin`, on every system that a system
/// extension fits. A requirement may name a program by either path.
const MERGED: [&str; 2] = ["/bin/", "/sbin/"];

/// Returns what these packages are to the solver: a repository that has nothing else. Of their
/// files those are there that are asked for; all, if that is not known.
pub fn repository<'a>(
    packages: impl Iterator<Item = &'a Package>,
    asked: Option<&BTreeSet<&str>>,
) -> Result<Repository> {
    let solvables: Vec<_> = packages
        .map(|package| solvable_with(package, asked))
        .collect();
    Ok(Repository::new(
        Catalog::of(&solvables).map_err(|error| Failure::refused(anyhow!(error)))?,
        0,
    ))
}

/// Returns all paths that dependencies of these packages name. A package may have 100 000 files,
/// and of them few are ever asked for.
pub fn asked_for<'a>(packages: impl Iterator<Item = &'a Package>) -> BTreeSet<&'a str> {
    let dependencies = packages.flat_map(|package| {
        let lists = [
            &package.provides,
            &package.requires,
            &package.conflicts,
            &package.obsoletes,
            &package.recommends,
            &package.suggests,
            &package.supplements,
            &package.enhances,
        ];
        lists.into_iter().flatten()
    });
    // Rich dependencies name several, in parentheses.
    let words = dependencies.flat_map(|one| one.name.split([' ', '(', ')']));
    words.filter(|word| word.starts_with('/')).collect()
}

/// Reads a package as the solver sees it.
pub fn solvable(package: &Package) -> Solvable {
    solvable_with(package, None)
}

/// Reads a package with those of its files that are asked for, or all.
pub fn solvable_with(package: &Package, asked: Option<&BTreeSet<&str>>) -> Solvable {
    let is_asked = |path: &str| asked.is_none_or(|asked| asked.contains(path));
    let all =
        |dependencies: &[rpm_input::Dependency]| dependencies.iter().map(dependency).collect();
    let (mut files, mut others) = (Vec::new(), Vec::new());
    if asked.is_none_or(|asked| !asked.is_empty()) {
        for file in &package.files {
            let path = file.path.text();
            others.extend(other_path(&path).filter(|path| is_asked(path)));
            if is_asked(&path) {
                files.push(path);
            }
        }
    }
    files.extend(others);
    Solvable {
        nevra: nevra(&package.nevra),
        provides: all(&package.provides),
        requires: all(&package.requires),
        conflicts: all(&package.conflicts),
        obsoletes: all(&package.obsoletes),
        recommends: all(&package.recommends),
        suggests: all(&package.suggests),
        supplements: all(&package.supplements),
        enhances: all(&package.enhances),
        files,
    }
}

/// Returns a package's identity as the solver sees it.
pub fn nevra(nevra: &rpm_input::Nevra) -> Nevra {
    Nevra {
        name: nevra.name.clone(),
        evr: Evr::parse(&nevra.evr()),
        arch: nevra.arch.clone(),
    }
}

/// Returns a dependency as the solver sees it. A rich one that can't be read stays a name, which nothing has.
pub fn dependency(one: &rpm_input::Dependency) -> Dependency {
    if one.is_rich() {
        return Dependency::parse(&one.name).unwrap_or_else(|_| Dependency::named(&one.name));
    }
    let comparison = Comparison::parse(one.sense.comparison());
    let comparison = comparison.filter(|_| !one.evr.is_empty());
    Dependency::Simple(Capability {
        name: one.name.clone(),
        range: comparison.map(|comparison| (comparison, Evr::parse(&one.evr))),
    })
}

/// Returns the other path of a program on a system where directories of programs are links.
fn other_path(path: &str) -> Option<String> {
    let is_merged = |path: &str| MERGED.iter().any(|directory| path.starts_with(directory));
    match path.strip_prefix("/usr") {
        Some(path) => is_merged(path).then(|| path.to_owned()),
        None => is_merged(path).then(|| format!("/usr{path}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_have_two_paths() {
        for (path, other) in [
            ("/bin/sh", Some("/usr/bin/sh")),
            ("/usr/bin/sh", Some("/bin/sh")),
            ("/usr/sbin/ldconfig", Some("/sbin/ldconfig")),
            ("/usr/lib/x", None),
            ("/usr/binary/x", None),
            ("/opt/bin/x", None),
        ] {
            assert_eq!(other_path(path).as_deref(), other, "{path}");
        }
    }
}
