//! Images by the real mksquashfs, compared with the directory they were made of; and the same
//! images damaged.

mod hostile;
mod oracle;
mod round_trip;

use std::collections::BTreeMap;
use std::io::{self, Cursor as Bytes, Read};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest, Sha256};

use super::{Image, ReadError};
use crate::tree::{ContentId, Tree};

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

/// Says that something is not tested here; where it has to be, that is a failure.
#[expect(clippy::print_stderr, reason = "a skipped test has to be heard")]
#[expect(clippy::disallowed_methods, reason = "CI has all oracles")]
fn skip(what: &str) {
    assert!(std::env::var_os("CI").is_none(), "not in CI: {what}");
    eprintln!("skipped: {what}");
}

/// Makes an image of `source`, or returns `None` where there is no mksquashfs.
fn mksquashfs(source: &Path, image: &Path, options: &[&str]) -> Option<Vec<u8>> {
    let _ = std::fs::remove_file(image);
    let result = Command::new("mksquashfs")
        .arg(source)
        .arg(image)
        .args(["-no-progress", "-processors", "1", "-noappend"])
        .args(options)
        .output();
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            skip("there is no mksquashfs");
            None
        }
        result => {
            let output = result.unwrap();
            assert!(
                output.status.success(),
                "mksquashfs {options:?}: {}",
                String::from_utf8_lossy(&output.stderr)
            );
            Some(std::fs::read(image).unwrap())
        }
    }
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
