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

/// What signs what is in a disk image.
#[derive(Clone, Debug, Default, Args)]
pub struct VeritySigningArguments {
    /// Sign what is in a disk image with the secret RSA key in FILE, in PEM
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Signature",
        requires = "verity_cert",
        conflicts_with = "verity_signer"
    )]
    pub verity_key: Option<PathBuf>,
    /// Have a shell command sign, for keys that a token or a service holds: it reads a SHA-256, 32
    /// bytes, and writes the signature in PKCS#1 v1.5
    #[arg(
        long,
        value_name = "COMMAND",
        help_heading = "Signature",
        requires = "verity_cert"
    )]
    pub verity_signer: Option<String>,
    /// The certificate of the key, by which clients know it, in PEM or DER
    #[arg(long, value_name = "FILE", help_heading = "Signature")]
    pub verity_cert: Option<PathBuf>,
}
