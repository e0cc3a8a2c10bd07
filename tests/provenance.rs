//! Statements about how images were built, which cosign takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use judges::{Need, all, cached, program as judge};
use serde_json::Value;

use crate::workshop::{Scratch, fixture, names, output_of, program, sha256sum, text};

const COSIGN: Need = cached("cosign");
const OPENSSL: Need = judge("openssl");
const JUDGES: Need = all(&[COSIGN, OPENSSL]);

const IMAGE: &str = "payload-zstd-1-1.x86-64.raw";
const BUNDLE: &str = "payload-zstd-1-1.x86-64.sigstore.json";

/// Has OpenSSL make a key; returns the file of the secret one, beside which is NAME.pub.
fn key(scratch: &Scratch, name: &str, kind: &[&str]) -> PathBuf {
    let path = scratch.join(name);
    output_of(
        Command::new("openssl")
            .args(["genpkey", "-out"])
            .arg(&path)
            .args(kind),
    );
    let public = path.with_extension("pub");
    output_of(
        Command::new("openssl")
            .args(["pkey", "-pubout", "-in"])
            .arg(&path)
            .arg("-out")
            .arg(public),
    );
    path
}

fn build(scratch: &Scratch, store: &str, more: &[&str]) -> Command {
    let mut build = program();
    build
        .args(["-q", "--match", "any", "-o"])
        .arg(scratch.join(store));
    build.arg(fixture("payload-zstd-1-1.noarch.rpm")).args(more);
    build
}

/// Returns the statement in a bundle.
fn statement(bundle: &Path) -> Value {
    let bundle: Value = serde_json::from_slice(&fs::read(bundle).unwrap()).unwrap();
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    serde_json::from_slice(&BASE64_STANDARD.decode(payload).unwrap()).unwrap()
}

#[test(JUDGES)]
fn cosign_takes_the_statement_of_an_image_and_of_no_other() {
    let kinds: [&[&str]; 2] = [
        &["-algorithm", "ed25519"],
        &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
    ];
    for kind in kinds {
        let scratch = Scratch::new();
        let key = key(&scratch, "key", kind);
        output_of(build(&scratch, "store", &["--provenance"]).arg(&key));
        let (image, bundle) = (
            scratch.join("store").join(IMAGE),
            scratch.join("store").join(BUNDLE),
        );
        let verify = || {
            let mut cosign = Command::new(COSIGN.path().join("usr/bin/cosign"));
            cosign.args(["verify-blob-attestation", "--type", "slsaprovenance1"]);
            cosign
                .args(["--insecure-ignore-tlog=true", "--key"])
                .arg(key.with_extension("pub"));
            cosign
                .arg("--bundle")
                .arg(&bundle)
                .arg(&image)
                .env("HOME", scratch.path());
            cosign.output().unwrap()
        };
        let taken = verify();
        assert!(taken.status.success(), "{kind:?}: {}", text(&taken.stderr));
        let mut bytes = fs::read(&image).unwrap();
        bytes[2000] ^= 1;
        fs::write(&image, bytes).unwrap();
        assert!(!verify().status.success(), "{kind:?}");
    }
}

