//! A package as its header describes it.

use std::fmt;
use std::io::BufRead;

use rpm::{Header, IndexSignatureTag, IndexTag, PackageMetadata};
use sha2::{Digest, Sha256};

use crate::dependency::{Dependency, Sense};
use crate::digest::{digest_of, is_digest};
use crate::error::Error;
use crate::file::{DigestAlgorithm, File};
use crate::file_list;
use crate::header::Prefix;

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
    /// The file as the caller named it, for messages.
    pub(crate) origin: String,
    /// What stands before the payload.
    pub(crate) prefix: PrefixDigest,
}

/// A program that RPM runs at some moment of a package's life.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scriptlet {
    /// The moment, as RPM spells it: `pre`, `posttrans`, `triggerin`, `transfiletriggerin`.
    pub kind: &'static str,
    /// Interpreter and its arguments, `/bin/sh` if the header names none. `<lua>` is the
    /// interpreter inside of RPM.
    pub program: Vec<String>,
    /// Its text; of triggers, the texts of all of one kind after each other.
    pub script: String,
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
        let metadata = PackageMetadata::parse(&mut prefix.bytes.as_slice()).map_err(|error| {
            Error::Header {
                origin: origin.to_owned(),
                part: "header",
                reason: error.to_string(),
            }
        })?;
        if metadata.is_source_package() || metadata.lead.package_type() == 1 {
            return Err(Error::SourcePackage {
                origin: origin.to_owned(),
            });
        }
        let header = Tags {
            origin,
            header: &metadata.header,
        };
        check_payload_format(&header)?;
        check_header_digest(origin, &metadata.signature, prefix.header())?;
        let length = |length: usize| u64::try_from(length).unwrap_or(u64::MAX);
        Ok(Self {
            nevra: nevra(&header)?,
            build_time: header.number(IndexTag::RPMTAG_BUILDTIME)?,
            source_rpm: header.text(IndexTag::RPMTAG_SOURCERPM)?,
            licence: header.text(IndexTag::RPMTAG_LICENSE)?.unwrap_or_default(),
            summary: header.text(IndexTag::RPMTAG_SUMMARY)?.unwrap_or_default(),
            vendor: header.text(IndexTag::RPMTAG_VENDOR)?,
            installed_size: header
                .wide_number(IndexTag::RPMTAG_SIZE, IndexTag::RPMTAG_LONGSIZE)?
                .unwrap_or(0),
            files: file_list::read(&header, &prefix)?,
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
            scriptlets: scriptlets(&header)?,
            payload: payload_format(&header, &metadata.signature)?,
            origin: origin.to_owned(),
            prefix: PrefixDigest {
                length: length(prefix.bytes.len()),
                header_start: length(prefix.header_start),
                sha256: Sha256::digest(&prefix.bytes).into(),
            },
        })
    }
}

/// The tags of a header, with errors that name file and tag.
pub(crate) struct Tags<'a> {
    pub(crate) origin: &'a str,
    header: &'a Header<IndexTag>,
}

