//! The documents of a layout: descriptors, manifests, indexes.
//!
//! Format: OCI Image Format Specification 1.1.

use std::collections::BTreeMap;

use anyhow::anyhow;
use serde::{Deserialize, Serialize};

use crate::words::failure::{Failure, Result};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const EMPTY: &str = "application/vnd.oci.empty.v1+json";
const TITLE: &str = "org.opencontainers.image.title";
const VERSION: &str = "org.opencontainers.image.version";
const REFERENCE: &str = "org.opencontainers.image.ref.name";
/// Says of an index that it may be replaced.
const OWN: &str = "sysext-build.layout";
/// What a manifest without configuration refers to.
const NOTHING: &[u8] = b"{}";
/// The longest type or subtype, in bytes (RFC 6838).
const LONGEST_NAME: usize = 127;

/// What refers to a blob.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    media_type: String,
    /// `sha256:` and hexadecimal digits.
    pub digest: String,
    size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    artifact_type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<Platform>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
}

/// Which machines an artifact is for.
#[derive(Clone, Debug, Serialize)]
pub struct Platform {
    /// As Go calls it.
    pub architecture: &'static str,
    /// `linux`.
    pub os: &'static str,
}

/// A file that becomes an artifact.
pub struct Artifact<'a> {
    /// What it is.
    pub media_type: &'a str,
    /// Its name outside of registries.
    pub file: &'a str,
    /// Its SHA-256.
    pub sha256: &'a [u8; 32],
    /// Its length in bytes.
    pub length: u64,
    /// Its version, if it has one of its own.
    pub version: Option<&'a str>,
    /// What it says something of.
    pub subject: Option<&'a Descriptor>,
}

/// What stands for an artifact.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Manifest<'a> {
    schema_version: u32,
    media_type: &'static str,
    artifact_type: &'a str,
    config: Descriptor,
    layers: [Descriptor; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
}

/// What stands for several manifests.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    schema_version: u32,
    media_type: &'static str,
    manifests: Vec<Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: BTreeMap<&'static str, String>,
}

impl Descriptor {
    /// Makes one.
    pub fn new(media_type: &str, sha256: &[u8; 32], size: u64) -> Self {
        Self {
            media_type: media_type.to_owned(),
            digest: format!("sha256:{}", hex::encode(sha256)),
            size,
            artifact_type: None,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    /// The same with what an index says of an artifact.
    pub fn of(self, artifact_type: &str, platform: Option<Platform>) -> Self {
        Self {
            artifact_type: Some(artifact_type.to_owned()),
            platform,
            ..self
        }
    }

    /// The same, to be found by a reference.
    pub fn called(mut self, reference: String) -> Self {
        self.annotations.insert(REFERENCE, reference);
        self
    }
}

impl<'a> Manifest<'a> {
    /// The media type of manifests.
    pub const TYPE: &'static str = MANIFEST;
    /// What a layout must hold besides: the configuration that there is none of.
    pub const CONFIG: (&'static str, &'static [u8]) = (EMPTY, NOTHING);

    /// Makes the manifest of an artifact, given the descriptor of no configuration.
    pub fn new(artifact: &Artifact<'a>, config: &Descriptor) -> Self {
        let mut file = Descriptor::new(artifact.media_type, artifact.sha256, artifact.length);
        file.annotations.insert(TITLE, artifact.file.to_owned());
        let version = artifact
            .version
            .map(|version| (VERSION, version.to_owned()));
        Self {
            schema_version: 2,
            media_type: MANIFEST,
            artifact_type: artifact.media_type,
            config: config.clone(),
            layers: [file],
            subject: artifact.subject,
            annotations: version.into_iter().collect(),
        }
    }

    /// Returns the bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        bytes(self)
    }
}

impl Index {
    /// The media type of indexes.
    pub const TYPE: &'static str = INDEX;

    /// Makes one of these.
    pub fn new(manifests: Vec<Descriptor>) -> Self {
        Self {
            schema_version: 2,
            media_type: INDEX,
            manifests,
            annotations: BTreeMap::new(),
        }
    }

