//! Images that go from store to store: `store merge` and `store promote`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::workshop::{Scratch, fixture, names, os_release, program, sha256sum, text};

/// Two jobs, the store that is served, and the key that signs it.
struct Scene(Scratch);

impl Scene {
    fn new() -> Self {
        let scene = Self(Scratch::new());
        let key = scene.0.join("store.key");
        fs::copy(fixture("keys/test.secret.asc"), &key).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Runs a command line; its words are relative to the scene.
    fn run(&self, line: &str) -> Output {
        program()
            .args(line.split_whitespace())
            .current_dir(self.0.path())
            .env("XDG_STATE_HOME", self.0.join("state"))
            .output()
            .unwrap()
    }

    fn succeeds(&self, line: &str) -> Output {
        let outcome = self.run(line);
        assert!(outcome.status.success(), "{line}: {}", said(&outcome));
        outcome
    }

    fn json(&self, line: &str) -> Value {
        crate::workshop::json(&self.succeeds(line))
    }

    /// Builds a version of an extension into a store, from one package or another.
    fn build(&self, store: &str, image: &str, more: &str) {
        let (name, version) = image.rsplit_once('-').unwrap();
        let rpm = fixture("payload-zstd-1-1.noarch.rpm");
        self.succeeds(&format!(
            "{} --name {name} --image-version {version} --match any --allow unchecked-base \
             --os-release {} -o {store} {more}",
            rpm.display(),
            os_release("tumbleweed").display(),
        ));
    }

    fn list(&self, store: &str) -> Vec<String> {
        let list = fs::read_to_string(self.path(store).join("SHA256SUMS")).unwrap();
        let names = list.lines().map(|line| line[66..].to_owned());
        names
            .filter(|name| !name.ends_with(".manifest.gz"))
            .collect()
    }

    /// Every file of a store with its bytes, as digests.
    fn content(&self, store: &str) -> BTreeMap<String, String> {
        content(&self.path(store))
    }
}

fn content(store: &Path) -> BTreeMap<String, String> {
    if !store.exists() {
        return BTreeMap::new();
    }
    let digest = |name: String| (name.clone(), sha256sum(&store.join(name)));
    names(store).into_iter().map(digest).collect()
}

fn said(outcome: &Output) -> String {
    text(&outcome.stdout) + &text(&outcome.stderr)
}

const SIGN: &str = "--sign-key store.key";

#[test]
fn what_jobs_have_built_comes_into_one_store_with_one_signature() {
    let scene = Scene::new();
    scene.build("store", "old-1", SIGN);
    // Two jobs; both have an image that is the same.
    scene.build("one", "both-1", "");
    scene.build("two", "both-1", "");
    scene.build("one", "gdb-1", "");
    scene.build("two", "strace-1", "");
    scene.build("two", "strace-2", "");
    let merge = format!("store merge --json {SIGN} one two --into store");
    let foreseen = scene.json(&merge.replace("--json", "--json --dry-run"));
    let before = scene.content("store");
    let merged = scene.json(&merge);
    assert_eq!(foreseen["dry_run"], true);
    assert_eq!(foreseen["directories"], merged["directories"]);
    let added: Vec<_> = (merged["directories"][0]["added"].as_array().unwrap().iter())
        .map(|row| {
            (
                row["image"].as_str().unwrap(),
                row["from"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        added,
        [
            ("strace-1.x86-64.raw", "two"),
            ("strace-2.x86-64.raw", "two"),
            ("gdb-1.x86-64.raw", "one"),
            ("both-1.x86-64.raw", "one"),
        ]
    );
    let key = "041D5F411DB434BC5D0E51E16879D6EAB0EEF13E";
    assert_eq!(merged["signed_by"], key);
    let serial = |list: &[String]| {
        let line = list.iter().find(|name| name.starts_with("SERIAL-"));
        line.unwrap().split('-').nth(1).unwrap().to_owned()
    };
    let list = scene.list("store");
    assert_eq!(serial(&list), "2", "{list:?}");
    assert_eq!(list.iter().filter(|name| name.ends_with(".raw")).count(), 5);
    let after = scene.content("store");
    for name in before.keys().filter(|name| name.ends_with(".raw")) {
        assert_eq!(before[name], after[name]);
    }
    scene.succeeds("store verify store");
    // Again: nothing is new, and not a byte changes.
    let again = scene.json(&merge);
    assert_eq!(again["directories"][0]["added"], json!([]));
    assert_eq!(
        again["directories"][0]["unchanged"]
            .as_array()
            .unwrap()
            .len(),
        4
    );
    assert_eq!(scene.content("store"), after);
}

#[test]
fn what_can_not_be_merged_is_refused_and_nothing_is_written() {
    let change = |scene: &Scene, file: &str| fs::write(scene.path(file), b"changed").unwrap();
    let nothing = |_: &Scene| {};
    type Change<'a> = &'a dyn Fn(&Scene);
    let rows: &[(&str, Change<'_>, &str, &str)] = &[
        (
            "other bytes in two jobs",
            &|scene| scene.build("two", "gdb-1", "--block-size 128K"),
            "one two --into store",
            "gdb-1.x86-64.raw of one has other contents in two",
        ),
        (
            "other bytes in the store",
            &|scene| scene.build("two", "old-1", "--block-size 128K"),
            "one two --into store",
            "old-1.x86-64.raw of two has other contents in store",
        ),
        (
            "an image that is not the listed one",
            &|scene| change(scene, "one/gdb-1.x86-64.raw"),
            "one --into store",
            "one/gdb-1.x86-64.raw does not have the SHA-256 that is listed",
        ),
        (
            "a manifest that is not the listed one",
            &|scene| change(scene, "one/gdb-1.x86-64.manifest.gz"),
            "one --into store",
            "one/gdb-1.x86-64.manifest.gz is missing, not listed or can't be read",
        ),
        (
            "an image that is gone",
            &|scene| fs::remove_file(scene.path("one/gdb-1.x86-64.raw")).unwrap(),
            "one --into store",
            "one/gdb-1.x86-64.raw is listed and is gone",
        ),
        (
            "what is not a store",
            &|scene| fs::create_dir(scene.path("empty")).unwrap(),
            "one empty --into store",
            "empty is not a store: it has no SHA256SUMS",
        ),
        (
            "an older image",
            &|scene| scene.build("two", "old-0", ""),
            "one two --into store",
            "for systemd-sysupdate, 0 is not newer than 1",
        ),
        (
            "names that begin alike",
            &|scene| scene.build("two", "gdb-32bit-1", ""),
            "one two --into store",
            "pattern-collision",
        ),
        (
            "the store itself",
            &nothing,
            "one store --into store",
            "store is the store itself",
        ),
        (
            "a signed list that was changed",
            &|scene| {
                scene.build("two", "strace-1", SIGN);
                scene.build("two", "strace-2", SIGN);
                change(scene, "two/SHA256SUMS.gpg");
            },
            "one two --into store",
            "signature-invalid: two/SHA256SUMS.gpg",
        ),
        (
            "a signature that is gone",
            &|scene| {
                scene.build("two", "strace-1", SIGN);
                fs::remove_file(scene.path("two/SHA256SUMS.gpg")).unwrap();
            },
            "one two --into store",
            "signature-missing: two/SHA256SUMS.gpg",
        ),
        (
            "a list without a signature where one is asked for",
            &nothing,
            "one --keyring store/import-pubring.gpg --into store",
            "one/SHA256SUMS is not signed",
        ),
        (
            "a day that is over",
            &|scene| {
                scene.build("two", "strace-1", "");
                let list = scene.path("two/SHA256SUMS");
                let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
                let line = format!("{empty}  BEST-BEFORE-2020-01-01\n");
                let lines = line + &fs::read_to_string(&list).unwrap();
                fs::write(list, lines).unwrap();
            },
            "one two --into store",
            "two/SHA256SUMS: 2020-01-01 is over",
        ),
    ];
    for (about, change, arguments, expected) in rows {
        let scene = Scene::new();
        scene.build("store", "old-1", SIGN);
        scene.build("one", "gdb-1", "");
        change(&scene);
        let before = scene.content("store");
        let refused = scene.run(&format!("store merge {SIGN} {arguments}"));
        let words = said(&refused);
        assert!(words.contains(expected), "{about}: {words}");
        assert!(
            matches!(refused.status.code(), Some(1 | 2)),
            "{about}: {words}"
        );
        assert_eq!(scene.content("store"), before, "{about}");
    }
    // Without the key.
    let scene = Scene::new();
    scene.build("store", "old-1", SIGN);
    scene.build("one", "gdb-1", "");
    let refused = scene.run("store merge one --into store");
    assert!(said(&refused).contains("store/SHA256SUMS is signed, but no key was given"));
    // What would come is shown without it.
    let shown = scene.succeeds("store merge --dry-run one --into store");
    assert_eq!(
        text(&shown.stdout),
        "would add  gdb-1.x86-64.raw  from one\nstore: 1 new, 0 unchanged, 0 left out\n"
    );
    // A list that was put back.
    let older = ["SHA256SUMS", "SHA256SUMS.gpg"];
    let old = older.map(|name| fs::read(scene.path("store").join(name)).unwrap());
    scene.succeeds(&format!("store merge {SIGN} one --into store"));
    for (name, bytes) in older.iter().zip(old) {
        fs::write(scene.path("store").join(name), bytes).unwrap();
    }
    let refused = scene.run(&format!("store merge {SIGN} one --into store"));
    assert!(said(&refused).contains("rolled-back"), "{}", said(&refused));
}

#[test]
fn what_was_taken_back_in_one_store_stays_so_in_all() {
    let scene = Scene::new();
    for store in ["store", "one", "two"] {
        scene.build(store, "gdb-1", "");
        scene.build(store, "strace-1", "");
    }
    scene.succeeds("store remove one gdb-1.x86-64.raw");
    // A job that still has it does not bring it back, and the store lets it go.
    let merged = scene.json("store merge --json one two --into store");
    let row = &merged["directories"][0];
    assert_eq!(row["taken_back"], json!(["gdb-1.x86-64.raw"]));
    assert_eq!(row["left_out"][0]["from"], "two");
    assert_eq!(row["left_out"][0]["reason"], "it was taken back in one");
    assert_eq!(
        scene.list("store"),
        ["WITHDRAWN-gdb-1.x86-64", "strace-1.x86-64.raw"]
    );
    assert!(!scene.path("store/gdb-1.x86-64.raw").exists());
    // Nor does it come later, nor under other bytes.
    let merged = scene.json("store merge --json two --into store");
    assert_eq!(
        merged["directories"][0]["left_out"][0]["reason"],
        "it was taken back in store"
    );
    scene.build("three", "gdb-1", "--block-size 128K");
    let refused = scene.run("store merge three --into store");
    assert!(said(&refused).contains("gdb-1.x86-64.raw was taken back from store"));
    // A new store knows it, too.
    scene.succeeds("store merge one two --into new");
    assert_eq!(
        scene.list("new"),
        ["WITHDRAWN-gdb-1.x86-64", "strace-1.x86-64.raw"]
    );
}

/// The way of a job without the key: a copy of the store to build into, of which the job hands over
/// what is new.
#[test]
fn a_job_without_the_key_builds_into_a_copy() {
    let scene = Scene::new();
    scene.build("store", "gdb-1", SIGN);
    let keyring = "--keyring store/import-pubring.gpg";
    scene.succeeds(&format!("store merge {keyring} store --into job"));
    assert_eq!(scene.list("job"), ["gdb-1.x86-64.raw"]);
    scene.build("job", "gdb-2", "");
    // The files that are in the store need not come along.
    for ending in ["raw", "manifest.gz"] {
        fs::remove_file(scene.path(&format!("job/gdb-1.x86-64.{ending}"))).unwrap();
    }
    scene.succeeds(&format!("store merge {SIGN} job --into store"));
    let list = scene.list("store");
    assert_eq!(list[1..], ["gdb-1.x86-64.raw", "gdb-2.x86-64.raw"]);
    scene.succeeds("store verify store");
}

#[test]
fn a_store_with_a_directory_for_each_extension_stays_one() {
    let scene = Scene::new();
    scene.build("one", "gdb-1", "--layout per-name");
    scene.build("two", "gdb-32bit-1", "--layout per-name");
    let line = format!("store merge {SIGN} one two --into store");
    scene.succeeds(&line);
    assert_eq!(names(&scene.path("store")), ["gdb", "gdb-32bit"]);
    scene.succeeds("store verify store");
}

#[test]
fn what_was_tested_is_promoted() {
    let scene = Scene::new();
    for image in ["gdb-1", "gdb-2", "strace-1"] {
        scene.build("store", image, SIGN);
    }
    for image in ["gdb-0", "gdb-2", "gdb-3", "gdb-4", "strace-2", "nmap-1"] {
        scene.build("candidate", image, "--allow-older");
    }
    let before = scene.content("store");
    let images = |list: &[String]| -> Vec<String> {
        let images = list
            .iter()
            .filter_map(|name| name.strip_suffix(".x86-64.raw"));
        images.map(str::to_owned).collect()
    };
    // Nothing is written, and the same is said.
    let line = format!("store promote --json {SIGN} candidate store gdb");
    let foreseen = scene.json(&line.replace("--json", "--json --dry-run"));
    assert_eq!(scene.content("store"), before);
    let promoted = scene.json(&line);
    assert_eq!(foreseen["directories"], promoted["directories"]);
    let row = &promoted["directories"][0];
    assert_eq!(row["unchanged"], json!(["gdb-2.x86-64.raw"]));
    assert_eq!(row["left_out"][0]["image"], "gdb-0.x86-64.raw");
    assert_eq!(
        row["left_out"][0]["reason"],
        "gdb-2.x86-64.raw is there, which is newer"
    );
    // What is not named stays, in both.
    assert_eq!(
        images(&scene.list("store")),
        ["gdb-1", "gdb-2", "gdb-3", "gdb-4", "strace-1"]
    );
    assert_eq!(scene.list("candidate").len(), 6);
    scene.succeeds("store verify store");

    for (names, expected) in [
        (
            "gdb-0.x86-64.raw",
            "for systemd-sysupdate, 0 is not newer than 4",
        ),
        ("strac", "did you mean strace?"),
        ("zypper", "candidate has no extension or image zypper"),
    ] {
        let refused = scene.run(&format!("store promote {SIGN} candidate store {names}"));
        assert_eq!(refused.status.code(), Some(1), "{names}");
        assert!(said(&refused).contains(expected), "{}", said(&refused));
    }
    scene.succeeds(&format!(
        "store promote --allow-older {SIGN} candidate store gdb-0.x86-64.raw"
    ));
    // All of them.
    scene.succeeds(&format!("store promote {SIGN} candidate store"));
    assert_eq!(
        images(&scene.list("store")),
        [
            "gdb-0", "gdb-1", "gdb-2", "gdb-3", "gdb-4", "nmap-1", "strace-1", "strace-2"
        ]
    );
    // One that was taken back does not come again by this way.
    scene.succeeds(&format!("store remove {SIGN} store nmap"));
    let refused = scene.run(&format!("store promote {SIGN} candidate store nmap"));
    assert!(
        said(&refused).contains("it was taken back in store"),
        "{}",
        said(&refused)
    );
}

#[test]
fn a_candidate_that_is_signed_is_verified() {
    let scene = Scene::new();
    scene.build("candidate", "gdb-1", SIGN);
    let older = ["SHA256SUMS", "SHA256SUMS.gpg"];
    let old = older.map(|name| fs::read(scene.path("candidate").join(name)).unwrap());
    scene.build("candidate", "gdb-2", SIGN);
    scene.build("store", "gdb-1", SIGN);
    let promote = format!("store promote {SIGN} candidate store gdb");
    let dry = scene.succeeds(&promote.replace("promote", "promote --dry-run"));
    assert!(said(&dry).contains("candidate: 2 images, signed by key 041D5F41"));
    // The signature is by another key than the one that must have signed.
    let other = fixture("keys/version6.public.asc");
    let refused = scene.run(&format!("{promote} --keyring {}", other.display()));
    assert!(
        said(&refused).contains("signature-invalid"),
        "{}",
        said(&refused)
    );
    // An older list of the candidate with its own good signature.
    for (name, bytes) in older.iter().zip(old) {
        fs::write(scene.path("candidate").join(name), bytes).unwrap();
    }
    let refused = scene.run(&promote);
    assert!(
        said(&refused).contains("rolled-back: candidate/SHA256SUMS"),
        "{}",
        said(&refused)
    );
    assert_eq!(scene.list("store").len(), 2);
}

#[test]
fn a_merge_that_is_killed_leaves_a_good_store() {
    let scene = Scene::new();
    scene.build("store", "old-1", SIGN);
    for number in 0..8 {
        scene.build("job", &format!("tool{number}-1"), "");
    }
    let before = scene.list("store");
    let copy = scene.path("copy");
    let mut killed = 0;
    for round in 0..40 {
        let _ = fs::remove_dir_all(&copy);
        fs::create_dir(&copy).unwrap();
        for name in names(&scene.path("store")) {
            fs::copy(scene.path("store").join(&name), copy.join(&name)).unwrap();
        }
        let mut child = program()
            .args(format!("store merge {SIGN} job --into copy").split(' '))
            .current_dir(scene.0.path())
            .env("XDG_STATE_HOME", scene.path("other-state"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(round * 4));
        let _ = child.kill();
        killed += u32::from(!child.wait().unwrap().success());
        let images = scene.list("copy").len() - before.len();
        assert!(images == 0 || images == 8, "{images}");
        for line in fs::read_to_string(copy.join("SHA256SUMS")).unwrap().lines() {
            let (digest, name) = line.split_once("  ").unwrap();
            if !name.starts_with("SERIAL-") {
                assert_eq!(sha256sum(&copy.join(name)), digest, "{name}");
            }
        }
        // What the next one finds, it completes or takes back.
        let _ = fs::remove_dir_all(scene.path("other-state"));
        scene.succeeds(&format!(
            "store merge {SIGN} --state-dir other-state/sysext-build job --into copy"
        ));
        assert_eq!(scene.list("copy").len(), before.len() + 8);
        assert!(
            names(&copy)
                .iter()
                .all(|name| !name.starts_with(".sysext-build"))
        );
        let _ = fs::remove_dir_all(scene.path("other-state"));
    }
    assert!(killed > 0);
}
