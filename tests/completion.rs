//! Completion, as a person finds it who presses Tab in a shell.

use std::fs;
use std::process::Command;

use crate::workshop::{Scratch, output_of, program, run};

/// Types words into a shell on a terminal, presses Tab, and says what the shell shows then.
const TYPIST: &str = r#"
import os, pty, select, sys, time
words, shell = sys.argv[1], sys.argv[2:]
pid, terminal = pty.fork()
if pid == 0:
    os.environ.update(PS1="READY> ", TERM="dumb", LC_ALL="C")
    os.execvp(shell[0], shell)
def read(until, most):
    seen, end = b"", time.time() + most
    while until not in seen and time.time() < end:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                seen += os.read(terminal, 65536)
            except OSError:
                break
    return seen
read(b"READY> ", 20)
os.write(terminal, words.encode() + b"\t\t")
sys.stdout.buffer.write(read(sys.stdin.buffer.read().strip() or b"\0", 20))
os.kill(pid, 9)
"#;

/// What is typed, and a word that the shell then offers or types itself.
const TYPED: [(&str, &str); 9] = [
    ("sysext-build insp", "inspect"),
    ("sysext-build store ver", "verify"),
    ("sysext-build store verify --keyr", "--keyring"),
    ("sysext-build explain soname-m", "soname-missing"),
    ("sysext-build --drop drop-d", "drop-docs"),
    ("sysext-build check --allow shadows-b", "shadows-base"),
    ("sysext-build check --client sysextm", "sysextmgr"),
    ("sysext-build completions fis", "fish"),
    ("sysext-build inspect an-im", "an-image.raw"),
];

fn script(shell: &str) -> Vec<u8> {
    let outcome = run(["completions", shell]);
    assert!(outcome.status.success(), "{shell}");
    outcome.stdout
}

/// Has somebody type in a shell that has read `setup`.
fn press_tab(scratch: &Scratch, shell: &[&str], typed: &str, expected: &str) -> String {
    let wanted = scratch.join("wanted");
    fs::write(&wanted, expected).unwrap();
    fs::write(scratch.join("an-image.raw"), "").unwrap();
    let path = program().get_program().to_owned();
    let path = std::path::Path::new(&path)
        .parent()
        .unwrap()
        .display()
        .to_string();
    let mut python = Command::new("python3");
    python
        .args(["-c", TYPIST, typed])
        .args(shell)
        .current_dir(scratch.path());
    python.env("PATH", format!("{path}:{}", std::env::var("PATH").unwrap()));
    python.env("HOME", scratch.path());
    output_of(python.stdin(fs::File::open(wanted).unwrap()))
}

#[test(programs!("python3", "bash"))]
fn tab_works_in_bash() {
    let scratch = Scratch::new();
    let mut setup = script("bash");
    setup.extend(b"\nPS1='READY> '\nbind 'set bell-style none'\n");
    let file = scratch.join("rc");
    fs::write(&file, setup).unwrap();
    for (typed, expected) in TYPED {
        let shell = [
            "bash",
            "--noprofile",
            "--rcfile",
            file.to_str().unwrap(),
            "-i",
        ];
        let seen = press_tab(&scratch, &shell, typed, expected);
        assert!(seen.contains(expected), "{typed}: {seen}");
    }
    let seen = press_tab(
        &scratch,
        &[
            "bash",
            "--noprofile",
            "--rcfile",
            file.to_str().unwrap(),
            "-i",
        ],
        "sysext-build inspect ",
        "an-image.raw",
    );
    assert!(seen.contains("an-image.raw"), "{seen}");
}

#[test(programs!("python3", "zsh"))]
fn tab_works_in_zsh() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.join("functions")).unwrap();
    fs::write(scratch.join("functions/_sysext-build"), script("zsh")).unwrap();
    let setup = "fpath=(~/functions $fpath)\nautoload -U compinit\ncompinit -u -D\nPS1='READY> '\n\
                 unsetopt beep\n";
    fs::write(scratch.join(".zshrc"), setup).unwrap();
    for (typed, expected) in TYPED {
        let seen = press_tab(&scratch, &["zsh", "-i"], typed, expected);
        assert!(seen.contains(expected), "{typed}: {seen}");
    }
}

/// fish tells what it would offer.
#[test(program("fish"))]
fn tab_works_in_fish() {
    let scratch = Scratch::new();
    let file = scratch.join("sysext-build.fish");
    fs::write(&file, script("fish")).unwrap();
    fs::write(scratch.join("an-image.raw"), "").unwrap();
    for (typed, expected) in TYPED {
        let mut fish = Command::new("fish");
        fish.current_dir(scratch.path()).env("HOME", scratch.path());
        let ask = format!("source {}; complete -C '{typed}'", file.display());
        let seen = output_of(fish.args(["--no-config", "-c", &ask]));
        assert!(seen.contains(expected), "{typed}: {seen}");
    }
}
