//! The hook of the Open Build Service, called as obs-build calls it: in the build root, as root, by
//! `su -c PATH`, without arguments and without network.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::workshop::{Scratch, fixture, names, os_release, program, text};

const ZSTD: &str = "payload-zstd-1-1.noarch.rpm";
const XZ: &str = "payload-xz-1-1.noarch.rpm";
const HELLO: &str = "hello-noarch-0.5^git3-1.noarch.rpm";
/// A package without anything for /usr.
const OUTSIDE: &str = "outside-1-1.noarch.rpm";
const NOWHERE: &str = "nowhere-1-1.noarch.rpm";

/// Lays a build root over this system, and runs the hook in it. `$1` has what is laid over.
const BUILD: &str = r#"
mkdir "$1/work" "$1/root"
mount -t tmpfs tmpfs "$1/work"
mkdir "$1/work/upper" "$1/work/work"
# A copy, because the kernel refuses a layer that contains another.
cp -a "$1/over" "$1/work/over"
mount -t overlay -o "lowerdir=$1/work/over:/,upperdir=$1/work/upper,workdir=$1/work/work" overlay "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
code=0
chroot "$1/root" env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin SYSTEMD_OFFLINE=1 LC_ALL=POSIX BUILD_ROOT="$1/root" \
    su -c /usr/lib/build/post_build.d/sysext-build || code=$?
cp -a "$1/root/.build.packages/OTHER" "$1/other"
exit "$code"
"#;

/// A build that has made packages.
struct Build(Scratch);

impl Build {
    fn of(packages: &[&str]) -> Self {
        let build = Self(Scratch::new());
        for directory in ["RPMS/noarch", "SOURCES", "OTHER"] {
            fs::create_dir_all(build.top().join(directory)).unwrap();
        }
        for package in packages {
            let path = build.top().join("RPMS/noarch").join(package);
            fs::copy(fixture(package), path).unwrap();
        }
        let hooks = build.over("usr/lib/build/post_build.d");
        fs::create_dir_all(&hooks).unwrap();
        let hook = Path::new(env!("CARGO_MANIFEST_DIR")).join("packaging/obs/sysext-build");
        fs::copy(hook, hooks.join("sysext-build")).unwrap();
        fs::create_dir_all(build.over("usr/bin")).unwrap();
        let path = build.over("usr/bin/sysext-build");
        fs::copy(program().get_program(), path).unwrap();
        fs::create_dir_all(build.over("etc")).unwrap();
        fs::copy(os_release("tumbleweed"), build.over("etc/os-release")).unwrap();
        let environment = "BUILD_RELEASE='lp160.29.1'\nBUILD_DISTURL='obs://x'\n\
                           BUILD_CHANGELOG_TIMESTAMP='1000'\n";
        fs::write(build.over(".buildenv"), environment).unwrap();
        build
    }

    fn over(&self, path: &str) -> std::path::PathBuf {
        self.0.join("over").join(path)
    }

    /// Where the packages are, of which the build root has a link.
    fn top(&self) -> std::path::PathBuf {
        let top = self.over("usr/src/packages");
        if !top.exists() {
            fs::create_dir_all(&top).unwrap();
            std::os::unix::fs::symlink("usr/src/packages", self.over(".build.packages")).unwrap();
        }
        top
    }

    fn run(&self) -> Output {
        Command::new("unshare")
            .args(["--mount", "--net", "sh", "-eu", "-c", BUILD, "build"])
            .arg(self.0.path())
            .output()
            .unwrap()
    }

    /// Runs the hook, which must succeed, and returns what is to be published.
    fn publishes(&self) -> Vec<String> {
        let outcome = self.run();
        let said = text(&outcome.stdout) + &text(&outcome.stderr);
        assert!(outcome.status.success(), "{said}");
        names(&self.0.join("other"))
    }
}

/// Returns the names of an image's files as the service publishes them.
fn published(stem: &str) -> Vec<String> {
    ["manifest.gz", "manifest.gz.sha256", "raw", "raw.sha256"]
        .map(|ending| format!("{stem}.{ending}"))
        .into()
}

#[test(root(), programs!("unshare", "sh", "mount", "chroot", "su"))]
fn each_package_that_was_built_becomes_an_image() {
    // Of one nothing belongs into an image; one is for developers.
    let build = Build::of(&[ZSTD, XZ, NOWHERE]);
    let devel = build
        .top()
        .join("RPMS/noarch/payload-zstd-devel-1-1.noarch.rpm");
    fs::write(devel, "").unwrap();
    let mut expected = published("payload-xz-1-1.x86-64");
    expected.extend(published("payload-zstd-1-1.x86-64"));
    assert_eq!(build.publishes(), expected);
}

