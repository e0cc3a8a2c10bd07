//! What a store holds, as a value; and the format of `index.json`.
//!
//! ```json
//! {
//!   "index_version": 1,
//!   "title": "System extensions",
//!   "url": "https://example.org/sysext/",
//!   "signed": true,
//!   "signing_keys": ["0123456789ABCDEF0123456789ABCDEF01234567"],
//!   "extensions": [
//!     {
//!       "name": "strace",
//!       "directory": "",
//!       "summary": "Track and debug system calls",
//!       "definitions": "sysupdate.strace.d/",
//!       "images": [
//!         {
//!           "file": "strace-6.11-1.1.x86-64.raw",
//!           "version": "6.11-1.1",
//!           "built": "2026-03-04",
//!           "architecture": "x86-64",
//!           "bytes": 1138688,
//!           "sha256": "…",
//!           "manifest": "strace-6.11-1.1.x86-64.manifest.gz",
//!           "fits": {"ID": "opensuse-microos", "VERSION_ID": "20260304", "SYSEXT_SCOPE": "system"},
//!           "packages": [{"name": "strace", "version": "6.11-1.1", "architecture": "x86_64"}]
//!         }
//!       ]
//!     }
//!   ]
//! }
//! ```
//!
//! Extensions are in the order of their names, the images of each from the newest to the oldest as
//! `systemd-sysupdate` orders them, packages in the order of the manifest. Keys without a value are
//! left out. `certificates` and an image's `signed_by` are SHA-256 of certificates that vouch for what is in
//! images. An image may have a `companion` with the same keys, see `--etc confext`. Files are named relative to the store's `directory` of the extension, which is empty
//! or ends in `/`. Readers should go by `index_version`, and pass over keys that they don't know.

use serde::Serialize;

/// The version of the format, which grows when a key changes its meaning or goes.
const INDEX_VERSION: u32 = 1;

/// What a store holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Index {
    index_version: u32,
    /// What the store is called.
    pub title: String,
    /// Its address, with a `/` at the end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// `SHA256SUMS` has a signature.
    pub signed: bool,
    /// Fingerprints of the keys that may have made it, in upper-case hexadecimal digits.
    pub signing_keys: Vec<String>,
    /// Where in the store the public keyring is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keyring: Option<String>,
    /// SHA-256 of the certificates that vouch for what is in images, in hexadecimal digits.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<String>,
    /// In the order of their names.
    pub extensions: Vec<Extension>,
}

/// The images of one name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Extension {
    /// What clients call it.
    pub name: String,
    /// Where in the store its images are: nothing, or a name and `/`.
    pub directory: String,
    /// What it is, in one line, as its package says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// Where in the store the definitions for systemd-sysupdate are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub definitions: Option<String>,
    /// The newest first; never empty.
    pub images: Vec<Image>,
}

impl Extension {
    /// Returns the companion of the newest image.
    pub fn companion(&self) -> Option<&Image> {
        self.images.first()?.companion.as_deref()
    }
}

/// One image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Image {
    /// Its file's name.
    pub file: String,
    /// Its version, as clients see it.
    pub version: String,
    /// `[epoch:]version-release` of the package that it is named after, where the version for
    /// clients is written in other characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub evr: Option<String>,
    /// The day of the image's time, in UTC: `SOURCE_DATE_EPOCH`, else that of its newest package.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub built: Option<String>,
    /// In systemd's spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Its size.
    pub bytes: u64,
    /// Its digest, as `SHA256SUMS` lists it.
    pub sha256: String,
    /// The file name of its manifest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<String>,
    /// SHA-256 of the certificate that vouches for what is in it, in hexadecimal digits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// The systems that it is for.
    pub fits: Fits,
    /// What it is made of.
    pub packages: Vec<PackageLine>,
    /// The image of the same version of what it has in `/etc`, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub companion: Option<Box<Image>>,
}

/// The keys of extension-release that decide where an image is merged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub struct Fits {
    /// `ID`; `_any` fits all systems.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// `SYSEXT_LEVEL`, which makes `VERSION_ID` void.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sysext_level: Option<String>,
    /// `VERSION_ID`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version_id: Option<String>,
    /// `SYSEXT_SCOPE`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sysext_scope: Option<String>,
}

/// A package in an image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PackageLine {
    /// Name of the package.
    pub name: String,
    /// `[epoch:]version-release`
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// In RPM's spelling.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
}

