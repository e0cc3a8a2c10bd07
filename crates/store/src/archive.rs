//! The definitions of a store as clients take them: one archive on each list.
//!
//! Definitions say what root takes from where, and whether it asks for a signature. So they have to
//! be covered by the store's signature themselves. They are in an archive that `SHA256SUMS` lists
//! like an image: the list's signature covers it, it changes together with the list, and no old
//! definitions can be served with a new list. `definitions.tar.gz` ends in nothing that a client
//! takes for an image. The same files are beside it for people to read; no client takes those.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;

use sha2::{Digest as _, Sha256};

use crate::definition::{Definition, defined_in};
use crate::directory::{Directory, Found};
use crate::error::Error;
use crate::freshness;
use crate::sums::Sums;
use crate::tarball::{Trusted, read_tarball, write_tarball};
use crate::transaction::Transaction;
use crate::verify::{Finding, kinds};
use crate::{Listing, Store, replace_file_below};

/// Name of the archive of definitions.
pub const ARCHIVE: &str = "definitions.tar.gz";

/// Most bytes of an archive, packed and unpacked: some 10 000 definitions.
const MAX_ARCHIVE: u64 = 64 << 20;
/// Most bytes of a definition for people; ours have one thousand.
const MAX_DEFINITION: u64 = 64 << 10;
/// Most files in the directory of a definition; ours have three.
const MAX_FILES: usize = 64;
/// The time of what is in the archive, so that the same definitions are the same bytes.
const TIME: u32 = 0;

impl Store {
    /// Makes these the definitions of the store: the archive and its line on the list, both or
    /// neither; without any definition the store has no archive. Says whether something changed.
    ///
    /// # Errors
    /// Those of [`Store::add`] about the list and the signature.
    pub fn define(&self, definitions: &[Definition], listing: Listing<'_>) -> Result<bool, Error> {
        if definitions.is_empty() {
            return self.put_file(ARCHIVE, None, listing);
        }
        let failed = |source| Error::Io {
            action: "write",
            path: self.dir().join(ARCHIVE),
            source,
        };
        let mut tarball = Vec::new();
        write_tarball(definitions, &Trusted::default(), TIME, &mut tarball).map_err(failed)?;
        let bytes = manifest::pack(&tarball).map_err(failed)?;
        self.put_file(ARCHIVE, Some(&bytes), listing)
    }

    /// Puts a file that is not an image into the store, or takes it out of it, together with its
    /// line on the list. Says whether something changed.
    pub(crate) fn put_file(
        &self,
        name: &str,
        bytes: Option<&[u8]>,
        listing: Listing<'_>,
    ) -> Result<bool, Error> {
        let mut transaction = Transaction::begin(self.dir(), &listing)?;
        let mut after = transaction.before().clone();
        after.retain(|listed| listed != name);
        match bytes {
            Some(bytes) => put(transaction, after, &[(name, bytes)], listing),
            None if after == *transaction.before() => Ok(false),
            None => {
                transaction.remove(name.to_owned())?;
                put(transaction, after, &[], listing)
            }
        }
    }

    /// Reads the definitions of the archive that the list vouches for; `None` if none is listed.
    ///
    /// Whether anybody vouches for the list is not looked at.
    ///
    /// # Errors
    /// Those of [`Store::entries`] and [`List::definitions`].
    ///
    /// [`List::definitions`]: crate::List::definitions
    pub fn definitions(&self) -> Result<Option<Vec<Definition>>, Error> {
        match self.list()?.definitions() {
            // Perhaps it is about to change.
            Err(Error::Archive { .. }) => {
                let directory = Directory::open(self.dir())?;
                // Where there are no locks, nobody changes it by this program.
                let _ = directory.lock();
                definitions(&directory, &directory.parse_list(&directory.read_list()?)?)
            }
            found => found,
        }
    }
}

/// Puts files into a store and on the list `after`. Says whether something changed.
pub(crate) fn put(
    transaction: Transaction,
    mut after: Sums,
    files: &[(&str, &[u8])],
    listing: Listing<'_>,
) -> Result<bool, Error> {
    let directory = transaction.directory();
    let mut parts = Vec::new();
    for (name, bytes) in files {
        let sha256 = Sha256::digest(bytes).into();
        let mut file = directory.temporary()?;
        file.write_all(bytes)
            .map_err(|error| directory.error("write", name, error))?;
        parts.push(transaction.part(((*name).to_owned(), file, sha256))?);
        after.insert(name, sha256);
    }
    let is_there = parts.iter().all(|part| part.found == Found::Same);
    if is_there && after == *transaction.before() {
        return Ok(false);
    }
    // A list that no client takes any more is not signed again without another day.
    freshness::renew(&mut after, listing.best_before, listing.now)?;
    transaction.commit(parts, &after, listing)?;
    Ok(true)
}

pub(crate) fn definitions(
    directory: &Directory,
    sums: &Sums,
) -> Result<Option<Vec<Definition>>, Error> {
    let Some(listed) = sums.get(ARCHIVE) else {
        return Ok(None);
    };
    let error = |problem: &dyn std::fmt::Display| Error::Archive {
        path: directory.path().join(ARCHIVE),
        problem: problem.to_string(),
    };
    let bytes = directory.read_bounded(ARCHIVE, MAX_ARCHIVE)?;
    let bytes = bytes.ok_or_else(|| error(&"is listed but missing"))?;
    let sha256: [u8; 32] = Sha256::digest(&bytes).into();
    if sha256 != *listed {
        return Err(error(&"does not have the SHA-256 that is listed"));
    }
    let tarball = manifest::unpack(bytes.as_slice(), MAX_ARCHIVE).map_err(|e| error(&e))?;
    let found = read_tarball(&tarball, TIME).map_err(|problem| error(&problem))?;
    Ok(Some(found))
}

