//! Blocks that are kept for other images: they make a build faster, and never another.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::workshop::{CORPUS, Scratch, fixture, names, program, text};

const RPMS: [&str; 4] = [
    "hello-tools-1.1~rc1-2.x86_64.rpm",
    "hello-noarch-0.5^git3-1.noarch.rpm",
    "clash-one-1-1.noarch.rpm",
    "payload-xz-1-1.noarch.rpm",
];

/// Packages and an overlay of many files, two stores apart from each other, one cache.
struct Kitchen(Scratch);

impl Kitchen {
    fn new() -> Self {
        let kitchen = Self(Scratch::new());
        kitchen.overlay(0);
        kitchen
    }

    /// Writes the files of the overlay; those of another `edition` differ in one of them.
    fn overlay(&self, edition: u64) {
        let directory = self.0.join("tree/usr/share/many");
        fs::create_dir_all(&directory).unwrap();
        for number in 0..120_u64 {
            let seed = number + 1000 * edition * u64::from(number == 60);
            let mut state = seed + 1;
            let mut byte = || {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (state >> 61) as u8
            };
            let length = 50 + number * 97;
            let bytes: Vec<u8> = (0..length).map(|_| byte()).collect();
            fs::write(directory.join(format!("{number:03}")), bytes).unwrap();
        }
    }

    fn command(&self, store: &str, more: &[&str]) -> Command {
        let mut command = program();
        command
            .args(["--match", "any", "--allow", "unchecked-base"])
            .args(["--name", "n", "--image-version", "1"])
            .args(["--overlay", "tree", "--cache-dir", "cache", "-o", store])
            .args(more)
            .args(RPMS.map(fixture))
            .env("XDG_STATE_HOME", self.0.join("state"))
            .current_dir(self.0.path());
        if !more.contains(&"--block-size") {
            command.args(["--block-size", "4K"]);
        }
        command
    }

    fn build(&self, store: &str, more: &[&str]) -> Output {
        self.command(store, more).output().unwrap()
    }

    /// Builds into a new store; returns its files, and what was said.
    fn made(&self, more: &[&str]) -> (BTreeMap<String, Vec<u8>>, String) {
        let _ = fs::remove_dir_all(self.0.join("store"));
        let outcome = self.build("store", more);
        let said = text(&outcome.stderr);
        assert!(outcome.status.success(), "{more:?}: {said}");
        (files(&self.0.join("store")), said)
    }

    fn kept(&self, part: &str) -> Vec<PathBuf> {
        let directory = self.0.join("cache").join(part);
        let names = names(&directory).into_iter();
        names.map(|name| directory.join(name)).collect()
    }
}

fn files(directory: &Path) -> BTreeMap<String, Vec<u8>> {
    let names = names(directory).into_iter();
    names
        .map(|name| (name.clone(), fs::read(directory.join(name)).unwrap()))
        .collect()
}

/// Returns how much was taken from the cache, in the words of the report.
fn taken(said: &str) -> Option<&str> {
    let line = said.lines().find(|line| line.starts_with("pack "))?;
    let (before, _) = line.split_once(" taken from the cache")?;
    before.rsplit(", ").next()
}

const KEEP: &str = "--block-cache=1G";

#[test]
fn an_image_of_kept_blocks_is_the_same() {
    let kitchen = Kitchen::new();
    let (expected, said) = kitchen.made(&[]);
    assert_eq!(taken(&said), None);
    assert!(!kitchen.0.join("cache").exists());
    let mut known = Vec::new();
    for (round, jobs) in ["-j1", "-j2", "-j8", "-j16", "-j1"].into_iter().enumerate() {
        let (files, said) = kitchen.made(&[KEEP, jobs]);
        assert!(files == expected, "{jobs}");
        let all = (round > 0).then(|| "1.2 MiB".to_owned());
        assert_eq!(taken(&said).map(str::to_owned), all, "{said}");
        // What is taken is not written again.
        let paths = kitchen.kept("blocks").into_iter();
        let inodes: Vec<_> = paths.map(|path| path.metadata().unwrap().ino()).collect();
        assert!(round == 0 || inodes == known, "{jobs}");
        known = inodes;
    }
    // Another compressor or block size has blocks of its own.
    for other in [["--compression", "zstd:3"], ["--block-size", "8K"]] {
        let (expected, _) = kitchen.made(&other);
        for is_kept in [false, true] {
            let (files, said) = kitchen.made(&[&other[..], &[KEEP]].concat());
            assert!(files == expected, "{other:?}");
            assert_eq!(taken(&said).is_some(), is_kept, "{other:?}: {said}");
        }
    }
    // Neither is believed what another user wrote, who has another key.
    fs::rename(kitchen.0.join("state"), kitchen.0.join("other")).unwrap();
    let (files, said) = kitchen.made(&[KEEP]);
    assert!(files == expected);
    assert_eq!(taken(&said), None);
}

