//! `why`: how a package came into an image.
//!
//! The reasons were recorded when the packages were chosen, see [`manifest::Reason`]; nothing is solved
//! again.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::anyhow;
use files::Links;
use manifest::{Explained, Reason, ReliedOn, Summary};
use resolve::{Dependency, Nevra};
use serde::{Deserialize, Serialize};

use crate::cli::WhyArguments;
use crate::inspected::{beside, first_bytes, not_an_image};
use crate::report::Report;
use crate::words::document;
use crate::words::failure::{Failure, Result};
use crate::words::suggest::nearest;
use crate::words::text::Text;

/// What reasons are read from.
const GIVE: &str = "give an image, its manifest, or the output of --dry-run --json";

/// What a manifest or a plan records.
#[derive(Debug, Default)]
struct Record {
    packages: Vec<Explained>,
    base: Vec<ReliedOn>,
    /// What the image requires of its base, whichever package provides it.
    requires: Vec<String>,
}

/// The answer.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Answer {
    what: String,
    /// For each package that is or provides it, the way from it to what was asked for.
    chains: Vec<Vec<Link>>,
    /// Packages of the base that are or provide it.
    base: Vec<ReliedOn>,
    /// It is required of the base, and it is not known which package of it provides it.
    required_of_base: bool,
}

/// One package on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Link {
    nevra: String,
    reason: Reason,
}

/// Prints why a package is in an image.
pub fn run(arguments: &WhyArguments, report: &Report) -> Result<()> {
    let record = Record::read(&arguments.document)?;
    let Some(answer) = record.ask(&arguments.what) else {
        return Err(record.nothing(&arguments.what, &arguments.document));
    };
    if report.is_json() {
        report.json(&answer)?;
    } else {
        report.print(&answer.text())?;
    }
    Ok(())
}

/// What is read of a plan.
#[derive(Deserialize)]
struct PlanDocument {
    /// What tells it from a manifest.
    resolution: Option<Vec<Explained>>,
    #[serde(default)]
    relies_on: Vec<ReliedOn>,
    #[serde(default)]
    requires: Vec<String>,
}

impl Record {
    /// Reads what is recorded of an image, or by a plan.
    fn read(path: &Path) -> Result<Self> {
        let document = if is_json(path)? {
            document::read(path, Links::Follow, manifest::MAX_SIZE)?
        } else {
            let beside = beside(path);
            if !beside.try_exists().is_ok_and(|exists| exists) {
                if let Some(failure) = not_an_image(path)? {
                    return Err(failure.hint(GIVE));
                }
                return Err(Failure::refused(anyhow!(
                    "{} is not next to {}",
                    beside.display(),
                    path.display()
                ))
                .hint(GIVE));
            }
            document::read(&beside, Links::Refuse, manifest::MAX_SIZE)?
        };
        Self::parse(&document).map_err(|problem| {
            Failure::refused(anyhow!("{} {problem}", path.display()))
                .hint("only images and plans made by sysext-build record reasons")
        })
    }

    /// Reads a plan, or else a manifest. The error completes the sentence "the document … ".
    fn parse(json: &[u8]) -> std::result::Result<Self, String> {
        if let Ok(PlanDocument {
            resolution: Some(packages),
            relies_on,
            requires,
        }) = serde_json::from_slice(json)
        {
            return Ok(Self {
                packages,
                base: relies_on,
                requires,
            });
        }
        let manifest = Summary::parse(json).map_err(|error| error.to_string())?;
        let packages = manifest.packages.iter().map(|package| {
            package.explained().ok_or_else(|| {
                let named = package.nevra.as_ref().unwrap_or(&package.name);
                format!("records no reason for {named}")
            })
        });
        if packages.len() == 0 {
            return Err("lists no packages".to_owned());
        }
        Ok(Self {
            packages: packages.collect::<std::result::Result<_, _>>()?,
            base: manifest.relies_on,
            requires: manifest.requires.unwrap_or_default(),
        })
    }

