//! The answer of `check` as text: reasons first, so that the table is what stays on the screen.

use std::collections::{BTreeMap, BTreeSet};

use clients::{Client, Outcome, Verdict};

use crate::check::set::Together;
use crate::check::survey::{Judgement, Row, Survey};
use crate::check::verdict::Word;
use crate::findings::kinds;
use crate::report::Report;
use crate::words::quantity::counted;
use crate::words::text::{Text, Tone};

/// Returns the reasons of what does not work, below them the table, and a summary.
pub fn text(survey: &Survey, rows: &[Row], together: &[Option<Together>], report: &Report) -> Text {
    let mut text = Text::default();
    for (set, target) in together.iter().zip(&survey.targets) {
        if let Some(set) = set {
            text.extend(on_host(set, &target.label, survey, report));
        }
    }
    for (where_to, reasons) in paragraphs(survey, rows, report) {
        text.line(format!("{where_to}:"));
        for reason in reasons {
            text.line(format!("  {reason}"));
        }
        text.line("");
    }
    let header = std::iter::once("image".to_owned());
    let labels = survey.targets.iter().map(|target| target.label.clone());
    let mut lines: Vec<Vec<Cell>> = vec![header.chain(labels).map(Cell::from).collect()];
    for row in rows {
        let cells = (0..survey.targets.len()).map(|target| cell(survey, row, target));
        let name = Cell::from(row.path.display().to_string());
        lines.push(std::iter::once(name).chain(cells).collect());
    }
    text.append(&aligned(&lines));
    let mut summary = summary(survey, rows, together);
    summary.extend(assumed(rows));
    if !summary.is_empty() {
        text.line("");
        text.extend(summary);
    }
    text
}

/// Returns lines on images that are merged together, if there is something to say of them.
fn on_host(set: &Together, host: &str, survey: &Survey, report: &Report) -> Vec<String> {
    let told = (set.findings.iter())
        .filter(|finding| report.is_verbose() || survey.waivers.stops(finding));
    let (shown, more) = report.first_of_each_kind(told);
    if shown.is_empty() {
        return Vec::new();
    }
    let order = set.order.join(" < ");
    let mut lines = vec![format!(
        "together on {host}, as systemd orders names ({order}):"
    )];
    lines.extend(
        shown
            .iter()
            .map(|one| format!("  {}: {}", one.kind.id, one.text)),
    );
    lines.extend(more.into_iter().map(|more| format!("  {more}")));
    lines.push(String::new());
    lines
}

/// Returns lines that count what does not work, and what was not looked up.
fn summary(survey: &Survey, rows: &[Row], together: &[Option<Together>]) -> Vec<String> {
    let waivers = &survey.waivers;
    let mut lines: Vec<String> = (0..survey.targets.len())
        .flat_map(|target| counts(survey, rows, target))
        .collect();
    let clash = |set: &&Together| !set.passes(waivers);
    let clashing = together.iter().flatten().filter(clash).count();
    if clashing > 0 {
        let hosts = match survey.targets.len() {
            1 => String::new(),
            of => format!(" on {clashing} of {}", counted(of, "host")),
        };
        lines.push(format!("the images do not go together{hosts}"));
    }
    let unjudged: BTreeSet<_> = (together.iter().flatten())
        .flat_map(|set| set.unjudged.iter().cloned())
        .collect();
    if !unjudged.is_empty() {
        let names: Vec<_> = unjudged.into_iter().collect();
        lines.push(format!(
            "not judged together with the others, since their files were not read: {}",
            shortened(names)
        ));
    }
    let as_before: Vec<_> = (rows.iter())
        .filter(|row| (0..survey.targets.len()).any(|target| row.is_as_before(target, waivers)))
        .map(|row| row.path.display().to_string())
        .collect();
    if !as_before.is_empty() {
        lines.push(format!(
            "{}: what was wrong before the update, too, is not counted",
            shortened(as_before)
        ));
    }
    lines
}

