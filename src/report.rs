//! What the user reads. Only this module speaks, and whatever it says is escaped: see
//! [`crate::words::text`].
//!
//! What was asked for (a plan, an image's contents, JSON) goes to standard output; how it went
//! (stages, notes, errors) goes to standard error. On a terminal a bar moves while an image is
//! packed, and words that decide have a colour; in a log there are plain lines. With `--json` there is
//! one JSON object and no word.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, ErrorKind, IsTerminal as _, Write};
use std::sync::{Arc, Mutex, MutexGuard};

use clap::Args;
use clap::builder::styling::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;
use serde_json::Serializer;

use crate::findings::{Finding, Severity, Waivers};
use crate::parallel::locked;
use crate::timings::{Stage, Timings};
use crate::words::failure::{Failure, Kind, Result, Said};
use crate::words::json::Tame;
use crate::words::text::{Text, Tone, escaped};

/// Findings of one kind that are shown; the others are counted.
const SHOWN: usize = 20;

/// Bytes of a line on standard error that are shown: it may quote what others wrote, at any length.
const LONGEST_LINE: usize = 4096;

/// What fails where standard output can't be written.
const WRITING: &str = "writing to standard output";

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
#[derive(Clone, Debug)]
pub struct Report {
    verbosity: Verbosity,
    /// A bar may move.
    lively: bool,
    /// Where words may have colours.
    colours: Colours,
    timings: Arc<Timings>,
    /// What is said waits until others have spoken.
    kept: Option<Arc<Mutex<Kept>>>,
}

/// What is said of one of several images.
#[derive(Debug, Default)]
struct Kept {
    said: Vec<u8>,
    /// Nothing is kept any more.
    is_released: bool,
}

/// Which streams show colours.
#[derive(Clone, Copy, Debug)]
struct Colours {
    out: bool,
    err: bool,
}

/// What has the name of a kind, as findings have.
pub trait OfKind {
    /// The name.
    fn id(&self) -> &'static str;
}

impl OfKind for Finding {
    fn id(&self) -> &'static str {
        self.kind.id
    }
}

/// A failure as JSON.
#[derive(Serialize)]
pub struct FailureText {
    error: String,
    reasons: Vec<&'static str>,
    hints: Vec<String>,
    exit_code: u8,
}

impl From<&Failure> for FailureText {
    fn from(failure: &Failure) -> Self {
        Self {
            error: failure.lines().to_string(),
            reasons: failure.reasons(),
            hints: failure.hints.clone(),
            exit_code: failure.code(),
        }
    }
}

impl Report {
    /// Makes a report that speaks as `verbosity` says; `plain` forbids motion and colours.
    pub fn new(verbosity: Verbosity, plain: bool) -> Self {
        let colours = Colours {
            out: !plain && io::stdout().is_terminal(),
            err: !plain && io::stderr().is_terminal(),
        };
        let lively = colours.err && !verbosity.json && !verbosity.quiet;
        Self {
            verbosity,
            lively,
            colours,
            timings: Arc::default(),
            kept: None,
        }
    }

    /// Returns a report whose words are kept until they are [released](Self::release).
    pub fn kept(&self) -> Self {
        Self {
            kept: Some(Arc::default()),
            ..self.clone()
        }
    }

    /// Says all that was kept; what follows is said at once.
    pub fn release(&self) {
        if let Some(mut kept) = self.waiting() {
            let _ = io::stderr()
                .lock()
                .write_all(&std::mem::take(&mut kept.said));
            kept.is_released = true;
        }
    }

