//! The stages of a build, in their order.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use image::dump::dump;
use rpm_input::Package;
use serde::Serialize;
use store::{Added, Listing, Publication, Store};

use crate::base::Base;
use crate::check::base_files::BaseFiles;
use crate::check::closure::BaseLibraries;
use crate::check::{self, shadow};
use crate::cli::Matching;
use crate::findings::{Finding, Severity, Waivers};
use crate::inputs::Inputs;
use crate::pack::unpack;
use crate::pack::{self, Source};
use crate::packages::lock::Locking;
use crate::packages::reason::{Explained, ReliedOn};
use crate::packages::{Selection, select};
use crate::plan::compose::{self, Plan, Times};
use crate::plan::identity::{self, Identity, Manifest, Origin};
use crate::plan::{matching as statement, overlay};
use crate::publish::signing::{self, Signer};
use crate::report::Report;
use crate::words::digest::{hex, sha256};
use crate::words::failure::{Failure, Result, store_failure};
use crate::words::quantity::{bytes, counted};

/// What a build made, or would make.
#[derive(Debug, Serialize)]
pub struct Built {
    name: String,
    version: String,
    architecture: String,
    image: PathBuf,
    manifest: PathBuf,
    /// Absent after a dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<Stored>,
    extension: serde_json::Map<String, serde_json::Value>,
    packages: Vec<String>,
    /// Why each package is there.
    resolution: Vec<Explained>,
    requires: Vec<String>,
    /// What of the base meets these requirements, where its packages are known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    relies_on: Vec<ReliedOn>,
    files: usize,
    content_bytes: u64,
    findings: Vec<Finding>,
    left_out: Vec<compose::LeftOut>,
    changed: Vec<compose::Changed>,
    tree: Vec<String>,
}

/// What is in the store now.
#[derive(Debug, Serialize)]
struct Stored {
    sha256: String,
    bytes: u64,
    added: &'static str,
    /// Fingerprint of the key that signs the list.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
}

/// Opens what signs the list, if anything does: once for all images of a run, since it may ask for a
/// passphrase.
pub fn signer(inputs: &Inputs) -> Result<Option<Signer>> {
    match inputs.dry_run {
        true => Ok(None),
        false => signing::open(
            inputs.key.as_ref(),
            inputs.now,
            std::slice::from_ref(&inputs.output),
        ),
    }
}

/// Builds an image and adds it to its store; with `--dry-run`, plans it.
pub fn build(inputs: &Inputs, signer: Option<&Signer>, report: &Report) -> Result<Built> {
    let base = Base::open(&inputs.base)?;
    report.stage("base", &base.title);
    let mut selection = select(inputs, &base, report)?;
    let packages = &selection.packages;
    report.stage("packages", &listed(packages, inputs.overlay.as_deref()));
    let overlay = inputs
        .overlay
        .as_deref()
        .map(overlay::read)
        .transpose()?
        .unwrap_or_default();

    let rules = inputs.rules.for_base(base.merged_sbin);
    let times = Times::new(inputs.epoch, packages);
    let mut plan = compose::compose(packages, &overlay, &rules, &base.owners, times)?;
    let base_files = BaseFiles::of(&base);
    if let Some(files) = &base_files {
        plan.adopt_modes(&|path| files.directory_mode(path))?;
    }
    let requires = identity::requires(packages);
    let matching = match inputs.matching {
        Matching::Auto => {
            let (matching, why) = statement::weakest(&requires, &base.os_release);
            report.stage("match", &why);
            matching
        }
        given => given,
    };
    let identity = Identity::new(&inputs.naming, packages, &base, matching, plan.has_units())?;
    plan.findings.extend(check::identity(&identity, packages));
    let shadows = shadow::shadows(&plan.tree, base_files.as_ref(), &mut |id| Ok(id.clone()))?;
    plan.findings.extend(shadow::findings(&shadows));
    plan.findings.extend(selection.findings.iter().cloned());
    plan.findings
        .extend(signer.iter().flat_map(|signer| signer.findings.clone()));
    settle(&mut plan.findings, &inputs.waivers, report)?;
    identity::describe(&mut plan, &identity, inputs.updates.as_ref())?;
    list_changes(&plan, report);

    let result = if inputs.dry_run {
        None
    } else {
        let (stored, findings) = make(
            inputs,
            signer,
            &identity,
            &base,
            &mut selection,
            &plan,
            report,
        )?;
        plan.findings.extend(findings);
        Some(stored)
    };
    if let (Locking::Write(path), Some(lock), false) =
        (&inputs.locking, &selection.lock, inputs.dry_run)
    {
        lock.write(path)?;
        report.stage("lock", &path.display().to_string());
    }
    Ok(built(inputs, &identity, selection, plan, requires, result))
}

