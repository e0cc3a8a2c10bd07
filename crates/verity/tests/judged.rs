//! OpenSSL and veritysetup as judges: keys and certificates are theirs, what is made here is what they
//! make, and what they refuse is refused.

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
use std::io::Cursor;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use verity::{Certificate, Error, Hasher, SignatureBlock, SigningKey, check, pkcs7};

fn main() -> std::process::ExitCode {
    judges::run()
}

/// A directory in which programs run.
struct Place(PathBuf);

impl Place {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("verity-judged-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// Makes a key and a certificate: `key.pem` and `NAME.crt`.
    fn with_key(name: &str) -> Self {
        let place = Self::new();
        place.run("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out key.pem");
        place.certify("key.pem", name);
        place
    }

    fn certify(&self, key: &str, name: &str) {
        self.run(&format!(
            "openssl req -x509 -new -key {key} -subj /O=test/CN={name} -days 3650 -out {name}.crt"
        ));
    }

    /// Runs a program; returns what it prints.
    fn run(&self, line: &str) -> String {
        let (works, said) = self.try_run(line);
        assert!(works, "{line}: {said}");
        said
    }

    fn try_run(&self, line: &str) -> (bool, String) {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().unwrap());
        let output = command.args(words).current_dir(&self.0).output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (
            output.status.success(),
            String::from_utf8_lossy(&said).into_owned(),
        )
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.0.join(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.join(name), bytes).unwrap();
    }

    fn key(&self, name: &str, passphrase: Option<&str>) -> Result<SigningKey, Error> {
        SigningKey::parse(&self.read(name), name, passphrase)
    }

