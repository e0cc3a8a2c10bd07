//! What the bytes of a block say about how zstd should compress it.
//!
//! A frame is a row of parts, each with codes of its own for literals, lengths and offsets. Below
//! its optimal parsers, zstd ends a part every 128 KiB, or by a rough look at the bytes once
//! it has saved something. But executables, libraries and blocks of many small files change their
//! nature every few kilobytes. So the parts are cut here: a piece of 2 KiB joins the part before it
//! unless a code for both would take more bits than a code for each, and the second code costs
//! something, too. Only the counts of the bytes are compared, and yet images get 1% smaller in
//! blocks of 1 MiB and 3% in blocks of 128 KiB, for 5% of the time that compression takes.
//!
//! A block may be a **table** of 32-bit words, such as Unicode data. Its matches are short, often of three
//! bytes, and only zstd's optimal parsers look for those. They take five times as long, so such
//! blocks are told by their columns: where the position of a byte in its word tells much
//! more than its position in a half-word, the optimal parser makes them 10 to 30% smaller.
//!
//! All of this is whole numbers and depends on the block alone, so it is the same on each machine.

/// Bytes that are counted together, and the shortest part: a multiple of the word.
const PIECE: usize = 2048;
/// Longest part, in bytes; zstd takes no longer one.
const LONGEST_PART: u32 = 128 << 10;
/// What the codes of a part cost, in bits.
const CODES: u64 = 1200;
/// Counts whose weights are computed once: 16 KiB of them stay in the cache.
const KNOWN: u32 = 4096;
/// Bytes whose columns are compared. In longer runs one column would differ from another merely
/// because the data change.
const RUN: usize = 16 << 10;
/// So many bits must the column in a word tell of each byte, beyond the one in a half-word, if the
/// block is a table; in parts of [`BIT`].
const TABLE: u64 = 72;
/// So many bits must a byte of a table have. Below, nearly all are zeros, and long matches.
const TABLE_BYTE: u64 = 4;
/// Weights are in parts of a bit.
const BIT: u64 = 256;

/// How a block is to be compressed.
pub(super) struct Findings<'s> {
    /// Where its parts end. The last one ends with the block.
    pub(super) ends: &'s [usize],
    /// It is a table of words.
    pub(super) is_table: bool,
}

/// Looks at one block after the other.
pub(super) struct Survey {
    /// Weights of the counts that a piece can have, and of somewhat larger ones.
    weights: Box<[u32]>,
    ends: Vec<usize>,
}

/// How often each byte occurs.
type Counts = [u32; 256];

impl Survey {
    pub(super) fn new() -> Self {
        Self {
            weights: (0..KNOWN).map(|count| weight(count) as u32).collect(),
            ends: Vec::new(),
        }
    }

    /// Looks at a block, which is not empty.
    pub(super) fn look(&mut self, block: &[u8]) -> Findings<'_> {
        self.ends.clear();
        let mut part = Part::new(self, [0; 256]);
        let mut columns = Columns::default();
        let mut end = 0;
        for run in block.chunks(RUN) {
            let (mut of_run, mut before) = ([[0; 256]; 4], [0; 256]);
            for piece in run.chunks(PIECE) {
                count(piece, &mut of_run);
                let after = all(&of_run);
                let next = Part::new(self, std::array::from_fn(|byte| after[byte] - before[byte]));
                before = after;
                if !part.join(self, &next) {
                    self.ends.push(end);
                    part = next;
                }
                end += piece.len();
            }
            if run.len() == RUN {
                columns.add(self, &of_run);
            }
        }
        self.ends.push(block.len());
        Findings {
            is_table: columns.are_of_a_table(),
            ends: &self.ends,
        }
    }

    /// Returns the [`weight`] of a count.
    fn weight(&self, count: u32) -> u64 {
        match self.weights.get(count as usize) {
            Some(weight) => (*weight).into(),
            None => weight(count),
        }
    }

    /// Returns the bits of an ideal code for bytes with these counts.
    fn bits(&self, counts: &Counts) -> u64 {
        let each: u64 = counts.iter().map(|count| self.weight(*count)).sum();
        self.weight(counts.iter().sum()).saturating_sub(each)
    }
}

/// Bytes that share codes.
struct Part {
    counts: Counts,
    length: u32,
    /// Sum of the weights of its counts.
    weight: u64,
    /// Bits of an ideal code for its bytes.
    bits: u64,
}

impl Part {
    fn new(survey: &Survey, counts: Counts) -> Self {
        let length = counts.iter().sum();
        let weight = counts.iter().map(|count| survey.weight(*count)).sum();
        Self {
            counts,
            length,
            weight,
            bits: survey.weight(length).saturating_sub(weight),
        }
    }

    /// Takes in what follows, unless that should have codes of its own.
    fn join(&mut self, survey: &Survey, next: &Self) -> bool {
        let length = self.length + next.length;
        let weight = (self.counts.iter().zip(&next.counts))
            .fold(self.weight, |weight, (count, more)| {
                weight + survey.weight(count + more) - survey.weight(*count)
            });
        let bits = survey.weight(length).saturating_sub(weight);
        if length > LONGEST_PART || bits >= self.bits + next.bits + CODES * BIT {
            return false;
        }
        *self = Self {
            counts: sum(&self.counts, &next.counts),
            length,
            weight,
            bits,
        };
        true
    }
}