    /// Returns what is kept, if the words wait.
    fn waiting(&self) -> Option<MutexGuard<'_, Kept>> {
        let kept = self.kept.as_ref()?;
        Some(locked(kept)).filter(|kept| !kept.is_released)
    }

    /// Writes to standard error, as far as anyone listens, or keeps it for then.
    fn write(&self, text: &str) {
        match self.waiting() {
            Some(mut kept) => kept.said.extend_from_slice(text.as_bytes()),
            None => {
                let _ = io::stderr().lock().write_all(text.as_bytes());
            }
        }
    }

    /// Returns what the stages of the run took so far.
    pub fn timings(&self) -> &Arc<Timings> {
        &self.timings
    }

    /// Does the work of a stage, and notes what it takes.
    pub fn timed<T>(&self, stage: Stage, work: impl FnOnce() -> T) -> T {
        self.timings.measure(stage, work)
    }

    /// Says whether every single file is worth a line.
    pub fn is_verbose(&self) -> bool {
        self.verbosity.verbose && !self.verbosity.json
    }

    /// Says whether nothing but errors, and what was asked for, is wanted.
    pub fn is_quiet(&self) -> bool {
        self.verbosity.quiet
    }

    /// Says whether JSON is wanted.
    pub fn is_json(&self) -> bool {
        self.verbosity.json
    }

    /// Reports a stage: `pack      41 files, …`.
    pub fn stage(&self, name: &str, text: &str) {
        self.toned_stage(name, None, text);
    }

    fn toned_stage(&self, name: &str, tone: Option<Tone>, text: &str) {
        if !self.verbosity.json && !self.verbosity.quiet {
            self.say(&format!("{name:<9}"), tone, text);
        }
    }

    /// Reports a finding that does not stop the build.
    pub fn note(&self, finding: &Finding) {
        let text = format!("{}: {}", finding.kind.id, finding.text);
        self.toned_stage("note", Some(Tone::Doubtful), &text);
    }

    /// Reports a finding that was allowed, and why, if that was said.
    fn allowed(&self, finding: &Finding) {
        let Finding {
            kind,
            text,
            allowed,
            ..
        } = finding;
        let reason = allowed.as_ref().map(|reason| format!("  ({reason})"));
        let reason = reason.unwrap_or_default();
        let text = format!("{}: {text}{reason}", kind.id);
        self.toned_stage("allowed", Some(Tone::Advice), &text);
    }

    /// Reports notes and what was allowed, and stops for what is fatal.
    pub fn findings(&self, findings: &mut [Finding], waivers: &Waivers) -> Result<()> {
        for finding in findings.iter_mut() {
            waivers.give_reason(finding);
        }
        let (fatal, notes): (Vec<_>, Vec<_>) =
            findings.iter().partition(|finding| waivers.stops(finding));
        let (shown, more) = self.first_of_each_kind(notes.into_iter());
        for finding in shown {
            match waivers.allows(finding) {
                true => self.allowed(finding),
                false => self.note(finding),
            }
        }
        for line in more {
            self.toned_stage("note", Some(Tone::Doubtful), &line);
        }
        if fatal.is_empty() {
            return Ok(());
        }
        let (shown, more) = self.first_of_each_kind(fatal.iter().copied());
        let mut lines: Text = (shown.iter())
            .map(|finding| format!("{}: {}", finding.kind.id, finding.text))
            .collect();
        lines.extend(more);
        let mut failure = Failure::refused(lines);
        failure.findings = fatal.iter().map(|finding| finding.kind.id).collect();
        failure.findings.sort_unstable();
        failure.findings.dedup();
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

    /// Returns the first findings of each kind, and lines that count the others. JSON and `-v`
    /// have them all.
    pub fn first_of_each_kind<'a, F: OfKind>(
        &self,
        findings: impl Iterator<Item = &'a F>,
    ) -> (Vec<&'a F>, Vec<String>) {
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        let is_bounded = !self.verbosity.verbose && !self.verbosity.json;
        let shown = findings
            .filter(|finding| {
                let count = counts.entry(finding.id()).or_default();
                *count += 1;
                !is_bounded || *count <= SHOWN
            })
            .collect();
        let more = (counts.iter())
            .filter(|(_, count)| is_bounded && **count > SHOWN)
            .map(|(id, count)| format!("{id}: and {} more; -v shows all", count - SHOWN))
            .collect();
        (shown, more)
    }

    /// Reports a failure, with its hints, and returns the exit code.
    pub fn failure(&self, failure: &Failure) -> u8 {
        match failure.said {
            Said::InAnswer => return failure.code(),
            Said::InJson if self.verbosity.json => return failure.code(),
            Said::InJson | Said::Nowhere => {}
        }
        if self.verbosity.json {
            match self.json(&FailureText::from(failure)) {
                Ok(()) => return failure.code(),
                Err(unsaid) => {
                    self.say_failure(failure);
                    self.say_failure(&unsaid);
                    return unsaid.code();
                }
            }
        }
        self.say_failure(failure);
        failure.code()
    }

    /// Reports how a run went, at its end.
    pub fn summary(&self, text: &Text) {
        if !self.verbosity.json && !self.verbosity.quiet {
            let text = match self.colours.err {
                true => coloured(text),
                false => text.as_str().to_owned(),
            };
            self.write(&text);
        }
    }

    /// Prints what was asked for.
    pub fn print(&self, text: &Text) -> Result<()> {
        self.print_with(text, |_| {})
    }

    /// Prints a text, and then lines, one by one: they may be many.
    pub fn print_with(&self, text: &Text, lines: impl FnOnce(&mut dyn FnMut(&str))) -> Result<()> {
        write_out(|out| {
            match self.colours.out {
                true => out.write_all(coloured(text).as_bytes())?,
                false => out.write_all(text.as_str().as_bytes())?,
            }
            let mut written = Ok(());
            lines(&mut |line| {
                if written.is_ok() {
                    written = writeln!(out, "{}", escaped(line));
                }
            });
            written
        })
    }

    /// Prints a script, which is nobody's but ours.
    pub fn print_script(&self, script: &[u8]) -> Result<()> {
        write_out(|out| out.write_all(script))
    }

    /// Fails if it is plain before there is an answer that it can't be written.
    pub fn check_output(&self) -> Result<()> {
        match rustix::io::write(io::stdout(), &[]) {
            Err(rustix::io::Errno::NOSPC) => Err(Failure::io(
                WRITING,
                io::Error::from(rustix::io::Errno::NOSPC),
            )),
            // Whatever else there is, is said when the answer is written.
            _ => Ok(()),
        }
    }

    /// Prints a value as JSON, in which active characters are escapes.
    pub fn json(&self, value: &impl Serialize) -> Result<()> {
        write_out(|out| {
            let mut serializer = Serializer::with_formatter(&mut *out, Tame::default());
            value.serialize(&mut serializer)?;
            writeln!(out)
        })
    }

    /// Returns a bar over `total` bytes of a stage; it is hidden where nobody watches.
    pub fn bar(&self, stage: &str, total: u64) -> ProgressBar {
        if !self.lively || self.waiting().is_some() {
            return ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        }
        let bar = ProgressBar::new(total);
        let template = format!(
            "{stage:<9} {{bar:20}} {{bytes}}/{{total_bytes}}  {{bytes_per_sec}}  {{eta}} left"
        );
        if let Ok(style) = ProgressStyle::with_template(&template) {
            bar.set_style(style);
        }
        bar
    }

    fn say_failure(&self, failure: &Failure) {
        for line in failure.lines().as_str().lines() {
            self.say("error:", Some(Tone::Bad), line);
        }
        for hint in &failure.hints {
            self.say("hint:", Some(Tone::Advice), hint);
        }
    }

    /// Says a line.
    fn say(&self, label: &str, tone: Option<Tone>, text: &str) {
        let text = bounded(text);
        let label = match tone.filter(|_| self.colours.err) {
            Some(tone) => painted(label, tone),
            None => label.to_owned(),
        };
        self.write(&format!("{label} {text}\n"));
    }
}

