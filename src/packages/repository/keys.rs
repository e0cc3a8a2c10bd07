//! The keys by which a repository's list and packages are checked.
//!
//! A `.repo` file says whether they are to be signed (`repo_gpgcheck`, `gpgcheck`), and where keys
//! are (`gpgkey`). Anyone who can change the file can change both; so its keys are taken only if
//! the user asks for it, for this repository alone, and not over a connection that anyone can speak
//! on. The keys that the user gives hold for all repositories, and demand that all packages are
//! signed.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use openpgp::{Error, Keyring};

use crate::packages::repository::Variables;
use crate::packages::repository::download::{Downloads, Small};
use crate::packages::repository::memory::{Seen, fingerprints};
use crate::packages::repository::source::{Address, RepositorySource, address};
use crate::packages::trust::{self, Trust};
use crate::words::digest::sha256;
use crate::words::failure::{Failure, Result};

/// Where a repository has the signature of its list.
pub const SIGNATURE: &str = "repodata/repomd.xml.asc";

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
    /// The fingerprints of those that were fetched, to be known again.
    pub fetched: Vec<String>,
}

impl Keys {
    /// Finds out what a repository's `.repo` file and the user ask for, and reads the keys; those on
    /// the network must be the ones that were `seen` before.
    pub fn of(
        source: &RepositorySource,
        variables: &Variables,
        trust: &Trust,
        downloads: &Downloads<'_>,
        seen: &Seen,
    ) -> Result<Self> {
        let mut keys = Self {
            keyring: trust.given.clone(),
            packages: source.trust.packages == Some(true) || !trust.given.is_empty(),
            metadata: source.trust.metadata == Some(true) || trust.repo_gpgcheck,
            imported: Vec::new(),
            fetched: Vec::new(),
        };
        if !keys.packages && !keys.metadata {
            return Ok(keys);
        }
        if trust.import_keys {
            for place in &source.trust.keys {
                let place = variables.expand(&format!("gpgkey of {}", source.name), place)?;
                let imported = match place_of_keys(source, &place)? {
                    Address::Path(path) => trust::keyring(&[path])?,
                    Address::Web(url) => {
                        let known = (seen, &trust.given);
                        let fetched = fetch_keys(&[url], source, known, downloads)?;
                        keys.fetched.extend(fingerprints(&fetched));
                        fetched
                    }
                };
                keys.import(&source.name, &place, imported);
            }
        }
        match keys.keyring.is_empty() {
            true => Err(no_key(source, &keys)),
            false => Ok(keys),
        }
    }

    /// Takes the keys that are at a place.
    fn import(&mut self, name: &str, place: &str, imported: Keyring) {
        let place = fetch::redacted(place);
        for key in imported.keys() {
            let user = key.user_ids.first().map_or("", String::as_str);
            let line = format!("{name}: key {} {user} from {place}", key.fingerprint);
            self.imported.push(line);
        }
        self.keyring.extend(imported);
    }

