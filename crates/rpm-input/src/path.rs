//! The paths of a package's files: each name and each directory is in memory once.
//!
//! A header names the directory of a file by a number. Joined, one long directory that is named
//! for each of many files would take a thousand times the bytes of the header.

use std::cmp::Ordering;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use files::shown;

/// The path of a file of a package, absolute and normalised.
///
/// RPM takes any bytes for a path. [`text`](Self::text) and `Display` say how it is shown; see
/// [`PathBytes`](files::PathBytes).
#[derive(Clone)]
pub struct FilePath {
    names: Arc<Names>,
    directory: u32,
    start: u32,
    length: u32,
}

/// The names that paths are made of.
#[derive(Debug, Default)]
pub(crate) struct Names {
    bytes: Vec<u8>,
    /// Where each directory is in `bytes`, with a slash at its end.
    directories: Vec<Range<usize>>,
}

/// Where the parts of a path are: number of the directory, start and length of the name.
type Place = (u32, u32, u32);

impl Names {
    /// Returns directory and name.
    fn parts(&self, (directory, start, length): Place) -> [&[u8]; 2] {
        let start = start as usize;
        let directory = self.directories.get(directory as usize);
        let bytes = |range: Range<usize>| self.bytes.get(range).unwrap_or_default();
        [
            bytes(directory.cloned().unwrap_or_default()),
            bytes(start..start + length as usize),
        ]
    }

    /// Compares two paths.
    pub(crate) fn compare(&self, one: Place, two: Place) -> Ordering {
        let (parts, others) = (self.parts(one), self.parts(two));
        match one.0 == two.0 {
            true => parts[1].cmp(others[1]),
            false => bytes(parts).cmp(bytes(others)),
        }
    }
}

/// Returns the bytes of parts, one after the other.
fn bytes(parts: [&[u8]; 2]) -> impl Iterator<Item = &u8> {
    parts.into_iter().flatten()
}

impl FilePath {
    /// Makes the paths of directories and, for each file, the number of its directory and its name.
    ///
    /// Nothing is returned if a number is that of no directory, or the names are longer than 4 GiB.
    pub(crate) fn all<'a>(
        directories: impl Iterator<Item = &'a [u8]>,
        files: impl Iterator<Item = (u32, &'a [u8])>,
    ) -> Option<Vec<Self>> {
        let mut bytes = Vec::new();
        let mut ranges = Vec::new();
        for directory in directories {
            ranges.push(bytes.len()..bytes.len() + directory.len());
            bytes.extend_from_slice(directory);
        }
        let mut parts = Vec::with_capacity(files.size_hint().0);
        for (directory, name) in files {
            ranges.get(usize::try_from(directory).ok()?)?;
            let start = u32::try_from(bytes.len()).ok()?;
            parts.push((directory, start, u32::try_from(name.len()).ok()?));
            bytes.extend_from_slice(name);
        }
        bytes.shrink_to_fit();
        let names = Arc::new(Names {
            bytes,
            directories: ranges,
        });
        let paths = parts.into_iter().map(|(directory, start, length)| Self {
            names: Arc::clone(&names),
            directory,
            start,
            length,
        });
        Some(paths.collect())
    }

    /// Returns directory and name.
    fn parts(&self) -> [&[u8]; 2] {
        self.names.parts(self.place())
    }

    /// Returns where its parts are among its names.
    pub(crate) fn place(&self) -> (u32, u32, u32) {
        (self.directory, self.start, self.length)
    }

    /// Returns the names that it is made of.
    pub(crate) fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// Makes the path whose parts are in this place among the names.
    pub(crate) fn among(names: &Arc<Names>, directory: u32, start: u32, length: u32) -> Self {
        Self {
            names: Arc::clone(names),
            directory,
            start,
            length,
        }
    }

