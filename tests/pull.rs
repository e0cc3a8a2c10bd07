//! `store index` and `pull`: what a client fetches of an update, and what it ends up with.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;

use crate::server::{Fault, Server, Several};
use crate::workshop::{Scratch, fixture, json, names, output_of, program, sha256sum, text};

/// Bytes that don't compress, the same for each seed.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed * 2 + 1;
    let mut byte = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| byte()).collect()
}

/// A store with two versions of an extension, of which the second has one other file; and a client
/// that has the first.
pub struct Update {
    pub scratch: Scratch,
    pub server: Server,
}

/// What the second version has, by its file name.
pub const NEW: &str = "n-2.x86-64.raw";
pub const OLD: &str = "n-1.x86-64.raw";

impl Update {
    fn new() -> Self {
        Self::to(&noise(100, 41_000))
    }

    /// An update in which one of the files comes to have these contents.
    pub fn to(contents: &[u8]) -> Self {
        Self::of(&[(20, contents.to_vec())])
    }

    /// An update in which these files, by their numbers below 40, come to have these contents.
    pub fn of(changes: &[(u64, Vec<u8>)]) -> Self {
        Self::built(changes, &[])
    }

    /// An update in which every fourth file changes, so that many parts are missing.
    fn of_ten_files() -> Self {
        let changes: Vec<_> = (0..10).map(|n| (4 * n, noise(100 + n, 40_000))).collect();
        Self::of(&changes)
    }

    /// The same as [`Self::of`], with images that are built with these options.
    pub fn built(changes: &[(u64, Vec<u8>)], options: &[&str]) -> Self {
        let scratch = Scratch::new();
        let tree = scratch.join("tree/usr/share/n");
        fs::create_dir_all(&tree).unwrap();
        for number in 0..40 {
            fs::write(tree.join(format!("{number:02}")), noise(number, 40_000)).unwrap();
        }
        let update = Self {
            server: Server::of(&tree),
            scratch,
        };
        update.build("1", options);
        for (number, contents) in changes {
            fs::write(tree.join(format!("{number:02}")), contents).unwrap();
        }
        update.build("2", options);
        update.succeed(&["store", "index", "store"]);
        update.server.load(&update.scratch.join("store"), "/store");
        update.reset();
        update
    }

    pub fn build(&self, version: &str, options: &[&str]) {
        let usual = [
            "-q",
            "--match",
            "any",
            "--allow",
            "unchecked-base",
            "--name",
            "n",
            "--overlay",
            "tree",
            "--arch",
            "x86-64",
            "--block-size",
            "16K",
            "--image-version",
            version,
            "-o",
            "store",
        ];
        let said = self.succeed(&[&usual[..], options].concat());
        assert_eq!(said, "");
    }

    pub fn succeed(&self, arguments: &[&str]) -> String {
        let outcome = self.command(arguments).output().unwrap();
        let said = text(&outcome.stderr);
        assert!(outcome.status.success(), "{arguments:?}: {said}");
        said
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program();
        command.args(arguments).current_dir(self.scratch.path());
        command
    }

    /// The client has the first version alone.
    pub fn reset(&self) {
        let _ = fs::remove_dir_all(self.scratch.join("images"));
        fs::create_dir(self.scratch.join("images")).unwrap();
        fs::copy(self.stored(OLD), self.image(OLD)).unwrap();
        self.server.recover();
        self.server.load(&self.scratch.join("store"), "/store");
        self.server.requests();
        self.server.sent();
    }

    pub fn stored(&self, name: &str) -> PathBuf {
        self.scratch.join("store").join(name)
    }

    pub fn image(&self, name: &str) -> PathBuf {
        self.scratch.join("images").join(name)
    }

    pub fn pull_command(&self, more: &[&str]) -> Command {
        let store = format!("{}/store", self.server.url());
        let mut command = self.command(&["pull", &store, "n", "--into", "images", "--unsigned"]);
        command.args(["--arch", "x86-64", "--timeout", "2", "--retries", "1"]);
        command.args(more);
        command
    }

    pub fn pull(&self, more: &[&str]) -> Output {
        self.pull_command(more).output().unwrap()
    }

