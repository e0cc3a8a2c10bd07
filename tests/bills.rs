//! Bills of materials of real images, which validators by other hands accept.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use judges::{Need, all, cached};
use serde_json::Value;

use crate::base::{LIBRARY, TOOLS, base, system_package};
use crate::workshop::{PACKAGERS, Scratch, fixture, output_of, program, run, sha256sum, text};

/// An environment of Python with spdx-tools and cyclonedx-python-lib.
const JUDGES: Need = cached("bills");
const WITH_BASE: Need = all(&[PACKAGERS, JUDGES]);

const STRICT: &str = "
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
sys.exit(JsonStrictValidator(SchemaVersion.V1_5).validate_str(open(sys.argv[1]).read()))
";

/// Has both validators judge the bills of an image.
pub fn judge(image: &Path) {
    let of = |suffix: &str| image.with_extension(suffix);
    output_of(
        Command::new(JUDGES.path().join("bin/pyspdxtools"))
            .arg("-i")
            .arg(of("spdx.json")),
    );
    output_of(
        Command::new(JUDGES.path().join("bin/python"))
            .args(["-c", STRICT])
            .arg(of("cdx.json")),
    );
}

/// Builds an image of two packages, which need a third of the base; returns its path, if it gets no
/// number.
fn built(scratch: &Scratch, more: &[&str]) -> PathBuf {
    let mut root = scratch.join("base");
    if !root.exists() {
        root = base(scratch, &[&system_package(scratch)]);
    }
    let mut build = program();
    build.arg("--base").arg(root);
    build.arg("-o").arg(scratch.join("store")).args(more);
    build.args([fixture(TOOLS), fixture(LIBRARY)]);
    let outcome = build.output().unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    scratch.join("store/hello-tools-1.1-A.rc.1-2.x86-64.raw")
}

/// Prints a bill.
fn bill(image: &Path, form: &str) -> Vec<u8> {
    let outcome = run([
        Path::new("sbom"),
        Path::new("--format"),
        Path::new(form),
        image,
    ]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert_eq!(text(&outcome.stderr), "");
    outcome.stdout
}

/// Returns the package of this name.
fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let list = list.as_array().unwrap();
    list.iter().find(|one| one["name"] == name).unwrap()
}

#[test(WITH_BASE)]
fn a_bill_says_what_is_in_an_image_and_what_it_relies_on() {
    let scratch = Scratch::new();
    let image = built(&scratch, &[]);
    let manifest = image.with_extension("manifest.gz");
    for (form, suffix) in [("spdx", "spdx.json"), ("cyclonedx", "cdx.json")] {
        let of_image = bill(&image, form);
        assert!(of_image == bill(&manifest, form), "{form}");
        fs::write(image.with_extension(suffix), of_image).unwrap();
    }
    judge(&image);

    let read = |suffix| fs::read(image.with_extension(suffix)).unwrap();
    let spdx: Value = serde_json::from_slice(&read("spdx.json")).unwrap();
    let packages = &spdx["packages"];
    let root = named(packages, "hello-tools");
    assert_eq!(root["checksums"][0]["checksumValue"], sha256sum(&image));
    let library = named(packages, "hello-library");
    let rpm = sha256sum(&fixture(LIBRARY));
    assert_eq!(library["checksums"][0]["checksumValue"], rpm);
    assert_eq!(library["licenseDeclared"], "MIT");
    assert_eq!(
        library["externalRefs"][0]["referenceLocator"],
        "pkg:rpm/opensuse/hello-library@2.0-3?arch=x86_64&distro=opensuse-tumbleweed-20260304\
         &upstream=hello-library-2.0-3.src.rpm"
    );
    let called = |id: &Value| {
        let all = packages.as_array().unwrap();
        let found = all.iter().position(|one| one["SPDXID"] == *id);
        found.map_or("document", |at| match at {
            0 => "image",
            _ => all[at]["name"].as_str().unwrap(),
        })
    };
    let related: Vec<_> = (spdx["relationships"].as_array().unwrap().iter())
        .map(|one| {
            let kind = one["relationshipType"].as_str().unwrap();
            let (from, to) = (&one["spdxElementId"], &one["relatedSpdxElement"]);
            format!("{} {kind} {}", called(from), called(to))
        })
        .collect();
    assert_eq!(
        related,
        [
            "document DESCRIBES image",
            "image CONTAINS hello-library",
            "image CONTAINS hello-tools",
            "image DEPENDS_ON system",
            "hello-library DEPENDS_ON system",
            "hello-tools DEPENDS_ON system",
            "hello-tools DEPENDS_ON hello-library",
        ]
    );
    let cdx: Value = serde_json::from_slice(&read("cdx.json")).unwrap();
    let contained = |name| named(&cdx["components"], name)["properties"][0]["value"].clone();
    assert_eq!(contained("hello-library"), "true");
    assert_eq!(contained("system"), "false");
}