#[test(OPENSSL)]
fn a_statement_says_what_an_image_is_made_of_and_is_listed_with_it() {
    let scratch = Scratch::new();
    let key = key(&scratch, "key", &["-algorithm", "ed25519"]);
    let store = scratch.join("store");
    output_of(build(&scratch, "store", &["--provenance"]).arg(&key));
    let said = statement(&store.join(BUNDLE));
    assert_eq!(said["subject"][0]["name"], IMAGE);
    assert_eq!(
        said["subject"][0]["digest"]["sha256"],
        sha256sum(&store.join(IMAGE))
    );
    let definition = &said["predicate"]["buildDefinition"];
    let rpm = fixture("payload-zstd-1-1.noarch.rpm");
    let package = &definition["resolvedDependencies"][0];
    assert_eq!(package["name"], "payload-zstd-1-1.noarch");
    assert_eq!(package["digest"]["sha256"], sha256sum(&rpm));
    assert_eq!(
        package["uri"],
        "pkg:rpm/payload-zstd@1-1?arch=noarch&upstream=payload-zstd-1-1.src.rpm"
    );
    assert_eq!(
        definition["externalParameters"]["options"]["match"][0],
        "any"
    );
    assert!(
        !said.to_string().contains(scratch.path().to_str().unwrap()),
        "{said}"
    );
    let list = fs::read_to_string(store.join("SHA256SUMS")).unwrap();
    let line = format!("{}  {BUNDLE}\n", sha256sum(&store.join(BUNDLE)));
    assert!(list.contains(&line), "{list}");
    output_of(program().args(["store", "verify"]).arg(&store));

    // The same again, elsewhere and for an image that is there.
    output_of(
        build(&scratch, "elsewhere", &["--jobs", "1", "--provenance"])
            .arg(&key)
            .env("TZ", "Asia/Tokyo"),
    );
    let first = fs::read(store.join(BUNDLE)).unwrap();
    assert!(fs::read(scratch.join("elsewhere").join(BUNDLE)).unwrap() == first);
}

#[test(OPENSSL)]
fn an_image_that_is_kept_gets_a_statement_too() {
    let scratch = Scratch::new();
    let key = key(&scratch, "key", &["-algorithm", "ed25519"]);
    output_of(&mut build(&scratch, "store", &["--build-number", "auto"]));
    let bundle = scratch.join("store").join(BUNDLE);
    assert!(!bundle.exists());
    output_of(
        build(
            &scratch,
            "store",
            &["--build-number", "auto", "--provenance"],
        )
        .arg(&key),
    );
    // Again, if it was lost.
    let first = fs::read(&bundle).unwrap();
    fs::remove_file(&bundle).unwrap();
    let again = ["--build-number", "auto", "--provenance"];
    output_of(build(&scratch, "store", &again).arg(&key));
    assert!(fs::read(&bundle).unwrap() == first);
    let image = bundle.with_file_name(IMAGE);
    assert_eq!(
        statement(&bundle)["subject"][0]["digest"]["sha256"],
        sha256sum(&image)
    );
    output_of(
        program()
            .args(["store", "verify"])
            .arg(scratch.join("store")),
    );
}

#[test(OPENSSL)]
fn keys_and_images_that_statements_can_not_be_made_with() {
    let scratch = Scratch::new();
    let rsa = key(
        &scratch,
        "rsa",
        &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
    );
    let good = key(&scratch, "good", &["-algorithm", "ed25519"]);
    let public = good.with_extension("pub");
    for (key, more, code, expected) in [
        (&rsa, &[][..], 1, "neither Ed25519 nor ECDSA P-256"),
        (&public, &[], 1, "PUBLIC KEY"),
        (
            &good,
            &["--format", "ddi", "--verity", "defer"],
            2,
            "once it is signed",
        ),
    ] {
        let outcome = build(&scratch, "store", more)
            .arg("--provenance")
            .arg(key)
            .output()
            .unwrap();
        assert_eq!(outcome.status.code(), Some(code), "{more:?}");
        assert!(
            text(&outcome.stderr).contains(expected),
            "{}",
            text(&outcome.stderr)
        );
        assert!(!scratch.join("store").exists());
    }
}

