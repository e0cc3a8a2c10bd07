//! Writes the tree of a finished image to disk, to look at.
//!
//! Owners are not applied, since that takes root, and of extended attributes only those that take
//! none (`user.*` of files); the image has them all, and what is missing is counted.
//! Set-uid and set-gid bits make a file act for its owner, so they are left out where the file on
//! disk has another one. Times are those of the image, since programs compare them, but for links. Others may be able to write to the directory: all names are looked up from
//! its descriptor, and no link is followed.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::io::{self, Read, Seek};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::anyhow;
use files::{Descent, Directory, Links};
use image::squashfs::Image;
use image::{Content, LeafId, Stat, Visit};
use rustix::fs::{Mode, XattrFlags};

use crate::words::failure::{Failure, Result, writing_failure};

/// How many files and directories have something in the image alone.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ImageAlone {
    /// Their set-uid or set-gid bit.
    pub set_id: usize,
    /// Extended attributes, such as capabilities.
    pub attributes: usize,
}

/// Unpacks an image into `directory`, which must be empty or new; says what is not in there.
pub fn unpack<R: Read + Seek>(input: &mut R, directory: &Path) -> Result<ImageAlone> {
    std::fs::create_dir_all(directory).map_err(|error| failed(directory, error))?;
    let root = Directory::open(directory, Links::Follow).map_err(writing_failure)?;
    if !root.names()?.is_empty() {
        return Err(Failure::refused(anyhow!(
            "--tree {} is not empty",
            directory.display()
        )));
    }
    let mut image = Image::open(input).map_err(Failure::refused)?;
    let tree = image.tree().map_err(Failure::refused)?;
    let mut names: Vec<(PathBuf, Option<LeafId>, Mode, u32)> = Vec::new();
    let is_root = rustix::process::geteuid().is_root();
    let mut alone = ImageAlone::default();
    tree.walk(&mut |path, visit| {
        let leaf = match visit {
            Visit::Directory(_) => None,
            Visit::Leaf(id, _) => Some(id),
        };
        let (mode, is_whole) = mode_on_disk(visit.stat(), is_root);
        alone.set_id += usize::from(!is_whole);
        // Those of files are written with the file.
        if leaf.is_none() && !visit.stat().xattrs.is_empty() {
            alone.attributes += 1;
        }
        let time = visit.stat().mtime;
        names.push((path.as_path().to_owned(), leaf, mode, time));
    });
    let mut descent = Descent::new(root.descend("").map_err(writing_failure)?);
    let mut written: BTreeMap<LeafId, &Path> = BTreeMap::new();
    for (path, leaf, mode, time) in names.iter().skip(1) {
        let (parent, name) = descent.to(path).map_err(writing_failure)?;
        let Some(leaf) = leaf else {
            parent
                .make_directory(name, 0o700)
                .map_err(writing_failure)?;
            continue;
        };
        if let Some(first) = written.get(leaf) {
            let other = root.descend(first.parent().unwrap_or(Path::new("")));
            let first = first.file_name().unwrap_or_default();
            (other.and_then(|other| parent.make_hard_link(name, &other, first)))
                .map_err(writing_failure)?;
            continue;
        }
        match &tree.leaf(*leaf).content {
            Content::Symlink(target) => {
                parent
                    .make_link(name, target.as_path())
                    .map_err(writing_failure)?;
            }
            Content::File { id, .. } => {
                let mut content = image.content(id).map_err(Failure::refused)?;
                let mut file = parent.create_file(name, 0o600).map_err(writing_failure)?;
                io::copy(&mut content, &mut file)
                    .and_then(|_| file.set_permissions(Permissions::from_mode(mode.bits())))
                    .map_err(|error| failed(&directory.join(path), error))?;
                let attributes = &tree.leaf(*leaf).stat.xattrs;
                // Not every file system takes them.
                let is_set = |(name, value): &(&String, &Vec<u8>)| {
                    let flags = XattrFlags::empty();
                    name.starts_with("user.")
                        && rustix::fs::fsetxattr(&file, name.as_str(), value, flags).is_ok()
                };
                let set = attributes.iter().filter(is_set).count();
                alone.attributes += usize::from(set < attributes.len());
                file.set_modified(UNIX_EPOCH + Duration::from_secs((*time).into()))
                    .map_err(|error| failed(&directory.join(path), error))?;
            }
            Content::Special(_) => {}
        }
        written.insert(*leaf, path);
    }
    // Last and deepest first: a directory that its owner may not write to is filled by now, and nothing
    // changes its time any more.
    for (path, _, mode, time) in names.iter().rev().filter(|(_, leaf, ..)| leaf.is_none()) {
        let set = |directory: Directory| {
            directory.set_mode(mode.bits())?;
            directory.set_time(*time)
        };
        root.descend(path).and_then(set).map_err(writing_failure)?;
    }
    Ok(alone)
}

/// Returns the mode that a file gets on disk, and whether it is all of the one in the image;
/// `is_root` says whether the files that are made are root's.
fn mode_on_disk(stat: &Stat, is_root: bool) -> (Mode, bool) {
    let mode = Mode::from_raw_mode(stat.mode.into());
    let is_own = |id: u32| id == 0 && is_root;
    let mut kept = mode;
    if !is_own(stat.uid) {
        kept.remove(Mode::SUID);
    }
    if !is_own(stat.gid) {
        kept.remove(Mode::SGID);
    }
    (kept, kept == mode)
}

