//! What the manifest beside an image says of it: mkosi's format, gzip'd.
//!
//! sysextmgr decides by these keys whether an image fits a system, before it fetches the image;
//! and only here stand the extension's name and its packages' true versions, which can't be read
//! off a file name for sure.

use std::collections::BTreeMap;
use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde::Deserialize;
use serde_json::Value;

use crate::directory::Directory;
use crate::error::Error;
use crate::sums::IMAGE_SUFFIX;

/// What takes the place of [`IMAGE_SUFFIX`] in the name of an image's manifest.
pub(crate) const MANIFEST_SUFFIX: &str = ".manifest.gz";

/// Largest manifest that is read, packed or unpacked, in bytes.
const MAX_MANIFEST_SIZE: u64 = 16 << 20;

/// The part of a manifest that is read here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Manifest {
    /// What the image is called.
    pub config: Config,
    /// The packages in it.
    #[serde(default)]
    pub packages: Vec<Package>,
    /// The keys of its extension-release file.
    #[serde(default)]
    pub extension: BTreeMap<String, String>,
}

/// What an image is called.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct Config {
    /// Name of the extension, such as `strace`.
    pub name: String,
    /// Version of the image, as it stands in the file name.
    pub version: Option<String>,
    /// Architecture, in systemd's spelling.
    pub architecture: Option<String>,
    /// `ID` of the system that it is for.
    pub distribution: Option<String>,
    /// `VERSION_ID` of the system that it is for.
    pub release: Option<String>,
}

/// A package in an image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Package {
    /// Name of the package.
    pub name: String,
    /// `[epoch:]version-release`.
    pub version: Option<String>,
    /// RPM's spelling.
    pub architecture: Option<String>,
}

