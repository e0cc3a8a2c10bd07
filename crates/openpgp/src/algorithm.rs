//! Public-key algorithms: their numbers in OpenPGP and their names.

use std::fmt;

/// An algorithm of keys and signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Rsa,
    RsaEncrypt,
    RsaSign,
    ElgamalEncrypt,
    Dsa,
    Ecdh,
    Ecdsa,
    Elgamal,
    EdDsaLegacy,
    X25519,
    X448,
    Ed25519,
    Other(u8),
}

impl From<u8> for Algorithm {
    fn from(number: u8) -> Self {
        match number {
            1 => Self::Rsa,
            2 => Self::RsaEncrypt,
            3 => Self::RsaSign,
            16 => Self::ElgamalEncrypt,
            17 => Self::Dsa,
            18 => Self::Ecdh,
            19 => Self::Ecdsa,
            20 => Self::Elgamal,
            22 => Self::EdDsaLegacy,
            25 => Self::X25519,
            26 => Self::X448,
            27 => Self::Ed25519,
            other => Self::Other(other),
        }
    }
}

impl From<Algorithm> for u8 {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Rsa => 1,
            Algorithm::RsaEncrypt => 2,
            Algorithm::RsaSign => 3,
            Algorithm::ElgamalEncrypt => 16,
            Algorithm::Dsa => 17,
            Algorithm::Ecdh => 18,
            Algorithm::Ecdsa => 19,
            Algorithm::Elgamal => 20,
            Algorithm::EdDsaLegacy => 22,
            Algorithm::X25519 => 25,
            Algorithm::X448 => 26,
            Algorithm::Ed25519 => 27,
            Algorithm::Other(number) => number,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rsa => "RSA",
            Self::RsaEncrypt => "RSAEncrypt",
            Self::RsaSign => "RSASign",
            Self::ElgamalEncrypt => "ElgamalEncrypt",
            Self::Dsa => "DSA",
            Self::Ecdh => "ECDH",
            Self::Ecdsa => "ECDSA",
            Self::Elgamal => "Elgamal",
            Self::EdDsaLegacy => "EdDSALegacy",
            Self::X25519 => "X25519",
            Self::X448 => "X448",
            Self::Ed25519 => "Ed25519",
            Self::Other(28) => "Ed448",
            Self::Other(number) => return write!(f, "algorithm {number}"),
        })
    }
}
