//! The arguments of `gate`.

use std::path::PathBuf;

use clap::Args;

use super::{NetworkArguments, TrustArguments};
use crate::report::Verbosity;

const EXAMPLES: &str = "\
Examples:
  sysext-build gate https://example.org/store/ gdb --os-release new/usr/lib/os-release
      Says whether gdb stays after an update to the OS in new/
  sysext-build gate store/ --os-release new/usr/lib/os-release --keyring store.pgp
      Says it of every extension of a store that is at hand

Exit codes: 0 every extension stays, 1 one would be lost, or nobody vouches for an answer, 3 the store \
could not be read.";

/// The arguments of `gate`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct GateArguments {
    /// Directory of the store, or its http, https or file URL: that of one SHA256SUMS
    #[arg(value_name = "STORE")]
    pub store: String,
    /// Extensions that the host has [default: all of the store]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// os-release of the OS after the update
    #[arg(long, value_name = "FILE")]
    pub os_release: PathBuf,
    /// Architecture of the host, as systemd or RPM spell it [default: this machine's]
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<String>,
    /// Demand that all that an image needs was looked up
    #[arg(long)]
    pub strict: bool,
    /// Whose word counts.
    #[command(flatten)]
    pub trust: TrustArguments,
    /// How to fetch.
    #[command(flatten)]
    pub network: NetworkArguments,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}
