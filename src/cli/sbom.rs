//! What can be typed after `sbom`, and the forms of bills of materials.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use sbom::Format;
use serde::Deserialize;

use crate::report::Verbosity;

const EXAMPLES: &str = "\
Examples:
  sysext-build sbom strace-6.11-1.1.x86-64.raw > strace.spdx.json
      Prints what is in an image, with licences and sources, as SPDX
  sysext-build sbom --format cyclonedx strace-6.11-1.1.x86-64.manifest.gz
      Prints the same as CycloneDX; the manifest is enough";

/// The arguments of `sbom`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SbomArguments {
    /// An image with its manifest next to it, or a manifest
    #[arg(value_name = "IMAGE|MANIFEST")]
    pub image: PathBuf,
    /// The form of the bill
    #[arg(long, value_name = "FORM", value_enum, default_value_t)]
    pub format: BillForm,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// A form of a bill of materials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BillForm {
    /// SPDX 2.3
    #[default]
    Spdx,
    /// CycloneDX 1.5
    Cyclonedx,
}

impl From<BillForm> for Format {
    fn from(form: BillForm) -> Self {
        match form {
            BillForm::Spdx => Self::Spdx,
            BillForm::Cyclonedx => Self::CycloneDx,
        }
    }
}
