//! `import`: recipes of other builders' configurations.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::anyhow;
use architecture::Architecture;
use files::Links;
use serde::Serialize;

use crate::cli::import::{ImportArguments, ImportFrom, ImportResult};
use crate::import::{Fate, Imported, Recipe, Row, just, mkosi};
use crate::report::Report;
use crate::words::failure::{Failure, Result, writing_failure};
use crate::words::quantity::counted;
use crate::words::text::Text;

/// Largest recipe that is compared with a new one, in bytes.
const MAX_RECIPE: u64 = 1 << 20;

#[derive(Serialize)]
struct Answer {
    recipes: Vec<Made>,
    /// What belongs to none of them.
    others: Vec<Row>,
    #[serde(skip)]
    is_dry_run: bool,
}

#[derive(Serialize)]
struct Made {
    recipe: PathBuf,
    text: String,
    settings: Vec<Row>,
}

/// Makes the recipes.
pub fn run(arguments: &ImportArguments, report: &Report) -> Result<()> {
    let result = arguments.from.result();
    let architecture = architecture(result)?;
    let output = created(result)?;
    let is_asked = result.arch.is_some();
    let mut imported = Imported::default();
    match &arguments.from {
        ImportFrom::Mkosi(arguments) => {
            imported = mkosi::import(&arguments.directory, &output, (architecture, is_asked))?;
        }
        ImportFrom::Just(arguments) => {
            for path in &arguments.justfiles {
                let one = just::import(path, &output, architecture)?;
                imported.recipes.extend(one.recipes);
                imported.others.extend(one.others);
            }
        }
    }
    let answer = Answer {
        recipes: made(imported.recipes, &result.output)?,
        others: imported.others,
        is_dry_run: result.dry_run,
    };
    check(&answer, result)?;
    if !result.dry_run {
        for made in &answer.recipes {
            files::replace(&made.recipe, made.text.as_bytes(), 0o644).map_err(writing_failure)?;
        }
    }
    answer.tell(report)
}

/// The architecture for which a configuration is read.
fn architecture(result: &ImportResult) -> Result<&'static str> {
    let found = match &result.arch {
        Some(name) => Architecture::named(name).ok_or_else(|| {
            Failure::usage(format!(
                "--arch {name:?} is not an architecture that is known"
            ))
        })?,
        None => Architecture::of_this_machine().ok_or_else(|| {
            Failure::usage("the architecture of this machine is not known")
                .hint("give one with --arch")
        })?,
    };
    Ok(found.systemd())
}

/// The directory of the recipes without links, which a run that writes makes.
fn created(result: &ImportResult) -> Result<PathBuf> {
    let failed = |error| {
        Failure::io(
            format!("making the directory {}", result.output.display()),
            error,
        )
    };
    if !result.dry_run {
        std::fs::create_dir_all(&result.output).map_err(failed)?;
    }
    match std::fs::canonicalize(&result.output) {
        Ok(path) => Ok(path),
        // A dry run makes no directory; its name is what it would be.
        Err(_) => std::path::absolute(&result.output).map_err(failed),
    }
}

fn made(recipes: Vec<Recipe>, output: &Path) -> Result<Vec<Made>> {
    let mut names = BTreeSet::new();
    let made = recipes.into_iter().map(|recipe| {
        let origin = recipe.origin.clone();
        store::check_name(&recipe.stem).map_err(|problem| {
            let text = anyhow!("{origin}: the name {:?} {problem}", recipe.stem);
            Failure::refused(text).hint("change ImageId= or the name, which clients see")
        })?;
        if !names.insert(recipe.stem.clone()) {
            let text = anyhow!(
                "{origin}: another image has the name {:?}, too",
                recipe.stem
            );
            return Err(Failure::refused(text).hint("import them into directories of their own"));
        }
        Ok(Made {
            recipe: output.join(format!("{}.toml", recipe.stem)),
            text: recipe.print(),
            settings: recipe.rows,
        })
    });
    made.collect()
}

/// Fails if there is nothing to make, or if a recipe that is there would be lost.
fn check(answer: &Answer, result: &ImportResult) -> Result<()> {
    if answer.recipes.is_empty() {
        let mut reasons = Text::default();
        reasons.line("no image is a system extension");
        for row in &answer.others {
            reasons.line(format!("{}: {}: {}", row.place(), row.what, row.text));
        }
        return Err(Failure::refused(anyhow::Error::new(reasons))
            .hint("an extension has Format=sysext, or Overlay=yes"));
    }
    for made in answer
        .recipes
        .iter()
        .filter(|_| !result.replace && !result.dry_run)
    {
        let there = files::if_there(files::read(&made.recipe, MAX_RECIPE, Links::Refuse));
        if there?.is_some_and(|there| there != made.text.as_bytes()) {
            let text = anyhow!("{} exists and says something else", made.recipe.display());
            return Err(Failure::refused(text).hint("to replace it: --replace"));
        }
    }
    Ok(())
}

impl Answer {
    fn tell(&self, report: &Report) -> Result<()> {
        if report.is_json() {
            return report.json(self);
        }
        for made in &self.recipes {
            let count = |fate| made.settings.iter().filter(|row| row.fate == fate).count();
            let path = made.recipe.display();
            report.stage(
                "recipe",
                &format!(
                    "{path}: {} taken, {} not needed, {} left out",
                    count(Fate::Taken),
                    count(Fate::Unneeded),
                    count(Fate::LeftOut),
                ),
            );
            say(&made.settings, report);
        }
        say(&self.others, report);
        let mut text = Text::default();
        match self.is_dry_run {
            true => {
                for made in &self.recipes {
                    text.line(format!("# {}", made.recipe.display()));
                    text.extend(made.text.lines());
                }
            }
            false if report.is_quiet() => {}
            false => text.line(format!("{} written", counted(self.recipes.len(), "recipe"))),
        }
        report.print(&text)
    }
}

/// Names what is left out; with --verbose, what is not needed, too.
fn say(rows: &[Row], report: &Report) {
    for row in rows {
        let line = format!("{}: {}: {}", row.place(), row.what, row.text);
        match row.fate {
            Fate::LeftOut => report.stage("note", &format!("left-out: {line}")),
            Fate::Unneeded if report.is_verbose() => report.stage("unneeded", &line),
            Fate::Unneeded | Fate::Taken => {}
        }
    }
}
