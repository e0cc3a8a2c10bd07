//! The contents of a package, in the order of its payload: read here, or ahead on another thread.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::Scope;

use anyhow::anyhow;
use image::squashfs::Busy;
use rpm_input::{Package, Payload};

use crate::pack::kept::Order;
use crate::pack::room::{Room, Taken};
use crate::parallel::locked;
use crate::timings::thread_time;
use crate::words::digest::sha256;
use crate::words::failure::{Failure, Result, package_failure};

/// Length of a piece that a decompressing thread hands over, in bytes.
const PIECE: usize = 128 * 1024;

/// A package and the file it is read from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// What its header says.
    pub package: &'a Package,
    /// The RPM file.
    pub file: &'a Path,
    /// SHA-256 of the file, as metadata list it. Either the file was found to be that one, or nothing
    /// of it is read before it is.
    pub sha256: Option<[u8; 32]>,
    /// What fetches the file, by the number of the package, if it is not here yet.
    pub late: Option<(usize, &'a Late<'a>)>,
}

/// Fetches the file of a package, of which it is given the number, and returns where it is.
pub type Late<'a> = dyn Fn((usize, &Package)) -> Result<PathBuf> + Sync + 'a;

/// What is wanted of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// The contents of the files of which it holds.
    Files(Vec<bool>),
    /// No content: what its file is, is known or is to be.
    Digest,
}

/// What a decompressing thread hands over.
enum Piece {
    /// A content begins.
    Content { file: usize, size: u64, room: Taken },
    /// More of it.
    Bytes(Vec<u8>, Taken),
    /// The package is at its end, whole and verified, or it is not.
    End(Result<Order>),
}

/// A package that is to be read, by its number, and where to.
type Job = (usize, Sender<Piece>);

/// Packages that are read ahead on threads.
pub struct Ahead {
    jobs: SyncSender<Job>,
    queues: VecDeque<Receiver<Piece>>,
    next: usize,
    count: usize,
    /// Packages that are being read or wait to be, the one in use included.
    most: usize,
}

impl Ahead {
    /// Starts so many threads. They end when this is dropped, and add to `took` what they took.
    pub fn start<'scope, 'env>(
        scope: &'scope Scope<'scope, 'env>,
        readers: usize,
        sources: &'env [Source<'env>],
        wanted: &'env [Wanted],
        took: &'env Mutex<Busy>,
    ) -> Self {
        let most = 2 * readers - 1;
        let (jobs, waiting) = sync_channel(most);
        let waiting = Arc::new(Mutex::new(waiting));
        let room = Room::new(sources.len(), readers);
        for _ in 0..readers {
            let (waiting, room) = (Arc::clone(&waiting), Arc::clone(&room));
            scope.spawn(move || {
                read_ahead(&waiting, sources, wanted, &room);
                locked(took).add_thread(thread_time());
            });
        }
        Self {
            jobs,
            queues: VecDeque::new(),
            next: 0,
            count: sources.len(),
            most,
        }
    }

    /// Returns the reader of the next package, whose source this is.
    pub fn next<'s>(&mut self, source: Source<'s>) -> Result<Reader<'s>> {
        while self.next < self.count && self.queues.len() < self.most {
            let (sender, queue) = channel();
            if self.jobs.send((self.next, sender)).is_err() {
                return Err(reader_lost());
            }
            self.queues.push_back(queue);
            self.next += 1;
        }
        let queue = self.queues.pop_front().ok_or_else(reader_lost)?;
        Ok(Reader {
            source,
            way: Way::Queue(queue, None),
        })
    }
}

/// Reads the contents of one package.
pub struct Reader<'s> {
    source: Source<'s>,
    way: Way<'s>,
}

enum Way<'s> {
    /// From another thread; the end, once it was there.
    Queue(Receiver<Piece>, Option<Order>),
    /// From the file, with what has passed.
    Payload(Box<Payload<'s, File>>, Vec<u32>),
    /// Nothing was read so far; or nothing but the file's digest.
    Closed(Option<Order>),
}

