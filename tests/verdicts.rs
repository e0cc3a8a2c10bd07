//! The verdicts of `check` against the real `systemd-sysext merge`.
//!
//! Each case is an image, a name under which it is linked, and a host. The real program merges it
//! in a mount namespace, beside a good image: what it does is `accepted` where the image is
//! merged, `ignored` where only the good one is, `refused` where neither is. `check` says what it
//! will do from the files alone; there must be no disagreement. Where a key decides, the words
//! that `check` quotes must be in the real program's log.

mod confexts;
mod kinds;
mod odd;
pub mod policies;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use judges::{Need, all, programs};
use serde_json::Value;

use self::kinds::{DISK, other_kinds};
use self::odd::odd_ones;
use crate::client::{CLIENT, OVER, SID, TRIXIE, merging_class, over};
use crate::workshop::{Scratch, json, output_of, program, text};

const HOST: &str = "ID=opensuse-tumbleweed\nVERSION_ID=20241010\nID_LIKE=\"opensuse suse\"\n";
const ROLLING: &str = "ID=opensuse-tumbleweed\n";
const LEVEL: &str = "ID=opensuse-tumbleweed\nVERSION_ID=20241010\nSYSEXT_LEVEL=2\n";
const LEVEL_ONLY: &str = "ID=opensuse-tumbleweed\nSYSEXT_LEVEL=2\n";
const RIGHT: &str = "ID=opensuse-tumbleweed\nVERSION_ID=20241010\n";

/// File name of every case's image.
const IMAGE: &str = "tool-1.x86-64.raw";

