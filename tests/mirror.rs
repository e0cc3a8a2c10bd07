//! `store mirror`: what a copy of a store has, whatever happens on the way.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use crate::pull::{NEW, OLD, Update, noise};
use crate::server::Fault;
use crate::workshop::{json, names, text};

/// A store with a signed list of one image, and how it comes to have two.
struct Mirrored(Update);

/// With what lists are signed. Stores that are made in the same second by the same key are one, to those
/// who remember what they signed; so each has a memory of its own.
const KEY: [&str; 4] = ["--sign-key", "key.pem", "--state-dir", "state"];

impl Mirrored {
    fn new() -> Self {
        let update = Update::to(&noise(100, 41_000));
        let this = Self(update);
        let key = this.0.scratch.join("key.pem");
        fs::copy(crate::workshop::fixture("keys/test.secret.asc"), &key).unwrap();
        fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
        let first = ["store", "promote", "store", "one", OLD];
        this.0.succeed(&[&first[..], &KEY].concat());
        let [one, two] = ["one", "two"].map(|store| this.0.scratch.join(store));
        fs::create_dir(&two).unwrap();
        for name in names(&one) {
            fs::copy(one.join(&name), two.join(&name)).unwrap();
        }
        this.0
            .succeed(&[&["store", "promote", "store", "two", NEW][..], &KEY].concat());
        this.serve("one");
        this
    }

    /// Has the server serve this store.
    fn serve(&self, store: &str) {
        let server = &self.0.server;
        server.recover();
        for name in names(&self.0.scratch.join("two")) {
            server.always(&format!("/s/{name}"), Fault::Status(404));
        }
        server.recover();
        server.load(&self.0.scratch.join(store), "/s");
        server.requests();
        server.sent();
    }

    fn command(&self) -> Command {
        let url = format!("{}/s", self.0.server.url());
        let mut command = self.0.command(&["store", "mirror", &url, "mirror"]);
        command.args([
            "--keyring",
            "one/import-pubring.gpg",
            "--timeout",
            "2",
            "--retries",
            "1",
        ]);
        command
    }

    fn mirror(&self) -> Output {
        self.command().output().unwrap()
    }

    fn succeed(&self) -> String {
        let outcome = self.mirror();
        let said = text(&outcome.stderr);
        assert!(outcome.status.success(), "{said}");
        said
    }

    /// Makes sure that each file that the mirror's list names is there, byte for byte.
    fn is_whole(&self) -> Vec<String> {
        self.is_whole_at(&self.0.scratch.join("mirror"))
    }

    fn is_whole_at(&self, mirror: &Path) -> Vec<String> {
        let Ok(list) = fs::read_to_string(mirror.join("SHA256SUMS")) else {
            return Vec::new();
        };
        let listed = list.lines().map(|line| line.split_once("  ").unwrap());
        let files: Vec<_> = listed
            .filter(|(_, name)| name.starts_with("n-"))
            .map(|(digest, name)| {
                let found = crate::workshop::sha256sum(&mirror.join(name));
                assert_eq!(found, digest, "{name}");
                name.to_owned()
            })
            .collect();
        let signature = fs::read(mirror.join("SHA256SUMS.gpg")).unwrap();
        let is_of = |store: &str| {
            let of = |name: &str| fs::read(self.0.scratch.join(store).join(name)).unwrap();
            of("SHA256SUMS") == list.as_bytes() && of("SHA256SUMS.gpg") == signature
        };
        assert!(["one", "two"].into_iter().any(is_of), "{list}");
        files
    }
}

