//! What the Open Build Service publishes.
//!
//! Its publisher makes the `SHA256SUMS` of all images of a project itself, and signs it; a build
//! leaves `NAME.sha256` beside each file instead, with one line in the form of the list. Files
//! whose names `bs_publish` does not know are dropped without a word.

use std::path::Path;

use sha2::{Digest, Sha256};

use crate::add::{check_names, own_manifest};
use crate::directory::{Found, SUMS};
use crate::error::Error;
use crate::sums::Sums;
use crate::transaction::Transaction;
use crate::verify::SUM_SUFFIX;
use crate::{Added, Listing, Publication};

pub(crate) fn add(path: &Path, mut publication: Publication) -> Result<Added, Error> {
    check_names(&publication)?;
    own_manifest(path, &mut publication)?;
    let transaction = Transaction::begin(path, &Listing::default())?;
    let directory = transaction.directory();
    if directory.exists(SUMS)? {
        return Err(Error::Listed {
            path: path.join(SUMS),
        });
    }
    let Publication {
        image,
        manifest,
        replace,
        ..
    } = publication;
    let mut parts = Vec::new();
    for file in [image, manifest] {
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
                path: path.join(&taken.name),
            });
        }
        Some(_) => Added::Replaced,
        None if parts.iter().all(|part| part.found == Found::Same) => Added::Unchanged,
        None => Added::New,
    };
    transaction.commit_unlisted(parts)?;
    Ok(added)
}
