//! Judgements of an image: against what it is called, against a base, against its clients.

pub mod beside;
pub mod caches;
pub mod closure;
pub mod demands;
pub mod gate;
pub mod ground;
pub mod level;
pub mod modules;
mod origin;
#[cfg(test)]
mod patterns;
pub mod references;
pub mod requirements;
pub mod set;
pub mod shadow;
pub mod startable;
pub mod survey;
pub mod upheld;
pub mod verdict;

use std::collections::BTreeMap;

use anyhow::anyhow;
use architecture::Architecture;
use image::{Tree, Visit};
use linkage::{Linkage, Needs};
use resolve::Installed;
use rpm_input::Package;

use self::beside::Beside;
use self::closure::BaseLibraries;
use self::modules::Kernels;
use self::references::Gone;
use self::requirements::{Loaded, LookedUp, Lookup};
use crate::alive::merge_unit::MergeUnit;
use crate::base::files::BaseFiles;
use crate::base::{Base, Evidence, Known};
use crate::findings::{Finding, kinds};
use crate::pack::modules::{DIRECTORY, Modules};
use crate::packages::choose;
use crate::plan::Planned;
use crate::plan::compose::Plan;
use crate::plan::identity::Identity;
use crate::words::failure::{Failure, Result};

/// The `ID` of the system whose client sysextmgr is.
const MICROOS: &str = "opensuse-microos";

/// Where packages have modules of SELinux's policy, and what their names end in.
const POLICY_MODULES: &str = "usr/share/selinux";
const POLICY_ENDS: [&str; 3] = [".pp", ".pp.bz2", ".cil"];

/// Looks at what a planned image is called, and at what it would hide of a base with these files.
pub fn plan(
    planned: &Planned,
    packages: &[&Package],
    base: &Base,
    files: Option<&BaseFiles<'_>>,
) -> Result<Vec<Finding>> {
    let mut findings = identity(&planned.identity, packages);
    findings.extend(architecture(&planned.identity, base));
    if !planned.identity.fits_any() {
        findings.extend(origin::foreign(packages, &base.os_release));
    }
    let tree = &planned.plan.tree;
    let mut shadows = shadow::shadows(tree, files, &mut |id| Ok(id.clone()))?;
    if tree.get(DIRECTORY).is_some() {
        let installed = base.packages.as_deref();
        let installed = installed.map(|packages| choose::installed(packages.iter()));
        let kernels = Kernels::of(files, installed.as_ref(), &planned.requires);
        shadows.extend(kernels.judge_tree(tree));
    }
    let beside = Beside::planned(&planned.plan.companion.paths);
    let links = Gone::of(&planned.plan, files).links();
    shadows.retain(|it| it.kind != &kinds::DANGLING_LINK || !beside.is_target(tree, &it.path));
    // What the packages bring there is made again.
    shadows.retain(|it| it.kind != &kinds::CACHE_HIDDEN || !planned.plan.caches.make(&it.path));
    // What was left out says more than that the link dangles.
    shadows.retain(|it| it.kind != &kinds::DANGLING_LINK || !links.contains_key(&it.path));
    findings.extend(shadow::findings(&shadows));
    findings.extend(links.into_values());
    findings.extend(references::commands(&planned.plan, files));
    let on_host = planned.merge_unit.as_ref().map(MergeUnit::commands);
    findings.extend(policy_modules(tree, &on_host.unwrap_or_default()));
    Ok(findings)
}

/// Names the modules of SELinux's policy that an image brings, and that none of these commands loads.
fn policy_modules(tree: &Tree, on_host: &[String]) -> Vec<Finding> {
    let mut findings = Vec::new();
    tree.walk(&mut |path, visit| {
        let is_module = image::is_below(path.bytes(), POLICY_MODULES)
            && POLICY_ENDS.iter().any(|end| path.bytes().ends_with(end.as_bytes()));
        let command = format!("/{path}");
        let is_loaded = || on_host.iter().any(|one| one.contains(&command));
        if matches!(visit, Visit::Leaf(..)) && is_module && !is_loaded() {
            let text = format!(
                "{command} is a module of SELinux's policy, which the host has to load: semodule -i {command}"
            );
            findings.push(Finding::new(&kinds::POLICY_MODULE, text));
        }
    });
    findings
}

