//! What is in an image as files.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;

use files::Directory;
use image::{Content, Entry, LeafId, Visit};

use crate::inspected::Inside;
use crate::words::failure::{Failure, Result};

/// Writes a directory of an image, with all below it, into `place`; returns whether there is one.
///
/// Modes, links and contents are as in the image. Owners, attributes and devices are not: who
/// has no privilege can't make them, and what they allow does not hold in a namespace.
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
                self.image.copy(&content, &mut file)?;
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
            Content::Special(_) => Ok(()),
        }
    }
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
