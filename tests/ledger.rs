//! A store directory that somebody without the key can write to: what is signed there is what the
//! key's owner has made.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use openpgp::SigningKey;

use crate::workshop::{
    Scratch, digest, fixture, json, names, os_release, output_of, program, run, text,
};

/// The fixed key of the fixtures, which owns the store.
const OWNER: &str = "041D5F411DB434BC5D0E51E16879D6EAB0EEF13E";
/// After both keys were made.
const TIME: u64 = 1_700_000_001;

const LIST: &str = "SHA256SUMS";
const SIGNATURE: &str = "SHA256SUMS.gpg";
const KEYS: &str = "import-pubring.gpg";
const IMAGE: &str = "tool-2.x86-64.raw";

/// The owner with a store, and a thief with a key.
struct Scene {
    scratch: Scratch,
    thief: SigningKey,
    /// The list and its signature when the store had one image.
    older: [Vec<u8>; 2],
    /// Those of another store of the same owner.
    other: [Vec<u8>; 2],
}

impl Scene {
    fn new() -> Self {
        let scratch = Scratch::new();
        write_key(
            &scratch.join("owner.key"),
            &fs::read(fixture("keys/test.secret.asc")).unwrap(),
        );
        let home = scratch.join("gpg");
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
        let gpg = |arguments: &[&str]| {
            output_of(
                Command::new("gpg")
                    .args(["--batch", "--quiet", "--no-tty", "--homedir"])
                    .arg(&home)
                    .args(["--faked-system-time", "1700000000!", "--passphrase", ""])
                    .args(["--pinentry-mode", "loopback"])
                    .args(arguments),
            )
        };
        gpg(&["--quick-gen-key", "thief", "ed25519", "sign", "never"]);
        let key = gpg(&["--armor", "--export-secret-keys"]).into_bytes();
        let _ = Command::new("gpgconf")
            .arg("--homedir")
            .arg(&home)
            .args(["--kill", "all"])
            .status();
        write_key(&scratch.join("thief.key"), &key);
        let thief = SigningKey::parse(&key, "thief", None, TIME).unwrap();
        let mut scene = Self {
            scratch,
            thief,
            older: Default::default(),
            other: Default::default(),
        };
        let build = |scene: &Scene, version: &str| {
            let built = scene.build(version, &scene.signed_by("owner"));
            assert!(built.status.success(), "{}", said(&built));
            [LIST, SIGNATURE].map(|name| scene.read(name))
        };
        scene.other = build(&scene, "7");
        fs::remove_dir_all(scene.store()).unwrap();
        scene.forget();
        scene.older = build(&scene, "1");
        build(&scene, "2");
        // So that `verify --fix` has something to do.
        scene.write(".sysext-build-7-0.tmp", b"left");
        scene
    }

    fn store(&self) -> PathBuf {
        self.scratch.join("store")
    }

    /// Takes the store back to what it was.
    fn reset(&self, files: &BTreeMap<String, File>) {
        fs::remove_dir_all(self.store()).unwrap();
        fs::create_dir(self.store()).unwrap();
        for (name, file) in files {
            let File::Bytes(bytes) = file else {
                panic!("{name} is not a file");
            };
            self.write(name, bytes);
        }
    }

    fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.store().join(name)).unwrap()
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.store().join(name), bytes).unwrap();
    }

    fn remove(&self, name: &str) {
        fs::remove_file(self.store().join(name)).unwrap();
    }

    /// Puts a link to another name in the place of a file.
    fn link(&self, name: &str) {
        let elsewhere = format!("{name}.elsewhere");
        fs::rename(self.store().join(name), self.store().join(&elsewhere)).unwrap();
        symlink(elsewhere, self.store().join(name)).unwrap();
    }

    /// Rewrites the list.
    fn edit(&self, change: impl Fn(String) -> String) {
        let list = text(&self.read(LIST));
        let changed = change(list.clone());
        assert_ne!(changed, list);
        self.write(LIST, changed.as_bytes());
    }

    /// Changes an image and its line.
    fn replace_image(&self) {
        let old = digest(&self.read(IMAGE));
        self.write(IMAGE, b"evil");
        self.edit(|list| list.replace(&old, &digest(b"evil")));
    }

    /// Puts a list and its signature in place.
    fn put(&self, [list, signature]: &[Vec<u8>; 2]) {
        self.write(LIST, list);
        self.write(SIGNATURE, signature);
    }

    /// Puts them where they would be completed.
    fn put_half_done(&self, [list, signature]: &[Vec<u8>; 2]) {
        self.write(".sysext-build-next-list.tmp", list);
        self.write(".sysext-build-next-signature.tmp", signature);
        self.write(".sysext-build-committed.tmp", b"");
    }

    /// Puts something in the place of a file that would be waited for.
    fn fifo(&self, name: &str) {
        self.remove(name);
        output_of(Command::new("mkfifo").arg(self.store().join(name)));
    }

    /// Puts a directory in the place of a file.
    fn directory(&self, name: &str) {
        self.remove(name);
        fs::create_dir(self.store().join(name)).unwrap();
    }

    /// The program of the owner, who remembers what was signed.
    fn program(&self) -> Command {
        let mut command = program();
        command.env("XDG_STATE_HOME", self.scratch.join("state"));
        command
    }

    /// Takes the owner's memory away.
    fn forget(&self) {
        fs::remove_dir_all(self.scratch.join("state")).unwrap();
    }

    /// Signs the list as the thief.
    fn sign_as_thief(&self) {
        let signature = self.thief.sign(&self.read(LIST), TIME).unwrap();
        self.write(SIGNATURE, &signature);
    }

    fn signed_by(&self, who: &str) -> Vec<OsString> {
        let key = self.scratch.join(&format!("{who}.key"));
        vec!["--sign-key".into(), key.into()]
    }

    fn build(&self, version: &str, more: &[OsString]) -> Output {
        self.program()
            .args([
                "--name",
                "tool",
                "--match",
                "any",
                "--allow",
                "unchecked-base",
                "--image-version",
            ])
            .arg(version)
            .arg("--os-release")
            .arg(os_release("tumbleweed"))
            .arg("-o")
            .arg(self.store())
            .arg(fixture("hello-sysext-1.0-1.x86_64.rpm"))
            .args(more)
            .output()
            .unwrap()
    }

    fn verb(&self, verb: &[&str], more: &[OsString]) -> Output {
        self.program()
            .args(["store", verb[0]])
            .arg(self.store())
            .args(&verb[1..])
            .args(more)
            .output()
            .unwrap()
    }

    /// Adds an image that was made elsewhere.
    fn add(&self, more: &[OsString]) -> Output {
        let image = self.scratch.join("elsewhere/tool-3.x86-64.raw");
        if !image.exists() {
            let built = self
                .program()
                .args([
                    "--name",
                    "tool",
                    "--match",
                    "any",
                    "--allow",
                    "unchecked-base",
                    "--image-version",
                    "3",
                ])
                .arg("--os-release")
                .arg(os_release("tumbleweed"))
                .arg("-o")
                .arg(self.scratch.join("elsewhere"))
                .arg(fixture("hello-sysext-1.0-1.x86_64.rpm"))
                .output();
            assert!(built.unwrap().status.success());
        }
        let mut command = self.program();
        command.args(["store", "add"]).arg(self.store()).arg(image);
        command.args(more).output().unwrap()
    }

    /// Every change that the owner makes.
    fn changes(&self, more: &[OsString]) -> [(&'static str, Output); 4] {
        [
            ("build", self.build("3", more)),
            ("add", self.add(more)),
            ("prune", self.verb(&["prune", "--keep", "1"], more)),
            ("verify --fix", self.verb(&["verify", "--fix"], more)),
        ]
    }

    fn verify(&self) -> String {
        text(&self.verb(&["verify"], &[]).stdout)
    }
}

fn write_key(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
}

fn said(outcome: &Output) -> String {
    text(&outcome.stdout) + &text(&outcome.stderr)
}

/// What has a name in a directory.
#[derive(Clone, Debug, PartialEq)]
enum File {
    Bytes(Vec<u8>),
    Link(PathBuf),
    Directory,
    Fifo,
}

fn snapshot(directory: &Path) -> BTreeMap<String, File> {
    let look = |name: String| {
        let path = directory.join(&name);
        let kind = fs::symlink_metadata(&path).unwrap();
        let file = if kind.is_symlink() {
            File::Link(fs::read_link(path).unwrap())
        } else if kind.is_dir() {
            File::Directory
        } else if kind.file_type().is_fifo() {
            File::Fifo
        } else {
            File::Bytes(fs::read(path).unwrap())
        };
        (name, file)
    };
    names(directory).into_iter().map(look).collect()
}

const INVALID: &str = "signature-invalid";
const MISSING: &str = "signature-missing";
const NOT_A_FILE: &str = "not a regular file";
const ROLLED_BACK: &str = "rolled-back";
const TOO_LARGE: &str = "at most 1048576 are allowed";

/// What the thief does, and what the owner's program says to it.
type Tamper = fn(&Scene);

