//! The xattr table: sets of extended attributes, each stored once.
//!
//! ```text
//! key-value blocks: u16 namespace, u16 length, name without it; u32 length, value; …
//! set blocks:       u64 position of the first pair, u32 pairs, u32 bytes of names and values
//! table:            u64 offset of the key-value blocks, u32 sets, u32 0, u64 offset of each set block
//! ```
//!
//! An inode names a set by its number.

use std::collections::BTreeMap;

use files::PathBytes;

use super::compressors::Encoder;
use super::error::Error;
use super::format::{NO_XATTR, XATTR_PREFIXES};
use super::metadata::{Lookup, Metadata};

/// Longest name with its namespace, in bytes: Linux's `XATTR_NAME_MAX`.
const MAX_NAME: usize = 255;
/// Longest value, in bytes: Linux's `XATTR_SIZE_MAX`.
const MAX_VALUE: usize = 65_536;

/// The sets so far.
#[derive(Default)]
pub(super) struct Xattrs {
    /// Number of each set by its pairs as they are stored.
    numbers: BTreeMap<Vec<u8>, u32>,
    pairs: Metadata,
    sets: Vec<u8>,
}

impl Xattrs {
    /// Returns the number of the set that equals `xattrs`; [`NO_XATTR`] if there are none.
    /// `path` says whose they are.
    pub(super) fn number(
        &mut self,
        encoder: &mut Encoder,
        xattrs: &BTreeMap<String, Vec<u8>>,
        path: impl Fn() -> PathBytes,
    ) -> Result<u32, Error> {
        if xattrs.is_empty() {
            return Ok(NO_XATTR);
        }
        let mut stored = Vec::new();
        let mut listed: usize = 0;
        for (name, value) in xattrs {
            store_pair(&mut stored, name, value).map_err(|problem| Error::Xattr {
                path: path(),
                name: name.clone(),
                problem,
            })?;
            // As mksquashfs counts: full names, each with a NUL, and values.
            listed += name.len() + 1 + value.len();
        }
        if let Some(number) = self.numbers.get(&stored) {
            return Ok(*number);
        }
        let too_many = |_| Error::TooMany("sets of extended attributes");
        let number = u32::try_from(self.numbers.len()).map_err(too_many)?;
        let count = u32::try_from(xattrs.len()).map_err(too_many)?;
        let listed = u32::try_from(listed).map_err(too_many)?;
        self.sets
            .extend(self.pairs.position()?.reference().to_le_bytes());
        self.sets.extend(count.to_le_bytes());
        self.sets.extend(listed.to_le_bytes());
        self.pairs.write(encoder, &stored)?;
        self.numbers.insert(stored, number);
        Ok(number)
    }

    /// Returns the table, or nothing if there are no sets.
    pub(super) fn finish(self, encoder: &mut Encoder) -> Result<Option<XattrTable>, Error> {
        if self.numbers.is_empty() {
            return Ok(None);
        }
        let count = u32::try_from(self.numbers.len())
            .map_err(|_| Error::TooMany("sets of extended attributes"))?;
        Ok(Some(XattrTable {
            pairs: self.pairs.finish(encoder)?.0,
            sets: Lookup::new(encoder, &self.sets)?,
            count,
        }))
    }
}

/// The table, but for its place in the image.
pub(super) struct XattrTable {
    pairs: Vec<u8>,
    sets: Lookup,
    count: u32,
}

impl XattrTable {
    /// Appends the table to `bytes`, the first of which is at `base` in the image. Returns the
    /// offset that the superblock names.
    pub(super) fn write_to(&self, bytes: &mut Vec<u8>, base: u64) -> u64 {
        let mut heading = (base + bytes.len() as u64).to_le_bytes().to_vec();
        heading.extend(self.count.to_le_bytes());
        heading.extend(0_u32.to_le_bytes());
        bytes.extend_from_slice(&self.pairs);
        self.sets.write_to(bytes, base, &heading)
    }
}

/// Appends one attribute, or says what is wrong with it.
fn store_pair(stored: &mut Vec<u8>, name: &str, value: &[u8]) -> Result<(), &'static str> {
    let (namespace, rest) = (0_u16..)
        .zip(XATTR_PREFIXES)
        .find_map(|(number, prefix)| Some((number, name.strip_prefix(prefix)?)))
        .ok_or("is not in the namespace user, trusted or security")?;
    if rest.is_empty() {
        return Err("has an empty name");
    }
    if rest.contains('\0') {
        return Err("has a NUL in its name");
    }
    if name.len() > MAX_NAME {
        return Err("has a name longer than 255 bytes");
    }
    if value.len() > MAX_VALUE {
        return Err("has a value longer than 65536 bytes");
    }
    stored.extend(namespace.to_le_bytes());
    stored.extend((rest.len() as u16).to_le_bytes());
    stored.extend_from_slice(rest.as_bytes());
    stored.extend((value.len() as u32).to_le_bytes());
    stored.extend_from_slice(value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::squashfs::compressors::Compressor;

    fn set(pairs: &[(&str, &[u8])]) -> BTreeMap<String, Vec<u8>> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), value.to_vec()))
            .collect()
    }

    /// What mksquashfs writes for the same two attributes, apart from offsets.
    #[test]
    fn the_bytes_of_a_table() {
        // Makes none of these blocks shorter.
        let mut encoder = Encoder::new(Compressor::Xz { level: 0 }, 8192).unwrap();
        let mut xattrs = Xattrs::default();
        let pair = set(&[("user.foo", b"barbaz"), ("user.x", b"y")]);
        let path = || PathBytes::from("a");
        assert_eq!(
            xattrs.number(&mut encoder, &set(&[]), path).unwrap(),
            NO_XATTR
        );
        assert_eq!(xattrs.number(&mut encoder, &pair, path).unwrap(), 0);
        assert_eq!(xattrs.number(&mut encoder, &pair, path).unwrap(), 0);
        let table = xattrs.finish(&mut encoder).unwrap().unwrap();
        let mut bytes = Vec::new();
        assert_eq!(table.write_to(&mut bytes, 0x100), 0x100 + 29 + 18);
        let mut expected = b"\x1b\x80\0\0\x03\0foo\x06\0\0\0barbaz\0\0\x01\0x\x01\0\0\0y".to_vec();
        expected.extend(b"\x10\x80\0\0\0\0\0\0\0\0\x02\0\0\0\x17\0\0\0");
        expected.extend(0x100_u64.to_le_bytes());
        expected.extend(b"\x01\0\0\0\0\0\0\0");
        expected.extend((0x100_u64 + 29).to_le_bytes());
        assert_eq!(bytes, expected);
    }

    #[test]
    fn attributes_that_are_refused() {
        let long_name = format!("user.{}", "n".repeat(251));
        let long_value = vec![0; MAX_VALUE + 1];
        for (name, value, problem) in [
            (
                "system.posix_acl_access",
                &b""[..],
                "is not in the namespace user, trusted or security",
            ),
            (
                "user",
                b"",
                "is not in the namespace user, trusted or security",
            ),
            ("user.", b"", "has an empty name"),
            ("user.a\0b", b"", "has a NUL in its name"),
            (&long_name, b"", "has a name longer than 255 bytes"),
            ("user.a", &long_value, "has a value longer than 65536 bytes"),
        ] {
            let mut encoder = Encoder::new(Compressor::Lz4, 8192).unwrap();
            let error = Xattrs::default()
                .number(&mut encoder, &set(&[(name, value)]), || "usr/x".into())
                .unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("\"usr/x\": extended attribute {name:?} {problem}")
            );
        }
    }
}
