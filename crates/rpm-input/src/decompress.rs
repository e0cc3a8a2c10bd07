//! From the bytes of the file to the bytes of the archive: a source that hashes what it hands
//! out, and the decompressors that RPM knows.

use std::io::{self, BufRead, Error, ErrorKind, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, IGNORE_CHECK, Stream};
use sha2::{Digest, Sha256};

use crate::digest::Hasher;

/// The file is read in pieces of this size.
const BUFFER: usize = 128 << 10;
/// Memory that xz and lzma may take, in bytes; `xz -9` needs 65 MiB.
const MAX_LZMA_MEMORY: u64 = 80 << 20;
/// Largest zstd window, as a power of two: the 64 MiB of level 21. RPMs are packed at level 19 at
/// most, which has 8 MiB; only level 22 and `--long` ask for more. A window is memory that is in
/// use for as long as the payload is read.
const MAX_ZSTD_WINDOW: u32 = 26;

/// The file as it is read, with the digests of what was read.
pub(crate) struct Source<R: Read> {
    input: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    /// Bytes that were read so far.
    fetched: u64,
    /// Digest of the whole file.
    pub(crate) whole: Sha256,
    /// Digests of the payload, in the order in which they are promised.
    pub(crate) hashers: Vec<Hasher>,
}

impl<R: Read> Source<R> {
    /// Goes on with `input` at the payload; `whole` and `hashers` have seen what stands before.
    pub(crate) fn new(input: R, whole: Sha256, hashers: Vec<Hasher>) -> Self {
        let buffer = vec![0; BUFFER].into_boxed_slice();
        Self {
            input,
            buffer,
            start: 0,
            end: 0,
            fetched: 0,
            whole,
            hashers,
        }
    }

    /// Appends to the buffer what `input` gives next, and returns how much that is.
    fn fetch(&mut self) -> io::Result<usize> {
        let Some(free) = self.buffer.get_mut(self.end..) else {
            return Ok(0);
        };
        let length = loop {
            match self.input.read(free) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        let read = free.get(..length).unwrap_or_default();
        self.whole.update(read);
        for hasher in &mut self.hashers {
            hasher.update(read);
        }
        self.end += read.len();
        self.fetched = self.fetched.saturating_add(read.len() as u64);
        Ok(read.len())
    }

    /// Returns the first bytes of the payload, fewer than `length` only if there are no more.
    fn peek(&mut self, length: usize) -> io::Result<&[u8]> {
        while self.end - self.start < length && self.fetch()? > 0 {}
        let bytes = self.buffer.get(self.start..self.end).unwrap_or_default();
        Ok(bytes.get(..length).unwrap_or(bytes))
    }

    /// Reads to the end of the file, so that the digests have seen all of it.
    pub(crate) fn drain(&mut self) -> io::Result<()> {
        loop {
            let length = self.fill_buf()?.len();
            if length == 0 {
                return Ok(());
            }
            self.consume(length);
        }
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(target)?;
        self.consume(length);
        Ok(length)
    }
}

impl<R: Read> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            self.fetch()?;
        }
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    fn consume(&mut self, length: usize) {
        self.start = self.start.saturating_add(length).min(self.end);
    }
}

/// Unpacks a file by what its first bytes tell. `stored` are those of one that is not compressed.
///
/// # Errors
/// It can't be read. The kind is `Unsupported` where the first bytes are of no known format, and
/// `OutOfMemory` where unpacking takes more than is allowed.
pub fn unpacked<R: Read>(input: R, stored: &[&[u8]]) -> io::Result<impl Read> {
    let source = Source::new(input, Sha256::new(), Vec::new());
    Decoder::open(source, stored, None, Checks::Own)
}

/// Who makes sure that what was unpacked is what was packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checks {
    /// The compressed file, as far as its format does.
    Own,
    /// The caller, who knows digests of all that counts. In rpm's xz streams the check is a
    /// SHA-256, a quarter of the time that unpacking takes.
    Callers,
}

