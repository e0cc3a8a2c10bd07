//! Several parts of a file in one answer: `multipart/byteranges` of RFC 9110, section 14.6.
//!
//! ```text
//! --BOUNDARY
//! Content-Range: bytes 100-199/2000
//!
//! ... 100 bytes
//! --BOUNDARY
//! ...
//! --BOUNDARY--
//! ```
//!
//! A server may send the parts in any order, join some, or all.

use std::io::{self, BufRead, BufReader, Read};
use std::ops::Range;

use ureq::Body;
use ureq::http::{Response, header};

use crate::attempt::Pace;
use crate::error::Error;
use crate::request::{Request, Unanswered};
use crate::url::redacted;
use crate::{Fetcher, MINIMUM_RATE};

/// Longest line between two parts, in bytes.
const MAX_LINE: u64 = 1 << 10;
/// What an answer may have beside the parts, for each of them and once more.
const MAX_BESIDE: u64 = 4 << 10;
/// Longest boundary, as RFC 2046 has it.
const MAX_BOUNDARY: usize = 70;

impl Fetcher {
    /// Returns several parts of a file of a known length, each from an offset to another one. They are
    /// kept in memory, so it is for the caller to bound them. The server is asked once.
    ///
    /// # Errors
    /// The server can't be reached, does not send several parts, or sends others.
    pub fn parts(
        &self,
        url: &str,
        wanted: &[Range<u64>],
        length: u64,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let ranges = wanted.iter().map(|range| {
            let last = range.end.saturating_sub(1);
            format!("{}-{last}", range.start)
        });
        let ranges = ranges.collect::<Vec<_>>().join(",");
        let request = Request {
            fetcher: self,
            url,
            direct: false,
            headers: vec![(header::RANGE, format!("bytes={ranges}"))],
        };
        let url = redacted(url);
        let response = match request.send() {
            Ok(response) => response,
            Err(Unanswered::Url(reason)) => return Err(Error::Url { url, reason }),
            Err(Unanswered::Broken(reason)) => {
                let attempts = 1;
                return Err(Error::Connection {
                    url,
                    reason,
                    attempts,
                });
            }
        };
        match response.status().as_u16() {
            206 => self
                .received(response, wanted, length)
                .map_err(|reason| Error::Content { url, reason }),
            // The body is not read: it has all that was not wanted, too.
            200 => Err(Error::Content {
                url,
                reason: "the server does not send several parts at once".to_owned(),
            }),
            code => Err(Error::Status {
                url,
                status: response.status().to_string(),
                code,
            }),
        }
    }

    /// Reads the parts that an answer has.
    fn received(
        &self,
        response: Response<Body>,
        wanted: &[Range<u64>],
        length: u64,
    ) -> Result<Vec<Vec<u8>>, String> {
        let text = |name| Some(response.headers().get(name)?.to_str().ok()?.to_owned());
        let boundary = text(header::CONTENT_TYPE).and_then(|kind| boundary(&kind));
        let only = text(header::CONTENT_RANGE).and_then(|range| ContentRange::parse(&range));
        let beside = MAX_BESIDE.saturating_mul(wanted.len() as u64 + 1);
        let most = wanted.iter().fold(beside, |sum, range| {
            sum.saturating_add(range.end.saturating_sub(range.start))
        });
        let body = response.into_body().into_reader();
        let pace = Pace::new(self.options.timeout);
        let mut parts = Parts {
            body: BufReader::new(Paced { body, pace }.take(most)),
            most,
            length,
            sent: Vec::new(),
        };
        let read = match (boundary, only) {
            (Some(boundary), _) => parts.read_all(&boundary, wanted.len()),
            (None, Some(range)) => parts.read(range),
            (None, None) => Err(io::Error::other("the server sent a part and not which")),
        };
        read.map_err(|error| self.io_words(&error))?;
        let of = |range: &Range<u64>| parts.of(range);
        let found = wanted.iter().map(of).collect::<Option<Vec<_>>>();
        found.ok_or_else(|| "the server sent different parts than requested".to_owned())
    }
}

/// The parts that came.
struct Parts<R> {
    body: R,
    /// Most bytes of the answer.
    most: u64,
    /// Length of the whole file.
    length: u64,
    /// Each with its offset.
    sent: Vec<(u64, Vec<u8>)>,
}

