//! The arguments of `sign-verity`.

use std::path::PathBuf;

use clap::Args;

use super::{SigningArguments, VeritySigningArguments};
use crate::report::Verbosity;

const EXAMPLES: &str = "\
Examples:
  sysext-build sign-verity --verity-key KEY --verity-cert CERTIFICATE store/gdb-16-1.x86-64.raw
      Signs what is in an image, and lists it again in SHA256SUMS
  sysext-build sign-verity --signature gdb.sig --verity-cert CERTIFICATE gdb-16-1.x86-64.raw
      Takes a signature that was made elsewhere: in PKCS#1 v1.5, of the root hash in hex, which
      inspect --verify says";

/// The arguments of `sign-verity`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SignVerityArguments {
    /// The image; its manifest and SHA256SUMS are those next to it
    pub image: PathBuf,
    /// Take the signature in FILE, PKCS#1 v1.5 over the SHA-256 of the root hash in hex
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Signature",
        requires = "verity_cert",
        conflicts_with_all = ["verity_key", "verity_signer"]
    )]
    pub signature: Option<PathBuf>,
    /// What signs what is in the image.
    #[command(flatten)]
    pub verity_signing: VeritySigningArguments,
    /// What signs the list.
    #[command(flatten)]
    pub signing: SigningArguments,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}
