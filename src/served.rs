//! A store as a client sees it: a directory or a server, and a list that somebody vouches for.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use fetch::{Fetcher, Wanted};
use files::{Directory, Links, if_there};
use openpgp::Keyring;
use store::{SIGNATURE, SUMS};

use crate::cli::{NetworkArguments, TrustArguments};
use crate::inputs;
use crate::packages::trust;
use crate::words::failure::{Failure, Result};

/// Keyrings that systemd-import, and so systemd-sysupdate, takes: of each pair the first that is
/// there.
const KEYRINGS: [[&str; 2]; 2] = [
    [
        "/etc/systemd/import-pubring.pgp",
        "/etc/systemd/import-pubring.gpg",
    ],
    [
        "/usr/lib/systemd/import-pubring.pgp",
        "/usr/lib/systemd/import-pubring.gpg",
    ],
];
/// Most bytes of a list.
const MAX_LIST: u64 = 8 << 20;
/// Most bytes of a signature.
const MAX_SIGNATURE: u64 = 1 << 20;
/// Most bytes of a file of certificates.
const MAX_AUTHORITIES: u64 = 16 << 20;

/// The keys that may sign.
pub struct Trusted {
    /// The files that they are in.
    paths: Vec<PathBuf>,
    keyring: Keyring,
}

impl Trusted {
    /// Reads them; `None` if nobody has to sign.
    pub fn of(arguments: &TrustArguments) -> Result<Option<Self>> {
        if arguments.unsigned {
            return Ok(None);
        }
        let mut paths = arguments.keyring.clone();
        if paths.is_empty() {
            let of_host =
                |pair: [&'static str; 2]| pair.into_iter().find(|path| Path::new(path).exists());
            let found = KEYRINGS.into_iter().filter_map(of_host);
            paths = found.map(PathBuf::from).collect();
        }
        if paths.is_empty() {
            return Err(
                Failure::usage("this host has no key that systemd-sysupdate would take")
                    .hint("give the store's with --keyring FILE")
                    .hint("for a store that is not signed: --unsigned"),
            );
        }
        let keyring = trust::keyring(&paths)?;
        Ok(Some(Self { paths, keyring }))
    }

    /// Says why a signature of a store's list does not count.
    fn refuse(&self, signature: &str, error: openpgp::Error) -> Failure {
        let openpgp::Error::UnknownKey { keys } = &error else {
            return Failure::refused(anyhow!("{signature} does not count: {error}"));
        };
        let own: Vec<_> = (self.paths.iter())
            .map(|path| path.display().to_string())
            .collect();
        Failure::refused(anyhow!(
            "{signature} does not count: it is by key {}, which is not in {}",
            keys.join(", "),
            own.join(", ")
        ))
        .hint("if that is the key of the store's owner: --keyring FILE with its public part")
    }
}

/// A list whose signature counts, if it had to have one.
pub struct VouchedList {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Fingerprint of the key that signed it.
    pub signed_by: Option<String>,
    /// The signature, if it had to have one.
    pub signature: Option<Vec<u8>>,
}

/// Where a store is.
pub enum Place {
    /// A directory.
    Directory(Directory),
    /// A server.
    Server {
        /// The URL of the directory, without `/` at its end.
        url: String,
        /// What asks it.
        fetcher: Box<Fetcher>,
    },
}

impl Place {
    /// Opens a directory, or prepares to ask a server. Nothing is fetched as yet.
    pub fn open(store: &str, network: &NetworkArguments) -> Result<Self> {
        if !fetch::is_url(store) {
            let path = store.strip_prefix("file://").unwrap_or(store);
            return Ok(Self::Directory(Directory::open(path, Links::Follow)?));
        }
        if network.offline {
            return Err(Failure::usage("--offline: the store is on a network"));
        }
        let (mut options, authorities) = inputs::fetching(network)?;
        if let Some(path) = authorities {
            options.authorities = Some(files::read(&path, MAX_AUTHORITIES, Links::Follow)?);
        }
        Ok(Self::Server {
            url: store.trim_end_matches('/').to_owned(),
            fetcher: Box::new(Fetcher::new(options).map_err(Failure::usage)?),
        })
    }

