//! `build --with`: an image is judged together with those that clients may merge with it, before it
//! enters the store.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::workshop::{Scratch, json, names, os_release, output_of, program, text};

/// A directory with trees to make images of, and a store.
struct Desk {
    scratch: Scratch,
}

impl Desk {
    fn new() -> Self {
        let scratch = Scratch::new();
        fs::copy(os_release("tumbleweed"), scratch.join("now")).unwrap();
        let now = fs::read_to_string(scratch.join("now")).unwrap();
        let next = now.replace("VERSION_ID=\"", "VERSION_ID=\"9");
        assert_ne!(next, now);
        fs::write(scratch.join("next"), next).unwrap();
        Self { scratch }
    }

    /// Builds an image with one file.
    fn build(&self, name: &str, version: &str, file: (&str, &str), more: &[&str]) -> Output {
        let tree = self.scratch.join(&format!("trees/{name}-{version}"));
        let path = tree.join("usr/share").join(file.0);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file.1).unwrap();
        let mut build = program();
        build.current_dir(self.scratch.path());
        build.args(["--name", name, "--image-version", version, "--overlay"]);
        build.arg(tree);
        for (option, value) in [("--os-release", "now"), ("-o", "store")] {
            // An image for every system has no base here.
            if !more.contains(&option) && (option == "-o" || !more.contains(&"any")) {
                build.args([option, value]);
            }
        }
        build.args(more).output().unwrap()
    }

    fn has(&self, name: &str, version: &str, file: (&str, &str), more: &[&str]) {
        let outcome = self.build(name, version, file, more);
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    }

    fn store(&self) -> Vec<String> {
        let mut names = names(&self.scratch.join("store"));
        names.retain(|name| name.ends_with(".raw"));
        names
    }
}

/// The line that says with which images one was judged.
fn with(outcome: &Output) -> String {
    let said = text(&outcome.stderr);
    let line = said.lines().find_map(|line| line.strip_prefix("with "));
    line.unwrap_or_default().trim().to_owned()
}

/// What is said behind them of what is not judged.
const UNKNOWN: &str = "; what programs load is not judged: the base's libraries are not known";

