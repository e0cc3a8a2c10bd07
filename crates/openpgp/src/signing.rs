//! A secret key, and the signatures it makes.

use std::fmt;

use pgp::crypto::hash::HashAlgorithm;
use pgp::packet::{
    Packet, PacketTrait as _, SecretKey, SecretSubkey, SignatureConfig, SignatureType, Subpacket,
    SubpacketData,
};
use pgp::types::{KeyDetails, KeyVersion, Password, SecretParams, SigningKey as Sign, Timestamp};

use crate::armor;
use crate::certificate::{Certificate, Component, assemble};
use crate::error::Error;
use crate::keyring::{Keyring, check_size};
use crate::packet::{self, Raw};
use crate::policy::fingerprint;

/// Largest file of a secret key in bytes.
const MAX_SECRET_KEY: usize = 1 << 20;
/// What the first line of an armored secret key says.
const PRIVATE_KEY_BLOCK: &str = "PRIVATE KEY BLOCK";

/// A secret key to sign with, unlocked. Its numbers are wiped from memory when it goes, and it
/// prints as its fingerprint alone.
pub struct SigningKey {
    secret: Secret,
    certificate: Certificate,
    origin: String,
}

/// The part of the key that signs.
enum Secret {
    Primary(SecretKey),
    Subkey(SecretSubkey),
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
        if certificate.primary.version() != KeyVersion::V4 {
            let reason = "gpg can't check signatures of its version; make a key of version 4";
            return Err(refuse(reason.to_owned()));
        }
        let secret = choose(secrets, &certificate, time).map_err(|error| match error {
            Some(error) => refuse(error.to_string()),
            None => refuse("it has no secret key that may sign".to_owned()),
        })?;
        let secret = unlock(secret, passphrase, origin)?;
        Ok(Self {
            secret,
            certificate,
            origin: origin.to_owned(),
        })
    }

    /// Returns the fingerprint of the primary key, by which people know the key, in upper-case
    /// hex.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.certificate.primary)
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
        let (name, signed) = match &self.secret {
            Secret::Primary(key) => (fingerprint(key), sign(key, data, time)),
            Secret::Subkey(key) => (fingerprint(key), sign(key, data, time)),
        };
        let signed = signed.map_err(|error| refuse(error.to_string()))?;
        // A signature that clients refuse is found here and not by them: a key that is expired,
        // too short, or whose secret and public numbers don't belong together.
        let verified = self
            .public()
            .verify_detached(data, &signed, "signature", time);
        match verified {
            Ok(verified) if verified.signer == name => Ok(signed),
            Ok(_) => Err(refuse("another key of its has the same id".to_owned())),
            Err(error) => Err(refuse(error.to_string())),
        }
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.fingerprint())
    }
}

impl Secret {
    fn fingerprint(&self) -> String {
        match self {
            Self::Primary(key) => fingerprint(key),
            Self::Subkey(key) => fingerprint(key),
        }
    }
}

