//! The bytes of a finished image: hashed, and taken by the disk, while other things are done.

use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use files::View;
use store::Temporary;

use crate::parallel::finished;
use crate::timings::{Stage, Timings};
use crate::words::digest::sha256;

/// The bytes of a finished image.
pub struct Written {
    hashing: JoinHandle<io::Result<(u64, [u8; 32])>>,
    syncing: JoinHandle<io::Result<()>>,
}

impl Written {
    /// Begins to hash an image, and to have the disk take it.
    pub fn hash(image: &Temporary, timings: &Arc<Timings>) -> io::Result<Self> {
        let (mut view, timings) = (View::of(image)?, Arc::clone(timings));
        let file = image.file().try_clone()?;
        let hash = move || timings.help(Stage::Publish, 1, || sha256(&mut view));
        Ok(Self {
            hashing: std::thread::spawn(hash),
            syncing: std::thread::spawn(move || file.sync_data()),
        })
    }

    /// Waits until that is done, and returns how many they are and their SHA-256.
    pub fn wait(self) -> io::Result<(u64, [u8; 32])> {
        // The kernel tells of an error once: the store would not hear of it any more.
        let synced = finished(self.syncing.join());
        let hashed = finished(self.hashing.join());
        synced.and(hashed)
    }
}
