//! The start of a package's file: all that stands before the payload, which tells what the package is
//! and who signed it. It is read from the file, or was fetched without the rest.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

use rpm_input::{Package, SignedHeader};

use crate::words::failure::{Result, package_failure};

/// The start of a package's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start {
    /// That of the file here.
    File(PathBuf),
    /// These bytes, and the path that the file will have when it is here.
    Bytes(PathBuf, Vec<u8>),
}

impl Start {
    /// Returns the path of the file, even if that is not here yet.
    pub fn path(&self) -> &Path {
        match self {
            Self::File(path) | Self::Bytes(path, _) => path,
        }
    }

    /// Reads the package.
    pub fn package(&self) -> Result<Package> {
        let origin = self.path().display().to_string();
        Package::read(&mut self.open()?, &origin).map_err(package_failure)
    }

    /// Returns the header of the package that was read from here, with what signs it.
    pub fn signed(&self, package: &Package) -> Result<SignedHeader> {
        (package.signed_header(&mut self.open()?)).map_err(package_failure)
    }

    fn open(&self) -> Result<Box<dyn BufRead + '_>> {
        Ok(match self {
            Self::File(path) => {
                let file = rpm_input::open(path).map_err(package_failure)?;
                Box::new(BufReader::with_capacity(64 << 10, file))
            }
            Self::Bytes(_, bytes) => Box::new(&bytes[..]),
        })
    }
}
