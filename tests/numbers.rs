//! Build numbers that follow what an image is built from.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::process::{Command, Output};

use serde_json::Value;

use crate::base::base;
use crate::workshop::{PACKAGERS, Scratch, fixture, names, output_of, program, text};

const NOARCH: &str = "hello-noarch-0.5^git3-1.noarch.rpm";
const ONE: &str = "clash-one-1-1.noarch.rpm";

/// Recipes in a directory, and a store.
struct Kitchen(Scratch);

impl Kitchen {
    fn new() -> Self {
        let scratch = Scratch::new();
        for name in [NOARCH, ONE] {
            fs::copy(fixture(name), scratch.join(name)).unwrap();
        }
        fs::create_dir_all(scratch.join("tree/usr/share")).unwrap();
        fs::write(scratch.join("tree/usr/share/note"), "one").unwrap();
        Self(scratch)
    }

    /// Writes a recipe for any system.
    fn recipe(&self, name: &str, text: &str) {
        let head = "match = \"any\"\narch = \"x86-64\"\n";
        let allow = "[[allow]]\nfinding = \"unchecked-base\"\nreason = \"no base\"\n";
        let text = format!("{head}name = \"{name}\"\nversion = \"1\"\n{text}\n{allow}");
        fs::write(self.0.join(&format!("{name}.toml")), text).unwrap();
    }

    fn run(&self, arguments: &[&str], epoch: Option<&str>) -> Output {
        let mut command = program();
        if let Some(epoch) = epoch {
            command.env("SOURCE_DATE_EPOCH", epoch);
        }
        command
            .args(["-o", "store"])
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    /// Builds, and returns what was said.
    fn build(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments, None);
        let said = text(&outcome.stderr);
        assert!(outcome.status.success(), "{arguments:?}: {said}");
        said
    }

    fn images(&self) -> Vec<String> {
        let mut images = names(&self.0.join("store"));
        images.retain(|name| name.ends_with(".raw"));
        images
    }

    /// Returns what the store has: the bytes of each file, and when it was last changed.
    fn store(&self) -> BTreeMap<String, (Vec<u8>, u64, i64)> {
        let store = self.0.join("store");
        let of = |name: String| {
            let path = store.join(&name);
            let data = path.metadata().unwrap();
            (
                name,
                (fs::read(&path).unwrap(), data.ino(), data.mtime_nsec()),
            )
        };
        names(&store).into_iter().map(of).collect()
    }
}

const TREE: &str = "overlay = \"tree\"\n";