const TAMPERS: [(&str, &str, Tamper); 58] = [
    ("image and line", INVALID, |scene| scene.replace_image()),
    ("a hash", INVALID, |scene| {
        scene.edit(|list| list.replacen(&list[..64], &digest(b"evil"), 1));
    }),
    ("a line more", INVALID, |scene| {
        scene.write("zzz-1.x86-64.raw", b"evil");
        let line = format!("{}  zzz-1.x86-64.raw\n", digest(b"evil"));
        scene.edit(|list| list + &line);
    }),
    ("a line for a file of the owner", INVALID, |scene| {
        scene.edit(|list| format!("{list}{}  {KEYS}\n", digest(b"")));
    }),
    ("a line less", INVALID, |scene| {
        scene.edit(|list| list.split_inclusive('\n').skip(1).collect());
    }),
    ("an image less", INVALID, |scene| {
        scene.edit(|list| {
            let lines = list.split_inclusive('\n');
            lines.filter(|line| !line.contains("tool-2")).collect()
        });
    }),
    ("another order", INVALID, |scene| {
        scene.edit(|list| list.split_inclusive('\n').rev().collect());
    }),
    ("upper case", INVALID, |scene| {
        scene.edit(|list| {
            let (hash, rest) = list.split_at(64);
            hash.to_uppercase() + rest
        });
    }),
    ("binary mode", INVALID, |scene| {
        scene.edit(|list| list.replace("  ", " *"));
    }),
    ("a name", INVALID, |scene| {
        scene.edit(|list| list.replace("tool-2", "tool-9"));
    }),
    ("two hashes swapped", INVALID, |scene| {
        let (one, two) = (
            digest(&scene.read("tool-1.x86-64.raw")),
            digest(&scene.read(IMAGE)),
        );
        scene.edit(|list| {
            let list = list.replace(&one, "one").replace(&two, &one);
            list.replace("one", &two)
        });
    }),
    ("a comment", INVALID, |scene| {
        scene.edit(|list| format!("# a comment\n{list}"));
    }),
    ("a day", INVALID, |scene| {
        scene.edit(|list| format!("{}  BEST-BEFORE-2099-01-01\n{list}", digest(b"")));
    }),
    ("no newline at the end", INVALID, |scene| {
        scene.edit(|list| list.trim_end().to_owned());
    }),
    ("no list", INVALID, |scene| scene.remove(LIST)),
    ("an empty list", INVALID, |scene| scene.write(LIST, b"")),
    ("no signature", MISSING, |scene| scene.remove(SIGNATURE)),
    ("neither", MISSING, |scene| {
        scene.remove(LIST);
        scene.remove(SIGNATURE);
    }),
    ("no signature, and a changed list", MISSING, |scene| {
        scene.remove(SIGNATURE);
        scene.replace_image();
    }),
    ("garbage for a signature", INVALID, |scene| {
        scene.write(SIGNATURE, b"x")
    }),
    ("an empty signature", INVALID, |scene| {
        scene.write(SIGNATURE, b"")
    }),
    ("a signature cut short", INVALID, |scene| {
        let signature = scene.read(SIGNATURE);
        scene.write(SIGNATURE, &signature[..signature.len() - 1]);
    }),
    ("a signature of which a bit was changed", INVALID, |scene| {
        let mut signature = scene.read(SIGNATURE);
        *signature.last_mut().unwrap() ^= 1;
        scene.write(SIGNATURE, &signature);
    }),
    ("a key that is not published", INVALID, |scene| {
        scene.replace_image();
        scene.sign_as_thief();
    }),
    (
        "a key that is published beside the owner's",
        INVALID,
        |scene| {
            scene.replace_image();
            scene.sign_as_thief();
            let keys = [scene.read(KEYS), scene.thief.public().to_binary()].concat();
            scene.write(KEYS, &keys);
        },
    ),
    ("a key that is published instead", INVALID, |scene| {
        scene.replace_image();
        scene.sign_as_thief();
        scene.write(KEYS, &scene.thief.public().to_binary());
    }),
    ("keys that are none", KEYS, |scene| {
        scene.write(KEYS, b"no keys")
    }),
    ("the keys a link", NOT_A_FILE, |scene| scene.link(KEYS)),
    ("the list a link", NOT_A_FILE, |scene| scene.link(LIST)),
    ("the signature a directory", NOT_A_FILE, |scene| {
        scene.remove(SIGNATURE);
        fs::create_dir(scene.store().join(SIGNATURE)).unwrap();
    }),
    ("a change that looks half done", INVALID, |scene| {
        let list = scene.read(LIST);
        scene.replace_image();
        let changed = scene.read(LIST);
        scene.write(LIST, &list);
        scene.write(".sysext-build-next-list.tmp", &changed);
        scene.write(".sysext-build-committed.tmp", b"");
    }),
    ("a half-done change that is signed", INVALID, |scene| {
        let (list, signature) = (scene.read(LIST), scene.read(SIGNATURE));
        scene.replace_image();
        scene.sign_as_thief();
        scene.write(".sysext-build-next-list.tmp", &scene.read(LIST));
        scene.write(".sysext-build-next-signature.tmp", &scene.read(SIGNATURE));
        scene.write(".sysext-build-committed.tmp", b"");
        scene.write(KEYS, &scene.thief.public().to_binary());
        scene.write(LIST, &list);
        scene.write(SIGNATURE, &signature);
    }),
    ("an older list", ROLLED_BACK, |scene| {
        scene.put(&scene.older)
    }),
    (
        "an older list, and no image of the next",
        ROLLED_BACK,
        |scene| {
            scene.put(&scene.older);
            scene.remove(IMAGE);
        },
    ),
    ("an older list, and no keys", ROLLED_BACK, |scene| {
        scene.put(&scene.older);
        scene.remove(KEYS);
    }),
    ("an older list that looks half done", ROLLED_BACK, |scene| {
        scene.put_half_done(&scene.older);
    }),
    ("an older list with the last signature", INVALID, |scene| {
        scene.write(LIST, &scene.older[0]);
    }),
    ("the signature of an older list", INVALID, |scene| {
        scene.write(SIGNATURE, &scene.older[1]);
    }),
    ("the list of another store", ROLLED_BACK, |scene| {
        scene.put(&scene.other)
    }),
    (
        "the list of another store that looks half done",
        ROLLED_BACK,
        |scene| scene.put_half_done(&scene.other),
    ),
    ("no number", INVALID, |scene| scene.edit(without_number)),
    ("no number, and no signature", MISSING, |scene| {
        scene.edit(without_number);
        scene.remove(SIGNATURE);
    }),
    (
        "nothing that shows that it was signed",
        ROLLED_BACK,
        |scene| {
            scene.edit(without_number);
            scene.remove(SIGNATURE);
            scene.remove(KEYS);
        },
    ),
    ("a number alone", MISSING, |scene| {
        scene.replace_image();
        scene.remove(SIGNATURE);
        scene.remove(KEYS);
    }),
    ("a larger number", INVALID, |scene| {
        scene.edit(|list| list.replace("SERIAL-2-", "SERIAL-3-"));
    }),
    ("the largest number", INVALID, |scene| {
        scene.edit(|list| list.replace("SERIAL-2-", "SERIAL-999999999999999-"));
    }),
    ("two numbers", INVALID, |scene| {
        scene.edit(|list| {
            let number = list.lines().find(|line| line.contains("  SERIAL-"));
            let number = number.unwrap().replace("SERIAL-2-", "SERIAL-1-");
            format!("{number}\n{list}")
        });
    }),
    ("another list before it", INVALID, |scene| {
        scene.edit(|list| {
            let (before, after) = list.split_once("  SERIAL-").unwrap();
            let kept = &before[..before.len() - 64];
            format!("{kept}{}  SERIAL-{after}", digest(b"evil"))
        });
    }),
    ("all but the keys gone", MISSING, |scene| {
        for name in names(&scene.store()) {
            if name != KEYS {
                scene.remove(&name);
            }
        }
    }),
    ("all but the images gone", ROLLED_BACK, |scene| {
        for name in [LIST, SIGNATURE, KEYS] {
            scene.remove(name);
        }
    }),
    ("the list a FIFO", NOT_A_FILE, |scene| scene.fifo(LIST)),
    ("the signature a FIFO", NOT_A_FILE, |scene| {
        scene.fifo(SIGNATURE)
    }),
    ("the keys a FIFO", NOT_A_FILE, |scene| scene.fifo(KEYS)),
    ("the list a directory", NOT_A_FILE, |scene| {
        scene.directory(LIST)
    }),
    ("the signature a link", NOT_A_FILE, |scene| {
        scene.link(SIGNATURE)
    }),
    ("bytes that are no text", INVALID, |scene| {
        scene.write(LIST, &[scene.read(LIST), vec![0xff, 0]].concat());
    }),
    ("a signature without end", TOO_LARGE, |scene| {
        scene.write(SIGNATURE, &vec![0; (1 << 20) + 1]);
    }),
    (
        "the owner's signature behind the thief's",
        INVALID,
        |scene| {
            let owners = scene.read(SIGNATURE);
            scene.replace_image();
            scene.sign_as_thief();
            scene.write(SIGNATURE, &[scene.read(SIGNATURE), owners].concat());
        },
    ),
];

