//! Writes the tree of a finished image to disk, to look at.
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

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::os::unix::fs::MetadataExt as _;

    use image::squashfs::{Options, Packer};
    use image::{ContentId, Leaf, Stat, Tree};

    use super::*;
    use crate::words::scratch::Scratch;

    /// Makes an image of a file with two names, a file of equal content, a link, a directory.
    fn image() -> Cursor<Vec<u8>> {
        let id = ContentId::new("one");
        let directory = Stat::implicit_directory(1);
        let mut tree = Tree::new(directory.clone());
        let file = |mode| Leaf {
            stat: Stat {
                mode,
                ..Stat::default()
            },
            content: Content::File {
                size: 3,
                id: id.clone(),
            },
        };
        tree.insert_leaf("usr/a", file(0o750), &directory).unwrap();
        let Some(Visit::Leaf(leaf, _)) = tree.get("usr/a") else {
            panic!("usr/a is not a file");
        };
        tree.link("usr/b", leaf, &directory).unwrap();
        tree.insert_leaf("usr/c", file(0o640), &directory).unwrap();
        let link = Leaf {
            stat: Stat::default(),
            content: Content::Symlink("a".to_owned()),
        };
        tree.insert_leaf("usr/link", link, &directory).unwrap();
        let own = Stat {
            mode: 0o555,
            ..directory.clone()
        };
        tree.insert_directory("usr/d", own, &directory).unwrap();
        let options = Options {
            compressor: "zstd:1".parse().unwrap(),
            block_size: 128 * 1024,
            workers: 1,
            mkfs_time: 1,
        };
        let mut packer = Packer::new(Cursor::new(Vec::new()), &options).unwrap();
        packer.add(&id, 3, &mut &b"one"[..]).unwrap();
        packer.finish(&tree).unwrap().0
    }

    #[test]
    fn what_is_written() {
        let scratch = Scratch::new();
        let directory = scratch.path().join("tree");
        unpack(&mut image(), &directory).unwrap();
        let of = |name: &str| fs::symlink_metadata(directory.join("usr").join(name)).unwrap();
        let mode = |name: &str| of(name).mode() & 0o7777;
        assert_eq!(
            (mode("a"), mode("c"), mode("d")),
            (0o750, 0o640, 0o555),
            "modes"
        );
        assert_eq!(of("a").ino(), of("b").ino(), "names of one file");
        assert_eq!(of("a").nlink(), 2);
        assert_ne!(
            of("a").ino(),
            of("c").ino(),
            "another file of equal content"
        );
        for name in ["a", "b", "c", "link"] {
            assert_eq!(fs::read(directory.join("usr").join(name)).unwrap(), b"one");
        }
        assert_eq!(
            fs::read_link(directory.join("usr/link")).unwrap(),
            Path::new("a")
        );
    }

    #[test]
    fn a_directory_with_something_in_it_is_refused() {
        let scratch = Scratch::new();
        scratch.write("tree/x", b"");
        let failure = unpack(&mut image(), &scratch.path().join("tree")).unwrap_err();
        assert!(failure.source.to_string().ends_with("tree is not empty"));
    }
}
