//! How os-release files are read, with systemd's own reader as judge: systemd-tmpfiles writes what
//! it finds for ID into a file. Without it the comparison is skipped aloud, and fails where `CI`
//! is set.

#![allow(
    clippy::disallowed_methods,
    reason = "a test reads what it made itself"
)]
#![expect(
    clippy::unwrap_used,
    reason = "outside of its #[test] functions, too, a test may fail by a panic"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clients::{MAX_RELEASE_SIZE, Release, Systemd};

/// A file, and its ID: `Ok` with what systemd reads, `Err` where it gives up the file.
type Case = (&'static [u8], Result<&'static str, ()>);

const CASES: &[Case] = &[
    // What distributions write.
    (b"ID=a", Ok("a")),
    (b"ID=a\n", Ok("a")),
    (b"ID=a\r\nB=c", Ok("a")),
    (b"ID=\"a b\"", Ok("a b")),
    (b"ID='a b'", Ok("a b")),
    (b"# ID=b\nID=a", Ok("a")),
    // Lines that say nothing, and keys that are given twice.
    (b"", Ok("")),
    (b"ID", Ok("")),
    (b"ID=", Ok("")),
    (b"; ID=b\nID=a", Ok("a")),
    (b"what\nID=a", Ok("a")),
    (b"=b\nID=a", Ok("a")),
    (b"ID=a\nID=b", Ok("b")),
    (b"ID=a\nID=", Ok("")),
    (b"export ID=a", Ok("")),
    (b"\xef\xbb\xbfID=a", Ok("")),
    // White space.
    (b" ID = a \n", Ok("a")),
    (b"\t ID\t=\ta b\t\n", Ok("a b")),
    (b"ID=\"a  \"", Ok("a  ")),
    (b"ID=\"a\"  \n", Ok("a")),
    // Quotes open a value and not a part of one; one that is open ends with the file.
    (b"ID=\"a\" 'b'", Ok("ab")),
    (b"ID=\"a\" b ", Ok("ab")),
    (b"ID=a\"b\"", Ok("a\"b\"")),
    (b"ID=a#b", Ok("a#b")),
    (b"ID=\"a\nB=c", Ok("a\nB=c")),
    (b"ID=\"a\r\nb\"", Ok("a\r\nb")),
    (b"ID='a", Ok("a")),
    (b"ID='a \t", Ok("a \t")),
    (b"ID=b\"\nX=\"a ", Ok("b\"")),
    // Backslashes.
    (b"ID=9\\.1", Ok("9.1")),
    (b"ID=\"9\\.1\"", Ok("9\\.1")),
    (b"ID='9\\.1'", Ok("9\\.1")),
    (b"ID='a\\'", Ok("a\\")),
    (b"ID=\"a\\\"\\$\\`\\\\\\x\"", Ok("a\"$`\\\\x")),
    (b"ID=a\\ b\\\nc", Ok("a bc")),
    (b"ID=a\\  \n", Ok("a ")),
    (b"ID=\"a\\\nb\"", Ok("ab")),
    (b"ID=\"a\\\r\nb\"", Ok("a\\\r\nb")),
    (b"ID=a\\", Ok("a")),
    (b"ID=\"a\\", Ok("a")),
    // Bytes that are not text.
    (b"ID=\xff", Err(())),
    (b"ID=a\nB=\xff", Err(())),
    (b"ID=a\n\xff=b", Err(())),
    (b"# \xff\nID=a", Ok("a")),
    (b"\xff\nID=a", Ok("a")),
    (b"ID=a\n# \0", Err(())),
];

/// A backslash ends a comment: up to 252 the next line is a part of it.
const CONTINUED: &[u8] = b"ID=a\n# \\\nID=b";

#[test]
fn files_are_read_as_systemd_reads_them() {
    for (text, expected) in CASES {
        let read = Release::parse(text);
        let id = read
            .as_ref()
            .map(|read| read.given("ID").unwrap_or_default());
        assert_eq!(
            id.ok_or(()),
            *expected,
            "{:?}",
            text.escape_ascii().to_string()
        );
    }
    let continued = Release::parse(CONTINUED).unwrap();
    for (version, id) in Systemd::ALL.into_iter().zip(["a", "b", "b", "b"]) {
        assert_eq!(
            continued.as_read_by(version).get("ID"),
            Some(id),
            "{version:?}"
        );
    }
}

