//! The packer: contents in, image out.
//!
//! A content that is shorter than a block goes into a fragment block with others, in the order of
//! their coming, see [`Filling`]. A longer one gets blocks of its own, the last of them short. Its end could go into
//! a fragment block too, but over 260 MB of distribution packages (zstd 3, 9 and 15; blocks of
//! 128 KiB and 1 MiB) that made images from 0.01% smaller to 0.05% larger, and a reader would have
//! to unpack other files' bytes for it.

use std::collections::VecDeque;
use std::io::{self, Read, Seek, Write};

use super::blocks::Blocks;
use super::compressors::{Compressor, Decoder, Encoder};
use super::contents::{Contents, Packed, Place};
use super::error::Error;
use super::filling::Filling;
use super::format::{
    BLOCK_RAW, BLOCK_SIZES, FLAG_COMPRESSOR_OPTIONS, FLAG_DUPLICATES, FLAG_NO_XATTRS,
    METADATA_SIZE, NO_TABLE, Superblock,
};
use super::inodes::Tables;
use super::metadata::{Lookup, raw_block};
use super::place::{Output, Placed, Stored};
use super::spent::Spent;
use super::unit::{Unit, Units};
use super::workers::{Buffer, Workers};
use crate::content::ContentId;
use crate::tree::Tree;

/// How an image is written. Only `workers` leaves its bytes as they are.
#[derive(Clone, Debug)]
pub struct Options {
    /// What compresses blocks and tables.
    pub compressor: Compressor,
    /// Length of a block before it is compressed, in bytes: a power of two from 4096 to 1048576.
    pub block_size: u32,
    /// Who compresses.
    pub workers: Workers,
    /// Time in the superblock, in seconds since 1970.
    pub mkfs_time: u32,
}

/// What was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Length of the image in bytes, padding included.
    pub bytes: u64,
    /// Number of inodes.
    pub inodes: u32,
    /// Bytes of contents that were read.
    pub data_in: u64,
    /// Bytes of data and fragment blocks in the image.
    pub data_out: u64,
    /// Number of data blocks, holes not counted.
    pub blocks: u64,
    /// Number of blocks that are all zeros and take no room in the image.
    pub holes: u64,
    /// Number of fragment blocks.
    pub fragments: u32,
    /// Data and fragment blocks that are stored as they are, since they would not shrink.
    pub raw_blocks: u64,
}

/// A complete image.
pub struct Finished<W> {
    /// The output.
    pub out: W,
    /// What was written.
    pub summary: Summary,
    /// Where what could be [`put`](Packer::put) into another image is.
    pub units: Units,
    /// What it took.
    pub spent: Spent,
}

/// Writes one image: contents first, then the tree that they are of.
///
/// The output is to be empty and at its start. Until [`finish`](Self::finish) has returned, its
/// first bytes are zeros, so that half an image is not taken for one. After any error the packer
/// is of no use. Dropping it ends its threads.
pub struct Packer<W: Write + Seek + Send + 'static> {
    options: Options,
    blocks: Blocks<W>,
    contents: Contents,
    /// Small contents for the next fragment block.
    fragment: Option<Buffer>,
    /// How full that is.
    filling: Filling,
    /// Of one that was packed before: what is in it and has not passed yet.
    to_pass: VecDeque<(ContentId, u64)>,
    /// Of one that was packed before: its stored length, as the fragment table has it.
    stored: Option<u32>,
    /// Block number of each fragment block.
    fragments: Vec<usize>,
    summary: Summary,
    /// What it took until it looked back.
    spent: Spent,
    /// An error was returned; what follows would be wrong.
    failed: bool,
}

