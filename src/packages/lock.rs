//! The lock: which packages a resolution chose, so that they can be taken again without one.
//!
//! `--lock FILE` writes it when an image has been made, `--lock FILE --locked` reads it. It is
//! JSON, with one order for everything in it, so that two of them can be compared line by line:
//! what was asked for, the base that it was asked of, and for each package its repository, where
//! in that it lies, the checksum of its file, and the reason why it was chosen. A lock that does
//! not fit any more is refused with what has changed; nothing is chosen in its place.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use manifest::{Reason, ReliedOn};
use resolve::{Available, Nevra};
use serde::{Deserialize, Serialize};

use crate::base::{Base, Named};
use crate::packages::chosen::Chosen;
use crate::packages::repository::{self, Downloads, Located, Repository, Seen};
use crate::words::digest::sha256;
use crate::words::failure::{Failure, Result, writing_failure};
use crate::words::text::Text;

/// Longest lock in bytes; one of a thousand packages has half a million.
const MAX_LOCK: u64 = 8 << 20;
/// The version of the format.
const VERSION: u32 = 1;
/// For people who look into the file.
const ABOUT: &str = "Packages that sysext-build chose. --lock FILE --locked uses these again; \
                     --lock FILE alone chooses again and replaces this file.";
/// Keys of os-release that say which system a base is.
const KEYS: [&str; 3] = ["ID", "VERSION_ID", "SYSEXT_LEVEL"];
/// Changes that are named; a base may differ in all its packages.
const SHOWN: usize = 20;

/// What the user does with a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Locking {
    /// There is none.
    None,
    /// It is written to this file.
    Write(PathBuf),
    /// It is read from this file, and followed.
    Follow(PathBuf),
}

/// A lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Lock {
    about: String,
    lock_version: u32,
    /// What was asked for.
    pub request: Request,
    /// Of which base.
    pub base: LockedBase,
    /// What was seen of the repositories, by their names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub repositories: BTreeMap<String, Seen>,
    /// The packages, in the order that decides.
    pub packages: Vec<Locked>,
    /// What of the base they need.
    pub relies_on: Vec<ReliedOn>,
}

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// Packages by name, as they were typed, in the order that decides.
    pub names: Vec<String>,
    /// NEVRAs of the RPM files that were named.
    pub files: Vec<String>,
    /// Whether recommended packages were to be added.
    pub recommends: bool,
    /// The architecture of the base.
    pub architecture: String,
}

/// The base, as far as it decides.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LockedBase {
    /// SHA-256 of all that follows, for a quick look.
    digest: String,
    /// What its os-release says of these keys.
    os_release: Vec<(String, String)>,
    /// The names that were installed to have a base.
    installed: Vec<String>,
    /// NEVRAs of its packages, sorted.
    packages: Vec<String>,
}

/// A package.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Locked {
    /// Its identity.
    pub nevra: String,
    /// The repository that it is from; none if its file was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repository: Option<String>,
    /// Where its file is in the repository, or the file's name.
    pub location: String,
    /// The checksum of the file: `sha256:` and hex digits.
    pub checksum: String,
    /// Length of the file in bytes; 0 if the repository does not say it.
    pub size: u64,
    /// Why it was chosen.
    pub reason: Reason,
}

impl Lock {
    /// Makes a lock.
    pub fn new(
        request: Request,
        base: &Base,
        repositories: BTreeMap<String, Seen>,
        packages: Vec<Locked>,
        relies_on: Vec<ReliedOn>,
    ) -> Result<Self> {
        Ok(Self {
            about: ABOUT.to_owned(),
            lock_version: VERSION,
            request,
            base: LockedBase::of(base)?,
            repositories,
            packages,
            relies_on,
        })
    }

