//! Stores that images are taken from: verified before anything of them is used.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use openpgp::Keyring;
use store::{List, ListedImage, SIGNATURE, SUMS, Store, kinds};

use crate::publish::signing::{self, Notes, Signer};
use crate::words::failure::{Failure, Result, store_failure};

/// One list that images are taken from.
#[derive(Debug)]
pub struct Source {
    /// Its directory.
    pub path: PathBuf,
    /// That directory below the store: empty, or the name of an extension.
    pub below: PathBuf,
    /// The list, as it was when it was verified.
    pub list: List,
    /// Its images, in the order of [`ListedImage::order`].
    pub images: Vec<ListedImage>,
    /// Fingerprint of the key by which it is signed.
    pub signed_by: Option<String>,
}

/// By what a source is verified.
pub struct Verifier {
    /// Keys of which one must have signed; none if none were given.
    pub given: Keyring,
    /// Keys of which one must have signed what is signed.
    pub known: Keyring,
    /// What was signed last, where a list that came before is refused.
    pub notes: Option<Notes>,
    /// The time of the check, in seconds since 1970.
    pub now: u64,
}

impl Verifier {
    /// Knows the key that signs here; without one, those that are published in `target`.
    pub fn new(given: Keyring, signer: Option<&Signer>, target: &[PathBuf], now: u64) -> Self {
        let mut known = Keyring::default();
        match signer {
            Some(signer) => known.extend(signer.public()),
            None => {
                let stores = target
                    .iter()
                    .filter_map(|path| Store::open_for_reading(path).ok());
                for store in stores {
                    // What is wrong with these keys is said by whatever changes that store.
                    known.extend(
                        signing::published_keys(&store)
                            .ok()
                            .flatten()
                            .unwrap_or_default(),
                    );
                }
            }
        }
        Self {
            given,
            known,
            notes: None,
            now,
        }
    }

    /// Reads and verifies the lists of a store.
    pub fn open(&self, root: &Path) -> Result<Vec<Source>> {
        super::demand_list(root)?;
        let directories = super::directories(root)?;
        directories
            .iter()
            .map(|path| self.source(root, path))
            .collect()
    }

    fn source(&self, root: &Path, path: &Path) -> Result<Source> {
        let store = Store::open_for_reading(path).map_err(store_failure)?;
        let list = store.list().map_err(store_failure)?;
        let signed_by = self.check_signature(&store, &list)?;
        if let Some(day) = list.best_before() {
            let at = |failure: Failure| failure.at(path.join(SUMS).display());
            day.check(self.now)
                .map_err(|problem| at(store_failure(problem.into())))?;
        }
        if let Some(notes) = &self.notes {
            let serial = store
                .issued()
                .map_err(store_failure)?
                .map(|issued| issued.serial);
            let last = notes.last(path, serial.as_ref());
            let setback = last.map(|last| store.setback(&last)).transpose();
            if let Some(problem) = setback.map_err(store_failure)?.flatten() {
                let path = path.join(SUMS);
                return Err(store_failure(store::Error::Setback { path, problem }));
            }
        }
        Ok(Source {
            path: path.to_owned(),
            below: path.strip_prefix(root).unwrap_or(Path::new("")).to_owned(),
            images: list.images().map_err(store_failure)?,
            list,
            signed_by,
        })
    }

    /// Returns the fingerprint of the key by which a list is signed; `None` if it is not signed, and
    /// need not be.
    fn check_signature(&self, store: &Store, list: &List) -> Result<Option<String>> {
        let path = store.dir().join(SIGNATURE);
        let hint = "give the key by which it is to be signed: --keyring FILE";
        let Some(signature) = store.signature().map_err(store_failure)? else {
            if store.needs_signer().map_err(store_failure)? {
                return Err(store_failure(store::Error::SignatureMissing { path }));
            }
            if !self.given.is_empty() {
                let list = store.dir().join(SUMS);
                let text = anyhow!("{} is not signed", list.display());
                return Err(Failure::refused(text)
                    .hint("without --keyring, what is not signed is taken as it is"));
            }
            return Ok(None);
        };
        let keys = match [&self.given, &self.known]
            .into_iter()
            .find(|keys| !keys.is_empty())
        {
            Some(keys) => keys.clone(),
            // As far as it goes: by a key that whoever wrote the list may have put there.
            None => signing::published_keys(store)?.unwrap_or_default(),
        };
        let verified = keys.verify_detached(list.bytes(), &signature, "the signature", self.now);
        let verified = verified.map_err(|error| {
            let id = kinds::SIGNATURE_INVALID.id;
            let text = anyhow!("{id}: {}: {error}", path.display());
            Failure::refused(text).hint(hint)
        })?;
        Ok(Some(verified.fingerprint))
    }
}
