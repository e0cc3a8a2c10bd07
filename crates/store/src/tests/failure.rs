//! Adding that fails on the way, after the first steps were taken.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::{Scratch, add, publication, replace};
use crate::{Added, Error, Listing};

/// A failure after the image has its name: a directory can't get a second name, so it can't be
/// replaced.
#[test]
fn a_failure_in_the_middle_leaves_the_directory_as_it_was() {
    for (about, image, is_listed) in [
        ("a new image", None, false),
        ("a replaced image", Some(b"old"), true),
        ("a replaced image that was not listed", Some(b"old"), false),
    ] {
        for others in [false, true] {
            let scratch = Scratch::new();
            let store = scratch.store();
            if others {
                add(&store, "b", "b-1", b"image").unwrap();
            }
            if let Some(image) = image {
                add(&store, "a", "a-1", image).unwrap();
                fs::remove_file(scratch.0.join("a-1.manifest.gz")).unwrap();
                if !is_listed {
                    fs::remove_file(scratch.0.join("SHA256SUMS")).unwrap();
                }
            }
            fs::create_dir(scratch.0.join("a-1.manifest.gz")).unwrap();
            let before = scratch.content();
            let error = replace(&store, "a", "a-1", b"new").unwrap_err();
            assert!(
                matches!(&error, Error::Io { action, path, .. }
                    if action.starts_with("keep") && path.ends_with("a-1.manifest.gz")),
                "{about}: {error}"
            );
            assert_eq!(scratch.content(), before, "{about}");
        }
    }
}

/// A mounted tmpfs, unmounted with the value.
pub(super) struct Mounted<'a>(pub(super) &'a Path);

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let status = Command::new("umount").arg(self.0).status().unwrap();
        assert!(status.success());
    }
}

/// Runs the mount program; says whether it worked.
pub(super) fn mount(options: &str, path: &Path) -> bool {
    let mut command = Command::new("mount");
    command
        .args(["-t", "tmpfs", "-o", options, "tmpfs"])
        .arg(path);
    command.output().is_ok_and(|output| output.status.success())
}

#[test]
#[expect(clippy::print_stderr, reason = "a skipped test says so")]
fn a_full_disk_leaves_the_directory_as_it_was() {
    let scratch = Scratch::new();
    if !mount("size=1m,mode=0755", &scratch.0) {
        eprintln!("skipped: a full disk needs a tmpfs, and only root may mount one");
        return;
    }
    let mounted = Mounted(&scratch.0);
    let store = scratch.store();
    add(&store, "a", "a-1", b"old image").unwrap();
    add(&store, "b", "b-1", b"other image").unwrap();

    // No space: whatever fits, the list does not.
    let fill = scratch.0.join("fill");
    let next = publication(&store, "a", "a-2", b"next", false);
    let mut file = fs::File::create(&fill).unwrap();
    while file.write_all(&[0; 4096]).is_ok() {}
    let before = scratch.content();
    let error = store.add(next, Listing::default()).unwrap_err();
    assert!(is_full(&error), "{error}");
    assert_eq!(scratch.content(), before);
    drop(file);
    fs::remove_file(&fill).unwrap();

    // No inodes: each limit makes another step of a replacement fail (on tmpfs a second name
    // costs one too), until at last there are enough.
    let mut failures = 0;
    for inodes in 1.. {
        let next = publication(&store, "a", "a-1", b"new image", true);
        let before = scratch.content();
        let used = rustix::fs::statvfs(mounted.0).unwrap();
        let limit = used.f_files - used.f_ffree + inodes - 1;
        assert!(mount(&format!("remount,nr_inodes={limit}"), &scratch.0));
        let added = store.add(next, Listing::default());
        assert!(mount("remount,nr_inodes=1000", &scratch.0));
        match added {
            Ok(added) => {
                assert_eq!(added, Added::Replaced);
                break;
            }
            Err(error) => assert!(is_full(&error), "{error}"),
        }
        assert_eq!(scratch.content(), before);
        failures += 1;
    }
    assert!(failures >= 3, "{failures}");
    assert_eq!(
        scratch.content()["a-1.raw"].as_deref(),
        Some(&b"new image"[..])
    );
}

fn is_full(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. }
        if source.kind() == std::io::ErrorKind::StorageFull)
}
