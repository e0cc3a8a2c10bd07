//! The list and its signature, put in place together.
//!
//! Two files can't be renamed in one step. So both get hidden names first, then an empty file says
//! that they belong in place, and only then come the two renames, with nothing between them:
//!
//! ```text
//! .sysext-build-next-list.tmp  .sysext-build-next-signature.tmp    synced, the directory too
//! .sysext-build-committed.tmp                                      the directory synced again
//! rename next-signature -> SHA256SUMS.gpg
//! rename next-list      -> SHA256SUMS                              the directory synced
//! remove committed
//! ```
//!
//! The process that takes the lock next finds out by `committed` what a killed process meant: with it, what
//! still has a hidden name is renamed, which needs no space, no key and no order of the renames on
//! the disk; without it, nothing had been touched, and the hidden files go.
//!
//! The signature comes first, as it does at the services whose clients are many: between the
//! renames a client refuses the old list, and asks again, and never trusts a wrong one.

use crate::Listing;
use crate::directory::{Directory, MAX_SIGNATURE_SIZE, SIGNATURE, SUMS};
use crate::error::Error;
use crate::pending::PENDING;
use crate::serial::{self, Issued, Serial};
use crate::sums::{MAX_SUMS_SIZE, Sums};
use crate::temporary::{NEW, Temporary};

/// A list on its way to its name.
const NEXT_LIST: &str = ".sysext-build-next-list.tmp";
/// Its signature on the way to its name.
const NEXT_SIGNATURE: &str = ".sysext-build-next-signature.tmp";
/// Empty; while it is there, the two above belong in place.
pub(crate) const COMMITTED: &str = ".sysext-build-committed.tmp";

/// Second names of the files that a transaction replaces, until the new list is in place.
pub(crate) const OLD: [&str; 12] = [
    ".sysext-build-old-image.tmp",
    ".sysext-build-old-manifest.tmp",
    ".sysext-build-old-image-sum.tmp",
    ".sysext-build-old-manifest-sum.tmp",
    ".sysext-build-old-attached-1.tmp",
    ".sysext-build-old-attached-2.tmp",
    ".sysext-build-old-attached-3.tmp",
    ".sysext-build-old-attached-4.tmp",
    ".sysext-build-old-attached-5.tmp",
    ".sysext-build-old-attached-6.tmp",
    ".sysext-build-old-attached-7.tmp",
    ".sysext-build-old-attached-8.tmp",
];

/// What happens to a file that may be replaced.
#[derive(Debug)]
pub(crate) enum Change {
    /// It stays as it is.
    Leave,
    /// It goes.
    Remove,
    /// These finished bytes take its place.
    Put(Temporary),
}

/// A list and its signature, on the disk and without names.
#[derive(Debug)]
pub(crate) struct Issue {
    list: Change,
    signature: Change,
    /// The bytes of a signature that is put in place.
    pub(crate) signature_bytes: Option<Vec<u8>>,
    /// Which list it is, if it is signed.
    pub(crate) issued: Option<Issued>,
}

impl Issue {
    /// Prints `sums`, with the next number and a signature if there is a signer; `former` are the
    /// bytes of the list that it takes the place of, and its number is above `last`. Returns the
    /// bytes of the new list, too.
    ///
    /// An empty list has no file, because systemd 254 and 257 refuse an empty one. A signed one has
    /// its number at least: the signature says that it is the store's owner who took all lines away.
    pub(crate) fn prepare(
        directory: &Directory,
        sums: &Sums,
        former: &[u8],
        last: Option<&Serial>,
        listing: &mut Listing<'_>,
    ) -> Result<(Issue, Vec<u8>), Error> {
        let mut sums = sums.clone();
        let (bytes, signature_bytes, issued) = match listing.signing.as_mut() {
            Some(signing) => {
                let serial = serial::stamp(&mut sums, former, last, (&signing.key, signing.time));
                let bytes = sums.print();
                let signature = signature(directory, &mut *signing.sign, &bytes)?;
                let sha256 = serial::digest(&bytes);
                (bytes, Some(signature), Some(Issued { serial, sha256 }))
            }
            None => (sums.print(), None, None),
        };
        let signature = match &signature_bytes {
            Some(bytes) => Change::Put(directory.temporary_of(bytes)?),
            None => Change::Leave,
        };
        let list = if bytes.is_empty() && signature_bytes.is_none() {
            Change::Remove
        } else if bytes == former && !bytes.is_empty() {
            Change::Leave
        } else {
            Change::Put(directory.temporary_of(&bytes)?)
        };
        let issue = Issue {
            list,
            signature,
            signature_bytes,
            issued,
        };
        Ok((issue, bytes))
    }

    /// What puts back a list of the bytes `list`, with its signature if that is to change.
    pub(crate) fn former(
        directory: &Directory,
        list: &[u8],
        signature: Change,
    ) -> Result<Issue, Error> {
        let list = if list.is_empty() && !matches!(signature, Change::Put(_)) {
            Change::Remove
        } else {
            Change::Put(directory.temporary_of(list)?)
        };
        Ok(Issue {
            list,
            signature,
            signature_bytes: None,
            issued: None,
        })
    }

