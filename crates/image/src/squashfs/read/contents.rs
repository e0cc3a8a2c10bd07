//! The bytes of one file, block by block.

use std::io::{self, Read, Seek, SeekFrom};

use super::error::ReadError;
use super::inode::{File, Tail};
use super::storage::{Cursor, Storage, stored_length};

/// The bytes of one file; [`Image::content`](super::Image::content) makes it.
///
/// It holds one unpacked block at a time. Errors are [`ReadError`]s inside of [`io::Error`]s; the
/// stream ends only when the file's declared size has been delivered. A seek unpacks the one block
/// that it leads into.
pub struct Contents<'a, R> {
    storage: &'a mut Storage<R>,
    /// The whole file, to begin again.
    file: File,
    /// Where the size of the next data block is told.
    block_list: Cursor,
    blocks_left: u64,
    /// Offset of the next data block.
    next: u64,
    tail: Option<Tail>,
    /// How many bytes of the file are in blocks that have not been unpacked.
    bytes_left: u64,
    block: Vec<u8>,
    /// How much of `block` has been delivered.
    delivered: usize,
}

impl<'a, R: Read + Seek> Contents<'a, R> {
    pub(super) fn new(storage: &'a mut Storage<R>, file: File) -> Self {
        Self {
            storage,
            block_list: file.block_list.clone(),
            blocks_left: file.block_count,
            next: file.start,
            tail: file.tail,
            bytes_left: file.size,
            file,
            block: Vec::new(),
            delivered: 0,
        }
    }

    /// Unpacks the next block. State changes only when that worked, so that an error is told
    /// again and never passes for the end of the file.
    fn load(&mut self) -> Result<(), ReadError> {
        let block_size = self.storage.layout.block_size as usize;
        let length = usize::try_from(self.bytes_left).map_or(block_size, |n| n.min(block_size));
        if self.blocks_left == 0 {
            self.block = self.load_tail()?;
            self.tail = None;
        } else {
            let mut block_list = self.block_list.clone();
            let word = block_list.u32(self.storage)?;
            if word == 0 {
                self.block.clear();
                self.block.resize(length, 0);
            } else {
                let stored = stored_length(word, self.storage.layout.block_size)
                    .map_err(|problem| block_list.wrong(format!("a data block {problem}")))?;
                let block = self.storage.data_block(self.next, word, length)?;
                if block.len() != length {
                    return Err(ReadError::Block {
                        offset: self.next,
                        problem: format!("unpacks to {} bytes, not {length}", block.len()),
                    });
                }
                self.block = block;
                self.next = self.next.saturating_add(stored.into());
            }
            self.block_list = block_list;
            self.blocks_left -= 1;
        }
        self.delivered = 0;
        self.bytes_left = self.bytes_left.saturating_sub(self.block.len() as u64);
        Ok(())
    }

    /// Passes over the next data block without unpacking it.
    fn skip(&mut self) -> Result<(), ReadError> {
        let block_size = self.storage.layout.block_size;
        let mut block_list = self.block_list.clone();
        let word = block_list.u32(self.storage)?;
        if word != 0 {
            let stored = stored_length(word, block_size)
                .map_err(|problem| block_list.wrong(format!("a data block {problem}")))?;
            self.next = self.next.saturating_add(stored.into());
        }
        self.block_list = block_list;
        self.blocks_left -= 1;
        self.bytes_left = self.bytes_left.saturating_sub(block_size.into());
        Ok(())
    }

    /// Returns how many bytes of the file are before the next one.
    fn position(&self) -> u64 {
        let undelivered = (self.block.len() - self.delivered) as u64;
        self.file.size - self.bytes_left - undelivered
    }

    /// Goes to a place inside of the file.
    fn go(&mut self, position: u64) -> Result<(), ReadError> {
        let block_start = self.file.size - self.bytes_left - self.block.len() as u64;
        if position < block_start {
            self.block_list = self.file.block_list.clone();
            self.blocks_left = self.file.block_count;
            self.next = self.file.start;
            self.tail = self.file.tail;
            self.bytes_left = self.file.size;
            self.block.clear();
        } else if let Ok(within) = usize::try_from(position - block_start)
            && within <= self.block.len()
        {
            self.delivered = within;
            return Ok(());
        }
        self.block.clear();
        self.delivered = 0;
        let block_size = u64::from(self.storage.layout.block_size);
        loop {
            let within = position - (self.file.size - self.bytes_left);
            if self.blocks_left > 0 && within >= block_size && self.bytes_left >= block_size {
                self.skip()?;
            } else if within == 0 {
                return Ok(());
            } else {
                self.load()?;
                self.delivered = within.min(self.block.len() as u64) as usize;
                return Ok(());
            }
        }
    }

    fn load_tail(&mut self) -> Result<Vec<u8>, ReadError> {
        let Some(tail) = self.tail else {
            // The number of blocks follows from the size, so this would be an error of ours.
            return Err(self.block_list.wrong("the file has no more blocks"));
        };
        let block = self.storage.fragment_block(tail.fragment)?;
        let start = tail.offset as usize;
        match block.get(start..start + tail.length as usize) {
            Some(bytes) => Ok(bytes.to_vec()),
            None => Err(self.block_list.wrong(format!(
                "there are no {} bytes at position {start} of fragment {}, which unpacks to {}",
                tail.length,
                tail.fragment,
                block.len()
            ))),
        }
    }
}

impl<R: Read + Seek> Read for Contents<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.delivered == self.block.len() {
            if self.bytes_left == 0 {
                return Ok(0);
            }
            self.load()?;
        }
        let rest = self.block.get(self.delivered..).unwrap_or_default();
        let length = rest.len().min(buffer.len());
        buffer[..length].copy_from_slice(&rest[..length]);
        self.delivered += length;
        Ok(length)
    }
}

impl<R: Read + Seek> Seek for Contents<'_, R> {
    /// Goes to a place. One behind the end of the file is an error, since no image has bytes there.
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.file.size.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position().checked_add_signed(offset),
        };
        let position = position
            .filter(|position| *position <= self.file.size)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "a seek out of the file"))?;
        self.go(position)?;
        Ok(position)
    }
}
