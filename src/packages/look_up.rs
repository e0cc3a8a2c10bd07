//! A base that is known by its packages' names: what they provide is looked up in repositories.

use resolve::{Available, Nevra, Options, Pool, Repository, Request, Solvable, Wanted, resolve};

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
}

/// Looks up the packages of a list.
pub fn listed(listed: &[Listed], repositories: &[Repository]) -> LookedUp {
    let mut looked_up = LookedUp::default();
    for one in listed {
        let found = find(one, repositories);
        let solvable = found.and_then(|found| whole(found, repositories));
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
    Ok(LookedUp { installed, found })
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
            let looked_up = listed(&list, &repository(&available));
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
