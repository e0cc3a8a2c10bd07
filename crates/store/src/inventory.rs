//! What a store offers, and which directories are stores.

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use manifest::{Manifest, Summary, file_name};
use serde::de::DeserializeOwned;
use sha2::{Digest as _, Sha256};

use crate::companion::{Half, halves, main_file, main_of};
use crate::directory::{Directory, SUMS};
use crate::error::Error;
use crate::freshness;
use crate::order;
use crate::serial::Serial;
use crate::sums::{Entry, IMAGE_SUFFIX, Sums};
use crate::withdrawn;

/// A listed image.
#[derive(Debug, Clone, PartialEq)]
pub struct ListedImage {
    /// File name.
    pub file: String,
    /// SHA-256 as listed.
    pub sha256: [u8; 32],
    /// Size in bytes; `None` if the file is gone.
    pub bytes: Option<u64>,
    /// File name of its manifest, if that is listed.
    pub manifest_file: Option<String>,
    /// What its manifest says; `None` if there is none that can be read.
    pub manifest: Option<Summary>,
}

impl ListedImage {
    /// Name of the extension: what the manifest says, or what the file name lets one guess.
    #[must_use]
    pub fn name(&self) -> &str {
        match &self.manifest {
            Some(manifest) => &manifest.config.name,
            None => guess_name(&self.file),
        }
    }

    /// Whether a word is the name of the extension or of the file; of a companion, those of its image
    /// count, too, since neither is of use without the other.
    #[must_use]
    pub fn is_called(&self, word: &str) -> bool {
        let own = [self.file.as_str(), self.name()];
        own.contains(&word)
            || main_of(self.name()) == Some(word)
            || self.main_file().is_some_and(|main| main == word)
    }

    /// Of a companion, the file name of its image.
    #[must_use]
    pub fn main_file(&self) -> Option<String> {
        main_file(self.name(), &self.file)
    }

    /// The version as clients see it in the file name, and what comes after it there:
    /// `6.11-1.1` and `.x86-64.raw`. Without a manifest the two can't be told apart.
    #[must_use]
    pub fn version(&self) -> Option<(&str, &str)> {
        let (_, version, suffix) = self.manifest.as_ref()?.split(&self.file)?;
        Some((version, suffix))
    }

    /// Orders images by name, then by what comes after the version, then the newest first, in the
    /// order of systemd-sysupdate.
    #[must_use]
    pub fn order(&self, other: &Self) -> Ordering {
        let key = |image: &'_ Self| match image.version() {
            Some((version, suffix)) => (suffix.to_owned(), version.to_owned()),
            None => (String::new(), image.file.clone()),
        };
        let ((suffix, version), (other_suffix, other_version)) = (key(self), key(other));
        (self.name().cmp(other.name()))
            .then(suffix.cmp(&other_suffix))
            .then(order::systemd(&other_version, &version))
            .then(self.file.cmp(&other.file))
    }
}

/// Which of these images, and of their companions, are without the other.
pub fn halves_of<'a>(images: impl Iterator<Item = &'a ListedImage> + Clone) -> BTreeSet<Half> {
    halves(images.map(|image| (image.file.as_str(), image.manifest.as_ref())))
}

/// Reads what `sums` lists of the images whose file names are wanted.
pub(crate) fn images(
    directory: &Directory,
    sums: &Sums,
    is_wanted: &dyn Fn(&str) -> bool,
) -> Result<Vec<ListedImage>, Error> {
    let mut images = Vec::new();
    let entries = sums.entries().iter();
    for entry in entries.filter(|entry| entry.is_image() && is_wanted(&entry.name)) {
        let manifest_file = file_name(&entry.name);
        images.push(ListedImage {
            file: entry.name.clone(),
            sha256: entry.sha256,
            bytes: directory.size(&entry.name)?,
            manifest_file: (sums.get(&manifest_file).is_some()).then_some(manifest_file),
            // What can't be read is for `verify` to tell.
            manifest: read_manifest(directory, sums, &entry.name).ok().flatten(),
        });
    }
    images.sort_by(ListedImage::order);
    Ok(images)
}

/// Returns the directories of a store: `root` itself where all extensions share it, or the
/// directories below it that have a list or images, where each extension has its own; in byte
/// order.
///
/// # Errors
/// [`Error::Io`] when `root` can't be read.
pub fn directories(root: &Path) -> Result<Vec<PathBuf>, Error> {
    let below = (Directory::open(root)?.names()?.into_iter())
        .filter(|name| !name.starts_with('.'))
        .map(|name| root.join(name))
        .filter(|path| path.is_dir() && is_store(path));
    let mut found: Vec<_> = below.collect();
    if found.is_empty() || is_store(root) {
        found.insert(0, root.to_owned());
    }
    Ok(found)
}

/// Whether a directory, or one below it, has a list: else it is not a store, or not yet.
#[must_use]
pub fn has_list(root: &Path) -> bool {
    let is_listed = |path: &PathBuf| path.join(SUMS).symlink_metadata().is_ok();
    directories(root).is_ok_and(|all| all.iter().any(is_listed))
}

