//! Caches that an installation would have made of all files of a kind, such as that of the schemas of
//! settings. The one of an image hides the base's, so it is made of the sources of both: those of the
//! base are read when the image is planned, those of the image once they are packed.

use std::collections::{BTreeMap, BTreeSet};

use caches::{Contents, Ignored, Made};
use image::{Content, ContentId, Tree, Visit};

use crate::base::files::BaseFiles;
use crate::findings::{Finding, kinds};
use crate::words::digest::sha256;
use crate::words::quantity::counted;

/// Longest source of a cache, in bytes.
const MAX_SOURCE: u64 = 8 << 20;
/// Most bytes of all sources of one.
const MAX_SOURCES: u64 = 32 << 20;
/// Most sources of one.
const MAX_FILES: usize = 16_384;

/// A kind of cache.
#[derive(Debug)]
struct Kind {
    /// The program that makes it.
    program: &'static str,
    /// The directory of its sources, and its own.
    directory: &'static str,
    /// Its name.
    name: &'static str,
    /// What its sources are.
    sources: &'static str,
    is_source: fn(&str) -> bool,
    make: fn(&Contents) -> Made,
}

/// Every kind that is made.
static KINDS: [Kind; 1] = [Kind {
    program: "glib-compile-schemas",
    directory: "usr/share/glib-2.0/schemas",
    name: caches::schemas::NAME,
    sources: "schemas of settings",
    is_source: caches::schemas::is_source,
    make: caches::schemas::make,
}];

/// The caches of an image.
#[derive(Clone, Debug, Default)]
pub struct Caches {
    /// Those that are made.
    planned: Vec<Planned>,
    /// Programs whose cache is not made, which is said.
    refused: BTreeSet<&'static str>,
}

/// A cache that is to be made.
#[derive(Clone, Debug)]
struct Planned {
    kind: &'static Kind,
    /// The sources of the image: their contents, by their names.
    own: BTreeMap<String, (ContentId, u64)>,
    /// Those of the base that the image does not replace.
    of_base: Contents,
}

/// Files that are made, by their paths, and what was found.
pub type Files = (BTreeMap<String, Vec<u8>>, Vec<Finding>);

impl Caches {
    /// Looks which caches a tree needs over a base with these files, and says which can't be made. What
    /// somebody has put into the tree stays: `is_given` knows of each path.
    pub fn of(
        tree: &Tree,
        is_given: &dyn Fn(&str) -> bool,
        base: Option<&BaseFiles<'_>>,
    ) -> (Self, Vec<Finding>) {
        let (mut caches, mut findings) = (Self::default(), Vec::new());
        for kind in &KINDS {
            let own = kind.own(tree);
            if own.is_empty() || is_given(&kind.path()) {
                continue;
            }
            match kind.planned(own, base) {
                Ok(planned) => caches.planned.push(planned),
                Err(problem) => {
                    caches.refused.insert(kind.program);
                    let text = format!(
                        "/{} does not list the {} of the image: {problem}",
                        kind.path(),
                        kind.sources
                    );
                    findings.push(Finding::new(&kinds::INDEX_NOT_MADE, text));
                }
            }
        }
        (caches, findings)
    }

    /// Says whether the cache of a program is made, or it was said why not.
    pub fn know(&self, program: &str) -> bool {
        self.planned.iter().any(|one| one.kind.program == program) || self.refused.contains(program)
    }

    /// Says whether the cache at a path with a leading slash is made.
    pub fn make(&self, path: &str) -> bool {
        let path = path.trim_start_matches('/');
        self.planned.iter().any(|one| one.kind.path() == path)
    }

    /// Says of each what it is made of.
    pub fn described(&self) -> Vec<String> {
        let of = |one: &Planned| {
            let own = counted(one.own.len(), "file");
            let of_base = match one.of_base.len() {
                0 => String::new(),
                count => format!(" and {count} of the base"),
            };
            format!("/{}, made of {own}{of_base}", one.kind.path())
        };
        self.planned.iter().map(of).collect()
    }

