//! The verbs on a store.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Output;

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
    /// List the images that clients are offered
    List(ListArguments),
    /// Look for everything that is wrong with a store
    Verify(VerifyArguments),
}

impl StoreVerb {
    /// How the verb speaks.
    pub fn speech(&self) -> Output {
        match self {
            Self::List(arguments) => arguments.speech,
            Self::Verify(arguments) => arguments.speech,
        }
    }
}

/// The arguments of `store list`.
#[derive(Debug, Args)]
pub struct ListArguments {
    /// Directory of the store
    pub directory: PathBuf,
    /// How to speak.
    #[command(flatten)]
    pub speech: Output,
}

/// The arguments of `store verify`.
#[derive(Debug, Args)]
pub struct VerifyArguments {
    /// Directory of the store
    pub directory: PathBuf,
    /// Repair what can be repaired without losing anything
    #[arg(long)]
    pub fix: bool,
    /// Number of reading threads [default: one a core]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<usize>,
    /// How to speak.
    #[command(flatten)]
    pub speech: Output,
}
