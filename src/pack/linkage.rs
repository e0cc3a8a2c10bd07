//! What an image's files need to run, read while they pass into the image.
//!
//! An ELF file says what it needs in places all over it, so a file that starts as one is kept in
//! memory while it passes, if it is not too long; the few longer ones are read back from the
//! finished image, of which a handful of blocks are unpacked. Of a script, its first line is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Cursor, Read, Seek};

use image::{Content, ContentId, LeafId, Stored, Tree, Visit};
use linkage::{Linkage, Object, Script};
use serde::{Deserialize, Serialize};

use crate::pack::ReadBack;
use crate::words::failure::{Failure, Result};

/// A longer file is read from the finished image, in bytes.
const KEPT: u64 = 8 * 1024 * 1024;
/// So much of a file tells what it is, in bytes: Linux looks at no more of a script.
const HEAD: usize = 256;

/// What one content is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Fact {
    /// An ELF file.
    Object(Object),
    /// A script.
    Script(Script),
    /// An ELF file with this wrong.
    Unread(String),
    /// An ELF file that was too long to be kept.
    Later,
}

/// What contents are that were too long to be kept.
#[derive(Debug, Default)]
pub struct Later(Vec<(ContentId, Option<Fact>)>);

/// What the contents of an image are, by their ids; what is neither ELF file nor script is not here.
#[derive(Debug, Default)]
pub struct Facts {
    known: BTreeMap<ContentId, Fact>,
    buffer: Vec<u8>,
}

impl Facts {
    /// Begins to look at a content of this many bytes.
    pub fn watch<'a>(&'a mut self, content: &'a mut dyn Read, size: u64) -> Watched<'a> {
        self.buffer.clear();
        Watched {
            content,
            buffer: &mut self.buffer,
            size,
        }
    }

    /// Returns the beginning of the content that has passed.
    pub fn head(&self) -> &[u8] {
        self.buffer.get(..HEAD).unwrap_or(&self.buffer)
    }

    /// Notes what the content was that has passed.
    pub fn note(&mut self, id: &ContentId, size: u64) -> Result<()> {
        let fact = if !Object::is_elf(&self.buffer) {
            Script::parse(&self.buffer).map(Fact::Script)
        } else if size > KEPT {
            Some(Fact::Later)
        } else {
            fact(&mut Cursor::new(&self.buffer))?
        };
        if let Some(fact) = fact {
            self.known.insert(id.clone(), fact);
        }
        Ok(())
    }

    /// Returns what a content is.
    pub fn get(&self, id: &ContentId) -> Option<&Fact> {
        self.known.get(id)
    }

    /// Notes what a content is that did not pass.
    pub fn insert(&mut self, id: &ContentId, fact: Option<Fact>) {
        self.known.extend(fact.map(|fact| (id.clone(), fact)));
    }

    /// Reads what was too long to be kept.
    pub fn read_later<R: Read + Seek>(
        &self,
        tree: &Tree,
        packed: &mut ReadBack<R>,
    ) -> Result<Later> {
        let mut later = Later::default();
        let is_later = |id: &ContentId| matches!(self.known.get(id), Some(Fact::Later));
        let mut paths = BTreeMap::new();
        tree.walk(&mut |path, visit| {
            if let Visit::Leaf(_, leaf) = visit
                && let Content::File { id, .. } = &leaf.content
                && is_later(id)
            {
                paths.entry(id.clone()).or_insert_with(|| path.clone());
            }
        });
        if paths.is_empty() {
            return Ok(later);
        }
        let (image, stored) = packed.open()?;
        for (id, path) in paths {
            if let Some(Visit::Leaf(_, leaf)) = stored.get(&path)
                && let Content::File { id: place, .. } = &leaf.content
            {
                let mut content = image.content(place).map_err(Failure::refused)?;
                later.0.push((id, fact(&mut content)?));
            }
        }
        Ok(later)
    }

    /// Says of each path of the tree what it is.
    pub fn linkage(mut self, tree: &Tree, later: Later) -> Linkage {
        for (id, fact) in later.0 {
            self.known.remove(&id);
            self.insert(&id, fact);
        }
        self.by_path(tree)
    }

