//! Packages and an overlay become one tree, decided from headers alone.
//!
//! Every file goes through the rules; what enters is placed at its path. A path that two packages
//! own is fine where they bring the same file (as RPM allows it), or describe a directory in the
//! same way, else it is a file conflict. What comes out is a [`Plan`]: the tree, where each content is to be read from, and a word on all
//! that was left out, moved or changed.

mod outside;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use files::PathBytes;
use image::{Algorithm, Content, ContentId, Leaf, LeafId, Stat, Tree, TreeError, is_of_overlayfs};
use rpm_input::{DigestAlgorithm, File, FileKind, Files, Package};
use serde::Serialize;

use crate::alive::caches::Caches;
use crate::alive::places::{Places, Treatment};
use crate::alive::tmpfiles::Tmpfiles;
use crate::base::{Access, Owners};
use crate::findings::{Finding, kinds};
use crate::plan::compose::outside::Outside;
use crate::plan::filter::{self, Candidate, CandidateKind, RULES, Rule, RuleSet, Verdict};
use crate::plan::overlay::OverlayFile;
use crate::words::digest::{sha256, sha256_id};
use crate::words::failure::{Failure, Result};
use crate::words::quantity::{bytes, counted};

/// Set-user-id and set-group-id bits of a mode.
const SET_ID: u16 = 0o6000;

/// Where the system's manager finds what it reads when it is reloaded, as far as images have a say
/// in it: units (systemd.unit(5)), what makes units and variables (systemd.generator(7),
/// systemd.environment-generator(7)), and its own settings (systemd-system.conf(5)).
const MANAGER_DIRECTORIES: [&str; 8] = [
    "usr/lib/systemd/system",
    "usr/lib/systemd/system-environment-generators",
    "usr/lib/systemd/system-generators",
    "usr/lib/systemd/system.conf.d",
    "usr/local/lib/systemd/system",
    "usr/local/lib/systemd/system-environment-generators",
    "usr/local/lib/systemd/system-generators",
    "usr/local/lib/systemd/system.conf.d",
];

/// A path that a rule left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LeftOut {
    /// The rule.
    pub rule: &'static Rule,
    /// NEVRA of the package, or `overlay`.
    pub owner: String,
    /// The path in the package, with its leading slash.
    pub path: String,
    /// Size in bytes, 0 for what is not a regular file.
    pub size: u64,
}

/// A path that a rule changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Changed {
    /// The rule.
    pub rule: &'static Rule,
    /// NEVRA of the package, or `overlay`.
    pub owner: String,
    /// The path in the package, with its leading slash.
    pub path: String,
    /// What it became, such as `/usr/bin/ls` or `root:root 0755`.
    pub became: String,
}

/// Which image is composed of the packages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The one that systemd-sysext merges.
    Main,
    /// Its companion, which systemd-confext merges: of the same packages, what is in `/etc`.
    Companion,
}

/// What is in the companion of an image.
#[derive(Clone, Debug, Default)]
pub struct InCompanion {
    /// The numbers of the packages that have something in it.
    pub packages: BTreeSet<usize>,
    /// Paths in it, all below `etc`.
    pub paths: BTreeSet<PathBytes>,
}

/// All that is decided about an image before a payload byte is read.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// What the image will hold.
    pub tree: Tree,
    /// Directories that a package or the overlay describes; all others have the base's mode.
    pub described: BTreeSet<PathBytes>,
    /// The time of everything that has none of its own, in seconds since 1970.
    pub time: u32,
    /// Where the leaves of packages and overlay come from, by their place in the tree's table.
    pub origins: Vec<Origin>,
    /// The own times of directories that are later than the image's may be.
    pub late: BTreeMap<PathBytes, u32>,
    /// For each package and each file of it, by index: whether its content is to be taken. Each
    /// content is taken from the first package that has it.
    pub contents: Vec<Vec<bool>>,
    /// Contents that are read from an overlay.
    pub overlay: Vec<(ContentId, u64, PathBuf)>,
    /// Contents that are made here.
    pub inline: Vec<(ContentId, Vec<u8>)>,
    /// What there is to be outside of `/usr` and `/opt`.
    pub tmpfiles: Tmpfiles,
    /// What is in the image's companion instead.
    pub companion: InCompanion,
    /// Caches that are made of the contents, once these are packed.
    pub caches: Caches,
    /// What rules left out, in the order of packages and their files.
    pub left_out: Vec<LeftOut>,
    /// What rules moved or changed, in the same order.
    pub changed: Vec<Changed>,
    /// What is worth a word.
    pub findings: Vec<Finding>,
    /// Number of regular files, hard links counted once.
    pub files: usize,
    /// Their size in bytes, equal contents counted once.
    pub size: u64,
}

