//! The architecture of a base, as its packages, its loader or its os-release state it.

use std::collections::BTreeMap;
use std::path::Path;

use architecture::Architecture;
use clients::Release;

/// Returns the architecture of a system with packages of these (`Arch:` of each): the one that
/// takes all others, such as x86_64 beside i686; else that of the most.
pub fn of_packages<'a>(arches: impl Iterator<Item = &'a str>) -> Option<Architecture> {
    let mut counts: BTreeMap<Architecture, usize> = BTreeMap::new();
    for known in arches.filter_map(Architecture::of_package) {
        *counts.entry(known).or_default() += 1;
    }
    let takes_all = |one: &&Architecture| {
        let takes = |other: &Architecture| one.compatible().any(|taken| taken == *other);
        counts.keys().all(takes)
    };
    let best = counts.keys().find(takes_all);
    let most = || counts.iter().max_by_key(|(_, count)| **count);
    best.or_else(|| most().map(|(most, _)| most)).copied()
}

/// Returns the architecture of a root directory by the C library's loader in it. A system of two
/// word sizes has two loaders, and is of the wider one.
pub fn of_loader(root: &Path) -> Option<Architecture> {
    let has = |path: &str| {
        let below = path.trim_start_matches('/');
        [format!("usr/{below}"), below.to_owned()]
            .iter()
            .any(|path| root.join(path).symlink_metadata().is_ok())
    };
    let mut found: Vec<_> = architecture::elf_targets()
        .filter(|(_, gnu)| has(gnu.loader))
        .map(|(elf, _)| elf)
        .collect();
    let widest = found.iter().map(|elf| elf.bits).max()?;
    found.retain(|elf| elf.bits == widest);
    match found[..] {
        [one] => Architecture::of_elf(one),
        _ => None,
    }
}

/// Returns the architecture that an os-release file states.
pub fn of_release(os_release: &Release) -> Option<Architecture> {
    os_release.get("ARCHITECTURE").and_then(Architecture::named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::scratch::Scratch;

    #[test]
    fn packages_tell_the_architecture() {
        for (arches, expected) in [
            (&["noarch"][..], None),
            (&["noarch", "x86_64", "i686", "i586"], Some("x86_64")),
            (&["i686", "noarch"], Some("i686")),
            (&["x86_64", "x86_64_v2", "i686"], Some("x86_64_v2")),
            (&["armv7hl", "noarch"], Some("armv7hl")),
            // Firmware for another processor is no other system.
            (&["aarch64", "aarch64", "ppc64le"], Some("aarch64")),
            (&["unheard-of"], None),
        ] {
            let found = of_packages(arches.iter().copied()).map(Architecture::rpm);
            assert_eq!(found, expected, "{arches:?}");
        }
    }

    #[test]
    fn the_loader_tells_the_architecture() {
        for (files, expected) in [
            (&["usr/bin/sh"][..], None),
            (&["usr/lib64/ld-linux-x86-64.so.2"], Some("x86_64")),
            (&["lib/ld-linux-aarch64.so.1"], Some("aarch64")),
            (&["usr/lib/ld-linux-armhf.so.3"], Some("armv7hl")),
            (
                &["usr/lib64/ld-linux-x86-64.so.2", "usr/lib/ld-linux.so.2"],
                Some("x86_64"),
            ),
            // Two that can't both be it.
            (
                &[
                    "usr/lib64/ld-linux-x86-64.so.2",
                    "usr/lib/ld-linux-aarch64.so.1",
                ],
                None,
            ),
        ] {
            let scratch = Scratch::new();
            for file in files {
                scratch.write(file, b"");
            }
            let found = of_loader(scratch.path()).map(Architecture::rpm);
            assert_eq!(found, expected, "{files:?}");
        }
    }
}
