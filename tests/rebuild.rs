//! Images that are built again from what their manifests say.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use judges::{Need, cached, repository};
use serde_json::Value;

use crate::client::TRIXIE;
use crate::workshop::{Scratch, fixture, json, os_release, output_of, program, text};

/// A repository of real software.
const RPMS_OF_DEBIAN: Need = repository();
/// An environment of Python with spdx-tools and cyclonedx-python-lib.
const BILLS: Need = cached("bills");

const RPMS: [&str; 4] = [
    "hello-tools-1.1~rc1-2.x86_64.rpm",
    "hello-library-2.0-3.x86_64.rpm",
    "hello-sysext-1.0-1.x86_64.rpm",
    "payload-xz-1-1.noarch.rpm",
];

/// Copies the packages into a directory; returns it.
fn rpms(scratch: &Scratch) -> PathBuf {
    let directory = scratch.join("rpms");
    fs::create_dir_all(&directory).unwrap();
    for name in RPMS {
        fs::copy(fixture(name), directory.join(name)).unwrap();
    }
    directory
}

/// Builds an image of them with more options, in `store`; returns its path.
fn built(scratch: &Scratch, more: &[&str]) -> PathBuf {
    let outcome = program()
        .args(["--json", "--name", "again", "--allow", "unchecked-base"])
        .arg("--os-release")
        .arg(os_release("tumbleweed"))
        .arg("-o")
        .arg(scratch.join("store"))
        .args(more)
        .args(RPMS.map(|name| rpms(scratch).join(name)))
        .output()
        .unwrap();
    assert!(
        outcome.status.success(),
        "{more:?}: {}",
        text(&outcome.stdout)
    );
    let answer = json(&outcome);
    PathBuf::from(answer["image"].as_str().unwrap())
}

fn rebuild(scratch: &Scratch, image: &Path) -> Command {
    let mut command = program();
    command.args(["rebuild", "--json", "--os-release"]);
    command
        .arg(os_release("tumbleweed"))
        .arg("--work-dir")
        .arg(scratch.path());
    command.arg(image);
    command
}

/// Returns what was answered, if that is that the images are identical, or are not.
fn answered(outcome: &Output, identical: bool) -> Value {
    let said = format!("{}{}", text(&outcome.stdout), text(&outcome.stderr));
    assert_eq!(outcome.status.code(), Some(i32::from(!identical)), "{said}");
    let answer = json(outcome);
    assert_eq!(answer["identical"], identical, "{said}");
    answer
}

#[test]
fn options_are_those_of_the_manifest() {
    for more in [
        &[][..],
        &["--compression", "xz:1", "--block-size", "64K"],
        &[
            "--match",
            "any",
            "--scope",
            "initrd system",
            "--no-merge-unit",
        ],
        &[
            "--drop",
            "drop-docs",
            "--drop",
            "/usr/share/doc",
            "--selinux",
            "none",
        ],
        &["--image-version", "7", "--build-number", "29.1"],
        &["--build-number", "auto"],
        &["--format", "ddi", "--verity", "unsigned"],
        &["--format", "ddi", "--verity", "defer"],
        &[
            "--sysupdate-url",
            "https://a.example/b",
            "--sysupdate-verify",
            "no",
            "--layout",
            "per-name",
        ],
        &["--layout", "flatcar"],
    ] {
        let scratch = Scratch::new();
        let image = built(&scratch, more);
        let outcome = rebuild(&scratch, &image)
            .arg(scratch.join("rpms"))
            .output()
            .unwrap();
        answered(&outcome, true);
        // Nobody finds it where it was built.
        let said = text(&outcome.stderr);
        assert!(
            !said.lines().any(|line| line.starts_with("store ")),
            "{said}"
        );
        let left = fs::read_dir(scratch.path()).unwrap().count();
        assert_eq!(left, 2, "{more:?}: the store and the packages");
    }
}

/// The signature is of the same contents, or of none.
#[test]
fn what_is_signed_inside_is_compared_with_its_signature() {
    let scratch = Scratch::new();
    let key = fixture("keys/image.key.pem");
    let certificate = fixture("keys/image.crt");
    let signed = [
        "--format",
        "ddi",
        "--verity-key",
        key.to_str().unwrap(),
        "--verity-cert",
        certificate.to_str().unwrap(),
    ];
    let image = built(&scratch, &signed);
    let again = |from: &Path| {
        let mut command = rebuild(&scratch, from);
        command.arg(scratch.join("rpms")).output().unwrap()
    };
    answered(&again(&image), true);
    // Of the signature, a manifest knows nothing but whose it is.
    let outcome = again(&image.with_extension("manifest.gz"));
    let said = text(&outcome.stdout);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(said.contains("name the image itself"), "{said}");

    // Signed later, and other contents that somebody signed.
    for (options, is_same) in [(&[][..], true), (&["--drop", "/usr/share/doc"][..], false)] {
        let later = Scratch::new();
        let deferred = ["--format", "ddi", "--verity", "defer"];
        let image = built(&later, &[&deferred[..], options].concat());
        let mut sign = program();
        sign.arg("sign-verity").arg(&image);
        sign.arg("--verity-key")
            .arg(&key)
            .arg("--verity-cert")
            .arg(&certificate);
        output_of(&mut sign);
        let manifest = image.with_extension("manifest.gz");
        if !is_same {
            let text =
                read_manifest(&manifest).replace("\"/usr/share/doc\"", "\"/usr/share/none\"");
            write_manifest(&manifest, &text);
        }
        let mut command = rebuild(&later, &image);
        let outcome = command.arg(later.join("rpms")).output().unwrap();
        answered(&outcome, is_same);
    }
}

