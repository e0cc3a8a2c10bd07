//! The envelope around a statement, and the bundle around that.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::key::{PublicKey, SigningKey};
use crate::{Error, Statement};

/// What kind of bundle is written.
const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
/// How the types of all bundles begin.
const BUNDLES: &str = "application/vnd.dev.sigstore.bundle";
/// What is in the envelope.
const PAYLOAD: &str = "application/vnd.in-toto+json";
/// The longest bundle that is read, in bytes.
pub const MAX_BUNDLE: usize = 64 << 20;
/// Most signatures of a bundle; a bundle of sigstore has one.
const MAX_SIGNATURES: usize = 16;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Bundle {
    media_type: String,
    #[serde(default)]
    verification_material: Material,
    dsse_envelope: Envelope,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    #[serde(default)]
    public_key: Hint,
}

#[derive(Default, Serialize, Deserialize)]
struct Hint {
    #[serde(default)]
    hint: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Serialize, Deserialize)]
struct Signature {
    sig: String,
}

/// Signs a statement. Returns the bundle.
///
/// # Errors
/// [`Error::Bundle`]: it can't be written; [`Error::Key`].
pub fn seal(statement: &Statement, key: &SigningKey) -> Result<Vec<u8>, Error> {
    let failed = |error: serde_json::Error| Error::Bundle(format!("can't be written: {error}"));
    let payload = serde_json::to_vec(statement).map_err(failed)?;
    let signature = key.sign(&signed_bytes(PAYLOAD, &payload));
    let bundle = Bundle {
        media_type: BUNDLE.to_owned(),
        verification_material: Material {
            public_key: Hint {
                hint: key.public()?.hint(),
            },
        },
        dsse_envelope: Envelope {
            payload: BASE64_STANDARD.encode(payload),
            payload_type: PAYLOAD.to_owned(),
            signatures: vec![Signature {
                sig: BASE64_STANDARD.encode(signature),
            }],
        },
    };
    let mut json = serde_json::to_vec(&bundle).map_err(failed)?;
    json.push(b'\n');
    Ok(json)
}

/// Reads the statement of a bundle that one of these keys has signed; returns the place of the key, too.
///
/// # Errors
/// [`Error::NotSigned`]: none of the keys has signed it; [`Error::Bundle`].
pub fn open(bundle: &[u8], keys: &[PublicKey]) -> Result<(Statement, usize), Error> {
    let failed = |reason: &str| Error::Bundle(reason.to_owned());
    if bundle.len() > MAX_BUNDLE {
        return Err(failed("is too long"));
    }
    let bundle: Bundle = serde_json::from_slice(bundle)
        .map_err(|error| Error::Bundle(format!("is not a bundle of sigstore: {error}")))?;
    let envelope = bundle.dsse_envelope;
    if !bundle.media_type.starts_with(BUNDLES) || envelope.payload_type != PAYLOAD {
        return Err(failed("is not a bundle with a statement of in-toto"));
    }
    if envelope.signatures.len() > MAX_SIGNATURES {
        return Err(failed("has too many signatures"));
    }
    let decoded = |text: &str| BASE64_STANDARD.decode(text);
    let payload = decoded(&envelope.payload).map_err(|_| failed("is not base64 inside"))?;
    let signed = signed_bytes(&envelope.payload_type, &payload);
    let signatures: Vec<_> = (envelope.signatures.iter())
        .filter_map(|one| decoded(&one.sig).ok())
        .collect();
    let is_by = |key: &PublicKey| signatures.iter().any(|one| key.has_signed(&signed, one));
    let by = keys.iter().position(is_by).ok_or(Error::NotSigned)?;
    let statement: Statement = serde_json::from_slice(&payload)
        .map_err(|error| Error::Bundle(format!("has no statement of in-toto: {error}")))?;
    match statement.is_known() {
        true => Ok((statement, by)),
        false => Err(failed("has a statement of an unknown kind")),
    }
}

/// Returns the bytes that a signature in an envelope is of.
fn signed_bytes(kind: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

#[cfg(test)]
mod tests {
    use super::signed_bytes;

    #[test]
    fn what_is_signed() {
        // The example of the protocol's own text.
        let signed = signed_bytes("http://example.com/HelloWorld", b"hello world");
        let expected = "DSSEv1 29 http://example.com/HelloWorld 11 hello world";
        assert_eq!(String::from_utf8(signed).unwrap(), expected);
    }
}
