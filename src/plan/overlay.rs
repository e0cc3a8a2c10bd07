//! A prepared tree on disk that is added to an image: `DIR/usr/...` and `DIR/opt/...`.
//!
//! Modes are taken as they are, and so are link targets. Owner and time are not: a checkout's
//! belong to the machine that made it, so everything is root's and of the image's time. Of a file
//! that belongs to another user than root and the one who builds, it is known that it does: its
//! set-uid bit was for that user's rights.
//!
//! ```text
//! security.capability, user.*    kept, but for capabilities of a user namespace and user.overlay.*
//! security.selinux               this machine's label, as much its own as the owner: passed over
//! all others                     named, and not kept
//! ```

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use files::{Descent, Directory, Links, PathBytes, brief};
use image::{ContentId, is_of_overlayfs};
use rustix::fs::{lgetxattr, llistxattr};
use rustix::io::Errno;
use walkdir::WalkDir;

use crate::plan::filter::{Candidate, CandidateKind};
use crate::words::digest::{sha256, sha256_id};
use crate::words::failure::{Failure, Result};

/// Longest list of names of extended attributes, and longest value of one: the kernel's limit.
const MAX_ATTRIBUTE: usize = 1 << 16;

/// Extended attributes by their full names.
pub type Xattrs = BTreeMap<String, Vec<u8>>;

/// One file, directory or link of an overlay.
#[derive(Clone, Debug)]
pub struct OverlayFile {
    /// Its path in the image without the leading slash, and what it is.
    pub candidate: Candidate,
    /// Permission bits.
    pub mode: u16,
    /// The numbers of its user and its group, where they are of somebody else than root and the
    /// one who builds.
    pub strangers: (Option<u32>, Option<u32>),
    /// The extended attributes that it keeps.
    pub xattrs: Xattrs,
    /// The names of those that it does not keep.
    pub not_taken: Vec<String>,
    /// Length in bytes; 0 for what is not a regular file.
    pub size: u64,
    /// What a regular file holds.
    pub content: Option<ContentId>,
    /// Where it is read from.
    pub source: PathBuf,
}

/// Lists an overlay in byte order of paths. Regular files are read once here, for their digests.
pub fn read(directory: &Path) -> Result<Vec<OverlayFile>> {
    let mut descent = Descent::new(Directory::open(directory, Links::Follow)?);
    let mut files = Vec::new();
    for entry in WalkDir::new(directory).min_depth(1).sort_by_file_name() {
        let entry = entry.map_err(|error| {
            Failure::io(
                format!("reading the overlay {}", directory.display()),
                error,
            )
        })?;
        let source = entry.path().to_owned();
        let doing = || format!("reading {}", source.display());
        let metadata = entry
            .metadata()
            .map_err(|error| Failure::io(doing(), error))?;
        let path = source.strip_prefix(directory).unwrap_or(&source);
        let path = PathBytes::from(path.as_os_str().as_bytes());
        image::check_path(&path).map_err(|problem| {
            let source = brief(source.as_os_str().as_bytes());
            Failure::refused(anyhow!("{source:?}: the path {problem}"))
        })?;
        let kind = match metadata.file_type() {
            kind if kind.is_dir() => CandidateKind::Directory,
            kind if kind.is_file() => CandidateKind::File,
            kind if kind.is_symlink() => {
                let target =
                    std::fs::read_link(&source).map_err(|error| Failure::io(doing(), error))?;
                CandidateKind::Symlink(target.into_os_string().into_encoded_bytes().into())
            }
            kind if kind.is_char_device() && metadata.rdev() == 0 => CandidateKind::Whiteout,
            kind if kind.is_char_device() || kind.is_block_device() => CandidateKind::Device,
            _ => CandidateKind::Endpoint,
        };
        let (size, content) = match kind {
            CandidateKind::File => {
                let (parent, name) = descent.to(path.as_path())?;
                let (size, digest) = sha256(&mut parent.open_file(name)?)
                    .map_err(|error| Failure::io(doing(), error))?;
                (size, Some(sha256_id(&digest)))
            }
            _ => (0, None),
        };
        let (xattrs, not_taken) =
            attributes(&source).map_err(|error| Failure::io(doing(), error))?;
        files.push(OverlayFile {
            candidate: Candidate::new(path, kind),
            mode: (metadata.mode() & 0o7777) as u16,
            strangers: strangers(&metadata),
            xattrs,
            not_taken,
            size,
            content,
            source,
        });
    }
    Ok(files)
}

