//! SELinux labels in images, judged by libselinux's own program.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::base::base;
use crate::workshop::{Scratch, fixture, json, os_release, output_of, program, text};

/// There is no C library in these bases.
const ALLOWED: [&str; 8] = [
    "--allow",
    "unmet-requirement",
    "--allow",
    "interpreter-missing",
    "--allow",
    "soname-missing",
    "--arch",
    "x86-64",
];

const CONTEXTS: &str = "/.*\tsystem_u:object_r:default_t:s0\n\
    /usr(/.*)?\tsystem_u:object_r:usr_t:s0\n\
    /usr/lib(/.*)?\tsystem_u:object_r:lib_t:s0\n\
    /usr/lib/.*/extension-release.*\t-l\tsystem_u:object_r:link_t:s0\n\
    /usr/(s)?bin/[^/]+\t--\tsystem_u:object_r:bin_t:s0\n\
    /usr/share/doc/.*\t<<none>>\n\
    /usr\t-d\tsystem_u:object_r:root_usr_t:s0\n";

/// Makes a root with a package, and says of SELinux what is given.
fn root(scratch: &Scratch, config: &str, contexts: Option<&str>) -> String {
    let _ = fs::remove_dir_all(scratch.join("base"));
    let root = base(scratch, &["outside-1-1.noarch.rpm"]);
    // What has programs is a root, and not just a database.
    fs::create_dir_all(root.join("usr/bin")).unwrap();
    let files = root.join("etc/selinux/targeted/contexts/files");
    fs::create_dir_all(&files).unwrap();
    fs::copy(os_release("tumbleweed"), root.join("etc/os-release")).unwrap();
    fs::write(root.join("etc/selinux/config"), config).unwrap();
    if let Some(contexts) = contexts {
        fs::write(files.join("file_contexts"), contexts).unwrap();
        fs::write(
            files.join("file_contexts.subs_dist"),
            "/usr/lib64 /usr/lib\n",
        )
        .unwrap();
    }
    root.display().to_string()
}

/// Builds an image, and returns what was said of it.
fn build(scratch: &Scratch, base: &str, more: &[&str]) -> Value {
    let outcome = program()
        .current_dir(scratch.path())
        .args(["--json", "--replace", "-o", "store", "--base", base])
        .args(ALLOWED)
        .args(more)
        .arg(fixture("hello-sysext-1.0-1.x86_64.rpm"))
        .output()
        .unwrap();
    assert!(
        outcome.status.success(),
        "{}",
        text(&outcome.stdout) + &text(&outcome.stderr)
    );
    json(&outcome)
}

/// Returns the labels of an image's inodes, by their paths.
fn labels(scratch: &Scratch) -> BTreeMap<String, String> {
    let tree = scratch.join("tree");
    let _ = fs::remove_dir_all(&tree);
    let image = scratch.join("store/hello-sysext-1.0-1.x86-64.raw");
    output_of(Command::new("unsquashfs").arg("-d").arg(&tree).arg(image));
    let listed = output_of(
        Command::new("getfattr")
            .args([
                "-R",
                "-h",
                "--absolute-names",
                "-m",
                "^security.selinux$",
                "-d",
                ".",
            ])
            .current_dir(&tree),
    );
    let mut labels = BTreeMap::new();
    for block in listed.split("\n\n") {
        let mut lines = block
            .lines()
            .filter_map(|line| line.split_once(&[':', '='][..]));
        if let (Some((_, path)), Some((_, label))) = (lines.next(), lines.next()) {
            let path = path.trim().trim_start_matches('.').trim_start_matches('/');
            labels.insert(format!("/{path}"), label.trim_matches('"').to_owned());
        }
    }
    labels
}

fn ids(answer: &Value) -> Vec<&str> {
    let findings = answer["findings"].as_array().unwrap().iter();
    findings.filter_map(|one| one["id"].as_str()).collect()
}

