//! Adding that fails on the way, after the first steps were taken.

use std::fs;

use super::{Scratch, add, replace};
use crate::Error;

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
