//! The paths of an image that is merged over a base.
//!
//! A merge is an overlay: where both have a directory, the entries of both are there; of anything
//! else the image's is. Links lead from one into the other and back. So a path is walked one part
//! after the other, and at each the image's entry is looked at first.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use crate::abi::Abi;
use crate::capabilities::Capabilities;
use crate::inventory::{Entry, Linkage};
use crate::root::{Kind, Root};

/// Links that one path may lead through; Linux's own bound.
const MAX_LINKS: usize = 40;
/// What of an image is merged, over the base's directories of these names.
const HIERARCHIES: [&str; 2] = ["usr", "opt"];
/// Links that every system has whose files are not known here.
const MERGED: [(&str, &str); 4] = [
    ("bin", "usr/bin"),
    ("sbin", "usr/sbin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
];

/// What is known of a base.
#[derive(Clone, Copy, Debug)]
pub enum Base<'a> {
    /// Its files.
    Files(&'a Root),
    /// What its packages provide.
    Packages(&'a Capabilities),
    /// There is none: what is not in the image is missing.
    Nothing,
}

/// Where a file is.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// It is the image's; else the base's.
    pub in_image: bool,
    /// Its path there, without links and without a slash in front.
    pub path: String,
}

/// What of an image its [`Linkage`] does not list, and yet hides something: with it, a view knows
/// all of an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cover {
    /// Files that are neither ELF files nor scripts.
    pub files: BTreeSet<String>,
    /// All directories.
    pub directories: BTreeSet<String>,
    /// Paths at which nothing of the base is seen: whiteouts, and directories that hide the base's.
    pub hidden: BTreeSet<String>,
}

/// An image over a base.
#[derive(Debug)]
pub struct View<'a> {
    image: &'a Linkage,
    cover: Option<&'a Cover>,
    base: Base<'a>,
    directories: BTreeSet<&'a str>,
    /// Where the base's links put the hierarchies: path on the merged system, path in the image.
    moved: Vec<(String, &'static str)>,
    /// Places that were asked for before.
    known: RefCell<BTreeMap<String, Option<Place>>>,
}

/// One directory of the path that is being walked.
struct Directory {
    path: String,
    in_image: bool,
    in_base: bool,
}

impl<'a> View<'a> {
    /// Lays an image over a base.
    pub fn new(image: &'a Linkage, base: Base<'a>) -> Self {
        Self::with(image, None, base)
    }

    /// Lays an image of which everything is known over a base.
    pub fn whole(image: &'a Linkage, cover: &'a Cover, base: Base<'a>) -> Self {
        Self::with(image, Some(cover), base)
    }

    fn with(image: &'a Linkage, cover: Option<&'a Cover>, base: Base<'a>) -> Self {
        let mut directories = BTreeSet::new();
        for mut path in image.paths() {
            while let Some((directory, _)) = path.rsplit_once('/') {
                if !directories.insert(directory) {
                    break;
                }
                path = directory;
            }
        }
        let moved = (HIERARCHIES.iter())
            .filter_map(|hierarchy| Some((moved(base, hierarchy)?, *hierarchy)))
            .collect();
        Self {
            image,
            cover,
            base,
            directories,
            moved,
            known: RefCell::default(),
        }
    }

