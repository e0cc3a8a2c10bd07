//! Keys that sign statements, and those that verify them.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use ed25519_dalek::Signer as _;
use p256::ecdsa::signature::Verifier as _;
use pkcs8::{
    DecodePublicKey as _, EncodePublicKey as _, EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef,
    SecretDocument,
};
use sha2::{Digest as _, Sha256};

use crate::Error;

const PLAIN: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
/// Longest file of a key in bytes.
const MAX_KEY: usize = 64 << 10;
/// Hexadecimal digits of a key's id.
const ID: usize = 16;

/// A secret key.
pub struct SigningKey(Secret);

enum Secret {
    Ed25519(ed25519_dalek::SigningKey),
    P256(p256::ecdsa::SigningKey),
}

/// A public key.
#[derive(Clone, Debug)]
pub struct PublicKey {
    key: Public,
    /// SHA-256 of it as a file in DER.
    sha256: [u8; 32],
}

#[derive(Clone, Debug)]
enum Public {
    Ed25519(ed25519_dalek::VerifyingKey),
    P256(p256::ecdsa::VerifyingKey),
}

impl SigningKey {
    /// Reads the secret key of a file in PEM (PKCS #8). `origin` is what errors call it.
    ///
    /// # Errors
    /// [`Error::PassphraseNeeded`], [`Error::WrongPassphrase`]; [`Error::Key`]: the file has no usable
    /// key.
    pub fn parse(bytes: &[u8], origin: &str, passphrase: Option<&str>) -> Result<Self, Error> {
        let failed = |reason: String| Error::Key {
            origin: origin.to_owned(),
            reason,
        };
        let text = text(bytes).map_err(&failed)?;
        if text.contains("SIGSTORE PRIVATE KEY") {
            let reason = "it is protected as only cosign does; make one with: openssl genpkey \
                          -algorithm ed25519";
            return Err(failed(reason.to_owned()));
        }
        let (label, document) = SecretDocument::from_pem(text)
            .map_err(|error| failed(format!("it has no secret key in PEM: {error}")))?;
        let opened = match (label, passphrase) {
            (PLAIN, _) => document,
            (ENCRYPTED, None) => {
                let origin = origin.to_owned();
                return Err(Error::PassphraseNeeded { origin });
            }
            (ENCRYPTED, Some(passphrase)) => {
                let encrypted = EncryptedPrivateKeyInfoRef::try_from(document.as_bytes());
                let encrypted = encrypted
                    .map_err(|error| failed(format!("its protection is not known: {error}")))?;
                let opened = encrypted.decrypt(passphrase);
                opened.map_err(|_| Error::WrongPassphrase {
                    origin: origin.to_owned(),
                })?
            }
            (label, _) => {
                let reason = format!("it has {label:?}; write it as PKCS #8: openssl pkcs8 -topk8");
                return Err(failed(reason));
            }
        };
        let info = PrivateKeyInfoRef::try_from(opened.as_bytes());
        let info = info.map_err(|error| failed(format!("its key is damaged: {error}")))?;
        let ed25519 = ed25519_dalek::SigningKey::try_from(info.clone()).map(Secret::Ed25519);
        let secret = ed25519.or_else(|_| p256::ecdsa::SigningKey::try_from(info).map(Secret::P256));
        let reason = "its key is neither Ed25519 nor ECDSA P-256";
        secret.map(Self).map_err(|_| failed(reason.to_owned()))
    }

    /// Returns its public key.
    ///
    /// # Errors
    /// [`Error::Key`]: it can't be written.
    pub fn public(&self) -> Result<PublicKey, Error> {
        PublicKey::new(match &self.0 {
            Secret::Ed25519(key) => Public::Ed25519(key.verifying_key()),
            Secret::P256(key) => Public::P256(*key.verifying_key()),
        })
    }

    /// Signs bytes; the same bytes get the same signature.
    pub(crate) fn sign(&self, bytes: &[u8]) -> Vec<u8> {
        match &self.0 {
            Secret::Ed25519(key) => key.sign(bytes).to_bytes().to_vec(),
            Secret::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(bytes);
                signature.to_der().as_bytes().to_vec()
            }
        }
    }
}

impl PublicKey {
    /// Reads the public key of a file in PEM. `origin` is what errors call it.
    ///
    /// # Errors
    /// [`Error::Key`]: the file has no usable key.
    pub fn parse(bytes: &[u8], origin: &str) -> Result<Self, Error> {
        let failed = |reason: String| Error::Key {
            origin: origin.to_owned(),
            reason,
        };
        let text = text(bytes).map_err(&failed)?;
        let ed25519 = ed25519_dalek::VerifyingKey::from_public_key_pem(text).map(Public::Ed25519);
        let key = ed25519
            .or_else(|_| p256::ecdsa::VerifyingKey::from_public_key_pem(text).map(Public::P256));
        let reason = "it has no public key, Ed25519 or ECDSA P-256, in PEM";
        Self::new(key.map_err(|_| failed(reason.to_owned()))?)
    }

    fn new(key: Public) -> Result<Self, Error> {
        let document = match &key {
            Public::Ed25519(key) => key.to_public_key_der(),
            Public::P256(key) => key.to_public_key_der(),
        };
        let document = document.map_err(|error| Error::Key {
            origin: "the public key".to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self {
            key,
            sha256: Sha256::digest(document.as_bytes()).into(),
        })
    }

    /// Returns what it is called in names of files: the beginning of the SHA-256 of its DER.
    #[must_use]
    pub fn id(&self) -> String {
        let mut id = hex::encode(self.sha256);
        id.truncate(ID);
        id
    }

    /// Returns what a bundle calls it.
    pub(crate) fn hint(&self) -> String {
        BASE64_STANDARD.encode(self.sha256)
    }

    /// Whether a signature of bytes is by this key.
    pub(crate) fn has_signed(&self, bytes: &[u8], signature: &[u8]) -> bool {
        match &self.key {
            Public::Ed25519(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(bytes, &signature).is_ok()),
            Public::P256(key) => p256::ecdsa::Signature::from_der(signature)
                .is_ok_and(|signature| key.verify(bytes, &signature).is_ok()),
        }
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.sha256 == other.sha256
    }
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    if bytes.len() > MAX_KEY {
        return Err(format!("it has more than {MAX_KEY} bytes"));
    }
    std::str::from_utf8(bytes).map_err(|_| "it is not text, so not PEM".to_owned())
}