/// Whether a directory has a list or an image. One that can't be read has none.
fn is_store(path: &Path) -> bool {
    let names = Directory::open(path).and_then(|directory| directory.names());
    names.is_ok_and(|names| (names.iter()).any(|name| name == SUMS || name.ends_with(IMAGE_SUFFIX)))
}

/// Reads the manifest of `image` that `sums` lists; `None` if there is none, and an error if the file
/// is not the listed one.
///
/// Only there are the extension's name and its packages' true versions, which can't be read off a
/// file name for sure.
pub(crate) fn read_manifest<L: DeserializeOwned>(
    directory: &Directory,
    sums: &Sums,
    image: &str,
) -> Result<Option<Manifest<L>>, Error> {
    let name = file_name(image);
    let Some(sha256) = sums.get(&name) else {
        return Ok(None);
    };
    let Some(bytes) = directory.read_bounded(&name, manifest::MAX_SIZE)? else {
        return Ok(None);
    };
    let failed = |problem: String| Error::Manifest {
        path: directory.path().join(&name),
        problem,
    };
    if Sha256::digest(&bytes)[..] != sha256[..] {
        let text = "does not have the SHA-256 that is listed; see store verify";
        return Err(failed(text.to_owned()));
    }
    Manifest::from_gzip(bytes.as_slice())
        .map(Some)
        .map_err(|problem| failed(problem.to_string()))
}

/// Reads the manifest beside an image that is not listed; `None` if there is none.
pub(crate) fn read_unlisted_manifest<L: DeserializeOwned>(
    directory: &Directory,
    image: &str,
) -> Result<Option<Manifest<L>>, Error> {
    let name = file_name(image);
    let Some(bytes) = directory.read_bounded(&name, manifest::MAX_SIZE)? else {
        return Ok(None);
    };
    let found = Manifest::from_gzip(bytes.as_slice());
    found.map(Some).map_err(|problem| Error::Manifest {
        path: directory.path().join(&name),
        problem: problem.to_string(),
    })
}

/// The text before the first `-` that a digit follows: the name of an extension, as far as a file
/// name without a manifest lets one guess.
#[must_use]
pub fn guess_name(image: &str) -> &str {
    let stem = image.strip_suffix(IMAGE_SUFFIX).unwrap_or(image);
    let version = (stem.as_bytes())
        .windows(2)
        .position(|pair| matches!(pair, [b'-', b'0'..=b'9']));
    version.and_then(|at| stem.get(..at)).unwrap_or(stem)
}

/// Whether a line says something of the list itself, so that there is no file of that name.
pub(crate) fn is_about_the_list(entry: &Entry) -> bool {
    freshness::day_of(&entry.name).is_some()
        || Serial::parse(&entry.name).is_some()
        || withdrawn::image_of(&entry.name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

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

    /// A listed image; `manifest` is the name and the version that its manifest says.
    fn listed(file: &str, manifest: Option<(&str, &str)>) -> ListedImage {
        let summary = |(name, version): (&str, &str)| {
            let mut summary = Summary::default();
            summary.config.name = name.to_owned();
            summary.config.version = Some(version.to_owned());
            summary
        };
        ListedImage {
            file: file.to_owned(),
            sha256: [0; 32],
            bytes: None,
            manifest_file: None,
            manifest: manifest.map(summary),
        }
    }

    #[test]
    fn names_and_versions() {
        for (file, manifest, name, version) in [
            (
                "gcc-32bit-14-1.x86-64.raw",
                Some(("gcc-32bit", "14-1")),
                "gcc-32bit",
                Some(("14-1", ".x86-64.raw")),
            ),
            ("gcc-32bit-14-1.x86-64.raw", None, "gcc", None),
            // The manifest is of something else.
            ("gcc-14.raw", Some(("gcc", "13")), "gcc", None),
            ("gcc-14.raw", Some(("gdb", "14")), "gdb", None),
        ] {
            let image = listed(file, manifest);
            assert_eq!((image.name(), image.version()), (name, version), "{file}");
        }
    }

    #[test]
    fn order_of_images() {
        let of = |file: &'static str, name: &'static str, version: &'static str| {
            (file, Some((name, version)))
        };
        // By name, by what comes after the version, the newest first.
        let ordered = [
            ("a-7.raw", None),
            of("a-10.arm64.raw", "a", "10"),
            of("a-11.x86-64.raw", "a", "11"),
            of("a-10.x86-64.raw", "a", "10"),
            of("a-9.x86-64.raw", "a", "9"),
            of("a-b-1.x86-64.raw", "a-b", "1"),
            of("b-1.x86-64.raw", "b", "1"),
        ];
        for (at, one) in ordered.iter().enumerate() {
            for (other_at, other) in ordered.iter().enumerate() {
                let order = listed(one.0, one.1).order(&listed(other.0, other.1));
                assert_eq!(order, at.cmp(&other_at), "{} {}", one.0, other.0);
            }
        }
        // Versions that systemd takes for equal: by file name.
        let [one, other] =
            ["1_2", "1+2"].map(|version| listed(&format!("a-{version}.raw"), Some(("a", version))));
        assert_eq!(one.order(&other), Ordering::Greater);
    }
}
