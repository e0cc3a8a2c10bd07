//! `store oci`: layouts that skopeo copies from.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use judges::{Need, program as needed};
use serde_json::Value;

use crate::base::{LIBRARY, TOOLS};
use crate::workshop::{Scratch, fixture, output_of, program, sha256sum, text};

const SKOPEO: Need = needed("skopeo");
const IMAGE: &str = "hello-tools-1.1-A.rc.1-2.x86-64.raw";
const REFERENCE: &str = "hello-tools:1.1-A.rc.1-2";

/// A store of two images, each with its bills.
fn store(scratch: &Scratch) -> PathBuf {
    let store = scratch.join("store");
    fs::write(scratch.join("os-release"), "ID=any\n").unwrap();
    for package in [TOOLS, LIBRARY] {
        let mut build = program();
        build
            .arg("--os-release")
            .arg(scratch.join("os-release"))
            .args(["--match", "any", "--sbom", "spdx,cyclonedx"])
            .args(["--allow", "unmet-requirement"])
            .args(["--allow", "unchecked-base"]);
        output_of(build.arg("-o").arg(&store).arg(fixture(package)));
    }
    store
}

fn oci(store: &Path, layout: &Path, more: &[&str]) -> Output {
    let mut command = program();
    command.args(["store", "oci"]).arg(store).arg(layout);
    command.args(more).output().unwrap()
}

/// Writes the layout, and returns the answer in JSON.
fn written(store: &Path, layout: &Path, more: &[&str]) -> Value {
    let outcome = oci(store, layout, &[more, &["--json"]].concat());
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    serde_json::from_slice(&outcome.stdout).unwrap()
}

fn index(layout: &Path) -> Vec<u8> {
    fs::read(layout.join("index.json")).unwrap()
}

