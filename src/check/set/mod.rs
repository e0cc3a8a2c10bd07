//! A set: what a host does with several images that it merges together.
//!
//! systemd orders images by their names as it orders versions, and the last one is on top. Where two
//! have different files at one path, the upper one's is seen, by the programs of the lower one, too;
//! and a library of one image may be found by programs of another, or of the base.

mod loads;
pub mod members;
pub mod others;
mod stack;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use clients::Client;
use image::{Content, Tree, Visit};
use linkage::{Abi, Base as Below, Linkage};
use serde::{Serialize, Serializer};

pub use self::loads::Program;
use self::loads::{Change, Found, Loads};
use self::stack::{Clash, Difference, Naming, Stack};
use crate::base::files::HIERARCHIES;
use crate::base::harm;
use crate::check::caches::cache_at;
use crate::check::closure::{self, Break};
use crate::findings::{Finding, FindingKind, Waivers, kinds};
use crate::words::failure::Result;

/// So many paths or programs are named in one finding.
const SHOWN: usize = 4;

/// One image of a set.
#[derive(Clone, Copy)]
pub struct Layer<'a> {
    /// The name by which systemd knows it: that of the client's link.
    pub name: &'a str,
    /// What is in it.
    pub tree: &'a Tree,
    /// What its files need and offer.
    pub linkage: &'a Linkage,
}

/// Whose a file is. In JSON, an image is its place in the order, the base is null.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// The base's.
    Base,
    /// An image's, by its place in the order.
    Image(usize),
}

impl Together {
    /// Says whether nothing stands against the images together, but what the user allows.
    pub fn passes(&self, waivers: &Waivers) -> bool {
        !self.findings.iter().any(|one| waivers.stops(one))
    }
}

impl Serialize for Origin {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        match self {
            Self::Base => serializer.serialize_none(),
            Self::Image(index) => index.serialize(serializer),
        }
    }
}

/// What is asked of others about the files of a set.
pub struct Files<'a> {
    /// Names a content of an image so that equal names mean equal contents.
    pub naming: &'a mut Naming<'a>,
    /// Says whether an image has another file at a path than the base.
    pub differs_from_base: &'a dyn Fn(usize, &str) -> bool,
}

/// What becomes of images that are merged together.
#[derive(Debug, Default, Serialize)]
pub struct Together {
    /// The images' names, the lowest first.
    pub order: Vec<String>,
    /// The names of images that are merged, too, and of whose files nothing is known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unjudged: Vec<String>,
    /// Where two images have different files.
    pub clashes: Vec<Clash>,
    /// What programs load that they would not without the other images.
    pub changes: Vec<Change>,
    /// What of the base no longer starts.
    pub base_breaks: Vec<Break>,
    /// All of it in words.
    pub findings: Vec<Finding>,
    /// What every program loads.
    #[serde(skip)]
    pub programs: Vec<Program>,
    /// What of each image would not run, where programs could be started.
    #[serde(skip)]
    pub breaks: Option<BTreeMap<usize, Vec<Break>>>,
}

/// Compares the names of images as systemd does when it merges them: the last one is on top.
pub fn in_order(one: &str, two: &str) -> Ordering {
    store::order::systemd(one, two).then(one.cmp(two))
}

