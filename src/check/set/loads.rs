//! Which libraries programs get where several images are merged, and which they would get without.
//!
//! Every program of an image is started twice: with its own image alone over the base, and with all
//! of them. Where the base's files are known, its programs are, too: over nothing, and below the
//! images.

use std::collections::BTreeMap;

use image::{Content, LeafId, Tree};
use linkage::{
    Base as Below, Cover, Entry, Library, Linkage, Loader, Processor, Start, Subject, View,
};
use serde::Serialize;

use super::stack::{Stack, What};
use super::{Layer, Origin};
use crate::check::closure::{self, Break};

/// A program of the merged system, and what it loads there.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Program {
    /// Its path.
    pub path: String,
    /// Whose it is.
    pub of: Origin,
    /// By the name that is asked for: the libraries that it loads.
    pub libraries: BTreeMap<String, Found>,
}

/// Where a library is found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Found {
    /// The path under which the loader finds it; none where a package is known to provide it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Whose it is.
    pub of: Origin,
    /// Its path there, without links.
    #[serde(skip)]
    pub file: Option<String>,
}

/// A library that a program gets from elsewhere than without the other images.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Change {
    /// The program's path.
    pub program: String,
    /// Whose it is.
    pub of: Origin,
    /// The library's name.
    pub name: String,
    /// What it would be without the other images.
    pub before: Option<Found>,
    /// What it is with them.
    pub after: Option<Found>,
}

/// What all programs load.
#[derive(Debug, Default)]
pub struct Loads {
    /// Every program of the images, and those of the base where its files are known.
    pub programs: Vec<Program>,
    /// What is another library than without the other images.
    pub changes: Vec<Change>,
    /// What would not run, of each image.
    pub breaks: BTreeMap<usize, Vec<Break>>,
    /// What of the base no longer starts.
    pub base_breaks: Vec<Break>,
}

/// An image, or several merged, as the loader sees them.
struct Merged {
    linkage: Linkage,
    cover: Cover,
}

impl Merged {
    fn of(stack: &Stack<'_>, layers: &[Layer<'_>]) -> Self {
        let mut linkage = Linkage::default();
        stack.walk(&mut |path, layer, what| {
            if let What::Leaf(id) = what {
                let of = &layers[layer];
                add(&mut linkage, stack, (layer, of), path, id);
            }
        });
        Self {
            linkage,
            cover: stack.cover(),
        }
    }
}

/// Adds what is seen at a path of a stack, as the linkage of its layer says it.
fn add(
    linkage: &mut Linkage,
    stack: &Stack<'_>,
    (layer, of): (usize, &Layer<'_>),
    path: &str,
    id: LeafId,
) {
    if let Content::Symlink(target) = &of.tree.leaf(id).content {
        linkage.links.insert(path.to_owned(), target.to_string());
        return;
    }
    // A further hard link is listed with the path of the first one, which may be hidden here.
    let mut own = path;
    if let Some(Entry::Link(first)) = of.linkage.entry(path) {
        let first = first.trim_start_matches('/');
        if stack.layer(first) == Some(layer) && is_leaf(of.tree, first, id) {
            linkage.links.insert(path.to_owned(), format!("/{first}"));
            return;
        }
        own = first;
    }
    let path = path.to_owned();
    if let Some(object) = of.linkage.programs.get(own) {
        linkage.programs.insert(path, object.clone());
    } else if let Some(object) = of.linkage.libraries.get(own) {
        linkage.libraries.insert(path, object.clone());
    } else if let Some(script) = of.linkage.scripts.get(own) {
        linkage.scripts.insert(path, script.clone());
    } else if let Some(problem) = of.linkage.unread.get(own) {
        linkage.unread.insert(path, problem.clone());
    }
}

fn is_leaf(tree: &Tree, path: &str, id: LeafId) -> bool {
    matches!(tree.get(path), Some(image::Visit::Leaf(found, _)) if found == id)
}

/// Says whether two files with these paths in these places are the same.
pub type Same<'a> = dyn Fn(Origin, Origin, &str) -> bool + 'a;

/// Starts every program of a stack over a base, with all layers and without the others.
pub fn loads(stack: &Stack<'_>, layers: &[Layer<'_>], below: Below<'_>, same: &Same<'_>) -> Loads {
    let merged = Merged::of(stack, layers);
    let view = View::whole(&merged.linkage, &merged.cover, below);
    let mut loads = Loads::default();
    let processors: &[Processor] = match view.has_hwcaps() {
        true => &[Processor::Oldest, Processor::Newest],
        false => &[Processor::Oldest],
    };
    for processor in processors {
        let loader = Loader::new(&view, *processor);
        let mut pass = Pass {
            stack,
            loader: &loader,
            below,
            same,
            loads: &mut loads,
        };
        for (index, layer) in layers.iter().enumerate() {
            pass.image(index, layer, &merged.linkage, *processor);
        }
        if let Below::Files(root) = below
            && touches_libraries(&merged)
        {
            let nothing = Linkage::default();
            let alone = View::new(&nothing, below);
            let alone = Loader::new(&alone, *processor);
            for path in root.programs() {
                pass.compare(&path, Origin::Base, &alone);
            }
        }
    }
    for one in closure::judge_view(&merged.linkage, &view, below) {
        if let Some(layer) = stack.layer(&one.path[1..]) {
            loads.breaks.entry(layer).or_default().push(one);
        }
    }
    loads.base_breaks.sort();
    loads.base_breaks.dedup();
    loads.programs.sort();
    loads.programs.dedup();
    loads.changes.sort();
    loads.changes.dedup();
    loads
}

