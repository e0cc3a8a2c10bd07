//! A package as its header describes it.

use std::fmt;
use std::io::BufRead;

use rpm::{Header, IndexSignatureTag, IndexTag, PackageMetadata};
use sha2::{Digest, Sha256};

use crate::dependency::Dependency;
use crate::digest::{digest_of, is_digest};
use crate::error::Error;
use crate::file::{DigestAlgorithm, File, FileKind};
use crate::file_list;
use crate::header::{InstalledHeader, Prefix};
use crate::scriptlet::{self, Scriptlet};
use crate::tags::Tags;

/// Name, epoch, version, release and architecture: what identifies a package.
///
/// The derived order is one of text, for sorted lists; RPM orders versions otherwise.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Nevra {
    /// Name of the package.
    pub name: String,
    /// Epoch; none and 0 are equal in comparisons of versions.
    pub epoch: Option<u32>,
    /// Version, as upstream gave it.
    pub version: String,
    /// Release of the package of that version.
    pub release: String,
    /// Architecture in RPM's spelling: `x86_64`, `noarch`.
    pub arch: String,
}

impl Nevra {
    /// Returns `[epoch:]version-release`.
    pub fn evr(&self) -> String {
        match self.epoch {
            Some(epoch) => format!("{epoch}:{}-{}", self.version, self.release),
            None => format!("{}-{}", self.version, self.release),
        }
    }
}

impl fmt::Display for Nevra {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}.{}", self.name, self.evr(), self.arch)
    }
}

/// A package, read from the header of an RPM file.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its identity.
    pub nevra: Nevra,
    /// When it was built, in seconds since 1970.
    pub build_time: Option<u32>,
    /// File name of the source package that it was built from.
    pub source_rpm: Option<String>,
    /// Licence, in whatever notation the packager used.
    pub licence: String,
    /// One line that says what it is.
    pub summary: String,
    /// Who distributes it.
    pub vendor: Option<String>,
    /// Sum of the sizes of all files in bytes, as the header states it.
    pub installed_size: u64,
    /// All files, in the order of the header, which is the order of paths in most packages.
    pub files: Vec<File>,
    /// What it offers.
    pub provides: Vec<Dependency>,
    /// What it needs.
    pub requires: Vec<Dependency>,
    /// What it can't be installed beside.
    pub conflicts: Vec<Dependency>,
    /// What it replaces.
    pub obsoletes: Vec<Dependency>,
    /// What should be installed with it.
    pub recommends: Vec<Dependency>,
    /// What may be useful beside it.
    pub suggests: Vec<Dependency>,
    /// Beside what it should be installed.
    pub supplements: Vec<Dependency>,
    /// Beside what it may be useful.
    pub enhances: Vec<Dependency>,
    /// Scriptlets and triggers. They are reported and never run.
    pub scriptlets: Vec<Scriptlet>,
    /// How the payload is stored, and what is promised of it.
    pub payload: PayloadFormat,
    /// The digest of the header in the signature header that the header was checked against; none
    /// where there is none.
    pub header_digest: Option<DigestAlgorithm>,
    /// The file as the caller named it, for messages.
    pub(crate) origin: String,
    /// What stands before the payload.
    pub(crate) prefix: PrefixDigest,
}

/// How a payload is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadFormat {
    /// Name of the compressor by the header (`zstd`); none in very old packages, where it is
    /// gzip, and in packages that are not compressed.
    pub compressor: Option<String>,
    /// Length of the uncompressed archive in bytes, if stated. Neither RPM nor this crate
    /// relies on it.
    pub archive_size: Option<u64>,
    /// The digests that are checked when the payload is read, best first.
    pub digests: Vec<PayloadDigest>,
}

/// A digest that is promised of the payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadDigest {
    /// How it was made.
    pub algorithm: DigestAlgorithm,
    /// The bytes that it was made of.
    pub scope: DigestScope,
    /// The digest, in lower-case hex.
    pub hex: String,
}

/// What a payload digest was made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DigestScope {
    /// The payload as it stands in the file.
    Compressed,
    /// The archive in the payload.
    Uncompressed,
    /// Header and payload as they stand in the file; the digest of packages before 2017.
    HeaderAndPayload,
}

/// What is kept of the bytes before the payload, to know them again.
#[derive(Clone, Debug)]
pub(crate) struct PrefixDigest {
    /// Length in bytes; the offset of the payload.
    pub(crate) length: u64,
    /// Offset of the header.
    pub(crate) header_start: u64,
    /// SHA-256 of all of them.
    pub(crate) sha256: [u8; 32],
}