    pub(crate) fn image(&self) -> &'a Linkage {
        self.image
    }

    pub(crate) fn base(&self) -> Base<'a> {
        self.base
    }

    /// Returns the file that a path leads to; `None` where there is none.
    pub(crate) fn file(&self, path: &str) -> Option<Place> {
        if let Some(place) = self.known.borrow().get(path) {
            return place.clone();
        }
        let place = self.walk(path);
        self.known
            .borrow_mut()
            .insert(path.to_owned(), place.clone());
        place
    }

    /// Says whether there are libraries for better processors.
    pub fn has_hwcaps(&self) -> bool {
        let of_base = |root: &Root| {
            let mut abis: Vec<_> = self.image.objects().map(|(_, object)| object.abi).collect();
            abis.sort();
            abis.dedup();
            abis.iter()
                .flat_map(|abi| abi.library_directories())
                .filter(|directory| directory.starts_with("/usr/"))
                .any(|directory| {
                    let path = format!("{}/glibc-hwcaps", &directory[1..]);
                    root.kind(&path) == Kind::Directory
                })
        };
        self.image
            .paths()
            .any(|path| path.contains("/glibc-hwcaps/"))
            || matches!(self.base, Base::Files(root) if of_base(root))
    }

    /// Says whether a path leads to a file, of the image or the base, however the base is known.
    pub fn has_file(&self, path: &str) -> bool {
        self.file(path).is_some()
            || matches!(self.base, Base::Packages(packages) if packages.has_file(path))
    }

    /// Says whether the loader of a program is there, of image or base.
    pub fn has_loader(&self, path: &str, abi: Abi) -> bool {
        self.file(path).is_some()
            || matches!(self.base, Base::Packages(packages) if packages.has_loader(path, abi))
    }

    fn walk(&self, path: &str) -> Option<Place> {
        let mut waiting: Vec<String> = parts(path);
        let mut links = 0;
        let mut directories = vec![Directory {
            path: String::new(),
            in_image: true,
            in_base: true,
        }];
        while let Some(part) = waiting.pop() {
            if part == ".." {
                if directories.len() > 1 {
                    directories.pop();
                }
                continue;
            }
            let parent = directories.last()?;
            let path = if parent.path.is_empty() {
                part
            } else {
                format!("{}/{part}", parent.path)
            };
            let place = self.in_image(&path);
            let entered = self.moved.iter().any(|(to, _)| *to == path);
            let image = match &place {
                Some(place) if parent.in_image || entered => self.of_image(place),
                _ => Kind::Missing,
            };
            // A base's directory below an image's directory is asked for, too: they are merged.
            let hidden = !matches!(image, Kind::Missing | Kind::Directory)
                || place.as_ref().is_some_and(|place| self.hides(place));
            let base = match self.of_base(&path) {
                _ if !parent.in_base || hidden => Kind::Missing,
                Kind::Missing if self.leads_to_hierarchy(&path) => Kind::Directory,
                base => base,
            };
            let in_image = image != Kind::Missing;
            match if in_image { image } else { base.clone() } {
                Kind::Missing => return None,
                Kind::Directory => directories.push(Directory {
                    path,
                    in_image,
                    in_base: base == Kind::Directory,
                }),
                Kind::File if waiting.is_empty() => {
                    let path = place.filter(|_| in_image).unwrap_or(path);
                    return Some(Place { in_image, path });
                }
                Kind::File => return None,
                Kind::Link(target) => {
                    links += 1;
                    if links > MAX_LINKS {
                        return None;
                    }
                    if target.starts_with('/') {
                        directories.truncate(1);
                    }
                    waiting.extend(parts(&target));
                }
            }
        }
        None
    }

    /// Returns the path in the image of what is at a path of the merged system. Nothing of it is
    /// where the base has a link to another place for a whole hierarchy.
    fn in_image(&self, path: &str) -> Option<String> {
        for (to, hierarchy) in &self.moved {
            if is_at_or_below(path, hierarchy) {
                return None;
            }
            if is_at_or_below(path, to) {
                return Some(format!("{hierarchy}{}", &path[to.len()..]));
            }
        }
        Some(path.to_owned())
    }

    /// Says whether a hierarchy of the image is merged somewhere below a path.
    fn leads_to_hierarchy(&self, path: &str) -> bool {
        (self.moved.iter()).any(|(to, _)| is_at_or_below(to, path))
    }

    /// Says whether nothing of the base is seen at a path of the image.
    fn hides(&self, path: &str) -> bool {
        self.cover.is_some_and(|cover| cover.hidden.contains(path))
    }

    fn of_image(&self, path: &str) -> Kind {
        match self.image.entry(path) {
            Some(Entry::Link(target)) => return Kind::Link(target.to_owned()),
            Some(Entry::Object(_) | Entry::Other) => return Kind::File,
            None => {}
        }
        let of_cover = |of: fn(&Cover) -> &BTreeSet<String>| {
            self.cover.is_some_and(|cover| of(cover).contains(path))
        };
        if of_cover(|cover| &cover.files) {
            Kind::File
        } else if self.directories.contains(path) || of_cover(|cover| &cover.directories) {
            Kind::Directory
        } else {
            Kind::Missing
        }
    }

    fn of_base(&self, path: &str) -> Kind {
        if let Base::Files(root) = self.base {
            return root.kind(path);
        }
        MERGED
            .iter()
            .find(|(link, _)| *link == path)
            .map_or(Kind::Missing, |(_, target)| {
                Kind::Link((*target).to_owned())
            })
    }
}

