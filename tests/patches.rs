//! `store delta`, and what `pull` makes of its patches.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use crate::pull::{NEW, OLD, Update, noise};
use crate::server::Fault;
use crate::workshop::{json, names, text};

const PATCH: &str = "n-2.x86-64.from-1.patch";

/// An update by a few bytes of one file, with its patch.
fn update() -> Update {
    let mut contents = noise(20, 40_000);
    contents[20_000..20_004].copy_from_slice(b"four");
    let update = Update::to(&contents);
    let said = update.succeed(&["store", "delta", "store"]);
    assert!(said.contains("new: 1 patch"), "{said}");
    update.server.load(&update.scratch.join("store"), "/store");
    update.server.sent();
    update
}

#[test]
fn a_patch_is_all_that_is_fetched() {
    let update = update();
    let patch = update.size(PATCH);
    assert!(
        patch * 100 < update.size(NEW),
        "{patch} of {}",
        update.size(NEW)
    );
    let answer = json(&update.pull(&["--json"]));
    assert!(update.has_new());
    assert_eq!(
        (answer["is_patched"].as_bool(), answer["fetched"].as_u64()),
        (Some(true), Some(patch as u64)),
        "{answer}"
    );
    let index = update.size(&NEW.replace(".raw", ".blocks"));
    let others = update.size("SHA256SUMS") + index;
    assert_eq!(update.server.sent(), patch + others);
    update.reset();
    let said = text(&update.pull(&[]).stderr);
    assert!(
        said.contains("in a patch, ") && said.contains(" saved"),
        "{said}"
    );

    // Nothing is left to do, the same images give the same patch, and it belongs to its image.
    let said = update.succeed(&["store", "delta", "store"]);
    assert!(said.contains("no new patches"), "{said}");
    let good = fs::read(update.stored(PATCH)).unwrap();
    assert!(
        !update
            .succeed(&["store", "verify", "store"])
            .contains(".patch")
    );
    update.succeed(&["store", "merge", "store", "--into", "copy"]);
    assert!(fs::read(update.scratch.join("copy").join(PATCH)).unwrap() == good);
    fs::write(update.stored(PATCH), b"x").unwrap();
    update.succeed(&["store", "delta", "store", "n"]);
    assert!(fs::read(update.stored(PATCH)).unwrap() == good);
    update.succeed(&["store", "remove", "store", NEW]);
    assert!(!names(&update.scratch.join("store")).contains(&PATCH.to_owned()));
    let list = fs::read_to_string(update.stored("SHA256SUMS")).unwrap();
    assert!(!list.contains(".patch"), "{list}");
}

/// Three versions with indexes and patches between them; and what each verb leaves. A patch belongs to
/// the image that it makes: clients may have the older one for longer than the store.
#[test]
fn indexes_and_patches_go_with_their_image() {
    let update = update();
    let three = "n-3.x86-64.raw";
    let mut contents = noise(20, 40_000);
    contents[20_000..20_005].copy_from_slice(b"three");
    fs::write(update.scratch.join("tree/usr/share/n/20"), contents).unwrap();
    update.build("3", &[]);
    update.succeed(&["store", "index", "store"]);
    let said = update.succeed(&["store", "delta", "store", "--from", "2"]);
    assert!(said.contains("new: 2 patches"), "{said}");
    let one = &["blocks", "manifest.gz", "raw"].map(|end| format!("n-1.x86-64.{end}"))[..];
    let of = |version: &str, ends: &[&str]| {
        let ends = [&["blocks", "manifest.gz", "raw"], ends].concat();
        let names = ends
            .into_iter()
            .map(|end| format!("n-{version}.x86-64.{end}"));
        names.collect::<Vec<_>>()
    };
    let (two, last) = (
        of("2", &["from-1.patch"]),
        of("3", &["from-1.patch", "from-2.patch"]),
    );
    let all = [one, &two, &last].concat();
    for (verb, into, left) in [
        (
            &["store", "promote", "store", "to", three][..],
            "to",
            last.clone(),
        ),
        (&["store", "promote", "store", "to", NEW], "to", two.clone()),
        // All that is newer than what is there.
        (&["store", "promote", "store", "to", "n"], "to", all.clone()),
        (
            &["store", "merge", "store", "--into", "to"],
            "to",
            all.clone(),
        ),
        (
            &["store", "remove", "copy", OLD],
            "copy",
            [&two[..], &last].concat(),
        ),
        (
            &["store", "remove", "copy", NEW],
            "copy",
            [one, &last].concat(),
        ),
        (
            &["store", "remove", "copy", three],
            "copy",
            [one, &two].concat(),
        ),
        (
            &["store", "prune", "copy", "--keep", "1"],
            "copy",
            last.clone(),
        ),
        (
            &["store", "prune", "copy", "--keep", "2"],
            "copy",
            [&two[..], &last].concat(),
        ),
        (
            &["store", "prune", "copy", "--keep", "1", "--dry-run"],
            "copy",
            all.clone(),
        ),
        (
            &["store", "remove", "copy", "n", "--empty", "--dry-run"],
            "copy",
            all.clone(),
        ),
        (
            &["store", "remove", "copy", "n", "--empty"],
            "copy",
            Vec::new(),
        ),
    ] {
        for store in ["copy", "to"] {
            let store = update.scratch.join(store);
            let _ = fs::remove_dir_all(&store);
            fs::create_dir(&store).unwrap();
        }
        for name in names(&update.scratch.join("store")) {
            fs::copy(
                update.stored(&name),
                update.scratch.join("copy").join(&name),
            )
            .unwrap();
        }
        update.succeed(verb);
        has_just(&update, into, left, verb);
    }
}

