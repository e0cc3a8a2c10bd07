//! What there is to choose from: the RPM files that were named, then the repositories.
//!
//! The solver numbers its repositories. The files that were named are number 0, the first and the
//! best; the repositories follow in their order. Only this module translates between the two.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use manifest::Reason;
use resolve::{Available, Withheld};
use rpm_input::Package;

use crate::base::Base;
use crate::findings::Finding;
use crate::packages::choose::{self, Owners};
use crate::packages::chosen::{Chosen, Origin};
use crate::packages::lock::{self, Followed};
use crate::packages::modules;
use crate::packages::repository::{
    self, Downloads, Extent, Opened, Reading, Repository, Seen, Variables,
};
use crate::packages::rest::Rest;
use crate::packages::settings::Settings;
use crate::packages::trust::Trust;
use crate::report::Report;
use crate::timings::Stage;
use crate::words::failure::Result;

/// So many packages that were added are named in the log of a build.
const SHOWN: usize = 8;

/// What there is to choose from.
pub struct Offer<'a> {
    named: Vec<(PathBuf, Package)>,
    repositories: Vec<Repository>,
    trust: Trust,
    downloads: Downloads<'a>,
    report: &'a Report,
}

/// Chosen packages that were taken.
pub struct Taken {
    /// The packages, in their order.
    pub chosen: Vec<Chosen>,
    /// What is to be said of the repositories and of signatures.
    pub findings: Vec<Finding>,
    /// What of them an image needs beyond a plan.
    pub rest: Option<Rest>,
}

impl<'a> Offer<'a> {
    /// Reads what the repositories have.
    pub fn open(
        settings: &'a Settings,
        base: &Base,
        named: Vec<(PathBuf, Package)>,
        trust: Trust,
        opened: &Opened,
        report: &'a Report,
    ) -> Result<Self> {
        let variables = Variables::of(base, &settings.variables, settings.architecture_for(base)?)?;
        let downloads = Downloads::new(&settings.downloads)?;
        let seen = settings.locking.seen()?;
        let sources = &settings.repositories;
        let mut repositories = report.timed(Stage::Repositories, || {
            let reading = Reading {
                variables: &variables,
                trust: &trust,
                downloads: &downloads,
            };
            repository::open(sources, &seen, reading, opened, report)
        })?;
        if let Some(line) = modules::apply(&mut repositories, &settings.modules, base)? {
            report.stage("modules", &line);
        }
        Ok(Self {
            named,
            repositories,
            trust,
            downloads,
            report,
        })
    }

    /// Returns the repositories.
    pub fn repositories(&self) -> &[Repository] {
        &self.repositories
    }