    /// Reads a lock.
    pub fn read(path: &Path) -> Result<Self> {
        let bytes = files::read(path, MAX_LOCK, files::Links::Follow).map_err(|error| {
            let is_missing = error.is_missing();
            let failure = Failure::from(error);
            match is_missing {
                true => failure.hint("to write it, build once without --locked"),
                false => failure,
            }
        })?;
        let lock: Self = serde_json::from_slice(&bytes).map_err(|error| {
            Failure::refused(anyhow!("{} is not a lock: {error}", path.display()))
                .hint("to write one, use --lock FILE without --locked")
        })?;
        match lock.lock_version {
            VERSION => Ok(lock),
            other => Err(Failure::refused(anyhow!(
                "{} is a lock of version {other}; only version {VERSION} is known",
                path.display()
            ))),
        }
    }

    /// Writes the lock: the old one stays until the new one is whole. A recipe may name any file; one
    /// that is not a lock stays as it is.
    pub fn write(&self, path: &Path) -> Result<()> {
        let there = files::if_there(files::read(path, MAX_LOCK, files::Links::Follow))?;
        if there.is_some_and(|bytes| !is_lock(&bytes)) {
            let text = anyhow!("{} is not a lock, and stays as it is", path.display());
            return Err(Failure::refused(text).hint("name another file with --lock FILE"));
        }
        let doing = || format!("writing {}", path.display());
        let mut json =
            serde_json::to_vec_pretty(self).map_err(|error| Failure::io(doing(), error))?;
        json.push(b'\n');
        if json.len() as u64 > MAX_LOCK {
            let text = anyhow!(
                "a lock of {} packages has {} bytes; at most {MAX_LOCK} are read",
                self.packages.len(),
                json.len()
            );
            return Err(Failure::refused(text).hint("build it without --lock"));
        }
        files::replace(path, &json, 0o666).map_err(writing_failure)
    }

    /// Says what has changed since the lock was made, in what is asked for and in the base.
    pub fn changes(&self, request: &Request, base: &Base) -> Result<Vec<String>> {
        let mut changes = Vec::new();
        let then = &self.request;
        let of = |names: &[String]| match names.is_empty() {
            true => "nothing".to_owned(),
            false => names.join(" "),
        };
        for (what, then, now) in [
            ("packages", of(&then.names), of(&request.names)),
            ("files", of(&then.files), of(&request.files)),
            (
                "the architecture",
                then.architecture.clone(),
                request.architecture.clone(),
            ),
            (
                "--recommends",
                then.recommends.to_string(),
                request.recommends.to_string(),
            ),
        ] {
            if then != now {
                changes.push(format!("{what} asked for: was {then}, is {now}"));
            }
        }
        changes.extend(self.base.changes(&LockedBase::of(base)?));
        Ok(changes)
    }

    /// Says what no lock that was written here has: a package twice, a place that is none, or files
    /// that were named without their packages.
    fn contradictions(&self) -> Vec<String> {
        let mut seen = BTreeSet::new();
        let twice = (self.packages.iter())
            .filter(|one| !seen.insert(&one.nevra))
            .map(|one| format!("{} is in it twice", one.nevra))
            .collect::<Vec<_>>();
        let nowhere = (self.packages.iter())
            .filter(|one| !one.location.ends_with(".rpm") && one.repository.is_some())
            .map(|one| {
                format!(
                    "{}: {:?} is not the place of a package",
                    one.nevra, one.location
                )
            });
        let is_there = |file: &&String| {
            (self.packages.iter()).any(|one| one.repository.is_none() && one.nevra == **file)
        };
        let gone = (self.request.files.iter())
            .filter(|file| !is_there(file))
            .map(|file| format!("{file} was given as a file, and is not in it"));
        twice.into_iter().chain(nowhere).chain(gone).collect()
    }

    /// Returns the refusal of a lock that does not fit.
    pub fn outdated(path: &Path, mut changes: Vec<String>) -> Failure {
        if changes.len() > SHOWN {
            let more = changes.len() - SHOWN;
            changes.truncate(SHOWN);
            changes.push(format!("{more} more changes"));
        }
        let mut text = Text::default();
        text.line(format!("{} does not match:", path.display()));
        text.extend(changes);
        Failure::refused(text)
            .hint("to choose packages again and replace the lock, leave --locked out")
    }
}

