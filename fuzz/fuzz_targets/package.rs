//! An RPM file: header, file list, payload. Errors are fine, panics are bugs.

#![no_main]

use std::io::Read as _;

use libfuzzer_sys::fuzz_target;
use rpm_input::{Package, Payload};

fuzz_target!(|bytes: &[u8]| {
    let Ok(package) = Package::read(&mut &*bytes, "fuzz.rpm") else { return };
    let Ok(mut payload) = Payload::open(bytes, &package) else { return };
    while let Ok(Some(mut content)) = payload.next_content() {
        let _ = std::io::copy(&mut content.by_ref().take(1 << 20), &mut std::io::sink());
    }
    let _ = payload.finish();
});
