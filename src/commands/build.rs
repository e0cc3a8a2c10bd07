//! `build`, the default verb.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use anyhow::anyhow;
use serde::Serialize;

use crate::answer::Built;
use crate::cli::BuildArguments;
use crate::commands::check::table::{self, Cell};
use crate::inputs::{Inputs, recipe};
use crate::pack::Hands;
use crate::packages::lock::Locking;
use crate::parallel;
use crate::pipeline::{self, Run};
use crate::report::{FailureText, Report};
use crate::timings::{Clocks, Line, Summary, Took};
use crate::turns::{Turn, Turns};
use crate::words::failure::{Failure, Kind, Result};
use crate::words::quantity::bytes;
use crate::words::text::Tone;

/// What the table at the end of several recipes says of each.
const COLUMNS: [&str; 5] = ["recipe", "image", "state", "size", "seconds"];

/// Images that are planned ahead: what was planned of each is in memory.
const AHEAD: usize = 8;
/// Images that are packed at once.
const AT_ONCE: usize = 4;

/// Letters of a reason that the table has.
const LONGEST_REASON: usize = 60;

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
    let signers = pipeline::signers(&inputs)?;
    let run = Run::new(signers, Hands::new(inputs.packing.workers, 1));
    let turns = Turns::new(1, 1, report);
    match one(&inputs, &run, &turns.begin(0)) {
        Ok(built) => answer(&built, arguments, report),
        Err(failure) => {
            say_times(arguments, report);
            Err(failure)
        }
    }
}

/// Prints the answer as JSON, if that is wanted, and at the end of everything where the time went.
fn answer(answer: &impl Serialize, arguments: &BuildArguments, report: &Report) -> Result<()> {
    let timings = arguments.timings.then(|| report.timings().summary());
    match report.is_json() {
        true => report.json(&Timed { answer, timings })?,
        false => say_times(arguments, report),
    }
    Ok(())
}

/// Says where the time went, if that was asked.
fn say_times(arguments: &BuildArguments, report: &Report) {
    if arguments.timings {
        let timings = report.timings().summary();
        report.summary(&table::aligned(&times(&timings)));
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

/// A recipe of several, and what it says, until that is taken.
struct Prepared<'a> {
    number: usize,
    recipe: &'a Path,
    inputs: Mutex<Option<Result<Inputs>>>,
}

/// What became of it.
struct Made<'a> {
    recipe: &'a Path,
    line: [Cell; 5],
    failed: Option<Kind>,
    /// For JSON.
    outcome: Option<Outcome>,
}

