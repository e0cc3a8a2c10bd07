//! What was compressed before, for the images that hold it, too.
//!
//! A content with blocks of its own, or a fragment block, is the same in every image that is packed
//! the same way. So its blocks are kept in the [cache](crate::cache), under a hash of the digests of
//! its contents and of how they are packed, together with what was found in the contents: whoever
//! takes them need not read the packages that they come from. Of a package, the order of its contents
//! is kept, since that decides what shares a block.
//!
//! Nothing of this is believed without its seal, and nothing of it is a digest: what a package's file
//! is, is found by hashing the file. Whatever is wrong with what is kept, it is as if it were not
//! there.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read as _, Seek, SeekFrom};
use std::path::PathBuf;

use image::ContentId;
use image::squashfs::{Unit, Units};
use rpm_input::Package;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::cache::{Cache, CacheDirectory};
use crate::pack::linkage::{Fact, Facts};
use crate::pack::stamps::{Stamp, Stamps};
use crate::pack::{FORMAT, Packing};
use crate::words::failure::{Failure, Result};

/// The version of what is kept beside the blocks: one more whenever that has another form, or the
/// same content is found to be something else.
const VERSION: u32 = 1;
/// What is kept beside the blocks of a unit may be this long, in bytes.
const MAX_ABOUT: u64 = 64 << 20;
/// So much of blocks is copied at once, in bytes.
const PIECE: usize = 128 << 10;
/// So many contents may be in the payload of a package whose order is kept.
const MAX_FILES: u64 = 1 << 20;
/// Most bytes of all orders: some ten thousand packages.
const MAX_ORDERS: u64 = 256 << 20;

/// Where compressed blocks are kept, and how much of them.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The directory of the cache.
    pub root: PathBuf,
    /// The directory of the key of its seals.
    pub state: PathBuf,
    /// The most bytes that blocks may take.
    pub limit: u64,
}

/// Blocks that were compressed as the image at hand is.
pub struct KeptBlocks {
    cache: Cache,
    limit: u64,
    /// How they are packed.
    way: String,
}

/// What is kept beside the blocks of a unit.
#[derive(Serialize, Deserialize)]
struct About {
    words: Vec<u32>,
    /// What each content was found to be.
    known: Vec<Known>,
}

/// What was found in a content.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// What it needs to run.
    pub fact: Option<Fact>,
    /// What it records of what it was made from.
    pub stamp: Option<Stamp>,
}

/// A unit that was packed before.
pub struct Loaded {
    /// The unit.
    pub unit: Unit,
    /// What each of its contents was found to be.
    pub known: Vec<Known>,
    /// Its blocks.
    pub bytes: Box<dyn BufRead>,
}

/// How the payload of a package goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// SHA-256 of the whole RPM file.
    pub sha256: [u8; 32],
    /// Indexes of the files whose contents are in it, in the order in which they come.
    pub files: Vec<u32>,
}

impl KeptBlocks {
    /// Returns what is kept for images that are packed like this; nothing where nothing can be
    /// known again.
    pub fn open(settings: &Settings, packing: &Packing) -> Result<Option<Self>> {
        let cache = Cache::open(&settings.root, Some(&settings.state))?;
        if !cache.has_seal() {
            return Ok(None);
        }
        let (compressor, block_size) = (packing.compressor, packing.block_size);
        Ok(Some(Self {
            cache,
            limit: settings.limit,
            way: format!("{FORMAT} {VERSION} {compressor} {block_size}"),
        }))
    }

    /// Returns the name under which the blocks of these contents are kept; nothing if their ids
    /// don't say what is in them.
    fn name(&self, contents: &[(ContentId, u64)]) -> Option<String> {
        let mut hash = Sha256::new();
        hash.update(&self.way);
        for (id, size) in contents {
            if !id.is_digest() {
                return None;
            }
            hash.update(format!("\n{id} {size}"));
        }
        Some(hex::encode(hash.finalize()))
    }

    /// Says whether the blocks of these contents are kept, as far as can be said without a look at
    /// them.
    pub fn has(&self, contents: &[(ContentId, u64)]) -> bool {
        (self.name(contents)).is_some_and(|name| {
            let found = self.cache.find(CacheDirectory::Blocks, &name);
            matches!(found, Ok(Some(_)))
        })
    }

    /// Opens the blocks of these contents.
    pub fn load(&self, contents: &[(ContentId, u64)]) -> Option<Loaded> {
        let name = self.name(contents)?;
        let opened = self.cache.open_sealed(CacheDirectory::Blocks, &name);
        let (mut bytes, length) = opened.ok().flatten()?;
        let mut number = [0; 4];
        bytes.read_exact(&mut number).ok()?;
        let about = u64::from(u32::from_le_bytes(number));
        if about > MAX_ABOUT {
            return None;
        }
        let mut text = Vec::new();
        (&mut bytes).take(about).read_to_end(&mut text).ok()?;
        let About { words, known } = serde_json::from_slice(&text).ok()?;
        let contents = contents.to_vec();
        let is_whole = known.len() == contents.len();
        let unit = Unit { contents, words };
        (is_whole && 4 + about + unit.stored() == length).then_some(Loaded { unit, known, bytes })
    }

