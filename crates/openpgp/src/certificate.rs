//! A public key with what binds its parts, and the question whether it could sign at some time.
//!
//! ```text
//! primary key
//! ├── statements about the key itself: direct signatures, revocations
//! ├── user id ── certifications and their revocations
//! ├── …
//! ├── subkey ── bindings, each with the subkey's own signature inside, and revocations
//! └── …
//! ```

use pgp::packet::{
    KeyFlags, Packet, PublicKey, PublicSubkey, Signature, SignatureType, SubpacketData, UserId,
};
use pgp::types::{Duration, KeyDetails, KeyVersion, Tag, Timestamp};

use crate::error::Error;
use crate::packet::{self, Raw};
use crate::policy::{check_strength, fingerprint, hash_may_bind, is_hard};

/// A public key with its user ids and subkeys, none of which is believed before it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    /// The packets as they came, for export.
    pub(crate) bytes: Vec<u8>,
    pub(crate) primary: PublicKey,
    signatures: Vec<Signature>,
    users: Vec<(UserId, Vec<Signature>)>,
    subkeys: Vec<(PublicSubkey, Vec<Signature>)>,
}

/// One of the keys of a certificate.
#[derive(Clone, Copy)]
pub(crate) enum Component<'a> {
    Primary(&'a PublicKey),
    Subkey(&'a PublicSubkey, &'a [Signature]),
}

/// What the newest statement of a key's owner says about it.
struct Statement {
    flags: Option<KeyFlags>,
    /// In seconds since 1970.
    expires: Option<u64>,
}