    /// Returns what fetches from them.
    pub fn downloads(&self) -> &Downloads<'a> {
        &self.downloads
    }

    /// Returns the repositories as the solver takes them.
    pub fn for_solver(&self) -> Result<Vec<resolve::Repository>> {
        let named = self.named.iter().map(|(_, package)| package);
        let named = choose::repository(named, None)?;
        let mut repositories = vec![named];
        repositories.extend(self.repositories.iter().map(Repository::for_solver));
        Ok(repositories)
    }

    /// Returns what a package is called that the user or its repository's description leaves out.
    pub fn excluded(&self, package: Available) -> Option<String> {
        let listed = of_repository(package)?;
        let repository = self.repositories.get(listed.repository)?;
        let nevra = repository.catalog.nevra(listed.index)?.to_string();
        let why = repository.withheld.get(&listed.index);
        let is_excluded = matches!(why, Some(Withheld::Excluded | Withheld::NotAdmitted));
        is_excluded.then_some(nevra)
    }

    /// Returns the packages whose files were named.
    pub fn named(&self) -> Vec<Available> {
        let indices = 0..self.named.len();
        indices
            .map(|index| Available {
                repository: 0,
                index,
            })
            .collect()
    }

    /// Returns the headers of these.
    pub fn headers(&self) -> Vec<&Package> {
        self.named.iter().map(|(_, package)| package).collect()
    }

    /// Says which packages have which of these paths, by the repositories' file lists.
    pub fn owners(&self, paths: &BTreeSet<String>) -> Result<Vec<Owners>> {
        let listed =
            (self.repositories.iter()).map(|repository| repository.owners(paths, &self.downloads));
        // Headers have all paths.
        std::iter::once(Ok(Owners::new())).chain(listed).collect()
    }

    /// Returns what is to be remembered of the repositories, by their names.
    pub fn seen(&self) -> BTreeMap<String, Seen> {
        let seen = (self.repositories.iter()).filter(|one| !one.seen.is_nothing());
        seen.map(|one| (one.name.clone(), one.seen.clone()))
            .collect()
    }

    /// Returns what a lock says of the request.
    pub fn request(&self, settings: &Settings, base: &Base) -> Result<lock::Request> {
        let nevra = |(_, package): &(_, Package)| package.nevra.to_string();
        Ok(lock::Request {
            names: settings.names.clone(),
            files: self.named.iter().map(nevra).collect(),
            recommends: settings.recommends,
            architecture: settings.architecture_for(base)?.name().to_owned(),
        })
    }

    /// Returns the packages that a lock names. What only the cache has joins the offer.
    pub fn follow(&mut self, path: &Path, settings: &Settings, base: &Base) -> Result<Followed> {
        let request = self.request(settings, base)?;
        let files = self.named.iter().map(|(file, _)| repository::located(file));
        let files: Vec<_> = files.collect::<Result<_>>()?;
        let (offered, downloads) = (&mut self.repositories, &self.downloads);
        lock::follow(path, &request, base, &files, offered, downloads)
    }

    /// Says what was added to what was asked for: all of it where that is the question, and else the
    /// first of it.
    fn say_added(&self, mut lines: Vec<String>, all: bool) {
        let more = lines.len().saturating_sub(SHOWN);
        if !all && !self.report.is_verbose() && more > 1 {
            lines.truncate(SHOWN);
            lines.push(format!("and {more} more packages; -v shows all"));
        }
        for line in lines {
            self.report.stage("resolve", &line);
        }
    }

    /// Returns chosen packages, checked: fetched where they are remote, as far as is needed for a plan
    /// or for an image. Beside them comes what is to be said of the repositories and of signatures.
    /// All that were added are named if `names_all`.
    pub fn take(
        &self,
        chosen: &[(Available, Reason)],
        extent: Extent,
        names_all: bool,
    ) -> Result<Taken> {
        let listed: Vec<_> = (chosen.iter())
            .filter_map(|(package, _)| of_repository(*package))
            .collect();
        let (repositories, downloads) = (&self.repositories, &self.downloads);
        let retrieved = self.report.timed(Stage::Packages, || {
            let trust = Some(&self.trust);
            repository::retrieve(repositories, &listed, extent, trust, downloads, self.report)
        })?;
        let mut retrieved = retrieved.into_iter();
        let mut findings: Vec<Finding> = (repositories.iter())
            .flat_map(|one| one.findings.clone())
            .collect();
        let mut taken = Vec::new();
        let mut incomplete = Vec::new();
        let mut lines = Vec::new();
        for (number, reason) in chosen {
            let listed = of_repository(*number);
            let repository = listed.and_then(|one| repositories.get(one.repository));
            let (file, package) = match listed {
                None => {
                    let Some((file, package)) = self.named.get(number.index).cloned() else {
                        continue;
                    };
                    findings.extend(self.trust.check_named(&package, &file)?);
                    (file, package)
                }
                Some(available) => {
                    let Some(one) = retrieved.next() else {
                        continue;
                    };
                    findings.extend(repository.and_then(|one| one.weakly_listed(number.index)));
                    findings.extend(one.findings);
                    incomplete.push((taken.len(), available));
                    (one.start.path().to_owned(), one.package)
                }
            };
            if let Some(words) = reason.words() {
                lines.push(format!("{}  ({words})", package.nevra));
            }
            taken.push(Chosen {
                file,
                package,
                reason: reason.clone(),
                origin: Origin {
                    repository: repository.map(|one| one.name.clone()),
                    listed: repository.and_then(|one| one.listed(number.index)),
                },
                sha256: repository.and_then(|one| one.sha256(number.index)),
                is_here: repository.is_none() || extent == Extent::Whole,
            });
        }
        self.say_added(lines, names_all);
        let rest = (extent == Extent::Headers && !incomplete.is_empty()).then(|| Rest {
            repositories: repositories.clone(),
            packages: incomplete,
        });
        Ok(Taken {
            chosen: taken,
            findings,
            rest,
        })
    }
}

/// Returns a package by the number of its repository, if it is not one that was named.
fn of_repository(package: Available) -> Option<Available> {
    let repository = package.repository.checked_sub(1)?;
    Some(Available {
        repository,
        ..package
    })
}

#[cfg(test)]
impl Offer<'_> {
    /// Has all packages of repositories be signed by these keys.
    pub fn trust_repositories(&mut self, keys: &openpgp::Keyring) {
        for repository in &mut self.repositories {
            repository.keyring = Some(keys.clone());
        }
    }
}
