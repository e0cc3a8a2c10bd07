//! `build`, the default verb.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::anyhow;
use serde::Serialize;

use crate::answer::Built;
use crate::cli::BuildArguments;
use crate::commands::check::table::{self, Cell};
use crate::inputs::Inputs;
use crate::inputs::recipe;
use crate::packages::lock::Locking;
use crate::pipeline;
use crate::publish::signing::Signer;
use crate::report::{FailureText, Report};
use crate::timings::{Clocks, Line, Summary, Took};
use crate::words::failure::{Failure, Kind, Result};
use crate::words::quantity::bytes;
use crate::words::text::Tone;

/// What the table at the end of several recipes says of each.
const COLUMNS: [&str; 5] = ["recipe", "image", "state", "size", "seconds"];

/// The header of the table of `--timings`.
const TIMES: [&str; 6] = ["stage", "times", "threads", "seconds", "busy", "busiest"];

/// What became of several recipes, in their order.
#[derive(Serialize)]
struct Answers<'a> {
    recipes: Vec<Answer<'a>>,
}

/// An answer, and where the time went, if that was asked.
#[derive(Serialize)]
struct Timed<T> {
    #[serde(flatten)]
    answer: T,
    #[serde(skip_serializing_if = "Option::is_none")]
    timings: Option<Summary>,
}

/// What became of a recipe.
#[derive(Serialize)]
struct Answer<'a> {
    recipe: &'a Path,
    #[serde(flatten)]
    outcome: Outcome,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Outcome {
    Built(Box<Built>),
    Failed(FailureText),
}

/// Builds an image, or one for each recipe, or shows the plan.
pub fn run(arguments: &BuildArguments, report: &Report) -> Result<()> {
    let recipes = recipe::named(arguments)?;
    let inputs = match &recipes[..] {
        [] => Inputs::new(arguments)?,
        [recipe] => {
            report.stage("recipe", &recipe.display().to_string());
            recipe::inputs(recipe, arguments)?
        }
        recipes => return each(recipes, arguments, report),
    };
    let signer = pipeline::signer(&inputs)?;
    let built = one(&inputs, signer.as_ref(), report)?;
    answer(&built, arguments, report)
}

/// Prints the answer as JSON, if that is wanted, and at the end of everything where the time went.
fn answer(answer: &impl Serialize, arguments: &BuildArguments, report: &Report) -> Result<()> {
    let timings = arguments.timings.then(|| report.timings().summary());
    match report.is_json() {
        true => report.json(&Timed { answer, timings }),
        false => {
            if let Some(timings) = timings {
                report.summary(&table::aligned(&times(&timings)));
            }
            Ok(())
        }
    }
}

/// Returns the table of what stages took.
fn times(timings: &Summary) -> Vec<[Cell; 6]> {
    let seconds = |time: Duration| format!("{:.2}", time.as_secs_f64());
    let header = TIMES.map(|name| Cell::from(name.to_owned()));
    let lines = timings.stages.iter().map(|Line { stage, took }| {
        let Took {
            times,
            threads,
            wall,
            busy,
            busiest,
        } = *took;
        let numbers = [times, threads].map(|number| number.to_string());
        let [times, threads] = numbers;
        let [wall, busy, busiest] = [wall, busy, busiest].map(seconds);
        [stage.name().to_owned(), times, threads, wall, busy, busiest].map(Cell::from)
    });
    let busy = timings.stages.iter().map(|line| line.took.busy).sum();
    let whole = ["all", "1", "", &seconds(timings.wall), &seconds(busy), ""];
    let whole = whole.map(|text| Cell::from(text.to_owned()));
    std::iter::once(header)
        .chain(lines)
        .chain([whole])
        .collect()
}

/// Builds an image for each recipe. One that fails does not stop the others, but the run fails.
fn each(recipes: &[PathBuf], arguments: &BuildArguments, report: &Report) -> Result<()> {
    let mut locks = BTreeSet::new();
    let prepare = |recipe: &PathBuf| {
        let inputs = recipe::inputs(recipe, arguments)?;
        match &inputs.packages.locking {
            Locking::Write(path) if !locks.insert(path.clone()) => {
                let text = format!("{} is already the lock of another recipe", path.display());
                Err(Failure::usage(text).at(recipe.display()))
            }
            _ => Ok(inputs),
        }
    };
    let prepared: Vec<_> = recipes.iter().map(prepare).collect();
    let signer = match prepared.iter().find_map(|inputs| inputs.as_ref().ok()) {
        Some(inputs) => pipeline::signer(inputs)?,
        None => None,
    };
    let mut answers = Vec::new();
    let mut failed: Vec<(&Path, Kind)> = Vec::new();
    let mut table = vec![COLUMNS.map(|name| Cell::from(name.to_owned()))];
    for (recipe, inputs) in recipes.iter().zip(prepared) {
        let start = Clocks::start();
        report.stage("recipe", &recipe.display().to_string());
        let built = inputs.and_then(|inputs| {
            one(&inputs, signer.as_ref(), report).map_err(|failure| failure.at(recipe.display()))
        });
        let outcome = match built {
            Ok(built) => {
                table.push(line(recipe, Ok(&built), start));
                Outcome::Built(Box::new(built))
            }
            Err(failure) => {
                table.push(line(recipe, Err(&failure), start));
                failed.push((recipe, failure.kind));
                if !report.is_json() {
                    report.failure(&failure);
                }
                Outcome::Failed(FailureText::from(&failure))
            }
        };
        if report.is_json() {
            answers.push(Answer { recipe, outcome });
        }
    }
    report.summary(&table::aligned(&table));
    answer(&Answers { recipes: answers }, arguments, report)?;
    let Some(kind) = failed.iter().map(|(_, kind)| *kind).max() else {
        return Ok(());
    };
    let names: Vec<_> = (failed.iter())
        .map(|(recipe, _)| recipe.display().to_string())
        .collect();
    let text = anyhow!(
        "{} of {} recipes failed: {}",
        failed.len(),
        recipes.len(),
        names.join(", ")
    );
    Err(Failure {
        kind,
        ..Failure::refused(text).said_in_json()
    })
}

/// Returns the line of the last table on a recipe: what became of it, and what it took.
fn line(recipe: &Path, outcome: std::result::Result<&Built, &Failure>, start: Clocks) -> [Cell; 5] {
    let seconds = format!("{:.1}", start.passed().0.as_secs_f64());
    let (image, state, tone, size) = match outcome {
        Ok(built) => {
            let (state, size) = built.became();
            (built.image_file(), state.to_owned(), Tone::Good, size)
        }
        Err(failure) => {
            let state = format!("failed ({})", failure.reasons().join(", "));
            ("-".to_owned(), state, Tone::Bad, None)
        }
    };
    [
        Cell::from(recipe.display().to_string()),
        Cell::from(image),
        Cell::toned(tone, state),
        Cell::from(size.map_or_else(|| "-".to_owned(), bytes)),
        Cell::from(seconds),
    ]
}

/// Builds one image, or shows its plan.
fn one(inputs: &Inputs, signer: Option<&Signer>, report: &Report) -> Result<Built> {
    let built = pipeline::build(inputs, signer, report)?;
    if inputs.dry_run && !report.is_json() {
        built.print_plan(report)?;
    }
    Ok(built)
}
