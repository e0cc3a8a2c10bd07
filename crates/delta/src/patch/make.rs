//! A patch is made of two images.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read, Seek, SeekFrom};

use image::squashfs::{BlockKind, Codec, PACKER};
use image::{Packed, packed};
use zstd_safe::{CCtx, CParameter};

use super::{COPY, HEADER, KINDS, MAGIC, MAX_CONTENTS, MAX_PATCH, MAX_PLAN, MAX_WINDOW, NAME};
use crate::found::Found;
use crate::index::{Block, Index, IndexError, Piece};

/// How hard zstd searches: a patch is made once and fetched often.
const LEVEL: i32 = 19;
/// Shortest window, as the base 2 logarithm of its size.
const MIN_WINDOW: u32 = 10;
/// Length of a step that copies, and of a block in a plan, in bytes; others are shorter.
const LONGEST: usize = 17;

/// Why a patch can't be made. The text follows "no patch: ".
#[derive(Debug, thiserror::Error)]
pub enum Patchless {
    /// One of the images is in a form that is not known here, or damaged.
    #[error("{0} image is not one whose blocks are known")]
    Unknown(&'static str),
    /// It would be longer than a patch may be.
    #[error("it would be longer than {} MiB", MAX_PATCH >> 20)]
    TooLong,
    /// An image can't be read.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// An image has too many pieces.
    #[error("an index {0}")]
    Index(#[from] IndexError),
    /// The compressor failed.
    #[error("zstd: {0}")]
    Compression(&'static str),
}

/// A patch that was made.
#[derive(Debug)]
pub struct Made {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// How many bytes of the new image are in blocks that the old one does not have.
    pub missing: u64,
}

/// Makes the patch from an old image to a new one, each of which is read from its start.
///
/// # Errors
/// [`Patchless`].
pub fn make<R: Read + Seek>(old: &mut R, new: &mut R) -> Result<Made, Patchless> {
    make_in_parts(old, new, MAX_CONTENTS)
}

/// Makes a patch whose prefixes have at most so many bytes, and its segments half as many: the end of
/// a segment, too, has something before and behind it in the prefix.
pub(super) fn make_in_parts<R: Read + Seek>(
    old: &mut R,
    new: &mut R,
    prefix: usize,
) -> Result<Made, Patchless> {
    let (old_blocks, old_index) = look_at(old, "the older")?;
    let (new_blocks, new_index) = look_at(new, "the newer")?;
    let way = new_blocks.way.ok_or(Patchless::Unknown("the newer"))?;
    let codec = Codec::new(way.0, way.1);
    let mut making = Making {
        old,
        new,
        codec: codec.map_err(|_| Patchless::Unknown("the newer"))?,
        packed: Vec::new(),
        prefix,
        vanished: Vec::new(),
        missing: 0,
    };
    making.find_vanished(&old_index, &new_index, &old_blocks)?;
    let mut patch = Vec::new();
    patch.extend(MAGIC);
    patch.extend(old_index.sha256());
    patch.extend(new_index.sha256());
    patch.extend(old_index.length().to_le_bytes());
    patch.extend(new_index.length().to_le_bytes());
    patch.extend(PACKER.to_le_bytes());
    patch.extend(way.1.to_le_bytes());
    let mut name = way.0.to_string().into_bytes();
    name.resize(NAME, 0);
    patch.extend(name);
    debug_assert_eq!(patch.len(), HEADER);
    let mut found = Found::new(&new_index);
    found.look_in(&new_index, 0, old_index.pieces());
    let kinds = kinds(&new_blocks);
    let mut segment = Segment::default();
    let mut offset = 0;
    let missing = found.missing(&new_index);
    making.missing = missing.max(1);
    let mut done = 0;
    for (number, piece) in new_index.pieces().iter().enumerate() {
        let start = offset;
        offset += u64::from(piece.length);
        if let Some(place) = found.place(number) {
            segment.copy(place.offset, piece.length);
        } else {
            let kind = kinds.get(&(start, piece.length)).copied();
            // What is in no block goes along with what is before it.
            let class = kind.map(class).or(segment.class);
            let (kind, contents) = making.contents(start, piece.length, kind)?;
            let is_other = segment.class.is_some() && segment.class != class;
            if segment.contents.len() + contents.len() > prefix / 2 || is_other {
                segment.finish(&mut making, done, &mut patch)?;
            }
            segment.add(kind, &contents, class);
            done += u64::from(piece.length);
        }
        if segment.plan.len() > MAX_PLAN / 2 {
            segment.finish(&mut making, done, &mut patch)?;
        }
    }
    segment.finish(&mut making, done, &mut patch)?;
    Ok(Made {
        bytes: patch,
        missing,
    })
}

/// Returns where an image's blocks are, and an index that has them as pieces.
fn look_at<R: Read + Seek>(
    input: &mut R,
    which: &'static str,
) -> Result<(Packed, Index), Patchless> {
    let found = packed(&mut *input).map_err(|error| match error.kind() {
        io::ErrorKind::InvalidData => Patchless::Unknown(which),
        _ => Patchless::Io(error),
    })?;
    let length = input.seek(SeekFrom::End(0))?;
    input.rewind()?;
    let blocks = found.blocks.iter();
    let blocks: Vec<_> = blocks
        .map(|block| Block {
            start: block.start,
            length: block.length,
        })
        .collect();
    let index = Index::of(input, length, &blocks)?;
    Ok((found, index))
}

/// Returns the kinds of blocks by their offsets and lengths.
fn kinds(packed: &Packed) -> BTreeMap<(u64, u32), BlockKind> {
    let blocks = packed.blocks.iter();
    let kinds = blocks.map(|block| ((block.start, block.length), block.kind));
    kinds.collect()
}

/// What is compared with each other: contents of files, or tables.
fn class(kind: BlockKind) -> bool {
    kind == BlockKind::Metadata
}

/// A block of the older image that the newer one does not have.
struct Vanished {
    offset: u64,
    length: u32,
    kind: BlockKind,
    /// Length of its contents.
    contents: usize,
}

struct Making<'a, R> {
    old: &'a mut R,
    new: &'a mut R,
    codec: Codec,
    packed: Vec<u8>,
    /// Most bytes of a prefix.
    prefix: usize,
    /// The blocks of the older image that the newer one does not have, in their order.
    vanished: Vec<Vanished>,
    /// How many bytes of the newer image the older one does not have; not 0.
    missing: u64,
}

impl<R: Read + Seek> Making<'_, R> {
    fn find_vanished(
        &mut self,
        old: &Index,
        new: &Index,
        blocks: &Packed,
    ) -> Result<(), Patchless> {
        let known: BTreeSet<Piece> = new.pieces().iter().copied().collect();
        let kinds = kinds(blocks);
        let mut offset = 0;
        for piece in old.pieces() {
            let (start, length) = (offset, piece.length);
            offset += u64::from(length);
            let Some(kind) = kinds.get(&(start, length)).copied() else {
                continue;
            };
            if known.contains(piece) {
                continue;
            }
            let bytes = read(self.old, start, length)?;
            // What another compressor made can't be unpacked here.
            if let Some(contents) = self.codec.unpack(kind, &bytes) {
                self.vanished.push(Vanished {
                    offset: start,
                    length,
                    kind,
                    contents: contents.len(),
                });
            }
        }
        Ok(())
    }

    /// Returns what is in a piece of the newer image, if it is packed again to the same bytes, else the
    /// bytes.
    fn contents(
        &mut self,
        start: u64,
        length: u32,
        kind: Option<BlockKind>,
    ) -> Result<(BlockKind, Vec<u8>), Patchless> {
        let bytes = read(self.new, start, length)?;
        if let Some(kind) = kind
            && let Some(contents) = self.codec.unpack(kind, &bytes)
            && (self.codec.pack(kind, &contents, &mut self.packed)).is_ok()
            && self.packed == bytes
        {
            return Ok((kind, contents));
        }
        Ok((BlockKind::Raw, bytes))
    }
}

/// A part of the new image that is being described.
#[derive(Default)]
struct Segment {
    plan: Vec<u8>,
    contents: Vec<u8>,
    /// Whether it is about tables; `None` while it only copies.
    class: Option<bool>,
    /// The bytes that the last step copies.
    copied: Option<(u64, u64)>,
    /// How many missing bytes there were before it.
    begin: u64,
}

impl Segment {
    fn copy(&mut self, offset: u64, length: u32) {
        match &mut self.copied {
            Some((start, so_far)) if *start + *so_far == offset => *so_far += u64::from(length),
            _ => {
                self.put_copy();
                self.copied = Some((offset, length.into()));
            }
        }
    }