impl<R: BufRead> Parts<R> {
    /// Reads an answer of several parts.
    fn read_all(&mut self, boundary: &str, most: usize) -> io::Result<()> {
        let (next, end) = (format!("--{boundary}"), format!("--{boundary}--"));
        loop {
            let line = self.line()?;
            if line == end {
                return Ok(());
            }
            if line.is_empty() {
                continue;
            }
            if line != next || self.sent.len() == most {
                return Err(io::Error::other("the server sent parts that can't be read"));
            }
            let mut range = None;
            loop {
                let line = self.line()?;
                if line.is_empty() {
                    break;
                }
                if let Some((name, value)) = line.split_once(':')
                    && name.trim().eq_ignore_ascii_case("content-range")
                {
                    range = ContentRange::parse(value);
                }
            }
            let unknown = || io::Error::other("the server sent a part and not which");
            self.read(range.ok_or_else(unknown)?)?;
        }
    }

    /// Reads the bytes of a part.
    fn read(&mut self, range: ContentRange) -> io::Result<()> {
        let less = range.last.checked_sub(range.start);
        let length = less.and_then(|less| less.checked_add(1));
        let is_of_file = range.total.is_none_or(|total| total == self.length);
        let length = length.filter(|length| *length <= self.most && is_of_file);
        let length = length.and_then(|length| usize::try_from(length).ok());
        let other = || io::Error::other("the server sent different parts than requested");
        let mut bytes = vec![0; length.ok_or_else(other)?];
        self.body.read_exact(&mut bytes)?;
        self.sent.push((range.start, bytes));
        Ok(())
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        let read = (&mut self.body)
            .take(MAX_LINE)
            .read_until(b'\n', &mut line)?;
        match line.pop() {
            Some(b'\n') => Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned()),
            Some(_) if read as u64 == MAX_LINE => {
                Err(io::Error::other("the server sent a line without an end"))
            }
            _ => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Returns the bytes of a range, if a part has them.
    fn of(&self, range: &Range<u64>) -> Option<Vec<u8>> {
        self.sent.iter().find_map(|(start, bytes)| {
            let from = usize::try_from(range.start.checked_sub(*start)?).ok()?;
            let to = usize::try_from(range.end.checked_sub(*start)?).ok()?;
            Some(bytes.get(from..to)?.to_vec())
        })
    }
}

/// A body that does not become slower than the least rate.
struct Paced<R> {
    body: R,
    pace: Pace,
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.body.read(buffer)?;
        match read == 0 || self.pace.keeps(read) {
            true => Ok(read),
            false => Err(io::Error::other(format!(
                "slower than {MINIMUM_RATE} bytes per second"
            ))),
        }
    }
}

/// The header `Content-Range: bytes 100-199/2000`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ContentRange {
    /// Offset of the first byte.
    pub(crate) start: u64,
    /// Offset of the last byte.
    pub(crate) last: u64,
    /// Length of the whole file.
    pub(crate) total: Option<u64>,
}

impl ContentRange {
    pub(crate) fn parse(value: &str) -> Option<Self> {
        let (range, total) = value.trim().strip_prefix("bytes")?.trim().split_once('/')?;
        let (start, last) = range.split_once('-')?;
        Some(Self {
            start: start.trim().parse().ok()?,
            last: last.trim().parse().ok()?,
            total: total.trim().parse().ok(),
        })
    }
}

/// Returns what is between the parts, of the header `Content-Type`.
fn boundary(kind: &str) -> Option<String> {
    let mut words = kind.split(';').map(str::trim);
    let kind = words.next()?;
    if !kind.eq_ignore_ascii_case("multipart/byteranges") {
        return None;
    }
    let boundary = words.find_map(|word| {
        let (name, value) = word.split_once('=')?;
        name.trim()
            .eq_ignore_ascii_case("boundary")
            .then_some(value)
    })?;
    let boundary = boundary.trim().trim_matches('"');
    let length = boundary.len();
    (1..=MAX_BOUNDARY)
        .contains(&length)
        .then(|| boundary.to_owned())
}
