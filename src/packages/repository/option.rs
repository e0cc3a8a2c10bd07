//! What `--repo` takes: a directory, a URL or a `.repo` file.

use std::path::{Path, PathBuf};

use crate::packages::repository::repo_file;
use crate::packages::repository::source::{
    Address, DEFAULT_PRIORITY, Place, RepositorySource, address,
};
use crate::words::failure::{Failure, Result};

/// Reads what `--repo` was given: `[NAME=]PLACE[,priority=N]`, where a place is a directory, a
/// URL or a `.repo` file, which may name several repositories.
pub fn named(value: &str) -> Result<Vec<RepositorySource>> {
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
    let one = |place, shown: String| RepositorySource {
        name: name.map_or(shown, str::to_owned),
        priority: priority.unwrap_or(DEFAULT_PRIORITY),
        place,
        ..RepositorySource::default()
    };
    if let Some(address) = address(place)? {
        let shown = match &address {
            Address::Path(path) => path.display().to_string(),
            Address::Web(url) => fetch::redacted(url),
        };
        return Ok(vec![one(Place::Urls(vec![place.to_owned()]), shown)]);
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
        Err(error) => {
            let place = fetch::redacted(place);
            return Err(Failure::io(format!("reading {place}"), error));
        }
        Ok(_) => format!("--repo {place} is neither a directory nor a .repo file"),
    };
    Err(Failure::usage(reason)
        .hint("give a directory, an http, https or file URL, or a .repo file"))
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

/// Returns what [`named`] takes for a repository whose path, if it has one, is
/// relative to `directory`.
pub fn below(directory: &Path, value: &str) -> Result<String> {
    moved(value, |path| directory.join(path))
}

/// Returns what [`named`] takes for a repository whose path, if it has one, is called differently.
pub fn moved(value: &str, called: impl FnOnce(&Path) -> PathBuf) -> Result<String> {
    let (name, place, priority) = parts(value);
    if address(place)?.is_some() {
        return Ok(value.to_owned());
    }
    let path = called(Path::new(place));
    let path = path
        .to_str()
        .ok_or_else(|| Failure::usage(format!("{} is not UTF-8", path.display())))?;
    let name = name.map(|name| format!("{name}=")).unwrap_or_default();
    let priority = priority.map(|number| format!(",priority={number}"));
    Ok(format!("{name}{path}{}", priority.unwrap_or_default()))
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
            ("file:///tmp%20a/b", "/tmp a/b", 99, "file:///tmp%20a/b"),
            ("file://localhost/a", "/a", 99, "file://localhost/a"),
            (
                "https://u:p@a/b?c=d",
                "https://a/b?...",
                99,
                "https://u:p@a/b?c=d",
            ),
            ("x=http://a/,priority=0", "x", 0, "http://a/"),
        ] {
            let sources = named(value).unwrap();
            let place = match value.contains(":/") {
                true => Place::Urls(vec![place.to_owned()]),
                false => Place::Directory(place.into()),
            };
            let expected = RepositorySource {
                name: name.to_owned(),
                priority,
                place,
                ..RepositorySource::default()
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
                "ftp URLs are not supported, only http, https and file",
            ),
            ("file://", "file:// has no path"),
            (
                "/,priority=x",
                "--repo: priority \"x\" is not a number from 0 to 9999",
            ),
        ] {
            let failure = named(value).unwrap_err();
            assert_eq!(failure.source.to_string(), reason);
        }
    }

    #[test]
    fn names_and_priorities_around_a_place() {
        for (value, expected) in [
            ("/a", (None, "/a", None)),
            ("oss=/a", (Some("oss"), "/a", None)),
            ("oss=a=b", (Some("oss"), "a=b", None)),
            ("oss=/a,priority=7", (Some("oss"), "/a", Some("7"))),
            (
                "/a,priority=1,priority=2",
                (None, "/a,priority=1", Some("2")),
            ),
            ("/a,priority=", (None, "/a", Some(""))),
            // A = after what no name has belongs to the place.
            ("/a=b", (None, "/a=b", None)),
            ("./a=b", (None, "./a=b", None)),
            (".a=b", (None, ".a=b", None)),
            ("http://h/?a=b", (None, "http://h/?a=b", None)),
            ("h:a=b", (None, "h:a=b", None)),
            ("=/a", (None, "=/a", None)),
        ] {
            assert_eq!(parts(value), expected, "{value}");
        }
    }

    #[test]
    fn places_beside_a_recipe() {
        for (value, expected) in [
            ("repo", "/recipes/repo"),
            ("oss=repo,priority=7", "oss=/recipes/repo,priority=7"),
            ("oss=/srv", "oss=/srv"),
            ("../a.repo", "/recipes/../a.repo"),
            ("oss=https://a/b,priority=1", "oss=https://a/b,priority=1"),
            ("file:///a", "file:///a"),
        ] {
            assert_eq!(below(Path::new("/recipes"), value).unwrap(), expected);
        }
        assert!(below(Path::new("/recipes"), "ftp://a").is_err());
    }

    #[test]
    fn a_file_names_several() {
        let scratch = crate::words::scratch::Scratch::new();
        let text = "[a]\nbaseurl=http://a\npriority=5\n[b]\nbaseurl=http://b\n";
        let file = scratch.write("x.repo", text.as_bytes());
        let file = file.to_str().unwrap();
        for (value, expected) in [
            (file.to_owned(), [("a", 5), ("b", 99)]),
            (format!("n={file}"), [("n:a", 5), ("n:b", 99)]),
            (format!("{file},priority=7"), [("a", 7), ("b", 7)]),
        ] {
            let sources = named(&value).unwrap();
            let found: Vec<_> = sources
                .iter()
                .map(|one| (&*one.name, one.priority))
                .collect();
            assert_eq!(found, expected);
        }
        assert!(named(&format!("{file},priority=10000")).is_err());
        assert!(named(&format!("{file},priority=-1")).is_err());
    }
}
