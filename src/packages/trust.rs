//! Whether packages come from whom the user trusts: their signatures, and the keys given for them.
//!
//! A package is signed in its header, which has the digests of all contents; the header's
//! signature is checked here, the contents are checked against the header while they are packed.
//! One good signature is enough; which count, `openpgp` says.

use std::path::{Path, PathBuf};

use files::Links;
use openpgp::{Error, Keyring, MAX_KEYRING};
use rpm_input::{Package, SignedHeader};

use crate::findings::{Finding, FindingKind, kinds};
use crate::packages::start::Start;
use crate::words::failure::{Failure, Result};

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
    pub fn check_named(&self, package: &Package, file: &Path) -> Result<Vec<Finding>> {
        let keyring = (!self.given.is_empty()).then_some(&self.given);
        self.check(package, &Start::File(file.to_owned()), keyring)
    }

    /// Checks that something vouches for the package that was read there: a signature by a key of the
    /// keyring, where there is one; else a digest of its header, by which at least an accident is
    /// seen.
    pub fn check(
        &self,
        package: &Package,
        start: &Start,
        keyring: Option<&Keyring>,
    ) -> Result<Vec<Finding>> {
        let mut findings = Vec::new();
        if let Some(keyring) = keyring {
            findings.extend(check_signature(package, start, keyring, self.now)?);
            if findings.is_empty() {
                return Ok(findings);
            }
        }
        findings.extend(uncovered(package, start));
        Ok(findings)
    }
}

/// Says that no digest covers a package's header, in RPM's words.
fn uncovered(package: &Package, start: &Start) -> Option<Finding> {
    (!package.is_header_covered()).then(|| {
        let text = format!(
            "package {} does not verify: no digest of its header ({})",
            package.nevra,
            start.path().display()
        );
        Finding::new(&kinds::NO_HEADER_DIGEST, text)
    })
}