impl Tags<'_> {
    /// Returns the error that a tag is wrong.
    pub(crate) fn wrong(&self, tag: IndexTag, reason: impl Into<String>) -> Error {
        Error::Tag {
            origin: self.origin.to_owned(),
            tag: tag_name(tag),
            reason: reason.into(),
        }
    }

    /// Turns the answer for a missing tag into none.
    fn optional<T>(&self, tag: IndexTag, value: Result<T, rpm::Error>) -> Result<Option<T>, Error> {
        match value {
            Ok(value) => Ok(Some(value)),
            Err(rpm::Error::TagNotFound(_)) => Ok(None),
            Err(error) => Err(self.wrong(tag, error.to_string())),
        }
    }

    /// Returns a string, the untranslated one if there are several.
    pub(crate) fn text(&self, tag: IndexTag) -> Result<Option<String>, Error> {
        let plain = self.header.get_entry_data_as_string(tag);
        let value = plain.or_else(|error| match error {
            rpm::Error::TagNotFound(_) => Err(error),
            _ => self.header.get_entry_data_as_i18n_string(tag),
        });
        Ok(self.optional(tag, value)?.map(str::to_owned))
    }

    /// Returns a number.
    pub(crate) fn number(&self, tag: IndexTag) -> Result<Option<u32>, Error> {
        self.optional(tag, self.header.get_entry_data_as_u32(tag))
    }

    /// Returns a number that is stored under another tag when it needs 64 bits.
    fn wide_number(&self, tag: IndexTag, long: IndexTag) -> Result<Option<u64>, Error> {
        match self.optional(long, self.header.get_entry_data_as_u64(long))? {
            Some(value) => Ok(Some(value)),
            None => Ok(self.number(tag)?.map(u64::from)),
        }
    }

    /// Returns an array of strings.
    pub(crate) fn texts(&self, tag: IndexTag) -> Result<Option<Vec<&str>>, Error> {
        self.optional(tag, self.header.get_entry_data_as_string_array(tag))
    }

    /// Returns an array of 16-bit numbers.
    pub(crate) fn short_numbers(&self, tag: IndexTag) -> Result<Option<Vec<u16>>, Error> {
        self.optional(tag, self.header.get_entry_data_as_u16_array(tag))
    }

    /// Returns an array of 32-bit numbers.
    pub(crate) fn numbers(&self, tag: IndexTag) -> Result<Option<Vec<u32>>, Error> {
        self.optional(tag, self.header.get_entry_data_as_u32_array(tag))
    }

    /// Returns an array of 64-bit numbers.
    pub(crate) fn long_numbers(&self, tag: IndexTag) -> Result<Option<Vec<u64>>, Error> {
        self.optional(tag, self.header.get_entry_data_as_u64_array(tag))
    }

    /// Returns a string that must be there and fit for a file name.
    fn identity(&self, tag: IndexTag) -> Result<String, Error> {
        let value = self
            .text(tag)?
            .ok_or_else(|| self.wrong(tag, "is missing"))?;
        let allowed = |c: char| !c.is_control() && !c.is_whitespace() && c != '/';
        if value.is_empty() || value.starts_with('.') || !value.chars().all(allowed) {
            return Err(self.wrong(tag, format!("{value:?} can't be part of a package's name")));
        }
        Ok(value)
    }

    /// Returns the dependencies that stand in three arrays.
    fn dependencies(
        &self,
        name_tag: IndexTag,
        flags_tag: IndexTag,
        version_tag: IndexTag,
    ) -> Result<Vec<Dependency>, Error> {
        let names = self.texts(name_tag)?.unwrap_or_default();
        // Packages of RPM 2 have dependencies without versions.
        let unversioned = || vec![0; names.len()];
        let flags = self.numbers(flags_tag)?.unwrap_or_else(unversioned);
        let versions = self
            .texts(version_tag)?
            .unwrap_or_else(|| vec![""; names.len()]);
        for (tag, length) in [(flags_tag, flags.len()), (version_tag, versions.len())] {
            if length != names.len() {
                let names = names.len();
                return Err(self.wrong(tag, format!("has {length} values, {names} are due")));
            }
        }
        let rows = names.into_iter().zip(flags).zip(versions);
        Ok(rows
            .map(|((name, flags), evr)| Dependency {
                name: name.to_owned(),
                sense: Sense(flags),
                evr: evr.to_owned(),
            })
            .collect())
    }
}

/// Returns the name of a tag as RPM's documentation has it, without `RPMTAG_`.
fn tag_name(tag: IndexTag) -> &'static str {
    TAG_NAMES
        .iter()
        .find(|(known, _)| *known == tag)
        .map_or("?", |(_, name)| name)
}

/// Makes the table from tags to their names.
macro_rules! tag_names {
    ($($tag:ident = $name:literal),* $(,)?) => {
        const TAG_NAMES: &[(IndexTag, &str)] = &[$((IndexTag::$tag, $name)),*];
    };
}

