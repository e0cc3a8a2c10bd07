//! Inodes, basic and extended.

use std::io::{Read, Seek};

use files::PathBytes;

use super::error::ReadError;
use super::storage::{Cursor, Storage, stored_length};
use crate::squashfs::format::{NO_FRAGMENT, NO_XATTR, inode};
use crate::tree::{Special, Stat};

/// Longest target of a symbolic link, in bytes: Linux's `PATH_MAX` less its final NUL.
const MAX_TARGET: u32 = 4095;
/// A directory's inode counts this many bytes more than its listing has.
const LISTING_EXTRA: u32 = 3;

/// An inode as its table tells it.
pub(super) struct Inode {
    pub(super) number: u32,
    /// Without extended attributes.
    pub(super) stat: Stat,
    /// Entry of the xattr id table.
    pub(super) xattrs: Option<u32>,
    pub(super) kind: Kind,
}

/// What an inode is.
pub(super) enum Kind {
    Directory {
        /// Where the listing starts in the directory table.
        listing: u64,
        /// Length of the listing in bytes.
        length: u32,
    },
    File(File),
    Symlink(PathBytes),
    Special(Special),
}

/// Where the bytes of a file are.
#[derive(Clone)]
pub(super) struct File {
    /// Length in bytes.
    pub(super) size: u64,
    /// Offset of the first data block.
    pub(super) start: u64,
    /// How many sizes of blocks follow in the inode table.
    pub(super) block_count: u64,
    /// Where those sizes are.
    pub(super) block_list: Cursor,
    /// Where the last bytes are, if they are not a data block.
    pub(super) tail: Option<Tail>,
}

/// The end of a file, shorter than a block, inside a fragment block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tail {
    /// Entry of the fragment table.
    pub(super) fragment: u32,
    /// Position in the unpacked fragment block.
    pub(super) offset: u32,
    /// Length in bytes, above 0.
    pub(super) length: u32,
}

/// Reduces the number of an extended inode type to that of the basic one.
pub(super) fn basic_type(number: u16) -> u16 {
    if number > inode::EXTENDED {
        number - inode::EXTENDED
    } else {
        number
    }
}

impl Inode {
    /// Returns the number of its basic type, as directories tell it.
    pub(super) fn basic_type(&self) -> u16 {
        match &self.kind {
            Kind::Directory { .. } => inode::DIRECTORY,
            Kind::File(_) => inode::FILE,
            Kind::Symlink(_) => inode::SYMLINK,
            Kind::Special(Special::Block(_)) => inode::BLOCK,
            Kind::Special(Special::Character(_)) => inode::CHARACTER,
            Kind::Special(Special::Fifo) => inode::FIFO,
            Kind::Special(Special::Socket) => inode::SOCKET,
        }
    }

    /// Reads the inode at a reference into the inode table. `ids` is the id table.
    pub(super) fn read<R: Read + Seek>(
        storage: &mut Storage<R>,
        ids: &[u32],
        reference: u64,
    ) -> Result<Self, ReadError> {
        let mut cursor = Cursor::new(storage.layout.inodes, reference);
        let start = cursor.clone();
        let number_of_type = cursor.u16(storage)?;
        let mode = cursor.u16(storage)? & 0o7777;
        let uid = cursor.u16(storage)?;
        let gid = cursor.u16(storage)?;
        let mtime = cursor.u32(storage)?;
        let number = cursor.u32(storage)?;
        let id = |index: u16| {
            ids.get(usize::from(index)).copied().ok_or_else(|| {
                start.wrong(format!("id {index} is not one of the {} ids", ids.len()))
            })
        };
        let stat = Stat {
            mode,
            uid: id(uid)?,
            gid: id(gid)?,
            mtime,
            ..Stat::default()
        };
        if number == 0 || number > storage.layout.inode_count {
            return Err(start.wrong(format!(
                "inode number {number} is not one of 1 to {}",
                storage.layout.inode_count
            )));
        }

        let basic = basic_type(number_of_type);
        let extended = number_of_type > inode::EXTENDED;
        let (kind, xattrs) = match basic {
            inode::DIRECTORY => directory(storage, &mut cursor, extended)?,
            inode::FILE => file(storage, &mut cursor, extended)?,
            inode::SYMLINK => {
                cursor.u32(storage)?; // number of links
                let target = target(storage, &mut cursor)?;
                (
                    Kind::Symlink(target),
                    xattrs(storage, &mut cursor, extended)?,
                )
            }
            inode::BLOCK | inode::CHARACTER => {
                cursor.u32(storage)?; // number of links
                let device = cursor.u32(storage)?;
                let special = if basic == inode::BLOCK {
                    Special::Block(device)
                } else {
                    Special::Character(device)
                };
                (
                    Kind::Special(special),
                    xattrs(storage, &mut cursor, extended)?,
                )
            }
            inode::FIFO | inode::SOCKET => {
                cursor.u32(storage)?; // number of links
                let special = if basic == inode::FIFO {
                    Special::Fifo
                } else {
                    Special::Socket
                };
                (
                    Kind::Special(special),
                    xattrs(storage, &mut cursor, extended)?,
                )
            }
            _ => {
                return Err(start.wrong(format!("{number_of_type} is not a type of inode")));
            }
        };
        Ok(Self {
            number,
            stat,
            xattrs: (xattrs != NO_XATTR).then_some(xattrs),
            kind,
        })
    }
}

