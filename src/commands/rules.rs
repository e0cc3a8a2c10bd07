//! `rules`: the rules and findings that have names.

use serde::Serialize;

use crate::findings::FINDINGS;
use crate::plan::filter::{Default, RULES};
use crate::report::Report;
use crate::words::failure::Result;
use crate::words::text::Text;

#[derive(Serialize)]
struct Listing {
    rules: Vec<Named>,
    findings: Vec<Named>,
}

#[derive(Serialize)]
struct Named {
    name: &'static str,
    state: &'static str,
    about: &'static str,
}

/// Lists all rules and findings.
pub fn run(report: &Report) -> Result<()> {
    let listing = Listing {
        rules: RULES
            .iter()
            .map(|rule| Named {
                name: rule.name,
                about: rule.about,
                state: match rule.default {
                    Default::Always => "always",
                    Default::On => "on",
                    Default::Base => "as the base",
                    Default::Off | Default::Asked => "off",
                },
            })
            .collect(),
        findings: FINDINGS
            .iter()
            .map(|kind| Named {
                name: kind.id,
                about: kind.about,
                state: kind.severity.word(),
            })
            .collect(),
    };
    if report.is_json() {
        return report.json(&listing);
    }
    let line = |row: &Named| format!("  {:<21} {:<12} {}", row.name, row.state, row.about);
    let mut text = Text::default();
    text.line(
        "Rules, in the order in which they are applied. --keep RULE switches one off, --drop RULE \
         on.",
    );
    text.extend(listing.rules.iter().map(line));
    text.line("");
    text.line(
        "Findings. Fatal ones stop a build, with --strict notes too; --allow FINDING lets one pass.",
    );
    text.extend(listing.findings.iter().map(line));
    report.print(&text)
}
