//! A store in which many builds are at work and killed, as one of the real clients sees it.
//!
//! The store's crate has this test too, with its own code as builders and reader, which meet each
//! other more often. Here the builders are the program, and the reader is `systemd-sysupdate`, by
//! way of a web server.

use std::collections::BTreeSet;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};
use std::{fs, thread};

use crate::client::{CLIENT_257, Client, client};
use crate::sysupdate::{build_of, define, signing};
use crate::workshop::{Scratch, json, output_of, run, text};

const BUILDERS: usize = 8;
const KILLS: usize = 300;
/// Answers of the client before the builders may stop.
const POLLS: usize = 40;
/// How often in a row the client may come between a list and its signature. An answer takes it
/// about a quarter of a second.
const TRIES: usize = 5;
/// Builders pause for up to this many milliseconds. Without a pause there would be a new list
/// between nearly any two downloads, and the client could hardly get what belongs together.
const PAUSE: u64 = 300;
const LONGEST: Duration = Duration::from_secs(100);

/// What the client does: it asks until it is told to stop. A line of `answers` is its exit status,
/// the version that it prints, and all else that it says.
const POLL: &str = r#"
mkdir -p /etc/sysupdate.n0.d /var/lib/sysext-store
cp "$HERE"/store/sysupdate.n0.d/* /etc/sysupdate.n0.d/
sed -i "s|@@STORE_URL@@|$STORE_URL|" /etc/sysupdate.n0.d/*
cp "$HERE"/store/import-pubring.gpg /etc/systemd/ || :
set +ex
until [ -e "$HERE/stop" ]; do
    version=$(timeout 25 systemd-sysupdate -C n0 check-new 2> /tmp/said)
    echo "$?|$version|$(tr '\n' ' ' < /tmp/said)" >> "$HERE/answers"
done
"#;

/// What is done in the end, also when the test fails.
struct Finally<F: Fn()>(F);

impl<F: Fn()> Drop for Finally<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Numbers that look random (Marsaglia's xorshift, 2003) and are the same in each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

/// A crowd's store, and what came of it.
struct Crowd {
    scratch: Scratch,
    store: PathBuf,
    options: Vec<String>,
    random: Random,
    /// Names of builders, and the version that each is at: all before were reported as added.
    builders: Vec<(String, usize)>,
    images: usize,
    kills: usize,
    /// Builds that found no space.
    full: usize,
    /// Times at which a killed build had left files, and the mark that says what belongs in place.
    left: [usize; 2],
    /// Microseconds that the last build took that was left alone.
    usual: u64,
}

impl Crowd {
    fn build(&self, store: &Path, name: &str, version: usize) -> Command {
        build_of(
            &self.scratch.join("tree"),
            store,
            name,
            &version.to_string(),
        )
    }

    /// The client's answers so far.
    fn answers(&self) -> String {
        fs::read_to_string(self.scratch.join("answers")).unwrap_or_default()
    }

    /// Starts all builders at once and kills them at any moment of their work.
    fn burst(&mut self) {
        let mut builds = Vec::new();
        for number in 0..BUILDERS {
            let (name, version) = &self.builders[number];
            let mut command = self.build(&self.store, name, *version);
            let command = command.args(&self.options).stdout(Stdio::null());
            let child = command.stderr(Stdio::piped()).spawn().unwrap();
            let delay = Duration::from_micros(self.random.below(self.usual * 5 / 4));
            let delay = (self.kills + number < KILLS).then_some(delay);
            builds.push((number, child, Instant::now(), delay));
        }
        while !builds.is_empty() {
            thread::sleep(Duration::from_micros(200));
            let mut left = Vec::new();
            for (number, mut child, started, delay) in builds {
                let took = started.elapsed();
                if child.try_wait().unwrap().is_none() {
                    if delay.is_none_or(|delay| took < delay) {
                        left.push((number, child, started, delay));
                        continue;
                    }
                    child.kill().unwrap();
                }
                let outcome = child.wait_with_output().unwrap();
                let said = text(&outcome.stderr);
                if outcome.status.signal() == Some(9) {
                    self.kills += 1;
                } else if outcome.status.success() {
                    self.images += 1;
                    self.builders[number].1 += 1;
                    self.usual = u64::try_from(took.as_micros()).unwrap();
                } else {
                    assert!(said.contains("No space left on device"), "{said}");
                    self.full += 1;
                }
            }
            builds = left;
        }
    }

    /// The identifiers of what `store verify` finds, except for what is always so.
    fn findings(&self, options: &[&str]) -> BTreeSet<String> {
        let store = self.store.to_str().unwrap();
        let outcome = run(["store", "verify", "--json", store].iter().chain(options));
        let found = json(&outcome)["directories"][0]["findings"].clone();
        let ids = found.as_array().unwrap().iter();
        let mut ids: BTreeSet<_> = ids
            .map(|finding| finding["id"].as_str().unwrap().to_owned())
            .collect();
        let is_signed = self.options.iter().any(|option| option == "--sign-key");
        assert_eq!(ids.remove("unsigned"), !is_signed);
        // Those that came after the definitions were written.
        ids.remove("definition-missing");
        ids
    }

    /// Checks that only leftovers are in the store, and now and then that they can be removed.
    /// Killed between the renames, a build leaves a mark and the signature of a list to come.
    fn examine(&mut self) {
        let found = self.findings(&[]);
        let is_half = found.contains("half-published");
        self.left[0] += usize::from(found.contains("leftover"));
        self.left[1] += usize::from(is_half);
        let of_half = ["half-published", "signature-invalid", "not-listed"];
        let is_expected =
            |id: &&String| *id == "leftover" || is_half && of_half.contains(&id.as_str());
        assert_eq!(found.iter().find(|id| !is_expected(id)), None);
        if self.random.below(3) == 0 {
            self.findings(&["--fix"]);
            assert_eq!(self.findings(&[]), BTreeSet::new());
        }
    }

    /// Checks what the client said, and returns how often it came between list and signature.
    fn check_answers(&self) -> usize {
        let (mut newest, mut failed, mut in_a_row) = (0, 0, 0);
        for answer in self.answers().lines() {
            let (code, rest) = answer.split_once('|').unwrap();
            let (version, said) = rest.split_once('|').unwrap();
            if code == "0" {
                let version: usize = version.parse().unwrap();
                assert!(version >= newest, "{version} after {newest}");
                (newest, in_a_row) = (version, 0);
                continue;
            }
            // Nothing else is ever wrong: no list that is missing or cut off, no unknown key.
            assert!(said.contains("BAD signature"), "{answer}");
            (failed, in_a_row) = (failed + 1, in_a_row + 1);
            assert!(in_a_row < TRIES, "the signature does not come");
        }
        failed
    }

    /// Checks that each image that was reported is in the list and what a build alone makes.
    fn check_images(&self) {
        // A signed list has its own number, too, which is the name of no file.
        let mut check = Command::new("sh");
        check.args([
            "-c",
            "grep -v '  SERIAL-' SHA256SUMS | sha256sum --check --strict",
        ]);
        output_of(check.current_dir(&self.store));
        let list = fs::read_to_string(self.store.join("SHA256SUMS")).unwrap();
        let alone = self.scratch.join("alone");
        for (name, versions) in &self.builders {
            for version in 1..*versions {
                output_of(self.build(&alone, name, version).args(&self.options[..2]));
                let image = format!("{name}-{version}.x86-64.raw");
                assert!(list.contains(&format!("  {image}\n")), "{image}");
                let bytes = fs::read(alone.join(&image)).unwrap();
                assert!(bytes == fs::read(self.store.join(&image)).unwrap());
            }
        }
    }
}

/// Lets a crowd add `wanted` images with a file of `size` bytes, on a disk of 20 MB if `is_full`.
#[expect(clippy::print_stderr, reason = "numbers that are chance, to be seen")]
fn crowd(seed: u64, wanted: usize, size: usize, is_signed: bool, is_full: bool) {
    let scratch = Scratch::new();
    let store = scratch.join("store");
    fs::create_dir_all(scratch.join("tree/usr/share")).unwrap();
    fs::create_dir(&store).unwrap();
    let mut random = Random(seed);
    let noise: Vec<_> = (0..size)
        .map(|_| u8::try_from(random.below(256)).unwrap())
        .collect();
    fs::write(scratch.join("tree/usr/share/crowd"), noise).unwrap();
    let mut options = vec!["--compression".to_owned(), "lz4".to_owned()];
    if is_signed {
        options.extend(signing(&scratch));
    }
    let builders = (0..BUILDERS).map(|number| (format!("n{number}"), 1));
    let mut crowd = Crowd {
        builders: builders.collect(),
        scratch,
        store,
        options,
        random,
        images: 0,
        kills: 0,
        full: 0,
        left: [0, 0],
        usual: 20_000,
    };
    // Unmounted before the crowd's scratch directory goes, which could not go else.
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=20m,mode=0755", "none"]);
    let _mounted = is_full.then(|| {
        output_of(mount.arg(&crowd.store));
        let store = crowd.store.clone();
        Finally(move || drop(Command::new("umount").arg("-l").arg(&store).status()))
    });
    output_of(crowd.build(&crowd.store, "n0", 0).args(&crowd.options));
    let is_key = |option: &&String| *option == "--sign-key";
    let at = crowd.options.iter().position(|option| is_key(&option));
    let key = at.map_or(&[][..], |at| &crowd.options[at..at + 2]);
    define(&crowd.store, "@@STORE_URL@@", key);
    let here = format!("HERE='/run/host{}'\n", crowd.scratch.path().display());
    let phase = crowd.scratch.join("poll.client");
    fs::write(&phase, here + POLL).unwrap();
    let poller = Client::of(CLIENT_257);
    let (store, stop) = (crowd.store.clone(), crowd.scratch.join("stop"));
    let begun = Instant::now();
    thread::scope(|scope| {
        let _stop = Finally(|| fs::write(&stop, "").unwrap());
        let reader = scope.spawn(|| {
            let outcome = client(&poller.tree, &store, std::slice::from_ref(&phase), false);
            assert!(outcome.status.success(), "{}", text(&outcome.stdout));
        });
        // A client that has ended has failed.
        while !reader.is_finished()
            && (crowd.images < wanted
                || crowd.kills < KILLS
                || crowd.answers().lines().count() < POLLS
                || is_full && crowd.full == 0)
        {
            let (images, kills) = (crowd.images, crowd.kills);
            assert!(begun.elapsed() < LONGEST, "{images} images, {kills} kills");
            crowd.burst();
            crowd.examine();
            thread::sleep(Duration::from_millis(crowd.random.below(PAUSE)));
        }
    });
    let (polls, failed) = (crowd.answers().lines().count(), crowd.check_answers());
    assert!(is_signed || failed == 0);
    crowd.findings(&["--fix"]);
    assert_eq!(crowd.findings(&[]), BTreeSet::new());
    crowd.check_images();
    eprintln!(
        "{} images, {} kills, {} builds without space; {polls} polls, {failed} of them in the \
         window; {:?} times leftovers, half published",
        crowd.images, crowd.kills, crowd.full, crowd.left
    );
}

#[test(CLIENT_257, program("sha256sum"))]
fn a_client_of_an_unsigned_store_is_always_answered() {
    crowd(88_172_645_463_325_252, 200, 9, false, false);
}

#[test(CLIENT_257, program("sha256sum"))]
fn a_client_of_a_signed_store_waits_for_the_signature_at_most() {
    crowd(2_463_534_242, 200, 9, true, false);
}

#[test(CLIENT_257, programs!("sha256sum", "mount", "umount"))]
fn a_client_of_a_store_that_fills_up() {
    crowd(123_456_789, 100, 150_000, true, true);
}
