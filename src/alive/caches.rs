//! Caches that an installation would have made of all files of a kind, such as that of the schemas of
//! settings. The one of an image hides the base's, so it is made of the sources of both: those of the
//! base are read when the image is planned, those of the image once they are packed.

use std::collections::{BTreeMap, BTreeSet};

use caches::{Contents, Ignored, Made};
use image::{Content, ContentId, Tree, Visit};

use crate::base::files::{BaseEntry, BaseFiles};
use crate::findings::{Finding, kinds};
use crate::words::digest::sha256;
use crate::words::quantity::counted;

/// Longest source of a cache, in bytes.
const MAX_SOURCE: u64 = 8 << 20;
/// Most bytes of all sources of one.
const MAX_SOURCES: u64 = 32 << 20;
/// Most sources of one.
const MAX_FILES: usize = 131_072;
/// How deep directories of sources may nest.
const MAX_LEVELS: usize = 8;
/// Where the themes of icons are.
const THEMES: &str = "usr/share/icons";

/// A kind of cache.
#[derive(Debug)]
struct Kind {
    /// The program that makes it.
    program: &'static str,
    /// The directories that may have one, with its sources.
    directories: fn(&Tree) -> Vec<String>,
    /// Its name.
    name: &'static str,
    /// The names of what is made beside it, so far as they are always the same.
    beside: &'static [&'static str],
    /// What its sources are.
    sources: &'static str,
    /// How deep they are below its directory.
    levels: usize,
    is_source: fn(&str) -> bool,
    /// Whether it matters what is in a source.
    is_read: fn(&str) -> bool,
    make: fn(&Contents) -> Made,
    when: When,
}

/// When a cache is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    /// Nothing else tells of its sources.
    Always,
    /// It depends on what is in them.
    Perhaps,
    /// Where the base has one: without, its sources themselves are looked up.
    OverBases,
}

/// Every kind that is made.
static KINDS: [Kind; 4] = [
    Kind {
        program: "glib-compile-schemas",
        directories: |_| vec!["usr/share/glib-2.0/schemas".to_owned()],
        name: caches::schemas::NAME,
        beside: &[],
        sources: "schemas of settings",
        levels: 0,
        is_source: caches::schemas::is_source,
        is_read: |_| true,
        make: caches::schemas::make,
        when: When::Always,
    },
    Kind {
        program: "update-desktop-database",
        directories: |_| vec!["usr/share/applications".to_owned()],
        name: caches::desktop::NAME,
        beside: &[],
        sources: "desktop entries",
        levels: MAX_LEVELS,
        is_source: caches::desktop::is_source,
        is_read: |_| true,
        make: caches::desktop::make,
        when: When::Perhaps,
    },
    Kind {
        program: "gtk-update-icon-cache",
        directories: themes,
        name: caches::icons::NAME,
        beside: &[],
        sources: "icons",
        levels: MAX_LEVELS,
        is_source: caches::icons::is_source,
        is_read: caches::icons::is_read,
        make: caches::icons::make,
        when: When::OverBases,
    },
    Kind {
        program: "update-mime-database",
        directories: |_| vec!["usr/share/mime".to_owned()],
        name: caches::mime::NAME,
        beside: &caches::mime::BESIDE,
        sources: "definitions of types of files",
        levels: 1,
        is_source: caches::mime::is_source,
        is_read: |_| true,
        make: caches::mime::make,
        when: When::Always,
    },
];

/// Returns the directories of the themes of a tree.
fn themes(tree: &Tree) -> Vec<String> {
    let Some(Visit::Directory(directory)) = tree.get(THEMES) else {
        return Vec::new();
    };
    let names = directory.entries();
    let names = names.filter_map(|(name, _)| str::from_utf8(name).ok());
    names.map(|name| format!("{THEMES}/{name}")).collect()
}

/// The caches of an image.
#[derive(Clone, Debug, Default)]
pub struct Caches {
    /// Those that are made.
    planned: Vec<Planned>,
    /// Programs whose cache is not made, which is said.
    refused: BTreeSet<&'static str>,
    /// Programs whose cache would have the same in it with the image as without.
    needless: BTreeSet<&'static str>,
}

