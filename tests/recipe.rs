//! Recipes: the same image as by the command line, and several in one run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::workshop::{Scratch, fixture, json, names, os_release, output_of, program, text};

const NOARCH: &str = "hello-noarch-0.5^git3-1.noarch.rpm";
const ONE: &str = "clash-one-1-1.noarch.rpm";
const TWO: &str = "clash-two-1-1.noarch.rpm";
/// Packages without anything for /usr: there is no image of them.
const OUTSIDE: &str = "outside-1-1.noarch.rpm";

/// A directory with recipes in `recipes/`, RPMs in `recipes/rpms/`, and a store.
struct Kitchen(Scratch);

impl Kitchen {
    fn new() -> Self {
        let scratch = Scratch::new();
        let rpms = scratch.join("recipes/rpms");
        fs::create_dir_all(&rpms).unwrap();
        for name in [NOARCH, ONE, TWO, OUTSIDE] {
            fs::copy(fixture(name), rpms.join(name)).unwrap();
        }
        let base = scratch.join("recipes/base.packages");
        fs::write(base, "outside-1-1.noarch\n").unwrap();
        let release = scratch.join("recipes/os-release");
        fs::copy(os_release("tumbleweed"), release).unwrap();
        Self(scratch)
    }

    /// Writes a recipe for any system and returns its path.
    fn recipe(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join("recipes").join(name);
        fs::write(&path, format!("match = \"any\"\narch = \"x86-64\"\n{text}")).unwrap();
        path
    }