/// Whether these are the bytes of a lock, of whichever version, or nothing.
fn is_lock(bytes: &[u8]) -> bool {
    /// What tells a lock; nothing else is kept of what may be anything.
    #[derive(Deserialize)]
    struct AnyLock {
        #[serde(rename = "lock_version")]
        _version: serde::de::IgnoredAny,
    }
    // A list of one value would do for a structure of one field.
    let is_object = bytes.trim_ascii_start().starts_with(b"{");
    bytes.is_empty() || is_object && serde_json::from_slice::<AnyLock>(bytes).is_ok()
}

impl Locking {
    /// Returns what the lock, be it the one that is to be replaced, remembers of repositories.
    pub fn seen(&self) -> Result<BTreeMap<String, Seen>> {
        match self {
            Self::Follow(path) => Ok(Lock::read(path)?.repositories),
            Self::Write(path) => {
                let there = files::if_there(files::read(path, MAX_LOCK, files::Links::Follow))?;
                let lock = there.and_then(|bytes| serde_json::from_slice::<Lock>(&bytes).ok());
                Ok(lock.map(|lock| lock.repositories).unwrap_or_default())
            }
            Self::None => Ok(BTreeMap::new()),
        }
    }
}

/// What a lock came to.
#[derive(Debug)]
pub struct Followed {
    /// The packages, as the solver numbers them, with the reasons for them.
    pub packages: Vec<(Available, Reason)>,
    /// What of the base they need.
    pub relies_on: Vec<ReliedOn>,
}

/// Returns the packages that a lock names.
///
/// `files` are those of the RPM files that were named: the solver's first repository, before
/// `offered`. A package that its repository does not list any more may still be in the cache; such
/// ones are added to `offered` as a repository.
pub fn follow(
    path: &Path,
    request: &Request,
    base: &Base,
    files: &[Located],
    offered: &mut Vec<Repository>,
    downloads: &Downloads<'_>,
) -> Result<Followed> {
    let lock = Lock::read(path)?;
    let mut changes = lock.changes(request, base)?;
    changes.extend(lock.contradictions());
    let mut found = Vec::new();
    let mut kept: BTreeMap<usize, Vec<PathBuf>> = BTreeMap::new();
    for locked in &lock.packages {
        match find(locked, files, offered, &|sum| downloads.kept_package(sum))? {
            Place::Listed(package) => found.push(Ok(package)),
            Place::Kept(repository, file) => {
                let files = kept.entry(repository).or_default();
                found.push(Err((repository, files.len())));
                files.push(file);
            }
            Place::Nowhere(change) => changes.push(change),
        }
    }
    if !changes.is_empty() {
        return Err(Lock::outdated(path, changes));
    }
    let mut places = BTreeMap::new();
    for (like, files) in kept {
        let Some(like_this) = offered.get(like) else {
            continue;
        };
        let repository = repository::of_files(files, like_this)?;
        offered.push(repository);
        places.insert(like, offered.len());
    }
    let reasons = lock.packages.into_iter().map(|locked| locked.reason);
    let packages = found
        .into_iter()
        .zip(reasons)
        .filter_map(|(place, reason)| {
            let package = match place {
                Ok(package) => package,
                Err((like, index)) => Available {
                    repository: *places.get(&like)?,
                    index,
                },
            };
            Some((package, reason))
        });
    Ok(Followed {
        packages: packages.collect(),
        relies_on: lock.relies_on,
    })
}

/// Where a locked package is.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// As the solver numbers packages: the named files, then the repositories.
    Listed(Available),
    /// In the cache alone; the index of the repository that it was from.
    Kept(usize, PathBuf),
    /// Not as the lock says it; in words.
    Nowhere(String),
}

