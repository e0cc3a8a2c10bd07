//! The images that clients may merge with one that is being built: judged with it before it enters
//! the store.
//!
//! Only what the new image brings is said. What is so of the others without it is known by judging
//! the same set with nothing in its place.
//!
//! Before anything is packed the trees are compared, in which packages name the contents of their
//! files. What programs load is known only once the image is packed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use clients::{Client, Host, Outcome, Release, Systemd};
use image::{Content, ContentId, Stat, Tree, Visit};
use linkage::Linkage;
use store::{ListedImage, Store, order};

use super::members::{Contents, Member};
use super::stack::Difference;
use super::{Facts, Files, Layer, in_order};
use crate::base::Base;
use crate::base::files::BaseFiles;
use crate::check::closure::{self, BaseLibraries, Break};
use crate::check::shadow;
use crate::findings::{Finding, kinds};
use crate::inspected::{InspectedImage, described};
use crate::plan::Planned;
use crate::plan::identity::Identity;
use crate::words::failure::{Failure, Result, store_failure};

/// The other images.
pub struct Others {
    images: Vec<Other>,
    /// What can't be read, and so is not judged.
    unread: Vec<Finding>,
}

/// One of them.
struct Other {
    /// The name by which systemd knows it.
    name: String,
    member: Member,
    /// The paths of the base that it hides.
    hides: BTreeSet<String>,
}

/// The new image, packed.
pub struct Packed<'a> {
    /// What its files need and offer.
    pub linkage: &'a Linkage,
    /// The SHA-256 of contents that have another name in the plan.
    pub names: &'a BTreeMap<ContentId, ContentId>,
    /// The libraries of the base.
    pub libraries: &'a BaseLibraries,
    /// The files of the base.
    pub files: Option<&'a BaseFiles<'a>>,
}

impl Others {
    /// Opens images, and of each store the newest one of each extension that hosts merge which merge
    /// an image of this identity. Others of its name are never merged with it.
    pub fn open(
        with: &[PathBuf],
        identity: &Identity,
        base: &Base,
        files: Option<&BaseFiles<'_>>,
    ) -> Result<Self> {
        let architecture = identity.architecture.systemd();
        let open = |path: &Path| InspectedImage::open(path, false, None, Some(architecture));
        let mut chosen: BTreeMap<String, PathBuf> = BTreeMap::new();
        for path in with {
            let found = match path.is_dir() {
                true if !store::has_list(path) => {
                    let path = path.display();
                    let text = format!("--with {path}: it has no SHA256SUMS, so it is not a store");
                    return Err(Failure::usage(text).hint("for one image, name its file"));
                }
                true => offered(path, identity, base)?,
                false => vec![(open(path)?.facts.link, path.clone())],
            };
            for (name, path) in found {
                let is_newer =
                    |known: &PathBuf| order::systemd(&file_of(known), &file_of(&path)).is_lt();
                if chosen.get(&name).is_none_or(is_newer) {
                    chosen.insert(name, path);
                }
            }
        }
        chosen.remove(&identity.name);
        let mut others = Self {
            images: Vec::new(),
            unread: Vec::new(),
        };
        // One file is open at a time.
        for (name, path) in chosen {
            others.add(name, open(&path)?, files)?;
        }
        others.images.sort_by(|a, b| in_order(&a.name, &b.name));
        Ok(others)
    }

    fn add(
        &mut self,
        name: String,
        mut image: InspectedImage,
        files: Option<&BaseFiles<'_>>,
    ) -> Result<()> {
        let Some(inside) = &mut image.inside else {
            let path = image.path.display();
            let text = format!("{path} can't be read, so it was not judged together with this one");
            self.unread.push(Finding::new(&kinds::UNREAD, text));
            return Ok(());
        };
        if image.linkage.is_none() {
            image.linkage = Some(inside.linkage()?);
        }
        let shadows = shadow::of_image(inside, files)?;
        let hides = shadows.iter().map(|one| one.path[1..].to_owned()).collect();
        let member = Member::of(image);
        self.images.extend(member.map(|member| Other {
            name,
            member,
            hides,
        }));
        Ok(())
    }

    /// Returns the file names of the images, for people.
    pub fn names(&self) -> Vec<String> {
        let images = self.images.iter();
        images.map(|other| file_of(&other.member.path)).collect()
    }

    /// Says what a planned image brings to the others, as far as the plan tells.
    pub fn on_plan(&self, planned: &Planned) -> Result<Vec<Finding>> {
        let mut found = self.unread.clone();
        found.extend(self.judge(planned, None)?);
        Ok(found)
    }

    /// Says what a packed image brings to the others, but for what the plan told.
    pub fn on_packed(&self, planned: &Planned, packed: &Packed<'_>) -> Result<Vec<Finding>> {
        let mut found = self.judge(planned, Some(packed))?;
        let told = &planned.plan.findings;
        found.retain(|one| {
            !(told.iter()).any(|other| (other.kind, &other.text) == (one.kind, &one.text))
        });
        Ok(found)
    }

