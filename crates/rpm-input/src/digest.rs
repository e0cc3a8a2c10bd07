//! Digests that are chosen at run time, by what the header names.

use md5::Md5;
use sha1::Sha1;
use sha2::digest::Digest;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use crate::file::DigestAlgorithm;

/// A digest in the making.
pub(crate) enum Hasher {
    Md5(Md5),
    Sha1(Sha1),
    Sha224(Sha224),
    Sha256(Sha256),
    Sha384(Sha384),
    Sha512(Sha512),
}

impl Hasher {
    pub(crate) fn new(algorithm: DigestAlgorithm) -> Self {
        match algorithm {
            DigestAlgorithm::Md5 => Self::Md5(Md5::new()),
            DigestAlgorithm::Sha1 => Self::Sha1(Sha1::new()),
            DigestAlgorithm::Sha224 => Self::Sha224(Sha224::new()),
            DigestAlgorithm::Sha256 => Self::Sha256(Sha256::new()),
            DigestAlgorithm::Sha384 => Self::Sha384(Sha384::new()),
            DigestAlgorithm::Sha512 => Self::Sha512(Sha512::new()),
        }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Md5(state) => state.update(bytes),
            Self::Sha1(state) => state.update(bytes),
            Self::Sha224(state) => state.update(bytes),
            Self::Sha256(state) => state.update(bytes),
            Self::Sha384(state) => state.update(bytes),
            Self::Sha512(state) => state.update(bytes),
        }
    }

    /// Returns the digest in lower-case hex.
    pub(crate) fn finish(self) -> String {
        match self {
            Self::Md5(state) => hex::encode(state.finalize()),
            Self::Sha1(state) => hex::encode(state.finalize()),
            Self::Sha224(state) => hex::encode(state.finalize()),
            Self::Sha256(state) => hex::encode(state.finalize()),
            Self::Sha384(state) => hex::encode(state.finalize()),
            Self::Sha512(state) => hex::encode(state.finalize()),
        }
    }
}

/// Returns the digest of `bytes` in lower-case hex.
pub(crate) fn digest_of(algorithm: DigestAlgorithm, bytes: &[u8]) -> String {
    let mut hasher = Hasher::new(algorithm);
    hasher.update(bytes);
    hasher.finish()
}

/// Returns whether `text` is a digest of this algorithm in hex.
pub(crate) fn is_digest(algorithm: DigestAlgorithm, text: &str) -> bool {
    text.len() == 2 * algorithm.length() && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_of_nothing_are_the_known_ones() {
        for (algorithm, start) in [
            (DigestAlgorithm::Md5, "d41d8cd98f00b204"),
            (DigestAlgorithm::Sha1, "da39a3ee5e6b4b0d"),
            (DigestAlgorithm::Sha224, "d14a028c2a3a2bc9"),
            (DigestAlgorithm::Sha256, "e3b0c44298fc1c14"),
            (DigestAlgorithm::Sha384, "38b060a751ac9638"),
            (DigestAlgorithm::Sha512, "cf83e1357eefb8bd"),
        ] {
            let digest = digest_of(algorithm, b"");
            assert!(digest.starts_with(start), "{algorithm}: {digest}");
            assert!(is_digest(algorithm, &digest));
            assert!(!is_digest(algorithm, &digest[1..]));
        }
    }
}
