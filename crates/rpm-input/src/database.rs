//! The packages that a system has installed, from its rpm database.
//!
//! RPM keeps the header of every installed package, together with what it noted at installation,
//! in one file: a table of SQLite (`rpmdb.sqlite`; Fedora, CentOS Stream, Azure Linux) or RPM's
//! own ndb (`Packages.db`; SUSE). Only these headers are read here; the other files and tables
//! are indexes of them. Until RPM 4.16 the file was a Berkeley DB (`Packages`), which is refused
//! with advice.
//!
//! The file may belong to a stopped machine, a mounted image or a read-only medium, so nothing
//! is locked, repaired or written. If another program writes at the same time, the two states
//! are not mixed unnoticed: a file that changes while it is read is an error.
//!
//! All bytes are taken for hostile, as those of an RPM are. A page is read at most once, a header
//! passes the same checks as that of a file, its digest is compared where RPM stored one, and
//! what all packages may hold together has limits.

mod btree;
mod file;
mod ndb;
mod pages;
mod sqlite;
mod wal;

use std::path::{Path, PathBuf};

use crate::error::Error;
use crate::package::Package;
use file::DatabaseFile;

/// Where the database of a root directory lies: since Fedora 36 and on SUSE, on older systems,
/// on systems of rpm-ostree, and where the `rpm` of Debian has it.
const DIRECTORIES: [&str; 4] = [
    "usr/lib/sysimage/rpm",
    "var/lib/rpm",
    "usr/share/rpm",
    "root/.rpmdb",
];
/// What the file is called: SQLite, ndb, Berkeley DB. A conversion can leave the old one behind.
const NAMES: [&str; 3] = ["rpmdb.sqlite", "Packages.db", "Packages"];

/// Longest header of an installed package in bytes; librpm's limit for the data of a header.
const MAX_BLOB: u64 = 256 << 20;
/// Most packages in a database. The largest installations have about 10 000.
const MAX_PACKAGES: usize = 1 << 17;
/// Most files of all packages. The largest installations have about a million.
const MAX_FILES: usize = 1 << 22;
/// Longest sum of all paths in bytes. Headers name directories once for many files.
const MAX_PATHS: usize = 1 << 30;
/// Most dependencies of all packages.
const MAX_DEPENDENCIES: usize = 1 << 24;

/// Takes the number and the bytes of each header that a database holds.
type Take<'a> = dyn FnMut(u64, &[u8]) -> Result<(), Error> + 'a;

/// Finds the database of a root directory.
///
/// `root` may as well be the directory of a database or its file. Directories are tried in the
/// order `usr/lib/sysimage/rpm`, `var/lib/rpm`, `usr/share/rpm`, `root/.rpmdb`, and in each the
/// names `rpmdb.sqlite`, `Packages.db`, `Packages`. A link that leads out of the root directory
/// is passed over: an absolute link in an image would lead to the database of the machine that
/// looks at it.
pub fn find(root: &Path) -> Option<PathBuf> {
    if root.is_file() {
        return Some(root.to_owned());
    }
    if let Some(path) = find_in_directory(root) {
        return Some(path);
    }
    let real_root = root.canonicalize().ok()?;
    DIRECTORIES
        .iter()
        .filter_map(|directory| find_in_directory(&root.join(directory)))
        .find(|path| {
            path.canonicalize()
                .is_ok_and(|real| real.starts_with(&real_root))
        })
}

fn find_in_directory(directory: &Path) -> Option<PathBuf> {
    NAMES
        .iter()
        .map(|name| directory.join(name))
        .find(|path| path.is_file())
}