#[test(OPENSSL)]
fn so_many_keys_vouch_for_an_image() {
    let scratch = Scratch::new();
    let keys = ["a", "b", "c"].map(|name| key(&scratch, name, &["-algorithm", "ed25519"]));
    output_of(build(&scratch, "store", &["--provenance"]).arg(&keys[0]));
    let store = scratch.join("store");
    let verify = |wanted: &str, by: &[usize], code: i32, said: &str| {
        let mut verify = program();
        verify.args(["store", "verify", "--attested", wanted]);
        for key in by {
            verify.arg("--attested-by");
            verify.arg(keys[*key].with_extension("pub"));
        }
        let outcome = verify.arg(&store).output().unwrap();
        let words = text(&outcome.stdout) + &text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{words}");
        assert!(words.contains(said), "{words}");
    };
    verify("1", &[0], 0, "1 finding");
    verify(
        "1",
        &[1],
        1,
        "not-attested: payload-zstd-1-1.x86-64.raw is attested by 0 of 1 keys",
    );
    verify("2", &[0, 1], 1, "is attested by 1 of 2 keys");
    verify("3", &[0, 1], 2, "can't be met by 2 different keys");
    verify("2", &[0, 0], 2, "can't be met by 1 different keys");

    // Somebody else builds it again.
    let download = scratch.join("download");
    fs::create_dir(&download).unwrap();
    for file in [IMAGE, "payload-zstd-1-1.x86-64.manifest.gz"] {
        fs::copy(store.join(file), download.join(file)).unwrap();
    }
    let rebuild = |package: &str| {
        let mut rebuild = program();
        rebuild.arg("rebuild").arg(download.join(IMAGE));
        rebuild.arg("--work-dir").arg(scratch.path());
        rebuild.arg("--provenance").arg(&keys[1]);
        rebuild.arg(fixture(package)).output().unwrap()
    };
    assert!(!rebuild("payload-xz-1-1.noarch.rpm").status.success());
    let statements = || {
        let names = names(&download).into_iter();
        names
            .filter(|name| name.contains(".rebuilt-"))
            .collect::<Vec<_>>()
    };
    assert!(statements().is_empty());
    let outcome = rebuild("payload-zstd-1-1.noarch.rpm");
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    let [own] = &statements()[..] else {
        panic!("{:?}", statements())
    };
    assert!(text(&outcome.stdout).contains(own));
    let first = fs::read(download.join(own)).unwrap();
    assert!(rebuild("payload-zstd-1-1.noarch.rpm").status.success());
    assert!(fs::read(download.join(own)).unwrap() == first);

    // The store's owner takes the statement in.
    let add = || {
        let mut add = program();
        add.args(["store", "add"]).arg(&store);
        add.arg(download.join(IMAGE)).output().unwrap()
    };
    let outcome = add();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    verify("2", &[0, 1], 0, "1 finding");
    verify("2", &[0, 2], 1, "is attested by 1 of 2 keys");
    // One who signs twice counts once.
    fs::copy(store.join(BUNDLE), download.join(own)).unwrap();
    assert!(add().status.success());
    verify("2", &[0, 1], 1, "is attested by 1 of 2 keys");
    // What is not the listed file says nothing.
    fs::write(store.join(own), &first).unwrap();
    verify("2", &[0, 1], 1, "is not the listed file");
}

/// What somebody has said of an image before it was signed inside is not said of it afterwards.
#[test(OPENSSL)]
fn a_statement_that_a_signature_ends_is_named() {
    let scratch = Scratch::new();
    let key = key(&scratch, "a", &["-algorithm", "ed25519"]);
    let deferred = ["--format", "ddi", "--verity", "defer"];
    output_of(&mut build(&scratch, "first", &deferred));
    let first = scratch.join("first");
    let file = names(&first)
        .into_iter()
        .find(|name| name.ends_with(".raw"));
    let file = file.unwrap();
    let mut again = program();
    again.arg("rebuild");
    again.arg("--provenance").arg(&key).arg(first.join(&file));
    output_of(again.arg(fixture("payload-zstd-1-1.noarch.rpm")));
    let store = scratch.join("second");
    let mut add = program();
    add.args(["store", "add"]).arg(&store);
    output_of(add.arg(first.join(&file)));
    let statement = |name: &String| name.contains(".rebuilt-");
    let name = names(&store).into_iter().find(statement).unwrap();
    let mut sign = program();
    sign.arg("sign-verity").arg(store.join(&file));
    sign.arg("--verity-key").arg(fixture("keys/image.key.pem"));
    sign.arg("--verity-cert").arg(fixture("keys/image.crt"));
    let outcome = sign.output().unwrap();
    let said = text(&outcome.stderr);
    assert!(outcome.status.success(), "{said}");
    let expected = format!("{name} said how the image before was built, and is removed");
    assert!(said.contains(&expected), "{said}");
    assert!(!names(&store).iter().any(statement));
}
