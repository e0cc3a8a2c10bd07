//! Whatever has the name of a file that is read: it is opened without waiting, and named.
//!
//! One row for each option and verb that takes a file, and for each file that is read without being
//! named. In the place of each there is, one after the other, a FIFO that nobody writes to, a
//! socket, a device without an end, a directory, a link, and a file that is one byte too long.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::fixture_repository::{self, usual};
use crate::workshop::{Scratch, fixture, names, os_release, output_of, program, text};

const MIB: u64 = 1 << 20;

/// How long a run may take before it is killed, which fails the test. None takes a second.
const PATIENCE: Duration = Duration::from_secs(60);

/// A file that is read, and how one makes the program read it.
struct Row {
    /// Its path below the scene.
    place: &'static str,
    /// The command line, below the scene.
    arguments: &'static str,
    links: Links,
    directories: Directories,
    /// Most bytes that it may have, if there is a fixed number.
    limit: Option<u64>,
}

/// What happens to a link that leads to the file.
#[derive(Clone, Copy, PartialEq)]
enum Links {
    /// The user named it.
    Followed,
    /// Others may have put it there.
    Refused,
}

/// What a directory is in the file's place.
#[derive(Clone, Copy, PartialEq)]
enum Directories {
    Refused,
    /// The option takes directories, too.
    Taken,
}

use Directories::{Refused as NoDirectory, Taken};
use Links::{Followed, Refused};

