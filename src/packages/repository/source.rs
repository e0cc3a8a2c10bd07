//! Repositories as a user names them: what `--repo` takes.

use std::path::{Path, PathBuf};

use crate::packages::repository::repo_file;
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

impl RepositorySource {
    /// Reads what `--repo` was given: `[NAME=]PLACE[,priority=N]`, where a place is a directory, a
    /// URL or a `.repo` file, which may name several repositories.
    pub fn parse(value: &str) -> Result<Vec<Self>> {
        let (name, place, priority) = parts(value);
        let priority = match priority.map(str::parse) {
            None => None,
            Some(Ok(number @ 0..=9999)) => Some(number),
            Some(_) => {
                return Err(Failure::usage(format!(
                    "--repo: priority {:?} is not a number from 0 to 9999",
                    priority.unwrap_or_default()
                )));
            }
        };
        let one = |place, shown: String| Self {
            name: name.map_or(shown, str::to_owned),
            priority: priority.unwrap_or(DEFAULT_PRIORITY),
            place,
            trust: Trust::default(),
        };
        if let Some(place) = place_of_url(place)? {
            let shown = match &place {
                Place::Directory(path) => path.display().to_string(),
                Place::Urls(urls) => urls
                    .first()
                    .map(|url| fetch::redacted(url))
                    .unwrap_or_default(),
            };
            return Ok(vec![one(place, shown)]);
        }
        let path = Path::new(place);
        if path.is_dir() {
            let place = Place::Directory(path.to_owned());
            return Ok(vec![one(place, path.display().to_string())]);
        }
        if path
            .extension()
            .is_some_and(|extension| extension == "repo")
        {
            let mut sources = repo_file::read(path)?;
            for source in &mut sources {
                source.priority = priority.unwrap_or(source.priority);
                if let Some(name) = name {
                    source.name = format!("{name}:{}", source.name);
                }
            }
            return Ok(sources);
        }
        let reason = match path.metadata() {
            Err(error) => return Err(Failure::io(format!("reading {place}"), error)),
            Ok(_) => format!("--repo {place} is neither a directory nor a .repo file"),
        };
        Err(Failure::usage(reason)
            .hint("name a directory, an http, https or file URL, or a .repo file"))
    }
}

/// Takes `[NAME=]PLACE[,priority=N]` apart.
fn parts(value: &str) -> (Option<&str>, &str, Option<&str>) {
    let (value, priority) = match value.rsplit_once(",priority=") {
        None => (value, None),
        Some((rest, number)) => (rest, Some(number)),
    };
    let is_name =
        |text: &str| !text.is_empty() && !text.contains(['/', ':', '?']) && !text.starts_with('.');
    match value.split_once('=') {
        Some((name, place)) if is_name(name) => (Some(name), place, priority),
        _ => (None, value, priority),
    }
}

/// Returns what [`RepositorySource::parse`] takes for a repository whose path, if it has one, is
/// relative to `directory`.
pub fn below(directory: &Path, value: &str) -> Result<String> {
    let (name, place, priority) = parts(value);
    if place_of_url(place)?.is_some() {
        return Ok(value.to_owned());
    }
    let path = directory.join(place);
    let path = path
        .to_str()
        .ok_or_else(|| Failure::usage(format!("{} is not UTF-8", path.display())))?;
    let name = name.map(|name| format!("{name}=")).unwrap_or_default();
    let priority = priority.map(|number| format!(",priority={number}"));
    Ok(format!("{name}{path}{}", priority.unwrap_or_default()))
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
            return Err(Failure::usage(format!("{text} names no path")));
        }
        return Ok(Some(Place::Directory(url::decoded_path(path))));
    }
    if fetch::is_url(text) {
        return Ok(Some(Place::Urls(vec![text.to_owned()])));
    }
    match text.split_once("://") {
        None => Ok(None),
        Some((scheme, _)) => Err(Failure::usage(format!(
            "{scheme} URLs can't be read, only http, https and file"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_option() {
        for (value, name, priority, place) in [
            ("/", "/", 99, "/"),
            ("oss=/", "oss", 99, "/"),
            ("oss=/,priority=5", "oss", 5, "/"),
            ("file:///tmp%20a/b", "/tmp a/b", 99, "/tmp a/b"),
            ("file://localhost/a", "/a", 99, "/a"),
            (
                "https://u:p@a/b?c=d",
                "https://a/b?...",
                99,
                "https://u:p@a/b?c=d",
            ),
            ("x=http://a/,priority=0", "x", 0, "http://a/"),
        ] {
            let sources = RepositorySource::parse(value).unwrap();
            let place = match value.contains("http") {
                true => Place::Urls(vec![place.to_owned()]),
                false => Place::Directory(place.into()),
            };
            let expected = RepositorySource {
                name: name.to_owned(),
                priority,
                place,
                trust: Trust::default(),
            };
            assert_eq!(sources, [expected], "{value}");
        }
        for (value, reason) in [
            ("/nosuch", "reading /nosuch"),
            (
                "/dev/null",
                "--repo /dev/null is neither a directory nor a .repo file",
            ),
            (
                "ftp://a/",
                "ftp URLs can't be read, only http, https and file",
            ),
            ("file://", "file:// names no path"),
            (
                "/,priority=x",
                "--repo: priority \"x\" is not a number from 0 to 9999",
            ),
        ] {
            let failure = RepositorySource::parse(value).unwrap_err();
            assert_eq!(failure.source.to_string(), reason);
        }
    }
}
