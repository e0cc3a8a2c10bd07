//! `mime.cache` and what update-mime-database writes beside it: what is known of types of files, by the
//! definitions below `packages/`.
//!
//! | file | what is in it |
//! |---|---|
//! | `mime.cache` | all that finds the type of a file, in one: what GLib and Qt read first |
//! | `globs`, `globs2` | names of files |
//! | `magic`, `treemagic` | what is in a file, and in a mounted medium |
//! | `XMLnamespaces` | root elements |
//! | `aliases`, `subclasses` | other names of types, and types that they are a kind of |
//! | `icons`, `generic-icons` | names of icons |
//! | `types` | the names of all types |
//! | `MEDIA/SUBTYPE.xml` | what a type is called in each language |
//!
//! `version`, which tells the version of the tool, is not made: that of the base stays as it is.

mod cache;
mod database;
mod document;
mod globs;
mod magic;
mod reader;
mod texts;

use self::database::Database;
use crate::{Contents, Ignored, Made};

/// The name of the cache.
pub const NAME: &str = "mime.cache";
/// The names of the texts beside it, but for those of single types.
pub const BESIDE: [&str; 10] = [
    "XMLnamespaces",
    "aliases",
    "generic-icons",
    "globs",
    "globs2",
    "icons",
    "magic",
    "subclasses",
    "treemagic",
    "types",
];
/// The directory of the definitions.
const PACKAGES: &str = "packages/";
/// Definitions that win over all others.
const OVERRIDE: &str = "packages/Override.xml";
/// The name space of what is known here.
const NAMESPACE: &str = "http://www.freedesktop.org/standards/shared-mime-info";

/// Says whether a file of this name is a source.
pub fn is_source(name: &str) -> bool {
    let name = name.strip_prefix(PACKAGES);
    name.is_some_and(|name| !name.contains('/') && name.ends_with(".xml"))
}

/// Makes the database of the definitions of a directory. What is wrong with one ends the type that it is
/// in, as with the tool; what was read of that before counts.
pub fn make(sources: &Contents) -> Made {
    let mut database = Database::default();
    let mut ignored = Vec::new();
    let found = sources.iter().filter(|(name, _)| is_source(name));
    let (last, first): (Vec<_>, Vec<_>) = found.partition(|(name, _)| *name == OVERRIDE);
    let mut is_any = false;
    for (name, bytes) in first.into_iter().chain(last) {
        is_any = true;
        reader::read(&mut database, bytes, &mut |problem| {
            ignored.push(Ignored {
                file: name.clone(),
                problem,
            });
        });
    }
    database.sort();
    let mut files = Contents::new();
    // A cache that is too long for its own numbers is not made, nor what would be beside it.
    if let Some(bytes) = cache::write(&database).filter(|_| is_any) {
        files = texts::write(&database);
        files.insert(NAME.to_owned(), bytes);
    }
    Made { files, ignored }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(within: &str) -> Vec<String> {
        let text = format!("<mime-info xmlns='{NAMESPACE}'>{within}</mime-info>");
        let made = make(&[("packages/a.xml".to_owned(), text.into_bytes())].into());
        assert!(made.files.contains_key(NAME));
        made.ignored.into_iter().map(|one| one.problem).collect()
    }

    #[test]
    fn definitions_are_bounded() {
        let of = |within: &str| format!("<mime-type type='a/b'>{within}</mime-type>");
        let types = |count: usize| {
            let types = (0..count).map(|number| format!("<mime-type type='a/{number}'/>"));
            types.collect::<String>()
        };
        let aliases = |count: usize| of(&"<alias type='c/d'/>".repeat(count));
        let matches = |count: usize| {
            let matches = "<match offset='0' type='byte' value='1'/>".repeat(count);
            of(&format!("<magic>{matches}</magic>"))
        };
        let pattern = |length: usize| format!("<glob pattern='*{}'/>", "a".repeat(length - 1));
        let comment = |length: usize| format!("<comment>{}</comment>", "a".repeat(length));
        let things = "line 1: with all before it, it defines more than 65536 things";
        let longer = "line 1: what is made of it and all before it is longer than 16 MiB";
        for (within, expected) in [
            (types(65_536), None),
            (types(65_537), Some(things)),
            (aliases(65_535), None),
            (aliases(65_536), Some(things)),
            (matches(4095), None),
            (
                matches(4096),
                Some("line 1: <match> is in a part with more than 4096 elements"),
            ),
            (matches(4095).repeat(17), Some(things)),
            (of(&comment(17 << 20)), None),
            (
                of(&(comment(8 << 20).repeat(2) + "<comment/>")),
                Some(longer),
            ),
            (of(&(pattern(512 << 10) + "<comment/>")), None),
            (of(&(pattern(1 << 20) + "<comment/>")), Some(longer)),
        ] {
            let start = &within[..60];
            assert_eq!(
                problems(&within).first().map(String::as_str),
                expected,
                "{start}"
            );
        }
    }

    #[test]
    fn names_of_types_stay_in_their_directory() {
        let long = "a".repeat(247);
        for (name, is_one) in [
            ("text/plain", true),
            ("X-Any/thing.1+xml", true),
            (&format!("{long}/{long}"), true),
            (&format!("{long}a/b"), false),
            (&format!("b/{long}a"), false),
            ("text", false),
            ("text/", false),
            ("/text", false),
            ("./a", false),
            ("../a", false),
            ("a/b/c", false),
            ("a/&#10;", false),
            ("packages/a", false),
            ("Magic/a", false),
            ("mime.cache/a", false),
        ] {
            let problems = problems(&format!("<mime-type type='{name}'/>"));
            assert_eq!(problems.is_empty(), is_one, "{name}: {problems:?}");
        }
    }
}
