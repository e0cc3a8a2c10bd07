//! Scriptlets: what is said of them.

use crate::workshop::{CORPUS, REPOSITORY, Scratch, program, rpms_below, text};

/// Of so many lines of real packages at least it is known what they come to, in percent.
const KNOWN: usize = 90;

#[test(CORPUS, REPOSITORY)]
#[expect(clippy::print_stderr, reason = "the share is of interest")]
fn most_lines_of_real_packages_are_understood() {
    let scratch = Scratch::new();
    let mut packages = rpms_below(&REPOSITORY.path());
    for directory in ["rpms", "services"] {
        packages.extend(rpms_below(&CORPUS.path().join(directory)));
    }
    let (mut lines, mut unhandled) = (0, 0);
    for package in packages {
        let outcome = program()
            .args(["--dry-run", "--match", "any", "-o"])
            .arg(scratch.join("out"))
            .arg(&package)
            .output()
            .unwrap();
        let said = text(&outcome.stderr);
        let found = said.lines().find_map(|line| line.strip_prefix("scripts "));
        let Some(found) = found else { continue };
        let number = |ending: &str| -> usize {
            let mut parts = found.split([':', ',']);
            let part = parts.find_map(|part| part.trim().strip_suffix(ending));
            part.unwrap().trim().parse().unwrap()
        };
        lines += number(if found.contains("1 line:") {
            "line"
        } else {
            "lines"
        });
        unhandled += number("unhandled");
    }
    let share = 100 - 100 * unhandled / lines;
    eprintln!("{share} % of {lines} lines are understood, {unhandled} are not");
    assert!(lines > 200, "{lines}");
    assert!(share >= KNOWN, "{share} % of {lines}, {unhandled} are not");
}
