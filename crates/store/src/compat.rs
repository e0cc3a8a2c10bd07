//! What becomes of each image on other systems: `compat.json`.
//!
//! A host that is about to update its OS wants to know what becomes of its extensions before it
//! restarts. Whoever has the new OS can find out and put the verdicts into the store: `SHA256SUMS`
//! lists the file like an image, so the store's signature covers it, and it can't be served with
//! another list. Its name is no image's, nor does an image's begin like it.
//!
//! ```json
//! {"format": 1,
//!  "bases": {"fedora 43 x86-64": {"os_release": {"ID": "fedora", "VERSION_ID": "43"},
//!                                 "architecture": "x86-64", "known": "files"}},
//!  "images": {"gdb-16-1.x86-64.raw": {"name": "gdb", "sha256": "9f86...",
//!                                     "on": {"fedora 43 x86-64": {"word": "works"}}}}}
//! ```
//!
//! A reader takes it only for the list that it was made for: one that does not judge an image of
//! the list, or judged other bytes, is stale.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::directory::Directory;
use crate::error::Error;
use crate::freshness;
use crate::sums::Sums;
use crate::{Listing, Store};

/// Name of the file.
pub const COMPAT: &str = "compat.json";
/// Most bytes of it: some 20 000 images on 10 systems.
pub const MAX_COMPAT: u64 = 32 << 20;
/// The version of the format.
const FORMAT: u32 = 1;
/// The keys of os-release by which one state of a system is told from another.
const KEYS: [&str; 8] = [
    "ID",
    "VERSION_ID",
    "SYSEXT_LEVEL",
    "VARIANT_ID",
    "BUILD_ID",
    "IMAGE_ID",
    "IMAGE_VERSION",
    "OSTREE_VERSION",
];

/// Verdicts on the images of a store, for several systems.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compatibility {
    format: u32,
    /// The systems, by their names.
    pub bases: BTreeMap<String, JudgedBase>,
    /// The images, by their file names.
    pub images: BTreeMap<String, JudgedImage>,
}

/// A system that images were judged for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedBase {
    /// What of its os-release tells it from others.
    pub os_release: BTreeMap<String, String>,
    /// Its architecture in systemd's spelling, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// How much was known of it.
    pub known: String,
}

/// An image that was judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedImage {
    /// Name of the extension.
    pub name: String,
    /// SHA-256 of the image, in hexadecimal digits.
    pub sha256: String,
    /// What becomes of it, by the name of the system.
    pub on: BTreeMap<String, JudgedWord>,
}

/// What becomes of an image on a system.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JudgedWord {
    /// The word: `works`, `merges`, `unread` or `breaks`.
    pub word: String,
    /// Why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub because: Vec<String>,
}

/// Why verdicts don't count. The text completes the sentence "the verdicts … ".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompatProblem {
    /// The list can't be read.
    #[error("can't be checked: line {0} of SHA256SUMS is not one of a list")]
    List(usize),
    /// The list's last day is over.
    #[error("can't be relied on: the list was good until {0}")]
    Over(crate::BestBefore),
    /// The list does not have it.
    #[error("are not on the list")]
    Unlisted,
    /// The list has it, and the store has not.
    #[error("can't be read: {COMPAT} is on the list, but not there")]
    Missing,
    /// It is not the listed file.
    #[error("are not those on the list: {COMPAT} does not have the SHA-256 that is listed")]
    Digest,
    /// It is not in this format.
    #[error("can't be read: {0}")]
    Format(String),
    /// An image of the list was not judged, or had other bytes.
    #[error("are stale: {0} was not judged")]
    Stale(String),
}

impl JudgedBase {
    /// Makes one of an os-release file.
    #[must_use]
    pub fn new(
        os_release: &BTreeMap<String, String>,
        architecture: Option<&str>,
        known: &str,
    ) -> Self {
        let of_key = |key: &str| Some((key.to_owned(), os_release.get(key)?.clone()));
        Self {
            os_release: KEYS.into_iter().filter_map(of_key).collect(),
            architecture: architecture.map(str::to_owned),
            known: known.to_owned(),
        }
    }

