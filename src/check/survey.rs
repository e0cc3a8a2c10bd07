//! Many images on many hosts: what each client does with each of them, and whether it would run.
//!
//! Images are independent of each other, so they are read by as many threads as there are cores;
//! of each only its row stays in memory. Rows come back in the order of the images.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use clients::{Client, Host, Outcome, Pattern, Release, Verdict};
use linkage::Needs;
use manifest::Manifest;
use resolve::{Dependency, Installed, Nevra, Solvable};

use super::closure::{self, BaseLibraries, Break};
use super::shadow::{self, Shadow};
use crate::base::Base;
use crate::base::files::BaseFiles;
use crate::findings::{Finding, FindingKind, Waivers, kinds};
use crate::inspected::InspectedImage;
use crate::packages::choose;
use crate::words::failure::Result;

/// Keys by which a base says that it was updated. An image that is ignored for them alone may
/// still run.
const VERSION_KEYS: [&str; 2] = ["VERSION_ID", "SYSEXT_LEVEL"];

/// A system that images are to work on.
pub struct Target {
    /// What to call it in a table.
    pub label: String,
    /// What its os-release says.
    pub os_release: Release,
    /// What is known of it beyond that.
    pub base: Base,
}

/// What is asked of the images.
pub struct Survey {
    /// The systems.
    pub targets: Vec<Target>,
    /// The system before an update to the one target: what is already wrong there is not reported.
    pub from: Option<Target>,
    /// The clients on each.
    pub clients: Vec<Client>,
    /// The systems' architecture in systemd's spelling, if it is known.
    pub architecture: Option<String>,
    /// Only the manifests are read.
    pub manifests: bool,
    /// Name of the client's link, instead of each image's own name.
    pub link: Option<String>,
    /// What images need is asked for, too.
    pub needs: bool,
    /// Which findings count.
    pub waivers: Waivers,
}

/// What a client does with an image on a target.
#[derive(Clone)]
pub struct Judgement {
    /// Index of the target.
    pub target: usize,
    /// The client.
    pub client: Client,
    /// What it does, and why.
    pub verdict: Verdict,
    /// It did the same before the update.
    pub as_before: bool,
}

impl Judgement {
    /// Returns the kind of finding that it is, where the image is not merged.
    pub fn kind(&self) -> &'static FindingKind {
        match self.verdict.outcome {
            Outcome::Refused => &kinds::BLOCKS_ALL,
            Outcome::Unread => &kinds::UNREAD,
            Outcome::Accepted | Outcome::Ignored => &kinds::NOT_MERGED,
        }
    }
}

/// How an image fares on a target, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// It is merged, and nothing stands against it.
    Works,
    /// It could not be read, so nothing is known.
    Unread,
    /// It would run, but is ignored for its `VERSION_ID` or `SYSEXT_LEVEL` alone.
    Stale,
    /// It is ignored.
    Ignored,
    /// Something in it does not run, or harms the base.
    Breaks,
    /// It is refused, and all others with it.
    Refused,
}

impl State {
    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Unread => "unread",
            Self::Stale => "stale",
            Self::Ignored => "ignored",
            Self::Breaks => "breaks",
            Self::Refused => "refused",
        }
    }
}

/// All that was found out about one image.
pub struct Row {
    /// The file that was named.
    pub path: PathBuf,
    /// Name of the client's link.
    pub link: String,
    /// File name of the image.
    pub file: String,
    /// For each target, for each client.
    pub judgements: Vec<Judgement>,
    /// What was found on each target.
    pub on_base: Vec<OnBase>,
    /// What it needs of a base; `None` where no manifest says so.
    pub needs: Option<Needs>,
}

/// What was found out about an image over one base.
#[derive(Default)]
pub struct OnBase {
    /// Programs, libraries and scripts that would not run.
    pub breaks: Vec<Break>,
    /// What of the base the image would hide.
    pub shadows: Vec<Shadow>,
    /// All of it in words.
    pub findings: Vec<Finding>,
}

impl OnBase {
    /// Forgets what was so before.
    fn subtract(&mut self, known: &Self) {
        self.breaks.retain(|one| !known.breaks.contains(one));
        self.shadows.retain(|one| !known.shadows.contains(one));
        self.findings.retain(|one| !known.findings.contains(one));
    }
}