#[test]
fn an_image_that_does_not_go_with_others_does_not_enter_the_store() {
    let desk = Desk::new();
    // Before there is a store, there is nothing to go with.
    let first = desk.build("a", "1", ("x", "one"), &["--with", "store"]);
    assert!(first.status.success(), "{}", text(&first.stderr));
    assert_eq!(with(&first), "no other image is merged with this one");
    desk.has("a", "2", ("x", "two"), &[]);
    let before = desk.store();
    let conflict = "image-conflict: b wins over a, as systemd orders names: /usr/share/x differs";
    for more in [&["--with", "store"][..], &["--with", "store", "--dry-run"]] {
        let outcome = desk.build("b", "1", ("x", "one"), more);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{said}");
        assert!(said.contains(conflict), "{said}");
        assert!(
            said.contains("to build anyway: --allow image-conflict"),
            "{said}"
        );
        assert_eq!(desk.store(), before);
    }
    let outcome = desk.build("b", "1", ("x", "two"), &["--with", "store", "--dry-run"]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert_eq!(with(&outcome), format!("a-2.x86-64.raw{UNKNOWN}"));
    let outcome = desk.build("b", "1", ("x", "two"), &["--with", "store"]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert_eq!(with(&outcome), format!("a-2.x86-64.raw{UNKNOWN}"));
    // Nothing is said unless it is asked for, and what is allowed does not stop the build.
    desk.has("c", "1", ("x", "ten"), &[]);
    let allow = [
        "--with",
        "store",
        "--allow",
        "image-conflict:/usr/share/x*",
        "--json",
    ];
    let outcome = desk.build("d", "1", ("x", "new"), &allow);
    let answer = json(&outcome);
    assert!(outcome.status.success(), "{answer}");
    let told: Vec<_> = (answer["findings"].as_array().unwrap().iter())
        .filter(|one| one["id"] == "image-conflict")
        .map(|one| one["text"].as_str().unwrap())
        .collect();
    let pair =
        |other: &str| format!("d wins over {other}, as systemd orders names: /usr/share/x differs");
    // That a and c do not go together was so before.
    assert_eq!(told, [pair("a"), pair("b"), pair("c")]);
}

#[test]
fn a_directory_that_is_not_a_store_goes_with_nothing() {
    let desk = Desk::new();
    fs::create_dir(desk.scratch.join("loose")).unwrap();
    for words in ["", "image.raw"] {
        if !words.is_empty() {
            fs::write(desk.scratch.join("loose").join(words), "").unwrap();
        }
        let outcome = desk.build("a", "1", ("x", "one"), &["--with", "loose"]);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(2), "{said}");
        let expected = "error: --with loose: it has no SHA256SUMS, so it is not a store\n";
        assert!(said.contains(expected), "{said}");
    }
    // The store that is made is none yet.
    fs::create_dir(desk.scratch.join("store")).unwrap();
    desk.has("a", "1", ("x", "one"), &["--with", "store"]);
}

/// Of a store those count that a client has which has the new image.
#[test]
fn which_images_of_a_store_count() {
    let desk = Desk::new();
    let file = |text: &'static str| ("x", text);
    desk.has("a", "9", file("one"), &[]);
    desk.has("a", "10", file("one"), &[]);
    desk.has("b", "7", file("one"), &[]);
    desk.has("old", "1", file("one"), &["--os-release", "next"]);
    desk.has(
        "other",
        "1",
        ("y", "two"),
        &["--match", "any", "--arch", "aarch64"],
    );
    desk.has("any", "1", ("y", "two"), &["--match", "any"]);
    desk.has(
        "apart",
        "1",
        file("one"),
        &["-o", "second", "--layout", "per-name"],
    );
    desk.has(
        "apart",
        "2",
        file("one"),
        &["-o", "second", "--layout", "per-name"],
    );
    for (name, more, expected) in [
        (
            "b",
            &["--with", "store"][..],
            "a-10.x86-64.raw, any-1.x86-64.raw",
        ),
        // A newer one of an extension that is named takes the place of the store's.
        (
            "c",
            &["--with", "store", "--with", "second"],
            "a-10.x86-64.raw, any-1.x86-64.raw, apart-2.x86-64.raw, b-7.x86-64.raw",
        ),
        ("c", &["--with", "store/a-9.x86-64.raw"], "a-9.x86-64.raw"),
        (
            "a",
            &["--with", "store/a-9.x86-64.raw"],
            "no other image is merged with this one",
        ),
        // One that is named counts for whatever system it is.
        (
            "c",
            &["--with", "store/old-1.x86-64.raw"],
            "old-1.x86-64.raw",
        ),
        (
            "c",
            &["--with", "store", "--os-release", "next"],
            "any-1.x86-64.raw, old-1.x86-64.raw",
        ),
        // An image for every system may be merged with any of its architecture.
        (
            "c",
            &["--with", "store", "--match", "any"],
            "a-10.x86-64.raw, any-1.x86-64.raw, b-7.x86-64.raw, old-1.x86-64.raw",
        ),
        (
            "c",
            &["--with", "store", "--arch", "aarch64", "--match", "any"],
            "other-1.arm64.raw",
        ),
    ] {
        let more = [more, &["-o", "new", "--allow-older"]].concat();
        let outcome = desk.build(name, "8", file("one"), &more);
        assert!(
            outcome.status.success(),
            "{more:?}: {}",
            text(&outcome.stderr)
        );
        let found = with(&outcome);
        let found = found.strip_suffix(UNKNOWN).unwrap_or(&found);
        assert_eq!(found, expected, "{name} {more:?}");
        fs::remove_dir_all(desk.scratch.join("new")).unwrap();
    }
    let missing = desk.build("c", "8", file("one"), &["--with", "nowhere"]);
    assert_eq!(missing.status.code(), Some(3), "{}", text(&missing.stderr));
    assert!(text(&missing.stderr).contains("nowhere"));
}

/// A recipe says it by a path from its own directory.
#[test]
fn a_recipe_says_with_what_it_goes() {
    let desk = Desk::new();
    desk.has("a", "1", ("x", "one"), &[]);
    let recipes = desk.scratch.join("recipes");
    let tree: PathBuf = recipes.join("tree/usr/share");
    fs::create_dir_all(&tree).unwrap();
    fs::write(tree.join("x"), "two").unwrap();
    let allow = "[[allow]]\nfinding = \"image-conflict\"\nreason = \"either will do\"\n";
    for (more, expected) in [("", 1), (allow, 0)] {
        let recipe = format!(
            "name = \"b\"\nversion = \"1\"\noverlay = \"tree\"\nos-release = \"../now\"\n\
             with = [\"../store\"]\n{more}"
        );
        fs::write(recipes.join("b.toml"), recipe).unwrap();
        let outcome = program()
            .current_dir(desk.scratch.path())
            .args(["recipes/b.toml", "-o", "store"])
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(expected), "{said}");
        assert_eq!(with(&outcome), format!("a-1.x86-64.raw{UNKNOWN}"));
        assert_eq!(said.contains("(either will do)"), expected == 0, "{said}");
    }
}

/// Old packages name their files' contents by MD5: what the plan can't compare is compared once the
/// image is packed.
#[test(program("rpmbuild"))]
fn contents_without_a_sha256_are_compared_when_they_are_packed() {
    let desk = Desk::new();
    let package = |version: &str, content: &str| {
        let spec = desk.scratch.join("old.spec");
        let body = format!(
            "Name: old\nVersion: {version}\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
             %description\nx\n%install\nmkdir -p %{{buildroot}}/usr/share\n\
             echo {content} > %{{buildroot}}/usr/share/x\n%files\n/usr/share/x\n"
        );
        fs::write(&spec, body).unwrap();
        let top = desk.scratch.join("rpmbuild");
        output_of(
            Command::new("rpmbuild")
                .args([
                    "-bb",
                    "--define",
                    "_binary_filedigest_algorithm 1",
                    "--define",
                ])
                .arg(format!("_topdir {}", top.display()))
                .arg(&spec),
        );
        top.join(format!("RPMS/noarch/old-{version}-1.noarch.rpm"))
    };
    let build = |name: &str, package: &PathBuf, more: &[&str]| {
        let mut build = program();
        build.current_dir(desk.scratch.path());
        build.args(["--name", name, "--os-release", "now", "-o", "store"]);
        build.arg(package).args(more).output().unwrap()
    };
    let (one, two) = (package("1", "one"), package("2", "two"));
    assert!(build("a", &one, &[]).status.success());
    for (package, more, expected) in [
        (&one, &["--with", "store", "--dry-run"][..], 0),
        (&two, &["--with", "store", "--dry-run"], 0),
        (&two, &["--with", "store"], 1),
        (&one, &["--with", "store"], 0),
    ] {
        let outcome = build("b", package, more);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(expected), "{said}");
        assert_eq!(
            said.contains("/usr/share/x differs"),
            expected == 1,
            "{said}"
        );
    }
}
