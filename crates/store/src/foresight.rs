//! What a change will be refused for, as far as that is known before its files are made.
//!
//! Packing takes minutes; names, versions and days are known before. So the rules of the
//! transaction are asked first, with the list as it is then. The transaction asks them again, under
//! its lock. Only what is sure is refused here: where a name is taken, the bytes that are about to
//! come may be those that are there, unless the manifests already tell them apart.

use std::path::Path;

use manifest::{Package, Summary};

use crate::add::{check_names, take_back};
use crate::directory::Directory;
use crate::error::Error;
use crate::freshness;
use crate::obs::check_neighbours;
use crate::pending;
use crate::publish;
use crate::shelf::Shelf;
use crate::{BestBefore, Entry};

/// An image that is about to be made.
#[derive(Debug)]
pub struct Prospect {
    /// Its file name.
    pub image: String,
    /// What its manifest will say. Of this, `config` and `extension` count, and of its packages all
    /// but the digests of their files.
    pub manifest: Summary,
    /// Whether files of these names that hold other bytes are replaced.
    pub replace: bool,
    /// Whether to add an image even if it is not the newest of its extension.
    pub allow_older: bool,
}

/// What is known of a name that the change will give.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Taken {
    /// It is free.
    No,
    /// A file has it, which may be the same.
    Perhaps,
    /// Something has it that is not the same for sure.
    Yes,
}

/// What [`Store::add`](crate::Store::add) will be refused for, and [`Store::join`](crate::Store::join)
/// for several images in their order.
pub(crate) fn of_list(
    path: &Path,
    (prospects, withdrawn): (&[Prospect], &[Entry]),
    best_before: Option<BestBefore>,
    now: u64,
) -> Result<Vec<String>, Error> {
    let directory = Directory::open(path)?;
    let (list, _) = publish::upcoming(&directory)?;
    let before = directory.parse_list(&list)?;
    // What a killed process left goes as soon as the lock is taken.
    let left = pending::left(&directory, &before)?;
    let mut shelf = Shelf::new(&directory, before);
    let mut undecided = Vec::new();
    for prospect in prospects {
        let names = prospect.names()?;
        let taken = prospect.taken(&directory, &names, &left)?;
        let is_change = (names.iter().zip(taken))
            .any(|(name, taken)| taken != Taken::Perhaps || shelf.sums.get(name).is_none());
        if is_change {
            let files: Vec<_> = (names.iter())
                .map(|name| (name.as_str(), [0; 32]))
                .collect();
            shelf.extend(prospect.manifest.clone(), &files, prospect.allow_older)?;
        }
        undecided.extend(perhaps(names, taken));
    }
    let mut after = shelf.into_sums()?;
    for entry in withdrawn {
        take_back(path, &mut after, entry)?;
    }
    freshness::renew(&mut after, best_before, now)?;
    Ok(undecided)
}

/// What [`Store::keep`](crate::Store::keep) will be refused for.
pub(crate) fn of_day(path: &Path, best_before: Option<BestBefore>, now: u64) -> Result<(), Error> {
    let directory = Directory::open(path)?;
    let (list, _) = publish::upcoming(&directory)?;
    let mut sums = directory.parse_list(&list)?;
    freshness::renew(&mut sums, best_before, now)?;
    Ok(())
}

pub(crate) fn of_obs(path: &Path, prospects: &[Prospect]) -> Result<Vec<String>, Error> {
    let directory = Directory::open(path)?;
    let mut undecided = Vec::new();
    for prospect in prospects {
        let names = prospect.names()?;
        check_neighbours(&directory, &prospect.manifest.config.name, &prospect.image)?;
        let taken = prospect.taken(&directory, &names, &[])?;
        undecided.extend(perhaps(names, taken));
    }
    Ok(undecided)
}

impl Prospect {
    /// The names of the image and of its manifest, if they are usable.
    fn names(&self) -> Result<[String; 2], Error> {
        let manifest = manifest::file_name(&self.image);
        check_names(&self.manifest.config.name, &self.image, &manifest)?;
        Ok([self.image.clone(), manifest])
    }

    /// What has these names, which is refused if it is not the same for sure and must stay.
    fn taken(
        &self,
        directory: &Directory,
        names: &[String; 2],
        left: &[String],
    ) -> Result<[Taken; 2], Error> {
        let mut all = [Taken::No; 2];
        for (name, taken) in names.iter().zip(&mut all) {
            *taken = match () {
                () if left.contains(name) || !directory.exists(name)? => Taken::No,
                () if directory.size(name)?.is_none() => Taken::Yes,
                () if *name == self.image || self.is_like(directory, name)? => Taken::Perhaps,
                () => Taken::Yes,
            };
            if *taken == Taken::Yes && !self.replace {
                return Err(Error::Exists {
                    path: directory.path().join(name),
                });
            }
        }
        Ok(all)
    }

    /// Whether the manifest that is there may be the one that is about to come.
    fn is_like(&self, directory: &Directory, name: &str) -> Result<bool, Error> {
        let Some(file) = directory.open_file(name)? else {
            return Ok(false);
        };
        // Another program may have written it, but then its bytes are others.
        let Ok(there) = Summary::from_gzip(file) else {
            return Ok(false);
        };
        let known = |manifest: &Summary| -> Vec<Package> {
            let without_digest = |package: &Package| Package {
                sha256: None,
                ..package.clone()
            };
            manifest.packages.iter().map(without_digest).collect()
        };
        Ok(there.config == self.manifest.config
            && there.extension == self.manifest.extension
            && known(&there) == known(&self.manifest))
    }
}

/// The names of which it is not known whether their files are the same.
fn perhaps(names: [String; 2], taken: [Taken; 2]) -> impl Iterator<Item = String> {
    (names.into_iter().zip(taken))
        .filter(|(_, taken)| *taken == Taken::Perhaps)
        .map(|(name, _)| name)
}
