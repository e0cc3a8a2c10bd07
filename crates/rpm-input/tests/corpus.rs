//! Every package of the corpus either streams to its end with all digests right, or is refused
//! for the reason that stands here.
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

use std::fs;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use judges::{Need, corpus};
use rpm_input::{Error, Package, Payload};

/// Which packages are refused, and a part of the message.
const REFUSED: &[(&str, &str)] = &[
    ("FaxMail-2.3-12mdv2007.0.src.rpm", "is a source package"),
    (
        "audacity-1.3.5-49.11_49.12.1.x86_64.delta.rpm",
        "is a delta package (cpio-DLT3)",
    ),
    (
        "broken.rpm",
        "malformed signature header: no header magic at offset 96",
    ),
    (
        "crash-trace-command-1.0-4.el6.src.rpm",
        "is a source package",
    ),
    ("elfinfo-1.0-1.fc9.src.rpm", "is a source package"),
    (
        "fping-2.4b2-10.fc12.ppc.rpm",
        "ends at offset 4000, inside its header",
    ),
    ("fxload-2002_04_11-212.1.src.rpm", "is a source package"),
    ("hello-1.0-1.src.rpm", "is a source package"),
    (
        "imap-devel-2006c1_suse-67.20_127.1.ppc.delta.rpm",
        "is a delta package (cpio-DLT3)",
    ),
    (
        "imap-devel-2006c1_suse-67.26_127.1.x86_64.delta.rpm",
        "is a delta package (cpio-DLT3)",
    ),
    (
        "imap-lib-2006c1_suse-67.26_127.1.i586.delta.rpm",
        "is a delta package (cpio-DLT3)",
    ),
    (
        "libsqueeze0.2_0-0.2.3-8mdv2010.0.i586.rpm",
        "ends at offset 2000, inside its header",
    ),
    (
        "mdv-rpm-summary-0.9.3-1mdv2010.0.noarch.rpm",
        "payload ends at offset 1072 of the archive, inside the name of an entry",
    ),
    ("non-utf8-1.0-1.el5.centos.src.rpm", "is a source package"),
    (
        "perl-Compress-Zlib-1.16-1.8.0.noarch.rpm",
        "payload ends at offset 227 of the archive, inside ",
    ),
    (
        "perl-Crypt-IDEA-1.08-2.fc10.x86_64.rpm",
        "ends at offset 3000, inside its header",
    ),
    (
        "perl-DBD-mysql-4.008_4.010-1.33_1.1.1.x86_64.delta.rpm",
        "is a delta package (cpio-DLT3)",
    ),
    (
        "perl-IO-Interface-0.97-3.7.3.i386.rpm",
        "payload ends at offset 241 of the archive, inside ",
    ),
    (
        "perl-Term-ReadKey-2.20-1.8.0.src.rpm",
        "is a source package",
    ),
    ("python-glc-0.7.1-1.src.rpm", "is a source package"),
    ("rpm_trailing.rpm", "is a source package"),
    (
        "signed_broken.rpm",
        "payload ends at offset 124 of the archive",
    ),
    (
        "sudo-1.6.9p17-10.30_10.36.1.i586.delta.rpm",
        "is a delta package (cpio-DLT3)",
    ),
    (
        "sudo-1.6.9p17-10.35_10.36.1.x86_64.delta.rpm",
        "is a delta package (cpio-DLT3)",
    ),
    ("test-E-1.1-0.src.rpm", "is a source package"),
    ("test-src-1-1.fc24.src.rpm", "is a source package"),
    (
        "test_read_format_huge_rpm.rpm",
        "index of 2147483648 entries, 1 to 65536 are allowed",
    ),
    ("unsigned_broken_header.rpm", "header has SHA-256 4a9410db"),
    (
        "valid-exception-begin-grouping-1.0-1.src.rpm",
        "is a source package",
    ),
];

/// Reads a package to its end and returns how many contents it has.
fn stream(path: &Path) -> Result<usize, Error> {
    let name = path.file_name().unwrap().to_str().unwrap();
    let package = Package::read(&mut BufReader::new(fs::File::open(path).unwrap()), name)?;
    let mut payload = Payload::open(fs::File::open(path).unwrap(), &package)?;
    let mut contents = 0;
    let mut buffer = vec![0; 64 << 10];
    while let Some(mut content) = payload.next_content()? {
        contents += 1;
        let mut length = 0;
        loop {
            match content.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => length += read as u64,
                Err(error) => return Err(error.downcast::<Error>().unwrap()),
            }
        }
        assert_eq!(
            length,
            content.size,
            "{name}: {}",
            package.files.path(content.file).unwrap()
        );
    }
    payload.finish()?;
    Ok(contents)
}

/// Features in the corpus's list, made with the real `rpm`, of files that can't be read.
const UNREADABLE: &[&str] = &[
    "TRUNC",
    "HEADER-BAD",
    "MD5-BAD",
    "PAYLOAD-DIGEST-BAD",
    "cpio-DLT3",
];

/// Returns whether the corpus's list says that a package can't be read; a line is a package.
fn is_unreadable(line: &str) -> bool {
    let mut columns = line.split('\t').skip(2);
    let is_source = columns.next() == Some("src");
    let features = columns.nth(6).unwrap();
    is_source
        || UNREADABLE
            .iter()
            .any(|unreadable| features.contains(unreadable))
}

const RPMS: Need = corpus("rpms");

#[test(RPMS)]
fn every_package_streams_or_is_refused_for_its_reason() {
    let directory = RPMS.path();
    let mut paths: Vec<PathBuf> = fs::read_dir(&directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let mut wrong = Vec::new();
    let list = fs::read_to_string(directory.join("../rpms.tsv")).unwrap();
    let mut listed: Vec<&str> = list
        .lines()
        .skip(1)
        .filter(|line| is_unreadable(line))
        .filter_map(|line| line.split('\t').next())
        .collect();
    listed.sort_unstable();
    let mut refused: Vec<&str> = REFUSED.iter().map(|(name, _)| *name).collect();
    refused.sort_unstable();
    assert_eq!(refused, listed);
    for path in &paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        let expected = REFUSED.iter().find(|(refused, _)| *refused == name);
        match (stream(path), expected) {
            (Ok(_), None) => {}
            (Err(error), Some((_, part))) if error.to_string().contains(part) => {}
            (result, expected) => wrong.push(format!("{name}: {result:?}, expected {expected:?}")),
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {}:\n{}",
        wrong.len(),
        paths.len(),
        wrong.join("\n")
    );
}

fn main() -> std::process::ExitCode {
    judges::run()
}
