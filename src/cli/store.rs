//! The verbs on a store.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use store::BestBefore;

use super::SigningArguments;
use super::delivery::{PageArguments, SysupdateArguments};
use super::{LookupArguments, NetworkArguments, TrustArguments};
use crate::publish::oci::media_type;
use crate::report::Verbosity;

/// The arguments of `store`.
#[derive(Debug, Args)]
pub struct StoreArguments {
    /// What to do with the store.
    #[command(subcommand)]
    pub verb: StoreVerb,
}

/// What can be done with a store.
#[derive(Debug, Subcommand)]
pub enum StoreVerb {
    /// Add images that were built elsewhere, each with the manifest next to it
    Add(AddArguments),
    /// Join stores that were made side by side into one
    Merge(MergeArguments),
    /// Copy verified images from a candidate store into the one that is served
    Promote(PromoteArguments),
    /// List the images that clients are offered
    List(ListArguments),
    /// Report everything that is wrong with a store
    Verify(VerifyArguments),
    /// Remove old images
    Prune(PruneArguments),
    /// Remove an extension, or one of its images
    Remove(RemoveArguments),
    /// Sign SHA256SUMS again, with another key or until another day
    Sign(SignArguments),
    /// Write the definitions with which systemd-sysupdate on clients finds the images
    Sysupdate(SysupdateArguments),
    /// Say which extensions clients would lose by an update of their OS
    Gate(Box<StoreGateArguments>),
    /// Write indexes of the images' pieces, by which clients fetch only what changed
    Index(IndexArguments),
    /// Make patches from older images to the newest ones, of which clients fetch less than of the blocks
    Delta(DeltaArguments),
    /// Bring a copy of a store up to date, of which only what changed is fetched
    Mirror(MirrorArguments),
    /// Write an OCI image layout, from which skopeo copies to a registry
    Oci(OciArguments),
    /// Write index.html for people and index.json for programs
    Page(PageArguments),
}

impl StoreVerb {
    /// Returns how much the verb is to say, and in which form.
    pub fn verbosity(&self) -> Verbosity {
        match self {
            Self::Add(arguments) => arguments.verbosity,
            Self::Merge(arguments) => arguments.transfer.verbosity,
            Self::Promote(arguments) => arguments.transfer.verbosity,
            Self::List(arguments) => arguments.verbosity,
            Self::Verify(arguments) => arguments.verbosity,
            Self::Prune(arguments) => arguments.verbosity,
            Self::Remove(arguments) => arguments.verbosity,
            Self::Sign(arguments) => arguments.verbosity,
            Self::Sysupdate(arguments) => arguments.verbosity,
            Self::Gate(arguments) => arguments.verbosity,
            Self::Index(arguments) => arguments.verbosity,
            Self::Delta(arguments) => arguments.verbosity,
            Self::Mirror(arguments) => arguments.verbosity,
            Self::Oci(arguments) => arguments.verbosity,
            Self::Page(arguments) => arguments.verbosity,
        }
    }
}