#[test]
fn a_mirror_has_what_the_list_names() {
    let mirrored = Mirrored::new();
    let said = mirrored.succeed();
    assert!(said.contains("mirror  3 of 3 files, fetched "), "{said}");
    assert_eq!(mirrored.is_whole().len(), 3);
    let mirror = mirrored.0.scratch.join("mirror");
    let before = names(&mirror);
    assert!(
        !before.iter().any(|name| name.ends_with(".part")),
        "{before:?}"
    );
    assert!(mirrored.succeed().contains("mirror is up to date: 3 files"));

    // The next version is made of the one that is there.
    mirrored.serve("two");
    let answer = json(&mirrored.command().arg("--json").output().unwrap());
    let (fetched, bytes) = (
        answer["fetched"].as_u64().unwrap(),
        answer["bytes"].as_u64().unwrap(),
    );
    assert!(fetched * 5 < bytes, "{answer}");
    assert_eq!(answer["brought"][0], NEW);
    assert_eq!(mirrored.is_whole().len(), 6);

    // An earlier list is none that may follow.
    mirrored.serve("one");
    let outcome = mirrored.mirror();
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(said.contains("rolled-back: "), "{said}");
    assert_eq!(mirrored.is_whole().len(), 6);

    // What the list does not name any more goes, and no more than that.
    fs::write(mirror.join("robots.txt"), "mine").unwrap();
    mirrored
        .0
        .succeed(&[&["store", "remove", "two", OLD][..], &KEY].concat());
    mirrored.serve("two");
    let said = mirrored.succeed();
    assert!(said.contains("3 files removed"), "{said}");
    assert_eq!(mirrored.is_whole().len(), 3);
    assert!(!mirror.join(OLD).exists() && mirror.join("robots.txt").exists());
}

#[test]
fn nobody_vouches_for_the_list_or_a_file_is_another() {
    let mirrored = Mirrored::new();
    mirrored.succeed();
    mirrored.serve("two");
    let server = &mirrored.0.server;
    let good = fs::read(mirrored.0.scratch.join("two/SHA256SUMS")).unwrap();
    let image = fs::read(mirrored.0.scratch.join("two").join(NEW)).unwrap();
    let other = [&image[..image.len() - 1], b"x"].concat();
    let manifest = "/s/n-2.x86-64.manifest.gz";
    for (path, bytes, expected) in [
        (
            "/s/SHA256SUMS",
            &[&good[..], b"\n"].concat()[..],
            "does not count",
        ),
        ("/s/SHA256SUMS.gpg", b"x", "does not count"),
        ("/s/SHA256SUMS", b"", "does not count"),
        (&format!("/s/{NEW}"), &other, "is not the listed file"),
        (manifest, b"x", "is not the listed file"),
    ] {
        mirrored.serve("two");
        server.put(path, bytes);
        let outcome = mirrored.mirror();
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{path}: {said}");
        assert!(said.contains(expected), "{path}: {said}");
        assert_eq!(mirrored.is_whole().len(), 3, "{path}");
    }
    mirrored.serve("two");
    mirrored.succeed();
    assert_eq!(mirrored.is_whole().len(), 6);
}

/// A good signature by a key that the client does not trust is none, whoever asks: nothing changes.
#[test]
fn another_key_has_signed_the_list() {
    let mirrored = Mirrored::new();
    let update = &mirrored.0;
    mirrored.succeed();
    for directory in ["stage", "links", "mine"] {
        fs::create_dir(update.scratch.join(directory)).unwrap();
    }
    let key = crate::workshop::fixture("keys/version6.public.asc");
    fs::copy(key, update.scratch.join("mine/keys")).unwrap();
    let keyring = ["--keyring", "mine/keys", "--arch", "x86-64"];
    let link = std::os::unix::fs::symlink;
    link(
        "../images/n-1.x86-64.raw",
        update.scratch.join("links/n.raw"),
    )
    .unwrap();
    mirrored.serve("two");
    let url = format!("{}/s", update.server.url());
    let content = || {
        ["images", "stage", "links", "mirror", "mine"].map(|directory| {
            let directory = update.scratch.join(directory);
            let read = |name: String| (fs::read(directory.join(&name)).unwrap(), name);
            names(&directory).into_iter().map(read).collect::<Vec<_>>()
        })
    };
    let before = content();
    for store in [url.as_str(), "two"] {
        for (arguments, more) in [
            (&["pull", store, "n", "--into", "images"][..], &keyring[..]),
            (
                &["pull", store, "n@1", "--into", "images", "--link", "links"],
                &keyring,
            ),
            (
                &["pull", store, "n", "--into", "images", "--stage", "stage"],
                &keyring,
            ),
            (&["store", "mirror", store, "mirror"], &keyring[..2]),
            (&["store", "mirror", store, "new"], &keyring[..2]),
        ] {
            let arguments = [arguments, more].concat();
            let outcome = update.command(&arguments).output().unwrap();
            let said = text(&outcome.stderr);
            assert_eq!(outcome.status.code(), Some(1), "{arguments:?}: {said}");
            let signature = format!("{store}/SHA256SUMS.gpg does not count: it is by key ");
            assert!(said.contains(&signature), "{arguments:?}: {said}");
            assert!(said.contains(", which is not in mine/keys"), "{said}");
            assert!(content() == before, "{arguments:?}");
            assert!(!update.scratch.join("new").exists(), "{arguments:?}");
        }
    }
    // No image was asked for.
    let asked = update.server.requests();
    assert!(
        asked.iter().all(|path| path.starts_with("/s/SHA256SUMS")),
        "{asked:?}"
    );
    // Those who trust that key have the image.
    let mut command = update.command(&["pull", &url, "n", "--into", "images"]);
    command.args(["--arch", "x86-64", "--keyring", "two/import-pubring.gpg"]);
    let outcome = command.output().unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert!(update.has_new());
}