/// Makes sure that a store has these files of images, as they were, lists them, and is found to be right.
fn has_just(update: &Update, into: &str, mut left: Vec<String>, verb: &[&str]) {
    let store = update.scratch.join(into);
    left.sort();
    let mut files = names(&store);
    files.retain(|name| name.starts_with("n-"));
    assert_eq!(files, left, "{verb:?}");
    let list = fs::read_to_string(store.join("SHA256SUMS")).unwrap();
    let mut listed: Vec<_> = list.lines().map(|line| line[66..].to_owned()).collect();
    listed.retain(|name| name.starts_with("n-"));
    listed.sort();
    assert_eq!(listed, left, "{verb:?}");
    for name in &left {
        let bytes = fs::read(store.join(name)).unwrap();
        let is_same = bytes == fs::read(update.stored(name)).unwrap();
        assert!(is_same, "{verb:?}: {name}");
    }
    let verify = ["store", "verify", into];
    let verified = update.command(&verify).output().unwrap();
    let said = text(&verified.stdout) + &text(&verified.stderr);
    assert!(verified.status.success(), "{verb:?}: {said}");
    let is_named = said.contains(".patch") || said.contains(".blocks");
    assert!(!is_named, "{verb:?}: {said}");
}

/// What is made after an image was promoted comes with the next time, and what is there stays.
#[test]
fn a_patch_comes_after_its_image() {
    let update = update();
    let promote = ["store", "promote", "store", "to", NEW];
    let index = "n-2.x86-64.blocks";
    let path = |name: &str| update.scratch.join("to").join(name);
    let good = fs::read(update.stored(PATCH)).unwrap();
    for (lost, left) in [(&[PATCH][..], Some(index)), (&[PATCH, index], None)] {
        let _ = fs::remove_dir_all(update.scratch.join("to"));
        update.succeed(&promote);
        let whole = fs::read_to_string(path("SHA256SUMS")).unwrap();
        let is_lost = |line: &&str| lost.iter().any(|name| line.contains(name));
        let lines = whole.split_inclusive('\n');
        let bare: String = lines.filter(|line| !is_lost(line)).collect();
        fs::write(path("SHA256SUMS"), &bare).unwrap();
        for name in lost {
            fs::remove_file(path(name)).unwrap();
        }
        assert_eq!(path(index).exists(), left.is_some());
        let foreseen = [&promote[..], &["--dry-run"]].concat();
        let outcome = update.command(&foreseen).output().unwrap();
        let said = text(&outcome.stdout);
        assert!(said.contains("would complete  n-2.x86-64.raw"), "{said}");
        assert_eq!(fs::read_to_string(path("SHA256SUMS")).unwrap(), bare);
        let said = update.succeed(&promote);
        assert!(said.contains("completed with what belongs to it"), "{said}");
        assert!(fs::read(path(PATCH)).unwrap() == good);
        assert!(path(index).exists());
        assert_eq!(fs::read_to_string(path("SHA256SUMS")).unwrap(), whole);
        let outcome = update.command(&promote).output().unwrap();
        let said = text(&outcome.stdout);
        assert!(said.contains("0 new, 1 unchanged"), "{said}");
        update.succeed(&["store", "verify", "to"]);
    }
}

/// What belongs to bytes that were replaced goes with them.
#[test]
fn an_image_that_is_replaced_has_no_patch() {
    let update = update();
    fs::write(update.scratch.join("tree/usr/share/n/03"), b"other").unwrap();
    update.build("2", &["--replace"]);
    let list = fs::read_to_string(update.stored("SHA256SUMS")).unwrap();
    for name in [PATCH, "n-2.x86-64.blocks"] {
        assert!(!list.contains(name), "{list}");
        assert!(!update.stored(name).exists(), "{name}");
    }
    update.succeed(&["store", "verify", "store"]);
}

