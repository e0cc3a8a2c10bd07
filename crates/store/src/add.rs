//! Adding images and their manifests.

use std::io::{Seek, SeekFrom};
use std::path::Path;

use manifest::Summary;

use crate::attached;
use crate::collision;
use crate::directory::{Found, SIGNATURE};
use crate::error::Error;
use crate::freshness;
use crate::name::check_name;
use crate::shelf::Shelf;
use crate::sums::{Entry, IMAGE_SUFFIX, Sums};
use crate::temporary::Temporary;
use crate::transaction::{Part, Transaction};
use crate::withdrawn;
use crate::{Added, Listing, Publication};

/// The image and its manifest are the first parts of each.
const OWN: usize = 2;

/// Adds images that were just made.
pub(crate) fn add(
    path: &Path,
    publications: Vec<Publication>,
    listing: Listing<'_>,
) -> Result<Vec<Added>, Error> {
    change(path, publications, &[], true, listing)
}

/// Adds what other stores have, and takes back what they took back. What was taken back anywhere
/// stays so.
pub(crate) fn join(
    path: &Path,
    publications: Vec<Publication>,
    withdrawn: &[Entry],
    listing: Listing<'_>,
) -> Result<Vec<Added>, Error> {
    change(path, publications, withdrawn, false, listing)
}

/// Adds images in their order, in one change of the list. `revives` says that an image which was
/// taken back may come again, if it has the same bytes.
fn change(
    path: &Path,
    publications: Vec<Publication>,
    withdrawn: &[Entry],
    revives: bool,
    listing: Listing<'_>,
) -> Result<Vec<Added>, Error> {
    let mut coming = Vec::with_capacity(publications.len());
    for mut publication in publications {
        check_names(
            &publication.name,
            &publication.image.0,
            &publication.manifest.0,
        )?;
        check_attached(&publication)?;
        let manifest = own_manifest(path, &mut publication)?;
        coming.push((publication, manifest));
    }
    let mut transaction = Transaction::begin(path, &listing)?;
    let mut shelf = Shelf::new(transaction.directory(), transaction.before().clone());
    let mut parts = Vec::with_capacity(coming.len() * OWN);
    let mut added = Vec::with_capacity(coming.len());
    let mut going = Vec::new();
    for (publication, manifest) in coming {
        if let Some(taken) = (withdrawn.iter()).find(|taken| taken.name == publication.image.0) {
            return Err(Error::Withdrawn {
                image: taken.name.clone(),
                path: path.to_owned(),
            });
        }
        let coming = (publication, manifest);
        let (placed, outcome) = place(&transaction, &mut shelf, coming, revives)?;
        going.extend(superseded(&mut shelf.sums, &placed));
        parts.extend(placed);
        added.push(outcome);
    }
    let mut after = shelf.into_sums()?;
    for entry in withdrawn {
        going.extend(take_back(path, &mut after, entry)?);
    }
    for name in going {
        transaction.remove(name)?;
    }
    freshness::renew(&mut after, listing.best_before, listing.now)?;
    // A store is signed as soon as there is a key, even if it has nothing new.
    let is_to_sign = listing.signing.is_some() && !transaction.directory().exists(SIGNATURE)?;
    let is_new = added.iter().any(|added| *added != Added::Unchanged);
    if is_new || after != *transaction.before() || is_to_sign {
        transaction.commit(parts, &after, listing)?;
    }
    Ok(added)
}

