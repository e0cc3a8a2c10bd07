//! A cache that others wrote to: it changes no image.
//!
//! Each case begins with a cache that a run has filled, changes something in it, and builds again,
//! with the network and without. The image is the one that an empty cache leads to, or there is
//! none.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::fixture_repository::{self, CLASH, Desk, Listed, NOARCH, plain, usual};
use crate::server::Server;
use crate::workshop::{Scratch, fixture, names, sha256sum, text};

const IMAGE: &str = "hello-noarch-0.5.A.git.3-1.x86-64.raw";
/// How many random changes there are, on so many threads.
const RANDOM: u64 = 500;
const THREADS: u64 = 4;

/// Returns what a hostile repository says of the same packages.
fn hostile() -> Vec<Listed> {
    let mut listed = usual();
    listed[0].requires = &["clash-one"];
    listed
}

/// Starts a server of a repository, whose files it knows by what is asked for.
fn serve(packages: &[Listed]) -> Server {
    let scratch = Scratch::new();
    let server = Server::of(&fixture_repository::write(&scratch.join("repo"), packages));
    let encoded = scratch.join("encoded/packages");
    fs::create_dir_all(&encoded).unwrap();
    fs::copy(fixture(NOARCH), encoded.join(NOARCH.replace('^', "%5E"))).unwrap();
    server.load(&scratch.join("encoded"), "");
    server
}

/// A cache that a run has filled, and the image that it made.
struct Warm {
    desk: Desk,
    url: String,
    image: String,
    /// There is a directory for the key of the seals.
    has_state: bool,
}

impl Warm {
    fn new(server: &Server) -> Self {
        let mut warm = Self {
            desk: Desk::new(),
            url: server.url().to_owned(),
            image: String::new(),
            has_state: true,
        };
        let outcome = warm.run(&[]);
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
        warm.image = sha256sum(&warm.desk.scratch.join("store").join(IMAGE));
        fs::rename(warm.cache(), warm.desk.scratch.join("kept")).unwrap();
        warm
    }

    fn cache(&self) -> PathBuf {
        self.desk.scratch.join("cache")
    }

    fn run(&self, more: &[&str]) -> Output {
        let more = [&["hello-noarch"], more].concat();
        let mut command = self.desk.command(&self.url, &more);
        if !self.has_state {
            command.env_remove("XDG_STATE_HOME").env_remove("HOME");
        }
        command.output().unwrap()
    }

    /// Puts the cache back as the run left it.
    fn reset(&self) {
        let _ = fs::remove_dir_all(self.cache());
        copy(&self.desk.scratch.join("kept"), &self.cache());
        let _ = fs::remove_dir_all(self.desk.scratch.join("store"));
    }

