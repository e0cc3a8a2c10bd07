//! Where the small contents that follow each other are cut into fragment blocks.
//!
//! A block that is filled to the brim moves every later one when a single content grows. So a block
//! that is nearly full ends behind a content whose name says so: two images that differ in one file
//! agree again a block or two later, and what was compressed for the one serves the other. And a
//! package begins a block of its own, unless too little would be in the one before.

use crate::content::ContentId;

/// So full is a block that ends where a content says so: three quarters.
const NEARLY: (usize, usize) = (3, 4);
/// One of so many contents says so; some 25 go into the last quarter of a block of 1 MiB.
const ONE_OF: u8 = 8;
/// So full is a block that ends with its package: an eighth.
const WORTH_A_BLOCK: usize = 8;

/// How full a fragment block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filling {
    block_size: usize,
    length: usize,
}

impl Filling {
    /// Returns the filling of an empty block of that size in bytes.
    pub(super) fn new(block_size: u32) -> Self {
        Self {
            block_size: block_size as usize,
            length: 0,
        }
    }

    /// Returns the filling of an empty block of the same size.
    pub fn emptied(self) -> Self {
        Self { length: 0, ..self }
    }

    /// Says whether a content of `size` bytes goes into a fragment block.
    pub fn is_small(&self, size: u64) -> bool {
        size < self.block_size as u64
    }

    /// Says whether nothing is in the block.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Returns how many bytes are in the block.
    pub(super) fn length(&self) -> u32 {
        self.length as u32
    }

    /// Says whether the block ends before a small content of `size` bytes.
    pub fn is_full_for(&self, size: u64) -> bool {
        self.length as u64 + size > self.block_size as u64
    }

    /// Adds a small content for which there is room, and says whether the block ends behind it.
    pub fn add(&mut self, id: &ContentId, size: u64) -> bool {
        self.length += usize::try_from(size).unwrap_or(self.block_size);
        let (part, whole) = NEARLY;
        self.length >= self.block_size / whole * part && id.spread().is_multiple_of(ONE_OF)
    }

    /// Says whether the block ends with the package.
    pub fn end_package(&self) -> bool {
        self.length >= self.block_size / WORTH_A_BLOCK
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_blocks_end() {
        let id = |first: u8| {
            let mut digest = [7; 32];
            digest[0] = first;
            ContentId::sha256(&digest)
        };
        // Of 4096 bytes: what is in the block, the next content, its digest's first byte; whether
        // it goes before the content, behind it, and with the package then.
        for (length, size, first, before, behind, package) in [
            (0, 511, 8, false, false, false),
            (0, 512, 8, false, false, true),
            (0, 4095, 1, false, false, true),
            (0, 4095, 8, false, true, true),
            (3000, 71, 8, false, false, true),
            (3000, 72, 8, false, true, true),
            (3000, 72, 0, false, true, true),
            (3000, 72, 12, false, false, true),
            (3000, 72, 16, false, true, true),
            (3000, 1096, 1, false, false, true),
            (3000, 1097, 1, true, false, true),
        ] {
            let mut filling = Filling::new(4096);
            assert!(filling.is_empty());
            filling.add(&id(1), length);
            let row = format!("{length} {size} {first}");
            assert_eq!(filling.is_full_for(size), before, "{row}");
            if before {
                filling = filling.emptied();
                continue;
            }
            assert_eq!(filling.add(&id(first), size), behind, "{row}");
            assert_eq!(filling.end_package(), package, "{row}");
            assert_eq!(u64::from(filling.length()), length + size, "{row}");
        }
        let filling = Filling::new(4096);
        assert!(filling.is_small(4095) && !filling.is_small(4096));
    }
}
