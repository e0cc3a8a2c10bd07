//! An ext2, ext3 or ext4 file system: its tree, and the start of each content. Errors are fine,
//! panics are bugs.

#![no_main]

mod contents;

use std::io::Cursor;

use image::foreign::FileSystem;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| contents::read(FileSystem::ext(Cursor::new(bytes))));