tag_names! {
    RPMTAG_NAME = "NAME",
    RPMTAG_EPOCH = "EPOCH",
    RPMTAG_VERSION = "VERSION",
    RPMTAG_RELEASE = "RELEASE",
    RPMTAG_ARCH = "ARCH",
    RPMTAG_BUILDTIME = "BUILDTIME",
    RPMTAG_SOURCERPM = "SOURCERPM",
    RPMTAG_LICENSE = "LICENSE",
    RPMTAG_SUMMARY = "SUMMARY",
    RPMTAG_VENDOR = "VENDOR",
    RPMTAG_SIZE = "SIZE",
    RPMTAG_LONGSIZE = "LONGSIZE",
    RPMTAG_PAYLOADFORMAT = "PAYLOADFORMAT",
    RPMTAG_PAYLOADCOMPRESSOR = "PAYLOADCOMPRESSOR",
    RPMTAG_ARCHIVESIZE = "ARCHIVESIZE",
    RPMTAG_LONGARCHIVESIZE = "LONGARCHIVESIZE",
    RPMTAG_PAYLOADSIZEALT = "PAYLOADSIZEALT",
    RPMTAG_PAYLOADSHA256 = "PAYLOADSHA256",
    RPMTAG_PAYLOADSHA256ALGO = "PAYLOADSHA256ALGO",
    RPMTAG_PAYLOADSHA256ALT = "PAYLOADSHA256ALT",
    RPMTAG_PAYLOAD_SHA512 = "PAYLOADSHA512",
    RPMTAG_PAYLOAD_SHA512_ALT = "PAYLOADSHA512ALT",
    RPMTAG_BASENAMES = "BASENAMES",
    RPMTAG_DIRNAMES = "DIRNAMES",
    RPMTAG_DIRINDEXES = "DIRINDEXES",
    RPMTAG_OLDFILENAMES = "OLDFILENAMES",
    RPMTAG_FILEMODES = "FILEMODES",
    RPMTAG_FILESIZES = "FILESIZES",
    RPMTAG_LONGFILESIZES = "LONGFILESIZES",
    RPMTAG_FILEMTIMES = "FILEMTIMES",
    RPMTAG_FILEDIGESTS = "FILEDIGESTS",
    RPMTAG_FILEDIGESTALGO = "FILEDIGESTALGO",
    RPMTAG_FILELINKTOS = "FILELINKTOS",
    RPMTAG_FILEFLAGS = "FILEFLAGS",
    RPMTAG_FILEUSERNAME = "FILEUSERNAME",
    RPMTAG_FILEGROUPNAME = "FILEGROUPNAME",
    RPMTAG_FILERDEVS = "FILERDEVS",
    RPMTAG_FILEDEVICES = "FILEDEVICES",
    RPMTAG_FILEINODES = "FILEINODES",
    RPMTAG_FILELANGS = "FILELANGS",
    RPMTAG_FILECOLORS = "FILECOLORS",
    RPMTAG_FILECAPS = "FILECAPS",
    RPMTAG_PROVIDENAME = "PROVIDENAME",
    RPMTAG_PROVIDEFLAGS = "PROVIDEFLAGS",
    RPMTAG_PROVIDEVERSION = "PROVIDEVERSION",
    RPMTAG_REQUIRENAME = "REQUIRENAME",
    RPMTAG_REQUIREFLAGS = "REQUIREFLAGS",
    RPMTAG_REQUIREVERSION = "REQUIREVERSION",
    RPMTAG_CONFLICTNAME = "CONFLICTNAME",
    RPMTAG_CONFLICTFLAGS = "CONFLICTFLAGS",
    RPMTAG_CONFLICTVERSION = "CONFLICTVERSION",
    RPMTAG_OBSOLETENAME = "OBSOLETENAME",
    RPMTAG_OBSOLETEFLAGS = "OBSOLETEFLAGS",
    RPMTAG_OBSOLETEVERSION = "OBSOLETEVERSION",
    RPMTAG_RECOMMENDNAME = "RECOMMENDNAME",
    RPMTAG_RECOMMENDFLAGS = "RECOMMENDFLAGS",
    RPMTAG_RECOMMENDVERSION = "RECOMMENDVERSION",
    RPMTAG_SUGGESTNAME = "SUGGESTNAME",
    RPMTAG_SUGGESTFLAGS = "SUGGESTFLAGS",
    RPMTAG_SUGGESTVERSION = "SUGGESTVERSION",
    RPMTAG_SUPPLEMENTNAME = "SUPPLEMENTNAME",
    RPMTAG_SUPPLEMENTFLAGS = "SUPPLEMENTFLAGS",
    RPMTAG_SUPPLEMENTVERSION = "SUPPLEMENTVERSION",
    RPMTAG_ENHANCENAME = "ENHANCENAME",
    RPMTAG_ENHANCEFLAGS = "ENHANCEFLAGS",
    RPMTAG_ENHANCEVERSION = "ENHANCEVERSION",
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

/// Checks the header against the best digest of it in the signature header.
fn check_header_digest(
    origin: &str,
    signature: &Header<IndexSignatureTag>,
    header: &[u8],
) -> Result<(), Error> {
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
        return Ok(());
    }
    Ok(())
}

