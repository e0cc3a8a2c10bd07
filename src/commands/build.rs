//! `build`, the default verb.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use serde::Serialize;

use crate::answer::Built;
use crate::cli::BuildArguments;
use crate::inputs::Inputs;
use crate::inputs::recipe;
use crate::packages::lock::Locking;
use crate::pipeline;
use crate::publish::signing::Signer;
use crate::report::{FailureText, Report};
use crate::words::failure::{Failure, Kind, Result};

/// What became of several recipes, in their order.
#[derive(Serialize)]
struct Answers<'a> {
    recipes: Vec<Answer<'a>>,
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
    if report.is_json() {
        report.json(&built)?;
    }
    Ok(())
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
    for (recipe, inputs) in recipes.iter().zip(prepared) {
        report.stage("recipe", &recipe.display().to_string());
        let built = inputs.and_then(|inputs| {
            one(&inputs, signer.as_ref(), report).map_err(|failure| failure.at(recipe.display()))
        });
        let outcome = match built {
            Ok(built) => Outcome::Built(Box::new(built)),
            Err(failure) => {
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
    if report.is_json() {
        report.json(&Answers { recipes: answers })?;
    }
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

/// Builds one image, or shows its plan.
fn one(inputs: &Inputs, signer: Option<&Signer>, report: &Report) -> Result<Built> {
    let built = pipeline::build(inputs, signer, report)?;
    if inputs.dry_run && !report.is_json() {
        built.print_plan(report)?;
    }
    Ok(built)
}