impl Plan {
    /// Gives a directory that nobody describes the mode and owner that it has in the base, since the
    /// image's will be the merged system's.
    pub fn adopt_access(&mut self, access_of: &dyn Fn(&PathBytes) -> Option<Access>) -> Result<()> {
        let mut adopted = Vec::new();
        self.tree.walk(&mut |path, visit| {
            if let image::Visit::Directory(directory) = visit
                && !path.is_empty()
                && !self.described.contains(path)
                && let Some(Access { mode, uid, gid }) = access_of(path)
                && Access::of(&directory.stat) != (Access { mode, uid, gid })
            {
                let stat = Stat {
                    mode,
                    uid,
                    gid,
                    ..directory.stat.clone()
                };
                adopted.push((path.clone(), stat));
            }
        });
        let implicit = Stat::implicit_directory(self.time);
        for (path, stat) in adopted {
            self.tree
                .insert_directory(&path, stat, &implicit)
                .map_err(Failure::refused)?;
        }
        Ok(())
    }

    /// Says whether the overlay brings a file.
    pub fn is_of_overlay(&self, path: &str) -> bool {
        self.origin(path)
            .is_some_and(|origin| origin.package == OVERLAY)
    }

    /// Returns the number of the package that brings a file.
    pub fn package_of(&self, path: &str) -> Option<usize> {
        let origin = self.origin(path)?;
        (origin.package != OVERLAY).then_some(origin.package as usize)
    }

    fn origin(&self, path: &str) -> Option<&Origin> {
        let Some(image::Visit::Leaf(id, _)) = self.tree.get(path) else {
            return None;
        };
        self.origins.get(Tree::leaf_index(id))
    }

    /// Puts a file that is made here where one may be already; returns the id of its content.
    pub fn insert_made(&mut self, path: &str, bytes: &[u8]) -> Result<ContentId> {
        let (size, digest) =
            sha256(&mut &*bytes).map_err(|error| Failure::io(format!("hashing {path}"), error))?;
        let id = sha256_id(&digest);
        let content = Content::File {
            size,
            id: id.clone(),
        };
        let stat = Stat {
            mode: 0o644,
            mtime: self.time,
            ..Stat::default()
        };
        let leaf = Leaf { stat, content };
        if let Some(image::Visit::Leaf(known, _)) = self.tree.get(path) {
            *self.tree.leaf_mut(known) = leaf;
            return Ok(id);
        }
        let implicit = Stat::implicit_directory(self.time);
        (self.tree.insert_leaf(path, leaf, &implicit)).map_err(Failure::refused)?;
        Ok(id)
    }

    /// Puts a link where nothing is.
    pub fn insert_link(&mut self, path: &str, target: &str) -> Result<()> {
        let leaf = Leaf {
            stat: Stat {
                mode: 0o777,
                mtime: self.time,
                ..Stat::default()
            },
            content: Content::Symlink(target.into()),
        };
        let implicit = Stat::implicit_directory(self.time);
        let inserted = self.tree.insert_leaf(path, leaf, &implicit);
        inserted.map(drop).map_err(Failure::refused)
    }

    /// Looks again for programs that give somebody else's rights, since modes have changed.
    pub fn note_privileges(&mut self) {
        self.findings
            .retain(|finding| finding.kind != &kinds::SET_UID);
        self.findings.extend(privileges(&self.tree));
    }

    /// Says whether something is inside that the system's manager reads when it is reloaded, so that
    /// it must be after a merge.
    pub fn has_units(&self) -> bool {
        (MANAGER_DIRECTORIES.iter()).any(|path| self.has_something_in(path))
    }

    /// Says the same of a companion.
    pub fn has_units_in_etc(&self) -> bool {
        let directories = MANAGER_DIRECTORIES.iter();
        let mut names = directories.filter_map(|path| path.strip_prefix("usr/lib/"));
        names.any(|name| self.has_something_in(&format!("etc/{name}")))
    }

    fn has_something_in(&self, path: &str) -> bool {
        matches!(self.tree.get(path), Some(image::Visit::Directory(directory))
            if directory.entries().len() > 0)
    }
}

/// Where a leaf comes from, and the time that it has there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Number of the package, or [`OVERLAY`].
    pub package: u32,
    /// Its own time, which may be later than that in the image; of the overlay, the image's.
    pub time: u32,
}

/// The times of an image.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// `SOURCE_DATE_EPOCH`: no time is later.
    pub limit: Option<u32>,
    /// The time of what has none of its own.
    pub image: u32,
}

