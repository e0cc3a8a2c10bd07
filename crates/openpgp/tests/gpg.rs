//! gpg as judge: what it signs is good here, what is signed here is good for it, and what it
//! refuses is refused.

#![allow(
    clippy::disallowed_methods,
    reason = "a test reads what it made itself"
)]
#![expect(clippy::too_many_lines, reason = "a test is a table")]
#![expect(
    clippy::unwrap_used,
    reason = "outside of its #[test] functions, too, a test may fail by a panic"
)]

#[macro_use]
extern crate judges;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use judges::{Need, programs};
use openpgp::{Error, Keyring, SigningKey};

const GPG: Need = programs!("gpg", "gpgconf");
const GPGV: Need = programs!("gpg", "gpgconf", "gpgv");

const DATA: &[u8] = b"what is signed\r\nas it is \n";
/// When the keys of these tests are made: 2024-01-01.
const MADE: u64 = 1_704_067_200;
const DAY: u64 = 86_400;

/// A gpg with a home of its own.
struct Gpg {
    home: PathBuf,
}

impl Gpg {
    fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        // Short, since the path of the agent's socket may have 107 bytes at most.
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let home = std::env::temp_dir().join(format!("opgp-{}-{number}", std::process::id()));
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        Self { home }
    }

    fn try_run(&self, time: u64, arguments: &[&str]) -> Output {
        Command::new("gpg")
            .args(["--batch", "--quiet", "--no-tty", "--yes"])
            .args(["--pinentry-mode", "loopback", "--passphrase", ""])
            // The mark stops the clock; without it, a slow machine signs a second later.
            .arg(format!("--faked-system-time={time}!"))
            .arg("--homedir")
            .arg(&self.home)
            .args(arguments)
            .output()
            .unwrap()
    }

    fn run(&self, time: u64, arguments: &[&str]) -> Vec<u8> {
        let output = self.try_run(time, arguments);
        let text = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {text}");
        output.stdout
    }

    /// Makes a key without a passphrase and returns its fingerprint.
    fn key(&self, name: &str, algorithm: &str, usage: &str, expire: &str) -> String {
        self.run(MADE, &["--quick-gen-key", name, algorithm, usage, expire]);
        self.fingerprint(name)
    }

    fn fingerprint(&self, name: &str) -> String {
        let listed = self.run(MADE, &["--with-colons", "--list-keys", name]);
        let listed = String::from_utf8(listed).unwrap();
        let line = listed.lines().find(|line| line.starts_with("fpr:"));
        line.unwrap().split(':').nth(9).unwrap().to_owned()
    }

    fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.home.join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    }

    fn sign(&self, time: u64, options: &[&str]) -> Vec<u8> {
        let data = self.file("data", DATA);
        let arguments = [options, &["--output", "-", "--detach-sign", &data]].concat();
        self.run(time, &arguments)
    }

    fn public(&self) -> Keyring {
        Keyring::parse(&self.run(MADE, &["--export"]), "keyring").unwrap()
    }

    /// Says whether gpg finds the signature over [`DATA`] good, by the keys of a binary keyring
    /// alone, called as systemd calls it.
    fn accepts(&self, keyring: &[u8], signature: &[u8]) -> bool {
        let keyring = self.file("import-pubring.gpg", keyring);
        let signature = self.file("signature", signature);
        let data = self.file("data", DATA);
        let home = self.home.join("verifier");
        fs::create_dir_all(&home).unwrap();
        Command::new("gpg")
            .args([
                "--no-options",
                "--no-default-keyring",
                "--no-auto-key-locate",
            ])
            .args(["--no-auto-check-trustdb", "--batch", "--trust-model=always"])
            .arg(format!("--homedir={}", home.display()))
            .arg(format!("--keyring={keyring}"))
            .args(["--verify", &signature, &data])
            .output()
            .unwrap()
            .status
            .success()
    }

    /// Says whether gpgv finds the signature over [`DATA`] good, by the keys of a binary keyring.
    fn verifies(&self, keyring: &[u8], signature: &[u8]) -> bool {
        let keyring = self.file("trusted.gpg", keyring);
        let signature = self.file("signature", signature);
        let data = self.file("data", DATA);
        let mut gpgv = Command::new("gpgv");
        gpgv.arg("--homedir").arg(&self.home);
        gpgv.args(["--keyring", &keyring, &signature, &data]);
        gpgv.output().unwrap().status.success()
    }
}

