//! The index of a file: the format, and how its pieces are cut.
//!
//! ```text
//! offset  bytes
//!  0       8     "BLOCKS-1"
//!  8       8     length of the file, least significant byte first
//! 16      32     SHA-256 of the file
//! 48      11 each, for all pieces in the order of the file, without a gap:
//!                8  the first 8 bytes of the piece's SHA-256
//!                3  its length, least significant byte first: 1 to 1 048 576
//! ```
//!
//! The number of pieces follows from the length of the index. Nothing is compressed: hashes can't
//! be, and lengths of compressed blocks hardly.
//!
//! **Why 8 bytes of a hash are enough.** They only choose which bytes are tried. What counts is the
//! SHA-256 of the whole file, which the caller has from a source that it trusts, and which is
//! computed of what was assembled. Two pieces that differ and have equal hashes and lengths cost a
//! download, and can't bring other bytes under the file's name. By chance it happens once in 70 million
//! updates of images with half a million pieces. Someone who makes it happen on purpose, by
//! trying some 2³² variants of their contents, gets a slow update.

use std::io::{self, Read};

use sha2::{Digest as _, Sha256};

/// Begins an index, with the version of the format.
const MAGIC: &[u8; 8] = b"BLOCKS-1";
/// Length of what precedes the pieces, in bytes.
const HEADER: usize = 48;
/// Length of a piece's entry, in bytes.
const ENTRY: usize = 11;
/// Bytes of a hash that are kept.
const SHORT: usize = 8;
/// Longest piece, in bytes: the largest block that SquashFS has.
pub(crate) const MAX_PIECE: u32 = 1 << 20;
/// What is not in a block is cut into pieces of this many bytes.
const PLAIN: u32 = 16 << 10;
/// Most pieces of a file. With SquashFS's usual block size, these are some 45 GB.
pub const MAX_PIECES: usize = 1 << 20;
/// Longest index that is read, in bytes.
pub const MAX_INDEX: u64 = (HEADER + ENTRY * MAX_PIECES) as u64;

/// The first 8 bytes of a SHA-256, as a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Short(pub u64);

impl Short {
    /// Returns that of some bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        Self(u64::from_be_bytes(first(&digest)))
    }
}

/// Some bytes of a file that belong together, wherever they are in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Piece {
    /// The hash of the bytes.
    pub hash: Short,
    /// How many they are.
    pub length: u32,
}

/// Where a file is to be cut: a block begins and ends there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Block {
    /// Offset of the first byte.
    pub start: u64,
    /// Length in bytes.
    pub length: u32,
}

/// What is wrong with an index, or with a file of which one is made. The text completes the sentence
/// "the index …".
#[derive(Debug, thiserror::Error)]
pub enum IndexError {
    /// It begins with something else.
    #[error("does not begin with BLOCKS-1, so it is not an index or one of a newer version")]
    Magic,
    /// Its last piece is cut off.
    #[error("has {0} bytes, which is not a whole number of pieces")]
    CutOff(usize),
    /// A piece has a length that none can have.
    #[error("says that piece {piece} has {length} bytes, which is not 1 to {MAX_PIECE}")]
    Length {
        /// Number of the piece, from 0.
        piece: usize,
        /// Its length.
        length: u32,
    },
    /// The pieces are more or less than the file.
    #[error("has pieces of {pieces} bytes for a file of {length}")]
    Sum {
        /// What the pieces come to.
        pieces: u64,
        /// The length of the file.
        length: u64,
    },
    /// There are more pieces than are read.
    #[error("would have more than {MAX_PIECES} pieces")]
    TooMany,
    /// The file ended before its length, or could not be read.
    #[error("can't be made: {0}")]
    Input(io::Error),
}

/// The pieces of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    length: u64,
    sha256: [u8; 32],
    pieces: Vec<Piece>,
}

impl Index {
    /// Makes the index of a file of `length` bytes, which is read once. Where `blocks` overlap, the
    /// first one counts; what is in none is cut at fixed distances.
    ///
    /// # Errors
    /// [`IndexError::TooMany`], before the file is read; [`IndexError::Input`].
    pub fn of(input: &mut dyn Read, length: u64, blocks: &[Block]) -> Result<Self, IndexError> {
        let mut whole = Sha256::new();
        let pieces = read_pieces(input, length, blocks, &mut |bytes| whole.update(bytes))?;
        Ok(Self {
            length,
            sha256: whole.finalize().into(),
            pieces,
        })
    }

