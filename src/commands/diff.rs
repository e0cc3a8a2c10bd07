//! `diff`: what differs between two images, without root and without mounts.
//!
//! Metadata and packages are compared by what the extension-release files and the manifests say,
//! files by type, mode, owner, attributes and contents. Times are not: they tell when an image was
//! made, not what is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use files::Links;
use image::{Content, ContentId, Leaf, Special, Stat, Visit};
use manifest::Summary;
use serde::Serialize;

use crate::cli::DiffArguments;
use crate::inspected::{Inside, InspectedImage, Signed, beside, check_content_size, read_manifest};
use crate::report::Report;
use crate::words::failure::{Failure, Kind, Result};
use crate::words::quantity::bytes;
use crate::words::text::Text;

/// What differs between two images.
#[derive(Default, Serialize)]
struct Difference {
    before: PathBuf,
    after: PathBuf,
    differs: bool,
    /// Size of the image files, in bytes.
    bytes: [u64; 2],
    /// Size of all their contents, in bytes.
    content_bytes: [u64; 2],
    /// Keys of the extension-release file: before and after.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    metadata: BTreeMap<String, [Option<String>; 2]>,
    /// What the image file is, where that differs: before and after.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    image: BTreeMap<&'static str, [String; 2]>,
    #[serde(skip_serializing_if = "Sets::is_empty")]
    packages: Sets,
    #[serde(skip_serializing_if = "Sets::is_empty")]
    requires: Sets,
    #[serde(skip_serializing_if = "Sets::is_empty")]
    files: Sets,
    /// What changed of a path that is in both, in words.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    changed: BTreeMap<String, Vec<String>>,
}

/// What is in one of the two alone.
#[derive(Default, Serialize)]
struct Sets {
    removed: BTreeSet<String>,
    added: BTreeSet<String>,
}

impl Sets {
    fn between(before: &BTreeSet<String>, after: &BTreeSet<String>) -> Self {
        Self {
            removed: before.difference(after).cloned().collect(),
            added: after.difference(before).cloned().collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }
}

/// Prints what differs between two images; fails if anything does.
pub fn run(arguments: &DiffArguments, report: &Report) -> Result<()> {
    // An image that can't be read is trouble and no difference.
    let difference =
        difference(&arguments.before, &arguments.after).map_err(|failure| Failure {
            kind: match failure.kind {
                Kind::Refused => Kind::Io,
                kind => kind,
            },
            ..failure
        })?;
    if report.is_json() {
        report.json(&difference)?;
    } else {
        report.print(&difference.text())?;
    }
    match difference.differs {
        false => Ok(()),
        true => Err(Failure::refused(anyhow!("the images differ")).answered()),
    }
}

/// An image with all that is compared.
struct Side {
    facts: clients::Image,
    /// What the image file is, in words.
    format: String,
    /// The certificate of its signer.
    signed_by: Option<String>,
    inside: Inside,
    packages: BTreeSet<String>,
    requires: BTreeSet<String>,
    length: u64,
    content_bytes: u64,
}

impl Side {
    fn open(path: &Path) -> Result<Self> {
        // What the files need, and where links lead, is not compared; it can be larger than the tree.
        let manifest: Option<Summary> = read_manifest(&beside(path), Links::Refuse)?;
        let (packages, requires) = manifest.map(compared).unwrap_or_default();
        let image = InspectedImage::open_alone(path)?;
        let length = std::fs::metadata(path)
            .map_err(|error| Failure::io(format!("reading {}", path.display()), error))?
            .len();
        let format = image.format();
        let Some(inside) = image.inside else {
            let what = match &image.facts.container {
                clients::Container::Broken(problem) => problem.clone(),
                _ => "is cut off or not an image".to_owned(),
            };
            return Err(Failure::refused(anyhow!("{} {what}", path.display())));
        };
        let content_bytes = check_content_size(path, length, &inside.tree)?;
        Ok(Self {
            format,
            signed_by: image.signature.as_ref().map(Signed::fingerprint),
            facts: image.facts,
            inside,
            packages,
            requires,
            length,
            content_bytes,
        })
    }

