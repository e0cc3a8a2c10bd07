//! What signs what is in an image, and the certificate by which clients know it: a secret key in a
//! file, a command that has one, or what somebody else has signed.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use ::verity::{Certificate, Digest, Error, SignatureBlock, SigningKey, archive};
use anyhow::anyhow;
use files::{Links, SecretFile};
use sha2::{Digest as _, Sha256};

use super::passphrase::{PASSPHRASE_VARIABLE, PassphraseSource};
use super::signer::{forbid_core_dumps, usable_by_others};
use crate::findings::Finding;
use crate::words::failure::{Failure, Result};

/// Longest file of a secret key, of certificates or of a signature, and what is read of what a command
/// prints, in bytes.
const MAX_FILE: u64 = 64 << 10;

/// The variable in which a command that signs finds the text of the root hash, for programs that hash
/// what they sign themselves.
const ROOT_HASH: &str = "SYSEXT_BUILD_ROOT_HASH";

/// What signs root hashes, as the user named it.
#[derive(Clone, Debug)]
pub struct RootKey {
    /// Where the signature comes from.
    pub source: RootKeySource,
    /// The certificate of the key.
    pub certificate: Certificate,
}

/// Where a signature of a root hash comes from.
#[derive(Clone, Debug)]
pub enum RootKeySource {
    /// A file with a secret key, and where its passphrase is.
    File(PathBuf, PassphraseSource),
    /// A command that gets the digest and prints the signature.
    Command(String),
    /// A file with a signature that was made elsewhere.
    Signature(PathBuf),
}

/// Signs root hashes.
pub struct RootSigner {
    how: How,
    /// The certificate of the key.
    pub certificate: Certificate,
    /// What is wrong with the file of the key.
    pub finding: Option<Finding>,
}

enum How {
    Key(Box<SigningKey>),
    /// One runs at a time: it may ask its user, and a card does one thing at a time.
    Command(Mutex<String>),
    Made(Vec<u8>),
}

/// Reads the certificates of a file.
pub fn read_certificates(path: &Path) -> Result<Vec<Certificate>> {
    let bytes = files::read(path, MAX_FILE, Links::Follow)?;
    let found = Certificate::parse_all(&bytes, &path.display().to_string());
    found.map_err(|error| {
        Failure::refused(error)
            .hint("to make a key and its certificate: openssl req -x509 -newkey rsa:3072 -keyout KEY -out CERTIFICATE")
    })
}

/// Reads an archive of signatures: each under the name of its image, without `.raw`.
pub fn read_signatures(path: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let bytes = files::read(path, archive::MAX_ARCHIVE, Links::Follow)?;
    archive::read_signatures(&bytes)
        .map_err(|error| Failure::refused(anyhow!("{}: {error}", path.display())))
}

impl RootSigner {
    /// Takes a signature that was made elsewhere.
    pub fn of_signature(raw: Vec<u8>, certificate: &Certificate) -> Self {
        Self {
            how: How::Made(raw),
            certificate: certificate.clone(),
            finding: None,
        }
    }

    /// Opens the key. May ask for its passphrase.
    pub fn open(key: &RootKey) -> Result<Self> {
        let certificate = key.certificate.clone();
        let (how, finding) = match &key.source {
            RootKeySource::File(path, passphrase) => {
                let (key, finding) = read_key(path, passphrase, &certificate)?;
                (How::Key(Box::new(key)), finding)
            }
            RootKeySource::Command(line) => (How::Command(Mutex::new(line.clone())), None),
            RootKeySource::Signature(path) => {
                (How::Made(files::read(path, MAX_FILE, Links::Follow)?), None)
            }
        };
        Ok(Self {
            how,
            certificate,
            finding,
        })
    }

    /// Signs a root hash.
    pub fn sign(&self, root: Digest) -> Result<SignatureBlock> {
        let joined = |raw: &[u8]| SignatureBlock::join(root, raw, &self.certificate);
        match &self.how {
            How::Key(key) => SignatureBlock::sign(root, key, &self.certificate),
            How::Made(raw) => joined(raw),
            How::Command(line) => {
                let line = line.lock().unwrap_or_else(PoisonError::into_inner);
                joined(&run(&line, &root)?)
            }
        }
        .map_err(Failure::refused)
    }
}

/// Opens the secret key of a certificate.
fn read_key(
    path: &Path,
    passphrase: &PassphraseSource,
    certificate: &Certificate,
) -> Result<(SigningKey, Option<Finding>)> {
    forbid_core_dumps().map_err(|error| Failure::io("forbidding core dumps", error))?;
    let origin = path.display().to_string();
    let file = SecretFile::open(path)?;
    let finding = usable_by_others(&file, &origin);
    let bytes = file.read_whole(MAX_FILE)?;
    let key = match SigningKey::parse(&bytes, &origin, None) {
        Err(Error::PassphraseNeeded { .. }) => {
            SigningKey::parse(&bytes, &origin, Some(&*passphrase.ask(&origin)?))
        }
        other => other,
    };
    let key = key.map_err(Failure::refused)?;
    match key.is_of(certificate) {
        true => Ok((key, finding)),
        false => Err(Failure::refused(anyhow!(
            "the certificate {certificate} is not that of the key in {origin}"
        ))),
    }
}

/// Runs a command that signs, with the digest of what is signed as its input; returns what it prints.
/// What it complains of, and asks, goes to the user.
fn run(line: &str, root: &Digest) -> Result<Vec<u8>> {
    let text = ::verity::signed_text(root);
    let doing = || format!("running --verity-signer {line:?}");
    let failed = |error| Failure::io(doing(), error);
    let mut child = Command::new("sh")
        .args(["-c", line])
        .env(ROOT_HASH, &text)
        // It is that of a key that this program opens.
        .env_remove(PASSPHRASE_VARIABLE)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that takes the text reads nothing.
        let _ = stdin.write_all(&Sha256::digest(&text));
    }
    let mut raw = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout
            .take(MAX_FILE)
            .read_to_end(&mut raw)
            .map_err(failed)?;
    }
    let status = child.wait().map_err(failed)?;
    match status.success() {
        true => Ok(raw),
        false => Err(Failure::refused(anyhow!("{}: {status}", doing()))),
    }
}
