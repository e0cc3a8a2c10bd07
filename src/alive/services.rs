//! Units that are started with the system once the image is merged: by a drop-in of multi-user.target
//! with `Upholds=`, which systemd follows when it is reloaded after a merge. What `systemctl enable`
//! makes, a link in a directory `.wants`, is looked at only when the target itself is started.
//!
//! ```text
//! /usr/lib/systemd/system/multi-user.target.d/10-NAME.conf
//!     [Unit]
//!     Upholds=docker.socket
//! ```

use std::collections::BTreeMap;

use anyhow::anyhow;
use image::{Content, Tree, Visit};

use super::scriptlets::is_suffix;
use crate::base::files::{BaseEntry, BaseFiles};
use crate::findings::{Finding, kinds};
use crate::words::failure::{Failure, Result};

/// Where units are that an image or a base brings.
pub const UNITS: [&str; 2] = ["usr/lib/systemd/system", "usr/local/lib/systemd/system"];
/// Returns the path of a file of an image below a directory of units.
pub fn below_units(path: &str) -> Option<&str> {
    let mut below = UNITS
        .iter()
        .filter_map(|directory| path.strip_prefix(directory));
    below.find_map(|path| path.strip_prefix('/'))
}

/// Where a host has its own.
pub const OF_HOST: &str = "etc/systemd/system";
/// Directories of presets; a file of the same name in an earlier one counts.
const PRESETS: [&str; 4] = [
    "etc/systemd/system-preset",
    "run/systemd/system-preset",
    "usr/local/lib/systemd/system-preset",
    "usr/lib/systemd/system-preset",
];
/// A longer file of presets is not read, in bytes.
const MAX_PRESET: u64 = 1 << 20;
/// Longest name of a unit that systemd takes.
const MAX_NAME: usize = 255;

/// Units that are started, each with why.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Started(BTreeMap<String, String>);

impl Started {
    /// Adds a unit; the first reason stays.
    pub fn add(&mut self, unit: &str, why: &str) {
        let entry = self.0.entry(unit.to_owned());
        entry.or_insert_with(|| why.to_owned());
    }

    /// Says whether a unit is started.
    pub fn has(&self, unit: &str) -> bool {
        self.0.contains_key(unit)
    }

