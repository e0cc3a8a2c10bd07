//! What a user may ask for: names, patterns, versions, paths, files; and what is said of a word that
//! is none of these.

use std::fs;

use crate::fixture_repository::{self, Desk, Listed, NOARCH, ZSTD, plain, usual};
use crate::workshop::text;

/// Runs in the desk's directory, where there are things with the names of packages.
fn ask(words: &[&str], with_repository: bool) -> (i32, String) {
    let desk = Desk::new();
    let mut packages = usual();
    packages[0] = Listed {
        paths: &["/usr/lib/tool"],
        ..plain(NOARCH)
    };
    let repo = fixture_repository::write(&desk.scratch.join("repo"), &packages);
    fs::create_dir(desk.scratch.join("here")).unwrap();
    fs::write(desk.scratch.join("here/payload-zstd"), "not a package").unwrap();
    let mut command = match with_repository {
        true => desk.command(repo.to_str().unwrap(), &["--dry-run"]),
        false => crate::workshop::program(),
    };
    let outcome = command
        .current_dir(desk.scratch.join("here"))
        .args(words)
        .output();
    let outcome = outcome.unwrap();
    (outcome.status.code().unwrap(), text(&outcome.stderr))
}

#[test]
fn what_dnf_takes_is_a_request() {
    let zstd = ZSTD.strip_suffix(".rpm").unwrap();
    for (asked, expected) in [
        ("payload-zstd", zstd),
        ("payload-*", zstd),
        ("payload-zst?", zstd),
        ("payload-zstd.noarch", zstd),
        ("payload-zstd>=1", zstd),
        ("payload-zstd = 1-1", zstd),
        ("payload-zstd-1", zstd),
        ("/usr/lib/tool", "hello-noarch-2:0.5^git3-1.noarch"),
        ("hello-*arch", "hello-noarch-2:0.5^git3-1.noarch"),
    ] {
        let (code, said) = ask(&[asked], true);
        assert_eq!(code, 0, "{asked}: {said}");
        let line = said.lines().find(|line| line.starts_with("packages"));
        assert!(line.unwrap().contains(expected), "{asked}: {said}");
    }
    for (asked, expected) in [
        (
            "payload-zstd>=2",
            "nothing provides requested payload-zstd >= 2",
        ),
        ("nosuch*", "nothing provides requested nosuch*"),
        (
            "/usr/lib/nosuch",
            "nothing provides requested /usr/lib/nosuch",
        ),
        ("./payload-zstd", "is not an RPM"),
    ] {
        let (code, said) = ask(&[asked], true);
        assert!(code == 1 && said.contains(expected), "{asked}: {said}");
    }
}

#[test]
fn a_file_does_not_stand_for_the_package_of_its_name() {
    let (code, said) = ask(&["payload-zstd"], true);
    assert_eq!(code, 0, "{said}");
    let words = "payload-zstd is looked for in the repositories; for the file type ./payload-zstd";
    assert!(said.contains(words), "{said}");
}

#[test]
fn what_is_neither_a_file_nor_a_verb_says_what_to_type() {
    for (words, code, expected) in [
        (
            &["inspct", "a.raw"][..],
            2,
            "hint: did you mean sysext-build inspect?\n",
        ),
        (
            &["-q", "inpsect", "x.raw"],
            2,
            "\"inpsect\" is neither a file nor a verb\nhint: did you mean sysext-build inspect?\n",
        ),
        (
            &["strace"],
            3,
            "hint: for a package of a repository: sysext-build --repo FILE.repo strace\n",
        ),
        (
            &["gtk*"],
            3,
            "hint: for a package of a repository: sysext-build --repo FILE.repo 'gtk*'\n",
        ),
        (&["-q", "store", "list", "/nosuch"], 3, "/nosuch"),
    ] {
        let (found, said) = ask(words, false);
        assert_eq!(found, code, "{words:?}: {said}");
        assert!(said.contains(expected), "{words:?}: {said}");
        assert!(!said.contains("reading store"), "{words:?}: {said}");
    }
}
