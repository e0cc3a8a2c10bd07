//! The compressors, both ways: how each is named, what it makes of a block, and the way back.
//!
//! Packing, each has a state that is made once per thread and used for many blocks. Unpacking, one
//! block at a time goes into bounded memory; the options behind the superblock need not be read for
//! it, since each block says for itself what its decoder has to know.
//!
//! A new compressor is a member of [`Compressor`] and of the two states in this file.

use std::fmt;
use std::str::FromStr;

use flate2::{Decompress, FlushDecompress};
use liblzma::stream::{Action, Check, Filters, LzmaOptions, Status, Stream};
use zstd_safe::DCtx;

use super::error::Error;
use super::lzo;
use super::zstd::Frames;

/// Numbers of compressors in the superblock (`squashfs_fs.h` of Linux). One of them is only named.
const GZIP: u16 = 1;
const LZMA: u16 = 2;
const LZO: u16 = 3;
const XZ: u16 = 4;
const LZ4: u16 = 5;
const ZSTD: u16 = 6;
/// Level that stands for plain `gzip`; mksquashfs's default too.
const GZIP_LEVEL: u32 = 9;
/// Level that stands for plain `xz`; mksquashfs's only one.
const XZ_LEVEL: u32 = 6;
/// Level that stands for plain `zstd`; mksquashfs's default too.
const ZSTD_LEVEL: i32 = 15;
/// Window of gzip blocks as the base 2 logarithm of its size: the largest.
const GZIP_WINDOW: u16 = 15;
/// Memory for xz beside its dictionary, in bytes; its decoder takes some ten thousand.
const XZ_MEMORY: u64 = 1 << 20;
/// The only LZ4 stream format there is in SquashFS: bare LZ4 blocks.
const LZ4_LEGACY: u32 = 1;

/// A compressor with its level.
///
/// As text it is a name and a level, as in `zstd:15`; the level may be left out. `lz4` has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compressor {
    /// zlib streams.
    Gzip {
        /// 1 to 9; plain `gzip` means 9.
        level: u32,
    },
    /// xz streams with a CRC32 and a dictionary of one block.
    Xz {
        /// Preset, 0 to 9; plain `xz` means 6.
        level: u32,
    },
    /// LZ4 blocks.
    Lz4,
    /// Zstandard frames.
    Zstd {
        /// 1 to 22; plain `zstd` means 15.
        level: i32,
    },
}

impl Compressor {
    /// Returns the compressor's name, without its level.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Gzip { .. } => "gzip",
            Self::Xz { .. } => "xz",
            Self::Lz4 => "lz4",
            Self::Zstd { .. } => "zstd",
        }
    }

    /// Returns the compressor's number in the superblock.
    pub(super) fn number(&self) -> u16 {
        match self {
            Self::Gzip { .. } => GZIP,
            Self::Xz { .. } => XZ,
            Self::Lz4 => LZ4,
            Self::Zstd { .. } => ZSTD,
        }
    }

    /// Returns the options that follow the superblock. There are none where the reader's defaults
    /// hold; mksquashfs decides the same way.
    pub(super) fn options(&self) -> Option<Vec<u8>> {
        match *self {
            Self::Gzip { level: GZIP_LEVEL } | Self::Zstd { level: ZSTD_LEVEL } => None,
            // The default dictionary is one block, and there are no filters.
            Self::Xz { .. } => None,
            Self::Gzip { level } => {
                let mut bytes = level.to_le_bytes().to_vec();
                bytes.extend(GZIP_WINDOW.to_le_bytes());
                bytes.extend(0_u16.to_le_bytes()); // strategies: the default one
                Some(bytes)
            }
            Self::Lz4 => {
                let mut bytes = LZ4_LEGACY.to_le_bytes().to_vec();
                bytes.extend(0_u32.to_le_bytes()); // flags: not the slow "high compression" mode
                Some(bytes)
            }
            Self::Zstd { level } => Some(level.to_le_bytes().to_vec()),
        }
    }

    /// Says whether the level is in range.
    pub(super) fn is_valid(&self) -> bool {
        match self {
            Self::Gzip { level } => (1..=9).contains(level),
            Self::Xz { level } => *level <= 9,
            Self::Lz4 => true,
            Self::Zstd { level } => (1..=22).contains(level),
        }
    }
}

impl fmt::Display for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Gzip { level } | Self::Xz { level } => write!(f, "{name}:{level}"),
            Self::Lz4 => f.write_str(name),
            Self::Zstd { level } => write!(f, "{name}:{level}"),
        }
    }
}

impl FromStr for Compressor {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || Error::Compressor(text.to_owned());
        let (name, level) = match text.split_once(':') {
            None => (text, None),
            // `parse` would take a sign.
            Some((name, level)) if level.bytes().all(|byte| byte.is_ascii_digit()) => {
                (name, Some(level.parse::<u8>().map_err(|_| wrong())?))
            }
            Some(_) => return Err(wrong()),
        };
        let compressor = match (name, level) {
            ("gzip", level) => Self::Gzip {
                level: level.map_or(GZIP_LEVEL, u32::from),
            },
            ("xz", level) => Self::Xz {
                level: level.map_or(XZ_LEVEL, u32::from),
            },
            ("lz4", None) => Self::Lz4,
            ("zstd", level) => Self::Zstd {
                level: level.map_or(ZSTD_LEVEL, i32::from),
            },
            _ => return Err(wrong()),
        };
        if compressor.is_valid() {
            Ok(compressor)
        } else {
            Err(wrong())
        }
    }
}

