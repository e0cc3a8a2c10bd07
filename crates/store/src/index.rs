//! Indexes of images' pieces, and patches: files that belong to images ([`attached`](crate::attached))
//! and are made for many of them in one change of the list. What is in them is not known here.

use crate::archive::put;
use crate::attached;
use crate::error::Error;
use crate::transaction::Transaction;
use crate::{List, Listing, Store};

/// What the name of an index ends in, in the place of an image's `.raw`.
pub const INDEX_SUFFIX: &str = ".blocks";

/// The file name of the index of an image's pieces.
#[must_use]
pub fn index_name(image: &str) -> String {
    attached::beside(image, INDEX_SUFFIX)
}

/// A file that belongs to an image, to be put into a store.
#[derive(Debug)]
pub struct ImagePart {
    /// File name of the image.
    pub image: String,
    /// SHA-256 of the image.
    pub sha256: [u8; 32],
    /// The file's own name.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

impl Store {
    /// Puts such files into the store and on its list, in one change of it. One whose image is not listed
    /// any more, or has other bytes than when the file was made, is left out. Says whether something
    /// changed. At most one may be another than the one that is there.
    ///
    /// # Errors
    /// Those of [`Store::add`] about the list and the signature.
    pub fn put_parts(&self, parts: &[ImagePart], listing: Listing<'_>) -> Result<bool, Error> {
        let transaction = Transaction::begin(self.dir(), &listing)?;
        let after = transaction.before().clone();
        let listed = parts.iter();
        let listed = listed.filter(|part| after.get(&part.image) == Some(&part.sha256));
        let files: Vec<_> = listed
            .map(|part| (part.name.as_str(), part.bytes.as_slice()))
            .collect();
        put(transaction, after, &files, listing)
    }
}

impl List {
    /// The bytes of a listed file, of at most so many; `None` if it is not there, or not the listed one.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Io`].
    pub fn file(&self, name: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        self.read(name, limit)
    }
}