/// Returns lines that count images on one host; which one it is, if there are more.
fn counts(survey: &Survey, rows: &[Row], target: usize) -> Vec<String> {
    let of = counted(rows.len(), "image");
    let waivers = &survey.waivers;
    let count = |word: Word, counts: &dyn Fn(&Row) -> bool| {
        let is = |row: &&Row| row.word(target, waivers) == word && counts(row);
        rows.iter().filter(is).count()
    };
    let change = match survey.from {
        Some(_) => "would no longer work",
        None => "would not work",
    };
    let known = survey.targets[target].known();
    let why = match known.has_provides() {
        true => String::new(),
        false => format!(": {}", known.lacking()),
    };
    let unseen =
        format!("would be merged, and whether all that is needed is there was not looked up{why}");
    let all = [
        (
            count(Word::Breaks, &|row| !row.passes(target, waivers)),
            change,
        ),
        (count(Word::Unread, &|_| true), "could not be read"),
        (count(Word::Merges, &|_| true), &*unseen),
    ];
    let host = match survey.targets.len() {
        1 => String::new(),
        _ => format!("on {}: ", survey.targets[target].label),
    };
    let counted = all.into_iter().filter(|(count, _)| *count > 0);
    counted
        .map(|(count, what)| format!("{host}{count} of {of} {what}"))
        .collect()
}

/// Returns lines that say what was assumed, and of how many images.
fn assumed(rows: &[Row]) -> Vec<String> {
    let mut all: BTreeMap<&str, Vec<&Row>> = BTreeMap::new();
    for row in rows {
        for assumed in &row.assumed {
            all.entry(assumed).or_default().push(row);
        }
    }
    let line = |(assumed, of): (&str, Vec<&Row>)| match &of[..] {
        [row] if rows.len() > 1 => format!("assumed of {}: {assumed}", row.path.display()),
        _ => format!("assumed: {assumed}"),
    };
    all.into_iter().map(line).collect()
}

/// Stands for the name of an image in a reason that several have.
const ANY_NAME: &str = "NAME";
/// So many images are named in one place; the others are counted.
const SHOWN: usize = 4;

fn shortened(mut names: Vec<String>) -> String {
    if let Some(more @ 1..) = names.len().checked_sub(SHOWN) {
        names.truncate(SHOWN);
        names.push(format!("{more} more"));
    }
    names.join(", ")
}

/// Returns what is said of images on hosts: the same thing once, with all that it is said of.
fn paragraphs(survey: &Survey, rows: &[Row], report: &Report) -> Vec<(String, Vec<String>)> {
    /// What is said, without the images' names and with them, and of which.
    struct Paragraph<'a> {
        target: usize,
        general: Vec<String>,
        reasons: Vec<String>,
        rows: Vec<&'a Row>,
    }
    let mut found: Vec<Paragraph<'_>> = Vec::new();
    for row in rows {
        for target in 0..survey.targets.len() {
            let reasons = reasons(survey, row, target, report);
            if reasons.is_empty() {
                continue;
            }
            let general: Vec<_> = (reasons.iter())
                .map(|reason| without_name(reason, row))
                .collect();
            let same =
                |other: &&mut Paragraph<'_>| other.target == target && other.general == general;
            match found.iter_mut().find(same) {
                Some(other) => other.rows.push(row),
                None => found.push(Paragraph {
                    target,
                    general,
                    reasons,
                    rows: vec![row],
                }),
            }
        }
    }
    let said = found.into_iter().map(|one| {
        let names = one.rows.iter().map(|row| row.path.display().to_string());
        let names = shortened(names.collect());
        let reasons = match one.rows[..] {
            [_] => one.reasons,
            _ => one.general,
        };
        let label = &survey.targets[one.target].label;
        (format!("{names} on {label}"), reasons)
    });
    said.collect()
}

/// Returns a reason that does not name the image.
fn without_name(reason: &str, row: &Row) -> String {
    let quoted = reason.replace(&format!("'{}'", row.link), &format!("'{ANY_NAME}'"));
    match quoted.strip_suffix(&format!("needed by {}", row.link)) {
        Some(start) => format!("{start}needed by {ANY_NAME}"),
        None => quoted,
    }
}