#[test]
fn an_image_gets_a_number_when_it_is_built_from_something_else() {
    let kitchen = Kitchen::new();
    let packages = |names: &[&str]| format!("{TREE}packages = {names:?}");
    kitchen.recipe("a", &packages(&[NOARCH]));
    kitchen.recipe("b", "packages = [\"clash-one-1-1.noarch.rpm\"]");
    let both = ["a.toml", "b.toml"];
    kitchen.build(&both);
    assert_eq!(kitchen.images(), ["a-1.x86-64.raw", "b-1.x86-64.raw"]);

    // Nothing has changed: the store stays as it is.
    let before = kitchen.store();
    for arguments in [
        &both[..],
        &["--dry-run", "a.toml", "b.toml"],
        &["-j1", "a.toml"],
    ] {
        let said = kitchen.build(arguments);
        let line = "store     store/a-1.x86-64.raw  unchanged: built from the same\n";
        assert!(said.contains(line), "{said}");
        assert!(!said.contains("pack "), "{said}");
    }
    assert_eq!(kitchen.store(), before);

    // Each change of one image gives it the next number, and says what is another.
    type Change<'a> = (&'a str, Box<dyn Fn() + 'a>, &'a [&'a str], &'a str);
    let nothing = || Box::new(|| ());
    let changes: [Change<'_>; 8] = [
        (
            "a-1.1.x86-64.raw",
            Box::new(|| fs::write(kitchen.0.join("tree/usr/share/note"), "two").unwrap()),
            &[],
            "number    1.1: the overlay\n",
        ),
        (
            "a-1.2.x86-64.raw",
            Box::new(|| kitchen.recipe("a", &packages(&[NOARCH, ONE]))),
            &[],
            "number    1.2: clash-one.noarch 1-1 is new\n",
        ),
        (
            "a-1.3.x86-64.raw",
            nothing(),
            &["--compression", "gzip:1", "--block-size", "4K"],
            "number    1.3: compression gzip:1, was zstd:6\nnumber    1.3: block-size 4096, was 1048576\n",
        ),
        (
            "a-1.4.x86-64.raw",
            Box::new(|| kitchen.recipe("a", &packages(&[NOARCH]))),
            &[],
            "number    1.4: clash-one.noarch 1-1 is gone\nnumber    1.4: compression zstd:6, was gzip:1\n",
        ),
        // The same as 1.1: it is another than the newest.
        (
            "a-1.5.x86-64.raw",
            Box::new(|| fs::write(kitchen.0.join("tree/usr/share/note"), "one").unwrap()),
            &[],
            "number    1.5: the overlay\n",
        ),
        (
            "a-1.6.x86-64.raw",
            nothing(),
            &["--scope", "portable"],
            "number    1.6: SYSEXT_SCOPE portable, was system\n",
        ),
        (
            "a-1.7.x86-64.raw",
            nothing(),
            &[
                "--scope",
                "portable",
                "--sysupdate-url",
                "https://example.org/x",
                "--sysupdate-verify",
                "no",
            ],
            "number    1.7: the definition of its updates\n",
        ),
        (
            "a-1.8.x86-64.raw",
            Box::new(|| {
                let note = kitchen.0.join("tree/usr/share/note");
                fs::set_permissions(note, fs::Permissions::from_mode(0o755)).unwrap();
            }),
            &[],
            "number    1.8: modes of the overlay\n",
        ),
    ];
    for (image, change, arguments, expected) in changes {
        change();
        let arguments = [&["a.toml"][..], arguments].concat();
        let foretold = kitchen.build(&[&["--dry-run"], &arguments[..]].concat());
        assert!(foretold.contains(expected), "{image}: {foretold}");
        assert!(!kitchen.images().iter().any(|name| name == image));
        let said = kitchen.build(&arguments);
        assert!(said.contains(expected), "{image}: {said}");
        assert!(kitchen.images().iter().any(|name| name == image), "{said}");
        // Once more, and nothing is built.
        let said = kitchen.build(&arguments);
        assert!(
            said.contains(&format!("store/{image}  unchanged")),
            "{said}"
        );
    }
    let said = kitchen.build(&["b.toml"]);
    assert!(said.contains("store/b-1.x86-64.raw  unchanged"), "{said}");
    assert_eq!(kitchen.images().len(), 10);
    for (name, (bytes, ..)) in before.iter().filter(|(name, _)| name.ends_with(".raw")) {
        assert!(kitchen.store()[name].0 == *bytes, "{name}");
    }
}

/// Where images come from elsewhere, or are gone, nothing is taken for granted.
#[test]
fn what_is_not_known_is_built() {
    let kitchen = Kitchen::new();
    kitchen.recipe("a", TREE);
    kitchen.build(&["a.toml"]);
    let store = kitchen.0.join("store");
    let manifest = store.join("a-1.x86-64.manifest.gz");
    let listed = fs::read(&manifest).unwrap();

    // A manifest that is not the listed one says nothing.
    fs::write(&manifest, "").unwrap();
    let said = kitchen.run(&["a.toml"], None);
    assert!(!said.status.success());
    let said = text(&said.stderr);
    assert!(
        said.contains("does not have the SHA-256 that is listed"),
        "{said}"
    );
    fs::write(&manifest, &listed).unwrap();

    // An image that is gone is built under the next name.
    fs::remove_file(store.join("a-1.x86-64.raw")).unwrap();
    let said = kitchen.build(&["a.toml"]);
    let expected = "number    1.1: a-1.x86-64.raw or its manifest is not in the store whole\n";
    assert!(said.contains(expected), "{said}");
    assert_eq!(kitchen.images(), ["a-1.1.x86-64.raw"]);

    // So is one that is cut off.
    let image = store.join("a-1.1.x86-64.raw");
    let whole = fs::read(&image).unwrap();
    for length in [0, 100, whole.len() - 4000] {
        fs::write(&image, &whole[..length]).unwrap();
        let said = kitchen.build(&["--dry-run", "a.toml"]);
        let expected =
            "number    1.2: a-1.1.x86-64.raw or its manifest is not in the store whole\n";
        assert!(said.contains(expected), "{length}: {said}");
    }
}

/// What an image is built from is a set: only the first package, after which it is called, has a
/// place.
#[test]
fn the_order_of_packages_is_no_change() {
    let kitchen = Kitchen::new();
    for packages in [[NOARCH, ONE], [ONE, NOARCH]] {
        kitchen.recipe("a", &format!("packages = {packages:?}"));
        kitchen.build(&["a.toml"]);
    }
    assert_eq!(kitchen.images(), ["a-1.x86-64.raw"]);
}