/// Takes the line with its number off a list.
fn without_number(list: String) -> String {
    (list.split_inclusive('\n'))
        .filter(|line| !line.contains("  SERIAL-"))
        .collect()
}

#[test(program("gpg"))]
fn what_a_thief_wrote_is_never_signed() {
    let scene = Scene::new();
    let clean = snapshot(&scene.store());
    for (about, expected, tamper) in TAMPERS {
        scene.reset(&clean);
        tamper(&scene);
        let before = snapshot(&scene.store());
        assert_ne!(before, clean, "{about}");
        for (change, outcome) in scene.changes(&scene.signed_by("owner")) {
            let said = said(&outcome);
            assert_eq!(outcome.status.code(), Some(1), "{about}, {change}: {said}");
            assert!(said.contains(expected), "{about}, {change}: {said}");
            assert_eq!(
                snapshot(&scene.store()),
                before,
                "{about}, {change}: {said}"
            );
        }
        // Without a key nothing is listed either, whatever was removed.
        let outcome = scene.build("3", &[]);
        assert_eq!(outcome.status.code(), Some(1), "{about}");
        assert!(said(&outcome).contains("is signed"), "{about}");
        assert_eq!(snapshot(&scene.store()), before, "{about}");
    }
}

#[test(program("gpg"))]
fn what_is_in_order_goes_on() {
    let scene = Scene::new();
    let clean = snapshot(&scene.store());
    let owner = scene.signed_by("owner");
    let goods: [(&str, Tamper); 4] = [
        ("nothing", |_| {}),
        ("the keys removed", |scene| scene.remove(KEYS)),
        ("a file beside", |scene| {
            scene.write("zzz-1.x86-64.raw", b"evil")
        }),
        // The list had not got its name when a process was killed.
        ("between the renames", |scene| {
            scene.write(".sysext-build-next-list.tmp", &scene.read(LIST));
            scene.write(".sysext-build-committed.tmp", b"");
            scene.edit(|list| list.split_inclusive('\n').skip(1).collect());
        }),
    ];
    for (about, tamper) in goods {
        scene.reset(&clean);
        scene.forget();
        tamper(&scene);
        for (change, outcome) in scene.changes(&owner) {
            assert!(
                outcome.status.success(),
                "{about}, {change}: {}",
                said(&outcome)
            );
        }
        let found = scene.verify();
        assert!(
            found.contains(&format!("signed    by key {OWNER}")),
            "{about}: {found}"
        );
        let list = text(&scene.read(LIST));
        assert!(!list.contains("zzz"), "{about}: {list}");
    }
    // The repair of what a kill left needs no key.
    scene.reset(&clean);
    scene.forget();
    goods[3].1(&scene);
    let outcome = scene.verb(&["verify", "--fix"], &[]);
    assert!(said(&outcome).contains("repaired  half-published"));
    assert!(scene.verb(&["verify"], &[]).status.success());
    let mut repaired = clean;
    repaired.remove(".sysext-build-7-0.tmp");
    assert_eq!(snapshot(&scene.store()), repaired);
}

