//! The output: where each block goes.
//!
//! Blocks are put one behind the other. In the first 128 KiB a *run*, that is the blocks of one
//! file or one fragment block, is held back until it is whole (or reaches beyond), so that all of
//! it can be moved a few bytes ahead if it would show a mark of another file system. The gap is
//! filled with zeros; nothing in SquashFS asks that the data of two files touch.

use std::borrow::Cow;
use std::io::{Read, Seek, SeekFrom, Write};

use super::error::Error;
use super::format::{BLOCK_RAW, PADDING, SUPERBLOCK_SIZE};
use super::probes::{PROBED_END, shows_mark};
use super::workers::Buffer;

/// How far a run is moved byte by byte before it is put behind all marks.
const LONGEST_GAP: u64 = 512;

/// A block as it will be stored.
#[derive(Debug)]
pub(super) struct Block {
    /// It need not touch the block before: it is the first of its file, or a fragment block.
    pub(super) begins: bool,
    /// Stored length with [`BLOCK_RAW`], as inodes and the fragment table have it. 0 is a hole.
    pub(super) word: u32,
    /// The stored bytes.
    pub(super) bytes: Buffer,
}

/// Where a block went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placed {
    /// Offset in the image, in bytes.
    pub(super) start: u64,
    /// See [`Block::word`].
    pub(super) word: u32,
}

impl Placed {
    /// Returns the stored length in bytes.
    pub(super) fn length(&self) -> u32 {
        self.word & !BLOCK_RAW
    }
}

/// A block that is read back.
pub(super) enum Stored {
    /// As it was.
    Raw(Vec<u8>),
    /// Compressed.
    Packed(Vec<u8>),
    /// All zeros, of which nothing is stored.
    Hole,
}

/// The image being written.
#[derive(Debug)]
pub(super) struct Output<W> {
    out: W,
    /// Bytes written.
    position: u64,
    /// What was written, up to [`PROBED_END`].
    head: Vec<u8>,
    /// The run that is held back; it belongs at `position`.
    held: Vec<u8>,
    /// Index of the first block of `held` in `placed`.
    held_first: usize,
    placed: Vec<Placed>,
    raw: u64,
}

impl<W: Write + Seek> Output<W> {
    /// Starts an image with room for the superblock, and the compressor's options behind it.
    pub(super) fn new(out: W, options: &[u8]) -> Result<Self, Error> {
        let mut output = Self {
            out,
            position: 0,
            head: Vec::new(),
            held: Vec::new(),
            held_first: 0,
            placed: Vec::new(),
            raw: 0,
        };
        output.append(&[0; SUPERBLOCK_SIZE])?;
        output.append(options)?;
        Ok(output)
    }

    /// Returns the number of blocks that are stored as they are.
    pub(super) fn raw_blocks(&self) -> u64 {
        self.raw
    }

    /// Puts the next block behind the ones before.
    pub(super) fn put(&mut self, block: &Block) -> Result<(), Error> {
        if block.begins {
            self.write_held()?;
        }
        self.placed.push(Placed {
            start: self.position + self.held.len() as u64,
            word: block.word,
        });
        self.raw += u64::from(block.word & BLOCK_RAW != 0);
        if self.position >= PROBED_END {
            return self.append(&block.bytes);
        }
        self.held.extend_from_slice(&block.bytes);
        if self.position + self.held.len() as u64 >= PROBED_END {
            self.write_held()?;
        }
        Ok(())
    }

    /// Writes what is held back, and returns where the blocks went, in order.
    pub(super) fn finish_blocks(&mut self) -> Result<Vec<Placed>, Error> {
        self.write_held()?;
        Ok(std::mem::take(&mut self.placed))
    }

    /// Writes what `build` makes of its offset in the image, at an offset where it shows no mark.
    /// Returns that offset.
    pub(super) fn write_built(&mut self, build: impl Fn(u64) -> Vec<u8>) -> Result<u64, Error> {
        self.write_held()?;
        let gap = self.find_gap(|start| Cow::Owned(build(start)));
        self.append_zeros(gap)?;
        let start = self.position;
        self.append(&build(start))?;
        Ok(start)
    }

    /// Fills the image up to a multiple of [`PADDING`], writes the superblock and flushes.
    pub(super) fn finish(mut self, superblock: &[u8]) -> Result<(W, u64), Error> {
        self.append_zeros(self.position.next_multiple_of(PADDING) - self.position)?;
        self.out
            .seek(SeekFrom::Start(0))
            .and_then(|_| self.out.write_all(superblock))
            .and_then(|()| self.out.flush())
            .map_err(Error::Output)?;
        Ok((self.out, self.position))
    }

    /// Writes the run that is held back.
    fn write_held(&mut self) -> Result<(), Error> {
        let held = std::mem::take(&mut self.held);
        let gap = self.find_gap(|_| Cow::Borrowed(&held));
        for placed in self.placed.iter_mut().skip(self.held_first) {
            placed.start += gap;
        }
        // What follows in the same run stands where it stands.
        self.held_first = self.placed.len();
        if !held.is_empty() {
            self.append_zeros(gap)?;
            self.append(&held)?;
        }
        self.held = held;
        self.held.clear();
        Ok(())
    }