impl<W: Write + Seek + Send + 'static> Packer<W> {
    /// Starts an image at the start of `out`.
    pub fn new(out: W, options: &Options) -> Result<Self, Error> {
        let Options {
            compressor,
            block_size,
            ..
        } = *options;
        if !block_size.is_power_of_two() || !BLOCK_SIZES.contains(&block_size) {
            return Err(Error::BlockSize(block_size));
        }
        if !compressor.is_valid() {
            return Err(Error::Compressor(compressor.to_string()));
        }
        let compressor_options = match compressor.options() {
            Some(bytes) => raw_block(&bytes)?,
            None => Vec::new(),
        };
        let output = Output::new(out, &compressor_options)?;
        Ok(Self {
            options: options.clone(),
            blocks: Blocks::new(output, compressor, block_size, &options.workers)?,
            contents: Contents {
                block_size,
                ..Contents::default()
            },
            fragment: None,
            filling: Filling::new(block_size),
            to_pass: VecDeque::new(),
            stored: None,
            fragments: Vec::new(),
            summary: Summary::default(),
            spent: Spent::default(),
            failed: false,
        })
    }

    /// Returns whether this content was added.
    pub fn contains(&self, id: &ContentId) -> bool {
        self.contents.packed.contains_key(id)
    }

    /// Packs a content: reads exactly `size` bytes.
    ///
    /// A known content is refused before anything is read; ask [`contains`](Self::contains). A
    /// failure of `content` comes back as [`Error::Content`]; with threads, one of the output may
    /// come back from a later call than the one whose bytes could not be written.
    pub fn add(&mut self, id: &ContentId, size: u64, content: &mut dyn Read) -> Result<(), Error> {
        if self.failed {
            return Err(Error::Abandoned);
        }
        if self.contains(id) {
            return Err(Error::ContentKnown(id.clone()));
        }
        let packed = self.pack(id, size, content);
        self.failed = packed.is_err();
        self.note(id, size, packed?);
        Ok(())
    }

    /// Says how full the next fragment block is, to look ahead with.
    pub fn filling(&self) -> Filling {
        self.filling
    }

    /// Ends the block that small contents share, if something is in it.
    pub fn end_block(&mut self) -> Result<(), Error> {
        self.close_fragment()
    }

    /// Ends a package, or whatever else changes as a whole.
    pub fn end_package(&mut self) -> Result<(), Error> {
        match self.filling.end_package() {
            true => self.close_fragment(),
            false => Ok(()),
        }
    }

    /// Packs what was packed before: the contents of a [`Unit`], of which `bytes` gives the stored
    /// blocks. Those of a fragment block are to [`pass`](Self::pass) next, in their order.
    ///
    /// # Errors
    /// Those of [`add`](Self::add); [`Error::Unit`] if it can't be what would be packed here.
    pub fn put(&mut self, unit: &Unit, bytes: &mut dyn Read) -> Result<(), Error> {
        if self.failed {
            return Err(Error::Abandoned);
        }
        if let Some((id, _)) = unit.contents.iter().find(|(id, _)| self.contains(id)) {
            return Err(Error::ContentKnown(id.clone()));
        }
        let put = self.put_unit(unit, bytes);
        self.failed = put.is_err();
        put
    }

    fn put_unit(&mut self, unit: &Unit, bytes: &mut dyn Read) -> Result<(), Error> {
        if !unit.is_whole(self.options.block_size) {
            return Err(Error::Unit);
        }
        if unit.is_fragment(self.options.block_size) {
            self.close_fragment()?;
            let length = usize::try_from(unit.stored()).map_err(|_| Error::Unit)?;
            let mut fragment = self.blocks.buffer();
            read_onto(&mut fragment, length, bytes, |_| Error::Unit)?;
            self.fragment = Some(fragment);
            self.to_pass = unit.contents.iter().cloned().collect();
            self.stored = unit.words.first().copied();
            return Ok(());
        }
        let mut last = 0;
        for (index, word) in unit.words.iter().enumerate() {
            let mut block = self.blocks.buffer();
            let length = (word & !BLOCK_RAW) as usize;
            read_onto(&mut block, length, bytes, |_| Error::Unit)?;
            last = self.blocks.put_stored(block, *word, index == 0)?;
        }
        for (id, size) in &unit.contents {
            let first =
                u32::try_from(last + 1 - unit.words.len()).map_err(|_| Error::TooMany("blocks"))?;
            self.note(id, *size, Place::Blocks(first));
        }
        Ok(())
    }

    /// Takes a content that is in the fragment block which was [`put`](Self::put), and says whether
    /// it is.
    ///
    /// # Errors
    /// [`Error::Unit`] if another content of it would come first.
    pub fn pass(&mut self, id: &ContentId, size: u64) -> Result<bool, Error> {
        if self.failed {
            return Err(Error::Abandoned);
        }
        let Some((next, length)) = self.to_pass.front() else {
            return Ok(false);
        };
        if size == 0 || !self.filling.is_small(size) {
            return Ok(false);
        }
        if (next, *length) != (id, size) || self.filling.is_full_for(size) {
            self.failed = true;
            return Err(Error::Unit);
        }
        self.to_pass.pop_front();
        let place = Place::Fragment(self.next_fragment()?, self.filling.length());
        self.note(id, size, place);
        if self.filling.add(id, size) {
            self.close_fragment()?;
        }
        Ok(true)
    }

    fn note(&mut self, id: &ContentId, size: u64, place: Place) {
        self.summary.data_in += size;
        let packed = Packed::new(size, place);
        self.contents.packed.insert(id.clone(), packed);
    }

    /// Returns the number of the fragment block that is being filled.
    fn next_fragment(&self) -> Result<u32, Error> {
        u32::try_from(self.fragments.len()).map_err(|_| Error::TooMany("fragment blocks"))
    }

    /// Writes the tables for `tree` and the superblock, flushes the output and returns it.
    ///
    /// Every file of the tree must have been added with its size. Contents that no file names
    /// stay in the image.
    pub fn finish(self, tree: &Tree) -> Result<(W, Summary), Error> {
        let finished = self.finish_with_units(tree)?;
        Ok((finished.out, finished.summary))
    }

    /// Does what [`finish`](Self::finish) does, and says more of it.
    pub fn finish_with_units(mut self, tree: &Tree) -> Result<Finished<W>, Error> {
        if self.failed {
            return Err(Error::Abandoned);
        }
        self.close_fragment()?;
        let (mut output, mut spent) = self.blocks.finish()?;
        spent.add(self.spent);
        self.contents.placed = output.finish_blocks()?;
        let fragments: Vec<Placed> = self
            .fragments
            .iter()
            .map(|number| self.contents.placed[*number])
            .collect();
        let holes = (self.contents.placed.iter())
            .filter(|block| block.word == 0)
            .count();
        let mut summary = self.summary;
        summary.holes = holes as u64;
        summary.data_out = (self.contents.placed.iter())
            .map(|block| u64::from(block.length()))
            .sum();
        summary.blocks = (self.contents.placed.len() - holes - fragments.len()) as u64;
        summary.fragments =
            u32::try_from(fragments.len()).map_err(|_| Error::TooMany("fragment blocks"))?;
        summary.raw_blocks = output.raw_blocks();

        let superblock =
            write_tables(&mut output, &self.options, &self.contents, &fragments, tree)?;
        summary.inodes = superblock.inode_count;
        let (out, bytes) = output.finish(&superblock.to_bytes())?;
        summary.bytes = bytes;
        let units = Units {
            contents: self.contents,
            fragments,
        };
        Ok(Finished {
            out,
            summary,
            units,
            spent,
        })
    }

    fn pack(&mut self, id: &ContentId, size: u64, content: &mut dyn Read) -> Result<Place, Error> {
        let block_size = self.options.block_size as usize;
        let mut place = Place::Blocks(0);
        let mut left = size;
        while left > 0 {
            let length = usize::try_from(left).map_or(block_size, |left| left.min(block_size));
            let small = self.filling.is_small(size);
            if small && self.filling.is_full_for(size) {
                self.close_fragment()?;
            }
            if small && !self.to_pass.is_empty() {
                return Err(Error::Unit);
            }
            let short = |read: usize| Error::ContentShort {
                id: id.clone(),
                size,
                read: size - left + read as u64,
            };
            if small {
                place = Place::Fragment(self.next_fragment()?, self.filling.length());
                let fragment = self.fragment.get_or_insert_with(|| self.blocks.buffer());
                read_onto(fragment, length, content, short)?;
                if self.filling.add(id, size) {
                    self.close_fragment()?;
                }
            } else {
                let mut block = self.blocks.buffer();
                read_onto(&mut block, length, content, short)?;
                if length == block_size && block.iter().all(|byte| *byte == 0) {
                    block.clear();
                }
                let number = self.blocks.put(block, left == size)?;
                if left == size {
                    let number = u32::try_from(number).map_err(|_| Error::TooMany("blocks"))?;
                    place = Place::Blocks(number);
                }
            }
            left -= length as u64;
        }
        Ok(place)
    }

    fn close_fragment(&mut self) -> Result<(), Error> {
        if !self.to_pass.is_empty() {
            return Err(Error::Unit);
        }
        if let Some(bytes) = self.fragment.take() {
            let number = match self.stored.take() {
                Some(word) => self.blocks.put_stored(bytes, word, true)?,
                None => self.blocks.put(bytes, true)?,
            };
            self.fragments.push(number);
        }
        self.filling = Filling::new(self.options.block_size);
        Ok(())
    }
}