/// Returns how the payload is stored and which digests of it will be checked.
///
/// Digests of the archive say the same as those of the compressed payload and cost more, so they
/// count only where there is no other; the MD5 of header and payload likewise.
fn payload_format(
    header: &Tags<'_>,
    signature: &Header<IndexSignatureTag>,
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
            return Err(header.wrong(tag, format!("{hex:?} is no {algorithm}")));
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
    } else if let Ok(md5) = signature.get_entry_data_as_binary(IndexSignatureTag::RPMSIGTAG_MD5) {
        digests.push(PayloadDigest {
            algorithm: DigestAlgorithm::Md5,
            scope: DigestScope::HeaderAndPayload,
            hex: crate::digest::hex(md5),
        });
    }
    let stated = header
        .wide_number(
            IndexTag::RPMTAG_ARCHIVESIZE,
            IndexTag::RPMTAG_PAYLOADSIZEALT,
        )?
        .map(Ok)
        .or_else(|| {
            let size =
                signature.get_entry_data_as_u64(IndexSignatureTag::RPMSIGTAG_LONGARCHIVESIZE);
            let short = signature.get_entry_data_as_u32(IndexSignatureTag::RPMSIGTAG_PAYLOADSIZE);
            size.or_else(|_| short.map(u64::from)).ok().map(Ok)
        })
        .transpose()?;
    Ok(PayloadFormat {
        compressor: header.text(IndexTag::RPMTAG_PAYLOADCOMPRESSOR)?,
        archive_size: stated,
        digests,
    })
}

/// Tags of the plain scriptlets: the moment, the text, the interpreter.
const SCRIPTLETS: [(&str, IndexTag, IndexTag); 9] = [
    (
        "pretrans",
        IndexTag::RPMTAG_PRETRANS,
        IndexTag::RPMTAG_PRETRANSPROG,
    ),
    ("pre", IndexTag::RPMTAG_PREIN, IndexTag::RPMTAG_PREINPROG),
    ("post", IndexTag::RPMTAG_POSTIN, IndexTag::RPMTAG_POSTINPROG),
    ("preun", IndexTag::RPMTAG_PREUN, IndexTag::RPMTAG_PREUNPROG),
    (
        "postun",
        IndexTag::RPMTAG_POSTUN,
        IndexTag::RPMTAG_POSTUNPROG,
    ),
    (
        "posttrans",
        IndexTag::RPMTAG_POSTTRANS,
        IndexTag::RPMTAG_POSTTRANSPROG,
    ),
    (
        "preuntrans",
        IndexTag::RPMTAG_PREUNTRANS,
        IndexTag::RPMTAG_PREUNTRANSPROG,
    ),
    (
        "postuntrans",
        IndexTag::RPMTAG_POSTUNTRANS,
        IndexTag::RPMTAG_POSTUNTRANSPROG,
    ),
    (
        "verify",
        IndexTag::RPMTAG_VERIFYSCRIPT,
        IndexTag::RPMTAG_VERIFYSCRIPTPROG,
    ),
];

