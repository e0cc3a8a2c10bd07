//! A kernel module, as it is or compressed: any bytes give what it says or an error.

#![no_main]

use std::io::{Cursor, Read as _};

use libfuzzer_sys::fuzz_target;
use linkage::Module;

fuzz_target!(|data: &[u8]| {
    let mut plain = Vec::new();
    if let Ok(unpacked) = rpm_input::unpacked(data, &[b"\x7fELF"]) {
        let _ = unpacked.take(1 << 20).read_to_end(&mut plain);
    }
    if let Ok(Some(module)) = Module::read(&mut Cursor::new(plain)) {
        let _ = (module.release(), module.may_fit_others());
    }
});
