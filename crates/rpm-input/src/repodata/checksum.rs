//! Checksums as `repomd.xml` and `primary` write them: a type and hex digits.

use std::fmt;

use crate::digest::{Hasher, is_digest};
use crate::file::DigestAlgorithm;

/// The promised checksum of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    algorithm: DigestAlgorithm,
    hex: String,
}

impl Checksum {
    /// Reads a checksum of the type `kind`: `sha256`, `sha512`, `sha` (SHA-1), and so on.
    ///
    /// # Errors
    ///
    /// What is wrong, in words: the type is not known, or the digits are not those of one.
    pub fn parse(kind: &str, hex: &str) -> Result<Self, String> {
        let algorithm = match kind {
            "sha256" => DigestAlgorithm::Sha256,
            "sha512" => DigestAlgorithm::Sha512,
            "sha384" => DigestAlgorithm::Sha384,
            "sha224" => DigestAlgorithm::Sha224,
            "sha" | "sha1" => DigestAlgorithm::Sha1,
            "md5" => DigestAlgorithm::Md5,
            other => return Err(format!("unknown checksum type {other:?}")),
        };
        if !is_digest(algorithm, hex) {
            let shown: String = hex.chars().take(130).collect();
            return Err(format!("{shown:?} is not a valid {algorithm} checksum"));
        }
        let hex = hex.to_ascii_lowercase();
        Ok(Self { algorithm, hex })
    }

    /// Returns how the checksum is made.
    pub fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    /// Returns whether two files with the same checksum can be made: MD5 and SHA-1.
    pub fn is_weak(&self) -> bool {
        matches!(self.algorithm, DigestAlgorithm::Md5 | DigestAlgorithm::Sha1)
    }

    /// Returns the digits, in lower case.
    pub fn hex(&self) -> &str {
        &self.hex
    }

    /// Returns the type as metadata spell it; also a word that file names can have.
    pub fn kind(&self) -> &'static str {
        match self.algorithm {
            DigestAlgorithm::Md5 => "md5",
            DigestAlgorithm::Sha1 => "sha1",
            DigestAlgorithm::Sha224 => "sha224",
            DigestAlgorithm::Sha256 => "sha256",
            DigestAlgorithm::Sha384 => "sha384",
            DigestAlgorithm::Sha512 => "sha512",
        }
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm, self.hex)
    }
}

/// Makes a checksum of the bytes of a file, to be compared with the promised one.
pub struct ChecksumHasher {
    hasher: Hasher,
    algorithm: DigestAlgorithm,
}

impl ChecksumHasher {
    /// Starts a checksum of the same algorithm as `promised`.
    pub fn like(promised: &Checksum) -> Self {
        Self {
            hasher: Hasher::new(promised.algorithm),
            algorithm: promised.algorithm,
        }
    }

    /// Adds the next bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Returns the checksum of all bytes.
    pub fn finish(self) -> Checksum {
        Checksum {
            algorithm: self.algorithm,
            hex: self.hasher.finish(),
        }
    }
}
