//! Signed stores, as gpg sees them when systemd calls it.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::workshop::{Scratch, fixture, json, names, os_release, output_of, program, text};

const FINGERPRINT: &str = "041D5F411DB434BC5D0E51E16879D6EAB0EEF13E";
/// After the fixed key of the fixtures was made.
const EPOCH: &str = "1700000001";

/// Builds the smallest package into a store.
fn build(store: &Path, arguments: &[&OsStr]) -> Command {
    let mut command = program();
    command
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .arg("--os-release")
        .arg(os_release("tumbleweed"))
        .arg("-o")
        .arg(store)
        .args(arguments);
    command
}

/// The fixed key with the mode that a secret key has.
fn secret_key(scratch: &Scratch) -> PathBuf {
    let key = scratch.join("key.asc");
    fs::copy(fixture("keys/test.secret.asc"), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    key
}

/// Runs gpg with its own home below `scratch`, whose path is short.
fn gpg(scratch: &Scratch, arguments: &[&str]) -> String {
    let home = scratch.join("gpg");
    if !home.exists() {
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    }
    output_of(
        Command::new("gpg")
            .args([
                "--batch",
                "--quiet",
                "--no-tty",
                "--pinentry-mode",
                "loopback",
            ])
            .args([
                "--faked-system-time",
                "1700000000!",
                "--passphrase",
                "secret word",
            ])
            .arg("--homedir")
            .arg(home)
            .args(arguments),
    )
}

/// Checks a store's signature the way systemd does (`verify_gpg()` of `pull-common.c`).
fn systemd_accepts(store: &Path) -> bool {
    let home = Scratch::new();
    fs::set_permissions(home.path(), fs::Permissions::from_mode(0o700)).unwrap();
    Command::new("gpg")
        .args([
            "--no-options",
            "--no-default-keyring",
            "--no-auto-key-locate",
        ])
        .args(["--no-auto-check-trustdb", "--batch", "--trust-model=always"])
        .arg(format!("--homedir={}", home.path().display()))
        .arg(format!(
            "--keyring={}",
            store.join("import-pubring.gpg").display()
        ))
        .arg("--verify")
        .args([store.join("SHA256SUMS.gpg"), store.join("SHA256SUMS")])
        .output()
        .unwrap()
        .status
        .success()
}

fn errors(outcome: &Output) -> String {
    text(&outcome.stderr)
}

#[test(program("gpg"))]
fn a_signed_store_stays_signed() {
    let scratch = Scratch::new();
    let (store, key) = (scratch.join("store"), secret_key(&scratch));
    let hello = fixture("hello-sysext-1.0-1.x86_64.rpm");
    let sign = ["--sign-key".as_ref(), key.as_os_str()];

    let outcome = build(
        &store,
        &[&sign[..], &["--json".as_ref(), hello.as_os_str()]].concat(),
    )
    .output()
    .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stdout));
    assert_eq!(json(&outcome)["result"]["signed_by"], FINGERPRINT);
    assert!(systemd_accepts(&store));
    let list = fs::read_to_string(store.join("SHA256SUMS")).unwrap();
    assert!(!list.contains("import-pubring"));
    let before = snapshot(&store);

    // Without the key nothing changes, and nothing is written.
    let library = fixture("hello-library-2.0-3.x86_64.rpm");
    let outcome = build(&store, &[library.as_os_str()]).output().unwrap();
    assert_eq!(outcome.status.code(), Some(1));
    let said = errors(&outcome);
    assert!(
        said.contains("is signed") && said.contains("--sign-key"),
        "{said}"
    );
    assert_eq!(snapshot(&store), before);

    let outcome = build(&store, &[&sign[..], &[library.as_os_str()]].concat())
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", errors(&outcome));
    assert!(errors(&outcome).contains(FINGERPRINT));
    assert!(systemd_accepts(&store));
    fs::write(store.join("SHA256SUMS"), list + "\n").unwrap();
    assert!(!systemd_accepts(&store));
}

/// Every file of a directory with its bytes.
fn snapshot(directory: &Path) -> Vec<(String, Vec<u8>)> {
    names(directory)
        .into_iter()
        .map(|name| (name.clone(), fs::read(directory.join(name)).unwrap()))
        .collect()
}