    /// Checks the signature of `repomd.xml`, where that is asked for.
    pub fn check_list(&self, name: &str, repomd: &[u8], signature: &[u8], now: u64) -> Result<()> {
        let origin = format!("repomd.xml.asc of {name}");
        let verified = self
            .keyring
            .verify_detached(repomd, signature, &origin, now)
            .map_err(|error| {
                let is_unknown = matches!(error, Error::UnknownKey { .. });
                let context = format!("repomd.xml of {name} can't be trusted");
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
        "the {asked} of {} must be signed, but no key was given to check the signature with",
        source.name
    ))
    .hint("give the key with --keyring FILE");
    match &source.trust.keys[..] {
        [] => failure,
        places => {
            let places: Vec<_> = places.iter().map(|place| fetch::redacted(place)).collect();
            failure.hint(format!(
                "or trust the keys that its .repo file names: --import-keys ({})",
                places.join(", ")
            ))
        }
    }
}

/// Returns the path or the URLs that a `.repo` file names for keys.
fn place_of_keys(source: &RepositorySource, place: &str) -> Result<Address> {
    match address(place)? {
        Some(Address::Web(url)) if !url.starts_with("https://") => {
            let text = "anyone on the way could replace it";
            let place = fetch::redacted(place);
            Err(
                Failure::refused(anyhow!("the key at {place} can't be trusted: {text}"))
                    .hint("download it, compare its fingerprint, and give it with --keyring FILE"),
            )
        }
        Some(known) => Ok(known),
        None => {
            let place = fetch::redacted(place);
            let text = format!("gpgkey of {}: {place:?} is not a URL", source.name);
            Err(Failure::usage(text))
        }
    }
}

/// Fetches keys by way of the cache, so that they are there with `--offline`; they must be ones that
/// were seen before or that the user gave.
fn fetch_keys(
    urls: &[String],
    source: &RepositorySource,
    (seen, given): (&Seen, &Keyring),
    downloads: &Downloads<'_>,
) -> Result<Keyring> {
    let name = &source.name;
    let what = format!("the key of {name}");
    let (_, digest) = sha256(&mut urls.join("\n").as_bytes())
        .map_err(|error| Failure::io("making a name for the cache", error))?;
    let id = format!("key-{}", hex::encode(digest));
    let state = downloads.state(&Small {
        id: &id,
        urls,
        direct: source.direct,
        what: &what,
        accept: &|_| Ok(()),
    })?;
    let keyring = Keyring::parse(state.bytes(), &what).map_err(Failure::refused)?;
    seen.check_keys(name, &keyring, given, state.is_fetched())?;
    downloads.accept(&id, &state)?;
    Ok(keyring)
}

/// Returns the path of the signature of the list of a repository in a directory.
pub fn signature_path(directory: &Path) -> PathBuf {
    directory.join(SIGNATURE)
}

#[cfg(test)]
mod tests {
    use openpgp::SigningKey;

    use super::*;
    use crate::cache::CacheDirectory;
    use crate::packages::repository::download::Settings;
    use crate::packages::repository::source::{self, Place};
    use crate::words::scratch::Scratch;

    const SECRET: &[u8] = include_bytes!("../../../fixtures/keys/test.secret.asc");
    const PUBLIC: &[u8] = include_bytes!("../../../fixtures/keys/test.public.asc");
    const OTHER: &[u8] = include_bytes!("../../../fixtures/keys/version6.public.asc");
    const FINGERPRINT: &str = "041D5F411DB434BC5D0E51E16879D6EAB0EEF13E";
    const TIME: u64 = 1_700_000_001;

    fn source(trust: source::Trust) -> RepositorySource {
        RepositorySource {
            name: "oss".to_owned(),
            priority: 99,
            place: Place::Directory("/srv".into()),
            trust,
            ..RepositorySource::default()
        }
    }

    fn trust(given: &[u8], import_keys: bool, repo_gpgcheck: bool) -> Trust {
        let mut keys = Keyring::default();
        if !given.is_empty() {
            keys.add(given, "").unwrap();
        }
        Trust {
            given: keys,
            import_keys,
            repo_gpgcheck,
            now: TIME,
        }
    }

