//! A signature: what it says, and whether it fits what it is over.
//!
//! ```text
//! version 4: version  kind  algorithm  hash  subpackets that are signed, others  half of  numbers
//! version 6: the same with longer lengths                                the digest  salt  numbers
//! versions 2, 3: version  5  kind  time  key's id  algorithm  hash      half of the digest  numbers
//! ```
//!
//! That a signature fits says nothing of whether it counts; `policy` and `certificate` do.

use crate::algorithm::Algorithm;
use crate::fields::Fields;
use crate::hash::Hash;
use crate::key::Key;
use crate::numbers::are_whole;

/// Kinds of signatures.
pub(crate) const BINARY: u8 = 0x00;
/// The first and the last of four kinds of certifications, which are one here.
const CERTIFICATIONS: std::ops::RangeInclusive<u8> = 0x10..=0x13;
pub(crate) const SUBKEY_BINDING: u8 = 0x18;
pub(crate) const PRIMARY_KEY_BINDING: u8 = 0x19;
pub(crate) const DIRECT_KEY: u8 = 0x1f;
pub(crate) const KEY_REVOCATION: u8 = 0x20;
pub(crate) const SUBKEY_REVOCATION: u8 = 0x28;
pub(crate) const CERTIFICATION_REVOCATION: u8 = 0x30;

/// Kinds of subpackets that are read here.
pub(crate) const CREATION_TIME: u8 = 2;
const SIGNATURE_EXPIRATION: u8 = 3;
const KEY_EXPIRATION: u8 = 9;
pub(crate) const ISSUER_ID: u8 = 16;
const NOTATION: u8 = 20;
const KEY_FLAGS: u8 = 27;
const REVOCATION_REASON: u8 = 29;
const EMBEDDED_SIGNATURE: u8 = 32;
pub(crate) const ISSUER_FINGERPRINT: u8 = 33;
/// The bit of a critical subpacket: a reader that does not know it must refuse the signature.
pub(crate) const CRITICAL: u8 = 0x80;

/// The flag of a key that it may sign data.
const FLAG_SIGN: u8 = 2;

/// A signature.
#[derive(Clone, Debug)]
pub(crate) struct Signature {
    /// 2, 3, 4 or 6.
    version: u8,
    pub(crate) kind: u8,
    algorithm: Algorithm,
    pub(crate) hash: Hash,
    /// What is signed of the signature itself.
    signed: Vec<u8>,
    subpackets: Vec<Subpacket>,
    /// The first bytes of the digest, by which most that does not fit is known at once.
    half: [u8; 2],
    /// What is hashed first; only version 6 has it.
    salt: Vec<u8>,
    numbers: Vec<u8>,
    embedded: Option<Box<Signature>>,
}

/// Something that a signature says.
#[derive(Clone, Debug)]
struct Subpacket {
    kind: u8,
    is_critical: bool,
    is_signed: bool,
    content: Vec<u8>,
}

impl Signature {
    /// Parses the body of a signature's packet.
    ///
    /// # Errors
    ///
    /// The reason why it is none that can be read here.
    pub(crate) fn parse(body: &[u8]) -> Result<Self, String> {
        let mut fields = Fields::new(body);
        match fields.byte() {
            Some(version @ (2 | 3)) => Self::parse_old(version, fields)
                .ok_or_else(|| "it is not whole, or not as version 3 of signatures is".to_owned()),
            Some(version @ (4 | 6)) => Self::parse_new(version, body, fields, false),
            Some(version) => Err(format!("version {version} of signatures is not supported")),
            None => Err("it ends too early".to_owned()),
        }
    }