    /// Runs the program in the directory above the recipes.
    fn run(&self, arguments: &[&str]) -> Output {
        program()
            .args(arguments)
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    /// Runs the program, which must succeed.
    fn build(&self, arguments: &[&str]) -> String {
        let outcome = self.run(arguments);
        let said = text(&outcome.stderr);
        assert!(outcome.status.success(), "{arguments:?}: {said}");
        said
    }

    /// Returns the names of the images in a store.
    fn images(&self, store: &str) -> Vec<String> {
        let store = self.0.join(store);
        let names = if store.is_dir() {
            names(&store)
        } else {
            Vec::new()
        };
        let image = |name: &String| name.ends_with(".raw");
        names.into_iter().filter(image).collect()
    }
}

fn manifest(path: &Path) -> Value {
    serde_json::from_str(&output_of(Command::new("zcat").arg(path))).unwrap()
}

#[test]
fn a_recipe_makes_the_bytes_of_the_command_line() {
    let kitchen = Kitchen::new();
    fs::create_dir_all(kitchen.0.join("recipes/tree/usr/share")).unwrap();
    fs::write(kitchen.0.join("recipes/tree/usr/share/note"), "x").unwrap();
    // In the working directory, a file of the package's name: no recipe means that.
    fs::write(kitchen.0.join("hello-noarch"), "no package").unwrap();
    kitchen.recipe(
        "kit.toml",
        "name = \"kit\"\nversion = \"3\"\nbuild-number = 7\nscope = \"system initrd\"\n\
         packages = [\"hello-noarch\", \"rpms/clash-one-1-1.noarch.rpm\"]\n\
         repositories = [\"own=rpms\"]\nbase = \"base.packages\"\nos-release = \"os-release\"\n\
         overlay = \"tree\"\ndrop = [\"drop-docs\"]\nkeep = [\"drop-build-id\"]\n\
         compression = \"gzip\"\nblock-size = \"64K\"\nlock = \"kit.lock\"\n",
    );
    kitchen.build(&["-o", "by-recipe", "recipes/kit.toml"]);
    fs::remove_file(kitchen.0.join("hello-noarch")).unwrap();
    let typed = "-o by-hand --match any --arch x86-64 --name kit --image-version 3 \
                 --build-number 7 --repo own=recipes/rpms --base recipes/base.packages \
                 --os-release recipes/os-release --overlay recipes/tree --drop drop-docs \
                 --keep drop-build-id --compression gzip --block-size 64K --lock typed.lock";
    let mut typed: Vec<_> = typed.split_whitespace().collect();
    typed.extend(["--scope", "system initrd"]);
    typed.extend(["hello-noarch", "recipes/rpms/clash-one-1-1.noarch.rpm"]);
    kitchen.build(&typed);

    let (one, other) = (kitchen.0.join("by-recipe"), kitchen.0.join("by-hand"));
    assert_eq!(kitchen.images("by-recipe"), ["kit-3.7.x86-64.raw"]);
    assert_eq!(names(&one), names(&other));
    for name in names(&one) {
        let (one, other) = (fs::read(one.join(&name)), fs::read(other.join(&name)));
        assert!(one.unwrap() == other.unwrap(), "{name}");
    }
    let lock = |name: &str| fs::read_to_string(kitchen.0.join(name)).unwrap();
    assert_eq!(lock("recipes/kit.lock"), lock("typed.lock"));

    // The lock of the recipe is followed; what is typed wins.
    let locked = ["--locked", "-o", "again", "recipes/kit.toml"];
    kitchen.build(&locked);
    assert_eq!(kitchen.images("again"), ["kit-3.7.x86-64.raw"]);
    kitchen.build(&[&locked[..], &["--name", "other", "--build-number", "8"]].concat());
    assert!(
        kitchen
            .images("again")
            .contains(&"other-3.8.x86-64.raw".into())
    );
}

#[test]
fn several_recipes_make_an_image_each() {
    let kitchen = Kitchen::new();
    kitchen.recipe("a.toml", "packages = [\"rpms/clash-one-1-1.noarch.rpm\"]");
    kitchen.recipe(
        "bad.toml",
        "name = \"bad\"\netc = \"drop\"\npackages = [\"rpms/outside-1-1.noarch.rpm\"]",
    );
    kitchen.recipe("c.toml", "packages = [\"rpms/clash-two-1-1.noarch.rpm\"]");
    let (a, bad, c) = ("recipes/a.toml", "recipes/bad.toml", "recipes/c.toml");
    let images = ["clash-one-1-1.x86-64.raw", "clash-two-1-1.x86-64.raw"];
    let said = kitchen.build(&["-o", "good", a, c]);
    assert!(said.contains("recipe    recipes/a.toml\n"), "{said}");
    assert_eq!(kitchen.images("good"), images);

    let outcome = kitchen.run(&["-o", "mixed", bad, a, c]);
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(1), "{said}");
    assert!(
        said.contains("error: recipes/bad.toml: empty-image: "),
        "{said}"
    );
    assert!(
        said.ends_with("error: 1 of 3 recipes failed: recipes/bad.toml\n"),
        "{said}"
    );
    assert_eq!(kitchen.images("mixed"), images);
    kitchen.recipe("usage.toml", "pakages = []");
    let again = kitchen.run(&["-o", "good", a, bad, "recipes/usage.toml"]);
    let said = text(&again.stderr);
    let table: Vec<_> = (said.lines())
        .skip_while(|line| !line.starts_with("recipe  "))
        .skip_while(|line| !line.contains("seconds"))
        .take(4)
        .map(|line| line.rsplit_once(' ').unwrap().0.trim_end())
        .collect();
    let expected = [
        "recipe              image                     state                          size ",
        "recipes/a.toml      clash-one-1-1.x86-64.raw  unchanged                      4 KiB",
        "recipes/bad.toml    -                         failed (empty-image)           -",
        "recipes/usage.toml  -                         failed: unknown key \"pakages\"  -",
    ];
    assert_eq!(table, expected.map(str::trim_end), "{said}");

    // The worst exit code is the run's; what can't be read is a matter of its own recipe.
    let outcome = kitchen.run(&["-o", "worse", bad, "recipes/usage.toml", a]);
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(2), "{said}");
    let reason = "error: recipes/usage.toml:3: unknown key \"pakages\"\n\
                  hint: did you mean packages?\n";
    assert!(said.contains(reason), "{said}");
    assert_eq!(kitchen.images("worse"), [images[0]]);
    let outcome = kitchen.run(&["-o", "worst", "recipes/none.toml", "recipes/usage.toml", c]);
    assert_eq!(outcome.status.code(), Some(3), "{}", text(&outcome.stderr));
    assert_eq!(kitchen.images("worst"), [images[1]]);
}

