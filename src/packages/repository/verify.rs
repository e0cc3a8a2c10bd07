//! Whether a file is the one that its repository speaks of.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use rpm_input::repodata::{Checksum, ChecksumHasher};

/// Checks the file at a path against its checksum and, if it is known, its length; says in words
/// what is wrong.
pub fn file(path: &Path, promised: &Checksum, size: Option<u64>) -> Result<(), String> {
    length(path, size)?;
    let mut file = files::open(path, files::Links::Follow).map_err(|error| error.to_string())?;
    open(&mut file, promised)
}

/// Checks the length of the file at a path.
pub fn length(path: &Path, size: Option<u64>) -> Result<(), String> {
    let found = std::fs::metadata(path)
        .map_err(|error| error.to_string())?
        .len();
    match size {
        Some(size) if size != found => Err(format!(
            "the file has {found} bytes, but the repository says {size}"
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
            "the file has {found}, but the repository says {promised}"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::scratch::Scratch;

    #[test]
    fn length_and_checksum_count() {
        let scratch = Scratch::new();
        let path = scratch.write("four", b"four");
        let none = scratch.path().join("none");
        // `printf four | sha256sum`, and of `five`
        let four = "04efaf080f5a3e74e1c29d1ca6a48569382cbbcd324e8d59d2b83ef21c039f00";
        let five = "222b0bd51fcef7e65c2e62db2ed65457013bab56be6fafeb19ee11d453153c80";
        for (path, size, checksum, is_length, is_file) in [
            (&path, None, four, true, true),
            (&path, Some(4), four, true, true),
            (&path, Some(5), four, false, false),
            (&path, Some(3), four, false, false),
            (&path, Some(4), five, true, false),
            (&none, None, four, false, false),
        ] {
            let promised = Checksum::parse("sha256", checksum).unwrap();
            assert_eq!(length(path, size).is_ok(), is_length, "{size:?} {checksum}");
            assert_eq!(
                file(path, &promised, size).is_ok(),
                is_file,
                "{size:?} {checksum}"
            );
        }
        let said = length(&path, Some(5)).unwrap_err();
        assert_eq!(said, "the file has 4 bytes, but the repository says 5");
        let promised = Checksum::parse("sha256", five).unwrap();
        let said = file(&path, &promised, None).unwrap_err();
        assert_eq!(
            said,
            format!("the file has SHA-256 {four}, but the repository says SHA-256 {five}")
        );
    }
}