impl<W: Read + Write + Seek + Send + 'static> Packer<W> {
    /// Reads contents back that were added, for a file that is made of them: waits until all is
    /// written, and calls `see` with each of these that is known. More can be added then; what shares a
    /// block with others begins a new one.
    pub fn look_back(
        mut self,
        ids: &[ContentId],
        see: &mut dyn FnMut(&ContentId, Vec<u8>),
    ) -> Result<Self, Error> {
        if self.failed {
            return Err(Error::Abandoned);
        }
        self.close_fragment()?;
        let (compressor, block_size) = (self.options.compressor, self.options.block_size);
        let count = self.blocks.count();
        let (mut output, spent) = self.blocks.finish()?;
        self.spent.add(spent);
        let failed = |problem: String| Error::Output(io::Error::other(problem));
        let decoder = Decoder::new(compressor.number(), block_size);
        let mut decoder = decoder.map_err(|_| failed(format!("{compressor} is not read")))?;
        let mut unpacked = |output: &mut Output<W>, number: usize| {
            let block = output.read_back(number)?;
            match block {
                Stored::Raw(bytes) => Ok(bytes),
                Stored::Packed(bytes) => {
                    let bytes = decoder.decode(&bytes, block_size as usize);
                    bytes.map_err(failed)
                }
                Stored::Hole => Ok(vec![0; block_size as usize]),
            }
        };
        let mut last: Option<(usize, Vec<u8>)> = None;
        for id in ids {
            let Some(packed) = self.contents.packed.get(id).copied() else {
                continue;
            };
            let size = usize::try_from(packed.size).unwrap_or(usize::MAX);
            let mut bytes = Vec::new();
            match packed.place() {
                Place::Fragment(fragment, offset) => {
                    let number = self.fragments[fragment as usize];
                    let (_, block) = match last.take().filter(|(known, _)| *known == number) {
                        Some(known) => last.insert(known),
                        None => last.insert((number, unpacked(&mut output, number)?)),
                    };
                    let content = block.get(offset as usize..).unwrap_or_default();
                    bytes.extend(content.get(..size).unwrap_or(content));
                }
                Place::Blocks(first) => {
                    let blocks = packed.size.div_ceil(block_size.into());
                    for number in (first as usize..).take(usize::try_from(blocks).unwrap_or(0)) {
                        bytes.extend(unpacked(&mut output, number)?);
                    }
                    bytes.truncate(size);
                }
            }
            see(id, bytes);
        }
        output.go_on()?;
        let workers = &self.options.workers;
        self.blocks = Blocks::resume(output, (compressor, block_size), workers, count)?;
        Ok(self)
    }
}

