//! `.repo` files of zypp and dnf.
//!
//! ```text
//! [oss]
//! name=Main repository
//! baseurl=https://example.org/$releasever/$basearch/
//!         https://mirror.example.org/$releasever/$basearch/
//! enabled=1
//! priority=99
//! gpgcheck=1
//! gpgkey=https://example.org/key.asc
//! ```
//!
//! What a key would change about packages or their safety, and is not implemented, is refused, and
//! so is a key that a section has twice with different values. The others of the dozens of keys
//! that there are say how often to look for news and the like.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::anyhow;
use architecture::Architecture;

use crate::packages::repository::source::{
    DEFAULT_PRIORITY, Place, RepositorySource, Trust, place_of_url,
};
use crate::words::failure::{Failure, Result};

/// A file longer than this is no `.repo` file.
const MAX_LENGTH: u64 = 1 << 20;

/// Keys that can't be passed over, with what can be done instead.
const REFUSED: [(&str, &str); 9] = [
    (
        "exclude",
        "it is not supported; name the packages that you want on the command line",
    ),
    (
        "excludepkgs",
        "it is not supported; name the packages that you want on the command line",
    ),
    ("includepkgs", "it is not supported"),
    ("sslclientcert", "client certificates are not supported"),
    (
        "sslcacert",
        "add the CA certificate to the system's, or set SSL_CERT_FILE",
    ),
    ("proxy", "set http_proxy or https_proxy"),
    (
        "username",
        "put it into the baseurl, as in https://USER:PASSWORD@HOST/",
    ),
    (
        "password",
        "put it into the baseurl, as in https://USER:PASSWORD@HOST/",
    ),
    ("module_hotfixes", "modules are not supported"),
];

/// A section's keys with their values; a value of several lines is one with line feeds.
type Section = BTreeMap<String, String>;

/// Reads a `.repo` file and returns its enabled repositories in their order.
pub fn read(path: &Path) -> Result<Vec<RepositorySource>> {
    let refused = |reason: &str| Failure::refused(anyhow!("{}: {reason}", path.display()));
    let text = String::from_utf8(files::read(path, MAX_LENGTH, files::Links::Follow)?)
        .map_err(|_| refused("it is not UTF-8 text"))?;
    parse(&text).map_err(|reason| refused(&reason))
}

fn parse(text: &str) -> std::result::Result<Vec<RepositorySource>, String> {
    let mut sources = Vec::new();
    let sections = sections(text)?;
    for (name, section) in &sections {
        if is_on(section, "enabled", name)? == Some(false) || name == "main" {
            continue;
        }
        sources.push(source(name, section)?);
    }
    match sources.is_empty() {
        true => Err("it has no enabled repository".to_owned()),
        false => Ok(sources),
    }
}

fn sections(text: &str) -> std::result::Result<Vec<(String, Section)>, String> {
    let mut sections: Vec<(String, Section)> = Vec::new();
    let mut last_key: Option<String> = None;
    for (number, line) in text.lines().enumerate() {
        let at = |reason: &str| format!("line {}: {reason}", number + 1);
        let trimmed = line.trim();
        if trimmed.is_empty() || trimmed.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = trimmed.strip_prefix('[') {
            let name = name
                .strip_suffix(']')
                .ok_or_else(|| at("] is missing"))?
                .trim();
            if sections.iter().any(|(other, _)| other == name) {
                return Err(at(&format!("[{name}] occurs twice")));
            }
            sections.push((name.to_owned(), Section::new()));
            last_key = None;
            continue;
        }
        let (_, section) = sections
            .last_mut()
            .ok_or_else(|| at("it must start with a [section]"))?;
        // A line that is set in belongs to the value before it.
        if line.starts_with([' ', '\t'])
            && let Some(value) = last_key.as_ref().and_then(|key| section.get_mut(key))
        {
            value.push('\n');
            value.push_str(trimmed);
            continue;
        }
        let (key, value) = trimmed.split_once('=').ok_or_else(|| at("= is missing"))?;
        let key = key.trim().to_ascii_lowercase();
        // dnf would take the last one; whoever reads the file may see the first.
        let before = section.insert(key.clone(), value.trim().to_owned());
        if before.is_some_and(|before| before != value.trim()) {
            return Err(at(&format!("{key} occurs twice, with different values")));
        }
        last_key = Some(key);
    }
    Ok(sections)
}

