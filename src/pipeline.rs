//! The stages of a build, in their order.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::slice;
use std::sync::{Mutex, MutexGuard};

use anyhow::anyhow;
use files::Links;
use image::Section;
use linkage::Linkage;
use manifest::{Build, Manifest};
use rpm_input::Package;
use sha2::{Digest as _, Sha256};

use crate::answer::{self, Built, With};
use crate::base::files::BaseFiles;
use crate::base::{Base, BaseSource};
use crate::check::closure::BaseLibraries;
use crate::check::set::others::{self, Others};
use crate::findings::{Finding, kinds};
use crate::inputs::Inputs;
use crate::inspected;
use crate::once::Once;
use crate::pack::modules::{self, Modules};
use crate::pack::{Hands, Late, Packages, Packed, ReadBack, texts};
use crate::packages::Selection;
use crate::packages::repository::Opened;
use crate::parallel::locked;
use crate::plan::{Planned, compose};
use crate::publish::disk::Prover;
use crate::publish::number::{self, Kept, Step};
use crate::publish::provenance::Attester;
use crate::publish::signing::{self, Signer};
use crate::publish::{ImageDirectory, Made, NewDirectory, Stored};
use crate::report::Report;
use crate::timings::Stage;
use crate::trial::test::{self, Tested};
use crate::turns::{Claim, Turn};
use crate::words::failure::{Failure, Result};
use crate::words::quantity::counted;
use crate::{check, pack, packages, plan, publish};

/// Opens what signs the list and what proves images, if anything does: once for all images of a run,
/// since it may ask for a passphrase.
pub fn signers(inputs: &Inputs) -> Result<Signers> {
    if inputs.dry_run {
        return Ok(Signers::default());
    }
    let output = slice::from_ref(&inputs.destination.output);
    let signer = signing::open_to_extend(&inputs.signing, output)?;
    let prover = inputs.asked_proof.as_ref().map(Prover::open).transpose()?;
    let attester = (inputs.provenance.as_ref())
        .map(Attester::open)
        .transpose()?;
    Ok(Signers {
        signer,
        prover,
        attester,
    })
}

/// What signs, of a run.
#[derive(Default)]
pub struct Signers {
    /// What signs the list, if anything does.
    signer: Option<Signer>,
    /// What proves disk images, if any are made.
    prover: Option<Prover>,
    /// What signs statements about how images were built, if any are made.
    attester: Option<Attester>,
}

/// What the images of a run have in common.
pub struct Run {
    /// What signs the list, if anything does. It is held during a change of the store.
    signer: Mutex<Option<Signer>>,
    bases: Once<BaseSource, Base>,
    repositories: Opened,
    hands: Hands,
    /// What proves disk images, if any are made.
    prover: Option<Prover>,
    /// What signs statements, if any are made.
    attester: Option<Attester>,
    /// Held while a store is looked into or changed, so that no image sees half a change of another.
    store: Mutex<()>,
    /// The directory of the store. If it was made for an image, it stays for the others.
    directory: Mutex<Option<NewDirectory>>,
}

impl Run {
    /// Begins a run of images that these threads pack.
    pub fn new(signers: Signers, hands: Hands) -> Self {
        Self {
            signer: Mutex::new(signers.signer),
            prover: signers.prover,
            attester: signers.attester,
            bases: Once::default(),
            repositories: Opened::default(),
            hands,
            store: Mutex::default(),
            directory: Mutex::default(),
        }
    }

    /// Makes the directory of the store, which is gone again at the end of the run if it is empty.
    fn make_directory(&self, path: &Path) -> Result<()> {
        let mut made = locked(&self.directory);
        if made.is_none() {
            *made = Some(NewDirectory::make(path)?);
        }
        Ok(())
    }
}

/// An image of a run that is being made.
#[derive(Clone, Copy)]
struct Making<'a> {
    inputs: &'a Inputs,
    run: &'a Run,
    turn: &'a Turn<'a>,
}

/// Builds an image and adds it to its store; with `--dry-run`, plans it.
pub fn build(inputs: &Inputs, run: &Run, turn: &Turn<'_>) -> Result<Built> {
    let making = Making { inputs, run, turn };
    making.build()
}