/// Builds an image for each recipe, several at once. One that fails does not stop the others, but the
/// run fails.
fn each(recipes: &[PathBuf], arguments: &BuildArguments, report: &Report) -> Result<()> {
    let prepared = prepare(recipes, arguments);
    // What is typed holds for all of them, so that the first that can be read has it.
    let first = prepared.iter().find_map(|inputs| inputs.as_ref().ok());
    let signers = first
        .map(pipeline::signers)
        .transpose()?
        .unwrap_or_default();
    let workers = first.map_or(1, |inputs| inputs.packing.workers);
    let at_once = workers.min(AT_ONCE);
    let run = Run::new(signers, Hands::new(workers, at_once));
    let turns = Turns::new(recipes.len(), at_once, report);
    let items = recipes.iter().zip(prepared).enumerate();
    let items: Vec<_> = items
        .map(|(number, (recipe, inputs))| Prepared {
            number,
            recipe,
            inputs: Mutex::new(Some(inputs)),
        })
        .collect();
    let ahead = match workers {
        1 => 1,
        _ => AHEAD,
    };
    let Ok(made) = parallel::map(&items, ahead, |item| {
        Ok::<_, Infallible>(item.make(&run, turns.begin(item.number)))
    });
    let mut table = vec![COLUMNS.map(|name| Cell::from(name.to_owned()))];
    let mut answers = Vec::new();
    let mut failed: Vec<(&Path, Kind)> = Vec::new();
    for one in made {
        let recipe = one.recipe;
        table.push(one.line);
        failed.extend(one.failed.map(|kind| (recipe, kind)));
        answers.extend(one.outcome.map(|outcome| Answer { recipe, outcome }));
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

/// Reads the recipes. Two can't write the same lock.
fn prepare(recipes: &[PathBuf], arguments: &BuildArguments) -> Vec<Result<Inputs>> {
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
    recipes.iter().map(prepare).collect()
}

impl<'a> Prepared<'a> {
    /// Builds the image, and says what becomes of it.
    fn make(&self, run: &Run, turn: Turn<'_>) -> Made<'a> {
        let (recipe, report) = (self.recipe, turn.report());
        let start = Clocks::start();
        report.stage("recipe", &recipe.display().to_string());
        let mut inputs = parallel::locked(&self.inputs);
        let taken = || Failure::io("building", anyhow!("the recipe was built before"));
        let inputs = inputs.take().unwrap_or_else(|| Err(taken()));
        let built = inputs.and_then(|inputs| {
            one(&inputs, run, &turn).map_err(|failure| failure.at(recipe.display()))
        });
        let time = start.passed().0.saturating_sub(turn.waited());
        let line = line(recipe, built.as_ref(), time);
        let failed = built.as_ref().err().map(|failure| failure.kind);
        let outcome = match (built, report.is_json()) {
            (Ok(built), true) => Some(Outcome::Built(Box::new(built))),
            (Err(failure), true) => Some(Outcome::Failed(FailureText::from(&failure))),
            (Ok(_), false) => None,
            (Err(failure), false) => {
                report.failure(&failure);
                None
            }
        };
        Made {
            recipe,
            line,
            failed,
            outcome,
        }
    }
}

/// Returns the line of the last table on a recipe: what became of it, and what it took.
fn line(
    recipe: &Path,
    outcome: std::result::Result<&Built, &Failure>,
    time: Duration,
) -> [Cell; 5] {
    let seconds = format!("{:.1}", time.as_secs_f64());
    let (image, state, tone, size) = match outcome {
        Ok(built) => {
            let (state, size) = built.became();
            (built.image_file(), state.to_owned(), Tone::Good, size)
        }
        Err(failure) => {
            let state = failed(&recipe.display().to_string(), failure);
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

/// Says in a few words why a recipe failed: by its findings, if they are the reason, else by the
/// beginning of the error.
fn failed(recipe: &str, failure: &Failure) -> String {
    if !failure.findings.is_empty() {
        return format!("failed ({})", failure.reasons().join(", "));
    }
    let lines = failure.lines();
    let error = lines.as_str().lines().next().unwrap_or_default();
    // The recipe is in the first column; its line is not the reason.
    let rest = error.strip_prefix(recipe).unwrap_or(error);
    let rest = rest.trim_start_matches(|letter: char| letter == ':' || letter.is_ascii_digit());
    let reason = rest.trim_start();
    match reason.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("failed: {}...", reason[..end].trim_end()),
        None => format!("failed: {reason}"),
    }
}

/// Builds one image, or shows its plan.
fn one(inputs: &Inputs, run: &Run, turn: &Turn<'_>) -> Result<Built> {
    let report = turn.report();
    let built = pipeline::build(inputs, run, turn)?;
    if inputs.dry_run && !report.is_json() {
        turn.come_first();
        built.print_plan(report)?;
    }
    Ok(built)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn why_a_recipe_failed_in_a_few_words() {
        let long = "x".repeat(200);
        let long_reason = format!("failed: {}...", "x".repeat(60));
        for (failure, expected) in [
            (
                Failure::usage("unknown key").at("a.toml:3"),
                "failed: unknown key",
            ),
            (Failure::refused(anyhow!("no")).at("a.toml"), "failed: no"),
            (
                Failure::usage("3 is no name").at("a.toml"),
                "failed: 3 is no name",
            ),
            (
                Failure::io("reading b", anyhow!("gone")),
                "failed: reading b: gone",
            ),
            (Failure::usage(long), &*long_reason),
            (
                Failure {
                    findings: vec!["empty-image"],
                    ..Failure::usage("x")
                },
                "failed (empty-image)",
            ),
        ] {
            assert_eq!(failed("a.toml", &failure), expected);
        }
    }
}
