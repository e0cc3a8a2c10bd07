//! The search of the GNU C library's loader, replayed.
//!
//! The objects of a program are loaded in breadth: the program's needs in their order, then those
//! of its first library, and so on. A name that a loaded object already has, as its `DT_SONAME` or
//! because it was asked for by it, is not searched for again. A search ends with the first file of
//! the right ABI, whatever versions it defines; only when all are loaded are the versions compared.
//!
//! What is decided twice on one system, since it depends on the processor: the directories below
//! `glibc-hwcaps`, see [`Processor`].

mod search;

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::rc::Rc;
use std::sync::Arc;

use crate::abi::Abi;
use crate::object::Object;
use crate::root::Loadable;
use crate::view::{Base, Place, View};

/// Which processor the objects are loaded on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Processor {
    /// One that no directory below `glibc-hwcaps` is for.
    Oldest,
    /// One that all of them are for.
    Newest,
}

/// Why a program would not start, or a library not load. Paths begin with a slash.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// The loader that the program names is not there.
    Interpreter {
        /// Its path.
        path: String,
    },
    /// A library is not where the loader looks.
    Missing {
        /// The object that needs it.
        by: String,
        /// The library's name.
        name: String,
        /// The versions that it should define. Set only if no base is known, where the question
        /// is what the image needs of any base.
        versions: Vec<String>,
        /// The directories that were looked into, and `ld.so.cache`: a list for a message. An object
        /// can miss many libraries, and all of them in the same places.
        looked: Arc<str>,
        /// Where else in image and base there is a library of that name.
        elsewhere: Vec<String>,
    },
    /// A library is there, but a version of its symbols is not.
    Version {
        /// The object that needs it.
        by: String,
        /// The name it asks for.
        name: String,
        /// The library that was found.
        library: String,
        /// The version.
        version: String,
    },
    /// The loader finds a file that it can't load.
    Unloadable {
        /// The object that needs it.
        by: String,
        /// The name it asks for.
        name: String,
        /// The file that was found.
        library: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// A library that is loaded for a program.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Library {
    /// The name by which it is first asked for.
    pub name: String,
    /// The path under which it is found; none where only its package is known to provide it.
    pub path: Option<String>,
    /// The file that is there.
    pub file: Option<Place>,
}

/// What comes of starting a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The libraries in the order in which they are loaded, without the loader itself.
    pub libraries: Vec<Library>,
    /// What keeps it from starting.
    pub problems: Vec<Problem>,
}

/// An object of the image, or one of the base.
#[derive(Clone, Debug)]
enum ObjectRef<'a> {
    Image(&'a Object),
    Base(Arc<Object>),
}

impl Deref for ObjectRef<'_> {
    type Target = Object;

    fn deref(&self) -> &Object {
        match self {
            Self::Image(object) => object,
            Self::Base(object) => object,
        }
    }
}

/// What a name leads to.
#[derive(Clone, Debug)]
enum Found<'a> {
    /// A file, by the path under which it was found.
    File(Rc<Candidate<'a>>),
    /// A library of a base that is known by its packages.
    Provided,
    /// A file that ends the search and can't be loaded.
    Unloadable { path: String, problem: String },
    /// Nothing.
    Missing,
}

/// A file that can be loaded.
#[derive(Debug)]
struct Candidate<'a> {
    place: Place,
    /// The path under which it was found, without links followed.
    path: String,
    object: ObjectRef<'a>,
}

impl Candidate<'_> {
    /// Returns what `$ORIGIN` is for it.
    fn origin(&self) -> &str {
        self.path
            .rsplit_once('/')
            .map_or("", |(directory, _)| directory)
    }
}

/// One object of a program that is being loaded.
struct Loaded<'a> {
    candidate: Rc<Candidate<'a>>,
    /// Index of the object that asked for it first.
    by: Option<usize>,
}

/// The directories that an ABI's loader has built in, and what it has found so far, whatever
/// was loaded.
#[derive(Debug, Default)]
struct BuiltIn<'a> {
    directories: Vec<String>,
    /// Results of searches in which no `DT_RPATH` had a say.
    searches: RefCell<BTreeMap<SearchKey, Found<'a>>>,
    /// Whether the packages of the base provide these versions of a library.
    versions: RefCell<BTreeMap<String, BTreeMap<String, bool>>>,
}

/// All that the result of a search depends on: the object that asks, if it says itself where to
/// look; whether it has the default directories left out; the name.
type SearchKey = (Option<Place>, bool, String);

