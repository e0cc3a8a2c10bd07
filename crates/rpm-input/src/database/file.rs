//! A file of a database: bounded, read at offsets, watched for changes.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::SystemTime;

use crate::error::Error;

/// Largest file of a database in bytes. One of 5000 packages has about 500 MB.
pub(super) const MAX_LENGTH: u64 = 1 << 30;
/// The formats are known by this many bytes.
const START: usize = 100;

/// An open file of a database.
pub(super) struct DatabaseFile {
    file: File,
    origin: String,
    state: State,
}

/// What changes when a file is written.
#[derive(PartialEq)]
struct State {
    length: u64,
    modified: Option<SystemTime>,
}

impl State {
    fn of(metadata: &Metadata) -> Self {
        Self {
            length: metadata.len(),
            modified: metadata.modified().ok(),
        }
    }
}

impl DatabaseFile {
    /// Opens a regular file that is not too large.
    pub(super) fn open(path: &Path) -> Result<Self, Error> {
        let origin = path.display().to_string();
        let io_error = |source| Error::Io {
            origin: origin.clone(),
            source,
        };
        let refuse = |reason: String| Error::NotDatabase {
            origin: origin.clone(),
            reason,
        };
        let file = files::open(path, files::Links::Follow).map_err(|error| match error {
            files::Error::Io { source, .. } => io_error(source),
            files::Error::WrongKind { found, .. } => refuse(format!("it is {found}")),
            other => refuse(other.to_string()),
        })?;
        let state = State::of(&file.metadata().map_err(io_error)?);
        if state.length > MAX_LENGTH {
            let length = state.length;
            return Err(refuse(format!(
                "it has {length} bytes, {MAX_LENGTH} are allowed"
            )));
        }
        Ok(Self {
            file,
            origin,
            state,
        })
    }

    /// Opens a file that need not be there.
    pub(super) fn open_if_there(path: &Path) -> Result<Option<Self>, Error> {
        match std::fs::metadata(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            _ => Self::open(path).map(Some),
        }
    }

    /// Returns the path, for messages.
    pub(super) fn origin(&self) -> &str {
        &self.origin
    }

    /// Returns the length in bytes when the file was opened.
    pub(super) fn length(&self) -> u64 {
        self.state.length
    }

    /// Returns the first bytes, fewer if the file is shorter.
    pub(super) fn start(&self) -> Result<Vec<u8>, Error> {
        let length = usize::try_from(self.length()).map_or(START, |length| length.min(START));
        let mut bytes = vec![0; length];
        self.read(0, &mut bytes)?;
        Ok(bytes)
    }

    /// Fills `bytes` from an offset; the caller has looked at the length of the file.
    pub(super) fn read(&self, offset: u64, bytes: &mut [u8]) -> Result<(), Error> {
        match self.file.read_exact_at(bytes, offset) {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.damaged(format!("offset {offset}"), "the file ends here".to_owned()))
            }
            Err(source) => Err(Error::Io {
                origin: self.origin.clone(),
                source,
            }),
        }
    }

    /// Checks that nobody wrote to the file since it was opened.
    pub(super) fn check_unchanged(&self) -> Result<(), Error> {
        let metadata = self.file.metadata().map_err(|source| Error::Io {
            origin: self.origin.clone(),
            source,
        })?;
        if State::of(&metadata) == self.state {
            return Ok(());
        }
        Err(self.refuse("it was changed while it was being read; try again"))
    }

    /// Returns the error that something is wrong at a place in the file.
    pub(super) fn damaged(&self, place: String, reason: String) -> Error {
        Error::Database {
            origin: self.origin.clone(),
            place,
            reason,
        }
    }

    /// Returns the error that the file as a whole can't be read.
    pub(super) fn refuse(&self, reason: &str) -> Error {
        Error::NotDatabase {
            origin: self.origin.clone(),
            reason: reason.to_owned(),
        }
    }
}