/// Clients that have an image never fetch its name again, so no other one gets it.
#[test]
fn the_name_of_an_image_that_was_taken_back_is_used_up() {
    let kitchen = Kitchen::new();
    kitchen.recipe("a", TREE);
    kitchen.build(&["a.toml"]);
    kitchen.build(&["a.toml", "--block-size", "4K"]);
    let remove = |name: &str| {
        let mut command = program();
        command.args(["store", "remove", "--empty", "store", name]);
        let outcome = command.current_dir(kitchen.0.path()).output().unwrap();
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    };
    remove("a-1.1.x86-64.raw");
    assert_eq!(kitchen.images(), ["a-1.x86-64.raw"]);

    // Not under its name, and the same goes back to it.
    let other = ["a.toml", "--build-number", "1", "--block-size", "8K"];
    let outcome = kitchen.run(&other, None);
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(
        said.contains("error: a-1.1.x86-64.raw was taken back from store, "),
        "{said}"
    );
    kitchen.build(&["a.toml", "--build-number", "1", "--block-size", "4K"]);
    let said = kitchen.build(&["a.toml", "--block-size", "4K"]);
    assert!(said.contains("store/a-1.1.x86-64.raw  unchanged"), "{said}");

    remove("a");
    assert_eq!(kitchen.images(), [""; 0]);
    let said = kitchen.build(&["a.toml"]);
    assert!(
        said.contains("number    1.2: a-1.1.x86-64.raw was taken back\n"),
        "{said}"
    );
    assert_eq!(kitchen.images(), ["a-1.2.x86-64.raw"]);
    let outcome = program()
        .args(["store", "verify"])
        .arg(kitchen.0.join("store"))
        .output();
    let said = text(&outcome.unwrap().stdout);
    assert!(
        said.contains("store: 1 image, ") && said.contains("1 finding"),
        "{said}"
    );
}

/// Nothing is built, and the list is renewed all the same, or refused for its day.
#[test]
fn an_image_that_is_kept_does_not_keep_its_list_from_a_day_and_a_signature() {
    let kitchen = Kitchen::new();
    kitchen.recipe("a", TREE);
    kitchen.build(&["a.toml"]);
    let list = kitchen.0.join("store/SHA256SUMS");
    kitchen.build(&["a.toml", "--best-before", "2999-01-01"]);
    let listed = fs::read_to_string(&list).unwrap();
    assert!(listed.contains("BEST-BEFORE-2999-01-01"), "{listed}");

    // A list whose last day is over.
    let over = listed.replace("2999-01-01", "2024-01-01");
    fs::write(&list, &over).unwrap();
    for dry in [&["--dry-run"][..], &[]] {
        let outcome = kitchen.run(&[&["a.toml"], dry].concat(), None);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{dry:?} {said}");
        assert!(said.contains("2024-01-01"), "{said}");
    }
    kitchen.build(&["a.toml", "--best-before", "2999-01-02"]);

    // The first signature, and what then needs the key.
    let key = kitchen.0.join("key");
    fs::copy(fixture("keys/test.secret.asc"), &key).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
    let said = kitchen.build(&["a.toml", "--sign-key", "key"]);
    assert!(
        said.contains("unchanged: built from the same\nsign  "),
        "{said}"
    );
    assert!(kitchen.0.join("store/SHA256SUMS.gpg").exists());
    let before = kitchen.store();
    for dry in [&["--dry-run"][..], &[]] {
        let outcome = kitchen.run(&[&["a.toml"], dry].concat(), None);
        assert_eq!(outcome.status.code(), Some(1), "{dry:?}");
    }
    let said = kitchen.build(&["a.toml", "--sign-key", "key"]);
    assert!(!said.contains("sign  "), "{said}");
    assert_eq!(kitchen.store(), before);
}

#[test]
fn numbers_may_be_given_or_left_out() {
    let kitchen = Kitchen::new();
    kitchen.recipe("a", TREE);
    for (arguments, image) in [
        (&["--build-number", "none"][..], "a-1.x86-64.raw"),
        (&["--build-number", "29.1"], "a-1.29.1.x86-64.raw"),
        (
            &["--build-number", "auto", "--block-size", "4K"],
            "a-1.30.x86-64.raw",
        ),
    ] {
        kitchen.build(&[&["a.toml"], arguments].concat());
        assert!(kitchen.images().iter().any(|name| name == image), "{image}");
    }
    // The same name and other bytes: as ever.
    let taken = kitchen.run(&["a.toml", "--build-number", "30"], None);
    assert_eq!(taken.status.code(), Some(1), "{}", text(&taken.stderr));
    // The service counts where it publishes.
    let outcome = kitchen.run(&["a.toml", "--obs", "--build-number", "auto"], None);
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(2), "{said}");
    assert!(said.contains("--build-number \"$BUILD_RELEASE\""), "{said}");

    // Without a recipe, no number unless it is asked for.
    fn of<'a>(more: &[&'a str]) -> Vec<&'a str> {
        let rpm = [NOARCH, "--match", "any", "--arch", "x86-64", "--name", "x"];
        let loose = ["--allow", "unchecked-base", "--image-version", "2"];
        [&rpm[..], &loose, more].concat()
    }
    kitchen.build(&of(&[]));
    let other = kitchen.run(&of(&["--block-size", "4K"]), None);
    assert!(!other.status.success());
    kitchen.build(&of(&["--block-size", "4K", "--build-number", "auto"]));
    assert!(
        kitchen
            .images()
            .iter()
            .any(|name| name == "x-2.1.x86-64.raw")
    );
}

