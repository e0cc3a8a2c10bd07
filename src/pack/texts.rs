//! The short texts of an image that say what else must be there: units, who they run as, what a host makes for them, and what
//! starts programs for desktops and D-Bus.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek};

use image::{Content, Stored, Tree, Visit};

use crate::pack::ReadBack;
use crate::words::failure::{Failure, Result};

/// Directories whose files are kept, with what is below them.
const DIRECTORIES: [&str; 7] = [
    "usr/lib/systemd/system",
    "usr/local/lib/systemd/system",
    "usr/lib/sysusers.d",
    "usr/lib/tmpfiles.d",
    "usr/share/applications",
    "usr/share/dbus-1/services",
    "usr/share/dbus-1/system-services",
];
/// A longer file is not looked at, in bytes: systemd's own longest unit has a tenth of it.
const MAX_TEXT: u64 = 64 * 1024;
/// Most files that are looked at. The largest distributions have some 2 000 units in all.
const MAX_TEXTS: usize = 4096;

/// Bytes of all that are looked at.
const MAX_ALL: u64 = 16 << 20;

/// Reads the texts of an image that was just packed, by their paths in it.
pub fn read<R: Read + Seek>(
    tree: &Tree,
    packed: &mut ReadBack<R>,
) -> Result<BTreeMap<String, String>> {
    if !are_there(tree) {
        return Ok(BTreeMap::new());
    }
    let (image, stored) = packed.open()?;
    read_back(image, stored).map_err(|error| Failure::io("reading the image back", error))
}

fn are_there(tree: &Tree) -> bool {
    DIRECTORIES.iter().any(|path| tree.get(path).is_some())
}

/// Reads the texts of a finished image.
pub fn read_back(image: &mut dyn Stored, tree: &Tree) -> io::Result<BTreeMap<String, String>> {
    let mut texts = BTreeMap::new();
    if !are_there(tree) {
        return Ok(texts);
    }
    let mut wanted = Vec::new();
    let mut left = MAX_ALL;
    tree.walk(&mut |path, visit| {
        let is_kept = |directory: &&str| {
            (path.bytes().strip_prefix(directory.as_bytes()))
                .is_some_and(|rest| rest.starts_with(b"/"))
        };
        if let Visit::Leaf(_, leaf) = visit
            && let Content::File { id, size } = &leaf.content
            && (1..=MAX_TEXT).contains(size)
            && wanted.len() < MAX_TEXTS
            && *size <= left
            && DIRECTORIES.iter().any(is_kept)
        {
            left -= *size;
            wanted.push((path.to_owned(), id.clone()));
        }
    });
    for (path, id) in wanted {
        let mut bytes = Vec::new();
        image.open_content(&id)?.read_to_end(&mut bytes)?;
        // systemd refuses a unit that is not UTF-8.
        if let Ok(text) = String::from_utf8(bytes) {
            texts.insert(path.text().into_owned(), text);
        }
    }
    Ok(texts)
}