    fn by_path(&self, tree: &Tree) -> Linkage {
        let mut linkage = Linkage::default();
        let mut first: BTreeMap<LeafId, String> = BTreeMap::new();
        tree.walk(&mut |path, visit| {
            let Visit::Leaf(leaf_id, leaf) = visit else {
                return;
            };
            match &leaf.content {
                Content::File { id, .. } => {
                    let Some(fact) = self.known.get(id) else {
                        return;
                    };
                    if let Some(first) = first.get(&leaf_id) {
                        linkage.links.insert(path.to_string(), format!("/{first}"));
                        return;
                    }
                    if insert(
                        &mut linkage,
                        &path.text(),
                        fact,
                        leaf.stat.mode & 0o111 != 0,
                    ) {
                        first.insert(leaf_id, path.to_string());
                    }
                }
                Content::Symlink(target) => {
                    linkage.links.insert(path.to_string(), target.to_string());
                }
                Content::Special(_) => {}
            }
        });
        forget_dull_links(&mut linkage, tree);
        linkage
    }
}

/// Reads what the files of a finished image need, from their contents: of each the first bytes, of
/// ELF files the few blocks that say it.
pub fn read_back(image: &mut dyn Stored, tree: &Tree) -> io::Result<Linkage> {
    let mut contents = BTreeSet::new();
    tree.walk(&mut |_, visit| {
        if let Visit::Leaf(_, leaf) = visit
            && let Content::File { id, size } = &leaf.content
            && *size > 0
        {
            contents.insert(id.clone());
        }
    });
    let mut facts = Facts::default();
    for id in contents {
        let mut content = image.open_content(&id)?;
        let mut head = Vec::new();
        (&mut content).take(HEAD as u64).read_to_end(&mut head)?;
        let fact = if Object::is_elf(&head) {
            match Object::read(&mut content) {
                Ok(object) => object.map(Fact::Object),
                Err(linkage::Error::Io(error)) => return Err(error),
                Err(error) => Some(Fact::Unread(error.to_string())),
            }
        } else {
            Script::parse(&head).map(Fact::Script)
        };
        if let Some(fact) = fact {
            facts.known.insert(id, fact);
        }
    }
    Ok(facts.by_path(tree))
}

/// Adds a file; says whether it is one that counts.
fn insert(linkage: &mut Linkage, path: &str, fact: &Fact, executable: bool) -> bool {
    let path = path.to_owned();
    match fact {
        Fact::Object(object) => linkage.insert(path, object.clone(), executable),
        Fact::Script(script) if executable => {
            linkage.scripts.insert(path, script.clone());
        }
        Fact::Script(_) | Fact::Later => return false,
        Fact::Unread(problem) => {
            linkage.unread.insert(path, problem.clone());
        }
    }
    true
}

/// Drops the links that lead to files of the image which are neither ELF files nor scripts: those
/// to manual pages, icons and data.
fn forget_dull_links(linkage: &mut Linkage, tree: &Tree) {
    let dull: Vec<String> = linkage
        .links
        .iter()
        .filter(|(path, target)| {
            let mut parts: Vec<&str> = path.split('/').collect();
            parts.pop();
            if target.starts_with('/') {
                parts.clear();
            }
            for part in target.split('/') {
                match part {
                    "" | "." => {}
                    ".." => {
                        parts.pop();
                    }
                    part => parts.push(part),
                }
            }
            let target = parts.join("/");
            matches!(tree.get(&target), Some(Visit::Leaf(_, leaf))
                if matches!(leaf.content, Content::File { .. }))
                && linkage.entry(&target).is_none()
        })
        .map(|(path, _)| path.clone())
        .collect();
    for path in dull {
        linkage.links.remove(&path);
    }
}

/// Reads an ELF file; `None` for one that is never loaded.
fn fact<R: Read + Seek>(content: &mut R) -> Result<Option<Fact>> {
    match Object::read(content) {
        Ok(object) => Ok(object.map(Fact::Object)),
        Err(linkage::Error::Io(error)) => Err(Failure::io("reading the image back", error)),
        Err(error) => Ok(Some(Fact::Unread(error.to_string()))),
    }
}

/// A content that is looked at while it passes.
pub struct Watched<'a> {
    content: &'a mut dyn Read,
    buffer: &'a mut Vec<u8>,
    size: u64,
}

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let length = self.content.read(buffer)?;
        let passed = &buffer[..length];
        let (head, rest) = passed.split_at(length.min(HEAD.saturating_sub(self.buffer.len())));
        self.buffer.extend_from_slice(head);
        if self.size <= KEPT && Object::is_elf(self.buffer) {
            self.buffer.extend_from_slice(rest);
        }
        Ok(length)
    }
}
