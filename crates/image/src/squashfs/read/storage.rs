//! Blocks of the image by their offset, unpacked and kept for a while, and a cursor over the
//! metadata blocks of a table.

use std::collections::{BTreeMap, VecDeque};
use std::io::{Read, Seek, SeekFrom};
use std::sync::Arc;

use super::error::ReadError;
use super::layout::{FIRST_BYTE, Layout, Lookup, Table};
use crate::squashfs::again::{BlockKind, StoredBlock};
use crate::squashfs::compressors::Decoder;
use crate::squashfs::format::{BLOCK_RAW, METADATA_RAW, METADATA_SIZE};

/// How many unpacked metadata blocks are kept: 8 MiB of them.
const METADATA_KEPT: usize = 1024;
/// How many bytes of unpacked fragment blocks are kept. Small files that follow each other mostly
/// share a block.
const FRAGMENT_BYTES_KEPT: usize = 8 << 20;

/// Most blocks of one table that are noted: 8 GiB of it. Hostile blocks may have 3 bytes each, and a
/// note takes several times that.
const MAX_TABLE_BLOCKS: usize = 1 << 20;

/// An unpacked metadata block.
pub(super) struct Block {
    bytes: Vec<u8>,
    /// Offset of what follows it in the image.
    next: u64,
}

/// The last few values by offset; the oldest goes first.
struct Kept<T> {
    values: BTreeMap<u64, Arc<T>>,
    order: VecDeque<u64>,
    capacity: usize,
}

impl<T> Kept<T> {
    fn new(capacity: usize) -> Self {
        Self {
            values: BTreeMap::new(),
            order: VecDeque::new(),
            capacity,
        }
    }

    fn get(&self, offset: u64) -> Option<Arc<T>> {
        self.values.get(&offset).cloned()
    }

    fn insert(&mut self, offset: u64, value: T) -> Arc<T> {
        if self.order.len() >= self.capacity
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
        let value = Arc::new(value);
        if self.values.insert(offset, value.clone()).is_none() {
            self.order.push_back(offset);
        }
        value
    }
}

/// The image's bytes and its decoder.
pub(super) struct Storage<R> {
    input: R,
    pub(super) layout: Layout,
    decoder: Decoder,
    metadata: Kept<Block>,
    fragments: Kept<Vec<u8>>,
}

impl<R: Read + Seek> Storage<R> {
    pub(super) fn new(input: R, layout: Layout, decoder: Decoder) -> Self {
        let fragments = FRAGMENT_BYTES_KEPT / (layout.block_size as usize).max(1);
        Self {
            input,
            layout,
            decoder,
            metadata: Kept::new(METADATA_KEPT),
            fragments: Kept::new(fragments.max(1)),
        }
    }

