//! What has to hold where an image is merged, tried out.
//!
//! A test runs in a process of its own, since only one with a single thread can get namespaces: this
//! program with `try`.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use files::Links;
use serde::Deserialize;

use crate::words::failure::{Failure, Result};

/// What has to hold where an image is merged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(
    default,
    expecting = "tables with run, exists or units, as in [[test]]"
)]
pub struct Test {
    /// A line for the shell that has to succeed.
    pub run: Option<String>,
    /// Absolute paths that have to be there.
    pub exists: Option<Vec<String>>,
    /// Names of units that systemd has to be able to load.
    pub units: Option<Vec<String>>,
}

/// Letters that are shown of what a failing test said.
const SHOWN: usize = 200;

/// So much of the end of it is looked at, in bytes.
const MAX_SAID: u64 = 64 << 10;
/// A test that takes longer has failed.
const MAX_TIME: Duration = Duration::from_secs(600);
/// So long until it is asked again whether a test is over.
const STEP: Duration = Duration::from_millis(5);

/// What tests of an image are about.
#[derive(Clone, Copy)]
pub struct Tested<'a> {
    /// The image.
    pub image: BorrowedFd<'a>,
    /// Its companion, if it has one.
    pub companion: Option<BorrowedFd<'a>>,
    /// The name under which it is merged.
    pub name: &'a str,
    /// The root directory of the base.
    pub base: &'a Path,
    /// An os-release file in place of the base's own.
    pub os_release: Option<&'a Path>,
}

/// Tries out what has to hold; returns what does not, in words.
pub fn failures(tests: &[Test], tested: Tested<'_>) -> Result<Vec<String>> {
    let mut failures = Vec::new();
    for (what, script) in tests.iter().flat_map(scripts) {
        if let Some(said) = tested.run(&script)? {
            failures.push(format!("{what}: {said}"));
        }
    }
    Ok(failures)
}

/// Returns what a test asks for: its words, and a script that fails if it does not hold.
fn scripts(test: &Test) -> Vec<(String, String)> {
    let mut scripts = Vec::new();
    let exists = test.exists.iter().flatten();
    scripts.extend(exists.map(|path| {
        let script = format!(
            "test -e {} || {{ echo it is not there; exit 1; }}",
            quoted(path)
        );
        (format!("exists {path}"), script)
    }));
    let units = test.units.iter().flatten();
    scripts.extend(units.map(|unit| {
        let verify = format!("systemd-analyze verify --man=no {}", quoted(unit));
        let script = format!(
            "command -v systemd-analyze > /dev/null || {{ echo the base has no systemd-analyze; exit 1; }}\n{verify}"
        );
        (format!("units {unit}"), script)
    }));
    scripts.extend(
        test.run
            .iter()
            .map(|run| (format!("run {run}"), run.clone())),
    );
    scripts
}

/// Returns a word as the shell takes it.
fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

impl Tested<'_> {
    /// Runs a script, in no more time than there is; returns how it failed, if it did.
    fn run(self, script: &str) -> Result<Option<String>> {
        let failed = |error| Failure::io("running a test", error);
        // It may have no name yet, so it is handed over, and not to be written.
        let image = read_again(self.image)?;
        let mut command = Command::new("/proc/self/exe");
        command
            .args(["try", "--quiet", "--as", self.name, "--base"])
            .arg(self.base);
        if let Some(path) = self.os_release {
            command.arg("--os-release").arg(path);
        }
        let companion = self.companion.map(handed_over).transpose()?;
        if let Some((_, path)) = &companion {
            command.arg("--companion").arg(path);
        }
        command
            .args(["/proc/self/fd/0", "--", "/bin/sh", "-c"])
            .arg(format!("exec < /dev/null\n{script}"))
            .stdin(Stdio::from(image));
        let mut said = said_into(&mut command).map_err(failed)?;
        let mut child = command.process_group(0).spawn().map_err(failed)?;
        let group = rustix::process::Pid::from_child(&child);
        let status = within(&mut child, MAX_TIME).map_err(failed)?;
        // What it left running in the background, too.
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        let status = match status {
            Some(status) if status.success() => return Ok(None),
            Some(status) => status.to_string(),
            None => {
                child.wait().map_err(failed)?;
                format!("it took longer than {} seconds", MAX_TIME.as_secs())
            }
        };
        let said = last_of(&mut said).map_err(failed)?;
        let said = String::from_utf8_lossy(&said);
        let mut lines = said.lines().map(str::trim).filter(|line| !line.is_empty());
        let last = lines.next_back().unwrap_or("it said nothing");
        let last: String = last.chars().take(SHOWN).collect();
        Ok(Some(format!("{status}, {last}")))
    }
}

/// Opens a file again, to be read alone.
fn read_again(file: BorrowedFd<'_>) -> Result<File> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(files::open(path, Links::Follow)?)
}

/// Opens a file for programs that are started while it is open, and returns its path in these.
fn handed_over(file: BorrowedFd<'_>) -> Result<(File, String)> {
    let file = read_again(file)?;
    rustix::io::fcntl_setfd(&file, rustix::io::FdFlags::empty())
        .map_err(|error| Failure::io("running a test", error))?;
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok((file, path))
}

/// Has a command write into memory what it says: a pipe would stay open as long as anything in the
/// background has it.
fn said_into(command: &mut Command) -> io::Result<File> {
    let memory = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC)?;
    let said = File::from(memory);
    command.stdout(said.try_clone()?).stderr(said.try_clone()?);
    Ok(said)
}

/// Waits for the end of a process, but no longer than this.
fn within(child: &mut Child, longest: Duration) -> io::Result<Option<ExitStatus>> {
    let mut left = longest;
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if left.is_zero() {
            return Ok(None);
        }
        let step = left.min(STEP);
        std::thread::sleep(step);
        left -= step;
    }
}

/// Returns the end of what a test has said.
fn last_of(said: &mut File) -> io::Result<Vec<u8>> {
    let length = said.metadata()?.len();
    said.seek(SeekFrom::Start(length.saturating_sub(MAX_SAID)))?;
    let mut bytes = Vec::new();
    said.take(MAX_SAID).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_asked() {
        let test = Test {
            run: Some("a --version".to_owned()),
            exists: Some(vec!["/usr/share/it's".to_owned()]),
            units: Some(vec!["b.service".to_owned()]),
        };
        let asked = scripts(&test);
        let what: Vec<_> = asked.iter().map(|(what, _)| what.as_str()).collect();
        assert_eq!(
            what,
            [
                "exists /usr/share/it's",
                "units b.service",
                "run a --version"
            ]
        );
        assert!(
            asked[0].1.starts_with(r"test -e '/usr/share/it'\''s' "),
            "{asked:?}"
        );
        assert!(
            asked[1].1.ends_with("verify --man=no 'b.service'"),
            "{asked:?}"
        );
    }
}
