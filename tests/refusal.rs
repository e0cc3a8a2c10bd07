//! Builds that are refused: the exit code, the reason, and that nothing is left.

use std::fs;
use std::path::PathBuf;

use crate::workshop::{Scratch, fixture, json, names, os_release, program, text};

/// Runs with an output directory that is not there yet; it must not be there afterwards.
fn refused(arguments: &[&str], rpms: &[&str]) -> (Option<i32>, String) {
    let scratch = Scratch::new();
    let outcome = program()
        .current_dir(scratch.path())
        .args(["-o", "store", "--os-release"])
        .arg(os_release("debian-13"))
        .args(arguments)
        .args(rpms.iter().map(|name| fixture(name)))
        .output()
        .unwrap();
    assert_eq!(
        names(scratch.path()),
        Vec::<String>::new(),
        "{arguments:?} {rpms:?}"
    );
    assert_eq!(text(&outcome.stdout), "");
    (outcome.status.code(), text(&outcome.stderr))
}

#[test]
fn each_reason_has_its_exit_code_and_words() {
    let noarch = ["--arch", "x86_64"];
    for (arguments, rpms, code, words) in [
        (
            &[][..],
            &[][..],
            2,
            &["no INPUT given", "hint: give an RPM"][..],
        ),
        (&["--no-such-option"], &[], 2, &["--no-such-option"]),
        (
            &["--name", "a;b"],
            &["hello-sysext-1.0-1.x86_64.rpm"],
            2,
            &["--name \"a;b\" contains ';'"],
        ),
        (
            &["--drop", "drop-doc"],
            &["hello-sysext-1.0-1.x86_64.rpm"],
            2,
            &["did you mean drop-docs?"],
        ),
        (
            &["--keep", "no-devices"],
            &["hello-sysext-1.0-1.x86_64.rpm"],
            2,
            &["can't be switched off"],
        ),
        (
            &["--allow", "empty-image"],
            &["hello-sysext-1.0-1.x86_64.rpm"],
            2,
            &["can't be allowed"],
        ),
        (
            &["--compression", "zstd:99"],
            &["hello-sysext-1.0-1.x86_64.rpm"],
            2,
            &["zstd:99"],
        ),
        (
            &["--block-size", "3M"],
            &["hello-sysext-1.0-1.x86_64.rpm"],
            2,
            &["power of two"],
        ),
        (
            &["--name", "a:b"],
            &["hello-sysext-1.0-1.x86_64.rpm"],
            2,
            &["a:b"],
        ),
        (
            &["--image-version", "1~2"],
            &["hello-sysext-1.0-1.x86_64.rpm"],
            2,
            &["1-A.2"],
        ),
        (&["missing.rpm"], &[], 3, &["missing.rpm", "No such file"]),
        (
            &["strace"],
            &[],
            3,
            &[
                "No such file",
                "hint: for a package of a repository: sysext-build --repo FILE.repo strace",
            ],
        ),
        (
            &["--match", "sysext-level"],
            &["hello-sysext-1.0-1.x86_64.rpm"],
            1,
            &["SYSEXT_LEVEL"],
        ),
        (
            &noarch,
            &["hello-noarch-0.5^git3-1.src.rpm"],
            1,
            &["is a source package"],
        ),
        (
            &noarch,
            &["clash-one-1-1.noarch.rpm", "clash-two-1-1.noarch.rpm"],
            1,
            &[
                "file-conflict: /usr/share/clash/file",
                "clash-one-1-1.noarch (SHA-256 ",
                "clash-two-1-1.noarch (SHA-256 ",
                "--allow file-conflict",
            ],
        ),
        (&noarch, &["nowhere-1-1.noarch.rpm"], 1, &["empty-image"]),
        (
            &noarch,
            &[
                "belowlink-one-1-1.noarch.rpm",
                "belowlink-two-1-1.noarch.rpm",
            ],
            1,
            &[
                "below-link: /usr/share/below/passwd of belowlink-two-1-1.noarch is below /usr/share/below",
            ],
        ),
        (
            &noarch,
            &["usrlink-1-1.noarch.rpm"],
            1,
            &["link-over-directory: /usr/lib64"],
        ),
        (
            &["--arch", "aarch64"],
            &["hello-sysext-1.0-1.x86_64.rpm"],
            1,
            &["hello-sysext-1.0-1.x86_64 is not built for arm64"],
        ),
        (
            &["--strict"],
            &["hello-tools-1.1~rc1-2.x86_64.rpm"],
            1,
            &["set-uid: ", "moved: ", "--allow "],
        ),
    ] {
        let (exit, said) = refused(arguments, rpms);
        assert_eq!(exit, Some(code), "{arguments:?} {rpms:?}: {said}");
        for word in words {
            assert!(said.contains(word), "{word:?} is not in {said}");
        }
    }
}