#[test]
fn the_same_signature_again_and_later() {
    let scratch = Scratch::new();
    let key = secret_key(&scratch);
    let hello = fixture("hello-sysext-1.0-1.x86_64.rpm");
    let arguments = ["--sign-key".as_ref(), key.as_os_str(), hello.as_os_str()];
    let (one, two) = (scratch.join("one"), scratch.join("two"));
    for store in [&one, &two] {
        assert!(build(store, &arguments).output().unwrap().status.success());
    }
    assert_eq!(snapshot(&one), snapshot(&two));

    // A store that was not signed becomes so when a key comes, even for an image that is there.
    let three = scratch.join("three");
    assert!(
        build(&three, &[hello.as_os_str()])
            .output()
            .unwrap()
            .status
            .success()
    );
    assert!(!three.join("SHA256SUMS.gpg").exists());
    assert!(build(&three, &arguments).output().unwrap().status.success());
    assert_eq!(snapshot(&three), snapshot(&one));
}

#[test(programs!("gpg", "script", "setsid"))]
fn passphrases() {
    let scratch = Scratch::new();
    gpg(
        &scratch,
        &["--quick-gen-key", "locked", "ed25519", "sign", "never"],
    );
    let key = scratch.join("locked.asc");
    let export = key.to_str().unwrap();
    gpg(
        &scratch,
        &["--armor", "--output", export, "--export-secret-keys"],
    );
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let hello = fixture("hello-sysext-1.0-1.x86_64.rpm");
    let arguments = ["--sign-key".as_ref(), key.as_os_str(), hello.as_os_str()];
    let (right, wrong) = (scratch.join("right"), scratch.join("wrong"));
    fs::write(&right, "secret word\n").unwrap();
    fs::write(&wrong, "other word\n").unwrap();

    let from_file = |file: &Path| {
        let file = ["--passphrase-file".as_ref(), file.as_os_str()];
        let store = scratch.join("store");
        build(&store, &[&file[..], &arguments].concat())
            .output()
            .unwrap()
    };
    let refused = from_file(&wrong);
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        errors(&refused).contains("the passphrase does not open"),
        "{}",
        errors(&refused)
    );
    assert!(!scratch.join("store").exists());
    assert_eq!(from_file(&scratch.join("missing")).status.code(), Some(3));
    let done = from_file(&right);
    assert!(done.status.success(), "{}", errors(&done));
    assert!(systemd_accepts(&scratch.join("store")));

    let store = scratch.join("by-environment");
    let outcome = build(&store, &arguments)
        .env("SYSEXT_BUILD_PASSPHRASE", "secret word")
        .output();
    let outcome = outcome.unwrap();
    assert!(
        outcome.status.success() && systemd_accepts(&store),
        "{}",
        errors(&outcome)
    );

    // Nobody to ask.
    let outcome = Command::new("setsid")
        .arg("--wait")
        .arg(build(&store, &[]).get_program())
        .args(arguments)
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let said = errors(&outcome);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(
        said.contains("no terminal") && said.contains("--passphrase-file"),
        "{said}"
    );

    // Somebody: `script` is a terminal that types what it reads and shows what it sees. Asked once
    // for both images.
    let store = scratch.join("by-hand");
    let recipes = ["a", "b"].map(|name| {
        let recipe = scratch.join(&format!("{name}.toml"));
        let text = format!("name = {name:?}\npackages = [{hello:?}]\n");
        fs::write(&recipe, text).unwrap();
        recipe
    });
    let mut command = build(&store, &arguments[..2]);
    command.args(&recipes);
    command.arg("--quiet");
    let words: Vec<_> = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| format!("'{}'", word.to_str().unwrap()))
        .collect();
    let outcome = Command::new("sh")
        .args([
            "-c",
            "(sleep 1; echo secret word) | script -qec \"$0\" /dev/null",
        ])
        .arg(words.join(" "))
        .env("SOURCE_DATE_EPOCH", EPOCH)
        .output()
        .unwrap();
    let seen = text(&outcome.stdout);
    assert_eq!(seen.matches("Passphrase of ").count(), 1, "{seen}");
    assert!(!seen.contains("secret word"), "{seen}");
    assert!(systemd_accepts(&store), "{seen}");
    let sums = fs::read_to_string(store.join("SHA256SUMS")).unwrap();
    for image in ["a-1.0-1.x86-64.raw", "b-1.0-1.x86-64.raw"] {
        assert!(sums.contains(image), "{sums}");
    }
}

