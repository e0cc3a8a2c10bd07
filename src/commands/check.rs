//! `check`: what clients do with images on other systems, and why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use anyhow::anyhow;
use clients::{Client, Outcome, Systemd, Verdict};
use serde::Serialize;

use crate::base::{Base, BaseSource, PackageSource};
use crate::check::closure::Break;
use crate::check::level::Level;
use crate::check::shadow::Shadow;
use crate::check::survey::{Judgement, Row, State, Survey, Target};
use crate::cli::CheckArguments;
use crate::findings::{Finding, Waivers};
use crate::inputs;
use crate::report::Report;
use crate::words::failure::{Failure, Result};
use crate::words::quantity::counted;
use crate::words::suggest::nearest;
use crate::words::text::Text;

/// Judges the images and prints the table; fails where one does not work.
pub fn run(arguments: &CheckArguments, report: &Report) -> Result<()> {
    let survey = survey(arguments)?;
    if arguments.base.is_some() {
        for target in survey.targets.iter().chain(&survey.from) {
            let base = &target.base;
            if base.packages.is_none() && base.root.is_none() {
                let text = format!(
                    "{}: only the names of its packages are known, so what they provide is not \
                     checked",
                    base.title
                );
                report.stage("note", &text);
            }
        }
    }
    let workers = inputs::workers(arguments.jobs)?;
    let rows = survey.rows(&arguments.images, workers)?;
    let level = survey.needs.then(|| level(&rows)).transpose()?;
    let answer = Answer {
        level: level.as_ref(),
        ..Answer::new(&survey, &rows)
    };
    if report.is_json() {
        report.json(&answer)?;
    } else {
        let mut text = text(&survey, &rows, report);
        text.append(&level.as_ref().map(level_text).unwrap_or_default());
        report.print(&text)?;
    }
    if answer.works {
        return Ok(());
    }
    // Of images that fail for sure one is enough for a "no".
    let fails = |row: &Row| {
        (0..survey.targets.len()).any(|target| {
            !row.works(target, &survey.waivers)
                && row.state(target, &survey.waivers) != State::Unread
        })
    };
    Err(match rows.iter().any(fails) {
        true => Failure::refused(anyhow!("not every image would work")),
        false => Failure::unread(anyhow!("not every image could be read")),
    }
    .answered())
}

/// Derives the level of all images.
fn level(rows: &[Row]) -> Result<Level> {
    if let Some(row) = rows.iter().find(|row| row.needs.is_none()) {
        return Err(Failure::refused(anyhow!(
            "{}: there is no manifest that says what it needs",
            row.path.display()
        ))
        .hint("rebuild it, or put its manifest next to it"));
    }
    if let Some(row) = rows.iter().find(|row| !row.on_base[0].breaks.is_empty()) {
        return Err(Failure::refused(anyhow!(
            "{}: the base lacks what the image needs, so the two have no level in common",
            row.path.display()
        ))
        .hint("check without --level-from-abi says what is missing"));
    }
    Level::of(rows.iter().filter_map(|row| row.needs.as_ref()))
}

fn level_text(level: &Level) -> Text {
    let mut text = Text::default();
    text.line("");
    text.line(format!("SYSEXT_LEVEL={}", level.level));
    for (soname, versions) in &level.libraries {
        let versions: Vec<_> = versions.iter().map(String::as_str).collect();
        text.line(format!("  {soname}  {}", versions.join(" ")).trim_end());
    }
    text
}

fn works_everywhere(survey: &Survey, row: &Row) -> bool {
    (0..survey.targets.len()).all(|target| row.works(target, &survey.waivers))
}

fn survey(arguments: &CheckArguments) -> Result<Survey> {
    let source = |packages, os_release| BaseSource {
        packages,
        os_release,
        is_one_system: true,
    };
    let at = |path: &PathBuf, os_release| source(PackageSource::At(path.clone()), os_release);
    let sources = match (&arguments.base, &arguments.os_release[..]) {
        (Some(_), [_, _, ..]) => {
            return Err(Failure::usage("--base allows only one --os-release")
                .hint("to check other systems, leave --base out"));
        }
        (Some(path), os_release) => vec![at(path, os_release.first().cloned())],
        (None, []) => vec![source(PackageSource::Host, None)],
        (None, several) => several
            .iter()
            .map(|path| source(PackageSource::Unknown, Some(path.clone())))
            .collect(),
    };
    let from = arguments.from.as_ref().map(|path| at(path, None));
    let architecture = arguments
        .arch
        .as_deref()
        .map(inputs::architecture)
        .transpose()?;
    Ok(Survey {
        targets: sources.iter().map(target).collect::<Result<_>>()?,
        from: from.as_ref().map(target).transpose()?,
        clients: clients(&arguments.client)?,
        architecture: architecture.map(|known| known.to_string()),
        manifests: arguments.manifests,
        link: arguments.link.clone(),
        needs: arguments.level_from_abi,
        waivers: Waivers::new(&arguments.allow, arguments.strict)?,
    })
}

