//! The manifest beside a system extension image: one type that writes and reads it.
//!
//! It is mkosi's manifest of version 1, JSON in gzip, with more keys than mkosi's own. What each
//! key means is in the schema, `docs/manifest.schema.json`; a test holds it and [`Manifest`]
//! together.
//!
//! Manifests come from several hands, so there are three ways to read one:
//!
//! | function | for | insists on |
//! |---|---|---|
//! | [`Manifest::parse`] | any manifest, mkosi's of a whole system among them | types |
//! | [`Manifest::of_image`] | an extension's, from any builder | types, `config.name` |
//! | [`Manifest::parse_strictly`] | one that is about to be served | what sysextmgr insists on |
//!
//! None of them minds keys that are not known. All of them, and the writer, hold to one limit:
//! [`MAX_SIZE`].

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        reason = "a test reads what it made itself"
    )
)]

mod census;
mod gzip;
mod reason;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::io::Read;

use linkage::{Linkage, Needs};
use serde::de::{DeserializeOwned, IgnoredAny};
use serde::ser::Error as _;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use serde_json::value::to_raw_value;

use census::Census;

pub use gzip::{GZIP, UnpackError, pack, unpack};
pub use reason::{Explained, Reason, ReliedOn};

/// The longest manifest that is written or read, unpacked, in bytes.
pub const MAX_SIZE: u64 = 64 << 20;
/// The version of the format, mkosi's.
pub const VERSION: u64 = 1;
/// What takes the place of `.raw` in the name of an image's manifest.
pub const SUFFIX: &str = ".manifest.gz";

/// A manifest.
///
/// `L` is what is kept of `linkage`, which is the most of it: a [`Linkage`], or nothing, as in a
/// [`Summary`].
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(bound(serialize = "L: Serialize", deserialize = "L: Deserialize<'de>"))]
pub struct Manifest<L = Linkage> {
    /// [`VERSION`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifest_version: Option<u64>,
    /// What the image is called, and for which system it is.
    #[serde(default)]
    pub config: Config,
    /// The packages in it, sorted by NEVRA.
    #[serde(default)]
    pub packages: Vec<Package>,
    /// The keys of its extension-release file.
    #[serde(default)]
    pub extension: BTreeMap<String, String>,
    /// Capabilities that packages of the base must provide, as RPM writes them; `None` where
    /// nobody has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requires: Option<Vec<String>>,
    /// The packages of the base that do, where the base's packages were known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub relies_on: Vec<ReliedOn>,
    /// How much was known of the base that the image was built for: `os-release`, `names`,
    /// `provides` or `files`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub known: Option<String>,
    /// What was not looked at, in words, by the id of the finding.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub findings: BTreeMap<String, String>,
    /// Why findings were allowed, by the id of the finding.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub allowed: BTreeMap<String, String>,
    /// How many kernel modules are in it, by the release of the kernel that finds them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub modules: BTreeMap<String, u64>,
    /// What the image file is: a bare file system, or a disk with one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<ImageFile>,
    /// File name of its companion for `/etc`, without which it is not to be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub companion: Option<String>,
    /// What it was built from, so that the next build knows whether anything changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub built_from: Option<BuiltFrom>,
    /// How it was asked for, so that it can be built again; `None` in those of other builders and of
    /// companions, which are built with their image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<Build>,
    /// What the files need of any base; `None` where nobody has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Needs>,
    /// What each file needs and offers, on one line, since it is for programs; `None` where
    /// nobody has looked.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        serialize_with = "on_one_line"
    )]
    pub linkage: Option<L>,
}

/// A manifest without what each file needs: to list many.
pub type Summary = Manifest<IgnoredAny>;

/// What an image is called, and for which system it is.
///
/// A key without a value is left out: sysextmgr takes no null.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Name of the extension, such as `strace`; empty where there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// `ID` of the system that it is for, or mkosi's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution: Option<String>,
    /// Architecture, in systemd's spelling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// `sysext`, or another of mkosi's kinds of image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output_format: Option<String>,
    /// Version of the image, as it is in the file name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `VERSION_ID` of the system that it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub release: Option<String>,
}

