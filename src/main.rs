//! Makes system extension images from RPM packages, without root, container or daemon.
//!
//! `pipeline` is the way of the data, in the order of its stages. CONTRIBUTING.md draws the house.

mod architecture;
mod base;
mod check;
mod choose;
mod cli;
mod commands;
mod compose;
mod digest;
mod document;
mod failure;
mod filter;
mod inputs;
mod linking;
mod lock;
mod metadata;
mod offers;
mod overlay;
mod pack;
#[allow(dead_code, unused_imports)]
mod page;
mod pipeline;
mod quantity;
mod reason;
mod recipe;
mod report;
mod repository;
mod selection;
mod signing;
mod specimen;
mod spelling;
mod statement;
mod trust;
mod unpack;

use std::process::ExitCode;

use clap::Parser as _;

use crate::cli::{Cli, Output, Verb};
use crate::commands::{build, generate, inspect, rules, why};
use crate::failure::Result;
use crate::report::Report;

fn main() -> ExitCode {
    let cli = Cli::parse();
    let speech = match &cli.verb {
        None => cli.build.speech,
        Some(Verb::Build(arguments)) => arguments.speech,
        Some(Verb::Inspect(arguments)) => arguments.speech,
        Some(Verb::Store(arguments)) => arguments.verb.speech(),
        Some(Verb::Why(arguments)) => arguments.speech,
        Some(Verb::Check(arguments)) => arguments.speech,
        Some(Verb::Diff(arguments)) => arguments.speech,
        Some(Verb::Explain(arguments)) => arguments.speech,
        Some(Verb::Rules(arguments)) => arguments.speech,
        Some(Verb::Completions { .. } | Verb::Man { .. }) => Output::default(),
    };
    let report = Report::new(speech, inputs::plain_terminal());
    match run(&cli, &report) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            report.failure(&failure);
            ExitCode::from(failure.code())
        }
    }
}

fn run(cli: &Cli, report: &Report) -> Result<()> {
    match &cli.verb {
        None => build::run(&cli.build, report),
        Some(Verb::Build(arguments)) => build::run(arguments, report),
        Some(Verb::Inspect(arguments)) => inspect::run(arguments, report),
        Some(Verb::Store(arguments)) => commands::store::run(&arguments.verb, report),
        Some(Verb::Why(arguments)) => why::run(arguments, report),
        Some(Verb::Check(arguments)) => commands::check::run(arguments, report),
        Some(Verb::Diff(arguments)) => commands::diff::run(arguments, report),
        Some(Verb::Explain(arguments)) => commands::explain::run(arguments, report),
        Some(Verb::Rules(_)) => rules::run(report),
        Some(Verb::Completions { shell }) => {
            generate::completions(*shell, report);
            Ok(())
        }
        Some(Verb::Man { directory }) => generate::man(directory, report),
    }
}