impl BuiltIn<'_> {
    /// Returns what `$LIB` stands for: the loader's own directory.
    fn lib(&self) -> &str {
        self.directories
            .first()
            .map_or("lib", |directory| directory.trim_matches('/'))
    }
}

/// A loader's file, if it is there, and its ABI.
type LoaderKey = (Option<Place>, Abi);

/// Loads the programs and libraries of an image over a base.
pub struct Loader<'a> {
    view: &'a View<'a>,
    processor: Processor,
    built_in: RefCell<BTreeMap<LoaderKey, Rc<BuiltIn<'a>>>>,
    /// Where there are libraries of names that no search led to.
    elsewhere: RefCell<BTreeMap<Abi, BTreeMap<String, Vec<String>>>>,
    /// Libraries of the image that were loaded for a program.
    reached: RefCell<BTreeSet<String>>,
}

impl<'a> Loader<'a> {
    /// Makes a loader for this kind of processor.
    pub fn new(view: &'a View<'a>, processor: Processor) -> Self {
        Self {
            view,
            processor,
            built_in: RefCell::default(),
            elsewhere: RefCell::default(),
            reached: RefCell::default(),
        }
    }

    /// Starts a program of the image by its path there. `None` where there is none.
    pub fn start(&self, path: &str) -> Option<Vec<Problem>> {
        let object = self.view.image().programs.get(path)?;
        let main = self.main(path, object);
        Some(self.start_object(main).problems)
    }

    /// Starts whatever program the merged system has at a path without a slash in front. `None`
    /// where there is none.
    pub fn start_merged(&self, path: &str) -> Option<Start> {
        let place = self.view.file(path)?;
        let object = if place.in_image {
            ObjectRef::Image(self.view.image().programs.get(&place.path)?)
        } else if let Base::Files(root) = self.view.base()
            && let Loadable::Object(object) = root.object(&place.path)
        {
            ObjectRef::Base(object)
        } else {
            return None;
        };
        object.interpreter.as_ref()?;
        Some(self.start_object(Rc::new(Candidate {
            place,
            path: format!("/{path}"),
            object,
        })))
    }

    fn start_object(&self, main: Rc<Candidate<'a>>) -> Start {
        let mut start = Start::default();
        let object = main.object.clone();
        let interpreter = object.interpreter.as_deref().unwrap_or_default();
        if !self.view.has_loader(interpreter, object.abi) {
            start.problems.push(Problem::Interpreter {
                path: interpreter.to_owned(),
            });
        }
        // Another C library's loader has rules of its own.
        if interpreter.contains("/ld-musl-") {
            return start;
        }
        let (loaded, libraries, problems) = self.load(main, interpreter);
        start.problems.extend(problems);
        start.libraries = libraries;
        self.reached.borrow_mut().extend(
            loaded
                .iter()
                .filter(|one| one.candidate.place.in_image)
                .map(|one| one.candidate.place.path.clone()),
        );
        start
    }

    /// Loads a library of the image by its path there, as a program that has nothing but its loader
    /// would. `None` where there is none.
    pub fn load_library(&self, path: &str) -> Option<Vec<Problem>> {
        let object = self.view.image().libraries.get(path)?;
        let interpreter = object.abi.loader().unwrap_or_default();
        Some(self.load(self.main(path, object), interpreter).2)
    }

    /// Says whether a library of the image was loaded for a program that was started.
    pub fn is_reached(&self, path: &str) -> bool {
        self.reached.borrow().contains(path)
    }

    /// Says whether a library of this name is found by an object of the image that loads it later.
    pub fn finds(&self, path: &str, name: &str) -> bool {
        let Some(object) = self.view.image().object(path) else {
            return false;
        };
        let interpreter = object.interpreter.as_deref().or(object.abi.loader());
        let built_in = self.built_in(interpreter.unwrap_or_default(), object.abi);
        let main = self.main(path, object);
        let loaded = [Loaded {
            candidate: main,
            by: None,
        }];
        matches!(
            self.search(&loaded, 0, name, &built_in),
            Found::File(_) | Found::Provided
        )
    }

