//! A directory of RPM files as a repository.

use std::io::BufReader;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use resolve::Catalog;
use rpm_input::Package;

use crate::packages::choose::solvable;
use crate::parallel;
use crate::timings::{Stage, Timings};
use crate::words::failure::{Failure, Result, package_failure};

/// Headers that are read at once.
const THREADS: usize = 4;

/// Reads the headers of the RPM files in a directory, in byte order of their names. Source and
/// delta packages are passed over, since nothing could choose them.
pub fn read(directory: &Path, timings: &Timings) -> Result<(Catalog, Vec<PathBuf>)> {
    let files = rpm_files(directory)?;
    let read = |path: &PathBuf| match header(path) {
        Ok(package) => Ok(Some(solvable(&package))),
        Err(rpm_input::Error::SourcePackage { .. } | rpm_input::Error::DeltaPackage { .. }) => {
            Ok(None)
        }
        Err(error) => Err(package_failure(error)),
    };
    let packages = parallel::map(&files, THREADS, |path| {
        timings.help(Stage::Repositories, THREADS, || read(path))
    })?;
    let (solvables, files): (Vec<_>, Vec<_>) = (packages.into_iter().zip(files))
        .filter_map(|(package, file)| Some((package?, file)))
        .unzip();
    let catalog = Catalog::of(&solvables).map_err(|error| {
        Failure::refused(anyhow!(error).context(format!("reading {}", directory.display())))
    })?;
    Ok((catalog, files))
}

/// Reads the header of an RPM file.
pub fn header(path: &Path) -> std::result::Result<Package, rpm_input::Error> {
    let origin = path.display().to_string();
    let mut input = BufReader::with_capacity(64 * 1024, rpm_input::open(path)?);
    Package::read(&mut input, &origin)
}

/// Returns the RPM files in a directory, in byte order of their names; at least one.
pub fn rpm_files(directory: &Path) -> Result<Vec<PathBuf>> {
    files_of(directory, "rpm")
}

/// Returns the files in a directory whose names have this ending, in byte order; at least one.
pub fn files_of(directory: &Path, ending: &str) -> Result<Vec<PathBuf>> {
    let doing = || format!("reading the directory {}", directory.display());
    let mut files = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(|error| Failure::io(doing(), error))? {
        let path = entry.map_err(|error| Failure::io(doing(), error))?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == ending)
            && path.is_file()
        {
            files.push(path);
        }
    }
    files.sort();
    if files.is_empty() {
        let directory = directory.display();
        return Err(Failure::refused(anyhow!("{directory} has no *.{ending}")));
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::scratch::Scratch;

    #[test]
    fn the_packages_of_a_directory() {
        let scratch = Scratch::new();
        let file = |name: &str| std::fs::read(format!("fixtures/{name}")).unwrap();
        for name in ["b.rpm", "a.rpm"] {
            scratch.write(name, &file("clash-one-1-1.noarch.rpm"));
        }
        // None of these is one.
        scratch.write("source.rpm", &file("hello-noarch-0.5^git3-1.src.rpm"));
        scratch.write("below.rpm/c.rpm", b"");
        scratch.write("text.txt", b"");
        scratch.write("rpm", b"");
        let names = |files: Vec<PathBuf>| -> Vec<_> {
            let names = files
                .iter()
                .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
            names.collect()
        };
        assert_eq!(
            names(rpm_files(scratch.path()).unwrap()),
            ["a.rpm", "b.rpm", "source.rpm"]
        );
        let (catalog, files) = read(scratch.path(), &Timings::default()).unwrap();
        assert_eq!(names(files), ["a.rpm", "b.rpm"]);
        assert_eq!(catalog.len(), 2);
        assert_eq!(
            catalog.nevra(1).unwrap().to_string(),
            "clash-one-1-1.noarch"
        );
        scratch.write("c.rpm", b"no package");
        assert!(read(scratch.path(), &Timings::default()).is_err());
        let empty = Scratch::new();
        let reason = read(empty.path(), &Timings::default())
            .err()
            .unwrap()
            .source
            .to_string();
        assert_eq!(reason, format!("{} has no *.rpm", empty.path().display()));
    }
}