    /// Builds, and checks that nothing else comes of it than of an empty cache; says whether an
    /// image does.
    fn builds_the_same(&self, what: &str, more: &[&str]) -> bool {
        let outcome = self.run(more);
        let said = text(&outcome.stderr);
        let store = self.desk.scratch.join("store");
        match outcome.status.code() {
            Some(0) => {
                assert_eq!(sha256sum(&store.join(IMAGE)), self.image, "{what}: {said}");
                fs::remove_dir_all(store).unwrap();
                true
            }
            code => {
                // What is missing without the network is no fault of the input.
                let is_refusal =
                    code == Some(1) || (code == Some(3) && more.contains(&"--offline"));
                assert!(is_refusal, "{what}: {code:?} {said}");
                assert_eq!(fixture_repository::errors(&said), 1, "{what}: {said}");
                assert_eq!(self.desk.store(), Vec::<String>::new(), "{what}: {said}");
                false
            }
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in names(from) {
        let (from, to) = (from.join(&name), to.join(&name));
        match from.is_dir() {
            true => copy(&from, &to),
            false => drop(fs::copy(&from, &to).unwrap()),
        }
    }
}

/// Returns the files of a cache, relative to it.
fn files(cache: &Path) -> Vec<String> {
    let mut files = Vec::new();
    for part in names(cache) {
        let below = names(&cache.join(&part));
        files.extend(below.iter().map(|name| format!("{part}/{name}")));
    }
    files
}

#[test(program("mkfifo"))]
fn a_file_that_was_changed_changes_no_image() {
    let server = serve(&usual());
    let warm = Warm::new(&server);
    let (cache, elsewhere) = (warm.cache(), warm.desk.scratch.join("elsewhere"));
    // What a hostile job leaves for the same address: its own files, under their names and under
    // ours.
    let hostile_server = serve(&hostile());
    let theirs = Warm::new(&hostile_server);
    assert_ne!(theirs.image, warm.image);
    let theirs = theirs.desk.scratch.join("kept");
    warm.reset();
    let names = files(&cache);
    let parts: Vec<_> = names.iter().map(|name| &name[..4]).collect();
    assert_eq!(
        parts,
        [
            "cata", "head", "head", "meta", "pack", "pack", "repo", "repo"
        ]
    );
    for (index, name) in names.iter().enumerate() {
        let file = cache.join(name);
        let part = name.split('/').next().unwrap();
        let other = cache.join(&names[(index + 1) % names.len()]);
        let hostile = files(&theirs).into_iter().find(|one| one.starts_with(part));
        let hostile = fs::read(theirs.join(hostile.unwrap())).unwrap();
        for change in [
            "swapped",
            "cut",
            "longer",
            "empty",
            "hostile",
            "link",
            "linked",
            "hard link",
            "open",
            "fifo",
            "directory",
            "gone",
        ] {
            for more in [&[][..], &["--offline"]] {
                let what = format!("{name} {change} {more:?}");
                warm.reset();
                let bytes = fs::read(&file).unwrap();
                if !matches!(change, "cut" | "longer" | "open" | "hard link") {
                    fs::remove_file(&file).unwrap();
                }
                match change {
                    "swapped" => drop(fs::copy(&other, &file).unwrap()),
                    "cut" => fs::write(&file, &bytes[..bytes.len() / 2]).unwrap(),
                    "longer" => fs::write(&file, [&bytes[..], &[0]].concat()).unwrap(),
                    "empty" => fs::write(&file, b"").unwrap(),
                    "hostile" => fs::write(&file, &hostile).unwrap(),
                    "link" => {
                        fs::write(&elsewhere, &bytes).unwrap();
                        symlink(&elsewhere, &file).unwrap();
                    }
                    "linked" => {
                        fs::write(&elsewhere, &hostile).unwrap();
                        symlink(&elsewhere, &file).unwrap();
                    }
                    "hard link" => {
                        let _ = fs::remove_file(&elsewhere);
                        fs::hard_link(&file, &elsewhere).unwrap();
                    }
                    "open" => {
                        let mode = fs::Permissions::from_mode(0o666);
                        fs::set_permissions(&file, mode).unwrap();
                    }
                    "fifo" => {
                        let made = Command::new("mkfifo").arg(&file).status().unwrap();
                        assert!(made.success());
                    }
                    "directory" => fs::create_dir(&file).unwrap(),
                    _ => {}
                }
                let before = fs::read(&elsewhere).ok();
                let is_same = warm.builds_the_same(&what, more);
                // With the network all is mended, but for what can't be removed unseen.
                let is_mended = more.is_empty() && change != "directory";
                assert!(is_same || !is_mended, "{what}");
                if is_mended {
                    assert!(warm.builds_the_same(&what, &["--offline"]), "{what}");
                }
                assert_eq!(fs::read(&elsewhere).ok(), before, "{what}");
                if file.is_dir() {
                    fs::remove_dir(&file).unwrap();
                }
            }
        }
    }
}

/// A CI system brings back what another job left, for the same address.
#[test]
fn the_cache_of_a_hostile_job_changes_no_image() {
    let server = serve(&usual());
    let warm = Warm::new(&server);
    // The job has the repository as the server has it, and writes what it likes.
    let scratch = Scratch::new();
    let hostile_repo = fixture_repository::write(&scratch.join("repo"), &hostile());
    let honest_repo = fixture_repository::write(&scratch.join("honest"), &usual());
    server.load(&hostile_repo, "");
    let mut theirs = Warm::new(&server);
    assert_ne!(theirs.image, warm.image);
    server.load(&honest_repo, "");
    // It takes the tag from the server, so that this would say that nothing has changed.
    let list = "repositories";
    let kept = theirs.desk.scratch.join("kept").join(list);
    let id = &names(&kept)[0];
    let ours = fs::read(warm.desk.scratch.join("kept").join(list).join(id)).unwrap();
    let tag: Vec<_> = ours
        .split_inclusive(|byte| *byte == b'\n')
        .take(2)
        .collect();
    let planted = fs::read(kept.join(id)).unwrap();
    let rest: Vec<_> = planted.splitn(3, |byte| *byte == b'\n').collect();
    fs::write(kept.join(id), [&tag.concat(), rest[2]].concat()).unwrap();
    // Here is the user whose job it is, with the cache of the hostile one.
    theirs.image.clone_from(&warm.image);
    for has_state in [true, false] {
        for (more, expected) in [
            (&[][..], true),
            (&["--refresh"], true),
            (&["--offline"], false),
            (&["--dry-run"], true),
        ] {
            theirs.reset();
            let state = theirs.desk.scratch.join("state");
            let _ = fs::remove_dir_all(&state);
            copy(&warm.desk.scratch.join("state"), &state);
            theirs.has_state = has_state;
            let what = format!("{has_state} {more:?}");
            if more == ["--dry-run"] {
                let outcome = theirs.run(more);
                let said = text(&outcome.stderr);
                assert!(outcome.status.success(), "{what}: {said}");
                assert!(!said.contains("clash-one"), "{what}: {said}");
                assert!(said.contains("payload-zstd"), "{what}: {said}");
            } else {
                assert_eq!(theirs.builds_the_same(&what, more), expected, "{what}");
            }
        }
    }
    theirs.has_state = true;
    // Without the network the list is said to be anyone's.
    theirs.reset();
    let said = text(&theirs.run(&["--offline"]).stderr);
    assert!(said.contains("error: foreign-cache: "), "{said}");
}

/// The same by chance: bytes changed, put in and taken out, files cut off.
#[test]
fn five_hundred_random_changes_change_no_image() {
    let server = serve(&usual());
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let server = &server;
            scope.spawn(move || {
                let warm = Warm::new(server);
                for number in (thread..RANDOM).step_by(usize::try_from(THREADS).unwrap()) {
                    warm.reset();
                    let mut random = Random(number * 2 + 1);
                    for _ in 0..=random.below(3) {
                        change(&warm.cache(), &mut random);
                    }
                    // A build that looks at all of it, with the network and without.
                    let more = [&[][..], &["--offline"]][random.below(2)];
                    warm.builds_the_same(&format!("number {number}"), more);
                }
            });
        }
    });
}

