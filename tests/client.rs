//! The real clients: systems with their own systemd, which merge images and update from stores.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use judges::{Need, all, cached, programs, root};

use crate::workshop::{Scratch, text};

/// What runs a client: `tests/clients/client.sh`.
pub const CLIENT: Need = all(&[
    root(),
    programs!(
        "bash",
        "mount",
        "python3",
        "systemd-sysext",
        "timeout",
        "unshare"
    ),
]);

pub const OVER: Need = cached("over");
pub const TRIXIE: Need = cached("roots/trixie");
pub const SID: Need = cached("roots/sid");

/// What gets images from a store, and checks their signature.
const FETCHER: Need = all(&[CLIENT, programs!("curl", "gpg", "gpgv")]);
pub const CLIENT_254: Need = all(&[OVER, FETCHER]);
pub const CLIENT_257: Need = all(&[TRIXIE, FETCHER]);
pub const CLIENT_NEWEST: Need = all(&[SID, FETCHER]);

/// A system with its own systemd.
pub struct Client {
    /// The first word of what it says of itself, for messages.
    pub systemd: &'static str,
    /// What `client.sh` takes as its root.
    pub tree: String,
    /// The same for merging.
    pub merges_in: String,
}

impl Client {
    pub fn of(need: Need) -> Self {
        if need == CLIENT_254 {
            return Self {
                systemd: "254",
                tree: over(&OVER.path()),
                // It has no systemd-sysext of its own that could merge: an overlay of an overlay.
                merges_in: "/".to_owned(),
            };
        }
        let (systemd, tree) = match need {
            CLIENT_257 => ("257", TRIXIE.path()),
            _ => ("newest", SID.path()),
        };
        let tree = tree.display().to_string();
        Self {
            systemd,
            tree: tree.clone(),
            merges_in: tree,
        }
    }
}

/// Returns what `client.sh` takes as its root for a tree that is laid over this machine's own.
pub fn over(tree: &Path) -> String {
    format!("over:{}", tree.display())
}

/// The directory of the scripts that run clients.
pub fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients")
}

/// Runs `tests/clients/client.sh`: a client of the store goes through the phases. Its tree is that
/// of a [`Client`], or `/`, this machine, whose `/usr` and `/etc` stay as they are.
pub fn client(tree: &str, store: &Path, phases: &[PathBuf], bus: bool) -> Output {
    let mut command = Command::new("timeout");
    command.arg("120").arg(scripts().join("client.sh"));
    command.arg(tree).arg(store);
    command.args(phases).env_remove("BUS");
    if bus {
        command.env("BUS", "1");
    }
    command.output().unwrap()
}

/// Runs shell commands in which `merge` and `unmerge` of `tests/clients/merge.sh` are known.
pub fn merging(tree: &str, commands: &str) -> Output {
    merging_class("sysext", tree, commands)
}

/// The same with systemd-confext for the class `confext`.
pub fn merging_class(class: &str, tree: &str, commands: &str) -> Output {
    let scratch = Scratch::new();
    let phase = scratch.join("merge");
    let functions = scripts().join("merge.sh");
    fs::write(
        &phase,
        format!("CLASS={class}\n. {}\n{commands}", functions.display()),
    )
    .unwrap();
    client(tree, scratch.path(), &[phase], false)
}

/// Merges an image as the extension of this name on a host of this os-release, runs a command there,
/// and returns what was said. The last line is `exit` and the command's code if it was merged.
pub fn merged(
    tree: &str,
    link: &str,
    image: &Path,
    name: &str,
    host: &Path,
    command: &str,
) -> String {
    let outcome = merging(
        tree,
        &format!(
            "merge {link} {} {name} {}\ncode=0; client {command} || code=$?\nunmerge\necho exit $code\n",
            image.display(),
            host.display()
        ),
    );
    text(&outcome.stdout)
}
