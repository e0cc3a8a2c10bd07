//! A patch and the image that it is applied to, both of any bytes: what comes of it is no longer than the
//! patch says. Errors are fine, panics are bugs. The first two bytes say where the patch ends.

#![no_main]

use std::io::Cursor;

use delta::patch::{Patch, make};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((length, rest)) = bytes.split_first_chunk() else { return };
    let length = usize::from(u16::from_le_bytes(*length)).min(rest.len());
    let (patch, old) = rest.split_at(length);
    if let Ok(patch) = Patch::parse(patch) {
        let mut new = Vec::new();
        let applied = patch.apply(&mut Cursor::new(old), &mut new, &|_| ());
        assert!(new.len() as u64 <= patch.length());
        assert!(applied.is_err() || new.len() as u64 == patch.length());
    }
    // What is made of two images makes the second one.
    if let Ok(made) = make(&mut Cursor::new(old), &mut Cursor::new(patch)) {
        let read = Patch::parse(&made.bytes).expect("a patch that was made can be read");
        let mut new = Vec::new();
        (read.apply(&mut Cursor::new(old), &mut new, &|_| ())).expect("and applied");
        assert_eq!(new, patch);
    }
});
