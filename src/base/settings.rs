//! What a base says of itself in systemd's files of settings, and which systemd it has.
//!
//! systemd reads the first main file that it finds, then the drop-ins of all directories by their
//! names; of two with one name, that of the directory that comes first. A link to `/dev/null` in
//! place of one hides those behind it.

use std::collections::BTreeMap;

use super::Base;
use super::files::{BaseEntry, BaseFiles};
use crate::findings::{Finding, kinds};
use crate::words::failure::Result;

/// Where settings are, the one that counts first.
const DIRECTORIES: [&str; 4] = [
    "etc/systemd",
    "run/systemd",
    "usr/local/lib/systemd",
    "usr/lib/systemd",
];
/// Where the command line of the kernel is, for those who install kernels.
const COMMAND_LINES: [&str; 2] = ["etc/kernel/cmdline", "usr/lib/kernel/cmdline"];
/// Longest file of settings.
const MAX_SETTINGS: u64 = 1 << 20;
/// Most drop-ins that are read.
const MAX_DROP_INS: usize = 1024;

/// The first systemd that has systemd-confext.
const HAS_CONFEXT: u16 = 254;

/// A value, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Path of the file, with its leading slash.
    pub file: String,
    /// The value.
    pub value: String,
}

impl BaseFiles<'_> {
    /// Returns all values of a key in a file of settings and its drop-ins, the one that counts last.
    pub fn settings(&self, name: &str, section: &str, key: &str) -> Result<Vec<Setting>> {
        let mut files: Vec<String> = Vec::new();
        let mains = DIRECTORIES.map(|directory| format!("{directory}/{name}"));
        let is_there = |path: &&String| self.entry(path.as_str()) != BaseEntry::Missing;
        files.extend(mains.iter().find(is_there).cloned());
        let mut drop_ins: BTreeMap<String, String> = BTreeMap::new();
        for directory in DIRECTORIES {
            let directory = format!("{directory}/{name}.d");
            let names = self.names_in(&directory);
            for name in names.into_iter().filter(|name| name.ends_with(".conf")) {
                let path = format!("{directory}/{name}");
                drop_ins.entry(name).or_insert(path);
            }
        }
        files.extend(drop_ins.into_values().take(MAX_DROP_INS));
        let mut found = Vec::new();
        for file in files {
            let text = self.text(&file, MAX_SETTINGS)?.unwrap_or_default();
            let values = clients::settings(&text, section, key).into_iter();
            found.extend(values.map(|value| Setting {
                file: format!("/{file}"),
                value,
            }));
        }
        Ok(found)
    }

    /// Returns a word of the kernel's command line, as far as it is written down.
    pub fn kernel_argument(&self, key: &str) -> Result<Option<Setting>> {
        for file in COMMAND_LINES {
            let Some(text) = self.text(file, MAX_SETTINGS)? else {
                continue;
            };
            let words = text.split_whitespace().rev();
            let value = words.filter_map(|word| word.strip_prefix(key)?.strip_prefix('='));
            return Ok(value.map(str::to_owned).next().map(|value| Setting {
                file: format!("/{file}"),
                value,
            }));
        }
        Ok(None)
    }
}

/// Returns the version of systemd that a base has, as its package or its library says.
pub fn systemd(base: &Base, files: Option<&BaseFiles<'_>>) -> Option<u16> {
    let number = |text: &str| {
        let digits = text.find(|it: char| !it.is_ascii_digit());
        text[..digits.unwrap_or(text.len())].parse().ok()
    };
    let packages = base.packages.iter().flatten();
    let packaged = packages
        .filter(|package| package.nevra.name == "systemd")
        .filter_map(|package| number(&package.nevra.version));
    if let Some(version) = packaged.max() {
        return Some(version);
    }
    let files = files?;
    let directories = ["usr/lib", "usr/lib64"].map(|above| format!("{above}/systemd"));
    let below = files.directories_in("usr/lib").into_iter();
    let triplets = below
        .filter(|name| name.contains("-linux-"))
        .map(|name| format!("usr/lib/{name}/systemd"));
    let names = (directories.into_iter().chain(triplets)).flat_map(|path| files.names_in(&path));
    let versions = names.filter_map(|name| number(name.strip_prefix("libsystemd-shared-")?));
    versions.max()
}

/// Says so where a systemd of this version can't merge a companion image for `/etc`.
pub fn no_confext(systemd: Option<u16>, companion: &str) -> Option<Finding> {
    let version = systemd.filter(|version| *version < HAS_CONFEXT)?;
    let text = format!(
        "{companion} is never merged: systemd {version} of the base has no systemd-confext, which came with \
         {HAS_CONFEXT}"
    );
    Some(Finding::new(&kinds::NO_CONFEXT, text))
}

#[cfg(test)]
mod tests {
    use rpm_input::{Nevra, Package};

    use super::*;
    use crate::words::scratch::Scratch;