#[test(program("gpg"))]
fn gpg_signs_when_asked() {
    let scratch = Scratch::new();
    let import = fixture("keys/test.secret.asc");
    gpg(&scratch, &["--import", import.to_str().unwrap()]);
    let hello = fixture("hello-sysext-1.0-1.x86_64.rpm");
    let run = |key: &str| {
        let arguments = ["--gpg-key".as_ref(), key.as_ref(), hello.as_os_str()];
        let mut command = build(&scratch.join("store"), &arguments);
        command
            .env("GNUPGHOME", scratch.join("gpg"))
            .output()
            .unwrap()
    };
    let outcome = run("nobody@example.com");
    assert_eq!(outcome.status.code(), Some(1));
    assert!(
        errors(&outcome).contains("gpg has no key"),
        "{}",
        errors(&outcome)
    );
    assert!(!scratch.join("store").exists());
    let outcome = run("test@example.com");
    assert!(outcome.status.success(), "{}", errors(&outcome));
    assert!(systemd_accepts(&scratch.join("store")));

    gpg(
        &scratch,
        &[
            "--quick-gen-key",
            "test@example.com",
            "ed25519",
            "sign",
            "never",
        ],
    );
    let outcome = run("test@example.com");
    let said = errors(&outcome);
    assert_eq!(outcome.status.code(), Some(1));
    assert!(
        said.contains("gpg has 2 keys") && said.contains(FINGERPRINT),
        "{said}"
    );
    let _ = Command::new("gpgconf")
        .arg("--homedir")
        .arg(scratch.join("gpg"))
        .args(["--kill", "all"])
        .status();
}

/// A program that is called gpg writes down what it is given.
#[test]
fn gpg_gets_no_secret_of_the_environment() {
    let scratch = Scratch::new();
    let (bin, given) = (scratch.join("bin"), scratch.join("given"));
    fs::create_dir(&bin).unwrap();
    fs::write(
        bin.join("gpg"),
        format!("#!/bin/sh\nenv > {}\nexit 2\n", given.display()),
    )
    .unwrap();
    fs::set_permissions(bin.join("gpg"), fs::Permissions::from_mode(0o755)).unwrap();
    let hello = fixture("hello-sysext-1.0-1.x86_64.rpm");
    let arguments = ["--gpg-key".as_ref(), "a".as_ref(), hello.as_os_str()];
    let outcome = build(&scratch.join("store"), &arguments)
        .env("PATH", format!("{}:/usr/bin:/bin", bin.display()))
        .env("GNUPGHOME", "/nosuch")
        .env("SYSEXT_BUILD_PASSPHRASE", "secret one")
        .env("DEPLOY_TOKEN", "secret two")
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(1), "{}", errors(&outcome));
    let given = fs::read_to_string(given).unwrap();
    assert!(!given.contains("secret"), "{given}");
    assert!(given.contains("GNUPGHOME=/nosuch\n"), "{given}");
}

#[test]
fn keys_that_are_no_keys() {
    let scratch = Scratch::new();
    let key = secret_key(&scratch);
    let hello = fixture("hello-sysext-1.0-1.x86_64.rpm");
    let store = scratch.join("store");
    let run = |key: &Path, epoch: &str| {
        let arguments = ["--sign-key".as_ref(), key.as_os_str(), hello.as_os_str()];
        build(&store, &arguments)
            .env("SOURCE_DATE_EPOCH", epoch)
            .output()
            .unwrap()
    };
    for (key, epoch, code, words) in [
        (scratch.join("none"), EPOCH, 3, "error: reading "),
        (fixture("keys/test.public.asc"), EPOCH, 1, "no secret key"),
        (hello.clone(), EPOCH, 1, "gpg --export-secret-keys"),
        (
            key.clone(),
            "1600000000",
            1,
            "SOURCE_DATE_EPOCH is earlier than the key",
        ),
    ] {
        let outcome = run(&key, epoch);
        assert_eq!(outcome.status.code(), Some(code), "{}", errors(&outcome));
        assert!(errors(&outcome).contains(words), "{}", errors(&outcome));
        assert!(!store.exists());
    }
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).unwrap();
    let outcome = run(&key, EPOCH);
    assert!(outcome.status.success());
    assert!(
        errors(&outcome).contains("key-file-mode"),
        "{}",
        errors(&outcome)
    );
    let arguments = [
        "--strict".as_ref(),
        "--sign-key".as_ref(),
        key.as_os_str(),
        hello.as_os_str(),
    ];
    let other = scratch.join("other");
    assert_eq!(
        build(&other, &arguments).output().unwrap().status.code(),
        Some(1)
    );
    assert!(!other.exists());
}

