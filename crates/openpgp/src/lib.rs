//! Detached OpenPGP signatures: keyrings, verification by a stated policy, signing.
//!
//! ```text
//! key file, armored or binary ─▶ packets ─▶ Certificate ─▶ Keyring ── verify_detached(data,
//! signature)                                           primary key, user ids, subkeys, and what
//! binds them secret key file, passphrase ─▶ packets ─▶ SigningKey ── sign(data, time) ─▶ signature
//! ```
//!
//! The mathematics are those of the RustCrypto and dalek crates, which say whether numbers fit
//! (`numbers`); the packets that hold the numbers are read here, and which signature counts is
//! decided here. The **policy**:
//!
//! - **A signature** is one over bytes (not over text with its line ends rewritten), of SHA-2 or
//!   SHA-3: anyone who can make two inputs with one MD5 or SHA-1 gets one signed and shows the
//!   other. It must be good when it was made, by its own word, and not have expired since.
//!   Each signature in a file must be good, and nothing else may be in it. What gpgv refuses, for
//!   critical subpackets that it does not know or for its armor say, is refused here.
//! - **The key** that made it is RSA or DSA of at least 2048 bits, or on an elliptic curve; it may
//!   sign data, by its flags; it was not expired when the signature was made, and not revoked. A
//!   key that was only superseded or retired is good for what it signed before; one that was
//!   revoked for another reason, or for none, is good for nothing, since a thief can write any
//!   date.
//! - **What binds the key.** The primary key has bound itself to a user id or to itself. A subkey
//!   is bound by the primary key, and has signed the primary key in turn; otherwise, anyone could
//!   adopt another's subkey. The newest valid self-signature of the key about flags and expiry
//!   counts, as for gpg: exported keys often have no other. SHA-1 is taken here (most keys of
//!   distributions are older than its fall) with the check for the known collision attacks; MD5 is
//!   not.
//! - **Whose key it is** is not asked. A user who gives a keyring trusts each key in it. Statements
//!   of third parties are ignored, revocations by designated revokers as well.
//!
//! All bytes are hostile: packets are cut by `packet`, with fixed limits, and read one at a time; a
//! packet that can't be read (an algorithm that is not known) costs the key that it belongs to and
//! no other. This crate reads no clock: callers pass the time.

mod algorithm;
mod armor;
mod certificate;
mod error;
mod fields;
mod hash;
mod key;
mod keyring;
mod numbers;
mod packet;
mod policy;
mod secret;
mod signature;
mod signing;
#[cfg(test)]
mod tests;

pub use error::Error;
pub use keyring::{KeySummary, Keyring, MAX_KEYRING, Verified};
pub use policy::date;
pub use signing::{MAX_SECRET_KEY, SigningKey};