#[test(program("gpg"))]
fn a_list_is_blessed_by_name_alone() {
    let scene = Scene::new();
    let owner = scene.signed_by("owner");
    scene.replace_image();
    let refused = said(&scene.build("3", &owner));
    let store = scene.store();
    for hint in [
        format!("sysext-build store verify {}", store.display()),
        format!(
            "sysext-build store sign --sign-key FILE {}",
            store.display()
        ),
    ] {
        assert!(refused.contains(&hint), "{refused}");
    }
    let signed = scene.verb(&["sign"], &owner);
    assert!(signed.status.success(), "{}", said(&signed));
    let words = text(&signed.stdout);
    assert!(words.contains("was not validly signed before"), "{words}");
    assert!(words.contains("vouches for 4 lines"), "{words}");
    assert!(words.contains(&format!("\n  {IMAGE}\n")), "{words}");
    assert!(scene.build("3", &owner).status.success());
    // Of its own list there is nothing to say.
    let signed = text(&scene.verb(&["sign"], &owner).stdout);
    assert_eq!(signed.lines().count(), 1, "{signed}");

    // A store that was not signed: its lines are named, and counted in a build.
    for name in [SIGNATURE, KEYS] {
        scene.remove(name);
    }
    scene.edit(without_number);
    scene.forget();
    let built = scene.build("4", &owner);
    assert!(built.status.success(), "{}", said(&built));
    assert!(said(&built).contains("first-signature"), "{}", said(&built));
}

#[test(program("gpg"))]
fn a_new_key_has_to_be_said() {
    let scene = Scene::new();
    let clean = snapshot(&scene.store());
    let next = scene.signed_by("thief");
    let new_key = [next.clone(), vec!["--new-key".into()]].concat();
    let print = scene.thief.fingerprint();
    let sign = |more: &[OsString]| scene.verb(&["sign"], more);
    for (change, outcome) in scene
        .changes(&next)
        .into_iter()
        .chain([("sign", sign(&next))])
    {
        let said = said(&outcome);
        assert_eq!(outcome.status.code(), Some(1), "{change}: {said}");
        for word in [OWNER, &print, "--new-key", "publish the new key first"] {
            assert!(said.contains(word), "{change}: {said}");
        }
        assert_eq!(snapshot(&scene.store()), clean, "{change}");
    }
    let outcome = sign(&new_key);
    assert!(outcome.status.success(), "{}", said(&outcome));
    assert!(said(&outcome).contains(&format!("was signed by key {OWNER}")));
    assert!(scene.build("3", &next).status.success());
    assert_eq!(
        scene.build("4", &scene.signed_by("owner")).status.code(),
        Some(1)
    );
    // Who signs, and whom clients trust that take all keys.
    let found = scene.verify();
    assert!(
        found.contains(&format!("signed    by key {print}")),
        "{found}"
    );
    let other = format!("note      other-key: {KEYS} has key {OWNER}");
    assert!(found.contains(&other), "{found}");
    // What nobody vouches for needs a word of its own, no matter who signs.
    scene.replace_image();
    let outcome = scene.build("4", &new_key);
    assert!(said(&outcome).contains(INVALID), "{}", said(&outcome));
}

