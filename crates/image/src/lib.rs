//! A file system tree as a value, and its bytes.
//!
//! [`Tree`] is what an image will hold: directories, files, symbolic links, their owners, modes,
//! times and extended attributes. It is built in memory from descriptions alone; the contents of
//! files are named by [`ContentId`] and asked for when the image is packed. [`dump`] prints a tree
//! as text, one inode a line, which is what tests compare and what `inspect` shows.
//!
//! [`squashfs`] turns a tree into a SquashFS 4.0 image and reads one back. Nothing here knows what
//! an RPM or a system extension is.

mod content;
pub mod dump;
pub mod squashfs;
mod tree;

pub use content::{Algorithm, ContentId};
pub use tree::{
    Attributes, Content, Directory, Entry, Leaf, LeafId, Special, Stat, Step, Tree, TreeError,
    Visit, check_path, follow,
};