fn read_manifest(path: &Path) -> String {
    let file = fs::File::open(path).unwrap();
    std::io::read_to_string(flate2::read::GzDecoder::new(file)).unwrap()
}

fn write_manifest(path: &Path, text: &str) {
    let file = fs::File::create(path).unwrap();
    let mut file = flate2::write::GzEncoder::new(file, flate2::Compression::default());
    std::io::Write::write_all(&mut file, text.as_bytes()).unwrap();
    file.finish().unwrap();
}

#[test]
fn source_date_epoch_is_that_of_the_manifest() {
    let scratch = Scratch::new();
    rpms(&scratch);
    let mut build = program();
    build
        .env("SOURCE_DATE_EPOCH", "1000000000")
        .arg("--os-release")
        .arg(os_release("tumbleweed"));
    build.arg("-o").arg(scratch.join("store"));
    let outcome = build
        .arg(scratch.join("rpms").join(RPMS[2]))
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    let image = scratch.join("store/hello-sysext-1.0-1.x86-64.raw");
    for epoch in [None, Some("5")] {
        let mut again = rebuild(&scratch, &image);
        again.envs(epoch.map(|epoch| ("SOURCE_DATE_EPOCH", epoch)));
        answered(&again.arg(scratch.join("rpms")).output().unwrap(), true);
    }
}

#[test(program("sh"))]
fn surroundings_make_no_difference() {
    let scratch = Scratch::new();
    let image = built(&scratch, &[]);
    // From the manifest alone, too.
    let manifest = image.with_extension("manifest.gz");
    let elsewhere = scratch.join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    for (surroundings, jobs, from) in [
        ("true", "1", &image),
        ("umask 077", "8", &image),
        ("umask 000", "2", &manifest),
        ("export LC_ALL=tr_TR.UTF-8 LANG=de_DE.UTF-8", "2", &image),
        (
            "export TZ=Pacific/Chatham HOME=/nonexistent USER=nobody",
            "2",
            &manifest,
        ),
    ] {
        let command = rebuild(&scratch, from);
        let mut words: Vec<OsString> = vec![command.get_program().into()];
        words.extend(command.get_args().map(Into::into));
        let outcome = Command::new("sh")
            .args(["-c", &format!("{surroundings}; exec \"$@\""), "sh"])
            .args(words)
            .args(["--jobs", jobs, "../rpms"])
            .env_remove("SOURCE_DATE_EPOCH")
            .current_dir(&elsewhere)
            .output()
            .unwrap();
        answered(&outcome, true);
    }
}

#[test]
fn a_package_with_one_other_byte_is_named_before_anything_is_built() {
    let scratch = Scratch::new();
    let image = built(&scratch, &[]);
    let path = scratch.join("rpms").join(RPMS[1]);
    let whole = fs::read(&path).unwrap();
    for place in [0, 100, whole.len() / 2, whole.len() - 1] {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        fs::write(&path, bytes).unwrap();
        let outcome = rebuild(&scratch, &image)
            .arg(scratch.join("rpms"))
            .output()
            .unwrap();
        assert_eq!(outcome.status.code(), Some(1));
        let said = text(&outcome.stdout);
        assert!(
            said.contains("hello-library-2.0-3.x86_64: its bytes differ"),
            "{place}: {said}"
        );
        assert!(!said.contains("hello-tools-"), "{place}: {said}");
    }
    fs::remove_file(&path).unwrap();
    let outcome = rebuild(&scratch, &image)
        .arg(scratch.join("rpms"))
        .output()
        .unwrap();
    let said = text(&outcome.stdout);
    assert!(
        said.contains("hello-library-2.0-3.x86_64 is not there"),
        "{said}"
    );
    // Another file of it is no harm where the right one is there, too.
    fs::write(&path, b"no package").unwrap();
    let mut again = rebuild(&scratch, &image);
    let outcome = again
        .arg(scratch.join("rpms"))
        .arg(fixture(RPMS[1]))
        .output()
        .unwrap();
    answered(&outcome, true);
}

