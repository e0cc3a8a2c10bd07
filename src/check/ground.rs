//! What images are compared with: a system, with all that is known of it.

use std::collections::BTreeSet;

use architecture::Architecture;
use clients::{Container, Release};
use linkage::Needs;
use manifest::Manifest;
use resolve::{Dependency, Installed, Nevra, Solvable};

use super::beside::Beside;
use super::closure::{self, BaseLibraries, Break};
use super::demands::{Demands, goes_to_initrd};
use super::modules::{self, Kernels};
use super::requirements::{self, Loaded, LookedUp, Lookup};
use super::shadow::{self, Shadow};
use super::{references, startable, upheld};
use crate::base::files::BaseFiles;
use crate::base::{Base, Evidence, Known};
use crate::findings::{Finding, Waivers, kinds};
use crate::inspected::InspectedImage;
use crate::pack::modules::DIRECTORY;
use crate::packages::choose;
use crate::packages::choose::Provided;
use crate::words::failure::Result;

/// A system that images are to work on.
pub struct Target {
    /// What to call it in a table.
    pub label: String,
    /// What its os-release says.
    pub os_release: Release,
    /// What is known of it beyond that.
    pub base: Base,
    /// What its packages provide, where that was looked up in repositories.
    pub provided: Option<Provided>,
}

impl Target {
    /// Says how much is known of it.
    pub fn known(&self) -> Known {
        match &self.provided {
            Some(provided) if !provided.assumed.is_empty() => self.base.known().max(Known::Assumed),
            Some(_) => self.base.known().max(Known::Provides),
            None => self.base.known(),
        }
    }
}

/// What was found out about an image over one base.
#[derive(Default)]
pub struct OnBase {
    /// Programs, libraries and scripts that would not run.
    pub breaks: Vec<Break>,
    /// What of the base the image would hide.
    pub shadows: Vec<Shadow>,
    /// All paths of the base that the image hides, without a slash in front, news or not.
    pub hides: BTreeSet<String>,
    /// All of it in words.
    pub findings: Vec<Finding>,
    /// What that rests on.
    pub evidence: Evidence,
    /// What was so before an update, too, and was therefore taken out.
    pub as_before: AsBefore,
}

/// What an update does not change.
#[derive(Default)]
pub struct AsBefore {
    /// Programs, libraries and scripts that did not run before either.
    pub breaks: Vec<Break>,
    /// What was found before, too.
    pub findings: Vec<Finding>,
}

impl OnBase {
    /// Keeps the findings alone, and what they rest on.
    pub fn forget_details(&mut self) {
        self.breaks = Vec::new();
        self.shadows = Vec::new();
        self.hides = BTreeSet::new();
        self.as_before.breaks = Vec::new();
    }

    /// Returns what keeps the image from working. That something was not looked up does not.
    pub fn broken(&self, waivers: &Waivers) -> impl Iterator<Item = &Finding> {
        let is_broken =
            |finding: &&Finding| finding.kind != &kinds::UNCHECKED_BASE && waivers.stops(finding);
        self.findings.iter().filter(is_broken)
    }

    /// Takes out what was so before.
    pub fn subtract(&mut self, known: &Self) {
        self.shadows.retain(|one| !known.shadows.contains(one));
        let breaks = std::mem::take(&mut self.breaks).into_iter();
        (self.as_before.breaks, self.breaks) = breaks.partition(|one| known.breaks.contains(one));
        // What was not looked up before is not looked up now either.
        let is_news =
            |one: &Finding| one.kind == &kinds::UNCHECKED_BASE || !known.findings.contains(one);
        let findings = std::mem::take(&mut self.findings).into_iter();
        (self.findings, self.as_before.findings) = findings.partition(is_news);
    }
}

/// What images are compared with on one target.
pub struct Ground<'a> {
    /// The target.
    pub target: &'a Target,
    /// Its files.
    pub files: Option<BaseFiles<'a>>,
    /// Its libraries and programs.
    pub libraries: BaseLibraries,
    /// Its packages.
    pub packages: Option<Installed>,
    /// What it demands of images.
    pub demands: Demands,
}

