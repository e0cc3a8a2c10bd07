//! What is in the image beside one: of an image, its companion, where its units and links may lead; of
//! a companion, its image.

use std::collections::BTreeSet;

use files::PathBytes;
use image::{Content, Tree, Visit};

use crate::plan::filter;

/// The paths of that image, without a slash in front.
#[derive(Clone, Debug, Default)]
pub struct Beside(BTreeSet<PathBytes>);

impl Beside {
    /// Takes the paths that are planned for a companion.
    pub fn planned(paths: &BTreeSet<PathBytes>) -> Self {
        Self(paths.clone())
    }

    /// Takes the paths of a finished image.
    pub fn of(tree: &Tree) -> Self {
        let mut paths = BTreeSet::new();
        tree.walk(&mut |path, _| {
            paths.insert(path.clone());
        });
        Self(paths)
    }

    /// Says whether something is at a path.
    pub fn has(&self, path: impl AsRef<[u8]>) -> bool {
        let path = path.as_ref();
        let path = path.strip_prefix(b"/").unwrap_or(path);
        self.0.contains(&PathBytes::from(path))
    }

    /// Says whether a link of an image leads there.
    pub fn is_target(&self, tree: &Tree, link: &str) -> bool {
        let link = link.trim_start_matches('/');
        let Some(Visit::Leaf(_, leaf)) = tree.get(link) else {
            return false;
        };
        let Content::Symlink(target) = &leaf.content else {
            return false;
        };
        let to = filter::resolved(link.as_bytes(), target.bytes());
        to.is_some_and(|to| self.has(to))
    }
}
