//! An EROFS: its tree, and the start of each content. Errors are fine, panics are bugs.

#![no_main]

use std::io::{Cursor, Read as _};

use image::foreign::FileSystem;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Ok(mut image) = FileSystem::erofs(Cursor::new(bytes)) else { return };
    let _ = (image.name(), image.length());
    let Ok(mut tree) = image.tree() else { return };
    let _ = tree.map_contents(&mut |_, id| {
        if !image.is_plain(id) {
            return Ok(id.clone());
        }
        let content = image.content(id)?;
        std::io::copy(&mut content.take(1 << 20), &mut std::io::sink())?;
        Ok::<_, std::io::Error>(id.clone())
    });
});
