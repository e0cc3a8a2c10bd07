//! What can be typed of the network, after every verb that reads repositories.

use std::path::PathBuf;

use clap::Args;

/// How files of repositories are fetched.
#[derive(Clone, Debug, Default, Args)]
pub struct NetworkArguments {
    /// Directory of the cache [default: $XDG_CACHE_HOME/sysext-build]
    #[arg(long, value_name = "DIR", help_heading = "Network")]
    pub cache_dir: Option<PathBuf>,
    /// Fetch nothing: take everything from the cache, or fail
    #[arg(long, help_heading = "Network", conflicts_with = "refresh")]
    pub offline: bool,
    /// Fetch repomd.xml even if the server says that it has not changed
    #[arg(long, help_heading = "Network")]
    pub refresh: bool,
    /// Seconds of silence after which a transfer is given up
    #[arg(
        long,
        value_name = "SECONDS",
        help_heading = "Network",
        default_value_t = 30
    )]
    pub timeout: u64,
    /// How often to retry a transfer that makes no progress
    #[arg(long, value_name = "N", help_heading = "Network", default_value_t = 5)]
    pub retries: u32,
}

/// Repositories in which the packages of a base are looked up.
#[derive(Clone, Debug, Default, Args)]
pub struct LookupArguments {
    /// Repository in which to look up what the packages of a list or a manifest provide: a
    /// directory, an http, https or file URL, or a .repo file, as [NAME=]PLACE[,priority=N]
    #[arg(long, value_name = "REPO", help_heading = "Hosts")]
    pub repo: Vec<String>,
    /// Where no repository has the build of a package that a list names, assume that it provides
    /// what the next build of the same name and architecture does, or the newest if there is
    /// none
    #[arg(long, help_heading = "Hosts")]
    pub assume_next_build: bool,
    /// Trust the keys that .repo files name as gpgkey, each for its own repository
    #[arg(long, help_heading = "Trust")]
    pub import_keys: bool,
    /// Accept only repositories whose repomd.xml is signed, even if no .repo file asks for it
    #[arg(long, help_heading = "Trust")]
    pub repo_gpgcheck: bool,
    /// Accept only repositories that are signed by a key in FILE, or in the files of a directory
    #[arg(long, value_name = "FILE", help_heading = "Trust")]
    pub keyring: Vec<PathBuf>,
    /// How to fetch.
    #[command(flatten)]
    pub network: NetworkArguments,
}
