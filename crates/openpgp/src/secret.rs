//! A secret key as it stands in a file, and the passphrase that opens it.
//!
//! ```text
//! public key  usage  cipher  how the passphrase becomes a key  start    secret numbers, digest
//!             1 byte 1 byte  2 to 11 bytes                     a block  ╰──── encrypted ─────╯
//! ```
//!
//! What is read are the ways in which gpg writes secret keys: without protection, or with AES or
//! CAST5 in CFB mode.

use cfb_mode::cipher::KeyIvInit as _;
use zeroize::Zeroizing;

use crate::fields::Fields;
use crate::hash::Hash;
use crate::key::Key;
use crate::numbers::SecretNumbers;

/// A secret key that nobody has opened.
pub(crate) struct SecretKey {
    pub(crate) key: Key,
    protection: Protection,
    /// The secret numbers and what they are checked by, encrypted if there is a protection.
    numbers: Zeroizing<Vec<u8>>,
}

/// What keeps the secret numbers from being read.
#[derive(Clone, Debug)]
enum Protection {
    /// Nothing.
    None,
    /// They are not in the file, but with an agent or on a card.
    Elsewhere,
    Passphrase {
        cipher: Cipher,
        stretching: Stretching,
        start: Vec<u8>,
        /// Whether a digest shows that they are whole, or a mere sum.
        has_digest: bool,
    },
    /// One that is not known here.
    Unknown,
}

#[derive(Clone, Copy, Debug)]
enum Cipher {
    Cast5,
    Aes128,
    Aes192,
    Aes256,
}

/// How a passphrase becomes a key ("S2K").
#[derive(Clone, Debug)]
struct Stretching {
    hash: Hash,
    salt: Vec<u8>,
    /// How many bytes are hashed.
    count: usize,
}

/// Why a key was not opened.
pub(crate) enum Locked {
    /// It needs a passphrase.
    Passphrase,
    /// It needs another passphrase.
    WrongPassphrase,
    /// It can't be opened here.
    Reason(&'static str),
}

impl SecretKey {
    /// Parses the body of a secret key's packet.
    ///
    /// # Errors
    ///
    /// The reason why it can't be used here.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        let mut fields = Fields::new(body);
        let key = Key::read(&mut fields)?;
        let protection = protection(&key, &mut fields).ok_or("it ends too early")?;
        let numbers = Zeroizing::new(fields.rest().to_vec());
        Ok(Self {
            key,
            protection,
            numbers,
        })
    }

    /// Says whether the secret numbers are not in the file but with an agent or on a card.
    pub(crate) fn is_stub(&self) -> bool {
        matches!(self.protection, Protection::Elsewhere) || self.numbers.is_empty()
    }

    /// Opens the key.
    ///
    /// # Errors
    ///
    /// Why it stays locked.
    pub(crate) fn unlock(&self, passphrase: Option<&str>) -> Result<SecretNumbers, Locked> {
        const DAMAGED: Locked = Locked::Reason("its secret numbers are damaged");
        let numbers = match &self.protection {
            Protection::None => {
                // Version 6 has no sum.
                let numbers = match self.key.version {
                    6 => Some(&self.numbers[..]),
                    _ => without_sum(&self.numbers),
                };
                let numbers = numbers.ok_or(DAMAGED)?;
                Zeroizing::new(numbers.to_vec())
            }
            Protection::Passphrase {
                cipher,
                stretching,
                start,
                has_digest,
            } => {
                let passphrase = passphrase.ok_or(Locked::Passphrase)?;
                let key = stretching.key(passphrase.as_bytes(), cipher.key_length());
                let key = key.ok_or(Locked::Reason(
                    "the hash of its passphrase is not supported",
                ))?;
                let mut numbers = self.numbers.clone();
                cipher.decrypt(&key, start, &mut numbers).ok_or(DAMAGED)?;
                let checked = match has_digest {
                    true => without_digest(&numbers),
                    false => without_sum(&numbers),
                };
                Zeroizing::new(checked.ok_or(Locked::WrongPassphrase)?.to_vec())
            }
            Protection::Elsewhere => return Err(Locked::Reason("its secret part is missing")),
            Protection::Unknown => {
                return Err(Locked::Reason(
                    "it is protected in a way that is not supported; import it into gpg and \
                     export it from there",
                ));
            }
        };
        let mut fields = Fields::new(&numbers);
        SecretNumbers::read(self.key.algorithm, &self.key.numbers, &mut fields).ok_or(DAMAGED)
    }
}