/// What `--jobs` must not change: all that is said and made, but for the numbers of threads and seconds.
fn told(outcome: &Output) -> (String, String, Option<i32>) {
    let mut said = String::new();
    let mut is_table = false;
    for line in text(&outcome.stderr).lines() {
        is_table |= line.starts_with("recipe ") && line.ends_with(" seconds");
        let is_row = is_table && !line.starts_with("error:");
        let line = match is_row {
            true => line.trim_end_matches(|letter: char| ".0123456789".contains(letter)),
            false => line,
        };
        said += line.replace("8 workers", "1 worker").trim_end();
        said += "\n";
    }
    (said, text(&outcome.stdout), outcome.status.code())
}

#[test]
fn side_by_side_is_as_one_after_the_other() {
    let kitchen = Kitchen::new();
    let (one, two) = (
        "\"rpms/clash-one-1-1.noarch.rpm\"",
        "\"rpms/clash-two-1-1.noarch.rpm\"",
    );
    let outside = "\"rpms/outside-1-1.noarch.rpm\"";
    let noarch = format!("\"rpms/{NOARCH}\"");
    fs::create_dir_all(kitchen.0.join("recipes/tree/usr/share")).unwrap();
    fs::write(kitchen.0.join("recipes/tree/usr/share/note"), "x").unwrap();
    for (name, said) in [
        ("a.toml", format!("packages = [{one}]")),
        // The same name: it sees what the one before has left.
        (
            "b.toml",
            format!("name = \"clash-one\"\npackages = [{one}, {outside}]\noverlay = \"tree\""),
        ),
        ("c.toml", format!("packages = [{outside}]\netc = \"drop\"")),
        ("d.toml", format!("packages = [{one}]")),
        ("e.toml", "pakages = []".to_owned()),
        (
            "f.toml",
            format!("packages = [{two}]\nwith = [\"../store\"]"),
        ),
        (
            "g.toml",
            format!("name = \"clash-one-more\"\nversion = \"1\"\npackages = [{two}]"),
        ),
        (
            "h.toml",
            format!("packages = [{noarch}]\n[[allow]]\nfinding = \"left-out\"\nreason = \"r\""),
        ),
        (
            "i.toml",
            format!("name = \"pair\"\nversion = \"1\"\npackages = [{one}, {two}]"),
        ),
        (
            "j.toml",
            format!("name = \"clash-one\"\nversion = \"0\"\npackages = [{two}]"),
        ),
    ] {
        kitchen.recipe(name, &said);
    }
    let recipes: Vec<_> = "abcdefghij"
        .chars()
        .map(|name| format!("recipes/{name}.toml"))
        .collect();
    let run = |jobs: &str, more: &[&str]| {
        let typed = ["--jobs", jobs, "-o", "store", "--cache-dir", "cache"];
        let recipes: Vec<_> = recipes.iter().map(String::as_str).collect();
        kitchen.run(&[&typed[..], more, &recipes].concat())
    };
    let made = || -> Vec<(String, Vec<u8>)> {
        let store = kitchen.0.join("store");
        let names = if store.is_dir() {
            names(&store)
        } else {
            Vec::new()
        };
        let bytes = |name: String| (name.clone(), fs::read(store.join(name)).unwrap());
        names.into_iter().map(bytes).collect()
    };
    let rounds: [&[&str]; 5] = [
        &["--dry-run"],
        &[],
        &[],
        &["--json", "--dry-run"],
        &["--json"],
    ];
    let story = |jobs: &str| {
        for directory in ["store", "cache"] {
            let _ = fs::remove_dir_all(kitchen.0.join(directory));
        }
        rounds.map(|more| (told(&run(jobs, more)), made()))
    };
    let expected = story("1");
    let ((said, _, code), _) = &expected[1];
    assert_eq!(*code, Some(2), "{said}");
    let words = [
        "number    1-1.2: outside.noarch 1-1 is gone\n",
        "with      clash-one-1-1.2.x86-64.raw; ",
        "failed: pattern-collision: ",
        "would not be the newest",
    ];
    for words in words {
        assert!(said.contains(words), "{words}: {said}");
    }
    for _ in 0..5 {
        let found = story("8");
        for (round, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let lines = |told: &(String, String, Option<i32>)| -> Vec<String> {
                let said = told.0.lines().chain(told.1.lines());
                said.map(str::to_owned).collect()
            };
            for (found, expected) in lines(&found.0).iter().zip(&lines(&expected.0)) {
                assert_eq!(found, expected, "round {round}");
            }
            assert!(found.0 == expected.0, "round {round}");
            assert!(found.1 == expected.1, "round {round}");
        }
    }
}

