//! Kernel modules of an image, against the kernels of a base.
//!
//! A kernel loads modules from the directory of its own release alone, and finds them through an
//! index there, `modules.dep`, which `depmod` makes of all of them. A module says which kernel it
//! was built for. Kernels with versions of symbols take those for another release if the checksums
//! of all symbols are the same; packages of such modules require these checksums, and packages of
//! kernels provide them:
//!
//! ```text
//! ksym(default:kmalloc) = 9f4c0b1e        openSUSE, and long ago RHEL
//! kernel(kmalloc) = 0x9f4c0b1e            RHEL
//! ```
//!
//! `weak-modules` links such modules into the directories of the kernels that they fit, when their
//! package is installed.

use std::collections::{BTreeMap, BTreeSet};

use image::Tree;
use resolve::{Dependency, Installed};

use super::caches::cache_at;
use super::shadow::Shadow;
use crate::base::files::{BaseEntry, BaseFiles};
use crate::findings::{Finding, FindingKind, kinds};
use crate::pack::modules::{DIRECTORY, Modules, Place, kernels, places};
use crate::packages::choose;
use crate::words::quantity::counted;

/// What a kernel brings into the directory of its release, and packages of modules do not.
const OF_KERNELS: [&str; 4] = ["kernel", "modules.builtin", "modules.order", "vmlinuz"];
/// The index by which modprobe finds modules.
const INDEX: &str = "modules.dep.bin";
/// The capability by which packages of kernels state their release.
const RELEASE: &str = "kernel-uname-r";

/// Whether the checksums of symbols that an image requires are those of the base's kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Symbols {
    /// It requires none.
    None,
    /// Packages of the base provide all of them.
    Provided,
    /// They do not.
    Missing,
    /// The base's packages are not known.
    Unknown,
}

impl Symbols {
    fn of(requires: &[String], packages: Option<&Installed>) -> Self {
        let is_checksum = |text: &&String| {
            ["ksym(", "kernel("]
                .iter()
                .any(|start| text.starts_with(start) && text.contains(" = "))
        };
        let requires: Vec<_> = requires.iter().filter(is_checksum).cloned().collect();
        match packages {
            _ if requires.is_empty() => Self::None,
            None => Self::Unknown,
            Some(packages) => {
                let nothing = Installed::default();
                match choose::unmet(&requires, packages, &nothing).is_empty() {
                    true => Self::Provided,
                    false => Self::Missing,
                }
            }
        }
    }
}

/// What is known of the kernels of a base, for one image.
pub struct Kernels<'a> {
    files: Option<&'a BaseFiles<'a>>,
    packages: Option<&'a Installed>,
    /// Their releases; none where the base has no kernel, as a container's, or none is known.
    releases: BTreeSet<String>,
    symbols: Symbols,
}

impl<'a> Kernels<'a> {
    /// Returns the kernels of a base with these files and packages, for an image that requires this.
    pub fn of(
        files: Option<&'a BaseFiles<'a>>,
        packages: Option<&'a Installed>,
        requires: &[String],
    ) -> Self {
        let directories = files.map(|files| files.directories_in(DIRECTORY));
        let directories = directories.unwrap_or_default();
        let is_kernel = |release: &&String| {
            let has = |name: &&str| {
                let path = format!("{DIRECTORY}/{release}/{name}");
                files.is_some_and(|files| files.entry(path) != BaseEntry::Missing)
            };
            OF_KERNELS.iter().any(has)
        };
        // A package of modules leaves a directory for a kernel that is not there.
        let own: BTreeSet<_> = directories.iter().filter(is_kernel).cloned().collect();
        Self {
            files,
            packages,
            releases: if own.is_empty() { directories } else { own },
            symbols: Symbols::of(requires, packages),
        }
    }

    /// Says which kernels the base has in place of this one; `None` where it has that, or where
    /// nothing is known.
    fn others(&self, kernel: &str) -> Option<String> {
        if !self.releases.is_empty() {
            let names: Vec<_> = self.releases.iter().map(String::as_str).collect();
            let others = format!("the base has only {}", names.join(", "));
            return (!self.releases.contains(kernel)).then_some(others);
        }
        let has = |text: &str| {
            let dependency = Dependency::parse(text).unwrap_or_else(|_| Dependency::named(text));
            let nothing = Installed::default();
            (self.packages).is_some_and(|packages| packages.meets(&dependency, &nothing))
        };
        let is_other = has(RELEASE) && !has(&format!("{RELEASE} = {kernel}"));
        is_other.then(|| "the base has only others".to_owned())
    }

