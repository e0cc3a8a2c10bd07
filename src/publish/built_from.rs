//! What an image is built from, in a form that the next build can compare.
//!
//! What decides an image is its tree, with the digests of all contents, what it says of itself, and
//! how it is packed. All of this is known before a payload is read. The packages and what they
//! require decide what is said of the image, so they count, too. The rest explains why the tree is
//! another: the rules, the overlay, `SOURCE_DATE_EPOCH`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::os::unix::ffi::OsStrExt as _;

use image::{Tree, dump};
use manifest::{BuiltFrom, Summary};
use rpm_input::{DigestAlgorithm, FileKind, Package};
use sha2::{Digest as _, Sha256};
use store::Definition;

use crate::pack::{FORMAT, Packing};
use crate::packages::Selection;
use crate::plan::identity::VERSION_KEYS;
use crate::plan::labels::ATTRIBUTE;
use crate::plan::{self, Planned};
use crate::publish::disk::Proving;

/// The parts of what an image is built from, by name.
mod part {
    pub const FORMAT: &str = "format";
    pub const COMPRESSION: &str = "compression";
    pub const BLOCK_SIZE: &str = "block-size";
    pub const IMAGE: &str = "image";
    pub const EXTENSION: &str = "extension";
    pub const PACKAGES: &str = "packages";
    pub const REQUIRES: &str = "requires";
    pub const TREE: &str = "tree";
    pub const UPDATES: &str = "updates";
    pub const COMPANION: &str = "companion";
    pub const OVERLAY: &str = "overlay";
    pub const OVERLAY_MODES: &str = "overlay-modes";
    pub const RULES: &str = "rules";
    pub const LABELS: &str = "labels";
    pub const CACHES: &str = "caches";
    pub const UNITS: &str = "units-of-base";
    pub const EPOCH: &str = "source-date-epoch";
}

/// Parts that only explain another: they decide nothing themselves.
const EXPLAIN: [&str; 5] = [
    part::OVERLAY,
    part::OVERLAY_MODES,
    part::RULES,
    part::LABELS,
    part::EPOCH,
];
/// So many changed packages are named; the others are counted.
const SHOWN: usize = 8;

/// Says what an image is built from that was planned, and has neither a build number yet nor what
/// tells clients of it.
pub fn of(
    planned: &Planned,
    settings: &plan::Settings,
    merged_sbin: bool,
    (packing, proving): (&Packing, Option<&Proving>),
    selection: &Selection,
) -> BuiltFrom {
    let mut parts = BTreeMap::new();
    let mut put = |name: &str, value: String| parts.insert(name.to_owned(), value);
    put(part::FORMAT, FORMAT.to_string());
    put(part::COMPRESSION, packing.compressor.to_string());
    put(part::BLOCK_SIZE, packing.block_size.to_string());
    if let Some(proving) = proving {
        put(part::IMAGE, proving.described());
    }
    put(part::EXTENSION, extension_of(planned));
    let packages = selection.packages();
    // What their order decides is in the tree.
    let mut lines: Vec<_> = packages
        .iter()
        .map(|one| line(one, settings.epoch))
        .collect();
    lines.sort();
    put(part::PACKAGES, hashed(lines));
    put(part::REQUIRES, hashed(&planned.requires));
    put(part::TREE, tree_of(planned));
    if let Some(companion) = &planned.companion {
        let own = of_companion(&companion.image);
        put(part::COMPANION, own.digest);
    }
    let name = &planned.identity.name;
    if let Some(definition) =
        (settings.updates.as_ref()).and_then(|delivery| Definition::new(name, delivery).ok())
    {
        let definition = definition.with_companion(planned.companion.is_some());
        let texts = definition.files().into_iter();
        let texts = texts.map(|(file, text)| file + "\n" + &text);
        put(part::UPDATES, hashed(texts));
    }
    if let Some(directory) = &settings.overlay {
        let (mut lines, mut modes) = (Vec::new(), Vec::new());
        for (id, _, path) in &planned.plan.overlay {
            let path = path.strip_prefix(directory).unwrap_or(path);
            lines.push(format!("{} {id}", path.display()));
            let entry = planned.plan.tree.get(path.as_os_str().as_bytes());
            let mode = entry.map_or(0, |entry| entry.stat().mode);
            modes.push(format!("{} {mode:o}", path.display()));
        }
        lines.sort();
        modes.sort();
        put(part::OVERLAY_MODES, hashed(modes));
        put(part::OVERLAY, hashed(lines));
    }
    put(
        part::RULES,
        settings.rules.for_base(merged_sbin).names().join(" "),
    );
    if let Some(labels) = labels(&planned.plan.tree) {
        put(part::LABELS, labels);
    }
    let caches = planned.plan.caches.of_base();
    if !caches.is_empty() {
        put(part::CACHES, hashed(caches));
    }
    let units = planned.aliases.of_base();
    if !units.is_empty() {
        put(part::UNITS, hashed(units));
    }
    if let Some(epoch) = settings.epoch {
        put(part::EPOCH, epoch.to_string());
    }
    summed_up(parts)
}

