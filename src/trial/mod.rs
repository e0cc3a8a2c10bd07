//! Images tried out: a command runs in a base with images merged over it, before they are on a host.
//!
//! It happens in namespaces of this process, which needs no privilege for that. The root that the
//! command sees is put together in a tmpfs that no other process sees and that is gone with this
//! one, however it ends:
//!
//! ```text
//! /usr, /opt    the images' over the base's, as systemd orders them; read-only
//! /etc, /var    the base's, under a layer that takes what is written
//! /etc          companions' over that, if there are some; read-only
//! /dev          what harms nothing: null, zero, random, a terminal
//! /proc, /sys   those of this machine
//! /run, /tmp and what else the base has in its root: empty
//! ```
//!
//! The kernel lets nobody mount SquashFS without privilege, so images are unpacked. There is one
//! user in there, who is the root of nothing but this: files have no other owner.

mod namespaces;
mod root;
pub mod test;
mod unpack;

use std::ffi::OsString;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::anyhow;
use files::{Directory, Links};
use image::Tree;

use crate::check::set;
use crate::inspected::InspectedImage;
use crate::words::failure::{Failure, Result};

pub use namespaces::enter;

/// Where programs are looked for in there.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What of an image a host acts upon once it is merged, and with which program.
const ACTIVATORS: [(&str, &[&str]); 2] = [
    ("usr/lib/sysusers.d", &["systemd-sysusers"]),
    ("usr/lib/tmpfiles.d", &["systemd-tmpfiles", "--create"]),
];

/// A root with images merged, in which this process is.
pub struct Trial {
    /// What could not be made as on a host, in words.
    pub notes: Vec<String>,
}

impl Trial {
    /// Puts the root together and makes it that of this process, which is in namespaces of its own
    /// ([`enter`]). `images` are merged in the order of systemd, whatever order they have here.
    pub fn begin(base: &Path, mut images: Vec<InspectedImage>, network: bool) -> Result<Self> {
        // By handles, since the tmpfs may hide their paths.
        let base = Directory::open(base, Links::Follow)
            .map_err(|error| Failure::io("opening the base", error))?;
        images.sort_by(|a, b| set::in_order(&a.facts.link, &b.facts.link));
        images.reverse();
        let place = std::env::temp_dir();
        let mut root = root::Root::begin(&base, &place)?;
        let mut activated = Vec::new();
        for (number, image) in images.iter_mut().enumerate() {
            let is_companion = image.is_companion();
            let Some(inside) = &mut image.inside else {
                let path = image.path.display();
                return Err(Failure::unread(anyhow!("{path} can't be unpacked here")));
            };
            root.add(number, inside, is_companion)?;
            for (directory, _) in ACTIVATORS {
                activated.extend(settings(&inside.tree, directory));
            }
        }
        let (mut notes, companions) = root.finish(network)?;
        activated.sort();
        for (directory, command) in ACTIVATORS {
            let files: Vec<_> = (activated.iter())
                .filter(|file| file.starts_with(directory))
                .map(|file| Path::new("/").join(file))
                .collect();
            notes.extend(activate(command, &files));
        }
        companions.merge()?;
        Ok(Self { notes })
    }

    /// Runs a command in place of this process; a shell without one. Returns only why it can't.
    #[must_use]
    pub fn run(self, command: &[OsString], terminal: Option<OsString>) -> Failure {
        let shell = OsString::from("/bin/sh");
        let (program, arguments) = command.split_first().unwrap_or((&shell, &[]));
        let mut command = within(program);
        command.args(arguments);
        command.envs(terminal.map(|terminal| ("TERM", terminal)));
        let error = command.exec();
        let what = program.to_string_lossy();
        match error.kind() {
            std::io::ErrorKind::NotFound => Failure::refused(anyhow!(
                "neither the base nor the images have the command {what}, or what it is run by"
            )),
            _ => Failure::io(format!("running {what}"), error),
        }
    }
}

/// Returns a command as it is started in there.
fn within(program: impl AsRef<std::ffi::OsStr>) -> Command {
    let mut command = Command::new(program);
    command.env_clear();
    command.envs([("PATH", PATH), ("HOME", "/root"), ("LC_ALL", "C.UTF-8")]);
    command
}

/// Returns the files of settings in a directory of an image.
fn settings(tree: &Tree, directory: &'static str) -> impl Iterator<Item = PathBuf> {
    let found = match tree.get(directory) {
        Some(image::Visit::Directory(found)) => Some(found),
        _ => None,
    };
    let names = found.into_iter().flat_map(image::Directory::entries);
    let names: Vec<_> = names
        .map(|(name, _)| files::shown(name).into_owned())
        .filter(|name| name.ends_with(".conf"))
        .collect();
    (names.into_iter()).map(move |name| Path::new(directory).join(name))
}

/// Lets the base's own program act upon files of the images; returns what it says if it fails.
fn activate(command: &[&str], files: &[PathBuf]) -> Option<String> {
    let (program, arguments) = command.split_first()?;
    if files.is_empty() {
        return None;
    }
    let outcome = within(program).args(arguments).args(files).output();
    match outcome {
        Ok(outcome) if outcome.status.success() => None,
        Ok(outcome) => {
            let said = String::from_utf8_lossy(&outcome.stderr);
            let first = said.lines().next().unwrap_or("it failed");
            Some(format!("{program}: {first}"))
        }
        Err(_) => Some(format!("the base has no {program}, so that is not done")),
    }
}