impl Times {
    /// Takes `SOURCE_DATE_EPOCH`, else the newest package's build time, else 1970.
    pub fn new(epoch: Option<u32>, packages: &[&Package]) -> Self {
        let newest = packages
            .iter()
            .filter_map(|package| package.build_time)
            .max();
        Self {
            limit: epoch,
            image: epoch.or(newest).unwrap_or(0),
        }
    }

    fn clamped(self, time: u32) -> u32 {
        self.limit.map_or(time, |limit| time.min(limit))
    }
}

/// Where a placed path comes from: a file of a package, or of the overlay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Source {
    /// Number of the package; [`OVERLAY`] for none.
    package: u32,
    file: u32,
}

/// Stands where packages have their number.
pub const OVERLAY: u32 = u32::MAX;

impl Source {
    /// Returns the number of the package, and that of the file in it.
    fn of_package(self) -> Option<(usize, usize)> {
        (self.package != OVERLAY).then_some((self.package as usize, self.file as usize))
    }
}

/// A file that has a path in the image. There are as many as files, so what is where the rules
/// left it has no path of its own here.
struct Placed {
    source: Source,
    moved: Option<Box<Candidate>>,
}

/// Composes packages, in the order of their precedence, and an overlay into a plan.
pub fn compose(
    packages: &[&Package],
    overlay: &[OverlayFile],
    rules: &RuleSet,
    (owners, places, part): (&Owners, Places<'_>, Part),
    times: Times,
) -> Result<Plan> {
    let mut composer = Composer {
        part,
        packages,
        overlay,
        rules,
        owners,
        places,
        times,
        placed: Vec::new(),
        moved: BTreeMap::new(),
        unwanted: BTreeSet::new(),
        bereft: Vec::new(),
        layered: Vec::new(),
        plan: Plan {
            time: times.image,
            ..Plan::default()
        },
    };
    for (package, content) in (0..).zip(packages) {
        for file in (0..).take(content.files.len()) {
            composer.place(Source { package, file });
        }
    }
    for file in (0..).take(overlay.len()) {
        composer.place(Source {
            package: OVERLAY,
            file,
        });
    }
    composer.settle();
    composer.build_tree()?;
    composer.note();
    Ok(composer.plan)
}

struct Composer<'a> {
    part: Part,
    packages: &'a [&'a Package],
    overlay: &'a [OverlayFile],
    rules: &'a RuleSet,
    owners: &'a Owners,
    places: Places<'a>,
    times: Times,
    /// In the order of their coming, then in that of their paths.
    placed: Vec<Placed>,
    /// Files of `/etc` that are read from below `/usr`: where they are.
    moved: BTreeMap<PathBytes, PathBytes>,
    /// Paths that the user does not want, and that something had.
    unwanted: BTreeSet<String>,
    /// Paths of the overlay with attributes that are not taken.
    bereft: Vec<String>,
    /// Paths of the overlay with attributes that say that it was a layer of another.
    layered: Vec<String>,
    plan: Plan,
}

