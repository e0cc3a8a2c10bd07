//! SquashFS 4.0, little endian.
//!
//! [`format`](self::format) holds the constants and the superblock. Source of the format: the
//! kernel's `fs/squashfs/squashfs_fs.h`, and the description that squashfs-tools-ng keeps.

mod format;
