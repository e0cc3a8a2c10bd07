//! Signed packages: what rpm accepts by a key is taken, and what it does not is refused.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::base::{LIBRARY, TOOLS, base, system_package};
use judges::{Need, programs};

use crate::workshop::{CORPUS, PACKAGERS, Scratch, fixture, os_release, output_of, program, text};

const FINGERPRINT: &str = "041D5F411DB434BC5D0E51E16879D6EAB0EEF13E";

const SIGNERS: Need = programs!("gpg", "rpmsign", "rpmkeys");

/// A gpg and an rpm with homes of their own.
struct Signers {
    scratch: Scratch,
}

impl Signers {
    /// Needs [`SIGNERS`].
    fn new() -> Self {
        let scratch = Scratch::new();
        let home = scratch.join("gpg");
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        let signers = Self { scratch };
        signers.gpg(&[
            "--import",
            fixture("keys/test.secret.asc").to_str().unwrap(),
        ]);
        signers
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

#[test(SIGNERS)]
fn what_rpm_accepts_is_taken() {
    let signers = Signers::new();
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

#[test(SIGNERS)]
fn what_is_not_signed_well_is_refused() {
    let signers = Signers::new();
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
#[test(SIGNERS)]
fn a_signed_package_is_changed() {
    let signers = Signers::new();
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

/// A repository of two packages, one of which is signed by the fixed key, with a signed list.
fn repository(signers: &Signers) -> PathBuf {
    let repository = signers.scratch.join("repository");
    fs::create_dir(&repository).unwrap();
    for package in [TOOLS, LIBRARY] {
        let signed = signers.signed(package, "test@example.com", &[]);
        fs::copy(signed, repository.join(package)).unwrap();
    }
    output_of(Command::new("createrepo_c").arg("--quiet").arg(&repository));
    sign_list(signers, &repository, "test@example.com");
    repository
}

fn sign_list(signers: &Signers, repository: &Path, key: &str) {
    let list = repository.join("repodata/repomd.xml");
    let options = ["--yes", "--armor", "--detach-sign", "--local-user", key];
    signers.gpg(&[&options[..], &[list.to_str().unwrap()]].concat());
}

/// Plans an image of hello-tools from a `.repo` file with these lines.
fn plan_from(signers: &Signers, root: &Path, lines: &str, more: &[&str]) -> Output {
    let file = signers.scratch.join("test.repo");
    fs::write(&file, format!("[test]\n{lines}")).unwrap();
    program()
        .env("HOME", signers.scratch.path())
        .args(["--dry-run", "--arch", "x86_64", "--repo"])
        .arg(&file)
        .arg("--base")
        .arg(root)
        .arg("hello-tools")
        .args(more)
        .output()
        .unwrap()
}

#[test(SIGNERS, PACKAGERS, program("createrepo_c"))]
fn what_a_repo_file_asks_for() {
    let signers = Signers::new();
    let root = base(&signers.scratch, &[&system_package(&signers.scratch)]);
    let repository = repository(&signers);
    let at = format!("baseurl=file://{}\n", repository.display());
    let key = fixture("keys/test.public.asc");
    let key = key.to_str().unwrap();
    let by_file = format!("{at}gpgkey=file://{key}\n");
    let both = "gpgcheck=1\nrepo_gpgcheck=1\n";
    let run = |lines: &str, more: &[&str]| plan_from(&signers, &root, lines, more);
    let said = |outcome: &Output| text(&outcome.stderr);

    // Nothing is asked for; or the user gives the key; or takes what the file names.
    for (lines, more) in [
        (at.clone(), &[][..]),
        (format!("{at}gpgcheck=0\n"), &[]),
        (format!("{at}gpgcheck=1\n"), &["--keyring", key]),
        (format!("{at}{both}"), &["--keyring", key]),
        (format!("{by_file}{both}"), &["--import-keys"]),
        (at.clone(), &["--keyring", key, "--repo-gpgcheck"]),
    ] {
        let outcome = run(&lines, more);
        assert!(
            outcome.status.success(),
            "{lines} {more:?}: {}",
            said(&outcome)
        );
        if more.contains(&"--import-keys") {
            assert!(said(&outcome).contains(FINGERPRINT), "{}", said(&outcome));
        }
    }
    // A key is needed, and those that the file names are not taken unasked.
    for lines in ["gpgcheck=1\n", "repo_gpgcheck=1\n", both] {
        let outcome = run(&format!("{by_file}{lines}"), &[]);
        assert_eq!(outcome.status.code(), Some(1), "{}", said(&outcome));
        let said = said(&outcome);
        assert!(
            said.contains("must be signed") && said.contains("--keyring FILE"),
            "{said}"
        );
        assert!(
            said.contains(&format!("--import-keys (file://{key})")),
            "{said}"
        );
    }
    // Not from a place where anyone can put another.
    let outcome = run(
        &format!("{at}gpgkey=http://localhost/key\n{both}"),
        &["--import-keys"],
    );
    assert_eq!(outcome.status.code(), Some(1));
    assert!(
        said(&outcome).contains("compare its fingerprint"),
        "{}",
        said(&outcome)
    );

    // By another key: first the packages, then the list.
    let other = signers.key("other", "ed25519");
    let by_other = ["--keyring", other.to_str().unwrap()];
    refused(
        &run(&format!("{at}gpgcheck=1\n"), &by_other),
        "untrusted-key",
        FINGERPRINT,
    );
    for more in [&by_other[..], &[&by_other[..], &["--import-keys"]].concat()] {
        let outcome = run(&format!("{at}repo_gpgcheck=1\n"), more);
        assert_eq!(outcome.status.code(), Some(1), "{}", said(&outcome));
        assert!(said(&outcome).contains("repomd.xml of test can't be trusted"));
        assert!(said(&outcome).contains(FINGERPRINT), "{}", said(&outcome));
    }

    // The list is changed, then it loses its signature.
    let list = repository.join("repodata/repomd.xml");
    let bytes = fs::read(&list).unwrap();
    fs::write(&list, [&bytes[..], b"\n"].concat()).unwrap();
    assert!(run(&at, &[]).status.success());
    let outcome = run(&format!("{at}{both}"), &["--keyring", key]);
    assert_eq!(outcome.status.code(), Some(1), "{}", said(&outcome));
    assert!(
        said(&outcome).contains("the signature is bad"),
        "{}",
        said(&outcome)
    );
    fs::write(&list, bytes).unwrap();
    fs::remove_file(repository.join("repodata/repomd.xml.asc")).unwrap();
    let outcome = run(&format!("{at}{both}"), &["--keyring", key]);
    assert_ne!(outcome.status.code(), Some(0));
    assert!(
        said(&outcome).contains("repomd.xml.asc"),
        "{}",
        said(&outcome)
    );
}

/// The same over a network: what is not to be trusted is not kept, and what is suffices offline.
#[test(SIGNERS, PACKAGERS, program("createrepo_c"))]
fn a_signed_list_from_a_server() {
    let signers = Signers::new();
    let root = base(&signers.scratch, &[&system_package(&signers.scratch)]);
    let repository = repository(&signers);
    let url = serve(repository.clone());
    let key = fixture("keys/test.public.asc");
    let key = key.to_str().unwrap();
    let lines = format!("baseurl={url}\ngpgcheck=1\nrepo_gpgcheck=1\n");
    let run = |more: &[&str]| {
        let cache = signers.scratch.join("cache");
        let cache = ["--cache-dir", cache.to_str().unwrap(), "--keyring", key];
        plan_from(&signers, &root, &lines, &[&cache[..], more].concat())
    };
    let list = repository.join("repodata/repomd.xml");
    let bytes = fs::read(&list).unwrap();
    fs::write(&list, [&bytes[..], b"\n"].concat()).unwrap();
    let outcome = run(&[]);
    assert_eq!(outcome.status.code(), Some(1), "{}", text(&outcome.stderr));
    assert!(text(&outcome.stderr).contains("the signature is bad"));
    assert_eq!(
        run(&["--offline"]).status.code(),
        Some(3),
        "nothing was kept"
    );
    fs::write(&list, bytes).unwrap();
    let outcome = run(&[]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert!(run(&["--offline"]).status.success());

    // Without signatures it is said, and only said.
    let outcome = plan_from(&signers, &root, &format!("baseurl={url}\n"), &[]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert!(
        text(&outcome.stderr).contains("unchecked-repository"),
        "{}",
        text(&outcome.stderr)
    );
}

/// Serves the files of a directory until the tests are over, and returns the URL.
fn serve(directory: PathBuf) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = BufReader::new(stream.try_clone().unwrap()).lines();
            let first = request.next().unwrap().unwrap();
            while request.next().is_some_and(|line| !line.unwrap().is_empty()) {}
            let path = first.split(' ').nth(1).unwrap();
            let (status, body) = match fs::read(directory.join(path.trim_start_matches('/'))) {
                Ok(body) => ("200 OK", body),
                Err(_) => ("404 Not Found", Vec::new()),
            };
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            // A client that has seen enough may be gone.
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    url
}

/// RPM 4.20 and 6 keep signatures in one tag, in base64; the last one here is by our key.
#[test(SIGNERS, program("base64"))]
fn signatures_as_newer_rpms_write_them() {
    let signers = Signers::new();
    signers.key("other", "ed25519");
    let bytes = fs::read(fixture("hello-sysext-1.0-1.x86_64.rpm")).unwrap();
    let starts: Vec<_> = (0..bytes.len() - 4)
        .filter(|at| bytes[*at..].starts_with(&[0x8e, 0xad, 0xe8, 1]))
        .collect();
    let number = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let header =
        &bytes[starts[1]..starts[1] + 16 + 16 * number(starts[1] + 8) + number(starts[1] + 12)];
    let file = signers.scratch.join("header");
    fs::write(&file, header).unwrap();
    let sign = |key: &str| {
        let signature = signers.scratch.join("header.sig");
        let options = ["--yes", "--detach-sign", "--local-user", key, "--output"];
        let files = [signature.to_str().unwrap(), file.to_str().unwrap()];
        signers.gpg(&[&options[..], &files].concat());
        output_of(Command::new("base64").arg("-w0").arg(signature)) + "\0"
    };
    let package = |signatures: &[String]| {
        // The lead; a signature header of one array of strings (type 8), tag 278; the rest.
        let data = signatures.concat();
        let mut rpm = bytes[..96].to_vec();
        rpm.extend([0x8e, 0xad, 0xe8, 1, 0, 0, 0, 0]);
        for value in [1, data.len(), 278, 8, 0, signatures.len()] {
            rpm.extend(u32::try_from(value).unwrap().to_be_bytes());
        }
        rpm.extend(data.bytes());
        rpm.resize(rpm.len().next_multiple_of(8), 0);
        rpm.extend(&bytes[starts[1]..]);
        let path = signers.scratch.join("newer.rpm");
        fs::write(&path, rpm).unwrap();
        path
    };
    let key = fixture("keys/test.public.asc");
    let (ours, other) = (sign("test@example.com"), sign("other"));
    let outcome = plan(&package(&[other.clone(), ours]), &[&key], &[]);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    refused(
        &plan(&package(&[other]), &[&key], &[]),
        "untrusted-key",
        "trust it with",
    );
}

/// Whatever the signatures of real packages look like, they are read, and none is by our key.
#[test(CORPUS)]
fn signatures_of_real_packages() {
    let corpus = CORPUS.path();
    let key = fixture("keys/test.public.asc");
    let table = fs::read_to_string(corpus.join("rpms.tsv")).unwrap();
    let mut counts = [0; 3];
    for line in table.lines().skip(1) {
        let columns: Vec<_> = line.split('\t').collect();
        let (name, signatures) = (columns[0], columns[7]);
        let package = corpus.join("rpms").join(name);
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
