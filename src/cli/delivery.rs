//! The verbs on what a store gives to clients and people besides images.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::SigningArguments;
use crate::report::Verbosity;

/// The arguments of `store sysupdate`.
#[derive(Debug, Args)]
pub struct SysupdateArguments {
    /// Directory of the store
    pub directory: PathBuf,
    /// Extensions to define [default: all that the store has]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Address of the store for clients; %o, %w and %a stand for the client's ID, VERSION_ID and
    /// architecture
    #[arg(long, value_name = "URL")]
    pub url: String,
    /// Whether clients refuse what is not signed by a key that they trust
    #[arg(long, value_name = "WHETHER", value_enum, default_value_t)]
    pub signed: Signed,
    /// Number of images of each extension that a client keeps
    #[arg(long, value_name = "N", default_value_t = store::DEFAULT_INSTANCES)]
    pub instances: u32,
    /// Also write a tar archive of the definitions here, to be unpacked over the / of a system that
    /// is being made
    #[arg(long, value_name = "FILE")]
    pub tarball: Option<PathBuf>,
    /// Have the archive's definitions take images from /var/lib/sysext-staged, where pull --stage brings
    /// them; what the store itself delivers stays as it is
    #[arg(long, requires = "tarball")]
    pub staged: bool,
    /// Public keys to add to the archive; they become the client's only /etc/systemd/import-pubring.gpg
    #[arg(long, value_name = "FILE", requires = "tarball")]
    pub keyring: Option<PathBuf>,
    /// Certificates of what signs disk images, to add to the archive: files of the client's /etc/verity.d
    #[arg(long, value_name = "FILE", requires = "tarball")]
    pub verity_cert: Vec<PathBuf>,
    /// What signs the list, which has the archive of the definitions.
    #[command(flatten)]
    pub signing: SigningArguments,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// Whether clients verify signatures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Signed {
    /// If the store is signed now
    #[default]
    Auto,
    /// Always
    Yes,
    /// Never
    No,
}

/// The arguments of `store page`.
#[derive(Debug, Args)]
pub struct PageArguments {
    /// Directory of the store
    pub directory: PathBuf,
    /// Address of the store, for the commands that the page shows
    #[arg(long, value_name = "URL")]
    pub url: Option<String>,
    /// Title of the page
    #[arg(long, value_name = "TITLE", default_value = "System extensions")]
    pub title: String,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}
