//! `store gate`: what clients of a store lose by an update of their OS, and what to build again.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::anyhow;
use architecture::Architecture;
use clients::{Client, Systemd};
use serde::Serialize;
use store::{
    COMPAT, Compatibility, JudgedBase, JudgedImage, JudgedWord, ListedImage, Listing, Store, order,
};

use crate::base::Known;
use crate::check::gate::{Fate, Outlook, outlook};
use crate::check::survey::{Row, Survey};
use crate::check::verdict::Word;
use crate::cli::store::StoreGateArguments;
use crate::commands::check::table::{self, Cell};
use crate::commands::hosts;
use crate::findings::{Waivers, kinds};
use crate::inputs;
use crate::publish::signing;
use crate::report::Report;
use crate::words::failure::{Failure, Result, store_failure};
use crate::words::quantity::counted;
use crate::words::text::Text;

#[derive(Serialize)]
struct Answer {
    /// No client loses an extension.
    passes: bool,
    bases: Vec<BaseAnswer>,
    extensions: Vec<ExtensionAnswer>,
    /// The extensions that clients would lose.
    rebuild: Vec<String>,
    /// The files of verdicts that were written, or were there already.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    written: Vec<PathBuf>,
}

#[derive(Serialize)]
struct BaseAnswer {
    name: String,
    known: Known,
}

#[derive(Serialize)]
struct ExtensionAnswer {
    name: String,
    on: Vec<OnBaseAnswer>,
}

#[derive(Serialize)]
struct OnBaseAnswer {
    base: String,
    /// `kept`, `replaced`, `offered`, `unused`, `broken` or `lost`.
    fate: &'static str,
    /// The image that clients run before the update.
    #[serde(skip_serializing_if = "Option::is_none")]
    running: Option<Verdict>,
    /// The image for the system after it.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<Verdict>,
    /// What the newest image is on the system after it, where there is no good one.
    #[serde(skip_serializing_if = "Option::is_none")]
    newest: Option<Verdict>,
}

/// What becomes of an image on the system after the update.
#[derive(Serialize)]
struct Verdict {
    image: String,
    word: Word,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    because: Vec<String>,
}

/// Judges all images, says what becomes of each extension, and writes the verdicts down.
pub fn run(arguments: &StoreGateArguments, report: &Report) -> Result<()> {
    let (survey, old) = survey(arguments, report)?;
    let workers = inputs::workers(arguments.jobs)?;
    let gate = Gate {
        survey,
        old,
        report,
    };
    let mut directories = Vec::new();
    for path in super::directories(&arguments.directory)? {
        let store = match arguments.write {
            true => Store::open(&path),
            false => Store::open_for_reading(&path),
        };
        let store = store.map_err(store_failure)?;
        let images = store.images().map_err(store_failure)?;
        let paths: Vec<_> = images.iter().map(|image| path.join(&image.file)).collect();
        let (rows, _) = gate.survey.rows(&paths, workers)?;
        directories.push((store, images, rows));
    }
    if directories.iter().all(|(_, images, _)| images.is_empty()) {
        let path = arguments.directory.display();
        return Err(Failure::refused(anyhow!("{path} lists no image")));
    }
    if arguments.write {
        gate.check_names()?;
    }
    let mut answer = gate.answer(&directories);
    if arguments.write {
        answer.written = gate.write(&directories, arguments)?;
    }
    if report.is_json() {
        report.json(&answer)?;
    } else {
        report.print(&answer.text())?;
    }
    match answer.passes {
        true => Ok(()),
        false => Err(Failure::refused(anyhow!("clients would lose extensions")).answered()),
    }
}

/// Opens the systems: those after the update, and behind them the one before it.
fn survey(arguments: &StoreGateArguments, report: &Report) -> Result<(Survey, Option<usize>)> {
    let architecture = (arguments.arch.as_deref())
        .map(inputs::architecture)
        .transpose()?;
    if arguments.os_release.len() > arguments.base.len() {
        return Err(Failure::usage("there are more --os-release than --base"));
    }
    let state = arguments.signing.state_dir.as_deref();
    let lookup = inputs::looking_up(&arguments.lookup, state, architecture)?;
    let mut targets = Vec::new();
    for (index, path) in arguments.base.iter().enumerate() {
        let os_release = arguments.os_release.get(index).map(PathBuf::as_path);
        let source = hosts::at(path, os_release);
        targets.push(hosts::open(&source, "--os-release", &lookup, report)?);
    }
    let mut old = None;
    if let Some(path) = &arguments.from {
        let source = hosts::at(path, arguments.from_os_release.as_deref());
        old = Some(targets.len());
        targets.push(hosts::open(&source, "--from-os-release", &lookup, report)?);
    }
    let survey = Survey {
        targets,
        clients: Systemd::ALL.map(Client::Sysext).to_vec(),
        architecture,
        manifests: arguments.manifests,
        waivers: Waivers::new(&arguments.allow, arguments.strict)?,
        ..Survey::default()
    };
    Ok((survey, old))
}

