//! The answer of `check` as JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;

use architecture::Architecture;
use serde::Serialize;

use crate::base::{Evidence, Known};
use crate::check::closure::Break;
use crate::check::level::Level;
use crate::check::set::{Program, Together};
use crate::check::shadow::Shadow;
use crate::check::survey::{Row, Survey};
use crate::check::verdict::Word;
use crate::findings::Finding;

/// What there is to say of images.
#[derive(Serialize)]
pub struct Answer<'a> {
    /// Every image works everywhere.
    works: bool,
    /// Nothing stands against any image, but what the user allows.
    pub passes: bool,
    hosts: Vec<HostAnswer<'a>>,
    images: Vec<ImageAnswer<'a>>,
    /// The images that do not pass everywhere, though they were read, as they were named: what to build again.
    rebuild: Vec<&'a PathBuf>,
    /// What becomes of the images that a host merges together.
    together: Vec<OnHostTogether<'a>>,
    /// What `--level-from-abi` derived.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<&'a Level>,
}

#[derive(Serialize)]
struct OnHostTogether<'a> {
    host: &'a str,
    passes: bool,
    #[serde(flatten)]
    set: &'a Together,
    /// With `--verbose`: what every program loads.
    #[serde(skip_serializing_if = "Option::is_none")]
    programs: Option<&'a [Program]>,
}

#[derive(Serialize)]
struct HostAnswer<'a> {
    label: &'a str,
    title: &'a str,
    /// Its architecture; `None` where it states none, and each image's is taken for it.
    architecture: Option<&'static str>,
    /// How much is known of it: `os-release`, `names`, `provides` or `files`.
    known: Known,
    os_release: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct ImageAnswer<'a> {
    path: &'a PathBuf,
    file: &'a str,
    name: &'a str,
    /// What was assumed of its name, or of the hosts.
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    assumed: &'a [String],
    works: bool,
    passes: bool,
    hosts: Vec<OnHost<'a>>,
}

#[derive(Serialize)]
struct OnHost<'a> {
    host: &'a str,
    works: bool,
    passes: bool,
    /// `works`, `merges`, `unread` or `breaks`.
    state: Word,
    /// What stands against it, in a few words each.
    because: Vec<String>,
    /// What the word rests on.
    evidence: &'a Evidence,
    verdicts: Vec<VerdictAnswer<'a>>,
    findings: &'a [Finding],
    /// With `--from`: what was found before, too, and does not count.
    #[serde(skip_serializing_if = "<[Finding]>::is_empty")]
    as_before: &'a [Finding],
    /// Every file that would not run.
    breaks: &'a [Break],
    /// Every path of the base that would be hidden.
    shadows: &'a [Shadow],
}

#[derive(Serialize)]
struct VerdictAnswer<'a> {
    client: String,
    outcome: &'static str,
    field: &'static str,
    image: &'a Option<String>,
    host: &'a Option<String>,
    words: &'a str,
    /// With `--from`: it was so before.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    as_before: bool,
}

impl<'a> Answer<'a> {
    /// Collects what was found out.
    pub fn new(
        survey: &'a Survey,
        rows: &'a [Row],
        together: &'a [Option<Together>],
        with_programs: bool,
    ) -> Self {
        let targets = 0..survey.targets.len();
        let word = |row: &Row, target: usize| row.word(target, &survey.waivers);
        let works = |row: &Row| {
            targets
                .clone()
                .all(|target| word(row, target) == Word::Works)
        };
        let passes = |row: &Row| super::passes_everywhere(survey, row);
        let is_unread = |row: &Row| {
            targets
                .clone()
                .all(|target| word(row, target) == Word::Unread)
        };
        let hosts = survey.targets.iter().map(|target| HostAnswer {
            label: &target.label,
            title: &target.base.title,
            architecture: survey.architecture_of(target).map(Architecture::systemd),
            known: target.known(),
            os_release: target.os_release.keys(),
        });
        let images = rows.iter().map(|row| ImageAnswer {
            path: &row.path,
            file: &row.file,
            name: &row.link,
            assumed: &row.assumed,
            works: works(row),
            passes: passes(row),
            hosts: (0..survey.targets.len())
                .map(|target| OnHost::new(survey, row, target))
                .collect(),
        });
        let sets = (together.iter().zip(&survey.targets))
            .filter_map(|(set, target)| Some((set.as_ref()?, target)));
        let together: Vec<_> = sets
            .map(|(set, target)| OnHostTogether {
                host: &target.label,
                passes: set.passes(&survey.waivers),
                set,
                programs: with_programs.then_some(&set.programs),
            })
            .collect();
        let go_together = together.iter().all(|one| one.passes);
        Answer {
            works: rows.iter().all(works) && go_together,
            passes: rows.iter().all(passes) && go_together,
            hosts: hosts.collect(),
            images: images.collect(),
            rebuild: rows
                .iter()
                .filter(|row| !passes(row) && !is_unread(row))
                .map(|row| &row.path)
                .collect(),
            together,
            level: None,
        }
    }
}

impl<'a> OnHost<'a> {
    fn new(survey: &'a Survey, row: &'a Row, target: usize) -> Self {
        let here = row.judgements.iter().filter(|one| one.target == target);
        let word = row.word(target, &survey.waivers);
        Self {
            host: &survey.targets[target].label,
            works: word == Word::Works,
            passes: row.passes(target, &survey.waivers),
            state: word,
            because: row.because(target, &survey.waivers),
            evidence: &row.on_base[target].evidence,
            verdicts: here
                .map(|one| VerdictAnswer {
                    client: one.client.to_string(),
                    outcome: one.verdict.outcome.word(),
                    field: one.verdict.field,
                    image: &one.verdict.image,
                    host: &one.verdict.host,
                    words: &one.verdict.words,
                    as_before: one.as_before,
                })
                .collect(),
            findings: &row.on_base[target].findings,
            as_before: &row.on_base[target].as_before.findings,
            breaks: &row.on_base[target].breaks,
            shadows: &row.on_base[target].shadows,
        }
    }
}