fn source(name: &str, section: &Section) -> std::result::Result<RepositorySource, String> {
    for (key, instead) in REFUSED {
        if section.get(key).is_some_and(|value| !value.is_empty()) {
            return Err(format!("[{name}] has {key}: {instead}"));
        }
    }
    if is_on(section, "sslverify", name)? == Some(false) {
        return Err(format!(
            "[{name}] has sslverify=0: certificates are always checked"
        ));
    }
    match section.get("type").map(String::as_str) {
        None | Some("" | "rpm-md" | "rpm" | "yum" | "NONE" | "plaindir") => {}
        Some(other) => {
            return Err(format!(
                "[{name}] is of type {other}; only rpm-md is supported"
            ));
        }
    }
    let priority = match section.get("priority") {
        None => DEFAULT_PRIORITY,
        Some(text) => (text
            .parse()
            .ok()
            .filter(|number| (0..=9999).contains(number)))
        .ok_or_else(|| format!("[{name}] has priority {text:?}, which is not from 0 to 9999"))?,
    };
    Ok(RepositorySource {
        name: name.to_owned(),
        priority,
        place: place(name, section)?,
        trust: Trust {
            packages: packages_signed(section, name)?,
            metadata: is_on(section, "repo_gpgcheck", name)?,
            keys: list(section, "gpgkey"),
        },
    })
}

/// Says whether packages must be signed. zypp has a key for packages alone, and takes `gpgcheck` for
/// the list where that is signed; of the two the stricter word counts.
fn packages_signed(section: &Section, name: &str) -> std::result::Result<Option<bool>, String> {
    let both = is_on(section, "gpgcheck", name)?;
    let packages = is_on(section, "pkg_gpgcheck", name)?;
    Ok(match (both, packages) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        _ => both.or(packages),
    })
}

fn place(name: &str, section: &Section) -> std::result::Result<Place, String> {
    let mut urls = Vec::new();
    for text in list(section, "baseurl") {
        match place_of_url(&text).map_err(|failure| format!("[{name}]: {}", failure.source))? {
            Some(Place::Urls(more)) => urls.extend(more),
            Some(local) if urls.is_empty() => return Ok(local),
            // The URLs before it are asked first; a directory is not a mirror of them.
            Some(_) => {}
            None => {
                let shown = fetch::redacted(&text);
                return Err(format!("[{name}]: baseurl {shown:?} is not a URL"));
            }
        }
    }
    if !urls.is_empty() {
        return Ok(Place::Urls(urls));
    }
    let lists = ["mirrorlist", "metalink"];
    match lists.iter().find(|key| section.contains_key(**key)) {
        Some(key) => Err(format!(
            "[{name}] has a {key} but no baseurl: mirrors differ from day to day, so set baseurl \
             to one of them"
        )),
        None => Err(format!("[{name}] has no baseurl")),
    }
}

/// Returns the words of a value: URLs are separated by white space or commas.
fn list(section: &Section, key: &str) -> Vec<String> {
    let words = section.get(key).map(String::as_str).unwrap_or_default();
    (words
        .split([' ', '\t', '\n', ','])
        .filter(|word| !word.is_empty()))
    .map(str::to_owned)
    .collect()
}

fn is_on(section: &Section, key: &str, name: &str) -> std::result::Result<Option<bool>, String> {
    let Some(text) = section.get(key) else {
        return Ok(None);
    };
    match text.to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Ok(Some(true)),
        "0" | "no" | "false" | "off" => Ok(Some(false)),
        _ => Err(format!(
            "[{name}] has {key}={text}, which is neither 1 nor 0"
        )),
    }
}

/// What `.repo` files may leave open.
#[derive(Clone, Debug, Default)]
pub struct Variables {
    /// `$releasever`: the base's `VERSION_ID`.
    pub release: Option<String>,
    /// `$arch` and `$basearch`: the architecture in RPM's spelling.
    pub architecture: String,
}

impl Variables {
    /// Puts the values of variables into a URL; one that is not known is an error.
    pub fn expand(&self, url: &str) -> std::result::Result<String, String> {
        let mut out = String::with_capacity(url.len());
        let mut rest = url;
        while let Some((before, after)) = rest.split_once('$') {
            out.push_str(before);
            let (name, tail) = match after.strip_prefix('{') {
                Some(braced) => braced.split_once('}').ok_or("} is missing")?,
                None => {
                    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
                    after.split_at(after.find(|letter| !is_name(letter)).unwrap_or(after.len()))
                }
            };
            out.push_str(&self.value(name)?);
            rest = tail;
        }
        out.push_str(rest);
        Ok(out)
    }

