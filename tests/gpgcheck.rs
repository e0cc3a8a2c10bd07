//! Signed packages: what rpm accepts by a key is taken, and what it does not is refused.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::workshop::{Scratch, fixture, has_oracle, os_release, output_of, program, shared, text};

const FINGERPRINT: &str = "041D5F411DB434BC5D0E51E16879D6EAB0EEF13E";

/// A gpg and an rpm with homes of their own.
struct Signers {
    scratch: Scratch,
}

impl Signers {
    fn new() -> Option<Self> {
        if !["gpg", "rpmsign", "rpmkeys"]
            .map(has_oracle)
            .iter()
            .all(|found| *found)
        {
            return None;
        }
        let scratch = Scratch::new();
        let home = scratch.join("gpg");
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        let signers = Self { scratch };
        signers.gpg(&[
            "--import",
            fixture("keys/test.secret.asc").to_str().unwrap(),
        ]);
        Some(signers)
    }

    fn gpg(&self, arguments: &[&str]) -> String {
        output_of(
            Command::new("gpg")
                .args([
                    "--batch",
                    "--quiet",
                    "--no-tty",
                    "--pinentry-mode",
                    "loopback",
                ])
                .args(["--passphrase", ""])
                .arg("--homedir")
                .arg(self.scratch.join("gpg"))
                .args(arguments),
        )
    }

    /// Makes a key and returns the file of its public part.
    fn key(&self, name: &str, algorithm: &str) -> PathBuf {
        self.gpg(&["--quick-gen-key", name, algorithm, "sign", "never"]);
        let file = self.scratch.join(&format!("{name}.asc"));
        self.gpg(&[
            "--armor",
            "--output",
            file.to_str().unwrap(),
            "--export",
            name,
        ]);
        file
    }

    /// Returns a copy of a fixture that `rpmsign` has signed.
    fn signed(&self, package: &str, key: &str, definitions: &[&str]) -> PathBuf {
        let copy = self.scratch.join(&format!("{key}-{package}"));
        fs::copy(fixture(package), &copy).unwrap();
        let mut command = Command::new("rpmsign");
        command
            .env("HOME", self.scratch.path())
            .env("GNUPGHOME", self.scratch.join("gpg"))
            .arg("--define")
            .arg(format!("_gpg_name {key}"))
            .args(["--define", "__gpg /usr/bin/gpg"]);
        for definition in definitions {
            command.args(["--define", definition]);
        }
        output_of(command.arg("--addsign").arg(&copy));
        copy
    }

    /// Says whether rpm, with this key alone, finds digests and signatures of a package good.
    fn rpm_accepts(&self, key: &Path, package: &Path) -> bool {
        let database = Scratch::new();
        let rpmkeys = || {
            let mut command = Command::new("rpmkeys");
            command.arg("--dbpath").arg(database.path());
            command.args(["--define", "_pkgverify_level all"]);
            command
        };
        output_of(rpmkeys().arg("--import").arg(key));
        rpmkeys()
            .arg("--checksig")
            .arg(package)
            .output()
            .unwrap()
            .status
            .success()
    }
}

impl Drop for Signers {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(self.scratch.join("gpg"))
            .args(["--kill", "all"])
            .status();
    }
}

fn plan(package: &Path, keyrings: &[&Path], more: &[&str]) -> Output {
    let mut command = program();
    command
        .arg("--os-release")
        .arg(os_release("tumbleweed"))
        .arg("--dry-run")
        .arg(package);
    for keyring in keyrings {
        command.arg("--keyring").arg(keyring);
    }
    command.args(more).output().unwrap()
}

/// Checks that a plan is refused for a finding, with these words.
fn refused(outcome: &Output, finding: &str, words: &str) {
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("error: {finding}: ")), "{said}");
    assert!(said.contains(words), "{said}");
    assert!(said.contains(&format!("--allow {finding}")), "{said}");
}

#[test]
fn what_rpm_accepts_is_taken() {
    let Some(signers) = Signers::new() else {
        return;
    };
    let test_key = fixture("keys/test.public.asc");
    let rsa = signers.key("rsa", "rsa2048");
    for (name, key) in [("test@example.com", &test_key), ("rsa", &rsa)] {
        let package = signers.signed("hello-sysext-1.0-1.x86_64.rpm", name, &[]);
        assert!(signers.rpm_accepts(key, &package), "{name}");
        let outcome = plan(&package, &[key], &[]);
        assert!(
            outcome.status.success(),
            "{name}: {}",
            text(&outcome.stderr)
        );
        // Both keys in a directory, or given one by one.
        let keys = signers.scratch.join(&format!("keys-{name}"));
        fs::create_dir(&keys).unwrap();
        fs::copy(&rsa, keys.join("RPM-GPG-KEY-rsa")).unwrap();
        fs::copy(&test_key, keys.join("RPM-GPG-KEY-test")).unwrap();
        assert!(plan(&package, &[&keys], &[]).status.success());
        assert!(plan(&package, &[&rsa, &test_key], &[]).status.success());
    }
}

