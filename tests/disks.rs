//! Disk images with hashes and a signature (`--format ddi`): what is made, and who takes it.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flate2::read::GzDecoder;
use image::disk::Table;
use judges::Need;
use serde_json::Value;

use crate::client::{CLIENT, SID, TRIXIE, merging};
use crate::verdicts::policies::base_with;
use crate::workshop::{self, Scratch, json, output_of, program, text};

/// A directory with a tree to make images of, a key and its certificate.
pub struct Desk(pub Scratch);

impl Desk {
    fn new() -> Self {
        let scratch = Scratch::new();
        let tree = scratch.join("tree/usr/bin");
        fs::create_dir_all(&tree).unwrap();
        let bytes: Vec<_> = (0..300_000_u32)
            .flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes())
            .collect();
        fs::write(tree.join("tool"), bytes).unwrap();
        Self(scratch)
    }

    pub fn with_key() -> Self {
        let desk = Self::new();
        desk.make_key("key.pem", "one.crt");
        desk
    }

    pub fn make_key(&self, key: &str, certificate: &str) {
        self.run(&format!(
            "openssl req -x509 -newkey rsa:2048 -nodes -keyout {key} -subj /CN={certificate} -days 3650 -out {certificate}"
        ));
        let mode = Permissions::from_mode(0o600);
        fs::set_permissions(self.path(key), mode).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Runs a command line here; returns what it prints.
    fn run(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().unwrap());
        output_of(command.args(words).current_dir(self.0.path()))
    }

    /// Says how an image is built.
    fn builder(&self, store: &str, options: &str) -> Command {
        let mut build = program();
        build.current_dir(self.0.path());
        build.args(
            "--name tool --image-version 1 --arch x86-64 --overlay tree --match any".split(' '),
        );
        build.args(["--allow", "unchecked-base", "-o", store]);
        build.args(options.split_whitespace());
        build
    }

    /// Builds an image.
    fn try_build(&self, store: &str, options: &str) -> Output {
        self.builder(store, options).output().unwrap()
    }

    pub fn build(&self, store: &str, options: &str) -> PathBuf {
        let outcome = self.try_build(store, options);
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
        self.image(store)
    }

    /// Returns where an image is that was built.
    pub fn image(&self, store: &str) -> PathBuf {
        self.path(store).join("tool-1.x86-64.raw")
    }

    /// Signs an image with the key that is given so.
    fn sign(&self, image: &Path, key: &[&str]) -> Output {
        let mut sign = program();
        sign.current_dir(self.0.path());
        sign.args(["sign-verity", "--json", "--verity-cert", "one.crt"]);
        sign.arg(image).args(key).output().unwrap()
    }

    /// Returns what the manifest of an image says of the image file.
    fn manifest(&self, image: &Path) -> Value {
        let manifest = fs::File::open(image.with_extension("manifest.gz")).unwrap();
        let manifest: Value = serde_json::from_reader(GzDecoder::new(manifest)).unwrap();
        manifest["image"].clone()
    }

    /// Returns the files beside an image.
    fn content(&self, image: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        let files = fs::read_dir(image.parent().unwrap()).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        paths
            .map(|path| (path.clone(), fs::read(path).unwrap()))
            .collect()
    }

    fn inspect(&self, image: &Path, options: &str) -> Output {
        let mut inspect = program();
        inspect
            .current_dir(self.0.path())
            .args(["inspect", "--json"]);
        inspect.arg(image).args(options.split_whitespace());
        inspect.output().unwrap()
    }
}

pub const SIGNED: &str = "--format ddi --verity-key key.pem --verity-cert one.crt";
const OPENSSL: Need = judges::program("openssl");

/// Writes each partition of an image into a file.
fn take_apart(desk: &Desk, image: &Path) -> Vec<Vec<u8>> {
    let bytes = fs::read(image).unwrap();
    let table = Table::read(&mut std::io::Cursor::new(&bytes))
        .unwrap()
        .unwrap();
    let parts = table.partitions.iter().enumerate().map(|(number, part)| {
        let part = &bytes[part.start as usize..][..part.length as usize];
        fs::write(desk.path(&format!("part{number}")), part).unwrap();
        part.to_vec()
    });
    parts.collect()
}

