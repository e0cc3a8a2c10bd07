//! Dependencies, versions, and a catalog from a cache with what is found in it. Errors are fine,
//! panics are bugs.

#![no_main]

use libfuzzer_sys::fuzz_target;
use resolve::{Catalog, Dependency, Evr, Nevra};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = (Dependency::parse(text), Evr::parse(text), Nevra::parse(text));
    }
    if let Ok(catalog) = Catalog::decode(bytes) {
        for index in 0..catalog.len().min(100) {
            let _ = (catalog.solvable(index), catalog.attachment(index));
        }
        let _ = catalog.named("a");
    }
});