    /// Returns the keys of the first extension-release file that is not a link.
    fn metadata(&self) -> BTreeMap<String, String> {
        let files = &self.facts.releases;
        let first = files.iter().find(|file| file.is_regular);
        first
            .and_then(|file| file.keys.as_ref())
            .map(|keys| keys.keys().clone())
            .unwrap_or_default()
    }
}

/// What is compared of a manifest: its packages, and what they require.
fn compared(manifest: Summary) -> (BTreeSet<String>, BTreeSet<String>) {
    let packages = (manifest.packages.into_iter())
        .map(|package| package.nevra.unwrap_or(package.name))
        .collect();
    let requires = manifest.requires.into_iter().flatten().collect();
    (packages, requires)
}

fn difference(before: &Path, after: &Path) -> Result<Difference> {
    let mut sides = [Side::open(before)?, Side::open(after)?];
    let mut difference = Difference {
        before: before.to_owned(),
        after: after.to_owned(),
        bytes: [sides[0].length, sides[1].length],
        content_bytes: [sides[0].content_bytes, sides[1].content_bytes],
        ..Difference::default()
    };
    let metadata = [sides[0].metadata(), sides[1].metadata()];
    for key in metadata.iter().flat_map(BTreeMap::keys) {
        let values = [metadata[0].get(key).cloned(), metadata[1].get(key).cloned()];
        if values[0] != values[1] {
            difference.metadata.insert(key.clone(), values);
        }
    }
    let of_file = |side: &Side| {
        let signer = side.signed_by.clone();
        [
            ("format", side.format.clone()),
            ("signed_by", signer.unwrap_or_else(|| "nobody".to_owned())),
        ]
    };
    for ((key, before), (_, after)) in of_file(&sides[0]).into_iter().zip(of_file(&sides[1])) {
        if before != after {
            difference.image.insert(key, [before, after]);
        }
    }
    let [one, two] = &mut sides;
    difference.packages = Sets::between(&one.packages, &two.packages);
    difference.requires = Sets::between(&one.requires, &two.requires);
    compare_trees(&mut one.inside, &mut two.inside, &mut difference)?;
    difference.differs = !difference.metadata.is_empty()
        || !difference.image.is_empty()
        || !difference.packages.is_empty()
        || !difference.requires.is_empty()
        || !difference.files.is_empty()
        || !difference.changed.is_empty();
    Ok(difference)
}

/// Returns the first path that differs between two images, in byte order, and how.
pub fn first_path(before: &Path, after: &Path) -> Result<Option<(String, String)>> {
    let difference = difference(before, after)?;
    let words = |text: &str| text.to_owned();
    let removed = difference.files.removed.into_iter();
    let added = difference.files.added.into_iter();
    let changed = difference.changed.into_iter();
    let all = (removed.map(|path| (path, words("is missing"))))
        .chain(added.map(|path| (path, words("is more"))))
        .chain(changed.map(|(path, changes)| (path, changes.join(", "))));
    Ok(all.min())
}

/// Compares what is in the trees of two images.
fn compare_trees(one: &mut Inside, two: &mut Inside, difference: &mut Difference) -> Result<()> {
    let (tree_one, mut digest_one) = one.tree_and_digest();
    let (tree_two, mut digest_two) = two.tree_and_digest();
    let mut compare = |before: &Visit<'_>, after: &Visit<'_>| -> Result<Vec<String>> {
        let mut changes = changes(before, after);
        if let Some((before, after)) = same_size(before, after)
            && digest_one(before)? != digest_two(after)?
        {
            changes.push("contents".to_owned());
        }
        Ok(changes)
    };
    let mut compared = Ok(());
    tree_one.walk(&mut |path, before| {
        if compared.is_err() {
            return;
        }
        let Some(after) = tree_two.get(path) else {
            difference.files.removed.insert(format!("/{path}"));
            return;
        };
        match compare(&before, &after) {
            Ok(changes) if changes.is_empty() => {}
            Ok(changes) => {
                difference.changed.insert(format!("/{path}"), changes);
            }
            Err(failure) => compared = Err(failure),
        }
    });
    tree_two.walk(&mut |path, _| {
        if tree_one.get(path).is_none() {
            difference.files.added.insert(format!("/{path}"));
        }
    });
    compared
}

/// Returns the contents of two files of one size, which may differ.
fn same_size<'a>(before: &Visit<'a>, after: &Visit<'a>) -> Option<(&'a ContentId, &'a ContentId)> {
    match (content(before)?, content(after)?) {
        (
            Content::File { size, id },
            Content::File {
                size: other,
                id: after,
            },
        ) if size == other => (*size > 0).then_some((id, after)),
        _ => None,
    }
}