#[test(OPENSSL, judges::programs!("veritysetup", "cmp"))]
fn a_disk_image_proves_its_file_system() {
    let desk = Desk::with_key();
    let image = desk.build("store", SIGNED);
    let again = desk.build("again", &format!("{SIGNED} --jobs 3"));
    assert!(fs::read(&image).unwrap() == fs::read(again).unwrap());
    let bare = desk.build("bare", "");

    let parts = take_apart(&desk, &image);
    assert!(
        parts[0] == fs::read(&bare).unwrap(),
        "it is around the same file system"
    );
    let added = fs::metadata(&image).unwrap().len() - fs::metadata(&bare).unwrap().len();
    assert!(added <= 57 * 1024 + (parts[1].len() as u64), "{added}");
    let end = parts[2].iter().position(|byte| *byte == 0).unwrap();
    let signed: Value = serde_json::from_slice(&parts[2][..end]).unwrap();
    let root = signed["rootHash"].as_str().unwrap();
    desk.run(&format!("veritysetup verify part0 part1 {root}"));
    fs::write(desk.path("root"), root).unwrap();
    fs::write(
        desk.path("base64"),
        format!("{}\n", signed["signature"].as_str().unwrap()),
    )
    .unwrap();
    desk.run("openssl base64 -d -A -in base64 -out p7s");
    desk.run("openssl smime -verify -binary -inform DER -in p7s -content root -certfile one.crt -noverify -out out");

    let outcome = desk.inspect(&image, "--verify --verity-cert one.crt");
    let found = &json(&outcome)["verity"];
    assert_eq!(found["root_hash"], root);
    assert_eq!(
        (&found["signature"], &found["signer"]),
        (&"good".into(), &"CN=one.crt".into())
    );
    let outcome = desk.inspect(&image, "--verify");
    assert_eq!(json(&outcome)["verity"]["signature"], "unchecked");
    desk.make_key("other.pem", "other.crt");
    let outcome = desk.inspect(&image, "--verify --verity-cert other.crt");
    assert_eq!(outcome.status.code(), Some(1));

    // The same contents in other blocks have another root hash; another certificate, another image.
    let other = desk.build(
        "other",
        "--format ddi --verity-key other.pem --verity-cert other.crt",
    );
    assert_ne!(fs::read(other).unwrap(), fs::read(&image).unwrap());
}

#[test(OPENSSL)]
fn each_changed_byte_is_found() {
    let desk = Desk::with_key();
    let image = desk.build("store", SIGNED);
    let whole = fs::read(&image).unwrap();
    let table = Table::read(&mut std::io::Cursor::new(&whole))
        .unwrap()
        .unwrap();
    let [data, hashes, signature] = &table.partitions[..] else {
        panic!("{table:?}");
    };
    let json_end = whole[signature.start as usize..]
        .iter()
        .position(|byte| *byte == 0)
        .unwrap();
    let mut places = Vec::new();
    for step in 0..8 {
        places.push(data.start + data.length * step / 8 + 1);
        places.push(hashes.start + 4096 + (hashes.length - 4096) * step / 8);
        places.push(signature.start + json_end as u64 * step / 8);
    }
    let changed = desk.path("tool-1.x86-64.raw");
    for place in places {
        let mut bytes = whole.clone();
        bytes[place as usize] ^= 0x10;
        fs::write(&changed, bytes).unwrap();
        let outcome = desk.inspect(&changed, "--verify --verity-cert one.crt");
        assert_eq!(outcome.status.code(), Some(1), "{place}");
    }
}

