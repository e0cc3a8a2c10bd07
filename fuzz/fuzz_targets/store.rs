//! A store's directory that others can write to: its list with serial numbers and a last day, its
//! signature, its keys, its definitions. Errors are fine, panics are bugs.
//!
//! The first byte says which file the others are.

#![no_main]

use libfuzzer_sys::fuzz_target;
use store::{Definition, Serial, Store, check_name};

const FILES: [&str; 5] = [
    "SHA256SUMS",
    "SHA256SUMS.gpg",
    "import-pubring.gpg",
    "a-1.manifest.gz",
    "definitions.tar.gz",
];

fuzz_target!(|bytes: &[u8]| {
    let Some((which, bytes)) = bytes.split_first() else { return };
    if let Ok(text) = str::from_utf8(bytes) {
        let _ = (Serial::parse(text), check_name(text));
        let text = text.to_owned();
        let _ = Definition::parse("a", &|_| Some(&text));
    }
    let directory = std::env::temp_dir().join(format!("fuzz-store-{}", std::process::id()));
    let file = FILES[usize::from(*which) % FILES.len()];
    let _ = std::fs::create_dir(&directory);
    if std::fs::write(directory.join(file), bytes).is_err() {
        return;
    }
    if let Ok(store) = Store::open_for_reading(&directory) {
        let _ = (store.entries(), store.images(), store.issued(), store.best_before());
        let _ = (store.signature(), store.published_keys(), store.is_signed());
    }
    let _ = std::fs::remove_file(directory.join(file));
});
