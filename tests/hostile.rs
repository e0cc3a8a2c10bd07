//! Damaged packages, through the whole program: a clear word, exit code 1, nothing written, and
//! little memory. Each parser has its own, harder tests in its crate.

use std::fs;
use std::process::Command;

use crate::workshop::{Scratch, fixture, names, program, text};

const TOOLS: &str = "hello-tools-1.1~rc1-2.x86_64.rpm";

/// Most memory that a refused package may take, in KiB: 100 MiB.
const MEMORY: u64 = 100 * 1024;

/// Builds from `bytes` under a wrapper that prints the peak memory.
fn build(bytes: &[u8], scratch: &Scratch) -> (Option<i32>, String, u64) {
    let rpm = scratch.join("damaged.rpm");
    fs::write(&rpm, bytes).unwrap();
    let store = scratch.join("store");
    fs::create_dir_all(&store).unwrap();
    let mut command = Command::new("time");
    command
        .args(["-q", "-f", "peak %M KiB"])
        .arg(program().get_program());
    let outcome = command
        .env_remove("SOURCE_DATE_EPOCH")
        .args(["--match", "any", "--allow", "unchecked-base", "-o"])
        .arg(&store)
        .arg(&rpm)
        .output()
        .unwrap();
    let said = text(&outcome.stderr);
    let peak = said.lines().find_map(|line| {
        line.strip_prefix("peak ")?
            .strip_suffix(" KiB")?
            .parse()
            .ok()
    });
    (outcome.status.code(), said, peak.unwrap())
}

fn check_refused(what: &str, bytes: &[u8], scratch: &Scratch) {
    let (code, said, peak) = build(bytes, scratch);
    assert_eq!(code, Some(1), "{what}: {said}");
    assert!(said.contains("damaged.rpm"), "{what}: {said}");
    let errors = said
        .lines()
        .filter(|line| line.starts_with("error: "))
        .count();
    assert_eq!(errors, 1, "{what}: {said}");
    assert!(peak < MEMORY, "{what}: {peak} KiB");
    assert_eq!(
        names(&scratch.join("store")),
        Vec::<String>::new(),
        "{what}"
    );
}

#[test(program("time"))]
fn truncated_packages() {
    let scratch = Scratch::new();
    let whole = fs::read(fixture(TOOLS)).unwrap();
    for length in [
        0,
        4,
        95,
        96,
        100,
        500,
        1000,
        4000,
        whole.len() / 2,
        whole.len() - 1,
    ] {
        check_refused(&format!("{length} bytes"), &whole[..length], &scratch);
    }
}

#[test(program("time"))]
fn flipped_bits() {
    let whole = fs::read(fixture("payload-gzip-1-1.noarch.rpm")).unwrap();
    let scratch = Scratch::new();
    let mut refused = 0;
    for position in (0..whole.len()).step_by(whole.len() / 150 + 1) {
        let mut damaged = whole.clone();
        damaged[position] ^= 1 << (position % 8);
        let (code, said, peak) = build(&damaged, &scratch);
        assert!(
            matches!(code, Some(0 | 1)),
            "byte {position}: {code:?} {said}"
        );
        assert!(peak < MEMORY, "byte {position}: {peak} KiB");
        if code == Some(1) {
            refused += 1;
            assert_eq!(
                names(&scratch.join("store")),
                Vec::<String>::new(),
                "byte {position}"
            );
        }
        let _ = fs::remove_dir_all(scratch.join("store"));
    }
    // The lead and the signatures' own bytes decide nothing; all else does.
    assert!(refused > 100, "{refused}");
}

#[test(program("time"))]
fn header_sizes_of_four_gigabytes() {
    let whole = fs::read(fixture(TOOLS)).unwrap();
    let scratch = Scratch::new();
    // The signature header's index length stands at 104, its data length at 108.
    for position in [104, 108] {
        let mut damaged = whole.clone();
        damaged[position..position + 4].copy_from_slice(&[0xff; 4]);
        check_refused(&format!("offset {position}"), &damaged, &scratch);
    }
}

#[test(program("time"))]
fn what_is_no_package_at_all() {
    let scratch = Scratch::new();
    check_refused("text", b"#!/bin/sh\necho not a package\n", &scratch);
    check_refused("zeros", &[0; 10_000], &scratch);
}

#[test]
fn a_damaged_image_is_refused_by_inspect() {
    let scratch = Scratch::new();
    let outcome = program()
        .args(["--match", "any", "--allow", "unchecked-base", "-o"])
        .arg(scratch.path())
        .arg(fixture("hello-sysext-1.0-1.x86_64.rpm"))
        .output()
        .unwrap();
    assert!(outcome.status.success());
    let image = fs::read(scratch.join("hello-sysext-1.0-1.x86-64.raw")).unwrap();
    for length in [0, 50, 96, image.len() / 2] {
        let path = scratch.join("damaged.raw");
        fs::write(&path, &image[..length]).unwrap();
        let outcome = program().arg("inspect").arg(&path).output().unwrap();
        assert_eq!(
            outcome.status.code(),
            Some(1),
            "{length}: {}",
            text(&outcome.stderr)
        );
        assert!(text(&outcome.stderr).contains("damaged.raw"));
    }
}
