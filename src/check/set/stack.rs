//! Several trees over each other, as overlayfs merges them.
//!
//! Of two directories, the entries of both are there, and the upper one's mode and owner. Anything
//! else hides all that is below it at its path. A directory above something that is none hides
//! what is below that, too, so that of three layers the lowest may be hidden although its path is a
//! directory in the uppermost.

use std::collections::BTreeMap;
use std::fmt::Display;

use files::PathBytes;
use image::{Content, ContentId, LeafId, Special, Stat, Tree, Visit, is_below};
use linkage::Cover;
use serde::{Serialize, Serializer};

use crate::base::files::HIERARCHIES;
use crate::base::{Access, harm};
use crate::words::failure::Result;

/// By this attribute a directory hides what is below it.
const OPAQUE: &str = "trusted.overlay.opaque";

/// What is seen at a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// A directory.
    Directory,
    /// A file, link or special file.
    Leaf(LeafId),
}

/// What is seen at a path, and of which layer it is.
#[derive(Clone, Debug)]
struct Spot {
    layer: usize,
    what: What,
    /// Nothing of lower layers is seen here.
    hides: bool,
    /// The lower layers that have something of the same type here.
    under: Vec<(usize, What)>,
}

/// Two layers that do not agree on a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Clash {
    /// The path without a leading slash.
    pub path: String,
    /// The layer whose file or directory is seen.
    #[serde(rename = "wins")]
    pub upper: usize,
    /// The layer whose file is hidden, or whose attributes do not apply.
    #[serde(rename = "loses")]
    pub lower: usize,
    /// How they differ.
    #[serde(rename = "what")]
    pub how: Difference,
}

/// How two layers differ at a path.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Difference {
    /// One is of another type than the other.
    Type(String, String),
    /// Files of different sizes.
    Size(u64, u64),
    /// Files of one size with different contents.
    Content,
    /// Links to different targets.
    Target(String, String),
    /// Files of different modes or owners.
    Attributes(String, String),
    /// Directories of different modes or owners.
    Directory(Access, Access),
    /// A whiteout, which deletes what is below it.
    Deleted,
}

/// Names a content of a layer so that equal names mean equal contents.
pub type Naming<'a> = dyn FnMut(usize, &ContentId) -> Result<ContentId> + 'a;

/// Trees over each other, the lowest first.
pub struct Stack<'a> {
    layers: Vec<&'a Tree>,
    spots: BTreeMap<PathBytes, Spot>,
    clashes: Vec<Clash>,
}

impl<'a> Stack<'a> {
    /// Lays trees over each other, the lowest first.
    pub fn new(layers: Vec<&'a Tree>) -> Self {
        let mut stack = Self {
            layers: layers.clone(),
            spots: BTreeMap::new(),
            clashes: Vec::new(),
        };
        for (layer, tree) in layers.into_iter().enumerate() {
            tree.walk(&mut |path, visit| {
                if HIERARCHIES
                    .iter()
                    .any(|hierarchy| is_below(path, hierarchy))
                {
                    stack.lay(layer, path, visit);
                }
            });
        }
        stack
    }

    fn lay(&mut self, layer: usize, path: &PathBytes, visit: Visit<'_>) {
        let what = match visit {
            Visit::Directory(_) => What::Directory,
            Visit::Leaf(id, _) => What::Leaf(id),
        };
        let mut spot = Spot {
            layer,
            what,
            hides: what != What::Directory || is_opaque(visit.stat()),
            under: Vec::new(),
        };
        if let Some(below) = self.spots.remove(path.bytes()) {
            let same = matches!(what, What::Directory) == matches!(below.what, What::Directory);
            let whiteout =
                self.is_whiteout(layer, what) || self.is_whiteout(below.layer, below.what);
            if same && !whiteout {
                spot.hides |= below.hides;
                spot.under = below.under;
                spot.under.push((below.layer, below.what));
            } else {
                spot.hides = true;
                self.clash_of_types(path, &spot, &below);
            }
        }
        if what != What::Directory || is_opaque(visit.stat()) {
            self.remove_below(path);
        }
        self.spots.insert(path.clone(), spot);
    }

    fn is_whiteout(&self, layer: usize, what: What) -> bool {
        matches!(what, What::Leaf(id) if matches!(
            self.layers[layer].leaf(id).content,
            Content::Special(Special::Character(0))
        ))
    }

    fn clash_of_types(&mut self, path: &PathBytes, upper: &Spot, lower: &Spot) {
        // A file over one that was deleted below it takes nothing from anyone.
        if self.is_whiteout(lower.layer, lower.what) {
            return;
        }
        let how = if self.is_whiteout(upper.layer, upper.what) {
            Difference::Deleted
        } else {
            Difference::Type(
                self.described(upper.layer, upper.what),
                self.described(lower.layer, lower.what),
            )
        };
        self.clashes.push(Clash {
            path: path.to_string(),
            upper: upper.layer,
            lower: lower.layer,
            how,
        });
    }

    fn described(&self, layer: usize, what: What) -> String {
        match what {
            What::Directory => "a directory".to_owned(),
            What::Leaf(id) => match &self.layers[layer].leaf(id).content {
                Content::File { .. } => "a file".to_owned(),
                Content::Symlink(target) => format!("a link to {target}"),
                Content::Special(_) => "a special file".to_owned(),
            },
        }
    }

    fn remove_below(&mut self, path: &PathBytes) {
        let mut from = path.clone();
        from.push(b"");
        let paths: Vec<_> = (self.spots.range(from.clone()..))
            .take_while(|(below, _)| below.bytes().starts_with(from.bytes()))
            .map(|(below, _)| below.clone())
            .collect();
        for below in paths {
            self.spots.remove(&below);
        }
    }