/// Finds a locked package among the files that were named, in the repository that it was from, or
/// by its checksum in the cache, of which `kept` tells.
fn find(
    locked: &Locked,
    files: &[Located],
    offered: &[Repository],
    kept: &dyn Fn(&str) -> Result<Option<PathBuf>>,
) -> Result<Place> {
    let Locked {
        nevra, checksum, ..
    } = locked;
    let Some(from) = &locked.repository else {
        let index = files.iter().position(|file| file.checksum == *checksum);
        return Ok(match index {
            Some(index) => Place::Listed(Available {
                repository: 0,
                index,
            }),
            None => Place::Nowhere(format!("{nevra}: none of the given files has {checksum}")),
        });
    };
    let mut other = None;
    for (number, repository) in offered.iter().enumerate() {
        for index in named(repository, nevra) {
            let Some(located) = repository.located(index)? else {
                continue;
            };
            let name = &repository.name;
            match (located.checksum == *checksum, name == from) {
                (true, true) => {
                    return Ok(Place::Listed(Available {
                        repository: number + 1,
                        index,
                    }));
                }
                (true, false) => other = Some(format!("{nevra}: was from {from}, is in {name}")),
                (false, _) => {
                    let is = format!("is {} in {name}", located.checksum);
                    let changed = format!("{nevra}: checksum was {checksum}, {is}");
                    other.get_or_insert(changed);
                }
            }
        }
    }
    let origin = offered
        .iter()
        .position(|repository| repository.name == *from);
    if let Some(origin) = origin
        && let Some(file) = kept(checksum)?
    {
        return Ok(Place::Kept(origin, file));
    }
    Ok(Place::Nowhere(other.unwrap_or_else(|| {
        format!("{nevra} is gone from {from}, and the cache does not have it")
    })))
}

/// Returns the packages of a repository that have this NEVRA.
pub(super) fn named(repository: &Repository, nevra: &str) -> Vec<usize> {
    let Some(wanted) = Nevra::parse(nevra).map(without_zero) else {
        return Vec::new();
    };
    let mut found = repository.catalog.named(&wanted.name);
    found.retain(|index| {
        let listed = repository.catalog.nevra(*index).map(without_zero);
        listed.as_ref() == Some(&wanted)
    });
    found
}

/// Drops an epoch of 0, which a header may have and metadata then leave out: it is as good as none.
fn without_zero(mut nevra: Nevra) -> Nevra {
    nevra.evr.epoch = nevra.evr.epoch.filter(|epoch| *epoch != 0);
    nevra
}

/// Returns what a lock says of packages that were chosen.
pub fn packages(chosen: &[Chosen]) -> Result<Vec<Locked>> {
    let locked = chosen.iter().map(|one| {
        let located = match &one.origin.listed {
            Some(listed) => listed.clone(),
            None => repository::located(&one.file)?,
        };
        Ok(Locked {
            nevra: one.package.nevra.to_string(),
            repository: one.origin.repository.clone(),
            location: located.location,
            checksum: located.checksum,
            size: located.size,
            reason: one.reason.clone(),
        })
    });
    locked.collect()
}

impl LockedBase {
    fn of(base: &Base) -> Result<Self> {
        let mut installed = Vec::new();
        let mut packages: Vec<_> = match (&base.packages, &base.named) {
            (Some(packages), _) => packages.iter().map(|one| one.nevra.to_string()).collect(),
            (None, Named::Listed(listed)) => {
                listed.iter().map(|one| one.nevra.to_string()).collect()
            }
            (None, Named::Install(names)) => {
                installed.clone_from(names);
                Vec::new()
            }
            (None, Named::None) => Vec::new(),
        };
        packages.sort();
        let value = |key: &str| Some((key.to_owned(), base.os_release.get(key)?.to_owned()));
        let os_release: Vec<_> = KEYS.into_iter().filter_map(value).collect();
        let keys = os_release
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let lines: Vec<_> = keys
            .chain(installed.clone())
            .chain(packages.clone())
            .collect();
        let (_, digest) = sha256(&mut lines.join("\n").as_bytes())
            .map_err(|error| Failure::io("hashing the base's packages", error))?;
        Ok(Self {
            digest: format!("sha256:{}", hex::encode(digest)),
            os_release,
            installed,
            packages,
        })
    }

