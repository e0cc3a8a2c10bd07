//! The arguments of `try`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use crate::report::Verbosity;

const EXAMPLES: &str = "\
Examples:
  sysext-build try gdb-16.2-1.x86-64.raw --base root/ -- gdb --version
      Runs gdb as a host would that has the files in root/ and merges the image
  sysext-build try store/a.raw store/b.raw --base root/
      Opens a shell there, with both images merged

/usr and /opt are read-only; a companion for /etc that is next to an image is merged with it, and /etc is
read-only then, too. What the command writes elsewhere is thrown away, and there is no network. The
command runs with the rights of its user, so this keeps mistakes in, not malice.

Exit codes: that of the command; before it runs, 1 the images are not merged on this base, or it has no such \
command, 2 usage, 3 no root can be put together.";

/// The arguments of `try`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct TryArguments {
    /// Images to merge
    #[arg(value_name = "IMAGE", required = true)]
    pub images: Vec<PathBuf>,
    /// Root directory of the base [default: this host]
    #[arg(long, value_name = "ROOT")]
    pub base: Option<PathBuf>,
    /// os-release of the base, in place of its own
    #[arg(long, value_name = "FILE")]
    pub os_release: Option<PathBuf>,
    /// Name of the client's link without .raw [default: each image's own name]
    #[arg(long = "as", value_name = "NAME")]
    pub link: Option<String>,
    /// The companion of the one image, in place of what is next to it
    #[arg(long, value_name = "IMAGE", hide = true)]
    pub companion: Option<PathBuf>,
    /// Let the command use the network
    #[arg(long)]
    pub network: bool,
    /// Print only errors
    #[arg(short, long)]
    pub quiet: bool,
    /// What to run, after -- [default: a shell]
    #[arg(value_name = "COMMAND", last = true)]
    pub command: Vec<OsString>,
}

impl TryArguments {
    /// Returns how much to say. What the command says is its own affair.
    pub fn verbosity(&self) -> Verbosity {
        Verbosity {
            quiet: self.quiet,
            ..Verbosity::default()
        }
    }
}
