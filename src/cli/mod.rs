//! All that a user can type.

mod build;
mod check;
pub mod delivery;
mod gate;
pub mod import;
mod init;
mod network;
pub mod plan;
mod pull;
mod rebuild;
pub mod sbom;
mod sign_verity;
mod signing;
pub mod store;
mod trial;
mod trust;
mod why;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;

use crate::report::Verbosity;
use crate::words::suggest::nearest;
use crate::words::text::escaped;

pub use build::{BuildArguments, ImageArguments, LayoutName, OptPlace, Whether, WithoutKey};
pub use check::{CheckArguments, DiffArguments, ExplainArguments};
pub use gate::GateArguments;
pub use import::ImportArguments;
pub use init::InitArguments;
pub use network::{LookupArguments, NetworkArguments};
pub use plan::PlanArguments;
pub use pull::PullArguments;
pub use rebuild::RebuildArguments;
pub use sbom::SbomArguments;
pub use sign_verity::SignVerityArguments;
pub use signing::{SigningArguments, VeritySigningArguments};
pub use store::StoreArguments;
pub use trial::TryArguments;
pub use trust::TrustArguments;
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
    let arguments = in_order(std::env::args_os().collect());
    Cli::try_parse_from(&arguments).map_err(|error| {
        let arguments = arguments.iter();
        let arguments = arguments.map(|argument| escaped(&argument.to_string_lossy()).into_owned());
        Cli::try_parse_from(arguments).err().unwrap_or(error)
    })
}

/// Options that all verbs have, each as it may be typed.
const COMMON: [&str; 5] = ["--json", "--quiet", "-q", "--verbose", "-v"];

/// Puts options that all verbs have and that were typed before the verb after it. What comes before
/// a verb would be an option of `build`, and the verb its input.
fn in_order(arguments: Vec<OsString>) -> Vec<OsString> {
    let is_common = |argument: &&OsString| COMMON.iter().any(|option| *option == **argument);
    let common = arguments.iter().skip(1).take_while(is_common).count();
    let mut command = &Cli::command();
    let mut verbs = 0;
    for argument in arguments.iter().skip(1 + common) {
        let Some(below) = command.find_subcommand(argument) else {
            break;
        };
        command = below;
        verbs += 1;
    }
    let mut ordered = arguments;
    if let Some(part) = ordered.get_mut(1..1 + common + verbs) {
        part.rotate_left(common);
    }
    ordered
}

/// Returns the verb that was probably meant by a word that is not one.
pub fn nearest_verb(typed: &str) -> Option<String> {
    let command = Cli::command();
    let verbs = command.get_subcommands().map(clap::Command::get_name);
    nearest(typed, verbs).map(str::to_owned)
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Make an image from RPM packages (the default)
    Build(Box<BuildArguments>),
    /// Write a commented recipe of package names and options
    Init(Box<InitArguments>),
    /// Show what is in an image and what it needs of its base
    Inspect(InspectArguments),
    /// Sign a disk image that was built with --verity defer
    SignVerity(Box<SignVerityArguments>),
    /// Manage a store, the directory that images are served from
    Store(StoreArguments),
    /// Show why a package is in an image: what required it, back to what was requested
    Why(WhyArguments),
    /// Say what clients would do with images on other hosts, and why
    Check(CheckArguments),
    /// Say before an OS update whether a store's extensions stay: for a hook on the host
    Gate(GateArguments),
    /// Bring an image of a store up to date, and fetch only what the images that are there do not have
    Pull(Box<PullArguments>),
    /// Run a command in a base with images merged, before they are on any host
    Try(TryArguments),
    /// Split recipes into jobs for a CI
    Plan(PlanArguments),
    /// Make recipes of the configuration of another builder
    Import(ImportArguments),
    /// Show what differs between two images
    Diff(DiffArguments),
    /// Print what an image is made of as a bill of materials: SPDX or CycloneDX
    Sbom(SbomArguments),
    /// Build an image again from the same packages, and say whether it is the same
    Rebuild(Box<RebuildArguments>),
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
    /// Read all of a disk image, and stop if a byte is not what its hashes and their signature say
    #[arg(long)]
    pub verify: bool,
    /// Check the signature against the certificates in FILE, in PEM or DER; without one it is only
    /// looked at
    #[arg(long, value_name = "FILE", requires = "verify")]
    pub verity_cert: Vec<PathBuf>,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_all_verbs_may_come_first() {
        for (typed, expected) in [
            ("p -q store list d", "p store list -q d"),
            ("p --json -v check a", "p check --json -v a"),
            ("p -q a.rpm store", "p -q a.rpm store"),
            ("p -q -o out store list", "p -q -o out store list"),
            ("p store -q list", "p store -q list"),
            ("p -q", "p -q"),
            ("p", "p"),
        ] {
            let words = typed.split(' ').map(OsString::from).collect();
            let found: Vec<_> = in_order(words);
            let found: Vec<_> = found.iter().map(|word| word.to_str().unwrap()).collect();
            assert_eq!(found.join(" "), expected);
        }
        for (typed, expected) in [
            ("inspct", Some("inspect")),
            ("chek", Some("check")),
            ("strace", None),
            ("gdb", None),
        ] {
            assert_eq!(nearest_verb(typed).as_deref(), expected, "{typed}");
        }
    }
}
