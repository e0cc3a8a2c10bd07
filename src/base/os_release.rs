//! os-release: which system a base is.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use anyhow::anyhow;

use crate::words::failure::{Failure, Result};

/// An os-release file longer than this is none.
const MAX_OS_RELEASE: u64 = 64 * 1024;

/// The keys of an os-release file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsRelease(BTreeMap<String, String>);

impl OsRelease {
    /// Reads an os-release file, which must have an `ID`.
    pub fn read(path: &Path) -> Result<Self> {
        let doing = || format!("reading {}", path.display());
        let file = std::fs::File::open(path).map_err(|error| Failure::io(doing(), error))?;
        let mut bytes = Vec::new();
        file.take(MAX_OS_RELEASE + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| Failure::io(doing(), error))?;
        let refused = |problem: String| {
            Failure::refused(anyhow!(
                "{} is not an os-release file: {problem}",
                path.display()
            ))
        };
        if bytes.len() as u64 > MAX_OS_RELEASE {
            return Err(refused(format!("it is longer than {MAX_OS_RELEASE} bytes")));
        }
        let text = String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8".to_owned()))?;
        let os_release = Self::parse(&text).map_err(refused)?;
        if os_release.get("ID").is_none() {
            return Err(refused("it has no ID".to_owned()));
        }
        Ok(os_release)
    }

    /// Returns the keys of a system that is not described by a file of its own.
    pub fn of(keys: BTreeMap<String, String>) -> Self {
        Self(keys)
    }

    /// Reads the text of an os-release file, in the syntax of os-release(5): `KEY=value` with
    /// shell quoting, comments, CRLF and a missing last newline allowed. Nothing is expanded.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let mut keys = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = line
                .split_once('=')
                .ok_or_else(|| format!("line {} has no '='", number + 1))?;
            let value =
                unquoted(value).ok_or_else(|| format!("line {} has an open quote", number + 1))?;
            keys.insert(key.trim().to_owned(), value);
        }
        Ok(Self(keys))
    }

    /// Returns the value of a key, if it is there and not empty.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Returns a short description: the name and the version that decides.
    pub fn described(&self) -> String {
        let name = self.get("NAME").or(self.get("ID")).unwrap_or("unnamed");
        match self.get("VERSION_ID") {
            Some(version) => format!("{name} {version}"),
            None => format!("{name} (rolling, no VERSION_ID)"),
        }
    }

    /// Says whether a base of which no file is known has `/usr/sbin` merged: Fedora since 42 has.
    pub fn merges_sbin(&self) -> bool {
        let version = self.get("VERSION_ID");
        self.get("ID") == Some("fedora")
            && version
                .and_then(|version| version.parse::<u32>().ok())
                .is_some_and(|version| version >= 42)
    }

    /// Returns all keys with their values.
    pub fn into_keys(self) -> BTreeMap<String, String> {
        self.0
    }
}

/// Takes the quotes and backslashes off a value.
fn unquoted(value: &str) -> Option<String> {
    let mut out = String::new();
    let mut quote = None;
    let mut characters = value.trim().chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\'' | '"', None) => quote = Some(character),
            (_, Some(open)) if character == open => quote = None,
            ('\\', None | Some('"')) => out.push(characters.next()?),
            _ => out.push(character),
        }
    }
    quote.is_none().then_some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_syntax() {
        let text = "# comment\r\nID=opensuse-tumbleweed\r\nNAME=\"open \\\"SUSE\\\"\"\n\
                    ID_LIKE='opensuse suse'\n\nVERSION_ID=20241010";
        let os_release = OsRelease::parse(text).unwrap();
        for (key, value) in [
            ("ID", Some("opensuse-tumbleweed")),
            ("NAME", Some("open \"SUSE\"")),
            ("ID_LIKE", Some("opensuse suse")),
            ("VERSION_ID", Some("20241010")),
            ("SYSEXT_LEVEL", None),
        ] {
            assert_eq!(os_release.get(key), value, "{key}");
        }
        assert_eq!(
            OsRelease::parse("ID=a\nwhat"),
            Err("line 2 has no '='".to_owned())
        );
        assert_eq!(
            OsRelease::parse("ID=\"a"),
            Err("line 1 has an open quote".to_owned())
        );
    }

    #[test]
    fn sbin_is_merged_where_the_release_says_so() {
        for (text, merged) in [
            ("ID=fedora\nVERSION_ID=42", true),
            ("ID=fedora\nVERSION_ID=41", false),
            ("ID=debian\nVERSION_ID=13", false),
        ] {
            assert_eq!(
                OsRelease::parse(text).unwrap().merges_sbin(),
                merged,
                "{text}"
            );
        }
    }
}
