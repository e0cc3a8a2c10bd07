//! Directories for tests that need files.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use image::{Content, ContentId, Leaf, Stat, Tree};

/// Returns a tree with files of one byte at these paths.
pub fn tree<P: AsRef<str>>(paths: impl IntoIterator<Item = P>) -> Tree {
    let mut tree = Tree::default();
    let stat = Stat::implicit_directory(0);
    for path in paths {
        let content = Content::File {
            id: ContentId::new("x"),
            size: 1,
        };
        let leaf = Leaf {
            stat: stat.clone(),
            content,
        };
        tree.insert_leaf(path.as_ref(), leaf, &stat).unwrap();
    }
    tree
}

/// A new directory that is removed when the test is over.
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes it, under the directory for temporary files.
    pub fn new() -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("sysext-build-unit-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    /// Returns its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file of this relative path, with the directories above it, and returns its path.
    pub fn write(&self, path: &str, contents: &[u8]) -> PathBuf {
        let path = self.0.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, contents).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