    /// Says whether none is.
    pub fn are_none(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the units, sockets first: a service that is started on demand finds its socket.
    pub fn units(&self) -> Vec<&str> {
        let (sockets, others): (Vec<_>, Vec<_>) =
            (self.0.keys().map(String::as_str)).partition(|unit| unit.ends_with(".socket"));
        [sockets, others].concat()
    }

    /// Says what is started, and why.
    pub fn described(&self) -> String {
        let units = self.units().into_iter();
        let described = units.map(|unit| format!("{unit} ({})", self.0[unit]));
        described.collect::<Vec<_>>().join(", ")
    }

    /// Returns the text of the drop-in.
    pub fn drop_in(&self) -> String {
        let units = self.units().into_iter();
        let lines: Vec<_> = units.map(|unit| format!("Upholds={unit}\n")).collect();
        format!("[Unit]\n{}", lines.concat())
    }
}

/// Returns where the drop-in of an extension is.
pub fn drop_in_path(name: &str) -> String {
    format!("{}/multi-user.target.d/10-{name}.conf", UNITS[0])
}

/// Says whether an image or a base has a unit, a template in its stead, or a link to one.
pub fn has_unit(tree: &Tree, files: Option<&BaseFiles<'_>>, unit: &str) -> bool {
    let template = unit.split_once('@').and_then(|(before, rest)| {
        let (_, suffix) = rest.rsplit_once('.')?;
        Some(format!("{before}@.{suffix}"))
    });
    [Some(unit.to_owned()), template]
        .into_iter()
        .flatten()
        .any(|name| {
            let of_image = UNITS.map(|directory| format!("{directory}/{name}"));
            let is_there = |path: &String| {
                tree.get(path).is_some()
                    || files.is_some_and(|files| files.entry(path) != BaseEntry::Missing)
            };
            let of_host = format!("{OF_HOST}/{name}");
            of_image.iter().any(is_there)
                || files.is_some_and(|files| files.entry(&of_host) != BaseEntry::Missing)
        })
}

/// Says where a unit is a link to /dev/null, so that nothing can start it, if it is.
pub fn mask(tree: &Tree, files: Option<&BaseFiles<'_>>, unit: &str) -> Option<&'static str> {
    let of_base = |path: &str| files.map_or(BaseEntry::Missing, |files| files.entry(path));
    // The host's own directory counts before those of packages, where the image is above the base.
    for directory in [OF_HOST, UNITS[1], UNITS[0]] {
        let path = format!("{directory}/{unit}");
        let (target, place) = match (tree.get(&path), of_base(&path)) {
            (Some(Visit::Leaf(_, leaf)), _) => match &leaf.content {
                Content::Symlink(target) => (target.clone(), "in the image"),
                _ => return None,
            },
            (_, BaseEntry::Missing) => continue,
            (_, BaseEntry::Link(target)) => (target, "on the base"),
            _ => return None,
        };
        return (target == "/dev/null").then_some(place);
    }
    None
}

/// Names the units of an image that are links to /dev/null.
pub fn masks(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for directory in UNITS {
        let Some(Visit::Directory(found)) = tree.get(directory) else {
            continue;
        };
        for (name, _) in found.entries() {
            let unit = files::shown(name);
            if check_name(&unit).is_ok() && mask(tree, None, &unit).is_some() {
                let text = format!(
                    "/{directory}/{unit} is a link to /dev/null: nothing starts {unit} as long as the \
                     image is merged"
                );
                findings.push(Finding::new(&kinds::UNIT_MASKED, text));
            }
        }
    }
    findings
}

/// Says what is wrong with the name of a unit. The error completes the sentence "NAME ...".
pub fn check_name(unit: &str) -> std::result::Result<(), String> {
    let is_one = |one: char| one.is_ascii_alphanumeric() || ":-_.\\@".contains(one);
    if unit.len() > MAX_NAME || !unit.chars().all(is_one) {
        return Err("is not the name of a unit".to_owned());
    }
    match unit.rsplit_once('.') {
        Some((before, suffix)) if is_suffix(suffix) && !before.is_empty() => {
            match before.ends_with('@') {
                true => Err("is a template; name an instance of it".to_owned()),
                false => Ok(()),
            }
        }
        _ => Err(
            "has no suffix that units have, such as .service or .socket; systemd would \
                  ignore it"
                .to_owned(),
        ),
    }
}

/// Checks units that are to be started: their names, and that they are there.
pub fn check(asked: &[String], tree: &Tree, files: Option<&BaseFiles<'_>>) -> Result<()> {
    for unit in asked {
        let failed = |problem: &str| Failure::usage(format!("--start {unit}: {problem}"));
        if let Err(problem) = check_name(unit) {
            let service = format!("{unit}.service");
            let failure = failed(&format!("the name {problem}"));
            let has_suffix = unit.rsplit_once('.').is_some_and(|(_, end)| is_suffix(end));
            let is_there = check_name(&service).is_ok() && has_unit(tree, files, &service);
            return Err(match is_there && !has_suffix {
                true => failure.hint(format!("did you mean {service}?")),
                false => failure,
            });
        }
        if let Some(place) = mask(tree, files, unit) {
            return Err(Failure::refused(anyhow!(
                "--start {unit}: {place} it is a link to /dev/null, so that nothing can start it"
            )));
        }
        if !has_unit(tree, files, unit) {
            return Err(Failure::refused(anyhow!(
                "--start {unit}: neither the image nor the base has this unit"
            ))
            .hint(
                "units in /etc are not in an image; the base's are known with --base DIRECTORY",
            ));
        }
    }
    Ok(())
}

/// The rules of a base about which units are enabled.
pub struct Presets {
    /// Whether a unit that fits is enabled, in their order.
    rules: Vec<(bool, String)>,
}

impl Presets {
    /// Reads the presets of a base; none where its files are not at hand.
    pub fn of(files: Option<&BaseFiles<'_>>) -> Result<Option<Self>> {
        let Some(files) = files.filter(|files| files.has_root()) else {
            return Ok(None);
        };
        let mut texts: BTreeMap<String, String> = BTreeMap::new();
        for directory in PRESETS {
            for name in files.names_in(directory) {
                let path = format!("{directory}/{name}");
                if name.ends_with(".preset") && !texts.contains_key(&name) {
                    let text = files.text(&path, MAX_PRESET)?.unwrap_or_default();
                    texts.insert(name, text);
                }
            }
        }
        let rules = texts.values().flat_map(|text| text.lines());
        let rules = rules.filter_map(|line| {
            let mut words = line.split_whitespace();
            let is_enabled = match words.next()? {
                "enable" => true,
                "disable" => false,
                _ => return None,
            };
            Some((is_enabled, words.next()?.to_owned()))
        });
        Ok(Some(Self {
            rules: rules.collect(),
        }))
    }

    /// Says whether a unit is enabled: the first rule that fits counts, and without one it is.
    pub fn enable(&self, unit: &str) -> bool {
        self.rule(unit).is_none_or(|(is_enabled, _)| *is_enabled)
    }

    /// Says whether a rule enables a unit that is there to enable units of its name. That all units
    /// are enabled, systemd takes for those alone that say where they are to be started.
    pub fn ask_for(&self, unit: &str) -> bool {
        (self.rule(unit)).is_some_and(|(is_enabled, pattern)| *is_enabled && !is_for_all(pattern))
    }

    fn rule(&self, unit: &str) -> Option<&(bool, String)> {
        let mut rules = self.rules.iter();
        rules.find(|(_, pattern)| pattern == unit || resolve::matches(pattern, unit))
    }
}

/// Says whether a pattern of presets is for all units, or for all of a kind.
fn is_for_all(pattern: &str) -> bool {
    let name = pattern.rsplit_once('.').map_or(pattern, |(name, _)| name);
    name.chars().all(|one| one == '*')
}

/// Returns the units of an image that the base's presets ask for.
pub fn preset(tree: &Tree, files: Option<&BaseFiles<'_>>) -> Result<Vec<String>> {
    let Some(presets) = Presets::of(files)? else {
        return Err(
            Failure::usage("--preset: the presets of the base are not known")
                .hint("name its root directory: --base ROOT"),
        );
    };
    let mut units = Vec::new();
    for directory in UNITS {
        let Some(Visit::Directory(found)) = tree.get(directory) else {
            continue;
        };
        let names = found
            .entries()
            .filter_map(|(name, _)| str::from_utf8(name).ok());
        let asked = names.filter(|name| check_name(name).is_ok() && presets.ask_for(name));
        units.extend(asked.map(str::to_owned));
    }
    Ok(units)
}

/// Names presets that an image brings itself: they are in payloads, which are read only when all is
/// decided.
pub fn unread_presets(tree: &Tree) -> Vec<Finding> {
    let Some(Visit::Directory(found)) = tree.get(PRESETS[3]) else {
        return Vec::new();
    };
    let names = found
        .entries()
        .map(|(name, _)| String::from_utf8_lossy(name));
    let presets = names.filter(|name| name.ends_with(".preset"));
    let said = presets.map(|name| {
        let text = format!(
            "--preset reads the presets of the base, and not /{}/{name} of the image: what that enables \
             is not started by it",
            PRESETS[3]
        );
        Finding::new(&kinds::NOT_STARTED, text)
    });
    said.collect()
}

/// Says that a unit is not started, since it can't be.
pub fn masked(unit: &str, who: &str, place: &str) -> Finding {
    let text =
        format!("{unit} is not started: {who} starts it, and {place} it is a link to /dev/null");
    Finding::new(&kinds::NOT_STARTED, text)
}

/// Says that a unit is not started.
pub fn not_started(unit: &str, why: &str) -> Finding {
    let text = format!("{unit} is not started: {why}; to start it: start = [{unit:?}]");
    Finding::new(&kinds::NOT_STARTED, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Base;
    use crate::words::scratch::Scratch;

    #[test]
    fn sockets_come_first() {
        let mut started = Started::default();
        assert!(started.are_none());
        for unit in ["a.service", "b.socket", "a.service", "c.timer"] {
            started.add(unit, &format!("why {unit}"));
        }
        started.add("a.service", "another");
        assert_eq!(started.units(), ["b.socket", "a.service", "c.timer"]);
        assert_eq!(
            started.drop_in(),
            "[Unit]\nUpholds=b.socket\nUpholds=a.service\nUpholds=c.timer\n"
        );
        assert!(started.described().starts_with("b.socket (why b.socket), "));
    }

    #[test]
    fn names_of_units() {
        for (name, is_good) in [
            ("a.service", true),
            ("a@b.service", true),
            ("a@.service", false),
            ("littlesnitch", false),
            ("a.conf", false),
            (".service", false),
            ("a b.service", false),
            ("a/b.service", false),
            ("a.socket", true),
        ] {
            assert_eq!(check_name(name).is_ok(), is_good, "{name}");
        }
        assert!(check_name(&format!("{}.service", "a".repeat(255))).is_err());
    }

    #[test]
    fn what_is_masked_is_not_started() {
        let scratch = Scratch::new();
        scratch.write("usr/bin/sh", b"");
        scratch.write("usr/lib/systemd/system/b.service", b"");
        scratch.write("etc/systemd/system/d.service", b"");
        for unit in [
            "usr/lib/systemd/system/d.service",
            "etc/systemd/system/b.service",
        ] {
            std::os::unix::fs::symlink("/dev/null", scratch.path().join(unit)).unwrap();
        }
        let base = Base {
            root: Some(scratch.path().to_owned()),
            ..Base::default()
        };
        let files = BaseFiles::of(&base);
        let mut tree = Tree::default();
        let stat = image::Stat::implicit_directory(0);
        for (unit, target) in [("a", "/dev/null"), ("c", "b.service"), ("b", "c.service")] {
            let leaf = image::Leaf {
                stat: stat.clone(),
                content: Content::Symlink(target.into()),
            };
            let path = format!("{}/{unit}.service", UNITS[0]);
            tree.insert_leaf(&path, leaf, &stat).unwrap();
        }
        for (unit, expected) in [
            ("a", Some("in the image")),
            ("b", Some("on the base")),
            ("c", None),
            // The host's own comes before the one that is masked.
            ("d", None),
        ] {
            let unit = format!("{unit}.service");
            assert_eq!(mask(&tree, files.as_ref(), &unit), expected, "{unit}");
            let failure = check(&[unit], &tree, files.as_ref()).err();
            let said = failure.map(|failure| failure.source.to_string());
            assert_eq!(
                said.is_some_and(|said| said.contains("/dev/null")),
                expected.is_some()
            );
        }
        let found: Vec<_> = masks(&tree).into_iter().map(|one| one.text).collect();
        let expected = "/usr/lib/systemd/system/a.service is a link to /dev/null: nothing starts a.service \
                        as long as the image is merged";
        assert_eq!(found, [expected]);
    }

    #[test]
    fn what_is_said_of_a_name_that_is_none() {
        let tree = crate::words::scratch::tree([
            "usr/lib/systemd/system/a@.service",
            "usr/lib/systemd/system/b.service",
        ]);
        for (unit, expected) in [
            ("b", Some("did you mean b.service?")),
            ("a@.service", None),
            ("c", None),
        ] {
            let failure = check(&[unit.to_owned()], &tree, None).unwrap_err();
            let hints: Vec<_> = failure.hints.iter().map(String::as_str).collect();
            assert_eq!(hints, Vec::from_iter(expected), "{unit}");
        }
    }

    #[test]
    fn the_first_preset_that_fits_counts() {
        let rule = |(is_enabled, pattern): &(bool, &str)| (*is_enabled, (*pattern).to_owned());
        for (rules, expected) in [
            (&[][..], true),
            (&[(false, "*")], false),
            (&[(true, "a.*"), (false, "*")], true),
            (&[(false, "a.service"), (true, "*")], false),
            (&[(true, "b.service")], true),
        ] {
            let presets = Presets {
                rules: rules.iter().map(rule).collect(),
            };
            assert_eq!(presets.enable("a.service"), expected, "{rules:?}");
        }
        for (rules, expected) in [
            (&[][..], false),
            (&[(true, "a.service")][..], true),
            (&[(true, "a*")], true),
            (&[(true, "*")], false),
            (&[(true, "*.service")], false),
            (&[(false, "a*"), (true, "a.service")], false),
        ] {
            let presets = Presets {
                rules: rules.iter().map(rule).collect(),
            };
            assert_eq!(presets.ask_for("a.service"), expected, "{rules:?}");
        }
    }
}
