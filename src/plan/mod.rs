//! The plan of an image: one tree, decided from the packages' headers before a payload is read.
//!
//! ```text
//! packages, overlay ─▶ compose ─▶ Plan ─▶ identity ─▶ Plan
//!                      filter             name, version, extension-release
//! ```

pub mod compose;
pub mod filter;
pub mod identity;
pub mod matching;
pub mod overlay;