    /// Returns how many zero bytes to put before the bytes that `build` makes of their offset.
    fn find_gap<'b>(&self, build: impl Fn(u64) -> Cow<'b, [u8]>) -> u64 {
        if self.position >= PROBED_END {
            return 0;
        }
        (0..LONGEST_GAP)
            .find(|gap| !shows_mark(&self.head, *gap, &build(self.position + gap)))
            .unwrap_or(PROBED_END - self.position)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.out.write_all(bytes).map_err(Error::Output)?;
        let room = PROBED_END.saturating_sub(self.position);
        let seen = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        self.head.extend_from_slice(&bytes[..seen]);
        self.position += bytes.len() as u64;
        Ok(())
    }

    /// Appends up to [`PROBED_END`] zero bytes.
    fn append_zeros(&mut self, count: u64) -> Result<(), Error> {
        let mut left = count;
        while left > 0 {
            let step = left.min(PADDING);
            self.append(&[0; PADDING as usize][..step as usize])?;
            left -= step;
        }
        Ok(())
    }
}

impl<W: Read + Write + Seek> Output<W> {
    /// Reads a block back. What follows must not be put before [`go_on`](Self::go_on).
    pub(super) fn read_back(&mut self, number: usize) -> Result<Stored, Error> {
        self.write_held()?;
        let Some(placed) = self.placed.get(number).copied() else {
            return Err(Error::Abandoned);
        };
        if placed.word == 0 {
            return Ok(Stored::Hole);
        }
        let mut bytes = vec![0; placed.length() as usize];
        (self.out.seek(SeekFrom::Start(placed.start)))
            .and_then(|_| self.out.read_exact(&mut bytes))
            .map_err(Error::Output)?;
        Ok(match placed.word & BLOCK_RAW {
            0 => Stored::Packed(bytes),
            _ => Stored::Raw(bytes),
        })
    }

    /// Returns to the end, where the next block is put.
    pub(super) fn go_on(&mut self) -> Result<(), Error> {
        let end = self.out.seek(SeekFrom::Start(self.position));
        end.map(drop).map_err(Error::Output)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::super::workers::Buffers;
    use super::*;

    fn block(begins: bool, bytes: &[u8]) -> Block {
        let mut buffer = Buffers::new(1).take();
        buffer.extend_from_slice(bytes);
        Block {
            begins,
            word: bytes.len() as u32 | BLOCK_RAW,
            bytes: buffer,
        }
    }

    /// Puts the blocks, and returns the starts and the bytes up to the padding.
    fn place(blocks: &[Block]) -> (Vec<u64>, Vec<u8>) {
        let mut output = Output::new(Cursor::new(Vec::new()), &[]).unwrap();
        for block in blocks {
            output.put(block).unwrap();
        }
        let placed = output.finish_blocks().unwrap();
        let end = output.position as usize;
        let (out, _) = output.finish(&[1; SUPERBLOCK_SIZE]).unwrap();
        let mut bytes = out.into_inner();
        assert_eq!(bytes.len() % 4096, 0);
        bytes.truncate(end);
        (placed.iter().map(|placed| placed.start).collect(), bytes)
    }

    #[test]
    fn blocks_follow_each_other() {
        let (starts, bytes) = place(&[
            block(true, b"abc"),
            Block {
                word: 0,
                ..block(false, b"")
            },
            block(false, b"d"),
            block(true, b"ef"),
        ]);
        assert_eq!(starts, [96, 99, 99, 100]);
        assert_eq!(&bytes[96..], b"abcdef");
    }

    #[test]
    fn a_run_that_shows_a_mark_is_moved_as_a_whole() {
        let mut first = vec![0xff; 900];
        first[0] = b'A';
        let mut second = vec![0xff; 900];
        // Offset 1080 of the image: 96 + 900 + 84.
        second[84..86].copy_from_slice(b"\x53\xef");
        let (starts, bytes) = place(&[block(true, &first), block(false, &second)]);
        assert_eq!(starts, [97, 997]);
        assert_eq!(bytes[96..98], [0, b'A']);
        let (starts, _) = place(&[block(true, &first), block(true, &second)]);
        assert_eq!(starts, [96, 997], "only the file with the mark moves");
    }

    #[test]
    fn marks_everywhere_are_put_behind_all_probes() {
        // At whatever offset this starts, one of two Minix marks shows.
        let many: Vec<u8> = b"\x7f\x13".repeat(60_000);
        let (starts, bytes) = place(&[block(true, b"x"), block(true, &many), block(false, &many)]);
        assert_eq!(starts, [96, PROBED_END, PROBED_END + 120_000]);
        assert_eq!(bytes.len() as u64, PROBED_END + 240_000);
        assert!(bytes[97..PROBED_END as usize].iter().all(|byte| *byte == 0));
    }

    #[test]
    fn tables_are_moved_too() {
        let mut output = Output::new(Cursor::new(Vec::new()), &[]).unwrap();
        let start = output
            .write_built(|start| {
                let mut bytes = start.to_le_bytes().to_vec();
                bytes.resize(984, 1);
                bytes.extend(b"\x53\xef");
                bytes
            })
            .unwrap();
        assert_eq!(start, 97);
        let (out, size) = output.finish(&[0; SUPERBLOCK_SIZE]).unwrap();
        assert_eq!(size, 4096);
        assert_eq!(out.into_inner()[97..105], 97_u64.to_le_bytes());
    }
}
