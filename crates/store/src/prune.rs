//! Old images go.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZero;
use std::path::Path;

use crate::Listing;
use crate::attached;
use crate::error::Error;
use crate::inventory::{self, ListedImage};
use crate::transaction::Transaction;
use crate::withdrawn;

/// Among which images the newest are kept.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Per {
    /// Those of one extension and architecture.
    #[default]
    Name,
    /// Of these, those that are for one `VERSION_ID`.
    VersionId,
    /// Of these, those that are for one `SYSEXT_LEVEL`.
    Level,
}

/// Which images are kept.
#[derive(Debug, Clone, Copy)]
pub struct Pruning {
    /// How many of each group, the newest first in the order of systemd-sysupdate.
    pub keep: NonZero<usize>,
    /// What makes a group.
    pub per: Per,
}

impl Pruning {
    /// The images that go. An image whose version is not known stays. A companion goes with its image.
    ///
    /// `images` are in the order of [`ListedImage::order`].
    fn surplus<'a>(&self, images: &'a [ListedImage]) -> Vec<&'a ListedImage> {
        let mut kept: BTreeMap<_, usize> = BTreeMap::new();
        let is_surplus = |image: &&ListedImage| {
            let (Some(manifest), Some((_, suffix))) = (&image.manifest, image.version()) else {
                return false;
            };
            let key = match self.per {
                Per::Name => None,
                Per::VersionId => manifest.extension.get("VERSION_ID"),
                Per::Level => manifest.extension.get("SYSEXT_LEVEL"),
            };
            let group = (image.name().to_owned(), suffix.to_owned(), key.cloned());
            let count = kept.entry(group).or_default();
            *count += 1;
            *count > self.keep.get()
        };
        let is_main = |image: &&ListedImage| image.main_file().is_none();
        let mut surplus: Vec<_> = images.iter().filter(is_main).filter(is_surplus).collect();
        let stays: BTreeSet<_> = (images.iter().filter(is_main))
            .filter(|image| !surplus.iter().any(|one| one.file == image.file))
            .map(|image| image.file.clone())
            .collect();
        let is_alone = |image: &&ListedImage| {
            let main = image.main_file();
            main.is_some_and(|main| !stays.contains(&main))
        };
        surplus.extend(images.iter().filter(is_alone));
        surplus
    }
}

/// Which images go, of all that a list has.
pub(crate) type Choose<'a> = &'a dyn Fn(&[ListedImage]) -> Vec<ListedImage>;

/// Takes all images but the newest off the list.
pub(crate) fn prune(
    path: &Path,
    pruning: Pruning,
    is_dry_run: bool,
    listing: Listing<'_>,
) -> Result<Vec<ListedImage>, Error> {
    let surplus = |images: &[ListedImage]| pruning.surplus(images).into_iter().cloned().collect();
    // What is older than what stays is never built under its name again.
    remove(path, &surplus, false, is_dry_run, listing)
}

/// Takes images off the list, then removes them with their manifests: in this order, since readers
/// must not meet a list that has what is gone. Names of what is withdrawn are remembered.
pub(crate) fn remove(
    path: &Path,
    choose: Choose<'_>,
    is_withdrawal: bool,
    is_dry_run: bool,
    listing: Listing<'_>,
) -> Result<Vec<ListedImage>, Error> {
    let mut transaction = Transaction::begin(path, &listing)?;
    let images = inventory::images(transaction.directory(), transaction.before(), &|_| true)?;
    let chosen = choose(&images);
    if is_dry_run || chosen.is_empty() {
        return Ok(chosen);
    }
    let names: BTreeSet<_> = (chosen.iter())
        .flat_map(|image| {
            let own = [image.file.clone(), manifest::file_name(&image.file)];
            let attached = attached::of(transaction.before(), &image.file);
            own.into_iter().chain(attached)
        })
        .collect();
    let mut after = transaction.before().clone();
    after.retain(|name| !names.contains(name));
    for image in chosen.iter().filter(|_| is_withdrawal) {
        withdrawn::remember(&mut after, &image.file, image.sha256);
    }
    for name in names {
        transaction.remove(name)?;
    }
    transaction.commit(Vec::new(), &after, listing)?;
    Ok(chosen)
}

#[cfg(test)]
mod tests {
    use manifest::Summary;

    use super::*;

    /// Images `NAME-VERSION.ARCHITECTURE.raw [VERSION_ID [SYSEXT_LEVEL]]` in their order; one that
    /// begins with `?` has no manifest.
    fn images(lines: &[&str]) -> Vec<ListedImage> {
        let image = |line: &&str| {
            let words: Vec<_> = line.trim_start_matches('?').split(' ').collect();
            let (name, rest) = words[0].split_once('-').unwrap();
            let mut summary = Summary::default();
            summary.config.name = name.to_owned();
            summary.config.version = rest.split('.').next().map(str::to_owned);
            for (key, value) in ["VERSION_ID", "SYSEXT_LEVEL"].iter().zip(&words[1..]) {
                let (key, value) = ((*key).to_owned(), (*value).to_owned());
                summary.extension.insert(key, value);
            }
            ListedImage {
                file: words[0].to_owned(),
                sha256: [0; 32],
                bytes: None,
                manifest_file: None,
                manifest: (!line.starts_with('?')).then_some(summary),
            }
        };
        lines.iter().map(image).collect()
    }

    #[test]
    fn which_images_go() {
        let all = [
            "a-3.arm64.raw 1 x",
            "a-2.arm64.raw 1 x",
            "a-3.x86-64.raw 2 x",
            "a-2.x86-64.raw 1 x",
            "a-1.x86-64.raw 1 y",
            "?b-2.x86-64.raw",
            "?b-1.x86-64.raw",
            "c-1.x86-64.raw",
            "d-3.x86-64.raw",
            "d-2.x86-64.raw",
            "d-1.x86-64.raw",
            "d.confext-3.x86-64.raw",
            "d.confext-1.x86-64.raw",
            "e.confext-1.x86-64.raw",
        ];
        // Companions go with their images, and without any.
        let (d, alone) = ("d-1.x86-64.raw", "e.confext-1.x86-64.raw");
        let (d2, with) = ("d-2.x86-64.raw", "d.confext-1.x86-64.raw");
        for (keep, per, expected) in [
            (
                1,
                Per::Name,
                &[
                    "a-2.arm64.raw",
                    "a-2.x86-64.raw",
                    "a-1.x86-64.raw",
                    d2,
                    d,
                    with,
                    alone,
                ][..],
            ),
            (2, Per::Name, &["a-1.x86-64.raw", d, with, alone]),
            (3, Per::Name, &[alone]),
            (
                1,
                Per::VersionId,
                &["a-2.arm64.raw", "a-1.x86-64.raw", d2, d, with, alone],
            ),
            (
                1,
                Per::Level,
                &["a-2.arm64.raw", "a-2.x86-64.raw", d2, d, with, alone],
            ),
        ] {
            let keep = NonZero::new(keep).unwrap();
            let images = images(&all);
            let surplus = Pruning { keep, per }.surplus(&images);
            let files: Vec<_> = surplus.iter().map(|image| &image.file).collect();
            assert_eq!(files, expected, "{keep} {per:?}");
        }
    }
}
