//! Files in the syntax of os-release, random ones, read by systemd's own reader in its own library.
//!
//! A small program loads `libsystemd-shared`, and prints what `load_env_file_pairs()` finds in each
//! of the files that it is given. There must be no difference to what is read here. The one parser
//! reads the files of hosts and those of images.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use clients::{Release, Systemd};
use judges::{Need, all, programs, root};

use crate::client::{SID, TRIXIE};
use crate::workshop::{Scratch, output_of};

/// Reads files from its input, each after its length, and writes for each the number of its pairs,
/// or -1, and the pairs as names and values, each after its length.
const READER: &str = r#"
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static void put(int32_t n) { fwrite(&n, sizeof n, 1, stdout); }
int main(int argc, char **argv) {
    void *library = dlopen(argv[1], RTLD_NOW);
    if (!library) { fprintf(stderr, "%s\n", dlerror()); return 2; }
    int (*load)(FILE *, const char *, char ***) = dlsym(library, "load_env_file_pairs");
    if (!load) return 3;
    uint32_t length;
    while (fread(&length, sizeof length, 1, stdin) == 1) {
        char *bytes = malloc(length + 1);
        if (fread(bytes, 1, length, stdin) != length) return 4;
        FILE *file = tmpfile();
        fwrite(bytes, 1, length, file);
        rewind(file);
        char **pairs = NULL;
        int r = load(file, "x", &pairs);
        int32_t count = 0;
        while (r >= 0 && pairs && pairs[count]) count++;
        put(r < 0 ? -1 : count);
        for (int32_t i = 0; r >= 0 && i < count; i++) {
            put(strlen(pairs[i]));
            fwrite(pairs[i], 1, strlen(pairs[i]), stdout);
        }
        fclose(file);
        free(bytes);
    }
    return 0;
}
"#;

/// How many files are made.
const FILES: usize = 10_000;

/// What the files are made of.
const PARTS: &[&[u8]] = &[
    b"ID",
    b"VERSION_ID",
    b"SYSEXT_LEVEL",
    b"=",
    b"=",
    b"=",
    b"\n",
    b"\n",
    b"\n",
    b"\r",
    b"\r\n",
    b"\"",
    b"\"",
    b"'",
    b"'",
    b"\\",
    b"\\",
    b"\\\n",
    b"\\\r",
    b" ",
    b"\t",
    b"#",
    b";",
    b"$",
    b"`",
    b"a",
    b"x y",
    b"opensuse",
    b"42",
    b".",
    b"export ",
    b"\xc3\xa9",
    b"\xff",
    b"\0",
    b"\x01",
    b"\xef\xbb\xbf",
    b"# \\\n",
    b"ID=a\n",
    b"VERSION_ID=\"1\"\n",
    b"X='",
];

/// Makes a file, the same on each call.
fn file(state: &mut u64) -> Vec<u8> {
    let mut below = |end: usize| {
        *state ^= *state << 13;
        *state ^= *state >> 7;
        *state ^= *state << 17;
        (*state % end as u64) as usize
    };
    let rare = |part: &[u8]| matches!(part, b"\xff" | b"\0");
    let mut bytes = Vec::new();
    for _ in 0..below(24) {
        let part = PARTS[below(PARTS.len())];
        // One of them gives up the whole file, so most files have none.
        if !rare(part) || below(8) == 0 {
            bytes.extend_from_slice(part);
        }
    }
    bytes
}

type Keys = BTreeMap<Vec<u8>, Vec<u8>>;

/// Returns what systemd's library finds in files.
fn found(reader: &mut Command, files: &[Vec<u8>]) -> Vec<Option<Keys>> {
    let scratch = Scratch::new();
    let input = scratch.join("input");
    let mut bytes = Vec::new();
    for file in files {
        bytes.extend((file.len() as u32).to_le_bytes());
        bytes.extend(file);
    }
    fs::File::create(&input).unwrap().write_all(&bytes).unwrap();
    let output = reader
        .stdin(fs::File::open(&input).unwrap())
        .stderr(Stdio::inherit())
        .output()
        .unwrap();
    assert!(output.status.success(), "{reader:?}: {:?}", output.status);
    let mut rest = &output.stdout[..];
    let answers = files.iter().map(|_| {
        let count = usize::try_from(number(&mut rest)).ok()?;
        let mut texts = (0..count).map(|_| {
            let length = number(&mut rest);
            let (text, after) = rest.split_at(length as usize);
            rest = after;
            text.to_vec()
        });
        let mut keys = Keys::new();
        while let (Some(key), Some(value)) = (texts.next(), texts.next()) {
            keys.insert(key, value);
        }
        Some(keys)
    });
    answers.collect()
}

/// Takes a number off the front.
fn number(rest: &mut &[u8]) -> i32 {
    let (bytes, after) = rest.split_first_chunk().unwrap();
    *rest = after;
    i32::from_le_bytes(*bytes)
}

/// Compares all files with what the library of a version finds, which `reader` runs.
fn compare(version: Systemd, reader: &mut Command) {
    let mut state = 7;
    let files: Vec<_> = (0..FILES).map(|_| file(&mut state)).collect();
    let answers = found(reader, &files);
    let read = answers.iter().flatten().filter(|keys| !keys.is_empty());
    assert!(read.count() > FILES / 4);
    let mut differences = Vec::new();
    for (file, answer) in files.iter().zip(&answers) {
        let own = Release::parse(file).map(|release| {
            let keys = release.as_read_by(version).keys().clone();
            let bytes = |(key, value): (String, String)| (key.into_bytes(), value.into_bytes());
            keys.into_iter().map(bytes).collect::<Keys>()
        });
        // A file that is given up says as little as an empty one.
        if own.clone().unwrap_or_default() != answer.clone().unwrap_or_default() {
            differences.push(format!("{}: {answer:?}, but {own:?}", file.escape_ascii()));
        }
    }
    let count = differences.len();
    differences.truncate(10);
    let shown = differences.join("\n");
    assert_eq!(count, 0, "systemd {}:\n{shown}", version.number());
}

/// Compiles the reader.
fn reader(directory: &Path) -> std::path::PathBuf {
    let source = directory.join("reader.c");
    let program = directory.join("reader");
    fs::write(&source, READER).unwrap();
    output_of(
        Command::new("cc")
            .arg("-o")
            .arg(&program)
            .arg(&source)
            .arg("-ldl"),
    );
    program
}

/// Where the library is in a system for x86-64.
fn library(version: u16) -> String {
    format!("/usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-{version}.so")
}

const READS: Need = all(&[root(), programs!("cc", "chroot")]);

#[test(READS, systemd("252"))]
fn systemd_252_reads_the_same() {
    let scratch = Scratch::new();
    let mut reader = Command::new(reader(scratch.path()));
    compare(Systemd::V252, reader.arg(library(252)));
}

/// Runs the reader in the tree of another system.
fn compare_in(tree: &Path, version: Systemd) {
    let scratch = Scratch::new();
    let place = format!("tmp/env-file-reader-{}", std::process::id());
    let copy = tree.join(&place);
    fs::copy(reader(scratch.path()), &copy).unwrap();
    let mut command = Command::new("chroot");
    command.arg(tree).arg(format!("/{place}"));
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        compare(version, command.arg(library(version.number())));
    }));
    fs::remove_file(copy).unwrap();
    outcome.unwrap();
}

#[test(READS, TRIXIE)]
fn systemd_257_reads_the_same() {
    compare_in(&TRIXIE.path(), Systemd::V257);
}

#[test(READS, SID)]
fn systemd_262_reads_the_same() {
    compare_in(&SID.path(), Systemd::V262);
}
