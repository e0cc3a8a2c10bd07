//! Findings: what is worth a word about an image, and what that does to a build.
//!
//! A fatal finding stops the build, a note does not, unless `--strict` is given. Each can be
//! allowed by name, but for those that leave no image to speak of. The kinds are one table, in
//! [`kinds`].

pub mod kinds;

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde::{Serialize, Serializer};

use crate::words::failure::{Failure, Result};
use crate::words::suggest::check_known;
pub use kinds::FINDINGS;

/// What a finding does to the build.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is said.
    Note,
    /// It stops the build, unless it is allowed.
    Fatal,
    /// It stops the build.
    Always,
}

impl Severity {
    /// Returns the word that lists and explanations have for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Note => "note",
            Self::Fatal => "fatal",
            Self::Always => "always fatal",
        }
    }
}

/// One kind of finding. Its name stands for it: no two have the same one.
#[derive(Debug)]
pub struct FindingKind {
    /// The name to type.
    pub id: &'static str,
    /// What it does.
    pub severity: Severity,
    /// What was found.
    pub about: &'static str,
    /// Why it matters to those who use the image.
    pub why: &'static str,
    /// What to do about it.
    pub repair: &'static str,
}

impl PartialEq for FindingKind {
    fn eq(&self, other: &Self) -> bool {
        self.id == other.id
    }
}

impl Eq for FindingKind {}

impl PartialOrd for FindingKind {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for FindingKind {
    fn cmp(&self, other: &Self) -> Ordering {
        self.id.cmp(other.id)
    }
}

/// Writes a kind as its name.
pub fn name_of<S: Serializer>(
    kind: &&'static FindingKind,
    serializer: S,
) -> std::result::Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.id)
}

/// One finding of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What kind it is; its name in JSON.
    #[serde(rename = "id", serialize_with = "name_of")]
    pub kind: &'static FindingKind,
    /// What was found, in one line.
    pub text: String,
    /// It stops the build even if others of its kind are notes.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fatal: bool,
    /// Why a recipe allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
}

impl Finding {
    /// Makes a finding.
    pub fn new(kind: &'static FindingKind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            fatal: false,
            allowed: None,
        }
    }

    /// Makes it fatal where others of its kind are notes.
    #[must_use]
    pub fn made_fatal(mut self) -> Self {
        self.fatal = true;
        self
    }
}

/// Which findings do not stop the build.
#[derive(Clone, Debug, Default)]
pub struct Waivers {
    /// As they were typed: `FINDING`, or `FINDING:WHAT`.
    allowed: BTreeSet<String>,
    /// Why, as far as it was said.
    reasons: BTreeMap<String, String>,
    strict: bool,
}

/// Takes `FINDING[:WHAT]` apart: the kind, and what alone is allowed of it.
pub fn waiver(text: &str) -> (&str, Option<&str>) {
    match text.split_once(':') {
        Some((id, what)) => (id, Some(what)),
        None => (text, None),
    }
}

impl Waivers {
    /// Checks the names.
    pub fn new(allow: &[String], strict: bool) -> Result<Self> {
        let known: Vec<_> = FINDINGS.iter().map(|kind| kind.id).collect();
        let ids: Vec<_> = allow.iter().map(|one| waiver(one).0.to_owned()).collect();
        check_known("--allow", &ids, &known)?;
        if let Some(kind) = FINDINGS.iter().find(|kind| {
            kind.severity == Severity::Always && ids.iter().any(|name| name == kind.id)
        }) {
            return Err(Failure::usage(format!(
                "--allow {}: this finding can't be allowed",
                kind.id
            )));
        }
        if let Some(empty) = allow.iter().find(|one| waiver(one).1 == Some("")) {
            return Err(
                Failure::usage(format!("--allow {empty}: nothing follows the colon"))
                    .hint("give a path or another word of the finding, or leave the colon out"),
            );
        }
        Ok(Self {
            allowed: allow.iter().cloned().collect(),
            reasons: BTreeMap::new(),
            strict,
        })
    }

    /// Allows all that can be allowed: for what somebody else has decided to build.
    pub fn all() -> Self {
        let waivable = FINDINGS.iter();
        let waivable = waivable.filter(|kind| kind.severity != Severity::Always);
        Self {
            allowed: waivable.map(|kind| kind.id.to_owned()).collect(),
            reasons: BTreeMap::new(),
            strict: false,
        }
    }

    /// Adds why findings are allowed.
    #[must_use]
    pub fn because(mut self, reasons: BTreeMap<String, String>) -> Self {
        self.reasons = reasons;
        self
    }

    /// Writes into a finding why it is allowed, where a reason was given.
    pub fn give_reason(&self, finding: &mut Finding) {
        let reason = {
            let mut reasons = (self.applied(finding)).filter_map(|one| self.reasons.get(one));
            reasons.next().cloned()
        };
        if reason.is_some() {
            finding.allowed = reason;
        }
    }