    fn changes(&self, now: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        for key in KEYS {
            let of = |base: &Self| {
                let found = base.os_release.iter().find(|(name, _)| name == key);
                found.map_or_else(|| "nothing".to_owned(), |(_, value)| value.clone())
            };
            if of(self) != of(now) {
                changes.push(format!(
                    "the base's {key}: was {}, is {}",
                    of(self),
                    of(now)
                ));
            }
        }
        if self.installed != now.installed {
            let of = |base: &Self| base.installed.join(" ");
            changes.push(format!("--base-install: was {}, is {}", of(self), of(now)));
        }
        let [then, now] = [self, now].map(|base| base.packages.iter().collect::<BTreeSet<_>>());
        let missing = then.difference(&now);
        changes.extend(missing.map(|nevra| format!("the base no longer has {nevra}")));
        let added = now.difference(&then);
        changes.extend(added.map(|nevra| format!("the base now has {nevra}")));
        changes
    }
}

#[cfg(test)]
mod tests {
    use clients::Release;

    use super::*;
    use crate::words::scratch::Scratch;

    fn base(id: &str, packages: &[&str]) -> Base {
        let list = packages.join("\n");
        Base {
            os_release: Release::parse(format!("ID={id}\nVERSION_ID=1\nBUILD_ID=x").as_bytes())
                .unwrap(),
            named: match packages {
                [] => Named::Install(vec!["pattern".to_owned()]),
                _ => Named::Listed(crate::base::parse_list(&list).unwrap()),
            },
            ..Base::default()
        }
    }

    fn request(name: &str, recommends: bool) -> Request {
        Request {
            names: vec![name.to_owned()],
            files: Vec::new(),
            recommends,
            architecture: "x86-64".to_owned(),
        }
    }

    #[test]
    fn what_has_changed_is_named() {
        let locked = Locked {
            nevra: "gdb-1-1.x86_64".to_owned(),
            repository: Some("oss".to_owned()),
            location: "x86_64/gdb-1-1.x86_64.rpm".to_owned(),
            checksum: "sha256:00".to_owned(),
            size: 1,
            reason: Reason::Requested,
        };
        let then = base("os", &["a-1-1.noarch", "b-1-1.noarch"]);
        let lock = Lock::new(
            request("gdb", false),
            &then,
            BTreeMap::new(),
            vec![locked],
            Vec::new(),
        )
        .unwrap();
        for (request, base, changes) in [
            (request("gdb", false), then.clone(), &[][..]),
            (
                request("strace", true),
                then.clone(),
                &[
                    "packages asked for: was gdb, is strace",
                    "--recommends asked for: was false, is true",
                ],
            ),
            (
                request("gdb", false),
                base("other", &["a-1-1.noarch", "b-1-2.noarch"]),
                &[
                    "the base's ID: was os, is other",
                    "the base no longer has b-1-1.noarch",
                    "the base now has b-1-2.noarch",
                ],
            ),
            (
                request("gdb", false),
                base("os", &[]),
                &[
                    "--base-install: was , is pattern",
                    "the base no longer has a-1-1.noarch",
                    "the base no longer has b-1-1.noarch",
                ],
            ),
        ] {
            assert_eq!(lock.changes(&request, &base).unwrap(), changes);
        }
        let json = serde_json::to_string(&lock).unwrap();
        assert_eq!(serde_json::from_str::<Lock>(&json).unwrap(), lock);
    }

