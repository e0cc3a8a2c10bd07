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

/// What a store can do by itself about a finding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fix {
    /// Complete a change that was begun, as taking the lock does.
    Complete,
    /// Take the line of a file off the list.
    Delist,
    /// Remove a file's own list, where it says what the list says.
    RemoveSum,
    /// Remove a temporary file that nobody has open.
    RemoveLeftover,
    /// Write the definitions of the archive again, which [`write_definitions`] does.
    ///
    /// [`write_definitions`]: crate::write_definitions
    WriteDefinitions,
}

/// One kind of finding.
#[derive(Debug, PartialEq, Eq)]
pub struct FindingKind {
    /// Its name.
    pub id: &'static str,
    /// What it means for the store's users.
    pub severity: Severity,
    /// What was found.
    pub about: &'static str,
    /// What to do about it.
    pub repair: &'static str,
    /// What [`Store::repair`](crate::Store::repair) can do about it without losing anything.
    pub fix: Option<Fix>,
}

/// Declares the kinds, and the list of all of them in the same order.
macro_rules! kinds {
    ($($name:ident: $severity:ident $id:literal, $about:literal, repair $repair:literal $(, fix $fix:ident)?;)*) => {
        $(
            #[doc = $about]
            pub static $name: FindingKind = FindingKind {
                id: $id,
                severity: $severity,
                about: $about,
                repair: $repair,
                fix: [$(Some(Fix::$fix),)? None][0],
            };
        )*
        /// Every kind of finding, in the order in which they are reported.
        pub static FINDINGS: &[&FindingKind] = &[$(&$name),*];
    };
}

use Severity::{Error, Note};

