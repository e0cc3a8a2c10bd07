//! The store: the directory that clients are served from.
//!
//! ```text
//! store/
//! ├── SHA256SUMS                          what clients may fetch: hash and name, sorted by name
//! ├── SHA256SUMS.gpg                      its detached signature, if the store is signed
//! ├── import-pubring.gpg                  the public keys for it, as clients take them
//! ├── definitions.tar.gz                  where systemd-sysupdate finds each extension, listed
//! ├── compat.json                         what becomes of each image on other systems, listed
//! ├── sysupdate.strace.d/                 the same for people to read; not listed
//! ├── index.html, index.json              what people and programs read; not listed
//! ├── strace-6.11-1.1.x86-64.raw          an image, listed
//! ├── strace-6.11-1.1.x86-64.manifest.gz  its manifest (gzip'd JSON), listed
//! ├── strace-6.11-1.1.x86-64.spdx.json    what else belongs to it (`attached`), listed
//! ├── strace-6.11-1.1.x86-64.blocks       the index of its pieces, listed, if it has one
//! ├── strace-6.11-1.1.x86-64.from-6.11-1.patch  what makes it of an older image, listed, if there is one
//! │                                       for a moment, under the lock:
//! ├── .sysext-build-new.tmp                 a file on its way to its name
//! ├── .sysext-build-old-*.tmp               what `replace` replaces
//! ├── .sysext-build-next-list.tmp           list and signature on their way to their names,
//! ├── .sysext-build-next-signature.tmp        and the mark that they belong there
//! ├── .sysext-build-committed.tmp             (`publish` says how)
//! ├── .sysext-build-pending.tmp             files that go unless they are listed (`pending`)
//! └── .sysext-build-<pid>-<n>.tmp         only where the file system has no files without a name
//! ```
//!
//! **Files.** A name is given to complete bytes only: they are written to a [`Temporary`], synced,
//! and then linked. `SHA256SUMS` is replaced by rename, after everything that it lists is on the
//! disk, and its signature by the rename before that one. Names that are taken keep their bytes,
//! unless the caller asks to replace them. All names are in one directory, and a client of `gcc`
//! looks for `gcc-@v.%a.raw` there; so an extension whose images fit the pattern of another is
//! refused. Lines and files that others put there are kept, as long as nobody signs for them; a
//! `SHA256SUMS` that some systemd would refuse is an error and is never rewritten.
//!
//! **Signatures.** A signed list is only extended by the key that signed it ([`Signing`]). A list
//! that somebody else changed, or whose signature is gone, takes no change but a new signature that
//! its owner asks for by name ([`Store::sign`]).
//!
//! **Locks.** A change holds an exclusive `flock` on the directory itself from before it reads
//! `SHA256SUMS` until after it has replaced it, and waits for as long as another holds it. There
//! is no lock file, and the kernel drops the lock of a killed process. Readers
//! ([`Store::entries`], web servers, clients) take no lock: the rename shows them the old list or
//! the new one. Of a signed store they see the new signature beside the old list between the two
//! renames; they refuse it then, and it is over in microseconds.
//!
//! **What a kill leaves.** A list that holds, and every listed file complete. The rest is under the
//! fixed names above, and the next change completes it or takes it back: what was to be added and
//! was not listed yet goes, what was taken off the list goes, a list whose signature is in place
//! gets its name. If it was killed while it replaced files: the old or the new bytes under their
//! name, not listed; adding lists them again. Only a file named after a process id stays until
//! someone deletes it. An error, unlike a kill, leaves the directory as it was; and if it can't,
//! no file is listed that did not come back.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        reason = "a test reads what it made itself"
    )
)]