fn failed(path: &Path, error: io::Error) -> Failure {
    Failure::io(format!("writing {}", path.display()), error)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::Cursor;
    use std::os::unix::fs::MetadataExt as _;

    use image::squashfs::{Options, Packer, Workers};
    use image::{ContentId, Leaf, Tree};
    use rustix::fs::{CWD, RenameFlags, renameat_with};

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
                mtime: 7,
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
            content: Content::Symlink("a".into()),
        };
        tree.insert_leaf("usr/link", link, &directory).unwrap();
        let own = Stat {
            mode: 0o555,
            ..directory.clone()
        };
        tree.insert_directory("usr/d", own, &directory).unwrap();
        packed(&tree)
    }

    /// Makes an image of a tree in which each file that is not empty has the content `one`.
    fn packed(tree: &Tree) -> Cursor<Vec<u8>> {
        let options = Options {
            compressor: "zstd:1".parse().unwrap(),
            block_size: 128 * 1024,
            workers: Workers::new(1),
            mkfs_time: 1,
        };
        let mut packer = Packer::new(Cursor::new(Vec::new()), &options).unwrap();
        packer
            .add(&ContentId::new("one"), 3, &mut &b"one"[..])
            .unwrap();
        packer
            .add(&ContentId::new("none"), 0, &mut &b""[..])
            .unwrap();
        packer.finish(tree).unwrap().0
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
        let time = |name: &str| (of(name).mtime(), of(name).mtime_nsec());
        assert_eq!([time("a"), time("c"), time("")], [(7, 0), (7, 0), (1, 0)]);
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
    fn attributes_that_take_no_root() {
        let directory = Stat::implicit_directory(1);
        for (names, is_directory, expected) in [
            (&[][..], false, 0),
            (&["user.a"], false, 0),
            (&["user.a", "security.capability"], false, 1),
            (&["trusted.a"], false, 1),
            (&["user.a"], true, 1),
        ] {
            let scratch = Scratch::new();
            let xattrs: BTreeMap<_, _> = (names.iter())
                .map(|name| ((*name).to_owned(), b"0".to_vec()))
                .collect();
            let stat = Stat {
                mode: 0o755,
                xattrs: xattrs.into(),
                ..Stat::default()
            };
            let mut tree = Tree::new(directory.clone());
            if is_directory {
                tree.insert_directory("usr/a", stat, &directory).unwrap();
            } else {
                let content = Content::File {
                    size: 0,
                    id: ContentId::new("none"),
                };
                tree.insert_leaf("usr/a", Leaf { stat, content }, &directory)
                    .unwrap();
            }
            let path = scratch.path().join("tree");
            let alone = unpack(&mut packed(&tree), &path).unwrap();
            assert_eq!(alone.attributes, expected, "{names:?} {is_directory}");
            let mut value = [0; 8];
            let found = rustix::fs::lgetxattr(path.join("usr/a"), "user.a", &mut value);
            let is_there = names.contains(&"user.a") && !is_directory;
            assert_eq!(found.is_ok(), is_there, "{names:?} {is_directory}");
        }
    }

    #[test]
    fn who_a_file_acts_for() {
        for (mode, uid, gid, is_root, expected) in [
            (0o755, 0, 0, false, 0o755),
            (0o1777, 5, 5, false, 0o1777),
            (0o4755, 0, 0, true, 0o4755),
            (0o4755, 0, 0, false, 0o755),
            (0o4755, 3, 0, true, 0o755),
            (0o2755, 0, 8, true, 0o755),
            (0o2755, 3, 0, true, 0o2755),
            (0o6755, 0, 0, false, 0o755),
            (0o6755, 0, 8, true, 0o4755),
        ] {
            let stat = Stat {
                mode,
                uid,
                gid,
                ..Stat::default()
            };
            let (found, is_whole) = mode_on_disk(&stat, is_root);
            let row = format!("{mode:o} {uid} {gid} {is_root}");
            assert_eq!(found.bits(), expected, "{row}");
            assert_eq!(is_whole, u32::from(mode) == expected, "{row}");
        }
    }

    /// Somebody who can write to the directory swaps one in it for a link, all the time.
    #[test]
    fn nothing_is_written_through_a_link() {
        let scratch = Scratch::new();
        let outside = scratch.path().join("outside");
        fs::create_dir(&outside).unwrap();
        let bytes = image();
        for _ in 0..300 {
            let tree = scratch.path().join("tree");
            fs::create_dir(&tree).unwrap();
            let link = scratch.path().join("link");
            std::os::unix::fs::symlink(&outside, &link).unwrap();
            let is_over = std::sync::atomic::AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !is_over.load(std::sync::atomic::Ordering::Relaxed) {
                        let usr = tree.join("usr");
                        let _ = renameat_with(CWD, &usr, CWD, &link, RenameFlags::EXCHANGE);
                    }
                });
                // It may be in the way, and win nothing by that.
                let _ = unpack(&mut bytes.clone(), &tree);
                is_over.store(true, std::sync::atomic::Ordering::Relaxed);
            });
            assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
            for name in ["tree", "link"] {
                let path = scratch.path().join(name);
                let _ = fs::remove_file(&path).or_else(|_| fs::remove_dir_all(&path));
            }
        }
    }

    #[test]
    fn a_directory_with_something_in_it_is_refused() {
        let scratch = Scratch::new();
        scratch.write("tree/x", b"");
        let failure = unpack(&mut image(), &scratch.path().join("tree")).unwrap_err();
        assert!(failure.source.to_string().ends_with("tree is not empty"));
    }
}
