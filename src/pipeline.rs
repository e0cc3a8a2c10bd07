//! The stages of a build, in their order.

use std::io::{Seek as _, SeekFrom};

use crate::answer::{self, Built};
use crate::base::Base;
use crate::base::files::BaseFiles;
use crate::check::closure::BaseLibraries;
use crate::check::{self, shadow};
use crate::findings::Finding;
use crate::inputs::Inputs;
use crate::pack::unpack;
use crate::pack::{self, Source};
use crate::packages::lock::Locking;
use crate::packages::{Selection, select};
use crate::plan::compose::{self, Plan, Times};
use crate::plan::identity::{self, Identity};
use crate::plan::matching::Matching;
use crate::plan::overlay;
use crate::publish::signing::{self, Signer};
use crate::publish::{self, ImageDirectory, Stored};
use crate::report::Report;
use crate::words::failure::{Failure, Result};
use crate::words::quantity::{bytes, counted};

/// Opens what signs the list, if anything does: once for all images of a run, since it may ask for a
/// passphrase.
pub fn signer(inputs: &Inputs) -> Result<Option<Signer>> {
    match inputs.dry_run {
        true => Ok(None),
        false => signing::open(
            inputs.key.as_ref(),
            inputs.now,
            std::slice::from_ref(&inputs.destination.output),
        ),
    }
}

/// Builds an image and adds it to its store; with `--dry-run`, plans it.
pub fn build(inputs: &Inputs, signer: Option<&Signer>, report: &Report) -> Result<Built> {
    let base = Base::open(&inputs.base)?;
    report.stage("base", &base.title);
    let mut selection = select(&inputs.packages, &base, report)?;
    let packages = &selection.packages();
    report.stage(
        "packages",
        &answer::listed(packages, inputs.overlay.as_deref()),
    );
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
    let (matching, why) = inputs.matching.decided(&requires, &base.os_release);
    if let Some(why) = why {
        report.stage("match", &why);
    }
    let identity = Identity::new(&inputs.naming, packages, &base, matching, plan.has_units())?;
    plan.findings.extend(check::identity(&identity, packages));
    let shadows = shadow::shadows(&plan.tree, base_files.as_ref(), &mut |id| Ok(id.clone()))?;
    plan.findings.extend(shadow::findings(&shadows));
    plan.findings.extend(selection.findings.iter().cloned());
    plan.findings
        .extend(signer.iter().flat_map(|signer| signer.findings.clone()));
    report.findings(&mut plan.findings, &inputs.waivers)?;
    identity::describe(&mut plan, &identity, inputs.updates.as_ref())?;
    answer::list_changes(&plan, report);

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
        (&inputs.packages.locking, &selection.lock, inputs.dry_run)
    {
        lock.write(path)?;
        report.stage("lock", &path.display().to_string());
    }
    Ok(Built::new(
        inputs, &identity, selection, plan, requires, result,
    ))
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
    let sources: Vec<_> = (selection.chosen.iter())
        .map(|one| Source {
            package: &one.package,
            file: &one.file,
        })
        .collect();
    let directory = ImageDirectory::open(&inputs.destination, &identity.name)?;
    let temporary = directory.temporary()?;

    let bar = report.bar("pack", plan.size);
    let mut packed = pack::pack(plan, &sources, &inputs.packing, temporary, &mut |bytes| {
        bar.inc(bytes)
    })?;
    bar.finish_and_clear();
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
        check::needs_nothing(&packed.linkage)?;
    }
    let mut findings = check::linkage(
        &packed.linkage,
        &BaseLibraries::of(base, selection.provided.take())?,
    );
    report.findings(&mut findings, &inputs.waivers)?;
    if let Some(directory) = &inputs.tree {
        let image = &mut packed.output;
        image
            .seek(SeekFrom::Start(0))
            .map_err(|error| Failure::io("reading the image back", error))?;
        unpack::unpack(image, directory)?;
        report.stage("tree", &directory.display().to_string());
    }

    let known = plan.findings.iter().chain(&findings);
    let manifest = publish::manifest::of(identity, base, selection, &packed, known);
    let stored = publish::publish(
        directory,
        identity,
        packed.output,
        &manifest,
        signer,
        report,
    )?;
    Ok((stored, findings))
}
