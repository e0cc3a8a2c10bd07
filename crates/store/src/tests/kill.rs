//! Builds that are killed at any moment.

use std::fs;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use manifest::Manifest;

use super::{Scratch, add, content, publication, sha256};
use crate::{Error, Listing, Store, Temporary};

/// Two children are killed in each round.
const ROUNDS: u64 = 60;

/// An image that shows by itself whether it is complete: 8 bytes decide the length and the rest.
fn image(seed: u64) -> Vec<u8> {
    let mut bytes = seed.to_le_bytes().to_vec();
    let mut state = seed | 1;
    for _ in 0..1000 + seed % 5000 {
        // Xorshift (Marsaglia, 2003).
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes
}

fn is_complete(bytes: &[u8]) -> bool {
    let seed = bytes.first_chunk().map(|seed| u64::from_le_bytes(*seed));
    seed.is_some_and(|seed| bytes == image(seed))
}

#[test]
#[ignore = "run by killed_builds_leave_a_list_that_holds, in a directory with a store"]
fn child_that_adds_until_it_is_killed() {
    let store = Store::open(Path::new("store")).unwrap();
    let process = u64::from(std::process::id());
    for step in 0.. {
        // Two of three are new names, one replaces a name that the other child replaces too.
        let seed = process * 1_000_003 + step;
        let (name, stem, replace) = if step % 3 == 2 {
            ("swap".to_owned(), format!("swap-{}", step % 2), true)
        } else {
            ("new".to_owned(), format!("new-{seed}"), false)
        };
        let publication = publication(&store, &name, &stem, &image(seed), replace);
        if replace {
            store.add(publication, Listing::default()).unwrap();
            let mut amend = |file: &mut Temporary, _: Option<&mut Manifest>| {
                file.rewind().unwrap();
                file.file().set_len(0).unwrap();
                file.write_all(&image(seed + 1)).unwrap();
                Ok::<_, Error>(())
            };
            // The other child may have been killed while it was not listed.
            let _ = store.amend(&format!("{stem}.raw"), &mut amend, Listing::default());
            continue;
        }
        // As many as come from other stores in one change.
        let more = (1..=step % 5).map(|number| {
            let stem = format!("more{number}-{seed}");
            super::publication(&store, &format!("more{number}"), &stem, &image(seed), false)
        });
        let all = std::iter::once(publication).chain(more).map(|mut one| {
            one.allow_older = true;
            one
        });
        (store.join(all.collect(), &[], Listing::default())).unwrap();
    }
}

/// A child that does not outlive a failed test.
struct Builder(Child);

impl Drop for Builder {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn spawn(dir: &Path) -> Builder {
    let name = "tests::kill::child_that_adds_until_it_is_killed";
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--quiet", name])
        .current_dir(dir)
        .stdout(Stdio::null())
        .spawn();
    Builder(child.unwrap())
}

fn kill(mut builder: Builder) {
    let ended = builder.0.try_wait().unwrap();
    assert_eq!(ended, None, "the child ended by itself");
}

/// Every listed file is there with its hash, and every image is complete; nothing else is left
/// but what the next transaction removes.
fn check(store: &Store) -> usize {
    let mut content = content(store.dir());
    content.remove("SHA256SUMS");
    let entries = store.entries().unwrap();
    for entry in &entries {
        let bytes = content[&entry.name].as_deref().unwrap();
        assert_eq!(entry.sha256, sha256(bytes), "{}", entry.name);
    }
    for (name, bytes) in &content {
        if name.ends_with(".raw") {
            assert!(is_complete(bytes.as_deref().unwrap()), "{name}");
        } else if !name.ends_with(".manifest.gz") {
            let fixed = ["new", "old-image", "old-manifest", "pending"];
            let is_fixed = |fixed| *name == format!(".sysext-build-{fixed}.tmp");
            assert!(fixed.into_iter().any(is_fixed), "{name}");
        }
    }
    entries.len()
}

#[test]
fn killed_builds_leave_a_list_that_holds() {
    let scratch = Scratch::new();
    let store = Store::create(&scratch.0.join("store")).unwrap();
    let mut longest = 0;
    for round in 0..20 * ROUNDS {
        // A busy machine lets the children do little between two kills.
        if round >= ROUNDS && longest > 20 {
            break;
        }
        let (one, two) = (spawn(&scratch.0), spawn(&scratch.0));
        // Odd steps, in microseconds, so that the kills fall everywhere.
        sleep(Duration::from_micros(3_000 + round * 7_919 % 40_000));
        kill(one);
        sleep(Duration::from_micros(round * 3_571 % 9_000));
        kill(two);
        longest = longest.max(check(&store));
    }
    assert!(
        longest > 20,
        "the children hardly added anything: {longest}"
    );

    add(&store, "last", "last-1", &image(0)).unwrap();
    check(&store);
    for entry in fs::read_dir(store.dir()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(!name.starts_with(".sysext-build-"), "{name}");
    }
}