/// The hashes and the signature of a signed disk image are in its patch.
#[test]
fn a_patch_makes_a_signed_disk_image() {
    let [key, certificate] = ["image.key.pem", "image.crt"].map(|name| {
        crate::workshop::fixture("keys")
            .join(name)
            .display()
            .to_string()
    });
    let mut contents = noise(20, 40_000);
    contents[20_000..20_004].copy_from_slice(b"four");
    let options = [
        "--format",
        "ddi",
        "--verity-key",
        &key,
        "--verity-cert",
        &certificate,
    ];
    let update = Update::built(&[(20, contents)], &options);
    let said = update.succeed(&["store", "delta", "store"]);
    assert!(said.contains("new: 1 patch"), "{said}");
    update.server.load(&update.scratch.join("store"), "/store");
    let image = fs::read(update.stored(NEW)).unwrap();
    assert_eq!(&image[512..520], b"EFI PART");
    let patch = update.size(PATCH) as u64;
    assert!(patch * 20 < image.len() as u64, "{patch}");
    let answer = json(&update.pull(&["--json"]));
    assert!(update.has_new());
    assert_eq!(answer["is_patched"], true, "{answer}");
    assert_eq!(answer["fetched"], patch, "{answer}");
    assert_eq!(
        answer["sha256"],
        crate::workshop::sha256sum(&update.image(NEW))
    );
    // Where the patch can't be had, blocks make the same.
    update.reset();
    update
        .server
        .always(&format!("/store/{PATCH}"), Fault::Status(404));
    let answer = json(&update.pull(&["--json"]));
    assert!(update.has_new() && answer["is_patched"].is_null());
    assert!(answer["fetched"].as_u64().unwrap() > 2 * patch, "{answer}");
}

/// Where a patch is of no use, the image is made of blocks; and it is the right one.
#[test]
fn whatever_becomes_of_a_patch() {
    let update = update();
    let path = format!("/store/{PATCH}");
    let good = fs::read(update.stored(PATCH)).unwrap();
    let refused = |what: &str, words: &str| {
        let outcome = update.pull(&[]);
        let said = text(&outcome.stderr);
        assert!(
            outcome.status.success() && update.has_new(),
            "{what}: {said}"
        );
        assert!(
            said.contains(words) && said.contains("made of its blocks"),
            "{what}: {said}"
        );
        update.reset();
    };
    update.server.always(&path, Fault::Status(404));
    refused("gone", "is not there");
    update.server.always(&path, Fault::Status(500));
    refused("a server that fails", "can't be fetched: ");
    let mut other = good.clone();
    *other.last_mut().unwrap() ^= 1;
    update.server.put(&path, &other);
    refused("damaged", "is not the listed file");
    // The image that is there is not what it was.
    let mut bytes = fs::read(update.stored(OLD)).unwrap();
    bytes[300_000] ^= 1;
    fs::write(update.image(OLD), &bytes).unwrap();
    refused(
        "a damaged image",
        "makes other bytes of the image that is there",
    );
    fs::write(update.image(OLD), &bytes[..4096]).unwrap();
    refused(
        "a short image",
        "does not fit the older image: it has another length",
    );

    // What lies beside the list can't be signed, so it can't be a lie; a list without it is as before.
    let outcome = update
        .command(&["store", "delta", "store", "m"])
        .output()
        .unwrap();
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(said.contains("error: store has no extension m"), "{said}");
}

#[test]
fn killed_pulls_with_a_patch() {
    let update = update();
    let path = format!("/store/{PATCH}");
    let mut killed = 0;
    for round in 0..60_u64 {
        update.reset();
        update.server.always(&path, Fault::Slow(100));
        let mut command = update.pull_command(&[]);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * 7919 % 90));
        let _ = child.kill();
        killed += u32::from(!child.wait().unwrap().success());
        update.has_new();
        update.server.recover();
        let outcome = update.pull(&[]);
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
        assert!(update.has_new());
    }
    assert!(killed > 0);
}

/// Patches that save nothing are not kept, and that is said; images without a patch come by blocks.
#[test]
fn a_patch_that_saves_little_is_none() {
    let update = Update::to(&noise(500, 200_000));
    let said = update.succeed(&["store", "delta", "store"]);
    assert!(
        said.contains("no patch from n-1.x86-64.raw to n-2.x86-64.raw: it would have "),
        "{said}"
    );
    assert!(said.contains("no new patches"), "{said}");
    assert!(!names(&update.scratch.join("store")).contains(&PATCH.to_owned()));
    assert!(update.pull(&[]).status.success() && update.has_new());
}
