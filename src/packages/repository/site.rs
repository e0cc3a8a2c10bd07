//! Where a repository is: what was named, with variables replaced and mirrors looked up.
//!
//! A list of mirrors is fetched as `repomd.xml` is: from the server if it has changed, and kept for
//! runs without a network. Which mirror is asked does not matter, since what comes is checked. So a
//! repository is known by its list, and not by the mirrors that were on it today. Mirrors of a list
//! that came by https are asked by https alone: nobody on the way is to have a say in them.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use rpm_input::repodata::{Checksum, Mirrors};

use crate::packages::repository::download::{Downloads, MAX_SMALL_FILE, Small};
use crate::packages::repository::source::{Address, Place, RepositorySource, address};
use crate::packages::repository::{Variables, url};
use crate::words::digest::sha256;
use crate::words::failure::{Failure, Result, package_failure};

/// Where a repository is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Site {
    /// A directory of this machine.
    Directory(PathBuf),
    /// Web servers.
    Web(Web),
}

/// The web servers that have a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Web {
    /// What the cache knows it by.
    pub id: String,
    /// The repository's URLs, in the order in which they are asked.
    pub bases: Vec<String>,
    /// No proxy is asked.
    pub direct: bool,
    /// `repomd.xml` has one of these checksums, if there are any.
    pub checksums: Vec<Checksum>,
}

impl Site {
    /// Finds out where a repository is.
    pub fn of(
        source: &RepositorySource,
        variables: &Variables,
        downloads: &Downloads<'_>,
    ) -> Result<Self> {
        match &source.place {
            Place::Directory(path) => {
                let path = directory(source, path, variables)?;
                Ok(Self::Directory(path))
            }
            Place::Urls(urls) => of_urls(source, urls, variables),
            Place::Mirrors(list) => {
                let list = expanded(source, list, variables)?;
                of_mirrors(source, &list, variables, downloads)
            }
        }
    }
}

impl Web {
    /// Returns where a file of the repository is.
    pub fn urls(&self, location: &str) -> Vec<String> {
        let bases = self.bases.iter();
        bases.map(|base| url::joined(base, location)).collect()
    }
}

/// Returns the name under which the list of a repository at these URLs is kept.
pub fn identity(urls: &[String]) -> Result<String> {
    let text = urls.join("\n");
    let (_, digest) = sha256(&mut text.as_bytes())
        .map_err(|error| Failure::io("making a name for the cache", error))?;
    Ok(hex::encode(digest))
}

fn expanded(source: &RepositorySource, text: &str, variables: &Variables) -> Result<String> {
    variables.expand(&format!("repository {}", source.name), text)
}

/// Returns a directory. If there is one of that very name, it is meant, whatever is in the name.
fn directory(source: &RepositorySource, path: &Path, variables: &Variables) -> Result<PathBuf> {
    match path.to_str().filter(|path| path.contains('$')) {
        Some(text) if !path.exists() => Ok(expanded(source, text, variables)?.into()),
        _ => Ok(path.to_owned()),
    }
}

/// Returns the directory below another that may be named.
fn within(path: PathBuf, below: &str) -> PathBuf {
    match below {
        "" => path,
        below => path.join(below),
    }
}

fn of_urls(source: &RepositorySource, urls: &[String], variables: &Variables) -> Result<Site> {
    let mut bases = Vec::new();
    let below = expanded(source, &source.below, variables)?;
    for text in urls {
        if let Some(Address::Path(path)) = address(text)?
            && bases.is_empty()
            && path.exists()
        {
            return Ok(Site::Directory(within(path, &below)));
        }
        let text = expanded(source, text, variables)?;
        match address(&text)? {
            Some(Address::Web(base)) if below.is_empty() => bases.push(base),
            Some(Address::Web(base)) => bases.push(url::joined(&base, &below)),
            Some(Address::Path(path)) if bases.is_empty() => {
                return Ok(Site::Directory(within(path, &below)));
            }
            // The URLs before it are asked first; a directory is not a mirror of them.
            Some(Address::Path(_)) => {}
            None => {
                let (name, shown) = (&source.name, fetch::redacted(&text));
                return Err(Failure::usage(format!(
                    "repository {name}: {shown:?} is not a URL"
                )));
            }
        }
    }
    Ok(Site::Web(Web {
        id: identity(&bases)?,
        bases,
        direct: source.direct,
        checksums: Vec::new(),
    }))
}

