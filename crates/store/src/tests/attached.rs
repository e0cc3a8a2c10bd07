//! What belongs to an image comes and goes with it.

use super::workshop::{Scratch, add, filled, publication};
use crate::{Added, Error, Listing, Publication, Store};

/// An image of these bytes, with such files.
fn with(store: &Store, stem: &str, bytes: &[u8], attached: &[(&str, &str)]) -> Publication {
    let file = |(name, text): &(&str, &str)| {
        filled(
            store.temporary().unwrap(),
            (*name).to_owned(),
            text.as_bytes(),
        )
    };
    Publication {
        attached: attached.iter().map(file).collect(),
        ..publication(store, "a", stem, bytes, true)
    }
}

/// The listed names.
fn listed(store: &Store) -> Vec<String> {
    let entries = store.entries().unwrap();
    entries.into_iter().map(|entry| entry.name).collect()
}

#[test]
fn what_belongs_to_an_image_comes_and_goes_with_it() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let add = |bytes: &[u8], attached: &[(&str, &str)]| {
        store.add(with(&store, "a-1", bytes, attached), Listing::default())
    };
    let (spdx, cdx) = (("a-1.spdx.json", "1"), ("a-1.cdx.json", "1"));
    for (bytes, attached, became, expected) in [
        (
            &b"one"[..],
            &[spdx][..],
            Added::New,
            &["a-1.manifest.gz", "a-1.raw", "a-1.spdx.json"][..],
        ),
        (
            b"one",
            &[spdx],
            Added::Unchanged,
            &["a-1.manifest.gz", "a-1.raw", "a-1.spdx.json"],
        ),
        // What is there of the same image stays.
        (
            b"one",
            &[cdx],
            Added::New,
            &[
                "a-1.cdx.json",
                "a-1.manifest.gz",
                "a-1.raw",
                "a-1.spdx.json",
            ],
        ),
        // What is said of other bytes goes.
        (
            b"two",
            &[("a-1.spdx.json", "2")],
            Added::Replaced,
            &["a-1.manifest.gz", "a-1.raw", "a-1.spdx.json"],
        ),
    ] {
        assert_eq!(add(bytes, attached).unwrap(), became, "{attached:?}");
        assert_eq!(listed(&store), expected);
        let mut there: Vec<_> = scratch.content().into_keys().collect();
        there.retain(|name| name != "SHA256SUMS");
        assert_eq!(there, expected);
    }
    assert_eq!(
        scratch.content()["a-1.spdx.json"].as_deref(),
        Some(&b"2"[..])
    );
    store
        .remove(&["a".to_owned()], false, Listing::default())
        .unwrap();
    let there: Vec<_> = scratch.content().into_keys().collect();
    assert_eq!(there, ["SHA256SUMS"]);
}

#[test]
fn files_are_added_to_an_image_that_is_listed() {
    let scratch = Scratch::new();
    let store = scratch.store();
    add(&store, "a", "a-1", b"one").unwrap();
    let attach = |image: &str, name: &str| {
        let file = filled(store.temporary().unwrap(), name.to_owned(), b"1");
        store.attach(image, vec![file], Listing::default())
    };
    assert!(attach("a-1.raw", "a-1.sigstore.json").unwrap());
    assert!(!attach("a-1.raw", "a-1.sigstore.json").unwrap());
    assert_eq!(
        store.list().unwrap().attached("a-1.raw"),
        ["a-1.sigstore.json"]
    );
    let error = attach("a-1.raw", "b-1.sigstore.json").unwrap_err();
    assert!(matches!(error, Error::Attached { .. }), "{error}");
    let error = attach("b-1.raw", "b-1.sigstore.json").unwrap_err();
    assert!(matches!(error, Error::Changed { .. }), "{error}");
    assert_eq!(
        listed(&store),
        ["a-1.manifest.gz", "a-1.raw", "a-1.sigstore.json"]
    );
}