/// Says what a companion is built from: all else is that of its image.
pub fn of_companion(planned: &Planned) -> BuiltFrom {
    let parts = [
        (part::EXTENSION, extension_of(planned)),
        (part::TREE, tree_of(planned)),
    ];
    let parts = parts.map(|(name, value)| (name.to_owned(), value));
    summed_up(parts.into())
}

fn summed_up(parts: BTreeMap<String, String>) -> BuiltFrom {
    let deciding = (parts.iter()).filter(|(name, _)| !EXPLAIN.contains(&name.as_str()));
    let digest = hashed(deciding.map(|(name, value)| format!("{name}={value}")));
    BuiltFrom { digest, parts }
}

/// Returns what stands for what an image says of itself.
fn extension_of(planned: &Planned) -> String {
    let release = planned.identity.release.iter();
    let release = release.filter(|(key, _)| !VERSION_KEYS.contains(key));
    hashed(release.map(|(key, value)| format!("{key}={value}")))
}

/// Returns what stands for what an image holds.
fn tree_of(planned: &Planned) -> String {
    let mut tree = Sha256::new();
    dump::lines(&planned.plan.tree, &mut |line| {
        tree.update(line);
        tree.update("\n");
    });
    hex::encode(tree.finalize())
}

/// Returns what stands for the contents of an image, and for what it says of itself.
pub fn of_contents(built_from: &BuiltFrom) -> String {
    let parts = [part::TREE, part::EXTENSION];
    let parts = parts.map(|name| built_from.parts.get(name).map_or("", String::as_str));
    parts.join("\n")
}

/// Returns what stands for SELinux's labels, if there are any.
fn labels(tree: &Tree) -> Option<String> {
    let mut lines = Vec::new();
    tree.walk(&mut |path, visit| {
        if let Some(label) = visit.stat().xattrs.get(ATTRIBUTE) {
            lines.push(format!("{path} {}", hex::encode(label)));
        }
    });
    (!lines.is_empty()).then(|| hashed(lines))
}

/// Returns what stands for a package: its NEVRA, and more where its header does not say for sure
/// what is in its files.
fn line(package: &Package, limit: Option<u32>) -> String {
    let is_weak = |file: &rpm_input::File| {
        use DigestAlgorithm::{Sha256, Sha384, Sha512};
        file.kind == FileKind::Regular
            && file.size > 0
            && !(file.digest.as_ref())
                .is_some_and(|digest| matches!(digest.algorithm(), Sha256 | Sha384 | Sha512))
    };
    let mut line = package.nevra.to_string();
    if package.files.iter().any(|file| is_weak(&file)) {
        line += " ";
        line += &hex::encode(package.fingerprint());
    }
    // The tree has times that are limited. Packing gives some files their own again.
    for file in package
        .files
        .iter()
        .filter(|file| limit.is_some_and(|limit| file.mtime > limit))
    {
        line += &format!(" {}={}", file.path, file.mtime);
    }
    line
}

/// Returns the SHA-256 of lines, in hexadecimal digits.
fn hashed(lines: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut hash = Sha256::new();
    for line in lines {
        hash.update(line.as_ref());
        hash.update("\n");
    }
    hex::encode(hash.finalize())
}

