//! The signature of a store's list, and the public key beside it.
//!
//! A key comes from a file, or gpg signs, which is the only program that is ever run, and only when
//! it is asked for. Either way the signature is checked here as clients will check it, before it
//! is published. What a client needs to do so lies beside the list: the public keys, in the binary
//! form that systemd's `import-pubring.gpg` has. The list does not have them, for it can't vouch
//! for the key that vouches for it.

mod gpg;
mod passphrase;

use std::fs::File;
use std::io::{Error as IoError, ErrorKind, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use openpgp::{Error, Keyring, SigningKey};
use store::{KEYRING, SignError, Store};
use zeroize::Zeroizing;

pub use passphrase::{Passphrase, PassphraseSource};

use crate::findings::{Finding, kinds};
use crate::words::failure::{Failure, Result, store_failure};

/// Largest key file in bytes; a key with some subkeys has a few thousand.
const MAX_KEY_FILE: u64 = 1 << 20;
/// Largest file of public keys in a store, in bytes.
const MAX_KEYRING: u64 = 16 << 20;

/// What signs, as the user named it.
#[derive(Clone, Debug)]
pub enum KeySource {
    /// A file with a secret key, and where its passphrase is.
    File(PathBuf, PassphraseSource),
    /// A key that gpg has.
    Gpg(String),
}

/// What signs, ready to do so.
#[derive(Debug)]
pub struct Signer {
    how: How,
    /// The time of each signature, in seconds since 1970.
    time: u64,
    /// What is worth a word about the key.
    pub findings: Vec<Finding>,
}

#[derive(Debug)]
enum How {
    Key(Box<SigningKey>),
    Gpg(gpg::Key),
}

impl Signer {
    /// Opens a key for signatures of `time`, in seconds since 1970. May ask for a passphrase.
    pub fn open(source: &KeySource, time: u64) -> Result<Self> {
        match source {
            KeySource::File(path, passphrase) => {
                let (key, findings) = read_key(path, passphrase, time)?;
                Ok(Self {
                    how: How::Key(Box::new(key)),
                    time,
                    findings,
                })
            }
            KeySource::Gpg(id) => Ok(Self {
                how: How::Gpg(gpg::Key::find(id)?),
                time,
                findings: Vec::new(),
            }),
        }
    }

    /// Returns the fingerprint of the key in upper-case hex, by which people compare it.
    pub fn fingerprint(&self) -> String {
        match &self.how {
            How::Key(key) => key.fingerprint(),
            How::Gpg(key) => key.fingerprint.clone(),
        }
    }

    /// Signs the bytes of a list.
    fn sign(&self, list: &[u8]) -> std::result::Result<Vec<u8>, SignError> {
        match &self.how {
            How::Key(key) => Ok(key.sign(list, self.time)?),
            How::Gpg(key) => key.sign(list, self.time),
        }
    }

    /// Puts the public key beside the store's list, where its copy there is another or missing.
    pub fn publish_key(&self, store: &Store) -> Result<()> {
        let keys = self.keys_for(store.dir())?;
        store::replace_file(&store.dir().join(KEYRING), &keys.to_binary())
            .map_err(store_failure)
            .map(|_| ())
    }

    /// Returns the public keys that belong beside the list in `directory`. Other keys that are
    /// there stay: a store passes from one key to the next with both at hand.
    fn keys_for(&self, directory: &Path) -> Result<Keyring> {
        let public = match &self.how {
            How::Key(key) => key.public(),
            How::Gpg(key) => key.public.clone(),
        };
        let path = directory.join(KEYRING);
        let mut keys = match read(&path, MAX_KEYRING) {
            Ok(bytes) => Keyring::parse(&bytes, &path.display().to_string()).map_err(|error| {
                Failure::refused(error).hint(format!("remove {} if it is none", path.display()))
            })?,
            Err(error) if error.kind() == ErrorKind::NotFound => Keyring::default(),
            Err(error) => return Err(Failure::io(format!("reading {}", path.display()), error)),
        };
        keys.remove(&self.fingerprint());
        keys.extend(public);
        Ok(keys)
    }
}

/// Returns what a store calls to sign a list, if anything signs.
pub fn sign_with(
    signer: Option<&Signer>,
) -> Option<impl FnMut(&[u8]) -> std::result::Result<Vec<u8>, SignError>> {
    signer.map(|signer| |list: &[u8]| signer.sign(list))
}

/// Reads a secret key, and says what is wrong with its file.
fn read_key(
    path: &Path,
    passphrase: &PassphraseSource,
    time: u64,
) -> Result<(SigningKey, Vec<Finding>)> {
    let origin = path.display().to_string();
    let doing = || format!("reading the key {origin}");
    let bytes = read(path, MAX_KEY_FILE).map_err(|error| Failure::io(doing(), error))?;
    let mode = std::fs::metadata(path).map_err(|error| Failure::io(doing(), error))?;
    let mode = mode.permissions().mode() & 0o777;
    let mut findings = Vec::new();
    if mode & 0o077 != 0 {
        let text = format!("{origin} has mode {mode:04o}: others may use the key; chmod 600 it");
        findings.push(Finding::new(&kinds::KEY_FILE_MODE, text));
    }
    let parse = |passphrase| SigningKey::parse(&bytes, &origin, passphrase, time);
    let key = match parse(None) {
        Err(Error::PassphraseNeeded { .. }) => parse(Some(&*passphrase.ask(&origin)?)),
        other => other,
    };
    let key = key.map_err(|error| match &error {
        Error::WrongPassphrase { .. } => Failure::refused(error),
        Error::NoSigningKey { reason, .. } if reason.contains("after the signature") => {
            Failure::refused(error).hint("SOURCE_DATE_EPOCH is earlier than the key")
        }
        _ => Failure::refused(error)
            .hint("a secret key is written by: gpg --export-secret-keys KEY > FILE"),
    })?;
    Ok((key, findings))
}

/// Reads a file of at most `limit` bytes, and wipes the bytes when they go.
fn read(path: &Path, limit: u64) -> std::io::Result<Zeroizing<Vec<u8>>> {
    let file = File::open(path)?;
    // Room for all of it: a vector that grows leaves its bytes behind.
    let size = file.metadata()?.len().min(limit) + 1;
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(size).unwrap_or(0)));
    file.take(limit + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|size| size > limit) {
        let text = format!("more than {limit} bytes");
        return Err(IoError::new(ErrorKind::FileTooLarge, text));
    }
    Ok(bytes)
}

/// Opens what signs the lists in these directories, if anything does.
///
/// A store that is signed takes no change without a key; this is said before any work is done for
/// it.
pub fn open(
    source: Option<&KeySource>,
    now: u64,
    directories: &[PathBuf],
) -> Result<Option<Signer>> {
    if let Some(source) = source {
        let signer = Signer::open(source, now)?;
        for directory in directories {
            signer.keys_for(directory)?;
        }
        return Ok(Some(signer));
    }
    for directory in directories {
        let is_signed = match Store::open_for_reading(directory) {
            Ok(store) => store.is_signed().map_err(store_failure)?,
            // Whatever is wrong with the directory is found, and said, where it is written to.
            Err(_) => false,
        };
        if is_signed {
            let text = anyhow!(
                "the store {} is signed, and there is no key to sign its new list with",
                directory.display()
            );
            return Err(
                Failure::refused(text).hint("name the key: --sign-key FILE or --gpg-key KEY")
            );
        }
    }
    Ok(None)
}