#[test]
fn hashes_need_no_signature_if_that_is_said() {
    let desk = Desk::new();
    let image = desk.build("store", "--format ddi --verity unsigned");
    assert_eq!(take_apart(&desk, &image).len(), 2);
    let outcome = desk.inspect(&image, "--verify");
    assert_eq!(json(&outcome)["verity"]["signature"], "none");
    let mut verify = program();
    verify
        .args(["store", "verify"])
        .arg(image.parent().unwrap());
    let outcome = verify.output().unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stdout));
    let mut diff = program();
    diff.arg("diff").arg(&image).arg(&image);
    assert!(diff.output().unwrap().status.success());
    let bare = desk.build("bare", "");
    for (options, expected) in [
        ("--format ddi", "nothing says what signs the image"),
        (
            "--verity unsigned",
            "a bare file system has no place for hashes",
        ),
        (
            "--passphrase-file x",
            "--passphrase-file is for --sign-key FILE",
        ),
    ] {
        let outcome = desk.try_build("new", options);
        assert_eq!(outcome.status.code(), Some(2), "{options}");
        let said = text(&outcome.stderr);
        assert!(said.contains(expected), "{options}: {said}");
        assert!(!desk.path("new").exists());
    }
    let outcome = desk.inspect(&bare, "--verify");
    assert_eq!(outcome.status.code(), Some(1));
}

#[test(OPENSSL)]
fn keys_are_opened_with_their_passphrase() {
    let desk = Desk::with_key();
    desk.run("openssl pkcs8 -topk8 -in key.pem -passout pass:word -out locked.pem");
    desk.make_key("other.pem", "other.crt");
    fs::write(desk.path("word"), "word\n").unwrap();
    fs::write(desk.path("wrong"), "sword\n").unwrap();
    let image = desk.build("store", SIGNED);
    let locked = "--format ddi --verity-key locked.pem --verity-cert one.crt";
    let same = desk.build("locked", &format!("{locked} --passphrase-file word"));
    assert!(fs::read(image).unwrap() == fs::read(same).unwrap());
    for (options, expected) in [
        (
            format!("{locked} --passphrase-file wrong"),
            "the passphrase does not open locked.pem",
        ),
        (
            "--format ddi --verity-key key.pem --verity-cert other.crt".to_owned(),
            "the certificate CN=other.crt is not that of the key in key.pem",
        ),
        (
            "--format ddi --verity-key one.crt --verity-cert one.crt".to_owned(),
            "one.crt: it has no secret key in PEM",
        ),
        (
            "--format ddi --verity-key key.pem --verity-cert key.pem".to_owned(),
            "key.pem: it has no certificate",
        ),
    ] {
        let outcome = desk.try_build("new", &options);
        assert_eq!(outcome.status.code(), Some(1), "{options}");
        let said = text(&outcome.stderr);
        assert!(said.contains(expected), "{options}: {said}");
    }
    let said = |name: &str| text(&desk.try_build(name, SIGNED).stderr);
    let finding = "key-file-mode: key.pem has mode 0640, so others can use the key";
    assert!(!said("own").contains("key-file-mode"));
    let mode = Permissions::from_mode(0o640);
    fs::set_permissions(desk.path("key.pem"), mode).unwrap();
    assert!(said("shared").contains(finding));
}

pub const DEFERRED: &str = "--format ddi --verity defer";

