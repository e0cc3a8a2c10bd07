//! Which clients a new image is offered to, and is not for.
//!
//! systemd-sysupdate takes the newest version of a directory and looks no further: where images for
//! several versions of an OS share one, clients of all are offered the last.

use std::path::Path;

use files::Links;
use manifest::Summary;
use store::{Layout, Store};

use super::Destination;
use crate::findings::{Finding, kinds};
use crate::plan::identity::Identity;

/// Longest manifest that is looked at, packed, in bytes: this is for a note.
const MAX_MANIFEST: u64 = 4 << 20;

/// Says whether the newest image of the same name is for another version of the OS.
pub fn findings(destination: &Destination, identity: &Identity) -> Option<Finding> {
    // Fedora's names say for which version an image is, and its clients ask for theirs.
    if destination.layout == Layout::Fedora || destination.obs {
        return None;
    }
    let directory = destination.directory_of(&identity.name);
    let (file, summary) = newest(&directory, identity)?;
    let of = |key: &str| {
        let mut release = identity.release.iter();
        release.find(|(name, _)| *name == key).map(|(_, v)| v)
    };
    let (new, old) = (of("VERSION_ID")?, summary.extension.get("VERSION_ID")?);
    let differs = |key: &str| of(key) != summary.extension.get(key);
    if new == old || differs("ID") || of("ID").is_some_and(|id| id == "_any") {
        return None;
    }
    // An equal level counts, and the version then does not.
    if of("SYSEXT_LEVEL").is_some() && !differs("SYSEXT_LEVEL") {
        return None;
    }
    let text = format!(
        "{file} is for VERSION_ID {old}, this image for {new}; clients of {old} are offered the \
         newest, which systemd ignores there"
    );
    Some(Finding::new(&kinds::OTHER_VERSION_ID, text))
}

/// Returns the newest listed image of the extension for the same architecture, and its manifest.
fn newest(directory: &Path, identity: &Identity) -> Option<(String, Summary)> {
    let entries = Store::open_for_reading(directory).ok()?.entries().ok()?;
    let prefix = format!("{}-", identity.name);
    let ending = format!("{}.raw", identity.ending);
    let version = |name: &str| {
        let version = name.strip_prefix(&prefix)?.strip_suffix(&ending)?;
        Some(version.to_owned())
    };
    let mut images: Vec<_> = (entries.iter())
        .filter_map(|entry| Some((version(&entry.name)?, &entry.name)))
        .filter(|(version, _)| *version != identity.version)
        .collect();
    images.sort_by(|(a, _), (b, _)| store::order::systemd(b, a));
    images.into_iter().find_map(|(_, image)| {
        let name = manifest::file_name(image);
        entries.iter().find(|entry| entry.name == name)?;
        let bytes = files::read(directory.join(name), MAX_MANIFEST, Links::Refuse).ok()?;
        let summary = Summary::from_gzip(bytes.as_slice()).ok()?;
        (summary.config.name == identity.name).then(|| (image.clone(), summary))
    })
}
