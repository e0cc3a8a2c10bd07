//! A file system tree as a value, and its bytes.
//!
//! [`Tree`] is what an image will hold: directories, files, symbolic links, their owners, modes,
//! times and extended attributes. It is built in memory from descriptions alone; the contents of
//! files are named by [`ContentId`] and asked for when the image is packed. [`dump`] prints a tree
//! as text, one inode a line, which is what tests compare and what `inspect` shows.
//!
//! [`squashfs`] turns a tree into a SquashFS 4.0 image and reads one back. [`foreign`] reads images
//! of other kinds, [`disk`] tables of partitions, and [`Kind`] says which of them a file is. Nothing
//! here knows what an RPM or a system extension is.

mod blocks;
mod budget;
mod content;
pub mod disk;
pub mod dump;
pub mod foreign;
mod kind;
mod section;
pub mod squashfs;
mod tree;

use std::io::{self, Read, Seek};

pub use blocks::{Packed, blocks, packed};
pub use content::{Algorithm, ContentId};
pub use kind::Kind;
pub use section::Section;
pub use tree::{
    Attributes, Content, Directory, Entry, Leaf, LeafId, Special, Stat, Step, Tree, TreeError,
    Visit, check_path, follow, is_below, is_of_overlayfs,
};

/// A stream of bytes that can be read at any place.
pub trait ContentStream: Read + Seek {}

impl<T: Read + Seek> ContentStream for T {}

/// An image that is read, in whatever format: the way from a [`ContentId`] of its tree to the bytes.
pub trait Stored {
    /// Returns the bytes behind an id.
    fn open_content(&mut self, id: &ContentId) -> io::Result<Box<dyn ContentStream + '_>>;
}

impl<R: Read + Seek> Stored for squashfs::Image<R> {
    fn open_content(&mut self, id: &ContentId) -> io::Result<Box<dyn ContentStream + '_>> {
        Ok(Box::new(self.content(id)?))
    }
}

impl<R: Read + Seek> Stored for foreign::FileSystem<R> {
    fn open_content(&mut self, id: &ContentId) -> io::Result<Box<dyn ContentStream + '_>> {
        Ok(Box::new(self.content(id)?))
    }
}
