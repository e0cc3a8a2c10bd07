//! Adding an image and its manifest.

use std::cmp::Ordering;
use std::io::{Seek, SeekFrom};
use std::path::Path;

use manifest::Summary;

use crate::collision;
use crate::directory::{Directory, Found, SIGNATURE};
use crate::error::Error;
use crate::freshness;
use crate::inventory;
use crate::name::check_name;
use crate::order;
use crate::sums::{IMAGE_SUFFIX, Sums};
use crate::transaction::{Part, Transaction};
use crate::withdrawn;
use crate::{Added, Listing, Publication};

pub(crate) fn add(
    path: &Path,
    mut publication: Publication,
    listing: Listing<'_>,
) -> Result<Added, Error> {
    check_names(
        &publication.name,
        &publication.image.0,
        &publication.manifest.0,
    )?;
    let manifest = own_manifest(path, &mut publication)?;
    let transaction = Transaction::begin(path, &listing)?;
    let directory = transaction.directory();
    let before = transaction.before();
    let Publication {
        replace,
        allow_older,
        ..
    } = publication;
    let parts = vec![
        transaction.part(publication.image)?,
        transaction.part(publication.manifest)?,
    ];
    if let Some(taken) = parts.iter().find(|part| part.found == Found::Other)
        && !replace
    {
        return Err(Error::Exists {
            path: path.join(&taken.name),
        });
    }
    let (image, sha256) = (parts[0].name.clone(), parts[0].sha256);
    if let Some(before) = withdrawn::digest_of(before, &image)
        && *before != sha256
        && !replace
    {
        return Err(Error::Withdrawn {
            image,
            path: path.to_owned(),
        });
    }
    let added = outcome(&parts, before);
    let mut after = match added {
        Added::Unchanged => before.clone(),
        Added::New | Added::Replaced => {
            let files: Vec<_> = (parts.iter())
                .map(|part| (part.name.as_str(), part.sha256))
                .collect();
            extended(directory, before, &manifest, &files, allow_older)?
        }
    };
    withdrawn::forget(&mut after, &image);
    freshness::renew(&mut after, listing.best_before, listing.now)?;
    // A store is signed as soon as there is a key, even if it has nothing new.
    let is_to_sign = listing.signing.is_some() && !directory.exists(SIGNATURE)?;
    if added != Added::Unchanged || after != *before || is_to_sign {
        transaction.commit(parts, &after, listing)?;
    }
    Ok(added)
}

/// Renews the list of a store whose images stay as they are: gives it its day, and its first
/// signature. Says whether that changed anything.
pub(crate) fn keep(path: &Path, listing: Listing<'_>) -> Result<bool, Error> {
    let transaction = Transaction::begin(path, &listing)?;
    let mut after = transaction.before().clone();
    freshness::renew(&mut after, listing.best_before, listing.now)?;
    let is_to_sign = listing.signing.is_some() && !transaction.directory().exists(SIGNATURE)?;
    let is_change = after != *transaction.before() || is_to_sign;
    if is_change {
        transaction.commit(Vec::new(), &after, listing)?;
    }
    Ok(is_change)
}

/// The list with an image, which is the first of `files`, and its manifest; or why it can't have
/// them under these names.
pub(crate) fn extended(
    directory: &Directory,
    before: &Sums,
    manifest: &Summary,
    files: &[(&str, [u8; 32])],
    allow_older: bool,
) -> Result<Sums, Error> {
    if let Some((image, _)) = files.first() {
        collision::check(directory, before, &manifest.config.name, image)?;
        if !allow_older && before.get(image).is_none() {
            check_newest(directory, before, manifest, image)?;
        }
    }
    let mut after = before.clone();
    for (name, sha256) in files {
        after.insert(name, *sha256);
    }
    directory.check_prefixes(&after)?;
    Ok(after)
}

/// Fails unless all names are usable and belong together.
pub(crate) fn check_names(name: &str, image: &str, manifest: &str) -> Result<(), Error> {
    for name in [name, image, manifest] {
        check_name(name).map_err(|problem| Error::Name {
            name: name.to_owned(),
            problem,
        })?;
    }
    let stem = image.strip_suffix(IMAGE_SUFFIX);
    if collision::fits(image, name)
        && stem.is_some()
        && stem == manifest.strip_suffix(manifest::SUFFIX)
    {
        return Ok(());
    }
    Err(Error::FileNames {
        name: name.to_owned(),
        image: image.to_owned(),
        manifest: manifest.to_owned(),
    })
}

/// Reads the manifest that is about to come, which must be about the extension that comes.
pub(crate) fn own_manifest(path: &Path, publication: &mut Publication) -> Result<Summary, Error> {
    let (name, file, _) = &mut publication.manifest;
    let failed = |source| Error::Io {
        action: "read back",
        path: path.join(&*name),
        source,
    };
    file.seek(SeekFrom::Start(0)).map_err(failed)?;
    let problem = match Summary::from_gzip(file) {
        Ok(manifest) if manifest.config.name == publication.name => return Ok(manifest),
        Ok(_) => format!("is not of the extension {:?}", publication.name),
        Err(problem) => problem.to_string(),
    };
    Err(Error::Manifest {
        path: path.join(&publication.manifest.0),
        problem,
    })
}

/// What adding `parts` comes to.
fn outcome(parts: &[Part], before: &Sums) -> Added {
    let is_there =
        |part: &Part| part.found == Found::Same && before.get(&part.name) == Some(&part.sha256);
    if parts.iter().any(|part| part.found == Found::Other) {
        Added::Replaced
    } else if parts.iter().all(is_there) {
        Added::Unchanged
    } else {
        Added::New
    }
}

/// Fails unless `image` will be the newest of its extension and architecture, in the order of
/// systemd-sysupdate and by RPM's order of the true versions.
///
/// Where that held for each image before it, the newest so far is the newest in both orders; so
/// only its manifest is read.
fn check_newest(
    directory: &Directory,
    before: &Sums,
    manifest: &Summary,
    image: &str,
) -> Result<(), Error> {
    let Some((prefix, version, suffix)) = manifest.split(image) else {
        return Ok(());
    };
    let version_of = |listed: &'_ str| -> Option<String> {
        let rest = listed.strip_prefix(prefix)?.strip_suffix(suffix)?;
        Some(rest.to_owned())
    };
    let newest = (before.images_with(prefix))
        .filter_map(|listed| Some((listed, version_of(listed)?)))
        .max_by(|(_, a), (_, b)| order::systemd(a, b));
    let Some((newest, newest_version)) = newest else {
        return Ok(());
    };
    let error = |order, version: &str, newest_version: &str| Error::Older {
        path: directory.path().join(newest),
        image: image.to_owned(),
        order,
        version: version.to_owned(),
        newest: newest_version.to_owned(),
    };
    if order::systemd(version, &newest_version) != Ordering::Greater {
        return Err(error("systemd-sysupdate", version, &newest_version));
    }
    let listed = inventory::read_manifest(directory, before, newest)?;
    if let (Some(evr), Some(newest_evr)) = (manifest.evr(), listed.as_ref().and_then(Summary::evr))
        && order::rpm(evr, newest_evr) == Ordering::Less
    {
        return Err(error("RPM", evr, newest_evr));
    }
    Ok(())
}
