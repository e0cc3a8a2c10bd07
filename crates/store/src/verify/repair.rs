//! Repairs that lose nothing.

use super::Finding;
use super::beside::agrees;
use super::kinds::Fix;
use crate::directory::Directory;
use crate::error::Error;
use crate::sums::Sums;
use crate::temporary;
use crate::transaction::Transaction;
use crate::{Listing, Store};

impl Store {
    /// Repairs what can be repaired without losing anything; returns the findings that are gone.
    ///
    /// Everything is looked at again under the lock. Completes a half-published list, removes what
    /// killed processes left, takes the lines of files off the list that are gone, and removes
    /// each `NAME.sha256` that says what the list says.
    ///
    /// # Errors
    /// Those of [`Store::add`] about the list: a list that can't be read is not changed, and a
    /// signed one only with a signer.
    pub fn repair(
        &self,
        findings: &[Finding],
        listing: Listing<'_>,
    ) -> Result<Vec<Finding>, Error> {
        let transaction = Transaction::begin(self.dir(), &listing)?;
        let directory = transaction.directory();
        let mut after = transaction.before().clone();
        let mut repaired = Vec::new();
        for finding in findings {
            let is_gone = match finding.kind.fix {
                // Taking the lock has done it.
                Some(Fix::Complete) => true,
                Some(Fix::RemoveLeftover) => remove_leftover(directory, &finding.file)?,
                Some(Fix::Delist) => delist(directory, &mut after, &finding.file)?,
                Some(Fix::RemoveSum) => remove_sum(directory, &after, &finding.file)?,
                // They are in the root of a store, which may be above this directory.
                Some(Fix::WriteDefinitions) | None => false,
            };
            if is_gone {
                repaired.push(finding.clone());
            }
        }
        directory.sync()?;
        if after != *transaction.before() {
            transaction.commit(Vec::new(), &after, listing)?;
        }
        Ok(repaired)
    }
}

fn remove_leftover(directory: &Directory, name: &str) -> Result<bool, Error> {
    // What has a fixed name went when the lock was taken.
    if temporary::is_own_name(name) && directory.is_abandoned(name)? {
        directory.remove(name)?;
    }
    Ok(!directory.exists(name)?)
}

fn delist(directory: &Directory, sums: &mut Sums, name: &str) -> Result<bool, Error> {
    let is_missing = !directory.exists(name)?;
    if is_missing {
        sums.retain(|listed| listed != name);
    }
    Ok(is_missing)
}

fn remove_sum(directory: &Directory, sums: &Sums, name: &str) -> Result<bool, Error> {
    let says_the_same = agrees(directory, sums, name)?;
    if says_the_same == Some(true) {
        directory.remove(name)?;
    }
    Ok(says_the_same.unwrap_or(true))
}
