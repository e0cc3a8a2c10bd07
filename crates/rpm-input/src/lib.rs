//! RPM files as values.
//!
//! An RPM is read twice, and each reading has one purpose. [`Package::read`] takes the lead, the
//! signature header and the header: a few milliseconds that tell the package's identity, its
//! dependencies and every file with its path, mode, owner, size and digest. From these a program
//! decides what it wants. [`Payload`] then passes over the whole file once, hands out the content
//! of each regular file in the order in which it is stored, and checks all there is to check.
//! Nothing is written anywhere, and no scriptlet is ever run.
//!
//! ```text
//! lead  signature header  header                 payload: compressor(cpio archive)
//! 96 B  digests of what   names, dependencies,   content of the files, in an order
//!       follows           scriptlets, file list  of its own
//! ├──────── Package::read ──────────┤
//! ├──────────────────────────── Payload ───────────────────────────────────────┤
//! ```
//!
//! All bytes are taken for hostile. `header` checks a header against the rules of librpm before
//! anyone may look into it.
//! `file_list` accepts only paths that mean one place. What
//! the payload holds is measured against the header: an entry that the header does not know, one
//! that is longer than the header says or one with another digest is an error, and a caller who reads
//! a content learns of it before the content has ended. Memory is bounded by constants and by the
//! bytes of the headers that were really there.
//!
//! [`database`] reads what a system has installed from its rpm database, whose headers pass the
//! same checks.
//!
//! [`repodata`] reads what a repository offers, from its metadata; [`repo_file`] what dnf and zypper
//! keep of where repositories are.
//!
//! This crate does not verify signatures; it shows that the file is the one its header speaks of,
//! and hands out that header with the signatures over it ([`SignedHeader`]).

mod archive;
mod capabilities;
mod cpio;
pub mod database;
mod decompress;
mod dependency;
mod digest;
mod error;
mod file;
mod file_list;
mod header;
mod package;
mod packed;
mod path;
mod payload;
pub mod repo_file;
pub mod repodata;
mod scriptlet;
mod signature;
mod tags;

pub use decompress::unpacked;
pub use dependency::{Dependency, Sense};
pub use error::Error;
pub use file::{DigestAlgorithm, File, FileDigest, FileFlags, FileKind};
pub use package::{DigestScope, Nevra, Package, PayloadDigest, PayloadFormat};
pub use packed::{Files, Iter};
pub use path::FilePath;
pub use payload::{Contents, Payload, Verified};
pub use scriptlet::Scriptlet;
pub use signature::SignedHeader;

/// Opens the file of a package; a FIFO, a device or a directory is none.
///
/// # Errors
/// [`Error::NotRpm`], [`Error::Io`].
pub fn open(path: &std::path::Path) -> Result<std::fs::File, Error> {
    let origin = path.display().to_string();
    files::open(path, files::Links::Follow).map_err(|error| match error {
        files::Error::Io { source, .. } => Error::Io { origin, source },
        files::Error::WrongKind { found, .. } => Error::NotRpm {
            origin,
            reason: format!("it is {found}"),
        },
        other => Error::NotRpm {
            origin,
            reason: other.to_string(),
        },
    })
}