    #[test]
    fn what_must_be_signed_and_by_whom() {
        let settings = Settings::without_network(None);
        let downloads = Downloads::new(&settings).unwrap();
        let scratch = Scratch::new();
        let key = scratch.write("key.asc", PUBLIC);
        let url = format!("file://{}", key.display());
        let six = Keyring::parse(OTHER, "").unwrap().keys()[0]
            .fingerprint
            .clone();
        let user = Keyring::parse(PUBLIC, "").unwrap().keys()[0].user_ids[0].clone();
        let line = format!("oss: key {FINGERPRINT} {user} from {url}");
        let hints = [
            "give the key with --keyring FILE".to_owned(),
            format!("or trust the keys that its .repo file names: --import-keys ({url})"),
        ];
        let (yes, no) = (Some(true), Some(false));
        let (own, both) = (vec![FINGERPRINT], vec![&*six, FINGERPRINT]);
        let refused = |what: &str| {
            Err(format!(
                "the {what} of oss must be signed, but no key was given to check the signature with"
            ))
        };
        for (gpgcheck, repo_gpgcheck, given, import, always, expected) in [
            // Nothing is asked for, so that nothing is checked, and no key is read.
            (
                None,
                None,
                &[][..],
                false,
                false,
                Ok((false, false, vec![])),
            ),
            (no, no, &[], true, false, Ok((false, false, vec![]))),
            // What is asked for needs a key: of the user, or of the file if the user wants that.
            (yes, None, &[], false, false, refused("packages")),
            (None, yes, &[], false, false, refused("metadata")),
            (
                yes,
                yes,
                &[],
                false,
                false,
                refused("packages and metadata"),
            ),
            (None, None, &[], false, true, refused("metadata")),
            (yes, None, &[], true, false, Ok((true, false, own.clone()))),
            (None, yes, &[], true, false, Ok((false, true, own.clone()))),
            (None, None, &[], true, true, Ok((false, true, own.clone()))),
            // The user's keys demand signed packages, whatever the file says.
            (
                None,
                None,
                PUBLIC,
                false,
                false,
                Ok((true, false, own.clone())),
            ),
            (no, no, PUBLIC, false, false, Ok((true, false, own.clone()))),
            (no, no, PUBLIC, false, true, Ok((true, true, own.clone()))),
            (yes, yes, OTHER, false, false, Ok((true, true, vec![&*six]))),
            (yes, yes, OTHER, true, false, Ok((true, true, both))),
        ] {
            let row = format!(
                "{gpgcheck:?} {repo_gpgcheck:?} {} {import} {always}",
                given.len()
            );
            let source = source(source::Trust {
                packages: gpgcheck,
                metadata: repo_gpgcheck,
                keys: vec![url.clone()],
            });
            let (trust, seen) = (trust(given, import, always), Seen::default());
            let found = Keys::of(&source, &Variables::default(), &trust, &downloads, &seen);
            let imported = import
                && expected
                    .as_ref()
                    .is_ok_and(|(packages, metadata, _)| *packages || *metadata);
            let lines = match imported {
                true => vec![line.clone()],
                false => Vec::new(),
            };
            let expected = expected.map(|(packages, metadata, keys)| {
                let keys: Vec<_> = keys.into_iter().map(str::to_owned).collect();
                (packages, metadata, keys, lines)
            });
            let found = found.map(|keys| {
                let prints = keys.keyring.keys().into_iter().map(|key| key.fingerprint);
                (
                    keys.packages,
                    keys.metadata,
                    prints.collect(),
                    keys.imported,
                )
            });
            let found = found.map_err(|failure| {
                assert_eq!(failure.hints, hints, "{row}");
                failure.source.to_string()
            });
            assert_eq!(found, expected, "{row}");
        }
    }

