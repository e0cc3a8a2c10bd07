//! Units that an image starts, and what keeps them from it: a drop-in that systemd does not read, a
//! name that is none, and whatever else is found of a unit that is started.
//!
//! ```text
//! multi-user.target.d/bird.service      systemd reads *.conf alone
//! Upholds=littlesnitch                  no unit: it has no suffix
//! ```

use std::collections::{BTreeMap, BTreeSet};

use image::{Tree, Visit};

use crate::alive::services::{UNITS, below_units, check_name, has_unit, masks, not_started};
use crate::alive::unit_file::UnitFile;
use crate::base::files::BaseFiles;
use crate::findings::{Finding, kinds};

/// Settings that name units which are to be started, too.
const STARTING: [&str; 4] = ["Upholds", "Wants", "Requires", "BindsTo"];
/// Settings that name units which something else of the image starts.
const NAMING: [&str; 10] = [
    "Upholds",
    "Wants",
    "Requires",
    "BindsTo",
    "OnFailure",
    "OnSuccess",
    "Sockets",
    "Service",
    "Unit",
    "SystemdService",
];
/// Settings by which a unit is started with others, once it is enabled.
const INSTALLING: [&str; 3] = ["WantedBy", "RequiredBy", "UpheldBy"];
/// Kinds of units that start a service of their name.
const TRIGGERS: [&str; 4] = ["socket", "timer", "path", "automount"];
/// Ends of directories with links to units that are started.
const LINKING: [&str; 3] = [".wants", ".requires", ".upholds"];
/// Findings of a unit that can't start.
const HINDERING: [&str; 3] = ["link-into-left-out", "program-missing", "account-missing"];

/// Finds what keeps units from being started that the image means to start. `texts` has its units
/// and drop-ins.
pub fn ignored(
    texts: &BTreeMap<String, String>,
    tree: &Tree,
    files: Option<&BaseFiles<'_>>,
) -> Vec<Finding> {
    let mut findings = drop_ins(tree);
    for (path, text) in texts.iter().filter(|(path, _)| unit_of(path).is_some()) {
        let unit = UnitFile::parse(text);
        for key in STARTING {
            for name in names(&unit, key) {
                let problem = match check_name(name) {
                    Err(problem) => problem,
                    Ok(())
                        if key == "Upholds"
                            && files.is_some_and(BaseFiles::has_root)
                            && !has_unit(tree, files, name) =>
                    {
                        "is a unit that neither the image nor the base has".to_owned()
                    }
                    Ok(()) => continue,
                };
                let text = format!("/{path}: {key}={name}: the name {problem}");
                findings.push(Finding::new(&kinds::UNIT_IGNORED, text));
            }
        }
    }
    findings.extend(left_behind(texts, tree));
    findings.extend(masks(tree));
    findings
}

/// Makes findings fatal that keep a unit from running which the image starts.
pub fn made_fatal(findings: &mut [Finding], texts: &BTreeMap<String, String>, tree: &Tree) {
    let upheld = upheld(texts, tree);
    for finding in findings.iter_mut() {
        let unit = finding
            .text
            .split_once(" can't start")
            .map(|(path, _)| path);
        let unit = unit.and_then(|path| path.rsplit('/').next());
        if HINDERING.contains(&finding.kind.id) && unit.is_some_and(|unit| upheld.contains(unit)) {
            finding.fatal = true;
        }
    }
}

/// Returns the unit that a file of an image is of.
pub(super) fn unit_of(path: &str) -> Option<&str> {
    let rest = below_units(path)?;
    let unit = match rest.split_once('/') {
        Some((directory, name)) if name.ends_with(".conf") => directory.strip_suffix(".d")?,
        Some(_) => return None,
        None => rest,
    };
    Some(unit)
}

/// Returns the names of a setting. Those with specifiers are known on the host alone.
fn names<'a>(unit: &'a UnitFile, key: &str) -> Vec<&'a str> {
    let values = unit.values("Unit", key).into_iter();
    let names = values.flat_map(str::split_whitespace);
    names
        .filter(|name| !name.contains(['%', '"', '\'']))
        .collect()
}