impl Drop for Gpg {
    fn drop(&mut self) {
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(&self.home)
            .args(["--kill", "all"])
            .output();
        let _ = fs::remove_dir_all(&self.home);
    }
}

fn verify(keyring: &Keyring, signature: &[u8]) -> Result<String, Error> {
    let verified = keyring.verify_detached(DATA, signature, "signature", MADE + DAY)?;
    Ok(verified.signer)
}

#[test(GPG)]
fn every_algorithm_both_ways() {
    let gpg = Gpg::new();
    for algorithm in [
        "ed25519",
        "rsa2048",
        "rsa4096",
        "nistp256",
        "nistp384",
        "nistp521",
        "secp256k1",
        "dsa2048",
    ] {
        let print = gpg.key(algorithm, algorithm, "sign", "never");
        let public = gpg.run(MADE, &["--export", "--armor", &print]);
        let keyring = Keyring::parse(&public, "keyring").unwrap();

        for armor in ["--no-armor", "--armor"] {
            let theirs = gpg.sign(MADE + 5, &[armor, "--local-user", &print]);
            let found = keyring
                .verify_detached(DATA, &theirs, "signature", 0)
                .unwrap();
            assert_eq!((&found.signer, &found.fingerprint), (&print, &print));
            assert_eq!(found.user_id.as_deref(), Some(algorithm));
            assert_eq!(found.created, MADE + 5);
            for other in [&b""[..], b"what is signed\nas it is \n", &DATA[1..]] {
                let error = keyring
                    .verify_detached(other, &theirs, "signature", 0)
                    .unwrap_err();
                assert_eq!(error, Error::BadSignature { key: print.clone() });
            }
        }

        let secret = gpg.run(MADE, &["--export-secret-keys", &print]);
        let key = SigningKey::parse(&secret, "key", None, MADE).unwrap();
        assert_eq!(key.fingerprint(), print);
        let ours = key.sign(DATA, MADE + DAY).unwrap();
        assert_eq!(ours, key.sign(DATA, MADE + DAY).unwrap(), "{algorithm}");
        assert_ne!(ours, key.sign(DATA, MADE + DAY + 1).unwrap());
        assert!(gpg.accepts(&key.public().to_binary(), &ours), "{algorithm}");
        assert!(verify(&key.public(), &ours).is_ok());
        assert_eq!(key.public().keys(), keyring.keys());
    }
}

#[test(GPG)]
fn subkeys() {
    let gpg = Gpg::new();
    let primary = gpg.key("subkeys", "ed25519", "cert", "never");
    gpg.run(
        MADE + 1,
        &["--quick-add-key", &primary, "rsa2048", "sign", "2d"],
    );
    gpg.run(
        MADE + 2,
        &["--quick-add-key", &primary, "ed25519", "sign", "never"],
    );
    gpg.run(
        MADE + 3,
        &["--quick-add-key", &primary, "cv25519", "encr", "never"],
    );
    let keyring = gpg.public();
    let theirs = gpg.sign(MADE + 9, &[]);
    let found = keyring
        .verify_detached(DATA, &theirs, "signature", 0)
        .unwrap();
    assert_eq!(found.fingerprint, primary);
    assert_ne!(found.signer, primary);

    // With the primary key's secret and without: it is often kept elsewhere.
    for export in ["--export-secret-keys", "--export-secret-subkeys"] {
        let secret = gpg.run(MADE + 9, &[export, &primary]);
        let key = SigningKey::parse(&secret, "key", None, MADE + 9).unwrap();
        let ours = key.sign(DATA, MADE + 9).unwrap();
        assert_eq!(
            verify(&keyring, &ours),
            Ok(found.signer.clone()),
            "{export}"
        );
        assert!(gpg.accepts(&key.public().to_binary(), &ours), "{export}");
    }
}

