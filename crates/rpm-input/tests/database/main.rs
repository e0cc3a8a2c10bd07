//! Databases of installed packages: real ones, those that `rpm` makes here, and damaged ones.
#![allow(
    clippy::disallowed_methods,
    reason = "a test reads what it made itself"
)]
#![allow(
    clippy::too_many_lines,
    reason = "a test is a table, or a story that is told from its start to its end"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a test may fail by a panic, in its functions too"
)]

#[macro_use]
extern crate judges;

mod build;
mod damage;
mod installed;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use build::ndb_of;
use judges::{Need, corpus, program, programs};
use rpm_input::{Package, database};

/// The program that makes databases.
const RPM: Need = program("rpm");

/// The programs that make databases and change them.
const EDITORS: Need = programs!("rpm", "sqlite3");

/// Databases of real systems.
const SYSTEMS: Need = corpus("rpmdb");

/// A directory of one test, empty at its start and gone at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("database-{name}"));
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs a program and returns its output.
fn output_of(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn rpm(directory: &Path) -> Command {
    let mut command = Command::new("rpm");
    command
        .arg("--dbpath")
        .arg(directory)
        .args(["--define", "_db_backend sqlite"]);
    command
}

fn fixtures() -> Vec<PathBuf> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../fixtures");
    let mut paths: Vec<PathBuf> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.to_str().unwrap();
            name.ends_with(".rpm") && !name.ends_with(".src.rpm")
        })
        .collect();
    paths.sort();
    paths
}

/// Makes a database of the fixtures with the real `rpm`.
fn install_fixtures(directory: &Path, options: &[&str]) {
    output_of(
        rpm(directory)
            .args(["-i", "--justdb", "--nodeps", "--noscripts", "--ignorearch"])
            .args(["--force", "--ignoreos", "--nosignature"])
            .args(options)
            .args(fixtures()),
    );
}

fn names(packages: &[Package]) -> Vec<String> {
    let mut names: Vec<String> = packages
        .iter()
        .map(|package| package.nevra.to_string())
        .collect();
    names.sort();
    names
}

/// Returns sorted lines without public keys, which are no packages.
fn lines(text: &str) -> Vec<String> {
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with("gpg-pubkey-"))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

fn message(path: &Path) -> String {
    database::read(path).unwrap_err().to_string()
}

#[test(SYSTEMS)]
fn real_databases_have_the_packages_that_rpm_lists() {
    let corpus = SYSTEMS.path();
    // The numbers of files are those whose state is `normal` by `rpm -qa --qf`.
    for (name, packages, files) in [
        ("cs9", 137, 8573),
        ("fedora44", 146, 24954),
        ("mariner2", 129, 7269),
        ("sle15-bci", 35, 2759),
        ("snyk-ndb", 3, 857),
    ] {
        let directory = corpus.join(name);
        let found = database::read(&database::find(&directory).unwrap()).unwrap();
        let expected = fs::read_to_string(directory.join("nevra.txt")).unwrap();
        assert_eq!(names(&found), lines(&expected), "{name}");
        assert_eq!(found.len(), packages, "{name}");
        let found: usize = found.iter().map(|package| package.files.len()).sum();
        assert_eq!(found, files, "{name}");
    }
}

#[test(RPM)]
fn a_database_of_rpm_reads_as_rpm_reads_it() {
    let scratch = Scratch::new("rpm");
    for (name, options, erased) in [
        ("plain", &[][..], None),
        ("nodocs", &["--excludedocs"], None),
        // The paths then stand behind the region and replace those inside of it.
        ("moved", &["--relocate", "/usr=/srv", "--badreloc"], None),
        ("erased", &[], Some("hello-library")),
    ] {
        let directory = scratch.0.join(name);
        install_fixtures(&directory, options);
        if let Some(erased) = erased {
            output_of(rpm(&directory).args(["-e", "--justdb", "--nodeps", "--noscripts", erased]));
        }
        let query = |format: &str| lines(&output_of(rpm(&directory).args(["-qa", "--qf", format])));
        let found = database::read(&directory).unwrap();
        assert_eq!(names(&found), query("%{NEVRA}\\n"), "{name}");
        assert!(found.len() >= fixtures().len() - 1, "{name}");
        let mut files: Vec<String> = found
            .iter()
            .flat_map(|package| &package.files)
            .map(|file| format!("{} {:o}", file.path, file.mode))
            .collect();
        files.sort();
        let expected: Vec<String> =
            query("[%{FILENAMES} %{FILEMODES:octal} %{FILESTATES:fstate}\\n]")
                .iter()
                .filter_map(|line| {
                    line.strip_suffix(" normal")
                        .or(line.strip_suffix(" replaced"))
                })
                .map(|line| {
                    let (path, mode) = line.rsplit_once(' ').unwrap();
                    let mode = u32::from_str_radix(mode, 8).unwrap() & 0o7777;
                    format!("{path} {mode:o}")
                })
                .collect();
        assert_eq!(files, expected, "{name}");
        let moved = files.iter().any(|file| file.starts_with("/srv/"));
        assert_eq!(moved, name == "moved");
    }
}

