//! Blocks on their way to the output: compressed by many threads, put in order by one.
//!
//! ```text
//!  caller ──job──▶ workers ──block──▶ writer ──▶ output
//!     ▲                                  │
//!     └───────────── buffers ────────────┘
//! ```
//!
//! There is a fixed number of buffers. The caller takes one, fills it and hands it in; the writer
//! gives it back once its block is out. That alone bounds the memory, and since no channel has
//! less room than there are buffers, nobody waits when handing on. A slow block does not stop the
//! others until the buffers are used up.
//!
//! With one worker there are no threads; each block is compressed and put when it is handed in.

use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use super::compressors::{Compressor, Encoder};
use super::error::Error;
use super::format::BLOCK_RAW;
use super::place::{Block, Output};
use super::spent::{Busy, Clock, Spent};

/// Takes full buffers in order and writes them as blocks.
pub(super) struct Blocks<W: Write + Seek> {
    way: Way<W>,
    /// Blocks handed in so far.
    count: usize,
}

/// The output, and what its writer took.
type Timed<W> = (Output<W>, Duration);

/// The output with all blocks, and what they took.
type Written<W> = (Output<W>, Spent);

enum Way<W: Write + Seek> {
    Serial(Box<Serial<W>>),
    Threads(Threads<W>),
}

struct Serial<W> {
    encoder: Encoder,
    scratch: Vec<u8>,
    buffers: Vec<Vec<u8>>,
    output: Output<W>,
    clock: Clock,
    spent: Spent,
}

struct Threads<W> {
    /// `None` once the workers were told to end.
    jobs: Option<SyncSender<Job>>,
    buffers: Receiver<Vec<u8>>,
    workers: Vec<JoinHandle<Duration>>,
    writer: Option<JoinHandle<Result<Timed<W>, Error>>>,
}

/// A block on its way.
struct Job {
    number: usize,
    begins: bool,
    bytes: Vec<u8>,
    /// Of one that is compressed already: [`Block::word`].
    stored: Option<u32>,
}

/// What became of a job, under its number.
type Done = (usize, Result<Block, Error>);

impl<W: Write + Seek + Send + 'static> Blocks<W> {
    /// Starts the threads, if there is more than one worker.
    pub(super) fn new(
        output: Output<W>,
        compressor: Compressor,
        block_size: u32,
        workers: usize,
        clock: Clock,
    ) -> Result<Self, Error> {
        let way = if workers > 1 {
            let encoders = (0..workers).map(|_| Encoder::new(compressor, block_size));
            Way::Threads(Threads::start(output, encoders, clock)?)
        } else {
            Way::Serial(Box::new(Serial {
                encoder: Encoder::new(compressor, block_size)?,
                scratch: Vec::new(),
                buffers: Vec::new(),
                output,
                clock,
                spent: Spent::default(),
            }))
        };
        Ok(Self { way, count: 0 })
    }

    /// Returns an empty buffer, waiting for one if all are on their way. The caller may keep two.
    pub(super) fn buffer(&mut self) -> Result<Vec<u8>, Error> {
        match &mut self.way {
            Way::Serial(serial) => Ok(serial.buffers.pop().unwrap_or_default()),
            Way::Threads(threads) => match threads.buffers.recv() {
                Ok(buffer) => Ok(buffer),
                Err(_) => Err(threads.failure()),
            },
        }
    }

    /// Hands in the next block and returns its number; an empty one is a hole. `begins` is
    /// [`Block::begins`].
    pub(super) fn put(&mut self, bytes: Vec<u8>, begins: bool) -> Result<usize, Error> {
        self.hand_in(bytes, begins, None)
    }

    /// Hands in the next block, which is compressed already, and returns its number. `word` is
    /// [`Block::word`].
    pub(super) fn put_stored(
        &mut self,
        bytes: Vec<u8>,
        word: u32,
        begins: bool,
    ) -> Result<usize, Error> {
        self.hand_in(bytes, begins, Some(word))
    }

    fn hand_in(
        &mut self,
        bytes: Vec<u8>,
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
        };
        match &mut self.way {
            Way::Serial(serial) => {
                let start = (serial.clock)();
                let block = seal(&mut serial.encoder, job, &mut serial.scratch)?;
                let sealed = (serial.clock)();
                serial.output.put(&block)?;
                let spent = &mut serial.spent;
                spent.compress.of_one_thread(sealed - start);
                spent.write.of_one_thread((serial.clock)() - sealed);
                serial.buffers.push(emptied(block.bytes));
            }
            Way::Threads(threads) => {
                let taken = threads.jobs.as_ref().map(|jobs| jobs.send(job));
                if !matches!(taken, Some(Ok(()))) {
                    return Err(threads.failure());
                }
            }
        }
        Ok(number)
    }

    /// Waits for all blocks, ends the threads and returns the output.
    pub(super) fn finish(self) -> Result<Written<W>, Error> {
        match self.way {
            Way::Serial(serial) => Ok((serial.output, serial.spent)),
            Way::Threads(mut threads) => threads.stop().unwrap_or(Err(Error::Abandoned)),
        }
    }
}