/// A cache that is to be made.
#[derive(Clone, Debug)]
struct Planned {
    kind: &'static Kind,
    directory: String,
    /// The sources of the image: their contents, by their names.
    own: Sources,
    /// Those of the base that the image does not replace.
    of_base: Contents,
}

/// Contents of an image with their sizes, by the names of their files.
type Sources = BTreeMap<String, (ContentId, u64)>;

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
            caches.needless.insert(kind.program);
            for directory in (kind.directories)(tree) {
                let own = kind.own(tree, &directory);
                if !own.is_empty() {
                    caches.needless.remove(kind.program);
                }
                let path = kind.path(&directory);
                if own.is_empty() || is_given(&path) || !kind.is_needed(&path, base) {
                    continue;
                }
                match kind.planned(directory, own, base) {
                    Ok(planned) => caches.planned.push(planned),
                    // A scriptlet or trigger that would make it is named then.
                    Err(_) if kind.when == When::Perhaps => {}
                    Err(problem) => {
                        caches.refused.insert(kind.program);
                        let sources = kind.sources;
                        let text =
                            format!("/{path} does not list the {sources} of the image: {problem}");
                        findings.push(Finding::new(&kinds::INDEX_NOT_MADE, text));
                    }
                }
            }
        }
        (caches, findings)
    }

    /// Says whether the cache of a program is made or as it was, or it was said why not.
    pub fn know(&self, program: &str) -> bool {
        let without = [&self.refused, &self.needless];
        self.planned.iter().any(|one| one.kind.program == program)
            || without.iter().any(|programs| programs.contains(program))
    }

    /// Says whether the cache at a path with a leading slash is made.
    pub fn make(&self, path: &str) -> bool {
        let path = path.trim_start_matches('/');
        self.planned.iter().any(|one| {
            let name = path.strip_prefix(&one.directory);
            let name = name.and_then(|name| name.strip_prefix('/'));
            name.is_some_and(|name| one.kind.makes(name))
        })
    }

    /// Says of each what it is made of.
    pub fn described(&self) -> Vec<String> {
        let of = |one: &Planned| {
            let own = counted(one.own.len(), "file");
            let of_base = match one.of_base.len() {
                0 => String::new(),
                count => format!(" and {count} of the base"),
            };
            format!("/{}, made of {own}{of_base}", one.path())
        };
        self.planned.iter().map(of).collect()
    }

    /// Returns a line for each source of the base.
    pub fn of_base(&self) -> Vec<String> {
        let sources = self.planned.iter().flat_map(|one| {
            let sources = one.of_base.iter();
            sources.map(move |(name, bytes)| {
                // Of many it does not matter what is in them.
                let digest = (!bytes.is_empty()).then(|| sha256(&mut bytes.as_slice()).ok());
                let digest = digest.flatten().map(|(_, digest)| hex::encode(digest));
                format!("{}/{name} {}", one.directory, digest.unwrap_or_default())
            })
        });
        sources.collect()
    }

    /// Returns the contents that they are made of.
    pub fn contents(&self) -> Vec<ContentId> {
        let own = self.planned.iter().flat_map(Planned::read);
        own.map(|(_, id)| id.clone()).collect()
    }

    /// Says whether there is none.
    pub fn are_none(&self) -> bool {
        self.planned.is_empty()
    }

    /// Makes them of these contents. Where an image brings nothing to one, the base's is right as it is.
    /// `owner` says which package has the file at a path.
    pub fn files(
        &self,
        tree: &Tree,
        contents: &BTreeMap<ContentId, Vec<u8>>,
        owner: &dyn Fn(&str) -> Option<String>,
    ) -> Files {
        let (mut files, mut findings) = (BTreeMap::new(), Vec::new());
        for one in &self.planned {
            let mut sources = one.of_base.clone();
            sources.extend(one.own.keys().map(|name| (name.clone(), Vec::new())));
            for (name, id) in one.read() {
                let bytes = contents.get(id).cloned().unwrap_or_default();
                sources.insert(name.clone(), bytes);
            }
            let directory = &one.directory;
            let made = (one.kind.make)(&sources);
            let known = (one.kind.make)(&one.of_base);
            let news = made.ignored.iter();
            let news = news.filter(|one| !known.ignored.contains(one));
            findings.extend(news.map(|Ignored { file, problem }| {
                let (name, path) = (one.kind.name, format!("{directory}/{file}"));
                let of = owner(&path).map_or_else(String::new, |owner| format!(" (of {owner})"));
                let text = format!("{name} lacks what is wrong in /{path}{of}: {problem}");
                Finding::new(&kinds::INDEX_INCOMPLETE, text)
            }));
            let made = made.files.into_iter();
            let made = made.map(|(name, bytes)| (format!("{directory}/{name}"), name, bytes));
            // What the base has of its own sources alone is seen through the image.
            let made = made.filter(|(path, name, bytes)| {
                known.files.get(name) != Some(bytes) || tree.get(path).is_some()
            });
            files.extend(made.map(|(path, _, bytes)| (path, bytes)));
        }
        (files, findings)
    }
}

