//! Why a file could not be fetched. URLs are shown without credentials.

use std::io;

/// Why a file could not be fetched, from the last of the places that were tried.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The URL can't be used.
    #[error("{url}: {reason}")]
    Url {
        /// The URL without credentials.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A setting can't be used.
    #[error("{what}: {reason}")]
    Setting {
        /// The proxy, the certificates.
        what: &'static str,
        /// What is wrong with it.
        reason: String,
    },
    /// The server answered with a status that means no.
    #[error("{url}: the server answered {status}")]
    Status {
        /// The URL without credentials.
        url: String,
        /// The status, with its meaning: `404 Not Found`.
        status: String,
        /// The number of the status.
        code: u16,
    },
    /// The connection failed, or ended too early, every time.
    #[error("{url}: {reason} ({})", times(*attempts))]
    Connection {
        /// The URL without credentials.
        url: String,
        /// What happened the last time.
        reason: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// What came is not what was expected: too long, or of another length or digest.
    #[error("{url}: {reason}")]
    Content {
        /// The URL without credentials.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The file that is written to failed.
    #[error("writing the file for {url}: {source}")]
    File {
        /// The URL without credentials.
        url: String,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Error {
    /// Returns whether the server said that there is no such file.
    pub fn is_missing(&self) -> bool {
        matches!(
            self,
            Self::Status {
                code: 404 | 410,
                ..
            }
        )
    }
}

fn times(attempts: u32) -> String {
    match attempts {
        1 => "tried once".to_owned(),
        more => format!("tried {more} times"),
    }
}