    /// Says whether the client has the new image, which is then the right one, and nothing that is
    /// half of one.
    pub fn has_new(&self) -> bool {
        let has = self.image(NEW).exists();
        if has {
            assert!(fs::read(self.image(NEW)).unwrap() == fs::read(self.stored(NEW)).unwrap());
            assert_eq!(self.image(NEW).metadata().unwrap().mode() & 0o777, 0o644);
            assert_eq!(names(&self.scratch.join("images")), [OLD, NEW]);
        }
        has
    }

    /// Bytes of the new image that are in no piece of the old one, as another reader finds.
    fn missing(&self) -> (usize, usize) {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/index.py");
        let mut command = Command::new("python3");
        command
            .arg(script)
            .args([self.stored(NEW), self.stored(OLD)]);
        let said = output_of(&mut command);
        let mut lines = said.lines().map(|line| line.parse().unwrap());
        (lines.next().unwrap(), lines.next().unwrap())
    }

    pub fn size(&self, name: &str) -> usize {
        self.stored(name).metadata().unwrap().len() as usize
    }
}

#[test(programs!("python3"))]
fn only_what_changed_is_fetched() {
    let update = Update::new();
    let (pieces, missing) = update.missing();
    let index = update.size("n-2.x86-64.blocks");
    assert_eq!(index, 48 + 11 * pieces);
    assert!(missing * 10 < update.size(NEW), "{missing}");
    let answer: Value = json(&update.pull(&["--json"]));
    assert!(update.has_new());
    let fetched = answer["fetched"].as_u64().unwrap() as usize;
    // What is small between two parts comes with them.
    assert!(
        (missing..missing + 4096).contains(&fetched),
        "{fetched} {missing}"
    );
    let others = update.size("SHA256SUMS") + index;
    // Two parts that came with one request have heads.
    let sent = update.server.sent();
    let heads = sent - fetched - others;
    assert!(heads < 200, "{sent} {fetched}");
    assert_eq!(answer["state"], "new");
    assert_eq!(answer["sha256"], sha256sum(&update.stored(NEW)));
    let copied = answer["copied"].as_u64().unwrap() as usize;
    assert_eq!(copied + fetched, update.size(NEW));

    // Nothing is left to do.
    let said = text(&update.pull(&[]).stderr);
    assert!(
        said.contains("images/n-2.x86-64.raw is up to date"),
        "{said}"
    );
    assert_eq!(update.server.sent(), update.size("SHA256SUMS"));

    // A directory is a store, too, and needs no server.
    update.reset();
    let said = update.succeed(&[
        "pull",
        "store",
        "n@2",
        "--into",
        "images",
        "--unsigned",
        "--arch",
        "x86-64",
        "--offline",
    ]);
    assert!(said.contains(" saved"), "{said}");
    assert!(update.has_new());
}

#[test]
fn a_build_makes_the_index_that_the_verb_makes() {
    let scratch = Scratch::new();
    let build = |store: &str, more: &[&str]| {
        let mut command = program();
        command.args(["--match", "any"]);
        command.args(["-o", store]).args(more);
        command.arg(fixture("payload-zstd-1-1.noarch.rpm"));
        let outcome = command.current_dir(scratch.path()).output().unwrap();
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
        text(&outcome.stderr)
    };
    let index = |store: &str| {
        let store = scratch.join(store);
        let names = names(&store).into_iter();
        let indexes: Vec<_> = names.filter(|name| name.ends_with(".blocks")).collect();
        let list = fs::read_to_string(store.join("SHA256SUMS")).unwrap_or_default();
        assert!(indexes.iter().all(|name| list.contains(name)), "{list}");
        let bytes = indexes
            .iter()
            .map(|name| fs::read(store.join(name)).unwrap());
        bytes.collect::<Vec<_>>()
    };
    build("later", &[]);
    assert!(index("later").is_empty());
    let mut verb = program();
    output_of(
        verb.current_dir(scratch.path())
            .args(["store", "index", "later"]),
    );
    let expected = index("later");
    assert_eq!(expected.len(), 1);
    build("at-once", &["--blocks"]);
    assert_eq!(index("at-once"), expected);
    // An image that is there gets it, and keeps it.
    let auto = ["--build-number", "auto"];
    build("kept", &auto);
    let said = build("kept", &[&auto[..], &["--blocks"]].concat());
    assert!(said.contains("unchanged"), "{said}");
    assert_eq!(index("kept"), expected);
    build("kept", &auto);
    assert_eq!(index("kept"), expected);
    // Of what nobody is offered there is none.
    let said = build("obs", &["--blocks", "--obs"]);
    assert!(said.contains("no index of the image"), "{said}");
    assert!(index("obs").is_empty());
}

