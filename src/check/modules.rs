//! Kernel modules of an image, against the kernels of a base.
//!
//! A kernel loads modules from the directory of its own release alone, and finds them through an
//! index there, `modules.dep`, which `depmod` makes of all of them.

use std::collections::{BTreeMap, BTreeSet};

use image::{Tree, Visit};

use super::shadow::Shadow;
use crate::base::files::BaseFiles;
use crate::findings::kinds;

/// Where modules are, in a directory for each kernel release.
const DIRECTORY: &str = "usr/lib/modules";
/// How the names of modules end, compressed or not.
const SUFFIXES: [&str; 4] = [".ko", ".ko.gz", ".ko.xz", ".ko.zst"];

/// Looks at which kernels the modules of an image are for, and whether a base has them. Of a base
/// without any kernel, such as a container's, that is not known.
pub fn modules(tree: &Tree, base: Option<&BaseFiles<'_>>) -> Vec<Shadow> {
    let kernels: BTreeSet<String> = base
        .map(|base| base.directories_in(DIRECTORY))
        .unwrap_or_default();
    let mut found = Vec::new();
    for (kernel, count) in releases(tree) {
        let path = format!("/{DIRECTORY}/{kernel}");
        let mut add = |kind, what| {
            found.push(Shadow {
                kind,
                path: path.clone(),
                what,
                owner: None,
            });
        };
        if !kernels.is_empty() && !kernels.contains(&kernel) {
            let names: Vec<_> = kernels.iter().map(String::as_str).collect();
            let what = format!(
                "has {count} modules for kernel {kernel}, and the base has only {}",
                names.join(", ")
            );
            add(&kinds::NO_KERNEL, what);
        }
        let what = format!("has {count} modules that are found only after depmod -a {kernel}");
        add(&kinds::NEEDS_DEPMOD, what);
    }
    found
}

/// Counts the modules for each kernel release.
fn releases(tree: &Tree) -> BTreeMap<String, usize> {
    let mut releases = BTreeMap::new();
    tree.walk(&mut |path, visit| {
        let path = path.text();
        if let Visit::Leaf(..) = visit
            && SUFFIXES.iter().any(|suffix| path.ends_with(suffix))
            && let Some(below) = path.strip_prefix("usr/lib/modules/")
            && let Some((release, _)) = below.split_once('/')
        {
            *releases.entry(release.to_owned()).or_default() += 1;
        }
    });
    releases
}
