//! What an image's files refer to, and this build left out: commands that only exist once a package
//! is installed, and what units need to start.
//!
//! A unit names files and users by settings, see systemd.exec(5):
//!
//! ```text
//! EnvironmentFile=/etc/default/daemon     a file that must be there; with a "-" before it, it may be missing
//! ExecStart=!/usr/sbin/daemon --run       flags, a program, its arguments
//! User=daemon                             a user that sysusers.d(5) makes, or the base has
//! ```
//!
//! So do desktop entries and D-Bus services (`Exec=`), scripts (`#!`) and links.

use std::collections::{BTreeMap, BTreeSet};

use image::{Content, Visit};
use linkage::{Linkage, PROGRAM_DIRECTORIES};
use rpm_input::{Nevra, Package};

use crate::alive::unit_file::{self, Command, Setting, UnitFile};
use crate::base::files::{BaseEntry, BaseFiles};
use crate::base::{Owners, sysusers};
use crate::findings::{Finding, kinds};
use crate::plan::compose::{LeftOut, Plan};
use crate::plan::filter;

/// Settings whose value is a file that must be there.
const FILES: [&str; 2] = ["EnvironmentFile", "WorkingDirectory"];
/// Settings that start a program; the unit fails where it can't be started.
pub(super) const PROGRAMS: [&str; 3] = ["ExecStart", "ExecStartPre", "ExecCondition"];
/// Settings whose value is a path without which the unit is skipped.
const CONDITIONS: [&str; 2] = ["ConditionPathExists", "AssertPathExists"];
/// Settings whose value is an account, or several, and whether it is a user.
const ACCOUNTS: [(&str, bool); 5] = [
    ("User", true),
    ("Group", false),
    ("SocketUser", true),
    ("SocketGroup", false),
    ("SupplementaryGroups", false),
];
/// Accounts that every system has: systemd itself knows them.
const EVERYWHERE: [&str; 2] = ["root", "nobody"];
/// Programs that make an account.
const MAKERS: [&str; 4] = ["useradd", "groupadd", "adduser", "addgroup"];

/// Finds the commands that an installation would make, and an image does not have.
pub fn commands(plan: &Plan, files: Option<&BaseFiles<'_>>) -> Vec<Finding> {
    let is_there = |path: &str| {
        let path = path.trim_start_matches('/');
        plan.tree.resolve(path).is_some()
            || files.is_some_and(|files| !matches!(files.entry(path), BaseEntry::Missing))
    };
    let is_command = |left: &&LeftOut| {
        let directory = left.path.rsplit_once('/').map_or("", |(before, _)| before);
        left.rule.name == "no-ghosts"
            && PROGRAM_DIRECTORIES.contains(&directory)
            && !is_there(&left.path)
    };
    let left_out = plan.left_out.iter().filter(is_command);
    left_out
        .map(|left| {
            let text = format!(
                "the command {} (%ghost of {}) is not in the image: it is made when the package is \
                 installed",
                left.path, left.owner
            );
            Finding::new(&kinds::GHOST_COMMAND, text)
        })
        .collect()
}

/// What this build left out, by its path without links in the directories that are merged.
pub struct Gone<'a> {
    left_out: BTreeMap<String, &'a LeftOut>,
    plan: &'a Plan,
    base: Option<&'a BaseFiles<'a>>,
}

impl<'a> Gone<'a> {
    /// Looks at what a plan for this base left out.
    pub fn of(plan: &'a Plan, base: Option<&'a BaseFiles<'a>>) -> Self {
        let all = plan.left_out.iter().rev();
        Self {
            left_out: all.map(|left| (merged(&left.path), left)).collect(),
            plan,
            base,
        }
    }

