//! `store verify`: what is wrong with a store, and `--fix` for what can be repaired without loss.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clients::{Release, ReleaseFile};
use image::squashfs::Image;
use serde::Serialize;
use store::{Examination, Finding, Listing, Manifest, Severity, Store};

use crate::cli::store::VerifyArguments;
use crate::failure::{Failure, Result, store_failure};
use crate::inputs;
use crate::quantity::{bytes, counted};
use crate::report::Report;
use crate::specimen::{RELEASE_DIRECTORY, release_files};

#[derive(Serialize)]
struct Verification {
    directories: Vec<Shelf>,
}

/// What is wrong with one directory.
#[derive(Serialize)]
struct Shelf {
    directory: PathBuf,
    images: usize,
    bytes: u64,
    findings: Vec<Row>,
    repaired: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    id: &'static str,
    severity: &'static str,
    file: String,
    text: String,
    repair: &'static str,
}

/// Verifies, repairs what is to be repaired, and reports what is left.
pub fn run(arguments: &VerifyArguments, report: &Report) -> Result<()> {
    let workers = inputs::workers(arguments.jobs)?;
    let directories = (super::directories(&arguments.directory)?.iter())
        .map(|path| shelf(path, arguments.fix, workers, report))
        .collect::<Result<_>>()?;
    let verification = Verification { directories };
    if report.is_json() {
        report.json(&verification);
    } else {
        report.print(&verification.text());
    }
    match verification.errors() {
        0 => Ok(()),
        errors => {
            let directory = arguments.directory.display();
            let failure = anyhow!("{directory} has {}", counted(errors, "error"));
            Err(Failure::refused(failure).said_in_json())
        }
    }
}

fn shelf(path: &Path, fix: bool, workers: usize, report: &Report) -> Result<Shelf> {
    let store = Store::open_for_reading(path).map_err(store_failure)?;
    let bar = report.bar("verify", 0);
    let verdict = store.verify(&Examination {
        workers,
        check_signature: None,
        look_inside: Some(&look_inside),
        progress: &|done, total| {
            bar.set_length(total);
            bar.set_position(done);
        },
    });
    bar.finish_and_clear();
    let verdict = verdict.map_err(store_failure)?;
    let mut findings = verdict.findings;
    let mut repaired = Vec::new();
    let is_fixable = |finding: &Finding| finding.kind().is_some_and(|kind| kind.is_fixable);
    if fix && findings.iter().any(is_fixable) {
        repaired = (store.repair(&findings, Listing::default())).map_err(store_failure)?;
        findings.retain(|finding| !repaired.contains(finding));
    }
    Ok(Shelf {
        directory: path.to_owned(),
        images: verdict.images,
        bytes: verdict.bytes,
        findings: findings.iter().map(Row::new).collect(),
        repaired: repaired.iter().map(Row::new).collect(),
    })
}

/// Looks whether an image says of itself what its manifest says of it, where clients ask.
fn look_inside(file: File, name: &str, manifest: Option<&Manifest>) -> Vec<Finding> {
    let unreadable =
        |error: &dyn std::fmt::Display| vec![Finding::new("image-unreadable", name, error)];
    let mut image = match Image::open(file) {
        Ok(image) => image,
        Err(error) => return unreadable(&error),
    };
    let tree = match image.tree() {
        Ok(tree) => tree,
        Err(error) => return unreadable(&error),
    };
    let releases = match release_files(&mut image, &tree) {
        Ok(releases) => releases,
        Err(error) => return unreadable(&error),
    };
    let extension = manifest.map(|manifest| manifest.config.name.as_str());
    let keys = match release_keys(&releases, name, extension) {
        Ok(keys) => keys,
        Err(problem) => return vec![Finding::new("release-missing", name, problem)],
    };
    let Some(manifest) = manifest else {
        return Vec::new();
    };
    let differs = |key: &&String| keys.get(*key) != manifest.extension.get(*key);
    let different = keys.keys().chain(manifest.extension.keys()).find(differs);
    let finding = different.map(|key| {
        let say = |value: Option<&String>| value.map_or("nothing".to_owned(), |v| format!("{v:?}"));
        let (inside, beside) = (keys.get(key), manifest.extension.get(key));
        let text = format!(
            "says {key} is {}, its manifest {}",
            say(inside),
            say(beside)
        );
        Finding::new("release-mismatch", name, text)
    });
    finding.into_iter().collect()
}

/// Returns what the extension-release file says, or what keeps a client from finding it: systemd
/// looks under the name of the link, which is the extension's, or takes the only one that says it
/// may; sysextmgr looks under the image's file name.
fn release_keys<'a>(
    releases: &'a [ReleaseFile],
    image: &str,
    extension: Option<&str>,
) -> std::result::Result<&'a BTreeMap<String, String>, String> {
    let of = |name: &str| releases.iter().find(|file| file.name == name);
    let missing = |name: &str, client| {
        format!("has no {RELEASE_DIRECTORY}/extension-release.{name}, which {client} asks for")
    };
    let stem = image.strip_suffix(".raw").unwrap_or(image);
    let of_file = of(stem).ok_or_else(|| missing(stem, "sysextmgr"))?;
    let found = match extension {
        None => of_file,
        Some(extension) => {
            let is_lenient =
                |file: &&ReleaseFile| file.is_regular && file.strict.as_deref() == Some(b"0");
            let mut lenient = releases.iter().filter(is_lenient);
            let only = lenient.next().filter(|_| lenient.next().is_none());
            (of(extension).or(only)).ok_or_else(|| missing(extension, "systemd"))?
        }
    };
    (found.keys.as_ref().map(Release::keys))
        .ok_or_else(|| format!("has an extension-release.{} without contents", found.name))
}

impl Row {
    fn new(finding: &Finding) -> Self {
        Self {
            id: finding.id,
            severity: match finding.severity() {
                Severity::Error => "error",
                Severity::Note => "note",
            },
            file: finding.file.clone(),
            text: finding.text.clone(),
            repair: finding.kind().map_or("", |kind| kind.repair),
        }
    }
}

impl Verification {
    fn errors(&self) -> usize {
        (self.directories.iter())
            .flat_map(|shelf| &shelf.findings)
            .filter(|row| row.severity == "error")
            .count()
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for shelf in &self.directories {
            for row in &shelf.repaired {
                text += &format!("repaired  {}: {}\n", row.id, row.text);
            }
            // What to do is said once for each kind.
            for (at, row) in shelf.findings.iter().enumerate() {
                text += &format!("{:<9} {}: {}\n", row.severity, row.id, row.text);
                if shelf
                    .findings
                    .get(at + 1)
                    .is_none_or(|next| next.id != row.id)
                {
                    text += &format!("          {}\n", row.repair);
                }
            }
            text += &format!(
                "{}: {}, {} read, {}\n",
                shelf.directory.display(),
                counted(shelf.images, "image"),
                bytes(shelf.bytes),
                counted(shelf.findings.len(), "finding"),
            );
        }
        text
    }
}