#[test(OPENSSL, judges::program("sh"))]
fn what_is_signed_later_is_what_is_signed_at_once() {
    let desk = Desk::with_key();
    let at_once = fs::read(desk.build("store", SIGNED)).unwrap();
    let by_digest = "openssl pkeyutl -sign -inkey key.pem -pkeyopt digest:sha256";
    let by_text = "printf %s \"$SYSEXT_BUILD_ROOT_HASH\" | openssl dgst -sha256 -sign key.pem";
    for (number, way) in [
        &["--verity-key", "key.pem"],
        &["--verity-signer", by_digest],
        &["--verity-signer", by_text],
        &["--signature", "raw"],
    ]
    .into_iter()
    .enumerate()
    {
        let options = match number {
            1 => "--obs --sbom spdx",
            _ => "",
        };
        let image = desk.build(&format!("later{number}"), &format!("{DEFERRED} {options}"));
        let store = image.parent().unwrap();
        let found = json(&desk.inspect(&image, "--verify"))["verity"].clone();
        assert_eq!(found["signature"], "deferred");
        let root = found["root_hash"].as_str().unwrap();
        fs::write(desk.path("root"), root).unwrap();
        desk.run("openssl dgst -sha256 -sign key.pem -out raw root");
        assert_eq!(desk.manifest(&image)["signature"], "deferred");
        for again in [false, true] {
            let outcome = desk.sign(&image, way);
            assert!(outcome.status.success(), "{}", text(&outcome.stderr));
            let answer = json(&outcome);
            assert_eq!(answer["root_hash"], root);
            assert_eq!(answer["listed"], number != 1);
            assert!(fs::read(&image).unwrap() == at_once, "{way:?} {again}");
            let file = desk.manifest(&image);
            assert_eq!(
                (&file["signature"], &file["root_hash"], &file["signed_by"]),
                (&"signed".into(), &root.into(), &answer["signed_by"])
            );
            assert_eq!(
                (&file["sha256"], &file["bytes"]),
                (&answer["sha256"], &at_once.len().into())
            );
            if number == 1 {
                let sum = image.with_extension("raw.sha256");
                let sum = fs::read_to_string(sum).unwrap();
                assert!(sum.starts_with(answer["sha256"].as_str().unwrap()), "{sum}");
                // A bill that is not listed is nobody's to replace.
                let mut sign = program();
                sign.current_dir(desk.0.path()).arg("sign-verity");
                sign.args(["--verity-cert", "one.crt"]).args(way);
                let said = text(&sign.arg(&image).output().unwrap().stderr);
                let bill = image.with_extension("spdx.json");
                let stale = format!("{} is of the image before", bill.display());
                assert!(said.contains(&stale), "{said}");
                continue;
            }
            let outcome = program().args(["store", "verify"]).arg(store).output();
            let outcome = outcome.unwrap();
            assert!(outcome.status.success(), "{}", text(&outcome.stdout));
        }
    }
    // The command signs in a build, too, and its user's passphrase is not for it.
    let signer = format!("test -z \"$SYSEXT_BUILD_PASSPHRASE\" && {by_digest}");
    let mut build = desk.builder("command", "--format ddi --verity-cert one.crt");
    build.env("SYSEXT_BUILD_PASSPHRASE", "word");
    let outcome = build.args(["--verity-signer", &signer]).output().unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert!(fs::read(desk.path("command/tool-1.x86-64.raw")).unwrap() == at_once);
}

#[test(OPENSSL, judges::program("sh"), judges::program("cpio"))]
fn several_are_signed_by_an_archive() {
    let desk = Desk::with_key();
    let sign = |line: &str| {
        let mut sign = program();
        sign.current_dir(desk.0.path()).arg("sign-verity");
        sign.args(line.split_whitespace()).output().unwrap()
    };
    let at_once = fs::read(desk.build("signed", SIGNED)).unwrap();
    // Two of one list, by their names; the second has other bytes.
    desk.build("store", DEFERRED);
    fs::write(desk.path("tree/usr/bin/more"), "more").unwrap();
    let other = "--name other --image-version 1 --arch x86-64 --overlay tree --match any";
    let mut build = program();
    build.current_dir(desk.0.path()).args(other.split(' '));
    build.args(DEFERRED.split(' '));
    output_of(build.args(["--allow", "unchecked-base", "-o", "store"]));
    let images = "store/tool-1.x86-64.raw store/other-1.x86-64.raw";
    let outcome = sign(&format!("--json --hashes hashes.cpio {images}"));
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    let roots = json(&outcome)["root_hashes"].clone();
    fs::create_dir(desk.path("hashes")).unwrap();
    let unpack = "cd hashes; cpio -idm --quiet < ../hashes.cpio; cd roothashes; for file in *; do \
                  openssl dgst -sha256 -sign ../../key.pem -out $file.sig $file; done";
    let pack = "cd hashes; find roothashes -name *.sig | cpio -o -H newc --quiet > ../back.cpio";
    let shell = |script: &str| {
        let mut shell = Command::new("sh");
        output_of(shell.args(["-euc", script]).current_dir(desk.0.path()));
    };
    shell(unpack);
    shell(pack);
    for (name, root) in roots.as_object().unwrap() {
        let file = desk.path(&format!("hashes/roothashes/{name}.roothash"));
        assert_eq!(&fs::read_to_string(file).unwrap(), root);
    }
    assert_eq!(roots.as_object().unwrap().len(), 2);
    let join = "--json --signatures back.cpio --verity-cert one.crt";
    for (line, code, expected) in [
        (
            "store/tool-1.x86-64.raw",
            1,
            "has a signature for other-1.x86-64.raw, too, which was not named",
        ),
        (
            "store/tool-1.x86-64.raw signed/tool-1.x86-64.raw",
            1,
            "has no signature for tool-1.x86-64.raw",
        ),
    ] {
        let outcome = sign(&format!("{join} {line}"));
        let said = text(&outcome.stdout);
        assert_eq!(outcome.status.code(), Some(code), "{said}");
        assert!(said.contains(expected), "{said}");
        let manifest = desk.manifest(&desk.path("store/tool-1.x86-64.raw"));
        assert_eq!(manifest["signature"], "deferred");
    }
    let outcome = sign(&format!("{join} {images}"));
    assert!(outcome.status.success(), "{}", text(&outcome.stdout));
    assert!(fs::read(desk.image("store")).unwrap() == at_once);
    output_of(program().args(["store", "verify"]).arg(desk.path("store")));
    for (line, code, expected) in [
        // What is signed waits for nothing.
        (
            "--hashes hashes.cpio store/tool-1.x86-64.raw",
            1,
            "it is signed",
        ),
        (
            "--hashes hashes.cpio signed/tool-1.x86-64.raw store/tool-1.x86-64.raw",
            1,
            "it is signed",
        ),
        (
            "--signature back.cpio --verity-cert one.crt store/tool-1.x86-64.raw store/other-1.x86-64.raw",
            2,
            "--signature FILE is that of one image",
        ),
        (
            "--hashes out.cpio --verity-cert one.crt a.raw",
            2,
            "can't be used with",
        ),
    ] {
        let outcome = sign(line);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{said}");
        assert!(said.contains(expected) || code == 2, "{said}");
    }
}