    /// A key on the network as the cache has it.
    #[test]
    fn a_key_that_was_fetched_is_in_the_cache() {
        let cache = Scratch::new();
        let settings = Settings::without_network(Some(cache.path().to_owned()));
        let downloads = Downloads::new(&settings).unwrap();
        let source = source(source::Trust {
            packages: Some(true),
            metadata: None,
            keys: vec!["https://u:p@a/$arch".to_owned()],
        });
        let variables = Variables {
            architecture: "arm".to_owned(),
            ..Variables::default()
        };
        let keys = |seen: &[&str]| {
            let seen = Seen {
                revision: None,
                keys: seen.iter().map(|key| (*key).to_owned()).collect(),
            };
            Keys::of(
                &source,
                &variables,
                &trust(&[], true, false),
                &downloads,
                &seen,
            )
        };
        assert!(keys(&[]).is_err());
        let (_, id) = sha256(&mut b"https://u:p@a/arm".as_slice()).unwrap();
        let id = format!("key-{}", hex::encode(id));
        let put = |bytes: &[u8]| {
            let cache = downloads.cache().unwrap();
            let bytes = [b"\n\n", bytes].concat();
            cache
                .keep(CacheDirectory::Repositories, &id, &bytes)
                .unwrap();
        };
        put(PUBLIC);
        let found = keys(&[]).unwrap();
        let [line] = &found.imported[..] else {
            panic!("not one key");
        };
        assert!(
            line.starts_with(&format!("oss: key {FINGERPRINT} ")),
            "{line}"
        );
        assert!(line.ends_with(" from https://a/arm"), "{line}");
        assert_eq!(found.fetched, [FINGERPRINT]);
        keys(&[FINGERPRINT]).unwrap();
        put(b"no key");
        assert!(keys(&[FINGERPRINT]).is_err());
        // One without a seal may be anyone's: only one that was seen before is taken.
        put(PUBLIC);
        let file = cache.path().join("repositories").join(&id);
        let mut bytes = std::fs::read(&file).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        std::fs::write(&file, bytes).unwrap();
        let said = keys(&[]).err().unwrap().source.to_string();
        let expected = format!("the key of oss is {FINGERPRINT}, as a cache says");
        assert!(said.starts_with(&expected), "{said}");
        keys(&[FINGERPRINT]).unwrap();
        let said = keys(&["A"]).err().unwrap().source.to_string();
        let expected = format!("the key of oss has changed: was A, is {FINGERPRINT}");
        assert_eq!(said, expected);
    }

    #[test]
    fn places_that_keys_are_not_taken_from() {
        let settings = Settings::without_network(None);
        let downloads = Downloads::new(&settings).unwrap();
        for (place, expected) in [
            (
                "http://u:p@a/key",
                "the key at http://a/key can't be trusted: anyone on the way could replace it",
            ),
            ("/key", "gpgkey of oss: \"/key\" is not a URL"),
            (
                "ftp://a/key",
                "ftp URLs are not supported, only http, https and file",
            ),
            (
                "https://a/$nosuch",
                "gpgkey of oss: unknown variable $nosuch in https://a/$nosuch",
            ),
            // This one would be fetched.
            (
                "https://a/key",
                "there is no directory for downloaded files",
            ),
        ] {
            let source = source(source::Trust {
                packages: Some(true),
                metadata: None,
                keys: vec![place.to_owned()],
            });
            let keys = Keys::of(
                &source,
                &Variables::default(),
                &trust(&[], true, false),
                &downloads,
                &Seen::default(),
            );
            let failure = keys.err().unwrap();
            assert_eq!(failure.source.to_string(), expected);
        }
        let nothing = source(source::Trust {
            packages: Some(true),
            ..source::Trust::default()
        });
        let keys = Keys::of(
            &nothing,
            &Variables::default(),
            &trust(&[], true, false),
            &downloads,
            &Seen::default(),
        );
        assert_eq!(
            keys.err().unwrap().hints,
            ["give the key with --keyring FILE"]
        );
    }

    #[test]
    fn a_list_is_believed_by_its_signature() {
        let key = SigningKey::parse(SECRET, "key", None, TIME).unwrap();
        let signature = key.sign(b"list", TIME).unwrap();
        for (keyring, list, signature, expected) in [
            (PUBLIC, &b"list"[..], &signature[..], Ok(())),
            (PUBLIC, b"another", &signature, Err(0)),
            (PUBLIC, b"list", b"no signature", Err(0)),
            // The hint is to the key that made it.
            (OTHER, b"list", &signature, Err(1)),
        ] {
            let keys = Keys {
                keyring: Keyring::parse(keyring, "").unwrap(),
                packages: false,
                metadata: true,
                imported: Vec::new(),
                fetched: Vec::new(),
            };
            let checked = keys.check_list("oss", list, signature, TIME);
            if let Err(failure) = &checked {
                assert_eq!(
                    failure.source.to_string(),
                    "repomd.xml of oss can't be trusted"
                );
            }
            assert_eq!(checked.map_err(|failure| failure.hints.len()), expected);
        }
    }
}
