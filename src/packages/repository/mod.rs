//! Repositories: what is on offer beside the base, and the files of what was chosen.
//!
//! ```text
//! --repo ─▶ source ─▶ repomd.xml ─▶ primary ─▶ Catalog ─▶ the solver ─▶ package file
//!           .repo     asked for     parsed     kept in                  fetched or opened,
//!           URL, DIR  each time     once       the cache                size and checksum checked
//! ```
//!
//! For a plan the header of a package does, which is fetched without the rest where that can be.
//!
//! A directory without `repodata/` is a repository of its RPM files, read header by header.
//! Nothing is fetched but from URLs that the user named, and what comes from there is checked
//! against `repomd.xml` before it is used. A repository in a directory is read where it lies.

mod download;
mod headers;
mod keys;
mod listing;
mod memory;
mod metadata;
mod option;
mod plain;
mod repo_file;
mod retrieve;
mod site;
mod source;
mod url;
mod variables;
mod verify;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::anyhow;
use openpgp::Keyring;
use resolve::{Catalog, Withheld};
use rpm_input::repodata::Checksum;
use rpm_input::repodata::Modules;

pub use download::{Downloads, Settings};
pub use memory::Seen;
pub use option::{below, moved, named};
pub use plain::{files_of, header as read_header, rpm_files};
pub use retrieve::{Extent, retrieve};
#[cfg(test)]
pub use source::Place;
pub use source::RepositorySource;
pub use variables::Variables;

use crate::findings::{Finding, kinds};
use crate::once::Once;
use crate::packages::choose::solvable;
use crate::packages::trust::Trust;
use crate::parallel;
use crate::report::Report;
use crate::timings::{Stage, Timings};
use crate::words::digest::sha256;
use crate::words::failure::{Failure, Result, package_failure};
use crate::words::quantity::counted;
use keys::Keys;
use metadata::{Metadata, weak_checksum};
use site::Site;

/// Repositories and packages that are fetched at once.
const CONNECTIONS: usize = 4;

/// What is said of a repository on the network of which no signature is checked.
const UNCHECKED: &str = "no signature of its metadata or its packages is checked; give its keys \
                         with --keyring FILE";

/// Packages on offer from one place.
#[derive(Clone)]
pub struct Repository {
    /// How messages call it.
    pub name: String,
    /// The lower one wins, as in zypper and dnf.
    pub priority: i32,
    /// The packages, as the solver sees them.
    pub catalog: Catalog,
    /// Those of them that are not for everyone to take, by their index.
    pub withheld: BTreeMap<usize, Withheld>,
    /// What it says of modules.
    pub modules: Modules,
    /// Whether its packages are on offer whatever modules say.
    pub hotfixes: bool,
    /// By one of which each package must be signed; none if it need not be.
    pub keyring: Option<Keyring>,
    /// What is worth a word about its signatures.
    pub findings: Vec<Finding>,
    /// What is to be remembered of it.
    pub seen: Seen,
    imported: Vec<String>,
    holding: Arc<Holding>,
}

/// Where the file of a package is, and what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located {
    /// Relative to the repository.
    pub location: String,
    /// Type of the checksum, a colon, hex digits.
    pub checksum: String,
    /// Length in bytes; 0 if the repository does not say it.
    pub size: u64,
}

/// Where a repository's files are found.
enum Holding {
    /// The RPM file of each package of the catalog.
    Files(Vec<PathBuf>),
    /// Files that metadata speak of.
    Listed(Box<Metadata>),
}

impl Repository {
    /// Returns the checksum of a package's file, if there are metadata that list it.
    pub fn checksum(&self, index: usize) -> Option<Checksum> {
        match &*self.holding {
            Holding::Files(_) => None,
            Holding::Listed(_) => Some(listing::package_file(&self.catalog, index)?.checksum),
        }
    }

    /// Returns the SHA-256 of a package's file, if there are metadata that list it.
    pub fn sha256(&self, index: usize) -> Option<[u8; 32]> {
        let listed = self.checksum(index)?;
        let mut digest = [0; 32];
        let is_read = hex::decode_to_slice(listed.hex(), &mut digest).is_ok();
        (is_read && listed.kind() == "sha256").then_some(digest)
    }

