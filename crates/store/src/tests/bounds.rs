//! Files of a store that others made too long: each is read up to a length, and refused beyond it.

use std::fs::{self, File};

use super::workshop::{Scratch, gzip, hex};
use crate::directory::Directory;
use crate::pending::{self, PENDING};
use crate::sums::Sums;
use crate::verify::{Finding, kinds};
use crate::{ARCHIVE, Error, Listing, compare_definitions};

/// Makes a file of zeros, which takes no room.
fn zeros(scratch: &Scratch, name: &str, length: u64) {
    File::create(scratch.0.join(name))
        .and_then(|file| file.set_len(length))
        .unwrap();
}

/// What a reader says, without the directory's name.
fn said<T>(scratch: &Scratch, result: Result<T, Error>) -> String {
    let text = result.err().map(|error| error.to_string());
    let text = text.unwrap_or_else(|| "fine".to_owned());
    text.replace(&format!("{}/", scratch.0.display()), "")
}

#[test]
fn files_have_a_largest_length() {
    let keys = |scratch: &Scratch| said(scratch, scratch.store().published_keys());
    // Zeros are no list.
    let list = |scratch: &Scratch| said(scratch, scratch.store().entries());
    let signature = |scratch: &Scratch| said(scratch, scratch.store().signature());
    let pending = |scratch: &Scratch| {
        let directory = Directory::open(&scratch.0).unwrap();
        said(scratch, pending::left(&directory, &Sums::default()))
    };
    let archive = |scratch: &Scratch| {
        let line = format!("{}  {ARCHIVE}\n", "0".repeat(64));
        scratch.write("SHA256SUMS", line.as_bytes());
        said(scratch, scratch.store().definitions())
    };
    // A line of 4 KiB says nothing of the image, so the file stays.
    let sum = |scratch: &Scratch| {
        let finding = Finding::new(&kinds::BARE_SHA256, "a.raw.sha256", "");
        let repaired = scratch.store().repair(&[finding], Listing::default());
        assert_ne!(repaired.as_ref().ok().map(Vec::len), Some(1));
        said(scratch, repaired)
    };
    for (name, limit, read, at_limit) in [
        (
            "SHA256SUMS",
            8_388_608,
            &list as &dyn Fn(&Scratch) -> String,
            "SHA256SUMS, line 1: the newline at the end is missing; systemd refuses the whole store \
             for such a line, so correct or remove it",
        ),
        ("SHA256SUMS.gpg", 1_048_576, &signature, "fine"),
        ("import-pubring.gpg", 4_194_304, &keys, "fine"),
        (PENDING, 8_388_608, &pending, "fine"),
        ("a.raw.sha256", 4096, &sum, "fine"),
        (
            ARCHIVE,
            67_108_864,
            &archive,
            "definitions.tar.gz does not have the SHA-256 that is listed",
        ),
    ] {
        let scratch = Scratch::new();
        zeros(&scratch, name, limit);
        assert_eq!(read(&scratch), at_limit);
        zeros(&scratch, name, limit + 1);
        let beyond = limit + 1;
        assert_eq!(
            read(&scratch),
            format!("{name} has {beyond} bytes; at most {limit} are allowed")
        );
    }
}

#[test]
fn an_archive_unpacks_to_so_much() {
    let scratch = Scratch::new();
    for (length, expected) in [
        (
            67_108_864,
            "is not what this version of sysext-build writes",
        ),
        (67_108_865, "unpacks to more than 67108864 bytes"),
    ] {
        let bytes = gzip(&vec![0; length]);
        scratch.write(ARCHIVE, &bytes);
        let line = format!("{}  {ARCHIVE}\n", hex(&bytes));
        scratch.write("SHA256SUMS", line.as_bytes());
        let found = said(&scratch, scratch.store().definitions());
        assert_eq!(found, format!("{ARCHIVE} {expected}"));
    }
}

#[test]
fn definitions_for_people_are_so_long_and_so_many() {
    let not = |file: &str, what: &str| format!("sysupdate.a.d/{file} {what}");
    let read = not("a.transfer", "is not what store sysupdate writes");
    let unread = not("", "holds what is not a definition");
    for (length, files, expected) in [
        (65_536, 1, &read),
        (65_537, 1, &unread),
        (1, 64, &read),
        (1, 65, &unread),
    ] {
        let scratch = Scratch::new();
        fs::create_dir(scratch.0.join("sysupdate.a.d")).unwrap();
        for file in 0..files {
            zeros(&scratch, &format!("sysupdate.a.d/{file}"), length);
        }
        let found = compare_definitions(&scratch.0, None, false).unwrap();
        let texts: Vec<_> = found.iter().map(|finding| finding.text.clone()).collect();
        assert_eq!(texts, [expected.as_str()], "{length} {files}");
    }
}
