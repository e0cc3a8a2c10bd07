//! Images on their way from stores into another one: which come, which stay, and why.
//!
//! All is known from the lists and manifests before a file is copied. Then every image is copied and
//! looked at without a name in the store, and only when all of them are good does the list change,
//! once.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde::Serialize;
use store::{Entry, List, ListedImage, Listing, Prospect, Publication, Store, order};

use super::incoming;
use super::source::{Source, Verifier};
use crate::cli::store::TransferArguments;
use crate::inputs;
use crate::packages::trust;
use crate::publish;
use crate::publish::signing::{self, Settings, Signer};
use crate::report::Report;
use crate::words::failure::{Failure, Result, store_failure};
use crate::words::quantity::counted;
use crate::words::text::Text;

const ANOTHER_NUMBER: &str = "clients never fetch a name twice: build it again with another number, --build-number auto or N";

/// Files that are open besides those that are copied.
const OTHER_OPEN_FILES: u64 = 64;

/// What comes into a store, and by whom that is signed.
pub struct Transfer<'a> {
    arguments: &'a TransferArguments,
    target: &'a Path,
    roots: &'a [PathBuf],
    settings: Settings,
    signer: Option<Signer>,
    verifier: Verifier,
    sources: Vec<Source>,
    /// What comes into each directory, by its path below the store.
    loads: BTreeMap<PathBuf, Load>,
}

/// What comes into one directory.
#[derive(Default)]
struct Load {
    /// The list that is there.
    list: Option<List>,
    /// The images that are there.
    images: Vec<ListedImage>,
    /// The images that come, by file name, each with the place of its source.
    coming: BTreeMap<String, (usize, ListedImage)>,
    /// What goes, since it was taken back elsewhere.
    taken_back: Vec<Entry>,
    unchanged: BTreeSet<String>,
    /// Those that come and are there, but without all that belongs to them.
    completed: BTreeSet<String>,
    left_out: Vec<LeftOut>,
}

/// An image of a source that stays there.
#[derive(Serialize)]
struct LeftOut {
    image: String,
    from: PathBuf,
    reason: String,
}

#[derive(Serialize)]
struct Answer<'a> {
    dry_run: bool,
    sources: Vec<SourceRow<'a>>,
    directories: Vec<DirectoryRow>,
    /// Fingerprint of the key, if one signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<String>,
}

#[derive(Serialize)]
struct SourceRow<'a> {
    directory: &'a Path,
    images: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    signed_by: Option<&'a str>,
}

/// What comes, or came, into one directory.
#[derive(Serialize)]
struct DirectoryRow {
    directory: PathBuf,
    added: Vec<AddedRow>,
    /// Images that were there, and got what belongs to them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    completed: Vec<AddedRow>,
    unchanged: BTreeSet<String>,
    taken_back: Vec<String>,
    left_out: Vec<LeftOut>,
}

#[derive(Serialize)]
struct AddedRow {
    image: String,
    from: PathBuf,
    sha256: String,
}

impl<'a> Transfer<'a> {
    /// Makes sure that the store may be extended, and knows by which keys its sources are verified.
    pub fn open(
        arguments: &'a TransferArguments,
        target: &'a Path,
        roots: &'a [PathBuf],
    ) -> Result<Self> {
        let canonical = |path: &Path| std::fs::canonicalize(path).ok();
        if let Some(twice) = roots
            .iter()
            .find(|root| canonical(root).is_some_and(|root| canonical(target) == Some(root)))
        {
            let text = format!("{} is the store itself", twice.display());
            return Err(Failure::usage(text).hint("name only the others to take from"));
        }
        let mut loads = BTreeMap::new();
        for root in roots {
            for path in super::directories(root)? {
                let below = path.strip_prefix(root).unwrap_or(Path::new(""));
                loads.insert(below.to_owned(), Load::of(&target.join(below))?);
            }
        }
        let settings = inputs::signing(&arguments.signing)?;
        let directories: Vec<_> = loads.keys().map(|below| at(target, below)).collect();
        // What would come can be shown without the key.
        let signer = match arguments.dry_run && settings.key.is_none() {
            true => None,
            false => signing::open_to_extend(&settings, &directories)?,
        };
        let given = trust::keyring(&arguments.keyring)?;
        let verifier = Verifier::new(given, signer.as_ref(), &directories, settings.now);
        Ok(Self {
            arguments,
            target,
            roots,
            settings,
            signer,
            verifier,
            sources: Vec::new(),
            loads,
        })
    }

