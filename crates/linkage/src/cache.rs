//! Where a base keeps libraries beyond the loader's own directories: `/etc/ld.so.cache`, which
//! ldconfig(8) makes, and `/etc/ld.so.conf`, from which it makes it.
//!
//! The loader looks into the cache alone. A merge does not rebuild it, so a library that an image
//! brings into a directory of `ld.so.conf` is not found there; one of the base is.

use std::collections::BTreeMap;

use crate::error::Error;

/// How the cache of old loaders starts; the one of today may follow it.
const OLD_MAGIC: &[u8] = b"ld.so-1.7.0";
/// How the cache of every loader since 2.2 starts, with its version.
const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
/// Lengths in bytes: the header, an entry, and those of the old format.
const HEADER: usize = 48;
const ENTRY: usize = 24;
const OLD_HEADER: usize = 16;
const OLD_ENTRY: usize = 12;
/// Names and paths together may be this many times as long as the cache. Entries may share a text,
/// and ldconfig lets a name be the end of a path.
const MAX_RATIO: usize = 4;

/// The libraries of a cache, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache(BTreeMap<String, Vec<String>>);

impl Cache {
    /// Reads the bytes of an `ld.so.cache`, in the byte order of either kind of machine.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let bytes = skip_old(bytes)?;
        if !bytes.starts_with(MAGIC) {
            return Err(Error::Cache("it does not start with the name of one"));
        }
        let cut_off = Error::Cache("it is cut off");
        let header = bytes.get(..HEADER).ok_or(cut_off)?;
        // Flags: 2 is little endian, 3 is big endian, 0 is a cache before 2.33, and of this machine.
        let word = match header[28] & 3 {
            3 => u32::from_be_bytes,
            2 => u32::from_le_bytes,
            _ => u32::from_ne_bytes,
        };
        let count = word_at(bytes, 20, word).unwrap_or(0) as usize;
        let entries = count
            .checked_mul(ENTRY)
            .and_then(|length| bytes.get(HEADER..)?.get(..length))
            .ok_or(Error::Cache("it has fewer entries than it says"))?;
        let mut libraries = BTreeMap::<String, Vec<String>>::new();
        let mut left = bytes.len().saturating_mul(MAX_RATIO);
        for entry in entries.chunks_exact(ENTRY) {
            let mut text = |at| {
                let text = word_at(entry, at, word)
                    .and_then(|offset| text_at(bytes, offset as usize))
                    .ok_or(Error::Cache("a name is outside of it"))?;
                left = left.checked_sub(text.len()).ok_or(Error::Cache(
                    "its names take more than four times its length",
                ))?;
                Ok::<_, Error>(text)
            };
            libraries.entry(text(4)?).or_default().push(text(8)?);
        }
        Ok(Self(libraries))
    }

    /// Returns the paths of a library, those for better processors first.
    pub(crate) fn paths(&self, name: &str) -> &[String] {
        self.0.get(name).map_or(&[], Vec::as_slice)
    }
}

/// Returns what follows the table of the old format, if that is there.
fn skip_old(bytes: &[u8]) -> Result<&[u8], Error> {
    if !bytes.starts_with(OLD_MAGIC) {
        return Ok(bytes);
    }
    let count = word_at(bytes, 12, u32::from_ne_bytes).unwrap_or(0) as usize;
    count
        .checked_mul(OLD_ENTRY)
        .and_then(|length| length.checked_add(OLD_HEADER)?.checked_next_multiple_of(8))
        .and_then(|start| bytes.get(start..))
        .ok_or(Error::Cache("it is of the old format, and cut off"))
}

fn word_at(bytes: &[u8], at: usize, word: fn([u8; 4]) -> u32) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(word)
}

fn text_at(bytes: &[u8], at: usize) -> Option<String> {
    let bytes = bytes.get(at..)?;
    let end = bytes.iter().take(4096).position(|byte| *byte == 0)?;
    std::str::from_utf8(&bytes[..end]).ok().map(str::to_owned)
}

/// What a line of `ld.so.conf` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Line {
    /// A directory of libraries.
    Directory(String),
    /// Files to read here: a path whose last part may have `*` in it.
    Include(String),
}

