//! The index of an image, and what is found by it. One that is read is written as it was, and says
//! where all of its own pieces are. Errors are fine, panics are bugs.

#![no_main]

use std::io::Cursor;

use delta::{Block, Found, Index};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(index) = Index::parse(bytes) {
        assert_eq!(index.to_bytes(), bytes);
        let mut found = Found::new(&index);
        found.look_in(&index, 0, index.pieces());
        assert_eq!(found.missing(&index), 0);
    }
    // Whatever is said of where blocks are, each byte is in one piece.
    let blocks = image::blocks(Cursor::new(bytes)).unwrap_or_default();
    let blocks: Vec<_> = blocks.into_iter().map(|(start, length)| Block { start, length }).collect();
    if let Ok(index) = Index::of(&mut &*bytes, bytes.len() as u64, &blocks) {
        let lengths = index.pieces().iter().map(|piece| u64::from(piece.length));
        assert_eq!(lengths.sum::<u64>(), bytes.len() as u64);
    }
});