#[test]
fn whatever_the_server_does() {
    let update = Update::new();
    let whole = update.size(NEW);
    let beside = update.size("SHA256SUMS") + update.size("n-2.x86-64.blocks");
    let path = format!("/store/{NEW}");
    let other = noise(7, whole);
    // How many bytes of the image are sent at most, and whether it comes.
    let one_range = 100_000;
    for (what, faults, most, comes) in [
        (
            "ranges are ignored",
            vec![Fault::IgnoreRange; 9],
            whole,
            true,
        ),
        ("the first is", vec![Fault::IgnoreRange], whole, true),
        (
            "other parts are sent",
            vec![Fault::WrongRange; 9],
            whole + one_range,
            true,
        ),
        ("one is", vec![Fault::WrongRange], whole + one_range, true),
        (
            "parts have other bytes",
            vec![Fault::Part(other.clone())],
            whole + one_range,
            true,
        ),
        ("a part is cut", vec![Fault::Cut(1000)], whole, true),
        (
            "a part is short",
            vec![Fault::Short(10)],
            whole + one_range,
            true,
        ),
        (
            "a part is said to be longer",
            vec![Fault::WrongLength(10)],
            whole + one_range,
            true,
        ),
        ("no part can be had", vec![Fault::Status(416)], whole, true),
        ("it is not there", vec![Fault::Status(404); 9], 0, false),
        ("nobody is there", vec![Fault::Drop; 9], 0, false),
        (
            "it speaks something else",
            vec![Fault::Garbage; 9],
            0,
            false,
        ),
        (
            "it is another file",
            vec![Fault::Change(other[..whole - 1].to_vec(), 0)],
            2 * whole,
            false,
        ),
        (
            "it has other bytes",
            vec![Fault::Change(other.clone(), 0)],
            2 * whole,
            false,
        ),
    ] {
        update.reset();
        update.server.next(&path, &faults);
        let outcome = update.pull(&[]);
        let said = text(&outcome.stderr);
        let sent = update.server.sent();
        assert_eq!(outcome.status.success(), comes, "{what}: {said}");
        assert_eq!(update.has_new(), comes, "{what}: {said}");
        assert!(sent <= most + beside, "{what}: {sent} of {most}");
        // What was left does not harm the next.
        update.server.recover();
        update.server.load(&update.scratch.join("store"), "/store");
        let outcome = update.pull(&[]);
        assert!(
            outcome.status.success(),
            "{what}: {}",
            text(&outcome.stderr)
        );
        assert!(update.has_new(), "{what}");
    }
}