/// Looks up what a planned image requires in a base whose packages are not known, and says what
/// could not be looked up. `looked_up` says that the choice of packages did all of that.
pub fn needs(
    planned: &mut Planned,
    base: &Base,
    files: Option<&BaseFiles<'_>>,
    libraries: &BaseLibraries,
    looked_up: bool,
) -> Vec<Finding> {
    planned.evidence.known = match libraries {
        BaseLibraries::Packages(_) => base.known().max(Known::Provides),
        _ => base.known(),
    };
    if looked_up {
        return Vec::new();
    }
    let lookup = Lookup {
        packages: None,
        files,
        libraries,
        loaded: Loaded::Later,
    };
    let LookedUp { unmet, unchecked } = lookup.look_up(&planned.requires, &Installed::default());
    planned.evidence.unchecked = unchecked;
    let name = &planned.identity.name;
    let unmet = unmet.iter().map(|text| requirements::unmet(text, name));
    unmet
        .chain(unchecked_base(planned, &planned.evidence))
        .collect()
}

/// Says what was not looked up. An image that is for every system claims that all of them have it.
fn unchecked_base(planned: &Planned, evidence: &Evidence) -> Option<Finding> {
    let finding = evidence.finding()?;
    Some(match planned.identity.fits_any() {
        true => finding.made_fatal(),
        false => finding,
    })
}

/// Looks at what kernel modules say of themselves.
pub fn of_modules(tree: &Tree, modules: &Modules) -> Vec<Finding> {
    let mut findings = shadow::findings(&modules::built_for(tree, modules));
    findings.extend(modules::unread(modules));
    findings
}

/// Looks at what the files of an image need, and whether it is there. Of the base alone it depends
/// whether it is, so it is asked of images, too, that are not built again.
pub fn files(
    planned: &mut Planned,
    linkage: &Linkage,
    base: &BaseLibraries,
) -> Result<Vec<Finding>> {
    if planned.was_matched_to_any() {
        needs_nothing(linkage)?;
    }
    let (mut by_cache, mut unchecked) = (Vec::new(), None);
    if !base.are_known() {
        let needs = Needs::of(linkage);
        by_cache = cached(&needs);
        // Files may need what their packages do not require.
        if planned.evidence.unchecked.is_empty() {
            let needs = needs.libraries.into_keys().chain(needs.programs);
            planned.evidence.unchecked = needs.collect();
            unchecked = unchecked_base(planned, &planned.evidence);
        }
    }
    let unread = (linkage.unread.iter())
        .map(|(path, problem)| Finding::new(&kinds::ELF_UNREAD, format!("/{path}: {problem}")));
    let mut findings = closure::findings(&closure::judge(linkage, base));
    findings.extend(by_cache);
    findings.extend(unread);
    findings.extend(unchecked);
    Ok(findings)
}