/// A compressor's state. What it makes of a block does not depend on the blocks before.
pub(super) struct Encoder(State);

enum State {
    Gzip(flate2::Compress),
    /// Liblzma has no state to use again, and its options cannot change threads.
    Xz {
        level: u32,
        dictionary: u32,
    },
    Lz4,
    Zstd(Box<Frames>),
}

impl Encoder {
    /// Makes the state for blocks of at most `block_size` bytes.
    pub(super) fn new(compressor: Compressor, block_size: u32) -> Result<Self, Error> {
        Ok(Self(match compressor {
            Compressor::Gzip { level } => {
                State::Gzip(flate2::Compress::new(flate2::Compression::new(level), true))
            }
            Compressor::Xz { level } => State::Xz {
                level,
                // The kernel takes no larger dictionary, and a larger one would find no more.
                dictionary: block_size,
            },
            Compressor::Lz4 => State::Lz4,
            Compressor::Zstd { level } => State::Zstd(Box::new(
                Frames::new(level, block_size).map_err(|problem| failed("zstd", problem))?,
            )),
        }))
    }

    /// Compresses `input` into `output`, whose former content is lost. Returns whether that made
    /// it shorter; if not, `output` is of no use and the block is to be stored as it is.
    pub(super) fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<bool, Error> {
        match &mut self.0 {
            State::Gzip(state) => {
                output.clear();
                output.reserve_exact(input.len());
                state.reset();
                let status = state
                    .compress_vec(input, output, flate2::FlushCompress::Finish)
                    .map_err(|error| failed("gzip", error))?;
                // Anything but the end means that it did not fit.
                Ok(status == flate2::Status::StreamEnd && output.len() < input.len())
            }
            State::Xz { level, dictionary } => {
                output.clear();
                output.reserve_exact(input.len());
                let mut options = LzmaOptions::new_preset(*level).map_err(xz_failed)?;
                options.dict_size(*dictionary);
                let mut filters = Filters::new();
                filters.lzma2(&options);
                // The kernel's decoder knows CRC32, not xz's default CRC64.
                let mut stream =
                    Stream::new_stream_encoder(&filters, Check::Crc32).map_err(xz_failed)?;
                let status = stream
                    .process_vec(input, output, Action::Finish)
                    .map_err(xz_failed)?;
                Ok(status == Status::StreamEnd && output.len() < input.len())
            }
            State::Lz4 => {
                output.clear();
                let bound = lz4_flex::block::get_maximum_output_size(input.len());
                output.reserve_exact(bound);
                output.resize(bound, 0);
                let length = lz4_flex::block::compress_into(input, output)
                    .map_err(|error| failed("lz4", error))?;
                output.truncate(length);
                Ok(length < input.len())
            }
            State::Zstd(frames) => {
                frames
                    .compress(input, output)
                    .map_err(|problem| failed("zstd", problem))?;
                Ok(output.len() < input.len())
            }
        }
    }
}

