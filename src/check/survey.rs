//! Many images on many hosts: what each client does with each of them, and whether it would run.
//!
//! Images are independent of each other, so they are read by as many threads as there are cores;
//! of each only its row stays in memory. Rows come back in the order of the images.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use architecture::Architecture;
use clients::{Client, Container, Host, Outcome, Pattern, Policy, Verdict};
use linkage::Needs;

use super::demands;
use super::ground::{Ground, OnBase, Target};
use super::set::Together;
use super::set::members::{self, Member};
use super::verdict::Word;
use crate::findings::{Finding, FindingKind, Waivers, kinds};
use crate::inspected::{InspectedImage, damage};
use crate::words::failure::Result;

/// Keys by which a base says that it was updated. An image that is ignored for them alone may
/// still run.
pub const VERSION_KEYS: [&str; 2] = ["VERSION_ID", "SYSEXT_LEVEL"];

/// What is asked of the images.
#[derive(Default)]
pub struct Survey {
    /// The systems.
    pub targets: Vec<Target>,
    /// The system before an update to the one target: what is already wrong there is not reported.
    pub from: Option<Target>,
    /// The clients on each.
    pub clients: Vec<Client>,
    /// The systems' architecture, in place of what they state.
    pub architecture: Option<Architecture>,
    /// Only the manifests are read.
    pub manifests: bool,
    /// Name of the client's link, instead of each image's own name.
    pub link: Option<String>,
    /// What the hosts demand of images.
    pub policy: Option<Policy>,
    /// Patterns of a definition of sysupdate, instead of those that the images' store has.
    pub patterns: Vec<String>,
    /// The images are judged together, as a host merges them.
    pub together: bool,
    /// Each thing that is found is wanted, not the findings alone: of many images on many hosts it
    /// takes much memory.
    pub details: bool,
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

/// All that was found out about one image.
pub struct Row {
    /// The file that was named.
    pub path: PathBuf,
    /// Name of the client's link.
    pub link: String,
    /// What was assumed of the link or of the hosts, as words.
    pub assumed: Vec<String>,
    /// File name of the image.
    pub file: String,
    /// It is for systemd-confext, which merges it over `/etc`.
    pub is_companion: bool,
    /// The companion beside it, if there is one.
    pub companion: Option<PathBuf>,
    /// For each target, for each client.
    pub judgements: Vec<Judgement>,
    /// What was found on each target.
    pub on_base: Vec<OnBase>,
    /// What it needs of a base; `None` where no manifest says so.
    pub needs: Option<Needs>,
    /// What was found before an update.
    pub before: Option<OnBase>,
    /// What is kept of it to be judged together with others.
    pub member: Option<Member>,
}

impl Row {
    /// Returns the word for how the image fares on a target.
    pub fn word(&self, target: usize, waivers: &Waivers) -> Word {
        let found = &self.on_base[target];
        let is_unread = |one: &Judgement| one.verdict.outcome == Outcome::Unread;
        let is_unmerged = self.unaccepted(target).any(|one| !is_unread(one));
        if self.unaccepted(target).any(is_unread) {
            Word::Unread
        } else if is_unmerged || found.broken(waivers).next().is_some() {
            Word::Breaks
        } else if found.evidence.is_complete() {
            Word::Works
        } else {
            Word::Merges
        }
    }

    /// Returns in a few words each what stands against the image on a target, the worst first.
    pub fn because(&self, target: usize, waivers: &Waivers) -> Vec<String> {
        let mut reasons = Vec::new();
        for (outcome, by) in self.by_outcome(target) {
            let clients: BTreeSet<_> = by.iter().map(|one| one.client).collect();
            let names: Vec<_> = clients.iter().map(ToString::to_string).collect();
            let is_all = clients.len() == self.judgements_on(target).count();
            let suffix = match is_all {
                true => String::new(),
                false => format!(" by {}", names.join(", ")),
            };
            reasons.push(format!("{outcome}{suffix}"));
        }
        let ids: BTreeSet<_> = (self.on_base[target].broken(waivers))
            .map(|finding| finding.kind.id.to_owned())
            .collect();
        reasons.extend(ids);
        reasons
    }

    /// Returns the judgements by which the image is not merged, by what that is called: refused
    /// with all others, ignored, or ignored only because the system was updated.
    fn by_outcome(&self, target: usize) -> Vec<(String, Vec<&Judgement>)> {
        let (mut refused, mut ignored, mut stale) = (Vec::new(), Vec::new(), Vec::new());
        for one in self.unaccepted(target) {
            match one.verdict.outcome {
                Outcome::Accepted | Outcome::Unread => {}
                Outcome::Refused => refused.push(one),
                Outcome::Ignored if VERSION_KEYS.contains(&one.verdict.field) => stale.push(one),
                Outcome::Ignored => ignored.push(one),
            }
        }
        let keys: BTreeSet<_> = stale.iter().map(|one| one.verdict.field).collect();
        let stale_word = format!("stale: {} alone", Vec::from_iter(keys).join(", "));
        [
            ("refused".to_owned(), refused),
            ("ignored".to_owned(), ignored),
            (stale_word, stale),
        ]
        .into_iter()
        .filter(|(_, by)| !by.is_empty())
        .collect()
    }