    /// Returns where the store is, without credentials and wherever one asks from.
    pub fn address(&self) -> Result<String> {
        match self {
            Self::Server { url, .. } => Ok(fetch::redacted(url)),
            Self::Directory(directory) => {
                let path = directory.path();
                let whole = path.canonicalize();
                let whole = whole.map_err(|error| {
                    Failure::io(format!("looking at {}", path.display()), error)
                })?;
                Ok(whole.display().to_string())
            }
        }
    }

    /// Returns what a file of the store is called in messages.
    pub fn shown(&self, name: &str) -> String {
        match self {
            Self::Directory(directory) => directory.path().join(name).display().to_string(),
            Self::Server { url, .. } => format!("{}/{name}", fetch::redacted(url)),
        }
    }

    /// Reads a file of at most `limit` bytes; `None` if there is none.
    pub fn file(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>> {
        match self {
            Self::Directory(directory) => Ok(if_there(directory.read(name, limit))?),
            Self::Server { url, fetcher } => brought(fetcher, format!("{url}/{name}"), limit),
        }
    }

    /// Reads the signature of the list; `None` if there is none.
    pub fn signature(&self) -> Result<Option<Vec<u8>>> {
        self.file(SIGNATURE, MAX_SIGNATURE)
    }

    /// Reads the list, and checks its signature by the keys that may sign, if anyone has to.
    pub fn list(&self, trusted: Option<&Trusted>) -> Result<VouchedList> {
        // The signature first: while a list is published, it is the one that is there earlier.
        let signature = match trusted {
            Some(_) => self.signature()?,
            None => None,
        };
        let Some(bytes) = self.file(SUMS, MAX_LIST)? else {
            let text = anyhow!("{} has no {SUMS}", self.shown(""));
            return Err(Failure::refused(text));
        };
        let Some(trusted) = trusted else {
            return Ok(VouchedList {
                bytes,
                signed_by: None,
                signature: None,
            });
        };
        let shown = self.shown(SIGNATURE);
        let Some(signature) = signature else {
            let text = anyhow!("{} is not signed: it has no {SIGNATURE}", self.shown(""));
            return Err(Failure::refused(text).hint("to trust it anyway: --unsigned"));
        };
        let now = inputs::clock()?;
        let keyring = &trusted.keyring;
        let verified = keyring.verify_detached(&bytes, &signature, "the signature", now);
        let verified = verified.map_err(|error| trusted.refuse(&shown, error))?;
        Ok(VouchedList {
            bytes,
            signed_by: Some(verified.fingerprint),
            signature: Some(signature),
        })
    }
}

/// Fetches a file into memory; `None` if the server has none.
fn brought(fetcher: &Fetcher, url: String, limit: u64) -> Result<Option<Vec<u8>>> {
    let mut file: File = files::in_memory("sysext-build")?;
    let urls = [url];
    let wanted = Wanted {
        urls: &urls,
        size: None,
        start_of: None,
        all_if_sent: false,
        limit,
        unless: None,
        direct: false,
        accept: &|_| Ok(()),
        progress: &|_| {},
    };
    match fetcher.fetch(&wanted, &mut file) {
        Ok(_) => {}
        Err(error) if error.is_missing() => return Ok(None),
        Err(error) => return Err(Failure::io("asking the store", error)),
    }
    let failed = |error| Failure::io("reading what was fetched", error);
    let mut bytes = Vec::new();
    file.flush().map_err(failed)?;
    file.rewind().map_err(failed)?;
    file.take(limit).read_to_end(&mut bytes).map_err(failed)?;
    Ok(Some(bytes))
}