/// Parses the secret keys among the packets, each with its place. What can't be read is none: a
/// subkey of an unknown algorithm, or a primary key that is only a stub since it is kept elsewhere.
fn secrets(packets: &[Raw<'_>]) -> Result<Vec<(usize, Secret)>, String> {
    let mut secrets = Vec::new();
    for (place, raw) in packets.iter().enumerate() {
        let is_secret = matches!(raw.tag, packet::SECRET_KEY | packet::SECRET_SUBKEY);
        match is_secret.then(|| raw.parse()) {
            Some(Ok(Packet::SecretKey(key))) => secrets.push((place, Secret::Primary(key))),
            Some(Ok(Packet::SecretSubkey(key))) => secrets.push((place, Secret::Subkey(key))),
            Some(Err(reason)) if raw.tag == packet::SECRET_KEY => return Err(reason),
            _ => {}
        }
    }
    Ok(secrets)
}

/// Returns the packets with the public part of each secret key in its place.
fn public_bytes(packets: &[Raw<'_>], secrets: &[(usize, Secret)]) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    for (place, raw) in packets.iter().enumerate() {
        let secret = secrets.iter().find(|(at, _)| *at == place);
        let written = match secret {
            Some((_, Secret::Primary(key))) => key.public_key().to_writer_with_header(&mut bytes),
            Some((_, Secret::Subkey(key))) => key.public_key().to_writer_with_header(&mut bytes),
            None if matches!(raw.tag, packet::SECRET_KEY | packet::SECRET_SUBKEY) => continue,
            None => {
                bytes.extend_from_slice(raw.bytes);
                continue;
            }
        };
        written.map_err(|error| error.to_string())?;
    }
    Ok(bytes)
}

/// Chooses the key that signs: the newest subkey that may, else the primary key. Fails with the
/// reason why the best candidate may not, if there is one.
fn choose(
    secrets: Vec<(usize, Secret)>,
    certificate: &Certificate,
    time: u64,
) -> Result<Secret, Option<Error>> {
    let mut chosen: Option<(bool, u32, Secret)> = None;
    let mut failed = None;
    for (_, secret) in secrets {
        let (params, created) = match &secret {
            Secret::Primary(key) => (key.secret_params(), key.created_at()),
            Secret::Subkey(key) => (key.secret_params(), key.created_at()),
        };
        if is_stub(params) {
            continue;
        }
        let name = secret.fingerprint();
        let component = certificate
            .components()
            .find(|component| component.fingerprint() == name);
        let Some(component) = component else { continue };
        if let Err(error) = certificate.check_signer(component, time) {
            failed = failed.or(Some(error));
            continue;
        }
        let is_subkey = matches!(component, Component::Subkey(..));
        let rank = (is_subkey, created.as_secs());
        if chosen
            .as_ref()
            .is_none_or(|(sub, at, _)| rank > (*sub, *at))
        {
            chosen = Some((is_subkey, created.as_secs(), secret));
        }
    }
    chosen.map(|(_, _, secret)| secret).ok_or(failed)
}

/// Says whether the secret numbers are not in the file but with an agent or on a card.
fn is_stub(params: &SecretParams) -> bool {
    match params {
        SecretParams::Plain(_) => false,
        SecretParams::Encrypted(encrypted) => encrypted.data().is_empty(),
    }
}

/// Removes the protection of a key.
fn unlock(secret: Secret, passphrase: Option<&str>, origin: &str) -> Result<Secret, Error> {
    let params = match &secret {
        Secret::Primary(key) => key.secret_params(),
        Secret::Subkey(key) => key.secret_params(),
    };
    if matches!(params, SecretParams::Plain(_)) {
        return Ok(secret);
    }
    let origin = origin.to_owned();
    let Some(passphrase) = passphrase else {
        return Err(Error::PassphraseNeeded { origin });
    };
    let password = Password::from(passphrase);
    let unlocked = match secret {
        Secret::Primary(mut key) => key
            .remove_password(&password)
            .map(|()| Secret::Primary(key)),
        Secret::Subkey(mut key) => key.remove_password(&password).map(|()| Secret::Subkey(key)),
    };
    unlocked.map_err(|_| Error::WrongPassphrase { origin })
}

/// Signs data with an unlocked key.
fn sign(key: &impl Sign, data: &[u8], time: u64) -> Result<Vec<u8>, String> {
    let text = |error: pgp::errors::Error| error.to_string();
    let seconds =
        u32::try_from(time).map_err(|_| "OpenPGP has no times after the year 2106".to_owned())?;
    // The largest hash that every gpg knows; a curve of 521 bits asks for no less.
    let mut config = SignatureConfig::v4(
        SignatureType::Binary,
        key.algorithm(),
        HashAlgorithm::Sha512,
    );
    let created = SubpacketData::SignatureCreationTime(Timestamp::from_secs(seconds));
    let issuer = SubpacketData::IssuerFingerprint(key.fingerprint());
    config.hashed_subpackets = vec![
        Subpacket::critical(created).map_err(text)?,
        Subpacket::regular(issuer).map_err(text)?,
    ];
    let id = SubpacketData::IssuerKeyId(key.legacy_key_id());
    config.unhashed_subpackets = vec![Subpacket::regular(id).map_err(text)?];
    let signature = config.sign(key, &Password::empty(), data).map_err(text)?;
    let mut bytes = Vec::new();
    signature.to_writer_with_header(&mut bytes).map_err(text)?;
    Ok(bytes)
}
