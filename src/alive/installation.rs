//! What an installation of an image's packages would do besides unpacking them, as far as their
//! scriptlets and triggers say.

use std::collections::{BTreeMap, BTreeSet};

use image::{Tree, Visit};
use linkage::PROGRAM_DIRECTORIES;
use rpm_input::Package;

use super::caches::Caches;
use super::effects::{Doer, Ground};
use super::scriptlets::{self, Effect, Line, Reading, Step};
use super::services::{self, Presets, Started};
use crate::base::files::BaseFiles;
use crate::findings::{Finding, kinds};
use crate::plan::compose::Plan;
use crate::words::failure::Result;
use crate::words::quantity::counted;

/// So much of a command a finding quotes, in characters.
const QUOTED: usize = 200;
/// Directories of the loader's own settings, which only its cache makes effective.
const LOADER_SETTINGS: &str = "/etc/ld.so.conf.d/";

/// Triggers that fire once files are there.
const FILE_TRIGGERS: [&str; 2] = ["filetriggerin", "transfiletriggerin"];

/// The scriptlets of an image's packages, command by command.
#[derive(Clone, Debug, Default)]
pub struct Installation {
    scripts: Vec<Script>,
}

/// A scriptlet.
#[derive(Clone, Debug)]
struct Script {
    /// Its package.
    owner: String,
    /// Whether that has settings of the loader.
    has_loader_settings: bool,
    kind: &'static str,
    lines: Vec<Line>,
}

/// What was done as data, and what is left to do.
#[derive(Clone, Debug, Default)]
pub struct Done {
    /// Units to start, each with why.
    start: Vec<(String, String)>,
    /// Units of which presets decide whether they are started, each with who asks.
    preset: Vec<(String, String)>,
    /// A snippet of tmpfiles.d(5).
    pub snippet: Option<String>,
    /// What scriptlets want to be done on the host.
    pub steps: BTreeSet<Step>,
    /// Links of alternatives that are not made, each with why.
    kept: Vec<String>,
    /// Programs that make an index below `/usr`, each with who asks.
    indexes: BTreeMap<&'static str, String>,
}

impl Installation {
    /// Reads the scriptlets of packages.
    pub fn of(packages: &[&Package]) -> Self {
        let scripts = packages.iter().flat_map(|package| {
            let has_loader_settings = package.scriptlets.iter().any(|_| {
                let mut files = package.files.iter();
                files.any(|file| file.path.to_string().starts_with(LOADER_SETTINGS))
            });
            package.scriptlets.iter().map(move |scriptlet| Script {
                owner: package.nevra.to_string(),
                has_loader_settings,
                kind: scriptlet.kind,
                lines: scriptlets::read(scriptlet.kind, &scriptlet.program, &scriptlet.script),
            })
        });
        Self {
            scripts: scripts.filter(|script| !script.lines.is_empty()).collect(),
        }
    }

    /// Adds the triggers of a base's packages that would fire for the files of an image.
    pub fn add_triggers(&mut self, base: &[Package], tree: &Tree) {
        for package in base {
            for scriptlet in &package.scriptlets {
                let fires = FILE_TRIGGERS.contains(&scriptlet.kind)
                    && (scriptlet.waits_for.iter()).any(|begin| has_path(tree, begin));
                if fires {
                    self.scripts.push(Script {
                        owner: format!("{} of the base", package.nevra),
                        has_loader_settings: false,
                        kind: scriptlet.kind,
                        lines: scriptlets::read(
                            scriptlet.kind,
                            &scriptlet.program,
                            &scriptlet.script,
                        ),
                    });
                }
            }
        }
    }

    /// Does as data what can be. What can't be is unhandled from then on.
    pub fn perform(&mut self, plan: &mut Plan, ground: Ground<'_>) -> Done {
        let mut done = Done::default();
        let mut doer = Doer::new(plan, ground);
        for script in &mut self.scripts {
            let who = format!("%{} of {}", script.kind, script.owner);
            for line in &mut script.lines {
                let is_done = match &line.reading {
                    Reading::Effects(effects) => effects.iter().all(|effect| {
                        let units = done.units(effect, &who, doer.tree(), ground.files);
                        units.or_else(|| doer.perform(effect)).is_some()
                    }),
                    Reading::Host(step) => {
                        done.step(step, script.has_loader_settings, &who);
                        true
                    }
                    Reading::Harmless(_) | Reading::Unhandled => true,
                };
                if !is_done {
                    line.reading = Reading::Unhandled;
                }
            }
        }
        done.kept = doer.choose();
        done.snippet = doer.snippet();
        if doer.has_changed() {
            plan.note_privileges();
        }
        done
    }

