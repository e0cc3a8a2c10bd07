//! Public keys that are trusted, and the check of a signature against them.

use crate::armor;
use crate::certificate::{Certificate, Component, assemble};
use crate::error::Error;
use crate::key::hex;
use crate::packet;
use crate::policy::{date, hash_may_sign_data};
use crate::signature::{BINARY, Signature};

/// Largest file of keys in bytes: a distribution's whole keyring has some 2 MB.
pub const MAX_KEYRING: u64 = 4 << 20;
/// Largest file of signatures in bytes; systemd takes as many.
const MAX_SIGNATURE: u64 = 1 << 20;
/// Most signatures over one input that are looked at.
const MAX_SIGNATURES: usize = 32;
/// What the first line of armored public keys says.
const PUBLIC_KEY_BLOCK: &str = "PUBLIC KEY BLOCK";
/// What the first line of an armored signature says.
const SIGNATURE_BLOCK: &str = "SIGNATURE";

/// Keys of which each is trusted.
#[derive(Clone, Debug, Default)]
pub struct Keyring {
    certificates: Vec<Certificate>,
    /// Of keys that can't be read: where they are, and why not.
    unreadable: Vec<String>,
}

/// A key as it is listed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySummary {
    /// Fingerprint of the primary key, in upper-case hex.
    pub fingerprint: String,
    /// Names and addresses that the key has bound itself to.
    pub user_ids: Vec<String>,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it expires, in seconds since 1970, if it does.
    pub expires: Option<u64>,
}

/// A signature that was found good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Fingerprint of the primary key, by which people know the key, in upper-case hex.
    pub fingerprint: String,
    /// Fingerprint of the key that made the signature: the same, or a subkey's.
    pub signer: String,
    /// The first name and address of the key.
    pub user_id: Option<String>,
    /// When the signature was made, by its own word, in seconds since 1970.
    pub created: u64,
}

impl Verified {
    /// The day of the signature in UTC, as `YYYY-MM-DD`.
    #[must_use]
    pub fn day(&self) -> String {
        date(self.created)
    }
}

impl Keyring {
    /// Reads keys from a file, armored or binary; `origin` is its name for messages.
    ///
    /// # Errors
    ///
    /// See [`Keyring::add`].
    pub fn parse(bytes: &[u8], origin: &str) -> Result<Self, Error> {
        let mut keyring = Self::default();
        keyring.add(bytes, origin)?;
        Ok(keyring)
    }

    /// Adds the keys of a file, armored or binary; `origin` is its name for messages.
    ///
    /// A key that can't be read, for its algorithm say, is passed over; see
    /// [`Keyring::unreadable`].
    ///
    /// # Errors
    ///
    /// [`Error::TooLarge`] above [`MAX_KEYRING`] bytes, [`Error::Malformed`], [`Error::SecretKey`], and
    /// [`Error::NoKey`] if not one key can be read.
    pub fn add(&mut self, bytes: &[u8], origin: &str) -> Result<(), Error> {
        check_size(bytes, origin, MAX_KEYRING)?;
        let malformed = |reason| malformed(origin, reason);
        // Armor of a secret key is decoded as well, for a better message.
        let kinds = [PUBLIC_KEY_BLOCK, "PRIVATE KEY BLOCK"];
        let binary = armor::decode(bytes, &kinds).map_err(malformed)?;
        let packets = packet::split(&binary).map_err(malformed)?;
        let is_secret = |tag| matches!(tag, packet::SECRET_KEY | packet::SECRET_SUBKEY);
        if packets.iter().any(|packet| is_secret(packet.tag)) {
            return Err(Error::SecretKey {
                origin: origin.to_owned(),
            });
        }
        let mut reason = "it has none".to_owned();
        let mut added = 0;
        for certificate in assemble(&packets) {
            match certificate {
                Ok(certificate) => {
                    self.insert(certificate);
                    added += 1;
                }
                Err(problem) => {
                    self.unreadable.push(format!("{origin}: {problem}"));
                    reason = problem;
                }
            }
        }
        if added == 0 {
            return Err(Error::NoKey {
                origin: origin.to_owned(),
                reason,
            });
        }
        Ok(())
    }

    /// Adds the keys of another keyring.
    pub fn extend(&mut self, other: Self) {
        for certificate in other.certificates {
            self.insert(certificate);
        }
        self.unreadable.extend(other.unreadable);
    }

    /// Makes a keyring of one key.
    pub(crate) fn of(certificate: Certificate) -> Self {
        Self {
            certificates: vec![certificate],
            unreadable: Vec::new(),
        }
    }

    fn insert(&mut self, certificate: Certificate) {
        let known = self
            .certificates
            .iter_mut()
            .find(|known| known.primary.fingerprint == certificate.primary.fingerprint);
        match known {
            Some(known) => known.merge(certificate),
            None => self.certificates.push(certificate),
        }
    }

    /// Removes the key of this fingerprint, if it is there.
    pub fn remove(&mut self, print: &str) {
        self.certificates
            .retain(|certificate| certificate.primary.name() != print);
    }