impl<'a> Making<'a> {
    fn report(self) -> &'a Report {
        self.turn.report()
    }

    fn signer(self) -> MutexGuard<'a, Option<Signer>> {
        locked(&self.run.signer)
    }

    fn build(self) -> Result<Built> {
        let Self { inputs, run, turn } = self;
        let report = self.report();
        let open = || report.timed(Stage::Base, || Base::open(&inputs.base));
        let base = &*run.bases.get(inputs.base.clone(), open)?;
        report.stage("base", &base.title);
        let mut selection = packages::select(&inputs.packages, base, &run.repositories, report)?;
        report.stage("packages", &answer::listed(&selection, &inputs.plan));
        let files = BaseFiles::of(base);
        let mut planned = report.timed(Stage::Plan, || {
            plan::plan(&inputs.plan, &selection.packages(), base, files.as_ref())
        })?;
        answer::say_match(&planned, report);
        answer::say_alive(&planned, report);
        turn.claim(&self.claim(&planned, &selection));
        let built_from = publish::built_from::of(
            &planned,
            &inputs.plan,
            base.merged_sbin,
            (&inputs.packing, inputs.proving.as_ref()),
            &selection,
        );
        let store = locked(&run.store);
        let (destination, numbering) = (&inputs.destination, &inputs.plan.naming.numbering);
        let step = number::decide(
            destination,
            numbering,
            &mut planned,
            &selection,
            &built_from,
        )?;
        drop(store);
        let libraries = BaseLibraries::of(base, selection.provided.take())?;
        let mut under = Under {
            base,
            files: files.as_ref(),
            libraries: &libraries,
            others: None,
        };
        let (others, with) = self.judge_plan(&mut planned, &selection, under)?.unzip();
        under.others = others.as_ref();
        // What --strict alone stops is said together with what is found in the files.
        let waits = !inputs.dry_run && inputs.waivers.stop_by_strictness(planned.findings());
        let mut said = 0;
        if !waits {
            report.findings(planned.findings(), &inputs.waivers)?;
            said = planned.findings().len();
        }
        if inputs.proving.is_some() {
            publish::disk::check_architecture(planned.identity.architecture)?;
        }
        planned.describe(&inputs.plan)?;
        let (stored, changes) = match step {
            Step::Keep(kept) => {
                // A header alone does not show that a package is the one that the metadata list.
                if !inputs.dry_run && selection.lists_others(&kept.packages) {
                    selection.complete(&|_| true, &inputs.packages, report)?;
                }
                self.judge_kept(&kept, under, &selection, &mut planned, said)?;
                (Some(self.keep(&kept, &planned)?), Vec::new())
            }
            Step::Build { changes } => {
                answer::say_number(&planned, &changes, report);
                planned.built_from = Some(built_from);
                self.foresee(&planned, base, &selection)?;
                answer::list_changes(&planned.plan, report);
                let stored = match inputs.dry_run {
                    true => None,
                    false => Some(self.make(under, &mut selection, &mut planned, said)?),
                };
                (stored, changes)
            }
        };
        selection.keep_lock(&inputs.packages, report)?;
        Ok(Built::new(
            inputs, selection, planned, with, stored, changes,
        ))
    }

    /// Says what the image has to do with others of the run.
    fn claim(self, planned: &Planned, selection: &Selection) -> Claim {
        let inputs = self.inputs;
        // What one has compressed is there for the next.
        let shares = inputs.packing.kept.is_some() && !inputs.dry_run;
        Claim {
            name: planned.identity.name.clone(),
            contents: match shares {
                true => contents(planned, selection, inputs.packing.block_size),
                false => BTreeSet::new(),
            },
            looks_at_all: !inputs.with.is_empty(),
        }
    }

    /// Notes what there is to find in a plan and in its place in the store; returns the images that
    /// clients may merge with this one.
    fn judge_plan(
        self,
        planned: &mut Planned,
        selection: &Selection,
        under: Under<'_>,
    ) -> Result<Option<(Others, With)>> {
        let Under {
            base,
            files,
            libraries,
            ..
        } = under;
        let (inputs, report) = (self.inputs, self.report());
        let destination = &inputs.destination;
        report.timed(Stage::Judge, || {
            let found = check::plan(planned, &selection.packages(), base, files)?;
            planned.note(found);
            let found = check::needs(planned, base, files, libraries, selection.looked_up);
            planned.note(found);
            Ok::<_, Failure>(())
        })?;
        planned.evidence.assume(&selection.assumed);
        planned.note(selection.findings.clone());
        let of_key = (self.signer().as_ref()).map(|signer| signer.findings.clone());
        planned.note(of_key.unwrap_or_default());
        let of_key = self
            .run
            .prover
            .as_ref()
            .filter(|_| inputs.proving.is_some());
        planned.note(Vec::from_iter(of_key.and_then(Prover::finding).cloned()));
        let others = others(inputs, planned, under, report)?;
        if let Some((others, _)) = &others {
            let found = others.on_plan(planned)?;
            planned.note(found);
        }
        let _store = locked(&self.run.store);
        let offered = publish::offered::findings(destination, &planned.identity);
        planned.note(offered.into_iter().collect());
        if destination.layout.is_per_name() && !inputs.dry_run {
            let directory = destination.directory_of(&planned.identity.name);
            let signer = self.signer();
            let found = signing::extends(&inputs.signing, signer.as_ref(), &directory)?;
            planned.note(found.into_iter().collect());
        }
        Ok(others)
    }

    /// Looks up what the files of an image need that is there already: the base may be another than
    /// when it was built. So many findings of the plan were `said`.
    fn judge_kept(
        self,
        kept: &Kept,
        under: Under<'_>,
        selection: &Selection,
        planned: &mut Planned,
        said: usize,
    ) -> Result<()> {
        let mut image = opened_again(files::open(&kept.path, Links::Refuse)?)?;
        let mut read_back = ReadBack::new(&mut image);
        let contents = Contents {
            linkage: &kept.linkage,
            modules: &modules::read(&planned.plan.tree, &mut read_back)?,
            texts: &texts::read(&planned.plan.tree, &mut read_back)?,
            findings: &kept.findings,
        };
        let companion = (planned.companion.as_ref())
            .map(|companion| {
                kept.path
                    .with_file_name(companion.image.identity.image_file())
            })
            .map(|path| files::open(path, Links::Refuse))
            .transpose()?;
        let images = (&mut image, companion.as_ref().map(AsFd::as_fd));
        self.judge_files((planned, said), selection, &contents, under, images)?;
        if let Some(directory) = &self.inputs.tree {
            pack::unpack(&mut image, directory, companion_of(planned), self.report())?;
        }
        Ok(())
    }

    /// Judges the files of a finished image, and stops for what is fatal of all that was not said yet.
    fn judge_files(
        self,
        (planned, said): (&mut Planned, usize),
        selection: &Selection,
        contents: &Contents<'_>,
        under: Under<'_>,
        (image, companion): (
            &mut (impl io::Read + io::Seek + AsFd),
            Option<BorrowedFd<'_>>,
        ),
    ) -> Result<()> {
        let report = self.report();
        let found = report.timed(Stage::Judge, || {
            under.judge(planned, selection, contents, image)
        })?;
        planned.note(found);
        let found = self.test(planned, under.base, (image.as_fd(), companion))?;
        planned.note(found);
        let unsaid = planned.findings().get_mut(said..).unwrap_or_default();
        report.findings(unsaid, &self.inputs.waivers)
    }

    /// Tries out what the recipe says that has to hold, if that is asked.
    fn test(
        self,
        planned: &Planned,
        base: &Base,
        (image, companion): (BorrowedFd<'_>, Option<BorrowedFd<'_>>),
    ) -> Result<Vec<Finding>> {
        let Some(tests) = &self.inputs.tests else {
            return Ok(Vec::new());
        };
        let report = self.report();
        if tests.is_empty() {
            report.stage("test", "the recipe has no [[test]], so nothing is tried");
            return Ok(Vec::new());
        }
        let Some(root) = base.files_root() else {
            let failure = Failure::usage("--test: nothing can run on a base without files");
            return Err(failure.hint("name its root directory: --base ROOT"));
        };
        let tested = Tested {
            image,
            companion,
            name: &planned.identity.name,
            base: root,
            os_release: self.inputs.base.os_release.as_deref(),
        };
        let failures = report.timed(Stage::Judge, || test::failures(tests, tested))?;
        let all = counted(tests.len(), "test");
        report.stage(
            "test",
            &format!("{all} of the recipe, {} failed", failures.len()),
        );
        let found = failures.into_iter();
        Ok(found
            .map(|failure| Finding::new(&kinds::TEST_FAILED, failure))
            .collect())
    }

    /// Leaves an image as it is that is there already.
    fn keep(self, kept: &Kept, planned: &Planned) -> Result<Stored> {
        let destination = &self.inputs.destination;
        let report = self.report();
        if self.inputs.dry_run {
            let _store = locked(&self.run.store);
            foresee_signature(self.inputs, planned)?;
            publish::foreseen::keep(destination, &planned.identity)?;
            publish::say_kept(kept, report);
            return Ok(Stored::kept(kept, None));
        }
        self.turn.come_first();
        let _store = locked(&self.run.store);
        let signer = self.signer();
        let identity = &planned.identity;
        let signers = (signer.as_ref(), self.run.attester.as_ref());
        publish::keep(destination, identity, kept, signers, report)
    }

    /// Fails for what the end of the run is known to fail for: the store's own refusal, and an answer
    /// that can't be written.
    fn foresee(self, planned: &Planned, base: &Base, selection: &Selection) -> Result<()> {
        let (inputs, report) = (self.inputs, self.report());
        let destination = &inputs.destination;
        let manifest = publish::manifest::of_plan(planned, base, selection, &[])?;
        let mut coming = vec![(&planned.identity, manifest)];
        if let Some(companion) = &planned.companion {
            let manifest = publish::manifest::of_companion(companion, base, selection, &[])?;
            coming.push((&companion.image.identity, manifest));
        }
        let store = locked(&self.run.store);
        foresee_signature(inputs, planned)?;
        let taken = publish::foreseen::check(destination, coming)?;
        drop(store);
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

    /// Packs what was planned: into a bare file system, or into a disk around it.
    fn pack(
        self,
        planned: &mut Planned,
        packages: Packages<'_>,
        directory: &ImageDirectory<'_>,
    ) -> Result<Packed> {
        let (inputs, report, hands) = (self.inputs, self.report(), &self.run.hands);
        if inputs.proving.is_none() {
            let output = (directory.temporary()?, None, hands);
            return pack::image(planned, packages, &inputs.packing, output, report);
        }
        let Some(prover) = &self.run.prover else {
            return Err(Failure::usage("--format ddi: nothing says what proves it"));
        };
        let prove = |root| prover.prove(root);
        let architecture = planned.identity.architecture;
        let around = publish::disk::around(architecture, planned.built_from.as_ref(), &prove)?;
        let hashes = directory.temporary()?;
        let output = (directory.temporary()?, Some((&around, hashes)), hands);
        let packed = pack::image(planned, packages, &inputs.packing, output, report)?;
        let root = packed.root.as_ref().map(verity::signed_text);
        let root = root.unwrap_or_default();
        report.stage("verity", &format!("root hash {root}, {}", prover.words()));
        Ok(packed)
    }

    /// Packs what was planned and adds the image to the store: all or nothing. What is found on the
    /// way in the files themselves is noted. So many findings of the plan were `said`.
    fn make(
        self,
        under: Under<'_>,
        selection: &mut Selection,
        planned: &mut Planned,
        said: usize,
    ) -> Result<Stored> {
        let (inputs, report) = (self.inputs, self.report());
        let needed = pack::needed(&planned.plan, &selection.chosen, &inputs.packing)?;
        // What is in the companion is compressed for it alone.
        let has_companion = planned.companion.is_some();
        let is_needed = |number: usize| has_companion || needed[number];
        selection.complete(&is_needed, &inputs.packages, report)?;
        self.run.make_directory(&inputs.destination.output)?;
        let directory = ImageDirectory::open(&inputs.destination, &planned.identity.name)?;
        self.turn.pack();
        let companion = self.pack_companion(planned, under.base, selection, &directory)?;
        let (chosen, rest) = selection.split();
        // What is in the cache after all not whole comes from the package.
        let late = |one: (usize, &Package)| match rest {
            Some(rest) => rest.fetch_one(one, &inputs.packages, report),
            None => Err(Failure::refused(anyhow!("{} is not here", one.1.nevra))),
        };
        let packages = Packages::Last(chosen, &late as &Late<'_>);
        let mut packed = self.pack(planned, packages, &directory)?;
        self.turn.packed();
        let contents = Contents {
            linkage: &packed.linkage,
            modules: &packed.modules,
            texts: &packed.texts,
            findings: &packed.findings,
        };
        let image = &mut opened_again(&mut packed.output)?;
        let of_companion = companion.as_ref().map(|made| made.image.as_fd());
        let images = (&mut *image, of_companion);
        self.judge_files((planned, said), selection, &contents, under, images)?;
        if let Some(directory) = &inputs.tree {
            pack::unpack(image, directory, companion_of(planned), report)?;
        }
        let prover = self.run.prover.as_ref();
        let manifest = publish::manifest::of(planned, under.base, selection, &mut packed, prover)?;
        let order = selection.chosen.iter();
        let order = order.map(|one| one.package.nevra.to_string());
        let build = Build {
            packages: order.collect(),
            ..inputs.build.clone()
        };
        let manifest = Manifest {
            build: Some(build),
            ..manifest
        };
        let mut made = vec![Made {
            identity: planned.identity.clone(),
            image: packed.output,
            written: packed.written,
            manifest,
        }];
        made.extend(companion);
        self.turn.come_first();
        let _store = locked(&self.run.store);
        let signer = self.signer();
        report.timed(Stage::Publish, || {
            let signer = signer.as_ref();
            let attester = self.run.attester.as_ref();
            publish::publish(directory, made, (signer, attester), report)
        })
    }

    /// Packs the companion of an image, if it has one. Both have their files open until both are whole.
    fn pack_companion(
        self,
        planned: &mut Planned,
        base: &Base,
        selection: &Selection,
        directory: &ImageDirectory<'_>,
    ) -> Result<Option<Made>> {
        let Some(companion) = &mut planned.companion else {
            return Ok(None);
        };
        let numbers = companion.packages.iter();
        let own = numbers.filter_map(|number| selection.chosen.get(*number));
        let packages = Packages::Shared(own.collect());
        let image = &mut companion.image;
        image.built_from = Some(publish::built_from::of_companion(image));
        let packed = self.pack(image, packages, directory)?;
        let (companion, prover) = (&*companion, self.run.prover.as_ref());
        let image = &companion.image;
        let manifest = Manifest {
            image: Some(publish::manifest::file_of(image, &packed, prover)),
            ..publish::manifest::of_companion(companion, base, selection, &packed.digests)?
        };
        Ok(Some(Made {
            identity: image.identity.clone(),
            image: packed.output,
            written: packed.written,
            manifest,
        }))
    }
}

/// Returns the name of the companion of an image.
fn companion_of(planned: &Planned) -> Option<&str> {
    let companion = planned.companion.as_ref()?;
    Some(&companion.image.identity.name)
}

/// Returns the file system of an image that was written.
fn opened_again<R: io::Read + io::Seek>(image: R) -> Result<Section<R>> {
    let failed = |error| Failure::io("reading the image back", error);
    inspected::file_system(image).map_err(failed)
}

/// Returns what an image may have in common with others, by which one has compressed it and the other
/// takes it: its packages with what it wants of them, long contents, and what is in its overlay.
fn contents(planned: &Planned, selection: &Selection, block_size: u32) -> BTreeSet<String> {
    let plan = &planned.plan;
    let chosen = selection.chosen.iter().zip(&plan.contents).enumerate();
    let mut shared: BTreeSet<_> = (plan.overlay.iter().map(|(id, ..)| id.to_string())).collect();
    for (package, (one, wanted)) in chosen {
        let wants: Vec<u8> = wanted.iter().map(|wanted| u8::from(*wanted)).collect();
        let wants = hex::encode(Sha256::digest(&wants));
        shared.insert(format!("{} {wants}", one.package.nevra.name));
        for (file, described) in one.package.files.iter().enumerate() {
            let is_wanted = wanted.get(file).copied().unwrap_or_default();
            if is_wanted && described.size >= u64::from(block_size) {
                shared.insert(compose::content_id(package, file, &described).to_string());
            }
        }
    }
    shared
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
    under: Under<'_>,
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
    let others = Others::open(&with, &planned.identity, under.base, under.files)?;
    let images = others.names();
    let unknown = match (under.libraries.are_known(), inputs.dry_run) {
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
        let (texts, linkage) = (contents.texts, contents.linkage);
        let (base, packages) = ((self.base, self.files), selection.packages());
        found.extend(check::texts(plan, texts, linkage, base, &packages));
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
