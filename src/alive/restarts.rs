//! Services that run with a program or a setting of before the merge, and are restarted after it:
//! those that the image starts, and services of the base of which the image replaces the program or
//! the unit, or to which it adds drop-ins.
//!
//! ```text
//! [Service]
//! Type=oneshot
//! ExecStart=-systemctl --no-block try-restart docker.service
//! ExecStart=-systemctl --no-block try-reload-or-restart sshd.service      has drop-ins alone
//! ```
//!
//! What does not run is not started: whether a service of the base runs is its administrator's choice,
//! and at boot everything starts after the merge anyway.

use std::collections::BTreeSet;

use image::{Content, Tree, Visit};

use super::services::{Started, UNITS};
use super::unit_file::{Command, UnitFile};
use crate::base::files::{BaseEntry, BaseFiles};
use crate::words::failure::Result;

/// A longer unit of the base is not read, in bytes.
const MAX_UNIT: u64 = 1 << 20;
/// Settings that name a service's programs.
const PROGRAMS: [&str; 3] = ["ExecStart", "ExecStartPre", "ExecStartPost"];
/// Services that take every session with them when they are restarted.
const KEEPING_SESSIONS: [&str; 3] = [
    "dbus-broker.service",
    "dbus.service",
    "display-manager.service",
];

/// What is restarted if it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Restarts {
    /// Services with another program or another unit.
    restart: BTreeSet<String>,
    /// Services with other settings, which may be able to read them without a restart.
    reload: BTreeSet<String>,
}

impl Restarts {
    /// Looks for services that an image starts, and those of the base that it changes.
    pub fn of(started: &Started, tree: &Tree, files: Option<&BaseFiles<'_>>) -> Result<Self> {
        let mut found = Self::default();
        let own = started.units().into_iter();
        let own = own.filter(|unit| unit.ends_with(".service") && has_unit(tree, unit));
        found.restart.extend(own.map(str::to_owned));
        let Some(files) = files.filter(|files| files.has_root()) else {
            return Ok(found);
        };
        found.add_drop_ins(tree, files)?;
        if has_program_of_base(tree, files) {
            found.add_programs(tree, files)?;
        }
        Ok(found)
    }

    /// Adds services of the base for which the image has drop-ins, or another unit.
    fn add_drop_ins(&mut self, tree: &Tree, files: &BaseFiles<'_>) -> Result<()> {
        for directory in UNITS {
            let Some(Visit::Directory(units)) = tree.get(directory) else {
                continue;
            };
            for (name, _) in units.entries() {
                let name = String::from_utf8_lossy(name);
                let (unit, is_drop_in) = match name.strip_suffix(".d") {
                    Some(unit) => (unit, true),
                    None => (&*name, false),
                };
                if is_service(unit)
                    && is_restarted(unit, files)?
                    && (!is_drop_in || has_settings(tree, &format!("{directory}/{name}")))
                {
                    match is_drop_in {
                        true => self.reload.insert(unit.to_owned()),
                        false => self.restart.insert(unit.to_owned()),
                    };
                }
            }
        }
        self.reload.retain(|unit| !self.restart.contains(unit));
        Ok(())
    }

    /// Adds services of the base whose program the image replaces.
    fn add_programs(&mut self, tree: &Tree, files: &BaseFiles<'_>) -> Result<()> {
        for directory in UNITS {
            for unit in files.names_in(directory) {
                let path = format!("{directory}/{unit}");
                if !is_service(&unit) || !is_restarted(&unit, files)? {
                    continue;
                }
                let text = files.text(&path, MAX_UNIT)?.unwrap_or_default();
                let text = UnitFile::parse(&text);
                let lines = PROGRAMS
                    .iter()
                    .flat_map(|key| text.values("Service", key))
                    .flat_map(Command::of);
                let mut programs = lines.filter_map(|line| line.path().map(str::to_owned));
                if programs.any(|path| tree.resolve(path.trim_start_matches('/')).is_some()) {
                    self.reload.remove(&unit);
                    self.restart.insert(unit);
                }
            }
        }
        Ok(())
    }

