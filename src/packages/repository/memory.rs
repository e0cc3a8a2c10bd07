//! What was seen of a repository before, so that what has changed for the worse does not pass
//! without a word: its keys, and its newest state.
//!
//! The keys of a `.repo` file are trusted on first use. Who takes over the server later, or the
//! file, can name another key; and an old list with its old signature, put back in place, hides
//! every update since. Both need to know what was there before. The cache remembers it, under a
//! seal, and so does a lock, which outlives the cache.

use anyhow::anyhow;
use openpgp::Keyring;
use serde::{Deserialize, Serialize};

use crate::findings::{Finding, kinds};
use crate::words::failure::{Failure, Result};

/// What was seen of a repository.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seen {
    /// The highest revision of its list, mostly seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
    /// The fingerprints of its keys that were fetched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<String>,
}

impl Seen {
    /// Returns what two places remember together.
    #[must_use]
    pub fn and(mut self, other: &Self) -> Self {
        self.revision = self.revision.max(other.revision);
        self.keys.extend(other.keys.iter().cloned());
        self.keys.sort();
        self.keys.dedup();
        self
    }

    /// Returns whether nothing was seen.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses keys that were not there before, unless the user gave them. `are_fetched` says that
    /// they come from where the `.repo` file says, and not from a cache that anyone may have
    /// written: such ones must have been there before.
    pub fn check_keys(
        &self,
        name: &str,
        keys: &Keyring,
        given: &Keyring,
        are_fetched: bool,
    ) -> Result<()> {
        let given = fingerprints(given);
        let mut new = fingerprints(keys);
        new.retain(|key| !self.keys.contains(key) && !given.contains(key));
        let reason = match (new.is_empty(), self.keys.is_empty(), are_fetched) {
            (true, ..) | (false, true, true) => return Ok(()),
            (false, false, _) => format!(
                "the key of {name} has changed: was {}, is {}",
                self.keys.join(" "),
                new.join(" ")
            ),
            (false, true, false) => format!(
                "the key of {name} is {}, as a cache says that was not written by this user here",
                new.join(" ")
            ),
        };
        Err(Failure::refused(anyhow!(reason)).hint(
            "compare the fingerprint with what the repository's owner says elsewhere; if it is \
             right, give that key with --keyring FILE",
        ))
    }

    /// Says that a list is older than one that was seen before.
    pub fn check_revision(&self, name: &str, revision: Option<u64>) -> Option<Finding> {
        let (seen, revision) = self.revision.zip(revision)?;
        (revision < seen).then(|| {
            let text =
                format!("{name}: its list is of revision {revision}, {seen} was seen before");
            Finding::new(&kinds::OLDER_METADATA, text)
        })
    }
}

/// Returns the fingerprints of keys.
pub fn fingerprints(keys: &Keyring) -> Vec<String> {
    let keys = keys.keys().into_iter();
    keys.map(|key| key.fingerprint).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &[u8] = include_bytes!("../../../fixtures/keys/test.public.asc");
    const TWO: &[u8] = include_bytes!("../../../fixtures/keys/version6.public.asc");

    #[test]
    fn a_key_that_has_changed_is_refused() {
        let [one, two] = [ONE, TWO].map(|bytes| Keyring::parse(bytes, "").unwrap());
        let [a, b] = [&one, &two].map(|keys| fingerprints(keys)[0].clone());
        let mut both = one.clone();
        both.extend(two.clone());
        let none = Keyring::default();
        let changed = Some(format!("the key of oss has changed: was {a}, is {b}"));
        let planted = Some(format!(
            "the key of oss is {b}, as a cache says that was not written by this user here"
        ));
        for (seen, keys, given, are_fetched, expected) in [
            (&[][..], &one, &none, true, &None),
            (&[&a], &one, &none, true, &None),
            (&[&a], &two, &none, true, &changed),
            // One more is a change, one less is none.
            (&[&a], &both, &none, true, &changed),
            (&[&a, &b], &one, &none, true, &None),
            // What the user gives needs no memory.
            (&[&a], &two, &two, true, &None),
            (&[&a], &two, &one, true, &changed),
            // What anyone may have written is believed only if it was seen.
            (&[], &two, &none, false, &planted),
            (&[&b], &two, &none, false, &None),
            (&[&a], &two, &none, false, &changed),
            (&[], &two, &two, false, &None),
        ] {
            let row = format!("{seen:?} {are_fetched} {expected:?}");
            let seen = Seen {
                revision: None,
                keys: seen.iter().map(|key| (*key).clone()).collect(),
            };
            let found = seen.check_keys("oss", keys, given, are_fetched);
            let found = found.err().map(|failure| failure.source.to_string());
            assert_eq!(&found, expected, "{row}");
        }
    }

    #[test]
    fn a_list_that_goes_back_is_a_finding() {
        for (seen, now, expected) in [
            (None, None, None),
            (None, Some(1), None),
            (Some(7), None, None),
            (Some(7), Some(7), None),
            (Some(7), Some(8), None),
            (
                Some(7),
                Some(6),
                Some("oss: its list is of revision 6, 7 was seen before"),
            ),
        ] {
            let seen = Seen {
                revision: seen,
                keys: Vec::new(),
            };
            let found = seen.check_revision("oss", now);
            assert_eq!(found.as_ref().map(|one| &*one.text), expected);
            assert!(found.is_none_or(|one| one.kind.id == "older-metadata"));
        }
    }

    #[test]
    fn two_memories_are_one() {
        let seen = |revision, keys: &[&str]| Seen {
            revision,
            keys: keys.iter().map(|key| (*key).to_owned()).collect(),
        };
        for (one, other, both) in [
            (seen(None, &[]), seen(None, &[]), seen(None, &[])),
            (
                seen(Some(1), &["b"]),
                seen(None, &["a", "b"]),
                seen(Some(1), &["a", "b"]),
            ),
            (
                seen(Some(1), &[]),
                seen(Some(2), &["a"]),
                seen(Some(2), &["a"]),
            ),
        ] {
            assert_eq!(one.clone().and(&other), both);
            assert_eq!(other.and(&one), both);
            assert_eq!(both.is_nothing(), both == Seen::default());
        }
    }
}
