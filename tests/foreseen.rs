//! What a store will refuse is known, and said, before anything is packed.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::workshop::{Scratch, build, fixture, os_release, program, sha256sum, text};

const HELLO: &str = "hello-sysext-1.0-1.x86_64.rpm";
const TOOLS: &str = "hello-tools-1.1~rc1-2.x86_64.rpm";
/// SHA-256 of nothing.
const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// What stands below a directory, with its bytes; of a directory, nothing.
fn content(directory: &Path) -> BTreeMap<OsString, Option<Vec<u8>>> {
    let mut content = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            content.extend(self::content(&path));
            content.insert(path.into_os_string(), None);
        } else {
            let bytes = fs::read(&path).unwrap();
            content.insert(path.into_os_string(), Some(bytes));
        }
    }
    content
}

/// The first image of every store here.
fn add_gcc(store: &Path, more: &[&str]) {
    let rpm = fixture(HELLO);
    let words = "--match any --allow unchecked-base --name gcc --image-version 2";
    let words: Vec<_> = (words.split(' ').chain(more.iter().copied()))
        .map(AsRef::as_ref)
        .chain([rpm.as_os_str()])
        .collect();
    build(store, &words);
}

/// Makes a difference to the store before the second image comes.
type Change = fn(&Path);

fn nothing(_: &Path) {}

/// Puts a day on the list that is over.
fn expire(store: &Path) {
    let path = store.join("SHA256SUMS");
    let list = fs::read_to_string(&path).unwrap();
    fs::write(path, format!("{EMPTY}  BEST-BEFORE-2024-01-01\n{list}")).unwrap();
}

/// Makes a directory in the place of an image.
fn block(store: &Path) {
    fs::create_dir(store.join("gcc-3.x86-64.raw")).unwrap();
}

/// Puts a key beside the list, so that the store counts as signed.
fn publish_key(store: &Path) {
    fs::write(store.join("import-pubring.gpg"), "a key").unwrap();
}

/// Spoils the list.
fn spoil(store: &Path) {
    fs::write(store.join("SHA256SUMS"), "no list\n").unwrap();
}

/// Puts a digest with other bytes beside an image, as somebody's own.
fn other_manifest(store: &Path) {
    fs::write(store.join("gcc-3.x86-64.manifest.gz"), "no gzip").unwrap();
}

const CASES: [(&str, Change, &str, &str, i32, &str); 23] = [
    // How the store was made, what was changed, the package, how the second is built, exit code,
    // what is said.
    ("", nothing, HELLO, "--name gcc --image-version 3", 0, ""),
    ("", nothing, HELLO, "--name gcc --image-version 2", 0, ""),
    (
        "",
        nothing,
        HELLO,
        "--name gcc --image-version 2 --replace",
        0,
        "",
    ),
    (
        "",
        nothing,
        TOOLS,
        "--name gcc --image-version 2 --replace",
        0,
        "",
    ),
    (
        "",
        nothing,
        TOOLS,
        "--name gcc --image-version 2",
        1,
        "exists with different contents",
    ),
    (
        "",
        block,
        HELLO,
        "--name gcc --image-version 3",
        1,
        "exists with different contents",
    ),
    (
        "",
        other_manifest,
        HELLO,
        "--name gcc --image-version 3",
        1,
        "exists with different",
    ),
    (
        "",
        nothing,
        HELLO,
        "--name gcc --image-version 1",
        1,
        "would not be the newest",
    ),
    (
        "",
        nothing,
        HELLO,
        "--name gcc --image-version 1 --allow-older",
        0,
        "",
    ),
    (
        "",
        nothing,
        HELLO,
        "--name gcc-32bit --image-version 1",
        1,
        "pattern-collision: extensions",
    ),
    (
        "",
        nothing,
        HELLO,
        "--name gcc-32bit --image-version 1 --layout per-name",
        0,
        "",
    ),
    (
        "",
        nothing,
        HELLO,
        "--name gcc --image-version 3 --allow pattern-collision",
        2,
        "can't be allowed",
    ),
    (
        "--obs",
        nothing,
        HELLO,
        "--obs --name gcc-32bit --image-version 1",
        1,
        "pattern-collision: extensions",
    ),
    (
        "--obs",
        nothing,
        HELLO,
        "--obs --name gcc --image-version 3",
        0,
        "",
    ),
    (
        "--obs",
        nothing,
        TOOLS,
        "--obs --name gcc --image-version 2",
        1,
        "exists with different contents",
    ),
    (
        "",
        nothing,
        HELLO,
        "--obs --name gdb --image-version 3",
        1,
        "SHA256SUMS exists",
    ),
    (
        "",
        expire,
        HELLO,
        "--name gcc --image-version 3",
        1,
        "the list was good until 2024-01-01",
    ),
    (
        "",
        expire,
        HELLO,
        "--name gcc --image-version 2",
        1,
        "the list was good until 2024-01-01",
    ),
    (
        "",
        expire,
        HELLO,
        "--name gcc --image-version 3 --best-before 2999-12-31",
        0,
        "",
    ),
    (
        "",
        nothing,
        HELLO,
        "--name gcc --image-version 3 --best-before 2024-01-01",
        1,
        "2024-01-01 is over",
    ),
    (
        "",
        nothing,
        HELLO,
        "--name gdb --layout per-name --best-before 2024-01-01",
        1,
        "2024-01-01 is over",
    ),
    (
        "",
        publish_key,
        HELLO,
        "--name gcc --image-version 3",
        1,
        "is signed, but no key was given",
    ),
    (
        "",
        spoil,
        HELLO,
        "--name gcc --image-version 3",
        1,
        "SHA256SUMS, line 1",
    ),
];

