//! What an image from elsewhere must be to come into a store, by whichever verb.

use std::io::{self, Read, Seek as _};
use std::path::Path;

use anyhow::anyhow;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use delta::Index;
use delta::patch::Patch;
use image::squashfs::Image;
use manifest::Summary;
use memchr::memmem;
use serde_json::Value;
use store::{Added, INDEX_SUFFIX, PATCH_SUFFIX, Severity, Temporary, kinds};

use super::verify::look_inside;
use crate::check::shadow;
use crate::inspected;
use crate::report::Report;
use crate::words::failure::{Failure, Result};

/// Most bytes of a file that belongs to an image, besides its manifest.
const MAX_ATTACHED: u64 = 64 << 20;

/// Reads the manifest of an image that is about to come; `path` is where it is from.
pub fn manifest(file: impl Read, path: &Path) -> Result<Summary> {
    Summary::parse_strictly(file).map_err(|problem| {
        let (id, path) = (kinds::MANIFEST_INVALID.id, path.display());
        Failure::refused(anyhow!("{id}: {path} {problem}"))
    })
}

/// Refuses an image that no store should have; `path` is where it is from.
pub fn check(
    path: &Path,
    copy: &mut (String, Temporary, [u8; 32]),
    manifest: &Summary,
    report: &Report,
) -> Result<()> {
    check_attributes(path, &mut copy.1)?;
    check_inside(path, copy, manifest, report)
}

/// Refuses a file beside an image that does not name its digest: it is about another. `path` is where
/// it is from.
pub fn check_attached(path: &Path, file: &mut Temporary, image: &[u8; 32]) -> Result<()> {
    let failed = |error: io::Error| Failure::io(format!("reading {}", path.display()), error);
    file.rewind().map_err(failed)?;
    let mut bytes = Vec::new();
    (file.take(MAX_ATTACHED + 1).read_to_end(&mut bytes)).map_err(failed)?;
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if length > MAX_ATTACHED {
        let text = anyhow!("{} has more than {MAX_ATTACHED} bytes", path.display());
        return Err(Failure::refused(text));
    }
    if path.to_string_lossy().ends_with(INDEX_SUFFIX) {
        return check_index(path, &bytes, image);
    }
    if path.to_string_lossy().ends_with(PATCH_SUFFIX) {
        return check_patch(path, &bytes, image);
    }
    let document: Value = serde_json::from_slice(&bytes)
        .map_err(|error| Failure::refused(anyhow!("{} is not JSON: {error}", path.display())))?;
    // What is signed is in base64.
    let payload = (document
        .pointer("/dsseEnvelope/payload")
        .and_then(Value::as_str))
    .and_then(|text| BASE64_STANDARD.decode(text).ok());
    let digest = hex::encode(image);
    if memmem::find(payload.as_ref().unwrap_or(&bytes), digest.as_bytes()).is_none() {
        let text = anyhow!("{} is not about the image next to it", path.display());
        return Err(
            Failure::refused(text).hint("remove it, or make it again: sysext-build sbom IMAGE")
        );
    }
    Ok(())
}

/// Refuses an index that can't be read, or is of another image.
fn check_index(path: &Path, bytes: &[u8], image: &[u8; 32]) -> Result<()> {
    let index = Index::parse(bytes)
        .map_err(|problem| Failure::refused(anyhow!("{}: the index {problem}", path.display())))?;
    match index.sha256() == image {
        true => Ok(()),
        false => {
            let text = anyhow!("{} is not of the image next to it", path.display());
            Err(Failure::refused(text).hint("remove it: sysext-build store index makes another"))
        }
    }
}

/// Refuses a patch that can't be read, or makes another image.
fn check_patch(path: &Path, bytes: &[u8], image: &[u8; 32]) -> Result<()> {
    let patch = Patch::parse(bytes)
        .map_err(|problem| Failure::refused(anyhow!("{}: the patch {problem}", path.display())))?;
    match patch.new_image() == image {
        true => Ok(()),
        false => {
            let text = anyhow!("{} does not make the image next to it", path.display());
            Err(Failure::refused(text).hint("remove it: sysext-build store delta makes another"))
        }
    }
}

/// Returns what became of an image, in a word.
pub fn word(added: Added) -> &'static str {
    match added {
        Added::New => "new",
        Added::Unchanged => "unchanged",
        Added::Replaced => "replaced",
    }
}

/// Refuses an image that hides more of a base than it says. One that can't be read here passes.
fn check_attributes(path: &Path, copy: &mut Temporary) -> Result<()> {
    let Some(tree) = inspected::file_system(copy)
        .ok()
        .and_then(|section| Image::open(section).ok())
        .and_then(|mut image| image.tree().ok())
    else {
        return Ok(());
    };
    let found = shadow::overlayfs_attributes(&tree);
    let Some(first) = found.first() else {
        return Ok(());
    };
    let what = format!("{}: {} {}", path.display(), first.path, first.what);
    Err(Failure::refused(anyhow!(what)).hint(format!(
        "merged, it would hide files of the base; for more, see sysext-build explain {}",
        first.kind.id
    )))
}

/// Refuses what `store verify` would call an error of an image and its manifest, and says what else
/// it would say of them.
fn check_inside(
    path: &Path,
    (name, copy, _): &mut (String, Temporary, [u8; 32]),
    manifest: &Summary,
    report: &Report,
) -> Result<()> {
    let inside = look_inside(copy, name, Some(manifest)).into_iter();
    for found in inside.chain(store::of_image(name, manifest)) {
        let id = found.kind.id;
        let text = format!("{id}: {} {}", path.display(), found.text);
        match found.kind.severity {
            Severity::Error => {
                let hint = format!("see what it means: sysext-build explain {id}");
                return Err(Failure::refused(anyhow!(text)).hint(hint));
            }
            Severity::Note => report.stage("note", &text),
        }
    }
    Ok(())
}
