//! A repository of fixtures, with metadata of our own writing.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::workshop::{Scratch, digest, fixture, names, os_release, program};

/// A package of a repository: the fixture, and what the metadata say of it beside its identity.
#[derive(Clone, Debug)]
pub struct Listed {
    pub file: &'static str,
    pub requires: &'static [&'static str],
    /// Paths that only the file lists have.
    pub paths: &'static [&'static str],
}

pub const NOARCH: &str = "hello-noarch-0.5^git3-1.noarch.rpm";
pub const ZSTD: &str = "payload-zstd-1-1.noarch.rpm";
pub const BASE: &str = "outside-1-1.noarch.rpm";
pub const CLASH: &str = "clash-one-1-1.noarch.rpm";

/// Returns a package that requires nothing.
pub fn plain(file: &'static str) -> Listed {
    Listed {
        file,
        requires: &[],
        paths: &[],
    }
}

/// Returns the packages of the usual repository: one that requires another, and the base's.
pub fn usual() -> Vec<Listed> {
    let noarch = Listed {
        requires: &["payload-zstd"],
        ..plain(NOARCH)
    };
    vec![noarch, plain(ZSTD), plain(BASE), plain(CLASH)]
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}

/// Epoch, name, version and release of a fixture.
fn identity(file: &str) -> (u32, &str, &str) {
    let stem = file.strip_suffix(".noarch.rpm").unwrap();
    let (rest, _) = stem.rsplit_once('-').unwrap();
    let (name, version) = rest.rsplit_once('-').unwrap();
    (if file == NOARCH { 2 } else { 0 }, name, version)
}

/// Returns where the header of a package ends, in bytes from the start of its file.
pub fn header_end(package: &[u8]) -> usize {
    let number = |at: usize| u32::from_be_bytes(package[at..at + 4].try_into().unwrap()) as usize;
    let end_of = |start: usize| start + 16 + 16 * number(start + 8) + number(start + 12);
    // The lead has 96 bytes, and the signature header is padded.
    end_of(end_of(96).next_multiple_of(8))
}

/// Writes the repository with packages in `packages/` and returns its directory.
pub fn write(directory: &Path, packages: &[Listed]) -> PathBuf {
    fs::create_dir_all(directory.join("packages")).unwrap();
    let mut primary = format!(
        "<?xml version=\"1.0\"?>\n<metadata packages=\"{}\">\n",
        packages.len()
    );
    let mut filelists = "<filelists>\n".to_owned();
    for listed in packages {
        let bytes = fs::read(fixture(listed.file)).unwrap();
        fs::write(directory.join("packages").join(listed.file), &bytes).unwrap();
        let (epoch, name, version) = identity(listed.file);
        let checksum = digest(&bytes);
        let requires: String = (listed.requires.iter())
            .map(|name| format!("<rpm:entry name=\"{}\"/>", escaped(name)))
            .collect();
        primary += &format!(
            "<package type=\"rpm\"><name>{name}</name><arch>noarch</arch>\
             <version epoch=\"{epoch}\" ver=\"{version}\" rel=\"1\"/>\
             <checksum type=\"sha256\" pkgid=\"YES\">{checksum}</checksum>\
             <size package=\"{}\" installed=\"1\" archive=\"1\"/>\
             <location href=\"packages/{}\"/><format><rpm:provides>\
             <rpm:entry name=\"{name}\" flags=\"EQ\" epoch=\"{epoch}\" ver=\"{version}\" rel=\"1\"/>\
             </rpm:provides><rpm:requires>{requires}</rpm:requires>\
             <rpm:header-range start=\"112\" end=\"{}\"/></format></package>\n",
            bytes.len(),
            listed.file,
            header_end(&bytes),
        );
        let paths: String = listed
            .paths
            .iter()
            .map(|path| format!("<file>{path}</file>"))
            .collect();
        filelists += &format!("<package pkgid=\"{checksum}\" name=\"{name}\">{paths}</package>\n");
    }
    put_metadata(
        directory,
        &(primary + "</metadata>\n"),
        &(filelists + "</filelists>\n"),
    );
    directory.to_owned()
}

/// Writes `repodata/` with these files; the list describes them as they are.
pub fn put_metadata(directory: &Path, primary: &str, filelists: &str) {
    let repodata = directory.join("repodata");
    let _ = fs::remove_dir_all(&repodata);
    fs::create_dir_all(&repodata).unwrap();
    let mut list = "<?xml version=\"1.0\"?>\n<repomd>\n<revision>1</revision>\n".to_owned();
    for (kind, text) in [("primary", primary), ("filelists", filelists)] {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        let stored = gzip.finish().unwrap();
        fs::write(repodata.join(format!("{kind}.xml.gz")), &stored).unwrap();
        list += &format!(
            "<data type=\"{kind}\"><checksum type=\"sha256\">{}</checksum>\
             <location href=\"repodata/{kind}.xml.gz\"/><size>{}</size>\
             <open-size>{}</open-size></data>\n",
            digest(&stored),
            stored.len(),
            text.len(),
        );
    }
    fs::write(repodata.join("repomd.xml"), list + "</repomd>\n").unwrap();
}

/// A run of the program on a repository, in a place of its own.
pub struct Desk {
    pub scratch: Scratch,
    /// How often a transfer is tried again.
    pub retries: u32,
    /// How long a server may be silent, in seconds.
    pub timeout: u32,
}

impl Desk {
    pub fn new() -> Self {
        let scratch = Scratch::new();
        fs::write(scratch.join("base"), "outside-1-1.noarch\n").unwrap();
        Self {
            scratch,
            retries: 2,
            timeout: 1,
        }
    }

    /// Returns the command that builds from a repository for a base that has one package.
    pub fn command(&self, repo: &str, more: &[&str]) -> Command {
        self.command_into("store", repo, more)
    }

    /// Returns the same for a store of another name.
    pub fn command_into(&self, store: &str, repo: &str, more: &[&str]) -> Command {
        let mut command = program();
        for variable in [
            "http_proxy",
            "https_proxy",
            "HTTPS_PROXY",
            "all_proxy",
            "ALL_PROXY",
        ] {
            command.env_remove(variable);
        }
        command
            .env("XDG_STATE_HOME", self.scratch.join("state"))
            .args(["--arch", "x86_64", "--repo", repo])
            .args(["--retries", &self.retries.to_string()])
            .args(["--timeout", &self.timeout.to_string()])
            .arg("--base")
            .arg(self.scratch.join("base"))
            .arg("--os-release")
            .arg(os_release("tumbleweed"))
            .arg("--cache-dir")
            .arg(self.scratch.join("cache"))
            .arg("-o")
            .arg(self.scratch.join(store))
            .args(more);
        command
    }

    /// Returns the files of the image's store, and nothing where there is none.
    pub fn store(&self) -> Vec<String> {
        let store = self.scratch.join("store");
        match store.exists() {
            true => names(&store),
            false => Vec::new(),
        }
    }
}

/// Returns the number of errors that were said.
pub fn errors(said: &str) -> usize {
    said.lines()
        .filter(|line| line.starts_with("error: "))
        .count()
}