/// Somebody publishes a key beside the owner's, and signs with it: no change of keys takes that over.
#[test(program("gpg"))]
fn a_change_of_keys_takes_over_the_owners_list_alone() {
    let scene = Scene::new();
    // The owner is about to change to the key that this test calls the owner's.
    let owner = scene.signed_by("owner");
    let new_key = [owner.clone(), vec!["--new-key".into()]].concat();
    scene.replace_image();
    scene.edit(|list| list.replace("SERIAL-2-", "SERIAL-3-"));
    scene.sign_as_thief();
    let keys = [scene.read(KEYS), scene.thief.public().to_binary()].concat();
    scene.write(KEYS, &keys);
    let before = snapshot(&scene.store());
    let found = scene.verify();
    let error = format!("and key {OWNER} has signed here before");
    assert!(found.contains(&error), "{found}");
    for (change, outcome) in
        (scene.changes(&new_key).into_iter()).chain([("sign", scene.verb(&["sign"], &new_key))])
    {
        assert_eq!(
            outcome.status.code(),
            Some(1),
            "{change}: {}",
            said(&outcome)
        );
        assert_eq!(snapshot(&scene.store()), before, "{change}");
    }
    // Where nothing is remembered, it is said at the least.
    scene.forget();
    let strict = [new_key, vec!["--strict".into()]].concat();
    let outcome = scene.build("3", &strict);
    let words = format!("was signed by key {}", scene.thief.fingerprint());
    assert_eq!(outcome.status.code(), Some(1), "{}", said(&outcome));
    assert!(said(&outcome).contains(&words), "{}", said(&outcome));
    assert_eq!(snapshot(&scene.store()), before);
}

/// Beside the directories that the owner has signed, one that was never signed is not the owner's.
#[test(program("gpg"))]
fn a_planted_directory_is_not_signed_with_the_others() {
    let scene = Scene::new();
    let owner = scene.signed_by("owner");
    let root = scene.scratch.join("many");
    fs::create_dir(&root).unwrap();
    fs::rename(scene.store(), root.join("tool")).unwrap();
    // What a build without a key makes, put there by somebody else.
    let build = |output: &Path, more: &[OsString]| {
        let outcome = scene
            .program()
            .args([
                "--name",
                "evil",
                "--match",
                "any",
                "--allow",
                "unchecked-base",
                "--image-version",
                "1",
            ])
            .arg("--os-release")
            .arg(os_release("tumbleweed"))
            .arg("-o")
            .arg(output)
            .arg(fixture("hello-sysext-1.0-1.x86_64.rpm"))
            .args(more)
            .output();
        outcome.unwrap()
    };
    assert!(build(&root.join("evil"), &[]).status.success());
    let strict = ["--layout", "per-name", "--strict"].map(OsString::from);
    let outcome = build(&root, &[owner.clone(), strict.to_vec()].concat());
    assert_eq!(outcome.status.code(), Some(1), "{}", said(&outcome));
    assert!(
        said(&outcome).contains("first-signature"),
        "{}",
        said(&outcome)
    );
    for verb in [
        &["sysupdate", "--url", "https://example.org/sysext"][..],
        &["prune", "--keep", "1"],
    ] {
        let outcome = scene
            .program()
            .args(["store", verb[0]])
            .arg(&root)
            .args(&verb[1..])
            .args(&owner)
            .output()
            .unwrap();
        let said = said(&outcome);
        assert_eq!(outcome.status.code(), Some(1), "{}: {said}", verb[0]);
        assert!(said.contains("evil is not signed by this key"), "{said}");
        assert!(!root.join("evil/SHA256SUMS.gpg").exists(), "{}", verb[0]);
    }
}

/// Definitions say Verify=no only of stores that never were signed.
#[test(program("gpg"))]
fn protection_never_goes_down() {
    let scene = Scene::new();
    // The list's own number is left, at the least.
    for removed in [SIGNATURE, KEYS] {
        scene.remove(removed);
        for verb in ["sysupdate", "page"] {
            let outcome = scene.verb(&[verb, "--url", "https://example.org/sysext"], &[]);
            let said = said(&outcome);
            assert_eq!(outcome.status.code(), Some(1), "{verb}, {removed}: {said}");
            assert!(said.contains(MISSING), "{verb}, {removed}: {said}");
        }
        let found = scene.verify();
        assert!(found.contains("error     signature-missing"), "{found}");
    }
}

