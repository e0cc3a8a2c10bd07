//! Hashes, signatures, certificates and keys. Errors are fine, panics are bugs.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use verity::{Certificate, SignatureBlock, SigningKey};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, bytes)) = bytes.split_first() else { return };
    match kind % 4 {
        0 => {
            let (data, hashes) = bytes.split_at(bytes.len() / 2);
            let _ = verity::check(&mut Cursor::new(data), &mut Cursor::new(hashes));
        }
        1 => {
            let _ = Certificate::parse_all(bytes, "input");
        }
        2 => {
            let _ = SigningKey::parse(bytes, "input", None);
            let _ = SigningKey::parse(bytes, "input", Some("a"));
        }
        _ => {
            let _ = verity::pkcs7::signer(bytes);
            let _ = verity::archive::read_signatures(bytes);
            if let Ok(Some(block)) = SignatureBlock::parse(bytes) {
                let _ = verity::pkcs7::signer(&block.signature);
            }
        }
    }
});