    /// The name: what tells it from others, so that one system has one name.
    #[must_use]
    pub fn name(&self) -> String {
        let mut words = Vec::new();
        for key in KEYS {
            let Some(value) = self.os_release.get(key) else {
                continue;
            };
            words.push(match key {
                "ID" | "VERSION_ID" => value.clone(),
                _ => format!("{key}={value}"),
            });
        }
        words.extend(self.architecture.clone());
        words.join(" ")
    }

    /// Says whether this is the system that `other` describes.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.os_release == other.os_release && self.architecture == other.architecture
    }
}

impl Compatibility {
    /// Makes one without verdicts.
    #[must_use]
    pub fn new() -> Self {
        Self {
            format: FORMAT,
            ..Self::default()
        }
    }

    /// Adds what is known from before: verdicts on the same images, for systems that are not among
    /// those of `self`.
    pub fn extend(&mut self, former: Self) {
        let known: BTreeSet<_> = self.bases.keys().cloned().collect();
        for (file, image) in former.images {
            let Some(own) = self.images.get_mut(&file) else {
                continue;
            };
            if own.sha256 != image.sha256 {
                continue;
            }
            let others = image
                .on
                .into_iter()
                .filter(|(base, _)| !known.contains(base));
            own.on.extend(others);
        }
        for (name, base) in former.bases {
            // One that not all images were judged for is judged for none.
            let has_all = self
                .images
                .values()
                .all(|image| image.on.contains_key(&name));
            if has_all {
                self.bases.entry(name).or_insert(base);
            }
        }
        let bases = &self.bases;
        for image in self.images.values_mut() {
            image.on.retain(|base, _| bases.contains_key(base));
        }
    }

    /// The bytes of the file.
    ///
    /// # Errors
    /// [`CompatProblem::Format`] for more than are read.
    pub fn to_json(&self) -> Result<Vec<u8>, CompatProblem> {
        let failed = |problem: &dyn std::fmt::Display| CompatProblem::Format(problem.to_string());
        let mut json = serde_json::to_vec_pretty(self).map_err(|error| failed(&error))?;
        json.push(b'\n');
        match json.len() as u64 > MAX_COMPAT {
            true => Err(failed(&format_args!("more than {MAX_COMPAT} bytes"))),
            false => Ok(json),
        }
    }

    fn parse(json: &[u8]) -> Result<Self, CompatProblem> {
        let failed = |problem: &dyn std::fmt::Display| CompatProblem::Format(problem.to_string());
        let parsed: Self = serde_json::from_slice(json).map_err(|error| failed(&error))?;
        match parsed.format {
            FORMAT => Ok(parsed),
            other => Err(failed(&format_args!("format {other} is not {FORMAT}"))),
        }
    }

    /// Reads the verdicts that a list vouches for: `json` is the file, `now` the time in seconds
    /// since 1970. That the list itself is signed must have been checked.
    ///
    /// # Errors
    /// Why they don't count.
    pub fn of_list(list: &[u8], json: Option<&[u8]>, now: u64) -> Result<Self, CompatProblem> {
        let sums = Sums::parse(list).map_err(|(line, _)| CompatProblem::List(line))?;
        if let Some(day) = freshness::of(&sums).filter(|day| day.days_after(now) < 0) {
            return Err(CompatProblem::Over(day));
        }
        let listed = sums.get(COMPAT).ok_or(CompatProblem::Unlisted)?;
        let json = json.ok_or(CompatProblem::Missing)?;
        if Sha256::digest(json)[..] != listed[..] {
            return Err(CompatProblem::Digest);
        }
        let mut found = Self::parse(json)?;
        // An image that was withdrawn is on no client's way.
        (found.images).retain(|name, _| sums.get(name).is_some());
        match found.unjudged(&sums) {
            Some(image) => Err(CompatProblem::Stale(image)),
            None => Ok(found),
        }
    }

    /// Returns the first image on a list that was not judged, or had other bytes then.
    fn unjudged(&self, sums: &Sums) -> Option<String> {
        let is_judged = |name: &str, sha256: &[u8; 32]| {
            let judged = self.images.get(name);
            judged.is_some_and(|judged| judged.sha256 == hex::encode(sha256))
        };
        let mut images = sums.entries().iter().filter(|entry| entry.is_image());
        let found = images.find(|entry| !is_judged(&entry.name, &entry.sha256));
        found.map(|entry| entry.name.clone())
    }
}

