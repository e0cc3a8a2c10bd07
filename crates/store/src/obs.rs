//! What the Open Build Service publishes.
//!
//! Its publisher makes the `SHA256SUMS` of all images of a project itself, and signs it; a build
//! leaves `NAME.sha256` beside each file instead, with one line in the form of the list. Files
//! whose names `bs_publish` does not know are dropped without a word.

use std::collections::BTreeMap;
use std::path::Path;

use manifest::Summary;
use sha2::{Digest, Sha256};

use crate::add::{check_attached, check_names, own_manifest};
use crate::collision;
use crate::directory::{Directory, Found, SUMS};
use crate::error::Error;
use crate::inventory;
use crate::sums::{IMAGE_SUFFIX, Sums};
use crate::transaction::{Part, Transaction};
use crate::verify::SUM_SUFFIX;
use crate::{Added, Listing, Publication};

pub(crate) fn add(path: &Path, mut publications: Vec<Publication>) -> Result<Vec<Added>, Error> {
    for publication in &mut publications {
        check_names(
            &publication.name,
            &publication.image.0,
            &publication.manifest.0,
        )?;
        check_attached(publication)?;
        own_manifest(path, publication)?;
    }
    let transaction = Transaction::begin(path, &Listing::default())?;
    let (mut parts, mut added) = (Vec::new(), Vec::new());
    for publication in publications {
        check_neighbours(
            transaction.directory(),
            &publication.name,
            &publication.image.0,
        )?;
        let (own, outcome) = place(&transaction, publication)?;
        parts.extend(own);
        added.push(outcome);
    }
    transaction.commit_unlisted(parts)?;
    Ok(added)
}

/// Gives the files of an image their names, and says what that comes to.
fn place(transaction: &Transaction, publication: Publication) -> Result<(Vec<Part>, Added), Error> {
    let directory = transaction.directory();
    let Publication {
        image,
        manifest,
        attached,
        replace,
        ..
    } = publication;
    let mut parts = Vec::new();
    for file in [image, manifest].into_iter().chain(attached) {
        let mut own = Sums::default();
        own.insert(&file.0, file.2);
        let line = own.print();
        let name = format!("{}{SUM_SUFFIX}", file.0);
        let sum = (
            name,
            directory.temporary_of(&line)?,
            Sha256::digest(&line).into(),
        );
        parts.push(transaction.part(file)?);
        parts.push(transaction.part(sum)?);
    }
    let taken = parts.iter().find(|part| part.found == Found::Other);
    let added = match taken {
        Some(taken) if !replace => {
            return Err(Error::Exists {
                path: directory.path().join(&taken.name),
            });
        }
        Some(_) => Added::Replaced,
        None if parts.iter().all(|part| part.found == Found::Same) => Added::Unchanged,
        None => Added::New,
    };
    Ok((parts, added))
}

/// Fails where there is a list, or an image that can't share a directory with this one. The Open
/// Build Service serves all images of a project from one.
pub(crate) fn check_neighbours(
    directory: &Directory,
    name: &str,
    image: &str,
) -> Result<(), Error> {
    if directory.exists(SUMS)? {
        return Err(Error::Listed {
            path: directory.path().join(SUMS),
        });
    }
    let mut others = BTreeMap::new();
    for other in directory.names()? {
        if other.ends_with(IMAGE_SUFFIX) && other != image {
            let file = directory.open_file(&manifest::file_name(&other))?;
            // One without a good manifest is of the extension that its name speaks of.
            let manifest = file.and_then(|file| Summary::from_gzip(file).ok());
            let extension = manifest.map_or_else(
                || inventory::guess_name(&other).to_owned(),
                |manifest| manifest.config.name,
            );
            others.insert(other, extension);
        }
    }
    collision::check_all(directory, &others, name, image)
}
