//! What can be typed after `import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::report::Verbosity;

const EXAMPLES: &str = "\
Examples:
  sysext-build import mkosi sysexts/ -o recipes/
      Makes recipes/NAME.toml of each image with Format=sysext below sysexts/
  sysext-build import just */justfile -o recipes/
      Makes a recipe of each justfile

What a recipe can't say is named, with what to write instead.";

/// The arguments of `import`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct ImportArguments {
    /// Whose configuration it is.
    #[command(subcommand)]
    pub from: ImportFrom,
}

/// Whose configuration is imported.
#[derive(Debug, Subcommand)]
pub enum ImportFrom {
    /// Make recipes of mkosi.conf
    Mkosi(ImportMkosi),
    /// Make recipes of justfiles that import Fedora's sysext.just
    Just(ImportJust),
}

/// The arguments of `import mkosi`.
#[derive(Debug, Args)]
pub struct ImportMkosi {
    /// The directory in which mkosi is run: it has mkosi.conf
    pub directory: PathBuf,
    /// Where the recipes go, and in which form.
    #[command(flatten)]
    pub result: ImportResult,
}

/// The arguments of `import just`.
#[derive(Debug, Args)]
pub struct ImportJust {
    /// The justfiles, or their directories
    #[arg(required = true, value_name = "JUSTFILE")]
    pub justfiles: Vec<PathBuf>,
    /// Where the recipes go, and in which form.
    #[command(flatten)]
    pub result: ImportResult,
}

/// Where recipes that are made go.
#[derive(Debug, Args)]
pub struct ImportResult {
    /// Directory for the recipes, NAME.toml
    #[arg(short, long, value_name = "DIR", default_value = ".")]
    pub output: PathBuf,
    /// Architecture for which it is read, as systemd or RPM spell it [default: this machine's]
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<String>,
    /// Replace recipes that are there and say something else
    #[arg(long)]
    pub replace: bool,
    /// Show the recipes, and write nothing
    #[arg(long)]
    pub dry_run: bool,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

impl ImportFrom {
    /// Returns where the recipes go.
    pub fn result(&self) -> &ImportResult {
        match self {
            Self::Mkosi(arguments) => &arguments.result,
            Self::Just(arguments) => &arguments.result,
        }
    }
}