impl Store {
    /// Puts verdicts into the store: the file and its line on the list, both or neither. Verdicts
    /// on the same images for other systems are kept. Says whether something changed.
    ///
    /// # Errors
    /// Those of [`Store::add`] about the list and the signature; [`Error::Compat`].
    pub fn put_compatibility(
        &self,
        mut new: Compatibility,
        listing: Listing<'_>,
    ) -> Result<bool, Error> {
        if let Some(former) = self.compatibility()? {
            new.extend(former);
        }
        let failed = |problem| Error::Compat {
            path: self.dir().join(COMPAT),
            problem,
        };
        let json = new.to_json().map_err(failed)?;
        self.put_file(COMPAT, Some(&json), listing)
    }

    /// The bytes of the file, if it is there; whether the list has them is not looked at.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::File`].
    pub fn compatibility_file(&self) -> Result<Option<Vec<u8>>, Error> {
        Directory::open(self.dir())?.read_bounded(COMPAT, MAX_COMPAT)
    }

    /// The verdicts that are listed, stale or not; `None` if there are none that count.
    fn compatibility(&self) -> Result<Option<Compatibility>, Error> {
        let list = self.list()?;
        let Some(json) = self.compatibility_file()? else {
            return Ok(None);
        };
        let is_listed =
            (list.sums.get(COMPAT)).is_some_and(|listed| Sha256::digest(&json)[..] == listed[..]);
        Ok(Compatibility::parse(&json).ok().filter(|_| is_listed))
    }
}

