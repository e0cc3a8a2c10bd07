//! `verify`: everything that is wrong with a store, by name.
//!
//! Reading all files takes as long as it takes, and builds go on meanwhile; so it is done without
//! the lock. Whatever looks wrong then may be a change in the middle. So if anything does, the
//! lock is taken, the directory is read again with those files that have changed since, and only
//! what is wrong still is reported.

mod beside;
mod judge;
pub mod kinds;
mod repair;
mod survey;

use std::fmt;
use std::fs::File;

use manifest::Summary;

pub(crate) use beside::SUM_SUFFIX;
pub use judge::of_image;
pub use kinds::{FINDINGS, Finding, FindingKind, Severity};

use crate::Store;
use crate::directory::Directory;
use crate::error::Error;
use survey::{Looks, Survey};

/// Checks the signature (second) of the bytes of a list (first); the error says what is wrong.
pub type CheckSignature<'a> = dyn Fn(&[u8], &[u8]) -> Result<(), String> + 'a;

/// Looks into an image, given its file name and its manifest if that can be read. The file may
/// stand anywhere.
pub type LookInside<'a> = dyn Fn(File, &str, Option<&Summary>) -> Vec<Finding> + Sync + 'a;

/// How a store is verified.
pub struct Examination<'a> {
    /// Number of threads that read files.
    pub workers: usize,
    /// Knows the keys; without it a signature is reported as unchecked.
    pub check_signature: Option<&'a CheckSignature<'a>>,
    /// The time, in seconds since 1970, by which a list is too old.
    pub now: u64,
    /// Knows the format of images; without it nothing is said of their contents.
    pub look_inside: Option<&'a LookInside<'a>>,
    /// Is told, from any thread, how many bytes of how many have been read.
    pub progress: &'a (dyn Fn(u64, u64) + Sync),
}

impl fmt::Debug for Examination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examination")
            .field("workers", &self.workers)
            .field("check_signature", &self.check_signature.is_some())
            .field("look_inside", &self.look_inside.is_some())
            .finish_non_exhaustive()
    }
}

/// What was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// By kind in the order of [`FINDINGS`], then by file.
    pub findings: Vec<Finding>,
    /// Listed images.
    pub images: usize,
    /// Bytes of listed files that were read.
    pub bytes: u64,
}

impl Store {
    /// Looks for everything that is wrong. Changes nothing.
    ///
    /// # Errors
    /// [`Error::Io`] when something can't be read, [`Error::File`] about the signature. What is wrong with the store is not an error.
    pub fn verify(&self, examination: &Examination<'_>) -> Result<Verdict, Error> {
        let directory = Directory::open(self.dir())?;
        let mut looks = Looks::new();
        let mut examine = || {
            let survey = Survey::new(&directory)?;
            survey::look(&directory, &survey, examination, &mut looks)?;
            judge::judge(&directory, &survey, &looks, examination)
        };
        let verdict = examine()?;
        let is_steady = |finding: &Finding| {
            [
                &kinds::UNSIGNED,
                &kinds::SIGNATURE_UNCHECKED,
                &kinds::BEST_BEFORE_OVER,
                &kinds::BEST_BEFORE_NEAR,
            ]
            .contains(&finding.kind)
        };
        if verdict.findings.iter().all(is_steady) {
            return Ok(verdict);
        }
        match directory.lock() {
            Ok(()) => examine(),
            // Nobody can change the store by this program there.
            Err(Error::LockUnsupported { .. }) => Ok(verdict),
            Err(error) => Err(error),
        }
    }
}
