//! The arguments of `pull`.

use std::path::PathBuf;

use clap::Args;

use super::{NetworkArguments, TrustArguments};
use crate::report::Verbosity;

const EXAMPLES: &str = "\
Examples:
  sysext-build pull https://example.org/store/ gdb --into /var/lib/sysext-store --link /etc/extensions
      Brings the newest image of gdb, of which only what changed is fetched, and links to it
  sysext-build pull store/ gdb@16-1 --into images/ --unsigned
      Brings this version from a store that is at hand

The store's list must be signed by a key that systemd-sysupdate would take, and its last day must
not be over. An image gets its name when its SHA-256 is the listed one, and never before. A transfer that
broke is continued the next time.

Exit codes: 0 the image is there, 1 the store does not offer it, or nobody vouches for the list, 3 the \
store could not be read.";

/// The arguments of `pull`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PullArguments {
    /// Directory of the store, or its http, https or file URL: that of one SHA256SUMS
    #[arg(value_name = "STORE")]
    pub store: String,
    /// The extension, and its version if it is not to be the newest
    #[arg(value_name = "NAME[@VERSION]")]
    pub name: String,
    /// Directory of the images; it must be there
    #[arg(long, value_name = "DIR")]
    pub into: PathBuf,
    /// Image to take from what has not changed [default: the newest two of that name in --into]
    #[arg(long, value_name = "IMAGE")]
    pub have: Vec<PathBuf>,
    /// Put the image into DIR instead, for systemd-sysupdate to install it from there
    #[arg(long, value_name = "DIR", conflicts_with = "link")]
    pub stage: Option<PathBuf>,
    /// Link to the image as DIR/NAME.raw; systemd-sysext looks into /etc/extensions
    #[arg(long, value_name = "DIR")]
    pub link: Option<PathBuf>,
    /// Architecture of the image, as systemd or RPM spell it [default: this machine's]
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<String>,
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
