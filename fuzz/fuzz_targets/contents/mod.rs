//! What targets of file systems have in common.

use std::io::{Cursor, Read as _, sink};

use image::foreign::{Error, FileSystem};

/// Reads the tree of a file system that could be opened, and the start of each content.
pub fn read(image: Result<FileSystem<Cursor<&[u8]>>, Error>) {
    let Ok(mut image) = image else { return };
    let _ = (image.name(), image.length());
    let Ok(mut tree) = image.tree() else { return };
    let _ = tree.map_contents(&mut |_, id| {
        if image.is_plain(id) {
            std::io::copy(&mut image.content(id)?.take(1 << 20), &mut sink())?;
        }
        Ok::<_, std::io::Error>(id.clone())
    });
}