/// Puts an image and its manifest on the list, or says why they can't be there.
fn place(
    transaction: &Transaction,
    shelf: &mut Shelf<'_>,
    (publication, manifest): (Publication, Summary),
    revives: bool,
) -> Result<(Vec<Part>, Added), Error> {
    let path = transaction.directory().path();
    let Publication {
        replace,
        allow_older,
        ..
    } = publication;
    let own = [publication.image, publication.manifest];
    let parts = (own.into_iter().chain(publication.attached))
        .map(|file| transaction.part(file))
        .collect::<Result<Vec<_>, _>>()?;
    if let Some(taken) = parts
        .iter()
        .take(OWN)
        .find(|part| part.found == Found::Other)
        && !replace
    {
        return Err(Error::Exists {
            path: path.join(&taken.name),
        });
    }
    let (image, sha256) = (parts[0].name.clone(), parts[0].sha256);
    if let Some(before) = withdrawn::digest_of(&shelf.sums, &image)
        && (*before != sha256 || !revives)
        && !replace
    {
        return Err(Error::Withdrawn {
            image,
            path: path.to_owned(),
        });
    }
    let added = outcome(&parts, transaction.before());
    if added != Added::Unchanged {
        let files: Vec<_> = (parts.iter())
            .map(|part| (part.name.as_str(), part.sha256))
            .collect();
        shelf.extend(manifest, &files, allow_older)?;
    }
    withdrawn::forget(&mut shelf.sums, &image);
    Ok((parts, added))
}

/// Lists files that belong to a listed image, in place of those that have their names; says whether that
/// changed anything.
pub(crate) fn attach(
    path: &Path,
    image: &str,
    attached: Vec<(String, Temporary, [u8; 32])>,
    listing: Listing<'_>,
) -> Result<bool, Error> {
    check_belong(image, &attached)?;
    let transaction = Transaction::begin(path, &listing)?;
    let mut after = transaction.before().clone();
    if after.get(image).is_none() {
        return Err(Error::Changed {
            path: path.join(image),
            problem: "is not listed",
        });
    }
    let mut parts = Vec::with_capacity(attached.len());
    for file in attached {
        after.insert(&file.0, file.2);
        parts.push(transaction.part(file)?);
    }
    let is_change = after != *transaction.before();
    let is_lost = parts.iter().any(|part| part.found != Found::Same);
    if is_change || is_lost {
        freshness::renew(&mut after, listing.best_before, listing.now)?;
        transaction.commit(parts, &after, listing)?;
    }
    Ok(is_change || is_lost)
}

/// Takes off the list what belongs to an image that had other bytes before, and does not come with the
/// new one; returns the files that go.
fn superseded(sums: &mut Sums, parts: &[Part]) -> Vec<String> {
    let Some(image) = parts.first().filter(|image| image.found == Found::Other) else {
        return Vec::new();
    };
    let mut going = attached::of(sums, &image.name);
    going.retain(|name| !parts.iter().any(|part| part.name == *name));
    sums.retain(|name| !going.iter().any(|gone| gone == name));
    going
}

/// Takes off the list an image that was taken back elsewhere; returns the files that go.
pub(crate) fn take_back(
    path: &Path,
    after: &mut Sums,
    taken: &Entry,
) -> Result<Vec<String>, Error> {
    let image = &taken.name;
    let other = |listed: &[u8; 32]| *listed != taken.sha256;
    if after.get(image).is_some_and(other) || withdrawn::digest_of(after, image).is_some_and(other)
    {
        return Err(Error::Withdrawn {
            image: image.clone(),
            path: path.to_owned(),
        });
    }
    let mut going = attached::of(after, image);
    going.extend([image.clone(), manifest::file_name(image)]);
    going.retain(|name| after.get(name).is_some());
    after.retain(|name| !going.iter().any(|file| file == name));
    withdrawn::remember(after, image, taken.sha256);
    Ok(going)
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

/// Fails for a file that does not belong to the image with which it comes.
pub(crate) fn check_attached(publication: &Publication) -> Result<(), Error> {
    check_belong(&publication.image.0, &publication.attached)
}

fn check_belong(image: &str, files: &[(String, Temporary, [u8; 32])]) -> Result<(), Error> {
    let mut names = files.iter().map(|(name, ..)| name);
    match names.find(|name| !attached::is_attached(name, image)) {
        None => Ok(()),
        Some(name) => Err(Error::Attached {
            name: name.clone(),
            image: image.to_owned(),
        }),
    }
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
    if parts
        .iter()
        .take(OWN)
        .any(|part| part.found == Found::Other)
    {
        Added::Replaced
    } else if parts.iter().all(is_there) {
        Added::Unchanged
    } else {
        Added::New
    }
}
