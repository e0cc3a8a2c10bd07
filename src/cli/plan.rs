//! What can be typed after `plan`.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::report::Verbosity;

const EXAMPLES: &str = "\
Examples:
  sysext-build plan --matrix github --jobs 4 --store store/ recipes/*.toml
      Prints the matrix of a workflow: four jobs, each with about as much to build
  sysext-build plan --matrix obs recipes/*.sysext.toml > _multibuild
      Makes a flavor of each recipe";

/// The arguments of `plan`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct PlanArguments {
    /// The recipes
    #[arg(required = true, value_name = "RECIPE")]
    pub recipes: Vec<PathBuf>,
    /// Print the jobs as this engine takes them, instead of a table
    #[arg(long, value_name = "ENGINE", value_enum)]
    pub matrix: Option<Engine>,
    /// Number of jobs at most [default: one for each recipe, as far as the engine has so many]
    #[arg(short, long, value_name = "N")]
    pub jobs: Option<NonZero<usize>>,
    /// A store with images of these recipes: how large they are is how much there is to build. Where it
    /// has none, the packages in the recipe's lock tell
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Architecture of the images, for recipes that have parts for one
    #[arg(long, value_name = "ARCH")]
    pub arch: Option<String>,
    /// How much to say, and in which form.
    #[command(flatten)]
    pub verbosity: Verbosity,
}

/// What runs jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Engine {
    /// GitHub Actions: JSON for strategy.matrix
    Github,
    /// GitLab CI: a child pipeline with parallel:matrix
    Gitlab,
    /// The Open Build Service: _multibuild
    Obs,
}
