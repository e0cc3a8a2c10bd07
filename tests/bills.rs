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

/// Builds an image of two packages, which need a third of the base; returns its path.
fn built(scratch: &Scratch, more: &[&str]) -> PathBuf {
    let root = base(scratch, &[&system_package(scratch)]);
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
