//! Many builders in one store, killed at random: what was reported as added is there, and readers
//! never meet a list that does not hold.

use std::collections::BTreeSet;
use std::fs;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use store::{Error, Examination, Listing, Publication, Severity, Store};

use crate::full_disk::{Mounted, TMPFS, mount};
use crate::workshop::{self, Scratch, gzip, hex, sha256, sign};

const BUILDERS: usize = 8;
const KILLS: usize = 300;
/// Images that must have been reported as added.
const IMAGES: usize = 200;
const LONGEST: Duration = Duration::from_secs(120);

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

/// The image of a builder in a version, `size` bytes long.
fn image(builder: &str, version: usize, size: usize) -> Vec<u8> {
    let text = format!("{builder} {version}\n");
    text.bytes().cycle().take(size).collect()
}

/// A manifest that sysextmgr takes.
fn manifest(name: &str, version: usize) -> Vec<u8> {
    gzip(
        format!(
            r#"{{"manifest_version":1,
                "config":{{"name":"{name}","version":"{version}","architecture":"x86-64"}},
                "extension":{{"ID":"_any","SYSEXT_VERSION_ID":"{version}","ARCHITECTURE":"x86-64"}}}}"#
        )
        .as_bytes(),
    )
}

fn add(store: &Store, name: &str, version: usize, size: usize, signed: bool) -> Result<(), Error> {
    let stem = format!("{name}-{version}.x86-64");
    let (mut file, mut list) = (store.temporary()?, store.temporary()?);
    let (bytes, json) = (image(name, version, size), manifest(name, version));
    let failed = |source| Error::Io {
        action: "write",
        path: PathBuf::from("temporary"),
        source,
    };
    file.write_all(&bytes).map_err(failed)?;
    list.write_all(&json).map_err(failed)?;
    let publication = Publication {
        name: name.to_owned(),
        image: (format!("{stem}.raw"), file, sha256(&bytes)),
        manifest: (format!("{stem}.manifest.gz"), list, sha256(&json)),
        attached: Vec::new(),
        replace: false,
        allow_older: false,
    };
    let listing = match signed {
        true => workshop::signed(),
        false => Listing::default(),
    };
    store.add(publication, listing).map(drop)
}

fn is_full(error: &Error) -> bool {
    matches!(error, Error::Io { source, .. } if source.kind() == ErrorKind::StorageFull)
}

/// Adds one version after the other, and writes down each that was added. `task` says who it is,
/// how large its images are, and whether the store is signed.
pub(super) fn child_that_builds_until_it_is_killed() {
    let task = fs::read_to_string("task").unwrap();
    let mut words = task.split_whitespace();
    let name = words.next().unwrap();
    let size = words.next().unwrap().parse().unwrap();
    let signed = words.next().unwrap() == "signed";
    let store = Store::open(Path::new("../store")).unwrap();
    let mut done = fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open("done")
        .unwrap();
    // What was written last may have been cut off, but a line of one number is written at once.
    let mut version = fs::read_to_string("done").unwrap().lines().count();
    loop {
        match add(&store, name, version, size, signed) {
            Ok(()) => {
                done.write_all(format!("{version}\n").as_bytes()).unwrap();
                version += 1;
            }
            Err(error) if is_full(&error) => std::thread::sleep(Duration::from_millis(2)),
            Err(error) => panic!("{error}"),
        }
    }
}

struct Builder {
    directory: PathBuf,
    name: String,
    size: usize,
    child: Option<Child>,
}

impl Builder {
    fn new(root: &Path, number: usize, size: usize, signed: bool) -> Builder {
        let name = format!("n{number}");
        let directory = root.join(&name);
        fs::create_dir(&directory).unwrap();
        let word = if signed { "signed" } else { "unsigned" };
        fs::write(directory.join("task"), format!("{name} {size} {word}")).unwrap();
        Builder {
            directory,
            name,
            size,
            child: None,
        }
    }

    fn start(&mut self) {
        let child = Command::new(std::env::current_exe().unwrap())
            .arg(crate::BUILDER)
            .current_dir(&self.directory)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            assert_eq!(child.try_wait().unwrap(), None, "{} ended", self.name);
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// How many versions were reported as added.
    fn reported(&self) -> usize {
        let done = fs::read_to_string(self.directory.join("done")).unwrap_or_default();
        done.lines().count()
    }
}

/// A builder that outlived a failed test would build for ever.
impl Drop for Builder {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Tells the reader to stop, also when the test fails: it would be waited for for ever.
struct Finally<'a>(&'a AtomicBool);

impl Drop for Finally<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Reads the store as a client does, until told to stop: the list, its signature, and one of the
/// files. Returns how often it saw a signature that did not fit, as between the two renames.
fn poll(store: &Path, signed: bool, is_done: &AtomicBool) -> usize {
    let read = |name: &str| fs::read(store.join(name)).unwrap_or_default();
    let (mut windows, mut strange) = (0, 0);
    let mut random = Random(7);
    while !is_done.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_micros(300));
        let list = read("SHA256SUMS");
        let signature = read("SHA256SUMS.gpg");
        let is_steady = list == read("SHA256SUMS");
        if signed && is_steady && !list.is_empty() && signature != sign(&list).unwrap() {
            windows += 1;
            // A builder was killed between the renames, or sleeps there: the mark says so.
            let is_window = store.join(".sysext-build-committed.tmp").exists();
            strange = if is_window { 0 } else { strange + 1 };
            assert!(strange < 50, "the signature does not come");
            continue;
        }
        strange = 0;
        let text = String::from_utf8(list).unwrap();
        let is_of_a_file = |line: &&str| !line.contains("  SERIAL-");
        let lines: Vec<_> = text.lines().filter(is_of_a_file).collect();
        if lines.is_empty() {
            continue;
        }
        let at = usize::try_from(random.below(lines.len() as u64)).unwrap();
        let (hash, name) = lines[at].split_once("  ").unwrap();
        assert_eq!(hash, hex(&read(name)), "{name}");
    }
    windows
}

