//! Same inputs, same bytes: in another directory, as another user would have it set up, with any
//! number of workers.

use std::ffi::OsString;
use std::fs;
use std::process::Command;

use crate::workshop::{Scratch, fixture, names, os_release, program, text};

const RPMS: [&str; 4] = [
    "hello-tools-1.1~rc1-2.x86_64.rpm",
    "hello-library-2.0-3.x86_64.rpm",
    "hello-sysext-1.0-1.x86_64.rpm",
    "payload-xz-1-1.noarch.rpm",
];

#[test(program("sh"))]
fn surroundings_are_not_in_the_bytes() {
    let reference = Scratch::new();
    build(&reference, "true", 1, "128K");
    let expected = contents(&reference);
    assert_eq!(expected.len(), 3);
    for (surroundings, jobs) in [
        ("true", 1),
        ("true", 2),
        ("true", 3),
        ("true", 8),
        ("true", 16),
        ("umask 077", 2),
        ("umask 000", 1),
        ("export LC_ALL=tr_TR.UTF-8 LANG=de_DE.UTF-8", 2),
        ("export TZ=Pacific/Chatham", 2),
        (
            "export HOME=/nonexistent USER=nobody HOSTNAME=elsewhere COLUMNS=40",
            2,
        ),
    ] {
        let scratch = Scratch::new();
        build(&scratch, surroundings, jobs, "128K");
        for (name, bytes) in &expected {
            assert!(
                fs::read(scratch.join(&format!("store/{name}"))).unwrap() == *bytes,
                "{name} differs with {surroundings}, {jobs} workers"
            );
        }
    }
}

#[test(program("sh"))]
fn workers_are_not_in_the_bytes_of_small_blocks() {
    let reference = Scratch::new();
    build(&reference, "true", 1, "4K");
    for jobs in [2, 8, 16] {
        let scratch = Scratch::new();
        build(&scratch, "true", jobs, "4K");
        assert!(contents(&scratch) == contents(&reference), "{jobs} workers");
    }
}

#[test]
fn no_time_is_later_than_source_date_epoch() {
    let epoch = 1_000_000_000;
    let build = |epoch: Option<&str>| {
        let scratch = Scratch::new();
        let mut command = program();
        if let Some(epoch) = epoch {
            command.env("SOURCE_DATE_EPOCH", epoch);
        }
        let outcome = command
            .args(["--dry-run", "--match", "any", "--allow", "unchecked-base"])
            .arg(fixture(RPMS[0]))
            .current_dir(scratch.path())
            .output()
            .unwrap();
        (outcome.status.code(), text(&outcome.stdout))
    };
    let times = |plan: &str| -> Vec<u32> {
        let tree = plan.split("tree:\n").nth(1).unwrap();
        tree.lines()
            .filter(|line| line.split(' ').nth(1) != Some("h"))
            .map(|line| line.split(' ').nth(4).unwrap().parse().unwrap())
            .collect()
    };
    let (_, plan) = build(Some(&epoch.to_string()));
    assert!(times(&plan).iter().all(|time| *time <= epoch), "{plan}");
    let (_, plan) = build(None);
    assert!(times(&plan).iter().any(|time| *time > epoch), "{plan}");
    assert_eq!(build(Some("yesterday")).0, Some(2));
}

#[test]
fn the_order_of_files_is_not_in_the_bytes() {
    let [main, others @ ..] = RPMS;
    let build = |files: &[&str]| {
        let scratch = Scratch::new();
        let outcome = program()
            .arg("--os-release")
            .arg(os_release("tumbleweed"))
            .args(["-o", "store"])
            .args(files.iter().map(|name| fixture(name)))
            .current_dir(scratch.path())
            .output()
            .unwrap();
        assert!(outcome.status.success(), "{}", text(&outcome.stderr));
        contents(&scratch)
    };
    let [one, two, three] = others;
    let expected = build(&[main, one, two, three]);
    assert_eq!(expected.len(), 3);
    for files in [
        [main, one, three, two],
        [main, two, three, one],
        [main, three, two, one],
    ] {
        assert!(build(&files) == expected, "{files:?}");
    }
}

/// Builds in a shell of its own, in which `surroundings` has been run.
fn build(scratch: &Scratch, surroundings: &str, jobs: usize, block_size: &str) {
    let mut arguments: Vec<OsString> = vec![
        "--os-release".into(),
        os_release("tumbleweed").into(),
        "--jobs".into(),
        jobs.to_string().into(),
        "--block-size".into(),
        block_size.into(),
        "-o".into(),
        "store".into(),
    ];
    arguments.extend(RPMS.map(|name| fixture(name).into()));
    let outcome = Command::new("sh")
        .arg("-c")
        .arg(format!("{surroundings}; exec \"$0\" \"$@\""))
        .arg(program().get_program())
        .args(arguments)
        .env_remove("SOURCE_DATE_EPOCH")
        .current_dir(scratch.path())
        .output()
        .unwrap();
    assert!(
        outcome.status.success(),
        "{surroundings}: {}",
        text(&outcome.stderr)
    );
}

fn contents(scratch: &Scratch) -> Vec<(String, Vec<u8>)> {
    let store = scratch.join("store");
    names(&store)
        .into_iter()
        .map(|name| {
            let bytes = fs::read(store.join(&name)).unwrap();
            (name, bytes)
        })
        .collect()
}
