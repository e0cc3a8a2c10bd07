//! What has to be done on the host after a merge, and what no client does: one unit that the image
//! brings, with exactly the commands that its files need.
//!
//! ```text
//! /usr/lib/systemd/system/sysext-NAME@.service                    does it once for each version
//! /usr/lib/systemd/system/multi-user.target.d/20-NAME.conf        Upholds=sysext-NAME@VERSION.service
//! /usr/lib/systemd/system/sysext-NAME-restart.service             restarts services, where any are to be
//! ```
//!
//! After a merge the system's manager is reloaded, and starts what is upheld and has not run yet. A
//! unit that has run stays active when the image is replaced by its next version, so each version
//! has an instance of its own. Every command may be run again, and one that fails keeps none of the
//! others from being run.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use image::{Tree, Visit};

use super::restarts::Restarts;
use super::scriptlets::Step;

/// Files of an image that need a step.
const NEEDING: [(&str, &str, Step); 6] = [
    ("usr/lib/sysusers.d", ".conf", Step::Sysusers),
    ("usr/lib/tmpfiles.d", ".conf", Step::Tmpfiles),
    ("usr/lib/udev/hwdb.d", ".hwdb", Step::Hwdb),
    ("usr/lib/udev/rules.d", ".rules", Step::Udev),
    ("usr/share/dbus-1/system.d", ".conf", Step::Bus),
    ("usr/share/dbus-1/system-services", ".service", Step::Bus),
];

/// What is done after a merge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MergeUnit {
    steps: BTreeSet<Step>,
    sysusers: Vec<String>,
    tmpfiles: Vec<String>,
    restarts: Restarts,
}

impl MergeUnit {
    /// Looks for what the files of an image need, and adds what scriptlets ask for, and services that
    /// are to be restarted.
    pub fn of(tree: &Tree, asked: &BTreeSet<Step>, restarts: &Restarts) -> Self {
        let mut unit = Self {
            steps: asked.clone(),
            restarts: restarts.clone(),
            ..Self::default()
        };
        for (directory, end, step) in NEEDING {
            let Some(Visit::Directory(found)) = tree.get(directory) else {
                continue;
            };
            let names = found
                .entries()
                .map(|(name, _)| String::from_utf8_lossy(name));
            // A name that a unit would have to quote is passed over.
            let is_plain = |one: char| one.is_ascii_alphanumeric() || "._-+:@".contains(one);
            let mut names: Vec<_> = names
                .filter(|name| name.ends_with(end) && name.chars().all(is_plain))
                .map(|name| name.into_owned())
                .collect();
            if names.is_empty() {
                continue;
            }
            names.sort();
            match step {
                Step::Sysusers => unit.sysusers = names,
                Step::Tmpfiles => unit.tmpfiles = names,
                _ => {}
            }
            unit.steps.insert(step);
        }
        unit
    }

    /// Says whether nothing is to be done.
    pub fn is_needless(&self) -> bool {
        self.commands().is_empty() && self.restarts.are_none()
    }

    /// Returns the commands, in their order: who owns files before the files, files before those
    /// who read them.
    pub fn commands(&self) -> Vec<String> {
        let mut commands = Vec::new();
        let has = |step: &Step| self.steps.contains(step);
        if !self.sysusers.is_empty() {
            commands.push(format!("systemd-sysusers {}", self.sysusers.join(" ")));
        }
        if !self.tmpfiles.is_empty() {
            let names = self.tmpfiles.join(" ");
            commands.push(format!("systemd-tmpfiles --create {names}"));
        }
        if has(&Step::Ldconfig) {
            commands.push("ldconfig".to_owned());
        }
        if has(&Step::Hwdb) {
            commands.push("systemd-hwdb update".to_owned());
        }
        if has(&Step::Udev) || has(&Step::Hwdb) {
            commands.push("udevadm control --reload".to_owned());
            commands.push("udevadm trigger".to_owned());
        }
        if has(&Step::Bus) {
            commands.push("systemctl --no-block reload dbus.service".to_owned());
        }
        for step in &self.steps {
            if let Step::Run(words) = step {
                let words: Vec<_> = words.iter().map(|word| quoted(word)).collect();
                commands.push(words.join(" "));
            }
        }
        commands
    }

    /// Returns all that is done on the host, in its order.
    pub fn described(&self) -> String {
        let mut commands = self.commands();
        commands.extend(self.restarts.commands());
        commands.join("; ")
    }

    /// Returns what restarts services, if there are any to restart.
    pub fn restarts(&self) -> Option<&Restarts> {
        Some(&self.restarts).filter(|restarts| !restarts.are_none())
    }

    /// Returns the text of the unit, which runs before these units.
    pub fn text(&self, name: &str, started: &[&str]) -> String {
        let mut text = format!(
            "# What has to be done on the host once {name} is merged.\n\
             [Unit]\n\
             Description=Make the system extension {name} ready\n\
             DefaultDependencies=no\n\
             Conflicts=shutdown.target\n\
             After=sysinit.target\n\
             Before=shutdown.target\n"
        );
        let restarted = (self.restarts.units()).filter(|unit| !started.contains(unit));
        for unit in started.iter().copied().chain(restarted) {
            let _ = writeln!(text, "Before={unit}");
        }
        text += "\n[Service]\nType=oneshot\nRemainAfterExit=yes\n";
        let mut commands = self.commands();
        if self.restarts().is_some() {
            let unit = restart_unit(name);
            commands.push(format!("systemctl --no-block restart {unit}"));
        }
        for command in commands {
            let _ = writeln!(text, "ExecStart=-{command}");
        }
        text
    }
}

