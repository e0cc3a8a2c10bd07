//! What a base and an image say of each other: requirements that neither meets, conflicts, and
//! packages that the base has already.
//!
//! The words are libsolv's, which users of dnf and zypper know.

use resolve::Rule;
use rpm_input::Package;

use super::Finding;
use crate::base::Base;

/// Looks at packages that were not chosen by the solver: what it has to say of them, and whether
/// the base has them.
pub fn against_base(packages: &[Package], base: &Base, rules: &[Rule]) -> Vec<Finding> {
    let installed = base.packages.as_deref().unwrap_or_default();
    let already = packages.iter().filter_map(|one| already(one, installed));
    let broken = rules.iter().map(|rule| {
        let id = match rule {
            Rule::Conflicts { .. } | Rule::Obsoletes { .. } => "conflict",
            _ => "unmet-requirement",
        };
        Finding::new(id, rule.to_string())
    });
    already.chain(broken).collect()
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