    /// Returns a line for each source of the base.
    pub fn of_base(&self) -> Vec<String> {
        let sources = self.planned.iter().flat_map(|one| {
            let directory = one.kind.directory;
            let sources = one.of_base.iter();
            sources.map(move |(name, bytes)| {
                let digest = sha256(&mut bytes.as_slice()).map(|(_, digest)| digest);
                format!(
                    "{directory}/{name} {}",
                    hex::encode(digest.unwrap_or_default())
                )
            })
        });
        sources.collect()
    }

    /// Returns the contents that they are made of.
    pub fn contents(&self) -> Vec<ContentId> {
        let own = self.planned.iter().flat_map(|one| one.own.values());
        own.map(|(id, _)| id.clone()).collect()
    }

    /// Makes them of these contents.
    pub fn files(&self, contents: &BTreeMap<ContentId, Vec<u8>>) -> Files {
        let (mut files, mut findings) = (BTreeMap::new(), Vec::new());
        for one in &self.planned {
            let mut sources = one.of_base.clone();
            for (name, (id, _)) in &one.own {
                let bytes = contents.get(id).cloned().unwrap_or_default();
                sources.insert(name.clone(), bytes);
            }
            let Kind {
                make, directory, ..
            } = one.kind;
            let made = make(&sources);
            let known = make(&one.of_base).ignored;
            let news = made.ignored.iter().filter(|one| !known.contains(one));
            findings.extend(news.map(|Ignored { file, problem }| {
                let text = format!(
                    "/{directory}/{file} is left out of {}: {problem}",
                    one.kind.name
                );
                Finding::new(&kinds::INDEX_INCOMPLETE, text)
            }));
            let made = made.files.into_iter();
            files.extend(made.map(|(name, bytes)| (format!("{directory}/{name}"), bytes)));
        }
        (files, findings)
    }
}

impl Kind {
    /// Returns the path of the cache.
    fn path(&self) -> String {
        format!("{}/{}", self.directory, self.name)
    }

    /// Returns the sources of a tree, by their names.
    fn own(&self, tree: &Tree) -> BTreeMap<String, (ContentId, u64)> {
        let mut own = BTreeMap::new();
        let Some(Visit::Directory(directory)) = tree.get(self.directory) else {
            return own;
        };
        for (name, _) in directory.entries() {
            let Some(name) = str::from_utf8(name)
                .ok()
                .filter(|name| (self.is_source)(name))
            else {
                continue;
            };
            let found = tree.resolve(format!("{}/{name}", self.directory));
            if let Some((_, Visit::Leaf(_, leaf))) = found
                && let Content::File { id, size } = &leaf.content
            {
                own.insert(name.to_owned(), (id.clone(), *size));
            }
        }
        own
    }

    /// Finds what of a base goes into the cache with these sources of an image. The error says why it
    /// can't be made.
    fn planned(
        &'static self,
        own: BTreeMap<String, (ContentId, u64)>,
        base: Option<&BaseFiles<'_>>,
    ) -> Result<Planned, String> {
        let Some(base) = base else {
            return Err(
                "the files of the base, whose entries it would hide, are not known".to_owned(),
            );
        };
        let is_seen = |name: &str| (self.is_source)(name) && !own.contains_key(name);
        if !base.has_root() && base.lists(self.directory, &is_seen) {
            return Err(format!(
                "it would hide the {} of the base, whose contents are not at hand; to have one of both: \
                 --base ROOT",
                self.sources
            ));
        }
        let mut left = MAX_SOURCES;
        let mut take = |name: &str, size: u64| match (size <= MAX_SOURCE, left.checked_sub(size)) {
            (true, Some(less)) => {
                left = less;
                Ok(())
            }
            _ => Err(format!(
                "with {name} its sources are longer than {} MiB, or than {} MiB together",
                MAX_SOURCE >> 20,
                MAX_SOURCES >> 20
            )),
        };
        for (name, (_, size)) in &own {
            take(name, *size)?;
        }
        let mut of_base = Contents::new();
        for name in base.names_in(self.directory) {
            if !is_seen(&name) {
                continue;
            }
            let path = format!("{}/{name}", self.directory);
            let bytes = base.bytes(&path, MAX_SOURCE);
            let bytes = bytes.map_err(|failure| format!("{:#}", failure.source))?;
            if let Some(bytes) = bytes {
                take(&name, bytes.len() as u64)?;
                of_base.insert(name, bytes);
            }
        }
        match own.len() + of_base.len() > MAX_FILES {
            true => Err(format!("it has more than {MAX_FILES} sources")),
            false => Ok(Planned {
                kind: self,
                own,
                of_base,
            }),
        }
    }
}

