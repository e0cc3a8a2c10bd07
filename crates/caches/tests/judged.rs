//! Caches, judged by the programs that make them.

#![allow(
    clippy::disallowed_methods,
    reason = "a test reads what it made itself"
)]
#![expect(
    clippy::unwrap_used,
    reason = "a test may fail by a panic, in its functions too"
)]

#[macro_use]
extern crate judges;

#[path = "judged/desktop.rs"]
mod desktop;
#[path = "judged/icons.rs"]
mod icons;
#[path = "judged/mime.rs"]
mod mime;
#[path = "judged/schemas.rs"]
mod schemas;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn main() -> std::process::ExitCode {
    judges::run()
}

/// A directory that is gone with its value.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("caches-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

/// Runs a program, whose messages are in English.
fn run(program: &str, arguments: &[&Path]) -> Output {
    let output = Command::new(program)
        .env("LC_ALL", "C.UTF-8")
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}
