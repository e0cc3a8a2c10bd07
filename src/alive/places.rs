//! Where the files of packages go that are outside of `/usr` and `/opt`, which no merge reaches.
//!
//! ```text
//! /etc/systemd/system/d.service    /usr/lib/systemd/system/d.service: its readers look there, too
//! /etc/d.conf                      /usr/share/factory/etc/d.conf, copied when the host has none
//! /etc/d.conf, --etc confext       /etc/d.conf of the companion, which systemd-confext merges
//! /etc/d.conf, the base has one    nowhere: the host's own stays
//! /var/lib/d                       a directory that systemd-tmpfiles makes
//! /home/d                          nowhere
//! ```

use std::str::FromStr;

use files::PathBytes;
use image::is_below;

use super::tmpfiles::FACTORY;
use crate::base::files::{BaseEntry, BaseFiles};

/// Directories of `/etc` whose files every system with systemd reads from below `/usr`, too.
const VENDOR: [(&str, &str); 13] = [
    ("etc/udev/rules.d", "usr/lib/udev/rules.d"),
    ("etc/udev/hwdb.d", "usr/lib/udev/hwdb.d"),
    ("etc/sysctl.d", "usr/lib/sysctl.d"),
    ("etc/modules-load.d", "usr/lib/modules-load.d"),
    ("etc/modprobe.d", "usr/lib/modprobe.d"),
    ("etc/depmod.d", "usr/lib/depmod.d"),
    ("etc/tmpfiles.d", "usr/lib/tmpfiles.d"),
    ("etc/sysusers.d", "usr/lib/sysusers.d"),
    ("etc/binfmt.d", "usr/lib/binfmt.d"),
    ("etc/environment.d", "usr/lib/environment.d"),
    ("etc/dbus-1/system.d", "usr/share/dbus-1/system.d"),
    ("etc/dbus-1/session.d", "usr/share/dbus-1/session.d"),
    ("etc/polkit-1/rules.d", "usr/share/polkit-1/rules.d"),
];
/// Directories of `/etc` that only some systems have a counterpart of; those with it read both.
const VENDOR_OF_BASE: [(&str, &str); 7] = [
    ("etc/pam.d", "usr/lib/pam.d"),
    ("etc/pam.d", "usr/etc/pam.d"),
    ("etc/profile.d", "usr/etc/profile.d"),
    ("etc/sudoers.d", "usr/etc/sudoers.d"),
    ("etc/ssh/ssh_config.d", "usr/etc/ssh/ssh_config.d"),
    ("etc/ssh/sshd_config.d", "usr/etc/ssh/sshd_config.d"),
    ("etc/X11/xorg.conf.d", "usr/share/X11/xorg.conf.d"),
];
/// Directories of `/etc/systemd` that are in `/usr/lib/systemd`, too, besides those of drop-ins.
const OF_SYSTEMD: [&str; 11] = [
    "system",
    "user",
    "network",
    "system-preset",
    "user-preset",
    "system-generators",
    "user-generators",
    "system-environment-generators",
    "user-environment-generators",
    "dnssd",
    "ntp-units.d",
];
/// Directories of state, which systemd-tmpfiles makes.
const STATE: [&str; 3] = ["var", "run", "srv"];
/// Where state has files from the start.
const STATE_FILES: &str = "var/lib";
/// RPM's database, which is the host's own.
const RPM_DATABASE: &str = "var/lib/rpm";
/// Paths of state by their old names.
const RENAMED: [(&str, &str); 2] = [("var/run", "run"), ("var/lock", "run/lock")];

/// Where a confext says what it is for.
const EXTENSION_RELEASES: &str = "etc/extension-release.d";
/// Files of `/etc` in which each host is another: those of a package are copied to hosts that have
/// none, and never merged over those of a host.
const OF_HOST: [&str; 16] = [
    "etc/passwd",
    "etc/group",
    "etc/shadow",
    "etc/gshadow",
    "etc/subuid",
    "etc/subgid",
    "etc/machine-id",
    "etc/machine-info",
    "etc/hostname",
    "etc/hosts",
    "etc/resolv.conf",
    "etc/localtime",
    "etc/adjtime",
    "etc/fstab",
    "etc/crypttab",
    "etc/os-release",
];

/// What is done with files of `/etc`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Treatment {
    /// They are copied to the host by systemd-tmpfiles.
    #[default]
    Factory,
    /// They are in the image's companion.
    Confext,
    /// They are left out.
    Drop,
}

