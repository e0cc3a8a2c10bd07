//! A base whose packages are known: what it must provide, and what it has already.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::workshop::{Scratch, fixture, has_oracle, os_release, output_of, program, text};

/// Makes the root directory of a base with these packages in the database of the real `rpm`.
fn base(scratch: &Scratch, packages: &[&str]) -> PathBuf {
    let root = scratch.join("base");
    let database = root.join("usr/lib/sysimage/rpm");
    fs::create_dir_all(&database).unwrap();
    fs::copy(os_release("tumbleweed"), root.join("usr/lib/os-release")).unwrap();
    let rpm = || {
        let mut rpm = Command::new("rpm");
        rpm.arg("--dbpath").arg(&database);
        rpm
    };
    output_of(rpm().arg("--initdb"));
    if !packages.is_empty() {
        output_of(
            rpm()
                .args(["-i", "--justdb", "--nodeps", "--noscripts", "--ignorearch"])
                .args(packages.iter().map(|name| fixture(name))),
        );
    }
    root
}

fn build(scratch: &Scratch, base: &PathBuf, arguments: &[&str], rpm: &str) -> Output {
    program()
        .arg("--base")
        .arg(base)
        .arg("-o")
        .arg(scratch.join("store"))
        .args(arguments)
        .arg(fixture(rpm))
        .output()
        .unwrap()
}

const TOOLS: &str = "hello-tools-1.1~rc1-2.x86_64.rpm";
const LIBRARY: &str = "hello-library-2.0-3.x86_64.rpm";

#[test]
fn what_nothing_provides_stops_the_build() {
    if !has_oracle("rpm") {
        return;
    }
    let need = "nothing provides libhello.so.2()(64bit) needed by hello-tools-1.1~rc1-2.x86_64";
    for (packages, missing) in [(&["outside-1-1.noarch.rpm"][..], true), (&[LIBRARY], false)] {
        let scratch = Scratch::new();
        let root = base(&scratch, packages);
        let outcome = build(&scratch, &root, &[], TOOLS);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{said}");
        assert_eq!(said.contains(need), missing, "{said}");
        // The base has no C library.
        assert!(said.contains("nothing provides libc.so.6("), "{said}");
        assert!(said.contains("--allow unmet-requirement"), "{said}");
        assert!(!scratch.join("store").exists());
        let outcome = build(&scratch, &root, &["--allow", "unmet-requirement"], TOOLS);
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    }
}

#[test]
fn what_the_base_has_already_is_said() {
    if !has_oracle("rpm") {
        return;
    }
    let scratch = Scratch::new();
    let root = base(&scratch, &[LIBRARY]);
    let outcome = build(&scratch, &root, &["--allow", "unmet-requirement"], LIBRARY);
    let said = text(&outcome.stderr);
    assert!(outcome.status.success(), "{said}");
    assert!(
        said.contains("hello-library-2.0-3.x86_64 is already in the base"),
        "{said}"
    );
    assert!(said.contains(", 1 package\n"), "{said}");
}

#[test]
fn a_base_without_a_database_is_refused() {
    if !has_oracle("rpm") {
        return;
    }
    let scratch = Scratch::new();
    let root = base(&scratch, &[]);
    let outcome = build(&scratch, &root, &[], LIBRARY);
    assert_eq!(outcome.status.code(), Some(1));
    assert!(text(&outcome.stderr).contains("has no RPM database"));
}