impl<'a> Ground<'a> {
    /// Opens what is known of a target.
    pub fn of(target: &'a Target) -> Result<Self> {
        let base = &target.base;
        let provided = target.provided.as_ref();
        let of_headers = base.packages.as_deref();
        let of_headers = of_headers.map(|packages| choose::installed(packages.iter()));
        let looked_up = || provided.map(|it| Installed::new(it.packages.clone()));
        let files = BaseFiles::of(base);
        Ok(Self {
            target,
            demands: Demands::of(base, files.as_ref())?,
            files,
            libraries: BaseLibraries::of(base, provided.map(|it| it.capabilities.clone()))?,
            packages: of_headers.or_else(looked_up),
        })
    }

    /// Looks at an image over this base.
    pub fn look(&self, image: &mut InspectedImage) -> Result<OnBase> {
        let mut found = OnBase::default();
        if let Some(inside) = &mut image.inside {
            found.shadows = shadow::of_image(inside, self.files.as_ref())?;
            let paths = found.shadows.iter().map(|one| one.path[1..].to_owned());
            found.hides = paths.collect();
        }
        if let Some(inside) = &image.inside {
            let units = startable::units(&image.texts, &inside.tree, self.files.as_ref());
            let beside = image.beside.as_ref().map(Beside::of).unwrap_or_default();
            let is_there = |one: &Shadow| beside.is_target(&inside.tree, &one.path);
            let is_dangling = |one: &&Shadow| one.kind == &kinds::DANGLING_LINK;
            (found.shadows).retain(|one| !is_dangling(&one) || !is_there(one));
            found.findings = shadow::findings(&found.shadows);
            let base = (self.files.as_ref(), &beside);
            let needed = startable::files(&image.texts, &inside.tree, base);
            let commands = startable::commands(&inside.tree, image.linkage.as_ref());
            let ignored = upheld::ignored(&image.texts, &inside.tree, self.files.as_ref());
            let hindered = units
                .into_iter()
                .chain(needed)
                .chain(commands)
                .chain(ignored);
            found.findings.extend(hindered);
            let owners = &self.target.base.owners;
            let accounts = references::accounts_of_units(&image.texts, &[], owners);
            found.findings.extend(accounts);
            upheld::made_fatal(&mut found.findings, &image.texts, &inside.tree);
            let forgotten = upheld::forgotten(&image.texts, &inside.tree, &found.findings);
            found.findings.extend(forgotten);
        }
        let modules = self.modules(image);
        found.findings.extend(shadow::findings(&modules));
        found.findings.extend(modules::unread(&image.modules));
        found.shadows.extend(modules);
        if !goes_to_initrd(&image.path) {
            let architecture = self.target.base.architecture.map(Architecture::systemd);
            found
                .findings
                .extend(self.demands.findings(image, architecture));
        }
        if image.is_companion() {
            found
                .findings
                .extend(self.demands.no_confext(&image.facts.link));
        }
        if let Some(linkage) = &image.linkage {
            found.breaks = closure::judge(linkage, &self.libraries);
            found.findings.extend(closure::findings(&found.breaks));
        }
        let mut unchecked = self.look_up(image, &mut found.findings);
        // Of a file that can't be read nobody knows what it needs.
        let unread = image.linkage.iter().flat_map(|it| it.unread.keys());
        unchecked.extend(unread.map(|path| format!("those of /{path}")));
        found.evidence = Evidence {
            known: self.target.known(),
            unchecked,
            assumed: Vec::new(),
        };
        if let Some(provided) = &self.target.provided {
            found.evidence.assume(&provided.assumed);
        }
        // A base of which too little is known is no base to work on, whatever the image needs.
        let is_read = !matches!(image.facts.container, Container::Unread(_));
        if is_read && !found.evidence.is_complete() {
            found.findings.push(found.evidence.limit());
        }
        Ok(found)
    }

    /// Looks at the kernel modules of an image. Of one that was not read, its manifest says for
    /// which kernels they are.
    fn modules(&self, image: &InspectedImage) -> Vec<Shadow> {
        let manifest = image.manifest.as_ref();
        let requires = manifest.and_then(|it| it.requires.as_deref());
        let packages = self.packages.as_ref();
        let kernels = || Kernels::of(self.files.as_ref(), packages, requires.unwrap_or_default());
        match &image.inside {
            Some(inside) if inside.tree.get(DIRECTORY).is_some() => {
                let mut found = kernels().judge_tree(&inside.tree);
                found.extend(modules::built_for(&inside.tree, &image.modules));
                found
            }
            Some(_) => Vec::new(),
            None => {
                let modules = manifest.map(|it| &it.modules).filter(|it| !it.is_empty());
                // Nobody says whether there is an index.
                modules.map_or_else(Vec::new, |it| kernels().judge(it, &|_| true))
            }
        }
    }

