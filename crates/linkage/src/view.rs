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
pub(crate) struct Place {
    /// It is the image's; else the base's.
    pub(crate) in_image: bool,
    /// Its path without links and without a slash in front.
    pub(crate) path: String,
}

/// An image over a base.
#[derive(Debug)]
pub struct View<'a> {
    image: &'a Linkage,
    base: Base<'a>,
    directories: BTreeSet<&'a str>,
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
        let mut directories = BTreeSet::new();
        for mut path in image.paths() {
            while let Some((directory, _)) = path.rsplit_once('/') {
                if !directories.insert(directory) {
                    break;
                }
                path = directory;
            }
        }
        Self {
            image,
            base,
            directories,
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
            let image = if parent.in_image {
                self.of_image(&path)
            } else {
                Kind::Missing
            };
            // A base's directory below an image's directory is asked for, too: they are merged.
            let base = if parent.in_base && matches!(image, Kind::Missing | Kind::Directory) {
                self.of_base(&path)
            } else {
                Kind::Missing
            };
            let in_image = image != Kind::Missing;
            match if in_image { image } else { base.clone() } {
                Kind::Missing => return None,
                Kind::Directory => directories.push(Directory {
                    path,
                    in_image,
                    in_base: base == Kind::Directory,
                }),
                Kind::File if waiting.is_empty() => return Some(Place { in_image, path }),
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

    fn of_image(&self, path: &str) -> Kind {
        match self.image.entry(path) {
            Some(Entry::Link(target)) => Kind::Link(target.to_owned()),
            Some(Entry::Object(_) | Entry::Other) => Kind::File,
            None if self.directories.contains(path) => Kind::Directory,
            None => Kind::Missing,
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
}
