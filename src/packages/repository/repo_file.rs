//! `.repo` files of zypp and dnf: what their keys mean.
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
use rpm_input::repo_file::{Section, sections};

use crate::packages::repository::source::{
    Address, Admitted, DEFAULT_PRIORITY, Place, RepositorySource, Trust, address,
};
use crate::words::failure::{Failure, Result};

/// A file longer than this is no `.repo` file.
const MAX_LENGTH: u64 = 1 << 20;

/// Keys that can't be passed over, with what can be done instead.
const REFUSED: [(&str, &str); 4] = [
    ("sslclientcert", "client certificates are not supported"),
    (
        "sslcacert",
        "add the CA certificate to the system's, or set SSL_CERT_FILE",
    ),
    (
        "username",
        "put it into the baseurl, as in https://USER:PASSWORD@HOST/",
    ),
    (
        "password",
        "put it into the baseurl, as in https://USER:PASSWORD@HOST/",
    ),
];

/// A section's keys with their values; a value of several lines is one with line feeds.
type Keys = BTreeMap<String, String>;

/// Reads a `.repo` file and returns its enabled repositories in their order.
pub fn read(path: &Path) -> Result<Vec<RepositorySource>> {
    let bytes = files::read(path, MAX_LENGTH, files::Links::Follow)?;
    parse(&bytes).map_err(|reason| Failure::refused(anyhow!("{}: {reason}", path.display())))
}

fn parse(bytes: &[u8]) -> std::result::Result<Vec<RepositorySource>, String> {
    let mut sources = Vec::new();
    for Section { name, keys } in sections(bytes)? {
        if name == "main" || is_on(&keys, "enabled", &name)? == Some(false) {
            continue;
        }
        sources.push(source(&name, &keys)?);
    }
    match sources.is_empty() {
        true => Err("it has no enabled repository".to_owned()),
        false => Ok(sources),
    }
}

fn source(name: &str, section: &Keys) -> std::result::Result<RepositorySource, String> {
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
        below: (section
            .get("path")
            .map(|path| path.trim_matches('/').to_owned()))
        .unwrap_or_default(),
        direct: is_direct(name, section)?,
        trust: Trust {
            packages: packages_signed(section, name)?,
            metadata: is_on(section, "repo_gpgcheck", name)?,
            keys: urls(section, "gpgkey"),
        },
        admitted: Admitted {
            included: list(section, "includepkgs"),
            excluded: [list(section, "excludepkgs"), list(section, "exclude")].concat(),
            asked: Vec::new(),
        },
        hotfixes: is_on(section, "module_hotfixes", name)? == Some(true),
    })
}

/// Says whether no proxy is to be asked. A proxy of one repository's own is not supported.
fn is_direct(name: &str, section: &Keys) -> std::result::Result<bool, String> {
    match section.get("proxy").map(String::as_str) {
        None | Some("") => Ok(false),
        Some("_none_") => Ok(true),
        Some(_) => Err(format!(
            "[{name}] has a proxy of its own: set http_proxy or https_proxy instead"
        )),
    }
}

/// Says whether packages must be signed. zypp has a key for packages alone, and takes `gpgcheck` for
/// the list where that is signed; of the two the stricter word counts.
fn packages_signed(section: &Keys, name: &str) -> std::result::Result<Option<bool>, String> {
    let both = is_on(section, "gpgcheck", name)?;
    let packages = is_on(section, "pkg_gpgcheck", name)?;
    Ok(match (both, packages) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        _ => both.or(packages),
    })
}

/// Returns where a repository is. Where there are URLs and a list of mirrors, the URLs are taken,
/// since the file names them.
fn place(name: &str, section: &Keys) -> std::result::Result<Place, String> {
    let bases = urls(section, "baseurl");
    for text in &bases {
        check_url(name, "baseurl", text)?;
    }
    if !bases.is_empty() {
        return Ok(Place::Urls(bases));
    }
    for key in ["metalink", "mirrorlist"] {
        if let [list, ..] = &urls(section, key)[..] {
            check_url(name, key, list)?;
            return Ok(Place::Mirrors(list.clone()));
        }
    }
    Err(format!("[{name}] has no baseurl, metalink or mirrorlist"))
}

/// Refuses what is not a URL. What begins with a variable is not known yet.
fn check_url(name: &str, key: &str, text: &str) -> std::result::Result<(), String> {
    match address(text).map_err(|failure| format!("[{name}]: {}", failure.source))? {
        Some(Address::Path(_) | Address::Web(_)) => Ok(()),
        None if text.starts_with('$') => Ok(()),
        None => {
            let shown = fetch::redacted(text);
            Err(format!("[{name}]: {key} {shown:?} is not a URL"))
        }
    }
}

/// Returns the URLs of a value, without a comment after them.
fn urls(section: &Keys, key: &str) -> Vec<String> {
    let words = list(section, key).into_iter();
    words
        .take_while(|word| !word.starts_with([';', '#']))
        .collect()
}

