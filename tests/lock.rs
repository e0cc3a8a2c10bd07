//! Locks: the same packages again, without choosing; and what is said when something has changed.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::base::{LIBRARY, TOOLS, base, system_package};
use crate::fixture_repository::{self, Desk, ZSTD, usual};
use crate::server::Server;
use crate::workshop::{
    PACKAGERS, Scratch, fixture, json, names, output_of, program, sha256sum, text,
};

/// A base, a repository of two packages, and a lock of what was chosen.
struct Bench {
    scratch: Scratch,
    root: PathBuf,
    repo: PathBuf,
    lock: PathBuf,
}

impl Bench {
    /// Needs [`PACKAGERS`].
    fn new() -> Self {
        let scratch = Scratch::new();
        let root = base(&scratch, &[&system_package(&scratch)]);
        let repo = scratch.join("repo");
        fs::create_dir(&repo).unwrap();
        for name in [TOOLS, LIBRARY] {
            fs::copy(fixture(name), repo.join(name)).unwrap();
        }
        let lock = scratch.join("image.lock");
        Self {
            scratch,
            root,
            repo,
            lock,
        }
    }

    fn build(&self, store: &str, more: &[&str]) -> Output {
        let mut build = program();
        build
            .arg("--base")
            .arg(&self.root)
            .arg("--repo")
            .arg(&self.repo);
        build.arg("--lock").arg(&self.lock);
        build.arg("-o").arg(self.scratch.join(store));
        build
            .args(["--arch", "x86_64"])
            .args(more)
            .output()
            .unwrap()
    }

    /// Builds, which must fail, and returns what was said.
    fn refused(&self, more: &[&str]) -> String {
        let outcome = self.build("never", more);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{said}");
        assert!(!self.scratch.join("never").exists());
        said
    }
}

fn image(directory: &Path) -> String {
    sha256sum(&directory.join("hello-tools-1.1-A.rc.1-2.x86-64.raw"))
}