    /// Returns what was left out at a path and is nowhere else.
    fn at(&self, path: &str) -> Option<&'a LeftOut> {
        let path = merged(path);
        let left = *self.left_out.get(&path)?;
        (!self.is_there(&path)).then_some(left)
    }

    /// Says whether something is at a path without links in the directories that are merged.
    fn is_there(&self, path: &str) -> bool {
        let is_of_base = |base: &BaseFiles<'_>| base.entry(path) != BaseEntry::Missing;
        // A link that leads nowhere is there, and has a finding of its own.
        self.plan.tree.get(path).is_some()
            || self.plan.tree.resolve(path).is_some()
            || self.plan.tmpfiles.make(path)
            || self.plan.companion.paths.contains(path.as_bytes())
            || self.base.is_some_and(is_of_base)
    }

    /// Returns the command of this name that was left out and that no directory of commands has.
    fn command(&self, name: &str) -> Option<&'a LeftOut> {
        let paths = || {
            PROGRAM_DIRECTORIES
                .iter()
                .map(|above| format!("{above}/{name}"))
        };
        match paths().any(|path| self.is_there(&merged(&path))) {
            true => None,
            false => paths().find_map(|path| self.at(&path)),
        }
    }

    /// Says that something at a path of the image refers to what was left out. `how` completes the
    /// sentence "PATH ...", and nothing runs without it if `is_vital`.
    fn finding(path: &str, how: &str, left: &LeftOut, is_vital: bool) -> Finding {
        // A scriptlet would have made what the package only owns, and a host may have it.
        let is_ghost = *left.rule == filter::NO_GHOSTS;
        let kind = match is_vital && !is_ghost {
            true => &kinds::LINK_INTO_LEFT_OUT,
            false => &kinds::REFERS_TO_LEFT_OUT,
        };
        let text = format!(
            "/{path} {how}, and {} of {} was left out ({})",
            left.path, left.owner, left.rule.name
        );
        Finding::new(kind, text)
    }

    /// Finds the links of the image that lead to what was left out, each with what is to be said of it.
    pub fn links(&self) -> BTreeMap<String, Finding> {
        let mut found = BTreeMap::new();
        self.plan.tree.walk(&mut |path, visit| {
            let Visit::Leaf(_, leaf) = visit else { return };
            let Content::Symlink(target) = &leaf.content else {
                return;
            };
            let Some(to) = filter::resolved(path.bytes(), target.bytes()) else {
                return;
            };
            let to = format!("/{}", files::shown(&to));
            if let Some(left) = self.at(&to) {
                let path = path.text();
                let above = path.rsplit_once('/').map_or("", |(above, _)| above);
                let is_command = PROGRAM_DIRECTORIES.iter().any(|one| one[1..] == *above);
                let how = format!("is a link to {target}");
                let finding = Self::finding(&path, &how, left, is_command);
                found.insert(format!("/{path}"), finding);
            }
        });
        found
    }

    /// Finds what starts a program that was left out: desktop entries and D-Bus services among
    /// `texts`, and scripts.
    pub fn launchers(&self, texts: &BTreeMap<String, String>, linkage: &Linkage) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (path, text) in texts {
            let section = match path.rsplit_once('.').unwrap_or_default() {
                (_, "desktop") => "Desktop Entry",
                (above, "service") if above.starts_with("usr/share/dbus-1/") => "D-BUS Service",
                _ => continue,
            };
            let entry = UnitFile::parse(text);
            let Some(value) = entry.value(section, "Exec") else {
                continue;
            };
            let commands = Command::of(value);
            let program = commands.first().map(|command| command.program.as_str());
            let left = program.and_then(|program| match program.starts_with('/') {
                true => self.at(program),
                false => self.command(program),
            });
            let how = format!("can't start: Exec={value}");
            findings.extend(left.map(|left| Self::finding(path, &how, left, true)));
        }
        for (path, script) in &linkage.scripts {
            let how = format!("is run by {}", script.interpreter);
            let left = self.at(&script.interpreter);
            findings.extend(left.map(|left| Self::finding(path, &how, left, false)));
        }
        findings
    }

    /// Finds the units that can't start, since what they need was left out.
    pub fn units(&self, texts: &BTreeMap<String, String>) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (path, text) in units_among(texts) {
            for setting in UnitFile::parse(text).settings() {
                let how = format!("can't start: {}={}", setting.key, setting.value);
                let left = referred(setting).into_iter();
                let left = left.filter_map(|path| self.at(&path));
                findings.extend(left.map(|left| Self::finding(path, &how, left, true)));
            }
        }
        findings
    }
}

