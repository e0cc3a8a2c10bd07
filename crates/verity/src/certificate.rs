//! Certificates: X.509, of which the issuer, the number and the key are needed. Whether a certificate is
//! trusted, and until when, is for the host to say that has it.

use std::fmt;

use der::{Decode as _, Document, Encode as _};
use rsa::pkcs1::DecodeRsaPublicKey as _;
use sha2::{Digest as _, Sha256};
use x509_cert::certificate::CertificateInner;
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::ObjectIdentifier;

use crate::{Digest, Error, pem};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const LABEL: &str = "CERTIFICATE";
/// Least and most bits of a key: less is not safe, more is not read by Linux.
const KEY_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// Longest certificate in bytes.
const MAX_CERTIFICATE: usize = 64 << 10;

/// A certificate with an RSA key.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: Vec<u8>,
    pub(crate) issuer: Name,
    pub(crate) number: SerialNumber,
    pub(crate) key: rsa::PublicKey,
    subject: String,
}

impl Certificate {
    /// Reads the certificates of a file: any number in PEM, or one in DER. `origin` is what errors
    /// call it.
    ///
    /// # Errors
    /// [`Error::Certificate`]: there is none, or one that can't have signed an image.
    pub fn parse_all(bytes: &[u8], origin: &str) -> Result<Vec<Self>, Error> {
        let failed = |reason: String| Error::Certificate {
            origin: origin.to_owned(),
            reason,
        };
        let text = std::str::from_utf8(bytes).unwrap_or_default();
        let blocks = pem::blocks(text, |label| label == LABEL);
        if blocks.is_empty() {
            if bytes.first() != Some(&0x30) {
                return Err(failed("it has no certificate".to_owned()));
            }
            return Ok(vec![Self::of_der(bytes).map_err(failed)?]);
        }
        let certificates = blocks.into_iter().map(|(_, block)| {
            let (_, document) = Document::from_pem(block)
                .map_err(|error| failed(format!("its PEM is damaged: {error}")))?;
            Self::of_der(document.as_bytes()).map_err(failed)
        });
        certificates.collect()
    }

    pub(crate) fn of_der(bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > MAX_CERTIFICATE {
            return Err(format!(
                "a certificate has more than {MAX_CERTIFICATE} bytes"
            ));
        }
        let damaged = |error: der::Error| format!("the certificate is damaged: {error}");
        let certificate: CertificateInner = CertificateInner::from_der(bytes).map_err(damaged)?;
        let about = certificate.tbs_certificate();
        let key = about.subject_public_key_info();
        if key.algorithm.oid != RSA {
            return Err(format!(
                "the certificate's key is not one of RSA, but of the kind {}; Linux checks images with RSA \
                 alone",
                key.algorithm.oid
            ));
        }
        let key = (key.subject_public_key.as_bytes()).unwrap_or_default();
        let numbers = rsa::pkcs1::RsaPublicKeyRef::from_der(key).map_err(damaged)?;
        check_bits(bits(numbers.modulus.as_bytes()))?;
        let key = rsa::PublicKey::from_pkcs1_der(key)
            .map_err(|error| format!("the certificate's key is not one of RSA: {error}"))?;
        Ok(Self {
            der: bytes.to_vec(),
            issuer: about.issuer().clone(),
            number: about.serial_number().clone(),
            subject: about.subject().to_string(),
            key,
        })
    }

    /// Returns the SHA-256 of its bytes, by which it is known.
    #[must_use]
    pub fn fingerprint(&self) -> Digest {
        Sha256::digest(&self.der).into()
    }

    /// Returns the text of a file that has it alone, in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::written(LABEL, &self.der)
    }

    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// Says whether a signature says that it is by the key of this certificate.
    pub(crate) fn is_named_by(&self, issuer: &Name, number: &SerialNumber) -> bool {
        let same = |one: der::Result<Vec<u8>>, other: der::Result<Vec<u8>>| matches!((one, other), (Ok(one), Ok(other)) if one == other);
        same(self.issuer.to_der(), issuer.to_der()) && same(self.number.to_der(), number.to_der())
    }
}

/// Returns how many bits a number has, of its bytes from the greatest on.
fn bits(number: &[u8]) -> usize {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let number = number.get(zeros..).unwrap_or_default();
    let first = number.first().map_or(0, |byte| byte.leading_zeros());
    number.len() * 8 - first as usize
}

fn check_bits(bits: usize) -> Result<(), String> {
    let problem = match bits {
        bits if bits < *KEY_BITS.start() => "too few to be safe",
        bits if bits > *KEY_BITS.end() => "more than Linux reads",
        _ => return Ok(()),
    };
    let (least, most) = (KEY_BITS.start(), KEY_BITS.end());
    Err(format!(
        "the certificate's key has {bits} bits, {problem}: RSA of {least} to {most} bits is taken"
    ))
}

impl fmt::Display for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.subject)
    }
}
