//! The arguments of every verb that publishes a list.

use std::path::PathBuf;

use clap::Args;

/// What signs `SHA256SUMS`.
#[derive(Clone, Debug, Default, Args)]
pub struct SigningArguments {
    /// Sign SHA256SUMS with the secret OpenPGP key in FILE, as gpg --export-secret-keys writes it
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Signature",
        conflicts_with = "gpg_key"
    )]
    pub sign_key: Option<PathBuf>,
    /// Take the key's passphrase from the first line of FILE [default: $SYSEXT_BUILD_PASSPHRASE,
    /// else ask]
    #[arg(long, value_name = "FILE", help_heading = "Signature")]
    pub passphrase_file: Option<PathBuf>,
    /// Sign SHA256SUMS by running gpg with this key, for keys that an agent or a card holds
    #[arg(long, value_name = "KEY", help_heading = "Signature")]
    pub gpg_key: Option<String>,
    /// Sign with another key than the one that signed the list before; clients need the new key
    /// first
    #[arg(long, help_heading = "Signature")]
    pub new_key: bool,
    /// Directory that remembers which list of each store was signed last, and has the key by which
    /// the cache knows its own files [default: $XDG_STATE_HOME/sysext-build]
    #[arg(long, value_name = "DIR", help_heading = "Signature")]
    pub state_dir: Option<PathBuf>,
}
