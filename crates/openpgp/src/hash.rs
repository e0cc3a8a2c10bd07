//! Hash algorithms: their numbers in OpenPGP, their names, and their digests.

use std::fmt;

use digest::DynDigest;
use rsa::Pkcs1v15Sign;
use sha1_checked::{CollisionResult, Sha1};

/// A hash algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Md5,
    Sha1,
    Ripemd160,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha3_256,
    Sha3_512,
    Other(u8),
}

impl From<u8> for Hash {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Md5,
            2 => Self::Sha1,
            3 => Self::Ripemd160,
            8 => Self::Sha256,
            9 => Self::Sha384,
            10 => Self::Sha512,
            11 => Self::Sha224,
            12 => Self::Sha3_256,
            14 => Self::Sha3_512,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA1",
            Self::Ripemd160 => "RIPEMD160",
            Self::Sha224 => "SHA224",
            Self::Sha256 => "SHA256",
            Self::Sha384 => "SHA384",
            Self::Sha512 => "SHA512",
            Self::Sha3_256 => "SHA3-256",
            Self::Sha3_512 => "SHA3-512",
            Self::Other(number) => return write!(f, "hash algorithm {number}"),
        })
    }
}

impl Hash {
    /// Returns the digest of the parts, one after the other; nothing for an algorithm that is not
    /// known, and for bytes with which one of the known collisions of SHA-1 is made.
    pub(crate) fn digest<'a>(self, parts: impl IntoIterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
        let mut hasher: Box<dyn DynDigest> = match self {
            Self::Sha1 => {
                let mut hasher = Sha1::new();
                for part in parts {
                    digest::Update::update(&mut hasher, part);
                }
                return match hasher.try_finalize() {
                    CollisionResult::Ok(digest) => Some(digest.to_vec()),
                    CollisionResult::Collision(_) | CollisionResult::Mitigated(_) => None,
                };
            }
            Self::Md5 => Box::<md5::Md5>::default(),
            Self::Ripemd160 => Box::<ripemd::Ripemd160>::default(),
            Self::Sha224 => Box::<sha2::Sha224>::default(),
            Self::Sha256 => Box::<sha2::Sha256>::default(),
            Self::Sha384 => Box::<sha2::Sha384>::default(),
            Self::Sha512 => Box::<sha2::Sha512>::default(),
            Self::Sha3_256 => Box::<sha3::Sha3_256>::default(),
            Self::Sha3_512 => Box::<sha3::Sha3_512>::default(),
            Self::Other(_) => return None,
        };
        for part in parts {
            hasher.update(part);
        }
        Some(hasher.finalize().into_vec())
    }

    /// Returns how RSA signs a digest of this algorithm.
    pub(crate) fn rsa_scheme(self) -> Option<Pkcs1v15Sign> {
        Some(match self {
            Self::Md5 => Pkcs1v15Sign::new::<md5::Md5>(),
            Self::Sha1 => Pkcs1v15Sign::new::<Sha1>(),
            Self::Ripemd160 => Pkcs1v15Sign::new::<ripemd::Ripemd160>(),
            Self::Sha224 => Pkcs1v15Sign::new::<sha2::Sha224>(),
            Self::Sha256 => Pkcs1v15Sign::new::<sha2::Sha256>(),
            Self::Sha384 => Pkcs1v15Sign::new::<sha2::Sha384>(),
            Self::Sha512 => Pkcs1v15Sign::new::<sha2::Sha512>(),
            Self::Sha3_256 => Pkcs1v15Sign::new::<sha3::Sha3_256>(),
            Self::Sha3_512 => Pkcs1v15Sign::new::<sha3::Sha3_512>(),
            Self::Other(_) => return None,
        })
    }

    /// Returns how many bytes of salt a signature of version 6 has.
    pub(crate) fn salt_length(self) -> Option<usize> {
        match self {
            Self::Sha224 | Self::Sha256 | Self::Sha3_256 => Some(16),
            Self::Sha384 => Some(24),
            Self::Sha512 | Self::Sha3_512 => Some(32),
            Self::Md5 | Self::Sha1 | Self::Ripemd160 | Self::Other(_) => None,
        }
    }
}