/// Writes the files of definitions into the store's root, for people to read. Files that are the
/// same already are not touched.
///
/// # Errors
/// Those of [`replace_file_below`].
pub fn write_definitions(root: &Path, definitions: &[Definition]) -> Result<(), Error> {
    for definition in definitions {
        for (name, text) in definition.files() {
            replace_file_below(root, &definition.directory_name(), &name, text.as_bytes())?;
        }
    }
    Ok(())
}

/// Removes the definitions in the store's root of extensions that are not among these: those that
/// [`write_definitions`] wrote once. What others changed stays.
///
/// # Errors
/// [`Error::Io`].
pub fn remove_other_definitions(root: &Path, definitions: &[Definition]) -> Result<(), Error> {
    let root = Directory::open(root)?;
    for directory in root.names()? {
        let Some(name) = defined_in(&directory) else {
            continue;
        };
        if definitions.iter().any(|one| one.name() == name) {
            continue;
        }
        let Ok(Some(found)) = read_files(&root, &directory) else {
            continue;
        };
        if parsed(name, &found).is_some_and(|own| by_file(&own) == found) {
            let within = root.enter(&directory)?;
            for file in found.keys() {
                within.remove(file)?;
            }
            root.remove_directory(&directory)?;
        }
    }
    Ok(())
}

/// Compares the definitions that are in the store's root for people with those of its archives.
///
/// Without an archive (`None`) there is nothing to compare them with. Then they must be what
/// [`write_definitions`] would write, and must not give up the signature of a store that
/// `is_signed`.
///
/// # Errors
/// [`Error::Io`].
pub fn compare_definitions(
    root: &Path,
    archived: Option<&[Definition]>,
    is_signed: bool,
) -> Result<Vec<Finding>, Error> {
    let archived = archived.map(|definitions| {
        let by_name = |one: &Definition| (one.name().to_owned(), one.clone());
        definitions.iter().map(by_name).collect::<BTreeMap<_, _>>()
    });
    let mut findings = Vec::new();
    let root = Directory::open(root)?;
    for directory in root.names()? {
        let Some(name) = defined_in(&directory) else {
            continue;
        };
        let mut say = |kind, file: &str, text: &str| {
            findings.push(Finding::new(kind, &format!("{directory}/{file}"), text));
        };
        let found = match read_files(&root, &directory) {
            Ok(Some(found)) => found,
            Err(error @ (Error::Io { .. } | Error::File(files::Error::Io { .. }))) => {
                return Err(error);
            }
            // A link, a FIFO, far too long, or far too many.
            Ok(None) | Err(_) => {
                say(
                    &kinds::DEFINITION_MISMATCH,
                    "",
                    "holds what is not a definition",
                );
                continue;
            }
        };
        let expected = match &archived {
            Some(archived) => archived.get(name).cloned(),
            None => parsed(name, &found).filter(|one| one.verifies() || !is_signed),
        };
        let Some(expected) = expected else {
            let text = match (&archived, parsed(name, &found)) {
                (Some(_), _) => "is not in definitions.tar.gz",
                (None, Some(_)) => "has Verify=no, and the store is signed",
                (None, None) => "is not what store sysupdate writes",
            };
            say(
                &kinds::DEFINITION_MISMATCH,
                &format!("{name}.transfer"),
                text,
            );
            continue;
        };
        let expected = by_file(&expected);
        let names: BTreeSet<_> = expected.keys().chain(found.keys()).collect();
        for file in names {
            if expected.get(file) != found.get(file) {
                let text = match (expected.get(file), found.get(file)) {
                    (None, _) => "does not belong to the definition",
                    (_, None) => "is missing",
                    _ => "is not what store sysupdate wrote",
                };
                say(&kinds::DEFINITION_MISMATCH, file, text);
            }
        }
        if archived.is_none() && is_signed {
            let text = "is not covered by the signature of the store";
            say(
                &kinds::DEFINITION_UNSIGNED,
                &format!("{name}.transfer"),
                text,
            );
        }
    }
    Ok(findings)
}

/// Returns the definition that these files are, if they are one.
fn parsed(name: &str, files: &BTreeMap<String, String>) -> Option<Definition> {
    Definition::parse(name, &|file| files.get(file))
}

fn by_file(definition: &Definition) -> BTreeMap<String, String> {
    definition.files().into_iter().collect()
}

/// Reads all files of a directory in the root, unless they are too many; what is not UTF-8 has
/// replacement characters.
fn read_files(root: &Directory, name: &str) -> Result<Option<BTreeMap<String, String>>, Error> {
    let directory = root.enter(name)?;
    let names = directory.names()?;
    if names.len() > MAX_FILES {
        return Ok(None);
    }
    let mut files = BTreeMap::new();
    for name in names {
        let bytes = directory.read_bounded(&name, MAX_DEFINITION)?;
        let text = String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned();
        files.insert(name, text);
    }
    Ok(Some(files))
}
