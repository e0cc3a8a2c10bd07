//! The shadowing gate: what of the base an image would hide or replace where it is merged.
//!
//! A merge is an overlay. Where both have a directory, the entries of both are there, and the
//! directory has the image's mode and owner. Of everything else the image's is seen and the
//! base's is not: a file replaces a file, a link hides a whole directory, a directory hides a link
//! and all that was reached through it.
//!
//! A hierarchy itself, `/usr` or `/opt`, may be a link of the base: systemd follows it, and merges
//! over what it leads to.
//!
//! Where the base's files are not known, only what every base has is looked at.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::iter::successors;

use architecture::{Elf, Gnu};
use files::{PathBytes, directory_of, shown};
use image::{
    Content, ContentId, Directory, Entry, Step, Tree, Visit, follow, is_below, is_of_overlayfs,
};
use serde::Serialize;

use super::caches::cache_at;
use crate::alive::caches;
use crate::alive::places;
use crate::base::files::{BaseEntry, BaseFiles, HIERARCHIES};
use crate::base::{Access, harm};
use crate::findings::{self, Finding, FindingKind, kinds};
use crate::inspected::Inside;
use crate::words::failure::Result;

/// Directories that every base has. A merged image's attributes win over the base's.
const BASE_DIRECTORIES: &[&str] = &[
    "opt",
    "usr",
    "usr/bin",
    "usr/etc",
    "usr/games",
    "usr/include",
    "usr/lib",
    "usr/lib/firmware",
    "usr/lib/modules",
    "usr/lib/systemd",
    "usr/lib/systemd/system",
    "usr/lib/systemd/user",
    "usr/lib/sysusers.d",
    "usr/lib/tmpfiles.d",
    "usr/lib/udev",
    "usr/lib64",
    "usr/libexec",
    "usr/local",
    "usr/sbin",
    "usr/share",
    "usr/share/doc",
    "usr/share/info",
    "usr/share/licenses",
    "usr/share/locale",
    "usr/share/man",
    "usr/src",
];

