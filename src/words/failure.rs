//! Why a run ends without its image: what kind of failure, the reason, and what to type.

use std::fmt;

use super::text::Text;

/// What went wrong, as far as the exit code tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The input can't give a good image. Exit code 1.
    Refused,
    /// The command line is wrong. Exit code 2.
    Usage,
    /// The system failed: a file can't be read or written. Exit code 3.
    Io,
}

impl Kind {
    /// All of them, in the order of their exit codes.
    pub const ALL: [Self; 3] = [Self::Refused, Self::Usage, Self::Io];

    /// Returns the exit code.
    pub fn code(self) -> u8 {
        match self {
            Self::Refused => 1,
            Self::Usage => 2,
            Self::Io => 3,
        }
    }

    /// Returns the word for it, for programs.
    pub fn word(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Usage => "usage",
            Self::Io => "input-output",
        }
    }

    /// Returns what the exit code means, for the manual.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Refused => {
                "The input can't give a good image, or what was asked is answered by no."
            }
            Self::Usage => "The command line or a recipe is wrong.",
            Self::Io => {
                "Reading or writing failed: a file, the network, or gpg; or an image is in a form \
                 that is not read."
            }
        }
    }
}

/// A failed run.
#[derive(Debug)]
pub struct Failure {
    /// Decides the exit code.
    pub kind: Kind,
    /// The reason, outermost first.
    pub source: anyhow::Error,
    /// What the user may do, each a sentence or a command.
    pub hints: Vec<String>,
    /// The findings that are the reason, by their ids; none if it is something else.
    pub findings: Vec<&'static str>,
    /// Where it was said already.
    pub said: Said,
}

/// Whether what was printed has the failure in it, so that nothing is to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// It has not.
    Nowhere,
    /// The JSON object has.
    InJson,
    /// The answer has, as text and as JSON.
    InAnswer,
}

impl Failure {
    /// Refuses the input.
    pub fn refused(source: impl Into<anyhow::Error>) -> Self {
        Self {
            kind: Kind::Refused,
            source: source.into(),
            hints: Vec::new(),
            findings: Vec::new(),
            said: Said::Nowhere,
        }
    }

    /// Refuses the command line.
    pub fn usage(text: impl fmt::Display) -> Self {
        Self {
            kind: Kind::Usage,
            source: anyhow::anyhow!("{text}"),
            hints: Vec::new(),
            findings: Vec::new(),
            said: Said::Nowhere,
        }
    }

    /// Reports that reading or writing failed; `doing` says what was being done, as in
    /// "reading strace.rpm".
    pub fn io(doing: impl fmt::Display, source: impl Into<anyhow::Error>) -> Self {
        let source = source.into().context(doing.to_string());
        Self {
            kind: Kind::Io,
            source,
            hints: Vec::new(),
            findings: Vec::new(),
            said: Said::Nowhere,
        }
    }

    /// Reports that something is in a form that this program does not read, so that there is no
    /// answer.
    pub fn unread(source: impl Into<anyhow::Error>) -> Self {
        Self {
            kind: Kind::Io,
            ..Self::refused(source)
        }
    }

    /// Adds what the user may do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Says before the reason where it lies, as in "debug.toml:3".
    #[must_use]
    pub fn at(mut self, place: impl fmt::Display) -> Self {
        self.source = self.source.context(place.to_string());
        self
    }

    /// Returns why it failed, for programs: the ids of findings, else the word for its kind.
    pub fn reasons(&self) -> Vec<&'static str> {
        match self.findings.is_empty() {
            true => vec![self.kind.word()],
            false => self.findings.clone(),
        }
    }

    /// Says that the answer of a `--json` run has the failure in it.
    #[must_use]
    pub fn said_in_json(mut self) -> Self {
        self.said = Said::InJson;
        self
    }

    /// Makes this an answer of "no", which was printed.
    #[must_use]
    pub fn answered(mut self) -> Self {
        self.said = Said::InAnswer;
        self
    }

    /// Returns the reason as lines, the outermost first: one, unless a [`Text`] is the reason. Each has
    /// before it where it lies.
    pub fn lines(&self) -> Text {
        let mut text = Text::default();
        let mut line = String::new();
        for cause in self.source.chain() {
            let said = cause.to_string();
            // Many errors have their cause in their own words, too.
            if cause.downcast_ref::<Text>().is_none() && line.ends_with(&said) {
                continue;
            }
            if !line.is_empty() {
                line += ": ";
            }
            match cause.downcast_ref::<Text>() {
                None => line += &said,
                Some(reason) => {
                    let place = std::mem::take(&mut line);
                    text.extend(reason.as_str().lines().map(|said| format!("{place}{said}")));
                }
            }
        }
        if !line.is_empty() {
            text.line(line);
        }
        text
    }

    /// Returns the exit code.
    pub fn code(&self) -> u8 {
        self.kind.code()
    }
}

/// The result of everything that can end a run.
pub type Result<T> = std::result::Result<T, Failure>;

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        store_failure(error)
    }
}

impl From<files::Error> for Failure {
    /// Sorts the error of a file that was to be read by whether the file or the system is at fault.
    fn from(error: files::Error) -> Self {
        match error {
            files::Error::Io { path, source, .. } => {
                Self::io(format!("reading {}", path.display()), source)
            }
            files::Error::WrongKind {
                found: files::Kind::Fifo,
                ..
            } => Self::refused(error).hint("give a file that holds what comes out of the FIFO"),
            other => Self::refused(other),
        }
    }
}

/// Sorts the error of a file that was to be written.
pub fn writing_failure(error: files::Error) -> Failure {
    match error {
        files::Error::Io { path, source, .. } => {
            Failure::io(format!("writing {}", path.display()), source)
        }
        other => Failure::refused(other),
    }
}

