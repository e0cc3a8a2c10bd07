//! What can be wrong with an RPM file or a database of installed packages. Every variant names the
//! file as the caller named it (`origin`), so that one line of output says all that a person needs.

use std::io;

/// Why an RPM file or a database was refused.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file could not be read; the cause is outside the RPM.
    #[error("{origin}: reading failed: {source}")]
    Io {
        /// The file as the caller named it.
        origin: String,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file is something else than an RPM.
    #[error("{origin} is not an RPM: {reason}")]
    NotRpm {
        /// The file as the caller named it.
        origin: String,
        /// What was looked for and not found.
        reason: String,
    },
    /// The file is a source package; only binary packages hold installed files.
    #[error("{origin} is a source package, which has no files to install")]
    SourcePackage {
        /// The file as the caller named it.
        origin: String,
    },
    /// The file is a delta RPM: it can only be applied to an installed package.
    #[error("{origin} is a delta package ({format}); apply it with applydeltarpm first")]
    DeltaPackage {
        /// The file as the caller named it.
        origin: String,
        /// The payload format that was found.
        format: String,
    },
    /// The file ends before its lead, signature header or header does.
    #[error("{origin} ends at offset {offset}, inside its {part}")]
    Truncated {
        /// The file as the caller named it.
        origin: String,
        /// The part that was being read.
        part: &'static str,
        /// Length of the file in bytes.
        offset: u64,
    },
    /// The signature header or the header breaks the rules of the format.
    #[error("{origin}: malformed {part}: {reason}")]
    Header {
        /// The file as the caller named it.
        origin: String,
        /// `signature header` or `header`.
        part: &'static str,
        /// The rule that is broken, with tag number or offset.
        reason: String,
    },
    /// A tag is missing, or holds what it must not hold.
    #[error("{origin}: tag {tag}: {reason}")]
    Tag {
        /// The file as the caller named it.
        origin: String,
        /// The tag's name without `RPMTAG_`.
        tag: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// A file of the package has a path, a link target or attributes that can't be used.
    #[error("{origin}: {path}: {reason}")]
    File {
        /// The file as the caller named it.
        origin: String,
        /// The path in the package, with what is not printable escaped.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The package asks for something that this program does not implement.
    #[error("{origin}: {feature} is not supported")]
    Unsupported {
        /// The file as the caller named it.
        origin: String,
        /// What it asks for.
        feature: String,
    },
    /// The header is not the one whose digest stands in the signature header.
    #[error("{origin}: header has {algorithm} {found}, the signature header says {expected}")]
    HeaderDigest {
        /// The file as the caller named it.
        origin: String,
        /// Name of the digest algorithm.
        algorithm: &'static str,
        /// Digest of the header as read, in hex.
        found: String,
        /// Digest that was promised, in hex.
        expected: String,
    },
    /// The payload is not the one whose digest stands in the header.
    #[error("{origin}: {scope} has {algorithm} {found}, the header says {expected}")]
    PayloadDigest {
        /// The file as the caller named it.
        origin: String,
        /// The bytes that were hashed.
        scope: &'static str,
        /// Name of the digest algorithm.
        algorithm: &'static str,
        /// Digest of the bytes as read, in hex.
        found: String,
        /// Digest that was promised, in hex.
        expected: String,
    },
    /// The content of a file is not the one whose digest stands in the header.
    #[error("{origin}: {path} has {algorithm} {found}, the header says {expected}")]
    FileDigest {
        /// The file as the caller named it.
        origin: String,
        /// Path of the file in the package.
        path: String,
        /// Name of the digest algorithm.
        algorithm: &'static str,
        /// Digest of the content as read, in hex.
        found: String,
        /// Digest that was promised, in hex.
        expected: String,
    },
    /// The payload ends too early.
    #[error("{origin}: payload ends at offset {offset} of the archive, inside {inside}")]
    PayloadEnd {
        /// The file as the caller named it.
        origin: String,
        /// Offset in the uncompressed archive, in bytes.
        offset: u64,
        /// The path of the file whose content was being read, or the part of the archive.
        inside: String,
    },
    /// Taking the package would need more memory than is allowed.
    #[error("{origin}: {reason}")]
    TooLarge {
        /// The file as the caller named it.
        origin: String,
        /// What is larger than what.
        reason: String,
    },
    /// The payload can't be decompressed.
    #[error(
        "{origin}: {compressor} payload is damaged at offset {offset} of the archive: {source}"
    )]
    Decompress {
        /// The file as the caller named it.
        origin: String,
        /// The compressor by its name in the header.
        compressor: &'static str,
        /// Offset in the uncompressed archive, in bytes.
        offset: u64,
        /// What the decompressor said.
        source: io::Error,
    },
    /// The archive in the payload is malformed, or is not what the header describes.
    #[error("{origin}: payload at offset {offset} of the archive: {reason}")]
    Archive {
        /// The file as the caller named it.
        origin: String,
        /// Offset in the uncompressed archive, in bytes.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// The file is not a database of installed packages, or not one that this crate reads.
    #[error("{origin} is not an rpm database that can be read: {reason}")]
    NotDatabase {
        /// Path of the file.
        origin: String,
        /// What was looked for and not found, and what can be done.
        reason: String,
    },
    /// A database of installed packages is damaged.
    #[error("{origin}: {place}: {reason}")]
    Database {
        /// Path of the file.
        origin: String,
        /// The page, slot or offset in bytes.
        place: String,
        /// What is wrong there.
        reason: String,
    },
    /// A file of a repository's metadata is malformed.
    #[error("{origin}: at byte {offset}: {reason}")]
    Metadata {
        /// Path or URL of the file.
        origin: String,
        /// Offset in the decompressed file, in bytes.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// A file of a repository's metadata is not the one that `repomd.xml` speaks of.
    #[error("{origin} has {algorithm} {found}, repomd.xml says {expected}")]
    MetadataChecksum {
        /// Path or URL of the file.
        origin: String,
        /// Name of the digest algorithm.
        algorithm: &'static str,
        /// Checksum of the file as read, in hex.
        found: String,
        /// Checksum that was promised, in hex.
        expected: String,
    },
    /// The lead and headers are no longer those that the package was read from.
    #[error("{origin} has changed since its header was read")]
    Changed {
        /// The file as the caller named it.
        origin: String,
    },
}