/// Makes a database of the fixtures and runs `sqlite3` on it.
fn edit_with_sqlite3(path: &Path, commands: &[&str]) {
    install_fixtures(path.parent().unwrap(), &[]);
    output_of(
        Command::new("sqlite3")
            .arg("-bail")
            .arg(path)
            .args(commands),
    );
}

#[test(EDITORS)]
fn every_page_size_reads_alike() {
    let scratch = Scratch::new("pages");
    for reserved in [0, 12, 255] {
        for shift in 9..=16 {
            // SQLite reserves no more than leaves 480 bytes of a page.
            let size = 1 << shift;
            if size - reserved < 480 {
                continue;
            }
            let path = scratch.0.join(format!("{size}-{reserved}/rpmdb.sqlite"));
            let commands = [
                "PRAGMA journal_mode=delete",
                &format!("PRAGMA page_size={size}"),
                &format!(".filectrl reserve_bytes {reserved}"),
                "VACUUM",
            ];
            edit_with_sqlite3(&path, &commands);
            let bytes = fs::read(&path).unwrap();
            let stored = u16::from_be_bytes([bytes[16], bytes[17]]);
            assert_eq!(stored, u16::try_from(size).unwrap_or(1));
            assert_eq!(i32::from(bytes[20]), reserved);
            let found = database::read(&path).unwrap();
            assert_eq!(found.len(), fixtures().len(), "{size} {reserved}");
        }
    }
}

#[test(EDITORS)]
fn the_log_counts_up_to_its_last_commit() {
    let scratch = Scratch::new("wal");
    let path = scratch.0.join("rpmdb.sqlite");
    let wal = scratch.0.join("rpmdb.sqlite-wal");
    let copy = |name: &str| {
        let target = scratch.0.join(name);
        format!(
            ".shell mkdir {0} && cp {1} {2} {0}",
            target.display(),
            path.display(),
            wal.display()
        )
    };
    let commands = [
        "PRAGMA journal_mode=delete",
        "PRAGMA page_size=4096",
        "VACUUM",
        "PRAGMA journal_mode=wal",
        "PRAGMA wal_autocheckpoint=0",
        "PRAGMA cache_size=1",
        "DELETE FROM Packages WHERE hnum = 1",
        &copy("committed"),
        "BEGIN",
        "UPDATE Packages SET blob = blob || zeroblob(100000)",
        "DELETE FROM Packages",
        &copy("uncommitted"),
        "ROLLBACK",
        "PRAGMA wal_checkpoint(full)",
        "DELETE FROM Packages WHERE hnum = 2",
        &copy("restarted"),
    ];
    edit_with_sqlite3(&path, &commands);
    let all = fixtures().len();
    let count = |name: &str| database::read(&scratch.0.join(name)).unwrap().len();
    let log_of = |name: &str| scratch.0.join(name).join("rpmdb.sqlite-wal");
    let committed = fs::read(log_of("committed")).unwrap();
    let uncommitted = fs::read(log_of("uncommitted")).unwrap();
    assert!(uncommitted.len() > committed.len());
    for (name, expected) in [
        ("committed", all - 1),
        ("uncommitted", all - 1),
        // The log starts over; behind its new frames are the old ones.
        ("restarted", all - 2),
    ] {
        assert_eq!(count(name), expected, "{name}");
    }
    let flip = |offset: usize| {
        let mut log = committed.clone();
        log[offset] ^= 1;
        log
    };
    for (name, log) in [
        ("no log", Vec::new()),
        ("only a header", committed[..32].to_vec()),
        (
            "the last byte is missing",
            committed[..committed.len() - 1].to_vec(),
        ),
        ("magic", flip(0)),
        ("checksum of the header", flip(24)),
        ("salt of the first frame", flip(32 + 8)),
        ("checksum of the first frame", flip(32 + 16)),
        ("content of the first frame", flip(32 + 24)),
    ] {
        fs::write(log_of("committed"), log).unwrap();
        assert_eq!(count("committed"), all, "{name}");
    }
    fs::write(log_of("committed"), &committed).unwrap();

    let other = scratch.0.join("other/rpmdb.sqlite");
    let copied = scratch.0.join("copied");
    let commands = [
        "PRAGMA journal_mode=delete",
        "PRAGMA page_size=512",
        "VACUUM",
        "PRAGMA journal_mode=wal",
        "DELETE FROM Packages WHERE hnum = 1",
        &format!(".shell cp {}-wal {}", other.display(), copied.display()),
    ];
    edit_with_sqlite3(&other, &commands);
    fs::copy(&copied, log_of("committed")).unwrap();
    let message = message(&scratch.0.join("committed"));
    assert!(
        message.ends_with("offset 8: pages of 512 bytes, those of the database have 4096"),
        "{message}"
    );
}

