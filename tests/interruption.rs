//! A killed build and a full disk leave the store as it was.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::workshop::{Scratch, fixture, names, program, sha256sum, text};

/// Checks that each line of SHA256SUMS is a complete file, and that no other file is there but
/// complete ones on their way to the list.
fn check_store(store: &Path, complete: &[(String, String)]) {
    let sums = fs::read_to_string(store.join("SHA256SUMS")).unwrap_or_default();
    assert!(sums.is_empty() || sums.ends_with('\n'));
    for line in sums.lines() {
        let (digest, name) = line.split_once("  ").unwrap();
        assert_eq!(sha256sum(&store.join(name)), digest, "{name}");
    }
    let is_hidden = |name: &String| name.starts_with(".sysext-build-");
    for name in names(store)
        .iter()
        .filter(|name| *name != "SHA256SUMS" && !is_hidden(name))
    {
        let digest = sha256sum(&store.join(name));
        assert!(
            complete.contains(&(name.clone(), digest)),
            "{name} is not complete"
        );
    }
}

#[test]
fn sigkill_at_any_moment() {
    let rpms = [
        "hello-tools-1.1~rc1-2.x86_64.rpm",
        "hello-library-2.0-3.x86_64.rpm",
    ];
    let build = |store: &Path| {
        let mut command = program();
        command
            .args([
                "--match",
                "any",
                "--allow",
                "unchecked-base",
                "--compression",
                "zstd:19",
                "-o",
            ])
            .arg(store);
        command
            .args(rpms.map(fixture))
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    };
    let reference = Scratch::new();
    assert!(build(reference.path()).status().unwrap().success());
    let complete: Vec<_> = names(reference.path())
        .into_iter()
        .filter(|name| name != "SHA256SUMS")
        .map(|name| {
            let digest = sha256sum(&reference.join(&name));
            (name, digest)
        })
        .collect();
    let scratch = Scratch::new();
    let (mut killed, mut done) = (0, 0);
    for round in 0..60 {
        let mut child = build(scratch.path()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * 2));
        let _ = child.kill();
        if child.wait().unwrap().success() {
            done += 1;
        } else {
            killed += 1;
        }
        check_store(scratch.path(), &complete);
        if done > 0 {
            for name in names(scratch.path()) {
                fs::remove_file(scratch.join(&name)).unwrap();
            }
        }
    }
    assert!(killed > 0, "no build was killed");
    assert!(build(scratch.path()).status().unwrap().success());
    check_store(scratch.path(), &complete);
    assert_eq!(names(scratch.path()), names(reference.path()));
}

#[test(root(), programs!("unshare", "sh", "mount"))]
fn a_full_disk() {
    let scratch = Scratch::new();
    let disk = scratch.join("disk");
    fs::create_dir(&disk).unwrap();
    // In a mount namespace of its own, so that a failing test leaves no mount behind.
    for kib in [4, 16, 64, 128, 180] {
        let script = format!(
            "mount -t tmpfs -o size={kib}k none \"$1\" && mkdir \"$1/store\" || exit 99
             \"$0\" --match any --allow unchecked-base -o \"$1/store\" \"$2\"; code=$?
             ls -A \"$1/store\" >&2; exit $code"
        );
        let outcome = Command::new("unshare")
            .args(["-m", "sh", "-c", &script])
            .arg(program().get_program())
            .arg(&disk)
            .arg(fixture("hello-tools-1.1~rc1-2.x86_64.rpm"))
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(3), "{kib} KiB: {said}");
        assert!(
            said.contains("No space left on device"),
            "{kib} KiB: {said}"
        );
        assert!(
            !said.contains(".raw") && !said.ends_with("SHA256SUMS\n"),
            "{kib} KiB: {said}"
        );
    }
}