/// Returns a line as it is shown: escaped, and not longer than anyone reads.
fn bounded(line: &str) -> Cow<'_, str> {
    let end = (0..=LONGEST_LINE.min(line.len()))
        .rev()
        .find(|at| line.is_char_boundary(*at));
    let shown = &line[..end.unwrap_or(0)];
    match line.len() - shown.len() {
        0 => escaped(line),
        more => Cow::Owned(format!("{} ... and {more} more bytes", escaped(shown))),
    }
}

/// Returns a text with the colours of its tones.
fn coloured(text: &Text) -> String {
    let mut out = String::new();
    text.each_piece(|piece, tone| match tone {
        Some(tone) => out += &painted(piece, tone),
        None => out += piece,
    });
    out
}

fn painted(text: &str, tone: Tone) -> String {
    let style = match tone {
        Tone::Good => AnsiColor::Green.on_default(),
        Tone::Doubtful => AnsiColor::Yellow.on_default(),
        Tone::Bad => AnsiColor::Red.on_default(),
        Tone::Advice => AnsiColor::Cyan.on_default(),
    };
    let style: Style = style.bold();
    format!("{style}{text}{style:#}")
}

/// Prints what clap has to say instead of a command line: help, the version, or what is wrong.
/// Returns the exit code.
pub fn unparsed(error: &clap::Error) -> u8 {
    let printed = error.print().and_then(|()| io::stdout().flush());
    match printed {
        Err(unwritten) if !error.use_stderr() && unwritten.kind() != ErrorKind::BrokenPipe => {
            let failure = Failure::io(WRITING, unwritten);
            Report::new(Verbosity::default(), true).failure(&failure)
        }
        _ if error.use_stderr() => Kind::Usage.code(),
        _ => 0,
    }
}

