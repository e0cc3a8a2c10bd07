//! What can be typed after `init`.

use std::path::PathBuf;

use clap::Args;

use super::ImageArguments;
use crate::report::Verbosity;

/// The arguments of `init`.
#[derive(Clone, Debug, Default, Args)]
pub struct InitArguments {
    /// Packages: names in the repositories, RPM files, directories of RPM files
    #[arg(value_name = "NAME", required_unless_present_any = ["schema", "overlay"])]
    pub packages: Vec<String>,
    /// The recipe, FILE.toml, which must not be there [default: NAME.toml in the working directory]
    #[arg(short, long, value_name = "FILE", help_heading = "Result")]
    pub output: Option<PathBuf>,
    /// Print the JSON schema of recipes, for editors, and do nothing else
    #[arg(long, help_heading = "Result", exclusive = true)]
    pub schema: bool,
    /// Repository to choose packages from: a directory, an http, https or file URL, or a .repo file,
    /// as [NAME=]PLACE[,priority=N]
    #[arg(long, value_name = "REPO", help_heading = "Base")]
    pub repo: Vec<String>,
    /// What else the recipe says.
    #[command(flatten)]
    pub image: ImageArguments,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}
