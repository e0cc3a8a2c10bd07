//! Files beside the list that no client verifies: definitions, the page, the keyring.
//!
//! Each is complete or as it was, but they change one after the other; nothing depends on two of
//! them at once.

use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::directory::{Directory, Found};
use crate::error::Error;

/// Gives `path` the bytes `bytes`, in place of what it held; says whether they are other ones.
///
/// The bytes are on the disk when this returns. A file that holds them already is not touched, so
/// that mirrors and caches see no change. A link is replaced and not followed; links above the
/// last component are.
///
/// # Errors
/// [`Error::Io`], [`Error::File`]: the file's parent is not a directory or can't be written to, or
/// `path` is a directory.
/// [`Error::LockUnsupported`].
pub fn replace_file(path: &Path, bytes: &[u8]) -> Result<bool, Error> {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(name) = name else {
        return Err(Error::Io {
            action: "write to",
            path: path.to_owned(),
            source: std::io::Error::from(std::io::ErrorKind::InvalidFilename),
        });
    };
    replace(&Directory::open(parent)?, name, bytes)
}

/// Does the same for the file `name` in the directory `below` of the store in `root`. That is made
/// if it is missing; a link in its place is an error, for it could lead out of the store.
///
/// # Errors
/// Those of [`replace_file`].
pub fn replace_file_below(
    root: &Path,
    below: &str,
    name: &str,
    bytes: &[u8],
) -> Result<bool, Error> {
    replace(&Directory::open(root)?.below(below)?, name, bytes)
}

fn replace(directory: &Directory, name: &str, bytes: &[u8]) -> Result<bool, Error> {
    directory.lock()?;
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if directory.find(name, size, &Sha256::digest(bytes).into())? == Found::Same {
        return Ok(false);
    }
    let mut temporary = directory.temporary_of(bytes)?;
    temporary
        .rename_over(directory.fd(), name)
        .map_err(|e| directory.error("replace", name, e))?;
    directory.sync()?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;
    use crate::tests::workshop::Scratch;

    #[test]
    fn new_same_other() {
        let scratch = Scratch::new();
        let path = scratch.0.join("index.html");
        assert!(replace_file(&path, b"one").unwrap());
        let before = std::fs::metadata(&path).unwrap();
        assert_eq!(before.mode() & 0o7777, 0o644);
        assert!(!replace_file(&path, b"one").unwrap());
        assert_eq!(std::fs::metadata(&path).unwrap().ino(), before.ino());
        for bytes in [b"two", b"" as &[u8]] {
            assert!(replace_file(&path, bytes).unwrap());
            assert_eq!(std::fs::read(&path).unwrap(), bytes);
        }
        let names = std::fs::read_dir(&scratch.0).unwrap().count();
        assert_eq!(names, 1);
    }

    #[test]
    fn what_can_not_be_replaced() {
        let scratch = Scratch::new();
        let directory = scratch.0.join("directory");
        std::fs::create_dir(&directory).unwrap();
        for path in [
            directory.clone(),
            scratch.0.join("missing/file"),
            Path::new("/").to_owned(),
        ] {
            assert!(replace_file(&path, b"x").is_err(), "{}", path.display());
        }
        let file = scratch.0.join("file");
        replace_file(&file, b"x").unwrap();
        assert!(replace_file_below(&scratch.0, "file", "x", b"x").is_err());
    }

    #[test]
    fn below_a_store() {
        let scratch = Scratch::new();
        for expected in [true, false] {
            let changed = replace_file_below(&scratch.0, "a.d", "a", b"x").unwrap();
            assert_eq!(changed, expected);
        }
        let mode = std::fs::metadata(scratch.0.join("a.d")).unwrap().mode();
        assert_eq!(mode & 0o7777, 0o755);
        // Whatever is at the other end of a link is not the store's.
        let outside = Scratch::new();
        std::os::unix::fs::symlink(&outside.0, scratch.0.join("b.d")).unwrap();
        let error = replace_file_below(&scratch.0, "b.d", "b", b"x").unwrap_err();
        assert!(
            error
                .to_string()
                .ends_with("b.d is a symbolic link, not a directory"),
            "{error}"
        );
        assert_eq!(std::fs::read_dir(&outside.0).unwrap().count(), 0);
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        let scratch = Scratch::new();
        let (target, link) = (scratch.0.join("target"), scratch.0.join("link"));
        replace_file(&target, b"target").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        assert!(replace_file(&link, b"new").unwrap());
        assert_eq!(std::fs::read(&target).unwrap(), b"target");
        assert_eq!(std::fs::read(&link).unwrap(), b"new");
    }
}
