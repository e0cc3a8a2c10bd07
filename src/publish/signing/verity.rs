//! The secret key that signs what is in an image, and the certificate by which clients know it.

use std::path::{Path, PathBuf};

use ::verity::{Certificate, Digest, Error, SignatureBlock, SigningKey};
use files::{Links, SecretFile};

use super::passphrase::PassphraseSource;
use super::signer::{forbid_core_dumps, usable_by_others};
use crate::findings::Finding;
use crate::words::failure::{Failure, Result};

/// Longest file of a secret key in bytes, and longest file of certificates.
const MAX_FILE: u64 = 64 << 10;

/// A secret key and its certificate, as the user named them.
#[derive(Clone, Debug)]
pub struct KeyPair {
    /// The file with the secret key.
    pub key: PathBuf,
    /// Where its passphrase comes from.
    pub passphrase: PassphraseSource,
    /// Its certificate.
    pub certificate: Certificate,
}

/// Signs root hashes.
pub struct RootSigner {
    key: SigningKey,
    certificate: Certificate,
    /// What is wrong with the file of the key.
    pub finding: Option<Finding>,
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

impl RootSigner {
    /// Opens the key. May ask for its passphrase.
    pub fn open(pair: &KeyPair) -> Result<Self> {
        forbid_core_dumps().map_err(|error| Failure::io("forbidding core dumps", error))?;
        let origin = pair.key.display().to_string();
        let file = SecretFile::open(&pair.key)?;
        let finding = usable_by_others(&file, &origin);
        let bytes = file.read_whole(MAX_FILE)?;
        let key = match SigningKey::parse(&bytes, &origin, None) {
            Err(Error::PassphraseNeeded { .. }) => {
                SigningKey::parse(&bytes, &origin, Some(&*pair.passphrase.ask(&origin)?))
            }
            other => other,
        };
        let signer = Self {
            key: key.map_err(Failure::refused)?,
            certificate: pair.certificate.clone(),
            finding,
        };
        if !signer.key.is_of(&signer.certificate) {
            let subject = &signer.certificate;
            return Err(Failure::refused(anyhow::anyhow!(
                "the certificate {subject} is not that of the key in {origin}"
            )));
        }
        Ok(signer)
    }

    /// Signs a root hash.
    pub fn sign(&self, root: Digest) -> Result<SignatureBlock> {
        SignatureBlock::sign(root, &self.key, &self.certificate).map_err(Failure::refused)
    }

    /// Returns the name of the certificate's owner.
    pub fn name(&self) -> String {
        self.certificate.to_string()
    }
}