/// Everything that `verify` finds, as `<severity> <id>`.
fn findings(store: &Store) -> BTreeSet<String> {
    let verdict = store
        .verify(&Examination {
            workers: 2,
            check_signature: Some(&|list, signature| {
                let is_good = signature == sign(list).unwrap();
                is_good
                    .then_some(())
                    .ok_or_else(|| "does not fit".to_owned())
            }),
            now: 0,
            look_inside: None,
            progress: &|_, _| {},
        })
        .unwrap();
    (verdict.findings.iter())
        .map(|finding| match finding.kind.severity {
            Severity::Error => format!("error {}", finding.text),
            Severity::Note => finding.kind.id.to_owned(),
        })
        .collect()
}

/// Lets builders build, kills them, and looks at what is left. `wanted` images at least must have
/// been reported.
fn build_and_kill(root: &Path, seed: u64, size: usize, signed: bool, wanted: usize) {
    let _children = crate::children();
    let store = Store::create(&root.join("store")).unwrap();
    let mut builders: Vec<_> = (0..BUILDERS)
        .map(|number| Builder::new(root, number, size, signed))
        .collect();
    let mut random = Random(seed);
    let is_done = AtomicBool::new(false);
    let started = Instant::now();
    let windows = std::thread::scope(|scope| {
        let finally = Finally(&is_done);
        let poller = scope.spawn(|| poll(store.dir(), signed, &is_done));
        for builder in &mut builders {
            builder.start();
        }
        let mut kills = 0;
        let reported = |builders: &[Builder]| builders.iter().map(Builder::reported).sum::<usize>();
        // A reader that has ended found something wrong.
        while !poller.is_finished() && (kills < KILLS || reported(&builders) < wanted) {
            assert!(
                started.elapsed() < LONGEST,
                "{kills} kills, {} images",
                reported(&builders)
            );
            std::thread::sleep(Duration::from_micros(1_000 + random.below(12_000)));
            let at = usize::try_from(random.below(BUILDERS as u64)).unwrap();
            builders[at].kill();
            builders[at].start();
            kills += 1;
        }
        drop(finally);
        let windows = poller
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        builders.iter_mut().for_each(Builder::kill);
        windows
    });
    // A signed store was seen between its renames or not: that is chance, but never an unsigned.
    assert!(signed || windows == 0);

    // Nothing is wrong but what is repaired, and the repair needs no key.
    let mut allowed = BTreeSet::from(["leftover".to_owned()]);
    if !signed {
        allowed.insert("unsigned".to_owned());
    }
    let found = findings(&store);
    let half = found
        .iter()
        .filter(|text| text.starts_with("error .sysext-build-committed"));
    // Killed between the renames: the signature is of the list that has not got its name yet.
    let is_half = half.count() > 0;
    let is_expected =
        |text: &&String| is_half && text.starts_with("error") || allowed.contains(*text);
    assert_eq!(found.iter().find(|text| !is_expected(text)), None);
    let verdict = store
        .verify(&Examination {
            workers: 1,
            check_signature: None,
            now: 0,
            look_inside: None,
            progress: &|_, _| {},
        })
        .unwrap();
    store.repair(&verdict.findings, Listing::default()).unwrap();
    let left = findings(&store);
    let unsigned = BTreeSet::from_iter((!signed).then(|| "unsigned".to_owned()));
    assert_eq!(left, unsigned);

    let listed: BTreeSet<_> = store
        .entries()
        .unwrap()
        .into_iter()
        .map(|entry| entry.name)
        .collect();
    for builder in &builders {
        for version in 0..builder.reported() {
            let name = format!("{}-{version}.x86-64.raw", builder.name);
            assert!(listed.contains(&name), "{name}");
            let bytes = fs::read(store.dir().join(&name)).unwrap();
            assert_eq!(bytes, image(&builder.name, version, builder.size), "{name}");
        }
    }
}

#[test]
fn killed_builders_of_an_unsigned_store() {
    let scratch = Scratch::new();
    build_and_kill(&scratch.0, 88_172_645_463_325_252, 2000, false, IMAGES);
}

#[test]
fn killed_builders_of_a_signed_store() {
    let scratch = Scratch::new();
    build_and_kill(&scratch.0, 2_463_534_242, 2000, true, IMAGES);
}

#[test(TMPFS)]
fn killed_builders_on_a_disk_that_fills_up() {
    let scratch = Scratch::new();
    let store = scratch.0.join("store");
    fs::create_dir(&store).unwrap();
    assert!(mount("size=20m,mode=0755", &store));
    let _mounted = Mounted(&store);
    build_and_kill(&scratch.0, 123_456_789, 130_000, true, 100);
    let space = rustix::fs::statvfs(&store).unwrap();
    assert!(
        space.f_bavail * space.f_bsize < 3 * 130_000,
        "it is not full"
    );
}