/// So many paths are named in one finding.
const SHOWN: usize = 4;
/// Links that every base has that an image fits.
const MERGED: [(&str, &str); 4] = [
    ("bin", "usr/bin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    ("sbin", "usr/sbin"),
];
/// The mode and owner of a directory of which nothing is known.
const USUAL: Access = Access {
    mode: 0o755,
    uid: 0,
    gid: 0,
};
/// Where users type names of programs, and the base may have them in either.
const COMMANDS: [(&str, &str); 4] = [
    ("usr/bin", "usr/sbin"),
    ("usr/sbin", "usr/bin"),
    ("usr/bin", "usr/local/bin"),
    ("usr/sbin", "usr/local/sbin"),
];

/// Returns the other directories where a C library's loader looks for libraries of the kind that
/// this one has: distributions name them otherwise, and their packages may be mixed.
fn library_directories(directory: &str) -> Vec<String> {
    let plain = |elf: Elf| {
        if elf.bits == 64 {
            "usr/lib64"
        } else {
            "usr/lib"
        }
    };
    let below_lib = |gnu: &Gnu| format!("usr/lib/{}", gnu.triplet);
    let mut others = Vec::new();
    for (elf, gnu) in architecture::elf_targets() {
        if directory == plain(elf) {
            others.push(below_lib(gnu));
        } else if directory == below_lib(gnu) {
            others.extend(
                BTreeSet::from([plain(elf), "usr/lib"])
                    .into_iter()
                    .map(str::to_owned),
            );
        }
    }
    others
}

/// What is there on a running system alone.
const AT_RUN_TIME: [&str; 5] = ["dev", "proc", "run", "sys", "tmp"];

/// Names a content of an image, as in `sha256:9f86…`.
pub type Naming<'a> = dyn FnMut(&ContentId) -> Result<ContentId> + 'a;

/// What an image does to a path of the base.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Shadow {
    /// The finding that it is.
    #[serde(rename = "id", serialize_with = "findings::name_of")]
    pub kind: &'static FindingKind,
    /// The path, with its leading slash.
    pub path: String,
    /// What happens there, in words.
    pub what: String,
    /// The package of the base that owns it, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// Looks at a tree over a base. `naming` is asked for the contents of files that replace one of
/// the same size.
pub fn shadows(
    tree: &Tree,
    base: Option<&BaseFiles<'_>>,
    naming: &mut Naming<'_>,
) -> Result<Vec<Shadow>> {
    let mut gate = Gate {
        tree,
        base,
        naming,
        found: overlayfs_attributes(tree),
    };
    gate.directory(&PathBytes::default(), tree.root())?;
    gate.links();
    gate.found.sort();
    Ok(gate.found)
}

/// Looks at a finished image over a base. A cache that has all that both bring hides nothing.
pub fn of_image(inside: &mut Inside, base: Option<&BaseFiles<'_>>) -> Result<Vec<Shadow>> {
    let mut found = {
        let (tree, mut digest) = inside.tree_and_digest();
        shadows(tree, base, &mut digest)?
    };
    let is_hidden = |one: &&Shadow| one.kind == &kinds::CACHE_HIDDEN;
    let hidden = found.iter().filter(is_hidden);
    let hidden: Vec<_> = hidden.map(|one| one.path.clone()).collect();
    // One directory has several files that are made at once.
    let mut made = BTreeMap::new();
    for path in hidden {
        if is_whole(&path[1..], inside, base, &mut made) {
            found.retain(|one| one.path != path);
        }
    }
    Ok(found)
}

/// Says whether the cache at a path is what is made of the sources of the image and of the base. What
/// was `made` before is looked up.
fn is_whole(
    path: &str,
    inside: &mut Inside,
    base: Option<&BaseFiles<'_>>,
    made: &mut BTreeMap<String, Vec<u8>>,
) -> bool {
    let (tree, mut read) = inside.tree_and_contents();
    if !made.contains_key(path) {
        let again = caches::made_again(path, tree, base, &mut read);
        made.extend(again.unwrap_or_default());
    }
    let Some(Visit::Leaf(_, leaf)) = tree.get(path) else {
        return false;
    };
    match (&leaf.content, made.get(path)) {
        (Content::File { id, .. }, Some(made)) => {
            read(id, made.len() as u64).as_ref() == Some(made)
        }
        _ => false,
    }
}

/// Finds what overlayfs would not take for a mere attribute.
pub fn overlayfs_attributes(tree: &Tree) -> Vec<Shadow> {
    let mut found = Vec::new();
    tree.walk(&mut |path, visit| {
        let is_merged = HIERARCHIES
            .iter()
            .any(|hierarchy| is_below(path, hierarchy));
        let names = visit.stat().xattrs.keys().filter(|_| is_merged);
        found.extend(
            names
                .filter(|name| is_of_overlayfs(name))
                .map(|name| Shadow {
                    kind: &kinds::OVERLAYFS_ATTRIBUTE,
                    path: format!("/{path}"),
                    what: format!("has the attribute {name}"),
                    owner: None,
                }),
        );
    });
    found
}

struct Gate<'a, 'n> {
    tree: &'a Tree,
    base: Option<&'a BaseFiles<'a>>,
    naming: &'a mut Naming<'n>,
    found: Vec<Shadow>,
}

impl Gate<'_, '_> {
    fn add(&mut self, kind: &'static FindingKind, path: &PathBytes, what: impl Into<String>) {
        let owner = self.base.and_then(|base| base.owner(path));
        self.found.push(Shadow {
            kind,
            path: format!("/{path}"),
            what: what.into(),
            owner: owner.map(|package| package.nevra.to_string()),
        });
    }

    /// Returns what the base has at a path, as far as it is known.
    fn of_base(&self, path: &[u8]) -> BaseEntry {
        let is_path = |known: &&str| known.as_bytes() == path;
        match self.base {
            Some(base) => base.below(path),
            None if BASE_DIRECTORIES.iter().any(is_path) => BaseEntry::Directory(Some(USUAL)),
            None => BaseEntry::Missing,
        }
    }

    fn directory(&mut self, above: &PathBytes, directory: &Directory) -> Result<()> {
        for (name, entry) in directory.entries() {
            let mut path = above.clone();
            path.push(name);
            let of_base = self.of_base(path.bytes());
            match entry {
                Entry::Directory(below) => {
                    self.below(&path, below, &of_base)?;
                }
                Entry::Leaf(id) => {
                    let leaf = self.tree.leaf(id);
                    self.leaf(&path, &leaf.content, &of_base)?;
                    self.twin(above, name);
                }
            }
        }
        Ok(())
    }

    fn below(
        &mut self,
        path: &PathBytes,
        directory: &Directory,
        of_base: &BaseEntry,
    ) -> Result<()> {
        match of_base {
            BaseEntry::Missing => {}
            BaseEntry::Directory(of_base) => {
                let own = Access::of(&directory.stat);
                // Where only the files in it are known, the mode may be any, the owner hardly.
                let of_base = of_base.unwrap_or(Access {
                    mode: own.mode,
                    ..USUAL
                });
                // Mode and owner of the hierarchy itself stay the base's.
                if path.bytes().contains(&b'/') && own != of_base {
                    self.other_access(path, own, of_base);
                } else if let Some(to) = self.base.and_then(|base| base.behind_link(path)) {
                    let what = format!(
                        "is a link to /{to} in the base, which is read-only while the image is \
                         merged"
                    );
                    self.add(&kinds::READ_ONLY, path, what);
                }
            }
            BaseEntry::Link(target) => {
                let what = format!("is a directory in the image, a link to {target} in the base");
                self.add(&kinds::DIRECTORY_OVER_LINK, path, what);
                return Ok(());
            }
            BaseEntry::File(_) | BaseEntry::Special => {
                self.add(
                    &kinds::SHADOWS_BASE,
                    path,
                    "is a directory in the image, a file in the base",
                );
                return Ok(());
            }
        }
        self.directory(path, directory)
    }

    fn other_access(&mut self, path: &PathBytes, own: Access, of_base: Access) {
        let mut what = format!("has {own} in the image, {of_base} in the base");
        let kind = match harm(own, of_base) {
            Some(harm) => {
                what += &format!(", which {harm}");
                &kinds::DIRECTORY_ACCESS
            }
            None => &kinds::DIRECTORY_MODE,
        };
        self.add(kind, path, what);
    }

    fn leaf(&mut self, path: &PathBytes, content: &Content, of_base: &BaseEntry) -> Result<()> {
        match (content, of_base) {
            (_, BaseEntry::Missing) => {}
            (Content::Symlink(target), BaseEntry::Directory(_)) => {
                let what =
                    format!("is a link to {target}, and would hide that directory of the base");
                self.add(&kinds::LINK_OVER_DIRECTORY, path, what);
            }
            (_, BaseEntry::Directory(_)) => {
                self.add(
                    &kinds::SHADOWS_BASE,
                    path,
                    "is a file in the image, a directory in the base",
                );
            }
            (Content::Symlink(target), BaseEntry::Link(own)) if target == own => {}
            (Content::Symlink(target), BaseEntry::Link(own)) => {
                let what = format!("is a link to {target} in the image, to {own} in the base");
                self.add(&kinds::SHADOWS_BASE, path, what);
            }
            (Content::File { size, id }, BaseEntry::File(own)) if size == own => {
                let id = (self.naming)(id)?;
                let base = self
                    .base
                    .map(|base| base.has_content(path, &id.to_string()));
                if base.transpose()?.flatten() == Some(false) {
                    self.other_file(path, "differs from the base's".to_owned());
                }
            }
            (Content::File { size, .. }, BaseEntry::File(own)) => {
                let what = format!("has {size} bytes in the image, {own} in the base");
                self.other_file(path, what);
            }
            _ => self.add(
                &kinds::SHADOWS_BASE,
                path,
                "is of a different type in the base",
            ),
        }
        Ok(())
    }

    /// Notes a file that is seen in the place of another one of the base.
    fn other_file(&mut self, path: &PathBytes, what: String) {
        match cache_at(&path.text()) {
            Some(made_by) => {
                let what = format!("{what}: what {made_by} listed there is not found");
                self.add(&kinds::CACHE_HIDDEN, path, what);
            }
            None => self.add(&kinds::SHADOWS_BASE, path, what),
        }
    }

    /// Notes a program or library that the base has under the same name in another directory of
    /// its kind.
    fn twin(&mut self, above: &PathBytes, name: &[u8]) {
        let Some(base) = self.base else { return };
        let directory = &*above.text();
        let commands = COMMANDS.iter().filter(|(here, _)| *here == directory);
        let commands = commands.map(|(_, there)| (*there).to_owned());
        let mut twins: Vec<_> = commands
            .map(|there| (there, &kinds::COMMAND_IN_BASE, "the order in PATH decides"))
            .collect();
        if shown(name).contains(".so") {
            let what = "the loader takes the first one that it finds";
            let libraries = library_directories(directory).into_iter();
            twins.extend(libraries.map(|there| (there, &kinds::LIBRARY_IN_BASE, what)));
        }
        for (there, kind, what) in twins {
            let there = PathBytes::from(there);
            let [mut own, mut other] = [above.clone(), there.clone()];
            own.push(name);
            other.push(name);
            let hidden = self.tree.get(&other).is_some();
            // Where one directory is a link, both are one.
            let is_link = |path: &PathBytes| matches!(base.entry(path), BaseEntry::Link(_));
            if !hidden
                && !is_link(&there)
                && !is_link(above)
                && matches!(base.entry(&other), BaseEntry::File(_) | BaseEntry::Link(_))
            {
                let what = format!("is /{other} in the base: {what}");
                self.add(kind, &own, what);
            }
        }
    }

    /// Looks at where the image's links lead on the merged system.
    fn links(&mut self) {
        let tree = self.tree;
        tree.walk(&mut |path, visit| {
            let Visit::Leaf(_, leaf) = visit else { return };
            let Content::Symlink(target) = &leaf.content else {
                return;
            };
            let above = directory_of(path.bytes()).unwrap_or_default();
            // An absolute target leads on from the root.
            let whole = match target.bytes().starts_with(b"/") {
                true => target.clone(),
                false => [above, b"/", target.bytes()].concat().into(),
            };
            if let Some(what) = self.leads(&whole, target) {
                self.add(&kinds::DANGLING_LINK, path, what);
            }
        });
    }

    /// Says what is wrong with a link whose target is `path`, if anything is.
    fn leads(&self, path: &PathBytes, target: &PathBytes) -> Option<String> {
        let mut last = PathBytes::default();
        let mut is_further = false;
        let mut look = |path: &PathBytes| {
            path.clone_into(&mut last);
            let step = self.step(path);
            is_further |= matches!(step, Step::Link(_));
            step
        };
        if follow(path, &mut look).is_some() {
            return None;
        }
        // The way may end far from where it began.
        let target = match is_further {
            true => format!("{target}, which leads to /{last}"),
            false => target.to_string(),
        };
        let inside = HIERARCHIES
            .iter()
            .any(|hierarchy| is_below(&last, hierarchy));
        if AT_RUN_TIME.iter().any(|place| is_below(&last, place)) {
            return None;
        }
        if is_below(&last, "etc/alternatives") {
            return Some(format!(
                "points to {target}, which update-alternatives makes when the package is installed"
            ));
        }
        match self.base {
            None if inside => None,
            None => Some(format!("points to {target}, which no image can contain")),
            Some(_) => Some(format!(
                "points to {target}, which is in neither the image nor the base"
            )),
        }
    }

    /// Returns what the image's factory has for a path of the host.
    fn factory(&self, path: &PathBytes) -> Option<Step> {
        match self.tree.get(places::factory(path))? {
            Visit::Directory(_) => Some(Step::Directory),
            Visit::Leaf(..) => Some(Step::Leaf),
        }
    }

    /// Returns what is at a path of the merged system.
    fn step(&self, path: &PathBytes) -> Step {
        let own = match self.base {
            Some(base) => base.in_image(path),
            None => Cow::Borrowed(path.bytes()),
        };
        match self.tree.get(&own) {
            Some(Visit::Directory(_)) => return Step::Directory,
            Some(Visit::Leaf(_, leaf)) => {
                return match &leaf.content {
                    Content::Symlink(target) => Step::Link(target.clone()),
                    _ => Step::Leaf,
                };
            }
            None => {}
        }
        // Below a directory that hides a link or file of the base there is nothing of the base.
        let hidden =
            successors(directory_of(path.bytes()), |path| directory_of(path)).any(|above| {
                self.tree.get(above).is_some()
                    && !matches!(self.of_base(above), BaseEntry::Directory(_))
            });
        if hidden {
            return Step::Nothing;
        }
        match self.of_base(path.bytes()) {
            // What a host has to have outside of them, systemd-tmpfiles copies from the image.
            BaseEntry::Missing if self.factory(path).is_some() => {
                self.factory(path).unwrap_or(Step::Nothing)
            }
            // Rules move files of packages that have them beside these links. Where no root shows
            // it, the links are there: without them, no program would start.
            BaseEntry::Missing if self.base.is_none_or(|base| !base.has_root()) => {
                let link = MERGED.iter().find(|(link, _)| path == link);
                link.map_or(Step::Nothing, |(_, target)| Step::Link((*target).into()))
            }
            BaseEntry::Missing => Step::Nothing,
            BaseEntry::Directory(_) => Step::Directory,
            BaseEntry::Link(target) => Step::Link(target),
            BaseEntry::File(_) | BaseEntry::Special => Step::Leaf,
        }
    }
}

/// Where a path of the merged system ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// At a file of the image with this mode, or a directory.
    Image(u16),
    /// At what the base has.
    Base,
    /// Nothing is there.
    Nothing,
    /// Nothing is there that is merged; it may be made on the running system.
    Elsewhere,
}