/// What an image file is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageFile {
    /// `squashfs`, or `ddi`: a disk with a SquashFS, its hashes and their signature.
    pub format: String,
    /// SHA-256 of it, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Its size in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Its time, in seconds since 1970: `SOURCE_DATE_EPOCH`, or that of the newest package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<u64>,
    /// The root hash of a disk, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root_hash: Option<String>,
    /// What a disk has to prove it: `none`, `deferred` for the room for a signature, or `signed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
    /// SHA-256 of the certificate of the key that signed the root hash, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
}

/// What an image was built from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BuiltFrom {
    /// SHA-256 of all that decides the image, its build number aside, in hexadecimal digits: two
    /// builds with the same digest make the same image.
    pub digest: String,
    /// Parts of it by name, as values or digests, to say what is another.
    #[serde(default)]
    pub parts: BTreeMap<String, String>,
}

/// How an image was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The version of the program that built it.
    pub program: String,
    /// The options that decide the image, by name, with their values; without one where the option has
    /// none. What is chosen by them is in `packages`, and no path of the build machine is here.
    #[serde(default)]
    pub options: BTreeMap<String, Vec<String>>,
    /// Options that named a file or a directory which decides the image, too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// NEVRAs of the packages, in the order that decides the image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<String>,
}

/// A package in an image. Only its name is in every manifest.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Kind of package: `rpm`.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Name.
    pub name: String,
    /// `[epoch:]version-release`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// RPM's spelling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// What it is, in one line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Size when installed, in bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// SHA-256 of the RPM file, in hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Name of the RPM file, without its directory: that is the build machine's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Name, epoch, version, release and architecture.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nevra: Option<String>,
    /// Its licence, in whatever notation the packager used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub license: Option<String>,
    /// Who distributes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// File name of the source package that it was built from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source_rpm: Option<String>,
    /// NEVRAs of the packages that have what it requires: of the image, else of the base; `None`
    /// where nobody has looked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depends_on: Option<Vec<String>>,
    /// Why it is in the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// The capabilities that it offers.
    #[serde(default)]
    pub provides: Vec<String>,
}