/// A run that was killed between the two changes of the list has left the image without one.
#[test(OPENSSL)]
fn an_image_that_was_taken_off_its_list_is_listed_again_as_it_is_said() {
    let desk = Desk::with_key();
    let image = desk.build("store", DEFERRED);
    let list = desk.path("store/SHA256SUMS");
    let lines = fs::read_to_string(&list).unwrap();
    assert_eq!(lines.lines().count(), 2);
    let other = format!("{}  other\n", "0".repeat(64));
    for is_empty in [true, false] {
        fs::write(&list, if is_empty { "" } else { &other }).unwrap();
        let mut sign = program();
        sign.current_dir(desk.0.path()).arg("sign-verity");
        sign.args("--verity-key key.pem --verity-cert one.crt".split(' '));
        let outcome = sign.arg("store/tool-1.x86-64.raw").output().unwrap();
        let said = text(&outcome.stderr);
        assert!(outcome.status.success(), "{said}");
        let command = "store add store store/tool-1.x86-64.raw";
        let told = format!("to list it: sysext-build {command}\n");
        assert!(said.contains(&told), "{said}");
    }
    fs::write(&list, "").unwrap();
    let mut add = program();
    let command = "store add store store/tool-1.x86-64.raw";
    output_of(add.current_dir(desk.0.path()).args(command.split(' ')));
    output_of(program().args(["store", "verify"]).arg(desk.path("store")));
    assert_eq!(desk.manifest(&image)["signature"], "signed");
}

