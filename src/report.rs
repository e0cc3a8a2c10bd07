//! What the user reads. Only this module speaks.
//!
//! What was asked for (a plan, an image's contents, JSON) goes to standard output; how it went
//! (stages, notes, errors) goes to standard error. On a terminal a bar moves while an image is
//! packed; in a log there are plain lines. With `--json` there is one JSON object and no word.

use std::fmt::Display;
use std::io::{BufWriter, IsTerminal as _, Write as _};

use anyhow::anyhow;
use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::findings::{Finding, Severity, Waivers};
use crate::words::failure::{Failure, Result, Said};

/// How much a verb says, and in which form.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Verbosity {
    /// Print one JSON object on standard output and nothing else
    #[arg(long, help_heading = "Output")]
    pub json: bool,
    /// Print only errors
    #[arg(short, long, help_heading = "Output", conflicts_with = "verbose")]
    pub quiet: bool,
    /// Print more: every file that a rule left out or moved
    #[arg(short, long, help_heading = "Output")]
    pub verbose: bool,
}

/// What speaks to the user: standard output, standard error and a bar.
#[derive(Clone, Copy, Debug)]
pub struct Report {
    verbosity: Verbosity,
    /// A bar may move.
    lively: bool,
}

/// A failure as JSON.
#[derive(Serialize)]
pub struct FailureText {
    error: String,
    hints: Vec<String>,
    exit_code: u8,
}

impl From<&Failure> for FailureText {
    fn from(failure: &Failure) -> Self {
        Self {
            error: format!("{:#}", failure.source),
            hints: failure.hints.clone(),
            exit_code: failure.code(),
        }
    }
}

impl Report {
    /// Makes a report that speaks as `verbosity` says; `plain` forbids motion.
    pub fn new(verbosity: Verbosity, plain: bool) -> Self {
        let lively =
            !plain && !verbosity.json && !verbosity.quiet && std::io::stderr().is_terminal();
        Self { verbosity, lively }
    }

    /// Says whether every single file is worth a line.
    pub fn is_verbose(&self) -> bool {
        self.verbosity.verbose && !self.verbosity.json
    }

    /// Says whether JSON is wanted.
    pub fn is_json(&self) -> bool {
        self.verbosity.json
    }

    /// Reports a stage: `pack      41 files, …`.
    pub fn stage(&self, name: &str, text: &str) {
        if !self.verbosity.json && !self.verbosity.quiet {
            say(&format!("{name:<9} {text}"));
        }
    }

    /// Reports a finding that does not stop the build.
    pub fn note(&self, finding: &Finding) {
        self.stage("note", &format!("{}: {}", finding.kind.id, finding.text));
    }

    /// Reports a finding that was allowed, and why.
    pub fn allowed(&self, finding: &Finding, reason: &str) {
        let Finding { kind, text, .. } = finding;
        self.stage("allowed", &format!("{}: {text}  ({reason})", kind.id));
    }

    /// Reports notes and why others were allowed, and stops for what is fatal.
    pub fn findings(&self, findings: &mut [Finding], waivers: &Waivers) -> Result<()> {
        for finding in findings.iter_mut() {
            waivers.give_reason(finding);
        }
        let (fatal, notes): (Vec<_>, Vec<_>) =
            findings.iter().partition(|finding| waivers.stops(finding));
        for finding in notes {
            match &finding.allowed {
                Some(reason) => self.allowed(finding, reason),
                None if waivers.allows(finding) => {}
                None => self.note(finding),
            }
        }
        if fatal.is_empty() {
            return Ok(());
        }
        let lines: Vec<_> = fatal
            .iter()
            .map(|finding| format!("{}: {}", finding.kind.id, finding.text))
            .collect();
        let mut failure = Failure::refused(anyhow!("{}", lines.join("\n")));
        let mut allowable: Vec<_> = fatal
            .iter()
            .filter(|finding| finding.kind.severity != Severity::Always)
            .map(|finding| finding.kind.id)
            .collect();
        allowable.sort_unstable();
        allowable.dedup();
        if !allowable.is_empty() {
            let options: Vec<_> = allowable.iter().map(|id| format!("--allow {id}")).collect();
            failure = failure.hint(format!("to build anyway: {}", options.join(" ")));
        }
        Err(failure)
    }

    /// Reports a failure, with its hints.
    pub fn failure(&self, failure: &Failure) {
        match failure.said {
            Said::InAnswer => return,
            Said::InJson if self.verbosity.json => return,
            Said::InJson | Said::Nowhere => {}
        }
        if self.verbosity.json {
            self.json(&FailureText::from(failure));
            return;
        }
        for line in format!("{:#}", failure.source).lines() {
            say(&format!("error: {line}"));
        }
        for hint in &failure.hints {
            say(&format!("hint: {hint}"));
        }
    }

    /// Prints what was asked for, piece by piece: it may be long. A reader that has gone away is not
    /// an error.
    pub fn print(&self, text: impl Display) {
        let mut out = BufWriter::new(std::io::stdout().lock());
        let _ = write!(out, "{text}").and_then(|()| out.flush());
    }

    /// Prints a value as JSON.
    pub fn json(&self, value: &impl Serialize) {
        let mut out = BufWriter::new(std::io::stdout().lock());
        match serde_json::to_writer_pretty(&mut out, value) {
            Err(error) if !error.is_io() => say(&format!("error: {error}")),
            _ => drop(writeln!(out).and_then(|()| out.flush())),
        }
    }

    /// Returns a bar over `total` bytes of a stage; it is hidden where nobody watches.
    pub fn bar(&self, stage: &str, total: u64) -> ProgressBar {
        if !self.lively {
            return ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        }
        let bar = ProgressBar::new(total);
        let template = format!(
            "{stage:<9} {{bar:30}} {{bytes}}/{{total_bytes}}  {{bytes_per_sec}}  {{eta}} left"
        );
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        bar
    }
}

/// Writes a line to standard error, as far as anyone listens.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
