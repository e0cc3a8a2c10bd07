//! Makes system extension images from RPM packages, without root, container or daemon.
//!
//! `pipeline` is the way of the data, in the order of its stages. docs/architecture.md draws it.

#![cfg_attr(
    test,
    allow(
        clippy::disallowed_methods,
        reason = "a test reads what it made itself"
    )
)]

mod alive;
mod answer;
mod base;
mod cache;
mod check;
mod cli;
mod commands;
mod findings;
mod import;
mod inputs;
mod inspected;
mod once;
mod pack;
mod packages;
mod parallel;
mod pipeline;
mod plan;
mod publish;
mod report;
mod served;
mod timings;
mod trial;
mod turns;
mod words;

use std::process::ExitCode;

use crate::cli::{Cli, Verb};
use crate::commands::{build, generate, inspect, rules, why};
use crate::report::{Report, Verbosity};
use crate::words::failure::Result;

fn main() -> ExitCode {
    let cli = match cli::parse() {
        Ok(cli) => cli,
        Err(unparsed) => return ExitCode::from(report::unparsed(&unparsed)),
    };
    let verbosity = match &cli.verb {
        None => cli.build.verbosity,
        Some(Verb::Build(arguments)) => arguments.verbosity,
        Some(Verb::Init(arguments)) => arguments.verbosity,
        Some(Verb::Inspect(arguments)) => arguments.verbosity,
        Some(Verb::SignVerity(arguments)) => arguments.verbosity,
        Some(Verb::Store(arguments)) => arguments.verb.verbosity(),
        Some(Verb::Why(arguments)) => arguments.verbosity,
        Some(Verb::Check(arguments)) => arguments.verbosity,
        Some(Verb::Diff(arguments)) => arguments.verbosity,
        Some(Verb::Gate(arguments)) => arguments.verbosity,
        Some(Verb::Pull(arguments)) => arguments.verbosity,
        Some(Verb::Plan(arguments)) => arguments.verbosity,
        Some(Verb::Try(arguments)) => arguments.verbosity(),
        Some(Verb::Import(arguments)) => arguments.from.result().verbosity,
        Some(Verb::Sbom(arguments)) => arguments.verbosity,
        Some(Verb::Rebuild(arguments)) => arguments.verbosity,
        Some(Verb::Explain(arguments)) => arguments.verbosity,
        Some(Verb::Rules(arguments)) => arguments.verbosity,
        Some(Verb::Completions { .. } | Verb::Man { .. }) => Verbosity::default(),
    };
    let report = Report::new(verbosity, inputs::plain_terminal());
    match run(&cli, &report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => ExitCode::from(report.failure(&failure)),
    }
}

fn run(cli: &Cli, report: &Report) -> Result<()> {
    match &cli.verb {
        None => build::run(&cli.build, report),
        Some(Verb::Build(arguments)) => build::run(arguments, report),
        Some(Verb::Init(arguments)) => commands::init::run(arguments, report),
        Some(Verb::Inspect(arguments)) => inspect::run(arguments, report),
        Some(Verb::SignVerity(arguments)) => commands::sign_verity::run(arguments, report),
        Some(Verb::Store(arguments)) => commands::store::run(&arguments.verb, report),
        Some(Verb::Why(arguments)) => why::run(arguments, report),
        Some(Verb::Check(arguments)) => commands::check::run(arguments, report),
        Some(Verb::Diff(arguments)) => commands::diff::run(arguments, report),
        Some(Verb::Gate(arguments)) => commands::gate::run(arguments, report),
        Some(Verb::Pull(arguments)) => commands::pull::run(arguments, report),
        Some(Verb::Plan(arguments)) => commands::plan::run(arguments, report),
        Some(Verb::Try(arguments)) => commands::trial::run(arguments, report),
        Some(Verb::Import(arguments)) => commands::import::run(arguments, report),
        Some(Verb::Sbom(arguments)) => commands::sbom::run(arguments, report),
        Some(Verb::Rebuild(arguments)) => commands::rebuild::run(arguments, report),
        Some(Verb::Explain(arguments)) => commands::explain::run(arguments, report),
        Some(Verb::Rules(_)) => rules::run(report),
        Some(Verb::Completions { shell }) => generate::completions(*shell, report),
        Some(Verb::Man { directory }) => generate::man(directory, report),
    }
}