    /// Refuses a source of which a later list was signed here.
    pub fn forbid_setback(&mut self) -> Result<()> {
        self.verifier.notes = Some(self.settings.memory.read()?);
        Ok(())
    }

    /// Reads and verifies all sources.
    pub fn read_sources(&mut self, report: &Report) -> Result<()> {
        for finding in self.signer.iter().flat_map(|signer| &signer.findings) {
            report.note(finding);
        }
        for root in self.roots {
            for source in self.verifier.open(root)? {
                let by = match &source.signed_by {
                    Some(key) => format!("signed by key {key}"),
                    None => "not signed".to_owned(),
                };
                let images = counted(source.images.len(), "image");
                report.stage(
                    "source",
                    &format!("{}: {images}, {by}", source.path.display()),
                );
                self.sources.push(source);
            }
        }
        Ok(())
    }

    /// Returns the sources that were read.
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Takes every image, as far as it was not taken back.
    pub fn take_all(&mut self) -> Result<()> {
        self.take(|_| true, |_, _| None)
    }

    /// Takes the images that these words mean, all without any: of an extension those that are newer
    /// than what is there, and each that is named by its file.
    pub fn take_newer(&mut self, names: &[String]) -> Result<()> {
        let allows_older = self.arguments.allow_older;
        let is_meant = |image: &ListedImage, name: &String| image.is_called(name);
        self.take(
            |image| names.is_empty() || names.iter().any(|name| is_meant(image, name)),
            |load, image| match allows_older || names.contains(&image.file) {
                true => None,
                false => load.newer(image),
            },
        )?;
        for name in names {
            if self.loads.values().any(|load| load.has(name)) {
                continue;
            }
            let images = || self.sources.iter().flat_map(|source| &source.images);
            let mut left_out = self.loads.values().flat_map(|load| &load.left_out);
            let left = left_out.find(|left| {
                images().any(|image| image.file == left.image && is_meant(image, name))
            });
            if let Some(left) = left {
                let from = left.from.join(&left.image);
                let text = anyhow!("{} stays: {}", from.display(), left.reason);
                return Err(Failure::refused(text)
                    .hint("to add an older image anyway: --allow-older")
                    .hint("to add one that was taken back: sysext-build store add"));
            }
        }
        Ok(())
    }

    /// Takes the images that are wanted, and for which `stays` gives no reason to leave them out.
    fn take(
        &mut self,
        is_wanted: impl Fn(&ListedImage) -> bool,
        stays: impl Fn(&Load, &ListedImage) -> Option<String>,
    ) -> Result<()> {
        for (at, source) in self.sources.iter().enumerate() {
            for image in source.images.iter().filter(|image| is_wanted(image)) {
                let withdrawn = self.withdrawn(&source.below, image)?;
                let others = (self.sources.iter())
                    .filter(|other| other.below == source.below && other.path != source.path);
                check_others(self.target, source, others, &self.loads, image)?;
                let Some(load) = self.loads.get_mut(&source.below) else {
                    continue;
                };
                let is_there = load.has_listed(image, &source.list);
                let reason = withdrawn.or_else(|| match is_there {
                    true => None,
                    false => stays(load, image),
                });
                match reason {
                    Some(reason) => load.left_out.push(LeftOut {
                        image: image.file.clone(),
                        from: source.path.clone(),
                        reason,
                    }),
                    None if load.coming.contains_key(&image.file) => {}
                    None if is_there && load.is_complete(image, &source.list) => {
                        load.unchanged.insert(image.file.clone());
                    }
                    None => {
                        if is_there {
                            load.unchanged.remove(&image.file);
                            load.completed.insert(image.file.clone());
                        }
                        check_manifest(source, image)?;
                        load.coming.insert(image.file.clone(), (at, image.clone()));
                    }
                }
            }
        }
        Ok(())
    }