const ROWS: &[Row] = &[
    row(
        "a.rpm",
        "a.rpm --match any --allow unchecked-base -o new",
        Followed,
        Taken,
        None,
    ),
    row("a.toml", "a.toml -o new", Followed, NoDirectory, Some(MIB)),
    row(
        "conf/mkosi.conf",
        "import mkosi conf -o new --replace",
        Followed,
        NoDirectory,
        Some(MIB),
    ),
    row(
        "conf/justfile",
        "import just conf -o new --replace",
        Followed,
        NoDirectory,
        Some(MIB),
    ),
    row("a.toml", "plan a.toml", Followed, NoDirectory, Some(MIB)),
    row(
        "contexts",
        "a.rpm --match any --allow unchecked-base --selinux contexts -o new",
        Followed,
        NoDirectory,
        Some(4 * MIB),
    ),
    row("common", "b.toml -o new", Followed, NoDirectory, Some(MIB)),
    row(
        "os-release",
        "a.rpm --os-release os-release -o new",
        Followed,
        NoDirectory,
        Some(64 * MIB - 1),
    ),
    row(
        "base",
        "a.rpm --base base --os-release os-release -o new",
        Followed,
        Taken,
        Some(16 * MIB),
    ),
    row(
        "a.lock",
        "payload-zstd --repo repo --base base --os-release os-release --arch x86_64 --locked \
         --lock a.lock --cache-dir cache -o new",
        Followed,
        NoDirectory,
        Some(8 * MIB),
    ),
    row(
        "public",
        "a.rpm --match any --allow unchecked-base --keyring public --allow unsigned-package -o new",
        Followed,
        Taken,
        Some(4 * MIB),
    ),
    row(
        "a.repo",
        "payload-zstd --repo a.repo --base base --os-release os-release --arch x86_64 \
         --cache-dir cache -o new",
        Followed,
        Taken,
        Some(MIB),
    ),
    row(
        "repo/repodata/repomd.xml",
        "payload-zstd --repo repo --base base --os-release os-release --arch x86_64 \
         --cache-dir cache -o new",
        Followed,
        NoDirectory,
        Some(4 * MIB),
    ),
    row(
        "repo/packages/payload-zstd-1-1.noarch.rpm",
        "payload-zstd --repo repo --base base --os-release os-release --arch x86_64 \
         --cache-dir cache -o new",
        Followed,
        NoDirectory,
        None,
    ),
    row(
        "payload-zstd-1-1.x86-64.raw",
        "inspect payload-zstd-1-1.x86-64.raw",
        Followed,
        NoDirectory,
        None,
    ),
    row(
        "payload-zstd-1-1.x86-64.raw",
        "check payload-zstd-1-1.x86-64.raw --os-release os-release",
        Followed,
        NoDirectory,
        None,
    ),
    row(
        "payload-zstd-1-1.x86-64.raw",
        "why payload-zstd-1-1.x86-64.raw payload-zstd",
        Followed,
        NoDirectory,
        None,
    ),
    row(
        "payload-zstd-1-1.x86-64.raw",
        "diff payload-zstd-1-1.x86-64.raw other.raw",
        Followed,
        NoDirectory,
        None,
    ),
    row(
        "payload-zstd-1-1.x86-64.raw",
        "store add new payload-zstd-1-1.x86-64.raw",
        Followed,
        NoDirectory,
        None,
    ),
    row(
        "payload-zstd-1-1.x86-64.manifest.gz",
        "inspect payload-zstd-1-1.x86-64.raw",
        Refused,
        NoDirectory,
        None,
    ),
    row(
        "payload-zstd-1-1.x86-64.manifest.gz",
        "check payload-zstd-1-1.x86-64.raw --os-release os-release",
        Refused,
        NoDirectory,
        None,
    ),
    row(
        "payload-zstd-1-1.x86-64.manifest.gz",
        "why payload-zstd-1-1.x86-64.raw payload-zstd",
        Refused,
        NoDirectory,
        None,
    ),
    row(
        "payload-zstd-1-1.x86-64.manifest.gz",
        "store add new payload-zstd-1-1.x86-64.raw",
        Refused,
        NoDirectory,
        None,
    ),
    row(
        "payload-zstd-1-1.x86-64.manifest.gz",
        "why payload-zstd-1-1.x86-64.manifest.gz payload-zstd",
        Followed,
        NoDirectory,
        None,
    ),
    row(
        "payload-zstd-1-1.x86-64.raw",
        "rebuild payload-zstd-1-1.x86-64.raw a.rpm --work-dir .",
        Followed,
        NoDirectory,
        None,
    ),
    row(
        "payload-zstd-1-1.x86-64.manifest.gz",
        "rebuild payload-zstd-1-1.x86-64.raw a.rpm --work-dir .",
        Refused,
        NoDirectory,
        None,
    ),
    row(
        "payload-zstd-1-1.x86-64.manifest.gz",
        "rebuild payload-zstd-1-1.x86-64.manifest.gz a.rpm --work-dir .",
        Followed,
        NoDirectory,
        Some(64 * MIB),
    ),
    row(
        "payload-zstd-1-1.x86-64.raw",
        "sbom payload-zstd-1-1.x86-64.raw",
        Followed,
        NoDirectory,
        None,
    ),
    row(
        "payload-zstd-1-1.x86-64.manifest.gz",
        "sbom payload-zstd-1-1.x86-64.raw",
        Refused,
        NoDirectory,
        None,
    ),
    row(
        "payload-zstd-1-1.x86-64.manifest.gz",
        "sbom payload-zstd-1-1.x86-64.manifest.gz",
        Followed,
        NoDirectory,
        Some(64 * MIB),
    ),
    row(
        "payload-zstd-1-1.x86-64.manifest.gz",
        "check payload-zstd-1-1.x86-64.manifest.gz --os-release os-release",
        Followed,
        NoDirectory,
        Some(64 * MIB),
    ),
    row(
        "os-release",
        "check payload-zstd-1-1.x86-64.raw --os-release os-release",
        Followed,
        NoDirectory,
        Some(64 * MIB - 1),
    ),
    row(
        "base",
        "check payload-zstd-1-1.x86-64.raw --base base --os-release os-release",
        Followed,
        Taken,
        Some(16 * MIB),
    ),
    row(
        "store/SHA256SUMS",
        "store list store",
        Refused,
        NoDirectory,
        Some(8 * MIB),
    ),
    row(
        "store/SHA256SUMS",
        "store page store",
        Refused,
        NoDirectory,
        Some(8 * MIB),
    ),
    row(
        "store/SHA256SUMS",
        "store prune --keep 1 --sign-key secret store",
        Refused,
        NoDirectory,
        Some(8 * MIB),
    ),
    row(
        "store/SHA256SUMS",
        "store merge store --into merged",
        Refused,
        NoDirectory,
        Some(8 * MIB),
    ),
    row(
        "store/SHA256SUMS.gpg",
        "store promote store merged",
        Refused,
        NoDirectory,
        Some(MIB),
    ),
    row(
        "store/SHA256SUMS.gpg",
        "store page store",
        Refused,
        NoDirectory,
        Some(MIB),
    ),
    row(
        "store/SHA256SUMS.gpg",
        "store verify store",
        Refused,
        NoDirectory,
        Some(MIB),
    ),
    row(
        "store/SHA256SUMS.gpg",
        "a.rpm --match any --allow unchecked-base --sign-key secret -o store",
        Refused,
        NoDirectory,
        Some(MIB),
    ),
    row(
        "store/import-pubring.gpg",
        "store page store",
        Refused,
        NoDirectory,
        Some(4 * MIB),
    ),
    row(
        "store/import-pubring.gpg",
        "store sysupdate store --url https://example.org",
        Refused,
        NoDirectory,
        Some(4 * MIB),
    ),
    row(
        "store/import-pubring.gpg",
        "a.rpm --match any --allow unchecked-base --sign-key secret -o store",
        Refused,
        NoDirectory,
        Some(4 * MIB),
    ),
    row(
        "public",
        "store sysupdate store --url https://example.org --keyring public --tarball new.tar",
        Followed,
        Taken,
        Some(4 * MIB),
    ),
    row(
        "public",
        "store verify store --keyring public",
        Followed,
        Taken,
        Some(4 * MIB),
    ),
    row(
        "secret",
        "a.rpm --match any --allow unchecked-base --sign-key secret -o new",
        Followed,
        NoDirectory,
        Some(MIB),
    ),
    row(
        "secret.pem",
        "a.rpm --match any --allow unchecked-base --format ddi --verity-key secret.pem \
         --verity-cert certificate -o disks",
        Followed,
        NoDirectory,
        Some(MIB / 16),
    ),
    row(
        "certificate",
        "a.rpm --match any --allow unchecked-base --format ddi --verity-key secret.pem \
         --verity-cert certificate -o disks",
        Followed,
        NoDirectory,
        Some(MIB / 16),
    ),
    row(
        "raw",
        "sign-verity disks/payload-zstd-1-1.x86-64.raw --signature raw --verity-cert certificate",
        Followed,
        NoDirectory,
        Some(MIB / 16),
    ),
    row(
        "raw.cpio",
        "sign-verity disks/payload-zstd-1-1.x86-64.raw --signatures raw.cpio --verity-cert certificate",
        Followed,
        NoDirectory,
        Some(16 * MIB),
    ),
    row(
        "secret",
        "store sign store --sign-key secret",
        Followed,
        NoDirectory,
        Some(MIB),
    ),
];