/// Returns where a base has the directory over which a hierarchy is merged, if a link leads there:
/// systemd follows it, whether `/opt` is one or what it leads to.
fn moved(base: Base<'_>, hierarchy: &str) -> Option<String> {
    let Base::Files(root) = base else { return None };
    let mut path: Vec<String> = Vec::new();
    let mut waiting = parts(hierarchy);
    let mut links = 0;
    while let Some(part) = waiting.pop() {
        if part == ".." {
            path.pop();
            continue;
        }
        path.push(part);
        if let Kind::Link(target) = root.kind(&path.join("/")) {
            links += 1;
            if links > MAX_LINKS {
                return None;
            }
            path.pop();
            if target.starts_with('/') {
                path.clear();
            }
            waiting.extend(parts(&target));
        }
    }
    let path = path.join("/");
    (path != hierarchy).then_some(path)
}

fn is_at_or_below(path: &str, above: &str) -> bool {
    path.strip_prefix(above)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Splits a path into its parts, the first one last.
fn parts(path: &str) -> Vec<String> {
    path.split('/')
        .rev()
        .filter(|part| !part.is_empty() && *part != ".")
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Script;

    /// Makes an image of executable files and links.
    fn image(files: &[&str], links: &[(&str, &str)]) -> Linkage {
        let script = Script {
            interpreter: "/bin/sh".to_owned(),
            env: None,
        };
        Linkage {
            scripts: files
                .iter()
                .map(|path| ((*path).to_owned(), script.clone()))
                .collect(),
            links: links
                .iter()
                .map(|(path, to)| ((*path).to_owned(), (*to).to_owned()))
                .collect(),
            ..Linkage::default()
        }
    }

    #[test]
    fn so_many_links_are_followed() {
        let names: Vec<_> = (0..=41).map(|number| format!("usr/{number}")).collect();
        let targets: Vec<_> = (0..=41)
            .map(|number: u32| (number.max(1) - 1).to_string())
            .collect();
        let links: Vec<_> = (1..=41)
            .map(|n| (names[n].as_str(), targets[n].as_str()))
            .collect();
        let image = image(&["usr/0"], &links);
        let view = View::new(&image, Base::Nothing);
        let found = [40, 41].map(|links| view.file(&format!("/usr/{links}")).map(|it| it.path));
        assert_eq!(found, [Some("usr/0".to_owned()), None]);
    }

    #[test]
    fn paths_of_an_image_alone() {
        let image = image(
            &["usr/bin/dash", "usr/lib/x/deep/tool"],
            &[
                ("usr/bin/sh", "dash"),
                ("usr/bin/ash", "/bin/sh"),
                ("usr/share/x", "../lib/x"),
                ("usr/bin/loop", "loop"),
                ("usr/bin/tool", "../share/x/deep/../deep/tool"),
            ],
        );
        let view = View::new(&image, Base::Nothing);
        for (path, expected) in [
            ("/usr/bin/dash", Some("usr/bin/dash")),
            ("/bin//./sh", Some("usr/bin/dash")),
            ("/usr/bin/ash", Some("usr/bin/dash")),
            ("/usr/share/x/deep/tool", Some("usr/lib/x/deep/tool")),
            ("/usr/bin/tool", Some("usr/lib/x/deep/tool")),
            ("/../usr/bin/dash", Some("usr/bin/dash")),
            ("/usr/bin/dash/more", None),
            ("/usr/bin/loop", None),
            ("/usr/lib/x", None),
            ("/usr/bin/other", None),
        ] {
            let found = view.file(path);
            assert_eq!(
                found.as_ref().map(|place| place.path.as_str()),
                expected,
                "{path}"
            );
        }
    }

    #[allow(clippy::disallowed_methods)]
    /// Makes a root directory of directories (`usr/bin/`), links (`opt -> var/opt`) and files.
    fn root(name: &str, lines: &[&str]) -> Root {
        let name = format!("linkage-view-{name}-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&directory);
        for line in lines {
            let (path, target) = line.split_once(" -> ").unwrap_or((line, ""));
            let full = directory.join(path);
            let above = if path.ends_with('/') {
                &full
            } else {
                full.parent().unwrap()
            };
            std::fs::create_dir_all(above).unwrap();
            if !target.is_empty() {
                std::os::unix::fs::symlink(target, &full).unwrap();
            } else if !path.ends_with('/') {
                std::fs::write(&full, "").unwrap();
            }
        }
        Root::open(&directory).unwrap()
    }

    #[test]
    fn what_of_an_image_hides_the_base() {
        let root = root(
            "hides",
            &[
                "usr/lib/a.so",
                "usr/lib/b.so",
                "usr/lib/d/c.so",
                "usr/lib/e/f.so",
            ],
        );
        let set = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        let image = image(&["usr/lib/e/g.so"], &[]);
        let cover = Cover {
            files: set(&["usr/lib/a.so"]),
            directories: set(&["usr/lib/d"]),
            hidden: set(&["usr/lib/b.so", "usr/lib/e"]),
        };
        let view = View::whole(&image, &cover, Base::Files(&root));
        for (path, expected) in [
            ("/usr/lib/a.so", Some(true)),
            ("/usr/lib/b.so", None),
            ("/usr/lib/d/c.so", Some(false)),
            ("/usr/lib/e/f.so", None),
            ("/usr/lib/e/g.so", Some(true)),
        ] {
            let found = view.file(path).map(|place| place.in_image);
            assert_eq!(found, expected, "{path}");
        }
    }

    #[test]
    fn a_hierarchy_that_is_a_link_of_the_base() {
        let image = image(
            &["opt/x/tool", "usr/local/bin/tool"],
            &[("usr/bin/tool", "/opt/x/tool")],
        );
        let place = |in_image, path: &str| {
            Some(Place {
                in_image,
                path: path.to_owned(),
            })
        };
        for (case, lines) in [
            (
                "there",
                &[
                    "opt -> var/opt",
                    "var/opt/y/own",
                    "usr/local -> ../var/usrlocal",
                ][..],
            ),
            (
                "gone",
                &["opt -> /var/./opt", "usr/local -> ../var/usrlocal"],
            ),
        ] {
            let root = root(case, lines);
            let view = View::new(&image, Base::Files(&root));
            let own = (case == "there")
                .then_some(place(false, "var/opt/y/own"))
                .flatten();
            for (path, expected) in [
                ("/opt/x/tool", place(true, "opt/x/tool")),
                ("/usr/bin/tool", place(true, "opt/x/tool")),
                ("/var/opt/x/tool", place(true, "opt/x/tool")),
                ("/opt/y/own", own),
                // Below a hierarchy, a directory takes the place of a link.
                ("/usr/local/bin/tool", place(true, "usr/local/bin/tool")),
                ("/var/usrlocal/bin/tool", None),
            ] {
                assert_eq!(view.file(path), expected, "{case}: {path}");
            }
        }
    }
}
