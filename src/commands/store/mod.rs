//! `store`: the directory that images are served from. One module a verb.

mod add;
mod delta;
mod gate;
mod incoming;
mod index;
mod list;
mod merge;
mod mirror;
mod oci;
mod page;
mod promote;
mod prune;
mod remove;
mod sign;
mod source;
mod sysupdate;
mod transfer;
mod verify;

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use store::{ImagePart, List, Listing, Store};

use crate::cli::store::StoreVerb;
use crate::publish::signing::Signer;
use crate::report::Report;
use crate::words::failure::{Failure, Result, store_failure};

/// Does what was asked.
pub fn run(verb: &StoreVerb, report: &Report) -> Result<()> {
    match verb {
        StoreVerb::Add(arguments) => add::run(arguments, report),
        StoreVerb::Merge(arguments) => merge::run(arguments, report),
        StoreVerb::Promote(arguments) => promote::run(arguments, report),
        StoreVerb::List(arguments) => list::run(arguments, report),
        StoreVerb::Prune(arguments) => prune::run(arguments, report),
        StoreVerb::Remove(arguments) => remove::run(arguments, report),
        StoreVerb::Sign(arguments) => sign::run(arguments, report),
        StoreVerb::Verify(arguments) => verify::run(arguments, report),
        StoreVerb::Sysupdate(arguments) => sysupdate::run(arguments, report),
        StoreVerb::Gate(arguments) => gate::run(arguments, report),
        StoreVerb::Index(arguments) => index::run(arguments, report),
        StoreVerb::Delta(arguments) => delta::run(arguments, report),
        StoreVerb::Mirror(arguments) => mirror::run(arguments, report),
        StoreVerb::Oci(arguments) => oci::run(arguments, report),
        StoreVerb::Page(arguments) => page::run(arguments, report),
    }
}

/// Returns the directories that a store is made of: one, or one for each extension.
fn directories(root: &Path) -> Result<Vec<PathBuf>> {
    store::directories(root).map_err(store_failure)
}

/// Fails where there is no list at all: it is some other directory, in which nothing is to be written.
fn demand_list(root: &Path) -> Result<()> {
    let has_list = |path: &PathBuf| path.join(store::SUMS).symlink_metadata().is_ok();
    if directories(root)?.iter().any(has_list) {
        return Ok(());
    }
    let text = anyhow!(
        "{} is not a store: it has no {}",
        root.display(),
        store::SUMS
    );
    Err(Failure::refused(text).hint("a build with -o DIR makes one"))
}

/// Reports listed files that a verb passed over.
fn report_left_out(left_out: &[String], report: &Report) {
    for line in left_out {
        report.stage("note", &format!("left-out: {line}"));
    }
}

/// Puts files that belong to images into a store: what is new in one change of the list, and each that takes
/// the place of another in one of its own.
fn put_parts(
    (store, list): (&Store, &List),
    parts: Vec<ImagePart>,
    (signer, now): (Option<&Signer>, u64),
    report: &Report,
) -> Result<()> {
    let listing = || Listing {
        signing: signer.map(|signer| signer.signing(store.dir())),
        best_before: None,
        now,
    };
    let is_there = |part: &ImagePart| list.digest_of(&part.name).is_some();
    let (stale, new): (Vec<_>, Vec<_>) = parts.into_iter().partition(is_there);
    if !new.is_empty() {
        store.put_parts(&new, listing()).map_err(store_failure)?;
    }
    for part in stale {
        (store.put_parts(&[part], listing())).map_err(store_failure)?;
    }
    match signer {
        Some(signer) => signer.conclude(store, report),
        None => Ok(()),
    }
}
