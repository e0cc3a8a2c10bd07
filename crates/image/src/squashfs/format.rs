//! What the bytes of an image mean: constants and the superblock.
//!
//! ```text
//! superblock | data blocks and fragment blocks | inode table | directory table |
//! fragment table | id table | xattr table | padding to 4096
//! ```

/// `hsqs`, the first four bytes of an image.
pub(super) const MAGIC: u32 = 0x7371_7368;
/// Length of the superblock in bytes.
pub(super) const SUPERBLOCK_SIZE: usize = 96;
/// A metadata block holds at most this many bytes when unpacked.
pub(super) const METADATA_SIZE: usize = 8192;
/// Set in a metadata block's length: it is stored as it is.
pub(super) const METADATA_RAW: u16 = 0x8000;
/// Set in a data or fragment block's length: it is stored as it is.
pub(super) const BLOCK_RAW: u32 = 1 << 24;
/// Stands for "no table" in the superblock.
pub(super) const NO_TABLE: u64 = u64::MAX;
/// Stands for "no fragment" in a file's inode.
pub(super) const NO_FRAGMENT: u32 = u32::MAX;
/// Stands for "no extended attributes" in an extended inode.
pub(super) const NO_XATTR: u32 = u32::MAX;
/// A directory header covers at most this many entries.
pub(super) const DIRECTORY_RUN: usize = 256;
/// The image is padded to a multiple of this many bytes.
pub(super) const PADDING: u64 = 4096;
/// Smallest and largest block size, in bytes; always a power of two.
pub(super) const BLOCK_SIZES: std::ops::RangeInclusive<u32> = 4096..=1_048_576;

/// Superblock flag: equal contents are stored once.
pub(super) const FLAG_DUPLICATES: u16 = 0x0040;
/// Superblock flag: there are no extended attributes.
pub(super) const FLAG_NO_XATTRS: u16 = 0x0200;
/// Superblock flag: compressor options follow the superblock.
pub(super) const FLAG_COMPRESSOR_OPTIONS: u16 = 0x0400;

/// Inode types. An extended inode's number is its basic one's plus 7.
pub(super) mod inode {
    pub(in super::super) const DIRECTORY: u16 = 1;
    pub(in super::super) const FILE: u16 = 2;
    pub(in super::super) const SYMLINK: u16 = 3;
    pub(in super::super) const BLOCK: u16 = 4;
    pub(in super::super) const CHARACTER: u16 = 5;
    pub(in super::super) const FIFO: u16 = 6;
    pub(in super::super) const SOCKET: u16 = 7;
    pub(in super::super) const EXTENDED: u16 = 7;
}

/// Namespaces of extended attributes by their number in the image.
pub(super) const XATTR_PREFIXES: [&str; 3] = ["user.", "trusted.", "security."];
/// Set in an xattr's type: its value stands elsewhere.
pub(super) const XATTR_OUT_OF_LINE: u16 = 0x0100;

/// The superblock, field by field in the order of the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Superblock {
    pub(super) inode_count: u32,
    pub(super) mkfs_time: u32,
    pub(super) block_size: u32,
    pub(super) fragment_count: u32,
    pub(super) compressor: u16,
    pub(super) flags: u16,
    pub(super) id_count: u16,
    /// Block of the root's inode, relative to the inode table, shifted by 16, plus its offset.
    pub(super) root_inode: u64,
    pub(super) bytes_used: u64,
    pub(super) id_table: u64,
    pub(super) xattr_table: u64,
    pub(super) inode_table: u64,
    pub(super) directory_table: u64,
    pub(super) fragment_table: u64,
    pub(super) export_table: u64,
}

impl Superblock {
    /// Returns the 96 bytes of the superblock.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(SUPERBLOCK_SIZE);
        for word in [
            MAGIC,
            self.inode_count,
            self.mkfs_time,
            self.block_size,
            self.fragment_count,
        ] {
            bytes.extend(word.to_le_bytes());
        }
        let block_log = self.block_size.trailing_zeros() as u16;
        for half in [self.compressor, block_log, self.flags, self.id_count, 4, 0] {
            bytes.extend(half.to_le_bytes());
        }
        for long in [
            self.root_inode,
            self.bytes_used,
            self.id_table,
            self.xattr_table,
            self.inode_table,
            self.directory_table,
            self.fragment_table,
            self.export_table,
        ] {
            bytes.extend(long.to_le_bytes());
        }
        bytes
    }

    /// Reads the 96 bytes of a superblock. What they say is not checked beyond the fields that
    /// the value does not hold: magic, version, and the logarithm of the block size. The error
    /// completes the sentence "superblock: ".
    pub(super) fn parse(bytes: &[u8; SUPERBLOCK_SIZE]) -> Result<Self, &'static str> {
        let word = |at| u32::from_le_bytes(field(bytes, at));
        let half = |at| u16::from_le_bytes(field(bytes, at));
        let long = |at| u64::from_le_bytes(field(bytes, at));
        if word(0) != MAGIC {
            return Err("does not start with hsqs, so this is not a SquashFS image");
        }
        if (half(28), half(30)) != (4, 0) {
            return Err("is not SquashFS version 4.0");
        }
        let superblock = Self {
            inode_count: word(4),
            mkfs_time: word(8),
            block_size: word(12),
            fragment_count: word(16),
            compressor: half(20),
            flags: half(24),
            id_count: half(26),
            root_inode: long(32),
            bytes_used: long(40),
            id_table: long(48),
            xattr_table: long(56),
            inode_table: long(64),
            directory_table: long(72),
            fragment_table: long(80),
            export_table: long(88),
        };
        if u32::from(half(22)) != superblock.block_size.trailing_zeros() {
            return Err("its two fields for the block size disagree");
        }
        Ok(superblock)
    }
}

/// Returns the `N` bytes at a constant position of the superblock.
fn field<const N: usize>(bytes: &[u8; SUPERBLOCK_SIZE], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}