/// Judges images, the lowest first, over a base.
pub fn judge(
    layers: &[Layer<'_>],
    below: Option<Below<'_>>,
    mut files: Files<'_>,
) -> Result<Together> {
    Facts::of(layers, below, &mut files)?.told(layers, files.naming)
}

/// What is so of a set, before it is put into words.
struct Facts {
    clashes: Vec<Clash>,
    /// `None` where nothing is known of the base.
    loads: Option<Loads>,
}

impl Facts {
    fn of(layers: &[Layer<'_>], below: Option<Below<'_>>, files: &mut Files<'_>) -> Result<Self> {
        let stack = Stack::new(layers.iter().map(|layer| layer.tree).collect());
        let clashes = stack.clashes(files.naming)?;
        let differing: BTreeSet<(usize, usize, &str)> = (clashes.iter())
            .map(|clash| (clash.upper, clash.lower, clash.path.as_str()))
            .collect();
        let same = |before: Origin, after: Origin, path: &str| match (before, after) {
            (Origin::Image(lower), Origin::Image(upper)) => {
                !differing.contains(&(upper, lower, path))
            }
            (Origin::Base, Origin::Image(upper)) => !(files.differs_from_base)(upper, path),
            _ => before == after,
        };
        let loads = below.map(|below| loads::loads(&stack, layers, below, &same));
        Ok(Self { clashes, loads })
    }

    /// Takes out what is so without one of the images, too.
    fn subtract(&mut self, without: &Self) {
        (self.clashes).retain(|one| !without.clashes.contains(one));
        if let (Some(loads), Some(without)) = (&mut self.loads, &without.loads) {
            (loads.changes).retain(|one| !without.changes.contains(one));
            (loads.base_breaks).retain(|one| !without.base_breaks.contains(one));
            for (image, breaks) in &mut loads.breaks {
                let known = without.breaks.get(image).map_or(&[][..], Vec::as_slice);
                breaks.retain(|one| !known.iter().any(|known| known.is_about_the_same(one)));
            }
        }
    }

    fn told(self, layers: &[Layer<'_>], naming: &mut Naming<'_>) -> Result<Together> {
        let Self { clashes, loads } = self;
        let mut findings = Vec::new();
        let words = Words { layers };
        words.clashes(&clashes, &mut findings);
        words.mounts(&mut findings);
        if let Some(loads) = &loads {
            words.changes(&loads.changes, &mut findings);
            words.twice(loads, naming, &mut findings)?;
            words.base_breaks(&loads.base_breaks, &mut findings);
        }
        let is_known = loads.is_some();
        let loads = loads.unwrap_or_default();
        Ok(Together {
            order: layers.iter().map(|layer| layer.name.to_owned()).collect(),
            unjudged: Vec::new(),
            clashes,
            changes: loads.changes,
            base_breaks: loads.base_breaks,
            findings,
            programs: loads.programs,
            breaks: is_known.then_some(loads.breaks),
        })
    }
}

/// Puts into words what becomes of a set.
struct Words<'a> {
    layers: &'a [Layer<'a>],
}

impl Words<'_> {
    fn name(&self, layer: usize) -> &str {
        self.layers[layer].name
    }

    /// Makes one finding for each pair of images and kind.
    fn clashes(&self, clashes: &[Clash], findings: &mut Vec<Finding>) {
        let mut groups: BTreeMap<(&'static FindingKind, usize, usize), Vec<String>> =
            BTreeMap::new();
        for clash in clashes {
            let (upper, lower) = (self.name(clash.upper), self.name(clash.lower));
            let kind = kind_of(clash);
            let how = clash.how.in_words(upper, lower);
            let text = format!("/{} {how}", clash.path);
            groups
                .entry((kind, clash.upper, clash.lower))
                .or_default()
                .push(text);
        }
        for ((kind, upper, lower), texts) in groups {
            let (upper, lower) = (self.name(upper), self.name(lower));
            let paths = listed(&texts, "; ");
            let text = format!("{upper} wins over {lower}, as systemd orders names: {paths}");
            findings.push(Finding::new(kind, text));
        }
    }

    /// Looks at whether systemd can mount so many images.
    fn mounts(&self, findings: &mut Vec<Finding>) {
        for hierarchy in HIERARCHIES {
            let has = |layer: &&Layer<'_>| {
                matches!(layer.tree.get(hierarchy), Some(Visit::Directory(found))
                    if found.entries().len() > 0)
            };
            let names: Vec<_> = (self.layers.iter().filter(has))
                .map(|layer| layer.name)
                .collect();
            let length = clients::mount_options(hierarchy, names.iter().copied());
            if length > clients::ROOM_FOR_MOUNT_OPTIONS {
                let text = format!(
                    "the names of {} images make {length} bytes of mount options for /{hierarchy}, \
                     of which Linux takes {} from {}: none would be merged",
                    names.len(),
                    clients::ROOM_FOR_MOUNT_OPTIONS,
                    listed(
                        &clients::Systemd::ALL.map(|one| Client::Sysext(one).to_string()),
                        ", "
                    ),
                );
                findings.push(Finding::new(&kinds::TOO_MANY_IMAGES, text));
            }
        }
    }

    fn changes(&self, changes: &[Change], findings: &mut Vec<Finding>) {
        let mut groups: BTreeMap<(&str, String), BTreeSet<String>> = BTreeMap::new();
        for change in changes {
            // What is missing with all images is said as such.
            let Some(after) = &change.after else { continue };
            let Some(before) = &change.before else {
                continue;
            };
            let how = format!("{} instead of {}", self.found(after), self.found(before));
            let program = format!("{}{}", change.program, self.of(change.of));
            groups
                .entry((&change.name, how))
                .or_default()
                .insert(program);
        }
        for ((name, how), programs) in groups {
            let programs: Vec<_> = programs.into_iter().collect();
            let text = format!("{name} is {how}, for {}", listed(&programs, ", "));
            findings.push(Finding::new(&kinds::LOADS_ANOTHER, text));
        }
    }

    /// Looks for libraries of one name that two images have in different places.
    fn twice(
        &self,
        loads: &Loads,
        naming: &mut Naming<'_>,
        findings: &mut Vec<Finding>,
    ) -> Result<()> {
        let mut places: BTreeMap<(&str, Abi), Vec<(usize, &str)>> = BTreeMap::new();
        for (image, layer) in self.layers.iter().enumerate() {
            for (path, object) in &layer.linkage.libraries {
                if let Some(name) = &object.soname {
                    let places = places.entry((name, object.abi)).or_default();
                    places.push((image, path));
                }
            }
        }
        for ((name, _), places) in &places {
            let images: BTreeSet<_> = places.iter().map(|(image, _)| image).collect();
            if images.len() < 2 || !self.are_different(places, naming)? {
                continue;
            }
            let places: Vec<_> = (places.iter())
                .map(|(image, path)| format!("/{path} of {}", self.name(*image)))
                .collect();
            let mut text = format!("{name} is {}", listed(&places, " and "));
            let mut users: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            for program in &loads.programs {
                if let Some(found) = program.libraries.get(*name) {
                    let program = format!("{}{}", program.path, self.of(program.of));
                    users.entry(self.found(found)).or_default().insert(program);
                }
            }
            for (found, programs) in users {
                let programs: Vec<_> = programs.into_iter().collect();
                text += &format!("; {found} is loaded by {}", listed(&programs, ", "));
            }
            findings.push(Finding::new(&kinds::LIBRARY_TWICE, text));
        }
        Ok(())
    }

    /// Says whether files in different places are different. At one path, that is said anyway.
    fn are_different(&self, places: &[(usize, &str)], naming: &mut Naming<'_>) -> Result<bool> {
        let paths: BTreeSet<_> = places.iter().map(|(_, path)| path).collect();
        let mut contents = BTreeSet::new();
        for (image, path) in places {
            if paths.len() > 1
                && let Some(Visit::Leaf(_, leaf)) = self.layers[*image].tree.get(path)
                && let Content::File { id, .. } = &leaf.content
            {
                contents.insert(naming(*image, id)?);
            }
        }
        Ok(contents.len() > 1)
    }

    fn base_breaks(&self, breaks: &[Break], findings: &mut Vec<Finding>) {
        findings.extend(closure::findings(breaks).into_iter().map(|finding| {
            let names: Vec<_> = (self.layers.iter())
                .map(|layer| layer.name.to_owned())
                .collect();
            let text = format!("with {}: {}", listed(&names, ", "), finding.text);
            Finding::new(&kinds::BASE_BREAKS, text)
        }));
    }

    fn found(&self, found: &Found) -> String {
        match &found.path {
            Some(path) => format!("{path}{}", self.of(found.of)),
            None => "what a package of the base provides".to_owned(),
        }
    }

    fn of(&self, origin: Origin) -> String {
        match origin {
            Origin::Base => " of the base".to_owned(),
            Origin::Image(image) => format!(" of {}", self.name(image)),
        }
    }
}

/// Says what kind of finding a clash is.
fn kind_of(clash: &Clash) -> &'static FindingKind {
    match &clash.how {
        Difference::Directory(upper, lower) => match harm(*upper, *lower) {
            Some(_) => &kinds::DIRECTORY_ACCESS,
            None => &kinds::DIRECTORY_MODE,
        },
        _ if cache_at(&clash.path).is_some() => &kinds::CACHE_HIDDEN,
        _ => &kinds::IMAGE_CONFLICT,
    }
}

/// Lists the first few.
fn listed(texts: &[String], between: &str) -> String {
    let mut shown: Vec<_> = texts.iter().take(SHOWN).cloned().collect();
    if texts.len() > SHOWN {
        shown.push(format!("{} more", texts.len() - SHOWN));
    }
    shown.join(between)
}
