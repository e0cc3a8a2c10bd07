//! `inspect`: what is in an image, and what it needs of its base.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use image::dump::dump;
use image::squashfs::{Image, ReadError};
use image::{Content, Tree, Visit};
use serde::Serialize;
use serde_json::Value;

use crate::base::OsRelease;
use crate::cli::InspectArguments;
use crate::digest::{sha256, sha256_id};
use crate::document;
use crate::failure::{Failure, Result};
use crate::quantity::bytes;
use crate::report::Report;

/// A manifest that unpacks to more is not read: a bound for hostile ones.
const MAX_MANIFEST: u64 = 64 * 1024 * 1024;
/// An extension-release file that is longer is not read.
const MAX_RELEASE: u64 = 64 * 1024;
/// Contents may be this many times as long as their image.
const MAX_RATIO: u64 = 1000;
/// Contents of this length are read whatever the image's: 1 GiB.
const MAX_SMALL: u64 = 1 << 30;
const RELEASE_DIRECTORY: &str = "usr/lib/extension-release.d";

/// What there is to say of an image.
#[derive(Serialize)]
struct Inspection {
    image: PathBuf,
    bytes: u64,
    compressor: String,
    block_size: u32,
    time: u32,
    inodes: u32,
    content_bytes: u64,
    /// Keys of the extension-release file.
    extension: BTreeMap<String, String>,
    /// Absent where the manifest is not beside the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    packages: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requires: Option<Value>,
    tree: Vec<String>,
}

/// Prints an image's metadata, packages, requirements and tree.
pub fn run(arguments: &InspectArguments, report: &Report) -> Result<()> {
    let inspection = inspect(&arguments.image)?;
    if report.is_json() {
        report.json(&inspection);
    } else {
        report.print(&inspection.text());
    }
    Ok(())
}

fn inspect(path: &Path) -> Result<Inspection> {
    let doing = || format!("reading {}", path.display());
    let file = File::open(path).map_err(|error| Failure::io(doing(), error))?;
    let length = file
        .metadata()
        .map_err(|error| Failure::io(doing(), error))?
        .len();
    let refused = |error: ReadError| failed(path, error.into());
    let mut image = Image::open(file).map_err(refused)?;
    let mut tree = image.tree().map_err(refused)?;
    let extension = extension_release(&mut image, &tree).map_err(|error| failed(path, error))?;
    // Holes cost nothing, so a hostile image of a few kilobytes can hold terabytes of zeros.
    let content_bytes = content_bytes(&tree);
    if content_bytes > MAX_RATIO.saturating_mul(length).max(MAX_SMALL) {
        return Err(Failure::refused(anyhow!(
            "{}: {} hold {}, which no honest image does",
            path.display(),
            bytes(length),
            bytes(content_bytes)
        )));
    }
    tree.map_contents(&mut |_, id| {
        let mut content = image.content(id)?;
        let (_, digest) = sha256(&mut content)?;
        Ok(sha256_id(&digest))
    })
    .map_err(|error: io::Error| failed(path, error))?;
    let facts = image.facts();
    let manifest = manifest(path)?;
    let of_manifest = |key: &str| {
        manifest
            .as_ref()
            .and_then(|manifest| manifest.get(key).cloned())
    };
    Ok(Inspection {
        image: path.to_owned(),
        bytes: length,
        compressor: facts.compressor.to_string(),
        block_size: facts.block_size,
        time: facts.mkfs_time,
        inodes: facts.inode_count,
        content_bytes,
        extension,
        packages: of_manifest("packages"),
        requires: of_manifest("requires"),
        tree: dump(&tree).lines().map(str::to_owned).collect(),
    })
}

/// Returns the size of all files, hard links counted once.
fn content_bytes(tree: &Tree) -> u64 {
    let mut leaves = BTreeSet::new();
    let mut total: u64 = 0;
    tree.walk(&mut |_, visit| {
        if let Visit::Leaf(id, leaf) = visit
            && let Content::File { size, .. } = leaf.content
            && leaves.insert(id)
        {
            total = total.saturating_add(size);
        }
    });
    total
}

/// Sorts an error by whether the image or the system is at fault.
fn failed(path: &Path, error: io::Error) -> Failure {
    match error.kind() {
        io::ErrorKind::InvalidData => Failure::refused(anyhow!("{}: {error}", path.display())),
        _ => Failure::io(format!("reading {}", path.display()), error),
    }
}

/// Returns the keys of the first extension-release file.
fn extension_release<R: Read + Seek>(
    image: &mut Image<R>,
    tree: &Tree,
) -> io::Result<BTreeMap<String, String>> {
    let mut file = None;
    if let Some(Visit::Directory(directory)) = tree.get(RELEASE_DIRECTORY) {
        for (name, _) in directory.entries() {
            if let Some(Visit::Leaf(_, leaf)) = tree.get(&format!("{RELEASE_DIRECTORY}/{name}"))
                && let Content::File { id, .. } = &leaf.content
            {
                file = file.or(Some(id.clone()));
            }
        }
    }
    let Some(id) = file else {
        return Ok(BTreeMap::new());
    };
    let mut text = String::new();
    image
        .content(&id)?
        .take(MAX_RELEASE)
        .read_to_string(&mut text)?;
    // A file that is none of ours may be anything; then it says nothing.
    Ok(OsRelease::parse(&text)
        .map(OsRelease::into_keys)
        .unwrap_or_default())
}

/// Reads the manifest beside an image, if it is there.
pub fn manifest(image: &Path) -> Result<Option<Value>> {
    let path = image.with_extension("manifest.gz");
    if !path.try_exists().is_ok_and(|exists| exists) {
        return Ok(None);
    }
    json(&path).map(Some)
}

/// Reads a manifest, or another document of this program, as JSON.
pub fn json(path: &Path) -> Result<Value> {
    let json = document::read(path, MAX_MANIFEST)?;
    serde_json::from_slice(&json)
        .map_err(|error| Failure::refused(anyhow!("{} is not a manifest: {error}", path.display())))
}

impl Inspection {
    fn text(&self) -> String {
        let mut text = format!(
            "{}\n  {}, {} unpacked; {} in {} blocks; {} inodes; time {}\n",
            self.image.display(),
            bytes(self.bytes),
            bytes(self.content_bytes),
            self.compressor,
            bytes(self.block_size.into()),
            self.inodes,
            self.time,
        );
        for (key, value) in &self.extension {
            text += &format!("  {key}={value}\n");
        }
        if self.extension.is_empty() {
            text += "  no extension-release file: systemd refuses this image\n";
        }
        match &self.packages {
            None => text += "packages: not known, the manifest is not beside the image\n",
            Some(packages) => {
                text += "packages:\n";
                for package in packages.as_array().into_iter().flatten() {
                    let of = |key: &str| package.get(key).and_then(Value::as_str).unwrap_or("?");
                    text += &format!(
                        "  {}  sha256 {}  {}\n",
                        of("nevra"),
                        of("sha256"),
                        of("origin")
                    );
                }
            }
        }
        if let Some(requires) = &self.requires {
            text += "requires of the base:\n";
            for capability in requires
                .as_array()
                .into_iter()
                .flatten()
                .filter_map(Value::as_str)
            {
                text += &format!("  {capability}\n");
            }
        }
        text += "tree:\n";
        for line in &self.tree {
            text += &format!("{line}\n");
        }
        text
    }
}