#[test(GPG)]
fn passphrases() {
    let gpg = Gpg::new();
    let home = gpg.home.to_str().unwrap();
    let arguments = [
        "--batch",
        "--quiet",
        "--homedir",
        home,
        "--pinentry-mode",
        "loopback",
    ];
    let run = |more: &[&str]| {
        let time = format!("--faked-system-time={MADE}!");
        let mut command = Command::new("gpg");
        command
            .args(arguments)
            .arg(time)
            .args(["--passphrase", "säcret 1"]);
        let output = command.args(more).output().unwrap();
        assert!(output.status.success());
        output.stdout
    };
    run(&["--quick-gen-key", "locked", "ed25519", "sign", "never"]);
    let secret = run(&["--armor", "--export-secret-keys"]);
    let open = |passphrase| SigningKey::parse(&secret, "the key", passphrase, MADE);
    let origin = "the key".to_owned();
    assert_eq!(
        open(None).unwrap_err(),
        Error::PassphraseNeeded {
            origin: origin.clone()
        }
    );
    assert_eq!(
        open(Some("secret 1")).unwrap_err(),
        Error::WrongPassphrase { origin }
    );
    let key = open(Some("säcret 1")).unwrap();
    let shown = format!("{key:?}");
    assert_eq!(shown, format!("SigningKey({})", key.fingerprint()));
    let ours = key.sign(DATA, MADE).unwrap();
    assert!(gpg.accepts(&key.public().to_binary(), &ours));
}