/// Returns a path as the base has it, without its slash: programs are named by either.
fn merged(path: &str) -> String {
    let path = path.trim_start_matches('/');
    let top = path.split('/').next().unwrap_or_default();
    match ["bin", "sbin", "lib", "lib64"].contains(&top) {
        true => format!("usr/{path}"),
        false => path.to_owned(),
    }
}

/// Returns the units and drop-ins among texts.
fn units_among(texts: &BTreeMap<String, String>) -> impl Iterator<Item = (&String, &String)> {
    texts.iter().filter(|(path, _)| path.contains("/systemd/"))
}

/// Who makes accounts that an image relies on.
struct Makers<'a> {
    /// Those that the image's sysusers.d snippets make: their names, and whether they are users.
    made: BTreeSet<(String, bool)>,
    packages: &'a [&'a Package],
    owners: &'a Owners,
}

impl<'a> Makers<'a> {
    fn of(
        texts: &BTreeMap<String, String>,
        packages: &'a [&'a Package],
        owners: &'a Owners,
    ) -> Self {
        let made = (texts.iter())
            .filter(|(path, _)| path.starts_with("usr/lib/sysusers.d/"))
            .flat_map(|(_, text)| sysusers::accounts(text))
            .map(|account| (account.name, account.is_user));
        Self {
            made: made.collect(),
            packages,
            owners,
        }
    }

    /// Says in words that nobody makes an account, if so.
    fn missing(&self, name: &str, is_user: bool) -> Option<String> {
        let is_there = self.made.contains(&(name.to_owned(), is_user))
            || self.owners.has_account(name, is_user)
            || EVERYWHERE.contains(&name)
            || !is_name(name);
        match (is_there, maker(self.packages, name)) {
            (true, _) => None,
            (_, Some(maker)) => Some(format!(
                "which a scriptlet of {maker} makes, and none is run"
            )),
            _ if self.owners.has_root() => {
                Some("which neither the base nor a snippet of the image makes".to_owned())
            }
            _ => None,
        }
    }
}

/// Finds the accounts of units that nobody makes. `texts` has the units and sysusers.d snippets of the
/// image.
pub fn accounts_of_units(
    texts: &BTreeMap<String, String>,
    packages: &[&Package],
    owners: &Owners,
) -> Vec<Finding> {
    let makers = Makers::of(texts, packages, owners);
    let mut findings = Vec::new();
    for (path, text) in units_among(texts) {
        let unit = UnitFile::parse(text);
        let is_dynamic = unit.is_on("Service", "DynamicUser");
        for Setting { key, value, .. } in unit.settings() {
            let Some((_, is_user)) = ACCOUNTS.iter().find(|(known, _)| known == key) else {
                continue;
            };
            if is_dynamic && key != "SupplementaryGroups" {
                continue;
            }
            for who in (value.split_whitespace()).filter_map(|name| makers.missing(name, *is_user))
            {
                let text = format!("/{path} can't start: {key}={value}, {who}");
                findings.push(Finding::new(&kinds::ACCOUNT_MISSING, text));
            }
        }
    }
    findings
}

/// Finds the accounts that nobody makes, of units and of what a host is to make. `texts` has the units
/// and sysusers.d snippets of the image.
pub fn accounts(
    texts: &BTreeMap<String, String>,
    plan: &Plan,
    packages: &[&Package],
    owners: &Owners,
) -> Vec<Finding> {
    let makers = Makers::of(texts, packages, owners);
    let mut findings = accounts_of_units(texts, packages, owners);
    for (path, line) in plan.tmpfiles.iter() {
        for (name, (what, is_user)) in line.owners.iter().zip([("user", true), ("group", false)]) {
            findings.extend(makers.missing(name, is_user).map(|who| {
                let text = format!("/{path} can't be made on the host: {what} {name}, {who}");
                Finding::new(&kinds::ACCOUNT_MISSING, text)
            }));
        }
    }
    findings
}