#[test(PACKAGERS)]
fn a_lock_makes_the_same_image_again() {
    let bench = Bench::new();
    let outcome = bench.build("first", &["hello-tools"]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert!(text(&outcome.stderr).contains("lock      "));
    let lock = fs::read_to_string(&bench.lock).unwrap();
    let value: serde_json::Value = serde_json::from_str(&lock).unwrap();
    let packages = value["packages"].as_array().unwrap();
    let nevras: Vec<_> = packages.iter().map(|one| &one["nevra"]).collect();
    assert_eq!(
        nevras,
        ["hello-tools-1.1~rc1-2.x86_64", "hello-library-2.0-3.x86_64"]
    );
    for (package, file) in packages.iter().zip([TOOLS, LIBRARY]) {
        assert_eq!(package["location"], file);
        assert_eq!(
            package["checksum"],
            format!("sha256:{}", sha256sum(&fixture(file)))
        );
        assert_eq!(package["repository"], bench.repo.display().to_string());
    }

    // A provider that would be preferred appears; the lock does not look at it.
    let newer = newer_library(&bench.scratch);
    fs::copy(&newer, bench.repo.join(newer.file_name().unwrap())).unwrap();
    let outcome = bench.build("second", &["--locked", "hello-tools"]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    for (first, second) in names(&bench.scratch.join("first"))
        .iter()
        .zip(names(&bench.scratch.join("second")))
    {
        assert_eq!(*first, second);
        let of = |store: &str| sha256sum(&bench.scratch.join(store).join(first));
        assert_eq!(of("first"), of("second"), "{first}");
    }
    assert_eq!(fs::read_to_string(&bench.lock).unwrap(), lock);

    // Without --locked, packages are chosen again, and the lock is replaced.
    let outcome = bench.build("third", &["hello-tools", "--allow", "soname-missing"]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert_ne!(
        image(&bench.scratch.join("third")),
        image(&bench.scratch.join("first"))
    );
    assert!(
        fs::read_to_string(&bench.lock)
            .unwrap()
            .contains("hello-library-9-1.x86_64")
    );
}

/// Makes a library that hello-tools can use as well.
fn newer_library(scratch: &Scratch) -> PathBuf {
    let spec = scratch.join("library.spec");
    let text = "Name: hello-library\nVersion: 9\nRelease: 1\nSummary: x\nLicense: MIT\n\
                Provides: libhello.so.2()(64bit)\nProvides: hello-greeting = 9\n\
                %description\nx\n%install\nmkdir -p %{buildroot}/usr/share\n\
                touch %{buildroot}/usr/share/newer\n%files\n/usr/share/newer\n";
    fs::write(&spec, text).unwrap();
    let top = format!("_topdir {}", scratch.join("build").display());
    output_of(
        Command::new("rpmbuild")
            .args(["-bb", "--target", "x86_64-linux", "--define"])
            .arg(top)
            .arg(&spec),
    );
    scratch.join("build/RPMS/x86_64/hello-library-9-1.x86_64.rpm")
}

#[test(PACKAGERS)]
fn what_does_not_fit_is_named() {
    let bench = Bench::new();
    let outcome = bench.build("store", &["hello-tools"]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    let lock = fs::read(&bench.lock).unwrap();

    let said = bench.refused(&["--locked", "hello-library"]);
    assert!(
        said.contains("packages asked for: was hello-tools, is hello-library"),
        "{said}"
    );
    assert!(said.contains("leave --locked out"), "{said}");
    let said = bench.refused(&["--locked", "hello-tools", "--recommends"]);
    assert!(
        said.contains("--recommends asked for: was false, is true"),
        "{said}"
    );

    // Another file under the same NEVRA, then none.
    let library = bench.repo.join(LIBRARY);
    let mut bytes = fs::read(&library).unwrap();
    bytes.push(0);
    fs::write(&library, &bytes).unwrap();
    let said = bench.refused(&["--locked", "hello-tools"]);
    assert!(
        said.contains("hello-library-2.0-3.x86_64: checksum was sha256:"),
        "{said}"
    );
    assert!(
        said.contains(&format!(", is sha256:{} in ", sha256sum(&library))),
        "{said}"
    );
    fs::remove_file(&library).unwrap();
    let said = bench.refused(&["--locked", "hello-tools"]);
    let gone = "hello-library-2.0-3.x86_64 is gone from ";
    assert!(said.contains(gone), "{said}");
    fs::copy(fixture(LIBRARY), &library).unwrap();

    // Another base.
    output_of(
        Command::new("rpm")
            .arg("--dbpath")
            .arg(bench.root.join("usr/lib/sysimage/rpm"))
            .args(["-i", "--justdb", "--nodeps", "--noscripts"])
            .arg(fixture("outside-1-1.noarch.rpm")),
    );
    let said = bench.refused(&["--locked", "hello-tools"]);
    assert!(
        said.contains("the base now has outside-1-1.noarch"),
        "{said}"
    );
    assert_eq!(
        fs::read(&bench.lock).unwrap(),
        lock,
        "a lock that is followed stays"
    );

    for (contents, problem) in [
        (&b"{"[..], "is not a lock: EOF"),
        (b"{\"lock_version\": 1}", "is not a lock: missing field"),
        (b"\x1f\x8b", "is not a lock: expected value"),
    ] {
        fs::write(&bench.lock, contents).unwrap();
        let said = bench.refused(&["--locked", "hello-tools"]);
        assert!(said.contains(problem), "{said}");
    }
}

#[test(PACKAGERS)]
fn a_lock_that_lost_what_its_packages_need_is_refused() {
    let bench = Bench::new();
    let outcome = bench.build("first", &["hello-tools"]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    let mut lock: serde_json::Value =
        serde_json::from_slice(&fs::read(&bench.lock).unwrap()).unwrap();
    let packages = lock["packages"].as_array_mut().unwrap();
    let before = packages.len();
    packages.retain(|one| !one["nevra"].as_str().unwrap().starts_with("hello-library"));
    assert_eq!(packages.len(), before - 1);
    fs::write(&bench.lock, lock.to_string()).unwrap();
    let said = bench.refused(&["hello-tools", "--locked"]);
    assert!(said.contains("unmet-requirement"), "{said}");
    assert!(said.contains("needed by hello-tools"), "{said}");
}

/// What no lock that was written has: each is refused, by a word that names the lock.
#[test(PACKAGERS)]
fn a_lock_that_contradicts_itself_is_refused() {
    let bench = Bench::new();
    let outcome = bench.build("first", &["hello-tools"]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    let whole: serde_json::Value = serde_json::from_slice(&fs::read(&bench.lock).unwrap()).unwrap();
    let tree = bench.scratch.join("tree");
    fs::create_dir_all(tree.join("usr/share")).unwrap();
    fs::write(tree.join("usr/share/x"), "x").unwrap();
    let overlay = ["--overlay", tree.to_str().unwrap()];
    let named = ["--name", "a", "--image-version", "1"];
    let asked = "hello-tools was asked for, and no package in it is or provides that";
    type Change = fn(&mut Vec<serde_json::Value>);
    let cases: [(Change, &str); 4] = [
        (
            |packages| packages.retain(|one| one["reason"]["kind"] != "requested"),
            asked,
        ),
        (|packages| packages.clear(), asked),
        (
            |packages| packages.push(packages[0].clone()),
            "is in it twice",
        ),
        (
            |packages| packages[0]["location"] = "zz".into(),
            "\"zz\" is not the place of a package",
        ),
    ];
    for (change, problem) in cases {
        let mut lock = whole.clone();
        change(lock["packages"].as_array_mut().unwrap());
        assert_ne!(lock, whole, "{problem}");
        fs::write(&bench.lock, lock.to_string()).unwrap();
        for more in [&[][..], &overlay] {
            let said = bench.refused(&[&["hello-tools", "--locked"], &named[..], more].concat());
            let expected = format!("error: {} does not match:", bench.lock.display());
            assert!(said.contains(&expected), "{said}");
            assert!(said.contains(problem), "{problem}: {said}");
        }
    }
}

#[test(PACKAGERS)]
fn a_lock_is_written_when_all_went_well() {
    let bench = Bench::new();
    bench.refused(&["nosuch"]);
    assert!(!bench.lock.exists());
    let outcome = bench.build("store", &["--dry-run", "--json", "hello-tools"]);
    assert!(json(&outcome)["packages"].is_array());
    assert!(!bench.lock.exists());
    let outcome = program()
        .args(["--locked", "hello-tools"])
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(2));
}

#[test(PACKAGERS)]
fn named_files_are_locked_by_their_checksum() {
    let bench = Bench::new();
    let tools = fixture(TOOLS).display().to_string();
    let outcome = bench.build("first", &[&tools]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    let outcome = bench.build("second", &["--locked", &tools]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert_eq!(
        image(&bench.scratch.join("first")),
        image(&bench.scratch.join("second"))
    );
    let other = bench.scratch.join("other.rpm");
    let mut bytes = fs::read(fixture(TOOLS)).unwrap();
    bytes.push(0);
    fs::write(&other, bytes).unwrap();
    let said = bench.refused(&["--locked", other.to_str().unwrap()]);
    assert!(
        said.contains("none of the given files has sha256:"),
        "{said}"
    );
}

#[test]
fn a_package_that_a_repository_has_dropped_comes_from_the_cache() {
    let desk = Desk::new();
    let repo = fixture_repository::write(&desk.scratch.join("repo"), &usual());
    let server = Server::of(&repo);
    // The server knows files by what is asked for.
    let encoded = desk.scratch.join("encoded/packages");
    fs::create_dir_all(&encoded).unwrap();
    let noarch = fixture_repository::NOARCH;
    fs::copy(fixture(noarch), encoded.join(noarch.replace('^', "%5E"))).unwrap();
    server.load(&desk.scratch.join("encoded"), "");
    let lock = desk.scratch.join("image.lock").display().to_string();
    let run = |store: &str, more: &[&str]| {
        let more = [&["hello-noarch", "--lock", &lock], more].concat();
        let mut command = desk.command_into(store, server.url(), &more);
        command.output().unwrap()
    };
    let dropped = || {
        let left: Vec<_> = (usual().into_iter())
            .filter(|one| one.file != ZSTD)
            .collect();
        server.load(&fixture_repository::write(&repo, &left), "");
    };
    for (store, more, change) in [
        ("first", &[][..], false),
        ("offline", &["--locked", "--offline"], false),
        ("dropped", &["--locked"], true),
    ] {
        if change {
            dropped();
        }
        let outcome = run(store, more);
        assert!(
            outcome.status.success(),
            "{store}: {}",
            text(&outcome.stderr)
        );
        for name in names(&desk.scratch.join("first")) {
            let of = |store: &str| sha256sum(&desk.scratch.join(store).join(&name));
            assert_eq!(of("first"), of(store), "{store}: {name}");
        }
    }
    let kept = desk.scratch.join("cache/packages");
    for name in names(&kept) {
        fs::remove_file(kept.join(name)).unwrap();
    }
    let outcome = run("never", &["--locked"]);
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    let gone = format!("payload-zstd-1-1.noarch is gone from {}", server.url());
    assert!(said.contains(&gone), "{said}");
    assert!(said.contains("and the cache does not have it"), "{said}");
    // What is chosen again needs it, too.
    assert_eq!(run("never", &[]).status.code(), Some(1));
}
