//! The arguments of `check`, `explain` and `diff`.

use std::path::PathBuf;

use clap::Args;

use super::LookupArguments;
use crate::report::Verbosity;

const CHECK_EXAMPLES: &str = "\
Examples:
  sysext-build check store/*.raw --os-release fedora-42 --os-release fedora-43
      Shows a table of images and hosts, and the reasons below it
  sysext-build check store/*.raw --base new-snapshot/
      Says which images still work there, which break, and why
  sysext-build check a.raw b.raw --base root/
      Also says what becomes of the two where a host merges both
  sysext-build check store/*.raw --base new.packages --repo new.repo --os-release new.os-release
      The same where the new system is known by the list of its packages
  sysext-build check gdb-16.2-1.x86-64.raw --base new-root/ --test gdb.toml
      Says whether an image still works after an update of the OS, and runs the recipe's tests there
  sysext-build check tool.raw --as tool --client systemd-252,sysextmgr
      Says what these clients do with an image that is linked as tool.raw

Exit codes: 1 an image would not work on a host, 3 an image could not be read.";

/// The arguments of `check`.
#[derive(Debug, Args)]
#[command(after_help = CHECK_EXAMPLES)]
pub struct CheckArguments {
    /// Images, or their manifests (NAME.manifest.gz) if the images are elsewhere; a directory stands
    /// for its *.raw
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<PathBuf>,
    /// Read only the manifests next to the images
    #[arg(long)]
    pub manifests: bool,
    /// Judge each image alone, instead of together with the others as a host merges them
    #[arg(long)]
    pub each: bool,
    /// Name of the client's link without .raw [default: the image's own name]
    #[arg(long = "as", value_name = "NAME")]
    pub link: Option<String>,

    /// What the hosts demand of images, as sysext.conf and systemd-sysext --image-policy take it,
    /// such as root=signed+squashfs
    #[arg(long, value_name = "POLICY")]
    pub image_policy: Option<String>,
    /// The client's definition for systemd-sysupdate, a .transfer or .conf file [default: what store
    /// sysupdate writes for the images' store]
    #[arg(long, value_name = "FILE")]
    pub definition: Option<PathBuf>,

    /// The base that the images should work on: a root directory, an RPM database, a list of
    /// packages (rpm -qa, KIWI's .packages) or mkosi's manifest
    #[arg(long, value_name = "BASE", help_heading = "Hosts")]
    pub base: Option<PathBuf>,
    /// The base before an update: report only what the update to --base changes
    #[arg(long, value_name = "OLD", help_heading = "Hosts", requires = "base")]
    pub from: Option<PathBuf>,
    /// os-release of the base before the update, where OLD has none
    #[arg(long, value_name = "FILE", help_heading = "Hosts", requires = "from")]
    pub from_os_release: Option<PathBuf>,
    /// Where the packages of a base are looked up.
    #[command(flatten)]
    pub lookup: LookupArguments,
    /// Directory that has the key by which the cache knows its own files
    /// [default: $XDG_STATE_HOME/sysext-build]
    #[arg(long, value_name = "DIR", help_heading = "Network")]
    pub state_dir: Option<PathBuf>,
    /// os-release of a host, once for each host, or that of the base [default: this host's]
    #[arg(long, value_name = "FILE", help_heading = "Hosts")]
    pub os_release: Vec<PathBuf>,
    /// Architecture of the hosts, as systemd or RPM spell it [default: the images' own]
    #[arg(long, value_name = "ARCH", help_heading = "Hosts")]
    pub arch: Option<String>,
    /// Clients to ask, such as systemd-257, sysextmgr, sysupdate-257, importctl-262
    /// [default: every systemd-*]
    #[arg(
        long,
        value_name = "CLIENT",
        help_heading = "Hosts",
        value_delimiter = ','
    )]
    pub client: Vec<String>,

    /// Also try out the [[test]] tables of a recipe, with each image alone merged
    /// over the base, or this host
    #[arg(long, value_name = "RECIPE", conflicts_with_all = ["from", "manifests"], help_heading = "Hosts")]
    pub test: Option<PathBuf>,
    /// Also derive a SYSEXT_LEVEL from what the images use of the base: a digest of sonames and
    /// symbol versions, for the os-release of every base that has all of them
    #[arg(long, requires = "base", help_heading = "Hosts")]
    pub level_from_abi: bool,
    /// Ignore a finding, such as not-merged, soname-missing or shadows-base:/usr/bin/vi
    #[arg(long, value_name = "FINDING[:WHAT]")]
    pub allow: Vec<String>,
    /// Count notes, too
    #[arg(long)]
    pub strict: bool,
    /// Number of images to read at the same time [default: one per core]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// The arguments of `explain`.
#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// Name of a rule, or of a finding of a build, of check or of store verify
    #[arg(value_name = "ID")]
    pub id: String,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

const DIFF_EXIT_CODES: &str = "\
Times are not compared: images of the same files, built at different times, are the same.
Exit codes as in diff: 0 the same, 1 different, 2 usage, 3 an image can't be read.";

/// The arguments of `diff`.
#[derive(Debug, Args)]
#[command(after_help = DIFF_EXIT_CODES)]
pub struct DiffArguments {
    /// The image before
    #[arg(value_name = "A")]
    pub before: PathBuf,
    /// The image after
    #[arg(value_name = "B")]
    pub after: PathBuf,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}