    fn value(&self, name: &str) -> std::result::Result<String, String> {
        let release = || {
            (self.release.clone()).ok_or(format!(
                "the base has no VERSION_ID to put in place of \
                ${name}"
            ))
        };
        Ok(match name {
            "releasever" => release()?,
            "releasever_major" => release()?.split('.').next().unwrap_or_default().to_owned(),
            "releasever_minor" => {
                let release = release()?;
                release
                    .split_once('.')
                    .map_or(String::new(), |(_, minor)| minor.to_owned())
            }
            "arch" => self.architecture.clone(),
            "basearch" => match Architecture::of_package(&self.architecture) {
                Some(known) => known.basearch().to_owned(),
                None => self.architecture.clone(),
            },
            other => return Err(format!("unknown variable ${other}")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_each_kind() {
        let text = "# comment\n[main]\ncachedir=/x\n[off]\nenabled=0\nmirrorlist=http://a\n\
             [oss]\nname = Main\nBaseURL=http://a/$releasever/, http://b/\n   https://c/\n\
             gpgcheck=yes\nrepo_gpgcheck=0\ngpgkey=file:///k1\n  https://k2\npriority=10\n\
             autorefresh=1\ntype=rpm-md\n[local]\nbaseurl=file:///srv/r\n";
        let sources = parse(text).unwrap();
        let names: Vec<_> = sources.iter().map(|source| source.name.as_str()).collect();
        assert_eq!(names, ["oss", "local"]);
        let urls = ["http://a/$releasever/", "http://b/", "https://c/"].map(str::to_owned);
        assert_eq!(sources[0].place, Place::Urls(urls.into()));
        assert_eq!(sources[0].priority, 10);
        assert_eq!(
            (sources[0].trust.packages, sources[0].trust.metadata),
            (Some(true), Some(false))
        );
        assert_eq!(sources[0].trust.keys, ["file:///k1", "https://k2"]);
        assert_eq!(sources[1].place, Place::Directory("/srv/r".into()));
        assert_eq!(
            (sources[1].priority, &sources[1].trust),
            (99, &Trust::default())
        );
    }

    #[test]
    fn whether_packages_must_be_signed() {
        for (lines, expected) in [
            ("", None),
            ("gpgcheck=0", Some(false)),
            ("gpgcheck=1", Some(true)),
            ("pkg_gpgcheck=1", Some(true)),
            ("gpgcheck=0\npkg_gpgcheck=1", Some(true)),
            ("gpgcheck=1\npkg_gpgcheck=0", Some(true)),
            ("pkg_gpgcheck=0", Some(false)),
            ("repo_gpgcheck=1", None),
            ("gpgcheck=1\ngpgcheck = 1", Some(true)),
        ] {
            let sources = parse(&format!("[a]\nbaseurl=http://a\n{lines}")).unwrap();
            assert_eq!(sources[0].trust.packages, expected, "{lines}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for (text, reason) in [
            ("", "it has no enabled repository"),
            ("[a]\nenabled=0", "it has no enabled repository"),
            ("baseurl=http://a", "line 1: it must start with a [section]"),
            ("[a", "line 1: ] is missing"),
            ("[a]\nwhat", "line 2: = is missing"),
            ("[a]\nx=1\n[a]", "line 3: [a] occurs twice"),
            (
                "[a]\nbaseurl=http://a\ngpgcheck=1\nGPGCheck = 0",
                "line 4: gpgcheck occurs twice, with different values",
            ),
            (
                "[a]\nbaseurl=http://a\ngpgkey=https://a/1\n  https://a/2\ngpgkey=https://a/1",
                "line 5: gpgkey occurs twice, with different values",
            ),
            ("[a]\nname=x", "[a] has no baseurl"),
            (
                "[a]\nmetalink=http://a",
                "[a] has a metalink but no baseurl: ",
            ),
            ("[a]\nbaseurl=/srv", "[a]: baseurl \"/srv\" is not a URL"),
            ("[a]\nbaseurl=ftp://a", "[a]: ftp URLs are not supported"),
            (
                "[a]\nbaseurl=http://a\nenabled=maybe",
                "[a] has enabled=maybe, which is neither 1 nor 0",
            ),
            (
                "[a]\nbaseurl=http://a\npriority=-1",
                "[a] has priority \"-1\", which is not from 0 to 9999",
            ),
            (
                "[a]\nbaseurl=http://a\ntype=yast2",
                "[a] is of type yast2; only rpm-md is supported",
            ),
            ("[a]\nbaseurl=http://a\nexclude=x", "[a] has exclude: "),
            (
                "[a]\nbaseurl=http://a\nsslverify=0",
                "certificates are always checked",
            ),
        ] {
            let said = parse(text).unwrap_err();
            assert!(said.contains(reason), "{text}: {said}");
        }
    }

    #[test]
    fn variables_of_the_base() {
        let variables = Variables {
            release: Some("15.6".to_owned()),
            architecture: "i686".to_owned(),
        };
        for (url, expected) in [
            ("http://a/$releasever/$basearch/", Ok("http://a/15.6/i386/")),
            ("a${releasever_major}sp${releasever_minor}", Ok("a15sp6")),
            ("$arch", Ok("i686")),
            ("a/$infra/b", Err("unknown variable $infra")),
            ("a${arch", Err("} is missing")),
        ] {
            let found = variables.expand(url);
            assert_eq!(found.as_deref().map_err(String::as_str), expected);
        }
        let rolling = Variables::default();
        assert!(rolling.expand("$releasever").is_err());
    }

    #[test]
    fn what_is_on_and_off() {
        for (words, expected) in [
            (
                &["1", "yes", "Yes", "true", "TRUE", "on"][..],
                Ok(Some(true)),
            ),
            (&["0", "no", "No", "false", "off", "OFF"], Ok(Some(false))),
            (&["2", "", "y", "10"], Err(())),
        ] {
            for word in words {
                let section = Section::from([("key".to_owned(), (*word).to_owned())]);
                let found = is_on(&section, "key", "a").map_err(|_| ());
                assert_eq!(found, expected, "{word}");
                assert_eq!(is_on(&section, "other", "a"), Ok(None));
            }
        }
    }

    #[test]
    fn each_key_that_matters_is_refused_unless_it_is_empty() {
        let keys = [
            "exclude",
            "excludepkgs",
            "includepkgs",
            "sslclientcert",
            "sslcacert",
            "proxy",
            "username",
            "password",
            "module_hotfixes",
        ];
        for key in keys {
            for (value, expected) in [("x", false), ("", true)] {
                let text = format!("[a]\nbaseurl=http://a\n{key}={value}");
                assert_eq!(parse(&text).is_ok(), expected, "{text}");
            }
        }
        for kind in ["", "rpm-md", "rpm", "yum", "NONE", "plaindir"] {
            parse(&format!("[a]\nbaseurl=http://a\ntype={kind}")).unwrap();
        }
    }

    #[test]
    fn which_sections_and_places_count() {
        let urls = |urls: &[&str]| Place::Urls(urls.iter().map(|url| (*url).to_owned()).collect());
        for (text, expected) in [
            (
                "[main]\nkeep=1\n[a]\nbaseurl=http://a",
                vec![("a", urls(&["http://a"]))],
            ),
            (
                "[a]\nbaseurl=http://a\n[b]\nenabled=no\nbaseurl=http://b\n[c]\nenabled=yes\nbaseurl=http://c",
                vec![("a", urls(&["http://a"])), ("c", urls(&["http://c"]))],
            ),
            // What is switched off is not read.
            (
                "[x]\nenabled=0\ntype=yast2\n[a]\nbaseurl=http://a",
                vec![("a", urls(&["http://a"]))],
            ),
            (
                "; c\n# c\n[ a ]\nBaseURL = http://a , http://b\thttp://c",
                vec![("a", urls(&["http://a", "http://b", "http://c"]))],
            ),
            (
                "[a]\nbaseurl=http://a\n\thttp://b\n http://c\nmetalink=http://m",
                vec![("a", urls(&["http://a", "http://b", "http://c"]))],
            ),
            // A directory that comes first is the place; one after URLs is not their mirror.
            (
                "[a]\nbaseurl=file:///srv http://a",
                vec![("a", Place::Directory("/srv".into()))],
            ),
            (
                "[a]\nbaseurl=http://a file:///srv http://b",
                vec![("a", urls(&["http://a", "http://b"]))],
            ),
        ] {
            let sources = parse(text).unwrap();
            let found: Vec<_> = sources
                .into_iter()
                .map(|one| (one.name, one.place))
                .collect();
            let expected: Vec<_> = expected
                .into_iter()
                .map(|(name, place)| (name.to_owned(), place))
                .collect();
            assert_eq!(found, expected, "{text}");
        }
        for (priority, expected) in [
            ("0", Some(0)),
            ("9999", Some(9999)),
            ("10000", None),
            ("", None),
        ] {
            let sources = parse(&format!("[a]\nbaseurl=http://a\npriority={priority}"));
            assert_eq!(sources.ok().map(|sources| sources[0].priority), expected);
        }
    }

    #[test]
    fn a_file_up_to_a_limit() {
        let scratch = crate::words::scratch::Scratch::new();
        let mut text = b"[a]\nbaseurl=http://a\n".to_vec();
        text.resize(1 << 20, b'\n');
        let file = scratch.write("a.repo", &text);
        assert_eq!(read(&file).unwrap().len(), 1);
        text.push(b'\n');
        let file = scratch.write("a.repo", &text);
        let reason = read(&file).unwrap_err().source.to_string();
        assert_eq!(
            reason,
            format!(
                "{} has 1048577 bytes; at most 1048576 are allowed",
                file.display()
            )
        );
        let file = scratch.write("a.repo", b"[a");
        let reason = read(&file).unwrap_err().source.to_string();
        assert_eq!(reason, format!("{}: line 1: ] is missing", file.display()));
    }
}
