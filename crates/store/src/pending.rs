//! Files that go unless they are listed.
//!
//! A file gets its name before the list has it, and loses its name after the list no longer has
//! it; in between nobody is served it, and nobody was told of it. So that a killed process leaves
//! no such file, its name and inode are written down first, in a hidden file, and whoever takes the
//! lock next removes what is noted and not listed. The note is not synced: after a power failure
//! the file may stay, which `verify` tells, and does no harm.

use std::os::unix::fs::MetadataExt;

use crate::directory::Directory;
use crate::error::Error;
use crate::sums::Sums;

/// The note: a line `<inode> <name>` for each file.
pub(crate) const PENDING: &str = ".sysext-build-pending.tmp";

/// Largest note that is read, in bytes; one of half a million files.
const MAX_SIZE: u64 = 64 << 20;

/// Notes files, of which there may be none.
pub(crate) fn note<'a>(
    directory: &Directory,
    files: impl Iterator<Item = (u64, &'a str)>,
) -> Result<(), Error> {
    let text: String = files
        .map(|(inode, name)| format!("{inode} {name}\n"))
        .collect();
    if text.is_empty() {
        return Ok(());
    }
    let mut note = directory.temporary()?;
    std::io::Write::write_all(&mut note, text.as_bytes())
        .and_then(|()| note.link(directory.fd(), PENDING))
        .map_err(|e| directory.error("write", PENDING, e))
}

/// Removes what is noted and not in `sums`, and the note.
pub(crate) fn resolve(directory: &Directory, sums: &Sums) -> Result<(), Error> {
    let Some(bytes) = directory.read_bounded(PENDING, MAX_SIZE)? else {
        return Ok(());
    };
    for line in String::from_utf8_lossy(&bytes).lines() {
        // After a power failure there may be anything.
        let Some((inode, name)) = line.split_once(' ') else {
            continue;
        };
        if sums.get(name).is_none() && inode.parse().is_ok_and(|inode| is(directory, name, inode)) {
            directory.remove(name)?;
        }
    }
    directory.remove(PENDING)
}

/// Whether `name` is still that of the file which was noted.
fn is(directory: &Directory, name: &str, inode: u64) -> bool {
    let is_plain = !name.contains('/');
    is_plain
        && matches!(directory.open_file(name), Ok(Some(file))
            if file.metadata().is_ok_and(|stat| stat.ino() == inode))
}
