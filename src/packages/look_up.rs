//! A base that is known by its packages' names: what they provide is looked up in repositories.
//!
//! Repositories drop builds when newer ones come. What a build that has left them provides can be
//! assumed from the *next* one, where the user asks for it: of the same name and architecture the
//! oldest that is newer, since the fewest changes lie between the two; where all are older, the
//! newest. The package stays the one that is listed: wherever the other build states its own
//! version, the listed one takes its place, so that no requirement of a version is met by it.

use std::cmp::Ordering;

use resolve::{
    Available, Dependency, Evr, Nevra, Options, Pool, Repository, Request, Solvable, Wanted,
    Withheld, resolve,
};

use crate::base::Listed;
use crate::packages::choose::solvable::nevra;
use crate::words::failure::{Failure, Result};
use crate::words::text::Text;

/// The packages of a base, as far as repositories have them.
#[derive(Debug, Default)]
pub struct LookedUp {
    /// All packages of the base. One that was not found is there by its name alone.
    pub installed: Vec<Solvable>,
    /// Where each was found, parallel to `installed`; empty if nothing had to be looked up.
    pub found: Vec<Option<Available>>,
    /// Packages of which it was assumed what they provide, each with the build that stands for it.
    pub assumed: Vec<String>,
    /// Whether something could have been assumed and was not.
    pub is_assumable: bool,
}

/// Looks up the packages of a list. With `assume`, the next build of the same name stands for one
/// that no repository has.
pub fn listed(listed: &[Listed], repositories: &[Repository], assume: bool) -> LookedUp {
    let mut looked_up = LookedUp::default();
    for one in listed {
        let mut found = find(one, repositories);
        let mut solvable = found.and_then(|found| whole(found, repositories));
        let next = match found {
            Some(_) => None,
            None => next(one, repositories),
        };
        looked_up.is_assumable |= next.is_some() && !assume;
        if let Some(next) = next.filter(|_| assume)
            && let Some(build) = whole(next, repositories)
        {
            let build_nevra = build.nevra.clone();
            let stand_in = as_listed(build, one);
            let text = format!("{} (from {build_nevra})", stand_in.nevra);
            looked_up.assumed.push(text);
            (found, solvable) = (Some(next), Some(stand_in));
        }
        looked_up.found.push(found);
        looked_up
            .installed
            .push(solvable.unwrap_or_else(|| Solvable {
                nevra: nevra(&one.nevra),
                ..Solvable::default()
            }));
    }
    looked_up
}

/// Returns a package with all its files that are known: metadata list few, and some that were
/// asked for may have been looked up in file lists.
fn whole(found: Available, repositories: &[Repository]) -> Option<Solvable> {
    let repository = repositories.get(found.repository)?;
    let mut solvable = repository.catalog.solvable(found.index)?;
    let further = repository.files.iter();
    let own = further.filter(|(index, _)| *index == found.index);
    solvable.files.extend(own.map(|(_, path)| path.clone()));
    Some(solvable)
}

fn find(listed: &Listed, repositories: &[Repository]) -> Option<Available> {
    for (repository, Repository { catalog, .. }) in repositories.iter().enumerate() {
        let mut named = catalog.named(&listed.nevra.name).into_iter();
        let is_meant = |index: &usize| catalog.nevra(*index).is_some_and(|it| is_same(listed, &it));
        if let Some(index) = named.find(is_meant) {
            return Some(Available { repository, index });
        }
    }
    None
}

/// Returns the next build of a listed package.
fn next(listed: &Listed, repositories: &[Repository]) -> Option<Available> {
    let mut best: Option<(Evr, Available)> = None;
    for (repository, offered) in repositories.iter().enumerate() {
        let Repository {
            catalog, withheld, ..
        } = offered;
        for index in catalog.named(&listed.nevra.name) {
            // A package of another stream, or one that was taken back, is no build of this one.
            let counts = matches!(
                withheld.get(&index),
                None | Some(Withheld::Excluded | Withheld::NotAdmitted)
            );
            let nevra = catalog
                .nevra(index)
                .filter(|it| it.arch == listed.nevra.arch);
            let Some(nevra) = nevra.filter(|_| counts) else {
                continue;
            };
            let evr = nevra.evr;
            let is_newer = |it: &Evr| it.compare(&evr_of(listed, it)) == Ordering::Greater;
            let is_better =
                best.as_ref()
                    .is_none_or(|(best, _)| match (is_newer(&evr), is_newer(best)) {
                        (true, true) => evr.compare(best).is_lt(),
                        (false, false) => evr.compare(best).is_gt(),
                        (newer, _) => newer,
                    });
            if is_better {
                best = Some((evr, Available { repository, index }));
            }
        }
    }
    best.map(|(_, found)| found)
}