/// Returns the paths that must be there for a setting to work.
fn referred(setting: &Setting) -> Vec<String> {
    let Setting { key, value, .. } = setting;
    let must_be = |(path, may_be_missing): (&str, bool)| (!may_be_missing).then(|| path.to_owned());
    if FILES.contains(&key.as_str()) {
        Vec::from_iter(unit_file::optional_path(value).and_then(must_be))
    } else if PROGRAMS.contains(&key.as_str()) {
        let commands = Command::of(value);
        let commands = commands.iter().filter(|command| !command.may_fail);
        let paths = commands.filter_map(|command| Some(command.path()?.to_owned()));
        paths.collect()
    } else if CONDITIONS.contains(&key.as_str()) {
        let path = unit_file::condition_path(value);
        path.map(str::to_owned).into_iter().collect()
    } else {
        Vec::new()
    }
}

/// Says whether a value is the name of an account. A number needs none, and what has specifiers is
/// known on the host alone.
fn is_name(value: &str) -> bool {
    !value.contains('%') && value.parse::<u32>().is_err()
}

/// Returns the package of which a scriptlet makes this account.
fn maker<'a>(packages: &[&'a Package], name: &str) -> Option<&'a Nevra> {
    let makes = |line: &str| {
        let mut words = line.split(|c: char| c.is_whitespace() || "\"';|&()".contains(c));
        words.clone().any(|word| {
            let program = word.rsplit('/').next().unwrap_or_default();
            MAKERS.contains(&program)
        }) && words.any(|word| word == name)
    };
    let package = packages.iter().find(|package| {
        let mut scripts = package.scriptlets.iter();
        scripts.any(|one| one.script.replace("\\\n", " ").lines().any(makes))
    });
    package.map(|package| &package.nevra)
}

#[cfg(test)]
mod tests {
    use image::{Leaf, Stat};
    use rpm_input::Scriptlet;

    use super::*;
    use crate::alive::tmpfiles::{Line, Made};
    use crate::plan::filter::RULES;

    fn plan(left_out: &[(&str, &str)], present: &[&str]) -> Plan {
        let left_out = left_out.iter().map(|(rule, path)| LeftOut {
            rule: RULES.iter().find(|one| one.name == *rule).unwrap(),
            owner: "d-1-1.noarch".to_owned(),
            path: (*path).to_owned(),
            size: 0,
        });
        let mut plan = Plan {
            left_out: left_out.collect(),
            ..Plan::default()
        };
        for path in present {
            let stat = Stat::implicit_directory(0);
            let leaf = Leaf {
                stat: stat.clone(),
                content: image::Content::File {
                    id: image::ContentId::new("x"),
                    size: 1,
                },
            };
            plan.tree.insert_leaf(path, leaf, &stat).unwrap();
        }
        plan
    }

    #[test]
    fn commands_that_only_an_installation_makes() {
        for (rule, path, present, expected) in [
            ("no-ghosts", "/usr/bin/vi", "usr/bin/vim", true),
            ("no-ghosts", "/sbin/vi", "usr/bin/vim", true),
            // In the image by another package; no command; left out for another reason.
            ("no-ghosts", "/usr/bin/vi", "usr/bin/vi", false),
            ("no-ghosts", "/usr/bin/d/vi", "usr/bin/vim", false),
            ("no-ghosts", "/usr/share/vi", "usr/bin/vim", false),
            ("hierarchy-only", "/bin/vi", "usr/bin/vim", false),
        ] {
            let found = commands(&plan(&[(rule, path)], &[present]), None);
            assert_eq!(found.len(), usize::from(expected), "{path}");
            assert!(found.iter().all(|one| one.text.contains(path)));
        }
    }

