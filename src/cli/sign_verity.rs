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
      inspect --verify says
  sysext-build sign-verity --hashes hashes.cpio images/*.raw
      Writes what is to be signed of all these images into an archive
  sysext-build sign-verity --signatures hashes.cpio.sig --verity-cert CERTIFICATE images/*.raw
      Takes the archive that came back";

/// The arguments of `sign-verity`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SignVerityArguments {
    /// The images; their manifests and SHA256SUMS are those next to them
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// Take the signature in FILE, PKCS#1 v1.5 over the SHA-256 of the root hash in hex
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Signature",
        requires = "verity_cert",
        conflicts_with_all = ["verity_key", "verity_signer"]
    )]
    pub signature: Option<PathBuf>,
    /// Take the signatures in FILE, an archive (cpio) that has one for each image, as the Open Build
    /// Service makes it of one that --hashes wrote
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Signature",
        requires = "verity_cert",
        conflicts_with_all = ["verity_key", "verity_signer", "signature"]
    )]
    pub signatures: Option<PathBuf>,
    /// Sign nothing; write the root hashes of the images into FILE, an archive (cpio) for who signs
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Signature",
        conflicts_with_all = [
            "verity_key", "verity_signer", "verity_cert", "signature", "signatures", "sign_key", "gpg_key"
        ]
    )]
    pub hashes: Option<PathBuf>,
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
