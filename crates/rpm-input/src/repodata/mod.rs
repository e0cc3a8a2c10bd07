//! Repository metadata (rpm-md): what a repository has on offer, from its XML files.
//!
//! ```text
//! repodata/
//! ├── repomd.xml                 the list: each file below with checksum, size and length when open
//! ├── repomd.xml.asc             a detached signature of the list; trust in it is trust in the rest
//! ├── HASH-primary.xml.gz        every package: identity, where it lies, dependencies, common files
//! ├── HASH-filelists.xml.zst     every path of every package; read only if a path is asked for
//! ├── HASH-updateinfo.xml.gz     patches, of which some were retracted
//! ├── HASH-modules.yaml.gz      streams of modules, with the packages of each
//! └── ...                        changelogs, groups, databases: not looked at
//! ```
//!
//! [`Repomd`] is parsed from bytes, for it is small. [`Primary`], [`Filelists`] and [`Retracted`] are
//! read from a stream, package by package: the file is hashed and decompressed on the way, one package's XML
//! is in memory at a time, and what is handed out borrows from it. `Ok(None)` at the end means that
//! the whole file was there and is the one that `repomd.xml` speaks of; what was handed out before
//! must not be kept if an error comes instead.
//!
//! The XML is taken for hostile. There are no entities but the five that XML itself has and no
//! document types, so nothing expands; elements nest [`MAX_DEPTH`] deep at most; a package takes up
//! to [`MAX_ELEMENT`] bytes; a file that is open longer than `repomd.xml` says is cut off there,
//! and so is one that unpacks to far more than was stored ([`MAX_OPEN_RATIO`]).

mod checksum;
mod document;
mod filelists;
mod mirrors;
mod modules;
mod primary;
mod repomd;
#[cfg(test)]
mod tests;
mod updates;
mod xml;

pub use checksum::{Checksum, ChecksumHasher};
pub use filelists::{FileList, Filelists};
pub use mirrors::Mirrors;
pub use modules::{Modules, Stream};
pub use primary::{Batch, Entry, Listing, Primary, Relation};
pub use repomd::{Kind, MetadataFile, Repomd};
pub use updates::{Patched, Retracted};

/// How deep elements may nest. Metadata have five levels.
pub(crate) const MAX_DEPTH: usize = 16;
/// Longest XML of one package, in bytes. A list of 300 000 files has some 24 MiB.
pub(crate) const MAX_ELEMENT: usize = 32 << 20;
/// Longest value of an attribute or of a text that is kept, in bytes.
pub(crate) const MAX_VALUE: usize = 64 << 10;
/// Longest metadata file when open, in bytes, whatever `repomd.xml` says.
pub(crate) const MAX_OPEN_SIZE: u64 = 4 << 30;
/// What a metadata file may unpack to however little of it was stored, in bytes.
pub(crate) const OPEN_FLOOR: u64 = 64 << 20;
/// Bytes that each stored byte may unpack to beyond the floor. Metadata of distributions have 7 to
/// 25; a decompressor can be made to give 8 000, which would be seconds of work for each KiB.
pub(crate) const MAX_OPEN_RATIO: u64 = 128;
/// Most packages in one file.
pub(crate) const MAX_PACKAGES: u64 = 1 << 20;
