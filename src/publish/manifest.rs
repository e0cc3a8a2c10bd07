//! The manifest of an image, made of what the program knows of it.

use std::collections::BTreeMap;
use std::io::Write as _;

use flate2::{Compression, GzBuilder};
use linkage::Needs;
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

use crate::base::Base;
use crate::findings::Finding;
use crate::pack::Packed;
use crate::packages::reason::{Explained, ReliedOn};
use crate::packages::{Chosen, Selection};
use crate::plan::identity::{self, Identity};
use crate::words::failure::{Failure, Result};

/// The package list of an image, in the format of mkosi's manifest version 1, with keys of our
/// own: `nevra`, `sha256`, `origin`, `reason` and `provides` of each package, `requires` and
/// `relies_on`; why findings were allowed (`allowed`); what the files need of the base (`needs`), and
/// what each file needs and offers (`linkage`), on one line, since it is for programs.
#[derive(Debug, Serialize)]
pub struct Manifest {
    manifest_version: u32,
    config: Config,
    packages: Vec<ManifestPackage>,
    extension: BTreeMap<&'static str, String>,
    requires: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    relies_on: Vec<ReliedOn>,
    /// Why findings were allowed, each by its id.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    allowed: BTreeMap<&'static str, String>,
    needs: Needs,
    linkage: Box<RawValue>,
}

#[derive(Debug, Serialize)]
struct Config {
    name: String,
    // An absent key is left out: sysextmgr does not take null.
    #[serde(skip_serializing_if = "Option::is_none")]
    distribution: Option<String>,
    architecture: String,
    output_format: &'static str,
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    release: Option<String>,
}

#[derive(Debug, Serialize)]
struct ManifestPackage {
    r#type: &'static str,
    name: String,
    version: String,
    architecture: String,
    size: u64,
    sha256: String,
    origin: String,
    #[serde(flatten)]
    explained: Explained,
}

impl Manifest {
    /// Lists what went into an image. `findings` are those that were allowed, among others.
    pub fn new<'a, W>(
        identity: &Identity,
        base: &Base,
        selection: &Selection,
        packed: &Packed<W>,
        findings: impl Iterator<Item = &'a Finding>,
    ) -> Result<Self> {
        let linkage = to_raw_value(&packed.linkage)
            .map_err(|error| Failure::io("writing the manifest", error))?;
        let allowed = findings
            .filter_map(|finding| Some((finding.kind.id, finding.allowed.clone()?)))
            .collect();
        Ok(Self {
            manifest_version: 1,
            config: Config {
                name: identity.name.clone(),
                distribution: base.os_release.get("ID").map(str::to_owned),
                architecture: identity.architecture.to_string(),
                output_format: "sysext",
                version: identity.version.clone(),
                release: base.os_release.get("VERSION_ID").map(str::to_owned),
            },
            packages: packages(selection, &packed.digests),
            extension: identity.release.iter().cloned().collect(),
            requires: identity::requires(&selection.packages()),
            relies_on: selection.relies_on.clone(),
            allowed,
            needs: Needs::of(&packed.linkage),
            linkage,
        })
    }

    /// Returns the manifest as gzip-compressed JSON. No time is in it.
    pub fn to_gzip(&self) -> Result<Vec<u8>> {
        let failed = |error: std::io::Error| Failure::io("writing the manifest", error);
        let mut json = serde_json::to_vec_pretty(self).map_err(|error| failed(error.into()))?;
        json.push(b'\n');
        let mut gzip = GzBuilder::new()
            .mtime(0)
            .write(Vec::new(), Compression::best());
        gzip.write_all(&json).map_err(failed)?;
        gzip.finish().map_err(failed)
    }
}

/// Lists the packages, sorted by NEVRA. `digests` are those of the RPM files. Of a file's path only
/// the name is kept: the directory is the build machine's own.
fn packages(selection: &Selection, digests: &[[u8; 32]]) -> Vec<ManifestPackage> {
    let mut listed: Vec<_> = (selection.chosen.iter().zip(digests))
        .map(|(chosen, digest)| {
            let Chosen { package, file, .. } = chosen;
            let name = file.file_name().unwrap_or_default();
            ManifestPackage {
                r#type: "rpm",
                name: package.nevra.name.clone(),
                version: package.nevra.evr(),
                architecture: package.nevra.arch.clone(),
                size: package.installed_size,
                sha256: hex::encode(digest),
                origin: name.to_string_lossy().into_owned(),
                explained: chosen.explained(),
            }
        })
        .collect();
    listed.sort_by(|a, b| a.explained.nevra.cmp(&b.explained.nevra));
    listed
}