/// A directory of the store, what it lists, and how that fares.
type Judged = (Store, Vec<ListedImage>, Vec<Row>);

struct Gate<'a> {
    survey: Survey,
    /// Index of the system before the update.
    old: Option<usize>,
    report: &'a Report,
}

impl Gate<'_> {
    /// Returns the systems after the update, by their indices.
    fn bases(&self) -> Vec<(usize, JudgedBase)> {
        let targets = self.survey.targets.iter().enumerate();
        let after = targets.filter(|(index, _)| Some(*index) != self.old);
        let judged = after.map(|(index, target)| {
            let architecture = self.survey.architecture_of(target);
            let architecture = architecture.map(Architecture::systemd);
            let keys = target.os_release.keys();
            let base = JudgedBase::new(keys, architecture, target.known().word());
            (index, base)
        });
        judged.collect()
    }

    /// Makes sure that a host finds the verdicts for its own system, and no other's.
    fn check_names(&self) -> Result<()> {
        let mut names = BTreeSet::new();
        for (_, base) in self.bases() {
            let name = base.name();
            if base.architecture.is_none() {
                let text = anyhow!("--write: the architecture of {name} is not known");
                return Err(Failure::refused(text).hint("say it with --arch"));
            }
            if !names.insert(name.clone()) {
                let text =
                    anyhow!("--write: two of the bases are {name}, which hosts can't tell apart");
                return Err(Failure::refused(text).hint("write the verdicts for one of them"));
            }
        }
        Ok(())
    }

    fn answer(&self, directories: &[Judged]) -> Answer {
        let mut by_name: BTreeMap<&str, Vec<(&ListedImage, &Row)>> = BTreeMap::new();
        let pairs = directories.iter();
        let pairs = pairs.flat_map(|(_, images, rows)| images.iter().zip(rows));
        for (image, row) in pairs {
            by_name.entry(image.name()).or_default().push((image, row));
        }
        let bases = self.bases();
        let mut answer = Answer {
            passes: true,
            bases: (bases.iter())
                .map(|(index, base)| BaseAnswer {
                    name: base.name(),
                    known: self.survey.targets[*index].known(),
                })
                .collect(),
            extensions: Vec::new(),
            rebuild: Vec::new(),
            written: Vec::new(),
        };
        for (name, mut images) in by_name {
            images.sort_by(|(a, _), (b, _)| newest_first(a, b));
            let rows: Vec<_> = images.iter().map(|(_, row)| *row).collect();
            let mut on = Vec::new();
            for (target, base) in &bases {
                let outlook = outlook(&self.survey, &rows, *target, self.old);
                if outlook.fate == Fate::Lost {
                    answer.passes = false;
                    if answer.rebuild.last().map(String::as_str) != Some(name) {
                        answer.rebuild.push(name.to_owned());
                    }
                }
                on.push(self.on_base(*target, base, &outlook, rows.first().copied()));
            }
            answer.extensions.push(ExtensionAnswer {
                name: name.to_owned(),
                on,
            });
        }
        answer
    }

    fn on_base(
        &self,
        target: usize,
        base: &JudgedBase,
        outlook: &Outlook<'_>,
        newest: Option<&Row>,
    ) -> OnBaseAnswer {
        let verdict = |row: &Row| self.verdict(row, target);
        let newest = newest.filter(|_| outlook.next.is_none() && outlook.running.is_none());
        OnBaseAnswer {
            base: base.name(),
            fate: outlook.fate.word(),
            running: outlook.running.map(verdict),
            next: outlook.next.map(verdict),
            newest: newest.map(verdict),
        }
    }

    fn verdict(&self, row: &Row, target: usize) -> Verdict {
        let word = row.word(target, &self.survey.waivers);
        let because = match word {
            Word::Merges => {
                let findings = row.on_base[target].findings.iter();
                let limits = findings.filter(|finding| finding.kind == &kinds::UNCHECKED_BASE);
                limits.map(|finding| finding.text.clone()).collect()
            }
            _ => table::reasons(&self.survey, row, target, self.report),
        };
        Verdict {
            image: row.file.clone(),
            word,
            because,
        }
    }

    /// Puts the verdicts into each directory of the store.
    fn write(
        &self,
        directories: &[Judged],
        arguments: &StoreGateArguments,
    ) -> Result<Vec<PathBuf>> {
        let settings = inputs::signing(&arguments.signing)?;
        let listed = directories
            .iter()
            .filter(|(_, images, _)| !images.is_empty());
        let paths: Vec<_> = (listed.clone())
            .map(|(store, ..)| store.dir().to_owned())
            .collect();
        let signer = signing::open_to_extend(&settings, &paths)?;
        for finding in signer.iter().flat_map(|signer| &signer.findings) {
            self.report.note(finding);
        }
        let mut written = Vec::new();
        for (store, images, rows) in listed {
            let listing = Listing {
                signing: signer.as_ref().map(|signer| signer.signing(store.dir())),
                now: settings.now,
                ..Listing::default()
            };
            let found = self.compatibility(images, rows);
            store
                .put_compatibility(found, listing)
                .map_err(store_failure)?;
            if let Some(signer) = &signer {
                signer.conclude(store, self.report)?;
            }
            let path = store.dir().join(COMPAT);
            self.report.stage("verdicts", &path.display().to_string());
            written.push(path);
        }
        Ok(written)
    }

    fn compatibility(&self, images: &[ListedImage], rows: &[Row]) -> Compatibility {
        let bases = self.bases();
        let mut found = Compatibility::new();
        for (image, row) in images.iter().zip(rows) {
            let on = bases.iter().map(|(target, base)| {
                let Verdict { word, because, .. } = self.verdict(row, *target);
                let word = word.text().to_owned();
                (base.name(), JudgedWord { word, because })
            });
            let judged = JudgedImage {
                name: image.name().to_owned(),
                sha256: hex::encode(image.sha256),
                on: on.collect(),
            };
            found.images.insert(image.file.clone(), judged);
        }
        let named = bases.into_iter().map(|(_, base)| (base.name(), base));
        found.bases = named.collect();
        found
    }
}