#[test]
fn a_dry_run_ends_as_the_build_would() {
    for (how, change, rpm, more, code, words) in CASES {
        let scratch = Scratch::new();
        let store = scratch.join("store");
        add_gcc(&store, &how.split_whitespace().collect::<Vec<_>>());
        change(&store);
        let before = content(&store);
        for mode in ["--dry-run", "--dry-run --json", ""] {
            let outcome = program()
                .args("--match any --allow unchecked-base --os-release".split(' '))
                .arg(os_release("tumbleweed"))
                .args(more.split(' ').chain(mode.split_whitespace()))
                .arg("-o")
                .arg(&store)
                .arg(fixture(rpm))
                .output()
                .unwrap();
            let said = text(&outcome.stderr) + &text(&outcome.stdout).replace("\\\"", "\"");
            assert_eq!(outcome.status.code(), Some(code), "{more} {mode}: {said}");
            assert!(said.contains(words), "{more} {mode}: {said}");
            assert!(
                code == 0 || !said.contains("pack  "),
                "{more} {mode}: {said}"
            );
            if code != 0 || !mode.is_empty() {
                assert!(content(&store) == before, "{more} {mode} changed the store");
            }
        }
    }
}

#[test]
fn a_list_that_somebody_changed_is_seen_in_a_dry_run() {
    let scratch = Scratch::new();
    let key = fixture("keys/test.secret.asc").display().to_string();
    for (name, change, code, words) in [
        ("as-it-was", None, 0, ""),
        (
            "changed",
            Some("EMPTY  another-1.x86-64.raw\n"),
            1,
            "does not show that key",
        ),
        ("commented", Some("# mine\n"), 1, "does not show that key"),
    ] {
        let store = scratch.join(name);
        add_gcc(&store, &["--sign-key", &key]);
        if let Some(line) = change {
            let list = fs::read_to_string(store.join("SHA256SUMS")).unwrap();
            let line = line.replace("EMPTY", EMPTY);
            fs::write(store.join("SHA256SUMS"), list + &line).unwrap();
        }
        for mode in ["--dry-run", "-v"] {
            let outcome = program()
                .args("--match any --allow unchecked-base --os-release".split(' '))
                .arg(os_release("tumbleweed"))
                .args(["--name", "gcc", "--image-version", "3", mode, "-o"])
                .arg(&store)
                .args(["--sign-key", &key])
                .arg(fixture(HELLO))
                .output()
                .unwrap();
            let said = text(&outcome.stderr);
            assert_eq!(outcome.status.code(), Some(code), "{name} {mode}: {said}");
            assert!(said.contains(words), "{name} {mode}: {said}");
        }
    }
}

#[test]
fn what_only_its_bytes_tell_is_said_in_a_dry_run() {
    let scratch = Scratch::new();
    let store = scratch.join("store");
    add_gcc(&store, &[]);
    for (more, is_said) in [("2", true), ("3", false), ("2 --replace", false)] {
        let outcome = program()
            .args("--match any --allow unchecked-base --dry-run --name gcc --os-release".split(' '))
            .arg(os_release("tumbleweed"))
            .arg("--image-version")
            .args(more.split(' '))
            .arg("-o")
            .arg(&store)
            .arg(fixture(HELLO))
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        let words = "gcc-2.x86-64.raw  is there: a build that makes the same changes nothing";
        assert_eq!(said.contains(words), is_said, "{more}: {said}");
    }
}

#[test]
fn what_can_not_be_a_store_is_said_in_a_dry_run() {
    let scratch = Scratch::new();
    fs::write(scratch.join("file"), "").unwrap();
    std::os::unix::fs::symlink("none", scratch.join("link")).unwrap();
    for output in ["file", "file/below", "link", "link/below"] {
        for mode in [&["--dry-run"][..], &["--dry-run", "--json"], &[]] {
            let outcome = program()
                .args("--match any --allow unchecked-base --os-release".split(' '))
                .arg(os_release("tumbleweed"))
                .args(mode)
                .arg("-o")
                .arg(scratch.join(output))
                .arg(fixture(HELLO))
                .output()
                .unwrap();
            let said = text(&outcome.stderr);
            assert_eq!(outcome.status.code(), Some(2), "{output} {mode:?}: {said}");
        }
    }
    assert_eq!(sha256sum(&scratch.join("file")), EMPTY);
}

#[test]
fn an_answer_without_room_ends_a_build_before_it_packs() {
    let scratch = Scratch::new();
    let store = scratch.join("store");
    add_gcc(&store, &[]);
    let before = content(&store);
    for mode in [&["--dry-run"][..], &["--dry-run", "--json"], &["--json"]] {
        let full = fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .unwrap();
        let outcome = program()
            .args("--match any --allow unchecked-base --os-release".split(' '))
            .arg(os_release("tumbleweed"))
            .args(mode)
            .arg("-o")
            .arg(&store)
            .arg(fixture(HELLO))
            .stdout(Stdio::from(full))
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(3), "{mode:?}: {said}");
        let words = "error: writing to standard output: No space left on device";
        assert!(said.contains(words), "{mode:?}: {said}");
        assert!(content(&store) == before, "{mode:?} changed the store");
    }
}
