//! The entries of the archive in a payload: `cpio` in the formats `newc` (070701), `crc` (070702)
//! and RPM's own stripped one (07070X) for archives with files of 4 GiB and more.
//!
//! ```text
//! newc, crc:  magic[6] inode mode uid gid links mtime size devmajor devminor rdevmajor rdevminor
//!             namesize sum       8 hex digits each; then the name with its NUL, padded to 4
//! stripped:   magic[6] index     8 hex digits: the file's index in the header; padded to 4
//! ```
//!
//! The content follows, padded to 4. The last entry is a `newc` named `TRAILER!!!`. Here is only
//! the form of an entry's start; what an entry may say is up to the header (`payload`).

/// Length of the magic.
pub(crate) const MAGIC: usize = 6;
/// Length of the numbers after the magic in `newc` and `crc`.
pub(crate) const NUMBERS: usize = 13 * DIGITS;
/// Length of the index after the magic in the stripped format.
pub(crate) const INDEX: usize = DIGITS;
/// Entries and contents start at multiples of this.
pub(crate) const ALIGNMENT: u64 = 4;
/// Name of the last entry.
pub(crate) const TRAILER: &[u8] = b"TRAILER!!!";

/// Hex digits of a number.
const DIGITS: usize = 8;

/// The format of an entry, by its magic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Newc,
    Crc,
    Stripped,
}

impl Format {
    /// Returns the format of this magic.
    pub(crate) fn of(magic: &[u8]) -> Option<Self> {
        match magic {
            b"070701" => Some(Self::Newc),
            b"070702" => Some(Self::Crc),
            b"07070X" => Some(Self::Stripped),
            _ => None,
        }
    }
}

/// The numbers of a `newc` or `crc` entry that mean something to RPM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Numbers {
    /// Type and permissions.
    pub(crate) mode: u32,
    /// Length of the content in bytes.
    pub(crate) size: u32,
    /// Length of the name with its NUL.
    pub(crate) name_size: u32,
    /// Sum of all bytes of the content, in `crc` only.
    pub(crate) sum: u32,
}

impl Numbers {
    /// Parses what follows the magic.
    pub(crate) fn parse(bytes: &[u8; NUMBERS]) -> Option<Self> {
        let mut numbers = [0; 13];
        for (number, digits) in numbers.iter_mut().zip(bytes.chunks_exact(DIGITS)) {
            *number = parse_hex(digits)?;
        }
        let [
            _inode,
            mode,
            _,
            _,
            _links,
            _,
            size,
            _,
            _,
            _,
            _,
            name_size,
            sum,
        ] = numbers;
        Some(Self {
            mode,
            size,
            name_size,
            sum,
        })
    }
}

/// Parses the index of a stripped entry.
pub(crate) fn parse_index(bytes: &[u8; INDEX]) -> Option<u32> {
    parse_hex(bytes)
}

fn parse_hex(digits: &[u8]) -> Option<u32> {
    let mut number = [0; 4];
    hex::decode_to_slice(digits, &mut number).ok()?;
    Some(u32::from_be_bytes(number))
}

/// Returns a name without its NUL and without the `/` or `./` that some tools put before it, or
/// nothing if it is not one string.
pub(crate) fn relative_name(name: &[u8]) -> Option<&[u8]> {
    let name = name.strip_suffix(b"\0")?;
    if name.contains(&0) {
        return None;
    }
    let name = name
        .strip_prefix(b".")
        .filter(|rest| rest.starts_with(b"/"))
        .unwrap_or(name);
    Some(name.strip_prefix(b"/").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_at_their_places() {
        let mut bytes = *b"00000001000081A40000000000000000000000016000000000000ABC\
            0000000000000000000000000000000000000005000000FF";
        let expected = Numbers {
            mode: 0o100_644,
            size: 0xabc,
            name_size: 5,
            sum: 0xff,
        };
        assert_eq!(Numbers::parse(&bytes), Some(expected));
        for sign in [b'+', b'-', b' ', b'G', 0] {
            bytes[48] = sign;
            assert_eq!(Numbers::parse(&bytes), None);
        }
    }

    #[test]
    fn names_are_relative_to_the_root() {
        for (name, expected) in [
            (&b"./usr/x\0"[..], Some(&b"usr/x"[..])),
            (b"/usr/x\0", Some(b"usr/x")),
            (b"usr/x\0", Some(b"usr/x")),
            (b".hidden\0", Some(b".hidden")),
            (b"./\0", Some(b"")),
            (b"//usr/x\0", Some(b"/usr/x")),
            (b"usr/x", None),
            (b"usr\0x\0", None),
            (b"", None),
        ] {
            assert_eq!(relative_name(name), expected);
        }
    }
}