    fn certificates(&self, name: &str) -> Vec<Certificate> {
        Certificate::parse_all(&self.read(name), name).unwrap()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const ROOT: [u8; 32] = [0x5a; 32];

#[test(program("openssl"))]
fn keys_are_read_as_openssl_writes_them() {
    let place = Place::with_key("one");
    let [certificate] = &place.certificates("one.crt")[..] else {
        panic!("one certificate");
    };
    for (name, made_by) in [
        (
            "pkcs1.pem",
            "openssl rsa -in key.pem -traditional -out pkcs1.pem",
        ),
        (
            "default.pem",
            "openssl pkcs8 -topk8 -in key.pem -passout pass:word -out default.pem",
        ),
        (
            "scrypt.pem",
            "openssl pkcs8 -topk8 -scrypt -in key.pem -passout pass:word -out scrypt.pem",
        ),
        (
            // As `openssl req` of OpenSSL 3.0 protects keys.
            "des3.pem",
            "openssl pkcs8 -topk8 -v2 des-ede3-cbc -in key.pem -passout pass:word -out des3.pem",
        ),
        (
            "aes128.pem",
            "openssl pkcs8 -topk8 -v2 aes-128-cbc -v2prf hmacWithSHA512 -in key.pem -passout pass:word -out aes128.pem",
        ),
    ] {
        place.run(made_by);
        let is_protected = name != "pkcs1.pem";
        match place.key(name, None) {
            Ok(key) => assert!(!is_protected && key.is_of(certificate), "{name}"),
            Err(error) => {
                assert_eq!(
                    error.to_string(),
                    format!("{name} is protected by a passphrase")
                );
                assert!(is_protected, "{name}");
            }
        }
        assert!(
            place.key(name, Some("word")).unwrap().is_of(certificate),
            "{name}"
        );
        if is_protected {
            let failed = place.key(name, Some("words")).err().unwrap().to_string();
            assert_eq!(failed, format!("the passphrase does not open {name}"));
        }
    }
    for (made_by, expected) in [
        (
            "openssl rsa -in key.pem -traditional -aes256 -passout pass:word -out x",
            "x: the key is protected in an old way; write it in the new one: openssl pkcs8 -topk8",
        ),
        (
            "openssl pkey -in key.pem -pubout -out x",
            "x: it has no secret key in PEM",
        ),
        (
            "openssl ecparam -name prime256v1 -genkey -noout -out x",
            "x: it has \"EC PRIVATE KEY\"; Linux checks images with RSA alone",
        ),
        (
            "openssl genpkey -algorithm ed25519 -out x",
            "x: its key is not one of RSA: ",
        ),
    ] {
        place.run(made_by);
        let failed = place.key("x", Some("word")).err().unwrap().to_string();
        assert!(failed.starts_with(expected), "{failed}");
    }
    let with_text = [
        b"Bag Attributes\n".to_vec(),
        place.read("one.crt"),
        place.read("key.pem"),
    ];
    place.write("both", &with_text.concat());
    assert!(place.key("both", None).unwrap().is_of(certificate));
    assert_eq!(
        place.certificates("both")[0].fingerprint(),
        certificate.fingerprint()
    );
}

#[test(program("openssl"))]
fn certificates_are_read_as_openssl_writes_them() {
    let place = Place::with_key("one");
    place.run("openssl x509 -in one.crt -outform DER -out one.der");
    let [certificate] = &place.certificates("one.der")[..] else {
        panic!("one certificate");
    };
    let said = place.run("openssl x509 -in one.crt -noout -fingerprint -sha256");
    let print = said
        .trim()
        .rsplit('=')
        .next()
        .unwrap()
        .replace(':', "")
        .to_lowercase();
    let own = certificate.fingerprint();
    assert_eq!(print, verity::signed_text(&own));
    place.certify("key.pem", "two");
    place.write(
        "chain",
        &[place.read("one.crt"), place.read("two.crt")].concat(),
    );
    assert_eq!(place.certificates("chain").len(), 2);
    place.run("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:1024 -out short.pem");
    place.certify("short.pem", "short");
    for bits in ["512", "8192"] {
        place.run(&format!(
            "openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:{bits} -out {bits}.pem"
        ));
        place.certify(&format!("{bits}.pem"), bits);
    }
    place.run("openssl genpkey -algorithm ed25519 -out other.pem");
    place.certify("other.pem", "other");
    place.write("none", b"");
    place.write("cut", &place.read("one.der")[..200]);
    for (name, expected) in [
        (
            "short.crt",
            "the certificate's key has 1024 bits, too few to be safe: RSA of 2048 to 4096 bits is taken",
        ),
        (
            "512.crt",
            "the certificate's key has 512 bits, too few to be safe: RSA of 2048 to 4096 bits is taken",
        ),
        (
            "8192.crt",
            "the certificate's key has 8192 bits, more than Linux reads: RSA of 2048 to 4096 bits is taken",
        ),
        (
            "other.crt",
            "the certificate's key is not one of RSA, but of the kind 1.3.101.112; Linux checks images with RSA alone",
        ),
        ("none", "it has no certificate"),
        ("key.pem", "it has no certificate"),
        ("cut", "the certificate is damaged: "),
    ] {
        let failed = Certificate::parse_all(&place.read(name), name)
            .unwrap_err()
            .to_string();
        assert!(
            failed.starts_with(&format!("{name}: {expected}")),
            "{failed}"
        );
    }
}

#[test(program("openssl"))]
fn signatures_are_those_of_openssl() {
    let place = Place::with_key("one");
    let certificates = place.certificates("one.crt");
    let key = place.key("key.pem", None).unwrap();
    let block = SignatureBlock::sign(ROOT, &key, &certificates[0]).unwrap();
    let text = verity::signed_text(&ROOT);
    place.write("text", text.as_bytes());
    place.write("ours.p7s", &block.signature);
    place.run("openssl smime -sign -binary -noattr -md sha256 -signer one.crt -inkey key.pem -in text -outform DER -out theirs.p7s");
    assert_eq!(block.signature, place.read("theirs.p7s"));
    place.run("openssl smime -verify -binary -inform DER -in ours.p7s -content text -certfile one.crt -noverify -out out");
    // Who signs for somebody else gives the numbers alone.
    place.run("openssl dgst -sha256 -sign key.pem -out raw text");
    let joined = SignatureBlock::join(ROOT, &place.read("raw"), &certificates[0]).unwrap();
    assert_eq!(joined, block);
    assert_eq!(
        block.verify(&certificates).unwrap().to_string(),
        "CN=one,O=test"
    );

    let line = "openssl smime -sign -binary -md sha256 -signer one.crt -inkey key.pem -in text -outform DER -out x.p7s";
    for (options, expected) in [
        ("-noattr", None),
        (
            "",
            Some("the signature has attributes, which Linux does not take"),
        ),
        (
            "-noattr -md sha512",
            Some("the signature is not signed data of version 1 with SHA-256"),
        ),
        (
            "-noattr -nodetach",
            Some("the signature has more in it than a signature"),
        ),
        (
            "-noattr -signer two.crt -inkey two.pem",
            Some("the signature has 2 signers"),
        ),
        (
            "-noattr -certfile two.crt",
            Some("the signature has a certificate in it that is not among the given ones"),
        ),
    ] {
        if options.contains("two") && !place.0.join("two.pem").exists() {
            place.run("openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out two.pem");
            place.certify("two.pem", "two");
        }
        place.run(&format!("{line} {options}"));
        let found = pkcs7::verify(&place.read("x.p7s"), text.as_bytes(), &certificates);
        let found = found.err().map(|error| error.to_string());
        assert_eq!(found.as_deref(), expected, "{options}");
    }
    // Another certificate of the same key has another number.
    place.certify("key.pem", "three");
    let failed = block
        .verify(&place.certificates("three.crt"))
        .unwrap_err()
        .to_string();
    assert!(
        failed.starts_with("the signature is by a certificate of CN=one,O=test, number "),
        "{failed}"
    );
    assert_eq!(
        pkcs7::signer(&block.signature).unwrap().split(',').next(),
        Some("CN=one")
    );
    let failed = SignatureBlock::sign(ROOT, &key, &place.certificates("two.crt")[0]).unwrap_err();
    assert_eq!(
        failed.to_string(),
        "the signature is not by the key of the certificate CN=two,O=test, or not of this root hash"
    );
    let other = SignatureBlock {
        root: [1; 32],
        ..block
    };
    assert_eq!(
        other.verify(&certificates).unwrap_err().to_string(),
        "the signature does not fit the root hash and the certificate CN=one,O=test"
    );
}

#[test(program("openssl"))]
fn each_changed_byte_of_a_signature_is_found() {
    let place = Place::with_key("one");
    let certificates = place.certificates("one.crt");
    let key = place.key("key.pem", None).unwrap();
    let block = SignatureBlock::sign(ROOT, &key, &certificates[0]).unwrap();
    let mut number = 1_u64;
    for at in 0..block.signature.len() {
        number = number
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        for mask in [1, 0x20, 0x80, (number >> 56) as u8 | 2] {
            let mut changed = block.clone();
            changed.signature[at] ^= mask;
            changed.verify(&certificates).unwrap_err();
        }
    }
    let bytes = block.to_bytes().unwrap();
    for at in (0..bytes.len()).filter(|at| *at < 1200 || at % 41 == 0) {
        for mask in [1, 0x20, 0x80] {
            let mut changed = bytes.clone();
            changed[at] ^= mask;
            let good = SignatureBlock::parse(&changed)
                .ok()
                .flatten()
                .is_some_and(|block| block.root == ROOT && block.verify(&certificates).is_ok());
            assert!(!good, "{at} {mask}");
        }
    }
    place.run("openssl smime -sign -binary -noattr -md sha256 -signer one.crt -inkey key.pem -in one.crt -outform DER -out x.p7s");
    let (theirs, content) = (place.read("x.p7s"), place.read("one.crt"));
    pkcs7::verify(&theirs, &content, &certificates).unwrap();
    for at in 0..theirs.len() {
        let mut changed = theirs.clone();
        changed[at] ^= 1 << (at % 8);
        pkcs7::verify(&changed, &content, &certificates).unwrap_err();
    }
}

#[test(program("veritysetup"))]
fn trees_are_those_of_veritysetup() {
    let place = Place::new();
    for blocks in [1, 2, 127, 128, 129, 130, 128 * 128 + 3] {
        let data: Vec<_> = (0..blocks * 4096_usize)
            .map(|n| (n / 911 * 7) as u8)
            .collect();
        let mut hasher = Hasher::new([0xa5; 32]);
        data.chunks(100_001).for_each(|bytes| hasher.update(bytes));
        let mut tree = hasher.finish().unwrap();
        let mut ours = Vec::new();
        tree.write([0x11; 16], &mut ours).unwrap();
        place.write("data", &data);
        let _ = fs::remove_file(place.0.join("hash"));
        let (salt, uuid) = ("a5".repeat(32), "11111111-1111-1111-1111-111111111111");
        let said = place.run(&format!(
            "veritysetup format --salt={salt} --uuid={uuid} data hash"
        ));
        let mut theirs = place.read("hash");
        theirs.resize(theirs.len().next_multiple_of(4096), 0);
        assert!(theirs == ours, "{blocks}");
        let root = verity::signed_text(&tree.root());
        assert!(said.contains(&root), "{blocks}: {said}");
        place.write("ours", &ours);
        place.run(&format!("veritysetup verify data ours {root}"));
    }
}

#[test(program("veritysetup"))]
fn trees_of_other_shapes_are_read() {
    let place = Place::new();
    let data: Vec<_> = (0..77 * 4096_usize).map(|n| (n / 911 * 7) as u8).collect();
    place.write("data", &data);
    for options in [
        "--salt=-",
        "--salt=ab",
        "--data-block-size=512",
        "--hash-block-size=512",
        "--data-block-size=1024 --hash-block-size=2048",
        "--data-blocks=70",
    ] {
        let _ = fs::remove_file(place.0.join("hash"));
        let said = place.run(&format!("veritysetup format {options} data hash"));
        let mut hashes = place.read("hash");
        hashes.resize(hashes.len().next_multiple_of(4096), 0);
        let found = check(&mut Cursor::new(&data), &mut Cursor::new(&hashes)).unwrap();
        let root = verity::signed_text(&found.root);
        assert!(said.contains(&root), "{options}: {said}");
        let last = hashes.iter().rposition(|byte| *byte != 0).unwrap();
        hashes[last] ^= 1;
        check(&mut Cursor::new(&data), &mut Cursor::new(&hashes)).unwrap_err();
    }
    for (options, expected) in [
        (
            "--format=0",
            "the hash tree is of version 1 and kind 0; those of 1 and 1 are read",
        ),
        (
            "--hash=sha512",
            "the hash tree is of \"sha512\"; that of sha256 is read",
        ),
    ] {
        let _ = fs::remove_file(place.0.join("hash"));
        place.run(&format!("veritysetup format {options} data hash"));
        let hashes = place.read("hash");
        let failed = check(&mut Cursor::new(&data), &mut Cursor::new(&hashes)).unwrap_err();
        assert_eq!(failed.to_string(), expected);
    }
}
