//! Blocks as Zstandard frames.
//!
//! A level sets how long zstd searches. At the levels that most images are made with, what the
//! [`Survey`] of a block finds decides the rest.

use std::ops::RangeInclusive;

use zstd_safe::zstd_sys::ZSTD_EndDirective;
use zstd_safe::{CCtx, CParameter, InBuffer, OutBuffer, ResetDirective, Strategy};

use super::format::METADATA_SIZE;
use super::survey::Survey;

/// Levels at which blocks are looked at. Faster ones would lose too much time by it, slower ones
/// cut frames by themselves.
const SURVEYED_LEVELS: RangeInclusive<i32> = 6..=12;
/// Block size in bytes above which levels ask for longer matches and have larger tables.
const LONG: u32 = 256 * 1024;
/// Shortest match at the levels that are surveyed, in bytes; in long blocks, zstd would look for
/// those of 5. Programs are full of repeated 32-bit words, and those of 4 bytes make an image 1%
/// smaller for 5% more time.
const SHORTEST_MATCH: u32 = 4;
/// Levels that search long blocks as if memory cost nothing: in their tables of 5 MiB nearly each
/// look-up misses the caches.
const LARGE_TABLES: RangeInclusive<i32> = 6..=8;
/// Base 2 logarithm of the number of entries in tables that fit into the cache of a core. Images get
/// 0.3% larger, in a fifth less time.
const TABLE_LOG: u32 = 18;
/// How tables of words are searched: for matches of 3 bytes, but not thoroughly. A longer search
/// takes twice the time for 1%.
const FOR_TABLES: [CParameter; 6] = [
    CParameter::Strategy(Strategy::ZSTD_btopt),
    CParameter::MinMatch(3),
    CParameter::HashLog(16),
    CParameter::ChainLog(16),
    CParameter::SearchLog(1),
    CParameter::TargetLength(16),
];

/// Makes frames, none of which depends on the one before.
pub(super) struct Frames {
    context: CCtx<'static>,
    level: i32,
    is_long: bool,
    survey: Option<Survey>,
}

/// Why a frame can't be made.
type Problem = &'static str;

impl Frames {
    /// Returns what makes frames of at most `block_size` bytes.
    pub(super) fn new(level: i32, block_size: u32) -> Result<Self, Problem> {
        let is_surveyed = SURVEYED_LEVELS.contains(&level) && block_size > METADATA_SIZE as u32;
        let mut context = CCtx::try_create().ok_or("out of memory")?;
        prepare(&mut context, level, &[])?;
        Ok(Self {
            context,
            level,
            is_long: block_size > LONG,
            survey: is_surveyed.then(Survey::new),
        })
    }

    /// Compresses `input` into `output`, which becomes as long as the frame.
    pub(super) fn compress(&mut self, input: &[u8], output: &mut Vec<u8>) -> Result<(), Problem> {
        // What it holds is overwritten: to fill it with zeros would cost as much as a copy of the block.
        let bound = zstd_safe::compress_bound(input.len());
        output.reserve_exact(bound.saturating_sub(output.len()));
        output.resize(bound, 0);
        let length = match &mut self.survey {
            None => {
                let compressed = self.context.compress2(output.as_mut_slice(), input);
                compressed.map_err(problem)?
            }
            Some(survey) => {
                let findings = survey.look(input);
                let mut parameters = Vec::new();
                if findings.is_table {
                    parameters.extend(FOR_TABLES);
                } else if self.is_long {
                    parameters.push(CParameter::MinMatch(SHORTEST_MATCH));
                    if LARGE_TABLES.contains(&self.level) {
                        parameters.push(CParameter::HashLog(TABLE_LOG));
                    }
                }
                prepare(&mut self.context, self.level, &parameters)?;
                compress_parts(&mut self.context, input, findings.ends, output)?
            }
        };
        output.truncate(length);
        Ok(())
    }
}

