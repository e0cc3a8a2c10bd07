//! What a client does with an image, and why.

/// What a client does with an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It is merged, or installed.
    Accepted,
    /// It is passed over; others are not affected.
    Ignored,
    /// It is refused, and all others with it: nothing is merged as long as it is there.
    Refused,
    /// What the client does is not known: the image is in a form that this crate's caller can't
    /// read. The client may well read it.
    Unread,
}

impl Outcome {
    /// Returns the word for it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Ignored => "ignored",
            Self::Refused => "refused",
            Self::Unread => "unread",
        }
    }
}

/// An [`Outcome`] with what decided it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// What the client does.
    pub outcome: Outcome,
    /// What decided: a key such as `VERSION_ID`, or `name`, `format`, `extension-release`,
    /// `os-release`.
    pub field: &'static str,
    /// What the image says there, if anything.
    pub image: Option<String>,
    /// What the host says there, if anything.
    pub host: Option<String>,
    /// The client's own words, with the names filled in; where it has none, ours.
    pub words: String,
}

impl Verdict {
    pub(crate) fn new(outcome: Outcome, field: &'static str, words: impl Into<String>) -> Self {
        Self {
            outcome,
            field,
            image: None,
            host: None,
            words: words.into(),
        }
    }

    /// Makes one on an image that was not read: `problem` completes the sentence "the image …".
    pub(crate) fn unread(problem: &str) -> Self {
        Self::new(Outcome::Unread, "format", format!("the image {problem}"))
    }

    /// Adds the two values that were compared.
    pub(crate) fn between(mut self, image: Option<&str>, host: Option<&str>) -> Self {
        self.image = image.map(str::to_owned);
        self.host = host.map(str::to_owned);
        self
    }
}
