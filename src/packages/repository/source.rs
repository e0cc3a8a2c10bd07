//! A repository as a user names it.

use std::path::PathBuf;

use crate::packages::repository::url;
use crate::words::failure::{Failure, Result};

/// The priority of a repository that states none. The lower one wins, as in zypper and dnf.
pub const DEFAULT_PRIORITY: i32 = 99;

/// A repository as it was named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepositorySource {
    /// How messages call it.
    pub name: String,
    /// The lower one wins.
    pub priority: i32,
    /// Where it is.
    pub place: Place,
    /// What is to be checked with which keys.
    pub trust: Trust,
}

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// A directory with `repodata/`, or one of RPM files.
    Directory(PathBuf),
    /// The same repository at one or several URLs, in the order in which they are asked. Variables
    /// such as `$releasever` may be in them.
    Urls(Vec<String>),
}

/// What a `.repo` file says of signatures; nothing where it is silent.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// `gpgcheck`, `pkg_gpgcheck`: packages must be signed.
    pub packages: Option<bool>,
    /// `repo_gpgcheck`: `repomd.xml` must be signed.
    pub metadata: Option<bool>,
    /// `gpgkey`: URLs of the keys.
    pub keys: Vec<String>,
}

/// Returns the place that a URL names; nothing for what is no URL.
pub fn place_of_url(text: &str) -> Result<Option<Place>> {
    if let Some(path) = text.strip_prefix("file:") {
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
        return Ok(Some(Place::Directory(url::decoded_path(path))));
    }
    if fetch::is_url(text) {
        return Ok(Some(Place::Urls(vec![text.to_owned()])));
    }
    match text.split_once("://") {
        None => Ok(None),
        Some((scheme, _)) => Err(Failure::usage(format!(
            "{scheme} URLs are not supported, only http, https and file"
        ))),
    }
}
