//! How fast an image is made, as ratios against peers that are measured in the same run.
//!
//! ```text
//! cargo bench --bench pack -- [--rounds N] [--levels 15,9] NAME=DIRECTORY-OF-RPMS...
//! ```
//!
//! Peers: (a) the shell pipeline `rpm2cpio | cpio` and `mksquashfs` with the same compressor, level
//! and block size; (b) the pure compression time of the same blocks, divided by the cores; (c) the
//! pipeline with `mksquashfs -comp zstd` as it comes, against this program as it comes. The sides
//! are run in turn; medians count. Needs rpm2cpio, cpio, mksquashfs, GNU time.

#![allow(
    clippy::disallowed_methods,
    reason = "a bench reads what it made itself"
)]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a command for people who develop"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use sha2::{Digest as _, Sha256};

/// Wall time in seconds, processor time in seconds, peak memory in MiB, image size in bytes.
#[derive(Clone, Copy, Default)]
struct Run {
    wall: f64,
    processor: f64,
    memory: f64,
    size: u64,
}

fn main() {
    let mut rounds = 3;
    let mut levels = vec![15, 9];
    let mut sets = Vec::new();
    let mut arguments = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench");
    while let Some(argument) = arguments.next() {
        if argument == "--rounds" {
            rounds = arguments.next().unwrap().parse().unwrap();
        } else if argument == "--levels" {
            let list = arguments.next().unwrap();
            levels = list
                .split(',')
                .map(|level| level.parse().unwrap())
                .collect();
        } else if let Some((name, directory)) = argument.split_once('=') {
            sets.push((name.to_owned(), PathBuf::from(directory)));
        }
    }
    if sets.is_empty() {
        println!("usage: cargo bench --bench pack -- [--rounds N] NAME=DIRECTORY-OF-RPMS...");
    }
    let cores = std::thread::available_parallelism().unwrap().get();
    let work = std::env::temp_dir().join(format!("sysext-build-bench-{}", std::process::id()));
    for (name, rpms) in &sets {
        println!(
            "{name}: {} packages, {cores} cores, median of {rounds}",
            packages(rpms).len()
        );
        let mut defaults_of_peer = Vec::new();
        let asked = levels.iter().map(|level| (*level, 128, false));
        for (level, block, is_default) in asked.chain([(DEFAULT_LEVEL, DEFAULT_BLOCK / 1024, true)])
        {
            let options = [format!("zstd:{level}"), format!("{block}K")];
            let (mut a, mut b, mut bound) = (Vec::new(), Vec::new(), Vec::new());
            for _ in 0..rounds {
                if !is_default {
                    b.push(pipeline(rpms, &work, level, block));
                }
                let ours_as_set = ["--compression", &options[0], "--block-size", &options[1]];
                a.push(ours(
                    rpms,
                    &work,
                    if is_default { &[] } else { &ours_as_set },
                ));
                // The unpacked tree of the last pipeline run is still there.
                bound.push(pure(&work, level, block * 1024, cores));
            }
            let label = format!("{}, {}", options[0], options[1]);
            if is_default && !defaults_of_peer.is_empty() {
                print_pair(
                    &format!("(c) {label}"),
                    median(a.clone()),
                    median(defaults_of_peer.clone()),
                );
            } else {
                print_pair(
                    &format!("(a) {label}"),
                    median(a.clone()),
                    median(b.clone()),
                );
            }
            print_pair(&format!("(b) {label}"), median(a), median(bound));
            if level == 15 && block == 128 {
                // Zstandard 15 in 128 KiB blocks is what mksquashfs takes for -comp zstd.
                defaults_of_peer = b;
            }
        }
        let _ = fs::remove_dir_all(&work);
    }
}

/// The program's default level, for peer (b).
const DEFAULT_LEVEL: i32 = 6;
/// The program's default block size in bytes, for peer (b).
const DEFAULT_BLOCK: usize = 1024 * 1024;

fn packages(directory: &Path) -> Vec<PathBuf> {
    let mut packages: Vec<_> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rpm"))
        .collect();
    packages.sort();
    packages
}

/// Returns the run of the median wall time.
fn median(mut runs: Vec<Run>) -> Run {
    runs.sort_by(|x, y| x.wall.total_cmp(&y.wall));
    runs[runs.len() / 2]
}

fn print_pair(label: &str, ours: Run, theirs: Run) {
    print!(
        "  {label:<20} wall {:.2} s / {:.2} s = {:.2}   processor {:.2} s / {:.2} s",
        ours.wall,
        theirs.wall,
        ours.wall / theirs.wall,
        ours.processor,
        theirs.processor
    );
    if theirs.size > 0 {
        print!(
            "   size {} / {} = {:.3}",
            ours.size,
            theirs.size,
            ours.size as f64 / theirs.size as f64
        );
        print!("   memory {:.0} / {:.0} MiB", ours.memory, theirs.memory);
    }
    println!();
}

