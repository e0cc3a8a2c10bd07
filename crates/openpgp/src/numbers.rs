//! The numbers of keys and signatures, and the libraries that compute with them.
//!
//! Each algorithm's mathematics are those of the RustCrypto and dalek crates; here is how OpenPGP
//! writes their numbers down.

use ed25519_dalek::Signer as _;
use rsa::BoxedUint;
use rsa::traits::PublicKeyParts as _;
use signature::hazmat::{PrehashSigner as _, PrehashVerifier as _};

use crate::algorithm::Algorithm;
use crate::fields::{Fields, write_number};
use crate::hash::Hash;

/// Sizes of RSA moduli that are read, in bits; which of them count is a matter of policy.
const RSA_BITS: std::ops::RangeInclusive<usize> = 256..=8192;
/// Bytes of a number of Ed25519, and fewest bytes of a digest that it signs.
const ED25519_LENGTH: usize = 32;
/// What the point of an Ed25519 key begins with in the older form of such keys.
const NATIVE_POINT: u8 = 0x40;

/// Object identifiers of curves.
const OID_P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const OID_P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
const OID_P521: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x23];
const OID_SECP256K1: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x0a];
const OID_ED25519: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x0f, 0x01];

/// The numbers of a public key.
#[derive(Clone, Debug)]
pub(crate) enum PublicNumbers {
    Rsa(rsa::PublicKey),
    Dsa(dsa::VerifyingKey),
    P256(p256::ecdsa::VerifyingKey),
    P384(p384::ecdsa::VerifyingKey),
    P521(p521::ecdsa::VerifyingKey),
    Secp256k1(k256::ecdsa::VerifyingKey),
    Ed25519(ed25519_dalek::VerifyingKey),
    /// Those of a key by which no signature can be checked here: it encrypts, or is on another curve.
    Unusable,
}

/// The numbers of a secret key that signs. Each type wipes them when it goes.
pub(crate) enum SecretNumbers {
    Rsa(Box<rsa::PrivateKey>),
    Dsa(dsa::SigningKey),
    P256(p256::ecdsa::SigningKey),
    P384(p384::ecdsa::SigningKey),
    P521(p521::ecdsa::SigningKey),
    Secp256k1(k256::ecdsa::SigningKey),
    /// In the older form, in which signatures are two numbers.
    EdDsaLegacy(ed25519_dalek::SigningKey),
    Ed25519(ed25519_dalek::SigningKey),
}

impl PublicNumbers {
    /// Reads the numbers of a key.
    ///
    /// # Errors
    ///
    /// The reason, if the algorithm is not known or the numbers are none of its.
    pub(crate) fn read(algorithm: Algorithm, fields: &mut Fields<'_>) -> Result<Self, String> {
        let numbers = match algorithm {
            Algorithm::Rsa | Algorithm::RsaEncrypt | Algorithm::RsaSign => rsa_key(fields),
            Algorithm::Dsa => dsa_key(fields),
            Algorithm::Ecdsa => return ecdsa_key(fields),
            Algorithm::EdDsaLegacy => {
                let curve = fields.short().ok_or("it ends too early")?;
                match (curve, fields.number()) {
                    (OID_ED25519, Some([NATIVE_POINT, point @ ..])) => ed25519_key(point),
                    (OID_ED25519, _) | (_, None) => None,
                    _ => Some(Self::Unusable),
                }
            }
            Algorithm::Ed25519 => fields.take(ED25519_LENGTH).and_then(ed25519_key),
            Algorithm::Ecdh => {
                (fields.short().is_some() && fields.number().is_some() && fields.short().is_some())
                    .then_some(Self::Unusable)
            }
            Algorithm::Elgamal | Algorithm::ElgamalEncrypt => (0..3)
                .all(|_| fields.number().is_some())
                .then_some(Self::Unusable),
            Algorithm::X25519 => fields.take(32).map(|_| Self::Unusable),
            Algorithm::X448 => fields.take(56).map(|_| Self::Unusable),
            Algorithm::Other(_) => return Err(format!("{algorithm} is not supported")),
        };
        numbers.ok_or_else(|| format!("its numbers are not those of {algorithm}"))
    }