/// A payload being decompressed.
pub(crate) enum Decoder<R: Read> {
    Stored(Source<R>),
    Gzip(Box<MultiGzDecoder<Source<R>>>),
    Bzip2(Box<MultiBzDecoder<Source<R>>>),
    Xz(Box<XzDecoder<Source<R>>>),
    Lzma(Box<XzDecoder<Source<R>>>),
    Zstd(Box<zstd::stream::read::Decoder<'static, Source<R>>>),
}

impl<R: Read> Decoder<R> {
    /// Chooses the decompressor by the first bytes; `stored` are those of what may come without
    /// compression. `stated` is the header's word, which only
    /// decides for lzma, since its files start with no magic.
    ///
    /// An error of kind `Unsupported` means that the first bytes are of no known format, one of
    /// kind `OutOfMemory` that unpacking takes more than is allowed.
    pub(crate) fn open(
        mut source: Source<R>,
        stored: &[&[u8]],
        stated: Option<&str>,
        checks: Checks,
    ) -> io::Result<Self> {
        let start = source.peek(18)?;
        Ok(match start {
            [] => Self::Stored(source),
            start if stored.iter().any(|magic| start.starts_with(magic)) => Self::Stored(source),
            [0x1f, 0x8b, ..] => Self::Gzip(Box::new(MultiGzDecoder::new(source))),
            [b'B', b'Z', b'h', ..] => Self::Bzip2(Box::new(MultiBzDecoder::new(source))),
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => {
                let flags = match checks {
                    Checks::Own => CONCATENATED,
                    Checks::Callers => CONCATENATED | IGNORE_CHECK,
                };
                let stream = Stream::new_stream_decoder(MAX_LZMA_MEMORY, flags)?;
                Self::Xz(Box::new(XzDecoder::new_stream(source, stream)))
            }
            [0x28, 0xb5, 0x2f, 0xfd, frame @ ..] => {
                if let Some(window) = zstd_window(frame).filter(|size| *size > 1 << MAX_ZSTD_WINDOW)
                {
                    return Err(too_much(format!(
                        "the zstd window of {} MiB",
                        window.div_ceil(1 << 20)
                    )));
                }
                let mut decoder = zstd::stream::read::Decoder::with_buffer(source)?;
                decoder.window_log_max(MAX_ZSTD_WINDOW)?;
                Self::Zstd(Box::new(decoder))
            }
            _ if stated == Some("lzma") => {
                let stream = Stream::new_lzma_decoder(MAX_LZMA_MEMORY)?;
                Self::Lzma(Box::new(XzDecoder::new_stream(source, stream)))
            }
            other => {
                let first = other.get(..6).unwrap_or(other);
                let reason = format!("starts with {}", first.escape_ascii());
                return Err(io::Error::new(io::ErrorKind::Unsupported, reason));
            }
        })
    }

    /// Returns the compressor's name as headers spell it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Stored(_) => "uncompressed",
            Self::Gzip(_) => "gzip",
            Self::Bzip2(_) => "bzip2",
            Self::Xz(_) => "xz",
            Self::Lzma(_) => "lzma",
            Self::Zstd(_) => "zstd",
        }
    }

    /// Returns how many bytes of what is compressed were read, which is up to a buffer more than
    /// was unpacked.
    pub(crate) fn stored(&self) -> u64 {
        let source = match self {
            Self::Stored(source) => source,
            Self::Gzip(decoder) => decoder.get_ref(),
            Self::Bzip2(decoder) => decoder.get_ref(),
            Self::Xz(decoder) | Self::Lzma(decoder) => decoder.get_ref(),
            Self::Zstd(decoder) => decoder.get_ref(),
        };
        source.fetched
    }

    /// Gives the source back, wherever decompression ended.
    pub(crate) fn into_source(self) -> Source<R> {
        match self {
            Self::Stored(source) => source,
            Self::Gzip(decoder) => decoder.into_inner(),
            Self::Bzip2(decoder) => decoder.into_inner(),
            Self::Xz(decoder) | Self::Lzma(decoder) => decoder.into_inner(),
            Self::Zstd(decoder) => decoder.finish(),
        }
    }
}

impl<R: Read> Read for Decoder<R> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Stored(source) => source.read(target),
            Self::Gzip(decoder) => decoder.read(target),
            Self::Bzip2(decoder) => decoder.read(target),
            Self::Xz(decoder) | Self::Lzma(decoder) => {
                decoder.read(target).map_err(|error| match inner(&error) {
                    Some(liblzma::stream::Error::MemLimit) => Error::new(
                        ErrorKind::OutOfMemory,
                        format!(
                            "unpacking takes more than the {} MiB of memory that are allowed",
                            MAX_LZMA_MEMORY >> 20
                        ),
                    ),
                    _ => error,
                })
            }
            // The window of a frame behind the first.
            Self::Zstd(decoder) => decoder.read(target).map_err(|error| {
                match error.to_string().contains("too much memory") {
                    true => too_much("a zstd window".to_owned()),
                    false => error,
                }
            }),
        }
    }
}

/// Returns the error that a window takes more memory than is allowed.
fn too_much(window: String) -> Error {
    let most = 1_u64 << (MAX_ZSTD_WINDOW - 20);
    let reason = format!("{window} is larger than the {most} MiB that are allowed");
    Error::new(ErrorKind::OutOfMemory, reason)
}

/// Returns what a decompressor said.
fn inner(error: &Error) -> Option<&liblzma::stream::Error> {
    error.get_ref()?.downcast_ref()
}

/// Returns the window of the frame whose header follows its magic (RFC 8878, section 3.1.1.1).
fn zstd_window(header: &[u8]) -> Option<u64> {
    let (descriptor, rest) = header.split_first()?;
    let is_single_segment = descriptor & 0x20 != 0;
    if !is_single_segment {
        let window = rest.first()?;
        let base = 1_u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // The content as a whole is the window. Its length stands behind the number of the dictionary.
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let length = 1 << (descriptor >> 6);
    let mut bytes = [0; 8];
    let stated = rest.get(dictionary..dictionary + length)?;
    bytes.get_mut(..length)?.copy_from_slice(stated);
    let size = u64::from_le_bytes(bytes);
    Some(if length == 2 { size + 256 } else { size })
}
