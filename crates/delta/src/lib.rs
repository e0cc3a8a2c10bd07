//! A new version of a file, made of the pieces of older ones and of what is fetched.
//!
//! [`Index`] lists the pieces that a file consists of, by hash and length. [`Found`] says which of
//! the pieces of one index are in other files, and where. [`assemble`] writes the file: it copies
//! what was found, asks for the rest by ranges, and ends with the listed SHA-256 or an error.
//!
//! | module | holds |
//! |---|---|
//! | `index` | the format, and how pieces are cut |
//! | `found` | which pieces other files have |
//! | `assemble` | the file, from both sources |
//! | `patch` | a patch from one image to the next: contents, packed again |

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        reason = "a test makes and reads files of its own"
    )
)]

mod assemble;
mod found;
mod index;
pub mod patch;
#[cfg(test)]
mod tests;

pub use assemble::{Ask, Assembled, Error, Fetch, FetchSeveral, Refusal, assemble};
pub use found::Found;
pub use index::{Block, Index, IndexError, MAX_INDEX, MAX_PIECES, Piece, Short, pieces};