/// Returns the EVR of a listed package, with the epoch of another build where the list says none.
fn evr_of(listed: &Listed, build: &Evr) -> Evr {
    Evr {
        epoch: match listed.has_epoch {
            true => listed.nevra.epoch,
            false => build.epoch,
        },
        version: listed.nevra.version.clone(),
        release: listed.nevra.release.clone(),
    }
}

/// Returns what a listed package is taken for, by another build of it.
fn as_listed(build: Solvable, listed: &Listed) -> Solvable {
    let old = build.nevra.evr.clone();
    let own = evr_of(listed, &old);
    let mut provides = build.provides;
    for provided in &mut provides {
        let Dependency::Simple(capability) = provided else {
            continue;
        };
        let Some((_, evr)) = &mut capability.range else {
            continue;
        };
        let is_own_version =
            evr.epoch.unwrap_or(0) == old.epoch.unwrap_or(0) && evr.version == old.version;
        if is_own_version && evr.release == old.release {
            *evr = own.clone();
        } else if is_own_version && evr.release.is_empty() {
            evr.version.clone_from(&own.version);
            evr.epoch = own
                .epoch
                .filter(|_| evr.epoch.is_some() || own.epoch != old.epoch);
        }
    }
    Solvable {
        nevra: Nevra {
            evr: own,
            ..build.nevra
        },
        provides,
        ..build
    }
}

/// Says whether a list means this package. Where it says no epoch, every one will do.
fn is_same(listed: &Listed, nevra: &Nevra) -> bool {
    let epoch = |epoch: Option<u32>| epoch.unwrap_or(0);
    listed.nevra.version == nevra.evr.version
        && listed.nevra.release == nevra.evr.release
        && listed.nevra.arch == nevra.arch
        && (!listed.has_epoch || epoch(listed.nevra.epoch) == epoch(nevra.evr.epoch))
}

