//! What the documents say of the repository and of the program is true: links, options.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use crate::workshop::{json, run, text};

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
fn each_finding_has_its_entry() {
    let outcome = run(["rules", "--json"]);
    let rules = json(&outcome);
    let of_build = rules["findings"].as_array().unwrap();
    let of_build = of_build.iter().map(|one| one["name"].as_str().unwrap());
    let of_store = store::FINDINGS.iter().map(|kind| kind.id);
    let known: BTreeSet<_> = of_build.chain(of_store).map(str::to_owned).collect();
    let page = prose(Path::new("docs/guide/troubleshooting.md"));
    let mut explained = BTreeSet::new();
    for entry in page.split("\n### ").skip(1) {
        let (name, words) = entry.split_once('\n').unwrap();
        let words = words.split("\n#").next().unwrap();
        assert!(words.trim().len() > 20, "{name} is not explained");
        assert!(explained.insert(name.to_owned()), "{name} is there twice");
    }
    assert_eq!(explained, known);
}

/// The verbs that have options of their own; the first is the program alone.
const VERBS: [&str; 22] = [
    "",
    "check",
    "gate",
    "import just",
    "import mkosi",
    "plan",
    "pull",
    "sign-verity",
    "store add",
    "store gate",
    "store index",
    "store list",
    "store merge",
    "store oci",
    "store promote",
    "store prune",
    "store remove",
    "rebuild",
    "store sign",
    "store sysupdate",
    "store page",
    "store verify",
];

/// Options of other programs that the documents name.
const FOREIGN: [&str; 2] = ["--checksum", "--force"];

#[test]
fn every_option_is_one() {
    let mut known: BTreeSet<String> = FOREIGN.map(str::to_owned).into();
    for verb in VERBS {
        let outcome = run(verb
            .split(' ')
            .filter(|word| !word.is_empty())
            .chain(["--help"]));
        known.extend(options(&text(&outcome.stdout)));
    }
    for document in documents() {
        // Those for users; what is for developers names options of many programs.
        let is_for_users = document.starts_with("docs/guide")
            || ["README.md", "SECURITY.md"]
                .map(Path::new)
                .contains(&document.as_path());
        if !is_for_users {
            continue;
        }
        let name = document.display();
        let prose = prose(&document);
        for code in prose.split('`').skip(1).step_by(2) {
            let code = code.split_whitespace().collect::<Vec<_>>().join(" ");
            if code.starts_with("--") || code.starts_with("sysext-build ") {
                for option in options(&code) {
                    assert!(known.contains(&option), "{name}: {code}");
                }
            }
        }
    }
}

/// Returns the long options in a text.
fn options(text: &str) -> Vec<String> {
    text.split(|c: char| !(c.is_ascii_lowercase() || c == '-'))
        .filter(|word| word.starts_with("--") && word.len() > 2)
        .map(str::to_owned)
        .collect()
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

/// Each promise names tests, and they are there.
#[test]
fn each_promise_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for (document, at_least) in [
        ("docs/alive.md", 40),
        ("docs/security.md", 30),
        ("docs/verdicts.md", 0),
    ] {
        let text = fs::read_to_string(root.join(document)).unwrap();
        let mut count = 0;
        for code in text.split('`').skip(1).step_by(2) {
            let Some((file, test)) = code.split_once(".rs::") else {
                continue;
            };
            let source = fs::read_to_string(root.join(format!("{file}.rs"))).unwrap_or_default();
            assert!(
                source.contains(&format!("fn {test}(")),
                "{document}: {code}"
            );
            count += 1;
        }
        assert!(count >= at_least, "{document}: {count}");
    }
}

/// Each kind of what an installation does has the test that holds what becomes of it, or a reason.
#[test]
fn each_kind_of_repair_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/alive.md")).unwrap();
    let (held, reasons) = text.split_once("## What does not follow").unwrap();
    for line in held
        .lines()
        .filter(|line| line.starts_with("| ") && !line.ends_with("| held by |"))
    {
        assert!(line.contains(".rs::"), "{line}");
    }
    for line in reasons.lines().filter(|line| line.starts_with("| ")) {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").collect();
        assert!(
            cells.len() == 3 && cells.iter().all(|cell| !cell.trim().is_empty()),
            "{line}"
        );
    }
}

/// Each line of the table of verdicts ends with the test that holds it.
#[test]
fn each_verdict_has_its_test() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = fs::read_to_string(root.join("docs/verdicts.md")).unwrap();
    for line in text.lines().filter(|line| line.starts_with("| ")) {
        assert!(
            line.starts_with("| promise |") || line.contains(".rs::"),
            "{line}"
        );
    }
}