    /// Returns the compressor's name.
    pub(super) fn compressor(&self) -> &'static str {
        self.decoder.name()
    }

    /// Reads `length` bytes at `offset`. Callers bound `length` by the size of a block.
    pub(super) fn read_at(&mut self, offset: u64, length: usize) -> Result<Vec<u8>, ReadError> {
        if offset
            .checked_add(length as u64)
            .is_none_or(|end| end > self.layout.bytes_used)
        {
            return Err(ReadError::Block {
                offset,
                problem: format!(
                    "has {length} bytes, but the image ends at {}",
                    self.layout.bytes_used
                ),
            });
        }
        read_at(&mut self.input, offset, length)
    }

    /// Returns the metadata block of `table` at `offset`.
    fn metadata_block(&mut self, table: Table, offset: u64) -> Result<Arc<Block>, ReadError> {
        let block = match self.metadata.get(offset) {
            Some(block) => block,
            None => {
                let block = self.load_metadata_block(table, offset)?;
                self.metadata.insert(offset, block)
            }
        };
        // A block that is kept may have been read for another table.
        if offset < table.start || block.next > table.end {
            return Err(ReadError::Block {
                offset,
                problem: format!(
                    "is not inside the {}, which is from {} to {}",
                    table.name, table.start, table.end
                ),
            });
        }
        Ok(block)
    }

    fn load_metadata_block(&mut self, table: Table, offset: u64) -> Result<Block, ReadError> {
        let wrong = |problem| Err(ReadError::Block { offset, problem });
        let room = table.end.saturating_sub(offset);
        let most = METADATA_SIZE + 2;
        // One read for length and body: a block is small, and the input may be a plain file.
        let bytes = self.read_at(offset, usize::try_from(room).map_or(most, |n| n.min(most)))?;
        let Some((header, body)) = bytes.split_first_chunk() else {
            return wrong(format!("reaches over the end of the {}", table.name));
        };
        let header = u16::from_le_bytes(*header);
        let length = usize::from(header & !METADATA_RAW);
        if length == 0 || length > METADATA_SIZE {
            return wrong(format!(
                "a metadata block of {length} bytes, not 1 to {METADATA_SIZE}"
            ));
        }
        let Some(body) = body.get(..length) else {
            return wrong(format!("reaches over the end of the {}", table.name));
        };
        let bytes = if header & METADATA_RAW == 0 {
            match self.decoder.decode(body, METADATA_SIZE) {
                Ok(bytes) => bytes,
                Err(problem) => return wrong(problem),
            }
        } else {
            body.to_vec()
        };
        Ok(Block {
            bytes,
            next: offset + 2 + length as u64,
        })
    }

    /// Returns the data or fragment block at `offset`, described by its size `word`, unpacked to
    /// at most `limit` bytes.
    pub(super) fn data_block(
        &mut self,
        offset: u64,
        word: u32,
        limit: usize,
    ) -> Result<Vec<u8>, ReadError> {
        let wrong = |problem| Err(ReadError::Block { offset, problem });
        let stored = stored_length(word, self.layout.block_size)
            .map_err(|problem| ReadError::Block { offset, problem })?;
        if offset < FIRST_BYTE {
            return wrong("is inside the superblock".to_owned());
        }
        let bytes = self.read_at(offset, stored as usize)?;
        if word & BLOCK_RAW == 0 {
            self.decoder
                .decode(&bytes, limit)
                .map_err(|problem| ReadError::Block { offset, problem })
        } else if bytes.len() > limit {
            wrong(format!("has {stored} bytes, not {limit} or fewer"))
        } else {
            Ok(bytes)
        }
    }

    /// Returns a whole fragment block by its number in the fragment table.
    pub(super) fn fragment_block(&mut self, number: u32) -> Result<Arc<Vec<u8>>, ReadError> {
        let (offset, word) = self.fragment_entry(number)?;
        if let Some(block) = self.fragments.get(offset) {
            return Ok(block);
        }
        let block = self.data_block(offset, word, self.layout.block_size as usize)?;
        Ok(self.fragments.insert(offset, block))
    }

    /// Returns offset and length of a fragment block by its number.
    pub(super) fn fragment_place(&mut self, number: u32) -> Result<(u64, u32), ReadError> {
        let (offset, word) = self.fragment_entry(number)?;
        stored_length(word, self.layout.block_size)
            .map_err(|problem| ReadError::Block { offset, problem })?;
        Ok((offset, word))
    }

    /// Returns the compressor's options.
    pub(super) fn options(&mut self) -> Option<Vec<u8>> {
        let length = self.metadata_length(FIRST_BYTE, self.layout.inodes.start)?;
        let bytes = read_at(&mut self.input, FIRST_BYTE + 2, length as usize - 2).ok()?;
        Some(bytes)
    }

    /// Adds the blocks of the tables of inodes and directories.
    pub(super) fn add_tables(&mut self, blocks: &mut Vec<StoredBlock>) {
        let Layout {
            inodes,
            directories,
            fragments,
            ids,
            ..
        } = self.layout;
        // The blocks of what follows begin before the index by which it is found.
        let first = |storage: &mut Self, table: &Lookup| {
            let (index, _) = table.locate(0)?;
            let bytes = read_at(&mut storage.input, index, 8).ok()?;
            Some(u64::from_le_bytes(*bytes.first_chunk()?))
        };
        let ends = [first(self, &fragments), first(self, &ids)];
        let behind = |end: &u64| *end > directories.start;
        let end = ends.into_iter().flatten().filter(behind).min();
        let end = end.unwrap_or(directories.end).min(directories.end);
        for (mut start, end) in [(inodes.start, inodes.end), (directories.start, end)] {
            for _ in 0..MAX_TABLE_BLOCKS {
                let Some(length) = self.metadata_length(start, end) else {
                    break;
                };
                blocks.push(StoredBlock {
                    start,
                    length,
                    kind: BlockKind::Metadata,
                });
                start += u64::from(length);
            }
        }
    }

    /// Returns the length of a metadata block with its header, if there can be one between two
    /// offsets.
    fn metadata_length(&mut self, start: u64, end: u64) -> Option<u32> {
        let bytes = read_at(&mut self.input, start, 2).ok()?;
        let length = u16::from_le_bytes(*bytes.first_chunk()?) & !METADATA_RAW;
        let whole = u32::from(length) + 2;
        let fits = usize::from(length) <= METADATA_SIZE && length > 0;
        (fits && start.checked_add(whole.into())? <= end).then_some(whole)
    }

    /// Returns the offset of a fragment block and the word that describes its size.
    fn fragment_entry(&mut self, number: u32) -> Result<(u64, u32), ReadError> {
        let table = self.layout.fragments;
        let mut entry = self.entry(&table, number)?;
        Ok((entry.u64(self)?, entry.u32(self)?))
    }

    /// Returns a cursor at entry `number` of a table.
    pub(super) fn entry(&mut self, table: &Lookup, number: u32) -> Result<Cursor, ReadError> {
        let name = table.blocks.name;
        let Some((index, byte)) = table.locate(number) else {
            return Err(ReadError::Block {
                offset: table.blocks.end,
                problem: format!("{name} has no entry {number}, only {}", table.count),
            });
        };
        let bytes = self.read_at(index, 8)?;
        let position = bytes
            .first_chunk()
            .map_or(0, |bytes| u64::from_le_bytes(*bytes));
        Ok(Cursor {
            table: table.blocks,
            position,
            byte: byte.into(),
            block: None,
        })
    }
}

