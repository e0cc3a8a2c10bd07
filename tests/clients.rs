//! The real clients: `systemd-sysext` merges what was built, and every reader agrees on it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::client::{CLIENT, TRIXIE, merged};
use crate::workshop::{Scratch, fixture, os_release, output_of, program, text};

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

#[test(CLIENT, TRIXIE)]
fn systemd_merges_the_image_and_the_program_runs() {
    let scratch = Scratch::new();
    let image = image(&scratch);
    let host = os_release("tumbleweed");
    let trixie = TRIXIE.path().display().to_string();
    for tree in ["/", &trixie] {
        for link in ["direct", "store", "current"] {
            let said = merged(tree, link, &image, "hello-sysext", &host, "hello-sysext");
            let words = "hello from a system extension\n";
            assert!(said.contains(words), "{tree} {link}: {said}");
            assert!(said.ends_with("exit 0\n"), "{tree} {link}: {said}");
        }
        // The same image on another system is ignored.
        let said = merged(
            tree,
            "store",
            &image,
            "hello-sysext",
            &os_release("fedora-42"),
            "true",
        );
        assert!(!said.contains("exit"), "{tree}: {said}");
    }
}

/// Prints what three readers of an image say: paths and digests, sorted, by the kernel and by
/// squashfuse, and the number of entries by unsquashfs.
const READERS: &str = r#"
    list() {
        (cd "$1" && find . -mindepth 1 ! -type d -printf '%P %y %m %U:%G %s %T@ %l\n' -o -type d -printf '%P d %m %U:%G\n' |
            LC_ALL=C sort
        find . -type f -print0 | LC_ALL=C sort -z | xargs -0r sha256sum)
    }
    mkdir kernel fuse
    mount -t squashfs -o loop,ro "$1" kernel
    list kernel > kernel.list
    squashfuse "$1" fuse
    list fuse > fuse.list
    umount fuse
    (cd kernel && find . -printf '%P\n' | sed 's|^|/|; s|/$||' | LC_ALL=C sort) > kernel.names
    unsquashfs -l -d '' "$1" | LC_ALL=C sort > unsquashfs.names
    umount kernel
"#;

#[test(root(), programs!("systemd-dissect", "squashfuse", "unsquashfs", "unshare", "mount", "bash"))]
fn every_reader_agrees() {
    for compression in ["zstd", "xz", "gzip", "lz4"] {
        let scratch = Scratch::new();
        let outcome = program()
            .args([
                "--match",
                "any",
                "--allow",
                "unchecked-base",
                "--compression",
                compression,
                "-o",
            ])
            .arg(scratch.path())
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
        let image = scratch.join("hello-tools-1.1-A.rc.1-2.x86-64.raw");
        output_of(
            Command::new("unshare")
                .args(["--mount", "bash", "-euc", READERS, "bash"])
                .arg(&image)
                .current_dir(scratch.path()),
        );
        let read = |name: &str| fs::read_to_string(scratch.join(name)).unwrap();
        assert!(read("kernel.list").contains("\nusr/bin/"));
        for (one, other) in [
            ("kernel.list", "fuse.list"),
            ("kernel.names", "unsquashfs.names"),
        ] {
            assert_eq!(read(one), read(other), "{compression}");
        }
        // A loop device drops what is not a whole sector.
        assert_eq!(fs::metadata(&image).unwrap().len() % 512, 0);
        // Under the name that its extension-release has.
        let link = scratch.join("hello-tools.raw");
        std::os::unix::fs::symlink(&image, &link).unwrap();
        let dissected = output_of(
            Command::new("systemd-dissect")
                .args(["--no-pager", "--json=short"])
                .arg(&link),
        );
        assert!(
            dissected.contains("\"useSystemExtension\":true"),
            "{dissected}"
        );
    }
}
