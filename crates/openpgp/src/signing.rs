//! A secret key, and the signatures it makes.

use std::fmt;

use crate::armor;
use crate::certificate::{Certificate, Component, assemble};
use crate::error::Error;
use crate::hash::Hash;
use crate::key::Key;
use crate::keyring::{Keyring, check_size};
use crate::numbers::SecretNumbers;
use crate::packet::{self, Raw};
use crate::secret::{Locked, SecretKey};
use crate::signature::{BINARY, CREATION_TIME, CRITICAL, ISSUER_FINGERPRINT, ISSUER_ID};

/// Largest file of a secret key in bytes.
pub const MAX_SECRET_KEY: u64 = 1 << 20;
/// What the first line of an armored secret key says.
const PRIVATE_KEY_BLOCK: &str = "PRIVATE KEY BLOCK";

/// A secret key to sign with, unlocked. Its numbers are wiped from memory when it goes, and it
/// prints as its fingerprint alone.
pub struct SigningKey {
    /// The key that signs, which may be a subkey.
    key: Key,
    secret: SecretNumbers,
    certificate: Certificate,
    origin: String,
}

impl SigningKey {
    /// Reads a secret key from a file, armored or binary, as `gpg --export-secret-keys` writes it;
    /// `origin` is its name for messages.
    ///
    /// Of a key with signing subkeys the newest signs, as with gpg; it must be good at `time`, in
    /// seconds since 1970. The passphrase is asked for only if the key is protected by one.
    ///
    /// # Errors
    ///
    /// [`Error::Malformed`], [`Error::TooLarge`]; [`Error::PassphraseNeeded`] if there is none and
    /// the key needs one, [`Error::WrongPassphrase`]; [`Error::NoSigningKey`] if the file has no
    /// key that may sign at `time`, has several primary keys, or one of version 6, whose
    /// signatures gpg, and with it systemd, can't read.
    pub fn parse(
        bytes: &[u8],
        origin: &str,
        passphrase: Option<&str>,
        time: u64,
    ) -> Result<Self, Error> {
        check_size(bytes, origin, MAX_SECRET_KEY)?;
        let malformed = |reason| Error::Malformed {
            origin: origin.to_owned(),
            reason,
        };
        let refuse = |reason: String| Error::NoSigningKey {
            origin: origin.to_owned(),
            reason,
        };
        let kinds = [PRIVATE_KEY_BLOCK, "PUBLIC KEY BLOCK"];
        let binary = armor::decode(bytes, &kinds).map_err(malformed)?;
        let packets = packet::split(&binary).map_err(malformed)?;
        let secrets = secrets(&packets).map_err(&refuse)?;
        let public = public_bytes(&packets, &secrets).map_err(malformed)?;
        let public_packets = packet::split(&public).map_err(malformed)?;
        let mut certificates = assemble(&public_packets);
        let certificate = match (certificates.pop(), certificates.is_empty()) {
            (Some(certificate), true) => certificate.map_err(&refuse)?,
            (Some(_), false) => return Err(refuse("it has several keys; export one".to_owned())),
            (None, _) => return Err(refuse("it has no secret key".to_owned())),
        };
        if certificate.primary.version != 4 {
            let reason = "gpg can't check signatures of its version; make a key of version 4";
            return Err(refuse(reason.to_owned()));
        }
        let secret = choose(secrets, &certificate, time).map_err(|error| match error {
            Some(error) => refuse(error.to_string()),
            None => refuse("it has no secret key that may sign".to_owned()),
        })?;
        let origin_of = || origin.to_owned();
        let numbers = secret.unlock(passphrase).map_err(|locked| match locked {
            Locked::Passphrase => Error::PassphraseNeeded {
                origin: origin_of(),
            },
            Locked::WrongPassphrase => Error::WrongPassphrase {
                origin: origin_of(),
            },
            Locked::Reason(reason) => refuse(reason.to_owned()),
        })?;
        Ok(Self {
            key: secret.key,
            secret: numbers,
            certificate,
            origin: origin.to_owned(),
        })
    }

    /// Returns the fingerprint of the primary key, by which people know the key, in upper-case
    /// hex.
    pub fn fingerprint(&self) -> String {
        self.certificate.primary.name()
    }

    /// Returns the public part of the key.
    pub fn public(&self) -> Keyring {
        Keyring::of(self.certificate.clone())
    }

    /// Signs `data`: a detached binary signature of `time`, in seconds since 1970. The same key,
    /// data and time give the same bytes.
    ///
    /// # Errors
    ///
    /// [`Error::NoSigningKey`] if the key was not good at `time`, or can't be used.
    pub fn sign(&self, data: &[u8], time: u64) -> Result<Vec<u8>, Error> {
        let refuse = |reason: String| Error::NoSigningKey {
            origin: self.origin.clone(),
            reason,
        };
        let signed = sign(&self.key, &self.secret, data, time).map_err(&refuse)?;
        // A signature that clients refuse is found here and not by them: a key that is expired,
        // too short, or whose secret and public numbers don't belong together.
        let verified = self
            .public()
            .verify_detached(data, &signed, "signature", time);
        match verified {
            Ok(verified) if verified.signer == self.key.name() => Ok(signed),
            Ok(_) => Err(refuse("another of its keys has the same id".to_owned())),
            Err(error) => Err(refuse(error.to_string())),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.fingerprint())
    }
}