#[test(OPENSSL, judges::program("sh"))]
fn what_can_not_be_signed_stays_as_it_is() {
    let desk = Desk::with_key();
    desk.make_key("other.pem", "other.crt");
    fs::write(desk.path("root"), "0".repeat(64)).unwrap();
    desk.run("openssl dgst -sha256 -sign key.pem -out raw root");
    fs::write(desk.path("short"), [1; 255]).unwrap();
    let deferred = desk.build("deferred", DEFERRED);
    let bare = desk.build("bare", "");
    let unsigned = desk.build("unsigned", "--format ddi --verity unsigned");
    let by_other = "--format ddi --verity-key other.pem --verity-cert other.crt";
    let by_other = desk.build("other", by_other);
    let changed = desk.build("changed", DEFERRED);
    let mut bytes = fs::read(&changed).unwrap();
    bytes[30_000] ^= 1;
    fs::write(&changed, bytes).unwrap();
    let key = ["--verity-key", "key.pem"];
    for (image, way, expected) in [
        (&bare, key, "is not a disk image, so it has no hashes"),
        (&unsigned, key, "it has no room for a signature"),
        (&by_other, key, "it is signed"),
        (&changed, key, "does not have the SHA-256 that is listed"),
        (
            &deferred,
            ["--verity-key", "other.pem"],
            "the certificate CN=one.crt is not that of the key in other.pem",
        ),
        (
            &deferred,
            ["--signature", "raw"],
            "is not by the key of the certificate CN=one.crt, or not of this root hash",
        ),
        (
            &deferred,
            ["--signature", "short"],
            "has 255 bytes; one by the key of the certificate CN=one.crt has 256",
        ),
        (
            &deferred,
            ["--verity-signer", "echo a word >&2; exit 3"],
            "exit status: 3",
        ),
        (&deferred, ["--verity-signer", "true"], "has 0 bytes"),
    ] {
        let before = desk.content(image);
        let outcome = desk.sign(image, &way);
        let said = json(&outcome)["error"].to_string();
        assert_eq!(outcome.status.code(), Some(1), "{way:?}: {said}");
        assert!(said.contains(expected), "{way:?}: {said}");
        assert!(desk.content(image) == before, "{way:?}");
    }
    let mut sign = program();
    sign.current_dir(desk.0.path());
    sign.args(["sign-verity", "--verity-cert", "one.crt"])
        .arg(&deferred);
    assert_eq!(sign.output().unwrap().status.code(), Some(2));
}

#[test(OPENSSL)]
fn a_signed_list_changes_with_its_image() {
    let desk = Desk::with_key();
    let key = workshop::fixture("keys/test.secret.asc");
    let list_key = ["--sign-key", key.to_str().unwrap()];
    let mut build = desk.builder("store", DEFERRED);
    build
        .args(list_key)
        .args(["--state-dir", "state", "--sbom", "spdx", "--blocks"]);
    assert!(build.output().unwrap().status.success());
    let image = desk.path("store/tool-1.x86-64.raw");
    let before = desk.content(&image);
    let outcome = desk.sign(&image, &["--verity-key", "key.pem"]);
    assert_eq!(outcome.status.code(), Some(1));
    let said = text(&outcome.stdout);
    assert!(
        said.contains("no key was given to sign the new list"),
        "{said}"
    );
    assert!(desk.content(&image) == before);
    let mut options = vec!["--verity-key", "key.pem", "--state-dir", "state"];
    options.extend(list_key);
    let outcome = desk.sign(&image, &options);
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    // So does what is said of its bytes.
    let bill = fs::read_to_string(image.with_extension("spdx.json")).unwrap();
    assert!(bill.contains(&workshop::sha256sum(&image)), "{bill}");
    let mut index = program();
    index.current_dir(desk.0.path()).args(["store", "index"]);
    let outcome = index.args(list_key).args(["--state-dir", "state", "store"]);
    let outcome = outcome.output().unwrap();
    let said = text(&outcome.stderr);
    assert!(said.contains("each image has an index"), "{said}");
    let mut verify = program();
    verify.current_dir(desk.0.path());
    verify.args(["store", "verify", "--state-dir", "state", "store"]);
    let outcome = verify.args(list_key).output().unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stdout));
    assert!(desk.content(&image) != before);
}