/// The arguments of `store add`.
#[derive(Debug, Args)]
pub struct AddArguments {
    /// Directory of the store
    pub directory: PathBuf,
    /// The images: NAME-VERSION.ARCH.raw, each with NAME-VERSION.ARCH.manifest.gz next to it
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// Give each extension a directory of its own in DIRECTORY
    #[arg(long)]
    pub per_name: bool,
    /// Replace an image that has the same file name and other contents
    #[arg(long)]
    pub replace: bool,
    /// Add an image even if DIRECTORY has a newer one of that name
    #[arg(long)]
    pub allow_older: bool,
    /// Make clients refuse SHA256SUMS after this day (systemd 260 and newer): YYYY-MM-DD
    #[arg(long, value_name = "DAY")]
    pub best_before: Option<BestBefore>,
    /// What signs the list.
    #[command(flatten)]
    pub signing: SigningArguments,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// The arguments of `store index`.
#[derive(Debug, Args)]
pub struct IndexArguments {
    /// Directory of the store
    pub directory: PathBuf,
    /// What signs the list.
    #[command(flatten)]
    pub signing: SigningArguments,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// The arguments of `store delta`.
#[derive(Debug, Args)]
pub struct DeltaArguments {
    /// Directory of the store
    pub directory: PathBuf,
    /// Extensions to make patches of [default: all]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// From so many of the versions before the newest
    #[arg(long, value_name = "N", default_value = "1")]
    pub from: NonZero<usize>,
    /// What signs the list.
    #[command(flatten)]
    pub signing: SigningArguments,
    /// Number of patches to make at the same time [default: one per core]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

const MIRROR_EXAMPLES: &str = "\
Examples:
  sysext-build store mirror https://example.org/store/ mirror/ --keyring store.asc
      Makes mirror/ a copy of the store, or brings it up to date; it can be served meanwhile

What the list names comes, and nothing else: pages, keys and definitions in directories do not. The list
and its signature are the owner's, so that clients trust the mirror as they trust the store. What the list
does not name any more is removed. A directory that is not a copy of this store stays as it is.";

/// The arguments of `store mirror`.
#[derive(Debug, Args)]
#[command(after_help = MIRROR_EXAMPLES)]
pub struct MirrorArguments {
    /// Directory of the store, or its http, https or file URL: that of one SHA256SUMS
    #[arg(value_name = "STORE")]
    pub store: String,
    /// Directory of the copy; it is made if it is not there
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
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

const OCI_EXAMPLES: &str = "\
Examples:
  sysext-build store oci store/ layout/
  skopeo copy --all oci:layout/:strace:6.11-1.1 docker://registry.example/sysext/strace:6.11-1.1
      Copies a version for all architectures
  skopeo inspect --raw oci:layout/:strace:6.11-1.1
      Shows what that is";

/// The arguments of `store oci`.
#[derive(Debug, Args)]
#[command(after_help = OCI_EXAMPLES)]
pub struct OciArguments {
    /// Directory of the store
    pub directory: PathBuf,
    /// Directory of the layout: a new one, or one that this verb wrote, which is then brought up to
    /// date
    pub layout: PathBuf,
    /// Names of extensions, or file names of images [default: all]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Media type of images and type of their artifacts; that of companions has confext in the place
    /// of sysext
    #[arg(
        long,
        value_name = "TYPE",
        value_parser = media_type,
        default_value = "application/vnd.kairos.sysext.raw"
    )]
    pub oci_type: String,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

const MERGE_EXAMPLES: &str = "\
Examples:
  sysext-build store merge --sign-key store.key jobs/* --into store/
      Takes what each job of a CI has built into one store, and signs its list once
  sysext-build store merge --keyring store.gpg published/ --into work/
      Makes a copy of a signed store that a job without the key can build into";

/// The arguments of `store merge`.
#[derive(Debug, Args)]
#[command(after_help = MERGE_EXAMPLES)]
pub struct MergeArguments {
    /// Directories of the stores to take from
    #[arg(required = true, value_name = "DIRECTORY")]
    pub sources: Vec<PathBuf>,
    /// Directory of the store to add to; it is made if it is missing
    #[arg(long, value_name = "STORE")]
    pub into: PathBuf,
    /// What both verbs that copy from store to store take.
    #[command(flatten)]
    pub transfer: TransferArguments,
}

const PROMOTE_EXAMPLES: &str = "\
Examples:
  sysext-build store promote --sign-key store.key candidate/ store/ strace
      Serves what was tested of one extension
  sysext-build store promote --dry-run candidate/ store/
      Shows what all of the candidate would bring";

/// The arguments of `store promote`.
#[derive(Debug, Args)]
#[command(after_help = PROMOTE_EXAMPLES)]
pub struct PromoteArguments {
    /// Directory of the candidate store
    pub from: PathBuf,
    /// Directory of the store that is served
    pub to: PathBuf,
    /// Names of extensions, of which all images are copied that are newer than those of TO, or file
    /// names of images [default: all extensions]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// What both verbs that copy from store to store take.
    #[command(flatten)]
    pub transfer: TransferArguments,
}

/// How images are copied from store to store.
#[derive(Debug, Args)]
pub struct TransferArguments {
    /// Demand that each list that is taken from is signed by a key in FILE, or in the files of a
    /// directory [default: if it is signed, by the key that signs here]
    #[arg(long, value_name = "FILE")]
    pub keyring: Vec<PathBuf>,
    /// Add an image even if the store has a newer one of that name
    #[arg(long)]
    pub allow_older: bool,
    /// Make clients refuse SHA256SUMS after this day (systemd 260 and newer): YYYY-MM-DD
    #[arg(long, value_name = "DAY")]
    pub best_before: Option<BestBefore>,
    /// Show what would be copied, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// What signs the list.
    #[command(flatten)]
    pub signing: SigningArguments,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

const GATE_EXAMPLES: &str = "\
Examples:
  sysext-build store gate store/ --from / --base /.snapshots/7/snapshot
      Says which extensions clients would lose by this update, and what to build again
  sysext-build store gate store/ --base new/ --write --sign-key store.key
      Also puts the verdicts into the store, for hosts that ask before they restart

Exit code 1: a client that updates its OS would lose an extension.";

/// The arguments of `store gate`.
#[derive(Debug, Args)]
#[command(after_help = GATE_EXAMPLES)]
pub struct StoreGateArguments {
    /// Directory of the store
    pub directory: PathBuf,
    /// The OS after the update: a root directory, an RPM database, a list of packages (rpm -qa,
    /// KIWI's .packages) or mkosi's manifest; may be given several times
    #[arg(long, value_name = "NEW", required = true, help_heading = "Hosts")]
    pub base: Vec<PathBuf>,
    /// The OS before the update: what its clients have now is what they can lose
    #[arg(long, value_name = "OLD", help_heading = "Hosts")]
    pub from: Option<PathBuf>,
    /// os-release of NEW, once for each NEW in their order, where it has none
    #[arg(long, value_name = "FILE", help_heading = "Hosts")]
    pub os_release: Vec<PathBuf>,
    /// os-release of OLD, where it has none
    #[arg(long, value_name = "FILE", help_heading = "Hosts", requires = "from")]
    pub from_os_release: Option<PathBuf>,
    /// Architecture of the hosts, as systemd or RPM spell it [default: what each base states]
    #[arg(long, value_name = "ARCH", help_heading = "Hosts")]
    pub arch: Option<String>,
    /// Where the packages of a base are looked up.
    #[command(flatten)]
    pub lookup: LookupArguments,
    /// Read only the manifests next to the images
    #[arg(long)]
    pub manifests: bool,
    /// Put the verdicts into the store as compat.json
    #[arg(long)]
    pub write: bool,
    /// Ignore a finding, such as shadows-base
    #[arg(long, value_name = "FINDING")]
    pub allow: Vec<String>,
    /// Count notes, too, and demand that all that an image needs was looked up
    #[arg(long)]
    pub strict: bool,
    /// Number of images to read at the same time [default: one per core]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
    /// What signs the list that --write changes.
    #[command(flatten)]
    pub signing: SigningArguments,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// The arguments of `store list`.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Directory of the store
    pub directory: PathBuf,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// The arguments of `store verify`.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// Directory of the store
    pub directory: PathBuf,
    /// Repair what can be repaired without losing anything
    #[arg(long)]
    pub fix: bool,
    /// Check the signature with the keys in FILE, or in the files of a directory [default: the
    /// store's own import-pubring.gpg]
    #[arg(long, value_name = "FILE")]
    pub keyring: Vec<PathBuf>,
    /// Demand that so many of the keys of --attested-by have signed a statement about each image: that
    /// they built it, or built it again and got the same bytes
    #[arg(long, value_name = "K", requires = "attested_by")]
    pub attested: Option<NonZero<usize>>,
    /// Public key in FILE, Ed25519 or ECDSA P-256 in PEM; may be given several times
    #[arg(long, value_name = "FILE", requires = "attested")]
    pub attested_by: Vec<PathBuf>,
    /// Number of reading threads [default: one per core]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
    /// What signs the list that --fix changes.
    #[command(flatten)]
    pub signing: SigningArguments,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// Reads how many of something are kept.
fn at_least_one(text: &str) -> std::result::Result<NonZero<usize>, String> {
    match text.parse::<usize>().map(NonZero::new) {
        Ok(Some(number)) => Ok(number),
        Ok(None) => {
            Err("at least 1 is kept; to remove an extension: sysext-build store remove".to_owned())
        }
        Err(_) => Err("it is not a whole number, 1 or more".to_owned()),
    }
}

/// The arguments of `store prune`.
#[derive(Debug, Args)]
pub struct PruneArguments {
    /// Directory of the store
    pub directory: PathBuf,
    /// How many images of each name and architecture to keep; the newest are kept
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub keep: NonZero<usize>,
    /// Keep that many for each value of this extension-release key
    #[arg(long, value_name = "KEY", value_enum)]
    pub per: Option<PruneKey>,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// What signs the list.
    #[command(flatten)]
    pub signing: SigningArguments,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// The arguments of `store remove`.
#[derive(Debug, Args)]
pub struct RemoveArguments {
    /// Directory of the store
    pub directory: PathBuf,
    /// Names of extensions, all of whose images go, or file names of images
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Remove the store's last images, too
    #[arg(long)]
    pub empty: bool,
    /// Show what would be removed, and remove nothing
    #[arg(long)]
    pub dry_run: bool,
    /// What signs the list.
    #[command(flatten)]
    pub signing: SigningArguments,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// The arguments of `store sign`.
#[derive(Debug, Args)]
pub struct SignArguments {
    /// Directory of the store
    pub directory: PathBuf,
    /// What signs the list.
    #[command(flatten)]
    pub signing: SigningArguments,
    /// Publish the keys in FILE, too, such as the one that is to sign next
    #[arg(long, value_name = "FILE", help_heading = "Signature")]
    pub add_key: Vec<PathBuf>,
    /// Publish the key of this fingerprint no longer
    #[arg(long, value_name = "FINGERPRINT", help_heading = "Signature")]
    pub drop_key: Vec<String>,
    /// Sign an older list, which you put back on purpose
    #[arg(long, help_heading = "Signature")]
    pub restored: bool,
    /// Make clients refuse SHA256SUMS after this day (systemd 260 and newer): YYYY-MM-DD
    #[arg(long, value_name = "DAY")]
    pub best_before: Option<BestBefore>,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// A key of extension-release that tells apart for which systems an image is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PruneKey {
    /// VERSION_ID
    VersionId,
    /// SYSEXT_LEVEL
    Level,
}
