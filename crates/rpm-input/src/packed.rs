//! The files of a package as they are kept: small, since there may be hundreds of thousands.
//!
//! What differs from file to file is in a record; names, digests and targets are in one piece each.
//! Owner, group, language, capabilities and the like are the same for most files of a package, so
//! each combination is kept once. A [`File`] is made when it is asked for.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use files::PathBytes;

use crate::file::{DigestAlgorithm, File, FileDigest, FileFlags, FileKind};
use crate::path::{FilePath, Names};

/// Stands for "none" where an index or an offset does.
const NONE: u32 = u32::MAX;

/// The files of a package, in the order of its header.
#[derive(Clone, Debug, Default)]
pub struct Files {
    names: Arc<Names>,
    digests: Arc<Vec<u8>>,
    targets: Vec<u8>,
    attributes: Vec<Attributes>,
    records: Vec<Record>,
}

/// What is kept of each file.
#[derive(Clone, Debug)]
struct Record {
    size: u64,
    directory: u32,
    name: u32,
    name_length: u16,
    mode: u16,
    mtime: u32,
    kind: Kind,
    /// Index into the attributes.
    attributes: u32,
    /// [`NONE`] for a file that is alone.
    hard_link: u32,
}

/// What a file is, and where the rest of that is.
#[derive(Clone, Copy, Debug)]
enum Kind {
    /// Offset of its digest, or [`NONE`].
    Regular(u32),
    Directory,
    /// Offset and length of the target.
    Symlink(u32, u16),
    Block(u32),
    Character(u32),
    Fifo,
    Socket,
}

/// What many files have in common.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Attributes {
    owner: Arc<str>,
    group: Arc<str>,
    flags: FileFlags,
    color: u32,
    digest: Option<DigestAlgorithm>,
    language: Option<Arc<str>>,
    capabilities: Option<Box<[u8]>>,
}

impl Files {
    /// Returns how many files there are.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Says whether there are none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Returns a file by its index.
    pub fn get(&self, index: usize) -> Option<File> {
        let record = self.records.get(index)?;
        let attributes = self.attributes.get(record.attributes as usize)?;
        let (kind, digest) = match record.kind {
            Kind::Regular(NONE) => (FileKind::Regular, None),
            Kind::Regular(start) => {
                let digest = |algorithm| FileDigest::among(&self.digests, start, algorithm);
                (FileKind::Regular, attributes.digest.map(digest))
            }
            Kind::Directory => (FileKind::Directory, None),
            Kind::Symlink(..) => (
                FileKind::Symlink(PathBytes::from(self.target(record))),
                None,
            ),
            Kind::Block(number) => (FileKind::Block(number), None),
            Kind::Character(number) => (FileKind::Character(number), None),
            Kind::Fifo => (FileKind::Fifo, None),
            Kind::Socket => (FileKind::Socket, None),
        };
        Some(File {
            path: self.path_of(record),
            kind,
            mode: record.mode,
            owner: Arc::clone(&attributes.owner),
            group: Arc::clone(&attributes.group),
            size: record.size,
            mtime: record.mtime,
            digest,
            capabilities: attributes.capabilities.clone(),
            flags: attributes.flags,
            language: attributes.language.clone(),
            color: attributes.color,
            hard_link: (record.hard_link != NONE).then_some(record.hard_link),
        })
    }

