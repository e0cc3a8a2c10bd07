//! Findings: what is worth a word about an image, and what that does to a build.
//!
//! A fatal finding stops the build, a note does not, unless `--strict` is given. Each can be
//! allowed by name, but for those that leave no image to speak of. The kinds are one table, in
//! [`kinds`].

pub mod kinds;

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

/// One kind of finding.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
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
    allowed: BTreeSet<String>,
    /// Why, as far as it was said.
    reasons: BTreeMap<String, String>,
    strict: bool,
}

impl Waivers {
    /// Checks the names.
    pub fn new(allow: &[String], strict: bool) -> Result<Self> {
        let known: Vec<_> = FINDINGS.iter().map(|kind| kind.id).collect();
        check_known("--allow", allow, &known)?;
        if let Some(kind) = FINDINGS.iter().find(|kind| {
            kind.severity == Severity::Always && allow.iter().any(|name| name == kind.id)
        }) {
            return Err(Failure::usage(format!(
                "--allow {}: this finding can't be allowed, since there is no image without it",
                kind.id
            )));
        }
        Ok(Self {
            allowed: allow.iter().cloned().collect(),
            reasons: BTreeMap::new(),
            strict,
        })
    }

    /// Adds why findings are allowed.
    #[must_use]
    pub fn because(mut self, reasons: BTreeMap<String, String>) -> Self {
        self.reasons = reasons;
        self
    }

    /// Writes into a finding why it is allowed, where a reason was given.
    pub fn give_reason(&self, finding: &mut Finding) {
        if self.allows(finding) {
            finding.allowed = self.reasons.get(finding.kind.id).cloned();
        }
    }

    /// Says whether this finding stops the build.
    pub fn stops(&self, finding: &Finding) -> bool {
        let is_allowed = self.allowed.contains(finding.kind.id);
        match finding.kind.severity {
            Severity::Always => true,
            Severity::Fatal => !is_allowed,
            Severity::Note => (self.strict || finding.fatal) && !is_allowed,
        }
    }

    /// Says whether the user allowed this kind of finding, and so knows of it.
    pub fn allows(&self, finding: &Finding) -> bool {
        self.allowed.contains(finding.kind.id)
    }
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
        assert!(allow(&["set-ui"], false).is_err());
    }
}
