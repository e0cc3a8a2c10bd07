//! The small words that every room uses: failures, quantities, suggestions, text for people,
//! documents that are read whole, digests.

pub mod digest;
pub mod document;
pub mod failure;
pub mod json;
pub mod quantity;
#[cfg(test)]
pub mod scratch;
pub mod suggest;
pub mod text;
