//! Where the bytes of an image come from: a file in a directory, or a server.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::ops::Range;

use anyhow::anyhow;
use delta::{Ask, Refusal};
use fetch::{Fetcher, Wanted};
use indicatif::ProgressBar;

use crate::served::Place;
use crate::words::digest::sha256;
use crate::words::failure::{Failure, Result};

/// Longest image that is fetched without an index, which says how long it is.
pub const MAX_IMAGE: u64 = 64 << 30;

/// An image of a store.
pub struct Source<'a> {
    from: From<'a>,
    shown: String,
    /// Bytes that came.
    fetched: Cell<u64>,
}

enum From<'a> {
    File(File),
    Server {
        urls: [String; 1],
        fetcher: &'a Fetcher,
    },
}

impl<'a> Source<'a> {
    /// Opens the image in a directory; a server is not asked as yet.
    pub fn open(place: &'a Place, name: &str) -> Result<Self> {
        Ok(Self {
            shown: place.shown(name),
            from: match place {
                Place::Directory(directory) => From::File(directory.open_file(name)?),
                Place::Server { url, fetcher } => From::Server {
                    urls: [format!("{url}/{name}")],
                    fetcher,
                },
            },
            fetched: Cell::new(0),
        })
    }

    /// Returns what the image is called in messages.
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// Returns how many bytes came.
    pub fn fetched(&self) -> u64 {
        self.fetched.get()
    }

    /// Appends to the new image what is asked for; `length` is that of the whole.
    pub fn deliver(
        &self,
        ask: Ask,
        length: u64,
        file: &mut File,
        bar: &ProgressBar,
    ) -> std::result::Result<(), Refusal<Failure>> {
        let (end, start_of) = match ask {
            Ask::Part { end } => (end, Some(length)),
            Ask::Rest => (length, None),
        };
        let (urls, fetcher) = match &self.from {
            From::File(from) => return self.copy(from, end, file).map_err(Refusal::Final),
            From::Server { urls, fetcher } => (urls, fetcher),
        };
        let before = file.metadata().map(|metadata| metadata.len());
        let last = Cell::new(before.map_err(|error| Refusal::Final(self.failure(error)))?);
        let wanted = Wanted {
            urls,
            size: Some(end),
            start_of,
            all_if_sent: true,
            limit: length,
            unless: None,
            direct: false,
            accept: &|_| Ok(()),
            progress: &|now| {
                self.count(&last, now);
                bar.set_position(now);
            },
        };
        match fetcher.fetch(&wanted, file) {
            Ok(_) => Ok(()),
            // It was the server that could not do it, not the way to it.
            Err(fetch::Error::Content { reason, .. }) => {
                Err(Refusal::Part(self.not_listed(&reason)))
            }
            Err(fetch::Error::Status {
                code: 416, status, ..
            }) => {
                let reason = format!("the server answered {status}");
                Err(Refusal::Part(self.not_listed(&reason)))
            }
            Err(error) => {
                give_room(&error, file);
                Err(Refusal::Final(self.unfetched(error)))
            }
        }
    }

    /// Returns several parts of the image; `length` is that of the whole. `None` if they can't be had by
    /// one request.
    pub fn several(
        &self,
        ranges: &[Range<u64>],
        length: u64,
        bar: &ProgressBar,
    ) -> Option<Vec<Vec<u8>>> {
        let From::Server { urls, fetcher } = &self.from else {
            return None;
        };
        let [url] = urls;
        // Each can be asked for by itself, and what is wrong then is told.
        let parts = fetcher.parts(url, ranges, length).ok()?;
        let sum: u64 = parts.iter().map(|part| part.len() as u64).sum();
        self.fetched.set(self.fetched.get() + sum);
        bar.set_position(ranges.last()?.end);
        Some(parts)
    }

    /// Brings the whole image, of which the SHA-256 is known, and maybe its length in bytes. Says what is
    /// wrong with it, if it is another.
    pub fn deliver_whole(
        &self,
        listed: &[u8; 32],
        length: Option<u64>,
        file: &mut File,
    ) -> Result<Option<String>> {
        let (urls, fetcher) = match &self.from {
            From::File(from) => {
                file.set_len(0).map_err(|error| self.failure(error))?;
                self.copy(from, u64::MAX, file)?;
                file.rewind().map_err(|error| self.failure(error))?;
                return Ok(differs(listed, file).err());
            }
            From::Server { urls, fetcher } => (urls, fetcher),
        };
        let before = file.metadata().map_err(|error| self.failure(error))?.len();
        let last = Cell::new(before);
        let wanted = Wanted {
            urls,
            size: length,
            start_of: None,
            all_if_sent: false,
            limit: MAX_IMAGE,
            unless: None,
            direct: false,
            accept: &|file| differs(listed, file),
            progress: &|now| self.count(&last, now),
        };
        match fetcher.fetch(&wanted, file) {
            Ok(_) => Ok(None),
            Err(fetch::Error::Content { reason, .. }) => Ok(Some(reason)),
            Err(error) => {
                give_room(&error, file);
                Err(self.unfetched(error))
            }
        }
    }

    /// Counts what came, given how long the file was and is. One that is shorter started over.
    fn count(&self, last: &Cell<u64>, now: u64) {
        let before = if now < last.get() { 0 } else { last.get() };
        self.fetched.set(self.fetched.get() + (now - before));
        last.set(now);
    }

    /// Appends the bytes of a file up to an offset.
    fn copy(&self, mut from: &File, end: u64, file: &mut File) -> Result<()> {
        let copied = file.seek(SeekFrom::End(0)).and_then(|at| {
            from.seek(SeekFrom::Start(at))?;
            io::copy(&mut from.take(end.saturating_sub(at)), file)
        });
        let copied = copied.map_err(|error| self.failure(error))?;
        self.fetched.set(self.fetched.get() + copied);
        Ok(())
    }

    /// Says that what the store has is another image.
    pub fn not_listed(&self, problem: &str) -> Failure {
        Failure::refused(anyhow!("{} is not the listed file: {problem}", self.shown))
            .hint("if the store changed in between, try again")
    }

    fn failure(&self, error: impl Into<anyhow::Error>) -> Failure {
        Failure::io(format!("reading {}", self.shown), error)
    }

    /// Says what went wrong on the way; such an error has the URL.
    fn unfetched(&self, error: fetch::Error) -> Failure {
        match error {
            fetch::Error::File { source, .. } => {
                Failure::io(format!("writing what comes from {}", self.shown), source)
                    .hint("make room where it is to be, and try again")
            }
            error => Failure::io("asking the store", error),
        }
    }
}

/// Empties a file that could not be written, so that a full disk does not stay full.
fn give_room(error: &fetch::Error, file: &File) {
    if matches!(error, fetch::Error::File { .. }) {
        // What went wrong is told already.
        let _ = file.set_len(0);
    }
}

/// Fails unless a file has the SHA-256.
fn differs(listed: &[u8; 32], file: &mut File) -> std::result::Result<(), String> {
    match sha256(file) {
        Ok((_, digest)) if digest == *listed => Ok(()),
        Ok((_, digest)) => Err(format!("its SHA-256 is {}", hex::encode(digest))),
        Err(error) => Err(error.to_string()),
    }
}