/// No page tells people to trust a key that took the place of the owner's.
#[test(program("gpg"))]
fn a_page_has_the_fingerprint_that_is_remembered() {
    let scene = Scene::new();
    let page = || scene.verb(&["page", "--url", "https://example.org/sysext"], &[]);
    assert!(page().status.success(), "{}", said(&page()));
    scene.sign_as_thief();
    scene.write(KEYS, &scene.thief.public().to_binary());
    let outcome = page();
    let (said, thief) = (said(&outcome), scene.thief.fingerprint());
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    let expected = format!("is by key {thief}, and key {OWNER} has signed here before");
    assert!(said.contains(&expected), "{said}");
    let page = String::from_utf8(scene.read("index.html")).unwrap();
    assert!(page.contains(&OWNER[..4]) && !page.contains(&thief[..12]));
    // Where nobody remembers, the signature is all that there is.
    scene.forget();
    assert!(
        scene
            .verb(&["page", "--url", "https://example.org/sysext"], &[])
            .status
            .success()
    );
}

/// Who gives the key that signs means that no other counts.
#[test(program("gpg"))]
fn a_list_is_verified_by_the_key_that_is_given() {
    let scene = Scene::new();
    let owner = scene.signed_by("owner");
    // What a killed process left goes first.
    scene.verb(&["verify", "--fix"], &owner);
    let outcome = scene.verb(&["verify", "--fix"], &owner);
    assert!(outcome.status.success(), "{}", said(&outcome));
    let printed = String::from_utf8(outcome.stdout).unwrap();
    assert!(printed.starts_with("repaired  nothing\n"), "{printed}");
    scene.sign_as_thief();
    scene.write(KEYS, &scene.thief.public().to_binary());
    scene.forget();
    assert!(scene.verb(&["verify"], &[]).status.success());
    let outcome = scene.verb(&["verify"], &owner);
    assert_eq!(outcome.status.code(), Some(1));
    let printed = String::from_utf8(outcome.stdout).unwrap();
    assert!(printed.contains("signature-invalid"), "{printed}");
}

/// Whatever `SOURCE_DATE_EPOCH` says, a day that is over is over.
#[test]
fn a_day_is_judged_by_the_clock() {
    let scratch = Scratch::new();
    let rpm = fixture("hello-sysext-1.0-1.x86_64.rpm");
    let build = |day: &str| {
        program()
            .env("SOURCE_DATE_EPOCH", "1700000001")
            .args([
                "--match",
                "any",
                "--allow",
                "unchecked-base",
                "--best-before",
                day,
                "-o",
            ])
            .arg(scratch.join("store"))
            .arg("--os-release")
            .arg(os_release("tumbleweed"))
            .arg(&rpm)
            .output()
            .unwrap()
    };
    let refused = build("2024-01-01");
    assert_eq!(refused.status.code(), Some(1));
    assert!(
        said(&refused).contains("2024-01-01 is over"),
        "{}",
        said(&refused)
    );
    assert!(!scratch.join("store").exists());
    assert!(build("2099-01-01").status.success());
    let list = scratch.join("store/SHA256SUMS");
    let changed = text(&fs::read(&list).unwrap()).replace("2099", "2024");
    fs::write(&list, changed).unwrap();
    let outcome = run([
        "store",
        "verify",
        "--json",
        scratch.join("store").to_str().unwrap(),
    ]);
    let findings = json(&outcome)["directories"][0]["findings"].clone();
    assert!(
        findings
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["id"] == "best-before-over"),
        "{findings}"
    );
}

/// What `verify` says of who signed, and a list that was put back on purpose.
#[test(program("gpg"))]
fn an_older_list_is_put_back_on_purpose() {
    let scene = Scene::new();
    let owner = scene.signed_by("owner");
    let found = scene.verify();
    let signed = format!("signed    by key {OWNER} on ");
    assert!(found.contains(&signed), "{found}");
    assert!(found.contains(", list 2 of store "), "{found}");
    scene.put(&scene.older);
    let found = scene.verify();
    let error = "error     rolled-back: SHA256SUMS is list 1, and list 2 of this store was signed here before";
    assert!(found.contains(error), "{found}");
    // Elsewhere the store is known by its own name.
    let elsewhere = scene.scratch.join("mirror");
    fs::rename(scene.store(), &elsewhere).unwrap();
    let verify = |state: &str| {
        let outcome = program()
            .args(["store", "verify", "--state-dir"])
            .arg(scene.scratch.join(state))
            .arg(&elsewhere)
            .output();
        text(&outcome.unwrap().stdout)
    };
    assert!(verify("state/sysext-build").contains("rolled-back"));
    assert!(!verify("nothing").contains("rolled-back"));
    fs::rename(&elsewhere, scene.store()).unwrap();

    let refused = scene.build("3", &owner);
    let hint = format!(
        "sysext-build store sign --restored --sign-key FILE {}",
        scene.store().display()
    );
    assert!(said(&refused).contains(&hint), "{}", said(&refused));
    let restored = scene.verb(&["sign", "--restored"], &owner);
    assert!(restored.status.success(), "{}", said(&restored));
    let found = scene.verify();
    assert!(found.contains(", list 3 of store "), "{found}");
    assert!(scene.build("3", &owner).status.success());
}