    /// Names each command that changes something, or may, and is not done here.
    pub fn findings(&self, tree: &Tree) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        for script in &self.scripts {
            let is_unhandled = |line: &&Line| line.reading == Reading::Unhandled;
            for line in script.lines.iter().filter(is_unhandled) {
                let Script { owner, kind, .. } = script;
                let text = format!(
                    "{owner}: %{kind} line {}: {}",
                    line.line,
                    quoted(&line.text)
                );
                let finding = match installs_service(&line.text, tree) {
                    true => {
                        let text = format!(
                            "{text}: a program of the package makes its service there, and no \
                             program is run, so nothing starts it"
                        );
                        Finding::new(&kinds::NOT_STARTED, text).made_fatal()
                    }
                    false => Finding::new(&kinds::SCRIPTLET, text),
                };
                // A loop comes to a command several times.
                if findings.last() != Some(&finding) {
                    findings.push(finding);
                }
            }
        }
        findings
    }

    /// Counts the lines of all commands by what they come to, in one line; none if there are none.
    pub fn summary(&self) -> Option<String> {
        let (mut all, mut harmless, mut unhandled) = (0, 0, 0);
        for script in &self.scripts {
            // Of commands in one line, the worst counts.
            let mut lines: BTreeMap<usize, u8> = BTreeMap::new();
            for line in &script.lines {
                let worth = match &line.reading {
                    Reading::Harmless(_) => 0,
                    Reading::Effects(_) | Reading::Host(_) => 1,
                    Reading::Unhandled => 2,
                };
                for number in line.line..line.line + line.lines {
                    let known = lines.entry(number).or_default();
                    *known = worth.max(*known);
                }
            }
            all += lines.len();
            harmless += lines.values().filter(|worth| **worth == 0).count();
            unhandled += lines.values().filter(|worth| **worth == 2).count();
        }
        (all > 0).then(|| {
            let done = all - harmless - unhandled;
            format!(
                "{}: {done} as data or on the host, {harmless} harmless, {unhandled} unhandled",
                counted(all, "line")
            )
        })
    }
}

impl Done {
    /// Notes what is to become of units; none if the effect is about none, or nobody has them.
    fn units(
        &mut self,
        effect: &Effect,
        who: &str,
        tree: &Tree,
        files: Option<&BaseFiles<'_>>,
    ) -> Option<()> {
        let is_own = |unit: &String| services::has_unit(tree, None, unit);
        // Where the base's files are not known, it may have any.
        let is_bases = |unit: &String| !is_own(unit) && services::has_unit(tree, files, unit);
        let noted = |units: &[String]| -> Vec<(String, String)> {
            units
                .iter()
                .map(|unit| (unit.clone(), who.to_owned()))
                .collect()
        };
        match effect {
            Effect::Start(units) if !units.iter().any(is_bases) => self.start.extend(noted(units)),
            Effect::Preset(units) => self.preset.extend(noted(units)),
            // Of its own units none runs yet.
            Effect::Touch(units) => {
                let is_rooted = files.is_some_and(BaseFiles::has_root);
                let is_still = |unit: &String| is_own(unit) || (is_rooted && !is_bases(unit));
                units.iter().all(is_still).then_some(())?;
            }
            _ => return None,
        }
        Some(())
    }

    /// Notes that the loader's cache has to be made.
    pub fn need_ldconfig(&mut self) {
        self.steps.insert(Step::Ldconfig);
    }

    fn step(&mut self, step: &Step, has_loader_settings: bool, who: &str) {
        match step {
            // In the directories that the loader searches by itself it needs no cache.
            Step::Ldconfig if !has_loader_settings => {}
            Step::Ldconfig | Step::Run(_) => drop(self.steps.insert(step.clone())),
            Step::Index(program) => {
                self.indexes
                    .entry(program)
                    .or_insert_with(|| who.to_owned());
            }
            // What the image's files need is done for them.
            Step::Sysusers | Step::Tmpfiles | Step::Hwdb | Step::Udev | Step::Bus => {}
        }
    }