impl Treatment {
    /// Every treatment with its name.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::Factory, "factory"),
        (Self::Confext, "confext"),
        (Self::Drop, "drop"),
    ];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        let known = Self::ALL.iter().find(|(one, _)| *one == self);
        known.map_or("", |(_, name)| name)
    }
}

impl FromStr for Treatment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|(_, name)| *name == text);
        known.map(|(one, _)| *one).ok_or_else(|| {
            let names = Self::ALL.map(|(_, name)| name).join(", ");
            format!("{text:?} is not one of {names}")
        })
    }
}

/// What was said of files of `/etc`: of all, or of a path and what is below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Etc {
    /// The path with its leading slash; without one, all.
    pub path: Option<String>,
    /// What is done with them.
    pub treatment: Treatment,
}

impl FromStr for Etc {
    type Err = String;

    /// Reads `TREATMENT` or `PATH=TREATMENT`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (path, treatment) = match text.rsplit_once('=') {
            None => (None, text),
            Some((path, treatment)) => (Some(path), treatment),
        };
        if let Some(path) = path {
            let mut parts = path.split('/').skip(2);
            let is_proper = |part: &str| !["", ".", ".."].contains(&part);
            if !path.starts_with("/etc/") || !parts.all(is_proper) {
                return Err(format!("{path:?} is not the path of a file below /etc"));
            }
        }
        Ok(Self {
            path: path.map(str::to_owned),
            treatment: treatment.parse()?,
        })
    }
}

/// What a file is, as far as its place depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A symbolic link.
    Link,
    /// Anything else.
    File,
}

/// Where a file goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// To this path, where its readers look, too.
    Vendor(PathBytes),
    /// To this path of the host, which systemd-tmpfiles makes.
    Host(PathBytes),
    /// To the same path of the image's companion.
    Companion,
    /// Nowhere: it is on every host already.
    There,
    /// Nowhere: the base has a file of that name, which stays.
    OfBase,
    /// Nowhere: the user does not want it.
    Unwanted,
    /// Nowhere.
    Nowhere,
}

/// What decides where files go.
#[derive(Clone, Copy, Default)]
pub struct Places<'a> {
    /// What was said of files of `/etc`; the last that fits counts.
    pub etc: &'a [Etc],
    /// The files of the base, where they are known.
    pub base: Option<&'a BaseFiles<'a>>,
}

impl Places<'_> {
    /// Returns where a file goes; its path has no leading slash.
    pub fn of(&self, path: &PathBytes, kind: Kind) -> Place {
        let path = path.bytes();
        if !path.contains(&b'/') {
            let is_known = path == b"etc" || STATE.iter().any(|top| path == top.as_bytes());
            return match kind {
                Kind::Directory if is_known => Place::There,
                _ => Place::Nowhere,
            };
        }
        if is_below(path, "etc") {
            return self.setting(path, kind);
        }
        let path = renamed(path);
        let is_state = STATE.iter().any(|top| is_below(&path, top));
        let is_made = kind != Kind::File || is_below(&path, STATE_FILES);
        if !is_state || !is_made || is_below(&path, RPM_DATABASE) {
            return Place::Nowhere;
        }
        match self.is_of_base(&path) {
            true if kind == Kind::Directory => Place::There,
            true => Place::OfBase,
            false if !path.contains(&b'/') => Place::There,
            false => Place::Host(path.into()),
        }
    }

    /// Returns where a file of `/etc` goes.
    fn setting(&self, path: &[u8], kind: Kind) -> Place {
        // Each image has its own.
        if is_below(path, EXTENSION_RELEASES) {
            return Place::Nowhere;
        }
        let treatment = self.treatment(path);
        if treatment == Treatment::Drop {
            return Place::Unwanted;
        }
        if kind == Kind::Directory && self.is_of_base(path) {
            return Place::There;
        }
        // A file of the base in the vendor's place is read wherever /etc has none.
        let by_vendor = [b"usr/", path].concat();
        if kind != Kind::Directory && (self.is_of_base(path) || self.is_of_base(&by_vendor)) {
            return Place::OfBase;
        }
        match self.vendor(path) {
            None if treatment == Treatment::Confext && !is_of_host(path) => Place::Companion,
            None => Place::Host(path.into()),
            // The directory itself is the base's.
            Some((_, [])) => Place::There,
            Some((directory, rest)) => Place::Vendor([directory.as_bytes(), rest].concat().into()),
        }
    }

    /// Returns what was said of a path of `/etc`.
    pub fn treatment(&self, path: &[u8]) -> Treatment {
        let is_meant = |said: &&Etc| {
            let of_path = said.path.as_deref().map(|one| one.trim_start_matches('/'));
            of_path.is_none_or(|above| is_below(path, above))
        };
        // What is said of a path counts more than what is said of all.
        let of_path = (self.etc.iter()).rfind(|said| said.path.is_some() && is_meant(said));
        let said = of_path.or_else(|| self.etc.iter().rfind(is_meant));
        said.map(|said| said.treatment).unwrap_or_default()
    }

    /// Returns the directory below `/usr` that is read besides the one of `/etc` which this path is in,
    /// and what follows in the path.
    fn vendor<'p>(&self, path: &'p [u8]) -> Option<(String, &'p [u8])> {
        if let Some(below) = path.strip_prefix(b"etc/systemd/") {
            let name = below.split(|byte| *byte == b'/').next()?;
            let name = str::from_utf8(name).ok()?;
            let is_known = OF_SYSTEMD.contains(&name) || name.ends_with(".conf.d");
            return is_known
                .then(|| Some((format!("usr/lib/systemd/{name}"), below.get(name.len()..)?)))?;
        }
        let is_directory = |to: &str| {
            (self.base).is_some_and(|base| matches!(base.entry(to), BaseEntry::Directory(_)))
        };
        let of_base = VENDOR_OF_BASE.iter().filter(|(_, to)| is_directory(to));
        let (from, to) = VENDOR
            .iter()
            .chain(of_base)
            .find(|(from, _)| is_below(path, from))?;
        Some(((*to).to_owned(), path.get(from.len()..)?))
    }

    /// Says whether the base has something at a path.
    fn is_of_base(&self, path: &[u8]) -> bool {
        let entry = self.base.map(|base| base.entry(path));
        entry.is_some_and(|entry| entry != BaseEntry::Missing)
    }
}