    fn parse_old(version: u8, mut fields: Fields<'_>) -> Option<Self> {
        let signed = fields.short().filter(|signed| signed.len() == 5)?;
        let (kind, time) = signed.split_first()?;
        let subpacket = |kind, content: &[u8]| Subpacket {
            kind,
            is_critical: false,
            is_signed: true,
            content: content.to_vec(),
        };
        let issuer = fields.take(8)?;
        Some(Self {
            version,
            kind: *kind,
            algorithm: fields.byte()?.into(),
            hash: fields.byte()?.into(),
            signed: signed.to_vec(),
            subpackets: vec![subpacket(CREATION_TIME, time), subpacket(ISSUER_ID, issuer)],
            half: fields.array()?,
            salt: Vec::new(),
            numbers: fields.rest().to_vec(),
            embedded: None,
        })
        .filter(|signature| are_whole(signature.algorithm, &signature.numbers))
    }

    fn parse_new(
        version: u8,
        body: &[u8],
        mut fields: Fields<'_>,
        is_embedded: bool,
    ) -> Result<Self, String> {
        const SHORT: &str = "it ends too early";
        let kind = fields.byte().ok_or(SHORT)?;
        let algorithm = fields.byte().ok_or(SHORT)?.into();
        let hash = Hash::from(fields.byte().ok_or(SHORT)?);
        let mut subpackets = Vec::new();
        let area = area(version, &mut fields).ok_or(SHORT)?;
        let signed = body.len() - fields.len();
        let signed = body.get(..signed).ok_or(SHORT)?.to_vec();
        read_subpackets(area, true, &mut subpackets)?;
        let area = self::area(version, &mut fields).ok_or(SHORT)?;
        read_subpackets(area, false, &mut subpackets)?;
        let half = fields.array().ok_or(SHORT)?;
        let salt = match version {
            6 => fields.short().ok_or(SHORT)?.to_vec(),
            _ => Vec::new(),
        };
        if version == 6 && hash.salt_length() != Some(salt.len()) {
            return Err(format!("{} bytes of salt are not for {hash}", salt.len()));
        }
        let mut signature = Self {
            version,
            kind,
            algorithm,
            hash,
            signed,
            subpackets,
            half,
            salt,
            numbers: fields.rest().to_vec(),
            embedded: None,
        };
        if !are_whole(signature.algorithm, &signature.numbers) {
            return Err(format!("its numbers are not those of {algorithm}"));
        }
        signature.embedded = signature.parse_embedded(is_embedded)?.map(Box::new);
        Ok(signature)
    }

    /// Parses the signature within, which a subkey makes over its primary key.
    fn parse_embedded(&self, is_embedded: bool) -> Result<Option<Self>, String> {
        let all = self.subpackets.iter();
        let mut first = None;
        for subpacket in all.filter(|subpacket| subpacket.kind == EMBEDDED_SIGNATURE) {
            if is_embedded {
                return Err("signatures within signatures within it".to_owned());
            }
            let mut fields = Fields::new(&subpacket.content);
            let inner = match fields.byte() {
                Some(version @ (4 | 6)) => {
                    Self::parse_new(version, &subpacket.content, fields, true)?
                }
                _ => return Err("the signature within it can't be read".to_owned()),
            };
            if inner.kind != PRIMARY_KEY_BINDING {
                return Err("the signature within it is not over a primary key".to_owned());
            }
            first = first.or(Some(inner));
        }
        Ok(first)
    }

    /// Says whether it is over a key and a user id.
    pub(crate) fn is_certification(&self) -> bool {
        CERTIFICATIONS.contains(&self.kind)
    }

    /// Returns when it was made by its own word, in seconds since 1970.
    pub(crate) fn created(&self) -> Option<u32> {
        self.time(CREATION_TIME)
    }

    /// Returns for how many seconds it is good.
    pub(crate) fn lifetime(&self) -> Option<u32> {
        self.time(SIGNATURE_EXPIRATION)
    }

    /// Returns for how many seconds the key is good that it is over.
    pub(crate) fn key_lifetime(&self) -> Option<u32> {
        self.time(KEY_EXPIRATION)
    }