    fn main(&self, path: &str, object: &'a Object) -> Rc<Candidate<'a>> {
        Rc::new(Candidate {
            place: Place {
                in_image: true,
                path: path.to_owned(),
            },
            path: format!("/{path}"),
            object: ObjectRef::Image(object),
        })
    }

    /// Loads an object with all that it needs.
    fn load(
        &self,
        main: Rc<Candidate<'a>>,
        interpreter: &str,
    ) -> (Vec<Loaded<'a>>, Vec<Library>, Vec<Problem>) {
        let object = main.object.clone();
        let built_in = self.built_in(interpreter, object.abi);
        let mut libraries = Vec::new();
        let mut problems = Vec::new();
        let mut names = BTreeMap::<String, Found<'a>>::new();
        names.extend((object.soname.clone()).map(|name| (name, Found::File(main.clone()))));
        let mut loaded = vec![Loaded {
            candidate: main,
            by: None,
        }];
        self.add_loader(interpreter, object.abi, &mut names);
        let mut next = 0;
        while next < loaded.len() {
            let candidate = loaded[next].candidate.clone();
            for name in &candidate.object.needed {
                if names.contains_key(name) {
                    continue;
                }
                let mut found = self.search(&loaded, next, name, &built_in);
                match &found {
                    Found::File(file) => {
                        let same = |one: &&Loaded<'a>| one.candidate.place == file.place;
                        if let Some(one) = loaded.iter().find(same) {
                            found = Found::File(one.candidate.clone());
                        } else {
                            let soname = file.object.soname.clone();
                            for name in soname.into_iter().chain([file.path.clone()]) {
                                names.entry(name).or_insert_with(|| found.clone());
                            }
                            libraries.push(Library {
                                name: name.clone(),
                                path: Some(file.path.clone()),
                                file: Some(file.place.clone()),
                            });
                            loaded.push(Loaded {
                                candidate: file.clone(),
                                by: Some(next),
                            });
                        }
                    }
                    Found::Provided => libraries.push(Library {
                        name: name.clone(),
                        path: None,
                        file: None,
                    }),
                    Found::Unloadable { path, problem } => problems.push(Problem::Unloadable {
                        by: candidate.path.clone(),
                        name: name.clone(),
                        library: path.clone(),
                        problem: problem.clone(),
                    }),
                    Found::Missing => {}
                }
                names.insert(name.clone(), found);
            }
            next += 1;
        }
        for (index, one) in loaded.iter().enumerate() {
            let object = &one.candidate.object;
            let missing = |name: &&String| matches!(names.get(*name), Some(Found::Missing));
            let mut looked: Option<Arc<str>> = None;
            for name in object.needed.iter().filter(missing) {
                let look = || self.looked(&loaded, index, &built_in).join(", ").into();
                let versions = match self.view.base() {
                    Base::Nothing => object.versions.get(name).cloned(),
                    Base::Files(_) | Base::Packages(_) => None,
                };
                problems.push(Problem::Missing {
                    by: one.candidate.path.clone(),
                    name: name.clone(),
                    versions: versions.unwrap_or_default(),
                    looked: looked.get_or_insert_with(look).clone(),
                    elsewhere: self.elsewhere(name, object.abi),
                });
            }
            self.compare_versions(&one.candidate, &names, &built_in, &mut problems);
        }
        (loaded, libraries, problems)
    }

    /// Names the loader itself, which is loaded before all others.
    fn add_loader(&self, interpreter: &str, abi: Abi, names: &mut BTreeMap<String, Found<'a>>) {
        let found = match self.candidate(interpreter, abi) {
            Found::Missing if self.view.has_loader(interpreter, abi) => Found::Provided,
            found => found,
        };
        if let Found::File(candidate) = &found
            && let Some(soname) = &candidate.object.soname
        {
            names.insert(soname.clone(), found);
        } else if matches!(found, Found::Provided)
            && let Some(name) = interpreter.rsplit('/').next()
        {
            names.insert(name.to_owned(), found);
        }
    }

    fn compare_versions(
        &self,
        candidate: &Candidate<'a>,
        names: &BTreeMap<String, Found<'a>>,
        built_in: &BuiltIn<'a>,
        problems: &mut Vec<Problem>,
    ) {
        for (name, versions) in &candidate.object.versions {
            let found = names.get(name);
            for version in versions {
                let provides = || self.provides(name, version, candidate.object.abi, built_in);
                if let Some(library) = lacking(found, name, version, provides) {
                    problems.push(Problem::Version {
                        by: candidate.path.clone(),
                        name: name.clone(),
                        library,
                        version: version.clone(),
                    });
                }
            }
        }
    }

    /// Says whether the packages of the base provide a version of a library.
    fn provides(&self, name: &str, version: &str, abi: Abi, built_in: &BuiltIn<'a>) -> bool {
        let Base::Packages(packages) = self.view.base() else {
            return true;
        };
        let mut known = built_in.versions.borrow_mut();
        let known = match known.get_mut(name) {
            Some(known) => known,
            None => known.entry(name.to_owned()).or_default(),
        };
        known.get(version).copied().unwrap_or_else(|| {
            let provides = packages.has_version(name, version, abi);
            known.insert(version.to_owned(), provides);
            provides
        })
    }

    /// Returns the directories that this loader has built in.
    fn built_in(&self, interpreter: &str, abi: Abi) -> Rc<BuiltIn<'a>> {
        let key = (self.view.file(interpreter), abi);
        if let Some(known) = self.built_in.borrow().get(&key) {
            return known.clone();
        }
        let own = match self.candidate(interpreter, abi) {
            Found::File(loader) => loader.object.built_in.clone(),
            _ => Vec::new(),
        };
        let directories = match self.view.base() {
            _ if !own.is_empty() => own,
            Base::Packages(packages) => packages.library_directories(abi),
            Base::Files(_) | Base::Nothing => abi.library_directories(),
        };
        let built_in = Rc::new(BuiltIn {
            directories,
            ..BuiltIn::default()
        });
        self.built_in.borrow_mut().insert(key, built_in.clone());
        built_in
    }

