//! Detached signatures in PKCS#7, in the one form that Linux takes for images.
//!
//! Version 1, SHA-256, no content, no attributes, one signer who is named by issuer and number of a
//! certificate, which is in it, too. systemd-repart writes the same. Attributes, which other programs sign instead of the
//! content, have a time in them; without them the same key and content give the same bytes.

use der::asn1::{Any, ObjectIdentifier, OctetString, SetOfVec};
use der::{Decode as _, Encode as _, Sequence, ValueOrd};
use rsa::Pkcs1v15Sign;
use rsa::traits::PublicKeyParts as _;
use sha2::{Digest as _, Sha256};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::AlgorithmIdentifierOwned;

use crate::{Certificate, Error};

const SIGNED_DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.2");
const DATA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.7.1");
const SHA_256: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.16.840.1.101.3.4.2.1");
const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
/// Longest signature in bytes, with the certificates that may be in it.
const MAX_SIGNATURE: usize = 256 << 10;

#[derive(Sequence)]
struct ContentInfo {
    kind: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT")]
    content: SignedData,
}

/// The certificates are a set, which OpenSSL does not sort.
#[derive(Sequence)]
struct SignedData {
    version: u8,
    digests: SetOfVec<AlgorithmIdentifierOwned>,
    content: Content,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    certificates: Option<Vec<Any>>,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    revocations: Option<SetOfVec<Any>>,
    signers: SetOfVec<SignerInfo>,
}

#[derive(Sequence)]
struct Content {
    kind: ObjectIdentifier,
    #[asn1(context_specific = "0", tag_mode = "EXPLICIT", optional = "true")]
    bytes: Option<Any>,
}

#[derive(Clone, Debug, PartialEq, Eq, Sequence, ValueOrd)]
struct SignerInfo {
    version: u8,
    signer: IssuerAndNumber,
    digest: AlgorithmIdentifierOwned,
    #[asn1(context_specific = "0", tag_mode = "IMPLICIT", optional = "true")]
    signed_attributes: Option<SetOfVec<Any>>,
    algorithm: AlgorithmIdentifierOwned,
    signature: OctetString,
    #[asn1(context_specific = "1", tag_mode = "IMPLICIT", optional = "true")]
    unsigned_attributes: Option<SetOfVec<Any>>,
}

#[derive(Clone, Debug, PartialEq, Eq, Sequence, ValueOrd)]
struct IssuerAndNumber {
    issuer: Name,
    number: SerialNumber,
}

/// Builds the signature around what the key of a certificate made of the content: PKCS#1 v1.5 over its
/// SHA-256.
///
/// # Errors
/// [`Error::Signature`]: it was made by another key, or of another content.
pub fn join(certificate: &Certificate, raw: &[u8], content: &[u8]) -> Result<Vec<u8>, Error> {
    let length = certificate.key.size();
    if raw.len() != length {
        return Err(Error::Signature(format!(
            "has {} bytes; one by the key of the certificate {certificate} has {length}: in PKCS#1 \
             v1.5, as bytes and not as text",
            raw.len()
        )));
    }
    if !fits(certificate, raw, content) {
        let text =
            format!("is not by the key of the certificate {certificate}, or not of this root hash");
        return Err(Error::Signature(text));
    }
    let built = (|| {
        let digest = AlgorithmIdentifierOwned {
            oid: SHA_256,
            parameters: Some(Any::null()),
        };
        let signer = SignerInfo {
            version: 1,
            signer: IssuerAndNumber {
                issuer: certificate.issuer.clone(),
                number: certificate.number.clone(),
            },
            digest: digest.clone(),
            signed_attributes: None,
            algorithm: AlgorithmIdentifierOwned {
                oid: RSA,
                parameters: Some(Any::null()),
            },
            signature: OctetString::new(raw)?,
            unsigned_attributes: None,
        };
        let content = SignedData {
            version: 1,
            digests: SetOfVec::try_from(vec![digest])?,
            content: Content {
                kind: DATA,
                bytes: None,
            },
            certificates: Some(vec![Any::from_der(certificate.der())?]),
            revocations: None,
            signers: SetOfVec::try_from(vec![signer])?,
        };
        let kind = SIGNED_DATA;
        ContentInfo { kind, content }.to_der()
    })();
    built.map_err(|error: der::Error| Error::Signature(format!("can't be written: {error}")))
}

