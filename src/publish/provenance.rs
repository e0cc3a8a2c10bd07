//! Signed statements about how images were built: provenance of SLSA, made of manifests alone.
//!
//! A statement has no clock of its own, and no path of this machine: the same image by the same key has
//! the same statement, byte for byte.

use std::path::PathBuf;

use attest::{Error, SigningKey, Statement};
use files::SecretFile;
use manifest::Manifest;
use serde_json::{Value, json};

use crate::publish::signing::PassphraseSource;
use crate::words::failure::{Failure, Result};

/// What kind of build it is: options and packages of a manifest, by this program.
const BUILD_TYPE: &str = "urn:sysext-build:build:1";
/// What stands before the id of a key in the name of who built.
const BUILDER: &str = "urn:sysext-build:key:";
/// Longest file of a key that is read, in bytes.
const MAX_KEY_FILE: u64 = 64 << 10;

/// A key that signs statements, as the user named it.
#[derive(Clone, Debug)]
pub struct KeyFile {
    /// The file with the secret key.
    pub path: PathBuf,
    /// Where its passphrase is, if it has one.
    pub passphrase: PassphraseSource,
}

/// Signs statements.
pub struct Attester {
    key: SigningKey,
    id: String,
}

impl Attester {
    /// Opens the key. May ask for its passphrase.
    pub fn open(file: &KeyFile) -> Result<Self> {
        let origin = file.path.display().to_string();
        let bytes = SecretFile::open(&file.path)?.read_whole(MAX_KEY_FILE)?;
        let key = match SigningKey::parse(&bytes, &origin, None) {
            Err(Error::PassphraseNeeded { .. }) => {
                SigningKey::parse(&bytes, &origin, Some(&*file.passphrase.ask(&origin)?))
            }
            other => other,
        };
        let unusable = |error| {
            Failure::refused(anyhow::Error::from(error))
                .hint("to make a key: openssl genpkey -algorithm ed25519 -out KEY")
        };
        let key = key.map_err(unusable)?;
        let id = key.public().map_err(unusable)?.id();
        Ok(Self { key, id })
    }

    /// Returns what the key is called in names of files.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the signed statement about an image with this manifest and SHA-256.
    pub fn sealed<L>(
        &self,
        manifest: &Manifest<L>,
        image: &str,
        sha256: &[u8; 32],
    ) -> Result<Vec<u8>> {
        let predicate = predicate(manifest, &self.id);
        let statement = Statement::provenance(image, sha256, predicate);
        attest::seal(&statement, &self.key).map_err(Failure::refused)
    }
}

/// Returns what is said of an image.
fn predicate<L>(manifest: &Manifest<L>, key: &str) -> Value {
    let config = &manifest.config;
    let build = manifest.build.clone().unwrap_or_default();
    let id = config.distribution.as_deref();
    let distribution = id.map(|id| (id, config.release.as_deref()));
    let packages = manifest.packages.iter().map(|one| {
        let evr = one.version.as_deref().unwrap_or_default();
        let (architecture, source) = (one.architecture.as_deref(), one.source_rpm.as_deref());
        let mut described = json!({
            "name": one.nevra.as_ref().unwrap_or(&one.name),
            "uri": sbom::purl((&one.name, evr), architecture, source, distribution),
        });
        if let Some(sha256) = &one.sha256 {
            described["digest"] = json!({ "sha256": sha256 });
        }
        described
    });
    let packages: Vec<_> = packages.collect();
    let base = json!({
        "distribution": config.distribution,
        "release": config.release,
        "known": manifest.known,
        "relies_on": manifest.relies_on.iter().map(|one| &one.nevra).collect::<Vec<_>>(),
    });
    let from = manifest.built_from.as_ref();
    let parts = from.map(|from| &from.parts);
    json!({
        "buildDefinition": {
            "buildType": BUILD_TYPE,
            "externalParameters": {
                "name": config.name,
                "version": config.version,
                "options": build.options,
                "files": build.files,
                "packages": build.packages,
            },
            "internalParameters": {
                "built_from": parts,
                "base": base,
            },
            "resolvedDependencies": packages,
        },
        "runDetails": {
            "builder": {
                "id": format!("{BUILDER}{key}"),
                "version": { "sysext-build": env!("CARGO_PKG_VERSION") },
            },
            "metadata": {},
        },
    })
}