    /// Says where an image was taken back, if it was; fails if that had other bytes.
    fn withdrawn(&self, below: &Path, image: &ListedImage) -> Result<Option<String>> {
        let target = at(self.target, below);
        let here = self.loads.get(below).and_then(|load| load.list.as_ref());
        let others = (self.sources.iter()).filter(|source| source.below == below);
        let lists = (here.into_iter().map(|list| (&target, list)))
            .chain(others.map(|source| (&source.path, &source.list)));
        for (path, list) in lists {
            match list.withdrawn_digest(&image.file) {
                None => {}
                Some(sha256) if sha256 == image.sha256 => {
                    return Ok(Some(format!("it was taken back in {}", path.display())));
                }
                Some(_) => {
                    let (image, path) = (image.file.clone(), path.clone());
                    let text = store::Error::Withdrawn { image, path };
                    return Err(Failure::refused(text).hint(ANOTHER_NUMBER));
                }
            }
        }
        Ok(None)
    }

    /// Takes back what was taken back in a source.
    pub fn take_back(&mut self) {
        for source in &self.sources {
            let Some(load) = self.loads.get_mut(&source.below) else {
                continue;
            };
            let known = (load.list.as_ref()).map_or_else(Vec::new, List::withdrawals);
            for entry in source.list.withdrawals() {
                if !known.contains(&entry) && !load.taken_back.contains(&entry) {
                    load.taken_back.push(entry);
                }
            }
        }
    }

    /// Copies what was taken, and says what became of it.
    pub fn run(mut self, report: &Report) -> Result<()> {
        for (below, load) in &self.loads {
            self.foresee(&at(self.target, below), load)?;
        }
        let mut directories = Vec::new();
        if self.arguments.dry_run {
            for (below, load) in std::mem::take(&mut self.loads) {
                directories.push(load.row(at(self.target, &below), &self.sources));
            }
        } else {
            directories = self.copy(report)?;
        }
        let answer = Answer {
            dry_run: self.arguments.dry_run,
            sources: (self.sources.iter()).map(SourceRow::new).collect(),
            directories,
            signed_by: self.signer.as_ref().map(Signer::fingerprint),
        };
        answer.tell(report)
    }

    /// Fails for what the store is known to refuse.
    fn foresee(&self, path: &Path, load: &Load) -> Result<()> {
        load.check_pairs()?;
        if load.list.is_none() {
            return Ok(());
        }
        let prospect = |(_, image): &(usize, ListedImage)| {
            Some(Prospect {
                image: image.file.clone(),
                manifest: image.manifest.clone()?,
                replace: false,
                allow_older: self.arguments.allow_older,
            })
        };
        let prospects: Vec<_> = load.in_order().into_iter().filter_map(prospect).collect();
        let store = Store::open_for_reading(path).map_err(store_failure)?;
        let (day, now) = (self.arguments.best_before, self.settings.now);
        (store.foresee_all(&prospects, &load.taken_back, day, now)).map_err(store_failure)?;
        Ok(())
    }

