//! Headers without their packages: all that a plan reads of them.
//!
//! Metadata say where the header of a package ends, and a server is asked for the bytes up to there.
//! What comes is taken if it is a header of the package that is listed, ends where it should, and has
//! the digest that stands before it. If anything else comes, the whole file is fetched, and compared
//! with its checksum.
//!
//! Headers are kept in the cache by the checksums of their packages, under a seal: what was fetched
//! without the rest, and what was read of packages that were fetched whole. So the next plan reads
//! neither.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use fetch::Wanted;
use resolve::Nevra;
use rpm_input::Package;
use rpm_input::repodata::Checksum;

use crate::cache::{Cache, CacheDirectory};
use crate::packages::repository::download::{Downloads, Item, failed, package_name};
use crate::packages::repository::listing::MAX_HEADER;
use crate::words::failure::{Failure, Result};

/// Most bytes of all headers that are kept: some thousand packages.
const MAX_HEADERS: u64 = 256 << 20;

/// A header that is wanted without the rest of its package.
pub struct Wish<'a> {
    /// The package's file.
    pub item: &'a Item<'a>,
    /// What the package is, by the metadata.
    pub listed: &'a Nevra,
    /// Where the header ends, if the metadata say it.
    pub end: Option<u64>,
}

impl Downloads<'_> {
    /// Returns all that stands before the payload of a package, if it can be had without the rest.
    pub fn header(&self, wish: &Wish<'_>, progress: &dyn Fn(u64)) -> Result<Option<Vec<u8>>> {
        let item = wish.item;
        // By such a checksum another package could have its place in the cache.
        if item.checksum.is_weak() {
            return Ok(None);
        }
        let cache = self.needed_cache()?;
        let name = name(item.checksum);
        if let Some(bytes) = kept(cache, &name)? {
            return Ok(Some(bytes));
        }
        let (Some(end), Some(size)) = (wish.end, item.size) else {
            return Ok(None);
        };
        let is_whole = cache.find(CacheDirectory::Packages, &package_name(item.checksum))?;
        if self.is_offline() || is_whole.is_some() {
            return Ok(None);
        }
        let mut draft = cache.draft(CacheDirectory::Headers, &name)?;
        if let Some(bytes) = kept(cache, &name)? {
            draft.discard()?;
            return Ok(Some(bytes));
        }
        draft.clear()?;
        let wanted = Wanted {
            urls: &item.urls,
            size: Some(end),
            start_of: Some(size),
            all_if_sent: false,
            limit: MAX_HEADER,
            unless: None,
            direct: item.direct,
            accept: &|file| {
                let bytes = start(file, end).map_err(|error| error.to_string())?;
                check(&bytes, wish)
            },
            progress,
        };
        let fetched = self.fetcher()?.fetch(&wanted, &mut draft.file);
        let reading = |error| Failure::io(format!("reading the header of {}", item.what), error);
        let bytes = match fetched {
            Ok(_) => start(&mut draft.file, end).map_err(reading)?,
            Err(error) => {
                draft.discard()?;
                // Whatever the server has done, it may still send the whole file.
                return match error {
                    fetch::Error::File { .. } | fetch::Error::Setting { .. } => {
                        Err(failed(&item.what, error))
                    }
                    _ => Ok(None),
                };
            }
        };
        match cache.has_seal() {
            true => cache.keep_as(draft, CacheDirectory::Headers, &bytes)?,
            false => draft.discard()?,
        }
        Ok(Some(bytes))
    }

    /// Keeps the header of a package that is in the cache whole, and in place of any other that was
    /// taken for it.
    pub fn keep_header(&self, checksum: &Checksum, package: &Package, path: &Path) -> Result<()> {
        let end = package.header_end();
        let cache = self.needed_cache()?;
        if !cache.has_seal() || checksum.is_weak() || end > MAX_HEADER {
            return Ok(());
        }
        let name = name(checksum);
        let reading = |error| Failure::io(format!("reading {}", path.display()), error);
        let bytes = start(&mut files::open(path, files::Links::Refuse)?, end).map_err(reading)?;
        let is_kept = matches!(kept(cache, &name), Ok(Some(kept)) if kept == bytes);
        if !is_kept {
            // Where nothing can be written, it is read of the package again.
            let _ = cache.keep(CacheDirectory::Headers, &name, &bytes);
        }
        Ok(())
    }

    /// Removes headers that were used the longest ago, where there are too many.
    pub fn shrink_headers(&self) {
        if let Some(cache) = self.cache() {
            // What can't be removed was not written by this run.
            let _ = cache.shrink(CacheDirectory::Headers, MAX_HEADERS);
        }
    }
}

fn name(checksum: &Checksum) -> String {
    format!("{}-{}.hdr", checksum.kind(), checksum.hex())
}

/// Returns a header that a run of this user has kept.
fn kept(cache: &Cache, name: &str) -> Result<Option<Vec<u8>>> {
    let kept = cache.sealed(CacheDirectory::Headers, name, MAX_HEADER)?;
    Ok(kept.filter(|kept| kept.holds).map(|kept| kept.bytes))
}

/// Reads the bytes of a file up to there.
fn start(file: &mut File, end: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.take(end).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Says what is wrong with a header that came without its package.
fn check(bytes: &[u8], wish: &Wish<'_>) -> std::result::Result<(), String> {
    let (what, listed) = (&wish.item.what, wish.listed);
    let package = Package::read(&mut &*bytes, what).map_err(|error| error.to_string())?;
    let found = &package.nevra;
    if !is_same(listed, found) {
        return Err(format!("it is the header of {found}, not of {listed}"));
    }
    if Some(package.header_end()) != wish.end {
        return Err("its header ends elsewhere than the repository says".to_owned());
    }
    match package.header_digest {
        Some(_) => Ok(()),
        None => Err("no digest of its header stands before it".to_owned()),
    }
}

/// Says whether a header has the identity that metadata state. No epoch is epoch 0.
pub fn is_same(listed: &Nevra, found: &rpm_input::Nevra) -> bool {
    listed.name == found.name
        && listed.arch == found.arch
        && listed.evr.epoch.unwrap_or(0) == found.epoch.unwrap_or(0)
        && listed.evr.version == found.version
        && listed.evr.release == found.release
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_has_the_identity_that_metadata_state() {
        let found = |epoch| rpm_input::Nevra {
            name: "a".to_owned(),
            epoch,
            version: "1".to_owned(),
            release: "2".to_owned(),
            arch: "x86_64".to_owned(),
        };
        for (listed, epoch, same) in [
            ("a-1-2.x86_64", None, true),
            ("a-1-2.x86_64", Some(0), true),
            ("a-0:1-2.x86_64", None, true),
            ("a-3:1-2.x86_64", Some(3), true),
            ("a-1-2.x86_64", Some(3), false),
            ("b-1-2.x86_64", None, false),
            ("a-2-2.x86_64", None, false),
            ("a-1-3.x86_64", None, false),
            ("a-1-2.i686", None, false),
        ] {
            let listed = Nevra::parse(listed).unwrap();
            assert_eq!(is_same(&listed, &found(epoch)), same, "{listed} {epoch:?}");
        }
    }
}