    /// Says whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.certificates.is_empty()
    }

    /// Returns a line for each key that was passed over: its file, and why.
    pub fn unreadable(&self) -> &[String] {
        &self.unreadable
    }

    /// Returns the keys in the order in which they came.
    pub fn keys(&self) -> Vec<KeySummary> {
        self.certificates
            .iter()
            .map(|certificate| KeySummary {
                fingerprint: certificate.primary.name(),
                user_ids: certificate.user_ids(),
                created: certificate.primary.created.into(),
                expires: certificate.expires(),
            })
            .collect()
    }

    /// Returns the keys as a binary file, byte for byte as they came. This is the form of systemd's
    /// `import-pubring.gpg`, for which armor is no keyring.
    pub fn to_binary(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for certificate in &self.certificates {
            bytes.extend_from_slice(&certificate.bytes);
        }
        bytes
    }

    /// Checks a detached signature over `data`, armored or binary, against these keys.
    ///
    /// Of several signatures each must be good, and nothing else may be in the file: gpg and gpgv,
    /// which clients ask, fail at the first that is not. The first one is returned. `now`, in
    /// seconds since 1970, is asked only about signatures that expire by their own word. `origin`
    /// is the signature's name for messages.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`], [`Error::TooLarge`]; otherwise what is wrong with the signature, or
    /// of several with the one that came closest: [`Error::UnknownKey`] only if nothing else is
    /// wrong.
    pub fn verify_detached(
        &self,
        data: &[u8],
        signature: &[u8],
        origin: &str,
        now: u64,
    ) -> Result<Verified, Error> {
        let mut unknown = Vec::new();
        let mut closest = None;
        let mut good = None;
        for signature in signatures(signature, origin)? {
            let verified = match signature {
                Ok(signature) => self.verify(data, &signature, now),
                Err(reason) => Err(malformed(origin, reason)),
            };
            match verified {
                Ok(verified) => good = good.or(Some(verified)),
                Err(Error::UnknownKey { keys }) => unknown.extend(keys),
                Err(error) => closest = closest.or(Some(error)),
            }
        }
        unknown.dedup();
        match (closest, good) {
            (Some(error), _) => Err(error),
            (None, Some(verified)) if unknown.is_empty() => Ok(verified),
            (None, _) => Err(Error::UnknownKey { keys: unknown }),
        }
    }

    /// Checks one signature.
    fn verify(&self, data: &[u8], signature: &Signature, now: u64) -> Result<Verified, Error> {
        let mut failed = None;
        for certificate in &self.certificates {
            for component in certificate.components() {
                if !component.is_named_by(signature) {
                    continue;
                }
                match check(certificate, component, data, signature, now) {
                    Ok(verified) => return Ok(verified),
                    Err(error) => failed = failed.or(Some(error)),
                }
            }
        }
        Err(failed.unwrap_or_else(|| {
            let keys = issuers(signature);
            match keys.is_empty() {
                true => Error::Anonymous,
                false => Error::UnknownKey { keys },
            }
        }))
    }
}

/// Checks a signature against the key that it names.
fn check(
    certificate: &Certificate,
    component: Component<'_>,
    data: &[u8],
    signature: &Signature,
    now: u64,
) -> Result<Verified, Error> {
    let key = component.key().name();
    let unacceptable = |reason: &str| Error::Unacceptable {
        key: key.clone(),
        reason: reason.to_owned(),
    };
    if signature.kind != BINARY {
        return Err(unacceptable("it is not one over the bytes of a file"));
    }
    if !hash_may_sign_data(signature.hash) {
        return Err(Error::WeakHash {
            key,
            hash: signature.hash.to_string(),
        });
    }
    let created = signature
        .created()
        .map(u64::from)
        .ok_or_else(|| unacceptable("it does not say when it was made"))?;
    if signature.has_critical_notation() {
        return Err(unacceptable("it has a critical notation that is not known"));
    }
    if !signature.fits_data(component.key(), data) {
        return Err(Error::BadSignature { key });
    }
    certificate.check_signer(component, created)?;
    let lifetime = signature.lifetime().map_or(0, u64::from);
    if lifetime > 0 && created + lifetime <= now {
        return Err(Error::SignatureExpired {
            key,
            at: created + lifetime,
        });
    }
    Ok(Verified {
        fingerprint: certificate.primary.name(),
        signer: key,
        user_id: certificate.user_ids().into_iter().next(),
        created,
    })
}

/// Parses the signatures of a file, each by itself, so that what is wrong can be said of each.
fn signatures(bytes: &[u8], origin: &str) -> Result<Vec<Result<Signature, String>>, Error> {
    check_size(bytes, origin, MAX_SIGNATURE)?;
    let malformed = |reason| malformed(origin, reason);
    let binary = armor::decode(bytes, &[SIGNATURE_BLOCK]).map_err(malformed)?;
    let packets = packet::split(&binary).map_err(malformed)?;
    match packets.len() {
        0 => Err(malformed("it holds no signature".to_owned())),
        1..=MAX_SIGNATURES => Ok(packets
            .iter()
            .map(|raw| match raw.tag {
                packet::SIGNATURE => Signature::parse(raw.body),
                _ => Err("it holds something other than signatures".to_owned()),
            })
            .collect()),
        count => Err(malformed(format!(
            "{count} packets, {MAX_SIGNATURES} are allowed"
        ))),
    }
}

/// Refuses what is no OpenPGP.
fn malformed(origin: &str, reason: String) -> Error {
    Error::Malformed {
        origin: origin.to_owned(),
        reason,
    }
}

/// Returns the keys that the signature names, by fingerprint if it has them, else by id.
fn issuers(signature: &Signature) -> Vec<String> {
    let fingerprints: Vec<_> = signature.issuer_fingerprints().map(hex).collect();
    match fingerprints.is_empty() {
        true => signature.issuer_ids().map(hex).collect(),
        false => fingerprints,
    }
}

impl KeySummary {
    /// Returns the day on which the key expires, as `YYYY-MM-DD`, if it does.
    pub fn expiry_date(&self) -> Option<String> {
        self.expires.map(date)
    }
}

/// Refuses more bytes than such a file has.
pub(crate) fn check_size(bytes: &[u8], origin: &str, limit: u64) -> Result<(), Error> {
    let size = bytes.len() as u64;
    if size > limit {
        let origin = origin.to_owned();
        return Err(Error::TooLarge {
            origin,
            size,
            limit,
        });
    }
    Ok(())
}
