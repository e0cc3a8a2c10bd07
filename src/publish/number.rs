//! Which build number an image gets: the next one if it is built from something else than the newest
//! image of its name and version, and none if there is nothing to build.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use files::Links;
use image::squashfs::Image;
use linkage::Linkage;
use manifest::BuiltFrom;
use store::{List, ListedImage, Store, order};

use super::{Destination, built_from, check_own_directory};
use crate::findings::{Finding, kinds};
use crate::inspected;
use crate::packages::Selection;
use crate::plan::Planned;
use crate::plan::build_number::{BuildNumber, Numbering};
use crate::plan::identity::Identity;
use crate::words::failure::{Result, store_failure};

/// What is to be done for an image.
#[derive(Debug)]
pub enum Step {
    /// It is to be built.
    Build {
        /// What is another than in the newest image of its version; none if there is no such image.
        changes: Vec<String>,
    },
    /// It is there.
    Keep(Box<Kept>),
}

/// An image that is there, built from the same.
#[derive(Debug)]
pub struct Kept {
    /// The image.
    pub path: PathBuf,
    /// Its SHA-256, as listed.
    pub sha256: [u8; 32],
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of the files of its packages.
    pub packages: BTreeSet<String>,
    /// What its files need and offer.
    pub linkage: Linkage,
    /// What was seen in its contents when it was built.
    pub findings: Vec<Finding>,
}

/// Looks into the store whether the image is there, and gives it its number.
pub fn decide(
    destination: &Destination,
    numbering: &Numbering,
    planned: &mut Planned,
    selection: &Selection,
    now: &BuiltFrom,
) -> Result<Step> {
    let first = Step::Build {
        changes: Vec::new(),
    };
    let directory = destination.directory_of(&planned.identity.name);
    if *numbering != Numbering::Auto || !directory.is_dir() {
        return Ok(first);
    }
    if destination.layout.is_per_name() {
        check_own_directory(&directory)?;
    }
    let store = Store::open_for_reading(&directory).map_err(store_failure)?;
    let list = store.list().map_err(store_failure)?;
    let is_wanted = |file: &str| number_of(file, &planned.identity).is_some();
    let images = list.images_with(&is_wanted).map_err(store_failure)?;
    let mut withdrawn = list.withdrawn();
    withdrawn.retain(|file| is_wanted(file));
    withdrawn.sort_by(|a, b| order::systemd(a, b));
    let newest = newest(&images, &planned.identity);
    // The name of an image that was taken back is used up.
    if let Some(last) = withdrawn.last()
        && newest
            .as_ref()
            .is_none_or(|(image, _)| order::systemd(last, &image.file).is_gt())
    {
        let number = number_of(last, &planned.identity).flatten();
        let next = number.unwrap_or_else(BuildNumber::zero).next();
        planned.number(&next)?;
        let changes = vec![format!("{last} was taken back")];
        return Ok(Step::Build { changes });
    }
    let Some((newest, number)) = newest else {
        return Ok(first);
    };
    let changes = (newest.manifest.as_ref())
        .and_then(|before| built_from::changes(before, now, planned, selection));
    if changes.as_ref().is_some_and(Vec::is_empty)
        && let Some(kept) = kept(&list, newest, directory)?
        && has_companion(&list, &kept, planned, number.as_ref())?
    {
        if let Some(number) = &number {
            planned.number(number)?;
        }
        return Ok(Step::Keep(Box::new(kept)));
    }
    let next = number.unwrap_or_else(BuildNumber::zero).next();
    planned.number(&next)?;
    let unknown = || vec![format!("nothing says what {} was built from", newest.file)];
    let lost = || {
        let companion = match planned.companion {
            Some(_) => ", its companion",
            None => "",
        };
        let file = &newest.file;
        format!("{file}{companion} or its manifest is not in the store whole")
    };
    Ok(Step::Build {
        changes: match changes {
            Some(changes) if changes.is_empty() => vec![lost()],
            Some(changes) => changes,
            None => unknown(),
        },
    })
}

/// Returns the build number in the name of an image of this name and version: one that is not there
/// comes first. `None` for any other image.
fn number_of(file: &str, identity: &Identity) -> Option<Option<BuildNumber>> {
    let stem = file.strip_suffix(&format!("{}.raw", identity.ending))?;
    let rest = stem.strip_prefix(&format!("{}-{}", identity.name, identity.version))?;
    match rest {
        "" => Some(None),
        rest => rest.strip_prefix('.')?.parse().ok().map(Some),
    }
}

/// Returns the newest image, as clients order them, and its build number.
fn newest<'a>(
    images: &'a [ListedImage],
    identity: &Identity,
) -> Option<(&'a ListedImage, Option<BuildNumber>)> {
    let newest = (images.iter()).max_by(|a, b| order::systemd(&a.file, &b.file))?;
    Some((newest, number_of(&newest.file, identity)?))
}

/// Returns an image that is there whole, as far as can be told without reading its contents.
fn kept(list: &List, image: &ListedImage, directory: PathBuf) -> Result<Option<Kept>> {
    let path = directory.join(&image.file);
    let Some(bytes) = image.bytes.filter(|bytes| is_whole(&path, *bytes)) else {
        return Ok(None);
    };
    let Some(manifest) = list.manifest(&image.file).map_err(store_failure)? else {
        return Ok(None);
    };
    let stale = manifest.findings.get(kinds::STALE_CACHE.id);
    let findings = stale.map(|text| Finding::new(&kinds::STALE_CACHE, text.clone()));
    let packages = manifest.packages.into_iter();
    let packages = packages.filter_map(|package| package.sha256).collect();
    Ok(manifest.linkage.map(|linkage| Kept {
        path,
        packages,
        sha256: image.sha256,
        bytes,
        linkage,
        findings: findings.into_iter().collect(),
    }))
}

/// Says whether the companion that belongs to an image which is kept is there whole, if it has one.
fn has_companion(
    list: &List,
    kept: &Kept,
    planned: &Planned,
    number: Option<&BuildNumber>,
) -> Result<bool> {
    let Some(companion) = &planned.companion else {
        return Ok(true);
    };
    let identity = &companion.image.identity;
    let file = match number {
        Some(number) => identity.numbered(number)?.image_file(),
        None => identity.image_file(),
    };
    let images = list
        .images_with(&|listed| listed == file)
        .map_err(store_failure)?;
    let is_there = |image: &ListedImage| {
        let path = kept.path.with_file_name(&image.file);
        image.manifest.is_some() && image.bytes.is_some_and(|bytes| is_whole(&path, bytes))
    };
    Ok(images.first().is_some_and(is_there))
}

/// Says whether a file is an image of a SquashFS, with its start and its end.
fn is_whole(path: &Path, bytes: u64) -> bool {
    let Ok(file) = files::open(path, Links::Refuse) else {
        return false;
    };
    let opened = inspected::file_system(file).and_then(|section| Ok(Image::open(section)?));
    let Ok(mut image) = opened else {
        return false;
    };
    image.facts().bytes_used <= bytes && image.tree().is_ok()
}