    fn put_copy(&mut self) {
        if let Some((offset, length)) = self.copied.take() {
            self.plan.push(COPY);
            self.plan.extend(offset.to_le_bytes());
            self.plan.extend(length.to_le_bytes());
        }
    }

    fn add(&mut self, kind: BlockKind, contents: &[u8], class: Option<bool>) {
        self.put_copy();
        self.plan.push(number(kind));
        let length = u32::try_from(contents.len()).unwrap_or(u32::MAX);
        self.plan.extend(length.to_le_bytes());
        self.contents.extend(contents);
        self.class = self.class.or(class);
    }

    /// Appends the segment to a patch, and begins the next one. So many missing bytes were `done`.
    fn finish<R: Read + Seek>(
        &mut self,
        making: &mut Making<'_, R>,
        done: u64,
        patch: &mut Vec<u8>,
    ) -> Result<(), Patchless> {
        self.put_copy();
        let next = Self {
            begin: done,
            ..Self::default()
        };
        let segment = std::mem::replace(self, next);
        if segment.plan.is_empty() {
            return Ok(());
        }
        let room = (MAX_PLAN - segment.plan.len()) / LONGEST;
        let sources = match segment.class {
            None => Vec::new(),
            Some(class) => {
                let middle = (segment.begin + done) as f64 / 2.0 / making.missing as f64;
                near(&making.vanished, class, (middle, making.prefix), room)
            }
        };
        let mut plan = Vec::new();
        let count = u32::try_from(sources.len()).unwrap_or(u32::MAX);
        plan.extend(count.to_le_bytes());
        let mut prefix = Vec::new();
        for source in sources {
            plan.extend(source.offset.to_le_bytes());
            plan.extend(source.length.to_le_bytes());
            plan.push(number(source.kind));
            let bytes = read(making.old, source.offset, source.length)?;
            let contents = making.codec.unpack(source.kind, &bytes);
            prefix.extend(contents.ok_or(Patchless::Unknown("the older"))?);
        }
        plan.extend(segment.plan);
        let plan = pack(&plan, &[])?;
        let contents = pack(&segment.contents, &prefix)?;
        for frame in [&plan, &contents] {
            let length = u32::try_from(frame.len()).map_err(|_| Patchless::TooLong)?;
            patch.extend(length.to_le_bytes());
        }
        patch.extend(plan);
        patch.extend(contents);
        match patch.len() as u64 > MAX_PATCH {
            true => Err(Patchless::TooLong),
            false => Ok(()),
        }
    }
}

/// Returns the number of a kind in a plan.
fn number(kind: BlockKind) -> u8 {
    let at = KINDS.iter().position(|known| *known == kind);
    at.and_then(|at| u8::try_from(at + 1).ok()).unwrap_or(COPY)
}

/// Chooses blocks of a class whose contents fit into a prefix: all, or those about as far in the old image
/// as the new one is described.
fn near(
    vanished: &[Vanished],
    of: bool,
    (at, prefix): (f64, usize),
    room: usize,
) -> Vec<&Vanished> {
    let own: Vec<_> = vanished
        .iter()
        .filter(|one| class(one.kind) == of)
        .collect();
    let all: usize = own.iter().map(|one| one.contents).sum();
    let begin = match all > prefix {
        true => ((all as f64 * at) as usize).saturating_sub(prefix / 2),
        false => 0,
    };
    // At the end of the image there is nothing behind.
    let begin = begin.min(all.saturating_sub(prefix));
    let (mut skipped, mut taken) = (0, 0);
    let mut near = Vec::new();
    for one in own {
        if skipped < begin {
            skipped += one.contents;
        } else if taken + one.contents <= prefix && near.len() < room {
            taken += one.contents;
            near.push(one);
        }
    }
    near
}

fn read<R: Read + Seek>(input: &mut R, start: u64, length: u32) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; length as usize];
    input.seek(SeekFrom::Start(start))?;
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// Packs bytes as a frame that follows a prefix.
fn pack(bytes: &[u8], prefix: &[u8]) -> Result<Vec<u8>, Patchless> {
    let failed = |code| Patchless::Compression(zstd_safe::get_error_name(code));
    let mut context = CCtx::try_create().ok_or(Patchless::Compression("out of memory"))?;
    let all = (bytes.len() + prefix.len()).next_power_of_two();
    let window = all.trailing_zeros().clamp(MIN_WINDOW, MAX_WINDOW);
    for parameter in [
        CParameter::CompressionLevel(LEVEL),
        CParameter::WindowLog(window),
        CParameter::EnableLongDistanceMatching(!prefix.is_empty()),
        CParameter::ContentSizeFlag(true),
        CParameter::ChecksumFlag(false),
    ] {
        context.set_parameter(parameter).map_err(failed)?;
    }
    context.ref_prefix(prefix).map_err(failed)?;
    let mut packed = vec![0; zstd_safe::compress_bound(bytes.len())];
    let length = context.compress2(&mut packed[..], bytes).map_err(failed)?;
    packed.truncate(length);
    Ok(packed)
}
