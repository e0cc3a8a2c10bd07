//! dm-verity: a hash tree over blocks of data, and its root hash signed.
//!
//! ```text
//! data ─▶ Hasher ─▶ HashTree ── superblock and hashes, for the partition beside the data
//!                      │
//!                  root hash, in hex ─▶ PKCS#7 of an RSA key ─▶ SignatureBlock, a partition, too
//! ```
//!
//! Whoever has the root hash can read the data without trusting where they are: each block is
//! checked when it is read. systemd takes the root hash from the [`SignatureBlock`] and gives Linux
//! the signature, which Linux checks against the certificates that it has.
//!
//! [`check`] reads such hashes back and compares them with the data, in memory that does not depend
//! on their length. [`archive`] has what a build service signs. [`pkcs7`] signs and checks, with the numbers of RustCrypto; PKCS#1 v1.5, the only
//! way that Linux takes, gives the same signature each time.

pub mod archive;
mod block;
mod certificate;
mod check;
mod error;
mod key;
mod pem;
pub mod pkcs7;
mod superblock;
mod tree;

pub use block::{MAX_SIZE as MAX_SIGNATURE_SIZE, SIGNATURE_SIZE, SignatureBlock};
pub use certificate::Certificate;
pub use check::{Checked, check};
pub use error::Error;
pub use key::SigningKey;
pub use superblock::{MARK, Superblock};
pub use tree::{BLOCK_SIZE, HashTree, Hasher};

/// A SHA-256.
pub type Digest = [u8; 32];

/// Returns what is signed of a root hash: its 64 characters in hex, without a line end.
#[must_use]
pub fn signed_text(root: &Digest) -> String {
    hex::encode(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_so_long() {
        let certificate = |length: usize| {
            let found = Certificate::parse_all(&vec![0x30; length], "x");
            found.map(drop).unwrap_err().to_string()
        };
        assert!(certificate(65_536).contains("is damaged"));
        assert_eq!(
            certificate(65_537),
            "x: a certificate has more than 65536 bytes"
        );
        let key = |length: usize| {
            let found = SigningKey::parse(&vec![b' '; length], "x", None);
            found.map(drop).unwrap_err().to_string()
        };
        assert_eq!(key(65_536), "x: it has no secret key in PEM");
        assert_eq!(key(65_537), "x: it has more than 65536 bytes");
        let signature = |length: usize| {
            let found = pkcs7::signer(&vec![0x30; length]);
            found.map(drop).unwrap_err().to_string()
        };
        assert!(signature(262_144).contains("is not PKCS#7"));
        assert_eq!(
            signature(262_145),
            "the signature has more than 262144 bytes"
        );
    }
}