mod add;
mod amend;
mod archive;
mod attached;
mod collision;
mod companion;
mod compat;
mod copy;
mod definition;
mod directory;
mod error;
mod foresight;
mod freshness;
mod index;
mod inventory;
mod layout;
mod ledger;
mod mirror;
mod name;
mod obs;
mod offer;
pub mod order;
mod pending;
mod prune;
mod publish;
mod replace;
mod serial;
mod shelf;
mod sums;
mod tarball;
mod temporary;
// Helpers of the tests are compiled for those outside of the crate, too.
#[cfg(test)]
extern crate self as store;
#[cfg(test)]
mod tests;
mod transaction;
mod verify;
mod withdrawn;

use std::fmt;
use std::path::{Path, PathBuf};

pub use amend::Amend;
pub use archive::{ARCHIVE, compare_definitions, remove_other_definitions, write_definitions};
pub use attached::{
    ATTACHED, PATCH_SUFFIX, STATEMENT, is_attached, patch_name, rebuilt_file, statement_file,
};
pub use companion::{Half, companion_of, family_of, halves, main_of};
pub use compat::{
    COMPAT, CompatProblem, Compatibility, JudgedBase, JudgedImage, JudgedWord, MAX_COMPAT,
};
pub use definition::{
    CONFEXT_LINK_DIRECTORY, DEFAULT_INSTANCES, Definition, DefinitionProblem, Delivery,
    IMAGE_DIRECTORY, MAX_INSTANCES, STAGING_DIRECTORY, StoreUrl, definitions_directory,
    link_directory,
};
pub use error::{Error, SignError};
pub use foresight::Prospect;
pub use freshness::{BestBefore, DayProblem, NotADay};
pub use index::{INDEX_SUFFIX, ImagePart, index_name};
pub use inventory::{ListedImage, directories, guess_name, halves_of, has_list};
pub use layout::Layout;
pub use ledger::MAX_KEYRING_SIZE;
pub use ledger::{Basis, Former, Signature};
pub use mirror::MIRROR_OF;
pub use name::{NameProblem, check_name};
pub use offer::{Offer, OfferProblem, Offered, version_of};
pub use prune::{Per, Pruning};
pub use replace::{replace_file, replace_file_below};
pub use serial::{Issued, Serial, Setback};
pub use sums::{Entry, IMAGE_SUFFIX, SumsProblem};
pub use tarball::{KEYRING, Trusted, certificate_name, write_tarball};
pub use temporary::Temporary;
pub use verify::{
    CheckSignature, Examination, FINDINGS, Finding, FindingKind, LookInside, Severity, Verdict,
    kinds, of_image,
};

pub use directory::{SIGNATURE, SUMS};

use directory::Directory;
use sha2::{Digest as _, Sha256};
use sums::Sums;
use transaction::Transaction;

/// A directory of images with one `SHA256SUMS`.
///
/// The value holds a path and no open file, so it may be shared by threads and kept for long.
#[derive(Debug, Clone)]
pub struct Store {
    dir: PathBuf,
}

/// An image and its manifest, ready to be named and listed.
#[derive(Debug)]
pub struct Publication {
    /// Name of the extension, such as `strace`: the text before `-@v` in a client's pattern.
    pub name: String,
    /// File name (`<name>-….raw`), the bytes, and their SHA-256.
    ///
    /// The hash is what gets listed; the store doesn't read the bytes again to check it.
    pub image: (String, Temporary, [u8; 32]),
    /// File name, the bytes (gzip'd JSON), and their SHA-256.
    ///
    /// The name must be the image's with `.manifest.gz` in the place of `.raw`: clients derive
    /// the one from the other.
    pub manifest: (String, Temporary, [u8; 32]),
    /// The same of what else belongs to the image ([`is_attached`]). What is there under these names
    /// is replaced.
    pub attached: Vec<(String, Temporary, [u8; 32])>,
    /// Whether files of these names that hold other bytes are replaced.
    pub replace: bool,
    /// Whether to add an image even if it is not the newest of its extension.
    pub allow_older: bool,
}

/// Makes the detached OpenPGP signature of the bytes of a list, binary or armored.
pub type Sign<'a> = dyn FnMut(&[u8]) -> Result<Vec<u8>, SignError> + 'a;

