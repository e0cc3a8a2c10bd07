//! Why a file could not be read.

use std::io;

/// Why a file could not be read. The caller that opened the file names it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The input failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It can't be opened, or is something else than a file.
    #[error(transparent)]
    File(#[from] files::Error),
    /// It says that it is an ELF object, and is none that could be loaded.
    #[error("not a sound ELF file: {0}")]
    Malformed(String),
    /// An `ld.so.conf`, with what it includes, names too many directories.
    #[error("ld.so.conf names more than {0} directories")]
    Directories(usize),
    /// It is no `ld.so.cache`.
    #[error("not a cache of ldconfig: {0}")]
    Cache(&'static str),
}

impl Error {
    pub(crate) fn malformed(problem: impl Into<String>) -> Self {
        Self::Malformed(problem.into())
    }
}
