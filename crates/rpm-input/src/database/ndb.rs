//! RPM's own database, `Packages.db`.
//!
//! ```text
//! header, 32 B   "RpmP" version generation pages next-index …
//! slots, 16 B    "Slot" index block count        fill `pages` pages of 4096 B with the header
//! blobs          "BlbS" index time length | header | zeros | adler32 length "BlbE"
//! ```
//!
//! All numbers are little endian, 32 bits. Blobs start at multiples of 16 bytes, called blocks;
//! `block` and `count` of a slot are in blocks, and a slot with block 0 is free. The checksum
//! covers a blob up to itself. The format is described by its implementation in librpm,
//! `lib/backend/ndb/rpmpkg.c`.

use super::file::DatabaseFile;
use super::{MAX_BLOB, MAX_PACKAGES, Take};
use crate::error::Error;

/// First bytes of the file.
pub(super) const MAGIC: [u8; 4] = *b"RpmP";

const SLOT_MAGIC: [u8; 4] = *b"Slot";
const BLOB_START: [u8; 4] = *b"BlbS";
const BLOB_END: [u8; 4] = *b"BlbE";
/// Length of a page of slots.
const PAGE: u64 = 4096;
/// Length of a slot, and the unit of its numbers.
const BLOCK: u64 = 16;
/// Length of the file's header: that of two slots, in whose place it stands.
const HEADER: usize = 32;
/// Length of a blob's own header.
const BLOB_HEADER: usize = 16;
/// Length of a blob's end.
const BLOB_TRAILER: usize = 12;
/// Length of both.
const FRAME: usize = BLOB_HEADER + BLOB_TRAILER;

/// A slot that is in use.
struct Slot {
    /// Where it stands in the file.
    offset: u64,
    /// Number of the package.
    index: u32,
    /// First block of the blob.
    block: u64,
    /// Length of the blob in blocks.
    count: u64,
}

impl Slot {
    /// Returns the length of the blob in bytes, if a blob may have it.
    fn length(&self) -> Result<usize, String> {
        let length = self.count * BLOCK;
        usize::try_from(length)
            .ok()
            .filter(|_| (FRAME as u64..=MAX_BLOB).contains(&length))
            .ok_or_else(|| format!("has {length} bytes, {FRAME} to {MAX_BLOB} are allowed"))
    }
}

/// Hands out the number and the header of every installed package.
pub(super) fn read(file: &DatabaseFile, take: &mut Take<'_>) -> Result<(), Error> {
    for slot in slots(file)? {
        let blob = blob(file, &slot)?;
        take(u64::from(slot.index), payload(&blob))?;
    }
    Ok(())
}

/// Reads the slots that are in use, in the order of their blobs.
fn slots(file: &DatabaseFile) -> Result<Vec<Slot>, Error> {
    let mut header = [0; HEADER];
    if file.length() < HEADER as u64 {
        let reason = format!("the file ends here, inside its header of {HEADER} bytes");
        return Err(file.damaged(format!("offset {}", file.length()), reason));
    }
    file.read(0, &mut header)?;
    let version = number(&header, 4);
    if version != 0 {
        return Err(file.refuse(&format!("it has version {version} of ndb; only 0 is known")));
    }
    let pages = u64::from(number(&header, 12));
    let slots_end = pages * PAGE;
    if pages == 0 || slots_end > file.length() {
        let reason = format!(
            "{pages} pages of slots do not fit in {} bytes",
            file.length()
        );
        return Err(file.damaged("offset 12".to_owned(), reason));
    }
    let mut slots = Vec::new();
    let mut page = [0; PAGE as usize];
    for start in (0..slots_end).step_by(PAGE as usize) {
        file.read(start, &mut page)?;
        let places = (start..).step_by(BLOCK as usize);
        for (offset, bytes) in places.zip(page.chunks_exact(BLOCK as usize)) {
            if offset < HEADER as u64 {
                continue;
            }
            if !bytes.starts_with(&SLOT_MAGIC) {
                let reason = "no magic of a slot".to_owned();
                return Err(file.damaged(format!("offset {offset}"), reason));
            }
            let slot = Slot {
                offset,
                index: number(bytes, 4),
                block: u64::from(number(bytes, 8)),
                count: u64::from(number(bytes, 12)),
            };
            if slot.block == 0 {
                continue;
            }
            if slot.index == 0 {
                return Err(wrong_slot(file, &slot, "has index 0"));
            }
            if slot.block * BLOCK < slots_end {
                return Err(wrong_slot(file, &slot, "starts inside the slots"));
            }
            if (slot.block + slot.count) * BLOCK > file.length() {
                return Err(wrong_slot(file, &slot, "is behind the end of the file"));
            }
            // A slot takes 16 bytes there and twice as much here.
            if slots.len() == MAX_PACKAGES {
                return Err(file.refuse(&format!("it has more than {MAX_PACKAGES} packages")));
            }
            slots.push(slot);
        }
    }
    slots.sort_by_key(|slot| slot.block);
    // Without this one blob could stand for any number of packages.
    let mut free = 0;
    for slot in &slots {
        if slot.block < free {
            return Err(wrong_slot(file, slot, "overlaps another blob"));
        }
        free = slot.block + slot.count;
    }
    Ok(slots)
}

