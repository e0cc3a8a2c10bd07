//! Times that contents record, or that are compared, and the files that have to agree with them.
//!
//! A program takes what was compiled or cached for current by the time of what it was made from.
//! `/usr` is read-only, so what does not fit is made again at each start, for ever. So:
//!
//! ```text
//! x.py           has exactly the time that its .pyc records, also after SOURCE_DATE_EPOCH
//! a font's dir   has exactly the time that its fontconfig cache records
//! a theme's dirs are not newer than its icon-theme.cache
//! x.scm          is not newer than its x.go
//! ```
//!
//! Which time that is, is known from contents alone, on any machine: a package's file keeps its own
//! time where it fits, as rpm installs it; a file of the overlay gets the time that is recorded, if
//! its size is the recorded one. What was made from another file, since the overlay or another
//! package replaces it, must not fit: the program would use the old one.

use std::collections::BTreeMap;

use files::{PathBytes, directory_of, shown};
use image::{Content, Directory, Entry, LeafId, Stat, Tree, Visit};

use crate::findings::{Finding, kinds};
use crate::pack::stamps::{Fonts, Stamp, Stamps};
use crate::plan::compose::{OVERLAY, Origin, Plan};
use crate::words::failure::{Failure, Result};
use crate::words::quantity::counted;

/// The name of GTK's cache of a theme's icons.
const ICON_CACHE: &[u8] = b"icon-theme.cache";
/// Directories of Guile's compiled files, behind `guile/VERSION/`.
const GUILE_CACHES: [&[u8]; 2] = [b"ccache", b"site-ccache"];

/// What became of an image's times.
#[derive(Debug, Default)]
pub struct Settled {
    /// How many are later than `SOURCE_DATE_EPOCH`.
    pub late: usize,
    /// What fits nothing.
    pub findings: Vec<Finding>,
}

/// Gives the files of a plan the times that its contents record.
pub fn settle(plan: &mut Plan, stamps: &Stamps) -> Result<Settled> {
    let mut survey = Survey::of(plan, stamps);
    survey.judge_directories();
    let Survey {
        mut times,
        directories,
        replaced,
        stale,
        ..
    } = survey;
    for (source, stamp) in replaced {
        let leaf = plan.tree.leaf(source);
        let time = times.get(&source).copied().unwrap_or(leaf.stat.mtime);
        if fits(&stamp, time, leaf) {
            times.insert(source, time.checked_sub(1).unwrap_or(1));
        }
    }
    let mut late = 0;
    for (leaf, time) in times {
        late += usize::from(time > plan.tree.leaf(leaf).stat.mtime && time > plan.time);
        plan.tree.leaf_mut(leaf).stat.mtime = time;
    }
    let implicit = Stat::implicit_directory(plan.time);
    for (path, time) in directories {
        let Some(visit) = plan.tree.get(&path) else {
            continue;
        };
        late += usize::from(time > visit.stat().mtime && time > plan.time);
        let stat = Stat {
            mtime: time,
            ..visit.stat().clone()
        };
        (plan.tree.insert_directory(&path, stat, &implicit)).map_err(Failure::refused)?;
    }
    Ok(Settled {
        late,
        findings: stale.findings(),
    })
}

/// What an image has that was made from something else in it.
struct Survey<'a> {
    plan: &'a Plan,
    stamps: &'a Stamps,
    /// The times that leaves get.
    times: BTreeMap<LeafId, u32>,
    /// The times that directories get.
    directories: BTreeMap<PathBytes, u32>,
    /// Sources that must not fit what was compiled from another file.
    replaced: Vec<(LeafId, Stamp)>,
    /// Caches of icons: the directory, and the cache.
    icons: Vec<(PathBytes, LeafId)>,
    /// Caches of fonts, and what they record.
    fonts: Vec<(PathBytes, LeafId, Fonts)>,
    /// The package whose files alone are in a directory, if there is one.
    makers: BTreeMap<PathBytes, Option<u32>>,
    stale: Stale,
}

impl<'a> Survey<'a> {
    fn of(plan: &'a Plan, stamps: &'a Stamps) -> Self {
        let mut survey = Self {
            plan,
            stamps,
            times: BTreeMap::new(),
            directories: BTreeMap::new(),
            replaced: Vec::new(),
            icons: Vec::new(),
            fonts: Vec::new(),
            makers: BTreeMap::new(),
            stale: Stale::default(),
        };
        plan.tree.walk(&mut |path, visit| {
            let Visit::Leaf(id, _) = visit else { return };
            let name = path.bytes().rsplit(|byte| *byte == b'/').next();
            let name = name.unwrap_or_default();
            if name.ends_with(b".pyc") || name.ends_with(b".pyo") {
                survey.judge_bytecode(path);
            } else if name.ends_with(b".go") {
                survey.judge_guile(path, id);
            } else if name == ICON_CACHE
                && let Some(directory) = directory_of(path.bytes())
            {
                survey.icons.push((directory.into(), id));
            } else if let Some((id, Stamp::Fonts(fonts))) = survey.stamp(path)
                && is_of_fontconfig(name)
            {
                survey.fonts.push((path.clone(), id, (**fonts).clone()));
            }
        });
        survey
    }