impl Package {
    /// Returns a package of which nothing but its identity is known: it has no files, and no bytes
    /// that could be read.
    pub fn named(nevra: Nevra) -> Self {
        Self {
            nevra,
            build_time: None,
            source_rpm: None,
            licence: String::new(),
            summary: String::new(),
            vendor: None,
            installed_size: 0,
            files: Vec::new(),
            provides: Vec::new(),
            requires: Vec::new(),
            conflicts: Vec::new(),
            obsoletes: Vec::new(),
            recommends: Vec::new(),
            suggests: Vec::new(),
            supplements: Vec::new(),
            enhances: Vec::new(),
            scriptlets: Vec::new(),
            payload: PayloadFormat {
                compressor: None,
                archive_size: None,
                digests: Vec::new(),
            },
            header_digest: None,
            origin: String::new(),
            prefix: PrefixDigest {
                length: 0,
                header_start: 0,
                sha256: [0; 32],
            },
        }
    }

    /// Reads a package from the start of an RPM file and leaves `input` at the payload.
    ///
    /// `origin` is the file's name for messages. The header is checked against its digest in the
    /// signature header, if there is one.
    ///
    /// # Errors
    ///
    /// Whatever is not a well-formed binary package of lead version 3 or 4 whose files can be
    /// stored; see [`Error`].
    pub fn read(input: &mut impl BufRead, origin: &str) -> Result<Self, Error> {
        let prefix = Prefix::read(input, origin)?;
        let metadata = parse(&prefix, origin)?;
        if metadata.is_source_package() || metadata.lead.package_type() == 1 {
            return Err(Error::SourcePackage {
                origin: origin.to_owned(),
            });
        }
        let header = Tags::new(origin, &metadata.header);
        check_payload_format(&header)?;
        let header_digest = check_header_digest(origin, &metadata.signature, prefix.header())?;
        let files = file_list::read(&header, &prefix)?;
        let payload = payload_format(&header, &metadata.signature, header_digest)?;
        check_vouched(&header, &files, &payload)?;
        let package = Self::assemble(&header, &prefix, files, payload)?;
        Ok(Self {
            header_digest,
            ..package
        })
    }

    /// Reads a package from a header as the database of installed packages holds it.
    ///
    /// Returns nothing for a public key, which RPM keeps as a package of this name without files
    /// or architecture.
    pub(crate) fn read_installed(blob: &[u8], origin: &str) -> Result<Option<Self>, Error> {
        let installed = InstalledHeader::parse(blob, origin)?;
        let prefix = installed.prefix;
        if prefix.strings(IndexTag::RPMTAG_NAME as u32) == Some(vec![b"gpg-pubkey"]) {
            return Ok(None);
        }
        let metadata = parse(&prefix, origin)?;
        let header = Tags::new(origin, &metadata.header);
        if let Some(original) = installed.original {
            check_original_digest(&header, &original)?;
        }
        let mut files = file_list::read(&header, &prefix)?;
        file_list::retain_installed(&header, &prefix, &mut files)?;
        let payload = payload_format(&header, &metadata.signature, None)?;
        Self::assemble(&header, &prefix, files, payload).map(Some)
    }

    /// Says whether a digest in the file covers the header: one of the header alone, or the MD5 of
    /// header and payload, which is checked when the payload is read. Without one, a changed bit of
    /// the header, such as one of a mode, is not seen; RPM refuses such a package.
    pub fn is_header_covered(&self) -> bool {
        let covers = |digest: &PayloadDigest| digest.scope == DigestScope::HeaderAndPayload;
        self.header_digest.is_some() || self.payload.digests.iter().any(covers)
    }

