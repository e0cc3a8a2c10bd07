//! The manifest of an image, made of what the program knows of it.

use std::collections::BTreeMap;

use linkage::Needs;
use manifest::{Config, Explained, ImageFile, Manifest, Package};

use crate::base::Base;
use crate::findings::kinds;
use crate::pack::{Packed, modules};
use crate::packages::{Chosen, Selection, choose};
use crate::plan::Planned;
use crate::plan::companion::Companion;
use crate::publish::disk::{self, Prover};
use crate::words::failure::Result;

/// Findings that say what was not looked at, which who reads the manifest is to know, and what was
/// seen in contents alone, which who keeps the image can't see again.
const RECORDED: [&str; 4] = [
    kinds::UNCHECKED_BASE.id,
    kinds::UNKNOWN_IN_BASE.id,
    kinds::ASSUMED_IN_BASE.id,
    kinds::STALE_CACHE.id,
];

/// Lists what went into an image, and why findings were allowed where a reason was given.
///
/// What the files need is taken out of what was packed: it may be long. The digest of the image is
/// not there yet.
pub fn of(
    planned: &Planned,
    base: &Base,
    selection: &Selection,
    packed: &mut Packed,
    prover: Option<&Prover>,
) -> Result<Manifest> {
    let linkage = std::mem::take(&mut packed.linkage);
    Ok(Manifest {
        image: Some(file_of(planned, packed, prover)),
        needs: Some(Needs::of(&linkage)),
        linkage: Some(linkage),
        ..of_plan(planned, base, selection, &packed.digests)?
    })
}

/// Says what the file of an image is. Its digest is not there yet.
pub fn file_of(planned: &Planned, packed: &Packed, prover: Option<&Prover>) -> ImageFile {
    let disk = packed.root.as_ref().zip(prover);
    let disk = disk.map(|(root, prover)| prover.described(root));
    ImageFile {
        time: Some(planned.plan.time.into()),
        ..disk.unwrap_or_else(disk::bare)
    }
}

/// Lists what went into a companion: the packages that have something in it, with the `digests` of
/// their files, if those were read. It needs its image, and nothing of the base.
pub fn of_companion<L>(
    companion: &Companion,
    base: &Base,
    selection: &Selection,
    digests: &[[u8; 32]],
) -> Result<Manifest<L>> {
    let numbers = companion.packages.iter().enumerate();
    let packages = numbers.filter_map(|(at, number)| {
        let one = selection.chosen.get(*number)?;
        Some(package(one, digests.get(at)))
    });
    Ok(Manifest {
        packages: sorted(packages),
        relies_on: Vec::new(),
        known: None,
        ..of_plan(&companion.image, base, selection, &[])?
    })
}

fn sorted(packages: impl Iterator<Item = Package>) -> Vec<Package> {
    let mut packages: Vec<_> = packages.collect();
    packages.sort_by(|a, b| a.nevra.cmp(&b.nevra));
    packages
}

/// Lists what is known before anything is packed; of the digests of the packages' files, those that
/// are there, in the order of the selection.
pub fn of_plan<L>(
    planned: &Planned,
    base: &Base,
    selection: &Selection,
    digests: &[[u8; 32]],
) -> Result<Manifest<L>> {
    let identity = &planned.identity;
    let format = match store::main_of(&identity.name) {
        Some(_) => "confext",
        None => "sysext",
    };
    let findings = planned.plan.findings.iter();
    let of_base = |key: &str| base.os_release.get(key).map(str::to_owned);
    let extension = identity.release.iter();
    let depend_on = choose::depend_on(&selection.packages(), &selection.relies_on)?;
    let chosen = selection.chosen.iter().zip(depend_on).enumerate();
    let packages = chosen.map(|(number, (one, depends_on))| Package {
        depends_on: Some(depends_on.into_iter().collect()),
        ..package(one, digests.get(number))
    });
    Ok(Manifest {
        manifest_version: Some(manifest::VERSION),
        config: Config {
            name: identity.name.clone(),
            distribution: of_base("ID"),
            architecture: Some(identity.architecture.to_string()),
            output_format: Some(format.to_owned()),
            version: Some(identity.version.clone()),
            release: of_base("VERSION_ID"),
        },
        packages: sorted(packages),
        extension: extension
            .map(|(key, value)| ((*key).to_owned(), value.clone()))
            .collect(),
        requires: Some(planned.requires.clone()),
        relies_on: selection.relies_on.clone(),
        known: Some(planned.evidence.known.word().to_owned()),
        findings: (findings.clone())
            .filter(|finding| RECORDED.contains(&finding.kind.id))
            .fold(BTreeMap::new(), |mut all: BTreeMap<_, String>, finding| {
                let text = all.entry(finding.kind.id.to_owned()).or_default();
                if !text.is_empty() {
                    *text += "; ";
                }
                *text += &finding.text;
                all
            }),
        allowed: findings
            .filter_map(|finding| Some((finding.kind.id.to_owned(), finding.allowed.clone()?)))
            .collect(),
        companion: (planned.companion.as_ref()).map(|it| it.image.identity.image_file()),
        modules: modules::kernels(&planned.plan.tree),
        image: None,
        built_from: planned.built_from.clone(),
        build: None,
        needs: None,
        linkage: None,
    })
}

/// Returns what is recorded of a package; `digest` is that of its file, if
/// it was read.
fn package(chosen: &Chosen, digest: Option<&[u8; 32]>) -> Package {
    let Explained {
        nevra,
        reason,
        provides,
    } = chosen.explained();
    let Chosen { package, file, .. } = chosen;
    let origin = file.file_name().unwrap_or_default();
    Package {
        kind: Some("rpm".to_owned()),
        name: package.nevra.name.clone(),
        version: Some(package.nevra.evr()),
        architecture: Some(package.nevra.arch.clone()),
        summary: Some(package.summary.clone()).filter(|summary| !summary.is_empty()),
        size: Some(package.installed_size),
        sha256: digest.map(hex::encode),
        origin: Some(origin.to_string_lossy().into_owned()),
        nevra: Some(nevra),
        license: Some(package.licence.clone()),
        vendor: package.vendor.clone(),
        source_rpm: package.source_rpm.clone(),
        depends_on: None,
        reason: Some(reason),
        provides,
    }
}
