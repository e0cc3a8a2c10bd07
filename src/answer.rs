//! What a build answers: the plan of an image and what became of it, as text and as JSON.

use std::path::{Path, PathBuf};

use image::{Tree, dump};
use manifest::{Explained, ReliedOn};
use serde::ser::SerializeSeq as _;
use serde::{Serialize, Serializer};

use crate::base::Evidence;
use crate::findings::Finding;
use crate::inputs::Inputs;
use crate::packages::{Chosen, Selection};
use crate::plan::companion::Companion;
use crate::plan::compose::{self, Plan};
use crate::plan::identity::Identity;
use crate::plan::{self, Planned};
use crate::publish::Stored;
use crate::report::Report;
use crate::words::quantity::bytes;
use crate::words::text::Text;

/// What a build made, or would make.
#[derive(Debug, Serialize)]
pub struct Built {
    name: String,
    version: String,
    architecture: String,
    image: PathBuf,
    manifest: PathBuf,
    /// The image of what is in `/etc`, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    companion: Option<BuiltCompanion>,
    /// Absent after a dry run, unless the image is there already.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Stored>,
    /// What is another than in the newest image of this name and version, by which the build
    /// number grew.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<String>,
    extension: serde_json::Map<String, serde_json::Value>,
    packages: Vec<String>,
    /// Why each package is there.
    resolution: Vec<Explained>,
    requires: Vec<String>,
    /// What is known of the base, and what of these could not be looked up.
    evidence: Evidence,
    /// What of the base meets these requirements, where its packages are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    relies_on: Vec<ReliedOn>,
    /// The images that it was judged with.
    #[serde(skip_serializing_if = "Option::is_none")]
    with: Option<With>,
    files: usize,
    content_bytes: u64,
    findings: Vec<Finding>,
    /// Lines of tmpfiles.d(5) for what is outside of `/usr` and `/opt`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tmpfiles: Vec<String>,
    left_out: Vec<compose::LeftOut>,
    changed: Vec<compose::Changed>,
    tree: TreeLines,
}

/// The companion of an image.
#[derive(Debug, Serialize)]
struct BuiltCompanion {
    name: String,
    image: PathBuf,
    manifest: PathBuf,
    extension: serde_json::Map<String, serde_json::Value>,
    tree: TreeLines,
}

impl BuiltCompanion {
    fn new(companion: Companion, directory: &Path) -> Self {
        let Planned { identity, plan, .. } = companion.image;
        Self {
            image: directory.join(identity.image_file()),
            manifest: directory.join(identity.manifest_file()),
            extension: keys(&identity),
            name: identity.name,
            tree: TreeLines(plan.tree),
        }
    }
}

/// Returns what an image says of itself.
fn keys(identity: &Identity) -> serde_json::Map<String, serde_json::Value> {
    let keys = identity.release.iter();
    keys.map(|(key, value)| ((*key).to_owned(), value.clone().into()))
        .collect()
}

/// What an image was judged with.
#[derive(Debug, Serialize)]
pub struct With {
    /// The file names of the images.
    pub images: Vec<String>,
    /// Whether what programs load was judged, too: after a dry run, and where the base's libraries are
    /// not known, it was not.
    pub loads: bool,
}

/// A tree that is shown as its lines: they are made when they are asked for, since they can take
/// more memory than all else.
#[derive(Debug)]
pub struct TreeLines(pub Tree);

impl Serialize for TreeLines {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(None)?;
        let mut result = Ok(());
        dump::lines(&self.0, &mut |line| {
            if result.is_ok() {
                result = sequence.serialize_element(line);
            }
        });
        result?;
        sequence.end()
    }
}

impl TreeLines {
    /// Hands out the lines, one after the other.
    pub fn each(&self, line: &mut dyn FnMut(&str)) {
        dump::lines(&self.0, line);
    }
}