impl Composer<'_> {
    fn owner(&self, source: Source) -> String {
        match source.of_package() {
            Some((package, _)) => self.packages[package].nevra.to_string(),
            None => "overlay".to_owned(),
        }
    }

    /// Returns the package's file that a source is, if it is one.
    fn file(&self, source: Source) -> Option<File> {
        let (package, file) = source.of_package()?;
        self.packages[package].files.get(file)
    }

    fn overlaid(&self, source: Source) -> &OverlayFile {
        &self.overlay[source.file as usize]
    }

    fn candidate(&self, source: Source) -> (Candidate, u64) {
        match self.file(source) {
            Some(file) => (candidate(&file), regular_size(&file)),
            None => {
                let file = self.overlaid(source);
                (file.candidate.clone(), file.size)
            }
        }
    }

    /// Returns what is placed, under the path that the rules gave it.
    fn found(&self, placed: &Placed) -> Candidate {
        match &placed.moved {
            Some(moved) => (**moved).clone(),
            None => self.candidate(placed.source).0,
        }
    }

    /// Compares the paths of what is placed.
    fn compare(&self, one: &Placed, two: &Placed) -> Ordering {
        let (files, index, path) = match [one, two].map(|placed| self.own_path(placed)) {
            [OwnPath::Listed(files, one), OwnPath::Listed(others, two)] => {
                return files.compare(one, others, two);
            }
            [OwnPath::Bytes(one), OwnPath::Bytes(two)] => return one.cmp(two),
            [OwnPath::Listed(files, one), OwnPath::Bytes(path)] => (files, one, path),
            [OwnPath::Bytes(path), OwnPath::Listed(files, two)] => {
                return files.compare_relative(two, path.bytes()).reverse();
            }
        };
        files.compare_relative(index, path.bytes())
    }

    fn own_path<'p>(&'p self, placed: &'p Placed) -> OwnPath<'p> {
        match (&placed.moved, placed.source.of_package()) {
            (Some(moved), _) => OwnPath::Bytes(&moved.path),
            (None, Some((package, file))) => OwnPath::Listed(&self.packages[package].files, file),
            (None, None) => OwnPath::Bytes(&self.overlaid(placed.source).candidate.path),
        }
    }

    /// Sends a file through the rules, and to its path if they keep it.
    fn place(&mut self, source: Source) {
        let (mut candidate, size) = self.candidate(source);
        let path = candidate.path.clone();
        let mut moves = Vec::new();
        let verdict = self
            .rules
            .judge(&mut candidate, &mut |rule| moves.push(rule));
        // By the path that the package has, or by the one that the image would have. What is to be in its
        // place comes from an overlay.
        let unwanted = [&path, &candidate.path].map(|path| self.rules.unwanted_above(path));
        let unwanted = unwanted.into_iter().flatten().next();
        let is_unwanted = unwanted.is_some() && source.of_package().is_some();
        if let Some(unwanted) = unwanted.filter(|_| is_unwanted) {
            self.unwanted.insert(unwanted.to_owned());
        }
        let verdict = match verdict {
            _ if is_unwanted => Verdict::Dropped(&filter::DROP_PATH),
            Verdict::Dropped(rule) if *rule == filter::HIERARCHY_ONLY => {
                match self.outside_of_part(&mut candidate, source) {
                    Some(Outside::Moved(rule)) => {
                        moves.push(rule);
                        Verdict::Kept
                    }
                    Some(Outside::Companion) => {
                        self.placed.push(Placed {
                            source,
                            moved: None,
                        });
                        return;
                    }
                    Some(Outside::Dropped(rule)) => Verdict::Dropped(rule),
                    None => return,
                }
            }
            verdict => verdict,
        };
        // All else is decided where the image is composed that has it.
        if self.part == Part::Companion {
            return;
        }
        match verdict {
            Verdict::Dropped(rule) => {
                let owner = self.owner(source);
                self.plan.left_out.push(LeftOut {
                    rule,
                    owner,
                    path: format!("/{path}"),
                    size,
                });
                return;
            }
            Verdict::Kept => {}
        }
        let is_moved = !moves.is_empty();
        for rule in moves {
            let became = match &candidate.kind {
                _ if *rule == filter::ETC_TO_FACTORY || *rule == filter::STATE_TO_TMPFILES => {
                    outside::made(&candidate)
                }
                CandidateKind::Symlink(target) => format!("/{} -> {target}", candidate.path),
                _ => format!("/{}", candidate.path),
            };
            let owner = self.owner(source);
            self.plan.changed.push(Changed {
                rule,
                owner,
                path: format!("/{path}"),
                became,
            });
        }
        let moved = is_moved.then(|| Box::new(candidate));
        self.placed.push(Placed { source, moved });
    }

    /// Sorts what is placed by its paths, and leaves one owner to each.
    fn settle(&mut self) {
        let mut all = std::mem::take(&mut self.placed);
        // Those of one path stay in the order of their coming.
        all.sort_by(|one, two| self.compare(one, two));
        let mut found = Vec::new();
        all.dedup_by(|second, first| {
            if self.compare(first, second) != Ordering::Equal {
                return false;
            }
            let contest = self.contest(first, second);
            let source = second.source;
            let finding = match contest {
                Contest::First(finding) => finding,
                Contest::Second(finding) => {
                    std::mem::swap(first, second);
                    finding
                }
            };
            found.extend(finding.map(|finding| (source, finding)));
            true
        });
        all.shrink_to_fit();
        self.placed = all;
        found.sort_by_key(|(source, _)| *source);
        let found = found.into_iter().map(|(_, finding)| finding);
        self.plan.findings.extend(found);
    }

    /// Decides between two owners of one path.
    fn contest(&self, first: &Placed, second: &Placed) -> Contest {
        let [one, two] = [first, second].map(|placed| self.found(placed));
        let both_directories =
            one.kind == CandidateKind::Directory && two.kind == CandidateKind::Directory;
        let path = &two.path;
        let files = (self.file(first.source), self.file(second.source));
        let (Some(own), Some(other)) = &files else {
            // An overlay is there to have its way; a directory of it only holds files.
            let replaced = self.owner(first.source);
            let text = format!("the overlay replaces /{path} of {replaced}");
            let finding = || Finding::new(&kinds::OVERLAY_REPLACES, text);
            return Contest::Second((!both_directories).then(finding));
        };
        if let Some(contest) = self.contest_of_settings(first, second) {
            return contest;
        }
        // Rules may make one directory of two that a package has; it does not conflict with itself.
        if both_directories && first.source.package == second.source.package
            || one.kind == two.kind && is_same(own, other)
            || attributes(own) == attributes(other) && self.lead_to_one_place(first, second)
        {
            return Contest::First(None);
        }
        // RPM's own rule for 32-bit and 64-bit packages of one name: the 64-bit program stays.
        if own.color != 0 && other.color != 0 && own.color != other.color {
            return if other.color > own.color {
                Contest::Second(None)
            } else {
                Contest::First(None)
            };
        }
        let owners = [(first, own), (second, other)]
            .map(|(placed, file)| format!("{} ({})", self.owner(placed.source), described(file)));
        let text = format!("/{path} is in {} and in {}", owners[0], owners[1]);
        Contest::First(Some(Finding::new(&kinds::FILE_CONFLICT, text)))
    }

    /// Says whether two links that rules brought to one path lead to one place, however they say it:
    /// `/bin/awk -> gawk` and `/usr/bin/awk -> ../../bin/gawk`. Of links that no rule moved the texts
    /// count, as for RPM.
    fn lead_to_one_place(&self, first: &Placed, second: &Placed) -> bool {
        if first.moved.is_none() && second.moved.is_none() {
            return false;
        }
        let [one, two] = [first, second].map(|placed| {
            let found = self.found(placed);
            match &found.kind {
                CandidateKind::Symlink(target) => self.rules.destination(&found.path, target),
                _ => None,
            }
        });
        one.is_some() && one == two
    }

    /// Makes the tree of what is placed, directories before what is in them.
    fn build_tree(&mut self) -> Result<()> {
        let implicit = Stat::implicit_directory(self.times.image);
        let mut tree = Tree::new(implicit.clone());
        self.plan.contents = (self.packages.iter())
            .map(|package| vec![false; package.files.len()])
            .collect();
        // The leaf of each hard link set of each package, by the set's number.
        let mut sets: BTreeMap<(usize, u32), LeafId> = BTreeMap::new();
        let last_links = self.last_links();
        for placed in std::mem::take(&mut self.placed) {
            let Candidate { path, kind, .. } = self.found(&placed);
            let file = self.file(placed.source);
            let of_package = placed.source.of_package();
            let set = match (of_package, &file) {
                (Some((package, _)), Some(file)) => file.hard_link.map(|set| (package, set)),
                _ => None,
            };
            let (stat, time) = match (of_package, &file) {
                (Some((package, _)), Some(file)) => {
                    let last = set.and_then(|set| last_links.get(&set));
                    let last = last.and_then(|last| self.packages[package].files.get(*last));
                    let file = last.as_ref().unwrap_or(file);
                    // A line of tmpfiles.d(5) gives what a host makes to its owner.
                    let told = Some(&path).filter(|_| !outside::is_of_host(&placed));
                    (self.package_stat(told, package, file), file.mtime)
                }
                _ => (self.overlay_stat(&path, placed.source), self.times.image),
            };
            let kind = self.redirected(&placed, &path, kind);
            if self.is_made_on_host(&placed, &path, &kind, file.as_ref()) {
                continue;
            }
            let added = if kind == CandidateKind::Directory {
                self.plan.described.insert(path.clone());
                if time > stat.mtime {
                    self.plan.late.insert(path.clone(), time);
                }
                tree.insert_directory(&path, stat, &implicit)
            } else if let Some(leaf) = set.and_then(|set| sets.get(&set)) {
                tree.link(&path, *leaf, &implicit)
            } else {
                let content = match kind {
                    CandidateKind::Symlink(target) => Content::Symlink(target),
                    _ => self.content(placed.source, file.as_ref()),
                };
                let package = placed.source.package;
                tree.insert_leaf(&path, Leaf { stat, content }, &implicit)
                    .map(|leaf| {
                        self.plan.origins.push(Origin { package, time });
                        if let Some(set) = set {
                            sets.insert(set, leaf);
                        }
                    })
            };
            match added {
                Ok(()) => {}
                Err(TreeError::BelowLeaf { path, ancestor }) => {
                    let owner = self.owner(placed.source);
                    let text = format!(
                        "/{path} of {owner} is below /{ancestor}, which is not a \
                                 directory"
                    );
                    self.plan
                        .findings
                        .push(Finding::new(&kinds::BELOW_LINK, text));
                }
                Err(error) => return Err(Failure::refused(error)),
            }
        }
        self.plan.tree = tree;
        let refused = self.plan.tmpfiles.refused();
        self.plan.findings.extend(refused);
        self.take_once();
        Ok(())
    }

    /// Returns a regular file's content and notes where it is to be read. `file` is the one that
    /// the source is, if it is one of a package.
    fn content(&mut self, source: Source, file: Option<&File>) -> Content {
        if let (Some((package, index)), Some(file)) = (source.of_package(), file) {
            // The payload stream names a hard link set by its lowest index.
            let named_by = file.hard_link.map_or(index, |set| set as usize);
            self.plan.contents[package][named_by] = true;
            return Content::File {
                size: file.size,
                id: content_id(package, named_by, file),
            };
        }
        let file = self.overlaid(source);
        let (size, path) = (file.size, file.source.clone());
        let id = (file.content.clone()).unwrap_or_else(|| ContentId::new("none"));
        self.plan.overlay.push((id.clone(), size, path));
        Content::File { size, id }
    }

    /// Takes each content from the first package that has it.
    fn take_once(&mut self) {
        if self.packages.len() < 2 {
            return;
        }
        let mut taken = Vec::new();
        for (package, content) in self.packages.iter().enumerate() {
            for (index, file) in content.files.iter().enumerate() {
                if self.plan.contents[package][index] {
                    taken.push((content_id(package, index, &file), package, index));
                }
            }
        }
        // Stable: those of one content stay in the order of packages.
        taken.sort_by(|(one, ..), (two, ..)| one.cmp(two));
        for same in taken.chunk_by(|(one, ..), (two, ..)| one == two) {
            for (_, package, index) in same.iter().skip(1) {
                self.plan.contents[*package][*index] = false;
            }
        }
    }

    /// Returns the last name of each hard link set of each package, whose attributes the inode has
    /// where RPM installs it.
    fn last_links(&self) -> BTreeMap<(usize, u32), usize> {
        let mut last = BTreeMap::new();
        for (package, content) in self.packages.iter().enumerate() {
            for (index, file) in content.files.iter().enumerate() {
                if let Some(set) = file.hard_link {
                    last.insert((package, set), index);
                }
            }
        }
        last
    }

    /// Returns the attributes of a path of the overlay, all of which becomes root's.
    fn overlay_stat(&mut self, path: &PathBytes, source: Source) -> Stat {
        let file = &self.overlay[source.file as usize];
        let is_directory = file.candidate.kind == CandidateKind::Directory;
        let (uid, gid) = file.strangers;
        let mode = without_set_id(file.mode, is_directory, uid.is_some(), gid.is_some());
        if mode != file.mode {
            let or_root = |id: Option<u32>| id.map_or("root".to_owned(), |id| id.to_string());
            self.plan.changed.push(Changed {
                rule: &filter::OWNER_TO_ROOT,
                owner: "overlay".to_owned(),
                path: format!("/{path}"),
                became: format!(
                    "root:root {mode:04o}, was {}:{} {:04o}",
                    or_root(uid),
                    or_root(gid),
                    file.mode
                ),
            });
        }
        let (layered, others): (Vec<_>, Vec<_>) =
            (file.not_taken.iter().map(String::as_str)).partition(|name| is_of_overlayfs(name));
        for (names, paths) in [(layered, &mut self.layered), (others, &mut self.bereft)] {
            if !names.is_empty() {
                paths.push(format!("/{path} has {}", names.join(", ")));
            }
        }
        Stat {
            mode,
            mtime: self.times.image,
            xattrs: file.xattrs.clone().into(),
            ..Stat::default()
        }
    }

    /// Returns the attributes of a path, as a package describes one of its files. `told` is the path
    /// at which it is worth a word that it becomes root's.
    fn package_stat(&mut self, told: Option<&PathBytes>, package: usize, file: &File) -> Stat {
        let package = self.packages[package];
        let uid = self.owners.user(&file.owner);
        let gid = self.owners.group(&file.group);
        let is_directory = file.kind == FileKind::Directory;
        let mode = without_set_id(file.mode, is_directory, uid.is_none(), gid.is_none());
        if let Some(path) = told.filter(|_| uid.is_none() || gid.is_none()) {
            let or_root = |name, id: Option<u32>| id.map_or("root", |_| name);
            self.plan.changed.push(Changed {
                rule: &filter::OWNER_TO_ROOT,
                owner: package.nevra.to_string(),
                path: format!("/{path}"),
                became: format!(
                    "{}:{} {mode:04o}, was {}:{} {:04o}",
                    or_root(&file.owner, uid),
                    or_root(&file.group, gid),
                    file.owner,
                    file.group,
                    file.mode
                ),
            });
        }
        let mut stat = Stat {
            mode,
            uid: uid.unwrap_or(0),
            gid: gid.unwrap_or(0),
            mtime: self.times.clamped(file.mtime),
            ..Stat::default()
        };
        if let Some(capabilities) = &file.capabilities {
            stat.xattrs
                .insert("security.capability".to_owned(), capabilities.to_vec());
        }
        stat
    }

    /// Looks at the whole, and counts it.
    fn note(&mut self) {
        let mut findings = match self.part {
            Part::Main => self.in_vain(),
            Part::Companion => Vec::new(),
        };
        for rule in RULES {
            findings.extend(self.rule_findings(rule));
        }
        if let Some(first) = self.layered.first() {
            let text = format!(
                "{} of the overlay hid or redirected what was below it, which is not in it: \
                 {first}{}",
                counted(self.layered.len(), "path"),
                dots(self.layered.len())
            );
            findings.push(Finding::new(&kinds::OVERLAYFS_ATTRIBUTE, text));
        }
        if let Some(first) = self.bereft.first() {
            let text = format!(
                "attributes of {} of the overlay are not in the image: {first}{}",
                counted(self.bereft.len(), "path"),
                dots(self.bereft.len())
            );
            findings.push(Finding::new(&kinds::OVERLAY_ATTRIBUTE, text));
        }
        let mut sizes: Vec<(&ContentId, u64)> = Vec::new();
        let mut seen = vec![false; self.plan.tree.leaf_count()];
        self.plan.tree.walk(&mut |_, visit| match visit {
            image::Visit::Directory(_) => {}
            image::Visit::Leaf(id, leaf) => {
                let is_first = !std::mem::replace(&mut seen[Tree::leaf_index(id)], true);
                match &leaf.content {
                    Content::File { size, id } if is_first => sizes.push((id, *size)),
                    _ => {}
                }
            }
        });
        findings.extend(privileges(&self.plan.tree));
        self.plan.files = sizes.len();
        sizes.sort();
        sizes.dedup();
        self.plan.size = sizes.iter().map(|(_, size)| size).sum();
        let is_empty = self.plan.tree.root().entries().len() == 0
            && self.plan.tmpfiles.are_none()
            && self.plan.companion.paths.is_empty();
        if self.part == Part::Main && is_empty {
            let text = "no file is left in /usr or /opt, so systemd would merge nothing";
            findings.push(Finding::new(&kinds::EMPTY_IMAGE, text));
        }
        self.plan.findings.extend(findings);
    }

    /// Names the paths that are to be left out and that nothing has, such as one with a typing error.
    fn in_vain(&self) -> Vec<Finding> {
        let paths = (self.rules.unwanted()).filter(|path| !self.unwanted.contains(*path));
        let paths = paths.map(|path| ("--drop", path));
        let of_etc = self.places.etc.iter();
        let of_etc = of_etc.filter(|said| said.treatment == Treatment::Drop);
        let of_etc = of_etc.filter_map(|said| Some(said.path.as_deref()?.trim_start_matches('/')));
        let of_etc = of_etc.filter(|path| {
            let mut left_out = self.plan.left_out.iter();
            !left_out.any(|left| filter::is_below(left.path.trim_start_matches('/'), path))
        });
        let in_vain = paths.chain(of_etc.map(|path| ("--etc", path)));
        let findings = in_vain.map(|(option, path)| {
            let text = format!("{option} leaves nothing out: nothing has the path /{path}");
            Finding::new(&kinds::LEFT_OUT, text)
        });
        findings.collect()
    }

    /// Sums up in one line each what a rule left out and what it changed.
    fn rule_findings(&self, rule: &Rule) -> Vec<Finding> {
        let mut findings = Vec::new();
        let left_out: Vec<_> = (self.plan.left_out.iter())
            .filter(|left| left.rule == rule)
            .collect();
        if let Some(first) = left_out.first()
            && !rule.quiet
        {
            let text = format!(
                "{} left out {}, {}: {}{}",
                rule.name,
                counted(left_out.len(), "path"),
                bytes(left_out.iter().map(|left| left.size).sum()),
                first.path,
                dots(left_out.len())
            );
            findings.push(Finding::new(&kinds::LEFT_OUT, text));
        }
        let said = [
            &filter::ETC_TO_FACTORY,
            &filter::ETC_TO_CONFEXT,
            &filter::STATE_TO_TMPFILES,
        ];
        let is_said = said.contains(&rule);
        let changed: Vec<_> = (self.plan.changed.iter())
            .filter(|change| change.rule == rule && !is_said)
            .collect();
        if let Some(first) = changed.first() {
            let kind = if *rule == filter::OWNER_TO_ROOT {
                &kinds::OWNER
            } else {
                &kinds::MOVED
            };
            let text = format!(
                "{} changed {}: {} is now {}{}",
                rule.name,
                counted(changed.len(), "path"),
                first.path,
                first.became,
                dots(changed.len())
            );
            findings.push(Finding::new(kind, text));
        }
        findings
    }
}

