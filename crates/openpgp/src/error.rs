//! What can be wrong with a key, a keyring or a signature.

use crate::policy::date;

/// An error of this crate. Keys are named as gpg names them, in upper-case hex.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Not OpenPGP, or damaged.
    #[error("{origin}: {reason}")]
    Malformed {
        /// The file, as the caller named it.
        origin: String,
        /// What is wrong, with the offset where it is known.
        reason: String,
    },
    /// More bytes than a key or signature has.
    #[error("{origin}: {size} bytes, but at most {limit} are allowed")]
    TooLarge {
        /// The file, as the caller named it.
        origin: String,
        /// Its size in bytes.
        size: u64,
        /// The largest size in bytes.
        limit: u64,
    },
    /// A secret key where a public one belongs.
    #[error("{origin} holds a secret key where public keys belong")]
    SecretKey {
        /// The file, as the caller named it.
        origin: String,
    },
    /// A keyring without a key that can be used.
    #[error("{origin} holds no public key that can be used: {reason}")]
    NoKey {
        /// The file, as the caller named it.
        origin: String,
        /// Why not.
        reason: String,
    },
    /// A signature is by no key of the keyring.
    #[error("no key in the keyring made the signature; key {} did", keys.join(", "))]
    UnknownKey {
        /// Ids or fingerprints of the keys that the signatures name.
        keys: Vec<String>,
    },
    /// The signature does not say whose it is.
    #[error("the signature names no key")]
    Anonymous,
    /// The data is not what was signed, or the signature is not by this key.
    #[error("the signature is bad: it claims to be by key {key}, but does not fit the data")]
    BadSignature {
        /// Fingerprint of the key.
        key: String,
    },
    /// The signature is of a kind that does not count.
    #[error("the signature by key {key} does not count: {reason}")]
    Unacceptable {
        /// Fingerprint or id of the key.
        key: String,
        /// Why not.
        reason: String,
    },
    /// The hash algorithm of the signature is broken.
    #[error("the signature by key {key} is made with {hash}, which can be forged")]
    WeakHash {
        /// Fingerprint or id of the key.
        key: String,
        /// Name of the algorithm.
        hash: String,
    },
    /// The signature is past its own expiry.
    #[error("the signature by key {key} expired on {}", date(*.at))]
    SignatureExpired {
        /// Fingerprint of the key.
        key: String,
        /// When, in seconds since 1970.
        at: u64,
    },
    /// The key was expired when the signature was made.
    #[error("key {key} expired on {}, before it made the signature on {}", date(*.at), date(*.signed))]
    KeyExpired {
        /// Fingerprint of the key.
        key: String,
        /// When it expired, in seconds since 1970.
        at: u64,
        /// When the signature was made, in seconds since 1970.
        signed: u64,
    },
    /// The key is revoked.
    #[error("key {key} is revoked")]
    KeyRevoked {
        /// Fingerprint of the key.
        key: String,
    },
    /// The key can't be used to check the signature.
    #[error("key {key} can't be used: {reason}")]
    UnusableKey {
        /// Fingerprint of the key.
        key: String,
        /// Why not.
        reason: String,
    },
    /// The secret key is protected and no passphrase was given.
    #[error("{origin} is protected by a passphrase")]
    PassphraseNeeded {
        /// The file, as the caller named it.
        origin: String,
    },
    /// The passphrase does not open the secret key.
    #[error("the passphrase does not open {origin}")]
    WrongPassphrase {
        /// The file, as the caller named it.
        origin: String,
    },
    /// The key in the file is not one to sign with.
    #[error("{origin} can't sign: {reason}")]
    NoSigningKey {
        /// The file, as the caller named it.
        origin: String,
        /// Why not.
        reason: String,
    },
}
