//! Which contents were packed, and where their bytes are.

use std::collections::BTreeMap;

use super::place::Placed;
use crate::content::ContentId;

/// A packed content. There are as many as files with different contents.
#[derive(Clone, Copy, Debug)]
pub(super) struct Packed {
    /// Length in bytes.
    pub(super) size: u64,
    /// Number of the first block, or of the fragment block.
    number: u32,
    /// Offset in the unpacked fragment block, which is shorter than [`OWN_BLOCKS`] bytes.
    offset: u32,
}

/// Stands for the offset of a content that has blocks of its own.
const OWN_BLOCKS: u32 = u32::MAX;

/// Where the bytes of a content are. Nothing is anywhere, and is taken for blocks.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// In blocks of its own, which follow each other from the one with this number; holes are
    /// blocks too.
    Blocks(u32),
    /// In the fragment block with this number, at this offset when it is unpacked. A content that
    /// is shorter than a block is in one as a whole.
    Fragment(u32, u32),
}

impl Packed {
    /// Notes where a content went.
    pub(super) fn new(size: u64, place: Place) -> Self {
        let (number, offset) = match place {
            Place::Blocks(first) => (first, OWN_BLOCKS),
            Place::Fragment(number, offset) => (number, offset),
        };
        Self {
            size,
            number,
            offset,
        }
    }

    /// Returns where the content is.
    pub(super) fn place(&self) -> Place {
        match self.offset {
            OWN_BLOCKS => Place::Blocks(self.number),
            offset => Place::Fragment(self.number, offset),
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
    /// Length of a block, in bytes.
    pub(super) block_size: u32,
}

impl Contents {
    /// Returns the blocks of a content.
    pub(super) fn blocks(&self, packed: &Packed) -> &[Placed] {
        match packed.place() {
            Place::Fragment(..) => &[],
            Place::Blocks(first) => {
                let blocks = packed.size.div_ceil(self.block_size.into());
                let first = first as usize;
                // Each of them was put.
                &self.placed[first..first + blocks as usize]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// There are as many as files.
    #[test]
    fn a_packed_content_is_small() {
        assert_eq!(size_of::<(ContentId, Packed)>(), 32);
    }
}
