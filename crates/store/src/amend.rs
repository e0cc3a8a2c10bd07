//! An image that gets other bytes under the name that it has, such as a signature inside.
//!
//! Whoever changes it wants to know that it is the image that was built. So its bytes are compared with
//! the list under the lock, after the list's signature was; only then are they changed, in a copy.

use std::io::Seek as _;

use manifest::Manifest;
use sha2::{Digest as _, Sha256};

use crate::attached;
use crate::copy;
use crate::directory::{self, Directory};
use crate::error::Error;
use crate::freshness;
use crate::inventory;
use crate::sums::Sums;
use crate::temporary::Temporary;
use crate::transaction::{Part, Transaction};
use crate::verify::SUM_SUFFIX;
use crate::{Listing, Store};

/// Changes an image, and the manifest that it has.
pub type Amend<'a, E> = dyn FnMut(&mut Temporary, Option<&mut Manifest>) -> Result<(), E> + 'a;

/// Changes an image of a store, or a file beside which there is no list that has it.
pub(crate) fn amend<E: From<Error>>(
    store: &Store,
    image: &str,
    amend: &mut Amend<'_, E>,
    listing: Listing<'_>,
) -> Result<[u8; 32], E> {
    let mut transaction = Transaction::begin(store.dir(), &listing)?;
    let directory = transaction.directory();
    let mut after = transaction.before().clone();
    let is_listed = after.get(image).is_some();
    let (name, mut file, _) = match is_listed {
        true => copy::copy(directory, &after, image, store)?,
        false => copy::copy_unlisted(directory, image, store)?.ok_or_else(|| Error::Changed {
            path: store.dir().join(image),
            problem: "is not there",
        })?,
    };
    let mut manifest = match is_listed {
        true => inventory::read_manifest(directory, &after, image)?,
        false => inventory::read_unlisted_manifest(directory, image)?,
    };
    amend(&mut file, manifest.as_mut())?;
    let failed = |error| directory.error("read back", image, error);
    file.rewind().map_err(failed)?;
    let mut bytes = 0;
    let digest = directory::hash(file.file_mut(), &mut |more| bytes += more).map_err(failed)?;
    if let Some(image) = manifest.as_mut().and_then(|one| one.image.as_mut()) {
        image.sha256 = Some(hex::encode(digest));
        image.bytes = Some(bytes);
    }
    let mut files = vec![(name, file, digest)];
    if let Some(manifest) = manifest {
        files.push(written(directory, image, &manifest)?);
    }
    if is_listed {
        // What was said of the bytes before is not said of these.
        let going = attached::of(&after, image);
        after.retain(|name| !going.iter().any(|gone| gone == name));
        for (name, _, sha256) in &files {
            after.insert(name, *sha256);
        }
        freshness::renew(&mut after, listing.best_before, listing.now).map_err(Error::from)?;
        let parts = parts(&transaction, files)?;
        for name in going {
            transaction.remove(name)?;
        }
        transaction.commit(parts, &after, listing)?;
    } else {
        files.extend(sums(directory, &files)?);
        let parts = parts(&transaction, files)?;
        transaction.commit_unlisted(parts)?;
    }
    Ok(digest)
}

fn parts(
    transaction: &Transaction,
    files: Vec<(String, Temporary, [u8; 32])>,
) -> Result<Vec<Part>, Error> {
    (files.into_iter())
        .map(|file| transaction.part(file))
        .collect()
}

/// Writes a manifest, without a name as yet.
fn written(
    directory: &Directory,
    image: &str,
    manifest: &Manifest,
) -> Result<(String, Temporary, [u8; 32]), Error> {
    let name = manifest::file_name(image);
    let bytes = manifest.to_gzip().map_err(|problem| Error::Manifest {
        path: directory.path().join(&name),
        problem: problem.to_string(),
    })?;
    let file = directory.temporary_of(&bytes)?;
    Ok((name, file, Sha256::digest(&bytes).into()))
}

/// Writes the digests of those files beside which there is one.
fn sums(
    directory: &Directory,
    files: &[(String, Temporary, [u8; 32])],
) -> Result<Vec<(String, Temporary, [u8; 32])>, Error> {
    let mut found = Vec::new();
    for (name, _, sha256) in files {
        let beside = format!("{name}{SUM_SUFFIX}");
        if directory.exists(&beside)? {
            let mut sums = Sums::default();
            sums.insert(name, *sha256);
            let line = sums.print();
            let file = directory.temporary_of(&line)?;
            found.push((beside, file, Sha256::digest(&line).into()));
        }
    }
    Ok(found)
}
