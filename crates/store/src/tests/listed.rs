//! What is listed: shown, pruned, and where stores are.

use std::num::NonZero;

use super::{Scratch, filled, gzip, hex, list};
use crate::{Added, Error, Listing, Per, Pruning, Publication, Store};

/// Adds `a` in a version, which has to be the newest.
fn add(store: &Store, version: u32) {
    try_to_add(store, version).unwrap();
}

fn try_to_add(store: &Store, version: u32) -> Result<Added, Error> {
    let json = format!(r#"{{"manifest_version":1,"config":{{"name":"a","version":"{version}"}}}}"#);
    let temporary = || store.temporary().unwrap();
    let (image, manifest) = (
        format!("a-{version}.raw"),
        format!("a-{version}.manifest.gz"),
    );
    let publication = Publication {
        name: "a".to_owned(),
        image: filled(temporary(), image, format!("image {version}").as_bytes()),
        manifest: filled(temporary(), manifest, &gzip(json.as_bytes())),
        attached: Vec::new(),
        replace: false,
        allow_older: false,
    };
    store.add(publication, Listing::default())
}

#[test]
fn what_is_listed_is_shown_with_the_newest_first() {
    let scratch = Scratch::new();
    let store = scratch.store();
    (9..12).for_each(|version| add(&store, version));
    scratch.write("b-1.raw", b"alone");
    let mut text = std::fs::read(scratch.0.join("SHA256SUMS")).unwrap();
    text.extend(list(&[
        ("b-1.raw", b"alone"),
        ("c-1.raw", b"gone"),
        ("d.txt", b""),
    ]));
    scratch.write("SHA256SUMS", &text);
    scratch.write("a-10.manifest.gz", b"damaged");
    let shown: Vec<_> = (store.images().unwrap().iter())
        .map(|image| {
            assert_eq!(image.sha256.len(), 32);
            (
                image.file.clone(),
                image.bytes,
                image.manifest_file.clone(),
                image.manifest.is_some(),
            )
        })
        .collect();
    let row = |file: &str, bytes, manifest: Option<&str>, is_read| {
        (file.to_owned(), bytes, manifest.map(str::to_owned), is_read)
    };
    assert_eq!(
        shown,
        [
            row("a-10.raw", Some(8), Some("a-10.manifest.gz"), false),
            row("a-11.raw", Some(8), Some("a-11.manifest.gz"), true),
            row("a-9.raw", Some(7), Some("a-9.manifest.gz"), true),
            row("b-1.raw", Some(5), None, false),
            row("c-1.raw", None, None, false),
        ]
    );
    let hash = store.images().unwrap().last().unwrap().sha256;
    assert_eq!(hash, super::sha256(b"gone"));
}

#[test]
fn old_images_go_with_their_manifests_and_lines() {
    for is_dry_run in [true, false] {
        let scratch = Scratch::new();
        let store = scratch.store();
        (1..4).for_each(|version| add(&store, version));
        let before = scratch.content();
        let pruning = |keep| Pruning {
            keep: NonZero::new(keep).unwrap(),
            per: Per::Name,
        };
        let kept = store.prune(pruning(3), is_dry_run, Listing::default());
        assert_eq!(kept.unwrap(), []);
        assert_eq!(scratch.content(), before);

        let gone = store.prune(pruning(1), is_dry_run, Listing::default());
        let gone: Vec<_> = gone.unwrap().into_iter().map(|image| image.file).collect();
        assert_eq!(gone, ["a-2.raw", "a-1.raw"]);
        if is_dry_run {
            assert_eq!(scratch.content(), before);
            continue;
        }
        let content = scratch.content();
        let names: Vec<_> = content.keys().map(String::as_str).collect();
        assert_eq!(names, ["SHA256SUMS", "a-3.manifest.gz", "a-3.raw"]);
        let manifest = content["a-3.manifest.gz"].as_deref().unwrap();
        let expected = list(&[("a-3.manifest.gz", manifest), ("a-3.raw", b"image 3")]);
        assert_eq!(content["SHA256SUMS"].as_deref(), Some(&*expected));
    }
}

#[test]
fn the_last_day_is_that_of_the_list() {
    let scratch = Scratch::new();
    let store = scratch.store();
    assert_eq!(store.best_before().unwrap(), None);
    let day = "2030-01-31";
    let text = format!("{}  BEST-BEFORE-{day}\n", hex(b""));
    scratch.write("SHA256SUMS", text.as_bytes());
    assert_eq!(store.best_before().unwrap(), Some(day.parse().unwrap()));
}

#[test]
fn where_stores_are() {
    // Files, and the directories that are stores: `.` is the root.
    for (files, expected) in [
        (&[][..], &["."][..]),
        (&["SHA256SUMS"], &["."]),
        (
            &["a/SHA256SUMS", "b/b-1.raw", "c/notes", ".d/SHA256SUMS", "e"],
            &["a", "b"],
        ),
        (&["a-1.raw", "b/SHA256SUMS"], &[".", "b"]),
        (&["a/notes"], &["."]),
    ] {
        let scratch = Scratch::new();
        for file in files {
            let path = scratch.0.join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        let found = crate::directories(&scratch.0).unwrap();
        let expected: Vec<_> = (expected.iter())
            .map(|name| match *name {
                "." => scratch.0.clone(),
                name => scratch.0.join(name),
            })
            .collect();
        assert_eq!(found, expected, "{files:?}");
    }
}

#[test]
fn a_manifest_counts_as_it_is_listed() {
    let scratch = Scratch::new();
    let store = scratch.store();
    add(&store, 1);
    let name = "a-1.manifest.gz";
    let is_read = || store.images().unwrap()[0].manifest.is_some();
    assert!(is_read());
    scratch.write(
        name,
        &gzip(br#"{"manifest_version":1,"config":{"name":"a","version":"0"}}"#),
    );
    assert!(!is_read());
    // Nor is the newest judged by it, or a name.
    let refused = try_to_add(&store, 2).unwrap_err().to_string();
    let expected = "a-1.manifest.gz: does not have the SHA-256 that is listed; see store verify";
    assert!(refused.ends_with(expected), "{refused}");
    // Nobody vouches for what is not listed.
    scratch.write(
        "SHA256SUMS",
        format!("{}  a-1.raw\n", hex(b"image 1")).as_bytes(),
    );
    assert!(!is_read());
}
