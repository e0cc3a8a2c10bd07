//! Signed stores: list and signature change together, whenever a process ends.

use std::fs;
use std::os::unix::fs::MetadataExt as _;

use super::workshop::{signed, signing};
use super::{Scratch, add, list, manifest, publication, sign, without_number};
use crate::{Added, BestBefore, Error, Listing, SignError, Signing};

/// Adds an image to a signed store.
fn add_signed(scratch: &Scratch, name: &str, bytes: &[u8], replace: bool) -> Result<Added, Error> {
    let store = scratch.store();
    let publication = publication(&store, name, &format!("{name}-1"), bytes, replace);
    let listing = Listing {
        signing: Some(signing()),
        ..Listing::default()
    };
    store.add(publication, listing)
}

/// Whether the signature is of the list.
fn is_signed(scratch: &Scratch) -> bool {
    let read = |name| fs::read(scratch.0.join(name)).unwrap_or_default();
    read("SHA256SUMS.gpg") == sign(&read("SHA256SUMS")).unwrap()
}

#[test]
fn every_change_is_signed() {
    let scratch = Scratch::new();
    let day = |text: &str| Some(text.parse::<BestBefore>().unwrap());
    assert!(!scratch.store().is_signed().unwrap());
    assert_eq!(
        add_signed(&scratch, "a", b"one", false).unwrap(),
        Added::New
    );
    assert!(scratch.store().is_signed().unwrap() && is_signed(&scratch));
    assert_eq!(
        add_signed(&scratch, "a", b"two", true).unwrap(),
        Added::Replaced
    );
    assert!(is_signed(&scratch));
    let signed = |day| {
        let listing = Listing {
            signing: Some(signing()),
            best_before: day,
            now: 0,
        };
        scratch.store().sign(listing)
    };
    signed(day("2030-01-31")).unwrap();
    assert!(is_signed(&scratch));
    let expected = list(&[
        ("BEST-BEFORE-2030-01-31", b""),
        ("a-1.manifest.gz", &manifest("a")),
        ("a-1.raw", b"two"),
    ]);
    let found = fs::read(scratch.0.join("SHA256SUMS")).unwrap();
    assert_eq!(without_number(&found), expected);
    assert_eq!(scratch.content().len(), 4);

    let before = scratch.content();
    let unsigned = Listing {
        signing: None,
        best_before: day("2031-01-31"),
        now: 0,
    };
    let error = scratch.store().sign(unsigned).unwrap_err();
    assert!(matches!(error, Error::Unsigned { .. }), "{error}");
    let error = signed(day("2029-01-31")).unwrap_err();
    assert!(matches!(error, Error::Freshness(_)), "{error}");
    assert_eq!(scratch.content(), before);
}

#[test]
fn signing_a_store_that_is_there() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let listing = Listing {
        signing: Some(signing()),
        ..Listing::default()
    };
    let error = store.sign(listing).unwrap_err();
    assert!(matches!(error, Error::NoList { .. }), "{error}");
    add(&store, "a", "a-1", b"image").unwrap();
    let before = fs::read(scratch.0.join("SHA256SUMS")).unwrap();
    let listing = Listing {
        signing: Some(signing()),
        ..Listing::default()
    };
    store.sign(listing).unwrap();
    assert!(is_signed(&scratch));
    let found = fs::read(scratch.0.join("SHA256SUMS")).unwrap();
    assert_eq!(without_number(&found), before);
}

#[test]
fn nothing_is_written_without_a_signature() {
    let scratch = Scratch::new();
    add_signed(&scratch, "a", b"image", false).unwrap();
    let before = scratch.content();
    let store = scratch.store();
    let error = add(&store, "b", "b-1", b"image").unwrap_err();
    assert!(matches!(error, Error::Unsigned { .. }), "{error}");
    // What changes nothing needs no signature.
    assert_eq!(add(&store, "a", "a-1", b"image").unwrap(), Added::Unchanged);
    for (signature, expected) in [
        (Err("wrong passphrase"), "wrong passphrase"),
        (Ok(Vec::new()), "the signature has 0 bytes"),
        (
            Ok(vec![0; (1 << 20) + 1]),
            "the signature has 1048577 bytes",
        ),
    ] {
        let sign = |_: &[u8]| signature.clone().map_err(SignError::from);
        let signing = Signing {
            sign: Box::new(sign),
            ..signing()
        };
        let listing = Listing {
            signing: Some(signing),
            ..Listing::default()
        };
        let publication = publication(&store, "b", "b-1", b"image", false);
        let Err(Error::Sign { source, .. }) = store.add(publication, listing) else {
            panic!("{expected}");
        };
        assert!(source.to_string().starts_with(expected), "{source}");
        assert_eq!(scratch.content(), before);
    }
}

