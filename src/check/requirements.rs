//! What an image requires, looked up in what is known of a base.
//!
//! Where the base's packages are known, they are asked. Where there are only files, paths are
//! looked for among them, and libraries are judged by what the loader finds. Everything else stays
//! unchecked, and the verdict says so.

use std::collections::BTreeSet;

use linkage::{Base as Below, Linkage, View};
use resolve::{Dependency, Installed};

use super::closure::BaseLibraries;
use crate::base::files::{BaseEntry, BaseFiles};
use crate::findings::{Finding, kinds};
use crate::packages::choose;

/// Where requirements are looked up.
pub struct Lookup<'a> {
    /// The packages of the base.
    pub packages: Option<&'a Installed>,
    /// Its files.
    pub files: Option<&'a BaseFiles<'a>>,
    /// Its libraries and programs.
    pub libraries: &'a BaseLibraries,
    /// The libraries that are judged by what the loader finds.
    pub loaded: Loaded,
}

/// Which libraries the files of an image load. A package may require others, which its programs
/// load in other ways.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loaded {
    /// Nobody has looked.
    Unknown,
    /// It will be seen when the files are packed.
    Later,
    /// These, by soname.
    These(BTreeSet<String>),
}

impl Loaded {
    /// Returns those of an image.
    pub fn of(linkage: Option<&Linkage>) -> Self {
        match linkage {
            None => Self::Unknown,
            Some(linkage) => {
                let objects = linkage.objects();
                let needed = objects.flat_map(|(_, object)| object.needed.iter().cloned());
                Self::These(needed.collect())
            }
        }
    }

    /// Says whether the loader's search judges this requirement, such as
    /// `libc.so.6(GLIBC_2.38)(64bit)`.
    fn judges(&self, text: &str) -> bool {
        if !is_library(text) {
            return false;
        }
        let soname = text.split('(').next().unwrap_or_default();
        match self {
            Self::Unknown => false,
            Self::Later => true,
            Self::These(sonames) => sonames.contains(soname) || soname == "rtld",
        }
    }
}

/// What became of the requirements of an image.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct LookedUp {
    /// Neither the base nor the image has these.
    pub unmet: Vec<String>,
    /// Nobody knows of these.
    pub unchecked: Vec<String>,
}

impl Lookup<'_> {
    /// Looks up `requires`. `image` has what the image's packages provide, on which conditions may
    /// depend.
    pub fn look_up(&self, requires: &[String], image: &Installed) -> LookedUp {
        let is_judged = |text: &str| self.libraries.are_known() && self.loaded.judges(text);
        if let Some(packages) = self.packages {
            let unmet = choose::unmet(requires, packages, image).into_iter();
            return LookedUp {
                // A file may be there that no package has, such as one of update-alternatives.
                unmet: unmet
                    .filter(|text| !is_judged(text) && self.has_path(text) != Some(true))
                    .cloned()
                    .collect(),
                unchecked: Vec::new(),
            };
        }
        let mut looked_up = LookedUp::default();
        let others = requires.iter().filter(|text| !is_judged(text));
        for text in others {
            match self.has_path(text) {
                Some(true) => {}
                Some(false) => looked_up.unmet.push(text.clone()),
                None => looked_up.unchecked.push(text.clone()),
            }
        }
        looked_up
    }

    /// Says whether a required path is there; `None` for what is no path, or where the base's files
    /// are not known.
    fn has_path(&self, text: &str) -> Option<bool> {
        let BaseLibraries::Files(root) = self.libraries else {
            return None;
        };
        let path = Dependency::parse(text).ok()?.simple()?.name.clone();
        let below = path.strip_prefix('/')?;
        let is_entry = |files: &BaseFiles<'_>| files.entry(below) != BaseEntry::Missing;
        let nothing = Linkage::default();
        let view = View::new(&nothing, Below::Files(root));
        Some(view.has_file(&path) || self.files.is_some_and(is_entry))
    }
}

/// Says that nothing has what `name` requires.
pub fn unmet(requirement: &str, name: &str) -> Finding {
    let text = format!("nothing provides {requirement} needed by {name}");
    Finding::new(&kinds::UNMET_REQUIREMENT, text)
}

/// Says whether a requirement is one of the loader's, such as `libc.so.6(GLIBC_2.38)(64bit)`.
fn is_library(text: &str) -> bool {
    !text.starts_with('(') && (text.contains(".so") || text.starts_with("rtld("))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Base;
    use crate::words::scratch::Scratch;

    #[test]
    fn what_is_looked_up_where() {
        let scratch = Scratch::new();
        scratch.write("usr/bin/sh", b"");
        scratch.write("usr/share/x", b"");
        std::os::unix::fs::symlink("usr/bin", scratch.path().join("bin")).unwrap();
        std::os::unix::fs::symlink("bin", scratch.path().join("usr/sbin")).unwrap();
        let base = Base {
            root: Some(scratch.path().to_owned()),
            ..Base::default()
        };
        let files = BaseFiles::of(&base);
        let of_files = BaseLibraries::of(&base, None).unwrap();
        let of_packages = BaseLibraries::Packages(linkage::Capabilities::default());
        let requires = [
            "/bin/sh",
            "/usr/sbin/sh",
            "/usr/share",
            "/usr/bin/perl",
            "bash >= 5",
            "libc.so.6()(64bit)",
            "rtld(GNU_HASH)",
            "(libx.so.1 if bash)",
        ]
        .map(str::to_owned);
        let packages = Installed::new(vec![resolve::Solvable {
            provides: vec![Dependency::parse("bash = 5").unwrap()],
            files: vec!["/bin/sh".to_owned()],
            ..resolve::Solvable::default()
        }]);
        let texts = |from: &[usize]| -> Vec<String> {
            from.iter().map(|index| requires[*index].clone()).collect()
        };
        let unknown = BaseLibraries::Unknown;
        let (later, nobody) = (Loaded::Later, Loaded::Unknown);
        let libc = Loaded::These(["libc.so.6".to_owned()].into());
        let none = Loaded::These(BTreeSet::new());
        for (packages, libraries, loaded, unmet, unchecked) in [
            // Nothing is known: nothing is looked up.
            (
                None,
                &unknown,
                &later,
                &[][..],
                &[0, 1, 2, 3, 4, 5, 6, 7][..],
            ),
            // Files alone: paths, also through links, and what the loader finds.
            (None, &of_files, &later, &[3], &[4, 7]),
            (None, &of_files, &libc, &[3], &[4, 7]),
            (None, &of_files, &none, &[3], &[4, 5, 7]),
            (None, &of_files, &nobody, &[3], &[4, 5, 6, 7]),
            // Packages know everything.
            (Some(&packages), &of_packages, &libc, &[1, 2, 3, 7], &[]),
            (Some(&packages), &of_files, &libc, &[3, 7], &[]),
            (Some(&packages), &of_files, &none, &[3, 5, 7], &[]),
            (Some(&packages), &unknown, &libc, &[1, 2, 3, 5, 6, 7], &[]),
            (
                Some(&packages),
                &of_packages,
                &nobody,
                &[1, 2, 3, 5, 6, 7],
                &[],
            ),
        ] {
            let lookup = Lookup {
                packages,
                files: files.as_ref(),
                libraries,
                loaded: loaded.clone(),
            };
            let expected = LookedUp {
                unmet: texts(unmet),
                unchecked: texts(unchecked),
            };
            let found = lookup.look_up(&requires, &Installed::default());
            assert_eq!(found, expected, "{libraries:?} {loaded:?}");
        }
    }
}