/// Appends `length` bytes of `content` to `buffer`. `short` makes the error for a content that
/// ends early, of the number of bytes that were there.
fn read_onto(
    buffer: &mut Vec<u8>,
    length: usize,
    content: &mut dyn Read,
    short: impl Fn(usize) -> Error,
) -> Result<(), Error> {
    buffer.reserve_exact(length);
    let read = content
        .take(length as u64)
        .read_to_end(buffer)
        .map_err(Error::Content)?;
    if read == length {
        Ok(())
    } else {
        Err(short(read))
    }
}

/// Writes everything behind the data, and returns the superblock that describes the image.
fn write_tables<W: Write + Seek>(
    output: &mut Output<W>,
    options: &Options,
    contents: &Contents,
    fragments: &[Placed],
    tree: &Tree,
) -> Result<Superblock, Error> {
    let mut encoder = Encoder::new(options.compressor, METADATA_SIZE as u32)?;
    let tables = Tables::new(tree, contents, &mut encoder)?;
    let mut fragment_records = Vec::with_capacity(fragments.len() * 16);
    for block in fragments {
        fragment_records.extend(block.start.to_le_bytes());
        fragment_records.extend(block.word.to_le_bytes());
        fragment_records.extend(0_u32.to_le_bytes());
    }
    let fragment_table = Lookup::new(&mut encoder, &fragment_records)?;
    let id_records: Vec<u8> = tables.ids.iter().flat_map(|id| id.to_le_bytes()).collect();
    let id_table = Lookup::new(&mut encoder, &id_records)?;

    let mut superblock = Superblock {
        inode_count: tables.inode_count,
        mkfs_time: options.mkfs_time,
        block_size: options.block_size,
        fragment_count: u32::try_from(fragments.len())
            .map_err(|_| Error::TooMany("fragment blocks"))?,
        compressor: options.compressor.number(),
        flags: FLAG_DUPLICATES,
        id_count: u16::try_from(tables.ids.len())
            .map_err(|_| Error::TooMany("owners and groups"))?,
        root_inode: tables.root.reference(),
        export_table: NO_TABLE,
        ..Superblock::default()
    };
    if tables.xattrs.is_none() {
        superblock.flags |= FLAG_NO_XATTRS;
    }
    if options.compressor.options().is_some() {
        superblock.flags |= FLAG_COMPRESSOR_OPTIONS;
    }
    // The lists of the lookup tables hold offsets in the image, so they depend on its place.
    let build = |base: u64| {
        let mut superblock = superblock.clone();
        let mut bytes = tables.inodes.clone();
        superblock.inode_table = base;
        superblock.directory_table = base + bytes.len() as u64;
        bytes.extend_from_slice(&tables.directories);
        superblock.fragment_table = match fragments {
            [] => NO_TABLE,
            _ => fragment_table.write_to(&mut bytes, base, &[]),
        };
        superblock.id_table = id_table.write_to(&mut bytes, base, &[]);
        superblock.xattr_table = match &tables.xattrs {
            None => NO_TABLE,
            Some(xattrs) => xattrs.write_to(&mut bytes, base),
        };
        superblock.bytes_used = base + bytes.len() as u64;
        (bytes, superblock)
    };
    let base = output.write_built(|base| build(base).0)?;
    Ok(build(base).1)
}
