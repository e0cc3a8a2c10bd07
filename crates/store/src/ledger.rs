//! A signed store is only ever extended from a verified list.
//!
//! The owner of the key vouches for the whole list, with each line that others could have written.
//! So before a list is extended, the one that is there must be signed by the key that is about to
//! sign; what it lists is then what that key has listed before. A store counts as signed if it has
//! a signature or a published key, so that removing the signature wins nothing. Nothing is looked
//! at but the bytes that a change would start from: of a change that a killed process left half
//! done, those that completing it puts in place. A refusal comes before anything is touched.
//!
//! A good signature may be that of an older list, or of another store by the same key; so the list
//! must not come before the last one that was signed, as far as its signer remembers ([`crate::serial`]).

use crate::Signing;
use crate::directory::{Directory, SIGNATURE, SUMS};
use crate::error::Error;
use crate::pending;
use crate::publish;
use crate::serial::{self, Issued, Serial};
use crate::sums::{IMAGE_SUFFIX, Sums};
use crate::tarball::KEYRING;

/// Largest file of public keys in a store, in bytes.
pub const MAX_KEYRING_SIZE: u64 = 4 << 20;

/// What a store's list, its signature and its published keys are before a change.
#[derive(Debug)]
pub struct Former<'a> {
    /// The bytes of the list; no file is an empty list.
    pub list: &'a [u8],
    /// The number of the list, if it has one.
    pub serial: Option<&'a Serial>,
    /// The bytes of its signature.
    pub signature: Option<&'a [u8]>,
    /// The bytes of the published keys.
    pub keys: Option<&'a [u8]>,
}

/// What the signature of a list says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Fingerprint of the key by which the list is signed, or what is wrong with the signature.
    pub by: Result<String, String>,
    /// Fingerprints of the published keys.
    pub published: Vec<String>,
}

/// What a new signature takes over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Basis {
    /// Nothing that was signed.
    Unsigned,
    /// Nothing at all, where this list was signed before.
    Gone(Serial),
    /// A list that the same key signed.
    Own,
    /// A list that the key of this fingerprint signed.
    OtherKey(String),
    /// A list that nobody vouches for: what is wrong with its signature.
    Unverified(String),
}

/// A list that may be extended, as it was when that was found out.
pub(crate) struct Checked {
    /// What a new signature takes over.
    pub(crate) basis: Basis,
    /// The bytes of the list. Others may have changed the file since.
    pub(crate) list: Vec<u8>,
    /// The bytes of its signature.
    pub(crate) signature: Option<Vec<u8>>,
    /// The number of the last list that was signed here, as far as the signer remembers.
    pub(crate) last: Option<Serial>,
}

/// Reads the published keys; `None` if there are none.
pub(crate) fn read_keys(directory: &Directory) -> Result<Option<Vec<u8>>, Error> {
    directory.read_bounded(KEYRING, MAX_KEYRING_SIZE)
}

/// The file by which one sees that the store is signed, if it is: its signature, its public key, or
/// a list with a number.
pub(crate) fn evidence(directory: &Directory, sums: &Sums) -> Result<Option<&'static str>, Error> {
    for name in [SIGNATURE, KEYRING] {
        if directory.exists(name)? {
            return Ok(Some(name));
        }
    }
    Ok(serial::of(sums).map(|_| SUMS))
}

/// Fails unless the list that is there may be extended by this signer; `blesses` says that its
/// user vouches for the list as it stands.
pub(crate) fn check(
    directory: &Directory,
    signing: &Signing<'_>,
    blesses: bool,
) -> Result<Checked, Error> {
    let (list, signature) = publish::upcoming(directory)?;
    // What can't be parsed has no number.
    let listed = Sums::parse(&list).ok().and_then(|sums| serial::of(&sums));
    let last = (signing.last)(listed.as_ref());
    let keys = read_keys(directory)?;
    let former = Former {
        list: &list,
        serial: listed.as_ref(),
        signature: signature.as_deref(),
        keys: keys.as_deref(),
    };
    let was_signed = former.signature.is_some() || former.keys.is_some() || listed.is_some();
    let mut basis = match was_signed {
        true => basis(directory, signing, blesses, &former)?,
        false => Basis::Unsigned,
    };
    if let Some(last) = &last {
        if basis == Basis::Unsigned && list.is_empty() && has_no_image(directory)? {
            basis = Basis::Gone(last.serial.clone());
        } else if !signing.restored {
            // A line that can't be read is the reason, and not the number that is missing for it.
            directory.parse_list(&list)?;
            let is_vouched_for = blesses && matches!(basis, Basis::Unverified(_));
            Serial::check(listed.as_ref(), &list, last, is_vouched_for).map_err(|problem| {
                Error::Setback {
                    path: directory.path().join(SUMS),
                    problem,
                }
            })?;
        }
    }
    let is_gone = matches!(basis, Basis::Gone(_));
    Ok(Checked {
        basis,
        list,
        signature,
        // Where nothing is left, another store begins.
        last: last.filter(|_| !is_gone).map(|last: Issued| last.serial),
    })
}

/// Says what a new signature would take over of a list that was signed, or refuses it.
fn basis(
    directory: &Directory,
    signing: &Signing<'_>,
    blesses: bool,
    former: &Former<'_>,
) -> Result<Basis, Error> {
    let found = (signing.examine)(former);
    let path = directory.path().join(SIGNATURE);
    let other_key = |former| Error::OtherKey {
        path: path.clone(),
        former,
        key: signing.key.clone(),
    };
    match found.by {
        Ok(key) if key == signing.key => Ok(Basis::Own),
        Ok(key) if signing.new_key => Ok(Basis::OtherKey(key)),
        Ok(key) => Err(other_key(key)),
        Err(_) if !blesses && former.signature.is_none() => Err(Error::SignatureMissing { path }),
        // Whoever changes the key means the list that the former one signed.
        Err(problem) if !blesses || (signing.new_key && !signing.restored) => {
            Err(Error::SignatureInvalid {
                path,
                key: signing.key.clone(),
                problem,
            })
        }
        // Who signed before is not known; whom clients were told to trust is.
        Err(problem) => {
            let is_known = found.published.is_empty() || found.published.contains(&signing.key);
            match is_known || signing.new_key {
                true => Ok(Basis::Unverified(problem)),
                false => Err(other_key(found.published.join(", "))),
            }
        }
    }
}

/// Whether there are no images but those that a killed process left.
pub(crate) fn has_no_image(directory: &Directory) -> Result<bool, Error> {
    let left = pending::left(directory, &Sums::default())?;
    let is_left = |name: &String| name.ends_with(IMAGE_SUFFIX) && !left.contains(name);
    Ok(!directory.names()?.iter().any(is_left))
}