/// Says whether a program of the base may load anything else because of these images.
fn touches_libraries(merged: &Merged) -> bool {
    let mut paths = (merged.cover.files.iter()).chain(&merged.cover.hidden);
    paths.any(|path| path.contains(".so"))
        || !merged.linkage.libraries.is_empty()
        || !merged.linkage.links.is_empty()
        || !merged.cover.hidden.is_empty()
}

/// One pass over all programs, for one kind of processor.
struct Pass<'p, 'a> {
    stack: &'p Stack<'a>,
    loader: &'p Loader<'p>,
    below: Below<'p>,
    same: &'p Same<'p>,
    loads: &'p mut Loads,
}

impl Pass<'_, '_> {
    fn image(&mut self, index: usize, layer: &Layer<'_>, merged: &Linkage, processor: Processor) {
        let single = std::slice::from_ref(layer);
        let own = Stack::new(vec![layer.tree]);
        let own = Merged::of(&own, single);
        let view = View::whole(&own.linkage, &own.cover, self.below);
        let alone = Loader::new(&view, processor);
        let seen = |path: &&String| self.stack.layer(path) == Some(index);
        let programs: Vec<_> = merged.programs.keys().filter(seen).cloned().collect();
        for path in programs {
            self.compare(&path, Origin::Image(index), &alone);
        }
    }

    /// Starts a program with all images and as `alone` does.
    fn compare(&mut self, path: &str, of: Origin, alone: &Loader<'_>) {
        let Some(start) = self.loader.start_merged(path) else {
            return;
        };
        // An image has another program at the path, which is compared as its own.
        if of == Origin::Base && self.stack.layer(path).is_some() {
            return;
        }
        let before = alone.start_merged(path).unwrap_or_default();
        let libraries = self.found(&start, |file| self.origin(file));
        let own = |_: &str| of;
        for (name, change) in differing(&self.found(&before, own), &libraries, self.same) {
            let (before, after) = change;
            self.loads.changes.push(Change {
                program: format!("/{path}"),
                of,
                name,
                before,
                after,
            });
        }
        if of == Origin::Base {
            let subject = Subject { path, alone: false };
            let new = (start.problems.iter()).filter(|one| !before.problems.contains(one));
            let broken = new.map(|one| closure::broken(self.below, subject, one.clone()));
            self.loads.base_breaks.extend(broken);
        }
        self.loads.programs.push(Program {
            path: format!("/{path}"),
            of,
            libraries,
        });
    }

    fn origin(&self, file: &str) -> Origin {
        self.stack.layer(file).map_or(Origin::Base, Origin::Image)
    }

    fn found(&self, start: &Start, of: impl Fn(&str) -> Origin) -> BTreeMap<String, Found> {
        let found = |library: &Library| Found {
            path: library.path.clone(),
            of: match &library.file {
                Some(file) if file.in_image => of(&file.path),
                _ => Origin::Base,
            },
            file: library.file.as_ref().map(|file| file.path.clone()),
        };
        let libraries = start.libraries.iter();
        libraries
            .map(|library| (library.name.clone(), found(library)))
            .collect()
    }
}

type Both = (Option<Found>, Option<Found>);

/// Returns the libraries that are not the same before and after.
fn differing(
    before: &BTreeMap<String, Found>,
    after: &BTreeMap<String, Found>,
    same: &Same<'_>,
) -> BTreeMap<String, Both> {
    let names = before.keys().chain(after.keys());
    let both = |name: &String| (before.get(name).cloned(), after.get(name).cloned());
    let equal = |(one, two): &Both| match (one, two) {
        (Some(one), Some(two)) if one.file != two.file => false,
        (Some(one), Some(two)) => {
            let file = one.file.as_deref().unwrap_or_default();
            one.path == two.path && (one.of == two.of || same(one.of, two.of, file))
        }
        _ => false,
    };
    names
        .map(|name| (name.clone(), both(name)))
        .filter(|(_, both)| !equal(both))
        .collect()
}
