//! The base: the operating system that an image extends.
//!
//! What is known of it: its `os-release`, which decides the image's extension-release; whether its
//! `/usr/sbin` is a link to `/usr/bin`; and, where it has an RPM database, its packages.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use rpm_input::{Package, database};

use crate::failure::{Failure, Result, package_failure};
use crate::quantity::counted;

/// An os-release file longer than this is none.
const MAX_OS_RELEASE: u64 = 64 * 1024;

/// Where the base is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BaseSource {
    /// The machine that this program runs on.
    Host,
    /// The root directory of a base, and an os-release file to take instead of its own.
    Root(PathBuf, Option<PathBuf>),
    /// An os-release file that the user named.
    OsRelease(PathBuf),
    /// Nothing: the image is to fit every base.
    None,
}

/// The keys of an os-release file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OsRelease(BTreeMap<String, String>);

impl OsRelease {
    /// Reads the text of an os-release file, in the syntax of os-release(5): `KEY=value` with
    /// shell quoting, comments, CRLF and a missing last newline allowed. Nothing is expanded.
    pub fn parse(text: &str) -> std::result::Result<Self, String> {
        let mut keys = BTreeMap::new();
        for (number, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let (key, value) = line
                .split_once('=')
                .ok_or_else(|| format!("line {} has no '='", number + 1))?;
            let value =
                unquoted(value).ok_or_else(|| format!("line {} has an open quote", number + 1))?;
            keys.insert(key.trim().to_owned(), value);
        }
        Ok(Self(keys))
    }

    /// Returns the value of a key, if it is there and not empty.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.0
            .get(key)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// Returns all keys with their values.
    pub fn into_keys(self) -> BTreeMap<String, String> {
        self.0
    }
}

/// Takes the quotes and backslashes off a value.
fn unquoted(value: &str) -> Option<String> {
    let mut out = String::new();
    let mut quote = None;
    let mut characters = value.trim().chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\'' | '"', None) => quote = Some(character),
            (_, Some(open)) if character == open => quote = None,
            ('\\', None | Some('"')) => out.push(characters.next()?),
            _ => out.push(character),
        }
    }
    quote.is_none().then_some(out)
}

/// The operating system that the image extends.
#[derive(Clone, Debug, Default)]
pub struct Base {
    /// What its os-release says.
    pub os_release: OsRelease,
    /// How to call it in a message: "this host: Fedora Linux 42".
    pub title: String,
    /// `/usr/sbin` is a link to `/usr/bin`.
    pub merged_sbin: bool,
    /// The packages that it has; `None` where they are not known.
    pub packages: Option<Vec<Package>>,
}

impl Base {
    /// Reads what there is to know of the base.
    pub fn open(source: &BaseSource) -> Result<Self> {
        match source {
            BaseSource::None => Ok(Self {
                title: "any (nothing of a base is looked at)".to_owned(),
                ..Self::default()
            }),
            BaseSource::OsRelease(path) => {
                let os_release = read_os_release(path)?;
                let merged_sbin = merged_by_release(&os_release);
                let title = format!("{}: {}", path.display(), described(&os_release));
                let packages = None;
                Ok(Self {
                    os_release,
                    title,
                    merged_sbin,
                    packages,
                })
            }
            BaseSource::Root(root, os_release) => {
                let base = Self::from_root(root, os_release.as_deref())?;
                if base.packages.is_none() {
                    return Err(Failure::refused(anyhow!(
                        "{} has no RPM database",
                        root.display()
                    ))
                    .hint("name its os-release alone with --os-release FILE"));
                }
                let title = format!("{}: {}", root.display(), base.title);
                Ok(Self { title, ..base })
            }
            BaseSource::Host => {
                let base = Self::from_root(Path::new("/"), None)?;
                let title = format!("this host: {}", base.title);
                Ok(Self { title, ..base })
            }
        }
    }

