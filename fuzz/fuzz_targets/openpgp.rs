//! Keys and signatures. Errors are fine, panics are bugs. The bytes are taken for a keyring, for a
//! signature by the fixed key and for a secret key; and where they hold both keys and signatures,
//! for a keyring whose own signatures are checked.

#![no_main]

use libfuzzer_sys::fuzz_target;
use openpgp::{Keyring, SigningKey};

const PUBLIC: &[u8] = include_bytes!("../../fixtures/keys/test.public.asc");
const MADE: u64 = 1_700_000_000;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(keyring) = Keyring::parse(bytes, "keyring") {
        let _ = (keyring.keys(), keyring.to_binary());
        let _ = keyring.verify_detached(b"data", bytes, "signature", MADE);
    }
    if let Ok(keyring) = Keyring::parse(PUBLIC, "keyring") {
        let _ = keyring.verify_detached(b"data", bytes, "signature", MADE);
    }
    if let Ok(key) = SigningKey::parse(bytes, "key", None, MADE) {
        let _ = key.sign(b"data", MADE);
    }
});
