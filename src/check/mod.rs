//! Findings: what is worth a word about an image before it is made.
//!
//! A fatal finding stops the build, a note does not, unless `--strict` is given. Each can be
//! allowed by name, but for those that leave no image to speak of.

mod base;
pub mod base_files;
pub mod closure;
pub mod explanations;
pub mod level;
pub mod shadow;
pub mod survey;

use std::collections::{BTreeMap, BTreeSet};

pub use base::against_base;

use linkage::Linkage;
use rpm_input::Package;
use serde::Serialize;

use self::closure::BaseLibraries;
use crate::architecture::Architecture;
use crate::failure::{Failure, Result};
use crate::metadata::Identity;
use crate::spelling::check_known;

/// What a finding does to the build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// It is said.
    Note,
    /// It stops the build, unless it is allowed.
    Fatal,
    /// It stops the build.
    Always,
}

/// One kind of finding.
pub struct FindingKind {
    /// The name to type.
    pub id: &'static str,
    /// What it does.
    pub severity: Severity,
    /// What it means.
    pub about: &'static str,
}

/// Every kind of finding.
pub const FINDINGS: &[FindingKind] = &[
    FindingKind {
        id: "file-conflict",
        severity: Severity::Fatal,
        about: "two packages own one path with different files; allowed, the first one wins",
    },
    FindingKind {
        id: "below-link",
        severity: Severity::Always,
        about: "a file is below a path that is a link or a file in another place of the image",
    },
    FindingKind {
        id: "empty-image",
        severity: Severity::Always,
        about: "no file is left for /usr or /opt, so systemd would merge nothing",
    },
    FindingKind {
        id: "architecture",
        severity: Severity::Fatal,
        about: "a package is for another architecture than the image",
    },
    FindingKind {
        id: "unmet-requirement",
        severity: Severity::Fatal,
        about: "neither the base nor a package of the image provides what a package requires",
    },
    FindingKind {
        id: "conflict",
        severity: Severity::Fatal,
        about: "a package of the image and one of the base conflict, as one of them says",
    },
    FindingKind {
        id: "unknown-in-base",
        severity: Severity::Note,
        about: "the base is known by its packages' names, and no repository has one of them",
    },
    FindingKind {
        id: "interpreter-missing",
        severity: Severity::Fatal,
        about: "the loader of a program or the interpreter of a command's script is not there",
    },
    FindingKind {
        id: "soname-missing",
        severity: Severity::Fatal,
        about: "a library that a program or library needs is neither in the image nor in the base",
    },
    FindingKind {
        id: "library-not-on-search-path",
        severity: Severity::Fatal,
        about: "a library is there, but not where the loader looks for this program",
    },
    FindingKind {
        id: "symbol-version-missing",
        severity: Severity::Fatal,
        about: "the library that the loader finds does not define a version of symbols that is needed",
    },
    FindingKind {
        id: "library-unloadable",
        severity: Severity::Fatal,
        about: "the loader finds a file under a library's name that it can't load",
    },
    FindingKind {
        id: "needs-its-host",
        severity: Severity::Note,
        about: "a plugin needs a library that only the program that loads it can bring",
    },
    FindingKind {
        id: "dlopen-missing",
        severity: Severity::Note,
        about: "a library that is loaded when it is first used, as a program says of itself, is not there",
    },
    FindingKind {
        id: "script-interpreter-missing",
        severity: Severity::Note,
        about: "the interpreter of a script that is no command of its own is not there",
    },
    FindingKind {
        id: "elf-unread",
        severity: Severity::Note,
        about: "an ELF file is not sound, so what it needs is not known",
    },
    FindingKind {
        id: "in-base",
        severity: Severity::Note,
        about: "the base has the package already, in this version or another",
    },
    FindingKind {
        id: "link-over-directory",
        severity: Severity::Fatal,
        about: "a symbolic link stands where the base has a directory: merged, it hides all of it",
    },
    FindingKind {
        id: "directory-mode",
        severity: Severity::Note,
        about: "a directory has another mode or owner than in the base; merged, the image's wins",
    },
    FindingKind {
        id: "directory-over-link",
        severity: Severity::Fatal,
        about: "a directory stands where the base has a link: merged, it hides all behind the link",
    },
    FindingKind {
        id: "shadows-base",
        severity: Severity::Fatal,
        about: "a file or link of the base would be replaced by a different one",
    },
    FindingKind {
        id: "command-in-base",
        severity: Severity::Note,
        about: "the base has a program of that name in another directory of programs",
    },
    FindingKind {
        id: "library-in-base",
        severity: Severity::Note,
        about: "the base has a library of that name in another directory of libraries",
    },
    FindingKind {
        id: "dangling-link",
        severity: Severity::Note,
        about: "a symbolic link leads to nothing, in the image and in the base",
    },
    FindingKind {
        id: "left-out",
        severity: Severity::Note,
        about: "a rule left files out that the packages' programs may miss",
    },
    FindingKind {
        id: "moved",
        severity: Severity::Note,
        about: "a rule moved files",
    },
    FindingKind {
        id: "owner",
        severity: Severity::Note,
        about: "files of another user or group were given to root",
    },
    FindingKind {
        id: "set-uid",
        severity: Severity::Note,
        about: "a program is set-uid or set-gid, or has file capabilities: it keeps them",
    },
    FindingKind {
        id: "scriptlet",
        severity: Severity::Note,
        about: "a package has scriptlets that an installation would have run; none ever is",
    },
    FindingKind {
        id: "overlay-replaces",
        severity: Severity::Note,
        about: "the overlay replaces a package's file",
    },
    FindingKind {
        id: "unsigned-package",
        severity: Severity::Fatal,
        about: "signatures are asked for, and a package has none that covers all of it",
    },
    FindingKind {
        id: "untrusted-key",
        severity: Severity::Fatal,
        about: "signatures are asked for, and a package is signed by a key that was not given",
    },
    FindingKind {
        id: "bad-signature",
        severity: Severity::Fatal,
        about: "a package is not what was signed, or its signature or key does not count",
    },
    FindingKind {
        id: "unchecked-repository",
        severity: Severity::Note,
        about: "packages come from a network, and no signature of them or of their list is checked",
    },
    FindingKind {
        id: "unreadable-key",
        severity: Severity::Note,
        about: "a key of a keyring was passed over, since it can't be read",
    },
    FindingKind {
        id: "key-file-mode",
        severity: Severity::Note,
        about: "the file of the secret key that signs can be read by others",
    },
    FindingKind {
        id: "any-architecture",
        severity: Severity::Note,
        about: "no package is for an architecture, so the image is for this machine's",
    },
    FindingKind {
        id: "not-merged",
        severity: Severity::Fatal,
        about: "a client passes over the image on this host; other images are not affected",
    },
    FindingKind {
        id: "blocks-all",
        severity: Severity::Fatal,
        about: "a client refuses the image on this host, and merges nothing as long as it is there",
    },
    FindingKind {
        id: "pattern-collision",
        severity: Severity::Fatal,
        about: "systemd-sysupdate would take another extension's image for this one's",
    },
    FindingKind {
        id: "no-version-id",
        severity: Severity::Note,
        about: "the base has no VERSION_ID: systemd accepts the image, sysextmgr does not",
    },
];