impl Planned {
    fn path(&self) -> String {
        self.kind.path(&self.directory)
    }

    /// Returns the contents that matter.
    fn read(&self) -> impl Iterator<Item = (&String, &ContentId)> {
        let own = self.own.iter();
        let read = own.filter(|(name, _)| (self.kind.is_read)(name));
        read.map(|(name, (id, _))| (name, id))
    }
}

impl Kind {
    /// Returns the path of the cache of a directory.
    fn path(&self, directory: &str) -> String {
        format!("{directory}/{}", self.name)
    }

    /// Says whether a name in its directory is that of a file which it makes whatever its sources are.
    fn makes(&self, name: &str) -> bool {
        self.name == name || self.beside.contains(&name)
    }

    /// Says whether an image with sources needs a cache.
    fn is_needed(&self, path: &str, base: Option<&BaseFiles<'_>>) -> bool {
        let is_there = |base: &BaseFiles<'_>| matches!(base.entry(path), BaseEntry::File(_));
        self.when != When::OverBases || base.is_some_and(is_there)
    }

    /// Returns the sources of a tree, by their names.
    fn own(&self, tree: &Tree, directory: &str) -> Sources {
        let mut own = Sources::new();
        self.own_at(tree, directory, "", self.levels, &mut own);
        own
    }

    fn own_at(&self, tree: &Tree, directory: &str, below: &str, levels: usize, own: &mut Sources) {
        let Some((_, Visit::Directory(found))) = tree.resolve(directory) else {
            return;
        };
        for (name, _) in found.entries() {
            let Ok(name) = str::from_utf8(name) else {
                continue;
            };
            let (path, name) = (format!("{directory}/{name}"), format!("{below}{name}"));
            match tree.resolve(&path) {
                Some((_, Visit::Directory(_))) if levels > 0 => {
                    self.own_at(tree, &path, &format!("{name}/"), levels - 1, own);
                }
                Some((_, Visit::Leaf(_, leaf))) if (self.is_source)(&name) => {
                    if let Content::File { id, size } = &leaf.content {
                        own.insert(name, (id.clone(), *size));
                    }
                }
                _ => {}
            }
        }
    }