    /// Says whether there is nothing to restart.
    pub fn are_none(&self) -> bool {
        self.restart.is_empty() && self.reload.is_empty()
    }

    /// Returns the services.
    pub fn units(&self) -> impl Iterator<Item = &str> {
        self.restart.iter().chain(&self.reload).map(String::as_str)
    }

    /// Returns the commands.
    pub fn commands(&self) -> Vec<String> {
        let command = |verb: &str, units: &BTreeSet<String>| {
            let units: Vec<_> = units.iter().map(String::as_str).collect();
            (!units.is_empty()).then(|| format!("systemctl --no-block {verb} {}", units.join(" ")))
        };
        let commands = [
            command("try-restart", &self.restart),
            command("try-reload-or-restart", &self.reload),
        ];
        commands.into_iter().flatten().collect()
    }

    /// Returns the text of the unit that does it.
    pub fn text(&self, name: &str) -> String {
        let mut text = format!(
            "# Restarts what runs with files of before {name} was merged. It waits for nothing, so that it can\n\
             # be run at any time: EXTENSION_RESTART_UNITS= names it.\n\
             [Unit]\n\
             Description=Restart services after a merge of the system extension {name}\n\
             DefaultDependencies=no\n\
             \n\
             [Service]\n\
             Type=oneshot\n"
        );
        for command in self.commands() {
            text += &format!("ExecStart=-{command}\n");
        }
        text
    }
}

/// Says whether a name is that of a service, and no template.
fn is_service(unit: &str) -> bool {
    super::services::check_name(unit).is_ok()
        && unit.ends_with(".service")
        // A unit would have to quote it.
        && !unit.contains('\\')
}

/// Says whether an image has a unit.
fn has_unit(tree: &Tree, unit: &str) -> bool {
    let mut paths = UNITS.iter().map(|directory| format!("{directory}/{unit}"));
    paths.any(|path| tree.get(path).is_some()) && !unit.contains('\\')
}

/// Says whether systemd reads something in a directory of drop-ins.
fn has_settings(tree: &Tree, directory: &str) -> bool {
    match tree.get(directory) {
        Some(Visit::Directory(found)) => found.entries().any(|(name, _)| name.ends_with(b".conf")),
        _ => false,
    }
}

/// Says whether the base has a service that may be restarted.
fn is_restarted(unit: &str, files: &BaseFiles<'_>) -> Result<bool> {
    if KEEPING_SESSIONS.contains(&unit) {
        return Ok(false);
    }
    for directory in UNITS {
        let Some(text) = files.text(&format!("{directory}/{unit}"), MAX_UNIT)? else {
            continue;
        };
        let text = UnitFile::parse(&text);
        let is_one = |alias: &str| KEEPING_SESSIONS.contains(&alias);
        let mut aliases =
            (text.values("Install", "Alias").into_iter()).flat_map(str::split_whitespace);
        return Ok(!text.is_on("Unit", "RefuseManualStop") && !aliases.any(is_one));
    }
    Ok(false)
}

