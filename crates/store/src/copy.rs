//! Files of one store on their way to another.
//!
//! What counts is the digest on the list that they come from, which may be signed. So a file is
//! hashed as it is copied, and what is not the listed one never gets a name.

use std::io::{Read as _, Write as _};

use sha2::{Digest as _, Sha256};

use crate::Store;
use crate::directory::{Directory, HASH_BUFFER};
use crate::error::Error;
use crate::sums::Sums;
use crate::temporary::Temporary;

/// Copies the listed file `name` into a store; returns what a publication wants of it.
pub(crate) fn copy(
    directory: &Directory,
    sums: &Sums,
    name: &str,
    into: &Store,
) -> Result<(String, Temporary, [u8; 32]), Error> {
    let changed = |problem| Error::Changed {
        path: directory.path().join(name),
        problem,
    };
    let sha256 = *sums.get(name).ok_or_else(|| changed("is not listed"))?;
    match copy_unlisted(directory, name, into)? {
        Some(copied) if copied.2 == sha256 => Ok(copied),
        Some(_) => Err(changed("does not have the SHA-256 that is listed")),
        None => Err(changed("is listed and is gone")),
    }
}

/// Copies any file; `None` if it is not there.
pub(crate) fn copy_unlisted(
    directory: &Directory,
    name: &str,
    into: &Store,
) -> Result<Option<(String, Temporary, [u8; 32])>, Error> {
    let Some(mut input) = directory.open_file(name)? else {
        return Ok(None);
    };
    let mut output = into.temporary()?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; HASH_BUFFER];
    loop {
        let count = match input.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => count,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(directory.error("read", name, error)),
        };
        let bytes = buffer.get(..count).unwrap_or_default();
        hasher.update(bytes);
        output.write_all(bytes).map_err(|source| Error::Io {
            action: "write a temporary file in",
            path: into.dir().to_owned(),
            source,
        })?;
    }
    Ok(Some((name.to_owned(), output, hasher.finalize().into())))
}