#[test]
fn an_empty_value_is_given_and_not_there() {
    let release = Release::parse(b"ID=\nB=c").unwrap();
    assert_eq!((release.given("ID"), release.get("ID")), (Some(""), None));
    assert_eq!((release.given("C"), release.get("C")), (None, None));
    assert_eq!(release.keys().len(), 2);
    assert!(!release.is_empty() && Release::default().is_empty());
}

#[test]
fn long_files_are_read_up_to_the_bound() {
    // `READ_FULL_BYTES_MAX` of systemd's `fileio.c`.
    let limit = 64 * 1024 * 1024 - 1;
    assert_eq!(MAX_RELEASE_SIZE, limit as u64);
    let mut text = b"ID=a\n".to_vec();
    text.resize(1 << 20, b'#');
    assert_eq!(Release::parse(&text).unwrap().get("ID"), Some("a"));
    text.resize(limit + 1, b'#');
    assert_eq!(Release::parse(&text), None);
    // Whatever has more keys than any system describes itself by loses some, not memory.
    let many: String = (0..70_000).map(|number| format!("K{number}=\n")).collect();
    let release = Release::parse(format!("ID=a\n{many}ID=b\n").as_bytes()).unwrap();
    assert_eq!(release.keys().len(), 1 << 16);
    assert_eq!(release.get("ID"), Some("b"));
}

#[test]
#[expect(clippy::print_stderr, reason = "what is skipped is said")]
#[expect(clippy::disallowed_methods, reason = "only CI sets CI")]
fn systemd_agrees() {
    let Some(version) = judge() else {
        assert!(
            std::env::var_os("CI").is_none(),
            "systemd-tmpfiles is missing"
        );
        eprintln!("SKIPPED: systemd-tmpfiles is missing");
        return;
    };
    let root = Root::new();
    for (text, expected) in CASES {
        let found = root.id(text);
        let expected = expected.map(str::as_bytes).map(<[u8]>::to_vec);
        let text = text.escape_ascii();
        assert_eq!(found.ok_or(()), expected, "systemd {version}: {text}");
    }
    let continued = if version < 254 { "a" } else { "b" };
    assert_eq!(root.id(CONTINUED).as_deref(), Some(continued.as_bytes()));
    let long = format!("#{}\nID=long", "x".repeat(100_000));
    assert_eq!(root.id(long.as_bytes()).as_deref(), Some(&b"long"[..]));
}

/// Returns the version of the systemd that is installed.
fn judge() -> Option<u16> {
    let mut command = Command::new("systemd-tmpfiles");
    let said = command.arg("--version").output().ok()?.stdout;
    let said = String::from_utf8(said).ok()?;
    said.split_whitespace().nth(1)?.parse().ok()
}

/// A root directory that holds nothing but an os-release.
struct Root(PathBuf);

impl Root {
    fn new() -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("release-root");
        let _ = fs::remove_dir_all(&path);
        fs::create_dir_all(path.join("etc")).unwrap();
        // The line is unescaped first, so that what is read is written as it is.
        fs::write(path.join("id.conf"), "f /id - - - - [%o]\n").unwrap();
        Self(path)
    }

    /// Returns the ID that systemd reads; `None` where it gives up the file.
    fn id(&self, text: &[u8]) -> Option<Vec<u8>> {
        let answer = self.0.join("id");
        let _ = fs::remove_file(&answer);
        fs::write(self.0.join("etc/os-release"), text).unwrap();
        Command::new("systemd-tmpfiles")
            .arg(format!("--root={}", self.0.display()))
            .arg("--create")
            .arg(self.0.join("id.conf"))
            .output()
            .unwrap();
        let written = fs::read(answer).ok()?;
        let inner = written.strip_prefix(b"[")?.strip_suffix(b"]")?;
        Some(inner.to_vec())
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
