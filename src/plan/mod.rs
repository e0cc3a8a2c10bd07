//! The plan of an image: one tree, decided from the packages' headers before a payload is read.
//!
//! ```text
//! packages, overlay ─▶ compose ─▶ Plan ─▶ identity ─▶ accounts ─▶ Planned
//!                      filter             name, version, extension-release
//! ```

pub mod build_number;
pub mod companion;
pub mod compose;
pub mod filter;
pub mod identity;
pub mod labels;
pub mod matching;
pub mod overlay;

use std::collections::BTreeMap;
use std::path::PathBuf;

use manifest::BuiltFrom;
use rpm_input::Package;
use store::Delivery;

use crate::alive::accounts::Accounts;
use crate::alive::aliases::Aliases;
use crate::alive::caches::Caches;
use crate::alive::effects::Ground;
use crate::alive::installation::Installation;
use crate::alive::merge_unit::{self, MergeUnit};
use crate::alive::places::{Etc, Places};
use crate::alive::restarts::Restarts;
use crate::alive::services::{self, Started};
use crate::base::Base;
use crate::base::Evidence;
use crate::base::files::{BaseEntry, BaseFiles};
use crate::findings::{Finding, kinds};
use crate::packages::choose;
use crate::plan::build_number::BuildNumber;
use crate::plan::companion::Companion;
use crate::plan::compose::{Part, Plan, Times};
use crate::plan::filter::RuleSet;
use crate::plan::identity::{Identity, Naming, Reloading};
use crate::plan::labels::{Labelling, Labels};
use crate::plan::matching::Matching;
use crate::words::failure::Result;

/// What decides a plan beside the packages and the base.
#[derive(Clone, Debug)]
pub struct Settings {
    /// A prepared tree to add.
    pub overlay: Option<PathBuf>,
    /// The rules that decide what enters the image.
    pub rules: RuleSet,
    /// `SOURCE_DATE_EPOCH`, in seconds since 1970: no time in the image is later.
    pub epoch: Option<u32>,
    /// How the image is to be called.
    pub naming: Naming,
    /// What of the base the client must equal.
    pub matching: Matching,
    /// How an installed image is updated, if it is to know it.
    pub updates: Option<Delivery>,
    /// Where SELinux's labels come from.
    pub labelling: Labelling,
    /// Units to start with the system.
    pub start: Vec<String>,
    /// Whether units are started that the presets of the base enable.
    pub preset: bool,
    /// Whether a unit does on the host what has to be done after a merge.
    pub merge_unit: bool,
    /// What is done with files of `/etc`.
    pub etc: Vec<Etc>,
}

/// What an image holds, and what it is called.
pub struct Planned {
    /// Its tree.
    pub plan: Plan,
    /// Its name, and what it says of itself.
    pub identity: Identity,
    /// What its packages require of a base.
    pub requires: Vec<String>,
    /// What is known of the base that they were looked up in.
    pub evidence: Evidence,
    /// Why it states what it does of the systems that it fits, where that was chosen.
    pub matched: Option<String>,
    /// The units that are started with the system.
    pub started: Started,
    /// Other names that they may have.
    pub aliases: Aliases,
    /// What is done on the host after a merge.
    pub merge_unit: Option<MergeUnit>,
    /// What scriptlets come to, in one line.
    pub scriptlets: Option<String>,
    /// What it is built from, once that is known.
    pub built_from: Option<BuiltFrom>,
    /// The image of what is in `/etc`, if that is asked for.
    pub companion: Option<Box<Companion>>,
    /// What labels its files.
    labels: Labels,
}

