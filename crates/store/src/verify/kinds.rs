//! The kinds of findings: what each means, and what to do about it.

use std::fmt;

/// What a finding means for those who use the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// No client is misled.
    Note,
    /// Some client refuses the store, or gets something other than was meant.
    Error,
}

/// One kind of finding.
#[derive(Debug)]
pub struct FindingKind {
    /// Its name.
    pub id: &'static str,
    /// What it means for the store's users.
    pub severity: Severity,
    /// What was found.
    pub about: &'static str,
    /// What to do about it.
    pub repair: &'static str,
    /// Whether [`Store::repair`](crate::Store::repair) can, without losing anything.
    pub is_fixable: bool,
}

const fn kind(
    id: &'static str,
    severity: Severity,
    about: &'static str,
    repair: &'static str,
) -> FindingKind {
    FindingKind {
        id,
        severity,
        about,
        repair,
        is_fixable: false,
    }
}

const fn fixable(
    id: &'static str,
    severity: Severity,
    about: &'static str,
    repair: &'static str,
) -> FindingKind {
    let mut kind = kind(id, severity, about, repair);
    kind.is_fixable = true;
    kind
}

use Severity::{Error, Note};

/// Every kind of finding, in the order in which they are reported.
pub const FINDINGS: &[FindingKind] = &[
    fixable(
        "half-published",
        Error,
        "a process was killed while it replaced the list and its signature, so that they do not fit",
        "--fix completes what was begun, as the next change would",
    ),
    kind(
        "list-unreadable",
        Error,
        "SHA256SUMS has a line for which some systemd refuses the whole store",
        "correct or remove the line; then sign the list again",
    ),
    kind(
        "list-prefix",
        Error,
        "a listed name begins with the name of an image, and systemd 254 to 257 take it for that",
        "rename the file and list it again, or take its line off the list",
    ),
    fixable(
        "file-missing",
        Error,
        "a listed file is gone, so that a client which wants it fails",
        "put the file back; --fix takes its line off the list",
    ),
    kind(
        "digest-mismatch",
        Error,
        "a file is not the one that was listed, so clients refuse it",
        "put back the listed bytes, or build the image again with --replace",
    ),
    kind(
        "name-unusable",
        Error,
        "a file name has something to which a client gives a meaning of its own",
        "build the image again under another name",
    ),
    kind(
        "name-collision",
        Error,
        "the pattern of one extension fits the images of another, which clients would install for it",
        "give each extension a directory of its own (--layout per-name)",
    ),
    kind(
        "version-unseen",
        Error,
        "a version has a character with which some systemd-sysupdate does not see the image",
        "build the image again; its version is then written in other characters",
    ),
    kind(
        "newest-differs",
        Error,
        "what a client takes for the newest image is not the newest by RPM's order",
        "remove the image that only looks newer, or publish the newest under a higher version",
    ),
    kind(
        "order-differs",
        Note,
        "clients order older versions otherwise than RPM",
        "nothing has to be done as long as the newest is the same for all",
    ),
    kind(
        "manifest-missing",
        Note,
        "an image has no listed manifest, so that sysextmgr does not offer it",
        "build the image again with --replace",
    ),
    kind(
        "manifest-invalid",
        Error,
        "a manifest is not one that sysextmgr reads",
        "build the image again with --replace",
    ),
    kind(
        "manifest-mismatch",
        Error,
        "a manifest is not about the image that it lies beside",
        "build the image again with --replace",
    ),
    kind(
        "image-unreadable",
        Error,
        "an image can't be read as SquashFS; one such image keeps systemd-sysext from merging any",
        "build the image again with --replace",
    ),
    kind(
        "release-missing",
        Error,
        "an image has no extension-release file that systemd and sysextmgr find under its names",
        "build the image again with --replace",
    ),
    kind(
        "release-mismatch",
        Error,
        "what an image says of itself is not what its manifest says of it",
        "build the image again with --replace",
    ),
    kind(
        "signature-invalid",
        Error,
        "SHA256SUMS.gpg is not a good signature of SHA256SUMS, so clients that verify refuse the store",
        "if the list is as you want it, sign it: sysext-build store sign",
    ),
    kind(
        "signature-unchecked",
        Note,
        "no key was named to check the signature with",
        "name the public key with --keyring",
    ),
    kind(
        "unsigned",
        Note,
        "the list is not signed, so clients need Verify=no",
        "sign it: sysext-build store sign",
    ),
    fixable(
        "bare-sha256",
        Error,
        "systemd-pull reads a NAME.sha256 before SHA256SUMS, and checks the signature against it",
        "remove it; --fix does where it says what the list says",
    ),
    kind(
        "not-listed",
        Note,
        "an image is not listed, so no client sees it",
        "list it with sysext-build store add, or remove it",
    ),
    fixable(
        "leftover",
        Note,
        "a killed process left a temporary file",
        "--fix removes it, as far as the next change would not",
    ),
    kind(
        "stray",
        Note,
        "a file is neither listed nor one that stores have",
        "remove it if it is not meant for people",
    ),
];

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Its kind's name.
    pub id: &'static str,
    /// The file that it is about.
    pub file: String,
    /// What was found, in a line that names the file.
    pub text: String,
}

impl Finding {
    /// Makes a finding about `file`; `text` goes on after the file's name.
    #[must_use]
    pub fn new(id: &'static str, file: &str, text: impl fmt::Display) -> Finding {
        debug_assert!(
            FINDINGS.iter().any(|kind| kind.id == id),
            "{id} is not in the table"
        );
        Finding {
            id,
            file: file.to_owned(),
            text: format!("{file} {text}"),
        }
    }

    /// Returns its kind.
    #[must_use]
    pub fn kind(&self) -> Option<&'static FindingKind> {
        FINDINGS.iter().find(|kind| kind.id == self.id)
    }

    /// What it means for the store's users.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.kind().map_or(Severity::Error, |kind| kind.severity)
    }

    /// Where it stands in a report: by kind, then by file.
    pub(super) fn rank(&self) -> (usize, &str) {
        let at = FINDINGS.iter().position(|kind| kind.id == self.id);
        (at.unwrap_or(FINDINGS.len()), &self.file)
    }
}
