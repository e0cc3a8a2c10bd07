//! How long `store gate` takes for many images by many systems, from the images' manifests.
//!
//! `cargo bench --bench gate -- [IMAGES [SYSTEMS]]` makes a store of IMAGES images (200) and a
//! repository, from which each of SYSTEMS systems (10) has 2000 packages, and asks once for systems
//! that have all that the images need, and once for such that lack every library. An image is as
//! large as that of a debugger with what it requires. All is made in the system's temporary
//! directory. Needs GNU time.

#![allow(
    clippy::disallowed_methods,
    reason = "a bench reads what it made itself"
)]
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a command for developers"
)]

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// Packages of the repository, and of a system.
const AVAILABLE: usize = 4000;
const INSTALLED: usize = 2000;
/// Of an image: its packages, its programs, its libraries that programs load, its plugins.
const PACKAGES: usize = 48;
const PROGRAMS: usize = 8;
const LIBRARIES: usize = 32;
const PLUGINS: usize = 72;
/// Libraries of the system that an image needs, and versions of each.
const NEEDED: usize = 12;
const VERSIONS: usize = 6;

fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}

/// Returns an ELF file that needs some libraries of the image and some of the system.
fn object(number: usize, more: &Value) -> Value {
    let own = (2..4).map(|part| format!("libown{}.so.1", number % LIBRARIES / part));
    let of_system = (0..3).map(|step| format!("libsys{}.so.6", (number + step) % NEEDED));
    let versions: serde_json::Map<_, _> = of_system
        .clone()
        .map(|name| {
            (
                name,
                (0..VERSIONS).map(|one| format!("SYS_2.{one}")).collect(),
            )
        })
        .collect();
    let needed: Vec<_> = own.chain(of_system).collect();
    let mut object = json!({"abi": "elf64-x86-64", "needed": needed, "versions": versions});
    for (key, value) in more.as_object().unwrap() {
        object[key] = value.clone();
    }
    object
}

/// Returns what the packages of the system must provide.
fn requires() -> Vec<String> {
    let libraries = (0..NEEDED).flat_map(|library| {
        let version = move |one| format!("libsys{library}.so.6(SYS_2.{one})(64bit)");
        let name = format!("libsys{library}.so.6()(64bit)");
        (0..VERSIONS).map(version).chain([name])
    });
    libraries.collect()
}

fn manifest(name: &str) -> Value {
    let objects = |count: usize, path: &dyn Fn(usize) -> String, more: &dyn Fn(usize) -> Value| {
        let objects = (0..count).map(|number| (path(number), object(number, &more(number))));
        objects.collect::<serde_json::Map<_, _>>()
    };
    let loader = json!({"interpreter": "/lib64/ld-linux-x86-64.so.2"});
    let programs = objects(PROGRAMS, &|n| format!("usr/bin/{name}{n}"), &|_| {
        loader.clone()
    });
    let mut libraries = objects(
        LIBRARIES,
        &|n| format!("usr/lib64/libown{n}.so.1"),
        &|n| json!({"soname": format!("libown{n}.so.1")}),
    );
    let plugin = |n| format!("usr/lib/{name}/plugin{n}.so");
    libraries.extend(objects(PLUGINS, &plugin, &|_| json!({})));
    let packages = (0..PACKAGES).map(|number| {
        let package = format!("{name}-part{number}");
        let provides = (0..12).map(|one| format!("{package}({one}) = 1-1"));
        json!({
            "type": "rpm", "name": package, "version": "1-1", "architecture": "x86_64",
            "nevra": format!("{package}-1-1.x86_64"), "provides": Vec::from_iter(provides),
        })
    });
    json!({
        "manifest_version": 1,
        "config": {"name": name, "version": "1", "architecture": "x86-64"},
        "packages": Vec::from_iter(packages),
        "extension": {"ID": "bench", "SYSEXT_LEVEL": "1", "ARCHITECTURE": "x86-64"},
        "requires": requires(),
        "linkage": {"programs": programs, "libraries": libraries},
    })
}

/// Makes a store of so many images of one byte.
fn fill(directory: &Path, images: usize) {
    fs::create_dir_all(directory).unwrap();
    let mut list = String::new();
    for number in 0..images {
        let name = format!("tool{number:05}");
        let manifest = gzip(&serde_json::to_vec(&manifest(&name)).unwrap());
        for (file, bytes) in [
            (format!("{name}-1.x86-64.manifest.gz"), manifest),
            (format!("{name}-1.x86-64.raw"), vec![0]),
        ] {
            list += &format!("{}  {file}\n", sha256(&bytes));
            fs::write(directory.join(file), bytes).unwrap();
        }
    }
    fs::write(directory.join("SHA256SUMS"), list).unwrap();
}