impl Manifest {
    /// Parses a gzip'd manifest.
    ///
    /// # Errors
    /// What is wrong with it; the text completes the sentence "the manifest … ".
    pub fn parse(gzip: impl Read) -> Result<Manifest, String> {
        parse(gzip)
    }

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

/// The name of the manifest of `image`.
pub(crate) fn file_name(image: &str) -> String {
    let stem = image.strip_suffix(IMAGE_SUFFIX).unwrap_or(image);
    format!("{stem}{MANIFEST_SUFFIX}")
}

/// Reads the manifest of `image`; `None` if there is none.
pub(crate) fn read(directory: &Directory, image: &str) -> Result<Option<Manifest>, Error> {
    let name = file_name(image);
    match directory.open_file(&name)? {
        Some(file) => parse(file).map(Some).map_err(|problem| Error::Manifest {
            path: directory.path().join(name),
            problem,
        }),
        None => Ok(None),
    }
}

/// Parses a manifest; the error completes the sentence "the manifest … ".
pub(crate) fn parse(gzip: impl Read) -> Result<Manifest, String> {
    let json = unpack(gzip)?;
    serde_json::from_slice(&json)
        .map_err(|error| format!("is not a manifest with the key config.name: {error}"))
}

/// Parses a manifest as strictly as sysextmgr does (`mkosi-manifest.c`, `json-common.c`).
pub(crate) fn parse_strictly(gzip: impl Read) -> Result<Manifest, String> {
    let json = unpack(gzip)?;
    let value: Value =
        serde_json::from_slice(&json).map_err(|error| format!("is not JSON: {error}"))?;
    if !value.get("manifest_version").is_some_and(Value::is_number) {
        return Err("has no number manifest_version".to_owned());
    }
    for (object, keys) in [
        ("config", &["name", "version", "architecture"][..]),
        ("extension", &["SYSEXT_VERSION_ID", "ARCHITECTURE", "ID"]),
    ] {
        let Some(members) = value.get(object).and_then(Value::as_object) else {
            return Err(format!("has no object {object}"));
        };
        for key in keys {
            match members.get(*key) {
                Some(Value::String(_)) => {}
                Some(_) => return Err(format!("has {object}.{key}, which is not a string")),
                None => return Err(format!("has no {object}.{key}")),
            }
        }
        if let Some((key, _)) = members.iter().find(|(_, value)| value.is_null()) {
            return Err(format!("has {object}.{key}, which is null"));
        }
    }
    serde_json::from_value(value).map_err(|error| format!("is not a manifest: {error}"))
}

/// Unpacks a gzip stream within bounds: the packed size too, since a stream may go on without
/// unpacking to anything.
fn unpack(gzip: impl Read) -> Result<Vec<u8>, String> {
    let mut json = Vec::new();
    MultiGzDecoder::new(gzip.take(MAX_MANIFEST_SIZE))
        .take(MAX_MANIFEST_SIZE + 1)
        .read_to_end(&mut json)
        .map_err(|error| format!("can't be unpacked: {error}"))?;
    if u64::try_from(json.len()).is_ok_and(|size| size > MAX_MANIFEST_SIZE) {
        return Err(format!("unpacks to more than {MAX_MANIFEST_SIZE} bytes"));
    }
    Ok(json)
}

/// The text before the first `-` that a digit follows: the name of an extension, as far as a file
/// name without a manifest lets one guess.
pub(crate) fn guess_name(image: &str) -> &str {
    let stem = image.strip_suffix(IMAGE_SUFFIX).unwrap_or(image);
    let version = (stem.as_bytes())
        .windows(2)
        .position(|pair| matches!(pair, [b'-', b'0'..=b'9']));
    version.and_then(|at| stem.get(..at)).unwrap_or(stem)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(bytes).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn names_in_manifests() {
        let full = br#"{"manifest_version":1,"config":{"version":"1","name":"gcc"},"packages":[]}"#;
        let mut cut = gzip(full);
        cut.truncate(cut.len() - 9);
        for (bytes, expected) in [
            (gzip(full), Ok("gcc")),
            (cut, Err("can't be unpacked: ")),
            (full.to_vec(), Err("can't be unpacked: ")),
            (Vec::new(), Err("can't be unpacked: ")),
            (gzip(b"{}"), Err("is not a manifest")),
            (gzip(br#"{"config":{"name":1}}"#), Err("is not a manifest")),
            (
                gzip(br#"{"config":{"name":null}}"#),
                Err("is not a manifest"),
            ),
            (
                gzip(&vec![b' '; 17 << 20]),
                Err("unpacks to more than 16777216 bytes"),
            ),
        ] {
            match (parse(&*bytes), expected) {
                (Ok(manifest), Ok(expected)) => assert_eq!(manifest.config.name, expected),
                (Err(problem), Err(start)) => assert!(problem.starts_with(start), "{problem}"),
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn what_sysextmgr_takes() {
        let good = r#"{"manifest_version":1,"config":{"name":"a","version":"1","architecture":"x86-64"},
            "extension":{"ID":"_any","SYSEXT_VERSION_ID":"1","ARCHITECTURE":"x86-64"}}"#;
        for (from, to, expected) in [
            ("", "", Ok(())),
            ("\"version\":\"1\",", "", Err("has no config.version")),
            (":1,", ":null,", Err("has no number manifest_version")),
            ("\"config\"", "\"x\"", Err("has no object config")),
            ("\"extension\":{", "\"x\":{", Err("has no object extension")),
            (
                "\"name\":\"a\"",
                "\"name\":\"a\",\"release\":null",
                Err("has config.release, which is null"),
            ),
            (
                "\"ARCHITECTURE\":\"x86-64\"",
                "\"ARCHITECTURE\":1",
                Err("has extension.ARCHITECTURE, which is not a string"),
            ),
        ] {
            let json = good.replacen(from, to, 1);
            let parsed = parse_strictly(&*gzip(json.as_bytes())).map(drop);
            assert_eq!(parsed, expected.map_err(str::to_owned), "{json}");
        }
    }

    #[test]
    fn true_versions() {
        let of = |json: &str| {
            let manifest: Manifest = serde_json::from_str(json).unwrap();
            manifest.evr().map(str::to_owned)
        };
        let packages = r#""packages":[{"name":"b","version":"9"},{"name":"a","version":"1:2~3"}]"#;
        for (json, expected) in [
            (
                format!(r#"{{"config":{{"name":"a","version":"2-A.3"}},{packages}}}"#),
                Some("1:2~3"),
            ),
            (
                format!(r#"{{"config":{{"name":"c","version":"29.1"}},{packages}}}"#),
                Some("29.1"),
            ),
            (r#"{"config":{"name":"a"}}"#.to_owned(), None),
        ] {
            assert_eq!(of(&json).as_deref(), expected, "{json}");
        }
    }

    #[test]
    fn file_names_in_three() {
        let manifest = Manifest {
            config: Config {
                name: "a-b".to_owned(),
                version: Some("1-2".to_owned()),
                ..Config::default()
            },
            ..Manifest::default()
        };
        for (image, expected) in [
            ("a-b-1-2.x86-64.raw", Some(("a-b-", "1-2", ".x86-64.raw"))),
            ("a-b-1-2-x86-64.raw", Some(("a-b-", "1-2", "-x86-64.raw"))),
            ("a-b-1-3.x86-64.raw", None),
            ("a-bc1-2.x86-64.raw", None),
            ("a", None),
        ] {
            assert_eq!(manifest.split(image), expected, "{image}");
        }
    }

    #[test]
    fn names_without_manifests() {
        for (image, expected) in [
            ("gcc-14-1.1.x86-64.raw", "gcc"),
            ("gcc-c++-14-1.1.x86-64.raw", "gcc-c++"),
            ("gcc-32bit-14-1.1.x86-64.raw", "gcc"),
            ("gcc-git5.raw", "gcc-git5"),
            ("gcc.raw", "gcc"),
            ("gcc-.raw", "gcc-"),
        ] {
            assert_eq!(guess_name(image), expected, "{image}");
        }
    }
}
