//! Why a package is in an image, asked of the image and of a plan.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::base::{LIBRARY, TOOLS, base, system_package};
use crate::workshop::{PACKAGERS, Scratch, fixture, json, os_release, program, run, text};

const LIBRARY_REASON: &str = "hello-library-2.0-3.x86_64: hello-greeting >= 2 needed by \
                              hello-tools-1.1~rc1-2.x86_64\n\
                              hello-tools-1.1~rc1-2.x86_64: asked for\n";

/// Builds an image of a package and of what it requires, and prints the plan of the same.
fn image_and_plan(scratch: &Scratch) -> (PathBuf, PathBuf) {
    let root = base(scratch, &[&system_package(scratch)]);
    let repo = scratch.join("repo");
    fs::create_dir(&repo).unwrap();
    for name in [TOOLS, LIBRARY] {
        fs::copy(fixture(name), repo.join(name)).unwrap();
    }
    let build = |more: &[&str]| {
        let mut build = program();
        build.arg("--base").arg(&root).arg("--repo").arg(&repo);
        build.arg("-o").arg(scratch.join("store")).args(more);
        let outcome = build.args(["hello-tools", "--arch", "x86_64"]).output();
        let outcome = outcome.unwrap();
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
        outcome
    };
    build(&[]);
    let plan = scratch.join("plan.json");
    fs::write(&plan, build(&["--dry-run", "--json"]).stdout).unwrap();
    let image = scratch.join("store/hello-tools-1.1-A.rc.1-2.x86-64.raw");
    (image, plan)
}

fn why(document: &Path, what: &str, more: &[&str]) -> Output {
    let mut why = program();
    why.arg("why").arg(document).arg(what).args(more);
    why.output().unwrap()
}

#[test(PACKAGERS)]
fn the_image_and_the_plan_say_the_same() {
    let scratch = Scratch::new();
    let (image, plan) = image_and_plan(&scratch);
    let manifest = image.with_extension("manifest.gz");
    for document in [&image, &manifest, &plan] {
        for (what, said) in [
            ("hello-library", LIBRARY_REASON),
            ("libhello.so.2()(64bit)", LIBRARY_REASON),
            ("hello-tools", "hello-tools-1.1~rc1-2.x86_64: asked for\n"),
            (
                "system",
                "system-1-1.noarch: in the base; the image needs from it\n  /bin/sh\n  \
                 libc.so.6()(64bit)\n  libc.so.6(GLIBC_2.2.5)(64bit)\n  \
                 libc.so.6(GLIBC_2.34)(64bit)\n  rtld(GNU_HASH)\n",
            ),
        ] {
            let outcome = why(document, what, &[]);
            assert_eq!(text(&outcome.stdout), said, "{what}");
            assert!(outcome.status.success(), "{what}");
        }
        let outcome = why(document, "hello-libary", &[]);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{said}");
        assert!(said.contains(" provides hello-libary\n"), "{said}");
        assert!(said.contains("hint: did you mean hello-library?"), "{said}");
    }
    let answer = json(&why(&image, "hello-library", &["--json"]));
    let expected = serde_json::json!([[
        {"nevra": "hello-library-2.0-3.x86_64", "reason": {
            "kind": "requires", "capability": "hello-greeting >= 2",
            "by": "hello-tools-1.1~rc1-2.x86_64"}},
        {"nevra": "hello-tools-1.1~rc1-2.x86_64", "reason": {"kind": "requested"}},
    ]]);
    assert_eq!(answer["chains"], expected);
}

#[test]
fn what_records_no_reason_is_refused() {
    let scratch = Scratch::new();
    let write = |name: &str, contents: &[u8]| {
        let path = scratch.join(name);
        fs::write(&path, contents).unwrap();
        path
    };
    for (path, code, reason) in [
        (scratch.join("nosuch.raw"), 3, "reading "),
        (
            write("alone.raw", b"hsqs"),
            1,
            "alone.manifest.gz is not next to ",
        ),
        (
            write("list.json", b"{\"packages\": [{\"name\": \"a\"}]}"),
            1,
            "list.json records no reason for a",
        ),
        (
            write("broken.json", b"{\"packages\": ["),
            1,
            "is not a manifest: EOF",
        ),
        (
            write("broken.gz", b"\x1f\x8b\x08\x00"),
            1,
            "damaged gzip data",
        ),
        (
            write("empty.json", b"{}"),
            1,
            "empty.json lists no packages",
        ),
    ] {
        let outcome = why(&path, "a", &[]);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{said}");
        assert!(said.contains(reason), "{said}");
        assert!(outcome.stdout.is_empty());
    }
}

#[test]
fn an_image_of_files_says_that_they_were_named() {
    let scratch = Scratch::new();
    let release = os_release("tumbleweed").display().to_string();
    let store = scratch.path().display().to_string();
    let file = fixture("hello-sysext-1.0-1.x86_64.rpm")
        .display()
        .to_string();
    let outcome = run(["--os-release", &release, "-o", &store, &file]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    let image = scratch.join("hello-sysext-1.0-1.x86-64.raw");
    let outcome = why(&image, "hello-sysext", &[]);
    let said = text(&outcome.stdout);
    assert_eq!(said, "hello-sysext-1.0-1.x86_64: asked for\n");
    let outcome = why(&image, "libc.so.6()(64bit)", &[]);
    let said = text(&outcome.stdout);
    assert_eq!(said, "libc.so.6()(64bit): required of the base\n");
}