impl Row {
    /// Returns how the image fares on a target.
    pub fn state(&self, target: usize, waivers: &Waivers) -> State {
        let stops = |finding: &&Finding| waivers.stops(finding);
        let breaks = self.on_base[target].findings.iter().any(|one| stops(&one));
        let mut state = if breaks { State::Breaks } else { State::Works };
        for one in self.unaccepted(target) {
            state = state.max(match one.verdict.outcome {
                Outcome::Refused => State::Refused,
                Outcome::Unread => State::Unread,
                _ if VERSION_KEYS.contains(&one.verdict.field) => State::Stale,
                _ => State::Ignored,
            });
        }
        state
    }

    /// Returns the judgements on a target by which the image is not merged, as far as that is new.
    pub fn unaccepted(&self, target: usize) -> impl Iterator<Item = &Judgement> {
        self.judgements.iter().filter(move |one| {
            one.target == target && one.verdict.outcome != Outcome::Accepted && !one.as_before
        })
    }

    /// Says whether nothing stands against the image on a target, but what the user allows.
    pub fn works(&self, target: usize, waivers: &Waivers) -> bool {
        match self.state(target, waivers) {
            State::Works => true,
            State::Breaks => false,
            State::Unread | State::Stale | State::Ignored | State::Refused => {
                let allowed = self
                    .unaccepted(target)
                    .all(|one| !waivers.stops(&Finding::new(one.kind(), "")));
                let findings = &self.on_base[target].findings;
                allowed && !findings.iter().any(|one| waivers.stops(one))
            }
        }
    }
}

/// What images are compared with on one target.
struct Ground<'a> {
    target: &'a Target,
    files: Option<BaseFiles<'a>>,
    libraries: BaseLibraries,
    packages: Option<Installed>,
}

impl<'a> Ground<'a> {
    fn of(target: &'a Target) -> Result<Self> {
        let packages = target.base.packages.as_deref();
        Ok(Self {
            target,
            files: BaseFiles::of(&target.base),
            libraries: BaseLibraries::of(&target.base, None)?,
            packages: packages.map(|packages| choose::installed(packages.iter())),
        })
    }

    /// Looks at an image over this base.
    fn look(&self, image: &mut InspectedImage) -> Result<OnBase> {
        let mut found = OnBase::default();
        if let Some(inside) = &mut image.inside {
            let (tree, mut digest) = inside.tree_and_digest();
            found.shadows = shadow::shadows(tree, self.files.as_ref(), &mut digest)?;
            found.findings = shadow::findings(&found.shadows);
        }
        if let Some(linkage) = &image.linkage {
            found.breaks = closure::judge(linkage, &self.libraries);
            found.findings.extend(closure::findings(&found.breaks));
        }
        let Some(manifest) = &image.manifest else {
            return Ok(found);
        };
        if let Some(base) = &self.packages {
            let judged = image.linkage.is_some();
            let requires = manifest.requires.as_deref().unwrap_or_default();
            let image = offers(manifest);
            let unmet = choose::unmet(requires, base, &image);
            // What the loader needs was judged by what it finds.
            let is_library = |text: &str| text.contains(".so") || text.starts_with("rtld(");
            let unmet = (unmet.into_iter())
                .filter(|text| !judged || text.starts_with('(') || !is_library(text));
            found.findings.extend(unmet.map(|text| {
                let name = &manifest.config.name;
                let text = format!("nothing provides {text} needed by {name}");
                Finding::new(&kinds::UNMET_REQUIREMENT, text)
            }));
        }
        Ok(found)
    }
}

/// Returns what the packages of an image offer together, as far as its manifest says it: all but
/// files.
fn offers(manifest: &Manifest) -> Installed {
    let provides = |texts: &[String]| {
        let provides = texts.iter().map(|text| Dependency::parse(text));
        provides.filter_map(|one| one.ok()).collect()
    };
    let solvables = manifest.packages.iter().map(|package| Solvable {
        nevra: (package.nevra.as_deref())
            .and_then(Nevra::parse)
            .unwrap_or_default(),
        provides: provides(&package.provides),
        ..Solvable::default()
    });
    Installed::new(solvables.collect())
}

