//! The base: the operating system that an image extends.
//!
//! What is known of it: its `os-release`, which decides the image's extension-release; whether its
//! `/usr/sbin` is a link to `/usr/bin`; and its packages. Of these there is a header each where
//! the base has an RPM database. A base that was only written down, in a list or a manifest, has
//! packages with a name; what they provide must be looked up in repositories.

mod access;
pub mod files;
mod known;
mod list;
mod manifest;
mod os_release;
mod owners;
mod processor;
pub mod settings;
pub mod sysusers;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use ::files::Links;
use anyhow::anyhow;
use architecture::Architecture;
use clients::Release;
use rpm_input::{FileKind, Package, database};

pub use access::{Access, harm};
pub use known::{Evidence, Known};
pub use list::Listed;
#[cfg(test)]
pub use list::parse as parse_list;
pub use owners::Owners;

use crate::words::document;
use crate::words::failure::{Failure, Result, package_failure};
use crate::words::quantity::counted;

/// A list or manifest that is longer, unpacked, is none.
const MAX_LIST: u64 = 16 * 1024 * 1024;
/// Enough of a file to tell what it is.
const LONGEST_MAGIC: u64 = 64;
/// What `--base` takes, for a user who gave it something else.
const KINDS: &str = "a base is a root directory, an RPM database (rpmdb.sqlite, Packages.db or its \
                     directory), a list of packages as `rpm -qa` and KIWI write it, or mkosi's manifest";
/// What takes the file that the user gave in the place of a base.
const OS_RELEASE_ALONE: &str = "to use only its os-release file: --os-release FILE";

/// Where the base is described.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BaseSource {
    /// What says which packages it has.
    pub packages: PackageSource,
    /// An os-release file that the user named.
    pub os_release: Option<PathBuf>,
    /// Whether the image is for one system, so that it must be known which.
    pub is_one_system: bool,
}

/// What says which packages a base has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PackageSource {
    /// The RPM database of the machine that this program runs on, if it has one.
    Host,
    /// What is at this path; looking at it tells what it is.
    At(PathBuf),
    /// Packages that are installed, for the purpose, from the repositories.
    Install(Vec<String>),
    /// Nothing: of the root directory at this path, only the files count.
    NoneOf(PathBuf),
    /// Nothing.
    Unknown,
}

/// The operating system that the image extends.
#[derive(Clone, Debug, Default)]
pub struct Base {
    /// What its os-release says.
    pub os_release: Release,
    /// Its architecture, where anything states it.
    pub architecture: Option<Architecture>,
    /// How to call it in a message: "this host: Fedora Linux 42".
    pub title: String,
    /// `/usr/sbin` is a link to `/usr/bin`.
    pub merged_sbin: bool,
    /// The packages that it has, where their headers are known.
    pub packages: Option<Vec<Package>>,
    /// The packages that it has, where nothing but their names is known.
    pub named: Named,
    /// Its root directory, if it has files.
    pub root: Option<PathBuf>,
    /// The users and groups whose numbers an image for it may have.
    pub owners: Owners,
}

/// Packages that must be looked up in repositories.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Named {
    /// There are none.
    #[default]
    None,
    /// These are installed.
    Listed(Vec<Listed>),
    /// These are installed, with what they require and recommend.
    Install(Vec<String>),
}

/// What a file or directory says of a base.
#[derive(Default)]
struct Found {
    packages: Option<Vec<Package>>,
    named: Named,
    os_release: Option<Release>,
    merged_sbin: Option<bool>,
    root: Option<PathBuf>,
    owners: Owners,
}

impl Base {
    /// Returns the root directory if it has the files of a system: one without programs holds a
    /// database alone.
    pub fn files_root(&self) -> Option<&Path> {
        let root = self.root.as_deref();
        root.filter(|root| root.join("usr/bin").is_dir())
    }

    /// Reads what there is to know of the base.
    pub fn open(source: &BaseSource) -> Result<Self> {
        Self::open_for(source, "--os-release")
    }

