//! The SELinux label of a path, as libselinux's `selabel_lookup` has it.
//!
//! File contexts are lines of an expression, perhaps a type of file, and a label. They are read from
//! `file_contexts`, then from the files beside it that end in `.homedirs` and `.local`, in this order;
//! `.subs` and `.subs_dist` say which paths are looked up as others. The compiled form (`.bin`) is not
//! read: it is made of these texts.
//!
//! The rules of libselinux. Its versions 3.4, 3.8 and 3.11 agree on every label of real contexts;
//! where they differ on others, it is said, or 3.8 counts: an escape such as `\d` is an operator, and a
//! first component that has an escape is not taken for a stem.
//!
//! - Slashes in a row are one. Then `.subs` replaces a leading path by another, then `.subs_dist`
//!   does, each by its last line that fits.
//! - An expression without operators is a path. If a path has such rules, one for its type of file
//!   counts before one for all (3.11 takes the first), else the last.
//! - Else the last rule counts whose expression matches the whole path and whose type fits.
//! - The first component of an expression, if it has no operator, is the stem: the rule holds for
//!   paths below it alone.
//! - The label `<<none>>` means that there is none.
//!
//! [`pattern`] reads the expressions, [`machine`] matches all of one stem at once.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        reason = "a test reads what it made itself"
    )
)]

mod error;
mod machine;
mod pattern;
mod rules;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use files::Links;

pub use error::Error;
use machine::{Layout, Machine};
use rules::{Rule, Substitutions};

/// Longest file that is read.
pub const MAX_FILE: u64 = 4 << 20;
/// Most states of all expressions.
const MAX_STATES: usize = 1 << 20;
/// Most bytes that the tables of all expressions may take between two look-ups.
const MAX_TABLES: usize = 32 << 20;
/// Most states that all look-ups may look at while the tables are filled.
const MAX_WORK: u64 = 1 << 31;

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileType {
    /// A regular file.
    Regular,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A block device.
    Block,
    /// A character device.
    Character,
    /// A FIFO.
    Fifo,
    /// A socket.
    Socket,
}

/// The texts of file contexts.
#[derive(Clone, Copy, Debug, Default)]
pub struct Texts<'a> {
    /// `file_contexts`.
    pub contexts: &'a [u8],
    /// `file_contexts.homedirs`.
    pub homedirs: &'a [u8],
    /// `file_contexts.local`.
    pub local: &'a [u8],
    /// `file_contexts.subs`.
    pub subs: &'a [u8],
    /// `file_contexts.subs_dist`.
    pub subs_dist: &'a [u8],
}

/// File contexts, ready for paths.
pub struct FileContexts {
    rules: Vec<Rule>,
    subs: Substitutions,
    subs_dist: Substitutions,
    /// The rules for one path each, by the path, in their order.
    paths: BTreeMap<Vec<u8>, Vec<u32>>,
    /// The rules with expressions, by their stem; those without one have the empty one.
    stems: BTreeMap<Vec<u8>, Stem>,
    /// How many states the expressions have that are laid out.
    states: usize,
    /// What the tables of these take.
    tables: usize,
    /// How many states may still be looked at.
    work: u64,
}

/// The expressions of a stem: laid out when they are first asked.
enum Stem {
    Rules(Vec<u32>),
    Ready(Box<Machine>),
}

impl Stem {
    fn forget(&mut self) {
        if let Self::Ready(machine) = self {
            machine.forget();
        }
    }
}

