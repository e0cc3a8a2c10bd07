//! Threads that compress blocks, and the buffers that go round: for one packer, or for several that
//! pack at the same time.
//!
//! ```text
//!  packers ──job──▶ threads ──block──▶ each packer's writer ──▶ its output
//!     ▲                                           │
//!     └───────────────── buffers ─────────────────┘
//! ```
//!
//! There is a fixed number of buffers, which alone bounds the memory: two for each thread, so that one
//! waits while the other is compressed, the two that each packer fills, and two more that let its writer
//! wait for a slow block. A block that waits for an earlier one of its packer waits for one that
//! needs no further buffer, so that buffers always come back.

use std::any::Any;
use std::ops::{Deref, DerefMut};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::compressors::{Compressor, Encoder};
use super::error::Error;
use super::format::BLOCK_RAW;
use super::place::Block;
use super::spent::{Clock, no_clock};

/// Buffers of each packer.
const FOR_EACH_PACKER: usize = 4;
/// Buffers of each thread.
const FOR_EACH_THREAD: usize = 2;

/// Who compresses: the packer's own thread, or threads that packers share which have clones of this.
#[derive(Clone, Debug)]
pub struct Workers {
    count: usize,
    packers: usize,
    clock: Clock,
    crew: Arc<Mutex<Option<Arc<Crew>>>>,
}

impl Workers {
    /// Returns so many workers, for one packer. One is the thread that packs; more are threads of
    /// their own, which are started with the first packer.
    pub fn new(count: usize) -> Self {
        Self {
            count,
            packers: 1,
            clock: no_clock,
            crew: Arc::default(),
        }
    }

    /// Returns workers for so many packers at once.
    #[must_use]
    pub fn shared_by(self, packers: usize) -> Self {
        Self { packers, ..self }
    }

    /// Has this clock say what the work takes.
    #[must_use]
    pub fn timed(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// Returns how many they are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Returns the clock that says what work takes.
    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// Returns the threads, which are started if they were not.
    pub(super) fn crew(&self) -> Result<Arc<Crew>, Error> {
        let mut crew = self.crew.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(crew) = &*crew {
            return Ok(Arc::clone(crew));
        }
        let started = Arc::new(Crew::start(self)?);
        *crew = Some(Arc::clone(&started));
        Ok(started)
    }
}

/// How a block is compressed: by what, and how long it is at most.
pub(super) type Way = (Compressor, u32);

/// A block on its way.
pub(super) struct Job {
    pub(super) number: usize,
    /// [`Block::begins`].
    pub(super) begins: bool,
    pub(super) bytes: Buffer,
    /// Of one that is compressed already: [`Block::word`].
    pub(super) stored: Option<u32>,
    pub(super) way: Way,
}

/// What became of a job, under its number, and what it took which thread.
pub(super) struct Done {
    pub(super) number: usize,
    pub(super) block: Result<Block, Stopped>,
    pub(super) thread: usize,
    pub(super) busy: Duration,
}

/// Why a job ended without a block.
pub(super) enum Stopped {
    Error(Error),
    /// A bug, which is to be shown where the packer is.
    Panic(Box<dyn Any + Send>),
}

impl From<Error> for Stopped {
    fn from(error: Error) -> Self {
        Self::Error(error)
    }
}

/// Threads at work. They end when this is dropped.
#[derive(Debug)]
pub(super) struct Crew {
    /// `None` once they are told to end.
    jobs: Option<Sender<(Job, Sender<Done>)>>,
    threads: Vec<JoinHandle<()>>,
    pub(super) buffers: Arc<Buffers>,
}

impl Crew {
    fn start(workers: &Workers) -> Result<Self, Error> {
        let (sender, jobs) = channel();
        let buffers = FOR_EACH_THREAD * workers.count + FOR_EACH_PACKER * workers.packers;
        // If a thread can't be started, dropping this waits for those that were.
        let mut crew = Self {
            jobs: Some(sender),
            threads: Vec::with_capacity(workers.count),
            buffers: Buffers::new(buffers),
        };
        let jobs = Arc::new(Mutex::new(jobs));
        for thread in 0..workers.count {
            let (jobs, clock) = (Arc::clone(&jobs), workers.clock);
            let work = move || compress_jobs(thread, &jobs, clock);
            crew.threads.push(spawn("squashfs-worker", work)?);
        }
        Ok(crew)
    }

    /// Hands in a job, of which `done` is told.
    pub(super) fn hand_in(&self, job: Job, done: &Sender<Done>) -> Result<(), Error> {
        let jobs = self.jobs.as_ref().ok_or(Error::Abandoned)?;
        (jobs.send((job, done.clone()))).map_err(|_| Error::Abandoned)
    }
}

impl Drop for Crew {
    fn drop(&mut self) {
        self.jobs = None;
        for thread in self.threads.drain(..) {
            // What went wrong with a block was told to its packer.
            let _ = thread.join();
        }
    }
}

/// Starts a thread.
pub(super) fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(Error::Thread)
}

