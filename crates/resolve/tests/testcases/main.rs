//! Runs cases in the format of libsolv's `testsolv`.
//!
//! ```text
//! repo system 0 testtags <inline>          see the module `testtags` for the lines
//! #>=Pkg: NAME VERSION RELEASE ARCH
//! repo available 0 testtags FILE           or a file beside the case, with gzip or without
//! system x86_64 rpm system                 architecture, and which repository is the base
//! poolflags implicitobsoleteusescolors     32-bit packages are candidates too
//! solverflags ignorerecommended            weak dependencies are not followed
//! job install name NAME                    or `provides CAPABILITY`, `pkg NEVRA@REPO`
//! job lock name NAME                       must not be added; also `disable`
//! result transaction,problems <inline>     or a file
//! #>install NEVRA@REPO
//! #>problem info TEXT
//! nextjob                                  another case with the same repositories
//! ```
//!
//! Three lines are not libsolv's: `job install text WORD`, what a person types; `job only pkg
//! NEVRA`, a line of a lock; and the result `#>already REQUEST`, the base has it.
//!
//! The base is fixed here. So what updates or erases packages, and what only matters when that is
//! done, is not part of the language, and a case that asks for it is refused by name.
//!
//! - `tests/cases` are our own cases; each must give its result, to the word.
//! - Where `testsolv` is installed, it solves them too, with the base locked, and must come to the
//!   same packages; [`DEVIATIONS`] says where we mean to differ.
//! - `RESOLVE_CASES=DIRECTORY cargo test -p sysext-resolve --test testcases` runs the cases of
//!   another directory and those below it. Each must give the packages of its result, or a
//!   problem where that names one; what is refused is listed with the reason.

#![allow(
    clippy::disallowed_methods,
    reason = "a test reads what it made itself"
)]
#![expect(
    clippy::unwrap_used,
    reason = "what the tests are made of must be sound"
)]

#[macro_use]
extern crate judges;

mod case;
mod rpm;
mod testtags;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use case::Case;
use judges::{Need, named};

/// Cases that `testsolv` decides otherwise, and why we differ.
const DEVIATIONS: [(&str, &str); 5] = [
    (
        "arch-no-multilib",
        "32-bit packages are candidates only if that is asked for",
    ),
    (
        "base-same-nevra",
        "the package itself is in the base, which is no conflict but nothing to add",
    ),
    (
        "config",
        "a package has its own configuration, although lists of packages don't say it",
    ),
    (
        "multilib-alone",
        "libsolv adds the 64-bit package of the name too, which nothing requires",
    ),
    (
        "weak-packageand",
        "libsolv reads it so in metadata of repositories, but not in this format",
    ),
];

