//! What kind of image a file is.

use std::io::{self, Read, Seek, SeekFrom};

use crate::disk::{RECORD_TYPES, Table};
use crate::squashfs::Outline;

/// The type of a partition for Linux in a table of the older kind, and the status by which it is to
/// be started from, with how far before the type that is.
const LINUX: u8 = 0x83;
const ACTIVE: u8 = 0x80;
const TO_STATUS: usize = 4;
/// How much of a file is looked at: the last mark is in the 65th KiB.
const START: u64 = 0x1_0048;

/// What kind of image a file is, by the marks that programs look for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has no bytes.
    Empty,
    /// SquashFS 4.0.
    Squashfs(Outline),
    /// EROFS.
    Erofs,
    /// ext2, ext3 or ext4.
    Ext,
    /// A disk with a GUID partition table.
    Disk(Table),
    /// A file system or container that is not read here. The text completes the sentence "the
    /// image is …".
    Other(&'static str),
    /// Bytes that are to be unpacked first: the name of the compressor.
    Packed(&'static str),
    /// None of these.
    Unknown,
}

/// Marks at an offset, and what has them.
const OTHERS: &[(usize, &[u8], &str)] = &[
    (0, b"LUKS\xba\xbe", "encrypted (LUKS)"),
    (0, b"XFSB", "an XFS file system"),
    (1024, &[0x10, 0x20, 0xf5, 0xf2], "an F2FS file system"),
    (0x1_0040, b"_BHRfS_M", "a Btrfs file system"),
    (54, b"FAT1", "a FAT file system"),
    (82, b"FAT32", "a FAT file system"),
];

/// What compressors begin their output with.
const PACKED: &[(&[u8], &str)] = &[
    (&[0x1f, 0x8b], "gzip"),
    (&[0xfd, b'7', b'z', b'X', b'Z', 0], "xz"),
    (&[0x28, 0xb5, 0x2f, 0xfd], "zstd"),
    (b"BZh", "bzip2"),
];

/// The end of a boot sector, which a table of the older kind has, too.
const BOOT_SECTOR: (usize, &[u8]) = (510, &[0x55, 0xaa]);

impl Kind {
    /// Looks at a file for what it is.
    pub fn of<R: Read + Seek>(input: &mut R) -> io::Result<Self> {
        input.seek(SeekFrom::Start(0))?;
        let mut start = Vec::new();
        input.take(START).read_to_end(&mut start)?;
        if start.is_empty() {
            return Ok(Self::Empty);
        }
        if let Some(outline) = Outline::of(&start) {
            return Ok(Self::Squashfs(outline));
        }
        let at = |offset: usize, mark: &[u8]| {
            start
                .get(offset..)
                .is_some_and(|rest| rest.starts_with(mark))
        };
        // A boot sector may be that of a disk and of a file system; types tell.
        let is_boot_sector = at(BOOT_SECTOR.0, BOOT_SECTOR.1);
        if let Some(table) = Table::read(input)? {
            return Ok(Self::Disk(table));
        }
        if at(1024, &[0xe2, 0xe1, 0xf5, 0xe0]) {
            return Ok(Self::Erofs);
        }
        if at(1080, &[0x53, 0xef]) {
            return Ok(Self::Ext);
        }
        if let Some((_, _, what)) = OTHERS.iter().find(|(offset, mark, _)| at(*offset, mark)) {
            return Ok(Self::Other(what));
        }
        if let Some((_, name)) = PACKED.iter().find(|(mark, _)| at(0, mark)) {
            return Ok(Self::Packed(name));
        }
        let byte = |at: usize| start.get(at).copied().unwrap_or(0);
        let is_active = |at: &usize| byte(*at) == LINUX && byte(*at - TO_STATUS) == ACTIVE;
        Ok(match RECORD_TYPES.iter().any(is_active) {
            true if is_boot_sector => Self::Other("a disk with an older table of partitions (MBR)"),
            _ => Self::Unknown,
        })
    }
}
