//! `diff`: what differs between two images, without root and without mounts.
//!
//! Metadata and packages are compared by what the extension-release files and the manifests say,
//! files by type, mode, owner, attributes and contents. Times are not: they tell when an image was
//! made, not what is in it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use image::{Content, ContentId, Leaf, Special, Stat, Tree, Visit};
use serde::Serialize;

use crate::cli::DiffArguments;
use crate::inspected::{InspectedImage, check_content_size};
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
    fn between(before: BTreeSet<String>, after: BTreeSet<String>) -> Self {
        Self {
            removed: before.difference(&after).cloned().collect(),
            added: after.difference(&before).cloned().collect(),
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
    image: InspectedImage,
    length: u64,
    content_bytes: u64,
}

impl Side {
    fn open(path: &Path) -> Result<Self> {
        let image = InspectedImage::open(path, false, None)?;
        let length = std::fs::metadata(path)
            .map_err(|error| Failure::io(format!("reading {}", path.display()), error))?
            .len();
        let Some(inside) = &image.inside else {
            let what = match &image.facts.container {
                clients::Container::Broken(problem) => problem.clone(),
                _ => "is cut off or not an image".to_owned(),
            };
            return Err(Failure::refused(anyhow!("{} {what}", path.display())));
        };
        let content_bytes = check_content_size(path, length, &inside.tree)?;
        Ok(Self {
            image,
            length,
            content_bytes,
        })
    }

    /// Returns the keys of the first extension-release file that is not a link.
    fn metadata(&self) -> BTreeMap<String, String> {
        let files = &self.image.facts.releases;
        let first = files.iter().find(|file| file.is_regular);
        first
            .and_then(|file| file.keys.as_ref())
            .map(|keys| keys.keys().clone())
            .unwrap_or_default()
    }

    fn packages(&self) -> BTreeSet<String> {
        let manifest = self.image.manifest.iter();
        let packages = manifest.flat_map(|manifest| &manifest.packages);
        packages
            .map(|package| package.nevra.as_ref().unwrap_or(&package.name).clone())
            .collect()
    }

    fn requires(&self) -> BTreeSet<String> {
        let manifest = self.image.manifest.iter();
        manifest
            .filter_map(|manifest| manifest.requires.clone())
            .flatten()
            .collect()
    }
}

fn difference(before: &Path, after: &Path) -> Result<Difference> {
    let mut sides = [Side::open(before)?, Side::open(after)?];
    let mut difference = Difference {
        before: before.to_owned(),
        after: after.to_owned(),
        bytes: [sides[0].length, sides[1].length],
        content_bytes: [sides[0].content_bytes, sides[1].content_bytes],
        packages: Sets::between(sides[0].packages(), sides[1].packages()),
        requires: Sets::between(sides[0].requires(), sides[1].requires()),
        ..Difference::default()
    };
    let metadata = [sides[0].metadata(), sides[1].metadata()];
    for key in metadata.iter().flat_map(BTreeMap::keys) {
        let values = [metadata[0].get(key).cloned(), metadata[1].get(key).cloned()];
        if values[0] != values[1] {
            difference.metadata.insert(key.clone(), values);
        }
    }
    let [one, two] = &mut sides;
    if let (Some(one), Some(two)) = (&mut one.image.inside, &mut two.image.inside) {
        let (tree_one, mut digest_one) = one.tree_and_digest();
        let (tree_two, mut digest_two) = two.tree_and_digest();
        let paths = [paths(tree_one), paths(tree_two)];
        for path in paths[0].intersection(&paths[1]) {
            let (Some(before), Some(after)) = (tree_one.get(path), tree_two.get(path)) else {
                continue;
            };
            let mut changes = changes(&before, &after);
            if let Some((before, after)) = same_size(&before, &after)
                && digest_one(before)? != digest_two(after)?
            {
                changes.push("contents".to_owned());
            }
            if !changes.is_empty() {
                difference.changed.insert(format!("/{path}"), changes);
            }
        }
        let [before, after] =
            paths.map(|paths| paths.iter().map(|path| format!("/{path}")).collect());
        difference.files = Sets::between(before, after);
    }
    difference.differs = !difference.metadata.is_empty()
        || !difference.packages.is_empty()
        || !difference.requires.is_empty()
        || !difference.files.is_empty()
        || !difference.changed.is_empty();
    Ok(difference)
}

fn paths(tree: &Tree) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    tree.walk(&mut |path, _| {
        paths.insert(path.to_owned());
    });
    paths
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
