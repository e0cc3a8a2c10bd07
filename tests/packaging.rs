//! What `packaging/` says of the program is what is so. That it builds and installs is for
//! `packaging/check.sh`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::workshop::text;

/// The licences of libraries in C, of which cargo knows those of their crates alone: zstd, liblzma.
const IN_C: [&str; 2] = ["BSD-3-Clause", "0BSD"];

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// Returns what follows a key at the beginning of a line.
fn value<'a>(text: &'a str, key: &str) -> &'a str {
    let mut lines = text.lines();
    let value = lines.find_map(|line| line.strip_prefix(key));
    value.unwrap_or_else(|| panic!("there is no {key}")).trim()
}

/// Returns the licences that all apply, each with its alternatives in order.
fn licenses(expression: &str) -> BTreeSet<BTreeSet<String>> {
    let every = expression.replace('/', " OR ");
    let every = every.split(" AND ").map(|one| {
        let one = one.trim_matches(['(', ')']);
        one.split(" OR ").map(str::to_owned).collect()
    });
    every.collect()
}

#[test(program("cargo"))]
fn the_spec_names_every_licence() {
    let tree = Command::new("cargo")
        .args(
            "tree --offline --locked --package sysext-build --edges normal --prefix none"
                .split(' '),
        )
        .args(["--target", "x86_64-unknown-linux-gnu", "--no-dedupe"])
        .args(["--format", "{l}"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(tree.status.success(), "{}", text(&tree.stderr));
    let said = text(&tree.stdout);
    let linked = said.lines().filter(|line| !line.is_empty()).chain(IN_C);
    let expected: BTreeSet<_> = linked.flat_map(licenses).collect();
    let spec = file("packaging/rpm/sysext-build.spec");
    assert_eq!(licenses(value(&spec, "License:")), expected);
}

#[test]
fn versions_are_those_of_the_workspace() {
    let version = env!("CARGO_PKG_VERSION");
    let manifest = file("Cargo.toml");
    let rust = value(&manifest, "rust-version = ").trim_matches('"');
    let spec = file("packaging/rpm/sysext-build.spec");
    assert_eq!(value(&spec, "Version:"), version);
    assert!(spec.contains(&format!("BuildRequires:  cargo >= {rust}\n")));
    let service = file("packaging/rpm/_service");
    assert!(service.contains(&format!("<param name=\"revision\">v{version}</param>")));
    let container = file("packaging/container/Containerfile");
    assert!(container.contains(&format!("docker.io/library/rust:{rust}-alpine ")));
    for text in ["README.md", "docs/guide/obs.md"].map(file) {
        assert!(text.contains(&format!("Rust {rust} or newer")));
    }
}
