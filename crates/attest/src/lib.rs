//! Signed statements about how a file was built.
//!
//! Three formats, one in the other: a [`Statement`] of in-toto says of a file, by its digest, how it was
//! made, in the words of SLSA; a DSSE envelope has its bytes and their signature; a bundle of sigstore
//! has the envelope and says by which key. Whoever has the file, the bundle and the public key needs
//! nobody else: no log, no authority, no network.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        reason = "a test reads what it made itself"
    )
)]

mod bundle;
mod error;
mod key;
mod statement;

pub use bundle::{MAX_BUNDLE, open, seal};
pub use error::Error;
pub use key::{PublicKey, SigningKey};
pub use statement::{PROVENANCE, Statement, Subject};