/// Returns the user and the group of a file, where they are neither root's nor the builder's.
fn strangers(metadata: &Metadata) -> (Option<u32>, Option<u32>) {
    let stranger = |id: u32, own: u32| (id != 0 && id != own).then_some(id);
    (
        stranger(metadata.uid(), rustix::process::geteuid().as_raw()),
        stranger(metadata.gid(), rustix::process::getegid().as_raw()),
    )
}

/// Returns the extended attributes of a file that it keeps, and the names of the others.
fn attributes(path: &Path) -> io::Result<(Xattrs, Vec<String>)> {
    let mut names = vec![0; MAX_ATTRIBUTE];
    let length = match llistxattr(path, &mut names) {
        Ok(length) => length,
        // The file system has none.
        Err(Errno::NOTSUP) => 0,
        Err(error) => return Err(error.into()),
    };
    let (mut kept, mut others) = (BTreeMap::new(), Vec::new());
    let names = names.get(..length).unwrap_or_default();
    for name in names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let mut value = vec![0; MAX_ATTRIBUTE];
        let length = lgetxattr(path, name, &mut value)?;
        value.truncate(length);
        match (str::from_utf8(name), is_kept(name, &value)) {
            (Ok(name), Some(true)) => drop(kept.insert(name.to_owned(), value)),
            (_, None) => {}
            _ => others.push(name.escape_ascii().to_string()),
        }
    }
    others.sort();
    Ok((kept, others))
}