const fn row(
    place: &'static str,
    arguments: &'static str,
    links: Links,
    directories: Directories,
    limit: Option<u64>,
) -> Row {
    Row {
        place,
        arguments,
        links,
        directories,
        limit,
    }
}

/// A directory with a good file in each place.
struct Scene(Scratch);

/// Returns a file of an archive, as cpio writes it.
fn archived(name: &str, mode: u32, text: &str) -> String {
    let numbers = [
        0,
        mode,
        0,
        0,
        1,
        0,
        text.len() as u32,
        0,
        0,
        0,
        0,
        name.len() as u32 + 1,
        0,
    ];
    let numbers = numbers.map(|number| format!("{number:08x}")).concat();
    let padded = |text: String| {
        format!(
            "{text}{}",
            "\0".repeat(text.len().next_multiple_of(4) - text.len())
        )
    };
    padded(format!("070701{numbers}{name}\0")) + &padded(text.to_owned())
}

impl Scene {
    fn new() -> Self {
        let scratch = Scratch::new();
        let copy = |from: PathBuf, to: &str| fs::copy(from, scratch.join(to)).unwrap();
        copy(fixture("payload-zstd-1-1.noarch.rpm"), "a.rpm");
        copy(os_release("tumbleweed"), "os-release");
        copy(fixture("keys/test.public.asc"), "public");
        copy(fixture("keys/test.secret.asc"), "secret");
        copy(fixture("keys/image.key.pem"), "secret.pem");
        copy(fixture("keys/image.crt"), "certificate");
        fs::write(
            scratch.join("a.toml"),
            "packages = [\"a.rpm\"]\nmatch = \"any\"\n",
        )
        .unwrap();
        let include = "include = [\"common\"]\npackages = [\"a.rpm\"]\n";
        fs::write(scratch.join("b.toml"), include).unwrap();
        // What it signs is not looked at where an image is signed already.
        fs::write(scratch.join("raw"), "signature").unwrap();
        let name = "roothashes/payload-zstd-1-1.x86-64.roothash.sig";
        let archive = archived(name, 0o100_644, "signature") + &archived("TRAILER!!!", 0, "");
        fs::write(scratch.join("raw.cpio"), archive).unwrap();
        fs::write(scratch.join("contexts"), "/.* a:b:c:s0\n").unwrap();
        fs::write(scratch.join("common"), "match = \"any\"\n").unwrap();
        fs::write(scratch.join("base"), "outside-1-1.noarch\n").unwrap();
        fs::create_dir(scratch.join("conf")).unwrap();
        let conf = "[Output]\nFormat=sysext\nImageId=a\n";
        fs::write(scratch.join("conf/mkosi.conf"), conf).unwrap();
        fs::write(scratch.join("conf/justfile"), "name := 'b'\n").unwrap();
        fixture_repository::write(&scratch.join("repo"), &usual());
        let scene = Scene(scratch);
        let url = format!("[a]\nbaseurl=file://{}\n", scene.at("repo").display());
        fs::write(scene.at("a.repo"), url).unwrap();
        for arguments in [
            "a.rpm --match any --allow unchecked-base --sign-key secret -o store",
            "payload-zstd --repo repo --base base --os-release os-release --arch x86_64 --lock \
             a.lock --cache-dir cache -o locked",
        ] {
            output_of(&mut scene.command(arguments));
        }
        for name in names(&scene.at("store")) {
            if let Some((_, ending)) = name.split_once(".x86-64") {
                fs::copy(scene.at("store").join(&name), scene.at(&name)).unwrap();
                fs::copy(
                    scene.at("store").join(&name),
                    scene.at(&format!("other{ending}")),
                )
                .unwrap();
            }
        }
        scene
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    fn command(&self, arguments: &str) -> Command {
        let mut command = program();
        command
            .args(arguments.split_whitespace())
            .current_dir(self.0.path());
        command
    }

    /// Runs the program; kills it, and panics, if it does not come to an end.
    fn run(&self, arguments: &str) -> (Option<i32>, String) {
        let said = self.at("said");
        let mut child = self
            .command(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(&said).unwrap())
            .spawn()
            .unwrap();
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            if begin.elapsed() > PATIENCE {
                child.kill().unwrap();
                child.wait().unwrap();
                panic!("{arguments}: it waits for ever");
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        (status.code(), text(&fs::read(said).unwrap()))
    }
}

/// What is put in the place of a file, and what it is called.
type Intruder = (&'static str, fn(&Path));

const INTRUDERS: [Intruder; 3] = [
    ("a FIFO", |place| {
        output_of(Command::new("mkfifo").arg(place));
    }),
    ("a socket", |place| {
        // Its path may be too long for the address of a socket.
        let short = Scratch::new();
        drop(UnixListener::bind(short.join("s")).unwrap());
        fs::rename(short.join("s"), place).unwrap();
    }),
    ("a character device", |place| {
        output_of(Command::new("mknod").arg(place).args(["c", "1", "5"]));
    }),
];

/// Says what is wrong with a run that should be refused with one error that has these words.
fn check_refused(scene: &Scene, row: &Row, words: &str) -> Option<String> {
    let (code, said) = scene.run(row.arguments);
    let (_, name) = row.place.rsplit_once('/').unwrap_or(("", row.place));
    let errors = said.lines().filter(|line| line.starts_with("error: "));
    let errors: Vec<_> = errors.collect();
    // As with diff(1), 1 says that there are differences.
    let refused = if row.arguments.starts_with("diff ") {
        3
    } else {
        1
    };
    let is_right = code == Some(refused)
        && matches!(errors[..], [error] if error.contains(name) && error.contains(words));
    (!is_right).then(|| {
        format!(
            "{}: {} is {words}: {code:?}: {said}",
            row.arguments, row.place
        )
    })
}

/// Says what is wrong with a run that should succeed.
fn check_done(scene: &Scene, row: &Row, words: &str) -> Option<String> {
    let (code, said) = scene.run(row.arguments);
    let is_right = code == Some(0);
    (!is_right).then(|| {
        format!(
            "{}: {} is {words}: {code:?}: {said}",
            row.arguments, row.place
        )
    })
}

#[test(all(&[program("mkfifo"), program("mknod"), root()]))]
fn what_is_no_file_is_named() {
    let scene = Scene::new();
    let kept = scene.at("kept");
    let mut wrong = Vec::new();
    for row in ROWS {
        let place = scene.at(row.place);
        wrong.extend(check_done(&scene, row, "as it was"));
        fs::rename(&place, &kept).unwrap();
        for (words, make) in INTRUDERS {
            // A secret may come through a FIFO.
            if !row.place.starts_with("secret") || words != "a FIFO" {
                make(&place);
                wrong.extend(check_refused(&scene, row, words));
                fs::remove_file(&place).unwrap();
            }
        }
        if row.directories == NoDirectory {
            fs::create_dir(&place).unwrap();
            wrong.extend(check_refused(&scene, row, "a directory"));
            fs::remove_dir(&place).unwrap();
        }
        symlink(&kept, &place).unwrap();
        wrong.extend(match row.links {
            Followed => check_done(&scene, row, "a symbolic link"),
            Refused => check_refused(&scene, row, "a symbolic link"),
        });
        fs::remove_file(&place).unwrap();
        if let Some(limit) = row.limit {
            let file = fs::File::create(&place).unwrap();
            file.set_len(limit + 1).unwrap();
            let words = format!("has {} bytes; at most {limit} are allowed", limit + 1);
            wrong.extend(check_refused(&scene, row, &words));
            fs::remove_file(&place).unwrap();
        }
        fs::rename(&kept, &place).unwrap();
        let _ = fs::remove_dir_all(scene.at("new"));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Somebody who can write to a directory puts links where files are about to be written: nothing at
/// their other end changes.
#[test]
fn nothing_is_written_through_a_link() {
    let pages = "sysext-build.1";
    let definitions = "store/sysupdate.payload-zstd.d";
    for (place, arguments, code) in [
        (format!("man/{pages}"), "man man", 0),
        ("store/index.html".to_owned(), "store page store", 0),
        ("store/index.json".to_owned(), "store page store", 0),
        (
            "tar".to_owned(),
            "store sysupdate store --url https://example.org --tarball tar",
            0,
        ),
        (
            format!("{definitions}/payload-zstd.transfer"),
            "store sysupdate store --url https://example.org",
            0,
        ),
        // A directory at the other end may be anywhere.
        (
            definitions.to_owned(),
            "store sysupdate store --url https://example.org",
            1,
        ),
        (
            "names/payload-zstd".to_owned(),
            "a.rpm --match any --allow unchecked-base --layout per-name -o names",
            1,
        ),
        (
            "names/payload-zstd".to_owned(),
            "store add --per-name names payload-zstd-1-1.x86-64.raw",
            1,
        ),
        (
            "new.lock".to_owned(),
            "payload-zstd --repo repo --base base --os-release os-release --arch x86_64 --lock \
             new.lock --cache-dir cache -o new",
            // It is not a lock.
            1,
        ),
    ] {
        let scene = Scene::new();
        let (victim, directory) = (scene.at("victim"), scene.at("elsewhere"));
        fs::write(&victim, "precious").unwrap();
        fs::create_dir(&directory).unwrap();
        let place = scene.at(&place);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let is_directory = code == 1;
        symlink(if is_directory { &directory } else { &victim }, &place).unwrap();
        let (found, said) = scene.run(arguments);
        assert_eq!(found, Some(code), "{arguments}: {said}");
        assert_eq!(fs::read(&victim).unwrap(), b"precious", "{arguments}");
        assert_eq!(names(&directory), [""; 0], "{arguments}");
        assert_eq!(place.is_symlink(), is_directory, "{arguments}: {said}");
    }
}

/// The tree of a builder who is not root has no files that act for the builder; the image has them.
#[test(program("cp"), root())]
fn a_tree_acts_for_nobody() {
    const NOBODY: u32 = 65534;
    for (user, note, mode) in [(0, false, 0o4755), (NOBODY, true, 0o755)] {
        let scratch = Scratch::new();
        // Where the user may run the program, and write. Another process copies: a child that
        // another test begins meanwhile would keep the copy open for writing.
        let own = scratch.join("program");
        output_of(Command::new("cp").arg(program().get_program()).arg(&own));
        fs::copy(
            fixture("hello-tools-1.1~rc1-2.x86_64.rpm"),
            scratch.join("a.rpm"),
        )
        .unwrap();
        std::os::unix::fs::chown(scratch.path(), Some(user), Some(user)).unwrap();
        let outcome = Command::new(own)
            .args([
                "a.rpm",
                "--match",
                "any",
                "--allow",
                "unchecked-base",
                "--tree",
                "tree",
                "-o",
                "store",
            ])
            .current_dir(scratch.path())
            .env("HOME", scratch.path())
            .env_remove("XDG_STATE_HOME")
            .uid(user)
            .gid(user)
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        assert!(outcome.status.success(), "{said}");
        let words = "--tree: set-uid and set-gid bits of 1 file are in the image alone\n";
        assert_eq!(said.contains(words), note, "{said}");
        let file = scratch.join("tree/usr/bin/hello-setuid");
        assert_eq!(fs::metadata(file).unwrap().mode() & 0o7777, mode, "{said}");
    }
}

/// The certificates that are trusted stand in the environment.
#[test(program("mkfifo"))]
fn certificates() {
    let scene = Scene::new();
    output_of(Command::new("mkfifo").arg(scene.at("fifo")));
    let outcome = scene
        .command("a --repo https://localhost:1/ --base base --os-release os-release --arch x86_64")
        .args(["--cache-dir", "cache", "-o", "new"])
        .env("SSL_CERT_FILE", "fifo")
        .output()
        .unwrap();
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(
        said.contains("error: fifo is a FIFO, not a regular file\n"),
        "{said}"
    );
}

/// `--sign-key <(...)` and `--passphrase-file <(...)`.
#[test(all(&[program("bash"), program("mkfifo")]))]
fn secrets_may_come_through_a_fifo() {
    let scene = Scene::new();
    let path = program().get_program().to_owned();
    for (script, expected) in [
        ("\"$0\" store sign store --sign-key <(cat secret)", Ok(())),
        (
            "\"$0\" store sign store --sign-key <(sleep 0.2; cat secret)",
            Ok(()),
        ),
        (
            "\"$0\" store sign store --sign-key secret --passphrase-file <(echo x; exec sleep 9 2>&-)",
            Ok(()),
        ),
        (
            "\"$0\" store sign store --sign-key <(cat /dev/zero)",
            Err("has 1048577 bytes; at most 1048576 are allowed"),
        ),
        (
            "mkfifo fifo; \"$0\" store sign store --sign-key fifo",
            Err("error: reading fifo: nothing was written to the FIFO"),
        ),
    ] {
        let outcome = Command::new("bash")
            .args(["-c", script])
            .arg(&path)
            .current_dir(scene.0.path())
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        match expected {
            Ok(()) => assert!(outcome.status.success(), "{script}: {said}"),
            Err(words) => assert!(said.contains(words), "{script}: {said}"),
        }
    }
}