/// Says whether an image has a program that the base has, too.
fn has_program_of_base(tree: &Tree, files: &BaseFiles<'_>) -> bool {
    let mut found = false;
    tree.walk(&mut |path, visit| {
        if let Visit::Leaf(_, leaf) = visit
            && matches!(leaf.content, Content::File { .. })
            && leaf.stat.mode & 0o111 != 0
            && !found
        {
            found = matches!(files.entry(path.bytes()), BaseEntry::File(_));
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Base;
    use crate::words::scratch::Scratch;

    /// At boot systemd-sysext.service waits for it, and most of the system for that.
    #[test]
    fn the_unit_waits_for_nothing() {
        let restarts = Restarts {
            restart: ["a.service".to_owned(), "b.service".to_owned()].into(),
            reload: ["c.service".to_owned()].into(),
        };
        let text = restarts.text("x");
        let settings: Vec<_> = UnitFile::parse(&text)
            .settings()
            .iter()
            .map(|one| format!("{}={}", one.key, one.value))
            .collect();
        assert_eq!(
            settings,
            [
                "Description=Restart services after a merge of the system extension x",
                "DefaultDependencies=no",
                "Type=oneshot",
                "ExecStart=-systemctl --no-block try-restart a.service b.service",
                "ExecStart=-systemctl --no-block try-reload-or-restart c.service",
            ]
        );
    }

    /// An image's programs and drop-ins, the units that it starts, and what is restarted after a merge.
    #[test]
    fn what_runs_with_files_of_before_is_restarted() {
        let units = "usr/lib/systemd/system";
        let scratch = Scratch::new();
        for (unit, text) in [
            ("b", "[Service]\nExecStart=-/usr/bin/b --x\n"),
            ("c", "[Service]\nExecStart=/usr/bin/c\n"),
            ("gdm", "[Install]\nAlias=display-manager.service\n"),
            ("dbus", "[Service]\nExecStart=/usr/bin/b\n"),
            ("kept", "[Unit]\nRefuseManualStop=yes\n"),
            ("t@", "[Service]\nExecStart=/usr/bin/b\n"),
        ] {
            let path = format!("{units}/{unit}.service");
            scratch.write(&path, text.as_bytes());
        }
        scratch.write("usr/bin/b", b"");
        let base = Base {
            root: Some(scratch.path().to_owned()),
            ..Base::default()
        };
        let files = BaseFiles::of(&base);
        for (paths, started, expected) in [
            (&["usr/bin/a"][..], &[][..], &[][..]),
            // It is started by nobody, so that it need not run.
            (&["usr/lib/systemd/system/a.service"], &[], &[]),
            (
                &[
                    "usr/lib/systemd/system/a.service",
                    "usr/lib/systemd/system/a.socket",
                ],
                &["a.service", "a.socket", "b.service"],
                &["systemctl --no-block try-restart a.service"],
            ),
            (
                &[
                    "usr/lib/systemd/system/b.service.d/x.conf",
                    "usr/lib/systemd/system/c.service.d/README",
                    "usr/lib/systemd/system/none.service.d/x.conf",
                    "usr/lib/systemd/system/gdm.service.d/x.conf",
                    "usr/lib/systemd/system/dbus.service.d/x.conf",
                    "usr/lib/systemd/system/kept.service.d/x.conf",
                    "usr/lib/systemd/system/t@.service.d/x.conf",
                    "usr/lib/systemd/system/multi-user.target.d/x.conf",
                ],
                &[],
                &["systemctl --no-block try-reload-or-restart b.service"],
            ),
            (
                &["usr/bin/b!", "usr/lib/systemd/system/b.service.d/x.conf"],
                &[],
                &["systemctl --no-block try-restart b.service"],
            ),
            (
                &[
                    "usr/lib/systemd/system/c.service",
                    "usr/lib/systemd/system/b.service.d/x.conf",
                ],
                &[],
                &[
                    "systemctl --no-block try-restart c.service",
                    "systemctl --no-block try-reload-or-restart b.service",
                ],
            ),
        ] {
            let mut tree =
                crate::words::scratch::tree(paths.iter().map(|path| path.trim_end_matches('!')));
            if let Some(path) = paths.iter().find_map(|path| path.strip_suffix('!'))
                && let Some(Visit::Leaf(id, _)) = tree.get(path)
            {
                tree.leaf_mut(id).stat.mode = 0o755;
            }
            let mut units = Started::default();
            for unit in started {
                units.add(unit, "asked");
            }
            let found = Restarts::of(&units, &tree, files.as_ref()).unwrap();
            assert_eq!(found.commands(), expected, "{paths:?}");
            assert_eq!(found.are_none(), expected.is_empty());
            // Of a base without files nothing is known.
            let own = Restarts::of(&units, &tree, None).unwrap();
            assert!(own.units().all(|unit| started.contains(&unit)));
        }
    }
}
