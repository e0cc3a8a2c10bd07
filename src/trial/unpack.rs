//! What is in an image as files.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{self, Seek as _, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

use files::Directory;
use image::{Content, Entry, LeafId, Special, Visit};
use rustix::fs::{Mode, XattrFlags};

use crate::inspected::Inside;
use crate::words::failure::{Failure, Result};

/// Writes a directory of an image, with all below it, into `place`; returns whether there is one.
///
/// Modes, links and contents are as in the image, and so is what hides files of the base. Owners, other
/// attributes and devices are not: who has no privilege can't make them, and what they allow does not hold
/// in a namespace.
pub fn unpack(image: &mut Inside, directory: &str, place: &Directory) -> Result<bool> {
    let Some(Visit::Directory(_)) = image.tree.get(directory) else {
        return Ok(false);
    };
    let mut writer = Writer {
        image,
        written: BTreeMap::new(),
    };
    writer.directory(directory.as_bytes(), place, OsStr::new(directory))?;
    Ok(true)
}

struct Writer<'a> {
    image: &'a mut Inside,
    /// Leaves that have a name already: the directory, and the name in it.
    written: BTreeMap<LeafId, (std::rc::Rc<Directory>, OsString)>,
}

impl Writer<'_> {
    fn directory(&mut self, path: &[u8], parent: &Directory, name: &OsStr) -> Result<()> {
        let Some(Visit::Directory(found)) = self.image.tree.get(path) else {
            return Ok(());
        };
        let mode = u32::from(found.stat.mode);
        let is_opaque =
            found.stat.xattrs.iter().any(|(name, value)| {
                name == "trusted.overlay.opaque" && value.first() == Some(&b'y')
            });
        let entries: Vec<_> = (found.entries())
            .map(|(name, entry)| {
                let leaf = match entry {
                    Entry::Directory(_) => None,
                    Entry::Leaf(id) => Some(id),
                };
                (name.to_vec(), leaf)
            })
            .collect();
        let directory = std::rc::Rc::new(parent.make_directory(name, 0o700).map_err(failed)?);
        if is_opaque {
            // In a namespace of users, overlayfs reads attributes of users.
            rustix::fs::fsetxattr(
                &*directory,
                "user.overlay.opaque",
                b"y",
                XattrFlags::empty(),
            )
            .map_err(hiding)?;
        }
        for (name, leaf) in entries {
            match leaf {
                Some(id) => self.leaf(id, &directory, OsStr::from_bytes(&name))?,
                None => {
                    let below = [path, b"/", &name].concat();
                    self.directory(&below, &directory, OsStr::from_bytes(&name))?;
                }
            }
        }
        // After what is in it, which a mode may forbid to write.
        directory.set_mode(mode).map_err(failed)
    }

    fn leaf(&mut self, id: LeafId, directory: &std::rc::Rc<Directory>, name: &OsStr) -> Result<()> {
        if let Some((first, known)) = self.written.get(&id) {
            return directory.make_hard_link(name, first, known).map_err(failed);
        }
        let leaf = self.image.tree.leaf(id);
        match &leaf.content {
            Content::File { id: content, .. } => {
                let mode = u32::from(leaf.stat.mode);
                let content = content.clone();
                let mut file = directory.create_file(name, 0o600).map_err(failed)?;
                let mut sparse = Sparse(&mut file);
                self.image.copy(&content, &mut sparse)?;
                sparse
                    .finish()
                    .map_err(|error| Failure::io("unpacking an image", error))?;
                let permissions = std::fs::Permissions::from_mode(mode);
                file.set_permissions(permissions)
                    .map_err(|error| Failure::io("setting a mode", error))?;
                self.written
                    .insert(id, (directory.clone(), name.to_owned()));
                Ok(())
            }
            Content::Symlink(target) => {
                let target = OsStr::from_bytes(target.bytes());
                directory.make_link(name, target).map_err(failed)
            }
            Content::Special(Special::Character(0)) => {
                let kind = rustix::fs::FileType::CharacterDevice;
                rustix::fs::mknodat(&**directory, name, kind, Mode::empty(), 0).map_err(hiding)
            }
            Content::Special(_) => Ok(()),
        }
    }
}

/// Writes a file, in which zeros are holes: they take no memory.
struct Sparse<'a>(&'a mut File);

impl Sparse<'_> {
    /// Gives the file its length, which a hole at its end does not.
    fn finish(self) -> io::Result<()> {
        let end = self.0.stream_position()?;
        self.0.set_len(end)
    }
}

impl Write for Sparse<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match bytes.iter().all(|byte| *byte == 0) {
            true => {
                let length = i64::try_from(bytes.len()).map_err(io::Error::other)?;
                self.0.seek(SeekFrom::Current(length))?;
                Ok(bytes.len())
            }
            false => self.0.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

fn hiding(error: rustix::io::Errno) -> Failure {
    Failure::io(
        "hiding what an image hides of the base",
        io::Error::from(error),
    )
}

fn failed(error: files::Error) -> Failure {
    let full = matches!(&error, files::Error::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull);
    let failure = Failure::io("unpacking an image", error);
    match full {
        true => {
            failure.hint("images are unpacked into memory, at most half of what the machine has")
        }
        false => failure,
    }
}
