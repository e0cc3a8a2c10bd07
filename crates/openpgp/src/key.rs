//! A public key by itself: who it is, and what it takes for its own signatures.
//!
//! ```text
//! version 4: version  time made  algorithm                   numbers
//! version 6: version  time made  algorithm  their length     numbers
//!            1 byte   4 bytes    1 byte     4 bytes
//! ```

use std::fmt::Write as _;

use crate::algorithm::Algorithm;
use crate::fields::Fields;
use crate::hash::Hash;
use crate::numbers::PublicNumbers;

/// Bytes of a key's id, which is a part of its fingerprint.
const ID_LENGTH: usize = 8;

/// A public key.
#[derive(Clone, Debug)]
pub(crate) struct Key {
    /// 4 or 6.
    pub(crate) version: u8,
    /// When it was made, in seconds since 1970.
    pub(crate) created: u32,
    pub(crate) algorithm: Algorithm,
    pub(crate) numbers: PublicNumbers,
    pub(crate) fingerprint: Vec<u8>,
    /// The body of its packet.
    pub(crate) body: Vec<u8>,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.body == other.body
    }
}

impl Key {
    /// Parses the body of a public key's packet.
    ///
    /// # Errors
    ///
    /// The reason why it is none that can be used here.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        let mut fields = Fields::new(body);
        let key = Self::read(&mut fields)?;
        match fields.is_empty() {
            true => Ok(key),
            false => Err("bytes follow its numbers".to_owned()),
        }
    }

    /// Reads the public key that a packet begins with; those of secret keys hold more.
    ///
    /// # Errors
    ///
    /// See [`Key::parse`].
    pub(crate) fn read(fields: &mut Fields<'_>) -> Result<Self, String> {
        const SHORT: &str = "it ends too early";
        let mut whole = *fields;
        let version = fields.byte().ok_or(SHORT)?;
        if !matches!(version, 4 | 6) {
            return Err(format!(
                "version {version} of OpenPGP keys is not supported"
            ));
        }
        let created = fields.four_bytes().ok_or(SHORT)?;
        let algorithm = Algorithm::from(fields.byte().ok_or(SHORT)?);
        let numbers = if version == 6 {
            let length = fields.four_bytes().and_then(|n| usize::try_from(n).ok());
            let numbers = length.and_then(|length| fields.take(length)).ok_or(SHORT)?;
            let mut inner = Fields::new(numbers);
            let numbers = PublicNumbers::read(algorithm, &mut inner)?;
            if !inner.is_empty() {
                return Err("its numbers are shorter than it says".to_owned());
            }
            numbers
        } else {
            PublicNumbers::read(algorithm, fields)?
        };
        let length = whole.len() - fields.len();
        let body = whole.take(length).ok_or(SHORT)?.to_vec();
        let (hash, prefix) = (fingerprint_hash(version), prefix(version, body.len())?);
        let fingerprint = hash
            .digest([&prefix[..], &body])
            .ok_or("its fingerprint is forged")?;
        Ok(Self {
            version,
            created,
            algorithm,
            numbers,
            fingerprint,
            body,
        })
    }

    /// Returns the fingerprint as gpg prints it.
    pub(crate) fn name(&self) -> String {
        hex(&self.fingerprint)
    }

    /// Returns the id, by which older signatures name the key.
    pub(crate) fn id(&self) -> [u8; ID_LENGTH] {
        let id = match self.version {
            6 => self.fingerprint.first_chunk(),
            _ => self.fingerprint.last_chunk(),
        };
        id.copied().unwrap_or_default()
    }

    /// Returns what signatures over the key have before its body.
    pub(crate) fn prefix(&self) -> Vec<u8> {
        prefix(self.version, self.body.len()).unwrap_or_default()
    }
}

/// Returns the hash of fingerprints, which the version of a key decides.
fn fingerprint_hash(version: u8) -> Hash {
    match version {
        6 => Hash::Sha256,
        _ => Hash::Sha1,
    }
}

/// Returns what is hashed before the body of a key.
fn prefix(version: u8, length: usize) -> Result<Vec<u8>, String> {
    let too_long = |_| "it is too long".to_owned();
    let mut prefix = Vec::new();
    if version == 6 {
        prefix.push(0x9b);
        prefix.extend(u32::try_from(length).map_err(too_long)?.to_be_bytes());
    } else {
        prefix.push(0x99);
        prefix.extend(u16::try_from(length).map_err(too_long)?.to_be_bytes());
    }
    Ok(prefix)
}

/// Returns bytes as upper-case hex.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02X}");
        hex
    })
}