    /// Reads what there is to know of the base. `option` is the one that names its os-release.
    pub fn open_for(source: &BaseSource, option: &str) -> Result<Self> {
        let (prefix, found) = match &source.packages {
            PackageSource::Host => ("this host".to_owned(), host()?),
            PackageSource::At(path) => (path.display().to_string(), at(path)?),
            PackageSource::Install(names) => {
                let found = Found {
                    named: Named::Install(names.clone()),
                    ..Found::default()
                };
                (format!("an installation of {}", first_of(names)), found)
            }
            PackageSource::NoneOf(path) => {
                let found = root(path, own_os_release(path)?, None)?;
                (path.display().to_string(), found)
            }
            PackageSource::Unknown => {
                let named = source.os_release.as_deref();
                let prefix = named.map_or_else(
                    || "any (no base is looked at)".to_owned(),
                    |path| path.display().to_string(),
                );
                (prefix, Found::default())
            }
        };
        let os_release = match (&source.os_release, found.os_release.clone()) {
            (Some(path), _) => Some(os_release::read(path)?),
            (None, own) => own,
        };
        if os_release.is_none() && source.is_one_system {
            return Err(
                Failure::usage(format!("{prefix}: can't tell which system this is")).hint(
                    match option {
                        "--os-release" => {
                            "give its os-release file with --os-release FILE; a build for every \
                             system needs none: --match any"
                                .to_owned()
                        }
                        other => format!("give its os-release file with {other} FILE"),
                    },
                ),
            );
        }
        let mut words = Vec::new();
        words.extend(os_release.as_ref().map(os_release::described));
        words.extend(match (&found.packages, &found.named) {
            (Some(packages), _) => Some(counted(packages.len(), "package")),
            (None, Named::Listed(listed)) => Some(counted(listed.len(), "package") + " by name"),
            (None, Named::Install(_) | Named::None) => None,
        });
        let title = match words.is_empty() {
            true => prefix,
            false => format!("{prefix}: {}", words.join(", ")),
        };
        let os_release = os_release.unwrap_or_default();
        let architecture = found.architecture(&os_release);
        if let (Some(one), Some(other)) = (architecture, processor::of_release(&os_release))
            && !one.is_sibling(other)
        {
            return Err(Failure::refused(anyhow!(
                "{title}: its os-release states the architecture {other}, but what is there is for \
                 {one}"
            )));
        }
        Ok(Self {
            architecture,
            title,
            merged_sbin: found
                .merged_sbin
                .unwrap_or_else(|| os_release::merges_sbin(&os_release)),
            os_release,
            packages: found.packages,
            named: found.named,
            root: found.root,
            // An image for every system can't have the numbers of one.
            owners: match source.is_one_system {
                true => found.owners,
                false => Owners::default(),
            },
        })
    }
}

impl Found {
    /// Returns the architecture, by what tells it best.
    fn architecture(&self, os_release: &Release) -> Option<Architecture> {
        let headers = self.packages.iter().flatten();
        let mut arches: Vec<&str> = headers.map(|package| package.nevra.arch.as_str()).collect();
        if let Named::Listed(listed) = &self.named {
            arches.extend(listed.iter().map(|one| one.nevra.arch.as_str()));
        }
        processor::of_packages(arches.into_iter())
            .or_else(|| self.root.as_deref().and_then(processor::of_loader))
            .or_else(|| processor::of_release(os_release))
    }
}

/// Looks at what the user calls a base.
fn at(path: &Path) -> Result<Found> {
    let metadata = std::fs::metadata(path)
        .map_err(|error| Failure::io(format!("reading {}", path.display()), error))?;
    match metadata.is_dir() {
        true => directory(path),
        false => file(path),
    }
}

