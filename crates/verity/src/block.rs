//! What is in the partition of the signature: JSON, and zeros up to its end.
//!
//! ```json
//! {"rootHash":"0123...","certificateFingerprint":"4567...","signature":"MIIB..."}
//! ```

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::{Certificate, Digest, Error, SigningKey, pkcs7, signed_text};

/// Length of the partition in bytes, as systemd-repart makes it.
pub const SIGNATURE_SIZE: u64 = 16 << 10;
/// Longest partition in bytes that systemd reads.
pub const MAX_SIZE: usize = 4 << 20;

/// A signed root hash.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignatureBlock {
    /// The root hash.
    pub root: Digest,
    /// SHA-256 of the certificate.
    pub fingerprint: Digest,
    /// The signature in PKCS#7.
    pub signature: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Json {
    root_hash: String,
    certificate_fingerprint: String,
    signature: String,
}

impl SignatureBlock {
    /// Signs a root hash.
    ///
    /// # Errors
    /// [`Error::Signature`]: the certificate is that of another key.
    pub fn sign(root: Digest, key: &SigningKey, certificate: &Certificate) -> Result<Self, Error> {
        let raw = key.sign(signed_text(&root).as_bytes())?;
        Self::join(root, &raw, certificate)
    }

    /// Takes what somebody else's key made of a root hash: PKCS#1 v1.5 over the SHA-256 of its
    /// [text](signed_text).
    ///
    /// # Errors
    /// [`Error::Signature`]: it is by another key than the certificate's, or of something else.
    pub fn join(root: Digest, raw: &[u8], certificate: &Certificate) -> Result<Self, Error> {
        Ok(Self {
            root,
            fingerprint: certificate.fingerprint(),
            signature: pkcs7::join(certificate, raw, signed_text(&root).as_bytes())?,
        })
    }

    /// Returns the bytes of a whole partition.
    ///
    /// # Errors
    /// [`Error::SignatureBlock`]: the signature is too long for it.
    pub fn to_bytes(&self) -> Result<Vec<u8>, Error> {
        let json = Json {
            root_hash: hex::encode(self.root),
            certificate_fingerprint: hex::encode(self.fingerprint),
            signature: STANDARD.encode(&self.signature),
        };
        let failed = |text: String| Error::SignatureBlock(text);
        let mut bytes = serde_json::to_vec(&json).map_err(|error| failed(error.to_string()))?;
        if bytes.len() as u64 > SIGNATURE_SIZE {
            return Err(failed(format!("has no room for {} bytes", bytes.len())));
        }
        bytes.resize(SIGNATURE_SIZE as usize, 0);
        Ok(bytes)
    }

    /// Reads a partition; `None` for one that waits for its signature, which has zeros alone.
    ///
    /// # Errors
    /// [`Error::SignatureBlock`]: something in it is not as systemd-repart and this crate write it.
    pub fn parse(bytes: &[u8]) -> Result<Option<Self>, Error> {
        let failed = |text: &str| Err(Error::SignatureBlock(text.to_owned()));
        if bytes.len() > MAX_SIZE {
            return failed("has more than 4 MiB");
        }
        let end = bytes
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(bytes.len());
        let (json, zeros) = bytes.split_at(end);
        if zeros.iter().any(|byte| *byte != 0) {
            return failed("has something behind its JSON");
        }
        if json.is_empty() {
            return Ok(None);
        }
        if !json.ends_with(b"}") {
            return failed("has something behind its JSON");
        }
        let json: Json = serde_json::from_slice(json)
            .map_err(|error| Error::SignatureBlock(format!("has other JSON: {error}")))?;
        let digest = |text: &str| {
            let mut digest = Digest::default();
            let is_read = hex::decode_to_slice(text, &mut digest).is_ok();
            (is_read && hex::encode(digest) == text).then_some(digest)
        };
        let Some(root) = digest(&json.root_hash) else {
            return failed("has a root hash that is not a SHA-256");
        };
        let Some(fingerprint) = digest(&json.certificate_fingerprint) else {
            return failed("has a fingerprint that is not a SHA-256");
        };
        let Ok(signature) = STANDARD.decode(&json.signature) else {
            return failed("has a signature that is not in base64");
        };
        Ok(Some(Self {
            root,
            fingerprint,
            signature,
        }))
    }

    /// Checks the signature against certificates; returns the one whose key made it.
    ///
    /// # Errors
    /// [`Error::Signature`], [`Error::SignatureBlock`]: it is not good.
    pub fn verify<'c>(&self, certificates: &'c [Certificate]) -> Result<&'c Certificate, Error> {
        let text = signed_text(&self.root);
        let found = pkcs7::verify(&self.signature, text.as_bytes(), certificates)?;
        match found.fingerprint() == self.fingerprint {
            true => Ok(found),
            false => Err(Error::SignatureBlock(
                "has the fingerprint of another certificate".to_owned(),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> SignatureBlock {
        SignatureBlock {
            root: [1; 32],
            fingerprint: [0xab; 32],
            signature: vec![3; 31],
        }
    }

    fn read(text: &str) -> Result<Option<SignatureBlock>, String> {
        SignatureBlock::parse(text.as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_is_written_is_read() {
        let bytes = block().to_bytes().unwrap();
        assert_eq!(bytes.len(), 16384);
        let json = format!(
            r#"{{"rootHash":"{}","certificateFingerprint":"{}","signature":"{}Aw=="}}"#,
            "01".repeat(32),
            "ab".repeat(32),
            "AwMD".repeat(10),
        );
        assert_eq!(bytes[..json.len()], *json.as_bytes());
        assert!(bytes[json.len()..].iter().all(|byte| *byte == 0));
        assert_eq!(SignatureBlock::parse(&bytes).unwrap(), Some(block()));
        assert_eq!(read(&"\0".repeat(16384)), Ok(None));
        assert_eq!(read(""), Ok(None));
        let long = SignatureBlock {
            signature: vec![0; 13_000],
            ..block()
        };
        long.to_bytes().unwrap_err();
    }

    #[test]
    fn what_is_not_in_its_form_is_refused() {
        let (root, print) = ("01".repeat(32), "ab".repeat(32));
        let json = |root: &str, print: &str, signature: &str| {
            format!(
                r#"{{"rootHash":"{root}","certificateFingerprint":"{print}","signature":"{signature}"}}"#
            )
        };
        let good = json(&root, &print, "AwM=");
        assert!(matches!(read(&good), Ok(Some(_))));
        for (text, expected) in [
            (good.clone() + "\0\0 ", "has something behind its JSON"),
            (good.clone() + " ", "has something behind its JSON"),
            (
                json(&print[..62], &print, ""),
                "has a root hash that is not a SHA-256",
            ),
            (
                json(&print.to_uppercase(), &print, ""),
                "has a root hash that is not a SHA-256",
            ),
            (
                json(&root, "", ""),
                "has a fingerprint that is not a SHA-256",
            ),
            (
                json(&root, &print, "AwN="),
                "has a signature that is not in base64",
            ),
            (
                json(&root, &print, "AwM"),
                "has a signature that is not in base64",
            ),
            (" ".repeat(MAX_SIZE + 1), "has more than 4 MiB"),
        ] {
            let expected = format!("the signature's partition {expected}");
            assert_eq!(read(&text), Err(expected), "{text:.200}");
        }
        for text in [
            &good[1..],
            "{\"rootHash\":1}",
            "{}",
            "[{}",
            &(good.clone() + "}"),
        ] {
            let failed = read(text).unwrap_err();
            assert!(failed.contains("has other JSON"), "{failed}");
        }
    }
}
