//! What an installation of an image's packages would do besides unpacking them, as far as their
//! scriptlets and triggers say.

use rpm_input::Package;

use super::scriptlets::{self, Effect, Line, Reading, Step};
use crate::findings::{Finding, kinds};
use crate::words::quantity::counted;

/// So much of a command a finding quotes, in characters.
const QUOTED: usize = 200;

/// The scriptlets of an image's packages, command by command.
#[derive(Clone, Debug, Default)]
pub struct Installation {
    scripts: Vec<Script>,
}

/// A scriptlet.
#[derive(Clone, Debug)]
struct Script {
    /// Its package.
    owner: String,
    kind: &'static str,
    lines: Vec<Line>,
}

impl Installation {
    /// Reads the scriptlets of packages.
    pub fn of(packages: &[&Package]) -> Self {
        let scripts = packages.iter().flat_map(|package| {
            package.scriptlets.iter().map(|scriptlet| Script {
                owner: package.nevra.to_string(),
                kind: scriptlet.kind,
                lines: scriptlets::read(scriptlet.kind, &scriptlet.program, &scriptlet.script),
            })
        });
        Self {
            scripts: scripts.filter(|script| !script.lines.is_empty()).collect(),
        }
    }

    /// Names each command that changes something, or may, and is not done here.
    pub fn findings(&self) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        for script in &self.scripts {
            let unhandled = script
                .lines
                .iter()
                .filter(|line| !is_handled(&line.reading));
            for line in unhandled {
                let Script { owner, kind, .. } = script;
                let text = format!(
                    "{owner}: %{kind} line {}: {}",
                    line.line,
                    quoted(&line.text)
                );
                // A loop comes to a command several times.
                if findings.last().is_none_or(|last| last.text != text) {
                    findings.push(Finding::new(&kinds::SCRIPTLET, text));
                }
            }
        }
        findings
    }

    /// Counts the lines of all commands by what they come to, in one line; none if there are none.
    pub fn summary(&self) -> Option<String> {
        let (mut all, mut harmless, mut unhandled) = (0, 0, 0);
        for script in &self.scripts {
            // Of commands in one line, the worst counts.
            let mut lines: std::collections::BTreeMap<usize, u8> =
                std::collections::BTreeMap::new();
            for line in &script.lines {
                let worth = match &line.reading {
                    reading if !is_handled(reading) => 2,
                    Reading::Harmless(_) => 0,
                    _ => 1,
                };
                for number in line.line..line.line + line.lines {
                    let known = lines.entry(number).or_default();
                    *known = worth.max(*known);
                }
            }
            all += lines.len();
            harmless += lines.values().filter(|worth| **worth == 0).count();
            unhandled += lines.values().filter(|worth| **worth == 2).count();
        }
        (all > 0).then(|| {
            let done = all - harmless - unhandled;
            format!(
                "{}: {done} as data or on the host, {harmless} harmless, {unhandled} unhandled",
                counted(all, "line")
            )
        })
    }
}

/// Says whether a command is harmless, or done some other way.
fn is_handled(reading: &Reading) -> bool {
    match reading {
        Reading::Harmless(_) | Reading::Host(Step::Ldconfig) => true,
        Reading::Effects(effects) => effects.iter().all(|effect| *effect == Effect::Accounts),
        Reading::Host(_) | Reading::Unhandled => false,
    }
}

/// Quotes a command, or the beginning of a long one.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use rpm_input::{Nevra, Scriptlet};

    use super::*;

    fn package(scriptlets: &[(&'static str, &str)]) -> Package {
        let mut package = Package::named(Nevra {
            name: "d".to_owned(),
            epoch: None,
            version: "1".to_owned(),
            release: "1".to_owned(),
            arch: "noarch".to_owned(),
        });
        let scriptlets = scriptlets.iter().map(|(kind, script)| Scriptlet {
            kind,
            program: vec!["/bin/sh".to_owned()],
            script: (*script).to_owned(),
        });
        package.scriptlets = scriptlets.collect();
        package
    }

    #[test]
    fn what_is_not_done_is_named_with_its_place() {
        let long = format!("x {}", "y".repeat(300));
        for (scriptlets, expected, summary) in [
            (&[][..], &[][..], None),
            (
                &[
                    ("post", "echo x\n\n# y\n/sbin/ldconfig"),
                    ("preun", "rm /x"),
                ],
                &[],
                Some("3 lines: 1 as data or on the host, 2 harmless, 0 unhandled"),
            ),
            (
                &[(
                    "post",
                    "for i in a b; do\n  rm -f \\\n    /x\ndone; x\nuseradd y",
                )],
                &[
                    "d-1-1.noarch: %post line 2: rm -f /x",
                    "d-1-1.noarch: %post line 4: x",
                ],
                Some("4 lines: 1 as data or on the host, 0 harmless, 3 unhandled"),
            ),
            (
                &[("posttrans", &long)],
                &[&*format!(
                    "d-1-1.noarch: %posttrans line 1: {}...",
                    &long[..200]
                )],
                Some("1 line: 0 as data or on the host, 0 harmless, 1 unhandled"),
            ),
        ] {
            let installation = Installation::of(&[&package(scriptlets)]);
            let found: Vec<_> = (installation.findings().into_iter())
                .map(|finding| finding.text)
                .collect();
            assert_eq!(found, expected);
            assert_eq!(installation.summary().as_deref(), summary);
        }
    }
}