    /// Whether the signature changes.
    pub(crate) fn is_signed(&self) -> bool {
        matches!(self.signature, Change::Put(_))
    }

    /// Puts list and signature in place; [`sync_published`] must follow.
    ///
    /// After an error the signature may have changed, the list has not, and what [`abandon`]
    /// removes may be left.
    pub(crate) fn publish(self, directory: &Directory) -> Result<(), Error> {
        match (self.signature, self.list) {
            (Change::Put(mut signature), Change::Put(mut list)) => {
                for (file, name, target) in [
                    (&mut signature, NEXT_SIGNATURE, SIGNATURE),
                    (&mut list, NEXT_LIST, SUMS),
                ] {
                    file.follow(directory.fd(), target)
                        .and_then(|()| file.link(directory.fd(), name))
                        .map_err(|e| directory.error("replace", target, e))?;
                }
                directory.sync()?;
                directory.create(COMMITTED)?;
                directory.sync()?;
                rename_both(directory)
            }
            (signature, list) => {
                put(directory, signature, SIGNATURE)?;
                put(directory, list, SUMS)
            }
        }
    }
}

/// Signs `bytes`, and checks that clients will read the signature.
fn signature(
    directory: &Directory,
    sign: &mut crate::Sign<'_>,
    bytes: &[u8],
) -> Result<Vec<u8>, Error> {
    let path = || directory.path().join(SUMS);
    let signature = sign(bytes).map_err(|source| Error::Sign {
        path: path(),
        source,
    })?;
    let size = u64::try_from(signature.len()).unwrap_or(u64::MAX);
    if signature.is_empty() || size > MAX_SIGNATURE_SIZE {
        let source = format!(
            "the signature has {size} bytes, but clients read from 1 to {MAX_SIGNATURE_SIZE}"
        );
        return Err(Error::Sign {
            path: path(),
            source: source.into(),
        });
    }
    Ok(signature)
}

/// Makes one change.
pub(crate) fn put(directory: &Directory, change: Change, name: &str) -> Result<(), Error> {
    match change {
        Change::Leave => Ok(()),
        Change::Remove => directory.remove(name),
        Change::Put(mut file) => file
            .rename_over(directory.fd(), name)
            .map_err(|e| directory.error("replace", name, e)),
    }
}

/// Renames what has not been renamed yet. An empty list is no file once it is in place.
fn rename_both(directory: &Directory) -> Result<(), Error> {
    directory.rename_if_there(NEXT_SIGNATURE, SIGNATURE)?;
    directory.rename_if_there(NEXT_LIST, SUMS)?;
    match directory.size(SUMS)? {
        Some(0) => directory.remove(SUMS),
        Some(_) | None => Ok(()),
    }
}

/// Under the lock: the list and its signature as they are once [`recover`] is done.
pub(crate) fn upcoming(directory: &Directory) -> Result<(Vec<u8>, Option<Vec<u8>>), Error> {
    let mut list = None;
    let mut signature = None;
    if directory.exists(COMMITTED)? {
        list = directory.read_bounded(NEXT_LIST, MAX_SUMS_SIZE)?;
        signature = directory.read_bounded(NEXT_SIGNATURE, MAX_SIGNATURE_SIZE)?;
    }
    Ok((
        list.map_or_else(|| directory.read_list(), Ok)?,
        signature.map_or_else(|| directory.read_signature(), |bytes| Ok(Some(bytes)))?,
    ))
}

/// Puts on the disk what was published.
pub(crate) fn sync_published(directory: &Directory) -> Result<(), Error> {
    directory.sync()?;
    directory.remove(COMMITTED)
}

/// Gives up a publication that failed; what was renamed stays so.
pub(crate) fn abandon(directory: &Directory) -> Result<(), Error> {
    [COMMITTED, NEXT_LIST, NEXT_SIGNATURE]
        .into_iter()
        .try_for_each(|name| directory.remove(name))
}

/// Under the lock: completes or takes back what a killed process left half done.
pub(crate) fn recover(directory: &Directory) -> Result<(), Error> {
    if directory.exists(COMMITTED)? {
        rename_both(directory)?;
        sync_published(directory)?;
    }
    let names = [NEW, NEXT_LIST, NEXT_SIGNATURE];
    names
        .into_iter()
        .chain(OLD)
        .try_for_each(|name| directory.remove(name))
}

/// Whether a killed process left the list and its signature on their way.
pub(crate) fn is_half_done(directory: &Directory) -> Result<bool, Error> {
    directory.exists(COMMITTED)
}

/// Whether `name` is one that only a transaction uses, and that [`recover`] deals with.
pub(crate) fn is_fixed_name(name: &str) -> bool {
    [NEW, NEXT_LIST, NEXT_SIGNATURE, COMMITTED, PENDING].contains(&name) || OLD.contains(&name)
}

/// Whether `name` is one that a half-done publication will be completed from.
pub(crate) fn is_completed(name: &str) -> bool {
    [NEXT_LIST, NEXT_SIGNATURE, COMMITTED].contains(&name)
}