/// Reads a blob as a whole and checks it.
fn blob(file: &DatabaseFile, slot: &Slot) -> Result<Vec<u8>, Error> {
    let length = slot
        .length()
        .map_err(|reason| wrong_slot(file, slot, &reason))?;
    let mut blob = vec![0; length];
    let start = slot.block * BLOCK;
    file.read(start, &mut blob)?;
    let damaged = |at: usize, reason: String| {
        Err(file.damaged(format!("offset {}", start + at as u64), reason))
    };
    let trailer = blob.len() - BLOB_TRAILER;
    if !blob.starts_with(&BLOB_START) || !blob.ends_with(&BLOB_END) {
        return damaged(0, "no magics around the blob".to_owned());
    }
    let index = number(&blob, 4);
    if index != slot.index {
        return damaged(
            4,
            format!("blob of package {index}, the slot says {}", slot.index),
        );
    }
    let inner = u64::from(number(&blob, 12));
    let needed = (inner + FRAME as u64).next_multiple_of(BLOCK);
    if needed != blob.len() as u64 || u64::from(number(&blob, trailer + 4)) != inner {
        return damaged(12, format!("blob length {inner} is wrong"));
    }
    let (expected, found) = (
        number(&blob, trailer),
        adler32(blob.get(..trailer).unwrap_or_default()),
    );
    if expected != found {
        return damaged(
            trailer,
            format!("blob has Adler-32 {found:08x}, {expected:08x} is stored"),
        );
    }
    Ok(blob)
}

/// Returns the header of the package in a blob that was checked.
fn payload(blob: &[u8]) -> &[u8] {
    let length = number(blob, 12) as usize;
    let rest = blob.get(BLOB_HEADER..).unwrap_or_default();
    rest.get(..length).unwrap_or_default()
}

fn wrong_slot(file: &DatabaseFile, slot: &Slot, reason: &str) -> Error {
    let place = format!("slot at offset {}", slot.offset);
    file.damaged(place, format!("its blob at block {} {reason}", slot.block))
}

/// Returns the little-endian number at `offset`, 0 where there is none.
fn number(bytes: &[u8], offset: usize) -> u32 {
    let number = bytes.get(offset..).and_then(<[u8]>::first_chunk);
    number.map_or(0, |number| u32::from_le_bytes(*number))
}

/// Returns the checksum of RFC 1950.
fn adler32(bytes: &[u8]) -> u32 {
    const MODULUS: u32 = 65521;
    /// So many bytes can be summed up before 32 bits overflow.
    const RUN: usize = 5552;
    let (mut a, mut b) = (1_u32, 0_u32);
    for run in bytes.chunks(RUN) {
        for byte in run {
            a += u32::from(*byte);
            b += a;
        }
        a %= MODULUS;
        b %= MODULUS;
    }
    b << 16 | a
}

#[cfg(test)]
mod tests {
    use super::{Slot, adler32};

    #[test]
    fn blobs_have_a_least_and_a_largest_length() {
        for (count, expected) in [
            (1, Err("has 16 bytes, 28 to 268435456 are allowed")),
            (2, Ok(32)),
            (1 << 24, Ok(1 << 28)),
            (
                (1 << 24) + 1,
                Err("has 268435472 bytes, 28 to 268435456 are allowed"),
            ),
        ] {
            let slot = Slot {
                offset: 0,
                index: 1,
                block: 1,
                count,
            };
            assert_eq!(slot.length(), expected.map_err(str::to_owned));
        }
    }

    #[test]
    fn adler32_is_that_of_the_rfc() {
        for (bytes, expected) in [
            (&b""[..], 1),
            (b"Wikipedia", 0x11e6_0398),
            (&[0xff; 100_000], 0x149a_302c),
        ] {
            assert_eq!(adler32(bytes), expected, "{} bytes", bytes.len());
        }
    }
}
