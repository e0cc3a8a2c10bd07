//! `try`: what a command sees, and that nothing of it stays. The base is a system of its own, which
//! no test changes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::client::TRIXIE;
use crate::workshop::{Scratch, fixture, program, text};

/// Makes an image of a prepared tree for the base.
fn image(scratch: &Scratch, name: &str, files: &[(&str, &str)]) -> PathBuf {
    let tree = scratch.join(&format!("{name}.tree"));
    for (path, contents) in files {
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, contents).unwrap();
    }
    build(scratch, name, &["--overlay", tree.to_str().unwrap()])
}

fn build(scratch: &Scratch, name: &str, arguments: &[&str]) -> PathBuf {
    let os_release = TRIXIE.path().join("usr/lib/os-release");
    let outcome = program()
        .args([
            "-q",
            "--name",
            name,
            "--image-version",
            "1",
            "--arch",
            "x86-64",
        ])
        .args(["--allow", "unchecked-base", "--layout", "flat", "-o"])
        .arg(scratch.path())
        .arg("--os-release")
        .arg(os_release)
        .args(arguments)
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    scratch.join(&format!("{name}-1.x86-64.raw"))
}

fn try_it(images: &[&Path], command: &str) -> Output {
    program()
        .arg("try")
        .args(images)
        .arg("--base")
        .arg(TRIXIE.path())
        .args(["--", "sh", "-c", command])
        .output()
        .unwrap()
}

#[test(TRIXIE)]
fn a_command_sees_what_a_host_would_have() {
    let scratch = Scratch::new();
    // systemd orders names by their versions: 10 is above 9.
    let low = image(
        &scratch,
        "tool-9",
        &[("usr/share/one", "low"), ("usr/share/two", "low")],
    );
    let high = image(
        &scratch,
        "tool-10",
        &[("usr/share/one", "high"), ("opt/tool/three", "high")],
    );
    for images in [[&*low, &*high], [&*high, &*low]] {
        let outcome = try_it(
            &images,
            "cat /usr/share/one /usr/share/two /opt/tool/three; . /etc/os-release; echo \" $ID\"; exit 7",
        );
        assert_eq!(text(&outcome.stdout), "highlowhigh debian\n", "{outcome:?}");
        assert_eq!(outcome.status.code(), Some(7));
    }
    let answers = [
        // What is written is thrown away, and /usr can't be written.
        ("touch /usr/share/new", false),
        ("touch /opt/new", false),
        (
            "touch /etc/sysext-build-trial /var/sysext-build-trial /run/new /tmp/new",
            true,
        ),
        ("echo x > /proc/sys/kernel/domainname", false),
        // Nothing of this machine is there.
        (
            "test -e /dev/null && test -z \"$(ls -A /tmp)$(ls -A /run)\"",
            true,
        ),
        (
            "test -e /dev/kmsg || test -e /dev/vda || test -e /dev/sda",
            false,
        ),
        (
            "test \"$HOME\" = /root && test -z \"$SYSEXT_BUILD_TRIAL\"",
            true,
        ),
        // No way out, but a way to oneself.
        (
            "test \"$(grep -c : /proc/net/dev)\" = 1 && grep -q 'lo:' /proc/net/dev",
            true,
        ),
        (
            "test \"$(cat /sys/class/net/lo/operstate 2>&1)\" != down",
            true,
        ),
    ];
    for (command, expected) in answers {
        let outcome = try_it(&[&low], command);
        assert_eq!(outcome.status.success(), expected, "{command}: {outcome:?}");
    }
    for path in ["etc/sysext-build-trial", "var/sysext-build-trial"] {
        assert!(!TRIXIE.path().join(path).exists(), "{path}");
    }
}

#[test(TRIXIE, programs!("unsquashfs"))]
fn what_is_unpacked_is_as_it_was() {
    let scratch = Scratch::new();
    let package = fixture("hello-tools-1.1~rc1-2.x86_64.rpm");
    let image = build(
        &scratch,
        "hello",
        &["--allow", "set-uid", package.to_str().unwrap()],
    );
    let list =
        "cd /usr/bin; stat -c '%n %f %h %s' hello-*; sha256sum hello-tool; readlink hello-link";
    let outcome = try_it(&[&image], list);
    let unpacked = scratch.join("unpacked");
    let there = Command::new("unsquashfs")
        .args(["-q", "-n", "-no-xattrs", "-d"])
        .arg(&unpacked)
        .arg(&image)
        .output()
        .unwrap();
    assert!(there.status.success());
    let expected = Command::new("sh")
        .args(["-c", &list.replace("cd ", "cd .")])
        .current_dir(&unpacked)
        .output()
        .unwrap();
    assert_eq!(text(&outcome.stdout), text(&expected.stdout), "{outcome:?}");
}