/// What is wrong with a manifest. The text completes the sentence "the manifest … ".
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The gzip stream.
    #[error(transparent)]
    Unpack(#[from] UnpackError),
    /// It is no JSON, or a value has the wrong type.
    #[error("is not a manifest: {0}")]
    Json(#[from] serde_json::Error),
    /// It has so many of these that they would take much memory, however short they are.
    #[error("has more than {0} {1}")]
    TooMany(usize, &'static str),
    /// It is JSON, and not an object.
    #[error("is not a manifest: it is not a JSON object")]
    NotAnObject,
    /// What a reader insists on is not there.
    #[error("has no {0}")]
    Missing(String),
    /// What must be a string is not.
    #[error("has {0}, which is not a string")]
    NotAString(String),
    /// A key without a value.
    #[error("has {0}, which is null")]
    Null(String),
    /// It can't be written.
    #[error("has {0} bytes; no more than {MAX_SIZE} are read")]
    TooLong(u64),
}

impl<L: DeserializeOwned> Manifest<L> {
    /// Reads a manifest from JSON, by whomever it was made: mkosi's own, of any kind of image. Any
    /// key may be missing.
    ///
    /// # Errors
    /// It is no JSON object, a key that is known has a value of another type, or it has more
    /// values than any image's.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        let manifest = bounded(json)?;
        // serde takes an array for a struct, too.
        match json.trim_ascii_start().starts_with(b"{") {
            true => Ok(manifest),
            false => Err(Error::NotAnObject),
        }
    }

    /// Reads the manifest of an extension image from JSON: one that says what the extension is
    /// called.
    ///
    /// # Errors
    /// Those of [`Manifest::parse`], and `config.name` is missing.
    pub fn of_image(json: &[u8]) -> Result<Self, Error> {
        let manifest = Self::parse(json)?;
        match manifest.config.name.is_empty() {
            true => Err(Error::Missing("config.name".to_owned())),
            false => Ok(manifest),
        }
    }

    /// Unpacks and reads the manifest of an extension image, see [`Manifest::of_image`].
    ///
    /// # Errors
    /// Those of [`unpack`] and [`Manifest::of_image`].
    pub fn from_gzip(gzip: impl Read) -> Result<Self, Error> {
        Self::of_image(&unpack(gzip, MAX_SIZE)?)
    }

    /// Unpacks and reads a manifest as strictly as sysextmgr does (`mkosi-manifest.c`,
    /// `json-common.c`): what this refuses, clients are not offered.
    ///
    /// # Errors
    /// Those of [`Manifest::from_gzip`], and the first thing that sysextmgr would mind.
    pub fn parse_strictly(gzip: impl Read) -> Result<Self, Error> {
        let json = unpack(gzip, MAX_SIZE)?;
        let strict: Strict = bounded(&json)?;
        if !strict.manifest_version.is_some_and(|it| it.is_number()) {
            return Err(Error::Missing("number manifest_version".to_owned()));
        }
        for (object, value, keys) in [
            (
                "config",
                strict.config,
                &["name", "version", "architecture"],
            ),
            (
                "extension",
                strict.extension,
                &["SYSEXT_VERSION_ID", "ARCHITECTURE", "ID"],
            ),
        ] {
            let Some(Value::Object(members)) = value else {
                return Err(Error::Missing(format!("object {object}")));
            };
            for key in keys {
                match members.get(*key) {
                    Some(Value::String(_)) => {}
                    Some(_) => return Err(Error::NotAString(format!("{object}.{key}"))),
                    None => return Err(Error::Missing(format!("{object}.{key}"))),
                }
            }
            if let Some((key, _)) = members.iter().find(|(_, value)| value.is_null()) {
                return Err(Error::Null(format!("{object}.{key}")));
            }
        }
        Self::of_image(&json)
    }
}

/// The parts of a manifest that sysextmgr reads.
#[derive(Deserialize)]
struct Strict {
    manifest_version: Option<Value>,
    config: Option<Value>,
    extension: Option<Value>,
}

impl<L: Serialize> Manifest<L> {
    /// Returns the manifest as JSON in gzip: the same bytes for the same values.
    ///
    /// # Errors
    /// It is longer than [`MAX_SIZE`], or has more values than are read.
    pub fn to_gzip(&self) -> Result<Vec<u8>, Error> {
        let mut packing = gzip::Packing::new(MAX_SIZE);
        serde_json::to_writer_pretty(&mut packing, self)?;
        packing.finish()
    }
}

impl<L> Manifest<L> {
    /// The EVR of the package that the extension is named after; without one the image's version.
    #[must_use]
    pub fn evr(&self) -> Option<&str> {
        let named = |package: &&Package| package.name == self.config.name;
        let package = self.packages.iter().find(named);
        package
            .and_then(|package| package.version.as_deref())
            .or(self.config.version.as_deref())
    }

    /// Splits the file name of the image into what comes before the version, the version as
    /// clients see it, and what comes after: `strace-`, `6.11-1.1`, `.x86-64.raw`.
    #[must_use]
    pub fn split<'a>(&self, image: &'a str) -> Option<(&'a str, &'a str, &'a str)> {
        let (before, rest) = image.split_at_checked(self.config.name.len() + 1)?;
        let is_named = before.strip_suffix('-') == Some(&self.config.name);
        let version = self.config.version.as_deref()?;
        let after = rest.strip_prefix(version)?;
        is_named.then(|| (before, &rest[..version.len()], after))
    }
}

impl ImageFile {
    /// The format of a bare file system.
    pub const SQUASHFS: &str = "squashfs";
    /// The format of a disk image.
    pub const DDI: &str = "ddi";
    /// The signature of hashes that nothing signs.
    pub const NOT_SIGNED: &str = "none";
    /// The signature that is to come.
    pub const DEFERRED: &str = "deferred";
    /// The signature of what is signed.
    pub const SIGNED: &str = "signed";
}

impl Package {
    /// Why it is in the image; `None` where that was not recorded.
    #[must_use]
    pub fn explained(&self) -> Option<Explained> {
        Some(Explained {
            nevra: self.nevra.clone()?,
            reason: self.reason.clone()?,
            provides: self.provides.clone(),
        })
    }
}

/// Reads JSON that takes a bounded amount of memory.
fn bounded<T: DeserializeOwned>(json: &[u8]) -> Result<T, Error> {
    let mut census = Census::default();
    census.count(json);
    census.check()?;
    Ok(serde_json::from_slice(json)?)
}

/// The file name of the manifest of an image.
#[must_use]
pub fn file_name(image: &str) -> String {
    let stem = image.strip_suffix(".raw").unwrap_or(image);
    format!("{stem}{SUFFIX}")
}

/// Writes a value without line breaks into JSON that has them.
fn on_one_line<S: Serializer>(
    value: &Option<impl Serialize>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    to_raw_value(value)
        .map_err(S::Error::custom)?
        .serialize(serializer)
}