impl Index {
    /// Returns an empty index.
    pub fn new(title: String, url: Option<String>) -> Self {
        Self {
            index_version: INDEX_VERSION,
            title,
            url,
            signed: false,
            signing_keys: Vec::new(),
            keyring: None,
            certificates: Vec::new(),
            extensions: Vec::new(),
        }
    }

    /// Returns the text of `index.json`.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        let mut json = serde_json::to_vec_pretty(self)?;
        json.push(b'\n');
        Ok(json)
    }
}

impl Fits {
    /// Returns the system in words: `opensuse-microos 20260304`.
    pub fn in_words(&self) -> String {
        match (&self.id, &self.sysext_level, &self.version_id) {
            (None, _, _) => "unknown".to_owned(),
            (Some(id), _, _) if id == "_any" => "any system".to_owned(),
            (Some(id), Some(level), _) => format!("{id}, level {level}"),
            (Some(id), None, Some(version)) => format!("{id} {version}"),
            (Some(id), None, None) => id.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_in_words() {
        let some = |text: &str| Some(text.to_owned());
        for (id, sysext_level, version_id, words) in [
            (None, None, some("1"), "unknown"),
            (some("_any"), None, some("_any"), "any system"),
            (some("a"), some("l-1"), some("2"), "a, level l-1"),
            (some("a"), None, some("2"), "a 2"),
            (some("a"), None, None, "a"),
        ] {
            let fits = Fits {
                id,
                sysext_level,
                version_id,
                sysext_scope: None,
            };
            assert_eq!(fits.in_words(), words);
        }
    }

    #[test]
    fn the_format_of_programs() {
        let some = |text: &str| Some(text.to_owned());
        let mut index = Index::new("T".to_owned(), None);
        let image = Image {
            file: "a-1.raw".to_owned(),
            version: "1".to_owned(),
            evr: None,
            built: None,
            architecture: None,
            bytes: 7,
            sha256: "00".to_owned(),
            manifest: None,
            signed_by: None,
            fits: Fits::default(),
            packages: Vec::new(),
            companion: None,
        };
        let whole = Image {
            evr: some("0:1"),
            built: some("2026-03-04"),
            architecture: some("x86-64"),
            manifest: some("a-1.manifest.gz"),
            signed_by: some("c"),
            fits: Fits {
                id: some("os"),
                sysext_level: some("2"),
                version_id: some("1"),
                sysext_scope: some("system"),
            },
            packages: vec![PackageLine {
                name: "a".to_owned(),
                version: some("1"),
                architecture: some("x86_64"),
            }],
            ..image.clone()
        };
        index.extensions.push(Extension {
            name: "a".to_owned(),
            directory: String::new(),
            summary: None,
            definitions: None,
            images: vec![image],
        });
        let short = r#"{"index_version":1,"title":"T","signed":false,"signing_keys":[],"extensions":[{"name":"a","directory":"","images":[{"file":"a-1.raw","version":"1","bytes":7,"sha256":"00","fits":{},"packages":[]}]}]}"#;
        let compact = |index: &Index| {
            let json = index.to_json().unwrap();
            assert_eq!(json.last(), Some(&b'\n'));
            let value: serde_json::Value = serde_json::from_slice(&json).unwrap();
            value
        };
        let parsed = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(compact(&index), parsed(short));
        index.url = some("https://a/");
        index.signed = true;
        index.signing_keys = vec!["F".to_owned()];
        index.keyring = some("k");
        index.certificates = vec!["c".to_owned()];
        index.extensions[0].directory = "a/".to_owned();
        index.extensions[0].definitions = some("sysupdate.a.d/");
        index.extensions[0].summary = some("S");
        index.extensions[0].images = vec![whole];
        let long = r#"{"index_version":1,"title":"T","url":"https://a/","signed":true,"signing_keys":["F"],"keyring":"k","certificates":["c"],"extensions":[{"name":"a","directory":"a/","definitions":"sysupdate.a.d/","summary":"S","images":[{"file":"a-1.raw","version":"1","evr":"0:1","built":"2026-03-04","architecture":"x86-64","bytes":7,"sha256":"00","manifest":"a-1.manifest.gz","signed_by":"c","fits":{"ID":"os","SYSEXT_LEVEL":"2","VERSION_ID":"1","SYSEXT_SCOPE":"system"},"packages":[{"name":"a","version":"1","architecture":"x86_64"}]}]}]}"#;
        assert_eq!(compact(&index), parsed(long));
    }
}
