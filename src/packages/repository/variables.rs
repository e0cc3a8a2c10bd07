//! Variables in what `.repo` files say, with the values that dnf and zypper give them.

use std::collections::BTreeMap;
use std::path::Path;

use architecture::Architecture;
use rpm_input::Package;
use rpm_input::repo_file::{Unexpanded, expand};

use crate::base::Base;
use crate::words::failure::{Failure, Result};

/// Directories of a system with a file for each variable: yum's, dnf's, zypper's. The last one wins.
const DIRECTORIES: [&str; 3] = ["etc/yum/vars", "etc/dnf/vars", "etc/zypp/vars.d"];
/// Longest file of a variable, in bytes.
const MAX_VALUE: u64 = 4 << 10;
/// Most variables of a system.
const MAX_VARIABLES: usize = 1000;

/// What dnf looks for among what packages provide, to tell the release from it, in this order.
const RELEASES: [&str; 6] = [
    "system-release(releasever)",
    "system-release",
    "distribution-release(releasever)",
    "distribution-release",
    "redhat-release",
    "suse-release",
];

/// What `.repo` files may leave open.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Variables {
    /// What the user or the system gives a value of its own.
    pub given: BTreeMap<String, String>,
    /// `$releasever`.
    pub release: Option<String>,
    /// `$arch` and `$basearch`: the architecture in RPM's spelling.
    pub architecture: String,
}

impl Variables {
    /// Returns the values for a base: what the user has `set`, then what its own files say, then
    /// what follows from its packages and its os-release.
    pub fn of(
        base: &Base,
        set: &BTreeMap<String, String>,
        architecture: Architecture,
    ) -> Result<Self> {
        let mut given = match &base.root {
            Some(root) => of_system(root)?,
            None => BTreeMap::new(),
        };
        given.extend(set.clone());
        Ok(Self {
            given,
            release: release(base),
            architecture: architecture.rpm().to_owned(),
        })
    }

    /// Puts the values of variables into a text; one that is not known is an error. `what` is how
    /// messages call the text.
    pub fn expand(&self, what: &str, text: &str) -> Result<String> {
        expand(text, &|name| self.value(name)).map_err(|error| match error {
            Unexpanded::Malformed(reason) => {
                Failure::usage(format!("{what}: {}: {reason}", fetch::redacted(text)))
            }
            Unexpanded::Unknown(name) if name.starts_with("releasever") => Failure::usage(format!(
                "{what}: nothing tells the value of ${name}: the base has no VERSION_ID"
            ))
            .hint("give it with --releasever VERSION"),
            Unexpanded::Unknown(name) => {
                let (what, text) = (what, fetch::redacted(text));
                Failure::usage(format!("{what}: unknown variable ${name} in {text}"))
                    .hint(format!("give it with --set {name}=VALUE"))
            }
        })
    }

    fn value(&self, name: &str) -> Option<String> {
        if let Some(value) = self.given.get(name) {
            return Some(value.clone());
        }
        let release = || self.given.get("releasever").or(self.release.as_ref());
        match name {
            "releasever" => release().cloned(),
            "releasever_major" => {
                release().map(|release| release.split('.').next().unwrap_or_default().to_owned())
            }
            "releasever_minor" => release().map(|release| {
                let parts = release.split_once('.');
                parts.map_or(String::new(), |(_, minor)| minor.to_owned())
            }),
            "arch" => Some(self.architecture.clone()),
            "basearch" => Some(match Architecture::of_package(&self.architecture) {
                Some(known) => known.basearch().to_owned(),
                None => self.architecture.clone(),
            }),
            _ => None,
        }
    }
}

/// Returns the release that repositories call the base by.
fn release(base: &Base) -> Option<String> {
    let packages = base.packages.as_deref().unwrap_or_default();
    let version = || base.os_release.get("VERSION_ID").map(str::to_owned);
    (release_of_packages(packages))
        .or_else(|| release_of_platform(base.os_release.get("PLATFORM_ID")?))
        .or_else(version)
}

/// Returns the release that dnf finds: the version of the package that provides it, or the version
/// that this provides it in, unless the package is called so.
fn release_of_packages(packages: &[Package]) -> Option<String> {
    RELEASES.iter().find_map(|wanted| {
        packages.iter().find_map(|package| {
            let provided = (package.provides.iter()).find(|one| one.name == *wanted)?;
            let is_exact = provided.sense.comparison() == "=" && !provided.evr.is_empty();
            Some(match is_exact && package.nevra.name != *wanted {
                true => provided.evr.clone(),
                false => package.nevra.version.clone(),
            })
        })
    })
}

/// Returns the number of an Enterprise Linux, whose os-release alone has its minor release in
/// `VERSION_ID` while the release package provides the major one.
fn release_of_platform(platform: &str) -> Option<String> {
    let number = platform.strip_prefix("platform:el")?;
    let is_number = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| number.to_owned())
}