/// Every line of an error says which recipe it is about, and with `--strict` there is one round: what
/// the plan shows and what the files show.
#[test]
fn all_that_stops_a_recipe_is_said_at_once() {
    let kitchen = Kitchen::new();
    fs::create_dir_all(kitchen.0.join("recipes/tree/usr/bin")).unwrap();
    fs::write(
        kitchen.0.join("recipes/tree/usr/bin/broken"),
        b"\x7fELF and no more",
    )
    .unwrap();
    kitchen.recipe("a.toml", "packages = [\"rpms/clash-one-1-1.noarch.rpm\"]");
    kitchen.recipe(
        "odd.toml",
        "name = \"odd\"\nversion = \"1\"\noverlay = \"tree\"\n\
         packages = [\"rpms/clash-two-1-1.noarch.rpm\", \"rpms/outside-1-1.noarch.rpm\"]",
    );
    let typed = ["-o", "store", "recipes/odd.toml", "recipes/a.toml"];
    let ids = |said: &str| -> Vec<String> {
        let errors = said
            .lines()
            .filter_map(|line| line.strip_prefix("error: recipes/odd.toml: "));
        errors
            .map(|line| line.split(':').next().unwrap().to_owned())
            .collect()
    };
    for (more, found) in [
        (&["--strict"][..], &["state-made", "elf-unread"][..]),
        (&[], &[]),
    ] {
        let outcome = kitchen.run(&[more, &typed].concat());
        let said = text(&outcome.stderr);
        assert_eq!(ids(&said), found, "{said}");
        let errors = said.lines().filter(|line| line.starts_with("error: "));
        let last = usize::from(!found.is_empty());
        assert_eq!(errors.count(), found.len() + last, "{said}");
    }
    assert_eq!(kitchen.images("store").len(), 2);
    // It is there now, and is not packed: it is judged all the same.
    let said = text(&kitchen.run(&[&["--strict"][..], &typed].concat()).stderr);
    assert_eq!(ids(&said), ["state-made", "elf-unread"], "{said}");
}

#[test]
fn what_is_included_counts_as_if_written_there() {
    let kitchen = Kitchen::new();
    let common = |text: &str| {
        let text = format!("match = \"any\"\n{text}");
        fs::write(kitchen.0.join("recipes/rpms/common"), text).unwrap();
    };
    let own = "name = \"a\"\nversion = \"1\"\n";
    let whole = "packages = [\"rpms/clash-one-1-1.noarch.rpm\", \"rpms/clash-two-1-1.noarch.rpm\"]\n\
                 compression = \"gzip\"\n[[allow]]\nfinding = \"file-conflict\"\nreason = \"r\"\n";
    kitchen.recipe("a.toml", &format!("{own}{whole}"));
    let build = ["-o", "store", "recipes/a.toml"];
    kitchen.build(&build);
    let first = ["a-1.x86-64.raw"];
    assert_eq!(kitchen.images("store"), first);

    // The same, in two files and a part.
    common(
        "packages = [\"clash-one-1-1.noarch.rpm\"]\ncompression = \"xz\"\n[[allow]]\n\
         finding = \"file-conflict\"\nreason = \"r\"\n",
    );
    let parts = "include = [\"rpms/common\"]\npackages = [\"rpms/clash-two-1-1.noarch.rpm\"]\n\
                 [for.x86-64]\ncompression = \"gzip\"\n[for.arm64]\npackages = [\"no\"]\n";
    kitchen.recipe("a.toml", &format!("{own}{parts}"));
    let said = kitchen.build(&build);
    assert!(said.contains("unchanged: built from the same\n"), "{said}");
    assert_eq!(kitchen.images("store"), first);
    kitchen.build(&["-o", "other", "recipes/a.toml"]);
    let bytes = |store: &str| fs::read(kitchen.0.join(store).join(first[0])).unwrap();
    assert!(bytes("other") == bytes("store"));

    // What an included file says counts.
    common(
        "packages = [\"clash-one-1-1.noarch.rpm\"]\ndrop = [\"drop-docs\"]\nblock-size = \"4K\"",
    );
    let outcome = kitchen.run(&build);
    let said = text(&outcome.stderr);
    assert!(said.contains("error: file-conflict: "), "{said}");
    common(
        "packages = [\"clash-one-1-1.noarch.rpm\"]\nblock-size = \"4K\"\n[[allow]]\n\
         finding = \"file-conflict\"\nreason = \"r\"\n",
    );
    let said = kitchen.build(&build);
    let line = "number    1.1: block-size 4096, was 1048576\n";
    assert!(said.contains(line), "{said}");
    assert_eq!(kitchen.images("store"), ["a-1.1.x86-64.raw", first[0]]);
}

