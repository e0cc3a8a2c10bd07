//! What is in the directory, and what is in the files.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use manifest::Summary;
use rustix::fs::Stat;

use super::{Examination, Finding, LookInside};
use crate::directory::{self, Directory, SUMS};
use crate::error::Error;
use crate::inventory::is_about_the_list;
use crate::pending;
use crate::publish;
use crate::sums::{IMAGE_SUFFIX, Sums};

/// What tells one file from the next that has its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    inode: u64,
    pub(super) size: u64,
    changed: (i64, u64),
}

/// The directory at one moment.
#[derive(Debug)]
pub(super) struct Survey {
    pub(super) list: Vec<u8>,
    /// The list, or why it can't be read.
    pub(super) sums: Result<Sums, Error>,
    pub(super) signature: Option<Vec<u8>>,
    /// Regular files.
    pub(super) files: BTreeMap<String, Stamp>,
    pub(super) is_half_done: bool,
    /// Files that the next change removes.
    pub(super) pending: Vec<String>,
}

impl Survey {
    pub(super) fn new(directory: &Directory) -> Result<Survey, Error> {
        let mut files = BTreeMap::new();
        for name in directory.names()? {
            // A file may have gone meanwhile.
            if let Some(stat) = directory.stat(&name)? {
                files.insert(name, Stamp::new(&stat));
            }
        }
        let (list, sums) = match directory.read_list() {
            Ok(list) => {
                let sums = Sums::parse(&list).map_err(|(line, problem)| Error::Sums {
                    path: directory.path().join(SUMS),
                    line,
                    problem,
                });
                (list, sums)
            }
            Err(error @ Error::Io { .. }) => return Err(error),
            Err(error) => (Vec::new(), Err(error)),
        };
        let pending = match &sums {
            Ok(sums) => pending::left(directory, sums)?,
            Err(_) => Vec::new(),
        };
        Ok(Survey {
            pending,
            list,
            sums,
            signature: directory.read_signature()?,
            files,
            is_half_done: publish::is_half_done(directory)?,
        })
    }

    /// The listed files that are there.
    fn listed(&self) -> Vec<(&str, Stamp)> {
        let Ok(sums) = &self.sums else {
            return Vec::new();
        };
        let there = |name: &str| Some(*self.files.get(name)?);
        (sums.entries().iter())
            .filter(|entry| !is_about_the_list(entry))
            .filter_map(|entry| Some((entry.name.as_str(), there(&entry.name)?)))
            .collect()
    }
}

impl Stamp {
    fn new(stat: &Stat) -> Stamp {
        Stamp {
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or_default(),
            changed: (stat.st_ctime, stat.st_ctime_nsec),
        }
    }
}

/// What is in a listed file.
#[derive(Debug, Clone)]
pub(super) struct Look {
    stamp: Stamp,
    /// `None` if it went meanwhile.
    pub(super) sha256: Option<[u8; 32]>,
    /// Of an image: its manifest, or why that is none.
    pub(super) manifest: Option<Result<Summary, String>>,
    /// Of an image: what was found inside.
    pub(super) inside: Vec<Finding>,
}

/// What is in each file that was looked at.
pub(super) type Looks = BTreeMap<String, Look>;

/// Reads all listed files that are not in `looks` as they are now, on all workers.
///
/// Files go to workers one at a time, the largest first, so that none is left with a large one at
/// the end; each worker holds one buffer.
pub(super) fn look(
    directory: &Directory,
    survey: &Survey,
    examination: &Examination<'_>,
    looks: &mut Looks,
) -> Result<(), Error> {
    let mut files = survey.listed();
    files.retain(|(name, stamp)| looks.get(*name).is_none_or(|look| look.stamp != *stamp));
    files.sort_by(|(a, of_a), (b, of_b)| of_b.size.cmp(&of_a.size).then(a.cmp(b)));
    let total = files.iter().map(|(_, stamp)| stamp.size).sum();
    let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
    let found = Mutex::new(Ok(Vec::with_capacity(files.len())));
    let (report, look_inside) = (examination.progress, examination.look_inside);
    let work = || {
        while let Some((name, stamp)) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
            let mut progress = |bytes| {
                let bytes = done.fetch_add(bytes, Ordering::Relaxed) + bytes;
                report(bytes, total);
            };
            let look = look_at(directory, name, *stamp, look_inside, &mut progress);
            let Ok(mut found) = found.lock() else { return };
            match (found.as_mut(), look) {
                (Ok(found), Ok(look)) => found.push(((*name).to_owned(), look)),
                (Ok(_), Err(error)) => *found = Err(error),
                (Err(_), _) => return,
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..examination.workers.min(files.len()) {
            scope.spawn(work);
        }
        work();
    });
    // A worker that panics ends the scope with its panic.
    looks.extend(found.into_inner().unwrap_or_else(|_| Ok(Vec::new()))?);
    Ok(())
}

fn look_at(
    directory: &Directory,
    name: &str,
    stamp: Stamp,
    look_inside: Option<&LookInside<'_>>,
    progress: &mut dyn FnMut(u64),
) -> Result<Look, Error> {
    let mut look = Look {
        stamp,
        sha256: None,
        manifest: None,
        inside: Vec::new(),
    };
    let Some(mut file) = directory.open_file(name)? else {
        return Ok(look);
    };
    let hash = directory::hash(&mut file, progress);
    look.sha256 = Some(hash.map_err(|e| directory.error("read", name, e))?);
    if name.ends_with(IMAGE_SUFFIX) {
        let manifest = directory.open_file(&manifest::file_name(name))?;
        look.manifest = manifest
            .map(|file| Summary::parse_strictly(file).map_err(|problem| problem.to_string()));
        if let Some(look_inside) = look_inside {
            look.inside = inside(file, name, look.manifest.as_ref(), look_inside);
        }
    }
    Ok(look)
}

fn inside(
    file: File,
    name: &str,
    manifest: Option<&Result<Summary, String>>,
    look_inside: &LookInside<'_>,
) -> Vec<Finding> {
    look_inside(
        file,
        name,
        manifest.and_then(|manifest| manifest.as_ref().ok()),
    )
}