kinds! {
    HALF_PUBLISHED: Error "half-published",
        "a process was killed while replacing the list and its signature, so the two do not match",
        repair "--fix completes the change, as the next change would", fix Complete;

    LIST_UNREADABLE: Error "list-unreadable",
        "SHA256SUMS has a line for which some versions of systemd refuse the whole store",
        repair "correct or remove the line, then sign the list again";

    LIST_PREFIX: Error "list-prefix",
        "a listed name begins with an image's name, and systemd 254 to 257 take it for that image",
        repair "rename the file and list it again, or take it off the list";

    FILE_MISSING: Error "file-missing",
        "a listed file is missing, so a client that wants it fails",
        repair "put the file back; --fix takes it off the list", fix Delist;

    DIGEST_MISMATCH: Error "digest-mismatch",
        "a file is not the one that was listed, so clients refuse it",
        repair "put the listed file back, or make it again: an image with --replace, \
                definitions.tar.gz with store sysupdate";

    NAME_UNUSABLE: Error "name-unusable",
        "a file name contains something that has a meaning of its own for a client",
        repair "rebuild the image under another name";

    PATTERN_COLLISION: Error "pattern-collision",
        "the pattern of one extension fits the images of another, which clients would install for it",
        repair "give each extension a directory of its own (--layout per-name)";

    VERSION_UNSEEN: Error "version-unseen",
        "a version contains a character for which some systemd-sysupdate does not see the image",
        repair "rebuild the image; its version is then written in other characters";

    NEWEST_DIFFERS: Error "newest-differs",
        "what a client takes for the newest image is not the newest in RPM's order",
        repair "remove the image that only looks newer, or publish the newest under a higher version";

    ORDER_DIFFERS: Note "order-differs",
        "clients order older versions differently from RPM",
        repair "nothing to do as long as all agree on the newest";

    MANIFEST_MISSING: Note "manifest-missing",
        "an image has no listed manifest, so sysextmgr does not offer it",
        repair "rebuild the image with --replace";

    MANIFEST_INVALID: Error "manifest-invalid",
        "a manifest is not one that sysextmgr reads",
        repair "rebuild the image with --replace";

    MANIFEST_MISMATCH: Error "manifest-mismatch",
        "a manifest is not about the image next to it",
        repair "rebuild the image with --replace";

    IMAGE_UNREADABLE: Error "image-unreadable",
        "an image can't be read as SquashFS; one such image keeps systemd-sysext from merging any",
        repair "rebuild the image with --replace";

    IMAGE_UNREAD: Note "image-unread",
        "an image is of a kind whose extension-release file is not compared with the manifest",
        repair "nothing, if clients can read it: sysext-build check IMAGE says so";

    RELEASE_MISSING: Error "release-missing",
        "an image has no extension-release file that systemd and sysextmgr find under its names",
        repair "rebuild the image with --replace";

    RELEASE_MISMATCH: Error "release-mismatch",
        "an image's extension-release file and its manifest disagree",
        repair "rebuild the image with --replace";

    NOT_ATTESTED: Error "not-attested",
        "fewer keys than --attested demands say that an image is what its packages give",
        repair "have its builders build it again, sysext-build rebuild IMAGE --provenance KEY, and add their \
                statements with the image: sysext-build store add DIR IMAGE";

    SIGNATURE_INVALID: Error "signature-invalid",
        "SHA256SUMS.gpg is not a valid signature of SHA256SUMS, so clients that verify refuse the store",
        repair "put the last list back, with its signature; if it is as you want it, sign it: \
                sysext-build store sign DIR --sign-key KEY";

    SIGNATURE_MISSING: Error "signature-missing",
        "the store was signed, and SHA256SUMS.gpg is gone, so clients that verify refuse the store",
        repair "if the list is as you want it, sign it: sysext-build store sign DIR --sign-key KEY";

    ROLLED_BACK: Error "rolled-back",
        "the list is not the last one that was signed for this directory, nor one after it",
        repair "put the last list and its signature back; if this one is back on purpose: \
                sysext-build store sign DIR --sign-key KEY --restored";

    OTHER_KEY: Note "other-key",
        "a published key is not the one that signs, and clients which take all keys trust it",
        repair "if it is neither your next key nor your last one: sysext-build store sign DIR --sign-key KEY \
                --drop-key FINGERPRINT";

    SIGNATURE_UNCHECKED: Note "signature-unchecked",
        "no key was given to check the signature with",
        repair "give the public key with --keyring";

    UNSIGNED: Note "unsigned",
        "the list is not signed, so clients need Verify=no",
        repair "sign it: sysext-build store sign DIR --sign-key KEY";

    BEST_BEFORE_OVER: Error "best-before-over",
        "the last day of the list is over, so systemd 260 and newer refuse the store",
        repair "sign it until another day: sysext-build store sign DIR --sign-key KEY --best-before DAY";

    BEST_BEFORE_NEAR: Note "best-before-near",
        "in less than a week systemd 260 and newer will refuse the store",
        repair "sign it until another day: sysext-build store sign DIR --sign-key KEY --best-before DAY";

    COMPAT_STALE: Note "compat-stale",
        "the verdicts for other systems are not on the images that are listed",
        repair "judge the images again: sysext-build store gate DIR --base NEW --write";

    DEFINITION_MISMATCH: Error "definition-mismatch",
        "a definition is not what store sysupdate writes, so somebody else may have changed it",
        repair "--fix writes again what definitions.tar.gz has; or write all with store sysupdate",
        fix WriteDefinitions;

    DEFINITION_UNSIGNED: Note "definition-unsigned",
        "the store is signed, and its definitions are not: clients can't check them",
        repair "sysext-build store sysupdate DIR --url URL --sign-key FILE";

    DEFINITION_UNVERIFIED: Note "definition-unverified",
        "a definition tells clients not to ask for a signature, though the store is signed",
        repair "write the definitions again with store sysupdate, without --signed no";

    DEFINITION_MISSING: Note "definition-missing",
        "an extension is not in definitions.tar.gz, so clients can't set it up from there",
        repair "write the definitions again with store sysupdate";

    COMPANION_MISSING: Error "companion-missing",
        "an image or its companion for /etc is listed without the other, so clients ignore the version",
        repair "add the other with sysext-build store add, or remove what is left of the two";

    BARE_SHA256: Error "bare-sha256",
        "systemd-pull reads a NAME.sha256 before SHA256SUMS, and checks the signature against it",
        repair "remove it; --fix does so where it agrees with the list", fix RemoveSum;

    PUBLISHED_BY_OBS: Note "published-by-obs",
        "each listed file has a NAME.sha256, as the Open Build Service publishes them",
        repair "nothing to do: systemd-sysupdate reads SHA256SUMS alone; importctl --verify=signature \
                would check the signature of NAME.sha256, which is another's";

    NOT_LISTED: Note "not-listed",
        "an image is not listed, so no client sees it",
        repair "list it with sysext-build store add, or remove it";

    LEFTOVER: Note "leftover",
        "a killed process left a temporary file behind",
        repair "--fix removes it, unless a process still has it open", fix RemoveLeftover;

    STRAY: Note "stray",
        "a file is neither listed nor one that belongs in a store",
        repair "remove it, unless it is there for people to read";
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What kind it is.
    pub kind: &'static FindingKind,
    /// The file that it is about.
    pub file: String,
    /// What was found, in a line that names the file.
    pub text: String,
}

impl Finding {
    /// Makes a finding about `file`; `text` goes on after the file's name.
    #[must_use]
    pub fn new(kind: &'static FindingKind, file: &str, text: impl fmt::Display) -> Finding {
        Finding {
            kind,
            file: file.to_owned(),
            text: format!("{file} {text}"),
        }
    }

    /// Where it stands in a report: by kind, then by file.
    #[must_use]
    pub fn rank(&self) -> (usize, &str) {
        let at = FINDINGS.iter().position(|kind| *kind == self.kind);
        (at.unwrap_or(FINDINGS.len()), &self.file)
    }
}