/// Returns where an absolute path ends once a tree is merged over a base.
pub fn end(tree: &Tree, base: &BaseFiles<'_>, path: &str) -> End {
    let gate = Gate {
        tree,
        base: Some(base),
        naming: &mut |id| Ok(id.clone()),
        found: Vec::new(),
    };
    let mut last = PathBytes::default();
    let found = follow(path, &mut |path| {
        path.clone_into(&mut last);
        gate.step(path)
    });
    let Some(found) = found else {
        let is_merged = HIERARCHIES.iter().any(|it| is_below(&last, it));
        let is_link = MERGED.iter().any(|(link, _)| is_below(&last, link));
        return match is_merged || is_link {
            true => End::Nothing,
            false => End::Elsewhere,
        };
    };
    match tree.get(base.in_image(&found)) {
        Some(visit) => End::Image(visit.stat().mode),
        None => End::Base,
    }
}

/// Sums up shadows as findings, one for each kind and owner.
pub fn findings(shadows: &[Shadow]) -> Vec<Finding> {
    let mut groups: BTreeMap<(&'static FindingKind, &Option<String>), Vec<&Shadow>> =
        BTreeMap::new();
    for shadow in shadows {
        groups
            .entry((shadow.kind, &shadow.owner))
            .or_default()
            .push(shadow);
    }
    groups
        .into_iter()
        .map(|((kind, owner), group)| {
            let mut shown: Vec<_> = group
                .iter()
                .take(SHOWN)
                .map(|shadow| format!("{} {}", shadow.path, shadow.what))
                .collect();
            if group.len() > SHOWN {
                shown.push(format!("{} more", group.len() - SHOWN));
            }
            let text = shown.join("; ");
            Finding::new(
                kind,
                match owner {
                    Some(owner) => format!("of {owner}: {text}"),
                    None => text,
                },
            )
        })
        .collect()
}

#[cfg(test)]
mod tests;
