//! The stages of a build, in their order.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::slice;

use files::Links;
use linkage::Linkage;

use crate::answer::{self, Built, With};
use crate::base::Base;
use crate::base::files::BaseFiles;
use crate::check::closure::BaseLibraries;
use crate::check::set::others::{self, Others};
use crate::findings::Finding;
use crate::inputs::Inputs;
use crate::pack::modules::{self, Modules};
use crate::pack::texts;
use crate::packages::Selection;
use crate::plan::Planned;
use crate::publish::number::{self, Kept, Step};
use crate::publish::signing::{self, Signer};
use crate::publish::{ImageDirectory, Stored};
use crate::report::Report;
use crate::timings::Stage;
use crate::words::failure::{Failure, Result};
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
    let base = report.timed(Stage::Base, || Base::open(&inputs.base))?;
    report.stage("base", &base.title);
    let mut selection = packages::select(&inputs.packages, &base, report)?;
    report.stage("packages", &answer::listed(&selection, &inputs.plan));
    let files = BaseFiles::of(&base);
    let mut planned = report.timed(Stage::Plan, || {
        plan::plan(&inputs.plan, &selection.packages(), &base, files.as_ref())
    })?;
    answer::say_match(&planned, report);
    if let Some(summary) = &planned.scriptlets {
        report.stage("scripts", summary);
    }
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
    report.timed(Stage::Judge, || {
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
        Ok::<_, Failure>(())
    })?;
    planned.evidence.assume(&selection.assumed);
    planned.note(selection.findings.clone());
    planned.note(signer.map_or_else(Vec::new, |signer| signer.findings.clone()));
    let (others, with) =
        others(inputs, &planned, &base, files.as_ref(), &libraries, report)?.unzip();
    if let Some(others) = &others {
        let found = others.on_plan(&planned)?;
        planned.note(found);
    }
    let under = Under {
        base: &base,
        files: files.as_ref(),
        libraries: &libraries,
        others: others.as_ref(),
    };
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
            judge_kept(inputs, &kept, under, &selection, &mut planned, report)?;
            let stored = keep(inputs, &kept, &planned, signer, report)?;
            (Some(stored), Vec::new())
        }
        Step::Build { changes } => {
            answer::say_number(&planned, &changes, report);
            planned.built_from = Some(built_from);
            foresee(inputs, &planned, &base, &selection, report)?;
            answer::list_changes(&planned.plan, report);
            let stored = match inputs.dry_run {
                true => None,
                false => Some(make(
                    inputs,
                    signer,
                    under,
                    &mut selection,
                    &mut planned,
                    report,
                )?),
            };
            (stored, changes)
        }
    };
    selection.keep_lock(&inputs.packages, report)?;
    Ok(Built::new(
        inputs, selection, planned, with, stored, changes,
    ))
}

/// Looks up what the files of an image need that is there already: the base may be another than when
/// it was built.
fn judge_kept(
    inputs: &Inputs,
    kept: &Kept,
    under: Under<'_>,
    selection: &Selection,
    planned: &mut Planned,
    report: &Report,
) -> Result<()> {
    let mut image = files::open(&kept.path, Links::Refuse)?;
    let contents = Contents {
        linkage: &kept.linkage,
        modules: &modules::read(&planned.plan.tree, &mut image)?,
        texts: &texts::read(&planned.plan.tree, &mut image)?,
        findings: &kept.findings,
    };
    let mut found = report.timed(Stage::Judge, || {
        under.judge(planned, selection, &contents, &mut image)
    })?;
    report.findings(&mut found, &inputs.waivers)?;
    planned.note(found);
    if let Some(directory) = &inputs.tree {
        pack::unpack(&mut image, directory, report)?;
    }
    Ok(())
}