/// Says whether a file keeps an extended attribute; nothing for one that every file may have.
fn is_kept(name: &[u8], value: &[u8]) -> Option<bool> {
    match name {
        b"security.selinux" => None,
        // The last byte of the first word is the revision. The third is for one user namespace.
        b"security.capability" => Some(matches!(value.get(3), Some(1 | 2))),
        _ => {
            let is_of_overlayfs = str::from_utf8(name).is_ok_and(is_of_overlayfs);
            Some(name.starts_with(b"user.") && !is_of_overlayfs)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    use super::*;
    use crate::words::scratch::Scratch;

    /// Returns an overlay as lines `PATH KIND MODE [CONTENT or TARGET]`.
    fn listed(directory: &Path) -> Vec<String> {
        let line = |file: &OverlayFile| {
            let rest = match (&file.candidate.kind, &file.content) {
                (CandidateKind::Symlink(target), _) => format!(" {target}"),
                (_, Some(id)) => format!(" {} {id}", file.size),
                _ => String::new(),
            };
            let kind = match file.candidate.kind {
                CandidateKind::Directory => "d",
                CandidateKind::File => "f",
                CandidateKind::Symlink(_) => return format!("{} l{rest}", file.candidate.path),
                _ => "other",
            };
            format!("{} {kind} {:04o}{rest}", file.candidate.path, file.mode)
        };
        read(directory).unwrap().iter().map(line).collect()
    }

    #[test]
    fn which_attributes_are_kept() {
        let capability = |revision| [1, 0, 0, revision, 0, 32, 0, 0];
        for (name, value, kept) in [
            ("user.mime_type", &b"x"[..], Some(true)),
            ("user.overlay.opaque", b"y", Some(false)),
            ("trusted.overlay.opaque", b"y", Some(false)),
            ("system.posix_acl_access", b"", Some(false)),
            ("security.ima", b"", Some(false)),
            ("security.selinux", b"u:r:t:s0", None),
            ("security.capability", &capability(2), Some(true)),
            ("security.capability", &capability(3), Some(false)),
            ("security.capability", b"", Some(false)),
        ] {
            assert_eq!(is_kept(name.as_bytes(), value), kept, "{name} {value:?}");
        }
    }

    #[test]
    fn attributes_are_read() {
        let scratch = Scratch::new();
        let path = scratch.write("usr/a", b"x");
        for (name, value) in [("user.a", "one"), ("user.overlay.x", "two")] {
            let flags = rustix::fs::XattrFlags::empty();
            rustix::fs::lsetxattr(&path, name, value.as_bytes(), flags).unwrap();
        }
        symlink("a", scratch.path().join("usr/b")).unwrap();
        let files = read(scratch.path()).unwrap();
        let said: Vec<_> = (files.iter())
            .map(|file| (file.xattrs.clone(), file.not_taken.clone()))
            .collect();
        let kept = BTreeMap::from([("user.a".to_owned(), b"one".to_vec())]);
        let none = || (BTreeMap::new(), Vec::new());
        let of_file = (kept, vec!["user.overlay.x".to_owned()]);
        assert_eq!(said, [none(), of_file, none()]);
    }

    #[test]
    fn files_of_the_one_who_builds_are_nobody_elses() {
        let scratch = Scratch::new();
        scratch.write("usr/a", b"x");
        for file in read(scratch.path()).unwrap() {
            assert_eq!(file.strangers, (None, None), "{}", file.candidate.path);
        }
    }

    #[test]
    fn modes_are_taken_as_they_are_and_owners_are_not() {
        let scratch = Scratch::new();
        for (path, mode) in [
            ("usr/bin/b", 0o4755),
            ("usr/bin/a", 0o2711),
            ("usr/c", 0o600),
        ] {
            let path = scratch.write(path, b"x");
            fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        }
        for (path, mode) in [("usr/bin", 0o1777), ("usr", 0o750)] {
            fs::set_permissions(scratch.path().join(path), Permissions::from_mode(mode)).unwrap();
        }
        symlink("../c", scratch.path().join("usr/bin/link")).unwrap();
        let x = "1 sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
        assert_eq!(
            listed(scratch.path()),
            [
                "usr d 0750".to_owned(),
                "usr/bin d 1777".to_owned(),
                format!("usr/bin/a f 2711 {x}"),
                format!("usr/bin/b f 4755 {x}"),
                "usr/bin/link l ../c".to_owned(),
                format!("usr/c f 0600 {x}"),
            ]
        );
    }

    #[test]
    fn what_a_file_is() {
        use rustix::fs::{CWD, FileType, Mode, mknodat};

        let scratch = Scratch::new();
        let _socket = std::os::unix::net::UnixListener::bind(scratch.path().join("c")).unwrap();
        // A device with number 0 is a whiteout, which needs no privileges.
        for (name, kind) in [("a", FileType::CharacterDevice), ("b", FileType::Fifo)] {
            mknodat(CWD, scratch.path().join(name), kind, Mode::RUSR, 0).unwrap();
        }
        fs::create_dir(scratch.path().join("d")).unwrap();
        scratch.write("e", b"");
        symlink("/", scratch.path().join("f")).unwrap();
        let files = read(scratch.path()).unwrap();
        let kinds: Vec<_> = files.into_iter().map(|file| file.candidate.kind).collect();
        assert_eq!(
            kinds,
            [
                CandidateKind::Whiteout,
                CandidateKind::Endpoint,
                CandidateKind::Endpoint,
                CandidateKind::Directory,
                CandidateKind::File,
                CandidateKind::Symlink("/".into()),
            ]
        );
    }

    #[test]
    fn names_and_targets_are_any_bytes() {
        let scratch = Scratch::new();
        let invalid = OsStr::from_bytes(b"\xff");
        fs::write(scratch.path().join(invalid), "").unwrap();
        symlink(OsStr::from_bytes(b"\xfe"), scratch.path().join("a")).unwrap();
        let files = read(scratch.path()).unwrap();
        let found: Vec<_> = (files.into_iter())
            .map(|file| (file.candidate.path, file.candidate.kind))
            .collect();
        let target = PathBytes::from(&b"\xfe"[..]);
        let expected = [
            ("a".into(), CandidateKind::Symlink(target)),
            (PathBytes::from(&b"\xff"[..]), CandidateKind::File),
        ];
        assert_eq!(found, expected);
    }
}
