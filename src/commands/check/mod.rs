//! `check`: what clients do with images on other systems, and why.

mod answer;
pub mod table;
mod tried;

use std::path::{Path, PathBuf};

use anyhow::anyhow;
use clients::{Client, Policy, Systemd};
use files::Links;

use self::answer::Answer;
use crate::base::PackageSource;
use crate::check::level::Level;
use crate::check::set::Together;
use crate::check::survey::{Row, Survey};
use crate::check::verdict::Word;
use crate::cli::CheckArguments;
use crate::commands::hosts;
use crate::findings::Waivers;
use crate::inputs;
use crate::packages::repository::files_of;
use crate::report::Report;
use crate::words::failure::{Failure, Result};
use crate::words::suggest::nearest;
use crate::words::text::Text;

/// Longest definition of systemd-sysupdate.
const MAX_DEFINITION: u64 = 1 << 20;

/// Judges the images and prints the table; fails where one does not work.
pub fn run(arguments: &CheckArguments, report: &Report) -> Result<()> {
    let survey = survey(arguments, report)?;
    let workers = inputs::workers(arguments.jobs)?;
    let images = images(&arguments.images)?;
    let (mut rows, together) = survey.rows(&images, workers)?;
    tried::add(arguments, &survey, &mut rows, report)?;
    let level = survey.needs.then(|| level(&rows)).transpose()?;
    let mut answer = Answer::new(&survey, &rows, &together, arguments.verbosity.verbose);
    answer.level = level.as_ref();
    if report.is_json() {
        report.json(&answer)?;
    } else {
        let mut text = level.as_ref().map(level_text).unwrap_or_default();
        if !(report.is_quiet() && answer.passes) {
            text.append(&table::text(&survey, &rows, &together, report));
        }
        report.print(&text)?;
    }
    if answer.passes {
        return Ok(());
    }
    // Of images that fail for sure one is enough for a "no".
    let fails = |row: &Row| {
        (0..survey.targets.len()).any(|target| {
            !row.passes(target, &survey.waivers)
                && row.word(target, &survey.waivers) != Word::Unread
        })
    };
    let clash = |set: &Together| !set.passes(&survey.waivers);
    let fails = rows.iter().any(fails) || together.iter().flatten().any(clash);
    Err(match fails {
        true => Failure::refused(anyhow!("not every image would work")),
        false => Failure::unread(anyhow!("not every image could be read")),
    }
    .answered())
}

/// Returns the images that were named; a directory stands for its `*.raw`, unless it is called as
/// an image or a manifest is, which it is refused for.
fn images(named: &[PathBuf]) -> Result<Vec<PathBuf>> {
    let is_file = |path: &Path| {
        let ending = path.extension();
        ending.is_some_and(|ending| ending == "raw" || ending == "gz")
    };
    let mut images = Vec::new();
    for path in named {
        match path.is_dir() && !is_file(path) {
            true => images.extend(files_of(path, "raw")?),
            false => images.push(path.clone()),
        }
    }
    Ok(images)
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
    text.line(format!("SYSEXT_LEVEL={}", level.level));
    for (soname, versions) in &level.libraries {
        let versions: Vec<_> = versions.iter().map(String::as_str).collect();
        text.line(format!("  {soname}  {}", versions.join(" ")).trim_end());
    }
    text.line("");
    text
}

fn passes_everywhere(survey: &Survey, row: &Row) -> bool {
    (0..survey.targets.len()).all(|target| row.passes(target, &survey.waivers))
}

fn survey(arguments: &CheckArguments, report: &Report) -> Result<Survey> {
    let given = |index: usize| arguments.os_release.get(index).cloned();
    let sources = match (&arguments.base, &arguments.os_release[..]) {
        (Some(_), [_, _, ..]) => {
            return Err(Failure::usage("--base allows only one --os-release")
                .hint("to check other systems, leave --base out"));
        }
        (Some(path), _) => vec![hosts::of(PackageSource::At(path.clone()), given(0))],
        (None, []) => vec![hosts::of(PackageSource::Host, None)],
        (None, several) => several
            .iter()
            .map(|path| hosts::of(PackageSource::Unknown, Some(path.clone())))
            .collect(),
    };
    let architecture = (arguments.arch.as_deref())
        .map(inputs::architecture)
        .transpose()?;
    let state = arguments.state_dir.as_deref();
    let lookup = inputs::looking_up(&arguments.lookup, state, architecture)?;
    let from = match &arguments.from {
        None => None,
        Some(path) => {
            let source = hosts::at(path, arguments.from_os_release.as_deref());
            Some(hosts::open(&source, "--from-os-release", &lookup, report)?)
        }
    };
    let open = |source| hosts::open(source, "--os-release", &lookup, report);
    Ok(Survey {
        targets: sources.iter().map(open).collect::<Result<_>>()?,
        from,
        clients: clients(&arguments.client)?,
        architecture,
        manifests: arguments.manifests,
        link: arguments.link.clone(),
        policy: (arguments
            .image_policy
            .as_deref()
            .map(Policy::parse)
            .transpose())
        .map_err(|problem| Failure::usage(format!("--image-policy: {problem}")))?,
        patterns: arguments
            .definition
            .as_deref()
            .map_or(Ok(Vec::new()), patterns)?,
        together: !arguments.each,
        details: true,
        needs: arguments.level_from_abi,
        waivers: Waivers::new(&arguments.allow, arguments.strict)?,
    })
}

/// Reads the patterns by which a definition of systemd-sysupdate finds the images of its source.
fn patterns(path: &Path) -> Result<Vec<String>> {
    let bytes = files::read(path, MAX_DEFINITION, Links::Follow)?;
    let text = String::from_utf8_lossy(&bytes);
    let mut section = "";
    let mut patterns = Vec::new();
    for line in text.lines().map(str::trim) {
        if line.starts_with('[') {
            section = line;
        } else if let Some(value) = line.strip_prefix("MatchPattern=")
            && section == "[Source]"
        {
            patterns.extend(value.split_whitespace().map(str::to_owned));
        }
    }
    match patterns.is_empty() {
        false => Ok(patterns),
        true => Err(Failure::refused(anyhow!(
            "{}: there is no MatchPattern= in a section [Source]",
            path.display()
        ))
        .hint("a definition is a .transfer or .conf file of systemd-sysupdate")),
    }
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