    /// Returns the files in their order.
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            list: self,
            left: 0..self.len(),
        }
    }

    /// Returns the path of a file by its index.
    pub fn path(&self, index: usize) -> Option<FilePath> {
        self.records.get(index).map(|record| self.path_of(record))
    }

    fn path_of(&self, record: &Record) -> FilePath {
        let Record {
            directory,
            name,
            name_length,
            ..
        } = *record;
        FilePath::among(&self.names, directory, name, name_length.into())
    }

    fn target(&self, record: &Record) -> &[u8] {
        let Kind::Symlink(start, length) = record.kind else {
            return &[];
        };
        let start = start as usize;
        let target = self.targets.get(start..start + usize::from(length));
        target.unwrap_or_default()
    }

    /// Returns the size and the digest of a file, as far as it has them.
    pub(crate) fn identity(&self, index: usize) -> Option<(u64, &[u8])> {
        let record = self.records.get(index)?;
        let algorithm = self.attributes.get(record.attributes as usize)?.digest;
        let digest = match (record.kind, algorithm) {
            (Kind::Regular(start), Some(algorithm)) if start != NONE => {
                let start = start as usize;
                self.digests.get(start..start + algorithm.length())
            }
            _ => None,
        };
        Some((record.size, digest.unwrap_or_default()))
    }

    /// Compares the path of a file with that of one in this or another list.
    pub fn compare(&self, one: usize, others: &Self, two: usize) -> Ordering {
        if !Arc::ptr_eq(&self.names, &others.names) {
            return self.path(one).cmp(&others.path(two));
        }
        match (self.records.get(one), others.records.get(two)) {
            (Some(one), Some(two)) => {
                let parts = |record: &Record| {
                    let length = u32::from(record.name_length);
                    (record.directory, record.name, length)
                };
                self.names.compare(parts(one), parts(two))
            }
            (one, two) => one.is_some().cmp(&two.is_some()),
        }
    }

    /// Compares the path of a file, without the slash that it starts with, with another such path.
    pub fn compare_relative(&self, index: usize, path: &[u8]) -> Ordering {
        let own = self.path(index);
        own.map_or(Ordering::Less, |own| own.compare_relative(path))
    }

    /// Gives a file the number of its set of hard links, or takes it.
    pub(crate) fn set_hard_link(&mut self, index: usize, number: Option<u32>) {
        if let Some(record) = self.records.get_mut(index) {
            record.hard_link = number.unwrap_or(NONE);
        }
    }

    /// Keeps the files with an index that `keep` says yes to.
    pub(crate) fn retain(&mut self, keep: impl Fn(usize) -> bool) {
        let mut index = 0;
        self.records.retain(|_| {
            index += 1;
            keep(index - 1)
        });
    }
}

/// Puts a list together.
pub(crate) struct Builder {
    list: Files,
    digests: Vec<u8>,
    attributes: BTreeMap<Attributes, u32>,
}

impl Builder {
    /// Begins a list of this many files, whose paths are all made of these names.
    pub(crate) fn new(names: &Arc<Names>, count: usize) -> Self {
        Self {
            list: Files {
                names: Arc::clone(names),
                records: Vec::with_capacity(count),
                ..Files::default()
            },
            digests: Vec::new(),
            attributes: BTreeMap::new(),
        }
    }

    /// Adds a file; nothing is returned if there is no room for what it has.
    pub(crate) fn push(&mut self, file: File) -> Option<()> {
        let offset = |length: usize| u32::try_from(length).ok().filter(|at| *at != NONE);
        let kind = match &file.kind {
            FileKind::Regular => match &file.digest {
                None => Kind::Regular(NONE),
                Some(digest) => {
                    let start = offset(self.digests.len())?;
                    self.digests.extend_from_slice(digest.bytes());
                    Kind::Regular(start)
                }
            },
            FileKind::Directory => Kind::Directory,
            FileKind::Symlink(target) => {
                let start = offset(self.list.targets.len())?;
                self.list.targets.extend_from_slice(target.bytes());
                Kind::Symlink(start, u16::try_from(target.len()).ok()?)
            }
            FileKind::Block(number) => Kind::Block(*number),
            FileKind::Character(number) => Kind::Character(*number),
            FileKind::Fifo => Kind::Fifo,
            FileKind::Socket => Kind::Socket,
        };
        let attributes = Attributes {
            owner: file.owner,
            group: file.group,
            flags: file.flags,
            color: file.color,
            digest: file.digest.map(|digest| digest.algorithm()),
            language: file.language,
            capabilities: file.capabilities,
        };
        let next = offset(self.attributes.len())?;
        let (directory, name, name_length) = file.path.place();
        self.list.records.push(Record {
            size: file.size,
            directory,
            name,
            name_length: u16::try_from(name_length).ok()?,
            mode: file.mode,
            mtime: file.mtime,
            kind,
            attributes: *self.attributes.entry(attributes).or_insert(next),
            hard_link: file.hard_link.unwrap_or(NONE),
        });
        Some(())
    }