/// Why blocks can't be unpacked.
pub(super) enum NoDecoder {
    /// Nothing here unpacks what this compressor made.
    Unsupported(&'static str),
    /// The state of this compressor could not be made.
    NoMemory(&'static str),
}

/// Unpacks blocks of one compressor.
pub(super) struct Decoder {
    name: &'static str,
    state: Unpacking,
}

enum Unpacking {
    Gzip(Box<Decompress>),
    Xz { memory_limit: u64 },
    Lz4,
    Lzo,
    Zstd(DCtx<'static>),
}

impl Decoder {
    /// Makes a decoder for the superblock's compressor number and block size.
    pub(super) fn new(number: u16, block_size: u32) -> Result<Self, NoDecoder> {
        let unsupported = |name| Err(NoDecoder::Unsupported(name));
        let (name, state) = match number {
            GZIP => ("gzip", Unpacking::Gzip(Box::new(Decompress::new(true)))),
            LZMA => return unsupported("lzma"),
            LZO => ("lzo", Unpacking::Lzo),
            XZ => {
                // The kernel takes no dictionary above the block size. Twice that leaves room for
                // filters, and still refuses a stream that asks for gigabytes.
                let memory_limit = 2 * u64::from(block_size) + XZ_MEMORY;
                ("xz", Unpacking::Xz { memory_limit })
            }
            LZ4 => ("lz4", Unpacking::Lz4),
            ZSTD => match DCtx::try_create() {
                Some(context) => ("zstd", Unpacking::Zstd(context)),
                None => return Err(NoDecoder::NoMemory("zstd")),
            },
            _ => return unsupported("unknown"),
        };
        Ok(Self { name, state })
    }

    /// Returns the compressor's name as SquashFS writes it.
    pub(super) fn name(&self) -> &'static str {
        self.name
    }

    /// Unpacks `input` into at most `limit` bytes. The error completes the sentence "block …: ".
    pub(super) fn decode(&mut self, input: &[u8], limit: usize) -> Result<Vec<u8>, String> {
        let mut output = vec![0; limit];
        let length = match &mut self.state {
            Unpacking::Gzip(decompress) => {
                decompress.reset(true);
                match decompress.decompress(input, &mut output, FlushDecompress::Finish) {
                    Ok(flate2::Status::StreamEnd) => usize::try_from(decompress.total_out()).ok(),
                    Ok(_) => None,
                    Err(error) => return Err(format!("gzip: {error}")),
                }
            }
            Unpacking::Xz { memory_limit } => {
                let process = |output: &mut [u8]| {
                    let mut stream = Stream::new_stream_decoder(*memory_limit, 0)?;
                    let status = stream.process(input, output, Action::Finish)?;
                    Ok::<_, liblzma::stream::Error>((status, stream.total_out()))
                };
                match process(&mut output) {
                    Ok((Status::StreamEnd, length)) => usize::try_from(length).ok(),
                    Ok(_) => None,
                    Err(error) => return Err(format!("xz: {error}")),
                }
            }
            Unpacking::Lz4 => match lz4_flex::block::decompress_into(input, &mut output) {
                Ok(length) => Some(length),
                Err(error) => return Err(format!("lz4: {error}")),
            },
            Unpacking::Lzo => lzo::decompress(input, &mut output),
            Unpacking::Zstd(context) => match context.decompress(output.as_mut_slice(), input) {
                Ok(length) => Some(length),
                Err(code) => return Err(format!("zstd: {}", zstd_safe::get_error_name(code))),
            },
        };
        match length {
            Some(length) if length <= limit => {
                output.truncate(length);
                Ok(output)
            }
            _ => Err(format!(
                "{}: is cut off, or unpacks to more than {limit} bytes",
                self.name
            )),
        }
    }
}

fn failed(compressor: &'static str, problem: impl fmt::Display) -> Error {
    Error::Compression {
        compressor,
        problem: problem.to_string(),
    }
}

fn xz_failed(error: liblzma::stream::Error) -> Error {
    failed("xz", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressors_as_text() {
        for (text, compressor, canonical) in [
            ("gzip", Compressor::Gzip { level: 9 }, "gzip:9"),
            ("gzip:6", Compressor::Gzip { level: 6 }, "gzip:6"),
            ("xz", Compressor::Xz { level: 6 }, "xz:6"),
            ("xz:0", Compressor::Xz { level: 0 }, "xz:0"),
            ("lz4", Compressor::Lz4, "lz4"),
            ("zstd", Compressor::Zstd { level: 15 }, "zstd:15"),
            ("zstd:22", Compressor::Zstd { level: 22 }, "zstd:22"),
        ] {
            assert_eq!(text.parse::<Compressor>().unwrap(), compressor);
            assert_eq!(compressor.to_string(), canonical);
        }
        for text in [
            "", "lzo", "ZSTD", "zstd:", "zstd:0", "zstd:23", "zstd:+3", "zstd:-1", "zstd:3 ",
            "zstd:300", "gzip:0", "gzip:10", "xz:10", "lz4:1", "zstd:1:2",
        ] {
            assert!(
                matches!(text.parse::<Compressor>(), Err(Error::Compressor(told)) if told == text),
                "{text:?}"
            );
        }
    }

    #[test]
    fn a_state_forgets_the_block_before() {
        let numbers = |range: std::ops::Range<u32>| -> Vec<u8> {
            range.flat_map(|n| format!("{n}, ").into_bytes()).collect()
        };
        let (first, second) = (numbers(0..9000), numbers(5000..9000));
        for text in ["gzip:6", "xz:1", "lz4", "zstd:3", "zstd:19"] {
            let compressor: Compressor = text.parse().unwrap();
            let mut fresh = Encoder::new(compressor, 1 << 17).unwrap();
            let mut used = Encoder::new(compressor, 1 << 17).unwrap();
            let (mut one, mut other) = (Vec::new(), Vec::new());
            assert!(used.compress(&first, &mut other).unwrap(), "{text}");
            used.compress(&[7; 5], &mut other).unwrap();
            assert!(fresh.compress(&second, &mut one).unwrap(), "{text}");
            assert!(used.compress(&second, &mut other).unwrap(), "{text}");
            assert_eq!(one, other, "{text}");
        }
    }

    #[test]
    fn what_does_not_shrink_is_said_to() {
        for text in ["gzip", "xz", "lz4", "zstd"] {
            let mut encoder = Encoder::new(text.parse().unwrap(), 4096).unwrap();
            assert!(!encoder.compress(b"x", &mut Vec::new()).unwrap(), "{text}");
            assert!(
                encoder.compress(&[0; 4096], &mut Vec::new()).unwrap(),
                "{text}"
            );
        }
    }
}