#[test]
fn what_can_not_be_read_is_refused_with_a_reason() {
    let scratch = Scratch::new("refused");
    let berkeley = [&[0; 12][..], &0x0006_1561_u32.to_le_bytes(), &[0; 100]].concat();
    let sqlite = |edits: &[(usize, &[u8])]| {
        let mut page = vec![0; 512];
        page[..16].copy_from_slice(b"SQLite format 3\0");
        page[16..24].copy_from_slice(&[2, 0, 1, 1, 0, 64, 32, 32]);
        page[100] = 13;
        for (offset, bytes) in edits {
            page[*offset..offset + bytes.len()].copy_from_slice(bytes);
        }
        page
    };
    let ndb = |edits: &[(usize, &[u8])]| {
        let mut file = ndb_of(&[b"x".to_vec()]);
        for (offset, bytes) in edits {
            file[*offset..offset + bytes.len()].copy_from_slice(bytes);
        }
        file
    };
    for (bytes, expected) in [
        (Vec::new(), "no magic of SQLite or ndb at offset 0"),
        (berkeley, "rpmdb --rebuilddb"),
        (
            b"SQLite format 3\0".to_vec(),
            "offset 16: the file ends here",
        ),
        (sqlite(&[]), "it has no table Packages"),
        (sqlite(&[(16, &[3, 0])]), "offset 16: page size 768 is not"),
        (sqlite(&[(19, &[3])]), "format 3"),
        (sqlite(&[(20, &[33])]), "page 1: only 479 bytes"),
        (sqlite(&[(21, &[65])]), "page 1: the fractions"),
        (sqlite(&[(56, &[0, 0, 0, 2])]), "UTF-16"),
        (
            sqlite(&[(28, &[0, 0, 0, 2])]),
            "page 1: 2 pages are stored, 1 are there",
        ),
        (sqlite(&[(100, &[10])]), "page 1: kind 10 of the page"),
        (sqlite(&[(103, &[1, 0])]), "page 1: 256 cells do not fit"),
        (sqlite(&[(103, &[0, 1])]), "page 1: a cell at offset 0"),
        (
            sqlite(&[(100, &[5]), (111, &[1])]),
            "page 1: the page is used twice",
        ),
        (
            sqlite(&[(100, &[5]), (111, &[2])]),
            "page 2: there is no such page",
        ),
        (
            // Two cells that are one.
            sqlite(&[(103, &[0, 2]), (108, &[1, 0, 1, 0]), (256, &[1, 7, 1])]),
            "page 1: row 7: it follows row 7",
        ),
        (
            sqlite(&[
                (103, &[0, 1]),
                (108, &[1, 0]),
                (256, &[0xc0, 0x80, 0x80, 0x80, 0, 7]),
            ]),
            "page 1: cell at offset 256: payload of 17179869184 bytes",
        ),
        (
            sqlite(&[(103, &[0, 1]), (108, &[1, 0]), (256, &[0x84, 0x58, 7])]),
            "page 1: cell at offset 256: payload ends after 92 of 600 bytes",
        ),
        (
            sqlite(&[(103, &[0, 1]), (108, &[1, 0]), (256, &[2, 7, 1])]),
            "it has no table Packages",
        ),
        (
            sqlite(&[(103, &[0, 1]), (108, &[1, 0]), (256, &[2, 7, 2, 10])]),
            "page 1: cell at offset 256: the columns are not those expected",
        ),
        (b"RpmP".to_vec(), "offset 4: the file ends here"),
        (ndb(&[(4, &[1])]), "version 1 of ndb"),
        (ndb(&[(12, &[0])]), "offset 12: 0 pages of slots"),
        (ndb(&[(12, &[9])]), "offset 12: 9 pages of slots"),
        (ndb(&[(48, b"s")]), "offset 48: no magic of a slot"),
        (
            ndb(&[(36, &[0])]),
            "slot at offset 32: its blob at block 256 has index 0",
        ),
        (
            ndb(&[(36, &[2])]),
            "offset 4100: blob of package 1, the slot says 2",
        ),
        (ndb(&[(41, &[0]), (40, &[1])]), "starts inside the slots"),
        (ndb(&[(44, &[3])]), "is behind the end of the file"),
        (
            ndb(&[(44, &[1])]),
            "has 16 bytes, 28 to 268435456 are allowed",
        ),
        (
            ndb(&[(44, &[0])]),
            "has 0 bytes, 28 to 268435456 are allowed",
        ),
        (
            ndb(&[(48, b"Slot\x02\0\0\0\0\x01\0\0\x02\0\0\0")]),
            "slot at offset 48: its blob at block 256 overlaps another blob",
        ),
        (ndb(&[(4096, b"b")]), "offset 4096: no magics"),
        (ndb(&[(4108, &[8])]), "offset 4108: blob length 8 is wrong"),
        (ndb(&[(4112, b"y")]), "offset 4116: blob has Adler-32"),
        (
            ndb(&[]),
            "header 1: malformed header: 1 bytes hold no lengths",
        ),
    ] {
        let path = scratch.0.join("Packages");
        fs::write(&path, bytes).unwrap();
        let found = message(&path);
        assert!(found.starts_with(path.to_str().unwrap()), "{found}");
        assert!(found.contains(expected), "{found:?} has no {expected:?}");
    }
    fs::remove_file(scratch.0.join("Packages")).unwrap();
    assert!(message(&scratch.0).ends_with("it is a directory"));

    fs::write(scratch.0.join("rpmdb.sqlite"), sqlite(&[])).unwrap();
    let journal = scratch.0.join("rpmdb.sqlite-journal");
    fs::write(&journal, b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7 and so on").unwrap();
    assert!(message(&scratch.0).contains("its last transaction was interrupted"));
    fs::write(&journal, [0; 512]).unwrap();
    assert!(message(&scratch.0).contains("it has no table Packages"));
}

/// Returns a database of SQLite whose pages, of 512 bytes, each have the next as their only child.
/// The last has one row, whose payload is said to have `payload` bytes.
fn chain(pages: u32, payload: &[u8]) -> Vec<u8> {
    let mut file = vec![0; 512 * pages as usize];
    file[..16].copy_from_slice(b"SQLite format 3\0");
    file[16..24].copy_from_slice(&[2, 0, 1, 1, 0, 64, 32, 32]);
    for page in 1..=pages {
        let number = page as usize - 1;
        let start = 512 * number + if page == 1 { 100 } else { 0 };
        if page == pages {
            file[start] = 13;
            file[start + 4] = 1;
            file[start + 8..start + 10].copy_from_slice(&[1, 0]);
            let row = [payload, &[7, 1]].concat();
            file[512 * number + 256..][..row.len()].copy_from_slice(&row);
        } else {
            file[start] = 5;
            file[start + 8..start + 12].copy_from_slice(&(page + 1).to_be_bytes());
        }
    }
    file
}

#[test]
fn what_a_database_may_take_is_known_before_it_is_taken() {
    let scratch = Scratch::new("limits");
    let path = scratch.0.join("Packages");
    let slots = |used: usize| {
        // All slots first, then one block for each.
        let pages = (used + 2).div_ceil(256);
        let mut file = [
            &b"RpmP"[..],
            &[0; 8],
            &(pages as u32).to_le_bytes(),
            &[0; 16],
        ]
        .concat();
        for slot in 0..pages * 256 - 2 {
            let block = if slot < used { pages * 256 + slot } else { 0 };
            file.extend(b"Slot\x01\0\0\0");
            file.extend((block as u32).to_le_bytes());
            file.extend([1, 0, 0, 0]);
        }
        file.resize(file.len() + used * 16, 0);
        file
    };
    for (bytes, length, expected) in [
        (Vec::new(), 1 << 30, "no magic of SQLite or ndb at offset 0"),
        (
            Vec::new(),
            (1 << 30) + 1,
            "it has 1073741825 bytes, 1073741824 are allowed",
        ),
        (chain(32, &[2]), 0, "it has no table Packages"),
        (
            chain(33, &[2]),
            0,
            "page 33: the tree is deeper than 32 pages",
        ),
        // 2²⁸, and one more.
        (
            chain(1, &[0x81, 0x80, 0x80, 0x80, 0]),
            0,
            "page 1: cell at offset 256: payload ends after 128 of 268435456 bytes",
        ),
        (
            chain(1, &[0x81, 0x80, 0x80, 0x80, 1]),
            0,
            "page 1: cell at offset 256: payload of 268435457 bytes, 268435456 are allowed",
        ),
        (
            slots(131_072),
            0,
            "slot at offset 32: its blob at block 131328 has 16 bytes, 28 to 268435456 are allowed",
        ),
        (slots(131_073), 0, "it has more than 131072 packages"),
    ] {
        fs::write(&path, &bytes).unwrap();
        let file = fs::File::options().write(true).open(&path).unwrap();
        file.set_len(length.max(bytes.len() as u64)).unwrap();
        let found = message(&path);
        assert!(found.ends_with(expected), "{found:?} has no {expected:?}");
    }
}

#[test]
fn a_database_is_found_where_distributions_have_it() {
    let scratch = Scratch::new("find");
    let root = scratch.0.join("root");
    let add = |path: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "").unwrap();
        path
    };
    assert_eq!(database::find(&root), None);
    // From the last in the order to the first: each one is preferred to those before.
    for place in [
        "root/.rpmdb/rpmdb.sqlite",
        "usr/share/rpm/rpmdb.sqlite",
        "var/lib/rpm/Packages",
        "var/lib/rpm/Packages.db",
        "var/lib/rpm/rpmdb.sqlite",
        "usr/lib/sysimage/rpm/Packages.db",
        "rpmdb.sqlite",
    ] {
        let path = add(place);
        assert_eq!(database::find(&root), Some(path.clone()), "{place}");
        assert_eq!(database::find(&path), Some(path.clone()), "{place}");
        assert_eq!(
            database::find(path.parent().unwrap()),
            Some(path),
            "{place}"
        );
    }

    let outside = scratch.0.join("root");
    let image = scratch.0.join("image");
    fs::create_dir_all(image.join("var/lib")).unwrap();
    symlink(outside.join("var/lib/rpm"), image.join("var/lib/rpm")).unwrap();
    assert_eq!(database::find(&image), None, "an absolute link");
    fs::create_dir_all(image.join("usr/share/rpm")).unwrap();
    fs::write(image.join("usr/share/rpm/Packages.db"), "").unwrap();
    fs::create_dir_all(image.join("usr/lib/sysimage")).unwrap();
    symlink("../../share/rpm", image.join("usr/lib/sysimage/rpm")).unwrap();
    let found = image.join("usr/lib/sysimage/rpm/Packages.db");
    assert_eq!(database::find(&image), Some(found), "a link inside");
}

fn main() -> std::process::ExitCode {
    judges::run()
}