    /// Reads a base that has files. One without an RPM database has packages that are not known;
    /// so has one whose database is empty, which is what `rpm` leaves on systems of another kind.
    fn from_root(root: &Path, os_release: Option<&Path>) -> Result<Self> {
        let own = ["etc/os-release", "usr/lib/os-release"].map(|path| root.join(path));
        let path = os_release.or(own.iter().map(PathBuf::as_path).find(|path| path.exists()));
        let path = path.ok_or_else(|| {
            Failure::refused(anyhow!("{} has no /etc/os-release", root.display()))
                .hint("name the base's with --os-release FILE, or use --match any")
        })?;
        let os_release = read_os_release(path)?;
        let packages = database::find(root)
            .map(|path| {
                database::read(&path)
                    .map_err(|error| package_failure(error).hint("--os-release FILE does without"))
            })
            .transpose()?
            .filter(|packages| !packages.is_empty());
        let mut title = described(&os_release);
        if let Some(packages) = &packages {
            title += &format!(", {}", counted(packages.len(), "package"));
        }
        // A link in /usr/sbin's place is what the distributions that merged it have.
        let merged_sbin = root.join("usr/sbin").is_symlink();
        Ok(Self {
            os_release,
            title,
            merged_sbin,
            packages,
        })
    }
}

fn read_os_release(path: &Path) -> Result<OsRelease> {
    let doing = || format!("reading {}", path.display());
    let file = std::fs::File::open(path).map_err(|error| Failure::io(doing(), error))?;
    let mut bytes = Vec::new();
    file.take(MAX_OS_RELEASE + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::io(doing(), error))?;
    let refused = |problem: String| {
        Failure::refused(anyhow!(
            "{} is not an os-release file: {problem}",
            path.display()
        ))
    };
    if bytes.len() as u64 > MAX_OS_RELEASE {
        return Err(refused(format!("it is longer than {MAX_OS_RELEASE} bytes")));
    }
    let text = String::from_utf8(bytes).map_err(|_| refused("it is not UTF-8".to_owned()))?;
    let os_release = OsRelease::parse(&text).map_err(refused)?;
    if os_release.get("ID").is_none() {
        return Err(refused("it has no ID".to_owned()));
    }
    Ok(os_release)
}

/// Returns a short description: the name and the version that decides.
fn described(os_release: &OsRelease) -> String {
    let name = os_release
        .get("NAME")
        .or(os_release.get("ID"))
        .unwrap_or("unnamed");
    match os_release.get("VERSION_ID") {
        Some(version) => format!("{name} {version}"),
        None => format!("{name} (rolling, no VERSION_ID)"),
    }
}

/// Says whether a base that is known only by its os-release has `/usr/sbin` merged: Fedora since
/// 42 has.
fn merged_by_release(os_release: &OsRelease) -> bool {
    os_release.get("ID") == Some("fedora")
        && os_release
            .get("VERSION_ID")
            .and_then(|version| version.parse::<u32>().ok())
            .is_some_and(|version| version >= 42)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_syntax() {
        let text = "# comment\r\nID=opensuse-tumbleweed\r\nNAME=\"open \\\"SUSE\\\"\"\n\
                    ID_LIKE='opensuse suse'\n\nVERSION_ID=20241010";
        let os_release = OsRelease::parse(text).unwrap();
        for (key, value) in [
            ("ID", Some("opensuse-tumbleweed")),
            ("NAME", Some("open \"SUSE\"")),
            ("ID_LIKE", Some("opensuse suse")),
            ("VERSION_ID", Some("20241010")),
            ("SYSEXT_LEVEL", None),
        ] {
            assert_eq!(os_release.get(key), value, "{key}");
        }
        assert_eq!(
            OsRelease::parse("ID=a\nwhat"),
            Err("line 2 has no '='".to_owned())
        );
        assert_eq!(
            OsRelease::parse("ID=\"a"),
            Err("line 1 has an open quote".to_owned())
        );
    }

    #[test]
    fn sbin_is_merged_where_the_release_says_so() {
        for (text, merged) in [
            ("ID=fedora\nVERSION_ID=42", true),
            ("ID=fedora\nVERSION_ID=41", false),
            ("ID=debian\nVERSION_ID=13", false),
        ] {
            assert_eq!(
                merged_by_release(&OsRelease::parse(text).unwrap()),
                merged,
                "{text}"
            );
        }
    }
}