/// Compresses one job after the other until there are no more.
fn compress_jobs(thread: usize, jobs: &Mutex<Receiver<(Job, Sender<Done>)>>, clock: Clock) {
    let mut sealer = Sealer::default();
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((job, done)) = job else { return };
        let (number, start) = (job.number, clock());
        let block = match catch_unwind(AssertUnwindSafe(|| sealer.seal(job))) {
            Ok(block) => block.map_err(Stopped::Error),
            Err(payload) => {
                sealer = Sealer::default();
                Err(Stopped::Panic(payload))
            }
        };
        // A packer that was dropped does not want it any more.
        let _ = done.send(Done {
            number,
            block,
            thread,
            busy: clock().saturating_sub(start),
        });
    }
}

/// What compresses blocks, one after the other.
#[derive(Default)]
pub(super) struct Sealer {
    /// For the way of the last block.
    encoder: Option<(Way, Encoder)>,
    scratch: Vec<u8>,
}

impl Sealer {
    /// Compresses what is not compressed yet. The scratch buffer and the job's change places.
    pub(super) fn seal(&mut self, job: Job) -> Result<Block, Error> {
        let Job {
            begins, mut bytes, ..
        } = job;
        if let Some(word) = job.stored {
            return Ok(Block {
                begins,
                word,
                bytes,
            });
        }
        let mut mark = 0;
        if !bytes.is_empty() {
            let (encoder, scratch) = self.encoder(job.way)?;
            match encoder.compress(&bytes, scratch)? {
                true => std::mem::swap(&mut *bytes, scratch),
                false => mark = BLOCK_RAW,
            }
        }
        let length = u32::try_from(bytes.len()).map_err(|_| Error::TooMany("bytes in a block"))?;
        Ok(Block {
            begins,
            word: length | mark,
            bytes,
        })
    }

    fn encoder(&mut self, way: Way) -> Result<(&mut Encoder, &mut Vec<u8>), Error> {
        if self.encoder.as_ref().is_some_and(|(last, _)| *last != way) {
            self.encoder = None;
        }
        let encoder = match self.encoder.take() {
            Some(kept) => kept,
            None => (way, Encoder::new(way.0, way.1)?),
        };
        let (_, encoder) = self.encoder.insert(encoder);
        Ok((encoder, &mut self.scratch))
    }
}

/// A number of buffers that go round.
#[derive(Debug)]
pub(super) struct Buffers {
    state: Mutex<Free>,
    freed: Condvar,
}

#[derive(Debug)]
struct Free {
    /// Those that were used before.
    used: Vec<Vec<u8>>,
    /// How many were not used yet.
    unused: usize,
}

impl Buffers {
    /// Returns so many buffers.
    pub(super) fn new(count: usize) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(Free {
                used: Vec::new(),
                unused: count,
            }),
            freed: Condvar::new(),
        })
    }

    /// Returns an empty buffer; waits for one if all are on their way.
    pub(super) fn take(self: &Arc<Self>) -> Buffer {
        let mut free = self.free();
        let bytes = loop {
            if let Some(bytes) = free.used.pop() {
                break bytes;
            }
            if let Some(left) = free.unused.checked_sub(1) {
                free.unused = left;
                break Vec::new();
            }
            free = (self.freed.wait(free)).unwrap_or_else(PoisonError::into_inner);
        };
        drop(free);
        Buffer {
            bytes,
            home: Arc::clone(self),
        }
    }

    fn free(&self) -> MutexGuard<'_, Free> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A buffer that goes back where it comes from when it is dropped.
#[derive(Debug)]
pub(super) struct Buffer {
    bytes: Vec<u8>,
    home: Arc<Buffers>,
}

impl Deref for Buffer {
    type Target = Vec<u8>;

    fn deref(&self) -> &Vec<u8> {
        &self.bytes
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        let mut bytes = std::mem::take(&mut self.bytes);
        bytes.clear();
        self.home.free().used.push(bytes);
        self.home.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_come_back() {
        let buffers = Buffers::new(2);
        let (mut one, other) = (buffers.take(), buffers.take());
        one.extend_from_slice(b"used");
        std::thread::scope(|scope| {
            let third = scope.spawn(|| buffers.take().len());
            drop(one);
            assert_eq!(third.join().unwrap(), 0);
        });
        drop(other);
        let free = buffers.free();
        assert_eq!((free.used.len(), free.unused), (2, 0));
    }

    /// A block that can't be compressed is told to its packer alone; the thread goes on.
    #[test]
    fn a_block_that_fails_ends_no_thread() {
        let workers = Workers::new(1);
        let crew = workers.crew().unwrap();
        let (sender, done) = channel();
        for (number, compressor) in [(0, "gzip"), (1, "lz4"), (2, "gzip")] {
            let mut bytes = crew.buffers.take();
            bytes.extend_from_slice(&[7; 100]);
            let way = match number {
                // xz has no level 99.
                1 => (Compressor::Xz { level: 99 }, 4096),
                _ => (compressor.parse().unwrap(), 4096),
            };
            let job = Job {
                number,
                begins: true,
                bytes,
                stored: None,
                way,
            };
            crew.hand_in(job, &sender).unwrap();
        }
        let made = [(); 3].map(|()| done.recv().unwrap());
        let made = made.map(|done| (done.number, done.block.is_ok()));
        assert_eq!(made, [(0, true), (1, false), (2, true)]);
    }
}