    /// Returns the repository as the solver takes it.
    pub fn for_solver(&self) -> resolve::Repository {
        resolve::Repository {
            withheld: self.withheld.clone(),
            // The solver's higher number wins.
            ..resolve::Repository::new(self.catalog.clone(), -self.priority)
        }
    }

    /// Returns what metadata say of the file of the package of that index; nothing where there are
    /// none.
    pub fn listed(&self, index: usize) -> Option<Located> {
        let file = listing::package_file(&self.catalog, index)?;
        Some(Located {
            checksum: format!("{}:{}", file.checksum.kind(), file.checksum.hex()),
            location: file.location,
            size: file.size,
        })
    }

    /// Says that nothing but a weak checksum vouches for the file of the package of that index.
    pub fn weakly_listed(&self, index: usize) -> Option<Finding> {
        let file = listing::package_file(&self.catalog, index)?;
        let is_weak = file.checksum.is_weak() && self.keyring.is_none();
        is_weak.then(|| weak_checksum(&self.name, file.checksum.algorithm(), &file.location))
    }

    /// Says where the file of the package of that index is. A file that no metadata speak of is
    /// hashed.
    pub fn located(&self, index: usize) -> Result<Option<Located>> {
        match &*self.holding {
            Holding::Files(files) => files.get(index).map(|path| located(path)).transpose(),
            Holding::Listed(_) => Ok(self.listed(index)),
        }
    }

    /// Returns the packages that have one of these paths, by their index, from the repository's
    /// file lists. A repository without such lists has none.
    pub fn owners(
        &self,
        paths: &BTreeSet<String>,
        downloads: &Downloads<'_>,
    ) -> Result<Vec<(usize, String)>> {
        match &*self.holding {
            // Headers have all paths.
            Holding::Files(_) => Ok(Vec::new()),
            Holding::Listed(metadata) => metadata.owners(&self.catalog, paths, downloads),
        }
    }
}

/// Says what the RPM file at a path is.
pub fn located(path: &std::path::Path) -> Result<Located> {
    let failed = |error| Failure::io(format!("reading {}", path.display()), error);
    let mut file = files::open(path, files::Links::Follow)?;
    let (size, digest) = sha256(&mut file).map_err(failed)?;
    let name = path.file_name().unwrap_or_default();
    Ok(Located {
        location: name.to_string_lossy().into_owned(),
        checksum: format!("sha256:{}", hex::encode(digest)),
        size,
    })
}

/// Returns a repository of these RPM files that is trusted as `like` is.
pub fn of_files(files: Vec<PathBuf>, like: &Repository) -> Result<Repository> {
    let solvables: Result<Vec<_>> = (files.iter())
        .map(|path| Ok(solvable(&read_header(path).map_err(package_failure)?)))
        .collect();
    Ok(Repository {
        name: like.name.clone(),
        priority: like.priority,
        catalog: Catalog::of(&solvables?).map_err(|error| Failure::refused(anyhow!(error)))?,
        withheld: BTreeMap::new(),
        modules: Modules::default(),
        hotfixes: like.hotfixes,
        keyring: like.keyring.clone(),
        findings: Vec::new(),
        seen: Seen::default(),
        imported: Vec::new(),
        holding: Arc::new(Holding::Files(files)),
    })
}

/// Repositories that were read, with the same trust and by the same downloads: by how they were named,
/// what stands for their variables, and what a lock remembers of them.
pub type Opened = Once<(RepositorySource, Variables, Seen), Repository>;

/// How repositories are read.
#[derive(Clone, Copy)]
pub struct Reading<'a> {
    /// What their `.repo` files may leave open.
    pub variables: &'a Variables,
    /// Whom the user trusts.
    pub trust: &'a Trust,
    /// What fetches from them.
    pub downloads: &'a Downloads<'a>,
}

