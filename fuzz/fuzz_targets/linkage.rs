//! A file's needs: as an ELF object, a script and a loader's cache. Errors are fine, panics are bugs.

#![no_main]

use std::io::Cursor;

use libfuzzer_sys::fuzz_target;
use linkage::{Cache, Object, Script};

fuzz_target!(|bytes: &[u8]| {
    let _ = Object::read(&mut Cursor::new(bytes));
    let _ = Script::parse(bytes);
    let _ = Cache::parse(bytes);
});
