//! The caches that desktops look things up in, made as their own tools make them.
//!
//! | cache | its sources | made as by |
//! |---|---|---|
//! | `gschemas.compiled` | schemas of settings | glib-compile-schemas |
//! | `mimeinfo.cache` | desktop entries | update-desktop-database |
//! | `icon-theme.cache` | icons of a theme | gtk-update-icon-cache |
//! | `mime.cache` and the texts beside it | definitions of types of files | update-mime-database |
//!
//! A cache is a function of its sources: names and contents in, bytes out, the same bytes for the same
//! sources. Nothing here opens a file.

pub mod desktop;
mod glib;
pub mod icons;
pub mod mime;
pub mod schemas;
mod xml;

use std::collections::BTreeMap;

/// Contents by the names of their files, below the directory of a cache.
pub type Contents = BTreeMap<String, Vec<u8>>;

/// What was made of sources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Made {
    /// The files of the cache; none if there is nothing to put into them.
    pub files: Contents,
    /// What they leave out.
    pub ignored: Vec<Ignored>,
}

/// A source, or a part of one, that a cache leaves out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ignored {
    /// The name of the file.
    pub file: String,
    /// Why, and what of it, if it is not all.
    pub problem: String,
}
