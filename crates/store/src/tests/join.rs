//! What comes from several stores in one change.

use super::workshop::{filled, gzip, publication, signed};
use super::{Scratch, add};
use crate::{Added, Entry, Error, Listing, Publication, Store};

/// An image of `bytes` with a manifest that says its version.
fn coming(store: &Store, name: &str, version: &str, bytes: &[u8]) -> Publication {
    let stem = format!("{name}-{version}");
    let json =
        format!(r#"{{"manifest_version":1,"config":{{"name":"{name}","version":"{version}"}}}}"#);
    let manifest = filled(
        store.temporary().unwrap(),
        format!("{stem}.manifest.gz"),
        &gzip(json.as_bytes()),
    );
    Publication {
        manifest,
        ..publication(store, name, &stem, bytes, false)
    }
}

fn names(store: &Store) -> Vec<String> {
    let entries = store.entries().unwrap().into_iter();
    let names = entries.map(|entry| entry.name);
    (names.filter(|name| !name.ends_with(".manifest.gz"))).collect()
}

fn taken_back(name: &str, bytes: &[u8]) -> Entry {
    Entry {
        name: name.to_owned(),
        sha256: super::sha256(bytes),
    }
}

#[test]
fn many_images_are_one_change_and_one_signature() {
    let scratch = Scratch::new();
    let store = scratch.store();
    // More files than there are names for those that are replaced.
    let all = || -> Vec<_> {
        (1..=5)
            .map(|version| coming(&store, "a", &version.to_string(), b"a"))
            .chain([coming(&store, "b", "1", b"b")])
            .collect()
    };
    let added = store.join(all(), &[], signed()).unwrap();
    assert_eq!(added, [Added::New; 6]);
    assert_eq!(store.issued().unwrap().unwrap().serial.number, 1);
    assert_eq!(store.images().unwrap().len(), 6);
    let before = scratch.content();
    let added = store.join(all(), &[], signed()).unwrap();
    assert_eq!(added, [Added::Unchanged; 6]);
    assert_eq!(scratch.content(), before);
}

/// Images that come together are judged by each other, too.
#[test]
fn what_one_of_several_is_refused_for_stops_all() {
    for (all, expected) in [
        (&[("a", "2"), ("a", "1")][..], "would not be the newest"),
        (&[("gcc", "1"), ("gcc-32bit", "1")], "pattern-collision"),
        (&[("gcc-32bit", "1"), ("gcc", "1")], "pattern-collision"),
    ] {
        let scratch = Scratch::new();
        let store = scratch.store();
        let publications = (all.iter())
            .map(|(name, version)| coming(&store, name, version, b"x"))
            .collect();
        let refused = store.join(publications, &[], Listing::default());
        let words = refused.unwrap_err().to_string();
        assert!(words.contains(expected), "{words}");
        assert!(scratch.content().is_empty(), "{all:?}");
    }
}

#[test]
fn what_was_taken_back_anywhere_stays_so() {
    let scratch = Scratch::new();
    let store = scratch.store();
    add(&store, "a", "a-1", b"one").unwrap();
    let join =
        |publications, withdrawn: &[Entry]| store.join(publications, withdrawn, Listing::default());
    // Elsewhere: it goes here, with its manifest.
    join(vec![], &[taken_back("a-1.raw", b"one")]).unwrap();
    assert_eq!(names(&store), ["WITHDRAWN-a-1"]);
    assert_eq!(scratch.content().len(), 1);
    // Here: it does not come again, be its bytes the same or others.
    for bytes in [b"one", b"two"] {
        let refused = join(vec![coming(&store, "a", "1", bytes)], &[]).unwrap_err();
        assert!(matches!(refused, Error::Withdrawn { .. }), "{refused}");
    }
    // In the store from which another one comes.
    let refused = join(
        vec![coming(&store, "b", "1", b"b")],
        &[taken_back("b-1.raw", b"b")],
    );
    assert!(matches!(refused, Err(Error::Withdrawn { .. })));
    // A name that had other bytes than are known here.
    add(&store, "c", "c-1", b"c").unwrap();
    for name in ["a-1.raw", "c-1.raw"] {
        let refused = join(vec![], &[taken_back(name, b"other")]).unwrap_err();
        assert!(matches!(refused, Error::Withdrawn { .. }), "{refused}");
    }
    // It is said again, and nothing changes.
    let before = scratch.content();
    join(vec![], &[taken_back("a-1.raw", b"one")]).unwrap();
    assert_eq!(scratch.content(), before);
    assert_eq!(names(&store), ["WITHDRAWN-a-1", "c-1.raw"]);
}

#[test]
fn only_what_is_listed_is_copied() {
    let (from, to) = (Scratch::new(), Scratch::new());
    let (source, store) = (from.store(), to.store());
    for name in ["a", "b", "c", "e"] {
        add(&source, name, &format!("{name}-1"), b"bytes").unwrap();
    }
    let list = source.list().unwrap();
    from.write("b-1.raw", b"other");
    std::fs::remove_file(from.0.join("c-1.raw")).unwrap();
    from.write("d-1.raw", b"bytes");
    std::fs::remove_file(from.0.join("e-1.raw")).unwrap();
    std::os::unix::fs::symlink("a-1.raw", from.0.join("e-1.raw")).unwrap();
    let (name, file, sha256) = list.copy("a-1.raw", &store).unwrap();
    assert_eq!(
        (name.as_str(), sha256),
        ("a-1.raw", super::sha256(b"bytes"))
    );
    assert_eq!(file.file().metadata().unwrap().len(), 5);
    for (name, expected) in [
        (
            "b-1.raw",
            "b-1.raw does not have the SHA-256 that is listed",
        ),
        ("c-1.raw", "c-1.raw is listed and is gone"),
        ("d-1.raw", "d-1.raw is not listed"),
        ("e-1.raw", "e-1.raw is a symbolic link, not a regular file"),
    ] {
        let refused = list.copy(name, &store).unwrap_err().to_string();
        assert!(refused.ends_with(expected), "{refused}");
    }
    assert!(to.content().is_empty());
}
