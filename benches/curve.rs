//! The curve from which the defaults were chosen: for each compressor, level and block size the
//! time to build, the processors' time, the size, and the time to a program's first run from the
//! mounted image with cold caches.
//!
//! ```text
//! cargo bench --bench curve -- [--only zstd:6,zstd:9] DIRECTORY-OF-RPMS [LIBRARY-DIRECTORY COMMAND...]
//! ```
//!
//! Each COMMAND, such as `usr/bin/gdb --version`, is run from the mounted tree with
//! LIBRARY-DIRECTORY of the tree as `LD_LIBRARY_PATH`. Needs GNU time, and for commands root, loop
//! devices, and a machine on which the programs run.

#![allow(
    clippy::disallowed_methods,
    reason = "a bench reads what it made itself"
)]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a command for people who develop"
)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// First runs of each program, of which the median counts.
const RUNS: usize = 7;

/// What is tried where nothing else is asked for.
const COMPRESSORS: [&str; 10] = [
    "zstd:3", "zstd:6", "zstd:7", "zstd:9", "zstd:12", "zstd:15", "zstd:19", "gzip:9", "lz4", "xz",
];

fn main() {
    let mut arguments: Vec<_> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let mut compressors: Vec<_> = COMPRESSORS.iter().map(|name| (*name).to_owned()).collect();
    if arguments.first().is_some_and(|first| first == "--only") && arguments.len() > 1 {
        compressors = arguments[1].split(',').map(str::to_owned).collect();
        arguments.drain(..2);
    }
    let (rpms, libraries, programs) = match arguments.as_slice() {
        [rpms] => (rpms, "", &[][..]),
        [rpms, libraries, programs @ ..] => (rpms, libraries.as_str(), programs),
        [] => {
            println!("usage: cargo bench --bench curve -- RPMS [LIBRARY-DIRECTORY COMMAND...]");
            return;
        }
    };
    let work = std::env::temp_dir().join(format!("sysext-build-curve-{}", std::process::id()));
    fs::create_dir_all(work.join("mount")).unwrap();
    println!(
        "| compressor | block | build s | processors s | size MB | first run ms: {} |",
        programs.join(", ")
    );
    println!("|---|---|---|---|---|---|");
    for compression in &compressors {
        for block in ["128K", "256K", "512K", "1M"] {
            let (seconds, processors, size) = build(&work, rpms, compression, block);
            let runs: Vec<_> = programs
                .iter()
                .map(|program| format!("{:.0}", first_run(&work, libraries, program) * 1000.0))
                .collect();
            println!(
                "| {compression} | {block} | {seconds:.2} | {processors:.2} | {:.2} | {} |",
                size as f64 / 1e6,
                runs.join(", ")
            );
        }
    }
    fs::remove_file(work.with_extension("time")).unwrap();
    fs::remove_dir_all(&work).unwrap();
}

/// Builds twice and returns the better wall and processor time in seconds, and the size in bytes.
fn build(work: &Path, rpms: &str, compression: &str, block: &str) -> (f64, f64, u64) {
    let (mut best, mut processors) = (f64::MAX, f64::MAX);
    let figures = work.with_extension("time");
    for _ in 0..2 {
        let started = Instant::now();
        let status = Command::new("/usr/bin/time")
            .args(["-f", "%U %S", "-o"])
            .arg(&figures)
            .arg(env!("CARGO_BIN_EXE_sysext-build"))
            .args([
                "--match",
                "any",
                "--name",
                "curve",
                "--image-version",
                "1",
                "--replace",
                "-q",
            ])
            .args([
                "--arch",
                "x86-64",
                "--allow",
                "file-conflict",
                "--allow",
                "link-over-directory",
                "--allow",
                "unchecked-base",
            ])
            .args(["--compression", compression, "--block-size", block, "-o"])
            .arg(work)
            .arg(rpms)
            .status()
            .unwrap();
        assert!(status.success());
        best = best.min(started.elapsed().as_secs_f64());
        let text = fs::read_to_string(&figures).unwrap();
        let words = text.split_whitespace();
        processors = processors.min(words.map(|word| word.parse::<f64>().unwrap()).sum());
    }
    (
        best,
        processors,
        fs::metadata(work.join("curve-1.x86-64.raw")).unwrap().len(),
    )
}

/// Returns the median wall time in seconds of a program's run from a fresh mount, with every
/// cache dropped.
fn first_run(work: &Path, libraries: &str, program: &str) -> f64 {
    let (image, mount) = (work.join("curve-1.x86-64.raw"), work.join("mount"));
    let mut words = program.split(' ');
    let path = mount.join(words.next().unwrap());
    let arguments: Vec<_> = words.collect();
    let mut times: Vec<f64> = (0..RUNS)
        .map(|_| {
            let run = |command: &mut Command| assert!(command.status().unwrap().success());
            run(Command::new("sync").arg("-f").arg(&image));
            run(Command::new("mount")
                .args(["-t", "squashfs", "-o", "loop,ro"])
                .arg(&image)
                .arg(&mount));
            fs::write("/proc/sys/vm/drop_caches", "3").unwrap();
            // The shell and the loader are the host's: they shall not count.
            run(Command::new("cat").arg("/dev/null"));
            let started = Instant::now();
            let status = Command::new(&path)
                .args(&arguments)
                .env("LD_LIBRARY_PATH", mount.join(libraries))
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap();
            let seconds = started.elapsed().as_secs_f64();
            assert!(status.success(), "{program}");
            run(Command::new("umount").arg(&mount));
            seconds
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}