/// Makes a repository, in which the first package has all that the images need.
fn publish(directory: &Path) {
    let mut primary = format!("<metadata packages=\"{AVAILABLE}\">\n");
    for number in 0..AVAILABLE {
        let mut provides: String = (0..8)
            .map(|one| format!("<rpm:entry name=\"libp{number}-{one}.so.1()(64bit)\"/>"))
            .collect();
        if number == 0 {
            let needed = requires()
                .into_iter()
                .chain(["libc.so.6()(64bit)".to_owned()]);
            provides.extend(needed.map(|name| format!("<rpm:entry name=\"{name}\"/>")));
        }
        primary += &format!(
            "<package type=\"rpm\"><name>p{number}</name><arch>x86_64</arch>\
             <version epoch=\"0\" ver=\"1\" rel=\"1\"/>\
             <checksum type=\"sha256\" pkgid=\"YES\">{number:064x}</checksum>\
             <size package=\"1\" installed=\"1\" archive=\"1\"/>\
             <location href=\"p{number}.rpm\"/><format><rpm:provides>{provides}\
             <rpm:entry name=\"p{number}\" flags=\"EQ\" epoch=\"0\" ver=\"1\" rel=\"1\"/>\
             </rpm:provides></format></package>\n"
        );
    }
    primary += "</metadata>\n";
    let stored = gzip(primary.as_bytes());
    let list = format!(
        "<repomd><revision>1</revision><data type=\"primary\">\
         <checksum type=\"sha256\">{}</checksum><location href=\"repodata/primary.xml.gz\"/>\
         <size>{}</size><open-size>{}</open-size></data></repomd>\n",
        sha256(&stored),
        stored.len(),
        primary.len()
    );
    let repodata = directory.join("repodata");
    fs::create_dir_all(&repodata).unwrap();
    fs::write(repodata.join("primary.xml.gz"), stored).unwrap();
    fs::write(repodata.join("repomd.xml"), list).unwrap();
}

/// Asks for so many systems, each of which has the repository's packages from `first` on.
fn ask(work: &Path, images: usize, systems: usize, first: usize) {
    let mut command = Command::new("/usr/bin/time");
    command
        .args([
            "-q",
            "-f",
            "%e %U %S %M",
            env!("CARGO_BIN_EXE_sysext-build"),
        ])
        .args([
            "store",
            "gate",
            "--manifests",
            "-q",
            "store",
            "--repo",
            "repo",
        ])
        .env("XDG_CACHE_HOME", work.join("cache"))
        .env("XDG_STATE_HOME", work.join("state"))
        .current_dir(work)
        .stdout(Stdio::null());
    for system in 1..=systems {
        let packages = (first..first + INSTALLED - system).map(|n| format!("p{n}-1-1.x86_64\n"));
        let list = format!("{first}-{system}");
        fs::write(work.join(&list), packages.collect::<String>()).unwrap();
        let os_release = format!("ID=bench\nVERSION_ID={system}\nSYSEXT_LEVEL=1\n");
        fs::write(work.join(format!("{list}.os-release")), os_release).unwrap();
        command.args([
            "--base",
            &list,
            "--os-release",
            &format!("{list}.os-release"),
        ]);
    }
    command.args(["--arch", "x86-64"]);
    let outcome = command.output().unwrap();
    let said = String::from_utf8(outcome.stderr).unwrap();
    let used: Vec<f64> = (said.lines().last().unwrap().split(' '))
        .map(|number| number.parse().unwrap())
        .collect();
    // 0 if each image is good on each system, 1 if none is.
    assert_eq!(outcome.status.code(), Some(i32::from(first > 0)), "{said}");
    println!(
        "{images} images by {systems} systems, of which {} is missing: {:.2} s, {:.2} s of the \
         processors, {:.0} MiB",
        if first == 0 {
            "nothing"
        } else {
            "each library"
        },
        used[0],
        used[1] + used[2],
        used[3] / 1024.0
    );
}

fn main() {
    let numbers: Vec<usize> = std::env::args()
        .filter_map(|word| word.parse().ok())
        .collect();
    let images = numbers.first().copied().unwrap_or(200);
    let systems = numbers.get(1).copied().unwrap_or(10);
    let work = std::env::temp_dir().join(format!("sysext-bench-gate-{}", std::process::id()));
    fill(&work.join("store"), images);
    publish(&work.join("repo"));
    for first in [0, 1] {
        // The first time fills the cache of the repository.
        for systems in [1, systems] {
            ask(&work, images, systems, first);
        }
    }
    fs::remove_dir_all(&work).unwrap();
}
