//! Whether packages come from whom the user trusts: their signatures, and the keys given for them.
//!
//! A package is signed in its header, which has the digests of all contents; the header's
//! signature is checked here, the contents are checked against the header while they are packed.
//! One good signature is enough; which count, `openpgp` says.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Path, PathBuf};

use openpgp::{Error, Keyring};
use rpm_input::Package;

use crate::findings::{Finding, kinds};
use crate::words::failure::{Failure, Result, package_failure};

/// Largest file of keys in bytes.
const MAX_KEYS: u64 = 16 << 20;

/// What the user said about signatures.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Files of keys that are trusted, or directories of such.
    pub keyrings: Vec<PathBuf>,
    /// The keys that `.repo` files name are trusted for their repositories.
    pub import_keys: bool,
    /// Each repository's `repomd.xml` must be signed, whatever its `.repo` file says.
    pub repo_gpgcheck: bool,
    /// The time of the check, in seconds since 1970.
    pub now: u64,
}

/// Whom the user trusts.
pub struct Trust {
    /// The keys that were given; if there are any, all packages must be signed.
    pub given: Keyring,
    /// The keys that `.repo` files name are trusted for their repositories.
    pub import_keys: bool,
    /// Each repository's `repomd.xml` must be signed, whatever its `.repo` file says.
    pub repo_gpgcheck: bool,
    /// The time of the check, in seconds since 1970.
    pub now: u64,
}

impl Trust {
    /// Reads the keys.
    pub fn open(settings: &Settings) -> Result<Self> {
        Ok(Self {
            given: keyring(&settings.keyrings)?,
            import_keys: settings.import_keys,
            repo_gpgcheck: settings.repo_gpgcheck,
            now: settings.now,
        })
    }

    /// Checks a package that the user named, by the keys that were given, if any were.
    pub fn check_named(&self, package: &Package, file: &Path) -> Result<Option<Finding>> {
        match self.given.is_empty() {
            true => Ok(None),
            false => check(package, file, &self.given, self.now),
        }
    }
}

/// Reads the keys that the user trusts. A directory stands for the files in it, as in
/// `/etc/pki/rpm-gpg`.
pub fn keyring(paths: &[PathBuf]) -> Result<Keyring> {
    let mut keyring = Keyring::default();
    for path in paths {
        for file in files(path)? {
            let doing = || format!("reading the keys in {}", file.display());
            let opened = File::open(&file).map_err(|error| Failure::io(doing(), error))?;
            let mut bytes = Vec::new();
            opened
                .take(MAX_KEYS + 1)
                .read_to_end(&mut bytes)
                .map_err(|error| Failure::io(doing(), error))?;
            keyring
                .add(&bytes, &file.display().to_string())
                .map_err(|error| match error {
                    Error::SecretKey { .. } => Failure::refused(error)
                        .hint("the public ones are written by: gpg --export KEY > FILE"),
                    error => Failure::refused(error),
                })?;
        }
    }
    Ok(keyring)
}

/// Returns a file, or the files of a directory in byte order of their names; hidden ones are none.
fn files(path: &Path) -> Result<Vec<PathBuf>> {
    let failure = |error| Failure::io(format!("reading {}", path.display()), error);
    if !std::fs::metadata(path).map_err(failure)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(failure)? {
        let entry = entry.map_err(failure)?;
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        if !is_hidden && entry.path().is_file() {
            files.push(entry.path());
        }
    }
    files.sort();
    Ok(files)
}

/// Checks that the package in `file` is signed by a key of the keyring; `now`, in seconds since
/// 1970, is asked about signatures that expire.
pub fn check(
    package: &Package,
    file: &Path,
    keyring: &Keyring,
    now: u64,
) -> Result<Option<Finding>> {
    let doing = || format!("reading {}", file.display());
    let opened = File::open(file).map_err(|error| Failure::io(doing(), error))?;
    let signed = package
        .signed_header(&mut BufReader::new(opened))
        .map_err(package_failure)?;
    let finding = |kind, reason: &str| {
        let text = format!("{} ({}): {reason}", package.nevra, file.display());
        Ok(Some(Finding::new(kind, text)))
    };
    if !signed.covers_contents {
        return finding(
            &kinds::UNSIGNED_PACKAGE,
            "no signature can cover its contents",
        );
    }
    let mut failed = None;
    for signature in &signed.signatures {
        match keyring.verify_detached(&signed.header, signature, "its signature", now) {
            Ok(_) => return Ok(None),
            // That some signer is not known says less than that a known one's signature is bad.
            Err(error) if matches!(failed, None | Some(Error::UnknownKey { .. })) => {
                failed = Some(error);
            }
            Err(_) => {}
        }
    }
    match failed {
        None if signed.has_payload_signature => finding(
            &kinds::UNSIGNED_PACKAGE,
            "it is signed only as RPM 3 did, over header and payload together",
        ),
        None => finding(&kinds::UNSIGNED_PACKAGE, "it is not signed"),
        Some(Error::UnknownKey { keys }) => {
            let keys = keys.join(", ");
            let reason = format!("it is signed by key {keys}; trust it with --keyring FILE");
            finding(&kinds::UNTRUSTED_KEY, &reason)
        }
        Some(error) => finding(&kinds::BAD_SIGNATURE, &error.to_string()),
    }
}

/// Says which keys were passed over since they can't be read.
pub fn unreadable_keys(keyring: &Keyring) -> Vec<Finding> {
    let lines = keyring.unreadable().iter();
    lines
        .map(|line| Finding::new(&kinds::UNREADABLE_KEY, line))
        .collect()
}