    /// Returns what a file records, with its leaf. Links are followed, as programs do.
    fn stamp(&self, path: &PathBytes) -> Option<(LeafId, &'a Stamp)> {
        if self.stamps.is_empty() {
            return None;
        }
        let (_, Visit::Leaf(id, leaf)) = self.plan.tree.resolve(path)? else {
            return None;
        };
        match &leaf.content {
            Content::File { id: content, .. } => Some((id, self.stamps.get(content)?)),
            _ => None,
        }
    }

    /// Returns where a leaf comes from; none for what was made here.
    fn origin(&self, leaf: LeafId) -> Option<Origin> {
        self.plan.origins.get(Tree::leaf_index(leaf)).copied()
    }

    fn judge_bytecode(&mut self, path: &PathBytes) {
        let Some((code, stamp)) = self.stamp(path) else {
            return;
        };
        let Some((source, is_beside)) = source_of(path.bytes()) else {
            return;
        };
        // Only Python 2, which records no size, looks for bytecode beside a source.
        if is_beside && !matches!(stamp, Stamp::Source { size: None, .. }) {
            return;
        }
        let Some((_, Visit::Leaf(source, leaf))) = self.plan.tree.resolve(&source) else {
            return;
        };
        let (Some(own), Some(other)) = (self.origin(source), self.origin(code)) else {
            return;
        };
        let time = match stamp {
            Stamp::Source { time, .. } => *time,
            Stamp::Unchecked if own.package == OVERLAY && other.package != OVERLAY => {
                self.stale.unchecked.add(path);
                return;
            }
            _ => return,
        };
        let wanted = match (own.package, other.package) {
            (OVERLAY, OVERLAY) => self.times.get(&source).copied().unwrap_or(time),
            (OVERLAY, _) => {
                self.replaced.push((source, stamp.clone()));
                self.stale.python.add(path);
                return;
            }
            _ => own.time,
        };
        match fits(stamp, wanted, leaf) {
            true => drop(self.times.insert(source, wanted)),
            false => {
                self.replaced.push((source, stamp.clone()));
                self.stale.python.add(path);
            }
        }
    }

    /// Judges a file that Guile compiled, whose source is in one of a few places.
    fn judge_guile(&mut self, path: &PathBytes, compiled: LeafId) {
        let sources = guile_sources(path.bytes());
        let mut found = sources
            .iter()
            .filter_map(|source| self.plan.tree.get(source));
        let Some(Visit::Leaf(source, leaf)) = found.next() else {
            return;
        };
        let (Some(own), Some(other)) = (self.origin(source), self.origin(compiled)) else {
            return;
        };
        let (source, of_code) = (leaf.stat.mtime, self.plan.tree.leaf(compiled).stat.mtime);
        match (own.package, other.package) {
            (OVERLAY, package) if package != OVERLAY => {
                let older = of_code.min(source.saturating_sub(1));
                self.times.insert(compiled, older);
                self.stale.guile.add(path);
            }
            (_, OVERLAY) if of_code < source => drop(self.times.insert(compiled, source)),
            _ if of_code < source => self.stale.guile.add(path),
            _ => {}
        }
    }

    fn judge_directories(&mut self) {
        for (directory, cache) in std::mem::take(&mut self.icons) {
            let Some(own) = self.plan.tree.get(&directory) else {
                continue;
            };
            let (own, cached) = (own.stat().mtime, self.plan.tree.leaf(cache).stat.mtime);
            let path = format!("{directory}/{}", shown(ICON_CACHE));
            if self.plan.caches.make(&path) || self.is_alone(&directory, cache, true) {
                self.limit(directory, cached);
            } else {
                // It does not have the icons of the others, which nobody would see.
                self.times.insert(cache, cached.min(own.saturating_sub(1)));
                self.stale.icons.add(&directory);
            }
        }
        for (path, cache, fonts) in std::mem::take(&mut self.fonts) {
            let place = PathBytes::from(fonts.directory);
            let Some(Visit::Directory(directory)) = self.plan.tree.get(&place) else {
                continue;
            };
            let is_given = self.plan.described.contains(&place)
                && (self.origin(cache)).is_some_and(|origin| origin.package != OVERLAY);
            let own = match self.plan.late.get(&place) {
                _ if !is_given => fonts.time,
                Some(late) => *late,
                None => directory.stat.mtime,
            };
            let is_whole = self.is_alone(&place, cache, false);
            if is_whole && own == fonts.time && fonts.nanoseconds == 0 {
                self.directories.insert(place, own);
            } else {
                self.stale.fonts.add(&path);
            }
        }
    }