/// The disk is full at another moment each time: what was listed stays, and the next attempt goes on.
#[test(root(), programs!("unshare", "sh", "mount", "cp"))]
fn a_full_disk_changes_no_list() {
    let mirrored = Mirrored::new();
    let scratch = &mirrored.0.scratch;
    let (one, two) = (scratch.join("one"), scratch.join("two"));
    let server = &mirrored.0.server;
    server.load(&one, "/one");
    server.load(&two, "/two");
    // What the files take, in KiB.
    let kib = |store: &Path| {
        let names = names(store).into_iter();
        let lengths = names.map(|name| fs::metadata(store.join(name)).unwrap().len());
        lengths.map(|length| length.div_ceil(4096) * 4).sum::<u64>()
    };
    // The file with the address takes a page, too.
    let (least, all) = (kib(&one) + 4, kib(&two) + 4);
    let script = "mount -t tmpfs -o size=\"$1k\" none mirror || exit 99
        keys=one/import-pubring.gpg; url=$2; shift 2
        \"$@\" \"$url/one\" mirror --keyring $keys || exit 98
        echo \"$url/two\" > mirror/.mirror || exit 94
        \"$@\" \"$url/two\" mirror --keyring $keys; code=$?
        cp -a mirror/. after && mount -o remount,size=64m mirror || exit 97
        \"$@\" \"$url/two\" mirror --keyring $keys || exit 96
        cp -a mirror/. at-last || exit 95; exit $code";
    fs::create_dir(scratch.join("mirror")).unwrap();
    let mut moments = BTreeSet::new();
    let nearly = (0..40).map(|number| all - 20 + 4 * number);
    for size in (least + 8..all - 20).step_by(700).chain(nearly) {
        let after = ["after", "at-last"].map(|name| scratch.join(name));
        for directory in &after {
            let _ = fs::remove_dir_all(directory);
            fs::create_dir(directory).unwrap();
        }
        let mirror = mirrored.0.command(&["store", "mirror"]);
        let outcome = Command::new("unshare")
            .args([
                "-m",
                "sh",
                "-c",
                script,
                "sh",
                &size.to_string(),
                server.url(),
            ])
            .arg(mirror.get_program())
            .args(mirror.get_args())
            .envs((mirror.get_envs()).filter_map(|(name, value)| Some((name, value?))))
            .current_dir(scratch.path())
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        let listed = mirrored.is_whole_at(&after[0]).len();
        assert_eq!(mirrored.is_whole_at(&after[1]).len(), 6, "{size}: {said}");
        let at_last = names(&after[1]);
        assert!(
            !at_last.iter().any(|name| name.ends_with(".part")),
            "{at_last:?}"
        );
        if outcome.status.success() {
            assert_eq!(listed, 6);
            break;
        }
        moments.insert(names(&after[0]));
        assert_eq!(outcome.status.code(), Some(3), "{size}: {said}");
        assert!(said.contains("No space left"), "{size}: {said}");
        assert_eq!(listed, 3, "{size}: {said}");
        // What has a name is whole, whether or not it is listed as yet.
        for name in names(&after[0])
            .iter()
            .filter(|name| name.starts_with("n-2"))
        {
            let is_whole =
                fs::read(after[0].join(name)).unwrap() == fs::read(two.join(name)).unwrap();
            assert!(is_whole, "{size}: {name}");
        }
    }
    // In the image, in each file beside it, in the list.
    assert!(moments.len() >= 4, "{moments:?}");
}