impl<'s> Reader<'s> {
    /// Returns a reader that reads on this thread, once something is wanted.
    pub fn new(source: Source<'s>) -> Self {
        Self {
            source,
            way: Way::Closed(None),
        }
    }

    /// Begins with the file itself, at its start.
    pub fn restart(&mut self) -> Result<()> {
        let payload = open(&self.source)?;
        self.way = Way::Payload(Box::new(payload), Vec::new());
        Ok(())
    }

    /// Calls `see` with the next content: index of the file, size, bytes. What it does not read is
    /// skipped. Returns false at the end.
    pub fn next(
        &mut self,
        see: &mut dyn FnMut(usize, u64, &mut dyn Read) -> Result<()>,
    ) -> Result<bool> {
        match &mut self.way {
            Way::Closed(_) => {
                self.restart()?;
                self.next(see)
            }
            Way::Payload(payload, seen) => {
                let Some(mut content) = payload.next_content().map_err(package_failure)? else {
                    return Ok(false);
                };
                let (file, size) = (content.file, content.size);
                seen.push(u32::try_from(file).unwrap_or(u32::MAX));
                see(file, size, &mut content)?;
                Ok(true)
            }
            Way::Queue(_, Some(_)) => Ok(false),
            Way::Queue(queue, end) => loop {
                match queue.recv().map_err(|_| reader_lost())? {
                    Piece::Content { file, size, room } => {
                        drop(room);
                        let mut content = Queued {
                            queue,
                            piece: Vec::new(),
                            position: 0,
                            failure: None,
                        };
                        let seen = see(file, size, &mut content);
                        if let Some(failure) = content.failure.take() {
                            return Err(failure);
                        }
                        return seen.map(|()| true);
                    }
                    // The rest of a content that was not wanted after all.
                    Piece::Bytes(..) => {}
                    Piece::End(order) => {
                        *end = Some(order?);
                        return Ok(false);
                    }
                }
            },
        }
    }

    /// Returns the SHA-256 of the file of a package of which nothing else is wanted.
    pub fn digest(&mut self) -> Result<[u8; 32]> {
        let order = match &mut self.way {
            Way::Closed(known) => known.insert(hash(&self.source)?),
            Way::Queue(..) => {
                while self.next(&mut |_, _, _| Ok(()))? {}
                match &mut self.way {
                    Way::Queue(_, Some(order)) => order,
                    _ => return Err(reader_lost()),
                }
            }
            Way::Payload(..) => return Err(reader_lost()),
        };
        Ok(order.sha256)
    }

    /// Reads to the end of the package, and returns how it went.
    pub fn finish(mut self) -> Result<Order> {
        if let Way::Closed(known) = self.way {
            return known.map_or_else(|| hash(&self.source), Ok);
        }
        while self.next(&mut |_, _, _| Ok(()))? {}
        match self.way {
            Way::Payload(payload, files) => {
                let sha256 = payload.finish().map_err(package_failure)?.sha256;
                Ok(Order { sha256, files })
            }
            Way::Queue(_, Some(order)) => Ok(order),
            _ => Err(reader_lost()),
        }
    }
}

/// Returns the SHA-256 of the file of a package of which nothing else is wanted: hashed, unless
/// metadata say it.
fn hash(source: &Source<'_>) -> Result<Order> {
    let sha256 = match source.sha256 {
        Some(known) => known,
        None => {
            let mut file = rpm_input::open(source.file).map_err(package_failure)?;
            let failed = |error| Failure::io(format!("reading {}", source.file.display()), error);
            sha256(&mut file).map_err(failed)?.1
        }
    };
    Ok(Order {
        sha256,
        files: Vec::new(),
    })
}

fn open<'a>(source: &Source<'a>) -> Result<Payload<'a, File>> {
    let file = match source.late {
        Some((number, fetch)) => rpm_input::open(&fetch((number, source.package))?),
        None => rpm_input::open(source.file),
    };
    let file = file.map_err(package_failure)?;
    Payload::open(file, source.package).map_err(package_failure)
}

