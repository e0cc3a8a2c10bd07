//! The real clients: `systemd-sysext` merges what was built, and every reader agrees on it.

use std::path::PathBuf;
use std::process::Command;

use crate::sysupdate::{MERGER, SCRIPTS, TRIXIE};
use crate::workshop::{Scratch, fixture, os_release, program, text};

/// Builds the greeting program's image for Tumbleweed.
fn image(scratch: &Scratch) -> PathBuf {
    let outcome = program()
        .arg("--os-release")
        .arg(os_release("tumbleweed"))
        .arg("-o")
        .arg(scratch.path())
        .arg(fixture("hello-sysext-1.0-1.x86_64.rpm"))
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    scratch.join("hello-sysext-1.0-1.x86-64.raw")
}

#[test(MERGER, TRIXIE)]
fn systemd_merges_the_image_and_the_program_runs() {
    let scratch = Scratch::new();
    let image = image(&scratch);
    for root in [PathBuf::from("/"), TRIXIE.path()] {
        for link in ["direct", "store", "current"] {
            let outcome = Command::new(SCRIPTS.path().join("merge-test.sh"))
                .arg(&image)
                .arg("hello-sysext")
                .arg(os_release("tumbleweed"))
                .arg("hello-sysext")
                .env("SYSEXT_ROOT", &root)
                .env("LINK", link)
                .output()
                .unwrap();
            let said = text(&outcome.stdout) + &text(&outcome.stderr);
            assert!(
                outcome.status.success(),
                "{} {link}: {said}",
                root.display()
            );
            assert!(said.contains("hello from a system extension"), "{said}");
        }
        // The same image on another system is ignored.
        let outcome = Command::new(SCRIPTS.path().join("merge-test.sh"))
            .arg(&image)
            .arg("hello-sysext")
            .arg(os_release("fedora-42"))
            .env("SYSEXT_ROOT", &root)
            .output()
            .unwrap();
        assert_eq!(outcome.status.code(), Some(1));
    }
}

#[test(SCRIPTS, root(), programs!("systemd-dissect", "squashfuse", "python3"))]
fn every_reader_agrees() {
    let scratch = Scratch::new();
    for compression in ["zstd", "xz", "gzip", "lz4"] {
        let store = scratch.join(compression);
        let outcome = program()
            .args(["--match", "any", "--compression", compression, "-o"])
            .arg(&store)
            .args(
                [
                    "hello-tools-1.1~rc1-2.x86_64.rpm",
                    "hello-library-2.0-3.x86_64.rpm",
                ]
                .map(fixture),
            )
            .output()
            .unwrap();
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
        let outcome = Command::new(SCRIPTS.path().join("dissect-test.sh"))
            .arg(store.join("hello-tools-1.1-A.rc.1-2.x86-64.raw"))
            .arg("hello-tools")
            .output()
            .unwrap();
        let said = text(&outcome.stdout) + &text(&outcome.stderr);
        assert!(outcome.status.success(), "{compression}: {said}");
        assert!(said.contains("0 failure(s)"), "{said}");
    }
}