/// Reads what repositories have on offer, but for those that were `opened` before. `seen` is what a
/// lock remembers of them, by name.
pub fn open(
    sources: &[RepositorySource],
    seen: &BTreeMap<String, Seen>,
    reading: Reading<'_>,
    opened: &Opened,
    report: &Report,
) -> Result<Vec<Repository>> {
    let timings = report.timings();
    let threads = CONNECTIONS.min(sources.len());
    let repositories = parallel::map(sources, CONNECTIONS, |source| {
        let seen = seen.get(&source.name).cloned().unwrap_or_default();
        let key = (source.clone(), reading.variables.clone(), seen.clone());
        let repository = opened.get(key, || {
            let open = || open_one(source, seen, reading, timings);
            timings.help(Stage::Repositories, threads, open)
        })?;
        Ok::<_, Failure>(Repository::clone(&repository))
    })?;
    for repository in &repositories {
        for line in &repository.imported {
            report.stage("key", line);
        }
        let number = counted(repository.catalog.len(), "package");
        report.stage("repo", &format!("{}: {number}", repository.name));
    }
    Ok(repositories)
}

fn open_one(
    source: &RepositorySource,
    locked: Seen,
    reading: Reading<'_>,
    timings: &Timings,
) -> Result<Repository> {
    let Reading {
        variables,
        trust,
        downloads,
    } = reading;
    let site = Site::of(source, variables, downloads)?;
    let (kept, id) = match &site {
        Site::Web(web) => (downloads.seen(&web.id)?, Some(web.id.clone())),
        Site::Directory(_) => (Seen::default(), None),
    };
    let mut seen = locked.and(&kept);
    let keys = Keys::of(source, variables, trust, downloads, &seen)?;
    let mut findings = Vec::new();
    let mut modules = Modules::default();
    let (catalog, mut withheld, holding) = match site {
        Site::Directory(path) if !path.join("repodata").is_dir() => {
            if keys.metadata {
                let text = "it has no repomd.xml, so there is no signed one";
                return Err(Failure::refused(anyhow!("{}: {text}", source.name)));
            }
            let (catalog, files) = plain::read(&path, timings)?;
            (catalog, BTreeMap::new(), Holding::Files(files))
        }
        site => {
            if matches!(site, Site::Web(_)) && !keys.packages && !keys.metadata {
                let text = format!("{}: {UNCHECKED}", source.name);
                findings.push(Finding::new(&kinds::UNCHECKED_REPOSITORY, text));
            }
            let metadata = Metadata::open(source.name.clone(), site, &keys, trust.now, downloads)?;
            findings.extend(metadata.findings());
            findings.extend(seen.check_revision(&source.name, metadata.revision()));
            seen.revision = seen.revision.max(metadata.revision());
            let catalog = metadata.catalog(downloads, timings)?;
            let withheld = metadata.withheld(&catalog, downloads)?;
            modules = metadata.modules(downloads)?;
            (catalog, withheld, Holding::Listed(Box::new(metadata)))
        }
    };
    withheld.extend(source.admitted.left_out(&catalog));
    if !keys.fetched.is_empty() {
        seen.keys.clone_from(&keys.fetched);
    }
    if let Some(id) = id.filter(|_| seen != kept) {
        downloads.remember(&id, &seen)?;
    }
    Ok(Repository {
        name: source.name.clone(),
        priority: source.priority,
        catalog,
        withheld,
        modules,
        hotfixes: source.hotfixes,
        keyring: keys.packages.then_some(keys.keyring),
        findings,
        seen,
        imported: keys.imported,
        holding: Arc::new(holding),
    })
}

#[cfg(test)]
impl Repository {
    /// Returns a repository of packages whose files are these.
    pub fn of_values(name: &str, packages: &[resolve::Solvable], files: Vec<PathBuf>) -> Self {
        Self {
            name: name.to_owned(),
            priority: 0,
            catalog: Catalog::of(packages).unwrap(),
            withheld: BTreeMap::new(),
            modules: Modules::default(),
            hotfixes: false,
            keyring: None,
            findings: Vec::new(),
            seen: Seen::default(),
            imported: Vec::new(),
            holding: Arc::new(Holding::Files(files)),
        }
    }
}

#[cfg(test)]
mod tests;