    /// Returns the path as RPM knows it.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.parts().concat()
    }

    /// Returns the path without the slash that it starts with.
    pub fn relative(&self) -> Vec<u8> {
        let mut path = self.to_bytes();
        if path.starts_with(b"/") {
            path.remove(0);
        }
        path
    }

    /// Returns the path as text.
    pub fn text(&self) -> String {
        match String::from_utf8(self.to_bytes()) {
            Ok(text) => text,
            Err(error) => shown(error.as_bytes()).into_owned(),
        }
    }

    /// Returns the length in bytes.
    pub(crate) fn length(&self) -> usize {
        self.parts().map(<[u8]>::len).iter().sum()
    }

    /// Compares the path, without the slash that it starts with, with that of an archive's entry.
    pub(crate) fn compare_relative(&self, other: &[u8]) -> Ordering {
        let [directory, name] = self.parts();
        let (directory, name) = match directory.strip_prefix(b"/") {
            Some(rest) => (rest, name),
            None => (directory, name.strip_prefix(b"/").unwrap_or(name)),
        };
        match other.split_at_checked(directory.len()) {
            Some((start, rest)) => directory.cmp(start).then_with(|| name.cmp(rest)),
            // The other path is shorter than the directory alone.
            None => directory.cmp(other),
        }
    }
}

impl From<&[u8]> for FilePath {
    fn from(path: &[u8]) -> Self {
        let files = std::iter::once((0, path));
        let paths = Self::all(std::iter::once(&b""[..]), files);
        // A path that could be used at all has less than 4 GiB.
        paths
            .and_then(|paths| paths.into_iter().next())
            .unwrap_or_else(|| Self::from(""))
    }
}

impl From<&str> for FilePath {
    fn from(path: &str) -> Self {
        Self::from(path.as_bytes())
    }
}

impl From<String> for FilePath {
    fn from(path: String) -> Self {
        Self::from(path.as_str())
    }
}

impl fmt::Display for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

impl fmt::Debug for FilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text(), f)
    }
}

impl PartialEq for FilePath {
    fn eq(&self, other: &Self) -> bool {
        bytes(self.parts()).eq(bytes(other.parts()))
    }
}

impl Eq for FilePath {}

impl PartialOrd for FilePath {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for FilePath {
    fn cmp(&self, other: &Self) -> Ordering {
        match Arc::ptr_eq(&self.names, &other.names) {
            true => self.names.compare(self.place(), other.place()),
            false => bytes(self.parts()).cmp(bytes(other.parts())),
        }
    }
}

impl PartialEq<str> for FilePath {
    fn eq(&self, other: &str) -> bool {
        bytes(self.parts()).eq(other.as_bytes())
    }
}

impl PartialEq<&str> for FilePath {
    fn eq(&self, other: &&str) -> bool {
        *self == **other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_share_their_directory() {
        let directories = [&b"/usr/bin/"[..], b"/", b"/usr/b\xff/"];
        let files = [
            (0, &b"a"[..]),
            (1, b"x"),
            (0, b"b"),
            (2, b"\xc3\xa4"),
            (1, b"usr"),
        ];
        let paths = FilePath::all(directories.into_iter(), files.into_iter()).unwrap();
        let texts: Vec<_> = paths.iter().map(FilePath::text).collect();
        let expected = ["/usr/bin/a", "/x", "/usr/bin/b", "/usr/b\\xff/ä", "/usr"];
        assert_eq!(texts, expected);
        assert_eq!(paths[3].to_bytes(), b"/usr/b\xff/\xc3\xa4");
        for one in &paths {
            for two in &paths {
                let (one, two) = (one, two);
                let bytes = two.to_bytes();
                assert_eq!(one.cmp(two), one.to_bytes().cmp(&bytes), "{one} {two}");
                assert_eq!(one.compare_relative(&bytes[1..]), one.cmp(two));
            }
        }
        assert!(FilePath::all(directories.into_iter(), [(3, &b"a"[..])].into_iter()).is_none());
    }
}