    /// Links of the image, and what they lead to.
    #[test]
    fn links_into_what_was_left_out() {
        for (path, target, left, expected) in [
            (
                "usr/bin/d",
                "/srv/d/run",
                ("hierarchy-only", "/srv/d/run"),
                Some(
                    "link-into-left-out: /usr/bin/d is a link to /srv/d/run, and /srv/d/run of d-1-1.noarch was left out (hierarchy-only)",
                ),
            ),
            (
                "usr/bin/d",
                "../lib/d",
                ("drop-docs", "/lib/d"),
                Some(
                    "link-into-left-out: /usr/bin/d is a link to ../lib/d, and /lib/d of d-1-1.noarch was left out (drop-docs)",
                ),
            ),
            (
                "usr/share/d",
                "/srv/d",
                ("hierarchy-only", "/srv/d"),
                Some(
                    "refers-to-left-out: /usr/share/d is a link to /srv/d, and /srv/d of d-1-1.noarch was left out (hierarchy-only)",
                ),
            ),
            (
                "usr/bin/d",
                "/etc/alternatives/d",
                ("no-ghosts", "/etc/alternatives/d"),
                Some(
                    "refers-to-left-out: /usr/bin/d is a link to /etc/alternatives/d, and /etc/alternatives/d of d-1-1.noarch was left out (no-ghosts)",
                ),
            ),
            (
                "usr/bin/d",
                "/srv/other",
                ("hierarchy-only", "/srv/d"),
                None,
            ),
            // Another package has it, or a host is to make it.
            ("usr/bin/d", "own", ("usr-merge", "/bin/own"), None),
            (
                "usr/bin/d",
                "/etc/made",
                ("kept-by-base", "/etc/made"),
                None,
            ),
        ] {
            let mut plan = plan(&[left], &["usr/bin/own"]);
            let stat = Stat::implicit_directory(0);
            let content = image::Content::Symlink(target.into());
            let leaf = Leaf {
                stat: stat.clone(),
                content,
            };
            plan.tree.insert_leaf(path, leaf, &stat).unwrap();
            plan.tmpfiles.add(
                "etc/made".into(),
                Line {
                    made: Made::File,
                    mode: 0o644,
                    owners: ["root", "root"].map(str::to_owned),
                },
            );
            let found = Gone::of(&plan, None).links();
            let found: Vec<_> = (found.values())
                .map(|one| format!("{}: {}", one.kind.id, one.text))
                .collect();
            assert_eq!(
                found,
                Vec::from_iter(expected.map(str::to_owned)),
                "{target}"
            );
        }
    }

    /// What starts programs for desktops and D-Bus, and scripts.
    #[test]
    fn launchers_of_what_was_left_out() {
        let plan = plan(
            &[
                ("hierarchy-only", "/srv/d/run"),
                ("drop-man", "/usr/bin/gone"),
            ],
            &["usr/bin/d"],
        );
        let entry = "usr/share/applications/d.desktop";
        let service = "usr/share/dbus-1/system-services/d.service";
        for (path, text, expected) in [
            (
                entry,
                "[Desktop Entry]\nExec=\"/srv/d/run\" %U\n",
                Some("link-into-left-out"),
            ),
            (
                entry,
                "[Desktop Entry]\nExec=gone %U\n",
                Some("link-into-left-out"),
            ),
            (entry, "[Desktop Entry]\nExec=d\n", None),
            (entry, "[Desktop Entry]\nExec=other\n", None),
            (entry, "[Other]\nExec=/srv/d/run\n", None),
            (
                service,
                "[D-BUS Service]\nExec=/srv/d/run x\n",
                Some("link-into-left-out"),
            ),
            (service, "[D-BUS Service]\nExec=/bin/d\n", None),
            (
                "usr/lib/systemd/system/d.service",
                "[D-BUS Service]\nExec=/srv/d/run\n",
                None,
            ),
        ] {
            let texts = BTreeMap::from([(path.to_owned(), text.to_owned())]);
            let found = Gone::of(&plan, None).launchers(&texts, &Linkage::default());
            let found: Vec<_> = found.iter().map(|one| one.kind.id).collect();
            assert_eq!(found, Vec::from_iter(expected), "{text}");
        }
        let mut linkage = Linkage::default();
        for (path, head) in [("usr/share/d", "#!/srv/d/run"), ("usr/bin/d", "#!/bin/sh")] {
            let script = linkage::Script::parse(head.as_bytes()).unwrap();
            linkage.scripts.insert(path.to_owned(), script);
        }
        let found = Gone::of(&plan, None).launchers(&BTreeMap::new(), &linkage);
        let found: Vec<_> = found.into_iter().map(|one| one.text).collect();
        let expected = "/usr/share/d is run by /srv/d/run, and /srv/d/run of d-1-1.noarch was left \
                        out (hierarchy-only)";
        assert_eq!(found, [expected]);
    }