/// Leaves an image as it is that is there already.
fn keep(
    inputs: &Inputs,
    kept: &Kept,
    planned: &Planned,
    signer: Option<&Signer>,
    report: &Report,
) -> Result<Stored> {
    let destination = &inputs.destination;
    if inputs.dry_run {
        foresee_signature(inputs, planned)?;
        publish::foreseen::keep(destination, &planned.identity)?;
        publish::say_kept(kept, report);
        return Ok(Stored::kept(kept, None));
    }
    publish::keep(destination, &planned.identity, kept, signer, report)
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
    foresee_signature(inputs, planned)?;
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

/// Fails in a dry run, which opens no key to sign with, for what the signature would: a signed store
/// and no key, or a list that somebody else has changed. A key that wants a passphrase is not opened
/// for that.
fn foresee_signature(inputs: &Inputs, planned: &Planned) -> Result<()> {
    if inputs.dry_run {
        let settings = &inputs.signing;
        let signer = Signer::open_unasked(settings)?;
        if signer.is_some() || settings.key.is_none() {
            let directory = inputs.destination.directory_of(&planned.identity.name);
            signing::extends(settings, signer.as_ref(), &directory)?;
        }
    }
    Ok(())
}

/// Opens the images that clients may merge with this one, and says which, and what of them is not
/// judged.
fn others(
    inputs: &Inputs,
    planned: &Planned,
    base: &Base,
    files: Option<&BaseFiles<'_>>,
    libraries: &BaseLibraries,
    report: &Report,
) -> Result<Option<(Others, With)>> {
    if inputs.with.is_empty() {
        return Ok(None);
    }
    // The first image of a store goes with none that is there.
    let output = &inputs.destination.output;
    let is_to_come =
        |path: &&PathBuf| !path.is_file() && !store::has_list(path) && is_one_place(path, output);
    let with = inputs.with.iter().filter(|path| !is_to_come(path));
    let with: Vec<_> = with.cloned().collect();
    let others = Others::open(&with, &planned.identity, base, files)?;
    let images = others.names();
    let unknown = match (libraries.are_known(), inputs.dry_run) {
        (false, _) => "; what programs load is not judged: the base's libraries are not known",
        (true, true) => "; what programs load is judged once the image is packed",
        (true, false) => "",
    };
    match images.is_empty() {
        true => report.stage("with", "no other image is merged with this one"),
        false => report.stage("with", &format!("{}{unknown}", images.join(", "))),
    }
    let loads = unknown.is_empty();
    Ok(Some((others, With { images, loads })))
}

/// Says whether two paths of something that is not there yet are the same.
fn is_one_place(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| {
        let above = path.parent().filter(|above| !above.as_os_str().is_empty());
        let above = above.unwrap_or(Path::new(".")).canonicalize().ok()?;
        Some(above.join(path.file_name()?))
    };
    place(one).is_some_and(|one| place(other) == Some(one))
}

/// What an image is merged with.
#[derive(Clone, Copy)]
struct Under<'a> {
    base: &'a Base,
    files: Option<&'a BaseFiles<'a>>,
    libraries: &'a BaseLibraries,
    others: Option<&'a Others>,
}

/// What was read of the files of a finished image, whether it was made now or is there already.
struct Contents<'a> {
    linkage: &'a Linkage,
    modules: &'a Modules,
    texts: &'a BTreeMap<String, String>,
    /// What packing found.
    findings: &'a [Finding],
}

impl Under<'_> {
    /// Judges the files of a finished image.
    fn judge(
        self,
        planned: &mut Planned,
        selection: &Selection,
        contents: &Contents<'_>,
        image: &mut (impl io::Read + io::Seek),
    ) -> Result<Vec<Finding>> {
        let mut found = check::files(planned, contents.linkage, self.libraries)?;
        let plan = &planned.plan;
        found.extend(check::of_modules(&plan.tree, contents.modules));
        found.extend_from_slice(contents.findings);
        let texts = contents.texts;
        found.extend(check::startable(plan, texts, contents.linkage, self.base));
        found.extend(check::references::units(
            texts,
            plan,
            &selection.packages(),
            &self.base.owners,
        ));
        found.extend(self.together(planned, contents.linkage, image)?);
        Ok(found)
    }

    /// Says what a finished image brings to the others that clients may merge with it.
    fn together(
        self,
        planned: &Planned,
        linkage: &Linkage,
        image: &mut (impl io::Read + io::Seek),
    ) -> Result<Vec<Finding>> {
        let Some(others) = self.others else {
            return Ok(Vec::new());
        };
        let names = pack::names(image, &planned.plan.tree)?;
        let packed = others::Packed {
            linkage,
            names: &names,
            libraries: self.libraries,
            files: self.files,
        };
        others.on_packed(planned, &packed)
    }
}

/// Packs what was planned and adds the image to the store: all or nothing. What is found on the way
/// in the files themselves is noted.
fn make(
    inputs: &Inputs,
    signer: Option<&Signer>,
    under: Under<'_>,
    selection: &mut Selection,
    planned: &mut Planned,
    report: &Report,
) -> Result<Stored> {
    let directory = ImageDirectory::open(&inputs.destination, &planned.identity.name)?;
    let output = directory.temporary()?;
    let chosen = &mut selection.chosen;
    let mut packed = pack::image(&mut planned.plan, chosen, &inputs.packing, output, report)?;
    let contents = Contents {
        linkage: &packed.linkage,
        modules: &packed.modules,
        texts: &packed.texts,
        findings: &packed.findings,
    };
    let mut found = report.timed(Stage::Judge, || {
        under.judge(planned, selection, &contents, &mut packed.output)
    })?;
    report.findings(&mut found, &inputs.waivers)?;
    planned.note(found);
    if let Some(directory) = &inputs.tree {
        pack::unpack(&mut packed.output, directory, report)?;
    }
    let identity = &planned.identity;
    let manifest = publish::manifest::of(planned, under.base, selection, &mut packed);
    report.timed(Stage::Publish, || {
        let image = packed.output;
        publish::publish(directory, identity, image, &manifest, signer, report)
    })
}
