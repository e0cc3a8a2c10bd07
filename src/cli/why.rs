//! What can be typed after `why`.

use std::path::PathBuf;

use clap::Args;

use crate::report::Verbosity;

/// The arguments of `why`.
#[derive(Debug, Args)]
pub struct WhyArguments {
    /// An image with its manifest next to it, a manifest, or the output of --dry-run --json
    #[arg(value_name = "IMAGE|PLAN")]
    pub document: PathBuf,
    /// A package, by name or NEVRA, or a capability such as 'libz.so.1()(64bit)'
    #[arg(value_name = "PACKAGE|CAPABILITY")]
    pub what: String,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}