#[test]
fn json_of_one_recipe_and_of_several() {
    let kitchen = Kitchen::new();
    kitchen.recipe("a.toml", "packages = [\"rpms/clash-one-1-1.noarch.rpm\"]");
    kitchen.recipe(
        "bad.toml",
        "etc = \"drop\"\npackages = [\"rpms/outside-1-1.noarch.rpm\"]",
    );
    let (a, bad) = ("recipes/a.toml", "recipes/bad.toml");
    let one = json(&kitchen.run(&["--json", "-o", "one", a]));
    assert_eq!(one["name"], "clash-one");

    let outcome = kitchen.run(&["--json", "-o", "two", a, bad]);
    assert_eq!(outcome.status.code(), Some(1));
    assert_eq!(text(&outcome.stderr), "");
    let said = json(&outcome);
    assert_eq!(said["recipes"].as_array().unwrap().len(), 2);
    let (first, second) = (&said["recipes"][0], &said["recipes"][1]);
    assert_eq!(
        (&first["recipe"], &second["recipe"]),
        (&json!(a), &json!(bad))
    );
    assert_eq!(first["image"], "two/clash-one-1-1.x86-64.raw");
    assert_eq!(first["result"]["sha256"], one["result"]["sha256"]);
    assert_eq!(second["exit_code"], 1);
    assert_eq!(second["reasons"], json!(["empty-image"]));
    let error = second["error"].as_str().unwrap();
    assert!(
        error.starts_with("recipes/bad.toml: empty-image: "),
        "{error}"
    );
    assert_eq!(second["image"], Value::Null);
}

#[test(program("zcat"))]
fn what_is_allowed_has_a_reason() {
    let kitchen = Kitchen::new();
    let packages = "name = \"pair\"\nversion = \"1\"\npackages = [\"rpms/clash-one-1-1.noarch.rpm\", \
                    \"rpms/clash-two-1-1.noarch.rpm\"]\n";
    kitchen.recipe("fatal.toml", packages);
    let outcome = kitchen.run(&["-o", "store", "recipes/fatal.toml"]);
    assert_eq!(outcome.status.code(), Some(1));
    let allow = "[[allow]]\nfinding = \"file-conflict\"\nreason = \"one notice is enough\"\n";
    kitchen.recipe("allowed.toml", &format!("{packages}{allow}"));
    let said = kitchen.build(&["-o", "store", "recipes/allowed.toml"]);
    let line = said
        .lines()
        .find(|line| line.starts_with("allowed   file-conflict: "));
    assert!(
        line.is_some_and(|line| line.ends_with("  (one notice is enough)")),
        "{said}"
    );
    let listed = manifest(&kitchen.0.join("store/pair-1.x86-64.manifest.gz"));
    let kept = json!({"file-conflict": "one notice is enough"});
    assert_eq!(listed["allowed"], kept);
    let plan = json(&kitchen.run(&["--json", "--dry-run", "recipes/allowed.toml"]));
    let reasons: Vec<_> = (plan["findings"].as_array().unwrap().iter())
        .filter_map(|finding| Some((finding["id"].as_str()?, finding["allowed"].as_str()?)))
        .collect();
    assert_eq!(reasons, [("file-conflict", "one notice is enough")]);

    // Typed, it needs no reason, and there is none to keep; what was allowed is said all the same.
    for allow in ["file-conflict", "file-conflict:/usr/share/clash/file"] {
        let said = kitchen.build(&["-o", "typed", "--allow", allow, "recipes/fatal.toml"]);
        let mut lines = said.lines().filter(|line| line.starts_with("allowed "));
        let line = lines.next().unwrap_or_default();
        let expected =
            "allowed   file-conflict: /usr/share/clash/file is in clash-one-1-1.noarch (";
        assert!(line.starts_with(expected), "{said}");
        assert_eq!(lines.next(), None, "{said}");
    }
    let listed = manifest(&kitchen.0.join("typed/pair-1.x86-64.manifest.gz"));
    assert_eq!(listed["allowed"], Value::Null);
}

