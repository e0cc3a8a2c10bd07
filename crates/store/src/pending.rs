//! Files that go unless they are listed.
//!
//! A file gets its name before the list has it, and loses its name after the list no longer has
//! it; in between nobody is served it, and nobody was told of it. So that a killed process leaves
//! no such file, its name and inode are written down first, in a hidden file, and the process that
//! takes the lock next removes what is noted and not listed. The note is not synced: after a power
//! failure the file may stay, which `verify` tells, and does no harm.

use crate::directory::Directory;
use crate::error::Error;
use crate::sums::Sums;

/// The note: a line `<inode> <name>` for each file.
pub(crate) const PENDING: &str = ".sysext-build-pending.tmp";

/// Largest note that is read, in bytes; one of as many files as a list may have.
const MAX_SIZE: u64 = 8 << 20;

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

/// The noted files that still have their names, and are not in `sums`.
pub(crate) fn left(directory: &Directory, sums: &Sums) -> Result<Vec<String>, Error> {
    let Some(bytes) = directory.read_bounded(PENDING, MAX_SIZE)? else {
        return Ok(Vec::new());
    };
    let mut left = Vec::new();
    for line in String::from_utf8_lossy(&bytes).lines() {
        // After a power failure there may be anything.
        let Some((inode, name)) = line.split_once(' ') else {
            continue;
        };
        let inode: Option<u64> = inode.parse().ok();
        let is_plain = !name.contains('/') && sums.get(name).is_none();
        if is_plain && inode.is_some() && directory.inode(name)? == inode {
            left.push(name.to_owned());
        }
    }
    Ok(left)
}

/// Removes what is noted and not in `sums`, and the note.
pub(crate) fn resolve(directory: &Directory, sums: &Sums) -> Result<(), Error> {
    for name in left(directory, sums)? {
        directory.remove(&name)?;
    }
    directory.remove(PENDING)
}
