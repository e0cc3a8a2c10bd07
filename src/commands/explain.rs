//! `explain`: what a finding means, why it matters, and what to do about it.

use serde::Serialize;

use crate::cli::ExplainArguments;
use crate::findings::FINDINGS;
use crate::plan::filter::RULES;
use crate::report::Report;
use crate::words::failure::{Failure, Result};
use crate::words::suggest::nearest;

/// What there is to say of a name.
#[derive(Serialize)]
struct Answer {
    id: &'static str,
    /// `note`, `fatal` or `always fatal`; of a store's findings `note` or `error`; or `rule`.
    severity: &'static str,
    about: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    why: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    repair: &'static str,
}

/// Explains a finding of a build, a check or a store, or a rule. A name may be both a build's and
/// a store's.
pub fn run(arguments: &ExplainArguments, report: &Report) -> Result<()> {
    let answers = answers(&arguments.id);
    if answers.is_empty() {
        let failure = Failure::usage(format!(
            "{:?} is neither a finding nor a rule",
            arguments.id
        ));
        return Err(match nearest(&arguments.id, names()) {
            Some(name) => failure.hint(format!("did you mean {name}?")),
            None => failure.hint("to list all findings and rules: sysext-build rules"),
        });
    }
    if report.is_json() {
        return report.json(&answers);
    }
    let texts: Vec<_> = answers.iter().map(Answer::text).collect();
    report.print(&texts.join("\n").lines().collect())
}

fn answers(id: &str) -> Vec<Answer> {
    let of_build = FINDINGS
        .iter()
        .filter(|kind| kind.id == id)
        .map(|kind| Answer {
            id: kind.id,
            severity: kind.severity.word(),
            about: kind.about,
            why: kind.why,
            repair: kind.repair,
        });
    let of_store = store::FINDINGS
        .iter()
        .filter(|kind| kind.id == id)
        .map(|kind| Answer {
            id: kind.id,
            severity: match kind.severity {
                store::Severity::Note => "note",
                store::Severity::Error => "error",
            },
            about: kind.about,
            why: "",
            repair: kind.repair,
        });
    let of_rules = RULES
        .iter()
        .filter(|rule| rule.name == id)
        .map(|rule| Answer {
            id: rule.name,
            severity: "rule",
            about: rule.about,
            why: "",
            repair: "",
        });
    of_build.chain(of_store).chain(of_rules).collect()
}

pub fn names() -> impl Iterator<Item = &'static str> {
    let of_build = FINDINGS.iter().map(|kind| kind.id);
    let of_store = store::FINDINGS.iter().map(|kind| kind.id);
    of_build
        .chain(of_store)
        .chain(RULES.iter().map(|rule| rule.name))
}

impl Answer {
    fn text(&self) -> String {
        let mut text = format!("{} ({})\n\n", self.id, self.severity);
        for paragraph in [
            sentence(self.about),
            sentence(self.why),
            sentence(self.repair),
        ] {
            if !paragraph.is_empty() {
                text += &format!("{}\n\n", wrapped(&paragraph));
            }
        }
        text.pop();
        text
    }
}

/// Returns a text with a capital letter in front and a full stop behind, unless it begins with an
/// option or a name.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        None => String::new(),
        Some(first) => {
            let stop = if text.ends_with('.') { "" } else { "." };
            format!("{}{}{stop}", first.to_uppercase(), characters.as_str())
        }
    }
}

/// Breaks a text into lines.
fn wrapped(text: &str) -> String {
    const WIDTH: usize = 80;
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= WIDTH => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_explained() {
        for name in names() {
            let answers = answers(name);
            let longest = answers.iter().map(|answer| answer.text().len()).max();
            assert!(longest.is_some_and(|length| length > 40), "{name}");
        }
    }

    #[test]
    fn lines_are_not_too_long() {
        let text = wrapped(&"word ".repeat(40));
        assert_eq!(text.lines().count(), 3);
        assert!(text.lines().all(|line| line.len() <= 80));
    }
}
