//! What has to become of packages that bring more than files below `/usr`: facts in, data or a finding
//! out. Each of the tests is a kind of package for which people who make images write something by hand.

mod dead;
mod files;
mod services;

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;

use image::{Content, Visit};
use linkage::Linkage;
use rpm_input::{File, FileKind, Package, Scriptlet};

use crate::base::files::BaseFiles;
use crate::base::{Base, Owners};
use crate::check;
use crate::findings::Waivers;
use crate::plan::compose::tests::package;
use crate::plan::tests::plain;
use crate::plan::{Planned, Settings, plan};
use crate::words::scratch::Scratch;

/// Where units are.
const UNITS: &str = "/usr/lib/systemd/system";

/// Packages and a base, and what has to come of them.
#[derive(Clone, Copy, Default)]
struct Case {
    /// Files of the base: `PATH`, `PATH -> TARGET` or `PATH: TEXT`, where a bar ends a line.
    base: &'static [&'static str],
    /// The files of the package, as [`package`] reads them.
    files: &'static [&'static str],
    /// Its scriptlets, each with its kind.
    scripts: &'static [(&'static str, &'static str)],
    /// What is in its units and the like: the path below that of units, or from the root, and the text,
    /// where a bar ends a line. Those that are not among the files are added to them.
    texts: &'static [(&'static str, &'static str)],
    /// Units that the user starts.
    start: &'static [&'static str],
    /// Lines that the outcome has.
    has: &'static [&'static str],
    /// Parts of lines that it does not have.
    lacks: &'static [&'static str],
}

impl Case {
    /// Plans and judges, and compares.
    #[track_caller]
    fn check(self) {
        let outcome = self.outcome();
        let all = outcome.join("\n");
        for line in self.has {
            assert!(
                outcome.iter().any(|one| one == line),
                "no {line:?} in\n{all}"
            );
        }
        for part in self.lacks {
            assert!(!all.contains(part), "{part:?} in\n{all}");
        }
    }

    fn outcome(self) -> Vec<String> {
        let scratch = Scratch::new();
        let base = self.base(&scratch);
        let files = BaseFiles::of(&base);
        let mut one = package("one", self.files);
        let texts = self.texts.iter().map(|(path, text)| {
            let path = match path.starts_with('/') {
                true => (*path).to_owned(),
                false => format!("{UNITS}/{path}"),
            };
            (path, format!("{}\n", text.replace('|', "\n")))
        });
        let texts: BTreeMap<_, _> = texts.collect();
        let known = |path: &&String| !one.files.iter().any(|file| file.path.to_string() == **path);
        let missing: Vec<_> = texts.keys().filter(known).cloned().collect();
        let added = missing.into_iter().map(|path| File {
            mode: 0o644,
            owner: "root".into(),
            group: "root".into(),
            size: 1,
            ..File::new(path, FileKind::Regular)
        });
        one.files = one
            .files
            .iter()
            .collect::<Vec<_>>()
            .into_iter()
            .chain(added)
            .collect();
        let scripts = self.scripts.iter().map(|(kind, script)| Scriptlet {
            kind,
            program: vec!["/bin/sh".to_owned()],
            script: (*script).to_owned(),
            waits_for: Vec::new(),
        });
        one.scriptlets = scripts.collect();
        let settings = Settings {
            start: self.start.iter().map(|unit| (*unit).to_owned()).collect(),
            ..plain()
        };
        let packages = [&one];
        let mut planned = match plan(&settings, &packages, &base, files.as_ref()) {
            Ok(planned) => planned,
            Err(failure) => return vec![format!("refused: {:#}", failure.source)],
        };
        let found = check::plan(&planned, &packages, &base, files.as_ref()).unwrap();
        planned.note(found);
        let made = inline(&planned);
        let packed = texts
            .into_iter()
            .map(|(path, text)| (moved(&planned, &path), text));
        let texts: BTreeMap<_, _> = packed.chain(made).collect();
        let found = judge(&planned, &texts, (&base, files.as_ref()), &packages);
        planned.note(found);
        planned.describe(&settings).unwrap();
        told(&mut planned)
    }

    fn base(self, scratch: &Scratch) -> Base {
        scratch.write("usr/bin/sh", b"");
        for line in self.base {
            if let Some((path, target)) = line.split_once(" -> ") {
                let path = scratch.path().join(path);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                symlink(target, path).unwrap();
            } else {
                let (path, text) = line.split_once(": ").unwrap_or((line, ""));
                scratch.write(path, text.replace('|', "\n").as_bytes());
            }
        }
        let merged_sbin = self.base.contains(&"usr/sbin -> bin");
        Base {
            root: Some(scratch.path().to_owned()),
            owners: Owners::of_root(scratch.path()).unwrap(),
            merged_sbin,
            ..Base::default()
        }
    }
}

fn judge(
    planned: &Planned,
    texts: &BTreeMap<String, String>,
    base: (&Base, Option<&BaseFiles<'_>>),
    packages: &[&Package],
) -> Vec<crate::findings::Finding> {
    check::texts(&planned.plan, texts, &Linkage::default(), base, packages)
}

/// Returns the path in the image of a file of the package.
fn moved(planned: &Planned, path: &str) -> String {
    let changed = planned.plan.changed.iter().find(|one| one.path == path);
    let became = changed
        .map(|one| one.became.as_str())
        .filter(|it| it.starts_with('/'));
    became.unwrap_or(path).trim_start_matches('/').to_owned()
}

/// Returns the texts that were made for the image, by their paths.
fn inline(planned: &Planned) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    planned.plan.tree.walk(&mut |path, visit| {
        let Visit::Leaf(_, leaf) = visit else { return };
        let Content::File { id, .. } = &leaf.content else {
            return;
        };
        if let Some((_, text)) = planned.plan.inline.iter().find(|(known, _)| known == id) {
            texts.insert(
                path.text().into_owned(),
                String::from_utf8_lossy(text).into_owned(),
            );
        }
    });
    texts
}

/// Returns the outcome line by line: files with mode and owner, links, `+ PATH: LINE` of what was made,
/// `start: UNIT`, `host: COMMAND`, and findings, those that stop a build with `!`.
fn told(planned: &mut Planned) -> Vec<String> {
    let mut lines = Vec::new();
    planned.plan.tree.walk(&mut |path, visit| {
        let Visit::Leaf(_, leaf) = visit else { return };
        lines.push(match &leaf.content {
            Content::Symlink(target) => format!("/{path} -> {target}"),
            _ => {
                let stat = &leaf.stat;
                let is_privileged = stat
                    .xattrs
                    .iter()
                    .any(|(name, _)| name == "security.capability");
                let capabilities = if is_privileged { " caps" } else { "" };
                format!(
                    "/{path} {:04o} {}:{}{capabilities}",
                    stat.mode, stat.uid, stat.gid
                )
            }
        });
    });
    for (path, text) in inline(planned) {
        lines.extend(text.lines().map(|line| format!("+ /{path}: {line}")));
    }
    lines.extend(
        planned
            .started
            .units()
            .iter()
            .map(|unit| format!("start: {unit}")),
    );
    let commands = planned.merge_unit.iter().flat_map(|unit| unit.commands());
    lines.extend(commands.map(|command| format!("host: {command}")));
    let waivers = Waivers::default();
    lines.extend(planned.findings().iter().map(|one| {
        let mark = if waivers.stops(one) { "!" } else { "" };
        format!("{mark}{}: {}", one.kind.id, one.text)
    }));
    lines
}