    /// Decides which units are started, and says which are not.
    pub fn started(
        &self,
        (asked, preset): (&[String], bool),
        tree: &Tree,
        files: Option<&BaseFiles<'_>>,
    ) -> Result<(Started, Vec<Finding>)> {
        services::check(asked, tree, files)?;
        let mut started = Started::default();
        for unit in asked {
            started.add(unit, "--start");
        }
        let mut findings = Vec::new();
        if preset {
            for unit in services::preset(tree, files)? {
                started.add(&unit, "--preset");
            }
            findings.extend(services::unread_presets(tree));
        }
        for (unit, who) in &self.start {
            let mask = services::mask(tree, files, unit);
            match services::has_unit(tree, None, unit) {
                _ if let Some(place) = mask => findings.push(services::masked(unit, who, place)),
                true => started.add(unit, who),
                false => {
                    let why = format!("{who} starts it, and it is not in the image");
                    findings.push(services::not_started(unit, &why));
                }
            }
        }
        findings.dedup();
        let presets = match self.preset.is_empty() {
            true => None,
            false => Presets::of(files)?,
        };
        for (unit, who) in &self.preset {
            // What the base has, it has decided about.
            let is_own = services::has_unit(tree, None, unit);
            if started.has(unit) || (!is_own && services::has_unit(tree, files, unit)) {
                continue;
            }
            if let Some(place) = services::mask(tree, files, unit) {
                findings.push(services::masked(unit, who, place));
                continue;
            }
            let why = match &presets {
                _ if !is_own => format!("{who} leaves it to presets, and it is not in the image"),
                Some(presets) if presets.enable(unit) => {
                    started.add(unit, &format!("{who}, by the base's presets"));
                    continue;
                }
                Some(_) => format!("{who} leaves it to presets, and the base's do not enable it"),
                None => format!("{who} leaves it to presets, and the base's are not known"),
            };
            let finding = services::not_started(unit, &why);
            if !findings.contains(&finding) {
                findings.push(finding);
            }
        }
        Ok((started, findings))
    }

    /// Names the programs whose index is not made; those of `caches` are, or it is said why not.
    pub fn not_made(&self, caches: &Caches) -> Vec<Finding> {
        let indexes = self.indexes.iter();
        let indexes = indexes.filter(|(program, _)| !is_needless(program) && !caches.know(program));
        let findings = indexes.map(|(program, who)| {
            let text = format!(
                "{program}, which {who} runs, makes an index below /usr, and a merged /usr is read-only"
            );
            Finding::new(&kinds::INDEX_NOT_MADE, text)
        });
        findings.collect()
    }
}

/// Says whether a tree has a path that begins so.
fn has_path(tree: &Tree, begin: &str) -> bool {
    let begin = begin.trim_start_matches('/');
    let (directory, name) = begin.rsplit_once('/').unwrap_or(("", begin));
    match tree.get(directory) {
        Some(Visit::Directory(found)) => {
            let mut names = found.entries();
            names.any(|(one, _)| one.starts_with(name.as_bytes()))
        }
        _ => false,
    }
}

/// Says whether an index is not missed, or said to be by another finding. GTK reads the directories
/// of icons where no index is newer than they are, and modules have a finding of their own.
fn is_needless(program: &str) -> bool {
    ["gtk-update-icon-cache", "depmod"].contains(&program)
}

/// Says whether a command lets a program of the image install its service: `netbird service install`.
fn installs_service(text: &str, tree: &Tree) -> bool {
    let mut words = text.split_whitespace();
    let program = words.next().unwrap_or_default();
    let words: Vec<_> = words.collect();
    let is_own = || match program.strip_prefix('/') {
        Some(path) => tree.resolve(path).is_some(),
        None => {
            let mut directories = PROGRAM_DIRECTORIES.iter();
            directories.any(|directory| {
                tree.resolve(format!("{}/{program}", &directory[1..]))
                    .is_some()
            })
        }
    };
    let is_asked = words.contains(&"install") && words.contains(&"service")
        || ["install-service", "service-install"]
            .iter()
            .any(|word| words.contains(word));
    is_asked && is_own()
}