impl Survey {
    /// Reads and judges images, `workers` at a time. The first that can't be read ends it.
    pub fn rows(&self, images: &[PathBuf], workers: usize) -> Result<Vec<Row>> {
        let grounds: Vec<_> = self.targets.iter().map(Ground::of).collect::<Result<_>>()?;
        let from = self.from.as_ref().map(Ground::of).transpose()?;
        let next = AtomicUsize::new(0);
        let rows = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for _ in 0..workers.min(images.len()).max(1) {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(path) = images.get(index) else { break };
                        let row = self.row(path, &grounds, from.as_ref());
                        let failed = row.is_err();
                        if let Ok(mut rows) = rows.lock() {
                            rows.push((index, row));
                        }
                        if failed {
                            next.store(images.len(), Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        let mut rows = rows
            .into_inner()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        rows.sort_by_key(|(index, _)| *index);
        let mut rows: Vec<_> = rows
            .into_iter()
            .map(|(_, row)| row)
            .collect::<Result<_>>()?;
        if self
            .clients
            .iter()
            .any(|client| matches!(client, Client::Sysupdate(_)))
        {
            self.add_collisions(&mut rows);
        }
        Ok(rows)
    }

    fn row(&self, path: &Path, grounds: &[Ground<'_>], from: Option<&Ground<'_>>) -> Result<Row> {
        let mut image = InspectedImage::open(path, self.manifests, self.link.as_deref())?;
        // An image by other hands has no manifest that says what its files need.
        let judges = |ground: &Ground<'_>| !matches!(ground.libraries, BaseLibraries::Unknown);
        if image.linkage.is_none()
            && grounds.iter().any(judges)
            && let Some(inside) = &mut image.inside
        {
            image.linkage = Some(inside.linkage()?);
        }
        let (before, known) = match from {
            Some(from) => (self.judge(&image, 0, from), from.look(&mut image)?),
            None => (Vec::new(), OnBase::default()),
        };
        let mut judgements = Vec::new();
        let mut on_base = Vec::new();
        for (target, ground) in grounds.iter().enumerate() {
            judgements.extend(self.judge(&image, target, ground));
            let mut found = ground.look(&mut image)?;
            found.subtract(&known);
            on_base.push(found);
        }
        for (one, before) in judgements.iter_mut().zip(&before) {
            one.as_before = one.verdict.outcome == before.verdict.outcome;
        }
        Ok(Row {
            needs: (image.linkage.as_ref())
                .filter(|_| self.needs)
                .map(Needs::of),
            path: image.path,
            link: image.facts.link,
            file: image.facts.file,
            judgements,
            on_base,
        })
    }

    fn judge(&self, image: &InspectedImage, target: usize, ground: &Ground<'_>) -> Vec<Judgement> {
        let host = Host {
            os_release: &ground.target.os_release,
            architecture: self.architecture.as_deref(),
        };
        let judge = |&client| Judgement {
            target,
            client,
            verdict: clients::judge(client, &image.facts, host),
            as_before: false,
        };
        self.clients.iter().map(judge).collect()
    }

    /// Finds images that the pattern of another extension in the same directory fits.
    fn add_collisions(&self, rows: &mut [Row]) {
        let mut found = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            // The architecture is what stands between the last two dots.
            let stem = row.file.strip_suffix(".raw").unwrap_or(&row.file);
            let Some((_, architecture)) = stem.rsplit_once('.') else {
                continue;
            };
            let pattern = Pattern {
                name: &row.link,
                architecture,
            };
            let others: BTreeSet<_> = rows
                .iter()
                .filter(|other| other.link != row.link && other.path.parent() == row.path.parent())
                .filter_map(|other| Some((&other.file, pattern.version_of(&other.file)?)))
                .collect();
            for (file, version) in others {
                let text = format!(
                    "{}-@v.%a.raw also matches {file}, as version {version}",
                    row.link
                );
                found.push((index, Finding::new(&kinds::PATTERN_COLLISION, text)));
            }
        }
        for (index, finding) in found {
            for on_base in &mut rows[index].on_base {
                on_base.findings.push(finding.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use image::squashfs::{Options, Packer};
    use image::{Content, ContentId, Leaf, Stat, Tree};
    use rpm_input::{File, FileKind, Package};

    use super::*;
    use crate::words::scratch::Scratch;

    #[test]
    fn what_was_so_before_is_subtracted() {
        let found = |paths: &[&str]| OnBase {
            breaks: (paths.iter())
                .map(|path| Break {
                    kind: &kinds::SONAME_MISSING,
                    missing: "libx.so.1".to_owned(),
                    by: (*path).to_owned(),
                    path: (*path).to_owned(),
                    where_looked: String::new(),
                })
                .collect(),
            shadows: (paths.iter())
                .map(|path| Shadow {
                    kind: &kinds::SHADOWS_BASE,
                    path: (*path).to_owned(),
                    owner: None,
                    what: "other".to_owned(),
                })
                .collect(),
            findings: (paths.iter())
                .map(|path| Finding::new(&kinds::SHADOWS_BASE, *path))
                .collect(),
        };
        let mut new = found(&["/usr/a", "/usr/b"]);
        new.subtract(&found(&["/usr/b", "/usr/c"]));
        let left = found(&["/usr/a"]);
        assert_eq!(new.breaks, left.breaks);
        assert_eq!(new.shadows, left.shadows);
        assert_eq!(new.findings, left.findings);
    }

    /// Writes an image with one file, `/usr/bin/a`.
    fn image(path: &Path) {
        let id = ContentId::new("one");
        let directory = Stat::implicit_directory(1);
        let mut tree = Tree::new(directory.clone());
        let file = Leaf {
            stat: Stat::default(),
            content: Content::File {
                size: 3,
                id: id.clone(),
            },
        };
        tree.insert_leaf("usr/bin/a", file, &directory).unwrap();
        let options = Options {
            compressor: "zstd:1".parse().unwrap(),
            block_size: 128 * 1024,
            workers: 1,
            mkfs_time: 1,
        };
        let output = std::fs::File::options()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
            .unwrap();
        let mut packer = Packer::new(output, &options).unwrap();
        packer.add(&id, 3, &mut &b"one"[..]).unwrap();
        packer.finish(&tree).unwrap();
    }

    /// A system with one package, which has these files of 7 bytes.
    fn system(paths: &[&str]) -> Target {
        let mut package = Package::named(rpm_input::Nevra {
            name: "b".to_owned(),
            epoch: None,
            version: "1".to_owned(),
            release: "1".to_owned(),
            arch: "x86_64".to_owned(),
        });
        let files = paths.iter().map(|path| File {
            size: 7,
            ..File::new((*path).to_owned(), FileKind::Regular)
        });
        package.files = files.collect();
        Target {
            label: String::new(),
            os_release: Release::default(),
            base: Base {
                packages: Some(vec![package]),
                ..Base::default()
            },
        }
    }

    #[test]
    fn what_was_wrong_before_an_update_is_no_news() {
        let scratch = Scratch::new();
        let path = scratch.path().join("a-1.raw");
        image(&path);
        let (with, without) = (&["/usr/bin/a"][..], &["/usr/bin/c"][..]);
        for (from, to, expected) in [
            (None, with, &["/usr/bin/a"][..]),
            (Some(without), with, &["/usr/bin/a"]),
            (Some(with), with, &[]),
            (Some(with), without, &[]),
        ] {
            let survey = Survey {
                targets: vec![system(to)],
                from: from.map(system),
                clients: Vec::new(),
                architecture: None,
                manifests: false,
                link: None,
                needs: false,
                waivers: Waivers::default(),
            };
            let rows = survey.rows(std::slice::from_ref(&path), 1).unwrap();
            let on_base = &rows[0].on_base[0];
            let shadows: Vec<_> = on_base.shadows.iter().map(|one| &one.path).collect();
            assert_eq!(shadows, expected, "{from:?} {to:?}");
            assert_eq!(on_base.findings.len(), expected.len(), "{from:?} {to:?}");
            let state = rows[0].state(0, &survey.waivers);
            assert_eq!(state == State::Works, expected.is_empty());
        }
    }
}