#[test]
fn a_change_costs_little_more_than_itself() {
    let kitchen = Kitchen::new();
    kitchen.made(&[KEEP]);
    let before = kitchen.kept("blocks");
    kitchen.overlay(1);
    let (expected, _) = kitchen.made(&[]);
    let (files, said) = kitchen.made(&[KEEP]);
    assert!(files == expected);
    assert!(taken(&said).is_some(), "{said}");
    let after = kitchen.kept("blocks");
    let new = after.len() - before.len();
    assert!((1..=4).contains(&new), "{new} new of {}", after.len());
}

#[test]
fn whatever_is_wrong_with_what_is_kept() {
    let kitchen = Kitchen::new();
    let (expected, _) = kitchen.made(&[KEEP]);
    for part in ["blocks", "payloads"] {
        for path in kitchen.kept(part) {
            let whole = fs::read(&path).unwrap();
            let mut changes = vec![Vec::new(), whole[..whole.len() / 2].to_vec()];
            for at in [0, 5, whole.len() / 2, whole.len() - 1] {
                let mut changed = whole.clone();
                changed[at] ^= 0x10;
                changes.push(changed);
            }
            // One change for each, or this would take long.
            let number = usize::from(whole[whole.len() - 1]) % changes.len();
            fs::write(&path, &changes[number]).unwrap();
        }
        let (files, said) = kitchen.made(&[KEEP]);
        assert!(files == expected, "{part}: {said}");
        // By then all is as it was.
        let (files, said) = kitchen.made(&[KEEP]);
        assert!(files == expected);
        assert_eq!(taken(&said), Some("1.2 MiB"), "{part}: {said}");
    }
    // One unit or package alone is damaged, while all others are good.
    for path in kitchen
        .kept("blocks")
        .into_iter()
        .chain(kitchen.kept("payloads"))
        .step_by(9)
    {
        fs::write(&path, b"").unwrap();
        let (files, said) = kitchen.made(&[KEEP, "-j2"]);
        assert!(files == expected, "{}: {said}", path.display());
    }
    // One stands under the name of another.
    let paths = kitchen.kept("blocks");
    fs::copy(&paths[0], &paths[1]).unwrap();
    assert!(kitchen.made(&[KEEP]).0 == expected);
}

#[test]
fn no_more_is_kept_than_was_typed() {
    let kitchen = Kitchen::new();
    let (expected, _) = kitchen.made(&[]);
    for (limit, bytes) in [("100K", 100 << 10), ("1", 1), ("300k", 300 << 10)] {
        let (files, _) = kitchen.made(&["--block-cache", limit]);
        assert!(files == expected, "{limit}");
        let sizes = kitchen.kept("blocks").into_iter();
        let all: u64 = sizes.map(|path| path.metadata().unwrap().size()).sum();
        assert!(all <= bytes, "{limit}: {all}");
        assert!(bytes < 1000 || all > bytes / 2, "{limit}: {all}");
    }
    for wrong in ["", "x", "-1", "1P", "99999999999999T"] {
        let outcome = kitchen.build("store", &[&format!("--block-cache={wrong}")]);
        assert_eq!(outcome.status.code(), Some(2), "{wrong}");
    }
}