/// Changes one file of a cache.
fn change(cache: &Path, random: &mut Random) {
    let files = files(cache);
    let file = cache.join(&files[random.below(files.len())]);
    let mut bytes = fs::read(&file).unwrap();
    let place = random.below(bytes.len().max(1));
    match random.below(6) {
        _ if bytes.is_empty() => bytes.push(0),
        0 => bytes.truncate(place),
        1 => bytes.insert(place, random.byte()),
        2 => drop(bytes.remove(place)),
        3 => {
            let end = (place + 1 + random.below(64)).min(bytes.len());
            bytes[place..end].fill_with(|| random.byte());
        }
        _ => bytes[place] ^= 1 << random.below(8),
    }
    fs::write(&file, bytes).unwrap();
}

/// Numbers that are the same in every run: SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[0]
    }
}

/// A directory that others can write to, or that is somebody else's, is no cache.
#[test(root())]
fn a_cache_is_of_its_user_alone() {
    const NOBODY: u32 = 65534;
    let server = serve(&usual());
    let warm = Warm::new(&server);
    let cache = warm.cache();
    for (what, change, expected) in [
        (
            "mode of it",
            &(|| {
                fs::set_permissions(&cache, fs::Permissions::from_mode(0o1777)).unwrap();
            }) as &dyn Fn(),
            "cache has mode 1777, so others can write to it",
        ),
        (
            "mode of a part",
            &|| {
                let part = cache.join("partial");
                fs::set_permissions(part, fs::Permissions::from_mode(0o777)).unwrap();
            },
            "cache/partial has mode 0777, so others can write to it",
        ),
        (
            "owner of it",
            &|| chown(&cache, Some(NOBODY), None).unwrap(),
            "cache belongs to user 65534, not to user 0",
        ),
        (
            "owner of a part",
            &|| chown(cache.join("repositories"), Some(NOBODY), None).unwrap(),
            "cache/repositories belongs to user 65534, not to user 0",
        ),
        (
            "a link to somebody else's",
            &|| {
                let other = warm.desk.scratch.join("other");
                fs::rename(&cache, &other).unwrap();
                chown(&other, Some(NOBODY), None).unwrap();
                symlink(&other, &cache).unwrap();
            },
            "cache belongs to user 65534, not to user 0",
        ),
        (
            "a new one in somebody else's directory",
            &|| {
                fs::remove_file(&cache).unwrap();
                chown(warm.desk.scratch.path(), Some(NOBODY), None).unwrap();
            },
            "which belongs to user 65534",
        ),
    ] {
        if what != "a new one in somebody else's directory" {
            warm.reset();
        }
        let _ = fs::remove_dir_all(warm.desk.scratch.join("store"));
        change();
        let outcome = warm.run(&["--refresh"]);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{what}: {said}");
        assert!(said.contains(expected), "{what}: {said}");
        assert!(said.contains("hint: "), "{what}: {said}");
        assert_eq!(warm.desk.store(), Vec::<String>::new(), "{what}");
    }
}