    /// Reads an index.
    ///
    /// # Errors
    /// All but [`IndexError::Input`].
    pub fn parse(bytes: &[u8]) -> Result<Self, IndexError> {
        let rest = bytes.strip_prefix(MAGIC).ok_or(IndexError::Magic)?;
        let cut_off = || IndexError::CutOff(bytes.len());
        let (length, rest) = rest.split_first_chunk().ok_or_else(cut_off)?;
        let (sha256, rest) = rest.split_first_chunk().ok_or_else(cut_off)?;
        let (entries, left) = rest.as_chunks::<ENTRY>();
        if !left.is_empty() {
            return Err(cut_off());
        }
        if entries.len() > MAX_PIECES {
            return Err(IndexError::TooMany);
        }
        let length = u64::from_le_bytes(*length);
        let mut pieces = Vec::with_capacity(entries.len());
        let mut sum = 0;
        for (number, entry) in entries.iter().enumerate() {
            let [hash @ .., a, b, c] = entry;
            let piece = Piece {
                hash: Short(u64::from_be_bytes(first(hash))),
                length: u32::from_le_bytes([*a, *b, *c, 0]),
            };
            if piece.length == 0 || piece.length > MAX_PIECE {
                return Err(IndexError::Length {
                    piece: number,
                    length: piece.length,
                });
            }
            sum += u64::from(piece.length);
            pieces.push(piece);
        }
        match sum == length {
            true => Ok(Self {
                length,
                sha256: *sha256,
                pieces,
            }),
            false => Err(IndexError::Sum {
                pieces: sum,
                length,
            }),
        }
    }

    /// Returns the bytes of the index.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(HEADER + ENTRY * self.pieces.len());
        bytes.extend(MAGIC);
        bytes.extend(self.length.to_le_bytes());
        bytes.extend(self.sha256);
        for piece in &self.pieces {
            bytes.extend(piece.hash.0.to_be_bytes());
            let [a, b, c, _] = piece.length.to_le_bytes();
            bytes.extend([a, b, c]);
        }
        bytes
    }

    /// Returns the length of the file, in bytes.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Returns the SHA-256 of the file.
    #[must_use]
    pub fn sha256(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// Returns the pieces in the order of the file.
    #[must_use]
    pub fn pieces(&self) -> &[Piece] {
        &self.pieces
    }
}

/// Returns the first bytes of a longer array.
fn first(bytes: &[u8]) -> [u8; SHORT] {
    let mut short = [0; SHORT];
    for (to, from) in short.iter_mut().zip(bytes) {
        *to = *from;
    }
    short
}

/// Returns the pieces of a file of this length in bytes that is read from its start. It is cut where
/// blocks begin and end.
///
/// # Errors
/// [`IndexError::Input`], [`IndexError::TooMany`].
pub fn pieces(
    input: &mut dyn Read,
    length: u64,
    blocks: &[Block],
) -> Result<Vec<Piece>, IndexError> {
    read_pieces(input, length, blocks, &mut |_| ())
}

fn read_pieces(
    input: &mut dyn Read,
    length: u64,
    blocks: &[Block],
    see: &mut dyn FnMut(&[u8]),
) -> Result<Vec<Piece>, IndexError> {
    let lengths = cut(length, blocks)?;
    let mut pieces = Vec::with_capacity(lengths.len());
    let mut buffer = Vec::new();
    for length in lengths {
        buffer.resize(length as usize, 0);
        input.read_exact(&mut buffer).map_err(IndexError::Input)?;
        see(&buffer);
        let hash = Short::of(&buffer);
        pieces.push(Piece { hash, length });
    }
    Ok(pieces)
}

/// Returns the lengths of the pieces of a file.
fn cut(length: u64, blocks: &[Block]) -> Result<Vec<u32>, IndexError> {
    let mut blocks = blocks.to_vec();
    blocks.sort_unstable();
    let mut lengths = Vec::new();
    let mut push = |length: u32| match lengths.len() < MAX_PIECES {
        true => {
            lengths.push(length);
            Ok(())
        }
        false => Err(IndexError::TooMany),
    };
    let mut at = 0;
    let end = Block {
        start: length,
        length: 0,
    };
    for block in blocks.iter().chain([&end]) {
        let is_piece = (1..=MAX_PIECE).contains(&block.length) || *block == end;
        let next = block.start.saturating_add(block.length.into());
        if block.start < at || next > length || !is_piece {
            continue;
        }
        while at < block.start {
            let piece = u32::try_from(block.start - at).map_or(PLAIN, |left| left.min(PLAIN));
            push(piece)?;
            at += u64::from(piece);
        }
        if block.length > 0 {
            push(block.length)?;
            at = next;
        }
    }
    Ok(lengths)
}