/// The bits that bytes take if they have one code, one for each column of a half-word, one for
/// each column of a word.
#[derive(Default)]
struct Columns {
    length: u64,
    alone: u64,
    in_half_words: u64,
    in_words: u64,
}

impl Columns {
    fn add(&mut self, survey: &Survey, of_run: &[Counts; 4]) {
        let [first, second, third, fourth] = of_run;
        self.length += RUN as u64;
        self.alone += survey.bits(&all(of_run));
        self.in_half_words += survey.bits(&sum(first, third)) + survey.bits(&sum(second, fourth));
        self.in_words += of_run.iter().map(|column| survey.bits(column)).sum::<u64>();
    }

    fn are_of_a_table(&self) -> bool {
        let told = self.in_half_words.saturating_sub(self.in_words);
        told > self.length * TABLE && self.alone > self.length * TABLE_BYTE * BIT
    }
}

/// Counts the bytes of each column of the words.
fn count(bytes: &[u8], counts: &mut [Counts; 4]) {
    let (words, rest) = bytes.as_chunks::<4>();
    for word in words {
        for (column, byte) in counts.iter_mut().zip(word) {
            column[*byte as usize] += 1;
        }
    }
    for (column, byte) in counts.iter_mut().zip(rest) {
        column[*byte as usize] += 1;
    }
}

fn sum(one: &Counts, other: &Counts) -> Counts {
    std::array::from_fn(|byte| one[byte] + other[byte])
}

fn all([first, second, third, fourth]: &[Counts; 4]) -> Counts {
    std::array::from_fn(|byte| first[byte] + second[byte] + third[byte] + fourth[byte])
}

/// Returns a count times its binary logarithm, in parts of [`BIT`]: `n` bytes of which each
/// has the count `c` take `weight(n)` minus the sum of `weight(c)`. The logarithm
/// is off by at most a hundredth.
fn weight(count: u32) -> u64 {
    const ONE: u64 = 1 << 16;
    let Some(whole) = count.checked_ilog2() else {
        return 0;
    };
    let count = u64::from(count);
    // Between powers of two the logarithm is a straight line and a hump of at most 0.086.
    let part = ((count << 16) >> whole) - ONE;
    let hump = (((part * (ONE - part)) >> 16) * 22_524) >> 16;
    (count * ((u64::from(whole) << 16) + part + hump)) >> 8
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squashfs::samples::{noise, text, utf16, words};

    #[test]
    fn weights_are_those_of_the_logarithm() {
        assert_eq!((weight(0), weight(1)), (0, 0));
        for count in (2..5000).chain([65_536, 100_000, 131_072]) {
            let exact = f64::from(count) * f64::from(count).log2() * BIT as f64;
            let off = (weight(count) as f64 - exact).abs() / f64::from(count) / BIT as f64;
            assert!(off < 0.01, "{count}: {off}");
        }
    }

    #[test]
    fn where_blocks_are_cut() {
        let (of_text, of_noise, zeros) = (text(160 << 10), noise(40 << 10), vec![0; 30 << 10]);
        let longest = LONGEST_PART as usize;
        for (what, parts, expected) in [
            ("nothing", [&[][..], &[], &[]], &[0][..]),
            ("one byte", [&[7], &[], &[]], &[1]),
            ("zeros", [&zeros, &[], &[]], &[30 << 10]),
            ("even text", [&of_text, &[], &[]], &[longest, 160 << 10]),
            (
                "text, noise, zeros",
                [&of_text[..50 << 10], &of_noise, &zeros],
                &[50 << 10, 90 << 10, 120 << 10],
            ),
            // Only whole pieces are compared.
            (
                "text, noise, a byte more of each",
                [&of_text[..4097], &of_noise[..8193], &[]],
                &[4096, 12_290],
            ),
            // A part of its own would cost more than it saves.
            (
                "text with a few zeros",
                [&of_text[..8192], &zeros[..200], &of_text[..8192]],
                &[16_584],
            ),
        ] {
            let block = parts.concat();
            let mut survey = Survey::new();
            assert_eq!(survey.look(&block).ends, expected, "{what}");
            survey.look(&of_noise);
            assert_eq!(survey.look(&block).ends, expected, "{what}, after another");
        }
    }

    #[test]
    fn what_is_a_table() {
        let of_words = words(20 << 10);
        let zeros = vec![0; 60 << 10];
        for (what, block, expected) in [
            ("words", &of_words[..], true),
            ("a run", &of_words[..RUN], true),
            ("less than a run", &of_words[..RUN - 1], false),
            (
                "words one byte later",
                &[&[0], &of_words[..]].concat(),
                true,
            ),
            (
                "words among many zeros",
                &[&of_words[..], &zeros].concat(),
                false,
            ),
            ("half-words", &utf16(20 << 10), false),
            ("text", &text(20 << 10), false),
            ("noise", &noise(20 << 10), false),
            ("zeros", &zeros, false),
        ] {
            assert_eq!(Survey::new().look(block).is_table, expected, "{what}");
        }
    }
}
