//! What names the contents of files.
//!
//! There are as many names as files, so a name is small: a digest stays where it was read, among
//! those of other files.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// Names a file's content: two leaves with equal ids hold the same bytes.
///
/// The text is `algorithm:hex`, as in `sha256:9f86…`, where a digest is the name. The code that
/// fills the tree guarantees that equal ids mean equal contents, since each id is packed once.
#[derive(Clone)]
pub struct ContentId(Name);

#[derive(Clone)]
enum Name {
    Digest(Algorithm, u32, Arc<Vec<u8>>),
    Place(u64),
    Empty,
    // One pointer, and not two.
    Text(Arc<String>),
}

/// What a content's digest was made with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Algorithm {
    fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Returns the length of a digest in bytes.
    fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

impl ContentId {
    /// Makes an id of its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Name::Text(Arc::new(text.into())))
    }

    /// Makes the id of a SHA-256 digest.
    pub fn sha256(digest: &[u8; 32]) -> Self {
        let digest = Arc::new(digest.to_vec());
        Self(Name::Digest(Algorithm::Sha256, 0, digest))
    }

    /// Makes the id of the digest that starts at this offset among others. They stay in memory as
    /// long as the id.
    pub fn among(digests: &Arc<Vec<u8>>, start: u32, algorithm: Algorithm) -> Self {
        Self(Name::Digest(algorithm, start, Arc::clone(digests)))
    }

    /// Makes the id of the content that has no bytes.
    pub fn empty() -> Self {
        Self(Name::Empty)
    }

    /// Makes the id of the content of an inode in an image.
    pub(crate) fn at(reference: u64) -> Self {
        Self(Name::Place(reference))
    }

    /// Says whether it is that of a SHA-256 digest.
    pub fn is_sha256(&self) -> bool {
        matches!(self.0, Name::Digest(Algorithm::Sha256, ..))
    }

    /// Returns the reference of the inode whose content it is, if it is one in an image.
    pub(crate) fn place(&self) -> Option<u64> {
        match self.0 {
            Name::Place(reference) => Some(reference),
            _ => None,
        }
    }

    /// Returns a byte that is as good as random among digests, and the same in every run.
    pub(crate) fn spread(&self) -> u8 {
        let (_, _, bytes) = self.key();
        bytes.first().copied().unwrap_or(1)
    }

    /// Says whether equal ids mean equal contents in every image: a digest is the name.
    pub fn is_digest(&self) -> bool {
        matches!(self.0, Name::Digest(..))
    }

    /// Returns what it is told from others by.
    fn key(&self) -> (u8, u64, &[u8]) {
        match &self.0 {
            Name::Digest(algorithm, start, digests) => {
                let start = *start as usize;
                let digest = digests.get(start..start + algorithm.length());
                (0, *algorithm as u64, digest.unwrap_or_default())
            }
            Name::Place(reference) => (1, *reference, &[]),
            Name::Empty => (2, 0, &[]),
            Name::Text(text) => (3, 0, text.as_bytes()),
        }
    }
}

impl PartialEq for ContentId {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for ContentId {}

impl PartialOrd for ContentId {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for ContentId {
    fn cmp(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl fmt::Display for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Name::Digest(algorithm, ..) => {
                write!(f, "{}:", algorithm.name())?;
                let (_, _, digest) = self.key();
                digest.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Name::Place(reference) => write!(f, "at:{reference:x}"),
            Name::Empty => f.write_str("empty"),
            Name::Text(text) => f.write_str(text),
        }
    }
}

impl fmt::Debug for ContentId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart_by_what_they_say() {
        let digests = Arc::new([[1; 32], [2; 32], [1; 32]].concat());
        let among = |start, algorithm| ContentId::among(&digests, start, algorithm);
        let first = among(0, Algorithm::Sha256);
        assert_eq!(first, among(64, Algorithm::Sha256));
        assert_eq!(first, ContentId::sha256(&[1; 32]));
        assert_eq!(first.to_string(), format!("sha256:{}", "01".repeat(32)));
        let long = among(32, Algorithm::Sha512);
        let hex = "02".repeat(32) + &"01".repeat(32);
        assert_eq!(long.to_string(), format!("sha512:{hex}"));
        assert_eq!(ContentId::at(0x1f).to_string(), "at:1f");
        assert_eq!(ContentId::new("none").to_string(), "none");
        let different = [
            first,
            among(32, Algorithm::Sha256),
            among(32, Algorithm::Sha384),
            long,
            ContentId::at(1),
            ContentId::at(2),
            ContentId::empty(),
            ContentId::new("at:1"),
            ContentId::new("none"),
        ];
        assert!(different.is_sorted_by(|one, two| one < two));
    }

    #[test]
    fn a_name_is_small() {
        assert_eq!(size_of::<ContentId>(), 16);
    }
}