/// What an image hides of the base is hidden, and a hole takes no memory.
#[test(TRIXIE, root(), programs!("mksquashfs", "mknod", "setfattr", "truncate", "sh"))]
fn what_an_image_hides_is_hidden() {
    let scratch = Scratch::new();
    let tree = scratch.join("tree");
    let release = tree.join("usr/lib/extension-release.d/extension-release.hiding");
    fs::create_dir_all(release.parent().unwrap()).unwrap();
    fs::copy(TRIXIE.path().join("usr/lib/os-release"), release).unwrap();
    for directory in ["usr/bin", "usr/share/doc"] {
        fs::create_dir_all(tree.join(directory)).unwrap();
    }
    let image = scratch.join("hiding.raw");
    let script = "mknod usr/bin/whoami c 0 0 && setfattr -n trusted.overlay.opaque -v y usr/share/doc \
                  && truncate -s 256M usr/share/hole && mksquashfs . $0 -quiet -no-progress";
    let made = Command::new("sh")
        .args(["-c", script])
        .arg(&image)
        .current_dir(&tree)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let outcome = try_it(
        &[&image],
        "test -e /usr/bin/id; ls /usr/bin/whoami; ls /usr/share/doc; stat -c \"%s %b\" /usr/share/hole",
    );
    assert_eq!(text(&outcome.stdout), "268435456 0\n", "{outcome:?}");
}

#[test(TRIXIE)]
fn what_can_not_be_tried_is_refused() {
    let scratch = Scratch::new();
    let image = image(&scratch, "tool", &[("usr/share/one", "1")]);
    let fedora = fixture("os-release/fedora-42.os-release");
    let base = TRIXIE.path();
    let nothing = Path::new("/usr/share");
    let cases: [(&[&std::ffi::OsStr], i32, &str); 4] = [
        (
            &[
                "--os-release".as_ref(),
                fedora.as_ref(),
                "--base".as_ref(),
                base.as_ref(),
            ],
            1,
            "ignored by systemd-262",
        ),
        (
            &["--base".as_ref(), nothing.as_ref()],
            2,
            "not a root directory",
        ),
        (
            &["--base".as_ref(), image.as_ref()],
            2,
            "not a root directory",
        ),
        (
            &[
                "--base".as_ref(),
                base.as_ref(),
                "--".as_ref(),
                "no-such-command".as_ref(),
            ],
            1,
            "have the command no-such-command",
        ),
    ];
    let twice = program()
        .arg("try")
        .args([&image, &image])
        .arg("--base")
        .arg(&base)
        .output();
    let error = text(&twice.unwrap().stderr);
    assert!(
        error.contains("another image is merged as tool, too"),
        "{error}"
    );
    for (arguments, code, said) in cases {
        let outcome = program()
            .arg("try")
            .arg(&image)
            .args(arguments)
            .output()
            .unwrap();
        let error = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{error}");
        assert!(error.contains(said), "{error}");
    }
}

/// A user without any privilege, of whom the machine knows nothing.
#[test(TRIXIE, root(), programs!("setpriv", "cp", "chmod"))]
fn nobody_can_try_images() {
    let scratch = Scratch::new();
    let image = image(&scratch, "tool", &[("usr/share/one", "1")]);
    // The cache of the tests is in the home directory of root, which nobody else may enter.
    let base = scratch.join("base");
    let copied = Command::new("cp")
        .arg("-a")
        .arg(TRIXIE.path())
        .arg(&base)
        .status();
    assert!(copied.unwrap().success());
    // Not every base has one.
    fs::remove_dir(base.join("opt")).unwrap();
    let there = scratch.join("program");
    fs::copy(env!("CARGO_BIN_EXE_sysext-build"), &there).unwrap();
    let open = Command::new("chmod")
        .args(["-R", "a+rX"])
        .arg(scratch.path())
        .status();
    assert!(open.unwrap().success());
    let outcome = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&there)
        .arg("try")
        .arg(&image)
        .arg("--base")
        .arg(&base)
        .args([
            "--",
            "sh",
            "-c",
            "id -u; cat /usr/share/one; touch /etc/x && touch /var/y && ! touch /usr/z",
        ])
        .output()
        .unwrap();
    assert_eq!(text(&outcome.stdout), "0\n1", "{outcome:?}");
    assert!(outcome.status.success(), "{outcome:?}");
    assert!(!base.join("etc/x").exists());
}

