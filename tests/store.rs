//! The verbs on a store.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::workshop::{
    Scratch, build, fixture, json, names, output_of, program, run, sha256sum, text,
};

/// Adds the fixture `rpm` as an image of `version`, for every system.
fn add(store: &Path, rpm: &str, version: &str, more: &[&str]) {
    let rpm = fixture(rpm);
    let mut arguments: Vec<&OsStr> = vec![
        "--match".as_ref(),
        "any".as_ref(),
        "--allow".as_ref(),
        "unchecked-base".as_ref(),
        "--image-version".as_ref(),
        version.as_ref(),
        rpm.as_os_str(),
    ];
    arguments.extend(more.iter().map(|argument| OsStr::new(*argument)));
    build(store, &arguments);
}

const HELLO: &str = "hello-sysext-1.0-1.x86_64.rpm";
const TOOLS: &str = "hello-tools-1.1~rc1-2.x86_64.rpm";

#[test]
fn list_shows_the_newest_first() {
    let scratch = Scratch::new();
    for version in ["1.9", "1.10"] {
        add(scratch.path(), HELLO, version, &[]);
    }
    add(scratch.path(), TOOLS, "1", &["--best-before", "2030-01-31"]);
    let directory = scratch.path().to_str().unwrap();
    let listed = run(["store", "list", directory]);
    assert!(listed.status.success());
    let lines = text(&listed.stdout);
    let lines: Vec<_> = (lines.lines())
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .collect();
    assert_eq!(
        lines,
        [
            &format!("{directory}:"),
            "hello-sysext-1.10.x86-64.raw",
            "hello-sysext-1.9.x86-64.raw",
            "hello-tools-1.x86-64.raw",
        ]
    );
    let listed = json(&run(["store", "list", "--json", directory]));
    let directory = &listed["directories"][0];
    assert_eq!(directory["signed"], false);
    assert_eq!(directory["best_before"], "2030-01-31");
    assert_eq!(directory["images"][1]["version"], "1.9");
    assert_eq!(directory["images"][2]["name"], "hello-tools");
    assert_eq!(directory["images"][2]["id"], "_any");
}

#[test]
fn what_is_not_the_newest_needs_a_word() {
    let scratch = Scratch::new();
    add(scratch.path(), HELLO, "1.10", &[]);
    let directory = scratch.path().to_str().unwrap();
    let rpm = fixture(HELLO);
    let rpm = rpm.to_str().unwrap();
    let older = [
        "--match",
        "any",
        "--allow",
        "unchecked-base",
        "--image-version",
        "1.9",
        "-o",
        directory,
        rpm,
    ];
    let refused = run(older);
    assert_eq!(refused.status.code(), Some(1));
    let words = text(&refused.stderr);
    assert!(words.contains("for systemd-sysupdate, 1.9 is not newer than 1.10"));
    assert!(words.contains("--allow-older"), "{words}");
    add(scratch.path(), HELLO, "1.9", &["--allow-older"]);
}