    /// Looks up what the image requires, adds what is missing to the findings, and returns what
    /// could not be looked up.
    fn look_up(&self, image: &InspectedImage, findings: &mut Vec<Finding>) -> Vec<String> {
        let requires = image.manifest.as_ref().and_then(|it| it.requires.as_ref());
        let Some((manifest, requires)) = image.manifest.as_ref().zip(requires) else {
            // The files of the image say what they need, if nobody else does.
            let needs = image.linkage.as_ref().map(Needs::of).unwrap_or_default();
            return match self.libraries.are_known() {
                true => Vec::new(),
                false => needs.libraries.into_keys().chain(needs.programs).collect(),
            };
        };
        let loaded = Loaded::of(image.linkage.as_ref());
        let offers = offers(std::iter::once(manifest));
        let LookedUp { unmet, unchecked } = self.lookup(loaded).look_up(requires, &offers);
        let name = &manifest.config.name;
        findings.extend(unmet.iter().map(|text| requirements::unmet(text, name)));
        unchecked
    }

    fn lookup(&self, loaded: Loaded) -> Lookup<'_> {
        Lookup {
            packages: self.packages.as_ref(),
            files: self.files.as_ref(),
            libraries: &self.libraries,
            loaded,
        }
    }

    /// Returns what an image requires that neither the base nor one of these images has, of which
    /// it is one.
    pub fn unmet<'m>(
        &self,
        manifest: &Manifest,
        images: impl Iterator<Item = &'m Manifest>,
    ) -> Vec<Finding> {
        let requires = manifest.requires.as_deref().unwrap_or_default();
        let looked_up = self
            .lookup(Loaded::Later)
            .look_up(requires, &offers(images));
        let unmet = looked_up.unmet.iter();
        unmet
            .map(|text| requirements::unmet(text, &manifest.config.name))
            .collect()
    }
}

/// Returns what the packages of images offer together, as far as their manifests say it: all but
/// files.
fn offers<'m>(manifests: impl Iterator<Item = &'m Manifest>) -> Installed {
    let provides = |texts: &[String]| {
        let provides = texts.iter().map(|text| Dependency::parse(text));
        provides.filter_map(|one| one.ok()).collect()
    };
    let packages = manifests.flat_map(|manifest| &manifest.packages);
    let solvables = packages.map(|package| Solvable {
        nevra: (package.nevra.as_deref())
            .and_then(Nevra::parse)
            .unwrap_or_default(),
        provides: provides(&package.provides),
        ..Solvable::default()
    });
    Installed::new(solvables.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_so_before_is_subtracted() {
        let found = |paths: &[&str]| OnBase {
            breaks: (paths.iter())
                .map(|path| Break {
                    kind: &kinds::SONAME_MISSING,
                    missing: "libx.so.1".to_owned(),
                    by: (*path).to_owned(),
                    path: (*path).to_owned(),
                    where_looked: String::new(),
                })
                .collect(),
            shadows: (paths.iter())
                .map(|path| Shadow {
                    kind: &kinds::SHADOWS_BASE,
                    path: (*path).to_owned(),
                    owner: None,
                    what: "other".to_owned(),
                })
                .collect(),
            findings: (paths.iter())
                .map(|path| Finding::new(&kinds::SHADOWS_BASE, *path))
                .collect(),
            ..OnBase::default()
        };
        let mut new = found(&["/usr/a", "/usr/b"]);
        new.subtract(&found(&["/usr/b", "/usr/c"]));
        let left = found(&["/usr/a"]);
        assert_eq!(new.breaks, left.breaks);
        assert_eq!(new.shadows, left.shadows);
        assert_eq!(new.findings, left.findings);
        let before = found(&["/usr/b"]);
        assert_eq!(new.as_before.breaks, before.breaks);
        assert_eq!(new.as_before.findings, before.findings);
    }
}
