//! `gschemas.compiled`: the schemas of settings, in one database, as glib-compile-schemas makes it.
//!
//! Its items are in the order of GLib's tables of hashes, so that the bytes are the same, too.

mod enumeration;
mod key;
mod overrides;
mod parser;
mod schema;

use self::parser::Parser;
use self::schema::Schemas;
use crate::{Contents, Ignored, Made};

/// The name of the cache.
pub const NAME: &str = "gschemas.compiled";
/// How the names of its sources end.
const SOURCES: [&str; 3] = [".gschema.xml", ENUMS, OVERRIDES];
const ENUMS: &str = ".enums.xml";
const OVERRIDES: &str = ".gschema.override";

/// Says whether a file of this name is a source.
pub fn is_source(name: &str) -> bool {
    SOURCES.iter().any(|end| name.ends_with(end))
}

/// Makes the database of the sources of a directory.
pub fn make(sources: &Contents) -> Made {
    let mut schemas = Schemas::default();
    let mut ignored = Vec::new();
    let mut note = |file: &str, problem| {
        ignored.push(Ignored {
            file: file.to_owned(),
            problem,
        });
    };
    let of = |is_wanted: &dyn Fn(&str) -> bool| {
        let found = sources.iter().filter(|(name, _)| is_wanted(name));
        found.collect::<Vec<_>>()
    };
    let enums = of(&|name| name.ends_with(ENUMS));
    let others =
        of(&|name| !name.ends_with(ENUMS) && !name.ends_with(OVERRIDES) && is_source(name));
    for (name, bytes) in enums.into_iter().chain(others) {
        if let Err(problem) = Parser::read(&mut schemas, bytes) {
            note(name, problem);
        }
    }
    for (name, bytes) in of(&|name| name.ends_with(OVERRIDES)) {
        overrides::apply(&mut schemas, bytes, &mut |problem| note(name, problem));
    }
    let bytes = schemas.write();
    let files = bytes.map(|bytes| (NAME.to_owned(), bytes));
    Made {
        files: files.into_iter().collect(),
        ignored,
    }
}
