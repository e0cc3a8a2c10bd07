//! What the documents say of the repository and of the program is true: links, options.

use std::fs;
use std::path::{Path, PathBuf};

/// Returns every document that people read, by its path from the root of the repository.
pub fn documents() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for directory in ["", "docs", "docs/guide", "fixtures"] {
        for entry in fs::read_dir(root.join(directory)).unwrap() {
            let name = PathBuf::from(entry.unwrap().file_name());
            if name.extension().is_some_and(|ending| ending == "md") {
                found.push(Path::new(directory).join(name));
            }
        }
    }
    found.sort();
    found
}

/// Returns the text of a document without its blocks of code.
fn prose(document: &Path) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join(document)).unwrap();
    let mut is_code = false;
    let mut prose = String::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            prose += line;
            prose += "\n";
        }
    }
    prose
}

/// Returns what a heading is linked by: lower case, hyphens for spaces, no other punctuation.
fn anchor(heading: &str) -> String {
    heading
        .trim_start_matches('#')
        .trim()
        .to_lowercase()
        .chars()
        .filter_map(|character| match character {
            ' ' => Some('-'),
            '-' | '_' => Some(character),
            character if character.is_alphanumeric() => Some(character),
            _ => None,
        })
        .collect()
}

/// Says what is wrong with a link of a document, if anything is.
fn broken(document: &Path, link: &str) -> Option<String> {
    if link.starts_with("https://") {
        return None;
    }
    let (path, heading) = match link.split_once('#') {
        Some((path, heading)) => (path, Some(heading)),
        None => (link, None),
    };
    let target = match path {
        "" => document.to_owned(),
        path => document.parent().unwrap().join(path),
    };
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    if !root.join(&target).exists() {
        return Some(format!("{}: nothing at {link}", document.display()));
    }
    let heading = heading?;
    let is_there = prose(&target)
        .lines()
        .any(|line| line.starts_with('#') && anchor(line) == heading);
    (!is_there).then(|| format!("{}: no heading at {link}", document.display()))
}

#[test]
fn no_link_is_broken() {
    let mut links = 0;
    let mut wrong = Vec::new();
    for document in documents() {
        let prose = prose(&document);
        for rest in prose.split("](").skip(1) {
            let link = rest.split(')').next().unwrap();
            links += 1;
            wrong.extend(broken(&document, link));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(links > 20, "{links} links were found");
}

#[test]
fn a_broken_link_is_found() {
    let document = Path::new("docs/architecture.md");
    for (link, is_broken) in [
        ("decisions.md", false),
        ("../src/plan/filter.rs", false),
        ("decisions.md#the-store", false),
        ("#where-does-a-new--go", false),
        ("nowhere.md", true),
        ("decisions.md#nowhere", true),
        ("#nowhere", true),
    ] {
        assert_eq!(broken(document, link).is_some(), is_broken, "{link}");
    }
}
