//! Secret keys of RSA, as OpenSSL writes them.

use der::{Decode as _, SecretDocument};
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use rsa::Pkcs1v15Sign;
use rsa::pkcs1::DecodeRsaPrivateKey as _;
use sha2::{Digest as _, Sha256};

use crate::certificate::Certificate;
use crate::{Error, pem};

const PKCS8: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const PKCS1: &str = "RSA PRIVATE KEY";
/// Longest file of a key in bytes.
const MAX_KEY: usize = 64 << 10;

/// A secret key that signs images.
pub struct SigningKey(rsa::PrivateKey);

impl SigningKey {
    /// Reads the secret key of a file in PEM. `origin` is what errors call it.
    ///
    /// # Errors
    /// [`Error::PassphraseNeeded`], [`Error::WrongPassphrase`]; [`Error::Key`]: the file has no usable
    /// key.
    pub fn parse(bytes: &[u8], origin: &str, passphrase: Option<&str>) -> Result<Self, Error> {
        let failed = |reason: String| Error::Key {
            origin: origin.to_owned(),
            reason,
        };
        if bytes.len() > MAX_KEY {
            return Err(failed(format!("it has more than {MAX_KEY} bytes")));
        }
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let blocks = pem::blocks(text, |label| label.ends_with(PKCS8));
        let Some((label, block)) = blocks.first() else {
            return Err(failed("it has no secret key in PEM".to_owned()));
        };
        if block.contains("Proc-Type:") {
            let text =
                "the key is protected in an old way; write it in the new one: openssl pkcs8 -topk8";
            return Err(failed(text.to_owned()));
        }
        if ![PKCS8, ENCRYPTED, PKCS1].contains(label) {
            return Err(failed(format!(
                "it has {label:?}; Linux checks images with RSA alone"
            )));
        }
        let (_, document) = SecretDocument::from_pem(block)
            .map_err(|error| failed(format!("its PEM is damaged: {error}")))?;
        let opened = match (*label, passphrase) {
            (ENCRYPTED, None) => {
                let origin = origin.to_owned();
                return Err(Error::PassphraseNeeded { origin });
            }
            (ENCRYPTED, Some(passphrase)) => {
                let encrypted = EncryptedPrivateKeyInfoRef::from_der(document.as_bytes());
                let encrypted = encrypted.map_err(|error| {
                    failed(format!(
                        "its key is protected in a way that is not read here: {error}"
                    ))
                })?;
                encrypted
                    .decrypt(passphrase)
                    .map_err(|_| Error::WrongPassphrase {
                        origin: origin.to_owned(),
                    })?
            }
            _ => document,
        };
        let key = match *label {
            PKCS1 => rsa::PrivateKey::from_pkcs1_der(opened.as_bytes())
                .map_err(|error| error.to_string()),
            _ => PrivateKeyInfoRef::from_der(opened.as_bytes())
                .map_err(|error| error.to_string())
                .and_then(|info| {
                    rsa::PrivateKey::try_from(info).map_err(|error| error.to_string())
                }),
        };
        let key = key.map_err(|error| failed(format!("its key is not one of RSA: {error}")))?;
        Ok(Self(key))
    }

    /// Says whether a certificate is that of this key.
    #[must_use]
    pub fn is_of(&self, certificate: &Certificate) -> bool {
        self.0.to_public_key() == certificate.key
    }

    /// Signs: PKCS#1 v1.5 over the SHA-256 of `content`.
    ///
    /// # Errors
    /// [`Error::Signature`]: the numbers of the key don't fit each other.
    pub fn sign(&self, content: &[u8]) -> Result<Vec<u8>, Error> {
        let signed = self
            .0
            .sign(Pkcs1v15Sign::new::<Sha256>(), &Sha256::digest(content));
        signed.map_err(|error| Error::Signature(format!("can't be made: {error}")))
    }
}