    /// Says whether a digest was signed with the secret numbers that belong to these.
    pub(crate) fn fit(&self, hash: Hash, digest: &[u8], signature: &[u8], by: Algorithm) -> bool {
        let mut fields = Fields::new(signature);
        let fit = match self {
            Self::Rsa(key) => rsa_fits(key, hash, digest, &mut fields, by),
            Self::Ed25519(key) => ed25519_fits(key, digest, &mut fields, by),
            Self::Dsa(key) => pair(&mut fields, by).and_then(|(r, s)| {
                let [r, s] = [r, s].map(BoxedUint::from_be_slice_vartime);
                let signature = dsa::Signature::from_components(r, s)?;
                key.verify_prehash(digest, &signature).ok()
            }),
            Self::P256(key) => fixed::<32, 64>(&mut fields, by).and_then(|signature| {
                let signature = p256::ecdsa::Signature::from_slice(&signature).ok()?;
                key.verify_prehash(digest, &signature).ok()
            }),
            Self::P384(key) => fixed::<48, 96>(&mut fields, by).and_then(|signature| {
                let signature = p384::ecdsa::Signature::from_slice(&signature).ok()?;
                key.verify_prehash(digest, &signature).ok()
            }),
            Self::P521(key) => fixed::<66, 132>(&mut fields, by).and_then(|signature| {
                let signature = p521::ecdsa::Signature::from_slice(&signature).ok()?;
                key.verify_prehash(digest, &signature).ok()
            }),
            Self::Secp256k1(key) => fixed::<32, 64>(&mut fields, by).and_then(|signature| {
                let signature = k256::ecdsa::Signature::from_slice(&signature).ok()?;
                // The library wants the smaller of two equal forms, as Bitcoin does; gpg makes both.
                let signature = signature.normalize_s();
                key.verify_prehash(digest, &signature).ok()
            }),
            Self::Unusable => None,
        };
        fit.is_some() && fields.is_empty()
    }
}

/// Says whether the numbers of a signature by this algorithm are whole, with nothing after them.
pub(crate) fn are_whole(algorithm: Algorithm, signature: &[u8]) -> bool {
    let mut fields = Fields::new(signature);
    let read = match algorithm {
        Algorithm::Rsa | Algorithm::RsaSign => fields.number().is_some(),
        Algorithm::Dsa | Algorithm::Ecdsa | Algorithm::EdDsaLegacy | Algorithm::Elgamal => {
            fields.number().is_some() && fields.number().is_some()
        }
        Algorithm::Ed25519 => fields.take(2 * ED25519_LENGTH).is_some(),
        // Not known here, and so it fits nothing.
        _ => return true,
    };
    read && fields.is_empty()
}

/// Reads the two numbers of a signature.
fn pair<'a>(fields: &mut Fields<'a>, by: Algorithm) -> Option<(&'a [u8], &'a [u8])> {
    match by {
        Algorithm::Dsa | Algorithm::Ecdsa | Algorithm::EdDsaLegacy => {
            Some((fields.number()?, fields.number()?))
        }
        _ => None,
    }
}

/// Reads the two numbers of a signature, and fills each up to its full length.
fn fixed<const N: usize, const TWICE: usize>(
    fields: &mut Fields<'_>,
    by: Algorithm,
) -> Option<[u8; TWICE]> {
    let (r, s) = pair(fields, by)?;
    let mut both = [0; TWICE];
    let (first, second) = both.split_at_mut_checked(N)?;
    fill(first, r)?;
    fill(second, s)?;
    Some(both)
}

/// Writes a number to the end of its room, if it has enough.
fn fill(room: &mut [u8], number: &[u8]) -> Option<()> {
    let start = room.len().checked_sub(number.len())?;
    room.get_mut(start..)?.copy_from_slice(number);
    Some(())
}