/// Reads the text of an `ld.so.conf`.
pub(crate) fn configuration(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        let mut words = line.split_whitespace();
        match words.next() {
            None => {}
            Some("include") => lines.extend(words.map(|word| Line::Include(word.to_owned()))),
            Some("hwcap") => {}
            Some(first) => {
                // `DIRECTORY=TYPE` was for libraries of before 1999.
                let directories = std::iter::once(first)
                    .chain(words)
                    .flat_map(|word| word.split([',', ':']))
                    .map(|word| word.split('=').next().unwrap_or_default())
                    .filter(|word| word.starts_with('/'));
                lines.extend(directories.map(|path| Line::Directory(path.to_owned())));
            }
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Makes a cache in little-endian order.
    fn cache(entries: &[(&str, &str)]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        let mut text = Vec::new();
        let start = HEADER + entries.len() * ENTRY;
        bytes.extend((entries.len() as u32).to_le_bytes());
        bytes.extend([0; 4]);
        bytes.push(2);
        bytes.resize(HEADER, 0);
        for (name, path) in entries {
            bytes.extend([0; 4]);
            for part in [name, path] {
                bytes.extend(((start + text.len()) as u32).to_le_bytes());
                text.extend(part.as_bytes());
                text.push(0);
            }
            bytes.extend([0; 12]);
        }
        bytes.extend(text);
        bytes
    }

    #[test]
    fn a_cache() {
        let entries = [
            ("liba.so.1", "/usr/lib64/glibc-hwcaps/x86-64-v3/liba.so.1"),
            ("liba.so.1", "/usr/lib64/liba.so.1"),
            ("libb.so", "/opt/b/libb.so"),
        ];
        let bytes = cache(&entries);
        let parsed = Cache::parse(&bytes).unwrap();
        assert_eq!(parsed.paths("liba.so.1"), [entries[0].1, entries[1].1]);
        assert_eq!(parsed.paths("libb.so"), ["/opt/b/libb.so"]);
        assert!(parsed.paths("libc.so").is_empty());
        let mut old = OLD_MAGIC.to_vec();
        old.resize(12, 0);
        old.extend(1u32.to_ne_bytes());
        old.extend([0; OLD_ENTRY + 4]);
        old.extend(&bytes);
        assert_eq!(Cache::parse(&old).unwrap(), parsed);
        for end in 0..bytes.len() {
            assert!(Cache::parse(&bytes[..end]).is_err(), "{end}");
        }
    }

    #[test]
    fn texts_that_entries_share_are_bounded() {
        // All entries have the name and the path of the first.
        let shared = |length: usize| {
            let long = "x".repeat(length);
            let mut bytes = cache(&[(long.as_str(), ""); 7]);
            let first = bytes[HEADER + 4..HEADER + 12].to_vec();
            for entry in 0..7 {
                bytes[HEADER + ENTRY * entry + 4..][..8].copy_from_slice(&first);
            }
            bytes.truncate(HEADER + 7 * ENTRY + length + 2);
            bytes
        };
        // 7n is at most 4 (48 + 168 + n + 2).
        let parsed = Cache::parse(&shared(290)).unwrap();
        assert_eq!(parsed.paths(&"x".repeat(290)).len(), 7);
        let error = Cache::parse(&shared(291)).unwrap_err().to_string();
        assert_eq!(
            error,
            "not a cache of ldconfig: its names take more than four times its length"
        );
        // A name has its end within 4096 bytes.
        let long = "x".repeat(4096);
        Cache::parse(&cache(&[(&long[1..], "")])).unwrap();
        let error = Cache::parse(&cache(&[(&long, "")]))
            .unwrap_err()
            .to_string();
        assert_eq!(error, "not a cache of ldconfig: a name is outside of it");
    }

    #[test]
    fn lines_of_a_configuration() {
        let text = "# all\ninclude ld.so.conf.d/*.conf\n/usr/lib64/mysql # it\n\n/a:/b,/c\nhwcap 0 x\n\
                    relative\n/d=libc6\n";
        let directory = |path: &str| Line::Directory(path.to_owned());
        let expected = [
            Line::Include("ld.so.conf.d/*.conf".to_owned()),
            directory("/usr/lib64/mysql"),
            directory("/a"),
            directory("/b"),
            directory("/c"),
            directory("/d"),
        ];
        assert_eq!(configuration(text), expected);
    }
}
