//! The companion of an image: what its packages have in `/etc`, for systemd-confext.
//!
//! systemd-sysext merges `/usr` and `/opt` alone. Where `--etc confext` asks for it, files of `/etc`
//! go into a second image of the same packages, with the same version. The two are published
//! together, and clients update them together. While it is merged, `/etc` is read-only on the host,
//! and nothing in it can be executed.

use image::{Content, Tree, Visit};
use rpm_input::Package;

use super::Planned;
use super::identity::Identity;
use crate::alive::aliases::Aliases;
use crate::alive::services::Started;
use crate::base::files::BaseFiles;
use crate::base::settings::{no_confext, systemd};
use crate::base::{Base, Evidence};
use crate::findings::{Finding, kinds};
use crate::plan::compose::{Part, Plan};
use crate::plan::labels::{Labelling, Labels};
use crate::words::failure::Result;
use crate::words::quantity::counted;

/// Composes a part of an image of packages.
type Compose<'a> = dyn Fn(&[&Package], Part) -> Result<Plan> + 'a;
/// Says what a companion is called, given whether it has units.
type Call<'a> = dyn Fn(bool) -> Result<Identity> + 'a;

/// The companion of an image.
pub struct Companion {
    /// Its plan, and what it is called.
    pub image: Planned,
    /// The numbers of the packages that have something in it, among those of the image.
    pub packages: Vec<usize>,
}

impl Companion {
    /// Plans the companion of an image of these packages. What was found is to be said of the image, and
    /// is returned. `makes` are the files of `/etc` that the image itself has the host make.
    pub fn of(
        main: &Plan,
        packages: &[&Package],
        (compose, call): (&Compose<'_>, &Call<'_>),
        (labelling, files): (&Labelling, Option<&BaseFiles<'_>>),
        makes: &[String],
        base: &Base,
    ) -> Result<(Self, Vec<Finding>)> {
        let numbers: Vec<_> = main.companion.packages.iter().copied().collect();
        let own: Vec<_> = numbers.iter().map(|number| packages[*number]).collect();
        let mut plan = compose(&own, Part::Companion)?;
        let identity = call(plan.has_units_in_etc())?;
        if let Some(files) = files {
            plan.adopt_access(&|path| files.directory_access(path))?;
        }
        // Of a base that wants labels, it is said for the image.
        let (mut labels, _) = Labels::of(labelling, files)?;
        labels.put_on(&mut plan.tree)?;
        let mut findings = std::mem::take(&mut plan.findings);
        findings.extend(programs(&plan.tree, &identity.name));
        findings.extend(no_confext(systemd(base, files), &identity.name));
        let image = Planned {
            plan,
            identity,
            requires: Vec::new(),
            evidence: Evidence::default(),
            matched: None,
            started: Started::default(),
            aliases: Aliases::default(),
            merge_unit: None,
            scriptlets: None,
            built_from: None,
            companion: None,
            labels,
        };
        let companion = Self {
            image,
            packages: numbers,
        };
        findings.extend(companion.findings(makes));
        Ok((companion, findings))
    }

    /// Says what is in it, and what it means for a host that it is merged there.
    fn findings(&self, makes: &[String]) -> Vec<Finding> {
        let name = &self.image.identity.name;
        let paths = paths(&self.image.plan.tree);
        let Some(first) = paths.first() else {
            return Vec::new();
        };
        let dots = if paths.len() > 1 { " ..." } else { "" };
        let text = format!(
            "{} of /etc in the companion {name}: {first}{dots}; hosts need both images, and while it \
             is merged /etc is read-only",
            counted(paths.len(), "path"),
        );
        let mut findings = vec![Finding::new(&kinds::IN_COMPANION, text)];
        if let Some(first) = makes.first() {
            let dots = if makes.len() > 1 { " ..." } else { "" };
            let text = format!(
                "the host has to make {first}{dots}, which fails while {name} is merged, since /etc is \
                 read-only then: merge the image before its companion where they are new"
            );
            findings.push(Finding::new(&kinds::ETC_READ_ONLY, text));
        }
        findings
    }
}

/// Returns the paths of what a tree holds besides directories.
fn paths(tree: &Tree) -> Vec<String> {
    let mut paths = Vec::new();
    tree.walk(&mut |path, visit| {
        if let Visit::Leaf(..) = visit {
            paths.push(format!("/{path}"));
        }
    });
    paths
}

/// Names what can't be executed though its mode allows it.
fn programs(tree: &Tree, name: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    tree.walk(&mut |path, visit| {
        let Visit::Leaf(_, leaf) = visit else { return };
        if matches!(leaf.content, Content::File { .. }) && leaf.stat.mode & 0o111 != 0 {
            let text = format!(
                "/{path} can't be executed from {name}: systemd-confext mounts /etc with noexec; \
                 --etc /{path}=factory has it copied to the host"
            );
            findings.push(Finding::new(&kinds::COMPANION_NOEXEC, text));
        }
    });
    findings
}
