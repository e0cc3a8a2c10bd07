//! What adding to a large store costs, and how fast one is verified.
//!
//! `cargo bench --bench store [-- IMAGES [MIB]]` makes a store of IMAGES images (10 000), adds 20
//! more, and prints the median and the slowest; then it verifies a store of MIB mebibytes (1024)
//! on each number of threads. The stores are made in the system's temporary directory.

#![allow(
    clippy::disallowed_methods,
    reason = "a bench reads what it made itself"
)]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a command for developers"
)]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};
use store::{Examination, Listing, Publication, Store};

fn manifest(name: &str) -> Vec<u8> {
    let json = format!(
        r#"{{"manifest_version":1,"config":{{"name":"{name}","version":"1","architecture":"x86-64"}}}}"#
    );
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(json.as_bytes()).unwrap();
    gzip.finish().unwrap()
}

/// Makes a store of `count` images of one byte in `directory`.
fn fill(directory: &Path, count: usize) {
    let mut list = String::new();
    for number in 0..count {
        let name = format!("tool-{number:05}");
        for (file, bytes) in [
            (format!("{name}-1.x86-64.manifest.gz"), manifest(&name)),
            (format!("{name}-1.x86-64.raw"), vec![0]),
        ] {
            for byte in Sha256::digest(&bytes) {
                write!(list, "{byte:02x}").unwrap();
            }
            writeln!(list, "  {file}").unwrap();
            fs::write(directory.join(file), bytes).unwrap();
        }
    }
    fs::write(directory.join("SHA256SUMS"), list).unwrap();
}

/// Adds an image of one byte, and returns the milliseconds that it took.
fn add(store: &Store, name: &str) -> f64 {
    let file = |name: String, bytes: &[u8]| {
        let mut file = store.temporary().unwrap();
        file.write_all(bytes).unwrap();
        (name, file, Sha256::digest(bytes).into())
    };
    let publication = Publication {
        name: name.to_owned(),
        image: file(format!("{name}-1.x86-64.raw"), &[1]),
        manifest: file(format!("{name}-1.x86-64.manifest.gz"), &manifest(name)),
        attached: Vec::new(),
        replace: false,
        allow_older: false,
    };
    let start = Instant::now();
    store.add(publication, Listing::default()).unwrap();
    start.elapsed().as_secs_f64() * 1000.0
}

fn main() {
    let numbers: Vec<usize> = std::env::args()
        .filter_map(|word| word.parse().ok())
        .collect();
    let count = numbers.first().copied().unwrap_or(10_000);
    let mebibytes = numbers.get(1).copied().unwrap_or(1024);
    let root = std::env::temp_dir().join(format!("sysext-bench-store-{}", std::process::id()));
    let directory = root.join("many");
    fs::create_dir_all(&directory).unwrap();
    fill(&directory, count);
    let store = Store::open(&directory).unwrap();
    let mut times: Vec<_> = (0..20)
        .map(|number| add(&store, &format!("tool-{number:05}x")))
        .collect();
    times.sort_by(f64::total_cmp);
    println!(
        "add to {count} images: median {:.1} ms, slowest {:.1} ms",
        times[times.len() / 2],
        times[times.len() - 1]
    );

    let directory = root.join("large");
    fs::create_dir_all(&directory).unwrap();
    let store = Store::open(&directory).unwrap();
    let piece = vec![7; 64 << 20];
    let hash = Sha256::digest(&piece);
    let mut list = String::new();
    for number in 0..(mebibytes / 64).max(1) {
        let name = format!("big-{number}.raw");
        fs::write(directory.join(&name), &piece).unwrap();
        for byte in hash {
            write!(list, "{byte:02x}").unwrap();
        }
        writeln!(list, "  {name}").unwrap();
    }
    fs::write(directory.join("SHA256SUMS"), list).unwrap();
    let start = Instant::now();
    let rounds = (mebibytes / 64).max(1);
    for _ in 0..rounds {
        std::hint::black_box(Sha256::digest(&piece));
    }
    let alone = start.elapsed().as_secs_f64();
    for workers in 1..=std::thread::available_parallelism().map_or(1, usize::from) {
        let start = Instant::now();
        let verdict = store
            .verify(&Examination {
                workers,
                check_signature: None,
                now: 0,
                look_inside: None,
                progress: &|_, _| {},
            })
            .unwrap();
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "verify on {workers} threads: {:.0} MB/s, {:.2} of SHA-256 in memory on one",
            verdict.bytes as f64 / seconds / 1e6,
            alone / seconds
        );
    }
    fs::remove_dir_all(&root).unwrap();
}
