//! What is on the disk before what: a trace of the system calls that add an image.

use std::path::Path;
use std::process::Command;

use store::Store;

use super::workshop::{Scratch, add, manifest};

/// Adds an image to the store in the directory `store`.
pub(super) fn child_that_adds_one_image() {
    let store = Store::open(Path::new("store")).unwrap();
    add(&store, "a", "a-1", b"image").unwrap();
}

/// What a line of the trace does to the store: `sync FD` or `sync NAME`, `name NAME FD`,
/// `rename NAME`.
fn event(line: &str, directory: &str) -> Option<String> {
    let quoted: Vec<_> = line.split('"').skip(1).step_by(2).collect();
    if line.contains(" fsync(") || line.contains(" fdatasync(") {
        let (fd, rest) = line.split_once("sync(")?.1.split_once('<')?;
        let path = rest.split_once('>')?.0;
        return Some(match path.strip_prefix(directory) {
            Some("") => "sync directory".to_owned(),
            // A file without a name is shown as `/#INODE`.
            Some(name) if !name.starts_with("/#") => format!("sync {}", &name[1..]),
            _ => format!("sync {fd}"),
        });
    }
    if line.contains(" linkat(") {
        let fd = quoted.first()?.strip_prefix("/proc/self/fd/")?;
        return Some(format!("name {} {fd}", quoted.get(1)?));
    }
    line.contains(" rename")
        .then(|| format!("rename {}", quoted.last().unwrap_or(&"")))
}

/// Adds an image to the store in `scratch` under a trace, and returns what that does to the store.
fn events(scratch: &Scratch) -> Vec<String> {
    let directory = scratch.0.join("store").canonicalize().unwrap();
    let trace = scratch.0.join("trace");
    let calls = "trace=fsync,fdatasync,linkat,rename,renameat,renameat2";
    let status = Command::new("strace")
        .args(["-f", "-y", "-qq", "-e", calls, "-e", "signal=none", "-o"])
        .arg(&trace)
        .arg(std::env::current_exe().unwrap())
        .arg(super::ADDER)
        .current_dir(&scratch.0)
        .status()
        .unwrap();
    assert!(status.success());
    let trace = std::fs::read_to_string(trace).unwrap();
    let directory = directory.to_str().unwrap();
    let events: Vec<_> = (trace.lines())
        .filter_map(|line| event(line, directory))
        .collect();
    // A file is called by the name that it gets.
    let named = |fd: &str| {
        let mut names = events
            .iter()
            .filter_map(|event| event.strip_prefix("name "));
        let name = names.find_map(|name| name.strip_suffix(&format!(" {fd}")));
        name.unwrap_or("?").to_owned()
    };
    let of_names = events.iter().map(|event| match event.split_once(' ') {
        Some(("sync", fd)) if fd.bytes().all(|b| b.is_ascii_digit()) => {
            format!("sync {}", named(fd))
        }
        Some(("name", rest)) => {
            format!("name {}", rest.split_once(' ').map_or("", |(name, _)| name))
        }
        _ => event.clone(),
    });
    of_names.collect()
}

#[test(program("strace"))]
fn contents_are_on_the_disk_before_their_names_and_these_before_the_list() {
    let scratch = Scratch::new();
    Store::create(&scratch.0.join("store")).unwrap();
    assert_eq!(
        events(&scratch),
        [
            "sync a-1.raw",
            "sync a-1.manifest.gz",
            "sync .sysext-build-new.tmp",
            "name .sysext-build-pending.tmp",
            "name a-1.raw",
            "name a-1.manifest.gz",
            "sync directory",
            "name .sysext-build-new.tmp",
            "rename SHA256SUMS",
            "sync directory",
        ]
    );
}

/// The files are there already, copied by other hands, and not listed: they may be in memory alone.
#[test(program("strace"))]
fn files_that_were_there_are_on_the_disk_before_they_are_listed() {
    let scratch = Scratch::new();
    Store::create(&scratch.0.join("store")).unwrap();
    scratch.write("store/a-1.raw", b"image");
    scratch.write("store/a-1.manifest.gz", &manifest("a"));
    assert_eq!(
        events(&scratch),
        [
            "sync a-1.raw",
            "sync a-1.manifest.gz",
            "sync .sysext-build-new.tmp",
            "sync directory",
            "name .sysext-build-new.tmp",
            "rename SHA256SUMS",
            "sync directory",
        ]
    );
}
