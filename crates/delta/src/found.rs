//! Which pieces of a wanted file other files have.

use crate::index::{Index, Piece};

/// Where a piece is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// Number of the file.
    pub(crate) file: u32,
    /// Offset in it.
    pub(crate) offset: u64,
}

/// For each piece of a wanted file, where another file has it. The memory that this takes is that
/// of the wanted index, however many files are looked into.
#[derive(Debug)]
pub struct Found {
    /// The pieces in the order of their hashes, each with its number.
    sorted: Vec<(Piece, u32)>,
    places: Vec<Option<Place>>,
}

impl Found {
    /// Starts with nothing found.
    #[must_use]
    pub fn new(wanted: &Index) -> Self {
        // An index has fewer pieces than numbers of 32 bits.
        let mut sorted: Vec<_> = wanted.pieces().iter().copied().zip(0..).collect();
        sorted.sort_unstable();
        Self {
            places: vec![None; sorted.len()],
            sorted,
        }
    }

    /// Looks into a file by its pieces. `file` is the number by which it is known later. What was
    /// found before stays.
    pub fn look_in(&mut self, wanted: &Index, file: u32, pieces: &[Piece]) {
        debug_assert_eq!(wanted.pieces().len(), self.places.len());
        let mut offset = 0;
        for piece in pieces {
            let from = self.sorted.partition_point(|(other, _)| other < piece);
            let same = self.sorted.get(from..).unwrap_or_default().iter();
            for (_, number) in same.take_while(|(other, _)| other == piece) {
                match self.places.get_mut(*number as usize) {
                    Some(place @ None) => *place = Some(Place { file, offset }),
                    // Equal pieces are found together, so that none is looked at twice.
                    _ => break,
                }
            }
            offset += u64::from(piece.length);
        }
    }

    /// Returns how many bytes no file has.
    #[must_use]
    pub fn missing(&self, wanted: &Index) -> u64 {
        let pieces = wanted.pieces().iter().zip(&self.places);
        let missing = pieces.filter(|(_, place)| place.is_none());
        missing.map(|(piece, _)| u64::from(piece.length)).sum()
    }

    pub(crate) fn place(&self, number: usize) -> Option<Place> {
        self.places.get(number).copied().flatten()
    }
}