    #[test]
    fn a_package_is_found_as_the_lock_says_or_not_at_all() {
        // The contents of a file are all that counts; these three differ.
        let files = ["Cargo.toml", "src/main.rs", "README.md"].map(PathBuf::from);
        let sums = files
            .each_ref()
            .map(|file| repository::located(file).unwrap().checksum);
        let [sum, other_sum, kept_sum] = &sums;
        let solvable = |nevra| resolve::Solvable {
            nevra: Nevra::parse(nevra).unwrap(),
            ..resolve::Solvable::default()
        };
        let gdb = [solvable("gdb-1-1.x86_64"), solvable("gdb-2-1.x86_64")];
        let [file, other_file, _] = &files;
        let offered = [
            Repository::of_values("update", &gdb[1..], vec![other_file.clone()]),
            Repository::of_values("oss", &gdb, vec![file.clone(), other_file.clone()]),
        ];
        let named = [repository::located(file).unwrap()];
        let at = |repository, index| Place::Listed(Available { repository, index });
        let nowhere = |text: String| Place::Nowhere(text);
        for (nevra, repository, checksum, expected) in [
            ("gdb-1-1.x86_64", Some("oss"), sum, at(2, 0)),
            ("gdb-2-1.x86_64", Some("oss"), other_sum, at(2, 1)),
            ("gdb-2-1.x86_64", Some("update"), other_sum, at(1, 0)),
            // A header says the epoch that metadata leave out.
            ("gdb-0:1-1.x86_64", Some("oss"), sum, at(2, 0)),
            (
                "gdb-1:1-1.x86_64",
                Some("oss"),
                sum,
                nowhere(
                    "gdb-1:1-1.x86_64 is gone from oss, and the cache does not have it".to_owned(),
                ),
            ),
            (
                "gdb-1-1.x86_64",
                Some("oss"),
                other_sum,
                nowhere(format!(
                    "gdb-1-1.x86_64: checksum was {other_sum}, is {sum} in oss"
                )),
            ),
            (
                "gdb-1-1.x86_64",
                Some("update"),
                sum,
                nowhere("gdb-1-1.x86_64: was from update, is in oss".to_owned()),
            ),
            (
                "gdb-1-1.i686",
                Some("oss"),
                sum,
                nowhere("gdb-1-1.i686 is gone from oss, and the cache does not have it".to_owned()),
            ),
            (
                "gdb-0-1.x86_64",
                Some("oss"),
                kept_sum,
                Place::Kept(1, "kept".into()),
            ),
            (
                "gdb-0-1.x86_64",
                Some("other"),
                kept_sum,
                nowhere(
                    "gdb-0-1.x86_64 is gone from other, and the cache does not have it".to_owned(),
                ),
            ),
            ("gdb-1-1.x86_64", None, sum, at(0, 0)),
            (
                "gdb-1-1.x86_64",
                None,
                other_sum,
                nowhere(format!(
                    "gdb-1-1.x86_64: none of the given files has {other_sum}"
                )),
            ),
        ] {
            let locked = Locked {
                nevra: nevra.to_owned(),
                repository: repository.map(str::to_owned),
                location: String::new(),
                checksum: checksum.clone(),
                size: 0,
                reason: Reason::Requested,
            };
            let kept = |wanted: &str| Ok((wanted == *kept_sum).then(|| PathBuf::from("kept")));
            let found = find(&locked, &named, &offered, &kept).unwrap();
            assert_eq!(found, expected, "{nevra} {repository:?} {checksum}");
        }
    }

    #[test]
    fn a_long_list_of_changes_is_cut() {
        for (count, lines, last) in [
            (1, 2, "change 0"),
            (SHOWN, SHOWN + 1, "change 19"),
            (SHOWN + 10, SHOWN + 2, "10 more changes"),
        ] {
            let changes = (0..count)
                .map(|number| format!("change {number}"))
                .collect();
            let text = Lock::outdated(Path::new("x.lock"), changes)
                .source
                .to_string();
            assert_eq!(text.lines().count(), lines);
            assert_eq!(text.lines().next(), Some("x.lock does not match:"));
            assert_eq!(text.lines().last(), Some(last));
        }
    }