    /// Puts a package together from its checked header.
    fn assemble(
        header: &Tags<'_>,
        prefix: &Prefix,
        files: Vec<File>,
        payload: PayloadFormat,
    ) -> Result<Self, Error> {
        let length = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        Ok(Self {
            nevra: nevra(header)?,
            build_time: header.number(IndexTag::RPMTAG_BUILDTIME)?,
            source_rpm: header.text(IndexTag::RPMTAG_SOURCERPM)?,
            licence: header.text(IndexTag::RPMTAG_LICENSE)?.unwrap_or_default(),
            summary: header.text(IndexTag::RPMTAG_SUMMARY)?.unwrap_or_default(),
            vendor: header.text(IndexTag::RPMTAG_VENDOR)?,
            installed_size: header
                .wide_number(IndexTag::RPMTAG_SIZE, IndexTag::RPMTAG_LONGSIZE)?
                .unwrap_or(0),
            files,
            provides: header.dependencies(
                IndexTag::RPMTAG_PROVIDENAME,
                IndexTag::RPMTAG_PROVIDEFLAGS,
                IndexTag::RPMTAG_PROVIDEVERSION,
            )?,
            requires: header.dependencies(
                IndexTag::RPMTAG_REQUIRENAME,
                IndexTag::RPMTAG_REQUIREFLAGS,
                IndexTag::RPMTAG_REQUIREVERSION,
            )?,
            conflicts: header.dependencies(
                IndexTag::RPMTAG_CONFLICTNAME,
                IndexTag::RPMTAG_CONFLICTFLAGS,
                IndexTag::RPMTAG_CONFLICTVERSION,
            )?,
            obsoletes: header.dependencies(
                IndexTag::RPMTAG_OBSOLETENAME,
                IndexTag::RPMTAG_OBSOLETEFLAGS,
                IndexTag::RPMTAG_OBSOLETEVERSION,
            )?,
            recommends: header.dependencies(
                IndexTag::RPMTAG_RECOMMENDNAME,
                IndexTag::RPMTAG_RECOMMENDFLAGS,
                IndexTag::RPMTAG_RECOMMENDVERSION,
            )?,
            suggests: header.dependencies(
                IndexTag::RPMTAG_SUGGESTNAME,
                IndexTag::RPMTAG_SUGGESTFLAGS,
                IndexTag::RPMTAG_SUGGESTVERSION,
            )?,
            supplements: header.dependencies(
                IndexTag::RPMTAG_SUPPLEMENTNAME,
                IndexTag::RPMTAG_SUPPLEMENTFLAGS,
                IndexTag::RPMTAG_SUPPLEMENTVERSION,
            )?,
            enhances: header.dependencies(
                IndexTag::RPMTAG_ENHANCENAME,
                IndexTag::RPMTAG_ENHANCEFLAGS,
                IndexTag::RPMTAG_ENHANCEVERSION,
            )?,
            scriptlets: scriptlet::read(header)?,
            payload,
            header_digest: None,
            origin: header.origin.to_owned(),
            prefix: PrefixDigest {
                length: length(prefix.bytes.len()),
                header_start: length(prefix.header_start),
                sha256: Sha256::digest(&prefix.bytes).into(),
            },
        })
    }
}

/// Parses what stands before a payload.
pub(crate) fn parse(prefix: &Prefix, origin: &str) -> Result<PackageMetadata, Error> {
    PackageMetadata::parse(&mut prefix.bytes.as_slice()).map_err(|error| Error::Header {
        origin: origin.to_owned(),
        part: "header",
        reason: error.to_string(),
    })
}

fn nevra(header: &Tags<'_>) -> Result<Nevra, Error> {
    Ok(Nevra {
        name: header.identity(IndexTag::RPMTAG_NAME)?,
        epoch: header.number(IndexTag::RPMTAG_EPOCH)?,
        version: header.identity(IndexTag::RPMTAG_VERSION)?,
        release: header.identity(IndexTag::RPMTAG_RELEASE)?,
        arch: header.identity(IndexTag::RPMTAG_ARCH)?,
    })
}

/// Refuses payloads that are no cpio archive.
fn check_payload_format(header: &Tags<'_>) -> Result<(), Error> {
    let origin = header.origin.to_owned();
    match header.text(IndexTag::RPMTAG_PAYLOADFORMAT)?.as_deref() {
        None | Some("cpio") => Ok(()),
        Some("drpm") => Err(Error::DeltaPackage {
            origin,
            format: "drpm".to_owned(),
        }),
        Some(other) => Err(Error::Unsupported {
            origin,
            feature: format!("payload format {other:?}"),
        }),
    }
}

/// Checks the header against the best digest of it in the signature header, and says which that is.
fn check_header_digest(
    origin: &str,
    signature: &Header<IndexSignatureTag>,
    header: &[u8],
) -> Result<Option<DigestAlgorithm>, Error> {
    for (tag, algorithm) in [
        (IndexSignatureTag::RPMSIGTAG_SHA256, DigestAlgorithm::Sha256),
        (IndexSignatureTag::RPMSIGTAG_SHA1, DigestAlgorithm::Sha1),
    ] {
        let expected = match signature.get_entry_data_as_string(tag) {
            Ok(expected) => expected.to_ascii_lowercase(),
            Err(rpm::Error::TagNotFound(_)) => continue,
            Err(error) => {
                return Err(Error::Header {
                    origin: origin.to_owned(),
                    part: "signature header",
                    reason: format!("{algorithm}: {error}"),
                });
            }
        };
        let found = digest_of(algorithm, header);
        if found != expected {
            return Err(Error::HeaderDigest {
                origin: origin.to_owned(),
                algorithm: algorithm.name(),
                found,
                expected,
            });
        }
        return Ok(Some(algorithm));
    }
    Ok(None)
}