    fn copy(&mut self, report: &Report) -> Result<Vec<DirectoryRow>> {
        let coming = self.loads.values().flat_map(|load| load.coming.values());
        let files = coming.map(|(at, image)| {
            let list = self.sources.get(*at).map(|source| &source.list);
            2 + list.map_or(0, |list| list.attached(&image.file).len())
        });
        allow_open_files(files.sum())?;
        let mut ready = Vec::new();
        for (below, load) in std::mem::take(&mut self.loads) {
            if load.list.is_none() && load.coming.is_empty() && load.taken_back.is_empty() {
                continue;
            }
            let path = at(self.target, &below);
            let store = Store::create(&path).map_err(store_failure)?;
            if !below.as_os_str().is_empty() {
                publish::check_own_directory(&path)?;
            }
            let publications = (load.in_order().into_iter())
                .map(|(at, image)| {
                    let source = &self.sources[*at];
                    let attached = load.missing(image, &source.list);
                    self.publication((source, image), &attached, &store, report)
                })
                .collect::<Result<Vec<_>>>()?;
            ready.push((store, publications, load));
        }
        let mut rows = Vec::new();
        for (store, publications, load) in ready {
            let listing = Listing {
                signing: (self.signer.as_ref()).map(|signer| signer.signing(store.dir())),
                best_before: self.arguments.best_before,
                now: self.settings.now,
            };
            (store.join(publications, &load.taken_back, listing)).map_err(store_failure)?;
            if let Some(signer) = &self.signer {
                signer.conclude(&store, report)?;
            }
            let row = load.row(store.dir().to_owned(), &self.sources);
            row.report(report);
            rows.push(row);
        }
        Ok(rows)
    }

    /// Copies an image, its manifest and what else belongs to it, and looks at them as at every image from
    /// elsewhere.
    fn publication(
        &self,
        (source, image): (&Source, &ListedImage),
        attached: &[String],
        store: &Store,
        report: &Report,
    ) -> Result<Publication> {
        let copy = |name: &str| source.list.copy(name, store).map_err(store_failure);
        let from = source.path.join(&image.file);
        let mut file = copy(&image.file)?;
        let beside = manifest::file_name(&image.file);
        let mut manifest_file = copy(&beside)?;
        let attached = (attached.iter())
            .map(|name| copy(name))
            .collect::<Result<_>>()?;
        let path = source.path.join(&beside);
        let rewound = std::io::Seek::rewind(&mut manifest_file.1);
        rewound.map_err(|error| Failure::io(format!("reading {}", path.display()), error))?;
        let manifest = incoming::manifest(&mut manifest_file.1, &path)?;
        incoming::check(&from, &mut file, &manifest, report)?;
        Ok(Publication {
            name: manifest.config.name.clone(),
            image: file,
            manifest: manifest_file,
            attached,
            replace: false,
            allow_older: self.arguments.allow_older,
        })
    }
}

/// The directory `below` a store, of which the path has no `/` at its end.
fn at(target: &Path, below: &Path) -> PathBuf {
    match below.as_os_str().is_empty() {
        true => target.to_owned(),
        false => target.join(below),
    }
}

/// Files without names stay open until they get them: an image, its manifest and what else belongs to it.
fn allow_open_files(files: usize) -> Result<()> {
    let files = u64::try_from(files).unwrap_or(u64::MAX);
    let wanted = files.saturating_add(OTHER_OPEN_FILES);
    let limit = getrlimit(Resource::Nofile);
    let is_enough = |limit: Option<u64>| limit.is_none_or(|limit| limit >= wanted);
    if is_enough(limit.current) {
        return Ok(());
    }
    if !is_enough(limit.maximum) {
        let text = anyhow!(
            "{files} files at once need {wanted} open files, and the limit is {}",
            limit.maximum.unwrap_or_default()
        );
        return Err(Failure::refused(text)
            .hint(format!("raise it: ulimit -Hn {wanted}"))
            .hint("or take fewer at once"));
    }
    let current = Some(wanted);
    setrlimit(Resource::Nofile, Rlimit { current, ..limit })
        .map_err(|error| Failure::io("raising the limit of open files", error))
}