/// Of the missing parts one is asked for, then eight, then the rest. Whatever takes the image's place
/// between two of these requests, what comes is the listed image, or nothing.
#[test]
fn the_image_is_replaced_between_two_requests() {
    let update = Update::of_ten_files();
    let path = format!("/store/{NEW}");
    let good = fs::read(update.stored(NEW)).unwrap();
    let whole = good.len();
    let list = fs::read_to_string(update.stored("SHA256SUMS")).unwrap();
    let lines = list.split_inclusive('\n');
    let without_index: String = lines.filter(|line| !line.contains(".blocks")).collect();
    let by = |bytes: &[u8]| Fault::Change(bytes.to_vec(), usize::MAX);
    let (well, cut) = (Fault::None, Fault::Cut(20_000));
    let each_alone = Fault::Several(Several::Forbidden);
    let others = [
        ("an image as long", noise(7, whole)),
        ("a shorter one", noise(7, whole / 2)),
        ("a longer one", noise(7, whole + 50_000)),
    ];
    for (of_what, other) in &others {
        let by_other = by(other);
        for (what, has_index, comes, faults) in [
            ("before the second", true, false, vec![&well, &by_other]),
            (
                "before the third",
                true,
                false,
                vec![&well, &well, &by_other],
            ),
            (
                "each part comes alone",
                true,
                false,
                vec![&well, &each_alone, &well, &by_other],
            ),
            (
                "in the middle of a part",
                true,
                false,
                vec![&cut, &by_other],
            ),
            (
                "and it comes back",
                true,
                true,
                vec![&well, &by_other, &by(&good)],
            ),
            (
                "in the middle of the whole",
                false,
                false,
                vec![&cut, &by_other],
            ),
        ] {
            let faults: Vec<_> = faults.into_iter().cloned().collect();
            for has_tags in [true, false] {
                let what = format!("{of_what}, {what}, ETag {has_tags}");
                update.reset();
                update.server.send_tags(has_tags);
                if !has_index {
                    let list = without_index.as_bytes();
                    update.server.put("/store/SHA256SUMS", list);
                }
                update.server.next(&path, &faults);
                let outcome = update.pull(&[]);
                let said = text(&outcome.stderr);
                assert_eq!(update.has_new(), comes, "{what}: {said}");
                assert_eq!(outcome.status.success(), comes, "{what}: {said}");
                assert!(update.server.sent() <= 4 * whole, "{what}");
                if comes {
                    continue;
                }
                // The first that does not fit is told.
                let words = match (has_index, other.len()) {
                    (true, length) if length != whole => {
                        &format!("the file has {length} bytes, not {whole}")
                    }
                    _ => "its SHA-256 is ",
                };
                is_clear(&outcome, words, &what);
                // The next attempt brings what is listed then.
                update.server.recover();
                update.server.put(&path, &good);
                let outcome = update.pull(&[]);
                let said = text(&outcome.stderr);
                assert!(outcome.status.success(), "{what}: {said}");
                assert!(update.has_new(), "{what}");
            }
        }
    }
}

/// Makes sure that an error says what happened, and what to do.
fn is_clear(outcome: &Output, words: &str, what: &str) {
    let said = text(&outcome.stderr);
    let words = format!("{NEW} is not the listed file: {words}");
    assert_eq!(outcome.status.code(), Some(1), "{what}: {said}");
    assert!(said.contains(&words), "{what}: {said}");
    let hint = "hint: if the store changed in between, try again";
    assert!(said.contains(hint), "{what}: {said}");
}

/// A server that sends several parts at once is asked less often, and one that can't, or sends others,
/// costs no image.
#[test]
fn several_parts_come_with_one_request() {
    let update = Update::of_ten_files();
    let path = format!("/store/{NEW}");
    let whole = update.size(NEW);
    let beside = update.size("SHA256SUMS") + update.size("n-2.x86-64.blocks");
    let pull = |what: &str| {
        let answer: Value = json(&update.pull(&["--json"]));
        assert!(update.has_new(), "{what}");
        let asked = update.server.requests().into_iter();
        let asked: Vec<_> = asked.filter(|line| line.starts_with(&path)).collect();
        assert_eq!(answer["requests"], asked.len(), "{what}");
        let sent = update.server.sent() - beside;
        (answer["fetched"].as_u64().unwrap() as usize, asked, sent)
    };
    let (missing, asked, sent) = pull("all is well");
    assert!(missing < whole / 2, "{missing} of {whole}");
    // The first part comes alone, then eight at most.
    let parts = |line: &String| line.matches('-').count() - path.matches('-').count();
    let counts: Vec<_> = asked.iter().map(parts).collect();
    assert_eq!((counts[0], counts[1]), (1, 8), "{counts:?}");
    assert!(counts.iter().all(|count| *count <= 8), "{counts:?}");
    let runs: usize = counts.iter().sum();
    assert_eq!(counts.len(), 1 + (runs - 1).div_ceil(8), "{counts:?}");
    // What is between the parts is little.
    assert!((missing..missing + 100 * runs).contains(&sent), "{sent}");
    for (fault, most, requests) in [
        (Several::Shuffled, sent, asked.len()),
        // Then each comes by itself, after one request in vain.
        (Several::First, 2 * sent, runs + 1),
        (Several::Twice, 2 * sent, runs + 1),
        (Several::Cut, 2 * sent, runs + 1),
        (Several::Nameless, 2 * sent, runs + 1),
        (Several::Forbidden, 2 * sent, runs + 1),
        // It hangs up before it has read that.
        (Several::Whole, sent + whole, runs + 1),
        // Then all that is left comes in one.
        (Several::Zeros, sent + whole, 3),
    ] {
        update.reset();
        update.server.always(&path, Fault::Several(fault));
        let what = format!("{fault:?}");
        let (_, asked, sent) = pull(&what);
        assert_eq!(asked.len(), requests, "{what}: {asked:?}");
        assert!(sent <= most, "{what}: {sent} of {most}");
    }
}