    /// Looks at the file at a path as the loader does: one for another ABI is passed over.
    fn candidate(&self, path: &str, abi: Abi) -> Found<'a> {
        let Some(place) = self.view.file(path) else {
            return Found::Missing;
        };
        let object = if place.in_image {
            self.view.image().object(&place.path).map(ObjectRef::Image)
        } else if let Base::Files(root) = self.view.base() {
            match root.object(&place.path) {
                Loadable::Object(object) => Some(ObjectRef::Base(object)),
                Loadable::Not(problem) => {
                    return Found::Unloadable {
                        path: path.to_owned(),
                        problem,
                    };
                }
            }
        } else {
            None
        };
        match object {
            Some(object) if object.abi == abi && object.program => Found::Unloadable {
                path: path.to_owned(),
                problem: "it is linked as a program".to_owned(),
            },
            Some(object) if object.abi == abi => Found::File(Rc::new(Candidate {
                place,
                path: path.to_owned(),
                object,
            })),
            Some(_) => Found::Missing,
            None => Found::Unloadable {
                path: path.to_owned(),
                problem: "it is not an ELF library".to_owned(),
            },
        }
    }

    /// Returns where there is a library of this name that no search leads to.
    fn elsewhere(&self, name: &str, abi: Abi) -> Vec<String> {
        let known = self.elsewhere.borrow();
        if let Some(known) = known.get(&abi).and_then(|known| known.get(name)) {
            return known.clone();
        }
        drop(known);
        let paths = self.look_elsewhere(name, abi);
        let mut known = self.elsewhere.borrow_mut();
        let known = known.entry(abi).or_default();
        known.insert(name.to_owned(), paths.clone());
        paths
    }

    fn look_elsewhere(&self, name: &str, abi: Abi) -> Vec<String> {
        let file = name.rsplit('/').next().unwrap_or(name);
        let image = self.view.image();
        let named = |path: &str| path.rsplit('/').next() == Some(file);
        let mut paths: Vec<String> = image
            .objects()
            .filter(|(path, object)| {
                object.abi == abi && (named(path) || object.soname.as_deref() == Some(name))
            })
            .map(|(path, _)| format!("/{path}"))
            .collect();
        if let Base::Files(root) = self.view.base() {
            paths.extend(
                root.anywhere(file)
                    .iter()
                    .filter(|path| matches!(self.candidate(path, abi), Found::File(_)))
                    .cloned(),
            );
        }
        paths.sort();
        paths.dedup();
        paths
    }
}

/// Returns the library that should define a version and does not. `provides` asks the packages of
/// the base.
fn lacking(
    found: Option<&Found<'_>>,
    name: &str,
    version: &String,
    provides: impl Fn() -> bool,
) -> Option<String> {
    match found {
        // A library without any version meets every need; the loader only warns.
        Some(Found::File(library)) => {
            let defined = library.object.defines.as_ref()?;
            let lacks = defined.binary_search(version).is_err();
            lacks.then(|| library.path.clone())
        }
        Some(Found::Provided) => (!provides()).then(|| name.to_owned()),
        // It has been said that it is missing.
        Some(Found::Missing | Found::Unloadable { .. }) => None,
        // Versions of a library that nothing needs: the loader ends at once.
        None => Some("nothing that is loaded".to_owned()),
    }
}

#[cfg(test)]
mod tests;
