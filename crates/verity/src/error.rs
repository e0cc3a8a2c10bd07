//! What can be wrong with hashes, keys and signatures.

use std::io;

/// An error of this crate.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Data or hashes can't be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// There are no hashes of a kind that is read here.
    #[error("the hash tree {0}")]
    Hashes(String),
    /// A block is not what its hash says.
    #[error("block {block} of {of} is not what its hash says")]
    Block {
        /// What it is a block of.
        of: &'static str,
        /// Its number, from 0.
        block: u64,
    },
    /// The data can't have a hash tree.
    #[error("data of {0} bytes have no hash tree: its blocks have 4096 bytes")]
    Length(u64),
    /// What holds the signature is not in its form.
    #[error("the signature's partition {0}")]
    SignatureBlock(String),
    /// It is not a signature as systemd and Linux want it.
    #[error("the signature {0}")]
    Signature(String),
    /// It is not an archive of signatures.
    #[error("the archive {0}")]
    Archive(String),
    /// Not a certificate, or not one to sign with.
    #[error("{origin}: {reason}")]
    Certificate {
        /// The file, as the caller named it.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// Not a secret key that can be used.
    #[error("{origin}: {reason}")]
    Key {
        /// The file, as the caller named it.
        origin: String,
        /// What is wrong.
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
}

impl Error {
    /// Says whether the input is wrong, rather than that it could not be read.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        match self {
            Self::Io(error) => matches!(
                error.kind(),
                io::ErrorKind::UnexpectedEof | io::ErrorKind::InvalidData
            ),
            _ => true,
        }
    }
}
