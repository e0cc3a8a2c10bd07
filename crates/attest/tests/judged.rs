//! cosign takes what is signed here, and what it signs is taken here. Keys are OpenSSL's.

#![allow(
    clippy::disallowed_methods,
    reason = "a test reads what it made itself"
)]
#![expect(
    clippy::unwrap_used,
    reason = "outside of its #[test] functions, too, a test may fail by a panic"
)]

#[macro_use]
extern crate judges;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use attest::{Error, PROVENANCE, PublicKey, SigningKey, Statement, open, seal};
use judges::{Need, all, cached, program};
use serde_json::json;
use sha2::{Digest as _, Sha256};

const COSIGN: Need = cached("cosign");
const JUDGES: Need = all(&[COSIGN, program("openssl")]);

/// The options of `openssl genpkey` for each kind of key.
const KINDS: [(&str, &[&str]); 2] = [
    ("ed25519", &["-algorithm", "ed25519"]),
    (
        "p256",
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ),
];

fn main() -> std::process::ExitCode {
    judges::run()
}

/// A directory in which programs run.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("attest-judged-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn run(&self, program: impl AsRef<Path>, arguments: &[&str]) -> Output {
        let mut command = Command::new(program.as_ref());
        let command = command.current_dir(&self.0).args(arguments);
        command
            .env("COSIGN_PASSWORD", "")
            .env("HOME", &self.0)
            .output()
            .unwrap()
    }

    fn done(&self, program: impl AsRef<Path>, arguments: &[&str]) {
        let output = self.run(program, arguments);
        assert!(
            output.status.success(),
            "{arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap()
    }

    /// Has OpenSSL make a key; returns it.
    fn key(&self, kind: &[&str]) -> SigningKey {
        self.done("openssl", &[&["genpkey", "-out", "key.pem"], kind].concat());
        self.done(
            "openssl",
            &["pkey", "-in", "key.pem", "-pubout", "-out", "public.pem"],
        );
        SigningKey::parse(&self.read("key.pem"), "key.pem", None).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

fn cosign() -> PathBuf {
    COSIGN.path().join("usr/bin/cosign")
}

fn statement(bytes: &[u8]) -> Statement {
    let predicate = json!({
        "buildDefinition": {
            "buildType": "https://example.org/build/v1",
            "externalParameters": {},
            "internalParameters": {},
            "resolvedDependencies": [],
        },
        "runDetails": {"builder": {"id": "https://example.org/builder"}, "metadata": {}},
    });
    Statement::provenance("image.raw", &Sha256::digest(bytes).into(), predicate)
}

#[test(JUDGES)]
fn cosign_takes_what_is_signed_here() {
    for (name, kind) in KINDS {
        let place = Place::new(&format!("ours-{name}"));
        let key = place.key(kind);
        let bundle = seal(&statement(b"image"), &key).unwrap();
        assert!(
            bundle == seal(&statement(b"image"), &key).unwrap(),
            "{name}"
        );
        fs::write(place.0.join("bundle"), bundle).unwrap();
        let verify = |bytes: &[u8]| {
            fs::write(place.0.join("image.raw"), bytes).unwrap();
            place.run(
                cosign(),
                &[
                    "verify-blob-attestation",
                    "--key",
                    "public.pem",
                    "--type",
                    "slsaprovenance1",
                    "--bundle",
                    "bundle",
                    "--insecure-ignore-tlog=true",
                    "image.raw",
                ],
            )
        };
        let taken = verify(b"image");
        assert!(
            taken.status.success(),
            "{name}: {}",
            String::from_utf8_lossy(&taken.stderr)
        );
        assert!(!verify(b"imagE").status.success(), "{name}");
    }
}

#[test(JUDGES)]
fn what_cosign_signs_is_taken_here() {
    let place = Place::new("theirs");
    fs::write(place.0.join("image.raw"), b"image").unwrap();
    fs::write(
        place.0.join("predicate"),
        statement(b"image").predicate.to_string(),
    )
    .unwrap();
    place.done(cosign(), &["generate-key-pair"]);
    place.done(
        cosign(),
        &[
            "attest-blob",
            "--key",
            "cosign.key",
            "--type",
            "slsaprovenance1",
            "--predicate",
            "predicate",
            "--bundle",
            "bundle",
            "--new-bundle-format",
            "--use-signing-config=false",
            "--tlog-upload=false",
            "--yes",
            "image.raw",
        ],
    );
    let key = PublicKey::parse(&place.read("cosign.pub"), "cosign.pub").unwrap();
    let (found, by) = open(&place.read("bundle"), std::slice::from_ref(&key)).unwrap();
    assert_eq!((by, found.predicate_type.as_str()), (0, PROVENANCE));
    assert!(found.is_about(&Sha256::digest(b"image").into()));
    assert!(!found.is_about(&Sha256::digest(b"imagE").into()));
    // Its secret keys are protected in a way of its own.
    let error = SigningKey::parse(&place.read("cosign.key"), "cosign.key", None)
        .err()
        .unwrap();
    assert!(error.to_string().contains("as only cosign does"), "{error}");
}

#[test(program("openssl"))]
fn each_changed_byte_is_found() {
    for (name, kind) in KINDS {
        let place = Place::new(&format!("changed-{name}"));
        let key = place.key(kind);
        let public = PublicKey::parse(&place.read("public.pem"), "public.pem").unwrap();
        assert_eq!(public, key.public().unwrap());
        let keys = [public];
        let bundle = seal(&statement(b"image"), &key).unwrap();
        let (found, _) = open(&bundle, &keys).unwrap();
        assert_eq!(found, statement(b"image"));
        for at in 0..bundle.len() {
            let mut changed = bundle.clone();
            changed[at] ^= 1;
            // What is outside of payload and signature is not signed, and says nothing.
            if let Ok((statement, _)) = open(&changed, &keys) {
                assert_eq!(statement, found, "{name}: byte {at}");
            }
        }
        let other = Place::new(&format!("other-{name}"));
        let others = [other.key(kind).public().unwrap()];
        assert!(matches!(open(&bundle, &others), Err(Error::NotSigned)));
        assert!(matches!(open(&bundle, &[]), Err(Error::NotSigned)));
    }
}

#[test(program("openssl"))]
fn keys_that_are_protected() {
    let place = Place::new("protected");
    for (_, kind) in KINDS {
        let plain = place.key(kind).public().unwrap();
        let protect = [
            "pkcs8",
            "-topk8",
            "-in",
            "key.pem",
            "-out",
            "protected.pem",
            "-passout",
            "pass:a",
        ];
        place.done("openssl", &protect);
        let parse = |passphrase| {
            SigningKey::parse(&place.read("protected.pem"), "protected.pem", passphrase)
        };
        assert!(matches!(parse(None), Err(Error::PassphraseNeeded { .. })));
        assert!(matches!(
            parse(Some("b")),
            Err(Error::WrongPassphrase { .. })
        ));
        assert_eq!(parse(Some("a")).unwrap().public().unwrap(), plain);
    }
}

#[test(program("openssl"))]
fn keys_that_can_not_be_used() {
    let place = Place::new("unusable");
    place.done(
        "openssl",
        &["genpkey", "-algorithm", "RSA", "-out", "rsa.pem"],
    );
    let rsa = place.read("rsa.pem");
    for (bytes, problem) in [
        (&rsa[..], "k: its key is neither Ed25519 nor ECDSA P-256"),
        (b"hello", "k: it has no secret key in PEM"),
        (b"\xff", "k: it is not text, so not PEM"),
        (
            &vec![b'a'; (64 << 10) + 1],
            "k: it has more than 65536 bytes",
        ),
    ] {
        let error = SigningKey::parse(bytes, "k", None)
            .err()
            .unwrap()
            .to_string();
        assert!(error.starts_with(problem), "{error}");
    }
}
