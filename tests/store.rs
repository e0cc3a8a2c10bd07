//! The verbs on a store.

use std::ffi::OsStr;
use std::path::Path;

use crate::workshop::{Scratch, build, fixture, json, run, text};

/// Adds the fixture `rpm` as an image of `version`, for every system.
fn add(store: &Path, rpm: &str, version: &str, more: &[&str]) {
    let rpm = fixture(rpm);
    let mut arguments: Vec<&OsStr> = vec![
        "--match".as_ref(),
        "any".as_ref(),
        "--image-version".as_ref(),
        version.as_ref(),
        rpm.as_os_str(),
    ];
    arguments.extend(more.iter().map(|argument| OsStr::new(*argument)));
    build(store, &arguments);
}

const HELLO: &str = "hello-sysext-1.0-1.x86_64.rpm";
const TOOLS: &str = "hello-tools-1.1~rc1-2.x86_64.rpm";

#[test]
fn list_shows_the_newest_first() {
    let scratch = Scratch::new();
    for version in ["1.9", "1.10"] {
        add(scratch.path(), HELLO, version, &[]);
    }
    add(scratch.path(), TOOLS, "1", &["--best-before", "2030-01-31"]);
    let directory = scratch.path().to_str().unwrap();
    let listed = run(["store", "list", directory]);
    assert!(listed.status.success());
    let lines = text(&listed.stdout);
    let lines: Vec<_> = (lines.lines())
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect();
    assert_eq!(
        lines,
        [
            &format!("{directory}:"),
            "hello-sysext-1.10.x86-64.raw",
            "hello-sysext-1.9.x86-64.raw",
            "hello-tools-1.x86-64.raw",
        ]
    );
    let listed = json(&run(["store", "list", "--json", directory]));
    let shelf = &listed["directories"][0];
    assert_eq!(shelf["signed"], false);
    assert_eq!(shelf["best_before"], "2030-01-31");
    assert_eq!(shelf["images"][1]["version"], "1.9");
    assert_eq!(shelf["images"][2]["name"], "hello-tools");
    assert_eq!(shelf["images"][2]["id"], "_any");
}

#[test]
fn what_is_not_the_newest_needs_a_word() {
    let scratch = Scratch::new();
    add(scratch.path(), HELLO, "1.10", &[]);
    let directory = scratch.path().to_str().unwrap();
    let rpm = fixture(HELLO);
    let rpm = rpm.to_str().unwrap();
    let older = [
        "--match",
        "any",
        "--image-version",
        "1.9",
        "-o",
        directory,
        rpm,
    ];
    let refused = run(older);
    assert_eq!(refused.status.code(), Some(1));
    let words = text(&refused.stderr);
    assert!(words.contains("for systemd-sysupdate, 1.9 is not above 1.10"));
    assert!(words.contains("--allow-older"), "{words}");
    add(scratch.path(), HELLO, "1.9", &["--allow-older"]);
}