/// Names the programs that give somebody else's rights.
fn privileges(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    tree.walk(&mut |path, visit| {
        let stat = visit.stat();
        let is_file = matches!(visit, image::Visit::Leaf(_, leaf)
            if matches!(leaf.content, Content::File { .. }));
        let capable = stat.xattrs.contains_key("security.capability");
        if is_file && (stat.mode & SET_ID != 0 || capable) {
            let what = match (stat.mode & 0o4000 != 0, stat.mode & 0o2000 != 0) {
                (true, true) => "set-uid and set-gid",
                (true, false) => "set-uid",
                (false, true) => "set-gid",
                (false, false) => "run with file capabilities",
            };
            let text = format!("/{path} is {what} ({:04o})", stat.mode);
            findings.push(Finding::new(&kinds::SET_UID, text));
        }
    });
    findings
}

/// Says that there are more than the one that is named.
fn dots(number: usize) -> &'static str {
    if number > 1 { " ..." } else { "" }
}

/// Takes set-uid and set-gid from a mode where user and group become root: the bits gave the rights
/// of somebody else. Those of a directory say whose its files will be, and are kept.
fn without_set_id(mode: u16, is_directory: bool, user_to_root: bool, group_to_root: bool) -> u16 {
    let mut mode = mode;
    if user_to_root {
        mode &= !0o4000;
    }
    if group_to_root && !is_directory {
        mode &= !0o2000;
    }
    mode
}

