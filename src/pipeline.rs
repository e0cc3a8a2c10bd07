//! The stages of a build, in their order.

use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::Path;

use store::{Added, Listing, Publication, Store};

use crate::answer::{self, Built};
use crate::base::Base;
use crate::check::base_files::BaseFiles;
use crate::check::closure::BaseLibraries;
use crate::check::{self, shadow};
use crate::findings::Finding;
use crate::inputs::Inputs;
use crate::pack::unpack;
use crate::pack::{self, Source};
use crate::packages::lock::Locking;
use crate::packages::{Selection, select};
use crate::plan::compose::{self, Plan, Times};
use crate::plan::identity::{self, Identity, Manifest, Origin};
use crate::plan::matching::{self, Matching};
use crate::plan::overlay;
use crate::publish::signing::{self, Signer};
use crate::publish::{NewDirectory, Stored, directory_of};
use crate::report::Report;
use crate::words::digest::{hex, sha256};
use crate::words::failure::{Failure, Result, store_failure};
use crate::words::quantity::{bytes, counted};

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
    let matching = match inputs.matching {
        Matching::Auto => {
            let (matching, why) = matching::weakest(&requires, &base.os_release);
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
        (&inputs.locking, &selection.lock, inputs.dry_run)
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
    let sources: Vec<_> = (selection.packages.iter().zip(&selection.files))
        .map(|(package, file)| Source { package, file })
        .collect();
    let output = directory_of(&inputs.output, inputs.layout, &identity.name);
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
        matching::check_any(&packed.linkage)?;
    }
    let mut findings = check::linkage(
        &packed.linkage,
        &BaseLibraries::of(base, selection.provided.take())?,
    );
    report.findings(&mut findings, &inputs.waivers)?;
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
