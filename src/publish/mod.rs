//! What becomes of an image: its entry in the store, the signature of the list, the page.

pub mod page;
pub mod signing;