/// Writes to standard output. A reader that has gone away has read enough; what can't be written
/// for another reason is missing from an answer, and that is a failure.
fn write_out(write: impl FnOnce(&mut dyn Write) -> io::Result<()>) -> Result<()> {
    let mut out = BufWriter::new(io::stdout().lock());
    match write(&mut out).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::io(WRITING, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::findings::kinds;

    #[test]
    fn many_findings_of_one_kind_are_counted() {
        let of = |json, verbose| {
            let verbosity = Verbosity {
                json,
                verbose,
                quiet: !verbose,
            };
            Report::new(verbosity, true)
        };
        let mut findings: Vec<_> = (0..5000)
            .map(|number| Finding::new(&kinds::FILE_CONFLICT, format!("/usr/{number}")))
            .collect();
        findings.push(Finding::new(&kinds::EMPTY_IMAGE, "x"));
        for (report, lines, last) in [
            (
                of(false, false),
                22,
                "file-conflict: and 4980 more; -v shows all",
            ),
            (of(false, true), 5001, "empty-image: x"),
            (of(true, false), 5001, "empty-image: x"),
        ] {
            let failure = report
                .findings(&mut findings, &Waivers::default())
                .unwrap_err();
            let text = failure.lines().to_string();
            assert_eq!(text.lines().count(), lines);
            assert_eq!(text.lines().next(), Some("file-conflict: /usr/0"));
            assert_eq!(text.lines().last(), Some(last));
        }
    }

    #[test]
    fn lines_end() {
        for (line, expected) in [
            ("a".repeat(4096), "a".repeat(4096)),
            ("a".repeat(4100), "a".repeat(4096) + " ... and 4 more bytes"),
            // Letters are not cut.
            (
                "a".to_owned() + &"ä".repeat(2050),
                "a".to_owned() + &"ä".repeat(2047) + " ... and 6 more bytes",
            ),
            ("a\n".to_owned(), "a\\n".to_owned()),
        ] {
            assert_eq!(bounded(&line), expected);
        }
    }

    #[test]
    fn a_failure_is_one_line_unless_its_reason_is_a_text() {
        let reasons: Text = ["one\nnote", "two"].into_iter().collect();
        for (failure, expected) in [
            (
                Failure::usage("a\nnote  b").at("c\nd"),
                "c\\nd: a\\nnote  b\n",
            ),
            (Failure::refused(reasons.clone()), "one\\nnote\ntwo\n"),
            (
                Failure::refused(reasons).at("x\ny").at("z"),
                "z: x\\ny: one\\nnote\nz: x\\ny: two\n",
            ),
        ] {
            assert_eq!(failure.lines().as_str(), expected);
        }
    }
}
