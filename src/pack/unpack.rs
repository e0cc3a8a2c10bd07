//! Writes the tree of a finished image to disk, for whoever wants to look at it.
//!
//! Owners and extended attributes are not applied, since that takes root; the image has them.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Read, Seek};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use image::squashfs::Image;
use image::{Content, LeafId, Visit};

use crate::words::failure::{Failure, Result};

/// Unpacks an image into `directory`, which must be empty or new.
pub fn unpack<R: Read + Seek>(input: &mut R, directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    let mut entries = fs::read_dir(directory).map_err(|error| failed(directory, error))?;
    if entries.next().is_some() {
        return Err(Failure::refused(anyhow!(
            "--tree {} is not empty",
            directory.display()
        )));
    }
    let mut image = Image::open(input).map_err(Failure::refused)?;
    let tree = image.tree().map_err(Failure::refused)?;
    // No path of a tree is below a link, so nothing is ever written through one.
    let mut names: Vec<(PathBuf, Option<LeafId>, u16)> = Vec::new();
    tree.walk(&mut |path, visit| {
        let leaf = match visit {
            Visit::Directory(_) => None,
            Visit::Leaf(id, _) => Some(id),
        };
        names.push((directory.join(path), leaf, visit.stat().mode));
    });
    let mut written: BTreeMap<LeafId, &Path> = BTreeMap::new();
    for (path, leaf, mode) in &names {
        let Some(leaf) = leaf else {
            fs::create_dir_all(path).map_err(|error| failed(path, error))?;
            continue;
        };
        if let Some(first) = written.get(leaf) {
            fs::hard_link(first, path).map_err(|error| failed(path, error))?;
            continue;
        }
        match &tree.leaf(*leaf).content {
            Content::Symlink(target) => {
                symlink(target, path).map_err(|error| failed(path, error))?;
            }
            Content::File { id, .. } => {
                let mut content = image.content(id).map_err(Failure::refused)?;
                let mut options = OpenOptions::new();
                let mut file = options
                    .write(true)
                    .create_new(true)
                    .mode(0o600)
                    .open(path)
                    .map_err(|error| failed(path, error))?;
                io::copy(&mut content, &mut file)
                    .and_then(|_| file.set_permissions(Permissions::from_mode((*mode).into())))
                    .map_err(|error| failed(path, error))?;
            }
            Content::Special(_) => {}
        }
        written.insert(*leaf, path);
    }
    // Last and deepest first: a directory that its owner may not write to is filled by now.
    for (path, _, mode) in names.iter().rev().filter(|(_, leaf, _)| leaf.is_none()) {
        fs::set_permissions(path, Permissions::from_mode((*mode).into()))
            .map_err(|error| failed(path, error))?;
    }
    Ok(())
}

fn failed(path: &Path, error: io::Error) -> Failure {
    Failure::io(format!("writing {}", path.display()), error)
}