    /// Looks at an image with so many modules for each kernel; `is_indexed` says that it has an
    /// index of its own for one.
    pub fn judge(
        &self,
        modules: &BTreeMap<String, u64>,
        is_indexed: &dyn Fn(&str) -> bool,
    ) -> Vec<Shadow> {
        let mut found = Vec::new();
        for (kernel, count) in modules {
            let count = usize::try_from(*count).unwrap_or(usize::MAX);
            let has = format!("has {}", counted(count, "module"));
            let is_are = if count == 1 { "is" } else { "are" };
            let path = format!("/{DIRECTORY}/{kernel}");
            let mut add = |kind, what| found.push(shadow(kind, &path, what));
            if let Some(others) = self.others(kernel) {
                let what = format!("{has} for kernel {kernel}, and {others}");
                let fits = match self.symbols {
                    Symbols::None | Symbols::Missing => None,
                    Symbols::Provided => Some("with all symbols that the image requires"),
                    Symbols::Unknown => Some("which may have the symbols that the image requires"),
                };
                if let Some(fits) = fits {
                    let what = format!(
                        "{what}, {fits}: found there only through links, which weak-modules makes"
                    );
                    add(&kinds::WEAK_MODULES, what);
                    continue;
                }
                add(&kinds::NO_KERNEL, what);
            }
            if !is_indexed(kernel) {
                let what = format!("{has} that {is_are} found only after depmod -a {kernel}");
                add(&kinds::NEEDS_DEPMOD, what);
            }
        }
        found
    }

    /// Looks at the modules of a tree, and at indices of them that it has.
    pub fn judge_tree(&self, tree: &Tree) -> Vec<Shadow> {
        let modules = kernels(tree);
        let path = |kernel: &str| format!("{DIRECTORY}/{kernel}/{INDEX}");
        let mut found = self.judge(&modules, &|kernel| tree.get(path(kernel)).is_some());
        found.extend(self.indices(tree));
        found
    }

    /// Finds indices of an image that would hide those which the base's kernels get when they are
    /// installed, and which no package lists. What a root has is seen as any file.
    fn indices(&self, tree: &Tree) -> Vec<Shadow> {
        let Some(files) = self.files.filter(|files| !files.has_root()) else {
            return Vec::new();
        };
        let mut found = Vec::new();
        tree.walk(&mut |path, _| {
            let path = path.text();
            let kernel = path.strip_prefix("usr/lib/modules/");
            if let Some((kernel, _)) = kernel.and_then(|below| below.split_once('/'))
                && self.releases.contains(kernel)
                && let Some(made_by) = cache_at(&path)
                && files.entry(path.as_bytes()) == BaseEntry::Missing
            {
                let what = format!("hides the index that {made_by} makes on the base");
                found.push(shadow(&kinds::CACHE_HIDDEN, &format!("/{path}"), what));
            }
        });
        found
    }
}

/// Compares what the modules of an image say with the directories that they are in.
pub fn built_for(tree: &Tree, modules: &Modules) -> Vec<Shadow> {
    let places = places(tree);
    let found = places.iter().filter_map(|place| misplaced(place, modules));
    found.collect()
}

fn misplaced(place: &Place, modules: &Modules) -> Option<Shadow> {
    let module = modules.read.get(place.file.as_deref()?)?;
    let built_for = module.release()?;
    let kernel = &place.kernel;
    if built_for == kernel {
        return None;
    }
    let (kind, then): (_, &str) = match module.may_fit_others() {
        true => (
            &kinds::WEAK_MODULES,
            "takes it if all symbols that it uses are the same",
        ),
        false => (&kinds::VERMAGIC, "does not take it"),
    };
    let what = format!("was built for kernel {built_for}; {kernel} {then}");
    Some(shadow(kind, &format!("/{}", place.path), what))
}

/// Says which modules could not be read.
pub fn unread(modules: &Modules) -> impl Iterator<Item = Finding> {
    let unread = modules.unread.iter();
    unread.map(|(path, problem)| Finding::new(&kinds::ELF_UNREAD, format!("/{path}: {problem}")))
}

fn shadow(kind: &'static FindingKind, path: &str, what: String) -> Shadow {
    Shadow {
        kind,
        path: path.to_owned(),
        what,
        owner: None,
    }
}

#[cfg(test)]
mod tests {
    use linkage::Module;
    use resolve::Solvable;
    use rpm_input::{File, FileKind, Nevra, Package};