fn blobs(layout: &Path) -> BTreeSet<String> {
    let names = fs::read_dir(layout.join("blobs/sha256")).unwrap();
    names
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

/// Reads what a descriptor refers to.
fn blob(layout: &Path, descriptor: &Value) -> Vec<u8> {
    let digest = descriptor["digest"].as_str().unwrap();
    let bytes = fs::read(layout.join("blobs").join(digest.replace(':', "/"))).unwrap();
    assert_eq!(descriptor["size"], bytes.len());
    bytes
}

fn skopeo(arguments: &[&str]) -> String {
    let mut command = Command::new("skopeo");
    output_of(command.arg("--insecure-policy").args(arguments))
}

/// Reads a document through skopeo.
fn inspected(place: &str) -> Value {
    serde_json::from_str(&skopeo(&["inspect", "--raw", place])).unwrap()
}

#[test(SKOPEO)]
fn skopeo_copies_an_image_what_refers_to_it_and_a_version() {
    let scratch = Scratch::new();
    let (store, layout) = (store(&scratch), scratch.join("layout"));
    let answer = written(&store, &layout, &[]);
    let images = answer["images"].as_array().unwrap();
    let own = images.iter().find(|image| image["image"] == IMAGE).unwrap();
    assert_eq!(own["reference"], format!("{REFERENCE}-x86-64"));

    let place = |reference: &str| format!("oci:{}:{reference}", layout.display());
    let into = |name: &str| format!("dir:{}", scratch.join(name).display());
    // The image itself.
    let reference = place(own["reference"].as_str().unwrap());
    let manifest = inspected(&reference);
    let kind = "application/vnd.kairos.sysext.raw";
    assert_eq!(manifest["artifactType"], kind);
    let file = &manifest["layers"][0];
    assert_eq!(file["mediaType"], kind);
    let title = |file: &Value| {
        let title = &file["annotations"]["org.opencontainers.image.title"];
        title.as_str().unwrap().to_owned()
    };
    assert_eq!(title(file), IMAGE);
    let sha256 = sha256sum(&store.join(IMAGE));
    assert_eq!(file["digest"], format!("sha256:{sha256}"));
    skopeo(&["copy", &reference, &into("image")]);
    assert_eq!(sha256sum(&scratch.join("image").join(&sha256)), sha256);

    // What refers to it, by the tag for registries that can't be asked for it.
    let digest = own["digest"].as_str().unwrap();
    let by_tag = place(&format!("hello-tools:{}", digest.replace(':', "-")));
    let mut found = BTreeSet::new();
    for referrer in inspected(&by_tag)["manifests"].as_array().unwrap() {
        let manifest: Value = serde_json::from_slice(&blob(&layout, referrer)).unwrap();
        assert_eq!(manifest["subject"]["digest"], digest);
        assert_eq!(manifest["artifactType"], referrer["artifactType"]);
        let file = &manifest["layers"][0];
        let bytes = fs::read(store.join(title(file))).unwrap();
        assert_eq!(blob(&layout, file), bytes);
        let kind = referrer["artifactType"].as_str().unwrap().to_owned();
        found.insert((title(file), kind));
    }
    let stem = IMAGE.strip_suffix(".raw").unwrap();
    for (suffix, kind) in [
        (
            "manifest.gz",
            "application/vnd.sysext-build.manifest.v1+gzip",
        ),
        ("spdx.json", "application/spdx+json"),
        ("cdx.json", "application/vnd.cyclonedx+json"),
    ] {
        let expected = (format!("{stem}.{suffix}"), kind.to_owned());
        assert!(found.contains(&expected), "{found:?}");
    }
    skopeo(&["copy", "--all", &by_tag, &into("referrers")]);

    // A version, for all architectures.
    let version = inspected(&place(REFERENCE));
    assert_eq!(version["manifests"].as_array().unwrap().len(), 1);
    assert_eq!(version["manifests"][0]["digest"], digest);
    assert_eq!(version["manifests"][0]["platform"]["architecture"], "amd64");
    skopeo(&["copy", "--all", &place(REFERENCE), &into("version")]);
    assert!(scratch.join("version").join(&sha256).exists());
}

#[test]
fn a_layout_is_brought_up_to_date() {
    let scratch = Scratch::new();
    let (store, layout) = (store(&scratch), scratch.join("layout"));
    let first = written(&store, &layout, &[]);
    let before = (blobs(&layout), index(&layout));
    assert_eq!(first["new_blobs"], before.0.len());
    // Again, and elsewhere: the same bytes.
    let again = written(&store, &layout, &[]);
    assert_eq!(again["new_blobs"], 0);
    assert_eq!(again["removed_blobs"], 0);
    let elsewhere = scratch.join("elsewhere");
    written(&store, &elsewhere, &[]);
    assert_eq!((blobs(&elsewhere), index(&elsewhere)), before);
    // What was damaged, and what a killed run left.
    let damaged = layout
        .join("blobs/sha256")
        .join(sha256sum(&store.join(IMAGE)));
    fs::write(&damaged, "x").unwrap();
    fs::write(layout.join("blobs/sha256/.new"), "x").unwrap();
    let mended = written(&store, &layout, &[]);
    assert_eq!(mended["new_blobs"], 1);
    assert_eq!((blobs(&layout), index(&layout)), before);
    assert_eq!(sha256sum(&damaged), sha256sum(&store.join(IMAGE)));
    // Of one extension; the rest goes.
    let one = written(&store, &layout, &["hello-tools"]);
    assert_eq!(one["images"].as_array().unwrap().len(), 1);
    assert!(blobs(&layout).is_subset(&before.0) && blobs(&layout) != before.0);
    // Another type.
    let kind = "application/vnd.example.sysext";
    written(&store, &layout, &["--oci-type", kind]);
    let listed: Value = serde_json::from_slice(&index(&layout)).unwrap();
    let listed = listed["manifests"].as_array().unwrap();
    let images = listed.iter().filter(|one| one["artifactType"] == kind);
    assert_eq!(images.count(), 2);
}

#[test]
fn what_is_not_right_leaves_a_layout_as_it_is() {
    let scratch = Scratch::new();
    let (store, layout) = (store(&scratch), scratch.join("layout"));
    written(&store, &layout, &[]);
    let before = (blobs(&layout), index(&layout));
    let refused = |layout: &Path, more: &[&str], code: i32, said: &str| {
        let outcome = oci(&store, layout, more);
        let words = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{words}");
        assert!(words.contains(said), "{words}");
    };
    refused(&layout, &["none"], 1, "lists no image called none");
    refused(&layout, &["--oci-type", "x"], 2, "it is not a media type");
    let foreign = scratch.join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("index.json"), r#"{"manifests":[]}"#).unwrap();
    refused(&foreign, &[], 1, "holds files that are not ours");
    // The names are looked at before anything is made.
    let new = scratch.join("new");
    refused(&new, &["none"], 1, "lists no image called none");
    assert!(!new.exists());
    let image = store.join(IMAGE);
    let mut bytes = fs::read(&image).unwrap();
    bytes[200] ^= 1;
    fs::write(&image, bytes).unwrap();
    refused(&new, &[], 1, "does not have the listed SHA-256");
    assert!(!new.join("index.json").exists());
    // The blob that is there is still the listed one.
    written(&store, &layout, &[]);
    assert_eq!((blobs(&layout), index(&layout)), before);
}