/// What is in a case's image.
enum Part {
    /// An extension-release file: what its name ends in, its text, and `strict`, if it has it.
    Release(&'static str, &'static str, Option<&'static str>),
    /// The same of a confext.
    Confext(&'static str, &'static str, Option<&'static str>),
    /// A file with a text.
    File(&'static str, &'static str),
    /// A symbolic link with its target.
    Link(&'static str, &'static str),
    /// A directory with its mode.
    Directory(&'static str, u32),
    /// A character device 0:0.
    Whiteout(&'static str),
}
use Part::{Confext, Directory, File, Link, Release, Whiteout};

/// What is done to the bytes of an image.
enum Damage {
    None,
    /// Options for mksquashfs.
    Options(&'static [&'static str]),
    /// A shell command on the file "$1".
    Shell(&'static str),
    /// A shell command that makes "$1" of the tree "$2", with the functions of [`DISK`].
    Packed(&'static str),
}
use Damage::{Options, Packed, Shell};

/// Packs the tree "$2" again, to an odd number of sectors.
const SECTORS: &str = "rm \"$1\"; seq 3000 > \"$2/usr/bin/numbers\"
    mksquashfs \"$2\" \"$1\" -nopad -quiet >&2
    truncate -s %512 \"$1\"
    [ $(($(stat -c %s \"$1\") / 512 % 2)) = 1 ] || truncate -s +512 \"$1\"";
/// Packs the tree "$2" again, to one sector, which is less than is looked at for a file system.
const SECTOR: &str = "rm \"$1\"; mksquashfs \"$2\" \"$1\" -nopad -quiet >&2
    truncate -s %512 \"$1\"; [ $(stat -c %s \"$1\") = 512 ]";

struct Case {
    about: &'static str,
    link: &'static str,
    host: &'static str,
    parts: Vec<Part>,
    damage: Damage,
}

/// An image of a program with this extension-release file, linked as `tool`.
fn keys(about: &'static str, keys: &'static str, host: &'static str) -> Case {
    with(about, host, vec![Release("tool", keys, None)])
}

/// An image of a program and these parts, linked as `tool`.
fn with(about: &'static str, host: &'static str, parts: Vec<Part>) -> Case {
    named(about, "tool", host, parts)
}

fn named(about: &'static str, link: &'static str, host: &'static str, parts: Vec<Part>) -> Case {
    let mut all = vec![File("usr/bin/tool", "#!/bin/sh\n")];
    all.extend(parts);
    Case {
        about,
        link,
        host,
        parts: all,
        damage: Damage::None,
    }
}

/// A good image to whose bytes something is done.
fn damaged(about: &'static str, damage: Damage) -> Case {
    Case {
        damage,
        ..keys(about, RIGHT, HOST)
    }
}

fn cases() -> Vec<Case> {
    let other = |strict| vec![Release("other", RIGHT, strict)];
    let good = || Release("tool", RIGHT, None);
    vec![
        // Keys.
        keys("good", RIGHT, HOST),
        keys("wrong ID", "ID=fedora\nVERSION_ID=20241010\n", HOST),
        keys(
            "wrong VERSION_ID",
            "ID=opensuse-tumbleweed\nVERSION_ID=1\n",
            HOST,
        ),
        keys("no VERSION_ID", "ID=opensuse-tumbleweed\n", HOST),
        keys(
            "empty VERSION_ID",
            "ID=opensuse-tumbleweed\nVERSION_ID=\n",
            HOST,
        ),
        keys("no ID", "VERSION_ID=20241010\n", HOST),
        keys("any ID", "ID=_any\nVERSION_ID=1\n", HOST),
        keys("any ID alone", "ID=_any\n", HOST),
        keys("ID of ID_LIKE", "ID=suse\nVERSION_ID=20241010\n", HOST),
        keys(
            "ID of ID_LIKE, wrong VERSION_ID",
            "ID=suse\nVERSION_ID=1\n",
            HOST,
        ),
        keys("rolling host", "ID=opensuse-tumbleweed\n", ROLLING),
        keys("rolling host, VERSION_ID in the image", RIGHT, ROLLING),
        keys(
            "rolling host, level in the image",
            "ID=opensuse-tumbleweed\nSYSEXT_LEVEL=1\n",
            ROLLING,
        ),
        keys(
            "level equal, VERSION_ID wrong",
            "ID=opensuse-tumbleweed\nVERSION_ID=1\nSYSEXT_LEVEL=2\n",
            LEVEL,
        ),
        keys(
            "level differs",
            "ID=opensuse-tumbleweed\nVERSION_ID=20241010\nSYSEXT_LEVEL=1\n",
            LEVEL,
        ),
        keys(
            "level only in the image",
            "ID=opensuse-tumbleweed\nVERSION_ID=20241010\nSYSEXT_LEVEL=2\n",
            HOST,
        ),
        keys("level only on the host", RIGHT, LEVEL),
        keys("level only on the host, no VERSION_ID", RIGHT, LEVEL_ONLY),
        keys("host without ID", RIGHT, "VERSION_ID=20241010\n"),
        keys("RPM's ARCHITECTURE", "ID=_any\nARCHITECTURE=x86_64\n", HOST),
        keys("other ARCHITECTURE", "ID=_any\nARCHITECTURE=arm64\n", HOST),
        keys("right ARCHITECTURE", "ID=_any\nARCHITECTURE=x86-64\n", HOST),
        keys("any ARCHITECTURE", "ID=_any\nARCHITECTURE=_any\n", HOST),
        keys("scope initrd", "ID=_any\nSYSEXT_SCOPE=initrd\n", HOST),
        keys("scope portable", "ID=_any\nSYSEXT_SCOPE=portable\n", HOST),
        keys(
            "scope of two",
            "ID=_any\nSYSEXT_SCOPE=\"portable system\"\n",
            HOST,
        ),
        keys("scope empty", "ID=_any\nSYSEXT_SCOPE=\n", HOST),
        // Syntax.
        keys("no keys", "", HOST),
        keys("only a comment", "# nothing\n", HOST),
        keys(
            "quotes, CRLF, no last line end",
            "ID='opensuse-tumbleweed'\r\nVERSION_ID=\"20241010\"",
            HOST,
        ),
        keys("a line without =", "what\nID=_any\n", HOST),
        keys(
            "an open quote",
            "VERSION_ID=20241010\nID=\"opensuse-tumbleweed",
            HOST,
        ),
        keys(
            "white space round =",
            " ID = opensuse-tumbleweed \nVERSION_ID=20241010\n",
            HOST,
        ),
        keys(
            "a key twice",
            "ID=fedora\nID=opensuse-tumbleweed\nVERSION_ID=20241010\n",
            HOST,
        ),
        keys(
            "quotes inside a value",
            "ID=opensuse\"-tumbleweed\"\nVERSION_ID=20241010\n",
            HOST,
        ),
        // The release file.
        with("no release file", HOST, vec![]),
        with("other release file", HOST, other(None)),
        with("other release file, strict", HOST, other(Some("1"))),
        with(
            "other release file, strict=maybe",
            HOST,
            other(Some("maybe")),
        ),
        with("other release file, not strict", HOST, other(Some("0"))),
        with(
            "other release file, strict=False",
            HOST,
            other(Some("False")),
        ),
        with(
            "two other release files",
            HOST,
            vec![
                Release("a", RIGHT, Some("0")),
                Release("b", RIGHT, Some("0")),
            ],
        ),
        with(
            "the right one and another",
            HOST,
            vec![good(), Release("b", "ID=fedora\n", Some("0"))],
        ),
        with(
            "release file is a link",
            HOST,
            vec![
                File("usr/lib/release", RIGHT),
                Link(
                    "usr/lib/extension-release.d/extension-release.tool",
                    "../release",
                ),
            ],
        ),
        with(
            "release file is an absolute link",
            HOST,
            vec![
                File("usr/lib/release", RIGHT),
                Link(
                    "usr/lib/extension-release.d/extension-release.tool",
                    "/usr/lib/release",
                ),
            ],
        ),
        with(
            "release file is a dangling link",
            HOST,
            vec![Link(
                "usr/lib/extension-release.d/extension-release.tool",
                "/usr/lib/nothing",
            )],
        ),
        with(
            "a dangling link and another file",
            HOST,
            vec![
                Link(
                    "usr/lib/extension-release.d/extension-release.tool",
                    "nothing",
                ),
                Release("other", RIGHT, Some("0")),
            ],
        ),
        // Names.
        named("cut at _", "tool_1.2", HOST, vec![good()]),
        named("cut at +", "tool+1.2", HOST, vec![good()]),
        named("not cut at -", "tool-1.2", HOST, vec![good()]),
        named(
            "both cut",
            "tool_1.2",
            HOST,
            vec![Release("tool_1.1", RIGHT, None)],
        ),
        named(
            "full name, not strict",
            "tool-1.2.x86-64",
            HOST,
            other(Some("0")),
        ),
        named(
            "name with a colon",
            "to:ol",
            HOST,
            vec![Release("to:ol", RIGHT, None)],
        ),
        named(
            "name with a comma",
            "to,ol",
            HOST,
            vec![Release("to,ol", RIGHT, None)],
        ),
        named(
            "name with + and ~",
            "to+o~l",
            HOST,
            vec![Release("to+o~l", RIGHT, None)],
        ),
        named(
            "hidden name",
            ".tool",
            HOST,
            vec![Release(".tool", RIGHT, None)],
        ),
        named("name with .sysext", "tool.sysext", HOST, vec![good()]),
        // Contents.
        with(
            "usr/lib/os-release",
            HOST,
            vec![good(), File("usr/lib/os-release", HOST)],
        ),
        with(
            "etc/os-release",
            HOST,
            vec![good(), File("etc/os-release", HOST)],
        ),
        with(
            "etc/os-release alone",
            HOST,
            vec![File("etc/os-release", HOST)],
        ),
        with(
            "usr/lib/os-release alone",
            HOST,
            vec![File("usr/lib/os-release", HOST)],
        ),
        with(
            "usr/lib/os-release leads nowhere",
            HOST,
            vec![good(), Link("usr/lib/os-release", "nothing")],
        ),
        with(
            "only /opt beside the release file",
            HOST,
            vec![good(), File("opt/x/y", "y")],
        ),
        with(
            "outside the hierarchies",
            HOST,
            vec![good(), File("etc/tool", "x"), File("var/lib/tool", "x")],
        ),
        with(
            "a link over a directory",
            HOST,
            vec![good(), Link("usr/games", "bin")],
        ),
        with(
            "a private directory",
            HOST,
            vec![good(), Directory("usr/share/doc", 0o700)],
        ),
        with("a whiteout", HOST, vec![good(), Whiteout("usr/bin/whoami")]),
        // Bytes.
        damaged("gzip", Options(&["-comp", "gzip"])),
        damaged("xz", Options(&["-comp", "xz"])),
        damaged("lz4", Options(&["-comp", "lz4"])),
        damaged("zstd", Options(&["-comp", "zstd"])),
        damaged("lzma", Options(&["-comp", "lzma"])),
        damaged("unpadded", Options(&["-nopad"])),
        damaged("truncated", Shell("truncate -s -4096 \"$1\"")),
        damaged("superblock alone", Shell("truncate -s 96 \"$1\"")),
        damaged("empty", Shell(": > \"$1\"")),
        damaged(
            "packed with gzip",
            Shell("gzip \"$1\" && mv \"$1.gz\" \"$1\""),
        ),
        damaged("text", Shell("yes text | head -c 8192 > \"$1\"")),
        damaged(
            "100 bytes behind the padding",
            Shell("head -c 100 /dev/zero >> \"$1\""),
        ),
        damaged(
            "a mebibyte behind the padding",
            Shell("head -c 1M /dev/zero >> \"$1\""),
        ),
        damaged("padded to a sector", Shell(SECTORS)),
        damaged("padded to one sector", Shell(SECTOR)),
    ]
}

/// Makes the image of a case.
fn make(directory: &Path, case: &Case) -> PathBuf {
    let tree = directory.join("tree");
    fs::create_dir_all(&tree).unwrap();
    for part in &case.parts {
        let (path, text) = match part {
            Release(name, text, _) => (
                format!("usr/lib/extension-release.d/extension-release.{name}"),
                *text,
            ),
            Confext(name, text, _) => (
                format!("etc/extension-release.d/extension-release.{name}"),
                *text,
            ),
            File(path, text) | Link(path, text) => ((*path).to_owned(), *text),
            Directory(path, _) | Whiteout(path) => ((*path).to_owned(), ""),
        };
        let path = tree.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        match part {
            Release(_, _, strict) | Confext(_, _, strict) => {
                fs::write(&path, text).unwrap();
                if let Some(strict) = strict {
                    output_of(
                        Command::new("setfattr")
                            .args(["-n", "user.extension-release.strict", "-v", strict])
                            .arg(&path),
                    );
                }
            }
            File(..) => fs::write(&path, text).unwrap(),
            Link(..) => symlink(text, &path).unwrap(),
            Directory(_, mode) => {
                output_of(
                    Command::new("install")
                        .arg("-dm")
                        .arg(format!("{mode:o}"))
                        .arg(&path),
                );
            }
            Whiteout(_) => {
                output_of(Command::new("mknod").arg(&path).args(["c", "0", "0"]));
            }
        }
    }
    let image = directory.join(IMAGE);
    let mut mksquashfs = Command::new("mksquashfs");
    mksquashfs
        .arg(&tree)
        .arg(&image)
        .args(["-noappend", "-quiet"]);
    if let Options(options) = &case.damage {
        mksquashfs.args(*options);
    }
    output_of(&mut mksquashfs);
    let command = match &case.damage {
        Shell(command) => (*command).to_owned(),
        Packed(command) => format!("set -e; rm $1; cd ${{1%/*}}; {DISK} {command}"),
        _ => return image,
    };
    output_of(
        Command::new("sh")
            .args(["-c", &command, "sh"])
            .arg(&image)
            .arg(&tree),
    );
    image
}

/// What the real program does with every case, with its log.
fn real(
    scratch: &Scratch,
    class: &str,
    tree: &str,
    cases: &[(Case, PathBuf)],
) -> Vec<(String, String)> {
    let mut list = String::new();
    let good = scratch.join("good.raw");
    for (index, (case, image)) in cases.iter().enumerate() {
        let host = scratch.join(&format!("{index}.os-release"));
        fs::write(&host, case.host).unwrap();
        let out = scratch.join(&format!("{index}.log"));
        let _ = writeln!(
            list,
            "{}\t{}\t{}\t{}",
            image.display(),
            case.link,
            host.display(),
            out.display()
        );
    }
    let list_file = scratch.join("list");
    fs::write(&list_file, list).unwrap();
    let commands = format!(
        "export SYSTEMD_LOG_LEVEL=debug
         while IFS=$(printf '\\t') read -r image name host log; do
             rc=0
             {{ merge store $image $name $host {} || rc=1; }} > $log 2>&1 < /dev/null
             echo exit $rc >> $log
             unmerge
         done < {}\n",
        good.display(),
        list_file.display()
    );
    let outcome = merging_class(class, tree, &commands);
    assert!(outcome.status.success(), "{}", text(&outcome.stdout));
    cases
        .iter()
        .enumerate()
        .map(|(index, (case, _))| {
            let log = text(&fs::read(scratch.join(&format!("{index}.log"))).unwrap());
            let exit = log.lines().last().unwrap();
            assert!(matches!(exit, "exit 0" | "exit 1"), "{}: {log}", case.about);
            let hierarchy = ["usr", "etc"][usize::from(class == "confext")];
            let merged = log.contains(&format!("Merged extensions into '/{hierarchy}'"));
            let used = log
                .lines()
                .find(|line| line.starts_with("Using extensions "));
            let has =
                |name: &str| merged && used.is_some_and(|line| line.contains(&format!("'{name}'")));
            // Later versions list file names, and take `.sysext` off a name.
            let suffix = format!(".{class}");
            let plain = case.link.strip_suffix(&suffix).unwrap_or(case.link);
            let names = [case.link, plain, &format!("{}.raw", case.link), IMAGE];
            let outcome = if names.iter().any(|name| has(name)) {
                "accepted"
            } else if has("zz-good") || has("zz-good.raw") {
                "ignored"
            } else {
                "refused"
            };
            assert!(
                exit != "exit 0" || outcome == "accepted",
                "{}: {log}",
                case.about
            );
            (outcome.to_owned(), log)
        })
        .collect()
}

/// What `check` says of a case.
fn said(case: &Case, image: &Path, host: &Path, client: &str) -> Value {
    let outcome = program()
        .args([
            "check", "--json", "--arch", "x86-64", "--as", case.link, "--client", client,
        ])
        .arg("--os-release")
        .arg(host)
        .arg(image)
        .output()
        .unwrap();
    let answer = json(&outcome);
    if answer["error"]
        .as_str()
        .is_some_and(|error| error.contains("has no ID"))
    {
        return serde_json::json!({"outcome": "refused", "field": "host", "words": ""});
    }
    let verdict = answer["images"][0]["hosts"][0]["verdicts"][0].clone();
    // An image that is merged may still harm its host, by what it hides.
    let on_host = &answer["images"][0]["hosts"][0];
    let code = match verdict["outcome"].as_str() {
        Some("accepted") if on_host["state"] != "breaks" => 0,
        Some("unread") => 3,
        _ => 1,
    };
    assert_eq!(outcome.status.code(), Some(code), "{answer}");
    verdict
}

/// What `try` says of a case, on the files of the client's own system.
fn tried(case: &Case, image: &Path, host: &Path, tree: &str) -> String {
    let outcome = program()
        .args(["try", "--as", case.link, "--base", tree, "--os-release"])
        .arg(host)
        .arg(image)
        .args(["--", "true"])
        .output();
    text(&outcome.unwrap().stderr)
}

fn compare(version: &str, tree: &str) {
    compare_all(version, tree, cases());
}

fn compare_all(version: &str, tree: &str, cases: Vec<Case>) {
    assert!(cases.len() >= 40);
    let good = with("good", HOST, vec![Release("zz-good", "ID=_any\n", None)]);
    compare_class("sysext", (version, tree), cases, &good);
}

/// Compares what `systemd-sysext` or `systemd-confext` does with what is said.
fn compare_class(class: &str, (version, tree): (&str, &str), cases: Vec<Case>, good: &Case) {
    let scratch = Scratch::new();
    let good = make(&scratch.join("good"), good);
    fs::rename(good, scratch.join("good.raw")).unwrap();
    let cases: Vec<_> = cases
        .into_iter()
        .enumerate()
        .map(|(index, case)| {
            let image = make(&scratch.join(&format!("case{index}")), &case);
            (case, image)
        })
        .collect();
    let mut problems = Vec::new();
    for (index, ((case, image), (real, log))) in cases
        .iter()
        .zip(real(&scratch, class, tree, &cases))
        .enumerate()
    {
        let host = scratch.join(&format!("{index}.os-release"));
        let verdict = said(case, image, &host, &format!("systemd-{version}"));
        if (version, class) == ("262", "sysext") {
            let said = tried(case, image, &host, tree);
            let is_merged = !said.contains(" by systemd-262: ");
            // A file of a system without an ID, and images in forms that are not read, are no verdict.
            if is_merged != (real == "accepted")
                && !said.contains("has no ID")
                && !said.contains("unread")
            {
                problems.push(format!("{}: {real}, but try says {said}", case.about));
            }
        }
        if verdict["outcome"] != real.as_str() {
            problems.push(format!("{}: {real}, but check says {verdict}", case.about));
            continue;
        }
        // A key is written in capitals.
        let field = verdict["field"].as_str().unwrap();
        let words = verdict["words"].as_str().unwrap();
        if field.chars().all(|c| c.is_ascii_uppercase() || c == '_') && !log.contains(words) {
            problems.push(format!("{}: the log does not say {words:?}", case.about));
        }
    }
    assert!(
        problems.is_empty(),
        "systemd {version}:\n{}",
        problems.join("\n")
    );
}

/// What makes the images of the cases, and merges them.
const MERGES: Need = all(&[CLIENT, programs!("mksquashfs", "setfattr", "sh")]);

#[test(MERGES, systemd("252"))]
fn systemd_252_does_what_check_says() {
    compare("252", "/");
}

#[test(MERGES, OVER)]
fn systemd_254_does_what_check_says() {
    compare("254", &over(&OVER.path()));
}

#[test(MERGES, TRIXIE)]
fn systemd_257_does_what_check_says() {
    compare("257", &TRIXIE.path().display().to_string());
}

#[test(MERGES, SID)]
fn systemd_262_does_what_check_says() {
    compare("262", &SID.path().display().to_string());
}

/// What makes images of other kinds.
const MAKES: Need = all(&[MERGES, programs!("mkfs.erofs", "mke2fs", "sfdisk")]);

#[test(MAKES, systemd("252"))]
fn systemd_252_takes_what_check_says_of_other_kinds() {
    compare_all("252", "/", other_kinds());
}

#[test(MAKES, OVER)]
fn systemd_254_takes_what_check_says_of_other_kinds() {
    compare_all("254", &over(&OVER.path()), other_kinds());
}

#[test(MAKES, TRIXIE)]
fn systemd_257_takes_what_check_says_of_other_kinds() {
    compare_all("257", &TRIXIE.path().display().to_string(), other_kinds());
}

#[test(MAKES, SID)]
fn systemd_262_takes_what_check_says_of_other_kinds() {
    compare_all("262", &SID.path().display().to_string(), other_kinds());
}

#[test(MAKES, systemd("252"))]
fn systemd_252_takes_what_check_says_of_odd_ones() {
    compare_all("252", "/", odd_ones());
}

#[test(MAKES, OVER)]
fn systemd_254_takes_what_check_says_of_odd_ones() {
    compare_all("254", &over(&OVER.path()), odd_ones());
}

#[test(MAKES, TRIXIE)]
fn systemd_257_takes_what_check_says_of_odd_ones() {
    compare_all("257", &TRIXIE.path().display().to_string(), odd_ones());
}

#[test(MAKES, SID)]
fn systemd_262_takes_what_check_says_of_odd_ones() {
    compare_all("262", &SID.path().display().to_string(), odd_ones());
}