/// What dies leaves a cache that serves the next; two at once serve each other.
#[test]
fn killed_builds_and_builds_at_once() {
    let kitchen = Kitchen::new();
    let (expected, _) = kitchen.made(&[]);
    let mut killed = 0;
    for round in 0..100_u64 {
        if round % 10 == 0 {
            let _ = fs::remove_dir_all(kitchen.0.join("cache"));
        }
        let _ = fs::remove_dir_all(kitchen.0.join("store"));
        let mut build = kitchen.command("store", &[KEEP]);
        let mut child = build.stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * 7919 % 150));
        let _ = child.kill();
        killed += u32::from(!child.wait().unwrap().success());
        if round % 5 == 4 {
            assert!(kitchen.made(&[KEEP]).0 == expected, "round {round}");
        }
    }
    assert!(killed > 0);
    let _ = fs::remove_dir_all(kitchen.0.join("cache"));
    let stores = ["one", "two", "three"];
    let children = stores.map(|store| {
        let mut build = kitchen.command(store, &[KEEP]);
        build.stderr(Stdio::null()).spawn().unwrap()
    });
    for (store, mut child) in stores.into_iter().zip(children) {
        assert!(child.wait().unwrap().success());
        assert!(files(&kitchen.0.join(store)) == expected, "{store}");
    }
}

/// A disk that is full under the cache costs what would have been kept, and nothing else.
#[test(root(), programs!("unshare", "sh", "mount"))]
fn a_full_disk_under_the_cache() {
    let kitchen = Kitchen::new();
    let (expected, _) = kitchen.made(&[]);
    for kib in [16, 64, 200] {
        let _ = fs::remove_dir_all(kitchen.0.join("store"));
        fs::create_dir_all(kitchen.0.join("cache")).unwrap();
        let build = kitchen.command("store", &[KEEP]);
        let script = format!(
            "mount -t tmpfs -o size={kib}k,mode=0700 none cache || exit 99
             \"$@\""
        );
        let outcome = Command::new("unshare")
            .args(["-m", "sh", "-c", &script, "sh"])
            .arg(build.get_program())
            .args(build.get_args())
            .envs(
                build
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .current_dir(kitchen.0.path())
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        assert!(outcome.status.success(), "{kib} KiB: {said}");
        let note = "note      not all blocks are kept for other images: ";
        assert!(said.contains(note), "{kib} KiB: {said}");
        assert!(files(&kitchen.0.join("store")) == expected, "{kib} KiB");
    }
}

/// A cache that others can write to is not used, and the image is made without it.
#[test]
fn a_cache_that_is_not_this_users_alone() {
    let kitchen = Kitchen::new();
    let (expected, _) = kitchen.made(&[KEEP]);
    let open = |path: &str, mode| {
        let mode = fs::Permissions::from_mode(mode);
        fs::set_permissions(kitchen.0.join(path), mode).unwrap();
    };
    for (path, own) in [
        ("cache", 0o700),
        ("cache/blocks", 0o700),
        ("state/sysext-build/cache.key", 0o600),
    ] {
        open(path, own | 0o022);
        let (files, said) = kitchen.made(&[KEEP]);
        assert!(files == expected, "{path}");
        assert!(taken(&said).is_none(), "{path}: {said}");
        let note = "note      not all blocks are kept for other images: the cache can't be trusted";
        assert!(said.contains(note), "{path}: {said}");
        open(path, own);
    }
    assert!(taken(&kitchen.made(&[KEEP]).1).is_some());
}

/// The same of packages by others, whose payloads go otherwise than their headers.
#[test(CORPUS)]
fn packages_by_others() {
    let scratch = Scratch::new();
    let directory = CORPUS.path().join("rpms");
    let mut made = 0;
    for name in names(&directory) {
        let package = directory.join(&name);
        if package.metadata().unwrap().len() > 3 << 20 || !name.ends_with(".rpm") {
            continue;
        }
        let build = |store: &str, more: &[&str]| {
            let _ = fs::remove_dir_all(scratch.join(store));
            let outcome = program()
                .args(["--match", "any", "--cache-dir", "cache", "-o", store])
                .args(["--allow", "unchecked-base"])
                .args(more)
                .arg(&package)
                .current_dir(scratch.path())
                .output()
                .unwrap();
            let said = text(&outcome.stderr);
            (
                outcome
                    .status
                    .success()
                    .then(|| files(&scratch.join(store))),
                said,
            )
        };
        let (Some(expected), _) = build("plain", &[]) else {
            continue;
        };
        made += 1;
        for more in [[KEEP, "-j2"], [KEEP, "-j1"], [KEEP, "-j2"]] {
            let (found, said) = build("kept", &more);
            assert!(
                found.is_some_and(|found| found == expected),
                "{name} {more:?}: {said}"
            );
        }
    }
    assert!(made > 20, "{made} packages");
}