/// Fails unless every other list that has an image of this name has the same bytes, and those of the
/// manifest.
fn check_others<'a>(
    target: &Path,
    source: &Source,
    others: impl Iterator<Item = &'a Source>,
    loads: &BTreeMap<PathBuf, Load>,
    image: &ListedImage,
) -> Result<()> {
    let files = [image.file.clone(), manifest::file_name(&image.file)];
    let here = loads.get(&source.below).and_then(|load| load.list.as_ref());
    let lists = (here
        .into_iter()
        .map(|list| (at(target, &source.below), list)))
    .chain(others.map(|other| (other.path.clone(), &other.list)));
    for (path, list) in lists.filter(|(_, list)| list.digest_of(&image.file).is_some()) {
        for file in &files {
            let theirs = list.digest_of(file);
            if theirs.is_some() && theirs != source.list.digest_of(file) {
                let text = anyhow!(
                    "{file} of {} has other contents in {}",
                    source.path.display(),
                    path.display()
                );
                return Err(Failure::refused(text).hint(ANOTHER_NUMBER));
            }
        }
    }
    Ok(())
}

/// Refuses an image without its companion, or the other way round.
pub fn alone(half: &store::Half) -> Failure {
    let text = anyhow!("{} is of no use without {}", half.file, half.other);
    Failure::refused(text).hint("name the image, or both files")
}

/// Fails unless the manifest of an image that comes can be read. What is there already may have been
/// left where it came from.
fn check_manifest(source: &Source, image: &ListedImage) -> Result<()> {
    if image.manifest.is_some() {
        return Ok(());
    }
    let path = source.path.join(manifest::file_name(&image.file));
    let text = anyhow!("{} is missing, not listed or can't be read", path.display());
    Err(Failure::refused(text).hint("an image can be taken only together with its manifest"))
}

impl Load {
    /// Begins with what is there, which may be nothing.
    fn of(path: &Path) -> Result<Self> {
        if path.symlink_metadata().is_err() {
            return Ok(Self::default());
        }
        let list = Store::open_for_reading(path).and_then(|store| store.list());
        let list = list.map_err(store_failure)?;
        Ok(Self {
            images: list.images().map_err(store_failure)?,
            list: Some(list),
            ..Self::default()
        })
    }

    /// Whether an image that a word means comes, or is there.
    fn has(&self, name: &str) -> bool {
        let coming = self.coming.values().map(|(_, image)| image);
        let is_there = |image: &ListedImage| self.unchanged.contains(&image.file);
        coming
            .chain(self.images.iter().filter(|image| is_there(image)))
            .any(|image| image.is_called(name))
    }

    /// Whether the same image is there, with the same manifest.
    fn has_listed(&self, image: &ListedImage, list: &List) -> bool {
        let beside = manifest::file_name(&image.file);
        let mut images = self.images.iter();
        images.any(|there| {
            there.file == image.file && there.sha256 == image.sha256 && there.bytes.is_some()
        }) && (self.list.as_ref()).and_then(|list| list.digest_of(&beside))
            == list.digest_of(&beside)
    }

    /// The files of a source that belong to an image and come with it. What an image that is there has
    /// already stays as it is.
    fn missing(&self, image: &ListedImage, list: &List) -> Vec<String> {
        let own = (self.list.as_ref()).filter(|own| own.digest_of(&image.file).is_some());
        let is_there = |name: &String| own.is_some_and(|own| own.digest_of(name).is_some());
        let mut files = list.attached(&image.file);
        files.retain(|name| !is_there(name));
        files
    }

    /// Whether an image that is there has all that belongs to it in a source. One without a readable
    /// manifest can't come again.
    fn is_complete(&self, image: &ListedImage, list: &List) -> bool {
        image.manifest.is_none() || self.missing(image, list).is_empty()
    }

    /// Fails for an image that comes without its companion, or a companion without its image.
    fn check_pairs(&self) -> Result<()> {
        let coming = || self.coming.values().map(|(_, image)| image);
        let before = store::halves_of(self.images.iter());
        let after = store::halves_of(self.images.iter().chain(coming()));
        match after.difference(&before).next() {
            None => Ok(()),
            Some(half) => Err(alone(half)),
        }
    }

