//! What clients look at in an image.

use crate::disk::{Designator, Partition, Protection};
use crate::release::Release;

/// Length in bytes of an image that was not read.
const ASSUMED: u64 = 4096;
/// Compressors of SquashFS that Linux reads.
const COMPRESSORS: [&str; 5] = ["gzip", "lz4", "lzo", "xz", "zstd"];

/// How the bytes of an image file are arranged.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Container {
    /// File systems: one that is the whole file, or those of a disk's partitions that are mounted.
    FileSystems(Vec<FileSystem>),
    /// A manifest alone was read, which does not say what the image file is: that is taken for a whole
    /// one.
    #[default]
    Assumed,
    /// No file system that systemd knows, or one that Linux can't mount. The text completes the
    /// sentence "the image …".
    Broken(String),
    /// Something that was not read, though clients may read it. The text completes the sentence
    /// "the image …".
    Unread(String),
}

/// A file system of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileSystem {
    /// Its type, as libblkid names it: `squashfs`, `erofs`, `ext4`, `ext3`, `ext2`.
    pub kind: &'static str,
    /// Name of the compressor of a SquashFS, such as `zstd`.
    pub compressor: Option<&'static str>,
    /// Size of the file or partition, in bytes.
    pub length: u64,
    /// Size of the file system in it, in bytes, as its superblock says.
    pub bytes_used: u64,
    /// Where it is mounted.
    pub designator: Designator,
    /// What protects it.
    pub protection: Protection,
    /// The partition with its hashes begins like one.
    pub has_hashes: bool,
    /// The partition with their signature has one.
    pub has_signature: bool,
}

impl FileSystem {
    /// Makes one that is the whole file.
    #[must_use]
    pub fn whole(kind: &'static str, length: u64, bytes_used: u64) -> Self {
        Self {
            kind,
            compressor: None,
            length,
            bytes_used,
            designator: Designator::Root,
            protection: Protection::Unprotected,
            has_hashes: false,
            has_signature: false,
        }
    }

    /// Makes one of which a manifest says what it is: it is taken for a whole one.
    #[must_use]
    pub fn assumed(kind: &'static str, protection: Protection, has_signature: bool) -> Self {
        Self {
            protection,
            has_hashes: protection > Protection::Unprotected,
            has_signature,
            ..Self::whole(kind, ASSUMED, ASSUMED)
        }
    }

    /// Says whether Linux reads the compressor, if there is one.
    #[must_use]
    pub fn is_read_by_linux(&self) -> bool {
        self.compressor
            .is_none_or(|compressor| COMPRESSORS.contains(&compressor))
    }
}

/// A file `usr/lib/extension-release.d/extension-release.NAME` of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseFile {
    /// Its name after `extension-release.`.
    pub name: String,
    /// It is a regular file, and not a link to one.
    pub is_regular: bool,
    /// Value of its extended attribute `user.extension-release.strict`.
    pub strict: Option<Vec<u8>>,
    /// Its keys, with links followed; `None` if it is not a regular file. A file that systemd can't
    /// read has no keys.
    pub keys: Option<Release>,
    /// What is there instead of a regular file, through links.
    pub instead: Option<Instead>,
}

/// What may be where a file should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Instead {
    /// A directory.
    Directory,
    /// A device, pipe or socket.
    Special,
}

impl ReleaseFile {
    /// Says whether the attribute allows other names, as systemd's `parse_boolean` reads it.
    pub(crate) fn is_lenient(&self) -> bool {
        let off = ["0", "no", "n", "false", "f", "off"];
        let value = self.strict.as_deref().map(String::from_utf8_lossy);
        value.is_some_and(|value| off.iter().any(|word| value.eq_ignore_ascii_case(word)))
    }
}

/// An image, as far as clients look.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Image {
    /// File name in the store, such as `strace-6.11-1.1.x86-64.raw`.
    pub file: String,
    /// Name of the link in `/etc/extensions` without `.raw`, such as `strace`.
    pub link: String,
    /// What follows the version in the pattern by which clients of its store look for it, such as
    /// `.%a.raw`, which is the default.
    pub ending: Option<&'static str>,
    /// The patterns of a client's definition for it, where one is known.
    pub patterns: Vec<String>,
    /// How its bytes are arranged.
    pub container: Container,
    /// The partitions of a disk image; none where a file system is the whole file.
    pub partitions: Vec<Partition>,
    /// Its extension-release files, in any order.
    pub releases: Vec<ReleaseFile>,
    /// The same of a confext, in `/etc/extension-release.d`.
    pub confext_releases: Vec<ReleaseFile>,
    /// Its os-release, or what stands for it, is a directory.
    pub os_release_is_directory: bool,
    /// What its manifest, beside it in the store, says of its extension-release file.
    pub manifest: Option<Release>,
    /// It has `/usr/lib/os-release`, which would be the merged system's.
    pub has_usr_os_release: bool,
    /// It has `/etc/os-release`, which is never merged but makes it look like a whole system.
    pub has_etc_os_release: bool,
}

impl Image {
    /// Returns the file name without `.raw`.
    #[must_use]
    pub fn stem(&self) -> &str {
        self.file.strip_suffix(".raw").unwrap_or(&self.file)
    }
}