/// Reads all installed packages from a database, sorted by [`Nevra`](crate::Nevra).
///
/// `path` is what [`find`] returned, or the directory of a database. Public keys, which RPM keeps
/// as packages named `gpg-pubkey`, are left out. [`Package::files`] has only the files that were
/// installed: without documentation after `--excludedocs`, for example. There is no payload
/// to be read; [`Payload::open`](crate::Payload::open) refuses such a package.
///
/// # Errors
///
/// [`Error::NotDatabase`] if the file is something else, too large or a Berkeley DB, and
/// [`Error::Database`] if it is damaged. A header that [`Package::read`] would not take is
/// refused in the same way, with the path and the number of the header in place of a file name.
pub fn read(path: &Path) -> Result<Vec<Package>, Error> {
    let inner = path.is_dir().then(|| find_in_directory(path)).flatten();
    let path = inner.as_deref().unwrap_or(path);
    let file = DatabaseFile::open(path)?;
    let mut packages = Vec::new();
    let mut total = Total::default();
    let mut take = |number: u64, blob: &[u8]| {
        let origin = format!("{}: header {number}", file.origin());
        if let Some(package) = Package::read_installed(blob, &origin)? {
            total.add(&package);
            total.check(file.origin())?;
            packages.push(package);
        }
        Ok(())
    };
    let start = file.start()?;
    if start.starts_with(&sqlite::MAGIC) {
        sqlite::read(&file, path, &mut take)?;
    } else if start.starts_with(&ndb::MAGIC) {
        ndb::read(&file, &mut take)?;
    } else {
        return Err(file.refuse(not_known(&start)));
    }
    file.check_unchanged()?;
    packages.sort_by(|a, b| {
        let key = |package: &Package| package.build_time;
        a.nevra.cmp(&b.nevra).then_with(|| key(a).cmp(&key(b)))
    });
    Ok(packages)
}

/// Returns whether a file that starts with these bytes, 16 or more, is a database of one of the
/// kinds that RPM has had. A Berkeley DB is one, too, although [`read`] refuses it.
pub fn is_database(start: &[u8]) -> bool {
    start.starts_with(&sqlite::MAGIC) || start.starts_with(&ndb::MAGIC) || is_berkeley(start)
}

fn is_berkeley(start: &[u8]) -> bool {
    /// Magics at offset 12, in the byte order of the machine that wrote it.
    const MAGICS: [u32; 2] = [0x0006_1561, 0x0005_3162];
    let magic = start.get(12..).and_then(<[u8]>::first_chunk);
    magic.is_some_and(|magic| {
        MAGICS.contains(&u32::from_be_bytes(*magic)) || MAGICS.contains(&u32::from_le_bytes(*magic))
    })
}

/// Says why a file that starts like this is not read.
fn not_known(start: &[u8]) -> &'static str {
    if is_berkeley(start) {
        "it is a Berkeley DB; convert it on that system with `rpmdb --rebuilddb` (RPM 4.16 or \
         newer), or give the list that `rpm -qa` prints there instead"
    } else {
        "no magic of SQLite or ndb at offset 0"
    }
}

/// What all packages hold together.
#[derive(Default)]
struct Total {
    packages: usize,
    files: usize,
    paths: usize,
    dependencies: usize,
}

impl Total {
    fn add(&mut self, package: &Package) {
        self.packages += 1;
        self.files += package.files.len();
        self.paths += package
            .files
            .iter()
            .map(|file| file.path.length())
            .sum::<usize>();
        self.dependencies += [
            &package.provides,
            &package.requires,
            &package.conflicts,
            &package.obsoletes,
            &package.recommends,
            &package.suggests,
            &package.supplements,
            &package.enhances,
        ]
        .map(Vec::len)
        .iter()
        .sum::<usize>();
    }

    fn check(&self, origin: &str) -> Result<(), Error> {
        for (what, found, allowed) in [
            ("packages", self.packages, MAX_PACKAGES),
            ("files", self.files, MAX_FILES),
            ("bytes of paths", self.paths, MAX_PATHS),
            ("dependencies", self.dependencies, MAX_DEPENDENCIES),
        ] {
            if found > allowed {
                return Err(Error::NotDatabase {
                    origin: origin.to_owned(),
                    reason: format!("it has more than {allowed} {what}"),
                });
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_have_limits() {
        for (field, total) in [
            (
                "packages",
                Total {
                    packages: MAX_PACKAGES + 1,
                    ..Total::default()
                },
            ),
            (
                "files",
                Total {
                    files: MAX_FILES + 1,
                    ..Total::default()
                },
            ),
            (
                "bytes of paths",
                Total {
                    paths: MAX_PATHS + 1,
                    ..Total::default()
                },
            ),
            (
                "dependencies",
                Total {
                    dependencies: MAX_DEPENDENCIES + 1,
                    ..Total::default()
                },
            ),
        ] {
            let error = total.check("x").unwrap_err().to_string();
            assert!(error.ends_with(field), "{error}");
        }
        let full = Total {
            packages: MAX_PACKAGES,
            files: MAX_FILES,
            paths: MAX_PATHS,
            dependencies: MAX_DEPENDENCIES,
        };
        full.check("x").unwrap();
    }
}