    use super::*;
    use crate::base::Base;
    use crate::pack::modules::tests::tree;

    /// Makes a base of one package with these files.
    fn base(paths: &[&str]) -> Base {
        let mut package = Package::named(Nevra {
            name: "base".into(),
            epoch: None,
            version: "1".into(),
            release: "1".into(),
            arch: "x86_64".into(),
        });
        let files = paths.iter();
        package.files = files
            .map(|path| File::new(format!("/{path}"), FileKind::Regular))
            .collect();
        Base {
            packages: Some(vec![package]),
            ..Base::default()
        }
    }

    fn packages(provides: &[&str]) -> Installed {
        Installed::new(vec![Solvable {
            provides: (provides.iter())
                .map(|text| Dependency::parse(text).unwrap())
                .collect(),
            ..Solvable::default()
        }])
    }

    /// Returns the shadows as `id path what`, without the directory of modules.
    fn texts(found: &[Shadow]) -> Vec<String> {
        let text = |one: &Shadow| {
            let path = &one.path["/usr/lib/modules/".len()..];
            format!("{} {path} {}", one.kind.id, one.what)
        };
        found.iter().map(text).collect()
    }

    #[test]
    fn modules_and_the_kernels_of_the_base() {
        const BASE: &[&str] = &["usr/lib/modules/6.1-1/kernel/a.ko"];
        let one = |kernel: &str| {
            format!(
                "needs-depmod {kernel} has 1 module that is found only after depmod -a {kernel}"
            )
        };
        let none = |kernel: &str, of_base: &str| {
            format!(
                "no-kernel {kernel} has 1 module for kernel {kernel}, and the base has only {of_base}"
            )
        };
        for (image, of_base, expected) in [
            (
                &["usr/lib/modules/6.1-1/extra/b.ko"][..],
                Some(BASE),
                vec![one("6.1-1")],
            ),
            (
                &[
                    "usr/lib/modules/6.1-1/extra/b.ko",
                    "usr/lib/modules/6.1-1/extra/c.ko.xz",
                ],
                Some(BASE),
                vec![
                    "needs-depmod 6.1-1 has 2 modules that are found only after depmod -a 6.1-1"
                        .to_owned(),
                ],
            ),
            (
                &["usr/lib/modules/6.1-2/extra/b.ko.xz"],
                Some(BASE),
                vec![none("6.1-2", "6.1-1"), one("6.1-2")],
            ),
            // A kernel counts, not a directory that a package of modules made.
            (
                &["usr/lib/modules/6.1-2/extra/b.ko"],
                Some(&[
                    "usr/lib/modules/6.1-2/updates/a.ko",
                    "usr/lib/modules/6.1-3/vmlinuz",
                    "usr/lib/modules/6.1-4/modules.order",
                ]),
                vec![none("6.1-2", "6.1-3, 6.1-4"), one("6.1-2")],
            ),
            (
                &["usr/lib/modules/6.1-2/extra/b.ko"],
                Some(&["usr/lib/modules/6.1-2/updates/a.ko"]),
                vec![one("6.1-2")],
            ),
            // Nothing is known of kernels, or there are none.
            (
                &["usr/lib/modules/6.1-2/b.ko.zst"],
                None,
                vec![one("6.1-2")],
            ),
            (
                &["usr/lib/modules/6.1-2/b.ko"],
                Some(&["usr/bin/a"]),
                vec![one("6.1-2")],
            ),
            (&["usr/lib/modules/6.1-2/README"], Some(BASE), vec![]),
            // With an index of its own, depmod has run; it may not hide another one.
            (
                &[
                    "usr/lib/modules/6.1-2/b.ko",
                    "usr/lib/modules/6.1-2/modules.dep.bin",
                ],
                Some(BASE),
                vec![none("6.1-2", "6.1-1")],
            ),
            (
                &[
                    "usr/lib/modules/6.1-1/b.ko",
                    "usr/lib/modules/6.1-1/modules.dep.bin",
                ],
                Some(BASE),
                vec![
                    "cache-hidden 6.1-1/modules.dep.bin hides the index that depmod makes on the \
                     base"
                        .to_owned(),
                ],
            ),
        ] {
            let of_base = of_base.map(base);
            let files = of_base.as_ref().and_then(BaseFiles::of);
            let kernels = Kernels::of(files.as_ref(), None, &[]);
            assert_eq!(
                texts(&kernels.judge_tree(&tree(image))),
                expected,
                "{image:?}"
            );
        }
    }