/// Reads a directory: a root, or that of an RPM database.
fn directory(path: &Path) -> Result<Found> {
    let database = database::find(path);
    if let Some(database) = &database
        && database.parent() == Some(path)
    {
        return only_database(database);
    }
    let os_release = own_os_release(path)?;
    let packages = database.as_deref().map(installed).transpose()?;
    // An empty database is what `rpm` leaves on systems of another kind.
    match packages.filter(|packages| !packages.is_empty()) {
        Some(packages) => root(path, os_release, Some(packages)),
        None if os_release.is_some() || path.join("usr").is_dir() => Err(Failure::refused(
            anyhow!("{} has no RPM database", path.display()),
        )
        .hint(OS_RELEASE_ALONE)),
        None => Err(not_a_base(path)),
    }
}

/// Reads the machine that this is. Its packages are not known where `rpm` has none installed.
fn host() -> Result<Found> {
    let path = Path::new("/");
    let os_release = own_os_release(path)?;
    let packages = database::find(path)
        .as_deref()
        .map(installed)
        .transpose()?
        .filter(|packages| !packages.is_empty());
    root(path, os_release, packages)
}

fn root(path: &Path, os_release: Option<Release>, packages: Option<Vec<Package>>) -> Result<Found> {
    Ok(Found {
        packages,
        named: Named::None,
        os_release,
        // A link in /usr/sbin's place is what the distributions that merged it have.
        merged_sbin: Some(path.join("usr/sbin").is_symlink()),
        root: Some(path.to_owned()),
        owners: Owners::of_root(path)?,
    })
}

/// Reads the os-release file of a root directory. A link that leads out of it, to the file of the
/// machine that looks at it, is passed over.
fn own_os_release(root: &Path) -> Result<Option<Release>> {
    let Ok(real_root) = root.canonicalize() else {
        return Ok(None);
    };
    ["etc/os-release", "usr/lib/os-release"]
        .map(|path| root.join(path))
        .iter()
        .find(|path| {
            path.canonicalize()
                .is_ok_and(|real| real.starts_with(&real_root))
        })
        .map(|path| os_release::read(path))
        .transpose()
}

fn installed(database: &Path) -> Result<Vec<Package>> {
    database::read(database).map_err(|error| {
        package_failure(error).hint("to build without the packages of a base: --os-release FILE")
    })
}

/// Reads a database that is all that is there of a base.
fn only_database(path: &Path) -> Result<Found> {
    let packages = installed(path)?;
    if packages.is_empty() {
        return Err(Failure::refused(anyhow!(
            "{}: no packages are installed",
            path.display()
        )));
    }
    Ok(Found {
        merged_sbin: merges_sbin(&packages),
        packages: Some(packages),
        ..Found::default()
    })
}

/// Says whether `/usr/sbin` of these packages is a link, if one of them has it.
fn merges_sbin(packages: &[Package]) -> Option<bool> {
    let mut files = packages.iter().flat_map(|package| &package.files);
    let sbin = files.find(|file| file.path == "/usr/sbin")?;
    Some(matches!(sbin.kind, FileKind::Symlink { .. }))
}

/// Reads a file: an RPM database, or a list or manifest, perhaps compressed by gzip.
fn file(path: &Path) -> Result<Found> {
    let doing = || format!("reading {}", path.display());
    let failed = |error: std::io::Error| Failure::io(doing(), error);
    let mut file = ::files::open(path, Links::Follow)?;
    let mut start = Vec::new();
    (&mut file)
        .take(LONGEST_MAGIC)
        .read_to_end(&mut start)
        .map_err(failed)?;
    if database::is_database(&start) {
        return only_database(path);
    }
    if start.starts_with(b"hsqs") || start.starts_with(&[0xed, 0xab, 0xee, 0xdb]) {
        return Err(not_a_base(path));
    }
    let bytes = document::read(path, Links::Follow, MAX_LIST)?;
    if bytes.trim_ascii_start().starts_with(b"{") {
        let described =
            manifest::parse(&bytes).map_err(|problem| refused(path, &as_manifest(&problem)))?;
        return Ok(Found {
            named: Named::Listed(described.packages),
            os_release: described.os_release,
            ..Found::default()
        });
    }
    let Some(text) = String::from_utf8(bytes)
        .ok()
        .filter(|text| !text.contains('\0'))
    else {
        return Err(not_a_base(path));
    };
    if text.lines().any(|line| line.starts_with("ID=")) {
        let text = format!(
            "{} is an os-release file, which does not say what is installed",
            path.display()
        );
        return Err(Failure::refused(anyhow!(text)).hint(OS_RELEASE_ALONE));
    }
    let listed = list::parse(&text).map_err(|problem| refused(path, &problem))?;
    Ok(Found {
        named: Named::Listed(listed),
        ..Found::default()
    })
}

