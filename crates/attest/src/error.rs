//! What can be wrong with a key or a bundle.

/// What is wrong. `origin` is the name of the file of a key.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file has no key that can be used.
    #[error("{origin}: {reason}")]
    Key {
        /// The name of the file.
        origin: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A key is protected.
    #[error("{origin} is protected by a passphrase")]
    PassphraseNeeded {
        /// The name of the file.
        origin: String,
    },
    /// A passphrase does not open a key.
    #[error("the passphrase does not open {origin}")]
    WrongPassphrase {
        /// The name of the file.
        origin: String,
    },
    /// Not a bundle that is read here. The text completes the sentence "the bundle … ".
    #[error("{0}")]
    Bundle(String),
    /// It is not signed by any of the given keys. Completes the same sentence.
    #[error("is not signed by a key that was given")]
    NotSigned,
}
