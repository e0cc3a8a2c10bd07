//! All that a user can type.

mod build;
mod check;
pub mod delivery;
mod network;
mod signing;
pub mod store;
mod why;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

use crate::report::Verbosity;
use crate::words::text::escaped;

pub use build::{BuildArguments, ImageArguments, LayoutName, Whether};
pub use check::{CheckArguments, DiffArguments, ExplainArguments};
pub use network::NetworkArguments;
pub use signing::SigningArguments;
pub use store::StoreArguments;
pub use why::WhyArguments;

const EXAMPLES: &str = "\
Examples:
  sysext-build strace-6.11-1.1.x86_64.rpm
      Makes ./strace-6.11-1.1.x86-64.raw for this host and lists it in ./SHA256SUMS
  sysext-build --base /mnt/microos -o store/ --name debug rpms/
      Makes one image of all packages in rpms/, for another system
  sysext-build --dry-run gdb.rpm libpython.rpm
      Shows what would be in the image; reads only the headers
  sysext-build --overlay tree/ --name site-config --image-version 3 --match any
      Makes an image from a prepared tree, for every system
  sysext-build -o store/ recipes/*.toml
      Makes an image for each recipe
  sysext-build inspect strace-6.11-1.1.x86-64.raw
      Shows what is in an image and what it needs

A recipe keeps what you would type for one image. Paths in it are relative to the recipe:
  name = \"debug\"
  packages = [\"strace\", \"gdb\", \"rpms/extra.rpm\"]
  repositories = [\"oss.repo\"]
  [[allow]]
  finding = \"shadows-base\"
  reason = \"why this is fine\"
sysext-build-recipe(5), which sysext-build man writes, lists all keys. What you type wins over a
recipe's single values and is added to its lists. A recipe that fails does not stop the others; the
exit code is the highest of all.

On the client: link the image as /etc/extensions/NAME.raw and run systemd-sysext refresh.
Exit codes: 0 done, 1 these inputs make no good image, 2 usage, 3 reading or writing failed.";

/// Make a system extension image from RPM packages
#[derive(Debug, Parser)]
#[command(name = "sysext-build", version, after_help = EXAMPLES, args_conflicts_with_subcommands = true)]
pub struct Cli {
    /// What to do, if not to build.
    #[command(subcommand)]
    pub verb: Option<Verb>,
    /// The default verb's arguments.
    #[command(flatten)]
    pub build: BuildArguments,
}

/// Parses the command line. An error quotes what was typed, which may be a file's name that
/// somebody else chose; so it is that of the escaped command line, which has the same mistake.
pub fn parse() -> Result<Cli, clap::Error> {
    Cli::try_parse().map_err(|error| {
        let arguments = std::env::args_os();
        let arguments = arguments.map(|argument| escaped(&argument.to_string_lossy()).into_owned());
        Cli::try_parse_from(arguments).err().unwrap_or(error)
    })
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make an image from RPM packages (the default)
    Build(Box<BuildArguments>),
    /// Show what is in an image and what it needs of its base
    Inspect(InspectArguments),
    /// Manage a store, the directory that images are served from
    Store(StoreArguments),
    /// Show why a package is in an image: what required it, back to what was requested
    Why(WhyArguments),
    /// Say what clients would do with images on other hosts, and why
    Check(CheckArguments),
    /// Show what differs between two images
    Diff(DiffArguments),
    /// Explain a finding: what it means, why it matters, what to do
    Explain(ExplainArguments),
    /// List the rules for what enters an image, and the findings that can stop a build
    Rules(RulesArguments),
    /// Print a completion script for a shell
    Completions {
        /// The shell to complete in
        shell: Shell,
    },
    /// Write the manual pages into a directory
    Man {
        /// Directory for the pages
        directory: PathBuf,
    },
}

/// The arguments of `inspect`.
#[derive(Debug, Args)]
pub struct InspectArguments {
    /// The image
    pub image: PathBuf,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// The arguments of `rules`.
#[derive(Debug, Args)]
pub struct RulesArguments {
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}