    /// Makes that of a layout.
    pub fn of_layout(manifests: Vec<Descriptor>) -> Self {
        Self {
            annotations: [(OWN, "1".to_owned())].into(),
            ..Self::new(manifests)
        }
    }

    /// Returns the bytes.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        bytes(self)
    }
}

/// Whether an index was made here.
pub fn is_own(index: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Marked {
        annotations: BTreeMap<String, String>,
    }
    let marked = serde_json::from_slice::<Marked>(index);
    marked.is_ok_and(|index| index.annotations.contains_key(OWN))
}

fn bytes(document: &impl Serialize) -> Result<Vec<u8>> {
    let bytes = serde_json::to_vec(document);
    bytes.map_err(|error| Failure::refused(anyhow!("the layout can't be written: {error}")))
}

/// Takes a media type as registries do: type and subtype of RFC 6838. Returns what is wrong with another.
pub fn media_type(text: &str) -> std::result::Result<String, String> {
    let is_known = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$&-^_.+".contains(&byte);
    let is_name = |name: &str| {
        name.len() <= LONGEST_NAME
            && name.starts_with(|letter: char| letter.is_ascii_alphanumeric())
            && name.bytes().all(is_known)
    };
    match text.split_once('/') {
        Some((kind, name)) if is_name(kind) && is_name(name) => Ok(text.to_owned()),
        _ => Err("it is not a media type, such as application/vnd.example.sysext.raw".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_types() {
        for (text, expected) in [
            ("application/vnd.kairos.sysext.raw", true),
            ("a/b+c", true),
            ("application", false),
            ("/b", false),
            ("a/", false),
            ("a/b/c", false),
            ("a/b c", false),
            ("a/.b", false),
        ] {
            assert_eq!(media_type(text).is_ok(), expected, "{text}");
        }
        assert!(media_type(&format!("a/{}", "b".repeat(127))).is_ok());
        assert!(media_type(&format!("a/{}", "b".repeat(128))).is_err());
    }

    #[test]
    fn a_manifest_says_what_its_file_is_and_whose() {
        let config = Descriptor::new(EMPTY, &[1; 32], 2);
        let subject = Descriptor::new(MANIFEST, &[2; 32], 3);
        let manifest = Manifest::new(
            &Artifact {
                media_type: "a/b",
                file: "x.raw",
                sha256: &[3; 32],
                length: 4,
                version: Some("1-1"),
                subject: Some(&subject),
            },
            &config,
        );
        let hex = |byte: &str| byte.repeat(32);
        assert_eq!(
            String::from_utf8(manifest.to_bytes().unwrap()).unwrap(),
            [
                r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","#,
                r#""artifactType":"a/b","#,
                r#""config":{"mediaType":"application/vnd.oci.empty.v1+json","digest":"sha256:"#,
                &hex("01"),
                r#"","size":2},"layers":[{"mediaType":"a/b","digest":"sha256:"#,
                &hex("03"),
                r#"","size":4,"annotations":{"org.opencontainers.image.title":"x.raw"}}],"#,
                r#""subject":{"mediaType":"application/vnd.oci.image.manifest.v1+json","#,
                r#""digest":"sha256:"#,
                &hex("02"),
                r#"","size":3},"annotations":{"org.opencontainers.image.version":"1-1"}}"#,
            ]
            .concat()
        );
    }

    #[test]
    fn an_index_of_others_is_not_ours() {
        let own = Index::of_layout(Vec::new()).to_bytes().unwrap();
        for (index, expected) in [
            (&own[..], true),
            (br#"{"schemaVersion":2,"manifests":[]}"#, false),
            (br#"{"annotations":{"a":"b"}}"#, false),
            (b"", false),
        ] {
            assert_eq!(
                is_own(index),
                expected,
                "{}",
                String::from_utf8_lossy(index)
            );
        }
    }
}