/// Finds out by which key a list is signed.
pub type Examine<'a> = dyn Fn(&Former<'_>) -> Signature + 'a;

/// Finds the last list that was signed, given the number of the list that is there.
pub type Recall<'a> = dyn Fn(Option<&Serial>) -> Option<Issued> + 'a;

/// What signs a list, and knows by whom the list before it was signed.
pub struct Signing<'a> {
    /// Signs the list. It is called before anything in the store changes, and twice where files
    /// are replaced.
    pub sign: Box<Sign<'a>>,
    /// Finds out by which key the list that is there is signed. It is asked for each store that is
    /// signed, before anything else is done.
    pub examine: Box<Examine<'a>>,
    /// Fingerprint of the key.
    pub key: String,
    /// The time of its signatures, in seconds since 1970.
    pub time: u64,
    /// Whether another key may have signed before.
    pub new_key: bool,
    /// The last list that was signed in this directory, or of the store whose number the list there
    /// has: it is not extended if it comes before.
    pub last: Box<Recall<'a>>,
    /// Whether the list that is there was put back on purpose, so that it may come before.
    pub restored: bool,
    /// Is told of each list that was signed and is published.
    pub issued: Box<dyn FnMut(&Issued) + 'a>,
}

/// How a changed list is published.
#[derive(Default)]
pub struct Listing<'a> {
    /// What signs the list. A store that is signed takes no change without it, and with it only if
    /// the list that is there is signed by the same key.
    pub signing: Option<Signing<'a>>,
    /// The last day on which clients may take the list, in place of an earlier one.
    pub best_before: Option<BestBefore>,
    /// The time, in seconds since 1970: a day that is over is refused.
    pub now: u64,
}

impl fmt::Debug for Listing<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listing")
            .field("key", &self.signing.as_ref().map(|signing| &signing.key))
            .field("best_before", &self.best_before)
            .field("now", &self.now)
            .finish()
    }
}

/// What [`Store::add`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Added {
    /// At least one of the two was not there or not listed before, and nothing was replaced.
    New,
    /// Both were there with the same bytes and listed; nothing was written.
    Unchanged,
    /// At least one file had other bytes before.
    Replaced,
}

/// A list that was read: whatever is asked of it is of the same bytes.
#[derive(Debug)]
pub struct List {
    directory: Directory,
    bytes: Vec<u8>,
    sums: Sums,
}

impl List {
    /// The bytes, of which a signature is.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// What is listed and what the manifests say: by name, and of each name the newest first. A
    /// manifest that is not the listed one says nothing.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn images(&self) -> Result<Vec<ListedImage>, Error> {
        self.images_with(&|_| true)
    }

    /// The same of the images whose file names are wanted: of others no manifest is read.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn images_with(&self, is_wanted: &dyn Fn(&str) -> bool) -> Result<Vec<ListedImage>, Error> {
        inventory::images(&self.directory, &self.sums, is_wanted)
    }

    /// The file names of images that were taken back, in name order: other bytes never get one.
    #[must_use]
    pub fn withdrawn(&self) -> Vec<String> {
        withdrawn::all(&self.sums)
    }

    /// The same with their digests: entries by the file names of the images.
    #[must_use]
    pub fn withdrawals(&self) -> Vec<Entry> {
        withdrawn::entries(&self.sums)
    }

    /// The digest of an image of this file name that was taken back.
    #[must_use]
    pub fn withdrawn_digest(&self, image: &str) -> Option<[u8; 32]> {
        withdrawn::digest_of(&self.sums, image).copied()
    }

    /// The listed digest of a file.
    #[must_use]
    pub fn digest_of(&self, name: &str) -> Option<[u8; 32]> {
        self.sums.get(name).copied()
    }

    /// The last day on which clients take the list, if it has one.
    #[must_use]
    pub fn best_before(&self) -> Option<BestBefore> {
        freshness::of(&self.sums)
    }

    /// The names of the listed files that belong to an image, but for its manifest, in name order.
    #[must_use]
    pub fn attached(&self, image: &str) -> Vec<String> {
        attached::of(&self.sums, image)
    }

    /// The bytes of a listed file, of at most so many; `None` if there is none, or not the listed one.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Io`].
    pub fn read(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        let Some(listed) = self.digest_of(name) else {
            return Ok(None);
        };
        let bytes = self.directory.read_bounded(name, limit)?;
        Ok(bytes.filter(|bytes| Sha256::digest(bytes)[..] == listed))
    }

    /// Copies a listed file into another store, without a name as yet.
    ///
    /// # Errors
    /// [`Error::Changed`] for a file that is gone, or not the listed one; [`Error::File`],
    /// [`Error::Io`].
    pub fn copy(&self, name: &str, into: &Store) -> Result<(String, Temporary, [u8; 32]), Error> {
        copy::copy(&self.directory, &self.sums, name, into)
    }

    /// The whole manifest of a listed image; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::Manifest`] for one that can't be read or is not the listed one; [`Error::File`],
    /// [`Error::Io`].
    pub fn manifest(&self, image: &str) -> Result<Option<manifest::Manifest>, Error> {
        inventory::read_manifest(&self.directory, &self.sums, image)
    }

    /// The definitions of the archive; `None` if none is listed.
    ///
    /// # Errors
    /// [`Error::Archive`] for an archive that is not the listed one, or not one that
    /// [`Store::define`] makes; [`Error::File`], [`Error::Io`].
    pub fn definitions(&self) -> Result<Option<Vec<Definition>>, Error> {
        archive::definitions(&self.directory, &self.sums)
    }
}

