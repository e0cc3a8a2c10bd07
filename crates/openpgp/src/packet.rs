//! Packets, cut out of the bytes of a file.
//!
//! ```text
//! new: 11tttttt  length of 1, 2 or 5 bytes  body       t: the packet's tag
//! old: 10ttttll  length of 1, 2 or 4 bytes  body       l: how many bytes the length has
//! ```
//!
//! Lengths that only end with the file, or come in parts, are for encrypted streams; in keys and
//! signatures they are an error here.

/// Most packets in one file: the largest keyring of a distribution has a few thousand.
const MAX_PACKETS: usize = 100_000;

/// Tag of a signature.
pub(crate) const SIGNATURE: u8 = 2;
/// Tag of a secret key.
pub(crate) const SECRET_KEY: u8 = 5;
/// Tag of a public key.
pub(crate) const PUBLIC_KEY: u8 = 6;
/// Tag of a secret subkey.
pub(crate) const SECRET_SUBKEY: u8 = 7;
/// Tag of a user id.
pub(crate) const USER_ID: u8 = 13;
/// Tag of a public subkey.
pub(crate) const PUBLIC_SUBKEY: u8 = 14;

/// A packet that nobody has looked into.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Raw<'a> {
    /// What kind of packet it is.
    pub(crate) tag: u8,
    /// The packet as it stands in the file, header included.
    pub(crate) bytes: &'a [u8],
    /// The packet without its header.
    pub(crate) body: &'a [u8],
}

impl Raw<'_> {
    /// Says whether the packet's header has the old form.
    pub(crate) fn is_old(&self) -> bool {
        self.bytes.first().is_some_and(|first| first & 0x40 == 0)
    }
}

/// Cuts bytes into packets.
///
/// # Errors
///
/// The reason, with the offset of the packet that has no sound header or is cut off.
pub(crate) fn split(bytes: &[u8]) -> Result<Vec<Raw<'_>>, String> {
    let mut packets = Vec::new();
    let mut offset = 0;
    while offset < bytes.len() {
        let rest = bytes.get(offset..).unwrap_or_default();
        let (tag, header, body) =
            header(rest).ok_or_else(|| format!("no packet at offset {offset}"))?;
        let packet = header
            .checked_add(body)
            .and_then(|length| rest.get(..length))
            .ok_or_else(|| format!("the packet at offset {offset} is cut off"))?;
        let body = packet.get(header..).unwrap_or_default();
        if packets.len() == MAX_PACKETS {
            return Err(format!("more than {MAX_PACKETS} packets"));
        }
        packets.push(Raw {
            tag,
            bytes: packet,
            body,
        });
        offset += packet.len();
    }
    Ok(packets)
}

/// Reads a packet's tag, the length of its header and the length of its body, in bytes.
fn header(bytes: &[u8]) -> Option<(u8, usize, usize)> {
    let first = *bytes.first()?;
    if first & 0x80 == 0 {
        return None;
    }
    if first & 0x40 != 0 {
        let (header, body) = match *bytes.get(1)? {
            short @ 0..=191 => (2, usize::from(short)),
            middle @ 192..=223 => {
                let low = usize::from(*bytes.get(2)?);
                (3, ((usize::from(middle) - 192) << 8) + low + 192)
            }
            224..=254 => return None,
            255 => (6, number(bytes.get(2..6)?)?),
        };
        return Some((first & 0x3f, header, body));
    }
    let width = match first & 3 {
        0 => 1,
        1 => 2,
        2 => 4,
        _ => return None,
    };
    let body = number(bytes.get(1..1 + width)?)?;
    Some((first >> 2 & 0xf, 1 + width, body))
}

/// Reads a big-endian number.
fn number(bytes: &[u8]) -> Option<usize> {
    let value = bytes
        .iter()
        .fold(0_u64, |value, byte| value << 8 | u64::from(*byte));
    usize::try_from(value).ok()
}

/// Writes a packet in the new form, or in the old form, which gpg writes keys in.
pub(crate) fn write(tag: u8, is_old: bool, body: &[u8], bytes: &mut Vec<u8>) -> Result<(), String> {
    let length = u32::try_from(body.len()).map_err(|_| "a packet of it is too long".to_owned())?;
    let [_, _, high, low] = length.to_be_bytes();
    if is_old {
        match length {
            0..=0xff => bytes.extend([0x80 | tag << 2, low]),
            0x100..=0xffff => bytes.extend([0x81 | tag << 2, high, low]),
            _ => {
                bytes.push(0x82 | tag << 2);
                bytes.extend(length.to_be_bytes());
            }
        }
    } else {
        bytes.push(0xc0 | tag);
        match u16::try_from(length) {
            Ok(short @ 0..=191) => bytes.extend(short.to_be_bytes().get(1..).unwrap_or_default()),
            Ok(middle @ 192..=8383) => bytes.extend((middle - 192 + 0xc000).to_be_bytes()),
            _ => {
                bytes.push(0xff);
                bytes.extend(length.to_be_bytes());
            }
        }
    }
    bytes.extend_from_slice(body);
    Ok(())
}
