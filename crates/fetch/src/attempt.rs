//! One request and its answer, written to the file as it comes.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::time::Instant;

use ureq::Body;
use ureq::http::{HeaderMap, HeaderName, Response, header};

use crate::error::Error;
use crate::parts::ContentRange;
use crate::request::{Request, Unanswered};
use crate::url::redacted;
use crate::{Fetcher, MINIMUM_RATE, Validators, Wanted};

/// The body is read in pieces of this size.
const PIECE: usize = 64 << 10;

/// A request for a file, or for the rest of it.
pub(crate) struct Attempt<'a> {
    pub(crate) fetcher: &'a Fetcher,
    pub(crate) url: &'a str,
    pub(crate) wanted: &'a Wanted<'a>,
    /// The state that the first part of the file is of.
    pub(crate) validators: &'a Validators,
    /// Bytes that the file has.
    pub(crate) before: u64,
}

/// What an attempt brought.
pub(crate) enum Outcome {
    /// All of the file, of this state.
    Whole(Validators),
    /// The word that the file is as it was.
    Unchanged,
}

/// Why an attempt brought nothing, or not all.
pub(crate) enum Failed {
    /// Trying again would change nothing.
    Final(Error),
    /// It may work the next time; what is in the file is of this state.
    Broken(String, Validators),
}

