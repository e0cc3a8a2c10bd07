//! LZO1X, the way back alone: nothing here packs with it, but Linux and mksquashfs do.
//!
//! A stream is a row of instructions, each a run of literal bytes or a match, which is a copy of
//! what was written `distance` bytes before. A match has up to three literals behind it, whose
//! number stands in its lowest two bits; that number decides what a small first byte of the next
//! instruction means.
//!
//! Source of the format: `Documentation/staging/lzo.rst` of Linux.

/// What the first byte of a stream is above, if it is a number of literals with 17 added to it.
const FIRST_LITERALS: u8 = 17;
/// Stands for a run of at least four literals before an instruction.
const AFTER_RUN: u8 = 4;
/// Distances of the shortest matches after a run begin behind this.
const FAR: usize = 0x800;
/// Distances of the longest kind of match begin behind this.
const FARTHEST: usize = 0x4000;

/// Unpacks `input` into `output`; returns how many bytes that gave. `None` where the stream is cut
/// off, refers to what is not there, or does not fit.
pub(super) fn decompress(input: &[u8], output: &mut [u8]) -> Option<usize> {
    let mut stream = Stream {
        input,
        output,
        written: 0,
    };
    // Number of literals before the next instruction, or AFTER_RUN.
    let mut before = 0;
    if let Some((first, rest)) = input.split_first()
        && *first > FIRST_LITERALS
    {
        let count = first - FIRST_LITERALS;
        stream.input = rest;
        stream.literals(count.into())?;
        before = count.min(AFTER_RUN);
    }
    loop {
        let byte = stream.byte()?;
        let low = usize::from(byte);
        let (length, distance, literals) = match (byte, before) {
            (0..=15, 0) => {
                let count = stream.length(low, 15)? + 3;
                stream.literals(count)?;
                before = AFTER_RUN;
                continue;
            }
            (0..=15, AFTER_RUN) => {
                let high = usize::from(stream.byte()?);
                (3, FAR + 1 + (low >> 2) + (high << 2), byte & 3)
            }
            (0..=15, _) => {
                let high = usize::from(stream.byte()?);
                (2, 1 + (low >> 2) + (high << 2), byte & 3)
            }
            (16..=31, _) => {
                let length = stream.length(low & 7, 7)? + 2;
                let word = stream.word()?;
                let distance = ((low & 8) << 11) + usize::from(word >> 2);
                if distance == 0 {
                    return Some(stream.written);
                }
                (length, FARTHEST + distance, (word & 3) as u8)
            }
            (32..=63, _) => {
                let length = stream.length(low & 31, 31)? + 2;
                let word = stream.word()?;
                (length, 1 + usize::from(word >> 2), (word & 3) as u8)
            }
            (64.., _) => {
                let high = usize::from(stream.byte()?);
                let distance = 1 + ((low >> 2) & 7) + (high << 3);
                ((low >> 5) + 1, distance, byte & 3)
            }
        };
        stream.copy(length, distance)?;
        stream.literals(literals.into())?;
        before = literals;
    }
}

struct Stream<'a> {
    input: &'a [u8],
    output: &'a mut [u8],
    written: usize,
}

impl Stream<'_> {
    fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.input.split_first()?;
        self.input = rest;
        Some(*byte)
    }

    fn word(&mut self) -> Option<u16> {
        let (bytes, rest) = self.input.split_first_chunk()?;
        self.input = rest;
        Some(u16::from_le_bytes(*bytes))
    }

    /// Returns a length whose bits of the instruction are `bits`: 0 stands for more than `most`,
    /// with the rest in the bytes that follow.
    fn length(&mut self, bits: usize, most: usize) -> Option<usize> {
        if bits > 0 {
            return Some(bits);
        }
        // Each zero byte stands for 255, so that the sum is bounded by the length of the input.
        let mut length = most;
        loop {
            match self.byte()? {
                0 => length += 255,
                byte => return Some(length + usize::from(byte)),
            }
        }
    }

    fn literals(&mut self, count: usize) -> Option<()> {
        let (literals, rest) = self.input.split_at_checked(count)?;
        let end = self.written.checked_add(count)?;
        self.output
            .get_mut(self.written..end)?
            .copy_from_slice(literals);
        (self.input, self.written) = (rest, end);
        Some(())
    }

    /// Copies what was written before, a byte at a time: the two may overlap.
    fn copy(&mut self, length: usize, distance: usize) -> Option<()> {
        let from = self.written.checked_sub(distance)?;
        let end = self.written.checked_add(length)?;
        if end > self.output.len() {
            return None;
        }
        for at in 0..length {
            self.output[self.written + at] = self.output[from + at];
        }
        self.written = end;
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(input: &[u8], limit: usize) -> Option<Vec<u8>> {
        let mut output = vec![0; limit];
        let length = decompress(input, &mut output)?;
        output.truncate(length);
        Some(output)
    }

    /// The end of every stream.
    const END: [u8; 3] = [17, 0, 0];

    #[test]
    fn each_kind_of_instruction() {
        for (about, body, expected) in [
            ("first literals", &b"\x14abc"[..], &b"abc"[..]),
            ("a run", b"\x02abcde", b"abcde"),
            (
                "a long run",
                b"\x00\x01abcdefghijklmnopqrs",
                b"abcdefghijklmnopqrs",
            ),
            ("two bytes, one before", b"\x12a\x00\x00", b"aaa"),
            ("overlapping", b"\x15abcd\x64\x00", b"abcdcdcd"),
            ("a match and literals", b"\x15abcd\x6e\x00xy", b"abcdabcdxy"),
            ("a word", b"\x15abcd\x21\x0c\x00", b"abcdabc"),
            (
                "a long word",
                b"\x15abcd\x20\x01\x00\x00",
                &[&b"abcd"[..], &[b'd'; 34]].concat(),
            ),
        ] {
            let input = [body, &END].concat();
            let found = unpacked(&input, 64);
            assert_eq!(found.as_deref(), Some(expected), "{about}");
            // Not a byte less of either.
            assert_eq!(unpacked(&input, expected.len() - 1), None, "{about}");
            assert_eq!(unpacked(&input[..input.len() - 1], 64), None, "{about}");
        }
    }

    #[test]
    fn what_is_not_there_is_not_copied() {
        for body in [
            &b"\x14abc\x6c\x00"[..],
            b"\x40\x00",
            b"\x02abcde\x00\x00",
            b"\x14a",
        ] {
            assert_eq!(unpacked(&[body, &END].concat(), 64), None, "{body:?}");
        }
    }
}