/// Sets what the next frame is made with, beyond what all are.
fn prepare(
    context: &mut CCtx<'static>,
    level: i32,
    parameters: &[CParameter],
) -> Result<(), Problem> {
    context
        .reset(ResetDirective::SessionAndParameters)
        .map_err(problem)?;
    let of_all = [
        CParameter::CompressionLevel(level),
        CParameter::ContentSizeFlag(true),
        CParameter::ChecksumFlag(false),
        CParameter::DictIdFlag(false),
    ];
    for parameter in of_all.iter().chain(parameters) {
        context.set_parameter(*parameter).map_err(problem)?;
    }
    Ok(())
}

/// Makes a frame whose parts end there; returns its length.
fn compress_parts(
    context: &mut CCtx<'static>,
    input: &[u8],
    ends: &[usize],
    output: &mut [u8],
) -> Result<usize, Problem> {
    // zstd makes the window no larger than what is announced, and the kernel takes no window that
    // is larger than a block.
    let size = Some(input.len() as u64);
    context.set_pledged_src_size(size).map_err(problem)?;
    let mut output = OutBuffer::around(output);
    let mut start = 0;
    for end in ends {
        let operation = match *end == input.len() {
            true => ZSTD_EndDirective::ZSTD_e_end,
            false => ZSTD_EndDirective::ZSTD_e_flush,
        };
        let mut part = InBuffer::around(&input[start..*end]);
        let left = context.compress_stream2(&mut output, &mut part, operation);
        if left.map_err(problem)? > 0 {
            return Err("a frame is longer than it can be");
        }
        start = *end;
    }
    Ok(output.pos())
}

fn problem(code: usize) -> Problem {
    zstd_safe::get_error_name(code)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squashfs::samples::{noise, text, utf16, words};

    /// Compresses as the level has it, without a look at the block.
    fn plainly(level: i32, input: &[u8]) -> usize {
        let mut output = vec![0; zstd_safe::compress_bound(input.len())];
        let mut context = CCtx::create();
        prepare(&mut context, level, &[CParameter::MinMatch(4)]).unwrap();
        context.compress2(&mut output[..], input).unwrap()
    }

    #[test]
    fn frames_unpack_to_what_went_in() {
        let mixed = [text(70_001), noise(9000), utf16(30_000), words(60_000)].concat();
        for (level, block_size) in [
            (1, 1 << 20),
            (6, 1 << 20),
            (7, 1 << 17),
            (12, 1 << 20),
            (13, 1 << 18),
        ] {
            let mut frames = Frames::new(level, block_size).unwrap();
            for input in [
                &mixed[..],
                &words(1 << 17),
                &mixed[..1],
                &[],
                &noise(1 << 17),
            ] {
                let input = &input[..input.len().min(block_size as usize)];
                let (mut output, mut again) = (Vec::new(), Vec::new());
                frames.compress(input, &mut output).unwrap();
                let row = format!("{level} {block_size} {}", input.len());
                // One segment: the window is as large as the content.
                assert_eq!(output[4] & 0x20, 0x20, "{row}");
                let mut unpacked = vec![0; input.len()];
                let length = zstd_safe::decompress(&mut unpacked[..], &output).unwrap();
                assert_eq!((length, &unpacked[..]), (input.len(), input), "{row}");
                let mut fresh = Frames::new(level, block_size).unwrap();
                fresh.compress(input, &mut again).unwrap();
                assert!(output == again, "{row}: it depends on the frame before");
            }
        }
    }

    #[test]
    fn what_a_look_at_the_block_saves() {
        let pieces = [
            text(6000),
            noise(3000),
            utf16(7000),
            vec![9; 3000],
            words(5000),
        ];
        for (what, input, percent) in [
            ("pieces", pieces.concat().repeat(1), 3),
            ("a table", words(200_000), 3),
        ] {
            for (level, block_size) in [(7, 1 << 20), (9, 1 << 18), (12, 1 << 18)] {
                let mut output = Vec::new();
                let mut frames = Frames::new(level, block_size).unwrap();
                frames.compress(&input, &mut output).unwrap();
                let plain = plainly(level, &input);
                let row = format!("{what}, zstd {level}: {} of {plain}", output.len());
                assert!(output.len() * 100 < plain * (100 - percent), "{row}");
            }
        }
    }
}