/// Plans an image of packages, in the order of their precedence, for a base with these files.
pub fn plan(
    settings: &Settings,
    packages: &[&Package],
    base: &Base,
    files: Option<&BaseFiles<'_>>,
) -> Result<Planned> {
    let overlay = settings.overlay.as_deref().map(overlay::read).transpose()?;
    let overlay = overlay.unwrap_or_default();
    let rules = settings.rules.for_base(base.merged_sbin);
    let times = Times::new(settings.epoch, packages);
    let accounts = Accounts::of(packages, &base.owners);
    let owners = accounts.fix(&base.owners);
    let places = Places {
        etc: &settings.etc,
        base: files,
    };
    let compose = |packages: &[&Package], part| {
        compose::compose(packages, &overlay, &rules, (&owners, places, part), times)
    };
    let mut plan = compose(packages, Part::Main)?;
    make_homes(&accounts, files, &mut plan);
    let mut installation = Installation::of(packages);
    installation.add_triggers(base.packages.as_deref().unwrap_or_default(), &plan.tree);
    let ground = Ground {
        rules: &rules,
        files,
        owners: &owners,
    };
    let mut done = installation.perform(&mut plan, ground);
    if plan.tmpfiles.make_loader_settings() {
        done.need_ldconfig();
    }
    if let Some(files) = files {
        plan.adopt_access(&|path| files.directory_access(path))?;
    }
    let is_given = |path: &str| plan.is_of_overlay(path);
    let (caches, found) = Caches::of(&plan.tree, &is_given, files);
    plan.caches = caches;
    plan.findings.extend(found);
    plan.findings.extend(done.not_made(&plan.caches));
    plan.findings.extend(unknown_paths(settings, packages));
    let (mut labels, found) = Labels::of(&settings.labelling, files)?;
    labels.put_on(&mut plan.tree)?;
    plan.findings.extend(found);
    plan.findings.extend(installation.findings(&plan.tree));
    let requires = choose::requires(packages);
    let (matching, matched) = settings.matching.decided(&requires, &base.os_release);
    let (started, found) = done.started((&settings.start, settings.preset), &plan.tree, files)?;
    plan.findings.extend(found);
    let is_merged = settings.naming.is_for_systems();
    let restarts = Restarts::of(&started, &plan.tree, files)?;
    let has_snippets = !accounts.are_none() || !plan.tmpfiles.are_none() || done.snippet.is_some();
    let has_merge_unit = settings.merge_unit
        && is_merged
        && (has_snippets || !MergeUnit::of(&plan.tree, &done.steps, &restarts).is_needless());
    let reloading = Reloading {
        has_units: plan.has_units() || !started.are_none() || has_merge_unit,
        restarts: has_merge_unit && !restarts.are_none(),
    };
    let identity = Identity::new(&settings.naming, packages, base, matching, reloading)?;
    make(&accounts, &identity, has_merge_unit, &mut plan)?;
    let name = &identity.name;
    if let Some(snippet) = &done.snippet {
        let path = format!("usr/lib/tmpfiles.d/sysext-{name}-scriptlets.conf");
        identity::insert_text(&mut plan, &path, snippet.clone(), BTreeMap::new())?;
    }
    if !started.are_none() {
        let path = services::drop_in_path(name);
        identity::insert_text(&mut plan, &path, started.drop_in(), BTreeMap::new())?;
    }
    let merge_unit = has_merge_unit.then(|| MergeUnit::of(&plan.tree, &done.steps, &restarts));
    if let Some(unit) = &merge_unit {
        let (path, text) = (merge_unit::path(name), unit.text(name, &started.units()));
        identity::insert_text(&mut plan, &path, text, BTreeMap::new())?;
        if let Some(restarts) = unit.restarts() {
            let path = merge_unit::restart_path(name);
            identity::insert_text(&mut plan, &path, restarts.text(name), BTreeMap::new())?;
        }
    }
    let mut companion = None;
    if !plan.companion.paths.is_empty() {
        let of_main = (&settings.naming, base, matching);
        let call = |has_units| Identity::of_companion(&identity, of_main, has_units);
        let labelled = (&settings.labelling, files);
        let makes = made_in_etc(&accounts, &plan, done.snippet.as_deref());
        let (made, found) =
            Companion::of(&plan, packages, (&compose, &call), labelled, &makes, base)?;
        plan.findings.extend(found);
        plan.findings
            .extend(made.image.identity.fits_otherwise(&identity));
        companion = Some(Box::new(made));
    }
    Ok(Planned {
        companion,
        aliases: Aliases::of(&started, &plan.tree, files),
        started,
        merge_unit,
        identity,
        plan,
        requires: choose::requires_to_run(packages),
        evidence: Evidence::default(),
        matched,
        scriptlets: installation.summary(),
        built_from: None,
        labels,
    })
}

/// Has the host make the directories of accounts that the base does not have.
fn make_homes(accounts: &Accounts, files: Option<&BaseFiles<'_>>, plan: &mut Plan) {
    for (path, line) in accounts.homes() {
        let is_there = files.is_some_and(|files| files.entry(path) != BaseEntry::Missing);
        if !is_there && !plan.tmpfiles.make(path) {
            plan.tmpfiles.add(path.into(), line);
        }
    }
}