    /// Returns the list.
    pub(crate) fn finish(mut self) -> Files {
        let mut attributes: Vec<_> = self.attributes.into_iter().collect();
        attributes.sort_by_key(|(_, number)| *number);
        self.list.attributes = attributes.into_iter().map(|(one, _)| one).collect();
        self.digests.shrink_to_fit();
        self.list.digests = Arc::new(self.digests);
        self.list.targets.shrink_to_fit();
        self.list
    }
}

impl FromIterator<File> for Files {
    fn from_iter<I: IntoIterator<Item = File>>(files: I) -> Self {
        let files: Vec<File> = files.into_iter().collect();
        let paths: Vec<_> = files.iter().map(|file| file.path.to_bytes()).collect();
        let names = paths.iter().map(|path| (0, &path[..]));
        let paths = FilePath::all(std::iter::once(&b""[..]), names).unwrap_or_default();
        let Some(first) = paths.first() else {
            return Self::default();
        };
        let mut builder = Builder::new(first.names(), files.len());
        for (path, file) in paths.iter().zip(files) {
            let path = path.clone();
            // What is too long for a list could not be in an image.
            let _ = builder.push(File { path, ..file });
        }
        builder.finish()
    }
}

/// The files of a list, one after the other.
#[derive(Clone, Debug)]
pub struct Iter<'a> {
    list: &'a Files,
    left: Range<usize>,
}

impl Iterator for Iter<'_> {
    type Item = File;

    fn next(&mut self) -> Option<File> {
        self.list.get(self.left.next()?)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl ExactSizeIterator for Iter<'_> {}

impl<'a> IntoIterator for &'a Files {
    type Item = File;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_out_as_it_went_in() {
        let sha256 = FileDigest::new(DigestAlgorithm::Sha256, &"5a".repeat(32));
        let sha512 = FileDigest::new(DigestAlgorithm::Sha512, &"6b".repeat(64));
        let files = [
            File {
                digest: sha256.clone(),
                size: 7,
                mtime: 8,
                capabilities: Some([1, 2].into()),
                hard_link: Some(0),
                ..File::new("/usr/bin/a", FileKind::Regular)
            },
            File {
                mode: 0o4755,
                owner: "man".into(),
                group: "tty".into(),
                ..File::new("/usr/bin", FileKind::Directory)
            },
            File {
                language: Some("de".into()),
                ..File::new("/usr/bin/l", FileKind::Symlink("a".into()))
            },
            File::new("/usr/bin/m", FileKind::Symlink(b"\xff"[..].into())),
            File {
                digest: sha512,
                flags: FileFlags(64),
                color: 2,
                hard_link: Some(0),
                ..File::new("/b", FileKind::Regular)
            },
            File::new("/c", FileKind::Regular),
            File::new("/d", FileKind::Block(0x103)),
            File::new("/e", FileKind::Character(0)),
            File::new("/f", FileKind::Fifo),
            File::new("/g", FileKind::Socket),
        ];
        let mut list: Files = files.iter().cloned().collect();
        assert_eq!(list.len(), files.len());
        assert!(list.iter().eq(files.iter().cloned()));
        assert_eq!(list.get(files.len()), None);
        for (one, file) in files.iter().enumerate() {
            for (two, other) in files.iter().enumerate() {
                assert_eq!(list.compare(one, &list, two), file.path.cmp(&other.path));
            }
        }
        assert_eq!(list.identity(0), Some((7, &[0x5a; 32][..])));
        assert_eq!(list.identity(5), Some((0, &[][..])));
        list.retain(|index| index > 3);
        list.set_hard_link(0, None);
        let first = File {
            hard_link: None,
            ..files[4].clone()
        };
        let left = std::iter::once(first).chain(files[5..].iter().cloned());
        assert!(list.iter().eq(left));
        assert!(Files::default().iter().next().is_none());
    }

    /// Each byte here is there for every file of a package, of which there may be half a million.
    #[test]
    fn a_record_is_small() {
        assert_eq!(size_of::<Record>(), 40);
    }
}