    fn judge(&self, planned: &Planned, packed: Option<&Packed<'_>>) -> Result<Vec<Finding>> {
        if self.images.is_empty() {
            return Ok(Vec::new());
        }
        let (name, tree) = (planned.identity.name.as_str(), &planned.plan.tree);
        let own = (self.images).partition_point(|other| in_order(&other.name, name).is_lt());
        let nothing = (Tree::new(Stat::implicit_directory(0)), Linkage::default());
        let new = Layer {
            name,
            tree,
            linkage: packed.map_or(&nothing.1, |packed| packed.linkage),
        };
        let mut layers: Vec<_> = self.images.iter().map(Other::layer).collect();
        layers.insert(own, new);
        let mut without = layers.clone();
        without[own] = Layer {
            name,
            tree: &nothing.0,
            linkage: &nothing.1,
        };
        let mut hides = BTreeSet::new();
        if let Some(packed) = packed {
            let shadows = shadow::shadows(tree, packed.files, &mut |id| Ok(id.clone()))?;
            hides.extend(shadows.into_iter().map(|one| one.path[1..].to_owned()));
        }
        let other = |layer: usize| &self.images[layer - usize::from(layer > own)];
        let mut contents = Contents::default();
        let mut files = Files {
            naming: &mut |layer, id| match layer == own {
                true => Ok(packed.map_or(id, |packed| packed.name(id)).clone()),
                false => contents.name(&other(layer).member.path, id),
            },
            differs_from_base: &|layer, path| match layer == own {
                true => hides.contains(path),
                false => other(layer).hides.contains(path),
            },
        };
        let below = packed.and_then(|packed| packed.libraries.below());
        let known = Facts::of(&without, below, &mut files)?;
        let mut found = Facts::of(&layers, below, &mut files)?;
        found.subtract(&known);
        if packed.is_none() {
            // Two names of different kinds may be names of the same bytes.
            let is_told = |path: &str| is_named(tree, path);
            (found.clashes).retain(|one| one.how != Difference::Content || is_told(&one.path));
        }
        let together = found.told(&layers, files.naming)?;
        let before = known.told(&without, files.naming)?;
        let mut findings = together.findings;
        findings.retain(|one| !before.findings.contains(one));
        for (layer, mut breaks) in together.breaks.unwrap_or_default() {
            let with = match layer == own {
                false => format!("{}, once {name} is merged, too", layers[layer].name),
                true => {
                    let alone = packed.map(|it| closure::judge(it.linkage, it.libraries));
                    let known = |one: &Break| {
                        alone
                            .iter()
                            .flatten()
                            .any(|known| known.is_about_the_same(one))
                    };
                    breaks.retain(|one| !known(one));
                    let others = self.images.iter().map(|other| other.name.clone());
                    let others: Vec<_> = others.collect();
                    format!("once it is merged with {}", super::listed(&others, ", "))
                }
            };
            let told = closure::findings(&breaks).into_iter();
            findings.extend(told.map(|one| Finding {
                text: format!("{with}: {}", one.text),
                ..one
            }));
        }
        Ok(findings)
    }
}

impl Other {
    fn layer(&self) -> Layer<'_> {
        Layer {
            name: &self.name,
            tree: &self.member.tree,
            linkage: &self.member.linkage,
        }
    }
}

impl Packed<'_> {
    fn name<'a>(&'a self, id: &'a ContentId) -> &'a ContentId {
        self.names.get(id).unwrap_or(id)
    }
}

/// Says whether the plan names the content of a file by its SHA-256.
fn is_named(tree: &Tree, path: &str) -> bool {
    matches!(tree.get(path), Some(Visit::Leaf(_, leaf))
        if matches!(&leaf.content, Content::File { id, .. } if id.is_sha256()))
}

/// Returns the file name of an image.
fn file_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.display().to_string()
}

/// Returns the images of a store that hosts merge with one of this identity: for each extension the
/// newest, by its name.
fn offered(root: &Path, identity: &Identity, base: &Base) -> Result<Vec<(String, PathBuf)>> {
    let mut newest: BTreeMap<String, (String, PathBuf)> = BTreeMap::new();
    for directory in store::directories(root).map_err(store_failure)? {
        let store = Store::open_for_reading(&directory).map_err(store_failure)?;
        for image in store.images().map_err(store_failure)? {
            if !fits(&image, identity, base) {
                continue;
            }
            let version = image
                .version()
                .map_or("", |(version, _)| version)
                .to_owned();
            let is_newer = |(known, _): &(String, PathBuf)| order::systemd(known, &version).is_lt();
            if newest.get(image.name()).is_none_or(is_newer) {
                let path = directory.join(&image.file);
                newest.insert(image.name().to_owned(), (version, path));
            }
        }
    }
    let newest = newest.into_iter();
    Ok(newest.map(|(name, (_, path))| (name, path)).collect())
}

/// Says whether a host merges an image of a store, as its manifest tells, where it merges one of
/// this identity. Where the base is any system, every image is for one of them.
fn fits(image: &ListedImage, identity: &Identity, base: &Base) -> bool {
    let Some(manifest) = &image.manifest else {
        return true;
    };
    let stem = image.file.strip_suffix(".raw").unwrap_or(&image.file);
    let facts = described(stem, manifest);
    let own = Release::of_keys(manifest.extension.clone());
    let host = Host {
        os_release: match base.os_release.get("ID") {
            Some(_) => &base.os_release,
            None => &own,
        },
        architecture: Some(identity.architecture.systemd()),
        is_initrd: false,
    };
    let mut clients = Systemd::ALL.map(Client::Sysext).into_iter();
    clients.any(|client| clients::judge(client, &facts, host).outcome == Outcome::Accepted)
}