    #[test]
    fn only_a_lock_gives_way_to_a_lock() {
        let scratch = Scratch::new();
        let base = base("os", &["a-1-1.noarch"]);
        let lock = Lock::new(
            request("gdb", false),
            &base,
            BTreeMap::new(),
            Vec::new(),
            Vec::new(),
        )
        .unwrap();
        for (there, gives_way) in [
            ("", true),
            (r#"{"lock_version": 0}"#, true),
            (r#"{"more": [{}], "lock_version": "x"}"#, true),
            ("{}", false),
            ("[1]", false),
            ("export PATH=/usr/bin\n", false),
        ] {
            let path = scratch.write("x.lock", there.as_bytes());
            assert_eq!(lock.write(&path).is_ok(), gives_way, "{there:?}");
            let left = std::fs::read_to_string(&path).unwrap();
            assert_eq!(left != there, gives_way, "{there:?}");
        }
    }

    #[test]
    fn a_lock_is_so_long() {
        let scratch = Scratch::new();
        let base = base("os", &["a-1-1.noarch"]);
        let request = request("gdb", false);
        let lock = Lock::new(request, &base, BTreeMap::new(), Vec::new(), Vec::new());
        let mut lock = lock.unwrap();
        let path = scratch.path().join("x.lock");
        lock.write(&path).unwrap();
        let rest = std::fs::metadata(&path).unwrap().len() as usize - lock.about.len();
        lock.about = "x".repeat(8_388_608 - rest);
        lock.write(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().len(), 8_388_608);
        assert_eq!(Lock::read(&path).unwrap(), lock);
        // What could not be read is not written, and what is too long already is not replaced.
        lock.about.push('x');
        let said = lock.write(&path).unwrap_err().source.to_string();
        let expected = "a lock of 0 packages has 8388609 bytes; at most 8388608 are read";
        assert_eq!(said, expected);
        let longer = [&std::fs::read(&path).unwrap()[..], b"\n"].concat();
        scratch.write("x.lock", &longer);
        lock.about.clear();
        let expected = format!(
            "{} has 8388609 bytes; at most 8388608 are allowed",
            path.display()
        );
        for said in [
            lock.write(&path),
            Lock::read(&path).map(drop),
            Locking::Write(path.clone()).seen().map(drop),
        ] {
            assert_eq!(said.unwrap_err().source.to_string(), expected);
        }
    }

    #[test]
    fn a_lock_of_another_version_is_none() {
        let scratch = Scratch::new();
        let base = base("os", &["a-1-1.noarch"]);
        let lock = Lock::new(
            request("gdb", false),
            &base,
            BTreeMap::new(),
            Vec::new(),
            Vec::new(),
        )
        .unwrap();
        let path = scratch.path().join("x.lock");
        lock.write(&path).unwrap();
        assert_eq!(Lock::read(&path).unwrap(), lock);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.ends_with("}\n"));
        for (old, new, expected) in [
            (
                "\"lock_version\": 1",
                "\"lock_version\": 2",
                " is a lock of version 2; only version 1 is known",
            ),
            (
                "\"packages\"",
                "\"other\"",
                " is not a lock: unknown field `other`",
            ),
        ] {
            let path = scratch.write("y.lock", text.replacen(old, new, 1).as_bytes());
            let reason = Lock::read(&path).unwrap_err().source.to_string();
            assert!(
                reason.starts_with(&format!("{}{expected}", path.display())),
                "{reason}"
            );
        }
    }

    #[test]
    fn what_of_a_base_decides() {
        let digest = |base: &Base| LockedBase::of(base).unwrap().digest;
        let then = base("os", &["b-1-1.noarch", "a-1-1.noarch"]);
        let order = base("os", &["a-1-1.noarch", "b-1-1.noarch"]);
        assert_eq!(digest(&then), digest(&order));
        assert_ne!(
            digest(&then),
            digest(&base("other", &["b-1-1.noarch", "a-1-1.noarch"]))
        );
        assert_ne!(digest(&then), digest(&base("os", &["a-1-1.noarch"])));
        assert_ne!(digest(&base("os", &[])), digest(&Base::default()));
        // `printf 'ID=os\nVERSION_ID=1\na-1-1.noarch' | sha256sum`
        assert_eq!(
            digest(&base("os", &["a-1-1.noarch"])),
            "sha256:303af674892297a37679637b54d90e8c8441b727c76bb2d551117560e771b448"
        );
    }

    #[test]
    fn what_a_repository_dropped_comes_from_the_cache() {
        let scratch = Scratch::new();
        let cache = Scratch::new();
        let file = Path::new("fixtures/clash-one-1-1.noarch.rpm");
        let nevra = "clash-one-1-1.noarch";
        let sum = repository::located(file).unwrap().checksum;
        let hex = sum.strip_prefix("sha256:").unwrap();
        let settings = repository::Settings::without_network(Some(cache.path().to_owned()));
        let base = base("os", &["a-1-1.noarch"]);
        let reason = Reason::Requires {
            capability: "x".to_owned(),
            by: "y".to_owned(),
        };
        let locked = Locked {
            nevra: nevra.to_owned(),
            repository: Some("oss".to_owned()),
            location: "a.rpm".to_owned(),
            checksum: sum.clone(),
            size: 0,
            reason: reason.clone(),
        };
        let request = request("clash-one", false);
        let relied = ReliedOn {
            nevra: "a-1-1.noarch".to_owned(),
            provides: vec!["a".to_owned()],
        };
        let lock = Lock::new(
            request.clone(),
            &base,
            BTreeMap::new(),
            vec![locked],
            vec![relied.clone()],
        )
        .unwrap();
        let path = scratch.path().join("x.lock");
        lock.write(&path).unwrap();
        for is_kept in [false, true] {
            if is_kept {
                let bytes = std::fs::read(file).unwrap();
                cache.write(&format!("packages/sha256-{hex}.rpm"), &bytes);
            }
            let mut offered = vec![
                Repository::of_values("other", &[], Vec::new()),
                Repository::of_values("oss", &[], Vec::new()),
            ];
            let downloads = Downloads::new(&settings).unwrap();
            let followed = follow(&path, &request, &base, &[], &mut offered, &downloads);
            match followed {
                Err(failure) => {
                    let gone = format!("{nevra} is gone from oss, and the cache does not have it");
                    let text = failure.source.to_string();
                    assert_eq!(
                        (is_kept, text),
                        (false, format!("{} does not match:\n{gone}", path.display()))
                    );
                }
                Ok(followed) => {
                    assert!(is_kept);
                    // A repository that is added for it, and trusted as the one that it is from.
                    let place = Available {
                        repository: 3,
                        index: 0,
                    };
                    assert_eq!(followed.packages, [(place, reason.clone())]);
                    assert_eq!(followed.relies_on, std::slice::from_ref(&relied));
                    assert_eq!(offered[2].name, "oss");
                }
            }
        }
    }

    #[test]
    fn what_a_lock_says_of_a_package() {
        let file = PathBuf::from("fixtures/clash-one-1-1.noarch.rpm");
        let package = repository::read_header(&file).unwrap();
        let located = repository::located(&file).unwrap();
        let listed = Located {
            location: "p/x.rpm".to_owned(),
            checksum: "sha256:00".to_owned(),
            size: 7,
        };
        for (repository, listed) in [
            (None, None),
            (Some("oss"), None),
            (Some("oss"), Some(listed)),
        ] {
            let expected = listed.clone().unwrap_or_else(|| located.clone());
            let repository = repository.map(str::to_owned);
            let chosen = Chosen {
                file: file.clone(),
                package: package.clone(),
                reason: Reason::Requested,
                origin: crate::packages::Origin {
                    repository: repository.clone(),
                    listed,
                },
                sha256: None,
                is_here: true,
            };
            let locked = Locked {
                nevra: "clash-one-1-1.noarch".to_owned(),
                repository,
                location: expected.location,
                checksum: expected.checksum,
                size: expected.size,
                reason: Reason::Requested,
            };
            assert_eq!(packages(&[chosen]).unwrap(), [locked]);
        }
    }
}
