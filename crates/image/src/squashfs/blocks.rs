//! Blocks of one image on their way to its output: compressed by [`Workers`], put in order by one
//! thread.
//!
//! A slow block does not stop the others until the buffers are used up. With one worker there are no
//! threads; each block is compressed and put when it is handed in.

use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::compressors::Compressor;
use super::error::Error;
use super::place::Output;
use super::spent::{Busy, Clock, Spent};
use super::workers::{Buffer, Buffers, Crew, Done, Job, Sealer, Stopped, Way, Workers, spawn};

/// Takes full buffers in order and writes them as blocks.
pub(super) struct Blocks<W: Write + Seek> {
    how: How<W>,
    way: Way,
    /// Blocks handed in so far.
    count: usize,
}

/// The output with all blocks, and what they took.
type Written<W> = (Output<W>, Spent);

enum How<W: Write + Seek> {
    Serial(Box<Serial<W>>),
    Threads(Threads<W>),
}

struct Serial<W> {
    sealer: Sealer,
    buffers: Arc<Buffers>,
    output: Output<W>,
    clock: Clock,
    spent: Spent,
}

struct Threads<W> {
    crew: Arc<Crew>,
    /// `None` once there are no more blocks.
    done: Option<Sender<Done>>,
    writer: Option<JoinHandle<Result<Written<W>, Stopped>>>,
}

impl<W: Write + Seek + Send + 'static> Blocks<W> {
    /// Starts the writer, and the workers, if there is more than one.
    pub(super) fn new(
        output: Output<W>,
        compressor: Compressor,
        block_size: u32,
        workers: &Workers,
    ) -> Result<Self, Error> {
        Self::resume(output, (compressor, block_size), workers, 0)
    }

    /// Goes on with an output that has `count` blocks.
    pub(super) fn resume(
        output: Output<W>,
        way: Way,
        workers: &Workers,
        count: usize,
    ) -> Result<Self, Error> {
        let how = match workers.count() {
            0 => return Err(Error::NoWorkers),
            1 => How::Serial(Box::new(Serial {
                sealer: Sealer::default(),
                // The two that the caller fills; the one that is compressed is one of them.
                buffers: Buffers::new(2),
                output,
                clock: workers.clock(),
                spent: Spent::default(),
            })),
            _ => How::Threads(Threads::start(output, workers, count)?),
        };
        Ok(Self { how, way, count })
    }

    /// Returns how many blocks were handed in.
    pub(super) fn count(&self) -> usize {
        self.count
    }

    /// Returns an empty buffer, waiting for one if all are on their way. The caller may keep two.
    pub(super) fn buffer(&mut self) -> Buffer {
        match &mut self.how {
            How::Serial(serial) => serial.buffers.take(),
            How::Threads(threads) => threads.crew.buffers.take(),
        }
    }

    /// Hands in the next block and returns its number; an empty one is a hole. `begins` is
    /// [`Block::begins`](super::place::Block::begins).
    pub(super) fn put(&mut self, bytes: Buffer, begins: bool) -> Result<usize, Error> {
        self.hand_in(bytes, begins, None)
    }

    /// Hands in the next block, which is compressed already, and returns its number. `word` is
    /// [`Block::word`](super::place::Block::word).
    pub(super) fn put_stored(
        &mut self,
        bytes: Buffer,
        word: u32,
        begins: bool,
    ) -> Result<usize, Error> {
        self.hand_in(bytes, begins, Some(word))
    }

    fn hand_in(
        &mut self,
        bytes: Buffer,
        begins: bool,
        stored: Option<u32>,
    ) -> Result<usize, Error> {
        let number = self.count;
        self.count += 1;
        let job = Job {
            number,
            begins,
            bytes,
            stored,
            way: self.way,
        };
        match &mut self.how {
            How::Serial(serial) => serial.put(job)?,
            How::Threads(threads) => threads.hand_in(job)?,
        }
        Ok(number)
    }

    /// Waits for all blocks, ends the writer and returns the output.
    pub(super) fn finish(self) -> Result<Written<W>, Error> {
        match self.how {
            How::Serial(serial) => Ok((serial.output, serial.spent)),
            How::Threads(mut threads) => threads.stop().unwrap_or(Err(Error::Abandoned)),
        }
    }
}

impl<W: Write + Seek> Serial<W> {
    fn put(&mut self, job: Job) -> Result<(), Error> {
        let start = (self.clock)();
        let block = self.sealer.seal(job)?;
        let sealed = (self.clock)();
        self.output.put(&block)?;
        let spent = &mut self.spent;
        spent.compress.of_one_thread(sealed.saturating_sub(start));
        let written = (self.clock)().saturating_sub(sealed);
        spent.write.of_one_thread(written);
        Ok(())
    }
}

impl<W: Write + Seek + Send + 'static> Threads<W> {
    fn start(output: Output<W>, workers: &Workers, first: usize) -> Result<Self, Error> {
        let (sender, done) = channel();
        let (clock, threads) = (workers.clock(), workers.count());
        let crew = workers.crew()?;
        let writer = spawn("squashfs-writer", move || {
            let mut compress = vec![Duration::ZERO; threads];
            let output = write_in_order(output, first, &done, &mut compress)?;
            let mut spent = Spent {
                write: Busy::of_thread(clock()),
                ..Spent::default()
            };
            for busy in compress {
                spent.compress.add_thread(busy);
            }
            Ok((output, spent))
        })?;
        Ok(Self {
            crew,
            done: Some(sender),
            writer: Some(writer),
        })
    }
}

impl<W> Threads<W> {
    fn hand_in(&mut self, job: Job) -> Result<(), Error> {
        // It ends before it is told to if it can't write.
        let is_over = self.writer.as_ref().is_none_or(JoinHandle::is_finished);
        match self.done.as_ref().filter(|_| !is_over) {
            Some(done) => self.crew.hand_in(job, done),
            None => Err(self.failure()),
        }
    }

    /// Ends the writer and returns what it made; `None` if that was taken before.
    fn stop(&mut self) -> Option<Result<Written<W>, Error>> {
        self.done = None;
        let payload = match self.writer.take()?.join() {
            Ok(Ok(written)) => return Some(Ok(written)),
            Ok(Err(Stopped::Error(error))) => return Some(Err(error)),
            Ok(Err(Stopped::Panic(payload))) | Err(payload) => payload,
        };
        // A bug is shown where the caller can see it, but never while it unwinds itself.
        match std::thread::panicking() {
            true => None,
            false => std::panic::resume_unwind(payload),
        }
    }

    /// Returns why the writer ended early.
    fn failure(&mut self) -> Error {
        match self.stop() {
            Some(Err(error)) => error,
            Some(Ok(_)) | None => Error::Abandoned,
        }
    }
}

impl<W> Drop for Threads<W> {
    fn drop(&mut self) {
        // A caller that drops unfinished blocks already has an error in hand.
        let _abandoned = self.stop();
    }
}

/// The writer: puts blocks in the order of their numbers, from `next` until there are no more. Adds to
/// `compress` what each thread took.
fn write_in_order<W: Write + Seek>(
    mut output: Output<W>,
    mut next: usize,
    done: &Receiver<Done>,
    compress: &mut [Duration],
) -> Result<Output<W>, Stopped> {
    let mut early = BTreeMap::new();
    for done in done {
        if let Some(busy) = compress.get_mut(done.thread) {
            *busy += done.busy;
        }
        early.insert(done.number, done.block?);
        while let Some(block) = early.remove(&next) {
            output.put(&block)?;
            next += 1;
        }
    }
    Ok(output)
}
