//! What a store will refuse an image for, said before anything is packed.

use std::io::{Error, ErrorKind};
use std::path::{Path, PathBuf};

use manifest::Summary;
use store::{Prospect, Store};

use super::{Destination, check_own_directory};
use crate::plan::identity::Identity;
use crate::words::failure::{Failure, Result, store_failure};

/// Fails for what the store is known to refuse by names, versions and days. Returns the files that
/// the images would need to be equal to, or to replace.
///
/// The first image says which directory they go to.
pub fn check(destination: &Destination, coming: Vec<(&Identity, Summary)>) -> Result<Vec<PathBuf>> {
    let Some((first, _)) = coming.first() else {
        return Ok(Vec::new());
    };
    let path = destination.directory_of(&first.name);
    if !is_there(&path)? {
        if let Some(day) = destination.best_before {
            day.check(destination.now)
                .map_err(|problem| store_failure(problem.into()))?;
        }
        return Ok(Vec::new());
    }
    if destination.layout.is_per_name() {
        check_own_directory(&path)?;
    }
    let store = Store::open(&path).map_err(store_failure)?;
    let prospects = coming.into_iter().map(|(identity, manifest)| Prospect {
        image: identity.image_file(),
        manifest,
        replace: destination.replace,
        allow_older: destination.allow_older,
    });
    let prospects: Vec<_> = prospects.collect();
    let taken = match destination.obs {
        true => store.foresee_for_obs(&prospects),
        false => store.foresee_all(&prospects, &[], destination.best_before, destination.now),
    };
    let taken = taken.map_err(store_failure)?;
    Ok(taken.iter().map(|name| path.join(name)).collect())
}

/// Fails for what the store is known to refuse though its images stay as they are.
pub fn keep(destination: &Destination, identity: &Identity) -> Result<()> {
    let store = Store::open(&destination.directory_of(&identity.name)).map_err(store_failure)?;
    store
        .foresee_keep(destination.best_before, destination.now)
        .map_err(store_failure)
}

/// Whether there is such a directory; fails if none can be made there.
fn is_there(path: &Path) -> Result<bool> {
    let above = path.ancestors().find(|one| one.symlink_metadata().is_ok());
    let Some(above) = above else {
        return Ok(false);
    };
    if !above.is_dir() {
        let error = Error::from(ErrorKind::NotADirectory);
        let doing = format!("making the directory {}", path.display());
        return Err(Failure::io(doing, error));
    }
    if above != path {
        Store::open(above).map_err(store_failure)?;
    }
    Ok(above == path)
}
