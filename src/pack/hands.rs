//! The threads that pack: those that compress, which all images of a run share, and those that read
//! packages for one image.

use std::sync::{Arc, Mutex};

use image::squashfs::Workers;

use crate::parallel::locked;
use crate::timings::thread_time;

/// Threads that decompress packages, at most, and two for each image beyond the first.
const READERS: usize = 8;
/// Threads that decompress the packages of an image, at least.
const LEAST: usize = 2;

/// The threads of a run.
pub struct Hands {
    /// Those that compress.
    pub workers: Workers,
    reading: Arc<Mutex<usize>>,
}

/// Threads that read for an image, until this is dropped.
pub struct Readers {
    /// How many they are.
    pub count: usize,
    reading: Arc<Mutex<usize>>,
}

impl Hands {
    /// Returns so many workers, for so many images that may be packed at once.
    pub fn new(workers: usize, images: usize) -> Self {
        Self {
            workers: Workers::new(workers).shared_by(images).timed(thread_time),
            reading: Arc::default(),
        }
    }

    /// Takes threads that read for an image. Two keep up with a few workers; xz and gzip are unpacked
    /// more slowly than many workers compress. Images that are packed at once share them.
    pub fn readers(&self) -> Readers {
        let most = (self.workers.count() / 2).clamp(LEAST, READERS);
        let mut reading = locked(&self.reading);
        let count = most.saturating_sub(*reading).max(LEAST);
        *reading += count;
        Readers {
            count,
            reading: Arc::clone(&self.reading),
        }
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        *locked(&self.reading) -= self.count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_share_the_threads_that_read() {
        for (workers, counts) in [
            (1, [2, 2, 2]),
            (2, [2, 2, 2]),
            (7, [3, 2, 2]),
            (16, [8, 2, 2]),
            (256, [8, 2, 2]),
        ] {
            let hands = Hands::new(workers, 3);
            let readers = [(); 3].map(|()| hands.readers());
            assert_eq!(readers.each_ref().map(|one| one.count), counts);
            drop(readers);
            assert_eq!(hands.readers().count, counts[0]);
        }
    }
}
