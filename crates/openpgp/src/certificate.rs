//! A public key with what binds its parts, and the question whether it could sign at some time.
//!
//! ```text
//! primary key
//! ├── signatures on the key itself: direct signatures, revocations
//! ├── user id ── certifications and their revocations
//! ├── …
//! ├── subkey ── bindings, each with the subkey's own signature inside, and revocations
//! └── …
//! ```

use crate::error::Error;
use crate::key::Key;
use crate::packet::{self, Raw};
use crate::policy::{check_strength, hash_may_bind, is_hard};
use crate::signature::{
    CERTIFICATION_REVOCATION, DIRECT_KEY, KEY_REVOCATION, SUBKEY_BINDING, SUBKEY_REVOCATION,
    Signature,
};

/// A public key with its user ids and subkeys, none of which is believed before it is asked for.
#[derive(Clone, Debug)]
pub(crate) struct Certificate {
    /// The packets as they came, for export.
    pub(crate) bytes: Vec<u8>,
    pub(crate) primary: Key,
    signatures: Vec<Signature>,
    users: Vec<(Vec<u8>, Vec<Signature>)>,
    subkeys: Vec<(Key, Vec<Signature>)>,
}

/// One of the keys of a certificate.
#[derive(Clone, Copy)]
pub(crate) enum Component<'a> {
    Primary(&'a Key),
    Subkey(&'a Key, &'a [Signature]),
}