/// Makes the cache at a path of a finished image again, over a base; `read` reads a content that is not
/// longer than so many bytes.
pub fn made_again(
    path: &str,
    tree: &Tree,
    base: Option<&BaseFiles<'_>>,
    read: &mut dyn FnMut(&ContentId, u64) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let kind = KINDS.iter().find(|kind| kind.path() == path)?;
    let planned = kind.planned(kind.own(tree), base).ok()?;
    let mut contents = BTreeMap::new();
    for (id, _) in planned.own.values() {
        contents.insert(id.clone(), read(id, MAX_SOURCE)?);
    }
    let caches = Caches {
        planned: vec![planned],
        ..Caches::default()
    };
    caches.files(&contents).0.remove(path)
}

#[cfg(test)]
mod tests {
    use rpm_input::{File, FileKind, Nevra, Package};

    use super::*;
    use crate::base::Base;

    /// Returns a base with one package, which has these files.
    fn base(paths: &[&str]) -> Base {
        let mut package = Package::named(Nevra {
            name: "b".to_owned(),
            epoch: None,
            version: "1".to_owned(),
            release: "1".to_owned(),
            arch: "noarch".to_owned(),
        });
        let files = paths.iter();
        package.files = files
            .map(|path| File::new((*path).to_owned(), FileKind::Regular))
            .collect();
        Base {
            packages: Some(vec![package]),
            ..Base::default()
        }
    }

    #[test]
    fn sources_are_so_long_and_so_many() {
        let base = base(&["/usr/bin/x"]);
        let files = BaseFiles::of(&base);
        let longer = Err("its sources are longer than 8 MiB, or than 32 MiB together");
        for (sizes, expected) in [
            (vec![MAX_SOURCE; 4], Ok(4)),
            (vec![MAX_SOURCE + 1], longer),
            ([vec![MAX_SOURCE; 4], vec![1]].concat(), longer),
            (vec![1; MAX_FILES], Ok(MAX_FILES)),
            (
                vec![1; MAX_FILES + 1],
                Err("it has more than 16384 sources"),
            ),
        ] {
            let own = sizes.into_iter().enumerate();
            let own = own.map(|(number, size)| (number.to_string(), (ContentId::new("x"), size)));
            let planned = KINDS[0].planned(own.collect(), files.as_ref());
            match (planned, expected) {
                (Ok(planned), Ok(count)) => assert_eq!(planned.own.len(), count),
                (Err(problem), Err(expected)) => assert!(problem.ends_with(expected), "{problem}"),
                (planned, expected) => panic!("{planned:?} {expected:?}"),
            }
        }
    }

    #[test]
    fn what_a_base_lists_would_be_hidden() {
        let own: BTreeMap<_, _> = [("a.gschema.xml".to_owned(), (ContentId::new("a"), 1))].into();
        for (path, is_made) in [
            ("/usr/share/glib-2.0/schemas/a.gschema.xml", true),
            ("/usr/share/glib-2.0/schemas/gschema.dtd", true),
            ("/usr/share/glib-2.0/schemas2/b.gschema.xml", true),
            ("/usr/share/glib-2.0/schemas/b.gschema.xml", false),
            ("/usr/share/glib-2.0/schemas/b.gschema.override", false),
        ] {
            let base = base(&[path]);
            let files = BaseFiles::of(&base);
            let planned = KINDS[0].planned(own.clone(), files.as_ref());
            assert_eq!(planned.is_ok(), is_made, "{path}");
        }
        assert!(KINDS[0].planned(own, None).is_err());
    }
}