impl Built {
    /// Collects what there is to say of an image, before or after it was made.
    pub fn new(
        inputs: &Inputs,
        selection: Selection,
        planned: Planned,
        with: Option<With>,
        result: Option<Stored>,
        changes: Vec<String>,
    ) -> Self {
        let Planned {
            plan,
            identity,
            requires,
            evidence,
            companion,
            ..
        } = planned;
        let directory = inputs.destination.directory_of(&identity.name);
        Self {
            name: identity.name.clone(),
            version: identity.version.clone(),
            architecture: identity.architecture.to_string(),
            image: directory.join(identity.image_file()),
            manifest: directory.join(identity.manifest_file()),
            result,
            changes,
            companion: companion.map(|companion| BuiltCompanion::new(*companion, &directory)),
            extension: keys(&identity),
            packages: (selection.chosen.iter())
                .map(|one| one.package.nevra.to_string())
                .collect(),
            resolution: selection.chosen.iter().map(Chosen::explained).collect(),
            requires,
            evidence,
            relies_on: selection.relies_on,
            with,
            files: plan.files,
            content_bytes: plan.size,
            tree: TreeLines(plan.tree),
            findings: plan.findings,
            tmpfiles: plan.tmpfiles.lines().collect(),
            left_out: plan.left_out,
            changed: plan.changed,
        }
    }

    /// Returns the image's file name.
    pub fn image_file(&self) -> String {
        let name = self.image.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// Says what became of the image, and how large it is.
    pub fn became(&self) -> (&'static str, Option<u64>) {
        match &self.result {
            Some(stored) => (stored.added(), Some(stored.bytes())),
            None => ("planned", None),
        }
    }

    /// Prints the plan as text: what the image is called, what it says of itself, its tree.
    pub fn print_plan(&self, report: &Report) -> crate::words::failure::Result<()> {
        report.print_with(&self.head_text(), |line| self.tree.each(line))?;
        let Some(companion) = &self.companion else {
            return Ok(());
        };
        let mut text = Text::default();
        text.line(companion.image.display());
        for (key, value) in &companion.extension {
            text.line(format!("  {key}={}", value.as_str().unwrap_or_default()));
        }
        text.line("tree:");
        report.print_with(&text, |line| companion.tree.each(line))
    }

    fn head_text(&self) -> Text {
        let mut text = Text::default();
        text.line(self.image.display());
        for (key, value) in &self.extension {
            text.line(format!("  {key}={}", value.as_str().unwrap_or_default()));
        }
        text.line(format!("packages: {}", self.packages.join(" ")));
        if !self.requires.is_empty() {
            text.line("requires of the base:");
            for capability in &self.requires {
                text.line(format!("  {capability}"));
            }
        }
        text.line("tree:");
        text
    }
}

/// With `-v`, lists each path that a rule left out or changed.
pub fn list_changes(plan: &Plan, report: &Report) {
    if !report.is_verbose() {
        return;
    }
    for left in &plan.left_out {
        let size = bytes(left.size);
        report.stage(
            "left out",
            &format!(
                "{} ({size}) of {} by {}",
                left.path, left.owner, left.rule.name
            ),
        );
    }
    for change in &plan.changed {
        report.stage(
            "changed",
            &format!(
                "{} of {} is {} by {}",
                change.path, change.owner, change.became, change.rule.name
            ),
        );
    }
}

/// Says which version the image gets, and by what the build number grew.
pub fn say_number(planned: &Planned, changes: &[String], report: &Report) {
    let version = &planned.identity.version;
    for change in changes {
        report.stage("number", &format!("{version}: {change}"));
    }
}

/// Says what the image states of the systems that it fits, where that was chosen.
pub fn say_match(planned: &Planned, report: &Report) {
    if let Some(why) = &planned.matched {
        report.stage("match", why);
    }
}

/// Says what scriptlets come to, what is started, which caches are made, and what is done on the host
/// after a merge.
pub fn say_alive(planned: &Planned, report: &Report) {
    if let Some(summary) = &planned.scriptlets {
        report.stage("scripts", summary);
    }
    if !planned.started.are_none() {
        report.stage("start", &planned.started.described());
    }
    for cache in planned.plan.caches.described() {
        report.stage("cache", &cache);
    }
    if let Some(unit) = &planned.merge_unit {
        report.stage("merge", &format!("then, on the host: {}", unit.described()));
    }
}

/// Names the first packages of an image, counts the others, and names its overlay.
pub fn listed(selection: &Selection, settings: &plan::Settings) -> String {
    const SHOWN: usize = 4;
    let mut names: Vec<_> = (selection.chosen.iter().take(SHOWN))
        .map(|one| one.package.nevra.to_string())
        .collect();
    if let Some(more @ 1..) = selection.chosen.len().checked_sub(SHOWN) {
        names.push(format!("{more} more"));
    }
    let overlay = settings.overlay.iter();
    names.extend(overlay.map(|path| format!("overlay {}", path.display())));
    names.join(" + ")
}