#[test]
fn an_index_that_is_of_no_use_costs_the_whole_image() {
    let update = Update::new();
    let index = format!("/store/{}", "n-2.x86-64.blocks");
    for (what, bytes, note) in [
        (
            "another",
            &b"x"[..],
            "n-2.x86-64.blocks is not the listed file",
        ),
        ("none", b"404", "is not there"),
        ("an error", b"500", "can't be had: asking the store: http"),
        ("a loop", b"loop", "it redirects in a loop"),
    ] {
        update.reset();
        match bytes {
            b"404" => update.server.always(&index, Fault::Status(404)),
            b"500" => update.server.always(&index, Fault::Status(500)),
            b"loop" => update.server.always(&index, Fault::Redirect(index.clone())),
            bytes => update.server.put(&index, bytes),
        }
        let outcome = update.pull(&[]);
        let said = text(&outcome.stderr);
        assert!(outcome.status.success(), "{what}: {said}");
        assert!(
            said.contains(note) && said.contains("fetched whole"),
            "{what}: {said}"
        );
        assert!(update.has_new());
    }
    // Where there is nothing to take pieces from, it tells how long the image may be.
    update.reset();
    fs::remove_file(update.image(OLD)).unwrap();
    let image = fs::read(update.stored(NEW)).unwrap();
    update
        .server
        .put(&format!("/store/{NEW}"), &[&image[..], b"more"].concat());
    let said = text(&update.pull(&[]).stderr);
    let longer = format!(
        "the file has {} bytes, not {}",
        image.len() + 4,
        image.len()
    );
    assert!(said.contains(&longer), "{said}");
    assert_eq!(names(&update.scratch.join("images")), Vec::<String>::new());
    // The old list has none.
    update.reset();
    let list = fs::read_to_string(update.stored("SHA256SUMS")).unwrap();
    let list: String = (list.split_inclusive('\n'))
        .filter(|line| !line.contains(".blocks"))
        .collect();
    update.server.put("/store/SHA256SUMS", list.as_bytes());
    // Of bytes that are not the listed ones none gets the name.
    let path = format!("/store/{NEW}");
    update.server.put(&path, &noise(1, 1000));
    let outcome = update.pull(&[]);
    assert_eq!(outcome.status.code(), Some(1), "{}", text(&outcome.stderr));
    assert_eq!(names(&update.scratch.join("images")), [OLD]);
    update.server.load(&update.scratch.join("store"), "/store");
    update.server.put("/store/SHA256SUMS", list.as_bytes());
    assert!(update.pull(&[]).status.success());
    assert!(update.has_new());
}

#[test]
fn images_that_are_damaged_or_gone() {
    let update = Update::new();
    for at in [0, 50, 5000, update.size(OLD) / 2, update.size(OLD) - 1] {
        update.reset();
        let mut bytes = fs::read(update.stored(OLD)).unwrap();
        bytes[at] ^= 1;
        fs::write(update.image(OLD), &bytes).unwrap();
        let outcome = update.pull(&[]);
        assert!(outcome.status.success(), "{at}: {}", text(&outcome.stderr));
        assert!(update.has_new());
        // An index beside it that does not know of the damage changes nothing.
        update.reset();
        fs::write(update.scratch.join("old.raw"), &bytes).unwrap();
        fs::copy(
            update.stored("n-1.x86-64.blocks"),
            update.scratch.join("old.blocks"),
        )
        .unwrap();
        assert!(update.pull(&["--have", "old.raw"]).status.success());
        assert!(update.has_new());
    }
    // What has the name of the new image, and is not it, is repaired.
    update.reset();
    let mut bytes = fs::read(update.stored(NEW)).unwrap();
    bytes[300_000] ^= 1;
    fs::write(update.image(NEW), &bytes).unwrap();
    let answer = json(&update.pull(&["--json"]));
    assert_eq!(answer["state"], "replaced");
    assert!(answer["fetched"].as_u64().unwrap() < 50_000, "{answer}");
    assert!(update.has_new());
    // Without any image, all is fetched.
    update.reset();
    fs::remove_file(update.image(OLD)).unwrap();
    let answer = json(&update.pull(&["--json"]));
    assert_eq!(answer["fetched"], answer["bytes"]);
}