/// Packs the plan and adds the image to the store: all or nothing. Returns what was found on the
/// way in the files themselves, too.
fn make(
    inputs: &Inputs,
    signer: Option<&Signer>,
    identity: &Identity,
    base: &Base,
    selection: &mut Selection,
    plan: &Plan,
    report: &Report,
) -> Result<(Stored, Vec<Finding>)> {
    let sources: Vec<_> = (selection.packages.iter().zip(&selection.files))
        .map(|(package, file)| Source { package, file })
        .collect();
    let output = shelf(inputs, identity);
    let _parent = NewDirectory::make(&inputs.output)?;
    let directory = NewDirectory::make(&output)?;
    let store = Store::open(&output).map_err(store_failure)?;
    let temporary = store.temporary().map_err(store_failure)?;

    let bar = report.bar("pack", plan.size);
    let packed = pack::pack(plan, &sources, &inputs.packing, temporary, &mut |bytes| {
        bar.inc(bytes)
    })?;
    bar.finish_and_clear();
    let mut image = packed.output;
    let rewound = |image: &mut store::Temporary| {
        image
            .seek(SeekFrom::Start(0))
            .map_err(|error| Failure::io("reading the image back", error))
    };
    rewound(&mut image)?;
    let (_, digest) =
        sha256(&mut image).map_err(|error| Failure::io("reading the image back", error))?;
    report.stage(
        "pack",
        &format!(
            "{}, {} -> {}  {} in {} blocks, {}",
            counted(plan.files, "file"),
            bytes(plan.size),
            bytes(packed.summary.bytes),
            inputs.packing.compressor,
            bytes(inputs.packing.block_size.into()),
            counted(inputs.packing.workers, "worker"),
        ),
    );
    if inputs.matching == Matching::Auto && identity.fits_any() {
        statement::check_any(&packed.linkage)?;
    }
    let mut findings = check::linkage(
        &packed.linkage,
        &BaseLibraries::of(base, selection.provided.take())?,
    );
    settle(&mut findings, &inputs.waivers, report)?;
    if let Some(directory) = &inputs.tree {
        rewound(&mut image)?;
        unpack::unpack(&mut image, directory)?;
        report.stage("tree", &directory.display().to_string());
    }

    let origins = origins(&sources, &packed.digests);
    let list = Manifest::new(
        identity,
        base,
        &selection.packages,
        &origins,
        &selection.explained,
        identity::requires(&selection.packages),
        selection.relies_on.clone(),
        &packed.linkage,
    )?
    .allowing(plan.findings.iter().chain(&findings))
    .to_gzip()?;
    let (_, list_digest) =
        sha256(&mut list.as_slice()).map_err(|error| Failure::io("hashing the manifest", error))?;
    let mut manifest = store.temporary().map_err(store_failure)?;
    manifest
        .write_all(&list)
        .map_err(|error| Failure::io("writing the manifest", error))?;
    let mut sign = signing::sign_with(signer);
    let publication = Publication {
        name: identity.name.clone(),
        image: (identity.image_file(), image, digest),
        manifest: (identity.manifest_file(), manifest, list_digest),
        replace: inputs.replace,
        allow_older: inputs.allow_older,
    };
    let added = if inputs.obs {
        store.add_for_obs(publication)
    } else {
        let listing = Listing {
            sign: sign.as_mut().map(|sign| sign as _),
            best_before: inputs.best_before,
        };
        store.add(publication, listing)
    }
    .map_err(store_failure)?;
    directory.keep();
    if let Some(signer) = signer {
        signer.publish_key(&store)?;
    }
    let (added, words) = match added {
        Added::New => ("new", "added to"),
        Added::Unchanged => ("unchanged", "the same as before in"),
        Added::Replaced => ("replaced", "replaced in"),
    };
    report.stage(
        "store",
        &format!(
            "{}  {words} {}",
            output.join(identity.image_file()).display(),
            output
                .join(if inputs.obs { "*.sha256" } else { "SHA256SUMS" })
                .display()
        ),
    );
    if let Some(signer) = signer {
        let file = output.join("SHA256SUMS.gpg");
        let print = signer.fingerprint();
        report.stage("sign", &format!("{}  by key {print}", file.display()));
    }
    let stored = Stored {
        sha256: hex(&digest),
        bytes: packed.summary.bytes,
        added,
        signed_by: signer.map(Signer::fingerprint),
    };
    Ok((stored, findings))
}