/// Checks the header that an installed package came with against the best digest of it, which RPM
/// copies from the signature header into the installed one.
fn check_original_digest(header: &Tags<'_>, original: &[u8]) -> Result<(), Error> {
    for (tag, algorithm) in [
        (IndexTag::RPMTAG_SHA256HEADER, DigestAlgorithm::Sha256),
        (IndexTag::RPMTAG_SHA1HEADER, DigestAlgorithm::Sha1),
    ] {
        let Some(expected) = header.text(tag)? else {
            continue;
        };
        let expected = expected.to_ascii_lowercase();
        let found = digest_of(algorithm, original);
        if found != expected {
            return Err(Error::HeaderDigest {
                origin: header.origin.to_owned(),
                algorithm: algorithm.name(),
                found,
                expected,
            });
        }
        return Ok(());
    }
    Ok(())
}

/// Refuses a package with contents of which no digest speaks, neither its own nor the payload's.
fn check_vouched(header: &Tags<'_>, files: &[File], payload: &PayloadFormat) -> Result<(), Error> {
    let unvouched = |file: &&File| {
        file.kind == FileKind::Regular
            && file.size > 0
            && file.digest.is_none()
            && !file.flags.is_ghost()
    };
    match files.iter().find(unvouched) {
        Some(file) if payload.digests.is_empty() => {
            let reason = format!(
                "is missing, and no digest of the payload covers {}",
                file.path
            );
            Err(header.wrong(IndexTag::RPMTAG_FILEDIGESTS, reason))
        }
        _ => Ok(()),
    }
}

/// Returns how the payload is stored and which digests of it will be checked.
///
/// Digests of the archive say the same as those of the compressed payload and cost more, so they
/// count only where there is no other. The MD5 of header and payload counts where one of the two
/// has no other.
fn payload_format(
    header: &Tags<'_>,
    signature: &Header<IndexSignatureTag>,
    header_digest: Option<DigestAlgorithm>,
) -> Result<PayloadFormat, Error> {
    let mut digests = Vec::new();
    let mut promise = |tag, algorithm, scope| -> Result<(), Error> {
        let Some(values) = header.texts(tag)? else {
            return Ok(());
        };
        let hex = values
            .first()
            .copied()
            .unwrap_or_default()
            .to_ascii_lowercase();
        if !is_digest(algorithm, &hex) {
            return Err(header.wrong(tag, format!("{hex:?} is not a valid {algorithm} digest")));
        }
        digests.push(PayloadDigest {
            algorithm,
            scope,
            hex,
        });
        Ok(())
    };
    let number = header
        .number(IndexTag::RPMTAG_PAYLOADSHA256ALGO)?
        .unwrap_or(8);
    let algorithm = DigestAlgorithm::from_number(number).ok_or_else(|| {
        let reason = format!("algorithm {number} is not supported");
        header.wrong(IndexTag::RPMTAG_PAYLOADSHA256ALGO, reason)
    })?;
    promise(
        IndexTag::RPMTAG_PAYLOAD_SHA512,
        DigestAlgorithm::Sha512,
        DigestScope::Compressed,
    )?;
    promise(
        IndexTag::RPMTAG_PAYLOADSHA256,
        algorithm,
        DigestScope::Compressed,
    )?;
    let uncompressed = DigestScope::Uncompressed;
    promise(
        IndexTag::RPMTAG_PAYLOAD_SHA512_ALT,
        DigestAlgorithm::Sha512,
        uncompressed,
    )?;
    promise(IndexTag::RPMTAG_PAYLOADSHA256ALT, algorithm, uncompressed)?;
    if let Some(first) = digests.first() {
        let scope = first.scope;
        digests.retain(|digest| digest.scope == scope);
    }
    if (digests.is_empty() || header_digest.is_none())
        && let Ok(md5) = signature.get_entry_data_as_binary(IndexSignatureTag::RPMSIGTAG_MD5)
    {
        digests.push(PayloadDigest {
            algorithm: DigestAlgorithm::Md5,
            scope: DigestScope::HeaderAndPayload,
            hex: hex::encode(md5),
        });
    }
    let long = signature.get_entry_data_as_u64(IndexSignatureTag::RPMSIGTAG_LONGARCHIVESIZE);
    let short = signature.get_entry_data_as_u32(IndexSignatureTag::RPMSIGTAG_PAYLOADSIZE);
    let archive_size = header
        .wide_number(
            IndexTag::RPMTAG_ARCHIVESIZE,
            IndexTag::RPMTAG_PAYLOADSIZEALT,
        )?
        .or_else(|| long.ok())
        .or_else(|| short.ok().map(u64::from));
    Ok(PayloadFormat {
        compressor: header.text(IndexTag::RPMTAG_PAYLOADCOMPRESSOR)?,
        archive_size,
        digests,
    })
}
