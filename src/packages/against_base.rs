//! What a base and an image say of each other: requirements that neither meets, conflicts, and
//! packages that the base has already.
//!
//! The words are libsolv's, which users of dnf and zypper know.

use resolve::Rule;
use rpm_input::{Nevra, Package};

use crate::base::{Base, Named};
use crate::findings::{Finding, kinds};

/// Looks at packages that were not chosen by the solver: what it has to say of them, and whether
/// the base has them.
pub fn against_base(packages: &[&Package], base: &Base, rules: &[Rule]) -> Vec<Finding> {
    let installed: Vec<&Nevra> = match (&base.packages, &base.named) {
        (Some(packages), _) => packages.iter().map(|known| &known.nevra).collect(),
        (None, Named::Listed(listed)) => listed.iter().map(|known| &known.nevra).collect(),
        (None, Named::Install(_) | Named::None) => Vec::new(),
    };
    let already = packages.iter().filter_map(|one| already(one, &installed));
    let unknown = matches!(base.named, Named::Listed(_)).then(|| {
        let text = "the base is known by the names of its packages, so nothing is checked that the image requires \
                    of it; with --repo, what they provide is looked up";
        Finding::new(&kinds::UNKNOWN_IN_BASE, text)
    });
    let broken = rules.iter().map(|rule| {
        let kind = match rule {
            Rule::Conflicts { .. } | Rule::Obsoletes { .. } => &kinds::CONFLICT,
            _ => &kinds::UNMET_REQUIREMENT,
        };
        Finding::new(kind, rule.to_string())
    });
    already.chain(unknown).chain(broken).collect()
}

/// Says of a package that the base has it, or has another version of it.
fn already(package: &Package, installed: &[&Nevra]) -> Option<Finding> {
    let nevra = &package.nevra;
    let known = installed
        .iter()
        .find(|known| known.name == nevra.name && known.arch == nevra.arch)?;
    Some(if *known == nevra {
        Finding::new(&kinds::IN_BASE, format!("{nevra} is already in the base"))
    } else {
        let text = format!("the base has {known}; where merged, {nevra} hides its files");
        Finding::new(&kinds::IN_BASE, text)
    })
}