/// Returns the units that an image starts with the system, by settings or by links.
pub(super) fn upheld(texts: &BTreeMap<String, String>, tree: &Tree) -> BTreeSet<String> {
    let files = texts.iter().filter(|(path, _)| unit_of(path).is_some());
    let upheld = files.flat_map(|(_, text)| {
        let unit = UnitFile::parse(text);
        let names = names(&unit, "Upholds").into_iter().map(str::to_owned);
        names.collect::<Vec<_>>()
    });
    let mut upheld: BTreeSet<_> = upheld.collect();
    tree.walk(&mut |path, visit| {
        let path = path.text();
        if let Visit::Leaf(..) = visit
            && let Some(rest) = below_units(&path)
            && let Some((directory, name)) = rest.split_once('/')
            && LINKING.iter().any(|end| directory.ends_with(end))
        {
            upheld.insert(name.to_owned());
        }
    });
    upheld
}

/// Finds files in directories of drop-ins that are meant as such, and that nobody reads.
fn drop_ins(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    tree.walk(&mut |path, visit| {
        let Visit::Leaf(..) = visit else { return };
        let path = path.text();
        let rest = below_units(&path);
        let Some((directory, name)) = rest.and_then(|rest| rest.split_once('/')) else {
            return;
        };
        if directory.ends_with(".d") && check_name(name).is_ok() {
            let text = format!("/{path} is read by nobody: the name of a drop-in ends in .conf");
            findings.push(Finding::new(&kinds::UNIT_IGNORED, text));
        }
    });
    findings
}

/// Finds units that go with one which is started, and are not started themselves: those that its
/// `Also=` names, and the socket that it wants from systemd, without which it can't run.
fn left_behind(texts: &BTreeMap<String, String>, tree: &Tree) -> Vec<Finding> {
    let upheld = upheld(texts, tree);
    let mut findings = Vec::new();
    for name in &upheld {
        let text = UNITS
            .iter()
            .find_map(|above| texts.get(&format!("{above}/{name}")));
        let Some(text) = text else { continue };
        let unit = UnitFile::parse(text);
        let comes_along = |other: &str| upheld.contains(other) || starts(&unit, other);
        let is_there = |other: &str| has_unit(tree, None, other);
        let mut programs = unit.values("Service", "ExecStart").into_iter();
        let socket = name
            .strip_suffix(".service")
            .filter(|_| programs.any(|command| command.contains("fd://")));
        let socket = socket.map(|stem| format!("{stem}.socket"));
        let socket = socket.filter(|socket| is_there(socket) && !comes_along(socket));
        if let Some(socket) = &socket {
            let why = format!("{name} takes its connections from it, and can't run without");
            findings.push(not_started(socket, &why).made_fatal());
        }
        let also = unit.values("Install", "Also").into_iter();
        for other in also.flat_map(str::split_whitespace) {
            if socket.as_deref() != Some(other) && is_there(other) && !comes_along(other) {
                findings.push(not_started(other, &format!("{name} goes with it")));
            }
        }
    }
    findings
}

/// Says whether a unit has another one started before it or with it.
fn starts(unit: &UnitFile, other: &str) -> bool {
    let of_unit = STARTING.iter().flat_map(|key| names(unit, key));
    let sockets = unit.values("Service", "Sockets").into_iter();
    let sockets = sockets.flat_map(str::split_whitespace);
    of_unit.chain(sockets).any(|name| name == other)
}