#[test]
fn verify_names_what_is_wrong_and_repairs_what_loses_nothing() {
    let scratch = Scratch::new();
    let store = scratch.path();
    for version in ["1.9", "1.10"] {
        add(store, HELLO, version, &[]);
    }
    add(store, TOOLS, "1", &[]);
    let directory = store.to_str().unwrap();
    let ids = |arguments: &[&str]| {
        let outcome = run(["store", "verify", "--json", directory]
            .iter()
            .chain(arguments));
        let directory = json(&outcome)["directories"][0].clone();
        let ids = |key: &str| -> Vec<String> {
            (directory[key].as_array().unwrap().iter())
                .map(|row| {
                    format!(
                        "{} {}",
                        row["id"].as_str().unwrap(),
                        row["file"].as_str().unwrap()
                    )
                })
                .collect()
        };
        (outcome.status.code(), ids("findings"), ids("repaired"))
    };
    let unsigned = "unsigned SHA256SUMS".to_owned();
    assert_eq!(ids(&[]), (Some(0), vec![unsigned.clone()], vec![]));

    let image = |version: &str| store.join(format!("hello-sysext-{version}.x86-64.raw"));
    fs::remove_file(image("1.9")).unwrap();
    let sum = sha256sum(&image("1.10"));
    let name = "hello-sysext-1.10.x86-64.raw.sha256";
    fs::write(
        store.join(name),
        format!("{sum}  hello-sysext-1.10.x86-64.raw\n"),
    )
    .unwrap();
    fs::write(store.join(".sysext-build-7-0.tmp"), "left").unwrap();
    fs::write(store.join("notes.txt"), "").unwrap();
    let mut wrong = vec![
        "file-missing hello-sysext-1.9.x86-64.raw".to_owned(),
        unsigned.clone(),
        format!("bare-sha256 {name}"),
        "leftover .sysext-build-7-0.tmp".to_owned(),
        "stray notes.txt".to_owned(),
    ];
    assert_eq!(ids(&[]), (Some(1), wrong.clone(), vec![]));
    wrong.retain(|id| !id.starts_with("unsigned") && !id.starts_with("stray"));
    let left = vec![unsigned.clone(), "stray notes.txt".to_owned()];
    assert_eq!(ids(&["--fix"]), (Some(0), left.clone(), wrong));
    assert_eq!(ids(&[]), (Some(0), left, vec![]));

    // An image of another is under this name: the hash is right, all else is not.
    fs::copy(store.join("hello-tools-1.x86-64.raw"), image("1.10")).unwrap();
    let outcome = run(["store", "verify", directory]);
    assert_eq!(outcome.status.code(), Some(1));
    let words = text(&outcome.stdout);
    assert!(words.contains(
        "error     digest-mismatch: hello-sysext-1.10.x86-64.raw does not have the SHA-256"
    ));
    assert!(words.contains("release-missing: hello-sysext-1.10.x86-64.raw has no usr/lib/extension-release.d/extension-release.hello-sysext-1.10.x86-64, which sysextmgr looks for"), "{words}");
    fs::write(image("1.10"), "no image").unwrap();
    let words = text(&run(["store", "verify", directory]).stdout);
    assert!(
        words.contains("error     image-unreadable: hello-sysext-1.10.x86-64.raw"),
        "{words}"
    );
}

#[test]
fn remove_takes_an_extension_or_one_of_its_images() {
    let scratch = Scratch::new();
    let store = scratch.path();
    for version in ["1.9", "1.10", "1.11"] {
        add(store, HELLO, version, &[]);
    }
    add(store, TOOLS, "1", &[]);
    let directory = store.to_str().unwrap();
    let before = names(store);
    let remove = |more: &[&str]| {
        let outcome = run(["store", "remove", directory, "--json"].iter().chain(more));
        let code = outcome.status.code().unwrap();
        (code, json(&outcome))
    };
    let gone = |answer: &serde_json::Value| answer["directories"][0]["removed"].clone();
    let one = "hello-sysext-1.10.x86-64.raw";
    let (code, answer) = remove(&[one, "--dry-run"]);
    assert_eq!((code, gone(&answer)), (0, json!([one])));
    for (more, error, hint) in [
        (
            &["hello-sysex"][..],
            "has no extension or image hello-sysex",
            "did you mean hello-sysext?",
        ),
        // All of it or nothing.
        (&[one, "xyz"], "has no extension or image xyz", "store list"),
        (
            &["hello-sysext", "hello-tools"],
            "nothing would be left in",
            "--empty",
        ),
    ] {
        let (code, answer) = remove(more);
        assert_eq!(code, 1, "{more:?}");
        assert!(
            answer["error"].as_str().unwrap().contains(error),
            "{more:?}: {answer}"
        );
        assert!(
            answer["hints"][0].as_str().unwrap().contains(hint),
            "{more:?}: {answer}"
        );
    }
    assert_eq!(names(store), before);
    let (code, answer) = remove(&[one]);
    assert_eq!((code, gone(&answer)), (0, json!([one])));
    let (code, _) = remove(&["hello-sysext"]);
    assert_eq!(code, 0);
    let left = [
        "SHA256SUMS",
        "hello-tools-1.x86-64.manifest.gz",
        "hello-tools-1.x86-64.raw",
    ];
    assert_eq!(names(store), left);
    let outcome = run(["store", "verify", directory]);
    assert!(outcome.status.success(), "{}", text(&outcome.stdout));
    let (code, _) = remove(&["hello-tools", "--empty"]);
    // The names stay used up.
    assert_eq!((code, names(store)), (0, vec!["SHA256SUMS".to_owned()]));
    let list = fs::read_to_string(store.join("SHA256SUMS")).unwrap();
    let lines: Vec<_> = list.lines().map(|line| &line[66..]).collect();
    let all = ["sysext-1.10", "sysext-1.11", "sysext-1.9", "tools-1"];
    let expected: Vec<_> = (all.iter())
        .map(|image| format!("WITHDRAWN-hello-{image}.x86-64"))
        .collect();
    assert_eq!(lines, expected);
}

