//! A manifest, packed and not, of an image of any kind and of one that clients are offered. Errors
//! are fine, panics are bugs.

#![no_main]

use libfuzzer_sys::fuzz_target;
use linkage::Linkage;
use manifest::Manifest;

fuzz_target!(|bytes: &[u8]| {
    let _ = Manifest::<Linkage>::from_gzip(bytes);
    let _ = Manifest::<Linkage>::parse_strictly(bytes);
    if let Ok(manifest) = Manifest::<Linkage>::parse(bytes) {
        let _ = (manifest.evr(), manifest.to_gzip());
    }
});