/// Puts certificates together from the packets of a file. A key that can't be read comes as the
/// reason why.
pub(crate) fn assemble(packets: &[Raw<'_>]) -> Vec<Result<Certificate, String>> {
    let mut starts: Vec<_> = packets
        .iter()
        .enumerate()
        .filter(|(_, packet)| packet.tag == packet::PUBLIC_KEY)
        .map(|(index, _)| index)
        .collect();
    starts.push(packets.len());
    starts
        .windows(2)
        .filter_map(|pair| match *pair {
            [start, end] => packets.get(start..end),
            _ => None,
        })
        .map(Certificate::assemble)
        .collect()
}

impl Certificate {
    /// Puts a certificate together from its packets, the first of which is its primary key.
    fn assemble(packets: &[Raw<'_>]) -> Result<Self, String> {
        /// What the signatures that follow are about.
        enum About {
            Key,
            User,
            Subkey,
            Nothing,
        }
        let (first, rest) = packets.split_first().ok_or("it has no packet")?;
        let Packet::PublicKey(primary) = first.parse()? else {
            return Err("it does not begin with a public key".to_owned());
        };
        if !matches!(primary.version(), KeyVersion::V4 | KeyVersion::V6) {
            let version = u8::from(primary.version());
            return Err(format!("version {version} of OpenPGP keys is not used"));
        }
        let mut certificate = Self {
            bytes: packets.iter().flat_map(|raw| raw.bytes).copied().collect(),
            primary,
            signatures: Vec::new(),
            users: Vec::new(),
            subkeys: Vec::new(),
        };
        let mut about = About::Key;
        for raw in rest {
            match raw.tag {
                packet::SIGNATURE => {
                    // A signature of an unknown kind binds nothing.
                    let Ok(Packet::Signature(signature)) = raw.parse() else {
                        continue;
                    };
                    let list = match about {
                        About::Key => Some(&mut certificate.signatures),
                        About::User => certificate.users.last_mut().map(|(_, list)| list),
                        About::Subkey => certificate.subkeys.last_mut().map(|(_, list)| list),
                        About::Nothing => None,
                    };
                    if let Some(list) = list {
                        list.push(signature);
                    }
                }
                packet::USER_ID => match raw.parse() {
                    Ok(Packet::UserId(user)) => {
                        certificate.users.push((user, Vec::new()));
                        about = About::User;
                    }
                    _ => about = About::Nothing,
                },
                packet::PUBLIC_SUBKEY => match raw.parse() {
                    Ok(Packet::PublicSubkey(subkey))
                        if subkey.version() == certificate.primary.version() =>
                    {
                        certificate.subkeys.push((subkey, Vec::new()));
                        about = About::Subkey;
                    }
                    _ => about = About::Nothing,
                },
                _ => about = About::Nothing,
            }
        }
        Ok(certificate)
    }

    /// Adds what another copy of the same key says: one may be revoked and the other not.
    pub(crate) fn merge(&mut self, other: Self) {
        if self.bytes == other.bytes {
            return;
        }
        self.bytes.extend(other.bytes);
        self.signatures.extend(other.signatures);
        self.users.extend(other.users);
        for (subkey, signatures) in other.subkeys {
            match self.subkeys.iter_mut().find(|(own, _)| *own == subkey) {
                Some((_, own)) => own.extend(signatures),
                None => self.subkeys.push((subkey, signatures)),
            }
        }
    }

    /// Returns the primary key and the subkeys.
    pub(crate) fn components(&self) -> impl Iterator<Item = Component<'_>> {
        let subkeys = self.subkeys.iter();
        std::iter::once(Component::Primary(&self.primary))
            .chain(subkeys.map(|(key, signatures)| Component::Subkey(key, signatures)))
    }

    /// Returns the user ids that the key has bound itself to, as text.
    pub(crate) fn user_ids(&self) -> Vec<String> {
        let mut ids = Vec::new();
        for (user, signatures) in &self.users {
            let id = String::from_utf8_lossy(user.id()).into_owned();
            if !self.certifications(user, signatures).is_empty() && !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// Returns when the primary key expires, in seconds since 1970, if it does.
    pub(crate) fn expires(&self) -> Option<u64> {
        self.primary_statement().ok()?.expires
    }

    /// Checks that a key of this certificate could sign data at `time`, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`Error::KeyExpired`], [`Error::KeyRevoked`], [`Error::UnusableKey`].
    pub(crate) fn check_signer(&self, component: Component<'_>, time: u64) -> Result<(), Error> {
        let primary = fingerprint(&self.primary);
        let unusable = |key: String, reason: String| Error::UnusableKey { key, reason };
        let of_primary = self
            .primary_statement()
            .map_err(|reason| unusable(primary.clone(), reason))?;
        check_revocations(&primary, self.revocations(), time)?;
        check_lifetime(&self.primary, &of_primary, time)?;
        match component {
            Component::Primary(key) => {
                check_strength(key).map_err(|reason| unusable(primary.clone(), reason))?;
                check_signs(&primary, &of_primary)
            }
            Component::Subkey(key, signatures) => {
                let name = fingerprint(key);
                check_strength(key).map_err(|reason| unusable(name.clone(), reason))?;
                // The primary key vouches for the subkey, so that its size counts as well.
                check_strength(&self.primary)
                    .map_err(|reason| unusable(primary.clone(), reason))?;
                let statement = self
                    .subkey_statement(key, signatures)
                    .map_err(|reason| unusable(name.clone(), reason))?;
                check_revocations(&name, self.subkey_revocations(key, signatures), time)?;
                check_lifetime(key, &statement, time)?;
                check_signs(&name, &statement)
            }
        }
    }

    /// Returns what the primary key says about itself.
    fn primary_statement(&self) -> Result<Statement, String> {
        let mut own: Vec<&Signature> = self
            .signatures
            .iter()
            .filter(|signature| signature.typ() == Some(SignatureType::Key))
            .filter(|signature| binds(signature) && signature.verify_key(&self.primary).is_ok())
            .collect();
        for (user, signatures) in &self.users {
            own.extend(self.certifications(user, signatures));
        }
        if own.is_empty() {
            return Err("it has not bound itself to a user id".to_owned());
        }
        // A statement on another subject, such as who may revoke the key, is none on these.
        let newest = own
            .into_iter()
            .filter(|signature| {
                flags(signature).is_some() || signature.key_expiration_time().is_some()
            })
            .max_by_key(|signature| signature.created());
        Ok(Statement::new(&self.primary, newest))
    }

    /// Returns what the primary key says about a subkey that is one of its own.
    fn subkey_statement(
        &self,
        key: &PublicSubkey,
        signatures: &[Signature],
    ) -> Result<Statement, String> {
        let newest = signatures
            .iter()
            .filter(|signature| signature.typ() == Some(SignatureType::SubkeyBinding))
            .filter(|signature| {
                binds(signature) && signature.verify_subkey_binding(&self.primary, key).is_ok()
            })
            .max_by_key(|signature| signature.created())
            .ok_or("its primary key has not bound it")?;
        let agrees = newest.embedded_signature().is_some_and(|back| {
            binds(back) && back.verify_primary_key_binding(key, &self.primary).is_ok()
        });
        if !agrees {
            return Err("it has not signed its primary key".to_owned());
        }
        Ok(Statement::new(key, Some(newest)))
    }

    /// Returns the certifications of a user id by this key, if the newest of them is not revoked.
    fn certifications<'a>(&self, user: &UserId, signatures: &'a [Signature]) -> Vec<&'a Signature> {
        // Before the mathematics: a popular key has thousands of certifications by others.
        let own = |signature: &&Signature| names(signature, &self.primary);
        let fits = |signature: &&Signature| {
            let tag = Tag::UserId;
            signature
                .verify_certification(&self.primary, tag, user)
                .is_ok()
        };
        let valid: Vec<_> = (signatures.iter().filter(own))
            .filter(|signature| signature.is_certification() && binds(signature))
            .filter(fits)
            .collect();
        let newest = valid.iter().map(|signature| signature.created()).max();
        let revoked = (signatures.iter().filter(own))
            .filter(|signature| signature.typ() == Some(SignatureType::CertRevocation))
            .filter(fits)
            .any(|revocation| newest.is_none_or(|newest| revocation.created() >= newest));
        if revoked { Vec::new() } else { valid }
    }

    /// Returns the valid revocations of the primary key.
    fn revocations(&self) -> impl Iterator<Item = &Signature> {
        self.signatures
            .iter()
            .filter(|signature| signature.typ() == Some(SignatureType::KeyRevocation))
            .filter(|signature| signature.verify_key(&self.primary).is_ok())
    }

    /// Returns the valid revocations of a subkey.
    fn subkey_revocations<'a>(
        &self,
        key: &PublicSubkey,
        signatures: &'a [Signature],
    ) -> impl Iterator<Item = &'a Signature> {
        signatures
            .iter()
            .filter(|signature| signature.typ() == Some(SignatureType::SubkeyRevocation))
            .filter(|signature| signature.verify_subkey_binding(&self.primary, key).is_ok())
    }
}

