//! ASCII armor: blocks of base64 in text.
//!
//! A file may hold several blocks with any text around them, as the key files of distributions do;
//! each is cut out here by its first and last line. In between are headers, an empty line, base64, and
//! a sum after `=`. A wrong sum is refused, as gpg and gpgv do: what is accepted here must not fail
//! at a client.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// What the first line of a block begins with.
const BEGIN: &[u8] = b"-----BEGIN PGP ";
/// What the last line of a block begins with.
const END: &[u8] = b"-----END PGP ";
/// What both lines end with.
const DASHES: &[u8] = b"-----";
/// What the sum begins with, and the polynomial that it is divided by.
const CRC24: [u32; 2] = [0x00b7_04ce, 0x0186_4cfb];

/// Returns the bytes of all blocks of these kinds, in their order; binary input is returned as it
/// is. Blocks may be secret keys, so that what is decoded is wiped when it goes, and room is made
/// for all of it at once: a vector that grows leaves its bytes behind.
///
/// # Errors
///
/// The reason, if the input is neither binary OpenPGP nor armor.
pub(crate) fn decode(input: &[u8], kinds: &[&str]) -> Result<Zeroizing<Vec<u8>>, String> {
    // The first byte of each packet has the highest bit set, which no ASCII has.
    match input.first() {
        None => return Err("it is empty".to_owned()),
        Some(byte) if byte & 0x80 != 0 => return Ok(Zeroizing::new(input.to_vec())),
        Some(_) => {}
    }
    let mut decoded = Zeroizing::new(Vec::with_capacity(input.len()));
    let mut block: Option<Zeroizing<Vec<u8>>> = None;
    let mut found = false;
    for line in input.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(BEGIN) {
            let kind = line.get(BEGIN.len()..).unwrap_or_default();
            let kind = kind.trim_ascii_end().strip_suffix(DASHES);
            if !kinds.iter().any(|name| kind == Some(name.as_bytes())) {
                return Err(format!("it has armor other than {}", kinds.join(" and ")));
            }
            block = Some(Zeroizing::new(Vec::with_capacity(input.len() + 1)));
        }
        let Some(lines) = &mut block else { continue };
        // Blanks at the end of a line, which mail programs leave, are none of the block's.
        lines.extend_from_slice(line.trim_ascii_end());
        lines.push(b'\n');
        if let Some(ended) = line.strip_prefix(END) {
            found = true;
            if !lines.starts_with(&[BEGIN, ended.trim_ascii_end(), b"\n"].concat()) {
                return Err("the first and last lines of its armor do not match".to_owned());
            }
            decode_block(lines, &mut decoded)
                .map_err(|reason| format!("its armor can't be decoded: {reason}"))?;
            block = None;
        }
    }
    match (found, block) {
        (_, Some(_)) => Err("its armor has no end".to_owned()),
        (false, None) => Err(format!(
            "it is neither binary OpenPGP nor armor with \"-----BEGIN PGP {}\"",
            kinds.first().unwrap_or(&"")
        )),
        (true, None) => Ok(decoded),
    }
}

/// Decodes one block, and adds its bytes to those before.
fn decode_block(block: &[u8], decoded: &mut Vec<u8>) -> Result<(), String> {
    let mut lines = block.split(|byte| *byte == b'\n').skip(1);
    for line in &mut lines {
        if line.is_empty() {
            break;
        }
        if line.starts_with(END) {
            return Err("the empty line after its headers is missing".to_owned());
        }
        if !line.contains(&b':') {
            return Err("a header has no colon".to_owned());
        }
    }
    let mut text = Zeroizing::new(Vec::with_capacity(block.len()));
    let mut sum = None;
    for line in lines {
        if line.starts_with(END) {
            break;
        }
        if sum.is_some() {
            return Err("something follows its sum".to_owned());
        }
        match line.strip_prefix(b"=") {
            Some(digits) if line.len() == 5 => {
                sum = Some(STANDARD.decode(digits).map_err(|error| error.to_string())?);
            }
            _ => text.extend_from_slice(line),
        }
    }
    let start = decoded.len();
    STANDARD
        .decode_vec(text.as_slice(), decoded)
        .map_err(|error| error.to_string())?;
    let bytes = decoded.get(start..).unwrap_or_default();
    match sum {
        Some(sum) if crc24(bytes).to_be_bytes().get(1..) != Some(&sum[..]) => {
            Err("its sum is wrong".to_owned())
        }
        _ => Ok(()),
    }
}

/// Returns the sum of a block's bytes.
fn crc24(bytes: &[u8]) -> u32 {
    let [start, polynomial] = CRC24;
    bytes.iter().fold(start, |sum, byte| {
        (0..8).fold(sum ^ u32::from(*byte) << 16, |sum, _| {
            let shifted = sum << 1;
            match shifted & 0x0100_0000 {
                0 => shifted,
                _ => shifted ^ polynomial,
            }
        })
    })
}