    /// A host can't give files to whom nobody makes.
    #[test]
    fn owners_of_what_a_host_is_to_make() {
        let mut plan = plan(&[], &[]);
        plan.tmpfiles.add(
            "var/lib/d".into(),
            Line {
                made: Made::Directory,
                mode: 0o755,
                owners: ["fixed", "nobodys"].map(str::to_owned),
            },
        );
        let scratch = crate::words::scratch::Scratch::new();
        scratch.write("usr/lib/passwd", b"fixed:x:5:5::/:/bin/sh\n");
        let owners = Owners::of_root(scratch.path()).unwrap();
        let found = accounts(&BTreeMap::new(), &plan, &[], &owners);
        let found: Vec<_> = found.into_iter().map(|one| one.text).collect();
        let expected = "/var/lib/d can't be made on the host: group nobodys, which neither the base nor a \
                        snippet of the image makes";
        assert_eq!(found, [expected]);
    }

    #[test]
    fn units_that_can_not_start() {
        let rule = "hierarchy-only";
        let plan = plan(
            &[(rule, "/etc/d"), (rule, "/srv/d/run"), (rule, "/usr/bin/d")],
            &["usr/bin/d", "usr/lib/systemd/system/d.service"],
        );
        let mut package = Package::named(Nevra {
            name: "d".to_owned(),
            epoch: None,
            version: "1".to_owned(),
            release: "1".to_owned(),
            arch: "noarch".to_owned(),
        });
        package.scriptlets.push(Scriptlet {
            kind: "pre",
            program: Vec::new(),
            script: "getent passwd d || /usr/sbin/useradd -r \\\n  -g d 'd'\necho other\n"
                .to_owned(),
            waits_for: Vec::new(),
        });
        let owners = Owners::of_tables("fixed:x:5:5::/:/bin/sh", "");
        for (line, expected) in [
            (
                "EnvironmentFile=/etc/d",
                Some("/etc/d of d-1-1.noarch was left out (hierarchy-only)"),
            ),
            ("EnvironmentFile=-/etc/d", None),
            ("EnvironmentFile=/etc/other", None),
            (
                "ConditionPathExists=/etc/d",
                Some("/etc/d of d-1-1.noarch was left out (hierarchy-only)"),
            ),
            ("ConditionPathExists=!/etc/d", None),
            ("ConditionPathExists=|/etc/d", None),
            (
                "ExecStartPre=/usr/bin/other ; \"/srv/d/run\" x",
                Some("/srv/d/run of d-1-1.noarch was left out"),
            ),
            ("EnvironmentFile=/etc/%n", None),
            ("# EnvironmentFile=/etc/d", None),
            ("Environment=A=b \\\nEnvironmentFile=/etc/d", None),
            (
                "ExecStart=@!/srv/d/run arg0",
                Some("/srv/d/run of d-1-1.noarch was left out"),
            ),
            ("ExecStart=-/srv/d/run", None),
            ("ExecStop=/srv/d/run", None),
            // Left out of one package, and there from another.
            ("ExecStart=/usr/bin/d", None),
            (
                "User=d",
                Some("User=d, which a scriptlet of d-1-1.noarch makes"),
            ),
            ("SocketGroup = d", Some("SocketGroup=d, which a scriptlet")),
            ("User=other", None),
            ("User=fixed", None),
            ("User=snippet", None),
            ("User=d\nDynamicUser=yes", None),
        ] {
            let texts = BTreeMap::from(
                [
                    (
                        "usr/lib/systemd/system/d.service",
                        format!("[Service]\n{line}\n"),
                    ),
                    ("usr/lib/sysusers.d/d.conf", "u snippet -\n".to_owned()),
                ]
                .map(|(path, text)| (path.to_owned(), text)),
            );
            let mut found = Gone::of(&plan, None).units(&texts);
            found.extend(accounts(&texts, &plan, &[&package], &owners));
            let found: Vec<_> = found.into_iter().map(|one| one.text).collect();
            match expected {
                None => assert_eq!(found, [""; 0], "{line}"),
                Some(expected) => {
                    assert!(
                        found.len() == 1 && found[0].contains(expected),
                        "{line}: {found:?}"
                    );
                    assert!(found[0].starts_with("/usr/lib/systemd/system/d.service can't start"));
                }
            }
        }
    }
}