#[test(GPG)]
fn what_is_refused() {
    let gpg = Gpg::new();
    let print = gpg.key("good", "ed25519", "sign", "never");
    let keyring = gpg.public();
    let user = ["--local-user", &print];
    let options = |more: &[&'static str]| [&user[..], more].concat();

    let weak = gpg.sign(MADE, &options(&["--digest-algo", "SHA1"]));
    let error = verify(&keyring, &weak).unwrap_err();
    assert!(
        matches!(&error, Error::WeakHash { hash, .. } if hash == "SHA1"),
        "{error}"
    );

    let text = gpg.sign(MADE, &options(&["--textmode"]));
    let error = verify(&keyring, &text).unwrap_err();
    assert!(matches!(error, Error::Unacceptable { .. }), "{error}");

    let short = gpg.sign(MADE, &options(&["--default-sig-expire", "2d"]));
    assert!(
        keyring
            .verify_detached(DATA, &short, "", MADE + DAY)
            .is_ok()
    );
    let error = keyring
        .verify_detached(DATA, &short, "", MADE + 3 * DAY)
        .unwrap_err();
    let at = MADE + 2 * DAY;
    assert_eq!(
        error,
        Error::SignatureExpired {
            key: print.clone(),
            at
        }
    );

    let notation = ["--sig-notation", "!a@example.com=b"];
    let error = verify(&keyring, &gpg.sign(MADE, &options(&notation))).unwrap_err();
    assert!(matches!(error, Error::Unacceptable { .. }), "{error}");
    let harmless = ["--sig-notation", "a@example.com=b"];
    assert!(verify(&keyring, &gpg.sign(MADE, &options(&harmless))).is_ok());

    let other = gpg.key("other", "ed25519", "sign", "never");
    let by_other = gpg.sign(MADE, &["--local-user", &other]);
    assert_eq!(
        verify(&keyring, &by_other).unwrap_err(),
        Error::UnknownKey {
            keys: vec![other.clone()]
        }
    );
    gpg.key("short", "rsa1024", "sign", "never");
    let by_short = gpg.sign(MADE, &["--local-user", "=short"]);
    let error = verify(&gpg.public(), &by_short).unwrap_err();
    assert!(
        matches!(&error, Error::UnusableKey { reason, .. } if reason.contains("1024")),
        "{error}"
    );
}

#[test(GPG)]
fn keys_past_their_time() {
    let gpg = Gpg::new();
    let print = gpg.key("brief", "ed25519", "sign", "2d");
    let before = gpg.sign(MADE + DAY, &[]);
    let keyring = gpg.public();
    // The signature is as old as the key allowed, whatever day it is today.
    assert!(keyring.verify_detached(DATA, &before, "", u64::MAX).is_ok());
    assert_eq!(
        keyring.keys()[0].expiry_date().as_deref(),
        Some("2024-01-03")
    );

    let secret = gpg.run(MADE, &["--export-secret-keys"]);
    let key = SigningKey::parse(&secret, "key", None, MADE).unwrap();
    for time in [MADE - 1, MADE + 2 * DAY] {
        let error = key.sign(DATA, time).unwrap_err();
        assert!(
            matches!(error, Error::NoSigningKey { .. }),
            "{time}: {error}"
        );
        assert!(SigningKey::parse(&secret, "key", None, time).is_err());
    }

    // The owner gives it more time, and the newest word counts.
    gpg.run(MADE + DAY + 9, &["--quick-set-expire", &print, "10d"]);
    let later = gpg.sign(MADE + 5 * DAY, &[]);
    let error = keyring.verify_detached(DATA, &later, "", 0).unwrap_err();
    let (at, signed) = (MADE + 2 * DAY, MADE + 5 * DAY);
    assert_eq!(
        error,
        Error::KeyExpired {
            key: print.clone(),
            at,
            signed
        }
    );
    assert!(gpg.public().verify_detached(DATA, &later, "", 0).is_ok());
    let mut both = keyring.clone();
    both.extend(gpg.public());
    assert_eq!(both.keys().len(), 1);
    assert!(both.verify_detached(DATA, &later, "", 0).is_ok());
}

#[test(GPG)]
fn revoked_keys() {
    let gpg = Gpg::new();
    for (reason, is_hard) in [("0", true), ("1", true), ("2", false), ("3", false)] {
        let name = format!("revoked for {reason}");
        let print = gpg.key(&name, "ed25519", "sign", "never");
        let early = gpg.sign(MADE + DAY, &["--local-user", &print]);
        let late = gpg.sign(MADE + 4 * DAY, &["--local-user", &print]);
        let fresh = Keyring::parse(&gpg.run(MADE, &["--export", &print]), "").unwrap();
        let revocation = revocation(&gpg, &print, reason, MADE + 2 * DAY);
        let file = gpg.file("revocation", &revocation);
        gpg.run(MADE + 2 * DAY, &["--import", &file]);
        let mut keyring = Keyring::parse(&gpg.run(MADE, &["--export", &print]), "").unwrap();
        // A copy that does not know yet changes nothing.
        keyring.extend(fresh);
        let revoked = || Err(Error::KeyRevoked { key: print.clone() });
        assert_eq!(verify(&keyring, &late), revoked(), "{reason}");
        let expected = if is_hard {
            revoked()
        } else {
            Ok(print.clone())
        };
        assert_eq!(verify(&keyring, &early), expected, "{reason}");
    }
}

/// Returns where the first public subkey of an export of gpg begins.
fn subkey_start(export: &[u8]) -> usize {
    let mut at = 0;
    loop {
        let header = export[at];
        // gpg writes the old form of headers for packets of these lengths.
        let (tag, length) = (
            header >> 2 & 15,
            match header & 3 {
                0 => 2 + usize::from(export[at + 1]),
                1 => 3 + usize::from(u16::from_be_bytes([export[at + 1], export[at + 2]])),
                _ => panic!("a packet at {at} has the header {header:#x}"),
            },
        );
        if tag == 14 {
            return at;
        }
        at += length;
    }
}

#[test(GPG)]
fn a_revoked_subkey_that_is_listed_twice() {
    let gpg = Gpg::new();
    let primary = gpg.key("twice", "ed25519", "cert", "never");
    gpg.run(
        MADE,
        &["--quick-add-key", &primary, "ed25519", "sign", "never"],
    );
    let signature = gpg.sign(MADE + DAY, &["--local-user", &primary]);
    let fresh = gpg.run(MADE, &["--export", &primary]);
    let answers = gpg.file("answers", b"key 1\nrevkey\ny\n0\n\ny\nsave\n");
    let edited = Command::new("gpg")
        .args([
            "--no-tty",
            "--quiet",
            "--command-fd",
            "0",
            "--status-fd",
            "2",
        ])
        .args(["--pinentry-mode", "loopback", "--passphrase", ""])
        .arg(format!("--faked-system-time={}!", MADE + 2 * DAY))
        .arg("--homedir")
        .arg(&gpg.home)
        .args(["--edit-key", &primary])
        .stdin(fs::File::open(Path::new(&answers)).unwrap())
        .output()
        .unwrap();
    assert!(edited.status.success(), "{edited:?}");
    let revoked = gpg.run(MADE, &["--export", &primary]);
    let both = |one: &[u8], other: &[u8]| [one, &other[subkey_start(other)..]].concat();
    let of = |bytes: &[u8]| Keyring::parse(bytes, "keyring").unwrap();
    assert!(verify(&of(&fresh), &signature).is_ok());
    for bytes in [
        revoked.clone(),
        both(&fresh, &revoked),
        both(&revoked, &fresh),
    ] {
        let found = verify(&of(&bytes), &signature);
        assert!(matches!(found, Err(Error::KeyRevoked { .. })), "{found:?}");
    }
}

/// Has gpg make a revocation, which it does in a conversation only.
fn revocation(gpg: &Gpg, print: &str, reason: &str, time: u64) -> Vec<u8> {
    let answers = gpg.file("answers", format!("y\n{reason}\n\ny\n").as_bytes());
    let output = Command::new("gpg")
        .args([
            "--no-tty",
            "--quiet",
            "--command-fd",
            "0",
            "--pinentry-mode",
            "loopback",
        ])
        .args(["--passphrase", "", "--status-fd", "2", "--output", "-"])
        .arg(format!("--faked-system-time={time}!"))
        .arg("--homedir")
        .arg(&gpg.home)
        .args(["--gen-revoke", print])
        .stdin(fs::File::open(Path::new(&answers)).unwrap())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}

#[test(GPG)]
fn keyrings() {
    let gpg = Gpg::new();
    let first = gpg.key("first", "ed25519", "sign", "never");
    let second = gpg.key("second", "rsa2048", "sign", "never");
    let armored = |print: &str| gpg.run(MADE, &["--armor", "--export", print]);
    let text = [
        b"Keys of ours:\r\n",
        &armored(&first)[..],
        b"\n",
        &armored(&second),
    ]
    .concat();
    let keyring = Keyring::parse(&text, "keyring").unwrap();
    let prints: Vec<_> = keyring
        .keys()
        .into_iter()
        .map(|key| key.fingerprint)
        .collect();
    assert_eq!(prints, [first, second]);
    // What comes out is what gpg exports, byte for byte.
    assert_eq!(keyring.to_binary(), gpg.run(MADE, &["--export"]));

    let secret = gpg.run(MADE, &["--armor", "--export-secret-keys"]);
    assert_eq!(
        Keyring::parse(&secret, "secret.asc").unwrap_err(),
        Error::SecretKey {
            origin: "secret.asc".to_owned()
        }
    );
    let error = SigningKey::parse(&secret, "secret.asc", None, MADE).unwrap_err();
    assert!(error.to_string().contains("several keys"), "{error}");
    let error = SigningKey::parse(&text, "public.asc", None, MADE).unwrap_err();
    assert!(matches!(error, Error::NoSigningKey { .. }), "{error}");
}

/// Returns a signature's packet with another subpacket in its unsigned area, after what is there.
fn with_unsigned(packet: &[u8], subpacket: &[u8]) -> Vec<u8> {
    let [header, length, body @ ..] = packet else {
        panic!("no packet")
    };
    assert_eq!((*header, usize::from(*length)), (0x88, body.len()));
    let number = |at: usize| usize::from(u16::from_be_bytes([body[at], body[at + 1]]));
    let area = 6 + number(4);
    let end = area + 2 + number(area);
    let unsigned = [&body[area + 2..end], subpacket].concat();
    let length = u16::try_from(unsigned.len()).unwrap().to_be_bytes();
    let body = [&body[..area], &length, &unsigned, &body[end..]].concat();
    [&[0x88, u8::try_from(body.len()).unwrap()], &body[..]].concat()
}

/// What gpgv refuses is refused; `ours` says what is accepted here.
#[test(GPGV)]
fn nothing_is_accepted_that_gpgv_refuses() {
    let gpg = Gpg::new();
    let print = gpg.key("good", "ed25519", "sign", "never");
    let public = gpg.run(MADE, &["--export", &print]);
    let keyring = Keyring::parse(&public, "keyring").unwrap();
    let good = gpg.sign(MADE, &["--local-user", &print]);
    let again = gpg.sign(MADE + 1, &["--local-user", &print]);
    gpg.key("other", "ed25519", "sign", "never");
    let other = gpg.sign(MADE, &["--local-user", "=other"]);
    let weak = gpg.sign(MADE, &["--local-user", &print, "--digest-algo", "SHA1"]);
    let mut bad = good.clone();
    *bad.last_mut().unwrap() ^= 1;

    let armor = gpg.sign(MADE, &["--local-user", &print, "--armor"]);
    let armor = String::from_utf8(armor).unwrap();
    let sum = armor.lines().find(|line| line.starts_with('=')).unwrap();
    let (begin, end) = (
        "-----BEGIN PGP SIGNATURE-----",
        "-----END PGP SIGNATURE-----",
    );
    let replaced = |from: &str, to: &str| {
        let changed = armor.replace(from, to);
        assert_ne!(changed, armor, "{from:?}");
        changed.into_bytes()
    };
    let both = |one: &[u8], two: &[u8]| [one, two].concat();
    let unsigned = |subpacket: &[u8]| with_unsigned(&good, subpacket);
    let wrong_print = [&[22, 33, 4][..], &[7; 20]].concat();
    let mut cases = vec![
        ("a good one", good.clone(), true),
        ("two good ones", both(&good, &again), true),
        ("a bad one first", both(&bad, &good), false),
        ("a bad one last", both(&good, &bad), false),
        ("another key's first", both(&other, &good), false),
        ("another key's last", both(&good, &other), false),
        ("a weak one first", both(&weak, &good), false),
        ("a user id first", both(&[0xb4, 1, b'a'], &good), false),
        ("a user id last", both(&good, &[0xb4, 1, b'a']), false),
        ("a marker", both(&[0xca, 3, b'P', b'G', b'P'], &good), false),
        ("a private packet", both(&good, &[0xfc, 1, 0]), false),
        ("data", both(&good, &[0xcb, 6, b'b', 0, 0, 0, 0, 0]), false),
        ("a key", both(&good, &public), false),
        ("a zero", both(&good, &[0]), false),
        ("half a packet", both(&good, &[0x88, 9]), false),
        ("critical, not known", unsigned(&[2, 0x80 | 50, 0]), false),
        ("not known", unsigned(&[2, 50, 0]), true),
        (
            "a critical private one",
            unsigned(&[2, 0x80 | 100, 0]),
            false,
        ),
        (
            "another issuer",
            unsigned(&[9, 16, 1, 2, 3, 4, 5, 6, 7, 8]),
            true,
        ),
        ("another fingerprint", unsigned(&wrong_print), true),
        ("another time", unsigned(&[5, 2, 0, 0, 0, 1]), true),
        ("an unsigned end", unsigned(&[5, 3, 0, 0, 0, 1]), true),
    ];
    for (what, signature, ours) in [
        ("armor", armor.clone().into_bytes(), true),
        ("no sum", replaced(&format!("{sum}\n"), ""), true),
        ("a wrong sum", replaced(sum, "=AAAA"), false),
        ("half a sum", replaced(sum, "=AA"), false),
        ("the sum is no base64", replaced(sum, "=A*AA"), false),
        (
            "more after the sum",
            replaced(sum, &format!("{sum}\nAAAA")),
            false,
        ),
        ("another kind", replaced("SIGNATURE-", "SIGNATUREX-"), false),
        (
            "another beginning",
            replaced(begin, "-----BEGIN PGP SIGNATUREX-----"),
            false,
        ),
        (
            "another end",
            replaced(end, "-----END PGP SIGNATUREX-----"),
            false,
        ),
        (
            "more behind the beginning",
            replaced(begin, &format!("{begin}x")),
            false,
        ),
        (
            "more behind the end",
            replaced(end, &format!("{end}x")),
            false,
        ),
        (
            "blanks behind the beginning",
            replaced(begin, &format!("{begin} \t\r")),
            true,
        ),
        ("a message", replaced("SIGNATURE-", "MESSAGE-"), false),
        ("no empty line", replaced("-----\n\n", "-----\n"), false),
        (
            "a header",
            replaced("-----\n\n", "-----\nComment: x\n\n"),
            true,
        ),
        (
            "a header without a colon",
            replaced("-----\n\n", "-----\nx\n\n"),
            false,
        ),
        ("lines of another system", replaced("\n", "\r\n"), true),
        ("text before", format!("text\n{armor}").into_bytes(), true),
        ("text after", format!("{armor}text\n").into_bytes(), true),
        ("two blocks", format!("{armor}{armor}").into_bytes(), true),
        (
            "a key after",
            both(armor.as_bytes(), &gpg.run(MADE, &["--armor", "--export"])),
            false,
        ),
    ] {
        cases.push((what, signature, ours));
    }
    for (what, signature, ours) in cases {
        let found = verify(&keyring, &signature);
        assert_eq!(found.is_ok(), ours, "{what}: {found:?}");
        assert!(!ours || gpg.verifies(&public, &signature), "{what}: gpgv");
    }
    for (kind, length) in (0..=127).flat_map(|kind| [1, 2, 4, 8].map(|length| (kind, length))) {
        let critical = [&[1 + length, 0x80 | kind][..], &vec![0; length.into()]].concat();
        let signature = unsigned(&critical);
        if verify(&keyring, &signature).is_ok() {
            assert!(gpg.verifies(&public, &signature), "{kind} of {length}");
        }
    }
    // And what nobody thought of: each bit that says nothing here must say nothing there.
    for bit in 0..good.len() * 8 {
        let mut changed = good.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        if verify(&keyring, &changed).is_ok() {
            assert!(gpg.verifies(&public, &changed), "bit {bit}");
        }
    }
}

/// A key that gpgv can't use is not used: what is unsigned in its self-signature counts, too.
#[test(GPGV)]
fn self_signatures_that_gpgv_refuses() {
    let gpg = Gpg::new();
    let print = gpg.key("good", "ed25519", "sign", "never");
    let public = gpg.run(MADE, &["--export", &print]);
    let signature = gpg.sign(MADE, &["--local-user", &print]);
    // The self-signature comes last.
    let start = (0..public.len())
        .find(|at| public[*at] == 0x88 && usize::from(public[at + 1]) == public.len() - at - 2)
        .unwrap();
    let with = |subpacket: &[u8]| {
        [
            &public[..start],
            &with_unsigned(&public[start..], subpacket),
        ]
        .concat()
    };
    let own: Vec<u8> = (0..40)
        .step_by(2)
        .map(|at| u8::from_str_radix(&print[at..at + 2], 16).unwrap())
        .collect();
    let mut otherwise = public.clone();
    let id = public
        .windows(10)
        .rposition(|window| window[..2] == [9, 16] && window[2..] == own[12..])
        .unwrap();
    otherwise[id + 5] ^= 1;
    for (what, keyring, ours) in [
        ("as it is", public.clone(), true),
        ("not known", with(&[2, 50, 0]), true),
        ("critical, not known", with(&[2, 0x80 | 50, 0]), false),
        ("the id of another", otherwise, false),
        (
            "the id of another, too",
            with(&[9, 16, 1, 2, 3, 4, 5, 6, 7, 8]),
            false,
        ),
    ] {
        let read = Keyring::parse(&keyring, "keyring").unwrap();
        let found = verify(&read, &signature);
        assert_eq!(found.is_ok(), ours, "{what}: {found:?}");
        assert!(!ours || gpg.verifies(&keyring, &signature), "{what}: gpgv");
    }
}

/// Whatever is changed in a key or a signature, there is an answer and no panic; and a signature
/// is good only if what was changed is not covered by it.
#[test(GPG)]
fn mutations() {
    let gpg = Gpg::new();
    let print = gpg.key("mutated", "ed25519", "cert,sign", "never");
    gpg.run(
        MADE,
        &["--quick-add-key", &print, "rsa2048", "sign", "never"],
    );
    gpg.run(
        MADE,
        &["--quick-add-key", &print, "ed25519", "sign", "never"],
    );
    gpg.run(
        MADE,
        &["--quick-add-key", &print, "cv25519", "encr", "never"],
    );
    gpg.key("mutated too", "dsa2048", "sign", "never");
    let public = gpg.run(MADE, &["--export"]);
    let secret = gpg.run(MADE, &["--export-secret-keys", &print]);
    let signature = gpg.sign(
        MADE,
        &["--local-user", "=mutated too", "--local-user", &print],
    );
    let keyring = Keyring::parse(&public, "keyring").unwrap();
    assert!(verify(&keyring, &signature).is_ok());

    let mut random = 1_u64;
    let mut next = |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        usize::try_from(random >> 16).unwrap() % below
    };
    let mut mutate = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        for _ in 0..=next(3) {
            if bytes.is_empty() {
                break;
            }
            let (at, value) = (next(bytes.len()), u8::try_from(next(256)).unwrap());
            match next(8) {
                0 => bytes.truncate(at.max(1)),
                1 => bytes.insert(at, value),
                2 => drop(bytes.remove(at)),
                3 => bytes[at] ^= 1 << (value % 8),
                _ => bytes[at] = value,
            }
        }
        bytes
    };
    for _ in 0..300 {
        if let Ok(mutated) = Keyring::parse(&mutate(&public), "keyring") {
            let _ = (mutated.keys(), mutated.to_binary());
            let _ = verify(&mutated, &signature);
        }
        let _ = verify(&keyring, &mutate(&signature));
        if let Ok(key) = SigningKey::parse(&mutate(&secret), "key", None, MADE) {
            let _ = key.sign(DATA, MADE);
        }
    }
}

fn main() -> std::process::ExitCode {
    judges::run()
}