    /// Makes a directory, and those in it, no newer than their cache.
    fn limit(&mut self, path: PathBytes, time: u32) {
        let Some(Visit::Directory(directory)) = self.plan.tree.get(&path) else {
            return;
        };
        for (name, entry) in directory.entries() {
            if let Entry::Directory(_) = entry {
                let mut below = path.clone();
                below.push(name);
                self.limit(below, time);
            }
        }
        if directory.stat.mtime > time {
            self.directories.insert(path, time);
        }
    }

    /// Says whether all files of a directory come from where its cache does; `deep` is with those
    /// further below.
    fn is_alone(&mut self, directory: &PathBytes, cache: LeafId, deep: bool) -> bool {
        let cache = self.origin(cache).map(|origin| origin.package);
        // Many caches may be of one directory.
        if let Some(known) = self.makers.get(directory) {
            return known.is_some() && *known == cache;
        }
        let Some(Visit::Directory(found)) = self.plan.tree.get(directory) else {
            return false;
        };
        let (mut maker, mut are_many) = (None, false);
        self.visit_leaves(found, deep, &mut |package| {
            are_many |= package.is_none() || maker.is_some_and(|maker| Some(maker) != package);
            maker = package;
        });
        let maker = maker.filter(|_| !are_many);
        self.makers.insert(directory.clone(), maker);
        maker.is_some() && maker == cache
    }

    /// Tells of the package of each leaf of a directory.
    fn visit_leaves(&self, directory: &Directory, deep: bool, tell: &mut dyn FnMut(Option<u32>)) {
        for (_, entry) in directory.entries() {
            match entry {
                Entry::Leaf(leaf) => tell(self.origin(leaf).map(|origin| origin.package)),
                Entry::Directory(below) if deep => self.visit_leaves(below, deep, tell),
                Entry::Directory(_) => {}
            }
        }
    }
}

/// Says whether a source of this time fits what was compiled from it.
fn fits(stamp: &Stamp, of_source: u32, source: &image::Leaf) -> bool {
    let (Stamp::Source { time, size }, Content::File { size: length, .. }) =
        (stamp, &source.content)
    else {
        return false;
    };
    // Python keeps 32 bits of a size.
    *time == of_source && size.is_none_or(|size| u64::from(size) == *length & 0xffff_ffff)
}

/// Returns the source of bytecode, and whether it is in the same directory (PEP 3147).
fn source_of(path: &[u8]) -> Option<(PathBytes, bool)> {
    let directory = directory_of(path)?;
    let name = path.get(directory.len() + 1..)?;
    if let Some(above) = directory.strip_suffix(b"/__pycache__") {
        let stem = name.split(|byte| *byte == b'.').next()?;
        return Some(([above, b"/", stem, b".py"].concat().into(), false));
    }
    Some((path.get(..path.len() - 1)?.into(), true))
}

/// Returns where the source of a file may be that Guile compiled:
/// `usr/lib64/guile/3.0/site-ccache/a/b.go` is made from `usr/share/guile/site/3.0/a/b.scm`.
fn guile_sources(path: &[u8]) -> Vec<PathBytes> {
    let parts: Vec<&[u8]> = path.split(|byte| *byte == b'/').collect();
    let at = parts.windows(3).position(
        |parts| matches!(parts, [guile, _, caches] if *guile == b"guile" && GUILE_CACHES.contains(caches)),
    );
    let Some((at, rest)) = at.and_then(|at| Some((at, parts.get(at + 3..)?))) else {
        return Vec::new();
    };
    let version = parts.get(at + 1).copied().unwrap_or_default();
    let rest = rest.join(&b'/');
    let stem = rest.strip_suffix(b".go").unwrap_or(&rest);
    let places = [
        [b"site/", version, b"/"].concat(),
        [version, b"/"].concat(),
        b"site/".to_vec(),
    ];
    let source = |place: &Vec<u8>| {
        [b"usr/share/guile/", &place[..], stem, b".scm"]
            .concat()
            .into()
    };
    places.iter().map(source).collect()
}

