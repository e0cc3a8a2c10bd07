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
