//! A list as a client reads it: which images of an extension there are, and which is the newest.
//!
//! The rules are those of systemd-sysupdate with the definitions that a store delivers: an image is one of
//! the extension if its name fits `NAME-@v.%a.raw`, versions are in systemd's order, and a list
//! whose day is over is refused.

use crate::freshness::{self, BestBefore};
use crate::order;
use crate::sums::{IMAGE_SUFFIX, Sums, SumsProblem};

/// The version in the file name of an image of an extension; `None` if it is another's, or for
/// another architecture.
#[must_use]
pub fn version_of<'a>(image: &'a str, name: &str, architecture: &str) -> Option<&'a str> {
    let rest = image.strip_prefix(name)?.strip_prefix('-')?;
    let rest = rest.strip_suffix(IMAGE_SUFFIX)?;
    let version = rest.strip_suffix(architecture)?.strip_suffix('.')?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._+~^-".contains(&byte);
    (!version.is_empty() && version.bytes().all(is_plain)).then_some(version)
}

/// Why a client takes nothing from a list. The text completes the sentence "the list … ".
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferProblem {
    /// It can't be read.
    #[error("can't be read: line {0}: {1}")]
    List(usize, SumsProblem),
    /// Its last day is over.
    #[error("was good until {0}: it is not kept up to date, or an old one")]
    Over(BestBefore),
}

/// An image that is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offered {
    /// File name.
    pub file: String,
    /// Version, as in the file name.
    pub version: String,
    /// SHA-256.
    pub sha256: [u8; 32],
}

/// A list that a client takes.
#[derive(Debug)]
pub struct Offer {
    sums: Sums,
}

impl Offer {
    /// Reads a list at a time, in seconds since 1970. Whether its signature counts is for the caller to
    /// say.
    ///
    /// # Errors
    /// [`OfferProblem`].
    pub fn of_list(list: &[u8], now: u64) -> Result<Self, OfferProblem> {
        let sums =
            Sums::parse(list).map_err(|(line, problem)| OfferProblem::List(line, problem))?;
        match freshness::of(&sums) {
            Some(day) if day.check(now).is_err() => Err(OfferProblem::Over(day)),
            _ => Ok(Self { sums }),
        }
    }

    /// The images of an extension for an architecture in systemd's spelling, the newest first.
    #[must_use]
    pub fn images(&self, name: &str, architecture: &str) -> Vec<Offered> {
        let offered = |file: &str| {
            Some(Offered {
                file: file.to_owned(),
                version: version_of(file, name, architecture)?.to_owned(),
                sha256: *self.sums.get(file)?,
            })
        };
        let listed = self.sums.images_with(name);
        let mut images: Vec<_> = listed.filter_map(offered).collect();
        images.sort_by(|a, b| order::systemd(&b.version, &a.version));
        images
    }

    /// All lines.
    pub(crate) fn sums(&self) -> &Sums {
        &self.sums
    }

    /// The listed digest of a file.
    #[must_use]
    pub fn digest_of(&self, file: &str) -> Option<[u8; 32]> {
        self.sums.get(file).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::index_name;

    #[test]
    fn what_a_client_is_offered() {
        let line = |name: &str| format!("{}  {name}\n", "1".repeat(64));
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let list: String = [
            "a-1.9-1.x86-64.raw",
            "a-1.10-1.x86-64.raw",
            "a-1.10~rc1-1.x86-64.raw",
            "a-2.arm64.raw",
            "a-3,5.x86-64.raw",
            "a-.x86-64.raw",
            "a-1.10-1.x86-64.blocks",
            "b-7.x86-64.raw",
        ]
        .map(line)
        .concat();
        let versions = |name: &str, architecture: &str| {
            let offer = Offer::of_list(list.as_bytes(), 0).unwrap();
            let images = offer.images(name, architecture).into_iter();
            images.map(|image| image.version).collect::<Vec<_>>()
        };
        assert_eq!(versions("a", "x86-64"), ["1.10-1", "1.10~rc1-1", "1.9-1"]);
        assert_eq!(versions("a", "arm64"), ["2"]);
        assert_eq!(versions("b", "x86-64"), ["7"]);
        assert!(versions("", "x86-64").is_empty());

        let dated = format!("{empty}  BEST-BEFORE-1970-01-02\n{list}");
        for (bytes, now, expected) in [
            (dated.as_str(), 2 * 86_400 - 1, None),
            (
                &dated,
                2 * 86_400,
                Some("was good until 1970-01-02: it is not kept up to date, or an old one"),
            ),
            (
                "x\n",
                0,
                Some("can't be read: line 1: the line does not begin with a hash of 64 hex digits"),
            ),
        ] {
            let problem = Offer::of_list(bytes.as_bytes(), now).err();
            assert_eq!(
                problem.map(|problem| problem.to_string()).as_deref(),
                expected
            );
        }
    }

    #[test]
    fn an_index_is_not_taken_for_an_image() {
        let image = "a-1-1.x86-64.raw";
        let index = index_name(image);
        assert_eq!(index, "a-1-1.x86-64.blocks");
        assert!(!index.starts_with(image));
        assert_eq!(version_of(&index, "a", "x86-64"), None);
    }
}