/// Reads the xattr field, which only extended inodes have.
fn xattrs<R: Read + Seek>(
    storage: &mut Storage<R>,
    cursor: &mut Cursor,
    extended: bool,
) -> Result<u32, ReadError> {
    if extended {
        cursor.u32(storage)
    } else {
        Ok(NO_XATTR)
    }
}

fn directory<R: Read + Seek>(
    storage: &mut Storage<R>,
    cursor: &mut Cursor,
    extended: bool,
) -> Result<(Kind, u32), ReadError> {
    let (block, length, offset, xattrs) = if extended {
        cursor.u32(storage)?; // number of links
        let length = cursor.u32(storage)?;
        let block = cursor.u32(storage)?;
        cursor.u32(storage)?; // parent
        cursor.u16(storage)?; // entries of the index that follows, which only speeds up look-ups
        let offset = cursor.u16(storage)?;
        (block, length, offset, cursor.u32(storage)?)
    } else {
        let block = cursor.u32(storage)?;
        cursor.u32(storage)?; // number of links
        let length = u32::from(cursor.u16(storage)?);
        (block, length, cursor.u16(storage)?, NO_XATTR)
    };
    let kind = Kind::Directory {
        listing: u64::from(block) << 16 | u64::from(offset),
        length: length.saturating_sub(LISTING_EXTRA),
    };
    Ok((kind, xattrs))
}

fn file<R: Read + Seek>(
    storage: &mut Storage<R>,
    cursor: &mut Cursor,
    extended: bool,
) -> Result<(Kind, u32), ReadError> {
    let (start, size, fragment, offset, xattrs) = if extended {
        let start = cursor.u64(storage)?;
        let size = cursor.u64(storage)?;
        cursor.u64(storage)?; // bytes in holes
        cursor.u32(storage)?; // number of links
        let fragment = cursor.u32(storage)?;
        let offset = cursor.u32(storage)?;
        (start, size, fragment, offset, cursor.u32(storage)?)
    } else {
        let start = u64::from(cursor.u32(storage)?);
        let fragment = cursor.u32(storage)?;
        let offset = cursor.u32(storage)?;
        let size = u64::from(cursor.u32(storage)?);
        (start, size, fragment, offset, NO_XATTR)
    };
    let block_size = u64::from(storage.layout.block_size);
    let (block_count, tail) = if fragment == NO_FRAGMENT {
        (size.div_ceil(block_size), None)
    } else {
        // Below the block size, so it fits.
        let length = u32::try_from(size % block_size).unwrap_or(0);
        if length == 0 {
            return Err(cursor.wrong(format!(
                "a file of {size} bytes has no tail that could be in a fragment"
            )));
        }
        if fragment >= storage.layout.fragments.count
            || u64::from(offset) + u64::from(length) > block_size
        {
            return Err(cursor.wrong(format!(
                "there are no {length} bytes at position {offset} of fragment {fragment}"
            )));
        }
        let tail = Tail {
            fragment,
            offset,
            length,
        };
        (size / block_size, Some(tail))
    };
    let file = File {
        size,
        start,
        block_count,
        block_list: cursor.clone(),
        tail,
    };
    Ok((Kind::File(file), xattrs))
}

fn target<R: Read + Seek>(
    storage: &mut Storage<R>,
    cursor: &mut Cursor,
) -> Result<PathBytes, ReadError> {
    let length = cursor.u32(storage)?;
    if length == 0 || length > MAX_TARGET {
        return Err(cursor.wrong(format!(
            "a link's target has {length} bytes, not 1 to {MAX_TARGET}"
        )));
    }
    let bytes = cursor.bytes(storage, length as usize)?;
    match bytes.contains(&0) {
        true => Err(cursor.wrong("a link's target has a NUL")),
        false => Ok(PathBytes::from(bytes)),
    }
}

impl File {
    /// Reads the size words of all data blocks and checks that the blocks are inside the image.
    /// `charge` is called for each word before it is kept.
    pub(super) fn block_words<R: Read + Seek>(
        &self,
        storage: &mut Storage<R>,
        charge: &mut dyn FnMut() -> Result<(), ReadError>,
    ) -> Result<Vec<u32>, ReadError> {
        let mut cursor = self.block_list.clone();
        let mut words = Vec::new();
        let mut end = self.start;
        // The words come from metadata that is there, so an invented size ends with the table.
        for _ in 0..self.block_count {
            let word = cursor.u32(storage)?;
            charge()?;
            words.push(word);
            if word != 0 {
                let stored = stored_length(word, storage.layout.block_size)
                    .map_err(|problem| cursor.wrong(format!("a data block {problem}")))?;
                end = end.saturating_add(stored.into());
            }
        }
        if end > storage.layout.bytes_used {
            return Err(cursor.wrong(format!(
                "the data blocks end at offset {end}, the image at {}",
                storage.layout.bytes_used
            )));
        }
        Ok(words)
    }
}