#[test]
fn what_is_not_signed_well_is_refused() {
    let Some(signers) = Signers::new() else {
        return;
    };
    let key = fixture("keys/test.public.asc");
    let unsigned = fixture("hello-sysext-1.0-1.x86_64.rpm");
    assert!(plan(&unsigned, &[], &[]).status.success());
    let outcome = plan(&unsigned, &[&key], &[]);
    refused(&outcome, "unsigned-package", "hello-sysext-1.0-1.x86_64");
    assert!(
        plan(&unsigned, &[&key], &["--allow", "unsigned-package"])
            .status
            .success()
    );

    let other = signers.key("other", "ed25519");
    let package = signers.signed("hello-sysext-1.0-1.x86_64.rpm", "other", &[]);
    assert!(!signers.rpm_accepts(&key, &package));
    let listed = signers.gpg(&["--with-colons", "--list-keys", "other"]);
    let print = listed
        .lines()
        .find(|line| line.starts_with("fpr:"))
        .unwrap();
    refused(
        &plan(&package, &[&key], &[]),
        "untrusted-key",
        print.split(':').nth(9).unwrap(),
    );
    assert!(plan(&package, &[&other], &[]).status.success());

    let weak = signers.signed(
        "hello-library-2.0-3.x86_64.rpm",
        "test@example.com",
        &["_gpg_digest_algo sha1"],
    );
    refused(&plan(&weak, &[&key], &[]), "bad-signature", "SHA1");

    let outcome = plan(&package, &[&fixture("keys/test.secret.asc")], &[]);
    let said = text(&outcome.stderr);
    assert!(
        outcome.status.code() == Some(1) && said.contains("gpg --export"),
        "{said}"
    );
    assert_eq!(
        plan(&package, &[Path::new("/nowhere")], &[]).status.code(),
        Some(3)
    );
}

/// What was signed can't be changed: not in the header, whose digest may be made right again, and
/// not in the payload.
#[test]
fn a_signed_package_is_changed() {
    let Some(signers) = Signers::new() else {
        return;
    };
    let key = fixture("keys/test.public.asc");
    let package = signers.signed("hello-sysext-1.0-1.x86_64.rpm", "test@example.com", &[]);
    let bytes = fs::read(&package).unwrap();

    // The last place in the header where the name stands is far behind its digests.
    let header = bytes
        .windows(4)
        .enumerate()
        .filter(|(_, window)| *window == [0x8e, 0xad, 0xe8, 1])
        .map(|(offset, _)| offset)
        .nth(1)
        .unwrap();
    let number = |at: usize| {
        usize::try_from(u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap())).unwrap()
    };
    let end = header + 16 + 16 * number(header + 8) + number(header + 12);
    let place = (header..end)
        .rfind(|at| bytes[*at..].starts_with(b"hello-sysext"))
        .unwrap();
    let mut changed = bytes.clone();
    changed[place] = b'j';
    let digest = |bytes: &[u8]| {
        let file = signers.scratch.join("part");
        fs::write(&file, bytes).unwrap();
        crate::workshop::sha256sum(&file)
    };
    let (old, new) = (digest(&bytes[header..end]), digest(&changed[header..end]));
    let at = bytes
        .windows(64)
        .position(|window| window == old.as_bytes())
        .unwrap();
    changed[at..at + 64].copy_from_slice(new.as_bytes());
    let forged = signers.scratch.join("forged.rpm");
    fs::write(&forged, &changed).unwrap();
    assert!(
        plan(&forged, &[], &[]).status.success(),
        "the digests are right"
    );
    assert!(!signers.rpm_accepts(&key, &forged));
    refused(&plan(&forged, &[&key], &[]), "bad-signature", FINGERPRINT);

    let mut payload = bytes.clone();
    *payload.last_mut().unwrap() ^= 1;
    let damaged = signers.scratch.join("damaged.rpm");
    fs::write(&damaged, &payload).unwrap();
    assert!(!signers.rpm_accepts(&key, &damaged));
    let store = signers.scratch.join("store");
    let outcome = program()
        .arg("--os-release")
        .arg(os_release("tumbleweed"))
        .arg("--keyring")
        .arg(&key)
        .arg("-o")
        .arg(&store)
        .arg(&damaged)
        .output()
        .unwrap();
    assert_eq!(outcome.status.code(), Some(1), "{}", text(&outcome.stderr));
    assert!(!store.exists());
}

/// Whatever the signatures of real packages look like, they are read, and none is by our key.
#[test]
fn signatures_of_real_packages() {
    let Some(shared) = shared() else { return };
    let key = fixture("keys/test.public.asc");
    let table = fs::read_to_string(shared.join("corpus/rpms.tsv")).unwrap();
    let mut counts = [0; 3];
    for line in table.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        let (name, signatures) = (columns[0], columns[7]);
        let package = shared.join("corpus/rpms").join(name);
        if !plan(&package, &[], &["--allow", "architecture"])
            .status
            .success()
        {
            continue;
        }
        let outcome = plan(&package, &[&key], &["--allow", "architecture"]);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{name}: {said}");
        let is_signed = signatures.contains("hdr") || signatures.contains("OPENPGP");
        let expected = match is_signed {
            true => ["untrusted-key", "bad-signature"].as_slice(),
            false => &["unsigned-package"],
        };
        let found = ["unsigned-package", "untrusted-key", "bad-signature"]
            .into_iter()
            .position(|id| said.contains(&format!("error: {id}: ")))
            .unwrap();
        assert!(
            expected
                .iter()
                .any(|id| said.contains(&format!("error: {id}: "))),
            "{name} ({signatures}): {said}"
        );
        counts[found] += 1;
    }
    assert!(counts[0] > 20 && counts[1] > 10, "{counts:?}");
}
