//! The short texts of an image that say what else must be there: units, and who they run as.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use image::squashfs::Image;
use image::{Content, Tree, Visit};

use crate::words::failure::{Failure, Result};

/// Directories whose files are kept, with what is below them.
const DIRECTORIES: [&str; 3] = [
    "usr/lib/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/sysusers.d",
];
/// A longer file is not looked at, in bytes: systemd's own longest unit has a tenth of it.
const MAX_TEXT: u64 = 64 * 1024;
/// Most files that are looked at. The largest distributions have some 2 000 units in all.
const MAX_TEXTS: usize = 4096;

/// Reads the texts of a finished image, by their paths in it.
pub fn read<R: Read + Seek>(tree: &Tree, packed: &mut R) -> Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    let is_there = |path: &&str| tree.get(path).is_some();
    if !DIRECTORIES.iter().any(is_there) {
        return Ok(texts);
    }
    let mut image = Image::open(packed).map_err(Failure::refused)?;
    let stored = image.tree().map_err(Failure::refused)?;
    let mut wanted = Vec::new();
    stored.walk(&mut |path, visit| {
        let is_kept = |directory: &&str| {
            (path.bytes().strip_prefix(directory.as_bytes()))
                .is_some_and(|rest| rest.starts_with(b"/"))
        };
        if let Visit::Leaf(_, leaf) = visit
            && let Content::File { id, size } = &leaf.content
            && (1..=MAX_TEXT).contains(size)
            && wanted.len() < MAX_TEXTS
            && DIRECTORIES.iter().any(is_kept)
        {
            wanted.push((path.to_owned(), id.clone()));
        }
    });
    for (path, id) in wanted {
        let mut bytes = Vec::new();
        let mut content = image.content(&id).map_err(Failure::refused)?;
        (content.read_to_end(&mut bytes))
            .map_err(|error| Failure::io("reading the image back", error))?;
        // systemd refuses a unit that is not UTF-8.
        if let Ok(text) = String::from_utf8(bytes) {
            texts.insert(path.text().into_owned(), text);
        }
    }
    Ok(texts)
}