fn of_mirrors(
    source: &RepositorySource,
    list: &str,
    variables: &Variables,
    downloads: &Downloads<'_>,
) -> Result<Site> {
    let name = &source.name;
    let shown = fetch::redacted(list);
    let read = |bytes: &[u8]| {
        let mut mirrors = match redirector(list).filter(|_| is_page(bytes)) {
            Some(base) => Mirrors {
                bases: vec![base.to_owned()],
                checksums: Vec::new(),
            },
            None => Mirrors::parse(bytes, &shown).map_err(package_failure)?,
        };
        if is_https(list) {
            mirrors.retain(is_https);
        }
        match mirrors.bases.is_empty() {
            false => Ok(mirrors),
            true => Err(Failure::refused(anyhow!(
                "{name}: the list of mirrors came by https, and none of them has https"
            ))
            .hint("give a mirror that you trust with --repo URL")),
        }
    };
    let mirrors = match address(list)? {
        Some(Address::Path(path)) => {
            read(&files::read(path, MAX_SMALL_FILE, files::Links::Follow)?)?
        }
        Some(Address::Web(url)) => {
            let what = format!("the list of mirrors of {name}");
            let urls = [url];
            let wanted = Small {
                id: &format!("mirrors-{}", identity(&urls)?),
                urls: &urls,
                direct: source.direct,
                what: &what,
                accept: &|_| Ok(()),
            };
            let state = downloads.state(&wanted)?;
            let mirrors = read(state.bytes())?;
            downloads.accept(wanted.id, &state)?;
            mirrors
        }
        None => {
            return Err(Failure::usage(format!(
                "repository {name}: {shown:?} is not a URL"
            )));
        }
    };
    let below = expanded(source, &source.below, variables)?;
    // Some lists leave the system's architecture to those who read them.
    let bases = (mirrors.bases.iter())
        .map(|base| {
            Ok(match below.is_empty() {
                true => expanded(source, base, variables)?,
                false => url::joined(&expanded(source, base, variables)?, &below),
            })
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(Site::Web(Web {
        id: identity(&[list.to_owned(), below])?,
        bases,
        direct: source.direct,
        checksums: mirrors.checksums,
    }))
}

/// Returns where the files are that a list at this URL has the mirrors of, if that tells it:
/// openSUSE's servers send requests on to mirrors, and answer `?mirrorlist` with a page for people.
fn redirector(list: &str) -> Option<&str> {
    list.strip_suffix("?mirrorlist")
}

/// Says whether this is a page for people.
fn is_page(bytes: &[u8]) -> bool {
    let start = bytes.trim_ascii_start().get(..9).unwrap_or_default();
    let is = |word: &[u8]| {
        start
            .get(..word.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(word))
    };
    is(b"<!doctype") || is(b"<html")
}

fn is_https(url: &str) -> bool {
    let scheme = url.get(..6).unwrap_or_default();
    scheme.eq_ignore_ascii_case("https:")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packages::repository::download::Settings;
    use crate::words::scratch::Scratch;

    fn variables() -> Variables {
        Variables {
            release: Some("15".to_owned()),
            architecture: "i686".to_owned(),
            ..Variables::default()
        }
    }

    /// Returns where a repository at that place is: its directory, or its URLs.
    fn found(place: Place, below: &str) -> std::result::Result<Vec<String>, String> {
        let settings = Settings::without_network(None);
        let downloads = Downloads::new(&settings).unwrap();
        let source = RepositorySource {
            name: "r".to_owned(),
            place,
            below: below.to_owned(),
            ..RepositorySource::default()
        };
        let site = Site::of(&source, &variables(), &downloads);
        match site.map_err(|failure| failure.source.to_string())? {
            Site::Directory(path) => Ok(vec![path.display().to_string()]),
            Site::Web(web) => Ok(web.bases),
        }
    }

    #[test]
    fn where_repositories_are() {
        let scratch = Scratch::new();
        std::fs::create_dir(scratch.path().join("$arch")).unwrap();
        let in_scratch = |path: &str| scratch.path().join(path);
        let directory = |path: &str| Place::Directory(in_scratch(path));
        let urls = |urls: &[&str]| Place::Urls(urls.iter().map(|url| (*url).to_owned()).collect());
        let file = |path: &str| urls(&[&format!("file://{}", in_scratch(path).display())]);
        let path = |path: &str| Ok(vec![in_scratch(path).display().to_string()]);
        let web = |urls: &[&str]| Ok(urls.iter().map(|url| (*url).to_owned()).collect());
        let unknown = |text: &str| Err(format!("repository r: unknown variable $nosuch in {text}"));
        let nosuch = in_scratch("$nosuch").display().to_string();
        for (place, below, expected) in [
            (directory("a"), "", path("a")),
            (directory("$basearch"), "", path("i386")),
            // A directory of that very name is meant.
            (directory("$arch"), "", path("$arch")),
            (directory("$nosuch"), "", unknown(&nosuch)),
            (file("$releasever/a%20b"), "", path("15/a b")),
            (file("$arch"), "p", path("$arch/p")),
            (file("a"), "$arch/q", path("a/i686/q")),
            (file("$nosuch"), "", unknown(&format!("file://{nosuch}"))),
            (urls(&["dir:/srv"]), "", Ok(vec!["/srv".to_owned()])),
            (
                urls(&["http://a/$releasever", "http://b"]),
                "",
                web(&["http://a/15", "http://b"]),
            ),
            (
                urls(&["http://a/?token", "https://b/c/"]),
                "p/$arch",
                web(&["http://a/p/i686?token", "https://b/c/p/i686"]),
            ),
            // A directory that comes first is the place; one after URLs is not their mirror.
            (
                urls(&["file:///srv", "http://a"]),
                "",
                Ok(vec!["/srv".to_owned()]),
            ),
            (
                urls(&["http://a", "file:///srv", "http://b"]),
                "",
                web(&["http://a", "http://b"]),
            ),
            (
                urls(&["http://b", "http://$nosuch"]),
                "",
                unknown("http://$nosuch"),
            ),
            (
                urls(&["$arch"]),
                "",
                Err("repository r: \"i686\" is not a URL".to_owned()),
            ),
        ] {
            assert_eq!(found(place.clone(), below), expected, "{place:?} {below}");
        }
    }

    #[test]
    fn lists_of_mirrors_in_files() {
        let scratch = Scratch::new();
        let list = scratch.write("15", b"# mirrors\nhttp://a/$releasever/\nhttps://b\n");
        let place = |list: &str| Place::Mirrors(format!("file://{list}"));
        let variable = list.display().to_string().replace("/15", "/$releasever");
        let expected = ["http://a/15/", "https://b"].map(str::to_owned);
        assert_eq!(found(place(&variable), ""), Ok(expected.into()));
        let expected = ["http://a/15/p", "https://b/p"].map(str::to_owned);
        assert_eq!(found(place(&variable), "p"), Ok(expected.into()));
        assert!(found(place("/nosuch"), "").is_err());
        let empty = scratch.write("empty", b"none\n").display().to_string();
        let reason = found(place(&empty), "").unwrap_err();
        assert!(
            reason.ends_with("it names no mirror by http or https"),
            "{reason}"
        );
    }

    #[test]
    fn pages_for_people_are_told_from_lists() {
        for (text, expected) in [
            ("<!DOCTYPE html><html>", true),
            ("\n<html lang=en>", true),
            ("<metalink>", false),
            ("http://a/", false),
            ("", false),
        ] {
            assert_eq!(is_page(text.as_bytes()), expected, "{text}");
        }
        assert_eq!(redirector("http://a/b/?mirrorlist"), Some("http://a/b/"));
        assert_eq!(redirector("http://a/?repo=b"), None);
    }

    #[test]
    fn lists_have_names_by_all_their_urls() {
        let one = ["https://a".to_owned()];
        let [a, b] = ["https://a", "https://b"].map(str::to_owned);
        let (both, turned) = ([a.clone(), b.clone()], [b, a]);
        let name = |urls: &[String]| identity(urls).unwrap();
        // `printf https://a | sha256sum`
        assert_eq!(
            name(&one),
            "44f833239a3830c06cd05a0469cc989dd02c561f2fd1be7c5379b74ccfa78ad6"
        );
        assert_ne!(name(&both), name(&one));
        assert_ne!(name(&both), name(&turned));
    }
}