    /// Says whether the key that it is over may sign data, if it says anything of what it may.
    pub(crate) fn key_may_sign(&self) -> Option<bool> {
        let flags = self.signed(KEY_FLAGS)?;
        Some(flags.first().is_some_and(|flags| flags & FLAG_SIGN != 0))
    }

    /// Returns the number of the reason of a revocation.
    pub(crate) fn revocation_reason(&self) -> Option<u8> {
        self.signed(REVOCATION_REASON)?.first().copied()
    }

    /// Returns the subkey's own signature in its binding.
    pub(crate) fn embedded(&self) -> Option<&Self> {
        self.embedded.as_deref()
    }

    /// Says whether it must not be taken by a reader that does not know some notation of it, signed
    /// or not; none is known here.
    pub(crate) fn has_critical_notation(&self) -> bool {
        (self.subpackets.iter())
            .any(|subpacket| subpacket.is_critical && subpacket.kind == NOTATION)
    }

    /// Returns the fingerprints of the keys that it says made it. That need not be signed: whether
    /// it fits the key will show.
    pub(crate) fn issuer_fingerprints(&self) -> impl Iterator<Item = &[u8]> {
        self.all(ISSUER_FINGERPRINT)
            .filter_map(|content| content.get(1..))
    }

    /// Returns the ids of the keys that it says made it.
    pub(crate) fn issuer_ids(&self) -> impl Iterator<Item = &[u8]> {
        self.all(ISSUER_ID)
    }

    /// Says whether it fits the bytes of a file.
    pub(crate) fn fits_data(&self, by: &Key, data: &[u8]) -> bool {
        self.fits(by, &[data])
    }

    /// Says whether it fits the key that made it, as a self-signature does.
    pub(crate) fn fits_key(&self, key: &Key) -> bool {
        let mut fingerprints = self.issuer_fingerprints().peekable();
        let mut ids = self.issuer_ids().peekable();
        let is_anonymous = fingerprints.peek().is_none() && ids.peek().is_none();
        let is_own = is_anonymous
            || ids.any(|id| id == key.id())
            || fingerprints.any(|print| print == key.fingerprint);
        is_own && self.fits(key, &[&key.prefix(), &key.body])
    }

    /// Says whether it fits a user id of the key that made it.
    pub(crate) fn fits_user(&self, key: &Key, user: &[u8]) -> bool {
        let Ok(length) = u32::try_from(user.len()) else {
            return false;
        };
        let [a, b, c, d] = length.to_be_bytes();
        let prefix = match self.version {
            4 | 6 => &[0xb4, a, b, c, d][..],
            _ => &[],
        };
        self.fits(key, &[&key.prefix(), &key.body, prefix, user])
    }

    /// Says whether it fits a primary key and a subkey, and was made by the one that is named.
    pub(crate) fn fits_binding(&self, by: &Key, primary: &Key, subkey: &Key) -> bool {
        let (first, second) = (primary.prefix(), subkey.prefix());
        self.fits(by, &[&first, &primary.body, &second, &subkey.body])
    }

    /// Says whether it was made over these parts by the key.
    fn fits(&self, by: &Key, parts: &[&[u8]]) -> bool {
        // The two go together, so that neither can be passed off as of the weaker version.
        if (self.version == 6) != (by.version == 6) || !self.may_be_taken() {
            return false;
        }
        let trailer = self.trailer();
        let parts = [&self.salt[..]]
            .into_iter()
            .chain(parts.iter().copied())
            .chain([&self.signed[..], &trailer]);
        self.hash.digest(parts).is_some_and(|digest| {
            digest.starts_with(&self.half)
                && (by.numbers).fit(self.hash, &digest, &self.numbers, self.algorithm)
        })
    }

