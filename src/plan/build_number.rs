//! What grows with each build of one version.

use std::fmt;
use std::str::FromStr;

use serde::de::{Unexpected, Visitor};
use serde::{Deserialize, Deserializer};

/// A number, or several with dots between them, as the Open Build Service counts
/// (`BUILD_RELEASE`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildNumber(Vec<u64>);

/// Which build number an image gets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Numbering {
    /// None.
    #[default]
    None,
    /// One that grows where what the image is built from has changed.
    Auto,
    /// This one.
    Given(BuildNumber),
}

impl BuildNumber {
    /// Returns what comes after all numbers that start like this one.
    pub fn next(&self) -> Self {
        let first = self.0.first().copied().unwrap_or(0);
        Self(vec![first.saturating_add(1)])
    }

    /// Returns the number before the first one.
    pub fn zero() -> Self {
        Self(vec![0])
    }
}

impl FromStr for BuildNumber {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let parts = text.split('.');
        parts
            .map(|part| is_number(part).then(|| part.parse().ok()).flatten())
            .collect::<Option<_>>()
            .map(Self)
            .ok_or_else(|| {
                format!("{text:?} is not a number, or several with dots, such as 7 or 29.1")
            })
    }
}

impl fmt::Display for BuildNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts: Vec<_> = self.0.iter().map(u64::to_string).collect();
        formatter.write_str(&parts.join("."))
    }
}

impl FromStr for Numbering {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "none" => Ok(Self::None),
            number => number
                .parse()
                .map(Self::Given)
                .map_err(|problem| format!("{problem}; nor is it auto or none")),
        }
    }
}

/// Reads it from a recipe. There, 29.1 without quotes is a fraction, of which 29.10 is the same, so
/// it has to be a string.
impl<'de> Deserialize<'de> for Numbering {
    fn deserialize<D: Deserializer<'de>>(value: D) -> Result<Self, D::Error> {
        struct Reader;

        impl Visitor<'_> for Reader {
            type Value = Numbering;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(
                    "\"auto\", \"none\", a whole number, 0 or more, or a string such as \"29.1\"",
                )
            }

            fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<Numbering, E> {
                let number = u64::try_from(number)
                    .map_err(|_| E::invalid_value(Unexpected::Signed(number), &self))?;
                Ok(Numbering::Given(BuildNumber(vec![number])))
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Numbering, E> {
                text.parse().map_err(E::custom)
            }
        }

        value.deserialize_any(Reader)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn build_numbers() {
        for (typed, expected) in [
            ("0", Some("0")),
            ("007", Some("7")),
            ("29.1", Some("29.1")),
            ("29.10", Some("29.10")),
            ("1.2.3", Some("1.2.3")),
            ("18446744073709551616", None),
            ("", None),
            (".1", None),
            ("1.", None),
            ("1..2", None),
            ("+1", None),
            ("-1", None),
            ("1-2", None),
            ("1a", None),
            ("Auto", None),
        ] {
            let read = typed.parse::<Numbering>();
            let shown = match &read {
                Ok(Numbering::Given(number)) => Some(number.to_string()),
                Ok(_) => Some("?".to_owned()),
                Err(_) => None,
            };
            assert_eq!(shown.as_deref(), expected, "{typed:?}");
        }
        assert_eq!("auto".parse(), Ok(Numbering::Auto));
        assert_eq!("none".parse(), Ok(Numbering::None));
    }

    #[test]
    fn the_next_number_comes_after_all_that_start_alike() {
        for (number, next) in [("0", "1"), ("9", "10"), ("29.1", "30"), ("29.10.3", "30")] {
            let number: BuildNumber = number.parse().unwrap();
            assert_eq!(number.next().to_string(), next);
        }
        assert_eq!(BuildNumber::zero().next().to_string(), "1");
    }
}