    fn judgements_on(&self, target: usize) -> impl Iterator<Item = &Judgement> {
        self.judgements
            .iter()
            .filter(move |one| one.target == target)
    }

    /// Returns the judgements on a target by which the image is not merged, as far as that is new.
    /// An image that was not read before an update either is as unknown as it was.
    pub fn unaccepted(&self, target: usize) -> impl Iterator<Item = &Judgement> {
        self.judgements_on(target)
            .filter(|one| match one.verdict.outcome {
                Outcome::Accepted => false,
                Outcome::Unread => true,
                Outcome::Ignored | Outcome::Refused => !one.as_before,
            })
    }

    /// Says whether something would stand against the image on a target, were it not so before the
    /// update.
    pub fn is_as_before(&self, target: usize, waivers: &Waivers) -> bool {
        let findings = &self.on_base[target].as_before.findings;
        let is_unmerged = |one: &Judgement| {
            let outcome = one.verdict.outcome;
            one.as_before && matches!(outcome, Outcome::Ignored | Outcome::Refused)
        };
        self.judgements_on(target).any(is_unmerged) || findings.iter().any(|one| waivers.stops(one))
    }

    /// Says whether nothing stands against the image on a target, but what the user allows.
    pub fn passes(&self, target: usize, waivers: &Waivers) -> bool {
        let is_allowed = |one: &Judgement| !waivers.stops(&Finding::new(one.kind(), ""));
        let findings = &self.on_base[target].findings;
        self.unaccepted(target).all(is_allowed) && !findings.iter().any(|one| waivers.stops(one))
    }
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

impl Survey {
    /// Returns the architecture of a target: what the user says, else what it states.
    pub fn architecture_of(&self, target: &Target) -> Option<Architecture> {
        self.architecture.or(target.base.architecture)
    }

    /// Reads and judges images, `workers` at a time, and those that a host merges together, for each
    /// target where there are some. The first that can't be read ends it.
    pub fn rows(
        &self,
        images: &[PathBuf],
        workers: usize,
    ) -> Result<(Vec<Row>, Vec<Option<Together>>)> {
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
        let together = (grounds.iter().enumerate())
            .map(|(target, ground)| match self.together {
                true => members::judge(&mut rows, target, ground, from.as_ref()),
                false => Ok(None),
            })
            .collect::<Result<_>>()?;
        for row in &mut rows {
            row.member = None;
        }
        Ok((rows, together))
    }