#[test]
fn two_recipes_have_no_lock_in_common() {
    let kitchen = Kitchen::new();
    let shared = "repositories = [\"rpms\"]\nbase = \"base.packages\"\nos-release = \"os-release\"\n\
                  lock = \"x.lock\"\n";
    kitchen.recipe("a.toml", &format!("{shared}packages = [\"clash-one\"]"));
    kitchen.recipe("b.toml", &format!("{shared}packages = [\"clash-two\"]"));
    let outcome = kitchen.run(&["-o", "store", "recipes/a.toml", "recipes/b.toml"]);
    let said = text(&outcome.stderr);
    assert_eq!(outcome.status.code(), Some(2), "{said}");
    let reason = "error: recipes/b.toml: recipes/x.lock is already the lock of another recipe\n";
    assert!(said.contains(reason), "{said}");
    assert_eq!(kitchen.images("store"), ["clash-one-1-1.x86-64.raw"]);
    let lock = fs::read_to_string(kitchen.0.join("recipes/x.lock")).unwrap();
    assert!(lock.contains("clash-one-1-1.noarch"), "{lock}");
}

#[test]
fn what_is_no_recipe() {
    let kitchen = Kitchen::new();
    kitchen.recipe("a.toml", "packages = [\"rpms/clash-one-1-1.noarch.rpm\"]");
    kitchen.recipe("name.toml", "packages = [\"strace\"]");
    kitchen.recipe("scope.toml", "packages = [\"rpms\"]\nscope = \"host\"");
    kitchen.recipe("big.toml", &"#".repeat(1 << 20));
    fs::write(kitchen.0.join("recipes/latin1.toml"), b"name = \"\xe4\"").unwrap();
    let cases: [(&[&str], i32, &str); 7] = [
        (
            &["recipes/a.toml", "recipes/rpms"],
            2,
            "recipes/rpms is a package and recipes/a.toml is a recipe: they can't be mixed",
        ),
        (
            &["recipes/name.toml"],
            2,
            "recipes/name.toml: no such file: strace",
        ),
        (
            &["recipes/scope.toml"],
            2,
            "recipes/scope.toml: --scope \"host\" is not a list of system, portable and initrd",
        ),
        (
            &["recipes/a.toml", "--locked"],
            2,
            "recipes/a.toml: --locked needs a lock",
        ),
        (
            &["recipes/big.toml"],
            1,
            "recipes/big.toml has 1048606 bytes; at most 1048576 are allowed",
        ),
        (
            &["recipes/latin1.toml"],
            2,
            "recipes/latin1.toml is not UTF-8",
        ),
        (&["recipes/no.toml"], 3, "reading recipes/no.toml: "),
    ];
    for (arguments, code, reason) in cases {
        let outcome = kitchen.run(&[&["-o", "store"], arguments].concat());
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(
            said.contains(&format!("error: {reason}")),
            "{arguments:?}: {said}"
        );
        assert!(!kitchen.0.join("store").exists(), "{arguments:?}");
    }
}

#[test]
fn the_example() {
    let scratch = Scratch::new();
    let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/debug.toml");
    let outcome = program()
        .current_dir(scratch.path())
        .args(["-o", "store"])
        .arg(example)
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    let image = "debug-1.3.x86-64.raw";
    assert!(scratch.join("store").join(image).exists());
    let said = text(&outcome.stderr);
    assert!(said.contains("allowed   file-conflict: "), "{said}");
}

