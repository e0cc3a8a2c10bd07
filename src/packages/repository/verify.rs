//! Whether a file is the one that its repository speaks of.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rpm_input::repodata::{Checksum, ChecksumHasher};

/// Checks the file at a path against its checksum and, if it is known, its length; says in words
/// what is wrong.
pub fn file(path: &Path, promised: &Checksum, size: Option<u64>) -> Result<(), String> {
    length(path, size)?;
    let mut file = File::open(path).map_err(|error| error.to_string())?;
    open(&mut file, promised)
}

/// Checks the length of the file at a path.
pub fn length(path: &Path, size: Option<u64>) -> Result<(), String> {
    let found = std::fs::metadata(path)
        .map_err(|error| error.to_string())?
        .len();
    match size {
        Some(size) if size != found => Err(format!(
            "the file has {found} bytes, the repository says {size}"
        )),
        _ => Ok(()),
    }
}

/// Checks an open file from where it stands to its end.
pub fn open(file: &mut File, promised: &Checksum) -> Result<(), String> {
    let mut hasher = ChecksumHasher::like(promised);
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer).map_err(|error| error.to_string())? {
            0 => break,
            length => hasher.update(buffer.get(..length).unwrap_or_default()),
        }
    }
    let found = hasher.finish();
    match found == *promised {
        true => Ok(()),
        false => Err(format!(
            "the file has {found}, the repository says {promised}"
        )),
    }
}
