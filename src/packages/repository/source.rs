//! A repository as a user or a `.repo` file names it.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use resolve::{Catalog, Withheld};

use crate::packages::repository::url;
use crate::words::failure::{Failure, Result};

/// The priority of a repository that states none. The lower one wins, as in zypper and dnf.
pub const DEFAULT_PRIORITY: i32 = 99;

/// A repository as it was named.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct RepositorySource {
    /// How messages call it.
    pub name: String,
    /// The lower one wins.
    pub priority: i32,
    /// Where it is.
    pub place: Place,
    /// The directory below that place; often empty.
    pub below: String,
    /// No proxy is asked for it.
    pub direct: bool,
    /// What is to be checked with which keys.
    pub trust: Trust,
    /// Which of its packages are on offer.
    pub admitted: Admitted,
    /// Its packages are on offer whatever modules say (`module_hotfixes`).
    pub hotfixes: bool,
}

/// Where a repository is. Variables such as `$releasever` may be in URLs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A directory with `repodata/`, or one of RPM files.
    Directory(PathBuf),
    /// The same repository at one or several URLs, in the order in which they are asked.
    Urls(Vec<String>),
    /// A list of mirrors at this URL.
    Mirrors(String),
}

impl Default for Place {
    fn default() -> Self {
        Self::Urls(Vec::new())
    }
}

/// What a `.repo` file says of signatures; nothing where it is silent.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Trust {
    /// `gpgcheck`, `pkg_gpgcheck`: packages must be signed.
    pub packages: Option<bool>,
    /// `repo_gpgcheck`: `repomd.xml` must be signed.
    pub metadata: Option<bool>,
    /// `gpgkey`: URLs of the keys.
    pub keys: Vec<String>,
}

/// Which packages of a repository are on offer, by what dnf calls package specifications.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Admitted {
    /// `includepkgs`: if there are any, these alone.
    pub included: Vec<String>,
    /// `excludepkgs`, `exclude`: not these.
    pub excluded: Vec<String>,
    /// What the user leaves out of all repositories.
    pub asked: Vec<String>,
}

impl Admitted {
    /// Returns the packages that are not on offer, by their index, and who leaves them out.
    pub fn left_out(&self, catalog: &Catalog) -> BTreeMap<usize, Withheld> {
        if [&self.included, &self.excluded, &self.asked]
            .iter()
            .all(|list| list.is_empty())
        {
            return BTreeMap::new();
        }
        let nevras: Vec<_> = (0..catalog.len())
            .map(|index| catalog.nevra(index).unwrap_or_default())
            .collect();
        let meant = |texts: &[String]| -> BTreeSet<usize> {
            let nevras = || nevras.iter().map(Cow::Borrowed);
            texts
                .iter()
                .flat_map(|text| resolve::meant(text, nevras()))
                .collect()
        };
        let mut left_out = meant(&self.excluded);
        if !self.included.is_empty() {
            let included = meant(&self.included);
            left_out.extend((0..nevras.len()).filter(|index| !included.contains(index)));
        }
        let by_repository = left_out.into_iter();
        let by_user = meant(&self.asked).into_iter();
        (by_repository.map(|index| (index, Withheld::NotAdmitted)))
            .chain(by_user.map(|index| (index, Withheld::Excluded)))
            .collect()
    }
}

/// What a URL leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A path on this machine.
    Path(PathBuf),
    /// A place on a web server.
    Web(String),
}

/// Returns what a URL leads to; nothing for what is not a URL.
pub fn address(text: &str) -> Result<Option<Address>> {
    let local = (text.strip_prefix("file:")).or_else(|| text.strip_prefix("dir:"));
    if let Some(path) = local {
        // file:///path, file://localhost/path, file:/path
        let path = match path.strip_prefix("//") {
            Some(rest) => rest
                .find('/')
                .map_or("", |start| rest.get(start..).unwrap_or_default()),
            None => path,
        };
        if path.is_empty() {
            return Err(Failure::usage(format!("{text} has no path")));
        }
        return Ok(Some(Address::Path(url::decoded_path(path))));
    }
    if fetch::is_url(text) {
        return Ok(Some(Address::Web(text.to_owned())));
    }
    let is_scheme = |scheme: &&str| {
        !scheme.is_empty() && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    // Those of zypper's have no host, as in `iso:/?iso=a.iso`.
    let scheme = (text.split_once(":/")).map(|(scheme, _)| scheme);
    match scheme.filter(is_scheme) {
        None => Ok(None),
        Some(scheme) => Err(Failure::usage(format!(
            "{scheme} URLs are not supported, only http, https and file"
        ))
        .hint("for a medium, mount it and give the directory with --repo DIR")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_that_are_not_on_offer() {
        let packages = [
            "a-1-1.noarch",
            "a-lib-1-1.noarch",
            "b-1-1.noarch",
            "b-2-1.i686",
        ];
        let packages = packages.map(|text| resolve::Solvable {
            nevra: resolve::Nevra::parse(text).unwrap(),
            ..resolve::Solvable::default()
        });
        let catalog = Catalog::of(&packages).unwrap();
        for (included, excluded, asked, expected) in [
            (&[][..], &[][..], &[][..], ""),
            (&[], &["a"], &[], "0 repository"),
            (&[], &["a*", "nosuch"], &[], "0 repository, 1 repository"),
            (&[], &["b-1", "*.i686"], &[], "2 repository, 3 repository"),
            (&["b"], &[], &[], "0 repository, 1 repository"),
            (&["a*", "b"], &["a"], &[], "0 repository"),
            (
                &["nosuch"],
                &[],
                &["a"],
                "0 user, 1 repository, 2 repository, 3 repository",
            ),
            (&[], &[], &["b"], "2 user, 3 user"),
        ] {
            let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
            let admitted = Admitted {
                included: owned(included),
                excluded: owned(excluded),
                asked: owned(asked),
            };
            let found = admitted.left_out(&catalog).into_iter();
            let found: Vec<_> = found
                .map(|(index, why)| match why {
                    Withheld::Excluded => format!("{index} user"),
                    Withheld::NotAdmitted => format!("{index} repository"),
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(found.join(", "), expected, "{admitted:?}");
        }
    }

    #[test]
    fn urls_lead_to_paths_and_servers() {
        let path = |path: &str| Ok(Some(Address::Path(path.into())));
        let web = |url: &str| Ok(Some(Address::Web(url.to_owned())));
        let other = |scheme: &str| {
            let text = format!("{scheme} URLs are not supported, only http, https and file");
            Err(text)
        };
        for (text, expected) in [
            ("file:///a%20b", path("/a b")),
            ("file:/a", path("/a")),
            ("file://localhost/a", path("/a")),
            ("dir:///a/b", path("/a/b")),
            ("dir:/a", path("/a")),
            ("http://a/b", web("http://a/b")),
            ("HTTPS://a", web("HTTPS://a")),
            ("/a", Ok(None)),
            ("./a:/b", Ok(None)),
            ("a", Ok(None)),
            ("$url", Ok(None)),
            ("ftp://a/", other("ftp")),
            ("iso:/?iso=a.iso", other("iso")),
            ("file:", Err("file: has no path".to_owned())),
        ] {
            let found = address(text).map_err(|failure| failure.source.to_string());
            assert_eq!(found, expected, "{text}");
        }
    }
}