/// Says whether a name is one of a cache of fontconfig: `HASH-le64.cache-9`.
fn is_of_fontconfig(name: &[u8]) -> bool {
    name.windows(7).any(|part| part == b".cache-")
}

/// What does not fit, by the program that ignores it.
#[derive(Default)]
struct Stale {
    python: Paths,
    unchecked: Paths,
    guile: Paths,
    icons: Paths,
    fonts: Paths,
}

impl Stale {
    fn findings(self) -> Vec<Finding> {
        let Self {
            python,
            unchecked,
            guile,
            icons,
            fonts,
        } = self;
        let of = |paths: Paths, noun: &str, why: &str| {
            let first = paths.first?;
            let more = if paths.count > 1 { " ..." } else { "" };
            let text = format!("{} {why}: /{first}{more}", counted(paths.count, noun));
            Some(Finding::new(&kinds::STALE_CACHE, text))
        };
        [
            of(
                python,
                "file",
                "of bytecode not from the source in the image, by time or size, so Python compiles \
                 that at each start",
            ),
            of(
                unchecked,
                "file",
                "of bytecode that Python takes in the place of the overlay's source, and never \
                 compares",
            ),
            of(
                guile,
                "file",
                "compiled from another source than the image has, so Guile does not use it",
            ),
            of(
                icons,
                "theme",
                "with icons that its cache does not have, so GTK does not use the cache",
            ),
            of(
                fonts,
                "cache",
                "not of its directory as it is in the image, so fontconfig does not use it",
            ),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

/// The first of some paths, and how many there are.
#[derive(Default)]
struct Paths {
    first: Option<PathBytes>,
    count: usize,
}

impl Paths {
    fn add(&mut self, path: &PathBytes) {
        self.first.get_or_insert_with(|| path.clone());
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use image::{ContentId, Leaf};

    use super::*;

    const ON: u32 = OVERLAY;
    /// The time of an image that these plans are of.
    const IMAGE: u32 = 100;

    /// A file: its path, its package and own time, and what is in it: `->TARGET`, the words of
    /// bytecode of Python 3.11, or nothing.
    type File<'a> = (&'a str, u32, u32, &'a str);

    fn planned(files: &[File<'_>]) -> (Plan, Stamps) {
        let mut plan = Plan {
            time: IMAGE,
            ..Plan::default()
        };
        let mut stamps = Stamps::default();
        let implicit = Stat::implicit_directory(IMAGE);
        for (path, package, time, text) in files {
            let words: Vec<u32> = (text.split(' '))
                .filter_map(|word| word.parse().ok())
                .collect();
            let content = match text.strip_prefix("->") {
                Some(target) => Content::Symlink(target.into()),
                None => {
                    let id = ContentId::new(*path);
                    let number = if words.len() == 1 { 62211_u16 } else { 3495 };
                    let mut head = number.to_le_bytes().to_vec();
                    head.extend(b"\r\n");
                    head.extend(words.iter().flat_map(|word| word.to_le_bytes()));
                    stamps.note(&id, &head);
                    Content::File { size: 5, id }
                }
            };
            let stat = Stat {
                mtime: (*time).min(IMAGE),
                ..Stat::default()
            };
            let leaf = Leaf { stat, content };
            plan.tree.insert_leaf(path, leaf, &implicit).unwrap();
            plan.origins.push(Origin {
                package: *package,
                time: *time,
            });
        }
        (plan, stamps)
    }

    /// Judges a plan: what time a path gets, and whether a finding says that something is stale.
    fn judge(files: &[File<'_>], of: &str, time: u32, stale: bool) {
        let (mut plan, stamps) = planned(files);
        let settled = settle(&mut plan, &stamps).unwrap();
        let found = plan.tree.get(of).unwrap().stat().mtime;
        assert_eq!(
            (found, settled.findings.len()),
            (time, usize::from(stale)),
            "{files:?}"
        );
        assert_eq!(settled.late, usize::from(time > IMAGE), "{files:?}");
    }

    #[test]
    fn which_times_files_get() {
        let py = "usr/lib/m/a.py";
        let pyc = "usr/lib/m/__pycache__/a.cpython-311.pyc";
        let opt = "usr/lib/m/__pycache__/a.cpython-311.opt-1.pyc";
        let old = "usr/lib/m/a.pyc";
        for (files, of, time, stale) in [
            // Of one package: what it says of itself, also if that is late.
            (
                &[(py, 0, 200, ""), (pyc, 0, 300, "0 200 5")][..],
                py,
                200,
                false,
            ),
            (&[(py, 0, 50, ""), (pyc, 0, 60, "0 50 5")], py, 50, false),
            (&[(py, 0, 200, ""), (pyc, 0, 300, "0 201 5")], py, 100, true),
            (&[(py, 0, 200, ""), (pyc, 0, 300, "0 200 6")], py, 100, true),
            // Changed after it was compiled, and as old as it was by the image's limit.
            (&[(py, 0, 200, ""), (pyc, 0, 300, "0 100 5")], py, 99, true),
            // Checked by a hash, or not at all.
            (&[(py, 0, 200, ""), (pyc, 0, 300, "3 7 7")], py, 100, false),
            (&[(py, 0, 200, ""), (pyc, 0, 300, "1 7 7")], py, 100, false),
            (&[(py, ON, 100, ""), (pyc, 0, 300, "1 7 7")], py, 100, true),
            // Of the overlay: what is recorded.
            (
                &[(py, ON, 100, ""), (pyc, ON, 100, "0 70 5")],
                py,
                70,
                false,
            ),
            (
                &[(py, ON, 100, ""), (pyc, ON, 100, "0 170 5")],
                py,
                170,
                false,
            ),
            (
                &[(py, ON, 100, ""), (pyc, ON, 100, "0 70 6")],
                py,
                100,
                true,
            ),
            (
                &[
                    (py, ON, 100, ""),
                    (opt, ON, 100, "->a.cpython-311.pyc"),
                    (pyc, ON, 100, "0 70 5"),
                ],
                py,
                70,
                false,
            ),
            (
                &[
                    (py, ON, 100, ""),
                    (opt, ON, 100, "0 60 5"),
                    (pyc, ON, 100, "0 70 5"),
                ],
                py,
                60,
                true,
            ),
            // In the place of a package's, or compiled from it.
            (&[(py, ON, 100, ""), (pyc, 0, 300, "0 100 5")], py, 99, true),
            (
                &[(py, 0, 200, ""), (pyc, ON, 100, "0 200 5")],
                py,
                200,
                false,
            ),
            // Beside its source it is for Python 2.
            (&[(py, ON, 100, ""), (old, ON, 100, "70")], py, 70, false),
            (
                &[(py, ON, 100, ""), (old, ON, 100, "0 70 5")],
                py,
                100,
                false,
            ),
            (&[(pyc, 0, 300, "0 200 5")], pyc, 100, false),
        ] {
            judge(files, of, time, stale);
        }
    }

    #[test]
    fn which_times_are_compared() {
        let go = "usr/lib64/guile/3.0/site-ccache/d/a.go";
        let scm = "usr/share/guile/site/3.0/d/a.scm";
        let icons = "usr/share/icons/t/icon-theme.cache";
        for (files, of, time, stale) in [
            // Guile compares.
            (&[(scm, 0, 40, ""), (go, 0, 50, "")][..], go, 50, false),
            (&[(scm, 0, 50, ""), (go, 0, 40, "")], go, 40, true),
            (&[(scm, ON, 100, ""), (go, 0, 300, "")], go, 99, true),
            (&[(scm, ON, 100, ""), (go, ON, 100, "")], go, 100, false),
            // GTK does, too.
            (
                &[("usr/share/icons/t/a.png", 0, 30, ""), (icons, 0, 40, "")],
                "usr/share/icons/t",
                40,
                false,
            ),
            (
                &[("usr/share/icons/t/a.png", 0, 30, ""), (icons, 0, 40, "")],
                icons,
                40,
                false,
            ),
            (
                &[("usr/share/icons/t/a.png", 1, 30, ""), (icons, 0, 300, "")],
                icons,
                99,
                true,
            ),
        ] {
            judge(files, of, time, stale);
        }
    }

    #[test]
    fn where_sources_are() {
        for (path, expected) in [
            (
                "usr/a/__pycache__/b.cpython-311.opt-2.pyc",
                Some(("usr/a/b.py", false)),
            ),
            ("usr/a/b.pyc", Some(("usr/a/b.py", true))),
            ("usr/a/b.pyo", Some(("usr/a/b.py", true))),
            ("b.pyc", None),
        ] {
            let expected = expected.map(|(path, beside)| (PathBytes::from(path), beside));
            assert_eq!(source_of(path.as_bytes()), expected);
        }
        let go = "usr/lib/x86_64-linux-gnu/guile/2.2/ccache/ice-9/q.go";
        let places = ["site/2.2", "2.2", "site"];
        let expected = places.map(|place| format!("usr/share/guile/{place}/ice-9/q.scm"));
        assert_eq!(guile_sources(go.as_bytes()), expected.map(PathBytes::from));
        assert!(guile_sources(b"usr/share/doc/guile/a.go").is_empty());
    }
}
