//! What packing took of the processor: for people who want to know which part is the slow one. None of
//! it is in the image.

use std::time::Duration;

/// Returns the processor time that the calling thread has used.
pub type Clock = fn() -> Duration;

/// The clock of a packer that nobody asks.
pub(super) fn no_clock() -> Duration {
    Duration::ZERO
}

/// What the threads of one kind were busy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Busy {
    /// How many they are.
    pub threads: usize,
    /// Processor time of all of them.
    pub all: Duration,
    /// Processor time of the one that was busy the longest.
    pub longest: Duration,
}

impl Busy {
    /// Returns what one thread was busy.
    pub fn of_thread(time: Duration) -> Self {
        Self {
            threads: 1,
            all: time,
            longest: time,
        }
    }

    /// Adds what one more thread was busy.
    pub fn add_thread(&mut self, time: Duration) {
        self.threads += 1;
        self.all += time;
        self.longest = self.longest.max(time);
    }

    /// Adds what as many threads were busy later.
    fn add(&mut self, later: Self) {
        self.threads = self.threads.max(later.threads);
        self.all += later.all;
        self.longest += later.longest;
    }

    /// Adds what the only thread was busy.
    pub(super) fn of_one_thread(&mut self, time: Duration) {
        *self = Self::of_thread(self.all + time);
    }
}

/// What packing took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Compressing blocks.
    pub compress: Busy,
    /// Writing them, in their order.
    pub write: Busy,
}

impl Spent {
    /// Adds what packing took later.
    pub(super) fn add(&mut self, later: Self) {
        self.compress.add(later.compress);
        self.write.add(later.write);
    }
}