/// Says what is another than in an image that was built before, packages first; nothing if its
/// manifest does not say what it was built from.
pub fn changes(
    before: &Summary,
    now: &BuiltFrom,
    planned: &Planned,
    selection: &Selection,
) -> Option<Vec<String>> {
    let then = before.built_from.as_ref()?;
    if then.digest == now.digest {
        return Some(Vec::new());
    }
    let mut lines = packages(before, selection);
    let differs = |name: &str| then.parts.get(name) != now.parts.get(name);
    if differs(part::EXTENSION) {
        lines.extend(extension(before, planned));
    }
    for name in [
        part::COMPRESSION,
        part::BLOCK_SIZE,
        part::FORMAT,
        part::IMAGE,
    ] {
        if differs(name) {
            lines.push(was(name, now.parts.get(name), then.parts.get(name)));
        }
    }
    if differs(part::COMPANION) {
        lines.push("what is in its companion".to_owned());
    }
    if differs(part::UPDATES) {
        lines.push("the definition of its updates".to_owned());
    }
    if differs(part::CACHES) {
        lines.push("what the base brings into its caches".to_owned());
    }
    if differs(part::UNITS) {
        lines.push("the names of the base's units".to_owned());
    }
    if differs(part::TREE) {
        let mut why = Vec::new();
        if differs(part::OVERLAY) {
            why.push("the overlay".to_owned());
        }
        // An image of before may say nothing of modes.
        if then.parts.contains_key(part::OVERLAY_MODES) && differs(part::OVERLAY_MODES) {
            why.push("modes of the overlay".to_owned());
        }
        if differs(part::RULES) {
            why.push(rules(now, then));
        }
        if differs(part::LABELS) {
            why.push("SELinux's labels".to_owned());
        }
        if differs(part::EPOCH) {
            let epoch = |of: &'_ BuiltFrom| of.parts.get(part::EPOCH).cloned();
            why.push(was(part::EPOCH, epoch(now).as_ref(), epoch(then).as_ref()));
        }
        if why.is_empty() && lines.is_empty() {
            why.push(
                "the files: other contents, modes, owners or places, though packages, rules and \
                 overlay are called the same"
                    .to_owned(),
            );
        }
        lines.extend(why);
    }
    if lines.is_empty() {
        lines.push(match differs(part::REQUIRES) {
            true => "what its packages require".to_owned(),
            false => "its packages, under the same names and versions".to_owned(),
        });
    }
    Some(lines)
}

/// Says by which inputs an image that was built again is another, in words, by the two manifests: what
/// explains most comes first.
pub fn differing(then: &Summary, again: &Summary) -> Vec<String> {
    let parts = |of: &'_ Summary| of.built_from.as_ref().map(|from| from.parts.clone());
    let (before, now) = (
        parts(then).unwrap_or_default(),
        parts(again).unwrap_or_default(),
    );
    let differs = |name: &str| before.get(name) != now.get(name);
    let mut lines = Vec::new();
    let program = |of: &'_ Summary| of.build.as_ref().map(|build| build.program.clone());
    if program(then) != program(again) {
        lines.push(was(
            "program",
            program(again).as_ref(),
            program(then).as_ref(),
        ));
    }
    for name in [
        part::FORMAT,
        part::COMPRESSION,
        part::BLOCK_SIZE,
        part::IMAGE,
        part::RULES,
        part::EPOCH,
    ] {
        if differs(name) {
            lines.push(was(name, now.get(name), before.get(name)));
        }
    }
    let names: BTreeSet<_> = (then.extension.keys())
        .chain(again.extension.keys())
        .collect();
    for name in names {
        let (before, now) = (then.extension.get(name), again.extension.get(name));
        if before != now {
            lines.push(was(name, now, before));
        }
    }
    for (name, words) in [
        (part::OVERLAY, "the overlay"),
        (part::OVERLAY_MODES, "modes of the overlay"),
        (part::LABELS, "SELinux's labels, which come from the base"),
        (part::CACHES, "what the base brings into its caches"),
        (part::UNITS, "the names of the base's units"),
        (part::UPDATES, "the definition of its updates"),
        (part::COMPANION, "what is in its companion"),
    ] {
        if differs(name) {
            lines.push(words.to_owned());
        }
    }
    if lines.is_empty() && differs(part::TREE) {
        lines.push(
            "the files that the packages come to on this base, though the packages are the same"
                .to_owned(),
        );
    }
    lines
}