/// The time of the newest package is in the image: `SOURCE_DATE_EPOCH` takes its place.
#[test]
fn the_time_that_is_given_is_part_of_what_an_image_is_built_from() {
    let kitchen = Kitchen::new();
    kitchen.recipe("a", TREE);
    for (epoch, expected) in [
        ("1000", "added to"),
        ("1000", "unchanged: built from the same"),
        ("2000", "number    1.1: source-date-epoch 2000, was 1000\n"),
    ] {
        let outcome = kitchen.run(&["a.toml"], Some(epoch));
        let said = text(&outcome.stderr);
        assert!(
            outcome.status.success() && said.contains(expected),
            "{said}"
        );
    }
}

#[test]
fn json_says_what_was_done() {
    let kitchen = Kitchen::new();
    kitchen.recipe("a", TREE);
    let of = |arguments: &[&str]| -> Value {
        let outcome = kitchen.run(&[&["--json", "a.toml"], arguments].concat(), None);
        serde_json::from_slice(&outcome.stdout).unwrap()
    };
    let built = of(&[]);
    assert_eq!(built["result"]["added"], "new");
    assert_eq!(built["changes"], Value::Null);
    for arguments in [&[][..], &["--dry-run"]] {
        let kept = of(arguments);
        assert_eq!(kept["result"]["added"], "unchanged");
        assert_eq!(kept["result"]["sha256"], built["result"]["sha256"]);
        assert_eq!(kept["version"], "1");
    }
    let next = of(&["--block-size", "8K"]);
    assert_eq!(next["result"]["added"], "new");
    assert_eq!(next["version"], "1.1");
    assert_eq!(
        next["changes"],
        serde_json::json!(["block-size 8192, was 1048576"])
    );
}

/// The image is as it was, and the base is not: what no longer works there is said, though nothing
/// is built.
#[test(PACKAGERS)]
fn an_image_that_is_kept_is_judged_by_the_base_of_today() {
    let kitchen = Kitchen::new();
    let scratch = &kitchen.0;
    let spec = "Name: soup\nVersion: 1\nRelease: 1\nSummary: x\nLicense: MIT\nBuildArch: noarch\n\
                %description\nx\n%install\nmkdir -p %{buildroot}/usr/lib/systemd/system\n\
                printf '[Service]\\nUser=cook\\nExecStart=-/usr/bin/true\\n' > \
                %{buildroot}/usr/lib/systemd/system/soup.service\n\
                %files\n/usr/lib/systemd/system/soup.service\n";
    fs::write(scratch.join("soup.spec"), spec).unwrap();
    output_of(
        Command::new("rpmbuild")
            .args(["-bb", "--define"])
            .arg(format!("_topdir {}", scratch.join("build").display()))
            .arg(scratch.join("soup.spec")),
    );
    let root = base(scratch, &["outside-1-1.noarch.rpm"]);
    let accounts = root.join("usr/lib/sysusers.d");
    fs::create_dir_all(&accounts).unwrap();
    fs::write(accounts.join("cook.conf"), "u cook 50\n").unwrap();
    let recipe = "arch = \"x86-64\"\nbase = \"base\"\n\
                  packages = [\"build/RPMS/noarch/soup-1-1.noarch.rpm\"]\n";
    fs::write(scratch.join("soup.toml"), recipe).unwrap();
    let said = kitchen.build(&["--strict", "soup.toml"]);
    assert!(!said.contains("account-missing"), "{said}");
    let before = kitchen.store();

    fs::remove_file(accounts.join("cook.conf")).unwrap();
    let said = kitchen.build(&["soup.toml"]);
    assert!(said.contains("unchanged: built from the same"), "{said}");
    assert!(said.contains("note      account-missing: "), "{said}");
    let outcome = kitchen.run(&["--strict", "soup.toml"], None);
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(said.contains("error: account-missing: "), "{said}");
    assert_eq!(kitchen.store(), before);
}
