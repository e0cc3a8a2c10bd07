//! The stages of a build, in their order.

use std::slice;

use files::Links;

use crate::answer::{self, Built};
use crate::base::Base;
use crate::base::files::BaseFiles;
use crate::check::closure::BaseLibraries;
use crate::inputs::Inputs;
use crate::pack::texts;
use crate::packages::Selection;
use crate::plan::Planned;
use crate::publish::number::{self, Kept, Step};
use crate::publish::signing::{self, Signer};
use crate::publish::{ImageDirectory, Stored};
use crate::report::Report;
use crate::words::failure::Result;
use crate::{check, pack, packages, plan, publish};

/// Opens what signs the list, if anything does: once for all images of a run, since it may ask for a
/// passphrase.
pub fn signer(inputs: &Inputs) -> Result<Option<Signer>> {
    match inputs.dry_run {
        true => Ok(None),
        false => {
            signing::open_to_extend(&inputs.signing, slice::from_ref(&inputs.destination.output))
        }
    }
}

/// Builds an image and adds it to its store; with `--dry-run`, plans it.
pub fn build(inputs: &Inputs, signer: Option<&Signer>, report: &Report) -> Result<Built> {
    let base = Base::open(&inputs.base)?;
    report.stage("base", &base.title);
    let mut selection = packages::select(&inputs.packages, &base, report)?;
    report.stage("packages", &answer::listed(&selection, &inputs.plan));
    let files = BaseFiles::of(&base);
    let mut planned = plan::plan(&inputs.plan, &selection.packages(), &base, files.as_ref())?;
    answer::say_match(&planned, report);
    let built_from = publish::built_from::of(
        &planned,
        &inputs.plan,
        base.merged_sbin,
        &inputs.packing,
        &selection,
    );
    let destination = &inputs.destination;
    let numbering = &inputs.plan.naming.numbering;
    let step = number::decide(
        destination,
        numbering,
        &mut planned,
        &selection,
        &built_from,
    )?;
    let libraries = BaseLibraries::of(&base, selection.provided.take())?;
    let found = check::plan(&planned, &selection.packages(), &base, files.as_ref())?;
    planned.note(found);
    let found = check::needs(
        &mut planned,
        &base,
        files.as_ref(),
        &libraries,
        selection.looked_up,
    );
    planned.note(found);
    planned.evidence.assume(&selection.assumed);
    planned.note(selection.findings.clone());
    planned.note(signer.map_or_else(Vec::new, |signer| signer.findings.clone()));
    planned.note(
        publish::offered::findings(destination, &planned.identity)
            .into_iter()
            .collect(),
    );
    if destination.layout.is_per_name() && !inputs.dry_run {
        let directory = destination.directory_of(&planned.identity.name);
        let found = signing::extends(&inputs.signing, signer, &directory)?;
        planned.note(found.into_iter().collect());
    }
    report.findings(planned.findings(), &inputs.waivers)?;
    planned.describe(&inputs.plan)?;
    let (stored, changes) = match step {
        Step::Keep(kept) => {
            let known = (&base, &libraries);
            let stored = keep(inputs, &kept, known, &selection, &mut planned, report)?;
            (Some(stored), Vec::new())
        }
        Step::Build { changes } => {
            answer::say_number(&planned, &changes, report);
            planned.built_from = Some(built_from);
            foresee(inputs, &planned, &base, &selection, report)?;
            answer::list_changes(&planned.plan, report);
            let known = (&base, &libraries);
            let stored = match inputs.dry_run {
                true => None,
                false => Some(make(
                    inputs,
                    signer,
                    known,
                    &mut selection,
                    &mut planned,
                    report,
                )?),
            };
            (stored, changes)
        }
    };
    selection.keep_lock(&inputs.packages, report)?;
    Ok(Built::new(inputs, selection, planned, stored, changes))
}

/// Leaves the store as it is, since the image is there. What its files need is looked up all the
/// same: the base may be another.
fn keep(
    inputs: &Inputs,
    kept: &Kept,
    (base, libraries): (&Base, &BaseLibraries),
    selection: &Selection,
    planned: &mut Planned,
    report: &Report,
) -> Result<Stored> {
    let mut image = files::open(&kept.path, Links::Refuse)?;
    let mut found = check::needs_of_files(planned, &kept.linkage, libraries)?;
    let texts = texts::read(&planned.plan.tree, &mut image)?;
    found.extend(check::startable(&planned.plan, &texts, &kept.linkage, base));
    found.extend(check::references::units(
        &texts,
        &planned.plan,
        &selection.packages(),
        &base.owners,
    ));
    report.findings(&mut found, &inputs.waivers)?;
    planned.note(found);
    if let Some(directory) = &inputs.tree {
        pack::unpack(&mut image, directory, report)?;
    }
    Ok(publish::keep(kept, report))
}

/// Fails for what the end of the run is known to fail for: the store's own refusal, and an answer
/// that can't be written.
fn foresee(
    inputs: &Inputs,
    planned: &Planned,
    base: &Base,
    selection: &Selection,
    report: &Report,
) -> Result<()> {
    let destination = &inputs.destination;
    if inputs.dry_run && inputs.signing.key.is_none() {
        let directory = destination.directory_of(&planned.identity.name);
        signing::extends(&inputs.signing, None, &directory)?;
    }
    let manifest = publish::manifest::of_plan(planned, base, selection, &[]);
    let taken = publish::foreseen::check(destination, &planned.identity, manifest)?;
    if inputs.dry_run && !destination.replace {
        for path in taken {
            let text = format!(
                "{}  is there: a build that makes the same changes nothing, any other needs --replace",
                path.display()
            );
            report.stage("store", &text);
        }
    }
    match report.is_json() {
        true => report.check_output(),
        false => Ok(()),
    }
}

/// Packs what was planned and adds the image to the store: all or nothing. What is found on the way
/// in the files themselves is noted.
fn make(
    inputs: &Inputs,
    signer: Option<&Signer>,
    (base, libraries): (&Base, &BaseLibraries),
    selection: &mut Selection,
    planned: &mut Planned,
    report: &Report,
) -> Result<Stored> {
    let directory = ImageDirectory::open(&inputs.destination, &planned.identity.name)?;
    let output = directory.temporary()?;
    let chosen = &mut selection.chosen;
    let mut packed = pack::image(&mut planned.plan, chosen, &inputs.packing, output, report)?;
    let mut found = check::files(planned, &packed, libraries)?;
    found.append(&mut packed.findings);
    found.extend(check::startable(
        &planned.plan,
        &packed.texts,
        &packed.linkage,
        base,
    ));
    found.extend(check::references::units(
        &packed.texts,
        &planned.plan,
        &selection.packages(),
        &base.owners,
    ));
    report.findings(&mut found, &inputs.waivers)?;
    planned.note(found);
    if let Some(directory) = &inputs.tree {
        pack::unpack(&mut packed.output, directory, report)?;
    }
    let identity = &planned.identity;
    let manifest = publish::manifest::of(planned, base, selection, &mut packed);
    publish::publish(
        directory,
        identity,
        packed.output,
        &manifest,
        signer,
        report,
    )
}
