//! What README.md shows is what happens.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::workshop::{Scratch, fixture, program, text};

fn readme() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap()
}

#[test]
fn the_session() {
    let readme = readme();
    let session = readme.split("```\n$ sysext-build ").nth(1).unwrap();
    let (command, shown) = session
        .split("\n```")
        .next()
        .unwrap()
        .split_once('\n')
        .unwrap();
    let scratch = Scratch::new();
    for name in command.split(' ') {
        fs::copy(fixture(name), scratch.join(name)).unwrap();
    }
    let outcome = program()
        .args(["--jobs", "2"])
        .args(command.split(' '))
        .current_dir(scratch.path())
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    // The host that runs the tests is another one.
    let said = text(&outcome.stderr);
    let (base, rest) = said.split_once('\n').unwrap();
    assert!(base.starts_with("base      this host: "), "{base}");
    let (_, shown) = shown.split_once('\n').unwrap();
    assert_eq!(rest.trim_end(), shown);
}

#[test(program("sh"))]
fn the_commands_to_try_and_to_use() {
    let readme = readme();
    // The arguments of the first command; the second runs this test.
    let line = readme
        .lines()
        .find(|line| line.starts_with("cargo run "))
        .unwrap();
    let arguments: Vec<_> = line.split(" -- ").nth(1).unwrap().split(' ').collect();
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("fixtures")).unwrap();
    let rpm = arguments.last().unwrap();
    fs::copy(
        fixture(rpm.trim_start_matches("fixtures/")),
        scratch.join(rpm),
    )
    .unwrap();
    let outcome = program()
        .args(&arguments)
        .current_dir(scratch.path())
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    assert!(scratch.join("out/hello-sysext-1.0-1.x86-64.raw").exists());
    assert!(readme.contains("\ncargo test --workspace\n"));

    // Each example is a command line that the program understands: a dry run of what is not there
    // fails for that reason alone.
    let examples = readme
        .split("## Use it")
        .nth(1)
        .unwrap()
        .split("```")
        .nth(1)
        .unwrap();
    for example in examples
        .lines()
        .filter(|line| line.starts_with("sysext-build "))
    {
        let words = example.split('#').next().unwrap();
        let outcome = Command::new("sh")
            .arg("-c")
            .arg(words.replacen("sysext-build", "\"$0\"", 1))
            .arg(program().get_program())
            .current_dir(scratch.path())
            .output()
            .unwrap();
        assert_ne!(
            outcome.status.code(),
            Some(2),
            "{example}: {}",
            text(&outcome.stderr)
        );
    }
}

#[test(program("sh"))]
fn what_is_installed() {
    let readme = readme();
    let section = readme.split("\n## Install\n").nth(1).unwrap();
    let section = section.split("\n## ").next().unwrap();
    let blocks: Vec<_> = section.split("```\n").skip(1).step_by(2).collect();
    let [program_itself, beside_it] = blocks.as_slice() else {
        panic!("{blocks:#?}");
    };
    // The tests have built it; to install it would build it again.
    assert_eq!(*program_itself, "cargo install --locked --path .\n");
    let scratch = Scratch::new();
    let outcome = Command::new("sh")
        .args(["-eu", "-c"])
        .arg(beside_it.replace("sysext-build ", "\"$0\" "))
        .arg(program().get_program())
        .env("HOME", scratch.path())
        .output()
        .unwrap();
    assert!(outcome.status.success(), "{}", text(&outcome.stderr));
    for name in [
        "bash-completion/completions/sysext-build",
        "man/man1/sysext-build.1",
        "man/man5/sysext-build-recipe.5",
    ] {
        assert!(scratch.join(".local/share").join(name).exists(), "{name}");
    }
}

#[test]
fn the_ci_runs_the_command_that_the_readme_gives() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let ci = fs::read_to_string(root.join(".ci/run")).unwrap();
    assert!(ci.contains("\ncargo test --workspace"));
}
