//! The number of a package in a pool.

/// A package of the pool: first those of the base, then those on offer.
pub(crate) type Id = u32;

/// Returns an [`Id`] as an index.
pub(crate) fn place(id: Id) -> usize {
    usize::try_from(id).unwrap_or(usize::MAX)
}
