//! Extensions that can't share a directory.
//!
//! A client of the extension `gcc` asks systemd-sysupdate for `gcc-@v.%a.raw`, where `@v` takes
//! any text that can be a version. `gcc-32bit-14-1.1.x86-64.raw` fits, as version `32bit-14-1.1`,
//! which is above `14-1.1`: the client would install the wrong package as `gcc`, and delete
//! images of its neighbour to keep within `InstancesMax=`. So no image may begin with the name of
//! another extension and `-`.
//!
//! The name of an image's extension can't be read off its file name for sure. It stands in the
//! manifest, as `config.name` (mkosi's manifest format); only the manifests of images whose names
//! begin like the new one up to the first `-` are read.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use serde::Deserialize;

use crate::directory::Directory;
use crate::error::Error;
use crate::sums::{IMAGE_SUFFIX, Sums};

/// What takes the place of [`IMAGE_SUFFIX`] in the name of an image's manifest.
pub(crate) const MANIFEST_SUFFIX: &str = ".manifest.gz";

/// Largest manifest that is read, unpacked, in bytes.
const MAX_MANIFEST_SIZE: u64 = 16 << 20;

/// The part of a manifest that is read here.
#[derive(Deserialize)]
struct Manifest {
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    name: String,
}

/// Fails if `image` of the extension `name` can't be listed beside the images in `sums`.
pub(crate) fn check(
    directory: &Directory,
    sums: &Sums,
    name: &str,
    image: &str,
) -> Result<(), Error> {
    // Whichever of two extensions has the general name, the images of both begin with that name,
    // so with its part up to the first `-`, so with that of `name`.
    let shortest = name.split('-').next().unwrap_or(name);
    for listed in sums.images_with(&format!("{shortest}-")) {
        // The file that is about to get this name is the new one, whatever is there now.
        if listed == image {
            continue;
        }
        let other = extension_of(directory, listed)?;
        if other == name {
            continue;
        }
        let (general, special, taken) = if fits(listed, name) {
            (name, other.as_str(), listed)
        } else if fits(image, &other) {
            (other.as_str(), name, image)
        } else {
            continue;
        };
        return Err(Error::NameCollision {
            path: directory.path().to_owned(),
            general: general.to_owned(),
            special: special.to_owned(),
            image: taken.to_owned(),
        });
    }
    Ok(())
}

/// Whether the pattern of the extension `name` fits `image`.
pub(crate) fn fits(image: &str, name: &str) -> bool {
    image
        .strip_prefix(name)
        .is_some_and(|rest| rest.starts_with('-'))
}

/// The name of the extension in the listed `image`: what its manifest says, or without a manifest
/// what its file name lets one guess.
fn extension_of(directory: &Directory, image: &str) -> Result<String, Error> {
    let stem = image.strip_suffix(IMAGE_SUFFIX).unwrap_or(image);
    let manifest = format!("{stem}{MANIFEST_SUFFIX}");
    let Some(file) = directory.open_file(&manifest)? else {
        return Ok(guess(stem).to_owned());
    };
    // The packed size is bounded too: a gzip stream may go on without unpacking to anything.
    extension_in(file.take(MAX_MANIFEST_SIZE)).map_err(|problem| Error::Manifest {
        path: directory.path().join(manifest),
        problem,
    })
}

/// The name of the extension in a manifest.
fn extension_in(gzip: impl Read) -> Result<String, String> {
    let mut json = Vec::new();
    MultiGzDecoder::new(gzip)
        .take(MAX_MANIFEST_SIZE + 1)
        .read_to_end(&mut json)
        .map_err(|error| format!("can't be unpacked: {error}"))?;
    if u64::try_from(json.len()).is_ok_and(|size| size > MAX_MANIFEST_SIZE) {
        return Err(format!("unpacks to more than {MAX_MANIFEST_SIZE} bytes"));
    }
    let manifest: Manifest = serde_json::from_slice(&json)
        .map_err(|error| format!("is not a manifest with the key config.name: {error}"))?;
    Ok(manifest.config.name)
}

/// The text before the first `-` that a digit follows.
fn guess(stem: &str) -> &str {
    let bytes = stem.as_bytes();
    let version = bytes
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
            match (extension_in(&*bytes), expected) {
                (Ok(name), Ok(expected)) => assert_eq!(name, expected),
                (Err(problem), Err(start)) => assert!(problem.starts_with(start), "{problem}"),
                (found, expected) => panic!("{found:?}, not {expected:?}"),
            }
        }
    }

    #[test]
    fn names_without_manifests() {
        for (stem, expected) in [
            ("gcc-14-1.1.x86-64", "gcc"),
            ("gcc-c++-14-1.1.x86-64", "gcc-c++"),
            ("gcc-32bit-14-1.1.x86-64", "gcc"),
            ("gcc-git5", "gcc-git5"),
            ("gcc", "gcc"),
            ("gcc-", "gcc-"),
        ] {
            assert_eq!(guess(stem), expected, "{stem}");
        }
    }
}
