//! A list while images are added to it, one after the other.
//!
//! Each image is judged by those before it: its name, and whether it is the newest. Of these, some
//! are files of the directory, and some come with the same change and have no names as yet.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;

use manifest::Summary;
use serde::de::IgnoredAny;

use crate::collision;
use crate::directory::Directory;
use crate::error::Error;
use crate::inventory;
use crate::order;
use crate::sums::Sums;

/// A list, and what is known of its images.
pub(crate) struct Shelf<'a> {
    directory: &'a Directory,
    /// The list so far.
    pub(crate) sums: Sums,
    /// What the manifests say of images that have no names as yet.
    coming: BTreeMap<String, Summary>,
}

impl<'a> Shelf<'a> {
    /// Begins with the list of a directory.
    pub(crate) fn new(directory: &'a Directory, sums: Sums) -> Shelf<'a> {
        Shelf {
            directory,
            sums,
            coming: BTreeMap::new(),
        }
    }

    /// The directory in which the files are.
    pub(crate) fn directory(&self) -> &'a Directory {
        self.directory
    }

    /// The list as it is now, if clients can read all of it.
    pub(crate) fn into_sums(self) -> Result<Sums, Error> {
        self.directory.check_prefixes(&self.sums)?;
        Ok(self.sums)
    }

    /// Lists an image, which is the first of `files`, and its manifest; or says why they can't have
    /// these names.
    pub(crate) fn extend(
        &mut self,
        manifest: Summary,
        files: &[(&str, [u8; 32])],
        allow_older: bool,
    ) -> Result<(), Error> {
        if let Some((image, _)) = files.first() {
            collision::check(self, &manifest.config.name, image)?;
            if !allow_older && self.sums.get(image).is_none() {
                check_newest(self, &manifest, image)?;
            }
        }
        for (name, sha256) in files {
            self.sums.insert(name, *sha256);
        }
        if let Some((image, _)) = files.first() {
            self.coming.insert((*image).to_owned(), manifest);
        }
        Ok(())
    }

    /// The extension of a listed image: what its manifest says, else what its name lets one guess.
    pub(crate) fn extension_of(&self, image: &str) -> Result<String, Error> {
        if let Some(coming) = self.coming.get(image) {
            return Ok(coming.config.name.clone());
        }
        let read = inventory::read_manifest::<IgnoredAny>(self.directory, &self.sums, image)?;
        Ok(match read {
            Some(manifest) => manifest.config.name,
            None => inventory::guess_name(image).to_owned(),
        })
    }

    /// The manifest of a listed image; `None` if there is none.
    fn manifest(&self, image: &str) -> Result<Option<Cow<'_, Summary>>, Error> {
        if let Some(coming) = self.coming.get(image) {
            return Ok(Some(Cow::Borrowed(coming)));
        }
        let read = inventory::read_manifest(self.directory, &self.sums, image)?;
        Ok(read.map(Cow::Owned))
    }
}

/// Fails unless `image` will be the newest of its extension and architecture, in the order of
/// systemd-sysupdate and by RPM's order of the true versions.
///
/// Where that held for each image before it, the newest so far is the newest in both orders; so
/// only its manifest is read.
fn check_newest(shelf: &Shelf<'_>, manifest: &Summary, image: &str) -> Result<(), Error> {
    let Some((prefix, version, suffix)) = manifest.split(image) else {
        return Ok(());
    };
    let version_of = |listed: &'_ str| -> Option<String> {
        let rest = listed.strip_prefix(prefix)?.strip_suffix(suffix)?;
        Some(rest.to_owned())
    };
    let newest = (shelf.sums.images_with(prefix))
        .filter_map(|listed| Some((listed, version_of(listed)?)))
        .max_by(|(_, a), (_, b)| order::systemd(a, b));
    let Some((newest, newest_version)) = newest else {
        return Ok(());
    };
    let error = |order, version: &str, newest_version: &str| Error::Older {
        path: shelf.directory.path().join(newest),
        image: image.to_owned(),
        order,
        version: version.to_owned(),
        newest: newest_version.to_owned(),
    };
    if order::systemd(version, &newest_version) != Ordering::Greater {
        return Err(error("systemd-sysupdate", version, &newest_version));
    }
    let listed = shelf.manifest(newest)?;
    if let (Some(evr), Some(newest_evr)) =
        (manifest.evr(), listed.as_deref().and_then(Summary::evr))
        && order::rpm(evr, newest_evr) == Ordering::Less
    {
        return Err(error("RPM", evr, newest_evr));
    }
    Ok(())
}