#[test]
fn prune_keeps_the_newest_of_each_name_and_system() {
    let scratch = Scratch::new();
    let store = scratch.path();
    for version in ["1.9", "1.10", "1.11"] {
        add(store, HELLO, version, &[]);
    }
    add(store, TOOLS, "1", &[]);
    let directory = store.to_str().unwrap();
    let before = names(store);
    let prune = |more: &[&str]| {
        let outcome = run(["store", "prune", directory, "--json"].iter().chain(more));
        assert!(outcome.status.success(), "{}", text(&outcome.stdout));
        json(&outcome)["directories"][0]["removed"].clone()
    };
    let surplus = [
        "hello-sysext-1.10.x86-64.raw",
        "hello-sysext-1.9.x86-64.raw",
    ];
    assert_eq!(prune(&["--keep", "1", "--dry-run"]), json!(surplus));
    assert_eq!(names(store), before);
    assert_eq!(prune(&["--keep", "2"]), json!(surplus[1..]));
    assert_eq!(prune(&["--keep", "2"]), json!([]));
    assert_eq!(
        prune(&["--keep", "1", "--per", "level"]),
        json!(surplus[..1])
    );
    assert_eq!(
        names(store),
        [
            "SHA256SUMS",
            "hello-sysext-1.11.x86-64.manifest.gz",
            "hello-sysext-1.11.x86-64.raw",
            "hello-tools-1.x86-64.manifest.gz",
            "hello-tools-1.x86-64.raw",
        ]
    );
    let outcome = run(["store", "verify", directory]);
    assert!(outcome.status.success(), "{}", text(&outcome.stdout));
    assert_eq!(
        run(["store", "prune", directory, "--keep", "0"])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn each_layout_has_its_directory_and_its_file_names() {
    for (layout, directory, file) in [
        ("flat", "", "hello-sysext-1.x86-64"),
        ("per-name", "hello-sysext/", "hello-sysext-1.x86-64"),
        ("flatcar", "hello-sysext/", "hello-sysext-1-x86-64"),
        ("fedora", "hello-sysext/", "hello-sysext-1-20260304-x86-64"),
    ] {
        let scratch = Scratch::new();
        add(scratch.path(), HELLO, "1", &["--layout", layout]);
        let directory = scratch.join(directory);
        let expected = ["SHA256SUMS".to_owned()]
            .into_iter()
            .chain([".manifest.gz", ".raw"].map(|end| format!("{file}{end}")));
        assert_eq!(names(&directory), expected.collect::<Vec<_>>(), "{layout}");
        let root = scratch.path().to_str().unwrap();
        let outcome = run(["store", "verify", "--json", root]);
        assert!(
            outcome.status.success(),
            "{layout}: {}",
            text(&outcome.stdout)
        );
        let findings = json(&outcome)["directories"][0]["findings"].clone();
        assert_eq!(findings[0]["id"], "unsigned", "{layout}: {findings}");
        assert_eq!(findings[1], json!(null), "{layout}");
    }
}

#[test]
fn names_that_collide_can_be_in_one_store_with_a_directory_each() {
    let scratch = Scratch::new();
    for name in ["hello", "hello-32bit"] {
        add(
            scratch.path(),
            HELLO,
            "1",
            &["--name", name, "--layout", "per-name"],
        );
    }
    let root = scratch.path().to_str().unwrap();
    let listed = json(&run(["store", "list", "--json", root]));
    assert_eq!(listed["directories"].as_array().unwrap().len(), 2);
    assert!(run(["store", "verify", root]).status.success());
}

#[test]
fn obs_gets_a_digest_beside_each_file_and_no_list() {
    let scratch = Scratch::new();
    add(scratch.path(), HELLO, "29.1", &["--obs"]);
    let files = [
        "hello-sysext-29.1.x86-64.manifest.gz",
        "hello-sysext-29.1.x86-64.raw",
    ];
    let expected: Vec<_> = (files.iter())
        .flat_map(|file| [(*file).to_owned(), format!("{file}.sha256")])
        .collect();
    assert_eq!(names(scratch.path()), expected);
    for file in files {
        let line = fs::read_to_string(scratch.join(&format!("{file}.sha256"))).unwrap();
        assert_eq!(
            line,
            format!("{}  {file}\n", sha256sum(&scratch.join(file)))
        );
    }
    // Where there is a list, a digest beside a file would take its place.
    let rpm = fixture(HELLO);
    let rpm = rpm.to_str().unwrap();
    let listed = Scratch::new();
    add(listed.path(), TOOLS, "1", &[]);
    let directory = listed.path().to_str().unwrap();
    let refused = run([
        "--match",
        "any",
        "--allow",
        "unchecked-base",
        "--obs",
        "-o",
        directory,
        rpm,
    ]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("SHA256SUMS exists"));
}

#[test]
fn images_of_elsewhere_are_added_with_their_manifests() {
    let made = Scratch::new();
    add(made.path(), HELLO, "1", &[]);
    add(made.path(), TOOLS, "1", &[]);
    let image = |name: &str| {
        let path = made.join(&format!("{name}-1.x86-64.raw"));
        path.to_str().unwrap().to_owned()
    };
    let scratch = Scratch::new();
    let directory = scratch.path().to_str().unwrap();
    let images = [image("hello-sysext"), image("hello-tools")];
    let add = || {
        let arguments = ["store", "add", "--json", directory].map(str::to_owned);
        let outcome = run(arguments.iter().chain(&images));
        assert!(outcome.status.success(), "{}", text(&outcome.stdout));
        let rows = json(&outcome)["images"].clone();
        [rows[0]["added"].clone(), rows[1]["added"].clone()]
    };
    assert_eq!(add(), ["new", "new"]);
    assert_eq!(add(), ["unchanged", "unchanged"]);
    for name in names(made.path()) {
        let same = |root: &Path| fs::read(root.join(&name)).unwrap();
        assert!(same(made.path()) == same(scratch.path()), "{name}");
    }
    fs::remove_file(made.join("hello-tools-1.x86-64.manifest.gz")).unwrap();
    let refused = run(["store", "add", directory, &images[1]]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(text(&refused.stderr).contains("hello-tools-1.x86-64.manifest.gz"));
}

/// One set of rules: what `store verify` would call an error, `store add` refuses under its name.
#[test(programs!("gzip", "mkfs.erofs"))]
fn what_verify_would_find_is_not_added() {
    let made = Scratch::new();
    add(made.path(), HELLO, "1", &[]);
    let stem = "hello-sysext-1.x86-64";
    let image = fs::read(made.join(&format!("{stem}.raw"))).unwrap();
    let packed = made.join(&format!("{stem}.manifest.gz"));
    let mut unpack = Command::new("gzip");
    let manifest = output_of(unpack.arg("-dc").arg(&packed));
    let empty = made.join("empty");
    fs::create_dir(&empty).unwrap();
    let erofs = made.join("image.erofs");
    output_of(
        Command::new("mkfs.erofs")
            .arg("--quiet")
            .arg(&erofs)
            .arg(&empty),
    );
    let erofs = fs::read(erofs).unwrap();
    let none = ("", "");
    for (stem, bytes, (from, to), expected) in [
        (stem, &image[..], none, Ok("")),
        (stem, &erofs, none, Ok("image-unread")),
        (
            stem,
            &image[..image.len() / 2],
            none,
            Err("image-unreadable"),
        ),
        (stem, b"no image", none, Err("image-unreadable")),
        (
            stem,
            &image,
            ("\"manifest_version\": 1,", ""),
            Err("manifest-invalid"),
        ),
        (
            stem,
            &image,
            ("\"ID\": \"", "\"ID\": \"x"),
            Err("release-mismatch"),
        ),
        (
            stem,
            &image,
            ("\"ARCHITECTURE\": \"", "\"ARCHITECTURE\": \"x"),
            Err("release-mismatch"),
        ),
        (
            stem,
            &erofs,
            ("\"ARCHITECTURE\": \"", "\"ARCHITECTURE\": \"x"),
            Err("manifest-mismatch"),
        ),
        (
            "hello-sysext-1.arm64",
            &erofs,
            none,
            Err("manifest-mismatch"),
        ),
        // sysextmgr looks for the release file under the image's name.
        (
            "hello-sysext-2.x86-64",
            &image,
            ("VERSION_ID\": \"1\"", "VERSION_ID\": \"2\""),
            Err("release-missing"),
        ),
    ] {
        let scratch = Scratch::new();
        let raw = scratch.join(&format!("{stem}.raw"));
        fs::write(&raw, bytes).unwrap();
        assert!(manifest.contains(from), "{from}");
        let json = scratch.join(&format!("{stem}.manifest"));
        fs::write(&json, manifest.replace(from, to)).unwrap();
        output_of(Command::new("gzip").arg(&json));
        let store = scratch.join("store");
        let outcome = run([Path::new("store"), Path::new("add"), &store, &raw]);
        let (code, said) = (outcome.status.code(), text(&outcome.stderr));
        assert_eq!(
            code,
            Some(i32::from(expected.is_err())),
            "{stem} {from}: {said}"
        );
        let word = expected.unwrap_or_else(|word| word);
        assert!(said.contains(word), "{stem} {from} {word}: {said}");
        if let Ok(word) = expected {
            let outcome = run([Path::new("store"), Path::new("verify"), &store]);
            let said = text(&outcome.stdout);
            assert!(outcome.status.success() && said.contains(word), "{said}");
        } else {
            assert!(!store.join("SHA256SUMS").exists(), "{said}");
        }
    }
}

#[test]
fn only_a_store_gets_a_page() {
    let scratch = Scratch::new();
    let directory = scratch.path();
    let page = || run([Path::new("store"), Path::new("page"), directory]);
    let refused = page();
    assert_eq!(refused.status.code(), Some(1));
    let said = text(&refused.stderr);
    assert!(
        said.contains("is not a store: it has no SHA256SUMS"),
        "{said}"
    );
    assert!(names(directory).is_empty());
    add(directory, HELLO, "1", &[]);
    assert!(page().status.success());
}

/// Where images for several versions of an OS share a directory, clients of all are offered the
/// newest.
#[test]
fn clients_of_another_version_are_named() {
    for (before, now, more, expected) in [
        ("ID=a\nVERSION_ID=1", "ID=a\nVERSION_ID=2", "", true),
        ("ID=a\nVERSION_ID=2", "ID=a\nVERSION_ID=2", "", false),
        ("ID=a\nVERSION_ID=1", "ID=b\nVERSION_ID=2", "", false),
        (
            "ID=a\nVERSION_ID=1",
            "ID=a\nVERSION_ID=2",
            "--layout=per-name",
            true,
        ),
        (
            "ID=a\nVERSION_ID=1",
            "ID=a\nVERSION_ID=2",
            "--layout=fedora",
            false,
        ),
        (
            "ID=a\nVERSION_ID=1\nSYSEXT_LEVEL=5",
            "ID=a\nVERSION_ID=2\nSYSEXT_LEVEL=5",
            "--match=sysext-level",
            false,
        ),
        (
            "ID=a\nVERSION_ID=1\nSYSEXT_LEVEL=5",
            "ID=a\nVERSION_ID=2\nSYSEXT_LEVEL=6",
            "--match=sysext-level",
            true,
        ),
    ] {
        let scratch = Scratch::new();
        let os_release = scratch.join("os-release");
        let build = |release: &str, version: &str| {
            fs::write(&os_release, release).unwrap();
            let matching = match more.starts_with("--match") {
                true => &[][..],
                false => &["--match=version-id"],
            };
            let mut program = program();
            (program.args(matching))
                .args(["--image-version", version, "--os-release"])
                .arg(&os_release)
                .arg(fixture("payload-zstd-1-1.noarch.rpm"))
                .arg("-o")
                .arg(scratch.join("store"))
                .args((!more.is_empty()).then_some(more));
            let outcome = program.output().unwrap();
            let said = text(&outcome.stderr);
            assert!(outcome.status.success(), "{said}");
            said
        };
        assert!(!build(before, "1").contains("other-version-id"));
        let said = build(now, "2");
        assert_eq!(
            said.contains("other-version-id"),
            expected,
            "{now} {more}: {said}"
        );
    }
}

/// An extension that is gone has no definitions any more, once they are written again.
#[test]
fn definitions_go_with_their_extension() {
    let scratch = Scratch::new();
    let store = scratch.path();
    add(store, HELLO, "1", &[]);
    add(store, TOOLS, "1", &[]);
    let directory = store.to_str().unwrap();
    let sysupdate = [
        "store",
        "sysupdate",
        directory,
        "--url",
        "https://example.org/",
    ];
    assert!(run(sysupdate).status.success());
    let of = |name: &str| store.join(format!("sysupdate.{name}.d"));
    assert!(of("hello-tools").exists());
    assert!(
        run(["store", "remove", directory, "hello-tools"])
            .status
            .success()
    );
    // What somebody else changed is nobody's to remove.
    fs::create_dir(of("other")).unwrap();
    fs::write(of("other").join("other.transfer"), "[Transfer]\n").unwrap();
    assert!(run(sysupdate).status.success());
    assert!(!of("hello-tools").exists());
    assert!(of("hello-sysext").exists() && of("other").exists());
    fs::remove_dir_all(of("other")).unwrap();
    let verified = run(["store", "verify", directory]);
    assert!(verified.status.success(), "{}", text(&verified.stdout));
}