/// What a host that demands signatures says of images, each known by its file and by its manifest:
/// the verdict, and the finding that it rests on.
#[test(OPENSSL, judges::programs!("rpm", "rpmbuild"))]
fn check_knows_whose_signature_counts() {
    let desk = Desk::with_key();
    desk.make_key("other.pem", "other.crt");
    let other = "--format ddi --verity-key other.pem --verity-cert other.crt";
    let images = [
        ("signed", SIGNED),
        ("other", other),
        ("deferred", DEFERRED),
        ("unsigned", "--format ddi --verity unsigned"),
        ("bare", ""),
    ]
    .map(|(name, options)| (name, desk.build(name, options)));
    let root = base_with(&desk.0, "262");
    for directory in ["etc/systemd", "etc/verity.d"] {
        fs::create_dir_all(root.join(directory)).unwrap();
    }
    fs::write(root.join("etc/verity.d/README.crt"), "not one").unwrap();
    for (policy, certificate, typed, expected) in [
        // Of the images in their order: refused by the policy or for their form, or not by whom.
        ("", None, None, ["", "", "format", "", ""]),
        (
            "root=signed",
            None,
            None,
            [
                "signer-unknown",
                "signer-unknown",
                "format",
                "image-policy",
                "image-policy",
            ],
        ),
        (
            "root=signed",
            Some("one.crt"),
            None,
            [
                "",
                "signer-unknown",
                "format",
                "image-policy",
                "image-policy",
            ],
        ),
        (
            "",
            Some("other.crt"),
            Some("root=signed+absent"),
            [
                "signer-unknown",
                "",
                "format",
                "image-policy",
                "image-policy",
            ],
        ),
        (
            "root=verity+signed",
            None,
            None,
            ["", "", "format", "image-policy", "image-policy"],
        ),
        (
            "root=unprotected",
            Some("one.crt"),
            None,
            ["", "", "format", "", ""],
        ),
    ] {
        let config = root.join("etc/systemd/sysext.conf");
        fs::write(config, format!("[SysExt]\nImagePolicy={policy}\n")).unwrap();
        let place = root.join("etc/verity.d/a.crt");
        let _ = fs::remove_file(&place);
        if let Some(certificate) = certificate {
            fs::copy(desk.path(certificate), place).unwrap();
        }
        for ((name, image), expected) in images.iter().zip(expected) {
            for path in [image.clone(), image.with_extension("manifest.gz")] {
                let mut check = program();
                check.args([
                    "check",
                    "--json",
                    "--client",
                    "systemd-262",
                    "--arch",
                    "x86-64",
                ]);
                check.args(
                    typed
                        .into_iter()
                        .flat_map(|typed| ["--image-policy", typed]),
                );
                check.arg("--base").args([&root, &path]);
                let outcome = json(&check.output().unwrap());
                let host = &outcome["images"][0]["hosts"][0];
                let verdict = &host["verdicts"][0];
                let mut against = vec![];
                if verdict["outcome"] != "accepted" {
                    assert_eq!(verdict["outcome"], "refused", "{verdict}");
                    against.push(verdict["field"].as_str().unwrap());
                }
                let findings = host["findings"].as_array().unwrap();
                let is_said = |finding: &&Value| finding["id"] == "signer-unknown";
                against.extend(findings.iter().find(is_said).map(|_| "signer-unknown"));
                assert_eq!(
                    against.join(" "),
                    expected,
                    "{policy} {name} {path:?} {host}"
                );
            }
        }
    }
    // Without the files of a host it is not known which certificates it has.
    let release = root.join("etc/os-release");
    let mut check = program();
    check.args([
        "check",
        "--json",
        "--image-policy",
        "root=signed",
        "--os-release",
    ]);
    let outcome = json(&check.args([&release, &images[0].1]).output().unwrap());
    let findings = outcome["images"][0]["hosts"][0]["findings"].to_string();
    assert!(findings.contains("\"host-policy\""), "{findings}");
}