/// Reads the variables that a system has files of.
fn of_system(root: &Path) -> Result<BTreeMap<String, String>> {
    let mut found = BTreeMap::new();
    let root = files::Directory::open(root, files::Links::Follow)?;
    for directory in DIRECTORIES {
        // One that is a link may lead out of the system.
        let Ok(directory) = root.descend(directory) else {
            continue;
        };
        for name in directory.names()? {
            let is_name = |text: &&str| {
                let mut letters = text.bytes();
                letters.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            };
            let Some(text) = name.to_str().filter(is_name) else {
                continue;
            };
            let Ok(bytes) = directory.read(text, MAX_VALUE) else {
                continue;
            };
            let value = String::from_utf8_lossy(&bytes);
            let value = value.lines().next().unwrap_or_default().trim();
            if found.len() < MAX_VARIABLES {
                found.insert(text.to_owned(), value.to_owned());
            }
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use rpm_input::{Dependency, Nevra, Sense};

    use super::*;
    use crate::words::scratch::Scratch;

    #[test]
    fn values_of_variables() {
        let variables = |release: Option<&str>, arch: &str, given: &[(&str, &str)]| Variables {
            release: release.map(str::to_owned),
            architecture: arch.to_owned(),
            given: (given.iter())
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        };
        let known = variables(Some("15.6"), "i686", &[]);
        for (text, expected) in [
            ("http://a/", Ok("http://a/")),
            ("http://a/$releasever/$basearch/", Ok("http://a/15.6/i386/")),
            ("${releasever}/$arch", Ok("15.6/i686")),
            ("$releasever_major.$releasever_minor", Ok("15.6")),
            ("${nosuch:-a}", Ok("a")),
            (
                "http://a/$nosuch/",
                Err("r: unknown variable $nosuch in http://a/$nosuch/"),
            ),
            ("http://a/${arch", Err("r: http://a/${arch: } is missing")),
        ] {
            let found = known
                .expand("r", text)
                .map_err(|failure| failure.source.to_string());
            assert_eq!(found.as_deref().map_err(String::as_str), expected, "{text}");
        }
        let given = variables(
            Some("9.4"),
            "x86_64",
            &[("releasever", "10.1"), ("basearch", "b")],
        );
        let text = "$releasever $releasever_major $releasever_minor $basearch $arch";
        assert_eq!(given.expand("r", text).unwrap(), "10.1 10 1 b x86_64");
        let unknown = variables(None, "x86_64", &[]);
        let failure = unknown.expand("r", "$releasever_major").unwrap_err();
        let text = "r: nothing tells the value of $releasever_major: the base has no VERSION_ID";
        assert_eq!(failure.source.to_string(), text);
        assert_eq!(failure.hints, ["give it with --releasever VERSION"]);
        let whole = variables(Some("42"), "riscv64", &[]);
        let text = "$releasever_major,$releasever_minor,$basearch";
        assert_eq!(whole.expand("r", text).unwrap(), "42,,riscv64");
    }

    #[test]
    fn the_release_of_a_base() {
        let package = |name: &str, version: &str, provides: &[(&str, &str)]| {
            let mut package = Package::named(Nevra {
                name: name.to_owned(),
                epoch: None,
                version: version.to_owned(),
                release: "1".to_owned(),
                arch: "noarch".to_owned(),
            });
            package.provides = (provides.iter())
                .map(|(name, version)| Dependency {
                    name: (*name).to_owned(),
                    evr: (*version).to_owned(),
                    sense: Sense(if version.is_empty() {
                        0
                    } else {
                        Sense::EQUAL.0
                    }),
                })
                .collect();
            package
        };
        let (release, exact) = ("system-release", "system-release(releasever)");
        let el = "VERSION_ID=9.4\nPLATFORM_ID=platform:el9\n";
        for (packages, os_release, expected) in [
            (vec![], "VERSION_ID=9.4\n", Some("9.4")),
            (vec![], el, Some("9")),
            (
                vec![],
                "VERSION_ID=42\nPLATFORM_ID=platform:f42\n",
                Some("42"),
            ),
            (vec![], "ID=rolling\n", None),
            (
                vec![package(
                    "clone-release",
                    "9.4",
                    &[(release, "9.4-1.el9"), (exact, "9")],
                )],
                el,
                Some("9"),
            ),
            // What a release package provides is more exact than its version.
            (
                vec![
                    package("other", "1", &[("x", "2")]),
                    package("fedora-release", "42", &[(release, "42-7")]),
                ],
                el,
                Some("42-7"),
            ),
            (
                vec![package(
                    "distribution",
                    "15.6",
                    &[("distribution-release", "")],
                )],
                "VERSION_ID=15\n",
                Some("15.6"),
            ),
            (
                vec![package(
                    "redhat-release",
                    "8.10",
                    &[("redhat-release", "8.10-0.3")],
                )],
                "",
                Some("8.10"),
            ),
        ] {
            let base = Base {
                os_release: clients::Release::parse(os_release.as_bytes()).unwrap(),
                packages: (!packages.is_empty()).then_some(packages),
                ..Base::default()
            };
            assert_eq!(super::release(&base).as_deref(), expected, "{os_release}");
        }
    }

    #[test]
    fn a_system_has_files_of_variables() {
        let scratch = Scratch::new();
        scratch.write("etc/yum/vars/stream", b"8-stream\n");
        scratch.write("etc/dnf/vars/stream", b" 9-stream \nmore\n");
        scratch.write("etc/dnf/vars/empty", b"");
        scratch.write("etc/dnf/vars/not-a-name", b"x\n");
        scratch.write("etc/zypp/vars.d/mirror", b"example.org");
        scratch.write("etc/dnf/vars/long", &[b'x'; 1 + MAX_VALUE as usize]);
        std::os::unix::fs::symlink("/etc/hostname", scratch.path().join("etc/dnf/vars/link"))
            .unwrap();
        let found = of_system(scratch.path()).unwrap();
        let found: Vec<_> = found
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        assert_eq!(
            found,
            [
                ("empty", ""),
                ("mirror", "example.org"),
                ("stream", "9-stream")
            ]
        );
        let base = Base {
            root: Some(scratch.path().to_owned()),
            ..Base::default()
        };
        let set = [("mirror".to_owned(), "mine".to_owned())].into();
        let architecture = Architecture::named("x86-64").unwrap();
        let variables = Variables::of(&base, &set, architecture).unwrap();
        assert_eq!(
            variables.expand("r", "$mirror/$stream").unwrap(),
            "mine/9-stream"
        );
    }
}