    /// Finds what of a base goes into the cache with these sources of an image. Where a link of the base
    /// leads to a directory, what the image brings there is listed by its own path alone. The error says
    /// why it can't be made.
    fn planned(
        &'static self,
        directory: String,
        own: Sources,
        base: Option<&BaseFiles<'_>>,
    ) -> Result<Planned, String> {
        let Some(base) = base else {
            return Err(
                "the files of the base, whose entries it would hide, are not known".to_owned(),
            );
        };
        let is_seen = |name: &str| (self.is_source)(name) && !own.contains_key(name);
        if !base.has_root() && base.lists(&directory, &is_seen) {
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
        let read = own.iter().filter(|(name, _)| (self.is_read)(name));
        for (name, (_, size)) in read {
            take(name, *size)?;
        }
        let mut names = BTreeSet::new();
        base.files_below(&directory, self.levels, &mut |name| {
            if is_seen(name) && names.len() <= MAX_FILES {
                names.insert(name.to_owned());
            }
        });
        if own.len() + names.len() > MAX_FILES {
            return Err(format!("it has more than {MAX_FILES} sources"));
        }
        let mut of_base = Contents::new();
        for name in names {
            let mut bytes = Vec::new();
            if (self.is_read)(&name) {
                let found = base.bytes(&format!("{directory}/{name}"), MAX_SOURCE);
                let found = found.map_err(|failure| format!("{:#}", failure.source))?;
                bytes = found.unwrap_or_default();
                take(&name, bytes.len() as u64)?;
            }
            of_base.insert(name, bytes);
        }
        Ok(Planned {
            kind: self,
            directory,
            own,
            of_base,
        })
    }
}

/// Makes the cache at a path of a finished image again, over a base, with what is beside it: files by
/// their paths. `read` reads a content that is not longer than so many bytes.
pub fn made_again(
    path: &str,
    tree: &Tree,
    base: Option<&BaseFiles<'_>>,
    read: &mut dyn FnMut(&ContentId, u64) -> Option<Vec<u8>>,
) -> Option<BTreeMap<String, Vec<u8>>> {
    let (directory, name) = path.rsplit_once('/')?;
    let is_it = |kind: &&Kind| {
        kind.makes(name) && (kind.directories)(tree).iter().any(|one| one == directory)
    };
    let kind = KINDS.iter().find(is_it)?;
    let own = kind.own(tree, directory);
    let planned = kind.planned(directory.to_owned(), own, base).ok()?;
    let mut contents = BTreeMap::new();
    for (_, id) in planned.read() {
        contents.insert(id.clone(), read(id, MAX_SOURCE)?);
    }
    let caches = Caches {
        planned: vec![planned],
        ..Caches::default()
    };
    Some(caches.files(tree, &contents, &|_| None).0)
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
            (vec![0; MAX_FILES], Ok(MAX_FILES)),
            (
                vec![1; MAX_FILES + 1],
                Err("it has more than 131072 sources"),
            ),
        ] {
            let own = sizes.into_iter().enumerate();
            let own = own.map(|(number, size)| (number.to_string(), (ContentId::new("x"), size)));
            let planned = KINDS[0].planned("d".to_owned(), own.collect(), files.as_ref());
            match (planned, expected) {
                (Ok(planned), Ok(count)) => assert_eq!(planned.own.len(), count),
                (Err(problem), Err(expected)) => assert!(problem.ends_with(expected), "{problem}"),
                (planned, expected) => panic!("{planned:?} {expected:?}"),
            }
        }
    }

    #[test]
    fn what_a_base_lists_would_be_hidden() {
        let directory = "usr/share/glib-2.0/schemas";
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
            let planned = KINDS[0].planned(directory.to_owned(), own.clone(), files.as_ref());
            assert_eq!(planned.is_ok(), is_made, "{path}");
        }
        assert!(KINDS[0].planned(directory.to_owned(), own, None).is_err());
    }

    #[test]
    fn what_is_left_out_is_named_with_its_package() {
        let (directory, name) = ("usr/share/mime", "packages/bad.xml");
        let text = "<mime-info xmlns='http://www.freedesktop.org/standards/shared-mime-info'>\
                    <mime-type type='a/b'><glob pattern='*.b' weight='x'/></mime-type></mime-info>";
        let id = ContentId::new("bad");
        let own = [(name.to_owned(), (id.clone(), text.len() as u64))];
        let base = base(&["/usr/bin/x"]);
        let files = BaseFiles::of(&base);
        let mime = KINDS.iter().find(|kind| kind.name == "mime.cache").unwrap();
        let planned = mime.planned(directory.to_owned(), own.into(), files.as_ref());
        let caches = Caches {
            planned: vec![planned.unwrap()],
            ..Caches::default()
        };
        let contents = [(id, text.as_bytes().to_vec())].into();
        let owner = |path: &str| {
            (path == format!("{directory}/{name}")).then(|| "bad-1-1.noarch".to_owned())
        };
        let (_, findings) = caches.files(&Tree::default(), &contents, &owner);
        let said: Vec<_> = findings.iter().map(|one| one.text.as_str()).collect();
        let expected = "mime.cache lacks what is wrong in /usr/share/mime/packages/bad.xml (of bad-1-1.noarch): ";
        assert!(
            said.len() == 1 && said[0].starts_with(expected) && said[0].contains("wrong weight"),
            "{said:?}"
        );
    }
}