/// What a list does not name goes, so a directory has to be a copy of that store already, or empty.
#[test]
fn nothing_but_a_copy_of_the_store_is_changed() {
    let mirrored = Mirrored::new();
    let server = &mirrored.0.server;
    let path = |name: &str| mirrored.0.scratch.join(name);
    let refused = |expected: &str, store: &str, directory: &str| {
        let before = names(&path(directory));
        let url = format!("{}/{store}", server.url());
        let arguments = ["store", "mirror", &url, directory, "--unsigned"];
        let outcome = mirrored.0.command(&arguments).output().unwrap();
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{said}");
        assert!(said.contains(expected), "{said}");
        assert_eq!(names(&path(directory)), before, "{expected}");
    };
    // A store that was built there.
    refused("own is a store of its own, and no copy of http", "s", {
        fs::create_dir(path("own")).unwrap();
        for name in names(&path("store")) {
            fs::copy(path("store").join(&name), path("own").join(&name)).unwrap();
        }
        "own"
    });
    // A copy of another one.
    mirrored.succeed();
    server.load(&path("two"), "/t");
    let copy = format!("mirror is a copy of {}/s, not of ", server.url());
    refused(&copy, "t", "mirror");
    // The file with its address is no stray one.
    let said = mirrored.0.succeed(&["store", "verify", "mirror"]);
    assert!(!said.contains(".mirror"), "{said}");
    // The address may change, if somebody says so.
    fs::write(path("mirror/.mirror"), format!("{}/t\n", server.url())).unwrap();
    let url = format!("{}/t/", server.url());
    mirrored
        .0
        .succeed(&["store", "mirror", &url, "mirror", "--unsigned"]);
    // Lists that no store has.
    let digest = "0".repeat(64);
    for (list, expected) in [
        (String::new(), "the list names no file"),
        (
            format!("{digest}  .htaccess\n"),
            "the list names \".htaccess\", which no store has",
        ),
        (format!("{digest}  -rf\n"), "\"-rf\""),
        (format!("{digest}  SHA256SUMS.gpg\n"), "\"SHA256SUMS.gpg\""),
    ] {
        server.put("/t/SHA256SUMS", list.as_bytes());
        refused(expected, "t", "mirror");
    }
}

/// Whenever it dies, what the list names is there, and the next attempt goes on.
#[test]
fn killed_mirrors_and_mirrors_at_once() {
    let mirrored = Mirrored::new();
    mirrored.succeed();
    mirrored.serve("two");
    let directory = mirrored.0.scratch.join("mirror");
    let reset = || {
        for name in names(&directory) {
            fs::remove_file(directory.join(name)).unwrap();
        }
        mirrored.serve("one");
        mirrored.succeed();
        mirrored.serve("two");
    };
    let mut killed = 0;
    for round in 0..60_u64 {
        if round % 6 == 0 {
            reset();
        }
        mirrored
            .0
            .server
            .always(&format!("/s/{NEW}"), Fault::Slow(4000));
        let mut child = mirrored.command().stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * 7919 % 150));
        let _ = child.kill();
        killed += u32::from(!child.wait().unwrap().success());
        assert!(mirrored.is_whole().len() >= 3);
    }
    assert!(killed > 0);
    reset();
    let children = [(); 3].map(|()| mirrored.command().stderr(Stdio::null()).spawn().unwrap());
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(mirrored.is_whole().len(), 6);
    let arguments = [
        "store",
        "verify",
        "mirror",
        "--keyring",
        "one/import-pubring.gpg",
        "--state-dir",
        "state",
    ];
    let verified = mirrored.0.command(&arguments).output().unwrap();
    assert!(verified.status.success(), "{}", text(&verified.stdout));
    assert!(
        !names(Path::new(&directory))
            .iter()
            .any(|name| name.ends_with(".part"))
    );
}