/// Reads `length` bytes at `offset`.
pub(super) fn read_at<R: Read + Seek>(
    input: &mut R,
    offset: u64,
    length: usize,
) -> Result<Vec<u8>, ReadError> {
    let mut bytes = vec![0; length];
    input
        .seek(SeekFrom::Start(offset))
        .and_then(|_| input.read_exact(&mut bytes))
        .map_err(|source| ReadError::Input {
            offset,
            length,
            source,
        })?;
    Ok(bytes)
}

/// Returns how many bytes a data or fragment block takes in the image, given its size `word`.
pub(super) fn stored_length(word: u32, block_size: u32) -> Result<u32, String> {
    match word & !BLOCK_RAW {
        0 => Err("has no bytes".to_owned()),
        stored if stored > block_size => Err(format!(
            "takes {stored} bytes, more than the block size {block_size}"
        )),
        stored => Ok(stored),
    }
}

/// A position in the unpacked metadata of a table. Reading goes on into the next block.
#[derive(Clone)]
pub(super) struct Cursor {
    table: Table,
    /// Offset of the metadata block.
    position: u64,
    /// Position in the unpacked block.
    byte: usize,
    /// The block at `position`, once it was needed.
    block: Option<Arc<Block>>,
}

impl Cursor {
    /// Makes a cursor of a reference: a metadata block's offset from the start of the table in the
    /// upper 48 bits, the position in the unpacked block in the lower 16.
    pub(super) fn new(table: Table, reference: u64) -> Self {
        Self {
            table,
            position: table.start.saturating_add(reference >> 16),
            byte: usize::from(reference as u16),
            block: None,
        }
    }

    /// Makes the error that says what is wrong here.
    pub(super) fn wrong(&self, problem: impl Into<String>) -> ReadError {
        ReadError::Table {
            table: self.table.name,
            block: self.position,
            byte: self.byte,
            problem: problem.into(),
        }
    }

    /// Returns at least one and at most `most` bytes, and moves behind them.
    fn part<R: Read + Seek>(
        &mut self,
        storage: &mut Storage<R>,
        most: usize,
        take: &mut dyn FnMut(&[u8]),
    ) -> Result<usize, ReadError> {
        loop {
            let block = match self.block.take() {
                Some(block) => block,
                None => storage.metadata_block(self.table, self.position)?,
            };
            match block.bytes.get(self.byte..) {
                None => {
                    return Err(self.wrong(format!(
                        "the block has only {} bytes when unpacked",
                        block.bytes.len()
                    )));
                }
                // The end of the table is the end of this loop: offsets only grow.
                Some([]) => {
                    self.position = block.next;
                    self.byte = 0;
                }
                Some(rest) => {
                    let part = rest.get(..most).unwrap_or(rest);
                    take(part);
                    let length = part.len();
                    self.byte += length;
                    self.block = Some(block);
                    return Ok(length);
                }
            }
        }
    }

    /// Reads exactly `N` bytes.
    fn array<const N: usize, R: Read + Seek>(
        &mut self,
        storage: &mut Storage<R>,
    ) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        let mut filled = 0;
        while filled < N {
            let rest = &mut bytes[filled..];
            filled += self.part(storage, rest.len(), &mut |part| {
                rest[..part.len()].copy_from_slice(part);
            })?;
        }
        Ok(bytes)
    }

    /// Reads `length` bytes. Memory is taken as they come, not before.
    pub(super) fn bytes<R: Read + Seek>(
        &mut self,
        storage: &mut Storage<R>,
        length: usize,
    ) -> Result<Vec<u8>, ReadError> {
        let mut bytes = Vec::new();
        while bytes.len() < length {
            let most = length - bytes.len();
            self.part(storage, most, &mut |part| bytes.extend_from_slice(part))?;
        }
        Ok(bytes)
    }

    /// Reads 16 bits.
    pub(super) fn u16<R: Read + Seek>(
        &mut self,
        storage: &mut Storage<R>,
    ) -> Result<u16, ReadError> {
        Ok(u16::from_le_bytes(self.array(storage)?))
    }

    /// Reads 32 bits.
    pub(super) fn u32<R: Read + Seek>(
        &mut self,
        storage: &mut Storage<R>,
    ) -> Result<u32, ReadError> {
        Ok(u32::from_le_bytes(self.array(storage)?))
    }

    /// Reads 64 bits.
    pub(super) fn u64<R: Read + Seek>(
        &mut self,
        storage: &mut Storage<R>,
    ) -> Result<u64, ReadError> {
        Ok(u64::from_le_bytes(self.array(storage)?))
    }
}
