//! What every test needs: the program, the fixtures, a place to work, and the word on what is
//! missing.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::Value;

/// Returns the program, free of what the environment of the test run says.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sysext-build"));
    command
        .env_remove("SOURCE_DATE_EPOCH")
        .env_remove("SYSEXT_BUILD_PASSPHRASE")
        .env_remove("NO_COLOR");
    command
}

/// Returns the path of a file in `fixtures/`.
pub fn fixture(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name);
    assert!(path.exists(), "{} is missing", path.display());
    path
}

/// Returns the os-release file of this name from `fixtures/os-release`.
pub fn os_release(name: &str) -> PathBuf {
    fixture(&format!("os-release/{name}.os-release"))
}

/// A directory that is gone when the test is over.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("sysext-build-test-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Self(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // Trees with unreadable directories are among the tests; root and owner may change that.
        let _ = Command::new("chmod")
            .args(["-R", "u+rwX"])
            .arg(&self.0)
            .status();
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Runs the program and returns what it said.
pub fn run<I: IntoIterator<Item = S>, S: AsRef<OsStr>>(arguments: I) -> Output {
    program().args(arguments).output().unwrap()
}

/// Builds into `output` for Tumbleweed and returns the JSON; panics with the errors if it failed.
pub fn build(output: &Path, arguments: &[&OsStr]) -> Value {
    let outcome = program()
        .arg("--json")
        .arg("--os-release")
        .arg(os_release("tumbleweed"))
        .arg("-o")
        .arg(output)
        .args(arguments)
        .output()
        .unwrap();
    assert!(
        outcome.status.success(),
        "{arguments:?}: {}",
        text(&outcome.stdout)
    );
    json(&outcome)
}

/// Returns what was printed to standard output as JSON.
pub fn json(outcome: &Output) -> Value {
    serde_json::from_slice(&outcome.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", text(&outcome.stdout)))
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Returns the names in a directory, sorted, hidden ones included.
pub fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// Says whether a program by other hands is there to judge; its absence fails the test in CI.
pub fn has_oracle(name: &str) -> bool {
    let found = Command::new("sh")
        .args(["-c", "command -v \"$0\" >/dev/null", name])
        .status()
        .is_ok_and(|status| status.success());
    found || missing(&format!("the program {name}"))
}

/// Returns the folder of real packages and clients, if it is there.
#[expect(clippy::print_stderr, reason = "what is skipped is said")]
pub fn shared() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()?
        .join("shared");
    if path.is_dir() {
        return Some(path);
    }
    eprintln!("SKIPPED: the folder ../shared is missing");
    None
}

/// Returns a repository of real software as `../shared/tools/deb2rpm.sh` makes it: RPMs in
/// directories named for their architecture, `repodata`, and `base-packages.txt`, the names of a
/// base. `SYSEXT_BUILD_RPMS` says where it is; else it is where `.ci/run` keeps it.
#[expect(
    clippy::disallowed_methods,
    reason = "where a large repository lies is for the machine to say"
)]
pub fn real_packages() -> Option<PathBuf> {
    let named = std::env::var_os("SYSEXT_BUILD_RPMS").map(PathBuf::from);
    let kept = || Some(cache()?.join("rpms"));
    let path = named.or_else(kept)?;
    let whole = path.join("repodata/repomd.xml").is_file();
    (whole || shared().is_some() && missing(&format!("the repository {}", path.display())))
        .then_some(path)
}

/// Returns the root directory of the base of [`real_packages`], with its RPM database and every
/// file. It is made once for all test runs; that needs root and `rpm`.
pub fn real_base(packages: &Path) -> Option<PathBuf> {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    if !is_root() || !has_oracle("rpm") {
        return None;
    }
    let _guard = ONE_AT_A_TIME.lock().unwrap();
    let version = sha256sum(&packages.join("repodata/repomd.xml"));
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("base-{version}"));
    if root.exists() {
        return Some(root);
    }
    let list = fs::read_to_string(packages.join("base-packages.txt")).unwrap();
    let names: BTreeSet<_> = list.lines().collect();
    let files = rpms_below(packages).into_iter().filter(|file| {
        let name = file.file_stem().unwrap().to_str().unwrap();
        let name = name.rsplitn(3, '-').nth(2).unwrap();
        names.contains(name)
    });
    let unfinished = root.with_extension("unfinished");
    let _ = fs::remove_dir_all(&unfinished);
    output_of(
        Command::new("rpm")
            .arg("--root")
            .arg(&unfinished)
            .args(["--dbpath", "/usr/lib/sysimage/rpm", "-i", "--nodeps"])
            .args(["--noscripts", "--nosignature"])
            .args(files),
    );
    fs::rename(&unfinished, &root).unwrap();
    Some(root)
}

/// Returns the RPM files of a repository, sorted.
pub fn rpms_below(directory: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rpms_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rpm") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// Returns the directory in which clients and packages by other hands are kept between runs.
#[expect(
    clippy::disallowed_methods,
    reason = "the trees of newer systemds are kept there"
)]
pub fn cache() -> Option<PathBuf> {
    Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/sysext-clients"))
}

/// Says whether this is root, which mounts need.
#[expect(clippy::print_stderr, reason = "what is skipped is said")]
pub fn is_root() -> bool {
    let root = Command::new("id")
        .arg("-u")
        .output()
        .is_ok_and(|id| id.stdout == b"0\n");
    if !root {
        eprintln!("SKIPPED: this needs root");
    }
    root
}

#[expect(clippy::print_stderr, reason = "what is skipped is said")]
#[expect(clippy::disallowed_methods, reason = "only CI sets CI")]
pub fn missing(what: &str) -> bool {
    assert!(std::env::var_os("CI").is_none(), "{what} is missing");
    eprintln!("SKIPPED: {what} is missing");
    false
}

/// Runs a command that must succeed, and returns its standard output.
pub fn output_of(command: &mut Command) -> String {
    let outcome = command.output().unwrap();
    assert!(
        outcome.status.success(),
        "{command:?}: {}",
        text(&outcome.stderr)
    );
    text(&outcome.stdout)
}

/// Returns the SHA-256 of a file as `sha256sum` prints it.
pub fn sha256sum(path: &Path) -> String {
    output_of(Command::new("sha256sum").arg("--").arg(path))
        .trim_start_matches('\\')
        .split(' ')
        .next()
        .unwrap()
        .to_owned()
}