/// What `tests/clients/recipes.sh` demands of a store of recipes over a repository of real software:
/// bills that are valid, and images that are the same again wherever and by whomever they are built.
#[test(
    RPMS_OF_DEBIAN,
    BILLS,
    TRIXIE,
    root(),
    programs!("unshare", "mount", "chroot", "setpriv", "python3", "cmp")
)]
fn a_store_of_recipes_is_the_same_again_elsewhere() {
    let scratch = Scratch::new();
    let names = fs::read_to_string(RPMS_OF_DEBIAN.path().join("base-packages.txt")).unwrap();
    let names: Vec<_> = names.lines().map(|name| format!("{name:?}")).collect();
    let system =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/store/parts/system.os-release");
    let common = format!(
        "base-install = [{}]\nos-release = \"system.os-release\"\narch = \"x86-64\"\nversion = \"12\"\n",
        names.join(", ")
    );
    let recipes = scratch.join("recipes");
    fs::create_dir_all(recipes.join("parts")).unwrap();
    fs::copy(&system, recipes.join("parts/system.os-release")).unwrap();
    fs::write(recipes.join("parts/system.toml"), common).unwrap();
    let mut script = Command::new("timeout");
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients");
    script.arg("300").arg(scripts.join("recipes.sh"));
    script.arg(program().get_program());
    script.args([RPMS_OF_DEBIAN.path(), TRIXIE.path(), BILLS.path()]);
    for (name, packages) in [
        ("debug", "\"strace\", \"gdb\""),
        ("strace", "\"strace\""),
        ("python", "\"python3-minimal\""),
    ] {
        let text = format!(
            "include = [\"parts/system.toml\"]\nname = \"{name}\"\npackages = [{packages}]\n"
        );
        let path = recipes.join(format!("{name}.toml"));
        fs::write(&path, text).unwrap();
        script.arg(path);
    }
    output_of(&mut script);
}

#[test]
fn packages_are_found_in_repositories_by_digest() {
    let scratch = Scratch::new();
    let image = built(&scratch, &[]);
    let mut again = rebuild(&scratch, &image);
    answered(
        &again
            .arg("--repo")
            .arg(scratch.join("rpms"))
            .output()
            .unwrap(),
        true,
    );
    fs::write(
        scratch.join("rpms").join(RPMS[3]),
        fs::read(fixture("payload-zstd-1-1.noarch.rpm")).unwrap(),
    )
    .unwrap();
    let mut again = rebuild(&scratch, &image);
    let outcome = again
        .arg("--repo")
        .arg(scratch.join("rpms"))
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(1));
    assert!(
        text(&outcome.stdout).contains("payload-xz-1-1.noarch is not there"),
        "{}",
        text(&outcome.stdout)
    );
}

#[test]
fn another_base_is_named_as_the_input_that_differs() {
    let scratch = Scratch::new();
    let image = built(&scratch, &[]);
    let mut again = program();
    again
        .args(["rebuild", "--json", "--work-dir"])
        .arg(scratch.path())
        .arg("--os-release");
    again
        .arg(os_release("debian-13"))
        .arg(&image)
        .arg(scratch.join("rpms"));
    let answer = answered(&again.output().unwrap(), false);
    let inputs = answer["inputs"].to_string();
    assert!(
        inputs.contains("ID debian, was opensuse-tumbleweed"),
        "{inputs}"
    );
    assert!(answer["first_byte"].is_number(), "{answer}");
    let path = answer["first_path"][0].as_str().unwrap();
    assert!(path.contains("extension-release"), "{answer}");
}

#[test]
fn what_the_manifest_does_not_have_comes_from_the_recipe() {
    let scratch = Scratch::new();
    rpms(&scratch);
    let overlay = scratch.join("tree");
    fs::create_dir_all(overlay.join("usr/share")).unwrap();
    fs::write(overlay.join("usr/share/x"), b"one").unwrap();
    let recipe = scratch.join("a.toml");
    let of = "name = \"again\"\npackages = [\"rpms/hello-sysext-1.0-1.x86_64.rpm\"]\noverlay = \"tree\"\n";
    fs::write(&recipe, of).unwrap();
    let mut build = program();
    build
        .args(["--json", "--os-release"])
        .arg(os_release("tumbleweed"));
    let outcome = build
        .arg("-o")
        .arg(scratch.join("store"))
        .arg(&recipe)
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stdout));
    let image = PathBuf::from(json(&outcome)["image"].as_str().unwrap());
    let outcome = rebuild(&scratch, &image)
        .arg(scratch.join("rpms"))
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(1));
    assert!(
        text(&outcome.stdout).contains("was built with --overlay"),
        "{}",
        text(&outcome.stdout)
    );
    let again = || {
        let mut again = rebuild(&scratch, &image);
        again
            .arg("--recipe")
            .arg(&recipe)
            .arg(scratch.join("rpms"))
            .output()
            .unwrap()
    };
    answered(&again(), true);
    fs::write(overlay.join("usr/share/x"), b"two").unwrap();
    let answer = answered(&again(), false);
    assert_eq!(
        answer["first_path"],
        serde_json::json!(["/usr/share/x", "contents"])
    );
    assert_eq!(answer["inputs"], serde_json::json!(["the overlay"]));
}