/// Names the first packages of a list, and counts the others.
fn first_of(names: &[String]) -> String {
    const SHOWN: usize = 5;
    match names.len().checked_sub(SHOWN) {
        Some(more @ 1..) => format!("{} and {more} more", names[..SHOWN].join(", ")),
        _ => names.join(", "),
    }
}

fn as_manifest(problem: &str) -> String {
    format!("it is not mkosi's manifest: {problem}")
}

fn refused(path: &Path, problem: &str) -> Failure {
    Failure::refused(anyhow!("{}: {problem}", path.display())).hint(KINDS)
}

fn not_a_base(path: &Path) -> Failure {
    Failure::refused(anyhow!("{} is not a base", path.display())).hint(KINDS)
}

#[cfg(test)]
mod tests {
    use rpm_input::{File, Nevra};

    use super::*;
    use crate::words::scratch::Scratch;

    #[test]
    fn sbin_is_merged_where_it_is_a_link() {
        let with = |files: &[(&str, FileKind)]| {
            let mut package = Package::named(Nevra {
                name: "filesystem".to_owned(),
                epoch: None,
                version: "1".to_owned(),
                release: "1".to_owned(),
                arch: "x86_64".to_owned(),
            });
            let files = files.iter().cloned();
            package.files = files
                .map(|(path, kind)| File::new(path.to_owned(), kind))
                .collect();
            merges_sbin(&[package])
        };
        let link = || FileKind::Symlink("bin".into());
        assert_eq!(with(&[("/usr/sbin", link())]), Some(true));
        assert_eq!(with(&[("/usr/sbin", FileKind::Directory)]), Some(false));
        assert_eq!(with(&[("/sbin", link()), ("/usr/bin", link())]), None);

        let scratch = Scratch::new();
        scratch.write("merged/usr/bin/x", b"");
        scratch.write("apart/usr/sbin/x", b"");
        std::os::unix::fs::symlink("bin", scratch.path().join("merged/usr/sbin")).unwrap();
        for (name, expected) in [("merged", true), ("apart", false)] {
            let found = root(&scratch.path().join(name), None, None).unwrap();
            assert_eq!(found.merged_sbin, Some(expected), "{name}");
        }
    }

    #[test]
    fn a_list_is_so_long() {
        let scratch = Scratch::new();
        let text = |length: usize| {
            let package = "a-1-1.noarch\n";
            format!("{package}{}", " ".repeat(length - package.len()))
        };
        let gzip = |text: &str| ::manifest::pack(text.as_bytes()).unwrap();
        for (bytes, expected) in [
            (text(16_777_216).into_bytes(), Ok(())),
            (
                text(16_777_217).into_bytes(),
                Err("has 16777217 bytes; at most 16777216 are allowed"),
            ),
            (gzip(&text(16_777_216)), Ok(())),
            (gzip(&text(16_777_217)), Err("is larger than 16 MiB")),
        ] {
            let path = scratch.write("list", &bytes);
            // The only line is too long in any case.
            let said = file(&path).err().unwrap().source.to_string();
            let beyond = format!("{} {}", path.display(), expected.err().unwrap_or_default());
            let read = format!("{}: line 2: it is longer than 8192 bytes", path.display());
            assert_eq!(said, if expected.is_ok() { read } else { beyond });
        }
    }
}
