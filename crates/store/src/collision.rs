//! Extensions that can't share a directory.
//!
//! A client of the extension `gcc` asks systemd-sysupdate for `gcc-@v.%a.raw`, where `@v` takes
//! any text that can be a version. `gcc-32bit-14-1.1.x86-64.raw` fits, as version `32bit-14-1.1`,
//! which is above `14-1.1`: the client would install the wrong package as `gcc`, and delete
//! images of its neighbour to keep within `InstancesMax=`. So no image may begin with the name of
//! another extension and `-`.
//!
//! The name of an image's extension can't be read off its file name for sure; it stands in the
//! manifest. But where the rule holds, all images that begin with the name of an extension and
//! `-` are of that extension. So one manifest answers for all of them, however many there are,
//! and adding to a store of 10 000 images reads a handful; `verify` reads them all.

use std::collections::{BTreeMap, BTreeSet};

use crate::directory::Directory;
use crate::error::Error;
use crate::inventory;
use crate::shelf::Shelf;

/// Fails if `image` of the extension `name` can't be listed beside the images that are.
pub(crate) fn check(shelf: &Shelf<'_>, name: &str, image: &str) -> Result<(), Error> {
    let directory = shelf.directory();
    if let Some((listed, other)) = witness(shelf, name, image)?
        && other != name
    {
        return Err(error(directory, name, &other, listed));
    }
    for (at, _) in name.match_indices('-') {
        let general = name.get(..at).unwrap_or_default();
        if let Some((_, other)) = witness(shelf, general, image)?
            && other == general
        {
            return Err(error(directory, general, name, image));
        }
    }
    Ok(())
}

/// Fails if `image` of the extension `name` can't be beside any of these images, of which the
/// extension is known.
pub(crate) fn check_all(
    directory: &Directory,
    others: &BTreeMap<String, String>,
    name: &str,
    image: &str,
) -> Result<(), Error> {
    let mut images: BTreeMap<_, _> = (others.iter())
        .map(|(image, name)| (image.as_str(), name.as_str()))
        .collect();
    images.insert(image, name);
    let is_ours = |(general, special, _): &(&str, &str, &str)| *general == name || *special == name;
    match all(&images).into_iter().find(is_ours) {
        Some((general, special, image)) => Err(error(directory, general, special, image)),
        None => Ok(()),
    }
}

fn error(directory: &Directory, general: &str, special: &str, image: &str) -> Error {
    Error::NameCollision {
        path: directory.path().to_owned(),
        general: general.to_owned(),
        special: special.to_owned(),
        image: image.to_owned(),
    }
}

/// A listed image that the pattern of the extension `name` fits, and its own extension; one that
/// looks like an image of `name` where there is such.
fn witness<'a>(
    shelf: &'a Shelf<'_>,
    name: &str,
    image: &str,
) -> Result<Option<(&'a str, String)>, Error> {
    let prefix = format!("{name}-");
    let mut chosen = None;
    // The file that is about to get this name is the new one, whatever is there now.
    for listed in shelf
        .sums
        .images_with(&prefix)
        .filter(|listed| *listed != image)
    {
        let looks_like = inventory::guess_name(listed) == name;
        if chosen.is_none() || looks_like {
            chosen = Some(listed);
        }
        if looks_like {
            break;
        }
    }
    let Some(listed) = chosen else {
        return Ok(None);
    };
    Ok(Some((listed, shelf.extension_of(listed)?)))
}

/// Whether the pattern of the extension `name` fits `image`.
pub(crate) fn fits(image: &str, name: &str) -> bool {
    image
        .strip_prefix(name)
        .is_some_and(|rest| rest.starts_with('-'))
}

/// All pairs of extensions that can't share a directory, given the extension of each image:
/// general, special, and an image of the special one.
pub(crate) fn all<'a>(images: &BTreeMap<&'a str, &'a str>) -> Vec<(&'a str, &'a str, &'a str)> {
    let extensions: BTreeSet<&str> = images.values().copied().collect();
    let mut found = BTreeMap::new();
    for (image, special) in images {
        for (at, _) in image.match_indices('-') {
            let general = image.get(..at).unwrap_or_default();
            if let Some(general) = extensions.get(general)
                && general != special
            {
                found.entry((*general, *special)).or_insert(*image);
            }
        }
    }
    let triple = |((general, special), image)| (general, special, image);
    found.into_iter().map(triple).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_that_fit() {
        for (image, name, expected) in [
            ("gcc-14.raw", "gcc", true),
            ("gcc-32bit-14.raw", "gcc", true),
            ("gccgo-14.raw", "gcc", false),
            ("gcc.raw", "gcc", false),
            ("gdb-14.raw", "gcc", false),
        ] {
            assert_eq!(fits(image, name), expected, "{image} {name}");
        }
    }

    #[test]
    fn pairs_that_can_not_share_a_directory() {
        let images = |pairs: &[(&'static str, &'static str)]| all(&pairs.iter().copied().collect());
        assert_eq!(images(&[("gcc-14.raw", "gcc"), ("gdb-14.raw", "gdb")]), []);
        assert_eq!(
            images(&[("gcc-a-1.raw", "gcc-a"), ("gcc-b-1.raw", "gcc-b")]),
            []
        );
        // Each pair once, by its first image; the nearest extension is not the only one.
        assert_eq!(
            images(&[
                ("gcc-14.raw", "gcc"),
                ("gcc-a-14.raw", "gcc-a"),
                ("gcc-a-15.raw", "gcc-a"),
                ("gcc-a-b-1.raw", "gcc-a-b"),
            ]),
            [
                ("gcc", "gcc-a", "gcc-a-14.raw"),
                ("gcc", "gcc-a-b", "gcc-a-b-1.raw"),
                ("gcc-a", "gcc-a-b", "gcc-a-b-1.raw"),
            ]
        );
    }
}