#[test]
fn what_may_be_allowed_is_built() {
    for (finding, rpms) in [
        (
            "file-conflict",
            &["clash-one-1-1.noarch.rpm", "clash-two-1-1.noarch.rpm"][..],
        ),
        ("link-over-directory", &["usrlink-1-1.noarch.rpm"]),
    ] {
        let scratch = Scratch::new();
        let outcome = program()
            .args([
                "--match",
                "any",
                "--allow",
                "unchecked-base",
                "--arch",
                "x86-64",
                "--allow",
                finding,
                "-o",
            ])
            .arg(scratch.path())
            .args(rpms.iter().map(|name| fixture(name)))
            .output()
            .unwrap();
        assert!(
            outcome.status.success(),
            "{finding}: {}",
            text(&outcome.stderr)
        );
    }
}

#[test]
fn json_failures_are_json() {
    let outcome = program()
        .args([
            "--json",
            "--match",
            "any",
            "--allow",
            "unchecked-base",
            "--arch",
            "x86-64",
            "--etc",
            "drop",
        ])
        .arg(fixture("outside-1-1.noarch.rpm"))
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(1));
    assert_eq!(text(&outcome.stderr), "");
    let failure = json(&outcome);
    assert_eq!(failure["exit_code"], 1);
    assert!(
        failure["error"]
            .as_str()
            .unwrap()
            .starts_with("empty-image: ")
    );
}

#[test]
fn a_store_that_clients_could_not_follow_is_refused() {
    let scratch = Scratch::new();
    let build = |name: &str| {
        program()
            .args([
                "--match",
                "any",
                "--allow",
                "unchecked-base",
                "--name",
                name,
                "-o",
            ])
            .arg(scratch.path())
            .arg(fixture("hello-sysext-1.0-1.x86_64.rpm"))
            .output()
            .unwrap()
    };
    assert!(build("gcc").status.success());
    let sums = fs::read(scratch.join("SHA256SUMS")).unwrap();
    let before = names(scratch.path());
    let outcome = build("gcc-32bit");
    assert_eq!(outcome.status.code(), Some(1));
    let said = text(&outcome.stderr);
    assert!(
        said.contains("gcc-32bit") && said.contains("gcc-@v"),
        "{said}"
    );
    assert_eq!(fs::read(scratch.join("SHA256SUMS")).unwrap(), sums);
    assert_eq!(names(scratch.path()), before);

    fs::write(scratch.join("SHA256SUMS"), "# mine\n").unwrap();
    let outcome = build("other");
    assert_eq!(outcome.status.code(), Some(1));
    assert!(
        text(&outcome.stderr).contains("line 1"),
        "{}",
        text(&outcome.stderr)
    );
    assert_eq!(fs::read(scratch.join("SHA256SUMS")).unwrap(), b"# mine\n");
}

#[test]
fn a_directory_without_packages_is_refused() {
    let scratch = Scratch::new();
    let outcome = program().arg(scratch.path()).output().unwrap();
    assert_eq!(outcome.status.code(), Some(1));
    assert!(text(&outcome.stderr).contains("has no *.rpm"));
}

#[test]
fn an_unwritable_or_full_place_is_an_io_failure() {
    let output = PathBuf::from("/proc/no-such-directory");
    let outcome = program()
        .args(["--match", "any", "--allow", "unchecked-base", "-o"])
        .arg(output)
        .arg(fixture("hello-sysext-1.0-1.x86_64.rpm"))
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(3), "{}", text(&outcome.stderr));
}

