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

use std::collections::{BTreeMap, BTreeSet};

use linkage::PROGRAM_DIRECTORIES;
use rpm_input::{Nevra, Package};

use crate::alive::unit_file::{self, Command, Setting, UnitFile};
use crate::base::files::{BaseEntry, BaseFiles};
use crate::base::{Owners, sysusers};
use crate::findings::{Finding, kinds};
use crate::plan::compose::{LeftOut, Plan};

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

/// Finds the units that can't start, since what they need was left out. `texts` has the units and
/// sysusers.d snippets of the image.
pub fn units(
    texts: &BTreeMap<String, String>,
    plan: &Plan,
    packages: &[&Package],
    owners: &Owners,
) -> Vec<Finding> {
    let made: BTreeSet<_> = (texts.iter())
        .filter(|(path, _)| path.starts_with("usr/lib/sysusers.d/"))
        .flat_map(|(_, text)| sysusers::accounts(text))
        .map(|account| (account.name, account.is_user))
        .collect();
    let all = plan.left_out.iter();
    let gone: BTreeMap<_, _> = all.rev().map(|left| (left.path.as_str(), left)).collect();
    let left_out = |path: &str| {
        let left = *gone.get(path)?;
        let is_there = plan.tree.resolve(path.trim_start_matches('/')).is_some();
        (!is_there).then_some(left)
    };
    let mut findings = Vec::new();
    for (path, text) in texts.iter().filter(|(path, _)| path.contains("/systemd/")) {
        let unit = UnitFile::parse(text);
        for setting in unit.settings() {
            let Setting { key, value, .. } = setting;
            for left in (referred(setting).iter()).filter_map(|path| left_out(path)) {
                let text = format!(
                    "/{path} can't start: {key}={value}, and {} was left out ({})",
                    left.path, left.rule.name
                );
                findings.push(Finding::new(&kinds::LINK_INTO_LEFT_OUT, text));
            }
        }
        let is_dynamic = unit.is_on("Service", "DynamicUser");
        let accounts = unit.settings().iter().filter_map(|setting| {
            let (_, is_user) = ACCOUNTS.iter().find(|(known, _)| known == &setting.key)?;
            Some((&setting.key, setting.value.as_str(), *is_user))
        });
        for (key, value, is_user) in accounts {
            for name in value.split_whitespace() {
                let is_there = made.contains(&(name.to_owned(), is_user))
                    || owners.has_account(name, is_user)
                    || EVERYWHERE.contains(&name);
                if is_there || (is_dynamic && *key != "SupplementaryGroups") || !is_name(name) {
                    continue;
                }
                let who = match maker(packages, name) {
                    Some(maker) => format!("which a scriptlet of {maker} makes, and none is run"),
                    None if owners.has_root() => {
                        "which neither the base nor a snippet of the image makes".to_owned()
                    }
                    None => continue,
                };
                let text = format!("/{path} can't start: {key}={value}, {who}");
                findings.push(Finding::new(&kinds::ACCOUNT_MISSING, text));
            }
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
                Some("/etc/d was left out (hierarchy-only)"),
            ),
            ("EnvironmentFile=-/etc/d", None),
            ("EnvironmentFile=/etc/other", None),
            (
                "ConditionPathExists=/etc/d",
                Some("/etc/d was left out (hierarchy-only)"),
            ),
            ("ConditionPathExists=!/etc/d", None),
            ("ConditionPathExists=|/etc/d", None),
            (
                "ExecStartPre=/usr/bin/other ; \"/srv/d/run\" x",
                Some("/srv/d/run was left out"),
            ),
            ("EnvironmentFile=/etc/%n", None),
            ("# EnvironmentFile=/etc/d", None),
            ("Environment=A=b \\\nEnvironmentFile=/etc/d", None),
            (
                "ExecStart=@!/srv/d/run arg0",
                Some("/srv/d/run was left out"),
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
            let found = units(&texts, &plan, &[&package], &owners);
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
