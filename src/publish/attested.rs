//! Who says of an image that it is what its packages give: the statements that a store has of it.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::path::PathBuf;

use attest::{MAX_BUNDLE, PublicKey};
use files::Links;
use store::{Finding, List, ListedImage, STATEMENT, kinds};

use crate::words::failure::{Failure, Result, store_failure};

/// Longest file of a key that is read, in bytes.
const MAX_KEY_FILE: u64 = 64 << 10;

/// The keys whose word counts, and how many of them have to give it.
pub struct Demand {
    keys: Vec<PublicKey>,
    wanted: usize,
}

impl Demand {
    /// Reads the keys. One that is given twice counts once.
    ///
    /// # Errors
    /// A file has no usable key, or more keys are demanded than were given.
    pub fn open(wanted: NonZero<usize>, paths: &[PathBuf]) -> Result<Self> {
        let mut keys = BTreeMap::new();
        for path in paths {
            let bytes = files::read(path, MAX_KEY_FILE, Links::Follow)?;
            let key = PublicKey::parse(&bytes, &path.display().to_string());
            let key = key.map_err(|error| {
                Failure::refused(error)
                    .hint("to get a key's public half: openssl pkey -in KEY -pubout")
            })?;
            keys.insert(key.id(), key);
        }
        let (wanted, given) = (wanted.get(), keys.len());
        if wanted > given {
            return Err(Failure::usage(format!(
                "--attested {wanted} can't be met by {given} different keys of --attested-by"
            )));
        }
        Ok(Self {
            keys: keys.into_values().collect(),
            wanted,
        })
    }

    /// Says of which images fewer keys than are demanded say how they were built.
    ///
    /// # Errors
    /// The store can't be read.
    pub fn unmet(&self, list: &List) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        for image in list.images().map_err(store_failure)? {
            let (by, reasons) = self.vouchers(list, &image)?;
            if by.len() >= self.wanted {
                continue;
            }
            let mut text = format!("is attested by {} of {} keys", by.len(), self.wanted);
            for reason in reasons {
                text += "; ";
                text += &reason;
            }
            findings.push(Finding::new(&kinds::NOT_ATTESTED, &image.file, text));
        }
        Ok(findings)
    }

    /// Returns which keys vouch for an image, by their places, and why statements do not count.
    fn vouchers(&self, list: &List, image: &ListedImage) -> Result<(BTreeSet<usize>, Vec<String>)> {
        let (mut by, mut reasons) = (BTreeSet::new(), Vec::new());
        let attached = list.attached(&image.file);
        for name in attached.iter().filter(|name| name.ends_with(STATEMENT)) {
            let Some(bytes) = list.read(name, MAX_BUNDLE as u64).map_err(store_failure)? else {
                reasons.push(format!("{name} is not the listed file"));
                continue;
            };
            match attest::open(&bytes, &self.keys) {
                Ok((statement, place)) if statement.is_about(&image.sha256) => {
                    by.insert(place);
                }
                Ok(_) => reasons.push(format!("{name} is about another image")),
                // What others say does not matter here.
                Err(attest::Error::NotSigned) => {}
                Err(problem) => reasons.push(format!("{name} {problem}")),
            }
        }
        Ok((by, reasons))
    }
}
