//! The clients of system extension images, and what each does with an image on a host.
//!
//! `systemd-sysext` merges an image, passes over it, or refuses it, and one that is refused keeps
//! all others from being merged. It rarely says which, and its exit code is 0 in most cases. The
//! rules differ from version to version; here they are replayed, for the versions of [`Systemd`],
//! from the image's extension-release files and the host's os-release, without either program.
//! So are the rules of sysextmgr, and what systemd-sysupdate and importctl make of file names.
//!
//! Everything here is a function of its arguments: no file is read, no program is run. What an
//! image holds comes in as an [`Image`], which the reader of the image fills in.
//!
//! | module | holds |
//! |---|---|
//! | `release` | files in the syntax of os-release(5), read as systemd reads them |
//! | `image` | what clients look at in an image |
//! | `disk` | which partitions of a disk image systemd mounts |
//! | `verdict` | what a client does with it, and why |
//! | `systemd` | `systemd-sysext merge` and `systemd-confext merge` |
//! | `sysextmgr` | the extension manager of openSUSE MicroOS |
//! | `policy` | what a host demands of an image before it looks into it |
//! | `settings` | files of settings, in systemd's syntax |
//! | `names` | `systemd-sysupdate` and `importctl`: what file names mean to them |
//!
//! The rules were read from the programs' sources (systemd's `os-util.c`, `extension-util.c`,
//! `sysext.c`, `dissect-image.c`, `sysupdate-pattern.c`; sysextmgr 1.0.0) and are compared with
//! the programs themselves in the tests of the program that uses this crate.

mod disk;
mod image;
mod names;
mod policy;
mod release;
mod settings;
mod sysextmgr;
mod systemd;
mod verdict;
mod version;

use std::fmt;

pub use disk::{Designator, Mounted, NotMounted, Partition, Protection, mounted};
pub use image::{Container, FileSystem, Image, Instead, ReleaseFile};
pub use names::{Pattern, version_problem};
pub use policy::Policy;
pub use release::{MAX_RELEASE_SIZE, Release};
pub use settings::settings;
pub use sysextmgr::short_name as sysextmgr_name;
use systemd::Class;
pub use systemd::{ROOM_FOR_MOUNT_OPTIONS, mount_options};
pub use verdict::{Outcome, Verdict};
pub use version::Systemd;

/// A program that takes images.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Client {
    /// `systemd-sysext merge`, with the image linked as `NAME.raw`.
    Sysext(Systemd),
    /// `systemd-confext merge`, with the image linked as `NAME.raw`.
    Confext(Systemd),
    /// sysextmgr 1.0.0, which lists, installs and updates images under their full file names.
    Sysextmgr,
    /// `systemd-sysupdate` with the pattern `NAME-@v.%a.raw`.
    Sysupdate(Systemd),
    /// `importctl pull-raw --class=sysext`, which keeps the file name's stem as the name.
    Importctl(Systemd),
}

impl Client {
    /// Returns every client, in the order in which they are listed.
    #[must_use]
    pub fn all() -> Vec<Self> {
        // Debian 12's systemd 252 has no sysupdate; importctl came with 256.
        let sysupdate = &Systemd::ALL[1..];
        let importctl = &Systemd::ALL[2..];
        let mut all: Vec<_> = Systemd::ALL.map(Self::Sysext).to_vec();
        all.push(Self::Sysextmgr);
        all.extend(sysupdate.iter().copied().map(Self::Sysupdate));
        all.extend(importctl.iter().copied().map(Self::Importctl));
        all
    }

    /// Returns the client of this name, such as `systemd-257` or `sysextmgr`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::all()
            .into_iter()
            .find(|client| client.to_string() == name)
    }
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sysext(version) => write!(f, "systemd-{}", version.number()),
            Self::Confext(version) => write!(f, "confext-{}", version.number()),
            Self::Sysextmgr => f.write_str("sysextmgr"),
            Self::Sysupdate(version) => write!(f, "sysupdate-{}", version.number()),
            Self::Importctl(version) => write!(f, "importctl-{}", version.number()),
        }
    }
}

/// The host that an image is to be merged on.
#[derive(Clone, Copy, Debug)]
pub struct Host<'a> {
    /// Its os-release.
    pub os_release: &'a Release,
    /// Its architecture in systemd's spelling, such as `x86-64`; `None` where it is not known, and
    /// every architecture that systemd knows is taken for the host's.
    pub architecture: Option<&'a str>,
    /// It is the system of an initrd.
    pub is_initrd: bool,
}

/// Returns what `client` does with `image` on `host`.
#[must_use]
pub fn judge(client: Client, image: &Image, host: Host<'_>) -> Verdict {
    let merge = |version, class, link| systemd::merge(version, class, image, link, host);
    match client {
        Client::Sysext(version) => merge(version, Class::Sysext, &image.link),
        Client::Confext(version) => merge(version, Class::Confext, &image.link),
        Client::Sysextmgr => sysextmgr::judge(image, host),
        Client::Sysupdate(version) => names::sysupdate(version, image, host),
        Client::Importctl(version) => {
            let problem = names::importctl(version, image);
            let name = names::raw_name(version, &image.file);
            problem.unwrap_or_else(|| merge(version, Class::Sysext, name))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_have_names() {
        let names = [
            "systemd-252",
            "systemd-254",
            "systemd-257",
            "systemd-262",
            "sysextmgr",
            "sysupdate-254",
            "sysupdate-257",
            "sysupdate-262",
            "importctl-257",
            "importctl-262",
        ];
        let clients = Client::all();
        assert_eq!(
            clients.iter().map(Client::to_string).collect::<Vec<_>>(),
            names
        );
        for (name, client) in names.into_iter().zip(clients) {
            assert_eq!(Client::named(name), Some(client));
        }
        assert_eq!(Client::named("systemd-251"), None);
        assert_eq!(Client::named("importctl-254"), None);
    }
}
