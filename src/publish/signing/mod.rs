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

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};

    use super::*;
    use crate::words::scratch::Scratch;

    const SECRET: &[u8] = include_bytes!("../../../fixtures/keys/test.secret.asc");
    const PUBLIC: &[u8] = include_bytes!("../../../fixtures/keys/test.public.asc");
    const OTHERS: &[u8] = include_bytes!("../../../fixtures/keys/version6.public.asc");
    const FINGERPRINT: &str = "041D5F411DB434BC5D0E51E16879D6EAB0EEF13E";
    /// A time at which the key could sign.
    const TIME: u64 = 1_700_000_001;

    fn key(scratch: &Scratch, bytes: &[u8], mode: u32) -> KeySource {
        let path = scratch.write("secret.asc", bytes);
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        KeySource::File(path, PassphraseSource::Terminal)
    }

    #[test]
    fn who_else_may_use_a_key() {
        let scratch = Scratch::new();
        for (mode, said) in [
            (0o600, None),
            (0o400, None),
            (0o700, None),
            (
                0o640,
                Some("has mode 0640: others may use the key; chmod 600 it"),
            ),
            (
                0o604,
                Some("has mode 0604: others may use the key; chmod 600 it"),
            ),
            (
                0o620,
                Some("has mode 0620: others may use the key; chmod 600 it"),
            ),
        ] {
            let signer = Signer::open(&key(&scratch, SECRET, mode), TIME).unwrap();
            assert_eq!(signer.fingerprint(), FINGERPRINT);
            let found: Vec<_> = signer.findings.iter().map(|one| one.kind.id).collect();
            let expected: Vec<_> = said.iter().map(|_| "key-file-mode").collect();
            assert_eq!(found, expected, "{mode:o}");
            let ends = |text: &str| signer.findings.iter().all(|one| one.text.ends_with(text));
            assert!(said.is_none_or(ends), "{mode:o} {:?}", signer.findings);
        }
    }

    #[test]
    fn what_is_not_a_key_to_sign_with() {
        let scratch = Scratch::new();
        let how = "a secret key is written by: gpg --export-secret-keys KEY > FILE";
        for (bytes, time, hint) in [
            (
                SECRET,
                1_000_000_000,
                "SOURCE_DATE_EPOCH is earlier than the key",
            ),
            (PUBLIC, TIME, how),
            (&b"no key"[..], TIME, how),
        ] {
            let failure = Signer::open(&key(&scratch, bytes, 0o600), time).unwrap_err();
            assert_eq!(failure.hints, [hint]);
        }
        let nowhere = KeySource::File(scratch.path().join("none"), PassphraseSource::Terminal);
        let failure = Signer::open(&nowhere, TIME).unwrap_err();
        assert!(format!("{:#}", failure.source).starts_with("reading the key "));
    }

    #[test]
    fn the_keys_beside_a_list() {
        let scratch = Scratch::new();
        let signer = Signer::open(&key(&scratch, SECRET, 0o600), TIME).unwrap();
        let own = Keyring::parse(PUBLIC, "").unwrap();
        let others = Keyring::parse(OTHERS, "").unwrap();
        let mut both = others.clone();
        both.extend(own.clone());
        for (before, expected) in [
            (None, own.to_binary()),
            (Some(PUBLIC.to_vec()), own.to_binary()),
            // The key that signed before stays, so that clients can follow.
            (Some(OTHERS.to_vec()), both.to_binary()),
            (Some(both.to_binary()), both.to_binary()),
        ] {
            let store = Scratch::new();
            if let Some(before) = before {
                store.write(KEYRING, &before);
            }
            let opened = Store::open(store.path()).unwrap();
            signer.publish_key(&opened).unwrap();
            assert_eq!(fs::read(store.path().join(KEYRING)).unwrap(), expected);
        }
        let store = Scratch::new();
        let file = store.write(KEYRING, b"no keys");
        let failure = signer.keys_for(store.path()).unwrap_err();
        assert_eq!(
            failure.hints,
            [format!("remove {} if it is none", file.display())]
        );
        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        assert!(signer.keys_for(store.path()).is_err());
    }

    #[test]
    fn a_signature_is_by_the_key_and_of_the_time() {
        let scratch = Scratch::new();
        let signer = Signer::open(&key(&scratch, SECRET, 0o600), TIME).unwrap();
        let mut sign = sign_with(Some(&signer)).unwrap();
        let signature = sign(b"list").unwrap();
        let keys = Keyring::parse(PUBLIC, "").unwrap();
        let verified = keys.verify_detached(b"list", &signature, "", 0).unwrap();
        assert_eq!(
            (&*verified.fingerprint, verified.created),
            (FINGERPRINT, TIME)
        );
        assert!(sign_with(None).is_none());
    }

    #[test]
    fn a_signed_store_wants_a_key() {
        let scratch = Scratch::new();
        let source = key(&scratch, SECRET, 0o600);
        let (signed, unsigned) = (Scratch::new(), Scratch::new());
        signed.write("SHA256SUMS.gpg", b"signature");
        let paths = |scratches: &[&Scratch]| -> Vec<PathBuf> {
            scratches.iter().map(|one| one.path().to_owned()).collect()
        };
        let nowhere = vec![unsigned.path().join("none")];
        for (source, directories, expected) in [
            (None, paths(&[]), Ok(false)),
            (None, paths(&[&unsigned]), Ok(false)),
            (None, nowhere.clone(), Ok(false)),
            (None, paths(&[&signed]), Err(())),
            (None, paths(&[&unsigned, &signed]), Err(())),
            (Some(&source), paths(&[&signed]), Ok(true)),
            (Some(&source), nowhere, Ok(true)),
        ] {
            let opened = open(source, TIME, &directories);
            let found = opened.map(|signer| signer.is_some());
            assert_eq!(found.map_err(|_| ()), expected, "{directories:?}");
        }
        // What is beside the list is looked at before any work is done.
        unsigned.write(KEYRING, b"no keys");
        assert!(open(Some(&source), TIME, &paths(&[&unsigned])).is_err());
    }

    #[test]
    fn files_up_to_a_limit() {
        let scratch = Scratch::new();
        let file = scratch.write("four", b"four");
        assert_eq!(**read(&file, 5).unwrap(), *b"four");
        assert_eq!(**read(&file, 4).unwrap(), *b"four");
        let error = read(&file, 3).unwrap_err();
        assert_eq!(error.to_string(), "more than 3 bytes");
        // A buffer that grows leaves bytes of the key behind.
        assert_eq!(read(&file, 9).unwrap().capacity(), 5);
        // A key of the largest size that is allowed.
        let mut large = SECRET.to_vec();
        large.resize(1 << 20, b'\n');
        Signer::open(&key(&scratch, &large, 0o600), TIME).unwrap();
        large.push(b'\n');
        let failure = Signer::open(&key(&scratch, &large, 0o600), TIME).unwrap_err();
        assert!(format!("{:#}", failure.source).ends_with("more than 1048576 bytes"));
    }
}