    /// Makes a root of files `PATH: TEXT`, and of links `PATH -> TARGET`.
    fn root(lines: &[&str]) -> (Scratch, Base) {
        let scratch = Scratch::new();
        scratch.write("usr/bin/sh", b"");
        for line in lines {
            if let Some((path, text)) = line.split_once(": ") {
                scratch.write(path, text.as_bytes());
            } else if let Some((path, target)) = line.split_once(" -> ") {
                let path = scratch.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::os::unix::fs::symlink(target, path).unwrap();
            }
        }
        let base = Base {
            root: Some(scratch.path().to_owned()),
            ..Base::default()
        };
        (scratch, base)
    }

    #[test]
    fn settings_of_a_base() {
        for (lines, expected) in [
            (&[][..], &[][..]),
            (
                &[
                    "usr/lib/systemd/x.conf: [A]\nK=vendor",
                    "etc/systemd/x.conf: [A]\nK=own\n[B]\nK=no",
                ],
                &["/etc/systemd/x.conf own"],
            ),
            (
                &[
                    "usr/lib/systemd/x.conf: [A]\nK=vendor",
                    "usr/lib/systemd/x.conf.d/20-b.conf: [A]\nK=b",
                    "etc/systemd/x.conf.d/10-a.conf: [A]\nK=a",
                    "etc/systemd/x.conf.d/30-c.txt: [A]\nK=c",
                ],
                &[
                    "/usr/lib/systemd/x.conf vendor",
                    "/etc/systemd/x.conf.d/10-a.conf a",
                    "/usr/lib/systemd/x.conf.d/20-b.conf b",
                ],
            ),
            // One that another hides, and one that is hidden.
            (
                &[
                    "usr/lib/systemd/x.conf.d/a.conf: [A]\nK=a",
                    "run/systemd/x.conf.d/a.conf: [A]\nK=b",
                    "usr/lib/systemd/x.conf.d/b.conf: [A]\nK=c",
                    "etc/systemd/x.conf.d/b.conf -> /dev/null",
                ],
                &["/run/systemd/x.conf.d/a.conf b"],
            ),
            // Links stay in the root.
            (
                &["etc/systemd/x.conf -> /opt/x", "opt/x: [A]\nK=a"],
                &["/etc/systemd/x.conf a"],
            ),
            (&["etc/systemd/x.conf -> ../../../../../etc/passwd"], &[]),
        ] {
            let (_scratch, base) = root(lines);
            let files = BaseFiles::of(&base).unwrap();
            let found = files.settings("x.conf", "A", "K").unwrap();
            let found: Vec<_> = (found.iter())
                .map(|one| format!("{} {}", one.file, one.value))
                .collect();
            assert_eq!(found, expected, "{lines:?}");
        }
        let line = "usr/lib/kernel/cmdline: quiet a.b=no a.b=exec\n";
        let (_scratch, base) = root(&[line]);
        let files = BaseFiles::of(&base).unwrap();
        let found = files.kernel_argument("a.b").unwrap();
        assert_eq!(found.map(|one| one.value).as_deref(), Some("exec"));
        assert_eq!(files.kernel_argument("a").unwrap(), None);
    }

    #[test]
    fn settings_have_a_largest_length() {
        for (length, is_read) in [(1 << 20, true), ((1 << 20) + 1, false)] {
            let text = format!("etc/systemd/x.conf: [A]\nK=a{}", "\n".repeat(length - 7));
            let (_scratch, base) = root(&[&text]);
            let files = BaseFiles::of(&base).unwrap();
            assert_eq!(files.settings("x.conf", "A", "K").is_ok(), is_read);
        }
        for (count, expected) in [(1024, 1024), (1025, 1024)] {
            let lines: Vec<_> = (0..count)
                .map(|index| format!("etc/systemd/x.conf.d/{index}.conf: [A]\nK=a"))
                .collect();
            let lines: Vec<_> = lines.iter().map(String::as_str).collect();
            let (_scratch, base) = root(&lines);
            let files = BaseFiles::of(&base).unwrap();
            assert_eq!(files.settings("x.conf", "A", "K").unwrap().len(), expected);
        }
    }

    #[test]
    fn the_systemd_of_a_base() {
        for (version, lines, expected) in [
            (Some("257.3"), &[][..], Some(257)),
            (
                Some("260~rc1"),
                &["usr/lib/systemd/libsystemd-shared-259.so: x"],
                Some(260),
            ),
            (
                None,
                &["usr/lib/systemd/libsystemd-shared-259.so: x"],
                Some(259),
            ),
            (
                None,
                &["usr/lib/x86_64-linux-gnu/systemd/libsystemd-shared-262.so: x"],
                Some(262),
            ),
            (
                None,
                &["usr/lib64/systemd/libsystemd-shared-257.3-1.fc42.so: x"],
                Some(257),
            ),
            (None, &["usr/lib/systemd/systemd: x"], None),
        ] {
            let (_scratch, mut base) = root(lines);
            base.packages = version.map(|version| {
                vec![Package::named(Nevra {
                    name: "systemd".into(),
                    epoch: None,
                    version: version.into(),
                    release: "1".into(),
                    arch: "x86_64".into(),
                })]
            });
            let files = BaseFiles::of(&base);
            assert_eq!(systemd(&base, files.as_ref()), expected, "{lines:?}");
        }
    }
}
