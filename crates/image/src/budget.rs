//! How much memory the tree of an image may take.
//!
//! Metadata is compressed, inodes share extended attributes, and a file may have any number of
//! names, so a small image can describe a tree that is larger by orders of magnitude. A real one
//! takes less than a hundred times the length of its image even if all its files are empty.

/// What every image may take, in bytes: some hundred thousand names.
const LEAST: u64 = 16 << 20;
/// What an image may take for each of its own bytes.
const PER_BYTE: u64 = 256;
/// What no image may take more than: some ten million names.
const MOST: u64 = 1 << 30;
/// What one name, attribute or inode takes beside its text, in bytes; an estimate.
const FIXED: u64 = 64;

/// A tree is larger than an image of its length has a right to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLarge {
    /// What it may take, in bytes.
    pub(crate) limit: u64,
}

/// Counts what is taken for a tree.
pub(crate) struct Budget {
    limit: u64,
    left: u64,
}

impl Budget {
    /// Returns the budget of an image of `bytes_used` bytes.
    pub(crate) fn new(bytes_used: u64) -> Self {
        let limit = bytes_used
            .saturating_mul(PER_BYTE)
            .saturating_add(LEAST)
            .min(MOST);
        Self { limit, left: limit }
    }

    /// Takes memory for one thing with `length` bytes of text.
    pub(crate) fn charge(&mut self, length: usize) -> Result<(), TooLarge> {
        self.take(FIXED.saturating_add(length as u64))
    }

    /// Takes exactly `length` bytes.
    pub(crate) fn take(&mut self, length: u64) -> Result<(), TooLarge> {
        match self.left.checked_sub(length) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(TooLarge { limit: self.limit }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grows_with_the_image_and_ends() {
        for (bytes_used, limit) in [
            (0, 16 << 20),
            (4096, (16 << 20) + (1 << 20)),
            (1 << 30, 1 << 30),
            (u64::MAX, 1 << 30),
        ] {
            let mut budget = Budget::new(bytes_used);
            budget.take(limit - 65).unwrap();
            budget.charge(1).unwrap();
            let error = budget.take(1).unwrap_err();
            assert!(error == TooLarge { limit });
        }
    }
}
