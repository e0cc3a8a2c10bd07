//! What is compressed together, and so can go from one image into another as it is.

use std::collections::BTreeMap;

use super::contents::{Contents, Place};
use super::format::BLOCK_RAW;
use super::place::Placed;
use crate::content::ContentId;

/// The blocks of a content that has its own, or the fragment block of several.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unit {
    /// The contents with their sizes in bytes, in their order.
    pub contents: Vec<(ContentId, u64)>,
    /// The stored length of each block in bytes, as inodes and the fragment table have it.
    pub words: Vec<u32>,
}

impl Unit {
    /// Returns how many bytes its blocks take.
    pub fn stored(&self) -> u64 {
        let length = |word: &u32| u64::from(word & !BLOCK_RAW);
        self.words.iter().map(length).sum()
    }

    /// Says whether its contents share a block.
    pub(super) fn is_fragment(&self, block_size: u32) -> bool {
        let is_small = |(_, size): &(ContentId, u64)| *size < u64::from(block_size);
        self.contents.iter().all(is_small)
    }

    /// Says whether it has the blocks that its contents need, and none can be longer than one.
    pub(super) fn is_whole(&self, block_size: u32) -> bool {
        let limit = u64::from(block_size);
        let sizes = self.contents.iter().map(|(_, size)| *size);
        let all = sizes.clone().fold(0, u64::saturating_add);
        let blocks = match self.is_fragment(block_size) {
            true if all > limit || self.words.contains(&0) => return false,
            true => 1,
            false if self.contents.len() != 1 => return false,
            false => all.div_ceil(limit),
        };
        let fits = |word: &u32| u64::from(word & !BLOCK_RAW) <= limit;
        sizes.clone().all(|size| size > 0)
            && self.words.len() as u64 == blocks
            && self.words.iter().all(fits)
    }
}

/// The units of an image.
pub struct Units {
    pub(super) contents: Contents,
    pub(super) fragments: Vec<Placed>,
}

impl Units {
    /// Calls `see` with each unit and the offset of its bytes in the image: contents with blocks of
    /// their own in the order of their ids, then fragment blocks in that of the image.
    ///
    /// # Errors
    /// The first one of `see`, which ends it.
    pub fn each<E>(&self, see: &mut dyn FnMut(u64, Unit) -> Result<(), E>) -> Result<(), E> {
        let mut shared: BTreeMap<u32, Vec<(u32, &ContentId, u64)>> = BTreeMap::new();
        for (id, packed) in &self.contents.packed {
            match packed.place() {
                Place::Fragment(number, offset) => {
                    let members = shared.entry(number).or_default();
                    members.push((offset, id, packed.size));
                }
                Place::Blocks(_) => {
                    let blocks = self.contents.blocks(packed);
                    let Some(first) = blocks.first() else {
                        continue;
                    };
                    let unit = Unit {
                        contents: vec![(id.clone(), packed.size)],
                        words: blocks.iter().map(|block| block.word).collect(),
                    };
                    see(first.start, unit)?;
                }
            }
        }
        for (number, mut members) in shared {
            members.sort_unstable_by_key(|(offset, ..)| *offset);
            let Some(block) = self.fragments.get(number as usize) else {
                continue;
            };
            let contents = members.into_iter();
            let unit = Unit {
                contents: contents.map(|(_, id, size)| (id.clone(), size)).collect(),
                words: vec![block.word],
            };
            see(block.start, unit)?;
        }
        Ok(())
    }
}