/// Whenever it dies, there is no wrong image, and the next attempt goes on.
#[test]
fn killed_pulls_and_pulls_at_once() {
    let update = Update::new();
    let path = format!("/store/{NEW}");
    let mut killed = 0;
    for round in 0..200_u64 {
        if round % 4 == 0 {
            update.reset();
        }
        update.server.always(&path, Fault::Slow(4000));
        let mut command = update.pull_command(&[]);
        let mut child = command.stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(round * 7919 % 120));
        let _ = child.kill();
        killed += u32::from(!child.wait().unwrap().success());
        update.has_new();
        if round % 20 == 19 {
            update.server.recover();
            let outcome = update.pull(&[]);
            assert!(outcome.status.success(), "{}", text(&outcome.stderr));
            assert!(update.has_new());
        }
    }
    assert!(killed > 0);
    update.reset();
    let children = [(); 4].map(|()| {
        let mut command = update.pull_command(&[]);
        command.stderr(Stdio::null()).spawn().unwrap()
    });
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert!(update.has_new());
}

#[test(root(), programs!("unshare", "sh", "mount"))]
fn a_full_disk_takes_no_image() {
    let update = Update::new();
    for kib in [16, 400, 1000] {
        let pull = update.pull_command(&["--have", &update.stored(OLD).display().to_string()]);
        let script = format!(
            "mount -t tmpfs -o size={kib}k none images || exit 99
             \"$@\"; code=$?; ls -A images; exit $code"
        );
        let outcome = Command::new("unshare")
            .args(["-m", "sh", "-c", &script, "sh"])
            .arg(pull.get_program())
            .args(pull.get_args())
            .envs(
                pull.get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .current_dir(update.scratch.path())
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(3), "{kib}: {said}");
        assert!(said.contains("No space left"), "{kib}: {said}");
        assert!(!text(&outcome.stdout).contains(NEW) || text(&outcome.stdout).contains(".part"));
    }
}

#[test]
fn what_is_offered_is_what_sysupdate_would_take() {
    let update = Update::new();
    for (arguments, code, expected) in [
        (&["n@1"][..], 0, "images/n-1.x86-64.raw is up to date"),
        (&["n@3"], 1, "lists no image of n in version 3 for x86-64"),
        (&["m"], 1, "lists no image of m for x86-64"),
        (
            &["n", "--arch", "arm64"],
            1,
            "lists no image of n for arm64",
        ),
        (&["../n"], 2, "the name \"../n\""),
    ] {
        let mut command = update.command(&["pull", "store", "--into", "images", "--unsigned"]);
        if !arguments.contains(&"--arch") {
            command.args(["--arch", "x86-64"]);
        }
        let outcome = command.args(arguments).output().unwrap();
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(expected), "{arguments:?}: {said}");
    }
    // A client that has a newer one keeps it.
    fs::write(update.image("n-10.x86-64.raw"), b"newer").unwrap();
    let said = text(&update.pull(&[]).stderr);
    assert!(
        said.contains("images/n-10.x86-64.raw is newer than all that is listed"),
        "{said}"
    );
    assert!(!update.has_new());
    update.reset();
    // A list whose day is over is refused.
    let mut list = fs::read_to_string(update.stored("SHA256SUMS")).unwrap();
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    list += &format!("{empty}  BEST-BEFORE-2020-01-01\n");
    update.server.put("/store/SHA256SUMS", list.as_bytes());
    let outcome = update.pull(&[]);
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(
        said.contains("the list was good until 2020-01-01"),
        "{said}"
    );
    // Nor is one taken that nobody vouches for.
    update.reset();
    let store = format!("{}/store", update.server.url());
    let key = fixture("keys/test.public.asc");
    let outcome = update
        .command(&[
            "pull",
            &store,
            "n",
            "--into",
            "images",
            "--arch",
            "x86-64",
            "--keyring",
        ])
        .arg(key)
        .output()
        .unwrap();
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(said.contains("is not signed"), "{said}");
    assert!(!update.has_new());
    // The keys that may sign are those that were given.
    let secret = fixture("keys/test.secret.asc").display().to_string();
    update.succeed(&["-q", "store", "sign", "store", "--sign-key", &secret]);
    for (key, code) in [("version6.public.asc", 1), ("test.public.asc", 0)] {
        let outcome = update
            .command(&[
                "pull",
                "store",
                "n",
                "--into",
                "images",
                "--arch",
                "x86-64",
                "--keyring",
            ])
            .arg(fixture("keys").join(key))
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{said}");
        assert_eq!(update.has_new(), code == 0, "{said}");
    }
}

