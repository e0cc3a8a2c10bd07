//! Whose word a client takes for a store.

use std::path::PathBuf;

use clap::Args;

/// Who has to sign the list of a store.
#[derive(Debug, Args)]
pub struct TrustArguments {
    /// Keys that may sign the store [default: those that systemd-sysupdate takes]
    #[arg(long, value_name = "FILE", help_heading = "Trust")]
    pub keyring: Vec<PathBuf>,
    /// Take the word of a store that is not signed
    #[arg(long, help_heading = "Trust", conflicts_with = "keyring")]
    pub unsigned: bool,
}