/// Says what is wrong with the verdicts on a list; nothing if there are none, or all is well.
pub(crate) fn problem(directory: &Directory, sums: &Sums) -> Result<Option<String>, Error> {
    if sums.get(COMPAT).is_none() {
        return Ok(None);
    }
    let Some(json) = directory.read_bounded(COMPAT, MAX_COMPAT)? else {
        return Ok(None);
    };
    Ok(match Compatibility::parse(&json) {
        Err(problem) => Some(problem.to_string()),
        Ok(found) => (found.unjudged(sums)).map(|image| CompatProblem::Stale(image).to_string()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NAME: &str = "x 2 x86-64";

    fn base(version: &str) -> JudgedBase {
        let pairs = [("ID", "x"), ("VERSION_ID", version), ("NAME", "X")];
        let os_release = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
        JudgedBase::new(&os_release.into(), Some("x86-64"), "files")
    }

    fn image(digest: u8, bases: &[&str]) -> JudgedImage {
        let word = || JudgedWord {
            word: "works".to_owned(),
            because: Vec::new(),
        };
        JudgedImage {
            name: "a".to_owned(),
            sha256: hex::encode([digest; 32]),
            on: bases
                .iter()
                .map(|base| ((*base).to_owned(), word()))
                .collect(),
        }
    }

    fn judged(images: &[(&str, u8)], versions: &[&str]) -> Compatibility {
        let mut found = Compatibility::new();
        let bases: Vec<_> = versions.iter().map(|version| base(version)).collect();
        let names: Vec<_> = bases.iter().map(JudgedBase::name).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        for base in &bases {
            found.bases.insert(base.name(), base.clone());
        }
        for (file, digest) in images {
            found
                .images
                .insert((*file).to_owned(), image(*digest, &names));
        }
        found
    }

    #[test]
    fn a_system_has_one_name() {
        assert_eq!(base("2").name(), NAME);
        let mut other = base("2");
        assert!(other.is(&base("2")));
        other.architecture = None;
        // A base of any architecture answers for none.
        assert!(!other.is(&base("2")) && !base("2").is(&other));
        assert_eq!(other.name(), "x 2");
        other.architecture = Some("arm64".to_owned());
        assert!(!other.is(&base("2")));
        assert!(!base("3").is(&base("2")));
        let mut variant = base("2");
        (variant.os_release).insert("VARIANT_ID".to_owned(), "iot".to_owned());
        assert_eq!(variant.name(), "x 2 VARIANT_ID=iot x86-64");
    }

    #[test]
    fn only_what_the_list_vouches_for_counts() {
        let found = judged(&[("a-1.raw", 1)], &["2"]);
        let json = found.to_json().unwrap();
        let line = |digest: &[u8], name: &str| format!("{}  {name}\n", hex::encode(digest));
        let own = line(&Sha256::digest(&json), COMPAT);
        let a = line(&[1; 32], "a-1.raw");
        let day = line(&Sha256::digest(b""), "BEST-BEFORE-1970-01-10");
        let days = 24 * 60 * 60;
        for (list, json, now, expected) in [
            (a.clone() + &own, Some(&json[..]), 0, Ok(())),
            (a.clone(), Some(&json), 0, Err("are not on the list")),
            (
                a.clone() + &own,
                None,
                0,
                Err("can't be read: compat.json is on the list, but not there"),
            ),
            (
                a.clone() + &line(&[3; 32], COMPAT),
                Some(&json),
                0,
                Err("are not those on the list"),
            ),
            // A new image, and other bytes of one that was judged.
            (
                a.clone() + &line(&[1; 32], "b-1.raw") + &own,
                Some(&json),
                0,
                Err("are stale: b-1.raw was not judged"),
            ),
            (
                line(&[2; 32], "a-1.raw") + &own,
                Some(&json),
                0,
                Err("are stale: a-1.raw was not judged"),
            ),
            (day.clone() + &a + &own, Some(&json), 9 * days, Ok(())),
            (
                day.clone() + &a + &own,
                Some(&json),
                10 * days,
                Err("can't be relied on: the list was good until 1970-01-10"),
            ),
            (
                "x".to_owned(),
                Some(&json),
                0,
                Err("can't be checked: line 1"),
            ),
        ] {
            let read = Compatibility::of_list(list.as_bytes(), json, now);
            match (read, expected) {
                (Ok(read), Ok(())) => assert_eq!(read, found, "{list}"),
                (Err(problem), Err(start)) => {
                    assert!(problem.to_string().starts_with(start), "{list}: {problem}");
                }
                (read, _) => panic!("{list}: {read:?}"),
            }
        }
        // What was said of an image that is gone counts no more.
        let read = Compatibility::of_list(own.as_bytes(), Some(&json), 0).unwrap();
        assert!(read.images.is_empty() && read.bases == found.bases);
        for json in ["", "[]", "{}", r#"{"format":2,"bases":{},"images":{}}"#] {
            assert!(Compatibility::parse(json.as_bytes()).is_err(), "{json}");
        }
    }

    #[test]
    fn verdicts_have_a_largest_length() {
        let bytes = usize::try_from(MAX_COMPAT).unwrap();
        let mut found = judged(&[], &["2"]);
        let room = bytes - found.to_json().unwrap().len();
        let mut base = found.bases.remove(NAME).unwrap();
        base.known += &"x".repeat(room);
        found.bases.insert(NAME.to_owned(), base.clone());
        assert_eq!(found.to_json().unwrap().len(), bytes);
        base.known += "x";
        found.bases.insert(NAME.to_owned(), base);
        assert!(found.to_json().is_err());
    }

    #[test]
    fn verdicts_for_other_systems_are_kept() {
        let images = [("a-1.raw", 1), ("b-1.raw", 2)];
        let mut new = judged(&images, &["3"]);
        new.extend(judged(&images, &["2", "3"]));
        assert_eq!(new, judged(&images, &["2", "3"]));
        // An image that is new was not judged for the other system, and so none is.
        let mut new = judged(&images, &["3"]);
        new.extend(judged(&images[..1], &["2"]));
        assert_eq!(new, judged(&images, &["3"]));
        let mut new = judged(&images[..1], &["3"]);
        new.extend(judged(&images, &["2"]));
        assert_eq!(new, judged(&images[..1], &["2", "3"]));
        let mut new = judged(&[("a-1.raw", 7)], &["3"]);
        new.extend(judged(&[("a-1.raw", 1)], &["2"]));
        assert_eq!(new, judged(&[("a-1.raw", 7)], &["3"]));
    }
}