    fn row(&self, path: &Path, grounds: &[Ground<'_>], from: Option<&Ground<'_>>) -> Result<Row> {
        let mut image = InspectedImage::open(
            path,
            self.manifests,
            self.link.as_deref(),
            self.targets
                .first()
                .and_then(|target| self.architecture_of(target))
                .map(Architecture::systemd),
        )?;
        // What is not what its hashes say is not read, whatever else it would be.
        if image.inside.is_some()
            && let Some(problem) = damage(path)?
        {
            image.facts.container = Container::Broken(format!("is damaged: {problem}"));
        }
        // An image by other hands has no manifest that says what its files need.
        if image.linkage.is_none()
            && let Some(inside) = &mut image.inside
        {
            image.linkage = Some(inside.linkage()?);
        }
        if let Some(inside) = &mut image.inside {
            image.modules = inside.modules()?;
            image.texts = inside.texts()?;
            image.read_beside()?;
        }
        image.facts.patterns.clone_from(&self.patterns);
        let (before, known) = match from {
            Some(from) => (self.judge(&image, 0, from), Some(from.look(&mut image)?)),
            None => (Vec::new(), None),
        };
        let mut judgements = Vec::new();
        let mut on_base = Vec::new();
        for (target, ground) in grounds.iter().enumerate() {
            judgements.extend(self.judge(&image, target, ground));
            let mut found = ground.look(&mut image)?;
            let of_initrd = self.policy_of_initrd(&image);
            let policy = self.policy.as_ref().or(of_initrd.as_ref());
            (found.findings).extend(ground.demands.signer(&image, policy));
            if let Some(known) = &known {
                found.subtract(known);
            }
            if !self.details {
                found.forget_details();
            }
            on_base.push(found);
        }
        for (one, before) in judgements.iter_mut().zip(&before) {
            one.as_before = one.verdict.outcome == before.verdict.outcome;
        }
        Ok(Row {
            assumed: self.assumed(&image),
            needs: (image.linkage.as_ref())
                .filter(|_| self.needs)
                .map(Needs::of),
            path: image.path.clone(),
            link: image.facts.link.clone(),
            file: image.facts.file.clone(),
            judgements,
            on_base,
            before: known,
            is_companion: image.is_companion(),
            companion: image.companion_beside(),
            member: self.together.then(|| Member::of(image)).flatten(),
        })
    }

    /// Returns what was assumed for an image.
    fn assumed(&self, image: &InspectedImage) -> Vec<String> {
        let mut assumed = Vec::new();
        if image.assumes_name {
            let link = &image.facts.link;
            assumed.push(format!(
                "it is linked as {link}.raw (--as NAME says another name)"
            ));
        }
        let keys = image
            .facts
            .releases
            .iter()
            .find_map(|file| file.keys.as_ref());
        let own = keys.and_then(|keys| keys.get("ARCHITECTURE"));
        if let (None, Some(own)) = (&self.architecture, own)
            && own != "_any"
        {
            assumed.push(format!(
                "the hosts are {own} (--arch ARCH says another architecture)"
            ));
        }
        assumed
    }

    /// Returns the policy of an image that the initrd merges.
    fn policy_of_initrd(&self, image: &InspectedImage) -> Option<Policy> {
        let is_initrd = demands::goes_to_initrd(&image.path);
        is_initrd.then(demands::policy_of_initrd).flatten()
    }

    fn judge(&self, image: &InspectedImage, target: usize, ground: &Ground<'_>) -> Vec<Judgement> {
        let host = Host {
            os_release: &ground.target.os_release,
            architecture: self
                .architecture_of(ground.target)
                .map(Architecture::systemd),
            is_initrd: demands::goes_to_initrd(&image.path),
        };
        let of_initrd = self.policy_of_initrd(image);
        let refused = |client| match client {
            Client::Sysext(version) | Client::Confext(version) | Client::Importctl(version) => {
                let of_host = match &of_initrd {
                    None => ground.demands.policy(version, image.is_companion()),
                    of_initrd => of_initrd.as_ref(),
                };
                let policy = self.policy.as_ref().or(of_host)?;
                policy.refuses(version, &image.facts, host.architecture)
            }
            Client::Sysextmgr | Client::Sysupdate(_) => None,
        };
        let judge = |client| Judgement {
            target,
            client,
            verdict: refused(client).unwrap_or_else(|| clients::judge(client, &image.facts, host)),
            as_before: false,
        };
        match image.is_companion() {
            false => self.clients.iter().copied().map(judge).collect(),
            true => clients_of_companion(&self.clients).map(judge).collect(),
        }
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

/// Returns the clients of a companion in the place of those of an image: systemd-confext in that of
/// systemd-sysext. Versions without it count only where no other was asked for.
fn clients_of_companion(clients: &[Client]) -> impl Iterator<Item = Client> {
    let any_has = clients
        .iter()
        .any(|client| matches!(client, Client::Sysext(version) if version.has_confext()));
    clients.iter().filter_map(move |client| match *client {
        Client::Sysext(version) if any_has && !version.has_confext() => None,
        Client::Sysext(version) => Some(Client::Confext(version)),
        other => Some(other),
    })
}

#[cfg(test)]
mod tests {
    use image::squashfs::{Options, Packer, Workers};
    use image::{Content, ContentId, Leaf, Stat, Tree};
    use rpm_input::{File, FileKind, Package};

    use super::*;
    use crate::base::Base;
    use crate::words::scratch::Scratch;

    /// Writes an image with one file, `/usr/bin/a`.
    fn image(path: &Path) {
        let id = ContentId::new("one");
        let directory = Stat::implicit_directory(1);
        let mut tree = Tree::new(directory.clone());
        let file = Leaf {
            stat: Stat {
                mode: 0o755,
                ..Stat::default()
            },
            content: Content::File {
                size: 3,
                id: id.clone(),
            },
        };
        tree.insert_leaf("usr/bin/a", file, &directory).unwrap();
        let options = Options {
            compressor: "zstd:1".parse().unwrap(),
            block_size: 128 * 1024,
            workers: Workers::new(1),
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
            os_release: clients::Release::default(),
            provided: None,
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
                details: true,
                ..Survey::default()
            };
            let (rows, _) = survey.rows(std::slice::from_ref(&path), 1).unwrap();
            let on_base = &rows[0].on_base[0];
            let shadows: Vec<_> = on_base.shadows.iter().map(|one| &one.path).collect();
            assert_eq!(shadows, expected, "{from:?} {to:?}");
            assert_eq!(on_base.findings.len(), expected.len(), "{from:?} {to:?}");
            let word = rows[0].word(0, &survey.waivers);
            assert_eq!(word == Word::Works, expected.is_empty());
        }
    }
}