/// Reads how a key is protected.
fn protection(key: &Key, fields: &mut Fields<'_>) -> Option<Protection> {
    let usage = fields.byte()?;
    if usage == 0 {
        return Some(Protection::None);
    }
    if key.version != 4 || !matches!(usage, 254 | 255) {
        return Some(Protection::Unknown);
    }
    let cipher = match fields.byte()? {
        3 => Some(Cipher::Cast5),
        7 => Some(Cipher::Aes128),
        8 => Some(Cipher::Aes192),
        9 => Some(Cipher::Aes256),
        _ => None,
    };
    let kind = fields.byte()?;
    let hash = Hash::from(fields.byte()?);
    let (salt, count) = match kind {
        0 => (&[][..], 0),
        1 => (fields.take(8)?, 0),
        3 => (fields.take(8)?, count(fields.byte()?)),
        // gpg's own kinds, for a key that is kept elsewhere.
        101 => return Some(Protection::Elsewhere),
        _ => return Some(Protection::Unknown),
    };
    let Some(cipher) = cipher else {
        return Some(Protection::Unknown);
    };
    Some(Protection::Passphrase {
        cipher,
        stretching: Stretching {
            hash,
            salt: salt.to_vec(),
            count,
        },
        start: fields.take(cipher.block_length())?.to_vec(),
        has_digest: usage == 254,
    })
}

/// Returns how many bytes are hashed, which is written as a byte of mantissa and exponent.
fn count(coded: u8) -> usize {
    (16 + usize::from(coded & 15)) << (usize::from(coded >> 4) + 6)
}

impl Stretching {
    /// Makes a key of a passphrase: the digest of salt and passphrase, over and over, as many bytes
    /// of them as are asked for. What a digest is too short for comes from another, with zeros
    /// before.
    fn key(&self, passphrase: &[u8], length: usize) -> Option<Zeroizing<Vec<u8>>> {
        let once = Zeroizing::new([&self.salt[..], passphrase].concat());
        // Never less than all of it, and of an empty passphrase without salt nothing.
        let whole = self.count.checked_div(once.len()).unwrap_or(0).max(1);
        let rest = self.count.saturating_sub(whole * once.len());
        let mut key = Zeroizing::new(Vec::with_capacity(length + 64));
        let mut zeros = Vec::new();
        while key.len() < length {
            let parts = std::iter::once(&zeros[..])
                .chain(std::iter::repeat_n(&once[..], whole))
                .chain(once.get(..rest));
            let digest = Zeroizing::new(self.hash.digest(parts)?);
            key.extend_from_slice(&digest);
            zeros.push(0);
        }
        key.truncate(length);
        Some(key)
    }
}

impl Cipher {
    fn key_length(self) -> usize {
        match self {
            Self::Cast5 | Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }

    fn block_length(self) -> usize {
        match self {
            Self::Cast5 => 8,
            Self::Aes128 | Self::Aes192 | Self::Aes256 => 16,
        }
    }

    /// Decrypts bytes in place.
    fn decrypt(self, key: &[u8], start: &[u8], bytes: &mut [u8]) -> Option<()> {
        match self {
            Self::Cast5 => cfb_mode::Decryptor::<cast5::Cast5>::new_from_slices(key, start)
                .ok()?
                .decrypt(bytes),
            Self::Aes128 => cfb_mode::Decryptor::<aes::Aes128>::new_from_slices(key, start)
                .ok()?
                .decrypt(bytes),
            Self::Aes192 => cfb_mode::Decryptor::<aes::Aes192>::new_from_slices(key, start)
                .ok()?
                .decrypt(bytes),
            Self::Aes256 => cfb_mode::Decryptor::<aes::Aes256>::new_from_slices(key, start)
                .ok()?
                .decrypt(bytes),
        }
        Some(())
    }
}

/// Returns bytes without the digest at their end, if it is theirs.
fn without_digest(bytes: &[u8]) -> Option<&[u8]> {
    let (bytes, digest) = bytes.split_last_chunk::<20>()?;
    (Hash::Sha1.digest([bytes])? == digest).then_some(bytes)
}

/// Returns bytes without their sum at the end, if it is right.
fn without_sum(bytes: &[u8]) -> Option<&[u8]> {
    let (bytes, sum) = bytes.split_last_chunk()?;
    let total = bytes
        .iter()
        .fold(0_u16, |total, byte| total.wrapping_add(u16::from(*byte)));
    (total == u16::from_be_bytes(*sum)).then_some(bytes)
}
