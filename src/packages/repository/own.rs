//! Directories that nobody but this user can write to: the cache, and where its key is.
//!
//! What is in the cache decides what is installed, and root may be the one who reads it. So a
//! directory that somebody else made, or can write to, is refused and not repaired: what is in it
//! may be anyone's.

use std::fs::DirBuilder;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::Path;

use anyhow::anyhow;
use files::{Directory, Error, Links};

use crate::words::failure::{Failure, Result};

/// Nobody else looks into it either: it tells what was built.
const MODE: u32 = 0o700;

/// Opens a directory of this user; nothing if there is none. The user may have put a link in its
/// place, since it is the directory behind it that counts.
pub fn open(path: &Path) -> Result<Option<Directory>> {
    let found = files::if_there(Directory::open(path, Links::Follow)).map_err(failure)?;
    found.map(checked).transpose()
}

/// Opens a directory of this user, which is made if there is none.
pub fn make(path: &Path) -> Result<Directory> {
    if let Some(directory) = open(path)? {
        return Ok(directory);
    }
    // Somebody who owns the directory above could put another in the new one's place.
    let above = path.ancestors().skip(1).find_map(|above| {
        let above = match above.as_os_str().is_empty() {
            true => Path::new("."),
            false => above,
        };
        Some((above, above.metadata().ok()?.uid()))
    });
    let own = rustix::process::geteuid().as_raw();
    if let Some((above, owner)) = above.filter(|(_, owner)| ![0, own].contains(owner)) {
        let (path, above) = (path.display(), above.display());
        let text = anyhow!("{path} would be in {above}, which belongs to user {owner}");
        return Err(Failure::refused(text));
    }
    (DirBuilder::new().recursive(true).mode(MODE).create(path))
        .map_err(|error| Failure::io(format!("making {}", path.display()), error))?;
    checked(Directory::open(path, Links::Follow).map_err(failure)?)
}

/// Opens a directory in one of this user; nothing if there is none.
pub fn below(directory: &Directory, name: &str) -> Result<Option<Directory>> {
    let found = files::if_there(directory.directory(name)).map_err(failure)?;
    found.map(checked).transpose()
}

/// Opens a directory in one of this user, which is made if there is none.
pub fn make_below(directory: &Directory, name: &str) -> Result<Directory> {
    checked(directory.make_directory(name, MODE).map_err(failure)?)
}

fn checked(directory: Directory) -> Result<Directory> {
    directory.check_private().map_err(failure)?;
    Ok(directory)
}

/// Says what is wrong with the cache, and whose fault that is.
pub fn failure(error: Error) -> Failure {
    let untrusted =
        |error: Error| Failure::refused(anyhow!(error).context("the cache can't be trusted"));
    match error {
        Error::Io { .. } => Failure::io("using the cache", error),
        Error::NotPrivate { ref path, .. } => {
            let path = path.display();
            let repair = format!("if nobody else has written there: chmod -R go-w {path}");
            untrusted(error).hint(repair)
        }
        error => untrusted(error),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::words::failure::Kind;
    use crate::words::scratch::Scratch;

    fn said(found: Result<Directory>, scratch: &Scratch) -> String {
        match found {
            Ok(_) => "fine".to_owned(),
            Err(failure) => {
                assert_eq!(failure.kind, Kind::Refused);
                let root = format!("{}/", scratch.path().display());
                format!("{:#}", failure.source).replace(&root, "")
            }
        }
    }

    #[test]
    fn a_directory_is_of_this_user_alone() {
        let scratch = Scratch::new();
        let at = |name: &str| scratch.path().join(name);
        make(&at("new/cache")).unwrap();
        for name in ["new", "new/cache"] {
            let mode = at(name).metadata().unwrap().mode();
            assert_eq!(mode & 0o7777, 0o700, "{name}");
        }
        symlink("new/cache", at("link")).unwrap();
        scratch.write("file", b"");
        let others = "the cache can't be trusted: new/cache has mode";
        for (name, mode, expected) in [
            ("new/cache", 0o700, "fine".to_owned()),
            ("new/cache", 0o755, "fine".to_owned()),
            ("link", 0o700, "fine".to_owned()),
            (
                "new/cache",
                0o770,
                format!("{others} 0770, so others can write to it"),
            ),
            (
                "new/cache",
                0o1777,
                format!("{others} 1777, so others can write to it"),
            ),
            (
                "file",
                0o700,
                "the cache can't be trusted: file is a file, not a directory".to_owned(),
            ),
        ] {
            fs::set_permissions(at("new/cache"), fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(said(make(&at(name)), &scratch), expected, "{name}");
        }
        assert!(open(&at("nothing")).unwrap().is_none());
    }
}
