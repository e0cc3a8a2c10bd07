//! The gate before an update: what clients of an OS lose by it.
//!
//! Clients run the newest image of an extension that they accept. After an update they run the
//! same one, if it is good there; else the newest other one that the store has for the new system.

use super::survey::{Row, Survey};

/// What becomes of an extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// The image that clients run stays good.
    Kept,
    /// Another image of the store takes its place.
    Replaced,
    /// There is an image for the new system; nothing is known of the one before.
    Offered,
    /// Clients before the update run none.
    Unused,
    /// The image that clients run was not good before either.
    Broken,
    /// Clients lose it.
    Lost,
}

impl Fate {
    /// All of them.
    #[cfg(test)]
    pub const ALL: [Self; 6] = [
        Self::Kept,
        Self::Replaced,
        Self::Offered,
        Self::Unused,
        Self::Broken,
        Self::Lost,
    ];

    /// Returns the word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Replaced => "replaced",
            Self::Offered => "offered",
            Self::Unused => "unused",
            Self::Broken => "broken",
            Self::Lost => "lost",
        }
    }
}

/// What becomes of an extension on one system.
#[derive(Clone, Copy)]
pub struct Outlook<'a> {
    /// What becomes of it.
    pub fate: Fate,
    /// The image that clients ran before, as far as that is known.
    pub running: Option<&'a Row>,
    /// The image for the system after the update, if there is one.
    pub next: Option<&'a Row>,
}

/// Says what becomes of an extension on a target. `images` are all that the store has of it, the
/// newest first; `old` is the target before the update.
pub fn outlook<'a>(
    survey: &Survey,
    images: &[&'a Row],
    target: usize,
    old: Option<usize>,
) -> Outlook<'a> {
    let passes = |row: &Row, target: usize| row.passes(target, &survey.waivers);
    let next = images.iter().copied().find(|row| passes(row, target));
    let Some(old) = old else {
        let fate = match next {
            Some(_) => Fate::Offered,
            None => Fate::Lost,
        };
        return Outlook {
            fate,
            running: None,
            next,
        };
    };
    let is_merged = |row: &&Row| row.unaccepted(old).next().is_none();
    let running = images.iter().copied().find(is_merged);
    let (fate, next) = match running {
        None => (Fate::Unused, next),
        Some(running) if passes(running, target) => (Fate::Kept, Some(running)),
        Some(_) if next.is_some() => (Fate::Replaced, next),
        Some(running) if !passes(running, old) => (Fate::Broken, None),
        Some(_) => (Fate::Lost, None),
    };
    Outlook {
        fate,
        running,
        next,
    }
}

#[cfg(test)]
mod tests {
    use clients::{Client, Outcome, Systemd, Verdict};

    use super::*;
    use crate::base::{Evidence, Known};
    use crate::check::ground::OnBase;
    use crate::check::survey::Judgement;
    use crate::findings::{Finding, kinds};

    /// A row: for the old system and the new one, whether it is merged and whether it runs.
    fn row(file: &str, on: [(bool, bool); 2]) -> Row {
        let judgement = |(target, (is_merged, _)): (usize, (bool, bool))| Judgement {
            target,
            client: Client::Sysext(Systemd::ALL[0]),
            verdict: Verdict {
                outcome: match is_merged {
                    true => Outcome::Accepted,
                    false => Outcome::Ignored,
                },
                field: "VERSION_ID",
                image: None,
                host: None,
                words: String::new(),
            },
            as_before: false,
        };
        let found = |(_, runs): (bool, bool)| OnBase {
            findings: match runs {
                true => Vec::new(),
                false => vec![Finding::new(&kinds::SONAME_MISSING, "x")],
            },
            evidence: Evidence {
                known: Known::Files,
                ..Evidence::default()
            },
            ..OnBase::default()
        };
        Row {
            path: file.into(),
            link: "a".to_owned(),
            file: file.to_owned(),
            is_companion: false,
            companion: None,
            judgements: on.into_iter().enumerate().map(judgement).collect(),
            on_base: on.into_iter().map(found).collect(),
            needs: None,
            assumed: Default::default(),
            before: Default::default(),
            member: Default::default(),
        }
    }

    #[test]
    fn what_becomes_of_an_extension() {
        let survey = Survey::default();
        let (yes, no) = ((true, true), (false, true));
        let breaks = (true, false);
        for (images, fate, running, next) in [
            (vec![row("2", [yes, yes])], Fate::Kept, Some("2"), Some("2")),
            // The newest that clients accept is what they run, even if an older one would do.
            (
                vec![
                    row("3", [no, yes]),
                    row("2", [yes, yes]),
                    row("1", [yes, yes]),
                ],
                Fate::Kept,
                Some("2"),
                Some("2"),
            ),
            (
                vec![row("2", [no, yes]), row("1", [yes, no])],
                Fate::Replaced,
                Some("1"),
                Some("2"),
            ),
            (
                vec![row("2", [yes, breaks]), row("1", [yes, yes])],
                Fate::Replaced,
                Some("2"),
                Some("1"),
            ),
            (vec![row("2", [yes, breaks])], Fate::Lost, Some("2"), None),
            (vec![row("2", [yes, no])], Fate::Lost, Some("2"), None),
            (
                vec![row("2", [breaks, breaks])],
                Fate::Broken,
                Some("2"),
                None,
            ),
            (vec![row("2", [no, no])], Fate::Unused, None, None),
            (vec![row("2", [no, yes])], Fate::Unused, None, Some("2")),
        ] {
            let rows: Vec<_> = images.iter().collect();
            let found = outlook(&survey, &rows, 1, Some(0));
            let file = |row: Option<&Row>| row.map(|row| row.file.clone());
            let expected = (fate, running.map(str::to_owned), next.map(str::to_owned));
            assert_eq!(
                (found.fate, file(found.running), file(found.next)),
                expected
            );
            // Without the system before, only what is there for the new one counts.
            let found = outlook(&survey, &rows, 1, None);
            let is_there = rows.iter().any(|row| row.passes(1, &survey.waivers));
            assert_eq!(found.fate == Fate::Offered, is_there);
            assert_eq!(found.fate == Fate::Lost, !is_there);
        }
    }
}
