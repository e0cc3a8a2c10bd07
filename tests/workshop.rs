//! What every test needs: the program, the fixtures, a place to work.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex};

use judges::{Need, all, corpus, program as judge, programs, repository, root};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Returns the program, free of what the environment of the test run says.
pub fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sysext-build"));
    command
        .env_remove("SOURCE_DATE_EPOCH")
        .env_remove("SYSEXT_BUILD_PASSPHRASE")
        .env_remove("NO_COLOR")
        .env("XDG_STATE_HOME", state())
        .env("XDG_CACHE_HOME", state().join("cache"));
    command
}

/// Returns where the programs of this test run remember what they signed: nothing of a run before.
fn state() -> &'static Path {
    static STATE: LazyLock<PathBuf> = LazyLock::new(|| {
        let name = format!("sysext-build-test-state-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        // A process of this number may have left it.
        let _ = std::fs::remove_dir_all(&path);
        path
    });
    &STATE
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

/// Builds the package NAME-1-1.noarch of a spec; returns its path.
pub fn packaged(scratch: &Scratch, name: &str, spec: &str) -> PathBuf {
    let path = scratch.join(&format!("{name}.spec"));
    fs::write(&path, spec).unwrap();
    let top = scratch.join("rpmbuild");
    output_of(
        Command::new("rpmbuild")
            .args(["-bb", "--define"])
            .arg(format!("_topdir {}", top.display()))
            .arg(path),
    );
    top.join(format!("RPMS/noarch/{name}-1-1.noarch.rpm"))
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
        make_removable(&self.0);
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Lets the owner into each directory; some tests make trees that nobody may read.
fn make_removable(directory: &Path) {
    let _ = fs::set_permissions(directory, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_removable(&entry.path());
        }
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

/// What [`crate::base::base`] and [`crate::base::system_package`] run.
pub const PACKAGERS: Need = programs!("rpm", "rpmbuild");

/// A repository of real software as `tests/clients/packages.py` makes it: RPMs in directories named
/// for their architecture, `repodata`, and `base-packages.txt`, the names of a base.
pub const REPOSITORY: Need = repository();

/// Packages by other hands, listed in `rpms.tsv`.
pub const CORPUS: Need = corpus("");

/// What [`real_base`] needs.
pub const REAL_BASE: Need = all(&[REPOSITORY, root(), judge("rpm")]);

/// Returns the root directory of the base of [`REPOSITORY`], with its RPM database and every file.
/// It is made once for all test runs.
pub fn real_base(packages: &Path) -> PathBuf {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap();
    let version = sha256sum(&packages.join("repodata/repomd.xml"));
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("base-{version}"));
    if root.exists() {
        return root;
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
    root
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

/// Returns the SHA-256 of a file in hexadecimal.
pub fn sha256sum(path: &Path) -> String {
    digest(&fs::read(path).unwrap())
}

/// Returns the SHA-256 of bytes in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    (Sha256::digest(bytes).iter())
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