/// Returns what an installation of these packages would have, weak dependencies included.
pub fn installation(
    names: &[String],
    repositories: &[Repository],
    options: &Options,
) -> Result<LookedUp> {
    let pool = Pool::new(Vec::new(), repositories.to_vec(), options.clone());
    let request = Request {
        install: names.iter().cloned().map(Wanted::Text).collect(),
        recommends: true,
        ..Request::default()
    };
    let resolution = resolve(&pool, &request).map_err(|problem| {
        let reasons: Text = problem.rules.iter().collect();
        Failure::refused(reasons).at("--base-install")
    })?;
    let mut found: Vec<_> = (resolution.chosen.iter())
        .filter_map(|chosen| {
            let solvable = whole(chosen.package, repositories)?;
            Some((solvable, chosen.package))
        })
        .collect();
    found.sort_by(|(a, _), (b, _)| a.nevra.cmp(&b.nevra));
    let (installed, found) = found
        .into_iter()
        .map(|(solvable, at)| (solvable, Some(at)))
        .unzip();
    Ok(LookedUp {
        installed,
        found,
        ..LookedUp::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(solvables: &[Solvable]) -> [Repository; 1] {
        [Repository::new(resolve::Catalog::of(solvables).unwrap(), 0)]
    }

    #[test]
    fn a_list_means_packages_by_nevra() {
        let available = [
            "a-1-1.noarch",
            "a-2:1-1.noarch",
            "b-1-1.x86_64",
            "b-1-2.x86_64",
        ];
        let available = available.map(|text| Solvable {
            nevra: Nevra::parse(text).unwrap(),
            files: vec![format!("/{text}")],
            ..Solvable::default()
        });
        for (line, found) in [
            ("a-1-1.noarch", Some("a-1-1.noarch")),
            ("a-0:1-1.noarch", Some("a-1-1.noarch")),
            ("a-2:1-1.noarch", Some("a-2:1-1.noarch")),
            ("a-3:1-1.noarch", None),
            ("b-1-2.x86_64", Some("b-1-2.x86_64")),
            ("b-1-2.i686", None),
            ("c-1-2.x86_64", None),
        ] {
            let list = crate::base::parse_list(line).unwrap();
            let looked_up = listed(&list, &repository(&available), false);
            let files: Vec<_> = looked_up
                .installed
                .iter()
                .flat_map(|one| &one.files)
                .collect();
            let expected: Vec<_> = found.map(|found| format!("/{found}")).into_iter().collect();
            assert_eq!(files, expected.iter().collect::<Vec<_>>(), "{line}");
            assert_eq!(looked_up.found[0].is_some(), found.is_some(), "{line}");
            assert_eq!(looked_up.installed.len(), 1);
        }
    }

    #[test]
    fn the_next_build_stands_for_one_that_is_gone() {
        let package = |nevra: &str, provides: &[&str]| Solvable {
            nevra: Nevra::parse(nevra).unwrap(),
            provides: (provides.iter())
                .map(|text| Dependency::parse(text).unwrap())
                .collect(),
            files: vec![format!("/{nevra}")],
            ..Solvable::default()
        };
        let available = [
            package("a-1-1.x86_64", &[]),
            package("a-3-1.x86_64", &[]),
            package("a-4-1.x86_64", &[]),
            package("a-2-9.i686", &[]),
            package("e-1:2-1.x86_64", &["e = 1:2-1", "api = 1:2", "old = 2"]),
            package(
                "lib-2-2.x86_64",
                &[
                    "lib = 2-2",
                    "lib(x86-64) = 2-2",
                    "api = 2",
                    "abi = 7",
                    "up-to <= 2-2",
                    "lib.so.1()(64bit)",
                ],
            ),
            package("gone-2-1.x86_64", &[]),
            package("kept-2-1.x86_64", &[]),
        ];
        let mut repositories = repository(&available);
        repositories[0].withheld = [(6, Withheld::Module), (7, Withheld::Excluded)].into();
        let listed_provides = "lib = 1-9, lib(x86-64) = 1-9, api = 1, abi = 7, up-to <= 1-9, \
                               lib.so.1()(64bit)";
        for (line, text, provides) in [
            // The oldest of the newer ones, else the newest; never of another architecture.
            ("a-2-1.x86_64", "a-2-1.x86_64 (from a-3-1.x86_64)", ""),
            ("a-0-1.x86_64", "a-0-1.x86_64 (from a-1-1.x86_64)", ""),
            ("a-5-1.x86_64", "a-5-1.x86_64 (from a-4-1.x86_64)", ""),
            ("a-2-8.i686", "a-2-8.i686 (from a-2-9.i686)", ""),
            ("a-2-1.noarch", "", ""),
            ("a-1:2-1.x86_64", "a-1:2-1.x86_64 (from a-4-1.x86_64)", ""),
            // `rpm -qa` says no epoch.
            (
                "e-1-1.x86_64",
                "e-1:1-1.x86_64 (from e-1:2-1.x86_64)",
                "e = 1:1-1, api = 1:1, old = 2",
            ),
            (
                "e-2:1-1.x86_64",
                "e-2:1-1.x86_64 (from e-1:2-1.x86_64)",
                "e = 2:1-1, api = 2:1, old = 2",
            ),
            // What is versioned as the package is has the version of the list.
            (
                "lib-1-9.x86_64",
                "lib-1-9.x86_64 (from lib-2-2.x86_64)",
                listed_provides,
            ),
            // What was found needs no stand-in.
            ("a-1-1.x86_64", "", ""),
            ("b-1-1.x86_64", "", ""),
            ("gone-1-1.x86_64", "", ""),
            (
                "kept-1-1.x86_64",
                "kept-1-1.x86_64 (from kept-2-1.x86_64)",
                "",
            ),
        ] {
            let list = crate::base::parse_list(line).unwrap();
            let looked_up = listed(&list, &repositories, true);
            assert_eq!(looked_up.assumed.join(", "), text, "{line}");
            let [base] = &looked_up.installed[..] else {
                panic!("{line}");
            };
            let found = base.provides.iter().map(ToString::to_string);
            assert_eq!(found.collect::<Vec<_>>().join(", "), provides, "{line}");
            let without = listed(&list, &repositories, false);
            assert_eq!(without.is_assumable, !text.is_empty(), "{line}");
            assert!(
                !looked_up.is_assumable && without.assumed.is_empty(),
                "{line}"
            );
        }
    }

    #[test]
    fn an_installation_has_what_is_recommended() {
        let package = |name: &str, requires: &[&str], recommends: &[&str]| Solvable {
            nevra: Nevra::parse(&format!("{name}-1-1.noarch")).unwrap(),
            requires: requires
                .iter()
                .map(|name| resolve::Dependency::named(name))
                .collect(),
            recommends: recommends
                .iter()
                .map(|name| resolve::Dependency::named(name))
                .collect(),
            ..Solvable::default()
        };
        let available = [
            package("pattern", &["shell"], &["editor"]),
            package("shell", &[], &[]),
            package("editor", &[], &[]),
            package("other", &[], &[]),
        ];
        let names = ["pattern".to_owned()];
        let looked_up = installation(&names, &repository(&available), &Options::default()).unwrap();
        let found: Vec<_> = looked_up
            .installed
            .iter()
            .map(|one| one.nevra.name.as_str())
            .collect();
        assert_eq!(found, ["editor", "pattern", "shell"]);
        let failure = installation(
            &["x".to_owned()],
            &repository(&available),
            &Options::default(),
        )
        .unwrap_err();
        let text = failure.lines().to_string();
        assert_eq!(text, "--base-install: nothing provides requested x");
    }
}