fn target(source: &BaseSource) -> Result<Target> {
    let base = Base::open(source)?;
    let os_release = base.os_release.clone();
    let of = |key: &str| os_release.get(key).unwrap_or_default();
    let label = format!("{} {}", of("ID"), of("VERSION_ID"))
        .trim()
        .to_owned();
    Ok(Target {
        label,
        os_release,
        base,
    })
}

/// Returns the clients of these names; every systemd-sysext where none is named.
fn clients(names: &[String]) -> Result<Vec<Client>> {
    if names.is_empty() {
        return Ok(Systemd::ALL.map(Client::Sysext).to_vec());
    }
    let known: Vec<_> = Client::all().iter().map(ToString::to_string).collect();
    names
        .iter()
        .map(|name| {
            Client::named(name).ok_or_else(|| {
                let failure = Failure::usage(format!("--client: unknown client {name:?}"));
                match nearest(name, known.iter().map(String::as_str)) {
                    Some(name) => failure.hint(format!("did you mean {name}?")),
                    None => failure.hint(format!("possible values: {}", known.join(", "))),
                }
            })
        })
        .collect()
}

/// Returns the table, below it the reasons of what does not work, and a summary.
fn text(survey: &Survey, rows: &[Row], report: &Report) -> Text {
    let mut lines = vec![
        std::iter::once("image".to_owned())
            .chain(survey.targets.iter().map(|target| target.label.clone()))
            .collect::<Vec<_>>(),
    ];
    for row in rows {
        let cells = (0..survey.targets.len()).map(|target| cell(survey, row, target));
        lines.push(
            std::iter::once(row.path.display().to_string())
                .chain(cells)
                .collect(),
        );
    }
    let mut text = aligned(&lines);
    for row in rows {
        for (index, target) in survey.targets.iter().enumerate() {
            let reasons = reasons(survey, row, index, report);
            if !reasons.is_empty() {
                text.line("");
                text.line(format!("{} on {}:", row.path.display(), target.label));
                for reason in reasons {
                    text.line(format!("  {reason}"));
                }
            }
        }
    }
    let broken = rows
        .iter()
        .filter(|row| !works_everywhere(survey, row))
        .count();
    if broken > 0 {
        let of = counted(rows.len(), "image");
        let change = if survey.from.is_some() {
            "would no longer work"
        } else {
            "would not work"
        };
        text.line("");
        text.line(format!("{broken} of {of} {change}"));
    }
    text
}

/// Returns a line for each reason that an image has not to work on a target.
fn reasons(survey: &Survey, row: &Row, target: usize, report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for (one, clients) in grouped(row, target) {
        let (kind, verdict) = (one.kind(), &one.verdict);
        lines.push(match verdict.outcome {
            // It is no client's word.
            Outcome::Unread => format!("{}: {}", kind.id, verdict.words),
            outcome => format!(
                "{}: {} by {}: {}",
                kind.id,
                outcome.word(),
                names(&clients),
                compared(verdict)
            ),
        });
    }
    let findings = row.on_base[target].findings.iter();
    let told = findings.filter(|finding| report.is_verbose() || survey.waivers.stops(finding));
    let (shown, more) = report.first_of_each_kind(told);
    lines.extend((shown.iter()).map(|finding| format!("{}: {}", finding.kind.id, finding.text)));
    lines.extend(more);
    lines
}