/// Returns where the unit of an extension is.
pub fn path(name: &str) -> String {
    format!("usr/lib/systemd/system/sysext-{}@.service", escaped(name))
}

/// Returns the name of the unit that restarts services. It is written where a backslash would be one
/// too many.
pub fn restart_unit(name: &str) -> String {
    let is_plain = |one: char| one.is_ascii_alphanumeric() || "._-".contains(one);
    let plain = name.replace(|one| !is_plain(one), "_");
    format!("sysext-{plain}-restart.service")
}

/// Returns where that unit is.
pub fn restart_path(name: &str) -> String {
    format!("usr/lib/systemd/system/{}", restart_unit(name))
}

/// Returns where the drop-in is that starts it.
pub fn drop_in_path(name: &str) -> String {
    format!("usr/lib/systemd/system/multi-user.target.d/20-{name}.conf")
}

/// Returns the text of the drop-in for a version.
pub fn drop_in(name: &str, version: &str) -> String {
    let (name, version) = (escaped(name), escaped(version));
    format!("[Unit]\nUpholds=sysext-{name}@{version}.service\n")
}

/// Writes a text as a part of a unit's name, as systemd-escape(1) does.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'.' | b'_' | b':' | b'-' => {
                escaped.push(char::from(byte));
            }
            other => {
                let _ = write!(escaped, "\\x{other:02x}");
            }
        }
    }
    escaped
}

/// Writes a word of a command line of a unit.
fn quoted(word: &str) -> String {
    let is_plain = |one: char| one.is_ascii_alphanumeric() || "._-+:@/=,".contains(one);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    let mut quoted = "\"".to_owned();
    for one in word.chars() {
        match one {
            '"' | '\\' => quoted.extend(['\\', one]),
            '%' => quoted.push_str("%%"),
            '$' => quoted.push_str("$$"),
            '\n' => quoted.push_str("\\n"),
            one => quoted.push(one),
        }
    }
    quoted + "\""
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::scratch::tree;

    #[test]
    fn what_files_need_and_nothing_else() {
        let run = Step::Run(["restorecon", "-R", "/var/x y"].map(str::to_owned).to_vec());
        for (paths, asked, expected) in [
            (
                &["usr/bin/a", "usr/lib/systemd/system/a.service"][..],
                &[][..],
                &[][..],
            ),
            (
                &[
                    "usr/lib/sysusers.d/b.conf",
                    "usr/lib/sysusers.d/a.conf",
                    "usr/lib/sysusers.d/README",
                ],
                &[],
                &["systemd-sysusers a.conf b.conf"],
            ),
            (
                &[
                    "usr/lib/tmpfiles.d/a.conf",
                    "usr/lib/udev/rules.d/60-a.rules",
                ],
                &[],
                &[
                    "systemd-tmpfiles --create a.conf",
                    "udevadm control --reload",
                    "udevadm trigger",
                ],
            ),
            (
                &[
                    "usr/lib/udev/hwdb.d/a.hwdb",
                    "usr/share/dbus-1/system.d/a.conf",
                ],
                &[],
                &[
                    "systemd-hwdb update",
                    "udevadm control --reload",
                    "udevadm trigger",
                    "systemctl --no-block reload dbus.service",
                ],
            ),
            (
                &[
                    "usr/lib/modules/6.1-x/extra/a.ko.xz",
                    "usr/lib/modules/6.1-x/modules.dep",
                ],
                &[Step::Ldconfig, run.clone()],
                &["ldconfig", "restorecon -R \"/var/x y\""],
            ),
        ] {
            let unit = MergeUnit::of(
                &tree(paths),
                &asked.iter().cloned().collect(),
                &Restarts::default(),
            );
            assert_eq!(unit.commands(), expected, "{paths:?}");
            assert_eq!(unit.is_needless(), expected.is_empty());
        }
    }

    #[test]
    fn the_unit_runs_before_what_is_started() {
        let unit = MergeUnit::of(
            &tree(["usr/lib/sysusers.d/a.conf"]),
            &BTreeSet::new(),
            &Restarts::default(),
        );
        let text = unit.text("a", &["a.socket", "a.service"]);
        assert!(
            text.contains("\nBefore=a.socket\nBefore=a.service\n"),
            "{text}"
        );
        assert!(text.ends_with("RemainAfterExit=yes\nExecStart=-systemd-sysusers a.conf\n"));
        assert_eq!(
            path("gcc-c++"),
            "usr/lib/systemd/system/sysext-gcc-c\\x2b\\x2b@.service"
        );
        assert_eq!(
            drop_in("a", "1-2.3"),
            "[Unit]\nUpholds=sysext-a@1-2.3.service\n"
        );
    }
}