#[test]
fn a_recipe_to_begin_with() {
    let kitchen = Kitchen::new();
    // The command that is printed as the next, as a shell takes it apart.
    let next = |said: &str| -> Vec<String> {
        let line = said
            .lines()
            .find_map(|line| line.strip_prefix("next      sysext-build "));
        let line = line
            .unwrap_or_else(|| panic!("{said}"))
            .replace("REPO", "recipes/rpms");
        let words = line
            .split('\'')
            .enumerate()
            .flat_map(|(number, part)| match number % 2 {
                0 => part.split_whitespace().map(str::to_owned).collect(),
                _ => vec![part.to_owned()],
            });
        words.collect()
    };
    let base = "--base recipes/base.packages --os-release recipes/os-release";
    for (typed, output, recipe) in [
        (
            "hello-noarch clash-one --repo own=recipes/rpms",
            "recipes/a b.toml",
            "recipes/a b.toml",
        ),
        (
            "hello-noarch --repo recipes/rpms --lock x.lock --arch x86-64",
            "",
            "hello-noarch.toml",
        ),
        (
            "recipes/rpms/clash-one-1-1.noarch.rpm",
            "-x.toml",
            "-x.toml",
        ),
        (
            "recipes/rpms/clash-two-1-1.noarch.rpm",
            "",
            "clash-two-1-1.noarch.toml",
        ),
        ("recipes/rpms --name n --image-version 1 --allow", "", ""),
        ("clash-one", "", "clash-one.toml"),
        ("hello* --repo recipes/rpms", "", "hello.toml"),
    ] {
        let output = format!("--output={output}");
        let mut arguments: Vec<_> = ["init"]
            .into_iter()
            .chain(typed.split_whitespace())
            .collect();
        arguments.extend(base.split_whitespace());
        arguments.extend(
            [&*output]
                .iter()
                .filter(|output| output.len() > "--output=".len()),
        );
        if recipe.is_empty() {
            // What needs a reason is not an option of it.
            assert_eq!(kitchen.run(&arguments).status.code(), Some(2), "{typed}");
            continue;
        }
        let said = kitchen.build(&arguments);
        assert!(
            said.starts_with(&format!("recipe    {recipe}\n")),
            "{typed}: {said}"
        );
        let told = said.contains("note      it names no repository");
        assert_eq!(told, typed == "clash-one", "{said}");
        let words = next(&said);
        kitchen.build(&words.iter().map(String::as_str).collect::<Vec<_>>());

        // What is there stays.
        let before = fs::read(kitchen.0.join(recipe)).unwrap();
        let outcome = kitchen.run(&arguments);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(1), "{said}");
        let refused = format!("error: {recipe} is there already, and is not overwritten\n");
        assert!(said.starts_with(&refused), "{said}");
        assert_eq!(fs::read(kitchen.0.join(recipe)).unwrap(), before);
    }
    std::os::unix::fs::symlink("nowhere", kitchen.0.join("link.toml")).unwrap();
    for (typed, code, reason) in [
        ("", 2, "the following required arguments were not provided"),
        (
            "a -o recipe",
            2,
            "recipe does not end in .toml, so it would be no recipe",
        ),
        ("a -o link.toml", 1, "link.toml is there already"),
        ("a -o no/x.toml", 3, "reading no: "),
        (
            "a --repo recipes/rpms --scope host",
            2,
            "--scope \"host\" is not a list",
        ),
        (
            "a --repo recipes/rpms --arch arm46",
            2,
            "--arch: unknown architecture \"arm46\"",
        ),
        ("recipes/rpms --lock l", 2, "--lock needs a repository"),
        (
            "--schema a",
            2,
            "the argument '--schema' cannot be used with",
        ),
    ] {
        let arguments: Vec<_> = ["init"]
            .into_iter()
            .chain(typed.split_whitespace())
            .collect();
        let outcome = kitchen.run(&arguments);
        let said = text(&outcome.stderr);
        assert_eq!(outcome.status.code(), Some(code), "{typed}: {said}");
        assert!(said.contains(reason), "{typed}: {said}");
    }
    let none = [".toml", "a.toml", "rpms.toml", "recipe.toml"].map(|name| kitchen.0.join(name));
    assert!(none.iter().all(|path| !path.exists()));
    let answer = json(&kitchen.run(&["init", "--json", "strace", "--repo", "recipes/rpms"]));
    assert_eq!(
        answer,
        json!({"recipe": "strace.toml", "next": "sysext-build --dry-run strace.toml"})
    );
}
