//! `inspect`: what is in an image, and what it needs of its base.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use clients::ReleaseFile;
use files::Links;
use image::squashfs::{Image, ReadError};
use linkage::Needs;
use manifest::{ImageFile, Package, Summary};
use serde::Serialize;

use crate::answer::TreeLines;
use crate::cli::InspectArguments;
use crate::inspected::{
    InspectedImage, Proof, Signed, beside, check_content_size, file_system, image_failure,
    not_an_image, prove, read_manifest, release_files,
};
use crate::publish::signing::read_certificates;
use crate::report::Report;
use crate::words::digest::{sha256, sha256_id};
use crate::words::failure::{Failure, Result};
use crate::words::quantity::bytes;
use crate::words::text::Text;

/// What there is to say of an image.
#[derive(Serialize)]
struct Inspection {
    image: PathBuf,
    bytes: u64,
    /// What the image file is, in words.
    format: String,
    /// SHA-256 of the certificate by which it says it is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
    compressor: String,
    block_size: u32,
    time: u32,
    inodes: u32,
    content_bytes: u64,
    /// Keys of the extension-release file.
    extension: BTreeMap<String, String>,
    /// What `--verify` found.
    #[serde(skip_serializing_if = "Option::is_none")]
    verity: Option<Proof>,
    /// Absent where the manifest is not beside the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    packages: Option<Vec<Package>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    requires: Option<Vec<String>>,
    /// Libraries and interpreters that the files need of the base.
    #[serde(skip_serializing_if = "Option::is_none")]
    needs: Option<Needs>,
    tree: TreeLines,
}

/// Prints an image's metadata, packages, requirements and tree.
pub fn run(arguments: &InspectArguments, report: &Report) -> Result<()> {
    let mut inspection = inspect(&arguments.image)?;
    if arguments.verify {
        let mut certificates = Vec::new();
        for path in &arguments.verity_cert {
            certificates.extend(read_certificates(path)?);
        }
        inspection.verity = Some(prove(&arguments.image, &certificates)?);
    }
    if report.is_json() {
        report.json(&inspection)?;
    } else {
        report.print_with(&inspection.text(), |line| inspection.tree.each(line))?;
    }
    Ok(())
}

fn inspect(path: &Path) -> Result<Inspection> {
    let doing = || format!("reading {}", path.display());
    let file = files::open(path, Links::Follow)?;
    let length = file
        .metadata()
        .map_err(|error| Failure::io(doing(), error))?
        .len();
    let refused = |error: ReadError| image_failure(path, error);
    if let Some(failure) = not_an_image(path)? {
        return Err(failure);
    }
    let whole = InspectedImage::open_alone(path)?;
    let section = file_system(file).map_err(|error| image_failure(path, error))?;
    let mut image = Image::open(section).map_err(refused)?;
    let mut tree = image.tree().map_err(refused)?;
    let files = release_files(&mut image, &tree).map_err(|error| image_failure(path, error))?;
    let extension = extension_release(&files);
    let content_bytes = check_content_size(path, length, &tree)?;
    tree.map_contents(&mut |_, id| {
        let mut content = image.content(id)?;
        let (_, digest) = sha256(&mut content)?;
        Ok(sha256_id(&digest))
    })
    .map_err(|error: io::Error| image_failure(path, error))?;
    let facts = image.facts();
    let manifest: Option<Summary> = read_manifest(&beside(path), Links::Refuse)?;
    let (packages, requires, needs) = match manifest {
        Some(manifest) => (Some(manifest.packages), manifest.requires, manifest.needs),
        None => (None, None, None),
    };
    Ok(Inspection {
        image: path.to_owned(),
        bytes: length,
        format: whole.format(),
        signed_by: whole.signature.as_ref().map(Signed::fingerprint),
        compressor: facts.compressor.to_string(),
        block_size: facts.block_size,
        time: facts.mkfs_time,
        inodes: facts.inode_count,
        content_bytes,
        extension,
        verity: None,
        packages,
        requires,
        needs,
        tree: TreeLines(tree),
    })
}

/// Returns the keys of the first extension-release file. One that is none of ours may hold
/// anything; then it says nothing.
fn extension_release(files: &[ReleaseFile]) -> BTreeMap<String, String> {
    files
        .iter()
        .find(|file| file.is_regular)
        .and_then(|file| file.keys.as_ref())
        .map(|release| release.keys().clone())
        .unwrap_or_default()
}

impl Inspection {
    fn text(&self) -> Text {
        let mut text = Text::default();
        text.line(self.image.display());
        text.line(format!(
            "  {}, {} unpacked; {} in {} blocks; {} inodes; time {}",
            bytes(self.bytes),
            bytes(self.content_bytes),
            self.compressor,
            bytes(self.block_size.into()),
            self.inodes,
            self.time,
        ));
        if let Some(signer) = &self.signed_by {
            text.line(format!(
                "  {}, by the certificate {signer} as it says",
                self.format
            ));
        } else if self.format != ImageFile::SQUASHFS {
            text.line(format!("  {}", self.format));
        }
        for (key, value) in &self.extension {
            text.line(format!("  {key}={value}"));
        }
        if self.extension.is_empty() {
            text.line("  no extension-release file: systemd refuses this image");
        }
        for line in self.verity.iter().flat_map(Proof::lines) {
            text.line(format!("  {line}"));
        }
        match &self.packages {
            None => text.line("packages: not known, as there is no manifest next to the image"),
            Some(packages) => {
                text.line("packages:");
                for package in packages {
                    let or_unknown = |value: &Option<String>| value.clone().unwrap_or("?".into());
                    text.line(format!(
                        "  {}  sha256 {}  {}",
                        or_unknown(&package.nevra),
                        or_unknown(&package.sha256),
                        or_unknown(&package.origin)
                    ));
                }
            }
        }
        if let Some(needs) = &self.needs {
            text.append(&needs_text(needs));
        }
        if let Some(requires) = &self.requires {
            text.line("requires of the base:");
            for capability in requires {
                text.line(format!("  {capability}"));
            }
        }
        text.line("tree:");
        text
    }
}

/// Lists the libraries that the files need, each with its versions, then loaders and interpreters.
fn needs_text(needs: &Needs) -> Text {
    let mut text = Text::default();
    text.line("needs of the base:");
    for (library, versions) in &needs.libraries {
        let versions: Vec<_> = versions.iter().map(String::as_str).collect();
        text.line(format!("  {library}  {}", versions.join(" ")).trim_end());
    }
    for program in &needs.programs {
        text.line(format!("  {program}"));
    }
    for (library, paths) in &needs.cached {
        let paths: Vec<_> = paths.iter().map(String::as_str).collect();
        let paths = paths.join(", ");
        text.line(format!(
            "  {library}  in ld.so.cache: the image has it as {paths}"
        ));
    }
    text
}
