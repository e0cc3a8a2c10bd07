//! What an installed header may be, and what not.

use std::fs;

use rpm_input::{Error, FileKind, Payload, database};

use crate::build::{CHAR, Entry, PACKAGE, STRING, STRINGS, header, ndb_of};
use crate::{Scratch, fixtures, message, names};

#[test]
fn installed_headers_are_taken_as_rpm_left_them() {
    let scratch = Scratch::new("installed");
    let path = scratch.0.join("Packages.db");
    let read = |headers: &[Vec<u8>]| {
        fs::write(&path, ndb_of(headers)).unwrap();
        database::read(&path).unwrap()
    };
    let files = |dribbles: &[Entry]| -> Vec<(String, Option<u32>)> {
        let packages = read(&[header(PACKAGE, dribbles)]);
        let files = packages[0].files.iter();
        files
            .inspect(|file| assert_eq!(file.kind, FileKind::Regular))
            .map(|file| (file.path.text(), file.hard_link))
            .collect()
    };
    let expect = |paths: &[(&str, Option<u32>)]| -> Vec<(String, Option<u32>)> {
        let owned = |(path, link): &(&str, Option<u32>)| ((*path).to_owned(), *link);
        paths.iter().map(owned).collect()
    };
    let [f, g, h, i] = ["/usr/f", "/usr/g", "/usr/h", "/usr/i"];
    let all = [(f, None), (g, Some(1)), (h, Some(1)), (i, Some(1))];
    assert_eq!(files(&[]), expect(&all));
    for (states, expected) in [
        (&[0, 1, 3, 0xff], &all[..]),
        (&[2, 0, 0, 0], &[(g, Some(0)), (h, Some(0)), (i, Some(0))]),
        (&[0, 4, 0, 0], &[(f, None), (h, Some(1)), (i, Some(1))]),
        (&[0, 2, 2, 0], &[(f, None), (i, None)]),
        (&[2, 2, 2, 2], &[]),
    ] {
        assert_eq!(files(&[(1029, CHAR, 4, states)]), expect(expected));
    }
    let moved = [(1118, STRINGS, 1, &b"/opt/\0"[..])];
    assert_eq!(files(&moved)[0].0, "/opt/f");

    let key: &[Entry] = &[(1000, STRING, 1, b"gpg-pubkey\0")];
    let packages = read(&[header(key, &[]), header(PACKAGE, &[])]);
    assert_eq!(names(&packages), ["a-1-2.noarch"]);
    let file = fs::File::open(&fixtures()[0]).unwrap();
    let opened = Payload::open(file, &packages[0]).map(|_| ());
    assert!(matches!(opened, Err(Error::Changed { .. })), "{opened:?}");
    let second = [&[(1000, STRING, 1, &b"A\0"[..])], &PACKAGE[1..]].concat();
    let packages = read(&[header(PACKAGE, &[]), header(&second, &[])]);
    assert_eq!(packages[0].nevra.name, "A", "sorted");
    assert_eq!(read(&[]).len(), 0);
}

#[test]
fn headers_that_were_changed_are_refused() {
    let scratch = Scratch::new("headers");
    let path = scratch.0.join("Packages.db");
    let whole = header(PACKAGE, &[]);
    let end_of_region = whole.len() - 16;
    let edit = |offset: usize, byte: u8| {
        let mut header = whole.clone();
        header[offset] = byte;
        header
    };
    let digest = format!("{:064}\0", 7);
    let old_digest = format!("{:040}\0", 7);
    let states = (1029, CHAR, 3, &[0; 3][..]);
    for (header, expected) in [
        (whole[..whole.len() - 1].to_vec(), "its lengths say"),
        ([&whole[..], &[0]].concat(), "its lengths say"),
        (edit(3, 0), "index of 0 entries"),
        (edit(1, 2), "index of 131087 entries"),
        (edit(4, 0x20), "are allowed"),
        (
            edit(end_of_region + 3, 64),
            "the end of the region at offset",
        ),
        (
            edit(end_of_region + 7, 6),
            "the end of the region at offset",
        ),
        (
            edit(end_of_region + 11, 0),
            "the end of the region at offset",
        ),
        (
            edit(end_of_region + 11, 1),
            "the end of the region at offset",
        ),
        (
            edit(end_of_region + 10, 0xfe),
            "the end of the region at offset",
        ),
        (
            edit(end_of_region + 11, 0x20),
            "value of tag 1118 is on the wrong side of the region's end",
        ),
        (edit(8 + 16 + 3, 0xe9), "tag NAME: is missing"),
        (
            edit(8 + 16 + 11, 9),
            "value of tag 1001 overlaps the one before",
        ),
        (
            header(PACKAGE, &[states]),
            "tag FILESTATES: has 3 values instead of 4",
        ),
        (
            header(PACKAGE, &[(273, STRING, 1, digest.as_bytes())]),
            "header has SHA-256",
        ),
        (
            header(PACKAGE, &[(269, STRING, 1, old_digest.as_bytes())]),
            "header has SHA-1",
        ),
        (header(&PACKAGE[1..], &[]), "tag NAME: is missing"),
    ] {
        fs::write(&path, ndb_of(&[header])).unwrap();
        let found = message(&path);
        let start = format!("{}: header 1: ", path.display());
        assert!(found.starts_with(&start), "{found}");
        assert!(found.contains(expected), "{found:?} has no {expected:?}");
    }
}
