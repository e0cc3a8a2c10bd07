//! SHA-256 digests, and how they name contents.

use std::io::Read;

use image::ContentId;
use sha2::{Digest as _, Sha256};

/// Reads to the end and returns the length and the SHA-256 digest.
pub fn sha256(input: &mut dyn Read) -> std::io::Result<(u64, [u8; 32])> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 128 * 1024];
    let mut size = 0;
    loop {
        match input.read(&mut buffer)? {
            0 => return Ok((size, hash.finalize().into())),
            length => {
                hash.update(&buffer[..length]);
                size += length as u64;
            }
        }
    }
}

/// Returns the content id of a SHA-256 digest.
pub fn sha256_id(digest: &[u8; 32]) -> ContentId {
    ContentId::sha256(digest)
}
