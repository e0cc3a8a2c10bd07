//! The keys by which a repository's list and packages are checked.
//!
//! A `.repo` file says whether they are to be signed (`repo_gpgcheck`, `gpgcheck`), and where keys
//! are (`gpgkey`). Whoever can change the file can change both; so its keys are taken only if the
//! user asks for it, for this repository alone, and not over a connection that anyone can speak
//! on. The keys that the user gives hold for all repositories, and demand that all packages are
//! signed.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use openpgp::{Error, Keyring};

use crate::packages::repository::download::Downloads;
use crate::packages::repository::source::{Place, RepositorySource, place_of_url};
use crate::packages::repository::{Variables, url};
use crate::packages::trust::{self, Trust};
use crate::words::digest::sha256;
use crate::words::failure::{Failure, Result};

/// Where a repository has the signature of its list.
const SIGNATURE: &str = "repodata/repomd.xml.asc";

/// What of a repository must be signed, and by whom.
pub struct Keys {
    /// By one of these.
    pub keyring: Keyring,
    /// Each package must be signed.
    pub packages: bool,
    /// `repomd.xml` must be signed.
    pub metadata: bool,
    /// A line for each key that the `.repo` file brought.
    pub imported: Vec<String>,
}

impl Keys {
    /// Finds out what a repository's `.repo` file and the user ask for, and reads the keys.
    pub fn of(
        source: &RepositorySource,
        variables: &Variables,
        trust: &Trust,
        downloads: &Downloads<'_>,
    ) -> Result<Self> {
        let mut keys = Self {
            keyring: trust.given.clone(),
            packages: source.trust.packages == Some(true) || !trust.given.is_empty(),
            metadata: source.trust.metadata == Some(true) || trust.repo_gpgcheck,
            imported: Vec::new(),
        };
        if !keys.packages && !keys.metadata {
            return Ok(keys);
        }
        if trust.import_keys {
            for place in &source.trust.keys {
                keys.import(source, place, variables, downloads)?;
            }
        }
        match keys.keyring.is_empty() {
            true => Err(no_key(source, &keys)),
            false => Ok(keys),
        }
    }

    /// Takes the keys at a place that a `.repo` file names.
    fn import(
        &mut self,
        source: &RepositorySource,
        place: &str,
        variables: &Variables,
        downloads: &Downloads<'_>,
    ) -> Result<()> {
        let place = variables
            .expand(place)
            .map_err(|reason| Failure::usage(format!("gpgkey of {}: {reason}", source.name)))?;
        let imported = match place_of_url(&place)? {
            Some(Place::Directory(path)) => trust::keyring(&[path])?,
            Some(Place::Urls(urls)) if urls.iter().all(|url| url.starts_with("https://")) => {
                fetch_keys(&urls, &source.name, downloads)?
            }
            Some(Place::Urls(_)) => {
                let text = "anyone on the way can put another key there";
                let place = fetch::redacted(&place);
                return Err(
                    Failure::refused(anyhow!("{place} is no key to trust: {text}"))
                        .hint("fetch it, compare its fingerprint, and give it with --keyring FILE"),
                );
            }
            None => {
                let text = format!("gpgkey of {}: {place:?} is no URL", source.name);
                return Err(Failure::usage(text));
            }
        };
        for key in imported.keys() {
            let user = key.user_ids.first().map_or("", String::as_str);
            let place = fetch::redacted(&place);
            let line = format!(
                "{}: key {} {user} from {place}",
                source.name, key.fingerprint
            );
            self.imported.push(line);
        }
        self.keyring.extend(imported);
        Ok(())
    }

    /// Checks the signature of `repomd.xml`, where that is asked for.
    pub fn check_list(&self, name: &str, repomd: &[u8], signature: &[u8], now: u64) -> Result<()> {
        let origin = format!("repomd.xml.asc of {name}");
        let verified = self
            .keyring
            .verify_detached(repomd, signature, &origin, now)
            .map_err(|error| {
                let is_unknown = matches!(error, Error::UnknownKey { .. });
                let context = format!("repomd.xml of {name} is not to be trusted");
                let failure = Failure::refused(anyhow!(error).context(context));
                match is_unknown {
                    true => failure.hint("to trust that key: --keyring FILE"),
                    false => failure,
                }
            });
        verified.map(|_| ())
    }
}

/// Refuses a repository that asks for signatures while no key is known.
fn no_key(source: &RepositorySource, keys: &Keys) -> Failure {
    let asked = match (keys.packages, keys.metadata) {
        (true, false) => "packages",
        (false, _) => "metadata",
        (true, true) => "packages and metadata",
    };
    let failure = Failure::refused(anyhow!(
        "the {asked} of {} must be signed, and no key is given to check it by",
        source.name
    ))
    .hint("give the key: --keyring FILE");
    match &source.trust.keys[..] {
        [] => failure,
        places => {
            let places: Vec<_> = places.iter().map(|place| fetch::redacted(place)).collect();
            failure.hint(format!(
                "or trust what its .repo file names: --import-keys ({})",
                places.join(", ")
            ))
        }
    }
}

/// Fetches keys by way of the cache, so that they are there with `--offline`.
fn fetch_keys(urls: &[String], name: &str, downloads: &Downloads<'_>) -> Result<Keyring> {
    let what = format!("the key of {name}");
    let (_, digest) = sha256(&mut urls.join("\n").as_bytes())
        .map_err(|error| Failure::io("making a name for the cache", error))?;
    let id = format!("key-{}", hex::encode(digest));
    let state = downloads.state(&id, urls, &what)?;
    let keyring = Keyring::parse(state.bytes(), &what).map_err(Failure::refused)?;
    downloads.accept(&id, &state)?;
    Ok(keyring)
}

/// Returns where the signature of the list of a repository at these URLs is.
pub fn signature_urls(bases: &[String]) -> Vec<String> {
    bases
        .iter()
        .map(|base| url::joined(base, SIGNATURE))
        .collect()
}

/// Returns the path of the signature of the list of a repository in a directory.
pub fn signature_path(directory: &Path) -> PathBuf {
    directory.join(SIGNATURE)
}