/// Checks that a signature is of `content` and by the key of one of the certificates; returns that.
///
/// # Errors
/// [`Error::Signature`]: it is not, or has a form that Linux does not take, or anything in it is more
/// than a signature has.
pub fn verify<'c>(
    signature: &[u8],
    content: &[u8],
    certificates: &'c [Certificate],
) -> Result<&'c Certificate, Error> {
    let (info, embedded) = parse(signature).map_err(Error::Signature)?;
    let named = |one: &&Certificate| one.is_named_by(&info.signer.issuer, &info.signer.number);
    let failed = |text: String| Err(Error::Signature(text));
    let Some(certificate) = certificates.iter().find(named) else {
        let signer = &info.signer;
        return failed(format!(
            "is by a certificate of {}, number {}, which is not among the given ones",
            signer.issuer, signer.number
        ));
    };
    if !fits(certificate, info.signature.as_bytes(), content) {
        return failed(format!(
            "does not fit the root hash and the certificate {certificate}"
        ));
    }
    let is_given = |one: &Vec<u8>| certificates.iter().any(|given| given.der() == one);
    match embedded.iter().all(is_given) {
        true => Ok(certificate),
        false => failed("has a certificate in it that is not among the given ones".to_owned()),
    }
}

/// Returns issuer and number of the certificate that a signature says it is by.
///
/// # Errors
/// [`Error::Signature`]: it has a form that Linux does not take.
pub fn signer(signature: &[u8]) -> Result<String, Error> {
    let (info, _) = parse(signature).map_err(Error::Signature)?;
    Ok(format!(
        "{}, number {}",
        info.signer.issuer, info.signer.number
    ))
}

fn fits(certificate: &Certificate, raw: &[u8], content: &[u8]) -> bool {
    let scheme = Pkcs1v15Sign::new::<Sha256>();
    let digest = Sha256::digest(content);
    certificate.key.verify(scheme, &digest, raw).is_ok()
}

/// Reads a signature; returns what it says of its signer, and the certificates in it.
fn parse(signature: &[u8]) -> Result<(SignerInfo, Vec<Vec<u8>>), String> {
    if signature.len() > MAX_SIGNATURE {
        return Err(format!("has more than {MAX_SIGNATURE} bytes"));
    }
    let damaged = |error: der::Error| format!("is not PKCS#7 in DER: {error}");
    let info = ContentInfo::from_der(signature).map_err(damaged)?;
    // What is read in one way alone has no byte that says nothing.
    if info.to_der().map_err(damaged)? != signature {
        return Err("is not PKCS#7 in DER: not in its order".to_owned());
    }
    let data = info.content;
    let is = |found: &AlgorithmIdentifierOwned, wanted: ObjectIdentifier| {
        let parameters = found.parameters.as_ref();
        found.oid == wanted && parameters.is_none_or(|any| *any == Any::null())
    };
    let is_known = info.kind == SIGNED_DATA && data.content.kind == DATA;
    if !is_known || data.version != 1 || !data.digests.iter().all(|digest| is(digest, SHA_256)) {
        return Err("is not signed data of version 1 with SHA-256".to_owned());
    }
    if data.content.bytes.is_some() || data.revocations.is_some() {
        return Err("has more in it than a signature".to_owned());
    }
    let [signer] = data.signers.as_slice() else {
        return Err(format!("has {} signers", data.signers.len()));
    };
    if signer.version != 1 || !is(&signer.digest, SHA_256) || !is(&signer.algorithm, RSA) {
        return Err("is not by RSA with SHA-256".to_owned());
    }
    if signer.signed_attributes.is_some() || signer.unsigned_attributes.is_some() {
        return Err("has attributes, which Linux does not take".to_owned());
    }
    let embedded = data.certificates.unwrap_or_default();
    let embedded = embedded.iter().map(|any| any.to_der().map_err(damaged));
    Ok((signer.clone(), embedded.collect::<Result<_, _>>()?))
}
