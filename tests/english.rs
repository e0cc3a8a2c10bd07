//! The program speaks plain English: some turns of phrase are banned from everything it says.

use std::fs;
use std::path::Path;

use crate::workshop::{Scratch, json, run, text};

/// What no text for users may contain.
const BANNED: [&str; 12] = [
    " meant?",
    " anew",
    "whoever",
    "all the same",
    "otherwise than",
    "makes no sense",
    "lies in",
    "lies on",
    "lies beside",
    " beside ",
    "who wants",
    "let be",
];

/// Returns the banned phrases in a text, with what is around them.
fn banned(said: &str) -> Vec<String> {
    let words: Vec<_> = said.split_whitespace().collect();
    let said = words.join(" ").to_lowercase();
    let mut found: Vec<_> = (BANNED.iter())
        .flat_map(|phrase| said.match_indices(phrase))
        .map(|(at, _)| around(&said, at))
        .collect();
    // "This is no image" is stilted; "there is no image" and "it is no longer" are not.
    for (at, is_no) in said.match_indices(" is no ") {
        let is_idiom =
            said[..at].ends_with("there") || said[at + is_no.len()..].starts_with("longer");
        if !is_idiom {
            found.push(around(&said, at));
        }
    }
    found
}

fn around(said: &str, at: usize) -> String {
    let after: String = said[at..].chars().take(40).collect();
    let before: Vec<_> = said[..at].chars().rev().take(30).collect();
    before.into_iter().rev().chain(after.chars()).collect()
}

#[test]
fn phrases_are_found() {
    for (said, count) in [
        ("is usr-merge meant?", 1),
        ("strace is no file, and it lies\n  in the cache", 2),
        ("there is no file; it is no longer here", 0),
        ("Whoever asks is answered anew", 2),
    ] {
        assert_eq!(banned(said).len(), count, "{said}: {:?}", banned(said));
    }
}

/// Returns the verbs that a help text lists, `help` itself left out.
fn verbs(help: &str) -> Vec<String> {
    let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    lines
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .map(str::to_owned)
        .collect()
}

fn help(verb: &[String]) -> String {
    let outcome = run(verb.iter().map(String::as_str).chain(["--help"]));
    text(&outcome.stdout)
}

#[test]
fn help_and_explanations() {
    let mut said = vec![("--help".to_owned(), help(&[]))];
    let mut open: Vec<Vec<String>> = vec![Vec::new()];
    while let Some(verb) = open.pop() {
        for below in verbs(&help(&verb)) {
            let verb = [&verb[..], &[below]].concat();
            said.push((verb.join(" "), help(&verb)));
            open.push(verb);
        }
    }
    assert!(said.iter().any(|(verb, _)| verb == "store verify"));

    let rules = run(["rules"]);
    said.push(("rules".to_owned(), text(&rules.stdout)));
    let listing = json(&run(["rules", "--json"]));
    let of_build = ["rules", "findings"]
        .iter()
        .flat_map(|list| listing[*list].as_array().unwrap())
        .filter_map(|row| row["name"].as_str().map(str::to_owned));
    let of_store = store::FINDINGS.iter().map(|kind| kind.id.to_owned());
    for id in of_build.chain(of_store) {
        let outcome = run(["explain", &id]);
        assert!(outcome.status.success(), "{id}");
        said.push((format!("explain {id}"), text(&outcome.stdout)));
    }

    let scratch = Scratch::new();
    assert!(
        run(["man", scratch.path().to_str().unwrap()])
            .status
            .success()
    );
    for entry in fs::read_dir(scratch.path()).unwrap() {
        let path = entry.unwrap().path();
        said.push((
            path.display().to_string(),
            fs::read_to_string(&path).unwrap(),
        ));
    }
    for (what, said) in said {
        assert_eq!(banned(&said), Vec::<String>::new(), "{what}");
    }
}

/// Returns the string literals of a source file, and the comments that become help texts.
fn literals(source: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(at) = rest.find(['"', '/', '\'']) {
        let (mark, after) = (&rest[at..], &rest[at + 1..]);
        if mark.starts_with("//") {
            rest = mark.find('\n').map_or("", |end| &mark[end..]);
        } else if let Some(behind) = mark.strip_prefix("'\"'") {
            rest = behind;
        } else if mark.starts_with('"') {
            let mut escaped = false;
            let end = after.find(|letter| {
                let ends = letter == '"' && !escaped;
                escaped = letter == '\\' && !escaped;
                ends
            });
            let end = end.unwrap_or(after.len());
            found.push(after[..end].replace("\\\n", " "));
            rest = after.get(end + 1..).unwrap_or_default();
        } else {
            rest = after;
        }
    }
    found
}

/// Calls `visit` for each Rust file below a directory.
fn sources(directory: &Path, visit: &mut dyn FnMut(&Path, &str)) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, visit);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            visit(&path, &fs::read_to_string(&path).unwrap());
        }
    }
}

#[test]
fn every_literal_of_the_program() {
    let source = "let x = \"one\\\" \\\n  two\"; // \"no\"\nf('\"', 'a', \"three\")";
    assert_eq!(literals(source), ["one\\\"    two", "three"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut directories = vec![root.join("src")];
    for entry in fs::read_dir(root.join("crates")).unwrap() {
        directories.push(entry.unwrap().path().join("src"));
    }
    let mut count = 0;
    let mut found = Vec::new();
    for directory in directories {
        sources(&directory, &mut |path, source| {
            // Fixtures of unit tests are of other hands.
            let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
            if path.components().any(|part| part.as_os_str() == "tests")
                || path.ends_with("tests.rs")
            {
                return;
            }
            for literal in literals(source) {
                count += 1;
                let phrases = banned(&literal).into_iter();
                found.extend(phrases.map(|phrase| format!("{}: {phrase}", path.display())));
            }
        });
    }
    assert!(count > 1000, "{count}");
    assert_eq!(found, Vec::<String>::new());
}