fn rsa_key(fields: &mut Fields<'_>) -> Option<PublicNumbers> {
    let [n, e] = [fields.number()?, fields.number()?].map(BoxedUint::from_be_slice_vartime);
    let key = rsa::PublicKey::new_with_size_limits(n, e, RSA_BITS).ok()?;
    Some(PublicNumbers::Rsa(key))
}

fn dsa_key(fields: &mut Fields<'_>) -> Option<PublicNumbers> {
    let mut number = || fields.number().map(BoxedUint::from_be_slice_vartime);
    let (p, q, g, y) = (number()?, number()?, number()?, number()?);
    let components = dsa::Components::from_components(p, q, g).ok()?;
    let key = dsa::VerifyingKey::from_components(components, y).ok()?;
    Some(PublicNumbers::Dsa(key))
}

fn ecdsa_key(fields: &mut Fields<'_>) -> Result<PublicNumbers, String> {
    let curve = fields.short().ok_or("it ends too early")?;
    let point = fields.number().ok_or("it ends too early")?;
    let key = match curve {
        OID_P256 => p256::ecdsa::VerifyingKey::from_sec1_bytes(point).map(PublicNumbers::P256),
        OID_P384 => p384::ecdsa::VerifyingKey::from_sec1_bytes(point).map(PublicNumbers::P384),
        OID_P521 => p521::ecdsa::VerifyingKey::from_sec1_bytes(point).map(PublicNumbers::P521),
        OID_SECP256K1 => {
            k256::ecdsa::VerifyingKey::from_sec1_bytes(point).map(PublicNumbers::Secp256k1)
        }
        _ => return Ok(PublicNumbers::Unusable),
    };
    key.map_err(|_| "its numbers are not those of ECDSA".to_owned())
}

fn ed25519_key(point: &[u8]) -> Option<PublicNumbers> {
    let key = ed25519_dalek::VerifyingKey::from_bytes(point.try_into().ok()?).ok()?;
    Some(PublicNumbers::Ed25519(key))
}

fn rsa_fits(
    key: &rsa::PublicKey,
    hash: Hash,
    digest: &[u8],
    fields: &mut Fields<'_>,
    by: Algorithm,
) -> Option<()> {
    if !matches!(by, Algorithm::Rsa | Algorithm::RsaSign) {
        return None;
    }
    // OpenPGP leaves out zeros at the front, RSA does not.
    let mut signature = vec![0; key.size()];
    fill(&mut signature, fields.number()?)?;
    key.verify(hash.rsa_scheme()?, digest, &signature).ok()
}

fn ed25519_fits(
    key: &ed25519_dalek::VerifyingKey,
    digest: &[u8],
    fields: &mut Fields<'_>,
    by: Algorithm,
) -> Option<()> {
    if digest.len() < ED25519_LENGTH {
        return None;
    }
    let signature = match by {
        Algorithm::Ed25519 => fields.array()?,
        _ => fixed::<32, 64>(fields, by)?,
    };
    let signature = ed25519_dalek::Signature::from_bytes(&signature);
    ed25519_dalek::Verifier::verify(key, digest, &signature).ok()
}