#[test]
fn links_and_stages() {
    let update = Update::new();
    fs::create_dir_all(update.scratch.join("etc/extensions")).unwrap();
    let link = update.scratch.join("etc/extensions/n.raw");
    for version in ["n@1", "n@2", "n@2"] {
        let mut command = update.command(&["pull", "store", version, "--into", "images"]);
        command.args(["--unsigned", "--arch", "x86-64", "--link", "etc/extensions"]);
        let outcome = command.output().unwrap();
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
        let file = version.replace('@', "-") + ".x86-64.raw";
        let target = fs::read_link(&link).unwrap();
        assert_eq!(target, PathBuf::from(format!("../../images/{file}")));
        assert!(link.exists());
    }
    // What is not a link stays.
    fs::remove_file(&link).unwrap();
    fs::write(&link, b"mine").unwrap();
    update.reset();
    let outcome = update.pull(&["--link", "etc/extensions"]);
    assert_eq!(outcome.status.code(), Some(1), "{}", text(&outcome.stderr));
    assert_eq!(fs::read(&link).unwrap(), b"mine");
    // Nothing was fetched in vain.
    assert_eq!(update.server.sent(), update.size("SHA256SUMS"));

    // What attempts have left of other versions goes, and nothing else.
    update.reset();
    for left in [".n-1.x86-64.raw.part", ".m-1.x86-64.raw.part"] {
        fs::write(update.image(left), b"left").unwrap();
    }
    assert!(update.pull(&[]).status.success());
    let left = [".m-1.x86-64.raw.part", OLD, NEW];
    assert_eq!(names(&update.scratch.join("images")), left);

    update.reset();
    fs::create_dir(update.scratch.join("stage")).unwrap();
    let answer = json(&update.pull(&["--stage", "stage", "--json"]));
    assert_eq!(answer["image"], format!("stage/{NEW}"));
    assert!(answer["copied"].as_u64().unwrap() > 0);
    assert_eq!(names(&update.scratch.join("stage")), [NEW]);
    assert_eq!(names(&update.scratch.join("images")), [OLD]);
}

/// An index goes with its image, and is made again where the image is another one.
#[test]
fn indexes_follow_their_images() {
    let update = Update::new();
    let store = update.scratch.join("store");
    let indexes = || {
        let names = names(&store).into_iter();
        names
            .filter(|name| name.ends_with(".blocks"))
            .collect::<Vec<_>>()
    };
    assert_eq!(indexes(), ["n-1.x86-64.blocks", "n-2.x86-64.blocks"]);
    let said = update.succeed(&["store", "index", "store"]);
    assert!(said.contains("each image has an index"), "{said}");
    let findings = update.succeed(&["store", "verify", "store"]);
    assert!(!findings.contains(".blocks"), "{findings}");
    // A damaged one is found by verify, and mended by index.
    let path = store.join("n-1.x86-64.blocks");
    let good = fs::read(&path).unwrap();
    fs::write(&path, b"x").unwrap();
    let outcome = update
        .command(&["store", "verify", "store"])
        .output()
        .unwrap();
    let said = text(&outcome.stdout) + &text(&outcome.stderr);
    assert!(
        !outcome.status.success() && said.contains("n-1.x86-64.blocks"),
        "{said}"
    );
    update.succeed(&["store", "index", "store"]);
    assert!(fs::read(&path).unwrap() == good);
    // Copies of the store have them, too.
    update.succeed(&["store", "merge", "store", "--into", "copy"]);
    assert!(fs::read(update.scratch.join("copy/n-1.x86-64.blocks")).unwrap() == good);
    update.succeed(&["store", "remove", "store", OLD]);
    assert_eq!(indexes(), ["n-2.x86-64.blocks"]);
    let list = fs::read_to_string(store.join("SHA256SUMS")).unwrap();
    assert!(!list.contains("n-1.x86-64.blocks"), "{list}");
}