    #[test]
    fn kernels_that_packages_provide() {
        let brought = |kernel: &str| BTreeMap::from([(kernel.to_owned(), 1)]);
        for (provides, kernel, expected) in [
            (
                &["kernel-uname-r = 6.1-1.x86_64"][..],
                "6.1-1.x86_64",
                vec![],
            ),
            (
                &["kernel-uname-r = 6.1-1.x86_64"],
                "6.1-2.x86_64",
                vec![
                    "no-kernel 6.1-2.x86_64 has 1 module for kernel 6.1-2.x86_64, and the base has \
                      only others",
                ],
            ),
            (&["bash = 5"], "6.1-2.x86_64", vec![]),
        ] {
            let packages = packages(provides);
            let kernels = Kernels::of(None, Some(&packages), &[]);
            let found = kernels.judge(&brought(kernel), &|_| true);
            assert_eq!(texts(&found), expected, "{provides:?}");
        }
    }

    /// Modules for another kernel whose symbols have the checksums that are required.
    #[test]
    fn modules_that_fit_by_their_symbols() {
        let base = base(&["usr/lib/modules/6.1-1/vmlinuz"]);
        let files = BaseFiles::of(&base);
        let packages = packages(&["ksym(default:a) = 1f", "kernel(b) = 0x2f"]);
        let weak = |fits: &str| {
            format!(
                "weak-modules 6.1-0 has 1 module for kernel 6.1-0, and the base has only 6.1-1, \
                 {fits}: found there only through links, which weak-modules makes"
            )
        };
        let provided = || weak("with all symbols that the image requires");
        let wrong = || "no-kernel 6.1-0 has 1 module for kernel 6.1-0, and the base has only 6.1-1";
        for (requires, packages, expected) in [
            (&["ksym(default:a) = 1f"][..], Some(&packages), provided()),
            (&["kernel(b) = 0x2f", "bash"], Some(&packages), provided()),
            (
                &["ksym(default:a) = 1f"],
                None,
                weak("which may have the symbols that the image requires"),
            ),
            (
                &["ksym(default:a) = 1e"],
                Some(&packages),
                wrong().to_owned(),
            ),
            (&["kmod(b.ko)", "bash"], Some(&packages), wrong().to_owned()),
            (&[], None, wrong().to_owned()),
        ] {
            let requires: Vec<_> = requires.iter().map(|it| (*it).to_owned()).collect();
            let kernels = Kernels::of(files.as_ref(), packages, &requires);
            let brought = BTreeMap::from([("6.1-0".to_owned(), 1)]);
            let found = kernels.judge(&brought, &|_| true);
            assert_eq!(texts(&found), [expected], "{requires:?}");
        }
    }

    #[test]
    fn modules_in_the_directory_of_another_kernel() {
        let module = |vermagic: &str, has_checksums| Module {
            vermagic: Some(vermagic.to_owned()),
            has_checksums,
            ..Module::default()
        };
        let (own, versions) = (
            module("6.1-1 SMP", false),
            module("6.1-1 modversions", true),
        );
        let files = |kernel: &str| format!("usr/lib/modules/{kernel}/a.ko");
        for (kernel, link, module, expected) in [
            ("6.1-1", "", &own, None),
            (
                "6.1-2",
                "",
                &own,
                Some("vermagic 6.1-2/a.ko was built for kernel 6.1-1; 6.1-2 does not take it"),
            ),
            (
                "6.1-2",
                "",
                &versions,
                Some(
                    "weak-modules 6.1-2/a.ko was built for kernel 6.1-1; 6.1-2 takes it if all \
                     symbols that it uses are the same",
                ),
            ),
            (
                "6.1-1",
                "usr/lib/modules/6.1-2/b.ko -> ../6.1-1/a.ko",
                &versions,
                Some(
                    "weak-modules 6.1-2/b.ko was built for kernel 6.1-1; 6.1-2 takes it if all \
                     symbols that it uses are the same",
                ),
            ),
            ("6.1-2", "", &Module::default(), None),
        ] {
            let path = files(kernel);
            let mut lines = vec![path.as_str()];
            lines.extend(Some(link).filter(|link| !link.is_empty()));
            let modules = Modules {
                read: BTreeMap::from([(path.clone(), module.clone())]),
                unread: BTreeMap::new(),
            };
            let found = texts(&built_for(&tree(&lines), &modules));
            assert_eq!(found, Vec::from_iter(expected), "{kernel} {link}");
        }
    }
}
