//! What was named to say what is in an image: the image, with its manifest next to it, or the manifest.

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use files::Links;
use manifest::Summary;

use super::{beside, not_an_image, read_manifest};
use crate::words::digest::sha256;
use crate::words::failure::{Failure, Result};

/// An image of which the manifest is known.
pub struct Named {
    /// The name of its file.
    pub file: String,
    /// Where it is, if not the manifest was named.
    pub path: Option<PathBuf>,
    /// What its manifest says.
    pub manifest: Summary,
    /// The SHA-256 of the image in hexadecimal digits, read from it if it is here, else as the manifest
    /// says it.
    pub sha256: Option<String>,
}

impl Named {
    /// Reads the manifest, and the digest of the image if that was named, which must be the one of its
    /// manifest.
    pub fn read(path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let stem = name.strip_suffix(manifest::SUFFIX);
        let (place, links) = match stem {
            Some(_) => (path.to_owned(), Links::Follow),
            None => {
                if let Some(failure) = not_an_image(path)? {
                    return Err(failure.hint("name an image, or its manifest"));
                }
                (beside(path), Links::Refuse)
            }
        };
        let manifest: Summary = read_manifest(&place, links)?.ok_or_else(|| {
            Failure::refused(anyhow!("{} is not there", place.display()))
                .hint("what is in an image is in the manifest that is written with it")
        })?;
        let mut sha256 = manifest.image.as_ref().and_then(|one| one.sha256.clone());
        if stem.is_none() {
            sha256 = Some(digest_of(path, sha256.as_deref())?);
        }
        Ok(Self {
            file: stem.map_or_else(|| name.clone().into_owned(), |stem| format!("{stem}.raw")),
            path: stem.is_none().then(|| path.to_owned()),
            manifest,
            sha256,
        })
    }
}

/// Reads the digest of an image, which must be what its manifest says.
fn digest_of(path: &Path, said: Option<&str>) -> Result<String> {
    let mut image = files::open(path, Links::Follow)?;
    let (_, digest) = sha256(&mut image)
        .map_err(|error| Failure::io(format!("reading {}", path.display()), error))?;
    let digest = hex::encode(digest);
    match said {
        Some(said) if said != digest => Err(Failure::refused(anyhow!(
            "{} has the SHA-256 {digest}, and its manifest is about one with {said}",
            path.display()
        ))
        .hint("build the image again, with its manifest")),
        _ => Ok(digest),
    }
}