    /// Looks for a package of that name, then for one that provides such a capability.
    fn ask(&self, what: &str) -> Option<Answer> {
        let what = what.trim();
        let wanted = Dependency::parse(what).ok();
        let provide = |provides: &[String]| {
            provides.iter().any(|offer| offer == what)
                || wanted
                    .as_ref()
                    .is_some_and(|wanted| satisfy(wanted, provides))
        };
        // A file is in no list of capabilities; it may have been a reason.
        let was_reason = |package: &&Explained| {
            let cause = match &package.reason {
                Reason::Requires { capability, .. } | Reason::Recommends { capability, .. } => {
                    Some(capability)
                }
                _ => None,
            };
            cause.is_some_and(|capability| capability == what)
        };
        let caused = Answer {
            chains: (self.packages.iter().filter(was_reason))
                .map(|package| self.chain(package))
                .collect(),
            ..Answer::default()
        };
        let required = Answer {
            required_of_base: provide(&self.requires),
            ..Answer::default()
        };
        let answers = [
            self.collect(&|nevra, _| is_meant(nevra, what)),
            self.collect(&|_, provides| provide(provides)),
            caused,
            required,
        ];
        let is_one = |answer: &Answer| *answer != Answer::default();
        answers.into_iter().find(is_one).map(|answer| Answer {
            what: what.to_owned(),
            ..answer
        })
    }

    /// Answers with the packages, of the image and of its base, that `is_meant` picks by NEVRA and
    /// provides.
    fn collect(&self, is_meant: &dyn Fn(&str, &[String]) -> bool) -> Answer {
        let packages = self.packages.iter();
        let base = self.base.iter();
        Answer {
            chains: packages
                .filter(|package| is_meant(&package.nevra, &package.provides))
                .map(|package| self.chain(package))
                .collect(),
            base: base
                .filter(|package| is_meant(&package.nevra, &package.provides))
                .cloned()
                .collect(),
            ..Answer::default()
        }
    }

    /// Follows the reasons up to what was asked for.
    fn chain(&self, start: &Explained) -> Vec<Link> {
        let mut chain = Vec::new();
        let mut seen = BTreeSet::new();
        let mut next = Some(start);
        while let Some(package) = next.filter(|package| seen.insert(package.nevra.as_str())) {
            chain.push(Link {
                nevra: package.nevra.clone(),
                reason: package.reason.clone(),
            });
            next = match &package.reason {
                Reason::Requested => None,
                Reason::Requires { by, .. } | Reason::Recommends { by, .. } => {
                    self.packages.iter().find(|other| other.nevra == *by)
                }
                Reason::Supplements { capability } => {
                    let wanted = Dependency::parse(capability).ok();
                    self.packages.iter().find(|other| {
                        other.nevra != package.nevra
                            && wanted
                                .as_ref()
                                .is_some_and(|wanted| satisfy(wanted, &other.provides))
                    })
                }
            };
        }
        chain
    }

    /// Says that nothing was found, and what has a similar name.
    fn nothing(&self, what: &str, path: &Path) -> Failure {
        let failure = Failure::refused(anyhow!("nothing in {} provides {what}", path.display()));
        let nevras = self.packages.iter().map(|package| package.nevra.as_str());
        let names: Vec<String> = nevras
            .filter_map(|nevra| Some(Nevra::parse(nevra)?.name))
            .collect();
        match nearest(what, names.iter().map(String::as_str)) {
            Some(name) => failure.hint(format!("did you mean {name}?")),
            // Manifests do not list files.
            None if what.starts_with('/') => failure.hint(format!(
                "to see which files are in it: sysext-build inspect {}",
                path.display()
            )),
            None => failure,
        }
    }
}

/// Says whether a file is a document, and not an image.
fn is_json(path: &Path) -> Result<bool> {
    let start = first_bytes(path)?;
    Ok(start.trim_ascii_start().starts_with(b"{") || start.starts_with(&manifest::GZIP))
}

/// Says whether these words are a way to write the package: its name, with or without version,
/// release and architecture.
fn is_meant(nevra: &str, what: &str) -> bool {
    let Some(Nevra { name, evr, arch }) = Nevra::parse(nevra) else {
        return nevra == what;
    };
    let version = &evr.version;
    [
        nevra.to_owned(),
        format!("{name}.{arch}"),
        format!("{name}-{version}"),
        format!("{name}-{evr}"),
        format!("{name}-{version}-{}", evr.release),
        name,
    ]
    .contains(&what.to_owned())
}

/// Says whether one of these capabilities satisfies a dependency.
fn satisfy(wanted: &Dependency, provides: &[String]) -> bool {
    let Dependency::Simple(wanted) = wanted else {
        return false;
    };
    provides.iter().any(|offer| {
        // Most are of another name, which needs no parsing.
        offer.starts_with(wanted.name.as_str())
            && matches!(Dependency::parse(offer), Ok(Dependency::Simple(offer)) if wanted.satisfied_by(&offer))
    })
}