/// Sorts the error of a file that nobody but this user may write: `what`, such as "the cache".
pub fn own_failure(what: &str, error: files::Error) -> Failure {
    if let files::Error::Io { .. } = error {
        return Failure::io(format!("using {what}"), error);
    }
    let repair = match &error {
        files::Error::NotPrivate { path, .. } => Some(format!(
            "if nobody else has written there: chmod -R go-w {}",
            path.display()
        )),
        _ => None,
    };
    let text = format!("{what} can't be trusted");
    let failure = Failure::refused(anyhow::Error::from(error).context(text));
    match repair {
        Some(repair) => failure.hint(repair),
        None => failure,
    }
}

/// Says what to type where a release of the packages sorts among the build numbers of the release
/// before: 5.fc42.1 is a rebuild of 5.fc42, and so was the image that is called 5.fc42.2.
fn between_builds(version: &str, newest: &str) -> Option<String> {
    let is_number = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    let (release, number) = newest.rsplit_once('.')?;
    let rebuild = version.strip_prefix(release)?.strip_prefix('.')?;
    (is_number(number) && is_number(rebuild)).then(|| {
        format!(
            "if {number} is the build number of an image of {release}, and {version} are new \
             packages, give a version that comes after both: --image-version {newest}.1"
        )
    })
}

/// Sorts a package's error by whether the package or the system is at fault.
pub fn package_failure(error: rpm_input::Error) -> Failure {
    match error {
        rpm_input::Error::Io { origin, source } => Failure::io(format!("reading {origin}"), source),
        other => Failure::refused(other),
    }
}

/// Sorts a store's error by whether what it holds or the system is at fault.
pub fn store_failure(error: store::Error) -> Failure {
    match error {
        store::Error::File(error) => error.into(),
        store::Error::Io { .. }
        | store::Error::Locked { .. }
        | store::Error::LockUnsupported { .. }
        | store::Error::Undo { .. } => Failure::io("using the store", error),
        store::Error::Exists { .. } | store::Error::Withdrawn { .. } => Failure::refused(error)
            .hint("clients may have it already; tell the two apart with --build-number auto or N")
            .hint("or replace it with --replace"),
        store::Error::Older {
            ref version,
            ref newest,
            ..
        } => {
            let hint = between_builds(version, newest);
            let failure = Failure::refused(error)
                .hint("clients would keep using the newer one; to add it anyway: --allow-older");
            match hint {
                Some(hint) => failure.hint(hint),
                None => failure,
            }
        }
        store::Error::Unsigned { .. } => {
            Failure::refused(error).hint("give the key with --sign-key FILE or --gpg-key KEY")
        }
        store::Error::SignatureMissing { ref path }
        | store::Error::SignatureInvalid { ref path, .. } => {
            let directory = path.parent().unwrap_or(path).display().to_string();
            Failure::refused(error)
                .hint(format!("see what is wrong: sysext-build store verify {directory}"))
                .hint(format!(
                    "if the list is as you want it: sysext-build store sign --sign-key FILE {directory}"
                ))
        }
        store::Error::NoList { .. } => Failure::refused(error)
            .hint("if there was a list, put it back with its signature")
            .hint("to list an image again: sysext-build store add"),
        store::Error::Setback { ref path, .. } => {
            let directory = path.parent().unwrap_or(path).display().to_string();
            Failure::refused(error)
                .hint("somebody may have put it back; an upload that failed looks the same")
                .hint("put the last list and its signature back, with the files that it lists")
                .hint(format!(
                    "if you restored this one on purpose: sysext-build store sign --restored \
                     --sign-key FILE {directory}"
                ))
        }
        store::Error::OtherKey { .. } => Failure::refused(error)
            .hint("publish the new key first; once clients have it, add --new-key")
            .hint("or sign with the key that signed before"),
        other => Failure::refused(other),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn a_rebuild_that_sorts_among_build_numbers_has_a_version_to_type() {
        for (version, newest, typed) in [
            ("1-5.fc42.1", "1-5.fc42.2", Some("1-5.fc42.2.1")),
            ("1-5.fc42.1.1", "1-5.fc42.2", Some("1-5.fc42.2.1")),
            ("1-5.fc42", "1-5.fc42.2", None),
            ("1-4.fc42", "1-5.fc42", None),
            ("1-5.fc41.1", "1-5.fc42.2", None),
            ("1-5.fc42.1", "1-5.fc42.x", None),
        ] {
            let hint = between_builds(version, newest);
            let found = hint
                .as_deref()
                .and_then(|hint| hint.split_once("--image-version "));
            assert_eq!(found.map(|(_, typed)| typed), typed, "{version} {newest}");
            let sorts = |typed| store::order::systemd(typed, newest).is_gt();
            assert!(typed.is_none_or(sorts));
        }
    }

    #[test]
    fn no_cause_is_said_twice() {
        // It says its cause itself, and names it as its source, too.
        let damaged = rpm_input::Error::Decompress {
            origin: "a.rpm".to_owned(),
            compressor: "zstd",
            offset: 7,
            source: io::Error::other("unknown frame"),
        };
        let lines = |failure: Failure| failure.lines().as_str().to_owned();
        assert_eq!(
            lines(Failure::refused(damaged)),
            "a.rpm: zstd payload is damaged at offset 7 of the archive: unknown frame\n"
        );
        let nested = io::Error::other(io::Error::other("unknown frame"));
        assert_eq!(
            lines(Failure::io("reading a.rpm", nested)),
            "reading a.rpm: unknown frame\n"
        );
        let text: Text = ["one", "two"].into_iter().collect();
        assert_eq!(lines(Failure::refused(text).at("a")), "a: one\na: two\n");
    }
}
