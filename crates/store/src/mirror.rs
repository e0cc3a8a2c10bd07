//! A list that was made elsewhere takes the place of the one that is here, with its signature.
//!
//! A mirror signs nothing: its list is the owner's, byte for byte. All files that it names have to be
//! there before. What the former list named and the new one does not goes afterwards: until then, a
//! client that has read the former list finds what it asks for.

use crate::directory::{Directory, SIGNATURE};
use crate::error::Error;
use crate::inventory::is_about_the_list;
use crate::pending;
use crate::publish::{self, Change, Issue};
use crate::serial::{self, Issued, Serial, Setback};
use crate::sums::Sums;
use crate::{Offer, Store};

/// The file with the address of the store that a directory is a copy of.
pub const MIRROR_OF: &str = ".mirror";

impl Offer {
    /// The files that the list has, in name order, each with its SHA-256: all lines that are not about the
    /// list itself.
    #[must_use]
    pub fn files(&self) -> Vec<(&str, [u8; 32])> {
        let entries = self.sums().entries().iter();
        let files = entries.filter(|entry| !is_about_the_list(entry));
        files
            .map(|entry| (entry.name.as_str(), entry.sha256))
            .collect()
    }
}

impl Store {
    /// Says why a list may not follow the one that is here: it is an earlier one, or another store's.
    ///
    /// # Errors
    /// Those of [`Store::entries`].
    pub fn setback_by(&self, list: &[u8]) -> Result<Option<Setback>, Error> {
        let directory = Directory::open(self.dir())?;
        check(&directory, list)
    }

    /// Puts a list and its signature in place, of which all files are there; whether they are what the
    /// list says is for the caller to know. Returns the names of the files that went.
    ///
    /// # Errors
    /// [`Error::Sums`] of either list, [`Error::Setback`], [`Error::Missing`] for a listed file,
    /// [`Error::Io`]. The list is then the one that was there.
    pub fn adopt(&self, list: &[u8], signature: Option<&[u8]>) -> Result<Vec<String>, Error> {
        let directory = Directory::open(self.dir())?;
        directory.lock()?;
        publish::recover(&directory)?;
        if let Some(problem) = check(&directory, list)? {
            let path = directory.path().join(crate::SUMS);
            return Err(Error::Setback { path, problem });
        }
        let former = directory.parse_list(&directory.read_list()?)?;
        pending::resolve(&directory, &former)?;
        let sums = directory.parse_list(list)?;
        for entry in sums.entries() {
            if !is_about_the_list(entry) && directory.size(&entry.name)?.is_none() {
                let path = directory.path().join(&entry.name);
                return Err(Error::Missing { path });
            }
        }
        let signature = match signature {
            Some(bytes) => Change::Put(directory.temporary_of(bytes)?),
            None if directory.exists(SIGNATURE)? => Change::Remove,
            None => Change::Leave,
        };
        let published = Issue::former(&directory, list, signature)
            .and_then(|issue| issue.publish(&directory))
            .and_then(|()| publish::sync_published(&directory));
        if let Err(error) = published {
            publish::abandon(&directory)?;
            return Err(error);
        }
        let gone: Vec<_> = gone(&former, &sums);
        for name in &gone {
            directory.remove(name)?;
        }
        directory.sync()?;
        Ok(gone)
    }
}

/// Compares a list with the number of the one that is there.
fn check(directory: &Directory, list: &[u8]) -> Result<Option<Setback>, Error> {
    let here = directory.read_list()?;
    let Some(serial) = serial::of(&directory.parse_list(&here)?) else {
        return Ok(None);
    };
    let last = Issued {
        serial,
        sha256: serial::digest(&here),
    };
    let found = serial::of(&directory.parse_list(list)?);
    Ok(Serial::check(found.as_ref(), list, &last, false).err())
}

/// The files of one list that another does not have.
fn gone(former: &Sums, sums: &Sums) -> Vec<String> {
    let files = former.entries().iter();
    let files = files.filter(|entry| !is_about_the_list(entry) && sums.get(&entry.name).is_none());
    files.map(|entry| entry.name.clone()).collect()
}