/// The path of something placed: one of a package's list, without its slash, or of its own.
enum OwnPath<'a> {
    Listed(&'a Files, usize),
    Bytes(&'a PathBytes),
}

/// Who stays at a path, and what is to be said of it.
enum Contest {
    First(Option<Finding>),
    Second(Option<Finding>),
}

/// Returns what files must have in common to be the same, whatever is in them.
fn attributes(file: &File) -> (u16, &str, &str, Option<&[u8]>) {
    let capabilities = file.capabilities.as_deref();
    (file.mode, &file.owner, &file.group, capabilities)
}

/// Says whether two packages bring the same file, as RPM asks: mode, owner, and what is in it.
fn is_same(one: &File, two: &File) -> bool {
    attributes(one) == attributes(two)
        && one.kind == two.kind
        && match one.kind {
            FileKind::Regular => {
                one.size == two.size && (one.size == 0 || one.digest == two.digest)
            }
            _ => true,
        }
}

/// Describes a file as a party of a conflict.
fn described(file: &File) -> String {
    let what = match (&file.kind, &file.digest) {
        (FileKind::Regular, Some(digest)) => format!("{} {}", digest.algorithm(), digest.hex()),
        (FileKind::Regular, None) => format!("{} bytes", file.size),
        (FileKind::Symlink(target), _) => format!("link to {}", target.text()),
        (FileKind::Directory, _) => "directory".to_owned(),
        _ => "special file".to_owned(),
    };
    format!("{what}, {:04o} {}:{}", file.mode, file.owner, file.group)
}

/// Names a package's file content. A digest that can be forged names it for this one file only,
/// so that no other's bytes are ever taken in its place.
pub fn content_id(package: usize, file: usize, described: &File) -> ContentId {
    let Some(digest) = described.digest.as_ref().filter(|_| described.size > 0) else {
        return match described.size {
            0 => ContentId::empty(),
            _ => ContentId::new(format!("unnamed@{package}/{file}")),
        };
    };
    let algorithm = match digest.algorithm() {
        DigestAlgorithm::Sha256 => Algorithm::Sha256,
        DigestAlgorithm::Sha384 => Algorithm::Sha384,
        DigestAlgorithm::Sha512 => Algorithm::Sha512,
        _ => {
            let (tag, hex) = (digest.tag(), digest.hex());
            return ContentId::new(format!("{tag}:{hex}@{package}/{file}"));
        }
    };
    let (digests, start) = digest.place();
    ContentId::among(digests, start, algorithm)
}

fn regular_size(file: &File) -> u64 {
    if file.kind == FileKind::Regular {
        file.size
    } else {
        0
    }
}

fn candidate(file: &File) -> Candidate {
    Candidate {
        path: file.path.relative().into(),
        kind: match &file.kind {
            FileKind::Regular => CandidateKind::File,
            FileKind::Directory => CandidateKind::Directory,
            FileKind::Symlink(target) => CandidateKind::Symlink(target.clone()),
            FileKind::Character(0) => CandidateKind::Whiteout,
            FileKind::Character(_) | FileKind::Block(_) => CandidateKind::Device,
            FileKind::Fifo | FileKind::Socket => CandidateKind::Endpoint,
        },
        doc: file.flags.is_doc(),
        licence: file.flags.is_license(),
        localized: file.language.is_some(),
        ghost: file.flags.is_ghost(),
    }
}

#[cfg(test)]
pub mod tests;
