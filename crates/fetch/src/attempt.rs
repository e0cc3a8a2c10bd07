//! One request and its answer, written to the file as it comes.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::time::Instant;

use ureq::http::{HeaderMap, Response, header};
use ureq::{Body, Timeout};

use crate::error::Error;
use crate::url::{redacted, redirected, without_credentials};
use crate::{Fetcher, MINIMUM_RATE, MOST_REDIRECTS, Validators, Wanted};

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
                let start = content_range(response.headers());
                let fits = start.is_some_and(|(start, total)| {
                    start == self.before
                        && (whole.zip(total)).is_none_or(|(whole, total)| whole == total)
                });
                if !fits {
                    let reason = "the server sent a different part than requested";
                    if self.before == 0 || self.wanted.all_if_sent {
                        return Err(self.refused(reason.to_owned()));
                    }
                    self.rewind(file)?;
                    return self.broken(reason);
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

    /// Asks for the file, wherever the server says that it is now. Credentials are for the host that
    /// the URL names, and no other gets them.
    fn send(&self) -> Result<Response<Body>, Failed> {
        let (mut url, mut credentials) = without_credentials(self.url);
        for _ in 0..=MOST_REDIRECTS {
            let response = self.request(&url, credentials.take())?;
            let is_redirect = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            let place = response.headers().get(header::LOCATION);
            let Some(place) = place.filter(|_| is_redirect) else {
                return Ok(response);
            };
            let place = String::from_utf8_lossy(place.as_bytes());
            let next = redirected(&url, &place).map_err(|reason| self.unusable(reason))?;
            url = without_credentials(&next).0;
        }
        Err(self.unusable("it redirects in a loop"))
    }

    fn unusable(&self, reason: impl Into<String>) -> Failed {
        Failed::Final(Error::Url {
            url: redacted(self.url),
            reason: reason.into(),
        })
    }

    fn request(&self, url: &str, credentials: Option<String>) -> Result<Response<Body>, Failed> {
        let mut request = self.fetcher.agent.get(url);
        if let Some(credentials) = credentials {
            request = request.header(header::AUTHORIZATION, credentials);
        }
        if let Some(range) = self.range() {
            request = request.header(header::RANGE, range);
        }
        if self.before > 0 {
            // A weak tag tells nothing of single bytes.
            let strong = self
                .validators
                .etag
                .as_ref()
                .filter(|tag| !tag.starts_with("W/"));
            if let Some(state) = strong.or(self.validators.last_modified.as_ref()) {
                request = request.header(header::IF_RANGE, state);
            }
        } else if let Some(unless) = self.wanted.unless {
            if let Some(tag) = &unless.etag {
                request = request.header(header::IF_NONE_MATCH, tag);
            } else if let Some(time) = &unless.last_modified {
                request = request.header(header::IF_MODIFIED_SINCE, time);
            }
        }
        let proxy = match self.wanted.direct {
            true => None,
            false => self.fetcher.proxy_for(url),
        };
        let request = request.config().proxy(proxy).build();
        request.call().map_err(|error| match error {
            ureq::Error::Io(_)
            | ureq::Error::Timeout(_)
            | ureq::Error::ConnectionFailed
            | ureq::Error::HostNotFound
            | ureq::Error::Protocol(_) => {
                Failed::Broken(self.words(&error), self.validators.clone())
            }
            other => self.unusable(self.words(&other)),
        })
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

    /// Says what happened, without the URLs that some of the library's errors show.
    fn words(&self, error: &ureq::Error) -> String {
        let timeout = self.fetcher.options.timeout.as_secs_f32();
        match error {
            ureq::Error::Timeout(Timeout::Connect | Timeout::Resolve) => {
                format!("no connection within {timeout} seconds")
            }
            ureq::Error::Timeout(_) => format!("the server was silent for {timeout} seconds"),
            ureq::Error::Io(error) => self.io_words(error),
            ureq::Error::HostNotFound => "unknown host".to_owned(),
            ureq::Error::ConnectionFailed => "no connection".to_owned(),
            // These show the URL, or how its credentials were misread.
            ureq::Error::BadUri(_) | ureq::Error::Http(_) => "it is not a URL".to_owned(),
            ureq::Error::RequireHttpsOnly(_) => "it is not an https URL".to_owned(),
            other => other.to_string(),
        }
    }

    fn io_words(&self, error: &io::Error) -> String {
        let inner = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<ureq::Error>());
        match (inner, error.kind()) {
            (Some(inner), _) => self.words(inner),
            (None, io::ErrorKind::UnexpectedEof) => "the connection ended too early".to_owned(),
            (None, io::ErrorKind::TimedOut) => self.words(&ureq::Error::Timeout(Timeout::Global)),
            (None, _) => error.to_string(),
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
                Err(error) => return Err(Failed::Broken(self.io_words(&error), state)),
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
struct Pace {
    window: std::time::Duration,
    since: Instant,
    bytes: u64,
}

impl Pace {
    fn new(window: std::time::Duration) -> Self {
        Self {
            window,
            since: Instant::now(),
            bytes: 0,
        }
    }

    /// Counts what has come, and says whether it was enough.
    fn keeps(&mut self, bytes: usize) -> bool {
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

/// Reads `Content-Range: bytes 100-199/200`: where the part starts, and how long the file is.
fn content_range(headers: &HeaderMap) -> Option<(u64, Option<u64>)> {
    let value = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    let (range, total) = value.trim().strip_prefix("bytes")?.trim().split_once('/')?;
    let (start, _) = range.split_once('-')?;
    Some((start.trim().parse().ok()?, total.trim().parse().ok()))
}