/// Parses the secret keys among the packets, each with its place. What can't be read is none: a
/// subkey of an unknown algorithm, or a primary key that is only a stub since it is kept elsewhere.
fn secrets(packets: &[Raw<'_>]) -> Result<Vec<(usize, SecretKey)>, String> {
    let mut secrets = Vec::new();
    for (place, raw) in packets.iter().enumerate() {
        let is_secret = matches!(raw.tag, packet::SECRET_KEY | packet::SECRET_SUBKEY);
        match is_secret.then(|| SecretKey::parse(raw.body)) {
            Some(Ok(key)) => secrets.push((place, key)),
            Some(Err(reason)) if raw.tag == packet::SECRET_KEY => return Err(reason),
            Some(Err(_)) | None => {}
        }
    }
    Ok(secrets)
}

/// Returns the packets with the public part of each secret key in its place.
fn public_bytes(packets: &[Raw<'_>], secrets: &[(usize, SecretKey)]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for (place, raw) in packets.iter().enumerate() {
        let secret = secrets.iter().find(|(at, _)| *at == place);
        let tag = match raw.tag {
            packet::SECRET_KEY => packet::PUBLIC_KEY,
            packet::SECRET_SUBKEY => packet::PUBLIC_SUBKEY,
            _ => {
                bytes.extend_from_slice(raw.bytes);
                continue;
            }
        };
        if let Some((_, secret)) = secret {
            packet::write(tag, raw.is_old(), &secret.key.body, &mut bytes)?;
        }
    }
    Ok(bytes)
}

/// Chooses the key that signs: the newest subkey that may, else the primary key. Fails with the
/// reason why the best candidate may not, if there is one.
fn choose(
    secrets: Vec<(usize, SecretKey)>,
    certificate: &Certificate,
    time: u64,
) -> Result<SecretKey, Option<Error>> {
    let mut chosen: Option<(bool, u32, SecretKey)> = None;
    let mut failed = None;
    for (_, secret) in secrets {
        if secret.is_stub() {
            continue;
        }
        let component = certificate
            .components()
            .find(|component| component.key().fingerprint == secret.key.fingerprint);
        let Some(component) = component else { continue };
        if let Err(error) = certificate.check_signer(component, time) {
            failed = failed.or(Some(error));
            continue;
        }
        let is_subkey = matches!(component, Component::Subkey(..));
        let created = secret.key.created;
        let rank = (is_subkey, created);
        if chosen
            .as_ref()
            .is_none_or(|(sub, at, _)| rank > (*sub, *at))
        {
            chosen = Some((is_subkey, created, secret));
        }
    }
    chosen.map(|(_, _, secret)| secret).ok_or(failed)
}

/// Signs data with an unlocked key.
fn sign(key: &Key, secret: &SecretNumbers, data: &[u8], time: u64) -> Result<Vec<u8>, String> {
    let seconds = u32::try_from(time).map_err(|_| {
        "OpenPGP can't express times after the year \
            2106"
            .to_owned()
    })?;
    let mut subpackets = Vec::new();
    subpacket(
        CREATION_TIME | CRITICAL,
        &seconds.to_be_bytes(),
        &mut subpackets,
    );
    let issuer = [&[key.version][..], &key.fingerprint].concat();
    subpacket(ISSUER_FINGERPRINT, &issuer, &mut subpackets);
    // The largest hash that every gpg knows; a curve of 521 bits asks for no less.
    let (hash, hash_number) = (Hash::Sha512, 10);
    let mut body = vec![4, BINARY, key.algorithm.into(), hash_number];
    area(&subpackets, &mut body);
    let length = u32::try_from(body.len()).unwrap_or_default().to_be_bytes();
    let digest = hash
        .digest([data, &body, &[4, 0xff], &length])
        .ok_or("no digest")?;
    subpackets.clear();
    subpacket(ISSUER_ID, &key.id(), &mut subpackets);
    area(&subpackets, &mut body);
    body.extend(digest.iter().take(2));
    let numbers = secret.sign(&digest);
    body.extend(numbers.ok_or("its numbers don't belong together")?);
    let mut bytes = Vec::new();
    packet::write(packet::SIGNATURE, false, &body, &mut bytes)?;
    Ok(bytes)
}

/// Writes a subpacket of a signature; those that are made here are short.
fn subpacket(kind: u8, content: &[u8], bytes: &mut Vec<u8>) {
    let length = u8::try_from(content.len() + 1).unwrap_or_default();
    bytes.extend([length, kind]);
    bytes.extend_from_slice(content);
}

/// Writes an area of subpackets with its length before it.
fn area(subpackets: &[u8], bytes: &mut Vec<u8>) {
    let length = u16::try_from(subpackets.len()).unwrap_or_default();
    bytes.extend(length.to_be_bytes());
    bytes.extend_from_slice(subpackets);
}