/// Names paths of which something was said and that no package has.
fn unknown_paths(settings: &Settings, packages: &[&Package]) -> Vec<Finding> {
    let of_etc = settings.etc.iter().filter_map(|one| one.path.as_deref());
    let dropped = settings.rules.unwanted();
    let named = (of_etc.map(|path| (path, "--etc"))).chain(dropped.map(|path| (path, "--drop")));
    let is_unknown = |(path, _): &(&str, &str)| {
        let path = path.trim_start_matches('/');
        let mut files = packages.iter().flat_map(|package| &package.files);
        !files.any(|file| {
            let own = file.path.to_bytes();
            image::is_below(own.strip_prefix(b"/").unwrap_or(&own), path)
        })
    };
    let finding = |(path, option): (&str, &str)| {
        let path = path.trim_start_matches('/');
        let text = format!("no package has /{path}, which {option} names");
        Finding::new(&kinds::PATH_UNKNOWN, text)
    };
    named.filter(is_unknown).map(finding).collect()
}

/// Returns what an image has a host make in `/etc`.
fn made_in_etc(accounts: &Accounts, plan: &Plan, of_scriptlets: Option<&str>) -> Vec<String> {
    let mut made = Vec::new();
    if !accounts.are_none() {
        made.push("accounts in /etc/passwd and /etc/group".to_owned());
    }
    let lines = plan.tmpfiles.iter();
    let lines = lines.filter(|(path, _)| image::is_below(path.bytes(), "etc"));
    made.extend(lines.map(|(path, _)| format!("/{path}")));
    let lines = of_scriptlets.unwrap_or_default().lines();
    let paths = lines.filter_map(|line| line.split_whitespace().nth(1));
    made.extend(
        paths
            .filter(|path| path.starts_with("/etc/"))
            .map(str::to_owned),
    );
    made
}

/// Adds the snippets of sysusers.d(5) and tmpfiles.d(5) that make what an installation would have, if
/// there is anything to make.
fn make(
    accounts: &Accounts,
    identity: &Identity,
    has_merge_unit: bool,
    plan: &mut Plan,
) -> Result<()> {
    // Whichever snippet says it first decides, so packages' own come before.
    let snippet = |kind| format!("usr/lib/{kind}.d/sysext-{}.conf", identity.name);
    let (path, none) = (snippet("sysusers"), BTreeMap::new);
    plan.findings
        .extend(accounts.findings(&path, has_merge_unit));
    if !accounts.are_none() {
        identity::insert_text(plan, &path, accounts.snippet(), none())?;
    }
    let path = snippet("tmpfiles");
    plan.findings
        .extend(plan.tmpfiles.findings(&path, has_merge_unit));
    if !plan.tmpfiles.are_none() {
        let text = plan.tmpfiles.snippet();
        identity::insert_text(plan, &path, text, none())?;
    }
    Ok(())
}

impl Planned {
    /// Adds what was found.
    pub fn note(&mut self, found: Vec<Finding>) {
        self.plan.findings.extend(found);
    }

    /// Returns all that was found.
    pub fn findings(&mut self) -> &mut [Finding] {
        &mut self.plan.findings
    }

    /// Gives the image and its companion a build number.
    pub fn number(&mut self, number: &BuildNumber) -> Result<()> {
        self.identity = self.identity.numbered(number)?;
        match &mut self.companion {
            Some(companion) => companion.image.number(number),
            None => Ok(()),
        }
    }

    /// Puts into the tree what tells clients what the image is and where newer ones are; the same for
    /// its companion.
    pub fn describe(&mut self, settings: &Settings) -> Result<()> {
        if let Some(companion) = &mut self.companion {
            companion.image.describe(settings)?;
        }
        let Identity { name, version, .. } = &self.identity;
        if self.merge_unit.is_some() {
            let (path, text) = (
                merge_unit::drop_in_path(name),
                merge_unit::drop_in(name, version),
            );
            identity::insert_text(&mut self.plan, &path, text, BTreeMap::new())?;
        }
        let updates = settings.updates.as_ref();
        let updates = updates.map(|delivery| (delivery, self.companion.is_some()));
        identity::describe(&mut self.plan, &self.identity, updates)?;
        self.label()
    }

    /// Gives all files their labels.
    pub fn label(&mut self) -> Result<()> {
        self.labels.put_on(&mut self.plan.tree)
    }

    /// Says whether the image is called one for every system because its packages require nothing.
    pub fn was_matched_to_any(&self) -> bool {
        self.matched.is_some() && self.identity.fits_any()
    }
}

