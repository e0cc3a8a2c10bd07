//! The signature of a store's list, and the public key beside it.
//!
//! A key comes from a file, or gpg signs, which is run only when it is asked for. Either way the signature is checked here as clients will check it, before it
//! is published. What a client needs to do so is next to the list: the public keys, in the binary
//! form that systemd's `import-pubring.gpg` has. The list does not have them, for it can't vouch
//! for the key that vouches for it.

mod extending;
mod gpg;
mod memory;
mod passphrase;
mod signer;
mod verity;

pub use extending::{extends, open, open_to_extend, other_signer};
pub use gpg::ENVIRONMENT as GPG_ENVIRONMENT;
pub use memory::{Memory, Notes};
pub use passphrase::{PASSPHRASE_VARIABLE, Passphrase, PassphraseSource};
pub use signer::{KeyChanges, KeySource, Settings, Signer, published_keys};
pub use verity::{RootKey, RootKeySource, RootSigner, read_certificates, read_signatures};