/// Tags of triggers: texts, interpreters, and for each condition its flags and its text's index.
struct TriggerTags {
    /// Prefix of the kind's name.
    prefix: &'static str,
    scripts: IndexTag,
    programs: IndexTag,
    flags: IndexTag,
    indexes: IndexTag,
    /// Names of the kinds: prein, in, un, postun.
    kinds: [&'static str; 4],
}

const TRIGGERS: [TriggerTags; 3] = [
    TriggerTags {
        prefix: "trigger",
        scripts: IndexTag::RPMTAG_TRIGGERSCRIPTS,
        programs: IndexTag::RPMTAG_TRIGGERSCRIPTPROG,
        flags: IndexTag::RPMTAG_TRIGGERFLAGS,
        indexes: IndexTag::RPMTAG_TRIGGERINDEX,
        kinds: ["triggerprein", "triggerin", "triggerun", "triggerpostun"],
    },
    TriggerTags {
        prefix: "filetrigger",
        scripts: IndexTag::RPMTAG_FILETRIGGERSCRIPTS,
        programs: IndexTag::RPMTAG_FILETRIGGERSCRIPTPROG,
        flags: IndexTag::RPMTAG_FILETRIGGERFLAGS,
        indexes: IndexTag::RPMTAG_FILETRIGGERINDEX,
        kinds: [
            "filetriggerprein",
            "filetriggerin",
            "filetriggerun",
            "filetriggerpostun",
        ],
    },
    TriggerTags {
        prefix: "transfiletrigger",
        scripts: IndexTag::RPMTAG_TRANSFILETRIGGERSCRIPTS,
        programs: IndexTag::RPMTAG_TRANSFILETRIGGERSCRIPTPROG,
        flags: IndexTag::RPMTAG_TRANSFILETRIGGERFLAGS,
        indexes: IndexTag::RPMTAG_TRANSFILETRIGGERINDEX,
        kinds: [
            "transfiletriggerprein",
            "transfiletriggerin",
            "transfiletriggerun",
            "transfiletriggerpostun",
        ],
    },
];

/// The bits of a condition's flags that tell its kind, in the order of `TriggerTags::kinds`.
const TRIGGER_KINDS: [u32; 4] = [1 << 25, 1 << 16, 1 << 17, 1 << 18];

/// Returns all scriptlets, then one entry for each kind of trigger.
fn scriptlets(header: &Tags<'_>) -> Result<Vec<Scriptlet>, Error> {
    let owned = |texts: Vec<&str>| texts.into_iter().map(str::to_owned).collect();
    let mut found = Vec::new();
    for (kind, script, program) in SCRIPTLETS {
        let (script, program) = (header.text(script)?, header.texts(program)?);
        if script.is_some() || program.is_some() {
            found.push(Scriptlet {
                kind,
                program: program.map_or_else(|| vec!["/bin/sh".to_owned()], owned),
                script: script.unwrap_or_default(),
            });
        }
    }
    for tags in &TRIGGERS {
        found.extend(triggers(header, tags)?);
    }
    Ok(found)
}

fn triggers(header: &Tags<'_>, tags: &TriggerTags) -> Result<Vec<Scriptlet>, Error> {
    let Some(scripts) = header.texts(tags.scripts)? else {
        return Ok(Vec::new());
    };
    let programs = header.texts(tags.programs)?.unwrap_or_default();
    let flags = header.numbers(tags.flags)?.unwrap_or_default();
    let indexes = header.numbers(tags.indexes)?.unwrap_or_default();
    let mut found = Vec::new();
    for (kind, bit) in tags.kinds.into_iter().zip(TRIGGER_KINDS) {
        let of_kind = flags
            .iter()
            .zip(&indexes)
            .filter(|(flags, _)| **flags & bit != 0);
        let mut positions: Vec<usize> = of_kind
            .filter_map(|(_, index)| usize::try_from(*index).ok())
            .collect();
        positions.sort_unstable();
        positions.dedup();
        let texts: Vec<&str> = positions
            .iter()
            .filter_map(|position| scripts.get(*position).copied())
            .collect();
        let program = positions
            .first()
            .and_then(|position| programs.get(*position));
        if texts.len() != positions.len() {
            let reason = format!("a {} has no script of its index", tags.prefix);
            return Err(header.wrong(tags.indexes, reason));
        }
        if !texts.is_empty() {
            found.push(Scriptlet {
                kind,
                program: vec![program.copied().unwrap_or("/bin/sh").to_owned()],
                script: texts.join("\n"),
            });
        }
    }
    Ok(found)
}
