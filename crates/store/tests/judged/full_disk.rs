//! A disk without space or inodes.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use judges::{Need, all, programs, root};
use store::{Added, Error, Listing};

use crate::workshop::{Scratch, add, publication};

/// What makes a disk that is soon full.
pub(super) const TMPFS: Need = all(&[root(), programs!("mount", "umount")]);

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

#[test(TMPFS)]
fn a_full_disk_leaves_the_directory_as_it_was() {
    let _alone = crate::no_children();
    let scratch = Scratch::new();
    assert!(mount("size=1m,mode=0755", &scratch.0));
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