fn names(clients: &[Client]) -> String {
    let names: Vec<_> = clients.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// Returns one cell: how the image fares there, by whom, if not by all clients, and by what.
fn cell(survey: &Survey, row: &Row, target: usize) -> String {
    let state = row.state(target, &survey.waivers);
    match state {
        State::Works | State::Unread => state.word().to_owned(),
        State::Breaks => {
            let findings = &row.on_base[target].findings;
            let ids: BTreeSet<_> = findings
                .iter()
                .filter(|finding| survey.waivers.stops(finding))
                .map(|finding| finding.kind.id)
                .collect();
            format!("breaks ({})", Vec::from_iter(ids).join(", "))
        }
        State::Stale => {
            let keys: BTreeSet<_> = row
                .unaccepted(target)
                .map(|one| one.verdict.field)
                .collect();
            format!("stale ({} alone)", Vec::from_iter(keys).join(", "))
        }
        State::Ignored | State::Refused => {
            let by: Vec<_> = row.unaccepted(target).map(|one| one.client).collect();
            if by.len() == survey.clients.len() {
                state.word().to_owned()
            } else {
                format!("{} by {}", state.word(), names(&by))
            }
        }
    }
}

/// Returns what does not work on a target, one for each reason, with the clients that have it.
fn grouped(row: &Row, target: usize) -> Vec<(&Judgement, Vec<Client>)> {
    let mut groups: Vec<(&Judgement, Vec<Client>)> = Vec::new();
    for one in row.unaccepted(target) {
        let verdict = &one.verdict;
        // Versions of one client say the same in slightly different words.
        match groups.iter_mut().find(|(other, _)| {
            let other = &other.verdict;
            (other.outcome, other.field, &other.image, &other.host)
                == (
                    verdict.outcome,
                    verdict.field,
                    &verdict.image,
                    &verdict.host,
                )
        }) {
            Some((_, clients)) => clients.push(one.client),
            None => groups.push((one, vec![one.client])),
        }
    }
    groups
}

/// Says in one line what decided: the field, the two values, the client's words.
fn compared(verdict: &Verdict) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    if verdict.image.is_none() && verdict.host.is_none() {
        return format!("{}: {}", verdict.field, verdict.words);
    }
    format!(
        "{}: image {}, host {}: {}",
        verdict.field,
        value(&verdict.image),
        value(&verdict.host),
        verdict.words
    )
}

/// Returns lines of cells as columns.
fn aligned(lines: &[Vec<String>]) -> Text {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = Text::default();
    for line in lines {
        let cells: Vec<_> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text.line(cells.join("  ").trim_end());
    }
    text
}

#[derive(Serialize)]
struct Answer<'a> {
    works: bool,
    hosts: Vec<HostAnswer<'a>>,
    images: Vec<ImageAnswer<'a>>,
    /// The images that do not work everywhere, as they were named: what to build again.
    rebuild: Vec<&'a PathBuf>,
    /// What `--level-from-abi` derived.
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<&'a Level>,
}

#[derive(Serialize)]
struct HostAnswer<'a> {
    label: &'a str,
    title: &'a str,
    os_release: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct ImageAnswer<'a> {
    path: &'a PathBuf,
    file: &'a str,
    name: &'a str,
    works: bool,
    hosts: Vec<OnHost<'a>>,
}

#[derive(Serialize)]
struct OnHost<'a> {
    host: &'a str,
    works: bool,
    /// `works`, `unread`, `stale`, `ignored`, `breaks` or `refused`.
    state: &'static str,
    verdicts: Vec<VerdictAnswer<'a>>,
    findings: &'a [Finding],
    /// Every file that would not run.
    breaks: &'a [Break],
    /// Every path of the base that would be hidden.
    shadows: &'a [Shadow],
}

#[derive(Serialize)]
struct VerdictAnswer<'a> {
    client: String,
    outcome: &'static str,
    field: &'static str,
    image: &'a Option<String>,
    host: &'a Option<String>,
    words: &'a str,
    /// With `--from`: it was so before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    as_before: bool,
}

impl<'a> Answer<'a> {
    fn new(survey: &'a Survey, rows: &'a [Row]) -> Self {
        let works = |row: &&Row| works_everywhere(survey, row);
        let hosts = survey.targets.iter().map(|target| HostAnswer {
            label: &target.label,
            title: &target.base.title,
            os_release: target.os_release.keys(),
        });
        let images = rows.iter().map(|row| ImageAnswer {
            path: &row.path,
            file: &row.file,
            name: &row.link,
            works: works(&row),
            hosts: (0..survey.targets.len())
                .map(|target| OnHost::new(survey, row, target))
                .collect(),
        });
        Answer {
            works: rows.iter().all(|row| works(&row)),
            hosts: hosts.collect(),
            images: images.collect(),
            rebuild: rows
                .iter()
                .filter(|row| !works(row))
                .map(|row| &row.path)
                .collect(),
            level: None,
        }
    }
}

impl<'a> OnHost<'a> {
    fn new(survey: &'a Survey, row: &'a Row, target: usize) -> Self {
        let here = row.judgements.iter().filter(|one| one.target == target);
        Self {
            host: &survey.targets[target].label,
            works: row.works(target, &survey.waivers),
            state: row.state(target, &survey.waivers).word(),
            verdicts: here
                .map(|one| VerdictAnswer {
                    client: one.client.to_string(),
                    outcome: one.verdict.outcome.word(),
                    field: one.verdict.field,
                    image: &one.verdict.image,
                    host: &one.verdict.host,
                    words: &one.verdict.words,
                    as_before: one.as_before,
                })
                .collect(),
            findings: &row.on_base[target].findings,
            breaks: &row.on_base[target].breaks,
            shadows: &row.on_base[target].shadows,
        }
    }
}
