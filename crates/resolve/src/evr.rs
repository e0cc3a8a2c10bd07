//! Epoch, version and release, and the ranges of them that dependencies name.
//!
//! Two parts of an EVR are compared by `rpmvercmp`. Ranges are compared as librpm's
//! `rpmverOverlap` does it: a missing epoch is 0, and a missing release matches every release
//! when the side that lacks it names its version with `=`, `<=` or `>=`.

use std::cmp::Ordering;
use std::fmt;

/// Epoch, version and release.
///
/// Equality is that of text; [`Evr::compare`] is RPM's order.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Evr {
    /// Epoch; none and 0 compare as equal, and only differ in print.
    pub epoch: Option<u32>,
    /// Version, as upstream gave it.
    pub version: String,
    /// Release; empty in a dependency that names none.
    pub release: String,
}

impl Evr {
    /// Returns the parts of `[epoch:]version[-release]`.
    ///
    /// The release is what follows the last hyphen. An epoch that is not a 32-bit number counts
    /// as none, and stays out of the version, as in librpm.
    pub fn parse(text: &str) -> Self {
        let (epoch, rest) = match text.split_once(':') {
            Some((epoch, rest)) if epoch.bytes().all(|byte| byte.is_ascii_digit()) => {
                (epoch.parse().ok(), rest)
            }
            _ => (None, text),
        };
        let (version, release) = rest.rsplit_once('-').unwrap_or((rest, ""));
        Self {
            epoch,
            version: version.to_owned(),
            release: release.to_owned(),
        }
    }

    /// Returns RPM's order of two complete EVRs.
    pub fn compare(&self, other: &Self) -> Ordering {
        self.compare_version(other)
            .then_with(|| compare_part(&self.release, &other.release))
    }

    pub(crate) fn compare_version(&self, other: &Self) -> Ordering {
        (self.epoch.unwrap_or(0).cmp(&other.epoch.unwrap_or(0)))
            .then_with(|| compare_part(&self.version, &other.version))
    }
}

impl fmt::Display for Evr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(epoch) = self.epoch {
            write!(f, "{epoch}:")?;
        }
        f.write_str(&self.version)?;
        if !self.release.is_empty() {
            write!(f, "-{}", self.release)?;
        }
        Ok(())
    }
}

/// Compares two versions or two releases by `rpmvercmp`.
fn compare_part(a: &str, b: &str) -> Ordering {
    if a == b {
        return Ordering::Equal;
    }
    rpm_version::Evr::new("", a, "").cmp(&rpm_version::Evr::new("", b, ""))
}

/// The comparison in a versioned dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Comparison {
    /// `<`
    Less,
    /// `<=`
    LessEqual,
    /// `=`
    Equal,
    /// `>=`
    GreaterEqual,
    /// `>`
    Greater,
}

impl Comparison {
    /// Returns the comparison that rpm or libsolv writes as `text`.
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "<" => Self::Less,
            "<=" | "=<" => Self::LessEqual,
            "=" | "==" => Self::Equal,
            ">=" | "=>" => Self::GreaterEqual,
            ">" => Self::Greater,
            _ => return None,
        })
    }

    fn has_less(self) -> bool {
        matches!(self, Self::Less | Self::LessEqual)
    }

    fn has_equal(self) -> bool {
        matches!(self, Self::LessEqual | Self::Equal | Self::GreaterEqual)
    }

    fn has_greater(self) -> bool {
        matches!(self, Self::Greater | Self::GreaterEqual)
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Equal => "=",
            Self::GreaterEqual => ">=",
            Self::Greater => ">",
        })
    }
}

/// Returns whether two ranges of EVRs have an EVR in common.
pub(crate) fn overlap(a: (Comparison, &Evr), b: (Comparison, &Evr)) -> bool {
    let ((sense_a, evr_a), (sense_b, evr_b)) = (a, b);
    let mut order = evr_a.compare_version(evr_b);
    if order.is_eq() {
        match (evr_a.release.is_empty(), evr_b.release.is_empty()) {
            (false, false) => order = compare_part(&evr_a.release, &evr_b.release),
            // `foo = 1` is every release of version 1.
            (false, true) if sense_b.has_equal() => return true,
            (true, false) if sense_a.has_equal() => return true,
            _ => {}
        }
    }
    match order {
        Ordering::Less => sense_a.has_greater() || sense_b.has_less(),
        Ordering::Greater => sense_a.has_less() || sense_b.has_greater(),
        Ordering::Equal => {
            (sense_a.has_equal() && sense_b.has_equal())
                || (sense_a.has_less() && sense_b.has_less())
                || (sense_a.has_greater() && sense_b.has_greater())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(text: &str) -> (Comparison, Evr) {
        let (sense, evr) = text.split_once(' ').unwrap();
        (Comparison::parse(sense).unwrap(), Evr::parse(evr))
    }

    #[test]
    fn ranges_overlap_by_the_rules_of_librpm() {
        for (a, b, expected) in [
            ("= 1", "= 1-5", true),
            ("= 1-5", "= 1", true),
            ("= 1-4", "= 1-5", false),
            (">= 1-4", "= 1-5", true),
            ("> 1", "= 1-5", false),
            ("< 1", "= 1-5", false),
            ("> 1", "= 1.0-1", true),
            ("< 1:1", "= 2", true),
            ("= 0:1-1", "= 1-1", true),
            (">= 1:1", "= 2", false),
            (">= 2", "= 1:1", true),
            (">= 1.10", "= 1.9", false),
            (">= 1.0", "= 1.0~rc1", false),
            ("> 1.0", "= 1.0^git1", true),
            ("< 2", "> 1", true),
            ("< 1", "> 2", false),
            ("<= 1", ">= 1", true),
            ("< 1", ">= 1", false),
            ("= 1-2-3", "= 1-2-3", true),
        ] {
            let ((sense_a, evr_a), (sense_b, evr_b)) = (range(a), range(b));
            let (a, b) = ((sense_a, &evr_a), (sense_b, &evr_b));
            assert_eq!(overlap(a, b), expected, "{a:?} and {b:?}");
            assert_eq!(overlap(b, a), expected, "{b:?} and {a:?}");
        }
    }

    #[test]
    fn an_evr_is_printed_as_it_was_written() {
        for text in ["1", "1-2", "0:1-2", "3:1.0~rc1-lp1.2", "1:2"] {
            assert_eq!(Evr::parse(text).to_string(), text);
        }
    }
}