/// Returns a line for each reason that an image has not to work on a target.
pub fn reasons(survey: &Survey, row: &Row, target: usize, report: &Report) -> Vec<String> {
    let mut lines = Vec::new();
    for (one, clients) in grouped(row, target) {
        let (kind, verdict) = (one.kind(), &one.verdict);
        lines.push(match verdict.outcome {
            // It is no client's word.
            Outcome::Unread => format!("{}: {}", kind.id, verdict.words),
            outcome => format!(
                "{}: {} by {}: {}",
                kind.id,
                outcome.word(),
                names(&clients),
                compared(verdict)
            ),
        });
    }
    let findings = row.on_base[target].findings.iter();
    let told = findings.filter(|finding| match finding.kind == &kinds::UNCHECKED_BASE {
        // The table and the summary say it, unless it is why the check fails.
        true => survey.waivers.stops(finding),
        false => report.is_verbose() || survey.waivers.stops(finding),
    });
    let (shown, more) = report.first_of_each_kind(told);
    lines.extend((shown.iter()).map(|finding| format!("{}: {}", finding.kind.id, finding.text)));
    lines.extend(more);
    lines
}

fn names(clients: &[Client]) -> String {
    let names: Vec<_> = clients.iter().map(ToString::to_string).collect();
    names.join(", ")
}

/// A cell of a table.
pub struct Cell {
    text: String,
    tone: Option<Tone>,
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self { text, tone: None }
    }
}

impl Cell {
    /// Returns a cell that has a tone.
    pub fn toned(tone: Tone, text: String) -> Self {
        Self {
            text,
            tone: Some(tone),
        }
    }

    /// Returns a cell that has the tone of a word.
    pub fn of(word: Word, text: String) -> Self {
        Self::toned(word.tone(), text)
    }
}

/// Returns one cell: the word for how the image fares there, and what it rests on.
fn cell(survey: &Survey, row: &Row, target: usize) -> Cell {
    let word = row.word(target, &survey.waivers);
    let why = match word {
        Word::Works | Word::Merges => row.on_base[target].evidence.short(),
        Word::Breaks => row.because(target, &survey.waivers).join(", "),
        Word::Unread => return Cell::of(word, word.text().to_owned()),
    };
    Cell::of(word, format!("{} ({why})", word.text()))
}

/// Returns what does not work on a target, one for each reason, with the clients that have it.
fn grouped(row: &Row, target: usize) -> Vec<(&Judgement, Vec<Client>)> {
    let mut groups: Vec<(&Judgement, Vec<Client>)> = Vec::new();
    for one in row.unaccepted(target) {
        let verdict = &one.verdict;
        // Versions of one client say the same in slightly different words.
        match groups.iter_mut().find(|(other, _)| {
            let other = &other.verdict;
            (other.outcome, other.field, &other.image, &other.host)
                == (
                    verdict.outcome,
                    verdict.field,
                    &verdict.image,
                    &verdict.host,
                )
        }) {
            Some((_, clients)) => clients.push(one.client),
            None => groups.push((one, vec![one.client])),
        }
    }
    groups
}

/// Says in one line what decided: the field, the two values, the client's words.
fn compared(verdict: &Verdict) -> String {
    let value = |value: &Option<String>| value.clone().unwrap_or_else(|| "none".to_owned());
    if verdict.image.is_none() && verdict.host.is_none() {
        return format!("{}: {}", verdict.field, verdict.words);
    }
    format!(
        "{}: image {}, host {}: {}",
        verdict.field,
        value(&verdict.image),
        value(&verdict.host),
        verdict.words
    )
}

/// Returns lines of cells as columns.
pub fn aligned<R: AsRef<[Cell]>>(lines: &[R]) -> Text {
    let lines: Vec<_> = lines.iter().map(AsRef::as_ref).collect();
    let columns = lines.iter().map(|line| line.len()).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.text.chars().count()).max()
    };
    let widths: Vec<_> = (0..columns)
        .map(|column| width(column).unwrap_or(0))
        .collect();
    let mut text = Text::default();
    for line in lines {
        let mut gap = String::new();
        let mut pieces = Vec::new();
        for (cell, width) in line.iter().zip(&widths) {
            pieces.push((std::mem::take(&mut gap), None));
            pieces.push((cell.text.clone(), cell.tone));
            gap = " ".repeat(width + 2 - cell.text.chars().count());
        }
        text.pieces(pieces.iter().map(|(piece, tone)| (piece.as_str(), *tone)));
    }
    text
}