impl<'a> Component<'a> {
    /// Returns the fingerprint as gpg prints it.
    pub(crate) fn fingerprint(self) -> String {
        match self {
            Self::Primary(key) => fingerprint(key),
            Self::Subkey(key, _) => fingerprint(key),
        }
    }

    /// Says whether the signature claims to be by this key.
    pub(crate) fn is_named_by(self, signature: &Signature) -> bool {
        match self {
            Self::Primary(key) => names(signature, key),
            Self::Subkey(key, _) => names(signature, key),
        }
    }

    /// Says whether the signature over `data` is by this key.
    pub(crate) fn fits(self, signature: &Signature, data: &[u8]) -> bool {
        match self {
            Self::Primary(key) => signature.verify(key, data).is_ok(),
            Self::Subkey(key, _) => signature.verify(key, data).is_ok(),
        }
    }
}

impl Statement {
    fn new(key: &impl KeyDetails, signature: Option<&Signature>) -> Self {
        let key_expires = signature
            .and_then(Signature::key_expiration_time)
            .and_then(|duration| end(key.created_at(), duration));
        // A statement may end itself; a key of which nothing is stated any more is no better off
        // than an expired one.
        let statement_ends = signature.and_then(|signature| {
            let duration = signature.signature_expiration_time()?;
            end(signature.created()?, duration)
        });
        Self {
            flags: signature.and_then(flags),
            expires: key_expires.into_iter().chain(statement_ends).min(),
        }
    }
}

/// Returns the end of a time that begins at `start`, in seconds since 1970; one of no length has no
/// end.
fn end(start: Timestamp, duration: Duration) -> Option<u64> {
    let seconds = Some(u64::from(duration.as_secs())).filter(|seconds| *seconds > 0);
    seconds.map(|seconds| u64::from(start.as_secs()) + seconds)
}

/// Says whether the signature names this key as its maker. The fingerprint decides, where the
/// signature has one: two keys may have one id.
fn names(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        signature.issuer_key_id().contains(&&key.legacy_key_id())
    } else {
        fingerprints.contains(&&key.fingerprint())
    }
}

/// Says whether the hash of a signature that binds a key counts, and nothing critical in it is
/// unknown here.
fn binds(signature: &Signature) -> bool {
    signature.hash_alg().is_some_and(hash_may_bind) && !has_critical_notation(signature)
}

/// Says whether the signature must not be taken by whoever does not know some notation of it; none
/// is known here.
pub(crate) fn has_critical_notation(signature: &Signature) -> bool {
    signature.config().is_some_and(|config| {
        config.hashed_subpackets().any(|subpacket| {
            subpacket.is_critical && matches!(subpacket.data, SubpacketData::Notation(_))
        })
    })
}

/// Returns the flags of a key, if the signature states any.
fn flags(signature: &Signature) -> Option<KeyFlags> {
    let mut subpackets = signature.config()?.hashed_subpackets();
    subpackets.find_map(|subpacket| match &subpacket.data {
        SubpacketData::KeyFlags(flags) => Some(flags.clone()),
        _ => None,
    })
}

/// Refuses a key that is revoked for what it signed at `time`.
fn check_revocations<'a>(
    key: &str,
    mut revocations: impl Iterator<Item = &'a Signature>,
    time: u64,
) -> Result<(), Error> {
    let undoes = |revocation: &Signature| {
        let created = revocation.created().map(|at| u64::from(at.as_secs()));
        is_hard(revocation) || created.is_none_or(|created| created <= time)
    };
    match revocations.any(undoes) {
        true => Err(Error::KeyRevoked {
            key: key.to_owned(),
        }),
        false => Ok(()),
    }
}

/// Checks that a key lived at `time`.
fn check_lifetime(key: &impl KeyDetails, statement: &Statement, time: u64) -> Result<(), Error> {
    if u64::from(key.created_at().as_secs()) > time {
        return Err(Error::UnusableKey {
            key: fingerprint(key),
            reason: "it was made after the signature".to_owned(),
        });
    }
    match statement.expires {
        Some(at) if at <= time => Err(Error::KeyExpired {
            key: fingerprint(key),
            at,
            signed: time,
        }),
        _ => Ok(()),
    }
}

/// Checks that a key may sign data. Very old keys state no flags, and may do what their algorithm
/// can; a subkey's flags are stated by whoever made it.
fn check_signs(key: &str, statement: &Statement) -> Result<(), Error> {
    match &statement.flags {
        Some(flags) if !flags.sign() => Err(Error::UnusableKey {
            key: key.to_owned(),
            reason: "it is not for signing data".to_owned(),
        }),
        _ => Ok(()),
    }
}