/// Builds a recipe with tests for this machine; returns the exit code and what is said.
fn tested(scratch: &Scratch, tests: &str, arguments: &[&str]) -> (Option<i32>, String) {
    let tree = scratch.join("tree/usr/share/tested");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("file"), "yes").unwrap();
    let recipe = scratch.join("tested.toml");
    let head = "name = \"tested\"\nversion = \"1\"\noverlay = \"tree\"\n";
    fs::write(&recipe, format!("{head}{tests}")).unwrap();
    let outcome = program()
        .args(["--allow", "unchecked-base", "-o"])
        .arg(scratch.join("store"))
        .args(arguments)
        .arg(&recipe)
        .output()
        .unwrap();
    (outcome.status.code(), text(&outcome.stderr))
}

#[test(programs!("sh", "cat", "test", "sleep"))]
fn a_recipe_says_what_has_to_hold() {
    let scratch = Scratch::new();
    let good = "[[test]]\nrun = \"cat /usr/share/tested/file\"\n[[test]]\nexists = [\"/usr/share/tested\"]\n\
                [[test]]\nrun = \"sleep 1000000 & sleep 1000000 2>&1 & exit 0\"\n";
    let bad = "[[test]]\nexists = [\"/usr/share/other\"]\nrun = \"echo a; echo b >&2; exit 4\"\n";
    let store = scratch.join("store/tested-1.x86-64.raw");
    // A test that fails keeps the image out of the store; without --test nothing is tried.
    let (code, said) = tested(&scratch, bad, &["--test"]);
    assert_eq!(code, Some(1), "{said}");
    for line in [
        "test      1 test of the recipe, 2 failed",
        "test-failed: exists /usr/share/other: exit status: 1, it is not there",
        "test-failed: run echo a; echo b >&2; exit 4: exit status: 4, b",
    ] {
        assert!(said.contains(line), "{said}");
    }
    assert!(!store.exists());
    let (code, said) = tested(&scratch, good, &["--test"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("3 tests of the recipe, 0 failed"), "{said}");
    let built = fs::read_dir(scratch.join("store")).unwrap().count();
    assert!(built > 1, "{said}");
    // An image that is there is tried again: the base may be another one.
    let (code, said) = tested(&scratch, bad, &["--test"]);
    assert_eq!(code, Some(1), "{said}");
    let (code, said) = tested(&scratch, bad, &[]);
    assert_eq!(code, Some(0), "{said}");
    assert!(!said.contains("test "), "{said}");
    for (wrong, message) in [
        ("[[test]]\n", "test has neither run nor exists nor units"),
        (
            "[[test]]\nexists = [\"usr\"]\n",
            "exists: usr does not begin with /",
        ),
        ("[[test]]\nruns = \"a\"\n", "did you mean run?"),
        (
            "[[test]]\nrun = \"a\\u0000b\"\n",
            "run: the string has a NUL character",
        ),
    ] {
        let (code, said) = tested(&scratch, wrong, &[]);
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains(message), "{said}");
    }
}

#[test(programs!("sh", "cat", "test"))]
fn a_finished_image_is_tried_with_the_tests_of_a_recipe() {
    let scratch = Scratch::new();
    let good = "[[test]]\nrun = \"cat /usr/share/tested/file\"\n";
    let (code, said) = tested(&scratch, good, &[]);
    assert_eq!(code, Some(0), "{said}");
    let image = scratch.join("store/tested-1.x86-64.raw");
    let check = |recipe: &str, more: &[&Path]| {
        let path = scratch.join("check.toml");
        let head = "name = \"tested\"\nversion = \"1\"\noverlay = \"tree\"\n";
        fs::write(&path, format!("{head}{recipe}")).unwrap();
        let outcome = program()
            .args([
                "check",
                "--client",
                "systemd-262",
                "--allow",
                "unchecked-base",
            ])
            .args(more)
            .arg("--test")
            .args([&path, &image])
            .output()
            .unwrap();
        (
            outcome.status.code(),
            text(&outcome.stdout) + &text(&outcome.stderr),
        )
    };
    let (code, said) = check(good, &[]);
    assert!(code == Some(0) && said.contains("1 test with "), "{said}");
    let (code, said) = check("[[test]]\nexists = [\"/usr/share/other\"]\n", &[]);
    let failed = "test-failed: exists /usr/share/other: exit status: 1, it is not there";
    assert!(code == Some(1) && said.contains(failed), "{said}");
    let (code, said) = check("", &[]);
    assert!(
        code == Some(2) && said.contains("has no [[test]]"),
        "{said}"
    );
    let release = scratch.join("os-release");
    fs::write(&release, "ID=x\n").unwrap();
    let (code, said) = check(good, &[Path::new("--os-release"), &release]);
    assert!(
        code == Some(2) && said.contains("nothing can run on a base without files"),
        "{said}"
    );
}
