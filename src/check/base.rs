//! What a base and an image say of each other: requirements that neither meets, conflicts, and
//! packages that the base has already.
//!
//! The words are libsolv's, which users of dnf and zypper know. Rich dependencies, such as
//! `(a or b)`, are not judged here; they stay in the image's list of requirements.

use std::collections::BTreeSet;

use rpm_input::{Dependency, Package};

use super::Finding;
use crate::base::Base;
use crate::offers::Offers;

/// Looks at the packages of an image against those of its base.
pub fn against_base(packages: &[Package], base: &Base) -> Vec<Finding> {
    let Some(installed) = &base.packages else {
        return Vec::new();
    };
    let offers = Offers::new(packages.iter().chain(installed));
    let mut findings = Vec::new();
    for package in packages {
        findings.extend(already(package, installed));
        for need in package.requires.iter().filter(|need| is_judged(need)) {
            if !offers.meet(need) {
                let text = format!("nothing provides {need} needed by {}", package.nevra);
                findings.push(Finding::new("unmet-requirement", text));
            }
        }
    }
    for (one, others) in [(packages, installed.as_slice()), (installed, packages)] {
        for package in one {
            findings.extend(conflicts(package, others));
        }
    }
    // A package may require one capability twice, before and after its scriptlets.
    let mut seen = BTreeSet::new();
    findings.retain(|finding| seen.insert(finding.text.clone()));
    findings
}

/// Says whether a requirement is one of installed files and capabilities, and not of RPM itself.
fn is_judged(need: &Dependency) -> bool {
    !need.is_rpmlib() && !need.is_config() && !need.is_rich()
}

/// Says of a package that the base has it, or has another version of it.
fn already(package: &Package, installed: &[Package]) -> Option<Finding> {
    let nevra = &package.nevra;
    let known = installed
        .iter()
        .find(|known| known.nevra.name == nevra.name && known.nevra.arch == nevra.arch)?;
    Some(if known.nevra == *nevra {
        Finding::new("in-base", format!("{nevra} is already in the base"))
    } else {
        let text = format!(
            "the base has {}; where merged, {nevra} hides its files",
            known.nevra
        );
        Finding::new("in-base", text)
    })
}

/// Returns the conflicts of a package with others; with itself it has none.
fn conflicts(package: &Package, others: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for conflict in package
        .conflicts
        .iter()
        .filter(|conflict| is_judged(conflict))
    {
        for other in others
            .iter()
            .filter(|other| other.nevra.name != package.nevra.name)
        {
            if other
                .provides
                .iter()
                .any(|provide| conflict.satisfied_by(provide))
            {
                let text = format!(
                    "package {} conflicts with {conflict} provided by {}",
                    package.nevra, other.nevra
                );
                findings.push(Finding::new("conflict", text));
            }
        }
    }
    findings
}