/// A file of another user's that is written to in place of a transfer.
#[test]
fn a_link_in_place_of_a_transfer_is_not_followed() {
    let server = serve(&usual());
    let warm = Warm::new(&server);
    let victim = warm.desk.scratch.join("victim");
    fs::write(&victim, b"precious").unwrap();
    let kept = warm.desk.scratch.join("kept");
    fs::create_dir(warm.cache()).unwrap();
    fs::create_dir(warm.cache().join("partial")).unwrap();
    for name in files(&kept) {
        let name = name.split('/').nth(1).unwrap();
        symlink(&victim, warm.cache().join("partial").join(name)).unwrap();
    }
    let _ = fs::remove_dir_all(warm.desk.scratch.join("store"));
    assert!(warm.builds_the_same("links", &[]));
    assert_eq!(fs::read(&victim).unwrap(), b"precious");
}

/// A repository that goes back is noted, by the cache and by the lock.
#[test]
fn an_older_list_is_noted() {
    let desk = Desk::new();
    let repo = fixture_repository::write(&desk.scratch.join("repo"), &[plain(CLASH)]);
    let server = Server::of(&repo);
    let list = repo.join("repodata/repomd.xml");
    let without = fs::read_to_string(&list).unwrap();
    let (lock, place) = (desk.scratch.join("lock"), repo.to_str().unwrap());
    let lock = ["--lock", lock.to_str().unwrap()];
    for (place, more, revision, expected) in [
        // The cache remembers.
        (server.url(), &[][..], 7, None),
        (server.url(), &[], 8, None),
        (server.url(), &[], 7, Some((0, 8))),
        (
            server.url(),
            &["--strict", "--allow", "unchecked-repository"],
            7,
            Some((1, 8)),
        ),
        (server.url(), &[], 9, None),
        // A directory is as its user has it; only the lock remembers.
        (place, &[], 9, None),
        (place, &[], 8, None),
        (place, &lock, 8, None),
        (place, &lock, 7, Some((0, 8))),
        (place, &[&lock[..], &["--locked"]].concat(), 7, Some((0, 8))),
        (place, &[&lock[..], &["--strict"]].concat(), 7, Some((1, 8))),
    ] {
        let dated = without.replace("<revision>1<", &format!("<revision>{revision}<"));
        fs::write(&list, dated).unwrap();
        server.load(&repo, "");
        let arguments = [&["clash-one", "--replace", "--name", "x"], more].concat();
        let outcome = desk.command(place, &arguments).output().unwrap();
        let said = text(&outcome.stderr);
        let what = format!("{place} {more:?} {revision}: {said}");
        match expected {
            None => {
                assert!(outcome.status.success(), "{what}");
                assert!(!said.contains("older-metadata"), "{what}");
            }
            Some((code, seen)) => {
                assert_eq!(outcome.status.code(), Some(code), "{what}");
                let words = format!("its list is of revision {revision}, {seen} was seen before");
                assert!(said.contains(&words), "{what}");
            }
        }
    }
}
