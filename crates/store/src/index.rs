//! The indexes of images' pieces: files that belong to images ([`attached`](crate::attached)) and are
//! made for many of them in one change of the list. What is in an index is not known here.

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

/// The index of an image, to be put into a store.
#[derive(Debug)]
pub struct ImageIndex {
    /// File name of the image.
    pub image: String,
    /// SHA-256 of the image.
    pub sha256: [u8; 32],
    /// The bytes of the index.
    pub bytes: Vec<u8>,
}

impl Store {
    /// Puts indexes into the store and on its list, in one change of it. One whose image is not listed
    /// any more, or has other bytes than when the index was made, is left out. Says whether something
    /// changed. At most one may be another than the one that is there.
    ///
    /// # Errors
    /// Those of [`Store::add`] about the list and the signature.
    pub fn put_indexes(&self, indexes: &[ImageIndex], listing: Listing<'_>) -> Result<bool, Error> {
        let transaction = Transaction::begin(self.dir(), &listing)?;
        let after = transaction.before().clone();
        let listed = indexes.iter();
        let listed = listed.filter(|index| after.get(&index.image) == Some(&index.sha256));
        let files: Vec<_> = listed
            .map(|index| (index_name(&index.image), &index.bytes))
            .collect();
        let files: Vec<_> = (files.iter())
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
            .collect();
        put(transaction, after, &files, listing)
    }
}

impl List {
    /// The bytes of the listed index of an image, of at most so many; `None` if there is none, or not
    /// the listed one.
    ///
    /// # Errors
    /// [`Error::File`], [`Error::Io`].
    pub fn index_of(&self, image: &str, limit: u64) -> Result<Option<Vec<u8>>, Error> {
        self.read(&index_name(image), limit)
    }
}
