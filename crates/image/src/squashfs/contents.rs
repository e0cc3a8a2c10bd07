//! Which contents were packed, and where their bytes are.

use std::collections::BTreeMap;

use super::format::NO_FRAGMENT;
use super::place::Placed;
use crate::content::ContentId;

/// A packed content.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed {
    /// Length in bytes.
    pub(super) size: u64,
    /// Number of its first block.
    pub(super) first_block: usize,
    /// How many blocks follow each other from there; holes are blocks too.
    pub(super) blocks: usize,
    /// Bytes of it that are holes.
    pub(super) sparse: u64,
    /// Number of the fragment block that holds its end; [`NO_FRAGMENT`] if none does.
    pub(super) fragment: u32,
    /// Offset in the unpacked fragment block.
    pub(super) fragment_offset: u32,
}

impl Packed {
    /// Returns a content of which nothing is packed yet.
    pub(super) fn new(size: u64) -> Self {
        Self {
            size,
            first_block: 0,
            blocks: 0,
            sparse: 0,
            fragment: NO_FRAGMENT,
            fragment_offset: 0,
        }
    }
}

/// All contents, and all blocks.
#[derive(Default)]
pub(super) struct Contents {
    /// The contents by their ids.
    pub(super) packed: BTreeMap<ContentId, Packed>,
    /// Where each block went, by its number.
    pub(super) placed: Vec<Placed>,
}

impl Contents {
    /// Returns the blocks of a content.
    pub(super) fn blocks(&self, packed: &Packed) -> &[Placed] {
        &self.placed[packed.first_block..packed.first_block + packed.blocks]
    }
}
