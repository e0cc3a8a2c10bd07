//! Labels, judged by libselinux's own program.

#![allow(
    clippy::disallowed_methods,
    reason = "a test reads what it made itself"
)]
#![expect(clippy::too_many_lines, reason = "a test is a table")]
#![expect(
    clippy::unwrap_used,
    reason = "a test may fail by a panic, in its functions too"
)]

#[macro_use]
extern crate judges;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use selinux::{FileContexts, FileType};

fn main() -> std::process::ExitCode {
    judges::run()
}

/// Returns what matchpathcon says of paths, all of one type.
fn judged(contexts: &Path, kind: FileType, paths: &[Vec<u8>]) -> Vec<Option<String>> {
    let mode = match kind {
        FileType::Regular => "file",
        FileType::Directory => "dir",
        FileType::Symlink => "link",
        FileType::Block => "block",
        FileType::Character => "char",
        FileType::Fifo => "pipe",
        FileType::Socket => "socket",
    };
    let mut xargs = Command::new("xargs")
        .args(["-0", "-n", "2000", "matchpathcon", "-n", "-m", mode, "-f"])
        .arg(contexts)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut typed = paths.join(&0);
    typed.push(0);
    let mut stdin = xargs.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&typed).unwrap());
    let output = xargs.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success(), "{output:?}");
    let said = String::from_utf8(output.stdout).unwrap();
    let lines = said
        .lines()
        .map(|line| (line != "<<none>>").then(|| line.to_owned()));
    lines.collect()
}

/// Compares all labels, and returns how many paths were looked up.
fn compare(contexts: &Path, paths: &BTreeMap<FileType, Vec<Vec<u8>>>) -> usize {
    let mut ours = FileContexts::open(contexts).unwrap();
    let mut wrong = Vec::new();
    let mut count = 0;
    for (kind, paths) in paths {
        let judged = judged(contexts, *kind, paths);
        assert_eq!(judged.len(), paths.len());
        for (path, expected) in paths.iter().zip(judged) {
            count += 1;
            let found = ours.label(path, *kind).unwrap();
            if found != expected.as_deref() {
                let path = String::from_utf8_lossy(path);
                wrong.push(format!("{path} ({kind:?}): {found:?}, not {expected:?}"));
            }
        }
    }
    let shown: Vec<_> = wrong.iter().take(10).collect();
    assert!(wrong.is_empty(), "{} of {count}: {shown:#?}", wrong.len());
    count
}

const TYPES: [FileType; 7] = [
    FileType::Regular,
    FileType::Directory,
    FileType::Symlink,
    FileType::Block,
    FileType::Character,
    FileType::Fifo,
    FileType::Socket,
];

/// Rules of every kind, and of every kind of expression that is read.
const CONTEXTS: &str = r#"
# A comment, and a blank line.

/.*	u:r:default:s0
/[^/]+	--	u:r:top:s0
/usr(/.*)?	u:r:usr:s0
/usr/.*\.cgi	--	u:r:cgi:s0
/usr/lib/lib[ab]+\.so\.[0-9]+	-l	u:r:lib_link:s0
/usr/lib/lib.*\.so(\.[^/]*)*	--	u:r:lib:s0
/usr/(s)?bin/(foo|bar)	--	u:r:foo_exec:s0
/usr/bin/[[:alpha:]_][[:alnum:]]*x	u:r:alpha:s0
/usr/bin/[]a-c-]+	u:r:bracket:s0
/usr/bin/[^]a]b	u:r:not_bracket:s0
/usr/bin/\d\d+	u:r:digits:s0
/usr/bin/a{2}	u:r:two:s0
/usr/bin/a{3,}	u:r:three:s0
/usr/bin/b{1,2}c	u:r:some:s0
/usr/bin/a{x}	u:r:brace:s0
/usr/bin/c.*?d	u:r:lazy:s0
/usr/bin/(?:e|f)+	u:r:group:s0
/usr/bin/	u:r:slash:s0
/usr/bin/foo	u:r:literal:s0
/usr/bin/bar	-d	u:r:bar_dir:s0
/usr/b.*	u:r:later:s0
/usr/bin/none	<<none>>
/usr/share/x|/usr/share/y	u:r:either:s0
/etc/lost\+found	-d	u:r:lost:s0
/etc/lost\+found/.*	<<none>>
/etc/.*	u:r:etc:s0
/etc/\.pwd\.lock	--	u:r:lock:s0
/etc/pwd.lock	--	u:r:wide:s0
/dev/.*	-c	u:r:char:s0
/dev/.*	-b	u:r:block:s0
/dev/.*	-p	u:r:fifo:s0
/dev/.*	-s	u:r:socket:s0
/var/run/(.*/)?deep/.*	u:r:deep:s0
/opt/.*/a(/.*)?/b	u:r:middle:s0
/opt/q(|x)y	u:r:empty_branch:s0
/opt/$x	u:r:never:s0
/opt/(a*)*b	u:r:nested:s0
/(root|home/.*)	u:r:home:s0
"#;