impl Answer {
    fn text(&self) -> Text {
        let mut text = Text::default();
        for chain in &self.chains {
            for link in chain {
                let words = link.reason.words();
                let words = words.unwrap_or_else(|| "asked for".to_owned());
                text.line(format!("{}: {words}", link.nevra));
            }
        }
        for package in &self.base {
            text.line(format!(
                "{}: in the base; the image needs from it",
                package.nevra
            ));
            for capability in &package.provides {
                text.line(format!("  {capability}"));
            }
        }
        if self.required_of_base {
            text.line(format!("{}: required of the base", self.what));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let document = serde_json::json!({
            "packages": [
                {"name": "x", "nevra": "tool-1:2-3.x86_64", "reason": {"kind": "requested"},
                 "provides": ["tool = 1:2-3"]},
                {"name": "x", "nevra": "lib-1-1.x86_64", "provides": ["lib = 1-1", "lib.so.1()(64bit)"],
                 "reason": {"kind": "requires", "capability": "lib.so.1()(64bit)",
                            "by": "tool-1:2-3.x86_64"}},
                {"name": "x", "nevra": "deep-1-1.x86_64", "provides": [],
                 "reason": {"kind": "requires", "capability": "/usr/bin/deep",
                            "by": "lib-1-1.x86_64"}},
                {"name": "x", "nevra": "extra-1-1.noarch", "provides": [],
                 "reason": {"kind": "supplements", "capability": "lib >= 1"}},
                {"name": "x", "nevra": "loop-1-1.noarch", "provides": [],
                 "reason": {"kind": "recommends", "capability": "loop", "by": "loop-1-1.noarch"}},
                {"name": "x", "nevra": "plugin-1-1.noarch", "provides": [],
                 "reason": {"kind": "requires", "capability": "(plugin if tool)",
                            "by": "desktop-1-1.noarch"}},
            ],
            "relies_on": [{"nevra": "glibc-2-1.x86_64", "provides": ["libc.so.6()(64bit)"]}],
            "requires": ["libc.so.6()(64bit)", "/bin/sh", "other >= 3"],
        });
        Record::parse(document.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn the_way_from_a_package_to_what_was_asked_for() {
        let record = record();
        let asked = "tool-1:2-3.x86_64: asked for\n";
        let lib = format!("lib-1-1.x86_64: lib.so.1()(64bit) needed by tool-1:2-3.x86_64\n{asked}");
        let deep = format!("deep-1-1.x86_64: /usr/bin/deep needed by lib-1-1.x86_64\n{lib}");
        let glibc = "glibc-2-1.x86_64: in the base; the image needs from it\n  \
                     libc.so.6()(64bit)\n";
        for (what, text) in [
            ("tool", asked),
            ("tool-1:2-3", asked),
            ("tool-2-3", asked),
            ("tool = 1:2", asked),
            ("lib", &lib),
            ("lib.x86_64", &lib),
            ("lib.so.1()(64bit)", &lib),
            ("lib >= 1", &lib),
            ("deep", &deep),
            ("/usr/bin/deep", &deep),
            (
                "extra",
                &format!("extra-1-1.noarch: it supplements lib >= 1\n{lib}"),
            ),
            (
                "loop",
                "loop-1-1.noarch: loop recommended by loop-1-1.noarch\n",
            ),
            (
                "plugin",
                "plugin-1-1.noarch: (plugin if tool) needed by desktop-1-1.noarch\n",
            ),
            ("glibc", glibc),
            ("libc.so.6()(64bit)", glibc),
            ("/bin/sh", "/bin/sh: required of the base\n"),
            ("other >= 3", "other >= 3: required of the base\n"),
        ] {
            let answer = record.ask(what).map(|answer| answer.text());
            assert_eq!(answer.as_ref().map(Text::as_str), Some(text), "{what}");
        }
    }

    #[test]
    fn what_is_not_there() {
        let record = record();
        for what in ["nosuch", "lib >= 2", "tool-3", "", "lib.so"] {
            assert_eq!(record.ask(what), None, "{what}");
        }
        let failure = record.nothing("plugins", Path::new("x.raw"));
        assert_eq!(
            failure.source.to_string(),
            "nothing in x.raw provides plugins"
        );
        assert_eq!(failure.hints, ["did you mean plugin?"]);
        for (document, problem) in [
            (serde_json::json!({}), "lists no packages"),
            (
                serde_json::json!({"packages": [{"name": "a", "nevra": "a-1-1.noarch"}]}),
                "records no reason for a-1-1.noarch",
            ),
            (
                serde_json::json!({"packages": [{"name": "a"}]}),
                "records no reason for a",
            ),
        ] {
            let found = Record::parse(document.to_string().as_bytes());
            assert_eq!(found.unwrap_err(), problem);
        }
    }
}