/// Each state that a kill between two steps leaves, in the order of the steps, and what becomes
/// of it: the old list before the mark is there, the new one from then on.
#[test]
fn a_half_done_change_is_completed_or_taken_back() {
    let hidden = |name: &str| format!(".sysext-build-{name}.tmp");
    for (about, signature_is_hidden, list_is_hidden, is_marked, is_new) in [
        ("one name", true, false, false, false),
        ("both names", true, true, false, false),
        ("marked", true, true, true, true),
        ("between the renames", false, true, true, true),
        ("both renamed", false, false, true, true),
    ] {
        let scratch = Scratch::new();
        add_signed(&scratch, "a", b"image", false).unwrap();
        let (old_list, new_list) = (
            fs::read(scratch.0.join("SHA256SUMS")).unwrap(),
            list(&[("z", b"")]),
        );
        let new_signature = sign(&new_list).unwrap();
        let signature = match signature_is_hidden {
            true => hidden("next-signature"),
            false => "SHA256SUMS.gpg".to_owned(),
        };
        scratch.write(&signature, &new_signature);
        if list_is_hidden {
            scratch.write(&hidden("next-list"), &new_list);
        } else if is_marked {
            scratch.write("SHA256SUMS", &new_list);
        }
        if is_marked {
            scratch.write(&hidden("committed"), b"");
        }
        scratch.write(&hidden("old-image"), b"old");

        let now = fs::read(scratch.0.join("SHA256SUMS")).unwrap();
        let added = add_signed(&scratch, "a", b"image", true).unwrap();
        let expected = if is_new { &new_list } else { &old_list };
        assert_eq!(now == *expected, !list_is_hidden || !is_marked, "{about}");
        assert_eq!(added == Added::Unchanged, !is_new, "{about}");
        assert!(is_signed(&scratch), "{about}");
        let text = fs::read_to_string(scratch.0.join("SHA256SUMS")).unwrap();
        assert_eq!(text.contains("  z\n"), is_new, "{about}");
        for name in scratch.content().keys() {
            assert!(!name.starts_with('.'), "{about}: {name}");
        }
    }
}

/// The rename of the list fails after that of the signature: a directory is in its place.
#[test]
fn a_failure_between_the_renames_puts_the_signature_back() {
    let scratch = Scratch::new();
    add_signed(&scratch, "a", b"image", false).unwrap();
    let store = scratch.store();
    let publication = publication(&store, "b", "b-1", b"image", false);
    let path = scratch.0.join("SHA256SUMS");
    let break_and_sign = |list: &[u8]| {
        fs::rename(&path, scratch.0.join("kept")).unwrap();
        fs::create_dir(&path).unwrap();
        sign(list)
    };
    let before = scratch.content();
    let listing = Listing {
        signing: Some(Signing {
            sign: Box::new(break_and_sign),
            ..signing()
        }),
        ..Listing::default()
    };
    let error = store.add(publication, listing).unwrap_err();
    assert!(
        matches!(&error, Error::Io { action: "replace", path, .. } if path.ends_with("SHA256SUMS")),
        "{error}"
    );
    fs::remove_dir(&path).unwrap();
    fs::rename(scratch.0.join("kept"), &path).unwrap();
    assert_eq!(scratch.content(), before);
    assert!(is_signed(&scratch));
}

/// A mirror that compares size and second copies every list and every signature.
#[test]
fn no_two_lists_share_a_second() {
    let scratch = Scratch::new();
    let seconds = |name: &str| {
        fs::metadata(scratch.0.join(name))
            .ok()
            .map(|metadata| metadata.mtime())
    };
    let names = ["SHA256SUMS", "SHA256SUMS.gpg", "a-1.raw", "a-1.manifest.gz"];
    type Change<'a> = (&'a str, [bool; 4], &'a dyn Fn());
    let changes: [Change<'_>; 4] = [
        ("add", [true, true, true, true], &|| {
            add_signed(&scratch, "a", b"one", false).unwrap();
        }),
        ("sign", [true, true, false, false], &|| {
            scratch.store().sign(signed()).unwrap();
        }),
        ("replace", [true, true, true, false], &|| {
            add_signed(&scratch, "a", b"two", true).unwrap();
        }),
        ("nothing new", [false; 4], &|| {
            add_signed(&scratch, "a", b"two", false).unwrap();
        }),
    ];
    for (change, is_changed, make) in changes {
        let before = names.map(seconds);
        make();
        for ((name, before), is_changed) in names.iter().zip(before).zip(is_changed) {
            assert_eq!(seconds(name) > before, is_changed, "{change}, {name}");
        }
    }
    // Nor does what is replaced beside the list.
    let page = scratch.0.join("index.html");
    for text in [b"one", b"two", b"six"] {
        let before = seconds("index.html");
        assert!(crate::replace_file(&page, text).unwrap());
        assert!(seconds("index.html") > before);
    }
}