/// One finding of a build.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its kind's name.
    pub id: &'static str,
    /// What was found, in one line.
    pub text: String,
    /// Why a recipe allows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allowed: Option<String>,
}

impl Finding {
    /// Makes a finding.
    pub fn new(id: &'static str, text: impl Into<String>) -> Self {
        debug_assert!(
            FINDINGS.iter().any(|kind| kind.id == id),
            "{id} is not in the table"
        );
        Self {
            id,
            text: text.into(),
            allowed: None,
        }
    }

    /// Returns what this kind of finding does.
    pub fn severity(&self) -> Severity {
        FINDINGS
            .iter()
            .find(|kind| kind.id == self.id)
            .map_or(Severity::Always, |kind| kind.severity)
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
            finding.allowed = self.reasons.get(finding.id).cloned();
        }
    }

    /// Says whether this finding stops the build.
    pub fn stops(&self, finding: &Finding) -> bool {
        match finding.severity() {
            Severity::Always => true,
            Severity::Fatal => !self.allowed.contains(finding.id),
            Severity::Note => self.strict && !self.allowed.contains(finding.id),
        }
    }

    /// Says whether the user allowed this kind of finding, and so knows of it.
    pub fn allows(&self, finding: &Finding) -> bool {
        self.allowed.contains(finding.id)
    }
}

/// Looks at what the files of an image need, and whether it is there.
pub fn linkage(linkage: &Linkage, base: &BaseLibraries) -> Vec<Finding> {
    let unread = linkage
        .unread
        .iter()
        .map(|(path, problem)| Finding::new("elf-unread", format!("/{path}: {problem}")));
    let mut findings = closure::findings(&closure::judge(linkage, base));
    findings.extend(unread);
    findings
}

/// Looks at how the image is called against what is in it.
pub fn identity(identity: &Identity, packages: &[Package]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in packages {
        let arch = &package.nevra.arch;
        let fits = arch == "noarch"
            || Architecture::of_package(arch).is_some_and(|arch| identity.architecture.runs(arch));
        if !fits {
            let text = format!("{} is not for {}", package.nevra, identity.architecture);
            findings.push(Finding::new("architecture", text));
        }
    }
    if identity.assumed_architecture {
        let text = format!(
            "no package is for an architecture, so the image is for {}; --arch names another",
            identity.architecture
        );
        findings.push(Finding::new("any-architecture", text));
    }
    if !identity.release.iter().any(|(key, _)| *key == "VERSION_ID") {
        let text = "the base has no VERSION_ID; systemd accepts the image, sysextmgr does not";
        findings.push(Finding::new("no-version-id", text));
    }
    findings
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
            let waivers = allow(allowed, strict).unwrap();
            assert_eq!(
                waivers.stops(&Finding::new(id, "")),
                stops,
                "{id} {allowed:?} {strict}"
            );
        }
        assert!(allow(&["empty-image"], false).is_err());
        assert!(allow(&["set-ui"], false).is_err());
    }
}