/// Returns the words of a value, which white space or commas separate.
fn list(section: &Keys, key: &str) -> Vec<String> {
    let words = section.get(key).map(String::as_str).unwrap_or_default();
    (words
        .split([' ', '\t', '\n', ','])
        .filter(|word| !word.is_empty()))
    .map(str::to_owned)
    .collect()
}

fn is_on(section: &Keys, key: &str, name: &str) -> std::result::Result<Option<bool>, String> {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> std::result::Result<Vec<RepositorySource>, String> {
        parse(text.as_bytes())
    }

    #[test]
    fn a_file_of_each_kind() {
        let text = "# comment\n[main]\ncachedir=/x\n[off]\nenabled=0\nmirrorlist=http://a\n\
             [oss]\nname = Main\nBaseURL=http://a/$releasever/, http://b/\n   https://c/\n\
             gpgcheck=yes\nrepo_gpgcheck=0\ngpgkey=file:///k1\n  https://k2\npriority=10\n\
             autorefresh=1\ntype=rpm-md\n[local]\nbaseurl=file:///srv/r\n";
        let sources = parsed(text).unwrap();
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
        assert_eq!(
            sources[1].place,
            Place::Urls(vec!["file:///srv/r".to_owned()])
        );
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
            let sources = parsed(&format!("[a]\nbaseurl=http://a\n{lines}")).unwrap();
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
            ("[a]\nname=x", "[a] has no baseurl, metalink or mirrorlist"),
            ("[a]\nmetalink=a", "[a]: metalink \"a\" is not a URL"),
            (
                "[a]\nbaseurl=iso:/?iso=a.iso",
                "[a]: iso URLs are not supported",
            ),
            (
                "[a]\nbaseurl=http://a\nmodule_hotfixes=x",
                "[a] has module_hotfixes=x",
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
            (
                "[a]\nbaseurl=http://a\nproxy=http://b",
                "[a] has a proxy of its own: ",
            ),
            (
                "[a]\nbaseurl=http://a\nsslverify=0",
                "certificates are always checked",
            ),
        ] {
            let said = parsed(text).unwrap_err();
            assert!(said.contains(reason), "{text}: {said}");
        }
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
                let section = Keys::from([("key".to_owned(), (*word).to_owned())]);
                let found = is_on(&section, "key", "a").map_err(|_| ());
                assert_eq!(found, expected, "{word}");
                assert_eq!(is_on(&section, "other", "a"), Ok(None));
            }
        }
    }

    #[test]
    fn each_key_that_matters_is_refused_unless_it_is_empty() {
        let keys = [
            "sslclientcert",
            "sslcacert",
            "proxy",
            "username",
            "password",
        ];
        for key in keys {
            for (value, expected) in [("x", false), ("", true)] {
                let text = format!("[a]\nbaseurl=http://a\n{key}={value}");
                assert_eq!(parsed(&text).is_ok(), expected, "{text}");
            }
        }
        for kind in ["", "rpm-md", "rpm", "yum", "NONE", "plaindir"] {
            parsed(&format!("[a]\nbaseurl=http://a\ntype={kind}")).unwrap();
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
            (
                "[a]\nbaseurl=file:///srv/$arch ; not http://b",
                vec![("a", urls(&["file:///srv/$arch"]))],
            ),
            (
                "[a]\nbaseurl=$site/a\n[b]\nbaseurl=\nmetalink=http://m?a=$arch\nmirrorlist=http://l",
                vec![
                    ("a", urls(&["$site/a"])),
                    ("b", Place::Mirrors("http://m?a=$arch".to_owned())),
                ],
            ),
            (
                "[a]\nmirrorlist=file:///l",
                vec![("a", Place::Mirrors("file:///l".to_owned()))],
            ),
        ] {
            let sources = parsed(text).unwrap();
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
            let sources = parsed(&format!("[a]\nbaseurl=http://a\npriority={priority}"));
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

    #[test]
    fn what_else_a_repository_says() {
        let text = "[a]\nbaseurl=dir:///m\npath=/Module/\nproxy=_none_\nmodule_hotfixes=1\n\
                    exclude=a b*\nexcludepkgs=c,d\nincludepkgs=e\n f\n[b]\nbaseurl=http://b\n\
                    module_hotfixes=false\nproxy=\n";
        let [a, b] = &parsed(text).unwrap()[..] else {
            panic!("not two repositories");
        };
        assert_eq!((&*a.below, a.direct, a.hotfixes), ("Module", true, true));
        assert_eq!(a.admitted.excluded, ["c", "d", "a", "b*"]);
        assert_eq!(a.admitted.included, ["e", "f"]);
        assert_eq!((&*b.below, b.direct, b.hotfixes), ("", false, false));
        assert_eq!(b.admitted, Admitted::default());
    }
}
