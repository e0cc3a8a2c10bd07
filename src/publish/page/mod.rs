//! What a store shows of itself: `index.html` for people and `index.json` for programs.
//!
//! Both are made of one value, [`Index`], and of nothing else: no clock, no network, no state of
//! this machine. The page is one file without scripts; what it says comes from manifests, which
//! are bytes by other hands, so that nothing reaches it but through [`markup`].

mod commands;
mod html;
mod index;
mod markup;
mod read;

pub use html::page;
pub use index::{Extension, Index};
pub use read::read;