/// Runs a command under GNU time.
fn timed(command: &[&str], directory: &Path) -> Run {
    let figures = directory.with_extension("time");
    let started = Instant::now();
    let status = Command::new("/usr/bin/time")
        .args(["-o", figures.to_str().unwrap(), "-f", "%U %S %M"])
        .args(command)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .unwrap();
    let wall = started.elapsed().as_secs_f64();
    assert!(status.success(), "{command:?}");
    let figures = fs::read_to_string(figures).unwrap();
    let figures: Vec<f64> = figures
        .split_whitespace()
        .map(|word| word.parse().unwrap())
        .collect();
    Run {
        wall,
        processor: figures[0] + figures[1],
        memory: figures[2] / 1024.0,
        size: 0,
    }
}

/// Runs this program.
fn ours(rpms: &Path, work: &Path, options: &[&str]) -> Run {
    let store = work.join("store");
    let _ = fs::remove_dir_all(&store);
    fs::create_dir_all(&store).unwrap();
    let mut command = vec![
        env!("CARGO_BIN_EXE_sysext-build"),
        "--match",
        "any",
        "--name",
        "bench",
    ];
    command.extend([
        "--image-version",
        "1",
        "--arch",
        "x86-64",
        "--allow",
        "file-conflict",
    ]);
    command.extend([
        "--allow",
        "link-over-directory",
        "--allow",
        "unchecked-base",
        "-o",
        store.to_str().unwrap(),
    ]);
    command.extend(options);
    command.push(rpms.to_str().unwrap());
    let run = timed(&command, &store);
    Run {
        size: fs::metadata(store.join("bench-1.x86-64.raw"))
            .unwrap()
            .len(),
        ..run
    }
}

/// Runs the shell pipeline, on the same hierarchies.
fn pipeline(rpms: &Path, work: &Path, level: i32, block: usize) -> Run {
    let tree = work.join("tree");
    let _ = fs::remove_dir_all(&tree);
    fs::create_dir_all(&tree).unwrap();
    let image = work.join("pipeline.raw");
    let _ = fs::remove_file(&image);
    let script = format!(
        "set -e; cd \"$1\"; for rpm in \"$2\"/*.rpm; do rpm2cpio \"$rpm\" | cpio -idmu --quiet; done
         rm -rf etc var root usr/lib/.build-id
         mksquashfs . \"$3\" -comp zstd -Xcompression-level {level} -b {block}K -all-root -no-progress -quiet"
    );
    let arguments = [&tree, &rpms.canonicalize().unwrap(), &image]
        .map(|path| path.to_str().unwrap().to_owned());
    let run = timed(
        &[
            "bash",
            "-c",
            &script,
            "-",
            &arguments[0],
            &arguments[1],
            &arguments[2],
        ],
        &tree,
    );
    Run {
        size: fs::metadata(image).unwrap().len(),
        ..run
    }
}

/// Compresses the blocks of the unpacked tree on one thread and divides by the cores. Reading
/// them is not measured.
fn pure(work: &Path, level: i32, block_size: usize, cores: usize) -> Run {
    let mut compressor = zstd_safe::CCtx::create();
    compressor
        .set_parameter(zstd_safe::CParameter::CompressionLevel(level))
        .unwrap();
    let mut out = vec![0; zstd_safe::compress_bound(block_size)];
    let mut seconds = 0.0;
    let mut compress = |block: &[u8]| {
        let started = Instant::now();
        compressor.compress2(&mut out[..], block).unwrap();
        seconds += started.elapsed().as_secs_f64();
    };
    let (mut seen, mut fragment) = (BTreeSet::new(), Vec::new());
    let mut waiting = vec![work.join("tree")];
    while let Some(path) = waiting.pop() {
        let metadata = fs::symlink_metadata(&path).unwrap();
        if metadata.is_dir() {
            waiting.extend(
                fs::read_dir(&path)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
        } else if metadata.is_file() {
            let bytes = fs::read(&path).unwrap();
            if !seen.insert(<[u8; 32]>::from(Sha256::digest(&bytes))) {
                continue;
            }
            let (whole, tail) = bytes.split_at(bytes.len() / block_size * block_size);
            whole
                .chunks(block_size)
                .filter(|block| block.iter().any(|byte| *byte != 0))
                .for_each(&mut compress);
            if fragment.len() + tail.len() > block_size {
                compress(&fragment);
                fragment.clear();
            }
            fragment.extend(tail);
        }
    }
    compress(&fragment);
    Run {
        wall: seconds / cores as f64,
        processor: seconds,
        memory: 0.0,
        size: 0,
    }
}
