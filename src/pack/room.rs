//! Room for contents that were read ahead: so many bytes for each package, and some more for whichever
//! needs it.
//!
//! A payload can only be unpacked from its beginning to its end, on one thread. So that a long one does
//! not hold up the workers, those after it are read meanwhile, and what comes out of them waits here.
//! The package whose turn it is has room of its own, whatever the others have filled, so that there is
//! always one that goes on.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

use crate::parallel::locked;

/// Bytes that may wait of each package.
const OWN: usize = 2 << 20;
/// Bytes that each reader more than two adds to what may wait of any package.
const FOR_EACH_READER: usize = 16 << 20;
/// What a piece takes beside its bytes.
const PIECE: usize = 64;

/// Room that the readers of an image share.
pub struct Room {
    filled: Mutex<Filled>,
    freed: Condvar,
}

struct Filled {
    /// Of the room of each package.
    own: Vec<usize>,
    /// Left of what they share.
    left: usize,
}

/// Room for one piece, until this is dropped.
pub struct Taken {
    room: Arc<Room>,
    bytes: usize,
    /// The package in whose own room it is.
    own: Option<usize>,
}

impl Room {
    /// Returns the room of so many packages, which so many threads read.
    pub fn new(packages: usize, readers: usize) -> Arc<Self> {
        Arc::new(Self {
            filled: Mutex::new(Filled {
                own: vec![0; packages],
                left: readers.saturating_sub(2) * FOR_EACH_READER,
            }),
            freed: Condvar::new(),
        })
    }

    /// Waits for room for a piece of a package.
    pub fn take(self: &Arc<Self>, package: usize, bytes: usize) -> Taken {
        let bytes = bytes + PIECE;
        let mut filled = self.filled();
        let own = loop {
            let own = &mut filled.own[package];
            // One that is longer than all room goes alone.
            if *own == 0 || *own + bytes <= OWN {
                *own += bytes;
                break Some(package);
            }
            if bytes <= filled.left {
                filled.left -= bytes;
                break None;
            }
            filled = (self.freed.wait(filled)).unwrap_or_else(PoisonError::into_inner);
        };
        drop(filled);
        Taken {
            room: Arc::clone(self),
            bytes,
            own,
        }
    }

    fn filled(&self) -> MutexGuard<'_, Filled> {
        locked(&self.filled)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        let mut filled = self.room.filled();
        match self.own {
            Some(package) => filled.own[package] -= self.bytes,
            None => filled.left += self.bytes,
        }
        drop(filled);
        self.room.freed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Fills what a package gets without waiting, and returns how many pieces that are.
    fn fill(room: &Arc<Room>, package: usize, taken: &mut Vec<Taken>) -> usize {
        let bytes = (1 << 20) - PIECE;
        let before = taken.len();
        loop {
            let filled = room.filled();
            let fits = filled.own[package] + (1 << 20) <= OWN || 1 << 20 <= filled.left;
            drop(filled);
            match fits {
                true => taken.push(room.take(package, bytes)),
                false => return taken.len() - before,
            }
        }
    }

    #[test]
    fn each_package_has_room_of_its_own_and_they_share_the_rest() {
        for (readers, shared) in [(1, 0), (2, 0), (3, 16), (8, 96)] {
            let room = Room::new(3, readers);
            let mut taken = Vec::new();
            assert_eq!(fill(&room, 2, &mut taken), 2 + shared);
            // The others have filled all but this.
            assert_eq!(fill(&room, 0, &mut taken), 2);
            assert_eq!(fill(&room, 2, &mut taken), 0);
            taken.clear();
            assert_eq!(fill(&room, 1, &mut taken), 2 + shared);
        }
        // A piece may be longer than the room.
        let room = Room::new(1, 2);
        drop(room.take(0, 10 << 20));
        assert_eq!(room.filled().own[0], 0);
    }

    #[test]
    fn what_waits_goes_on_once_there_is_room() {
        let room = Room::new(1, 2);
        let mut taken = Vec::new();
        fill(&room, 0, &mut taken);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| drop(room.take(0, 1 << 20)));
            taken.clear();
            waiting.join().unwrap();
        });
        assert_eq!(room.filled().own[0], 0);
    }
}
