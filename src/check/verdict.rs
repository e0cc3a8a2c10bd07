//! The word for how an image fares on a host, and what it rests on.
//!
//! There are four. `merges` says less than `works`: nobody looked whether what the image needs is
//! there, because too little is known of the host.

use serde::Serialize;

use crate::words::text::Tone;

/// How an image fares on a host, from best to worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// It is merged, and all that it needs was looked up and is there.
    Works,
    /// It is merged. Not all that it needs was looked up; what was is there.
    Merges,
    /// This program can't read it, so nothing is said of it.
    Unread,
    /// It is not merged, or something in it does not run, or it harms the base.
    Breaks,
}

impl Word {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Works, Self::Merges, Self::Unread, Self::Breaks];

    /// Returns the word of this text.
    pub fn of(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|word| word.text() == text)
    }

    /// Says whether a client has the image after a merge, as far as anybody has looked.
    pub fn is_good(self) -> bool {
        self <= Self::Merges
    }

    /// Returns the word.
    pub fn text(self) -> &'static str {
        match self {
            Self::Works => "works",
            Self::Merges => "merges",
            Self::Unread => "unread",
            Self::Breaks => "breaks",
        }
    }

    /// Returns how it is meant.
    pub fn tone(self) -> Tone {
        match self {
            Self::Works => Tone::Good,
            Self::Merges | Self::Unread => Tone::Doubtful,
            Self::Breaks => Tone::Bad,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_is_read_as_it_is_written() {
        for word in Word::ALL {
            assert_eq!(Word::of(word.text()), Some(word));
        }
        assert_eq!(Word::of("stale"), None);
        let good: Vec<_> = Word::ALL
            .into_iter()
            .filter(|word| word.is_good())
            .collect();
        assert_eq!(good, [Word::Works, Word::Merges]);
    }
}