/// Looks at what the units and launchers of an image with these `texts` need, and who starts them.
pub fn texts(
    plan: &Plan,
    texts: &BTreeMap<String, String>,
    linkage: &Linkage,
    (base, files): (&Base, Option<&BaseFiles<'_>>),
    packages: &[&Package],
) -> Vec<Finding> {
    let tree = &plan.tree;
    let mut findings = startable::units(texts, tree, files);
    let beside = Beside::planned(&plan.companion.paths);
    findings.extend(startable::files(texts, tree, (files, &beside)));
    findings.extend(startable::commands(tree, Some(linkage)));
    findings.extend(startable::settings(tree));
    findings.extend(upheld::ignored(texts, tree, files));
    let said = [&plan.findings[..], &findings].concat();
    findings.extend(upheld::forgotten(texts, tree, &said));
    let gone = Gone::of(plan, files);
    let left_out = gone.units(texts);
    // What was left out is named as such, and not as missing, too.
    findings.retain(|missing| {
        let (start, _) = missing
            .text
            .rsplit_once(" is in neither ")
            .unwrap_or_default();
        start.is_empty()
            || !left_out
                .iter()
                .any(|one| one.text.starts_with(&format!("{start} of ")))
    });
    findings.extend(left_out);
    findings.extend(gone.launchers(texts, linkage));
    findings.extend(references::accounts(texts, plan, packages, &base.owners));
    upheld::made_fatal(&mut findings, texts, tree);
    findings
}

/// Compares the architecture of an image with that of its base.
fn architecture(identity: &Identity, base: &Base) -> Option<Finding> {
    let own = base.architecture?;
    (!own.is_sibling(identity.architecture)).then(|| {
        let text = format!(
            "the base is for {own}, so systemd ignores an image for {} there",
            identity.architecture
        );
        Finding::new(&kinds::ARCHITECTURE, text)
    })
}

/// Looks at how the image is called against what is in it.
fn identity(identity: &Identity, packages: &[&Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let arch = &package.nevra.arch;
        let fits = arch == "noarch"
            || Architecture::of_package(arch).is_some_and(|arch| identity.architecture.runs(arch));
        if !fits {
            let text = format!(
                "{} is not built for {}",
                package.nevra, identity.architecture
            );
            findings.push(Finding::new(&kinds::ARCHITECTURE, text));
        }
    }
    if identity.assumed_architecture {
        let text = format!(
            "no package is built for an architecture, so the image is for {}; set another with \
             --arch",
            identity.architecture
        );
        findings.push(Finding::new(&kinds::ANY_ARCHITECTURE, text));
    }
    findings.extend(unfound(identity));
    if !identity.release.iter().any(|(key, _)| *key == "VERSION_ID") {
        let text = "the base has no VERSION_ID; systemd accepts the image, sysextmgr does not";
        findings.push(Finding::new(&kinds::NO_VERSION_ID, text));
    }
    findings
}

/// Says that the client of openSUSE MicroOS does not find the image by the extension's name, which
/// it takes off the file name.
fn unfound(identity: &Identity) -> Option<Finding> {
    let (file, name) = (identity.image_file(), &identity.name);
    let found = clients::sysextmgr_name(&file);
    let is_microos = identity.release.contains(&("ID", MICROOS.to_owned()));
    (is_microos && found != name).then(|| {
        let version = identity.version.split('-').next().unwrap_or_default();
        let text = format!(
            "sysextmgr takes {found} for the name of {file}, so \"sysextmgrcli install {name}\" does \
             not find it; for a version without a hyphen: --image-version {version} --build-number N"
        );
        Finding::new(&kinds::SYSEXTMGR_NAME, text)
    })
}

/// Says which libraries of the image only the base's `ld.so.cache` could tell the loader of.
fn cached(needs: &Needs) -> Vec<Finding> {
    let findings = needs.cached.iter().map(|(name, paths)| {
        let paths: Vec<_> = paths.iter().map(String::as_str).collect();
        let text = format!(
            "{name} is in the image as {}, where the loader looks only if ld.so.cache of the base \
             has the directory; ldconfig is not run",
            paths.join(", ")
        );
        Finding::new(&kinds::LIBRARY_DIRECTORY, text)
    });
    findings.collect()
}

/// Fails where files need something of a base although their packages require nothing, so that
/// `--match auto` took the image for one that fits every system.
fn needs_nothing(linkage: &Linkage) -> Result<()> {
    let needs = Needs::of(linkage);
    let libraries = needs.libraries.keys();
    let Some(first) = libraries.chain(&needs.programs).next() else {
        return Ok(());
    };
    Err(Failure::refused(anyhow!(
        "--match auto: the packages require nothing of a base, but their files need {first}"
    ))
    .hint("choose what the image fits: --match version-id, sysext-level or any"))
}