/// Finds units that are meant to be started with the system, and that nobody starts: no scriptlet, nothing
/// in the image, no socket, timer or bus. `said` has the findings of those of which it is known why.
pub fn forgotten(texts: &BTreeMap<String, String>, tree: &Tree, said: &[Finding]) -> Vec<Finding> {
    let units = |path: &str| {
        unit_of(path)
            .filter(|unit| path.ends_with(*unit))
            .map(str::to_owned)
    };
    let mut started = upheld(texts, tree);
    for (path, text) in texts {
        let file = UnitFile::parse(text);
        let named = (file.settings().iter()).filter(|it| NAMING.contains(&it.key.as_str()));
        let named = named.flat_map(|it| it.value.split_whitespace());
        started.extend(named.map(str::to_owned));
        // What has one of these is started by it.
        let trigger = units(path).and_then(|unit| {
            let (stem, suffix) = unit.rsplit_once('.')?;
            TRIGGERS
                .contains(&suffix)
                .then(|| format!("{stem}.service"))
        });
        started.extend(trigger);
    }
    let is_said = |unit: &str| {
        let begin = format!("{unit} is not started");
        said.iter().any(|one| one.text.starts_with(&begin))
    };
    let mut findings = Vec::new();
    for (path, text) in texts {
        let Some(unit) = units(path).filter(|unit| check_name(unit).is_ok()) else {
            continue;
        };
        let file = UnitFile::parse(text);
        let is_meant = INSTALLING
            .iter()
            .any(|key| !file.values("Install", key).is_empty());
        let is_meant = is_meant && file.value("Service", "Type") != Some("dbus");
        if is_meant && !started.contains(&unit) && !is_said(&unit) {
            findings.push(not_started(&unit, "nothing of the image starts it"));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::scratch;

    const DIRECTORY: &str = "usr/lib/systemd/system";

    fn tree(names: &[&str]) -> Tree {
        let paths = names.iter().map(|name| format!("{DIRECTORY}/{name}"));
        scratch::tree(paths)
    }

    #[test]
    fn what_systemd_ignores_is_named() {
        for (files, expected) in [
            (&[("a.service", "[Unit]\nWants=b.service\n")][..], &[][..]),
            (
                &[(
                    "multi-user.target.d/bird.service",
                    "[Unit]\nUpholds=bird.service\n",
                )],
                &["bird.service is read by nobody"],
            ),
            (&[("multi-user.target.d/README", "")], &[]),
            (
                &[(
                    "multi-user.target.d/10-a.conf",
                    "[Unit]\nUpholds=littlesnitch\n",
                )],
                &["Upholds=littlesnitch: the name has no suffix"],
            ),
            (
                &[(
                    "multi-user.target.d/10-a.conf",
                    "[Unit]\nUpholds=\nUpholds=%i b.socket\n",
                )],
                &[],
            ),
            (
                &[
                    (
                        "multi-user.target.d/10-a.conf",
                        "[Unit]\nUpholds=a.service\n",
                    ),
                    (
                        "a.service",
                        "[Service]\nExecStart=/usr/bin/a -H fd://\n[Install]\nAlso=b.socket\n",
                    ),
                    ("a.socket", "[Socket]\n"),
                    ("b.socket", "[Socket]\n"),
                ],
                &["a.socket is not started", "b.socket is not started"],
            ),
        ] {
            let names: Vec<_> = files.iter().map(|(name, _)| *name).collect();
            let texts = files
                .iter()
                .map(|(name, text)| (format!("{DIRECTORY}/{name}"), (*text).to_owned()));
            let found = ignored(&texts.collect(), &tree(&names), None);
            assert_eq!(found.len(), expected.len(), "{files:?}: {found:?}");
            for (finding, expected) in found.iter().zip(expected) {
                assert!(finding.text.contains(expected), "{finding:?}");
            }
        }
    }

    #[test]
    fn what_keeps_a_started_unit_from_running_is_fatal() {
        let texts = BTreeMap::from([(
            format!("{DIRECTORY}/multi-user.target.d/10-a.conf"),
            "[Unit]\nUpholds=a.service\n".to_owned(),
        )]);
        let text =
            |unit: &str| format!("/{DIRECTORY}/{unit} can't start: User=x, which nobody makes");
        let mut findings = ["a.service", "b.service"]
            .map(|unit| Finding::new(&kinds::ACCOUNT_MISSING, text(unit)));
        made_fatal(&mut findings, &texts, &Tree::default());
        assert_eq!(findings.map(|finding| finding.fatal), [true, false]);
    }
}