#[test(OPENSSL)]
fn what_an_image_file_is_is_said() {
    let desk = Desk::with_key();
    let signed = desk.build("store", SIGNED);
    let bare = desk.build("bare", "");
    let mut diff = program();
    let outcome = diff
        .args(["diff", "--json"])
        .args([&bare, &signed])
        .output();
    let found = &json(&outcome.unwrap())["image"];
    let print = desk.manifest(&signed)["signed_by"].clone();
    let format = "a disk with squashfs and signed hashes";
    assert_eq!(found["format"], serde_json::json!(["squashfs", format]));
    assert_eq!(found["signed_by"], serde_json::json!(["nobody", print]));
    let found = json(&desk.inspect(&signed, ""));
    assert_eq!(
        (&found["format"], &found["signed_by"]),
        (&format.into(), &print)
    );
    let outcome = program().arg("inspect").arg(&signed).output().unwrap();
    let said = text(&outcome.stdout);
    assert!(
        said.contains(&format!("  {format}, by the certificate ")),
        "{said}"
    );
    assert_eq!(json(&desk.inspect(&bare, ""))["format"], "squashfs");

    // Programs read a table whose copy at the end says something else in different ways.
    let mut bytes = fs::read(&signed).unwrap();
    let last = bytes.len() - 512;
    let number = |bytes: &[u8], at: usize| {
        u32::from_le_bytes(bytes[last + at..last + at + 4].try_into().unwrap()) as usize
    };
    // UEFI 5.3.2: where the entries are, how many, how long, and their CRC-32; that of the header.
    let (first, count, size) = (
        number(&bytes, 72) * 512,
        number(&bytes, 80),
        number(&bytes, 84),
    );
    bytes[first + 48] ^= 4;
    let sum = |bytes: &[u8]| {
        let mut crc = flate2::Crc::new();
        crc.update(bytes);
        crc.sum().to_le_bytes()
    };
    let entries = sum(&bytes[first..first + count * size]);
    bytes[last + 88..last + 92].copy_from_slice(&entries);
    bytes[last + 16..last + 20].fill(0);
    let header = sum(&bytes[last..last + 92]);
    bytes[last + 16..last + 20].copy_from_slice(&header);
    let other = desk.path("tool.raw");
    fs::write(&other, bytes).unwrap();
    let mut check = program();
    let release = desk.path("os-release");
    fs::write(&release, "ID=x\n").unwrap();
    check.args(["check", "--json", "--client", "systemd-262", "--os-release"]);
    let outcome = json(&check.args([&release, &other]).output().unwrap());
    let verdict = &outcome["images"][0]["hosts"][0]["verdicts"][0];
    assert_eq!(verdict["outcome"], "unread", "{verdict}");
}

/// Asks systemd whether it takes a signed image under policies that demand that.
fn dissected(tree: &str, policies: &[&str]) {
    let desk = Desk::with_key();
    let signed = desk.build("store", SIGNED);
    let unsigned = desk.build("unsigned", "--format ddi --verity unsigned");
    let bare = desk.build("bare", "");
    let mut commands = "mkdir -p $CLIENT_ROOT/tmp/images\n".to_owned();
    let images = [("signed", signed), ("unsigned", unsigned), ("bare", bare)];
    for (name, image) in &images {
        let image = image.display();
        commands += &format!("cp {image} $CLIENT_ROOT/tmp/images/{name}.raw\n");
        for policy in policies {
            commands += &format!(
                "client systemd-dissect {policy} --validate /tmp/images/{name}.raw > /dev/null 2>&1 && echo 'taken {name} {policy}' || echo 'refused {name} {policy}'\n"
            );
        }
    }
    let answers = text(&merging(tree, &commands).stdout);
    for (name, _) in &images {
        for policy in policies {
            let taken = match *policy {
                "--image-policy=root=signed+absent" => *name == "signed",
                "--image-policy=root=verity" => *name != "bare",
                _ => true,
            };
            let word = if taken { "taken" } else { "refused" };
            let line = format!("{word} {name} {policy}\n");
            assert!(answers.contains(&line), "not {line}: {answers}");
        }
    }
}

const POLICIES: [&str; 3] = [
    "--image-policy=*",
    "--image-policy=root=signed+absent",
    "--image-policy=root=verity",
];

#[test(CLIENT, TRIXIE, OPENSSL)]
fn systemd_257_takes_what_is_signed() {
    dissected(&TRIXIE.path().display().to_string(), &POLICIES);
}

#[test(CLIENT, SID, OPENSSL)]
fn the_newest_systemd_takes_what_is_signed() {
    dissected(&SID.path().display().to_string(), &POLICIES);
}

#[test(root(), OPENSSL, judges::program("systemd-dissect"))]
fn systemd_252_finds_the_partitions() {
    let desk = Desk::with_key();
    let image = desk.build("store", SIGNED);
    let link = desk.path("tool.raw");
    std::os::unix::fs::symlink(image, &link).unwrap();
    let mut dissect = Command::new("systemd-dissect");
    let said = output_of(dissect.args(["--no-pager", "--json=short"]).arg(&link));
    for (designator, word) in [
        ("root", "squashfs"),
        ("root-verity", "DM_verity_hash"),
        ("root-verity-sig", "verity_hash_signature"),
    ] {
        assert!(
            said.contains(&format!("\"designator\":\"{designator}\"")),
            "{said}"
        );
        assert!(said.contains(word), "{said}");
    }
    assert!(said.contains("\"useSystemExtension\":true"), "{said}");
}
