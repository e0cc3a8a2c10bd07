//! Configurations of other builders, turned into recipes.
//!
//! What a recipe can't say is named, each setting and script, with what to write instead: in the
//! recipe as a comment, and in the report. Nothing is left out without a word. Nothing of a
//! configuration is run, and a recipe that comes of it loads as it is.

pub mod just;
pub mod mkosi;
mod recipe;

use std::path::{Path, PathBuf};

use files::Links;
use serde::Serialize;

use crate::words::failure::Result;

pub use recipe::Recipe;

/// Largest file of a configuration, in bytes.
const MAX_FILE: u64 = 1 << 20;
/// Most files of a configuration that are read.
const MAX_FILES: usize = 4_096;
/// How deep files of a configuration may include others.
const MAX_DEPTH: usize = 32;

/// What comes of a configuration.
#[derive(Debug, Default)]
pub struct Imported {
    /// The recipes.
    pub recipes: Vec<Recipe>,
    /// What belongs to none of them.
    pub others: Vec<Row>,
}

/// What becomes of a setting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// The recipe has it.
    Taken,
    /// The image is the same without it.
    Unneeded,
    /// The recipe can't say it.
    LeftOut,
}

/// A setting or a script, and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The file that has it, or that it is.
    pub file: PathBuf,
    /// The line in that file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What it is, such as `Verity=yes`.
    pub what: String,
    /// What becomes of it.
    pub fate: Fate,
    /// The key of the recipe, or why it is not needed, or what to write instead.
    pub text: String,
}

impl Row {
    /// Returns where it is.
    pub fn place(&self) -> String {
        match self.line {
            Some(line) => format!("{}:{line}", self.file.display()),
            None => self.file.display().to_string(),
        }
    }
}

/// Files that are read, up to a number of them.
#[derive(Debug, Default)]
struct Files {
    count: usize,
}

impl Files {
    /// Reads a file whole; what is not UTF-8 is replaced.
    fn read(&mut self, path: &Path) -> Result<String> {
        self.count += 1;
        if self.count > MAX_FILES {
            let text = anyhow::anyhow!("the configuration has more than {MAX_FILES} files");
            return Err(crate::words::failure::Failure::refused(text));
        }
        let bytes = files::read(path, MAX_FILE, Links::Follow)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// Returns `to` as seen from the directory `from`; both without `.` and `..`.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let (mut from, mut to) = (from.components().peekable(), to.components().peekable());
    while from.peek().is_some() && from.peek() == to.peek() {
        from.next();
        to.next();
    }
    let up = from.map(|_| Path::new(".."));
    let path: PathBuf = up
        .chain(to.map(|part| Path::new(part.as_os_str())))
        .collect();
    match path.as_os_str().is_empty() {
        true => PathBuf::from("."),
        false => path,
    }
}

/// Shortens a text that is shown, to one line.
fn brief(text: &str) -> String {
    const LONGEST: usize = 60;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST) {
        Some((at, _)) => format!("{}...", line.get(..at).unwrap_or_default()),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_from_one_directory_to_another() {
        for (from, to, expected) in [
            ("/a", "/a/b/c", "b/c"),
            ("/a/b", "/a/c", "../c"),
            ("/a/b", "/c", "../../c"),
            ("/a", "/a", "."),
            ("/a/b/c", "/a", "../.."),
        ] {
            let found = relative(Path::new(from), Path::new(to));
            assert_eq!(found, Path::new(expected), "{from} {to}");
        }
    }

    #[test]
    fn long_texts_are_shortened() {
        assert_eq!(brief("a\n  b"), "a b");
        assert_eq!(brief(&"é".repeat(60)), "é".repeat(60));
        assert_eq!(brief(&"é".repeat(61)), format!("{}...", "é".repeat(60)));
    }
}