#[test(root(), programs!("unshare", "sh", "mount", "chroot", "su", "sha256sum"))]
fn a_recipe_beside_the_sources_decides() {
    let build = Build::of(&[ZSTD]);
    let recipe = "name = \"kit\"\nversion = \"2\"\nbase-install = [\"outside\"]\npackages = [\"hello-noarch\", \"payload-zstd\"]\n";
    fs::write(build.top().join("SOURCES/kit.sysext.toml"), recipe).unwrap();
    fs::write(build.top().join("SOURCES/Cargo.toml"), "[package]\n").unwrap();
    // What the build root was made of.
    let binaries = build.over(".build.binaries");
    fs::create_dir(&binaries).unwrap();
    for package in [HELLO, OUTSIDE] {
        fs::copy(fixture(package), binaries.join(package)).unwrap();
    }
    assert_eq!(build.publishes(), published("kit-2.160.29.1.x86-64"));
    let other = build.0.join("other");
    let check = Command::new("sh")
        .args(["-c", "cat *.sha256 | sha256sum --check --strict"])
        .current_dir(other)
        .output()
        .unwrap();
    assert!(check.status.success(), "{}", text(&check.stderr));
}

#[test(root(), programs!("unshare", "sh", "mount", "chroot", "su"))]
fn what_a_recipe_includes_decides_as_if_it_were_in_it() {
    let build = Build::of(&[ZSTD]);
    let source = |name: &str, text: &str| {
        fs::write(build.top().join("SOURCES").join(name), text).unwrap();
    };
    source(
        "kit.sysext.toml",
        "name = \"kit\"\nversion = \"2\"\ninclude = [\"common.toml\"]\npackages = [\"payload-zstd\"]\n",
    );
    source(
        "common.toml",
        "base = \"list\"\nos-release = \"old-release\"\n[for.x86-64]\nscope = \"initrd\"\n\
         [for.arm64]\nscope = \"portable\"\n",
    );
    source("other.toml", "arch = \"riscv64\"\n");
    source("list", "outside-1-1.noarch\n");
    source("old-release", "ID=old\nVERSION_ID=1\n");
    let arch = std::env::consts::ARCH
        .replace('_', "-")
        .replace("aarch64", "arm64");
    let stem = format!("kit-2.160.29.1.{arch}");
    assert_eq!(build.publishes(), published(&stem));
    let image = build.0.join("other").join(format!("{stem}.raw"));
    let shown = program().arg("inspect").arg(image).output().unwrap();
    let shown = text(&shown.stdout);
    for line in ["ID=old", "SYSEXT_SCOPE=initrd"] {
        assert!(shown.contains(line) || arch != "x86-64", "{shown}");
    }
}

#[test(root(), programs!("unshare", "sh", "mount", "chroot", "su"))]
fn an_image_that_fails_fails_the_build() {
    let build = Build::of(&[ZSTD, NOWHERE]);
    let recipe =
        "name = \"kit\"\nversion = \"2\"\npackages = [\"../RPMS/noarch/nowhere-1-1.noarch.rpm\"]\n";
    fs::write(build.top().join("SOURCES/kit.sysext.toml"), recipe).unwrap();
    let outcome = build.run();
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(said.contains("error: empty-image: "), "{said}");
    assert_eq!(names(&build.0.join("other")), [""; 0]);
}

/// The example project: its package has a flavor for each recipe, and the hook builds that one.
#[test(root(), programs!("unshare", "sh", "mount", "chroot", "su", "find", "rpmspec"))]
fn the_example_project() {
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ci/obs");
    let build = Build::of(&[OUTSIDE]);
    let sources = build.top().join("SOURCES");
    fs::copy(
        example.join("hello.sysext.toml"),
        sources.join("hello.sysext.toml"),
    )
    .unwrap();
    fs::write(sources.join("other.sysext.toml"), "name = \"other\"\n").unwrap();
    fs::write(sources.join("system.packages"), "outside-1-1.noarch\n").unwrap();
    let binaries = build.over(".build.binaries");
    fs::create_dir(&binaries).unwrap();
    for package in [HELLO, OUTSIDE] {
        fs::copy(fixture(package), binaries.join(package)).unwrap();
    }
    // What the service puts in for a flavor.
    let spec = fs::read_to_string(example.join("extensions.spec")).unwrap();
    let multibuild = fs::read_to_string(example.join("_multibuild")).unwrap();
    assert!(multibuild.contains("<flavor>hello</flavor>"));
    let spec_file = build.0.join("extensions.spec");
    for (flavor, name) in [("", "extensions-"), ("hello", "extensions-hello")] {
        fs::write(&spec_file, spec.replace("@BUILD_FLAVOR@", flavor)).unwrap();
        let shown = Command::new("rpmspec")
            .args(["-P", "-D"])
            .arg(format!("_sourcedir {}", sources.display()))
            .arg(&spec_file)
            .output()
            .unwrap();
        let shown = text(&shown.stdout);
        assert!(shown.contains(&format!("Name: {name}\n")), "{shown}");
        assert_eq!(shown.contains("do_not_build"), flavor.is_empty());
        if let Some(command) = shown
            .lines()
            .find(|line| line.starts_with("find ") && !flavor.is_empty())
        {
            let outcome = Command::new("sh").args(["-euc", command]).output().unwrap();
            assert!(outcome.status.success(), "{}", text(&outcome.stderr));
        }
    }
    assert_eq!(names(&sources), ["hello.sysext.toml", "system.packages"]);
    assert_eq!(build.publishes(), published("hello-1.160.29.1.x86-64"));
}
