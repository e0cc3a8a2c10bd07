//! The four compressors, unpacking one block at a time into bounded memory.
//!
//! Compressor options behind the superblock need not be read: each block says for itself what its
//! decoder has to know.

use flate2::{Decompress, FlushDecompress};
use liblzma::stream::{Action, Stream};
use zstd_safe::DCtx;

use super::error::ReadError;

/// Memory for xz beside its dictionary, in bytes; its decoder takes some ten thousand.
const XZ_MEMORY: u64 = 1 << 20;

/// Unpacks blocks of one compressor.
pub(super) struct Decoder {
    name: &'static str,
    state: State,
}

enum State {
    Gzip(Box<Decompress>),
    Xz { memory_limit: u64 },
    Lz4,
    Zstd(DCtx<'static>),
}

impl Decoder {
    /// Makes a decoder for the superblock's compressor number and block size.
    pub(super) fn new(number: u16, block_size: u32) -> Result<Self, ReadError> {
        let unsupported = |name| Err(ReadError::Compressor { number, name });
        let (name, state) = match number {
            1 => ("gzip", State::Gzip(Box::new(Decompress::new(true)))),
            2 => return unsupported("lzma"),
            3 => return unsupported("lzo"),
            4 => {
                // The kernel takes no dictionary above the block size. Twice that leaves room for
                // filters, and still refuses a stream that asks for gigabytes.
                let memory_limit = 2 * u64::from(block_size) + XZ_MEMORY;
                ("xz", State::Xz { memory_limit })
            }
            5 => ("lz4", State::Lz4),
            6 => match DCtx::try_create() {
                Some(context) => ("zstd", State::Zstd(context)),
                None => return Err(ReadError::Superblock("no memory for zstd".to_owned())),
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
            State::Gzip(decompress) => {
                decompress.reset(true);
                match decompress.decompress(input, &mut output, FlushDecompress::Finish) {
                    Ok(flate2::Status::StreamEnd) => usize::try_from(decompress.total_out()).ok(),
                    Ok(_) => None,
                    Err(error) => return Err(format!("gzip: {error}")),
                }
            }
            State::Xz { memory_limit } => {
                let process = |output: &mut [u8]| {
                    let mut stream = Stream::new_stream_decoder(*memory_limit, 0)?;
                    let status = stream.process(input, output, Action::Finish)?;
                    Ok::<_, liblzma::stream::Error>((status, stream.total_out()))
                };
                match process(&mut output) {
                    Ok((liblzma::stream::Status::StreamEnd, length)) => {
                        usize::try_from(length).ok()
                    }
                    Ok(_) => None,
                    Err(error) => return Err(format!("xz: {error}")),
                }
            }
            State::Lz4 => match lz4_flex::block::decompress_into(input, &mut output) {
                Ok(length) => Some(length),
                Err(error) => return Err(format!("lz4: {error}")),
            },
            State::Zstd(context) => match context.decompress(output.as_mut_slice(), input) {
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
