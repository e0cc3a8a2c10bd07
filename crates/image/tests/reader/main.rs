//! Images by the real mksquashfs, compared with the directory they were made of; and the same
//! images damaged.

#![allow(
    clippy::disallowed_methods,
    reason = "a test reads what it made itself"
)]
#![expect(
    clippy::expect_used,
    clippy::unwrap_used,
    reason = "a test may fail by a panic, in its functions too"
)]

#[macro_use]
extern crate judges;

mod foreign;
mod hostile;
mod oracle;
mod round_trip;

use std::collections::BTreeMap;
use std::io::{Cursor as Bytes, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use image::squashfs::{Image, ReadError};
use image::{ContentId, Tree};

/// A directory of one test's own, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("image-read-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn join(&self, path: &str) -> PathBuf {
        self.0.join(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Makes an image of `source` with the real mksquashfs.
fn mksquashfs(source: &Path, image: &Path, options: &[&str]) -> Vec<u8> {
    let _ = std::fs::remove_file(image);
    let output = Command::new("mksquashfs")
        .arg(source)
        .arg(image)
        .args(["-no-progress", "-processors", "1", "-noappend"])
        .args(options)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "mksquashfs {options:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    std::fs::read(image).unwrap()
}

/// Bytes that don't compress, the same on each call.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

fn digest(bytes: &[u8]) -> ContentId {
    let hex: String = Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    ContentId::new(format!("sha256:{hex}"))
}

/// Reads a tree whose content ids are digests, and how many contents there are.
fn read_with_digests(bytes: &[u8]) -> Result<(Tree, usize), ReadError> {
    let mut image = Image::open(Bytes::new(bytes))?;
    let mut tree = image.tree()?;
    let mut contents: BTreeMap<ContentId, u64> = BTreeMap::new();
    tree.map_contents(&mut |size, id| {
        assert_eq!(contents.insert(id.clone(), size), None, "{id} asked twice");
        let mut bytes = Vec::new();
        image.content(id)?.read_to_end(&mut bytes).unwrap();
        assert_eq!(bytes.len() as u64, size, "{id}");
        Ok::<_, ReadError>(digest(&bytes))
    })?;
    Ok((tree, contents.len()))
}

fn main() -> std::process::ExitCode {
    judges::run()
}