impl FileContexts {
    /// Reads `file_contexts` and what is beside it.
    ///
    /// # Errors
    /// What can't be read, with its file and line.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let contexts = files::read(path, MAX_FILE, Links::Follow)?;
        let beside = |ending: &str| {
            let mut name = path.as_os_str().to_owned();
            name.push(ending);
            files::if_there(files::read(name, MAX_FILE, Links::Follow))
                .map(Option::unwrap_or_default)
        };
        Self::new(Texts {
            contexts: &contexts,
            homedirs: &beside(".homedirs")?,
            local: &beside(".local")?,
            subs: &beside(".subs")?,
            subs_dist: &beside(".subs_dist")?,
        })
    }

    /// Reads texts.
    ///
    /// # Errors
    /// What can't be read, with its line.
    pub fn new(texts: Texts<'_>) -> Result<Self, Error> {
        let mut rules = Vec::new();
        for (ending, text) in [
            ("", texts.contexts),
            (".homedirs", texts.homedirs),
            (".local", texts.local),
        ] {
            rules::read(ending, text, &mut rules)?;
        }
        let mut paths: BTreeMap<_, Vec<_>> = BTreeMap::new();
        let mut stems: BTreeMap<_, Stem> = BTreeMap::new();
        for (number, rule) in (0..).zip(&rules) {
            if let Some(path) = pattern::literal(&rule.expression) {
                paths.entry(path).or_default().push(number);
                continue;
            }
            let stem = rules::stem(&rule.expression).to_owned();
            if let Stem::Rules(list) = stems.entry(stem).or_insert_with(|| Stem::Rules(Vec::new()))
            {
                list.push(number);
            }
        }
        Ok(Self {
            rules,
            subs: Substitutions::read(texts.subs),
            subs_dist: Substitutions::read(texts.subs_dist),
            paths,
            stems,
            states: 0,
            tables: 0,
            work: MAX_WORK,
        })
    }

    /// Returns the label of an absolute path; `None` if it is to have none.
    ///
    /// # Errors
    /// [`Error::TooMuch`]: expressions that only exist to take memory or time.
    pub fn label(&mut self, path: &[u8], kind: FileType) -> Result<Option<&str>, Error> {
        let path = single_slashes(path);
        let path = self.subs.apply(path);
        let path = self.subs_dist.apply(path);
        let number = match self.of_path(&path, kind) {
            Some(number) => Some(number),
            None => self.of_expressions(&path, kind)?,
        };
        let rule = number.and_then(|number| self.rules.get(number as usize));
        Ok(rule
            .map(|rule| &*rule.label)
            .filter(|label| *label != "<<none>>"))
    }

    /// Returns the rule that is for this path alone.
    fn of_path(&self, path: &[u8], kind: FileType) -> Option<u32> {
        let fits = |number: &&u32, only: Option<FileType>| {
            self.rules
                .get(**number as usize)
                .is_some_and(|rule| rule.only == only)
        };
        let numbers = self.paths.get(path)?;
        let mut of_type = numbers
            .iter()
            .rev()
            .filter(|number| fits(number, Some(kind)));
        let mut of_all = numbers.iter().rev().filter(|number| fits(number, None));
        of_type.next().or_else(|| of_all.next()).copied()
    }

    /// Returns the last rule whose expression matches.
    fn of_expressions(&mut self, path: &[u8], kind: FileType) -> Result<Option<u32>, Error> {
        if self.tables > MAX_TABLES {
            self.stems.values_mut().for_each(Stem::forget);
            self.tables = 0;
        }
        let stem = rules::stem_of_path(path);
        let mut best = self.of_stem(b"", path, kind)?;
        if !stem.is_empty() {
            best = best.max(self.of_stem(stem, path, kind)?);
        }
        Ok(best)
    }

    /// Returns the last rule of a stem that matches.
    fn of_stem(&mut self, stem: &[u8], text: &[u8], kind: FileType) -> Result<Option<u32>, Error> {
        let Some(found) = self.stems.get_mut(stem) else {
            return Ok(None);
        };
        let machine = match found {
            Stem::Ready(machine) => machine,
            Stem::Rules(numbers) => {
                let mut layout = Layout::new(MAX_STATES - self.states);
                for number in numbers.iter() {
                    if let Some(rule) = self.rules.get(*number as usize) {
                        let added = layout.add(&rule.node()?, *number);
                        added.map_err(|machine::Full| Error::TooMuch(rule.place()))?;
                    }
                }
                self.states += layout.len();
                *found = Stem::Ready(Box::new(layout.finish()));
                match found {
                    Stem::Ready(machine) => machine,
                    Stem::Rules(_) => return Ok(None),
                }
            }
        };
        let rules = &self.rules;
        let fits = |number: &&u32| {
            let only = rules.get(**number as usize).and_then(|rule| rule.only);
            only.is_none_or(|only| only == kind)
        };
        let before = machine.bytes();
        let mut best = None;
        // An end may also be before a last newline.
        for text in [Some(text), text.strip_suffix(b"\n")].into_iter().flatten() {
            match machine.matches(text, &mut self.work) {
                Ok(numbers) => best = best.max(numbers.iter().find(fits).copied()),
                Err(machine::TooLong) => {
                    return Err(Error::TooMuch(format!("below {}", files::shown(stem))));
                }
            }
        }
        self.tables = (self.tables + machine.bytes()).saturating_sub(before);
        Ok(best)
    }
}

/// Makes slashes in a row one.
fn single_slashes(path: &[u8]) -> Cow<'_, [u8]> {
    if !path.windows(2).any(|pair| pair == b"//") {
        return Cow::Borrowed(path);
    }
    let mut single = path.to_vec();
    single.dedup_by(|one, other| *one == b'/' && *other == b'/');
    Cow::Owned(single)
}