#[test(root(), programs!("unsquashfs", "getfattr", "matchpathcon", "rpm"))]
fn every_inode_has_the_label_of_the_base() {
    let scratch = Scratch::new();
    let enforcing = "SELINUX=enforcing\nSELINUXTYPE=targeted\n";
    let base = root(&scratch, enforcing, Some(CONTEXTS));
    let url = [
        "--sysupdate-url",
        "https://example.org/",
        "--sysupdate-verify",
        "no",
    ];
    let answer = build(&scratch, &base, &url);
    assert!(!ids(&answer).contains(&"unlabelled"), "{answer}");
    let found = labels(&scratch);
    let contexts = format!("{base}/etc/selinux/targeted/contexts/files/file_contexts");
    let tree = scratch.join("tree");
    let mut kinds = [0; 3];
    for entry in walk(&tree) {
        let path = entry.strip_prefix(&tree).unwrap();
        let path = format!("/{}", path.display());
        let (kind, mode) = match entry.symlink_metadata().unwrap().file_type() {
            kind if kind.is_dir() => (0, "dir"),
            kind if kind.is_symlink() => (1, "link"),
            _ => (2, "file"),
        };
        let judge = Command::new("matchpathcon")
            .args(["-n", "-m", mode, "-f", &contexts, &path])
            .output()
            .unwrap();
        let judged = text(&judge.stdout).trim_end().to_owned();
        let judged = (judged != "<<none>>").then_some(judged);
        assert_eq!(found.get(&path), judged.as_ref(), "{path}");
        kinds[kind] += usize::from(judged.is_some());
    }
    assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
    assert!(
        found.keys().any(|path| path.contains("/sysupdate")),
        "{found:?}"
    );

    // As setfiles does, with a NUL at the end.
    let raw = Command::new("getfattr")
        .args(["-h", "-n", "security.selinux", "--only-values", "usr"])
        .current_dir(&tree)
        .output()
        .unwrap();
    assert_eq!(raw.stdout, b"system_u:object_r:root_usr_t:s0\0");

    // By a file that is named, for a base that says nothing.
    let other = scratch.join("mine");
    fs::write(&other, "/.* a:b:mine_t:s0").unwrap();
    let elsewhere = Scratch::new();
    let silent = root(&elsewhere, "", None);
    build(&scratch, &silent, &["--selinux", "mine", "--match", "any"]);
    let found = labels(&scratch);
    assert!(
        found.len() > 5 && found.values().all(|label| label == "a:b:mine_t:s0"),
        "{found:?}"
    );
}

fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = vec![directory.to_owned()];
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.symlink_metadata().unwrap().is_dir() {
            true => found.extend(walk(&path)),
            false => found.push(path),
        }
    }
    found
}

/// Without SELinux nothing changes, and a base that enforces it is told what it gets.
#[test(program("rpm"))]
fn labels_that_are_not_there() {
    let scratch = Scratch::new();
    let image = scratch.join("store/hello-sysext-1.0-1.x86-64.raw");
    let built = |config: &str, contexts: Option<&str>, more: &[&str]| {
        let base = root(&scratch, config, contexts);
        let answer = build(&scratch, &base, more);
        (
            fs::read(&image).unwrap(),
            ids(&answer).contains(&"unlabelled"),
        )
    };
    let (without, noted) = built("", Some(CONTEXTS), &[]);
    assert!(!noted);
    for (config, contexts, more, expected, same) in [
        ("SELINUX=disabled\n", Some(CONTEXTS), &[][..], false, true),
        ("SELINUX=permissive\n", Some(CONTEXTS), &[], false, false),
        ("SELINUX=permissive\n", None, &[], false, true),
        ("SELINUX=enforcing\n", Some(CONTEXTS), &[], false, false),
        ("SELINUX=enforcing\n", None, &[], true, true),
        (
            "SELINUX=enforcing\n",
            Some(CONTEXTS),
            &["--selinux", "none"],
            true,
            true,
        ),
        (
            "SELINUX=permissive\n",
            Some(CONTEXTS),
            &["--selinux", "none"],
            false,
            true,
        ),
        ("", Some(CONTEXTS), &["--selinux", "auto"], false, true),
    ] {
        let _ =
            fs::remove_file(scratch.join("base/etc/selinux/targeted/contexts/files/file_contexts"));
        let (bytes, noted) = built(config, contexts, more);
        assert_eq!(
            (noted, bytes == without),
            (expected, same),
            "{config} {contexts:?} {more:?}"
        );
    }
    let base = root(&scratch, "SELINUX=enforcing\n", Some("/a(?!b) x:y:z:s0\n"));
    let outcome = program()
        .current_dir(scratch.path())
        .args([
            "--dry-run",
            "--base",
            &base,
            "--allow",
            "unmet-requirement",
            "--arch",
            "x86-64",
        ])
        .arg(fixture("hello-sysext-1.0-1.x86_64.rpm"))
        .output()
        .unwrap();
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    let reason = "error: the base's SELinux: file_contexts, line 1: /a(?!b): only plain groups, ( and (?:, are \
                  supported\nhint: --selinux none leaves labels out\n";
    assert!(said.ends_with(reason), "{said}");
}

#[test(program("rpm"))]
fn the_setting_of_a_base_is_so_long() {
    let scratch = Scratch::new();
    for (length, code) in [(1 << 20, 0), ((1 << 20) + 1, 1)] {
        let config = format!("SELINUX=enforcing\n{}", "#".repeat(length - 18));
        let base = root(&scratch, &config, None);
        let outcome = program()
            .current_dir(scratch.path())
            .args(["--dry-run", "--base", &base])
            .args(ALLOWED)
            .arg(fixture("hello-sysext-1.0-1.x86_64.rpm"))
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{said}");
        assert_eq!(said.contains("note      unlabelled: "), code == 0, "{said}");
    }
}