/// A key that can't sign now is named with its own repair.
#[test(program("gpg"))]
fn keys_that_do_not_sign_today() {
    let scratch = Scratch::new();
    let store = scratch.join("store");
    let hello = fixture("hello-sysext-1.0-1.x86_64.rpm");
    for (time, expires, is_revoked, words) in [
        ("1700000000!", "1d", false, "gpg --quick-set-expire"),
        ("4000000000!", "never", false, "the key is from the future"),
        ("1700000000!", "never", true, "sign with another key"),
    ] {
        let home = Scratch::new();
        let clock = ["--faked-system-time", time];
        let new = ["--quick-gen-key", "k", "ed25519", "sign", expires];
        gpg(&home, &[&clock[..], &new].concat());
        if is_revoked {
            // gpg keeps a revocation ready, with a colon before it lest somebody import it.
            let directory = home.join("gpg/openpgp-revocs.d");
            let revocation = directory.join(&names(&directory)[0]);
            let ready = fs::read_to_string(&revocation).unwrap();
            let file = home.join("revocation");
            fs::write(&file, ready.replace("\n:-----BEGIN", "\n-----BEGIN")).unwrap();
            let import = ["--import", file.to_str().unwrap()];
            gpg(&home, &[&clock[..], &import].concat());
        }
        let key = home.join("key");
        let export = ["--output", key.to_str().unwrap(), "--export-secret-keys"];
        gpg(&home, &[&clock[..], &export].concat());
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let arguments = ["--sign-key".as_ref(), key.as_os_str(), hello.as_os_str()];
        let outcome = build(&store, &arguments)
            .env_remove("SOURCE_DATE_EPOCH")
            .output()
            .unwrap();
        assert_eq!(outcome.status.code(), Some(1), "{words}");
        assert!(errors(&outcome).contains(words), "{}", errors(&outcome));
        assert!(!store.exists());
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(home.join("gpg"))
            .args(["--kill", "all"])
            .status();
    }
}

/// A store passes from one key to the next: both are there for clients that know one.
#[test]
fn keys_beside_the_store() {
    let scratch = Scratch::new();
    let (store, key) = (scratch.join("store"), secret_key(&scratch));
    let hello = fixture("hello-sysext-1.0-1.x86_64.rpm");
    let arguments = ["--sign-key".as_ref(), key.as_os_str(), hello.as_os_str()];
    fs::create_dir(&store).unwrap();
    fs::write(store.join("import-pubring.gpg"), "no keys").unwrap();
    let outcome = build(&store, &arguments).output().unwrap();
    assert_eq!(outcome.status.code(), Some(1));
    assert!(
        errors(&outcome).contains("import-pubring.gpg"),
        "{}",
        errors(&outcome)
    );
    assert_eq!(names(&store), ["import-pubring.gpg"]);
    // An armored copy, which is not a keyring for systemd, is corrected.
    fs::remove_file(store.join("import-pubring.gpg")).unwrap();
    assert!(build(&store, &arguments).output().unwrap().status.success());
    fs::copy(
        fixture("keys/test.public.asc"),
        store.join("import-pubring.gpg"),
    )
    .unwrap();
    assert!(build(&store, &arguments).output().unwrap().status.success());
    let keys = fs::read(store.join("import-pubring.gpg")).unwrap();
    assert!(keys.first().is_some_and(|byte| byte & 0x80 != 0));
}

