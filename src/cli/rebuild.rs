//! What can be typed after `rebuild`.

use std::path::PathBuf;

use clap::Args;

use super::LookupArguments;
use crate::report::Verbosity;

const EXAMPLES: &str = "\
Examples:
  sysext-build rebuild store/strace-6.11-1.1.x86-64.raw rpms/ --base /mnt/microos
      Builds the image again from the same packages, and says whether it is the same
  sysext-build rebuild strace-6.11-1.1.x86-64.manifest.gz --repo oss.repo
      Fetches the packages by their digests; the manifest is enough
Exit codes: 0 identical, 1 not identical or not to be built again, 2 usage, 3 reading or writing failed.";

/// The arguments of `rebuild`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RebuildArguments {
    /// An image with its manifest next to it, or a manifest
    #[arg(value_name = "IMAGE|MANIFEST")]
    pub image: PathBuf,
    /// RPM files, or directories of RPM files, among which the same packages are
    #[arg(value_name = "RPM|DIR")]
    pub inputs: Vec<PathBuf>,
    /// Take the options from this recipe: for images with an overlay, or with other files that the manifest
    /// does not have
    #[arg(long, value_name = "FILE")]
    pub recipe: Option<PathBuf>,
    /// The system that the image is for, as for build: a root directory, an RPM database, a list or a
    /// manifest [default: this host]
    #[arg(long, value_name = "PATH", help_heading = "Base")]
    pub base: Option<PathBuf>,
    /// The os-release file of that system
    #[arg(long, value_name = "FILE", help_heading = "Base")]
    pub os_release: Option<PathBuf>,
    /// If the image is identical, put a statement that says so next to it, signed with the secret key in
    /// FILE, Ed25519 or ECDSA P-256 in PEM
    #[arg(long, value_name = "FILE", help_heading = "Signature")]
    pub provenance: Option<PathBuf>,
    /// Take the key's passphrase from the first line of FILE [default: $SYSEXT_BUILD_PASSPHRASE, else ask]
    #[arg(
        long,
        value_name = "FILE",
        help_heading = "Signature",
        requires = "provenance"
    )]
    pub passphrase_file: Option<PathBuf>,
    /// Directory in which to build, for as long as that takes
    #[arg(long, value_name = "DIR", default_value = "/var/tmp")]
    pub work_dir: PathBuf,
    /// Number of compression threads; any number makes the same image [default: one per core]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
    /// Where to look for the packages.
    #[command(flatten)]
    pub lookup: LookupArguments,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}