#[test(programs!("matchpathcon", "xargs"))]
fn rules_of_every_kind() {
    let directory = tempfile("rules");
    let contexts = directory.join("file_contexts");
    let write = |ending: &str, text: &str| {
        std::fs::write(directory.join(format!("file_contexts{ending}")), text).unwrap();
    };
    write("", CONTEXTS);
    write(
        ".homedirs",
        "/home/[^/]+/.*\tu:r:user_home:s0\n/etc/own\tu:r:homedirs:s0\n",
    );
    write(
        ".local",
        "/etc/local.*\tu:r:local:s0\n/etc/own\tu:r:local:s0\n/home/x/y.*\t-d\tu:r:home_local:s0\n",
    );
    write(
        ".subs_dist",
        "/lib /usr/lib\n/lib64 /usr/lib\n/run /var/run\n/run/deep /etc\n/bin /usr/bin\n/srv/root /\n#/x /y\n/lonely\n",
    );
    write(
        ".subs",
        "/alias /lib64\n/lib64/own /etc/own\n/alias/b\t/opt  more\n",
    );
    let first = [
        "",
        "/usr",
        "/usr/bin",
        "/usr/lib",
        "/lib",
        "/lib64",
        "/run",
        "/run/deep",
        "/bin",
        "/alias",
        "/alias/b",
        "/srv/root",
        "/srv/rootx",
        "/etc",
        "/etc/lost+found",
        "/dev",
        "/opt",
        "/opt/a",
        "/opt/x/a",
        "/home",
        "/home/x",
        "/usr/sbin",
        "/root",
        "/usr/share",
        "/var/run/q/deep",
        "/lonely",
        "//usr//bin/",
    ];
    let last = [
        "",
        "/",
        "/a",
        "/aa",
        "/aaa",
        "/a{x}",
        "/b",
        "/bc",
        "/bbc",
        "/bbbc",
        "/cd",
        "/cxxd",
        "/ef",
        "/foo",
        "/bar",
        "/foo.cgi",
        "/libab.so.5",
        "/libab.so",
        "/libq.so.1.2",
        "/libq.so.1/2",
        "/none",
        "/none/x",
        "/x",
        "/xx",
        "/x-y",
        "/y",
        "/12",
        "/1",
        "/]b",
        "/a]b",
        "/-",
        "/zb",
        "/own",
        "/local",
        "/locally",
        "/yes",
        "/.pwd.lock",
        "/pwd.lock",
        "/pwdxlock",
        "/deep/x",
        "/qxy",
        "/qy",
        "/$x",
        "/a/b",
        "/b/b",
        "/a/x/b",
        "//double",
        "/root",
        "/lost+found",
        "/\u{e4}\u{f6}",
        "/with space",
        "/ax",
        "/_x",
        "/_9x",
    ];
    let paths: Vec<_> = (first.iter())
        .flat_map(|first| {
            last.iter()
                .map(move |last| format!("{first}{last}").into_bytes())
        })
        // The program takes a slash at the end away, and what is no path it does not look up.
        .filter(|path: &Vec<u8>| !path.is_empty() && (path.len() == 1 || !path.ends_with(b"/")))
        .collect();
    let paths = TYPES.map(|kind| (kind, paths.clone())).into();
    assert!(compare(&contexts, &paths) > 9000);
    std::fs::remove_dir_all(directory).unwrap();
}

/// Makes a directory for a test.
fn tempfile(name: &str) -> std::path::PathBuf {
    let path =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// Returns the files of packages, by their types.
fn files_of(directory: &Path) -> BTreeMap<FileType, Vec<Vec<u8>>> {
    let packages = std::fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut packages: Vec<_> = packages
        .filter(|path| path.extension().is_some_and(|end| end == "rpm"))
        .collect();
    packages.sort();
    let mut files: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for package in packages {
        let query = [
            "--nosignature",
            "--nodigest",
            "-qp",
            "--qf",
            "[%{FILEMODES} %{FILENAMES}\n]",
        ];
        let output = Command::new("rpm")
            .args(query)
            .arg(package)
            .output()
            .unwrap();
        for line in output.stdout.split(|byte| *byte == b'\n') {
            let Some(space) = line.iter().position(|byte| *byte == b' ') else {
                continue;
            };
            let mode: u32 = std::str::from_utf8(&line[..space])
                .unwrap()
                .parse()
                .unwrap_or(0);
            let path = line[space + 1..].to_vec();
            let kind = match mode & 0o170_000 {
                0o040_000 => FileType::Directory,
                0o120_000 => FileType::Symlink,
                0o060_000 => FileType::Block,
                0o020_000 => FileType::Character,
                0o010_000 => FileType::Fifo,
                0o140_000 => FileType::Socket,
                _ => FileType::Regular,
            };
            if path.starts_with(b"/") && !path.ends_with(b"/") {
                files.entry(kind).or_default().push(path);
            }
        }
    }
    files
}

const CONTEXTS_OF_SUSE: judges::Need = judges::corpus("selinux/opensuse");
const RPMS: judges::Need = judges::corpus("rpms");

#[test(CONTEXTS_OF_SUSE, RPMS, programs!("matchpathcon", "xargs", "rpm"))]
fn every_file_of_real_packages() {
    let files = files_of(&RPMS.path());
    assert!(compare(&CONTEXTS_OF_SUSE.path().join("file_contexts"), &files) > 5000);
}

/// Contexts of another system, as they are below `/etc/selinux/TYPE/contexts/files`.
const OTHERS: judges::Need = judges::named("SYSEXT_BUILD_CONTEXTS");

#[test(OTHERS, RPMS, programs!("matchpathcon", "xargs", "rpm"))]
fn every_file_of_real_packages_elsewhere() {
    let files = files_of(&RPMS.path());
    assert!(compare(&OTHERS.path().join("file_contexts"), &files) > 5000);
}
