//! A patch and the older image make the new one.

use std::io::{Read, Seek, SeekFrom, Write};

use image::squashfs::Codec;
use zstd_safe::{DCtx, DParameter};

use super::{COPY, Fields, KINDS, MAX_CONTENTS, MAX_PLAN, MAX_WINDOW, Patch, PatchError};

/// Bytes are copied in parts of this size.
const BUFFER: u64 = 256 << 10;

impl Patch<'_> {
    /// Writes the new image. What was written is right if it has the SHA-256 that the caller expects,
    /// and not otherwise. `progress` is told how many bytes there are.
    ///
    /// # Errors
    /// What is wrong with the patch or the older image, after some bytes were written, but never more
    /// than the patch says that the new image has.
    pub fn apply<R: Read + Seek, W: Write>(
        &self,
        old: &mut R,
        new: &mut W,
        progress: &dyn Fn(u64),
    ) -> Result<(), PatchError> {
        let length = old.seek(SeekFrom::End(0))?;
        if length != self.old_length {
            return Err(PatchError::Other("it has another length"));
        }
        let codec = Codec::new(self.compressor, self.block_size);
        let mut applying = Applying {
            old,
            old_length: length,
            new,
            left: self.new_length,
            codec: codec.map_err(|_| PatchError::Damaged("its compressor can't be used"))?,
            packed: Vec::new(),
        };
        let mut segments = Fields(self.segments);
        while !segments.0.is_empty() {
            let cut_off = || PatchError::Damaged("a segment is cut off");
            let mut frame = || segments.u32().map(|length| length as usize);
            let (plan, contents) = (frame().zip(frame())).ok_or_else(cut_off)?;
            let plan = segments.bytes(plan).ok_or_else(cut_off)?;
            let contents = segments.bytes(contents).ok_or_else(cut_off)?;
            let before = applying.left;
            applying.segment(plan, contents)?;
            // Of what makes nothing there could be any number.
            if applying.left == before {
                return Err(PatchError::Damaged("a segment makes nothing"));
            }
            progress(self.new_length - applying.left);
        }
        match applying.left {
            0 => Ok(()),
            _ => Err(PatchError::Damaged("it ends before the image does")),
        }
    }
}

/// The new image as far as it was made.
struct Applying<'a, R, W> {
    old: &'a mut R,
    old_length: u64,
    new: &'a mut W,
    /// How many bytes it has still to get.
    left: u64,
    codec: Codec,
    packed: Vec<u8>,
}

impl<R: Read + Seek, W: Write> Applying<'_, R, W> {
    fn segment(&mut self, plan: &[u8], contents: &[u8]) -> Result<(), PatchError> {
        let plan = unpack(plan, &[], MAX_PLAN).ok_or(PatchError::Damaged("a plan"))?;
        let mut steps = Fields(&plan);
        let prefix = self.prefix(&mut steps)?;
        let contents = unpack(contents, &prefix, MAX_CONTENTS);
        let contents = contents.ok_or(PatchError::Damaged("contents"))?;
        let mut contents = Fields(&contents);
        while let Some([step]) = steps.take() {
            let cut_off = PatchError::Damaged("a step is cut off");
            if step == COPY {
                let (offset, length) = (steps.u64().zip(steps.u64())).ok_or(cut_off)?;
                if length == 0 {
                    return Err(PatchError::Damaged("a step makes nothing"));
                }
                self.copy(offset, length)?;
                continue;
            }
            let kind = KINDS.get(usize::from(step) - 1);
            let kind = *kind.ok_or(PatchError::Damaged("no step has such a number"))?;
            let length = steps.u32().ok_or(cut_off)? as usize;
            let part = contents.bytes(length);
            let part = part.ok_or(PatchError::Damaged("a step wants more than there is"))?;
            if length == 0 {
                return Err(PatchError::Damaged("a step makes nothing"));
            }
            if length > self.codec.limit(kind) {
                return Err(PatchError::Damaged("no block is as long"));
            }
            let mut packed = std::mem::take(&mut self.packed);
            (self.codec.pack(kind, part, &mut packed))
                .map_err(|_| PatchError::Damaged("a block can't be packed"))?;
            self.write(&packed)?;
            self.packed = packed;
        }
        match contents.0.is_empty() {
            true => Ok(()),
            false => Err(PatchError::Damaged("no step wants all contents")),
        }
    }

    /// Returns the contents of the older image's blocks that a plan begins with.
    fn prefix(&mut self, steps: &mut Fields<'_>) -> Result<Vec<u8>, PatchError> {
        let cut_off = || PatchError::Damaged("a plan is cut off");
        let mut prefix = Vec::new();
        for _ in 0..steps.u32().ok_or_else(cut_off)? {
            let mut source = || Some((steps.u64()?, steps.u32()?, steps.take::<1>()?));
            let (offset, length, [kind]) = source().ok_or_else(cut_off)?;
            let kind = KINDS.get(usize::from(kind).wrapping_sub(1));
            let kind = *kind.ok_or(PatchError::Damaged("no block is of such a kind"))?;
            // Packed, a block is hardly longer than its contents.
            if length as usize > 2 * self.codec.limit(kind) {
                return Err(PatchError::Damaged("no block is as long"));
            }
            let mut bytes = vec![0; length as usize];
            self.seek(offset, length.into())?;
            self.old.read_exact(&mut bytes)?;
            let contents = self.codec.unpack(kind, &bytes);
            let contents = contents.ok_or(PatchError::Other("a block is damaged"))?;
            if prefix.len() + contents.len() > MAX_CONTENTS {
                return Err(PatchError::Damaged("a prefix is too long"));
            }
            prefix.extend(contents);
        }
        Ok(prefix)
    }

    fn copy(&mut self, offset: u64, length: u64) -> Result<(), PatchError> {
        self.seek(offset, length)?;
        let mut left = length;
        let mut buffer = Vec::new();
        while left > 0 {
            buffer.resize(left.min(BUFFER) as usize, 0);
            self.old.read_exact(&mut buffer)?;
            self.write(&buffer)?;
            left -= buffer.len() as u64;
        }
        Ok(())
    }

    /// Goes to some bytes of the older image, if it has them.
    fn seek(&mut self, offset: u64, length: u64) -> Result<(), PatchError> {
        match offset.checked_add(length) {
            Some(end) if end <= self.old_length => {
                self.old.seek(SeekFrom::Start(offset))?;
                Ok(())
            }
            _ => Err(PatchError::Damaged("it wants bytes behind the older image")),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), PatchError> {
        let left = self.left.checked_sub(bytes.len() as u64);
        self.left = left.ok_or(PatchError::Damaged("it makes more than the image has"))?;
        Ok(self.new.write_all(bytes)?)
    }
}

/// Unpacks a frame that follows a prefix into at most `limit` bytes.
fn unpack(frame: &[u8], prefix: &[u8], limit: usize) -> Option<Vec<u8>> {
    let length = zstd_safe::get_frame_content_size(frame).ok()??;
    let length = usize::try_from(length).ok().filter(|it| *it <= limit)?;
    let mut context = DCtx::try_create()?;
    context
        .set_parameter(DParameter::WindowLogMax(MAX_WINDOW))
        .ok()?;
    context.ref_prefix(prefix).ok()?;
    let mut unpacked = vec![0; length];
    let found = context.decompress(&mut unpacked[..], frame).ok()?;
    (found == length).then_some(unpacked)
}