    /// Says which image of that name and ending is there and newer, if one is.
    fn newer(&self, image: &ListedImage) -> Option<String> {
        let (version, suffix) = image.version()?;
        let is_like = |there: &&ListedImage| {
            let newer =
                |(other, of): (&str, &str)| of == suffix && order::systemd(other, version).is_gt();
            there.name() == image.name() && there.version().is_some_and(newer)
        };
        let newer = self.images.iter().find(is_like)?;
        Some(format!("{} is there, which is newer", newer.file))
    }

    /// The images that come, older ones first: each has to be the newest when its turn comes.
    fn in_order(&self) -> Vec<&(usize, ListedImage)> {
        let mut coming: Vec<_> = self.coming.values().collect();
        coming.sort_by(|(_, a), (_, b)| b.order(a));
        coming
    }

    fn row(self, directory: PathBuf, sources: &[Source]) -> DirectoryRow {
        let added = |(at, image): &(usize, ListedImage)| AddedRow {
            image: image.file.clone(),
            from: sources[*at].path.clone(),
            sha256: hex::encode(image.sha256),
        };
        let is_there = |row: &AddedRow| self.completed.contains(&row.image);
        let coming = self.in_order().into_iter().map(added);
        let (completed, added) = coming.partition(is_there);
        DirectoryRow {
            directory,
            added,
            completed,
            unchanged: self.unchanged,
            taken_back: (self.taken_back.into_iter())
                .map(|entry| entry.name)
                .collect(),
            left_out: self.left_out,
        }
    }
}

impl<'a> SourceRow<'a> {
    fn new(source: &'a Source) -> Self {
        Self {
            directory: &source.path,
            images: source.images.len(),
            signed_by: source.signed_by.as_deref(),
        }
    }
}

impl DirectoryRow {
    fn report(&self, report: &Report) {
        let stored = |image: &str| self.directory.join(image).display().to_string();
        for added in &self.added {
            let from = added.from.display();
            report.stage(
                "store",
                &format!("{}  new, from {from}", stored(&added.image)),
            );
        }
        for row in &self.completed {
            let text = format!(
                "{}  completed with what belongs to it, from {}",
                stored(&row.image),
                row.from.display()
            );
            report.stage("store", &text);
        }
        for image in &self.taken_back {
            report.stage("store", &format!("{}  taken back", stored(image)));
        }
    }

    fn text(&self, is_dry_run: bool) -> Text {
        let mut text = Text::default();
        if is_dry_run {
            for added in &self.added {
                text.line(format!(
                    "would add  {}  from {}",
                    added.image,
                    added.from.display()
                ));
            }
            for row in &self.completed {
                text.line(format!(
                    "would complete  {}  from {}",
                    row.image,
                    row.from.display()
                ));
            }
            for image in &self.taken_back {
                text.line(format!("would take back  {image}"));
            }
        }
        let completed = match self.completed.len() {
            0 => String::new(),
            count => format!(" {count} completed,"),
        };
        text.line(format!(
            "{}: {} new,{completed} {} unchanged, {} left out",
            self.directory.display(),
            self.added.len(),
            self.unchanged.len(),
            self.left_out.len()
        ));
        text
    }
}

impl Answer<'_> {
    fn tell(&self, report: &Report) -> Result<()> {
        let left_out = self.directories.iter().flat_map(|row| &row.left_out);
        for LeftOut {
            image,
            from,
            reason,
        } in left_out
        {
            report.stage(
                "note",
                &format!("left-out: {}: {reason}", from.join(image).display()),
            );
        }
        if report.is_json() {
            return report.json(self);
        }
        let mut text = Text::default();
        for row in &self.directories {
            text.append(&row.text(self.dry_run));
        }
        match self.dry_run || !report.is_quiet() {
            true => report.print(&text),
            false => Ok(()),
        }
    }
}