    /// Says whether this finding stops the build.
    pub fn stops(&self, finding: &Finding) -> bool {
        self.stops_if(self.strict, finding)
    }

    fn stops_if(&self, strict: bool, finding: &Finding) -> bool {
        let is_allowed = self.allows(finding);
        match finding.kind.severity {
            Severity::Always => true,
            Severity::Fatal => !is_allowed,
            Severity::Note => (strict || finding.fatal) && !is_allowed,
        }
    }

    /// Says whether findings stop the build, and each of them for nothing but `--strict`: then what else
    /// there is to find may be found first.
    pub fn stop_by_strictness(&self, findings: &[Finding]) -> bool {
        let any = |strict| findings.iter().any(|one| self.stops_if(strict, one));
        any(self.strict) && !any(false)
    }

    /// Says whether the user allowed this finding, and so knows of it.
    pub fn allows(&self, finding: &Finding) -> bool {
        self.applied(finding).next().is_some()
    }

    /// Returns what was typed that allows this finding.
    fn applied(&self, finding: &Finding) -> impl Iterator<Item = &String> {
        self.allowed.iter().filter(|one| {
            let (id, what) = waiver(one);
            id == finding.kind.id && what.is_none_or(|what| is_about(&finding.text, what))
        })
    }
}

/// Says whether a finding's text speaks of a thing: has it as a whole word, or has a word that fits
/// the pattern.
fn is_about(text: &str, what: &str) -> bool {
    if resolve::is_pattern(what) {
        let mut words = text.split_whitespace();
        return words.any(|word| {
            let word = word.trim_matches(|letter: char| ",;:()\"'".contains(letter));
            resolve::matches(what, word)
        });
    }
    let goes_on = |letter: char| letter.is_alphanumeric() || "/_.+-~".contains(letter);
    text.match_indices(what).any(|(start, found)| {
        let (before, rest) = text.split_at(start);
        let after = rest.get(found.len()..).unwrap_or_default();
        !before.ends_with(goes_on) && !after.starts_with(goes_on)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stops_a_build() {
        let allow = |names: &[&str], strict| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            Waivers::new(&names, strict)
        };
        for (id, allowed, strict, stops) in [
            ("set-uid", &[][..], false, false),
            ("set-uid", &[], true, true),
            ("set-uid", &["set-uid"], true, false),
            ("file-conflict", &[], false, true),
            ("file-conflict", &["file-conflict"], false, false),
            ("file-conflict", &["file-conflict"], true, false),
            ("empty-image", &[], false, true),
        ] {
            let kind = FINDINGS.iter().find(|kind| kind.id == id).unwrap();
            let waivers = allow(allowed, strict).unwrap();
            assert_eq!(
                waivers.stops(&Finding::new(kind, "")),
                stops,
                "{id} {allowed:?} {strict}"
            );
        }
        let needs = Finding::new(&kinds::UNCHECKED_BASE, "");
        let waive = allow(&["unchecked-base"], false).unwrap();
        let none = Waivers::default();
        let stops = |finding: &Finding| (none.stops(finding), waive.stops(finding));
        assert_eq!(stops(&needs), (false, false));
        assert_eq!(stops(&needs.made_fatal()), (true, false));
        assert!(allow(&["empty-image"], false).is_err());
        assert!(allow(&["empty-image:/usr"], false).is_err());
        assert!(allow(&["set-uid:"], false).is_err());
        assert!(allow(&["set-ui"], false).is_err());
    }

    #[test]
    fn a_part_of_a_kind_is_allowed() {
        let text = "/usr/bin/a is in one-1-1.noarch and two-1-1.noarch (and /opt/b+c)";
        for (what, expected) in [
            ("/usr/bin/a", true),
            ("/usr/bin", false),
            ("usr/bin/a", false),
            ("one-1-1.noarch", true),
            ("one", false),
            ("/opt/b+c", true),
            ("/opt/b", false),
            ("one-1-1.noarch and two-1-1.noarch", true),
            ("/usr/bin/*", true),
            ("two-*", true),
            ("/opt/b?c", true),
            ("/bin/*", false),
        ] {
            let waivers = Waivers::new(&[format!("file-conflict:{what}")], false).unwrap();
            let finding = Finding::new(&kinds::FILE_CONFLICT, text);
            assert_eq!(waivers.stops(&finding), !expected, "{what}");
            let other = Finding::new(&kinds::SET_UID, text);
            assert!(!waivers.allows(&other), "{what}");
        }
        let reasons = [("set-uid:/usr/bin/a".to_owned(), "because".to_owned())].into();
        let waivers = Waivers::new(&["set-uid:/usr/bin/a".to_owned()], false).unwrap();
        let waivers = waivers.because(reasons);
        for (text, expected) in [("/usr/bin/a", Some("because")), ("/usr/bin/b", None)] {
            let mut finding = Finding::new(&kinds::SET_UID, text);
            waivers.give_reason(&mut finding);
            assert_eq!(finding.allowed.as_deref(), expected, "{text}");
        }
    }
}
