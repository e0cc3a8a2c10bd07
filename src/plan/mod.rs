//! The plan of an image: one tree, decided from the packages' headers before a payload is read.
//!
//! ```text
//! packages, overlay ─▶ compose ─▶ Plan ─▶ identity ─▶ Planned
//!                      filter             name, version, extension-release
//! ```

pub mod compose;
pub mod filter;
pub mod identity;
pub mod matching;
pub mod overlay;

use std::path::PathBuf;

use rpm_input::Package;
use store::Delivery;

use crate::base::Base;
use crate::base::files::BaseFiles;
use crate::findings::Finding;
use crate::packages::choose;
use crate::plan::compose::{Plan, Times};
use crate::plan::filter::RuleSet;
use crate::plan::identity::{Identity, Naming};
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
}

/// What an image holds, and what it is called.
pub struct Planned {
    /// Its tree.
    pub plan: Plan,
    /// Its name, and what it says of itself.
    pub identity: Identity,
    /// What its packages require of a base.
    pub requires: Vec<String>,
    /// Why it states what it does of the systems that it fits, where that was chosen.
    pub matched: Option<String>,
}

/// Plans an image of packages, in the order of their precedence, for a base with these files.
pub fn plan(
    settings: &Settings,
    packages: &[&Package],
    base: &Base,
    files: Option<&BaseFiles<'_>>,
) -> Result<Planned> {
    let overlay = settings.overlay.as_deref().map(overlay::read).transpose()?;
    let rules = settings.rules.for_base(base.merged_sbin);
    let times = Times::new(settings.epoch, packages);
    let overlay = overlay.unwrap_or_default();
    let mut plan = compose::compose(packages, &overlay, &rules, &base.owners, times)?;
    if let Some(files) = files {
        plan.adopt_modes(&|path| files.directory_mode(path))?;
    }
    let requires = choose::requires(packages);
    let (matching, matched) = settings.matching.decided(&requires, &base.os_release);
    let has_units = plan.has_units();
    Ok(Planned {
        identity: Identity::new(&settings.naming, packages, base, matching, has_units)?,
        plan,
        requires,
        matched,
    })
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

    /// Puts into the tree what tells clients what the image is and where newer ones are.
    pub fn describe(&mut self, settings: &Settings) -> Result<()> {
        identity::describe(&mut self.plan, &self.identity, settings.updates.as_ref())
    }

    /// Says whether the image is called one for every system because its packages require nothing.
    pub fn was_matched_to_any(&self) -> bool {
        self.matched.is_some() && self.identity.fits_any()
    }
}