impl Attempt<'_> {
    pub(crate) fn run(&self, file: &mut File) -> Result<Outcome, Failed> {
        // More is there only if all was sent in place of a part.
        if self
            .wanted
            .size
            .is_some_and(|size| size <= self.before && size > 0)
        {
            return Ok(Outcome::Whole(self.validators.clone()));
        }
        let response = self.send()?;
        let status = response.status();
        let state = validators(response.headers());
        match status.as_u16() {
            304 if self.wanted.unless.is_some() => Ok(Outcome::Unchanged),
            200 => {
                self.check_whole(response.headers())?;
                self.rewind(file)?;
                self.receive(response, file, 0, state)
            }
            206 if self.before > 0 || self.wanted.start_of.is_some() => {
                let whole = self.wanted.start_of.or(self.wanted.size);
                let range = response.headers().get(header::CONTENT_RANGE);
                let range = range.and_then(|range| ContentRange::parse(range.to_str().ok()?));
                if range.is_none_or(|range| range.start != self.before) {
                    return Err(self.unfit(file, "the server sent a different part than requested"));
                }
                if let Some((whole, total)) = whole.zip(range.and_then(|range| range.total))
                    && whole != total
                {
                    let reason = format!("the file has {total} bytes, not {whole}");
                    return Err(self.unfit(file, &reason));
                }
                self.check_length(response.headers(), self.before)?;
                self.receive(response, file, self.before, state)
            }
            // There is no such part: the file has become shorter, or ours is of another one.
            416 if self.before > 0 => {
                self.rewind(file)?;
                self.broken("the server has less than it sent before")
            }
            429 | 500..=599 => Err(Failed::Broken(
                format!("the server answered {status}"),
                self.validators.clone(),
            )),
            code => Err(Failed::Final(Error::Status {
                url: redacted(self.url),
                status: status.to_string(),
                code,
            })),
        }
    }

    /// Asks for the file.
    fn send(&self) -> Result<Response<Body>, Failed> {
        let request = Request {
            fetcher: self.fetcher,
            url: self.url,
            direct: self.wanted.direct,
            headers: self.headers(),
        };
        request.send().map_err(|problem| match problem {
            Unanswered::Url(reason) => Failed::Final(Error::Url {
                url: redacted(self.url),
                reason,
            }),
            Unanswered::Broken(reason) => Failed::Broken(reason, self.validators.clone()),
        })
    }

    fn headers(&self) -> Vec<(HeaderName, String)> {
        let mut headers = Vec::new();
        if let Some(range) = self.range() {
            headers.push((header::RANGE, range));
        }
        if self.before > 0 {
            // A weak tag tells nothing of single bytes.
            let strong = self
                .validators
                .etag
                .as_ref()
                .filter(|tag| !tag.starts_with("W/"));
            if let Some(state) = strong.or(self.validators.last_modified.as_ref()) {
                headers.push((header::IF_RANGE, state.clone()));
            }
        } else if let Some(unless) = self.wanted.unless {
            if let Some(tag) = &unless.etag {
                headers.push((header::IF_NONE_MATCH, tag.clone()));
            } else if let Some(time) = &unless.last_modified {
                headers.push((header::IF_MODIFIED_SINCE, time.clone()));
            }
        }
        headers
    }

    /// Returns which bytes are asked for, if it is not all of them.
    fn range(&self) -> Option<String> {
        let before = self.before;
        match self.wanted.size.filter(|_| self.wanted.start_of.is_some()) {
            Some(size) => Some(format!("bytes={before}-{}", size.saturating_sub(1))),
            None if before > 0 => Some(format!("bytes={before}-")),
            None => None,
        }
    }

    /// Says that a part can't be used. It may be one of another file, and so may be what is there.
    fn unfit(&self, file: &mut File, reason: &str) -> Failed {
        if self.before == 0 || self.wanted.all_if_sent {
            return self.refused(reason.to_owned());
        }
        match self.rewind(file) {
            Ok(()) => Failed::Broken(reason.to_owned(), Validators::default()),
            Err(failed) => failed,
        }
    }

    fn broken<T>(&self, reason: &str) -> Result<T, Failed> {
        Err(Failed::Broken(reason.to_owned(), Validators::default()))
    }

    fn refused(&self, reason: String) -> Failed {
        Failed::Final(Error::Content {
            url: redacted(self.url),
            reason,
        })
    }

    fn writing(&self, source: io::Error) -> Failed {
        Failed::Final(Error::File {
            url: redacted(self.url),
            source,
        })
    }

    fn rewind(&self, file: &mut File) -> Result<(), Failed> {
        file.set_len(0).map_err(|error| self.writing(error))?;
        file.seek(SeekFrom::Start(0))
            .map_err(|error| self.writing(error))?;
        Ok(())
    }

    /// Checks the length that the server states of a whole file, before a byte is taken.
    fn check_whole(&self, headers: &HeaderMap) -> Result<(), Failed> {
        let Some(whole) = self.wanted.start_of else {
            return self.check_length(headers, 0);
        };
        match number(headers.get(header::CONTENT_LENGTH)) {
            Some(length) if length != whole => {
                Err(self.refused(format!("the file has {length} bytes, not {whole}")))
            }
            _ => Ok(()),
        }
    }

    /// Checks the length that the server states, before a byte is taken.
    fn check_length(&self, headers: &HeaderMap, before: u64) -> Result<(), Failed> {
        let Some(length) = number(headers.get(header::CONTENT_LENGTH)) else {
            return Ok(());
        };
        let total = before.saturating_add(length);
        match self.wanted.size {
            Some(size) if size != total => {
                Err(self.refused(format!("the file has {total} bytes, not {size}")))
            }
            None if total > self.wanted.limit => Err(self.too_long(self.wanted.limit)),
            _ => Ok(()),
        }
    }

    fn too_long(&self, most: u64) -> Failed {
        self.refused(format!("the file is longer than {most} bytes"))
    }

    /// Writes the body to the file.
    fn receive(
        &self,
        response: Response<Body>,
        file: &mut File,
        before: u64,
        state: Validators,
    ) -> Result<Outcome, Failed> {
        let stated = number(response.headers().get(header::CONTENT_LENGTH));
        let stated = stated.map(|stated| before.saturating_add(stated));
        let is_all = response.status() == 200;
        let size = match self.wanted.whole_if_sent().filter(|_| is_all) {
            None => self.wanted.size,
            whole => whole,
        };
        let most = size.unwrap_or(self.wanted.limit);
        // A server that was asked for the start and sends all is not listened to any longer than that.
        let heard = match self.wanted.start_of {
            Some(_) if is_all => most,
            _ => u64::MAX,
        };
        let mut body = response.into_body().into_reader().take(heard);
        let mut buffer = vec![0; PIECE];
        let mut length = before;
        let mut pace = Pace::new(self.fetcher.options.timeout);
        loop {
            let read = match body.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Failed::Broken(self.fetcher.io_words(&error), state)),
            };
            length = length.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
            if length > most {
                self.rewind(file)?;
                return Err(self.too_long(most));
            }
            let piece = buffer.get(..read).unwrap_or_default();
            file.write_all(piece).map_err(|error| self.writing(error))?;
            (self.wanted.progress)(length);
            if !pace.keeps(read) {
                let reason = format!("slower than {MINIMUM_RATE} bytes per second");
                return Err(Failed::Broken(reason, state));
            }
        }
        match size.or(stated) {
            Some(expected) if length < expected => Err(Failed::Broken(
                "the connection ended too early".to_owned(),
                state,
            )),
            _ => Ok(Outcome::Whole(state)),
        }
    }
}

/// Watches that a transfer does not fall below the least rate.
pub(crate) struct Pace {
    window: std::time::Duration,
    since: Instant,
    bytes: u64,
}

impl Pace {
    pub(crate) fn new(window: std::time::Duration) -> Self {
        Self {
            window,
            since: Instant::now(),
            bytes: 0,
        }
    }

    /// Counts what has come, and says whether it was enough.
    pub(crate) fn keeps(&mut self, bytes: usize) -> bool {
        self.bytes = self
            .bytes
            .saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.since.elapsed() < self.window {
            return true;
        }
        let enough = MINIMUM_RATE.saturating_mul(self.window.as_secs().max(1));
        let keeps = self.bytes >= enough;
        (self.since, self.bytes) = (Instant::now(), 0);
        keeps
    }
}

fn validators(headers: &HeaderMap) -> Validators {
    let text = |name| {
        let value = headers.get(name)?.to_str().ok()?;
        (value.len() <= 1024).then(|| value.to_owned())
    };
    Validators {
        etag: text(header::ETAG),
        last_modified: text(header::LAST_MODIFIED),
    }
}

fn number(value: Option<&header::HeaderValue>) -> Option<u64> {
    value?.to_str().ok()?.trim().parse().ok()
}