/// Returns the path in an image of the factory's copy of what is at a path of the host.
pub fn factory(path: &PathBytes) -> PathBytes {
    [FACTORY.as_bytes(), path.bytes()].concat().into()
}

/// Returns a path of state by its name of today.
fn renamed(path: &[u8]) -> Vec<u8> {
    let renamed = RENAMED.iter().find_map(|(from, to)| {
        let rest = path.get(from.len()..).filter(|_| is_below(path, from))?;
        Some([to.as_bytes(), rest].concat())
    });
    renamed.unwrap_or_else(|| path.to_vec())
}

/// Says whether it is a file in which each host is another.
fn is_of_host(path: &[u8]) -> bool {
    OF_HOST.iter().any(|one| one.as_bytes() == path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Base;
    use crate::words::scratch::Scratch;

    fn shown(place: &Place) -> String {
        match place {
            Place::Vendor(path) => format!("{path}"),
            Place::Host(path) => format!("host {path}"),
            Place::Companion => "companion".to_owned(),
            Place::There => "there".to_owned(),
            Place::OfBase => "of base".to_owned(),
            Place::Unwanted => "unwanted".to_owned(),
            Place::Nowhere => "nowhere".to_owned(),
        }
    }

    #[test]
    #[expect(clippy::too_many_lines, reason = "it is a table")]
    fn where_files_go_that_no_merge_reaches() {
        use Kind::{Directory, File, Link};

        let scratch = Scratch::new();
        for path in [
            "usr/bin/sh",
            "etc/own.conf",
            "usr/etc/vendor.conf",
            "usr/lib/pam.d/login",
            "var/lib/own/x",
        ] {
            scratch.write(path, b"");
        }
        let base = Base {
            root: Some(scratch.path().to_owned()),
            ..Base::default()
        };
        let files = BaseFiles::of(&base);
        let etc = [
            "/etc/not=drop",
            "/etc/not/but=factory",
            "/etc/c=confext",
            "/etc/own.conf=confext",
            "/etc/udev=confext",
            "/etc/fstab=confext",
        ];
        let etc = etc.map(|one| one.parse().unwrap());
        let places = Places {
            etc: &etc,
            base: files.as_ref(),
        };
        for (path, kind, expected) in [
            ("etc/d.conf", File, "host etc/d.conf"),
            ("etc/d", Directory, "host etc/d"),
            ("etc/d/link", Link, "host etc/d/link"),
            ("etc", Directory, "there"),
            ("etc/own.conf", File, "of base"),
            ("etc/vendor.conf", File, "of base"),
            ("etc/not/a", File, "unwanted"),
            ("etc/nothing", File, "host etc/nothing"),
            ("etc/not/but/a", File, "host etc/not/but/a"),
            ("etc/c", Directory, "companion"),
            ("etc/c/a", File, "companion"),
            ("etc/fstab", File, "host etc/fstab"),
            (
                "etc/extension-release.d/extension-release.a",
                File,
                "nowhere",
            ),
            ("etc/c/link", Link, "companion"),
            ("etc/udev/d.conf", File, "companion"),
            ("etc/systemd/system", Directory, "there"),
            (
                "etc/systemd/system/d.service",
                File,
                "usr/lib/systemd/system/d.service",
            ),
            (
                "etc/systemd/system/m.target.wants/d.service",
                Link,
                "usr/lib/systemd/system/m.target.wants/d.service",
            ),
            (
                "etc/systemd/d.conf.d/a.conf",
                File,
                "usr/lib/systemd/d.conf.d/a.conf",
            ),
            (
                "etc/systemd/nspawn/d.nspawn",
                File,
                "host etc/systemd/nspawn/d.nspawn",
            ),
            ("etc/systemd/d.conf", File, "host etc/systemd/d.conf"),
            (
                "etc/udev/rules.d/d.rules",
                File,
                "usr/lib/udev/rules.d/d.rules",
            ),
            (
                "etc/dbus-1/system.d/d.conf",
                File,
                "usr/share/dbus-1/system.d/d.conf",
            ),
            ("etc/pam.d/d", File, "usr/lib/pam.d/d"),
            // This base has no counterpart.
            ("etc/profile.d/d.sh", File, "host etc/profile.d/d.sh"),
            ("var/lib/d", Directory, "host var/lib/d"),
            ("var/lib/own", Directory, "there"),
            ("var/lib/own/x", File, "of base"),
            ("var/lib/d/key", File, "host var/lib/d/key"),
            ("var/cache/d", Directory, "host var/cache/d"),
            ("var/cache/d/x", File, "nowhere"),
            ("var/run/d", Directory, "host run/d"),
            ("var/run", Link, "there"),
            ("var/lib/rpm/x", File, "nowhere"),
            ("run/d", Directory, "host run/d"),
            ("srv/d", Directory, "host srv/d"),
            ("srv/d/x", File, "nowhere"),
            ("home/d", Directory, "nowhere"),
            ("variable/d", Directory, "nowhere"),
        ] {
            let place = places.of(&path.into(), kind);
            assert_eq!(shown(&place), expected, "{path}");
        }
        // Of a base whose files are not known, what systemd brings is.
        let unknown = Places::default();
        for (path, expected) in [
            ("etc/own.conf", "host etc/own.conf"),
            ("etc/pam.d/d", "host etc/pam.d/d"),
            ("etc/sysctl.d/d.conf", "usr/lib/sysctl.d/d.conf"),
        ] {
            assert_eq!(shown(&unknown.of(&path.into(), File)), expected, "{path}");
        }
        assert_eq!(factory(&"etc/a".into()), "usr/share/factory/etc/a");
    }

    #[test]
    fn what_is_said_of_settings() {
        for (text, expected) in [
            ("drop", Ok((None, Treatment::Drop))),
            (
                "/etc/a=b=factory",
                Ok((Some("/etc/a=b"), Treatment::Factory)),
            ),
            (
                "other",
                Err("\"other\" is not one of factory, confext, drop"),
            ),
            ("/etc/a=", Err("\"\" is not one of factory, confext, drop")),
            (
                "/var/a=drop",
                Err("\"/var/a\" is not the path of a file below /etc"),
            ),
            (
                "/etc/../a=drop",
                Err("\"/etc/../a\" is not the path of a file below /etc"),
            ),
            (
                "/etc/=drop",
                Err("\"/etc/\" is not the path of a file below /etc"),
            ),
        ] {
            let said: Result<Etc, _> = text.parse();
            let said = said.map(|said| (said.path, said.treatment));
            let expected = expected.map(|(path, it)| (path.map(str::to_owned), it));
            assert_eq!(said, expected.map_err(str::to_owned), "{text}");
        }
        let last = ["drop", "factory"].map(|one| one.parse().unwrap());
        let places = Places {
            etc: &last,
            base: None,
        };
        assert_eq!(places.treatment(b"etc/a"), Treatment::Factory);
        for (treatment, name) in Treatment::ALL {
            assert_eq!(treatment.name(), name);
        }
    }
}