    /// Says whether it has no critical subpacket that is not known, signed or not, and names its
    /// maker in the form of its version.
    fn may_be_taken(&self) -> bool {
        self.subpackets
            .iter()
            .all(|subpacket| match subpacket.kind {
                ISSUER_FINGERPRINT => {
                    !subpacket.is_signed || subpacket.content.first() == Some(&self.version)
                }
                kind => is_known(kind) || !subpacket.is_critical,
            })
    }

    /// Returns what is hashed last.
    fn trailer(&self) -> Vec<u8> {
        match (self.version, u32::try_from(self.signed.len())) {
            (4 | 6, Ok(length)) => {
                let mut trailer = vec![self.version, 0xff];
                trailer.extend(length.to_be_bytes());
                trailer
            }
            _ => Vec::new(),
        }
    }

    /// Returns the first signed subpacket of a kind.
    fn signed(&self, kind: u8) -> Option<&[u8]> {
        let mut signed = self.subpackets.iter().filter(|one| one.is_signed);
        let found = signed.find(|subpacket| subpacket.kind == kind)?;
        Some(&found.content)
    }

    /// Returns a signed subpacket that is a number of seconds.
    fn time(&self, kind: u8) -> Option<u32> {
        Fields::new(self.signed(kind)?).four_bytes()
    }

    /// Returns the subpackets of a kind, the signed ones first.
    fn all(&self, kind: u8) -> impl Iterator<Item = &[u8]> {
        let all = self.subpackets.iter();
        all.filter(move |subpacket| subpacket.kind == kind)
            .map(|subpacket| &subpacket.content[..])
    }
}

/// Takes an area of subpackets.
fn area<'a>(version: u8, fields: &mut Fields<'a>) -> Option<&'a [u8]> {
    let length = match version {
        6 => usize::try_from(fields.four_bytes()?).ok()?,
        _ => fields.two_bytes()?.into(),
    };
    fields.take(length)
}

/// Reads the subpackets of an area.
fn read_subpackets(
    area: &[u8],
    is_signed: bool,
    subpackets: &mut Vec<Subpacket>,
) -> Result<(), String> {
    let mut fields = Fields::new(area);
    while !fields.is_empty() {
        let (kind, content) = subpacket(&mut fields).ok_or("a subpacket in it is cut off")?;
        let (kind, is_critical) = (kind & !CRITICAL, kind & CRITICAL != 0);
        let is_sound = match (kind, content) {
            (CREATION_TIME | SIGNATURE_EXPIRATION | KEY_EXPIRATION, time) => time.len() == 4,
            (ISSUER_ID, id) => id.len() == 8,
            (ISSUER_FINGERPRINT, [version, fingerprint @ ..]) => {
                matches!((version, fingerprint.len()), (4, 20) | (5 | 6, 32))
            }
            (ISSUER_FINGERPRINT | REVOCATION_REASON, []) => false,
            _ => true,
        };
        if !is_sound {
            return Err(format!("its subpacket of type {kind} is damaged"));
        }
        subpackets.push(Subpacket {
            kind,
            is_critical,
            is_signed,
            content: content.to_vec(),
        });
    }
    Ok(())
}

/// Reads a subpacket: its length, its kind, and its content.
fn subpacket<'a>(fields: &mut Fields<'a>) -> Option<(u8, &'a [u8])> {
    let length = match fields.byte()? {
        short @ 0..=191 => usize::from(short),
        middle @ 192..=254 => {
            ((usize::from(middle) - 192) << 8) + usize::from(fields.byte()?) + 192
        }
        255 => usize::try_from(fields.four_bytes()?).ok()?,
    };
    let (kind, content) = fields.take(length)?.split_first()?;
    Some((*kind, content))
}

/// Says whether it is known what a subpacket of this kind says; most say nothing on what is asked
/// here. gpg knows no others, and so refuses them where they are critical.
fn is_known(kind: u8) -> bool {
    matches!(kind, 2..=7 | 9 | 11 | 12 | 16 | 20..=22 | 24..=27 | 29 | 30 | 32 | 33)
}