/// Reads the keys that the user trusts. A directory stands for the files in it, as in
/// `/etc/pki/rpm-gpg`.
pub fn keyring(paths: &[PathBuf]) -> Result<Keyring> {
    let mut keyring = Keyring::default();
    for path in paths {
        for file in files(path)? {
            let bytes = files::read(&file, MAX_KEYRING, Links::Follow)?;
            keyring
                .add(&bytes, &file.display().to_string())
                .map_err(|error| match error {
                    Error::SecretKey { .. } => Failure::refused(error)
                        .hint("to export a public key: gpg --export KEY > FILE"),
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

/// Checks that the package that was read there is signed by a key of the keyring; `now`, in seconds since
/// 1970, is asked about signatures that expire.
fn check_signature(
    package: &Package,
    start: &Start,
    keyring: &Keyring,
    now: u64,
) -> Result<Option<Finding>> {
    let signed = start.signed(package)?;
    Ok(judged(&signed, keyring, now).map(|(kind, reason)| {
        let text = format!("{} ({}): {reason}", package.nevra, start.path().display());
        Finding::new(kind, text)
    }))
}

/// Says what is wrong with a header's signatures, if none of them is good.
fn judged(
    signed: &SignedHeader,
    keyring: &Keyring,
    now: u64,
) -> Option<(&'static FindingKind, String)> {
    if !signed.covers_contents {
        let reason = "its format has no signature that covers its contents";
        return Some((&kinds::UNSIGNED_PACKAGE, reason.to_owned()));
    }
    let mut failed = None;
    for signature in &signed.signatures {
        match keyring.verify_detached(&signed.header, signature, "its signature", now) {
            Ok(_) => return None,
            // That some signer is not known says less than that a known one's signature is bad.
            Err(error) if matches!(failed, None | Some(Error::UnknownKey { .. })) => {
                failed = Some(error);
            }
            Err(_) => {}
        }
    }
    Some(match failed {
        None => {
            let reason = match signed.has_payload_signature {
                true => "it has only an RPM 3 signature, over header and payload together",
                false => "it is not signed",
            };
            (&kinds::UNSIGNED_PACKAGE, reason.to_owned())
        }
        Some(Error::UnknownKey { keys }) => {
            let keys = keys.join(", ");
            let reason = format!("it is signed by key {keys}; trust it with --keyring FILE");
            (&kinds::UNTRUSTED_KEY, reason)
        }
        Some(error) => (&kinds::BAD_SIGNATURE, error.to_string()),
    })
}

/// Says which keys were passed over since they can't be read.
pub fn unreadable_keys(keyring: &Keyring) -> Vec<Finding> {
    let lines = keyring.unreadable().iter();
    lines
        .map(|line| Finding::new(&kinds::UNREADABLE_KEY, line))
        .collect()
}

#[cfg(test)]
mod tests {
    use openpgp::SigningKey;
    use rpm_input::{DigestAlgorithm, DigestScope, Nevra, PayloadDigest};

    use super::*;
    use crate::packages::repository::read_header;
    use crate::words::scratch::Scratch;

    const SECRET: &[u8] = include_bytes!("../../fixtures/keys/test.secret.asc");
    const PUBLIC: &[u8] = include_bytes!("../../fixtures/keys/test.public.asc");
    const FINGERPRINT: &str = "041D5F411DB434BC5D0E51E16879D6EAB0EEF13E";
    /// Another key, and a signature of `data` by it.
    const OTHER: &[u8] = include_bytes!("../../fixtures/keys/version6.public.asc");
    const BY_OTHER: &[u8] = include_bytes!("../../fixtures/keys/version6.signature.asc");
    /// A time at which both keys are good.
    const TIME: u64 = 1_700_000_001;

    #[test]
    fn which_signatures_count() {
        let key = SigningKey::parse(SECRET, "key", None, TIME).unwrap();
        let by_test = |data: &[u8]| key.sign(data, TIME).unwrap();
        let (good, bad) = (by_test(b"data"), by_test(b"other"));
        let other = BY_OTHER.to_vec();
        let test = Keyring::parse(PUBLIC, "").unwrap();
        let six = Keyring::parse(OTHER, "").unwrap();
        let mut both = test.clone();
        both.extend(six.clone());
        let unsigned = "unsigned-package: it is not signed";
        let old =
            "unsigned-package: it has only an RPM 3 signature, over header and payload together";
        let uncovered = "unsigned-package: its format has no signature that covers its contents";
        let forged = format!(
            "bad-signature: the signature is bad: it claims to be by key {FINGERPRINT}, but does not fit the data"
        );
        let unknown = |key: &str| {
            format!("untrusted-key: it is signed by key {key}; trust it with --keyring FILE")
        };
        let six_print = six.keys()[0].fingerprint.clone();
        let (unknown_test, unknown_six) = (unknown(FINGERPRINT), unknown(&six_print));
        for (signatures, payload, covers, keyring, expected) in [
            (vec![&good], false, true, &test, None),
            (vec![&good], true, true, &test, None),
            (vec![&good], false, false, &test, Some(uncovered)),
            (vec![], false, false, &test, Some(uncovered)),
            (vec![], false, true, &test, Some(unsigned)),
            (vec![], true, true, &test, Some(old)),
            (vec![&bad], false, true, &test, Some(&*forged)),
            (vec![&good], false, true, &six, Some(&*unknown_test)),
            (vec![&other], false, true, &test, Some(&*unknown_six)),
            // One good signature is enough, in any place.
            (vec![&other, &good], false, true, &test, None),
            (vec![&bad, &good], false, true, &test, None),
            (vec![&good, &bad], false, true, &test, None),
            (vec![&bad, &other], false, true, &both, None),
            // A bad signature by a known key says more than one by an unknown key.
            (vec![&other, &bad], false, true, &test, Some(&*forged)),
            (vec![&bad, &other], false, true, &test, Some(&*forged)),
        ] {
            let row = format!(
                "{} signatures, {payload}, {covers}, {expected:?}",
                signatures.len()
            );
            let signed = SignedHeader {
                header: b"data".to_vec(),
                signatures: signatures.into_iter().cloned().collect(),
                has_payload_signature: payload,
                covers_contents: covers,
            };
            let found = judged(&signed, keyring, TIME);
            let found = found.map(|(kind, reason)| format!("{}: {reason}", kind.id));
            assert_eq!(found.as_deref(), expected, "{row}");
        }
    }

    #[test]
    fn files_that_are_named_need_a_signature_once_a_key_is_given() {
        let file = Path::new("fixtures/clash-one-1-1.noarch.rpm");
        let package = read_header(file).unwrap();
        for (given, expected) in [
            (Keyring::default(), None),
            (
                Keyring::parse(PUBLIC, "").unwrap(),
                Some("clash-one-1-1.noarch (fixtures/clash-one-1-1.noarch.rpm): it is not signed"),
            ),
        ] {
            let trust = Trust {
                given,
                import_keys: false,
                repo_gpgcheck: false,
                now: TIME,
            };
            let found = trust.check_named(&package, file).unwrap();
            let found: Vec<_> = found.iter().map(|one| one.text.as_str()).collect();
            assert_eq!(found, Vec::from_iter(expected));
        }
    }

    #[test]
    fn where_keys_are_read() {
        let scratch = Scratch::new();
        let one = scratch.write("keys/b.asc", PUBLIC);
        scratch.write("keys/a.asc", OTHER);
        scratch.write("keys/.hidden", b"no key");
        scratch.write("keys/below/c.asc", b"no key");
        let directory = scratch.path().join("keys");
        let six = Keyring::parse(OTHER, "").unwrap().keys()[0]
            .fingerprint
            .clone();
        for (paths, expected) in [
            (vec![], vec![]),
            (vec![one.clone()], vec![FINGERPRINT]),
            (vec![directory.clone()], vec![&*six, FINGERPRINT]),
            (vec![one.clone(), directory], vec![FINGERPRINT, &*six]),
        ] {
            let settings = Settings {
                keyrings: paths,
                import_keys: true,
                repo_gpgcheck: false,
                now: 7,
            };
            let trust = Trust::open(&settings).unwrap();
            let found: Vec<_> = trust
                .given
                .keys()
                .into_iter()
                .map(|key| key.fingerprint)
                .collect();
            assert_eq!(found, expected);
            assert_eq!(
                (trust.import_keys, trust.repo_gpgcheck, trust.now),
                (true, false, 7)
            );
        }
        let secret = scratch.write("secret", SECRET);
        let failure = keyring(&[secret]).unwrap_err();
        assert_eq!(
            failure.hints,
            ["to export a public key: gpg --export KEY > FILE"]
        );
        let nothing = scratch.write("nothing", b"no key");
        assert_eq!(keyring(&[nothing]).unwrap_err().hints, [""; 0]);
        assert!(keyring(&[scratch.path().join("none")]).is_err());
    }

    #[test]
    fn a_header_that_nothing_covers_is_said() {
        let trust = Trust::open(&Settings {
            keyrings: Vec::new(),
            import_keys: false,
            repo_gpgcheck: false,
            now: 0,
        });
        let trust = trust.unwrap();
        let nothing = Package::named(Nevra {
            name: "a".to_owned(),
            epoch: None,
            version: "1".to_owned(),
            release: "1".to_owned(),
            arch: "noarch".to_owned(),
        });
        let by_header = |digest| {
            let mut package = nothing.clone();
            package.header_digest = digest;
            package
        };
        let by_payload = |scope| {
            let mut package = nothing.clone();
            package.payload.digests.push(PayloadDigest {
                algorithm: DigestAlgorithm::Md5,
                scope,
                hex: String::new(),
            });
            package
        };
        for (package, is_covered) in [
            (by_header(None), false),
            (by_header(Some(DigestAlgorithm::Sha1)), true),
            (by_payload(DigestScope::HeaderAndPayload), true),
            (by_payload(DigestScope::Compressed), false),
        ] {
            let findings = trust.check_named(&package, Path::new("a.rpm")).unwrap();
            let said: Vec<_> = findings.iter().map(|one| one.text.as_str()).collect();
            let text = "package a-1-1.noarch does not verify: no digest of its header (a.rpm)";
            assert_eq!(said, [text][usize::from(is_covered)..]);
            assert!(
                findings
                    .iter()
                    .all(|one| one.kind == &kinds::NO_HEADER_DIGEST)
            );
        }
    }
}