/// Orders the images of an extension: the newest first, whatever comes after the version.
fn newest_first(a: &ListedImage, b: &ListedImage) -> std::cmp::Ordering {
    let version = |image: &ListedImage| image.version().map(|(version, _)| version.to_owned());
    let (one, other) = (
        version(a).unwrap_or_default(),
        version(b).unwrap_or_default(),
    );
    order::systemd(&other, &one).then(a.file.cmp(&b.file))
}

impl Answer {
    fn text(&self) -> Text {
        let mut text = Text::default();
        let mut lines = vec![
            std::iter::once("extension".to_owned())
                .chain(self.bases.iter().map(|base| base.name.clone()))
                .map(Cell::from)
                .collect::<Vec<_>>(),
        ];
        for extension in &self.extensions {
            for on in &extension.on {
                let said = on.running.as_ref().or(on.newest.as_ref());
                let Some(verdict) = said.filter(|one| !one.word.is_good()) else {
                    continue;
                };
                text.line(format!(
                    "{} on {}: {} {}:",
                    extension.name,
                    on.base,
                    verdict.image,
                    verdict.word.text()
                ));
                for reason in &verdict.because {
                    text.line(format!("  {reason}"));
                }
                text.line("");
            }
            let cells = extension.on.iter().map(OnBaseAnswer::cell);
            lines.push(
                std::iter::once(Cell::from(extension.name.clone()))
                    .chain(cells)
                    .collect(),
            );
        }
        text.append(&table::aligned(&lines));
        if !self.rebuild.is_empty() {
            text.line("");
            text.line(format!(
                "clients would lose {}; to be built again: {}",
                counted(self.rebuild.len(), "extension"),
                self.rebuild.join(", ")
            ));
        }
        text
    }
}

impl OnBaseAnswer {
    fn cell(&self) -> Cell {
        match &self.next {
            Some(next) => Cell::of(
                next.word,
                format!("{}: {} {}", self.fate, next.image, next.word.text()),
            ),
            None => Cell::from(self.fate.to_owned()),
        }
    }
}
