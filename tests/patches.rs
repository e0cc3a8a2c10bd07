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
    assert_eq!(update.server.sent(), patch + update.size("SHA256SUMS"));
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