/// Works off packages until there are no more, or nobody wants them.
fn read_ahead(
    waiting: &Mutex<Receiver<Job>>,
    sources: &[Source<'_>],
    wanted: &[Wanted],
    room: &Arc<Room>,
) {
    loop {
        let job = match waiting.lock() {
            Ok(waiting) => waiting.recv(),
            Err(_) => return,
        };
        let Ok((index, queue)) = job else { return };
        let end = match &wanted[index] {
            Wanted::Digest => hash(&sources[index]),
            Wanted::Files(wanted) => match stream(
                &sources[index],
                wanted,
                &|bytes| room.take(index, bytes),
                &queue,
            ) {
                // Nobody wants it any more.
                Ok(None) => continue,
                Ok(Some(order)) => Ok(order),
                Err(failure) => Err(failure),
            },
        };
        // Nobody may want to know.
        let _ = queue.send(Piece::End(end));
    }
}

/// Streams a package's wanted contents into a queue; `None` when nobody listens any more.
fn stream(
    source: &Source<'_>,
    wanted: &[bool],
    room: &dyn Fn(usize) -> Taken,
    queue: &Sender<Piece>,
) -> Result<Option<Order>> {
    let mut payload = open(source)?;
    let mut files = Vec::new();
    while let Some(mut content) = payload.next_content().map_err(package_failure)? {
        let (file, mut left) = (content.file, content.size);
        files.push(u32::try_from(file).unwrap_or(u32::MAX));
        if !wanted.get(file).copied().unwrap_or_default() {
            continue;
        }
        let size = left;
        let piece = Piece::Content {
            file,
            size,
            room: room(0),
        };
        if queue.send(piece).is_err() {
            return Ok(None);
        }
        while left > 0 {
            let mut piece = vec![0; left.min(PIECE as u64) as usize];
            content.read_exact(&mut piece).map_err(content_failure)?;
            left -= piece.len() as u64;
            let room = room(piece.len());
            if queue.send(Piece::Bytes(piece, room)).is_err() {
                return Ok(None);
            }
        }
    }
    let sha256 = payload.finish().map_err(package_failure)?.sha256;
    Ok(Some(Order { sha256, files }))
}

/// Reads one content out of a queue.
struct Queued<'a> {
    queue: &'a Receiver<Piece>,
    piece: Vec<u8>,
    position: usize,
    failure: Option<Failure>,
}

impl Read for Queued<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position == self.piece.len() {
            match self.queue.recv() {
                Ok(Piece::Bytes(piece, room)) => {
                    drop(room);
                    (self.piece, self.position) = (piece, 0);
                }
                Ok(Piece::End(Err(failure))) => {
                    self.failure = Some(failure);
                    return Err(io::Error::other("the package can't be read"));
                }
                Ok(_) | Err(_) => return Err(io::Error::other("the package's reader stopped")),
            }
        }
        let length = buffer.len().min(self.piece.len() - self.position);
        buffer[..length].copy_from_slice(&self.piece[self.position..self.position + length]);
        self.position += length;
        Ok(length)
    }
}

/// Takes a package's error out of what its content reader returned.
pub fn content_failure(error: io::Error) -> Failure {
    match error.downcast::<rpm_input::Error>() {
        Ok(error) => package_failure(error),
        Err(error) => Failure::io("reading a package", error),
    }
}

fn reader_lost() -> Failure {
    Failure::io("reading the packages", anyhow!("a reading thread stopped"))
}

#[cfg(test)]
mod tests {
    use rpm_input::Nevra;

    use super::*;

    #[test]
    fn a_file_that_metadata_list_is_not_hashed_again() {
        let package = Package::named(Nevra {
            name: "a".to_owned(),
            epoch: None,
            version: "1".to_owned(),
            release: "1".to_owned(),
            arch: "noarch".to_owned(),
        });
        let digest = |sha256| {
            let file = Path::new("/no/such/package");
            let mut reader = Reader::new(Source {
                package: &package,
                file,
                sha256,
                late: None,
            });
            reader.digest()
        };
        assert_eq!(digest(Some([7; 32])).unwrap(), [7; 32]);
        assert!(digest(None).is_err());
    }
}