impl<W: Write + Seek + Send + 'static> Threads<W> {
    /// Starts a worker for each encoder, and the writer.
    fn start(
        output: Output<W>,
        encoders: impl ExactSizeIterator<Item = Result<Encoder, Error>>,
        clock: Clock,
    ) -> Result<Self, Error> {
        // Two for each worker, so that one waits while the other is compressed, and the two that
        // the caller fills; the rest lets the writer wait for a slow block.
        let buffers = 2 * encoders.len() + 4;
        let (job_sender, jobs) = sync_channel(buffers);
        let (buffer_sender, free) = sync_channel(buffers);
        for _ in 0..buffers {
            // The receiver is at hand and there is room.
            buffer_sender
                .send(Vec::new())
                .map_err(|_| Error::Abandoned)?;
        }
        let mut threads = Self {
            jobs: Some(job_sender),
            buffers: free,
            workers: Vec::with_capacity(encoders.len()),
            writer: None,
        };
        // If a thread cannot be started, dropping `threads` waits for those that were. The writer
        // ends when the last sender is gone, so this one has to be dropped before `threads`, that
        // is, declared after it.
        let (done_sender, done) = sync_channel(buffers);
        threads.writer = Some(spawn("squashfs-writer", move || {
            let output = write_in_order(output, &done, &buffer_sender)?;
            Ok((output, clock()))
        })?);
        let jobs = Arc::new(Mutex::new(jobs));
        for encoder in encoders {
            let encoder = encoder?;
            let (jobs, done) = (Arc::clone(&jobs), done_sender.clone());
            threads.workers.push(spawn("squashfs-worker", move || {
                compress_jobs(encoder, &jobs, &done);
                clock()
            })?);
        }
        Ok(threads)
    }
}

impl<W> Threads<W> {
    /// Ends the threads and returns what the writer made; `None` if that was taken before.
    fn stop(&mut self) -> Option<Result<Written<W>, Error>> {
        self.jobs = None;
        let mut panic = None;
        let mut compress = Busy::default();
        for worker in self.workers.drain(..) {
            match worker.join() {
                Ok(busy) => compress.add_thread(busy),
                Err(payload) => panic = Some(payload),
            }
        }
        let result = match self.writer.take()?.join() {
            Ok(result) => Some(result.map(|(output, busy)| {
                let write = Busy::of_thread(busy);
                (output, Spent { compress, write })
            })),
            Err(payload) => {
                panic = Some(payload);
                None
            }
        };
        match panic {
            // A bug is shown where the caller can see it, but never while it unwinds itself.
            Some(payload) if !std::thread::panicking() => std::panic::resume_unwind(payload),
            _ => result,
        }
    }

    /// Returns why the threads ended early.
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

fn spawn<T: Send + 'static>(
    name: &str,
    run: impl FnOnce() -> T + Send + 'static,
) -> Result<JoinHandle<T>, Error> {
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(Error::Thread)
}

/// Tells the writer when a worker panics; the block it had would never come.
struct Alarm<'d>(&'d SyncSender<Done>);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Fails only if the writer has ended, which is what is wanted.
            let _ = self.0.send((usize::MAX, Err(Error::Abandoned)));
        }
    }
}

/// A worker: compresses one job after the other until there are no more, or the writer has ended.
fn compress_jobs(mut encoder: Encoder, jobs: &Mutex<Receiver<Job>>, done: &SyncSender<Done>) {
    let _alarm = Alarm(done);
    let mut scratch = Vec::new();
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        let number = job.number;
        let block = seal(&mut encoder, job, &mut scratch);
        if done.send((number, block)).is_err() {
            return;
        }
    }
}

/// The writer: puts blocks in the order of their numbers until all workers have ended.
fn write_in_order<W: Write + Seek>(
    mut output: Output<W>,
    done: &Receiver<Done>,
    buffers: &SyncSender<Vec<u8>>,
) -> Result<Output<W>, Error> {
    let mut early = BTreeMap::new();
    let mut next = 0;
    for (number, block) in done {
        early.insert(number, block?);
        while let Some(block) = early.remove(&next) {
            output.put(&block)?;
            next += 1;
            if buffers.send(emptied(block.bytes)).is_err() {
                return Err(Error::Abandoned);
            }
        }
    }
    Ok(output)
}

/// Compresses what is not compressed yet. `scratch` becomes what were the job's bytes, so that
/// buffers go round.
fn seal(encoder: &mut Encoder, job: Job, scratch: &mut Vec<u8>) -> Result<Block, Error> {
    let Job { begins, bytes, .. } = job;
    if let Some(word) = job.stored {
        return Ok(Block {
            begins,
            word,
            bytes,
        });
    }
    let (bytes, mark) = if bytes.is_empty() {
        (bytes, 0)
    } else if encoder.compress(&bytes, scratch)? {
        (std::mem::replace(scratch, bytes), 0)
    } else {
        (bytes, BLOCK_RAW)
    };
    let length = u32::try_from(bytes.len()).map_err(|_| Error::TooMany("bytes in a block"))?;
    Ok(Block {
        begins,
        word: length | mark,
        bytes,
    })
}

fn emptied(mut buffer: Vec<u8>) -> Vec<u8> {
    buffer.clear();
    buffer
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::spent::no_clock;
    use super::*;

    #[test]
    fn when_a_worker_cannot_be_started_the_others_end() {
        for good in [0, 1, 3] {
            let (told, end) = std::sync::mpsc::channel();
            // On a thread of its own, so that waiting for ever fails the test.
            std::thread::spawn(move || {
                let output = Output::new(Cursor::new(Vec::new()), &[]).unwrap();
                let encoders: Vec<_> = (0..=good)
                    .map(|number| {
                        if number < good {
                            Encoder::new(Compressor::Lz4, 4096)
                        } else {
                            Err(Error::Thread(std::io::Error::other("no more threads")))
                        }
                    })
                    .collect();
                let error = Threads::start(output, encoders.into_iter(), no_clock).err();
                told.send(error.map(|error| error.to_string())).unwrap();
            });
            assert_eq!(
                end.recv_timeout(Duration::from_secs(30)).unwrap().unwrap(),
                "cannot start a thread: no more threads",
                "after {good} workers"
            );
        }
    }
}
