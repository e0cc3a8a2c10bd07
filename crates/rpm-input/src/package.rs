//! A package as its header describes it.

use std::fmt;
use std::io::BufRead;

use sha2::{Digest, Sha256};

use crate::dependency::Dependency;
use crate::digest::{digest_of, is_digest};
use crate::error::Error;
use crate::file::{DigestAlgorithm, File, FileKind};
use crate::file_list;
use crate::header::{InstalledHeader, Prefix};
use crate::packed::Files;
use crate::scriptlet::{self, Scriptlet};
use crate::tags::{Tag, Tags};

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
    /// What it was built for, in whatever words the builder used.
    pub distribution: Option<String>,
    /// Who distributes it.
    pub vendor: Option<String>,
    /// Sum of the sizes of all files in bytes, as the header states it.
    pub installed_size: u64,
    /// All files, in the order of the header, which is the order of paths in most packages.
    pub files: Files,
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
    /// Returns the SHA-256 of all that stands before the payload, by which two files of one identity
    /// are told apart.
    pub fn fingerprint(&self) -> [u8; 32] {
        self.prefix.sha256
    }

    /// Returns where the header ends and the payload begins, in bytes from the start of the file.
    pub fn header_end(&self) -> u64 {
        self.prefix.length
    }

    /// Returns a package of which nothing but its identity is known: it has no files, and no bytes
    /// that could be read.
    pub fn named(nevra: Nevra) -> Self {
        Self {
            nevra,
            build_time: None,
            source_rpm: None,
            licence: String::new(),
            summary: String::new(),
            distribution: None,
            vendor: None,
            installed_size: 0,
            files: Files::default(),
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
        let header = Tags::new(origin, prefix.values());
        if prefix.is_source_by_lead() || is_source_package(&header)? {
            return Err(Error::SourcePackage {
                origin: origin.to_owned(),
            });
        }
        let signature = Tags::new(origin, prefix.signature_values());
        check_payload_format(&header)?;
        let header_digest = check_header_digest(&signature, prefix.header())?;
        let files = file_list::read(&header)?;
        let payload = payload_format(&header, Some(&signature), header_digest)?;
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
        let header = Tags::new(origin, prefix.values());
        if header.text(Tag::NAME)?.as_deref() == Some("gpg-pubkey") {
            return Ok(None);
        }
        if let Some(original) = installed.original {
            check_original_digest(&header, &original)?;
        }
        let mut files = file_list::read(&header)?;
        file_list::retain_installed(&header, &mut files)?;
        let payload = payload_format(&header, None, None)?;
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
        files: Files,
        payload: PayloadFormat,
    ) -> Result<Self, Error> {
        let length = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        Ok(Self {
            nevra: nevra(header)?,
            build_time: header.number(Tag::BUILDTIME)?,
            source_rpm: header.text(Tag::SOURCERPM)?,
            licence: header.text(Tag::LICENSE)?.unwrap_or_default(),
            summary: header.text(Tag::SUMMARY)?.unwrap_or_default(),
            distribution: header.text(Tag::DISTRIBUTION)?,
            vendor: header.text(Tag::VENDOR)?,
            installed_size: header.wide_number(Tag::SIZE, Tag::LONGSIZE)?.unwrap_or(0),
            files,
            provides: header.dependencies(
                Tag::PROVIDENAME,
                Tag::PROVIDEFLAGS,
                Tag::PROVIDEVERSION,
            )?,
            requires: header.dependencies(
                Tag::REQUIRENAME,
                Tag::REQUIREFLAGS,
                Tag::REQUIREVERSION,
            )?,
            conflicts: header.dependencies(
                Tag::CONFLICTNAME,
                Tag::CONFLICTFLAGS,
                Tag::CONFLICTVERSION,
            )?,
            obsoletes: header.dependencies(
                Tag::OBSOLETENAME,
                Tag::OBSOLETEFLAGS,
                Tag::OBSOLETEVERSION,
            )?,
            recommends: header.dependencies(
                Tag::RECOMMENDNAME,
                Tag::RECOMMENDFLAGS,
                Tag::RECOMMENDVERSION,
            )?,
            suggests: header.dependencies(
                Tag::SUGGESTNAME,
                Tag::SUGGESTFLAGS,
                Tag::SUGGESTVERSION,
            )?,
            supplements: header.dependencies(
                Tag::SUPPLEMENTNAME,
                Tag::SUPPLEMENTFLAGS,
                Tag::SUPPLEMENTVERSION,
            )?,
            enhances: header.dependencies(
                Tag::ENHANCENAME,
                Tag::ENHANCEFLAGS,
                Tag::ENHANCEVERSION,
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

/// Says whether a package is a source package; older ones are known by their files, which are all
/// in a directory without a name.
fn is_source_package(header: &Tags<'_>) -> Result<bool, Error> {
    if header.has(Tag::SOURCEPACKAGE) || header.has(Tag::SOURCERPM) {
        return Ok(header.has(Tag::SOURCEPACKAGE));
    }
    let mut directories = header.strings(Tag::DIRNAMES)?.into_iter().flatten();
    Ok(directories.next().is_some_and(<[u8]>::is_empty) && directories.next().is_none())
}

fn nevra(header: &Tags<'_>) -> Result<Nevra, Error> {
    Ok(Nevra {
        name: header.identity(Tag::NAME)?,
        epoch: header.number(Tag::EPOCH)?,
        version: header.identity(Tag::VERSION)?,
        release: header.identity(Tag::RELEASE)?,
        arch: header.identity(Tag::ARCH)?,
    })
}

/// Refuses payloads that are no cpio archive.
fn check_payload_format(header: &Tags<'_>) -> Result<(), Error> {
    let origin = header.origin.to_owned();
    match header.text(Tag::PAYLOADFORMAT)?.as_deref() {
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
    signature: &Tags<'_>,
    header: &[u8],
) -> Result<Option<DigestAlgorithm>, Error> {
    for (tag, algorithm) in [
        (Tag::SIG_SHA256, DigestAlgorithm::Sha256),
        (Tag::SIG_SHA1, DigestAlgorithm::Sha1),
    ] {
        let Some(expected) = signature.text(tag)? else {
            continue;
        };
        let expected = expected.to_ascii_lowercase();
        let found = digest_of(algorithm, header);
        if found != expected {
            return Err(Error::HeaderDigest {
                origin: signature.origin.to_owned(),
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
        (Tag::SHA256HEADER, DigestAlgorithm::Sha256),
        (Tag::SHA1HEADER, DigestAlgorithm::Sha1),
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
fn check_vouched(header: &Tags<'_>, files: &Files, payload: &PayloadFormat) -> Result<(), Error> {
    let unvouched = |file: &File| {
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
            Err(header.wrong(Tag::FILEDIGESTS, reason))
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
    signature: Option<&Tags<'_>>,
    header_digest: Option<DigestAlgorithm>,
) -> Result<PayloadFormat, Error> {
    let mut digests = Vec::new();
    let mut promise = |tag, algorithm, scope| -> Result<(), Error> {
        let Some(values) = header.texts(tag)? else {
            return Ok(());
        };
        let hex = values
            .first()
            .map(|hex| hex.to_ascii_lowercase())
            .unwrap_or_default();
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
    let number = header.number(Tag::PAYLOADSHA256ALGO)?.unwrap_or(8);
    let algorithm = DigestAlgorithm::from_number(number).ok_or_else(|| {
        let reason = format!("algorithm {number} is not supported");
        header.wrong(Tag::PAYLOADSHA256ALGO, reason)
    })?;
    promise(
        Tag::PAYLOADSHA512,
        DigestAlgorithm::Sha512,
        DigestScope::Compressed,
    )?;
    promise(Tag::PAYLOADSHA256, algorithm, DigestScope::Compressed)?;
    let uncompressed = DigestScope::Uncompressed;
    promise(Tag::PAYLOADSHA512ALT, DigestAlgorithm::Sha512, uncompressed)?;
    promise(Tag::PAYLOADSHA256ALT, algorithm, uncompressed)?;
    if let Some(first) = digests.first() {
        let scope = first.scope;
        digests.retain(|digest| digest.scope == scope);
    }
    if (digests.is_empty() || header_digest.is_none())
        && let Some(signature) = signature
        && let Ok(Some(md5)) = signature.octets(Tag::SIG_MD5)
    {
        digests.push(PayloadDigest {
            algorithm: DigestAlgorithm::Md5,
            scope: DigestScope::HeaderAndPayload,
            hex: hex::encode(md5),
        });
    }
    let in_signature = |signature: &Tags<'_>| {
        let (short, long) = (Tag::SIG_PAYLOADSIZE, Tag::SIG_LONGARCHIVESIZE);
        signature.wide_number(short, long).ok().flatten()
    };
    let archive_size = header
        .wide_number(Tag::ARCHIVESIZE, Tag::PAYLOADSIZEALT)?
        .or_else(|| signature.and_then(in_signature));
    Ok(PayloadFormat {
        compressor: header.text(Tag::PAYLOADCOMPRESSOR)?,
        archive_size,
        digests,
    })
}