/// What the newest self-signature of a key says about it.
struct SelfSignature {
    may_sign: Option<bool>,
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

/// Subkeys or user ids, each with the signatures on it.
type Signed<T> = Vec<(T, Vec<Signature>)>;

/// Most subkeys, and most user ids, that a certificate has here; what comes after them binds nothing.
const MAX_ENTRIES: usize = 1000;

/// Returns the number of the entry of a subkey or user id, which is made if there is none. One that
/// is listed twice is one: a revocation of either copy counts. `None` if there are too many.
fn entry<T: PartialEq>(entries: &mut Signed<T>, subject: T) -> Option<usize> {
    let known = entries.iter().position(|(own, _)| *own == subject);
    if known.is_none() && entries.len() < MAX_ENTRIES {
        entries.push((subject, Vec::new()));
        return entries.len().checked_sub(1);
    }
    known
}

/// Adds the entries of another copy.
fn add<T: PartialEq>(entries: &mut Signed<T>, others: Signed<T>) {
    for (subject, signatures) in others {
        let at = entry(entries, subject);
        if let Some((_, own)) = at.and_then(|at| entries.get_mut(at)) {
            own.extend(signatures);
        }
    }
}

impl Certificate {
    /// Puts a certificate together from its packets, the first of which is its primary key.
    fn assemble(packets: &[Raw<'_>]) -> Result<Self, String> {
        /// What the signatures that follow are about.
        enum About {
            Key,
            /// The user id of this number.
            User(usize),
            /// The subkey of this number.
            Subkey(usize),
            Nothing,
        }
        let (first, rest) = packets.split_first().ok_or("it has no packet")?;
        let primary = Key::parse(first.body)?;
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
                    let Ok(signature) = Signature::parse(raw.body) else {
                        continue;
                    };
                    let list = match about {
                        About::Key => Some(&mut certificate.signatures),
                        About::User(at) => certificate.users.get_mut(at).map(|(_, list)| list),
                        About::Subkey(at) => certificate.subkeys.get_mut(at).map(|(_, list)| list),
                        About::Nothing => None,
                    };
                    if let Some(list) = list {
                        list.push(signature);
                    }
                }
                packet::USER_ID => {
                    let at = entry(&mut certificate.users, raw.body.to_vec());
                    about = at.map_or(About::Nothing, About::User);
                }
                packet::PUBLIC_SUBKEY => match Key::parse(raw.body) {
                    Ok(subkey) if subkey.version == certificate.primary.version => {
                        let at = entry(&mut certificate.subkeys, subkey);
                        about = at.map_or(About::Nothing, About::Subkey);
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
        add(&mut self.users, other.users);
        add(&mut self.subkeys, other.subkeys);
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
            let id = String::from_utf8_lossy(user).into_owned();
            if !self.certifications(user, signatures).is_empty() && !ids.contains(&id) {
                ids.push(id);
            }
        }
        ids
    }

    /// Returns when the primary key expires, in seconds since 1970, if it does.
    pub(crate) fn expires(&self) -> Option<u64> {
        self.primary_self_signature().ok()?.expires
    }

    /// Checks that a key of this certificate could sign data at `time`, in seconds since 1970.
    ///
    /// # Errors
    ///
    /// [`Error::KeyExpired`], [`Error::KeyRevoked`], [`Error::UnusableKey`].
    pub(crate) fn check_signer(&self, component: Component<'_>, time: u64) -> Result<(), Error> {
        let primary = self.primary.name();
        let unusable = |key: String, reason: String| Error::UnusableKey { key, reason };
        let of_primary = self
            .primary_self_signature()
            .map_err(|reason| unusable(primary.clone(), reason))?;
        check_revocations(&primary, self.revocations(), time)?;
        check_lifetime(&self.primary, &of_primary, time)?;
        match component {
            Component::Primary(key) => {
                check_strength(key).map_err(|reason| unusable(primary.clone(), reason))?;
                check_signs(&primary, &of_primary)
            }
            Component::Subkey(key, signatures) => {
                let name = key.name();
                check_strength(key).map_err(|reason| unusable(name.clone(), reason))?;
                // The primary key vouches for the subkey, so that its size counts as well.
                check_strength(&self.primary)
                    .map_err(|reason| unusable(primary.clone(), reason))?;
                let self_signature = self
                    .subkey_self_signature(key, signatures)
                    .map_err(|reason| unusable(name.clone(), reason))?;
                check_revocations(&name, self.subkey_revocations(key, signatures), time)?;
                check_lifetime(key, &self_signature, time)?;
                check_signs(&name, &self_signature)
            }
        }
    }

    /// Returns what the primary key says about itself.
    fn primary_self_signature(&self) -> Result<SelfSignature, String> {
        let mut own: Vec<&Signature> = self
            .signatures
            .iter()
            .filter(|signature| signature.kind == DIRECT_KEY)
            .filter(|signature| binds(signature) && names_only(signature, &self.primary))
            .filter(|signature| signature.fits_key(&self.primary))
            .collect();
        for (user, signatures) in &self.users {
            own.extend(self.certifications(user, signatures));
        }
        if own.is_empty() {
            return Err("it has not bound itself to a user id".to_owned());
        }
        // One on another subject, such as who may revoke the key, says nothing on these.
        let newest = own
            .into_iter()
            .filter(|signature| {
                signature.key_may_sign().is_some() || signature.key_lifetime().is_some()
            })
            .max_by_key(|signature| signature.created());
        Ok(SelfSignature::new(&self.primary, newest))
    }

    /// Returns what the primary key says about a subkey that is one of its own.
    fn subkey_self_signature(
        &self,
        key: &Key,
        signatures: &[Signature],
    ) -> Result<SelfSignature, String> {
        let newest = signatures
            .iter()
            .filter(|signature| signature.kind == SUBKEY_BINDING)
            .filter(|signature| binds(signature) && names_only(signature, &self.primary))
            .filter(|signature| signature.fits_binding(&self.primary, &self.primary, key))
            .max_by_key(|signature| signature.created())
            .ok_or("its primary key has not bound it")?;
        let agrees = newest
            .embedded()
            .is_some_and(|back| binds(back) && back.fits_binding(key, &self.primary, key));
        if !agrees {
            return Err("it has not signed its primary key".to_owned());
        }
        Ok(SelfSignature::new(key, Some(newest)))
    }

    /// Returns the certifications of a user id by this key, if the newest of them is not revoked.
    fn certifications<'a>(&self, user: &[u8], signatures: &'a [Signature]) -> Vec<&'a Signature> {
        // Before the mathematics: a popular key has thousands of certifications by others.
        let own = |signature: &&Signature| names(signature, &self.primary);
        let fits = |signature: &&Signature| signature.fits_user(&self.primary, user);
        // One that names another, too, is that one's for gpg.
        let valid: Vec<_> = (signatures.iter())
            .filter(|signature| names_only(signature, &self.primary))
            .filter(|signature| signature.is_certification() && binds(signature))
            .filter(fits)
            .collect();
        let newest = valid.iter().map(|signature| signature.created()).max();
        let revoked = (signatures.iter().filter(own))
            .filter(|signature| signature.kind == CERTIFICATION_REVOCATION)
            .filter(fits)
            .any(|revocation| newest.is_none_or(|newest| revocation.created() >= newest));
        if revoked { Vec::new() } else { valid }
    }

    /// Returns the valid revocations of the primary key.
    fn revocations(&self) -> impl Iterator<Item = &Signature> {
        self.signatures
            .iter()
            .filter(|signature| signature.kind == KEY_REVOCATION)
            .filter(|signature| signature.fits_key(&self.primary))
    }

