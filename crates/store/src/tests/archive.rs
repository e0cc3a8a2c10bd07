//! Definitions of a store: on its list, under its signature.

use std::fs;

use super::workshop::{KEY, Scratch, add, content, hex, sign, signed};
use crate::{
    ARCHIVE, Definition, Delivery, Error, Finding, Layout, Listing, StoreUrl, compare_definitions,
    write_definitions,
};

fn definitions(names: &[&str], verify: bool) -> Vec<Definition> {
    let delivery = Delivery {
        url: StoreUrl::new("https://example.org/").unwrap(),
        per_name: false,
        ending: Layout::Flat.pattern_ending(),
        verify,
        instances: 2,
    };
    let define = |name: &&str| Definition::new(name, &delivery).unwrap();
    names.iter().map(define).collect()
}

#[test]
fn the_archive_its_line_and_the_signature_change_together() {
    let scratch = Scratch::new();
    let store = scratch.store();
    add(&store, "a", "a-1", b"image").unwrap();
    let one = definitions(&["a"], true);
    assert_eq!(store.definitions().unwrap(), None);
    for _ in 0..2 {
        store.define(&one, signed()).unwrap();
        let list = fs::read(scratch.0.join("SHA256SUMS")).unwrap();
        let archive = fs::read(scratch.0.join(ARCHIVE)).unwrap();
        let line = format!("{}  {ARCHIVE}\n", hex(&archive));
        assert!(String::from_utf8_lossy(&list).contains(&line));
        let signature = fs::read(scratch.0.join("SHA256SUMS.gpg")).unwrap();
        assert_eq!(signature, sign(&list).unwrap());
        assert_eq!(store.definitions().unwrap().as_ref(), Some(&one));
        // What somebody else put in its place goes.
        scratch.write(ARCHIVE, b"evil");
    }
    store.define(&one, signed()).unwrap();
    let before = content(&scratch.0);
    assert!(!store.define(&one, signed()).unwrap());
    assert_eq!(content(&scratch.0), before);

    // Without the key nothing changes.
    let two = definitions(&["a", "b"], true);
    let refused = store.define(&two, Listing::default()).unwrap_err();
    assert!(
        matches!(refused, Error::Unsigned { .. }),
        "{KEY}: {refused}"
    );
    assert_eq!(content(&scratch.0), before);

    // Without definitions there is no archive.
    assert!(store.define(&[], signed()).unwrap());
    assert!(!scratch.0.join(ARCHIVE).exists());
    assert_eq!(store.definitions().unwrap(), None);
    assert!(!store.define(&[], signed()).unwrap());
}

#[test]
fn an_archive_counts_as_it_is_listed() {
    let scratch = Scratch::new();
    let store = scratch.store();
    let list = |bytes: &[u8]| {
        scratch.write(
            "SHA256SUMS",
            format!("{}  {ARCHIVE}\n", hex(bytes)).as_bytes(),
        );
    };
    store
        .define(&definitions(&["a"], true), Listing::default())
        .unwrap();
    let good = fs::read(scratch.0.join(ARCHIVE)).unwrap();
    let long = [&good[..], &manifest::pack(&[0; 512]).unwrap()].concat();
    for (bytes, listed, expected) in [
        (
            Some(&b"evil"[..]),
            &good[..],
            "does not have the SHA-256 that is listed",
        ),
        (None, &good, "is listed but missing"),
        (Some(b"evil"), b"evil", "can't be unpacked"),
        (
            Some(&long),
            &long,
            "is not what this version of sysext-build writes",
        ),
    ] {
        list(listed);
        match bytes {
            Some(bytes) => scratch.write(ARCHIVE, bytes),
            None => fs::remove_file(scratch.0.join(ARCHIVE)).unwrap(),
        }
        let problem = store.definitions().unwrap_err().to_string();
        assert!(problem.contains(expected), "{problem}");
    }
}

const MISMATCH: &str = "definition-mismatch sysupdate.a.d/a.transfer";
const FOREIGN: &str = "[Transfer]\nVerify=no\n";

#[test]
fn what_people_read_is_compared() {
    let archived = definitions(&["a"], true);
    let unverified = definitions(&["a"], false);
    let good = archived[0].files();
    let (conf, transfer) = (good[0].1.as_str(), good[2].1.as_str());
    let tampered = transfer.replace("Verify=yes", "Verify=no");
    let elsewhere = transfer.replace("https://example.org/", "https://evil.example/");
    let note = ["definition-unsigned sysupdate.a.d/a.transfer"];
    for (what, has_archive, is_signed, written, changes, expected) in [
        ("good", true, true, &archived, &[][..], &[][..]),
        ("good, unsigned", false, false, &unverified, &[], &[]),
        ("no archive", false, true, &archived, &[], &note),
        (
            "verify=no",
            true,
            true,
            &archived,
            &[("a.d/a.transfer", Some(tampered.as_str()))],
            &[MISMATCH],
        ),
        (
            "elsewhere",
            true,
            true,
            &archived,
            &[
                ("a.d/a.transfer", Some(&elsewhere)),
                ("a.d/a.conf", Some(&elsewhere)),
            ],
            &[
                "definition-mismatch sysupdate.a.d/a.conf",
                "definition-mismatch sysupdate.a.d/a.transfer",
            ],
        ),
        (
            "verify=no without an archive",
            false,
            true,
            &unverified,
            &[],
            &[MISMATCH],
        ),
        (
            "only the older file",
            false,
            true,
            &archived,
            &[("a.d/a.conf", Some(&tampered))],
            &["definition-mismatch sysupdate.a.d/a.conf", note[0]],
        ),
        (
            "a second transfer",
            true,
            true,
            &archived,
            &[("a.d/b.transfer", Some(FOREIGN))],
            &["definition-mismatch sysupdate.a.d/b.transfer"],
        ),
        (
            "a missing file",
            true,
            true,
            &archived,
            &[("a.d/a.feature", None)],
            &["definition-mismatch sysupdate.a.d/a.feature"],
        ),
        (
            "another extension",
            true,
            true,
            &archived,
            &[("b.d/b.transfer", Some(conf))],
            &["definition-mismatch sysupdate.b.d/b.transfer"],
        ),
        (
            "another text",
            false,
            false,
            &unverified,
            &[("a.d/a.transfer", Some(FOREIGN))],
            &[MISMATCH],
        ),
    ] {
        let scratch = Scratch::new();
        write_definitions(&scratch.0, written).unwrap();
        for (name, text) in changes {
            let path = scratch.0.join(format!("sysupdate.{name}"));
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            match text {
                Some(text) => fs::write(path, text).unwrap(),
                None => fs::remove_file(path).unwrap(),
            }
        }
        let archived = has_archive.then_some(&archived[..]);
        let found = compare_definitions(&scratch.0, archived, is_signed).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|one: &Finding| format!("{} {}", one.kind.id, one.file))
            .collect();
        assert_eq!(found, expected, "{what}");
    }
}

#[test]
fn what_is_not_a_file_is_said_and_not_read() {
    let scratch = Scratch::new();
    let directory = scratch.0.join("sysupdate.a.d");
    fs::create_dir(&directory).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", directory.join("a.transfer")).unwrap();
    let found = compare_definitions(&scratch.0, None, false).unwrap();
    assert_eq!(
        found[0].text,
        "sysupdate.a.d/ holds what is not a definition"
    );
}