#[test]
fn what_an_old_manifest_lacks_is_said() {
    let scratch = Scratch::new();
    let manifest = scratch.join("a-1.x86-64.manifest.gz");
    let json = r#"{"config":{"name":"a","version":"1"},"packages":[{"name":"b","version":"1-1"}]}"#;
    fs::write(&manifest, json).unwrap();
    let mut sbom = program();
    let sbom = sbom
        .arg("sbom")
        .arg(&manifest)
        .env("SOURCE_DATE_EPOCH", "1");
    let outcome = sbom.output().unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    let said = text(&outcome.stderr);
    for missing in [
        "the SHA-256 of the image",
        "the SHA-256 of RPM files",
        "licences and vendors",
        "which package requires which",
    ] {
        assert!(said.contains(missing), "{said}");
    }
    let bill = text(&outcome.stdout);
    assert!(
        bill.contains("\"created\": \"1970-01-01T00:00:01Z\""),
        "{bill}"
    );
}

#[test(WITH_BASE)]
fn a_manifest_of_another_image_makes_no_bill() {
    let scratch = Scratch::new();
    let image = built(&scratch, &[]);
    let mut bytes = fs::read(&image).unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&image, bytes).unwrap();
    let outcome = run([Path::new("sbom"), &image]);
    assert_eq!(outcome.status.code(), Some(1));
    let said = text(&outcome.stderr);
    assert!(said.contains("its manifest is about one with"), "{said}");
}

#[test(WITH_BASE)]
fn bills_are_in_the_store_with_their_image() {
    let scratch = Scratch::new();
    let image = built(&scratch, &[]);
    let store = scratch.join("store");
    // They are put beside an image that is there, and made again of the same bytes.
    let both = ["--sbom", "spdx,cyclonedx", "--replace"];
    assert_eq!(built(&scratch, &both), image);
    judge(&image);
    for (form, suffix) in [("spdx", "spdx.json"), ("cyclonedx", "cdx.json")] {
        let there = fs::read(image.with_extension(suffix)).unwrap();
        assert!(there == bill(&image, form), "{form}");
    }
    let verified = run([Path::new("store"), Path::new("verify"), &store]);
    assert!(verified.status.success(), "{}", text(&verified.stdout));
    let listed = fs::read_to_string(store.join("SHA256SUMS")).unwrap();
    let stem = "hello-tools-1.1-A.rc.1-2.x86-64";
    let names: Vec<_> = listed.lines().map(|line| &line[66..]).collect();
    assert_eq!(
        names,
        ["cdx.json", "manifest.gz", "raw", "spdx.json"].map(|ending| format!("{stem}.{ending}"))
    );
    // Into another store, by both ways.
    let [merged, added] = ["merged", "added"].map(|name| scratch.join(name));
    let all = ["store", "merge"].map(Path::new);
    let outcome = run([all[0], all[1], &store, Path::new("--into"), &merged]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    fs::create_dir(&added).unwrap();
    let outcome = run([Path::new("store"), Path::new("add"), &added, &image]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    for other in [&merged, &added] {
        assert_eq!(
            crate::workshop::names(other),
            crate::workshop::names(&store)
        );
    }
    let outcome = run([
        Path::new("store"),
        Path::new("remove"),
        &added,
        Path::new("hello-tools"),
        Path::new("--empty"),
    ]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert_eq!(crate::workshop::names(&added), ["SHA256SUMS"]);
    // A bill of another image stays outside.
    fs::write(image.with_extension("cdx.json"), "{}").unwrap();
    let outcome = run([
        Path::new("store"),
        Path::new("add"),
        &added,
        &image,
        Path::new("--replace"),
    ]);
    assert_eq!(outcome.status.code(), Some(1));
    let said = text(&outcome.stderr);
    assert!(
        said.contains("hello-tools-1.1-A.rc.1-2.x86-64.cdx.json is not about the image"),
        "{said}"
    );
}

#[test(WITH_BASE)]
fn an_image_that_is_kept_gets_its_bill() {
    let scratch = Scratch::new();
    let auto = ["--build-number", "auto"];
    built(&scratch, &auto);
    let store = crate::workshop::names(&scratch.join("store"));
    let image = store.iter().find(|name| name.ends_with(".raw")).unwrap();
    let image = scratch.join("store").join(image);
    let time = || fs::metadata(&image).unwrap().modified().unwrap();
    let before = time();
    built(&scratch, &[&auto[..], &["--sbom", "spdx"]].concat());
    assert_eq!(time(), before);
    let there = fs::read(image.with_extension("spdx.json")).unwrap();
    assert!(there == bill(&image, "spdx"));
    let list = || fs::read(scratch.join("store/SHA256SUMS")).unwrap();
    let before = list();
    built(&scratch, &[&auto[..], &["--sbom", "spdx"]].concat());
    assert!(list() == before);
    // So does one whose bill was lost.
    fs::remove_file(image.with_extension("spdx.json")).unwrap();
    built(&scratch, &[&auto[..], &["--sbom", "spdx"]].concat());
    let there = fs::read(image.with_extension("spdx.json")).unwrap();
    assert!(there == bill(&image, "spdx"));
}

#[test(PACKAGERS)]
fn obs_finds_a_digest_beside_each_bill() {
    let scratch = Scratch::new();
    built(&scratch, &["--obs", "--sbom", "cyclonedx"]);
    let names = crate::workshop::names(&scratch.join("store"));
    let stem = "hello-tools-1.1-A.rc.1-2.x86-64";
    let files = ["cdx.json", "manifest.gz", "raw"];
    let expected = files.map(|ending| {
        [
            format!("{stem}.{ending}"),
            format!("{stem}.{ending}.sha256"),
        ]
    });
    assert_eq!(names, expected.concat());
}