/// The verbs on a store keep its signature, and need a key for it.
#[test(program("gpg"))]
fn verbs_on_a_signed_store() {
    let scratch = Scratch::new();
    let (store, key) = (scratch.join("store"), secret_key(&scratch));
    let sign = ["--sign-key".as_ref(), key.as_os_str()];
    for package in [
        "hello-sysext-1.0-1.x86_64.rpm",
        "hello-library-2.0-3.x86_64.rpm",
    ] {
        let package = fixture(package);
        let outcome = build(&store, &[package.as_os_str()]).output().unwrap();
        assert!(outcome.status.success(), "{}", errors(&outcome));
    }
    let verb = |verb: &str, more: &[&OsStr]| {
        let mut command = program();
        command.env("SOURCE_DATE_EPOCH", EPOCH);
        command.args(["store", verb]).arg(&store).args(more);
        command.output().unwrap()
    };
    assert_eq!(verb("sign", &[]).status.code(), Some(2));
    let outcome = verb("sign", &sign);
    assert!(outcome.status.success(), "{}", errors(&outcome));
    assert!(text(&outcome.stdout).contains(FINGERPRINT));
    assert!(systemd_accepts(&store));

    let good = text(&verb("verify", &[]).stdout);
    assert!(
        good.contains(&format!("signed    by key {FINGERPRINT}")),
        "{good}"
    );
    assert!(good.contains("0 findings"), "{good}");
    let public = fixture("keys/test.public.asc");
    let outcome = verb("verify", &["--keyring".as_ref(), public.as_os_str()]);
    assert!(outcome.status.success(), "{}", text(&outcome.stdout));

    // A line is gone from the disk: the repair changes the list, and so needs the key.
    fs::remove_file(store.join("hello-library-2.0-3.x86-64.manifest.gz")).unwrap();
    let outcome = verb("verify", &["--fix".as_ref()]);
    assert_eq!(outcome.status.code(), Some(1));
    assert!(
        errors(&outcome).contains("--sign-key"),
        "{}",
        errors(&outcome)
    );
    let outcome = verb("verify", &[&["--fix".as_ref()], &sign[..]].concat());
    assert!(
        text(&outcome.stdout).contains("repaired"),
        "{}",
        errors(&outcome)
    );
    let prune = ["--keep".as_ref(), "1".as_ref()];
    let outcome = verb("prune", &prune);
    assert_eq!(outcome.status.code(), Some(1));
    assert!(
        errors(&outcome).contains("is signed"),
        "{}",
        errors(&outcome)
    );
    assert!(
        verb("prune", &[&prune[..], &["--dry-run".as_ref()]].concat())
            .status
            .success()
    );
    let tools = ["hello-library".as_ref(), "--empty".as_ref()];
    let outcome = verb("remove", &tools);
    assert_eq!(outcome.status.code(), Some(1));
    assert!(
        errors(&outcome).contains("is signed"),
        "{}",
        errors(&outcome)
    );
    let outcome = verb("prune", &[&prune[..], &sign].concat());
    assert!(outcome.status.success(), "{}", errors(&outcome));
    // Whatever signs says so, and by which key.
    let library = fixture("hello-library-2.0-3.x86_64.rpm");
    let elsewhere = scratch.join("elsewhere");
    let outcome = build(&elsewhere, &[library.as_os_str()]).output().unwrap();
    assert!(outcome.status.success(), "{}", errors(&outcome));
    let image = elsewhere.join("hello-library-2.0-3.x86-64.raw");
    let url = ["--url".as_ref(), "https://example.org/store/".as_ref()];
    let library = ["hello-library".as_ref()];
    for (name, more) in [
        ("add", &[image.as_os_str()][..]),
        ("sysupdate", &url),
        ("remove", &library),
    ] {
        let outcome = verb(name, &[more, &sign].concat());
        assert!(outcome.status.success(), "{name}: {}", errors(&outcome));
        let path = store.join("SHA256SUMS.gpg");
        let line = format!("sign      {}  by key {FINGERPRINT}\n", path.display());
        assert!(
            errors(&outcome).contains(&line),
            "{name}: {}",
            errors(&outcome)
        );
    }
    assert!(text(&verb("verify", &[]).stdout).contains(FINGERPRINT));

    let mut list = fs::read(store.join("SHA256SUMS")).unwrap();
    list[0] ^= 1;
    fs::write(store.join("SHA256SUMS"), list).unwrap();
    let bad = text(&verb("verify", &[]).stdout);
    let expected = "signature-invalid: SHA256SUMS.gpg does not count: the signature is bad: ";
    assert!(bad.contains(expected), "{bad}");
    fs::write(store.join("import-pubring.gpg"), "no keys").unwrap();
    let bad = text(&verb("verify", &[]).stdout);
    assert!(bad.contains("neither binary OpenPGP nor armor"), "{bad}");
}
