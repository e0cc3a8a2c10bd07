//! The hook of the Open Build Service, called as obs-build calls it: in the build root, as root, by
//! `su -c PATH`, without arguments and without network.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::workshop::{Scratch, fixture, names, os_release, output_of, program, text};

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

/// Has each root hash of an archive signed, as the service does, and the signatures in another.
const SIGN: &str = r#"
mkdir signing
cd signing
cpio -idm --quiet < ../other/hashes.cpio.rsasign
find . -type f | while read -r file; do
    openssl dgst -sha256 -sign ../project.key -out "$file.sig" "$file"
done
find . -name '*.sig' | cpio -o -H newc --quiet > ../hashes.cpio.rsasign.sig
"#;

impl Build {
    /// Has the service sign disk images: its recipe says that it needs the certificate.
    fn with_certificate(packages: &[&str]) -> Self {
        let build = Self::of(packages);
        let recipe = "name = \"kit\"\nversion = \"2\"\nformat = \"ddi\"\nsbom = [\"spdx\"]\n\
                      packages = [\"../RPMS/noarch/payload-zstd-1-1.noarch.rpm\"]\n";
        fs::write(build.top().join("SOURCES/kit.sysext.toml"), recipe).unwrap();
        build.shell(
            "openssl req -x509 -newkey rsa:2048 -nodes -keyout project.key -subj /CN=project \
             -days 3650 -out over/usr/src/packages/SOURCES/_projectcert.crt",
        );
        build
    }

    fn shell(&self, script: &str) {
        let mut shell = Command::new("sh");
        output_of(shell.args(["-euc", script]).current_dir(self.0.path()));
    }

    /// Returns the build that follows, with the results of this one as its sources.
    fn followed_by(&self) -> Self {
        let next = Self::of(&[]);
        let sources = next.top().join("SOURCES");
        let of_signer = ["hashes.cpio.rsasign.sig"].map(|name| self.0.join(name));
        let certificate = self.top().join("SOURCES/_projectcert.crt");
        let packages = fs::read_dir(self.top().join("RPMS/noarch")).unwrap();
        let results = fs::read_dir(self.0.join("other")).unwrap();
        let results = packages.chain(results).map(|entry| entry.unwrap().path());
        for path in results.chain(of_signer).chain([certificate]) {
            fs::copy(&path, sources.join(path.file_name().unwrap())).unwrap();
        }
        // What rpmbuild makes of the recipe.
        let source_package = next.top().join("SRPMS/sysext-build-signatures-1-0.src.rpm");
        fs::create_dir(source_package.parent().unwrap()).unwrap();
        fs::write(source_package, "").unwrap();
        next
    }
}

/// What the service publishes of the image that it signs.
const KIT: &str = "kit-2.160.29.1.x86-64";

#[test(
    root(),
    programs!("unshare", "sh", "mount", "chroot", "su", "openssl", "cpio", "rpmspec", "sha256sum")
)]
fn disk_images_are_signed_by_the_service() {
    let first = Build::with_certificate(&[ZSTD]);
    let left = ["hashes.cpio.rsasign", "sysext-build.followup.spec"];
    let kit = ["spdx.json", "spdx.json.sha256"].map(|ending| format!("{KIT}.{ending}"));
    let mut images = published(KIT);
    images.extend(kit);
    images.sort();
    let mut expected = images.clone();
    expected.extend(left.map(str::to_owned));
    expected.sort();
    assert_eq!(first.publishes(), expected);
    first.shell(SIGN);
    assert_eq!(
        names(&first.0.join("signing/roothashes")),
        [format!("{KIT}.roothash"), format!("{KIT}.roothash.sig")]
    );
    // The service takes the recipe of the next build from the results.
    let mut shown = Command::new("rpmspec");
    let shown = shown.arg("-P").arg(first.0.join("other").join(left[1]));
    let shown = output_of(shown);
    let recipe = fs::read_to_string(first.0.join("other").join(left[1])).unwrap();
    assert!(recipe.starts_with("# needssslcertforbuild\n"), "{recipe}");
    assert!(shown.contains("Name: sysext-build-signatures\n"), "{shown}");
    assert!(!shown.contains("%files"), "{shown}");

    let second = first.followed_by();
    assert_eq!(second.publishes(), images);
    second.shell("cd other && cat *.sha256 | sha256sum --check --strict");
    assert_eq!(names(&second.top().join("SRPMS")).len(), 1);
    let signed = second.0.join("other").join(format!("{KIT}.raw"));
    let mut at_once = program();
    at_once
        .env("SOURCE_DATE_EPOCH", "1000")
        .current_dir(first.0.path());
    at_once.args(
        "--obs --offline -o at-once --build-number 160.29.1 --verity-key project.key".split(' '),
    );
    at_once
        .arg("--verity-cert")
        .arg(first.top().join("SOURCES/_projectcert.crt"));
    at_once.arg("--os-release").arg(os_release("tumbleweed"));
    output_of(at_once.arg(first.top().join("SOURCES/kit.sysext.toml")));
    for name in images {
        // How the image was asked for is in its manifest.
        let differs = name.contains(".manifest.gz");
        let at_once = fs::read(first.0.join("at-once").join(&name)).unwrap();
        let joined = fs::read(signed.with_file_name(&name)).unwrap();
        assert!(differs || at_once == joined, "{name}");
    }
}

#[test(root(), programs!("unshare", "sh", "mount", "chroot", "su", "openssl", "cpio"))]
fn what_is_not_the_signature_of_an_image_fails_the_build() {
    let first = Build::with_certificate(&[ZSTD]);
    first.publishes();
    first.shell("cp project.key good.key; cp other/hashes.cpio.rsasign hashes");
    // Of another key, of another text, of another image, none.
    for (script, expected) in [
        (
            "openssl genrsa -out project.key 2048",
            "is not by the key of the certificate CN=project",
        ),
        (
            "mkdir changed; cd changed; cpio -idm --quiet < ../hashes; printf 00 | tee roothashes/*; \
             find . -type f | cpio -o -H newc --quiet > ../other/hashes.cpio.rsasign",
            "is not by the key of the certificate CN=project",
        ),
        (
            "mkdir changed; cd changed; cpio -idm --quiet < ../hashes; \
             mv roothashes/kit* roothashes/other.roothash; \
             find . -type f | cpio -o -H newc --quiet > ../other/hashes.cpio.rsasign",
            "has no signature for kit-2.160.29.1.x86-64.raw",
        ),
        ("", "is damaged"),
    ] {
        first.shell(
            "rm -rf signing changed; cp good.key project.key; cp hashes other/hashes.cpio.rsasign",
        );
        first.shell(script);
        first.shell(SIGN);
        if script.is_empty() {
            first.shell("truncate -s 300 hashes.cpio.rsasign.sig");
        }
        let second = first.followed_by();
        let outcome = second.run();
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{said}");
        assert!(said.contains(expected), "{said}");
    }
    // Without the certificate nothing could be joined.
    let build = Build::with_certificate(&[ZSTD]);
    fs::remove_file(build.top().join("SOURCES/_projectcert.crt")).unwrap();
    let outcome = build.run();
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(said.contains("# needssslcertforbuild"), "{said}");
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