impl SecretNumbers {
    /// Reads the secret numbers that belong to public ones.
    ///
    /// Nothing comes back for numbers that don't belong together, or are not all there is.
    pub(crate) fn read(
        algorithm: Algorithm,
        public: &PublicNumbers,
        fields: &mut Fields<'_>,
    ) -> Option<Self> {
        let secret = match public {
            PublicNumbers::Rsa(key) => {
                let mut number = || fields.number().map(BoxedUint::from_be_slice_vartime);
                // The last one is the inverse of p modulo q, which the library computes itself.
                let (d, p, q, _) = (number()?, number()?, number()?, number()?);
                let n = key.n().as_ref().clone();
                let e = key.e().clone();
                let key = rsa::PrivateKey::from_components(n, e, d, vec![p, q]).ok()?;
                Self::Rsa(Box::new(key))
            }
            PublicNumbers::Dsa(key) => {
                let x = BoxedUint::from_be_slice_vartime(fields.number()?);
                Self::Dsa(dsa::SigningKey::from_components(key.clone(), x).ok()?)
            }
            PublicNumbers::P256(_) => {
                let key = scalar::<32>(fields)?;
                Self::P256(p256::ecdsa::SigningKey::from_slice(&*key).ok()?)
            }
            PublicNumbers::P384(_) => {
                let key = scalar::<48>(fields)?;
                Self::P384(p384::ecdsa::SigningKey::from_slice(&*key).ok()?)
            }
            PublicNumbers::P521(_) => {
                let key = scalar::<66>(fields)?;
                Self::P521(p521::ecdsa::SigningKey::from_slice(&*key).ok()?)
            }
            PublicNumbers::Secp256k1(_) => {
                let key = scalar::<32>(fields)?;
                Self::Secp256k1(k256::ecdsa::SigningKey::from_slice(&*key).ok()?)
            }
            PublicNumbers::Ed25519(_) if algorithm == Algorithm::Ed25519 => {
                let key = zeroize::Zeroizing::new(fields.array()?);
                Self::Ed25519(ed25519_dalek::SigningKey::from_bytes(&key))
            }
            PublicNumbers::Ed25519(_) => {
                let key = scalar(fields)?;
                Self::EdDsaLegacy(ed25519_dalek::SigningKey::from_bytes(&key))
            }
            PublicNumbers::Unusable => return None,
        };
        fields.is_empty().then_some(secret)
    }

    /// Signs a digest of SHA-512, and writes the numbers as OpenPGP does. The same digest gives the
    /// same numbers.
    pub(crate) fn sign(&self, digest: &[u8]) -> Option<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut write = |numbers: [&[u8]; 2]| {
            for number in numbers {
                write_number(number, &mut bytes);
            }
        };
        match self {
            Self::Rsa(key) => {
                let signature = key.sign(Hash::Sha512.rsa_scheme()?, digest).ok()?;
                write_number(&signature, &mut bytes);
            }
            Self::Dsa(key) => {
                let signature = key.sign_prehashed_rfc6979::<sha2::Sha512>(digest).ok()?;
                write([&signature.r().to_be_bytes(), &signature.s().to_be_bytes()]);
            }
            Self::P256(key) => {
                let signature: p256::ecdsa::Signature = key.sign_prehash(digest).ok()?;
                let (r, s) = signature.split_bytes();
                write([&r, &s]);
            }
            Self::P384(key) => {
                let signature: p384::ecdsa::Signature = key.sign_prehash(digest).ok()?;
                let (r, s) = signature.split_bytes();
                write([&r, &s]);
            }
            Self::P521(key) => {
                let signature: p521::ecdsa::Signature = key.sign_prehash(digest).ok()?;
                let (r, s) = signature.split_bytes();
                write([&r, &s]);
            }
            Self::Secp256k1(key) => {
                let signature: k256::ecdsa::Signature = key.sign_prehash(digest).ok()?;
                let (r, s) = signature.split_bytes();
                write([&r, &s]);
            }
            Self::EdDsaLegacy(key) => {
                let signature = key.sign(digest);
                write([signature.r_bytes(), signature.s_bytes()]);
            }
            Self::Ed25519(key) => bytes.extend(key.sign(digest).to_bytes()),
        }
        Some(bytes)
    }
}

/// Reads a secret number and fills it up to its full length.
fn scalar<const N: usize>(fields: &mut Fields<'_>) -> Option<zeroize::Zeroizing<[u8; N]>> {
    let mut room = zeroize::Zeroizing::new([0; N]);
    fill(&mut *room, fields.number()?)?;
    Some(room)
}