#[test]
fn a_file_in_the_place_of_the_output_directory() {
    for output in ["file", "file/below"] {
        let scratch = Scratch::new();
        fs::write(scratch.join("file"), "").unwrap();
        let outcome = program()
            .current_dir(scratch.path())
            .args(["--dry-run", "-o", output, "--os-release"])
            .arg(os_release("debian-13"))
            .arg(fixture("hello-sysext-1.0-1.x86_64.rpm"))
            .output()
            .unwrap();
        assert_eq!(outcome.status.code(), Some(2));
        assert_eq!(
            text(&outcome.stderr),
            "error: --output takes a directory, but file is not one\n\
             hint: the image's own name comes from --name and --image-version\n"
        );
    }
}

#[test]
fn stores_that_are_none_and_keeping_nothing() {
    let scratch = Scratch::new();
    fs::write(scratch.join("notes.txt"), "").unwrap();
    for (arguments, code, words) in [
        (
            &["store", "verify", "."][..],
            1,
            "error: . is not a store: it has no SHA256SUMS\n",
        ),
        (
            &["store", "prune", "--keep", "0", "."],
            2,
            "at least 1 is kept; to remove an extension: sysext-build store remove",
        ),
        (
            &["store", "prune", "--keep", "x", "."],
            2,
            "it is not a whole number, 1 or more",
        ),
    ] {
        let mut run = program();
        let outcome = run
            .current_dir(scratch.path())
            .args(arguments)
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert_eq!(text(&outcome.stdout), "", "{arguments:?}");
    }
}

#[test]
fn quiet_is_quiet_until_something_is_wrong() {
    let scratch = Scratch::new();
    let run = |arguments: &[&str]| {
        let outcome = program()
            .current_dir(scratch.path())
            .arg("-q")
            .args(arguments)
            .output()
            .unwrap();
        let said = text(&outcome.stdout) + &text(&outcome.stderr);
        (outcome.status.code(), said)
    };
    let (debian, fedora) = (os_release("debian-13"), os_release("fedora-42"));
    let (debian, fedora) = (debian.to_str().unwrap(), fedora.to_str().unwrap());
    let rpm = fixture("hello-sysext-1.0-1.x86_64.rpm");
    let build = ["-o", "s", "--os-release", debian, rpm.to_str().unwrap()];
    let image = "s/hello-sysext-1.0-1.x86-64.raw";
    for arguments in [
        &build[..],
        &["check", "--os-release", debian, image],
        &["store", "list", "s"],
        &["store", "verify", "s"],
    ] {
        assert_eq!(run(arguments), (Some(0), String::new()), "{arguments:?}");
    }
    let (code, said) = run(&["check", "--os-release", fedora, image]);
    assert!(code == Some(1) && said.contains("not-merged"), "{said}");
    fs::write(scratch.join(image), "damaged").unwrap();
    let (code, said) = run(&["store", "verify", "s"]);
    assert!(code == Some(1) && said.contains("error "), "{said}");
    assert!(!said.contains("unsigned"), "{said}");
}

#[test]
fn what_is_not_an_image_is_called_what_it_is() {
    let scratch = Scratch::new();
    let write = |name: &str, bytes: &[u8]| {
        let path = scratch.join(name);
        fs::write(&path, bytes).unwrap();
        path.display().to_string()
    };
    let package = fixture("hello-sysext-1.0-1.x86_64.rpm")
        .display()
        .to_string();
    for (verb, path, what, kind) in [
        ("inspect", &write("empty", b""), None, "empty"),
        (
            "inspect",
            &write("page", b"<html>404"),
            None,
            "an HTML page",
        ),
        ("inspect", &package, None, "an RPM package"),
        ("why", &write("text", b"hello\n"), Some("x"), "a text file"),
    ] {
        let outcome = program().arg(verb).arg(path).args(what).output().unwrap();
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{said}");
        let expected = format!("error: {path} is not an image: it is {kind}");
        assert!(said.starts_with(&expected), "{said}");
    }
}
