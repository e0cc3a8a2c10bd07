//! Clients' orders of versions, against the clients' own programs.

use std::cmp::Ordering;
use std::fmt::Write as _;
use std::process::Command;

use store::order;

use crate::workshop::Scratch;

/// Versions that are near each other, from few pieces.
fn versions() -> Vec<String> {
    let pieces = [
        "0", "1", "9", "10", "01", "a", "rc", "Z", ".", "-", "~", "^", "+", "_",
    ];
    // Xorshift (Marsaglia, 2003).
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = |limit: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % limit as u64).unwrap()
    };
    (0..600)
        .map(|_| {
            let count = next(6);
            let mut version = "1".to_owned();
            for _ in 0..count {
                version += pieces[next(pieces.len())];
            }
            version
        })
        .collect()
}

fn sign(order: Ordering) -> &'static str {
    match order {
        Ordering::Less => "<",
        Ordering::Equal => "=",
        Ordering::Greater => ">",
    }
}

#[test(programs!("systemd-analyze", "sh"))]
fn systemd_orders_so() {
    let versions = versions();
    // One shell for all pairs: 12 is "right is newer", 11 is "left is newer".
    let mut script = String::from("set -u\n");
    for pair in versions.windows(2) {
        writeln!(
            script,
            "systemd-analyze compare-versions '{}' '{}'; echo $?",
            pair[0], pair[1]
        )
        .unwrap();
    }
    let output = Command::new("sh").args(["-c", &script]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let codes = text.lines().filter(|line| line.parse::<u8>().is_ok());
    let found: Vec<_> = codes
        .map(|code| match code {
            "12" => "<",
            "11" => ">",
            "0" => "=",
            other => panic!("{other}"),
        })
        .collect();
    assert_eq!(found.len(), versions.len() - 1);
    for (pair, expected) in versions.windows(2).zip(found) {
        let (a, b) = (&pair[0], &pair[1]);
        assert_eq!(sign(order::systemd(a, b)), expected, "{a} {b}");
        assert_eq!(order::systemd(a, b), order::systemd(b, a).reverse());
    }
}

#[test(program("cc"))]
fn glibc_orders_so() {
    let ascending = ["000", "00", "01", "010", "09", "0", "1", "9", "10"];
    for (at, a) in ascending.iter().enumerate() {
        for (other, b) in ascending.iter().enumerate() {
            assert_eq!(order::glibc(a, b), at.cmp(&other), "{a} {b}");
        }
    }

    let scratch = Scratch::new();
    let program = "#define _GNU_SOURCE\n#include <stdio.h>\n#include <string.h>\n\
        int main(int n, char **v) { for (int i = 1; i + 1 < n; i++) { \
        int c = strverscmp(v[i], v[i + 1]); puts(c < 0 ? \"<\" : c > 0 ? \">\" : \"=\"); } }\n";
    scratch.write("order.c", program.as_bytes());
    let compiled = Command::new("cc")
        .args(["-o", "order", "order.c"])
        .current_dir(&scratch.0)
        .status();
    assert!(compiled.unwrap().success());
    let versions = versions();
    let output = Command::new(scratch.0.join("order"))
        .args(&versions)
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(text.lines().count(), versions.len() - 1);
    for (pair, expected) in versions.windows(2).zip(text.lines()) {
        let (a, b) = (&pair[0], &pair[1]);
        assert_eq!(sign(order::glibc(a, b)), expected, "{a} {b}");
    }
}

#[test]
fn versions_that_some_client_does_not_see() {
    for (version, is_seen) in [
        ("6.11-1.1", true),
        ("1_2+3", true),
        ("1~rc1", false),
        ("1^git", false),
        ("1,2", false),
        ("1:2", false),
        ("", false),
    ] {
        assert_eq!(order::is_seen_by_all(version), is_seen, "{version}");
    }
}