/// One key gives way to the next: published beside, signing, alone.
#[test(program("gpg"))]
fn a_key_is_rotated_in_three_steps() {
    let scene = Scene::new();
    let (owner, next) = (scene.signed_by("owner"), scene.signed_by("thief"));
    let public = scene.scratch.join("next.gpg");
    fs::write(&public, scene.thief.public().to_binary()).unwrap();
    let print = scene.thief.fingerprint();
    let keys = || {
        let keyring = openpgp::Keyring::parse(&scene.read(KEYS), "").unwrap();
        let mut prints: Vec<_> = (keyring.keys().into_iter())
            .map(|key| key.fingerprint)
            .collect();
        prints.sort();
        prints
    };
    let mut both = vec![OWNER.to_owned(), print.clone()];
    both.sort();
    for (step, arguments, by, published) in [
        (
            vec!["sign", "--add-key", public.to_str().unwrap()],
            &owner,
            OWNER,
            both.clone(),
        ),
        (vec!["sign", "--new-key"], &next, print.as_str(), both),
        (
            vec!["sign", "--drop-key", OWNER],
            &next,
            print.as_str(),
            vec![print.clone()],
        ),
    ]
    .map(|(step, key, by, published)| (step.join(" "), (step, key), by, published))
    {
        let outcome = scene.verb(&arguments.0, arguments.1);
        assert!(outcome.status.success(), "{step}: {}", said(&outcome));
        assert!(scene.verify().contains(&format!("by key {by} ")), "{step}");
        assert_eq!(keys(), published, "{step}");
    }
    // The key that is gone signs no more.
    let outcome = scene.build("3", &owner);
    assert_eq!(outcome.status.code(), Some(1), "{}", said(&outcome));
    // Nor can the one that signs go; nothing changes.
    let before = snapshot(&scene.store());
    let outcome = scene.verb(&["sign", "--drop-key", &print], &next);
    assert_eq!(outcome.status.code(), Some(1), "{}", said(&outcome));
    assert_eq!(snapshot(&scene.store()), before);
}

/// A store that is gone begins again, with a word; where that can't be noted, too.
#[test(program("gpg"))]
fn what_is_noted_about_a_signed_store() {
    let scene = Scene::new();
    let owner = scene.signed_by("owner");
    fs::remove_dir_all(scene.store()).unwrap();
    let strict = [owner.clone(), vec!["--strict".into()]].concat();
    let outcome = scene.build("3", &strict);
    assert_eq!(outcome.status.code(), Some(1), "{}", said(&outcome));
    assert!(said(&outcome).contains("store-gone"), "{}", said(&outcome));
    let outcome = scene.build("3", &owner);
    assert!(outcome.status.success(), "{}", said(&outcome));
    assert!(
        said(&outcome).contains("and list 2 of store "),
        "{}",
        said(&outcome)
    );
    assert!(scene.verify().contains(", list 1 of store "));

    // Another machine, and one where nothing can be noted.
    scene.forget();
    let strict = scene.build("4", &[owner.clone(), vec!["--strict".into()]].concat());
    assert_eq!(strict.status.code(), Some(1), "{}", said(&strict));
    let words = "of which nothing is noted here: an older one would look the same";
    assert!(said(&strict).contains(words), "{}", said(&strict));
    let homeless = scene
        .program()
        .env_remove("HOME")
        .env_remove("XDG_STATE_HOME")
        .args(["store", "prune", "--keep", "9"])
        .arg(scene.store())
        .args(&owner)
        .output()
        .unwrap();
    let words = "neither HOME nor XDG_STATE_HOME is set";
    assert!(said(&homeless).contains(words), "{}", said(&homeless));
    let nowhere = ["--state-dir".into(), "/proc/nowhere/state".into()];
    let outcome = scene.build("4", &[owner, nowhere.to_vec()].concat());
    assert!(outcome.status.success(), "{}", said(&outcome));
    assert!(
        said(&outcome).contains("not-remembered"),
        "{}",
        said(&outcome)
    );
}

/// A list that is gone is put back, and not signed as an empty one.
#[test(program("gpg"))]
fn a_lost_list_is_not_vouched_for() {
    let scene = Scene::new();
    scene.remove(LIST);
    let found = scene.verify();
    let error = "error     signature-invalid: SHA256SUMS.gpg is there, and SHA256SUMS is gone";
    assert!(found.contains(error), "{found}");
    let before = snapshot(&scene.store());
    for more in [&["sign"][..], &["sign", "--restored"]] {
        let outcome = scene.verb(more, &scene.signed_by("owner"));
        assert_eq!(outcome.status.code(), Some(1), "{}", said(&outcome));
    }
    assert_eq!(snapshot(&scene.store()), before);
}