    /// Returns the layer whose file, link or directory is seen at a path.
    pub fn layer(&self, path: &str) -> Option<usize> {
        self.spots.get(path.as_bytes()).map(|spot| spot.layer)
    }

    /// Calls `visit` for each path that is seen, with its layer, in byte order.
    pub fn walk(&self, visit: &mut dyn FnMut(&str, usize, What)) {
        for (path, spot) in &self.spots {
            visit(&path.text(), spot.layer, spot.what);
        }
    }

    /// Returns what hides something of a base without being an ELF file, script or link.
    pub fn cover(&self) -> Cover {
        let mut cover = Cover::default();
        for (path, spot) in &self.spots {
            let path = || path.to_string();
            match spot.what {
                _ if self.is_whiteout(spot.layer, spot.what) => {
                    cover.hidden.insert(path());
                    continue;
                }
                What::Directory => cover.directories.insert(path()),
                What::Leaf(_) => cover.files.insert(path()),
            };
            if spot.hides {
                cover.hidden.insert(path());
            }
        }
        cover
    }

    /// Compares what is seen with what is below it. `naming` is asked for the contents of files of
    /// one size.
    pub fn clashes(&self, naming: &mut Naming<'_>) -> Result<Vec<Clash>> {
        let mut clashes = self.clashes.clone();
        for (path, spot) in &self.spots {
            for (lower, what) in &spot.under {
                let upper = (spot.layer, spot.what);
                if let Some(how) = self.difference(path, upper, (*lower, *what), naming)? {
                    clashes.push(Clash {
                        path: path.to_string(),
                        upper: spot.layer,
                        lower: *lower,
                        how,
                    });
                }
            }
        }
        clashes.sort();
        Ok(clashes)
    }

    fn difference(
        &self,
        path: &PathBytes,
        (upper, at): (usize, What),
        (lower, below): (usize, What),
        naming: &mut Naming<'_>,
    ) -> Result<Option<Difference>> {
        let (What::Leaf(at), What::Leaf(below)) = (at, below) else {
            return Ok(self.attributes(path, upper, lower));
        };
        let (one, two) = (self.layers[upper].leaf(at), self.layers[lower].leaf(below));
        let difference = match (&one.content, &two.content) {
            (Content::Symlink(one), Content::Symlink(two)) => {
                (one != two).then(|| Difference::Target(one.to_string(), two.to_string()))
            }
            (Content::File { size: one, .. }, Content::File { size: two, .. }) if one != two => {
                Some(Difference::Size(*one, *two))
            }
            (Content::File { id: above, size }, Content::File { id: below, .. }) => {
                // What has no bytes has a name of its own in some trees.
                if *size == 0 || naming(upper, above)? == naming(lower, below)? {
                    let (one, two) = (&one.stat, &two.stat);
                    (shown(one) != shown(two))
                        .then(|| Difference::Attributes(described(one), described(two)))
                } else {
                    Some(Difference::Content)
                }
            }
            (Content::Special(one), Content::Special(two)) if one == two => None,
            _ => Some(Difference::Type(
                self.described(upper, What::Leaf(at)),
                self.described(lower, What::Leaf(below)),
            )),
        };
        Ok(difference)
    }

    /// Compares the attributes of two directories. Those of a hierarchy itself are the base's.
    fn attributes(&self, path: &PathBytes, upper: usize, lower: usize) -> Option<Difference> {
        let of = |layer: usize| {
            self.layers[layer]
                .get(path)
                .map(|one| Access::of(one.stat()))
        };
        let (upper, lower) = (of(upper)?, of(lower)?);
        (path.bytes().contains(&b'/') && upper != lower)
            .then_some(Difference::Directory(upper, lower))
    }
}

impl Difference {
    /// Says how two images differ at a path, of which `upper` and `lower` are the names.
    pub fn in_words(&self, upper: &str, lower: &str) -> String {
        let both =
            |one: &dyn Display, two: &dyn Display| format!("{one} in {upper}, {two} in {lower}");
        match self {
            Self::Type(one, two) => format!("is {}", both(one, two)),
            Self::Size(one, two) => format!("has {}", both(&format!("{one} bytes"), two)),
            Self::Content => "differs".to_owned(),
            Self::Target(one, two) => format!("is a link to {}", both(one, two)),
            Self::Attributes(one, two) => format!("has {}", both(one, two)),
            Self::Directory(one, two) => {
                let harm = harm(*one, *two).map_or(String::new(), |harm| format!(", which {harm}"));
                format!("has {}{harm}", both(one, two))
            }
            Self::Deleted => format!("is a whiteout, and deletes what {lower} has there"),
        }
    }

    /// Returns the word for it in JSON.
    fn word(&self) -> &'static str {
        match self {
            Self::Type(..) => "type",
            Self::Size(..) => "size",
            Self::Content => "content",
            Self::Target(..) => "target",
            Self::Attributes(..) => "attributes",
            Self::Directory(..) => "directory",
            Self::Deleted => "deleted",
        }
    }
}

impl Serialize for Difference {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

fn is_opaque(stat: &Stat) -> bool {
    stat.xattrs.get(OPAQUE).is_some_and(|value| value == b"y")
}

/// What of a file's attributes is the same where the file is.
fn shown(stat: &Stat) -> (u16, u32, u32, Option<&Vec<u8>>) {
    let capabilities = stat.xattrs.get("security.capability");
    (stat.mode, stat.uid, stat.gid, capabilities)
}

fn described(stat: &Stat) -> String {
    let capable = match stat.xattrs.contains_key("security.capability") {
        true => " with file capabilities",
        false => "",
    };
    format!("mode {:04o}, {}:{}{capable}", stat.mode, stat.uid, stat.gid)
}