    /// Returns the valid revocations of a subkey.
    fn subkey_revocations<'a>(
        &self,
        key: &Key,
        signatures: &'a [Signature],
    ) -> impl Iterator<Item = &'a Signature> {
        signatures
            .iter()
            .filter(|signature| signature.kind == SUBKEY_REVOCATION)
            .filter(|signature| signature.fits_binding(&self.primary, &self.primary, key))
    }
}

impl<'a> Component<'a> {
    /// Returns the key.
    pub(crate) fn key(self) -> &'a Key {
        match self {
            Self::Primary(key) | Self::Subkey(key, _) => key,
        }
    }

    /// Says whether the signature claims to be by this key.
    pub(crate) fn is_named_by(self, signature: &Signature) -> bool {
        names(signature, self.key())
    }
}

impl SelfSignature {
    fn new(key: &Key, signature: Option<&Signature>) -> Self {
        let key_expires = signature
            .and_then(Signature::key_lifetime)
            .and_then(|lifetime| end(key.created, lifetime));
        // A self-signature may expire, and a key without a valid one counts as expired.
        let signature_ends =
            signature.and_then(|signature| end(signature.created()?, signature.lifetime()?));
        Self {
            may_sign: signature.and_then(Signature::key_may_sign),
            expires: key_expires.into_iter().chain(signature_ends).min(),
        }
    }
}

/// Returns the end of a time that begins at `start`, in seconds since 1970; one of no length has no
/// end.
fn end(start: u32, lifetime: u32) -> Option<u64> {
    (lifetime > 0).then(|| u64::from(start) + u64::from(lifetime))
}

/// Says whether the signature names this key as its maker, and no other.
fn names_only(signature: &Signature, key: &Key) -> bool {
    names(signature, key)
        && signature.issuer_ids().all(|id| id == key.id())
        && (signature.issuer_fingerprints()).all(|fingerprint| fingerprint == key.fingerprint)
}

/// Says whether the signature names this key as its maker. The fingerprint decides, where the
/// signature has one: two keys may have one id.
fn names(signature: &Signature, key: &Key) -> bool {
    let mut fingerprints = signature.issuer_fingerprints().peekable();
    if fingerprints.peek().is_none() {
        signature.issuer_ids().any(|id| id == key.id())
    } else {
        fingerprints.any(|fingerprint| fingerprint == key.fingerprint)
    }
}

/// Says whether the hash of a signature that binds a key counts, and nothing critical in it is
/// unknown here.
fn binds(signature: &Signature) -> bool {
    hash_may_bind(signature.hash) && !signature.has_critical_notation()
}

/// Refuses a key that is revoked for what it signed at `time`.
fn check_revocations<'a>(
    key: &str,
    mut revocations: impl Iterator<Item = &'a Signature>,
    time: u64,
) -> Result<(), Error> {
    let undoes = |revocation: &Signature| {
        let created = revocation.created().map(u64::from);
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
fn check_lifetime(key: &Key, self_signature: &SelfSignature, time: u64) -> Result<(), Error> {
    if u64::from(key.created) > time {
        return Err(Error::UnusableKey {
            key: key.name(),
            reason: "it was made after the signature".to_owned(),
        });
    }
    match self_signature.expires {
        Some(at) if at <= time => Err(Error::KeyExpired {
            key: key.name(),
            at,
            signed: time,
        }),
        _ => Ok(()),
    }
}

/// Checks that a key may sign data. Very old keys state no flags, and may do what their algorithm
/// can; a subkey's flags are stated by the primary key.
fn check_signs(key: &str, self_signature: &SelfSignature) -> Result<(), Error> {
    match self_signature.may_sign {
        Some(false) => Err(Error::UnusableKey {
            key: key.to_owned(),
            reason: "it is not for signing data".to_owned(),
        }),
        Some(true) | None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_listed_twice_is_one() {
        let mut entries: Signed<&str> = Vec::new();
        let found: Vec<_> = ["a", "b", "a"].map(|one| entry(&mut entries, one)).into();
        assert_eq!(found, [Some(0), Some(1), Some(0)]);
        add(&mut entries, vec![("b", Vec::new()), ("c", Vec::new())]);
        let subjects: Vec<_> = entries.iter().map(|(subject, _)| *subject).collect();
        assert_eq!(subjects, ["a", "b", "c"]);
    }

    #[test]
    fn a_certificate_has_so_many_entries_and_no_more() {
        let mut entries: Signed<usize> = Vec::new();
        let found = (0..=MAX_ENTRIES).map(|one| entry(&mut entries, one));
        assert_eq!(found.flatten().count(), MAX_ENTRIES);
        assert_eq!(entry(&mut entries, 7), Some(7));
    }
}