/// Returns the directory of the image: that of the store, or the extension's own in it.
fn shelf(inputs: &Inputs, identity: &Identity) -> PathBuf {
    match inputs.layout.is_per_name() {
        true => inputs.output.join(&identity.name),
        false => inputs.output.clone(),
    }
}

/// Says where each package came from.
fn origins(sources: &[Source<'_>], digests: &[[u8; 32]]) -> Vec<Origin> {
    let name = |path: &Path| {
        path.file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    };
    (sources.iter().zip(digests))
        .map(|(source, digest)| Origin {
            file: name(source.file),
            sha256: *digest,
        })
        .collect()
}

/// Reports notes and why others were allowed, and stops for what is fatal.
fn settle(findings: &mut [Finding], waivers: &Waivers, report: &Report) -> Result<()> {
    for finding in findings.iter_mut() {
        waivers.give_reason(finding);
    }
    let (fatal, notes): (Vec<_>, Vec<_>) =
        findings.iter().partition(|finding| waivers.stops(finding));
    for finding in notes {
        match &finding.allowed {
            Some(reason) => report.allowed(finding, reason),
            None if waivers.allows(finding) => {}
            None => report.note(finding),
        }
    }
    if fatal.is_empty() {
        return Ok(());
    }
    let lines: Vec<_> = fatal
        .iter()
        .map(|finding| format!("{}: {}", finding.kind.id, finding.text))
        .collect();
    let mut failure = Failure::refused(anyhow!("{}", lines.join("\n")));
    let mut allowable: Vec<_> = fatal
        .iter()
        .filter(|finding| finding.kind.severity != Severity::Always)
        .map(|finding| finding.kind.id)
        .collect();
    allowable.sort_unstable();
    allowable.dedup();
    if !allowable.is_empty() {
        let options: Vec<_> = allowable.iter().map(|id| format!("--allow {id}")).collect();
        failure = failure.hint(format!("to build all the same: {}", options.join(" ")));
    }
    Err(failure)
}

/// With `-v`, lists each path that a rule left out or changed.
fn list_changes(plan: &Plan, report: &Report) {
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

fn listed(packages: &[Package], overlay: Option<&Path>) -> String {
    const SHOWN: usize = 4;
    let mut names: Vec<_> = packages
        .iter()
        .take(SHOWN)
        .map(|package| package.nevra.to_string())
        .collect();
    if packages.len() > SHOWN {
        names.push(format!("{} more", packages.len() - SHOWN));
    }
    names.extend(overlay.map(|path| format!("overlay {}", path.display())));
    names.join(" + ")
}

fn built(
    inputs: &Inputs,
    identity: &Identity,
    selection: Selection,
    plan: Plan,
    requires: Vec<String>,
    result: Option<Stored>,
) -> Built {
    Built {
        name: identity.name.clone(),
        version: identity.version.clone(),
        architecture: identity.architecture.to_string(),
        image: shelf(inputs, identity).join(identity.image_file()),
        manifest: shelf(inputs, identity).join(identity.manifest_file()),
        result,
        extension: identity
            .release
            .iter()
            .map(|(key, value)| ((*key).to_owned(), value.clone().into()))
            .collect(),
        packages: (selection.explained.iter())
            .map(|package| package.nevra.clone())
            .collect(),
        resolution: selection.explained,
        requires,
        relies_on: selection.relies_on,
        files: plan.files,
        content_bytes: plan.size,
        tree: dump(&plan.tree).lines().map(str::to_owned).collect(),
        findings: plan.findings,
        left_out: plan.left_out,
        changed: plan.changed,
    }
}

impl Built {
    /// Returns the plan as text: what the image is called, what it says of itself, its tree.
    pub fn plan_text(&self) -> String {
        let mut text = format!("{}\n", self.image.display());
        for (key, value) in &self.extension {
            text += &format!("  {key}={}\n", value.as_str().unwrap_or_default());
        }
        text += &format!("packages: {}\n", self.packages.join(" "));
        if !self.requires.is_empty() {
            text += "requires of the base:\n";
            for capability in &self.requires {
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

/// A directory that is gone again unless it is kept, where it was not there before.
struct NewDirectory<'a>(Option<&'a Path>);

impl<'a> NewDirectory<'a> {
    fn make(path: &'a Path) -> Result<Self> {
        if path.is_dir() {
            return Ok(Self(None));
        }
        std::fs::create_dir_all(path).map_err(|error| {
            Failure::io(format!("making the directory {}", path.display()), error)
        })?;
        Ok(Self(Some(path)))
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for NewDirectory<'_> {
    fn drop(&mut self) {
        if let Some(path) = self.0 {
            // It is empty, or someone else has put something there, which must stay.
            let _ = std::fs::remove_dir(path);
        }
    }
}
