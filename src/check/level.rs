//! A `SYSEXT_LEVEL` made of what images use of their base.
//!
//! The level is a digest of the libraries that the files of some images take from the base, by
//! soname, with the versions of symbols that they ask for. A base has the level if it has all of
//! that, so a distribution may put it into the os-release of every base over which the images
//! pass, and images that state it stay merged through updates that change nothing they use.
//!
//! It has limits. A library without versioned symbols is known by its soname alone. What is loaded
//! at run time, configuration, data files and the behaviour behind a symbol are not in it. And it
//! is that of a set of images: one that needs more makes another level.

use std::collections::{BTreeMap, BTreeSet};

use linkage::Needs;
use serde::Serialize;

use crate::words::digest::sha256;
use crate::words::failure::{Failure, Result};

/// Starts every level, so that nobody takes it for a version.
const PREFIX: &str = "abi-";
/// Digits of the digest that are kept: 64 bits, against accidents and not against an enemy, who
/// could state any level anyway.
const DIGITS: usize = 16;

/// A level, and what is in it.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Level {
    /// The value for `SYSEXT_LEVEL`.
    pub level: String,
    /// Libraries by soname, with the versions of symbols that are used.
    pub libraries: BTreeMap<String, BTreeSet<String>>,
}

impl Level {
    /// Makes the level of a set of images from what each needs.
    pub fn of<'a>(needs: impl Iterator<Item = &'a Needs>) -> Result<Self> {
        let mut libraries: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (soname, versions) in needs.flat_map(|needs| &needs.libraries) {
            let known = libraries.entry(soname.clone()).or_default();
            known.extend(versions.iter().cloned());
        }
        let mut text = String::new();
        for (soname, versions) in &libraries {
            text += &format!("{soname}\n");
            for version in versions {
                text += &format!("{soname} {version}\n");
            }
        }
        let (_, digest) = sha256(&mut text.as_bytes())
            .map_err(|error| Failure::io("hashing the names of libraries", error))?;
        let mut level = PREFIX.to_owned() + &hex::encode(digest);
        level.truncate(PREFIX.len() + DIGITS);
        Ok(Self { level, libraries })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(libraries: &[(&str, &[&str])]) -> Needs {
        let versions = |versions: &[&str]| {
            versions
                .iter()
                .map(|version| (*version).to_owned())
                .collect()
        };
        Needs {
            libraries: libraries
                .iter()
                .map(|(soname, asked)| ((*soname).to_owned(), versions(asked)))
                .collect(),
            ..Needs::default()
        }
    }

    #[test]
    fn a_level_is_that_of_a_set() {
        let level = |needs: &[Needs]| Level::of(needs.iter()).unwrap().level;
        let z = needs(&[("libz.so.1", &["ZLIB_1.2.9"])]);
        let c = needs(&[("libc.so.6", &["GLIBC_2.34", "GLIBC_2.38"])]);
        let both = needs(&[
            ("libc.so.6", &["GLIBC_2.34", "GLIBC_2.38"]),
            ("libz.so.1", &["ZLIB_1.2.9"]),
        ]);
        let newer = needs(&[("libc.so.6", &["GLIBC_2.34", "GLIBC_2.39"])]);
        let bare = needs(&[("libz.so.1", &[])]);
        let set = [z, c];
        assert_eq!(level(&set), level(&[both]));
        // If this is intentional, change the value: images in the field state it.
        assert_eq!(level(&set[..1]), "abi-8b656cd4bffe1a2c");
        let levels: BTreeSet<_> = [level(&set[..1]), level(&set[1..]), level(&set)]
            .into_iter()
            .chain([level(&[newer]), level(&[bare]), level(&[])])
            .collect();
        assert_eq!(levels.len(), 6);
    }
}