/// Returns the version of the format in which an image was packed, and the one that is packed now, if
/// they differ.
pub fn other_format(manifest: &Summary) -> Option<(String, String)> {
    let then = manifest.built_from.as_ref()?.parts.get(part::FORMAT)?;
    let now = FORMAT.to_string();
    (*then != now).then(|| (then.clone(), now))
}

/// Returns the time that no time in an image is after, if one was given (`SOURCE_DATE_EPOCH`), in seconds
/// since 1970.
pub fn epoch(manifest: &Summary) -> Option<u32> {
    let parts = &manifest.built_from.as_ref()?.parts;
    parts.get(part::EPOCH)?.parse().ok()
}

/// Says which rules came and went.
fn rules(now: &BuiltFrom, then: &BuiltFrom) -> String {
    let of = |one: &'_ BuiltFrom| -> BTreeSet<String> {
        let names = one.parts.get(part::RULES).map_or("", String::as_str);
        names.split_whitespace().map(str::to_owned).collect()
    };
    let (now, then) = (of(now), of(then));
    let came = now.difference(&then).map(|name| format!("+{name}"));
    let went = then.difference(&now).map(|name| format!("-{name}"));
    let changed: Vec<_> = came.chain(went).collect();
    format!("rules {}", changed.join(" "))
}

fn was(name: &str, now: Option<&String>, then: Option<&String>) -> String {
    let value = |value: Option<&String>| value.cloned().unwrap_or_else(|| "none".to_owned());
    format!("{name} {}, was {}", value(now), value(then))
}

/// Returns lines on packages that came, went or have another version.
fn packages(before: &Summary, selection: &Selection) -> Vec<String> {
    let key = |name: &str, arch: &str| format!("{name}.{arch}");
    let then: BTreeMap<_, _> = (before.packages.iter())
        .map(|one| {
            let arch = one.architecture.as_deref().unwrap_or_default();
            (
                key(&one.name, arch),
                one.version.clone().unwrap_or_default(),
            )
        })
        .collect();
    let now: BTreeMap<_, _> = (selection.chosen.iter())
        .map(|one| {
            let nevra = &one.package.nevra;
            (key(&nevra.name, &nevra.arch), nevra.evr())
        })
        .collect();
    let mut lines = Vec::new();
    for (name, version) in &now {
        match then.get(name) {
            Some(old) if old == version => {}
            Some(old) => lines.push(format!("{name} {version}, was {old}")),
            None => lines.push(format!("{name} {version} is new")),
        }
    }
    for (name, version) in &then {
        if !now.contains_key(name) {
            lines.push(format!("{name} {version} is gone"));
        }
    }
    if lines.len() > SHOWN {
        let more = lines.split_off(SHOWN).len();
        let mut text = String::new();
        let _ = write!(text, "{more} more packages");
        lines.push(text);
    }
    lines
}

/// Returns lines on what the image says of itself.
fn extension(before: &Summary, planned: &Planned) -> Vec<String> {
    let now: BTreeMap<_, _> = (planned.identity.release.iter())
        .map(|(key, value)| ((*key).to_owned(), value.clone()))
        .collect();
    let names = now.keys().chain(before.extension.keys());
    let is_compared = |name: &&String| !VERSION_KEYS.contains(&name.as_str());
    let mut names: Vec<_> = names.filter(is_compared).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| now.get(*name) != before.extension.get(*name))
        .map(|name| was(name, now.get(name), before.extension.get(name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_that_came_and_went() {
        let of = |names: &str| BuiltFrom {
            digest: String::new(),
            parts: BTreeMap::from([(part::RULES.to_owned(), names.to_owned())]),
        };
        for (now, then, expected) in [
            ("a b", "a", "rules +b"),
            ("a", "a b", "rules -b"),
            ("a d", "b c d", "rules +a -b -c"),
        ] {
            assert_eq!(rules(&of(now), &of(then)), expected);
        }
    }
}