impl Store {
    /// Opens the store in `dir`, which must be a directory that this process may write to.
    ///
    /// Makes no file. A directory without `SHA256SUMS` is an empty store.
    ///
    /// # Errors
    /// [`Error::Io`] when `dir` is missing, no directory, or not writable.
    pub fn open(dir: &Path) -> Result<Store, Error> {
        Directory::open(dir)?.check_writable()?;
        Ok(Store {
            dir: dir.to_owned(),
        })
    }

    /// Opens the store in `dir`, which this process may only read: nothing can be added.
    ///
    /// # Errors
    /// [`Error::Io`] when `dir` is missing or no directory.
    pub fn open_for_reading(dir: &Path) -> Result<Store, Error> {
        Directory::open(dir)?;
        Ok(Store {
            dir: dir.to_owned(),
        })
    }

    /// Makes the directory `dir` (and its parents) unless it is there, then opens it.
    ///
    /// # Errors
    /// Those of [`Store::open`], and [`Error::Io`] when a directory can't be made.
    pub fn create(dir: &Path) -> Result<Store, Error> {
        std::fs::create_dir_all(dir).map_err(|source| Error::Io {
            action: "make directory",
            path: dir.to_owned(),
            source,
        })?;
        Store::open(dir)
    }

    /// The directory, as it was given to [`Store::open`].
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Makes an empty file in the store's file system to write an image or a manifest to.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn temporary(&self) -> Result<Temporary, Error> {
        Directory::open(&self.dir)?.temporary()
    }

    /// Names and lists an image and its manifest, both or neither.
    ///
    /// When this returns, the result is on the disk. Every file that has one of the two names
    /// already is read and hashed, listed or not: what is on the disk decides.
    ///
    /// # Errors
    /// - [`Error::Name`], [`Error::FileNames`], [`Error::Attached`]: a name that clients can't take.
    /// - [`Error::Exists`]: a name is taken by other bytes, and `replace` is not set.
    /// - [`Error::NameCollision`]: the pattern of one extension fits an image of another.
    /// - [`Error::Sums`], [`Error::ImagePrefix`], [`Error::File`],
    ///   [`Error::Manifest`]: what is in the directory can't be built upon.
    /// - [`Error::Unsigned`], [`Error::SignatureMissing`], [`Error::SignatureInvalid`],
    ///   [`Error::OtherKey`]: the store is signed, and its list may not be extended by this signer.
    /// - [`Error::Freshness`]: the day is over, or earlier than the one that is listed; or none is
    ///   given, and the one that is listed is over.
    /// - [`Error::LockUnsupported`]: the file system has no `flock`.
    /// - [`Error::Io`], [`Error::Undo`].
    ///
    /// After any of them but [`Error::Undo`] the directory is as it was. One exception: when only
    /// the last step fails, the sync of the directory after the new list is in place, the image
    /// is in the store, and may or may not survive a power failure.
    pub fn add(&self, publication: Publication, listing: Listing<'_>) -> Result<Added, Error> {
        let added = self.add_all(vec![publication], listing)?;
        Ok(added.into_iter().next().unwrap_or(Added::Unchanged))
    }

    /// Does what [`Store::add`] does for several images, in the order given: all of them, or none.
    ///
    /// # Errors
    /// Those of [`Store::add`].
    pub fn add_all(
        &self,
        publications: Vec<Publication>,
        listing: Listing<'_>,
    ) -> Result<Vec<Added>, Error> {
        add::add(&self.dir, publications, listing)
    }

    /// Adds what other stores have, in the order given and in one change: the images, and the names
    /// that were taken back there, with their digests. What was taken back stays so, wherever that
    /// was: an image of `withdrawn` that is listed here goes, and none of `publications` may be one
    /// that was taken back here.
    ///
    /// # Errors
    /// Those of [`Store::add`], and [`Error::Withdrawn`] for a name that had other bytes here than
    /// where it was taken back.
    pub fn join(
        &self,
        publications: Vec<Publication>,
        withdrawn: &[Entry],
        listing: Listing<'_>,
    ) -> Result<Vec<Added>, Error> {
        add::join(&self.dir, publications, withdrawn, listing)
    }

    /// Gives an image that is there other bytes, and the manifest beside it, which `amend` makes of a copy;
    /// returns the digest that the image has then. If the image is listed, it is the listed one that is
    /// changed, and the list changes with it; otherwise what is beside it with its digest does.
    ///
    /// # Errors
    /// Those of `amend`; [`Error::Changed`] if the image is not there, or not the listed one; those of
    /// [`Store::add`] about the list and the signature.
    pub fn amend<E: From<Error>>(
        &self,
        image: &str,
        amend: &mut Amend<'_, E>,
        listing: Listing<'_>,
    ) -> Result<[u8; 32], E> {
        amend::amend(self, image, amend, listing)
    }

    /// Adds files that belong to a listed image, in place of those that have their names. Returns whether
    /// that changed anything.
    ///
    /// # Errors
    /// Those of [`Store::add`] about the list and the signature, [`Error::Attached`] for a file that is
    /// not named as one of the image, [`Error::Changed`] for an image that is not listed.
    pub fn attach(
        &self,
        image: &str,
        attached: Vec<(String, Temporary, [u8; 32])>,
        listing: Listing<'_>,
    ) -> Result<bool, Error> {
        add::attach(&self.dir, image, attached, listing)
    }

    /// Does what [`Store::add`] does for an image that is there already: gives the list its day, and its
    /// first signature. Returns whether that changed anything.
    ///
    /// # Errors
    /// Those of [`Store::add`] about the list and the signature.
    pub fn keep(&self, listing: Listing<'_>) -> Result<bool, Error> {
        add::keep(&self.dir, listing)
    }

    /// Names images and their manifests, each with a `NAME.sha256` beside it, and lists nothing: what
    /// the Open Build Service wants to find.
    ///
    /// # Errors
    /// Those of [`Store::add`], and [`Error::Listed`] where the directory has a list.
    pub fn add_for_obs(&self, publications: Vec<Publication>) -> Result<Vec<Added>, Error> {
        obs::add(&self.dir, publications)
    }

    /// Finds out what [`Store::add`] will be refused for, as far as that is known before there are
    /// files to add. Changes nothing, and waits for nobody. Returns the names that are taken: whether
    /// their files have the bytes that are about to come is not known.
    ///
    /// # Errors
    /// Those of [`Store::add`].
    pub fn foresee(
        &self,
        prospect: &Prospect,
        best_before: Option<BestBefore>,
        now: u64,
    ) -> Result<Vec<String>, Error> {
        self.foresee_all(std::slice::from_ref(prospect), &[], best_before, now)
    }

    /// Does the same for what [`Store::join`] adds and takes back.
    ///
    /// # Errors
    /// Those of [`Store::join`].
    pub fn foresee_all(
        &self,
        prospects: &[Prospect],
        withdrawn: &[Entry],
        best_before: Option<BestBefore>,
        now: u64,
    ) -> Result<Vec<String>, Error> {
        foresight::of_list(&self.dir, (prospects, withdrawn), best_before, now)
    }

    /// Does the same for [`Store::keep`].
    ///
    /// # Errors
    /// Those of [`Store::keep`] about the list.
    pub fn foresee_keep(&self, best_before: Option<BestBefore>, now: u64) -> Result<(), Error> {
        foresight::of_day(&self.dir, best_before, now)
    }

    /// Does the same for [`Store::add_for_obs`].
    ///
    /// # Errors
    /// Those of [`Store::add_for_obs`].
    pub fn foresee_for_obs(&self, prospects: &[Prospect]) -> Result<Vec<String>, Error> {
        foresight::of_obs(&self.dir, prospects)
    }

    /// Signs the list as it stands, no matter who wrote it, and extends its freshness if a day is given;
    /// without a signer only the latter, and only where the store is not signed.
    ///
    /// Returns what the signature takes over: this is the only change that starts from a list which
    /// nobody vouches for.
    ///
    /// # Errors
    /// Those of [`Store::add`] about the list, [`Error::OtherKey`], [`Error::Unsigned`],
    /// [`Error::Freshness`], and [`Error::NoList`] when nothing is listed and nothing was signed.
    pub fn sign(&self, listing: Listing<'_>) -> Result<Basis, Error> {
        let (transaction, basis) = Transaction::begin_to_sign(&self.dir, &listing)?;
        let mut after = transaction.before().clone();
        // A list that is gone is no list to vouch for as long as there is something to be listed.
        let is_gone = || Ok::<_, Error>(!ledger::has_no_image(transaction.directory())?);
        if after.is_empty() && (basis == Basis::Unsigned || is_gone()?) {
            return Err(Error::NoList {
                path: self.dir.join(SUMS),
            });
        }
        freshness::renew(&mut after, listing.best_before, listing.now)?;
        transaction.commit(Vec::new(), &after, listing)?;
        Ok(basis)
    }

    /// Removes all images but the newest, with their manifests, and returns them; a dry run only
    /// returns them. The list changes first, so that no client is sent to what is gone.
    ///
    /// # Errors
    /// Those of [`Store::add`] about the list and the signature.
    pub fn prune(
        &self,
        pruning: Pruning,
        is_dry_run: bool,
        listing: Listing<'_>,
    ) -> Result<Vec<ListedImage>, Error> {
        prune::prune(&self.dir, pruning, is_dry_run, listing)
    }

    /// Removes the images that are meant by these words, with their manifests, and returns them: each
    /// is the name of an extension, all of whose images go, or of a file. A dry run only returns
    /// them.
    ///
    /// # Errors
    /// Those of [`Store::prune`].
    pub fn remove(
        &self,
        words: &[String],
        is_dry_run: bool,
        listing: Listing<'_>,
    ) -> Result<Vec<ListedImage>, Error> {
        let meant = |images: &[ListedImage]| {
            let is_meant = |image: &&ListedImage| words.iter().any(|word| image.is_called(word));
            images.iter().filter(is_meant).cloned().collect()
        };
        prune::remove(&self.dir, &meant, true, is_dry_run, listing)
    }

    /// Whether the list has a `SHA256SUMS.gpg`.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn is_signed(&self) -> Result<bool, Error> {
        Directory::open(&self.dir)?.exists(SIGNATURE)
    }

    /// Whether the store is signed, or was: it has a `SHA256SUMS.gpg`, a published key, or a list
    /// with a number, so that every change needs a signer.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn needs_signer(&self) -> Result<bool, Error> {
        let directory = Directory::open(&self.dir)?;
        // A list that can't be read is said where it is to be changed.
        let sums = directory
            .read_list()
            .and_then(|list| directory.parse_list(&list));
        Ok(ledger::evidence(&directory, &sums.unwrap_or_default())?.is_some())
    }

    /// Finds out what a change would start from, which is refused if the list may not be extended by
    /// this signer; changes nothing.
    ///
    /// # Errors
    /// Those of [`Store::add`] about the signature, [`Error::LockUnsupported`], [`Error::Io`].
    pub fn basis(&self, signing: &Signing<'_>) -> Result<Basis, Error> {
        let directory = Directory::open(&self.dir)?;
        directory.lock()?;
        ledger::check(&directory, signing, false).map(|checked| checked.basis)
    }

    /// Reads the list; no file is an empty list.
    ///
    /// # Errors
    /// Those of [`Store::entries`].
    pub fn list(&self) -> Result<List, Error> {
        let directory = Directory::open(&self.dir)?;
        let bytes = directory.read_list()?;
        let sums = directory.parse_list(&bytes)?;
        Ok(List {
            directory,
            bytes,
            sums,
        })
    }

    /// Reads the signature of the list; `None` if there is none.
    ///
    /// # Errors
    /// [`Error::File`] for a link and a file that is too large, [`Error::Io`].
    pub fn signature(&self) -> Result<Option<Vec<u8>>, Error> {
        Directory::open(&self.dir)?.read_signature()
    }

    /// Reads the public keys that are published with the list; `None` if there are none.
    ///
    /// # Errors
    /// Those of [`Store::signature`].
    pub fn published_keys(&self) -> Result<Option<Vec<u8>>, Error> {
        ledger::read_keys(&Directory::open(&self.dir)?)
    }

    /// Reads what is listed and what the manifests say: by name, and of each name the newest first.
    ///
    /// # Errors
    /// Those of [`Store::entries`].
    pub fn images(&self) -> Result<Vec<ListedImage>, Error> {
        self.list()?.images()
    }

    /// Which list it is, if it was signed with a number.
    ///
    /// # Errors
    /// Those of [`Store::entries`].
    pub fn issued(&self) -> Result<Option<Issued>, Error> {
        let directory = Directory::open(&self.dir)?;
        let list = directory.read_list()?;
        let serial = serial::of(&directory.parse_list(&list)?);
        Ok(serial.map(|serial| Issued {
            serial,
            sha256: serial::digest(&list),
        }))
    }

    /// Why the list is not one that may follow `last`, if it is not. Nothing is said of its signature.
    ///
    /// # Errors
    /// Those of [`Store::entries`].
    pub fn setback(&self, last: &Issued) -> Result<Option<Setback>, Error> {
        let directory = Directory::open(&self.dir)?;
        let list = directory.read_list()?;
        let found = serial::of(&directory.parse_list(&list)?);
        Ok(Serial::check(found.as_ref(), &list, last, false).err())
    }

    /// The last day on which clients take the list, if it has one.
    ///
    /// # Errors
    /// Those of [`Store::entries`].
    pub fn best_before(&self) -> Result<Option<BestBefore>, Error> {
        Ok(self.list()?.best_before())
    }

    /// Reads `SHA256SUMS`, in name order; no file is an empty list.
    ///
    /// `BEST-BEFORE-YYYY-MM-DD` lines (with the hash of the empty input) and the `SERIAL-…` line (with
    /// the hash of the list before) are entries like others.
    ///
    /// # Errors
    /// [`Error::Sums`], [`Error::ImagePrefix`], [`Error::File`],
    /// [`Error::Io`].
    pub fn entries(&self) -> Result<Vec<Entry>, Error> {
        Ok(self.list()?.sums.into_entries())
    }
}
