//! A suite of four tests, run where judges are missing and where they are not.
//!
//! Without arguments that ask for the sample, this is the test: it runs itself.
#![expect(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may fail by a panic, and asks what the outer run has said"
)]

#[macro_use]
extern crate judges;

use std::process::{Command, ExitCode};

use judges::{Need, all, cached, program};

const TREE: Need = cached("tree");
const BOTH: Need = all(&[program("no-such-judge"), TREE]);

#[test]
fn plain() {}

#[test(program("judge"))]
fn judged() {}

mod inner {
    #[test(super::BOTH)]
    fn grouped() {
        assert!(super::TREE.path().ends_with(".cache/sysext-clients/tree"));
    }

    #[test]
    fn asks_for_what_it_did_not_declare() {
        super::TREE.path();
    }
}

/// Runs the sample with this environment and returns what it says, and whether it passed.
fn sample(environment: &[(&str, &str)], arguments: &[&str]) -> (String, bool) {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(arguments)
        .env_clear()
        .env("SAMPLE", "1")
        .envs(environment.iter().copied())
        .output()
        .unwrap();
    (
        String::from_utf8(output.stdout).unwrap(),
        output.status.success(),
    )
}

fn main() -> ExitCode {
    if std::env::var_os("SAMPLE").is_some() {
        return judges::run();
    }
    let skip = ["--skip", "asks_for"];
    let (said, passed) = sample(&[], &skip);
    assert!(passed, "{said}");
    for line in [
        "test plain          ... ok",
        "test judged         ... ignored (missing: the program judge)",
        "test inner::grouped ... ignored (missing: the program no-such-judge, ~/.cache/sysext-clients/tree)",
    ] {
        assert!(said.lines().any(|found| found == line), "{line}\n{said}");
    }
    assert!(
        said.contains("ok. 1 passed; 0 failed; 2 ignored;"),
        "{said}"
    );

    let (said, passed) = sample(&[("CI", "true")], &skip);
    assert!(
        !passed && said.contains("1 passed; 2 failed; 0 ignored;"),
        "{said}"
    );
    assert!(
        said.contains("missing: the program judge; CI has to have it"),
        "{said}"
    );

    let (said, passed) = sample(&[], &["asks_for"]);
    assert!(
        !passed && said.contains("does not declare that it needs"),
        "{said}"
    );

    let scratch = std::path::Path::new(env!("CARGO_TARGET_TMPDIR"));
    let tree = scratch.join(".cache/sysext-clients/tree");
    std::fs::create_dir_all(&tree).unwrap();
    std::fs::write(tree.join(".ok"), "").unwrap();
    for name in ["judge", "no-such-judge"] {
        let path = scratch.join(name);
        std::fs::write(&path, "").unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&path, mode).unwrap();
    }
    let scratch = scratch.to_str().unwrap();
    let (said, passed) = sample(
        &[("CI", "true"), ("PATH", scratch), ("HOME", scratch)],
        &skip,
    );
    assert!(
        passed && said.contains("3 passed; 0 failed; 0 ignored;"),
        "{said}"
    );
    ExitCode::SUCCESS
}