fn content<'a>(visit: &Visit<'a>) -> Option<&'a Content> {
    match visit {
        Visit::Directory(_) => None,
        Visit::Leaf(_, Leaf { content, .. }) => Some(content),
    }
}

/// Says what differs between two inodes, but for the contents of files of one size.
fn changes(before: &Visit<'_>, after: &Visit<'_>) -> Vec<String> {
    let mut changes = Vec::new();
    let kinds = [kind(before), kind(after)];
    if kinds[0] != kinds[1] {
        changes.push(format!("{} -> {}", kinds[0], kinds[1]));
    } else if let (Some(Content::Symlink(before)), Some(Content::Symlink(after))) =
        (content(before), content(after))
        && before != after
    {
        changes.push(format!("target {before} -> {after}"));
    } else if let (
        Some(Content::File { size: before, .. }),
        Some(Content::File { size: after, .. }),
    ) = (content(before), content(after))
        && before != after
    {
        changes.push(format!("size {before} -> {after}"));
    }
    let (before, after): (&Stat, &Stat) = (before.stat(), after.stat());
    if before.mode != after.mode {
        changes.push(format!("mode {:04o} -> {:04o}", before.mode, after.mode));
    }
    if (before.uid, before.gid) != (after.uid, after.gid) {
        changes.push(format!(
            "owner {}:{} -> {}:{}",
            before.uid, before.gid, after.uid, after.gid
        ));
    }
    let names: BTreeSet<_> = before.xattrs.keys().chain(after.xattrs.keys()).collect();
    for name in names {
        if before.xattrs.get(name) != after.xattrs.get(name) {
            changes.push(format!("attribute {name}"));
        }
    }
    changes
}

fn kind(visit: &Visit<'_>) -> &'static str {
    match content(visit) {
        None => "directory",
        Some(Content::File { .. }) => "file",
        Some(Content::Symlink(_)) => "link",
        Some(Content::Special(Special::Block(_) | Special::Character(_))) => "device",
        Some(Content::Special(Special::Fifo)) => "named pipe",
        Some(Content::Special(Special::Socket)) => "socket",
    }
}

impl Difference {
    fn text(&self) -> Text {
        let mut text = Text::default();
        text.line(format!("--- {}", self.before.display()));
        text.line(format!("+++ {}", self.after.display()));
        if !self.differs {
            text.line("the images are the same");
            return text;
        }
        let [before, after] = self.bytes.map(bytes);
        let [unpacked, unpacked_after] = self.content_bytes.map(bytes);
        text.line(format!(
            "size: {before} -> {after}, unpacked {unpacked} -> {unpacked_after}"
        ));
        if !self.metadata.is_empty() {
            text.line("metadata:");
            for (key, values) in &self.metadata {
                for (sign, value) in ["-", "+"].iter().zip(values) {
                    if let Some(value) = value {
                        text.line(format!("  {sign} {key}={value}"));
                    }
                }
            }
        }
        if !self.image.is_empty() {
            text.line("image file:");
            for (key, [before, after]) in &self.image {
                text.line(format!("  {}: {before} -> {after}", key.replace('_', " ")));
            }
        }
        for (title, sets) in [
            ("packages", &self.packages),
            ("requires of the base", &self.requires),
            ("files", &self.files),
        ] {
            if sets.is_empty() {
                continue;
            }
            text.line(format!("{title}:"));
            for (sign, names) in [("-", &sets.removed), ("+", &sets.added)] {
                for name in names {
                    text.line(format!("  {sign} {name}"));
                }
            }
        }
        if !self.changed.is_empty() {
            text.line("changed:");
            for (path, changes) in &self.changed {
                text.line(format!("  {path}  {}", changes.join(", ")));
            }
        }
        text
    }
}