/// Quotes a command, or the beginning of a long one.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rpm_input::{Nevra, Scriptlet};

    use super::*;

    fn package(scriptlets: &[(&'static str, &str)]) -> Package {
        let mut package = Package::named(Nevra {
            name: "d".to_owned(),
            epoch: None,
            version: "1".to_owned(),
            release: "1".to_owned(),
            arch: "noarch".to_owned(),
        });
        let scriptlets = scriptlets.iter().map(|(kind, script)| Scriptlet {
            kind,
            program: vec!["/bin/sh".to_owned()],
            script: (*script).to_owned(),
            waits_for: Vec::new(),
        });
        package.scriptlets = scriptlets.collect();
        package
    }

    #[test]
    fn what_is_not_done_is_named_with_its_place() {
        let long = format!("x {}", "y".repeat(300));
        for (scriptlets, expected, summary) in [
            (&[][..], &[][..], None),
            (
                &[
                    ("post", "echo x\n\n# y\n/sbin/ldconfig"),
                    ("preun", "rm /x"),
                ],
                &[],
                Some("3 lines: 1 as data or on the host, 2 harmless, 0 unhandled"),
            ),
            (
                &[(
                    "post",
                    "for i in a b; do\n  rm -f \\\n    /x\ndone; x\nuseradd y",
                )],
                &[
                    "d-1-1.noarch: %post line 2: rm -f /x",
                    "d-1-1.noarch: %post line 4: x",
                ],
                Some("4 lines: 1 as data or on the host, 0 harmless, 3 unhandled"),
            ),
            (
                &[("posttrans", &long)],
                &[&*format!(
                    "d-1-1.noarch: %posttrans line 1: {}...",
                    &long[..200]
                )],
                Some("1 line: 0 as data or on the host, 0 harmless, 1 unhandled"),
            ),
        ] {
            let installation = Installation::of(&[&package(scriptlets)]);
            let found: Vec<_> = (installation.findings(&Tree::default()).into_iter())
                .map(|finding| finding.text)
                .collect();
            assert_eq!(found, expected);
            assert_eq!(installation.summary().as_deref(), summary);
        }
    }

    #[test]
    fn triggers_of_the_base_fire_for_files_of_the_image() {
        let trigger = |kind, paths: &[&str], script: &str| Scriptlet {
            kind,
            program: vec!["/bin/sh".to_owned()],
            script: script.to_owned(),
            waits_for: paths.iter().map(|path| (*path).to_owned()).collect(),
        };
        let mut base = package(&[]);
        base.scriptlets = vec![
            trigger("transfiletriggerin", &["/usr/share/fonts"], "fc-cache -s"),
            trigger(
                "filetriggerin",
                &["/etc/x", "/usr/share/glib-2.0/schemas/"],
                "glib-compile-schemas /x",
            ),
            trigger("transfiletriggerin", &["/usr/lib/tex"], "mktexlsr"),
            trigger("transfiletriggerpostun", &["/usr/share"], "rm -rf /x"),
            trigger("triggerin", &["/usr/share"], "rm -rf /x"),
        ];
        let files = |paths: &[&str]| {
            let mut tree = Tree::default();
            let stat = image::Stat::implicit_directory(0);
            for path in paths {
                tree.insert_directory(path, stat.clone(), &stat).unwrap();
            }
            tree
        };
        for (paths, expected) in [
            (&["usr/bin/x"][..], &[][..]),
            (&["usr/share/fonts-x"], &["Host(Run([\"fc-cache\"]))"]),
            (
                &["usr/share/glib-2.0/schemas/a", "usr/lib/tex/b"],
                &["Host(Index(\"glib-compile-schemas\"))", "Unhandled"],
            ),
        ] {
            let mut installation = Installation::default();
            installation.add_triggers(std::slice::from_ref(&base), &files(paths));
            let lines = installation.scripts.iter().flat_map(|script| &script.lines);
            let found: Vec<_> = lines.map(|line| format!("{:?}", line.reading)).collect();
            assert_eq!(found, expected, "{paths:?}");
        }
    }
}