/// Returns the cases of a directory and of those below it, in order.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut unread = vec![directory.to_owned()];
    while let Some(directory) = unread.pop() {
        for entry in fs::read_dir(&directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                unread.push(path);
            } else if path.extension().is_some_and(|extension| extension == "t") {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn own_files() -> Vec<PathBuf> {
    let found = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases"));
    assert!(found.len() >= 100, "cases are missing: {}", found.len());
    found
}

#[expect(clippy::print_stderr, reason = "what is not compared is said")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// Says in what two lists differ.
fn difference(expected: &BTreeSet<String>, found: &BTreeSet<String>) -> String {
    let missing = expected
        .difference(found)
        .map(|line| format!("  missing     {line}\n"));
    let more = found
        .difference(expected)
        .map(|line| format!("  unexpected  {line}\n"));
    missing.chain(more).collect()
}

#[test]
fn every_case_gives_its_result() {
    let mut failures = String::new();
    for path in own_files() {
        for case in Case::read(&path).unwrap() {
            assert_eq!(case.outside, None, "{}", path.display());
            let expected = case.expected.as_ref().unwrap();
            let found = case.run().unwrap();
            if found != *expected {
                failures += &format!("\n{}:\n{}", path.display(), difference(expected, &found));
            }
        }
    }
    assert!(failures.is_empty(), "{failures}");
}

/// Returns the packages to install; none if there is a problem.
fn installed(lines: &BTreeSet<String>) -> Option<BTreeSet<String>> {
    let is_problem = |line: &String| line.starts_with("problem ");
    let installs = lines.iter().filter(|line| line.starts_with("install "));
    (!lines.iter().any(is_problem)).then(|| installs.cloned().collect())
}

#[test(program("testsolv"))]
fn testsolv_comes_to_the_same_packages() {
    let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("testsolv");
    let _ = fs::remove_dir_all(&directory);
    fs::create_dir_all(&directory).unwrap();
    let (mut compared, mut failures) = (0, String::new());
    let mut deviating = BTreeSet::new();
    for path in own_files() {
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let cases = Case::read(&path).unwrap();
        let [case] = cases.as_slice() else {
            panic!("{name}: one case a file");
        };
        if case.is_ours {
            continue;
        }
        // Nothing of the base may change, and it is libsolv's way of writing that is read.
        let text = fs::read_to_string(&path).unwrap();
        let mut lines: Vec<String> = text.lines().map(for_testsolv).collect();
        let result = lines.iter().position(|line| line.starts_with("result "));
        lines.insert(result.unwrap(), "job lock repo system".to_owned());
        let translated = directory.join(format!("{name}.t"));
        fs::write(&translated, lines.join("\n") + "\n").unwrap();
        let output = Command::new("testsolv")
            .arg("-r")
            .arg(&translated)
            .output()
            .unwrap();
        let theirs = String::from_utf8(output.stdout).unwrap();
        let theirs = installed(&theirs.lines().map(str::to_owned).collect());
        let ours = installed(&case.run().unwrap());
        compared += 1;
        if ours != theirs {
            deviating.insert(name.clone());
            failures += &format!("\n{name}:\n  ours    {ours:?}\n  theirs  {theirs:?}\n");
        }
    }
    let known = DEVIATIONS
        .iter()
        .map(|(name, _)| (*name).to_owned())
        .collect();
    assert_eq!(deviating, known, "{failures}");
    assert!(compared > 80, "only {compared} cases were compared");
}

/// Returns a line as `testsolv` reads it: rich dependencies in its own words.
fn for_testsolv(line: &str) -> String {
    let Some((tag, text)) = line.split_once(": (") else {
        return line.to_owned();
    };
    let words = text.strip_suffix(')').unwrap_or(text).split(' ');
    let words = words.map(|word| match word {
        "and" => "&",
        "or" => "|",
        "with" => "+",
        "without" => "-",
        "if" => "<IF>",
        "unless" => "<UNLESS>",
        "else" => "<ELSE>",
        word => word,
    });
    format!("{tag}: {}", words.collect::<Vec<_>>().join(" "))
}

const OTHERS: Need = named("RESOLVE_CASES");

#[test(OTHERS)]
fn cases_of_others_give_their_packages() {
    let (mut passed, mut refused, mut failures) = (0, 0, String::new());
    for path in files(&OTHERS.path()) {
        let cases = match Case::read(&path) {
            Ok(cases) => cases,
            Err(error) => {
                failures += &format!("{}: {error}\n", path.display());
                continue;
            }
        };
        for (number, case) in (1..).zip(cases) {
            let place = format!("{}, case {number}", path.display());
            let expected = case.expected.as_ref();
            let changes_base = |lines: &BTreeSet<String>| {
                let kinds = [
                    "erase",
                    "upgrade",
                    "downgrade",
                    "reinstall",
                    "change",
                    "obsolete",
                ];
                lines
                    .iter()
                    .any(|line| kinds.iter().any(|kind| line.starts_with(kind)))
            };
            let outside = case.outside.clone().or(match expected {
                None => Some("no packages in the result".to_owned()),
                Some(lines) if changes_base(lines) => Some("the base changes".to_owned()),
                Some(_) => None,
            });
            if let Some(outside) = outside {
                refused += 1;
                say(&format!("refused  {place}: {outside}"));
                continue;
            }
            let expected = expected.unwrap();
            match case.run() {
                Ok(found) if installed(&found) == installed(expected) => passed += 1,
                Ok(found) => {
                    failures += &format!("{place}:\n{}", difference(expected, &found));
                }
                Err(error) => failures += &format!("{place}: {error}\n"),
            }
        }
    }
    say(&format!("{passed} cases passed, {refused} were refused"));
    assert!(failures.is_empty(), "{failures}");
}

fn main() -> std::process::ExitCode {
    judges::run()
}