#[cfg(test)]
pub mod tests {
    use rpm_input::{File, FileKind, Nevra};

    use super::*;

    /// What holds where nobody says anything, for an image that fits every system.
    pub fn plain() -> Settings {
        Settings {
            overlay: None,
            rules: RuleSet::new(&[], &[]).unwrap(),
            epoch: None,
            naming: Naming::default(),
            matching: Matching::Any,
            updates: None,
            labelling: Labelling::Auto,
            start: Vec::new(),
            preset: false,
            merge_unit: true,
            etc: Vec::new(),
        }
    }

    fn package(name: &str, files: &[(&str, FileKind, u16)]) -> Package {
        let mut package = Package::named(Nevra {
            name: name.to_owned(),
            epoch: None,
            version: "1".to_owned(),
            release: "1".to_owned(),
            arch: "x86_64".to_owned(),
        });
        let files = files.iter().map(|(path, kind, mode)| File {
            mode: *mode,
            owner: "root".into(),
            group: "root".into(),
            ..File::new((*path).to_owned(), kind.clone())
        });
        package.files = files.collect();
        package
    }

    /// Plans `/usr/sbin/x` for a base, and returns paths with their modes.
    fn planned(base: &Base, keep: &[String]) -> Vec<String> {
        let settings = Settings {
            rules: RuleSet::new(keep, &[]).unwrap(),
            ..plain()
        };
        let package = package("x", &[("/usr/sbin/x", FileKind::Regular, 0o711)]);
        let files = BaseFiles::of(base);
        let planned = plan(&settings, &[&package], base, files.as_ref()).unwrap();
        let mut paths = Vec::new();
        planned.plan.tree.walk(&mut |path, visit| {
            paths.push(format!("{path} {:o}", visit.stat().mode));
        });
        paths.retain(|path| path.starts_with("usr/"));
        paths
    }

    #[test]
    fn the_base_says_whether_sbin_is_merged_and_gives_its_modes() {
        let base = |merged_sbin, directories: &[(&str, FileKind, u16)]| Base {
            merged_sbin,
            packages: Some(vec![package("filesystem", directories)]),
            ..Base::default()
        };
        let keep = ["sbin-merge".to_owned()];
        let bin = [("/usr/bin", FileKind::Directory, 0o555)];
        let sbin = [("/usr/sbin", FileKind::Directory, 0o555)];
        for (base, keep, expected) in [
            (
                base(false, &[]),
                &[][..],
                ["usr/sbin 755", "usr/sbin/x 711"],
            ),
            (base(false, &sbin), &[], ["usr/sbin 555", "usr/sbin/x 711"]),
            (base(true, &[]), &[], ["usr/bin 755", "usr/bin/x 711"]),
            (base(true, &bin), &[], ["usr/bin 555", "usr/bin/x 711"]),
            (base(true, &bin), &keep, ["usr/sbin 755", "usr/sbin/x 711"]),
        ] {
            assert_eq!(planned(&base, keep), expected, "{base:?} {keep:?}");
        }
    }

    #[test]
    fn what_a_plan_says_of_itself() {
        for (matching, requires, is_chosen) in [
            (Matching::Auto, &[][..], true),
            (Matching::Auto, &["a"], false),
            (Matching::Any, &[], false),
        ] {
            let settings = Settings {
                epoch: Some(7),
                matching,
                ..plain()
            };
            let mut package = package("x", &[("/usr/bin/x", FileKind::Regular, 0o755)]);
            package.requires = (requires.iter())
                .map(|name| rpm_input::Dependency {
                    name: (*name).to_owned(),
                    sense: rpm_input::Sense::default(),
                    evr: String::new(),
                })
                .collect();
            let base = Base {
                os_release: clients::Release::parse(b"ID=y\nVERSION_ID=1").unwrap(),
                ..Base::default()
            };
            let mut planned = plan(&settings, &[&package], &base, None).unwrap();
            assert_eq!(planned.was_matched_to_any(), is_chosen, "{matching:?}");
            assert_eq!(planned.requires, requires);
            assert_eq!(planned.plan.time, 7);

            assert!(planned.findings().is_empty());
            planned.note(vec![Finding::new(&crate::findings::kinds::SET_UID, "x")]);
            assert_eq!(planned.findings().len(), 1);

            let release = "usr/lib/extension-release.d/extension-release.x";
            assert!(planned.plan.tree.get(release).is_none());
            planned.describe(&settings).unwrap();
            assert!(planned.plan.tree.get(release).is_some());
        }
    }
}