    /// Keeps the units of an image, but for those that begin with one of `taken`; returns why no
    /// more were kept, if it is so.
    pub fn keep(
        &self,
        units: &Units,
        taken: &BTreeSet<ContentId>,
        found: (&Facts, &Stamps),
        image: &mut (impl io::Read + Seek),
    ) -> Option<Failure> {
        let (facts, stamps) = found;
        let kept = units.each(&mut |start, unit| {
            let name = match unit.contents.first() {
                Some((first, _)) if !taken.contains(first) => self.name(&unit.contents),
                _ => None,
            };
            let Some(name) = name else {
                return Ok(());
            };
            let contents = unit.contents.iter();
            let known = contents.map(|(id, _)| Known {
                fact: facts.get(id).cloned(),
                stamp: stamps.get(id).cloned(),
            });
            let about = About {
                known: known.collect(),
                words: unit.words.clone(),
            };
            let failed = |error: io::Error| Failure::io("keeping blocks", error);
            let about = serde_json::to_vec(&about).map_err(|error| failed(error.into()))?;
            let Ok(length) = u32::try_from(about.len()) else {
                return Ok(());
            };
            self.cache
                .keep_quickly(CacheDirectory::Blocks, &name, &mut |output| {
                    output.write_all(&length.to_le_bytes())?;
                    output.write_all(&about)?;
                    image.seek(SeekFrom::Start(start))?;
                    let blocks = (&mut *image).take(unit.stored());
                    io::copy(&mut BufReader::with_capacity(PIECE, blocks), output).map(drop)
                })
        });
        let bounded = self.cache.shrink(CacheDirectory::Blocks, self.limit);
        let orders = self.cache.shrink(CacheDirectory::Payloads, MAX_ORDERS);
        kept.and(bounded).and(orders).err()
    }

    /// Returns how the payload of a package goes, if that was seen before and its header says
    /// which payload it is.
    pub fn order(&self, package: &Package) -> Option<Order> {
        if package.payload.digests.is_empty() {
            return None;
        }
        let name = hex::encode(package.fingerprint());
        let limit = MAX_FILES * 4 + 32;
        let sealed = (self.cache).sealed(CacheDirectory::Payloads, &name, limit);
        let bytes = sealed.ok().flatten().filter(|sealed| sealed.holds)?.bytes;
        let (sha256, files) = bytes.split_first_chunk::<32>()?;
        let (files, rest) = files.as_chunks::<4>();
        rest.is_empty().then(|| Order {
            sha256: *sha256,
            files: files.iter().copied().map(u32::from_le_bytes).collect(),
        })
    }

    /// Keeps how the payload of a package went.
    pub fn keep_order(&self, package: &Package, order: &Order) -> Result<()> {
        let name = hex::encode(package.fingerprint());
        if order.files.len() as u64 > MAX_FILES || package.payload.digests.is_empty() {
            return Ok(());
        }
        self.cache
            .keep_quickly(CacheDirectory::Payloads, &name, &mut |output| {
                output.write_all(&order.sha256)?;
                let files = order.files.iter();
                let bytes: Vec<u8> = files.flat_map(|file| file.to_le_bytes()).collect();
                output.write_all(&bytes)
            })
    }
}

#[cfg(test)]
mod tests {
    use rpm_input::{DigestAlgorithm, DigestScope, Nevra, PayloadDigest};

    use super::*;
    use crate::words::scratch::Scratch;

    /// Two payloads may follow a header that does not say which is its own.
    #[test]
    fn only_a_payload_that_the_header_names_has_an_order() {
        let scratch = Scratch::new();
        let settings = Settings {
            root: scratch.path().join("cache"),
            state: scratch.path().join("state"),
            limit: 1 << 20,
        };
        let packing = Packing {
            compressor: "zstd:3".parse().unwrap(),
            block_size: 4096,
            workers: 1,
            kept: Some(settings.clone()),
        };
        let kept = KeptBlocks::open(&settings, &packing).unwrap().unwrap();
        let order = Order {
            sha256: [7; 32],
            files: vec![2, 0, 1],
        };
        let nevra = Nevra {
            name: "a".to_owned(),
            epoch: None,
            version: "1".to_owned(),
            release: "1".to_owned(),
            arch: "noarch".to_owned(),
        };
        let mut package = Package::named(nevra);
        kept.keep_order(&package, &order).unwrap();
        assert_eq!(kept.order(&package), None);
        package.payload.digests.push(PayloadDigest {
            algorithm: DigestAlgorithm::Sha256,
            scope: DigestScope::Compressed,
            hex: String::new(),
        });
        assert_eq!(kept.order(&package), None, "nothing was kept");
        kept.keep_order(&package, &order).unwrap();
        assert_eq!(kept.order(&package), Some(order));
        package.payload.digests.clear();
        assert_eq!(kept.order(&package), None);
    }
}
