//! `explain`: what a finding means, why it matters, and what to do about it.

use serde::Serialize;

use crate::cli::ExplainArguments;
use crate::findings::FINDINGS;
use crate::plan::filter::RULES;
use crate::report::Report;
use crate::words::failure::{Failure, Result};
use crate::words::suggest::nearest;

/// Words of `check`, `store gate` and `gate`, each with its meaning and with what to do about it.
const WORDS: [(&str, &str, &str); 19] = [
    (
        "works",
        "the image is merged, and all that it needs was looked up in the base and is there",
        "",
    ),
    (
        "merges",
        "the image is merged, and what was looked up is there, but not all that it needs was looked \
         up: too little is known of the base",
        "give a --base with packages and files: a root directory, or a list of packages with the \
         repositories that have them",
    ),
    (
        "breaks",
        "the image is not merged, or something in it does not run, or it harms the base; the reasons \
         are named next to the word",
        "ask for each reason: sysext-build explain REASON",
    ),
    (
        "unread",
        "this program can't read the image, so nothing is said of it",
        "put its manifest next to it, or say in which form it is",
    ),
    (
        "refused",
        "a client refuses the image, and with it all others: nothing is merged as long as it is \
         there",
        "the line above the table says by which clients, and for what; keep such an image from hosts \
         with these clients",
    ),
    (
        "ignored",
        "a client passes over the image, since its extension-release does not match the os-release \
         of the host; the others are merged",
        "build it for that host, or with --match for more hosts",
    ),
    (
        "stale",
        "the image is ignored only because the host was updated: VERSION_ID or SYSEXT_LEVEL differ, \
         and all else matches",
        "build it again for the new version; if its findings are none but this one, --match level \
         or --match any spares you that",
    ),
    (
        "kept",
        "clients keep the image that they run: it is good on the new system, too",
        "",
    ),
    (
        "replaced",
        "another image of the store takes the place of the one that clients run",
        "",
    ),
    (
        "offered",
        "the store has an image for the system; without --from nothing is known of the one before",
        "",
    ),
    (
        "unused",
        "clients of the system before the update run no image of this extension",
        "",
    ),
    (
        "broken",
        "the image that clients run was not good before the update either, so the update takes \
         nothing away",
        "build one that is good on the new system",
    ),
    (
        "lost",
        "clients lose the extension by the update: no image of the store is good there",
        "build it for the new system, and put it into the store before clients update",
    ),
    (
        "stays",
        "the store has an image of the extension that is good on the system",
        "",
    ),
    (
        "os-release",
        "of the base no more is known than its os-release, if that",
        "give its packages or its root directory with --base",
    ),
    (
        "names",
        "of the base the names of its packages are known, and not what they provide",
        "give its repositories, its RPM database or its root directory",
    ),
    (
        "assumed",
        "what some packages of the base provide is assumed from other builds of them",
        "give its RPM database or its root directory with --base",
    ),
    (
        "provides",
        "what the packages of the base provide is known, and which files they list",
        "",
    ),
    (
        "files",
        "the files of the base are known, so that its libraries and programs can be looked at",
        "",
    ),
];

/// What there is to say of a name.
#[derive(Serialize)]
struct Answer {
    id: &'static str,
    /// `note`, `fatal` or `always fatal`; of a store's findings `note` or `error`; `rule` or
    /// `word`.
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
            "{:?} is neither a finding nor a rule, nor a word of check or gate",
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
    let of_words =
        (WORDS.into_iter().filter(|(word, ..)| *word == id)).map(|(id, about, repair)| Answer {
            id,
            severity: "word",
            about,
            why: "",
            repair,
        });
    let of_all = of_build.chain(of_store).chain(of_rules);
    of_all.chain(of_words).collect()
}

pub fn names() -> impl Iterator<Item = &'static str> {
    let of_build = FINDINGS.iter().map(|kind| kind.id);
    let of_store = store::FINDINGS.iter().map(|kind| kind.id);
    of_build
        .chain(of_store)
        .chain(RULES.iter().map(|rule| rule.name))
        .chain(WORDS.into_iter().map(|(word, ..)| word))
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
    use clients::Outcome;

    use super::*;
    use crate::base::Known;
    use crate::check::gate::Fate;
    use crate::check::verdict::Word;

    #[test]
    fn every_name_is_explained() {
        for name in names() {
            let answers = answers(name);
            let longest = answers.iter().map(|answer| answer.text().len()).max();
            assert!(longest.is_some_and(|length| length > 40), "{name}");
        }
    }

    #[test]
    fn every_word_of_a_verdict_is_explained() {
        let words = Word::ALL.map(Word::text).into_iter();
        let fates = Fate::ALL.map(Fate::word);
        let known = Known::ALL.map(Known::word);
        let outcomes = [Outcome::Ignored, Outcome::Refused, Outcome::Unread].map(Outcome::word);
        let more = ["stale", "stays"];
        let all = words.chain(fates).chain(known).chain(outcomes).chain(more);
        for word in all {
            assert!(!answers(word).is_empty(), "{word}");
        }
    }

    #[test]
    fn lines_are_not_too_long() {
        let text = wrapped(&"word ".repeat(40));
        assert_eq!(text.lines().count(), 3);
        assert!(text.lines().all(|line| line.len() <= 80));
    }
}
