//! `check`: what clients do with images on other systems, and why.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

use anyhow::anyhow;
use clients::{Client, Outcome, Release, Systemd, Verdict};
use serde::Serialize;

use crate::base::{Base, BaseSource, PackageSource};
use crate::check::survey::{Row, Survey, Target};
use crate::cli::CheckArguments;
use crate::failure::{Failure, Result};
use crate::inputs;
use crate::quantity::counted;
use crate::report::Report;
use crate::spelling::nearest;

/// Judges the images and prints the table; fails where one does not work.
pub fn run(arguments: &CheckArguments, report: &Report) -> Result<()> {
    let survey = survey(arguments)?;
    let workers = inputs::workers(arguments.jobs)?;
    let rows = survey.rows(&arguments.images, workers)?;
    let broken = rows
        .iter()
        .filter(|row| (0..survey.targets.len()).any(|target| !works(row, target)))
        .count();
    if report.is_json() {
        report.json(&json(&survey, &rows));
    } else {
        report.print(&text(&survey, &rows));
    }
    if broken == 0 {
        return Ok(());
    }
    let of = counted(rows.len(), "image");
    Err(Failure::refused(anyhow!("{broken} of {of} would not work")).answered())
}

fn works(row: &Row, target: usize) -> bool {
    row.worst(target).0 == Outcome::Accepted
}

fn survey(arguments: &CheckArguments) -> Result<Survey> {
    let mut targets = Vec::new();
    let source = |packages, os_release| BaseSource {
        packages,
        os_release,
        is_one_system: true,
    };
    let sources = match (&arguments.base, &arguments.os_release[..]) {
        (Some(_), [_, _, ..]) => {
            return Err(Failure::usage("a --base has one --os-release")
                .hint("check the other systems without --base"));
        }
        (Some(path), os_release) => {
            let os_release = os_release.first().cloned();
            vec![source(PackageSource::At(path.clone()), os_release)]
        }
        (None, []) => vec![source(PackageSource::Host, None)],
        (None, several) => several
            .iter()
            .map(|path| source(PackageSource::Unknown, Some(path.clone())))
            .collect(),
    };
    for source in &sources {
        let base = Base::open(source)?;
        let os_release = Release::of_keys(base.os_release.clone().into_keys());
        let of = |key: &str| os_release.get(key).unwrap_or_default();
        let label = format!("{} {}", of("ID"), of("VERSION_ID"))
            .trim()
            .to_owned();
        targets.push(Target {
            label,
            os_release,
            base,
        });
    }
    let architecture = arguments
        .arch
        .as_deref()
        .map(inputs::architecture)
        .transpose()?;
    Ok(Survey {
        targets,
        clients: clients(&arguments.client)?,
        architecture: architecture.map(|known| known.to_string()),
        manifests: arguments.manifests,
        link: arguments.link.clone(),
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
                let failure = Failure::usage(format!("--client {name:?} is not known"));
                match nearest(name, known.iter().map(String::as_str)) {
                    Some(name) => failure.hint(format!("is {name} meant?")),
                    None => failure.hint(format!("known are {}", known.join(", "))),
                }
            })
        })
        .collect()
}

/// Returns the table, and below it the reasons of what does not work.
fn text(survey: &Survey, rows: &[Row]) -> String {
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
            for (verdict, clients) in grouped(row, index) {
                let _ = write!(
                    text,
                    "\n{} on {}: {} by {}\n  {}\n",
                    row.path.display(),
                    target.label,
                    verdict.outcome.word(),
                    clients
                        .iter()
                        .map(ToString::to_string)
                        .collect::<Vec<_>>()
                        .join(", "),
                    compared(verdict, &target.label),
                );
            }
        }
    }
    text
}

/// Returns one cell: `works`, or the worst that happens and by whom, if not by all.
fn cell(survey: &Survey, row: &Row, target: usize) -> String {
    let (worst, by) = row.worst(target);
    if worst == Outcome::Accepted {
        return "works".to_owned();
    }
    if by.len() == survey.clients.len() {
        return worst.word().to_owned();
    }
    let by: Vec<_> = by.iter().map(ToString::to_string).collect();
    format!("{} by {}", worst.word(), by.join(" "))
}

/// Returns what does not work on a target, one for each reason, with the clients that have it.
fn grouped(row: &Row, target: usize) -> Vec<(&Verdict, Vec<Client>)> {
    let mut groups: Vec<(&Verdict, Vec<Client>)> = Vec::new();
    for one in row.judgements.iter().filter(|one| one.target == target) {
        let verdict = &one.verdict;
        if verdict.outcome == Outcome::Accepted {
            continue;
        }
        // Versions of one client say the same in slightly different words.
        match groups.iter_mut().find(|(other, _)| {
            (other.outcome, other.field, &other.image, &other.host)
                == (
                    verdict.outcome,
                    verdict.field,
                    &verdict.image,
                    &verdict.host,
                )
        }) {
            Some((_, clients)) => clients.push(one.client),
            None => groups.push((verdict, vec![one.client])),
        }
    }
    groups
}

/// Says in one line what decided: the field, the two values, the client's words.
fn compared(verdict: &Verdict, host: &str) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "not given".to_owned());
    if verdict.image.is_none() && verdict.host.is_none() {
        return format!("{}: {}", verdict.field, verdict.words);
    }
    format!(
        "{}: {} in the image, {} for {host}: {}",
        verdict.field,
        value(&verdict.image),
        value(&verdict.host),
        verdict.words
    )
}

/// Returns lines of cells as columns.
fn aligned(lines: &[Vec<String>]) -> String {
    let columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let cells: Vec<_> = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        text += cells.join("  ").trim_end();
        text.push('\n');
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
    verdicts: Vec<VerdictAnswer<'a>>,
}

#[derive(Serialize)]
struct VerdictAnswer<'a> {
    host: &'a str,
    client: String,
    outcome: &'static str,
    field: &'static str,
    image_value: &'a Option<String>,
    host_value: &'a Option<String>,
    words: &'a str,
}

fn json<'a>(survey: &'a Survey, rows: &'a [Row]) -> Answer<'a> {
    let everywhere = |row: &Row| (0..survey.targets.len()).all(|target| works(row, target));
    let hosts = survey.targets.iter().map(|target| HostAnswer {
        label: &target.label,
        title: &target.base.title,
        os_release: target.os_release.keys(),
    });
    let images = rows.iter().map(|row| ImageAnswer {
        path: &row.path,
        file: &row.file,
        name: &row.link,
        works: everywhere(row),
        verdicts: row
            .judgements
            .iter()
            .map(|one| VerdictAnswer {
                host: &survey.targets[one.target].label,
                client: one.client.to_string(),
                outcome: one.verdict.outcome.word(),
                field: one.verdict.field,
                image_value: &one.verdict.image,
                host_value: &one.verdict.host,
                words: &one.verdict.words,
            })
            .collect(),
    });
    Answer {
        works: rows.iter().all(everywhere),
        hosts: hosts.collect(),
        images: images.collect(),
        rebuild: rows
            .iter()
            .filter(|row| !everywhere(row))
            .map(|row| &row.path)
            .collect(),
    }
}
