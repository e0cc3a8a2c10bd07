//! One file of a package, as the header describes it.

use std::fmt;
use std::sync::Arc;

use files::PathBytes;

use crate::path::FilePath;

/// A file, directory or other node that a package holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Absolute and normalised: `/usr/bin/x`, without `.`, `..`, `//` or a slash at the end.
    pub path: FilePath,
    /// What it is; a link has its target here, a device its number.
    pub kind: FileKind,
    /// Permission bits, `0o7777` at most.
    pub mode: u16,
    /// Name of the owner.
    pub owner: Arc<str>,
    /// Name of the group.
    pub group: Arc<str>,
    /// Length of the content in bytes; of a link, of its target. A header may state anything
    /// for the other kinds.
    pub size: u64,
    /// Modification time in seconds since 1970.
    pub mtime: u32,
    /// Digest of the content, of regular files only.
    pub digest: Option<FileDigest>,
    /// The xattr `security.capability`: `vfs_cap_data` revision 2, 20 bytes.
    pub capabilities: Option<Box<[u8]>>,
    /// Configuration, documentation, ghost and so on.
    pub flags: FileFlags,
    /// The language that the file is for, as `de` (`%lang`).
    pub language: Option<Arc<str>>,
    /// ELF class: 0 none, 1 32 bit, 2 64 bit, as bits.
    pub color: u32,
    /// Files with the same number are names of one inode. The number is the lowest index of
    /// such a file in [`Package::files`](crate::Package::files). The inode has the attributes of
    /// the one with the highest.
    pub hard_link: Option<u32>,
}

impl File {
    /// Returns an empty file of root's with the mode 0644 and nothing else.
    pub fn new(path: impl Into<FilePath>, kind: FileKind) -> Self {
        Self {
            path: path.into(),
            kind,
            mode: 0o644,
            owner: "root".into(),
            group: "root".into(),
            size: 0,
            mtime: 0,
            digest: None,
            capabilities: None,
            flags: FileFlags::default(),
            language: None,
            color: 0,
            hard_link: None,
        }
    }
}

/// What a file is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileKind {
    /// A file with content.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link and its target, which is not normalised.
    Symlink(PathBytes),
    /// A block device; major number in bits 8 to 15, minor in bits 0 to 7.
    Block(u32),
    /// A character device; major number in bits 8 to 15, minor in bits 0 to 7.
    Character(u32),
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
}

impl FileKind {
    /// Returns the type bits of `st_mode`.
    pub(crate) fn type_bits(&self) -> u32 {
        match self {
            Self::Fifo => 0o010_000,
            Self::Character(_) => 0o020_000,
            Self::Directory => 0o040_000,
            Self::Block(_) => 0o060_000,
            Self::Regular => 0o100_000,
            Self::Symlink(_) => 0o120_000,
            Self::Socket => 0o140_000,
        }
    }
}

/// The digest of a file's content.
///
/// It is kept as bytes, among those of the package's other files.
#[derive(Clone)]
pub struct FileDigest {
    algorithm: DigestAlgorithm,
    start: u32,
    digests: Arc<Vec<u8>>,
}

impl FileDigest {
    /// Makes a digest of its hex digits; nothing if there are too few or too many.
    pub fn new(algorithm: DigestAlgorithm, hex: &str) -> Option<Self> {
        let bytes = hex::decode(hex).ok()?;
        if bytes.len() != algorithm.length() {
            return None;
        }
        Some(Self::among(&Arc::new(bytes), 0, algorithm))
    }

    /// Makes the digest that starts at this offset among others.
    pub(crate) fn among(digests: &Arc<Vec<u8>>, start: u32, algorithm: DigestAlgorithm) -> Self {
        Self {
            algorithm,
            start,
            digests: Arc::clone(digests),
        }
    }

    /// Returns the digests that it is among, and its offset there.
    pub fn place(&self) -> (&Arc<Vec<u8>>, u32) {
        (&self.digests, self.start)
    }

    /// Returns how it was made.
    pub fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    /// Returns the digest.
    pub fn bytes(&self) -> &[u8] {
        let start = self.start as usize;
        let bytes = self.digests.get(start..start + self.algorithm.length());
        bytes.unwrap_or_default()
    }

    /// Returns the digest in lower-case hex.
    pub fn hex(&self) -> String {
        hex::encode(self.bytes())
    }

    /// Returns whether equal digests mean equal contents: SHA-256 and better.
    pub fn is_strong(&self) -> bool {
        self.algorithm.is_strong()
    }

    /// Returns the algorithm's name as it stands in front of a digest: `sha256`.
    pub fn tag(&self) -> String {
        self.algorithm.name().to_ascii_lowercase().replace('-', "")
    }
}

impl PartialEq for FileDigest {
    fn eq(&self, other: &Self) -> bool {
        (self.algorithm, self.bytes()) == (other.algorithm, other.bytes())
    }
}

impl Eq for FileDigest {}

impl fmt::Debug for FileDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.algorithm, self.hex())
    }
}

/// A digest algorithm, by its number in OpenPGP (RFC 9580, section 9.5), which RPM uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DigestAlgorithm {
    /// Number 1, of packages built before 2009 or so.
    Md5,
    /// Number 2.
    Sha1,
    /// Number 8, in nearly every package.
    Sha256,
    /// Number 9.
    Sha384,
    /// Number 10.
    Sha512,
    /// Number 11.
    Sha224,
}

impl DigestAlgorithm {
    /// Returns the algorithm of this number, if it is one that we compute.
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        match number {
            1 => Some(Self::Md5),
            2 => Some(Self::Sha1),
            8 => Some(Self::Sha256),
            9 => Some(Self::Sha384),
            10 => Some(Self::Sha512),
            11 => Some(Self::Sha224),
            _ => None,
        }
    }

    /// Returns whether equal digests mean equal contents: SHA-256 and better.
    pub fn is_strong(self) -> bool {
        matches!(self, Self::Sha256 | Self::Sha384 | Self::Sha512)
    }

    /// Returns the name as people write it, `SHA-256`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha224 => "SHA-224",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        }
    }

    /// Returns the length of a digest in bytes.
    pub(crate) fn length(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha224 => 28,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl fmt::Display for DigestAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The flags of a file, `rpmfileAttrs` of librpm.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct FileFlags(pub u32);

impl FileFlags {
    fn has(self, bit: u32) -> bool {
        self.0 & (1 << bit) != 0
    }

    /// Returns whether the file is configuration (`%config`).
    pub fn is_config(self) -> bool {
        self.has(0)
    }

    /// Returns whether the file is documentation (`%doc`).
    pub fn is_doc(self) -> bool {
        self.has(1)
    }

    /// Returns whether the file may be missing (`%config(missingok)`).
    pub fn is_missing_ok(self) -> bool {
        self.has(3)
    }

    /// Returns whether an edited copy stays in place (`%config(noreplace)`).
    pub fn is_noreplace(self) -> bool {
        self.has(4)
    }

    /// Returns whether the package owns the path but has no content for it (`%ghost`).
    pub fn is_ghost(self) -> bool {
        self.has(6)
    }

    /// Returns whether the file is a licence text (`%license`).
    pub fn is_license(self) -> bool {
        self.has(7)
    }

    /// Returns whether the file is a read-me (`%readme`).
    pub fn is_readme(self) -> bool {
        self.has(8)
    }

    /// Returns whether the file is a by-product of the build (`%artifact`).
    pub fn is_artifact(self) -> bool {
        self.has(12)
    }
}
