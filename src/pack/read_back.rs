//! A finished image that is looked into again: opened once, by the first who needs it.

use std::io::{Read, Seek};

use image::Tree;
use image::squashfs::Image;

use crate::words::failure::{Failure, Result};

/// The file system of a finished image.
pub enum ReadBack<R> {
    /// Nobody has looked into it.
    Closed(Option<R>),
    /// Somebody has.
    Open(Box<(Image<R>, Tree)>),
}

impl<R: Read + Seek> ReadBack<R> {
    /// Returns one that is opened once that is needed.
    pub fn new(file_system: R) -> Self {
        Self::Closed(Some(file_system))
    }

    /// Returns the image with the tree that it has stored, whose ids say where contents are.
    pub fn open(&mut self) -> Result<(&mut Image<R>, &Tree)> {
        if let Self::Closed(file_system) = self
            && let Some(file_system) = file_system.take()
        {
            let mut image = Image::open(file_system).map_err(Failure::refused)?;
            let tree = image.tree().map_err(Failure::refused)?;
            *self = Self::Open(Box::new((image, tree)));
        }
        match self {
            Self::Open(opened) => Ok((&mut opened.0, &opened.1)),
            Self::Closed(_) => Err(Failure::refused(anyhow::anyhow!(
                "the image could not be read back"
            ))),
        }
    }
}
