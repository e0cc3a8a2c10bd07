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
    ContentId::new(format!("sha256:{}", hex(digest)))
}

/// Returns bytes as lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns bytes in base64 with padding.
pub fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, at| {
            bits << 8 | u32::from(group.get(at).copied().unwrap_or_default())
        });
        for at in 0..4_u32 {
            let letter = LETTERS[(bits >> (18 - 6 * at)) as usize & 63];
            let is_padding = at as usize > group.len();
            text.push(if is_padding { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_with_padding() {
        for (bytes, text) in [
            (&b""[..], ""),
            (b"f", "Zg=="),
            (b"fo", "Zm8="),
            (b"foo", "Zm9v"),
            (b"\xff\xef\xbe\x00", "/+++AA=="),
        ] {
            assert_eq!(base64(bytes), text, "{bytes:?}");
        }
    }
}
