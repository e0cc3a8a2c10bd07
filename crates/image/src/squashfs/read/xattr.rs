//! Extended attributes.
//!
//! An inode has a number, an entry of the xattr id table: where its set of attributes starts, and
//! how many there are. A value that many sets share may stand in one place, with a reference to it
//! where it would be.

use std::collections::BTreeMap;
use std::io::{Read, Seek};

use super::error::ReadError;
use super::layout::{Lookup, Table, XATTR_HEADER};
use super::storage::{Cursor, Storage};
use crate::budget::Budget;
use crate::squashfs::format::{XATTR_OUT_OF_LINE, XATTR_PREFIXES};

/// Longest value in bytes: Linux's `XATTR_SIZE_MAX`.
const MAX_VALUE: u32 = 65_536;
/// Longest full name in bytes: Linux's `XATTR_NAME_MAX`.
const MAX_NAME: usize = 255;
/// Length of what stands for a value that is elsewhere, in bytes: a reference.
const REFERENCE_SIZE: u32 = 8;

/// The xattr table.
pub(super) struct Xattrs {
    /// Names and values.
    pairs: Table,
    ids: Lookup,
}

impl Xattrs {
    /// Reads the table's header, if the image has the table.
    pub(super) fn open<R: Read + Seek>(
        storage: &mut Storage<R>,
    ) -> Result<Option<Self>, ReadError> {
        let Some(header) = storage.layout.xattrs else {
            return Ok(None);
        };
        let bytes = storage.read_at(header, XATTR_HEADER as usize)?;
        let Some((start, rest)) = bytes.split_first_chunk() else {
            return Ok(None);
        };
        let count = rest.first_chunk().map_or(0, |n| u32::from_le_bytes(*n));
        let ids = storage
            .layout
            .xattr_ids(header, u64::from_le_bytes(*start), count)?;
        Ok(Some(Self {
            pairs: ids.blocks,
            ids,
        }))
    }

    /// Returns the attributes of set `number` by full name.
    pub(super) fn read<R: Read + Seek>(
        &self,
        storage: &mut Storage<R>,
        number: u32,
        budget: &mut Budget,
    ) -> Result<BTreeMap<String, Vec<u8>>, ReadError> {
        let mut entry = storage.entry(&self.ids, number)?;
        let reference = entry.u64(storage)?;
        let count = entry.u32(storage)?;
        let mut pair = Cursor::new(self.pairs, reference);
        let mut xattrs = BTreeMap::new();
        // Names are not empty and differ, so a count that is too high runs into an error.
        for _ in 0..count {
            let (name, value) = self.pair(storage, &mut pair)?;
            budget.charge(name.len() + value.len())?;
            if xattrs.contains_key(&name) {
                return Err(pair.wrong(format!("{name:?} is there twice")));
            }
            xattrs.insert(name, value);
        }
        Ok(xattrs)
    }

    fn pair<R: Read + Seek>(
        &self,
        storage: &mut Storage<R>,
        pair: &mut Cursor,
    ) -> Result<(String, Vec<u8>), ReadError> {
        let kind = pair.u16(storage)?;
        let Some(prefix) = XATTR_PREFIXES.get(usize::from(kind & !XATTR_OUT_OF_LINE)) else {
            return Err(pair.wrong(format!("{kind:#x} is not a type of extended attribute")));
        };
        let length = usize::from(pair.u16(storage)?);
        if length == 0 || prefix.len() + length > MAX_NAME {
            return Err(pair.wrong(format!(
                "the name of an extended attribute has {length} bytes after {prefix}"
            )));
        }
        let suffix = pair.bytes(storage, length)?;
        let name = match std::str::from_utf8(&suffix) {
            Ok(suffix) if !suffix.contains('\0') => format!("{prefix}{suffix}"),
            _ => {
                return Err(pair.wrong(format!(
                    "the name of an extended attribute is not text: {prefix}{}",
                    suffix.escape_ascii()
                )));
            }
        };
        if kind & XATTR_OUT_OF_LINE == 0 {
            return Ok((name, value(storage, pair)?));
        }
        let length = pair.u32(storage)?;
        if length != REFERENCE_SIZE {
            return Err(pair.wrong(format!(
                "the reference to the value of {name:?} has {length} bytes"
            )));
        }
        let reference = pair.u64(storage)?;
        let value = value(storage, &mut Cursor::new(self.pairs, reference))?;
        Ok((name, value))
    }
}

fn value<R: Read + Seek>(
    storage: &mut Storage<R>,
    cursor: &mut Cursor,
) -> Result<Vec<u8>, ReadError> {
    let length = cursor.u32(storage)?;
    if length > MAX_VALUE {
        return Err(cursor.wrong(format!(
            "the value of an extended attribute has {length} bytes, more than {MAX_VALUE}"
        )));
    }
    cursor.bytes(storage, length as usize)
}
